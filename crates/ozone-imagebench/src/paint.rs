//! Drawing, and what a camera does to a drawing.

use std::fmt::Write as _;
use std::sync::Arc;

use ozone_image::{Map, Picture, Recipe, Rgb, RgbImage, Tone, View, drawn};
use ozone_tasks::Rng;

pub(crate) type Colour = [u8; 3];

pub(crate) const WHITE: Colour = [255; 3];
pub(crate) const BLACK: Colour = [20, 20, 24];

/// Uniform in `low..high`.
pub(crate) fn between(rng: &mut Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * (rng.u64() >> 11) as f64 / (1u64 << 53) as f64
}

pub(crate) fn hex([r, g, b]: Colour) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// A drawing in the making.
pub(crate) struct Canvas {
    body: String,
    size: [u32; 2],
}

/// How letters are set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Type {
    pub font: &'static str,
    pub size_px: f64,
    pub colour: Colour,
    /// `start`, `middle` or `end`.
    pub anchor: &'static str,
}

pub(crate) const FONTS: &[&str] = &["DejaVu Sans", "DejaVu Serif", "DejaVu Sans Mono"];

impl Type {
    pub fn plain(size_px: f64) -> Type {
        Type { font: FONTS[0], size_px, colour: BLACK, anchor: "start" }
    }

    pub fn centred(self) -> Type {
        Type { anchor: "middle", ..self }
    }

    pub fn coloured(self, colour: Colour) -> Type {
        Type { colour, ..self }
    }

    pub fn font(self, font: &'static str) -> Type {
        Type { font, ..self }
    }
}

impl Canvas {
    pub fn new(width: u32, height: u32, ground: Colour) -> Canvas {
        let mut canvas = Canvas { body: String::new(), size: [width, height] };
        canvas.rect([0.0, 0.0, f64::from(width), f64::from(height)], ground);
        canvas
    }

    /// `at` is where the base line begins (or its middle, or its end).
    pub fn text(&mut self, at: [f64; 2], text: &str, set: Type) {
        self.text_turned(at, text, set, 0.0);
    }

    pub fn text_turned(&mut self, [x, y]: [f64; 2], text: &str, set: Type, degrees: f64) {
        let Type { font, size_px, colour, anchor } = set;
        let fill = hex(colour);
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        let _ = write!(
            self.body,
            "<text x=\"{x:.2}\" y=\"{y:.2}\" font-family=\"{font}\" font-size=\"{size_px:.2}\" \
             fill=\"{fill}\" text-anchor=\"{anchor}\" xml:space=\"preserve\" \
             transform=\"rotate({degrees:.2} {x:.2} {y:.2})\">{text}</text>"
        );
    }

    pub fn line(&mut self, points: &[[f64; 2]], colour: Colour, width: f64) {
        let (points, colour) = (listed(points), hex(colour));
        let _ = write!(
            self.body,
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" \
             stroke-width=\"{width:.2}\" stroke-linejoin=\"round\"/>"
        );
    }

    /// With round ends, so that walls that meet have no notch.
    pub fn stroke(&mut self, a: [f64; 2], b: [f64; 2], colour: Colour, width: f64) {
        let (points, colour) = (listed(&[a, b]), hex(colour));
        let _ = write!(
            self.body,
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" \
             stroke-width=\"{width:.2}\" stroke-linecap=\"round\"/>"
        );
    }

    pub fn polygon(&mut self, points: &[[f64; 2]], paint: Paint) {
        let (points, paint) = (listed(points), paint.attributes());
        let _ = write!(self.body, "<polygon points=\"{points}\" {paint}/>");
    }

    /// Left, top, right, bottom.
    pub fn rect(&mut self, [x0, y0, x1, y1]: [f64; 4], fill: Colour) {
        self.polygon(&[[x0, y0], [x1, y0], [x1, y1], [x0, y1]], Paint::Fill(fill));
    }

    pub fn circle(&mut self, [x, y]: [f64; 2], radius: f64, paint: Paint) {
        let paint = paint.attributes();
        let _ =
            write!(self.body, "<circle cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"{radius:.2}\" {paint}/>");
    }

    pub fn draw(self) -> RgbImage {
        let [width, height] = self.size;
        let svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\">{}\
             </svg>",
            self.body
        );
        drawn(&svg, self.size).expect("our own drawing is well formed")
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Paint {
    Fill(Colour),
    Outline(Colour, f64),
}

impl Paint {
    fn attributes(self) -> String {
        match self {
            Paint::Fill(colour) => format!("fill=\"{}\"", hex(colour)),
            Paint::Outline(colour, width) => format!(
                "fill=\"none\" stroke=\"{}\" stroke-width=\"{width:.2}\" stroke-linejoin=\"miter\"",
                hex(colour)
            ),
        }
    }
}

fn listed(points: &[[f64; 2]]) -> String {
    points.iter().map(|[x, y]| format!("{x:.2},{y:.2} ")).collect()
}

/// The corners of a regular figure around a place, the first one at the top.
pub(crate) fn corners(count: u32, [x, y]: [f64; 2], radius: f64, degrees: f64) -> Vec<[f64; 2]> {
    let at = |i: u32| {
        let turn = (degrees + 360.0 * f64::from(i) / f64::from(count)).to_radians();
        [x + radius * turn.sin(), y - radius * turn.cos()]
    };
    (0..count).map(at).collect()
}

pub(crate) fn view(pixels: RgbImage) -> View {
    View::of(Arc::new(Picture::of(pixels)))
}

fn rendered(view: Result<View, ozone_image::ViewError>) -> RgbImage {
    view.and_then(|view| view.render()).expect("our own pictures are within the limits")
}

/// Turned clockwise on a canvas that holds all of it.
pub(crate) fn turned(pixels: RgbImage, degrees: f64, mirrored: bool) -> RgbImage {
    let view = view(pixels);
    let view = if mirrored { view.flip(ozone_image::Flip::Horizontal) } else { view };
    rendered(view.rotate(degrees))
}

pub(crate) fn resized(pixels: RgbImage, factor: f64) -> RgbImage {
    rendered(view(pixels).scale(factor))
}

pub(crate) fn blurred(pixels: RgbImage, sigma: f64) -> RgbImage {
    if sigma <= 0.0 {
        return pixels;
    }
    rendered(view(pixels).tone(Tone::Blur { sigma }))
}

/// The drawing in a picture of `size`, its corners (from the top left clockwise) at these places.
pub(crate) fn placed(pixels: RgbImage, corners: [[f64; 2]; 4], size: [u32; 2]) -> RgbImage {
    let [width, height] = [pixels.width(), pixels.height()].map(f64::from);
    let map = Map::from_box(width, height, corners).and_then(|map| map.inverse());
    let to_source = map.expect("corners of a picture are chosen around an area");
    let recipe = Recipe { to_source, size, tones: vec![], marks: vec![] };
    rendered(Ok(View::restore(Arc::new(Picture::of(pixels)), recipe)))
}

/// Values nearer to the mean of what is there.
pub(crate) fn faded(pixels: &mut RgbImage, paper: u8, contrast: f64) {
    let table: Vec<u8> = (0..=255u8)
        .map(|v| {
            let share = f64::from(v) / 255.0;
            (f64::from(paper) - contrast * (1.0 - share)).round().clamp(0.0, 255.0) as u8
        })
        .collect();
    pixels.iter_mut().for_each(|v| *v = table[usize::from(*v)]);
}

/// Gray noise of this standard deviation.
pub(crate) fn noise(pixels: &mut RgbImage, sigma: f64, rng: &mut Rng) {
    if sigma <= 0.0 {
        return;
    }
    // The sum of four uniform values is near enough to a normal one; its variance is 4/12.
    let scale = sigma / (4.0f64 / 12.0).sqrt() / 65_536.0;
    for pixel in pixels.pixels_mut() {
        let bits = rng.u64();
        let sum: u64 = (0..4).map(|i| bits >> (16 * i) & 0xffff).sum();
        let more = (sum as f64 - 2.0 * 65_535.0) * scale;
        pixel.0 = pixel.0.map(|v| (f64::from(v) + more).round().clamp(0.0, 255.0) as u8);
    }
}

/// Darker by up to `strength` towards one side.
pub(crate) fn shaded(pixels: &mut RgbImage, degrees: f64, strength: f64) {
    let (width, height) = (f64::from(pixels.width()), f64::from(pixels.height()));
    let (sin, cos) = degrees.to_radians().sin_cos();
    let reach = (width * sin).abs() + (height * cos).abs();
    for (x, y, pixel) in pixels.enumerate_pixels_mut() {
        let (dx, dy) = (f64::from(x) - width / 2.0, f64::from(y) - height / 2.0);
        let share = (0.5 + (dx * sin - dy * cos) / reach).clamp(0.0, 1.0);
        let factor = 1.0 - strength * share;
        pixel.0 = pixel.0.map(|v| (f64::from(v) * factor).round() as u8);
    }
}

/// Darker towards the corners.
pub(crate) fn vignetted(pixels: &mut RgbImage, strength: f64) {
    let (width, height) = (f64::from(pixels.width()), f64::from(pixels.height()));
    for (x, y, pixel) in pixels.enumerate_pixels_mut() {
        let (dx, dy) = (2.0 * f64::from(x) / width - 1.0, 2.0 * f64::from(y) / height - 1.0);
        let factor = 1.0 - strength * (dx * dx + dy * dy) / 2.0;
        pixel.0 = pixel.0.map(|v| (f64::from(v) * factor).round() as u8);
    }
}

/// Overwrites a box with blots as dark and as wide as print, so that nothing is left of it.
pub(crate) fn scribbled(
    canvas: &mut Canvas,
    [x0, y0, x1, y1]: [f64; 4],
    colour: Colour,
    rng: &mut Rng,
) {
    let stroke = (y1 - y0) / 6.0;
    let count = ((x1 - x0) / stroke).ceil() as u32;
    let mut points = vec![];
    for _ in 0..count {
        points.push([between(rng, x0, x1), between(rng, y0, y1)]);
    }
    canvas.line(&points, colour, stroke);
}

pub(crate) fn paste(onto: &mut RgbImage, piece: &RgbImage, left: u32, top: u32) {
    for (x, y, pixel) in piece.enumerate_pixels() {
        if left + x < onto.width() && top + y < onto.height() {
            onto.put_pixel(left + x, top + y, Rgb(pixel.0));
        }
    }
}

/// A sheet lying on a table of this colour.
pub(crate) fn on_table(
    sheet: RgbImage,
    corners: [[f64; 2]; 4],
    size: [u32; 2],
    table: Colour,
) -> RgbImage {
    // A rim of the table around it is what a view shows beyond it.
    const RIM: u32 = 3;
    let (width, height) = (sheet.width(), sheet.height());
    let mut rimmed = RgbImage::from_pixel(width + 2 * RIM, height + 2 * RIM, Rgb(table));
    paste(&mut rimmed, &sheet, RIM, RIM);
    let map = Map::from_box(f64::from(width), f64::from(height), corners);
    let map = map.expect("corners of a picture are chosen around an area");
    let (left, right) = (-f64::from(RIM), f64::from(width + RIM));
    let (top, bottom) = (-f64::from(RIM), f64::from(height + RIM));
    let outer = [[left, top], [right, top], [right, bottom], [left, bottom]];
    placed(rimmed, outer.map(|corner| map.apply(corner)), size)
}
