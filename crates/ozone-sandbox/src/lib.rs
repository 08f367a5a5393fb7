//! One untrusted process, with limits.
//!
//! Code that a model wrote runs here and nowhere else. A [`Sandbox`] exists only after a negative
//! test: a script was run inside the jail and failed to write outside, to open a socket and to see
//! other processes. Whoever holds a `Sandbox` has nothing left to check; where the jail cannot
//! hold, there is an error that names the cause and the next step, never a weaker jail.
//!
//! The layers, each of which would do alone for most attacks:
//! - bubblewrap: own user, PID, mount, network, IPC, UTS and cgroup namespaces, no capabilities,
//!   `no_new_privs`, a root made of read-only binds and size-limited tmpfs;
//! - a seccomp filter ([`seccomp`]) over it, for the system calls through which kernels break;
//! - limits for the whole tree: a cgroup (v2 or v1), or, where none is writable, rlimits together
//!   with a filter that allows one process only, so that a per-process limit is the tree's limit;
//! - only descriptors 0, 1 and 2 reach the process.
//!
//! What it does not cover: the content of `/usr` and of the folders bound by the caller can be
//! read; time and CPU load can be observed; a bug in the kernel's allowed system calls is the
//! kernel's. Processes inside one jail are not protected from each other.

#[cfg(not(target_os = "linux"))]
compile_error!("ozone-sandbox needs Linux: its walls are Linux namespaces and seccomp");

mod cgroup;
mod error;
mod jail;
mod limits;
mod probe;
pub mod seccomp;
mod spawner;
mod work;

pub use error::SandboxError;
pub use jail::{Exit, Jail, ReadOnlyFile, Spec};
pub use limits::{Limits, Mechanism};
pub use probe::{Capabilities, Sandbox};
pub use work::{Entry, WorkDir};

/// The one folder that the process may fill; also its working directory. The name is the one that
/// o3's Python tool uses, so models know it.
pub const WORK_DIR: &str = "/mnt/data";

/// A small writable folder for the caller's own purposes, such as sockets.
pub const RUN_DIR: &str = "/run/ozone";
