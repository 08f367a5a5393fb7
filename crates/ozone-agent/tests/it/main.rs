//! The loop at its boundary: a script in, a journal out.

mod loops;
mod resume;
mod support;
