//! Pictures in a conversation: where they stand, which they are, and that nobody's words become one.

use std::collections::BTreeMap;

use ozone_prompt::{Appended, Conversation, Format, Message, SpecialToken, Tokenizer, Transcript};

use crate::support::*;

/// Pictures are five tokens each: the number 1000 and theirs.
struct Seeing(Bytes);

const PICTURE: u32 = 1000;

impl Tokenizer for Seeing {
    fn encode(&self, text: &str, parse_special: bool) -> Vec<u32> {
        self.0.encode(text, parse_special)
    }

    fn decode_bytes(&self, id: u32) -> Vec<u8> {
        self.0.decode_bytes(id)
    }

    fn is_special(&self, id: u32) -> bool {
        self.0.is_special(id)
    }

    fn is_eog(&self, id: u32) -> bool {
        self.0.is_eog(id)
    }

    fn special_tokens(&self) -> &[SpecialToken] {
        self.0.special_tokens()
    }

    fn picture(&self, number: usize) -> Vec<u32> {
        vec![PICTURE + number as u32; 5]
    }
}

impl Seeing {
    fn show(&self, ids: &[u32]) -> String {
        let pieces = ids.chunk_by(|a, b| a == b || (*a < PICTURE && *b < PICTURE));
        let text = pieces.map(|piece| match piece {
            [id, ..] if *id >= PICTURE => format!("[{} x {}]", id - PICTURE, piece.len()),
            words => self.0.show(words),
        });
        text.collect()
    }
}

fn shown(pictures: &[(usize, &[usize])], messages: Vec<Message>) -> Conversation {
    let pictures = pictures.iter().map(|(at, places)| (*at, places.to_vec())).collect();
    Conversation { pictures, ..conversation(messages, vec![]) }
}

#[test]
fn a_picture_stands_where_it_was_put_in_every_format() {
    let messages = vec![user("Look: this"), says("Yes."), user("And now?")];
    let conversation = shown(&[(0, &[6, 10]), (2, &[0])], messages);
    for (name, vocabulary) in [
        ("ozone", Bytes::qwen()),
        ("qwen3", Bytes::qwen()),
        ("qwen25", Bytes::qwen()),
        ("llama31", Bytes::qwen()),
        ("mistral", Bytes::qwen()),
        ("gemma", Bytes::qwen()),
        ("r1", Bytes::deep_seek()),
        ("harmony", Bytes::harmony()),
    ] {
        let seeing = Seeing(vocabulary);
        let transcript = Transcript::start(conversation.clone(), &template(name), &seeing).unwrap();
        let text = seeing.show(transcript.tokens());
        assert!(text.contains("Look: [0 x 5]this[1 x 5]"), "{name}: {text}");
        assert!(text.contains("[2 x 5]And now?"), "{name}: {text}");
        let plain = render(name, &conversation);
        assert!(plain.contains("Look: [picture 1]this[picture 2]"), "{name}: {plain}");
    }
}

#[test]
fn words_never_become_pictures() {
    let seeing = Seeing(Bytes::qwen());
    let evil = "a\u{FDD2}0\u{FDD2}b <__media__> [picture 1] \u{FDD0}\u{FDD2}";
    let said = vec![user(evil), calls(evil, evil, &[("python", evil)]), result(evil), user(evil)];
    let blind = conversation(said.clone(), vec![python()]);
    let sees = Conversation { pictures: [(3, vec![1])].into(), ..blind.clone() };
    let count = |conversation: Conversation| {
        let transcript = Transcript::start(conversation, &template("ozone"), &seeing).unwrap();
        transcript.tokens().iter().filter(|id| **id >= PICTURE).count()
    };
    assert_eq!(count(blind), 0);
    assert_eq!(count(sees), 5);
}

/// Also in the middle of a character, of which a place should not be.
#[test]
fn a_place_outside_of_the_words_is_moved_into_them() {
    let seeing = Seeing(Bytes::qwen());
    let conversation = shown(&[(0, &[1, 99])], vec![user("é")]);
    let transcript = Transcript::start(conversation, &template("ozone"), &seeing).unwrap();
    let text = seeing.show(transcript.tokens());
    assert!(text.contains("[0 x 5]é[1 x 5]"), "{text}");
}

#[test]
fn pictures_that_come_later_are_only_added() {
    let seeing = Seeing(Bytes::qwen());
    let template = template("ozone");
    let conversation = shown(&[(0, &[0])], vec![user("What is it?")]);
    let mut transcript = Transcript::start(conversation, &template, &seeing).unwrap();
    let said =
        "<tool_call>\n{\"name\": \"python\", \"arguments\": {\"code\": \"1\"}}\n</tool_call>";
    let ids = seeing.encode(&format!("{said}<|im_end|>"), true);
    let mut parser = ozone_prompt::StreamParser::for_tokens(
        Format::HermesQwen,
        &[python()],
        transcript.thinking_open(),
        &seeing,
    );
    ids.iter().for_each(|id| drop(parser.push_token(*id, &seeing)));
    transcript.push_sampled(&ids, parser.finish().1.to_message(|at| format!("call_{at}")));
    let before = transcript.tokens().to_vec();
    let pictures = BTreeMap::from([(1, vec![7])]);
    let messages = vec![result("see below"), user("Made: ")];
    let appended = transcript.append_shown(messages, pictures, &template, &seeing).unwrap();
    let Appended::Suffix(new) = appended else { panic!("the history was rendered anew") };
    assert!(transcript.tokens().starts_with(&before));
    assert!(seeing.show(&new).contains("Made: [1 x 5]"), "{}", seeing.show(&new));
    assert!(!seeing.show(&new).contains("[0 x 5]"), "{}", seeing.show(&new));
}
