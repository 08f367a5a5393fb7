//! What a model says, in each family's format. Wherever it is cut, the same comes out; deltas add up
//! to the items; and what may run has an object as its arguments.

use ozone_prompt::{Delta, Format, Parsed, ParsedItem, StreamParser, ToolSpec};

pub fn hermes(data: &[u8]) {
    check(Format::HermesQwen, data);
}

pub fn deepseek(data: &[u8]) {
    check(Format::DeepSeekR1, data);
}

pub fn harmony(data: &[u8]) {
    check(Format::Harmony, data);
}

pub fn plain(data: &[u8]) {
    check(Format::Plain, data);
}

/// The first byte says whether a thought is open, whether tools are offered, and where to cut.
fn check(format: Format, data: &[u8]) {
    let Some((&how, said)) = data.split_first() else { return };
    let tools = if how & 2 == 0 { vec![python()] } else { vec![] };
    let open = how & 1 == 1;
    let whole = parse(format, &tools, open, said.chunks(said.len().max(1)));
    let pieces = said.chunks(1 + usize::from(how >> 2) % 16);
    assert_eq!(parse(format, &tools, open, pieces), whole, "where it is cut makes a difference");
    for (_, _, arguments) in whole.tool_calls() {
        let arguments = serde_json::from_str::<serde_json::Map<_, _>>(arguments);
        assert!(arguments.is_ok(), "a call with other arguments than an object may run");
    }
    whole.to_message(|index| format!("call_{index}"));
}

fn python() -> ToolSpec {
    let parameters = serde_json::json!({
        "type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"],
    });
    ToolSpec {
        name: "python".into(),
        description: "Runs Python.".into(),
        parameters,
        grammar: None,
    }
}

fn parse<'a>(
    format: Format,
    tools: &[ToolSpec],
    open: bool,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Parsed {
    let mut parser = StreamParser::for_text(format, tools, open);
    let mut deltas: Vec<Delta> = pieces.flat_map(|piece| parser.push_bytes(piece)).collect();
    let (rest, parsed) = parser.finish();
    deltas.extend(rest);
    let (mut thought, mut said, mut arguments) = (String::new(), String::new(), String::new());
    let mut running = None;
    for delta in &deltas {
        match delta {
            Delta::Reasoning(text) => thought.push_str(text),
            Delta::Text(text) | Delta::Commentary(text) => said.push_str(text),
            Delta::ToolCallStart { index, .. } => assert_eq!(running.replace(*index), None),
            Delta::ToolCallArguments { index, text } => {
                assert_eq!(running, Some(*index));
                arguments.push_str(text);
            }
            Delta::ToolCallEnd { index, .. } => assert_eq!(running.take(), Some(*index)),
        }
    }
    assert_eq!(running, None, "a call without its end");
    let of = |wanted: fn(&ParsedItem) -> Option<&str>| -> String {
        parsed.items.iter().filter_map(wanted).collect()
    };
    let thoughts = of(|item| match item {
        ParsedItem::Reasoning(text) => Some(text),
        _ => None,
    });
    let texts = of(|item| match item {
        ParsedItem::Text(text) | ParsedItem::Commentary(text) => Some(text),
        _ => None,
    });
    let calls = of(|item| match item {
        ParsedItem::ToolCall { arguments, .. } => Some(arguments),
        _ => None,
    });
    assert_eq!((thought, said, arguments), (thoughts, texts, calls), "deltas and items disagree");
    parsed
}
