//! Accuracy against cost: one line a model, one point an effort, on a logarithmic axis.
//!
//! The drawing needs neither scripts nor other files, and follows the reader's light or dark theme.

use std::fmt::Write as _;

use ozone_cost::escaped;

use crate::Summary;
use crate::table::significant;

/// What an answer costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Dollars; of own machines where there is no bill.
    Usd,
    /// Output tokens, thinking included.
    Tokens,
    Seconds,
}

impl Axis {
    /// Dollars where all runs have some, else tokens: a logarithm has no place for nothing.
    pub fn fitting(runs: &[Summary]) -> Axis {
        let has_cost = |run: &Summary| Axis::Usd.of(run).is_some();
        if !runs.is_empty() && runs.iter().all(has_cost) { Axis::Usd } else { Axis::Tokens }
    }

    fn of(self, run: &Summary) -> Option<f64> {
        let value = match self {
            Axis::Usd => run.usd_mean.filter(|usd| *usd > 0.0).or(run.machine_usd_mean),
            Axis::Tokens => Some(run.output_tokens_mean),
            Axis::Seconds => Some(run.seconds_mean),
        };
        value.filter(|v| *v > 0.0 && v.is_finite())
    }

    fn title(self) -> &'static str {
        match self {
            Axis::Usd => "Dollars an answer",
            Axis::Tokens => "Output tokens an answer, thinking included",
            Axis::Seconds => "Seconds an answer",
        }
    }

    fn tick(self, value: f64) -> String {
        let plain = |v: f64| if v >= 10.0 { format!("{v:.0}") } else { trimmed(v) };
        match self {
            Axis::Usd => format!("${}", trimmed(value)),
            _ if value >= 1e6 => format!("{}M", plain(value / 1e6)),
            _ if value >= 1e4 => format!("{}k", plain(value / 1e3)),
            Axis::Tokens | Axis::Seconds => plain(value),
        }
    }
}

fn trimmed(value: f64) -> String {
    let text = significant(value);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

const WIDTH_PX: f64 = 860.0;
const HEIGHT_PX: f64 = 500.0;
const LEFT_PX: f64 = 64.0;
const RIGHT_PX: f64 = 700.0;
const TOP_PX: f64 = 70.0;
const BOTTOM_PX: f64 = 436.0;
const NAME_CHARS_MAX: usize = 22;

/// Told apart also by those who do not see colours as others do (Okabe and Ito), in light and dark.
const COLOURS: [(&str, &str); 7] = [
    ("#0072b2", "#56b4e9"),
    ("#d55e00", "#ff9d5c"),
    ("#009e73", "#3fd6a8"),
    ("#a8518a", "#e79fc8"),
    ("#8a6d00", "#f0c94a"),
    ("#3b5bdb", "#91a7ff"),
    ("#6b7280", "#b6bcc6"),
];

struct Point<'a> {
    run: &'a Summary,
    x: f64,
    y: f64,
    low: f64,
    high: f64,
}

/// The chart as SVG, under this title.
pub fn chart(runs: &[Summary], axis: Axis, title: &str) -> String {
    let mut models: Vec<&str> = vec![];
    for run in runs.iter().filter(|run| axis.of(run).is_some() && run.samples > 0) {
        if !models.contains(&run.model.as_str()) {
            models.push(&run.model);
        }
    }
    let shown: Vec<&Summary> =
        runs.iter().filter(|run| models.contains(&run.model.as_str())).collect();
    let costs: Vec<f64> = shown.iter().filter_map(|run| axis.of(run)).collect();
    let mut svg = head(title);
    if costs.is_empty() {
        let _ = writeln!(svg, "<text class=\"ink\" x=\"24\" y=\"90\">no run has a cost yet</text>");
        return svg + "</svg>\n";
    }
    let scale = Scale::over(&costs, &shown);
    grid(&mut svg, &scale, axis);
    let mut taken: Vec<[f64; 4]> = vec![];
    let mut names: Vec<(f64, usize, &str)> = vec![];
    let mut marks = String::new();
    let mut lines: Vec<Vec<Point<'_>>> = vec![];
    for model in &models {
        let mut points: Vec<Point<'_>> = shown
            .iter()
            .filter(|run| run.model == *model)
            .filter_map(|run| {
                let x = scale.x(axis.of(run)?);
                let [y, low, high] =
                    [run.accuracy, run.accuracy_low, run.accuracy_high].map(|v| scale.y(v));
                Some(Point { run, x, y, low, high })
            })
            .collect();
        points.sort_by(|a, b| a.x.total_cmp(&b.x));
        taken.extend(points.iter().map(|p| [p.x - 6.0, p.y - 6.0, p.x + 6.0, p.y + 6.0]));
        lines.push(points);
    }
    for (series, points) in lines.iter().enumerate() {
        let colour = series % COLOURS.len();
        let path: Vec<String> = points.iter().map(|p| format!("{:.1},{:.1}", p.x, p.y)).collect();
        let _ = writeln!(svg, "<polyline class=\"line s{colour}\" points=\"{}\"/>", path.join(" "));
        for p in points {
            mark(&mut marks, p, colour, &mut taken);
        }
        names.extend(points.last().map(|last| (last.y, colour, models[series])));
    }
    svg.push_str(&marks);
    legend(&mut svg, names);
    svg + "</svg>\n"
}

fn head(title: &str) -> String {
    let mut light = String::new();
    let mut dark = String::new();
    for (i, (on_light, on_dark)) in COLOURS.iter().enumerate() {
        let _ = write!(light, ".oz .s{i}{{stroke:{on_light}}}.oz .f{i}{{fill:{on_light}}}");
        let _ = write!(dark, ".oz .s{i}{{stroke:{on_dark}}}.oz .f{i}{{fill:{on_dark}}}");
    }
    let title = escaped(title);
    format!(
        "<svg class=\"oz\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH_PX} {HEIGHT_PX}\" \
         width=\"{WIDTH_PX}\" height=\"{HEIGHT_PX}\" role=\"img\" font-family=\"system-ui, sans-serif\" \
         font-size=\"13\">\n<title>{title}</title>\n<style>\
         .oz .paper{{fill:#fff}}.oz .ink{{fill:#1f2328}}.oz .soft{{fill:#59636e}}\
         .oz .rule{{stroke:#d8dee4}}.oz .line{{fill:none;stroke-width:2}}\
         .oz .bar{{stroke-width:1.5;opacity:.55}}{light}\
         @media (prefers-color-scheme:dark){{.oz .paper{{fill:#0d1117}}.oz .ink{{fill:#e6edf3}}\
         .oz .soft{{fill:#9198a1}}.oz .rule{{stroke:#30363d}}{dark}}}</style>\n\
         <rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n\
         <text class=\"ink\" x=\"24\" y=\"34\" font-size=\"18\" font-weight=\"600\">{title}</text>\n"
    )
}

/// From values to pixels.
struct Scale {
    x: (f64, f64),
    y: (f64, f64),
}

impl Scale {
    fn over(costs: &[f64], runs: &[&Summary]) -> Scale {
        let least = costs.iter().copied().fold(f64::INFINITY, f64::min);
        let most = costs.iter().copied().fold(0.0, f64::max);
        // At least a factor of four, so that one point is no axis of its own.
        let room = (4.0 / (most / least)).sqrt().max(1.25);
        let low = runs.iter().map(|r| r.accuracy_low).fold(1.0, f64::min);
        let high = runs.iter().map(|r| r.accuracy_high).fold(0.0, f64::max);
        let bottom = ((low * 10.0).floor() / 10.0).min(0.8);
        let top = ((high * 10.0).ceil() / 10.0).max(bottom + 0.2).min(1.0);
        Scale { x: ((least / room).ln(), (most * room).ln()), y: (bottom, top) }
    }

    fn x(&self, value: f64) -> f64 {
        LEFT_PX + (RIGHT_PX - LEFT_PX) * (value.ln() - self.x.0) / (self.x.1 - self.x.0)
    }

    fn y(&self, value: f64) -> f64 {
        BOTTOM_PX - (BOTTOM_PX - TOP_PX) * (value - self.y.0) / (self.y.1 - self.y.0)
    }

    /// 1, 2 and 5 of each power of ten; where that is too much, the powers alone.
    fn x_ticks(&self) -> Vec<f64> {
        let decades = (self.x.1 - self.x.0) / std::f64::consts::LN_10;
        let steps: &[f64] = match decades {
            d if d < 0.7 => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0],
            d if d < 3.5 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let first = (self.x.0 / std::f64::consts::LN_10).floor() as i32;
        let powers = (first..=first + decades.ceil() as i32 + 1).map(|p| 10f64.powi(p));
        let ticks = powers.flat_map(|power| steps.iter().map(move |step| step * power));
        ticks.filter(|t| (self.x.0..=self.x.1).contains(&t.ln())).collect()
    }

    fn y_ticks(&self) -> Vec<f64> {
        let step: u32 = match self.y.1 - self.y.0 {
            span if span <= 0.3 => 5,
            span if span <= 0.65 => 10,
            _ => 20,
        };
        let percents =
            (0..=100u32).filter(|p| p.is_multiple_of(step)).map(|p| f64::from(p) / 100.0);
        percents.filter(|p| (self.y.0 - 1e-9..=self.y.1 + 1e-9).contains(p)).collect()
    }
}

fn grid(svg: &mut String, scale: &Scale, axis: Axis) {
    for tick in scale.y_ticks() {
        let y = scale.y(tick);
        let _ = writeln!(
            svg,
            "<line class=\"rule\" x1=\"{LEFT_PX}\" x2=\"{RIGHT_PX}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"soft\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{:.0} %</text>",
            LEFT_PX - 8.0,
            y + 4.5,
            100.0 * tick
        );
    }
    for tick in scale.x_ticks() {
        let x = scale.x(tick);
        let _ = writeln!(
            svg,
            "<line class=\"rule\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP_PX}\" y2=\"{}\"/>\
             <text class=\"soft\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            BOTTOM_PX + 5.0,
            BOTTOM_PX + 22.0,
            axis.tick(tick)
        );
    }
    let _ = writeln!(
        svg,
        "<text class=\"soft\" x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{} (logarithmic)</text>\
         <text class=\"soft\" x=\"24\" y=\"54\">Right answers, pass@1 with its interval at 95 %</text>",
        (LEFT_PX + RIGHT_PX) / 2.0,
        HEIGHT_PX - 16.0,
        axis.title()
    );
}

/// A point with its interval, and its name where there is room for it.
fn mark(svg: &mut String, p: &Point<'_>, colour: usize, taken: &mut Vec<[f64; 4]>) {
    let (x, y) = (p.x, p.y);
    let _ = writeln!(
        svg,
        "<path class=\"bar s{colour}\" d=\"M{x:.1} {:.1}V{:.1}M{:.1} {:.1}h8M{:.1} {:.1}h8\"/>",
        p.low,
        p.high,
        x - 4.0,
        p.low,
        x - 4.0,
        p.high
    );
    let told = escaped(&format!(
        "{}: {:.1} % ({:.1} to {:.1})",
        p.run.label(),
        100.0 * p.run.accuracy,
        100.0 * p.run.accuracy_low,
        100.0 * p.run.accuracy_high
    ));
    let _ = match p.run.pro.is_some() {
        true => writeln!(
            svg,
            "<path class=\"f{colour}\" d=\"M{x:.1} {:.1}l7 7l-7 7l-7 -7z\"><title>{told}</title></path>",
            y - 7.0
        ),
        false => writeln!(
            svg,
            "<circle class=\"f{colour}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\"><title>{told}</title></circle>"
        ),
    };
    let text = p.run.setting();
    if text.is_empty() {
        return;
    }
    let width = 7.0 * text.chars().count() as f64;
    let places = [
        (x + 9.0, y + 17.0),
        (x + 9.0, y - 9.0),
        (x - 9.0 - width, y - 9.0),
        (x - 9.0 - width, y + 17.0),
        (x + 9.0, y + 32.0),
        (x - 9.0 - width, y - 24.0),
    ];
    let box_at = |(left, base): (f64, f64)| [left, base - 12.0, left + width, base + 3.0];
    let is_free = |place: &&(f64, f64)| {
        let [left, top, right, bottom] = box_at(**place);
        let is_inside =
            left > LEFT_PX && right < RIGHT_PX + 6.0 && top > TOP_PX && bottom < BOTTOM_PX;
        let overlaps = |t: &[f64; 4]| left < t[2] && right > t[0] && top < t[3] && bottom > t[1];
        is_inside && !taken.iter().any(overlaps)
    };
    let place = *places.iter().find(is_free).unwrap_or(&places[0]);
    taken.push(box_at(place));
    let _ = writeln!(
        svg,
        "<text class=\"ink\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        place.0,
        place.1,
        escaped(&text)
    );
}

/// Each model's name at the right, as near to the end of its line as the others allow.
fn legend(svg: &mut String, mut names: Vec<(f64, usize, &str)>) {
    const STEP_PX: f64 = 20.0;
    names.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut next = TOP_PX + 4.0;
    for (y, colour, name) in names {
        let at = y.max(next);
        next = at + STEP_PX;
        let short: String = match name.chars().count() {
            n if n > NAME_CHARS_MAX => name.chars().take(NAME_CHARS_MAX - 1).chain(['…']).collect(),
            _ => name.to_owned(),
        };
        let _ = writeln!(
            svg,
            "<circle class=\"f{colour}\" cx=\"{:.1}\" cy=\"{at:.1}\" r=\"4\"/>\
             <text class=\"ink\" font-weight=\"600\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            RIGHT_PX + 16.0,
            RIGHT_PX + 26.0,
            at + 4.5,
            escaped(&short)
        );
    }
}
