use ozone_image::{
    Rect, Rgb, RgbImage, Shapes, Tone, Wanted, code, compare, encode, estimate, measure, tile,
};

use crate::{drawn, lines_of_text, speckled, view};

const WHITE: [u8; 3] = [255; 3];

#[test]
fn the_turn_of_lines_is_found_and_taken_back() {
    let text = view(lines_of_text(300, 220));
    for degrees in [-23.0, -4.5, 0.0, 7.0, 41.0] {
        let turned = text.rotate(degrees).unwrap();
        let skew = estimate::skew(&turned).unwrap();
        assert!((skew.degrees - degrees).abs() < 0.6, "{skew:?} for {degrees}");
        assert!(skew.confidence > 0.5, "{skew:?}");
        let level = estimate::skew(&turned.rotate(-skew.degrees).unwrap()).unwrap();
        assert!(level.degrees.abs() < 0.6, "{level:?}");
    }
    let empty = estimate::skew(&view(drawn(50, 50, |_, _| WHITE))).unwrap();
    assert_eq!((empty.degrees, empty.confidence), (0.0, 0.0));
}

#[test]
fn a_page_on_a_table_has_corners() {
    let corners = [[30.0, 20.0], [170.0, 35.0], [160.0, 130.0], [40.0, 120.0]];
    let inside = |x: f64, y: f64| {
        (0..4).all(|i| {
            let ([ax, ay], [bx, by]): ([f64; 2], [f64; 2]) = (corners[i], corners[(i + 1) % 4]);
            (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0.0
        })
    };
    let photo = drawn(200, 150, |x, y| {
        let (fx, fy) = (f64::from(x) + 0.5, f64::from(y) + 0.5);
        match (inside(fx, fy), y % 12 < 3 && (70..130).contains(&x) && (50..100).contains(&y)) {
            (true, true) => [30; 3],
            (true, false) => [235; 3],
            (false, _) => [70, 50, 40],
        }
    });
    let page = estimate::page(&view(photo)).unwrap().unwrap();
    assert!(page.confidence > 0.9, "{page:?}");
    for (found, corner) in page.corners.iter().zip(corners) {
        let off = (found[0] - corner[0]).hypot(found[1] - corner[1]);
        assert!(off < 4.0, "{found:?} for {corner:?}");
    }
    assert_eq!(estimate::page(&view(drawn(50, 50, |_, _| [9; 3]))).unwrap(), None);
}

#[test]
fn a_blur_lowers_the_sharpness() {
    let sharp = lines_of_text(120, 90);
    let blurred = view(sharp.clone()).tone(Tone::Blur { sigma: 3.0 }).unwrap().render().unwrap();
    let (a, b) = (estimate::estimates(&sharp), estimate::estimates(&blurred));
    assert!(a.sharpness > 5.0 * b.sharpness, "{a:?} {b:?}");
    assert_eq!(a.brightness, [20, 240]);
    assert!(a.noise < 1.0 && estimate::estimates(&speckled(60, 60)).noise > 20.0);
}

/// Squares, a ring with a disc in it, and a bar that is cut.
fn scene() -> RgbImage {
    drawn(120, 80, |x, y| {
        let square = |left: u32, top: u32, side: u32| {
            (left..left + side).contains(&x) && (top..top + side).contains(&y)
        };
        let away = (f64::from(x) + 0.5 - 80.0).hypot(f64::from(y) + 0.5 - 40.0);
        let frame = square(10, 40, 16) && !square(13, 43, 10);
        if square(10, 10, 12) || square(40, 50, 12) || frame {
            [0, 0, 220]
        } else if away < 6.0 || (16.0..20.0).contains(&away) {
            [220, 0, 0]
        } else if square(112, 0, 8) || (x, y) == (5, 75) {
            [0, 120, 0]
        } else {
            WHITE
        }
    })
}

#[test]
fn shapes_are_counted_with_what_tells_them_apart() {
    let found = Shapes::find(&scene(), Wanted::Ink, 4);
    assert_eq!((found.shapes.len(), found.specks), (6, 1));
    let blue = Wanted::Colour { rgb: [0, 0, 220], tolerance: 10 };
    let blue = Shapes::find(&scene(), blue, 4).shapes;
    assert_eq!(
        blue.iter().map(|s| (s.area, s.hollow)).collect::<Vec<_>>(),
        [(156, true), (144, false), (144, false)]
    );
    assert_eq!(blue[1].bbox, Rect::new(10.0, 10.0, 22.0, 22.0));
    assert_eq!((blue[1].centre, blue[1].filled), ([16.0, 16.0], 1.0));
    let red = Wanted::Colour { rgb: [220, 0, 0], tolerance: 10 };
    let red = Shapes::find(&scene(), red, 4).shapes;
    assert_eq!(red.len(), 2);
    assert!(red[0].hollow && !red[1].hollow, "the disc in the ring is solid");
    assert!((red[1].filled - 0.785).abs() < 0.05);
    let cut: Vec<_> = found.shapes.iter().filter(|s| s.cut).map(|s| s.colour).collect();
    assert_eq!(cut, [[0, 120, 0]]);
}

#[test]
fn a_line_crosses_stretches_of_colour() {
    let bars = drawn(100, 20, |x, _| match x {
        0..=29 => WHITE,
        30..=54 => [200, 0, 0],
        _ => [0, 0, 200],
    });
    let runs = measure::line(&bars, [0.0, 10.0], [100.0, 10.0], 30);
    let ends: Vec<f64> = runs.iter().map(|r| r.to).collect();
    assert_eq!(runs.len(), 3);
    assert!((ends[0] - 30.0).abs() < 0.5 && (ends[1] - 55.0).abs() < 0.5, "{ends:?}");
    assert_eq!(runs[1].rgb, [200, 0, 0]);
    assert_eq!(measure::line(&bars, [5.0, 5.0], [5.0, 5.0], 30).len(), 1);
}

#[test]
fn a_needle_has_an_angle() {
    let degrees = 130.0f64;
    let (sin, cos) = degrees.to_radians().sin_cos();
    let dial = drawn(120, 120, |x, y| {
        let (dx, dy) = (f64::from(x) + 0.5 - 60.0, f64::from(y) + 0.5 - 60.0);
        let (along, beside) = (dx * sin - dy * cos, dx * cos + dy * sin);
        if (0.0..50.0).contains(&along) && beside.abs() < 2.0 { [10; 3] } else { [250; 3] }
    });
    let runs = measure::ring(&dial, [60.0, 60.0], 35.0, 40);
    let needle: Vec<_> = runs.iter().filter(|r| r.rgb[0] < 100).collect();
    assert_eq!(needle.len(), 1, "{runs:?}");
    assert!(((needle[0].from + needle[0].to) / 2.0 - degrees).abs() < 1.0, "{needle:?}");
    assert_eq!(runs.len(), 2, "what goes over the top is one stretch: {runs:?}");
}

#[test]
fn a_circle_is_found_to_a_part_of_a_pixel() {
    let (cx, cy, radius) = (50.4, 47.8, 30.3);
    let disc = drawn(100, 100, |x, y| {
        // How much of the pixel the disc covers, by 16 samples.
        let inside = |i: u32| {
            let (sx, sy) = (f64::from(i % 4) / 4.0 + 0.125, f64::from(i / 4) / 4.0 + 0.125);
            (f64::from(x) + sx - cx).hypot(f64::from(y) + sy - cy) < radius
        };
        let share = (0..16).filter(|i| inside(*i)).count() as u32;
        [(240 - share * 13) as u8; 3]
    });
    let circle = measure::circle(&disc, [47.0, 50.0], 60.0).unwrap();
    assert!((circle.centre[0] - cx).abs() < 0.3 && (circle.centre[1] - cy).abs() < 0.3);
    assert!((circle.radius - radius).abs() < 0.3, "{circle:?}");
    assert!(circle.found > 0.9 && circle.error < 0.6, "{circle:?}");
    assert_eq!(measure::circle(&drawn(40, 40, |_, _| WHITE), [20.0, 20.0], 30.0), None);
}

#[test]
fn colours_are_named_with_their_shares() {
    let pixels = scene();
    let colours = measure::colours(&pixels, 8);
    assert_eq!(colours[0].rgb, WHITE);
    let blue = colours.iter().find(|c| c.rgb == [0, 0, 220]).unwrap();
    assert!((blue.share - 444.0 / 9600.0).abs() < 1e-9);
    assert_eq!(measure::colour_at(&pixels, [15.0, 15.0], 2), [0, 0, 220]);
    assert_eq!(measure::colour_at(&pixels, [500.0, -3.0], 0), [0, 120, 0]);
    let steps = measure::histogram(&pixels, 4);
    assert!((steps.iter().sum::<f64>() - 1.0).abs() < 1e-9 && steps[3] > 0.8);
}

#[test]
fn a_sketch_shows_where_things_are() {
    let sketch = measure::sketch(&scene(), 24);
    assert_eq!(sketch.rows.len(), 8);
    assert!(sketch.rows.iter().all(|row| row.chars().count() == 24));
    let letter = |x: usize, y: usize| sketch.rows[y].as_bytes()[x] as char;
    assert_eq!((letter(0, 0), letter(3, 1)), ('.', 'B'), "{:#?}", sketch.rows);
    assert_eq!(sketch.colours[2].rgb, [0, 0, 220]);
}

#[test]
fn a_change_is_found_although_the_picture_moved() {
    let first = speckled(90, 70);
    let first = view(first).tone(Tone::Blur { sigma: 2.0 }).unwrap();
    let first = first.tone(Tone::Autocontrast).unwrap().render().unwrap();
    let moved = RgbImage::from_fn(90, 70, |x, y| {
        let (sx, sy) = (x.saturating_sub(5), y.saturating_sub(3));
        if (40..52).contains(&sx) && (30..38).contains(&sy) {
            Rgb([255, 0, 255])
        } else {
            *first.get_pixel(sx, sy)
        }
    });
    let found = compare::compare(&first, &moved, true);
    assert_eq!(found.shift, [5, 3]);
    assert_eq!(found.boxes.len(), 1, "{:?}", found.boxes);
    assert!(found.boxes[0].overlap(&Rect::new(40.0, 30.0, 52.0, 38.0)) > 0.6, "{:?}", found.boxes);
    let same = compare::compare(&first, &first, false);
    assert_eq!((same.share, same.boxes.len()), (0.0, 0));
}

#[test]
fn a_code_is_read() {
    let code = qrcode::QrCode::new(b"https://example.test/7?a=b").unwrap();
    let (modules, side) = (code.to_colors(), code.width() as u32);
    let pixels = drawn((side + 8) * 4, (side + 8) * 4, |x, y| {
        let (x, y) = (x / 4, y / 4);
        let inside = (4..side + 4).contains(&x) && (4..side + 4).contains(&y);
        let dark = inside && modules[((y - 4) * side + x - 4) as usize] == qrcode::Color::Dark;
        if dark { [0; 3] } else { WHITE }
    });
    let (codes, unread) = code::codes(&pixels);
    assert_eq!((codes.len(), unread), (1, 0));
    assert_eq!(codes[0].text, "https://example.test/7?a=b");
    assert_eq!(code::codes(&drawn(30, 30, |_, _| WHITE)), (vec![], 0));
}

#[test]
fn tiles_cover_the_picture_and_overlap() {
    let whole = view(speckled(100, 80));
    let tiles = tile::tiles(&whole, 3, 2, 0.1).unwrap();
    assert_eq!(tiles.len(), 6);
    let corner = |v: &ozone_image::View| v.to_source().apply([0.0, 0.0]);
    assert_eq!(corner(&tiles[0]), [0.0, 0.0]);
    let end = tiles[5].size().map(f64::from);
    assert_eq!(tiles[5].to_source().apply(end), [100.0, 80.0]);
    assert!(corner(&tiles[1])[0] < f64::from(tiles[0].width()));
    let labelled: Vec<_> =
        tiles.into_iter().enumerate().map(|(i, v)| (v, format!("t{i}"))).collect();
    let sheet = tile::sheet(&labelled, 3, 5_000).unwrap();
    assert!(sheet.width() * sheet.height() < 8_000);
}

#[test]
fn a_picture_is_delivered_within_its_bytes() {
    let plain = drawn(300, 200, |_, _| WHITE);
    assert_eq!(encode::within(&plain, 10_000).unwrap().unwrap().media_type, "image/png");
    let busy = speckled(300, 200);
    let sent = encode::within(&busy, 60_000).unwrap().unwrap();
    assert_eq!(sent.media_type, "image/jpeg");
    assert!(sent.bytes.len() <= 60_000);
    assert_eq!(encode::within(&busy, 500).unwrap(), None);
}

/// Whatever their turn and size, also outlines; the raster's cut tips are no corners.
#[test]
fn shapes_have_the_corners_of_their_figures() {
    let figure = |sides: u32, radius: f64, turn: f64| {
        let pixels = drawn(160, 160, |x, y| {
            let (dx, dy) = (f64::from(x) - 80.0, f64::from(y) - 80.0);
            let reach = dx.hypot(dy);
            let step = std::f64::consts::TAU / f64::from(sides);
            let off = (dx.atan2(-dy) - turn.to_radians()).rem_euclid(step) - step / 2.0;
            let within = reach * off.cos() <= radius * (step / 2.0).cos();
            if within { [20, 20, 20] } else { WHITE }
        });
        Shapes::find(&pixels, Wanted::Dark, 20).shapes.remove(0).corners
    };
    for turn in [0.0, 17.0, 45.0] {
        for radius in [12.0, 30.0, 70.0] {
            assert_eq!(figure(3, radius, turn).len(), 3, "{radius} {turn}");
            assert_eq!(figure(4, radius, turn).len(), 4, "{radius} {turn}");
            assert!(figure(60, radius, turn).is_empty(), "{radius} {turn}");
        }
    }
    let [top, right, left] = figure(3, 70.0, 0.0)[..] else { panic!() };
    let near = |p: [f64; 2], x: f64, y: f64| (p[0] - x).hypot(p[1] - y) < 2.0;
    assert!(near(top, 80.0, 10.0) && near(right, 140.6, 115.0) && near(left, 19.4, 115.0));
}
