//! One response: create, stream, fetch, delete, go on from it.

use std::sync::Arc;

use ozone_model::{Script, ScriptedBackend, Turn};
use ozone_prompt::Message;
use ozone_tools::Step;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Setup, Stream, TestServer, first_frames, says, text_of};

#[tokio::test]
async fn a_question_is_answered() {
    let server = TestServer::scripted([says("It is **4**.")]).await;
    let response = server.respond(json!({"input": "2 + 2?", "metadata": {"a": "b"}})).await;
    assert_eq!(response["status"], "completed");
    assert_eq!(text_of(&response), "It is **4**.");
    assert_eq!(response["metadata"], json!({"a": "b"}));
    assert_eq!(response["usage"]["output_tokens"], 12);
    let id = response["id"].as_str().unwrap();
    assert_eq!(server.get(&format!("/v1/responses/{id}")).await.ok(), response);
}

/// Every response object, from the first event on, carries the effective values.
#[tokio::test]
async fn effective_values_are_echoed_from_the_first_event_on() {
    let server = TestServer::scripted([says("Yes.")]).await;
    let stream = server.stream(json!({"input": "?", "temperature": 0.7, "top_p": 0.9})).await;
    for frame in [&stream.frames[0], stream.frames.last().unwrap()] {
        let data = frame.split_once("data: ").unwrap().1;
        let response: Value = serde_json::from_str(data).unwrap();
        let response = &response["response"];
        assert_eq!(response["temperature"], 0.7);
        assert_eq!(response["top_p"], 0.9);
        for field in [
            "presence_penalty",
            "frequency_penalty",
            "top_logprobs",
            "truncation",
            "tool_choice",
            "tools",
            "parallel_tool_calls",
            "text",
            "store",
            "background",
            "service_tier",
        ] {
            assert!(!response[field].is_null(), "{field} is null");
        }
        assert_eq!(response["service_tier"], "default");
    }
}

#[tokio::test]
async fn a_stream_says_what_is_stored() {
    let server = TestServer::scripted([says("<think>\nhm\n</think>\n\nIt is 4.")]).await;
    let stream = server.stream(json!({"input": "2 + 2?"})).await.sound();
    let names = stream.names();
    assert_eq!(names.first(), Some(&"response.created"));
    assert_eq!(names.last(), Some(&"response.completed"));
    let last = stream.last();
    let id = last["id"].as_str().unwrap();
    assert_eq!(server.get(&format!("/v1/responses/{id}")).await.ok(), last);
}

/// Samples of thoughts, texts and calls in any order; the last one calls nothing.
fn any_script(rng: &mut SmallRng) -> Vec<Script> {
    let mut piece = |may_call: bool| match rng.random_range(0..if may_call { 5 } else { 3 }) {
        0 => "<think>\nSo it is é.\n</think>\n\n".to_owned(),
        1 => "It is **4**. ".to_owned(),
        2 => "\n\nAnd < 5 ".to_owned(),
        3 => "<tool_call>\n{\"name\": \"python\", \"arguments\": {\"code\": \"2\"}}\n</tool_call>"
            .into(),
        _ => "<tool_call>\n{\"name\": \"nowhere\", \"arguments\": {}}\n</tool_call>".into(),
    };
    let sample =
        |piece: &mut dyn FnMut() -> String| says(&(0..3).map(|_| piece()).collect::<String>());
    let mut script: Vec<Script> = (0..3).map(|_| sample(&mut || piece(true))).collect();
    script.push(sample(&mut || piece(false)));
    script
}

#[tokio::test]
async fn a_stream_cut_anywhere_goes_on_with_the_same_bytes() {
    let mut rng = SmallRng::seed_from_u64(4);
    for _ in 0..10 {
        let script = any_script(&mut rng);
        let mut setup = Setup::new(script.clone());
        setup.tool_steps = vec![Step::Prints("4".into()); 9];
        let server = setup.start().await;
        let tools = json!([{"type": "code_interpreter", "container": {"type": "auto"}}]);
        let body = json!({"input": "2 + 2?", "background": true, "tools": tools});
        let stream = server.stream(body).await.sound();
        let last = stream.last();
        let id = last["id"].as_str().unwrap();
        assert_eq!(server.get(&format!("/v1/responses/{id}")).await.ok(), last, "{script:?}");
        let whole = server.request(Method::GET, &format!("/v1/responses/{id}?stream=true"));
        assert_eq!(Stream::of(whole.send().await.unwrap()).await.frames, stream.frames);
        for cut in 0..stream.frames.len() - 1 {
            let path = format!("/v1/responses/{id}?stream=true&starting_after={cut}");
            let rest = server.request(Method::GET, &path).send().await.unwrap();
            assert_eq!(Stream::of(rest).await.frames, stream.frames[cut + 1..], "cut at {cut}");
        }
    }
}

#[tokio::test]
async fn only_what_was_streamed_is_replayed() {
    let server = TestServer::scripted([says("Yes.")]).await;
    let response = server.respond(json!({"input": "?"})).await;
    let id = response["id"].as_str().unwrap();
    let refused = server.get(&format!("/v1/responses/{id}?stream=true")).await;
    assert_eq!(refused.error(), "400 stream invalid_value");
    let refused = server.get(&format!("/v1/responses/{id}?starting_after=1")).await;
    assert_eq!(refused.error(), "400 starting_after invalid_value");
}

#[tokio::test]
async fn deltas_are_padded_on_request() {
    let server = TestServer::scripted([says("It is 4.")]).await;
    let body = json!({"input": "?", "stream_options": {"include_obfuscation": true}});
    let stream = server.stream(body).await;
    let deltas: Vec<Value> = stream
        .frames
        .iter()
        .filter(|f| f.starts_with("event: response.output_text.delta"))
        .map(|f| serde_json::from_str(f.split_once("data: ").unwrap().1).unwrap())
        .collect();
    assert!(!deltas.is_empty());
    for delta in deltas {
        let text = delta["delta"].as_str().unwrap().len();
        let noise = delta["obfuscation"].as_str().unwrap().len();
        assert_eq!((text + noise) % 32, 0);
    }
}

#[tokio::test]
async fn a_deleted_response_is_gone() {
    let server = TestServer::scripted([says("Yes.")]).await;
    let response = server.respond(json!({"input": "?"})).await;
    let path = format!("/v1/responses/{}", response["id"].as_str().unwrap());
    assert_eq!(server.delete(&path).await.ok()["deleted"], true);
    assert_eq!(server.get(&path).await.error(), "404 - -");
    assert_eq!(server.delete(&path).await.error(), "404 - -");
    assert_eq!(server.get(&format!("{path}/input_items")).await.error(), "404 - -");
}

#[tokio::test]
async fn input_items_are_listed_in_pages() {
    let server = TestServer::scripted([says("Yes.")]).await;
    let input: Vec<Value> =
        (0..5).map(|n| json!({"role": "user", "content": format!("part {n}")})).collect();
    let response = server.respond(json!({"input": input})).await;
    let path = format!("/v1/responses/{}/input_items", response["id"].as_str().unwrap());
    let newest = server.get(&format!("{path}?limit=2")).await.ok();
    let texts = |page: &Value| -> Vec<String> {
        let items = page["data"].as_array().unwrap();
        items.iter().map(|i| i["content"][0]["text"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(texts(&newest), ["part 4", "part 3"]);
    assert_eq!(newest["has_more"], true);
    let after = newest["last_id"].as_str().unwrap();
    let rest = server.get(&format!("{path}?after={after}")).await.ok();
    assert_eq!(texts(&rest), ["part 2", "part 1", "part 0"]);
    assert_eq!(rest["has_more"], false);
    let oldest = server.get(&format!("{path}?order=asc&limit=1")).await.ok();
    assert_eq!(texts(&oldest), ["part 0"]);
    assert_eq!(server.get(&format!("{path}?limit=0")).await.error(), "400 limit invalid_value");
    let unknown = server.get(&format!("{path}?after=msg_none")).await;
    assert_eq!(unknown.error(), "400 after invalid_value");
}

/// What the model read, newest sample: `role: text` lines.
fn read_by(backend: &ScriptedBackend) -> Vec<String> {
    let last = backend.requests().pop().unwrap();
    let line = |message: &Message| match message {
        Message::System { text } => format!("system: {text}"),
        Message::Developer { text } => format!("developer: {text}"),
        Message::User { text } => format!("user: {text}"),
        Message::Assistant { reasoning, text, tool_calls } => {
            let calls: Vec<&str> = tool_calls.iter().map(|c| c.name.as_str()).collect();
            let thought = reasoning.as_deref().map(|r| format!("<{}> ", r.trim()));
            format!("assistant: {}{}{}", thought.unwrap_or_default(), text.trim(), calls.join(","))
        }
        Message::ToolResult { output, .. } => format!("tool: {output}"),
    };
    last.turns
        .iter()
        .map(|turn| match turn {
            Turn::Given(message) | Turn::Sampled { message, .. } => line(message),
            Turn::Shown { text, images } => format!("user: {text} [{} images]", images.len()),
            Turn::Returned { result, images } => {
                format!("{} [{} images]", line(result), images.len())
            }
        })
        .collect()
}

#[tokio::test]
async fn a_next_turn_reads_all_that_came_before() {
    let backend = Arc::new(ScriptedBackend::new([says("<think>\nhm\n</think>\n\nFour.")]));
    let server = Setup::with_backend(backend.clone()).start().await;
    let first = server.respond(json!({"input": "2 + 2?", "instructions": "Be brief."})).await;
    let second =
        server.respond(json!({"input": "Sure?", "previous_response_id": first["id"]})).await;
    assert_eq!(second["previous_response_id"], first["id"]);
    assert_eq!(second["instructions"], Value::Null);
    let _ = server.respond(json!({"input": "Really?", "previous_response_id": second["id"]})).await;
    assert_eq!(
        read_by(&backend),
        [
            "user: 2 + 2?",
            "assistant: <hm> Four.",
            "user: Sure?",
            "assistant: <hm> Four.",
            "user: Really?"
        ]
    );
    assert_eq!(backend.requests().pop().unwrap().instructions, None);
}

#[tokio::test]
async fn old_reasoning_is_left_out_on_request() {
    let backend = Arc::new(ScriptedBackend::new([says("<think>\nhm\n</think>\n\nFour.")]));
    let server = Setup::with_backend(backend.clone()).start().await;
    let first = server.respond(json!({"input": "2 + 2?"})).await;
    let body = json!({
        "input": "Sure?",
        "previous_response_id": first["id"],
        "reasoning": {"context": "current_turn"},
    });
    server.respond(body).await;
    assert_eq!(read_by(&backend), ["user: 2 + 2?", "assistant: Four.", "user: Sure?"]);
}

#[tokio::test]
async fn an_unknown_previous_response_is_named() {
    let server = TestServer::scripted([says("Yes.")]).await;
    for id in ["resp_0123456789", "nonsense"] {
        let body = json!({"model": "scripted", "input": "?", "previous_response_id": id});
        let refused = server.post("/v1/responses", body).await;
        assert_eq!(refused.error(), "400 previous_response_id previous_response_not_found");
    }
}

/// The AI SDK sends references where it has ids.
#[tokio::test]
async fn items_are_found_by_reference() {
    let backend = Arc::new(ScriptedBackend::new([says("<think>\nhm\n</think>\n\nFour.")]));
    let server = Setup::with_backend(backend.clone()).start().await;
    let first = server.respond(json!({"input": "2 + 2?"})).await;
    let mut input = vec![json!({"role": "user", "content": "2 + 2?"})];
    for item in first["output"].as_array().unwrap() {
        input.push(json!({"type": "item_reference", "id": item["id"]}));
    }
    input.push(json!({"role": "user", "content": "Sure?"}));
    server.respond(json!({"input": input})).await;
    assert_eq!(read_by(&backend), ["user: 2 + 2?", "assistant: <hm> Four.", "user: Sure?"]);
    let body = json!({"model": "scripted", "input": [{"type": "item_reference", "id": "msg_x"}]});
    assert_eq!(server.post("/v1/responses", body).await.error(), "400 input[0].id item_not_found");
}

/// Without a store, reasoning travels sealed; a changed or foreign seal is refused.
#[tokio::test]
async fn sealed_reasoning_comes_back_and_cannot_be_changed() {
    let backend = Arc::new(ScriptedBackend::new([says("<think>\nhm\n</think>\n\nFour.")]));
    let mut setup = Setup::with_backend(backend.clone());
    let mut other = setup.models[0].clone();
    other.id = "other".into();
    setup.models.push(other);
    let server = setup.start().await;
    let body = json!({
        "input": "2 + 2?", "store": false, "include": ["reasoning.encrypted_content"],
    });
    let stream = server.stream(body).await.sound();
    let first = stream.last();
    let id = first["id"].as_str().unwrap();
    assert_eq!(server.get(&format!("/v1/responses/{id}")).await.error(), "404 - -");
    let output = first["output"].as_array().unwrap().clone();
    let token = output[0]["encrypted_content"].as_str().unwrap().to_owned();
    assert!(!first.to_string().contains("hm"), "the reasoning is readable: {first}");

    let question = json!({"role": "user", "content": "2 + 2?"});
    let next = json!({"role": "user", "content": "Sure?"});
    let input = |token: &str| {
        let mut items = vec![question.clone()];
        items.extend(output.clone());
        items[1]["encrypted_content"] = json!(token);
        items[1]["content"] = Value::Null;
        items.push(next.clone());
        items
    };
    server.respond(json!({"input": input(&token), "store": false})).await;
    assert_eq!(read_by(&backend), ["user: 2 + 2?", "assistant: <hm> Four.", "user: Sure?"]);

    let changed = token.replacen(&token[60..61], if &token[60..61] == "A" { "B" } else { "A" }, 1);
    for (model, token) in [("scripted", changed), ("other", token)] {
        let body = json!({"model": model, "input": input(&token)});
        let refused = server.post("/v1/responses", body).await;
        assert_eq!(refused.error(), "400 input[1].encrypted_content invalid_encrypted_content");
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_stops_its_run() {
    let script = [Script::Hangs { text: "A long story that never ends".into(), after: 10 }];
    let server = TestServer::scripted(script).await;
    let body = json!({"model": "scripted", "input": "?", "stream": true});
    let request = server.request(Method::POST, "/v1/responses").json(&body);
    let frames = first_frames(request.send().await.unwrap(), 3).await;
    let created: Value = serde_json::from_str(frames[0].split_once("data: ").unwrap().1).unwrap();
    let id = created["response"]["id"].as_str().unwrap();
    let response = server.until(id, "cancelled").await;
    assert_eq!(response["incomplete_details"]["reason"], "cancelled");
}

#[tokio::test]
async fn python_runs_inside_the_response() {
    let mut setup = Setup::new([Script::runs("I compute.", "print(6 * 7)"), says("It is 42.")]);
    setup.tool_steps = vec![Step::Prints("42".into())];
    let server = setup.start().await;
    let body = json!({
        "input": "6 * 7?",
        "tools": [{"type": "code_interpreter", "container": {"type": "auto"}}],
    });
    let stream = server.stream(body).await.sound();
    let response = stream.last();
    let kinds: Vec<&str> = response["output"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["reasoning", "code_interpreter_call", "message"]);
    assert_eq!(response["output"][1]["outputs"][0]["logs"], "42");
    assert_eq!(response["tools"][0]["type"], "code_interpreter");
}

/// Without the tool in its request, a model gets none.
#[tokio::test]
async fn tools_are_offered_on_request_only() {
    let backend = Arc::new(ScriptedBackend::new([says("No tool here.")]));
    let server = Setup::with_backend(backend.clone()).start().await;
    server.respond(json!({"input": "?"})).await;
    assert!(backend.requests()[0].tools.is_empty());
}

#[tokio::test]
async fn a_function_call_is_handed_to_the_client_and_its_output_read() {
    let call = r#"<tool_call>
{"name": "weather", "arguments": {"city": "Oslo"}}
</tool_call>"#;
    let backend = Arc::new(ScriptedBackend::new([says(call)]));
    let server = Setup::with_backend(backend.clone()).start().await;
    let tools = json!([{
        "type": "function", "name": "weather", "description": "The weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"], "additionalProperties": false,
        },
        "strict": true,
    }]);
    let stream = server.stream(json!({"input": "Oslo?", "tools": tools})).await.sound();
    let first = stream.last();
    assert_eq!(first["status"], "completed");
    let call = &first["output"][0];
    assert_eq!((&call["type"], &call["name"]), (&json!("function_call"), &json!("weather")));
    assert_eq!(call["arguments"].as_str().unwrap().replace(' ', ""), r#"{"city":"Oslo"}"#);
    let output = json!([{
        "type": "function_call_output", "call_id": call["call_id"], "output": "rain",
    }]);
    let body = json!({"input": output, "tools": tools, "previous_response_id": first["id"]});
    server.respond(body).await;
    assert_eq!(read_by(&backend), ["user: Oslo?", "assistant: weather", "tool: rain"]);
}

#[tokio::test]
async fn tools_that_are_not_offered_are_named_in_a_header() {
    let server = TestServer::scripted([says("Yes.")]).await;
    let tools = json!([{"type": "web_search"}, {"type": "computer"}]);
    let body = json!({"model": "scripted", "input": "?", "tools": tools});
    let answer = server.post("/v1/responses", body).await;
    assert_eq!(answer.headers["x-ozone-ignored-tools"], "computer, web_search");
    assert_eq!(answer.ok()["tools"], tools);
}

/// A model that keeps failing fails its response; the stream still ends as it should.
#[tokio::test]
async fn a_failure_ends_the_stream_with_its_error() {
    let mut setup = Setup::new([Script::Unavailable { text: "x".into(), times: 99 }]);
    setup.limits.run.retries_max = 0;
    let server = setup.start().await;
    let stream = server.stream(json!({"input": "?"})).await.sound();
    let names = stream.names();
    assert_eq!(names[names.len() - 2..], ["error", "response.failed"]);
    assert_eq!(stream.last()["error"]["code"], "server_error");
}

#[tokio::test]
async fn a_prompt_beyond_the_context_is_a_bad_request() {
    let backend = ScriptedBackend::new([says("Yes.")]).with_context_window(10);
    let server = Setup::with(backend).start().await;
    let body = json!({"model": "scripted", "input": "far more than ten tokens"});
    let refused = server.post("/v1/responses", body).await;
    assert_eq!(refused.error(), "400 input context_length_exceeded");
}

#[tokio::test]
async fn each_mistake_names_its_parameter() {
    let server = TestServer::scripted([says("Yes.")]).await;
    let cases = [
        (json!({}), "400 model missing_required_parameter"),
        (json!({"model": "scripted"}), "400 input missing_required_parameter"),
        (json!({"model": 3, "input": "?"}), "400 model invalid_type"),
        (json!({"model": "gpt-9", "input": "?"}), "404 - model_not_found"),
        (json!({"input": 3}), "400 input invalid_type"),
        (json!({"input": [3]}), "400 input[0] invalid_type"),
        (json!({"input": [{"content": "x"}]}), "400 input[0].role missing_required_parameter"),
        (json!({"input": "?", "temperature": 2.5}), "400 temperature invalid_value"),
        (json!({"input": "?", "temperature": "hot"}), "400 temperature invalid_type"),
        (json!({"input": "?", "top_p": 1.5}), "400 top_p invalid_value"),
        (json!({"input": "?", "top_logprobs": 21}), "400 top_logprobs invalid_value"),
        (json!({"input": "?", "max_output_tokens": 0}), "400 max_output_tokens invalid_value"),
        (json!({"input": "?", "max_tool_calls": -1}), "400 max_tool_calls invalid_value"),
        (
            json!({"input": "?", "reasoning": {"effort": "huge"}}),
            "400 reasoning.effort invalid_value",
        ),
        (json!({"input": "?", "reasoning": {"mode": "best"}}), "400 reasoning.mode invalid_value"),
        (json!({"input": "?", "x_pro": {"n_max": 4}}), "400 x_pro invalid_value"),
        (
            json!({"input": "?", "reasoning": {"mode": "pro"}, "x_pro": {"n_max": 99}}),
            "400 x_pro.n_max invalid_value",
        ),
        (
            json!({"input": "?", "reasoning": {"mode": "pro"}, "temperature": 0}),
            "400 temperature invalid_value",
        ),
        (json!({"input": "?", "reasoning": "high"}), "400 reasoning invalid_type"),
        (json!({"input": "?", "include": ["everything"]}), "400 include invalid_value"),
        (json!({"input": "?", "truncation": "some"}), "400 truncation invalid_value"),
        (json!({"input": "?", "service_tier": "gold"}), "400 service_tier invalid_value"),
        (json!({"input": "?", "background": true, "store": false}), "400 background invalid_value"),
        (json!({"input": "?", "stream_options": {}}), "400 stream_options invalid_value"),
        (json!({"input": "?", "metadata": {"a": 1}}), "400 metadata.a invalid_value"),
        (json!({"input": "?", "prompt": {"id": "p"}}), "400 prompt unsupported_parameter"),
        (
            json!({"input": "?", "presence_penalty": 1}),
            "400 presence_penalty unsupported_parameter",
        ),
        (
            json!({"input": "?", "text": {"format": {"type": "xml"}}}),
            "400 text.format.type invalid_value",
        ),
        (
            json!({"input": "?", "text": {"format": {"type": "json_schema", "name": "x"}}}),
            "400 text.format.schema missing_required_parameter",
        ),
        (json!({"input": "?", "tool_choice": "maybe"}), "400 tool_choice invalid_value"),
        (json!({"input": "?", "tools": [{}]}), "400 tools[0].type missing_required_parameter"),
        (
            json!({"input": "?", "tools": [{"type": "code_interpreter"}]}),
            "400 tools[0].container missing_required_parameter",
        ),
        (
            json!({"input": "?", "tools": [{"type": "code_interpreter", "container": "cntr_x"}]}),
            "400 tools[0].container container_not_found",
        ),
        (
            json!({"input": "?", "conversation": "conv_1", "previous_response_id": "resp_1"}),
            "400 previous_response_id mutually_exclusive_parameters",
        ),
        (json!({"input": "?", "conversation": "conv_1"}), "404 - -"),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_file", "file_url": "file:///etc/passwd"}]}]}),
            "400 input[0].content[0].file_url invalid_file_url",
        ),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "file-1"}]}]}),
            "400 input[0].content[0].file_id file_not_found",
        ),
    ];
    for (mut body, expected) in cases {
        if body.get("model").is_none() && body.get("input").is_some() {
            body["model"] = json!("scripted");
        }
        let answer = server.post("/v1/responses", body.clone()).await;
        assert_eq!(answer.error(), expected, "{body}");
    }
}

#[tokio::test]
async fn what_is_no_json_is_refused_in_the_same_shape() {
    let server = TestServer::scripted([says("Yes.")]).await;
    let request = server.request(Method::POST, "/v1/responses").body("{\"model\": ");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 400);
    assert!(response.headers().contains_key("x-request-id"));
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["type"], "invalid_request_error");
    assert_eq!(server.get("/v1/nothing").await.error(), "404 - unknown_url");
    let beta = server.post("/v1/responses?beta=true", json!({"model": "scripted"})).await;
    assert_eq!(beta.error(), "400 beta unsupported_beta");
}

#[tokio::test]
async fn a_file_sent_inline_is_read_by_the_model() {
    let backend = Arc::new(ScriptedBackend::new([says("Seen.")]));
    let server = Setup::with_backend(backend.clone()).start().await;
    let part = json!({
        "type": "input_file", "filename": "a.txt", "file_data": "data:text/plain;base64,aGVsbG8=",
    });
    server.respond(json!({"input": [{"role": "user", "content": [part]}]})).await;
    assert_eq!(read_by(&backend), ["user: <file name=\"a.txt\">\nhello\n</file>"]);
}
