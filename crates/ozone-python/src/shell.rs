//! Commands for bash, as children of the kernel: in its jail, in its folder, within its limits.
//!
//! The kernel's process starts them and says how they did in one line of JSON behind a mark that
//! only this call knows. It is untrusted like everything that the kernel says: what cannot be read
//! is no result, and texts are cut again.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{CutText, ExecuteOptions, Kernel, OutputFile, PythonError, Status};

/// What a command printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandOutput {
    pub stdout: String,
    pub stderr: String,
    /// `None`: its time was over, or it was not begun any more. Negative for a signal.
    pub exit_code: Option<i64>,
}

/// What became of a list of commands.
#[derive(Debug, Clone, PartialEq)]
pub struct ShellRun {
    /// `None` where the kernel did not live to tell.
    pub outputs: Option<Vec<CommandOutput>>,
    pub files: Vec<OutputFile>,
    /// What the reader must know besides.
    pub notes: Vec<String>,
    pub status: Status,
}

/// JSON spells a character of another script with up to twelve.
const BYTES_PER_CHAR: usize = 12;

impl Kernel {
    /// Runs the commands one after the other, each in a bash of its own, for `timeout` together.
    /// After that the kernel gets `grace` before it is stopped itself. Of all output about
    /// `chars_max` characters are kept, heads and tails.
    pub async fn shell(
        &mut self,
        commands: &[String],
        timeout: Duration,
        grace: Duration,
        chars_max: usize,
        cancel: &CancellationToken,
    ) -> Result<ShellRun, PythonError> {
        let mark = format!("ozone-{}:", uuid::Uuid::new_v4().simple());
        let keep = (chars_max / commands.len().max(1)).max(200);
        let asked = json!({
            "commands": commands,
            "timeout": timeout.as_secs_f64(),
            "keep": keep,
            "mark": mark,
        });
        // A JSON text is a Python string once it is quoted as JSON again.
        let code = format!("get_ipython().kernel.ozone_shell({})", json!(asked.to_string()));
        let options = ExecuteOptions {
            timeout: timeout.saturating_add(grace),
            max_output_bytes: keep
                .saturating_mul(2 * BYTES_PER_CHAR * commands.len())
                .saturating_add(64 << 10),
            cancel: cancel.clone(),
            ..ExecuteOptions::default()
        };
        let execution = self.execute(&code, &options, |_| {}).await?;
        let line = execution.stdout.lines().find_map(|line| line.split_once(&mark));
        let outputs = line.and_then(|(_, json)| read(json, commands.len(), keep));
        let (files, notes, status) = (execution.files, execution.notes, execution.status);
        Ok(ShellRun { outputs, files, notes, status })
    }
}

fn read(json: &str, commands: usize, keep: usize) -> Option<Vec<CommandOutput>> {
    let results: Value = serde_json::from_str(json).ok()?;
    let results = results.as_array().filter(|results| results.len() == commands)?;
    let text = |result: &Value, name: &str| {
        let mut cut = CutText::new(keep.saturating_mul(8));
        cut.push(result[name].as_str()?);
        Some(cut.finish())
    };
    let one = |result: &Value| {
        let exit_code = match &result["exit_code"] {
            Value::Null => None,
            code => Some(code.as_i64()?),
        };
        let (stdout, stderr) = (text(result, "stdout")?, text(result, "stderr")?);
        Some(CommandOutput { stdout, stderr, exit_code })
    };
    results.iter().map(one).collect()
}
