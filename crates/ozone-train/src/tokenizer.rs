//! Byte-level BPE in the format of Hugging Face and llama.cpp, trained so that copying is easy.
//!
//! A small model copies a word from a question into code only if the word has the same pieces in
//! both places. So merges are learned first inside runs of letters, where a space, quote or
//! bracket before the word changes nothing; then late merges join a space with a whole frequent
//! word, and runs of punctuation. Digits are never merged: one token each.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};

use ahash::AHashMap;
use regex::Regex;
use serde_json::{Value, json};

use crate::TrainError;

/// The special tokens, in the order of their ids from 0.
pub const SPECIAL_TOKENS: [&str; 9] = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
];
/// The first of [`SPECIAL_TOKENS`] that are control tokens; the rest are ordinary marked words.
pub const CONTROL_TOKENS: usize = 3;
pub const END_OF_TEXT: u32 = 0;
pub const IM_START: u32 = 1;
pub const IM_END: u32 = 2;

/// Where words end, before any merge: each expression cuts the pieces that the ones before left.
///
/// These are DeepSeek Coder's, known to llama.cpp by that name: one token per digit, a word apart
/// from its quote or bracket. Qwen2's own would cut `'strawberry'` at `'s` (a contraction), and
/// the word could not be copied into code.
pub const PRE_TOKENIZER: [&str; 5] =
    ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-\u{d7ff}]+", r"\p{N}"];
/// The name of [`PRE_TOKENIZER`] in a GGUF.
pub const PRE_TOKENIZER_NAME: &str = "deepseek-coder";

static CUTS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let compiled = PRE_TOKENIZER.iter().map(|expression| Regex::new(expression));
    compiled.map(|regex| regex.expect("the expressions are constant and tested")).collect()
});

/// Part of the merges that are learned inside runs of letters. The rest go to "space + word" and
/// punctuation. More would give rare words long, irregular pieces.
const LETTER_MERGES: f64 = 0.58;
/// A late merge "space + piece" is taken if the piece is then the whole word this often.
const WHOLE_WORD_SHARE: f64 = 0.9;
/// Words whose pieces are remembered. Past that, words are cut afresh.
const CACHE_WORDS_MAX: usize = 200_000;

/// Text to token ids and back. Any bytes survive the round trip.
pub struct Tokenizer {
    /// Bytes of each token; a special token's are those of its name.
    tokens: Vec<Vec<u8>>,
    /// The pairs that were merged, in order; the result of `merges[i]` is token `FIRST_MERGE + i`.
    merges: Vec<(u32, u32)>,
    ranks: AHashMap<(u32, u32), u32>,
    cache: Mutex<AHashMap<String, Arc<[u32]>>>,
}

const FIRST_BYTE: u32 = SPECIAL_TOKENS.len() as u32;
const FIRST_MERGE: u32 = FIRST_BYTE + 256;

impl Tokenizer {
    /// Learns the merges from `texts`; places that no merge fills are named `<|unused_N|>`.
    pub fn train<S: AsRef<str>>(
        texts: impl IntoIterator<Item = S>,
        vocab_size: usize,
    ) -> Result<Self, TrainError> {
        let Some(room) = vocab_size.checked_sub(FIRST_MERGE as usize) else {
            let reason = format!("vocab_size has to be at least {FIRST_MERGE}");
            return Err(TrainError::BadConfig(reason));
        };
        let mut words: BTreeMap<String, u64> = BTreeMap::new();
        let mut letters: BTreeMap<String, u64> = BTreeMap::new();
        for text in texts {
            for part in split_specials(text.as_ref()) {
                let Part::Text(text) = part else { continue };
                for word in pre_tokens(text) {
                    *words.entry(word.to_owned()).or_default() += 1;
                    let run = word.trim_start_matches(|c: char| !c.is_alphabetic());
                    if !run.is_empty() && run.chars().all(char::is_alphabetic) {
                        *letters.entry(run.to_owned()).or_default() += 1;
                    }
                }
            }
        }
        let mut merger = Merger::new(&letters);
        merger.learn((room as f64 * LETTER_MERGES) as usize, |_, _| true);
        let (tokens, merges) = (merger.tokens, merger.merges);
        let mut merger = Merger::resume(tokens, merges, &words);
        let late = room.saturating_sub(merger.merges.len());
        merger.learn(late, Merger::is_late_merge);
        Ok(Self::new(merger.merges, vocab_size))
    }

    fn new(merges: Vec<(u32, u32)>, vocab_size: usize) -> Self {
        let mut tokens = base_tokens();
        for &(left, right) in &merges {
            let joined = [&tokens[left as usize][..], &tokens[right as usize][..]].concat();
            tokens.push(joined);
        }
        for unused in tokens.len()..vocab_size {
            tokens.push(unused_name(unused).into_bytes());
        }
        let ranks = merges.iter().zip(0..).map(|(&pair, rank)| (pair, rank)).collect();
        Self { tokens, merges, ranks, cache: Mutex::default() }
    }

    pub fn vocab_size(&self) -> usize {
        self.tokens.len()
    }

    /// Ids of `text`; special tokens that are written out in it become their ids.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::with_capacity(text.len() / 2);
        let mut cache = self.cache.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        for part in split_specials(text) {
            match part {
                Part::Special(id) => ids.push(id),
                Part::Text(text) => {
                    for word in pre_tokens(text) {
                        if let Some(pieces) = cache.get(word) {
                            ids.extend_from_slice(pieces);
                            continue;
                        }
                        let pieces = self.pieces(word.as_bytes());
                        ids.extend_from_slice(&pieces);
                        if cache.len() < CACHE_WORDS_MAX {
                            cache.insert(word.to_owned(), pieces.into());
                        }
                    }
                }
            }
        }
        ids
    }

    fn pieces(&self, word: &[u8]) -> Vec<u32> {
        let mut pieces: Vec<u32> = word.iter().map(|&byte| FIRST_BYTE + u32::from(byte)).collect();
        loop {
            let best = pieces
                .windows(2)
                .filter_map(|pair| self.ranks.get(&(pair[0], pair[1])))
                .min()
                .copied();
            let Some(rank) = best else { return pieces };
            merge_pair(&mut pieces, self.merges[rank as usize], FIRST_MERGE + rank);
        }
    }

    /// The bytes that `ids` stand for. Ids outside the vocabulary stand for nothing.
    pub fn decode_bytes(&self, ids: &[u32]) -> Vec<u8> {
        ids.iter().flat_map(|&id| self.token_bytes(id)).copied().collect()
    }

    /// The text that `ids` stand for; bytes that are not UTF-8 become U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> String {
        String::from_utf8_lossy(&self.decode_bytes(ids)).into_owned()
    }

    pub fn token_bytes(&self, id: u32) -> &[u8] {
        self.tokens.get(id as usize).map_or(&[], Vec::as_slice)
    }

    /// Tokens in id order as GGUF and `tokenizer.json` spell them, GPT-2's letters for bytes.
    pub fn spelled_tokens(&self) -> Vec<String> {
        (0..self.tokens.len() as u32).map(|id| self.spell(id)).collect()
    }

    /// Merges in order, as `left right`.
    pub fn spelled_merges(&self) -> Vec<String> {
        let spell =
            |&(left, right): &(u32, u32)| format!("{} {}", self.spell(left), self.spell(right));
        self.merges.iter().map(spell).collect()
    }

    /// The number of ids that mean something; those above are `<|unused_N|>`.
    pub fn used(&self) -> usize {
        FIRST_MERGE as usize + self.merges.len()
    }

    fn spell(&self, id: u32) -> String {
        let bytes = self.token_bytes(id);
        if id < FIRST_BYTE || id as usize >= self.used() {
            return String::from_utf8_lossy(bytes).into_owned();
        }
        bytes.iter().map(|&byte| BYTE_LETTERS[byte as usize]).collect()
    }

    /// `tokenizer.json` for `tokenizers` and transformers.
    pub fn to_json(&self) -> Value {
        let added = |id: u32, special: bool| {
            json!({"id": id, "content": self.spell(id), "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": special})
        };
        let unused = self.used() as u32..self.tokens.len() as u32;
        let added: Vec<Value> = (0..FIRST_BYTE)
            .map(|id| added(id, (id as usize) < CONTROL_TOKENS))
            .chain(unused.map(|id| added(id, true)))
            .collect();
        let vocab: serde_json::Map<String, Value> =
            self.spelled_tokens().into_iter().zip(0u32..).map(|(t, id)| (t, id.into())).collect();
        let split = |expression: &&str| {
            json!({"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated",
                "invert": false})
        };
        let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false,
            "use_regex": false});
        let cuts: Vec<Value> = PRE_TOKENIZER.iter().map(split).chain([bytes]).collect();
        json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": added,
            "normalizer": null,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": cuts},
            "post_processor": {"type": "ByteLevel", "add_prefix_space": false,
                "trim_offsets": false, "use_regex": false},
            "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false,
                "use_regex": false},
            "model": {"type": "BPE", "dropout": null, "unk_token": null,
                "continuing_subword_prefix": "", "end_of_word_suffix": "", "fuse_unk": false,
                "byte_fallback": false, "ignore_merges": false, "vocab": vocab,
                "merges": self.spelled_merges()},
        })
    }

    /// `tokenizer_config.json`, with the chat template that an engine renders messages by.
    pub fn config_json(&self, chat_template: &str, model_max_length: usize) -> Value {
        let decoder: serde_json::Map<String, Value> = (0..FIRST_BYTE)
            .map(|id| {
                let token = json!({"content": self.spell(id), "lstrip": false,
                    "normalized": false, "rstrip": false, "single_word": false,
                    "special": (id as usize) < CONTROL_TOKENS});
                (id.to_string(), token)
            })
            .collect();
        json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "added_tokens_decoder": decoder,
            "add_bos_token": false,
            "add_prefix_space": false,
            "bos_token": null,
            "eos_token": SPECIAL_TOKENS[IM_END as usize],
            "pad_token": SPECIAL_TOKENS[END_OF_TEXT as usize],
            "unk_token": null,
            "clean_up_tokenization_spaces": false,
            "model_max_length": model_max_length,
            "chat_template": chat_template,
        })
    }

    /// Reads what [`Tokenizer::to_json`] wrote.
    pub fn from_json(value: &Value) -> Result<Self, TrainError> {
        let bad = |reason: &str| TrainError::BadTokenizer(reason.to_owned());
        let vocab = value["model"]["vocab"].as_object().ok_or_else(|| bad("no model.vocab"))?;
        let id = |token: &str| vocab.get(token).and_then(Value::as_u64).map(|id| id as u32);
        let merges = value["model"]["merges"].as_array().ok_or_else(|| bad("no model.merges"))?;
        let merges = merges
            .iter()
            .map(|merge| {
                let (left, right) = merge.as_str()?.split_once(' ')?;
                Some((id(left)?, id(right)?))
            })
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| bad("a merge names a token that is not in the vocabulary"))?;
        let ordered = merges.iter().zip(FIRST_MERGE..).all(|(&(left, right), result)| {
            left.max(right) < result && left.min(right) >= FIRST_BYTE
        });
        if !ordered || vocab.len() < FIRST_MERGE as usize + merges.len() {
            return Err(bad("its merges are not in this crate's order"));
        }
        let tokenizer = Self::new(merges, vocab.len());
        let same = tokenizer.spelled_tokens().iter().zip(0u32..).all(|(t, i)| id(t) == Some(i));
        if same { Ok(tokenizer) } else { Err(bad("its ids are not in this crate's order")) }
    }

    pub fn load(path: &Path) -> Result<Self, TrainError> {
        let text = std::fs::read_to_string(path).map_err(TrainError::io(path))?;
        let value = serde_json::from_str(&text)
            .map_err(|error| TrainError::BadTokenizer(error.to_string()))?;
        Self::from_json(&value)
    }

    pub fn save(&self, path: &Path) -> Result<(), TrainError> {
        std::fs::write(path, format!("{:#}\n", self.to_json())).map_err(TrainError::io(path))
    }
}

impl Clone for Tokenizer {
    /// A copy with an empty cache.
    fn clone(&self) -> Self {
        Self::new(self.merges.clone(), self.tokens.len())
    }
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokenizer({} tokens, {} merges)", self.tokens.len(), self.merges.len())
    }
}

impl PartialEq for Tokenizer {
    fn eq(&self, other: &Self) -> bool {
        self.tokens == other.tokens && self.merges == other.merges
    }
}

fn base_tokens() -> Vec<Vec<u8>> {
    let specials = SPECIAL_TOKENS.iter().map(|token| token.as_bytes().to_vec());
    specials.chain((0..=255).map(|byte| vec![byte])).collect()
}

fn unused_name(id: usize) -> String {
    format!("<|unused_{id}|>")
}

enum Part<'a> {
    Special(u32),
    Text(&'a str),
}

/// Cuts `text` at the special tokens that are written out in it.
fn split_specials(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut from, mut at) = (0, 0);
    while let Some(offset) = text[at..].find('<') {
        at += offset;
        let special = SPECIAL_TOKENS.iter().position(|token| text[at..].starts_with(token));
        let Some(special) = special else {
            at += 1;
            continue;
        };
        if at > from {
            parts.push(Part::Text(&text[from..at]));
        }
        parts.push(Part::Special(special as u32));
        at += SPECIAL_TOKENS[special].len();
        from = at;
    }
    if from < text.len() {
        parts.push(Part::Text(&text[from..]));
    }
    parts
}

/// The words of `text`: what an expression finds is cut out, and so is what lies between.
fn pre_tokens(text: &str) -> Vec<&str> {
    CUTS.iter().fold(vec![text], |pieces, cut| {
        pieces.into_iter().flat_map(|piece| cut_at(piece, cut)).collect()
    })
}

fn cut_at<'a>(text: &'a str, cut: &Regex) -> Vec<&'a str> {
    let mut pieces = Vec::new();
    let mut from = 0;
    for found in cut.find_iter(text) {
        if found.start() > from {
            pieces.push(&text[from..found.start()]);
        }
        pieces.push(found.as_str());
        from = found.end();
    }
    if from < text.len() {
        pieces.push(&text[from..]);
    }
    pieces
}

/// GPT-2's printable letter for each byte.
static BYTE_LETTERS: LazyLock<Vec<char>> = LazyLock::new(|| {
    let printable = |byte: u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let mut moved = 0;
    (0..256u32)
        .map(|byte| {
            let code = if printable(byte) {
                byte
            } else {
                moved += 1;
                255 + moved
            };
            char::from_u32(code).expect("codes up to 323 are letters")
        })
        .collect()
});

fn merge_pair(pieces: &mut Vec<u32>, pair: (u32, u32), result: u32) {
    let (mut read, mut write) = (0, 0);
    while read < pieces.len() {
        let merged = read + 1 < pieces.len() && (pieces[read], pieces[read + 1]) == pair;
        pieces[write] = if merged { result } else { pieces[read] };
        read += if merged { 2 } else { 1 };
        write += 1;
    }
    pieces.truncate(write);
}

/// Learns merges from counted words, most frequent pair first, ties by the pair's bytes.
struct Merger {
    tokens: Vec<Vec<u8>>,
    merges: Vec<(u32, u32)>,
    words: Vec<(Vec<u32>, u64)>,
    pairs: AHashMap<(u32, u32), u64>,
    /// Words in which a pair stood at some time; it may have gone since.
    places: HashMap<(u32, u32), Vec<u32>>,
}

impl Merger {
    fn new(words: &BTreeMap<String, u64>) -> Self {
        Self::resume(base_tokens(), Vec::new(), words)
    }

    /// Goes on with other words, cut by the merges learned so far.
    fn resume(
        tokens: Vec<Vec<u8>>,
        merges: Vec<(u32, u32)>,
        words: &BTreeMap<String, u64>,
    ) -> Self {
        let cutter = Tokenizer::new(merges.clone(), 0);
        let words: Vec<_> =
            words.iter().map(|(word, &count)| (cutter.pieces(word.as_bytes()), count)).collect();
        let mut merger = Self {
            tokens,
            merges,
            words: Vec::new(),
            pairs: AHashMap::new(),
            places: HashMap::new(),
        };
        for (place, (pieces, count)) in words.iter().enumerate() {
            for pair in pieces.windows(2) {
                let pair = (pair[0], pair[1]);
                *merger.pairs.entry(pair).or_default() += count;
                merger.places.entry(pair).or_default().push(place as u32);
            }
        }
        merger.words = words;
        merger
    }

    fn learn(&mut self, merges: usize, allowed: impl Fn(&Self, (u32, u32)) -> bool) {
        for _ in 0..merges {
            let mut candidates: Vec<_> = self
                .pairs
                .iter()
                .filter(|&(_, &count)| count >= 2)
                .map(|(&p, &n)| (p, n))
                .collect();
            candidates.sort_unstable_by_key(|&((left, right), count)| {
                (Reverse(count), &self.tokens[left as usize], &self.tokens[right as usize])
            });
            let chosen = candidates.into_iter().map(|(pair, _)| pair).find(|&p| allowed(self, p));
            let Some(pair) = chosen else { return };
            self.merge(pair);
        }
    }

    fn merge(&mut self, pair: (u32, u32)) {
        let result = self.tokens.len() as u32;
        let bytes = [&self.tokens[pair.0 as usize][..], &self.tokens[pair.1 as usize][..]].concat();
        self.tokens.push(bytes);
        self.merges.push(pair);
        let mut places = self.places.remove(&pair).unwrap_or_default();
        places.dedup();
        for place in places {
            let (pieces, count) = &mut self.words[place as usize];
            for pair in pieces.windows(2) {
                if let Some(total) = self.pairs.get_mut(&(pair[0], pair[1])) {
                    *total = total.saturating_sub(*count);
                }
            }
            merge_pair(pieces, pair, result);
            for pair in pieces.windows(2) {
                let pair = (pair[0], pair[1]);
                *self.pairs.entry(pair).or_default() += *count;
                if pair.0 == result || pair.1 == result {
                    self.places.entry(pair).or_default().push(place);
                }
            }
        }
        self.pairs.remove(&pair);
    }

    /// Late merges: runs of punctuation and white space, and a space with a whole frequent word.
    fn is_late_merge(&self, pair: (u32, u32)) -> bool {
        let (left, right) = (&self.tokens[pair.0 as usize], &self.tokens[pair.1 as usize]);
        let mark = |byte: &u8| byte.is_ascii() && !byte.is_ascii_alphanumeric();
        if left.iter().chain(right).all(mark) {
            return true;
        }
        let letters = |bytes: &[u8]| !bytes.iter().any(|b| mark(b) || b.is_ascii_digit());
        if left != b" " || !letters(right) {
            return false;
        }
        let Some(places) = self.places.get(&pair) else { return false };
        let (mut whole, mut all) = (0u64, 0u64);
        let mut places = places.clone();
        places.dedup();
        for place in places {
            let (pieces, count) = &self.words[place as usize];
            if pieces.len() == 2 && (pieces[0], pieces[1]) == pair {
                whole += count;
            }
            if pieces.windows(2).any(|window| (window[0], window[1]) == pair) {
                all += count;
            }
        }
        whole as f64 >= WHOLE_WORD_SHARE * all as f64
    }
}
