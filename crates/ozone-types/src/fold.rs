//! A reader of a stream: rebuilds the response from its events and refuses a stream that breaks
//! the rules (S2 to S10 of the design). The journal uses it to see where a killed run stood, the
//! tests to see that every stream is sound.

use crate::item::Known;
use crate::{Content, Event, EventKind, Item, ItemId, ItemStatus, Response, Text};

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FoldError {
    #[error("S2: sequence number {found} where {expected} was due")]
    Sequence { expected: u64, found: u64 },
    #[error("the first event is `{0}`, not `response.created`")]
    First(&'static str),
    #[error("an event after the last one: `{0}`")]
    AfterEnd(&'static str),
    #[error("S3: output index {found} where {expected} was due")]
    OutputIndex { expected: u64, found: u64 },
    #[error("S4: part {found} of item {item} where {expected} was due")]
    PartIndex { item: u64, expected: u64, found: u64 },
    #[error("S5: `{0}` outside of an open item or part")]
    NotOpen(&'static str),
    #[error("S6: the id of item {0} changed")]
    IdChanged(u64),
    #[error("S7: `{0}` does not equal its deltas")]
    Deltas(&'static str),
    #[error("S8: the final output differs from the items of the stream")]
    FinalOutput,
    #[error("S9: usage before the last event")]
    EarlyUsage,
    #[error("S10: an item after the incomplete item {0}")]
    IncompleteNotLast(u64),
}

/// The item that is being written.
#[derive(Debug, Clone, PartialEq)]
pub struct Open {
    pub item: Item,
    /// The text of the part that is open, as its deltas gave it.
    pub part: Option<String>,
    /// Parts that are finished; of a picture, its beginnings that were shown.
    pub parts: u64,
}

/// What the events so far amount to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fold {
    created: Option<Response>,
    done: Vec<Item>,
    open: Option<Open>,
    next: u64,
    started: bool,
    last: Option<Response>,
}

impl Fold {
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Result<Fold, FoldError> {
        let mut fold = Fold::default();
        for event in events {
            fold.push(event)?;
        }
        Ok(fold)
    }

    pub fn next_sequence_number(&self) -> u64 {
        self.next
    }

    /// The items that are finished, in the order of the output.
    pub fn items(&self) -> &[Item] {
        &self.done
    }

    pub fn open(&self) -> Option<&Open> {
        self.open.as_ref()
    }

    /// The response as its first event had it.
    pub fn created(&self) -> Option<&Response> {
        self.created.as_ref()
    }

    /// `true` once the response is more than queued.
    pub fn started(&self) -> bool {
        self.started
    }

    /// The finished response, once the last event came.
    pub fn finished(&self) -> Option<&Response> {
        self.last.as_ref()
    }

    pub fn push(&mut self, event: &Event) -> Result<(), FoldError> {
        let name = event.kind.name();
        if event.sequence_number != self.next {
            return Err(FoldError::Sequence { expected: self.next, found: event.sequence_number });
        }
        if self.last.is_some() {
            return Err(FoldError::AfterEnd(name));
        }
        if self.created.is_none() && !matches!(event.kind, EventKind::Created { .. }) {
            return Err(FoldError::First(name));
        }
        self.next += 1;
        match &event.kind {
            EventKind::Created { response } => {
                if response.usage.is_some() {
                    return Err(FoldError::EarlyUsage);
                }
                self.created = Some((**response).clone());
            }
            EventKind::Queued { response } | EventKind::InProgress { response } => {
                if response.usage.is_some() {
                    return Err(FoldError::EarlyUsage);
                }
                self.started |= matches!(event.kind, EventKind::InProgress { .. });
            }
            EventKind::OutputItemAdded { output_index, item } => {
                if self.open.is_some() {
                    return Err(FoldError::NotOpen(name));
                }
                self.at(*output_index)?;
                if self.done.last().and_then(Item::status) == Some(ItemStatus::Incomplete) {
                    return Err(FoldError::IncompleteNotLast(*output_index - 1));
                }
                self.open = Some(Open { item: item.clone(), part: None, parts: 0 });
            }
            EventKind::OutputItemDone { output_index, item } => {
                self.at(*output_index)?;
                let open = self.open.take().ok_or(FoldError::NotOpen(name))?;
                if open.item.id() != item.id() {
                    return Err(FoldError::IdChanged(*output_index));
                }
                if !same_text(&open.item, item) {
                    return Err(FoldError::Deltas(name));
                }
                self.done.push(item.clone());
            }
            EventKind::ContentPartAdded { item_id, output_index, content_index: index, .. }
            | EventKind::ReasoningSummaryPartAdded {
                item_id,
                output_index,
                summary_index: index,
                ..
            } => {
                let open = self.part(*output_index, item_id, name)?;
                if open.part.is_some() {
                    return Err(FoldError::NotOpen(name));
                }
                open.at(*output_index, *index)?;
                open.part = Some(String::new());
            }
            EventKind::OutputTextDelta {
                item_id,
                output_index,
                content_index: index,
                delta,
                ..
            }
            | EventKind::RefusalDelta {
                item_id, output_index, content_index: index, delta, ..
            }
            | EventKind::ReasoningSummaryTextDelta {
                item_id,
                output_index,
                summary_index: index,
                delta,
                ..
            } => {
                let open = self.part(*output_index, item_id, name)?;
                open.at(*output_index, *index)?;
                open.part.as_mut().ok_or(FoldError::NotOpen(name))?.push_str(delta);
            }
            EventKind::ReasoningTextDelta { item_id, output_index, delta, .. }
            | EventKind::FunctionCallArgumentsDelta { item_id, output_index, delta, .. }
            | EventKind::CustomToolCallInputDelta { item_id, output_index, delta, .. }
            | EventKind::McpCallArgumentsDelta { item_id, output_index, delta, .. }
            | EventKind::ApplyPatchCallOperationDiffDelta { item_id, output_index, delta }
            | EventKind::CodeInterpreterCallCodeDelta { item_id, output_index, delta, .. } => {
                let open = self.part(*output_index, item_id, name)?;
                open.part.get_or_insert_default().push_str(delta);
            }
            EventKind::OutputTextDone { item_id, output_index, text, .. }
            | EventKind::RefusalDone { item_id, output_index, refusal: text, .. }
            | EventKind::ReasoningSummaryTextDone { item_id, output_index, text, .. }
            | EventKind::ReasoningTextDone { item_id, output_index, text, .. }
            | EventKind::FunctionCallArgumentsDone {
                item_id, output_index, arguments: text, ..
            }
            | EventKind::CustomToolCallInputDone { item_id, output_index, input: text }
            | EventKind::McpCallArgumentsDone { item_id, output_index, arguments: text }
            | EventKind::ApplyPatchCallOperationDiffDone { item_id, output_index, diff: text }
            | EventKind::CodeInterpreterCallCodeDone {
                item_id, output_index, code: text, ..
            } => {
                let open = self.part(*output_index, item_id, name)?;
                if open.part.get_or_insert_default() != text {
                    return Err(FoldError::Deltas(name));
                }
                let summary = matches!(event.kind, EventKind::ReasoningSummaryTextDone { .. });
                settle(&mut open.item, text, summary);
            }
            EventKind::ContentPartDone {
                item_id,
                output_index,
                content_index: index,
                part,
                ..
            }
            | EventKind::ReasoningSummaryPartDone {
                item_id,
                output_index,
                summary_index: index,
                part,
                ..
            } => {
                let open = self.part(*output_index, item_id, name)?;
                open.at(*output_index, *index)?;
                let text = open.part.take().ok_or(FoldError::NotOpen(name))?;
                if part.text() != Some(&text) {
                    return Err(FoldError::Deltas(name));
                }
                open.parts += 1;
            }
            EventKind::OutputTextAnnotationAdded { item_id, output_index, .. }
            | EventKind::CodeInterpreterCallInProgress { item_id, output_index, .. }
            | EventKind::CodeInterpreterCallInterpreting { item_id, output_index, .. }
            | EventKind::CodeInterpreterCallCompleted { item_id, output_index, .. }
            | EventKind::McpListToolsInProgress { item_id, output_index }
            | EventKind::McpListToolsCompleted { item_id, output_index }
            | EventKind::McpListToolsFailed { item_id, output_index }
            | EventKind::FileSearchCallInProgress { item_id, output_index }
            | EventKind::FileSearchCallCompleted { item_id, output_index }
            | EventKind::WebSearchCallInProgress { item_id, output_index }
            | EventKind::WebSearchCallCompleted { item_id, output_index }
            | EventKind::ImageGenerationCallInProgress { item_id, output_index }
            | EventKind::ImageGenerationCallCompleted { item_id, output_index }
            | EventKind::McpCallInProgress { item_id, output_index }
            | EventKind::McpCallCompleted { item_id, output_index }
            | EventKind::McpCallFailed { item_id, output_index } => {
                self.part(*output_index, item_id, name)?;
            }
            EventKind::FileSearchCallSearching { item_id, output_index }
            | EventKind::WebSearchCallSearching { item_id, output_index } => {
                let open = self.part(*output_index, item_id, name)?;
                if let Item::Known(
                    Known::FileSearchCall { status, .. } | Known::WebSearchCall { status, .. },
                ) = &mut open.item
                {
                    *status = ItemStatus::Searching;
                }
            }
            EventKind::ImageGenerationCallGenerating { item_id, output_index } => {
                let open = self.part(*output_index, item_id, name)?;
                if let Item::Known(Known::ImageGenerationCall { status, .. }) = &mut open.item {
                    *status = ItemStatus::Generating;
                }
            }
            EventKind::ImageGenerationCallPartialImage {
                item_id,
                output_index,
                partial_image_index,
                ..
            } => {
                let open = self.part(*output_index, item_id, name)?;
                open.at(*output_index, *partial_image_index)?;
                open.parts += 1;
            }
            EventKind::ShellCallCommandAdded { output_index, command_index, command } => {
                let open = self.command(*output_index, *command_index, name)?;
                if open.part.is_some() {
                    return Err(FoldError::NotOpen(name));
                }
                open.part = Some(command.clone());
            }
            EventKind::ShellCallCommandDelta { output_index, command_index, delta } => {
                let open = self.command(*output_index, *command_index, name)?;
                open.part.as_mut().ok_or(FoldError::NotOpen(name))?.push_str(delta);
            }
            EventKind::ShellCallCommandDone { output_index, command_index, command } => {
                let open = self.command(*output_index, *command_index, name)?;
                if open.part.take().as_ref() != Some(command) {
                    return Err(FoldError::Deltas(name));
                }
                open.parts += 1;
                if let Item::Known(Known::ShellCall { action, .. }) = &mut open.item {
                    action.commands.push(command.clone());
                }
            }
            EventKind::ShellCallOutputContentDelta {
                item_id,
                output_index,
                command_index,
                delta,
            } => {
                let open = self.part(*output_index, item_id, name)?;
                open.at(*output_index, *command_index)?;
                let printed = open.part.get_or_insert_default();
                printed.extend([&delta.stdout, &delta.stderr].into_iter().flatten().cloned());
            }
            EventKind::ShellCallOutputContentDone {
                item_id,
                output_index,
                command_index,
                output: new,
            } => {
                let open = self.part(*output_index, item_id, name)?;
                open.at(*output_index, *command_index)?;
                let printed = new.iter().flat_map(|o| [o.stdout.as_str(), &o.stderr]);
                if open.part.take().unwrap_or_default() != printed.collect::<String>() {
                    return Err(FoldError::Deltas(name));
                }
                open.parts += 1;
                if let Item::Known(Known::ShellCallOutput { output, .. }) = &mut open.item {
                    output.extend_from_slice(new);
                }
            }
            EventKind::Error { .. } => {}
            EventKind::Completed { response }
            | EventKind::Incomplete { response }
            | EventKind::Failed { response } => {
                if response.output != self.done {
                    return Err(FoldError::FinalOutput);
                }
                self.last = Some((**response).clone());
            }
        }
        Ok(())
    }

    fn at(&self, found: u64) -> Result<(), FoldError> {
        let expected = self.done.len() as u64;
        if found == expected { Ok(()) } else { Err(FoldError::OutputIndex { expected, found }) }
    }

    /// The open `shell_call`, whose command of this index is written.
    fn command(
        &mut self,
        output_index: u64,
        command_index: u64,
        name: &'static str,
    ) -> Result<&mut Open, FoldError> {
        self.at(output_index)?;
        let open = self.open.as_mut().ok_or(FoldError::NotOpen(name))?;
        open.at(output_index, command_index)?;
        Ok(open)
    }

    fn part(
        &mut self,
        output_index: u64,
        item_id: &ItemId,
        name: &'static str,
    ) -> Result<&mut Open, FoldError> {
        self.at(output_index)?;
        let open = self.open.as_mut().ok_or(FoldError::NotOpen(name))?;
        if open.item.id() != Some(item_id.as_str()) {
            return Err(FoldError::IdChanged(output_index));
        }
        Ok(open)
    }
}

impl Open {
    fn at(&self, item: u64, found: u64) -> Result<(), FoldError> {
        let expected = self.parts;
        if found == expected { Ok(()) } else { Err(FoldError::PartIndex { item, expected, found }) }
    }
}

/// Puts a finished text where it belongs in its item.
fn settle(item: &mut Item, text: &str, is_summary: bool) {
    let Item::Known(known) = item else { return };
    let text = text.to_owned();
    match known {
        Known::Message { content, .. } => {
            *content = Text::Parts(vec![Content::output_text(text)]);
        }
        Known::Reasoning { summary, .. } if is_summary => {
            summary.push(Content::SummaryText { text });
        }
        Known::Reasoning { content, .. } => content.push(Content::ReasoningText { text }),
        Known::FunctionCall { arguments, .. } | Known::McpCall { arguments, .. } => {
            *arguments = text;
        }
        Known::CustomToolCall { input, .. } => *input = text,
        Known::CodeInterpreterCall { code, .. } => *code = text,
        Known::ApplyPatchCall { operation, .. } => *operation = operation.clone().with_diff(text),
        Known::FileSearchCall { .. }
        | Known::WebSearchCall { .. }
        | Known::ImageGenerationCall { .. }
        | Known::ShellCall { .. }
        | Known::ShellCallOutput { .. }
        | Known::ApplyPatchCallOutput { .. }
        | Known::Compaction { .. }
        | Known::FunctionCallOutput { .. }
        | Known::CustomToolCallOutput { .. }
        | Known::McpListTools { .. }
        | Known::McpApprovalRequest { .. }
        | Known::McpApprovalResponse { .. } => {}
    }
}

/// The finished item says what its deltas said. (Raw reasoning may be kept encrypted or left out,
/// so it is compared only where it was streamed.)
fn same_text(streamed: &Item, done: &Item) -> bool {
    let (Item::Known(streamed), Item::Known(done)) = (streamed, done) else { return true };
    match (streamed, done) {
        (Known::Message { content: a, .. }, Known::Message { content: b, .. }) => {
            a.joined() == b.joined()
        }
        (
            Known::Reasoning { summary: a, content: c, .. },
            Known::Reasoning { summary: b, content: d, .. },
        ) => a == b && (c.is_empty() || c == d),
        (Known::FunctionCall { arguments: a, .. }, Known::FunctionCall { arguments: b, .. })
        | (Known::McpCall { arguments: a, .. }, Known::McpCall { arguments: b, .. })
        | (Known::CustomToolCall { input: a, .. }, Known::CustomToolCall { input: b, .. })
        | (
            Known::CodeInterpreterCall { code: a, .. },
            Known::CodeInterpreterCall { code: b, .. },
        ) => a == b,
        (Known::ShellCall { action: a, .. }, Known::ShellCall { action: b, .. }) => {
            a.commands == b.commands
        }
        (Known::ShellCallOutput { output: a, .. }, Known::ShellCallOutput { output: b, .. }) => {
            a == b
        }
        (
            Known::ApplyPatchCall { operation: a, .. },
            Known::ApplyPatchCall { operation: b, .. },
        ) => a == b,
        _ => true,
    }
}
