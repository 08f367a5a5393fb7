//! One conversation as text, and as tokens with the mask of what is learned.

use crate::kernels::Credit;
use crate::tokenizer::Tokenizer;

/// A piece of a conversation. `trained` text is what the model itself would write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub text: String,
    pub trained: bool,
}

/// One conversation, special tokens written out: `<|im_start|>user\n…<|im_end|>\n…`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Example {
    pub segments: Vec<Segment>,
}

/// Where examples come from. A pure function of the index: a resumed run sees what the cut one
/// would have seen.
pub trait ExampleSource: Send + Sync {
    fn example(&self, index: u64) -> Example;
}

impl<F: Fn(u64) -> Example + Send + Sync> ExampleSource for F {
    fn example(&self, index: u64) -> Example {
        self(index)
    }
}

/// `trained[i]` says whether predicting `ids[i]` from what stands before it counts as loss.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenizedExample {
    pub ids: Vec<u32>,
    pub trained: Vec<bool>,
    /// What each of `ids` has earned, where they were sampled; else empty.
    pub credits: Vec<Credit>,
}

impl TokenizedExample {
    /// Whether any token counts as loss; the first is never predicted.
    pub(crate) fn learns(&self) -> bool {
        self.trained.iter().skip(1).any(|&trained| trained)
    }
}

impl Example {
    /// Tokens of the whole text, as an inference engine would cut it.
    ///
    /// The text is encoded as one string, not per segment, so that training sees the same ids as
    /// serving. A token over a segment's border belongs to the segment of its first byte.
    pub fn tokenize(&self, tokenizer: &Tokenizer) -> TokenizedExample {
        let text: String = self.segments.iter().map(|segment| segment.text.as_str()).collect();
        let ids = tokenizer.encode(&text);
        let mut borders = self.segments.iter().scan(0usize, |end, segment| {
            *end += segment.text.len();
            Some((*end, segment.trained))
        });
        let mut border = borders.next();
        let mut start = 0usize;
        let mut trained = Vec::with_capacity(ids.len());
        for &id in &ids {
            while border.is_some_and(|(end, _)| start >= end) {
                border = borders.next();
            }
            trained.push(border.is_some_and(|(_, trained)| trained));
            start += tokenizer.token_bytes(id).len();
        }
        TokenizedExample { ids, trained, credits: Vec::new() }
    }
}
