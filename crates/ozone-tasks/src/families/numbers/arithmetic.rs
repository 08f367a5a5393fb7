//! Arithmetic: the four operations, powers and roots, expressions, sums of ranges, rounding,
//! comparisons.

use num_bigint::BigInt;

use super::expression::{Expression, Hand, Number, Op};
use super::{
    PLACES, Slots, decimal, figures, is_decimal, nth, one, operand, places, positive, printed,
    show, solved, value,
};
use crate::grade::{number, text};
use crate::{Draw, Kind, Rng, Value, python, surface};

pub(super) fn kinds() -> Vec<Kind> {
    let kind = |name, weight, draw| Kind { name, weight, draw };
    vec![
        kind("arithmetic/add", 14, add),
        kind("arithmetic/subtract", 14, subtract),
        kind("arithmetic/product", 16, product),
        kind("arithmetic/divide", 14, divide),
        kind("arithmetic/divide_places", 8, divide_places),
        kind("arithmetic/divmod", 7, divmod),
        kind("arithmetic/quotient", 6, quotient),
        kind("arithmetic/remainder", 8, remainder),
        kind("arithmetic/sum", 9, sum),
        kind("arithmetic/power", 10, power),
        kind("arithmetic/square", 6, square),
        kind("arithmetic/cube", 5, cube),
        kind("arithmetic/sqrt", 9, sqrt),
        kind("arithmetic/sqrt_places", 6, sqrt_places),
        kind("arithmetic/cube_root", 5, cube_root),
        kind("arithmetic/root", 5, root),
        kind("arithmetic/expression", 30, expression),
        kind("arithmetic/worded", 14, worded),
        kind("arithmetic/chain", 10, chain),
        kind("arithmetic/easy", 30, easy_fact),
        kind("arithmetic/multiple", 8, multiple),
        kind("arithmetic/sum_to", 7, sum_to),
        kind("arithmetic/sum_range", 7, sum_range),
        kind("arithmetic/sum_parity", 6, sum_parity),
        kind("arithmetic/sum_powers", 5, sum_powers),
        kind("arithmetic/factorial", 7, factorial),
        kind("arithmetic/largest", 9, largest),
        kind("arithmetic/larger_expression", 7, larger_expression),
        kind("arithmetic/true", 7, claim),
        kind("arithmetic/round_places", 8, round_places),
        kind("arithmetic/round_nearest", 7, round_nearest),
        kind("arithmetic/round_whole", 5, round_whole),
        kind("arithmetic/significant", 5, significant),
        kind("arithmetic/floor", 4, floor),
        kind("arithmetic/ceil", 4, ceil),
        kind("arithmetic/average", 7, average),
        kind("arithmetic/absolute", 4, absolute),
        kind("arithmetic/distance", 6, distance),
        kind("arithmetic/modpow", 6, modpow),
        kind("arithmetic/log_base", 5, log_base),
        kind("arithmetic/log10", 4, log10),
        kind("arithmetic/ln", 4, ln),
        kind("arithmetic/exp", 4, exp),
        kind("arithmetic/reciprocal", 4, reciprocal),
    ]
}

/// `a op b` as a call: code and what it prints.
fn binary(op: Op, a: &str, b: &str) -> Option<(String, String)> {
    let number = |n: &str| Expression::Number(n.to_owned());
    Expression::of(op, number(a), number(b)).call().filter(|(_, out)| !out.contains('e'))
}

/// The slots `{a}` and `{b}`.
fn ab(a: &str, b: &str, rng: &mut Rng) -> Slots {
    vec![("a", show(a, rng)), ("b", show(b, rng))]
}

/// Draws until the draw is one that can be asked.
fn until<T>(rng: &mut Rng, mut draw: impl FnMut(&mut Rng) -> Option<T>) -> T {
    loop {
        if let Some(drawn) = draw(rng) {
            return drawn;
        }
    }
}

/// `{a}` plus `{b}`: their sum. Whole numbers up to 10 digits, decimals, negatives; the slot may
/// also be a number in words ("forty-two").
fn add(rng: &mut Rng) -> Draw {
    let (a, b, code, output) = until(rng, |rng| {
        let digits = if rng.chance(0.15) { 10 } else { 5 };
        let (a, b) = (operand(rng, digits), operand(rng, digits));
        let (code, output) = binary(Op::Add, &a, &b)?;
        Some((a, b, code, output))
    });
    let slots = ab(&a, &b, rng);
    let reply = one(
        rng,
        [
            format!("{a} + {b} = **{output}**"),
            format!("{a} plus {b} is **{output}**."),
            format!("The sum of {a} and {b} is **{output}**."),
            format!("Together they make **{output}**."),
        ],
    );
    let think =
        one(rng, [format!("I need {a} plus {b}."), format!("Add {a} and {b} with Python.")]);
    solved(slots, vec![number(&output)], think, code, output, reply)
}

/// `{a}` minus `{b}`: `{b}` is taken away from `{a}`; the result may be negative.
fn subtract(rng: &mut Rng) -> Draw {
    let (a, b, code, output) = until(rng, |rng| {
        let digits = if rng.chance(0.15) { 10 } else { 5 };
        let (mut a, mut b) = (operand(rng, digits), operand(rng, digits));
        if value(&a) < value(&b) && rng.chance(0.7) {
            (a, b) = (b, a);
        }
        let (code, output) = binary(Op::Subtract, &a, &b)?;
        Some((a, b, code, output))
    });
    let slots = ab(&a, &b, rng);
    let reply = one(
        rng,
        [
            format!("{a} - {b} = **{output}**"),
            format!("{a} minus {b} is **{output}**."),
            format!("The difference is **{output}**."),
            format!("Taking {b} from {a} leaves **{output}**."),
        ],
    );
    let think =
        one(rng, [format!("I need {a} minus {b}."), format!("Subtract {b} from {a} with Python.")]);
    solved(slots, vec![number(&output)], think, code, output, reply)
}

/// `{a}` times `{b}`.
fn product(rng: &mut Rng) -> Draw {
    let (a, b, code, output) = until(rng, |rng| {
        let digits = if rng.chance(0.1) { 10 } else { 4 };
        let (a, b) = (operand(rng, digits), operand(rng, digits));
        let (code, output) = binary(Op::Multiply, &a, &b)?;
        Some((a, b, code, output))
    });
    let slots = ab(&a, &b, rng);
    let reply = one(
        rng,
        [
            format!("{a} × {b} = **{output}**"),
            format!("{a} times {b} is **{output}**."),
            format!("The product is **{output}**."),
        ],
    );
    let think =
        one(rng, [format!("I need {a} times {b}."), format!("Multiply {a} by {b} with Python.")]);
    solved(slots, vec![number(&output)], think, code, output, reply)
}

/// A dividend and a divisor, in a good half of the cases without a remainder.
fn quotient_pair(rng: &mut Rng) -> (String, String) {
    match rng.below(10) {
        0..=5 => {
            let b = rng.magnitude(3);
            ((b * rng.magnitude(4)).to_string(), b.to_string())
        }
        6..=7 => (rng.magnitude(6).to_string(), rng.magnitude(3).to_string()),
        8 => (decimal(rng, 3), rng.magnitude(2).to_string()),
        _ => (positive(rng, 4), decimal(rng, 2)),
    }
}

/// `{a}` divided by `{b}`, no precision asked for: the quotient, with decimals where it has some.
fn divide(rng: &mut Rng) -> Draw {
    let (a, b, code, output) = until(rng, |rng| {
        let (mut a, b) = quotient_pair(rng);
        if rng.chance(0.05) {
            a = format!("-{a}");
        }
        let (code, output) = binary(Op::Divide, &a, &b)?;
        Some((a, b, code, output))
    });
    let slots = ab(&a, &b, rng);
    let reply = one(
        rng,
        [
            format!("{a} ÷ {b} = **{output}**"),
            format!("{a} divided by {b} is **{output}**."),
            format!("The quotient is **{output}**."),
        ],
    );
    let think = one(
        rng,
        [format!("I need {a} divided by {b}."), format!("Divide {a} by {b} with Python.")],
    );
    solved(slots, vec![printed(&output, PLACES)], think, code, output, reply)
}

/// `true` where `x` lies half way between two numbers of so many places: people and Python then
/// round differently.
fn is_tie(x: f64, places: usize) -> bool {
    let scaled = x * 10f64.powi(places as i32);
    ((scaled - scaled.floor()) - 0.5).abs() < 1e-6
}

/// `{a}` divided by `{b}`, rounded to `{places}` ("2 decimal places", "three decimals", "1 place").
fn divide_places(rng: &mut Rng) -> Draw {
    let n = rng.int(1, 5) as usize;
    let (a, b, x) = until(rng, |rng| {
        let (a, b) = (positive(rng, 5), positive(rng, 3));
        let x = value(&a) / value(&b);
        let whole = !is_decimal(&a) && !is_decimal(&b) && x.fract() == 0.0;
        (!is_tie(x, n) && !whole && x > 0.01).then_some((a, b, x))
    });
    let output = python::rounded(x, n);
    let mut slots = ab(&a, &b, rng);
    slots.push(("places", places(n, rng)));
    let think = one(
        rng,
        [
            format!("Divide {a} by {b} and round to {n} places."),
            format!("I need {a} / {b}, rounded to {n} decimals."),
        ],
    );
    let reply = one(
        rng,
        [
            format!("{a} divided by {b} is about **{output}**."),
            format!("{a} ÷ {b} ≈ **{output}**"),
            format!("Rounded, it is **{output}**."),
        ],
    );
    let code = format!("print(round({a} / {b}, {n}))");
    solved(slots, vec![printed(&output, n)], think, code, output, reply)
}

/// A whole dividend and divisor; the divisor is mostly the smaller.
fn whole_pair(rng: &mut Rng) -> (i64, i64) {
    let b = rng.magnitude(3) + 1;
    let a = if rng.chance(0.1) { rng.int(0, b) } else { b * rng.magnitude(3) + rng.int(0, b - 1) };
    (a, b)
}

/// The quotient and the remainder of `{a}` divided by `{b}`, both, in this order.
fn divmod(rng: &mut Rng) -> Draw {
    let (a, b) = whole_pair(rng);
    let (q, r) = (a / b, a % b);
    let think = one(
        rng,
        [
            format!("Quotient and remainder of {a} by {b}: divmod."),
            format!("Divide {a} by {b} with remainder."),
        ],
    );
    let reply = one(
        rng,
        [
            format!("{a} ÷ {b} = **{q}** remainder **{r}**"),
            format!("The quotient is **{q}** and the remainder is **{r}**."),
            format!("{b} goes into {a} **{q}** times, and **{r}** is left over."),
        ],
    );
    let slots = ab(&a.to_string(), &b.to_string(), rng);
    let code = format!("print(divmod({a}, {b}))");
    solved(slots, vec![number(q), number(r)], think, code, format!("({q}, {r})"), reply)
}

/// How many whole times `{b}` goes into `{a}`: the quotient without its remainder.
fn quotient(rng: &mut Rng) -> Draw {
    let (a, b) = whole_pair(rng);
    let q = a / b;
    let think = one(
        rng,
        [
            format!("How many whole times {b} fits into {a}."),
            format!("Whole part of {a} divided by {b}."),
        ],
    );
    let reply = one(
        rng,
        [
            format!("{b} goes into {a} **{q}** times."),
            format!("It fits **{q}** times."),
            format!("The whole quotient is **{q}**."),
        ],
    );
    let slots = ab(&a.to_string(), &b.to_string(), rng);
    solved(slots, vec![number(q)], think, format!("print({a} // {b})"), q.to_string(), reply)
}

/// The remainder of `{a}` divided by `{b}`; `{a}` modulo `{b}`.
fn remainder(rng: &mut Rng) -> Draw {
    let (a, b) =
        if rng.chance(0.3) { (rng.magnitude(9), rng.magnitude(4) + 1) } else { whole_pair(rng) };
    let r = a % b;
    let think = one(
        rng,
        [format!("I need the remainder of {a} divided by {b}."), format!("{a} modulo {b}.")],
    );
    let reply = one(
        rng,
        [
            format!("The remainder is **{r}**."),
            format!("{a} mod {b} = **{r}**"),
            format!("Dividing {a} by {b} leaves **{r}**."),
        ],
    );
    let slots = ab(&a.to_string(), &b.to_string(), rng);
    solved(slots, vec![number(r)], think, format!("print({a} % {b})"), r.to_string(), reply)
}

/// The total of the numbers `{numbers}` (3 to 6 of them, "12, 5 and 9" or "12 5 9" or "[12, 5, 9]").
fn sum(rng: &mut Rng) -> Draw {
    let n = rng.int(3, 6);
    let decimals = rng.chance(0.2);
    let digits = rng.int(1, 5) as u32;
    let numbers: Vec<String> = (0..n)
        .map(|_| match rng.below(10) {
            0..=5 if decimals => decimal(rng, 3),
            9 => (-rng.magnitude(digits)).to_string(),
            _ => rng.magnitude(digits).to_string(),
        })
        .collect();
    let total = numbers
        .iter()
        .map(|n| Number::parse(n))
        .try_fold(Number::Int(0), |sum, n| Op::Add.apply(sum, n))
        .map_or(Number::Int(0), |sum| sum.round(PLACES));
    let list = python::list(&numbers);
    let (code, output) = if numbers.iter().any(|n| is_decimal(n)) {
        (format!("print(round(sum({list}), {PLACES}))"), total.print())
    } else {
        (format!("print(sum({list}))"), total.print())
    };
    let think =
        one(rng, ["Add up all the numbers.".into(), format!("I need the sum of {n} numbers.")]);
    let reply = one(
        rng,
        [
            format!("The sum is **{output}**."),
            format!("They add up to **{output}**."),
            format!("The total is **{output}**."),
        ],
    );
    let slots = vec![("numbers", surface::list(&numbers, rng))];
    solved(slots, vec![number(&output)], think, code, output, reply)
}

/// `{a}` raised to the power `{b}`; `{bth}` is the exponent as an ordinal ("5th", "fifth"). The
/// base may be negative or a decimal; the exponent is a whole number from 0 to 40.
fn power(rng: &mut Rng) -> Draw {
    let (a, b) = match rng.below(10) {
        0..=2 => (2, rng.int(0, 40)),
        3 => (-rng.int(2, 12), rng.int(2, 9)),
        4..=6 => (rng.int(2, 20), rng.int(2, 12)),
        7 => (10, rng.int(0, 20)),
        _ => (rng.magnitude(3), rng.int(2, 6)),
    };
    let (base, output, code) = if rng.chance(0.12) {
        let (base, b) = (decimal(rng, 1), b.min(6));
        let x = value(&base).powf(b as f64);
        let output = python::rounded(x, PLACES);
        if output.contains('e') {
            return power(rng);
        }
        return powered(rng, &base, b, format!("print(round({base} ** {b}, {PLACES}))"), output);
    } else {
        let result = BigInt::from(a).pow(b as u32);
        let base = if a < 0 { format!("({a})") } else { a.to_string() };
        (a.to_string(), result.to_string(), format!("print({base} ** {b})"))
    };
    powered(rng, &base, b, code, output)
}

fn powered(rng: &mut Rng, a: &str, b: i64, code: String, output: String) -> Draw {
    let think =
        one(rng, [format!("I need {a} to the power {b}."), format!("Raise {a} to the power {b}.")]);
    let reply = one(
        rng,
        [
            format!("{a}^{b} = **{output}**"),
            format!("{a} to the power {b} is **{output}**."),
            format!("The result is **{output}**."),
        ],
    );
    let base =
        if a.starts_with('-') && rng.chance(0.7) { format!("({a})") } else { figures(a, rng) };
    let slots = vec![("a", base), ("b", b.to_string()), ("bth", nth(b, rng))];
    solved(slots, vec![printed(&output, PLACES)], think, code, output, reply)
}

/// `{a}` squared.
fn square(rng: &mut Rng) -> Draw {
    squared(rng, 2, "squared", "square")
}

/// `{a}` cubed.
fn cube(rng: &mut Rng) -> Draw {
    squared(rng, 3, "cubed", "cube")
}

fn squared(rng: &mut Rng, exponent: i64, done: &str, noun: &str) -> Draw {
    let a = if rng.chance(0.2) { decimal(rng, 2) } else { (rng.magnitude(5) + 9).to_string() };
    let exact = Expression::of(
        Op::Power,
        Expression::Number(a.clone()),
        Expression::Number(exponent.to_string()),
    );
    let Some((code, output)) = exact.call() else { return squared(rng, exponent, done, noun) };
    let think = one(rng, [format!("I need {a} {done}."), format!("The {noun} of {a}.")]);
    let reply = one(
        rng,
        [
            format!("{a} {done} is **{output}**."),
            format!("The {noun} of {a} is **{output}**."),
            format!("**{output}** is the {noun}."),
        ],
    );
    let slots = vec![("a", show(&a, rng))];
    solved(slots, vec![printed(&output, PLACES)], think, code, output, reply)
}

/// The square root of `{a}`, no precision asked for; two in three are whole.
fn sqrt(rng: &mut Rng) -> Draw {
    let a = match rng.below(6) {
        0..=3 => {
            let root = rng.magnitude(4);
            (root * root).to_string()
        }
        4 => rng.magnitude(6).to_string(),
        _ => decimal(rng, 3),
    };
    rooted(rng, &a, "0.5", 0.5, "square", None)
}

/// The square root of `{a}`, rounded to `{places}` ("2 decimal places", "three decimals").
fn sqrt_places(rng: &mut Rng) -> Draw {
    let a = if rng.chance(0.2) { decimal(rng, 3) } else { rng.magnitude(6).to_string() };
    let n = rng.int(1, 5) as usize;
    rooted(rng, &a, "0.5", 0.5, "square", Some(n))
}

/// The cube root of `{a}`, no precision asked for; most are whole.
fn cube_root(rng: &mut Rng) -> Draw {
    let a = match rng.below(5) {
        0..=3 => rng.int(1, 200).pow(3).to_string(),
        _ => rng.magnitude(6).to_string(),
    };
    rooted(rng, &a, "(1 / 3)", 1.0 / 3.0, "cube", None)
}

/// The `{nth}` root of `{a}` ("4th", "fifth"): 4 to 8.
fn root(rng: &mut Rng) -> Draw {
    let n = rng.int(4, 8);
    let a = if rng.chance(0.65) {
        rng.int(2, if n < 6 { 20 } else { 9 }).pow(n as u32).to_string()
    } else {
        rng.magnitude(6).to_string()
    };
    let name = format!("{n}{}", surface::ordinal(n));
    let mut draw = rooted(rng, &a, &format!("(1 / {n})"), 1.0 / n as f64, &name, None);
    draw.slots.push(("nth", nth(n, rng)));
    draw
}

fn rooted(
    rng: &mut Rng,
    a: &str,
    exponent: &str,
    power: f64,
    name: &str,
    asked: Option<usize>,
) -> Draw {
    let n = asked.unwrap_or(PLACES);
    let output = python::rounded(value(a).powf(power), n);
    let mut slots = vec![("a", show(a, rng))];
    let think = match asked {
        Some(n) => {
            slots.push(("places", places(n, rng)));
            format!("I need the {name} root of {a}, rounded to {n} places.")
        }
        None => one(
            rng,
            [format!("I need the {name} root of {a}."), format!("Take the {name} root of {a}.")],
        ),
    };
    let reply = one(
        rng,
        [
            format!("The {name} root of {a} is **{output}**."),
            format!("It is **{output}**."),
            format!("The root is **{output}**."),
        ],
    );
    let code = format!("print(round({a} ** {exponent}, {n}))");
    solved(slots, vec![printed(&output, n)], think, code, output, reply)
}

/// The value of the expression `{expr}`, typed with symbols: 2 to 5 numbers, brackets, powers,
/// decimals and negatives, as "(3 + 4) × 5 - 2^3".
fn expression(rng: &mut Rng) -> Draw {
    let (tree, code, output) = until(rng, |rng| {
        let leaves = *rng.pick(&[2, 3, 3, 3, 4, 4, 5]);
        let (decimals, division) = (rng.chance(0.25), rng.chance(0.4));
        let tree = Expression::draw(rng, leaves, decimals, division);
        let (code, output) = tree.call()?;
        (matches!(tree, Expression::Of(..))
            && !tree.is_easy()
            && output.len() <= 14
            && !output.contains('e'))
        .then_some((tree, code, output))
    });
    let plain = tree.python();
    let think =
        one(rng, ["Evaluate the expression with Python.".into(), format!("Compute {plain}.")]);
    let reply = one(
        rng,
        [
            format!("The result is **{output}**."),
            format!("It comes to **{output}**."),
            format!("The value is **{output}**."),
            format!("= **{output}**"),
        ],
    );
    let hand = Hand::draw(rng);
    let slots = vec![("expr", tree.surface(&hand))];
    solved(slots, vec![printed(&output, PLACES)], think, code, output, reply)
}

/// A noun phrase for a tree: "the sum of 3 and 4". `plain` allows "3 plus 4", which is clear only at
/// the beginning.
fn phrase(tree: &Expression, plain: bool, rng: &mut Rng) -> String {
    let (op, a, b) = match tree {
        Expression::Number(n) => return n.clone(),
        Expression::Of(op, a, b) => (*op, a, b),
    };
    let leaf = matches!(**a, Expression::Number(_));
    let (left, right) = (phrase(a, plain && op != Op::Power, rng), phrase(b, false, rng));
    if leaf || op == Op::Power {
        let noun = match op {
            Op::Add => format!("the sum of {left} and {right}"),
            Op::Subtract => format!("the difference between {left} and {right}"),
            Op::Multiply => format!("the product of {left} and {right}"),
            Op::Divide => format!("the quotient of {left} and {right}"),
            Op::Power if right == "3" => format!("the cube of {left}"),
            Op::Power => format!("the square of {left}"),
        };
        if !plain || !leaf || rng.chance(0.5) {
            return noun;
        }
    }
    let after = match op {
        Op::Add => one(rng, [format!("plus {right}"), format!("increased by {right}")]),
        Op::Subtract => one(rng, [format!("minus {right}"), format!("decreased by {right}")]),
        Op::Multiply => one(rng, [format!("times {right}"), format!("multiplied by {right}")]),
        Op::Divide => one(rng, [format!("divided by {right}"), format!("over {right}")]),
        Op::Power if right == "3" => "cubed".into(),
        Op::Power => "squared".into(),
    };
    let comma = if leaf { "" } else { "," };
    format!("{left}{comma} {after}")
}

/// A calculation in words: `{q}` is a noun phrase of two or three nested operations without a
/// question mark, as "the product of 12 and the sum of 3 and 4" or "5 plus 7, times 3".
fn worded(rng: &mut Rng) -> Draw {
    let (tree, code, output) = until(rng, |rng| {
        let mut leaf = |rng: &mut Rng| Expression::Number(rng.magnitude(3).to_string());
        let op = |rng: &mut Rng| {
            *rng.pick(&[Op::Add, Op::Add, Op::Subtract, Op::Multiply, Op::Multiply, Op::Divide])
        };
        let inner = |rng: &mut Rng, leaf: &mut dyn FnMut(&mut Rng) -> Expression| {
            let a = leaf(rng);
            if rng.chance(0.2) {
                let exponent = rng.pick(&["2", "2", "3"]).to_string();
                return Expression::of(Op::Power, a, Expression::Number(exponent));
            }
            Expression::of(op(rng), a, leaf(rng))
        };
        let first = inner(rng, &mut leaf);
        let outer = op(rng);
        let tree = match rng.below(5) {
            0..=1 => Expression::of(outer, first, leaf(rng)),
            2..=3 => Expression::of(outer, leaf(rng), first),
            _ => Expression::of(outer, first, inner(rng, &mut leaf)),
        };
        let (code, output) = tree.call()?;
        (!output.contains('e') && tree.no_negative_difference()).then_some((tree, code, output))
    });
    let phrase = phrase(&tree, true, rng);
    let think = one(
        rng,
        [format!("In symbols: {}.", tree.python()), format!("Compute {}.", tree.python())],
    );
    let reply = one(
        rng,
        [
            format!("The result is **{output}**."),
            format!("That is **{output}**."),
            format!("It comes to **{output}**."),
        ],
    );
    solved(vec![("q", phrase)], vec![printed(&output, PLACES)], think, code, output, reply)
}

/// One step of a chain of orders: how it is said, and what is done to `x`.
pub(super) fn order(rng: &mut Rng) -> (String, Op, i64) {
    match rng.below(12) {
        0..=3 => {
            let n = rng.magnitude(2);
            (one(rng, [format!("add {n}"), format!("add {n} to it")]), Op::Add, n)
        }
        4..=6 => {
            let n = rng.magnitude(2);
            let said = one(
                rng,
                [format!("subtract {n}"), format!("take away {n}"), format!("take {n} off")],
            );
            (said, Op::Subtract, n)
        }
        7..=8 => {
            let n = rng.int(2, 15);
            let said = one(
                rng,
                [format!("multiply by {n}"), format!("multiply it by {n}"), format!("times {n}")],
            );
            (said, Op::Multiply, n)
        }
        9 => ("double it".into(), Op::Multiply, 2),
        10 => {
            let n = rng.int(2, 10);
            (one(rng, [format!("divide by {n}"), format!("divide it by {n}")]), Op::Divide, n)
        }
        _ => {
            let halve = rng.chance(0.5);
            let n = if halve { 2 } else { 3 };
            (
                if halve { "halve it" } else { "triple it" }.into(),
                if halve { Op::Divide } else { Op::Multiply },
                n,
            )
        }
    }
}

/// `add 5, then double it and subtract 3`.
pub(super) fn orders(said: &[String], rng: &mut Rng) -> String {
    let mut out = said[0].clone();
    let style = rng.below(4);
    for (i, order) in said.iter().enumerate().skip(1) {
        let last = i + 1 == said.len();
        out.push_str(match style {
            0 => ", then ",
            1 => ", ",
            2 if last => " and ",
            3 if last => ", and finally ",
            2 => ", ",
            _ => ", then ",
        });
        out.push_str(order);
    }
    out
}

/// A chain of orders on a number: start with `{start}`, then `{steps}`, an imperative phrase as
/// "add 5, then double it and subtract 3". Asked is the number at the end.
fn chain(rng: &mut Rng) -> Draw {
    let (start, said, code, output) = until(rng, |rng| {
        let start = rng.magnitude(3);
        let (mut x, mut said) = (Number::Int(i128::from(start)), vec![]);
        let mut code = format!("x = {start}");
        let mut float = false;
        for _ in 0..rng.int(2, 4) {
            let (order, op, n) = order(rng);
            x = op.apply(x, Number::Int(i128::from(n)))?;
            float |= op == Op::Divide;
            code.push_str(&format!("; x = x {} {n}", op.python()));
            said.push(order);
        }
        if float && rng.chance(0.7) && x.float().fract() != 0.0 {
            return None;
        }
        let x = x.round(PLACES);
        code.push_str(&if float {
            format!("; print(round(x, {PLACES}))")
        } else {
            "; print(x)".into()
        });
        (!x.print().contains('e')).then(|| (start, said, code, x.print()))
    });
    let think = one(
        rng,
        [
            format!("Start with {start} and follow the steps in order."),
            format!("Begin at {start}, step by step."),
        ],
    );
    let reply = one(
        rng,
        [
            format!("You end up with **{output}**."),
            format!("The result is **{output}**."),
            format!("Starting from {start}, you get **{output}**."),
        ],
    );
    let slots = vec![("start", figures(&start.to_string(), rng)), ("steps", orders(&said, rng))];
    solved(slots, vec![printed(&output, PLACES)], think, code, output, reply)
}

/// What people do in their heads, and so small a model does not (35 % were right when it was trained
/// to): `{q}` is a phrase for a sum, difference or product of one-digit
/// numbers or a double, as "6 times 7", "8 + 5", "9 minus 4", "double 6", "the sum of 3 and 4".
fn easy_fact(rng: &mut Rng) -> Draw {
    let (a, b) = (rng.int(0, 9), rng.int(0, 9));
    let (q, sum, result) = match rng.below(20) {
        0..=4 => {
            let q = one(
                rng,
                [
                    format!("{a} + {b}"),
                    format!("{a}+{b}"),
                    format!("{a} plus {b}"),
                    format!("the sum of {a} and {b}"),
                    format!("{a} and {b} together"),
                ],
            );
            (q, format!("{a} + {b}"), a + b)
        }
        5..=8 => {
            let (a, b) = (a.max(b), a.min(b));
            let q = one(
                rng,
                [
                    format!("{a} - {b}"),
                    format!("{a}-{b}"),
                    format!("{a} minus {b}"),
                    format!("{a} take away {b}"),
                    format!("{a} less {b}"),
                ],
            );
            (q, format!("{a} - {b}"), a - b)
        }
        9..=17 => {
            let q = one(
                rng,
                [
                    format!("{a} * {b}"),
                    format!("{a} x {b}"),
                    format!("{a} × {b}"),
                    format!("{a}*{b}"),
                    format!("{a} times {b}"),
                    format!("the product of {a} and {b}"),
                    format!("{a} multiplied by {b}"),
                ],
            );
            (q, format!("{a} * {b}"), a * b)
        }
        _ => {
            let q = one(rng, [format!("double {a}"), format!("twice {a}"), format!("2 times {a}")]);
            (q, format!("2 * {a}"), 2 * a)
        }
    };
    let think = one(rng, [format!("I need {sum}."), format!("Compute {sum} with Python.")]);
    let reply = one(
        rng,
        [
            format!("{} = **{result}**", sum.replace('*', "×")),
            format!("That is **{result}**."),
            format!("The answer is **{result}**."),
        ],
    );
    let code = format!("print({sum})");
    solved(vec![("q", q)], vec![number(result)], think, code, result.to_string(), reply)
}

/// `{multiple}` of `{a}`, written before it: "twice", "double", "three times", "half of",
/// "a third of", "a quarter of", "a tenth of".
fn multiple(rng: &mut Rng) -> Draw {
    let (said, op, n) = *rng.pick(&[
        ("twice", Op::Multiply, 2),
        ("double", Op::Multiply, 2),
        ("three times", Op::Multiply, 3),
        ("triple", Op::Multiply, 3),
        ("four times", Op::Multiply, 4),
        ("five times", Op::Multiply, 5),
        ("ten times", Op::Multiply, 10),
        ("a dozen times", Op::Multiply, 12),
        ("half of", Op::Divide, 2),
        ("a third of", Op::Divide, 3),
        ("a quarter of", Op::Divide, 4),
        ("a fifth of", Op::Divide, 5),
        ("a tenth of", Op::Divide, 10),
    ]);
    let (a, code, output) = until(rng, |rng| {
        let mut a =
            if rng.chance(0.15) { decimal(rng, 3) } else { (rng.magnitude(6) + 9).to_string() };
        if op == Op::Divide && rng.chance(0.6) {
            a = (n * rng.magnitude(4)).to_string();
        }
        let (code, output) = binary(op, &a, &n.to_string())?;
        Some((a, code, output))
    });
    let think =
        one(rng, [format!("I need {said} {a}."), format!("That is {a} {} {n}.", op.python())]);
    let reply = one(
        rng,
        [format!("{} {a} is **{output}**.", capital(said)), format!("It is **{output}**.")],
    );
    let slots = vec![("multiple", said.to_owned()), ("a", figures(&a, rng))];
    solved(slots, vec![printed(&output, PLACES)], think, code, output, reply)
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// The sum of all whole numbers from 1 to `{n}`.
fn sum_to(rng: &mut Rng) -> Draw {
    let n = if rng.chance(0.4) {
        *rng.pick(&[10, 20, 50, 100, 200, 500, 1000, 10000])
    } else {
        rng.magnitude(4) + 1
    };
    let total = n * (n + 1) / 2;
    let think =
        one(rng, [format!("Add up 1 to {n}."), format!("Sum of the whole numbers from 1 to {n}.")]);
    let reply = one(
        rng,
        [
            format!("The numbers from 1 to {n} add up to **{total}**."),
            format!("The sum is **{total}**."),
            format!("1 + 2 + … + {n} = **{total}**"),
        ],
    );
    let slots = vec![("n", figures(&n.to_string(), rng))];
    solved(
        slots,
        vec![number(total)],
        think,
        format!("print(sum(range(1, {n} + 1)))"),
        total.to_string(),
        reply,
    )
}

/// The sum of all whole numbers from `{a}` to `{b}`, both included; `{a}` is the smaller.
fn sum_range(rng: &mut Rng) -> Draw {
    let a = if rng.chance(0.1) { -rng.int(1, 50) } else { rng.magnitude(3) + 1 };
    let b = a + rng.magnitude(3) + 1;
    let total = (a + b) * (b - a + 1) / 2;
    let think = one(
        rng,
        [format!("Add up {a} to {b}."), format!("Sum of the whole numbers from {a} to {b}.")],
    );
    let reply = one(
        rng,
        [
            format!("The whole numbers from {a} to {b} add up to **{total}**."),
            format!("The sum is **{total}**."),
        ],
    );
    let slots = vec![("a", figures(&a.to_string(), rng)), ("b", figures(&b.to_string(), rng))];
    let code = format!("print(sum(range({a}, {b} + 1)))");
    solved(slots, vec![number(total)], think, code, total.to_string(), reply)
}

/// The sum of all `{parity}` ("even" or "odd") numbers from `{a}` to `{b}`, both included.
fn sum_parity(rng: &mut Rng) -> Draw {
    let (parity, r) = *rng.pick(&[("even", 0), ("odd", 1)]);
    let a = if rng.chance(0.5) { 1 } else { rng.magnitude(2) };
    let b = a + rng.magnitude(3) + 2;
    let total: i64 = (a..=b).filter(|n| n % 2 == r).sum();
    let think = one(rng, [format!("Add up the {parity} numbers from {a} to {b}.")]);
    let reply = one(
        rng,
        [
            format!("The {parity} numbers from {a} to {b} add up to **{total}**."),
            format!("The sum is **{total}**."),
        ],
    );
    let slots = vec![
        ("parity", parity.to_owned()),
        ("a", a.to_string()),
        ("b", figures(&b.to_string(), rng)),
    ];
    let code = format!("print(sum(n for n in range({a}, {b} + 1) if n % 2 == {r}))");
    solved(slots, vec![number(total)], think, code, total.to_string(), reply)
}

/// The sum of the first `{n}` `{powers}` ("squares" or "cubes"), beginning with 1.
fn sum_powers(rng: &mut Rng) -> Draw {
    let (powers, k) = *rng.pick(&[("squares", 2), ("squares", 2), ("cubes", 3)]);
    let n = rng.int(2, 120);
    let total: i64 = (1..=n).map(|i| i.pow(k)).sum();
    let think = one(rng, [format!("Add up the {powers} of 1 to {n}.")]);
    let reply = one(
        rng,
        [
            format!("The first {n} {powers} add up to **{total}**."),
            format!("The sum is **{total}**."),
        ],
    );
    let slots = vec![("powers", powers.to_owned()), ("n", n.to_string())];
    let code = format!("print(sum(k ** {k} for k in range(1, {n} + 1)))");
    solved(slots, vec![number(total)], think, code, total.to_string(), reply)
}

/// The factorial of `{n}` (0 to 25).
fn factorial(rng: &mut Rng) -> Draw {
    let n = if rng.chance(0.7) { rng.int(0, 12) } else { rng.int(13, 25) };
    let result: BigInt = (1..=n).map(BigInt::from).product();
    let think = one(rng, [format!("I need {n} factorial."), format!("{n}! with Python.")]);
    let reply = one(
        rng,
        [
            format!("{n}! = **{result}**"),
            format!("The factorial of {n} is **{result}**."),
            format!("{n} factorial is **{result}**."),
        ],
    );
    let slots = vec![("n", n.to_string())];
    let code = format!("import math; print(math.factorial({n}))");
    solved(slots, vec![number(&result)], think, code, result.to_string(), reply)
}

/// Which of the numbers `{numbers}` (2 to 5) is the `{which}`: "largest", "smallest" or a synonym.
/// With two numbers it may be "larger", "smaller" and so on.
fn largest(rng: &mut Rng) -> Draw {
    let n = *rng.pick(&[2, 2, 2, 3, 3, 4, 5]);
    let max = rng.chance(0.6);
    let numbers = until(rng, |rng| {
        let style = rng.below(4);
        let whole = rng.magnitude(3);
        let numbers: Vec<String> = (0..n)
            .map(|_| match style {
                0 => decimal(rng, 2),
                1 => {
                    let scale = *rng.pick(&[10i64, 100, 1000]);
                    let part = rng.int(1, scale - 1);
                    let width = scale.to_string().len() - 1;
                    format!("{whole}.{part:0width$}")
                }
                2 => rng.magnitude(7).to_string(),
                _ => rng.int(-999, 999).to_string(),
            })
            .collect();
        let mut values: Vec<f64> = numbers.iter().map(|n| value(n)).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        (values.len() == n).then_some(numbers)
    });
    let (which, function) = which(rng, max, n == 2);
    let best = if max {
        numbers.iter().max_by(|a, b| value(a).total_cmp(&value(b)))
    } else {
        numbers.iter().min_by(|a, b| value(a).total_cmp(&value(b)))
    };
    let output = best.map_or_else(String::new, |n| Number::parse(n).print());
    let think = one(rng, [format!("I need the {function} of the {n} numbers.")]);
    let reply = one(
        rng,
        [format!("**{output}** is the {which}."), format!("The {which} is **{output}**.")],
    );
    let shown: Vec<String> = numbers.clone();
    let joined = if n == 2 {
        one(rng, [shown.join(" or "), shown.join(" and "), shown.join(", ")])
    } else {
        surface::list(&shown, rng)
    };
    let slots = vec![("numbers", joined), ("which", which)];
    let code = format!("print({function}({}))", numbers.join(", "));
    solved(slots, vec![number(&output)], think, code, output, reply)
}

/// A word for the larger or the smaller, and Python's function for it.
pub(super) fn which(rng: &mut Rng, max: bool, two: bool) -> (String, &'static str) {
    let words: &[&str] = match (max, two && rng.chance(0.75)) {
        (true, true) => &["larger", "bigger", "greater", "higher"],
        (true, false) => &["largest", "biggest", "greatest", "highest"],
        (false, true) => &["smaller", "smaller", "lower", "lesser"],
        (false, false) => &["smallest", "lowest", "least"],
    };
    (rng.pick(words).to_string(), if max { "max" } else { "min" })
}

/// Two different values, each an expression of two whole numbers.
fn rivals(rng: &mut Rng) -> (Expression, Expression, Number, Number) {
    until(rng, |rng| {
        let a = Expression::draw(rng, 2, false, false);
        let b = Expression::draw(rng, 2, false, false);
        let (x, y) = (a.value()?, b.value()?);
        (x != y && matches!(a, Expression::Of(..)) && matches!(b, Expression::Of(..)))
            .then_some((a, b, x, y))
    })
}

/// Which of two expressions, `{p}` or `{q}`, is `{which}` ("larger", "smaller" or a synonym).
/// Answered with the expression as it stands in the question.
fn larger_expression(rng: &mut Rng) -> Draw {
    let (a, b, x, y) = rivals(rng);
    let max = rng.chance(0.65);
    let (which, _) = which(rng, max, true);
    let hand = Hand::without_stars(rng);
    let (p, q) = (a.surface(&hand), b.surface(&hand));
    let larger = x.float() > y.float();
    let (winner, loser, more, less) = if larger == max { (&p, &q, x, y) } else { (&q, &p, y, x) };
    let output = format!("{} {} {}", x.print(), y.print(), python::boolean(larger));
    let code = format!("a = {}; b = {}; print(a, b, a > b)", a.python(), b.python());
    let think = one(
        rng,
        ["Compute both and compare.".into(), format!("Which of the two is {which}? Compute both.")],
    );
    let reply = one(
        rng,
        [
            format!("**{winner}** is {which}: {} against {}.", more.print(), less.print()),
            format!("**{winner}**, which is {}; {loser} is {}.", more.print(), less.print()),
        ],
    );
    let answer = vec![text(winner.clone())];
    let slots = vec![("p", p), ("q", q), ("which", which)];
    solved(slots, answer, think, code, output, reply)
}

/// Is the claim `{claim}` true? A claim is an equation or an inequality in symbols, as
/// "17 × 23 = 391" or "2^10 > 1000". Answered with yes or no.
fn claim(rng: &mut Rng) -> Draw {
    let (a, x) = until(rng, |rng| {
        let leaves = rng.int(2, 3) as usize;
        let a = Expression::draw(rng, leaves, false, false);
        let Number::Int(x) = a.value()? else { return None };
        (matches!(a, Expression::Of(..)) && x.abs() < 1_000_000_000).then_some((a, x))
    });
    let near = i128::from(*rng.pick(&[1i64, -1, 2, 9, 10, -10, 100]));
    let (sign, python_sign, other) = match rng.below(6) {
        0..=1 => ("=", "==", x),
        2..=3 => ("=", "==", x + near),
        4 => (">", ">", x + near),
        _ => ("<", "<", x + near),
    };
    let truth = match sign {
        "=" => x == other,
        ">" => x > other,
        _ => x < other,
    };
    let hand = Hand::without_stars(rng);
    let surface = format!("{} {sign} {other}", a.surface(&hand));
    let code = format!("print({} {python_sign} {other})", a.python());
    let output = python::boolean(truth);
    let think = one(
        rng,
        [
            "Check the claim with Python.".into(),
            format!("Is {} {python_sign} {other}?", a.python()),
        ],
    );
    let reply = if truth {
        one(rng, [format!("**Yes**, {surface} is true."), "**Yes**, that is correct.".into()])
    } else {
        one(rng, [format!("**No**, {surface} is false."), "**No**, that is not correct.".into()])
    };
    let answer = vec![text(if truth { "yes" } else { "no" })];
    solved(vec![("claim", surface)], answer, think, code, output.into(), reply)
}

/// `{x}` rounded to `{places}` ("2 decimal places", "three decimals"); halves go up.
fn round_places(rng: &mut Rng) -> Draw {
    let n = rng.int(1, 4) as usize;
    let whole = if rng.chance(0.2) { 0 } else { rng.magnitude(4) };
    let digits: String =
        (0..n + rng.int(1, 4) as usize).map(|_| rng.int(0, 9).to_string()).collect();
    let half = if rng.chance(0.25) { format!("{}5", &digits[..n]) } else { digits };
    let x = format!("{whole}.{half}");
    let output = python::rounded(value(&x) + 1e-9, n);
    if output.contains('e') {
        return round_places(rng);
    }
    let think = one(rng, [format!("Round {x} to {n} places, halves up.")]);
    let reply = one(
        rng,
        [
            format!("{x} rounded is **{output}**."),
            format!("It rounds to **{output}**."),
            format!("{x} ≈ **{output}**"),
        ],
    );
    let slots = vec![("x", x.clone()), ("places", places(n, rng))];
    let code = format!("print(round({x} + 1e-9, {n}))");
    solved(slots, vec![number(&output)], think, code, output, reply)
}

/// The whole number `{a}` rounded to the nearest `{unit}` ("ten", "10", "hundred", "1000").
fn round_nearest(rng: &mut Rng) -> Draw {
    let (unit, said) = *rng.pick(&[
        (10, ["ten", "10"]),
        (100, ["hundred", "100"]),
        (1000, ["thousand", "1000"]),
        (10000, ["ten thousand", "10000"]),
        (5, ["five", "5"]),
        (50, ["fifty", "50"]),
    ]);
    let a = if rng.chance(0.15) {
        unit * rng.magnitude(2) + unit / 2
    } else {
        unit * rng.magnitude(3) + rng.int(0, unit - 1)
    };
    let half = unit / 2;
    let result = (a + half) / unit * unit;
    let think = one(rng, [format!("Round {a} to the nearest {unit}.")]);
    let reply = one(
        rng,
        [
            format!("{a} to the nearest {unit} is **{result}**."),
            format!("It rounds to **{result}**."),
        ],
    );
    let slots = vec![("a", figures(&a.to_string(), rng)), ("unit", (*rng.pick(&said)).to_owned())];
    let code = format!("print(({a} + {half}) // {unit} * {unit})");
    solved(slots, vec![number(result)], think, code, result.to_string(), reply)
}

/// `{x}`, a decimal, rounded to the nearest whole number; halves go up.
fn round_whole(rng: &mut Rng) -> Draw {
    let x = if rng.chance(0.2) { format!("{}.5", rng.magnitude(4)) } else { decimal(rng, 5) };
    let output = format!("{:.0}", value(&x) + 1e-9);
    let think = one(rng, [format!("Round {x} to a whole number.")]);
    let reply = one(
        rng,
        [
            format!("{x} rounds to **{output}**."),
            format!("The nearest whole number is **{output}**."),
        ],
    );
    solved(
        vec![("x", x.clone())],
        vec![number(&output)],
        think,
        format!("print(round({x} + 1e-9))"),
        output,
        reply,
    )
}

/// `{x}` rounded to `{figures}` ("3 significant figures", "two significant digits").
fn significant(rng: &mut Rng) -> Draw {
    let n = rng.int(1, 4) as usize;
    let x = until(rng, |rng| {
        let x = match rng.below(3) {
            0 => rng.magnitude(7).to_string(),
            1 => decimal(rng, 4),
            _ => format!("0.0{}", rng.magnitude(5)),
        };
        let digits = x.replace('.', "").trim_start_matches('0').trim_end_matches('0').to_owned();
        (digits.len() > n && !(digits.len() == n + 1 && digits.ends_with('5'))).then_some(x)
    });
    let rounded: f64 = value(&format!("{:.*e}", n - 1, value(&x)));
    let output = python::float(rounded);
    if output.contains('e') {
        return significant(rng);
    }
    let count = if rng.chance(0.4) { surface::spoken(n as i64) } else { n.to_string() };
    let noun = *rng.pick(&["significant figure", "significant digit", "sig fig"]);
    let shown = format!("{count} {noun}{}", if n == 1 { "" } else { "s" });
    let think = one(rng, [format!("Round {x} to {n} significant figures.")]);
    let reply = one(
        rng,
        [format!("{x} to {shown} is **{output}**."), format!("It is about **{output}**.")],
    );
    let code = format!("print(float('%.{n}g' % {x}))");
    solved(vec![("x", x), ("figures", shown)], vec![number(&output)], think, code, output, reply)
}

/// `{x}`, a decimal, rounded down to a whole number (its floor).
fn floor(rng: &mut Rng) -> Draw {
    whole(rng, "floor", "down", f64::floor)
}

/// `{x}`, a decimal, rounded up to a whole number (its ceiling).
fn ceil(rng: &mut Rng) -> Draw {
    whole(rng, "ceil", "up", f64::ceil)
}

fn whole(rng: &mut Rng, function: &str, way: &str, to: fn(f64) -> f64) -> Draw {
    let sign = if rng.chance(0.15) { "-" } else { "" };
    let x = format!("{sign}{}", decimal(rng, 4));
    let output = format!("{}", to(value(&x)) as i64);
    let think = one(rng, [format!("Round {x} {way} to a whole number.")]);
    let reply = one(
        rng,
        [format!("{x} rounded {way} is **{output}**."), format!("Rounded {way}: **{output}**.")],
    );
    let code = format!("import math; print(math.{function}({x}))");
    solved(vec![("x", x)], vec![number(&output)], think, code, output, reply)
}

/// The mean of two numbers, `{a}` and `{b}`: the number half way between them.
fn average(rng: &mut Rng) -> Draw {
    let (a, b) = until(rng, |rng| {
        let (a, b) = (operand(rng, 4), operand(rng, 4));
        (a != b).then_some((a, b))
    });
    let leaf = |n: &str| Expression::Number(n.to_owned());
    let tree = Expression::of(Op::Divide, Expression::of(Op::Add, leaf(&a), leaf(&b)), leaf("2"));
    let Some((code, output)) = tree.call() else { return average(rng) };
    let think = one(
        rng,
        [
            format!("Mean of {a} and {b}: add them and halve."),
            format!("I need the average of {a} and {b}."),
        ],
    );
    let reply = one(
        rng,
        [
            format!("The average of {a} and {b} is **{output}**."),
            format!("The mean is **{output}**."),
            format!("Half way lies **{output}**."),
        ],
    );
    let slots = ab(&a, &b, rng);
    solved(slots, vec![number(&output)], think, code, output, reply)
}

/// The absolute value of `{a}`, mostly a negative number.
fn absolute(rng: &mut Rng) -> Draw {
    let a = if rng.chance(0.3) { decimal(rng, 3) } else { rng.magnitude(5).to_string() };
    let given = if rng.chance(0.85) { format!("-{a}") } else { a.clone() };
    let think = one(rng, [format!("I need the absolute value of {given}.")]);
    let reply =
        one(rng, [format!("|{given}| = **{a}**"), format!("The absolute value is **{a}**.")]);
    let slots = vec![("a", given.clone())];
    solved(slots, vec![number(&a)], think, format!("print(abs({given}))"), a, reply)
}

/// How far `{a}` and `{b}` lie apart: the difference without its sign.
fn distance(rng: &mut Rng) -> Draw {
    let (a, b, result) = until(rng, |rng| {
        let (a, b) = (operand(rng, 5), operand(rng, 5));
        Some((a.clone(), b.clone(), Op::Subtract.apply(Number::parse(&a), Number::parse(&b))?))
    });
    let bracketed = if b.starts_with('-') { format!("({b})") } else { b.clone() };
    let absolute = match result.round(PLACES) {
        Number::Int(n) => Number::Int(n.abs()),
        Number::Float(x) => Number::Float(x.abs()),
    };
    let output = absolute.print();
    let inner = format!("abs({a} - {bracketed})");
    let code = if is_decimal(&a) || is_decimal(&b) {
        format!("print(round({inner}, {PLACES}))")
    } else {
        format!("print({inner})")
    };
    let think = one(rng, [format!("Distance between {a} and {b}: the absolute difference.")]);
    let reply = one(
        rng,
        [
            format!("{a} and {b} are **{output}** apart."),
            format!("The distance is **{output}**."),
            format!("They differ by **{output}**."),
        ],
    );
    let slots = ab(&a, &b, rng);
    solved(slots, vec![number(&output)], think, code, output, reply)
}

/// `{a}` to the power `{b}`, modulo `{m}`.
fn modpow(rng: &mut Rng) -> Draw {
    let (a, b) = (rng.magnitude(4) + 1, rng.magnitude(5) + 1);
    let m = if rng.chance(0.3) {
        *rng.pick(&[7, 10, 11, 13, 97, 100, 1000])
    } else {
        rng.magnitude(5) + 1
    };
    let result = BigInt::from(a).modpow(&BigInt::from(b), &BigInt::from(m));
    let think = one(rng, [format!("I need {a} to the power {b}, modulo {m}.")]);
    let reply = one(
        rng,
        [format!("{a}^{b} mod {m} = **{result}**"), format!("The remainder is **{result}**.")],
    );
    let slots = vec![("a", a.to_string()), ("b", b.to_string()), ("m", m.to_string())];
    solved(
        slots,
        vec![number(&result)],
        think,
        format!("print(pow({a}, {b}, {m}))"),
        result.to_string(),
        reply,
    )
}

/// A root and its power, or any number, for a logarithm.
fn log_argument(rng: &mut Rng, base: i64) -> i64 {
    let exponents = if base == 2 {
        20
    } else if base < 8 {
        8
    } else {
        5
    };
    if rng.chance(0.6) { base.pow(rng.int(1, exponents) as u32) } else { rng.magnitude(6) + 1 }
}

/// The logarithm of `{a}` to the base `{b}` (2 to 16).
fn log_base(rng: &mut Rng) -> Draw {
    let b = if rng.chance(0.5) { 2 } else { rng.int(2, 16) };
    let a = log_argument(rng, b);
    let output = python::rounded((a as f64).ln() / (b as f64).ln(), PLACES);
    let code = format!("import math; print(round(math.log({a}, {b}), {PLACES}))");
    let mut draw = transcendental(rng, format!("the logarithm of {a} to base {b}"), code, output);
    draw.slots = vec![("a", a.to_string()), ("b", b.to_string())];
    draw
}

/// The common logarithm (base 10) of `{a}`.
fn log10(rng: &mut Rng) -> Draw {
    let a = if rng.chance(0.2) { decimal(rng, 2) } else { log_argument(rng, 10).to_string() };
    let output = python::rounded(value(&a).log10(), PLACES);
    let code = format!("import math; print(round(math.log10({a}), {PLACES}))");
    let mut draw = transcendental(rng, format!("the base 10 logarithm of {a}"), code, output);
    draw.slots = vec![("a", a)];
    draw
}

/// The natural logarithm of `{a}`.
fn ln(rng: &mut Rng) -> Draw {
    let a = if rng.chance(0.3) { decimal(rng, 3) } else { rng.magnitude(5).to_string() };
    let output = python::rounded(value(&a).ln(), PLACES);
    let code = format!("import math; print(round(math.log({a}), {PLACES}))");
    let mut draw = transcendental(rng, format!("the natural logarithm of {a}"), code, output);
    draw.slots = vec![("a", a)];
    draw
}

/// e (Euler's number) to the power `{a}`.
fn exp(rng: &mut Rng) -> Draw {
    let a = match rng.below(4) {
        0 => format!("-{}", rng.int(1, 5)),
        1 => format!("{}.{}", rng.int(0, 6), rng.int(1, 9)),
        _ => rng.int(0, 15).to_string(),
    };
    let output = python::rounded(value(&a).exp(), PLACES);
    let code = format!("import math; print(round(math.exp({a}), {PLACES}))");
    let mut draw = transcendental(rng, format!("e to the power {a}"), code, output);
    draw.slots = vec![("a", a)];
    draw
}

fn transcendental(rng: &mut Rng, what: String, code: String, output: String) -> Draw {
    let think = one(rng, [format!("I need {what}.")]);
    let reply = one(
        rng,
        [
            format!("Then {what} is **{output}**."),
            format!("It is **{output}**."),
            format!("The value is **{output}**."),
        ],
    );
    solved(vec![], vec![printed(&output, PLACES)], think, code, output, reply)
}

/// The reciprocal of `{a}`: 1 divided by it.
fn reciprocal(rng: &mut Rng) -> Draw {
    let a = if rng.chance(0.4) { decimal(rng, 2) } else { (rng.magnitude(3) + 1).to_string() };
    let Some((code, output)) = binary(Op::Divide, "1", &a) else { return reciprocal(rng) };
    let think = one(rng, [format!("The reciprocal of {a} is 1 divided by {a}.")]);
    let reply = one(
        rng,
        [format!("The reciprocal of {a} is **{output}**."), format!("1/{a} = **{output}**")],
    );
    let answer: Vec<Value> = vec![printed(&output, PLACES)];
    solved(vec![("a", a)], answer, think, code, output, reply)
}
