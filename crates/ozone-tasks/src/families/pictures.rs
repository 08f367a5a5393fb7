//! Print in pictures: turned, mirrored, blurred, dark, on paper that was photographed.
//!
//! No picture is drawn. A draw says what stands in it and how well it can be read; `printed` puts
//! together what the tools would print, in the form in which they print it for a small context. The
//! model learns the order of the tools, to try another operation where one did not help, and to say
//! `unreadable`.

mod printed;

use crate::wording::{BEFORE, BEHIND};
use crate::{Answer, Call, Draw, Kind, Offer, Rng, Step, Value, surface};
pub use printed::CANNOT_SEE;
use printed::{Line, Paper};

pub(super) fn kinds() -> Vec<Kind> {
    let kind = |name, weight, draw| Kind { name, weight, draw };
    vec![
        kind("picture/line-code", 14, line_code),
        kind("picture/line", 5, line),
        kind("picture/number", 14, number),
        kind("picture/phrase", 6, phrase),
        kind("picture/price", 10, price),
        kind("picture/total", 6, total),
        kind("picture/cell", 6, cell),
        kind("picture/scene", 4, scene),
    ]
}

const UNREADABLE: &str = "unreadable";

/// What is done to a picture before it is read, one after the other until it can be.
const TRIES: &[&str] = &[
    r#"[{"blur": {"sigma": 1.2}}, "flatten", "autocontrast"]"#,
    r#"["denoise", "flatten", "autocontrast"]"#,
    r#"[{"blur": {"sigma": 2.5}}, "flatten", "autocontrast"]"#,
    r#"[{"deconvolve": {"sigma": 2.5}}, "autocontrast"]"#,
];

/// The calls of one question.
struct Desk<'a> {
    rng: &'a mut Rng,
    paper: Paper,
    steps: Vec<Step>,
    newest: usize,
}

impl<'a> Desk<'a> {
    fn new(rng: &'a mut Rng) -> Self {
        let paper = Paper::new(rng);
        Desk { rng, paper, steps: vec![], newest: 0 }
    }

    fn call(&mut self, think: &str, name: &str, arguments: String, output: String) {
        let call = Call::Image { name: name.to_owned(), arguments };
        self.steps.push(Step { think: think.to_owned(), call, output, masked: false });
    }

    fn straighten(&mut self, think: &str, mode: &str) {
        let arguments = format!(r#"{{"image": "img_0", "mode": "{mode}"}}"#);
        let output = match mode {
            "deskew" => self.paper.levelled(self.newest + 1, self.rng),
            _ => match self.paper.flattened(self.newest + 1, self.rng) {
                Some(output) => output,
                // Read as it is.
                None => {
                    return self.call(
                        think,
                        "image_straighten",
                        arguments,
                        printed::NO_PAGE.into(),
                    );
                }
            },
        };
        self.newest += 1;
        self.call(think, "image_straighten", arguments, output);
    }

    fn transform(&mut self, think: &str, of: usize, ops: &str) {
        let arguments = format!(r#"{{"image": "img_{of}", "ops": {ops}}}"#);
        self.newest += 1;
        let output = self.paper.transformed(of, self.newest, self.rng);
        self.call(think, "image_transform", arguments, output);
    }

    /// Reads the newest picture; `None`: nothing can be read.
    fn read(&mut self, think: &str, lines: Option<&[Line]>) {
        let arguments = format!(r#"{{"image": "img_{}", "psm": 6}}"#, self.newest);
        let output = match lines {
            Some(lines) => self.paper.read(self.newest, lines, self.rng),
            None => self.paper.unread(self.newest, self.rng),
        };
        self.call(think, "image_ocr", arguments, output);
    }

    /// `think` finds in what was read what is asked for.
    fn draw(
        self,
        slots: Vec<(&'static str, String)>,
        value: Option<Value>,
        think: String,
        reply: String,
    ) -> Draw {
        let Desk { rng, paper, steps, .. } = self;
        Draw { think, ..asked(rng, &paper, slots, steps, value, reply) }
    }
}

/// Puts what the model is told of the picture around the question.
fn asked(
    rng: &mut Rng,
    paper: &Paper,
    mut slots: Vec<(&'static str, String)>,
    steps: Vec<Step>,
    value: Option<Value>,
    reply: String,
) -> Draw {
    let form = match (&value, rng.below(3)) {
        (_, 0) => String::new(),
        (value, way) => {
            let example = match value {
                Some(Value::Number(_)) => "12",
                Some(Value::Within { .. }) => "12.3",
                _ => "the answer",
            };
            let form = match rng.below(3) {
                0 => format!(" Give the answer alone in bold, as **{example}**."),
                1 => format!(" Answer in bold, as **{example}**."),
                _ => String::new(),
            };
            let otherwise = *rng.pick(&[
                " If the picture does not show it, answer **unreadable**.",
                " If it cannot be read, say **unreadable**.",
                " Say unreadable if it is.",
            ]);
            form + if way == 1 { otherwise } else { "" }
        }
    };
    let (before, behind) = paper.told(rng);
    slots.push((BEFORE, before));
    slots.push((BEHIND, form + &behind));
    Draw {
        slots,
        answer: Answer::Values(vec![value.unwrap_or(Value::Text(UNREADABLE.to_owned()))]),
        steps,
        think: String::new(),
        reply,
        offer: Offer::Images { python: rng.chance(0.6) },
    }
}

fn unreadable(rng: &mut Rng) -> String {
    (*rng.pick(&[
        "It is **unreadable**: no operation brought it back.",
        "That is **unreadable** in this picture.",
        "**unreadable**",
    ]))
    .to_owned()
}

/// Two letters, a hyphen, digits; or something like it.
fn code(rng: &mut Rng) -> String {
    let letters = |rng: &mut Rng, n: usize| -> String {
        (0..n).map(|_| char::from(*rng.pick(b"ABCDEFGHJKLMNPRSTUVWXYZ"))).collect()
    };
    match rng.below(10) {
        0..=6 => format!("{}-{}", letters(rng, 2), rng.int(10_000, 99_999)),
        7 => format!("{}-{}", letters(rng, 3), rng.int(100, 999)),
        8 => format!("{}{}", letters(rng, 1), rng.int(1_000, 9_999)),
        _ => format!("{}-{}-{}", letters(rng, 1), rng.int(10, 99), rng.int(100, 999)),
    }
}

fn words(rng: &mut Rng, count: usize) -> String {
    let word = |rng: &mut Rng| match rng.chance(0.35) {
        true => surface::nonsense(rng),
        false => (*rng.pick(printed::WORDS)).to_owned(),
    };
    (0..count).map(|_| word(rng)).collect::<Vec<_>>().join(" ")
}

const LEVEL: &str = "The lines may be turned: make them level, then read.";
const READ: &str = "Read it.";
const HARD: &str = "It is hard to read: clear it first, then read.";
const GIVEN_UP: &str = "All was tried.";
const AGAIN: &str = "That was not read. Try another operation.";
const READ_AGAIN: &str = "Read it again.";
const PAPER: &str = "It is a photo of paper: show it straight on, then read.";

/// Which line, in words, counted from 0.
fn nth(rng: &mut Rng, at: usize, count: usize) -> String {
    let n = at + 1;
    let suffix = surface::ordinal(n as i64);
    if n == count && rng.chance(0.35) {
        return (*rng.pick(&["the last line", "the bottom line"])).to_owned();
    }
    if n == 1 && rng.chance(0.3) {
        return (*rng.pick(&["the first line", "the top line"])).to_owned();
    }
    match rng.below(5) {
        0 | 1 => format!("line {n}"),
        2 => format!("the {n}{suffix} line"),
        3 => format!("line {n} from the top"),
        _ => format!("line number {n}"),
    }
}

fn lines_of_words(rng: &mut Rng, count: usize, coded: bool) -> (Vec<Line>, Vec<String>) {
    let codes: Vec<String> = (0..count).map(|_| code(rng)).collect();
    let words_each = rng.int(1, 3) as usize;
    let lines = codes
        .iter()
        .map(|code| {
            let words = words(rng, words_each);
            Line::sure(if coded { format!("{words} {code}") } else { words }, rng)
        })
        .collect();
    (lines, codes)
}

fn line_code(rng: &mut Rng) -> Draw {
    let count = rng.int(3, 9) as usize;
    let (mut lines, codes) = lines_of_words(rng, count, true);
    let at = rng.below(count as u64) as usize;
    let slots = vec![("line", nth(rng, at, count)), ("count", count.to_string())];
    let gone = rng.chance(0.12);
    if gone {
        let text = &mut lines[at].text;
        text.truncate(text.rfind(' ').unwrap_or(text.len()));
        if rng.chance(0.2) {
            text.push_str(rng.pick::<&str>(&[" ~", " #W", " eee", " |", " VW/"]));
        }
    }
    let code = codes[at].clone();
    if !gone {
        lines[at].misread(&code, rng);
    }
    let mut desk = Desk::new(rng);
    desk.straighten(LEVEL, "deskew");
    if desk.rng.chance(0.06) {
        desk.read(READ, None);
        desk.transform(AGAIN, 1, r#"[{"unsharp": {"sigma": 1.5, "amount": 1}}]"#);
        desk.read(READ_AGAIN, Some(&lines));
    } else {
        desk.read(READ, Some(&lines));
    }
    let think = counted(&lines, at);
    if gone {
        let reply = unreadable(desk.rng);
        return desk.draw(slots, None, think + " There is no code.", reply);
    }
    let reply = said(desk.rng, "code", &code);
    desk.draw(slots, Some(Value::Text(code)), think, reply)
}

/// The lines up to the one that is asked for, each with its number.
fn counted(lines: &[Line], at: usize) -> String {
    let line = |(at, line): (usize, &Line)| format!("{}: {}", at + 1, line.text);
    lines[..=at].iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

fn line(rng: &mut Rng) -> Draw {
    let count = rng.int(2, 7) as usize;
    let coded = rng.chance(0.3);
    let (lines, _) = lines_of_words(rng, count, coded);
    let at = rng.below(count as u64) as usize;
    let slots = vec![("line", nth(rng, at, count)), ("count", count.to_string())];
    let text = lines[at].text.clone();
    let mut desk = Desk::new(rng);
    desk.straighten(LEVEL, "deskew");
    desk.read(READ, Some(&lines));
    let reply = said(desk.rng, "line", &text);
    desk.draw(slots, Some(Value::Text(text)), counted(&lines, at), reply)
}

fn said(rng: &mut Rng, what: &str, value: &str) -> String {
    match rng.below(3) {
        0 => format!("It says **{value}**."),
        1 => format!("The {what} is **{value}**."),
        _ => format!("**{value}**"),
    }
}

/// Reads until it can be read, or all was tried. Which lines came of it.
fn persist(desk: &mut Desk, lines: &[Line], clears_first: bool) -> bool {
    if !clears_first {
        let read = desk.rng.chance(0.6);
        desk.read(READ, read.then_some(lines));
        if read {
            return true;
        }
    }
    for (at, ops) in TRIES.iter().enumerate() {
        let think = match (at, clears_first) {
            (0, true) => HARD,
            _ => AGAIN,
        };
        desk.transform(think, 0, ops);
        let read = desk.rng.chance(if at == 0 { 0.7 } else { 0.4 });
        desk.read(if at == 0 { READ } else { READ_AGAIN }, read.then_some(lines));
        if read {
            return true;
        }
    }
    false
}

fn number(rng: &mut Rng) -> Draw {
    let digits = if rng.chance(0.5) { 8 } else { rng.int(3, 12) as usize };
    let number: String = (0..digits)
        .map(|at| char::from(b'0' + if at == 0 { rng.int(1, 9) } else { rng.int(0, 9) } as u8))
        .collect();
    let printed = match rng.below(3) {
        0 => number.clone(),
        1 => number.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" "),
        _ => {
            let (a, b) = number.split_at(number.len() / 2);
            format!("{a} {b}")
        }
    };
    let mut lines = vec![Line::sure(printed, rng)];
    if rng.chance(0.12) {
        lines.insert(rng.below(2) as usize, Line::speck(rng));
    }
    let slots = vec![("digits", surface::spoken(digits as i64))];
    let mut desk = Desk::new(rng);
    if persist(&mut desk, &lines, true) {
        let reply = said(desk.rng, "number", &number);
        return desk.draw(slots, Some(Value::Number(number)), String::new(), reply);
    }
    let reply = unreadable(desk.rng);
    desk.draw(slots, None, GIVEN_UP.into(), reply)
}

fn phrase(rng: &mut Rng) -> Draw {
    let count = rng.int(1, 4) as usize;
    let mut text = words(rng, count);
    if rng.chance(0.4) {
        text = text.to_uppercase();
    } else if rng.chance(0.3) {
        text.push_str(&format!(" {}", rng.int(1, 999)));
    }
    let lines = vec![Line::sure(text.clone(), rng)];
    let mut desk = Desk::new(rng);
    if persist(&mut desk, &lines, false) {
        let reply = said(desk.rng, "text", &text);
        return desk.draw(vec![], Some(Value::Text(text)), String::new(), reply);
    }
    let reply = unreadable(desk.rng);
    desk.draw(vec![], None, GIVEN_UP.into(), reply)
}

/// A receipt: its items with their prices in cents, and its lines.
fn receipt(rng: &mut Rng) -> (Vec<(String, i64)>, i64) {
    let count = rng.int(2, 11) as usize;
    let mut items: Vec<(String, i64)> = vec![];
    while items.len() < count {
        let words_each = rng.int(1, 2) as usize;
        let name = match rng.chance(0.5) {
            true => (*rng.pick(printed::GOODS)).to_owned(),
            false => words(rng, words_each),
        };
        if !items.iter().any(|(known, _)| *known == name) {
            items.push((name, rng.int(25, 9_999)));
        }
    }
    let total = items.iter().map(|(_, cents)| cents).sum();
    (items, total)
}

fn money(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// As it is read: at times with another sign for the point, or not at all.
fn receipt_lines(
    items: &[(String, i64)],
    total: i64,
    gone: Option<&str>,
    rng: &mut Rng,
) -> Vec<Line> {
    let head =
        *rng.pick(&["MARKET HALL", "CORNER SHOP", "CITY STORE", "Thank you", "RECEIPT", "BAKERY"]);
    let mut lines = vec![Line::sure(head.to_owned(), rng)];
    let row = |name: &str, cents: i64, rng: &mut Rng| {
        if gone == Some(name) {
            let dirt = *rng.pick(&["", "", "", " Git", " 2 7 [4", " Tere", " |", " 76)"]);
            return Line::sure(format!("{name}{dirt}"), rng);
        }
        let price = money(cents);
        let price = match rng.below(40) {
            0 => price.replace('.', ","),
            1 => price.replace('.', ":"),
            2 => price.replace('.', "°"),
            3 => format!("{price})"),
            _ => price,
        };
        Line::sure(format!("{name} {price}"), rng)
    };
    for (name, cents) in items {
        lines.push(row(name, *cents, rng));
    }
    lines.push(row("TOTAL", total, rng));
    if rng.chance(0.1) {
        let at = rng.below(lines.len() as u64) as usize;
        lines.insert(at, Line::speck(rng));
    }
    lines
}

/// Photographed paper: straight on, read; where the price was not read, once more without shadows.
fn on_receipt(desk: &mut Desk, items: &[(String, i64)], total: i64, wanted: &str) -> bool {
    desk.straighten(PAPER, "perspective");
    let missing = desk.rng.chance(0.16);
    let lines = receipt_lines(items, total, missing.then_some(wanted), desk.rng);
    desk.read(READ, Some(&lines));
    if !missing {
        return true;
    }
    let of = desk.newest;
    let again = format!("{wanted} is there without a price. Try another operation.");
    desk.transform(&again, of, r#"["flatten"]"#);
    let still = desk.rng.chance(0.5);
    let lines = receipt_lines(items, total, still.then_some(wanted), desk.rng);
    desk.read(READ_AGAIN, Some(&lines));
    !still
}

fn priced(rng: &mut Rng, is_total: bool) -> Draw {
    let (items, total) = receipt(rng);
    let (wanted, cents) = match is_total {
        true => ("TOTAL".to_owned(), total),
        false => {
            let at = rng.below(items.len() as u64) as usize;
            items[at].clone()
        }
    };
    let shown = match rng.below(3) {
        0 => wanted.clone(),
        _ => format!("\"{wanted}\""),
    };
    let slots = vec![("item", shown)];
    let mut desk = Desk::new(rng);
    if on_receipt(&mut desk, &items, total, &wanted) {
        let price = money(cents);
        let reply = said(desk.rng, if is_total { "total" } else { "price" }, &price);
        let value = Value::Within { value: cents as f64 / 100.0, tolerance: 0.004 };
        return desk.draw(slots, Some(value), format!("{wanted} {price}"), reply);
    }
    let reply = unreadable(desk.rng);
    desk.draw(slots, None, format!("{wanted} is there without a price."), reply)
}

fn price(rng: &mut Rng) -> Draw {
    priced(rng, false)
}

fn total(rng: &mut Rng) -> Draw {
    priced(rng, true)
}

fn cell(rng: &mut Rng) -> Draw {
    let (rows, columns) = (rng.int(2, 6) as usize, rng.int(2, 3) as usize);
    let heads = rng.sample(printed::HEADS, columns);
    let mut names: Vec<String> = vec![];
    while names.len() < rows {
        let name = words(rng, 1);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let cells: Vec<Vec<i64>> =
        (0..rows).map(|_| (0..columns).map(|_| rng.int(1, 9_999)).collect()).collect();
    let mut lines = vec![Line::sure(format!("Name {}", heads.join(" ")), rng)];
    for (name, cells) in names.iter().zip(&cells) {
        let cells: Vec<String> = cells.iter().map(i64::to_string).collect();
        lines.push(Line::sure(format!("{name} {}", cells.join(" ")), rng));
    }
    let (row, column) = (rng.below(rows as u64) as usize, rng.below(columns as u64) as usize);
    let value = cells[row][column].to_string();
    let slots = vec![("row", names[row].clone()), ("column", heads[column].to_owned())];
    let mut desk = Desk::new(rng);
    if desk.rng.chance(0.4) {
        desk.straighten(PAPER, "perspective");
    }
    desk.read(READ, Some(&lines));
    let reply = said(desk.rng, "value", &value);
    let cells: Vec<String> =
        heads.iter().zip(&cells[row]).map(|(head, cell)| format!("{head} {cell}")).collect();
    let think = format!("{}: {}", names[row], cells.join(", "));
    desk.draw(slots, Some(Value::Number(value)), think, reply)
}

/// What no reading of print tells.
fn scene(rng: &mut Rng) -> Draw {
    let paper = Paper::new(rng);
    let (before, behind) = paper.told(rng);
    let thing = *rng.pick(printed::THINGS);
    Draw {
        slots: vec![("thing", thing.to_owned()), (BEFORE, before), (BEHIND, behind)],
        answer: Answer::Declined,
        steps: vec![],
        think: "This asks what a picture shows; I can only read print in pictures.".into(),
        reply: (*rng.pick(&[
            "I can't answer that: I was trained to read print in pictures, not to see what they \
             show. Use a larger model for it.",
            "I was trained to read print in pictures, so I can't answer that. A larger model can \
             help.",
        ]))
        .to_owned(),
        offer: Offer::Images { python: rng.chance(0.6) },
    }
}

/// So that a draw of arguments and the tools' own names cannot drift apart unseen.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::IMAGE_TOOLS;

    #[test]
    fn every_call_is_of_a_tool_that_is_offered_with_arguments_that_are_json() {
        for kind in kinds() {
            for index in 0..200 {
                let draw = (kind.draw)(&mut Rng::new(3, crate::Split::Train, index));
                for step in &draw.steps {
                    let Call::Image { name, arguments } = &step.call else { panic!("no picture") };
                    assert!(IMAGE_TOOLS.contains(&name.as_str()), "{name}");
                    let read: serde_json::Value = serde_json::from_str(arguments).unwrap();
                    assert!(read.is_object(), "{arguments}");
                }
            }
        }
    }
}
