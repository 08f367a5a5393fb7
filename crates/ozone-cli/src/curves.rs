//! The curves of a reinforcement run, as an SVG file that needs nothing else.

use std::fmt::Write as _;
use std::path::Path;

use ozone_train::grpo::{Record, Step};

/// All points so far.
#[derive(Default)]
pub struct Curves {
    steps: Vec<Step>,
    /// Step and accuracy on held-out questions.
    scores: Vec<(u64, f64)>,
}

struct Panel {
    title: &'static str,
    lines: Vec<Line>,
    /// From 0 to 1, shown as percent.
    share: bool,
}

struct Line {
    name: &'static str,
    colour: &'static str,
    /// (step, value)
    points: Vec<(f64, f64)>,
}

const PANEL_WIDTH: f64 = 380.0;
const PANEL_HEIGHT: f64 = 210.0;
const MARGIN: (f64, f64, f64, f64) = (34.0, 16.0, 30.0, 52.0);
const COLOURS: [&str; 3] = ["#0072b2", "#d55e00", "#009e73"];
/// Steps that one point of a line is the mean of, so that a trend shows.
const SMOOTHED: usize = 5;

/// The curves that a run's log holds: a resumed run goes on with them.
pub fn read(log: &Path) -> Curves {
    let mut curves = Curves::default();
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).for_each(|r| curves.add(&r));
    curves
}

impl Curves {
    pub fn add(&mut self, record: &Record) {
        match record {
            // What a killed run did after its last checkpoint is done again.
            Record::Started { step, .. } => {
                self.steps.retain(|known| known.step <= *step);
                self.scores.retain(|(known, _)| known <= step);
            }
            Record::Step(step) => self.steps.push((**step).clone()),
            Record::Score { step, score } => {
                let accuracy = score.get("accuracy").and_then(serde_json::Value::as_f64);
                self.scores.extend(accuracy.map(|accuracy| (*step, accuracy)));
            }
            Record::PassedOver { .. } | Record::Finished { .. } => {}
        }
    }

    pub fn svg(&self) -> String {
        let panels = self.panels();
        let (width, height) = (2.0 * PANEL_WIDTH, 3.0 * PANEL_HEIGHT);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"system-ui, sans-serif\" \
             font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        );
        for (i, panel) in panels.iter().enumerate() {
            let (x, y) = ((i % 2) as f64 * PANEL_WIDTH, (i / 2) as f64 * PANEL_HEIGHT);
            panel.draw(&mut svg, x, y);
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn panels(&self) -> [Panel; 6] {
        let of = |value: &dyn Fn(&Step) -> Option<f64>| {
            let points = self.steps.iter();
            smooth(points.filter_map(|s| Some((s.step as f64, value(s)?))).collect())
        };
        let line = |name, colour, points| Line { name, colour, points };
        let [blue, orange, green] = COLOURS;
        let scores = self.scores.iter().map(|(step, right)| (*step as f64, *right)).collect();
        [
            Panel {
                title: "reward",
                lines: vec![line("of all rollouts", blue, of(&|s| Some(s.reward)))],
                share: false,
            },
            Panel {
                title: "right",
                lines: vec![
                    line("rollouts with Python", blue, of(&|s| s.accuracy_with_tools)),
                    line("without", orange, of(&|s| s.accuracy_without_tools)),
                    line("held-out questions, greedy", green, scores),
                ],
                share: true,
            },
            Panel {
                title: "Python used",
                lines: vec![
                    line("where it is needed", blue, of(&|s| s.tool_use_when_needed)),
                    line("where not", orange, of(&|s| s.tool_use_when_not_needed)),
                ],
                share: true,
            },
            Panel {
                title: "sampled tokens of a rollout",
                lines: vec![line("mean", blue, of(&|s| Some(s.tokens)))],
                share: false,
            },
            Panel {
                title: "entropy, nats a token",
                lines: vec![line("of what was sampled", blue, of(&|s| Some(s.entropy)))],
                share: false,
            },
            Panel {
                title: "engine against trainer, nats a token",
                lines: vec![line("mean distance of logprobs", blue, of(&|s| s.logprob_gap))],
                share: false,
            },
        ]
    }
}

fn smooth(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let mean = |end: usize| {
        let window = &points[(end + 1).saturating_sub(SMOOTHED)..=end];
        window.iter().map(|(_, value)| value).sum::<f64>() / window.len() as f64
    };
    (0..points.len()).map(|end| (points[end].0, mean(end))).collect()
}

impl Panel {
    fn draw(&self, svg: &mut String, x: f64, y: f64) {
        let (top, right, bottom, left) = MARGIN;
        let (x0, x1) = (x + left, x + PANEL_WIDTH - right);
        let (y0, y1) = (y + PANEL_HEIGHT - bottom, y + top);
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let last = points().map(|point| point.0).fold(1.0, f64::max);
        let (low, high) = if self.share { (0.0, 1.0) } else { range(points().map(|p| p.1)) };
        let at = |(step, value): (f64, f64)| {
            let across = x0 + (x1 - x0) * step / last;
            (across, y0 + (y1 - y0) * (value - low) / (high - low))
        };
        let _ = writeln!(
            svg,
            "<text x=\"{x0}\" y=\"{}\" font-size=\"13\" font-weight=\"600\">{}</text>",
            y + 18.0,
            self.title
        );
        for tick in 0..=4 {
            let value = low + (high - low) * f64::from(tick) / 4.0;
            let (_, line) = at((0.0, value));
            let text = match self.share {
                true => format!("{:.0} %", 100.0 * value),
                false => rounded(value, high - low),
            };
            let _ = writeln!(
                svg,
                "<line x1=\"{x0}\" x2=\"{x1}\" y1=\"{line:.1}\" y2=\"{line:.1}\" \
                 stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" \
                 fill=\"#555\">{text}</text>",
                x0 - 6.0,
                line + 4.0
            );
        }
        for (step, anchor) in [(0.0, "start"), (last, "end")] {
            let (across, _) = at((step, low));
            let _ = writeln!(
                svg,
                "<text x=\"{across:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\" \
                 fill=\"#555\">step {step:.0}</text>",
                y0 + 16.0
            );
        }
        let shown = self.lines.iter().filter(|line| !line.points.is_empty());
        for (i, Line { name, colour, points }) in shown.enumerate() {
            let path: Vec<String> = points
                .iter()
                .map(|point| at(*point))
                .map(|(across, up)| format!("{across:.1},{up:.1}"))
                .collect();
            let _ = writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" \
                 stroke-width=\"1.8\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" \
                 fill=\"{colour}\">{name}</text>",
                path.join(" "),
                x1,
                y0 - 6.0 - 13.0 * i as f64
            );
        }
    }
}

/// A little more than what the values span.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        return (0.0, 1.0);
    }
    let room = ((high - low) * 0.1).max(high.abs() * 0.01).max(1e-6);
    (low - room, high + room)
}

fn rounded(value: f64, span: f64) -> String {
    let decimals = (2.0 - span.log10()).floor().clamp(0.0, 5.0) as usize;
    format!("{value:.decimals$}")
}
