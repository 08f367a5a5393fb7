//! Divisors, primes and digits.

use super::vocabulary::nth;
use super::{call, count, decide, digits, kind_table, words};
use crate::grade::text;
use crate::{Draw, Kind, Rng, python, surface};

pub(super) fn kinds() -> Vec<Kind> {
    let mut kinds = kind_table![
        "number/gcd" 14 gcd,
        "number/gcd_of_three" 6 gcd_of_three,
        "number/lcm" 14 lcm,
        "number/lcm_of_three" 6 lcm_of_three,
        "number/prime" 16 prime,
        "number/next_prime" 8 next_prime,
        "number/previous_prime" 5 previous_prime,
        "number/nth_prime" 8 nth_prime,
        "number/count_primes" 8 count_primes,
        "number/list_primes" 8 list_primes,
        "number/factorisation" 12 factorisation,
        "number/prime_factors" 6 prime_factors,
        "number/largest_prime_factor" 6 largest_prime_factor,
        "number/smallest_prime_factor" 5 smallest_prime_factor,
        "number/divisor_count" 8 divisor_count,
        "number/divisor_sum" 6 divisor_sum,
        "number/divisors" 8 divisors,
        "number/common_divisors" 5 common_divisors,
        "number/divisible" 8 divisible,
        "number/coprime" 6 coprime,
        "number/totient" 5 totient,
        "number/perfect" 5 perfect,
        "number/count_multiples" 6 count_multiples,
        "number/first_multiples" 5 first_multiples,
    ];
    kinds.extend(digits::kinds());
    kinds
}

pub(super) fn divisors_of(n: i64) -> Vec<i64> {
    let mut all: Vec<i64> =
        (1..).take_while(|d| d * d <= n).filter(|d| n % d == 0).flat_map(|d| [d, n / d]).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn is_prime(n: i64) -> bool {
    n > 1 && (2..).take_while(|d| d * d <= n).all(|d| n % d != 0)
}

fn factors(n: i64) -> Vec<i64> {
    let (mut n, mut all, mut d) = (n, vec![], 2);
    while d * d <= n {
        while n % d == 0 {
            all.push(d);
            n /= d;
        }
        d += 1;
    }
    if n > 1 {
        all.push(n);
    }
    all
}

fn gcd_of(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd_of(b, a % b) }
}

/// Two numbers that share a factor in most cases.
fn related(rng: &mut Rng) -> (i64, i64) {
    let k = if rng.chance(0.75) { rng.magnitude(2) } else { 1 };
    (k * rng.magnitude(2), k * rng.magnitude(2))
}

fn show(n: i64, rng: &mut Rng) -> String {
    surface::integer(n, rng)
}

/// The greatest common divisor (highest common factor) of `{a}` and `{b}`.
fn gcd(rng: &mut Rng) -> Draw {
    let (a, b) = related(rng);
    count(
        vec![("a", show(a, rng)), ("b", show(b, rng))],
        [format!("Greatest common divisor of {a} and {b}."), format!("gcd of {a} and {b}.")],
        format!("import math; print(math.gcd({a}, {b}))"),
        gcd_of(a, b),
        [format!("The greatest common divisor of {a} and {b} is @."), "The gcd is @.".into()],
        rng,
    )
}

/// The greatest common divisor of the three numbers `{a}`, `{b}` and `{c}`.
fn gcd_of_three(rng: &mut Rng) -> Draw {
    let k = rng.magnitude(2);
    let [a, b, c] = [(); 3].map(|()| k * rng.int(1, 40));
    count(
        vec![("a", show(a, rng)), ("b", show(b, rng)), ("c", show(c, rng))],
        [format!("Greatest common divisor of {a}, {b} and {c}.")],
        format!("import math; print(math.gcd({a}, {b}, {c}))"),
        gcd_of(gcd_of(a, b), c),
        [format!("The greatest common divisor of {a}, {b} and {c} is @."), "The gcd is @.".into()],
        rng,
    )
}

/// The least common multiple of `{a}` and `{b}`.
fn lcm(rng: &mut Rng) -> Draw {
    let (a, b) = if rng.chance(0.5) { related(rng) } else { (rng.int(2, 60), rng.int(2, 60)) };
    count(
        vec![("a", show(a, rng)), ("b", show(b, rng))],
        [format!("Least common multiple of {a} and {b}."), format!("lcm of {a} and {b}.")],
        format!("import math; print(math.lcm({a}, {b}))"),
        a / gcd_of(a, b) * b,
        [format!("The least common multiple of {a} and {b} is @."), "The lcm is @.".into()],
        rng,
    )
}

/// The least common multiple of the three numbers `{a}`, `{b}` and `{c}`.
fn lcm_of_three(rng: &mut Rng) -> Draw {
    let [a, b, c] = [(); 3].map(|()| rng.int(2, 50));
    let ab = a / gcd_of(a, b) * b;
    count(
        vec![("a", show(a, rng)), ("b", show(b, rng)), ("c", show(c, rng))],
        [format!("Least common multiple of {a}, {b} and {c}.")],
        format!("import math; print(math.lcm({a}, {b}, {c}))"),
        ab / gcd_of(ab, c) * c,
        [format!("The least common multiple of {a}, {b} and {c} is @."), "The lcm is @.".into()],
        rng,
    )
}

/// Whether `{n}` is a prime number.
fn prime(rng: &mut Rng) -> Draw {
    let mut n = if rng.chance(0.08) { rng.int(0, 10) } else { rng.magnitude(6) };
    if rng.chance(0.5) {
        while !is_prime(n) {
            n += 1;
        }
    } else if n > 2 && rng.chance(0.7) {
        n |= 1;
    }
    decide(
        vec![("n", show(n, rng))],
        [format!("Is {n} prime?")],
        format!("from sympy import isprime; print(isprime({n}))"),
        is_prime(n),
        format!("{n} is a prime number"),
        format!("{n} is not a prime number"),
        rng,
    )
}

/// The smallest prime number that is greater than `{n}`.
fn next_prime(rng: &mut Rng) -> Draw {
    let n = rng.magnitude(5);
    let p = (n + 1..).find(|p| is_prime(*p)).expect("there is always a next prime");
    count(
        vec![("n", show(n, rng))],
        [format!("First prime after {n}."), format!("Next prime greater than {n}.")],
        format!("from sympy import nextprime; print(nextprime({n}))"),
        p,
        [format!("The next prime after {n} is @."), "It is @.".into()],
        rng,
    )
}

/// The largest prime number that is less than `{n}`.
fn previous_prime(rng: &mut Rng) -> Draw {
    let n = rng.magnitude(5).max(3);
    let p = (2..n).rev().find(|p| is_prime(*p)).expect("2 is below 3");
    count(
        vec![("n", show(n, rng))],
        [format!("Largest prime less than {n}.")],
        format!("from sympy import prevprime; print(prevprime({n}))"),
        p,
        [format!("The largest prime below {n} is @."), "It is @.".into()],
        rng,
    )
}

/// The `{nth}` (10th) prime number, 2 being the first; `{n}` is the number (10).
fn nth_prime(rng: &mut Rng) -> Draw {
    let n = if rng.chance(0.3) { rng.int(1, 30) } else { rng.magnitude(3) };
    let p = (2..).filter(|p| is_prime(*p)).nth(n as usize - 1).expect("primes do not end");
    count(
        vec![("nth", nth(n, rng)), ("n", n.to_string())],
        [format!("Prime number {n} of the primes."), format!("Prime at place {n}.")],
        format!("from sympy import prime; print(prime({n}))"),
        p,
        [format!("Prime number {n} is @."), "It is @.".into()],
        rng,
    )
}

fn interval(rng: &mut Rng, width_digits: u32) -> (i64, i64) {
    let a = if rng.chance(0.4) { 1 } else { rng.magnitude(4) };
    (a, a + rng.int(5, 12) + rng.magnitude(width_digits))
}

/// How many prime numbers there are from `{a}` to `{b}`, both included.
fn count_primes(rng: &mut Rng) -> Draw {
    let (a, b) = interval(rng, 3);
    count(
        vec![("a", show(a, rng)), ("b", show(b, rng))],
        [format!("Count the primes from {a} to {b}.")],
        format!("from sympy import primerange; print(len(list(primerange({a}, {b} + 1))))"),
        (a..=b).filter(|n| is_prime(*n)).count(),
        [format!("There are @ primes from {a} to {b}."), "There are @.".into()],
        rng,
    )
}

fn joined(all: &[i64]) -> (String, String) {
    let all: Vec<String> = all.iter().map(i64::to_string).collect();
    (python::list(&all), all.join(", "))
}

/// All prime numbers from `{a}` to `{b}`, both included, as a list.
fn list_primes(rng: &mut Rng) -> Draw {
    loop {
        let (a, b) = interval(rng, 2);
        let all: Vec<i64> = (a..=b).filter(|n| is_prime(*n)).collect();
        if all.is_empty() || all.len() > 16 {
            continue;
        }
        let (output, shown) = joined(&all);
        return call(
            vec![("a", show(a, rng)), ("b", show(b, rng))],
            [format!("Primes from {a} to {b}.")],
            format!("from sympy import primerange; print(list(primerange({a}, {b} + 1)))"),
            output,
            vec![(text(&shown), shown)],
            [format!("The primes from {a} to {b} are @."), "They are @.".into()],
            rng,
        );
    }
}

/// A number with many divisors as often as any.
fn composite(rng: &mut Rng, digits: u32) -> i64 {
    if rng.chance(0.5) {
        return rng.magnitude(digits).max(2);
    }
    let mut n = 1;
    let limit = 10i64.pow(digits);
    while n < 10 || (n < limit / 20 && rng.chance(0.8)) {
        n *= *rng.pick(&[2, 2, 2, 3, 3, 5, 5, 7, 11, 13]);
    }
    n
}

/// The prime factorisation of `{n}`, as a product of primes in order (2 × 2 × 3).
fn factorisation(rng: &mut Rng) -> Draw {
    let n = composite(rng, 5);
    let all: Vec<String> = factors(n).iter().map(i64::to_string).collect();
    words(
        vec![("n", show(n, rng))],
        [format!("Prime factors of {n}, repeated."), format!("Factor {n} into primes.")],
        format!("from sympy import factorint; print(*factorint({n}, multiple=True), sep=' × ')"),
        all.join(" × "),
        [format!("{n} = @"), format!("The prime factorisation of {n} is @.")],
        rng,
    )
}

/// The different prime factors of `{n}` (each once) as a list.
fn prime_factors(rng: &mut Rng) -> Draw {
    let n = composite(rng, 5);
    let mut all = factors(n);
    all.dedup();
    let (output, shown) = joined(&all);
    call(
        vec![("n", show(n, rng))],
        [format!("Different prime factors of {n}.")],
        format!("from sympy import primefactors; print(primefactors({n}))"),
        output,
        vec![(text(&shown), shown)],
        [format!("The prime factors of {n} are @."), "They are @.".into()],
        rng,
    )
}

/// The largest prime factor of `{n}`.
fn largest_prime_factor(rng: &mut Rng) -> Draw {
    let n = composite(rng, 6);
    let all = factors(n);
    count(
        vec![("n", show(n, rng))],
        [format!("Largest prime factor of {n}.")],
        format!("from sympy import primefactors; print(max(primefactors({n})))"),
        all[all.len() - 1],
        [format!("The largest prime factor of {n} is @."), "It is @.".into()],
        rng,
    )
}

/// The smallest prime factor of `{n}`.
fn smallest_prime_factor(rng: &mut Rng) -> Draw {
    let n = composite(rng, 6);
    count(
        vec![("n", show(n, rng))],
        [format!("Smallest prime factor of {n}.")],
        format!("from sympy import primefactors; print(min(primefactors({n})))"),
        factors(n)[0],
        [format!("The smallest prime factor of {n} is @."), "It is @.".into()],
        rng,
    )
}

/// How many divisors `{n}` has, 1 and `{n}` itself included.
fn divisor_count(rng: &mut Rng) -> Draw {
    let n = composite(rng, 4);
    count(
        vec![("n", show(n, rng))],
        [format!("Count the divisors of {n}.")],
        format!("from sympy import divisors; print(len(divisors({n})))"),
        divisors_of(n).len(),
        [format!("{n} has @ divisors."), "There are @ divisors.".into()],
        rng,
    )
}

/// The sum of all divisors of `{n}`, 1 and `{n}` itself included.
fn divisor_sum(rng: &mut Rng) -> Draw {
    let n = composite(rng, 4);
    count(
        vec![("n", show(n, rng))],
        [format!("Add the divisors of {n}.")],
        format!("from sympy import divisors; print(sum(divisors({n})))"),
        divisors_of(n).iter().sum::<i64>(),
        [format!("The divisors of {n} add up to @."), "The sum is @.".into()],
        rng,
    )
}

/// All divisors (factors) of `{n}`, 1 and `{n}` included, as a list.
fn divisors(rng: &mut Rng) -> Draw {
    loop {
        let n = composite(rng, 4);
        let all = divisors_of(n);
        if all.len() > 20 {
            continue;
        }
        let (output, shown) = joined(&all);
        return call(
            vec![("n", show(n, rng))],
            [format!("List the divisors of {n}.")],
            format!("from sympy import divisors; print(divisors({n}))"),
            output,
            vec![(text(&shown), shown)],
            [format!("The divisors of {n} are @."), "They are @.".into()],
            rng,
        );
    }
}

/// All common divisors of `{a}` and `{b}` as a list.
fn common_divisors(rng: &mut Rng) -> Draw {
    let k = rng.int(1, 60);
    let (a, b) = (k * rng.int(1, 20), k * rng.int(1, 20));
    let (output, shown) = joined(&divisors_of(gcd_of(a, b)));
    call(
        vec![("a", show(a, rng)), ("b", show(b, rng))],
        [format!("Divisors of the gcd of {a} and {b}.")],
        format!("import math; from sympy import divisors; print(divisors(math.gcd({a}, {b})))"),
        output,
        vec![(text(&shown), shown)],
        [format!("The common divisors of {a} and {b} are @."), "They are @.".into()],
        rng,
    )
}

/// Whether `{a}` is divisible by `{b}` without a remainder.
fn divisible(rng: &mut Rng) -> Draw {
    let b = rng.int(2, 30) + if rng.chance(0.2) { rng.magnitude(2) } else { 0 };
    let a = if rng.chance(0.5) { b * rng.magnitude(3) } else { rng.magnitude(6) };
    decide(
        vec![("a", show(a, rng)), ("b", show(b, rng))],
        [format!("Is the remainder of {a} by {b} zero?"), format!("Does {b} divide {a}?")],
        format!("print({a} % {b} == 0)"),
        a % b == 0,
        format!("{a} is divisible by {b}"),
        format!("{a} is not divisible by {b}"),
        rng,
    )
}

/// Whether `{a}` and `{b}` are coprime (have no common divisor but 1).
fn coprime(rng: &mut Rng) -> Draw {
    let (a, b) = if rng.chance(0.5) { related(rng) } else { (rng.magnitude(4), rng.magnitude(3)) };
    decide(
        vec![("a", show(a, rng)), ("b", show(b, rng))],
        [format!("Is the gcd of {a} and {b} one?")],
        format!("import math; print(math.gcd({a}, {b}) == 1)"),
        gcd_of(a, b) == 1,
        format!("{a} and {b} are coprime"),
        format!("{a} and {b} are not coprime"),
        rng,
    )
}

/// Euler's totient of `{n}`: how many of 1 to `{n}` are coprime to `{n}`.
fn totient(rng: &mut Rng) -> Draw {
    let n = composite(rng, 3);
    count(
        vec![("n", show(n, rng))],
        [format!("Euler's totient of {n}.")],
        format!("from sympy import totient; print(totient({n}))"),
        (1..=n).filter(|k| gcd_of(*k, n) == 1).count(),
        [format!("Euler's totient of {n} is @."), format!("phi({n}) = @")],
        rng,
    )
}

/// Whether `{n}` is a perfect number (equal to the sum of its proper divisors).
fn perfect(rng: &mut Rng) -> Draw {
    let n = if rng.chance(0.4) { *rng.pick(&[6, 28, 496, 8128]) } else { composite(rng, 4) };
    decide(
        vec![("n", show(n, rng))],
        [format!("Is {n} the sum of its proper divisors?")],
        format!("from sympy import divisors; print(sum(divisors({n})) == 2 * {n})"),
        divisors_of(n).iter().sum::<i64>() == 2 * n,
        format!("{n} is a perfect number"),
        format!("{n} is not a perfect number"),
        rng,
    )
}

/// How many multiples of `{k}` there are from `{a}` to `{b}`, both included.
fn count_multiples(rng: &mut Rng) -> Draw {
    let (a, b) = interval(rng, 3);
    let k = rng.int(2, 25);
    count(
        vec![("k", surface::count(k, rng)), ("a", show(a, rng)), ("b", show(b, rng))],
        [format!("Count the multiples of {k} from {a} to {b}.")],
        format!("print(sum(n % {k} == 0 for n in range({a}, {b} + 1)))"),
        (a..=b).filter(|n| n % k == 0).count(),
        [format!("There are @ multiples of {k} from {a} to {b}."), "There are @.".into()],
        rng,
    )
}

/// The first `{n}` positive multiples of `{k}` as a list.
fn first_multiples(rng: &mut Rng) -> Draw {
    let (k, n) = (rng.magnitude(3), rng.int(3, 12));
    let (output, shown) = joined(&(1..=n).map(|i| k * i).collect::<Vec<_>>());
    call(
        vec![("k", show(k, rng)), ("n", surface::count(n, rng))],
        [format!("First {n} multiples of {k}.")],
        format!("print([{k} * i for i in range(1, {n} + 1)])"),
        output,
        vec![(text(&shown), shown)],
        [format!("The first {n} multiples of {k} are @."), "They are @.".into()],
        rng,
    )
}
