//! How people write numbers, dates and lists in a question, and the words they use.

use jiff::civil::Date;

use crate::Rng;

/// A number as a user may type it: mostly plain, at times with thousands separators.
pub fn integer(n: i64, rng: &mut Rng) -> String {
    if n.abs() >= 1000 && rng.chance(0.15) { thousands(n) } else { n.to_string() }
}

/// `1234567` as `1,234,567`.
pub fn thousands(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut out = String::new();
    for (i, d) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(d);
    }
    if n < 0 { format!("-{out}") } else { out }
}

const ONES: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] =
    ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

/// `42` as `forty-two`, for 0 to 999.
pub fn spoken(n: i64) -> String {
    let n = n.unsigned_abs() as usize % 1000;
    match n {
        0..=19 => ONES[n].to_owned(),
        20..=99 if n.is_multiple_of(10) => TENS[n / 10].to_owned(),
        20..=99 => format!("{}-{}", TENS[n / 10], ONES[n % 10]),
        _ if n.is_multiple_of(100) => format!("{} hundred", ONES[n / 100]),
        _ => format!("{} hundred and {}", ONES[n / 100], spoken((n % 100) as i64)),
    }
}

/// A count in a story: figures, or the word for it when it is small.
pub fn count(n: i64, rng: &mut Rng) -> String {
    if (0..=20).contains(&n) && rng.chance(0.25) { spoken(n) } else { integer(n, rng) }
}

pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// A date as people write it. Never the ambiguous `03/04/2020`.
pub fn date(d: Date, rng: &mut Rng) -> String {
    let (y, m, day) = (d.year(), MONTHS[d.month() as usize - 1], d.day());
    match rng.below(10) {
        0..=3 => format!("{d}"),
        4..=5 => format!("{m} {day}, {y}"),
        6..=7 => format!("{day} {m} {y}"),
        8 => format!("{} {day}, {y}", &m[..3]),
        _ => format!("{m} {day}{}, {y}", ordinal(i64::from(day))),
    }
}

pub fn ordinal(n: i64) -> &'static str {
    match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    }
}

/// Any date from 1600 to 2400, mostly of the last and the next hundred years.
pub fn any_date(rng: &mut Rng) -> Date {
    let year = if rng.chance(0.15) { rng.int(1600, 2400) } else { rng.int(1900, 2100) };
    let month = rng.int(1, 12) as i8;
    let first = Date::new(year as i16, month, 1).expect("a first of a month exists");
    let day = rng.int(1, i64::from(first.days_in_month())) as i8;
    Date::new(year as i16, month, day).expect("the day is within its month")
}

/// `a, b, c` in one of the ways in which people list things.
pub fn list(items: &[String], rng: &mut Rng) -> String {
    match (rng.below(6), items.split_last()) {
        (0, Some((last, rest))) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        (1, _) => items.join(" "),
        (2, _) => format!("[{}]", items.join(", ")),
        (3, _) => items.join(","),
        _ => items.join(", "),
    }
}

const ONSETS: &[&str] = &[
    "b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "qu", "r", "s", "t", "v", "w", "x",
    "z", "br", "cr", "st", "tr", "pl", "gr", "sh", "ch", "th", "",
];
const VOWELS: &[&str] = &["a", "e", "i", "o", "u", "y", "ee", "oo", "ai", "ou", "ea"];
const CODAS: &[&str] = &["", "", "", "n", "r", "s", "l", "t", "m", "ck", "ll", "ss", "nt"];

/// A pronounceable word that is in no list: it trains copying.
pub fn nonsense(rng: &mut Rng) -> String {
    let syllables = rng.int(2, 4);
    let mut word = String::new();
    for _ in 0..syllables {
        for sounds in [ONSETS, VOWELS, CODAS] {
            let sound = *rng.pick::<&str>(sounds);
            word.push_str(sound);
        }
    }
    word
}

pub const NAMES: &[&str] = &[
    "Ada", "Ali", "Amara", "Ana", "Anton", "Ben", "Bianca", "Carlos", "Chen", "Clara", "Daniel",
    "Deepa", "Diego", "Elif", "Emil", "Emma", "Farid", "Fatima", "Finn", "Grace", "Hana", "Hugo",
    "Ines", "Ivan", "Jack", "Jana", "Jin", "Jonas", "Kofi", "Lars", "Layla", "Lena", "Leo", "Lina",
    "Liam", "Lucia", "Maria", "Marco", "Maya", "Mei", "Mia", "Milo", "Nadia", "Nina", "Noah",
    "Nora", "Olga", "Oscar", "Otto", "Paula", "Pedro", "Priya", "Quinn", "Raj", "Rosa", "Ruth",
    "Sam", "Sara", "Sofia", "Tariq", "Theo", "Tom", "Uma", "Vera", "Victor", "Wanda", "Yara",
    "Yuki", "Zara", "Zoe",
];
