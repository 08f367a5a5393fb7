//! The figures in a terminal.

use std::collections::BTreeMap;

use ozone_cost::columns;

use crate::{Compared, Summary};

/// One run with its groups, or a line for each of several.
pub fn table(runs: &[Summary], compared: &[Compared]) -> String {
    let mut out = match runs {
        [] => "there are no runs\n".to_owned(),
        [one] => alone(one),
        several => rows(several),
    };
    for c in compared {
        let d = c.paired.difference;
        out.push_str(&format!(
            "{} against {}: {:+.1} points (95 %: {:+.1} to {:+.1}); {} questions better, {} worse, \
             sign test {}\n",
            c.second,
            c.first,
            100.0 * d.mean,
            100.0 * d.low,
            100.0 * d.high,
            c.paired.better,
            c.paired.worse,
            probability(c.paired.p),
        ));
    }
    out
}

pub(crate) fn probability(p: f64) -> String {
    if p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {p:.3}") }
}

pub(crate) fn dollars(usd: Option<f64>) -> String {
    match usd {
        None => "unknown".to_owned(),
        Some(0.0) => "$0".to_owned(),
        Some(usd) if usd < 0.01 => format!("${}", significant(usd)),
        Some(usd) => format!("${usd:.3}"),
    }
}

/// With two digits that count.
pub(crate) fn significant(value: f64) -> String {
    let places = (1.0 - value.abs().log10().floor()).clamp(0.0, 12.0) as usize;
    format!("{value:.places$}")
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn maybe_percent(share: Option<f64>) -> String {
    share.map_or("–".into(), percent)
}

pub(crate) fn interval(run: &Summary) -> String {
    format!("{:.1} to {:.1}", 100.0 * run.accuracy_low, 100.0 * run.accuracy_high)
}

fn alone(run: &Summary) -> String {
    let mut groups: Vec<Vec<String>> = run
        .families
        .iter()
        .map(|(family, (right, asked))| {
            let share = *right as f64 / (*asked).max(1) as f64;
            vec![family.clone(), right.to_string(), "of".into(), asked.to_string(), percent(share)]
        })
        .collect();
    groups.push(vec![
        "all".into(),
        run.right.to_string(),
        "of".into(),
        run.samples.to_string(),
        percent(run.accuracy),
        format!("(95 %: {})", interval(run)),
    ]);
    let mut out = columns(&groups, 4);
    if let Some(lenient) = run.lenient.filter(|l| l.mean != run.accuracy) {
        out.push_str(&format!("in any form of answer: {}\n", percent(lenient.mean)));
    }
    for (name, figures) in figures(run) {
        let list = figures
            .iter()
            .map(|(k, f)| format!("{} {}", name.replace('k', &k.to_string()), percent(*f)));
        let list: Vec<String> = list.collect();
        if !list.is_empty() {
            out.push_str(&format!("{}\n", list.join("  ")));
        }
    }
    if run.python_when_needed.is_some() || run.python_when_not_needed.is_some() {
        out.push_str(&format!(
            "Python used: {} of the questions that need it, {} of those that don't\n",
            maybe_percent(run.python_when_needed),
            maybe_percent(run.python_when_not_needed),
        ));
    }
    out.push_str(&format!(
        "an answer: {:.1} tokens, {:.2} s, {}\n",
        run.output_tokens_mean,
        run.seconds_mean,
        dollars(run.usd_mean),
    ));
    if let Some(pro) = run.pro {
        out.push_str(&format!("a vote: {:.1} of {} samples\n", run.samples_mean, pro.samples_max));
    }
    out.push_str(&open(run));
    out
}

/// pass@k, maj@k and pass^k, where there are repeats.
pub(crate) fn figures(run: &Summary) -> [(&'static str, &BTreeMap<u32, f64>); 3] {
    [("pass@k", &run.pass_at_k), ("maj@k", &run.maj_at_k), ("pass^k", &run.pass_hat_k)]
}

fn open(run: &Summary) -> String {
    let mut words = vec![];
    if run.failed > 0 {
        words.push(format!("{} failed and are in no figure", run.failed));
    }
    if run.missing > 0 {
        words.push(format!("{} were not asked yet", run.missing));
    }
    if words.is_empty() {
        return String::new();
    }
    format!("{}: the same command asks them\n", words.join(", "))
}

fn rows(runs: &[Summary]) -> String {
    let most = |run: &Summary| run.pass_hat_k.keys().max().copied();
    let k = runs.iter().filter_map(most).min();
    let mut head: Vec<String> =
        ["run", "questions", "right", "95 %", "any form"].map(str::to_owned).to_vec();
    head.extend(
        k.iter().flat_map(|k| [format!("pass@{k}"), format!("maj@{k}"), format!("pass^{k}")]),
    );
    let votes = runs.iter().any(|run| run.pro.is_some());
    head.extend(votes.then(|| "samples".to_owned()));
    head.extend(["tokens", "seconds", "cost", "open"].map(str::to_owned));
    let right = head.len() - 1;
    let mut lines = vec![head];
    let suites = runs.iter().any(|run| run.suite_hash != runs[0].suite_hash);
    for run in runs {
        let name = if suites { format!("{}: {}", run.suite, run.label()) } else { run.label() };
        let mut line = vec![
            name,
            run.questions.to_string(),
            percent(run.accuracy),
            interval(run),
            maybe_percent(run.lenient.map(|l| l.mean)),
        ];
        for (_, figures) in figures(run).into_iter().filter(|_| k.is_some()) {
            line.push(maybe_percent(k.and_then(|k| figures.get(&k).copied())));
        }
        line.extend(votes.then(|| format!("{:.1}", run.samples_mean)));
        line.extend([
            format!("{:.0}", run.output_tokens_mean),
            format!("{:.2}", run.seconds_mean),
            dollars(run.usd_mean),
            (run.failed + run.missing).to_string(),
        ]);
        lines.push(line);
    }
    columns(&lines, right)
}
