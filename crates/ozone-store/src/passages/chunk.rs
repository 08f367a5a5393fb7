//! A text cut into passages that overlap.

/// The size of passages. A token counts as four bytes of UTF-8: no tokenizer is everybody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunking {
    tokens_max: usize,
    overlap_tokens: usize,
}

/// The API's bounds.
pub const TOKENS_MIN: usize = 100;
pub const TOKENS_MAX: usize = 4096;
const BYTES_PER_TOKEN: usize = 4;

impl Default for Chunking {
    fn default() -> Self {
        Chunking { tokens_max: 800, overlap_tokens: 400 }
    }
}

impl Chunking {
    /// `None` when the size is not 100 to 4096 tokens, or the overlap more than its half.
    pub fn new(tokens_max: usize, overlap_tokens: usize) -> Option<Self> {
        let fits =
            (TOKENS_MIN..=TOKENS_MAX).contains(&tokens_max) && overlap_tokens <= tokens_max / 2;
        fits.then_some(Chunking { tokens_max, overlap_tokens })
    }

    pub fn tokens_max(&self) -> usize {
        self.tokens_max
    }

    pub fn overlap_tokens(&self) -> usize {
        self.overlap_tokens
    }

    /// The passages of `text`, in order, each with how many of its bytes end the one before. Blank
    /// ones are left out; together they hold every other character.
    pub fn cut<'a>(&self, text: &'a str) -> impl Iterator<Item = (&'a str, usize)> {
        let bytes_max = self.tokens_max * BYTES_PER_TOKEN;
        let overlap = self.overlap_tokens * BYTES_PER_TOKEN;
        let (mut start, mut covered) = (0, 0);
        std::iter::from_fn(move || {
            while covered < text.len() {
                let end = end_of(text, start, covered, bytes_max);
                let (piece, known) = (&text[start..end], covered - start);
                let new_is_blank = text[covered..end].trim().is_empty();
                covered = end;
                start = start_of(text, end, overlap);
                if !new_is_blank {
                    return Some((piece, known));
                }
            }
            None
        })
    }
}

/// Where a passage from `start` ends: behind the best break in its last part, and always behind
/// `covered`.
fn end_of(text: &str, start: usize, covered: usize, bytes_max: usize) -> usize {
    let limit = floor(text, start + bytes_max);
    if limit == text.len() {
        return limit;
    }
    // The overlap is at most a half, so something new is always within the last third.
    let from = floor(text, covered.max(start + bytes_max * 2 / 3)).max(covered);
    let window = &text[from..limit];
    let breaks: [&[&str]; 4] = [&["\n\n"], &["\n"], &[". ", "! ", "? ", "。", "！", "？"], &[" "]];
    for marks in breaks {
        let last = marks.iter().filter_map(|m| window.rfind(m).map(|at| at + m.len())).max();
        if let Some(at) = last {
            return from + at;
        }
    }
    limit
}

/// Where the next passage starts: at a word, at most `overlap` bytes before `end`.
fn start_of(text: &str, end: usize, overlap: usize) -> usize {
    let from = ceil(text, end.saturating_sub(overlap));
    let window = &text[from..end];
    let word = window.find(char::is_whitespace).map(|at| {
        let rest = &window[at..];
        from + at + (rest.len() - rest.trim_start().len())
    });
    // A text without blanks, as Chinese, is cut between any two characters.
    match word {
        Some(at) if at < end => at,
        _ => from,
    }
}

fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0)
}

fn ceil(text: &str, at: usize) -> usize {
    (at..text.len()).find(|&i| text.is_char_boundary(i)).unwrap_or(text.len())
}
