//! The upstream backend in front of servers that answer: what they are asked, and what comes out.

use std::sync::Arc;

use ozone_model::upstream::{Api, OneOrMany, ReasoningField, UpstreamBackend, UpstreamConfig};
use ozone_model::{Calls, Image, ModelBackend, ModelError, SampleRequest, Sampling, Stop, Turn};
use ozone_prompt::{Delta, Effort, Message, ToolCall};
use serde_json::{Value, json};

use crate::conformance::{self, Sampled, ask, sample};
use crate::upstream_dialogs::{self as dialogs, answer, chunk, delta, end};
use crate::upstream_fake::{Fake, Play};

pub fn config(url: &str) -> UpstreamConfig {
    let mut config = UpstreamConfig::new(url, Api::Chat, "the-model", 10_000);
    config.limits.pause_ms = 1;
    config
}

pub fn backend(config: UpstreamConfig) -> UpstreamBackend {
    UpstreamBackend::new("o3", config, |_| None).unwrap()
}

/// What one question gets from a server that always plays this.
async fn plays(play: Play) -> Sampled {
    let fake = Fake::always(play).await;
    sample(&backend(config(&fake.url)), &ask("k", "What is 6*7?", 100)).await.unwrap()
}

/// One line for each part, and one for the counts.
pub fn show(sampled: &Sampled) -> String {
    let sample = &sampled.sample;
    let Message::Assistant { reasoning, text, tool_calls } = &sample.message else {
        panic!("not an assistant's message");
    };
    let mut lines = vec![];
    lines.extend(reasoning.iter().map(|thought| format!("think {thought}")));
    if !text.is_empty() {
        lines.push(format!("say {text}"));
    }
    lines.extend(tool_calls.iter().map(|c| format!("call {} {} {}", c.id, c.name, c.arguments)));
    lines.extend(sample.problems.iter().map(|p| format!("problem {:?} {}", p.index, p.message)));
    let usage = &sample.usage;
    lines.push(format!(
        "{:?} {}({}) {}({}){}",
        sample.stop,
        usage.input_tokens,
        usage.input_tokens_details.cached_tokens,
        usage.output_tokens,
        usage.output_tokens_details.reasoning_tokens,
        if sample.usage_estimated { " estimated" } else { "" }
    ));
    lines.join("\n")
}

#[tokio::test]
async fn vllm_thinks_and_calls() {
    let sampled = plays(Play::says(dialogs::VLLM)).await;
    assert_eq!(
        show(&sampled),
        "think I should compute é.\n\
         call chatcmpl-tool-a python {\"code\": \"print(1)\"}\n\
         EndOfTurn 40(32) 30(15)"
    );
}

#[tokio::test]
async fn llama_server_thinks_and_answers() {
    let sampled = plays(Play::says(dialogs::LLAMA_SERVER)).await;
    assert_eq!(show(&sampled), "think Two and two.\nsay It is **4**.\nEndOfTurn 20(16) 12(6)");
    // As it came in, but for white space that may yet be the last.
    let text = |text: &str| Delta::Text(text.into());
    let thought = Delta::Reasoning("Two and two.".into());
    assert_eq!(sampled.deltas, [thought, text("It is"), text(" **4**.")]);
}

#[tokio::test]
async fn ollamas_calls_are_two_though_both_have_index_0() {
    let sampled = plays(Play::says(dialogs::OLLAMA)).await;
    assert_eq!(
        show(&sampled),
        "think Both.\n\
         call call_one python {\"code\":\"1\"}\n\
         call call_two python {\"code\":\"2\"}\n\
         EndOfTurn 50(0) 25(4)"
    );
}

#[tokio::test]
async fn openais_responses_are_read() {
    let fake = Fake::always(Play::says(dialogs::RESPONSES)).await;
    let config = UpstreamConfig { api: Api::Responses, ..config(&fake.url) };
    let sampled = sample(&backend(config), &ask("k", "What is 6*7?", 100)).await.unwrap();
    assert_eq!(
        show(&sampled),
        "think **Planning**\n\n**Computing**\n\
         say Let me compute.\n\
         call call_abc python {\"code\":\"6*7\"}\n\
         EndOfTurn 100(64) 90(70)"
    );
    assert!(fake.seen()[0].head.starts_with("post /v1/responses "));
}

/// OpenAI wants its encrypted reasoning back beside the call that it led to.
#[tokio::test]
async fn encrypted_reasoning_goes_back_until_the_conversation_is_released() {
    let fake = Fake::always(Play::says(dialogs::RESPONSES)).await;
    let backend = backend(UpstreamConfig { api: Api::Responses, ..config(&fake.url) });
    let mut request = ask("k", "What is 6*7?", 100);
    let first = sample(&backend, &request).await.unwrap();
    request.turns.push(Turn::Sampled { ids: vec![], message: first.sample.message });
    request.turns.push(Turn::Given(Message::ToolResult {
        call_id: "call_abc".into(),
        name: "python".into(),
        output: "42".into(),
    }));
    sample(&backend, &request).await.unwrap();
    backend.release("k");
    sample(&backend, &request).await.unwrap();
    let kinds = |n: usize| -> Vec<String> {
        let body = fake.seen()[n].body.clone();
        let items = body["input"].as_array().unwrap().iter();
        items.map(|item| item["type"].as_str().unwrap().to_owned()).collect()
    };
    let whole = ["message", "reasoning", "message", "function_call", "function_call_output"];
    assert_eq!(kinds(1), whole);
    let seen = fake.seen();
    assert_eq!(seen[1].body["input"][1]["encrypted_content"], "gAAAB");
    assert_eq!(
        seen[1].body["input"][4],
        json!({
            "type": "function_call_output", "call_id": "call_abc", "output": "42",
        })
    );
    assert_eq!(kinds(2), whole);
    assert_eq!(seen[2].body["input"][1]["encrypted_content"], Value::Null);
}

/// A server that streams no deltas, and one that streams only the beginning, say the same.
#[tokio::test]
async fn items_complete_what_their_deltas_left_out() {
    let events: Vec<&str> = dialogs::RESPONSES.split_inclusive("\n\n").collect();
    let last = events.last().unwrap().to_string();
    let dropped = [9, 13, 14, 15].map(|n| format!("\"sequence_number\":{n},"));
    let is_kept = |event: &&&str| !dropped.iter().any(|part| event.contains(part.as_str()));
    let partly: String = events.iter().filter(is_kept).copied().collect();
    assert!(partly.len() < dialogs::RESPONSES.len() - 500 && partly.ends_with(&last));
    for body in [last, partly] {
        let fake = Fake::always(Play::says(body)).await;
        let config = UpstreamConfig { api: Api::Responses, ..config(&fake.url) };
        let sampled = sample(&backend(config), &ask("k", "What is 6*7?", 100)).await.unwrap();
        assert_eq!(
            show(&sampled),
            "think **Planning**\n\n**Computing**\n\
             say Let me compute.\n\
             call call_abc python {\"code\":\"6*7\"}\n\
             EndOfTurn 100(64) 90(70)"
        );
    }
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_read_whole() {
    let body = json!({"choices": [{"index": 0, "finish_reason": "stop", "message": {
        "role": "assistant", "content": "42", "reasoning_content": "Easy.",
    }}], "usage": {"prompt_tokens": 5, "completion_tokens": 4}});
    let headers = "content-type: application/json\r\n".to_owned();
    let sampled = plays(Play::Status(200, headers, body.to_string())).await;
    assert_eq!(show(&sampled), "think Easy.\nsay 42\nEndOfTurn 5(0) 4(3)");
}

/// Servers without a parser for the model leave its syntax in the text.
#[tokio::test]
async fn calls_and_thoughts_left_in_the_text_are_found() {
    let call = r#"{"name": "python", "arguments": {"code": "6*7"}}"#;
    let texts = [
        format!("<think>\nHm.\n</think>\n\n<tool_call>\n{call}\n</tool_call>"),
        format!(
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary \
             to=functions.python <|constrain|>json<|message|>{}<|call|>",
            r#"{"code": "6*7"}"#
        ),
        format!("<think>Hm.</think>[TOOL_CALLS][{call}]"),
        format!("<think>Hm.</think>```json\n{call}\n```"),
        "<think>Hm.</think><｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>python\n\
         ```json\n{\"code\": \"6*7\"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
            .to_owned(),
    ];
    for text in texts {
        let cut = text.char_indices().nth(7).unwrap().0;
        let pieces = [chunk(&text[..cut]), chunk(&text[cut..]), end("stop", 9, 30)];
        let sampled = plays(Play::says(pieces.concat())).await;
        let shown = show(&sampled);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "think Hm.", "{text}");
        assert!(lines[1].starts_with("call call_0_0 python {"), "{text}\n{shown}");
        let arguments = &lines[1]["call call_0_0 python ".len()..];
        let arguments: Value = serde_json::from_str(arguments).unwrap();
        assert_eq!(arguments, json!({"code": "6*7"}), "{text}");
        assert_eq!(lines.len(), 3, "{shown}");
    }
}

#[tokio::test]
async fn a_thought_that_the_template_opened_is_closed_in_the_text() {
    let fake = Fake::always(Play::says(answer("Hm, so.\n</think>\n\n42"))).await;
    let config = UpstreamConfig { thinking_open: true, ..config(&fake.url) };
    let sampled = sample(&backend(config), &ask("k", "?", 100)).await.unwrap();
    assert!(show(&sampled).starts_with("think Hm, so.\nsay 42\n"));
}

/// With words that the model can mend them by; the call must not run.
#[tokio::test]
async fn broken_arguments_are_a_problem_and_strange_ones_are_mended() {
    let call = |arguments: Value| {
        let call = json!({"index": 0, "id": "c", "function": {"name": "functions.python",
            "arguments": arguments}});
        format!("{}{}", delta(json!({"tool_calls": [call]})), end("tool_calls", 9, 9))
    };
    let cases = [
        (json!(r#"{"code": 1"#), "{\"code\": 1", "was not valid JSON: EOF"),
        (json!("print(1)"), "print(1)", "was not valid JSON"),
        (json!("[1]"), "[1]", "its arguments must be a JSON object"),
        (json!(""), "{}", ""),
        (json!("null"), "{}", ""),
        (json!(r#""{\"code\":\"1\"}""#), r#"{"code":"1"}"#, ""),
        (json!({"code": "1"}), r#"{"code":"1"}"#, ""),
    ];
    for (arguments, read, problem) in cases {
        let shown = show(&plays(Play::says(call(arguments))).await);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], format!("call c python {read}"));
        match problem {
            "" => assert_eq!(lines.len(), 2, "{shown}"),
            problem => {
                assert!(lines[1].starts_with("problem Some(0) Your call of `python`"), "{shown}");
                assert!(lines[1].contains(problem), "{shown}");
            }
        }
    }
}

#[tokio::test]
async fn an_answer_may_be_cut_by_its_limit_or_by_the_window() {
    let cut =
        |input, output| Play::says(format!("{}{}", chunk("Lon"), end("length", input, output)));
    assert_eq!(plays(cut(20, 100)).await.sample.stop, Stop::Length);
    assert_eq!(plays(cut(9_960, 40)).await.sample.stop, Stop::ContextFull);
    let call = json!({"index": 0, "id": "c", "function": {"name": "python",
        "arguments": "{\"code\": \"pri"}});
    let body = format!("{}{}", delta(json!({"tool_calls": [call]})), end("length", 20, 100));
    let sampled = plays(Play::says(body)).await;
    let problem = &sampled.sample.problems[0].message;
    assert_eq!(problem, "Your call of `python` was not run: it was cut off before its end.");
}

#[tokio::test]
async fn missing_usage_is_estimated_and_said_to_be() {
    let body = format!("{}data: [DONE]\n\n", chunk(&"word ".repeat(40)));
    let sampled = plays(Play::says(body)).await;
    assert!(sampled.sample.usage_estimated);
    let usage = sampled.sample.usage;
    assert!((40..=60).contains(&usage.output_tokens), "{usage:?}");
    assert!(usage.input_tokens >= 10, "{usage:?}");
}

#[tokio::test]
async fn logprobs_come_with_the_text() {
    use futures::StreamExt;
    let logprobs = json!({"content": [{"token": "4", "bytes": [52], "logprob": -0.5,
        "top_logprobs": [{"token": "4", "bytes": [52], "logprob": -0.5},
                         {"token": "5", "bytes": null, "logprob": -1.5}]}]});
    let chunk = json!({"choices": [{"index": 0, "delta": {"content": "4"}, "logprobs": logprobs}]});
    let fake = Fake::always(Play::says(format!("data: {chunk}\n\n{}", end("stop", 1, 1)))).await;
    let sampling = Sampling { top_logprobs: 2, ..Sampling::default() };
    let request = SampleRequest { sampling, ..ask("k", "?", 100) };
    let events: Vec<_> = backend(config(&fake.url)).sample(request).await.unwrap().collect().await;
    let tokens: Vec<_> = events
        .into_iter()
        .filter_map(|event| match event.unwrap() {
            ozone_model::SampleEvent::Chunk { logprobs, .. } => Some(logprobs),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(tokens.len(), 1);
    assert_eq!((&tokens[0].bytes[..], tokens[0].logprob), (&b"4"[..], -0.5));
    assert_eq!(tokens[0].top, [(b"4".to_vec(), -0.5), (b"5".to_vec(), -1.5)]);
    let body = &fake.seen()[0].body;
    assert_eq!((&body["logprobs"], &body["top_logprobs"]), (&json!(true), &json!(2)));
}

/// An upstream that is faster than its reader: pieces may be joined, and none is lost or told twice.
#[tokio::test]
async fn an_answer_that_is_read_slowly_stays_whole() {
    use futures::StreamExt;
    let said: Vec<String> = (0..300).map(|n| format!("{n};")).collect();
    let mut pieces: Vec<Vec<u8>> = said.iter().map(|text| chunk(text).into_bytes()).collect();
    pieces.push(end("stop", 1, 300).into_bytes());
    let fake = Fake::always(Play::Stream(pieces)).await;
    let mut stream = backend(config(&fake.url)).sample(ask("k", "?", 1000)).await.unwrap();
    let (mut text, mut finished) = (String::new(), 0);
    while let Some(event) = stream.next().await {
        match event.unwrap() {
            ozone_model::SampleEvent::Chunk { deltas, .. } => {
                text.extend(deltas.iter().map(Delta::text));
                tokio::task::yield_now().await;
            }
            ozone_model::SampleEvent::Finished(_) => finished += 1,
            ozone_model::SampleEvent::Started { .. } => {}
        }
    }
    assert_eq!((text, finished), (said.concat(), 1));
}

/// A conversation with everything in it.
fn conversation() -> SampleRequest {
    let mut request = ask("k", "What is in the picture?", 500);
    request.cache_key = Some("user 7".into());
    request.effort = Some(Effort::High);
    request.sampling = Sampling { temperature: 0.7, top_p: 0.9, seed: 1 << 40, ..request.sampling };
    request.turns.insert(0, Turn::Given(Message::Developer { text: "Be brief.".into() }));
    request.turns.push(Turn::Shown {
        text: "This one.".into(),
        images: vec![Image { media_type: "image/png".into(), bytes: Arc::from(&b"PNG"[..]) }],
    });
    let call = |id: &str, arguments: &str| ToolCall {
        id: id.into(),
        name: "python".into(),
        arguments: arguments.into(),
    };
    request.turns.push(Turn::Sampled {
        ids: vec![],
        message: Message::Assistant {
            reasoning: Some("I look.".into()),
            text: "Looking.".into(),
            tool_calls: vec![call("call_0_0", r#"{"code":"look()"}"#), call("call_0_1", "{bro")],
        },
    });
    for id in ["call_0_0", "call_0_1"] {
        request.turns.push(Turn::Given(Message::ToolResult {
            call_id: id.into(),
            name: "python".into(),
            output: format!("of {id}"),
        }));
    }
    request
}

#[tokio::test]
async fn a_conversation_becomes_chat_messages() {
    let fake = Fake::always(Play::says(answer("A cat."))).await;
    let mut config = UpstreamConfig { reads_images: Some(true), ..config(&fake.url) };
    config.api_key_env = Some("UPSTREAM_KEY".into());
    config.extra_body.insert("priority".into(), json!(1));
    let env = |name: &str| (name == "UPSTREAM_KEY").then(|| "sk-secret".to_owned());
    let backend = UpstreamBackend::new("o3", config, env).unwrap();
    sample(&backend, &conversation()).await.unwrap();
    let seen = &fake.seen()[0];
    assert!(seen.head.starts_with("post /v1/chat/completions http/1.1"));
    assert!(seen.head.contains("authorization: bearer sk-secret"));
    let mut body = seen.body.clone();
    let tools = body["tools"].take();
    assert_eq!(tools[0]["function"]["name"], "python");
    assert_eq!(tools[0]["function"]["parameters"]["required"], json!(["code"]));
    assert_eq!(
        body,
        json!({
            "model": "the-model",
            "messages": [
                {"role": "system", "content": "Answer well.\n\nBe brief."},
                {"role": "user", "content": "What is in the picture?"},
                {"role": "user", "content": [
                    {"type": "text", "text": "This one."},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,UE5H"}},
                ]},
                {"role": "assistant", "content": "Looking.", "reasoning_content": "I look.",
                 "tool_calls": [
                    {"id": "call_0_0", "type": "function",
                     "function": {"name": "python", "arguments": "{\"code\":\"look()\"}"}},
                    {"id": "call_0_1", "type": "function",
                     "function": {"name": "python", "arguments": "{\"not_a_json_object\":\"{bro\"}"}},
                ]},
                {"role": "tool", "tool_call_id": "call_0_0", "content": "of call_0_0"},
                {"role": "tool", "tool_call_id": "call_0_1", "content": "of call_0_1"},
            ],
            "stream": true,
            "stream_options": {"include_usage": true},
            "temperature": 0.7,
            "top_p": 0.9,
            "seed": 0,
            "max_tokens": 500,
            "reasoning_effort": "high",
            "prompt_cache_key": "user 7",
            "tools": null,
            "priority": 1,
        })
    );
}

#[tokio::test]
async fn a_conversation_becomes_response_items() {
    let fake = Fake::always(Play::says(dialogs::RESPONSES)).await;
    let api = Api::Responses;
    let config = UpstreamConfig { reads_images: Some(true), api, ..config(&fake.url) };
    sample(&backend(config), &conversation()).await.unwrap();
    let body = &fake.seen()[0].body;
    assert_eq!(body["instructions"], "Answer well.");
    assert_eq!(body["store"], false);
    assert_eq!(body["include"], json!(["reasoning.encrypted_content"]));
    assert_eq!(body["reasoning"], json!({"effort": "high", "summary": "auto"}));
    assert_eq!(body["max_output_tokens"], 500);
    assert_eq!(body["tools"][0]["name"], "python");
    let items = body["input"].as_array().unwrap();
    let kinds: Vec<_> = items
        .iter()
        .map(|item| {
            let role = item["role"].as_str().map(|role| format!(" {role}")).unwrap_or_default();
            format!("{}{role}", item["type"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "message developer",
            "message user",
            "message user",
            "reasoning",
            "message assistant",
            "function_call",
            "function_call",
            "function_call_output",
            "function_call_output"
        ]
    );
    assert_eq!(items[2]["content"][1]["image_url"], "data:image/png;base64,UE5H");
    assert_eq!(items[3]["content"][0]["text"], "I look.");
}

#[tokio::test]
async fn constraints_and_configuration_shape_the_request() {
    let fake = Fake::always(Play::says(answer("{}"))).await;
    let mut config = config(&fake.url);
    config.omit = vec!["temperature".into(), "stream_options".into()];
    config.reasoning_field = ReasoningField::None;
    let backend = backend(config);
    let mut request = ask("k", "?", 10_000);
    request.constraints.calls = Calls::Named("python".into());
    request.constraints.parallel_calls = false;
    request.constraints.text = Some(json!({
        "type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"],
        "additionalProperties": false,
    }));
    request.effort = Some(Effort::None);
    sample(&backend, &request).await.unwrap();
    let body = &fake.seen()[0].body;
    for absent in ["temperature", "stream_options", "max_tokens", "seed", "logprobs"] {
        assert_eq!(body.get(absent), None, "{absent}");
    }
    assert_eq!(body["tool_choice"], json!({"type": "function", "function": {"name": "python"}}));
    assert_eq!(body["parallel_tool_calls"], false);
    assert_eq!(body["response_format"]["json_schema"]["strict"], true);
    assert_eq!(body["reasoning_effort"], "none");
    assert_eq!(body["chat_template_kwargs"], json!({"enable_thinking": false}));
}

#[tokio::test]
async fn a_picture_for_a_model_that_reads_none_is_refused() {
    let fake = Fake::always(Play::says(answer("Nice."))).await;
    let refused = sample(&backend(config(&fake.url)), &conversation()).await;
    assert!(matches!(refused, Err(ModelError::InvalidRequest(_))), "{refused:?}");
    assert!(fake.seen().is_empty());
}

/// Finished answers leave their connections for the next one.
#[tokio::test]
async fn the_backend_keeps_the_contract() {
    let fake = Fake::start(|_, seen| {
        // A token is a word; the answer depends on the question alone.
        let content = seen.body["messages"][1]["content"].as_str().unwrap();
        let input = content.split_whitespace().count() as u64;
        if input >= 1000 {
            let message = format!(
                "This model's maximum context length is 1000 tokens. However, you requested {} \
                 tokens ({input} in the messages, 5 in the completion).",
                input + 5
            );
            return Play::refuses(400, &json!({"error": {"message": message}}).to_string());
        }
        let words = 14 + content.len() % 5;
        let limit = seen.body["max_tokens"].as_u64().unwrap();
        let said = limit.min(words as u64);
        let mut body = delta(json!({"reasoning_content": "Hm."}));
        for word in 1..said {
            body.push_str(&chunk(&format!("{content}-{word} ")));
        }
        body.push_str(&end(if said < words as u64 { "length" } else { "stop" }, input, said));
        Play::says(body)
    })
    .await;
    let config = UpstreamConfig { context_window: 1000, ..config(&fake.url) };
    conformance::check_without_ids(&backend(config)).await;
}

#[test]
fn bad_configurations_are_refused_in_words() {
    let refused = |config: UpstreamConfig| match UpstreamBackend::new("o3", config, |_| None) {
        Ok(_) => panic!("accepted"),
        Err(error) => error.to_string(),
    };
    let base = config("http://127.0.0.1:9/v1");
    let url = |url: &str| UpstreamConfig { base_url: OneOrMany::One(url.into()), ..base.clone() };
    assert!(refused(url("ftp://host/v1")).contains("must begin with `http://`"));
    assert!(refused(url("127.0.0.1:9")).contains("`base_url` is `127.0.0.1:9`"));
    let told = refused(url("http://me:hunter2@host/v1"));
    assert!(told.contains("api_key_env") && !told.contains("hunter2"), "{told}");
    let none = UpstreamConfig { base_url: OneOrMany::Many(vec![]), ..base.clone() };
    assert_eq!(refused(none), "the model has no `base_url`");
    let key = UpstreamConfig { api_key_env: Some("NOPE".into()), ..base.clone() };
    assert_eq!(refused(key), "the environment variable `NOPE` (`api_key_env`) is not set");
    let format = UpstreamConfig { format: Some("xml".into()), ..base };
    assert!(refused(format).contains("`format` is `xml`"));
}

#[test]
fn an_entry_of_the_configuration_file_is_read() {
    let config: UpstreamConfig = serde_json::from_value(json!({
        "id": "o3", "backend": "upstream", "base_urls": ["http://a/v1", "http://b/v1"],
        "api": "responses", "model": "m", "context_window": 131072,
        "reasoning_field": "reasoning", "limits": {"retries_max": 1},
    }))
    .unwrap();
    assert_eq!(config.base_url.as_slice(), ["http://a/v1", "http://b/v1"]);
    assert_eq!((config.api, config.reasoning_field), (Api::Responses, ReasoningField::Reasoning));
    assert_eq!((config.limits.retries_max, config.limits.failures_max), (1, 5));
}
