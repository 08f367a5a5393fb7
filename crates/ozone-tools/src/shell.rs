//! Bash beside Python: the same jail, the same folder, the same limits.
//!
//! The commands run as children of the conversation's kernel, so what Python writes the shell finds
//! and the other way round. Where a request says that the client runs them, only the description
//! and the words of a result are taken from here.

use std::time::Duration;

use async_trait::async_trait;
use ozone_prompt::ToolSpec;
use ozone_python::{CommandOutput, Interrupt, Status};
use ozone_types::{ShellAction, ShellOutcome, ShellOutput};
use serde_json::{Value, json};

use crate::python::Shared;
use crate::{Call, OnText, Shown, Tool, ToolError, ToolFile, ToolOutput, cap};

/// What the model calls it.
pub const NAME: &str = "shell";
/// The most commands of one call.
const COMMANDS_MAX: usize = 16;
/// How long the kernel may take to stop what it runs, before it is stopped itself.
const GRACE: Duration = Duration::from_secs(5);
const EXAMPLE: &str = r#"write {"commands": ["ls -l"]}"#;

/// The `shell` tool of one response, beside its Python.
pub struct ShellTool {
    spec: ToolSpec,
    container_id: String,
    /// `None` where commands cannot run.
    python: Option<Shared>,
    /// The next call had begun when its process was killed.
    interrupted: bool,
}

impl ShellTool {
    pub(crate) fn new(python: Option<Shared>, container_id: String) -> Self {
        ShellTool { spec: spec(true), container_id, python, interrupted: false }
    }
}

/// What the model is told of the tool.
pub fn spec(runs_here: bool) -> ToolSpec {
    let place = match runs_here {
        true => {
            "Each command is a bash of its own that starts in the folder of the python tool, which \
             sees the same files; variables and `cd` do not last. There is no network, no root and \
             nobody to answer a prompt: nothing can be downloaded or installed."
        }
        false => "The commands run on the user's machine, one after the other.",
    };
    let description =
        format!("Runs shell commands and returns what they print and their exit codes. {place}");
    let properties = json!({
        "commands": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "maxItems": COMMANDS_MAX,
            "description": "The commands, in their order."
        },
        "timeout_ms": {
            "type": "integer",
            "description": "Stops all of them after so many milliseconds."
        },
        "max_output_length": {
            "type": "integer",
            "description": "The most characters of output to return."
        }
    });
    crate::spec(NAME, description, properties, json!(["commands"]))
}

/// What these arguments ask for. The error is the model's to read.
pub fn action(arguments: &str) -> Result<ShellAction, String> {
    let action: ShellAction = serde_json::from_str(arguments)
        .map_err(|e| format!("the arguments are not as they should be ({e}); {EXAMPLE}"))?;
    if action.commands.iter().all(|command| command.trim().is_empty()) {
        return Err(format!("there is no command to run; {EXAMPLE}"));
    }
    if action.commands.len() > COMMANDS_MAX {
        let n = action.commands.len();
        return Err(format!("{n} commands are too many: at most {COMMANDS_MAX} are run at once"));
    }
    Ok(action)
}

/// The arguments of a call that asks for this.
pub fn arguments(action: &ShellAction) -> String {
    let mut value = json!({ "commands": action.commands });
    for (name, given) in
        [("timeout_ms", action.timeout_ms), ("max_output_length", action.max_output_length)]
    {
        if let Some(given) = given {
            value[name] = Value::from(given);
        }
    }
    value.to_string()
}

/// What the model reads of a result.
pub fn told(outputs: &[ShellOutput], chars_max: usize) -> String {
    let one = |output: &ShellOutput| {
        let mut text = output.stdout.trim_end().to_owned();
        if !output.stderr.trim().is_empty() {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str("[stderr]\n");
            text.push_str(output.stderr.trim_end());
        }
        let end = match output.outcome {
            ShellOutcome::Exit { exit_code: 0 } if !text.is_empty() => return text,
            ShellOutcome::Exit { exit_code } => format!("[exit code {exit_code}]"),
            ShellOutcome::Timeout => "[stopped: its time was over]".to_owned(),
        };
        if text.is_empty() { end } else { format!("{text}\n{end}") }
    };
    let text = match outputs {
        [only] => one(only),
        many => {
            let numbered = many.iter().enumerate();
            let told = numbered.map(|(i, output)| format!("[command {}]\n{}", i + 1, one(output)));
            told.collect::<Vec<_>>().join("\n")
        }
    };
    cap(&text, chars_max)
}

#[async_trait]
impl Tool for ShellTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn shown(&self) -> Shown {
        Shown::Shell { container_id: self.container_id.clone() }
    }

    /// Python tells what is lost; files are not.
    fn resumed(&mut self, _: usize) {}

    fn interrupted(&mut self) {
        self.interrupted = true;
    }

    async fn call(&mut self, call: Call, _: &mut OnText<'_>) -> Result<ToolOutput, ToolError> {
        let action = action(&call.arguments).map_err(ToolError::BadArguments)?;
        let asked = action.timeout_ms.map_or(Duration::MAX, Duration::from_millis);
        let timeout = call.timeout.min(asked).max(Duration::from_millis(1));
        let asked = action.max_output_length.and_then(|max| usize::try_from(max).ok());
        let chars_max = call.output_chars_max.min(asked.unwrap_or(usize::MAX));
        let Some(python) = &self.python else {
            let why = "there is no shell here: it needs a real Python in a sandbox that limits \
                       several processes together";
            return Err(ToolError::Unavailable(why.to_owned()));
        };
        let mut python = python.lock().await;
        let kernel = python.kernel().await?;
        let ran = kernel
            .shell(&action.commands, timeout, GRACE, chars_max, &call.cancel)
            .await
            .map_err(|e| ToolError::Internal(Box::new(e)))?;
        let shell = match (ran.outputs, &ran.status) {
            (Some(outputs), _) => outputs.into_iter().map(output).collect(),
            (None, status) => vec![unknown(status)],
        };
        let mut text = told(&shell, chars_max);
        if std::mem::take(&mut self.interrupted) {
            text.push_str("\n[the commands may have run before, too: there was an interruption]");
        }
        for note in &ran.notes {
            text.push_str(&format!("\n[{note}]"));
        }
        let failed = ran.status != Status::Ok;
        let files = ran.files.into_iter().filter_map(ToolFile::kept);
        Ok(ToolOutput { text, failed, files: files.collect(), shell, ..ToolOutput::default() })
    }
}

fn output(command: CommandOutput) -> ShellOutput {
    let CommandOutput { stdout, stderr, exit_code } = command;
    let outcome = match exit_code {
        Some(exit_code) => ShellOutcome::Exit { exit_code },
        None => ShellOutcome::Timeout,
    };
    ShellOutput { stdout, stderr, outcome }
}

/// The kernel ended, or was made to, before it said how the commands did.
fn unknown(status: &Status) -> ShellOutput {
    match status {
        Status::Interrupted(Interrupt::Timeout) => {
            let (stdout, stderr) = (String::new(), String::new());
            ShellOutput { stdout, stderr, outcome: ShellOutcome::Timeout }
        }
        Status::Died(cause) => ShellOutput::refused(format!("the sandbox ended: {cause}")),
        _ => ShellOutput::refused("stopped"),
    }
}
