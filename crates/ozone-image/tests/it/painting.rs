//! Drawings of strangers: what they cost is known before they are drawn.

use std::time::{Duration, Instant};

use ozone_image::canvas::{Canvas, PaintError, paint};

fn canvas(side: u32) -> Canvas {
    Canvas { size: Some([side, side]), ..Canvas::default() }
}

fn refused(inner: &str) -> String {
    let svg =
        format!("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 100 100\">{inner}</svg>");
    match paint(&svg, &canvas(1024)) {
        Err(PaintError::Whole(why) | PaintError::At { why, .. }) => why,
        Ok(_) => panic!("drawn: {}", &inner[..inner.len().min(200)]),
    }
}

#[test]
fn bombs_are_refused_before_they_are_drawn() {
    let began = Instant::now();
    let mut nested = "<g id=\"a0\"><rect width=\"1\" height=\"1\"/></g>".to_owned();
    for level in 1..12 {
        let uses = format!("<use href=\"#a{}\"/>", level - 1).repeat(10);
        nested.push_str(&format!("<g id=\"a{level}\">{uses}</g>"));
    }
    let filter = |inner: &str| {
        format!(
            "<filter id=\"f\">{inner}</filter><rect width=\"99\" height=\"99\" filter=\"url(#f)\"/>"
        )
    };
    let layers = "<g opacity=\".9\">".repeat(60)
        + "<rect width=\"100\" height=\"100\"/>"
        + &"</g>".repeat(60);
    let bombs = [
        nested,
        "<rect width=\"1\" height=\"1\"/>".repeat(100_000),
        filter("<feTurbulence baseFrequency=\"1\" numOctaves=\"4000000\"/>"),
        filter("<feMorphology radius=\"50\"/>"),
        filter(&"<feGaussianBlur stdDeviation=\"9\"/>".repeat(500)),
        "<rect width=\"100\" height=\"100\" fill-opacity=\".5\"/>".repeat(9_000),
        "<path d=\"M0 0H99\" stroke=\"red\" stroke-dasharray=\".00001\"/>".repeat(1_000),
        format!("<use href=\"#a\"/><g id=\"a\"><use href=\"#b\"/></g><g id=\"b\"><use href=\"#a\"/></g>{layers}"),
        "<g>".repeat(5_000) + &"</g>".repeat(5_000),
        "<pattern id=\"p\" width=\"900\" height=\"900\" patternUnits=\"userSpaceOnUse\">\
         <rect width=\"1\" height=\"1\"/></pattern><rect width=\"9\" height=\"9\" fill=\"url(#p)\"/>"
            .to_owned(),
        format!("<text>{}</text>", "x".repeat(600_000)),
    ];
    for bomb in bombs {
        assert!(!refused(&bomb).is_empty());
    }
    // No figure of speed: it only must not be minutes.
    assert!(began.elapsed() < Duration::from_secs(120), "{:?}", began.elapsed());
}

#[test]
fn a_document_type_with_entities_is_refused() {
    let svg = "<!DOCTYPE svg [<!ENTITY a \"b\">]><svg xmlns=\"http://www.w3.org/2000/svg\"/>";
    assert!(paint(svg, &canvas(64)).is_err());
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let svg = "<svg viewBox=\"0 0 9 9\">\n<rect width=\"9\"\n</svg>";
    let Err(PaintError::At { line, .. }) = paint(svg, &canvas(64)) else { panic!() };
    assert_eq!(line, 3);
}

#[test]
fn text_is_drawn_and_what_no_font_has_is_told() {
    let svg = "<svg viewBox=\"0 0 100 40\"><text x=\"5\" y=\"30\" font-family=\"Arial\" \
               font-size=\"30\">Hi 漢</text></svg>";
    let painted = paint(svg, &canvas(100)).unwrap();
    assert!(painted.pixels.pixels().filter(|pixel| pixel[3] > 200).count() > 50);
    assert_eq!(painted.missing, "漢");
}

#[test]
fn a_drawing_that_says_how_large_it_is_is_so_large() {
    let size = |svg: &str| paint(svg, &Canvas::default()).unwrap().pixels.dimensions();
    let circle = "<circle r=\"4\"/></svg>";
    let own = format!("<svg width=\"600\" height=\"300\" viewBox=\"0 0 2 1\">{circle}");
    assert_eq!(size(&own), (600, 300));
    assert_eq!(size(&format!("<svg viewBox=\"0 0 40 30\">{circle}")), (1024, 768));
    let huge = format!("<svg width=\"30000\" height=\"30000\">{circle}");
    assert_eq!(size(&huge), (2048, 2048));
}

/// A shadow, gradients and a clip path are no bomb.
#[test]
fn an_ordinary_drawing_is_drawn() {
    let dots: String = (0..400)
        .map(|at| {
            let (x, y) = (at % 20 * 50, at / 20 * 50);
            format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"20\" fill=\"url(#g)\" filter=\"url(#s)\"/>")
        })
        .collect();
    let svg = format!(
        "<svg viewBox=\"0 0 1000 1000\"><defs><radialGradient id=\"g\"><stop stop-color=\"red\"/>\
         <stop offset=\"1\" stop-color=\"blue\"/></radialGradient><filter id=\"s\">\
         <feDropShadow dx=\"2\" dy=\"2\" stdDeviation=\"3\"/></filter><clipPath id=\"c\">\
         <rect width=\"900\" height=\"900\"/></clipPath></defs><g clip-path=\"url(#c)\">{dots}</g></svg>"
    );
    assert!(paint(&svg, &canvas(1024)).is_ok());
}
