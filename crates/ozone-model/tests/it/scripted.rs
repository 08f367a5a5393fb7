//! The scripted backend keeps the contract that the loop's tests rely on.

use ozone_model::{Script, ScriptedBackend};

use crate::conformance;

#[tokio::test]
async fn the_script_is_a_model() {
    let script = [
        Script::says("<think>\nLet me see.\n</think>\n\nTwelve bytes are few, and this is more."),
        Script::says("Good."),
    ];
    let backend = ScriptedBackend::new(script).with_context_window(10_000);
    conformance::check_all(&backend).await;
}

#[tokio::test]
async fn thinking_is_held_to_its_limit() {
    let thought = "Let me see. ".repeat(40);
    let script = Script::says(format!("<think>\n{thought}\n</think>\n\nIt is 4."));
    let backend = ScriptedBackend::new([script]);
    conformance::check_thinking(&backend, &conformance::ask("think", "2 + 2?", 1000), 0).await;
    let limited = conformance::ask("short", "2 + 2?", 1000);
    let limited = ozone_model::SampleRequest { thinking_tokens_max: Some(3), ..limited };
    let sampled = conformance::sample(&backend, &limited).await.unwrap();
    let ozone_prompt::Message::Assistant { reasoning, text, .. } = sampled.sample.message else {
        panic!("not an assistant's message");
    };
    assert_eq!((reasoning.as_deref(), text.as_str()), (Some("Let"), "It is 4."));
}

#[tokio::test]
async fn a_call_is_read_from_the_script() {
    let backend = ScriptedBackend::new([Script::runs("I compute.", "print(1)")]);
    let request = conformance::ask("call", "Compute.", 1000);
    let sampled = conformance::sample(&backend, &request).await.unwrap();
    let ozone_prompt::Message::Assistant { tool_calls, .. } = sampled.sample.message else {
        panic!("not an assistant's message");
    };
    assert_eq!(tool_calls[0].arguments, r#"{"code":"print(1)"}"#);
}
