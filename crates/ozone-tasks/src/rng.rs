//! Reproducible draws, with the few shapes that the kinds need.

use rand::{Rng as _, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::wording::Split;

/// A stream of draws that depends on nothing but its seed (ChaCha8, so it is the same for ever).
pub struct Rng(ChaCha8Rng);

impl Rng {
    pub fn new(seed: u64, split: Split, index: u64) -> Self {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&index.to_le_bytes());
        key[16] = split as u8;
        Rng(ChaCha8Rng::from_seed(key))
    }

    /// Uniform in `0..n`; 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 { 0 } else { self.0.random_range(0..n) }
    }

    /// Uniform in `low..=high`.
    pub fn int(&mut self, low: i64, high: i64) -> i64 {
        self.0.random_range(low..=high)
    }

    /// An integer whose number of decimal digits is uniform in `1..=digits_max`: small numbers are
    /// as likely as large ones. Never 0. About one in eight has repeated digits (55555, 3773, 1000).
    pub fn magnitude(&mut self, digits_max: u32) -> i64 {
        let digits = self.int(1, i64::from(digits_max)) as u32;
        self.digits(digits)
    }

    /// An integer of exactly `digits` decimal digits, at times with repeated digits.
    pub fn digits(&mut self, digits: u32) -> i64 {
        let low = 10i64.pow(digits - 1);
        if digits > 1 && self.chance(0.12) {
            let d = self.int(1, 9);
            return match self.below(3) {
                0 => (0..digits).fold(0, |n, _| n * 10 + d),
                1 => low * d,
                _ => {
                    let e = self.int(0, 9);
                    (0..digits).fold(0, |n, i| n * 10 + if i % 3 == 1 { e } else { d })
                }
            };
        }
        self.int(low, low * 10 - 1)
    }

    pub fn chance(&mut self, p: f64) -> bool {
        self.0.random_bool(p)
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.0.random_range(0..of.len())]
    }

    /// `n` different elements, in random order. `n` must not exceed the length.
    pub fn sample<T: Clone>(&mut self, of: &[T], n: usize) -> Vec<T> {
        let mut all = of.to_vec();
        self.shuffle(&mut all);
        all.truncate(n);
        all
    }

    pub fn shuffle<T>(&mut self, of: &mut [T]) {
        for i in (1..of.len()).rev() {
            of.swap(i, self.0.random_range(0..=i));
        }
    }

    pub fn u64(&mut self) -> u64 {
        self.0.next_u64()
    }
}
