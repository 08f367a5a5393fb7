//! What is said to a model, before it has any format.

use std::collections::BTreeMap;

use crate::marks::{Marks, picture};

/// A conversation as a model should see it. Plain data; every string in it is untrusted text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Conversation {
    /// Goes first, above the system and developer messages. `instructions` of the Responses API.
    pub instructions: Option<String>,
    pub messages: Vec<Message>,
    pub tools: Vec<ToolSpec>,
    /// `None` leaves the choice to the model's template.
    pub effort: Option<Effort>,
    /// What templates that print a date are told; `None` leaves it out where a template allows it.
    pub today: Option<Day>,
    /// The pictures of users' messages, by the message's index: where each stands in the text, as a
    /// byte, in their order. They are numbered through the conversation, from 0.
    pub pictures: BTreeMap<usize, Vec<usize>>,
}

impl Conversation {
    /// A user's words with marks for the pictures among them.
    pub(crate) fn shown(&self, at: usize, text: &str, marks: &Marks) -> String {
        let Some(places) = self.pictures.get(&at) else { return marks.mark(text) };
        let first: usize = self.pictures.range(..at).map(|(_, places)| places.len()).sum();
        let (mut out, mut from) = (String::new(), 0);
        for (number, place) in places.iter().enumerate() {
            let to = text.floor_char_boundary(*place).max(from);
            out.push_str(&marks.mark(&text[from..to]));
            out.push_str(&picture(first + number));
            from = to;
        }
        out.push_str(&marks.mark(&text[from..]));
        out
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    System { text: String },
    Developer { text: String },
    User { text: String },
    Assistant { reasoning: Option<String>, text: String, tool_calls: Vec<ToolCall> },
    ToolResult { call_id: String, name: String, output: String },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    /// A JSON object as text, as the model wrote it.
    pub arguments: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ToolSpec {
    pub name: String,
    pub description: String,
    /// A JSON schema for the arguments.
    pub parameters: serde_json::Value,
    /// What the one argument of a custom tool, the string `input`, must be beside that.
    pub grammar: Option<InputGrammar>,
}

/// The language of a custom tool's input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputGrammar {
    /// llguidance's dialect of Lark, which is also OpenAI's.
    Lark(String),
    /// Of the whole input.
    Regex(String),
}

/// `reasoning.effort` of the Responses API. Templates see it as `reasoning_effort`; those with an
/// `enable_thinking` switch see it off for `None` and `Minimal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    Xhigh,
    Max,
}

impl Effort {
    pub fn thinks(self) -> bool {
        !matches!(self, Effort::None | Effort::Minimal)
    }

    /// The nearest of the three words that gpt-oss knows.
    pub fn level(self) -> &'static str {
        match self {
            Effort::None | Effort::Minimal | Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High | Effort::Xhigh | Effort::Max => "high",
        }
    }
}

/// A date of the Gregorian calendar, given by the caller: this crate has no clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    pub year: i32,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
}

impl Day {
    /// The day (UTC) that contains this second. Source: Howard Hinnant, "chrono-Compatible
    /// Low-Level Date Algorithms", `civil_from_days`.
    pub fn from_unix_seconds(seconds: i64) -> Day {
        let z = seconds.div_euclid(86_400) + 719_468;
        let era = z.div_euclid(146_097);
        let day_of_era = z.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Day { year: i32::try_from(year).unwrap_or(i32::MAX), month: month as u32, day: day as u32 }
    }

    /// 0 is Sunday (Sakamoto's method).
    pub(crate) fn weekday(self) -> usize {
        const SHIFT: [i64; 12] = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4];
        let month = self.month.clamp(1, 12);
        let year = i64::from(self.year) - i64::from(month < 3);
        let sum = year + year.div_euclid(4) - year.div_euclid(100)
            + year.div_euclid(400)
            + SHIFT[month as usize - 1]
            + i64::from(self.day);
        sum.rem_euclid(7) as usize
    }

    /// 1 is the first of January.
    pub(crate) fn day_of_year(self) -> u32 {
        const BEFORE: [u32; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
        let leap = (self.year % 4 == 0 && self.year % 100 != 0) || self.year % 400 == 0;
        let month = self.month.clamp(1, 12);
        BEFORE[month as usize - 1] + self.day + u32::from(leap && month > 2)
    }
}
