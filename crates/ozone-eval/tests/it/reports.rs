//! What people and programs read.

use std::future::pending;

use ozone_cost::{Kind, LedgerLine, Suite as CostSuite};
use ozone_eval::{
    Answered, Arm, Axis, ByFamily, Compared, Judge, Outfit, Plan, RunFolder, Summary, chart,
    family_table, fill, page, table,
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

/// What an arm brings is said against the first one, question by question, and giving up where the
/// picture was readable is counted.
#[tokio::test]
async fn arms_are_told_family_by_family() {
    let folder = tempfile::tempdir().unwrap();
    for (arm, right) in [(Arm::Alone, 10), (Arm::Images, 30)] {
        let suite = suite(40);
        let outfit = Some(Outfit { arm, ablated: false });
        let plan = Plan { outfit, ..plan(&suite) };
        let mut run = open(&folder.path().join(arm.name()), plan);
        let toy = Toy::new(|n, _| Answered {
            calls: if n < right { 3 } else { 1 },
            ..says(&if n < right { format!("**{n}**") } else { "**unreadable**".into() })
        });
        let judge = Judge::default();
        let ask = |p, e| toy.ask(p, e);
        fill(&mut run, &suite.problems, &options(), &judge, ask, pending(), |_| {}).await.unwrap();
    }
    let runs = ByFamily::of(&RunFolder::read_all(folder.path()).unwrap());
    let names: Vec<&str> = runs[1].families.iter().map(|f| f.family.as_str()).collect();
    assert_eq!(names, ["even", "odd", "all"]);
    let all = &runs[1].families[2];
    assert_eq!((all.right, all.asked, all.calls_mean), (30, 40, 2.5));
    assert!(all.accuracy.low < 0.75 && all.accuracy.high > 0.75, "{all:?}");
    assert_eq!((runs[0].families[2].falsely_unreadable, all.falsely_unreadable), (0.75, 0.25));
    let gain = runs[1].gains["all"];
    assert!(gain.mean == 0.5 && gain.low > 0.3, "{gain:?}");
    assert!(runs[0].gains.is_empty() && runs[0].against.is_none());
    let table = family_table(&runs);
    assert!(table.contains("over toy alone") && table.contains("+50.0"), "{table}");
}
