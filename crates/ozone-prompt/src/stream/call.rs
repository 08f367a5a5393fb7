//! One call's JSON as it comes in, and what is streamed of it.
//!
//! Models of a few million parameters write JSON with small faults. Line breaks and tabs inside
//! strings are escaped, missing closing braces after the arguments are forgiven, `parameters` and
//! `args` are read as `arguments`, and arguments may be a JSON text within a string. What is beyond
//! that becomes a problem with the reason in it, and the model writes the call again.

use serde_json::Value;

use super::{Out, repair};
use crate::ToolSpec;

/// One JSON value, from its first character to its last.
#[derive(Default)]
struct Scanner {
    depth: u32,
    in_string: bool,
    escaped: bool,
    /// A line break stood in a string as it is, which JSON never has.
    raw_break: bool,
    kind: Option<Kind>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Object,
    Array,
    String,
    Scalar,
}

enum Scan {
    More,
    /// The value ended with this character.
    Done,
    /// The value ended before this character.
    DoneBefore,
}

impl Scanner {
    /// Takes one character and puts it into `out`, escaped where the model forgot to.
    fn push(&mut self, c: char, out: &mut String) -> Scan {
        if self.in_string {
            if c == '\n' {
                self.raw_break = true;
            } else if !c.is_whitespace() && !matches!(c, '`') {
                self.raw_break = false;
            }
            match c {
                _ if self.escaped => self.escaped = false,
                '\\' => self.escaped = true,
                '"' => self.in_string = false,
                _ => {}
            }
            put_in_string(c, out);
            return if !self.in_string && self.depth == 0 { Scan::Done } else { Scan::More };
        }
        let kind = *self.kind.get_or_insert(match c {
            '{' => Kind::Object,
            '[' => Kind::Array,
            '"' => Kind::String,
            _ => Kind::Scalar,
        });
        match c {
            '"' => {
                self.in_string = true;
                self.raw_break = false;
            }
            '{' | '[' => self.depth += 1,
            '}' | ']' | ',' if self.depth == 0 => return Scan::DoneBefore,
            '}' | ']' => self.depth -= 1,
            _ if kind == Kind::Scalar && c.is_whitespace() => return Scan::DoneBefore,
            _ => {}
        }
        out.push(c);
        if matches!(c, '}' | ']') && self.depth == 0 { Scan::Done } else { Scan::More }
    }

    /// Whether text like a tag would be part of a string here.
    fn quotes(&self) -> bool {
        self.in_string && !self.raw_break
    }
}

fn put_in_string(c: char, out: &mut String) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
        c => out.push(c),
    }
}

/// A call's arguments while they come in: streamed if they are an object, kept if not.
#[derive(Default)]
struct Arguments {
    scanner: Scanner,
    text: String,
    streamed: usize,
    done: bool,
}

impl Arguments {
    fn push(&mut self, c: char) -> Scan {
        let scan = self.scanner.push(c, &mut self.text);
        self.done = !matches!(scan, Scan::More);
        scan
    }

    fn stream(&mut self, index: usize, out: &mut Out) {
        if self.scanner.kind == Some(Kind::Object) && self.streamed < self.text.len() {
            out.call_arguments(index, &self.text[self.streamed..]);
            self.streamed = self.text.len();
        }
    }

    /// The rest of the arguments, and whether they can be used.
    fn end(
        mut self,
        name: &str,
        index: usize,
        tools: &[ToolSpec],
        cut: bool,
        out: &mut Out,
    ) -> Result<(), String> {
        match self.scanner.kind {
            Some(Kind::Object) => {
                self.stream(index, out);
                check(name, &self.text, cut)
            }
            // Left out or null: a tool without arguments.
            None => {
                out.call_arguments(index, "{}");
                if cut { Err(cut_off(name)) } else { Ok(()) }
            }
            Some(Kind::Scalar) if self.text.trim() == "null" => {
                out.call_arguments(index, "{}");
                Ok(())
            }
            Some(Kind::String) => {
                let inner = serde_json::from_str::<String>(&self.text);
                let inner = match inner {
                    Ok(inner) => inner,
                    Err(error) => {
                        out.call_arguments(index, &self.text);
                        return Err(if cut {
                            cut_off(name)
                        } else {
                            bad_json(name, &error, &self.text)
                        });
                    }
                };
                let arguments = match serde_json::from_str::<Value>(&inner) {
                    Ok(Value::Object(_)) => Some(inner.clone()),
                    _ if inner.trim().is_empty() => Some("{}".to_string()),
                    _ => wrapped(name, &inner, tools),
                };
                let arguments = arguments.unwrap_or_else(|| self.text.clone());
                out.call_arguments(index, &arguments);
                check(name, &arguments, cut)
            }
            Some(Kind::Array | Kind::Scalar) => {
                out.call_arguments(index, &self.text);
                check(name, &self.text, cut)
            }
        }
    }
}

/// Whether these are arguments that a tool can be given.
pub fn check(name: &str, arguments: &str, cut: bool) -> Result<(), String> {
    match serde_json::from_str::<Value>(arguments) {
        Ok(Value::Object(_)) => Ok(()),
        Ok(_) => Err(format!(
            "Your call of `{name}` was not run: its arguments must be a JSON object such as \
             {{\"argument\": \"value\"}}. Write the call again."
        )),
        Err(_) if cut => Err(cut_off(name)),
        Err(error) => Err(bad_json(name, &error, arguments)),
    }
}

pub fn cut_off(name: &str) -> String {
    format!("Your call of `{name}` was not run: it was cut off before its end.")
}

pub fn bad_json(name: &str, error: &serde_json::Error, text: &str) -> String {
    let near: String = {
        let chars: Vec<char> =
            text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default().chars().collect();
        let at = error.column().min(chars.len());
        chars[at.saturating_sub(20)..(at + 10).min(chars.len())].iter().collect()
    };
    let whose = if name.is_empty() { "Your call".into() } else { format!("Your call of `{name}`") };
    format!(
        "{whose} was not valid JSON: {error}, near `{near}`. Nothing was run. Write the call again, \
         with quotes, backslashes and line breaks inside strings escaped."
    )
}

/// Bare text as the only string argument that the tool has, such as code for `python`.
pub fn wrapped(name: &str, text: &str, tools: &[ToolSpec]) -> Option<String> {
    let tool = tools.iter().find(|tool| tool.name == name)?;
    let properties = tool.parameters.get("properties")?.as_object()?;
    let mut strings = properties
        .iter()
        .filter(|(_, schema)| schema.get("type").and_then(Value::as_str) == Some("string"));
    let required = tool.parameters.get("required").and_then(Value::as_array);
    let needed = |key: &str| required.is_some_and(|r| r.iter().any(|name| name == key));
    let (key, _) = match (strings.next(), strings.next()) {
        (Some(only), None) if properties.keys().all(|key| key == only.0 || !needed(key)) => only,
        _ => return None,
    };
    let mut quoted = String::new();
    crate::json::quoted(text, false, &mut quoted);
    let mut key_quoted = String::new();
    crate::json::quoted(key, false, &mut key_quoted);
    Some(format!("{{{key_quoted}: {quoted}}}"))
}

/// `{"name": …, "arguments": …}`, the keys in any order. Arguments are streamed once the name is
/// known.
#[derive(Default)]
pub struct CallObject {
    raw: String,
    state: Outer,
    name: Option<String>,
    arguments: Option<Arguments>,
    index: Option<usize>,
}

#[derive(Default)]
enum Outer {
    #[default]
    Start,
    /// Between the members.
    Member,
    Key(Scanner, String),
    Colon(String),
    Value(String),
    /// Inside the value of a key that is not the arguments.
    Other(String, Scanner, String),
    InArguments,
    /// The object is closed, or no longer makes sense; the rest is only kept.
    Rest,
}

impl CallObject {
    pub fn push(&mut self, text: &str, out: &mut Out) {
        for c in text.chars() {
            self.raw.push(c);
            self.take(c);
        }
        if let Some(name) = &self.name
            && let Some(arguments) = &mut self.arguments
            && arguments.scanner.kind == Some(Kind::Object)
        {
            let index = *self.index.get_or_insert_with(|| out.call_start(name));
            arguments.stream(index, out);
        } else if let Some(name) = &self.name
            && self.index.is_none()
            && !name.is_empty()
        {
            self.index = Some(out.call_start(name));
        }
    }

    fn take(&mut self, c: char) {
        let state = std::mem::replace(&mut self.state, Outer::Rest);
        self.state = match state {
            Outer::Start if c == '{' => Outer::Member,
            Outer::Start if c.is_whitespace() => Outer::Start,
            Outer::Member if c == '"' => {
                let (mut scanner, mut key) = (Scanner::default(), String::new());
                scanner.push(c, &mut key);
                Outer::Key(scanner, key)
            }
            Outer::Member if c.is_whitespace() || c == ',' => Outer::Member,
            Outer::Key(mut scanner, mut key) => match scanner.push(c, &mut key) {
                Scan::More => Outer::Key(scanner, key),
                _ => Outer::Colon(serde_json::from_str(&key).unwrap_or_default()),
            },
            Outer::Colon(key) if c == ':' => Outer::Value(key),
            Outer::Colon(key) if c.is_whitespace() => Outer::Colon(key),
            Outer::Value(key) if c.is_whitespace() => Outer::Value(key),
            Outer::Value(key) => {
                if is_arguments(&key) && self.arguments.is_none() {
                    self.arguments = Some(Arguments::default());
                    self.in_arguments(c)
                } else {
                    self.in_other(key, Scanner::default(), String::new(), c)
                }
            }
            Outer::InArguments => self.in_arguments(c),
            Outer::Other(key, scanner, value) => self.in_other(key, scanner, value, c),
            Outer::Start | Outer::Member | Outer::Colon(_) | Outer::Rest => Outer::Rest,
        };
    }

    fn in_arguments(&mut self, c: char) -> Outer {
        match self.arguments.get_or_insert_default().push(c) {
            Scan::More => Outer::InArguments,
            Scan::Done => Outer::Member,
            Scan::DoneBefore if c == '}' => Outer::Rest,
            Scan::DoneBefore => Outer::Member,
        }
    }

    fn in_other(&mut self, key: String, mut scanner: Scanner, mut value: String, c: char) -> Outer {
        let scan = scanner.push(c, &mut value);
        if matches!(scan, Scan::More) {
            return Outer::Other(key, scanner, value);
        }
        if key == "name" && self.name.is_none() {
            self.name = serde_json::from_str(&value).ok();
        }
        match scan {
            Scan::DoneBefore if c == '}' => Outer::Rest,
            _ => Outer::Member,
        }
    }

    /// Whether text like a tag would be part of a string here.
    pub fn quotes(&self) -> bool {
        match &self.state {
            Outer::Key(scanner, _) | Outer::Other(_, scanner, _) => scanner.quotes(),
            Outer::InArguments => self.arguments.as_ref().is_some_and(|a| a.scanner.quotes()),
            _ => false,
        }
    }

    /// Nothing that matters is missing, though the stream ends here.
    pub fn complete(&self) -> bool {
        match &self.arguments {
            Some(arguments) => arguments.done && self.name.is_some(),
            None => serde_json::from_str::<Value>(&self.raw).is_ok(),
        }
    }

    pub fn end(mut self, tools: &[ToolSpec], cut: bool, out: &mut Out) {
        let name = self.name.take().filter(|name| !name.is_empty());
        let (Some(name), index) = (name, self.index) else {
            return self.end_nameless(tools, cut, out);
        };
        let index = index.unwrap_or_else(|| out.call_start(&name));
        let arguments = self.arguments.take().unwrap_or_default();
        let unread = arguments.scanner.kind.is_none();
        let mut end = arguments.end(&name, index, tools, cut, out);
        // The object broke before its arguments were reached: do not run the tool without them.
        if end.is_ok()
            && unread
            && let Err(error) = serde_json::from_str::<Value>(&self.raw)
        {
            end = Err(bad_json(&name, &error, &self.raw));
        }
        out.call_end(index, end, &self.raw);
    }

    fn end_nameless(self, tools: &[ToolSpec], cut: bool, out: &mut Out) {
        let raw = self.raw.trim();
        match serde_json::from_str::<Value>(raw) {
            Ok(value) => match repair::calls_of(&value, tools) {
                Some(calls) => {
                    for (name, arguments) in calls {
                        let end = check(&name, &arguments, false);
                        out.whole_call(&name, &arguments, end, raw);
                    }
                }
                None => out.nameless(
                    "Your call was not run: it has no \"name\". Write \
                     {\"name\": …, \"arguments\": {…}}."
                        .into(),
                    raw,
                ),
            },
            Err(_) if cut => {
                out.nameless("Your call was not run: it was cut off before its end.".into(), raw)
            }
            Err(error) => out.nameless(bad_json("", &error, raw), raw),
        }
    }
}

fn is_arguments(key: &str) -> bool {
    matches!(key, "arguments" | "parameters" | "args")
}

/// The arguments alone, after a name that stood outside of the JSON: DeepSeek and Harmony.
#[derive(Default)]
pub struct CallBody {
    raw: String,
    arguments: Arguments,
    fence: Fence,
    index: Option<usize>,
    name: String,
}

#[derive(Default, PartialEq, Eq)]
enum Fence {
    #[default]
    Before,
    /// In the line that opens a code block.
    Open,
    Within,
    /// Neither an object nor a code block: kept as it is.
    Bare,
}

impl CallBody {
    pub fn new(name: &str) -> CallBody {
        CallBody { name: name.to_string(), ..CallBody::default() }
    }

    pub fn push(&mut self, text: &str, out: &mut Out) {
        let index = *self.index.get_or_insert_with(|| out.call_start(&self.name));
        for c in text.chars() {
            self.raw.push(c);
            match self.fence {
                Fence::Before if c.is_whitespace() => {}
                Fence::Before if c == '`' => self.fence = Fence::Open,
                Fence::Before | Fence::Within if self.arguments.done => {}
                Fence::Before if c == '{' => {
                    self.fence = Fence::Within;
                    self.arguments.push(c);
                }
                Fence::Before => self.fence = Fence::Bare,
                Fence::Open if c == '\n' => self.fence = Fence::Within,
                // ```json{…} on one line.
                Fence::Open if c == '{' => {
                    self.fence = Fence::Within;
                    self.arguments.push(c);
                }
                Fence::Open => {}
                Fence::Within if self.arguments.scanner.kind.is_none() && c.is_whitespace() => {}
                Fence::Within => {
                    self.arguments.push(c);
                }
                Fence::Bare => {}
            }
        }
        if self.fence == Fence::Within {
            self.arguments.stream(index, out);
        }
    }

    pub fn quotes(&self) -> bool {
        self.fence == Fence::Within && self.arguments.scanner.quotes()
    }

    /// Nothing that matters is missing, though the stream ends here.
    pub fn complete(&self) -> bool {
        self.arguments.done && self.arguments.scanner.kind == Some(Kind::Object)
    }

    pub fn end(mut self, tools: &[ToolSpec], cut: bool, out: &mut Out) {
        let index = self.index.unwrap_or_else(|| out.call_start(&self.name));
        let streaming = self.arguments.scanner.kind == Some(Kind::Object);
        let end = if streaming {
            std::mem::take(&mut self.arguments).end(&self.name, index, tools, cut, out)
        } else if self.raw.trim().is_empty() {
            out.call_arguments(index, "{}");
            if cut { Err(cut_off(&self.name)) } else { Ok(()) }
        } else {
            let body = unfenced(&self.raw);
            let arguments = wrapped(&self.name, body, tools).unwrap_or_else(|| body.to_string());
            out.call_arguments(index, &arguments);
            if cut { Err(cut_off(&self.name)) } else { check(&self.name, &arguments, false) }
        };
        out.call_end(index, end, &self.raw);
    }
}

/// What stands inside of a code block, or the text itself if it is none.
pub fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let Some(inner) = text.strip_prefix("```") else { return text };
    let inner = inner.split_once('\n').map_or(inner, |(_, rest)| rest);
    inner.trim_end().strip_suffix("```").unwrap_or(inner).trim()
}
