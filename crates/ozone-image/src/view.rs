//! What is seen of a picture.

use std::sync::Arc;

use image::RgbImage;
use serde::{Deserialize, Serialize};

use crate::decode::Picture;
use crate::draw::{self, Mark};
use crate::map::{Map, Rect};
use crate::resample::resample;
use crate::tone::Tone;

/// A view of a picture: which part, how turned, how large, in what tones, and what is drawn on it.
///
/// Each step gives a new view of the same picture. Places are composed into one map, so the pixels
/// come from the original in one step however many led here. Tones are applied to the pixels of the
/// view, in their order: a contrast that was stretched is stretched anew for a part of it, which
/// is what one wants of a dark corner. Marks stay where they are in the picture.
#[derive(Debug, Clone)]
pub struct View {
    picture: Arc<Picture>,
    to_source: Map,
    size: [u32; 2],
    tones: Vec<Tone>,
    marks: Vec<Mark>,
}

/// A view without its picture, to be kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    pub to_source: Map,
    pub size: [u32; 2],
    pub tones: Vec<Tone>,
    pub marks: Vec<Mark>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flip {
    /// Left becomes right.
    Horizontal,
    /// Top becomes bottom.
    Vertical,
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ViewError {
    #[error("the box is not inside the picture of {0}x{1} pixels")]
    OutsidePicture(u32, u32),
    #[error("the result would have {0}x{1} pixels; at most {PIXELS_MAX} are made")]
    TooLarge(u32, u32),
    #[error("the four corners enclose no area that could be seen straight on")]
    BadCorners,
    #[error("{0} is no angle")]
    BadAngle(f64),
    #[error("{0}")]
    BadTone(String),
}

/// The most pixels that a view is made of.
pub const PIXELS_MAX: u64 = 25_000_000;
/// The most tones of one view, one after the other.
pub const TONES_MAX: usize = 32;

impl View {
    /// The whole picture.
    pub fn of(picture: Arc<Picture>) -> View {
        let size = [picture.width(), picture.height()];
        View { picture, to_source: Map::IDENTITY, size, tones: vec![], marks: vec![] }
    }

    /// A view that was kept.
    pub fn restore(picture: Arc<Picture>, recipe: Recipe) -> View {
        let Recipe { to_source, size, tones, marks } = recipe;
        View { picture, to_source, size, tones, marks }
    }

    pub fn recipe(&self) -> Recipe {
        Recipe {
            to_source: self.to_source,
            size: self.size,
            tones: self.tones.clone(),
            marks: self.marks.clone(),
        }
    }

    pub fn picture(&self) -> &Arc<Picture> {
        &self.picture
    }

    pub fn width(&self) -> u32 {
        self.size[0]
    }

    pub fn height(&self) -> u32 {
        self.size[1]
    }

    pub fn size(&self) -> [u32; 2] {
        self.size
    }

    /// From a place in this view to the same place in the picture.
    pub fn to_source(&self) -> &Map {
        &self.to_source
    }

    pub fn tones(&self) -> &[Tone] {
        &self.tones
    }

    /// How many pixels of the picture lie behind one of the view, along a line.
    pub fn reduction(&self) -> f64 {
        let [width, height] = self.size.map(f64::from);
        self.to_source.stretch([width / 2.0, height / 2.0])
    }

    /// A part of the view, at the same scale; its size is rounded to whole pixels.
    pub fn crop(&self, rect: Rect) -> Result<View, ViewError> {
        let [width, height] = self.size.map(f64::from);
        let inside = rect.x0 >= 0.0 && rect.y0 >= 0.0 && rect.x1 <= width && rect.y1 <= height;
        if !inside || rect.x0 >= rect.x1 || rect.y0 >= rect.y1 {
            return Err(ViewError::OutsidePicture(self.size[0], self.size[1]));
        }
        let size = [rect.width(), rect.height()].map(|side| (side.round() as u32).max(1));
        let shift = Map::shift(rect.x0, rect.y0);
        let own = [rect.width() / f64::from(size[0]), rect.height() / f64::from(size[1])];
        Ok(self.through(Map::scale(own[0], own[1]).then(&shift), size))
    }

    /// The same at another size.
    pub fn resize(&self, width: u32, height: u32) -> Result<View, ViewError> {
        let (width, height) = (width.max(1), height.max(1));
        check(width, height)?;
        let factor = |old: u32, new: u32| f64::from(old) / f64::from(new);
        let [across, down] = [factor(self.size[0], width), factor(self.size[1], height)];
        let mut view = self.through(Map::scale(across, down), [width, height]);
        // What was so many pixels wide still is what it was.
        let larger = 1.0 / (across * down).sqrt();
        view.tones.iter_mut().for_each(|tone| *tone = tone.scaled(larger));
        Ok(view)
    }

    /// The same with both sides multiplied.
    pub fn scale(&self, factor: f64) -> Result<View, ViewError> {
        let side = |side: u32| (f64::from(side) * factor).round().clamp(1.0, f64::from(u32::MAX));
        self.resize(side(self.size[0]) as u32, side(self.size[1]) as u32)
    }

    /// The same with at most so many pixels.
    pub fn within(&self, pixels_max: u64) -> Result<View, ViewError> {
        let [width, height] = self.size.map(f64::from);
        let pixels = width * height;
        if pixels <= pixels_max as f64 {
            return Ok(self.clone());
        }
        let factor = (pixels_max as f64 / pixels).sqrt();
        let side = |side: f64| ((side * factor).floor() as u32).max(1);
        self.resize(side(width), side(height))
    }

    /// Turned clockwise, on a canvas that holds all of it. Quarter turns keep each pixel as it is.
    pub fn rotate(&self, degrees: f64) -> Result<View, ViewError> {
        if !degrees.is_finite() {
            return Err(ViewError::BadAngle(degrees));
        }
        let degrees = degrees.rem_euclid(360.0);
        let [width, height] = self.size.map(f64::from);
        let turn = Map::rotation(degrees);
        let around = Rect::new(0.0, 0.0, width, height).corners().map(|p| turn.apply(p));
        let around = Rect::around(around);
        // What a rounding error adds is no pixel.
        let side = |side: f64| ((side - 1e-6).ceil() as u32).max(1);
        let size = [side(around.width()), side(around.height())];
        check(size[0], size[1])?;
        let centre = [(around.x0 + around.x1) / 2.0, (around.y0 + around.y1) / 2.0];
        let half = size.map(|side| f64::from(side) / 2.0);
        let back = Map::shift(centre[0] - half[0], centre[1] - half[1]);
        Ok(self.through(back.then(&Map::rotation(-degrees)), size))
    }

    pub fn flip(&self, flip: Flip) -> View {
        let [width, height] = self.size.map(f64::from);
        let map = match flip {
            Flip::Horizontal => Map::affine([-1.0, 0.0, width, 0.0, 1.0, 0.0]),
            Flip::Vertical => Map::affine([1.0, 0.0, 0.0, 0.0, -1.0, height]),
        };
        self.through(map, self.size)
    }

    /// Rows become columns.
    pub fn transpose(&self) -> View {
        let map = Map::affine([0.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
        self.through(map, [self.size[1], self.size[0]])
    }

    /// What lies between four corners, from the top left clockwise, as if seen straight on.
    pub fn rectify(&self, corners: [[f64; 2]; 4]) -> Result<View, ViewError> {
        let length = |a: usize, b: usize| {
            let ([ax, ay], [bx, by]) = (corners[a], corners[b]);
            (bx - ax).hypot(by - ay)
        };
        let width = length(0, 1).max(length(3, 2)).round();
        let height = length(1, 2).max(length(0, 3)).round();
        if !(width >= 1.0 && height >= 1.0 && width.max(height) < f64::from(u32::MAX)) {
            return Err(ViewError::BadCorners);
        }
        check(width as u32, height as u32)?;
        let map = Map::from_box(width, height, corners).ok_or(ViewError::BadCorners)?;
        Ok(self.through(map, [width as u32, height as u32]))
    }

    pub fn tone(&self, tone: Tone) -> Result<View, ViewError> {
        tone.check().map_err(ViewError::BadTone)?;
        if self.tones.len() >= TONES_MAX {
            let why = format!("a view takes at most {TONES_MAX} tones; go back to an earlier one");
            return Err(ViewError::BadTone(why));
        }
        let mut view = self.clone();
        view.tones.push(tone);
        Ok(view)
    }

    /// With marks at places of this view.
    pub fn mark(&self, marks: Vec<Mark>) -> View {
        let mut view = self.clone();
        view.marks.extend(marks.into_iter().map(|mark| mark.through(&self.to_source)));
        view
    }

    /// `map` leads from the new view to this one.
    fn through(&self, map: Map, size: [u32; 2]) -> View {
        View { to_source: map.then(&self.to_source), size, ..self.clone() }
    }

    /// The pixels.
    pub fn render(&self) -> Result<RgbImage, ViewError> {
        let plain = self.render_plain()?;
        if self.marks.is_empty() {
            return Ok(plain);
        }
        let Some(from_source) = self.to_source.inverse() else { return Ok(plain) };
        let marks = self.marks.iter().map(|mark| mark.clone().through(&from_source));
        Ok(draw::over(plain, &marks.collect::<Vec<_>>()))
    }

    /// The pixels without what was drawn on them: for measuring and reading.
    pub fn render_plain(&self) -> Result<RgbImage, ViewError> {
        check(self.size[0], self.size[1])?;
        let source = self.picture.pixels();
        let pixels = resample(source, self.picture.fill(), &self.to_source, self.size);
        Ok(self.tones.iter().fold(pixels, |pixels, tone| tone.apply(pixels)))
    }
}

pub(crate) fn check(width: u32, height: u32) -> Result<(), ViewError> {
    if u64::from(width) * u64::from(height) > PIXELS_MAX {
        return Err(ViewError::TooLarge(width, height));
    }
    Ok(())
}
