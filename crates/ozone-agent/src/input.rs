//! Items to what the model reads: the turns of earlier responses and of this one's input.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use ozone_model::{Image, Turn};
use ozone_prompt::{Message, ToolCall};
use ozone_tools::web::{self, WebCall};
use ozone_tools::{IMAGE_GENERATION, Shown, cap, file_search, patch, shell};
use ozone_types::item::Known;
use ozone_types::{CodeOutput, Content, Item, Role, Text};
use serde_json::{Value, json};

use crate::record::Record;
use crate::tools::flat;
use crate::{context, drawing, machine, mcp, pictures};

/// What a call is answered with that the client never answered.
const ABORTED: &str = "aborted";
/// The most characters of an earlier search's passages that the model reads again.
const FOUND_CHARS_MAX: usize = 16_000;

/// Whether an output may have more to it than it shows, so that [`remembered`] needs the records.
pub fn is_remembered_otherwise(output: &[Item]) -> bool {
    output.iter().any(|item| match item {
        Item::Known(Known::Reasoning { content, .. }) => content.is_empty(),
        Item::Known(Known::FileSearchCall { results, .. }) => results.is_none(),
        Item::Known(Known::WebSearchCall { seen, .. }) => seen.is_none(),
        Item::Known(Known::ImageGenerationCall { drawn, .. }) => drawn.is_none(),
        Item::Known(Known::Compaction { .. }) => true,
        _ => false,
    })
}

/// The output of an earlier response as the model should read it again: reasoning that was kept
/// from the client is in the loop's records, and stands in its item here; so do what a search
/// found, what was seen of pages, and a summary.
pub fn remembered(output: Vec<Item>, records: Vec<Value>) -> Vec<Item> {
    let (mut thoughts, mut found) = (HashMap::new(), HashMap::new());
    let (mut summaries, mut seen_in) = (HashMap::new(), HashMap::new());
    let mut drawn_in = HashMap::new();
    for record in records {
        match serde_json::from_value(record) {
            Ok(Record::Reasoned { item_id, text }) => {
                thoughts.insert(item_id.to_string(), text);
            }
            Ok(Record::Found { item_id, passages }) => {
                found.insert(item_id.to_string(), passages);
            }
            Ok(Record::Seen { item_id, seen }) => {
                seen_in.insert(item_id.to_string(), seen);
            }
            Ok(Record::Drawn { item_id, drawn }) => {
                drawn_in.insert(item_id.to_string(), drawn);
            }
            Ok(Record::Compacted { item_id, text, .. }) => {
                summaries.insert(item_id.to_string(), text);
            }
            _ => {}
        }
    }
    let fill = |mut item: Item| {
        match &mut item {
            Item::Known(Known::Reasoning { id, content, .. }) if content.is_empty() => {
                let text = thoughts.get(id.as_str()).cloned();
                content.extend(text.map(|text| Content::ReasoningText { text }));
            }
            Item::Known(Known::FileSearchCall { id, results: results @ None, .. }) => {
                *results = found.remove(id.as_str());
            }
            Item::Known(Known::WebSearchCall { id, seen, .. }) => {
                *seen = seen_in.remove(id.as_str());
            }
            Item::Known(Known::ImageGenerationCall { id, drawn, .. }) => {
                *drawn = drawn_in.remove(id.as_str());
            }
            Item::Known(Known::Compaction { id, text, .. }) => {
                *text = summaries.remove(id.as_str());
            }
            _ => {}
        }
        item
    };
    output.into_iter().map(fill).collect()
}

/// The items as turns. Reasoning stays with the call or the message that it led to; a call that was
/// never answered is answered with `aborted`. Before a summary only what users said last is kept, up
/// to `users_bytes_max`.
pub(crate) fn turns<'a>(
    items: impl Iterator<Item = &'a Item>,
    tools: &[(Shown, String)],
    reads_images: bool,
    users_bytes_max: usize,
) -> Vec<Turn> {
    let items: Vec<&Item> = items.collect();
    let answers = mcp::answers(&items);
    let tools = tools.to_vec();
    let mut reader = Reader { tools, answers, reads_images, users_bytes_max, ..Reader::default() };
    for item in items {
        if let Item::Known(known) = item {
            reader.item(known);
        }
    }
    reader.abort_open_calls();
    reader.turns
}

#[derive(Default)]
struct Reader {
    turns: Vec<Turn>,
    thought: Option<String>,
    /// Calls without an output so far.
    open: Vec<ToolCall>,
    names: HashMap<String, String>,
    /// The tools that run here, and what the model calls them.
    tools: Vec<(Shown, String)>,
    /// What became of the calls that somebody was asked about, by the id of the request.
    answers: HashMap<String, String>,
    reads_images: bool,
    users_bytes_max: usize,
}

impl Reader {
    fn item(&mut self, item: &Known) {
        match item {
            Known::Message { role, content, .. } => self.message(*role, content),
            Known::Reasoning { content, .. } => {
                let text: String = content.iter().filter_map(Content::text).collect();
                if !text.is_empty() {
                    self.thought = joined(self.thought.take(), text);
                }
            }
            Known::FunctionCall { call_id, name, namespace, arguments, .. } => {
                self.call(call_id.as_str(), flat(namespace.as_deref(), name), arguments.clone());
            }
            Known::CustomToolCall { call_id, name, namespace, input, .. } => {
                let arguments = json!({ "input": input }).to_string();
                self.call(call_id.as_str(), flat(namespace.as_deref(), name), arguments);
            }
            Known::FunctionCallOutput { call_id, output, .. }
            | Known::CustomToolCallOutput { call_id, output, .. } => {
                self.output(call_id.as_str(), output.joined());
                self.pictures("The pictures of the tool's output:", output);
            }
            Known::CodeInterpreterCall { id, code, outputs, .. } => {
                let arguments = json!({ "code": code }).to_string();
                let is_it = |shown: &Shown| matches!(shown, Shown::CodeInterpreter { .. });
                self.call(id.as_str(), self.name_of(is_it, "python"), arguments);
                let logs = outputs.iter().flatten().filter_map(|o| match o {
                    CodeOutput::Logs { logs } => Some(logs.as_str()),
                    CodeOutput::Image { .. } => None,
                });
                self.output(id.as_str(), logs.collect());
            }
            Known::FileSearchCall { id, queries, results, .. } => {
                let arguments = json!({ "queries": queries }).to_string();
                let name = self.name_of(|shown| *shown == Shown::FileSearch, "file_search");
                self.call(id.as_str(), name, arguments);
                let output = match results {
                    Some(found) => file_search::told(found, FOUND_CHARS_MAX),
                    None => "[what was found then is not kept; search again]".to_owned(),
                };
                self.output(id.as_str(), output);
            }
            Known::WebSearchCall { id, action, seen, .. } => {
                let call = WebCall::of(action);
                let name = self.name_of(|shown| *shown == Shown::Web(call), call.name());
                self.call(id.as_str(), name, web::arguments(action).to_string());
                let output = match seen {
                    Some(seen) => cap(&seen.text, FOUND_CHARS_MAX),
                    None => "[what was shown then is not kept; look again]".to_owned(),
                };
                self.output(id.as_str(), output);
            }
            Known::ImageGenerationCall { id, result, facts, drawn, .. } => {
                let name = self.name_of(|s| *s == Shown::ImageGeneration, IMAGE_GENERATION);
                let (arguments, told) = drawing::reread(facts, drawn.as_deref(), result.is_some());
                self.call(id.as_str(), name, arguments);
                self.output(id.as_str(), told);
            }
            Known::ShellCall { call_id, action, .. } => {
                let name = self.name_of(|shown| matches!(shown, Shown::Shell { .. }), shell::NAME);
                self.call(call_id.as_str(), name, shell::arguments(action));
            }
            Known::ShellCallOutput { call_id, output, max_output_length, .. } => {
                let told = machine::shell_told(output, *max_output_length);
                self.output(call_id.as_str(), told);
            }
            Known::ApplyPatchCall { call_id, operation, .. } => {
                let name = self.name_of(|shown| matches!(shown, Shown::Patch { .. }), patch::NAME);
                self.call(call_id.as_str(), name, patch::arguments(operation));
            }
            Known::ApplyPatchCallOutput { call_id, status, output, .. } => {
                let told = machine::patch_told(*status, output.as_deref());
                self.output(call_id.as_str(), told);
            }
            Known::Compaction { text: Some(summary), .. } => {
                self.abort_open_calls();
                self.thought = None;
                let turns = std::mem::take(&mut self.turns);
                self.turns = context::compacted(turns, summary, self.users_bytes_max);
            }
            // Nobody here can read it.
            Known::Compaction { text: None, .. } => {}
            Known::McpListTools { server_label, error, .. } => {
                if let Some(error) = error {
                    let why = mcp::text(error);
                    let text = format!("[The tools of `{server_label}` cannot be used: {why}]");
                    self.given(Message::User { text });
                }
            }
            Known::McpApprovalRequest { id, server_label, name, arguments } => {
                self.mcp_call(id.as_str(), server_label, name, arguments);
            }
            Known::McpApprovalResponse { approval_request_id: id, .. } => {
                if self.open.iter().any(|call| call.id == *id) {
                    let answer = self.answers.get(id).cloned();
                    self.output(id, answer.unwrap_or_else(|| ABORTED.to_owned()));
                }
            }
            // It stands where it was asked for.
            Known::McpCall { approval_request_id: Some(id), .. } if self.names.contains_key(id) => {
            }
            Known::McpCall { id, server_label, name, arguments, output, error, .. } => {
                self.mcp_call(id.as_str(), server_label, name, arguments);
                self.output(id.as_str(), mcp::result(output.as_deref(), error.as_ref()));
            }
        }
    }

    fn message(&mut self, role: Role, content: &Text) {
        let text = content.joined();
        if role == Role::Assistant {
            let reasoning = self.thought.take();
            return self.given(Message::Assistant { reasoning, text, tool_calls: vec![] });
        }
        self.abort_open_calls();
        self.thought = None;
        match role {
            Role::User => {
                if !self.pictures(&text, content) {
                    self.given(Message::User { text });
                }
            }
            Role::System => self.given(Message::System { text }),
            Role::Developer | Role::Assistant => self.given(Message::Developer { text }),
        }
    }

    /// Shows the pictures of a text, if the model can see any.
    fn pictures(&mut self, text: &str, content: &Text) -> bool {
        let Text::Parts(parts) = content else { return false };
        let urls = parts.iter().filter_map(|part| match part {
            Content::InputImage { image_url: Some(url), .. } => Some(url.as_str()),
            _ => None,
        });
        let images: Vec<Image> = urls.filter_map(image).collect();
        if images.is_empty() || !self.reads_images {
            return false;
        }
        self.turns.push(Turn::Shown { text: text.to_owned(), images });
        true
    }

    /// A call joins the assistant's turn before it, when that is what stands last.
    fn call(&mut self, id: &str, name: String, arguments: String) {
        self.names.insert(id.to_owned(), name.clone());
        let call = ToolCall { id: id.to_owned(), name, arguments };
        let thought = self.thought.take();
        match self.turns.last_mut() {
            Some(Turn::Given(Message::Assistant { reasoning, tool_calls, .. })) => {
                if let Some(thought) = thought {
                    *reasoning = joined(reasoning.take(), thought);
                }
                tool_calls.push(call.clone());
            }
            _ => {
                let tool_calls = vec![call.clone()];
                let text = String::new();
                self.given(Message::Assistant { reasoning: thought, text, tool_calls });
            }
        }
        self.open.push(call);
    }

    fn mcp_call(&mut self, id: &str, server_label: &str, name: &str, arguments: &str) {
        let is_it = |shown: &Shown| mcp::is_tool(shown, server_label, name);
        self.call(id, self.name_of(is_it, name), arguments.to_owned());
    }

    /// What the model calls a tool; a tool that is gone keeps its own name.
    fn name_of(&self, is_it: impl Fn(&Shown) -> bool, otherwise: &str) -> String {
        let found = self.tools.iter().find(|(shown, _)| is_it(shown));
        found.map_or_else(|| otherwise.to_owned(), |(_, name)| name.clone())
    }

    fn output(&mut self, id: &str, output: String) {
        self.open.retain(|call| call.id != id);
        let output = pictures::without_pixels(&output).into_owned();
        let name = self.names.get(id).cloned().unwrap_or_default();
        self.given(Message::ToolResult { call_id: id.to_owned(), name, output });
    }

    fn abort_open_calls(&mut self) {
        for call in std::mem::take(&mut self.open) {
            let output = self.answers.get(&call.id).map_or(ABORTED, String::as_str).to_owned();
            self.given(Message::ToolResult { call_id: call.id, name: call.name, output });
        }
    }

    fn given(&mut self, message: Message) {
        self.turns.push(Turn::Given(message));
    }
}

fn joined(before: Option<String>, text: String) -> Option<String> {
    Some(match before {
        Some(before) if !before.is_empty() => format!("{before}\n\n{text}"),
        _ => text,
    })
}

/// The picture of a `data:` URL.
fn image(url: &str) -> Option<Image> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let media_type = head.strip_suffix(";base64")?.to_owned();
    let bytes = base64::engine::general_purpose::STANDARD.decode(data).ok()?;
    Some(Image { media_type, bytes: Arc::from(bytes) })
}

/// The first output without a call before it.
pub(crate) fn unpaired<'a>(items: impl Iterator<Item = &'a Item>) -> Option<String> {
    let mut calls: Vec<&str> = vec![];
    for item in items {
        match item {
            Item::Known(
                Known::FunctionCall { call_id, .. }
                | Known::CustomToolCall { call_id, .. }
                | Known::ShellCall { call_id, .. }
                | Known::ApplyPatchCall { call_id, .. },
            ) => calls.push(call_id.as_str()),
            Item::Known(
                Known::FunctionCallOutput { call_id, .. }
                | Known::CustomToolCallOutput { call_id, .. }
                | Known::ShellCallOutput { call_id, .. }
                | Known::ApplyPatchCallOutput { call_id, .. },
            ) if !calls.contains(&call_id.as_str()) => return Some(call_id.to_string()),
            _ => {}
        }
    }
    None
}
