//! Cropping and shrinking a 24-megapixel JPEG to one megapixel, against decoding it alone: in one
//! run, in turns, as JSON.

use std::sync::Arc;
use std::time::Instant;

use image::codecs::jpeg::JpegEncoder;
use ozone_image::{Limits, Rect, Rgb, RgbImage, View, decode};

fn main() {
    let repeats: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(5);
    let photo = RgbImage::from_fn(6000, 4000, |x, y| {
        let wave = |a: u32, b: u32| {
            (128.0 + 90.0 * ((x / a) as f32 * 0.1).sin() * ((y / b) as f32 * 0.07).cos()) as u8
        };
        let grain = ((x ^ y).wrapping_mul(2_654_435_761) >> 28) as u8;
        Rgb([wave(3, 5) ^ grain, wave(7, 2), wave(11, 13)])
    });
    let mut jpeg = vec![];
    let encoded = photo.write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, 90));
    encoded.expect("a JPEG is written to memory");
    let (mut alone, mut with) = (vec![], vec![]);
    for _ in 0..repeats.max(1) {
        let started = Instant::now();
        let picture = decode(&jpeg, &Limits::default()).expect("our own JPEG is read");
        alone.push(started.elapsed().as_secs_f64() * 1000.0);
        drop(picture);
        let started = Instant::now();
        let picture = decode(&jpeg, &Limits::default()).expect("our own JPEG is read");
        let view = View::of(Arc::new(picture));
        let part = view.crop(Rect::new(300.0, 200.0, 5700.0, 3800.0));
        let pixels = part.and_then(|part| part.within(1_000_000)).and_then(|small| small.render());
        let pixels = pixels.expect("the part lies inside");
        with.push(started.elapsed().as_secs_f64() * 1000.0);
        assert!(pixels.width() * pixels.height() > 900_000);
    }
    let middle = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let (alone, with) = (middle(&mut alone), middle(&mut with));
    println!(
        r#"{{"decode_ms": {alone:.1}, "decode_crop_resize_ms": {with:.1}, "ratio": {:.3}}}"#,
        with / alone
    );
}
