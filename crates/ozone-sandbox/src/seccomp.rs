//! The system-call filter: what a Python process never needs and kernels were broken through.
//!
//! A deny-list over namespaces that already contain the process; system calls newer than this
//! list, and the x32 variants of old ones, answer `ENOSYS`. Processor modes other than the native
//! one (32-bit `int 0x80`) kill the process: seccompiler checks the architecture first.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule, sock_filter,
};

use crate::SandboxError;

/// Whether the jail may have more than one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processes {
    Many,
    /// Threads only: `fork`, `vfork` and `clone` without `CLONE_THREAD` are refused.
    One,
}

/// From this number on system calls are unknown to this list (`cachestat`, Linux 6.5).
const FIRST_UNKNOWN: u32 = 451;

/// Filters in the form that bubblewrap's `--add-seccomp-fd` reads, one per errno.
pub fn programs(processes: Processes) -> Result<Vec<Vec<u8>>, SandboxError> {
    let denied = compile(denied_rules(processes)?, libc::EPERM)?;
    // glibc falls back to `clone`, whose flags a filter can read.
    let absent = compile(BTreeMap::from([(libc::SYS_clone3, vec![])]), libc::ENOSYS)?;
    // Libraries that look for IPv6 expect this answer where it is missing.
    let no_family = compile(socket_rules()?, libc::EAFNOSUPPORT)?;
    Ok([with_newer_calls_absent(denied), absent, no_family].iter().map(to_bytes).collect())
}

fn denied_rules(processes: Processes) -> Result<BTreeMap<i64, Vec<SeccompRule>>, SandboxError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        DENIED.iter().map(|call| (*call, vec![])).collect();
    rules.insert(libc::SYS_clone, clone_rules(processes)?);
    // Typing into, or redrawing, a terminal.
    let terminal = [libc::TIOCSTI, libc::TIOCLINUX, libc::TIOCSCTTY, libc::TIOCSETD];
    rules.insert(
        libc::SYS_ioctl,
        terminal.iter().map(|request| rule(1, Op::Eq, *request)).collect::<Result<_, _>>()?,
    );
    #[cfg(target_arch = "x86_64")]
    if processes == Processes::One {
        rules.insert(libc::SYS_fork, vec![]);
        rules.insert(libc::SYS_vfork, vec![]);
    }
    Ok(rules)
}

/// Sockets of the file system only.
fn socket_rules() -> Result<BTreeMap<i64, Vec<SeccompRule>>, SandboxError> {
    let other_family = rule(0, Op::Ne, libc::AF_UNIX as u64)?;
    let calls = [libc::SYS_socket, libc::SYS_socketpair];
    Ok(calls.into_iter().map(|call| (call, vec![other_family.clone()])).collect())
}

fn clone_rules(processes: Processes) -> Result<Vec<SeccompRule>, SandboxError> {
    let namespaces = [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_PTRACE,
    ];
    let mut rules = Vec::new();
    for flag in namespaces {
        rules.push(rule(0, Op::MaskedEq(flag as u64), flag as u64)?);
    }
    if processes == Processes::One {
        rules.push(rule(0, Op::MaskedEq(libc::CLONE_THREAD as u64), 0)?);
    }
    Ok(rules)
}

fn rule(argument: u8, op: Op, value: u64) -> Result<SeccompRule, SandboxError> {
    SeccompCondition::new(argument, Len::Dword, op, value)
        .and_then(|condition| SeccompRule::new(vec![condition]))
        .map_err(|error| SandboxError::Seccomp(error.to_string()))
}

fn compile(rules: BTreeMap<i64, Vec<SeccompRule>>, errno: i32) -> Result<BpfProgram, SandboxError> {
    let named = |error: seccompiler::BackendError| SandboxError::Seccomp(error.to_string());
    let arch = std::env::consts::ARCH.try_into().map_err(named)?;
    let denied = SeccompAction::Errno(errno as u32);
    SeccompFilter::new(rules, SeccompAction::Allow, denied, arch)
        .and_then(BpfProgram::try_from)
        .map_err(named)
}

/// Puts "number ≥ `FIRST_UNKNOWN`: ENOSYS" before a program; its jumps are relative and stay right.
/// The x32 numbers start at 0x4000_0000 and fall under it.
fn with_newer_calls_absent(program: BpfProgram) -> BpfProgram {
    const LOAD_NUMBER: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS, offset 0 of seccomp_data
    const JUMP_IF_GE: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    const ERRNO: u32 = 0x0005_0000; // SECCOMP_RET_ERRNO
    let head = [
        sock_filter { code: LOAD_NUMBER, jt: 0, jf: 0, k: 0 },
        sock_filter { code: JUMP_IF_GE, jt: 0, jf: 1, k: FIRST_UNKNOWN },
        sock_filter { code: RETURN, jt: 0, jf: 0, k: ERRNO | libc::ENOSYS as u32 },
    ];
    head.into_iter().chain(program).collect()
}

/// `struct sock_filter` as the kernel lays it out: u16, u8, u8, u32, in native order.
fn to_bytes(program: &BpfProgram) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(program.len() * 8);
    for instruction in program {
        bytes.extend(instruction.code.to_ne_bytes());
        bytes.extend([instruction.jt, instruction.jf]);
        bytes.extend(instruction.k.to_ne_bytes());
    }
    bytes
}

const DENIED: &[i64] = &[
    // Other processes' memory and descriptors.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    // Mounts and roots, old and new interface.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    // Namespaces.
    libc::SYS_unshare,
    libc::SYS_setns,
    // Keys: not namespaced.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // Large attack surface, no use here.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    libc::SYS_lookup_dcookie,
    libc::SYS_vmsplice,
    libc::SYS_personality,
    // Memory that neither an address-space limit nor a tmpfs size counts.
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_mq_open,
    // The machine.
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_nfsservctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ustat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS__sysctl,
];
