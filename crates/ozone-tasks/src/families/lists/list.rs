//! Lists of numbers: totals, averages, order and spread.

use super::numbers::{Numbers, list_print};
use super::vocabulary::nth;
use super::{call, count, kind_table, sequence};
use crate::grade::number;
use crate::{Draw, Kind, Rng, Value, python, surface};

pub(super) fn kinds() -> Vec<Kind> {
    let mut kinds = kind_table![
        "list/sum" 14 sum,
        "list/product" 8 product,
        "list/mean" 16 mean,
        "list/median" 14 median,
        "list/mode" 8 mode,
        "list/range" 8 range,
        "list/min" 8 min,
        "list/max" 8 max,
        "list/sort" 12 sort,
        "list/sort_descending" 8 sort_descending,
        "list/reverse" 5 reverse,
        "list/pstdev" 6 pstdev,
        "list/stdev" 6 stdev,
        "list/variance" 5 variance,
        "list/count_above" 8 count_above,
        "list/kth_largest" 8 kth_largest,
        "list/kth_smallest" 6 kth_smallest,
        "list/unique" 6 unique,
        "list/evens" 6 evens,
        "list/odds" 5 odds,
        "list/sum_of_evens" 6 sum_of_evens,
        "list/occurrences" 6 occurrences,
        "list/min_and_max" 5 min_and_max,
        "list/length" 5 length,
        "list/weighted_mean" 6 weighted_mean,
    ];
    kinds.extend(sequence::kinds());
    kinds
}

/// Joined to one line of `from statistics import …`.
fn statistic(name: &str, list: &str) -> String {
    format!("from statistics import {name}; print(round({name}({list}), 4))")
}

/// A result that was rounded to four places: exact where it is shorter.
fn four(printed: &str) -> Value {
    let places = printed.split_once('.').map_or(0, |(_, f)| f.len());
    if places >= 4 { Value::Rounded(printed.to_owned()) } else { number(printed) }
}

/// The sum of the numbers `{list}`.
fn sum(rng: &mut Rng) -> Draw {
    let l = Numbers::draw(rng, 2, 12, 0.2);
    let total = l.scaled.iter().sum();
    let code = if l.scale == 1 {
        format!("print(sum({}))", l.python)
    } else {
        format!("print(round(sum({}), 6))", l.python)
    };
    count(
        vec![("list", l.shown.clone())],
        ["Sum of the list.".into(), format!("Add up {}.", l.plain())],
        code,
        l.print(total),
        ["The sum is @.".into(), "They add up to @.".into(), "The total is @.".into()],
        rng,
    )
}

/// The product of the numbers `{list}`.
fn product(rng: &mut Rng) -> Draw {
    let n = rng.int(3, 7) as usize;
    let all: Vec<i64> = (0..n).map(|_| rng.int(if n < 5 { -4 } else { 1 }, 15)).collect();
    let l = Numbers::of(all, 1, rng);
    count(
        vec![("list", l.shown.clone())],
        ["Product of the list.".into(), format!("Multiply {}.", l.plain())],
        format!("import math; print(math.prod({}))", l.python),
        l.scaled.iter().product::<i64>(),
        ["The product is @.".into(), "Multiplied together they give @.".into()],
        rng,
    )
}

/// The arithmetic mean (average) of the numbers `{list}`, rounded to four places.
fn mean(rng: &mut Rng) -> Draw {
    let l = Numbers::draw(rng, 2, 10, 0.2);
    let (total, d) = (l.scaled.iter().sum::<i64>(), l.scale * l.scaled.len() as i64);
    let printed = if l.scale == 1 && total % d == 0 {
        (total / d).to_string()
    } else {
        python::rounded(total as f64 / d as f64, 4)
    };
    call(
        vec![("list", l.shown.clone())],
        ["Mean of the list.".into(), format!("Average of {}.", l.plain())],
        statistic("mean", &l.python),
        printed.clone(),
        vec![(four(&printed), printed)],
        ["The mean is @.".into(), "The average is @.".into(), "On average it is @.".into()],
        rng,
    )
}

/// The median of the numbers `{list}`.
fn median(rng: &mut Rng) -> Draw {
    let l = Numbers::draw(rng, 3, 10, 0.15);
    let mut sorted = l.scaled.clone();
    sorted.sort_unstable();
    let n = sorted.len();
    let printed = if n % 2 == 1 {
        l.print(sorted[n / 2])
    } else {
        let twice = sorted[n / 2 - 1] + sorted[n / 2];
        python::rounded(twice as f64 / (2 * l.scale) as f64, 4)
    };
    call(
        vec![("list", l.shown.clone())],
        ["Median of the list.".into(), "Middle value of the sorted list.".into()],
        statistic("median", &l.python),
        printed.clone(),
        vec![(four(&printed), printed)],
        ["The median is @.".into(), "The middle value is @.".into()],
        rng,
    )
}

/// The number that occurs most often in `{list}` (exactly one does).
fn mode(rng: &mut Rng) -> Draw {
    loop {
        let mut all = Numbers::draw(rng, 3, 7, 0.0).scaled;
        let winner = *rng.pick(&all);
        let times = rng.int(1, 3);
        all.extend((0..times).map(|_| winner));
        rng.shuffle(&mut all);
        let often = |x: i64| all.iter().filter(|y| **y == x).count();
        if all.iter().any(|x| *x != winner && often(*x) >= often(winner)) {
            continue;
        }
        let l = Numbers::of(all, 1, rng);
        return count(
            vec![("list", l.shown.clone())],
            ["Mode of the list.".into(), "Most frequent number of the list.".into()],
            format!("from statistics import mode; print(mode({}))", l.python),
            winner,
            ["The mode is @.".into(), "The most frequent value is @.".into()],
            rng,
        );
    }
}

/// The difference between the largest and the smallest number of `{list}` (the range).
fn range(rng: &mut Rng) -> Draw {
    let l = Numbers::draw(rng, 3, 10, 0.0);
    let (low, high) = l.ends();
    count(
        vec![("list", l.shown.clone())],
        ["Largest minus smallest.".into(), "Range of the list.".into()],
        format!("x = {}; print(max(x) - min(x))", l.python),
        high - low,
        ["The range is @.".into(), "The difference of largest and smallest is @.".into()],
        rng,
    )
}

/// The smallest number of `{list}`.
fn min(rng: &mut Rng) -> Draw {
    let l = Numbers::draw(rng, 3, 10, 0.25);
    count(
        vec![("list", l.shown.clone())],
        ["Smallest number of the list.".into()],
        format!("print(min({}))", l.python),
        l.print(l.ends().0),
        ["The smallest is @.".into(), "The minimum is @.".into()],
        rng,
    )
}

/// The largest number of `{list}`.
fn max(rng: &mut Rng) -> Draw {
    let l = Numbers::draw(rng, 3, 10, 0.25);
    count(
        vec![("list", l.shown.clone())],
        ["Largest number of the list.".into()],
        format!("print(max({}))", l.python),
        l.print(l.ends().1),
        ["The largest is @.".into(), "The maximum is @.".into()],
        rng,
    )
}

fn arranged(
    l: &Numbers,
    all: &[i64],
    think: [String; 2],
    code: String,
    reply: [String; 2],
    rng: &mut Rng,
) -> Draw {
    let (output, shown) = list_print(all, l.scale);
    let values = vec![(crate::grade::text(&shown), shown)];
    call(vec![("list", l.shown.clone())], think, code, output, values, reply, rng)
}

/// The numbers `{list}` sorted from the smallest to the largest.
fn sort(rng: &mut Rng) -> Draw {
    let l = Numbers::draw(rng, 3, 9, 0.2);
    let mut all = l.scaled.clone();
    all.sort_unstable();
    let code = format!("print(sorted({}))", l.python);
    let think = ["Sort the list.".into(), "Smallest to largest.".into()];
    arranged(&l, &all, think, code, ["In ascending order: @".into(), "Sorted: @".into()], rng)
}

/// The numbers `{list}` sorted from the largest to the smallest.
fn sort_descending(rng: &mut Rng) -> Draw {
    let l = Numbers::draw(rng, 3, 9, 0.2);
    let mut all = l.scaled.clone();
    all.sort_unstable();
    all.reverse();
    let code = format!("print(sorted({}, reverse=True))", l.python);
    let think = ["Sort the list, largest first.".into(), "Largest to smallest.".into()];
    let reply = ["In descending order: @".into(), "Largest first: @".into()];
    arranged(&l, &all, think, code, reply, rng)
}

/// The numbers `{list}` in reverse order of their places (not sorted: the last becomes the first).
fn reverse(rng: &mut Rng) -> Draw {
    let l = Numbers::draw(rng, 3, 8, 0.1);
    let all: Vec<i64> = l.scaled.iter().rev().copied().collect();
    let code = format!("print({}[::-1])", l.python);
    let think = ["Reverse the list.".into(), "The list back to front.".into()];
    arranged(&l, &all, think, code, ["Reversed: @".into(), "Back to front: @".into()], rng)
}

/// What is printed of a spread: the sum of squared differences over `n` or `n - 1`, or its root.
fn spread(l: &Numbers, less: i64, root: bool) -> f64 {
    let n = l.scaled.len() as i64;
    let total: i64 = l.scaled.iter().sum();
    let squares: i64 = l.scaled.iter().map(|x| x * x).sum();
    let v = (n * squares - total * total) as f64 / (n * (n - less)) as f64;
    if root { v.sqrt() } else { v }
}

fn deviation(rng: &mut Rng, name: &str, less: i64, think: [String; 2], reply: &str) -> Draw {
    let l = Numbers::draw(rng, 3, 8, 0.0);
    let printed = python::rounded(spread(&l, less, true), 4);
    call(
        vec![("list", l.shown.clone())],
        think,
        statistic(name, &l.python),
        printed.clone(),
        vec![(four(&printed), printed)],
        [format!("The {reply} is @."), "It is @.".into()],
        rng,
    )
}

/// The population standard deviation (divided by n) of `{list}`, rounded to four places. The
/// wording says "population", or nothing about a sample.
fn pstdev(rng: &mut Rng) -> Draw {
    let think = [
        "Population standard deviation of the list.".into(),
        "Population standard deviation.".into(),
    ];
    deviation(rng, "pstdev", 0, think, "population standard deviation")
}

/// The sample standard deviation (divided by n - 1) of `{list}`, rounded to four places. The
/// wording says "sample".
fn stdev(rng: &mut Rng) -> Draw {
    let think =
        ["Sample standard deviation of the list.".into(), "Sample standard deviation.".into()];
    deviation(rng, "stdev", 1, think, "sample standard deviation")
}

/// The population variance (divided by n) of `{list}`, rounded to four places. The wording says
/// "variance", and nothing about a sample.
fn variance(rng: &mut Rng) -> Draw {
    let l = Numbers::draw(rng, 3, 7, 0.0);
    let v = spread(&l, 0, false);
    let printed = if v.fract() == 0.0 { format!("{v}") } else { python::rounded(v, 4) };
    call(
        vec![("list", l.shown.clone())],
        ["Population variance of the list.".into()],
        statistic("pvariance", &l.python),
        printed.clone(),
        vec![(four(&printed), printed)],
        ["The variance is @.".into(), "The population variance is @.".into()],
        rng,
    )
}

/// How many of the numbers `{list}` are greater than `{x}` (equal ones do not count).
fn count_above(rng: &mut Rng) -> Draw {
    let l = Numbers::draw(rng, 4, 10, 0.0);
    let x = *rng.pick(&l.scaled) + rng.int(-1, 1);
    count(
        vec![("list", l.shown.clone()), ("x", surface::integer(x, rng))],
        [format!("Count the numbers greater than {x}.")],
        format!("print(sum(n > {x} for n in {}))", l.python),
        l.scaled.iter().filter(|n| **n > x).count(),
        [format!("@ of them are greater than {x}."), format!("Numbers above {x}: @")],
        rng,
    )
}

/// The `{kth}` (2nd, third) largest number of `{list}`, all numbers different; `{k}` the number.
fn kth_largest(rng: &mut Rng) -> Draw {
    let l = Numbers::different(rng, 4, 9);
    let mut all = l.scaled.clone();
    all.sort_unstable_by(|a, b| b.cmp(a));
    let k = rng.int(2, (all.len() as i64 - 1).min(5));
    count(
        vec![("list", l.shown.clone()), ("kth", nth(k, rng)), ("k", k.to_string())],
        [format!("Number {k} from the largest down.")],
        format!("print(sorted({}, reverse=True)[{k} - 1])", l.python),
        all[k as usize - 1],
        [format!("Number {k} from the top is @."), "It is @.".into()],
        rng,
    )
}

/// The `{kth}` (2nd, third) smallest number of `{list}`, all numbers different; `{k}` the number.
fn kth_smallest(rng: &mut Rng) -> Draw {
    let l = Numbers::different(rng, 4, 9);
    let mut all = l.scaled.clone();
    all.sort_unstable();
    let k = rng.int(2, (all.len() as i64 - 1).min(5));
    count(
        vec![("list", l.shown.clone()), ("kth", nth(k, rng)), ("k", k.to_string())],
        [format!("Number {k} from the smallest up.")],
        format!("print(sorted({})[{k} - 1])", l.python),
        all[k as usize - 1],
        [format!("Number {k} from the bottom is @."), "It is @.".into()],
        rng,
    )
}

/// How many different numbers are in `{list}` (repeated ones count once).
fn unique(rng: &mut Rng) -> Draw {
    let mut all = Numbers::draw(rng, 3, 7, 0.0).scaled;
    for _ in 0..rng.int(1, 4) {
        let again = *rng.pick(&all);
        all.push(again);
    }
    rng.shuffle(&mut all);
    let l = Numbers::of(all.clone(), 1, rng);
    all.sort_unstable();
    all.dedup();
    count(
        vec![("list", l.shown.clone())],
        ["Count the different numbers.".into()],
        format!("print(len(set({})))", l.python),
        all.len(),
        ["There are @ different numbers.".into(), "Different values: @".into()],
        rng,
    )
}

/// How many of the numbers `{list}` are even.
fn evens(rng: &mut Rng) -> Draw {
    let l = Numbers::draw(rng, 4, 10, 0.0);
    count(
        vec![("list", l.shown.clone())],
        ["Count the even numbers.".into()],
        format!("print(sum(n % 2 == 0 for n in {}))", l.python),
        l.scaled.iter().filter(|n| **n % 2 == 0).count(),
        ["@ of them are even.".into(), "Even numbers: @".into()],
        rng,
    )
}

/// How many of the numbers `{list}` are odd.
fn odds(rng: &mut Rng) -> Draw {
    let l = Numbers::draw(rng, 4, 10, 0.0);
    count(
        vec![("list", l.shown.clone())],
        ["Count the odd numbers.".into()],
        format!("print(sum(n % 2 == 1 for n in {}))", l.python),
        l.scaled.iter().filter(|n| **n % 2 != 0).count(),
        ["@ of them are odd.".into(), "Odd numbers: @".into()],
        rng,
    )
}

/// The sum of those numbers of `{list}` that are even.
fn sum_of_evens(rng: &mut Rng) -> Draw {
    let l = Numbers::draw(rng, 4, 10, 0.0);
    count(
        vec![("list", l.shown.clone())],
        ["Add the even numbers of the list.".into()],
        format!("print(sum(n for n in {} if n % 2 == 0))", l.python),
        l.scaled.iter().filter(|n| **n % 2 == 0).sum::<i64>(),
        ["The even numbers add up to @.".into(), "Sum of the even numbers: @".into()],
        rng,
    )
}

/// How often the number `{x}` occurs in `{list}`.
fn occurrences(rng: &mut Rng) -> Draw {
    let n = rng.int(5, 12);
    let high = rng.int(3, 40);
    let all: Vec<i64> = (0..n).map(|_| rng.int(0, high)).collect();
    let x = if rng.chance(0.85) { *rng.pick(&all) } else { rng.int(0, high) };
    let l = Numbers::of(all, 1, rng);
    count(
        vec![("list", l.shown.clone()), ("x", x.to_string())],
        [format!("Count {x} in the list.")],
        format!("print({}.count({x}))", l.python),
        l.scaled.iter().filter(|n| **n == x).count(),
        [format!("{x} occurs @ times."), format!("Occurrences of {x}: @")],
        rng,
    )
}

/// Two values in this order: the smallest and the largest number of `{list}`.
fn min_and_max(rng: &mut Rng) -> Draw {
    let l = Numbers::draw(rng, 3, 9, 0.1);
    let (low, high) = l.ends();
    let (low, high) = (l.print(low), l.print(high));
    call(
        vec![("list", l.shown.clone())],
        ["Smallest and largest number of the list.".into()],
        format!("x = {}; print(min(x), max(x))", l.python),
        format!("{low} {high}"),
        vec![(number(&low), low), (number(&high), high)],
        ["The smallest is @ and the largest is @.".into(), "Minimum @, maximum @.".into()],
        rng,
    )
}

/// How many numbers (entries) are in `{list}`.
fn length(rng: &mut Rng) -> Draw {
    let l = Numbers::draw(rng, 3, 14, 0.1);
    count(
        vec![("list", l.shown.clone())],
        ["Count the entries.".into()],
        format!("print(len({}))", l.python),
        l.scaled.len(),
        ["There are @ numbers.".into(), "The list has @ entries.".into()],
        rng,
    )
}

/// The weighted mean of the values `{values}` with the weights `{weights}` (in the same order),
/// rounded to four places.
fn weighted_mean(rng: &mut Rng) -> Draw {
    let n = rng.int(2, 5);
    let x: Vec<i64> = (0..n).map(|_| rng.int(1, 100)).collect();
    let w: Vec<i64> = (0..n).map(|_| rng.int(1, 6)).collect();
    let total: i64 = x.iter().zip(&w).map(|(a, b)| a * b).sum();
    let printed = python::rounded(total as f64 / w.iter().sum::<i64>() as f64, 4);
    let (x, w) = (Numbers::of(x, 1, rng), Numbers::of(w, 1, rng));
    call(
        vec![("values", x.shown), ("weights", w.shown)],
        ["Weighted mean.".into(), "Sum of value times weight over the sum of weights.".into()],
        format!(
            "x, w = {}, {}; print(round(sum(a * b for a, b in zip(x, w)) / sum(w), 4))",
            x.python, w.python
        ),
        printed.clone(),
        vec![(four(&printed), printed)],
        ["The weighted mean is @.".into(), "The weighted average is @.".into()],
        rng,
    )
}
