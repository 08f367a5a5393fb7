//! Words to count letters in, and what else is drawn for the kinds on words.

use crate::{Rng, surface};

const COMMON: &str = "\
apple banana cherry orange strawberry raspberry blueberry pineapple lemon melon peach plum grape \
mango papaya apricot pear fig coconut tomato potato carrot onion garlic spinach cabbage pepper \
cucumber pumpkin bread butter cheese milk coffee tea sugar honey chocolate vanilla cinnamon rice \
pasta noodle sandwich breakfast dinner kitchen table chair window door floor ceiling garden house \
apartment building street bridge river mountain valley ocean island forest desert weather thunder \
lightning rainbow sunshine winter summer autumn spring january monday wednesday weekend holiday \
morning evening midnight calendar clock minute second hour year century history science physics \
chemistry biology mathematics geometry algebra equation triangle square circle rectangle hexagon \
number letter alphabet sentence paragraph grammar vocabulary dictionary library book novel poem \
story author teacher student school university college classroom homework question answer exam \
pencil paper notebook computer keyboard mouse monitor printer internet software program function \
variable python language english german french spanish italian country city village capital \
government president minister parliament election democracy freedom justice police doctor nurse \
hospital medicine dentist engineer architect carpenter plumber farmer baker butcher lawyer judge \
soldier captain pilot driver bicycle motorcycle airplane helicopter train station airport ticket \
passport luggage suitcase hotel restaurant museum theatre cinema concert music piano guitar violin \
trumpet drum orchestra painting picture camera photograph television radio newspaper magazine \
football basketball tennis volleyball swimming running marathon champion victory trophy team \
player coach stadium elephant giraffe lion tiger monkey kangaroo penguin dolphin whale shark \
octopus butterfly spider scorpion crocodile tortoise rabbit hamster squirrel hedgehog eagle parrot \
pigeon sparrow chicken turkey horse donkey sheep goat cattle dragon unicorn wizard castle princess \
kingdom treasure adventure mystery secret shadow mirror candle blanket pillow mattress curtain \
carpet ladder hammer screwdriver bucket basket bottle glass spoon knife fork plate umbrella jacket \
sweater trousers gloves scarf necklace bracelet diamond emerald sapphire silver golden copper iron \
oxygen hydrogen nitrogen carbon planet galaxy universe satellite telescope rocket astronaut gravity \
energy electricity battery magnet engine machine factory business company manager employee meeting \
contract invoice payment account balance budget profit market customer product service quality \
success failure happiness sadness courage patience kindness honesty friendship family mother father \
brother sister daughter grandmother neighbour children beautiful wonderful excellent important \
different difficult dangerous comfortable necessary successful accommodation committee mississippi \
bookkeeper onomatopoeia rhythm queue zebra quiz jazz puzzle bubble balloon assassin abracadabra \
parallel millennium occurrence embarrassment possession address cat dog sun sky hat cup map key box \
bee eye ice oak pie tree fish bird snow star moon wind fire rain road ship";

/// A word of everyday language.
pub(super) fn common(rng: &mut Rng) -> String {
    let all: Vec<&str> = COMMON.split(' ').collect();
    (*rng.pick::<&str>(&all)).to_owned()
}

/// A common word, or half of the time one that is in no list. Lower case.
pub(super) fn lower(rng: &mut Rng) -> String {
    loop {
        let word = if rng.chance(0.5) { common(rng) } else { surface::nonsense(rng) };
        if (3..=16).contains(&word.len()) {
            return word;
        }
    }
}

/// As [`lower`], at times with a capital or in capitals.
pub(super) fn any(rng: &mut Rng) -> String {
    let word = lower(rng);
    match rng.below(20) {
        0..=2 => capital(&word),
        3 => word.to_uppercase(),
        _ => word,
    }
}

pub(super) fn capital(word: &str) -> String {
    format!("{}{}", word[..1].to_uppercase(), &word[1..])
}

/// `n` different words in one case, names at times.
pub(super) fn several(rng: &mut Rng, n: usize) -> Vec<String> {
    if rng.chance(0.2) {
        return rng.sample(surface::NAMES, n).iter().map(|w| (*w).to_owned()).collect();
    }
    let capitals = rng.chance(0.1);
    let mut all: Vec<String> = vec![];
    while all.len() < n {
        let word = lower(rng);
        if !all.contains(&word) {
            all.push(word);
        }
    }
    if capitals { all.iter().map(|w| capital(w)).collect() } else { all }
}

/// Words in a row, lower case or with a first capital.
pub(super) fn sentence(rng: &mut Rng, words_max: i64) -> String {
    const SMALL: [&str; 16] = [
        "the", "a", "my", "of", "in", "and", "is", "on", "with", "for", "we", "was", "to", "our",
        "near", "has",
    ];
    let n = rng.int(2, words_max);
    let words: Vec<String> = (0..n)
        .map(|i| match rng.below(10) {
            0..=3 if i + 1 < n => (*rng.pick::<&str>(&SMALL)).to_owned(),
            4 => surface::nonsense(rng),
            _ => common(rng),
        })
        .collect();
    let line = words.join(" ");
    if rng.chance(0.6) { capital(&line) } else { line }
}

/// A word as it stands in a question: plain, or in quotation marks.
pub(super) fn quoted(word: &str, rng: &mut Rng) -> String {
    match rng.below(20) {
        0..=5 => format!("\"{word}\""),
        6..=8 => format!("'{word}'"),
        9 => format!("“{word}”"),
        10 => format!("`{word}`"),
        _ => word.to_owned(),
    }
}

/// A sentence as it stands in a question: mostly in quotation marks.
pub(super) fn quoted_sentence(line: &str, rng: &mut Rng) -> String {
    match rng.below(10) {
        0..=4 => format!("\"{line}\""),
        5..=6 => format!("'{line}'"),
        7 => format!("“{line}”"),
        _ => line.to_owned(),
    }
}

/// A letter as people name it: `r`, `R`, at times in quotation marks.
pub(super) fn letter(c: char, rng: &mut Rng) -> String {
    match rng.below(20) {
        0..=2 => c.to_uppercase().to_string(),
        3..=4 => format!("\"{c}\""),
        5..=6 => format!("'{c}'"),
        _ => c.to_string(),
    }
}

/// A letter of the word (a repeated one rather than not), or at times any letter.
pub(super) fn letter_for(word: &str, rng: &mut Rng) -> char {
    let word = word.to_lowercase();
    let of: Vec<char> = word.chars().filter(char::is_ascii_lowercase).collect();
    let repeated: Vec<char> =
        of.iter().copied().filter(|c| of.iter().filter(|d| *d == c).count() > 1).collect();
    match rng.below(10) {
        0..=1 => alphabet(rng),
        2..=6 if !repeated.is_empty() => *rng.pick(&repeated),
        _ => *rng.pick(&of),
    }
}

pub(super) fn alphabet(rng: &mut Rng) -> char {
    char::from(b'a' + rng.below(26) as u8)
}

/// `5th`, or `fifth` for a small number.
pub(super) fn nth(n: i64, rng: &mut Rng) -> String {
    const WORDS: [&str; 10] = [
        "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
        "tenth",
    ];
    match WORDS.get((n - 1) as usize) {
        Some(word) if rng.chance(0.4) => (*word).to_owned(),
        _ => format!("{n}{}", surface::ordinal(n)),
    }
}
