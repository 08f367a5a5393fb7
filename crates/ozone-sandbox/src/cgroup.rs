//! A cgroup per jail, where the host lets us make one.
//!
//! Both hierarchies are tried, from our own group upwards: a v2 group that holds processes cannot
//! hand controllers to children, its parent often can. What counts is not what the kernel offers
//! but whether the limit files of a new group could be written.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::limits::{Limits, Mechanism};

/// Where groups can be made: found once per process, checked by making one.
#[derive(Debug, Clone)]
pub(crate) enum Parent {
    V2(PathBuf),
    V1 { memory: PathBuf, pids: PathBuf },
}

impl Parent {
    pub(crate) fn mechanism(&self) -> Mechanism {
        match self {
            Parent::V2(_) => Mechanism::CgroupV2,
            Parent::V1 { .. } => Mechanism::CgroupV1,
        }
    }

    fn folders(&self) -> Vec<&Path> {
        match self {
            Parent::V2(path) => vec![path],
            Parent::V1 { memory, pids } => vec![memory, pids],
        }
    }
}

/// The first place where a limited group can be made. Also sweeps groups that a killed process of
/// ours left behind.
pub(crate) fn find() -> Option<Parent> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let v2 = places(&mounts, &own, None).into_iter().map(Parent::V2);
    let memory = places(&mounts, &own, Some("memory"));
    let pids = places(&mounts, &own, Some("pids"));
    let v1 = memory
        .iter()
        .find(|place| Group::make_in(place, &v1_memory(&Limits::default())).is_ok())
        .zip(pids.iter().find(|place| Group::make_in(place, &v1_pids(&Limits::default())).is_ok()))
        .map(|(memory, pids)| Parent::V1 { memory: memory.clone(), pids: pids.clone() });
    let found = v2.chain(v1).find(|parent| Group::new(parent, &Limits::default()).is_ok())?;
    found.folders().into_iter().for_each(sweep);
    Some(found)
}

/// Our own group in one hierarchy (`None`: v2) and its ancestors, as folders.
fn places(mountinfo: &str, own: &str, controller: Option<&str>) -> Vec<PathBuf> {
    let Some((root, mount_point)) = mountinfo.lines().find_map(|line| mount(line, controller))
    else {
        return Vec::new();
    };
    let Some(path) = own.lines().find_map(|line| own_path(line, controller)) else {
        return Vec::new();
    };
    let relative = Path::new(path).strip_prefix(root).unwrap_or(Path::new(""));
    let own = Path::new(mount_point).join(relative);
    let inside = |place: &&Path| place.starts_with(mount_point);
    own.ancestors().take_while(inside).map(Path::to_path_buf).collect()
}

/// Root and mount point of a mountinfo line, if it is the hierarchy asked for.
fn mount<'a>(line: &'a str, controller: Option<&str>) -> Option<(&'a str, &'a str)> {
    let (before, after) = line.split_once(" - ")?;
    let mut fields = before.split(' ').skip(3);
    let found = (fields.next()?, fields.next()?);
    let mut after = after.split(' ');
    let (kind, options) = (after.next()?, after.nth(1)?);
    let right = match controller {
        None => kind == "cgroup2",
        Some(name) => kind == "cgroup" && options.split(',').any(|option| option == name),
    };
    right.then_some(found)
}

fn own_path<'a>(line: &'a str, controller: Option<&str>) -> Option<&'a str> {
    let mut fields = line.splitn(3, ':');
    let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let right = match controller {
        None => id == "0",
        Some(name) => controllers.split(',').any(|found| found == name),
    };
    right.then_some(path)
}

const PREFIX: &str = "ozone-";

/// Removes empty groups of processes that are gone. A group in use cannot be removed.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(pid) = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()) else {
            continue;
        };
        if pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists() {
            drop(fs::remove_dir(entry.path()));
        }
    }
}

type Settings = Vec<(&'static str, String, Need)>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Must,
    /// Absent on kernels without swap accounting.
    IfThere,
}

fn v1_memory(limits: &Limits) -> Settings {
    let bytes = limits.cgroup_bytes().to_string();
    vec![
        ("memory.limit_in_bytes", bytes.clone(), Need::Must),
        ("memory.memsw.limit_in_bytes", bytes, Need::IfThere),
    ]
}

fn v1_pids(limits: &Limits) -> Settings {
    vec![("pids.max", limits.processes.to_string(), Need::Must)]
}

fn v2(limits: &Limits) -> Settings {
    vec![
        ("memory.max", limits.cgroup_bytes().to_string(), Need::Must),
        ("memory.swap.max", "0".to_owned(), Need::IfThere),
        ("pids.max", limits.processes.to_string(), Need::Must),
    ]
}

/// One jail's group; removed when dropped, which works once its processes are gone.
#[derive(Debug)]
pub(crate) struct Group {
    folders: Vec<PathBuf>,
    /// The file that counts out-of-memory kills.
    kills: PathBuf,
}

impl Group {
    pub(crate) fn new(parent: &Parent, limits: &Limits) -> io::Result<Group> {
        match parent {
            Parent::V2(place) => {
                // Allowed only where the place itself holds no process; often done already.
                drop(fs::write(place.join("cgroup.subtree_control"), "+memory +pids"));
                let mut group = Group::make_in(place, &v2(limits))?;
                group.kills = group.folders[0].join("memory.events");
                Ok(group)
            }
            Parent::V1 { memory, pids } => {
                let mut group = Group::make_in(memory, &v1_memory(limits))?;
                let mut second = Group::make_in(pids, &v1_pids(limits))?;
                group.folders.append(&mut second.folders);
                group.kills = group.folders[0].join("memory.oom_control");
                Ok(group)
            }
        }
    }

    fn make_in(place: &Path, settings: &Settings) -> io::Result<Group> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = place.join(format!("{PREFIX}{}-{number}", std::process::id()));
        fs::create_dir(&folder)?;
        let group = Group { folders: vec![folder.clone()], kills: PathBuf::new() };
        for (file, value, need) in settings {
            let path = folder.join(file);
            if *need == Need::Must || path.exists() {
                // Never created: a plain folder where a cgroup should be is not a limit.
                let file = fs::OpenOptions::new().write(true).open(&path);
                file.and_then(|mut file| io::Write::write_all(&mut file, value.as_bytes()))?;
            }
        }
        Ok(group)
    }

    /// The files into which a process writes `0` to enter the group.
    pub(crate) fn entrances(&self) -> io::Result<Vec<OwnedFd>> {
        let open = |folder: &PathBuf| {
            fs::OpenOptions::new().write(true).open(folder.join("cgroup.procs")).map(OwnedFd::from)
        };
        self.folders.iter().map(open).collect()
    }

    /// Whether its processes are gone, so that it can be removed.
    pub(crate) fn is_empty(&self) -> bool {
        let procs = |folder: &PathBuf| fs::read_to_string(folder.join("cgroup.procs"));
        self.folders.iter().all(|folder| procs(folder).is_ok_and(|pids| pids.is_empty()))
    }

    /// Whether the kernel killed a process of this group for lack of memory.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        let events = fs::read_to_string(&self.kills).unwrap_or_default();
        let mut kills = events.lines().filter_map(|line| line.strip_prefix("oom_kill "));
        kills.any(|count| count.trim() != "0")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for folder in &self.folders {
            drop(fs::remove_dir(folder));
        }
    }
}
