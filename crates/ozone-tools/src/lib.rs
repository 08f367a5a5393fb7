//! The `Tool` seam and the built-in tools.
//!
//! A tool belongs to one response (or conversation): what a call leaves behind, the next one finds.
//! Its outputs are text for the model, capped, with pictures and files beside it. What goes wrong
//! is the model's to read ([`ToolError::BadArguments`]) unless it is our own fault.

#[cfg(feature = "documents")]
pub mod documents;
#[cfg(feature = "drawing")]
pub mod drawing;
#[cfg(feature = "egress")]
pub mod egress;
pub mod file_search;
#[cfg(feature = "image")]
pub mod image;
#[cfg(feature = "mcp")]
pub mod mcp;
pub mod patch;
mod python;
mod scripted;
pub mod shell;
pub mod web;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use ozone_cost::Amount;
use ozone_prompt::ToolSpec;
use ozone_python::OutputFile;
use ozone_types::{FoundPassage, GeneratedImage, Item, ShellOutput};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use file_search::FileSearchTool;
pub use ozone_python::files_below;
pub use patch::PatchTool;
pub use python::{PythonTool, Source};
pub use scripted::{ScriptedTool, Step};
pub use shell::ShellTool;

/// What a model calls the tool that makes pictures.
pub const IMAGE_GENERATION: &str = "image_generation";

#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The model's mistake: this text becomes the call's output, and the model tries again.
    #[error("{0}")]
    BadArguments(String),
    /// The tool cannot work here. The model reads it and goes on without.
    #[error("{0}")]
    Unavailable(String),
    /// Ours: the response fails; the cause goes to the log, never to the model.
    #[error("the tool failed")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// One call.
#[derive(Debug, Clone)]
pub struct Call {
    /// Unique for each call of a response, and the same when a killed run makes it again: a tool
    /// with effects on the world must not have them twice for one key.
    pub key: String,
    /// A JSON object as text.
    pub arguments: String,
    pub timeout: Duration,
    /// The most characters of text that come back.
    pub output_chars_max: usize,
    pub cancel: CancellationToken,
}

/// What a call gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolOutput {
    /// For the model, at most `output_chars_max` characters and an honest note on what was left out.
    pub text: String,
    /// PNG or JPEG pictures ([`picture_type`]).
    pub images: Vec<Vec<u8>>,
    pub files: Vec<ToolFile>,
    /// Passages of files, which an answer may cite.
    pub found: Vec<FoundPassage>,
    /// What was shown of pages, whose lines an answer may cite.
    pub web: Option<Box<web::WebSeen>>,
    /// How each command of a shell did.
    pub shell: Vec<ShellOutput>,
    /// What an `image_generation_call` made.
    pub picture: Option<Box<GeneratedImage>>,
    /// What somebody else is paid for it.
    pub paid: Option<Paid>,
    /// The call ran but did not do what was asked.
    pub failed: bool,
}

/// Money for somebody else's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    /// Whose it is: the name of a model.
    pub to: String,
    /// `None`: nobody knows.
    pub amount: Option<Amount>,
}

/// Readers who see a picture come about.
#[derive(Debug, Clone)]
pub struct Watch {
    /// How many of its beginnings they have seen.
    pub shown: u64,
    /// Takes more of them.
    pub pictures: mpsc::Sender<Vec<u8>>,
}

/// A file that a call wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolFile {
    pub name: String,
    pub bytes: u64,
    pub host_path: PathBuf,
}

impl ToolFile {
    /// One that has a copy on the host.
    pub(crate) fn kept(file: OutputFile) -> Option<ToolFile> {
        Some(ToolFile { name: file.name, bytes: file.bytes, host_path: file.host_path? })
    }

    /// The id under which a container's file is cited and asked for: a function of its name.
    pub fn id(container_id: &str, name: &str) -> String {
        let digest = Sha256::digest(format!("{container_id}/{name}"));
        let hex: String = digest.iter().take(16).map(|b| format!("{b:02x}")).collect();
        format!("cfile_{hex}")
    }
}

/// How a call stands in the response's output.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown {
    /// A `code_interpreter_call`; the argument of this name holds the code.
    CodeInterpreter { container_id: String, code_argument: &'static str },
    /// A `file_search_call`; the argument `queries` holds what is looked for.
    FileSearch,
    /// A `web_search_call`.
    Web(web::WebCall),
    /// A `shell_call` with its `shell_call_output` behind it.
    Shell { container_id: String },
    /// An `image_generation_call`; the argument `svg` holds a drawing.
    ImageGeneration,
    /// An `apply_patch_call` with its `apply_patch_call_output` behind it.
    Patch { container_id: String },
    /// An `mcp_call`: any other tool that runs here, by the name it has on its server.
    McpCall { server_label: String, name: String },
    /// A `function_call` with its `function_call_output` behind it.
    FunctionCall,
}

/// A tool whose arguments are an object of these properties and no others.
pub(crate) fn spec(
    name: &str,
    description: impl Into<String>,
    properties: Value,
    required: Value,
) -> ToolSpec {
    let parameters = json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false
    });
    let (name, description) = (name.to_owned(), description.into());
    ToolSpec { name, description, parameters, grammar: None }
}

/// The media type of a picture among [`ToolOutput::images`].
pub fn picture_type(bytes: &[u8]) -> &'static str {
    if bytes.starts_with(&[0xff, 0xd8, 0xff]) { "image/jpeg" } else { "image/png" }
}

/// Sees printed text as it comes.
pub type OnText<'a> = dyn FnMut(&str) + Send + 'a;

/// A tool of one response.
///
/// Calls come one at a time, but for those of tools that stand [beside](Tool::beside) it. Cancelling ends a call soon, with whatever it printed; dropping the
/// future of a call leaves the tool usable. Nobody but the loop calls it, and only with the names
/// that it advertised.
#[async_trait]
pub trait Tool: Send {
    fn spec(&self) -> &ToolSpec;

    fn shown(&self) -> Shown;

    /// The response goes on after its process was killed: `finished` calls were made before, and
    /// whatever they left in memory is gone.
    fn resumed(&mut self, finished: usize);

    /// Somebody must agree to each call before it is made.
    fn needs_approval(&self) -> bool {
        false
    }

    /// What somebody else is paid for a call, as far as that is known before it is made.
    fn paid(&self) -> Option<Paid> {
        None
    }

    /// What stands before the response, and what it holds already where it goes on.
    fn conversation(&mut self, _before: &[&Item], _done: &[Item]) {}

    /// The beginning of a picture, where readers are to see one of the drawing that is still being
    /// written; `shown` have been seen of it.
    async fn sketch(&mut self, _written: &str, _shown: u64) -> Option<Vec<u8>> {
        None
    }

    /// Somebody watches the next call.
    fn watched(&mut self, _watch: Watch) {}

    /// Another one for a call at the same time, where no call of this tool depends on what an
    /// earlier one did, and a call's item shows its arguments as they are.
    fn beside(&self) -> Option<Box<dyn Tool>> {
        None
    }

    /// The next call had begun when its process was killed: whether it was made, nobody knows.
    fn interrupted(&mut self) {}

    async fn call(&mut self, call: Call, on_text: &mut OnText<'_>)
    -> Result<ToolOutput, ToolError>;
}

/// Cuts `text` to `chars_max` characters, keeps head and tail, and says how much was left out.
pub fn cap(text: &str, chars_max: usize) -> String {
    let count = text.chars().count();
    if count <= chars_max {
        return text.to_owned();
    }
    let head = chars_max * 2 / 3;
    let tail = chars_max - head;
    let at = |n: usize| text.char_indices().nth(n).map_or(text.len(), |(i, _)| i);
    let omitted = count - chars_max;
    format!(
        "{}\n[… {omitted} characters omitted …]\n{}",
        &text[..at(head)],
        &text[at(count - tail)..]
    )
}
