//! Custom tools with a grammar: whatever random weights would like to write, a call's input is a
//! text of it, in each format.

use std::sync::LazyLock;

use ozone_model::engine::{EngineOptions, KvType};
use ozone_model::synthetic::Shape;
use ozone_model::{Calls, Constraints, LocalBackend, SampleRequest, Sampling, Stop};
use ozone_prompt::{Format, InputGrammar, Message, ToolCall, ToolSpec};
use serde_json::{Value, json};

use crate::conformance::{ask, python, sample};

static CHATTY: LazyLock<tempfile::TempPath> = LazyLock::new(|| {
    let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    let template = include_str!("../../../ozone-tasks/src/chat_template.jinja");
    Shape { chat_template: Some(template.to_owned()), ..Shape::tiny() }.write(&path).unwrap();
    path
});

fn backend(format: Format) -> LocalBackend {
    let options = EngineOptions {
        context_tokens: 4096,
        cells: 8192,
        kv_type: KvType::F32,
        threads: Some(1),
        ..EngineOptions::default()
    };
    LocalBackend::load("tiny", &*CHATTY, options).unwrap().with_format(format)
}

fn custom(name: &str, grammar: InputGrammar) -> ToolSpec {
    ToolSpec {
        name: name.to_owned(),
        description: "Edits.".to_owned(),
        parameters: json!({
            "type": "object",
            "properties": {"input": {"type": "string"}},
            "required": ["input"],
            "additionalProperties": false
        }),
        grammar: Some(grammar),
    }
}

/// Lines of few letters, quotes and backslashes, then an end with all that JSON escapes.
fn edit() -> ToolSpec {
    let lark = "start: line{1,3} END\nline: /[aü\"\\\\]{0,3}/ NL\nNL: \"\\n\"\n\
                END: \"\\\\end\\t\\\"é😀\\\"\\u0001</tool_call>\"\n";
    custom("edit", InputGrammar::Lark(lark.to_owned()))
}

fn is_edit(input: &str) -> bool {
    let Some(lines) = input.strip_suffix("\\end\t\"é😀\"\u{1}</tool_call>") else {
        return false;
    };
    let lines: Vec<&str> = lines.split('\n').collect();
    let is_line = |line: &&str| {
        line.chars().count() <= 3 && line.chars().all(|c| matches!(c, 'a' | 'ü' | '"' | '\\'))
    };
    (2..=4).contains(&lines.len()) && lines[lines.len() - 1].is_empty() && lines.iter().all(is_line)
}

/// A few quoted words, one on each line.
fn find() -> ToolSpec {
    custom("find", InputGrammar::Regex("(\"[à-ö/]{1,2}\"\\n){1,2}\\\\".to_owned()))
}

fn is_find(input: &str) -> bool {
    let Some(words) = input.strip_suffix("\n\\") else { return false };
    let words: Vec<&str> = words.split('\n').collect();
    let is_word = |word: &&str| {
        let inside = word.strip_prefix('"').and_then(|word| word.strip_suffix('"'));
        inside.is_some_and(|word| {
            (1..=2).contains(&word.chars().count())
                && word.chars().all(|c| c == '/' || ('à'..='ö').contains(&c))
        })
    };
    (1..=2).contains(&words.len()) && words.iter().all(is_word)
}

/// The input of a call, which is all that it has.
fn input_of(call: &ToolCall) -> String {
    let arguments: Value = serde_json::from_str(&call.arguments).expect(&call.arguments);
    let Value::Object(arguments) = arguments else { panic!("{call:?}") };
    assert_eq!(arguments.keys().collect::<Vec<_>>(), ["input"]);
    arguments["input"].as_str().unwrap().to_owned()
}

fn check(call: &ToolCall) {
    match call.name.as_str() {
        "edit" => assert!(is_edit(&input_of(call)), "{call:?}"),
        "find" => assert!(is_find(&input_of(call)), "{call:?}"),
        "python" => {
            let arguments: Value = serde_json::from_str(&call.arguments).unwrap();
            assert!(arguments["code"].is_string(), "{call:?}");
        }
        other => panic!("there is no tool `{other}`"),
    }
}

fn hot(seed: u64, tools: Vec<ToolSpec>, question: &str) -> SampleRequest {
    let sampling = Sampling { temperature: 1.5, seed, ..Sampling::default() };
    SampleRequest { sampling, tools, ..ask(&format!("inputs {seed}"), question, 700) }
}

async fn calls_of(backend: &LocalBackend, request: &SampleRequest) -> (Vec<ToolCall>, Stop) {
    let sampled = sample(backend, request).await.unwrap();
    let Message::Assistant { tool_calls, .. } = sampled.sample.message else {
        panic!("not an assistant's message");
    };
    let stop = sampled.sample.stop;
    if stop == Stop::EndOfTurn {
        assert_eq!(sampled.sample.problems, []);
    }
    (tool_calls, stop)
}

/// What each format begins a call with, up to the name.
const FORMATS: [(Format, &str); 4] = [
    (Format::HermesQwen, "<tool_call>"),
    (Format::Plain, "<tool_call>"),
    (Format::DeepSeekR1, "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>"),
    (Format::Harmony, " to=functions."),
];

#[tokio::test]
async fn once_a_call_begins_its_input_is_a_text_of_the_grammar() {
    for (format, begun) in FORMATS {
        let backend = backend(format);
        let mut seen = [0; 2];
        for seed in 0..8 {
            let mut request = hot(seed, vec![edit(), find()], "Edit.");
            request.started = backend.engine().vocab().encode(begun, true);
            let (calls, stop) = calls_of(&backend, &request).await;
            let first = calls.first().expect("a call");
            // A call that the limit cut has no second one behind it.
            if stop == Stop::EndOfTurn || calls.len() > 1 {
                check(first);
                seen[usize::from(first.name == "find")] += 1;
            }
        }
        assert!(seen.iter().all(|n| *n > 0), "{format:?}: {seen:?}");
    }
}

/// A grammar of one text: its golden form in JSON, byte by byte.
#[tokio::test]
async fn an_input_is_written_as_json_writes_it() {
    let lark = r#"start: "say \"é😀\"\n" "\tC:\\x\u0000\u001f\u007f/" "</tool_call>{}""#;
    let once = custom("edit", InputGrammar::Lark(format!("{lark}\n")));
    for (format, begun) in FORMATS {
        let backend = backend(format);
        let mut request = hot(1, vec![once.clone()], "Edit.");
        request.started = backend.engine().vocab().encode(begun, true);
        let (calls, _) = calls_of(&backend, &request).await;
        let written = "\"say \\\"é😀\\\"\\n\\tC:\\\\x\\u0000\\u001f\u{7f}/</tool_call>{}\"";
        let spaced = format!("{{\"input\": {written}}}");
        let dense = format!("{{\"input\":{written}}}");
        let arguments = &calls[0].arguments;
        assert!([&spaced, &dense].contains(&arguments), "{arguments}\n{spaced}");
    }
}

#[tokio::test]
async fn mixed_tools_that_are_due_are_called_each_in_its_own_grammar() {
    let backend = backend(Format::HermesQwen);
    let mut seen = [0; 3];
    for seed in 0..16 {
        let (calls, parallel) = match seed % 4 {
            0 => (Calls::Named("edit".to_owned()), false),
            1 => (Calls::Named("find".to_owned()), true),
            2 => (Calls::Required, true),
            _ => (Calls::Required, false),
        };
        let mut request = hot(seed, vec![python(), edit(), find()], "Do it.");
        request.constraints =
            Constraints { calls: calls.clone(), parallel_calls: parallel, text: None };
        let (made, stop) = calls_of(&backend, &request).await;
        if stop != Stop::EndOfTurn {
            continue;
        }
        assert!(!made.is_empty() && (parallel || made.len() == 1), "{made:?}");
        for call in &made {
            check(call);
            if let Calls::Named(name) = &calls {
                assert_eq!(call.name, *name);
            }
            let at = ["python", "edit", "find"].iter().position(|name| *name == call.name);
            seen[at.unwrap()] += 1;
        }
    }
    assert!(seen[1] > 2 && seen[2] > 2, "{seen:?}");
}

/// The answer may be text of a form as well: both are under one grammar.
#[tokio::test]
async fn structured_text_beside_custom_tools_keeps_its_form() {
    let backend = backend(Format::HermesQwen);
    let form = json!({"type": "object", "properties": {"ok": {"type": "boolean"}},
                      "required": ["ok"], "additionalProperties": false});
    for seed in 0..6 {
        let mut request = hot(seed, vec![edit()], "Is it done?");
        request.constraints = Constraints { text: Some(form.clone()), ..Constraints::default() };
        let sampled = sample(&backend, &request).await.unwrap();
        let Message::Assistant { text, tool_calls, .. } = sampled.sample.message else {
            panic!("not an assistant's message");
        };
        if sampled.sample.stop == Stop::EndOfTurn {
            tool_calls.iter().for_each(check);
            let value = serde_json::from_str::<Value>(text.trim());
            assert!(!tool_calls.is_empty() || value.unwrap()["ok"].is_boolean(), "{text}");
        }
    }
}

/// A sample that was cut within an input, even within an escape, goes on in the grammar.
#[tokio::test]
async fn a_killed_sample_goes_on_within_an_input() {
    let backend = backend(Format::HermesQwen);
    let vocab = backend.engine().vocab();
    for begun in ["", "a\\\"", "a\\", "ü\\n\\\\end\\t\\\"é"] {
        let head = "<tool_call>\n{\"name\": \"edit\", \"arguments\": {\"input\": \"";
        let mut request = hot(3, vec![python(), edit()], "Edit.");
        request.started = vocab.encode(&format!("{head}{begun}"), true);
        let (calls, _) = calls_of(&backend, &request).await;
        let input = input_of(&calls[0]);
        assert!(is_edit(&input), "{begun}: {input}");
    }
}

/// What the engine cannot keep to is sampled freely; the loop checks it.
#[tokio::test]
async fn a_grammar_that_is_too_much_costs_only_its_guarantee() {
    let backend = backend(Format::HermesQwen);
    let huge = format!("start: /(a{{1,1000}}b{{1,1000}}){{900,1000}}{}/\n", "[à-ö]?".repeat(400));
    for grammar in [
        InputGrammar::Lark("start: ~\"x\"\n".to_owned()),
        InputGrammar::Lark("start: nothing_here\n".to_owned()),
        InputGrammar::Lark(huge),
        InputGrammar::Regex("(unfinished".to_owned()),
    ] {
        let mut request = hot(5, vec![custom("edit", grammar)], "Edit.");
        request.output_tokens_max = 60;
        request.started = backend.engine().vocab().encode("<tool_call>", true);
        let sampled = sample(&backend, &request).await.unwrap();
        assert!(!sampled.ids.is_empty());
    }
}
