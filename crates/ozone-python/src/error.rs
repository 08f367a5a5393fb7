use std::io;

use ozone_sandbox::SandboxError;

/// Why no Python can be run at all. What goes wrong inside a running kernel is an `Execution`.
#[derive(Debug, thiserror::Error)]
pub enum PythonError {
    /// Refuse the tool and show the cause: code never runs without the sandbox.
    #[error("Python is off because {0}")]
    Sandbox(#[from] SandboxError),
    #[error("the Python kernel did not start: {0}")]
    KernelStart(String),
    /// The caller's mistake: a name that leaves the work folder, or too large a file.
    #[error("`{name}` cannot be put into the work folder: {reason}")]
    BadFile { name: String, reason: String },
    #[error("could not {doing}: {source}")]
    Io { doing: &'static str, source: io::Error },
}

impl PythonError {
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> PythonError {
        move |source| PythonError::Io { doing, source }
    }
}
