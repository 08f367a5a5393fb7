//! A convention is chosen only by boxes that lie where they are in it, and nowhere else.

use ozone_image::Coords;
use ozone_model::upstream::Api;
use ozone_model::{Delivery, Sees};
use ozone_sight::{Board, NotCalibrated, Unclear, fit};
use serde_json::{Value, json};

use crate::fake::{Eyes, Hand};
use crate::ways::{Lab, PIXELS_MAX};

const ALL: [Coords; 4] = [Coords::PxSeen, Coords::PxFile, Coords::Rel1000, Coords::Rel1];

fn extent(coords: Coords) -> [f64; 2] {
    let board = Board::of_seed(3, PIXELS_MAX);
    match coords {
        Coords::PxSeen => board.seen.map(f64::from),
        Coords::PxFile => board.size.map(f64::from),
        Coords::Rel1000 => [1000.0; 2],
        Coords::Rel1 => [1.0; 2],
    }
}

async fn calibrated(hand: Hand, sees: Sees) -> Result<ozone_sight::Placed, NotCalibrated> {
    let time_max = std::time::Duration::from_secs(600);
    Lab::with(Eyes::Open, hand, Api::Chat, time_max).await.calibrate(sees).await
}

#[tokio::test]
async fn each_convention_is_recognised_with_noise() {
    for sees in [Delivery::User.into(), Sees { users: false, results: Delivery::Tool }] {
        for coords in ALL {
            let placed = calibrated(Hand::Within(extent(coords), 0.015), sees).await.unwrap();
            assert_eq!(placed.coords, coords);
            assert!((0.005..0.03).contains(&placed.residual), "{placed:?}");
            assert!(placed.next > 0.08, "{placed:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_fits_nowhere_chooses_nothing_and_says_what_it_may_be() {
    let user = Sees::from(Delivery::User);
    let why = |e: NotCalibrated| e.to_string();
    let nonsense = why(calibrated(Hand::Nonsense, user).await.unwrap_err());
    assert!(nonsense.contains("lie where none is"), "{nonsense}");
    let prose = why(calibrated(Hand::Prose, user).await.unwrap_err());
    assert!(prose.contains("0 of 4 boxes") && prose.contains("The red box"), "{prose}");
    let turned = why(calibrated(Hand::Turned, user).await.unwrap_err());
    assert!(turned.contains("rel1000 if it writes y before x"), "{turned}");
    let percent = why(calibrated(Hand::Within([100.0; 2], 0.0), user).await.unwrap_err());
    assert!(percent.contains("percent"), "{percent}");
    let [wide, high] = extent(Coords::PxSeen);
    let smaller = Hand::Within([wide * 0.75, high * 0.75], 0.0);
    let smaller = why(calibrated(smaller, user).await.unwrap_err());
    assert!(smaller.contains("1299x650 pixels") && smaller.contains("resize"), "{smaller}");
    let blind = why(calibrated(Hand::Prose, Delivery::Text.into()).await.unwrap_err());
    assert!(blind.contains("sees no pictures"), "{blind}");
}

#[test]
fn two_conventions_that_lie_near_each_other_choose_neither() {
    // A view whose sides are nearly 1000 long.
    let mut board = Board::of_seed(1, PIXELS_MAX);
    board.seen = [1010, 990];
    let boxes: Vec<Value> = (0..4).map(|at| boxed(&board, at, Coords::Rel1000)).collect();
    let why = fit(&board, &Value::from(boxes).to_string()).unwrap_err();
    assert!(matches!(why, Unclear::Ambiguous { first: Coords::Rel1000, .. }), "{why}");
}

fn boxed(board: &Board, at: usize, coords: Coords) -> Value {
    json!({"label": format!("the {} box", Board::COLOURS[at]), "bbox_2d": board.written(at, coords)})
}

#[test]
fn one_box_may_be_mistaken_and_two_may_not() {
    let board = Board::of_seed(5, PIXELS_MAX);
    let mut boxes: Vec<Value> = (0..4).map(|at| boxed(&board, at, Coords::PxSeen)).collect();
    boxes[1]["bbox_2d"] = json!([1, 2, 3, 4]);
    assert_eq!(
        fit(&board, &Value::from(boxes.clone()).to_string()).unwrap().coords,
        Coords::PxSeen
    );
    boxes[2]["bbox_2d"] = json!([900, 20, 990, 40]);
    fit(&board, &Value::from(boxes).to_string()).unwrap_err();
}

#[test]
fn boxes_are_read_in_many_shapes() {
    let board = Board::of_seed(9, PIXELS_MAX);
    let b = |at: usize| board.written(at, Coords::Rel1000);
    let [r, g, u, k] = [b(0), b(1), b(2), b(3)];
    let shapes = [
        format!(
            "Here: [{{\"bbox_2d\": {r:?}, \"label\": \"red\"}}, {{\"bbox_2d\": {g:?}, \"label\": \"green\"}}, {{\"bbox_2d\": {u:?}, \"label\": \"blue\"}}] as asked."
        ),
        json!({"red": r, "green": g, "blue": u, "black": k}).to_string(),
        json!({"boxes": [{"color": "Red", "box": [[r[0], r[1]], [r[2], r[3]]]},
               {"name": "green rectangle", "box": g}, {"name": "black", "box": k}]})
        .to_string(),
        format!(
            "red: {r:?}\n- green: ({}, {}), ({}, {})\n* **blue**: {u:?}.",
            g[0], g[1], g[2], g[3]
        ),
        json!({"red": {"x1": r[0], "y1": r[1], "x2": r[2], "y2": r[3]}, "blue": u, "black": k})
            .to_string(),
    ];
    for shape in shapes {
        let found = fit(&board, &shape).unwrap_or_else(|e| panic!("{e}: {shape}"));
        assert_eq!(found.coords, Coords::Rel1000, "{shape}");
    }
    for garbage in ["", "[", "{\"red\":[1,2,3", "[[[[", "red green blue 1 2 3 4", "\u{1F600}[{"] {
        fit(&board, garbage).unwrap_err();
    }
    let endless = "[".repeat(500_000);
    fit(&board, &endless).unwrap_err();
}

#[test]
fn the_conventions_are_well_apart_on_every_board() {
    for seed in 0..50 {
        let board = Board::of_seed(seed, PIXELS_MAX);
        for coords in ALL {
            let boxes: Vec<Value> = (0..4).map(|at| boxed(&board, at, coords)).collect();
            let found = fit(&board, &Value::from(boxes).to_string()).unwrap();
            assert_eq!(found.coords, coords);
            assert!(found.residual < 0.002 && found.next > 0.1, "{found:?}");
        }
    }
}
