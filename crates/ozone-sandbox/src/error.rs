use std::io;
use std::path::PathBuf;

/// Why no process was started. Each variant's text ends with what to do about it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SandboxError {
    #[error("bubblewrap (`bwrap`) is not installed; install it: apt-get install bubblewrap")]
    BubblewrapMissing,
    #[error(
        "bubblewrap {found} is too old, 0.8.0 or newer is needed; upgrade it: apt-get install \
         bubblewrap"
    )]
    BubblewrapTooOld { found: String },
    /// Containers and hardened hosts forbid them.
    #[error(
        "user namespaces are forbidden here ({detail}); allow them: on a host \
         `sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000` (Ubuntu: \
         `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`), in Docker \
         `--security-opt seccomp=unconfined --security-opt apparmor=unconfined`"
    )]
    UserNamespacesForbidden { detail: String },
    #[error(
        "the jail could not be built ({detail}); run `ozone` where mounts inside a user namespace \
         are allowed (in Docker: `--security-opt systempaths=unconfined`)"
    )]
    Setup { detail: String },
    /// The jail was built and did not hold.
    #[error("the jail does not hold: {what}; Python stays off on this host")]
    NotContained { what: String },
    #[error("the seccomp filter could not be built for this processor: {0}")]
    Seccomp(String),
    #[error("{path} cannot be put into the jail: {reason}")]
    BadBind { path: PathBuf, reason: String },
    #[error("the sandbox could not {doing}: {reason}")]
    Io { doing: &'static str, reason: String },
}

impl SandboxError {
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> SandboxError {
        move |error| SandboxError::Io { doing, reason: error.to_string() }
    }

    /// What bubblewrap printed, as one of our causes.
    pub(crate) fn from_bwrap(stderr: &str) -> SandboxError {
        let line = stderr.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no message");
        let detail = line.trim().to_owned();
        let about_namespaces = [
            "new namespace",
            "uid map",
            "gid map",
            "user namespace",
            "setgroups",
            "unshare",
            "RTM_NEWADDR",
        ];
        match about_namespaces.iter().any(|words| detail.contains(words)) {
            true => SandboxError::UserNamespacesForbidden { detail },
            false => SandboxError::Setup { detail },
        }
    }
}
