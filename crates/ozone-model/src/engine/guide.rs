//! What a grammar allows, also where it holds a text that is sampled as a JSON string.
//!
//! The input of a custom tool is a text of the client's own grammar, and the model writes it with
//! JSON's escapes. The grammar knows no escapes and cannot be given any: behind a backslash it is open
//! which character comes, and a lexer that looks one byte ahead cannot wait for it. So the text
//! stands in the grammar as it is, between two marks (special tokens, which no text holds), and a
//! [`Reader`] unescapes what the vocabulary offers byte by byte before the grammar sees it. A character
//! is escaped in one way, and only if it has to be: `"`, `\` and what lies below U+0020.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, LazyLock};

use anyhow::ensure;
use llguidance::api::TopLevelGrammar;
use llguidance::earley::{BiasComputer, ParserRecognizer};
use llguidance::{Matcher, ParserFactory, TokenParser, panic_utils};
use toktrie::{Recognizer, SimpleVob, TokTrie};

use super::EngineError;

/// A grammar and where in it the tokens so far have led.
#[expect(clippy::large_enum_variant, reason = "one per sequence")]
pub(super) enum Guide {
    Plain(Matcher),
    Quoting(Box<Quoting>),
}

impl Guide {
    /// `marks` are the tokens that may stand around a text.
    pub fn new(
        factory: &ParserFactory,
        words: &Arc<Words>,
        lark: &str,
        marks: Option<[u32; 2]>,
    ) -> Result<Guide, EngineError> {
        let parser = factory.create_parser(TopLevelGrammar::from_lark(lark.to_owned()));
        if let Some(marks) = marks {
            let parser = parser.map_err(EngineError::grammar)?;
            let quoting = Quoting::new(parser, marks, Arc::clone(words))?;
            return Ok(Guide::Quoting(Box::new(quoting)));
        }
        let matcher = Matcher::new(parser);
        match matcher.get_error() {
            Some(error) => Err(EngineError::grammar(error)),
            None => Ok(Guide::Plain(matcher)),
        }
    }

    /// One that goes on by itself from here.
    pub fn fork(&self) -> Guide {
        match self {
            Guide::Plain(matcher) => Guide::Plain(matcher.deep_clone()),
            Guide::Quoting(quoting) => Guide::Quoting(Box::new(quoting.fork())),
        }
    }

    /// The tokens that may follow.
    pub fn mask(&mut self) -> Result<SimpleVob, EngineError> {
        match self {
            Guide::Plain(matcher) => matcher.compute_mask().map_err(EngineError::grammar),
            Guide::Quoting(quoting) => quoting.guarded(Quoting::mask),
        }
    }

    pub fn allows(&mut self, id: u32) -> bool {
        match self {
            Guide::Plain(matcher) => matcher.validate_tokens(&[id]).is_ok_and(|n| n == 1),
            Guide::Quoting(quoting) => quoting.guarded(|q| q.allows(id)).unwrap_or(false),
        }
    }

    pub fn consume(&mut self, id: u32) -> Result<(), EngineError> {
        match self {
            Guide::Plain(matcher) => matcher.consume_token(id).map_err(EngineError::grammar),
            Guide::Quoting(quoting) => quoting.guarded(|q| q.consume(id)),
        }
    }

    /// Nothing can follow.
    pub fn is_stopped(&self) -> bool {
        match self {
            Guide::Plain(matcher) => matcher.is_stopped(),
            Guide::Quoting(quoting) => quoting.parser.stopped(),
        }
    }

    /// Tokens that must follow, where that is known.
    pub fn forced(&mut self) -> Vec<u32> {
        match self {
            Guide::Plain(matcher) => matcher.compute_ff_tokens(),
            Guide::Quoting(quoting) => quoting.guarded(|q| Ok(q.forced())).unwrap_or_default(),
        }
    }

    /// Takes text that came before the first token. `false` if it does not fit or ends the grammar.
    pub fn read(&mut self, text: &[u8]) -> bool {
        let ids = match self {
            Guide::Plain(matcher) => {
                matcher.tok_env().map(|env| env.tok_trie().greedy_tokenize(text))
            }
            Guide::Quoting(quoting) => {
                Ok(quoting.parser.token_env.tok_trie().greedy_tokenize(text))
            }
        };
        let Ok(ids) = ids else { return false };
        ids.iter().all(|id| self.allows(*id) && self.consume(*id).is_ok()) && !self.is_stopped()
    }
}

/// The words of a vocabulary by how they stand in a JSON string.
pub(super) struct Words {
    /// Those that mean what they are.
    plain: SimpleVob,
    others: TokTrie,
}

impl Words {
    pub fn new(trie: &TokTrie) -> Words {
        let mut plain = trie.alloc_token_set();
        let mut others = trie.alloc_token_set();
        for id in 0..trie.vocab_size() as u32 {
            let word = trie.token(id);
            match word.iter().all(|byte| Escape::default().read(*byte) == Read::Byte(*byte)) {
                true => plain.allow_token(id),
                false => others.allow_token(id),
            }
        }
        Words { plain, others: trie.filter(&others) }
    }
}

/// A guide that leaves the grammar's own tokens where it comes to a text.
pub(super) struct Quoting {
    parser: TokenParser,
    marks: [u32; 2],
    words: Arc<Words>,
    /// Within a text: how far its last escape has come.
    text: Option<Escape>,
}

impl Quoting {
    fn new(
        mut parser: TokenParser,
        marks: [u32; 2],
        words: Arc<Words>,
    ) -> Result<Quoting, EngineError> {
        let lexer = parser.parser.grammar().lexer_spec();
        if lexer.has_stop || lexer.has_max_tokens {
            let why = "a text in JSON can have no hidden stop and no limit in tokens";
            return Err(EngineError::grammar(why));
        }
        parser.start_without_prompt();
        Ok(Quoting { parser, marks, words, text: None })
    }

    fn fork(&self) -> Quoting {
        let (parser, words) = (self.parser.deep_clone(), Arc::clone(&self.words));
        Quoting { parser, words, ..*self }
    }

    /// A fault of the grammar engine ends this answer alone.
    fn guarded<T>(
        &mut self,
        job: impl FnOnce(&mut Quoting) -> anyhow::Result<T>,
    ) -> Result<T, EngineError> {
        panic_utils::catch_unwind(AssertUnwindSafe(|| job(self))).map_err(EngineError::grammar)
    }

    fn mask(&mut self) -> anyhow::Result<SimpleVob> {
        let Some(escape) = self.text else { return self.parser.compute_mask() };
        let unescaping = Unescaping {
            vocabulary: Arc::clone(&self.parser.bias_computer),
            words: Arc::clone(&self.words),
            mark: self.mark(),
            escape,
        };
        // It knows where the grammar is, but not of the escape.
        self.parser.parser.invalidate_bias_cache();
        let mut mask = self.parser.parser.compute_bias(&unescaping, &[]);
        self.parser.parser.invalidate_bias_cache();
        if let Some(error) = self.parser.parser.get_error() {
            anyhow::bail!(error.message());
        }
        for id in self.marks.iter().chain(unescaping.trie().eos_tokens()) {
            mask.disallow_token(*id);
        }
        Ok(mask)
    }

    fn allows(&mut self, id: u32) -> anyhow::Result<bool> {
        let Some(escape) = self.text else { return self.parser.validate_token(id) };
        let (env, mark) = (self.parser.token_env.clone(), self.mark());
        let word = env.tok_trie().token(id);
        let fits = self.parser.parser.with_recognizer(|grammar| {
            let mut reader = Reader::new(grammar, &mark, escape);
            reader.trie_started("allows");
            let fits = word.iter().all(|byte| reader.try_push_byte(*byte));
            reader.trie_finished();
            fits
        });
        Ok(fits && !word.is_empty())
    }

    fn consume(&mut self, id: u32) -> anyhow::Result<()> {
        match self.text {
            None => self.consume_token(id)?,
            Some(escape) => self.consume_text(id, escape)?,
        }
        if self.text.is_none() && self.parser.validate_token(self.marks[0])? {
            self.consume_token(self.marks[0])?;
            self.text = Some(Escape::default());
        }
        if self.text.is_none() {
            self.parser.check_stop()?;
        }
        Ok(())
    }

    fn consume_token(&mut self, id: u32) -> anyhow::Result<()> {
        ensure!(self.parser.consume_token(id)? == 0, "the grammar went back");
        Ok(())
    }

    fn consume_text(&mut self, id: u32, mut escape: Escape) -> anyhow::Result<()> {
        let env = self.parser.token_env.clone();
        let word = env.tok_trie().token(id);
        let mut text = Vec::with_capacity(word.len());
        for (at, &byte) in word.iter().enumerate() {
            match escape.read(byte) {
                Read::Byte(byte) => {
                    text.push(byte);
                    escape = Escape::default();
                }
                Read::More(more) => escape = more,
                Read::End => {
                    self.consume_bytes(&text, id)?;
                    self.consume_token(self.marks[0])?;
                    self.text = None;
                    return self.consume_bytes(&word[at..], id);
                }
                Read::Wrong => anyhow::bail!("{byte:#04x} does not stand in a JSON string"),
            }
        }
        self.text = Some(escape);
        self.consume_bytes(&text, id)
    }

    fn consume_bytes(&mut self, bytes: &[u8], id: u32) -> anyhow::Result<()> {
        if !bytes.is_empty() {
            let back = self.parser.parser.apply_token(bytes, id)?;
            ensure!(back == 0, "the grammar went back");
        }
        Ok(())
    }

    fn forced(&mut self) -> Vec<u32> {
        if self.text.is_some() { Vec::new() } else { self.parser.compute_ff_tokens() }
    }

    /// A mark as the grammar reads it.
    fn mark(&self) -> Vec<u8> {
        self.parser.token_env.tok_trie().decode_as_special(self.marks[0])
    }
}

/// Finds the tokens that may follow within a text.
struct Unescaping {
    /// Finds those that may follow where nothing is escaped.
    vocabulary: Arc<dyn BiasComputer>,
    words: Arc<Words>,
    mark: Vec<u8>,
    escape: Escape,
}

impl BiasComputer for Unescaping {
    fn compute_bias(&self, grammar: &mut ParserRecognizer<'_>, start: &[u8]) -> SimpleVob {
        if self.escape != Escape::default() {
            let mut mask = self.trie().alloc_token_set();
            self.trie().add_bias(
                &mut Reader::new(grammar, &self.mark, self.escape),
                &mut mask,
                &[],
            );
            return mask;
        }
        let mut mask = self.vocabulary.compute_bias(grammar, start);
        mask.and(&self.words.plain);
        let mut reader = Reader::new(grammar, &self.mark, self.escape);
        self.words.others.add_bias(&mut reader, &mut mask, &[]);
        mask
    }

    fn trie(&self) -> &TokTrie {
        self.vocabulary.trie()
    }
}

/// Gives the grammar the text of a JSON string, its end as a mark, and then what stands behind it.
struct Reader<'a, 'g> {
    grammar: &'a mut ParserRecognizer<'g>,
    mark: &'a [u8],
    /// For each byte read: where that led, and how many the grammar was given for it.
    read: Vec<(Place, usize)>,
    start: Place,
}

#[derive(Clone, Copy)]
enum Place {
    Text(Escape),
    Behind,
}

impl<'a, 'g> Reader<'a, 'g> {
    fn new(grammar: &'a mut ParserRecognizer<'g>, mark: &'a [u8], escape: Escape) -> Self {
        Reader { grammar, mark, read: Vec::new(), start: Place::Text(escape) }
    }

    fn push(&mut self, byte: u8) -> Option<(Place, usize)> {
        let place = self.read.last().map_or(self.start, |(place, _)| *place);
        let Place::Text(escape) = place else {
            return self.grammar.try_push_byte(byte).then_some((place, 1));
        };
        let text = Place::Text(Escape::default());
        match escape.read(byte) {
            Read::Byte(byte) => self.grammar.try_push_byte(byte).then_some((text, 1)),
            // Not into a dead end.
            Read::More(escape) => escape
                .bytes()
                .any(|byte| self.grammar.byte_allowed(byte))
                .then_some((Place::Text(escape), 0)),
            Read::End => self.end().map(|given| (Place::Behind, given)),
            Read::Wrong => None,
        }
    }

    fn end(&mut self) -> Option<usize> {
        let mut given = 0;
        for byte in self.mark.iter().chain(b"\"") {
            if !self.grammar.try_push_byte(*byte) {
                self.grammar.pop_bytes(given);
                return None;
            }
            given += 1;
        }
        Some(given)
    }
}

impl Recognizer for Reader<'_, '_> {
    fn pop_bytes(&mut self, num: usize) {
        let kept = self.read.len().saturating_sub(num);
        let given = self.read.drain(kept..).map(|(_, given)| given).sum();
        self.grammar.pop_bytes(given);
    }

    fn collapse(&mut self) {}

    fn trie_started(&mut self, label: &str) {
        self.grammar.trie_started(label);
    }

    fn trie_finished(&mut self) {
        self.grammar.trie_finished();
        self.read.clear();
    }

    fn try_push_byte(&mut self, byte: u8) -> bool {
        let pushed = self.push(byte);
        self.read.extend(pushed);
        pushed.is_some()
    }
}

/// The beginning of an escape; empty between characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Escape {
    bytes: [u8; 6],
    len: usize,
}

/// What a byte of a JSON string says.
#[derive(Debug, PartialEq, Eq)]
enum Read {
    /// A byte of the text.
    Byte(u8),
    /// An escape goes on.
    More(Escape),
    /// The string is over.
    End,
    Wrong,
}

/// What has to be escaped, and how.
static ESCAPES: LazyLock<Vec<(u8, Vec<u8>)>> = LazyLock::new(|| {
    (0..0x20)
        .chain(*b"\"\\")
        .map(|byte| {
            let quoted = serde_json::Value::from(char::from(byte).to_string()).to_string();
            (byte, quoted.as_bytes()[1..quoted.len() - 1].to_vec())
        })
        .collect()
});

impl Escape {
    fn read(self, byte: u8) -> Read {
        if self.len == 0 {
            return match byte {
                b'\\' => Read::More(self.with(byte)),
                b'"' => Read::End,
                // The last is no UTF-8 either, and begins llguidance's special tokens.
                0..0x20 | TokTrie::SPECIAL_TOKEN_MARKER => Read::Wrong,
                byte => Read::Byte(byte),
            };
        }
        if self.len == self.bytes.len() {
            return Read::Wrong;
        }
        let escape = self.with(byte);
        let mut bytes = ESCAPES.iter().filter(|(_, written)| written.starts_with(escape.written()));
        match bytes.next() {
            Some((byte, written)) if written.len() == escape.len => Read::Byte(*byte),
            Some(_) => Read::More(escape),
            None => Read::Wrong,
        }
    }

    fn with(mut self, byte: u8) -> Escape {
        self.bytes[self.len] = byte;
        self.len += 1;
        self
    }

    fn written(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Those that it may come to.
    fn bytes(self) -> impl Iterator<Item = u8> {
        let all = ESCAPES.iter();
        all.filter(move |(_, written)| written.starts_with(self.written())).map(|(byte, _)| *byte)
    }
}

#[cfg(test)]
mod tests {
    use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo};

    use super::*;

    /// Words that lie across escapes and across the end of the string, behind all single bytes.
    const WORDS: [&str; 22] = [
        "ab", "a\"", "\"}", "\"}.", "\\\"", "\\\\", "\\n", "\\n\\n", "n\"}", "\\u00", "00",
        "\\u001f", "é", "\\\"}", "a\\", "\\\\\\", "\nb", "bé\\n", "001", "\"\"", "{\"", "\\ud83d",
    ];
    const MARKS: [u32; 2] = [256 + WORDS.len() as u32, 257 + WORDS.len() as u32];

    fn environment() -> TokEnv {
        let mut words: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
        words.extend(WORDS.map(|word| word.as_bytes().to_vec()));
        for special in ["<a>", "<b>", "<eos>"] {
            words.push([&[TokTrie::SPECIAL_TOKEN_MARKER], special.as_bytes()].concat());
        }
        let info = TokRxInfo::new(words.len() as u32, words.len() as u32 - 1);
        Arc::new(ApproximateTokEnv::new(TokTrie::from(&info, &words)))
    }

    fn guide(items: &str) -> Guide {
        let environment = environment();
        let mut factory = ParserFactory::new_simple(&environment).unwrap();
        factory.quiet();
        let words = Arc::new(Words::new(environment.tok_trie()));
        let mark = format!("<[{},{}]>", MARKS[0], MARKS[1]);
        let lark =
            format!("start: /\\{{\"/ {mark} %lark {{\n{items}\n}} {mark} \"\\\"}}\" \".\"?\n");
        Guide::new(&factory, &words, &lark, Some(MARKS)).unwrap()
    }

    fn take(guide: &Guide, text: &[u8]) -> Option<Guide> {
        let mut guide = guide.fork();
        for byte in text {
            let id = u32::from(*byte);
            if guide.is_stopped() || !guide.allows(id) {
                return None;
            }
            guide.consume(id).unwrap();
        }
        Some(guide)
    }

    const GRAMMARS: [&str; 7] = [
        "start: \"a\\\"\\\\\\n\\u0001\\u001fé😀\\u007f\"\n",
        "start: /(?s:.*)/\n",
        "start: line+ \"end\"\nline: /[ab\"\\\\é]*/ \"\\n\"\n",
        "start: (A | \"(\" start \")\")*\nA: \"\\n\" | \"\\\"\"\n%ignore /[ \\t]/\n",
        "start: /[^\\n]+\\n\\n?/ /b?/\n",
        "start: %json {\"type\": \"array\", \"items\": {\"enum\": [\"a\", \"\\n\"]}}\n",
        "start: /[\\x00-\\x1f\\\\]{2,4}/\n",
    ];

    /// A word may follow exactly if its bytes may, one after another; what follows leads on.
    #[test]
    fn a_word_is_allowed_as_its_bytes_are() {
        let mut seed = 7_u64;
        let mut crossed = [false; 2];
        for items in GRAMMARS {
            for _ in 0..6 {
                let mut guide = take(&guide(items), b"{\"").unwrap();
                for _ in 0..24 {
                    if guide.is_stopped() {
                        break;
                    }
                    let mask = guide.mask().unwrap();
                    let mut open = vec![];
                    for id in 0..MARKS[0] {
                        let word = match id {
                            0..256 => vec![id as u8],
                            _ => WORDS[id as usize - 256].as_bytes().to_vec(),
                        };
                        let fits = take(&guide, &word).is_some();
                        assert_eq!(
                            mask.is_allowed(id),
                            fits,
                            "{:?}",
                            String::from_utf8_lossy(&word)
                        );
                        assert_eq!(guide.allows(id), fits);
                        open.extend(fits.then_some(id));
                    }
                    assert!(!open.is_empty(), "a dead end in {items}");
                    assert!(
                        MARKS.iter().all(|mark| !mask.is_allowed(*mark) && !guide.allows(*mark))
                    );
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
                    // Words sooner than bytes, or they are never seen.
                    let words: Vec<u32> = open.iter().copied().filter(|id| *id >= 256).collect();
                    let among = if words.is_empty() || seed >> 62 == 0 { &open } else { &words };
                    let id = among[(seed >> 33) as usize % among.len()];
                    crossed[usize::from(id >= 256)] = true;
                    guide.consume(id).unwrap();
                }
            }
        }
        assert_eq!(crossed, [true; 2]);
    }

    /// Whole strings: those that JSON reads as a text of the grammar, as `json.dumps` writes them.
    #[test]
    fn a_string_is_a_text_of_the_grammar_in_json() {
        let fits = |items: &str, inside: &str| {
            let text = format!("{{\"{inside}\"}}.");
            take(&guide(items), text.as_bytes()).is_some_and(|guide| guide.is_stopped())
        };
        let json = serde_json::Value::from("a\"\\\n\u{1}\u{1f}é😀\u{7f}").to_string();
        assert!(fits(GRAMMARS[0], &json[1..json.len() - 1]), "{json}");
        assert!(fits(GRAMMARS[1], "") && fits(GRAMMARS[1], "\\\"}.\\n</x>"));
        assert!(fits(GRAMMARS[2], "a\\\"\\\\\\n\\né\\nend") && !fits(GRAMMARS[2], "a\\nc\\nend"));
        assert!(fits(GRAMMARS[3], "( \\n(\\\"\\t))") && !fits(GRAMMARS[3], "(\\r)"));
        assert!(fits(GRAMMARS[5], "[\\\"a\\\", \\\"\\\\n\\\"]"));
        for wrong in ["\\u000a", "\\/", "\\u00e9", "\n", "\u{1}", "\\u001F", "\\x41", "\\"] {
            assert!(!fits(GRAMMARS[1], wrong), "{wrong:?}");
        }
    }

    #[test]
    fn a_grammar_with_hidden_stops_is_refused() {
        let environment = environment();
        let factory = ParserFactory::new_simple(&environment).unwrap();
        let words = Arc::new(Words::new(environment.tok_trie()));
        let lark = "start: a\na[max_tokens=2]: /.*/\n";
        assert!(Guide::new(&factory, &words, lark, Some(MARKS)).is_err());
        assert!(Guide::new(&factory, &words, lark, None).is_ok());
    }
}
