//! What the model is told of each tool.

use ozone_prompt::ToolSpec;
use serde_json::{Value, json};

/// One tool of the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Zoom,
    View,
    Transform,
    Straighten,
    Ocr,
    Measure,
    Draw,
    Compare,
    Tile,
    Decode,
}

impl Act {
    pub const ALL: &[Act] = &[
        Act::Zoom,
        Act::View,
        Act::Transform,
        Act::Straighten,
        Act::Ocr,
        Act::Measure,
        Act::Draw,
        Act::Compare,
        Act::Tile,
        Act::Decode,
    ];

    /// Within the family.
    pub fn name(self) -> &'static str {
        match self {
            // Models were trained on this name.
            Act::Zoom => "image_zoom_in_tool",
            Act::View => "view",
            Act::Transform => "transform",
            Act::Straighten => "straighten",
            Act::Ocr => "ocr",
            Act::Measure => "measure",
            Act::Draw => "draw",
            Act::Compare => "compare",
            Act::Tile => "tile",
            Act::Decode => "decode",
        }
    }

    pub fn spec(self, places: &str) -> ToolSpec {
        let name = match self {
            Act::Zoom => self.name().to_owned(),
            _ => format!("image_{}", self.name()),
        };
        let bbox = json!({
            "type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4,
            "description": format!("[left, top, right, bottom] in {places}.")
        });
        let point = json!({
            "type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2,
            "description": format!("[x, y] in {places}.")
        });
        let image = json!({
            "type": "string",
            "description": "img_0, img_1, … or a file's name; the newest if left out."
        });
        let number = |what: &str| json!({"type": "number", "description": what});
        let (description, properties, required): (&str, Value, Value) = match self {
            Act::Zoom => (
                "Zooms in on a part of a picture, from the original's pixels. The result is a new \
                 picture.",
                json!({
                    "bbox_2d": bbox,
                    "label": {"type": "string", "description": "What is to be seen there."},
                    "img_idx": {"type": "integer", "description": "The number of the picture; the newest if left out."},
                    "scale": number("How many times larger; chosen if left out.")
                }),
                json!(["bbox_2d"]),
            ),
            Act::View => (
                "Shows a picture again as a whole, with a grid of coordinates over it if wanted.",
                json!({
                    "image": image,
                    "max_side": {"type": "integer", "description": "The longer side in pixels."},
                    "grid": {"type": "boolean"}
                }),
                json!([]),
            ),
            Act::Transform => (
                "Changes a picture by steps, one after the other: {\"rotate\": degrees clockwise}, \
                 {\"flip\": \"horizontal\" or \"vertical\"}, \"transpose\", {\"resize\": [width, \
                 height]}, \"invert\", \"gray\", \"autocontrast\", {\"gamma\": 1.5}, \"equalize\", \"flatten\" (against shadows), \
                 {\"blur\": {\"sigma\": 1}}, {\"unsharp\": {\"sigma\": 1, \"amount\": 1}}, \
                 {\"deconvolve\": {\"sigma\": 2}}, \"denoise\", \"median\", {\"binarize\": \"otsu\", \
                 \"adaptive\" or \"sauvola\"}, {\"morphology\": {\"step\": \"erode\", \"dilate\", \
                 \"open\" or \"close\", \"radius\": 1}}, {\"channel\": \"red\", \"green\", \
                 \"blue\", \"saturation\" or \"hue\"}. The result is a new picture.",
                json!({
                    "image": image,
                    "ops": {"type": "array", "minItems": 1, "maxItems": 16, "items": {"type": ["string", "object"]}}
                }),
                json!(["ops"]),
            ),
            Act::Straighten => (
                "Makes a picture straight: `deskew` finds how far lines of text are turned and \
                 turns them level; `perspective` shows a page as if from straight above, between \
                 the four corners given (from the top left clockwise) or found.",
                json!({
                    "image": image,
                    "mode": {"type": "string", "enum": ["deskew", "perspective"]},
                    "corners": {"type": "array", "minItems": 4, "maxItems": 4, "items": point}
                }),
                json!(["mode"]),
            ),
            Act::Ocr => (
                "Reads the text in a picture, with the place of each line. Turned and mirrored text \
                 is found by trying.",
                json!({
                    "image": image,
                    "bbox": bbox,
                    "psm": {"type": "integer", "minimum": 3, "maximum": 13, "description": "Tesseract's way of taking the page apart: 3 whole page, 6 one block, 7 one line, 11 scattered words."},
                    "lang": {"type": "string", "description": "Tesseract's languages, as eng or deu+eng."},
                    "orientations": {"type": "string", "enum": ["auto", "none"]},
                    "words": {"type": "boolean", "description": "Gives the place of each word instead of each line: numbers along an axis, cells."},
                    "chars": {"type": "string", "description": "The only characters there can be, as 0123456789. for numbers."}
                }),
                json!([]),
            ),
            Act::Measure => (
                "Numbers from a picture. `colour` at a point; `colours`: the commonest; \
                 `histogram` of the brightness; `distance` from one point to another; `angle` at \
                 `point` between `from` and `to`; `line`: the stretches of one colour from one \
                 point to another; `ring`: those around a point at a radius, in degrees clockwise \
                 from the top (a needle of a gauge, a hand of a clock); `circle`: the circle around a \
                 point; `components`: connected shapes of a colour, counted; `curve`: where a \
                 colour lies, column by column (a line of a chart); `edges`: which sides of the \
                 parts `boxes` continue one another (pieces of a puzzle, strips); `sketch`: the picture \
                 in letters; `quality`: sharpness, noise, skew.",
                json!({
                    "image": image,
                    "what": {"type": "string", "enum": [
                        "colour", "colours", "histogram", "distance", "angle", "line", "ring",
                        "circle", "components", "curve", "edges", "sketch", "quality"
                    ]},
                    "bbox": bbox,
                    "point": point,
                    "from": point,
                    "to": point,
                    "radius": number("In the same unit as x."),
                    "colour": {"type": "string", "description": "Of components: #rrggbb, not #rrggbb (all but a ground), dark, bright, or ink (the rarer of both). Of a curve: #rrggbb."},
                    "tolerance": {"type": "integer", "minimum": 1, "maximum": 255},
                    "area_min": {"type": "integer", "minimum": 1, "description": "Of components, in pixels."},
                    "skip": {"type": "integer", "minimum": 0, "description": "Of components: leaves out so many of the largest, for the rest of a long list."},
                    "boxes": {"type": "array", "items": bbox, "description": "Of edges: one around each part."}
                }),
                json!(["what"]),
            ),
            Act::Draw => (
                "Draws guides, lines, boxes and labels over a picture. The result is a new picture.",
                json!({
                    "image": image,
                    "guides_x": {"type": "array", "items": {"type": "number"}, "description": "Upright lines at these x."},
                    "guides_y": {"type": "array", "items": {"type": "number"}, "description": "Level lines at these y."},
                    "lines": {"type": "array", "items": bbox, "description": "[x1, y1, x2, y2] each."},
                    "boxes": {"type": "array", "items": bbox},
                    "labels": {"type": "array", "items": {
                        "type": "object",
                        "properties": {"at": point, "text": {"type": "string"}},
                        "required": ["at", "text"]
                    }}
                }),
                json!([]),
            ),
            Act::Compare => (
                "Finds where two pictures differ.",
                json!({"a": image, "b": image, "align": {"type": "boolean", "description": "One may be shifted."}}),
                json!(["a", "b"]),
            ),
            Act::Tile => (
                "Cuts a picture into tiles, each a new picture, and shows them on one sheet: for \
                 searching in a large picture. Or the reverse: with `boxes`, puts those parts \
                 together again, edge to edge and row by row, as one new picture.",
                json!({
                    "image": image,
                    "cols": {"type": "integer", "minimum": 1, "maximum": 64},
                    "rows": {"type": "integer", "minimum": 1, "maximum": 8},
                    "overlap": number("A share of a tile's side, 0 to 0.5."),
                    "boxes": {"type": "array", "items": bbox, "description": "The parts in their order; `cols` of them lie in a row."},
                    "turns": {"type": "array", "items": {"type": "number"}, "description": "Of each box: degrees clockwise."}
                }),
                json!(["cols"]),
            ),
            Act::Decode => (
                "Reads the QR codes in a picture.",
                json!({"image": image, "bbox": bbox}),
                json!([]),
            ),
        };
        crate::spec(&name, description, properties, required)
    }
}
