//! A reader of a stream: rebuilds the response from its events and refuses a stream that breaks
//! the rules (S2 to S10 of the design). The journal uses it to see where a killed run stood, the
//! tests to see that every stream is sound.

use crate::item::Known;
use crate::{Content, Event, EventKind, Item, Response, Text};

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
}

/// The item that is being written.
#[derive(Debug, Clone, PartialEq)]
pub struct Open {
    pub item: Item,
    /// The text of the part that is open, as its deltas gave it.
    pub part: Option<String>,
}

/// What the events so far amount to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fold {
    created: Option<Response>,
    done: Vec<Item>,
    open: Option<Open>,
    next: u64,
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
            }
            EventKind::OutputItemAdded { output_index, item } => {
                if self.open.is_some() {
                    return Err(FoldError::NotOpen(name));
                }
                self.at(*output_index)?;
                self.open = Some(Open { item: item.clone(), part: None });
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
            EventKind::ContentPartAdded { output_index, .. }
            | EventKind::ReasoningSummaryPartAdded { output_index, .. } => {
                self.part(*output_index, name)?.part = Some(String::new());
            }
            EventKind::OutputTextDelta { output_index, delta, .. }
            | EventKind::RefusalDelta { output_index, delta, .. }
            | EventKind::ReasoningSummaryTextDelta { output_index, delta, .. } => {
                let open = self.part(*output_index, name)?;
                open.part.as_mut().ok_or(FoldError::NotOpen(name))?.push_str(delta);
            }
            EventKind::ReasoningTextDelta { output_index, delta, .. }
            | EventKind::FunctionCallArgumentsDelta { output_index, delta, .. }
            | EventKind::CodeInterpreterCallCodeDelta { output_index, delta, .. } => {
                self.part(*output_index, name)?.part.get_or_insert_default().push_str(delta);
            }
            EventKind::OutputTextDone { output_index, text, .. }
            | EventKind::RefusalDone { output_index, refusal: text, .. }
            | EventKind::ReasoningSummaryTextDone { output_index, text, .. }
            | EventKind::ReasoningTextDone { output_index, text, .. }
            | EventKind::FunctionCallArgumentsDone { output_index, arguments: text, .. }
            | EventKind::CodeInterpreterCallCodeDone { output_index, code: text, .. } => {
                let open = self.part(*output_index, name)?;
                if open.part.get_or_insert_default() != text {
                    return Err(FoldError::Deltas(name));
                }
                settle(&mut open.item, text);
            }
            EventKind::ContentPartDone { output_index, part, .. }
            | EventKind::ReasoningSummaryPartDone { output_index, part, .. } => {
                let open = self.part(*output_index, name)?;
                let text = open.part.take().ok_or(FoldError::NotOpen(name))?;
                if part.text() != Some(&text) {
                    return Err(FoldError::Deltas(name));
                }
            }
            EventKind::OutputTextAnnotationAdded { output_index, .. }
            | EventKind::CodeInterpreterCallInProgress { output_index, .. }
            | EventKind::CodeInterpreterCallInterpreting { output_index, .. }
            | EventKind::CodeInterpreterCallCompleted { output_index, .. } => {
                self.part(*output_index, name)?;
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

    fn part(&mut self, output_index: u64, name: &'static str) -> Result<&mut Open, FoldError> {
        self.at(output_index)?;
        self.open.as_mut().ok_or(FoldError::NotOpen(name))
    }
}

/// Puts a finished text where it belongs in its item.
fn settle(item: &mut Item, text: &str) {
    let Item::Known(known) = item else { return };
    match known {
        Known::Message { content, .. } => {
            *content = Text::Parts(vec![Content::output_text(text)]);
        }
        Known::Reasoning { content, .. } => {
            content.push(Content::ReasoningText { text: text.to_owned() });
        }
        Known::FunctionCall { arguments, .. } => text.clone_into(arguments),
        Known::CodeInterpreterCall { code, .. } => text.clone_into(code),
        Known::FunctionCallOutput { .. } => {}
    }
}

/// The finished item says what its deltas said. (Reasoning may be a summary, kept encrypted or
/// left out, so it is compared only where both have text.)
fn same_text(streamed: &Item, done: &Item) -> bool {
    match (streamed, done) {
        (
            Item::Known(Known::Message { content: a, .. }),
            Item::Known(Known::Message { content: b, .. }),
        ) => a.joined() == b.joined(),
        (
            Item::Known(Known::FunctionCall { arguments: a, .. }),
            Item::Known(Known::FunctionCall { arguments: b, .. }),
        ) => a == b,
        (
            Item::Known(Known::CodeInterpreterCall { code: a, .. }),
            Item::Known(Known::CodeInterpreterCall { code: b, .. }),
        ) => a == b,
        _ => true,
    }
}
