use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, Resource, Rlimit, Signal};

use crate::cgroup::Group;
use crate::limits::{MAX_INODES, RUN_BYTES, SHM_BYTES};
use crate::seccomp::{self, Processes};
use crate::{Limits, Mechanism, RUN_DIR, SandboxError, WORK_DIR, WorkDir, spawner};

/// What to run and with what. Everything not named here is absent inside.
#[derive(Debug, Clone, Default)]
pub struct Spec {
    pub argv: Vec<OsString>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// Host files and folders, read-only at the same path, besides `/usr` and its like.
    pub ro_binds: Vec<PathBuf>,
    pub files: Vec<ReadOnlyFile>,
    pub stdin: Vec<u8>,
    pub limits: Limits,
}

/// A file that exists inside only.
#[derive(Debug, Clone)]
pub struct ReadOnlyFile {
    pub path: PathBuf,
    pub bytes: Vec<u8>,
}

/// How a jail ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
    /// The kernel killed a process for lack of memory.
    OutOfMemory,
    /// [`Limits::wall`] passed.
    OutOfTime,
    /// Too many files in a tmpfs.
    OutOfInodes,
    /// By [`Jail::kill`] or by dropping the `Jail`.
    Killed,
}

/// A running tree of processes. Dropping it kills the tree.
#[derive(Debug)]
pub struct Jail {
    shared: Arc<Shared>,
    /// The first process inside; the kernel kills the others with it.
    init: Arc<OwnedFd>,
    init_pid: i32,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    exit: Option<Exit>,
    kill_asked: bool,
    tail: VecDeque<u8>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Of stdout and stderr together, the last bytes are kept.
const TAIL_BYTES: usize = 16 << 10;

impl Jail {
    /// Kills every process of the tree and returns at once.
    pub fn kill(&self) {
        self.shared.lock().kill_asked = true;
        let _ = rustix::process::pidfd_send_signal(&*self.init, Signal::KILL);
    }

    /// Waits until no process of the tree is left.
    pub fn wait(&self) -> Exit {
        let mut state = self.shared.lock();
        loop {
            if let Some(exit) = &state.exit {
                return exit.clone();
            }
            state = self.shared.changed.wait(state).unwrap_or_else(|p| p.into_inner());
        }
    }

    pub fn try_wait(&self) -> Option<Exit> {
        self.shared.lock().exit.clone()
    }

    /// The last bytes of stdout and stderr.
    pub fn output_tail(&self) -> String {
        let tail: Vec<u8> = self.shared.lock().tail.iter().copied().collect();
        String::from_utf8_lossy(&tail).into_owned()
    }

    /// Waits until the process has printed `text`; false if it ended or the time was over first.
    pub fn wait_for_output(&self, text: &str, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        loop {
            if self.output_tail().contains(text) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let state = self.shared.lock();
            if state.exit.is_some() || left.is_zero() {
                return false;
            }
            // A notice between the look and the lock is made up for soon.
            let wait = left.min(Duration::from_millis(20));
            drop(self.shared.changed.wait_timeout(state, wait));
        }
    }

    /// A folder of the jail, such as one below `/tmp`, seen from outside.
    pub fn folder(&self, path: &str) -> Result<WorkDir, SandboxError> {
        WorkDir::open(&self.inside(path)?).map_err(SandboxError::io("open a folder of the jail"))
    }

    /// The work folder, seen from outside. Works from the moment the process has started.
    pub fn work_dir(&self) -> Result<WorkDir, SandboxError> {
        self.folder(WORK_DIR)
    }

    /// The host path of [`RUN_DIR`], for use before untrusted code runs: afterwards what lies
    /// there may be a link to anywhere.
    pub fn run_dir(&self) -> Result<PathBuf, SandboxError> {
        self.inside(RUN_DIR)
    }

    fn inside(&self, path: &str) -> Result<PathBuf, SandboxError> {
        let root = PathBuf::from(format!("/proc/{}/root", self.init_pid));
        let device = |path: &Path| rustix::fs::stat(path).map(|stat| stat.st_dev);
        let outside = device(Path::new("/"));
        match (device(&root), outside) {
            (Ok(inside), Ok(outside)) if inside != outside => {
                Ok(root.join(path.trim_start_matches('/')))
            }
            (Err(error), _) | (_, Err(error)) => {
                Err(SandboxError::io("look into the jail")(error.into()))
            }
            _ => Err(SandboxError::Setup { detail: "the jail is not built yet".to_owned() }),
        }
    }
}

impl Drop for Jail {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How a jail is held; the part of a `Sandbox` that spawning needs.
#[derive(Debug, Clone)]
pub(crate) struct Walls {
    pub(crate) bwrap: PathBuf,
    pub(crate) cgroups: Option<crate::cgroup::Parent>,
}

impl Walls {
    pub(crate) fn mechanism(&self) -> Mechanism {
        self.cgroups.as_ref().map_or(Mechanism::Rlimits, |parent| parent.mechanism())
    }

    pub(crate) fn spawn(&self, spec: &Spec) -> Result<Jail, SandboxError> {
        let group = self.cgroups.as_ref().map(|parent| Group::new(parent, &spec.limits));
        let group = group.transpose().map_err(SandboxError::io("make a cgroup"))?;
        let processes = match group {
            Some(_) => Processes::Many,
            None => Processes::One,
        };
        let (info, info_writer) = pipe("open a pipe")?;
        let mut inherited = Inherited::default();
        let mut arguments = Arguments::default();
        arguments.walls();
        for program in seccomp::programs(processes)? {
            arguments.fd("--add-seccomp-fd", inherited.data(&program)?);
        }
        arguments.fd("--info-fd", inherited.keep(info_writer));
        arguments.root(spec, &mut inherited)?;
        arguments.plain(["--"]);
        arguments.0.extend(spec.argv.iter().cloned());

        let (output, output_writer) = pipe("open a pipe")?;
        let entrances = group.as_ref().map(Group::entrances).transpose();
        let entrances = entrances.map_err(SandboxError::io("open the cgroup"))?.unwrap_or_default();
        let stdin = data_file(&spec.stdin).map_err(SandboxError::io("prepare stdin"))?;
        let stderr = output_writer.try_clone().map_err(SandboxError::io("copy a pipe"))?;
        let mut command = Command::new(&self.bwrap);
        command.args(&arguments.0).env_clear().stdin(stdin).stdout(output_writer).stderr(stderr);
        prepare_child(&mut command, &spec.limits, &inherited, entrances);
        let child = spawner::run(move || {
            let child = command.spawn();
            drop(inherited);
            child
        });
        let child = child.unwrap_or_else(|| Err(io::Error::other("no spawning thread")));
        let mut child = child.map_err(SandboxError::io("start bubblewrap"))?;
        match first_process(&info) {
            Ok((init, init_pid)) => Keeper::start(child, output, group, init, init_pid, spec),
            Err(_) => {
                drop(child.kill());
                drop(child.wait());
                let mut said = String::new();
                drop(fs::File::from(output).take(TAIL_BYTES as u64).read_to_string(&mut said));
                Err(SandboxError::from_bwrap(&said))
            }
        }
    }
}

fn pipe(doing: &'static str) -> Result<(OwnedFd, OwnedFd), SandboxError> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|error| SandboxError::io(doing)(error.into()))
}

/// An anonymous file that holds `bytes`, positioned at its start.
fn data_file(bytes: &[u8]) -> io::Result<fs::File> {
    let memory = rustix::fs::memfd_create("ozone", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = fs::File::from(memory);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// Descriptors that bubblewrap itself reads and closes.
#[derive(Default)]
struct Inherited(Vec<OwnedFd>);

impl Inherited {
    fn keep(&mut self, fd: OwnedFd) -> RawFd {
        let number = fd.as_raw_fd();
        self.0.push(fd);
        number
    }

    fn data(&mut self, bytes: &[u8]) -> Result<RawFd, SandboxError> {
        let file = data_file(bytes).map_err(SandboxError::io("write a memory file"))?;
        Ok(self.keep(file.into()))
    }
}

/// Bubblewrap's command line.
#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn plain<const N: usize>(&mut self, words: [&str; N]) {
        self.0.extend(words.iter().map(OsString::from));
    }

    fn paths<const N: usize>(&mut self, option: &str, paths: [&OsStr; N]) {
        self.0.push(option.into());
        self.0.extend(paths.iter().map(OsString::from));
    }

    fn fd(&mut self, option: &str, fd: RawFd) {
        self.plain([option, &fd.to_string()]);
    }

    fn tmpfs(&mut self, path: &str, bytes: u64) {
        self.plain(["--size", &bytes.max(4096).to_string(), "--tmpfs", path]);
    }

    fn walls(&mut self) {
        self.plain(["--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc"]);
        self.plain(["--unshare-uts", "--unshare-cgroup", "--uid", "1000", "--gid", "1000"]);
        self.plain(["--hostname", "ozone", "--die-with-parent", "--new-session"]);
        self.plain(["--cap-drop", "ALL", "--clearenv"]);
    }

    fn root(&mut self, spec: &Spec, inherited: &mut Inherited) -> Result<(), SandboxError> {
        for (name, value) in &spec.env {
            self.plain(["--setenv", name, value]);
        }
        self.system()?;
        self.plain(["--proc", "/proc", "--dev", "/dev"]);
        self.tmpfs("/dev/shm", SHM_BYTES);
        self.tmpfs("/tmp", spec.limits.tmp_bytes);
        self.tmpfs(RUN_DIR, RUN_BYTES);
        self.tmpfs(WORK_DIR, spec.limits.work_bytes);
        for path in &spec.ro_binds {
            let bad =
                |reason: &str| SandboxError::BadBind { path: path.clone(), reason: reason.into() };
            if !path.is_absolute() || path == Path::new("/") {
                return Err(bad("only a whole path below / can be bound"));
            }
            if !path.exists() {
                return Err(bad("there is no such file or folder"));
            }
            self.paths("--ro-bind", [path.as_os_str(), path.as_os_str()]);
        }
        for (path, text) in ETC {
            let fd = inherited.data(text.as_bytes())?;
            self.plain(["--ro-bind-data", &fd.to_string(), path]);
        }
        for file in &spec.files {
            let fd = inherited.data(&file.bytes)?;
            self.plain(["--ro-bind-data", &fd.to_string()]);
            self.0.push(file.path.clone().into());
        }
        // `/proc/sys` asks for no capability where our user is the host's root, as in a container:
        // only a read-only mount keeps `core_pattern` and its like out of reach.
        self.plain(["--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/"]);
        self.plain(["--chdir", WORK_DIR]);
        Ok(())
    }

    /// Programs and libraries, and the few files of `/etc` that the loader and Python read.
    fn system(&mut self) -> Result<(), SandboxError> {
        self.plain(["--ro-bind", "/usr", "/usr"]);
        for path in ["/bin", "/sbin", "/lib", "/lib64", "/lib32"] {
            match fs::read_link(path) {
                Ok(target) => self.paths("--symlink", [target.as_os_str(), OsStr::new(path)]),
                Err(_) if Path::new(path).is_dir() => self.plain(["--ro-bind", path, path]),
                Err(_) => {}
            }
        }
        for path in ["/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime", "/etc/fonts"] {
            self.plain(["--ro-bind-try", path, path]);
        }
        Ok(())
    }
}

const ETC: [(&str, &str); 4] = [
    ("/etc/passwd", "user:x:1000:1000::/mnt/data:/bin/sh\n"),
    ("/etc/group", "user:x:1000:\n"),
    ("/etc/hosts", "127.0.0.1 localhost\n"),
    ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
];

/// Registers what the child does between `fork` and `exec`: enter the cgroup, take the limits, and
/// let go of every descriptor but those that bubblewrap reads.
fn prepare_child(
    command: &mut Command,
    limits: &Limits,
    inherited: &Inherited,
    entrances: Vec<OwnedFd>,
) {
    let rlimits = rlimits(limits);
    let kept: Vec<RawFd> = inherited.0.iter().map(|fd| fd.as_raw_fd()).collect();
    let before_exec = move || {
        for entrance in &entrances {
            rustix::io::write(entrance, b"0")?;
        }
        for (resource, most) in &rlimits {
            let limit = Rlimit { current: Some(*most), maximum: Some(*most) };
            rustix::process::setrlimit(*resource, limit)?;
        }
        close_all_but(&kept)
    };
    // SAFETY: the closure makes system calls on captured values and allocates nothing.
    #[expect(unsafe_code, reason = "limits must be in force before the untrusted program starts")]
    unsafe {
        command.pre_exec(before_exec);
    }
}

fn rlimits(limits: &Limits) -> Vec<(Resource, u64)> {
    vec![
        (Resource::As, limits.memory_bytes),
        (Resource::Cpu, limits.cpu_seconds),
        (Resource::Fsize, limits.file_size_bytes),
        (Resource::Nofile, limits.open_files.into()),
        (Resource::Core, 0),
        (Resource::Memlock, 0),
        (Resource::Msgqueue, 0),
    ]
}

fn close_all_but(kept: &[RawFd]) -> io::Result<()> {
    // SAFETY: marks descriptors close-on-exec; touches no memory.
    #[expect(unsafe_code, reason = "neither std nor rustix has a safe close_range")]
    let rc = unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, CLOSE_ON_EXEC) };
    if rc != 0 {
        return Err(io::Error::last_os_error());
    }
    for fd in kept {
        // SAFETY: clears a flag of a descriptor that the captured `Inherited` keeps open.
        #[expect(unsafe_code, reason = "the number, not a borrowed fd, is what the child has")]
        if unsafe { libc::fcntl(*fd, libc::F_SETFD, 0) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

const CLOSE_ON_EXEC: u32 = libc::CLOSE_RANGE_CLOEXEC;

/// Bubblewrap writes `{"child-pid": N, …}` as soon as the first process inside exists.
fn first_process(info: &OwnedFd) -> io::Result<(OwnedFd, i32)> {
    let mut said = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if readable(&[info], deadline.saturating_duration_since(Instant::now()))? != [true] {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let mut buffer = [0; 512];
        let count = rustix::io::read(info, &mut buffer)?;
        said.extend(&buffer[..count]);
        // Read to the end: bubblewrap would die of a pipe closed before its last write.
        if count > 0 {
            continue;
        }
        let pid = child_pid(&String::from_utf8_lossy(&said)).ok_or(io::ErrorKind::UnexpectedEof)?;
        let process = rustix::process::Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidData)?;
        return Ok((rustix::process::pidfd_open(process, PidfdFlags::empty())?, pid));
    }
}

fn child_pid(info: &str) -> Option<i32> {
    let after = info.split_once("\"child-pid\":")?.1.trim_start();
    let end = after.find(|c: char| !c.is_ascii_digit())?;
    after[..end].parse().ok()
}

/// Waits until one of `fds` can be read or the time is over; says which can.
fn readable(fds: &[&OwnedFd], time: Duration) -> io::Result<Vec<bool>> {
    let mut polled: Vec<PollFd<'_>> =
        fds.iter().map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)).collect();
    let time = Timespec {
        tv_sec: time.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    };
    match poll(&mut polled, Some(&time)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(polled.iter().map(|fd| !fd.revents().is_empty()).collect())
}

/// The thread beside each jail: reads its output, watches its limits, reaps it, removes its group.
struct Keeper {
    child: Child,
    output: OwnedFd,
    group: Option<Group>,
    init: Arc<OwnedFd>,
    init_pid: i32,
    deadline: Option<Instant>,
    shared: Arc<Shared>,
}

const WATCH_EVERY: Duration = Duration::from_millis(250);

impl Keeper {
    fn start(
        child: Child,
        output: OwnedFd,
        group: Option<Group>,
        init: OwnedFd,
        init_pid: i32,
        spec: &Spec,
    ) -> Result<Jail, SandboxError> {
        let shared = Arc::new(Shared::default());
        let init = Arc::new(init);
        let jail = Jail { shared: shared.clone(), init: init.clone(), init_pid };
        let deadline = spec.limits.wall.map(|wall| Instant::now() + wall);
        let keeper = Keeper { child, output, group, init, init_pid, deadline, shared };
        std::thread::Builder::new()
            .name("ozone-jail".into())
            .spawn(move || keeper.run())
            .map_err(SandboxError::io("start a thread"))?;
        Ok(jail)
    }

    fn run(mut self) {
        let stopped = self.watch();
        self.end();
        let status = self.child.wait();
        self.read_output();
        let out_of_memory = self.group.as_ref().is_some_and(Group::ran_out_of_memory);
        self.remove_group();
        let mut state = self.shared.lock();
        state.exit = Some(match stopped {
            Some(reason) => reason,
            None if state.kill_asked => Exit::Killed,
            None => ended(status, out_of_memory),
        });
        self.shared.changed.notify_all();
    }

    /// Until bubblewrap has ended, or a limit that only we watch has been passed.
    fn watch(&mut self) -> Option<Exit> {
        let Some(bwrap) = rustix::process::Pid::from_raw(self.child.id() as i32)
            .and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok())
        else {
            return Some(Exit::Killed);
        };
        let mut output_open = true;
        let mut watched = Instant::now();
        loop {
            let fds: &[&OwnedFd] = if output_open { &[&bwrap, &self.output] } else { &[&bwrap] };
            let left =
                self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let ready =
                readable(fds, left.unwrap_or(WATCH_EVERY).min(WATCH_EVERY)).unwrap_or_default();
            if ready.first() == Some(&true) {
                return None;
            }
            if ready.get(1) == Some(&true) {
                output_open = self.read_some();
            }
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Some(Exit::OutOfTime);
            }
            if watched.elapsed() >= WATCH_EVERY {
                watched = Instant::now();
                if self.too_many_inodes() {
                    return Some(Exit::OutOfInodes);
                }
            }
        }
    }

    fn too_many_inodes(&self) -> bool {
        [WORK_DIR, "/tmp", "/dev/shm", RUN_DIR].iter().any(|path| {
            let path = format!("/proc/{}/root{path}", self.init_pid);
            rustix::fs::statvfs(path)
                .is_ok_and(|fs| fs.f_files.saturating_sub(fs.f_ffree) > MAX_INODES)
        })
    }

    /// One read into the tail; false at the end of the stream.
    fn read_some(&self) -> bool {
        let mut buffer = [0; 8192];
        let Ok(count) = rustix::io::read(&self.output, &mut buffer) else {
            return false;
        };
        self.shared.changed.notify_all();
        let tail = &mut self.shared.lock().tail;
        tail.extend(&buffer[..count]);
        let excess = tail.len().saturating_sub(TAIL_BYTES);
        tail.drain(..excess);
        count > 0
    }

    fn read_output(&self) {
        let more = || readable(&[&self.output], Duration::ZERO).is_ok_and(|ready| ready == [true]);
        while more() && self.read_some() {}
    }

    /// No process of the tree is left when this returns, short of one stuck in the kernel.
    fn end(&mut self) {
        let _ = rustix::process::pidfd_send_signal(&*self.init, Signal::KILL);
        drop(readable(&[&self.init], Duration::from_secs(10)));
        drop(self.child.kill());
    }

    /// A group stays busy until the kernel has let go of its last process.
    fn remove_group(&mut self) {
        let Some(group) = self.group.take() else { return };
        for _ in 0..50 {
            if group.is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn ended(status: io::Result<ExitStatus>, out_of_memory: bool) -> Exit {
    // Bubblewrap reports a signal as 128 + its number, as shells do.
    const KILLED: i32 = 128 + libc::SIGKILL;
    match status {
        Err(_) => Exit::Killed,
        Ok(status) => match (status.code(), status.signal()) {
            (Some(KILLED), _) | (None, Some(libc::SIGKILL)) if out_of_memory => Exit::OutOfMemory,
            (Some(code), _) if code > 128 => Exit::Signal(code - 128),
            (Some(code), _) => Exit::Code(code),
            (None, signal) => Exit::Signal(signal.unwrap_or(libc::SIGKILL)),
        },
    }
}
