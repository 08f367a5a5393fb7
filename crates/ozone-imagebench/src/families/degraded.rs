//! F3: a number under one main kind of damage, with a little of the others.
//!
//! Weak contrast and strong noise are not drawn together: below ten times the noise it begins to be
//! a matter of luck whether print can be told from it.

use ozone_tasks::{Rng, Split, Value};

use crate::paint::{self, BLACK, Canvas, FONTS, Type, between};
use crate::{Scene, Wish};

struct Damage {
    blur_sigma: f64,
    contrast: f64,
    noise_sigma: f64,
    shadow: f64,
    jpeg_quality: Option<u8>,
}

pub(super) fn scene(wish: Wish, rng: &mut Rng) -> Scene {
    let size_px = between(rng, 34.0, 44.0);
    let groups = [rng.int(1000, 9999), rng.int(1000, 9999)];
    let text = format!("{} {}", groups[0], groups[1]);
    let (width, height) = (size_px * 9.0, size_px * 3.2);
    let mut canvas = Canvas::new(width as u32, height as u32, paint::WHITE);
    let at = [width / 2.0, height / 2.0 + 0.36 * size_px];
    let font = *rng.pick(&FONTS[..2]);
    canvas.text(at, &text, Type::plain(size_px).font(font).coloured(BLACK).centred());
    let damage = if wish.readable { damage(wish, rng) } else { ruin(size_px, rng) };
    let paper = rng.int(170, 235) as u8;
    let (shadow_degrees, noise_seed) = (between(rng, 0.0, 360.0), rng.u64());
    let jpeg_quality = damage.jpeg_quality;
    let paint = move || {
        let mut rng = Rng::new(noise_seed, Split::HeldOut, 0);
        let mut pixels = paint::blurred(canvas.draw(), damage.blur_sigma);
        paint::faded(&mut pixels, paper, damage.contrast);
        paint::shaded(&mut pixels, shadow_degrees, damage.shadow);
        paint::noise(&mut pixels, damage.noise_sigma, &mut rng);
        pixels
    };
    Scene {
        question: "The picture shows one number of eight digits, badly. Which number is it? Write \
                   its digits without a space."
            .to_owned(),
        value: Value::Number(format!("{}{}", groups[0], groups[1])),
        paint: Box::new(paint),
        jpeg_quality,
    }
}

fn damage(wish: Wish, rng: &mut Rng) -> Damage {
    let mild = Damage {
        blur_sigma: between(rng, 0.0, 0.8),
        contrast: between(rng, 90.0, 160.0),
        noise_sigma: between(rng, 0.0, 1.5),
        shadow: between(rng, 0.0, 0.2),
        jpeg_quality: None,
    };
    match rng.below(5) {
        0 => {
            Damage { blur_sigma: wish.grade(1.2, 3.0), noise_sigma: between(rng, 0.0, 0.5), ..mild }
        }
        1 => {
            let contrast = wish.grade(50.0, 7.0);
            Damage { contrast, noise_sigma: contrast / 12.0, shadow: 0.05, ..mild }
        }
        2 => Damage { contrast: wish.grade(80.0, 60.0), noise_sigma: wish.grade(2.0, 6.0), ..mild },
        3 => Damage { shadow: wish.grade(0.5, 0.9), ..mild },
        _ => Damage {
            contrast: wish.grade(90.0, 40.0),
            jpeg_quality: Some(wish.grade(60.0, 20.0) as u8),
            ..mild
        },
    }
}

/// So that no operation brings it back.
fn ruin(size_px: f64, rng: &mut Rng) -> Damage {
    let whole = Damage {
        blur_sigma: 0.5,
        contrast: 120.0,
        noise_sigma: 1.0,
        shadow: 0.1,
        jpeg_quality: None,
    };
    match rng.chance(0.5) {
        true => Damage { blur_sigma: 0.45 * size_px, noise_sigma: 3.0, ..whole },
        false => Damage { contrast: 5.0, noise_sigma: 25.0, ..whole },
    }
}
