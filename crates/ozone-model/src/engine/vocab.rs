//! The model's vocabulary, readable from any thread while the engine works.
//!
//! Text on its way into the model is either ours (templates: special tokens are recognised) or
//! somebody else's (they must not be). llama.cpp recognises "user-defined" tokens such as Qwen's
//! `<tool_call>` even in the second case, so `encode` cuts such text within the tag; otherwise a
//! web page could open a tool call by quoting one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use llguidance::ParserFactory;
use toktrie::{InferenceCapabilities, TokEnv, TokRxInfo, TokTrie, TokenId, TokenizerEnv};

use super::guide::{Guide, Words};
use super::llama::Model;
use super::{EngineError, GrammarRule};

/// Compiled grammars that are kept: a conversation compiles its tools once.
const GRAMMARS_KEPT_MAX: usize = 32;

/// Token ids, texts and what the file says about them.
pub struct Vocab {
    model: Arc<Model>,
    pieces: Vec<Box<[u8]>>,
    special: Vec<bool>,
    end_of_generation: Vec<u32>,
    /// Texts of tokens that llama.cpp would recognise in foreign text.
    tags: Vec<String>,
    by_text: HashMap<Vec<u8>, u32>,
    grammars: Mutex<Grammars>,
}

/// Built when the first grammar comes: the trie of a large vocabulary takes a while.
#[derive(Default)]
struct Grammars {
    factory: Option<(Arc<ParserFactory>, Arc<Words>)>,
    compiled: HashMap<String, Guide>,
}

impl std::fmt::Debug for Vocab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vocab").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Vocab {
    pub(super) fn new(model: Arc<Model>) -> Vocab {
        let ids = 0..model.vocab_len() as u32;
        let pieces: Vec<Box<[u8]>> = ids.clone().map(|id| model.piece(id).into()).collect();
        let mut special = Vec::with_capacity(pieces.len());
        let mut end_of_generation = Vec::new();
        let mut tags = Vec::new();
        let mut by_text = HashMap::new();
        for id in ids {
            let attributes = model.attributes(id);
            let text = &pieces[id as usize];
            // Some vocabularies add runs of spaces or new lines as "user-defined": plain text.
            let is_tag = attributes.user_defined && looks_like_a_tag(text);
            special.push(attributes.control || is_tag);
            if is_tag && let Ok(text) = std::str::from_utf8(text) {
                tags.push(text.to_owned());
            }
            if attributes.control || is_tag {
                by_text.insert(text.to_vec(), id);
            }
            if model.is_end_of_generation(id) {
                end_of_generation.push(id);
            }
        }
        let grammars = Mutex::default();
        Vocab { model, pieces, special, end_of_generation, tags, by_text, grammars }
    }

    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The ids of a text. With `parse_special` false no special token can result.
    pub fn encode(&self, text: &str, parse_special: bool) -> Vec<u32> {
        if parse_special {
            return self.model.tokenize(text, true);
        }
        let mut ids = Vec::new();
        let mut rest = text;
        while let Some(cut) = self.first_tag(rest) {
            ids.extend(self.model.tokenize(&rest[..cut], false));
            rest = &rest[cut..];
        }
        ids.extend(self.model.tokenize(rest, false));
        ids
    }

    /// Where to cut so that the first tag in the text is not seen as one token.
    fn first_tag(&self, text: &str) -> Option<usize> {
        let starts = self.tags.iter().filter_map(|tag| {
            let first = tag.chars().next().map_or(1, char::len_utf8);
            text.find(tag.as_str()).map(|at| at + first)
        });
        starts.min()
    }

    /// The token's bytes, which need not be whole characters. Unknown ids have none.
    pub fn decode_bytes(&self, id: u32) -> &[u8] {
        self.pieces.get(id as usize).map_or(&[], |piece| piece)
    }

    /// The text of several tokens; bytes that are no UTF-8 are replaced.
    pub fn decode(&self, ids: &[u32]) -> String {
        let bytes: Vec<u8> = ids.iter().flat_map(|id| self.decode_bytes(*id)).copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Control tokens and tags: never ordinary text.
    pub fn is_special(&self, id: u32) -> bool {
        self.special.get(id as usize).copied().unwrap_or(false)
    }

    /// The special token with exactly this text, such as `<tool_call>`.
    pub fn special_token(&self, text: &str) -> Option<u32> {
        self.by_text.get(text.as_bytes()).copied()
    }

    /// All tokens that end an answer.
    pub fn end_of_generation(&self) -> &[u32] {
        &self.end_of_generation
    }

    pub fn is_end_of_generation(&self, id: u32) -> bool {
        self.end_of_generation.contains(&id)
    }

    pub fn bos(&self) -> Option<u32> {
        self.model.bos()
    }

    pub fn eos(&self) -> Option<u32> {
        self.model.eos()
    }

    pub fn adds_bos(&self) -> bool {
        self.model.adds_bos()
    }

    /// The Jinja template of the file, if it has one.
    pub fn chat_template(&self) -> Option<String> {
        self.model.chat_template()
    }

    /// A fresh guide by a Lark grammar (llguidance's dialect, `%json {…}` included).
    pub(super) fn guide(&self, rule: &GrammarRule) -> Result<Guide, EngineError> {
        let mut grammars = match self.grammars.lock() {
            Ok(grammars) => grammars,
            Err(poisoned) => poisoned.into_inner(),
        };
        // Of one vocabulary, the marks follow from the grammar.
        if let Some(guide) = grammars.compiled.get(&rule.lark) {
            return Ok(guide.fork());
        }
        let (factory, words) = match &grammars.factory {
            Some((factory, words)) => (Arc::clone(factory), Arc::clone(words)),
            None => {
                let factory = Arc::new(self.factory().map_err(EngineError::grammar)?);
                let words = Arc::new(Words::new(factory.tok_env().tok_trie()));
                grammars.factory = Some((Arc::clone(&factory), Arc::clone(&words)));
                (factory, words)
            }
        };
        let guide = Guide::new(&factory, &words, &rule.lark, rule.text_marks)?;
        if grammars.compiled.len() >= GRAMMARS_KEPT_MAX {
            grammars.compiled.clear();
        }
        grammars.compiled.insert(rule.lark.clone(), guide.fork());
        Ok(guide)
    }

    fn factory(&self) -> Result<ParserFactory, String> {
        let words: Vec<Vec<u8>> = (0..self.len() as u32).map(|id| self.trie_word(id)).collect();
        let end = self.model.eot().or(self.eos()).or(self.end_of_generation.first().copied());
        let end = end.ok_or("the vocabulary has no token that ends an answer")?;
        let trie = TokTrie::from(&TokRxInfo::new(self.len() as u32, end), &words);
        let ends: Vec<u32> =
            [end].into_iter().chain(self.end_of_generation.iter().copied()).collect();
        let model = Arc::clone(&self.model);
        let env: TokEnv = Arc::new(Env { trie: trie.with_eos_tokens(&ends), model });
        let capabilities = InferenceCapabilities { ff_tokens: true, ..Default::default() };
        let slices = llguidance::earley::SlicedBiasComputer::general_slices();
        let mut factory =
            ParserFactory::new(&env, capabilities, &slices).map_err(|error| error.to_string())?;
        factory.quiet();
        Ok(factory)
    }

    /// llguidance knows special tokens by a byte that never starts a text.
    fn trie_word(&self, id: u32) -> Vec<u8> {
        let piece = self.decode_bytes(id);
        if self.is_special(id) {
            [&[TokTrie::SPECIAL_TOKEN_MARKER], piece].concat()
        } else {
            piece.to_vec()
        }
    }
}

fn looks_like_a_tag(text: &[u8]) -> bool {
    matches!(text, [b'<', .., b'>'] | [b'[', .., b']']) && text.len() > 2
}

struct Env {
    trie: TokTrie,
    model: Arc<Model>,
}

impl TokenizerEnv for Env {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        self.trie.tokenize_with_greedy_fallback(bytes, |text| self.model.tokenize(text, false))
    }
}
