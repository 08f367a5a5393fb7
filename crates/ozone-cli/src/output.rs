//! What commands print.

use std::io::{self, Write as _};

use crate::failure::Failure;

/// Writes to stdout. A reader that has gone, as `head` does, is an error and no panic.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())?;
    Ok(())
}
