//! The passages of files, found by what they say: the index behind vector stores.
//!
//! The text of a file becomes passages ([`Chunking`]), and each passage a bag of
//! terms for SQLite's full-text index, with a vector beside it where an embedding model is at hand.
//! Candidates come from the index by BM25 and from the vectors by their angle; their scores are
//! computed here, from the statistics of their own vector store alone, so that they lie in 0 to 1
//! and tell nothing of what other tenants store.

mod chunk;
mod score;
pub(crate) mod sql;
mod terms;

pub use chunk::Chunking;
pub use score::rank;
pub use terms::{is_stop_word, is_unspaced, keywords, terms};

/// A file in a vector store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Source {
    /// The vector store; its id is unique among all tenants.
    pub shelf: String,
    pub file: String,
}

/// A piece of a file's text, ready for the index.
#[derive(Debug, Clone, PartialEq)]
pub struct Passage {
    text: String,
    /// So many of its first bytes end the passage before, too.
    overlap: usize,
    terms: Vec<String>,
    /// Of the file, from 1.
    page: Option<u32>,
    /// Of length 1.
    vector: Option<Vec<f32>>,
}

impl Passage {
    pub fn new(text: impl Into<String>, overlap: usize) -> Self {
        let text = text.into();
        let terms = terms::terms(&text);
        Passage { text, overlap, terms, page: None, vector: None }
    }

    pub fn on_page(mut self, page: Option<u32>) -> Self {
        self.page = page;
        self
    }

    /// With what an embedding model makes of it.
    pub fn with_vector(mut self, vector: Vec<f32>) -> Self {
        self.vector = Some(score::normalised(vector));
        self
    }

    pub fn text(&self) -> &str {
        &self.text
    }
}

/// What is looked for in one vector store.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    pub shelf: String,
    pub query: String,
    /// The query's vector; without one, words alone decide.
    pub vector: Option<Vec<f32>>,
    /// How much a passage's words count, and how much its vector.
    pub weights: Weights,
    /// Only these files; `None` means all.
    pub files: Option<Vec<String>>,
    pub limit: usize,
}

/// How the two scores of a passage are mixed: their weighted mean (arXiv:2210.11934 finds it at
/// least as good as a fusion of ranks).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    pub text: f64,
    pub embedding: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Weights { text: 1.0, embedding: 1.0 }
    }
}

/// A passage that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    pub file: String,
    /// Its place in the file.
    pub number: u64,
    pub text: String,
    pub page: Option<u32>,
    /// 0 to 1. Of words: the share of the query's information that the passage holds. Of vectors:
    /// the cosine of their angle, where that is not negative.
    pub score: f64,
}

/// The text of a passage and how much of it stood in the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub text: String,
    pub overlap: usize,
}
