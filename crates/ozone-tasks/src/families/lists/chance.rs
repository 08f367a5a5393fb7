//! Chances as fractions: dice, coins, marbles.

use super::counting::comb;
use super::{call, kind_table};
use crate::grade::text;
use crate::{Draw, Kind, Rng, surface};

pub(super) fn kinds() -> Vec<Kind> {
    kind_table![
        "counting/dice_sum" 8 dice_sum,
        "counting/one_six" 5 at_least_one_six,
        "counting/heads_exactly" 8 heads_exactly,
        "counting/heads_at_least" 6 heads_at_least,
        "counting/all_heads" 5 all_heads,
        "counting/draw_one" 8 draw_one,
        "counting/draw_two" 6 draw_two,
    ]
}

/// A fraction in lowest terms as Python prints it.
fn fraction(a: i128, b: i128) -> String {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    if b == x { (a / x).to_string() } else { format!("{}/{}", a / x, b / x) }
}

fn chance<const T: usize>(
    slots: Vec<(&'static str, String)>,
    think: [String; T],
    expression: String,
    value: String,
    rng: &mut Rng,
) -> Draw {
    call(
        slots,
        think,
        format!("from fractions import Fraction; {expression}"),
        value.clone(),
        vec![(text(&value), value)],
        ["The probability is @.".into(), "The chance is @.".into()],
        rng,
    )
}

/// The probability, as a fraction, that `{n}` fair dice (2 or 3) show a sum of `{s}`.
fn dice_sum(rng: &mut Rng) -> Draw {
    let n = rng.int(2, 3);
    let s = rng.int(n, 6 * n);
    let mut ways = vec![1i128];
    for _ in 0..n {
        let mut next = vec![0; ways.len() + 6];
        for (at, w) in ways.iter().enumerate() {
            for d in 1..=6 {
                next[at + d] += w;
            }
        }
        ways = next;
    }
    chance(
        vec![("n", surface::count(n, rng)), ("s", surface::count(s, rng))],
        [format!("Rolls of {n} dice with sum {s}.")],
        format!(
            "from itertools import product; \
             print(Fraction(sum(sum(d) == {s} for d in product(range(1, 7), repeat={n})), 6 ** {n}))"
        ),
        fraction(ways[s as usize], 6i128.pow(n as u32)),
        rng,
    )
}

/// The probability, as a fraction, of at least one six in `{n}` throws of a fair die.
fn at_least_one_six(rng: &mut Rng) -> Draw {
    let n = rng.int(2, 8);
    let all = 6i128.pow(n as u32);
    chance(
        vec![("n", surface::count(n, rng))],
        [format!("One minus no six in {n} throws.")],
        format!("print(1 - Fraction(5, 6) ** {n})"),
        fraction(all - 5i128.pow(n as u32), all),
        rng,
    )
}

/// The probability, as a fraction, of exactly `{k}` heads in `{n}` tosses of a fair coin.
fn heads_exactly(rng: &mut Rng) -> Draw {
    let n = rng.int(2, 16);
    let k = rng.int(0, n);
    chance(
        vec![("n", surface::count(n, rng)), ("k", surface::count(k, rng))],
        [format!("Exactly {k} heads of {n}.")],
        format!("import math; print(Fraction(math.comb({n}, {k}), 2 ** {n}))"),
        fraction(comb(n, k), 1 << n),
        rng,
    )
}

/// The probability, as a fraction, of at least `{k}` heads in `{n}` tosses of a fair coin.
fn heads_at_least(rng: &mut Rng) -> Draw {
    let n = rng.int(2, 14);
    let k = rng.int(1, n);
    chance(
        vec![("n", surface::count(n, rng)), ("k", surface::count(k, rng))],
        [format!("At least {k} heads of {n}.")],
        format!(
            "import math; \
             print(Fraction(sum(math.comb({n}, i) for i in range({k}, {n} + 1)), 2 ** {n}))"
        ),
        fraction((k..=n).map(|i| comb(n, i)).sum(), 1 << n),
        rng,
    )
}

/// The probability, as a fraction, that a fair coin shows heads in all of `{n}` tosses.
fn all_heads(rng: &mut Rng) -> Draw {
    let n = rng.int(2, 20);
    chance(
        vec![("n", surface::count(n, rng))],
        [format!("Heads {n} times in a row.")],
        format!("print(Fraction(1, 2) ** {n})"),
        fraction(1, 1 << n),
        rng,
    )
}

/// The probability, as a fraction, to draw a red ball from a bag with `{a}` red and `{b}` blue
/// balls (one ball is drawn).
fn draw_one(rng: &mut Rng) -> Draw {
    let (a, b) = (rng.int(1, 40), rng.int(1, 40));
    chance(
        vec![("a", surface::count(a, rng)), ("b", surface::count(b, rng))],
        [format!("{a} red of {a} + {b} balls.")],
        format!("print(Fraction({a}, {a} + {b}))"),
        fraction(i128::from(a), i128::from(a + b)),
        rng,
    )
}

/// The probability, as a fraction, that two balls drawn without replacement from a bag with `{a}`
/// red and `{b}` blue balls are both red. `{a}` is 2 or more.
fn draw_two(rng: &mut Rng) -> Draw {
    let (a, b) = (rng.int(2, 25), rng.int(1, 25));
    chance(
        vec![("a", surface::count(a, rng)), ("b", surface::count(b, rng))],
        [format!("Two of {a} red out of two of {a} + {b}.")],
        format!("import math; print(Fraction(math.comb({a}, 2), math.comb({a} + {b}, 2)))"),
        fraction(comb(a, 2), comb(a + b, 2)),
        rng,
    )
}
