//! Digits, squares, powers and famous sequences.

use num_bigint::BigUint;

use super::vocabulary::nth;
use super::{call, count, decide, kind_table};
use crate::grade::text;
use crate::{Draw, Kind, Rng, python, surface};

pub(super) fn kinds() -> Vec<Kind> {
    kind_table![
        "number/digit_sum" 10 digit_sum,
        "number/digit_count" 6 digit_count,
        "number/digit_product" 5 digit_product,
        "number/digit_reversal" 6 digit_reversal,
        "number/palindrome" 5 palindrome,
        "number/even" 5 even,
        "number/square" 8 square,
        "number/cube" 5 cube,
        "number/fibonacci" 8 fibonacci,
        "number/first_fibonacci" 5 first_fibonacci,
        "number/last_digit" 6 last_digit,
        "number/power_mod" 6 power_mod,
        "number/power_digits" 5 power_digits,
        "number/collatz" 6 collatz,
        "number/sum_of_squares" 6 sum_of_squares,
        "number/sum_of_cubes" 5 sum_of_cubes,
        "number/triangular" 5 triangular,
        "number/trailing_zeros" 5 trailing_zeros,
    ]
}

fn show(n: i64, rng: &mut Rng) -> String {
    surface::integer(n, rng)
}

fn digits_of(n: i64) -> Vec<i64> {
    n.to_string().bytes().map(|b| i64::from(b - b'0')).collect()
}

/// The sum of the decimal digits of `{n}`.
fn digit_sum(rng: &mut Rng) -> Draw {
    let n = rng.magnitude(9);
    count(
        vec![("n", show(n, rng))],
        [format!("Add the digits of {n}.")],
        format!("print(sum(int(d) for d in '{n}'))"),
        digits_of(n).iter().sum::<i64>(),
        [format!("The digits of {n} add up to @."), "The digit sum is @.".into()],
        rng,
    )
}

/// How many decimal digits `{n}` has.
fn digit_count(rng: &mut Rng) -> Draw {
    let n = rng.magnitude(14);
    count(
        vec![("n", show(n, rng))],
        [format!("Count the digits of {n}.")],
        format!("print(len('{n}'))"),
        n.to_string().len(),
        [format!("{n} has @ digits."), "It has @ digits.".into()],
        rng,
    )
}

/// The product of the decimal digits of `{n}`.
fn digit_product(rng: &mut Rng) -> Draw {
    let n = rng.magnitude(7);
    count(
        vec![("n", show(n, rng))],
        [format!("Multiply the digits of {n}.")],
        format!("import math; print(math.prod(int(d) for d in '{n}'))"),
        digits_of(n).iter().product::<i64>(),
        [format!("The product of the digits of {n} is @."), "It is @.".into()],
        rng,
    )
}

/// The number `{n}` with its decimal digits in reverse order (zeros in front are dropped).
fn digit_reversal(rng: &mut Rng) -> Draw {
    let n = rng.magnitude(10);
    let back: String = n.to_string().chars().rev().collect();
    let back: i64 = back.parse().expect("ten digits fit");
    count(
        vec![("n", show(n, rng))],
        [format!("Reverse the digits of {n}.")],
        format!("print(int('{n}'[::-1]))"),
        back,
        [format!("{n} with reversed digits is @."), "Reversed, it is @.".into()],
        rng,
    )
}

/// Whether the number `{n}` is a palindrome (its digits read the same from both ends).
fn palindrome(rng: &mut Rng) -> Draw {
    let n = if rng.chance(0.5) {
        let half = rng.magnitude(4).to_string();
        let skip = rng.below(2) as usize;
        let back: String = half.chars().rev().skip(skip).collect();
        format!("{half}{back}").parse().expect("eight digits fit")
    } else {
        rng.magnitude(7)
    };
    let s = n.to_string();
    decide(
        vec![("n", show(n, rng))],
        [format!("Is {n} the same with its digits reversed?")],
        format!("print('{n}' == '{n}'[::-1])"),
        s == s.chars().rev().collect::<String>(),
        format!("{n} is a palindrome"),
        format!("{n} is not a palindrome"),
        rng,
    )
}

/// Whether `{n}` is even. (The wordings may not ask whether it is odd.)
fn even(rng: &mut Rng) -> Draw {
    let n = rng.magnitude(9);
    decide(
        vec![("n", show(n, rng))],
        [format!("Is {n} even?")],
        format!("print({n} % 2 == 0)"),
        n % 2 == 0,
        format!("{n} is even"),
        format!("{n} is odd"),
        rng,
    )
}

/// Whether `{n}` is a perfect square (the square of a whole number).
fn square(rng: &mut Rng) -> Draw {
    let n = if rng.chance(0.5) { rng.magnitude(4).pow(2) } else { rng.magnitude(7) };
    decide(
        vec![("n", show(n, rng))],
        [format!("Is {n} a square?")],
        format!("import math; print(math.isqrt({n}) ** 2 == {n})"),
        n.isqrt().pow(2) == n,
        format!("{n} is a perfect square"),
        format!("{n} is not a perfect square"),
        rng,
    )
}

/// Whether `{n}` is a perfect cube (the third power of a whole number).
fn cube(rng: &mut Rng) -> Draw {
    let n = if rng.chance(0.5) { rng.magnitude(3).pow(3) } else { rng.magnitude(6) };
    let root = (n as f64).cbrt().round() as i64;
    decide(
        vec![("n", show(n, rng))],
        [format!("Is {n} a cube?")],
        format!("print(round({n} ** (1 / 3)) ** 3 == {n})"),
        root.pow(3) == n,
        format!("{n} is a perfect cube"),
        format!("{n} is not a perfect cube"),
        rng,
    )
}

fn fibonacci_of(n: i64) -> BigUint {
    let (mut a, mut b) = (BigUint::from(0u32), BigUint::from(1u32));
    for _ in 0..n {
        (a, b) = (b.clone(), a + b);
    }
    a
}

/// The `{nth}` (10th) Fibonacci number, where the first and the second are 1; `{n}` is the number.
fn fibonacci(rng: &mut Rng) -> Draw {
    let high = if rng.chance(0.3) { 100 } else { 40 };
    let n = rng.int(1, high);
    count(
        vec![("nth", nth(n, rng)), ("n", n.to_string())],
        [format!("Fibonacci number {n}."), format!("F({n}) of the Fibonacci numbers.")],
        format!("from sympy import fibonacci; print(fibonacci({n}))"),
        fibonacci_of(n),
        [format!("Fibonacci number {n} is @."), format!("F({n}) = @")],
        rng,
    )
}

/// The first `{n}` Fibonacci numbers (1, 1, 2, …) as a list.
fn first_fibonacci(rng: &mut Rng) -> Draw {
    let n = rng.int(3, 16);
    let all: Vec<String> = (1..=n).map(|k| fibonacci_of(k).to_string()).collect();
    let shown = all.join(", ");
    call(
        vec![("n", surface::count(n, rng))],
        [format!("First {n} Fibonacci numbers.")],
        format!("from sympy import fibonacci; print([fibonacci(k) for k in range(1, {n} + 1)])"),
        python::list(&all),
        vec![(text(&shown), shown)],
        [format!("The first {n} Fibonacci numbers are @."), "They are @.".into()],
        rng,
    )
}

fn power_mod_of(a: i64, b: i64, m: i64) -> BigUint {
    BigUint::from(a as u64).modpow(&BigUint::from(b as u64), &BigUint::from(m as u64))
}

/// The last digit of `{a}` to the power of `{b}`.
fn last_digit(rng: &mut Rng) -> Draw {
    let (a, b) = (rng.magnitude(3), rng.magnitude(4));
    count(
        vec![("a", show(a, rng)), ("b", show(b, rng))],
        [format!("Last digit of {a} to the power {b}.")],
        format!("print(pow({a}, {b}, 10))"),
        power_mod_of(a, b, 10),
        [format!("The last digit of {a}^{b} is @."), "It ends in @.".into()],
        rng,
    )
}

/// The remainder when `{a}` to the power of `{b}` is divided by `{m}`.
fn power_mod(rng: &mut Rng) -> Draw {
    let (a, b, m) = (rng.magnitude(3), rng.magnitude(4), rng.int(2, 1000));
    count(
        vec![("a", show(a, rng)), ("b", show(b, rng)), ("m", show(m, rng))],
        [format!("Remainder of {a} to the power {b} by {m}.")],
        format!("print(pow({a}, {b}, {m}))"),
        power_mod_of(a, b, m),
        ["The remainder is @.".into(), format!("{a}^{b} mod {m} = @")],
        rng,
    )
}

/// How many decimal digits `{a}` to the power of `{b}` has.
fn power_digits(rng: &mut Rng) -> Draw {
    let (a, b) = (rng.int(2, 30), rng.int(2, 200));
    let n = BigUint::from(a as u64).pow(b as u32).to_string().len();
    count(
        vec![("a", a.to_string()), ("b", b.to_string())],
        [format!("Count the digits of {a} to the power {b}.")],
        format!("print(len(str({a} ** {b})))"),
        n,
        [format!("{a}^{b} has @ digits."), "It has @ digits.".into()],
        rng,
    )
}

/// How many steps the Collatz rule (halve an even number, else 3n + 1) takes from `{n}` down to 1.
fn collatz(rng: &mut Rng) -> Draw {
    let start = rng.magnitude(4);
    let (mut n, mut steps) = (start, 0);
    while n > 1 {
        n = if n % 2 == 0 { n / 2 } else { 3 * n + 1 };
        steps += 1;
    }
    count(
        vec![("n", show(start, rng))],
        [format!("Count the Collatz steps from {start} to 1.")],
        format!(
            "n, k = {start}, 0\nwhile n > 1:\n    n, k = n // 2 if n % 2 == 0 else 3 * n + 1, k + 1\n\
             print(k)"
        ),
        steps,
        [format!("From {start} it takes @ steps."), "It takes @ steps.".into()],
        rng,
    )
}

/// The sum of the squares of the whole numbers from 1 to `{n}`.
fn sum_of_squares(rng: &mut Rng) -> Draw {
    let n = rng.magnitude(3).max(2);
    count(
        vec![("n", surface::count(n, rng))],
        [format!("Add the squares from 1 to {n}.")],
        format!("print(sum(k ** 2 for k in range(1, {n} + 1)))"),
        (1..=n).map(|k| k * k).sum::<i64>(),
        [format!("The first {n} squares add up to @."), "The sum is @.".into()],
        rng,
    )
}

/// The sum of the cubes of the whole numbers from 1 to `{n}`.
fn sum_of_cubes(rng: &mut Rng) -> Draw {
    let n = rng.magnitude(3).max(2);
    count(
        vec![("n", surface::count(n, rng))],
        [format!("Add the cubes from 1 to {n}.")],
        format!("print(sum(k ** 3 for k in range(1, {n} + 1)))"),
        (1..=n).map(|k| k.pow(3)).sum::<i64>(),
        [format!("The first {n} cubes add up to @."), "The sum is @.".into()],
        rng,
    )
}

/// The `{nth}` (10th) triangular number, 1 + 2 + … + n; `{n}` is the number (10).
fn triangular(rng: &mut Rng) -> Draw {
    let n = rng.magnitude(3);
    count(
        vec![("nth", nth(n, rng)), ("n", n.to_string())],
        [format!("Triangular number {n}.")],
        format!("print({n} * ({n} + 1) // 2)"),
        n * (n + 1) / 2,
        [format!("Triangular number {n} is @."), "It is @.".into()],
        rng,
    )
}

/// How many zeros stand at the end of `{n}` factorial.
fn trailing_zeros(rng: &mut Rng) -> Draw {
    let n = rng.magnitude(3);
    let zeros: i64 = [5, 25, 125, 625].iter().map(|p| n / p).sum();
    count(
        vec![("n", n.to_string())],
        [format!("Count the zeros at the end of {n} factorial.")],
        format!("import math; s = str(math.factorial({n})); print(len(s) - len(s.rstrip('0')))"),
        zeros,
        [format!("{n}! ends in @ zeros."), "There are @ zeros.".into()],
        rng,
    )
}
