//! Equations. All are handed to sympy as they stand: `solve('Eq(3*x + 5, 20)')`, so the model has
//! to copy and not to rearrange.

use num_rational::Ratio;

use super::arithmetic::{order, orders};
use super::expression::Op;
use super::{figures, nth, one, show, solved};
use crate::grade::{number, text};
use crate::{Draw, Kind, Rng, Value, surface};

type Fraction = Ratio<i64>;

pub(super) fn kinds() -> Vec<Kind> {
    let kind = |name, weight, draw| Kind { name, weight, draw };
    vec![
        kind("equation/linear", 24, linear),
        kind("equation/both_sides", 12, both_sides),
        kind("equation/quadratic", 12, quadratic),
        kind("equation/system", 12, system),
        kind("equation/sum_difference", 9, sum_difference),
        kind("equation/sum_product", 6, sum_product),
        kind("equation/proportion", 8, proportion),
        kind("equation/analogy", 5, analogy),
        kind("equation/ratio", 7, ratio),
        kind("equation/think_of", 12, think_of),
        kind("equation/plus_missing", 6, plus_missing),
        kind("equation/minus_missing", 6, minus_missing),
        kind("equation/times_missing", 6, times_missing),
        kind("equation/divided_missing", 5, divided_missing),
        kind("equation/function", 12, function),
        kind("equation/substitute", 9, substitute),
        kind("equation/smallest", 7, smallest),
        kind("equation/greatest", 7, greatest),
        kind("equation/consecutive", 8, consecutive),
        kind("equation/consecutive_parity", 6, consecutive_parity),
        kind("equation/age_times", 7, age_times),
        kind("equation/age_older", 7, age_older),
        kind("equation/age_future", 6, age_future),
        kind("equation/nth_term", 7, nth_term),
        kind("equation/geometric_term", 5, geometric_term),
    ]
}

fn print(x: Fraction) -> String {
    x.to_string()
}

fn exact(x: Fraction) -> Value {
    if x.is_integer() { number(x) } else { text(print(x)) }
}

fn letter(rng: &mut Rng) -> &'static str {
    rng.pick::<&str>(&["x", "x", "x", "x", "y", "n", "a", "t", "k", "z", "m", "p", "w"])
}

/// A coefficient that is not 0: mostly small and positive.
fn coefficient(rng: &mut Rng, max: i64) -> i64 {
    let c = if rng.chance(0.12) { rng.magnitude(3) + 1 } else { rng.int(1, max) };
    if rng.chance(0.15) { -c } else { c }
}

fn constant(rng: &mut Rng) -> i64 {
    let c = rng.magnitude(3);
    if rng.chance(0.3) { -c } else { c }
}

/// `3x`, `x`, `-x`, and in Python `3*x`.
fn times(c: i64, x: &str) -> (String, String) {
    match c {
        1 => (x.to_owned(), x.to_owned()),
        -1 => (format!("-{x}"), format!("-{x}")),
        _ => (format!("{c}{x}"), format!("{c}*{x}")),
    }
}

/// ` + 5`, ` - 5` or nothing.
fn plus(c: i64) -> String {
    match c {
        0 => String::new(),
        c if c < 0 => format!(" - {}", -c),
        c => format!(" + {c}"),
    }
}

/// How an equation is typed: with or without `*`, with or without spaces.
fn typed(rng: &mut Rng, surface: String, code: &str) -> String {
    let text = if rng.chance(0.12) { code.replace("**", "^") } else { surface };
    if rng.chance(0.3) { text.replace(' ', "") } else { text }
}

/// A side with the unknown: as typed, in Python, and the side's value as a line `(slope, offset)`.
fn side(rng: &mut Rng, x: &str) -> (String, String, Fraction, Fraction) {
    let b = constant(rng);
    let whole = |n: i64| Fraction::from(n);
    match rng.below(12) {
        0..=5 => {
            let a = coefficient(rng, 15);
            let (s, p) = times(a, x);
            (format!("{s}{}", plus(b)), format!("{p}{}", plus(b)), whole(a), whole(b))
        }
        6 => {
            let a = coefficient(rng, 12).abs() + 1;
            (format!("{b} + {a}{x}"), format!("{b} + {a}*{x}"), whole(a), whole(b))
        }
        7 => {
            let a = rng.int(1, 12);
            let (s, p) = times(a, x);
            (format!("{b} - {s}"), format!("{b} - {p}"), whole(-a), whole(b))
        }
        8..=9 => {
            let (a, b) = (rng.int(2, 12), rng.int(1, 30) * if rng.chance(0.4) { -1 } else { 1 });
            let inner = plus(b);
            let (surface, code) = (format!("{a}({x}{inner})"), format!("{a}*({x}{inner})"));
            (surface, code, whole(a), whole(a * b))
        }
        10 => {
            let d = rng.int(2, 12);
            let text = format!("{x}/{d}{}", plus(b));
            (text.clone(), text, Fraction::new(1, d), whole(b))
        }
        _ => {
            let d = rng.int(2, 12);
            let text = format!("({x}{})/{d}", plus(b));
            (text.clone(), text, Fraction::new(1, d), Fraction::new(b, d))
        }
    }
}

/// A draw whose solution is the one number `x` in `[x]`.
fn single(
    slots: super::Slots,
    name: &str,
    eq: &str,
    x: Fraction,
    think: String,
    rng: &mut Rng,
) -> Draw {
    let value = print(x);
    let reply = one(
        rng,
        [
            format!("{name} = **{value}**"),
            format!("The solution is {name} = **{value}**."),
            format!("So {name} is **{value}**."),
        ],
    );
    let code = format!("from sympy import solve; print(solve('{eq}'))");
    solved(slots, vec![exact(x)], think, code, format!("[{value}]"), reply)
}

/// The linear equation `{eq}` ("3x + 5 = 20", "4(n - 2) = 12", "y/3 - 1 = 6") in the unknown
/// `{var}`, which stands on one side only. The solution may be a fraction.
fn linear(rng: &mut Rng) -> Draw {
    let name = letter(rng);
    let (surface, code, slope, offset) = side(rng, name);
    let (x, right) = loop {
        if rng.chance(0.75) {
            let x =
                Fraction::from(if rng.chance(0.25) { -rng.magnitude(2) } else { rng.magnitude(3) });
            let right = slope * x + offset;
            let x = if right.is_integer() { x } else { x * Fraction::from(*slope.denom()) };
            let right = slope * x + offset;
            if right.is_integer() {
                break (x, right);
            }
        } else {
            let right = Fraction::from(constant(rng));
            break ((right - offset) / slope, right);
        }
    };
    let (eq, typed_eq) = if rng.chance(0.15) {
        (
            format!("Eq({right}, {code})"),
            typed(rng, format!("{right} = {surface}"), &format!("{right} = {code}")),
        )
    } else {
        (
            format!("Eq({code}, {right})"),
            typed(rng, format!("{surface} = {right}"), &format!("{code} = {right}")),
        )
    };
    let think = one(
        rng,
        [
            format!("Solve the equation for {name}."),
            format!("One unknown, {name}: let sympy solve it."),
        ],
    );
    single(vec![("eq", typed_eq), ("var", name.into())], name, &eq, x, think, rng)
}

/// The linear equation `{eq}` with the unknown `{var}` on both sides ("5x - 3 = 2x + 9").
fn both_sides(rng: &mut Rng) -> Draw {
    let name = letter(rng);
    let (left, left_code, a, b) = side(rng, name);
    let (right, right_code, c, d) = side(rng, name);
    if a == c {
        return both_sides(rng);
    }
    let x = (d - b) / (a - c);
    if !x.is_integer() && rng.chance(0.6) {
        return both_sides(rng);
    }
    let eq = format!("Eq({left_code}, {right_code})");
    let typed_eq = typed(rng, format!("{left} = {right}"), &format!("{left_code} = {right_code}"));
    let think = one(
        rng,
        [
            format!("Solve the equation for {name}."),
            format!("{name} is on both sides: let sympy solve it."),
        ],
    );
    single(vec![("eq", typed_eq), ("var", name.into())], name, &eq, x, think, rng)
}

/// The quadratic equation `{eq}` ("x^2 - 5x + 6 = 0", "n² = 49") in the unknown `{var}`, whose
/// solutions are whole numbers. Answered with one or both, the smaller first.
fn quadratic(rng: &mut Rng) -> Draw {
    let name = letter(rng);
    let max = if rng.chance(0.8) { 12 } else { 60 };
    let (mut p, mut q) = (rng.int(-max, max), rng.int(-max, max));
    if rng.chance(0.12) {
        q = p;
    } else if rng.chance(0.15) {
        q = -p;
    }
    (p, q) = (p.min(q), p.max(q));
    let a = if rng.chance(0.75) { 1 } else { rng.int(2, 6) };
    let (b, c) = (-a * (p + q), a * p * q);
    let square = *rng.pick(&["^2", "^2", "²", "**2"]);
    let lead = if a == 1 { String::new() } else { a.to_string() };
    let lead_code = if a == 1 { String::new() } else { format!("{a}*") };
    let middle = |code: bool| match (b, code) {
        (0, _) => String::new(),
        (1, _) => format!(" + {name}"),
        (-1, _) => format!(" - {name}"),
        (b, code) => {
            let star = if code { "*" } else { "" };
            format!(" {} {}{star}{name}", if b < 0 { '-' } else { '+' }, b.abs())
        }
    };
    // At times the constant stands on the right.
    let (here, there) = if b == 0 || rng.chance(0.2) { (0, -c) } else { (c, 0) };
    let surface = format!("{lead}{name}{square}{}{} = {there}", middle(false), plus(here));
    let surface = if rng.chance(0.3) { surface.replace(' ', "") } else { surface };
    let eq = format!("Eq({lead_code}{name}**2{}{}, {there})", middle(true), plus(here));
    let think = one(
        rng,
        [
            format!("Solve the quadratic for {name}."),
            format!("A quadratic in {name}: let sympy solve it."),
        ],
    );
    let slots = vec![("eq", surface), ("var", name.to_owned())];
    let code = format!("from sympy import solve; print(solve('{eq}'))");
    let (answer, output, reply) = if p == q {
        let reply = one(
            rng,
            [format!("{name} = **{p}**"), format!("The only solution is {name} = **{p}**.")],
        );
        (vec![number(p)], format!("[{p}]"), reply)
    } else {
        let reply = one(
            rng,
            [
                format!("{name} = **{p}** or {name} = **{q}**"),
                format!("The solutions are **{p}** and **{q}**."),
            ],
        );
        (vec![number(p), number(q)], format!("[{p}, {q}]"), reply)
    };
    solved(slots, answer, think, code, output, reply)
}

/// `2x + 3y`, typed and in Python.
fn form(a: i64, b: i64, x: &str, y: &str) -> (String, String) {
    let ((s, p), (t, q)) = (times(a, x), times(b.abs(), y));
    let sign = if b < 0 { '-' } else { '+' };
    (format!("{s} {sign} {t}"), format!("{p} {sign} {q}"))
}

/// A dictionary as sympy prints it, and the values.
fn pair(names: [&str; 2], values: [i64; 2]) -> (String, Vec<Value>) {
    let output = format!("{{{}: {}, {}: {}}}", names[0], values[0], names[1], values[1]);
    (output, values.iter().map(number).collect())
}

/// Two linear equations, `{eq1}` and `{eq2}` ("2x + 3y = 12", "x - y = 1"), in the unknowns `{x}`
/// and `{y}` (letters). Both are asked for, in this order; they are whole numbers.
fn system(rng: &mut Rng) -> Draw {
    let [x, y] =
        *rng.pick(&[["x", "y"], ["x", "y"], ["x", "y"], ["a", "b"], ["m", "n"], ["p", "q"]]);
    let (u, v) = (rng.int(-15, 30), rng.int(-15, 30));
    let (a, b, c, d) = loop {
        let (a, b) = (rng.int(1, 9), coefficient(rng, 9));
        let (c, d) = (rng.int(1, 9), coefficient(rng, 9));
        if a * d != b * c {
            break (a, b, c, d);
        }
    };
    let ((s1, p1), (s2, p2)) = (form(a, b, x, y), form(c, d, x, y));
    let (r1, r2) = (a * u + b * v, c * u + d * v);
    let tight = rng.chance(0.3);
    let tidy = |s: String| if tight { s.replace(' ', "") } else { s };
    let slots = vec![
        ("eq1", tidy(format!("{s1} = {r1}"))),
        ("eq2", tidy(format!("{s2} = {r2}"))),
        ("x", x.to_owned()),
        ("y", y.to_owned()),
    ];
    let (output, answer) = pair([x, y], [u, v]);
    let think = one(
        rng,
        [format!("Two equations for {x} and {y}."), format!("Solve both for {x} and {y}.")],
    );
    let reply = one(
        rng,
        [
            format!("{x} = **{u}**, {y} = **{v}**"),
            format!("The solution is {x} = **{u}** and {y} = **{v}**."),
        ],
    );
    let code =
        format!("from sympy import solve; print(solve(['Eq({p1}, {r1})', 'Eq({p2}, {r2})']))");
    solved(slots, answer, think, code, output, reply)
}

/// Two numbers have the sum `{s}` and the difference `{d}`: which are they? The larger first.
fn sum_difference(rng: &mut Rng) -> Draw {
    let (b, d) = (rng.magnitude(3), rng.magnitude(2));
    let a = b + d;
    let s = a + b;
    let think =
        one(rng, [format!("Sum {s}, difference {d}: ({s} + {d}) / 2 and ({s} - {d}) / 2.")]);
    let reply = one(
        rng,
        [format!("The numbers are **{a}** and **{b}**."), format!("They are **{a}** and **{b}**.")],
    );
    let slots = vec![("s", show(&s.to_string(), rng)), ("d", show(&d.to_string(), rng))];
    let code = format!("print(({s} + {d}) // 2, ({s} - {d}) // 2)");
    solved(slots, vec![number(a), number(b)], think, code, format!("{a} {b}"), reply)
}

/// Two different positive numbers have the sum `{s}` and the product `{p}`: which are they? The
/// smaller first.
fn sum_product(rng: &mut Rng) -> Draw {
    let (a, b) = (rng.magnitude(2), rng.magnitude(2));
    if a == b {
        return sum_product(rng);
    }
    let (a, b) = (a.min(b), a.max(b));
    let (s, p) = (a + b, a * b);
    let think = one(rng, [format!("x + y = {s} and xy = {p}, so x({s} - x) = {p}.")]);
    let reply = one(
        rng,
        [format!("The numbers are **{a}** and **{b}**."), format!("They are **{a}** and **{b}**.")],
    );
    let slots = vec![("s", s.to_string()), ("p", figures(&p.to_string(), rng))];
    let code = format!("from sympy import solve; print(solve('Eq(x*({s} - x), {p})'))");
    solved(slots, vec![number(a), number(b)], think, code, format!("[{a}, {b}]"), reply)
}

/// The proportion `{eq}` ("3/4 = x/20", "5/n = 15/27") in the unknown `{var}`.
fn proportion(rng: &mut Rng) -> Draw {
    let name = letter(rng);
    let (p, q, k) = (rng.int(1, 15), rng.int(2, 15), rng.int(2, 20));
    let (r, s) = if rng.chance(0.7) { (p * k, q * k) } else { (rng.int(1, 60), rng.int(2, 60)) };
    let at = rng.below(4);
    let cell = |i: u64, n: i64| if i == at { name.to_owned() } else { n.to_string() };
    let (left, right) =
        (format!("{}/{}", cell(0, p), cell(1, q)), format!("{}/{}", cell(2, r), cell(3, s)));
    let x = match at {
        0 => Fraction::new(r * q, s),
        1 => Fraction::new(p * s, r),
        2 => Fraction::new(p * s, q),
        _ => Fraction::new(r * q, p),
    };
    let surface = typed(rng, format!("{left} = {right}"), &format!("{left} = {right}"));
    let think = one(rng, [format!("Solve the proportion for {name}.")]);
    single(
        vec![("eq", surface), ("var", name.into())],
        name,
        &format!("Eq({left}, {right})"),
        x,
        think,
        rng,
    )
}

/// `{a}` is to `{b}` as `{c}` is to what number? (`a : b = c : x`)
fn analogy(rng: &mut Rng) -> Draw {
    let (a, b) = (rng.int(1, 20), rng.int(1, 30));
    let c = if rng.chance(0.7) { a * rng.int(2, 25) } else { rng.int(1, 90) };
    let x = Fraction::new(b * c, a);
    let think = one(rng, [format!("{a} : {b} = {c} : x.")]);
    let slots = vec![("a", a.to_string()), ("b", b.to_string()), ("c", c.to_string())];
    single(slots, "x", &format!("Eq({a}/{b}, {c}/x)"), x, think, rng)
}

/// `{s}` is divided in the ratio `{ratio}` ("2:3", "2 to 3"): both parts, in the order of the
/// ratio.
fn ratio(rng: &mut Rng) -> Draw {
    let (p, q) = loop {
        let (p, q) = (rng.int(1, 12), rng.int(1, 12));
        if p != q {
            break (p, q);
        }
    };
    let k = rng.magnitude(3);
    let s = k * (p + q);
    let (a, b) = (k * p, k * q);
    let output = format!("{a} {b}");
    let think = one(rng, [format!("{p} + {q} parts share {s}.")]);
    let reply =
        one(rng, [format!("The parts are **{a}** and **{b}**."), format!("**{a}** and **{b}**.")]);
    let said = one(rng, [format!("{p}:{q}"), format!("{p} to {q}"), format!("{p} : {q}")]);
    let slots = vec![("s", figures(&s.to_string(), rng)), ("ratio", said)];
    let code = format!("print({s} * {p} // ({p} + {q}), {s} * {q} // ({p} + {q}))");
    solved(slots, vec![number(a), number(b)], think, code, output, reply)
}

/// A puzzle: of an unknown number, do `{steps}` (an imperative phrase as "add 5, then double it and
/// subtract 3") and the result is `{result}`. Asked is the number at the beginning.
fn think_of(rng: &mut Rng) -> Draw {
    let start = rng.magnitude(2);
    let (mut x, mut said) = (Fraction::from(start), vec![]);
    let mut code = String::from("from sympy import Symbol, solve; y = Symbol('x')");
    for _ in 0..rng.int(1, 4) {
        let (order, op, n) = order(rng);
        x = match op {
            Op::Add => x + n,
            Op::Subtract => x - n,
            Op::Multiply => x * n,
            _ => x / n,
        };
        said.push(order);
        code.push_str(&format!("; y = y {} {n}", op.python()));
    }
    if !x.is_integer() || said.len() == 1 && rng.chance(0.5) {
        return think_of(rng);
    }
    code.push_str(&format!(
        "; print(solve(y - {}))",
        if x < 0.into() { format!("({x})") } else { x.to_string() }
    ));
    let think = one(
        rng,
        [
            format!("Follow the steps with an unknown and set the end to {x}."),
            format!("Unknown start, the end is {x}."),
        ],
    );
    let reply = one(
        rng,
        [
            format!("The number was **{start}**."),
            format!("It was **{start}**."),
            format!("The starting number is **{start}**."),
        ],
    );
    let slots = vec![("steps", orders(&said, rng)), ("result", figures(&x.to_string(), rng))];
    solved(slots, vec![number(start)], think, code, format!("[{start}]"), reply)
}

fn missing(
    rng: &mut Rng,
    (a, c): (i64, i64),
    equation: String,
    inner: String,
    output: String,
) -> Draw {
    let think = one(rng, [format!("{equation}, so {inner}.")]);
    let reply = one(
        rng,
        [
            format!("The number is **{output}**."),
            format!("It is **{output}**."),
            format!("The missing number is **{output}**."),
        ],
    );
    let code = if inner.contains('/') {
        format!("print(round({inner}, {}))", super::PLACES)
    } else {
        format!("print({inner})")
    };
    let slots = vec![("a", show(&a.to_string(), rng)), ("c", show(&c.to_string(), rng))];
    solved(slots, vec![number(&output)], think, code, output, reply)
}

/// What number added to `{a}` gives `{c}`?
fn plus_missing(rng: &mut Rng) -> Draw {
    let (a, x) = (rng.magnitude(4), rng.magnitude(4));
    let c = a + x;
    missing(rng, (a, c), format!("x + {a} = {c}"), format!("{c} - {a}"), x.to_string())
}

/// From what number must one subtract `{a}` to get `{c}`? (`x - a = c`)
fn minus_missing(rng: &mut Rng) -> Draw {
    let (a, c) = (rng.magnitude(4), rng.magnitude(4));
    let x = a + c;
    missing(rng, (a, c), format!("x - {a} = {c}"), format!("{c} + {a}"), x.to_string())
}

/// What number times `{a}` gives `{c}`?
fn times_missing(rng: &mut Rng) -> Draw {
    let (a, x) = (rng.magnitude(2) + 1, rng.magnitude(3));
    let c = a * x;
    missing(rng, (a, c), format!("x * {a} = {c}"), format!("{c} / {a}"), format!("{x}.0"))
}

/// What number divided by `{a}` gives `{c}`?
fn divided_missing(rng: &mut Rng) -> Draw {
    let (a, c) = (rng.magnitude(2) + 1, rng.magnitude(3));
    let x = a * c;
    missing(rng, (a, c), format!("x / {a} = {c}"), format!("{c} * {a}"), x.to_string())
}

/// A polynomial of degree 1 to 3 without its equation: typed, in Python, and its value at `x`.
fn polynomial(rng: &mut Rng, name: &str, x: i64) -> (String, String, i64) {
    let degree = *rng.pick(&[1, 1, 2, 2, 2, 3]);
    let square = *rng.pick(&["^", "^", "**"]);
    let (mut surface, mut code, mut value) = (String::new(), String::new(), 0);
    for power in (0..=degree).rev() {
        let c = if power == degree || rng.chance(0.75) { rng.int(1, 12) } else { 0 };
        let c = if rng.chance(0.3) { -c } else { c };
        if c == 0 {
            continue;
        }
        value += c * x.pow(power);
        let (s, p) = match power {
            0 => (String::new(), String::new()),
            1 => (name.to_owned(), name.to_owned()),
            2 if square == "^" && c % 3 == 0 => (format!("{name}²"), format!("{name} ** 2")),
            n => (format!("{name}{square}{n}"), format!("{name} ** {n}")),
        };
        let size = c.abs();
        let (s, p) = match (size, power) {
            (_, 0) => (size.to_string(), size.to_string()),
            (1, _) => (s, p),
            _ => (format!("{size}{s}"), format!("{size} * {p}")),
        };
        let (joint, first) = if c < 0 { (" - ", "-") } else { (" + ", "") };
        let joint = if surface.is_empty() { first } else { joint };
        surface.push_str(&format!("{joint}{s}"));
        code.push_str(&format!("{joint}{p}"));
    }
    if rng.chance(0.25) {
        surface = surface.replace(' ', "");
    }
    (surface, code, value)
}

/// The value of the function `{f}`(`{x}`) = `{expr}` at `{a}`: `{f}` and `{x}` are letters, `{expr}`
/// is a polynomial in `{x}` ("2x^2 - 3x + 1"), `{a}` a whole number.
fn function(rng: &mut Rng) -> Draw {
    let name = *rng.pick(&["x", "x", "x", "x", "t", "n", "y"]);
    let f = *rng.pick(&["f", "f", "f", "g", "h", "p"]);
    let a = if rng.chance(0.3) { -rng.magnitude(1) } else { rng.magnitude(2) };
    let (surface, code, result) = polynomial(rng, name, a);
    let think = one(
        rng,
        [format!("Put {name} = {a} into the formula."), format!("Evaluate at {name} = {a}.")],
    );
    let reply = one(
        rng,
        [
            format!("{f}({a}) = **{result}**"),
            format!("The value is **{result}**."),
            format!("At {name} = {a} it is **{result}**."),
        ],
    );
    let slots =
        vec![("f", f.to_owned()), ("x", name.to_owned()), ("expr", surface), ("a", a.to_string())];
    let code = format!("{name} = {a}; print({code})");
    solved(slots, vec![number(result)], think, code, result.to_string(), reply)
}

/// The value of `{expr}`, a term in two letters ("2a + 3b - 4", "x^2 - xy"), for `{values}`
/// ("a = 3 and b = -2").
fn substitute(rng: &mut Rng) -> Draw {
    let [x, y] = *rng.pick(&[
        ["x", "y"],
        ["x", "y"],
        ["a", "b"],
        ["a", "b"],
        ["m", "n"],
        ["p", "q"],
        ["u", "v"],
    ]);
    let (u, v) = (rng.int(-9, 20), rng.int(-9, 20));
    let (p, q) = (rng.int(1, 12), rng.int(1, 12));
    let (s, r) = (rng.chance(0.35), rng.int(2, 30));
    let sign = |minus: bool| if minus { '-' } else { '+' };
    let by = |minus: bool| if minus { -1 } else { 1 };
    let ((ps, pp), (qs, qp)) = (times(p, x), times(q, y));
    let (pp, qp) = (pp.replace('*', " * "), qp.replace('*', " * "));
    let (surface, code, result) = match rng.below(6) {
        0 => (
            format!("{ps} {} {qs}", sign(s)),
            format!("{pp} {} {qp}", sign(s)),
            p * u + by(s) * q * v,
        ),
        1 => (
            format!("{ps} {} {qs} + {r}", sign(s)),
            format!("{pp} {} {qp} + {r}", sign(s)),
            p * u + by(s) * q * v + r,
        ),
        2 => (
            format!("{x}^2 {} {y}^2", sign(s)),
            format!("{x} ** 2 {} {y} ** 2", sign(s)),
            u * u + by(s) * v * v,
        ),
        3 => (
            format!("{x}^2 {} {x}{y}", sign(s)),
            format!("{x} ** 2 {} {x} * {y}", sign(s)),
            u * u + by(s) * u * v,
        ),
        4 => (
            format!("{r}({x} {} {y})", sign(s)),
            format!("{r} * ({x} {} {y})", sign(s)),
            r * (u + by(s) * v),
        ),
        _ => (
            format!("{x}{y} {} {r}", sign(s)),
            format!("{x} * {y} {} {r}", sign(s)),
            u * v + by(s) * r,
        ),
    };
    let values = one(
        rng,
        [
            format!("{x} = {u} and {y} = {v}"),
            format!("{x} = {u}, {y} = {v}"),
            format!("{x}={u} and {y}={v}"),
            format!("{x}={u}, {y}={v}"),
        ],
    );
    let think = one(rng, [format!("Put {x} = {u} and {y} = {v} into the term.")]);
    let reply =
        one(rng, [format!("The value is **{result}**."), format!("It comes to **{result}**.")]);
    let code = format!("{x} = {u}; {y} = {v}; print({code})");
    solved(
        vec![("expr", surface), ("values", values)],
        vec![number(result)],
        think,
        code,
        result.to_string(),
        reply,
    )
}

/// The smallest whole number for which the inequality `{ineq}` ("3x + 5 > 20", "4n - 1 >= 30")
/// in the unknown `{var}` holds.
fn smallest(rng: &mut Rng) -> Draw {
    inequality(rng, true)
}

/// The greatest whole number for which the inequality `{ineq}` ("3x + 5 < 20", "4n - 1 <= 30")
/// in the unknown `{var}` holds.
fn greatest(rng: &mut Rng) -> Draw {
    inequality(rng, false)
}

fn inequality(rng: &mut Rng, smallest: bool) -> Draw {
    let name = *rng.pick(&["x", "x", "x", "n", "n", "k", "y"]);
    let (a, b) = (rng.int(2, 15), constant(rng).clamp(-99, 99));
    let c = rng.magnitude(3);
    let strict = rng.chance(0.6);
    let holds = |x: i64| {
        let left = a * x + b;
        match (smallest, strict) {
            (true, true) => left > c,
            (true, false) => left >= c,
            (false, true) => left < c,
            (false, false) => left <= c,
        }
    };
    let mut all = -999..999;
    let found = if smallest { all.find(|x| holds(*x)) } else { all.rfind(|x| holds(*x)) };
    let x = found.expect("the line crosses the bound well within the range");
    let (typed, sign) = match (smallest, strict) {
        (true, true) => (">", ">"),
        (true, false) => (*rng.pick(&[">=", "≥"]), ">="),
        (false, true) => ("<", "<"),
        (false, false) => (*rng.pick(&["<=", "≤"]), "<="),
    };
    let surface = format!("{a}{name}{} {typed} {c}", plus(b));
    let surface = if rng.chance(0.25) { surface.replace(' ', "") } else { surface };
    let (function, word) = if smallest { ("min", "smallest") } else { ("max", "greatest") };
    let think = one(rng, [format!("Find the {word} whole {name} by trying.")]);
    let reply = one(
        rng,
        [
            format!("The {word} whole number is **{x}**."),
            format!("{name} = **{x}**"),
            format!("It is **{x}**."),
        ],
    );
    let code = format!(
        "print({function}({name} for {name} in range(-999, 999) if {a} * {name}{} {sign} {c}))",
        plus(b)
    );
    let slots = vec![("ineq", surface), ("var", name.to_owned())];
    solved(slots, vec![number(x)], think, code, x.to_string(), reply)
}

fn list_of(rng: &mut Rng, values: &[i64]) -> String {
    let bold: Vec<String> = values.iter().map(|v| format!("**{v}**")).collect();
    let (last, rest) = bold.split_last().expect("at least two numbers");
    let joined = format!("{} and {last}", rest.join(", "));
    one(rng, [format!("They are {joined}."), format!("The numbers are {joined}.")])
}

fn printed_row(values: &[i64]) -> String {
    values.iter().map(i64::to_string).collect::<Vec<_>>().join(" ")
}

/// `{k}` consecutive whole numbers (2 to 6; "three") have the sum `{s}`: all of them, in order.
fn consecutive(rng: &mut Rng) -> Draw {
    let k = rng.int(2, 6);
    let first = if rng.chance(0.1) { -rng.magnitude(2) } else { rng.magnitude(3) };
    let values: Vec<i64> = (first..first + k).collect();
    let s: i64 = values.iter().sum();
    let think = one(rng, [format!("{k} consecutive numbers from x sum to {s}.")]);
    let code = format!("k, s = {k}, {s}; x = (s - k * (k - 1) // 2) // k; print(*range(x, x + k))");
    let reply = list_of(rng, &values);
    let slots = vec![("k", surface::count(k, rng)), ("s", figures(&s.to_string(), rng))];
    let answer = values.iter().map(number).collect();
    solved(slots, answer, think, code, printed_row(&values), reply)
}

/// `{k}` consecutive `{parity}` ("even" or "odd") numbers (2 to 5; "three") have the sum `{s}`: all
/// of them, in order.
fn consecutive_parity(rng: &mut Rng) -> Draw {
    let k = rng.int(2, 5);
    let (parity, r) = *rng.pick(&[("even", 0), ("odd", 1)]);
    let first = 2 * rng.magnitude(2) + r;
    let values: Vec<i64> = (0..k).map(|i| first + 2 * i).collect();
    let s: i64 = values.iter().sum();
    let think = one(rng, [format!("{k} consecutive {parity} numbers from x sum to {s}.")]);
    let code = format!("k, s = {k}, {s}; x = s // k - k + 1; print(*range(x, x + 2 * k, 2))");
    let reply = list_of(rng, &values);
    let slots = vec![
        ("k", surface::count(k, rng)),
        ("parity", parity.to_owned()),
        ("s", figures(&s.to_string(), rng)),
    ];
    let answer = values.iter().map(number).collect();
    solved(slots, answer, think, code, printed_row(&values), reply)
}

fn ages(
    rng: &mut Rng,
    slots: super::Slots,
    code: String,
    think: String,
    a: (&str, i64),
    b: (&str, i64),
) -> Draw {
    let reply = one(
        rng,
        [
            format!("{} is **{}** and {} is **{}**.", a.0, a.1, b.0, b.1),
            format!("{} is **{}** years old, {} is **{}**.", a.0, a.1, b.0, b.1),
        ],
    );
    let answer = vec![number(a.1), number(b.1)];
    solved(slots, answer, think, code, format!("{} {}", a.1, b.1), reply)
}

fn names(rng: &mut Rng) -> (String, String) {
    let two = rng.sample(surface::NAMES, 2);
    (two[0].to_owned(), two[1].to_owned())
}

/// `{A}` is `{k}` times (`{k}` is 2 to 6) as old as `{B}`; together they are `{s}` years old. Asked
/// are both ages, `{A}`'s first. `{A}` and `{B}` are names.
fn age_times(rng: &mut Rng) -> Draw {
    let (x, y) = names(rng);
    let k = rng.int(2, 6);
    let b = rng.int(2, 25);
    let a = k * b;
    let s = a + b;
    let think = one(rng, [format!("{y} is 1 part, {x} {k} parts: {s} / ({k} + 1) is one part.")]);
    let code = format!("b = {s} // ({k} + 1); print({k} * b, b)");
    let slots = vec![
        ("A", x.clone()),
        ("B", y.clone()),
        ("k", surface::count(k, rng)),
        ("s", s.to_string()),
    ];
    ages(rng, slots, code, think, (&x, a), (&y, b))
}

/// `{A}` is `{d}` years older than `{B}`; together they are `{s}` years old. Asked are both ages,
/// `{A}`'s first. `{A}` and `{B}` are names.
fn age_older(rng: &mut Rng) -> Draw {
    let (x, y) = names(rng);
    let (d, b) = (rng.int(2, 40), rng.int(2, 60));
    let a = b + d;
    let s = a + b;
    let think =
        one(rng, [format!("Sum {s}, difference {d}: ({s} + {d}) / 2 and ({s} - {d}) / 2.")]);
    let code = format!("print(({s} + {d}) // 2, ({s} - {d}) // 2)");
    let slots = vec![
        ("A", x.clone()),
        ("B", y.clone()),
        ("d", surface::count(d, rng)),
        ("s", s.to_string()),
    ];
    ages(rng, slots, code, think, (&x, a), (&y, b))
}

/// `{A}` is `{a}` years old and `{B}` is `{b}`, younger. In how many years will `{A}` be `{k}`
/// times (2 to 4; "twice" is not used) as old as `{B}`? The answer is a positive whole number.
fn age_future(rng: &mut Rng) -> Draw {
    let (first, second) = names(rng);
    let (k, x) = (rng.int(2, 4), rng.int(1, 20));
    let then = x + rng.int(1, 25);
    let (b, a) = (then - x, k * then - x);
    if a > 110 {
        return age_future(rng);
    }
    let think = one(rng, [format!("{a} + t = {k} * ({b} + t): solve for t.")]);
    let reply =
        one(rng, [format!("In **{x}** years."), format!("It will be so in **{x}** years.")]);
    let code = format!("print(({a} - {k} * {b}) // ({k} - 1))");
    let slots = vec![
        ("A", first),
        ("B", second),
        ("a", a.to_string()),
        ("b", b.to_string()),
        ("k", surface::count(k, rng)),
    ];
    solved(slots, vec![number(x)], think, code, x.to_string(), reply)
}

/// The `{nth}` ("20th", "fifth") term of the arithmetic sequence that begins with `{a}` and has the
/// common difference `{d}` (it may be negative). `{n}` is the same as a bare number.
fn nth_term(rng: &mut Rng) -> Draw {
    let (a, n) = (constant(rng), rng.magnitude(2) + 2);
    let d = coefficient(rng, 20);
    let result = a + (n - 1) * d;
    let think = one(rng, [format!("Term {n}: {a} plus {n} - 1 steps of {d}.")]);
    let reply =
        one(rng, [format!("Term {n} is **{result}**."), format!("The term is **{result}**.")]);
    let slots = vec![
        ("nth", nth(n, rng)),
        ("n", n.to_string()),
        ("a", a.to_string()),
        ("d", d.to_string()),
    ];
    let step = if d < 0 { format!("({d})") } else { d.to_string() };
    let code = format!("print({a} + ({n} - 1) * {step})");
    solved(slots, vec![number(result)], think, code, result.to_string(), reply)
}

/// The `{nth}` ("8th", "fifth") term of the geometric sequence that begins with `{a}` and has the
/// common ratio `{r}` (2 to 10). `{n}` is the same as a bare number.
fn geometric_term(rng: &mut Rng) -> Draw {
    let (a, r, n) = (rng.magnitude(2), rng.int(2, 10), rng.int(3, 12));
    let result = a * r.pow(n as u32 - 1);
    let think = one(rng, [format!("Term {n}: {a} times {r} to the power {n} - 1.")]);
    let reply =
        one(rng, [format!("Term {n} is **{result}**."), format!("The term is **{result}**.")]);
    let slots = vec![
        ("nth", nth(n, rng)),
        ("n", n.to_string()),
        ("a", a.to_string()),
        ("r", r.to_string()),
    ];
    let code = format!("print({a} * {r} ** ({n} - 1))");
    solved(slots, vec![number(result)], think, code, result.to_string(), reply)
}
