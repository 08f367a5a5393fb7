use std::sync::Arc;

use image::imageops;
use ozone_image::{Flip, Map, Mark, Picture, Rect, RgbImage, Tone, View, ViewError};
use proptest::prelude::*;

use crate::{difference, drawn, speckled, view};

fn pixels(view: &View) -> RgbImage {
    view.render().unwrap()
}

#[test]
fn quarter_turns_and_mirrors_keep_each_pixel() {
    let source = speckled(17, 9);
    let whole = view(source.clone());
    assert!(pixels(&whole) == source);
    let turned = |degrees: f64| pixels(&whole.rotate(degrees).unwrap());
    assert!(turned(90.0) == imageops::rotate90(&source));
    assert!(turned(180.0) == imageops::rotate180(&source));
    assert!(turned(270.0) == imageops::rotate270(&source));
    assert!(turned(-90.0) == imageops::rotate270(&source));
    assert!(turned(720.0) == source);
    assert!(pixels(&whole.flip(Flip::Horizontal)) == imageops::flip_horizontal(&source));
    assert!(pixels(&whole.flip(Flip::Vertical)) == imageops::flip_vertical(&source));
    let transposed = imageops::flip_horizontal(&imageops::rotate90(&source));
    assert!(pixels(&whole.transpose()) == transposed);
    let four = (0..4).fold(whole, |v, _| v.rotate(90.0).unwrap());
    assert!(pixels(&four) == source);
}

/// The lesson of the baseline: text that the reduced view lost is in the original.
#[test]
fn a_part_of_a_reduced_view_has_the_originals_detail() {
    let source = speckled(400, 300);
    let whole = view(source.clone());
    let small = whole.resize(40, 30).unwrap();
    let part = small.crop(Rect::new(10.0, 10.0, 20.0, 20.0)).unwrap().resize(100, 100).unwrap();
    let direct = imageops::crop_imm(&source, 100, 100, 100, 100).to_image();
    assert!(pixels(&part) == direct);
    let of_pixels = view(pixels(&small)).crop(Rect::new(10.0, 10.0, 20.0, 20.0)).unwrap();
    assert!(difference(&pixels(&of_pixels.resize(100, 100).unwrap()), &direct) > 20.0);
}

#[test]
fn what_cannot_be_made_is_refused() {
    let whole = view(speckled(20, 10));
    let outside = whole.crop(Rect::new(5.0, 5.0, 21.0, 8.0));
    assert_eq!(outside.unwrap_err(), ViewError::OutsidePicture(20, 10));
    for rect in [Rect::new(5.0, 5.0, 5.0, 8.0), Rect::new(f64::NAN, 0.0, 5.0, 8.0)] {
        assert!(whole.crop(rect).is_err());
    }
    assert!(matches!(whole.resize(90_000, 90_000), Err(ViewError::TooLarge(..))));
    assert!(matches!(whole.scale(1e12), Err(ViewError::TooLarge(..))));
    assert!(matches!(whole.rotate(f64::NAN), Err(ViewError::BadAngle(_))));
    let line = [[0.0, 0.0], [5.0, 0.0], [10.0, 0.0], [15.0, 0.0]];
    let crossed = [[0.0, 0.0], [9.0, 9.0], [9.0, 0.0], [0.0, 9.0]];
    for corners in [line, crossed, [[f64::NAN; 2]; 4], [[0.0; 2]; 4]] {
        assert_eq!(whole.rectify(corners).unwrap_err(), ViewError::BadCorners);
    }
}

#[test]
fn corners_become_the_corners() {
    let source = drawn(100, 80, |x, y| [(x * 2) as u8, (y * 3) as u8, 0]);
    let corners = [[10.0, 5.0], [90.0, 15.0], [80.0, 70.0], [20.0, 60.0]];
    let flat = view(source).rectify(corners).unwrap();
    let [width, height] = flat.size().map(f64::from);
    let ends = [[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]];
    for (end, corner) in ends.iter().zip(corners) {
        let [x, y] = flat.to_source().apply(*end);
        assert!((x - corner[0]).abs() < 1e-6 && (y - corner[1]).abs() < 1e-6, "{x} {y}");
    }
    assert!(flat.to_source().coefficients().is_none(), "it is not affine");
}

#[test]
fn what_lies_beside_a_turned_picture_has_the_colour_of_its_border() {
    let page = drawn(60, 60, |x, y| {
        if (20..40).contains(&x) && (20..40).contains(&y) { [0; 3] } else { [230, 220, 200] }
    });
    let turned = pixels(&view(page).rotate(45.0).unwrap());
    assert_eq!(turned.get_pixel(0, 0).0, [230, 220, 200]);
    let (width, height) = turned.dimensions();
    assert_eq!(turned.get_pixel(width / 2, height / 2).0, [0; 3]);
}

#[test]
fn marks_stay_at_their_place_in_the_picture() {
    let whole = view(drawn(200, 100, |_, _| [255; 3]));
    let guide = Mark::line(vec![[50.0, 0.0], [50.0, 100.0]]).labelled("x = 50");
    let marked = whole.mark(vec![guide]);
    let is_red = |pixels: &RgbImage, x: u32, y: u32| pixels.get_pixel(x, y)[1] < 170;
    let seen = pixels(&marked);
    assert!(is_red(&seen, 50, 80) && !is_red(&seen, 60, 80));
    let zoomed = marked.crop(Rect::new(40.0, 40.0, 80.0, 80.0)).unwrap().resize(400, 400).unwrap();
    let seen = pixels(&zoomed);
    assert!(is_red(&seen, 100, 300) && !is_red(&seen, 150, 300));
    assert!(zoomed.render_plain().unwrap().pixels().all(|p| p.0 == [255; 3]));
}

#[test]
fn a_view_can_be_kept() {
    let picture = Arc::new(Picture::of(speckled(60, 40)));
    let made = View::of(picture.clone()).rotate(12.5).unwrap().tone(Tone::Autocontrast).unwrap();
    let made = made.mark(vec![Mark::text([5.0, 5.0], "<here>")]);
    let kept = View::restore(picture, made.recipe());
    assert!(pixels(&kept) == pixels(&made));
}

#[derive(Debug, Clone)]
enum Step {
    Crop([f64; 4]),
    Resize(f64, f64),
    Rotate(f64),
    Flip(Flip),
    Transpose,
    Rectify([f64; 8]),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let part = prop::array::uniform4(0.0..0.3f64);
    let bend = prop::array::uniform8(0.0..0.15f64);
    let step = prop_oneof![
        part.prop_map(Step::Crop),
        (0.6..1.6f64, 0.6..1.6f64).prop_map(|(x, y)| Step::Resize(x, y)),
        (-180.0..180.0f64).prop_map(Step::Rotate),
        prop::sample::select(vec![90.0, 180.0, 270.0]).prop_map(Step::Rotate),
        prop::bool::ANY.prop_map(|h| Step::Flip(if h { Flip::Horizontal } else { Flip::Vertical })),
        Just(Step::Transpose),
        bend.prop_map(Step::Rectify),
    ];
    prop::collection::vec(step, 0..5)
}

fn apply(view: View, step: &Step) -> View {
    let [width, height] = view.size().map(f64::from);
    match step {
        Step::Crop([l, t, r, b]) => {
            let rect = Rect::new(l * width, t * height, width - r * width, height - b * height);
            view.crop(rect).unwrap()
        }
        Step::Resize(x, y) => {
            view.resize((width * x).ceil() as u32, (height * y).ceil() as u32).unwrap()
        }
        Step::Rotate(degrees) => view.rotate(*degrees).unwrap(),
        Step::Flip(flip) => view.flip(*flip),
        Step::Transpose => view.transpose(),
        Step::Rectify(b) => {
            let (x, y) = (|share: f64| share * width, |share: f64| share * height);
            let corners = [
                [x(b[0]), y(b[1])],
                [x(1.0 - b[2]), y(b[3])],
                [x(1.0 - b[4]), y(1.0 - b[5])],
                [x(b[6]), y(1.0 - b[7])],
            ];
            view.rectify(corners).unwrap()
        }
    }
}

/// Colours that change evenly, so that any way of sampling must find the same.
fn slope(width: u32, height: u32) -> RgbImage {
    drawn(width, height, |x, y| [(20 + x * 2) as u8, (20 + y * 2) as u8, (20 + x + y) as u8])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// However a view was made: a place of it leads to the picture and back.
    #[test]
    fn places_lead_there_and_back(steps in steps(), x in 0.05..0.95f64, y in 0.05..0.95f64) {
        let made = steps.iter().fold(view(slope(90, 70)), apply);
        let back = made.to_source().inverse().unwrap();
        let place = [x * f64::from(made.width()), y * f64::from(made.height())];
        let [bx, by] = back.apply(made.to_source().apply(place));
        prop_assert!((bx - place[0]).abs() < 1e-6 && (by - place[1]).abs() < 1e-6);
    }

    /// However a view was made: what it shows at a place is what the picture has there.
    #[test]
    fn a_pixel_shows_what_is_behind_it(steps in steps()) {
        let made = steps.iter().fold(view(slope(90, 70)), apply);
        let seen = pixels(&made);
        for (px, py, pixel) in seen.enumerate_pixels() {
            let [x, y] = made.to_source().apply([f64::from(px) + 0.5, f64::from(py) + 0.5]);
            // Near the border there is less than a filter wants.
            if !((6.0..84.0).contains(&x) && (6.0..64.0).contains(&y)) {
                continue;
            }
            let expected = [19.0 + x * 2.0, 19.0 + y * 2.0, 19.0 + x + y];
            for c in 0..3 {
                let error = (f64::from(pixel[c]) - expected[c]).abs();
                prop_assert!(error < 3.5, "{px},{py}: {pixel:?} for {expected:?} after {steps:?}");
            }
        }
    }

    #[test]
    fn a_crop_of_a_crop_is_the_direct_crop(
        a in (0..20u32, 0..15u32), b in (0..10u32, 0..8u32), size in (1..12u32, 1..10u32),
    ) {
        let source = speckled(64, 48);
        let rect = |x: u32, y: u32, w: u32, h: u32| {
            Rect::new(x.into(), y.into(), (x + w).into(), (y + h).into())
        };
        let outer = view(source.clone()).crop(rect(a.0, a.1, 30, 25)).unwrap();
        let twice = outer.crop(rect(b.0, b.1, size.0, size.1)).unwrap();
        let once = view(source).crop(rect(a.0 + b.0, a.1 + b.1, size.0, size.1)).unwrap();
        prop_assert_eq!(twice.to_source(), once.to_source());
        prop_assert!(pixels(&twice) == pixels(&once));
    }

    #[test]
    fn maps_compose(a in -3.0..3.0f64, b in 0.5..2.0f64, turn in -180.0..180.0f64) {
        let first = Map::rotation(turn).then(&Map::scale(b, 1.5));
        let second = Map::shift(a, -a);
        let [x, y] = first.then(&second).apply([3.0, 4.0]);
        let [ex, ey] = second.apply(first.apply([3.0, 4.0]));
        prop_assert!((x - ex).abs() < 1e-9 && (y - ey).abs() < 1e-9);
    }
}
