//! The Tool seam and the built-in tools.
