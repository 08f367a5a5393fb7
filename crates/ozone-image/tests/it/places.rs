use ozone_image::coords::BadPlace;
use ozone_image::{Coords, Frame, Rect};
use proptest::prelude::*;

fn frame(coords: Coords) -> Frame {
    Frame { coords, size: [4000, 3000], seen: [1000, 750] }
}

#[test]
fn each_convention_names_the_same_place() {
    let rects = [
        (Coords::PxSeen, [250.0, 75.0, 500.0, 375.0]),
        (Coords::PxFile, [1000.0, 300.0, 2000.0, 1500.0]),
        (Coords::Rel1000, [250.0, 100.0, 500.0, 500.0]),
        (Coords::Rel1, [0.25, 0.1, 0.5, 0.5]),
    ];
    for (coords, rect) in rects {
        let place = frame(coords).rect(rect).unwrap();
        let off = place.overlap(&Rect::new(1000.0, 300.0, 2000.0, 1500.0));
        assert!(off > 0.999_999, "{coords:?}: {place:?}");
        assert_eq!(frame(coords).write_rect(&place), rect);
    }
}

#[test]
fn a_box_outside_is_refused_with_the_legal_range() {
    let error = frame(Coords::Rel1).rect([10.0, 20.0, 300.0, 400.0]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the box [10, 20, 300, 400] is not inside the picture: x is from 0 to 1 and y from 0 to 1, \
         in parts of the side"
    );
    for rect in [[0.0, 0.0, 1001.0, 10.0], [-1.0, 0.0, 5.0, 5.0], [f64::NAN, 0.0, 5.0, 5.0]] {
        let error = frame(Coords::PxSeen).rect(rect).unwrap_err();
        assert!(error.to_string().contains("x is from 0 to 1000 and y from 0 to 750"), "{error}");
    }
    for rect in [[5.0, 5.0, 5.0, 9.0], [9.0, 5.0, 5.0, 9.0]] {
        let error = frame(Coords::PxSeen).rect(rect).unwrap_err();
        assert!(matches!(error, BadPlace::Empty(_)), "{error}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        x in 0.0..=4000.0f64, y in 0.0..=3000.0f64,
        coords in prop::sample::select(vec![Coords::PxSeen, Coords::PxFile, Coords::Rel1000, Coords::Rel1]),
    ) {
        let frame = frame(coords);
        let [bx, by] = frame.point(frame.write([x, y])).unwrap();
        prop_assert!((bx - x).abs() < 0.5 && (by - y).abs() < 0.5);
    }
}
