//! The numbers of Calderon, by which everything else is made.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::oracle::{Forecast, Wrong};

pub const FIRST: u32 = 2011;
/// The last summer whose load is known.
pub const LAST: u32 = 2025;
/// The summer in question.
pub const NEXT: u32 = 2026;
/// Years with a load.
pub const YEARS: usize = (LAST - FIRST + 1) as usize;
/// January is 0.
pub const SUMMER: std::ops::RangeInclusive<usize> = 5..=8;

/// A wrong path must end so far from the right forecast, as a share of it.
const APART_MIN: f64 = 0.015;
/// What a first print said of the two years that were revised later.
const MISPRINTS: [f64; 2] = [1.18, 0.86];
const SEEDS_TRIED: u64 = 10_000;

/// What is true of Calderon, rounded as it is published.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    pub seed: u64,
    /// GWh, by year and month.
    pub load: Vec<[u32; 12]>,
    /// Of June to September, by year, with the outlook for [`NEXT`].
    pub degree_days: Vec<u32>,
    /// In thousands at midyear, with the projection for [`NEXT`].
    pub customers: Vec<f64>,
    /// GW of rooftop solar at midyear, with the projection for [`NEXT`]. Published as a chart only.
    pub solar: Vec<f64>,
    /// Years whose page is wrong, and by which factor.
    pub revised: [(u32, f64); 2],
    /// Years whose page is in MWh.
    pub in_mwh: [u32; 3],
}

impl World {
    /// Calderon from a seed. Not each of them keeps the wrong paths apart: see [`World::told_apart`].
    pub fn new(seed: u64) -> World {
        let mut rng = StdRng::seed_from_u64(seed);
        let years = FIRST..=NEXT;
        let t = |year: u32| f64::from(year - FIRST);
        let degree_days: Vec<u32> = years
            .clone()
            .map(|year| {
                let off = if year == NEXT { 85.0 } else { 70.0 * normal(&mut rng) };
                (900.0 + 9.5 * t(year) + off).round().max(300.0) as u32
            })
            .collect();
        let customers: Vec<f64> = years
            .clone()
            .map(|year| {
                let off = if year == NEXT { 0.0 } else { 4.0 * normal(&mut rng) };
                ((2400.0 + 21.0 * t(year) + off) * 10.0).round() / 10.0
            })
            .collect();
        let solar: Vec<f64> =
            years.map(|year| (25.0 * (0.19 * t(year)).exp()).round() / 100.0).collect();
        let load = (0..YEARS)
            .map(|at| {
                let summer = 6000.0 + 9.1 * f64::from(degree_days[at]) + 3.3 * customers[at]
                    - 310.0 * solar[at]
                    + 90.0 * normal(&mut rng);
                months(summer.round() as u32, &mut rng)
            })
            .collect();
        let mut pick = Picker { rng: &mut rng, taken: vec![2020, LAST] };
        let revised = MISPRINTS.map(|factor| (pick.year(FIRST + 1, LAST - 1), factor));
        let in_mwh = [(); 3].map(|()| pick.year(FIRST, LAST - 1));
        World { seed, load, degree_days, customers, solar, revised, in_mwh }
    }

    /// The first world from this seed on whose wrong paths all miss the right forecast by far, so
    /// that an answer tells which way it was found.
    pub fn told_apart(seed: u64) -> World {
        (seed..seed + SEEDS_TRIED)
            .map(World::new)
            .find(World::is_told_apart)
            .expect("one seed of many keeps the wrong paths apart")
    }

    pub fn is_told_apart(&self) -> bool {
        let right = Forecast::of(self).value;
        let far = |wrong| ((Forecast::wrong(self, wrong) - right) / right).abs() >= APART_MIN;
        Wrong::ALL.into_iter().all(far)
    }

    pub fn summer(&self, year: u32) -> u32 {
        self.load[at(year)][SUMMER].iter().sum()
    }

    /// What the year's page says of a month, in GWh: the first print.
    pub fn printed(&self, year: u32, month: usize) -> u32 {
        let revised = self.revised.iter().find(|(of, _)| *of == year && SUMMER.contains(&month));
        let factor = revised.map_or(1.0, |(_, factor)| *factor);
        (f64::from(self.load[at(year)][month]) * factor).round() as u32
    }
}

pub fn at(year: u32) -> usize {
    (year - FIRST) as usize
}

/// A year's months, of which the summer's come to `summer`.
fn months(summer: u32, rng: &mut StdRng) -> [u32; 12] {
    const SHARES: [f64; 12] =
        [0.225, 0.2, 0.19, 0.175, 0.19, 0.235, 0.268, 0.264, 0.233, 0.19, 0.185, 0.215];
    let mut months = SHARES.map(|share| {
        let share = share * (1.0 + 0.015 * rng.random_range(-1.0..1.0));
        (share * f64::from(summer)).round() as u32
    });
    let but_last: u32 = months[5..8].iter().sum();
    months[8] = summer - but_last;
    months
}

struct Picker<'a> {
    rng: &'a mut StdRng,
    taken: Vec<u32>,
}

impl Picker<'_> {
    fn year(&mut self, from: u32, to: u32) -> u32 {
        loop {
            let year = self.rng.random_range(from..=to);
            if !self.taken.contains(&year) {
                self.taken.push(year);
                return year;
            }
        }
    }
}

/// A draw from the standard normal distribution (Box and Muller, 1958).
fn normal(rng: &mut StdRng) -> f64 {
    let (u, v): (f64, f64) = (rng.random_range(f64::EPSILON..1.0), rng.random());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}
