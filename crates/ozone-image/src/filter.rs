//! Neighbourhoods of pixels: what tones and estimates are made of.

use image::{GrayImage, Luma, Rgb, RgbImage};

/// One channel as numbers from 0 to 255, row by row.
#[derive(Debug, Clone)]
pub(crate) struct Plane {
    pub width: usize,
    pub height: usize,
    pub data: Vec<f32>,
}

impl Plane {
    pub fn of(width: usize, height: usize, data: Vec<f32>) -> Plane {
        Plane { width, height, data }
    }

    pub fn channel(pixels: &RgbImage, channel: usize) -> Plane {
        let data = pixels.pixels().map(|p| f32::from(p[channel])).collect();
        Plane::of(pixels.width() as usize, pixels.height() as usize, data)
    }

    pub fn luma(pixels: &RgbImage) -> Plane {
        let data = pixels.pixels().map(luma).collect();
        Plane::of(pixels.width() as usize, pixels.height() as usize, data)
    }

    pub fn get(&self, x: usize, y: usize) -> f32 {
        self.data[y * self.width + x]
    }

    /// The same place, or the nearest in the plane.
    pub fn near(&self, x: i64, y: i64) -> f32 {
        let x = x.clamp(0, self.width as i64 - 1) as usize;
        let y = y.clamp(0, self.height as i64 - 1) as usize;
        self.get(x, y)
    }

    /// Between the centres of four pixels, in continuous coordinates.
    pub fn between(&self, x: f64, y: f64) -> f32 {
        let (x, y) = (x - 0.5, y - 0.5);
        let (left, top) = (x.floor(), y.floor());
        let (fx, fy) = ((x - left) as f32, (y - top) as f32);
        let (left, top) = (left as i64, top as i64);
        let row = |y: i64| self.near(left, y) * (1.0 - fx) + self.near(left + 1, y) * fx;
        row(top) * (1.0 - fy) + row(top + 1) * fy
    }

    pub fn zip(&self, other: &Plane, f: impl Fn(f32, f32) -> f32) -> Plane {
        let data = self.data.iter().zip(&other.data).map(|(a, b)| f(*a, *b)).collect();
        Plane::of(self.width, self.height, data)
    }

    pub fn to_gray(&self) -> GrayImage {
        let data = self.data.iter().map(|v| byte(*v)).collect();
        GrayImage::from_raw(self.width as u32, self.height as u32, data).unwrap_or_default()
    }

    fn transposed(&self) -> Plane {
        let mut data = vec![0.0; self.data.len()];
        for y in 0..self.height {
            for x in 0..self.width {
                data[x * self.height + y] = self.get(x, y);
            }
        }
        Plane::of(self.height, self.width, data)
    }

    /// Each row with a kernel of odd length, whose middle is at the pixel.
    fn rows_with(&self, kernel: &[f32]) -> Plane {
        let half = kernel.len() / 2;
        let mut data = Vec::with_capacity(self.data.len());
        let mut padded = vec![0.0; self.width + 2 * half];
        for row in self.data.chunks_exact(self.width.max(1)) {
            padded[..half].fill(row[0]);
            padded[half..half + row.len()].copy_from_slice(row);
            padded[half + row.len()..].fill(row[row.len() - 1]);
            let sum = |part: &[f32]| part.iter().zip(kernel).map(|(a, b)| a * b).sum::<f32>();
            data.extend(padded.windows(kernel.len()).map(sum));
        }
        Plane::of(self.width, self.height, data)
    }

    pub fn blurred(&self, sigma: f32) -> Plane {
        if sigma <= 0.0 || self.data.is_empty() {
            return self.clone();
        }
        let half = (3.0 * sigma).ceil() as i64;
        let weight = |i: i64| (-((i * i) as f32) / (2.0 * sigma * sigma)).exp();
        let kernel: Vec<f32> = (-half..=half).map(weight).collect();
        let sum: f32 = kernel.iter().sum();
        let kernel: Vec<f32> = kernel.iter().map(|w| w / sum).collect();
        self.rows_with(&kernel).transposed().rows_with(&kernel).transposed()
    }

    /// Of each square window of `2·radius + 1`: the mean, and the mean of the squares.
    pub fn windows(&self, radius: usize) -> (Plane, Plane) {
        let (width, height) = (self.width, self.height);
        let sums = |f: fn(f64) -> f64| {
            let mut sums = vec![0f64; (width + 1) * (height + 1)];
            for y in 0..height {
                let mut row = 0.0;
                for x in 0..width {
                    row += f(f64::from(self.get(x, y)));
                    sums[(y + 1) * (width + 1) + x + 1] = sums[y * (width + 1) + x + 1] + row;
                }
            }
            sums
        };
        let means = |sums: Vec<f64>| {
            let mut data = Vec::with_capacity(self.data.len());
            for y in 0..height {
                let (top, bottom) = (y.saturating_sub(radius), (y + radius + 1).min(height));
                for x in 0..width {
                    let (left, right) = (x.saturating_sub(radius), (x + radius + 1).min(width));
                    let at = |x: usize, y: usize| sums[y * (width + 1) + x];
                    let sum = at(right, bottom) - at(left, bottom) - at(right, top) + at(left, top);
                    data.push((sum / ((right - left) * (bottom - top)) as f64) as f32);
                }
            }
            Plane::of(width, height, data)
        };
        (means(sums(|v| v)), means(sums(|v| v * v)))
    }

    /// The least (or greatest) of each square window.
    pub fn extreme(&self, radius: usize, pick: fn(f32, f32) -> f32) -> Plane {
        let rows = |plane: &Plane| {
            let mut data = Vec::with_capacity(plane.data.len());
            for row in plane.data.chunks_exact(plane.width.max(1)) {
                for x in 0..row.len() {
                    let window = &row[x.saturating_sub(radius)..(x + radius + 1).min(row.len())];
                    data.push(window.iter().copied().reduce(pick).unwrap_or_default());
                }
            }
            Plane::of(plane.width, plane.height, data)
        };
        rows(&rows(self).transposed()).transposed()
    }

    /// The middle value of each 3×3 window.
    pub fn median(&self) -> Plane {
        let mut data = Vec::with_capacity(self.data.len());
        for y in 0..self.height as i64 {
            for x in 0..self.width as i64 {
                let mut window: [f32; 9] = std::array::from_fn(|i| {
                    self.near(x + (i % 3) as i64 - 1, y + (i / 3) as i64 - 1)
                });
                window.sort_unstable_by(f32::total_cmp);
                data.push(window[4]);
            }
        }
        Plane::of(self.width, self.height, data)
    }
}

/// Rec. 601, as most tools count it.
pub(crate) fn luma(pixel: &Rgb<u8>) -> f32 {
    0.299 * f32::from(pixel[0]) + 0.587 * f32::from(pixel[1]) + 0.114 * f32::from(pixel[2])
}

pub(crate) fn byte(v: f32) -> u8 {
    (v + 0.5).clamp(0.0, 255.0) as u8
}

pub(crate) fn gray(pixels: &RgbImage) -> GrayImage {
    Plane::luma(pixels).to_gray()
}

pub(crate) fn from_gray(gray: &GrayImage) -> RgbImage {
    let data = gray.pixels().flat_map(|Luma([v])| [*v; 3]).collect();
    RgbImage::from_raw(gray.width(), gray.height(), data).unwrap_or_default()
}

pub(crate) fn join(planes: &[Plane; 3]) -> RgbImage {
    let [r, g, b] = planes;
    let colours = r.data.iter().zip(&g.data).zip(&b.data);
    let data = colours.flat_map(|((r, g), b)| [byte(*r), byte(*g), byte(*b)]).collect();
    RgbImage::from_raw(r.width as u32, r.height as u32, data).unwrap_or_default()
}

/// Each channel through a function.
pub(crate) fn channels(pixels: &RgbImage, f: impl Fn(&Plane) -> Plane) -> RgbImage {
    join(&[0, 1, 2].map(|c| f(&Plane::channel(pixels, c))))
}

pub(crate) fn histogram(gray: &GrayImage) -> [u64; 256] {
    let mut counts = [0; 256];
    gray.pixels().for_each(|p| counts[usize::from(p[0])] += 1);
    counts
}

/// The level that separates dark and bright best; up to it is dark.
///
/// Source: Otsu, "A Threshold Selection Method from Gray-Level Histograms" (1979).
pub(crate) fn otsu(counts: &[u64; 256]) -> u8 {
    let total: u64 = counts.iter().sum();
    let all: f64 = counts.iter().enumerate().map(|(v, n)| v as f64 * *n as f64).sum();
    let (mut below, mut sum, mut best, mut level) = (0u64, 0.0, -1.0, 127);
    for (v, n) in counts.iter().enumerate() {
        below += n;
        sum += v as f64 * *n as f64;
        if below == 0 || below == total {
            continue;
        }
        let (low, high) = (sum / below as f64, (all - sum) / (total - below) as f64);
        let between = below as f64 * (total - below) as f64 * (high - low).powi(2);
        if between > best {
            (best, level) = (between, v as u8);
        }
    }
    level
}

/// Means of similar surroundings. `strength` is the noise's standard deviation.
///
/// Source: Buades, Coll, Morel, "A non-local algorithm for image denoising" (2005), with 3×3
/// patches of the luma, a search over 11×11, and window sums for the distances of patches.
pub(crate) fn non_local_means(pixels: &RgbImage, strength: f32) -> RgbImage {
    const SEARCH: i64 = 5;
    let luma = Plane::luma(pixels);
    let planes = [0, 1, 2].map(|c| Plane::channel(pixels, c));
    let count = luma.data.len();
    let (mut weights, mut sums) = (vec![0f32; count], [0; 3].map(|_| vec![0f32; count]));
    let scale = 1.0 / (strength * strength).max(1e-3);
    for dy in -SEARCH..=SEARCH {
        for dx in -SEARCH..=SEARCH {
            let mut distance = Vec::with_capacity(count);
            for y in 0..luma.height as i64 {
                for x in 0..luma.width as i64 {
                    let d = luma.near(x, y) - luma.near(x + dx, y + dy);
                    distance.push(d * d);
                }
            }
            let (mean, _) = Plane::of(luma.width, luma.height, distance).windows(1);
            let mut at = 0;
            for y in 0..luma.height as i64 {
                for x in 0..luma.width as i64 {
                    // Twice the variance is what noise alone makes of equal patches.
                    let excess = (mean.data[at] * scale - 2.0).max(0.0);
                    let weight = (-excess).exp();
                    weights[at] += weight;
                    for (sum, plane) in sums.iter_mut().zip(&planes) {
                        sum[at] += weight * plane.near(x + dx, y + dy);
                    }
                    at += 1;
                }
            }
        }
    }
    let mean = |sum: &Vec<f32>| {
        let data = sum.iter().zip(&weights).map(|(s, w)| s / w).collect();
        Plane::of(luma.width, luma.height, data)
    };
    join(&[mean(&sums[0]), mean(&sums[1]), mean(&sums[2])])
}
