use ozone_image::{Binarize, Channel, Morphology, Rgb, RgbImage, Tone};

use crate::{difference, drawn, lines_of_text, speckled, view};

fn toned(pixels: &RgbImage, tones: &[Tone]) -> RgbImage {
    let made = tones.iter().fold(view(pixels.clone()), |v, tone| v.tone(*tone).unwrap());
    made.render().unwrap()
}

#[test]
fn inverting_twice_changes_nothing() {
    let pixels = speckled(20, 20);
    assert!(toned(&pixels, &[Tone::Invert]) != pixels);
    assert!(toned(&pixels, &[Tone::Invert, Tone::Invert]) == pixels);
}

#[test]
fn contrast_is_stretched_for_what_is_seen() {
    let dim = drawn(64, 64, |x, y| if (x / 8 + y / 8) % 2 == 0 { [120; 3] } else { [128; 3] });
    let seen = toned(&dim, &[Tone::Autocontrast]);
    assert_eq!(seen.get_pixel(0, 0).0, [0; 3]);
    assert_eq!(seen.get_pixel(8, 0).0, [255; 3]);
    // One colour has no contrast to stretch.
    let flat = drawn(8, 8, |_, _| [77; 3]);
    assert!(toned(&flat, &[Tone::Autocontrast, Tone::Equalize]) == flat);
}

#[test]
fn a_shadow_does_not_swallow_the_text() {
    let text = lines_of_text(160, 120);
    let shaded = drawn(160, 120, |x, y| {
        let light = 0.25 + 0.75 * x as f32 / 160.0;
        text.get_pixel(x, y).0.map(|v| (f32::from(v) * light) as u8)
    });
    let wanted = toned(&text, &[Tone::Binarize(Binarize::Otsu)]);
    let level = difference(&toned(&shaded, &[Tone::Binarize(Binarize::Otsu)]), &wanted);
    for how in [Binarize::Adaptive, Binarize::Sauvola] {
        let seen = toned(&shaded, &[Tone::Binarize(how)]);
        assert!(seen.pixels().all(|p| p.0 == [0; 3] || p.0 == [255; 3]));
        let error = difference(&seen, &wanted);
        assert!(error < level / 4.0, "{how:?}: {error} instead of {level}");
    }
}

#[test]
fn a_blur_is_taken_back() {
    let text = lines_of_text(120, 90);
    let blurred = toned(&text, &[Tone::Blur { sigma: 2.0 }]);
    let error = |tone: Tone| difference(&toned(&blurred, &[tone]), &text);
    let before = difference(&blurred, &text);
    let deconvolved = error(Tone::Deconvolve { sigma: 2.0 });
    let unsharp = error(Tone::Unsharp { sigma: 2.0, amount: 1.5 });
    assert!(deconvolved < before * 0.7, "{deconvolved} instead of {before}");
    assert!(unsharp < before, "{unsharp} instead of {before}");
}

#[test]
fn noise_is_averaged_away_and_edges_stay() {
    let clean = drawn(48, 48, |x, _| if x < 24 { [60; 3] } else { [190; 3] });
    let specks = speckled(48, 48);
    let noisy = drawn(48, 48, |x, y| {
        let noise = i32::from(specks.get_pixel(x, y)[0]) / 8 - 16;
        clean.get_pixel(x, y).0.map(|v| (i32::from(v) + noise) as u8)
    });
    let before = difference(&noisy, &clean);
    for tone in [Tone::Denoise, Tone::Median] {
        let error = difference(&toned(&noisy, &[tone]), &clean);
        assert!(error < before * 0.7, "{tone:?}: {error} instead of {before}");
    }
    let seen = toned(&noisy, &[Tone::Denoise]);
    assert!(seen.get_pixel(27, 20)[0] - seen.get_pixel(20, 20)[0] > 100);
}

#[test]
fn bright_parts_grow_and_shrink() {
    let dot = drawn(21, 21, |x, y| if (x, y) == (10, 10) { [255; 3] } else { [0; 3] });
    let bright = |tones: &[Tone]| toned(&dot, tones).pixels().filter(|p| p[0] == 255).count();
    let step = |step: Morphology| Tone::Morphology { step, radius: 2 };
    assert_eq!(bright(&[step(Morphology::Dilate)]), 25);
    assert_eq!(bright(&[step(Morphology::Close)]), 1);
    assert_eq!(bright(&[step(Morphology::Open)]), 0);
    assert_eq!(bright(&[step(Morphology::Dilate), step(Morphology::Erode)]), 1);
}

#[test]
fn channels_tell_colours_apart() {
    let pixels =
        drawn(4, 1, |x, _| [[255, 0, 0], [0, 255, 0], [0, 0, 255], [90, 90, 90]][x as usize]);
    let seen = |channel: Channel| -> Vec<u8> {
        toned(&pixels, &[Tone::Channel(channel)]).pixels().map(|p| p[0]).collect()
    };
    assert_eq!(seen(Channel::Green), [0, 255, 0, 90]);
    assert_eq!(seen(Channel::Saturation), [255, 255, 255, 0]);
    assert_eq!(seen(Channel::Hue), [0, 85, 170, 0]);
}

#[test]
fn numbers_out_of_range_are_refused_with_the_range() {
    let whole = view(speckled(8, 8));
    let bad = [
        Tone::Gamma(0.0),
        Tone::Gamma(f64::NAN),
        Tone::Blur { sigma: 1000.0 },
        Tone::Unsharp { sigma: 1.0, amount: -1.0 },
        Tone::Morphology { step: Morphology::Erode, radius: 0 },
    ];
    for tone in bad {
        let error = whole.tone(tone).unwrap_err().to_string();
        assert!(error.contains("must be above 0 and at most"), "{error}");
    }
    let many = (0..100).try_fold(whole, |v, _| v.tone(Tone::Invert));
    assert!(many.unwrap_err().to_string().contains("at most 32"));
}

#[test]
fn every_tone_takes_a_picture_of_one_pixel() {
    let dot = drawn(1, 1, |_, _| [7, 8, 9]);
    let tones = [
        Tone::Gray,
        Tone::Autocontrast,
        Tone::Gamma(2.0),
        Tone::Equalize,
        Tone::Blur { sigma: 3.0 },
        Tone::Unsharp { sigma: 3.0, amount: 1.0 },
        Tone::Deconvolve { sigma: 3.0 },
        Tone::Denoise,
        Tone::Median,
        Tone::Binarize(Binarize::Sauvola),
        Tone::Binarize(Binarize::Adaptive),
        Tone::Morphology { step: Morphology::Open, radius: 20 },
        Tone::Channel(Channel::Hue),
    ];
    tones.iter().for_each(|tone| assert_eq!(toned(&dot, &[*tone]).dimensions(), (1, 1)));
}

/// Under a shadow the paper is as bright as beside it, and print stays dark.
#[test]
fn flattening_takes_a_shadow_away_and_leaves_print() {
    let is_print = |x: u32, y: u32| x % 20 < 4 && y % 16 < 10;
    let shaded = RgbImage::from_fn(400, 120, |x, y| {
        let light = 240.0 - 0.5 * f64::from(x);
        let v = if is_print(x, y) { 0.5 * light } else { light };
        Rgb([v as u8; 3])
    });
    let flat = toned(&shaded, &[Tone::Flatten]);
    for x in [50, 190, 350] {
        let x = x / 20 * 20;
        assert!(flat.get_pixel(x + 12, 60)[0] > 205, "{:?}", flat.get_pixel(x + 12, 60));
        assert!(flat.get_pixel(x + 2, 68)[0] < 150, "{:?}", flat.get_pixel(x + 2, 68));
    }
}

/// A blur of four pixels is one of two in a view of half the size, not one of four.
#[test]
fn lengths_of_tones_shrink_with_the_view() {
    let edge = RgbImage::from_fn(200, 40, |x, _| Rgb([if x < 100 { 0 } else { 255 }; 3]));
    let blurred = view(edge).tone(Tone::Blur { sigma: 4.0 }).unwrap();
    let slope = |pixels: &RgbImage| {
        pixels.rows().next().unwrap().filter(|p| (26..230).contains(&p[0])).count()
    };
    let large = slope(&blurred.render().unwrap());
    let small = slope(&blurred.scale(0.5).unwrap().render().unwrap());
    assert!(small * 2 <= large + 3 && small * 2 + 3 >= large, "{large} {small}");
}
