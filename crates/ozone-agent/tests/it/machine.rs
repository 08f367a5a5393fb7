//! The shell and patches: here and at the client.

use std::sync::Arc;

use ozone_agent::{OfferedTools, Request};
use ozone_tools::{ScriptedTool, Shown};
use ozone_types::item::Known;
use ozone_types::{Item, ShellOutcome};
use serde_json::{Value, json};

use crate::resume::Recorder;
use crate::support::{Scene, call, prints, says, show};

fn shell(outputs: impl IntoIterator<Item = ozone_tools::Step>) -> ScriptedTool {
    let shown = Shown::Shell { container_id: "cntr_1".into() };
    ScriptedTool::new(outputs).shown_as("shell", shown)
}

fn asks(commands: &[&str]) -> String {
    call("shell", json!({ "commands": commands }))
}

fn at_client(tools: Value, input: Vec<Item>) -> Request {
    let mut request = Request::new("scripted", input, false).unwrap();
    request.tools = OfferedTools::parse(serde_json::from_value(tools).unwrap()).unwrap();
    request.checked().unwrap()
}

#[tokio::test]
async fn a_call_of_the_shell_shows_its_commands_and_then_its_output() {
    let scene = Scene::new([says(&asks(&["ls", "wc -l a"])), says("One file.")]).await;
    let response = scene.run_with(shell([prints("a")])).await;
    let names = scene.event_names().await;
    assert!(
        names.contains(
            "response.shell_call_command.added\nresponse.shell_call_command.delta\n\
             response.shell_call_command.done\nresponse.shell_call_command.added\n\
             response.shell_call_command.delta\nresponse.shell_call_command.done\n\
             response.output_item.done\nresponse.output_item.added\n\
             response.shell_call_output_content.delta\n\
             response.shell_call_output_content.done\nresponse.output_item.done"
        ),
        "{names}"
    );
    let [Item::Known(asked), Item::Known(given), _] = response.output.as_slice() else {
        panic!("{:?}", response.output)
    };
    let asked = serde_json::to_value(asked).unwrap();
    assert_eq!(asked["action"]["commands"], json!(["ls", "wc -l a"]));
    assert_eq!(
        asked["environment"],
        json!({"type": "container_reference", "container_id": "cntr_1"})
    );
    assert_eq!(asked["status"], "completed");
    let given = serde_json::to_value(given).unwrap();
    assert_eq!(given["call_id"], asked["call_id"]);
    assert_eq!(given["output"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_shell_that_is_killed_behind_any_append_ends_the_same() {
    let script = [says(&asks(&["ls"])), says(&asks(&["pwd", "id"])), says("Done.")];
    let outputs = || [prints("a"), prints("/mnt/data")];
    let scene = Scene::new(script).await;
    let recorder = Arc::new(Recorder::default());
    scene.create_in(&*recorder).await;
    let whole = scene.run_in(recorder.clone(), shell(outputs())).await;
    let appends = recorder.appends();
    for stop in 0..appends.len() {
        let records = appends[..stop].iter().flat_map(|a| &a.records);
        let done = records.filter(|r| r["record"] == "tool_done").count();
        let tool = shell(outputs().into_iter().skip(done));
        let calls = tool.calls();
        let response = scene.killed_after(&appends[..stop], tool).await;
        assert_eq!(show(&response), show(&whole), "killed behind append {stop}");
        assert_eq!(calls.lock().unwrap().len(), 2 - done, "killed behind append {stop}");
    }
}

#[tokio::test]
async fn commands_of_the_client_end_the_response_and_their_output_goes_on() {
    let tools = json!([{"type": "shell", "environment": {"type": "local"}}]);
    let request = at_client(tools.clone(), vec![Item::user("What is here?")]);
    let arguments = json!({"commands": ["ls"], "timeout_ms": 1000});
    let script = [says(&call("shell", arguments)), says("A file.")];
    let scene = Scene::asking(request, script).await;
    let response = scene.answer().await;
    let [Item::Known(Known::ShellCall { action, call_id, .. })] = response.output.as_slice() else {
        panic!("{:?}", response.output)
    };
    assert_eq!(
        (action.commands.as_slice(), action.timeout_ms),
        (&["ls".to_owned()][..], Some(1000))
    );

    let output = json!({"type": "shell_call_output", "call_id": call_id, "output": [
        {"stdout": "notes.md", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}},
        {"stdout": "", "stderr": "late", "outcome": {"type": "timeout"}}
    ]});
    let mut input = scene.request.input.clone();
    input.extend(response.output.clone());
    input.push(serde_json::from_value(output).unwrap());
    let scene = Scene::asking(at_client(tools, input), [says("notes.md")]).await;
    scene.answer().await;
    let asked = format!("{:?}", scene.backend.requests());
    assert!(asked.contains("notes.md") && asked.contains("its time was over"), "{asked}");
}

#[tokio::test]
async fn a_patch_is_the_clients_to_apply() {
    let tools = json!([{"type": "apply_patch"}]);
    let request = at_client(tools.clone(), vec![Item::user("Mend it.")]);
    let wrong = call("apply_patch", json!({"type": "update_file", "path": "a.py"}));
    let right = json!({"type": "update_file", "path": "a.py", "diff": "@@\n-a\n+b\n"});
    let script = [says(&wrong), says(&call("apply_patch", right.clone()))];
    let scene = Scene::asking(request, script).await;
    let response = scene.answer().await;
    let [Item::Known(patch)] = response.output.as_slice() else { panic!("{:?}", response.output) };
    let patch = serde_json::to_value(patch).unwrap();
    assert_eq!((&patch["type"], &patch["operation"]), (&json!("apply_patch_call"), &right));

    let failed = json!({"type": "apply_patch_call_output", "call_id": patch["call_id"],
        "status": "failed", "output": "no such context"});
    let mut input = scene.request.input.clone();
    input.extend(response.output.clone());
    input.push(serde_json::from_value(failed).unwrap());
    let scene = Scene::asking(at_client(tools, input), [says("It failed.")]).await;
    scene.answer().await;
    assert!(format!("{:?}", scene.backend.requests()).contains("failed: no such context"));
}

#[test]
fn an_output_without_its_call_is_refused() {
    let output = json!({"type": "shell_call_output", "call_id": "call_1", "output": [
        {"stdout": "", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]});
    let input = vec![serde_json::from_value(output).unwrap()];
    let refused = Request::new("scripted", input, false).unwrap().checked().unwrap_err();
    assert!(refused.to_string().contains("call_1"), "{refused}");
}

#[test]
fn a_failed_command_says_its_code_to_the_model() {
    let output = |exit_code| ozone_types::ShellOutput {
        stdout: "a\n".into(),
        stderr: "b\n".into(),
        outcome: ShellOutcome::Exit { exit_code },
    };
    assert_eq!(ozone_tools::shell::told(&[output(0)], 100), "a\n[stderr]\nb");
    let told = ozone_tools::shell::told(&[output(0), output(2)], 100);
    assert_eq!(told, "[command 1]\na\n[stderr]\nb\n[command 2]\na\n[stderr]\nb\n[exit code 2]");
}
