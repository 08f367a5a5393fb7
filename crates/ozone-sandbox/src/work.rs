//! The work folder of a jail, handled from outside.
//!
//! What lies in it was put there by untrusted code. Every path is resolved below the folder by the
//! kernel (`openat2` with `RESOLVE_BENEATH`), symlinks and mount points refuse to resolve, and only
//! plain files are read; counts, depths and sizes have limits.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags};

/// An open folder inside a jail. It stays valid when the jail has ended, until it is dropped.
#[derive(Debug)]
pub struct WorkDir(OwnedFd);

/// A plain file in the work folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the work folder.
    pub path: PathBuf,
    pub bytes: u64,
    pub inode: u64,
    /// Last change of the content, in nanoseconds.
    pub mtime_ns: i128,
    /// Last change of the file in any way, which a program cannot set back.
    pub ctime_ns: i128,
}

const MAX_DEPTH: usize = 8;
/// Tells new files apart that have no name yet.
static NEW_FILES: AtomicU64 = AtomicU64::new(0);

impl WorkDir {
    /// Also a folder of the host's, of which strangers name files.
    pub fn open(path: &Path) -> io::Result<WorkDir> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(WorkDir(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// Plain files, hidden ones and caches left out, sorted by path. At most `max_entries`
    /// directory entries are looked at.
    pub fn list(&self, max_entries: usize) -> io::Result<Vec<Entry>> {
        let mut found = Vec::new();
        let mut left = max_entries;
        self.list_below(Path::new(""), 0, &mut left, &mut found)?;
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    fn list_below(
        &self,
        folder: &Path,
        depth: usize,
        left: &mut usize,
        found: &mut Vec<Entry>,
    ) -> io::Result<()> {
        let opened = self.open_below(folder, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        for entry in Dir::read_from(&opened)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if name.starts_with('.') || name == "__pycache__" {
                continue;
            }
            if *left == 0 {
                return Ok(());
            }
            *left -= 1;
            let Ok(stat) = rustix::fs::statat(&opened, name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            let path = folder.join(name);
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => found.push(Entry {
                    path,
                    bytes: stat.st_size.try_into().unwrap_or(0),
                    inode: stat.st_ino,
                    mtime_ns: nanoseconds(stat.st_mtime, stat.st_mtime_nsec),
                    ctime_ns: nanoseconds(stat.st_ctime, stat.st_ctime_nsec),
                }),
                // A folder that vanished or was swapped meanwhile is no error of ours.
                FileType::Directory if depth < MAX_DEPTH => {
                    drop(self.list_below(&path, depth + 1, left, found));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The content of a plain file of at most `max_bytes`.
    pub fn read(&self, path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
        let file = self.open_below(path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty())?;
        let stat = rustix::fs::fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(not_plain());
        }
        let mut bytes = Vec::new();
        fs::File::from(file).take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > max_bytes {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is too large"));
        }
        Ok(bytes)
    }

    /// Writes a plain file, with the folders on the way, in place of what has its name.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let (parent, name) = self.parent(path, true)?;
        match rustix::fs::unlinkat(&parent, name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let file = self.open_below(path, flags, Mode::from_raw_mode(0o600))?;
        fs::File::from(file).write_all(bytes)
    }

    /// The same, but whoever reads it meanwhile finds the old content or the new one, and it keeps
    /// what may be done with it.
    pub fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let (parent, name) = self.parent(path, true)?;
        let before = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW);
        let is_file = |mode| FileType::from_raw_mode(mode) == FileType::RegularFile;
        let mode = match before {
            Ok(before) if is_file(before.st_mode) => Mode::from_raw_mode(before.st_mode & 0o777),
            Ok(_) => return Err(not_plain()),
            Err(rustix::io::Errno::NOENT) => Mode::from_raw_mode(0o600),
            Err(error) => return Err(error.into()),
        };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let new = path.with_file_name(format!(
            ".ozone-{}-{}",
            std::process::id(),
            NEW_FILES.fetch_add(1, Ordering::Relaxed)
        ));
        let new_name = new.file_name().ok_or_else(not_plain)?;
        let written = (|| {
            let file = self.open_below(&new, flags, Mode::from_raw_mode(0o600))?;
            rustix::fs::fchmod(&file, mode)?;
            let mut file = fs::File::from(file);
            file.write_all(bytes)?;
            file.sync_all()?;
            Ok(rustix::fs::renameat(&parent, new_name, &parent, name)?)
        })();
        if written.is_err() {
            let _ = rustix::fs::unlinkat(&parent, new_name, AtFlags::empty());
        }
        written
    }

    /// Takes a plain file away.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.parent(path, false)?;
        let stat = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(not_plain());
        }
        Ok(rustix::fs::unlinkat(&parent, name, AtFlags::empty())?)
    }

    /// The folder that holds a file, made if need be, and the file's name in it.
    fn parent<'a>(&self, path: &'a Path, make: bool) -> io::Result<(OwnedFd, &'a OsStr)> {
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        let Some(name) = path.file_name().filter(|_| plain) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a relative file name"));
        };
        let mut folder = PathBuf::new();
        for part in path.parent().into_iter().flat_map(Path::components) {
            if make {
                let parent =
                    self.open_below(&folder, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
                match rustix::fs::mkdirat(&parent, part.as_os_str(), Mode::from_raw_mode(0o700)) {
                    Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            folder.push(part);
        }
        let parent = self.open_below(&folder, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        Ok((parent, name))
    }

    fn open_below(&self, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let resolve = ResolveFlags::BENEATH
            | ResolveFlags::NO_SYMLINKS
            | ResolveFlags::NO_MAGICLINKS
            | ResolveFlags::NO_XDEV;
        rustix::fs::openat2(&self.0, path, flags | OFlags::CLOEXEC, mode, resolve).map_err(
            |error| match error {
                rustix::io::Errno::LOOP => {
                    io::Error::new(io::ErrorKind::InvalidInput, "a link is not followed")
                }
                other => other.into(),
            },
        )
    }
}

fn not_plain() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a plain file")
}

fn nanoseconds(seconds: impl Into<i128>, nanoseconds: impl Into<i128>) -> i128 {
    seconds.into() * 1_000_000_000 + nanoseconds.into()
}
