//! Sequences and sums over ranges.

use super::vocabulary::nth;
use super::{count, kind_table};
use crate::{Draw, Kind, Rng, python, surface};

pub(super) fn kinds() -> Vec<Kind> {
    kind_table![
        "list/arithmetic_nth" 8 arithmetic_nth,
        "list/arithmetic_sum" 8 arithmetic_sum,
        "list/geometric_nth" 6 geometric_nth,
        "list/geometric_sum" 6 geometric_sum,
        "list/next_term" 10 next_term,
        "list/sum_range" 10 sum_range,
        "list/sum_even_range" 5 sum_even_range,
        "list/sum_odd_range" 5 sum_odd_range,
        "list/sum_multiples" 6 sum_multiples,
    ]
}

struct Progression {
    first: i64,
    step: i64,
    n: i64,
    slots: Vec<(&'static str, String)>,
}

fn arithmetic(rng: &mut Rng) -> Progression {
    let first = if rng.chance(0.12) { -rng.magnitude(2) } else { rng.magnitude(3) };
    let step = if rng.chance(0.12) { -rng.magnitude(1) } else { rng.magnitude(2) };
    let n = rng.int(2, 12) + if rng.chance(0.6) { rng.magnitude(2) } else { 0 };
    let slots = vec![
        ("first", surface::integer(first, rng)),
        ("difference", step.to_string()),
        ("n", surface::count(n, rng)),
        ("nth", nth(n, rng)),
    ];
    Progression { first, step, n, slots }
}

/// The `{nth}` (10th) term of the arithmetic sequence whose first term is `{first}` and whose
/// common difference is `{difference}`; `{n}` is the number (10).
fn arithmetic_nth(rng: &mut Rng) -> Draw {
    let Progression { first, step, n, slots } = arithmetic(rng);
    count(
        slots,
        [format!("Term {n} of the arithmetic sequence from {first} with difference {step}.")],
        format!("print({first} + ({n} - 1) * {step})"),
        first + (n - 1) * step,
        [format!("Term {n} is @."), "It is @.".into()],
        rng,
    )
}

/// The sum of the first `{n}` terms of the arithmetic sequence whose first term is `{first}` and
/// whose common difference is `{difference}`.
fn arithmetic_sum(rng: &mut Rng) -> Draw {
    let Progression { first, step, n, slots } = arithmetic(rng);
    count(
        slots,
        [format!("Sum of {n} terms from {first} with difference {step}.")],
        format!("print(sum({first} + {step} * k for k in range({n})))"),
        (0..n).map(|k| first + step * k).sum::<i64>(),
        [format!("The first {n} terms add up to @."), "The sum is @.".into()],
        rng,
    )
}

fn geometric(rng: &mut Rng) -> Progression {
    let (first, step, n) = (rng.int(1, 20), rng.int(2, 6), rng.int(3, 14));
    let slots = vec![
        ("first", first.to_string()),
        ("ratio", surface::count(step, rng)),
        ("n", surface::count(n, rng)),
        ("nth", nth(n, rng)),
    ];
    Progression { first, step, n, slots }
}

/// The `{nth}` (10th) term of the geometric sequence whose first term is `{first}` and whose common
/// ratio is `{ratio}`; `{n}` is the number (10).
fn geometric_nth(rng: &mut Rng) -> Draw {
    let Progression { first, step, n, slots } = geometric(rng);
    count(
        slots,
        [format!("Term {n} of the geometric sequence from {first} with ratio {step}.")],
        format!("print({first} * {step} ** ({n} - 1))"),
        first * step.pow(n as u32 - 1),
        [format!("Term {n} is @."), "It is @.".into()],
        rng,
    )
}

/// The sum of the first `{n}` terms of the geometric sequence whose first term is `{first}` and
/// whose common ratio is `{ratio}`.
fn geometric_sum(rng: &mut Rng) -> Draw {
    let Progression { first, step, n, slots } = geometric(rng);
    count(
        slots,
        [format!("Sum of {n} terms from {first} with ratio {step}.")],
        format!("print(sum({first} * {step} ** k for k in range({n})))"),
        (0..n as u32).map(|k| first * step.pow(k)).sum::<i64>(),
        [format!("The first {n} terms add up to @."), "The sum is @.".into()],
        rng,
    )
}

/// The number that comes next in the sequence `{list}`, which has a constant difference or a
/// constant whole ratio.
fn next_term(rng: &mut Rng) -> Draw {
    let n = rng.int(3, 6);
    let arithmetic = rng.chance(0.6);
    let (first, step) = if arithmetic {
        let step = rng.magnitude(2);
        (rng.magnitude(3), if rng.chance(0.25) { -step } else { step })
    } else {
        (rng.int(1, 12), rng.int(2, 5))
    };
    let term = |k: i64| if arithmetic { first + step * k } else { first * step.pow(k as u32) };
    let all: Vec<String> = (0..n).map(|k| term(k).to_string()).collect();
    let shown = if rng.chance(0.3) { all.join(" ") } else { all.join(", ") };
    let test = "x[1] - x[0] == x[2] - x[1]";
    count(
        vec![("list", shown)],
        ["Continue with the constant difference, or else the ratio.".into()],
        format!(
            "x = {}; print(2 * x[-1] - x[-2] if {test} else x[-1] * x[1] // x[0])",
            python::list(&all)
        ),
        term(n),
        ["The next number is @.".into(), "It goes on with @.".into()],
        rng,
    )
}

fn bounds(rng: &mut Rng) -> (i64, i64, Vec<(&'static str, String)>) {
    let a = if rng.chance(0.4) { 1 } else { rng.magnitude(3) };
    let b = a + rng.int(2, 9) + rng.magnitude(3);
    let slots = vec![("a", surface::integer(a, rng)), ("b", surface::integer(b, rng))];
    (a, b, slots)
}

/// The sum of all whole numbers from `{a}` to `{b}`, both included.
fn sum_range(rng: &mut Rng) -> Draw {
    let (a, b, slots) = bounds(rng);
    count(
        slots,
        [format!("Add the numbers from {a} to {b}.")],
        format!("print(sum(range({a}, {b} + 1)))"),
        (a..=b).sum::<i64>(),
        [format!("The numbers from {a} to {b} add up to @."), "The sum is @.".into()],
        rng,
    )
}

/// The sum of all even numbers from `{a}` to `{b}`, both included.
fn sum_even_range(rng: &mut Rng) -> Draw {
    let (a, b, slots) = bounds(rng);
    count(
        slots,
        [format!("Add the even numbers from {a} to {b}.")],
        format!("print(sum(n for n in range({a}, {b} + 1) if n % 2 == 0))"),
        (a..=b).filter(|n| n % 2 == 0).sum::<i64>(),
        [format!("The even numbers from {a} to {b} add up to @."), "The sum is @.".into()],
        rng,
    )
}

/// The sum of all odd numbers from `{a}` to `{b}`, both included.
fn sum_odd_range(rng: &mut Rng) -> Draw {
    let (a, b, slots) = bounds(rng);
    count(
        slots,
        [format!("Add the odd numbers from {a} to {b}.")],
        format!("print(sum(n for n in range({a}, {b} + 1) if n % 2 == 1))"),
        (a..=b).filter(|n| n % 2 == 1).sum::<i64>(),
        [format!("The odd numbers from {a} to {b} add up to @."), "The sum is @.".into()],
        rng,
    )
}

/// The sum of all multiples of `{k}` from `{a}` to `{b}`, both included.
fn sum_multiples(rng: &mut Rng) -> Draw {
    let (a, b, mut slots) = bounds(rng);
    let k = rng.int(3, 15);
    slots.push(("k", surface::count(k, rng)));
    count(
        slots,
        [format!("Add the multiples of {k} from {a} to {b}.")],
        format!("print(sum(n for n in range({a}, {b} + 1) if n % {k} == 0))"),
        (a..=b).filter(|n| n % k == 0).sum::<i64>(),
        [format!("The multiples of {k} from {a} to {b} add up to @."), "The sum is @.".into()],
        rng,
    )
}
