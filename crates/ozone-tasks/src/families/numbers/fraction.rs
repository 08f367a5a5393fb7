//! Fractions, kept exact by `fractions.Fraction`.

use num_rational::Ratio;

use super::arithmetic::which;
use super::{PLACES, one, printed, solved, value};
use crate::grade::{number, text};
use crate::{Draw, Kind, Rng, Value, python};

type Fraction = Ratio<i64>;

pub(super) fn kinds() -> Vec<Kind> {
    let kind = |name, weight, draw| Kind { name, weight, draw };
    vec![
        kind("arithmetic/fraction", 10, fraction),
        kind("arithmetic/fraction_sum", 7, fraction_sum),
        kind("arithmetic/fraction_difference", 6, fraction_difference),
        kind("arithmetic/fraction_product", 6, fraction_product),
        kind("arithmetic/fraction_quotient", 5, fraction_quotient),
        kind("arithmetic/fraction_of", 9, fraction_of),
        kind("arithmetic/simplify", 7, simplify),
        kind("arithmetic/to_decimal", 6, to_decimal),
        kind("arithmetic/from_decimal", 6, from_decimal),
        kind("arithmetic/mixed", 4, mixed),
        kind("arithmetic/improper", 4, improper),
        kind("arithmetic/larger_fraction", 7, larger_fraction),
    ]
}

const IMPORT: &str = "from fractions import Fraction as F; ";

/// A fraction as it is typed: not always in its lowest terms.
#[derive(Debug, Clone, Copy)]
struct Typed {
    n: i64,
    d: i64,
}

impl Typed {
    fn draw(rng: &mut Rng) -> Typed {
        match rng.below(10) {
            0 => {
                let d = rng.int(2, 99);
                Typed { n: rng.int(1, 2 * d), d }
            }
            1 => Typed { n: rng.magnitude(3), d: rng.int(2, 400) },
            _ => {
                let d = rng.int(2, 16);
                let n_max = if rng.chance(0.15) { 2 * d } else { d - 1 };
                Typed { n: rng.int(1, n_max), d }
            }
        }
    }

    fn value(self) -> Fraction {
        Fraction::new(self.n, self.d)
    }

    fn python(self) -> String {
        format!("F({}, {})", self.n, self.d)
    }

    fn plain(self) -> String {
        format!("{}/{}", self.n, self.d)
    }

    /// In figures, or in words for the common ones.
    fn show(self, rng: &mut Rng) -> String {
        const WORDS: &[(i64, i64, &str)] = &[
            (1, 2, "one half"),
            (1, 3, "one third"),
            (2, 3, "two thirds"),
            (1, 4, "one quarter"),
            (3, 4, "three quarters"),
            (1, 5, "one fifth"),
            (2, 5, "two fifths"),
            (3, 5, "three fifths"),
            (4, 5, "four fifths"),
            (1, 6, "one sixth"),
            (5, 6, "five sixths"),
            (1, 8, "one eighth"),
            (3, 8, "three eighths"),
            (5, 8, "five eighths"),
            (7, 8, "seven eighths"),
            (1, 10, "one tenth"),
            (3, 10, "three tenths"),
        ];
        match WORDS.iter().find(|w| (w.0, w.1) == (self.n, self.d)) {
            Some(w) if rng.chance(0.3) => w.2.to_owned(),
            _ => self.plain(),
        }
    }
}

fn print(x: Fraction) -> String {
    if x.is_integer() { x.numer().to_string() } else { format!("{}/{}", x.numer(), x.denom()) }
}

fn exact(x: Fraction) -> Value {
    if x.is_integer() { number(x.numer()) } else { text(print(x)) }
}

/// One term of a sum of fractions: a fraction, a whole number or a mixed number; how it is typed,
/// its Python and its value.
fn term(rng: &mut Rng) -> (String, String, Fraction) {
    let typed = Typed::draw(rng);
    match rng.below(8) {
        0 => {
            let n = rng.int(1, 12);
            (n.to_string(), format!("{n}"), n.into())
        }
        1 => {
            let (w, d) = (rng.int(1, 9), rng.int(2, 12));
            let part = Typed { n: rng.int(1, d - 1), d };
            (
                format!("{w} {}", part.plain()),
                format!("({w} + {})", part.python()),
                part.value() + w,
            )
        }
        _ => (typed.plain(), typed.python(), typed.value()),
    }
}

/// The exact value of `{expr}`: two or three fractions, mixed or whole numbers with signs between
/// them, as "3/4 + 1/6", "1 1/2 × 2/3" or "(2/3) ÷ (4/5)". The answer is a fraction in lowest terms.
fn fraction(rng: &mut Rng) -> Draw {
    let (times, over) = (*rng.pick(&["*", "×", "x", "·"]), *rng.pick(&["÷", "÷", ":"]));
    let n = if rng.chance(0.75) { 2 } else { 3 };
    let (mut surface, mut code, mut result) = (String::new(), String::new(), Fraction::from(0));
    for i in 0..n {
        let (mut typed, mut python, mut x) = term(rng);
        if i == 0 {
            while x.is_integer() {
                (typed, python, x) = term(rng);
            }
            (surface, code, result) = (typed, python, x);
            continue;
        }
        // One rank of operators, so that the order of reading is the order of reckoning.
        let op = if n == 3 { rng.below(2) } else { rng.below(4) };
        let (sign, python_sign) = match op {
            0 => ("+", "+"),
            1 => ("-", "-"),
            2 => (times, "*"),
            _ => (over, "/"),
        };
        surface = format!("{surface} {sign} {typed}");
        code = format!("{code} {python_sign} {python}");
        result = match op {
            0 => result + x,
            1 => result - x,
            2 => result * x,
            _ => result / x,
        };
    }
    let output = print(result);
    let think =
        one(rng, [format!("Exact fractions: {surface}."), "Compute with exact fractions.".into()]);
    let reply = one(
        rng,
        [
            format!("{surface} = **{output}**"),
            format!("The result is **{output}**."),
            format!("That makes **{output}**."),
        ],
    );
    let code = format!("{IMPORT}print({code})");
    solved(vec![("expr", surface)], vec![exact(result)], think, code, output, reply)
}

fn two(
    rng: &mut Rng,
    sign: &str,
    think: fn(&str, &str) -> String,
    apply: fn(Fraction, Fraction) -> Fraction,
) -> Draw {
    let (p, q) = (Typed::draw(rng), Typed::draw(rng));
    let (p, q) = if sign == "-" && p.value() < q.value() { (q, p) } else { (p, q) };
    let result = apply(p.value(), q.value());
    let output = print(result);
    let think = think(&p.plain(), &q.plain());
    let reply = one(
        rng,
        [
            format!("The result is **{output}**."),
            format!("It is **{output}**."),
            format!("That makes **{output}**."),
        ],
    );
    let slots = vec![("p", p.show(rng)), ("q", q.show(rng))];
    let code = format!("{IMPORT}print({} {sign} {})", p.python(), q.python());
    solved(slots, vec![exact(result)], think, code, output, reply)
}

/// The fraction `{p}` plus the fraction `{q}`. Fractions as "3/4", at times "three quarters".
fn fraction_sum(rng: &mut Rng) -> Draw {
    two(rng, "+", |p, q| format!("Add {p} and {q} as fractions."), |p, q| p + q)
}

/// The fraction `{p}` minus the fraction `{q}`: `{q}` is taken away from `{p}`.
fn fraction_difference(rng: &mut Rng) -> Draw {
    two(rng, "-", |p, q| format!("Subtract {q} from {p} as fractions."), |p, q| p - q)
}

/// The fraction `{p}` times the fraction `{q}`; also "`{p}` of `{q}`".
fn fraction_product(rng: &mut Rng) -> Draw {
    two(rng, "*", |p, q| format!("Multiply {p} by {q} as fractions."), |p, q| p * q)
}

/// The fraction `{p}` divided by the fraction `{q}`.
fn fraction_quotient(rng: &mut Rng) -> Draw {
    two(rng, "/", |p, q| format!("Divide {p} by {q} as fractions."), |p, q| p / q)
}

/// The fraction `{p}` of the whole number `{n}`, as "3/4 of 120"; mostly without a rest.
fn fraction_of(rng: &mut Rng) -> Draw {
    let d = rng.int(2, 12);
    let p = Typed { n: rng.int(1, d - 1), d };
    let n = if rng.chance(0.8) { d * rng.magnitude(3) } else { rng.magnitude(4) };
    let result = p.value() * n;
    let output = print(result);
    let plain = p.plain();
    let think = one(rng, [format!("I need {plain} of {n}."), format!("Multiply {plain} by {n}.")]);
    let reply = one(
        rng,
        [
            format!("{plain} of {n} is **{output}**."),
            format!("It is **{output}**."),
            format!("That is **{output}**."),
        ],
    );
    let slots = vec![("p", p.show(rng)), ("n", super::figures(&n.to_string(), rng))];
    let code = format!("{IMPORT}print({} * {n})", p.python());
    solved(slots, vec![exact(result)], think, code, output, reply)
}

/// The fraction `{p}` in its lowest terms (it may be a whole number then).
fn simplify(rng: &mut Rng) -> Draw {
    let base = Typed::draw(rng);
    let k = if rng.chance(0.85) { rng.int(2, 60) } else { 1 };
    let p = Typed { n: base.n * k, d: base.d * k };
    let output = print(p.value());
    let plain = p.plain();
    let think =
        one(rng, [format!("Reduce {plain} to lowest terms."), format!("Simplify {plain}.")]);
    let reply = one(
        rng,
        [
            format!("{plain} = **{output}**"),
            format!("In lowest terms it is **{output}**."),
            format!("{plain} simplifies to **{output}**."),
        ],
    );
    let code = format!("{IMPORT}print({})", p.python());
    solved(vec![("p", plain)], vec![exact(p.value())], think, code, output, reply)
}

/// The fraction `{p}` as a decimal, no precision asked for.
fn to_decimal(rng: &mut Rng) -> Draw {
    let p = Typed::draw(rng);
    let output = python::rounded(p.n as f64 / p.d as f64, PLACES);
    let plain = p.plain();
    let think = one(rng, [format!("{plain} as a decimal."), format!("Divide {} by {}.", p.n, p.d)]);
    let reply = one(
        rng,
        [
            format!("{plain} = **{output}**"),
            format!("As a decimal, {plain} is **{output}**."),
            format!("It is **{output}**."),
        ],
    );
    let code = format!("print(round({} / {}, {PLACES}))", p.n, p.d);
    solved(vec![("p", p.show(rng))], vec![printed(&output, PLACES)], think, code, output, reply)
}

/// The decimal `{d}` as a fraction in lowest terms.
fn from_decimal(rng: &mut Rng) -> Draw {
    let digits = rng.int(1, 2) as u32;
    let d = super::decimal(rng, digits);
    let places = d.len() - d.find('.').map_or(0, |at| at + 1);
    let scale = 10i64.pow(places as u32);
    let x = Fraction::new((value(&d) * scale as f64).round() as i64, scale);
    let output = print(x);
    let think = one(rng, [format!("Write {d} as a fraction."), format!("{d} as a fraction.")]);
    let reply = one(
        rng,
        [
            format!("{d} = **{output}**"),
            format!("As a fraction, {d} is **{output}**."),
            format!("It is **{output}**."),
        ],
    );
    let code = format!("{IMPORT}print(F('{d}'))");
    solved(vec![("d", d)], vec![exact(x)], think, code, output, reply)
}

/// The improper fraction `{p}` (above 1, lowest terms) as a mixed number, as 17/5 = "3 2/5".
fn mixed(rng: &mut Rng) -> Draw {
    let x = loop {
        let d = rng.int(2, 15);
        let x = Fraction::new(d * rng.int(1, 20) + rng.int(1, d - 1), d);
        if *x.denom() == d {
            break x;
        }
    };
    let (n, d) = (*x.numer(), *x.denom());
    let (q, r) = (n / d, n % d);
    let think = one(rng, [format!("Divide {n} by {d} with remainder.")]);
    let reply = one(
        rng,
        [format!("{n}/{d} = **{q} {r}/{d}**"), format!("As a mixed number it is **{q} {r}/{d}**.")],
    );
    let answer = vec![text(format!("{q} {r}/{d}"))];
    let code = format!("print(divmod({n}, {d}))");
    solved(vec![("p", format!("{n}/{d}"))], answer, think, code, format!("({q}, {r})"), reply)
}

/// The mixed number `{m}` ("3 2/5") as an improper fraction.
fn improper(rng: &mut Rng) -> Draw {
    let d = rng.int(2, 15);
    let (w, part) = (rng.int(1, 20), Typed { n: rng.int(1, d - 1), d });
    let x = part.value() + w;
    let output = print(x);
    let m = format!("{w} {}", part.plain());
    let think = one(rng, [format!("{m} is {w} plus {}.", part.plain())]);
    let reply = one(
        rng,
        [format!("{m} = **{output}**"), format!("As an improper fraction it is **{output}**.")],
    );
    let code = format!("{IMPORT}print({w} + {})", part.python());
    solved(vec![("m", m)], vec![exact(x)], think, code, output, reply)
}

/// Which of the fractions `{p}` and `{q}` is the `{which}` ("larger", "smaller" or a synonym).
fn larger_fraction(rng: &mut Rng) -> Draw {
    let (p, q) = loop {
        let lowest = |x: Fraction| Typed { n: *x.numer(), d: *x.denom() };
        let (p, q) = (lowest(Typed::draw(rng).value()), lowest(Typed::draw(rng).value()));
        if p.value() != q.value() && p.d > 1 && q.d > 1 {
            break (p, q);
        }
    };
    let max = rng.chance(0.65);
    let (which, function) = which(rng, max, true);
    let best = if max { p.value().max(q.value()) } else { p.value().min(q.value()) };
    let output = print(best);
    let think = one(rng, [format!("I need the {function} of {} and {}.", p.plain(), q.plain())]);
    let reply = one(
        rng,
        [format!("**{output}** is {which}."), format!("The {which} one is **{output}**.")],
    );
    let code = format!("{IMPORT}print({function}({}, {}))", p.python(), q.python());
    let slots = vec![("p", p.plain()), ("q", q.plain()), ("which", which)];
    solved(slots, vec![exact(best)], think, code, output, reply)
}
