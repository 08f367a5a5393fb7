//! A real ipykernel per conversation inside the sandbox.
//!
//! Models compute by writing Python, and what they know is CPython with numpy, pandas, matplotlib
//! and sympy: so that is what runs, in a jail of `ozone-sandbox`, driven with Jupyter's messages
//! over unix sockets. State lasts from call to call. A [`KernelPool`] keeps kernels started and
//! warm; a [`Kernel`] runs one cell at a time and survives what the cell does: an endless loop is
//! interrupted and keeps its state, a kernel that dies is a result with a cause, and the next call
//! gets a fresh one and says so.
//!
//! The kernel's process is the untrusted party, so its messages are read as bytes from an enemy:
//! frame sizes are checked before memory is taken for them (`guard`), texts, pictures and files
//! have caps, connections are made once, before any code has run. What one cell can do to another
//! of the *same* conversation is not prevented: they share a process and with it the message key.
//!
//! Where Python is missing, [`Subset`] answers with the `monty` interpreter, in the same sandbox.

mod env;
mod error;
mod execution;
mod files;
mod guard;
mod kernel;
mod pool;
mod session;
mod shell;
mod subset;

pub use env::{EnvError, PythonEnv};
pub use error::PythonError;
pub use execution::{
    CutText, ErrorOutput, ExecuteOptions, Execution, Interrupt, KernelEvent, OutputFile, Status,
    Table, was_cut,
};
pub use files::files_below;
pub use kernel::Kernel;
pub use ozone_sandbox::{Capabilities, Limits, Mechanism, SandboxError, WORK_DIR, WorkDir};
pub use pool::{KernelPool, PoolConfig, Refill, Reuse, WarmUp};
pub use shell::{CommandOutput, ShellRun};
pub use subset::Subset;
pub use tokio_util::sync::CancellationToken;
