//! One page that explains itself: the chart, the figures behind it, and what they were taken with.
//! It needs no script and no other file.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ozone_cost::{escaped, show_instant};

use crate::table::{dollars, figures, interval, probability};
use crate::{Axis, Compared, RunFolder, Summary, chart};

const STYLE: &str = "\
:root{color-scheme:light dark;--paper:#fff;--ink:#1f2328;--soft:#59636e;--rule:#d8dee4}\
@media (prefers-color-scheme:dark){:root{--paper:#0d1117;--ink:#e6edf3;--soft:#9198a1;--rule:#30363d}}\
body{background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif;max-width:62rem;\
margin:2rem auto;padding:0 1rem}svg{max-width:100%;height:auto}h2{margin-top:2.5rem}\
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\
th,td{padding:.3rem .6rem;border-bottom:1px solid var(--rule);text-align:right;white-space:nowrap}\
th:first-child,td:first-child{text-align:left}th,small{color:var(--soft);font-weight:500}";

/// The page over these runs; `axis` is chosen to fit where none is named.
pub fn page(runs: &[RunFolder], axis: Option<Axis>) -> String {
    let summaries: Vec<Summary> = runs.iter().map(Summary::of).collect();
    let title = title(&summaries);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{0}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{0}</h1>\n",
        escaped(&title)
    );
    let suites: BTreeSet<&str> = summaries.iter().map(|s| s.suite_hash.as_str()).collect();
    for hash in &suites {
        // A curve is over one set of questions.
        let of_suite: Vec<Summary> =
            summaries.iter().filter(|s| s.suite_hash == *hash).cloned().collect();
        let axis = axis.unwrap_or_else(|| Axis::fitting(&of_suite));
        let name = format!("Accuracy against cost: {}", self::title(&of_suite));
        html.push_str(&chart(&of_suite, axis, &name));
    }
    html.push_str("<h2>Figures</h2>\n");
    html.push_str(&figures_table(&summaries));
    html.push_str(&repeats_table(&summaries));
    html.push_str(&compared_table(&Compared::all(runs)));
    html.push_str(&groups_table(&summaries));
    html.push_str(&origins(runs));
    html.push_str(
        "<p><small>Intervals are at 95 %: Wilson's where each question was asked once, else \
         Student's over the questions. pass@k, maj@k and pass^k are unbiased over all subsets of \
         k answers. Questions that failed are in no figure.</small></p>\n</body>\n</html>\n",
    );
    html
}

/// The suites and how many questions they have.
fn title(runs: &[Summary]) -> String {
    let suites: BTreeSet<String> =
        runs.iter().map(|run| format!("{}, {} questions", run.suite, run.questions)).collect();
    match suites.len() {
        0 => "no runs".to_owned(),
        1..=3 => suites.into_iter().collect::<Vec<_>>().join("; "),
        n => format!("{n} suites"),
    }
}

fn percent(share: Option<f64>) -> String {
    share.map_or("–".to_owned(), |share| format!("{:.1} %", 100.0 * share))
}

fn rows(head: &[String], lines: &[Vec<String>]) -> String {
    let mut html = "<div class=\"wide\"><table>\n<tr>".to_owned();
    for cell in head {
        let _ = write!(html, "<th>{}</th>", escaped(cell));
    }
    html.push_str("</tr>\n");
    for line in lines {
        html.push_str("<tr>");
        for cell in line {
            let _ = write!(html, "<td>{}</td>", escaped(cell));
        }
        html.push_str("</tr>\n");
    }
    html + "</table></div>\n"
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

fn figures_table(runs: &[Summary]) -> String {
    let head = words([
        "run",
        "suite",
        "answers",
        "pass@1",
        "95 %",
        "any form",
        "tokens",
        "thinking",
        "seconds",
        "dollars",
        "machines",
        "tool calls",
        "samples",
        "open",
    ]);
    let line = |run: &Summary| {
        vec![
            run.label(),
            run.suite.clone(),
            run.samples.to_string(),
            percent(Some(run.accuracy)),
            interval(run),
            percent(run.lenient.map(|l| l.mean)),
            format!("{:.1}", run.output_tokens_mean),
            format!("{:.1}", run.reasoning_tokens_mean),
            format!("{:.2}", run.seconds_mean),
            dollars(run.usd_mean),
            run.machine_usd_mean.map_or("–".into(), |usd| dollars(Some(usd))),
            format!("{:.2}", run.tool_calls as f64 / run.samples.max(1) as f64),
            format!("{:.1}", run.samples_mean),
            (run.failed + run.missing).to_string(),
        ]
    };
    rows(&head, &runs.iter().map(line).collect::<Vec<_>>())
}

fn repeats_table(runs: &[Summary]) -> String {
    let ks: BTreeSet<u32> = runs.iter().flat_map(|r| r.pass_at_k.keys().copied()).collect();
    if ks.is_empty() {
        return String::new();
    }
    let mut head = words(["run", "k"]);
    head.extend(words(["pass@k", "maj@k", "pass^k"]));
    let mut lines = vec![];
    for run in runs {
        for k in ks.iter().filter(|k| run.pass_at_k.contains_key(k)) {
            let mut line = vec![run.label(), k.to_string()];
            line.extend(figures(run).map(|(_, f)| percent(f.get(k).copied())));
            lines.push(line);
        }
    }
    format!("<h2>Repeats</h2>\n{}", rows(&head, &lines))
}

fn compared_table(compared: &[Compared]) -> String {
    if compared.is_empty() {
        return String::new();
    }
    let head = words(["run", "against", "points", "95 %", "better", "worse", "sign test"]);
    let line = |c: &Compared| {
        let d = c.paired.difference;
        vec![
            c.second.clone(),
            c.first.clone(),
            format!("{:+.1}", 100.0 * d.mean),
            format!("{:+.1} to {:+.1}", 100.0 * d.low, 100.0 * d.high),
            c.paired.better.to_string(),
            c.paired.worse.to_string(),
            probability(c.paired.p),
        ]
    };
    let lines: Vec<_> = compared.iter().map(line).collect();
    format!("<h2>Question by question</h2>\n{}", rows(&head, &lines))
}

fn groups_table(runs: &[Summary]) -> String {
    let groups: BTreeSet<&String> = runs.iter().flat_map(|run| run.families.keys()).collect();
    if groups.len() < 2 {
        return String::new();
    }
    let mut head = words(["group"]);
    head.extend(runs.iter().map(Summary::label));
    let line = |group: &&String| {
        let share = |run: &Summary| match run.families.get(*group) {
            Some((right, asked)) if *asked > 0 => {
                format!("{:.1} % of {asked}", 100.0 * *right as f64 / *asked as f64)
            }
            _ => "–".to_owned(),
        };
        let mut line = vec![(*group).clone()];
        line.extend(runs.iter().map(share));
        line
    };
    format!("<h2>By group</h2>\n{}", rows(&head, &groups.iter().map(line).collect::<Vec<_>>()))
}

fn origins(runs: &[RunFolder]) -> String {
    let head = words(["run", "seed", "temperature", "suite", "weights", "sessions"]);
    let short = |hash: &str| hash.chars().take(12).collect::<String>();
    let line = |run: &RunFolder| {
        let plan = &run.manifest.plan;
        let session = |s: &crate::Session| {
            let program = s.commit.clone().unwrap_or_else(|| short(&s.program));
            format!("{} at {program}, prices {}", show_instant(s.at), short(&s.prices))
        };
        let sessions: Vec<String> = run.manifest.sessions.iter().map(session).collect();
        vec![
            plan.label(),
            plan.seed.to_string(),
            plan.temperature.to_string(),
            short(&plan.suite_hash),
            short(&plan.model_hash),
            sessions.join("; "),
        ]
    };
    format!("<h2>Taken with</h2>\n{}", rows(&head, &runs.iter().map(line).collect::<Vec<_>>()))
}
