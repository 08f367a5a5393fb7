//! A summary of reasoning, made of the reasoning's own sentences.
//!
//! It is extractive, so it costs no second model and says nothing that was not thought. Long
//! reasoning gives a part for each section while it goes on, so that a reader sees it move. The
//! parts are a function of the text alone: however it was cut, they are the same (test
//! `cuts_change_no_summary`).

use ozone_types::Summary;

/// The most parts of one reasoning item; the last one covers what is left.
const PARTS_MAX: usize = 16;
/// The most characters of a sentence.
const SENTENCE_CHARS_MAX: usize = 280;

/// Words of a sentence that others follow from.
const CUES: [&str; 20] = [
    "so ",
    "therefore",
    "thus",
    "hence",
    "because",
    "answer",
    "result",
    "conclu",
    "need to",
    "must",
    "first",
    "then",
    "finally",
    "check",
    "verif",
    "means",
    "equals",
    "plan",
    "instead",
    "compute",
];

/// Reads reasoning as it comes.
#[derive(Debug, Clone)]
pub(crate) struct Digest {
    level: Summary,
    pending: String,
    parts: usize,
}

impl Digest {
    pub fn new(level: Summary) -> Self {
        Digest { level, pending: String::new(), parts: 0 }
    }

    /// Takes a piece; gives the parts of the sections that it ended.
    pub fn push(&mut self, delta: &str) -> Vec<String> {
        self.pending.push_str(delta);
        let mut parts = vec![];
        while self.parts + 1 < PARTS_MAX
            && let Some(end) = self.section_end()
        {
            let rest = self.pending.split_off(end);
            let section = std::mem::replace(&mut self.pending, rest);
            parts.extend(self.part(&section));
        }
        parts
    }

    /// The part of what is left.
    pub fn finish(mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.pending);
        self.part(&rest)
    }

    /// Behind the first line break from which on the section is long enough.
    fn section_end(&self) -> Option<usize> {
        let chars = match self.level {
            Summary::Auto | Summary::Concise => 2_400,
            Summary::Detailed => 1_000,
        };
        let (from, _) = self.pending.char_indices().nth(chars)?;
        Some(from + self.pending[from..].find('\n')? + 1)
    }

    fn part(&mut self, section: &str) -> Option<String> {
        let count = match self.level {
            Summary::Concise => 1,
            Summary::Auto => 2,
            Summary::Detailed => 3,
        };
        let part = extract(section, count)?;
        self.parts += 1;
        Some(part)
    }
}

/// The `count` most telling sentences, in their own order.
fn extract(section: &str, count: usize) -> Option<String> {
    let mut seen: Vec<&str> = vec![];
    for sentence in sentences(section) {
        if !seen.contains(&sentence) {
            seen.push(sentence);
        }
    }
    let last = seen.len().checked_sub(1)?;
    let mut ranked: Vec<(i32, usize)> = seen
        .iter()
        .enumerate()
        .map(|(at, sentence)| (-score(sentence, at == 0, at == last), at))
        .collect();
    ranked.sort_unstable();
    ranked.truncate(count);
    ranked.sort_unstable_by_key(|(_, at)| *at);
    let chosen: Vec<String> = ranked.iter().map(|(_, at)| shortened(seen[*at])).collect();
    Some(chosen.join(" "))
}

fn score(sentence: &str, first: bool, last: bool) -> i32 {
    let lower = sentence.to_lowercase();
    let cues = CUES.iter().filter(|cue| lower.contains(**cue)).count().min(3) as i32;
    let doubts = i32::from(lower.starts_with("wait") || lower.starts_with("hmm"));
    let words = sentence.split_whitespace().count();
    let length = i32::from((5..=40).contains(&words)) * 2 - i32::from(words < 3) * 3;
    2 * cues + length + i32::from(first) + 2 * i32::from(last) - 2 * doubts
}

/// Lines of prose cut at their full stops, without list marks and headings' marks.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(|line| line.trim().trim_start_matches(['#', '-', '*', '>', ' ']).trim())
        .filter(|line| !line.starts_with(['`', '|', '{', '[']))
        .flat_map(|line| {
            line.split_inclusive(['.', '!', '?'])
                .fold(vec![], |mut ends: Vec<(usize, usize)>, s| {
                    // `3.14` and `e.g.` go on: a sentence ends before a space only.
                    let start = ends.last().map_or(0, |(_, end)| *end);
                    let goes_on = ends.last().is_some_and(|_| !s.starts_with(' '));
                    match ends.last_mut() {
                        Some((_, end)) if goes_on => *end += s.len(),
                        _ => ends.push((start, start + s.len())),
                    }
                    ends
                })
                .into_iter()
                .map(move |(from, to)| line[from..to].trim())
        })
        .filter(|sentence| sentence.chars().any(char::is_alphanumeric))
}

fn shortened(sentence: &str) -> String {
    if sentence.chars().count() <= SENTENCE_CHARS_MAX {
        return sentence.to_owned();
    }
    let head: String = sentence.chars().take(SENTENCE_CHARS_MAX - 1).collect();
    let at = head.rfind(' ').unwrap_or(head.len());
    format!("{}…", &head[..at])
}
