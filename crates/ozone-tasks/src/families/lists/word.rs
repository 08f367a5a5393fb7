//! Letters and words that are counted, sorted and cut.

use super::vocabulary::{
    any, letter, letter_for, lower, nth, quoted, quoted_sentence, sentence, several,
};
use super::{count, kind_table, words};
use crate::{Draw, Kind, Rng, python, surface};

pub(super) fn kinds() -> Vec<Kind> {
    kind_table![
        "word/length" 12 length,
        "word/count_letter" 20 count_letter,
        "word/reverse" 12 reverse,
        "word/reverse_words" 5 reverse_words,
        "word/vowels" 10 vowels,
        "word/consonants" 8 consonants,
        "word/sort" 12 sort,
        "word/sort_letters" 6 sort_letters,
        "word/longest" 8 longest,
        "word/shortest" 8 shortest,
        "word/first_alphabetically" 6 first_alphabetically,
        "word/nth_letter" 10 nth_letter,
        "word/nth_from_end" 5 nth_from_end,
        "word/first_letters" 6 first_letters,
        "word/last_letters" 6 last_letters,
        "word/position" 6 position,
    ]
}

/// A slot of a list of words, and the words as one string for `split`.
fn list_of(rng: &mut Rng, low: i64, high: i64) -> (Vec<String>, String, String) {
    let n = rng.int(low, high) as usize;
    let all = several(rng, n);
    let shown = surface::list(&all, rng);
    let joined = python::string(&all.join(" "));
    (all, shown, joined)
}

/// How many letters the word `{word}` has. `{word}` may carry its own quotation marks (in all kinds).
fn length(rng: &mut Rng) -> Draw {
    let w = any(rng);
    count(
        vec![("word", quoted(&w, rng))],
        [format!("Length of {w}."), format!("Count the letters of {w}.")],
        format!("print(len('{w}'))"),
        w.len(),
        [
            format!("The word {w} has @ letters."),
            format!("{w} has @ letters."),
            format!("There are @ letters in {w}."),
        ],
        rng,
    )
}

/// How often the letter `{letter}` occurs in the word `{word}` (upper and lower case are the same).
fn count_letter(rng: &mut Rng) -> Draw {
    let w = any(rng);
    let c = letter_for(&w, rng);
    let n = w.to_lowercase().matches(c).count();
    count(
        vec![("word", quoted(&w, rng)), ("letter", letter(c, rng))],
        [format!("Count the letter {c} in {w}."), format!("How many {c} are in {w}.")],
        format!("print('{w}'.lower().count('{c}'))"),
        n,
        [
            format!("The letter {c} occurs @ times in {w}."),
            format!("{w} has @ of the letter {c}."),
            format!("There are @ letters {c} in {w}."),
        ],
        rng,
    )
}

/// The word `{word}` written backwards.
fn reverse(rng: &mut Rng) -> Draw {
    let w = any(rng);
    let back: String = w.chars().rev().collect();
    words(
        vec![("word", quoted(&w, rng))],
        [format!("Reverse {w}."), format!("Write {w} backwards.")],
        format!("print('{w}'[::-1])"),
        back,
        [format!("{w} backwards is @."), format!("Reversed, {w} is @.")],
        rng,
    )
}

/// The words of `{sentence}` in reverse order (the words themselves stay as they are).
fn reverse_words(rng: &mut Rng) -> Draw {
    let s = sentence(rng, 7);
    let back: Vec<&str> = s.split(' ').rev().collect();
    let back = back.join(" ");
    words(
        vec![("sentence", quoted_sentence(&s, rng))],
        ["Reverse the order of the words.".into()],
        format!("print(' '.join('{s}'.split()[::-1]))"),
        back,
        ["In reverse word order: @".into(), "The words in reverse order: @".into()],
        rng,
    )
}

fn is_vowel(c: char) -> bool {
    "aeiou".contains(c.to_ascii_lowercase())
}

/// How many vowels (a, e, i, o, u) the word `{word}` has.
fn vowels(rng: &mut Rng) -> Draw {
    let w = any(rng);
    let n = w.chars().filter(|c| is_vowel(*c)).count();
    count(
        vec![("word", quoted(&w, rng))],
        [format!("Count the vowels of {w}."), format!("Vowels in {w}.")],
        format!("print(sum(c in 'aeiou' for c in '{w}'.lower()))"),
        n,
        [format!("{w} has @ vowels."), format!("There are @ vowels in {w}.")],
        rng,
    )
}

/// How many consonants (letters that are not a, e, i, o, u) the word `{word}` has.
fn consonants(rng: &mut Rng) -> Draw {
    let w = any(rng);
    let n = w.chars().filter(|c| !is_vowel(*c)).count();
    count(
        vec![("word", quoted(&w, rng))],
        [format!("Count the consonants of {w}."), format!("Consonants in {w}.")],
        format!("print(sum(c not in 'aeiou' for c in '{w}'.lower()))"),
        n,
        [format!("{w} has @ consonants."), format!("There are @ consonants in {w}.")],
        rng,
    )
}

/// The list of words `{words}` (3 to 7) in alphabetical order.
fn sort(rng: &mut Rng) -> Draw {
    let (mut all, shown, joined) = list_of(rng, 3, 7);
    all.sort();
    words(
        vec![("words", shown)],
        ["Sort the words alphabetically.".into(), "Words in alphabetical order.".into()],
        format!("print(', '.join(sorted({joined}.split())))"),
        all.join(", "),
        ["In alphabetical order: @".into(), "Sorted: @".into(), "Alphabetically: @".into()],
        rng,
    )
}

/// The letters of the word `{word}` put into alphabetical order.
fn sort_letters(rng: &mut Rng) -> Draw {
    let w = lower(rng);
    let mut letters: Vec<char> = w.chars().collect();
    letters.sort_unstable();
    words(
        vec![("word", quoted(&w, rng))],
        [format!("Sort the letters of {w}.")],
        format!("print(''.join(sorted('{w}')))"),
        letters.into_iter().collect(),
        [format!("The letters of {w} in alphabetical order are @."), "Sorted letters: @".into()],
        rng,
    )
}

/// Words of which exactly one is the longest (or the shortest, with `sign` -1).
fn extreme(rng: &mut Rng, sign: i64) -> (String, String, String) {
    loop {
        let (all, shown, joined) = list_of(rng, 2, 6);
        let key = |w: &String| sign * w.len() as i64;
        let best = all.iter().max_by_key(|w| key(w)).expect("there are two").clone();
        if all.iter().filter(|w| key(w) == key(&best)).count() == 1 {
            return (best, shown, joined);
        }
    }
}

/// Which of the words `{words}` (2 to 6) has the most letters.
fn longest(rng: &mut Rng) -> Draw {
    let (best, shown, joined) = extreme(rng, 1);
    words(
        vec![("words", shown)],
        ["Find the longest word.".into(), "Longest of the words.".into()],
        format!("print(max({joined}.split(), key=len))"),
        best,
        ["The longest word is @.".into(), "@ is the longest.".into()],
        rng,
    )
}

/// Which of the words `{words}` (2 to 6) has the fewest letters.
fn shortest(rng: &mut Rng) -> Draw {
    let (best, shown, joined) = extreme(rng, -1);
    words(
        vec![("words", shown)],
        ["Find the shortest word.".into(), "Shortest of the words.".into()],
        format!("print(min({joined}.split(), key=len))"),
        best,
        ["The shortest word is @.".into(), "@ is the shortest.".into()],
        rng,
    )
}

/// Which of the words `{words}` (2 to 5) comes first in alphabetical order.
fn first_alphabetically(rng: &mut Rng) -> Draw {
    let (all, shown, joined) = list_of(rng, 2, 5);
    let first = all.iter().min().expect("there are two").clone();
    words(
        vec![("words", shown)],
        ["Find the word that is first in alphabetical order.".into()],
        format!("print(min({joined}.split()))"),
        first,
        ["@ comes first.".into(), "Alphabetically, @ comes first.".into()],
        rng,
    )
}

/// Which letter stands at the `{nth}` place (5th, fifth) of `{word}`; `{n}` is the number (5).
fn nth_letter(rng: &mut Rng) -> Draw {
    let w = lower(rng);
    let n = rng.int(1, w.len() as i64);
    let c = &w[n as usize - 1..n as usize];
    words(
        vec![("word", quoted(&w, rng)), ("nth", nth(n, rng)), ("n", n.to_string())],
        [format!("Letter {n} of {w}.")],
        format!("print('{w}'[{n} - 1])"),
        c.to_owned(),
        [format!("Letter {n} of {w} is @."), format!("It is @: letter {n} of {w}.")],
        rng,
    )
}

/// Which letter is the `{nth}` (2nd, third) of `{word}` counted from its end; `{n}` is the number.
fn nth_from_end(rng: &mut Rng) -> Draw {
    let w = lower(rng);
    let n = rng.int(1, w.len() as i64);
    let at = w.len() - n as usize;
    words(
        vec![("word", quoted(&w, rng)), ("nth", nth(n, rng)), ("n", n.to_string())],
        [format!("Letter {n} from the end of {w}.")],
        format!("print('{w}'[-{n}])"),
        w[at..=at].to_owned(),
        [format!("Letter {n} from the end of {w} is @."), "From the end it is @.".into()],
        rng,
    )
}

/// The first `{n}` letters of `{word}`, as one string; `{n}` is 2 or more.
fn first_letters(rng: &mut Rng) -> Draw {
    let w = any(rng);
    let n = rng.int(2, w.len() as i64 - 1).max(2);
    words(
        vec![("word", quoted(&w, rng)), ("n", surface::count(n, rng))],
        [format!("First {n} letters of {w}.")],
        format!("print('{w}'[:{n}])"),
        w[..n as usize].to_owned(),
        [format!("The first {n} letters of {w} are @."), format!("{w} begins with @.")],
        rng,
    )
}

/// The last `{n}` letters of `{word}`, as one string; `{n}` is 2 or more.
fn last_letters(rng: &mut Rng) -> Draw {
    let w = any(rng);
    let n = rng.int(2, w.len() as i64 - 1).max(2);
    words(
        vec![("word", quoted(&w, rng)), ("n", surface::count(n, rng))],
        [format!("Last {n} letters of {w}.")],
        format!("print('{w}'[-{n}:])"),
        w[w.len() - n as usize..].to_owned(),
        [format!("The last {n} letters of {w} are @."), format!("{w} ends with @.")],
        rng,
    )
}

/// At which place (counted from 1) the letter `{letter}` first stands in `{word}`.
fn position(rng: &mut Rng) -> Draw {
    let w = lower(rng);
    let c = *rng.pick(&w.chars().collect::<Vec<_>>());
    let at = w.find(c).expect("it is one of its letters") + 1;
    count(
        vec![("word", quoted(&w, rng)), ("letter", letter(c, rng))],
        [format!("First position of {c} in {w}.")],
        format!("print('{w}'.index('{c}') + 1)"),
        at,
        [format!("The first {c} in {w} is at position @."), format!("Position @ in {w}.")],
        rng,
    )
}
