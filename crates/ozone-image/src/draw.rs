//! Marks over a picture: guides, boxes, labels, a grid.

use std::fmt::Write as _;

use image::RgbImage;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::Tree;
use serde::{Deserialize, Serialize};

use crate::drawing::{rgb, svg_options};
use crate::map::{Map, Rect};

/// A line through these places, and a label at the first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    points: Vec<[f64; 2]>,
    closed: bool,
    label: Option<String>,
    rgb: [u8; 3],
}

/// The most characters of a label.
const LABEL_CHARS_MAX: usize = 64;
const RED: [u8; 3] = [225, 20, 40];

impl Mark {
    pub fn line(points: Vec<[f64; 2]>) -> Mark {
        Mark { points, closed: false, label: None, rgb: RED }
    }

    pub fn rect(rect: Rect) -> Mark {
        Mark { closed: true, ..Mark::line(rect.corners().to_vec()) }
    }

    /// Words at a place.
    pub fn text(at: [f64; 2], text: &str) -> Mark {
        Mark::line(vec![at]).labelled(text)
    }

    pub fn labelled(mut self, text: &str) -> Mark {
        let plain = text.chars().filter(|c| !c.is_control()).take(LABEL_CHARS_MAX);
        self.label = Some(plain.collect());
        self
    }

    pub fn coloured(mut self, rgb: [u8; 3]) -> Mark {
        self.rgb = rgb;
        self
    }

    pub(crate) fn through(mut self, map: &Map) -> Mark {
        self.points.iter_mut().for_each(|p| *p = map.apply(*p));
        self
    }
}

/// The picture with marks on it.
pub(crate) fn over(pixels: RgbImage, marks: &[Mark]) -> RgbImage {
    let svg = svg(pixels.width(), pixels.height(), marks);
    let Ok(tree) = Tree::from_str(&svg, &svg_options()) else { return pixels };
    let Some(mut pixmap) = Pixmap::new(pixels.width(), pixels.height()) else { return pixels };
    for (to, from) in pixmap.data_mut().chunks_exact_mut(4).zip(pixels.pixels()) {
        to.copy_from_slice(&[from[0], from[1], from[2], 255]);
    }
    resvg::render(&tree, Transform::identity(), &mut pixmap.as_mut());
    rgb(&pixmap)
}

fn svg(width: u32, height: u32, marks: &[Mark]) -> String {
    let shorter = f64::from(width.min(height));
    let stroke = (shorter / 300.0).clamp(1.0, 4.0);
    let size = (shorter / 32.0).clamp(10.0, 28.0);
    let mut svg =
        format!(r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">"#);
    for mark in marks {
        let points = mark.points.iter().filter(|p| p.iter().all(|v| v.is_finite()));
        let points: Vec<String> = points.map(|[x, y]| format!("{x:.2},{y:.2}")).collect();
        let Some(first) = points.first() else { continue };
        let [r, g, b] = mark.rgb;
        if points.len() > 1 {
            let shape = if mark.closed { "polygon" } else { "polyline" };
            let points = points.join(" ");
            let _ = write!(
                svg,
                r#"<{shape} points="{points}" fill="none" stroke="rgb({r},{g},{b})" stroke-width="{stroke:.1}"/>"#
            );
        }
        if let Some(label) = &mark.label {
            let (x, y) = first.split_once(',').unwrap_or(("0", "0"));
            let (x, y): (f64, f64) = (x.parse().unwrap_or(0.0), y.parse().unwrap_or(0.0));
            // Inside the picture, also where the place is at its border.
            let wide = size * 0.62 * label.chars().count() as f64;
            let x = (x + 2.0).clamp(0.0, (f64::from(width) - wide).max(0.0));
            let y = (y - 2.0).clamp(size, (f64::from(height) - 2.0).max(size));
            let label = escaped(label);
            let _ = write!(
                svg,
                r#"<text x="{x:.1}" y="{y:.1}" font-size="{size:.1}" font-weight="bold" fill="rgb({r},{g},{b})" stroke="white" stroke-width="3" paint-order="stroke">{label}</text>"#
            );
        }
    }
    svg.push_str("</svg>");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
