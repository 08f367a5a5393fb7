//! What Python prints for the one-line programs of these families.
//!
//! Each trace's output is worked out from its code, so the two cannot drift apart. Only what the
//! programs use is understood: whole numbers and floats with Python's operators, `round`, `divmod`,
//! `max`, `min`, `math`, `x if a < b else y`, strings, `f'{x:.2f}'`, assignments and one `print`.
//! Anything else is our bug and panics; users' text never gets here.

use std::collections::HashMap;
use std::f64::consts::PI;

use crate::python;

#[derive(Debug, Clone, PartialEq)]
enum Py {
    Int(i128),
    Float(f64),
    Str(String),
    Tuple(Vec<Py>),
}

/// What a program prints.
pub(super) struct Printed {
    /// The line, without its newline.
    pub(super) line: String,
    /// The values in it, one by one, and how each is graded.
    pub(super) values: Vec<(String, Sort)>,
    /// A rounding that hangs on the last bit of a float: such questions are not asked.
    pub(super) tie: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Sort {
    Whole,
    Decimal,
    Words,
}

/// Runs one program.
pub(super) fn run(code: &str) -> Printed {
    let mut variables = HashMap::new();
    let mut tie = false;
    for statement in code.split("; ").filter(|s| !s.starts_with("import ")) {
        let mut p =
            Parser { text: statement.as_bytes(), at: 0, variables: &variables, tie: &mut tie };
        if let Some(rest) = statement.strip_prefix("print(") {
            p.at = statement.len() - rest.len();
            let args = p.arguments();
            let line: Vec<String> = args.iter().map(print).collect();
            let mut values = vec![];
            args.iter().for_each(|a| flatten(a, &mut values));
            return Printed { line: line.join(" "), values, tie };
        }
        let (names, _) = statement.split_once(" = ").expect("a statement prints or assigns");
        p.at = names.len() + 3;
        let value = p.ternary();
        match (names.contains(", "), value) {
            (true, Py::Tuple(values)) => {
                variables.extend(names.split(", ").map(str::to_owned).zip(values));
            }
            (_, value) => {
                variables.insert(names.to_owned(), value);
            }
        }
    }
    panic!("a program that prints nothing: {code}");
}

fn print(value: &Py) -> String {
    match value {
        Py::Int(i) => i.to_string(),
        Py::Float(x) => python::float(*x),
        Py::Str(s) => s.clone(),
        Py::Tuple(of) => format!("({})", of.iter().map(print).collect::<Vec<_>>().join(", ")),
    }
}

fn flatten(value: &Py, into: &mut Vec<(String, Sort)>) {
    match value {
        Py::Int(i) => into.push((i.to_string(), Sort::Whole)),
        Py::Float(_) => into.push((print(value), Sort::Decimal)),
        Py::Str(s) if s.parse::<f64>().is_ok() => into.push((s.clone(), Sort::Decimal)),
        Py::Str(s) => into.push((s.clone(), Sort::Words)),
        Py::Tuple(of) => of.iter().for_each(|v| flatten(v, into)),
    }
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    variables: &'a HashMap<String, Py>,
    tie: &'a mut bool,
}

impl Parser<'_> {
    fn eat(&mut self, token: &str) -> bool {
        let start = self.at;
        self.skip_spaces();
        let here = self.text[self.at..].starts_with(token.as_bytes());
        self.at = if here { self.at + token.len() } else { start };
        here
    }

    fn skip_spaces(&mut self) {
        while self.text.get(self.at) == Some(&b' ') {
            self.at += 1;
        }
    }

    fn expect(&mut self, token: &str) {
        let text = String::from_utf8_lossy(self.text);
        assert!(self.eat(token), "`{token}` is missing at {} of {text}", self.at);
    }

    /// Up to and with the closing parenthesis.
    fn arguments(&mut self) -> Vec<Py> {
        let mut args = vec![];
        while !self.eat(")") {
            args.push(self.ternary());
            self.eat(",");
        }
        args
    }

    fn ternary(&mut self) -> Py {
        let value = self.comparison();
        if !self.eat("if ") {
            return value;
        }
        let truth = self.comparison();
        self.expect("else ");
        let otherwise = self.ternary();
        if truth == Py::Int(1) { value } else { otherwise }
    }

    fn comparison(&mut self) -> Py {
        let left = self.sum();
        for (token, holds) in [
            ("<=", (|a, b| a <= b) as fn(f64, f64) -> bool),
            (">=", |a, b| a >= b),
            ("<", |a, b| a < b),
            (">", |a, b| a > b),
        ] {
            if self.eat(token) {
                let (a, b) = (float(&left), float(&self.sum()));
                *self.tie |= (a - b).abs() < 1e-9 * a.abs();
                return Py::Int(i128::from(holds(a, b)));
            }
        }
        left
    }

    fn sum(&mut self) -> Py {
        let mut left = self.product();
        loop {
            if self.eat("+ ") {
                left = numeric(left, self.product(), |a, b| a + b, |a, b| a + b);
            } else if self.eat("- ") {
                left = numeric(left, self.product(), |a, b| a - b, |a, b| a - b);
            } else {
                return left;
            }
        }
    }

    fn product(&mut self) -> Py {
        let mut left = self.unary();
        loop {
            if self.eat("* ") {
                left = numeric(left, self.unary(), |a, b| a * b, |a, b| a * b);
            } else if self.eat("// ") {
                left = numeric(left, self.unary(), floor_div, |_, _| unreachable!("whole only"));
            } else if self.eat("/ ") {
                left = Py::Float(float(&left) / float(&self.unary()));
            } else if self.eat("% ") {
                let modulo = |a, b| a - b * floor_div(a, b);
                left = numeric(left, self.unary(), modulo, |_, _| unreachable!("whole only"));
            } else {
                return left;
            }
        }
    }

    fn unary(&mut self) -> Py {
        if self.eat("-") {
            return match self.unary() {
                Py::Int(i) => Py::Int(-i),
                value => Py::Float(-float(&value)),
            };
        }
        let base = self.atom();
        if !self.eat("**") {
            return base;
        }
        match (base, self.unary()) {
            (Py::Int(a), Py::Int(b)) => Py::Int(a.pow(b as u32)),
            (a, b) => Py::Float(float(&a).powf(float(&b))),
        }
    }

    fn atom(&mut self) -> Py {
        if self.eat("(") {
            let mut inner = self.arguments();
            return if inner.len() == 1 { inner.remove(0) } else { Py::Tuple(inner) };
        }
        if self.eat("f'{") {
            let x = float(&self.ternary());
            self.expect(":.");
            let places = usize::from(self.text[self.at] - b'0');
            self.at += 1;
            self.expect("f}'");
            self.note_tie(x, places);
            return Py::Str(format!("{x:.places$}"));
        }
        if self.eat("'") {
            return Py::Str(self.until(|c| c == b'\'', 1));
        }
        self.skip_spaces();
        let word = self.until(|c| !(c.is_ascii_alphanumeric() || c == b'.' || c == b'_'), 0);
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return match word.parse() {
                Ok(i) => Py::Int(i),
                Err(_) => Py::Float(word.parse().expect("a number")),
            };
        }
        if word == "math.pi" {
            return Py::Float(PI);
        }
        if self.eat("(") {
            let args = self.arguments();
            return self.call(&word, &args);
        }
        self.variables.get(&word).unwrap_or_else(|| panic!("`{word}` has no value")).clone()
    }

    fn until(&mut self, end: fn(u8) -> bool, skip: usize) -> String {
        let rest = &self.text[self.at..];
        let length = rest.iter().position(|c| end(*c)).unwrap_or(rest.len());
        self.at += length + skip;
        String::from_utf8_lossy(&rest[..length]).into_owned()
    }

    fn call(&mut self, name: &str, args: &[Py]) -> Py {
        match (name, args) {
            ("round", [Py::Int(i)] | [Py::Int(i), _]) => Py::Int(*i),
            ("round", [Py::Float(x)]) => {
                self.note_tie(*x, 0);
                Py::Int(x.round() as i128)
            }
            ("round", [Py::Float(x), Py::Int(places)]) => {
                let places = *places as usize;
                self.note_tie(*x, places);
                Py::Float(python::rounded(*x, places).parse().expect("it is a float"))
            }
            ("divmod", [Py::Int(a), Py::Int(b)]) => {
                let q = floor_div(*a, *b);
                Py::Tuple(vec![Py::Int(q), Py::Int(a - b * q)])
            }
            ("max", [a, b]) => if float(a) >= float(b) { a } else { b }.clone(),
            ("min", [a, b]) => if float(a) <= float(b) { a } else { b }.clone(),
            ("math.sqrt", [x]) => Py::Float(float(x).sqrt()),
            ("math.hypot", [a, b]) => Py::Float(float(a).hypot(float(b))),
            ("math.radians", [x]) => Py::Float(float(x) * (PI / 180.0)),
            ("math.degrees", [x]) => Py::Float(float(x) * (180.0 / PI)),
            ("math.ceil", [x]) => {
                let x = float(x);
                *self.tie |= (x - x.round()).abs() < 1e-9 && x.fract() != 0.0;
                Py::Int(x.ceil() as i128)
            }
            ("math.floor", [x]) => {
                let x = float(x);
                *self.tie |= (x - x.round()).abs() < 1e-9 && x.fract() != 0.0;
                Py::Int(x.floor() as i128)
            }
            _ => panic!("no function `{name}` for {args:?}"),
        }
    }

    fn note_tie(&mut self, x: f64, places: usize) {
        let scaled = x.abs() * 10f64.powi(places as i32);
        *self.tie |= (scaled.fract() - 0.5).abs() < 1e-5 || scaled > 1e14;
    }
}

fn float(value: &Py) -> f64 {
    match value {
        Py::Int(i) => *i as f64,
        Py::Float(x) => *x,
        other => panic!("{other:?} is no number"),
    }
}

fn floor_div(a: i128, b: i128) -> i128 {
    let q = a / b;
    if a % b != 0 && (a < 0) != (b < 0) { q - 1 } else { q }
}

fn numeric(a: Py, b: Py, whole: fn(i128, i128) -> i128, floats: fn(f64, f64) -> f64) -> Py {
    match (a, b) {
        (Py::Int(a), Py::Int(b)) => Py::Int(whole(a, b)),
        (a, b) => Py::Float(floats(float(&a), float(&b))),
    }
}
