//! Suites, runs, figures and reports, as a caller meets them.

mod folders;
mod grading;
mod reading;
mod reports;
mod sandboxed;
mod statistics;
mod suites;
mod support;
