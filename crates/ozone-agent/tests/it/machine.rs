//! The shell and patches: here and at the client.

use std::path::Path;
use std::sync::Arc;

use ozone_agent::{OfferedTools, Request};
use ozone_tools::{PythonTool, ScriptedTool, Shown, Source, Tool};
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

/// The tool of a container whose files are this folder's.
fn patches(folder: &Path) -> Vec<Box<dyn Tool>> {
    let refused = Source::Refused { cause: "no jail".into() };
    let python = PythonTool::new(refused, "cntr_1".into(), Some(folder.to_owned()));
    vec![Box::new(python.patch())]
}

fn grows() -> Value {
    json!({"type": "update_file", "path": "a", "diff": "@@\n a\n+a\n"})
}

#[tokio::test]
async fn a_patch_in_a_container_is_applied_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let creates = json!({"type": "create_file", "path": "a", "diff": "+a\n"});
    let wrong = json!({"type": "update_file", "path": "b", "diff": "@@\n-a\n+b"});
    let script = [creates.clone(), wrong].map(|patch| says(&call("apply_patch", patch)));
    let scene = Scene::new(script.into_iter().chain([says("Done.")])).await;
    let response = scene.run_tools(scene.store.clone(), patches(folder.path())).await;
    let names = scene.event_names().await;
    assert!(
        names.contains(
            "response.output_item.added\n\
             response.apply_patch_call_operation_diff.delta\n\
             response.apply_patch_call_operation_diff.done\n\
             response.output_item.done\nresponse.output_item.added\nresponse.output_item.done"
        ),
        "{names}"
    );
    let items = serde_json::to_value(&response.output).unwrap();
    let (asked, given) = (&items[0], &items[1]);
    assert_eq!((&asked["type"], &asked["operation"]), (&json!("apply_patch_call"), &creates));
    assert_eq!(
        asked["environment"],
        json!({"type": "container_reference", "container_id": "cntr_1"})
    );
    assert_eq!((&asked["status"], &given["status"]), (&json!("completed"), &json!("completed")));
    assert_eq!(
        (&given["call_id"], &given["output"]),
        (&asked["call_id"], &json!("created `a`, 1 line"))
    );
    assert_eq!((&items[2]["status"], &items[3]["status"]), (&json!("completed"), &json!("failed")));
    assert!(items[3]["output"].as_str().unwrap().contains("there are `a`"), "{}", items[3]);
    assert_eq!(std::fs::read_to_string(folder.path().join("a")).unwrap(), "a\n");

    let told = format!("{:?}", scene.backend.requests()[2].turns);
    let mut request = Request::new("scripted", vec![Item::user("And?")], false).unwrap();
    request.earlier = response.output;
    let next = Scene::asking(request, [says("So.")]).await;
    next.run_tools(next.store.clone(), patches(folder.path())).await;
    let again = format!("{:?}", next.backend.requests()[0].turns);
    for said in ["created `a`, 1 line", "failed: there is no file `b`; there are `a`"] {
        assert!(told.contains(said) && again.contains(said), "{said}: {told} {again}");
    }
}

/// Also where the change was made and nobody had noted that it was.
#[tokio::test]
async fn a_patch_that_is_killed_behind_any_append_is_applied_once() {
    let script = [says(&call("apply_patch", grows())), says(&call("apply_patch", grows()))];
    let scene = Scene::new(script.into_iter().chain([says("Done.")])).await;
    let recorder = Arc::new(Recorder::default());
    scene.create_in(&*recorder).await;
    let folder = tempfile::tempdir().unwrap();
    let file = |folder: &Path| folder.join("a");
    std::fs::write(file(folder.path()), "a\n").unwrap();
    let whole = scene.run_tools(recorder.clone(), patches(folder.path())).await;
    assert_eq!(std::fs::read_to_string(file(folder.path())).unwrap(), "a\na\na\n");
    let appends = recorder.appends();
    assert!(appends.len() > 10, "a test with few places to stop shows little");
    for stop in 0..appends.len() {
        let count = |kind: &str| {
            let records = appends[..stop].iter().flat_map(|append| &append.records);
            records.filter(|record| record["record"] == kind).count()
        };
        for made in count("tool_done")..=count("tool_started") {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(file(folder.path()), "a\n").unwrap();
            for step in 1..=made {
                let call = ozone_tools::Call {
                    key: format!("{}:{step}:0", scene.id),
                    arguments: grows().to_string(),
                    timeout: std::time::Duration::from_secs(60),
                    output_chars_max: 1_000,
                    cancel: tokio_util::sync::CancellationToken::new(),
                };
                patches(folder.path())[0].call(call, &mut |_| {}).await.unwrap();
            }
            let resumed = scene.killed_with(&appends[..stop], patches(folder.path())).await;
            assert_eq!(show(&resumed), show(&whole), "behind append {stop}, {made} made");
            let text = std::fs::read_to_string(file(folder.path())).unwrap();
            assert_eq!(text, "a\na\na\n", "behind append {stop}, {made} made");
        }
    }
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
