//! Word problems, units and money.

use crate::Kind;

pub(super) fn kinds() -> Vec<Kind> {
    vec![]
}
