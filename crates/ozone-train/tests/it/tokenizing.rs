use std::sync::LazyLock;

use ozone_train::tokenizer::{IM_END, IM_START, SPECIAL_TOKENS, Tokenizer};
use ozone_train::{Example, Segment};
use proptest::prelude::*;

const TEXT: &str = "How many letters are in \"strawberry\"? print('strawberry'.count('r')) \
    The answer is 3. The letters of (strawberry) and the answer are there.\n\n\
    {\"name\": \"python\", \"arguments\": {\"code\": \"print(12 + 7)\"}}\n";

fn tokenizer() -> &'static Tokenizer {
    static TRAINED: LazyLock<Tokenizer> =
        LazyLock::new(|| Tokenizer::train(vec![TEXT; 3], 384).unwrap());
    &TRAINED
}

proptest! {
    #[test]
    fn any_text_survives_the_round_trip(text in any::<String>()) {
        let tokenizer = tokenizer();
        prop_assert_eq!(tokenizer.decode(&tokenizer.encode(&text)), text);
    }

    #[test]
    fn text_with_special_tokens_survives_too(parts in prop::collection::vec(
        prop_oneof!["\\PC{0,8}", prop::sample::select(&SPECIAL_TOKENS[..]).prop_map(str::to_owned),
            "[<|>/a-z_ ]{0,12}"], 0..8))
    {
        let tokenizer = tokenizer();
        let text = parts.concat();
        prop_assert_eq!(tokenizer.decode(&tokenizer.encode(&text)), text);
    }

    #[test]
    fn each_digit_is_a_token_of_its_own(number in any::<u64>()) {
        let tokenizer = tokenizer();
        let ids = tokenizer.encode(&format!("{number}"));
        prop_assert_eq!(ids.len(), number.to_string().len());
    }

    #[test]
    fn any_bytes_have_tokens(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let tokenizer = tokenizer();
        let byte_id = |byte: &u8| SPECIAL_TOKENS.len() as u32 + u32::from(*byte);
        let ids: Vec<u32> = bytes.iter().map(byte_id).collect();
        prop_assert_eq!(tokenizer.decode_bytes(&ids), bytes);
    }
}

#[test]
fn special_tokens_are_single_ids() {
    let ids = tokenizer().encode("<|im_start|>a<|im_end|>");
    assert_eq!((ids[0], ids[ids.len() - 1], ids.len()), (IM_START, IM_END, 3));
}

/// Copying a word into code is then a copy of the same ids.
#[test]
fn a_rare_word_has_the_same_pieces_after_a_space_quote_or_bracket() {
    let tokenizer = tokenizer();
    let pieces = |text: &str| tokenizer.encode(text)[1..].to_vec();
    for word in ["excellence", "brrry", "strawbery", "tamed", "really"] {
        let after_space = pieces(&format!(" {word}"));
        for before in ["\"", "'", "(", "\n"] {
            assert_eq!(pieces(&format!("{before}{word}")), after_space, "{word} after {before:?}");
        }
    }
}

#[test]
fn a_saved_tokenizer_cuts_text_in_the_same_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    let tokenizer = tokenizer();
    tokenizer.save(&path).unwrap();
    let loaded = Tokenizer::load(&path).unwrap();
    assert_eq!(&loaded, tokenizer);
    assert_eq!(loaded.encode(TEXT), tokenizer.encode(TEXT));
}

#[test]
fn a_file_that_is_no_tokenizer_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    for text in ["", "{}", r#"{"model": {"vocab": {"a": 0}, "merges": ["a b"]}}"#] {
        std::fs::write(&path, text).unwrap();
        let error = Tokenizer::load(&path).unwrap_err().to_string();
        assert!(error.starts_with("the tokenizer cannot be read: "), "{error}");
    }
}

#[test]
fn a_vocabulary_without_room_for_the_bytes_is_refused() {
    assert!(Tokenizer::train([TEXT], 200).is_err());
}

/// Places that no merge fills are named, so that the vocabulary has the size that was asked for.
#[test]
fn a_vocabulary_is_filled_up() {
    let tokenizer = Tokenizer::train(["ab ab"], 320).unwrap();
    assert_eq!(tokenizer.vocab_size(), 320);
    assert!(tokenizer.used() < 320);
    assert_eq!(tokenizer.spelled_tokens()[319], "<|unused_319|>");
}

#[test]
fn only_what_the_model_writes_is_trained() {
    let segment = |text: &str, trained| Segment { text: text.to_owned(), trained };
    let example = Example {
        segments: vec![
            segment("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", false),
            segment("<think>\n1+1\n</think><|im_end|>", true),
            segment("", true),
            segment("\n<tool_response>2</tool_response>", false),
            segment("It is 2.<|im_end|>", true),
        ],
    };
    let tokenizer = tokenizer();
    let tokens = example.tokenize(tokenizer);
    let trained = tokens.ids.iter().zip(&tokens.trained).filter(|(_, trained)| **trained);
    let trained: Vec<u32> = trained.map(|(&id, _)| id).collect();
    assert_eq!(tokenizer.decode(&trained), "<think>\n1+1\n</think><|im_end|>It is 2.<|im_end|>");
}
