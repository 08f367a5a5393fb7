//! One untrusted process, with limits.
