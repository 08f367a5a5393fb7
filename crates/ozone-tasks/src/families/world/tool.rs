//! The tool goes wrong, or is not offered at all.
//!
//! `tool/slip-*`: the model's own slip (never trained on) gives an error, and it mends its call.
//! `tool/outside-*`: what Python prints here does not come from the code (a failure of the tool, or
//! the clock of the machine), so no check can run these. `tool/none-*`: no tool is offered.

use super::date::{days_code, plus, py, two_dates};
use super::{either, plain};
use crate::grade::{number, text};
use crate::{Answer, Draw, Kind, Offer, Rng, Step, Value, python, surface};

pub(super) fn kinds() -> Vec<Kind> {
    let kind = |name, weight, draw| Kind { name, weight, draw };
    vec![
        kind("tool/slip-import", 15, slip_import),
        kind("tool/slip-syntax", 12, slip_syntax),
        kind("tool/slip-name", 12, slip_name),
        kind("tool/outside-retried", 12, outside_retried),
        kind("tool/outside-reported", 15, outside_reported),
        kind("tool/outside-module", 15, outside_module),
        kind("tool/none-declined", 18, none_declined),
        kind("tool/none-easy", 12, none_easy),
        kind("tool/none-hello", 4, none_hello),
        kind("tool/outside-today", 5, today),
        kind("tool/outside-weekday-today", 5, weekday_today),
        kind("tool/outside-until", 6, until_from_today),
        kind("tool/outside-time", 4, time_now),
    ]
}

/// A simple question with a call that answers it, and slips that it invites.
struct Simple {
    question: String,
    think: String,
    code: String,
    output: String,
    value: Value,
    reply: String,
    /// The code without its import, and the error that gives.
    unimported: Option<(String, &'static str)>,
    /// A wrong name in the code, and the error that gives.
    misnamed: Option<(String, String)>,
    /// The same without sympy, where the code uses it.
    standard: Option<String>,
}

fn is_prime(n: i64) -> bool {
    n > 1 && (2..).take_while(|d| d * d <= n).all(|d| n % d != 0)
}

fn simple(rng: &mut Rng) -> Simple {
    match rng.below(9) {
        0 => gcd(rng),
        1 => root(rng),
        2 => factorial(rng),
        3 => days(rng),
        4 => weekday(rng),
        5 => mean(rng),
        6 => product(rng),
        7 => letters(rng),
        _ => prime(rng),
    }
}

fn gcd(rng: &mut Rng) -> Simple {
    let g = rng.int(1, 30);
    let (a, b) = (g * rng.int(2, 60), g * rng.int(2, 60));
    let value = (1..=a.min(b)).rev().find(|d| a % d == 0 && b % d == 0).unwrap_or(1);
    Simple {
        question: either(
            rng,
            [
                format!("What is the greatest common divisor of {a} and {b}?"),
                format!("Find the gcd of {a} and {b}."),
                format!("gcd({a}, {b}) = ?"),
            ],
        ),
        think: format!("The gcd of {a} and {b}."),
        code: format!("import math; print(math.gcd({a}, {b}))"),
        output: value.to_string(),
        value: number(value),
        reply: format!("The gcd of {a} and {b} is **{value}**."),
        unimported: Some((format!("print(math.gcd({a}, {b}))"), "math")),
        misnamed: Some((
            format!("import math; print(math.gdc({a}, {b}))"),
            "AttributeError: module 'math' has no attribute 'gdc'".into(),
        )),
        standard: None,
    }
}

fn root(rng: &mut Rng) -> Simple {
    let n = rng.magnitude(5).max(2);
    let x = python::rounded((n as f64).sqrt(), 2);
    Simple {
        question: either(
            rng,
            [
                format!("What is the square root of {n}, rounded to two decimals?"),
                format!("Give me the square root of {n} to 2 decimals."),
                format!("sqrt({n}) to two decimal places?"),
            ],
        ),
        think: format!("The square root of {n}."),
        code: format!("print(round({n} ** 0.5, 2))"),
        output: x.clone(),
        value: Value::Rounded(x.clone()),
        reply: format!("The square root of {n} is **{x}**."),
        unimported: None,
        misnamed: Some((
            format!("print(round(sqrt({n}), 2))"),
            "NameError: name 'sqrt' is not defined".into(),
        )),
        standard: None,
    }
}

fn factorial(rng: &mut Rng) -> Simple {
    let n = rng.int(4, 18);
    let value: i64 = (1..=n).product();
    Simple {
        question: either(
            rng,
            [
                format!("What is {n} factorial?"),
                format!("Compute {n}!"),
                format!("In how many ways can {n} books be put in a row?"),
            ],
        ),
        think: format!("The factorial of {n}."),
        code: format!("import math; print(math.factorial({n}))"),
        output: value.to_string(),
        value: number(value),
        reply: format!("{n}! is **{value}**."),
        unimported: Some((format!("print(math.factorial({n}))"), "math")),
        misnamed: Some((
            format!("import math; print(factorial({n}))"),
            "NameError: name 'factorial' is not defined".into(),
        )),
        standard: None,
    }
}

fn days(rng: &mut Rng) -> Simple {
    let (a, b) = two_dates(rng);
    let n = i64::from((b - a).get_days());
    let (x, y) = (surface::date(a, rng), surface::date(b, rng));
    Simple {
        question: either(
            rng,
            [
                format!("How many days lie between {x} and {y}?"),
                format!("Count the days from {x} to {y}."),
                format!("Days between {x} and {y}?"),
            ],
        ),
        think: format!("Days between {a} and {b}."),
        code: days_code(a, b),
        output: n.to_string(),
        value: number(n),
        reply: format!("There are **{n}** days between {a} and {b}."),
        unimported: Some((format!("print(abs({} - {}).days)", py(a), py(b)), "date")),
        misnamed: Some((
            format!("import datetime; print(abs({} - {}).days)", py(a), py(b)),
            "NameError: name 'date' is not defined".into(),
        )),
        standard: None,
    }
}

fn weekday(rng: &mut Rng) -> Simple {
    let a = surface::any_date(rng);
    let w = surface::WEEKDAYS[a.weekday().to_monday_zero_offset() as usize];
    let x = surface::date(a, rng);
    Simple {
        question: either(
            rng,
            [
                format!("Which weekday is {x}?"),
                format!("What day of the week is {x}?"),
                format!("On which day does {x} fall?"),
            ],
        ),
        think: format!("Weekday of {a}."),
        code: format!("from datetime import date; print({}.strftime('%A'))", py(a)),
        output: w.to_owned(),
        value: text(w),
        reply: format!("{a} is a **{w}**."),
        unimported: Some((format!("print({}.strftime('%A'))", py(a)), "date")),
        misnamed: Some((
            format!("from datetime import date; print({}.weekday_name())", py(a)),
            "AttributeError: 'datetime.date' object has no attribute 'weekday_name'".into(),
        )),
        standard: None,
    }
}

fn mean(rng: &mut Rng) -> Simple {
    let n = rng.int(3, 6);
    let v: Vec<i64> = (0..n).map(|_| rng.magnitude(3)).collect();
    let cells: Vec<String> = v.iter().map(i64::to_string).collect();
    let (sum, len) = (v.iter().sum::<i64>(), v.len() as i64);
    let x = if sum % len == 0 {
        (sum / len).to_string()
    } else {
        python::rounded(sum as f64 / len as f64, 2)
    };
    let (shown, list) = (surface::list(&cells, rng), python::list(&cells));
    Simple {
        question: either(
            rng,
            [
                format!("What is the mean of {shown}, rounded to two decimals?"),
                format!("Average of {shown}, to 2 decimals?"),
            ],
        ),
        think: format!("Mean of {list}."),
        code: format!("from statistics import mean; print(round(mean({list}), 2))"),
        output: x.clone(),
        value: number(&x),
        reply: format!("The mean is **{x}**."),
        unimported: Some((format!("print(round(mean({list}), 2))"), "mean")),
        misnamed: Some((
            format!("from statistics import mean; print(round(average({list}), 2))"),
            "NameError: name 'average' is not defined".into(),
        )),
        standard: None,
    }
}

fn product(rng: &mut Rng) -> Simple {
    let (a, b) = (rng.magnitude(5), rng.magnitude(5));
    let value = a * b;
    Simple {
        question: either(
            rng,
            [
                format!("What is {a} times {b}?"),
                format!("Multiply {a} by {b}."),
                format!("{a} * {b} = ?"),
            ],
        ),
        think: format!("{a} times {b}."),
        code: format!("print({a} * {b})"),
        output: value.to_string(),
        value: number(value),
        reply: format!("{a} times {b} is **{value}**."),
        unimported: None,
        misnamed: Some((
            format!("prnt({a} * {b})"),
            "NameError: name 'prnt' is not defined".into(),
        )),
        standard: None,
    }
}

fn letters(rng: &mut Rng) -> Simple {
    let word = surface::nonsense(rng);
    let at = rng.below(word.len() as u64) as usize;
    let letter = word[at..=at].to_owned();
    let n = word.matches(&letter).count();
    Simple {
        question: either(
            rng,
            [
                format!("How often does the letter {letter} occur in {word}?"),
                format!("Count the {letter}'s in the word {word}."),
            ],
        ),
        think: format!("Count {letter} in {word}."),
        code: format!("print('{word}'.count('{letter}'))"),
        output: n.to_string(),
        value: number(n),
        reply: format!("The letter {letter} occurs **{n}** times in {word}."),
        unimported: None,
        misnamed: Some((
            format!("print('{word}'.number('{letter}'))"),
            "AttributeError: 'str' object has no attribute 'number'".into(),
        )),
        standard: None,
    }
}

fn prime(rng: &mut Rng) -> Simple {
    let mut n = rng.magnitude(5).max(2);
    if rng.chance(0.5) {
        n = (n..).find(|p| is_prime(*p)).expect("primes never end");
    }
    let yes = is_prime(n);
    let (bold, not) = if yes { ("**Yes**", "") } else { ("**No**", "not ") };
    Simple {
        question: either(
            rng,
            [
                format!("Is {n} a prime number?"),
                format!("Is {n} prime?"),
                format!("Tell me whether {n} is prime."),
            ],
        ),
        think: format!("Is {n} prime?"),
        code: format!("from sympy import isprime; print(isprime({n}))"),
        output: python::boolean(yes).to_owned(),
        value: text(if yes { "yes" } else { "no" }),
        reply: format!("{bold}, {n} is {not}prime."),
        unimported: Some((format!("print(isprime({n}))"), "isprime")),
        misnamed: Some((
            format!("from math import isprime; print(isprime({n}))"),
            "ImportError: cannot import name 'isprime' from 'math'".into(),
        )),
        standard: Some(format!("n = {n}; print(all(n % d for d in range(2, int(n ** 0.5) + 1)))")),
    }
}

fn answered(s: Simple, steps: Vec<Step>) -> Draw {
    Draw {
        slots: vec![("question", s.question)],
        answer: Answer::Values(vec![s.value]),
        steps,
        think: String::new(),
        reply: s.reply,
        offer: Offer::Python,
    }
}

/// `{question}`, a whole simple question, as "What is the gcd of 12 and 18?". (So in all kinds of
/// this family that have this slot: the wording is the frame around a question.)
fn slip_import(rng: &mut Rng) -> Draw {
    loop {
        let s = simple(rng);
        let Some((bad, name)) = s.unimported.clone() else { continue };
        let error = format!("NameError: name '{name}' is not defined");
        let steps = vec![
            Step::new(&s.think, bad, error).masked(),
            Step::new(format!("The import of {name} was missing."), &s.code, &s.output),
        ];
        return answered(s, steps);
    }
}

/// `{question}` as above.
fn slip_syntax(rng: &mut Rng) -> Draw {
    let s = simple(rng);
    let bad = format!("{})", s.code);
    // As the kernel reports it: the line, and a mark under the bracket.
    let error = format!(
        "  cell, line 1\n    {bad}\n    {}^\nSyntaxError: unmatched ')'",
        " ".repeat(s.code.len())
    );
    let steps = vec![
        Step::new(&s.think, &bad, error).masked(),
        Step::new("One bracket was too many.", &s.code, &s.output),
    ];
    answered(s, steps)
}

/// `{question}` as above.
fn slip_name(rng: &mut Rng) -> Draw {
    loop {
        let s = simple(rng);
        let Some((bad, error)) = s.misnamed.clone() else { continue };
        if error.starts_with("ImportError") {
            continue;
        }
        let steps = vec![
            Step::new(&s.think, bad, error).masked(),
            Step::new("That name was wrong. Once more.", &s.code, &s.output),
        ];
        return answered(s, steps);
    }
}

const FAILURES: &[&str] = &[
    "The sandbox did not start.",
    "the sandbox did not start",
    "TimeoutError: the call took longer than 10 s and was interrupted",
    "TimeoutError: the call took longer than 30 s and was interrupted",
    "The kernel died and was started again.",
    "MemoryError",
    "OSError: [Errno 28] No space left on device",
    "KeyboardInterrupt: the call was interrupted",
    "`python` was stopped after 10s",
    "python: the tool is not available",
    "Error: connection to the kernel was lost",
    "OSError: [Errno 12] Cannot allocate memory",
];

/// `{question}` as above.
fn outside_retried(rng: &mut Rng) -> Draw {
    let s = simple(rng);
    let failure = *rng.pick(FAILURES);
    let steps = vec![
        Step::new(&s.think, &s.code, failure),
        Step::new("Python failed. I try once more.", &s.code, &s.output),
    ];
    answered(s, steps)
}

/// `{question}` as above.
fn outside_reported(rng: &mut Rng) -> Draw {
    let s = simple(rng);
    let failure = *rng.pick(FAILURES);
    let steps = vec![
        Step::new(&s.think, &s.code, failure),
        Step::new("Python failed. I try once more.", &s.code, failure),
    ];
    let cause = failure.trim_end_matches('.');
    let reply = either(
        rng,
        [
            format!("I can't answer this: Python failed ({cause})."),
            format!("I can't answer this because Python did not run ({cause})."),
        ],
    );
    Draw {
        slots: vec![("question", s.question)],
        answer: Answer::Declined,
        steps,
        think: "Python failed again, so I have no result.".into(),
        reply,
        offer: Offer::Python,
    }
}

/// `{question}` as above.
fn outside_module(rng: &mut Rng) -> Draw {
    let s = prime(rng);
    let standard = s.standard.clone().unwrap_or_default();
    let steps = vec![
        Step::new(&s.think, &s.code, "ModuleNotFoundError: No module named 'sympy'"),
        Step::new("There is no sympy. Plain Python will do.", standard, &s.output),
    ];
    answered(s, steps)
}

/// `{question}` as above; no tool is offered, so it must be declined.
fn none_declined(rng: &mut Rng) -> Draw {
    let s = simple(rng);
    let reply = either(
        rng,
        [
            "I can't compute this without Python, which is not offered here.".to_owned(),
            "I can't answer this: it needs Python, and no tool is offered.".to_owned(),
        ],
    );
    let think = "This needs Python, which is not offered.";
    let mut draw = plain(vec![("question", s.question)], think, Answer::Declined, reply);
    draw.offer = Offer::Nothing;
    draw
}

/// `{a}` plus `{b}`, both of one digit; no tool is offered, none is needed.
fn none_easy(rng: &mut Rng) -> Draw {
    let (a, b) = (rng.int(0, 9), rng.int(0, 9));
    let c = a + b;
    let reply = either(rng, [format!("{a} + {b} = **{c}**"), format!("It is **{c}**.")]);
    let mut draw = plain(
        vec![("a", a.to_string()), ("b", b.to_string())],
        format!("{a} + {b} is {c}."),
        Answer::Values(vec![number(c)]),
        reply,
    );
    draw.offer = Offer::Nothing;
    draw
}

/// A greeting while no tool is offered.
fn none_hello(rng: &mut Rng) -> Draw {
    let reply = either(
        rng,
        ["Hello! What would you like to know?".to_owned(), "Hello! I am ozone-mini.".to_owned()],
    );
    let mut draw = plain(vec![], "A greeting.", Answer::AnyOf(vec!["hello".into()]), reply);
    draw.offer = Offer::Nothing;
    draw
}

fn clock_call(think: &str, code: &str, output: String, reply: String) -> Draw {
    Draw {
        slots: vec![],
        answer: Answer::Values(vec![text(output.clone())]),
        steps: vec![Step::new(think, code, output)],
        think: String::new(),
        reply,
        offer: Offer::Python,
    }
}

/// A day from 2025 on, as the clock of a machine may show it.
fn some_today(rng: &mut Rng) -> jiff::civil::Date {
    plus(jiff::civil::date(2025, 1, 1), rng.int(0, 4000))
}

/// Today's date; it comes from the clock of the machine.
fn today(rng: &mut Rng) -> Draw {
    let d = some_today(rng).to_string();
    let code = "from datetime import date; print(date.today())";
    clock_call("Today's date.", code, d.clone(), format!("Today is **{d}**."))
}

/// Which weekday is today? It comes from the clock of the machine.
fn weekday_today(rng: &mut Rng) -> Draw {
    let w = (*rng.pick(&surface::WEEKDAYS)).to_owned();
    let code = "from datetime import date; print(date.today().strftime('%A'))";
    clock_call("Today's weekday.", code, w.clone(), format!("Today is **{w}**."))
}

/// How many days from today (not told: it comes from the clock of the machine) until or since the
/// date `{a}`?
fn until_from_today(rng: &mut Rng) -> Draw {
    let a = plus(some_today(rng), rng.int(-9000, 9000));
    let n = rng.magnitude(4).to_string();
    let code = format!("from datetime import date; print(abs(date.today() - {}).days)", py(a));
    let think = format!("Days between today and {a}.");
    let mut draw = clock_call(&think, &code, n.clone(), format!("It is **{n}** days."));
    draw.slots.push(("a", surface::date(a, rng)));
    draw.answer = Answer::Values(vec![number(n)]);
    draw
}

/// Which time is it now? It comes from the clock of the machine.
fn time_now(rng: &mut Rng) -> Draw {
    let t = format!("{:02}:{:02}", rng.int(0, 23), rng.int(0, 59));
    let code = "from datetime import datetime; print(datetime.now().strftime('%H:%M'))";
    clock_call("The time now.", code, t.clone(), format!("It is **{t}**."))
}
