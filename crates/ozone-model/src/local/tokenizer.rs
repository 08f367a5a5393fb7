//! The engine's vocabulary, as `ozone-prompt` wants it.

use std::sync::Arc;

use ozone_prompt::{SpecialToken, Tokenizer};

use crate::engine::Vocab;

#[derive(Debug)]
pub struct LocalTokenizer {
    pub vocab: Arc<Vocab>,
    pub specials: Vec<SpecialToken>,
}

impl LocalTokenizer {
    pub fn new(vocab: Arc<Vocab>) -> LocalTokenizer {
        let ids = (0..vocab.len() as u32).filter(|id| vocab.is_special(*id));
        let specials = ids
            .map(|id| SpecialToken {
                id,
                text: String::from_utf8_lossy(vocab.decode_bytes(id)).into_owned(),
            })
            .collect();
        LocalTokenizer { vocab, specials }
    }
}

impl Tokenizer for LocalTokenizer {
    fn encode(&self, text: &str, parse_special: bool) -> Vec<u32> {
        self.vocab.encode(text, parse_special)
    }

    fn decode_bytes(&self, id: u32) -> Vec<u8> {
        self.vocab.decode_bytes(id).to_vec()
    }

    fn is_special(&self, id: u32) -> bool {
        self.vocab.is_special(id)
    }

    fn is_eog(&self, id: u32) -> bool {
        self.vocab.is_end_of_generation(id)
    }

    fn special_tokens(&self) -> &[SpecialToken] {
        &self.specials
    }

    fn bos(&self) -> Option<u32> {
        self.vocab.bos().filter(|_| self.vocab.adds_bos())
    }
}
