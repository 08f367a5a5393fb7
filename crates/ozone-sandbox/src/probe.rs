use std::ffi::OsString;
use std::fmt;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::jail::Walls;
use crate::{Exit, Jail, Limits, Mechanism, SandboxError, Spec, cgroup};

/// A jail maker that has been tried on this host and held.
#[derive(Debug, Clone)]
pub struct Sandbox {
    walls: Walls,
    capabilities: Capabilities,
}

/// What holds here, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    pub bubblewrap: String,
    pub mechanism: Mechanism,
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "bubblewrap {} with seccomp, no network; limits by {}; disk by tmpfs size",
            self.bubblewrap, self.mechanism
        )
    }
}

impl Sandbox {
    /// Finds the walls of this host and tries to break them. The outcome is kept for the life of
    /// the process.
    pub fn new() -> Result<Sandbox, SandboxError> {
        static FOUND: OnceLock<Result<Sandbox, SandboxError>> = OnceLock::new();
        FOUND.get_or_init(|| Sandbox::found(cgroup::find())).clone()
    }

    /// A sandbox that uses no cgroup even where one is writable, to try what hosts without get.
    pub fn without_cgroups() -> Result<Sandbox, SandboxError> {
        Sandbox::found(None)
    }

    /// What holds here, or why nothing does.
    pub fn probe() -> Result<Capabilities, SandboxError> {
        Sandbox::new().map(|sandbox| sandbox.capabilities)
    }

    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Starts a process. An error means that nothing runs.
    pub fn spawn(&self, spec: &Spec) -> Result<Jail, SandboxError> {
        self.walls.spawn(spec)
    }

    fn found(cgroups: Option<cgroup::Parent>) -> Result<Sandbox, SandboxError> {
        let bwrap = find_bwrap().ok_or(SandboxError::BubblewrapMissing)?;
        let bubblewrap = version(&bwrap)?;
        let with_cgroups = Walls { bwrap: bwrap.clone(), cgroups };
        let without = Walls { bwrap, cgroups: None };
        // A group that can be made may still refuse processes: then rlimits hold.
        let walls = match (try_to_break(&with_cgroups), &with_cgroups.cgroups) {
            (Ok(()), _) => with_cgroups,
            (Err(SandboxError::Io { .. }), Some(_)) => {
                try_to_break(&without)?;
                without
            }
            (Err(error), _) => return Err(error),
        };
        let capabilities = Capabilities { bubblewrap, mechanism: walls.mechanism() };
        Ok(Sandbox { walls, capabilities })
    }
}

/// `OZONE_BWRAP`, or `bwrap` on the path.
fn find_bwrap() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("OZONE_BWRAP") {
        return Some(PathBuf::from(path)).filter(|path| path.is_file());
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin"));
    std::env::split_paths(&path).map(|folder| folder.join("bwrap")).find(|path| path.is_file())
}

fn version(bwrap: &Path) -> Result<String, SandboxError> {
    let output = Command::new(bwrap).arg("--version").output();
    let output = output.map_err(SandboxError::io("ask bubblewrap for its version"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let found = text.split_whitespace().last().unwrap_or("of unknown version").to_owned();
    let mut numbers = found.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version < (0, 8) {
        return Err(SandboxError::BubblewrapTooOld { found });
    }
    Ok(found)
}

/// The negative test: each line tries something that must fail. Built-ins of the shell only, since
/// the jail may allow no second process.
const BREAK_OUT: &str = r#"
for target in /usr/ozone-probe /etc/ozone-probe /ozone-probe /dev/ozone-probe /proc/sys/kernel/hostname; do
    if true 2>/dev/null > "$target"; then echo "it could write $target"; exit 9; fi
done
if [ -e "$PROBE_FILE" ]; then echo "it could see a file of the host"; exit 9; fi
for folder in /root /home /var /srv /sys /boot; do
    if [ -e "$folder" ]; then echo "it could see $folder"; exit 9; fi
done
set -- /proc/[0-9]*
if [ $# -gt 3 ]; then echo "it could see $# processes"; exit 9; fi
while read -r name value rest; do
    case "$name" in
        CapEff:) [ "$value" = 0000000000000000 ] || { echo "it has capabilities $value"; exit 9; } ;;
        NoNewPrivs:) [ "$value" = 1 ] || { echo "it could gain privileges"; exit 9; } ;;
        Seccomp:) [ "$value" = 2 ] || { echo "it has no seccomp filter"; exit 9; } ;;
    esac
done < /proc/self/status
while read -r name rest; do
    case "$name" in
        *:*) [ "${name%%:*}" = lo ] || { echo "it has the network device $name"; exit 9; } ;;
    esac
done < /proc/self/net/dev
if [ -n "$BASH_VERSION" ] && { true > "/dev/tcp/127.0.0.1/$PROBE_PORT"; } 2>/dev/null; then
    echo "it could open a socket"; exit 9
fi
if ! true > "$PWD/ozone-probe"; then echo "its own work folder is not writable"; exit 8; fi
echo held
"#;

fn try_to_break(walls: &Walls) -> Result<(), SandboxError> {
    let mut visible = ProbeFile::new().map_err(SandboxError::io("write a probe file"))?;
    let listener = TcpListener::bind("127.0.0.1:0");
    let port = listener.as_ref().ok().and_then(|listener| listener.local_addr().ok());
    let shell = if Path::new("/bin/bash").exists() { "/bin/bash" } else { "/bin/sh" };
    let spec = Spec {
        argv: vec![shell.into(), "-c".into(), BREAK_OUT.into()],
        env: vec![
            ("PROBE_FILE".into(), visible.path.to_string_lossy().into_owned()),
            ("PROBE_PORT".into(), port.map_or(9, |address| address.port()).to_string()),
        ],
        limits: Limits { wall: Some(Duration::from_secs(20)), ..Limits::default() },
        ..Spec::default()
    };
    let jail = walls.spawn(&spec)?;
    let exit = jail.wait();
    let said = jail.output_tail();
    let untouched = visible.is_untouched();
    match exit {
        Exit::Code(0) if said.trim_end().ends_with("held") && untouched => Ok(()),
        Exit::Code(9) => Err(SandboxError::NotContained {
            what: said.lines().last().unwrap_or("it broke out").to_owned(),
        }),
        Exit::Code(1) if said.contains("bwrap: ") => Err(SandboxError::from_bwrap(&said)),
        exit => Err(SandboxError::Setup {
            detail: format!("the trial ended with {exit:?}: {}", said.trim_end()),
        }),
    }
}

/// A file of the host that nothing inside may see.
struct ProbeFile {
    path: PathBuf,
    content: String,
}

impl ProbeFile {
    fn new() -> std::io::Result<ProbeFile> {
        let content = format!("ozone probe {}", std::process::id());
        let mut number = 0;
        loop {
            let name = format!("ozone-probe-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            match std::fs::OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(mut file) => {
                    file.write_all(content.as_bytes())?;
                    return Ok(ProbeFile { path, content });
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    fn is_untouched(&mut self) -> bool {
        let mut content = String::new();
        let read = std::fs::File::open(&self.path).and_then(|mut f| f.read_to_string(&mut content));
        read.is_ok() && content == self.content
    }
}

impl Drop for ProbeFile {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.path));
    }
}
