//! What is found out about servers that treat pictures in all the ways they do.

mod boards;
mod fake;
mod reader;
mod stored;
mod ways;
