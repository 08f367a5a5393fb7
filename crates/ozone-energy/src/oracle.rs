//! What the data say, and what those say who went wrong.

use crate::world::{FIRST, LAST, NEXT, World, YEARS, at};

/// Student's t at 97.5 % with 15 years less 4 coefficients.
const T_975: f64 = 2.200_985;
/// Years that a model of the years before them is tried on.
const TRIED: std::ops::RangeInclusive<u32> = 2021..=LAST;

/// The summer's load by least squares on degree days, customers and solar, in GWh.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    pub last: f64,
    pub value: f64,
    /// Half of the 95 % interval of a prediction.
    pub margin: f64,
    /// Mean absolute error, in percent, of 2021 to 2025 told from the years before each.
    pub backtest: f64,
}

/// A way to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// Last year's load, with the trend of the years.
    TrendAlone,
    SolarLeftOut,
    ErratumMissed,
    /// What the press says experts say.
    Hearsay,
    /// Pages in MWh read as GWh.
    UnitsMissed,
    /// Half of 2020's table, whose rest is on a second page.
    SecondPageMissed,
}

impl Wrong {
    pub const ALL: [Wrong; 6] = [
        Wrong::TrendAlone,
        Wrong::SolarLeftOut,
        Wrong::ErratumMissed,
        Wrong::Hearsay,
        Wrong::UnitsMissed,
        Wrong::SecondPageMissed,
    ];
}

impl Forecast {
    pub fn of(world: &World) -> Forecast {
        let (rows, load) = (rows(world), loads(world));
        let fit = Fit::of(&rows[..YEARS], &load);
        let next = &rows[at(NEXT)];
        let errors = TRIED.map(|year| {
            let told = Fit::of(&rows[..at(year)], &load[..at(year)]).told(&rows[at(year)]);
            ((told - load[at(year)]) / load[at(year)]).abs() * 100.0
        });
        Forecast {
            last: load[at(LAST)],
            value: fit.told(next),
            margin: fit.margin(next),
            backtest: errors.sum::<f64>() / TRIED.count() as f64,
        }
    }

    /// Where a wrong path ends.
    pub fn wrong(world: &World, wrong: Wrong) -> f64 {
        let (mut rows, mut load) = (rows(world), loads(world));
        match wrong {
            Wrong::TrendAlone => {
                let years = (FIRST..=NEXT).map(|year| vec![1.0, f64::from(year - FIRST)]);
                rows = years.collect();
            }
            Wrong::SolarLeftOut => rows.iter_mut().for_each(|row| row.truncate(3)),
            Wrong::ErratumMissed => {
                for (year, factor) in world.revised {
                    load[at(year)] *= factor;
                }
            }
            Wrong::Hearsay => return 1.15 * load[at(LAST)],
            Wrong::UnitsMissed => world.in_mwh.iter().for_each(|year| load[at(*year)] *= 1000.0),
            Wrong::SecondPageMissed => load[at(2020)] = f64::from(world.load[at(2020)][5]),
        }
        Fit::of(&rows[..YEARS], &load).told(&rows[at(NEXT)])
    }

    /// Against last year, in percent.
    pub fn change(&self) -> f64 {
        (self.value / self.last - 1.0) * 100.0
    }
}

fn loads(world: &World) -> Vec<f64> {
    (FIRST..=LAST).map(|year| f64::from(world.summer(year))).collect()
}

fn rows(world: &World) -> Vec<Vec<f64>> {
    let row = |at: usize| {
        vec![1.0, f64::from(world.degree_days[at]), world.customers[at], world.solar[at]]
    };
    (0..=YEARS).map(row).collect()
}

/// Ordinary least squares.
struct Fit {
    coefficients: Vec<f64>,
    /// Of the product of the design with itself.
    inverse: Vec<Vec<f64>>,
    variance: f64,
}

impl Fit {
    fn of(rows: &[Vec<f64>], values: &[f64]) -> Fit {
        let k = rows[0].len();
        let moment = |i: usize, j: usize| rows.iter().map(|row| row[i] * row[j]).sum::<f64>();
        let square = (0..k).map(|i| (0..k).map(|j| moment(i, j)).collect()).collect();
        let inverse = inverted(square);
        let with = |i: usize| rows.iter().zip(values).map(|(row, value)| row[i] * value).sum();
        let products: Vec<f64> = (0..k).map(with).collect();
        let coefficients: Vec<f64> = inverse.iter().map(|row| dot(row, &products)).collect();
        let square = |(row, value): (&Vec<f64>, &f64)| (value - dot(row, &coefficients)).powi(2);
        let rest: f64 = rows.iter().zip(values).map(square).sum();
        let freedom = rows.len().saturating_sub(k).max(1) as f64;
        Fit { coefficients, inverse, variance: rest / freedom }
    }

    fn told(&self, row: &[f64]) -> f64 {
        dot(row, &self.coefficients)
    }

    fn margin(&self, row: &[f64]) -> f64 {
        let spread: Vec<f64> = self.inverse.iter().map(|line| dot(line, row)).collect();
        T_975 * (self.variance * (1.0 + dot(row, &spread))).sqrt()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// By Gauss and Jordan, with the largest pivot of each column.
fn inverted(mut square: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let n = square.len();
    for (i, row) in square.iter_mut().enumerate() {
        row.extend((0..n).map(|j| if i == j { 1.0 } else { 0.0 }));
    }
    for column in 0..n {
        let size = |row: &usize| square[*row][column].abs();
        let pivot = (column..n).max_by(|a, b| size(a).total_cmp(&size(b))).unwrap_or(column);
        square.swap(column, pivot);
        let lead: Vec<f64> = square[column].iter().map(|v| v / square[column][column]).collect();
        for (i, row) in square.iter_mut().enumerate() {
            let factor = if i == column { 0.0 } else { row[column] };
            row.iter_mut().zip(&lead).for_each(|(value, lead)| *value -= factor * lead);
        }
        square[column] = lead;
    }
    square.into_iter().map(|row| row[n..].to_vec()).collect()
}
