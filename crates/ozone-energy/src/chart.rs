//! The chart of rooftop solar: the only place where its numbers stand.

use std::fmt::Write as _;

use ozone_image::{Limits, decode, encode};

use crate::world::{FIRST, NEXT, World, at};

const SIZE: [u32; 2] = [1360, 820];
/// Left, top, right and bottom of the axes.
const AXES: [f64; 4] = [120.0, 110.0, 1310.0, 720.0];
const TOP_GW: f64 = 5.0;
/// Of years that have been counted, and of the one that is expected.
const COLOURS: [&str; 2] = ["#e08a00", "#7aa6d8"];

/// A PNG of bars, with no number written at them.
pub fn solar(world: &World) -> Vec<u8> {
    let [left, top, right, bottom] = AXES;
    let [width, height] = SIZE;
    let mut svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' \
         viewBox='0 0 {width} {height}' font-family='DejaVu Sans'>\
         <rect width='{width}' height='{height}' fill='#ffffff'/>\
         <text x='{left}' y='44' font-size='30'>Rooftop solar in Calderon, GW at midyear</text>"
    );
    for (i, told) in ["counted", "expected"].iter().enumerate() {
        let x = left + 230.0 * i as f64;
        let _ = write!(
            svg,
            "<rect x='{x}' y='66' width='14' height='14' fill='{}'/>\
             <text x='{}' y='82' font-size='24' fill='#222222'>{told}</text>",
            COLOURS[i],
            x + 26.0
        );
    }
    for gw in 0..=5 {
        let y = bottom - f64::from(gw) / TOP_GW * (bottom - top);
        let _ = write!(
            svg,
            "<line x1='{left}' y1='{y}' x2='{right}' y2='{y}' stroke='#d8d8d8' stroke-width='2'/>\
             <text x='{}' y='{}' font-size='28' text-anchor='end' fill='#222222'>{gw}.0</text>",
            left - 16.0,
            y + 10.0
        );
    }
    let step = (right - left) / f64::from(NEXT - FIRST + 1);
    for year in FIRST..=NEXT {
        let x = left + step * f64::from(year - FIRST);
        let high = world.solar[at(year)] / TOP_GW * (bottom - top);
        let colour = COLOURS[usize::from(year == NEXT)];
        let _ = write!(
            svg,
            "<rect x='{:.2}' y='{:.2}' width='{:.2}' height='{high:.2}' fill='{colour}'/>\
             <text x='{:.2}' y='{}' font-size='24' text-anchor='middle' fill='#222222'>{year}</text>",
            x + step * 0.16,
            bottom - high,
            step * 0.68,
            x + step / 2.0,
            bottom + 38.0
        );
    }
    svg.push_str("</svg>");
    let picture = decode(svg.as_bytes(), &Limits::default()).expect("a drawing of our own");
    encode::png(picture.pixels()).expect("a picture in memory")
}
