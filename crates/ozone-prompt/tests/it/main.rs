mod fuzz;
mod grammar;
mod inputs;
mod parsing;
mod pictures;
mod support;
mod templates;
mod transcripts;
