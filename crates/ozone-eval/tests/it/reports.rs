//! What people and programs read.

use std::future::pending;

use ozone_cost::{Kind, LedgerLine, Suite as CostSuite};
use ozone_eval::{
    Answered, Axis, Compared, Judge, Plan, RunFolder, Summary, chart, fill, page, table,
};
use ozone_types::{Effort, Usage};

use crate::support::{Toy, open, options, plan, says, suite};

/// A run in which the first `right` of 40 questions are answered right, with so many tokens.
async fn run(folder: &std::path::Path, model: &str, effort: Effort, right: usize, tokens: u64) {
    let suite = suite(40);
    let plan = Plan { model: model.into(), effort: Some(effort), ..plan(&suite) };
    let mut run = open(&folder.join(plan.label().replace(' ', "-")), plan);
    let toy = Toy::new(|n, _| Answered {
        usage: Usage::of_sample(20, 0, tokens, tokens / 2),
        ledger: vec![
            LedgerLine::new("resp_1", LedgerLine::model_call(1), Kind::Model, model, 0).costing(
                ozone_cost::response("", model, &Usage::default()),
                ozone_cost::Amount::ZERO,
            ),
        ],
        ..says(&if n < right { format!("**{n}**") } else { "**no** idea".into() })
    });
    let judge = Judge::default();
    fill(&mut run, &suite.problems, &options(), &judge, |p, e| toy.ask(p, e), pending(), |_| {})
        .await
        .unwrap();
}

async fn four(folder: &std::path::Path) -> Vec<RunFolder> {
    run(folder, "small", Effort::Low, 20, 30).await;
    run(folder, "small", Effort::High, 26, 300).await;
    run(folder, "large <b>", Effort::Low, 28, 60).await;
    run(folder, "large <b>", Effort::High, 38, 700).await;
    RunFolder::read_all(folder).unwrap()
}

#[tokio::test]
async fn several_runs_are_rows_and_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let runs = four(folder.path()).await;
    let summaries: Vec<Summary> = runs.iter().map(Summary::of).collect();
    insta::assert_snapshot!(table(&summaries, &Compared::all(&runs)[2..]));
}

#[tokio::test]
async fn one_run_is_told_by_its_groups() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), "small", Effort::Low, 21, 30).await;
    let runs = RunFolder::read_all(folder.path()).unwrap();
    insta::assert_snapshot!(table(&[Summary::of(&runs[0])], &[]));
}

#[tokio::test]
async fn the_curve_has_a_line_for_each_model_and_a_point_for_each_effort() {
    let folder = tempfile::tempdir().unwrap();
    let runs = four(folder.path()).await;
    let summaries: Vec<Summary> = runs.iter().map(Summary::of).collect();
    assert_eq!(Axis::fitting(&summaries), Axis::Tokens, "nothing costs nothing on a logarithm");
    let svg = chart(&summaries, Axis::Tokens, "A <title>");
    assert_eq!(svg.matches("<polyline").count(), 2);
    assert_eq!(svg.matches("r=\"5\"").count(), 4);
    assert_eq!(svg.matches(">low</text>").count(), 2);
    assert!(svg.contains("A &lt;title&gt;") && svg.contains("large &lt;b&gt;"));
    assert!(svg.contains("prefers-color-scheme:dark") && !svg.contains("NaN"));
    if let Some(path) = std::env::var_os("OZONE_CHART") {
        std::fs::write(path, &svg).unwrap();
    }
    let none = chart(&summaries, Axis::Usd, "t");
    assert!(none.contains("no run has a cost yet"));
}

#[tokio::test]
async fn the_page_needs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let runs = four(folder.path()).await;
    let html = page(&runs, None);
    for outside in ["<script", "src=", "<link", "@import", "url("] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert!(!html.contains("<b>") && html.contains("large &lt;b&gt; high"));
    for part in ["95.0 %", "Question by question", "By group", "2026-11-"] {
        assert!(html.contains(part), "{part}");
    }
}

/// `ozone cost compare --suite` prices the cells of a run, and its report.
#[tokio::test]
async fn the_cells_and_the_report_can_be_priced() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), "small", Effort::Low, 21, 30).await;
    let runs = RunFolder::read_all(folder.path()).unwrap();
    let cells = std::fs::read_to_string(runs[0].path().join("cells.jsonl")).unwrap();
    let suite = CostSuite::read(&cells).unwrap();
    assert_eq!((suite.tally.questions, suite.tally.right), (40, 21));
    let report = serde_json::to_string(&Summary::of(&runs[0])).unwrap();
    let suite = CostSuite::read(&report).unwrap();
    assert_eq!((suite.tally.questions, suite.tally.right), (40, 21));
}

#[test]
fn a_folder_without_a_run_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let error = RunFolder::read_all(folder.path()).unwrap_err().to_string();
    assert!(error.contains("holds no run"), "{error}");
}
