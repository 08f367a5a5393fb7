//! The loop at its boundary: a script in, a journal out.

mod answers;
mod at_once;
mod compaction;
mod costs;
mod functions;
mod laws;
mod loops;
mod machine;
mod pages;
mod pictures;
mod pro;
mod resume;
mod searches;
mod support;
mod turns;
mod votes;
