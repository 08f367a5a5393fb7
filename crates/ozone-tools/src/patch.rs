//! `apply_patch` as the model knows it: one change of one file, which the client makes.

use ozone_prompt::ToolSpec;
use ozone_types::PatchOperation;
use serde_json::{Value, json};

/// What the model calls it.
pub const NAME: &str = "apply_patch";

/// What the model is told of the tool.
pub fn spec() -> ToolSpec {
    let description = "Creates, changes or deletes one file. A `diff` is in the V4A form. To create \
         a file, each of its lines stands behind a `+`. To change one, write pieces: a line `@@`, or \
         `@@ ` and a line above the place such as a function's head; then about three lines of \
         context before and after the change, each behind a space, lines that go behind `-`, lines \
         that come behind `+`. Context and removed lines are copied exactly from the file; there are \
         no line numbers.";
    let properties = json!({
        "type": {"type": "string", "enum": ["create_file", "update_file", "delete_file"]},
        "path": {"type": "string", "description": "The file, relative to the folder."},
        "diff": {"type": "string", "description": "Not for delete_file."}
    });
    crate::spec(NAME, description, properties, json!(["type", "path"]))
}

/// What these arguments ask for. The error is the model's to read.
pub fn operation(arguments: &str) -> Result<PatchOperation, String> {
    let example = r#"write {"type": "update_file", "path": "a.py", "diff": "@@\n-old\n+new\n"}"#;
    let operation: PatchOperation = serde_json::from_str(arguments)
        .map_err(|e| format!("the arguments are not as they should be ({e}); {example}"))?;
    let (PatchOperation::CreateFile { path, .. }
    | PatchOperation::UpdateFile { path, .. }
    | PatchOperation::DeleteFile { path }) = &operation;
    if path.trim().is_empty() {
        return Err(format!("the `path` is empty; {example}"));
    }
    Ok(operation)
}

/// The arguments of a call that asks for this.
pub fn arguments(operation: &PatchOperation) -> String {
    serde_json::to_value(operation).unwrap_or(Value::Null).to_string()
}
