//! `ozone` in a data folder of its own, with scripted models.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

pub struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    pub fn new() -> Home {
        Home { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A home whose default model says `script`, a token every `pace_ms`.
    pub fn scripted(script: Value, pace_ms: u64) -> Home {
        let home = Home::new();
        std::fs::write(home.path().join("script.json"), script.to_string()).unwrap();
        std::fs::write(
            home.path().join("ozone.toml"),
            format!(
                "default_model = \"scripted\"\n[[model]]\nid = \"scripted\"\nbackend = \
                 \"scripted\"\npath = \"script.json\"\npace_ms = {pace_ms}\n"
            ),
        )
        .unwrap();
        home
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ozone"));
        command.args(args).env("OZONE_DATA", self.path().join("data")).env_remove("OZONE_MODEL");
        let config = self.path().join("ozone.toml");
        if config.exists() {
            command.env("OZONE_CONFIG", config);
        } else {
            command.env_remove("OZONE_CONFIG");
        }
        command.current_dir(self.path()).stdin(Stdio::null());
        command.env("OZONE_PYTHON", python());
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }
}

/// The Python that `make` has set up, or the one that the caller names.
pub fn python() -> std::ffi::OsString {
    std::env::var_os("OZONE_PYTHON").unwrap_or_else(|| {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/bin/python3").into()
    })
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The parsed object of `--json`.
pub fn object(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {} / {}", stdout(output), stderr(output)))
}

pub fn says(text: &str) -> Value {
    json!({"script": "says", "text": text})
}

pub fn runs(code: &str) -> Value {
    let call = json!({"name": "python", "arguments": {"code": code}});
    says(&format!("<think>\nI compute it.\n</think>\n\n<tool_call>\n{call}\n</tool_call>"))
}
