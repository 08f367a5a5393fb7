//! Money as whole numbers of 10⁻²⁴ of a currency unit.
//!
//! Fixed point, and not a floating decimal, because adding and multiplying must never round
//! silently: a price with eighteen decimals per million tokens times any count of tokens is a whole
//! number here, and sums do not drift. Rounding happens once, where money is shown.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Neg, Sub};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const DECIMALS: usize = 24;
const UNIT: i128 = 10i128.pow(DECIMALS as u32);

/// An amount of money in its currency, exact; up to 1.7 × 10¹⁴, where it stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i128);

impl Amount {
    pub const ZERO: Amount = Amount(0);

    /// The most that one line may come to: a billion. More is a mistake in a price or a count.
    pub const LINE_MAX: Amount = Amount(1_000_000_000 * UNIT);

    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// As a whole number of 10⁻²⁴.
    pub fn units(self) -> i128 {
        self.0
    }

    /// Rounded half to even to `decimals`, as an invoice does.
    pub fn rounded(self, decimals: usize) -> Amount {
        let step = 10i128.pow(DECIMALS.saturating_sub(decimals) as u32);
        Amount(divided(self.0, step) * step)
    }

    /// With exactly `decimals` decimals, rounded half to even: `0.0155` with 2 is `0.02`.
    pub fn to_fixed(self, decimals: usize) -> String {
        let rounded = self.rounded(decimals);
        let (whole, fraction) = rounded.digits();
        let sign = if rounded.0 < 0 { "-" } else { "" };
        match decimals.min(DECIMALS) {
            0 => format!("{sign}{whole}"),
            n => format!("{sign}{whole}.{}", &fraction[..n]),
        }
    }

    /// Whole units of 10⁻⁹, rounded up, for limits that must not let more through than they say.
    pub fn nano_rounded_up(self) -> i64 {
        let step = 10i128.pow(15);
        let nano = self.0.div_euclid(step) + i128::from(self.0.rem_euclid(step) != 0);
        nano.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
    }

    pub fn from_nano(nano: i64) -> Amount {
        Amount(i128::from(nano) * 10i128.pow(15))
    }

    /// For charts only: a float cannot hold an amount.
    pub fn approximately(self) -> f64 {
        self.0 as f64 / UNIT as f64
    }

    /// `self × n`; `None` when it is more than any honest line.
    pub(crate) fn times(self, n: u64) -> Option<Amount> {
        let amount = self.0.checked_mul(i128::from(n)).map(Amount)?;
        (amount <= Amount::LINE_MAX).then_some(amount)
    }

    /// How often `part` goes into it.
    pub(crate) fn holds(self, part: Amount) -> u64 {
        match part.0 {
            0 => u64::MAX,
            part => u64::try_from(self.0.max(0) / part).unwrap_or(u64::MAX),
        }
    }

    /// `self × factor`, rounded half to even at 10⁻²⁴. `None` when it is too large.
    pub(crate) fn converted(self, factor: Price) -> Option<Amount> {
        // Split so that the product fits: the whole part is exact, the rest is rounded once.
        let (whole, rest) = (self.0.div_euclid(UNIT), self.0.rem_euclid(UNIT));
        let (high, low) = (factor.0.div_euclid(UNIT), factor.0.rem_euclid(UNIT));
        let exact = whole
            .checked_mul(factor.0)?
            .checked_add(rest.checked_mul(high)?)?
            .checked_add(product_over_unit(rest, low))?;
        Some(Amount(exact))
    }

    fn digits(self) -> (u128, String) {
        let magnitude = self.0.unsigned_abs();
        let unit = UNIT.unsigned_abs();
        (magnitude / unit, format!("{:0DECIMALS$}", magnitude % unit))
    }
}

/// `value / step` rounded half to even.
fn divided(value: i128, step: i128) -> i128 {
    let (quotient, rest) = (value.div_euclid(step), value.rem_euclid(step));
    let up = match (rest * 2).cmp(&step) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => quotient % 2 != 0,
        std::cmp::Ordering::Greater => true,
    };
    quotient + i128::from(up)
}

/// `a × b / UNIT` for two fractions below `UNIT`, rounded half to even, in two halves of twelve
/// digits so that nothing overflows.
fn product_over_unit(a: i128, b: i128) -> i128 {
    const HALF: i128 = 1_000_000_000_000;
    let (a1, a0, b1, b0) = (a / HALF, a % HALF, b / HALF, b % HALF);
    let middle = a1 * b0 + a0 * b1;
    // a·b = a1·b1·HALF² + middle·HALF + a0·b0, and UNIT = HALF².
    a1 * b1 + middle / HALF + divided((middle % HALF) * HALF + a0 * b0, UNIT)
}

impl Add for Amount {
    type Output = Amount;

    fn add(self, other: Amount) -> Amount {
        Amount(self.0.saturating_add(other.0))
    }
}

impl Sub for Amount {
    type Output = Amount;

    fn sub(self, other: Amount) -> Amount {
        Amount(self.0.saturating_sub(other.0))
    }
}

impl Neg for Amount {
    type Output = Amount;

    fn neg(self) -> Amount {
        Amount(-self.0)
    }
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Amount>>(amounts: I) -> Amount {
        amounts.fold(Amount::ZERO, Add::add)
    }
}

/// With all its decimals and no more: `0.0155`, `2`.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = self.digits();
        let sign = if self.0 < 0 { "-" } else { "" };
        match fraction.trim_end_matches('0') {
            "" => f.pad(&format!("{sign}{whole}")),
            digits => f.pad(&format!("{sign}{whole}.{digits}")),
        }
    }
}

/// As a decimal string: JSON numbers would be read as floats.
impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl FromStr for Amount {
    type Err = BadPrice;

    fn from_str(text: &str) -> Result<Self, BadPrice> {
        let (negative, magnitude) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let value = decimal(magnitude, 0).ok_or_else(|| BadPrice(text.to_owned()))?;
        Ok(Amount(if negative { -value } else { value }))
    }
}

/// A price of one unit, in the same units as [`Amount`]: never negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(i128);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a price: write it as a plain decimal in quotes, not negative, without a currency \
     sign, as \"1.10\""
)]
pub struct BadPrice(pub(crate) String);

impl Price {
    pub const ZERO: Price = Price(0);

    /// A price as providers print it: per million tokens.
    pub fn per_million(text: &str) -> Result<Price, BadPrice> {
        decimal(text, 6).map(Price).ok_or_else(|| BadPrice(text.to_owned()))
    }

    /// A price of one call, second, page or token.
    pub fn per_unit(text: &str) -> Result<Price, BadPrice> {
        decimal(text, 0).map(Price).ok_or_else(|| BadPrice(text.to_owned()))
    }

    /// `None` when the product is more than any honest line.
    pub fn of(self, quantity: u64) -> Option<Amount> {
        let amount = self.0.checked_mul(i128::from(quantity)).map(Amount)?;
        (amount <= Amount::LINE_MAX).then_some(amount)
    }

    /// The price of one of `parts`; `None` when that has more decimals than we keep.
    pub(crate) fn divided(self, parts: u64) -> Option<Price> {
        let parts = i128::from(parts);
        (parts > 0 && self.0 % parts == 0).then(|| Price(self.0 / parts))
    }

    /// `self × factor`; `None` when that has more decimals than we keep.
    pub(crate) fn times(self, factor: Price) -> Option<Price> {
        let shorten = |mut value: i128, mut decimals: u32| {
            while decimals > 0 && value % 10 == 0 {
                (value, decimals) = (value / 10, decimals - 1);
            }
            (value, decimals)
        };
        let (a, a_decimals) = shorten(self.0, DECIMALS as u32);
        let (b, b_decimals) = shorten(factor.0, DECIMALS as u32);
        let missing = (DECIMALS as u32).checked_sub(a_decimals + b_decimals)?;
        a.checked_mul(b)?.checked_mul(10i128.checked_pow(missing)?).map(Price)
    }

    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// As the amount of one unit.
    pub fn amount(self) -> Amount {
        Amount(self.0)
    }

    /// As providers print it; the inverse of [`Price::per_million`].
    pub fn per_million_text(self) -> String {
        match self.0.checked_mul(1_000_000) {
            Some(million) => Amount(million).to_string(),
            None => format!("{} a token", self.amount()),
        }
    }
}

/// A plain decimal as a whole number of 10⁻²⁴, divided by 10^`shift`. `None` where it is no plain
/// decimal, or does not fit.
fn decimal(text: &str, shift: usize) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let fraction_allowed = !text.ends_with('.') && fraction.len() <= DECIMALS - shift;
    if whole.is_empty() || !digits(whole) || !digits(fraction) || !fraction_allowed {
        return None;
    }
    let value: i128 = format!("{whole}{fraction}").parse().ok()?;
    value.checked_mul(10i128.pow((DECIMALS - shift - fraction.len()) as u32))
}
