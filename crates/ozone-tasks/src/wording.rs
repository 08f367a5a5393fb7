//! Turns a draw into the sentence that a user might type.
//!
//! Wordings are text files, one sentence a line under a `[family/kind]` heading. `{slot}` is filled
//! from the draw, `[a|b|c]` takes one alternative (they nest; an empty one is allowed), `\n` is a
//! new line. So one line stands for dozens of sentences. Around the sentence come the habits of
//! people: politeness, distractors, lower case, missing punctuation, slips of the finger. Slips
//! never touch a slot: the numbers and words that the question is about stay as they are.

use std::collections::BTreeMap;

use crate::{Draw, Kind, Rng, surface};

/// Which wordings a question is built from. The two share no sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    Train = 0,
    HeldOut = 1,
    /// The training wordings with numbers that no training seed draws: "known wordings".
    Known = 2,
}

/// Slots that no wording names: what stands before the sentence and behind it, untouched.
pub const BEFORE: &str = "before";
pub const BEHIND: &str = "behind";

#[derive(Debug, thiserror::Error)]
pub enum WordingError {
    #[error("{file}:{line}: {problem}")]
    Syntax { file: &'static str, line: usize, problem: String },
    #[error("no wording for `{0}`")]
    Missing(String),
    #[error("a wording of `{kind}` names the slot `{slot}`, which is not drawn")]
    UnknownSlot { kind: String, slot: String },
    #[error("wordings for `{0}`, which is no kind")]
    UnknownKind(String),
    #[error("`{kind}` has no wording {line}: measure the wordings again")]
    UnknownLine { kind: String, line: usize },
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Slot(String),
    OneOf(Vec<Vec<Part>>),
}

/// A stretch of the finished sentence.
enum Span {
    Text(String),
    Slot(String),
}

/// All wordings of one split.
pub struct Wordings {
    split: Split,
    of_kind: BTreeMap<String, Vec<Vec<Part>>>,
    openers: Vec<Vec<Part>>,
    closers: Vec<Vec<Part>>,
}

impl Wordings {
    pub fn load(split: Split) -> Result<Self, WordingError> {
        Wordings::of(split, crate::families::wordings(split))
    }

    /// Those of the questions about pictures.
    pub fn of_pictures(split: Split) -> Result<Self, WordingError> {
        Wordings::of(split, crate::families::picture_wordings(split))
    }

    fn of(split: Split, files: &[(&'static str, &str)]) -> Result<Self, WordingError> {
        let mut wordings =
            Wordings { split, of_kind: BTreeMap::new(), openers: vec![], closers: vec![] };
        for (file, text) in files {
            wordings.read(file, text)?;
        }
        Ok(wordings)
    }

    fn read(&mut self, file: &'static str, text: &str) -> Result<(), WordingError> {
        let mut heading = String::new();
        for (i, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']'))
                && name.contains('/')
                && !name.contains([' ', '|', '{'])
            {
                heading = name.to_owned();
                continue;
            }
            let parts = parse(line).map_err(|problem| WordingError::Syntax {
                file,
                line: i + 1,
                problem,
            })?;
            match heading.as_str() {
                "around/openers" => self.openers.push(parts),
                "around/closers" => self.closers.push(parts),
                "" => {
                    let problem = "a wording before the first [family/kind]".into();
                    return Err(WordingError::Syntax { file, line: i + 1, problem });
                }
                _ => self.of_kind.entry(heading.clone()).or_default().push(parts),
            }
        }
        Ok(())
    }

    /// Every kind has a wording, every wording a kind, and every slot is drawn.
    pub fn check(&self, kinds: &[Kind]) -> Result<(), WordingError> {
        if let Some(name) = self.of_kind.keys().find(|n| !kinds.iter().any(|k| k.name == **n)) {
            return Err(WordingError::UnknownKind(name.clone()));
        }
        for kind in kinds {
            let wordings = self
                .of_kind
                .get(kind.name)
                .ok_or_else(|| WordingError::Missing(kind.name.to_owned()))?;
            for index in 0..40 {
                let draw = (kind.draw)(&mut Rng::new(0, self.split, index));
                for slot in wordings.iter().flat_map(|w: &Vec<Part>| slots(w)) {
                    if !draw.slots.iter().any(|(name, _)| *name == slot) {
                        let (kind, slot) = (kind.name.to_owned(), slot.to_owned());
                        return Err(WordingError::UnknownSlot { kind, slot });
                    }
                }
            }
        }
        Ok(())
    }

    /// How many different sentences the alternatives of a kind spell, slots left aside.
    pub fn count(&self, kind: &str) -> u64 {
        self.of_kind.get(kind).map_or(0, |ws| ws.iter().map(|w| variants(w)).sum())
    }

    /// The number of written lines over all kinds.
    pub fn lines(&self) -> usize {
        self.of_kind.values().map(Vec::len).sum()
    }

    /// The number of written lines of one kind.
    pub fn lines_of(&self, kind: &str) -> usize {
        self.of_kind.get(kind).map_or(0, Vec::len)
    }

    /// Kinds of which a line stands in `other` as well.
    pub fn shared_with(&self, other: &Wordings) -> Vec<&str> {
        let shares = |(kind, lines): &(&String, &Vec<Vec<Part>>)| {
            other.of_kind.get(*kind).is_some_and(|others| lines.iter().any(|l| others.contains(l)))
        };
        self.of_kind.iter().filter(shares).map(|(kind, _)| kind.as_str()).collect()
    }

    /// One sentence for `draw`, with the habits of people around it: any of its kind's, or the one
    /// of `line`.
    pub fn write(&self, kind: &Kind, line: Option<usize>, draw: &Draw, rng: &mut Rng) -> String {
        let wordings = self.of_kind.get(kind.name).expect("`check` saw that each kind has one");
        let mut spans = vec![];
        let any = rng.below(wordings.len() as u64) as usize;
        let pick = line.filter(|&line| line < wordings.len()).unwrap_or(any);
        expand(&wordings[pick], draw, rng, &mut spans);
        self.surround(kind, &mut spans, rng);
        people(&mut spans, rng);
        for (slot, before) in [(BEFORE, true), (BEHIND, false)] {
            if let Some((_, text)) = draw.slots.iter().find(|(name, _)| *name == slot) {
                let at = if before { 0 } else { spans.len() };
                spans.insert(at, Span::Slot(text.clone()));
            }
        }
        let text = join(&spans);
        // Noise may lose its only sign; nobody can send nothing.
        if text.is_empty() { "?".to_owned() } else { text }
    }

    fn surround(&self, kind: &Kind, spans: &mut Vec<Span>, rng: &mut Rng) {
        let none = Draw {
            slots: vec![],
            answer: crate::Answer::Declined,
            steps: vec![],
            think: String::new(),
            reply: String::new(),
            offer: crate::Offer::Python,
        };
        if kind.family() == "chat" || kind.family() == "beyond" {
            return;
        }
        if !self.openers.is_empty() && rng.chance(0.18) {
            let mut opener = vec![];
            let pick = rng.below(self.openers.len() as u64) as usize;
            expand(&self.openers[pick], &none, rng, &mut opener);
            let continues =
                matches!(opener.last(), Some(Span::Text(t)) if t.ends_with([',', ':', '-']));
            if continues
                && rng.chance(0.7)
                && let Some(Span::Text(first)) = spans.first_mut()
            {
                lower_first(first);
            }
            opener.push(Span::Text(" ".into()));
            opener.append(spans);
            *spans = opener;
        }
        if !self.closers.is_empty() && rng.chance(0.15) {
            spans.push(Span::Text(" ".into()));
            let pick = rng.below(self.closers.len() as u64) as usize;
            expand(&self.closers[pick], &none, rng, spans);
        }
        if self.split == Split::Train {
            gibber(spans, rng);
        }
    }
}

/// Words that say nothing, before or behind a few of the training questions: what people put around
/// a question has no end, so the model learns to pass over words that it does not know.
fn gibber(spans: &mut Vec<Span>, rng: &mut Rng) {
    let words = |rng: &mut Rng| {
        let words: Vec<String> = (0..rng.int(1, 5)).map(|_| surface::nonsense(rng)).collect();
        words.join(" ")
    };
    match rng.below(100) {
        0..=5 => {
            let end = *rng.pick(&[",", ":", ".", "!", " -", "?"]);
            spans.insert(0, Span::Text(format!("{}{end} ", words(rng))));
        }
        6..=8 => spans.push(Span::Text(format!(" {}.", words(rng)))),
        _ => {}
    }
}

fn lower_first(text: &mut String) {
    let mut chars = text.chars();
    if let Some(first) = chars.next()
        && chars.clone().next().is_some_and(|c| c.is_lowercase())
    {
        *text = first.to_lowercase().chain(chars).collect();
    }
}

/// Lower case, capitals, lost punctuation and slips, each in a part of the sentences.
fn people(spans: &mut [Span], rng: &mut Rng) {
    let habit = rng.below(100);
    let slips = rng.chance(0.10);
    for span in spans.iter_mut() {
        let Span::Text(text) = span else { continue };
        match habit {
            0..=13 => *text = text.to_lowercase(),
            14 => *text = text.to_uppercase(),
            _ => {}
        }
        if slips {
            *text = slip(text, rng);
        }
    }
    if let Some(Span::Text(last)) = spans.last_mut() {
        match rng.below(100) {
            0..=9 => *last = last.trim_end_matches(['.', '?', '!']).to_owned(),
            10..=11 if last.ends_with('?') => last.push('?'),
            _ => {}
        }
    }
}

/// One slip of the finger in some words of four letters and more.
fn slip(text: &str, rng: &mut Rng) -> String {
    let words: Vec<String> = text
        .split(' ')
        .map(|word| {
            let mut chars: Vec<char> = word.chars().collect();
            if chars.len() < 4
                || !chars.iter().all(|c| c.is_ascii_alphabetic())
                || !rng.chance(0.12)
            {
                return word.to_owned();
            }
            let at = rng.int(1, chars.len() as i64 - 2) as usize;
            match rng.below(4) {
                0 => chars.swap(at, at + 1),
                1 => {
                    chars.remove(at);
                }
                2 => chars.insert(at, chars[at]),
                _ => chars[at] = char::from(*rng.pick(b"aeiorstn")),
            }
            chars.into_iter().collect()
        })
        .collect();
    words.join(" ")
}

/// The spans in one string. Doubled and stray spaces of the template go; slots stay as they are.
fn join(spans: &[Span]) -> String {
    let mut out = String::new();
    for span in spans {
        match span {
            Span::Slot(text) => out.push_str(text),
            Span::Text(text) => {
                for c in text.chars() {
                    let doubled = c == ' ' && (out.is_empty() || out.ends_with([' ', '\n']));
                    if matches!(c, ',' | '?') && out.ends_with(' ') {
                        out.pop();
                    }
                    if !doubled {
                        out.push(c);
                    }
                }
            }
        }
    }
    out.trim().to_owned()
}

fn expand(parts: &[Part], draw: &Draw, rng: &mut Rng, into: &mut Vec<Span>) {
    for part in parts {
        match part {
            Part::Text(t) => into.push(Span::Text(t.clone())),
            Part::Slot(name) => {
                let found = draw.slots.iter().find(|(n, _)| n == name);
                into.push(Span::Slot(found.map(|(_, t)| t.clone()).unwrap_or_default()));
            }
            Part::OneOf(ways) => {
                let way = rng.below(ways.len() as u64) as usize;
                expand(&ways[way], draw, rng, into);
            }
        }
    }
}

fn slots(parts: &[Part]) -> Vec<&str> {
    parts
        .iter()
        .flat_map(|p| match p {
            Part::Text(_) => vec![],
            Part::Slot(s) => vec![s.as_str()],
            Part::OneOf(ways) => ways.iter().flat_map(|w: &Vec<Part>| slots(w)).collect(),
        })
        .collect()
}

fn variants(parts: &[Part]) -> u64 {
    parts.iter().fold(1, |n, p| match p {
        Part::OneOf(ways) => n.saturating_mul(ways.iter().map(|w| variants(w)).sum()),
        _ => n,
    })
}

/// Reads one line. `\[`, `\]`, `\{`, `\}`, `\|` stand for themselves.
fn parse(line: &str) -> Result<Vec<Part>, String> {
    let chars: Vec<char> = line.chars().collect();
    let mut at = 0;
    let mut ways = ways(&chars, &mut at, 0)?;
    if ways.len() != 1 {
        return Err("`|` outside of `[…]`".into());
    }
    Ok(ways.remove(0))
}

fn ways(chars: &[char], at: &mut usize, depth: usize) -> Result<Vec<Vec<Part>>, String> {
    let (mut ways, mut parts, mut text) = (vec![], vec![], String::new());
    fn flush(text: &mut String, parts: &mut Vec<Part>) {
        if !text.is_empty() {
            parts.push(Part::Text(std::mem::take(text)));
        }
    }
    while let Some(&c) = chars.get(*at) {
        *at += 1;
        match c {
            '\\' => {
                match chars.get(*at) {
                    Some('n') => text.push('\n'),
                    Some(&other) => text.push(other),
                    None => return Err("a line ends in `\\`".into()),
                }
                *at += 1;
            }
            '{' => {
                flush(&mut text, &mut parts);
                let rest = &chars[*at..];
                let end = rest.iter().position(|c| *c == '}').ok_or("`{` without `}`")?;
                parts.push(Part::Slot(rest[..end].iter().collect()));
                *at += end + 1;
            }
            '[' => {
                flush(&mut text, &mut parts);
                parts.push(Part::OneOf(self::ways(chars, at, depth + 1)?));
            }
            '|' if depth > 0 => {
                flush(&mut text, &mut parts);
                ways.push(std::mem::take(&mut parts));
            }
            ']' if depth > 0 => {
                flush(&mut text, &mut parts);
                ways.push(parts);
                return Ok(ways);
            }
            '}' | ']' | '|' => return Err(format!("`{c}` stands alone")),
            _ => text.push(c),
        }
    }
    if depth > 0 {
        return Err("`[` without `]`".into());
    }
    flush(&mut text, &mut parts);
    ways.push(parts);
    Ok(ways)
}
