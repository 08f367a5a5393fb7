mod fuzz;
mod grammar;
mod parsing;
mod support;
mod templates;
mod transcripts;
