//! The tools' texts as numbers.

use super::Made;

/// Text with the boxes of its lines.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Print {
    /// How sure the reader is, of 100.
    pub confidence: f64,
    pub mirrored: bool,
    pub lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub rect: [f64; 4],
    pub confidence: f64,
    pub text: String,
}

impl Line {
    pub fn centre(&self) -> [f64; 2] {
        [(self.rect[0] + self.rect[2]) / 2.0, (self.rect[1] + self.rect[3]) / 2.0]
    }
}

/// The numbers of a text, in their order.
pub(super) fn numbers(text: &str) -> Vec<f64> {
    let mut found = vec![];
    let mut word = String::new();
    for c in text.chars().chain([' ']) {
        let goes_on = c.is_ascii_digit()
            || (c == '.' && word.ends_with(|c: char| c.is_ascii_digit()))
            || (c == '-' && word.is_empty());
        if goes_on {
            word.push(c);
        } else {
            found.extend(word.trim_end_matches('.').parse::<f64>().ok());
            word.clear();
            if c == '-' {
                word.push(c);
            }
        }
    }
    found
}

/// `WxH pixels` of the first picture.
pub(super) fn size(told: &str) -> [f64; 2] {
    let words = told.split([' ', ',', ';']);
    let sizes = words.filter_map(|word| {
        let (width, height) = word.split_once('x')?;
        Some([width.parse::<f64>().ok()?, height.parse::<f64>().ok()?])
    });
    sizes.into_iter().next().unwrap_or([0.0; 2])
}

/// `img_3: …, 200x100 pixels.`
pub(super) fn made(text: &str) -> Option<Made> {
    let first = text.lines().next()?;
    let name = first.split(':').next().filter(|name| name.starts_with("img_"))?;
    let size = size(first.rsplit(", ").next()?);
    Some(Made { name: name.to_owned(), size })
}

/// `[x, y, x, y] (96) text`, below a line that says how it was read.
pub(super) fn print(text: &str) -> Print {
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default();
    if !head.starts_with("Text of") {
        return Print::default();
    }
    let confidence = head.split("confidence ").nth(1).map_or(0.0, first);
    let line = |line: &str| {
        let (rect, rest) = line.strip_prefix('[')?.split_once("] (")?;
        let (confidence, text) = rest.split_once(") ")?;
        let rect: [f64; 4] = numbers(rect).try_into().ok()?;
        Some(Line { rect, confidence: first(confidence), text: text.to_owned() })
    };
    Print {
        confidence,
        mirrored: head.contains(", mirrored"),
        lines: lines.filter_map(line).collect(),
    }
}

fn first(text: &str) -> f64 {
    numbers(text).first().copied().unwrap_or_default()
}

/// The digits that a reader of single letters takes for letters.
pub(super) fn as_digits(text: &str) -> String {
    let digit = |c: char| match c {
        'O' | 'o' | 'D' | 'Q' => '0',
        'I' | 'l' | '|' | '!' | 'i' => '1',
        'Z' | 'z' => '2',
        'S' | 's' => '5',
        'G' => '6',
        'B' => '8',
        'g' | 'q' => '9',
        other => other,
    };
    text.chars().map(digit).collect()
}

/// Two letters, a hyphen and five digits at the end of a text.
pub(super) fn code(text: &str) -> Option<String> {
    let joined: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let joined = joined.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    let chars: Vec<char> = joined.chars().collect();
    let from = chars.len().checked_sub(8)?;
    let [letters, hyphen, digits] =
        [&chars[from..from + 2], &chars[from + 2..from + 3], &chars[from + 3..]];
    let letters: String = letters.iter().collect::<String>().to_uppercase();
    let digits = as_digits(&digits.iter().collect::<String>());
    let fits = letters.chars().all(|c| c.is_ascii_uppercase())
        && matches!(hyphen[0], '-' | '–' | '—' | '_' | '~')
        && digits.chars().all(|c| c.is_ascii_digit());
    fits.then(|| format!("{letters}-{digits}"))
}

/// A line of `components`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shape {
    pub rect: [f64; 4],
    pub centre: [f64; 2],
    pub area: f64,
    pub rgb: [f64; 3],
    pub filled: f64,
    pub hollow: bool,
    pub cut: bool,
    /// `None`: round.
    pub corners: Option<usize>,
    /// Where they are, if told.
    pub places: Vec<[f64; 2]>,
}

pub(super) fn shapes(text: &str) -> Vec<Shape> {
    text.lines().filter_map(shape).collect()
}

fn shape(line: &str) -> Option<Shape> {
    let (rect, rest) = line.strip_prefix('[')?.split_once("] centre ")?;
    let (measures, figure) = match rest.split_once(" corners ") {
        Some((measures, figure)) => (measures, Some(figure)),
        None => (rest.strip_suffix(" round")?, None),
    };
    let (centre, measures) = measures.split_once("] area ")?;
    let (area, measures) = measures.split_once(" #")?;
    let (hex, measures) = measures.split_once(" filled ")?;
    let corners = figure.map(numbers).unwrap_or_default();
    Some(Shape {
        rect: numbers(rect).try_into().ok()?,
        centre: numbers(centre).try_into().ok()?,
        area: first(area),
        rgb: rgb(hex)?,
        filled: first(measures),
        hollow: measures.contains(" hollow"),
        cut: measures.contains(" cut"),
        corners: corners.first().map(|count| *count as usize),
        places: corners
            .get(1..)
            .unwrap_or_default()
            .chunks_exact(2)
            .map(|p| [p[0], p[1]])
            .collect(),
    })
}

pub(super) fn rgb(hex: &str) -> Option<[f64; 3]> {
    let value = u32::from_str_radix(hex.get(..6)?, 16).ok()?;
    Some([value >> 16 & 255, value >> 8 & 255, value & 255].map(f64::from))
}

/// A stretch of one colour: of a `line` from where to where, of a `ring` in degrees.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stretch {
    /// Two or four numbers before the colour, as they are written.
    pub at: Vec<f64>,
    pub rgb: [f64; 3],
}

pub(super) fn stretches(text: &str) -> Vec<Stretch> {
    let stretch = |line: &str| {
        let (at, hex) = line.rsplit_once(" #")?;
        Some(Stretch { at: numbers(at), rgb: rgb(hex)? })
    };
    text.lines().filter_map(stretch).collect()
}

/// The places of a `curve`.
pub(super) fn curve(text: &str) -> Vec<[f64; 2]> {
    let place = |line: &str| {
        let (at, _) = line.strip_prefix('[')?.split_once("] thick ")?;
        numbers(at).try_into().ok()
    };
    text.lines().filter_map(place).collect()
}

impl Stretch {
    /// Of a line: the middle.
    pub fn middle(&self) -> Option<[f64; 2]> {
        let [x0, y0, x1, y1] = self.at[..] else { return None };
        Some([(x0 + x1) / 2.0, (y0 + y1) / 2.0])
    }

    /// Of a ring: the middle in degrees, and how wide it is.
    pub fn degrees(&self) -> Option<[f64; 2]> {
        let [from, to, ..] = self.at[..] else { return None };
        Some([(from + to) / 2.0, to - from])
    }

    pub fn brightness(&self) -> f64 {
        let [r, g, b] = self.rgb;
        0.299 * r + 0.587 * g + 0.114 * b
    }
}
