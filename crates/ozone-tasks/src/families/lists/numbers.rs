//! Lists of numbers, as they are asked about, as Python reads them and as it prints them.

use crate::{Rng, surface};

/// Numbers that are whole multiples of `1 / scale`.
pub(super) struct Numbers {
    pub scaled: Vec<i64>,
    pub scale: i64,
    /// As the question shows them.
    pub shown: String,
    /// As the code has them: `[3, 5, 8]`.
    pub python: String,
}

fn one(n: i64, scale: i64) -> String {
    if scale == 1 { n.to_string() } else { crate::python::float(n as f64 / scale as f64) }
}

/// What `print` writes for a list, and the same without brackets.
pub(super) fn list_print(scaled: &[i64], scale: i64) -> (String, String) {
    let all: Vec<String> = scaled.iter().map(|n| one(*n, scale)).collect();
    (crate::python::list(&all), all.join(", "))
}

impl Numbers {
    /// `low` to `high` numbers of one size: grades, ages, prices, measurements.
    pub fn draw(rng: &mut Rng, low: i64, high: i64, decimals: f64) -> Numbers {
        let n = rng.int(low, high);
        let scale = if rng.chance(decimals) { 10 } else { 1 };
        let n = if scale == 1 { n } else { n.min(7) };
        let digits = rng.int(1, 4) as u32;
        let all = (0..n)
            .map(|_| {
                let x = match rng.below(20) {
                    0 => -rng.magnitude(digits),
                    1 => 0,
                    2..=9 => rng.int(1, 10i64.pow(digits)),
                    10..=12 => rng.int(1, 20),
                    _ => rng.digits(digits),
                };
                if scale == 1 { x } else { x * 10 + rng.int(0, 9) }
            })
            .collect();
        Numbers::of(all, scale, rng)
    }

    /// As [`Numbers::draw`], whole numbers that all differ.
    pub fn different(rng: &mut Rng, low: i64, high: i64) -> Numbers {
        let mut all: Vec<i64> = vec![];
        for x in Numbers::draw(rng, low, high, 0.0).scaled {
            if !all.contains(&x) {
                all.push(x);
            }
        }
        while (all.len() as i64) < low {
            let x = rng.int(1, 1000);
            if !all.contains(&x) {
                all.push(x);
            }
        }
        Numbers::of(all, 1, rng)
    }

    pub fn of(scaled: Vec<i64>, scale: i64, rng: &mut Rng) -> Numbers {
        let all: Vec<String> = scaled.iter().map(|n| one(*n, scale)).collect();
        let shown = match rng.below(12) {
            0 => all.join("; "),
            1 => format!("({})", all.join(", ")),
            2 => all.join(" , "),
            _ => surface::list(&all, rng),
        };
        let python = crate::python::list(&all);
        Numbers { scaled, scale, shown, python }
    }

    /// A short list in words; a long one by its name.
    pub fn plain(&self) -> String {
        if self.scaled.len() <= 3 {
            self.python[1..self.python.len() - 1].to_owned()
        } else {
            "the list".into()
        }
    }

    /// A sum or an element as Python prints it.
    pub fn print(&self, n: i64) -> String {
        one(n, self.scale)
    }

    /// The smallest and the largest.
    pub fn ends(&self) -> (i64, i64) {
        let low = self.scaled.iter().min().copied().unwrap_or_default();
        (low, self.scaled.iter().max().copied().unwrap_or_default())
    }
}
