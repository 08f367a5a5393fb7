//! Money as a user of the crate sees it.

mod amounts;
mod books;
mod examples;
mod laws;
mod support;
mod times;
mod usages;
