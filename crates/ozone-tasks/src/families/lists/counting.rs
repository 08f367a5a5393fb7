//! Combinatorics: arrangements, choices and paths. Chances are in `chance`.

use super::{chance, count, kind_table};
use crate::{Draw, Kind, Rng, surface};

pub(super) fn kinds() -> Vec<Kind> {
    let mut kinds = kind_table![
        "counting/arrangements" 12 arrangements,
        "counting/circular" 5 circular,
        "counting/choose" 14 choose,
        "counting/permutations" 12 permutations,
        "counting/letter_arrangements" 8 letter_arrangements,
        "counting/handshakes" 10 handshakes,
        "counting/round_robin" 6 round_robin,
        "counting/home_and_away" 5 home_and_away,
        "counting/knockout" 5 knockout,
        "counting/passwords" 10 passwords,
        "counting/distinct_passwords" 6 distinct_passwords,
        "counting/committee" 6 committee,
        "counting/grid_paths" 8 grid_paths,
        "counting/subsets" 6 subsets,
        "counting/diagonals" 6 diagonals,
        "counting/outfits" 8 outfits,
        "counting/podium" 6 podium,
        "counting/lines" 5 lines,
        "counting/triangles" 5 triangles,
        "counting/identical" 5 identical,
        "counting/numbers_with_digits" 5 numbers_with_digits,
        "counting/dice_outcomes" 5 dice_outcomes,
    ];
    kinds.extend(chance::kinds());
    kinds
}

pub(super) fn factorial(n: i64) -> i128 {
    (1..=i128::from(n)).product()
}

pub(super) fn comb(n: i64, k: i64) -> i128 {
    let mut c = 1i128;
    for i in 0..i128::from(k) {
        c = c * (i128::from(n) - i) / (i + 1);
    }
    c
}

fn perm(n: i64, k: i64) -> i128 {
    (0..i128::from(k)).map(|i| i128::from(n) - i).product()
}

/// In how many ways `{n}` different things can be put in a row (n!).
fn arrangements(rng: &mut Rng) -> Draw {
    let n = rng.int(2, 20);
    count(
        vec![("n", surface::count(n, rng))],
        [format!("{n} things in a row: {n} factorial."), format!("Orders of {n} things.")],
        format!("import math; print(math.factorial({n}))"),
        factorial(n),
        ["There are @ ways.".into(), format!("{n} things can be arranged in @ ways.")],
        rng,
    )
}

/// In how many ways `{n}` people can sit round a round table (rotations are the same): (n - 1)!.
fn circular(rng: &mut Rng) -> Draw {
    let n = rng.int(3, 18);
    count(
        vec![("n", surface::count(n, rng))],
        [format!("{n} in a circle: {n} - 1 factorial.")],
        format!("import math; print(math.factorial({n} - 1))"),
        factorial(n - 1),
        ["There are @ ways.".into(), "They can sit in @ ways.".into()],
        rng,
    )
}

fn n_and_k(rng: &mut Rng) -> (i64, i64) {
    let n = rng.int(3, 60);
    (n, rng.int(1, n.min(9)))
}

/// In how many ways `{k}` of `{n}` different things can be chosen when the order does not matter
/// (n choose k).
fn choose(rng: &mut Rng) -> Draw {
    let (n, k) = n_and_k(rng);
    count(
        vec![("n", surface::count(n, rng)), ("k", surface::count(k, rng))],
        [format!("{n} choose {k}, order does not matter."), format!("Choose {k} of {n}.")],
        format!("import math; print(math.comb({n}, {k}))"),
        comb(n, k),
        ["There are @ ways.".into(), format!("{k} of {n} can be chosen in @ ways.")],
        rng,
    )
}

/// In how many ways `{k}` of `{n}` different things can be put in order (permutations, nPk).
fn permutations(rng: &mut Rng) -> Draw {
    let (n, k) = n_and_k(rng);
    count(
        vec![("n", surface::count(n, rng)), ("k", surface::count(k, rng))],
        [format!("{k} of {n} in order."), format!("Permutations of {k} out of {n}.")],
        format!("import math; print(math.perm({n}, {k}))"),
        perm(n, k),
        ["There are @ ways.".into(), format!("{k} of {n} can be ordered in @ ways.")],
        rng,
    )
}

/// In how many different ways all the letters of `{word}` can be arranged (equal letters are not
/// told apart). `{word}` may stand in quotes.
fn letter_arrangements(rng: &mut Rng) -> Draw {
    let w = loop {
        let w = super::vocabulary::lower(rng);
        if w.len() <= 12 {
            break w;
        }
    };
    let mut letters: Vec<char> = w.chars().collect();
    letters.sort_unstable();
    letters.dedup();
    let repeats: i128 = letters.iter().map(|c| factorial(w.matches(*c).count() as i64)).product();
    count(
        vec![("word", super::vocabulary::quoted(&w, rng))],
        [format!("Arrangements of the letters of {w}.")],
        format!(
            "from math import *; w = '{w}'; \
             print(factorial(len(w)) // prod(factorial(w.count(c)) for c in set(w)))"
        ),
        factorial(w.len() as i64) / repeats,
        [format!("The letters of {w} can be arranged in @ ways."), "There are @ ways.".into()],
        rng,
    )
}

/// How many handshakes there are when each of `{n}` people shakes hands once with each other one.
fn handshakes(rng: &mut Rng) -> Draw {
    let n = rng.int(3, 200);
    count(
        vec![("n", surface::count(n, rng))],
        [format!("Pairs of {n} people."), format!("Each pair of {n} once.")],
        format!("import math; print(math.comb({n}, 2))"),
        comb(n, 2),
        ["There are @ handshakes.".into(), "It makes @.".into()],
        rng,
    )
}

/// How many games there are when each of `{n}` teams or players meets each other one once.
fn round_robin(rng: &mut Rng) -> Draw {
    let n = rng.int(3, 60);
    count(
        vec![("n", surface::count(n, rng))],
        [format!("Pairs of {n} teams."), format!("Each pair of {n} once.")],
        format!("import math; print(math.comb({n}, 2))"),
        comb(n, 2),
        ["There are @ games.".into(), "@ games are played.".into()],
        rng,
    )
}

/// How many games there are when each of `{n}` teams meets each other one twice, home and away.
fn home_and_away(rng: &mut Rng) -> Draw {
    let n = rng.int(3, 40);
    count(
        vec![("n", surface::count(n, rng))],
        [format!("Each pair of {n} teams twice.")],
        format!("import math; print(2 * math.comb({n}, 2))"),
        2 * comb(n, 2),
        ["There are @ games.".into(), "@ games are played.".into()],
        rng,
    )
}

/// How many games a knockout tournament of `{n}` players or teams has (a loser is out).
fn knockout(rng: &mut Rng) -> Draw {
    let n = if rng.chance(0.5) { 1 << rng.int(2, 8) } else { rng.int(3, 300) };
    count(
        vec![("n", surface::count(n, rng))],
        [format!("All but one of {n} lose once.")],
        format!("print({n} - 1)"),
        n - 1,
        ["There are @ games.".into(), "@ games are needed.".into()],
        rng,
    )
}

/// How many strings (passwords, codes) of `{k}` characters there are over `{n}` different
/// characters, when a character may be used again.
fn passwords(rng: &mut Rng) -> Draw {
    let n = *rng.pick(&[2, 3, 4, 5, 6, 8, 10, 10, 10, 12, 16, 20, 26, 26, 36, 52, 62]);
    let k = rng.int(2, 10);
    count(
        vec![("n", surface::count(n, rng)), ("k", surface::count(k, rng))],
        [format!("{k} places with {n} choices each.")],
        format!("print({n} ** {k})"),
        i128::from(n).pow(k as u32),
        ["There are @ possibilities.".into(), "@ are possible.".into()],
        rng,
    )
}

/// How many strings (codes) of `{k}` characters there are over `{n}` different characters, when no
/// character may be used twice.
fn distinct_passwords(rng: &mut Rng) -> Draw {
    let n = *rng.pick(&[5, 6, 8, 9, 10, 10, 12, 20, 26, 26, 36]);
    let k = rng.int(2, 5);
    count(
        vec![("n", surface::count(n, rng)), ("k", surface::count(k, rng))],
        [format!("{k} of {n} in order, none twice.")],
        format!("import math; print(math.perm({n}, {k}))"),
        perm(n, k),
        ["There are @ possibilities.".into(), "@ are possible.".into()],
        rng,
    )
}

/// In how many ways a committee of `{a}` of the `{m}` men and `{b}` of the `{w}` women can be formed.
fn committee(rng: &mut Rng) -> Draw {
    let (m, w) = (rng.int(2, 20), rng.int(2, 20));
    let (a, b) = (rng.int(1, m.min(5)), rng.int(1, w.min(5)));
    count(
        vec![
            ("m", surface::count(m, rng)),
            ("w", surface::count(w, rng)),
            ("a", surface::count(a, rng)),
            ("b", surface::count(b, rng)),
        ],
        [format!("Choose {a} of {m} and {b} of {w}.")],
        format!("import math; print(math.comb({m}, {a}) * math.comb({w}, {b}))"),
        comb(m, a) * comb(w, b),
        ["There are @ ways.".into(), "It can be formed in @ ways.".into()],
        rng,
    )
}

/// How many shortest paths lead from one corner to the opposite one of a grid, with `{a}` steps to
/// the right and `{b}` steps up (or down).
fn grid_paths(rng: &mut Rng) -> Draw {
    let (a, b) = (rng.int(1, 15), rng.int(1, 15));
    count(
        vec![("a", surface::count(a, rng)), ("b", surface::count(b, rng))],
        [format!("{a} steps right and {b} up in any order.")],
        format!("import math; print(math.comb({a} + {b}, {a}))"),
        comb(a + b, a),
        ["There are @ paths.".into(), "@ paths are possible.".into()],
        rng,
    )
}

/// How many subsets a set of `{n}` elements has, the empty set and the whole set included.
fn subsets(rng: &mut Rng) -> Draw {
    let n = rng.int(1, 40);
    count(
        vec![("n", surface::count(n, rng))],
        [format!("Each of {n} elements is in or out.")],
        format!("print(2 ** {n})"),
        1i64 << n,
        ["There are @ subsets.".into(), format!("A set of {n} elements has @ subsets.")],
        rng,
    )
}

/// How many diagonals a convex polygon with `{n}` corners (sides) has.
fn diagonals(rng: &mut Rng) -> Draw {
    let n = rng.int(4, 60);
    count(
        vec![("n", surface::count(n, rng))],
        [format!("Diagonals of a polygon with {n} corners.")],
        format!("print({n} * ({n} - 3) // 2)"),
        n * (n - 3) / 2,
        ["It has @ diagonals.".into(), "There are @ diagonals.".into()],
        rng,
    )
}

/// How many combinations of one of `{a}` shirts, one of `{b}` trousers and one of `{c}` pairs of
/// shoes there are (or the same with three other sorts of things).
fn outfits(rng: &mut Rng) -> Draw {
    let [a, b, c] = [(); 3].map(|()| rng.int(2, 25));
    count(
        vec![
            ("a", surface::count(a, rng)),
            ("b", surface::count(b, rng)),
            ("c", surface::count(c, rng)),
        ],
        [format!("Choices {a}, {b} and {c} multiplied.")],
        format!("print({a} * {b} * {c})"),
        a * b * c,
        ["There are @ combinations.".into(), "@ combinations are possible.".into()],
        rng,
    )
}

/// In how many ways the first three places (gold, silver, bronze) can go to `{n}` competitors.
fn podium(rng: &mut Rng) -> Draw {
    let n = rng.int(3, 60);
    count(
        vec![("n", surface::count(n, rng))],
        [format!("3 of {n} in order.")],
        format!("import math; print(math.perm({n}, 3))"),
        perm(n, 3),
        ["There are @ ways.".into(), "@ results are possible.".into()],
        rng,
    )
}

/// How many straight lines `{n}` points determine, no three on one line.
fn lines(rng: &mut Rng) -> Draw {
    let n = rng.int(2, 60);
    count(
        vec![("n", surface::count(n, rng))],
        [format!("Pairs of {n} points.")],
        format!("import math; print(math.comb({n}, 2))"),
        comb(n, 2),
        ["There are @ lines.".into(), format!("{n} points give @ lines.")],
        rng,
    )
}

/// How many triangles have their corners in `{n}` points, no three on one line.
fn triangles(rng: &mut Rng) -> Draw {
    let n = rng.int(3, 60);
    count(
        vec![("n", surface::count(n, rng))],
        [format!("Choose 3 of {n} points.")],
        format!("import math; print(math.comb({n}, 3))"),
        comb(n, 3),
        ["There are @ triangles.".into(), format!("{n} points give @ triangles.")],
        rng,
    )
}

/// In how many ways `{n}` identical things can be shared out to `{k}` people, who may get none.
fn identical(rng: &mut Rng) -> Draw {
    let (n, k) = (rng.int(2, 40), rng.int(2, 8));
    count(
        vec![("n", surface::count(n, rng)), ("k", surface::count(k, rng))],
        [format!("{n} identical things and {k} - 1 bars.")],
        format!("import math; print(math.comb({n} + {k} - 1, {k} - 1))"),
        comb(n + k - 1, k - 1),
        ["There are @ ways.".into(), "They can be shared in @ ways.".into()],
        rng,
    )
}

/// How many whole numbers have exactly `{k}` decimal digits (the first is not 0).
fn numbers_with_digits(rng: &mut Rng) -> Draw {
    let k = rng.int(2, 12);
    count(
        vec![("k", surface::count(k, rng))],
        [format!("9 first digits, then {k} - 1 times 10.")],
        format!("print(9 * 10 ** ({k} - 1))"),
        9 * 10i64.pow(k as u32 - 1),
        [format!("There are @ numbers with {k} digits."), "There are @.".into()],
        rng,
    )
}

/// How many outcomes there are when `{n}` different dice (six sides) are thrown.
fn dice_outcomes(rng: &mut Rng) -> Draw {
    let n = rng.int(2, 10);
    count(
        vec![("n", surface::count(n, rng))],
        [format!("6 results for each of {n} dice.")],
        format!("print(6 ** {n})"),
        6i64.pow(n as u32),
        ["There are @ outcomes.".into(), "@ outcomes are possible.".into()],
        rng,
    )
}
