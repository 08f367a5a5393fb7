use std::fmt;
use std::time::Duration;

/// What one jail may use, all its processes together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Memory; also the address space of each process, so that a single large allocation fails
    /// inside the process (a `MemoryError` in Python) before the kernel has to kill anything.
    pub memory_bytes: u64,
    /// Of each process, over its whole life.
    pub cpu_seconds: u64,
    /// Processes and threads.
    pub processes: u32,
    pub file_size_bytes: u64,
    pub open_files: u32,
    /// Size of the work folder, which is a tmpfs: a write past it fails with `ENOSPC`.
    pub work_bytes: u64,
    /// Size of `/tmp`, a tmpfs too.
    pub tmp_bytes: u64,
    /// After this the whole tree is killed.
    pub wall: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            memory_bytes: 2 << 30,
            cpu_seconds: 3600,
            processes: 64,
            file_size_bytes: 256 << 20,
            open_files: 256,
            work_bytes: 256 << 20,
            tmp_bytes: 64 << 20,
            wall: None,
        }
    }
}

/// More inodes than this in one of the jail's tmpfs end the jail; their memory is the kernel's.
pub(crate) const MAX_INODES: u64 = 50_000;
pub(crate) const SHM_BYTES: u64 = 64 << 20;
pub(crate) const RUN_BYTES: u64 = 1 << 20;

impl Limits {
    /// What the cgroup may hold: the processes' memory and the files in the jail's tmpfs.
    pub(crate) fn cgroup_bytes(&self) -> u64 {
        [self.work_bytes, self.tmp_bytes, SHM_BYTES, RUN_BYTES]
            .iter()
            .fold(self.memory_bytes, |sum, bytes| sum.saturating_add(*bytes))
    }
}

/// Which part of the kernel holds the limits of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    CgroupV2,
    CgroupV1,
    /// Limits per process, and a filter that allows no second process.
    Rlimits,
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mechanism::CgroupV2 => "cgroup v2 (memory, processes) and rlimits",
            Mechanism::CgroupV1 => "cgroup v1 (memory, processes) and rlimits",
            Mechanism::Rlimits => "rlimits, one process per jail (no cgroup is writable here)",
        })
    }
}
