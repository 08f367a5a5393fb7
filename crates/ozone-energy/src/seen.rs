//! What a model's server is told in a request, as a script reads it.
//!
//! A script makes its calls in one order. So the n-th call that it makes is the n-th that stands in
//! the conversation, and [`Seen::call`] either finds its output there or ends this turn with it.

use serde_json::Value;

/// A call of a tool. The arguments are what a model wrote, which need not be JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub name: &'static str,
    pub arguments: String,
}

impl Call {
    pub fn new(name: &'static str, arguments: Value) -> Call {
        Call { name, arguments: arguments.to_string() }
    }
}

/// What a model says next.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    Calls { thought: String, calls: Vec<Call> },
    Answer { thought: String, text: String },
}

/// The conversation until now.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The question, with what was added to it.
    pub question: String,
    /// The tools that are offered.
    pub tools: Vec<String>,
    outputs: Vec<(String, String)>,
    at: usize,
}

impl Seen {
    /// Reads a request of Chat Completions.
    pub fn of(request: &Value) -> Seen {
        let messages = request["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let text = |content: &Value| match content {
            Value::String(text) => text.clone(),
            parts => {
                let parts = parts.as_array().into_iter().flatten();
                let texts = parts.filter_map(|part| part["text"].as_str());
                texts.collect::<Vec<_>>().join("\n")
            }
        };
        let output = |id: &Value| {
            let of = |m: &&Value| m["role"] == "tool" && m["tool_call_id"] == *id;
            messages.iter().find(of).map(|m| text(&m["content"])).unwrap_or_default()
        };
        let calls = messages.iter().flat_map(|m| m["tool_calls"].as_array().into_iter().flatten());
        let name = |call: &Value| call["function"]["name"].as_str().unwrap_or_default().to_owned();
        let question = messages.iter().find(|m| m["role"] == "user").map(|m| text(&m["content"]));
        let tools = request["tools"].as_array().into_iter().flatten();
        Seen {
            question: question.unwrap_or_default(),
            tools: tools.map(name).collect(),
            outputs: calls.map(|call| (name(call), output(&call["id"]))).collect(),
            at: 0,
        }
    }

    pub fn calls_of(&self, tool: &str) -> usize {
        self.outputs.iter().filter(|(name, _)| name == tool).count()
    }

    /// The output of the script's next call, or the act of making it.
    pub fn call(&mut self, thought: &str, call: Call) -> Result<String, Act> {
        Ok(self.calls(thought, vec![call])?.swap_remove(0))
    }

    /// The same of calls that are made at once.
    pub fn calls(&mut self, thought: &str, calls: Vec<Call>) -> Result<Vec<String>, Act> {
        let made = self.outputs.get(self.at..self.at + calls.len());
        let Some(made) = made else {
            return Err(Act::Calls { thought: thought.to_owned(), calls });
        };
        if let Some((call, (name, _))) =
            calls.iter().zip(made).find(|(c, (name, _))| c.name != name)
        {
            let text =
                format!("I lost the thread: {} stands where {} was called.", name, call.name);
            return Err(Act::Answer { thought: String::new(), text });
        }
        self.at += calls.len();
        Ok(made.iter().map(|(_, output)| output.clone()).collect())
    }
}

/// A page as `web_open` and `web_find` show it.
#[derive(Debug, Clone, Default)]
pub struct Opened {
    pub url: String,
    pub mark: String,
    /// With their numbers.
    pub lines: Vec<(u64, String)>,
}

impl Opened {
    /// `None` for what is no page, such as an error.
    pub fn of(output: &str) -> Option<Opened> {
        let mark = output.split_once("Cite its lines as 【")?.1.split('†').next()?;
        let mut head = output.lines();
        let url = head.nth(1)?.to_owned();
        let line = |line: &str| {
            let (number, text) = line.strip_prefix('L')?.split_once(": ")?;
            Some((number.parse().ok()?, text.to_owned()))
        };
        let lines: Vec<(u64, String)> = output.lines().filter_map(line).collect();
        (!lines.is_empty()).then(|| Opened { url, mark: mark.to_owned(), lines })
    }

    /// The number of the link whose text has this.
    pub fn link(&self, text: &str) -> Option<u64> {
        let links = self.lines.iter().flat_map(|(_, line)| links(line));
        let mut with = links.filter(|(_, told)| told.to_lowercase().contains(&text.to_lowercase()));
        with.next().map(|(number, _)| number)
    }

    pub fn link_texts(&self) -> Vec<String> {
        self.lines.iter().flat_map(|(_, line)| links(line)).map(|(_, text)| text).collect()
    }

    /// Rows of tables, with their line.
    pub fn rows(&self) -> Vec<(u64, Vec<String>)> {
        let row = |(number, line): &(u64, String)| {
            let cells = line.trim().strip_prefix('|')?.trim_end().strip_suffix('|')?;
            Some((*number, cells.split('|').map(|cell| cell.trim().to_owned()).collect()))
        };
        self.lines.iter().filter_map(row).collect()
    }

    /// The first line that says this, in whatever case.
    pub fn line(&self, text: &str) -> Option<&(u64, String)> {
        let text = text.to_lowercase();
        self.lines.iter().find(|(_, line)| line.to_lowercase().contains(&text))
    }

    pub fn cite(&self, first: u64, last: u64) -> String {
        format!("【{}†L{first}-L{last}】", self.mark)
    }
}

/// A result of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    pub number: u64,
    pub title: String,
    pub host: String,
    pub url: String,
}

pub fn hits(output: &str) -> Vec<Hit> {
    let lines: Vec<&str> = output.lines().collect();
    let hit = |pair: &[&str]| {
        let inner = pair[0].strip_prefix('【')?.strip_suffix('】')?;
        let mut parts = inner.split('†');
        let (number, title) = (parts.next()?.parse().ok()?, parts.next()?.to_owned());
        let host = parts.next()?.to_owned();
        Some(Hit { number, title, host, url: pair[1].to_owned() })
    };
    lines.windows(2).filter_map(hit).collect()
}

/// `【3†text】`, of which a line may have several.
fn links(line: &str) -> Vec<(u64, String)> {
    let link = |piece: &str| {
        let (number, rest) = piece.split_once('†')?;
        Some((number.parse().ok()?, rest.split('】').next()?.to_owned()))
    };
    line.split('【').skip(1).filter_map(link).collect()
}
