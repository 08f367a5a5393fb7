//! F4: a receipt, a little curled and creased, photographed at a slant on a dark table.

use ozone_image::{Rgb, RgbImage};
use ozone_tasks::{Rng, Split, Value};

use crate::paint::{self, Canvas, Colour, Type, between};
use crate::words::words;
use crate::{Scene, Wish};

const PAPER: Colour = [246, 245, 240];
const INK: Colour = [40, 40, 46];
const TABLE: Colour = [74, 58, 46];
const FONT_PX: f64 = 27.0;

pub(super) fn scene(wish: Wish, rng: &mut Rng) -> Scene {
    let count = wish.grade(2.0, 12.0).round() as usize;
    let names = words(rng, 2 * count);
    let items: Vec<(String, i64)> =
        names.chunks(2).map(|pair| (pair.join(" "), rng.int(105, 4_999))).collect();
    let total: i64 = items.iter().map(|(_, cents)| cents).sum();
    let asked = rng.chance(0.7).then(|| rng.below(count as u64) as usize);
    let (width, pitch) = (620.0, 1.6 * FONT_PX);
    let height = pitch * (count as f64 + 6.5);
    let mut canvas = Canvas::new(width as u32, height as u32, PAPER);
    let font = *rng.pick::<&str>(&["DejaVu Sans", "DejaVu Sans Mono"]);
    let set = Type::plain(FONT_PX).font(font).coloured(INK);
    let (left, right) = (40.0, width - 40.0);
    canvas.text([width / 2.0, 1.5 * pitch], "MARKET HALL", set.centred());
    let mut line = |canvas: &mut Canvas, row: f64, name: &str, cents: i64, gone: bool| {
        let base = pitch * row;
        canvas.text([left, base], name, set);
        if gone {
            let place = [right - 95.0, base - 0.75 * FONT_PX, right, base];
            paint::scribbled(canvas, place, INK, rng);
        } else {
            let price = format!("{}.{:02}", cents / 100, cents % 100);
            canvas.text([right, base], &price, Type { anchor: "end", ..set });
        }
    };
    // With the other prices and the total it could be worked out.
    let is_gone = |i: usize| !wish.readable && asked.is_none_or(|asked| asked == i);
    for (i, (name, cents)) in items.iter().enumerate() {
        line(&mut canvas, i as f64 + 3.2, name, *cents, is_gone(i));
    }
    line(&mut canvas, count as f64 + 4.7, "TOTAL", total, !wish.readable);
    let rule = pitch * (count as f64 + 3.5);
    canvas.line(&[[left, rule], [right, rule]], INK, 2.0);
    let (question, cents) = match asked {
        Some(i) => {
            (format!("What is the price of \"{}\" on this receipt?", items[i].0), items[i].1)
        }
        None => ("What is the total of this receipt?".to_owned(), total),
    };
    // A camera has more pixels than a till has dots.
    let scale = wish.grade(1.7, 1.5);
    let keystone = wish.grade(0.04, 0.14) * width * scale;
    let edge = keystone + 60.0;
    let mut corner =
        |x: f64, y: f64| [x, y].map(|at| at * scale + edge + between(rng, -keystone, keystone));
    let corners =
        [corner(0.0, 0.0), corner(width, 0.0), corner(width, height), corner(0.0, height)];
    let size = [width, height].map(|side| (side * scale + 2.0 * edge) as u32);
    let (curl_px, noise_seed) = (wish.grade(0.0, 5.0), rng.u64());
    let shadow = wish.grade(0.1, 0.4);
    let paint = move || {
        let mut rng = Rng::new(noise_seed, Split::HeldOut, 0);
        let paper = creased(curled(&canvas.draw(), curl_px), between(&mut rng, 0.3, 0.7));
        let mut pixels = paint::on_table(paper, corners, size, TABLE);
        paint::shaded(&mut pixels, between(&mut rng, 0.0, 360.0), shadow);
        paint::vignetted(&mut pixels, 0.15);
        paint::noise(&mut pixels, 2.0, &mut rng);
        pixels
    };
    let value = Value::Within { value: cents as f64 / 100.0, tolerance: 0.004 };
    Scene { question, value, paint: Box::new(paint), jpeg_quality: Some(85) }
}

/// Lines bend up and down by this much.
fn curled(paper: &RgbImage, height_px: f64) -> RgbImage {
    let width = f64::from(paper.width());
    RgbImage::from_fn(paper.width(), paper.height(), |x, y| {
        let wave = (f64::from(x) / width * std::f64::consts::TAU).sin() * height_px;
        let from = (f64::from(y) + wave).clamp(0.0, f64::from(paper.height()) - 1.001);
        let (above, share) = (from.floor() as u32, from.fract());
        let (a, b) = (paper.get_pixel(x, above), paper.get_pixel(x, above + 1));
        Rgb([0, 1, 2]
            .map(|c| (f64::from(a[c]) * (1.0 - share) + f64::from(b[c]) * share).round() as u8))
    })
}

/// A fold across, with a little shadow below it.
fn creased(mut paper: RgbImage, share: f64) -> RgbImage {
    let fold = share * f64::from(paper.height());
    for (_, y, pixel) in paper.enumerate_pixels_mut() {
        let below = (f64::from(y) - fold) / 30.0;
        let factor = if (0.0..1.0).contains(&below) { 0.86 + 0.14 * below } else { 1.0 };
        pixel.0 = pixel.0.map(|v| (f64::from(v) * factor).round() as u8);
    }
    paper
}
