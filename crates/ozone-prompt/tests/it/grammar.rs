use std::sync::Arc;

use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use ozone_prompt::{
    AnswerCalls, AnswerShape, Format, StreamParser, Tokenizer, ToolSpec, answer_grammar,
    call_grammar,
};
use serde_json::{Value, json};

use crate::support::*;

/// A byte for a token, then the special ones, then an end of stream.
fn environment(vocabulary: &Bytes) -> TokEnv {
    let mut words: Vec<Vec<u8>> = (0..=255_u8).map(|byte| vec![byte]).collect();
    for token in vocabulary.special_tokens() {
        words.push([&[TokTrie::SPECIAL_TOKEN_MARKER], token.text.as_bytes()].concat());
    }
    words.push([&[TokTrie::SPECIAL_TOKEN_MARKER], "<eos>".as_bytes()].concat());
    let info = TokRxInfo::new(words.len() as u32, words.len() as u32 - 1);
    Arc::new(ApproximateTokEnv::new(TokTrie::from(&info, &words)))
}

/// How many of these tokens the grammar takes, and whether it is complete then.
pub fn run(lark: &str, vocabulary: &Bytes, ids: &[u32]) -> (usize, bool) {
    let environment = environment(vocabulary);
    let mut factory = ParserFactory::new_simple(&environment).unwrap();
    factory.quiet();
    take(&factory, TopLevelGrammar::from_lark(lark.to_owned()), ids)
}

/// The same for any grammar.
pub fn take(factory: &ParserFactory, grammar: TopLevelGrammar, ids: &[u32]) -> (usize, bool) {
    let mut matcher = Matcher::new(factory.create_parser(grammar));
    assert!(!matcher.is_error(), "{:?}", matcher.get_error());
    let mut taken = 0;
    for id in ids {
        if matcher.is_stopped() || matcher.validate_tokens(&[*id]).unwrap() == 0 {
            break;
        }
        matcher.consume_token(*id).unwrap();
        taken += 1;
    }
    (taken, matcher.is_stopped() || matcher.is_accepting().unwrap())
}

pub fn accepts(format: Format, tools: &[ToolSpec], vocabulary: &Bytes, text: &str) -> bool {
    let grammar = call_grammar(format, tools, Some(vocabulary)).unwrap();
    let ids = vocabulary.encode(text, true);
    let by_tokens = run(&grammar.lark, vocabulary, &ids) == (ids.len(), true);
    // And where the same tags are plain characters.
    let plain = Bytes::new(&[], &[]);
    let grammar = call_grammar(format, tools, Some(&plain)).unwrap();
    let ids = plain.encode(text, true);
    assert_eq!(run(&grammar.lark, &plain, &ids) == (ids.len(), true), by_tokens, "{text}");
    by_tokens
}

#[test]
fn hermes_calls_are_constrained_to_offered_tools_and_their_schemas() {
    let vocabulary = Bytes::qwen();
    let ok = |text: &str| accepts(Format::HermesQwen, &tools(), &vocabulary, text);
    assert!(ok(
        "\n{\"name\": \"python\", \"arguments\": {\"code\": \"print(\\\"é\\\")\\n\"}}\n</tool_call>"
    ));
    assert!(ok("{\"name\":\"python\",\"arguments\":{\"code\":\"1\"}}</tool_call>"));
    assert!(ok(
        "\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Ulm\", \"days\": 2, \"unit\": \"kelvin\"}}\n</tool_call>"
    ));
    assert!(ok("\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Ulm\"}}\n</tool_call>"));
    for wrong in [
        "\n{\"name\": \"rm\", \"arguments\": {}}\n</tool_call>",
        "\n{\"name\": \"python\", \"arguments\": {}}\n</tool_call>",
        "\n{\"name\": \"python\", \"arguments\": {\"code\": 1}}\n</tool_call>",
        "\n{\"name\": \"python\", \"arguments\": {\"code\": \"1\", \"more\": 2}}\n</tool_call>",
        "\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Ulm\", \"unit\": \"miles\"}}\n</tool_call>",
        "\n{\"name\": \"python\", \"arguments\": {\"code\": \"a\nb\"}}\n</tool_call>",
        "\n{\"name\": \"python\", \"arguments\": {\"code\": \"1\"}}\n",
        "\n\n\n{\"name\": \"python\", \"arguments\": {\"code\": \"1\"}}\n</tool_call>",
        "Hello</tool_call>",
    ] {
        assert!(!ok(wrong), "{wrong}");
    }
}

#[test]
fn a_model_that_writes_xml_may() {
    let vocabulary = Bytes::qwen();
    let ok = |text: &str| accepts(Format::HermesQwen, &tools(), &vocabulary, text);
    assert!(ok(
        "\n<function=python>\n<parameter=code>\nif a < 2:\n\tb()\n</parameter>\n</function>\n</tool_call>"
    ));
    assert!(ok(
        "\n<function=get_weather>\n<parameter=city>\nUlm\n</parameter>\n<parameter=unit>\nkelvin\n</parameter>\n</function>\n</tool_call>"
    ));
    assert!(!ok("\n<function=python>\n</function>\n</tool_call>"));
    assert!(!ok("\n<function=rm>\n<parameter=code>\n1\n</parameter>\n</function>\n</tool_call>"));
    assert!(!ok(
        "\n<function=python>\n<parameter=city>\n1\n</parameter>\n</function>\n</tool_call>"
    ));
}

#[test]
fn deep_seek_calls_are_constrained_in_both_of_their_forms() {
    let vocabulary = Bytes::deep_seek();
    let ok = |text: &str| accepts(Format::DeepSeekR1, &tools(), &vocabulary, text);
    assert!(ok("function<｜tool▁sep｜>python\n```json\n{\"code\": \"1\"}\n```<｜tool▁call▁end｜>"));
    assert!(ok("get_weather<｜tool▁sep｜>{\"city\": \"Ulm\"}<｜tool▁call▁end｜>"));
    assert!(!ok("function<｜tool▁sep｜>rm\n```json\n{\"code\": \"1\"}\n```<｜tool▁call▁end｜>"));
    assert!(!ok(
        "function<｜tool▁sep｜>python\n```json\n{\"city\": \"1\"}\n```<｜tool▁call▁end｜>"
    ));
}

#[test]
fn harmony_calls_are_constrained_wherever_the_recipient_stands() {
    let vocabulary = Bytes::harmony();
    let ok = |text: &str| accepts(Format::Harmony, &tools(), &vocabulary, text);
    assert!(ok("python <|constrain|>json<|message|>{\"code\":\"1\"}<|call|>"));
    assert!(ok("python<|channel|>commentary <|constrain|>json<|message|>{\"code\":\"1\"}<|call|>"));
    assert!(ok("python<|channel|>commentary json<|message|>{\"code\": \"1\"}<|call|>"));
    assert!(ok("get_weather<|message|>{\"city\":\"Ulm\"}<|call|>"));
    assert!(!ok("rm<|message|>{}<|call|>"));
    assert!(!ok("python <|constrain|>json<|message|>print(1)<|call|>"));
}

#[test]
fn the_trigger_is_what_the_format_opens_a_call_with() {
    let vocabulary = Bytes::qwen();
    let grammar = call_grammar(Format::HermesQwen, &tools(), Some(&vocabulary)).unwrap();
    assert_eq!(grammar.trigger, "<tool_call>");
    assert_eq!(grammar.trigger_token, Some(vocabulary.id("<tool_call>")));
    let mut dotted = python();
    dotted.name = "browser.open".into();
    assert_eq!(call_grammar(Format::Harmony, &[dotted], None), None);
    let plain = call_grammar(Format::Plain, &tools(), None).unwrap();
    assert_eq!(plain.trigger_token, None);
    assert_eq!(call_grammar(Format::HermesQwen, &[], None), None);
}

/// Whatever the grammar allows, the parser reads as a call that can run.
#[test]
fn what_the_grammar_allows_the_parser_understands() {
    for (format, before, call) in [
        (
            Format::HermesQwen,
            "<tool_call>",
            "{\"name\":\"python\",\"arguments\":{\"code\":\"\\u0007\"}}</tool_call>",
        ),
        (
            Format::DeepSeekR1,
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>",
            "python<｜tool▁sep｜>{\"code\": \"1\"}<｜tool▁call▁end｜>",
        ),
        (
            Format::Harmony,
            "<|start|>assistant to=functions.",
            "python<|message|>{\"code\":\"1\"}<|call|>",
        ),
    ] {
        let vocabulary = Bytes::new(&[], &[]);
        assert!(accepts(format, &tools(), &vocabulary, call), "{call}");
        let parsed = StreamParser::parse(format, &tools(), false, &format!("{before}{call}"));
        assert_eq!(parsed.tool_calls().count(), 1, "{call}");
    }
}

/// Names and schemas of strangers' tools: none may break the grammar of the others.
#[test]
fn unusual_tools_still_give_a_grammar() {
    let tool = |name: &str, parameters: serde_json::Value| ToolSpec {
        name: name.into(),
        description: String::new(),
        parameters,
        grammar: None,
    };
    let odd = [
        tool("mcp__tiny.echo/\"x\"-ü", json!({})),
        tool("empty", json!({"type": "object", "properties": {}})),
        tool("null", json!(null)),
        tool("text", json!("not a schema")),
        tool(
            "deep",
            json!({
                "type": "object",
                "properties": {
                    "list": {"type": "array", "items": {"$ref": "#/$defs/item"}, "minItems": 1},
                    "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                    "odd": {"type": "string", "contentEncoding": "base64", "x-unknown": 1},
                },
                "required": ["list"],
                "$defs": {"item": {"type": "object", "properties": {"n": {"type": "number"}}}},
            }),
        ),
        tool("python", python().parameters),
    ];
    let vocabulary = Bytes::qwen();
    let ok = |text: &str| accepts(Format::HermesQwen, &odd, &vocabulary, text);
    assert!(ok("\n{\"name\": \"mcp__tiny.echo/\\\"x\\\"-ü\", \"arguments\": {}}\n</tool_call>"));
    assert!(ok("\n{\"name\": \"null\", \"arguments\": {\"a\": [1, 2]}}\n</tool_call>"));
    assert!(ok(
        "\n{\"name\": \"deep\", \"arguments\": {\"list\": [{\"n\": 1.5}], \"either\": null}}\n</tool_call>"
    ));
    assert!(!ok("\n{\"name\": \"deep\", \"arguments\": {\"list\": []}}\n</tool_call>"));
    assert!(ok("\n{\"name\": \"python\", \"arguments\": {\"code\": \"1\"}}\n</tool_call>"));
}

/// Whether each text is an answer of this shape.
fn check_answers(
    format: Format,
    vocabulary: &Bytes,
    shape: &AnswerShape<'_>,
    open: bool,
    right: &[&str],
    wrong: &[&str],
) {
    let grammar = answer_grammar(format, &tools(), shape, open, vocabulary).unwrap();
    for (texts, fit) in [(right, true), (wrong, false)] {
        for text in texts {
            let ids = vocabulary.encode(text, true);
            assert_eq!(
                run(&grammar, vocabulary, &ids) == (ids.len(), true),
                fit,
                "{text}\n{grammar}"
            );
        }
    }
}

const ANY: AnswerShape<'_> =
    AnswerShape { calls: AnswerCalls::Auto, parallel_calls: true, text: None };

fn verdict() -> Value {
    json!({
        "type": "object",
        "properties": {"prime": {"type": "boolean"}},
        "required": ["prime"],
        "additionalProperties": false,
    })
}

const CODE: &str =
    "<tool_call>\n{\"name\": \"python\", \"arguments\": {\"code\": \"1\"}}\n</tool_call>";
const CITY: &str =
    "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Ulm\"}}\n</tool_call>";

#[test]
fn a_structured_answer_is_json_or_calls_behind_free_thoughts() {
    let (vocabulary, schema) = (Bytes::qwen(), verdict());
    let shape = AnswerShape { text: Some(&schema), ..ANY };
    let thought = "<think>Is it? {}</think>\n\n{\"prime\": true}";
    check_answers(
        Format::HermesQwen,
        &vocabulary,
        &shape,
        false,
        &["{\"prime\": true}", "{\"prime\":false}", thought, CODE, &format!("{CODE}\n{CITY}")],
        &[
            "Yes.",
            "{\"prime\": 1}",
            "{}",
            "{\"prime\": true} indeed",
            "<think>Is it?",
            "",
            "Well: <tool_call>",
        ],
    );
    // The prompt has opened the thought.
    check_answers(
        Format::HermesQwen,
        &vocabulary,
        &shape,
        true,
        &["Let me see.</think>\n\n{\"prime\": true}", "</think>{\"prime\": true}"],
        &["{\"prime\": true}"],
    );
    let none = AnswerShape { calls: AnswerCalls::None, ..shape };
    check_answers(Format::HermesQwen, &vocabulary, &none, false, &["{\"prime\": true}"], &[CODE]);
}

#[test]
fn a_call_that_is_due_is_made() {
    let vocabulary = Bytes::qwen();
    let two = format!("{CODE}\n{CITY}");
    let thought = format!("<think>\nI compute.\n</think>\n\n{CODE}");
    let required = AnswerShape { calls: AnswerCalls::Required, ..ANY };
    let check = |shape: &AnswerShape<'_>, right: &[&str], wrong: &[&str]| {
        check_answers(Format::HermesQwen, &vocabulary, shape, false, right, wrong);
    };
    check(&required, &[CODE, CITY, &two, &thought], &["It is 4.", "", &format!("So: {CODE}")]);
    let one = AnswerShape { parallel_calls: false, ..required };
    check(&one, &[CODE, &thought], &[&two]);
    let named = AnswerShape { calls: AnswerCalls::Named("get_weather"), ..ANY };
    check(&named, &[CITY], &[CODE, &two]);
    // Where nothing is due, text may stand before the one call.
    let single = AnswerShape { parallel_calls: false, ..ANY };
    check(&single, &["It is 4.", &format!("So: {CODE}"), CODE], &[&two, &format!("{CODE} So.")]);
    let missing = AnswerShape { calls: AnswerCalls::Named("rm"), ..ANY };
    assert_eq!(answer_grammar(Format::HermesQwen, &tools(), &missing, false, &vocabulary), None);
    assert!(ANY.is_free() && !required.is_free());
}

#[test]
fn answers_of_other_formats_are_shaped_too() {
    let schema = verdict();
    let text = AnswerShape { text: Some(&schema), ..ANY };
    let required = AnswerShape { calls: AnswerCalls::Required, ..ANY };
    let harmony = Bytes::harmony();
    let call = "<|channel|>commentary to=functions.python <|constrain|>json<|message|>{\"code\": \"1\"}<|call|>";
    let role = " to=functions.python<|channel|>commentary <|constrain|>json<|message|>{\"code\": \"1\"}<|call|>";
    let thought = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant";
    let said = "<|channel|>final<|message|>{\"prime\": true}";
    check_answers(
        Format::Harmony,
        &harmony,
        &text,
        false,
        &[said, call, role, &format!("{thought}{said}"), &format!("{thought}{call}")],
        &["<|channel|>final<|message|>Yes.", thought, "{\"prime\": true}"],
    );
    check_answers(Format::Harmony, &harmony, &required, false, &[call, role], &[said]);
    let deep_seek = Bytes::deep_seek();
    let call = "<｜tool▁call▁begin｜>function<｜tool▁sep｜>python\n```json\n{\"code\": \"1\"}\n```<｜tool▁call▁end｜>";
    let calls = format!("<｜tool▁calls▁begin｜>{call}\n{call}<｜tool▁calls▁end｜>");
    check_answers(
        Format::DeepSeekR1,
        &deep_seek,
        &text,
        true,
        &["Hm.</think>\n\n{\"prime\": true}", &format!("</think>{calls}")],
        &["Hm.</think>\n\nYes.", call],
    );
    // Tags that are no tokens cannot be told from text.
    let plain = Bytes::new(&[], &[]);
    assert_eq!(answer_grammar(Format::HermesQwen, &tools(), &required, false, &plain), None);
    assert!(answer_grammar(Format::Plain, &[], &text, false, &plain).is_some());
}
