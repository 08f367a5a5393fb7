//! The shell and patches over HTTP: containers, clients, and what is refused.

use ozone_model::{Script, ScriptedBackend, Take};
use serde_json::{Value, json};

use crate::support::{Setup, TestServer, says};

fn calls(name: &str, arguments: Value) -> Script {
    let call = json!({"name": name, "arguments": arguments});
    says(&format!("<tool_call>\n{call}\n</tool_call>"))
}

/// The response with seed 0 calls, the one with seed 1 speaks.
async fn calling_once(call: Script, text: &str) -> TestServer {
    let takes = [Take::new([call]), Take::new([says(text)])];
    Setup::with(ScriptedBackend::takes(takes)).start().await
}

#[tokio::test]
async fn a_shell_of_the_client_goes_round() {
    let commands = json!({"commands": ["ls"]});
    let server = calling_once(calls("shell", commands), "One file.").await;
    let tools = json!([{"type": "shell", "environment": {"type": "local"}}]);
    let body = json!({"input": "What is here?", "tools": tools, "seed": 0});
    let first = server.stream(body).await.sound().last();
    let call = &first["output"][0];
    assert_eq!(call["type"], "shell_call");
    assert_eq!(call["action"]["commands"], json!(["ls"]));
    assert_eq!(call["environment"], json!({"type": "local"}));
    assert_eq!(first["tools"], tools);
    let output = json!([{
        "type": "shell_call_output", "call_id": call["call_id"], "max_output_length": 1000,
        "output": [{"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}],
    }]);
    let body = json!({"input": output, "tools": tools, "previous_response_id": first["id"],
        "seed": 1});
    let second = server.respond(body).await;
    assert_eq!(second["output"][0]["content"][0]["text"], "One file.");
    let path = format!("/v1/responses/{}/input_items", second["id"].as_str().unwrap());
    let items = server.get(&path).await.ok().to_string();
    assert!(items.contains("\"sho_") && items.contains("shell_call_output"), "{items}");
}

#[tokio::test]
async fn a_patch_goes_round() {
    let patch = json!({"type": "create_file", "path": "a.txt", "diff": "+a\n"});
    let server = calling_once(calls("apply_patch", patch.clone()), "Done.").await;
    let tools = json!([{"type": "apply_patch"}]);
    let choice = json!({"type": "apply_patch"});
    let body = json!({"input": "Write it.", "tools": tools, "tool_choice": choice, "seed": 0});
    let first = server.respond(body).await;
    assert_eq!(first["output"][0]["operation"], patch);
    let output = json!([{"type": "apply_patch_call_output", "status": "completed",
        "call_id": first["output"][0]["call_id"], "output": "written"}]);
    let body = json!({"input": output, "tools": tools, "previous_response_id": first["id"],
        "seed": 1});
    assert_eq!(server.respond(body).await["output"][0]["content"][0]["text"], "Done.");
}

#[tokio::test]
async fn a_patch_in_a_container_is_made_there_and_the_next_turn_finds_it() {
    let creates = json!({"type": "create_file", "path": "src/a.txt", "diff": "+a\n+b\n"});
    let updates = json!({"type": "update_file", "path": "src/a.txt", "diff": "@@\n-b\n+c\n"});
    let escapes = json!({"type": "delete_file", "path": "../../secret"});
    let takes = [
        Take::new([calls("apply_patch", creates.clone()), says("Made.")]),
        Take::new([calls("apply_patch", updates), calls("apply_patch", escapes), says("Done.")]),
    ];
    let server = Setup::with(ScriptedBackend::takes(takes)).start().await;
    std::fs::write(server.containers.path().join("secret"), "s").unwrap();
    let tools = json!([{"type": "apply_patch", "environment": {"type": "container_auto"}}]);
    let choice = json!({"type": "apply_patch"});
    let body = json!({"input": "Write it.", "tools": tools, "tool_choice": choice, "seed": 0});
    let stream = server.stream(body).await.sound();
    assert!(stream.frames.iter().any(|f| f.contains("apply_patch_call_operation_diff.done")));
    let first = stream.last();
    let kinds = |response: &Value| -> Vec<Value> {
        response["output"].as_array().unwrap().iter().map(|item| item["type"].clone()).collect()
    };
    let call = ["apply_patch_call", "apply_patch_call_output"];
    assert_eq!(kinds(&first), [&call[..], &["message"]].concat());
    assert_eq!((&first["output"][0]["operation"], &first["tools"]), (&creates, &tools));
    let container = first["output"][0]["environment"]["container_id"].as_str().unwrap().to_owned();
    let files = server.get(&format!("/v1/containers/{container}/files")).await.ok();
    assert_eq!(files["data"][0]["path"], "/mnt/data/src/a.txt", "{files}");

    let body = json!({"input": "Change it.", "tools": tools, "seed": 1,
        "previous_response_id": first["id"]});
    let second = server.respond(body).await;
    assert_eq!(kinds(&second), [&call[..], &call[..], &["message"]].concat());
    assert_eq!(second["output"][0]["environment"]["container_id"], container);
    let path = server.containers.path().join(&container).join("src/a.txt");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "a\nc\n");
    assert_eq!(second["output"][3]["status"], "failed");
    let told = second["output"][3]["output"].as_str().unwrap();
    assert!(told.contains("leads out of the folder"), "{told}");
    assert!(server.containers.path().join("secret").exists());
    server.stop().await;
}

#[tokio::test]
async fn a_shell_in_a_container_has_one_and_no_network() {
    let server = TestServer::scripted([says("Hello."), says("Hello.")]).await;
    let post = |environment: Value| {
        let tools = json!([{"type": "shell", "environment": environment}]);
        let body = json!({"model": "scripted", "input": "?", "tools": tools});
        server.post("/v1/responses", body)
    };
    post(json!({"type": "container_auto"})).await.ok();
    let containers = server.get("/v1/containers").await.ok();
    let container_id = containers["data"][0]["id"].clone();
    post(json!({"type": "container_reference", "container_id": container_id})).await.ok();

    let policy = json!({"type": "allowlist", "allowed_domains": ["a.test"]});
    for (environment, param) in [
        (json!({"type": "elsewhere"}), "tools"),
        (json!({"type": "container_reference", "container_id": "cntr_x"}), "tools[0].environment"),
        (
            json!({"type": "container_auto", "network_policy": policy}),
            "tools[0].environment.network_policy.type",
        ),
        (
            json!({"type": "container_auto", "skills": [{"type": "inline"}]}),
            "tools[0].environment.skills",
        ),
    ] {
        let answer = post(environment).await;
        assert_eq!((answer.status.as_u16(), &answer.body["error"]["param"]), (400, &json!(param)));
    }
}

/// One that it runs itself is the client's own affair.
#[tokio::test]
async fn a_model_that_knows_python_alone_is_refused_a_shell_in_a_container() {
    let mut setup = Setup::new([says("Hello.")]);
    setup.models[0].narrow = true;
    let server = setup.start().await;
    let post = |environment: Value| {
        let python = json!({"type": "code_interpreter", "container": {"type": "auto"}});
        let tools = json!([python, {"type": "shell", "environment": environment}]);
        server.post("/v1/responses", json!({"model": "scripted", "input": "?", "tools": tools}))
    };
    let patch = json!({"type": "apply_patch", "environment": {"type": "container_auto"}});
    let body = json!({"model": "scripted", "input": "?", "tools": [patch]});
    let answer = server.post("/v1/responses", body).await;
    assert_eq!(answer.error(), "400 tools[0] unsupported_parameter");
    for kind in ["container_auto", "container_reference"] {
        let answer = post(json!({"type": kind, "container_id": "cntr_x"})).await;
        assert!(answer.body["error"]["message"].as_str().unwrap().contains("ask another one"));
        assert_eq!(answer.error(), "400 tools[1] unsupported_parameter");
    }
    assert!(server.containers.path().read_dir().unwrap().next().is_none());
    post(json!({"type": "local"})).await.ok();
}

#[tokio::test]
async fn an_output_that_nobody_asked_for_is_refused() {
    let server = TestServer::scripted([]).await;
    let output = json!([{"type": "apply_patch_call_output", "call_id": "call_1",
        "status": "completed"}]);
    let body = json!({"model": "scripted", "input": output});
    let answer = server.post("/v1/responses", body).await;
    assert_eq!(answer.status.as_u16(), 400);
    assert!(answer.body["error"]["message"].as_str().unwrap().contains("call_1"));
}
