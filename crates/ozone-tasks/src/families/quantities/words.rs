//! People, things, amounts and measures of the stories: how they are written in a question, and the
//! plain digits that stand in the code.

use crate::{Rng, surface};

/// A first name, or a word that is none.
pub(super) fn name(rng: &mut Rng) -> String {
    if rng.chance(0.7) { (*rng.pick(surface::NAMES)).to_owned() } else { capital(rng) }
}

/// Two different names.
pub(super) fn two_names(rng: &mut Rng) -> (String, String) {
    let first = name(rng);
    loop {
        let second = name(rng);
        if second != first {
            return (first, second);
        }
    }
}

/// A place: a town, or a word that is none.
pub(super) fn place(rng: &mut Rng) -> String {
    if rng.chance(0.6) { (*rng.pick(PLACES)).to_owned() } else { capital(rng) }
}

fn capital(rng: &mut Rng) -> String {
    let word = surface::nonsense(rng);
    let mut chars = word.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// A thing that is counted, as `(one, many)`.
pub(super) fn thing(rng: &mut Rng) -> (String, String) {
    if rng.chance(0.25) {
        let word = surface::nonsense(rng);
        return (word.clone(), format!("{word}s"));
    }
    let word = *rng.pick(THINGS);
    match word.split_once('/') {
        Some((one, many)) => (one.to_owned(), many.to_owned()),
        None => (word.to_owned(), format!("{word}s")),
    }
}

/// The plurals of two different things.
pub(super) fn two_things(rng: &mut Rng) -> (String, String) {
    let (_, first) = thing(rng);
    loop {
        let (_, second) = thing(rng);
        if second != first {
            return (first, second);
        }
    }
}

/// How the money of one question is written.
pub(super) struct Cash {
    before: String,
    after: String,
}

impl Cash {
    pub(super) fn new(rng: &mut Rng) -> Self {
        let (before, after) = match rng.below(20) {
            0..=7 => ("$".to_owned(), String::new()),
            8 | 9 => ("€".to_owned(), String::new()),
            10 => ("£".to_owned(), String::new()),
            11 | 12 => (String::new(), String::new()),
            13 => {
                (String::new(), format!(" {}", rng.pick(&["€", "EUR", "USD", "GBP", "CHF", "kr"])))
            }
            14 => (String::new(), format!(" {}s", surface::nonsense(rng))),
            _ => (String::new(), format!(" {}", rng.pick(MONEY))),
        };
        Cash { before, after }
    }

    /// An amount as it stands in the question.
    pub(super) fn show(&self, amount: &Amount, rng: &mut Rng) -> String {
        let plain = amount.plain();
        let digits = match plain.split_once('.') {
            _ if amount.cents < 100_000 || !rng.chance(0.2) => plain,
            Some((_, cents)) => format!("{}.{cents}", surface::thousands(amount.cents / 100)),
            None => surface::thousands(amount.cents / 100),
        };
        format!("{}{digits}{}", self.before, self.after)
    }

    /// The answer in bold, in the same money.
    pub(super) fn bold(&self) -> String {
        format!("**{}@**{}", self.before, self.after)
    }
}

/// A sum of money.
#[derive(Clone, Copy)]
pub(super) struct Amount {
    pub(super) cents: i64,
    /// A whole number is written without decimals.
    short: bool,
}

impl Amount {
    /// From `low` to `high` cents, small ones as likely as large ones; often whole, often `.99`.
    pub(super) fn new(rng: &mut Rng, low: i64, high: i64) -> Self {
        let (a, b) = ((low.max(1) as f64).ln(), (high as f64).ln());
        let at = a + (b - a) * rng.int(0, 1_000_000) as f64 / 1e6;
        let cents = (at.exp() as i64).clamp(low, high);
        let cents = match rng.below(10) {
            0..=3 if cents >= 100 => cents / 100 * 100,
            4 if cents >= 100 => cents / 50 * 50,
            5 if cents >= 200 => (cents / 100 * 100 - 1).max(low),
            6 if cents >= 10 => cents / 10 * 10,
            _ => cents,
        };
        Amount::exactly(cents.clamp(low, high), rng)
    }

    pub(super) fn exactly(cents: i64, rng: &mut Rng) -> Self {
        Amount { cents, short: rng.chance(0.85) }
    }

    /// A whole number of the large unit, from `low` to `high` of it.
    pub(super) fn whole(rng: &mut Rng, low: i64, high: i64) -> Self {
        let cents = Amount::new(rng, low * 100, high * 100).cents;
        let digits = (cents / 100).to_string().len() as u32;
        let step = if rng.chance(0.6) { 10i64.pow(digits.saturating_sub(2)) } else { 1 };
        Amount { cents: (cents / 100 / step * step).max(low) * 100, short: true }
    }

    pub(super) fn plain(&self) -> String {
        let (whole, cents) = (self.cents / 100, self.cents % 100);
        if cents == 0 && self.short { whole.to_string() } else { format!("{whole}.{cents:02}") }
    }
}

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.plain())
    }
}

/// A measure such as `12`, `3.5`, `0.75`: mostly whole, else with one or two decimals. `low` and
/// `high` are whole; the result lies between them, and is not 1 since its unit is a plural.
pub(super) fn measure(rng: &mut Rng, low: i64, high: i64) -> String {
    let (a, b) = ((low.max(1) as f64).ln(), (high as f64).ln());
    let at = (a + (b - a) * rng.int(0, 1_000_000) as f64 / 1e6).exp();
    let at = if at < 1.6 { at + 1.0 } else { at };
    match rng.below(10) {
        0..=5 => (at.round() as i64).clamp(low.max(1), high).to_string(),
        6..=8 => decimal(at, 1),
        _ => decimal(at, 2),
    }
}

fn decimal(x: f64, places: usize) -> String {
    let text = format!("{x:.places$}");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    if short.is_empty() || short == "0" { "1".to_owned() } else { short.to_owned() }
}

/// A number above `low` and below `high` with at most `places` decimals.
pub(super) fn decimal_between(rng: &mut Rng, low: i64, high: i64, places: u32) -> String {
    let unit = 10i64.pow(places);
    let n = rng.int(low * unit + 1, high * unit - 1);
    decimal(n as f64 / unit as f64, places as usize)
}

/// A number in code as a user may write it: the whole ones at times with thousands separators.
pub(super) fn shown(plain: &str, rng: &mut Rng) -> String {
    match plain.parse() {
        Ok(n) => surface::integer(n, rng),
        Err(_) => plain.to_owned(),
    }
}

/// From `low` to one of `highs`.
pub(super) fn up_to(rng: &mut Rng, low: i64, highs: &[i64]) -> i64 {
    let high = *rng.pick(highs);
    rng.int(low, high)
}

/// A rate in percent, as `7`, `2.5`, `12.75`.
pub(super) fn rate(rng: &mut Rng, high: i64) -> String {
    match rng.below(10) {
        0..=3 => (rng.int(1, high.max(5) / 5) * 5).min(high).to_string(),
        4..=6 => rng.int(1, high).to_string(),
        7 | 8 => format!("{}.5", rng.int(0, high - 1)),
        _ => decimal(rng.int(101, high * 100) as f64 / 100.0, 2),
    }
}

const MONEY: &[&str] = &[
    "dollars", "dollars", "euros", "euros", "pounds", "francs", "rupees", "pesos", "crowns",
    "yuan", "rand", "credits", "coins", "shekels", "bucks", "zloty",
];

const PLACES: &[&str] = &[
    "Amsterdam",
    "Athens",
    "Berlin",
    "Boston",
    "Cairo",
    "Chicago",
    "Dakar",
    "Delhi",
    "Denver",
    "Dublin",
    "Geneva",
    "Hamburg",
    "Hanoi",
    "Houston",
    "Kyiv",
    "Lagos",
    "Leeds",
    "Lima",
    "Lisbon",
    "London",
    "Lyon",
    "Madrid",
    "Milan",
    "Munich",
    "Nairobi",
    "Oslo",
    "Ottawa",
    "Paris",
    "Perth",
    "Porto",
    "Prague",
    "Quito",
    "Riga",
    "Rome",
    "Seoul",
    "Sofia",
    "Sydney",
    "Tallinn",
    "Tokyo",
    "Toronto",
    "Turin",
    "Utrecht",
    "Vienna",
    "Warsaw",
    "Zurich",
];

const THINGS: &[&str] = &[
    "apple",
    "pear",
    "orange",
    "banana",
    "lemon",
    "melon",
    "peach/peaches",
    "plum",
    "cherry/cherries",
    "strawberry/strawberries",
    "carrot",
    "potato/potatoes",
    "tomato/tomatoes",
    "onion",
    "egg",
    "cookie",
    "muffin",
    "cupcake",
    "doughnut",
    "bagel",
    "sandwich/sandwiches",
    "pizza",
    "pancake",
    "candy/candies",
    "chocolate bar",
    "lollipop",
    "sweet",
    "nut",
    "walnut",
    "olive",
    "marble",
    "sticker",
    "stamp",
    "coin",
    "card",
    "bead",
    "button",
    "badge",
    "balloon",
    "toy",
    "doll",
    "puzzle",
    "ball",
    "tennis ball",
    "book",
    "notebook",
    "comic",
    "magazine",
    "poster",
    "postcard",
    "letter",
    "envelope",
    "pencil",
    "pen",
    "crayon",
    "eraser",
    "ruler",
    "marker",
    "brush/brushes",
    "folder",
    "stapler",
    "paper clip",
    "sheet of paper/sheets of paper",
    "ticket",
    "token",
    "brick",
    "tile",
    "plank",
    "nail",
    "screw",
    "bolt",
    "hammer",
    "candle",
    "lamp",
    "light bulb",
    "battery/batteries",
    "cable",
    "phone",
    "tablet",
    "laptop",
    "keyboard",
    "mouse/mice",
    "headset",
    "camera",
    "photo",
    "USB stick",
    "chair",
    "table",
    "shelf/shelves",
    "box/boxes",
    "basket",
    "bottle",
    "can",
    "jar",
    "cup",
    "mug",
    "plate",
    "bowl",
    "glass/glasses",
    "spoon",
    "fork",
    "knife/knives",
    "towel",
    "blanket",
    "pillow",
    "shirt",
    "sock",
    "hat",
    "scarf/scarves",
    "glove",
    "shoe",
    "jacket",
    "T-shirt",
    "belt",
    "bag",
    "backpack",
    "umbrella",
    "watch/watches",
    "ring",
    "flower",
    "rose",
    "tulip",
    "tree",
    "seed",
    "leaf/leaves",
    "plant",
    "stone",
    "shell",
    "feather",
    "fish/fish",
    "chicken",
    "duck",
    "rabbit",
    "cat",
    "dog",
    "pigeon",
    "sheep/sheep",
    "cow",
    "horse",
    "car",
    "bike",
    "bicycle",
    "scooter",
    "wheel",
    "tyre",
    "model plane",
    "kite",
    "robot",
    "gadget",
    "widget",
    "part",
    "parcel",
    "package",
    "cake",
    "loaf of bread/loaves of bread",
    "cheese",
    "yoghurt",
    "apricot",
    "mango/mangoes",
    "kiwi",
    "grape",
    "pumpkin",
    "cucumber",
    "pepper",
    "ice cream",
    "tea bag",
    "bar of soap/bars of soap",
    "sponge",
    "toothbrush/toothbrushes",
];
