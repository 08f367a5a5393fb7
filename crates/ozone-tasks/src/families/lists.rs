//! Number theory, bases, counting, lists and statistics, letters and words.

use crate::Kind;

pub(super) fn kinds() -> Vec<Kind> {
    vec![]
}
