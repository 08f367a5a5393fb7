//! Cutting, comparing sides, and putting together.

use ozone_image::edges::{Fit, Side, fits};
use ozone_image::{Rect, Rgb, RgbImage, Shapes, Wanted, measure, tile};

use crate::{drawn, lines_of_text, speckled};

fn part(pixels: &RgbImage, x: u32, y: u32, width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |i, j| *pixels.get_pixel(x + i, y + j))
}

/// Soft colours that repeat nowhere.
fn hills(side: u32) -> RgbImage {
    drawn(side, side, |x, y| {
        let wave = |a: f64, b: f64| {
            let at = f64::from(x) * a + f64::from(y) * b;
            (130.0 + 90.0 * (at / f64::from(side)).sin()).round() as u8
        };
        [wave(17.0, 5.0), wave(-9.0, 23.0), wave(13.0, -19.0)]
    })
}

fn with(found: &[Fit], part: usize, side: Side) -> Vec<((usize, Side), f64)> {
    let own = (part, side);
    let other = |fit: &Fit| match fit.sides {
        [a, b] if a == own => Some((b, fit.fit)),
        [a, b] if b == own => Some((a, fit.fit)),
        _ => None,
    };
    found.iter().filter_map(other).collect()
}

#[test]
fn a_side_is_continued_by_its_neighbour_however_that_is_turned() {
    let whole = hills(120);
    let quarters = [[0, 0], [60, 0], [0, 60], [60, 60]].map(|[x, y]| part(&whole, x, y, 60, 60));
    // The second is turned by a quarter clockwise: its left side is its upper one.
    let [first, second, third, fourth] = quarters;
    let sheet = tile::joined(&[first, turned(&second), third, fourth], 4).unwrap();
    let parts = [0.0, 60.0, 120.0, 180.0].map(|x| Rect::new(x, 0.0, x + 60.0, 60.0));
    let found = fits(&sheet, &parts);
    for (part, side, best) in [
        (0, Side::Right, (1, Side::Top)),
        (0, Side::Bottom, (2, Side::Top)),
        (3, Side::Left, (2, Side::Right)),
        (3, Side::Top, (1, Side::Left)),
    ] {
        let with = with(&found, part, side);
        assert_eq!(with[0].0, best, "{part} {side:?}: {with:?}");
        assert!(with[0].1 > 0.8 && with[1].1 < with[0].1 - 0.2, "{with:?}");
    }
}

/// By a quarter clockwise.
fn turned(pixels: &RgbImage) -> RgbImage {
    let side = pixels.width();
    drawn(side, side, |x, y| pixels.get_pixel(y, side - 1 - x).0)
}

#[test]
fn what_does_not_belong_together_fits_no_better_than_by_chance() {
    let (a, b) = (speckled(80, 80), lines_of_text(80, 80));
    let sheet = tile::joined(&[a, b], 2).unwrap();
    let parts = [Rect::new(0.0, 0.0, 80.0, 80.0), Rect::new(80.0, 0.0, 160.0, 80.0)];
    assert!(fits(&sheet, &parts).iter().all(|fit| fit.fit < 0.2));
    // Of empty sides nothing is said, nor of sides of other lengths.
    let blank = drawn(100, 50, |_, _| [255; 3]);
    let halves = [Rect::new(0.0, 0.0, 50.0, 50.0), Rect::new(50.0, 0.0, 100.0, 50.0)];
    assert_eq!(fits(&blank, &halves), []);
    let unlike = [Rect::new(0.0, 0.0, 80.0, 80.0), Rect::new(80.0, 0.0, 120.0, 40.0)];
    assert_eq!(fits(&sheet, &unlike), []);
    assert_eq!(fits(&sheet, &[Rect::new(500.0, 0.0, 600.0, 50.0), parts[0]]), []);
}

#[test]
fn parts_are_joined_without_gaps_and_never_beyond_the_limit() {
    let whole = speckled(90, 60);
    let cut: Vec<RgbImage> = (0..6).map(|i| part(&whole, i % 3 * 30, i / 3 * 30, 30, 30)).collect();
    assert_eq!(tile::joined(&cut, 3).unwrap(), whole);
    assert_eq!(tile::joined(&[], 3).unwrap().dimensions(), (0, 0));
    // As wide as one and as high as the other, that would be 900 million pixels.
    let long = [RgbImage::new(30_000, 1), RgbImage::new(1, 30_000)];
    let refused = tile::joined(&long, 2).unwrap_err().to_string();
    assert!(refused.contains("30001x30000"), "{refused}");
}

#[test]
fn what_lies_on_a_ground_is_found_whatever_its_colours() {
    let ground = [30, 30, 40];
    let table = drawn(100, 60, |x, y| match (x, y) {
        (10..40, 10..50) => [200, (x * 6) as u8, 90],
        (60..90, 20..40) => [(y * 6) as u8, 220, 250],
        _ => ground,
    });
    let found = Shapes::find(&table, Wanted::Unlike { rgb: ground, tolerance: 20 }, 5);
    let boxes: Vec<Rect> = found.shapes.iter().map(|shape| shape.bbox).collect();
    let expected = [Rect::new(10.0, 10.0, 40.0, 50.0), Rect::new(60.0, 20.0, 90.0, 40.0)];
    assert_eq!(boxes, expected);
}

#[test]
fn a_curve_is_followed_where_it_is_seen() {
    let colour = [200, 40, 30];
    let chart = drawn(100, 80, |x, y| match (x, y) {
        (50..60, _) => [0, 0, 200],
        _ if (x / 2 + 10..x / 2 + 14).contains(&y) => colour,
        // A speck of the same colour is shorter than the line is thick.
        (20..22, 70..72) => colour,
        _ => [255; 3],
    });
    let found = measure::curve(&chart, colour, 30);
    assert_eq!(found.len(), 90);
    for crossing in found {
        let x = crossing.at[0].floor();
        assert_eq!(crossing.at[1], (x / 2.0).floor() + 12.0);
        assert_eq!(crossing.thickness, 4.0);
        assert!(!(50.0..60.0).contains(&x));
    }
    let none = RgbImage::from_pixel(5, 5, Rgb([255; 3]));
    assert_eq!(measure::curve(&none, colour, 30), []);
}
