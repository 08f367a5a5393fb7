mod fuzz;
mod grammar;
mod inputs;
mod parsing;
mod support;
mod templates;
mod transcripts;
