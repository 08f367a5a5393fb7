//! What a drawing costs, before it is drawn: its parts, the pixels that they touch, and the memory
//! of the layers that stand above one another.
//!
//! A renderer cannot be stopped from outside, so what would take it minutes is refused here. The
//! figures follow how resvg draws: a group with an opacity, a filter, a mask or a clip path is a layer
//! of its own, and a layer is at most five times as wide and as high as the canvas.

use resvg::tiny_skia::{PathSegment, Point, Rect, Transform};
use resvg::usvg::filter::{Filter, Kind};
use resvg::usvg::{Group, Node, Paint, Path, Pattern, Tree, roxmltree};

use crate::canvas::PaintError;
use crate::parts::Parts;

/// Elements, those that are repeated by reference counted each time; long texts, paths and styles
/// count for several.
pub(crate) const PARTS_MAX: u64 = 20_000;
const PART_BYTES: u64 = 256;
const DEPTH_MAX: usize = 64;
/// About nanoseconds.
const WORK_MAX: f64 = 4e9;
/// Of the layers that are open at once, in bytes.
const HELD_MAX: f64 = (768 << 20) as f64;
/// Of a pattern's tile, in pixels.
const TILE_MAX: f64 = (16 << 20) as f64;
/// What visiting a node costs at least.
const NODE: f64 = 100.0;
const SEGMENT: f64 = 200.0;
const DASH: f64 = 300.0;

fn refuse<T>(why: String) -> Result<T, PaintError> {
    Err(PaintError::Whole(why))
}

/// Counts what is to be drawn, before references are followed.
pub(crate) fn check_parts(document: &roxmltree::Document) -> Result<(), PaintError> {
    Parts { max: PARTS_MAX, depth_max: DEPTH_MAX, own: parts_of }.check(document).or_else(refuse)
}

/// What an element counts for without its children.
fn parts_of(node: roxmltree::Node) -> u64 {
    let bytes = |text: &str| text.len() as u64 / PART_BYTES;
    let texts = node.children().filter(|child| !child.is_element());
    // A glyph is a path of its own.
    let glyphs: u64 = texts.filter_map(|text| text.text()).map(|text| 16 * bytes(text)).sum();
    1 + node.attributes().map(|a| bytes(a.value())).sum::<u64>() + glyphs
}

/// Weighs what is about to be drawn on a canvas of this size.
pub(crate) fn check(tree: &Tree, size: [u32; 2], place: Transform) -> Result<(), PaintError> {
    let mut scales = Scales { size: size.map(|side| side as f32), work: 0.0 };
    scales.group(tree.root(), place, 0.0)
}

struct Scales {
    size: [f32; 2],
    work: f64,
}

impl Scales {
    fn add(&mut self, work: f64) -> Result<(), PaintError> {
        self.work += work;
        // Also what is no number is too much.
        if self.work <= WORK_MAX {
            return Ok(());
        }
        refuse(
            "it would take too long to draw: it has too many large, filtered, dashed or see-through \
             parts; draw it with fewer"
                .to_owned(),
        )
    }

    /// The pixels of a layer.
    fn layer(&self, bounds: Rect, at: Transform) -> f64 {
        let Some(bounds) = bounds.transform(at) else { return 0.0 };
        let side = |from: f32, to: f32, side: f32| {
            let (from, to) = (from.max(-2.0 * side), to.min(3.0 * side));
            f64::from((to - from).max(0.0)) + 4.0
        };
        side(bounds.left(), bounds.right(), self.size[0])
            * side(bounds.top(), bounds.bottom(), self.size[1])
    }

    /// Those of them that can be seen.
    fn seen(&self, bounds: Rect, at: Transform) -> f64 {
        let Some(bounds) = bounds.transform(at) else { return 0.0 };
        let side =
            |from: f32, to: f32, side: f32| f64::from((to.min(side) - from.max(0.0)).max(0.0));
        side(bounds.left(), bounds.right(), self.size[0])
            * side(bounds.top(), bounds.bottom(), self.size[1])
    }

    fn group(&mut self, group: &Group, at: Transform, held: f64) -> Result<(), PaintError> {
        let at = at.pre_concat(group.transform());
        self.add(NODE)?;
        let mut held = held;
        if group.should_isolate() {
            let area = self.layer(group.layer_bounding_box().to_rect(), at);
            self.add(area * 4.0)?;
            held += area * 4.0;
            for filter in group.filters() {
                self.filter(filter, area, at, held)?;
            }
            let mut clip = group.clip_path();
            while let Some(path) = clip {
                self.add(area * 3.0)?;
                self.held(held + area * 4.0)?;
                self.group(path.root(), at.pre_concat(path.transform()), held + area * 4.0)?;
                clip = path.clip_path();
            }
            let mut mask = group.mask();
            while let Some(of) = mask {
                self.add(area * 6.0)?;
                self.held(held + area * 8.0)?;
                self.group(of.root(), at, held + area * 8.0)?;
                mask = of.mask();
            }
        }
        self.held(held)?;
        for node in group.children() {
            match node {
                Node::Group(group) => self.group(group, at, held)?,
                Node::Path(path) => self.path(path, at, held)?,
                Node::Text(text) => self.group(text.flattened(), at, held)?,
                Node::Image(image) => {
                    // It is decoded each time.
                    let own = f64::from(image.size().width()) * f64::from(image.size().height());
                    self.add(own * 20.0 + self.seen(image.bounding_box(), at) * 20.0)?;
                    self.held(held + own * 8.0)?;
                }
            }
        }
        Ok(())
    }

    fn held(&self, bytes: f64) -> Result<(), PaintError> {
        if bytes <= HELD_MAX {
            return Ok(());
        }
        refuse(
            "it would take too much memory to draw: too many groups with an opacity, a filter, a \
             mask or a clip path stand within one another"
                .to_owned(),
        )
    }

    fn filter(
        &mut self,
        filter: &Filter,
        area: f64,
        at: Transform,
        held: f64,
    ) -> Result<(), PaintError> {
        let primitives = filter.primitives();
        self.held(held + area * 4.0 * (primitives.len() as f64 + 2.0))?;
        let (across, down) = at.get_scale();
        for primitive in primitives {
            let per_pixel = match primitive.kind() {
                Kind::GaussianBlur(_) => 40.0,
                Kind::DropShadow(_) => 60.0,
                Kind::DiffuseLighting(_) | Kind::SpecularLighting(_) => 100.0,
                Kind::Turbulence(noise) => 150.0 * f64::from(noise.num_octaves().max(1)),
                Kind::ConvolveMatrix(of) => {
                    10.0 + 4.0 * f64::from(of.matrix().columns()) * f64::from(of.matrix().rows())
                }
                Kind::Morphology(of) => {
                    let side = |radius: f32, scale: f32| f64::from(2.0 * radius * scale + 1.0);
                    let [x, y] = [of.radius_x().get(), of.radius_y().get()];
                    10.0 + 4.0 * side(x, across) * side(y, down)
                }
                Kind::Merge(of) => 5.0 * (1.0 + of.inputs().len() as f64),
                Kind::Blend(_)
                | Kind::ColorMatrix(_)
                | Kind::ComponentTransfer(_)
                | Kind::Composite(_)
                | Kind::DisplacementMap(_)
                | Kind::Flood(_)
                | Kind::Image(_)
                | Kind::Offset(_)
                | Kind::Tile(_) => 20.0,
            };
            self.add(area * per_pixel)?;
        }
        Ok(())
    }

    fn path(&mut self, path: &Path, at: Transform, held: f64) -> Result<(), PaintError> {
        self.add(NODE + path.data().len() as f64 * SEGMENT)?;
        if let Some(fill) = path.fill() {
            let area = self.seen(path.bounding_box(), at);
            self.paint(fill.paint(), area, at, held)?;
        }
        let Some(stroke) = path.stroke() else { return Ok(()) };
        let area = self.seen(path.stroke_bounding_box(), at);
        self.paint(stroke.paint(), area, at, held)?;
        let length = length(path);
        if let Some(dashes) = stroke.dasharray() {
            let (sum, count) = (dashes.iter().sum::<f32>(), dashes.len().max(1));
            self.add(f64::from(length) / f64::from(sum.max(1e-6)) * count as f64 * DASH)?;
        }
        let (across, down) = at.get_scale();
        self.add(f64::from(length * across.max(down)).min(1e6) * 10.0)
    }

    fn paint(
        &mut self,
        paint: &Paint,
        area: f64,
        at: Transform,
        held: f64,
    ) -> Result<(), PaintError> {
        match paint {
            Paint::Color(_) => self.add(area),
            Paint::LinearGradient(_) | Paint::RadialGradient(_) => self.add(area * 5.0),
            Paint::Pattern(pattern) => {
                self.add(area * 15.0)?;
                self.tile(pattern, at, held)
            }
        }
    }

    /// A pattern is drawn anew for each path.
    fn tile(&mut self, pattern: &Pattern, at: Transform, held: f64) -> Result<(), PaintError> {
        let (across, down) = at.pre_concat(pattern.transform()).get_scale();
        let rect = pattern.rect();
        let tile = f64::from(rect.width() * across) * f64::from(rect.height() * down);
        if tile.is_nan() || tile > TILE_MAX {
            return refuse("a pattern's tile is larger than a picture may be".to_owned());
        }
        self.add(tile * 2.0)?;
        self.held(held + tile * 4.0)?;
        self.group(pattern.root(), Transform::from_scale(across, down), held + tile * 4.0)
    }
}

/// Of a path, or of the lines that lead its curves: never shorter.
fn length(path: &Path) -> f32 {
    let (mut sum, mut from, mut start) = (0.0, Point::zero(), Point::zero());
    for segment in path.data().segments() {
        let through = match segment {
            PathSegment::MoveTo(point) => {
                (from, start) = (point, point);
                continue;
            }
            PathSegment::LineTo(point) => vec![point],
            PathSegment::QuadTo(a, b) => vec![a, b],
            PathSegment::CubicTo(a, b, c) => vec![a, b, c],
            PathSegment::Close => vec![start],
        };
        for point in through {
            sum += from.distance(point);
            from = point;
        }
    }
    sum
}
