//! Does an operation pay? Lines of print under one kind of damage each, read before and after it.
//!
//! The reading is the `image_ocr` tool's, without its search for an orientation. It enlarges small
//! print by itself, so the column `raw` is better than plain Tesseract on those pictures.

use std::path::Path;

use ozone_image::RgbImage;
use ozone_image::encode;
use ozone_tasks::{Rng, Split};
use ozone_tools::image::Ocr;
use serde_json::{Value, json};

use crate::PictureFile;
use crate::oracle::{Desk, Made, OracleError};
use crate::paint::{self, BLACK, Canvas, Type, WHITE};
use crate::words::words;

const SIZE: [u32; 2] = [900, 330];
const FONT_PX: f64 = 26.0;
const LINES: usize = 5;

/// What befalls the print, and what is done about it.
pub struct Trial {
    pub damage: &'static str,
    pub operation: &'static str,
    harm: fn(Lines, &mut Rng) -> RgbImage,
    mend: Mend,
}

enum Mend {
    Nothing,
    Deskew,
    Perspective,
    /// Of `image_transform`.
    Ops(fn() -> Value),
    /// Level, then these.
    DeskewThen(fn() -> Value),
    /// Of the original's pixels.
    Crop([f64; 4]),
}

/// How well print was read, as means over the seeds: 1 is all.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Reading {
    /// 1 less the edits that it takes, for each character.
    pub characters: f64,
    /// Of the words, those that were read exactly.
    pub words: f64,
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub damage: &'static str,
    pub operation: &'static str,
    pub raw: Reading,
    pub after: Reading,
}

struct Lines(Vec<String>);

impl Lines {
    fn draw(rng: &mut Rng) -> Lines {
        Lines(
            (0..LINES)
                .map(|_| format!("{} {}", words(rng, 3).join(" "), rng.int(1_000, 99_999)))
                .collect(),
        )
    }

    fn print(&self) -> RgbImage {
        self.canvas(SIZE, [40.0, 60.0], FONT_PX, BLACK, WHITE).draw()
    }

    fn canvas(
        &self,
        [width, height]: [u32; 2],
        [x, y]: [f64; 2],
        font_px: f64,
        ink: [u8; 3],
        paper: [u8; 3],
    ) -> Canvas {
        let mut canvas = Canvas::new(width, height, paper);
        for (i, line) in self.0.iter().enumerate() {
            let at = [x, y + 2.2 * font_px * i as f64];
            canvas.text(at, line, Type::plain(font_px).coloured(ink));
        }
        canvas
    }

    fn text(&self) -> String {
        self.0.join("\n")
    }
}

fn weak(lines: &Lines, noise: f64, rng: &mut Rng) -> RgbImage {
    let mut pixels = lines.print();
    paint::faded(&mut pixels, 128, 10.0);
    paint::noise(&mut pixels, noise, rng);
    pixels
}

/// Where the small print lies in the large picture.
const CORNER: [f64; 2] = [2_600.0, 1_900.0];
const SMALL_PX: f64 = 22.0;

pub fn trials() -> Vec<Trial> {
    let trial = |damage, harm, operation, mend| Trial { damage, operation, harm, mend };
    vec![
        trial("none", |l, _| l.print(), "–", Mend::Nothing),
        trial(
            "turned by 20°",
            |l, _| paint::turned(l.print(), 20.0, false),
            "deskew",
            Mend::Deskew,
        ),
        trial(
            "turned by 41°",
            |l, _| paint::turned(l.print(), 41.0, false),
            "deskew",
            Mend::Deskew,
        ),
        trial(
            "turned by 90°",
            |l, _| paint::turned(l.print(), 90.0, false),
            "rotate",
            Mend::Ops(|| json!([{"rotate": -90}])),
        ),
        trial(
            "turned by 180°",
            |l, _| paint::turned(l.print(), 180.0, false),
            "rotate",
            Mend::Ops(|| json!([{"rotate": 180}])),
        ),
        trial(
            "mirrored",
            |l, _| paint::turned(l.print(), 0.0, true),
            "flip",
            Mend::Ops(|| json!([{"flip": "horizontal"}])),
        ),
        trial(
            "8 px print",
            |l, _| paint::resized(l.print(), 0.3),
            "resize ×4",
            Mend::Ops(|| json!([{"resize": [1080, 396]}])),
        ),
        trial(
            "blur σ 2.5",
            |l, _| paint::blurred(l.print(), 2.5),
            "unsharp",
            Mend::Ops(|| json!([{"unsharp": {"sigma": 2.5, "amount": 2}}])),
        ),
        trial(
            "blur σ 2.5",
            |l, _| paint::blurred(l.print(), 2.5),
            "deconvolve",
            Mend::Ops(|| json!([{"deconvolve": {"sigma": 2.5}}])),
        ),
        trial(
            "blur σ 4",
            |l, _| paint::blurred(l.print(), 4.0),
            "unsharp",
            Mend::Ops(|| json!([{"unsharp": {"sigma": 4, "amount": 2}}])),
        ),
        trial(
            "blur σ 4",
            |l, _| paint::blurred(l.print(), 4.0),
            "deconvolve",
            Mend::Ops(|| json!([{"deconvolve": {"sigma": 4}}])),
        ),
        trial(
            "contrast 10, noise σ 1.5",
            |l, rng| weak(&l, 1.5, rng),
            "autocontrast",
            Mend::Ops(|| json!(["autocontrast"])),
        ),
        trial(
            "contrast 10, noise σ 1.5",
            |l, rng| weak(&l, 1.5, rng),
            "denoise, autocontrast",
            Mend::Ops(|| json!(["denoise", "autocontrast"])),
        ),
        trial(
            "contrast 10, noise σ 4",
            |l, rng| weak(&l, 4.0, rng),
            "blur, Otsu",
            Mend::Ops(|| json!([{"blur": {"sigma": 1.5}}, {"binarize": "otsu"}])),
        ),
        trial(
            "shadow to 15 %",
            shadowed,
            "adaptive",
            Mend::Ops(|| json!([{"binarize": "adaptive"}])),
        ),
        trial("shadow to 15 %", shadowed, "flatten", Mend::Ops(|| json!(["flatten"]))),
        trial("keystone 22 %", keystone, "rectify", Mend::Perspective),
        trial(
            "mirror, 20°, blur 1.2, ¼ contrast",
            |l, _| {
                let mut pixels = paint::blurred(paint::turned(l.print(), 20.0, true), 1.2);
                paint::faded(&mut pixels, 200, 64.0);
                pixels
            },
            "deskew, flip, autocontrast",
            Mend::DeskewThen(|| json!([{"flip": "horizontal"}, "autocontrast"])),
        ),
        trial(
            "22 px in 4000×3000",
            |l, _| l.canvas([4000, 3000], CORNER, SMALL_PX, BLACK, [236, 234, 228]).draw(),
            "crop",
            Mend::Crop([CORNER[0] - 20.0, CORNER[1] - 40.0, CORNER[0] + 700.0, CORNER[1] + 230.0]),
        ),
        trial(
            "the same, at 1024 px",
            |l, _| {
                let large = l.canvas([4000, 3000], CORNER, SMALL_PX, BLACK, [236, 234, 228]);
                paint::resized(large.draw(), 0.256)
            },
            "–",
            Mend::Nothing,
        ),
        trial(
            "white on black",
            |l, _| l.canvas(SIZE, [40.0, 60.0], FONT_PX, WHITE, BLACK).draw(),
            "–",
            Mend::Nothing,
        ),
    ]
}

fn shadowed(lines: Lines, rng: &mut Rng) -> RgbImage {
    let mut pixels = lines.print();
    paint::shaded(&mut pixels, 60.0, 0.85);
    paint::noise(&mut pixels, 1.0, rng);
    pixels
}

fn keystone(lines: Lines, _: &mut Rng) -> RgbImage {
    let [width, height] = SIZE.map(f64::from);
    let (edge, lean) = (60.0, 0.22 * width / 2.0);
    let corners = [
        [edge + lean, edge],
        [edge + width - lean, edge],
        [edge + width, edge + height],
        [edge, edge + height],
    ];
    let size = [width + 2.0 * edge, height + 2.0 * edge].map(|side| side as u32);
    paint::on_table(lines.print(), corners, size, [70, 60, 50])
}

impl Trial {
    /// Reads the print of so many seeds. `folder` makes an empty folder for each.
    pub async fn run(
        &self,
        seeds: u64,
        ocr: &Ocr,
        folder: impl Fn() -> std::io::Result<Box<dyn AsRef<Path> + Send>>,
    ) -> Result<Row, OracleError> {
        let (mut raw, mut after) = (Reading::default(), Reading::default());
        for seed in 0..seeds {
            let mut rng = Rng::new(seed, Split::HeldOut, 0);
            let lines = Lines::draw(&mut rng);
            let text = lines.text();
            let pixels = (self.harm)(lines, &mut rng);
            let bytes = encode::png(&pixels).map_err(|e| OracleError::Tool(e.to_string()))?;
            let file = PictureFile { name: "picture.png", bytes };
            let place = folder()?;
            let mut desk = Desk::lay(&file, (*place).as_ref(), ocr.clone(), false).await?;
            raw.add(&read(&mut desk, "img_0").await?, &text);
            let made = self.mend(&mut desk).await?;
            let name = made.map_or("img_0".to_owned(), |made| made.name);
            after.add(&read(&mut desk, &name).await?, &text);
        }
        let (raw, after) = (raw.over(seeds), after.over(seeds));
        Ok(Row { damage: self.damage, operation: self.operation, raw, after })
    }

    async fn mend(&self, desk: &mut Desk) -> Result<Option<Made>, OracleError> {
        let straight = |mode: &str| json!({"mode": mode, "image": "img_0"});
        match &self.mend {
            Mend::Nothing => Ok(None),
            Mend::Deskew => desk.make("image_straighten", straight("deskew")).await,
            Mend::Perspective => desk.make("image_straighten", straight("perspective")).await,
            Mend::Ops(ops) => desk.transform("img_0", ops()).await,
            Mend::DeskewThen(ops) => {
                let level = desk.make("image_straighten", straight("deskew")).await?;
                match level {
                    Some(level) => desk.transform(&level.name, ops()).await,
                    None => Ok(None),
                }
            }
            Mend::Crop(bbox) => {
                let zoom = json!({"bbox_2d": bbox, "image": "img_0"});
                desk.make("image_zoom_in_tool", zoom).await
            }
        }
    }
}

async fn read(desk: &mut Desk, image: &str) -> Result<String, OracleError> {
    let asked = json!({"image": image, "psm": 6, "orientations": "none"});
    let lines = desk.ocr(asked).await?.lines;
    Ok(lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n"))
}

impl Reading {
    fn add(&mut self, read: &str, text: &str) {
        let (a, b): (Vec<char>, Vec<char>) = (read.chars().collect(), text.chars().collect());
        let edits = crate::words::distance(&a, &b) as f64;
        self.characters += (1.0 - edits / b.len() as f64).max(0.0);
        let found: Vec<&str> = read.split_whitespace().collect();
        let all = text.split_whitespace();
        let right = all.clone().filter(|word| found.contains(word)).count();
        self.words += right as f64 / all.count() as f64;
    }

    fn over(self, seeds: u64) -> Reading {
        let n = seeds.max(1) as f64;
        Reading { characters: self.characters / n, words: self.words / n }
    }
}
