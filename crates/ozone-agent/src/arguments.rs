//! One string of a call's arguments while they are being sampled, so that code is seen as it is
//! written.

/// Reads JSON arguments piece by piece and gives the text of one string member, unescaped, as far
/// as it is known. Only a first member is followed; what comes otherwise is shown when it is whole.
#[derive(Debug, Clone)]
pub(crate) struct StringArgument {
    name: &'static str,
    at: At,
    /// An escape that is not whole yet, with its backslash.
    escape: String,
    /// The first half of a surrogate pair.
    high: Option<u16>,
    /// The text so far.
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    /// Before the member's name: what was read of `{"name"`.
    Head(String),
    Colon,
    Value,
    Within,
    /// Behind it, or lost.
    Done,
}

impl StringArgument {
    pub fn new(name: &'static str) -> Self {
        let text = String::new();
        StringArgument { name, at: At::Head(String::new()), escape: text.clone(), high: None, text }
    }

    /// Takes a piece of JSON; gives the text that became known.
    pub fn push(&mut self, json: &str) -> String {
        let before = self.text.len();
        for c in json.chars() {
            self.take(c);
        }
        self.text[before..].to_owned()
    }

    fn take(&mut self, c: char) {
        match &mut self.at {
            At::Head(head) => {
                if !c.is_whitespace() {
                    head.push(c);
                }
                let due = format!("{{\"{}\"", self.name);
                if *head == due {
                    self.at = At::Colon;
                } else if !due.starts_with(head.as_str()) {
                    self.at = At::Done;
                }
            }
            At::Colon if c == ':' => self.at = At::Value,
            At::Value if c == '"' => self.at = At::Within,
            At::Colon | At::Value if c.is_whitespace() => {}
            At::Colon | At::Value => self.at = At::Done,
            At::Within => self.within(c),
            At::Done => {}
        }
    }

    fn within(&mut self, c: char) {
        if self.escape.is_empty() {
            match c {
                '\\' => self.escape.push(c),
                '"' => self.at = At::Done,
                c => self.text.push(c),
            }
            return;
        }
        self.escape.push(c);
        let code = match self.escape.as_bytes() {
            [_, b'u', digits @ ..] if digits.len() < 4 => return,
            [_, b'u', ..] => u16::from_str_radix(&self.escape[2..], 16).ok(),
            [_, b'n'] => Some(0x0a),
            [_, b't'] => Some(0x09),
            [_, b'r'] => Some(0x0d),
            [_, b'b'] => Some(0x08),
            [_, b'f'] => Some(0x0c),
            [_, plain @ (b'"' | b'\\' | b'/')] => Some(u16::from(*plain)),
            _ => None,
        };
        self.escape.clear();
        let Some(unit) = code else {
            self.at = At::Done;
            return;
        };
        let pair = self.high.take();
        if (0xd800..0xdc00).contains(&unit) {
            self.high = Some(unit);
            return;
        }
        let units = pair.into_iter().chain([unit]);
        match char::decode_utf16(units).collect::<Result<String, _>>() {
            Ok(text) => self.text.push_str(&text),
            Err(_) => self.at = At::Done,
        }
    }
}
