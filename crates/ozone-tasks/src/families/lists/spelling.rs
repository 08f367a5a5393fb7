//! Words that are tested, coded and changed.

use super::vocabulary::{
    alphabet, any, capital, common, letter, letter_for, lower, nth, quoted, quoted_sentence,
    sentence, several,
};
use super::{count, decide, kind_table, words};
use crate::{Draw, Kind, Rng, python, surface};

pub(super) fn kinds() -> Vec<Kind> {
    kind_table![
        "word/palindrome" 10 palindrome,
        "word/anagram" 8 anagram,
        "word/contains" 6 contains,
        "word/upper" 8 upper,
        "word/lower" 5 lower_case,
        "word/word_count" 10 word_count,
        "word/characters" 6 characters,
        "word/caesar" 8 caesar,
        "word/caesar_back" 5 caesar_back,
        "word/replace" 8 replace,
        "word/remove_letter" 6 remove_letter,
        "word/remove_vowels" 6 remove_vowels,
        "word/initials" 6 initials,
        "word/alphabet_position" 6 alphabet_position,
        "word/alphabet_letter" 6 alphabet_letter,
        "word/starts_with" 6 starts_with,
        "word/letter_sum" 8 letter_sum,
        "word/distinct_letters" 6 distinct_letters,
        "word/repeat" 5 repeat,
        "word/spell" 5 spell,
    ]
}

/// Whether `{word}` is a palindrome (reads the same from both ends).
fn palindrome(rng: &mut Rng) -> Draw {
    const KNOWN: [&str; 14] = [
        "level", "radar", "noon", "kayak", "racecar", "rotor", "civic", "madam", "refer", "stats",
        "tenet", "deed", "rotator", "Anna",
    ];
    let w = match rng.below(4) {
        0 => (*rng.pick::<&str>(&KNOWN)).to_owned(),
        1 => {
            let half = lower(rng);
            let half = &half[..half.len().min(5)];
            let skip = rng.below(2) as usize;
            let back: String = half.chars().rev().skip(skip).collect();
            format!("{half}{back}")
        }
        _ => any(rng),
    };
    let low = w.to_lowercase();
    let yes = low == low.chars().rev().collect::<String>();
    decide(
        vec![("word", quoted(&w, rng))],
        [format!("Is {w} the same backwards?")],
        format!("w = '{w}'.lower(); print(w == w[::-1])"),
        yes,
        format!("{w} is a palindrome"),
        format!("{w} is not a palindrome"),
        rng,
    )
}

/// Whether the words `{a}` and `{b}` are anagrams of each other (the same letters rearranged).
fn anagram(rng: &mut Rng) -> Draw {
    const KNOWN: [(&str, &str); 8] = [
        ("listen", "silent"),
        ("earth", "heart"),
        ("night", "thing"),
        ("dusty", "study"),
        ("elbow", "below"),
        ("stressed", "desserts"),
        ("cider", "cried"),
        ("state", "taste"),
    ];
    let (a, b) = if rng.chance(0.2) {
        let (a, b) = *rng.pick(&KNOWN);
        (a.to_owned(), b.to_owned())
    } else {
        let a = lower(rng);
        let mut letters: Vec<char> = a.chars().collect();
        rng.shuffle(&mut letters);
        if rng.chance(0.45) {
            let at = rng.below(letters.len() as u64) as usize;
            letters[at] = alphabet(rng);
        }
        (a, letters.into_iter().collect())
    };
    let sorted = |w: &str| {
        let mut letters: Vec<char> = w.chars().collect();
        letters.sort_unstable();
        letters
    };
    let yes = sorted(&a) == sorted(&b);
    decide(
        vec![("a", quoted(&a, rng)), ("b", quoted(&b, rng))],
        [format!("Compare the sorted letters of {a} and {b}.")],
        format!("print(sorted('{a}') == sorted('{b}'))"),
        yes,
        format!("{a} and {b} are anagrams"),
        format!("{a} and {b} are not anagrams"),
        rng,
    )
}

/// Whether the letters `{part}` stand in `{word}` next to each other in this order.
fn contains(rng: &mut Rng) -> Draw {
    let w = lower(rng);
    let n = rng.int(2, 4).min(w.len() as i64 - 1) as usize;
    let at = rng.below((w.len() - n + 1) as u64) as usize;
    let mut part = w[at..at + n].to_owned();
    if rng.chance(0.45) {
        part = part.chars().rev().collect();
    }
    let yes = w.contains(&part);
    decide(
        vec![("word", quoted(&w, rng)), ("part", quoted(&part, rng))],
        [format!("Is {part} in {w}?")],
        format!("print('{part}' in '{w}')"),
        yes,
        format!("{w} contains {part}"),
        format!("{w} does not contain {part}"),
        rng,
    )
}

fn phrase(rng: &mut Rng) -> String {
    if rng.chance(0.5) { any(rng) } else { sentence(rng, 5) }
}

/// The text `{text}` (one word or some words) in capital letters.
fn upper(rng: &mut Rng) -> Draw {
    let t = phrase(rng);
    words(
        vec![("text", quoted_sentence(&t, rng))],
        ["Upper case.".into(), "Change the text to capitals.".into()],
        format!("print('{t}'.upper())"),
        t.to_uppercase(),
        ["In capitals: @".into(), "Upper case: @".into()],
        rng,
    )
}

/// The text `{text}` (which has capital letters) in lower-case letters.
fn lower_case(rng: &mut Rng) -> Draw {
    let t = phrase(rng);
    let t = if rng.chance(0.7) { t.to_uppercase() } else { capital(&t) };
    words(
        vec![("text", quoted_sentence(&t, rng))],
        ["Lower case.".into(), "Change the text to small letters.".into()],
        format!("print('{t}'.lower())"),
        t.to_lowercase(),
        ["In small letters: @".into(), "Lower case: @".into()],
        rng,
    )
}

/// How many words `{sentence}` has.
fn word_count(rng: &mut Rng) -> Draw {
    let s = sentence(rng, 14);
    let n = s.split(' ').count();
    count(
        vec![("sentence", quoted_sentence(&s, rng))],
        ["Count the words of the sentence.".into(), "Number of words.".into()],
        format!("print(len('{s}'.split()))"),
        n,
        ["There are @ words.".into(), "The sentence has @ words.".into(), "It has @ words.".into()],
        rng,
    )
}

/// How many characters `{sentence}` has, spaces counted too.
fn characters(rng: &mut Rng) -> Draw {
    let s = sentence(rng, 8);
    count(
        vec![("sentence", quoted_sentence(&s, rng))],
        ["Count the characters with spaces.".into()],
        format!("print(len('{s}'))"),
        s.len(),
        ["It has @ characters with spaces.".into(), "@ characters, spaces included.".into()],
        rng,
    )
}

fn shift(w: &str, n: i64) -> String {
    w.bytes().map(|b| char::from(((i64::from(b - b'a') + n).rem_euclid(26)) as u8 + b'a')).collect()
}

/// The word `{word}` with each letter moved `{n}` places forward in the alphabet (Caesar cipher,
/// z wraps to a). `{n}` is 1 to 25.
fn caesar(rng: &mut Rng) -> Draw {
    let (w, n) = (lower(rng), rng.int(1, 25));
    words(
        vec![("word", quoted(&w, rng)), ("n", surface::count(n, rng))],
        [format!("Shift {w} forward by {n}.")],
        format!("print(''.join(chr((ord(c) - 97 + {n}) % 26 + 97) for c in '{w}'))"),
        shift(&w, n),
        [format!("{w} shifted by {n} is @."), format!("Encoded with shift {n}: @")],
        rng,
    )
}

/// The word behind `{word}`, which was coded by moving each letter `{n}` places forward in the
/// alphabet: each letter moves `{n}` places back.
fn caesar_back(rng: &mut Rng) -> Draw {
    let (plain, n) = (lower(rng), rng.int(1, 25));
    let coded = shift(&plain, n);
    words(
        vec![("word", quoted(&coded, rng)), ("n", surface::count(n, rng))],
        [format!("Shift {coded} back by {n}.")],
        format!("print(''.join(chr((ord(c) - 97 - {n}) % 26 + 97) for c in '{coded}'))"),
        plain,
        [format!("{coded} shifted back by {n} is @."), format!("Decoded with shift {n}: @")],
        rng,
    )
}

/// The word `{word}` with each letter `{a}` replaced by the letter `{b}`.
fn replace(rng: &mut Rng) -> Draw {
    let w = lower(rng);
    let (a, b) = (letter_for(&w, rng), alphabet(rng));
    words(
        vec![("word", quoted(&w, rng)), ("a", quoted_letter(a, rng)), ("b", quoted_letter(b, rng))],
        [format!("Replace {a} by {b} in {w}.")],
        format!("print('{w}'.replace('{a}', '{b}'))"),
        w.replace(a, &b.to_string()),
        [format!("With {b} for {a}, {w} becomes @."), "The result is @.".into()],
        rng,
    )
}

fn quoted_letter(c: char, rng: &mut Rng) -> String {
    quoted(&c.to_string(), rng)
}

/// The word `{word}` without its letters `{letter}`.
fn remove_letter(rng: &mut Rng) -> Draw {
    loop {
        let w = lower(rng);
        let c = letter_for(&w, rng);
        let rest = w.replace(c, "");
        if rest.is_empty() {
            continue;
        }
        return words(
            vec![("word", quoted(&w, rng)), ("letter", letter(c, rng))],
            [format!("Remove {c} from {w}.")],
            format!("print('{w}'.replace('{c}', ''))"),
            rest,
            [format!("{w} without {c} is @."), "The result is @.".into()],
            rng,
        );
    }
}

/// The word `{word}` without its vowels (a, e, i, o, u).
fn remove_vowels(rng: &mut Rng) -> Draw {
    loop {
        let w = lower(rng);
        let rest = w.replace(|c| "aeiou".contains(c), "");
        if rest.is_empty() {
            continue;
        }
        return words(
            vec![("word", quoted(&w, rng))],
            [format!("Remove the vowels of {w}.")],
            format!("print(''.join(c for c in '{w}' if c not in 'aeiou'))"),
            rest,
            [format!("{w} without vowels is @."), "Without vowels: @".into()],
            rng,
        );
    }
}

/// The first letters of the words of `{phrase}` (2 to 6 words, or a person's names) as capitals in
/// a row: its initials, its acronym.
fn initials(rng: &mut Rng) -> Draw {
    let n = rng.int(2, 6) as usize;
    let all: Vec<String> = if rng.chance(0.3) {
        several(rng, 3).iter().map(|w| capital(w)).collect()
    } else {
        let capitals = rng.chance(0.4);
        let all: Vec<String> = (0..n).map(|_| common(rng)).collect();
        if capitals { all.iter().map(|w| capital(w)).collect() } else { all }
    };
    let letters: String = all.iter().map(|w| w[..1].to_uppercase()).collect();
    let phrase = all.join(" ");
    words(
        vec![("phrase", quoted_sentence(&phrase, rng))],
        ["First letters of the words.".into(), "Initials of the words.".into()],
        format!("print(''.join(w[0].upper() for w in '{phrase}'.split()))"),
        letters,
        ["The initials are @.".into(), "It is @.".into()],
        rng,
    )
}

/// The place of the letter `{letter}` in the alphabet (a is 1, z is 26).
fn alphabet_position(rng: &mut Rng) -> Draw {
    let c = alphabet(rng);
    count(
        vec![("letter", letter(c, rng))],
        [format!("Place of {c} in the alphabet.")],
        format!("print(ord('{c}') - 96)"),
        c as u32 - 96,
        [
            format!("{c} is letter number @ of the alphabet."),
            format!("The place of {c} in the alphabet is @."),
        ],
        rng,
    )
}

/// The `{nth}` letter (5th, fifth) of the alphabet; `{n}` is the number (5).
fn alphabet_letter(rng: &mut Rng) -> Draw {
    let n = rng.int(1, 26);
    words(
        vec![("nth", nth(n, rng)), ("n", n.to_string())],
        [format!("Letter {n} of the alphabet.")],
        format!("print(chr(96 + {n}))"),
        char::from(96 + n as u8).to_string(),
        [format!("Letter {n} of the alphabet is @."), "It is the letter @.".into()],
        rng,
    )
}

/// How many of the words `{words}` (4 to 8) begin with the letter `{letter}`.
fn starts_with(rng: &mut Rng) -> Draw {
    let c = alphabet(rng);
    let n = rng.int(4, 8) as usize;
    let mut all: Vec<String> = vec![];
    while all.len() < n {
        let mut w = lower(rng);
        if rng.chance(0.35) {
            w = format!("{c}{}", &w[1..]);
        }
        if !all.contains(&w) {
            all.push(w);
        }
    }
    let hits = all.iter().filter(|w| w.starts_with(c)).count();
    let joined = python::string(&all.join(" "));
    count(
        vec![("words", surface::list(&all, rng)), ("letter", letter(c, rng))],
        [format!("Count the words that start with {c}.")],
        format!("print(sum(w.startswith('{c}') for w in {joined}.split()))"),
        hits,
        [format!("@ of the words start with {c}."), format!("Words that start with {c}: @")],
        rng,
    )
}

/// The sum of the letters of `{word}` where a = 1, b = 2 and so on to z = 26.
fn letter_sum(rng: &mut Rng) -> Draw {
    let w = any(rng);
    let n: u32 = w.to_lowercase().bytes().map(|b| u32::from(b) - 96).sum();
    count(
        vec![("word", quoted(&w, rng))],
        [format!("Add the letter values of {w}, a = 1.")],
        format!("print(sum(ord(c) - 96 for c in '{w}'.lower()))"),
        n,
        [format!("The letters of {w} add up to @."), format!("{w} is worth @.")],
        rng,
    )
}

/// How many different letters occur in `{word}`.
fn distinct_letters(rng: &mut Rng) -> Draw {
    let w = any(rng);
    let mut letters: Vec<char> = w.to_lowercase().chars().collect();
    letters.sort_unstable();
    letters.dedup();
    count(
        vec![("word", quoted(&w, rng))],
        [format!("Count the different letters of {w}.")],
        format!("print(len(set('{w}'.lower())))"),
        letters.len(),
        [format!("{w} has @ different letters."), format!("There are @ different letters in {w}.")],
        rng,
    )
}

/// The word `{word}` written `{n}` times in a row with nothing between; `{n}` is 2 to 9.
fn repeat(rng: &mut Rng) -> Draw {
    let (w, n) = (any(rng), rng.int(2, 6));
    words(
        vec![("word", quoted(&w, rng)), ("n", surface::count(n, rng))],
        [format!("Repeat {w} {n} times.")],
        format!("print('{w}' * {n})"),
        w.repeat(n as usize),
        ["Here it is: @".into(), format!("{n} times: @")],
        rng,
    )
}

/// The letters of `{word}` one by one with hyphens between (c-a-t).
fn spell(rng: &mut Rng) -> Draw {
    let w = any(rng);
    let letters: Vec<String> = w.chars().map(String::from).collect();
    words(
        vec![("word", quoted(&w, rng))],
        [format!("Put hyphens between the letters of {w}.")],
        format!("print('-'.join('{w}'))"),
        letters.join("-"),
        [format!("{w} is spelled @."), "Letter by letter: @".into()],
        rng,
    )
}
