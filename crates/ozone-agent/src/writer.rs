//! Turns what a model says, and what becomes of its calls, into events in the order of the stream
//! rules. Pure: events and records come out, the shell journals them.
//!
//! One item is open at a time. A call that runs here opens while it is being sampled, and stays open
//! until it has run; what the sample says behind it waits. Text that must be judged first waits,
//! too. Both are a function of the pieces of the sample ([`Said`]), which are recorded, so that a
//! killed run's writer is what it was.

mod drawing;

use std::collections::VecDeque;
use std::sync::Arc;

use ozone_tools::web::{WebCall, WebSeen};
use ozone_tools::{IMAGE_GENERATION, Shown, ToolFile, file_search, patch, shell};
use ozone_types::item::Known;
use ozone_types::{
    Annotation, CallId, CodeOutput, Content, EventKind, Fold, FoundPassage, GeneratedImage, Item,
    ItemId, ItemStatus, Phase, Role, SeenWeb, ShellEnvironment, ShellOutput, Summary, Text,
    WebAction, WebResult,
};
use serde_json::Value;

use crate::arguments::StringArgument;
use crate::cite::Marks;
use crate::machine;
use crate::record::{MadeFile, Record, Said};
use crate::summary::Digest;
use crate::tools::{ClientKind, ClientTool};

/// Makes `encrypted_content` of raw reasoning.
pub type Seal = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// What readers get to see.
#[derive(Clone, Default)]
pub(crate) struct View {
    pub raw_reasoning: bool,
    pub summary: Option<Summary>,
    /// A search shows what it found.
    pub search_results: bool,
    pub web_results: bool,
    pub seal: Option<Seal>,
    /// Text waits for [`Writer::release`] or [`Writer::replace_text`].
    pub judge_text: bool,
}

/// What is to be journaled.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub events: Vec<EventKind>,
    pub records: Vec<Record>,
}

/// What is being written.
enum Open {
    Nothing,
    Reasoning {
        id: ItemId,
        text: String,
        summary: Vec<Content>,
        digest: Option<Digest>,
    },
    Message {
        id: ItemId,
        phase: Option<Phase>,
        text: String,
        logprobs: Vec<Value>,
        citations: Vec<Annotation>,
    },
    Call(Box<Call>),
}

/// A call that runs here.
struct Call {
    id: ItemId,
    call_id: CallId,
    /// As the model calls it.
    name: String,
    shown: Shown,
    /// What its deltas have shown: code or arguments.
    text: String,
    code: Option<StringArgument>,
    /// What a search shows that it found.
    results: Option<Vec<FoundPassage>>,
    /// What a look at pages came to.
    action: Option<WebAction>,
    web_results: Option<Vec<WebResult>>,
    /// What it made, and how many beginnings of that were shown.
    picture: Option<Box<GeneratedImage>>,
    sketches: u64,
    /// The consent by which it is made.
    approval: Option<String>,
    /// Its text is done, and it was said to run.
    running: bool,
}

/// What a call that ran here gave.
pub(crate) struct CallResult {
    pub text: String,
    /// For a `code_interpreter_call`.
    pub outputs: Vec<CodeOutput>,
    pub failed: bool,
}

/// Writes the items of one response, one at a time.
pub(crate) struct Writer {
    output_index: u64,
    open: Open,
    view: View,
    /// The tools that run here, by the names that the model knows.
    built_in: Vec<(String, Shown)>,
    waiting: VecDeque<Said>,
    /// Files that an answer may speak of.
    files: Vec<MadeFile>,
    /// The marks by which an answer cites what was found.
    marks: Marks,
    /// What the call that runs has found.
    found: Vec<FoundPassage>,
    /// How the commands of the call that runs did.
    printed: Vec<ShellOutput>,
    /// What it has shown of pages.
    seen: Option<Box<WebSeen>>,
    /// What it has made.
    picture: Option<Box<GeneratedImage>>,
    /// The consent by which the next call is made.
    approval: Option<String>,
}

impl Writer {
    /// Goes on where the journal ends. `said` is what a cut sample has said, or a whole one whose
    /// call is still open; `judge` does again what was done with the text of a whole one.
    pub fn restore(
        fold: &Fold,
        view: View,
        built_in: Vec<(String, Shown)>,
        marks: Marks,
        said: &[Said],
        judge: impl FnOnce(&mut Writer, &mut Written),
    ) -> Self {
        let output_index = fold.items().len() as u64;
        let (open, waiting, files) = (Open::Nothing, VecDeque::new(), vec![]);
        let mut writer = Writer {
            output_index,
            open,
            view,
            built_in,
            waiting,
            files,
            marks,
            found: vec![],
            printed: vec![],
            seen: None,
            picture: None,
            approval: None,
        };
        let mut scratch = Written::default();
        for said in said {
            writer.say(said, &mut scratch);
        }
        judge(&mut writer, &mut scratch);
        writer.output_index = output_index;
        writer.adopt(fold);
        writer
    }

    /// With what earlier calls left behind.
    pub fn with_files(mut self, files: Vec<MadeFile>) -> Self {
        self.files = files;
        self
    }

    /// Puts a whole item between two samples.
    pub fn item(&mut self, item: Item, out: &mut Written) {
        self.close(ItemStatus::Completed, out);
        self.added(item.clone(), out);
        self.done(item, out);
    }

    /// A call has left files behind.
    pub fn made(&mut self, files: &[MadeFile]) {
        self.files.extend_from_slice(files);
    }

    /// The open call has found this.
    pub fn found(&mut self, passages: Vec<FoundPassage>) {
        self.found = passages;
    }

    /// The commands of the open call did so.
    pub fn printed(&mut self, outputs: Vec<ShellOutput>) {
        self.printed = outputs;
    }

    /// The open call has shown this of pages.
    pub fn saw(&mut self, seen: Option<Box<WebSeen>>) {
        self.seen = seen;
    }

    /// The journal knows the id of the open item, and whether there is one.
    fn adopt(&mut self, fold: &Fold) {
        let Some(open) = fold.open() else {
            self.open = Open::Nothing;
            return;
        };
        let part = open.part.clone().unwrap_or_default();
        let Item::Known(known) = &open.item else { return };
        match (known, &mut self.open) {
            (Known::Reasoning { id, .. }, Open::Reasoning { id: own, .. })
            | (Known::Message { id: Some(id), .. }, Open::Message { id: own, .. }) => {
                *own = id.clone();
            }
            (Known::CodeInterpreterCall { id, code, .. }, Open::Call(call)) => {
                (call.id, call.running) = (id.clone(), !code.is_empty());
                call.text = part;
            }
            (
                Known::FileSearchCall { id, status, .. } | Known::WebSearchCall { id, status, .. },
                Open::Call(call),
            ) => {
                (call.id, call.running) = (id.clone(), *status == ItemStatus::Searching);
            }
            (Known::ImageGenerationCall { id, status, .. }, Open::Call(call)) => {
                (call.id, call.running) = (id.clone(), *status == ItemStatus::Generating);
                call.sketches = open.parts;
            }
            (Known::ShellCall { id: Some(id), call_id, action, .. }, Open::Call(call)) => {
                (call.id, call.running) = (id.clone(), !action.commands.is_empty());
                call.call_id = call_id.clone();
            }
            (Known::McpCall { id, arguments, .. }, Open::Call(call)) => {
                (call.id, call.running) = (id.clone(), !arguments.is_empty());
                call.text = part;
            }
            (Known::FunctionCall { id: Some(id), call_id, arguments, .. }, Open::Call(call)) => {
                (call.id, call.running) = (id.clone(), !arguments.is_empty());
                (call.call_id, call.text) = (call_id.clone(), part);
            }
            (known, _) => self.open = reopened(known, part, open.parts),
        }
    }

    /// Takes a piece of a sample.
    pub fn say(&mut self, said: &Said, out: &mut Written) {
        let is_text = matches!(said, Said::Text { .. } | Said::Commentary(_));
        let call =
            matches!(said, Said::Call { .. } | Said::Arguments { .. } | Said::CallEnd { .. });
        let waits = !call
            && (!self.waiting.is_empty()
                || matches!(self.open, Open::Call(_))
                || (is_text && self.view.judge_text));
        if waits {
            let mut waiting = Vec::from(std::mem::take(&mut self.waiting));
            Said::join(&mut waiting, said.clone());
            self.waiting = waiting.into();
            return;
        }
        self.write(said, out);
    }

    fn write(&mut self, said: &Said, out: &mut Written) {
        match said {
            Said::Reasoning(text) => self.reasoning(text, out),
            Said::Text { text, logprobs } => self.text(None, text, logprobs, out),
            Said::Commentary(text) => self.text(Some(Phase::Commentary), text, &[], out),
            Said::Call { index, name } => self.sampled_call(*index, name, out),
            Said::Arguments { index: 0, text } => self.sampled_arguments(text, out),
            Said::Arguments { .. } | Said::CallEnd { .. } => {}
        }
    }

    fn reasoning(&mut self, delta: &str, out: &mut Written) {
        if !matches!(self.open, Open::Reasoning { .. }) {
            if delta.trim().is_empty() {
                return;
            }
            self.close(ItemStatus::Completed, out);
            let id = ItemId::reasoning();
            let item = reasoning_item(&id, vec![], None, None, ItemStatus::InProgress);
            self.added(item, out);
            let summary = self.view.summary.filter(|_| !self.view.raw_reasoning);
            let (text, digest) = (String::new(), summary.map(Digest::new));
            self.open = Open::Reasoning { id, text, summary: vec![], digest };
        }
        let Open::Reasoning { id, text, summary, digest } = &mut self.open else { return };
        if delta.is_empty() {
            return;
        }
        text.push_str(delta);
        if self.view.raw_reasoning {
            out.events.push(EventKind::ReasoningTextDelta {
                item_id: id.clone(),
                output_index: self.output_index,
                content_index: 0,
                delta: delta.to_owned(),
            });
        }
        for part in digest.iter_mut().flat_map(|digest| digest.push(delta)) {
            summary_part(id, self.output_index, summary, part, out);
        }
    }

    fn text(&mut self, phase: Option<Phase>, delta: &str, new: &[Value], out: &mut Written) {
        let mut delta = delta;
        if !matches!(&self.open, Open::Message { phase: open, .. } if *open == phase) {
            delta = delta.trim_start();
            if delta.is_empty() {
                return;
            }
            self.close(ItemStatus::Completed, out);
            let id = ItemId::message();
            self.added(message_item(&id, phase, None, ItemStatus::InProgress), out);
            out.events.push(EventKind::ContentPartAdded {
                item_id: id.clone(),
                output_index: self.output_index,
                content_index: 0,
                part: Content::output_text(""),
            });
            let (text, logprobs, citations) = (String::new(), vec![], vec![]);
            self.open = Open::Message { id, phase, text, logprobs, citations };
        }
        let Open::Message { id, text, logprobs, citations, .. } = &mut self.open else { return };
        let read = self.marks.read(delta, text.chars().count() as u64);
        if !read.text.is_empty() {
            text.push_str(&read.text);
            logprobs.extend_from_slice(new);
            out.events.push(EventKind::OutputTextDelta {
                item_id: id.clone(),
                output_index: self.output_index,
                content_index: 0,
                delta: read.text,
                logprobs: new.to_vec(),
            });
        }
        for annotation in read.citations {
            annotated(id, self.output_index, citations, annotation, out);
        }
    }

    /// What was held back of a text, in case a mark began there, is no mark.
    fn release_text(&mut self, out: &mut Written) {
        let rest = self.marks.rest();
        let Open::Message { id, text, .. } = &mut self.open else { return };
        if !rest.is_empty() {
            text.push_str(&rest);
            out.events.push(EventKind::OutputTextDelta {
                item_id: id.clone(),
                output_index: self.output_index,
                content_index: 0,
                delta: rest,
                logprobs: vec![],
            });
        }
    }

    /// The first call of a sample opens while it is sampled, if it runs here and nothing waits.
    fn sampled_call(&mut self, index: usize, name: &str, out: &mut Written) {
        let shown = self.built_in.iter().find(|(own, _)| own == name).map(|(_, s)| s.clone());
        // A patch is open only once all of it is known.
        let opens = |shown: &Shown| {
            index == 0 && self.waiting.is_empty() && !matches!(shown, Shown::Patch { .. })
        };
        if let Some(shown) = shown.filter(opens) {
            self.open_call(name, shown, "", out);
        }
    }

    fn sampled_arguments(&mut self, json: &str, out: &mut Written) {
        let Open::Call(call) = &mut self.open else { return };
        let read = call.code.as_mut().map(|code| code.push(json));
        let delta = match read {
            // The drawing is read for itself; the call is kept as it is.
            Some(_) if call.shown == Shown::ImageGeneration => json.to_owned(),
            Some(code) => code,
            None => json.to_owned(),
        };
        call.delta(self.output_index, delta, out);
    }

    /// `arguments` are those that are known already.
    fn open_call(&mut self, name: &str, shown: Shown, arguments: &str, out: &mut Written) {
        self.close(ItemStatus::Completed, out);
        let call = Call { approval: self.approval.take(), ..Call::new(name, shown) };
        let begun = if matches!(call.shown, Shown::Patch { .. }) { arguments } else { "" };
        self.added(call.item(begun, ItemStatus::InProgress, None), out);
        let (item_id, output_index) = (call.id.clone(), self.output_index);
        match call.shown {
            Shown::CodeInterpreter { .. } => {
                out.events.push(EventKind::CodeInterpreterCallInProgress { item_id, output_index });
            }
            Shown::FileSearch => {
                out.events.push(EventKind::FileSearchCallInProgress { item_id, output_index });
            }
            Shown::Web(_) => {
                out.events.push(EventKind::WebSearchCallInProgress { item_id, output_index });
            }
            Shown::ImageGeneration => {
                out.events.push(EventKind::ImageGenerationCallInProgress { item_id, output_index });
            }
            Shown::McpCall { .. } => {
                out.events.push(EventKind::McpCallInProgress { item_id, output_index });
            }
            Shown::Shell { .. } | Shown::Patch { .. } | Shown::FunctionCall => {}
        }
        self.open = Open::Call(Box::new(call));
    }

    /// A call is about to run: its item is opened unless it is, and shows the whole of `arguments`.
    /// Nothing is added when the call was said to run before (a killed run).
    pub fn call_runs(&mut self, name: &str, shown: Shown, arguments: &str, out: &mut Written) {
        if !matches!(self.open, Open::Call(_)) {
            self.open_call(name, shown, arguments, out);
        }
        let Open::Call(call) = &mut self.open else { return };
        if call.running {
            if !matches!(
                call.shown,
                Shown::CodeInterpreter { .. } | Shown::McpCall { .. } | Shown::FunctionCall
            ) {
                // No delta has said it.
                call.text = arguments.to_owned();
            }
            return;
        }
        let whole = call.whole(arguments);
        if let Some(rest) = whole.strip_prefix(&call.text) {
            call.delta(self.output_index, rest.to_owned(), out);
        }
        call.done(self.output_index, out);
        call.running = true;
        let (item_id, output_index) = (call.id.clone(), self.output_index);
        match call.shown {
            Shown::CodeInterpreter { .. } => out
                .events
                .push(EventKind::CodeInterpreterCallInterpreting { item_id, output_index }),
            Shown::FileSearch => {
                out.events.push(EventKind::FileSearchCallSearching { item_id, output_index });
            }
            Shown::Web(_) => {
                out.events.push(EventKind::WebSearchCallSearching { item_id, output_index });
            }
            Shown::ImageGeneration => {
                out.events.push(EventKind::ImageGenerationCallGenerating { item_id, output_index });
            }
            Shown::Shell { .. }
            | Shown::Patch { .. }
            | Shown::McpCall { .. }
            | Shown::FunctionCall => {}
        }
    }

    /// The call that comes next was agreed to under this id.
    pub fn approved(&mut self, approval_request_id: &str) {
        self.approval = Some(approval_request_id.to_owned());
    }

    /// The open call was said to run: by a process that was killed, where nothing ran it since.
    pub fn has_begun(&self) -> bool {
        matches!(&self.open, Open::Call(call) if call.running)
    }

    /// A call that somebody has to agree to first.
    pub fn ask_approval(&mut self, shown: &Shown, arguments: &str, out: &mut Written) {
        let Shown::McpCall { server_label, name } = shown else { return };
        self.close(ItemStatus::Completed, out);
        let item: Item = Known::McpApprovalRequest {
            id: ItemId::mcp_approval_request(),
            server_label: server_label.clone(),
            name: name.clone(),
            arguments: arguments.to_owned(),
        }
        .into();
        self.added(item.clone(), out);
        self.done(item, out);
    }

    /// What was shown of the call while it was sampled is not how its arguments begin: `{"code": a,
    /// "code": b}` must not run one thing and show another.
    pub fn shows_otherwise(&self, arguments: &str) -> bool {
        matches!(&self.open, Open::Call(call)
            if !call.running && !call.whole(arguments).starts_with(&call.text))
    }

    /// The call has run, or was refused after it was opened. What waited behind it comes.
    pub fn call_done(&mut self, result: CallResult, out: &mut Written) {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Call(mut call) => {
                if !call.running {
                    call.done(self.output_index, out);
                }
                let passages = std::mem::take(&mut self.found);
                if call.shown == Shown::FileSearch {
                    self.marks.learn(&passages);
                    call.results = self.view.search_results.then(|| passages.clone());
                    out.records.push(Record::Found { item_id: call.id.clone(), passages });
                }
                let seen = self.seen.take();
                if matches!(call.shown, Shown::Web(_)) {
                    let mut lines = vec![];
                    if let Some(seen) = seen {
                        let is_search = matches!(seen.action, WebAction::Search { .. });
                        call.web_results =
                            (self.view.web_results && is_search).then_some(seen.found);
                        (call.action, lines) = (Some(seen.action), seen.lines);
                    }
                    self.marks.learn_lines(&lines);
                    let seen = Box::new(SeenWeb { text: result.text.clone(), lines });
                    out.records.push(Record::Seen { item_id: call.id.clone(), seen });
                }
                call.picture = self.picture.take();
                if call.shown == Shown::ImageGeneration {
                    out.records.push(call.drawn(&result.text));
                }
                self.end_call(&call, result, out);
            }
            other => self.open = other,
        }
        self.release(out);
        self.end_turn(out);
    }

    fn end_call(&mut self, call: &Call, result: CallResult, out: &mut Written) {
        let (item_id, output_index) = (call.id.clone(), self.output_index);
        let status = if result.failed { ItemStatus::Failed } else { ItemStatus::Completed };
        match (&call.shown, result.failed) {
            (Shown::CodeInterpreter { .. }, false) => {
                out.events.push(EventKind::CodeInterpreterCallCompleted { item_id, output_index });
            }
            (Shown::FileSearch, false) => {
                out.events.push(EventKind::FileSearchCallCompleted { item_id, output_index });
            }
            (Shown::Web(_), false) => {
                out.events.push(EventKind::WebSearchCallCompleted { item_id, output_index });
            }
            (Shown::ImageGeneration, false) => {
                out.events.push(EventKind::ImageGenerationCallCompleted { item_id, output_index });
            }
            (Shown::McpCall { .. }, false) => {
                out.events.push(EventKind::McpCallCompleted { item_id, output_index });
            }
            (Shown::McpCall { .. }, true) => {
                out.events.push(EventKind::McpCallFailed { item_id, output_index });
            }
            (
                Shown::CodeInterpreter { .. }
                | Shown::FileSearch
                | Shown::Web(_)
                | Shown::ImageGeneration,
                true,
            )
            | (Shown::Shell { .. } | Shown::Patch { .. } | Shown::FunctionCall, _) => {}
        }
        let item = call.item(&call.text, status, Some(&result));
        self.done(item, out);
        if matches!(call.shown, Shown::Shell { .. }) {
            let mut outputs = std::mem::take(&mut self.printed);
            if outputs.is_empty() {
                outputs.push(ShellOutput::refused(result.text));
            }
            out.events.extend(machine::shell_output(self.output_index, &call.call_id, outputs));
            self.output_index += 1;
        } else if matches!(call.shown, Shown::Patch { .. }) {
            let (text, failed) = (result.text, result.failed);
            let output = machine::patch_output(self.output_index, &call.call_id, text, failed);
            out.events.extend(output);
            self.output_index += 1;
        } else if call.shown == Shown::FunctionCall {
            let output = |text: String| {
                let (id, call_id) = (Some(ItemId::function_call_output()), call.call_id.clone());
                let (output, status) = (Text::Plain(text), Some(ItemStatus::Completed));
                Known::FunctionCallOutput { id, call_id, output, status }
            };
            let item: Item = output(result.text).into();
            self.added(item.clone(), out);
            self.done(item, out);
        }
    }

    /// A call that the client runs.
    pub fn client_call(&mut self, tool: &ClientTool, arguments: &str, out: &mut Written) {
        let text = tool.text(arguments);
        let id = match tool.kind {
            ClientKind::Function { .. } => ItemId::function_call(),
            ClientKind::Custom => ItemId::custom_tool_call(),
            ClientKind::Shell => ItemId::shell_call(),
            ClientKind::ApplyPatch => ItemId::apply_patch_call(),
        };
        let ids = (id.clone(), CallId::mint());
        self.close(ItemStatus::Completed, out);
        let begun = match tool.kind {
            // It has no shape without its operation.
            ClientKind::ApplyPatch => text.as_str(),
            ClientKind::Function { .. } | ClientKind::Custom | ClientKind::Shell => "",
        };
        self.added(tool.item(&ids, begun, ItemStatus::InProgress), out);
        let (output_index, delta) = (self.output_index, text.clone());
        match tool.kind {
            ClientKind::Shell => out.events.extend(machine::commands(output_index, &text)),
            ClientKind::ApplyPatch => {
                out.events.extend(machine::patch_diff(&id, output_index, &text));
            }
            ClientKind::Function { .. } => out.events.extend([
                EventKind::FunctionCallArgumentsDelta { item_id: id.clone(), output_index, delta },
                EventKind::FunctionCallArgumentsDone {
                    item_id: id,
                    output_index,
                    name: tool.name.clone(),
                    arguments: text.clone(),
                },
            ]),
            ClientKind::Custom => out.events.extend([
                EventKind::CustomToolCallInputDelta { item_id: id.clone(), output_index, delta },
                EventKind::CustomToolCallInputDone {
                    item_id: id,
                    output_index,
                    input: text.clone(),
                },
            ]),
        }
        self.done(tool.item(&ids, &text, ItemStatus::Completed), out);
    }

    /// What waited comes, unless a call is still to run before it.
    pub fn release(&mut self, out: &mut Written) {
        if matches!(self.open, Open::Call(_)) {
            return;
        }
        for said in std::mem::take(&mut self.waiting) {
            self.write(&said, out);
        }
    }

    /// The text that waited to be judged goes, and `text` comes in its place; a text that is equal
    /// to what waited keeps its logprobs, and what did not have to wait stays as it was shown.
    pub fn replace_text(&mut self, text: Option<&str>, out: &mut Written) {
        if !self.view.judge_text {
            return self.release(out);
        }
        let waited: String = (self.waiting.iter())
            .filter_map(|said| match said {
                Said::Text { text, .. } => Some(text.as_str()),
                _ => None,
            })
            .collect();
        if text.is_some_and(|text| text == waited) {
            return self.release(out);
        }
        self.waiting.retain(|said| matches!(said, Said::Reasoning(_)));
        self.release(out);
        if let Some(text) = text {
            self.text(None, text, &[], out);
        }
    }

    /// The model has ended its turn: what is open is complete, but for a call.
    pub fn end_turn(&mut self, out: &mut Written) {
        if !matches!(self.open, Open::Call(_)) {
            self.close(ItemStatus::Completed, out);
        }
    }

    /// Ends what is open.
    pub fn close(&mut self, status: ItemStatus, out: &mut Written) {
        self.release_text(out);
        let output_index = self.output_index;
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => {}
            Open::Reasoning { id, text, mut summary, digest } => {
                if self.view.raw_reasoning {
                    out.events.push(EventKind::ReasoningTextDone {
                        item_id: id.clone(),
                        output_index,
                        content_index: 0,
                        text: text.clone(),
                    });
                } else {
                    let (item_id, text) = (id.clone(), text.clone());
                    out.records.push(Record::Reasoned { item_id, text });
                }
                if let Some(part) = digest.and_then(Digest::finish) {
                    summary_part(&id, output_index, &mut summary, part, out);
                }
                let sealed = self.view.seal.as_ref().map(|seal| seal(&text));
                let raw = self.view.raw_reasoning.then_some(text);
                self.done(reasoning_item(&id, summary, raw, sealed, status), out);
            }
            Open::Message { id, phase, text, logprobs, citations: mut annotations } => {
                for annotation in cited(&text, &self.files) {
                    annotated(&id, output_index, &mut annotations, annotation, out);
                }
                let part = Content::OutputText {
                    text: text.clone(),
                    annotations,
                    logprobs: logprobs.clone(),
                };
                out.events.extend([
                    EventKind::OutputTextDone {
                        item_id: id.clone(),
                        output_index,
                        content_index: 0,
                        text,
                        logprobs,
                    },
                    EventKind::ContentPartDone {
                        item_id: id.clone(),
                        output_index,
                        content_index: 0,
                        part: part.clone(),
                    },
                ]);
                self.done(message_item(&id, phase, Some(part), status), out);
            }
            Open::Call(mut call) => {
                if !call.running {
                    call.done(output_index, out);
                }
                let text = "the call was interrupted".to_owned();
                let outputs = vec![CodeOutput::Logs { logs: text.clone() }];
                let result = CallResult { text, outputs, failed: true };
                self.waiting.clear();
                self.done(call.item(&call.text, ItemStatus::Incomplete, Some(&result)), out);
            }
        }
    }

    /// The sample will be made anew: what it said so far ends here. `false` when that cannot be,
    /// because a part of its answer was read already.
    pub fn start_over(&mut self, out: &mut Written) -> bool {
        self.waiting.clear();
        match &self.open {
            Open::Message { .. } => return false,
            Open::Call(_) => {
                let text = "the call was not finished".to_owned();
                let outputs = vec![CodeOutput::Logs { logs: text.clone() }];
                self.call_done(CallResult { text, outputs, failed: true }, out);
            }
            Open::Nothing | Open::Reasoning { .. } => self.close(ItemStatus::Completed, out),
        }
        true
    }

    /// Before a sample: the calls that may be opened while they are sampled, and what is shown.
    pub fn prepare(&mut self, built_in: Vec<(String, Shown)>, view: View) {
        (self.built_in, self.view) = (built_in, view);
    }

    fn added(&self, item: Item, out: &mut Written) {
        out.events.push(EventKind::OutputItemAdded { output_index: self.output_index, item });
    }

    fn done(&mut self, item: Item, out: &mut Written) {
        out.events.push(EventKind::OutputItemDone { output_index: self.output_index, item });
        self.output_index += 1;
    }
}

impl Call {
    fn new(name: &str, shown: Shown) -> Self {
        let (id, code) = match &shown {
            Shown::CodeInterpreter { code_argument, .. } => {
                (ItemId::code_interpreter(), Some(StringArgument::new(code_argument)))
            }
            Shown::FileSearch => (ItemId::file_search(), None),
            Shown::Web(_) => (ItemId::web_search(), None),
            Shown::Shell { .. } => (ItemId::shell_call(), None),
            Shown::ImageGeneration => {
                (ItemId::image_generation(), Some(StringArgument::new("svg")))
            }
            Shown::Patch { .. } => (ItemId::apply_patch_call(), None),
            Shown::McpCall { .. } => (ItemId::mcp_call(), None),
            Shown::FunctionCall => (ItemId::function_call(), None),
        };
        let (call_id, name, text) = (CallId::mint(), name.to_owned(), String::new());
        let (results, action, web_results) = (None, None, None);
        let (approval, running) = (None, false);
        Call {
            id,
            call_id,
            name,
            shown,
            text,
            code,
            results,
            action,
            web_results,
            picture: None,
            sketches: 0,
            approval,
            running,
        }
    }

    /// What the item shows of these arguments.
    fn whole(&self, arguments: &str) -> String {
        match &self.shown {
            Shown::CodeInterpreter { code_argument, .. } => {
                serde_json::from_str::<Value>(arguments)
                    .ok()
                    .and_then(|v| v.get(code_argument)?.as_str().map(str::to_owned))
                    .unwrap_or_else(|| arguments.to_owned())
            }
            Shown::FileSearch
            | Shown::Web(_)
            | Shown::Shell { .. }
            | Shown::ImageGeneration
            | Shown::Patch { .. }
            | Shown::McpCall { .. }
            | Shown::FunctionCall => arguments.to_owned(),
        }
    }

    fn delta(&mut self, output_index: u64, delta: String, out: &mut Written) {
        if delta.is_empty() {
            return;
        }
        self.text.push_str(&delta);
        let item_id = self.id.clone();
        out.events.push(match self.shown {
            Shown::CodeInterpreter { .. } => {
                EventKind::CodeInterpreterCallCodeDelta { item_id, output_index, delta }
            }
            // Its item says what is looked for, once it runs.
            Shown::FileSearch
            | Shown::Web(_)
            | Shown::Shell { .. }
            | Shown::Patch { .. }
            | Shown::ImageGeneration => {
                return;
            }
            Shown::McpCall { .. } => {
                EventKind::McpCallArgumentsDelta { item_id, output_index, delta }
            }
            Shown::FunctionCall => {
                EventKind::FunctionCallArgumentsDelta { item_id, output_index, delta }
            }
        });
    }

    /// The text is whole.
    fn done(&mut self, output_index: u64, out: &mut Written) {
        let (item_id, text) = (self.id.clone(), self.text.clone());
        out.events.push(match self.shown {
            Shown::CodeInterpreter { .. } => {
                EventKind::CodeInterpreterCallCodeDone { item_id, output_index, code: text }
            }
            Shown::FileSearch | Shown::Web(_) | Shown::ImageGeneration => return,
            Shown::Shell { .. } => {
                out.events.extend(machine::commands(output_index, &text));
                return;
            }
            Shown::Patch { .. } => {
                out.events.extend(machine::patch_diff(&item_id, output_index, &text));
                return;
            }
            Shown::McpCall { .. } => {
                EventKind::McpCallArgumentsDone { item_id, output_index, arguments: text }
            }
            Shown::FunctionCall => EventKind::FunctionCallArgumentsDone {
                item_id,
                output_index,
                name: self.name.clone(),
                arguments: text,
            },
        });
    }

    fn item(&self, text: &str, status: ItemStatus, result: Option<&CallResult>) -> Item {
        let (id, text) = (self.id.clone(), text.to_owned());
        match &self.shown {
            Shown::CodeInterpreter { container_id, .. } => Known::CodeInterpreterCall {
                id,
                status,
                code: text,
                container_id: container_id.clone(),
                outputs: result.map(|r| r.outputs.clone()),
            },
            Shown::FileSearch => Known::FileSearchCall {
                id,
                status,
                queries: file_search::queries(&text).unwrap_or_default(),
                results: self.results.clone(),
            },
            Shown::Web(call) => Known::WebSearchCall {
                id,
                status,
                action: self.action.clone().unwrap_or_else(|| call.action(&text)),
                results: self.web_results.clone(),
                seen: None,
            },
            Shown::ImageGeneration => self.image(status),
            Shown::Shell { container_id } => {
                let container_id = container_id.clone();
                let environment = ShellEnvironment::ContainerReference { container_id };
                let ids = (id, self.call_id.clone());
                return machine::shell_call(&ids, &text, environment, status);
            }
            Shown::Patch { container_id } => {
                let container_id = container_id.clone();
                let environment = Some(ShellEnvironment::ContainerReference { container_id });
                let ids = (id, self.call_id.clone());
                return machine::patch_call(&ids, &text, environment, status);
            }
            Shown::McpCall { server_label, name } => {
                let said = |failed| result.filter(|r| r.failed == failed).map(|r| r.text.clone());
                Known::McpCall {
                    id,
                    server_label: server_label.clone(),
                    name: name.clone(),
                    arguments: text,
                    approval_request_id: self.approval.clone(),
                    output: said(false),
                    error: said(true).map(Value::String),
                    status: Some(status),
                }
            }
            Shown::FunctionCall => Known::FunctionCall {
                id: Some(id),
                call_id: self.call_id.clone(),
                name: self.name.clone(),
                namespace: None,
                arguments: text,
                status: Some(match status {
                    ItemStatus::Failed => ItemStatus::Completed,
                    other => other,
                }),
            },
        }
        .into()
    }
}

/// An open item that only the journal knows of.
fn reopened(known: &Known, part: String, parts: u64) -> Open {
    match known {
        Known::Reasoning { id, summary, .. } => {
            Open::Reasoning { id: id.clone(), text: part, summary: summary.clone(), digest: None }
        }
        Known::Message { id: Some(id), phase, .. } => {
            let (text, logprobs, citations) = (part, vec![], vec![]);
            Open::Message { id: id.clone(), phase: *phase, text, logprobs, citations }
        }
        Known::CodeInterpreterCall { id, container_id, code, .. } => {
            let container_id = container_id.clone();
            let shown = Shown::CodeInterpreter { container_id, code_argument: "code" };
            reopened_call(id, "python", shown, part, !code.is_empty())
        }
        Known::FileSearchCall { id, status, .. } => {
            let running = *status == ItemStatus::Searching;
            reopened_call(id, "file_search", Shown::FileSearch, part, running)
        }
        Known::WebSearchCall { id, status, action, .. } => {
            let (call, running) = (WebCall::of(action), *status == ItemStatus::Searching);
            reopened_call(id, call.name(), Shown::Web(call), part, running)
        }
        Known::ImageGenerationCall { id, status, .. } => {
            let (shown, running) = (Shown::ImageGeneration, *status == ItemStatus::Generating);
            match reopened_call(id, IMAGE_GENERATION, shown, part, running) {
                Open::Call(call) => Open::Call(Box::new(Call { sketches: parts, ..*call })),
                other => other,
            }
        }
        Known::ShellCall { id: Some(id), call_id, action, environment, .. } => {
            let container_id = match environment {
                Some(ShellEnvironment::ContainerReference { container_id }) => container_id.clone(),
                Some(ShellEnvironment::Local) | None => return Open::Nothing,
            };
            let (shown, running) = (Shown::Shell { container_id }, !action.commands.is_empty());
            let text = if running { shell::arguments(action) } else { String::new() };
            match reopened_call(id, shell::NAME, shown, text, running) {
                Open::Call(call) => {
                    Open::Call(Box::new(Call { call_id: call_id.clone(), ..*call }))
                }
                other => other,
            }
        }
        Known::ApplyPatchCall {
            id: Some(id),
            call_id,
            operation,
            environment: Some(ShellEnvironment::ContainerReference { container_id }),
            ..
        } => {
            let shown = Shown::Patch { container_id: container_id.clone() };
            let call = Call::new(patch::NAME, shown);
            let (id, call_id) = (id.clone(), call_id.clone());
            let (text, running) = (patch::arguments(operation), true);
            Open::Call(Box::new(Call { id, call_id, text, running, ..call }))
        }
        Known::McpCall { id, server_label, name, arguments, approval_request_id, .. } => {
            let shown = Shown::McpCall { server_label: server_label.clone(), name: name.clone() };
            match reopened_call(id, name, shown, part, !arguments.is_empty()) {
                Open::Call(call) => {
                    Open::Call(Box::new(Call { approval: approval_request_id.clone(), ..*call }))
                }
                other => other,
            }
        }
        Known::FunctionCall { id: Some(id), name, arguments, .. } => {
            reopened_call(id, name, Shown::FunctionCall, part, !arguments.is_empty())
        }
        _ => Open::Nothing,
    }
}

fn reopened_call(id: &ItemId, name: &str, shown: Shown, text: String, running: bool) -> Open {
    let call = Call::new(name, shown);
    Open::Call(Box::new(Call { id: id.clone(), text, running, ..call }))
}

fn annotated(
    id: &ItemId,
    output_index: u64,
    annotations: &mut Vec<Annotation>,
    annotation: Annotation,
    out: &mut Written,
) {
    out.events.push(EventKind::OutputTextAnnotationAdded {
        item_id: id.clone(),
        output_index,
        content_index: 0,
        annotation_index: annotations.len() as u64,
        annotation: annotation.clone(),
    });
    annotations.push(annotation);
}

fn summary_part(
    id: &ItemId,
    output_index: u64,
    summary: &mut Vec<Content>,
    text: String,
    out: &mut Written,
) {
    let (item_id, summary_index) = (|| id.clone(), summary.len() as u64);
    let part = |text: &str| Content::SummaryText { text: text.to_owned() };
    out.events.extend([
        EventKind::ReasoningSummaryPartAdded {
            item_id: item_id(),
            output_index,
            summary_index,
            part: part(""),
        },
        EventKind::ReasoningSummaryTextDelta {
            item_id: item_id(),
            output_index,
            summary_index,
            delta: text.clone(),
        },
        EventKind::ReasoningSummaryTextDone {
            item_id: item_id(),
            output_index,
            summary_index,
            text: text.clone(),
        },
        EventKind::ReasoningSummaryPartDone {
            item_id: item_id(),
            output_index,
            summary_index,
            part: part(&text),
        },
    ]);
    summary.push(part(&text));
}

fn reasoning_item(
    id: &ItemId,
    summary: Vec<Content>,
    raw: Option<String>,
    encrypted_content: Option<String>,
    status: ItemStatus,
) -> Item {
    let content = raw.map(|text| Content::ReasoningText { text }).into_iter().collect();
    let (id, status) = (id.clone(), Some(status));
    Known::Reasoning { id, summary, content, encrypted_content, status }.into()
}

/// Where a text first speaks of each file, in characters, with the path before its name.
fn cited(text: &str, files: &[MadeFile]) -> Vec<Annotation> {
    let mut citations: Vec<Annotation> = vec![];
    for (at, file) in files.iter().enumerate() {
        if files[..at].contains(file) {
            continue;
        }
        let Some((from, to)) = mention(text, &file.name) else { continue };
        let chars = |end: usize| text[..end].chars().count() as u64;
        citations.push(Annotation::ContainerFileCitation {
            container_id: file.container_id.clone(),
            file_id: ToolFile::id(&file.container_id, &file.name),
            filename: file.name.clone(),
            start_index: chars(from),
            end_index: chars(to),
        });
    }
    citations
}

fn mention(text: &str, name: &str) -> Option<(usize, usize)> {
    let of_a_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    text.match_indices(name).find_map(|(from, _)| {
        let (before, after) = (&text[..from], &text[from + name.len()..]);
        let stands_alone =
            !before.ends_with(|c| of_a_name(c) || c == '.') && !after.starts_with(of_a_name);
        let path = ["sandbox:/mnt/data/", "/mnt/data/"].into_iter().find(|p| before.ends_with(p));
        stands_alone.then(|| (from - path.map_or(0, str::len), from + name.len()))
    })
}

fn message_item(
    id: &ItemId,
    phase: Option<Phase>,
    part: Option<Content>,
    status: ItemStatus,
) -> Item {
    Known::Message {
        id: Some(id.clone()),
        status: Some(status),
        role: Role::Assistant,
        content: Text::Parts(part.into_iter().collect()),
        phase,
    }
    .into()
}
