//! What stands written in the pictures.

use ozone_tasks::Rng;

/// Short, and unlike one another in print.
pub(crate) const WORDS: &[&str] = &[
    "amber", "anchor", "basket", "bridge", "candle", "canyon", "castle", "copper", "cotton",
    "desert", "dragon", "engine", "falcon", "forest", "garden", "ginger", "hammer", "harbor",
    "island", "jacket", "kettle", "ladder", "lantern", "magnet", "marble", "meadow", "mirror",
    "monkey", "napkin", "orange", "oyster", "pencil", "pepper", "planet", "pocket", "prairie",
    "rabbit", "ribbon", "saddle", "salmon", "silver", "spider", "summer", "temple", "thunder",
    "ticket", "timber", "tunnel", "turtle", "valley", "velvet", "violin", "walnut", "winter",
];

/// Letters that no digit looks like, and that do not look like one another.
const LETTERS: &[u8] = b"ACEFHKLMNPRTUX";

/// Two letters and five digits, as `KT-40931`.
pub(crate) fn code(rng: &mut Rng) -> String {
    let letters: String = (0..2).map(|_| char::from(*rng.pick(LETTERS))).collect();
    format!("{letters}-{}", rng.int(10_000, 99_999))
}

/// Different words.
pub(crate) fn words(rng: &mut Rng, count: usize) -> Vec<&'static str> {
    rng.sample(WORDS, count)
}

/// Of Levenshtein: single letters that are put in, taken out or changed.
pub(crate) fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = before + usize::from(x != y);
            before = row[j + 1];
            row[j + 1] = change.min(before + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
