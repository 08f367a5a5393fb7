//! Questions in several steps: a first part that gives a whole number, and a second part that asks
//! about that number.
//!
//! Each part is a call of its own. Where the number may be long it is kept in a variable (`n`) and
//! the second call uses the variable; elsewhere the second call copies the number that was printed.

use super::date::{days_code, plus, py, two_dates};
use super::{Slots, bold_yes_no, either, yes_no};
use crate::grade::{number, text};
use crate::{Answer, Draw, Kind, Offer, Rng, Step, Value, python, surface};

pub(super) fn kinds() -> Vec<Kind> {
    let kind = |name, weight, draw| Kind { name, weight, draw };
    vec![
        // How many days lie between the dates `{a}` and `{b}`, and is that number prime? (Two
        // values: the days, yes or no.)
        kind("steps/days-prime", 25, |rng| days_and(rng, Ask::Prime)),
        // The days between `{a}` and `{b}`, and is that number even? (The days, yes or no.)
        kind("steps/days-even", 16, |rng| days_and(rng, Ask::Even)),
        // The days between `{a}` and `{b}`, and is that number odd? (The days, yes or no.)
        kind("steps/days-odd", 10, |rng| days_and(rng, Ask::Odd)),
        // The days between `{a}` and `{b}`, and is that number divisible by `{k}`? (The days, yes
        // or no.)
        kind("steps/days-divisible", 20, |rng| days_and(rng, Ask::Divisible)),
        // The days between `{a}` and `{b}`, and the remainder of that number divided by `{k}`.
        kind("steps/days-remainder", 14, |rng| days_and(rng, Ask::Remainder)),
        // The days between `{a}` and `{b}`, and its prime factorisation.
        kind("steps/days-factors", 20, |rng| days_and(rng, Ask::Factors)),
        // The days between `{a}` and `{b}`, and how many full weeks and remaining days that is
        // (three values: days, weeks, remaining days).
        kind("steps/days-weeks", 16, |rng| days_and(rng, Ask::Weeks)),
        // The days between `{a}` and `{b}`, and how many hours that is.
        kind("steps/days-hours", 14, |rng| days_and(rng, Ask::Hours)),
        // The days between `{a}` and `{b}`, and the sum of the digits of that number.
        kind("steps/days-digit-sum", 14, |rng| days_and(rng, Ask::DigitSum)),
        // In the kinds `X-then` the wording asks for a first number and ends in `{then}`, a question
        // about it without a question mark, as "is that number prime" or "what is its digit sum".
        // The reply gives both values. Days between the dates `{a}` and `{b}`:
        kind("steps/days-then", 25, |rng| clause(rng, First::Days)),
        // The product of `{a}` and `{b}`, and `{then}`.
        kind("steps/product-then", 14, |rng| clause(rng, First::Product)),
        // The sum of the numbers `{list}`, and `{then}`.
        kind("steps/sum-then", 14, |rng| clause(rng, First::Sum)),
        // `{a}` minus `{b}` (`{a}` is the larger one), and `{then}`.
        kind("steps/difference-then", 10, |rng| clause(rng, First::Difference)),
        // The greatest common divisor of `{a}` and `{b}`, and `{then}`.
        kind("steps/gcd-then", 12, |rng| clause(rng, First::Gcd)),
        // The least common multiple of `{a}` and `{b}`, and `{then}`.
        kind("steps/lcm-then", 12, |rng| clause(rng, First::Lcm)),
        // `{a}` to the power `{b}`, and `{then}`.
        kind("steps/power-then", 12, |rng| clause(rng, First::Power)),
        // The factorial of `{n}`, and `{then}`.
        kind("steps/factorial-then", 12, |rng| clause(rng, First::Factorial)),
        // The prime number number `{n}` (2 is number 1), and `{then}`. `{nth}` is the ordinal, as
        // "10th".
        kind("steps/nth-prime-then", 12, |rng| clause(rng, First::NthPrime)),
        // How many primes there are up to `{n}`, and `{then}`.
        kind("steps/primes-then", 8, |rng| clause(rng, First::Primes)),
        // The number of letters of the word `{word}`, and `{then}`.
        kind("steps/length-then", 12, |rng| clause(rng, First::Length)),
        // How many times the letter `{letter}` is in the word `{word}`, and `{then}`.
        kind("steps/letter-then", 8, |rng| clause(rng, First::Letter)),
        // The largest of the numbers `{list}`, and `{then}`.
        kind("steps/largest-then", 8, |rng| clause(rng, First::Largest)),
        // In the kinds `then-X`, `{first}` is a noun phrase for a number, as "the product of 12 and
        // 34" or "the number of days between 2020-01-01 and 2020-05-05". The reply gives two
        // values: that number, then the answer about it. Is it prime?
        kind("steps/then-prime", 14, |rng| both(rng, Ask::Prime)),
        // The number `{first}`, and is it even?
        kind("steps/then-even", 10, |rng| both(rng, Ask::Even)),
        // The number `{first}`, and is it divisible by `{k}`?
        kind("steps/then-divisible", 12, |rng| both(rng, Ask::Divisible)),
        // The number `{first}`, and its remainder when divided by `{k}`.
        kind("steps/then-remainder", 10, |rng| both(rng, Ask::Remainder)),
        // The number `{first}`, and its prime factorisation (2 × 2 × 3).
        kind("steps/then-factors", 12, |rng| both(rng, Ask::Factors)),
        // The number `{first}`, and the sum of its digits.
        kind("steps/then-digit-sum", 12, |rng| both(rng, Ask::DigitSum)),
        // The number `{first}`, and its square.
        kind("steps/then-square", 8, |rng| both(rng, Ask::Square)),
        // The number `{first}`, and its square root rounded to two decimals.
        kind("steps/then-root", 10, |rng| both(rng, Ask::Root)),
        // The number `{first}`, and the same in binary.
        kind("steps/then-binary", 10, |rng| both(rng, Ask::Binary)),
        // The number `{first}`, and `{k}` percent of it.
        kind("steps/then-percent", 10, |rng| both(rng, Ask::Percent)),
        // The number `{first}`, and that times `{k}`.
        kind("steps/then-times", 10, |rng| both(rng, Ask::Times)),
        // The number `{first}`, and that plus `{k}`.
        kind("steps/then-plus", 8, |rng| both(rng, Ask::Plus)),
        // The number `{first}`, and how many digits it has.
        kind("steps/then-digits", 8, |rng| both(rng, Ask::Digits)),
        // The number `{first}`, and how many divisors it has.
        kind("steps/then-divisors", 8, |rng| both(rng, Ask::Divisors)),
        // In the kinds `of-X` only the last value is asked for: is `{first}` (a noun phrase as
        // above) prime?
        kind("steps/of-prime", 14, |rng| last(rng, Ask::Prime)),
        // Is the number `{first}` even?
        kind("steps/of-even", 10, |rng| last(rng, Ask::Even)),
        // Is the number `{first}` divisible by `{k}`?
        kind("steps/of-divisible", 12, |rng| last(rng, Ask::Divisible)),
        // The remainder of the number `{first}` when divided by `{k}`.
        kind("steps/of-remainder", 10, |rng| last(rng, Ask::Remainder)),
        // The prime factorisation of the number `{first}`.
        kind("steps/of-factors", 12, |rng| last(rng, Ask::Factors)),
        // The sum of the digits of the number `{first}`.
        kind("steps/of-digit-sum", 12, |rng| last(rng, Ask::DigitSum)),
        // The square root of the number `{first}`, rounded to two decimals.
        kind("steps/of-root", 10, |rng| last(rng, Ask::Root)),
        // The number `{first}` in binary.
        kind("steps/of-binary", 10, |rng| last(rng, Ask::Binary)),
        // `{k}` percent of the number `{first}`.
        kind("steps/of-percent", 10, |rng| last(rng, Ask::Percent)),
        // How many digits has the number `{first}`?
        kind("steps/of-digits", 8, |rng| last(rng, Ask::Digits)),
        kind("steps/date-weekday", 20, date_weekday),
        kind("steps/gcd-lcm", 14, gcd_lcm),
        kind("steps/sum-share", 14, sum_share),
        kind("steps/leap-february", 10, leap_february),
        kind("steps/born-weekday", 12, born_weekday),
    ]
}

/// The first part: a whole number, not negative.
#[derive(Clone, Copy)]
enum First {
    Days,
    Product,
    Sum,
    Difference,
    Gcd,
    Lcm,
    Power,
    Factorial,
    NthPrime,
    Primes,
    Length,
    Letter,
    Largest,
    /// The digit sum of a product: a first part that takes two calls itself.
    DigitSum,
}

/// The question about the number.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    Prime,
    Even,
    Odd,
    Divisible,
    Remainder,
    Factors,
    DigitSum,
    Square,
    Root,
    Binary,
    Percent,
    Times,
    Plus,
    Digits,
    Divisors,
    Weeks,
    Hours,
}

struct Number {
    slots: Slots,
    /// In the question, as a noun phrase.
    phrase: String,
    /// In thoughts and replies, in canonical words.
    label: String,
    /// The calls that give it; the plan of the whole is put before the first thought.
    calls: Vec<(String, String)>,
    value: i64,
    /// The variable that holds it, where it is kept in one.
    variable: bool,
}

struct Asked {
    slots: Slots,
    /// Behind "and" in the question: `is that number prime`.
    clause: String,
    /// In the plan: `whether it is prime`.
    goal: String,
    /// The thought before its call.
    think: String,
    code: String,
    output: String,
    values: Vec<Value>,
    reply: String,
}

const WORDS: &[&str] = &[
    "banana",
    "mountain",
    "keyboard",
    "river",
    "chocolate",
    "window",
    "elephant",
    "library",
    "thunder",
    "garden",
    "orange",
    "planet",
    "bicycle",
    "umbrella",
    "strawberry",
    "teacher",
    "pineapple",
    "winter",
    "castle",
    "butterfly",
    "mississippi",
    "committee",
    "bookkeeper",
];

fn some_list(rng: &mut Rng) -> Vec<i64> {
    let (n, digits) = (rng.int(3, 7), rng.int(1, 4) as u32);
    (0..n).map(|_| rng.magnitude(digits)).collect()
}

fn shown_list(v: &[i64], rng: &mut Rng) -> String {
    surface::list(&v.iter().map(i64::to_string).collect::<Vec<_>>(), rng)
}

fn py_list(v: &[i64]) -> String {
    python::list(&v.iter().map(i64::to_string).collect::<Vec<_>>())
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn is_prime(n: i64) -> bool {
    n > 1 && (2..).take_while(|d| d * d <= n).all(|d| n % d != 0)
}

fn factors(mut n: i64) -> Vec<i64> {
    let (mut out, mut d) = (vec![], 2);
    while d * d <= n {
        if n % d == 0 {
            out.push(d);
            n /= d;
        } else {
            d += 1;
        }
    }
    if n > 1 {
        out.push(n);
    }
    out
}

fn digit_sum(n: i64) -> i64 {
    n.to_string().bytes().map(|b| i64::from(b - b'0')).sum()
}

fn a_word(rng: &mut Rng) -> String {
    if rng.chance(0.5) { surface::nonsense(rng) } else { (*rng.pick(WORDS)).to_owned() }
}

/// Two numbers with a common divisor, more often than not.
fn with_common(rng: &mut Rng) -> (i64, i64) {
    let g = rng.int(1, 40);
    (g * rng.int(2, 60), g * rng.int(2, 60))
}

impl First {
    const ANY: &'static [First] = &[
        First::Days,
        First::Days,
        First::Product,
        First::Product,
        First::Sum,
        First::Difference,
        First::Gcd,
        First::Lcm,
        First::Power,
        First::Factorial,
        First::NthPrime,
        First::Primes,
        First::Length,
        First::Letter,
        First::Largest,
        First::DigitSum,
    ];

    fn draw(self, rng: &mut Rng) -> Number {
        let made = |slots: Slots, phrase: String, label: String, code: String, value: i64| Number {
            slots,
            phrase,
            label,
            calls: vec![(String::new(), code)],
            value,
            variable: false,
        };
        let kept = |mut n: Number, before: &str, expression: &str| {
            n.calls = vec![(String::new(), format!("{before}n = {expression}; print(n)"))];
            n.variable = true;
            n
        };
        match self {
            First::Days => {
                let (a, b) = two_dates(rng);
                let (x, y) = (surface::date(a, rng), surface::date(b, rng));
                let phrase = match rng.below(5) {
                    0 => format!("the number of days from {x} to {y}"),
                    1 => format!("the days between {x} and {y}"),
                    2 => format!("the distance in days between {x} and {y}"),
                    _ => format!("the number of days between {x} and {y}"),
                };
                let label = format!("the days between {a} and {b}");
                let value = i64::from((b - a).get_days());
                made(vec![("a", x), ("b", y)], phrase, label, days_code(a, b), value)
            }
            First::Product => {
                let (a, b) = (rng.magnitude(4), rng.magnitude(4));
                let (x, y) = (surface::integer(a, rng), surface::integer(b, rng));
                let phrase = match rng.below(5) {
                    0 => format!("{x} times {y}"),
                    1 => format!("{x} * {y}"),
                    2 => format!("{x} multiplied by {y}"),
                    _ => format!("the product of {x} and {y}"),
                };
                let code = format!("{a} * {b}");
                let n = made(
                    vec![("a", x), ("b", y)],
                    phrase,
                    format!("{a} * {b}"),
                    String::new(),
                    a * b,
                );
                kept(n, "", &code)
            }
            First::Sum => {
                let v = some_list(rng);
                let x = shown_list(&v, rng);
                let phrase = match rng.below(4) {
                    0 => format!("the total of {x}"),
                    1 => format!("the sum of the numbers {x}"),
                    _ => format!("the sum of {x}"),
                };
                let code = format!("print(sum({}))", py_list(&v));
                let label = format!("the sum of {}", py_list(&v));
                made(vec![("list", x)], phrase, label, code, v.iter().sum())
            }
            First::Difference => {
                let (mut a, mut b) = (rng.magnitude(6), rng.magnitude(6));
                if a < b {
                    (a, b) = (b, a);
                }
                let (x, y) = (surface::integer(a, rng), surface::integer(b, rng));
                let phrase = match rng.below(3) {
                    0 => format!("{x} minus {y}"),
                    1 => format!("{x} - {y}"),
                    _ => format!("the difference of {x} and {y}"),
                };
                let code = format!("print({a} - {b})");
                made(vec![("a", x), ("b", y)], phrase, format!("{a} - {b}"), code, a - b)
            }
            First::Gcd => {
                let (a, b) = with_common(rng);
                let (x, y) = (a.to_string(), b.to_string());
                let phrase = match rng.below(4) {
                    0 => format!("gcd({x}, {y})"),
                    1 => format!("the gcd of {x} and {y}"),
                    2 => format!("the highest common factor of {x} and {y}"),
                    _ => format!("the greatest common divisor of {x} and {y}"),
                };
                let code = format!("import math; print(math.gcd({a}, {b}))");
                let label = format!("the gcd of {a} and {b}");
                made(vec![("a", x), ("b", y)], phrase, label, code, gcd(a, b))
            }
            First::Lcm => {
                let (a, b) = with_common(rng);
                let (x, y) = (a.to_string(), b.to_string());
                let phrase = match rng.below(4) {
                    0 => format!("lcm({x}, {y})"),
                    1 => format!("the lcm of {x} and {y}"),
                    2 => format!("the lowest common multiple of {x} and {y}"),
                    _ => format!("the least common multiple of {x} and {y}"),
                };
                let code = format!("import math; print(math.lcm({a}, {b}))");
                let label = format!("the lcm of {a} and {b}");
                made(vec![("a", x), ("b", y)], phrase, label, code, a / gcd(a, b) * b)
            }
            First::Power => {
                let a = rng.int(2, 30);
                let most = (1..).take_while(|e| a.pow(*e) < 1_000_000_000).count() as i64;
                let b = rng.int(2, most.min(15));
                let phrase = match rng.below(5) {
                    0 => format!("{a}^{b}"),
                    1 => format!("{a}**{b}"),
                    2 => format!("{a} to the power of {b}"),
                    3 => format!("the {b}{} power of {a}", surface::ordinal(b)),
                    _ => format!("{a} raised to the power {b}"),
                };
                let n = made(
                    vec![("a", a.to_string()), ("b", b.to_string())],
                    phrase,
                    format!("{a}^{b}"),
                    String::new(),
                    a.pow(b as u32),
                );
                kept(n, "", &format!("{a} ** {b}"))
            }
            First::Factorial => {
                let a = rng.int(2, 12);
                let x = a.to_string();
                let phrase = match rng.below(3) {
                    0 => format!("{x}!"),
                    1 => format!("{x} factorial"),
                    _ => format!("the factorial of {x}"),
                };
                let n = made(
                    vec![("n", x)],
                    phrase,
                    format!("the factorial of {a}"),
                    String::new(),
                    (1..=a).product(),
                );
                kept(n, "import math; ", &format!("math.factorial({a})"))
            }
            First::NthPrime => {
                let n = rng.magnitude(3);
                let nth = format!("{n}{}", surface::ordinal(n));
                let value =
                    (2..).filter(|p| is_prime(*p)).nth(n as usize - 1).expect("primes never end");
                let phrase = match rng.below(3) {
                    0 => format!("prime number {n}"),
                    1 => format!("the {nth} prime"),
                    _ => format!("the {nth} prime number"),
                };
                let code = format!("from sympy import prime; print(prime({n}))");
                let slots = vec![("n", n.to_string()), ("nth", nth)];
                made(slots, phrase, format!("prime number {n}"), code, value)
            }
            First::Primes => {
                let n = several(rng, 4);
                let phrase = match rng.below(2) {
                    0 => format!("the number of primes up to {n}"),
                    _ => format!("the count of prime numbers up to {n}"),
                };
                let value = (2..=n).filter(|p| is_prime(*p)).count() as i64;
                let code = format!(
                    "from sympy import primerange; print(len(list(primerange(1, {n} + 1))))"
                );
                let label = format!("the number of primes up to {n}");
                made(vec![("n", n.to_string())], phrase, label, code, value)
            }
            First::Length => {
                let word = a_word(rng);
                let quoted = quoted(&word, rng);
                let phrase = match rng.below(3) {
                    0 => format!("the length of {quoted}"),
                    1 => format!("the length of the word {quoted}"),
                    _ => format!("the number of letters in {quoted}"),
                };
                let code = format!("print(len('{word}'))");
                let label = format!("the length of {word}");
                let value = word.len() as i64;
                made(vec![("word", quoted)], phrase, label, code, value)
            }
            First::Letter => {
                let word = a_word(rng);
                let at = rng.below(word.len() as u64) as usize;
                let letter = word[at..=at].to_owned();
                let quoted = quoted(&word, rng);
                let phrase = match rng.below(2) {
                    0 => format!("the number of {letter}'s in {quoted}"),
                    _ => format!("the count of the letter {letter} in {quoted}"),
                };
                let code = format!("print('{word}'.count('{letter}'))");
                let label = format!("the letters {letter} in {word}");
                let value = word.matches(&letter).count() as i64;
                made(vec![("word", quoted), ("letter", letter)], phrase, label, code, value)
            }
            First::Largest => {
                let v = some_list(rng);
                let x = shown_list(&v, rng);
                let phrase = match rng.below(3) {
                    0 => format!("the maximum of {x}"),
                    1 => format!("the biggest of {x}"),
                    _ => format!("the largest of {x}"),
                };
                let code = format!("print(max({}))", py_list(&v));
                let label = format!("the largest of {}", py_list(&v));
                made(vec![("list", x)], phrase, label, code, *v.iter().max().unwrap_or(&0))
            }
            First::DigitSum => {
                let mut n = rng
                    .pick(&[First::Product, First::Power, First::Days, First::Factorial])
                    .draw(rng);
                let word = *rng.pick(&["digit sum", "sum of the digits", "sum of digits"]);
                let sum = digit_sum(n.value);
                n.phrase = format!("the {word} of {}", n.phrase);
                n.label = format!("the digit sum of {}", n.label);
                let at = n.name();
                n.calls[0].0 = n.value.to_string();
                n.calls.push((
                    String::new(),
                    format!("print(sum(int(d) for d in {}))", digits_of(&at)),
                ));
                n.value = sum;
                n.variable = false;
                n.slots.clear();
                n
            }
        }
    }
}

/// At least 2.
fn several(rng: &mut Rng, digits: u32) -> i64 {
    rng.magnitude(digits).max(2)
}

fn quoted(word: &str, rng: &mut Rng) -> String {
    match rng.below(4) {
        0 => format!("'{word}'"),
        1 => format!("\"{word}\""),
        _ => word.to_owned(),
    }
}

impl Number {
    /// How code refers to it.
    fn name(&self) -> String {
        if self.variable { "n".into() } else { self.value.to_string() }
    }

    fn steps(&self, goal: &str) -> Vec<Step> {
        let last = self.calls.len() - 1;
        let mut steps = vec![];
        for (i, (printed, code)) in self.calls.iter().enumerate() {
            let think = if i == 0 {
                format!("First {}, then {goal}.", self.label)
            } else {
                format!("The digit sum of {}.", self.calls[i - 1].0)
            };
            let output = if i == last { self.value.to_string() } else { printed.clone() };
            steps.push(Step::new(think, code.clone(), output));
        }
        steps
    }
}

impl Ask {
    const ANY: &'static [Ask] = &[
        Ask::Prime,
        Ask::Prime,
        Ask::Even,
        Ask::Odd,
        Ask::Divisible,
        Ask::Divisible,
        Ask::Remainder,
        Ask::Factors,
        Ask::DigitSum,
        Ask::DigitSum,
        Ask::Square,
        Ask::Root,
        Ask::Binary,
        Ask::Percent,
        Ask::Times,
        Ask::Plus,
        Ask::Digits,
        Ask::Divisors,
    ];

    /// Asks about `n`, which code refers to as `at`.
    fn draw(self, n: i64, at: &str, rng: &mut Rng) -> Asked {
        let it = *rng.pick(&["it", "that", "that number", "the result"]);
        let its = *rng.pick(&["its", "that number's", "the result's"]);
        let yes = |b: bool, goal: &str, words: [&str; 2], code: String, clause: String| Asked {
            slots: vec![],
            clause,
            goal: format!("whether it is {goal}"),
            think: format!("Is {n} {goal}?"),
            code,
            output: python::boolean(b).to_owned(),
            values: vec![text(yes_no(b))],
            reply: format!("{}, {n} is {}.", bold_yes_no(b), words[usize::from(b)]),
        };
        let value = |goal: &str, shown: &str, output: String, code: String, clause: String| Asked {
            slots: vec![],
            clause,
            goal: goal.to_owned(),
            think: format!("{}.", cap(&shown.replace("N", &n.to_string()))),
            code,
            values: vec![number(&output)],
            reply: format!("{} is **{output}**.", cap(&shown.replace("N", &n.to_string()))),
            output,
        };
        let k;
        let mut asked = match self {
            Ask::Prime => {
                let clause = either(
                    rng,
                    [
                        format!("is {it} prime"),
                        format!("is {it} a prime number"),
                        format!("is {it} a prime"),
                        format!("do we have a prime there: is {it} one"),
                    ],
                );
                let code = format!("from sympy import isprime; print(isprime({at}))");
                return yes(is_prime(n), "prime", ["not prime", "prime"], code, clause);
            }
            Ask::Even => {
                let clause =
                    either(rng, [format!("is {it} even"), format!("is {it} an even number")]);
                let code = format!("print({at} % 2 == 0)");
                return yes(n % 2 == 0, "even", ["odd", "even"], code, clause);
            }
            Ask::Odd => {
                let clause =
                    either(rng, [format!("is {it} odd"), format!("is {it} an odd number")]);
                let code = format!("print({at} % 2 == 1)");
                return yes(n % 2 == 1, "odd", ["even", "odd"], code, clause);
            }
            Ask::Divisible => {
                k = divisor(n, rng);
                let clause = either(
                    rng,
                    [
                        format!("is {it} divisible by {k}"),
                        format!("can {it} be divided by {k} without remainder"),
                        format!("is {it} a multiple of {k}"),
                    ],
                );
                let words = [format!("not divisible by {k}"), format!("divisible by {k}")];
                let code = format!("print({at} % {k} == 0)");
                let goal = format!("divisible by {k}");
                yes(n % k == 0, &goal, [&words[0], &words[1]], code, clause)
            }
            Ask::Remainder => {
                k = divisor(n, rng);
                let clause = either(
                    rng,
                    [
                        format!("what is {its} remainder when divided by {k}"),
                        format!("what remains when {it} is divided by {k}"),
                        format!("what is {it} modulo {k}"),
                    ],
                );
                value(
                    &format!("its remainder by {k}"),
                    &format!("the remainder of N by {k}"),
                    (n % k).to_string(),
                    format!("print({at} % {k})"),
                    clause,
                )
            }
            Ask::Factors => {
                let clause = either(
                    rng,
                    [
                        format!("what is {its} factorisation into primes"),
                        format!("how does {it} factor into primes"),
                        format!("what is {its} prime factorisation"),
                        format!("what is {its} prime factorization"),
                    ],
                );
                let all: Vec<String> = factors(n).iter().map(i64::to_string).collect();
                let all = all.join(" × ");
                return Asked {
                    slots: vec![],
                    clause,
                    goal: "its prime factorisation".into(),
                    think: format!("Factor {n} into primes."),
                    code: format!(
                        "from sympy import factorint; print(*factorint({at}, multiple=True), sep=' × ')"
                    ),
                    output: all.clone(),
                    values: vec![text(&all)],
                    reply: format!("The prime factorisation of {n} is **{all}**."),
                };
            }
            Ask::DigitSum => {
                let clause = either(
                    rng,
                    [
                        format!("what is {its} digit sum"),
                        format!("what do {its} digits add up to"),
                        format!("what is the sum of {its} digits"),
                    ],
                );
                return value(
                    "its digit sum",
                    "the digit sum of N",
                    digit_sum(n).to_string(),
                    format!("print(sum(int(d) for d in {}))", digits_of(at)),
                    clause,
                );
            }
            Ask::Square => {
                let clause =
                    either(rng, [format!("what is {its} square"), format!("what is {it} squared")]);
                let code = format!("print({at} ** 2)");
                return value("its square", "the square of N", square(n), code, clause);
            }
            Ask::Root => {
                let clause = either(
                    rng,
                    [
                        format!("what is {its} square root to two decimals"),
                        format!("what is the square root of {it}, rounded to 2 decimals"),
                    ],
                );
                return value(
                    "its square root",
                    "the square root of N",
                    python::rounded((n as f64).sqrt(), 2),
                    format!("print(round({at} ** 0.5, 2))"),
                    clause,
                );
            }
            Ask::Binary => {
                let clause = either(
                    rng,
                    [
                        format!("what is {it} in binary"),
                        format!("how is {it} written in binary"),
                        format!("what does {it} look like in base 2"),
                    ],
                );
                let code = format!("print(bin({at})[2:])");
                return value("it in binary", "N in binary", format!("{n:b}"), code, clause);
            }
            Ask::Percent => {
                k = *rng.pick(&[1, 2, 5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 80, 90, 120]);
                let clause = either(
                    rng,
                    [
                        format!("how much is {k}% of {it}"),
                        format!("what is {k} percent of {it}"),
                        format!("what is {k} % of {it}"),
                    ],
                );
                value(
                    &format!("{k} % of it"),
                    &format!("{k} % of N"),
                    python::float((n * k) as f64 / 100.0),
                    format!("print({at} * {k} / 100)"),
                    clause,
                )
            }
            Ask::Times => {
                k = rng.int(2, 60);
                let clause = either(
                    rng,
                    [
                        format!("what is {it} times {k}"),
                        format!("what is {it} multiplied by {k}"),
                        format!("how much is {k} times {it}"),
                    ],
                );
                value(
                    &format!("that times {k}"),
                    &format!("N * {k}"),
                    (n * k).to_string(),
                    format!("print({at} * {k})"),
                    clause,
                )
            }
            Ask::Plus => {
                k = rng.magnitude(4);
                let clause = either(
                    rng,
                    [
                        format!("what is {it} plus {k}"),
                        format!("what do I get when I add {k} to {it}"),
                    ],
                );
                value(
                    &format!("that plus {k}"),
                    &format!("N + {k}"),
                    (n + k).to_string(),
                    format!("print({at} + {k})"),
                    clause,
                )
            }
            Ask::Digits => {
                let clause = either(
                    rng,
                    [
                        format!("how many digits does {it} have"),
                        format!("how many digits has {it}"),
                    ],
                );
                return value(
                    "how many digits it has",
                    "the number of digits of N",
                    n.to_string().len().to_string(),
                    format!("print(len({}))", digits_of(at)),
                    clause,
                );
            }
            Ask::Divisors => {
                let clause = either(
                    rng,
                    [
                        format!("how many divisors does {it} have"),
                        format!("by how many whole numbers is {it} divisible"),
                    ],
                );
                let mut count = 1;
                let all = factors(n);
                for (i, p) in all.iter().enumerate() {
                    if i == 0 || all[i - 1] != *p {
                        count *= all.iter().filter(|q| *q == p).count() + 1;
                    }
                }
                return value(
                    "how many divisors it has",
                    "the number of divisors of N",
                    count.to_string(),
                    format!("from sympy import divisors; print(len(divisors({at})))"),
                    clause,
                );
            }
            Ask::Weeks => {
                let (w, d) = (n / 7, n % 7);
                return Asked {
                    slots: vec![],
                    clause: format!("how many weeks and days is {it}"),
                    goal: "weeks and days".into(),
                    think: format!("{n} days in weeks and days."),
                    code: format!("print(divmod({at}, 7))"),
                    output: format!("({w}, {d})"),
                    values: vec![number(w), number(d)],
                    reply: format!("That is **{w}** weeks and **{d}** days."),
                };
            }
            Ask::Hours => {
                let h = n * 24;
                return Asked {
                    slots: vec![],
                    clause: format!("how many hours is {it}"),
                    goal: "that in hours".into(),
                    think: format!("{n} days in hours."),
                    code: format!("print({at} * 24)"),
                    output: h.to_string(),
                    values: vec![number(h)],
                    reply: format!("That is **{h}** hours."),
                };
            }
        };
        asked.slots.push(("k", k.to_string()));
        asked
    }

    /// Whether the question makes sense for `n`.
    fn fits(self, n: i64) -> bool {
        match self {
            Ask::Factors | Ask::Divisors => n >= 2,
            Ask::Square => n < 1_000_000_000,
            _ => n >= 1,
        }
    }
}

/// The digits of `at`, a number or the variable that holds it, as Python text.
fn digits_of(at: &str) -> String {
    if at == "n" { "str(n)".into() } else { format!("'{at}'") }
}

fn square(n: i64) -> String {
    (i128::from(n) * i128::from(n)).to_string()
}

/// A divisor of `n` in nearly half of the draws.
fn divisor(n: i64, rng: &mut Rng) -> i64 {
    let d = if rng.chance(0.7) { rng.int(2, 13) } else { rng.int(2, 99) };
    if rng.chance(0.3) {
        let fitting: Vec<i64> = (2..=30).filter(|d| n % d == 0).collect();
        if !fitting.is_empty() {
            return *rng.pick(&fitting);
        }
    }
    d
}

fn cap(words: &str) -> String {
    let mut chars = words.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

fn drawn(
    first: impl Fn(&mut Rng) -> First,
    ask: impl Fn(&mut Rng) -> Ask,
    rng: &mut Rng,
) -> (Number, Asked) {
    loop {
        let n = first(rng).draw(rng);
        let a = ask(rng);
        if a.fits(n.value) {
            let asked = a.draw(n.value, &n.name(), rng);
            return (n, asked);
        }
    }
}

/// Puts the two parts together; with `both` the reply gives the first value too.
fn joined(n: Number, mut asked: Asked, slots: Slots, both: bool, rng: &mut Rng) -> Draw {
    let value = n.value;
    let mut steps = n.steps(&asked.goal);
    steps.push(Step::new(asked.think, asked.code, asked.output));
    let (answer, reply) = if both {
        let first = either(
            rng,
            [
                format!("{} is **{value}**.", cap(&n.label)),
                format!("The first result is **{value}**."),
            ],
        );
        let first = if n.label.starts_with("the days") {
            format!("It is **{value}** days.")
        } else {
            first
        };
        let mut values = asked.values;
        values.insert(0, number(value));
        (Answer::Values(values), format!("{first} {}", asked.reply))
    } else {
        let answer = Answer::Following { on_the_way: number(value), values: asked.values };
        (answer, asked.reply)
    };
    let mut all = slots;
    all.append(&mut asked.slots);
    Draw { slots: all, answer, steps, think: String::new(), reply, offer: Offer::Python }
}

/// Days between `{a}` and `{b}` and one question about them.
fn days_and(rng: &mut Rng, ask: Ask) -> Draw {
    let (n, asked) = drawn(|_| First::Days, |_| ask, rng);
    let slots = n.slots.clone();
    joined(n, asked, slots, true, rng)
}

/// One first part, any question behind it as `{then}`.
fn clause(rng: &mut Rng, first: First) -> Draw {
    let (n, asked) = drawn(|_| first, |rng| *rng.pick(Ask::ANY), rng);
    let mut slots = n.slots.clone();
    slots.push(("then", asked.clause.clone()));
    joined(n, asked, slots, true, rng)
}

/// Any first part as `{first}`, and one question; both values.
fn both(rng: &mut Rng, ask: Ask) -> Draw {
    let (n, asked) = drawn(|rng| *rng.pick(First::ANY), |_| ask, rng);
    let slots = vec![("first", n.phrase.clone())];
    joined(n, asked, slots, true, rng)
}

/// Any first part as `{first}`, and one question; the last value alone.
fn last(rng: &mut Rng, ask: Ask) -> Draw {
    let (n, asked) = drawn(|rng| *rng.pick(First::ANY), |_| ask, rng);
    let slots = vec![("first", n.phrase.clone())];
    joined(n, asked, slots, false, rng)
}

fn two_calls(slots: Slots, steps: [Step; 2], values: Vec<Value>, reply: String) -> Draw {
    let answer = Answer::Values(values);
    let (steps, think, offer) = (steps.to_vec(), String::new(), Offer::Python);
    Draw { slots, answer, steps, think, reply, offer }
}

fn weekday_step(d: jiff::civil::Date) -> (Step, &'static str) {
    let w = surface::WEEKDAYS[d.weekday().to_monday_zero_offset() as usize];
    let code = format!("from datetime import date; print({}.strftime('%A'))", py(d));
    (Step::new(format!("Weekday of {d}."), code, w), w)
}

/// Which date is `{n}` days after the date `{a}`, and which weekday is that? (Date, weekday.)
fn date_weekday(rng: &mut Rng) -> Draw {
    let (a, n) = (surface::any_date(rng), several(rng, 4));
    let d = plus(a, n);
    let code =
        format!("from datetime import date, timedelta; print({} + timedelta(days={n}))", py(a));
    let (second, w) = weekday_step(d);
    let think = format!("First {a} plus {n} days, then the weekday.");
    two_calls(
        vec![("a", surface::date(a, rng)), ("n", surface::integer(n, rng))],
        [Step::new(think, code, d.to_string()), second],
        vec![text(d.to_string()), text(w)],
        either(rng, [format!("It is **{d}**, a **{w}**."), format!("**{d}**, **{w}**")]),
    )
}

/// Both the greatest common divisor and the least common multiple of `{a}` and `{b}`, in this order.
fn gcd_lcm(rng: &mut Rng) -> Draw {
    let (a, b) = with_common(rng);
    let g = gcd(a, b);
    let l = a / g * b;
    two_calls(
        vec![("a", a.to_string()), ("b", b.to_string())],
        [
            Step::new(
                format!("First the gcd of {a} and {b}, then the lcm."),
                format!("import math; print(math.gcd({a}, {b}))"),
                g.to_string(),
            ),
            Step::new(
                format!("The lcm of {a} and {b}."),
                format!("import math; print(math.lcm({a}, {b}))"),
                l.to_string(),
            ),
        ],
        vec![number(g), number(l)],
        either(
            rng,
            [
                format!("The gcd is **{g}** and the lcm is **{l}**."),
                format!("gcd **{g}**, lcm **{l}**"),
            ],
        ),
    )
}

/// The sum of the numbers `{list}`, and how many percent of that sum `{x}` (one of them) is, rounded
/// to one decimal.
fn sum_share(rng: &mut Rng) -> Draw {
    let v = some_list(rng);
    let x = *rng.pick(&v);
    let n: i64 = v.iter().sum();
    let p = python::rounded((100 * x) as f64 / n as f64, 1);
    two_calls(
        vec![("list", shown_list(&v, rng)), ("x", x.to_string())],
        [
            Step::new(
                format!("First the sum of {}, then the share of {x}.", py_list(&v)),
                format!("print(sum({}))", py_list(&v)),
                n.to_string(),
            ),
            Step::new(
                format!("{x} in percent of {n}."),
                format!("print(round(100 * {x} / {n}, 1))"),
                p.clone(),
            ),
        ],
        vec![number(n), number(&p)],
        either(
            rng,
            [
                format!("The sum is **{n}**, and {x} is **{p}** percent of it."),
                format!("The sum is **{n}** and the share is **{p}** %."),
            ],
        ),
    )
}

/// Is the year `{y}` a leap year, and how many days has its February? (Yes or no, the days.)
fn leap_february(rng: &mut Rng) -> Draw {
    let y = if rng.chance(0.3) { rng.int(400, 600) * 4 } else { rng.int(1600, 2400) };
    let leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    let n = 28 + i64::from(leap);
    let not = if leap { "" } else { "not " };
    two_calls(
        vec![("y", y.to_string())],
        [
            Step::new(
                format!("First whether {y} is a leap year, then February."),
                format!("import calendar; print(calendar.isleap({y}))"),
                python::boolean(leap),
            ),
            Step::new(
                format!("Days in February {y}."),
                format!("import calendar; print(calendar.monthrange({y}, 2)[1])"),
                n.to_string(),
            ),
        ],
        vec![text(yes_no(leap)), number(n)],
        format!("{}, {y} is {not}a leap year. February has **{n}** days.", bold_yes_no(leap)),
    )
}

/// On which weekday was somebody born whose birthday is `{a}`, and how many days old is that person
/// on the later date `{b}`? (Weekday, days.)
fn born_weekday(rng: &mut Rng) -> Draw {
    let a = surface::any_date(rng);
    let b = plus(a, rng.int(200, 36000));
    let n = i64::from((b - a).get_days());
    let (mut first, w) = weekday_step(a);
    first.think = format!("First the weekday of {a}, then the days to {b}.");
    two_calls(
        vec![("a", surface::date(a, rng)), ("b", surface::date(b, rng))],
        [first, Step::new(format!("Days between {a} and {b}."), days_code(a, b), n.to_string())],
        vec![text(w), number(n)],
        format!("It was a **{w}**, and on {b} it is **{n}** days."),
    )
}
