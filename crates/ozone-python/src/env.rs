//! Which Python runs, and which folders of the host it needs to see.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An interpreter that has what the kernel needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonEnv {
    executable: PathBuf,
    version: String,
    /// Folders and files outside `/usr` that the interpreter reads, at the paths it knows.
    binds: Vec<PathBuf>,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum EnvError {
    #[error(
        "no Python 3 was found (looked for OZONE_PYTHON, .venv/bin/python3, {data_dir}/venv and \
         python3 on PATH); install one: apt-get install python3 python3-venv"
    )]
    NoPython { data_dir: String },
    #[error(
        "{python} lacks {}; install: {python} -m pip install {}",
        missing.join(", "), missing.join(" ")
    )]
    MissingPackages { python: PathBuf, missing: Vec<String> },
    #[error("{python} does not work as a Python 3 interpreter: {reason}")]
    Broken { python: PathBuf, reason: String },
    /// Binding it would show the jail more than a Python installation.
    #[error(
        "{python} is installed straight into {prefix}, which holds more than Python; make a \
         virtual environment: {python} -m venv .venv && .venv/bin/pip install -r requirements.txt"
    )]
    TooWide { python: PathBuf, prefix: PathBuf },
}

/// Packages as pip names them; the module names are the same.
const NEEDED: [&str; 5] = ["ipykernel", "numpy", "pandas", "matplotlib", "sympy"];

const DESCRIBE: &str = r#"
import importlib.util, json, os, sys
missing = [name for name in sys.argv[1:] if importlib.util.find_spec(name) is None]
print(json.dumps({
    "executable": sys.executable, "version": sys.version.split()[0], "missing": missing,
    "paths": [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, *sys.path],
}))
"#;

impl PythonEnv {
    /// `OZONE_PYTHON`; else the first working one of `.venv` above our executable,
    /// `<data_dir>/venv`, `.venv` in or above the current folder, and `python3` on the path. When
    /// none works, the error is that of the first one found.
    pub fn find(data_dir: Option<&Path>) -> Result<PythonEnv, EnvError> {
        if let Some(python) = std::env::var_os("OZONE_PYTHON").filter(|value| !value.is_empty()) {
            return PythonEnv::at(Path::new(&python));
        }
        let mut first_error = None;
        for python in candidates(data_dir) {
            match PythonEnv::at(&python) {
                Ok(env) => return Ok(env),
                Err(error) => drop(first_error.get_or_insert(error)),
            }
        }
        let data_dir = data_dir.unwrap_or(Path::new("<data dir>")).display().to_string();
        Err(first_error.unwrap_or(EnvError::NoPython { data_dir }))
    }

    /// The interpreter at one path, if it has the packages that the kernel needs.
    pub fn at(python: &Path) -> Result<PythonEnv, EnvError> {
        let broken = |reason: String| EnvError::Broken { python: python.to_owned(), reason };
        let mut command = Command::new(python);
        command.args(["-I", "-c", DESCRIBE]).args(NEEDED).stdin(Stdio::null());
        let output = command.output().map_err(|error| broken(error.to_string()))?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            return Err(broken(stderr.trim().lines().last().unwrap_or("no output").to_owned()));
        }
        let said: serde_json::Value =
            serde_json::from_slice(&output.stdout).map_err(|error| broken(error.to_string()))?;
        let missing = strings(&said["missing"]);
        if !missing.is_empty() {
            return Err(EnvError::MissingPackages { python: python.to_owned(), missing });
        }
        let text = |key: &str| said[key].as_str().unwrap_or_default().to_owned();
        let executable = PathBuf::from(text("executable"));
        let binds = binds(&executable, &strings(&said["paths"]))?;
        Ok(PythonEnv { executable, version: text("version"), binds })
    }

    pub fn executable(&self) -> &Path {
        &self.executable
    }

    /// As in `3.11.2`.
    pub fn version(&self) -> &str {
        &self.version
    }

    pub(crate) fn binds(&self) -> &[PathBuf] {
        &self.binds
    }
}

fn strings(value: &serde_json::Value) -> Vec<String> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

fn candidates(data_dir: Option<&Path>) -> Vec<PathBuf> {
    let above = |start: std::io::Result<PathBuf>| -> Vec<PathBuf> {
        let start = start.unwrap_or_default();
        start.ancestors().map(|folder| folder.join(".venv/bin/python3")).collect()
    };
    let mut found = above(std::env::current_exe());
    found.extend(data_dir.map(|folder| folder.join("venv/bin/python3")));
    found.extend(above(std::env::current_dir()));
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin"));
    found.extend(std::env::split_paths(&path).map(|folder| folder.join("python3")));
    let mut seen = BTreeSet::new();
    found.retain(|python| python.is_file() && seen.insert(python.clone()));
    found
}

/// The interpreter's own folders, each link on the way to it, and nothing below `/usr`, which is
/// always there. A folder inside another one that is bound is left out.
fn binds(executable: &Path, paths: &[String]) -> Result<Vec<PathBuf>, EnvError> {
    let mut wanted: BTreeSet<PathBuf> = BTreeSet::new();
    for path in paths.iter().map(PathBuf::from).chain(links(executable)) {
        if path.is_absolute() && path.exists() {
            wanted.extend(path.canonicalize());
            wanted.insert(path);
        }
    }
    let mut kept: Vec<PathBuf> = Vec::new();
    // A sorted set lists a folder before what is in it.
    for path in wanted {
        let inside = |folder: &Path| path.starts_with(folder);
        let system = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"];
        if system.iter().any(|folder| inside(Path::new(folder))) || kept.iter().any(|k| inside(k)) {
            continue;
        }
        if is_too_wide(&path) {
            return Err(EnvError::TooWide { python: executable.to_owned(), prefix: path });
        }
        kept.push(path);
    }
    Ok(kept)
}

fn links(executable: &Path) -> Vec<PathBuf> {
    let mut chain = vec![executable.to_owned()];
    while let Some(target) = chain.last().and_then(|link| std::fs::read_link(link).ok()) {
        let folder = chain.last().and_then(|link| link.parent()).unwrap_or(Path::new("/"));
        chain.push(folder.join(target));
        if chain.len() > 16 {
            break;
        }
    }
    chain
}

/// The root, a top-level folder such as `/root` or `/opt`, or somebody's home.
fn is_too_wide(path: &Path) -> bool {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let is_home =
        home.is_some_and(|home| home == path) || path.parent() == Some(Path::new("/home"));
    is_home || path.components().count() <= 2
}
