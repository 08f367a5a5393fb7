//! What shell calls and patches are made of, whoever carries them out.

use serde::{Deserialize, Serialize};

/// What a `shell_call` asks for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ShellAction {
    /// Each for a shell of its own, in this order.
    pub commands: Vec<String>,
    /// Of all of them together.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// In characters.
    #[serde(default)]
    pub max_output_length: Option<u64>,
}

/// Where commands run, and files are changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ShellEnvironment {
    /// At the client.
    Local,
    ContainerReference {
        container_id: String,
    },
}

/// What a command gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShellOutput {
    #[serde(default)]
    pub stdout: String,
    #[serde(default)]
    pub stderr: String,
    pub outcome: ShellOutcome,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ShellOutcome {
    Exit { exit_code: i64 },
    Timeout,
}

impl ShellOutput {
    /// A command that was not run, and why.
    pub fn refused(why: impl Into<String>) -> Self {
        let outcome = ShellOutcome::Exit { exit_code: 1 };
        ShellOutput { stdout: String::new(), stderr: why.into(), outcome }
    }
}

/// More of what a command printed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ShellDelta {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
}

/// What an `apply_patch_call` asks for. A diff is in V4A.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PatchOperation {
    CreateFile { path: String, diff: String },
    UpdateFile { path: String, diff: String },
    DeleteFile { path: String },
}

impl PatchOperation {
    pub fn path(&self) -> &str {
        match self {
            PatchOperation::CreateFile { path, .. }
            | PatchOperation::UpdateFile { path, .. }
            | PatchOperation::DeleteFile { path } => path,
        }
    }

    pub fn diff(&self) -> Option<&str> {
        match self {
            PatchOperation::CreateFile { diff, .. } | PatchOperation::UpdateFile { diff, .. } => {
                Some(diff)
            }
            PatchOperation::DeleteFile { .. } => None,
        }
    }

    /// The same with this diff, if it has one.
    pub fn with_diff(mut self, new: impl Into<String>) -> Self {
        match &mut self {
            PatchOperation::CreateFile { diff, .. } | PatchOperation::UpdateFile { diff, .. } => {
                *diff = new.into();
            }
            PatchOperation::DeleteFile { .. } => {}
        }
        self
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatchStatus {
    Completed,
    Failed,
}
