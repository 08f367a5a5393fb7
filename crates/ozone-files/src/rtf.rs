//! RTF: control words out, text in.

use encoding_rs::Encoding;

use crate::{Kind, Out, Unit, Unreadable};

/// Groups within one another; each is one byte of memory.
const DEPTH_MAX: usize = 10_000;
/// Groups whose text is none of the document's.
const DESTINATIONS: &[&str] = &[
    "fonttbl",
    "colortbl",
    "stylesheet",
    "info",
    "pict",
    "object",
    "themedata",
    "colorschememapping",
    "datastore",
    "latentstyles",
    "listtable",
    "listoverridetable",
    "rsidtbl",
    "generator",
    "xmlnstbl",
    "header",
    "footer",
    "fldinst",
    "filetbl",
    "revtbl",
];

pub(crate) fn read(bytes: &[u8], out: &mut Out<'_>) -> Result<(), Unreadable> {
    out.begins(Kind::Rtf, Some(1));
    let text = text_of(bytes)?;
    out.part(Unit::Text, 1, None, text)
}

/// What holds in a group.
#[derive(Clone, Copy)]
struct Group {
    is_skipped: bool,
    /// Bytes that stand in for one `\u` for old readers.
    fallback: usize,
}

fn text_of(bytes: &[u8]) -> Result<String, Unreadable> {
    let mut reader = Rtf {
        text: String::new(),
        pending: vec![],
        encoding: encoding_rs::WINDOWS_1252,
        groups: vec![],
        group: Group { is_skipped: false, fallback: 1 },
        ignored: 0,
        high: None,
    };
    let mut at = 0;
    while at < bytes.len() {
        at = reader.step(bytes, at)?;
    }
    reader.flush();
    Ok(reader.text)
}

struct Rtf {
    text: String,
    /// Bytes in the document's encoding.
    pending: Vec<u8>,
    encoding: &'static Encoding,
    groups: Vec<Group>,
    group: Group,
    /// Characters still to be skipped behind a `\u`.
    ignored: usize,
    /// The first half of a character beyond the basic plane.
    high: Option<u16>,
}

impl Rtf {
    /// Reads what stands at `at`, and says where the next thing stands.
    fn step(&mut self, bytes: &[u8], at: usize) -> Result<usize, Unreadable> {
        match bytes[at] {
            b'{' => {
                if self.groups.len() >= DEPTH_MAX {
                    let why = "The RTF document is broken: its groups stand too deep.";
                    return Err(Unreadable::invalid(why));
                }
                self.groups.push(self.group);
                Ok(at + 1)
            }
            b'}' => {
                self.flush();
                self.group = self.groups.pop().unwrap_or(self.group);
                Ok(at + 1)
            }
            b'\\' => Ok(self.control(bytes, at + 1)),
            b'\r' | b'\n' => Ok(at + 1),
            byte => {
                self.byte(byte);
                Ok(at + 1)
            }
        }
    }

    fn control(&mut self, bytes: &[u8], at: usize) -> usize {
        let rest = &bytes[at..];
        let letters = rest.iter().take_while(|b| b.is_ascii_alphabetic()).take(32).count();
        if letters == 0 {
            return at + self.symbol(rest);
        }
        let word = std::str::from_utf8(&rest[..letters]).unwrap_or_default();
        let tail = &rest[letters..];
        let sign = usize::from(tail.first() == Some(&b'-'));
        let digits = tail[sign..].iter().take_while(|b| b.is_ascii_digit()).take(10).count();
        let (mut length, mut number) = (letters, None);
        if digits > 0 {
            let spelt = std::str::from_utf8(&tail[..sign + digits]).unwrap_or_default();
            number = spelt.parse::<i64>().ok();
            length += sign + digits;
        }
        length += usize::from(rest.get(length) == Some(&b' '));
        if word == "bin" {
            // What follows are no characters.
            let skipped = number.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
            return bytes.len().min((at + length).saturating_add(skipped));
        }
        self.word(word, number);
        at + length
    }

    /// A control symbol; how many bytes it takes.
    fn symbol(&mut self, rest: &[u8]) -> usize {
        match rest.first() {
            Some(b'\'') => {
                let hex = rest.get(1..3).and_then(|hex| std::str::from_utf8(hex).ok());
                if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                    self.byte(byte);
                }
                rest.len().min(3)
            }
            Some(b'*') => {
                self.group.is_skipped = true;
                1
            }
            Some(b'~') => self.said(' '),
            Some(b'_') => self.said('-'),
            Some(b'\n' | b'\r') => self.said('\n'),
            Some(&byte @ (b'\\' | b'{' | b'}')) => self.said(char::from(byte)),
            Some(_) => 1,
            None => 0,
        }
    }

    fn word(&mut self, word: &str, number: Option<i64>) {
        match word {
            "par" | "line" | "sect" | "page" | "row" => drop(self.said('\n')),
            "tab" | "cell" => drop(self.said('\t')),
            "emdash" => drop(self.said('—')),
            "endash" => drop(self.said('–')),
            "lquote" => drop(self.said('‘')),
            "rquote" => drop(self.said('’')),
            "ldblquote" => drop(self.said('“')),
            "rdblquote" => drop(self.said('”')),
            "bullet" => drop(self.said('•')),
            "uc" => self.group.fallback = number.and_then(|n| n.try_into().ok()).unwrap_or(1),
            "u" => {
                // Written as a signed number of 16 bits.
                if let Some(unit) = number.map(|n| n as u16) {
                    self.unit(unit);
                }
                self.ignored = self.group.fallback;
            }
            "ansicpg" => {
                let label = number.map(|n| format!("windows-{n}")).unwrap_or_default();
                self.encoding = Encoding::for_label(label.as_bytes()).unwrap_or(self.encoding);
            }
            word if DESTINATIONS.contains(&word) => {
                self.flush();
                self.group.is_skipped = true;
            }
            _ => {}
        }
    }

    fn byte(&mut self, byte: u8) {
        if self.ignored > 0 {
            self.ignored -= 1;
        } else if !self.group.is_skipped {
            self.pending.push(byte);
        }
    }

    fn said(&mut self, c: char) -> usize {
        self.flush();
        if !self.group.is_skipped {
            self.text.push(c);
        }
        1
    }

    /// A unit of UTF-16.
    fn unit(&mut self, unit: u16) {
        self.flush();
        if self.group.is_skipped {
            return;
        }
        let units = self.high.take().into_iter().chain([unit]);
        for c in char::decode_utf16(units) {
            match c {
                Ok(c) => self.text.push(c),
                Err(_) if (0xd800..0xdc00).contains(&unit) => self.high = Some(unit),
                Err(_) => {}
            }
        }
    }

    fn flush(&mut self) {
        let (text, _) = self.encoding.decode_without_bom_handling(&self.pending);
        self.text.extend(text.chars().filter(|c| !c.is_control() || *c == '\t'));
        self.pending.clear();
    }
}
