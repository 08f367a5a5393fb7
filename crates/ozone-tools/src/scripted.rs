//! The tests' tool: answers from a list.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use ozone_prompt::ToolSpec;

use crate::{Call, OnText, Shown, Tool, ToolError, ToolFile, ToolOutput, cap};

/// One scripted call.
#[derive(Debug, Clone)]
pub enum Step {
    Prints(String),
    Fails(String),
    /// Prints, and leaves files of these names.
    Writes(String, Vec<String>),
    /// Prints, and gives pictures.
    Draws(String, Vec<Vec<u8>>),
    /// Never ends by itself.
    Hangs,
}

/// A tool that runs nothing, named `python` unless it is told otherwise. It keeps the keys of the
/// calls that it got.
pub struct ScriptedTool {
    spec: ToolSpec,
    shown: Shown,
    steps: VecDeque<Step>,
    calls: Arc<Mutex<Vec<(String, String)>>>,
}

impl ScriptedTool {
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        ScriptedTool {
            spec: crate::python::spec(""),
            shown: crate::python::shown("cntr_scripted"),
            steps: steps.into_iter().collect(),
            calls: Arc::default(),
        }
    }

    /// Another tool than `python`, which takes any arguments.
    pub fn shown_as(mut self, name: &str, shown: Shown) -> Self {
        let parameters = serde_json::json!({"type": "object"});
        self.spec = ToolSpec {
            name: name.into(),
            description: "A tool.".into(),
            parameters,
            grammar: None,
        };
        self.shown = shown;
        self
    }

    /// `(key, arguments)` of each call so far, also after the tool was moved away.
    pub fn calls(&self) -> Arc<Mutex<Vec<(String, String)>>> {
        self.calls.clone()
    }
}

#[async_trait]
impl Tool for ScriptedTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn shown(&self) -> Shown {
        self.shown.clone()
    }

    fn resumed(&mut self, _: usize) {}

    async fn call(
        &mut self,
        call: Call,
        on_text: &mut OnText<'_>,
    ) -> Result<ToolOutput, ToolError> {
        if matches!(self.shown, Shown::CodeInterpreter { .. }) {
            crate::python::code_of(&call.arguments)?;
        }
        self.calls.lock().unwrap_or_else(|e| e.into_inner()).push((call.key, call.arguments));
        match self.steps.pop_front() {
            Some(Step::Prints(text)) => {
                on_text(&text);
                Ok(ToolOutput { text: cap(&text, call.output_chars_max), ..Default::default() })
            }
            Some(Step::Writes(text, names)) => {
                let file = |name| ToolFile { name, bytes: 0, host_path: PathBuf::new() };
                let files = names.into_iter().map(file).collect();
                Ok(ToolOutput { text, files, ..Default::default() })
            }
            Some(Step::Draws(text, images)) => {
                Ok(ToolOutput { text, images, ..Default::default() })
            }
            Some(Step::Fails(text)) => {
                let text = cap(&text, call.output_chars_max);
                Ok(ToolOutput { text, failed: true, ..Default::default() })
            }
            Some(Step::Hangs) => {
                call.cancel.cancelled().await;
                let text = "KeyboardInterrupt".to_owned();
                Ok(ToolOutput { text, failed: true, ..Default::default() })
            }
            None => Err(ToolError::Unavailable("the script has no more calls".into())),
        }
    }
}
