//! Turns deltas and calls into events, in the order of the stream rules. Pure: events come out, the
//! shell journals them.

use ozone_types::item::Known;
use ozone_types::{CodeOutput, Content, EventKind, Fold, Item, ItemId, ItemStatus, Role, Text};

/// What is being written.
#[derive(Debug, Clone, PartialEq)]
enum Open {
    Nothing,
    Reasoning { id: ItemId, text: String },
    Message { id: ItemId, text: String },
    Code { id: ItemId, container_id: String, code: String },
}

/// Writes the items of one response, one at a time.
#[derive(Debug)]
pub(crate) struct Writer {
    output_index: u64,
    open: Open,
    raw_reasoning: bool,
}

impl Writer {
    /// Goes on where the journal ends.
    pub fn restore(fold: &Fold, raw_reasoning: bool) -> Self {
        let open = fold.open().map_or(Open::Nothing, |open| {
            let text = open.part.clone().unwrap_or_default();
            match &open.item {
                Item::Known(Known::Reasoning { id, .. }) => {
                    Open::Reasoning { id: id.clone(), text }
                }
                Item::Known(Known::Message { id: Some(id), .. }) => {
                    Open::Message { id: id.clone(), text }
                }
                Item::Known(Known::CodeInterpreterCall { id, container_id, .. }) => {
                    Open::Code { id: id.clone(), container_id: container_id.clone(), code: text }
                }
                _ => Open::Nothing,
            }
        });
        let output_index = fold.items().len() as u64;
        Writer { output_index, open, raw_reasoning }
    }

    pub fn reasoning(&mut self, delta: &str, events: &mut Vec<EventKind>) {
        if delta.is_empty() {
            return;
        }
        if !matches!(self.open, Open::Reasoning { .. }) {
            if delta.trim().is_empty() {
                return;
            }
            self.close(ItemStatus::Completed, events);
            let id = ItemId::reasoning();
            let item = reasoning_item(&id, None, ItemStatus::InProgress);
            events.push(EventKind::OutputItemAdded { output_index: self.output_index, item });
            self.open = Open::Reasoning { id, text: String::new() };
        }
        let Open::Reasoning { id, text } = &mut self.open else { return };
        text.push_str(delta);
        if self.raw_reasoning {
            events.push(EventKind::ReasoningTextDelta {
                item_id: id.clone(),
                output_index: self.output_index,
                content_index: 0,
                delta: delta.to_owned(),
            });
        }
    }

    pub fn text(&mut self, delta: &str, events: &mut Vec<EventKind>) {
        let mut delta = delta;
        if !matches!(self.open, Open::Message { .. }) {
            delta = delta.trim_start();
            if delta.is_empty() {
                return;
            }
            self.close(ItemStatus::Completed, events);
            let (output_index, id) = (self.output_index, ItemId::message());
            let item = message_item(&id, "", ItemStatus::InProgress);
            events.push(EventKind::OutputItemAdded { output_index, item });
            events.push(EventKind::ContentPartAdded {
                item_id: id.clone(),
                output_index,
                content_index: 0,
                part: Content::output_text(""),
            });
            self.open = Open::Message { id, text: String::new() };
        }
        let Open::Message { id, text } = &mut self.open else { return };
        if delta.is_empty() {
            return;
        }
        text.push_str(delta);
        events.push(EventKind::OutputTextDelta {
            item_id: id.clone(),
            output_index: self.output_index,
            content_index: 0,
            delta: delta.to_owned(),
            logprobs: vec![],
        });
    }

    /// A call is about to run. Nothing is added when the call was open before (a killed run).
    pub fn code_started(&mut self, container_id: &str, code: &str, events: &mut Vec<EventKind>) {
        if matches!(self.open, Open::Code { .. }) {
            return;
        }
        self.close(ItemStatus::Completed, events);
        let (item_id, output_index) = (ItemId::code_interpreter(), self.output_index);
        let item = code_item(&item_id, container_id, "", ItemStatus::InProgress, None);
        events.push(EventKind::OutputItemAdded { output_index, item });
        let id = || item_id.clone();
        events.push(EventKind::CodeInterpreterCallInProgress { item_id: id(), output_index });
        events.push(EventKind::CodeInterpreterCallCodeDelta {
            item_id: id(),
            output_index,
            delta: code.to_owned(),
        });
        events.push(EventKind::CodeInterpreterCallCodeDone {
            item_id: id(),
            output_index,
            code: code.to_owned(),
        });
        events.push(EventKind::CodeInterpreterCallInterpreting { item_id: id(), output_index });
        self.open = Open::Code {
            id: item_id,
            container_id: container_id.to_owned(),
            code: code.to_owned(),
        };
    }

    pub fn code_done(
        &mut self,
        outputs: Vec<CodeOutput>,
        status: ItemStatus,
        events: &mut Vec<EventKind>,
    ) {
        let Open::Code { id, container_id, code } =
            std::mem::replace(&mut self.open, Open::Nothing)
        else {
            return;
        };
        let output_index = self.output_index;
        if status == ItemStatus::Completed {
            events.push(EventKind::CodeInterpreterCallCompleted {
                item_id: id.clone(),
                output_index,
            });
        }
        let item = code_item(&id, &container_id, &code, status, Some(outputs));
        events.push(EventKind::OutputItemDone { output_index, item });
        self.output_index += 1;
    }

    /// Ends what is open.
    pub fn close(&mut self, status: ItemStatus, events: &mut Vec<EventKind>) {
        let output_index = self.output_index;
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => {}
            Open::Reasoning { id, text } => {
                if self.raw_reasoning {
                    events.push(EventKind::ReasoningTextDone {
                        item_id: id.clone(),
                        output_index,
                        content_index: 0,
                        text: text.clone(),
                    });
                }
                let text = self.raw_reasoning.then_some(text);
                let item = reasoning_item(&id, text, status);
                events.push(EventKind::OutputItemDone { output_index, item });
                self.output_index += 1;
            }
            Open::Message { id, text } => {
                events.push(EventKind::OutputTextDone {
                    item_id: id.clone(),
                    output_index,
                    content_index: 0,
                    text: text.clone(),
                    logprobs: vec![],
                });
                events.push(EventKind::ContentPartDone {
                    item_id: id.clone(),
                    output_index,
                    content_index: 0,
                    part: Content::output_text(&text),
                });
                let item = message_item(&id, &text, status);
                events.push(EventKind::OutputItemDone { output_index, item });
                self.output_index += 1;
            }
            open @ Open::Code { .. } => {
                self.open = open;
                let logs = "the call was interrupted".to_owned();
                self.code_done(vec![CodeOutput::Logs { logs }], ItemStatus::Incomplete, events);
            }
        }
    }

    /// `true` while a call that was started has no outputs.
    pub fn code_is_open(&self) -> bool {
        matches!(self.open, Open::Code { .. })
    }
}

fn reasoning_item(id: &ItemId, text: Option<String>, status: ItemStatus) -> Item {
    let content = text.map(|text| Content::ReasoningText { text }).into_iter().collect();
    let (id, status) = (id.clone(), Some(status));
    Known::Reasoning { id, summary: vec![], content, encrypted_content: None, status }.into()
}

fn message_item(id: &ItemId, text: &str, status: ItemStatus) -> Item {
    let parts = if text.is_empty() { vec![] } else { vec![Content::output_text(text)] };
    Known::Message {
        id: Some(id.clone()),
        status: Some(status),
        role: Role::Assistant,
        content: Text::Parts(parts),
    }
    .into()
}

fn code_item(
    id: &ItemId,
    container_id: &str,
    code: &str,
    status: ItemStatus,
    outputs: Option<Vec<CodeOutput>>,
) -> Item {
    Known::CodeInterpreterCall {
        id: id.clone(),
        status,
        code: code.to_owned(),
        container_id: container_id.to_owned(),
        outputs,
    }
    .into()
}
