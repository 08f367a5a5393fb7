//! Errors become one line on stderr and an exit code here, and nowhere else.

use std::fmt;
use std::process::ExitCode;

/// What a person is told: the cause and the next step, in one line.
#[derive(Debug)]
pub struct Failure {
    message: String,
    code: u8,
}

/// The job was not finished.
const FAILED: u8 = 1;
/// The command line or the configuration is wrong.
const USAGE: u8 = 2;
/// As shells have it for a program that Ctrl-C ended.
pub const INTERRUPTED: u8 = 130;

impl Failure {
    pub fn new(message: impl Into<String>) -> Self {
        Failure { message: message.into(), code: FAILED }
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Failure { message: message.into(), code: USAGE }
    }

    pub fn interrupted(message: impl Into<String>) -> Self {
        Failure { message: message.into(), code: INTERRUPTED }
    }

    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !message.contains(&cause_text) {
                message.push_str(": ");
                message.push_str(&cause_text);
            }
            source = cause.source();
        }
        Failure::new(message.replace('\n', " "))
    }
}
