//! Shell calls and patches as items and events: the same whether they run here or at the client.

use ozone_tools::{patch, shell};
use ozone_types::item::Known;
use ozone_types::{
    CallId, EventKind, Item, ItemId, ItemStatus, PatchOperation, PatchStatus, ShellAction,
    ShellDelta, ShellEnvironment, ShellOutput,
};

/// The most characters of a client's result that the model reads.
const OUTPUT_CHARS_MAX: usize = 64_000;

/// A `shell_call` with these arguments of the model's; what cannot be read asks for nothing.
pub(crate) fn shell_call(
    (id, call_id): &(ItemId, CallId),
    arguments: &str,
    environment: ShellEnvironment,
    status: ItemStatus,
) -> Item {
    Known::ShellCall {
        id: Some(id.clone()),
        call_id: call_id.clone(),
        action: shell::action(arguments).unwrap_or_default(),
        environment: Some(environment),
        status: Some(match status {
            ItemStatus::Failed => ItemStatus::Completed,
            other => other,
        }),
    }
    .into()
}

/// What shows the commands of an open `shell_call`.
pub(crate) fn commands(output_index: u64, arguments: &str) -> Vec<EventKind> {
    let ShellAction { commands, .. } = shell::action(arguments).unwrap_or_default();
    let mut events = vec![];
    for (command_index, command) in (0..).zip(commands) {
        let (empty, delta) = (String::new(), command.clone());
        events.extend([
            EventKind::ShellCallCommandAdded { output_index, command_index, command: empty },
            EventKind::ShellCallCommandDelta { output_index, command_index, delta },
            EventKind::ShellCallCommandDone { output_index, command_index, command },
        ]);
    }
    events
}

/// The whole `shell_call_output` behind a call that ran here.
pub(crate) fn shell_output(
    output_index: u64,
    call_id: &CallId,
    outputs: Vec<ShellOutput>,
) -> Vec<EventKind> {
    let id = ItemId::shell_call_output();
    let item = |output, status| -> Item {
        let (id, call_id, status) = (Some(id.clone()), call_id.clone(), Some(status));
        Known::ShellCallOutput { id, call_id, output, max_output_length: None, status }.into()
    };
    let opened = item(vec![], ItemStatus::InProgress);
    let mut events = vec![EventKind::OutputItemAdded { output_index, item: opened }];
    for (command_index, output) in (0..).zip(&outputs) {
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let delta = ShellDelta { stdout: some(&output.stdout), stderr: some(&output.stderr) };
        let (item_id, output) = (id.clone(), vec![output.clone()]);
        if delta != ShellDelta::default() {
            events.push(EventKind::ShellCallOutputContentDelta {
                item_id: item_id.clone(),
                output_index,
                command_index,
                delta,
            });
        }
        events.push(EventKind::ShellCallOutputContentDone {
            item_id,
            output_index,
            command_index,
            output,
        });
    }
    let item = item(outputs, ItemStatus::Completed);
    events.push(EventKind::OutputItemDone { output_index, item });
    events
}

/// An `apply_patch_call` with these arguments of the model's. Its diff comes by deltas, unlike what is
/// changed: an item has no shape without its operation.
pub(crate) fn patch_call(
    (id, call_id): &(ItemId, CallId),
    arguments: &str,
    environment: Option<ShellEnvironment>,
    status: ItemStatus,
) -> Item {
    let operation = patch_operation(arguments);
    let operation = match status {
        ItemStatus::InProgress => operation.with_diff(""),
        _ => operation,
    };
    Known::ApplyPatchCall {
        id: Some(id.clone()),
        call_id: call_id.clone(),
        operation,
        environment,
        status: Some(match status {
            ItemStatus::Failed => ItemStatus::Completed,
            other => other,
        }),
    }
    .into()
}

fn patch_operation(arguments: &str) -> PatchOperation {
    let unreadable = |_| {
        let (path, diff) = (String::new(), arguments.to_owned());
        PatchOperation::UpdateFile { path, diff }
    };
    patch::operation(arguments).unwrap_or_else(unreadable)
}

/// What shows the diff of an open `apply_patch_call`.
pub(crate) fn patch_diff(id: &ItemId, output_index: u64, arguments: &str) -> Vec<EventKind> {
    let operation = patch_operation(arguments);
    let Some(diff) = operation.diff().map(str::to_owned) else { return vec![] };
    let mut events = vec![];
    if !diff.is_empty() {
        let (item_id, delta) = (id.clone(), diff.clone());
        events.push(EventKind::ApplyPatchCallOperationDiffDelta { item_id, output_index, delta });
    }
    let item_id = id.clone();
    events.push(EventKind::ApplyPatchCallOperationDiffDone { item_id, output_index, diff });
    events
}

/// The whole `apply_patch_call_output` behind a call that was carried out here.
pub(crate) fn patch_output(
    output_index: u64,
    call_id: &CallId,
    text: String,
    failed: bool,
) -> [EventKind; 2] {
    let status = if failed { PatchStatus::Failed } else { PatchStatus::Completed };
    let (id, call_id) = (Some(ItemId::apply_patch_call_output()), call_id.clone());
    let item: Item = Known::ApplyPatchCallOutput { id, call_id, status, output: Some(text) }.into();
    [
        EventKind::OutputItemAdded { output_index, item: item.clone() },
        EventKind::OutputItemDone { output_index, item },
    ]
}

/// What the model reads of a shell's result.
pub(crate) fn shell_told(outputs: &[ShellOutput], max_output_length: Option<u64>) -> String {
    let asked = max_output_length.and_then(|max| usize::try_from(max).ok());
    shell::told(outputs, asked.unwrap_or(OUTPUT_CHARS_MAX).min(OUTPUT_CHARS_MAX))
}

/// What the model reads of a patch's result.
pub(crate) fn patch_told(status: PatchStatus, output: Option<&str>) -> String {
    let said = output.unwrap_or_default().trim();
    match (status, said) {
        (PatchStatus::Completed, "") => "done".to_owned(),
        (PatchStatus::Failed, "") => "failed: the patch was not applied".to_owned(),
        (PatchStatus::Completed, said) => ozone_tools::cap(said, OUTPUT_CHARS_MAX),
        (PatchStatus::Failed, said) => {
            // What failed here says so itself.
            let said = said.strip_prefix("failed: ").unwrap_or(said);
            ozone_tools::cap(&format!("failed: {said}"), OUTPUT_CHARS_MAX)
        }
    }
}
