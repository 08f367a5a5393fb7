//! The ledger for people and programs: by day, model, key, project or tool; as a table, CSV, JSON
//! or a chart.
//!
//! Whatever lines are grouped by, the groups sum to the same total: model calls among tools, and
//! tool calls among models, have a group of their own.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::time::{DAY, civil_date, parse_instant};
use crate::{Amount, Kind, LedgerLine, Meter, Total};

/// What lines are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    Day,
    Month,
    Model,
    Tool,
    Key,
    Project,
    Response,
}

impl By {
    pub const ALL: [By; 7] =
        [By::Day, By::Month, By::Model, By::Tool, By::Key, By::Project, By::Response];

    pub fn name(self) -> &'static str {
        match self {
            By::Day => "day",
            By::Month => "month",
            By::Model => "model",
            By::Tool => "tool",
            By::Key => "key",
            By::Project => "project",
            By::Response => "response",
        }
    }

    fn group(self, line: &LedgerLine) -> String {
        let or_none =
            |text: &str| if text.is_empty() { "(none)".to_owned() } else { text.to_owned() };
        match (self, line.kind) {
            (By::Day, _) => civil_date(line.at),
            (By::Month, _) => civil_date(line.at)[..7].to_owned(),
            (By::Model, Kind::Model) | (By::Tool, Kind::Tool) => or_none(&line.name),
            (By::Model, Kind::Tool) => "(tools)".to_owned(),
            (By::Tool, Kind::Model) => "(models)".to_owned(),
            (By::Key, _) => or_none(&line.payer.key),
            (By::Project, _) => or_none(&line.payer.project),
            (By::Response, _) => line.response_id.clone(),
        }
    }

    fn is_time(self) -> bool {
        matches!(self, By::Day | By::Month)
    }

    /// The day or the month before the one of this name.
    fn before(self, name: &str) -> Option<String> {
        match self {
            By::Day => Some(civil_date(parse_instant(name)? - DAY)),
            By::Month => Some(civil_date(parse_instant(&format!("{name}-01"))? - DAY)[..7].into()),
            By::Model | By::Tool | By::Key | By::Project | By::Response => None,
        }
    }
}

/// One group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    pub name: String,
    pub input_tokens: u64,
    pub cached_tokens: u64,
    pub output_tokens: u64,
    pub reasoning_tokens: u64,
    #[serde(flatten)]
    pub total: Total,
    /// The second ledger: what own machines cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<Amount>,
}

impl Group {
    fn of(name: String, lines: &[&LedgerLine]) -> Group {
        let sum = |count: fn(&LedgerLine) -> u64| {
            lines.iter().map(|l| count(l)).fold(0, u64::saturating_add)
        };
        let machine: Vec<Amount> = lines.iter().filter_map(|l| l.machine_amount).collect();
        Group {
            name,
            input_tokens: sum(|l| l.facts.tokens.prompt()),
            cached_tokens: sum(|l| l.facts.tokens.get(Meter::CachedInput)),
            output_tokens: sum(|l| l.facts.tokens.output()),
            reasoning_tokens: sum(|l| l.facts.tokens.get(Meter::ReasoningOutput)),
            total: Total::of(lines.iter().copied()),
            machine: (!machine.is_empty()).then(|| machine.into_iter().sum()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub by: By,
    /// Days rise; everything else falls by cost.
    pub groups: Vec<Group>,
    pub total: Group,
}

impl Report {
    pub fn of(lines: &[LedgerLine], by: By) -> Report {
        let mut by_name: BTreeMap<String, Vec<&LedgerLine>> = BTreeMap::new();
        for line in lines {
            by_name.entry(by.group(line)).or_default().push(line);
        }
        let mut groups: Vec<Group> =
            by_name.into_iter().map(|(name, lines)| Group::of(name, &lines)).collect();
        if !by.is_time() {
            groups.sort_by_key(|group| std::cmp::Reverse(group.total.known));
        }
        let total = Group::of("total".to_owned(), &lines.iter().collect::<Vec<_>>());
        Report { by, groups, total }
    }

    /// For people.
    pub fn table(&self) -> String {
        if self.groups.is_empty() {
            return "nothing was spent\n".to_owned();
        }
        let has_machines = self.total.machine.is_some();
        let header = [self.by.name(), "calls", "tokens in", "cached", "out", "reasoning", "cost"];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        for group in self.groups.iter().chain([&self.total]) {
            rows.push(vec![
                group.name.clone(),
                group.total.lines.to_string(),
                thousands(group.input_tokens),
                thousands(group.cached_tokens),
                thousands(group.output_tokens),
                thousands(group.reasoning_tokens),
                group.total.to_string(),
            ]);
        }
        if has_machines {
            let cells = self.groups.iter().chain([&self.total]).map(|g| g.machine);
            let cells = cells.map(|m| m.map(|m| format!("${m}")).unwrap_or_default());
            for (row, cell) in rows.iter_mut().zip(["machines".to_owned()].into_iter().chain(cells))
            {
                row.push(cell);
            }
        }
        columns(&rows, 5)
    }

    pub fn csv(&self) -> String {
        let mut text = csv_line([
            self.by.name(),
            "calls",
            "input_tokens",
            "cached_tokens",
            "output_tokens",
            "reasoning_tokens",
            "known_usd",
            "calls_of_unknown_price",
            "estimates",
            "machine_usd",
        ]);
        for group in &self.groups {
            let fields = [
                group.name.clone(),
                group.total.lines.to_string(),
                group.input_tokens.to_string(),
                group.cached_tokens.to_string(),
                group.output_tokens.to_string(),
                group.reasoning_tokens.to_string(),
                group.total.known.to_string(),
                group.total.unknown.to_string(),
                group.total.estimates.to_string(),
                group.machine.map(|m| m.to_string()).unwrap_or_default(),
            ];
            text.push_str(&csv_line(fields.each_ref().map(String::as_str)));
        }
        text
    }

    /// A chart with one bar for each group: an SVG file that needs nothing else.
    pub fn svg(&self) -> String {
        const BAR_PX: usize = 22;
        const LABEL_PX: usize = 200;
        const WIDTH_PX: usize = 760;
        let shown = self.bars();
        let left_out = self.groups.len() - shown.iter().filter(|g| g.total.lines > 0).count();
        let most = shown.iter().map(|g| g.total.known.approximately()).fold(0.0, f64::max);
        let height = 56 + shown.len() * BAR_PX + 20;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH_PX}\" height=\"{height}\" \
             viewBox=\"0 0 {WIDTH_PX} {height}\" font-family=\"system-ui, sans-serif\" \
             font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
             <text x=\"12\" y=\"26\" font-size=\"16\">Cost by {}: {}</text>\n",
            self.by.name(),
            escaped(&self.total.total.to_string())
        );
        for (i, group) in shown.iter().enumerate() {
            let y = 44 + i * BAR_PX;
            let share = if most > 0.0 { group.total.known.approximately() / most } else { 0.0 };
            let least = if group.total.lines > 0 { 1.0 } else { 0.0 };
            let width = (share * (WIDTH_PX - LABEL_PX - 180) as f64).max(least);
            // A bar of which part is unknown is drawn open at its end.
            let dashed = if group.total.unknown > 0 { " stroke-dasharray=\"3 2\"" } else { "" };
            let name: String = group.name.chars().take(30).collect();
            let middle = y + BAR_PX / 2 + 4;
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{}</text>\
                 <rect x=\"{LABEL_PX}\" y=\"{}\" width=\"{width:.1}\" height=\"{}\" \
                 fill=\"#10a37f\" fill-opacity=\"0.8\" stroke=\"#0b6e57\"{dashed}/>\
                 <text x=\"{:.1}\" y=\"{middle}\">{}</text>",
                LABEL_PX - 8,
                escaped(&name),
                y + 3,
                BAR_PX - 6,
                LABEL_PX as f64 + width + 6.0,
                escaped(&short(&group.total))
            );
        }
        if left_out > 0 {
            let which = if self.by.is_time() { "earlier" } else { "more" };
            let text = format!("and {left_out} {which}");
            let _ = writeln!(svg, "<text x=\"12\" y=\"{}\">{text}</text>", height - 8);
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// The dearest groups, or the latest days: those without a call too, or the chart would show a
    /// pause as none.
    fn bars(&self) -> Vec<Group> {
        const BARS_MAX: usize = 60;
        if !self.by.is_time() {
            return self.groups.iter().take(BARS_MAX).cloned().collect();
        }
        let mut bars: Vec<Group> = vec![];
        for group in self.groups.iter().rev() {
            while let Some(before) = bars.last().and_then(|later| self.by.before(&later.name)) {
                if before <= group.name || bars.len() == BARS_MAX {
                    break;
                }
                bars.push(Group::of(before, &[]));
            }
            if bars.len() == BARS_MAX {
                break;
            }
            bars.push(group.clone());
        }
        bars.reverse();
        bars
    }
}

/// Beside a bar there is room for a few words.
fn short(total: &Total) -> String {
    let known = match total.known.rounded(4) {
        rounded if rounded.is_zero() && !total.known.is_zero() => "under $0.0001".to_owned(),
        rounded => format!("${rounded}"),
    };
    let about = if total.estimates > 0 { "about " } else { "" };
    match (total.unknown, total.lines) {
        (_, 0) => String::new(),
        (0, _) => format!("{about}{known}"),
        (unknown, lines) if unknown == lines => "unknown".to_owned(),
        (unknown, _) => format!("{known} + {unknown} unknown"),
    }
}

/// For the text of SVG and HTML; control characters are left out.
pub fn escaped(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .map(|c| match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            other => other.to_string(),
        })
        .collect()
}

fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Left-aligned columns, of which those from the second to `right` are right-aligned.
pub fn columns(rows: &[Vec<String>], right: usize) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |i: usize| {
        rows.iter().filter_map(|r| r.get(i)).map(|c| c.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().enumerate().map(|(i, cell)| {
            let cell: String = cell.chars().filter(|c| !c.is_control()).collect();
            let width = widths[i];
            if (1..=right).contains(&i) {
                format!("{cell:>width$}")
            } else {
                format!("{cell:<width$}")
            }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// One line of RFC 4180. A cell that a spreadsheet would take for a formula is quoted as text.
pub(crate) fn csv_line<'a>(fields: impl IntoIterator<Item = &'a str>) -> String {
    let cells = fields.into_iter().map(|field| {
        let formula = field.starts_with(['=', '+', '-', '@']) && field.parse::<f64>().is_err();
        let field = if formula { format!("'{field}") } else { field.to_owned() };
        if field.contains(['"', ',', '\n', '\r']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            field
        }
    });
    let mut line = cells.collect::<Vec<_>>().join(",");
    line.push_str("\r\n");
    line
}
