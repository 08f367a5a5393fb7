//! How well a passage fits a query.

use std::collections::BTreeSet;

use super::terms::{is_stop_word, terms};

/// BM25's saturation and length parameters for passages, as Anserini has them (MS MARCO).
const K1: f64 = 0.9;
const B: f64 = 0.4;

/// A term of a query, as a vector store knows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    pub term: String,
    /// How much it tells: its inverse document frequency.
    pub information: f64,
}

impl Wanted {
    /// `passages` of all hold it. A term that none holds tells as much as the rarest.
    pub fn new(term: String, passages: u64, all: u64) -> Self {
        let df = passages.clamp(1, all.max(1)) as f64;
        let information = (1.0 + (all as f64 - df + 0.5).max(0.0) / (df + 0.5)).ln();
        Wanted { term, information }
    }
}

/// BM25 of a passage over the most that any passage could have: 0 to 1, dimensionless.
///
/// `length` and `length_mean` are in terms.
/// Source: Robertson and Zaragoza, The Probabilistic Relevance Framework (2009), eq. 3.15.
pub(crate) fn words(wanted: &[Wanted], terms: &[String], length_mean: f64) -> f64 {
    let counts = wanted.iter().map(|wanted| count(&wanted.term, terms));
    weighed(wanted.iter().map(|wanted| wanted.information).zip(counts), terms.len(), length_mean)
}

fn count(term: &str, terms: &[String]) -> usize {
    terms.iter().filter(|t| *t == term).count()
}

/// By each wanted term's information and its count.
fn weighed(counts: impl Iterator<Item = (f64, usize)>, length: usize, length_mean: f64) -> f64 {
    let length = length as f64 / length_mean.max(1.0);
    let saturation = K1 * (1.0 - B + B * length);
    let (mut found, mut all) = (0.0, 0.0);
    for (information, count) in counts {
        let count = count as f64;
        found += information * count / (count + saturation);
        all += information;
    }
    if all > 0.0 { found / all } else { 0.0 }
}

/// How well each of a few texts fits a question: [`words`], with the statistics of these texts.
///
/// Words that stand in most texts are not looked for: a question of nothing else fits none.
pub fn rank(question: &str, texts: &[&str]) -> Vec<f64> {
    let telling = |word: &&str| {
        let plain = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        !plain.is_empty() && !is_stop_word(&plain)
    };
    let question: Vec<&str> = question.split_whitespace().filter(telling).collect();
    // Sums of floats depend on their order.
    let wanted: BTreeSet<String> = terms(&question.join(" ")).into_iter().collect();
    if wanted.is_empty() {
        return vec![0.0; texts.len()];
    }
    // Of each text its length and how often it has each term: the texts may be many.
    let counted = |text: &&str| {
        let terms = terms(text);
        let counts: Vec<usize> = wanted.iter().map(|term| count(term, &terms)).collect();
        (terms.len(), counts)
    };
    let counted: Vec<(usize, Vec<usize>)> = texts.iter().map(counted).collect();
    let all = texts.len() as u64;
    let information = |at: usize, term: &String| {
        let holding = counted.iter().filter(|(_, counts)| counts[at] > 0).count();
        Wanted::new(term.clone(), holding as u64, all).information
    };
    let information: Vec<f64> =
        wanted.iter().enumerate().map(|(at, term)| information(at, term)).collect();
    let length_mean =
        counted.iter().map(|(length, _)| *length).sum::<usize>() as f64 / texts.len().max(1) as f64;
    let score = |(length, counts): &(usize, Vec<usize>)| {
        let counts = information.iter().copied().zip(counts.iter().copied());
        weighed(counts, *length, length_mean)
    };
    counted.iter().map(score).collect()
}

/// The cosine of two vectors of length 1, where it is not negative.
pub(crate) fn angle(a: &[f32], b: &[f32]) -> f64 {
    if a.len() != b.len() {
        // Of another model: says nothing.
        return 0.0;
    }
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>().clamp(0.0, 1.0)
}

/// The vector at length 1. One without a direction stays as it is.
pub(crate) fn normalised(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    if length.is_finite() && length > 0.0 {
        vector.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
    }
    vector
}
