//! What is done to the values of pixels, not to their places.

use image::RgbImage;
use serde::{Deserialize, Serialize};

use crate::estimate;
use crate::filter::{self, Plane};

/// One step of a view's tones. Lengths are in pixels of the view.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    Invert,
    Gray,
    /// The darkest and brightest half percent become black and white.
    Autocontrast,
    /// Above 1 brightens the middle.
    Gamma(f64),
    /// Takes away how the light changes over a page: shadows, a dark side.
    Flatten,
    /// Each brightness becomes equally frequent.
    Equalize,
    Blur {
        sigma: f64,
    },
    /// Adds what a blur takes away.
    Unsharp {
        sigma: f64,
        amount: f64,
    },
    /// Takes back a blur of this width.
    Deconvolve {
        sigma: f64,
    },
    /// Means of similar surroundings, as strong as the noise that is estimated.
    Denoise,
    /// The middle value of each 3×3 window: against single wrong pixels.
    Median,
    Binarize(Binarize),
    Morphology {
        step: Morphology,
        radius: u32,
    },
    Channel(Channel),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Binarize {
    /// One level for all.
    Otsu,
    /// Darker than its surroundings: against shadows.
    Adaptive,
    /// The same, by how much the surroundings vary: for stained paper.
    Sauvola,
}

/// Bright parts shrink, or grow, or both one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Morphology {
    Erode,
    Dilate,
    /// Removes small bright parts.
    Open,
    /// Removes small dark parts.
    Close,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    Red,
    Green,
    Blue,
    /// How far a colour is from gray.
    Saturation,
    Hue,
}

/// Richardson-Lucy steps: more sharpen further and let noise grow.
const DECONVOLVE_STEPS: u32 = 40;
const SIGMA_MAX: f64 = 20.0;
const AMOUNT_MAX: f64 = 10.0;
const RADIUS_MAX: u32 = 20;

impl Tone {
    /// The same on a view that is so many times larger.
    pub(crate) fn scaled(self, factor: f64) -> Tone {
        let length = |sigma: f64| (sigma * factor).clamp(0.01, SIGMA_MAX);
        match self {
            Tone::Blur { sigma } => Tone::Blur { sigma: length(sigma) },
            Tone::Unsharp { sigma, amount } => Tone::Unsharp { sigma: length(sigma), amount },
            Tone::Deconvolve { sigma } => Tone::Deconvolve { sigma: length(sigma) },
            Tone::Morphology { step, radius } => {
                let radius = (f64::from(radius) * factor).round() as u32;
                Tone::Morphology { step, radius: radius.clamp(1, RADIUS_MAX) }
            }
            other => other,
        }
    }

    /// What is wrong with its numbers.
    pub(crate) fn check(&self) -> Result<(), String> {
        let within = |name: &str, v: f64, max: f64| {
            if v > 0.0 && v <= max {
                Ok(())
            } else {
                Err(format!("{name} is {v}: it must be above 0 and at most {max}"))
            }
        };
        match self {
            Tone::Gamma(gamma) => within("gamma", *gamma, 10.0),
            Tone::Blur { sigma } | Tone::Deconvolve { sigma } => within("sigma", *sigma, SIGMA_MAX),
            Tone::Unsharp { sigma, amount } => {
                within("sigma", *sigma, SIGMA_MAX)?;
                within("amount", *amount, AMOUNT_MAX)
            }
            Tone::Morphology { radius, .. } => {
                within("radius", f64::from(*radius), f64::from(RADIUS_MAX))
            }
            Tone::Invert
            | Tone::Gray
            | Tone::Autocontrast
            | Tone::Flatten
            | Tone::Equalize
            | Tone::Denoise
            | Tone::Median
            | Tone::Binarize(_)
            | Tone::Channel(_) => Ok(()),
        }
    }

    pub(crate) fn apply(&self, pixels: RgbImage) -> RgbImage {
        match *self {
            Tone::Invert => values(pixels, |v| 255 - v),
            Tone::Gray => filter::from_gray(&filter::gray(&pixels)),
            Tone::Autocontrast => autocontrast(pixels),
            Tone::Gamma(gamma) => values(pixels, |v| {
                filter::byte(255.0 * (f32::from(v) / 255.0).powf(1.0 / gamma as f32))
            }),
            Tone::Flatten => filter::channels(&pixels, flatten),
            Tone::Equalize => equalize(pixels),
            Tone::Blur { sigma } => filter::channels(&pixels, |p| p.blurred(sigma as f32)),
            Tone::Unsharp { sigma, amount } => filter::channels(&pixels, |plane| {
                let blurred = plane.blurred(sigma as f32);
                plane.zip(&blurred, |v, b| v + amount as f32 * (v - b))
            }),
            Tone::Deconvolve { sigma } => {
                filter::channels(&pixels, |plane| deconvolve(plane, sigma as f32))
            }
            Tone::Denoise => filter::non_local_means(&pixels, estimate::noise(&pixels)),
            Tone::Median => filter::channels(&pixels, Plane::median),
            Tone::Binarize(how) => binarize(&pixels, how),
            Tone::Morphology { step, radius } => {
                filter::channels(&pixels, |plane| morphology(plane, step, radius as usize))
            }
            Tone::Channel(channel) => {
                let data = pixels.pixels().map(|p| pick(p.0, channel)).collect();
                let gray = image::GrayImage::from_raw(pixels.width(), pixels.height(), data);
                filter::from_gray(&gray.unwrap_or_default())
            }
        }
    }
}

/// Each value for itself.
fn values(mut pixels: RgbImage, f: impl Fn(u8) -> u8) -> RgbImage {
    let table: Vec<u8> = (0..=255).map(f).collect();
    pixels.iter_mut().for_each(|v| *v = table[usize::from(*v)]);
    pixels
}

fn autocontrast(pixels: RgbImage) -> RgbImage {
    const CUT: f64 = 0.005;
    let counts = filter::histogram(&filter::gray(&pixels));
    let (low, high) =
        (estimate::percentile(&counts, CUT), estimate::percentile(&counts, 1.0 - CUT));
    if high <= low {
        return pixels;
    }
    let factor = 255.0 / (f32::from(high) - f32::from(low));
    values(pixels, |v| filter::byte((f32::from(v) - f32::from(low)) * factor))
}

/// Each value against the paper around it: what is brightest nearby, smoothed.
fn flatten(plane: &Plane) -> Plane {
    const PAPER: f32 = 235.0;
    let radius = radius(plane);
    let around = plane.blurred(1.0).extreme(radius, f32::max).blurred(radius as f32);
    plane.zip(&around, |v, paper| v / paper.max(1.0) * PAPER)
}

fn equalize(pixels: RgbImage) -> RgbImage {
    let counts = filter::histogram(&filter::gray(&pixels));
    let total: u64 = counts.iter().sum();
    let first = counts.iter().copied().find(|n| *n > 0).unwrap_or_default();
    if total == first {
        return pixels;
    }
    let mut seen = 0;
    let table = counts.map(|n| {
        seen += n;
        (seen - first.min(seen)) as f32 / (total - first) as f32 * 255.0
    });
    values(pixels, |v| filter::byte(table[usize::from(v)]))
}

/// Source: Richardson (1972), Lucy (1974). The kernel is symmetric, so it is its own transpose.
fn deconvolve(blurred: &Plane, sigma: f32) -> Plane {
    // A little above zero: black stays black otherwise, whatever the neighbours say.
    let observed = blurred.zip(blurred, |v, _| v + 1.0);
    let mut sharp = observed.clone();
    for _ in 0..DECONVOLVE_STEPS {
        let ratio = observed.zip(&sharp.blurred(sigma), |o, b| o / b.max(1e-3));
        sharp = sharp.zip(&ratio.blurred(sigma), |s, r| s * r);
    }
    sharp.zip(&sharp, |v, _| v - 1.0)
}

fn binarize(pixels: &RgbImage, how: Binarize) -> RgbImage {
    let luma = Plane::luma(pixels);
    let black_white = |is_dark: bool| if is_dark { 0.0 } else { 255.0 };
    let plane = match how {
        Binarize::Otsu => {
            let level = f32::from(filter::otsu(&filter::histogram(&luma.to_gray())));
            luma.zip(&luma, |v, _| black_white(v <= level))
        }
        Binarize::Adaptive => {
            const DARKER: f32 = 7.0;
            let (mean, _) = luma.windows(radius(&luma));
            luma.zip(&mean, |v, m| black_white(v < m - DARKER))
        }
        // Sauvola, Pietikäinen, "Adaptive document image binarization" (2000): k = 0.2, R = 128.
        Binarize::Sauvola => {
            let (mean, squares) = luma.windows(radius(&luma));
            let level = mean.zip(&squares, |m, s| {
                let deviation = (s - m * m).max(0.0).sqrt();
                m * (1.0 + 0.2 * (deviation / 128.0 - 1.0))
            });
            luma.zip(&level, |v, level| black_white(v < level))
        }
    };
    filter::from_gray(&plane.to_gray())
}

/// Half a window that holds several letters.
fn radius(plane: &Plane) -> usize {
    (plane.width.min(plane.height) / 32).clamp(7, 40)
}

fn morphology(plane: &Plane, step: Morphology, radius: usize) -> Plane {
    let erode = |plane: &Plane| plane.extreme(radius, f32::min);
    let dilate = |plane: &Plane| plane.extreme(radius, f32::max);
    match step {
        Morphology::Erode => erode(plane),
        Morphology::Dilate => dilate(plane),
        Morphology::Open => dilate(&erode(plane)),
        Morphology::Close => erode(&dilate(plane)),
    }
}

fn pick([r, g, b]: [u8; 3], channel: Channel) -> u8 {
    let (max, min) = (r.max(g).max(b), r.min(g).min(b));
    let spread = f32::from(max) - f32::from(min);
    match channel {
        Channel::Red => r,
        Channel::Green => g,
        Channel::Blue => b,
        Channel::Saturation if max == 0 => 0,
        Channel::Saturation => filter::byte(spread / f32::from(max) * 255.0),
        Channel::Hue if spread == 0.0 => 0,
        Channel::Hue => {
            let [r, g, b] = [r, g, b].map(f32::from);
            let max = f32::from(max);
            let sixths = if r == max {
                ((g - b) / spread).rem_euclid(6.0)
            } else if g == max {
                (b - r) / spread + 2.0
            } else {
                (r - g) / spread + 4.0
            };
            filter::byte(sixths / 6.0 * 255.0)
        }
    }
}
