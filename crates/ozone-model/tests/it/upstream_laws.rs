//! Laws of reading an answer: where the bytes were cut makes no difference, and nothing panics.

use ozone_model::upstream::{Api, SseEvent, SseReader};
use ozone_prompt::{Delta, Message};
use proptest::prelude::*;
use serde_json::json;

use crate::fuzz::upstream::read;
use crate::upstream_dialogs::{self as dialogs, delta, end};

const DIALOGS: [(Api, &str); 4] = [
    (Api::Chat, dialogs::VLLM),
    (Api::Chat, dialogs::LLAMA_SERVER),
    (Api::Chat, dialogs::OLLAMA),
    (Api::Responses, dialogs::RESPONSES),
];

/// `bytes` in pieces that end at these places.
fn cut<'a>(bytes: &'a [u8], places: &[usize]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|place| place % (bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

#[test]
fn a_dialog_in_single_bytes_is_the_same_dialog() {
    for (api, dialog) in DIALOGS {
        let whole = read(api, &[dialog.as_bytes()]);
        assert!(whole.finished.is_some(), "{whole:?}");
        let bytes: Vec<&[u8]> = dialog.as_bytes().chunks(1).collect();
        assert_eq!(read(api, &bytes), whole);
    }
}

/// Text as models write it: with the beginnings of tags, line breaks, and characters of all lengths.
fn words() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[a-z]{1,6} ",
        Just("é€😀 ".to_owned()),
        Just("\n".to_owned()),
        Just("<thi".to_owned()),
        Just("<|".to_owned()),
        Just("{\"a\": 1}".to_owned()),
    ];
    proptest::collection::vec(word, 1..12).prop_map(|words| words.concat())
}

#[derive(Debug, Clone)]
enum Part {
    Reasoning(String),
    Text(String),
    Call(String),
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let part = prop_oneof![
        words().prop_map(Part::Reasoning),
        words().prop_map(|text| Part::Text(format!("So: {text}."))),
        words().prop_map(Part::Call),
    ];
    proptest::collection::vec(part, 1..6)
}

/// A text in pieces of so many characters.
fn pieces(text: &str, chars: usize) -> Vec<String> {
    let chars_all: Vec<char> = text.chars().collect();
    chars_all.chunks(chars).map(|chunk| chunk.iter().collect()).collect()
}

fn dense(text: &str) -> String {
    text.split_whitespace().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn cuts_change_nothing(
        which in 0..DIALOGS.len(),
        places in proptest::collection::vec(any::<usize>(), 0..20),
        crlf: bool,
    ) {
        let (api, dialog) = DIALOGS[which];
        let dialog = if crlf { dialog.replace('\n', "\r\n") } else { dialog.to_owned() };
        let whole = read(api, &[dialog.as_bytes()]);
        prop_assert_eq!(read(api, &cut(dialog.as_bytes(), &places)), whole);
    }

    /// Also where bytes were lost, doubled or changed: an error in words, or an answer, never a panic.
    #[test]
    fn damaged_dialogs_are_read_or_refused(
        which in 0..DIALOGS.len(),
        at in any::<usize>(),
        damage in proptest::collection::vec(any::<u8>(), 0..6),
        lost in 0_usize..300,
        places in proptest::collection::vec(any::<usize>(), 0..6),
    ) {
        let (api, dialog) = DIALOGS[which];
        let mut bytes = dialog.as_bytes().to_vec();
        let at = at % bytes.len();
        let until = (at + lost).min(bytes.len());
        bytes.splice(at..until, damage);
        let whole = read(api, &[&bytes]);
        prop_assert!(whole.finished.is_some() != whole.fault.is_some());
        prop_assert_eq!(read(api, &cut(&bytes, &places)), whole);
    }

    #[test]
    fn garbage_is_refused(api: bool, bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let api = if api { Api::Chat } else { Api::Responses };
        prop_assert!(read(api, &[&bytes]).fault.is_some());
    }

    /// Lines, as the standard reads them: in any pieces, with any line ends, comments between.
    #[test]
    fn events_are_read_whatever_the_pieces_and_line_ends(
        data in proptest::collection::vec("[ -~é]{0,12}", 1..6),
        ends in proptest::collection::vec(0_usize..3, 32),
        places in proptest::collection::vec(any::<usize>(), 0..12),
    ) {
        let mut ends = ends.iter().cycle().map(|end| ["\n", "\r\n", "\r"][*end]);
        let mut end = || ends.next().unwrap();
        let mut text = format!(": hello{}event: ping{}", end(), end());
        for line in &data {
            text.push_str(&format!("data: {line}{}:{}", end(), end()));
        }
        // A return and a line feed are one line end: two of them need the same kind.
        text.push_str("\n\n");
        let mut reader = SseReader::default();
        let mut events = vec![];
        for piece in cut(text.as_bytes(), &places) {
            events.extend(reader.push(piece).unwrap());
        }
        events.extend(reader.finish());
        prop_assert_eq!(events, vec![SseEvent { name: "ping".into(), data: data.join("\n") }]);
    }

    /// Whatever a model thinks, says and calls, in chunks of any size, is what is read.
    #[test]
    fn a_script_is_read_as_it_was_written(parts in parts(), chars in 1_usize..9) {
        let (mut body, mut calls) = (String::new(), 0);
        let (mut thoughts, mut texts, mut arguments) = (String::new(), String::new(), vec![]);
        for part in &parts {
            match part {
                Part::Reasoning(thought) => {
                    thoughts.push_str(thought);
                    for piece in pieces(thought, chars) {
                        body.push_str(&delta(json!({"reasoning_content": piece})));
                    }
                }
                Part::Text(text) => {
                    texts.push_str(text);
                    for piece in pieces(text, chars) {
                        body.push_str(&delta(json!({"content": piece})));
                    }
                }
                Part::Call(code) => {
                    let written = json!({"code": code}).to_string();
                    let start = json!({"index": calls, "id": format!("c{calls}"),
                        "function": {"name": "python", "arguments": ""}});
                    body.push_str(&delta(json!({"tool_calls": [start]})));
                    for piece in pieces(&written, chars) {
                        let more = json!({"index": calls, "function": {"arguments": piece}});
                        body.push_str(&delta(json!({"tool_calls": [more]})));
                    }
                    arguments.push(written);
                    calls += 1;
                }
            }
        }
        body.push_str(&end("stop", 5, 50));
        let read = read(Api::Chat, &[body.as_bytes()]);
        let Some(sample) = read.finished else { panic!("{:?}", read.fault) };
        let Message::Assistant { reasoning, text, tool_calls } = &sample.message else {
            panic!("not an assistant's message");
        };
        prop_assert_eq!(dense(reasoning.as_deref().unwrap_or("")), dense(&thoughts));
        prop_assert_eq!(dense(text), dense(&texts));
        let had: Vec<_> = tool_calls.iter().map(|call| call.arguments.clone()).collect();
        prop_assert_eq!(had, arguments);
        prop_assert!(sample.problems.is_empty());
        let (mut said, mut open) = (String::new(), None);
        for delta in &read.deltas {
            match delta {
                Delta::ToolCallStart { index, .. } => {
                    prop_assert_eq!(open.replace(*index), None, "one call at a time");
                }
                Delta::ToolCallArguments { index, .. } => prop_assert_eq!(open, Some(*index)),
                Delta::ToolCallEnd { index, .. } => prop_assert_eq!(open.take(), Some(*index)),
                Delta::Text(text) => {
                    prop_assert_eq!(open, None);
                    said.push_str(text);
                }
                _ => prop_assert_eq!(open, None),
            }
        }
        prop_assert_eq!(dense(&said), dense(&texts));
    }
}
