use ozone_prompt::{Cut, Delta, Format, Parsed, ParsedItem, StreamParser, Tokenizer, ToolSpec};
use proptest::prelude::*;

use crate::support::*;

/// Items as lines: what kind, and what is in them.
fn show(parsed: &Parsed) -> String {
    let mut out = String::new();
    for item in &parsed.items {
        let line = match item {
            ParsedItem::Reasoning(text) => format!("thinks {text:?}"),
            ParsedItem::Text(text) => format!("says {text:?}"),
            ParsedItem::Commentary(text) => format!("comments {text:?}"),
            ParsedItem::ToolCall { name, arguments, problem: None, .. } => {
                format!("calls {name} {arguments}")
            }
            ParsedItem::ToolCall { name, problem: Some(problem), .. } => {
                format!("fails {name}: {problem}")
            }
        };
        out.push_str(&line);
        out.push('\n');
    }
    for problem in parsed.problems.iter().filter(|problem| problem.index.is_none()) {
        out.push_str(&format!("fails: {}\n", problem.message));
    }
    if parsed.cut != Cut::Nowhere {
        out.push_str(&format!("cut {:?}\n", parsed.cut));
    }
    out
}

/// What the deltas add up to, in the form of the items.
fn folded(deltas: &[Delta]) -> Vec<ParsedItem> {
    let mut items: Vec<ParsedItem> = vec![];
    for delta in deltas {
        match (delta, items.last_mut()) {
            (Delta::Reasoning(text), Some(ParsedItem::Reasoning(item)))
            | (Delta::Text(text), Some(ParsedItem::Text(item)))
            | (Delta::Commentary(text), Some(ParsedItem::Commentary(item))) => item.push_str(text),
            (Delta::Reasoning(text), _) => items.push(ParsedItem::Reasoning(text.clone())),
            (Delta::Text(text), _) => items.push(ParsedItem::Text(text.clone())),
            (Delta::Commentary(text), _) => items.push(ParsedItem::Commentary(text.clone())),
            (Delta::ToolCallStart { index, name }, _) => items.push(ParsedItem::ToolCall {
                index: *index,
                name: name.clone(),
                arguments: String::new(),
                problem: None,
            }),
            (
                Delta::ToolCallArguments { text, .. },
                Some(ParsedItem::ToolCall { arguments, .. }),
            ) => {
                arguments.push_str(text);
            }
            (
                Delta::ToolCallEnd { problem: end, .. },
                Some(ParsedItem::ToolCall { problem, .. }),
            ) => {
                problem.clone_from(end);
            }
            (delta, _) => panic!("{delta:?} outside of a call"),
        }
    }
    items
}

/// Neighbours of one kind joined, since deltas do not say where one item of a kind ends and the
/// next begins.
fn joined(items: &[ParsedItem]) -> Vec<ParsedItem> {
    let mut out: Vec<ParsedItem> = vec![];
    for item in items {
        match (item, out.last_mut()) {
            (ParsedItem::Reasoning(text), Some(ParsedItem::Reasoning(last)))
            | (ParsedItem::Text(text), Some(ParsedItem::Text(last)))
            | (ParsedItem::Commentary(text), Some(ParsedItem::Commentary(last))) => {
                last.push_str(text)
            }
            _ => out.push(item.clone()),
        }
    }
    out
}

fn parse_cut(
    format: Format,
    tools: &[ToolSpec],
    open: bool,
    text: &[u8],
    cuts: &[usize],
) -> Parsed {
    let mut parser = StreamParser::for_text(format, tools, open);
    let mut deltas = vec![];
    let mut from = 0;
    for cut in cuts.iter().copied().chain([text.len()]) {
        deltas.extend(parser.push_bytes(&text[from..cut]));
        from = cut;
    }
    let (rest, parsed) = parser.finish();
    deltas.extend(rest);
    assert_eq!(folded(&deltas), joined(&parsed.items), "deltas and items disagree");
    parsed
}

fn parse_tokens(format: Format, open: bool, vocabulary: &Bytes, ids: &[u32]) -> Parsed {
    let mut parser = StreamParser::for_tokens(format, &tools(), open, vocabulary);
    let mut deltas = vec![];
    for id in ids {
        deltas.extend(parser.push_token(*id, vocabulary));
    }
    let (rest, parsed) = parser.finish();
    deltas.extend(rest);
    assert_eq!(folded(&deltas), joined(&parsed.items), "deltas and items disagree");
    parsed
}

struct Case {
    name: &'static str,
    /// The template has opened the thought.
    open: bool,
    sampled: &'static str,
    shows: &'static str,
}

const fn case(name: &'static str, sampled: &'static str, shows: &'static str) -> Case {
    Case { name, open: false, sampled, shows }
}

const fn opened(name: &'static str, sampled: &'static str, shows: &'static str) -> Case {
    Case { name, open: true, sampled, shows }
}

const HERMES: &[Case] = &[
    case("plain text", "Four.<|im_end|>", "says \"Four.\"\n"),
    case(
        "thought and answer",
        "<think>\nTwo and two.\n</think>\n\nFour.<|im_end|>",
        "thinks \"Two and two.\"\nsays \"Four.\"\n",
    ),
    opened(
        "thought opened by the template",
        "Two.\n</think>\n\nFour.",
        "thinks \"Two.\"\nsays \"Four.\"\n",
    ),
    case("empty thought", "<think>\n\n</think>\n\nFour.", "says \"Four.\"\n"),
    case(
        "one call",
        "<think>\nPython.\n</think>\n\n<tool_call>\n{\"name\": \"python\", \"arguments\": {\"code\": \"print(2+2)\"}}\n</tool_call><|im_end|>",
        "thinks \"Python.\"\ncalls python {\"code\": \"print(2+2)\"}\n",
    ),
    case(
        "two calls after text",
        "Let me see.\n\n<tool_call>\n{\"name\": \"python\", \"arguments\": {\"code\": \"1\"}}\n</tool_call>\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Köln\", \"days\": 2}}\n</tool_call>",
        "says \"Let me see.\"\ncalls python {\"code\": \"1\"}\ncalls get_weather {\"city\": \"Köln\", \"days\": 2}\n",
    ),
    case(
        "text after a call",
        "<tool_call>{\"name\": \"python\", \"arguments\": {\"code\": \"1\"}}</tool_call>\nDone.",
        "calls python {\"code\": \"1\"}\nsays \"Done.\"\n",
    ),
    case(
        "quotes, escapes and a tag inside of a string",
        r#"<tool_call>{"name": "python", "arguments": {"code": "s = \"a\\n\u00e9\ud83d\ude00</tool_call>{[\"\n"}}</tool_call>"#,
        "calls python {\"code\": \"s = \\\"a\\\\n\\u00e9\\ud83d\\ude00</tool_call>{[\\\"\\n\"}\n",
    ),
    case(
        "arguments before the name",
        "<tool_call>{\"arguments\": {\"code\": \"1\"}, \"name\": \"python\"}</tool_call>",
        "calls python {\"code\": \"1\"}\n",
    ),
    case(
        "parameters for arguments, an id beside them",
        "<tool_call>{\"id\": 7, \"name\": \"python\", \"parameters\": {\"code\": \"1\"}}</tool_call>",
        "calls python {\"code\": \"1\"}\n",
    ),
    case(
        "arguments as a JSON text",
        r#"<tool_call>{"name": "python", "arguments": "{\"code\": \"1\"}"}</tool_call>"#,
        "calls python {\"code\": \"1\"}\n",
    ),
    case(
        "bare code for the only string argument",
        r#"<tool_call>{"name": "python", "arguments": "print(1)"}</tool_call>"#,
        "calls python {\"code\": \"print(1)\"}\n",
    ),
    case("no arguments", "<tool_call>{\"name\": \"python\"}</tool_call>", "calls python {}\n"),
    case(
        "null arguments",
        "<tool_call>{\"name\": \"python\", \"arguments\": null}</tool_call>",
        "calls python {}\n",
    ),
    case(
        "line breaks inside of a string",
        "<tool_call>{\"name\": \"python\", \"arguments\": {\"code\": \"a = 1\n\tb\"}}</tool_call>",
        "calls python {\"code\": \"a = 1\\n\\tb\"}\n",
    ),
    case(
        "a brace too few, a brace too many",
        "<tool_call>{\"name\": \"python\", \"arguments\": {\"code\": \"1\"}</tool_call><tool_call>{\"name\": \"python\", \"arguments\": {\"code\": \"2\"}}}</tool_call>",
        "calls python {\"code\": \"1\"}\ncalls python {\"code\": \"2\"}\n",
    ),
    case(
        "OpenAI's nested form",
        "<tool_call>{\"type\": \"function\", \"function\": {\"name\": \"python\", \"arguments\": {\"code\": \"1\"}}}</tool_call>",
        "calls python {\"code\": \"1\"}\n",
    ),
    case(
        "no end tag",
        "<tool_call>\n{\"name\": \"python\", \"arguments\": {\"code\": \"1\"}}",
        "calls python {\"code\": \"1\"}\n",
    ),
    case(
        "broken JSON is told to the model",
        "<tool_call>\n{\"name\": \"python\", \"arguments\": {\"code\": print(1)}}\n</tool_call>Text.",
        "fails python: Your call of `python` was not valid JSON: expected value at line 1 column 10, near `{\"code\": print(1)}`. Nothing was run. Write the call again, with quotes, backslashes and line breaks inside strings escaped.\nsays \"Text.\"\n",
    ),
    case(
        "an unclosed string ends with its tag",
        "<tool_call>\n{\"name\": \"python\", \"arguments\": {\"code\": \"print(1)}}\n</tool_call>\n<tool_call>\n{\"name\": \"python\", \"arguments\": {\"code\": \"1\"}}\n</tool_call>",
        "fails python: Your call of `python` was not valid JSON: EOF while parsing a string at line 1 column 22, near `code\": \"print(1)}}\\n`. Nothing was run. Write the call again, with quotes, backslashes and line breaks inside strings escaped.\ncalls python {\"code\": \"1\"}\n",
    ),
    case(
        "arguments that are no object",
        "<tool_call>{\"name\": \"python\", \"arguments\": [1]}</tool_call>",
        "fails python: Your call of `python` was not run: its arguments must be a JSON object such as {\"argument\": \"value\"}. Write the call again.\n",
    ),
    case(
        "a call without a name",
        "<tool_call>{\"code\": \"1\"}</tool_call>",
        "fails: Your call was not run: it has no \"name\". Write {\"name\": …, \"arguments\": {…}}.\n",
    ),
    case(
        "cut off in the arguments",
        "<tool_call>{\"name\": \"python\", \"arguments\": {\"code\": \"pri",
        "fails python: Your call of `python` was not run: it was cut off before its end.\ncut InToolCall\n",
    ),
    case("cut off in the thought", "<think>\nSo we", "thinks \"So we\"\ncut InReasoning\n"),
    case(
        "tags that are talked about",
        "Write <tool_call> or `<think>` or <tool_cal or </tool_call>.",
        "says \"Write <tool_call> or `<think>` or <tool_cal or </tool_call>.\"\n",
    ),
    opened(
        "a call inside of a thought is a thought",
        "I could <tool_call>{\"name\": \"python\"}</tool_call> here.\n</think>\nNo.",
        "thinks \"I could <tool_call>{\\\"name\\\": \\\"python\\\"}</tool_call> here.\"\nsays \"No.\"\n",
    ),
    case(
        "XML of Qwen3-Coder",
        "<tool_call>\n<function=get_weather>\n<parameter=city>\nBonn\n</parameter>\n<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>",
        "calls get_weather {\"city\": \"Bonn\", \"days\": 3}\n",
    ),
    case(
        "XML with markup in a value",
        "<tool_call>\n<function=python>\n<parameter=code>\nprint('</tool_call>')\nx = {\"a\": 1}\n</parameter>\n</function>\n</tool_call>",
        "calls python {\"code\": \"print('</tool_call>')\\nx = {\\\"a\\\": 1}\"}\n",
    ),
    case(
        "Granite's list",
        "<tool_call>[{\"name\": \"python\", \"arguments\": {\"code\": \"[</tool_call>\"}}, {\"name\": \"get_weather\", \"arguments\": {\"city\": \"Ulm\"}}]</tool_call>",
        "calls python {\"code\": \"[</tool_call>\"}\ncalls get_weather {\"city\": \"Ulm\"}\n",
    ),
];

const DEEP_SEEK: &[Case] = &[
    opened(
        "thought and answer",
        "Two.\n</think>\n\nFour.<｜end▁of▁sentence｜>",
        "thinks \"Two.\"\nsays \"Four.\"\n",
    ),
    opened("empty thought", "\n</think>\n\nFour.", "says \"Four.\"\n"),
    case(
        "thought opened by the model",
        "<think>\nTwo.\n</think>\n\nFour.",
        "thinks \"Two.\"\nsays \"Four.\"\n",
    ),
    opened(
        "one call",
        "Run.\n</think>\n\n<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>python\n```json\n{\"code\": \"1+1\"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜><｜end▁of▁sentence｜>",
        "thinks \"Run.\"\ncalls python {\"code\": \"1+1\"}\n",
    ),
    case(
        "two calls after text",
        "Both.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>python\n```json\n{\"code\": \"1\"}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{\"city\": \"Bonn\"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        "says \"Both.\"\ncalls python {\"code\": \"1\"}\ncalls get_weather {\"city\": \"Bonn\"}\n",
    ),
    case(
        "the shorter form of V3.1",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>python<｜tool▁sep｜>{\"code\": \"1\"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        "calls python {\"code\": \"1\"}\n",
    ),
    case(
        "quotes, escapes and tags inside of a string",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>python\n```json\n{\"code\": \"\\\"\\u00e9```<｜tool▁call▁end｜>\"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        "calls python {\"code\": \"\\\"\\u00e9```<｜tool▁call▁end｜>\"}\n",
    ),
    case(
        "misspelt beginning, no code block, no ends",
        "<｜tool_calls_begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>python\n{\"code\": \"1\"}",
        "calls python {\"code\": \"1\"}\n",
    ),
    case(
        "broken JSON is told to the model",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>python\n```json\n{\"code\": 'x'}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        "fails python: Your call of `python` was not valid JSON: expected value at line 1 column 10, near `{\"code\": 'x'}`. Nothing was run. Write the call again, with quotes, backslashes and line breaks inside strings escaped.\n",
    ),
    case(
        "code instead of arguments",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>python\n```python\nprint(1)\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        "calls python {\"code\": \"print(1)\"}\n",
    ),
    case(
        "cut off",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>python\n```json\n{\"co",
        "fails python: Your call of `python` was not run: it was cut off before its end.\ncut InToolCall\n",
    ),
    opened("cut off in the thought", "Two and", "thinks \"Two and\"\ncut InReasoning\n"),
];

const HARMONY: &[Case] = &[
    case(
        "analysis and answer",
        "<|channel|>analysis<|message|>User asks.<|end|><|start|>assistant<|channel|>final<|message|>2 + 2 = 4.<|return|>",
        "thinks \"User asks.\"\nsays \"2 + 2 = 4.\"\n",
    ),
    case(
        "recipient in the channel's header",
        "<|channel|>analysis<|message|>Tool.<|end|><|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{\"city\":\"SF\"}<|call|>",
        "thinks \"Tool.\"\ncalls get_weather {\"city\":\"SF\"}\n",
    ),
    case(
        "recipient in the role",
        "<|channel|>analysis<|message|>Tool.<|end|><|start|>assistant to=functions.get_weather<|channel|>commentary<|constrain|>json<|message|>{\"city\":\"SF\"}<|call|>",
        "thinks \"Tool.\"\ncalls get_weather {\"city\":\"SF\"}\n",
    ),
    case(
        "recipient at once",
        " to=functions.get_weather<|channel|>commentary json<|message|>{\"city\":\"SF\"}<|call|>",
        "calls get_weather {\"city\":\"SF\"}\n",
    ),
    case(
        "a preamble before the call",
        "<|channel|>commentary<|message|>I will look.<|end|><|start|>assistant<|channel|>commentary to=functions.python <|constrain|>json<|message|>{\"code\":\"1\"}<|call|>",
        "comments \"I will look.\"\ncalls python {\"code\":\"1\"}\n",
    ),
    case(
        "code for the built-in python",
        "<|channel|>analysis to=python code<|message|>print(\"1\")\nx<|call|>",
        "calls python {\"code\": \"print(\\\"1\\\")\\nx\"}\n",
    ),
    case(
        "the built-in browser",
        "<|channel|>analysis to=browser.search code<|message|>{\"query\":\"x\"}<|call|>",
        "calls browser.search {\"query\":\"x\"}\n",
    ),
    case(
        "empty analysis",
        "<|channel|>analysis<|message|><|end|><|start|>assistant<|channel|>final<|message|>4<|return|>",
        "says \"4\"\n",
    ),
    case(
        "quotes, escapes and tags inside of a string",
        "<|channel|>commentary to=functions.python <|constrain|>json<|message|>{\"code\":\"\\\"\\u00e9<|call|><|end|>\"}<|call|>",
        "calls python {\"code\":\"\\\"\\u00e9<|call|><|end|>\"}\n",
    ),
    case(
        "two calls",
        "<|channel|>commentary to=functions.python <|constrain|>json<|message|>{\"code\":\"1\"}<|end|><|start|>assistant<|channel|>commentary to=functions.python <|constrain|>json<|message|>{\"code\":\"2\"}<|call|>",
        "calls python {\"code\":\"1\"}\ncalls python {\"code\":\"2\"}\n",
    ),
    case(
        "broken JSON is told to the model",
        "<|channel|>commentary to=functions.python <|constrain|>json<|message|>{\"code\":1,}<|call|>",
        "fails python: Your call of `python` was not valid JSON: trailing comma at line 1 column 11, near `{\"code\":1,}`. Nothing was run. Write the call again, with quotes, backslashes and line breaks inside strings escaped.\n",
    ),
    case("no channel", "<|message|>Hello.<|return|>", "says \"Hello.\"\n"),
    case("no tags at all", "Hello there.", "says \"Hello there.\"\n"),
    case(
        "cut off in the analysis",
        "<|channel|>analysis<|message|>User",
        "thinks \"User\"\ncut InReasoning\n",
    ),
    case(
        "cut off in the call",
        "<|channel|>commentary to=functions.python <|constrain|>json<|message|>{\"code\":",
        "fails python: Your call of `python` was not run: it was cut off before its end.\ncut InToolCall\n",
    ),
    case("cut off in the header", "<|channel|>commentary to=functions.py", "cut InToolCall\n"),
];

const REPAIRED: &[Case] = &[
    case(
        "a code block",
        "```json\n{\"name\": \"python\", \"arguments\": {\"code\": \"1\"}}\n```",
        "calls python {\"code\": \"1\"}\n",
    ),
    case(
        "bare JSON",
        "{\"name\": \"python\", \"parameters\": {\"code\": \"1\"}}",
        "calls python {\"code\": \"1\"}\n",
    ),
    case(
        "OpenAI's form with a text in it",
        r#"{"type": "function", "function": {"name": "python", "arguments": "{\"code\": \"1\"}"}}"#,
        "calls python {\"code\": \"1\"}\n",
    ),
    case(
        "a list",
        "[{\"name\": \"python\", \"arguments\": {\"code\": \"1\"}}, {\"name\": \"get_weather\", \"arguments\": {\"city\": \"Ulm\"}}]",
        "calls python {\"code\": \"1\"}\ncalls get_weather {\"city\": \"Ulm\"}\n",
    ),
    case(
        "Llama 3.1",
        "<function=python>{\"code\": \"1\"}</function>",
        "calls python {\"code\": \"1\"}\n",
    ),
    case(
        "Llama's python tag",
        "<|python_tag|>{\"name\": \"python\", \"parameters\": {\"code\": \"1\"}}",
        "calls python {\"code\": \"1\"}\n",
    ),
    case("Llama's code", "<|python_tag|>print(1)\n", "calls python {\"code\": \"print(1)\"}\n"),
    case(
        "Mistral",
        "[TOOL_CALLS][{\"name\": \"python\", \"arguments\": {\"code\": \"1\"}}]",
        "calls python {\"code\": \"1\"}\n",
    ),
    case(
        "newer Mistral",
        "[TOOL_CALLS]python[ARGS]{\"code\": \"1\"}[TOOL_CALLS]get_weather[ARGS]{\"city\": \"Ulm\"}",
        "calls python {\"code\": \"1\"}\ncalls get_weather {\"city\": \"Ulm\"}\n",
    ),
    case(
        "Phi",
        "<|tool_call|>[{\"name\": \"python\", \"arguments\": {\"code\": \"1\"}}]<|/tool_call|>",
        "calls python {\"code\": \"1\"}\n",
    ),
    case(
        "after a thought",
        "<think>\nHm.\n</think>\n\n{\"name\": \"python\", \"arguments\": {\"code\": \"1\"}}",
        "thinks \"Hm.\"\ncalls python {\"code\": \"1\"}\n",
    ),
    case(
        "bare XML",
        "<function=get_weather>\n<parameter=city>\nUlm\n</parameter>\n</function>",
        "calls get_weather {\"city\": \"Ulm\"}\n",
    ),
    case(
        "another tool's name is an answer",
        "{\"name\": \"Anna\", \"arguments\": {}}",
        "says \"{\\\"name\\\": \\\"Anna\\\", \\\"arguments\\\": {}}\"\n",
    ),
    case(
        "other JSON is an answer",
        "{\"city\": \"Ulm\"}",
        "says \"{\\\"city\\\": \\\"Ulm\\\"}\"\n",
    ),
    case(
        "a program is an answer",
        "```python\nprint(1)\n```",
        "says \"```python\\nprint(1)\\n```\"\n",
    ),
    case(
        "with words around it is an answer",
        "Use {\"name\": \"python\", \"arguments\": {}}",
        "says \"Use {\\\"name\\\": \\\"python\\\", \\\"arguments\\\": {}}\"\n",
    ),
    case(
        "with words after it is an answer",
        "```json\n{\"name\": \"python\", \"arguments\": {}}\n```\nSo it goes.",
        "says \"```json\\n{\\\"name\\\": \\\"python\\\", \\\"arguments\\\": {}}\\n```\\nSo it goes.\"\n",
    ),
    case(
        "cut off",
        "{\"name\": \"python\", \"arguments\": {\"code\": \"1",
        "fails: Your call of `python` was not run: it was cut off before its end.\ncut InToolCall\n",
    ),
    case("a list of numbers", "[1, 2]", "says \"[1, 2]\"\n"),
    case("a bracket", "[", "says \"[\"\n"),
];

fn check(format: Format, cases: &[Case]) {
    for case in cases {
        let bytes = case.sampled.as_bytes();
        let whole = parse_cut(format, &tools(), case.open, bytes, &[]);
        assert_eq!(show(&whole), case.shows, "{}", case.name);
        let every: Vec<usize> = (1..bytes.len()).collect();
        let by_bytes = parse_cut(format, &tools(), case.open, bytes, &every);
        assert_eq!(by_bytes, whole, "{} in single bytes", case.name);
        for cut in 0..bytes.len() {
            let two = parse_cut(format, &tools(), case.open, bytes, &[cut]);
            assert_eq!(two, whole, "{} cut at {cut}", case.name);
        }
        // Ending early anywhere is orderly: no call runs that was not complete.
        let full_calls: Vec<_> =
            whole.tool_calls().map(|(_, n, a)| (n.to_string(), a.to_string())).collect();
        for end in 0..bytes.len() {
            let mut parser = StreamParser::for_text(format, &tools(), case.open);
            parser.push_bytes(&bytes[..end]);
            let short = parser.finish_cut_off().1;
            for (at, (_, name, arguments)) in short.tool_calls().enumerate() {
                if let Some((full_name, full_arguments)) = full_calls.get(at) {
                    assert_eq!(
                        (name, arguments),
                        (full_name.as_str(), full_arguments.as_str()),
                        "{} ended at {end}",
                        case.name
                    );
                }
            }
        }
    }
}

#[test]
fn hermes_on_text() {
    check(Format::HermesQwen, HERMES);
}

#[test]
fn deep_seek_on_text() {
    check(Format::DeepSeekR1, DEEP_SEEK);
}

#[test]
fn harmony_on_text() {
    check(Format::Harmony, HARMONY);
}

#[test]
fn calls_in_another_familys_syntax_are_repaired() {
    check(Format::HermesQwen, REPAIRED);
    check(Format::Plain, REPAIRED);
}

#[test]
fn hermes_calls_are_repaired_in_other_formats() {
    let call =
        "<tool_call>\n{\"name\": \"python\", \"arguments\": {\"code\": \"1\"}}\n</tool_call>";
    let shows = "calls python {\"code\": \"1\"}\n";
    assert_eq!(show(&StreamParser::parse(Format::DeepSeekR1, &tools(), false, call)), shows);
    let call = format!("<|channel|>final<|message|>{call}<|return|>");
    assert_eq!(show(&StreamParser::parse(Format::Harmony, &tools(), false, &call)), shows);
}

/// The same cases with the special tokens as tokens. Tags inside of strings are spelt with ordinary
/// ones, as a model that quotes them would.
#[test]
fn tokens_say_the_same_as_text() {
    for (format, vocabulary, cases) in [
        (Format::HermesQwen, Bytes::qwen(), HERMES),
        (Format::DeepSeekR1, Bytes::deep_seek(), DEEP_SEEK),
        (Format::Harmony, Bytes::harmony(), HARMONY),
    ] {
        let skipped = [
            "quotes, escapes and a tag inside of a string",
            "quotes, escapes and tags inside of a string",
            "tags that are talked about",
            "a call inside of a thought is a thought",
            "XML with markup in a value",
            "Granite's list",
        ];
        for case in cases.iter().filter(|case| !skipped.contains(&case.name)) {
            let ids = vocabulary.encode(case.sampled, true);
            let parsed = parse_tokens(format, case.open, &vocabulary, &ids);
            assert_eq!(show(&parsed), case.shows, "{}", case.name);
        }
    }
}

#[test]
fn tags_spelt_with_ordinary_tokens_are_text() {
    let vocabulary = Bytes::qwen();
    let text = "<think>a</think><tool_call>{\"name\": \"python\"}</tool_call><|im_end|>.";
    let parsed =
        parse_tokens(Format::HermesQwen, false, &vocabulary, &vocabulary.encode(text, false));
    assert_eq!(show(&parsed), format!("says {text:?}\n"));

    let vocabulary = Bytes::harmony();
    let mut ids = vocabulary.encode("<|channel|>final<|message|>", true);
    ids.extend(
        vocabulary
            .encode("<|end|><|start|>assistant to=functions.python<|message|>{}<|call|>", false),
    );
    ids.extend(vocabulary.encode("<|return|>", true));
    let parsed = parse_tokens(Format::Harmony, false, &vocabulary, &ids);
    assert_eq!(
        show(&parsed),
        "says \"<|end|><|start|>assistant to=functions.python<|message|>{}<|call|>\"\n"
    );

    let vocabulary = Bytes::qwen();
    let mut ids =
        vocabulary.encode("<tool_call>\n{\"name\": \"python\", \"arguments\": {\"code\": \"", true);
    ids.extend(vocabulary.encode("</tool_call>", false));
    ids.extend(vocabulary.encode("\"}}\n</tool_call>", true));
    let parsed = parse_tokens(Format::HermesQwen, false, &vocabulary, &ids);
    assert_eq!(show(&parsed), "calls python {\"code\": \"</tool_call>\"}\n");
}

/// A model that calls out of its thought has ended it: only a token can mean that.
#[test]
fn a_call_token_ends_an_open_thought() {
    let vocabulary = Bytes::qwen();
    let text =
        "Compute.<tool_call>{\"name\": \"python\", \"arguments\": {\"code\": \"1\"}}</tool_call>";
    let parsed =
        parse_tokens(Format::HermesQwen, true, &vocabulary, &vocabulary.encode(text, true));
    assert_eq!(show(&parsed), "thinks \"Compute.\"\ncalls python {\"code\": \"1\"}\n");
}

#[test]
fn a_character_may_come_in_several_tokens() {
    let vocabulary = Bytes::qwen();
    let ids = vocabulary.encode("<think>\n😀é\n</think>\n\nß😀<|im_end|>", true);
    let parsed = parse_tokens(Format::HermesQwen, false, &vocabulary, &ids);
    assert_eq!(show(&parsed), "thinks \"😀é\"\nsays \"ß😀\"\n");
    // Half a character at the end of a turn, and at the end of the stream.
    let mut ids = vocabulary.encode("ab", false);
    ids.push(0xf0);
    ids.push(0x9f);
    let cut = parse_tokens(Format::HermesQwen, false, &vocabulary, &ids);
    assert_eq!(show(&cut), "says \"ab\u{FFFD}\"\n");
    ids.push(vocabulary.id("<|im_end|>"));
    let ended = parse_tokens(Format::HermesQwen, false, &vocabulary, &ids);
    assert_eq!(show(&ended), "says \"ab\u{FFFD}\"\n");
}

#[test]
fn text_comes_out_at_once_and_only_what_is_ambiguous_waits() {
    let mut parser = StreamParser::for_text(Format::HermesQwen, &tools(), false);
    let text = |text: &str| vec![Delta::Text(text.into())];
    assert_eq!(parser.push_bytes(b"Hello"), text("Hello"));
    assert_eq!(parser.push_bytes(b" world"), text(" world"));
    assert_eq!(parser.push_bytes(b", a <"), text(", a"));
    assert_eq!(parser.push_bytes(b" b <tool"), text(" < b"));
    assert_eq!(parser.push_bytes(b"s> "), text(" <tools>"));
    assert_eq!(parser.push_bytes(b"<tool_call>\n{\"name\": \"pyt"), vec![]);
    assert_eq!(
        parser.push_bytes(b"hon\", \"arguments\": {\"code\": \"1"),
        vec![
            Delta::ToolCallStart { index: 0, name: "python".into() },
            Delta::ToolCallArguments { index: 0, text: "{\"code\": \"1".into() },
        ]
    );
    assert_eq!(
        parser.push_bytes(b"+1\"}}"),
        vec![Delta::ToolCallArguments { index: 0, text: "+1\"}".into() }]
    );
    assert_eq!(
        parser.push_bytes(b"\n</tool_call>"),
        vec![Delta::ToolCallEnd { index: 0, problem: None }]
    );
    assert!(!parser.finished());
    assert_eq!(parser.push_bytes(b"<|im_end|>ignored"), vec![]);
    assert!(parser.finished());
    assert_eq!(parser.push_bytes(b"more"), vec![]);
}

#[test]
fn without_tools_call_tags_are_text() {
    let text = "<tool_call>{\"name\": \"python\"}</tool_call>";
    let parsed = StreamParser::parse(Format::HermesQwen, &[], false, text);
    assert_eq!(show(&parsed), format!("says {text:?}\n"));
    let parsed = StreamParser::parse(Format::HermesQwen, &[], false, "{\"name\": \"python\"}");
    assert_eq!(show(&parsed), "says \"{\\\"name\\\": \\\"python\\\"}\"\n");
}

#[test]
fn a_parsed_turn_becomes_history() {
    let text = "<think>\nHm.\n</think>\n\nSo.\n<tool_call>{\"name\": \"python\", \"arguments\": {\"code\": \"1\"}}</tool_call>";
    let parsed = StreamParser::parse(Format::HermesQwen, &tools(), false, text);
    let message = parsed.to_message(|index| format!("call_{index}"));
    assert_eq!(message, calls("Hm.", "So.", &[("python", "{\"code\": \"1\"}")]));
}

/// Pieces from which proptest builds streams: tags, parts of tags, JSON, and wide characters.
const PIECES: &[&str] = &[
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<|im_end|>",
    "{\"name\": \"python\", \"arguments\": ",
    "{\"code\": \"",
    "x = '😀'",
    "\"}",
    "}",
    "\n",
    " ",
    "\\\"",
    "\\",
    "<tool",
    "</",
    "<",
    "ü",
    "```json\n",
    "```",
    "[",
    "]",
    "{",
    "\"name\"",
    ":",
    "\"python\"",
    "<function=python>",
    "</function>",
    "<parameter=code>",
    "</parameter>",
    "[TOOL_CALLS]",
    "<|python_tag|>",
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁call▁begin｜>",
    "function",
    "<｜tool▁sep｜>",
    "python\n",
    "<｜tool▁call▁end｜>",
    "<｜tool▁calls▁end｜>",
    "<|start|>",
    "assistant",
    "<|channel|>",
    "analysis",
    "commentary",
    "final",
    " to=functions.python",
    " to=python",
    "<|constrain|>",
    "json",
    "<|message|>",
    "<|end|>",
    "<|call|>",
    "<|return|>",
    "text",
    ", ",
    "null",
    "7",
];

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        9 => (0..PIECES.len()).prop_map(|at| PIECES[at].as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..4),
    ];
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Wherever a stream is cut, also inside characters and tags, the same comes out.
    #[test]
    fn cuts_change_nothing(
        bytes in stream(),
        at in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        open in any::<bool>(),
        offered in any::<bool>(),
    ) {
        let offered = if offered { tools() } else { vec![] };
        let mut cuts: Vec<usize> = at.iter().map(|index| index.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let single: Vec<usize> = (0..bytes.len()).collect();
        for format in [Format::HermesQwen, Format::DeepSeekR1, Format::Harmony, Format::Plain] {
            let whole = parse_cut(format, &offered, open, &bytes, &[]);
            prop_assert_eq!(&parse_cut(format, &offered, open, &bytes, &cuts), &whole);
            prop_assert_eq!(&parse_cut(format, &offered, open, &bytes, &single), &whole);
        }
    }

    /// Whatever tokens a model samples, the parser ends properly, and only objects are run.
    #[test]
    fn any_tokens_are_parsed(ids in prop::collection::vec(prop_oneof![32_u32..127, 256_u32..271], 0..60), open in any::<bool>()) {
        for (format, vocabulary) in [
            (Format::HermesQwen, Bytes::qwen()),
            (Format::DeepSeekR1, Bytes::deep_seek()),
            (Format::Harmony, Bytes::harmony()),
        ] {
            let ids: Vec<u32> = ids.iter().copied().filter(|id| *id < 256 + vocabulary.special_tokens().len() as u32).collect();
            let parsed = parse_tokens(format, open, &vocabulary, &ids);
            for (_, _, arguments) in parsed.tool_calls() {
                prop_assert!(serde_json::from_str::<serde_json::Map<_, _>>(arguments).is_ok());
            }
        }
    }
}
