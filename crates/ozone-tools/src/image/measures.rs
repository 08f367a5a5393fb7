//! Numbers for the model.

use std::fmt::Write as _;

use ozone_image::edges::Side;
use ozone_image::measure::{Crossing, Run, Sketch};
use ozone_image::{Frame, Map, Rect, RgbImage, Shapes, View, Wanted, edges, estimate, measure};

use super::acts::told;
use super::album::{Album, bad};
use super::arguments::{Measure, Named, What};
use crate::{ToolError, ToolOutput};

/// What is looked at has at most so many pixels.
pub(super) const LOOK_PIXELS_MAX: u64 = 4_000_000;
pub(super) const SKETCH_COLUMNS: u32 = 64;
/// How much values of one colour may differ, of 255.
const TOLERANCE: u8 = 32;
const SHAPES_MAX: usize = 60;
/// With the places of their corners.
const CORNERED_MAX: usize = 12;
const RUNS_MAX: usize = 160;
/// Of a curve, about so many places are told.
const COLUMNS_MAX: usize = 80;
/// Parts whose sides are compared, and what is told of each side.
const PARTS_MAX: usize = 64;
const FITS_MAX: usize = 5;
const FIT_MIN: f64 = 0.1;

/// A picture, or a part of it, as pixels; places lead there and back.
pub(super) struct Looked {
    pub pixels: RgbImage,
    pub view: View,
    frame: Frame,
    /// From the whole picture to these pixels.
    to_pixels: Map,
    to_whole: Map,
}

impl Looked {
    pub fn at(album: &Album, of: usize, bbox: Option<[f64; 4]>) -> Result<Looked, ToolError> {
        let (whole, frame) = (&album.entry(of).view, album.frame(of));
        let part = match bbox {
            Some(bbox) => whole.crop(frame.rect(bbox).map_err(told)?).map_err(told)?,
            None => whole.clone(),
        };
        let view = part.within(LOOK_PIXELS_MAX).map_err(told)?;
        let pixels = view.render_plain().map_err(told)?;
        let inverse = |map: &Map| map.inverse().ok_or_else(|| bad("the picture has no extent"));
        let to_pixels = whole.to_source().then(&inverse(view.to_source())?);
        let to_whole = inverse(&to_pixels)?;
        Ok(Looked { pixels, view, frame, to_pixels, to_whole })
    }

    /// A place of the model's in these pixels.
    pub fn point(&self, at: [f64; 2]) -> Result<[f64; 2], ToolError> {
        Ok(self.to_pixels.apply(self.frame.point(at).map_err(told)?))
    }

    /// A place of these pixels as the model writes it.
    pub fn written(&self, at: [f64; 2]) -> [f64; 2] {
        self.frame.write(self.to_whole.apply(at))
    }

    pub fn rect(&self, rect: &Rect) -> [f64; 4] {
        let ([x0, y0], [x1, y1]) =
            (self.written([rect.x0, rect.y0]), self.written([rect.x1, rect.y1]));
        [x0.min(x1), y0.min(y1), x0.max(x1), y0.max(y1)]
    }

    /// How many of these pixels a pixel of the picture is long.
    fn scale(&self) -> f64 {
        let ([ax, ay], [bx, by]) =
            (self.to_pixels.apply([0.0, 0.0]), self.to_pixels.apply([1.0, 0.0]));
        (bx - ax).hypot(by - ay)
    }
}

pub(super) fn run(asked: Measure, album: &mut Album) -> Result<ToolOutput, ToolError> {
    let of = album.find(Named::name(&asked.image).as_deref())?;
    let look = Looked::at(album, of, asked.bbox)?;
    let frame = album.frame(of);
    let needs = |name: &str, place: Option<[f64; 2]>| {
        place.ok_or_else(|| bad(&format!("this needs `{name}`: [x, y]; {}", frame.legal())))
    };
    let radius = || match asked.radius {
        Some(radius) if radius > 0.0 => Ok(frame.length(radius)),
        _ => Err(bad("this needs a `radius` above 0")),
    };
    let tolerance = asked.tolerance.unwrap_or(TOLERANCE);
    let text = match asked.what {
        What::Colour => {
            let at = look.point(needs("point", asked.point)?)?;
            let (one, around) =
                (measure::colour_at(&look.pixels, at, 0), measure::colour_at(&look.pixels, at, 3));
            format!("{} there, {} on average within 3 pixels", hex(one), hex(around))
        }
        What::Colours => {
            let colours = measure::colours(&look.pixels, 16);
            colours.iter().map(|c| format!("{} {:.2} %\n", hex(c.rgb), c.share * 100.0)).collect()
        }
        What::Histogram => {
            let steps = measure::histogram(&look.pixels, 16);
            let line = |(i, share): (usize, &f64)| {
                format!("brightness {:3} to {:3}: {:.2} %\n", i * 16, i * 16 + 15, share * 100.0)
            };
            steps.iter().enumerate().map(line).collect()
        }
        What::Distance => {
            let (from, to) = (needs("from", asked.from)?, needs("to", asked.to)?);
            let (a, b) = (frame.point(from).map_err(told)?, frame.point(to).map_err(told)?);
            let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
            format!("{:.2} pixels of img_{of}: {dx:+.2} right, {dy:+.2} down", dx.hypot(dy))
        }
        What::Angle => {
            let at = frame.point(needs("point", asked.point)?).map_err(told)?;
            let direction = |to: [f64; 2]| -> Result<f64, ToolError> {
                let [x, y] = frame.point(to).map_err(told)?;
                Ok((x - at[0]).atan2(at[1] - y).to_degrees().rem_euclid(360.0))
            };
            let from = direction(needs("from", asked.from)?)?;
            let to = direction(needs("to", asked.to)?)?;
            let between = (to - from).rem_euclid(360.0);
            format!(
                "{between:.2}° clockwise from `from` ({from:.2}° clockwise from the top) to `to` \
                 ({to:.2}°); the smaller angle is {:.2}°",
                between.min(360.0 - between)
            )
        }
        What::Line => {
            let (from, to) = (needs("from", asked.from)?, needs("to", asked.to)?);
            let (from, to) = (look.point(from)?, look.point(to)?);
            let length = (to[0] - from[0]).hypot(to[1] - from[1]);
            let place = |t: f64| {
                let share = if length > 0.0 { t / length } else { 0.0 };
                look.written([0, 1].map(|i| from[i] + (to[i] - from[i]) * share))
            };
            let found = measure::line(&look.pixels, from, to, tolerance);
            runs(&found, |run| format!("{:?} to {:?}", place(run.from), place(run.to)))
        }
        What::Ring => {
            let centre = look.point(needs("point", asked.point)?)?;
            let found = measure::ring(&look.pixels, centre, radius()? * look.scale(), tolerance);
            let line = |run: &Run| {
                let middle = ((run.from + run.to) / 2.0).rem_euclid(360.0);
                format!("{:.2}° to {:.2}° (middle {middle:.2}°)", run.from, run.to)
            };
            format!("degrees clockwise from the top:\n{}", runs(&found, line))
        }
        What::Circle => {
            let centre = look.point(needs("point", asked.point)?)?;
            let most = match asked.radius {
                Some(_) => radius()? * look.scale(),
                None => f64::from(look.pixels.width().max(look.pixels.height())),
            };
            match measure::circle(&look.pixels, centre, most) {
                None => "no circle was found around this point".to_owned(),
                Some(circle) => format!(
                    "centre {:?}, radius {:.2} pixels of img_{of}; edges lie {:.2} pixels off it \
                     on average, and were found in {:.0} % of the directions",
                    look.written(circle.centre),
                    circle.radius / look.scale(),
                    circle.error / look.scale(),
                    circle.found * 100.0
                ),
            }
        }
        What::Components => components(&asked, &look, tolerance)?,
        What::Curve => curve(&asked, &look, tolerance)?,
        What::Edges => continued(&asked, &look)?,
        What::Sketch => sketched(&measure::sketch(&look.pixels, SKETCH_COLUMNS)),
        What::Quality => quality(&look.view, &look.pixels)?,
    };
    Ok(ToolOutput { text: text.trim_end().to_owned(), ..ToolOutput::default() })
}

fn components(asked: &Measure, look: &Looked, tolerance: u8) -> Result<String, ToolError> {
    let wanted = match asked.colour.as_deref().map(str::trim) {
        None | Some("ink") => Wanted::Ink,
        Some("dark") => Wanted::Dark,
        Some("bright") => Wanted::Bright,
        Some(colour) => {
            let (unlike, name) = match colour.strip_prefix("not ") {
                Some(name) => (true, name),
                None => (false, colour),
            };
            let rgb = from_hex(name.trim()).ok_or_else(|| {
                bad("`colour` is #rrggbb, as #0040ff, or not #rrggbb, dark, bright or ink")
            })?;
            match unlike {
                true => Wanted::Unlike { rgb, tolerance },
                false => Wanted::Colour { rgb, tolerance },
            }
        }
    };
    let scale = look.scale().powi(2);
    let area_min = asked.area_min.map_or(4.0, |area| area as f64 * scale).max(1.0) as u64;
    let found = Shapes::find(&look.pixels, wanted, area_min);
    let mut text = format!("{} shapes", found.shapes.len());
    if found.specks > 0 {
        let _ = write!(text, ", and {} specks below area_min", found.specks);
    }
    text.push_str(
        "; the largest first: box, centre, area, colour, share of the box that is filled, corners",
    );
    let skip = asked.skip.unwrap_or_default();
    let listed = found.shapes.iter().skip(skip).take(SHAPES_MAX);
    let has_room = listed.len() <= CORNERED_MAX;
    for shape in listed {
        let figure = match &shape.corners[..] {
            [] => "round".to_owned(),
            corners if has_room => {
                let places = corners.iter().map(|corner| look.written(*corner));
                format!("corners {}: {:?}", corners.len(), places.collect::<Vec<_>>())
            }
            corners => format!("corners {}", corners.len()),
        };
        let _ = write!(
            text,
            "\n{:?} centre {:?} area {:.0} {} filled {:.2}{}{} {figure}",
            look.rect(&shape.bbox),
            look.written(shape.centre),
            shape.area as f64 / scale,
            hex(shape.colour),
            shape.filled,
            if shape.hollow { " hollow" } else { "" },
            if shape.cut { " cut by the border" } else { "" },
        );
    }
    let shown = skip + SHAPES_MAX;
    if found.shapes.len() > shown {
        let more = found.shapes.len() - shown;
        let _ = write!(text, "\n[{more} more: ask with \"skip\": {shown}]");
    }
    Ok(text)
}

/// At equal steps across, where a colour lies.
fn curve(asked: &Measure, look: &Looked, tolerance: u8) -> Result<String, ToolError> {
    let rgb = asked.colour.as_deref().map(str::trim).and_then(from_hex);
    let rgb = rgb.ok_or_else(|| bad("this needs the `colour` of the curve: #rrggbb"))?;
    let found = measure::curve(&look.pixels, rgb, tolerance);
    let all = look.pixels.width();
    let step = (all as usize).div_ceil(COLUMNS_MAX).max(1);
    let shown = found.iter().filter(|c| (c.at[0] as usize).is_multiple_of(step));
    let line = |c: &Crossing| {
        format!("\n{:?} thick {:.0}", look.written(c.at), c.thickness / look.scale())
    };
    let lines: String = shown.map(line).collect();
    let (count, share) = (found.len(), 100 * found.len() / (all as usize).max(1));
    Ok(format!(
        "the colour lies in {count} columns ({share} %); its longest stretch in every {step}. \
         column: middle, pixels:{lines}"
    ))
}

/// For each side of each part those that continue it best.
fn continued(asked: &Measure, look: &Looked) -> Result<String, ToolError> {
    let parts = &asked.boxes;
    if !(2..=PARTS_MAX).contains(&parts.len()) {
        return Err(bad(&format!("this needs 2 to {PARTS_MAX} `boxes`, one around each part")));
    }
    let mut rects = vec![];
    for part in parts {
        let ([x0, y0], [x1, y1]) =
            (look.point([part[0], part[1]])?, look.point([part[2], part[3]])?);
        rects.push(Rect::new(x0, y0, x1, y1));
    }
    let fits = edges::fits(&look.pixels, &rects);
    let mut text =
        "sides that continue one another (1: exactly, 0: as by chance), best first; the \
                    parts are numbered from 1 as in `boxes`:"
            .to_owned();
    for part in 0..rects.len() {
        for side in Side::ALL {
            let own = (part, side);
            let with = fits.iter().filter(|f| f.fit >= FIT_MIN).filter_map(|f| match f.sides {
                [a, b] if a == own => Some((b, f.fit)),
                [a, b] if b == own => Some((a, f.fit)),
                _ => None,
            });
            let best: Vec<String> = with
                .take(FITS_MAX)
                .map(|((other, side), fit)| format!("{} {} {fit:.2}", other + 1, side.name()))
                .collect();
            let best = if best.is_empty() { "none".to_owned() } else { best.join(", ") };
            let _ = write!(text, "\n{} {}: {best}", part + 1, side.name());
        }
    }
    Ok(text)
}

fn runs(found: &[Run], place: impl Fn(&Run) -> String) -> String {
    let line = |run: &Run| format!("{} {}\n", place(run), hex(run.rgb));
    let mut text: String = found.iter().take(RUNS_MAX).map(line).collect();
    if found.len() > RUNS_MAX {
        let _ = write!(text, "[{} more]", found.len() - RUNS_MAX);
    }
    text
}

/// A sketch with what its letters mean.
pub(super) fn sketched(sketch: &Sketch) -> String {
    let letter = |i: usize| if i == 0 { '.' } else { char::from(b'A' + (i as u8 - 1)) };
    let legend = sketch.colours.iter().enumerate();
    let legend = legend
        .map(|(i, c)| format!("{} is {} ({:.1} %)", letter(i), hex(c.rgb), c.share * 100.0))
        .collect::<Vec<_>>();
    format!("{}\n{}", sketch.rows.join("\n"), legend.join(", "))
}

/// What a picture is good for as it is.
pub(super) fn quality(view: &View, pixels: &RgbImage) -> Result<String, ToolError> {
    let found = estimate::estimates(pixels);
    let skew = estimate::skew(view).map_err(told)?;
    let [dark, bright] = found.brightness;
    Ok(format!(
        "sharpness {:.1}, noise {:.1}, brightness {dark} to {bright}, lines turned by {:.1}° \
         clockwise (confidence {:.2})",
        found.sharpness, found.noise, skew.degrees, skew.confidence
    ))
}

fn hex([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn from_hex(text: &str) -> Option<[u8; 3]> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    if digits.len() != 6 || !digits.is_ascii() {
        return None;
    }
    let value = u32::from_str_radix(digits, 16).ok()?;
    Some([(value >> 16) as u8, (value >> 8) as u8, value as u8])
}
