//! What people and programs read of a ledger.

use ozone_cost::{
    Amount, By, Facts, Kind, LedgerLine, Meter, Payer, PriceBook, Report, Tokens, ToolUse, Total,
    compare,
};
use proptest::prelude::*;

use crate::support::{at, in_and_out, ten_thousand_in, today};

fn line(response: &str, model: &str, facts: Facts, at: i64) -> LedgerLine {
    LedgerLine::new(response, LedgerLine::model_call(1), Kind::Model, model, at)
        .priced(&PriceBook::built_in(), facts)
}

/// Two days, two models, a hosted search, a local tool, and a model that nobody priced.
fn ledger() -> Vec<LedgerLine> {
    let (first, second) = (at("2026-11-20T23:59:59Z"), at("2026-11-21"));
    let payer = Payer { key: "team, a".into(), ..Payer::default() };
    let search =
        Facts::new("openai", "o3", Tokens::default()).with_tools([ToolUse::new("web_search", 3)]);
    let tool = |index, name: &str| {
        LedgerLine::new("resp_1", LedgerLine::tool_call(1, index), Kind::Tool, name, second)
    };
    let python = tool(1, "python").costing(Facts::new("", "", Tokens::default()), Amount::ZERO);
    vec![
        LedgerLine { payer, ..line("resp_1", "o3", ten_thousand_in("o3"), first) },
        tool(0, "web_search").priced(&PriceBook::built_in(), search),
        python,
        line("resp_2", "gemini-2.5-pro", in_and_out("gemini-2.5-pro", 200_001, 1_000), second),
        line("resp_3", "mystery", in_and_out("mystery", 7, 7), second),
    ]
}

#[test]
fn a_table_by_day_shows_what_is_unknown() {
    insta::assert_snapshot!(Report::of(&ledger(), By::Day).table(), @r"
    day         calls  tokens in  cached    out  reasoning  cost
    2026-11-20      1     10,000   6,000  2,500      2,000  $0.031
    2026-11-21      4    200,008       0  1,007          0  at least $0.5450025 (1 call of unknown price)
    total           5    210,008   6,000  3,507      2,000  at least $0.5760025 (1 call of unknown price)
    ");
}

#[test]
fn a_table_by_model_falls_by_cost() {
    insta::assert_snapshot!(Report::of(&ledger(), By::Model).table(), @r"
    model           calls  tokens in  cached    out  reasoning  cost
    gemini-2.5-pro      1    200,001       0  1,000          0  $0.5150025
    o3                  1     10,000   6,000  2,500      2,000  $0.031
    (tools)             2          0       0      0          0  $0.03
    mystery             1          7       0      7          0  cost unknown
    total               5    210,008   6,000  3,507      2,000  at least $0.5760025 (1 call of unknown price)
    ");
}

#[test]
fn csv_quotes_what_needs_it() {
    let csv = Report::of(&ledger(), By::Key).csv();
    assert!(csv.starts_with("key,calls,input_tokens,"));
    assert!(csv.contains("\r\n\"team, a\",1,10000,6000,2500,2000,0.031,0,0,\r\n"), "{csv}");
    let evil = Payer { key: "=cmd()".into(), ..Payer::default() };
    let lines = [LedgerLine { payer: evil, ..line("r", "o3", ten_thousand_in("o3"), today()) }];
    assert!(Report::of(&lines, By::Key).csv().contains("\r\n'=cmd(),"));
}

#[test]
fn json_keeps_amounts_as_decimals() {
    let json = serde_json::to_value(Report::of(&ledger(), By::Tool)).unwrap();
    assert_eq!(json["by"], "tool");
    assert_eq!(json["total"]["known"], "0.5760025");
    assert_eq!(json["total"]["unknown"], 1);
    assert_eq!(json["groups"][1]["name"], "web_search");
}

#[test]
fn a_chart_has_a_bar_for_each_group_and_no_markup_of_others() {
    let mut lines = ledger();
    lines[0].name = "<script>".into();
    let svg = Report::of(&lines, By::Model).svg();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert_eq!(svg.matches("<rect x=").count(), 4);
    assert!(svg.contains("&lt;script&gt;") && !svg.contains("<script>"));
    assert!(svg.contains("stroke-dasharray"), "the unknown one is drawn open");
    let empty = Report::of(&[], By::Day);
    assert!(empty.svg().ends_with("</svg>\n"));
    assert_eq!(empty.table(), "nothing was spent\n");
}

#[test]
fn a_comparison_prices_the_same_counts_cheapest_first() {
    let day = at("2025-12-01");
    let lines = [line("resp_1", "o3", in_and_out("o3", 4_000, 2_500), day)];
    insta::assert_snapshot!(compare(&PriceBook::built_in(), &lines, day).table(), @r"
    o3 · 4000 tokens in, 2500 out · $0.028

    provider   model            tier      cost
    deepseek   deepseek-chat    default   $0.00217
    openai     o4-mini          batch     $0.0077
    openai     o4-mini          flex      $0.0077
    openai     o3               batch     $0.014
    openai     o3               flex      $0.014
    openai     o4-mini          default   $0.0154
    anthropic  claude-sonnet-4  batch     $0.02475
    openai     o3               default   $0.028
    openai     o4-mini          priority  $0.028
    gemini     gemini-2.5-pro   default   $0.03
    openai     o3               priority  $0.049
    anthropic  claude-sonnet-4  default   $0.0495
    anthropic  claude-opus-4    batch     $0.12375
    openai     o3-pro           batch     $0.14
    anthropic  claude-opus-4    default   $0.2475
    openai     o3-pro           default   $0.28

    note: The counts are those of the models that ran: another model cuts the same text into other tokens and thinks for longer or less.
    ");
}

#[test]
fn a_comparison_says_what_it_cannot_know() {
    let comparison = compare(&PriceBook::built_in(), &ledger()[..3], today());
    let offer = |model: &str, tier: &str| {
        comparison.offers.iter().find(|o| o.model == model && o.tier == tier).unwrap()
    };
    assert_eq!(offer("o3", "default").total.unwrap().to_string(), "0.061");
    assert_eq!(offer("o3", "batch").total, None);
    assert_eq!(
        offer("o3", "batch").unknown,
        ["openai/o3/batch@2025-06-10 has no price for cached_input"]
    );
    assert_eq!(
        offer("deepseek-flash", "default").unknown,
        ["no price for the tool `web_search` of deepseek"]
    );
    let known: Vec<bool> = comparison.offers.iter().map(|o| o.total.is_some()).collect();
    assert!(known.is_sorted_by(|a, b| a >= b), "unknown ones come last");
    let caveats = comparison.caveats.join("\n");
    for part in [
        "6000 tokens came from a cache",
        "1 tool call ran on this machine",
        "$0.03 at openai",
        "free quota",
    ] {
        assert!(caveats.contains(part), "{caveats}");
    }
    assert!(comparison.csv().contains("openai,o3,default,0.061,\r\n"));
}

/// A day without a call is a gap in the chart, and not left out of it.
#[test]
fn a_chart_of_days_shows_the_pauses() {
    let day = |text: &str| line("r", "o3", ten_thousand_in("o3"), at(text));
    let bars = |lines: &[LedgerLine], by| {
        let svg = Report::of(lines, by).svg();
        let labels = svg.split("text-anchor=\"end\">").skip(1);
        labels.map(|l| l.split('<').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let lines = [day("2028-02-28"), day("2028-03-02")];
    assert_eq!(bars(&lines, By::Day), ["2028-02-28", "2028-02-29", "2028-03-01", "2028-03-02"]);
    let lines = [day("2027-11-30"), day("2028-02-01")];
    assert_eq!(bars(&lines, By::Month), ["2027-11", "2027-12", "2028-01", "2028-02"]);
    // However long the pause, the chart stays of one size and says what it left out.
    let lines = [day("1999-12-31"), day("2028-02-01")];
    assert_eq!(bars(&lines, By::Day).len(), 60);
    assert!(Report::of(&lines, By::Day).svg().contains("and 1 earlier"));
}

/// A provider that bills no cache writes reads those tokens as any others.
#[test]
fn cache_writes_are_input_where_none_are_sold() {
    let tokens = Tokens::default().with(Meter::CacheWrite, 100_000);
    let lines = [line("r", "claude-opus-4", Facts::new("", "claude-opus-4", tokens), today())];
    let comparison = compare(&PriceBook::built_in(), &lines, today());
    let o3 = comparison.offers.iter().find(|o| o.model == "o3" && o.tier == "default").unwrap();
    assert_eq!(o3.total.unwrap().to_string(), "0.2");
    assert_eq!(comparison.actual.to_string(), "$1.875");
}

#[test]
fn estimates_are_marked() {
    let mut lines = vec![line("r", "o3", ten_thousand_in("o3"), today())];
    lines[0].estimate = true;
    assert_eq!(Total::of(&lines).to_string(), "about $0.031");
}

#[test]
fn a_line_survives_being_stored() {
    for line in ledger() {
        let json = serde_json::to_string(&line).unwrap();
        assert_eq!(serde_json::from_str::<LedgerLine>(&json).unwrap(), line);
    }
}

proptest! {
    /// However lines are grouped, the groups add up to the same total.
    #[test]
    fn groups_sum_to_the_total(
        picks in prop::collection::vec((0usize..5, 0i64..400 * 86_400, 0u8..3), 0..60)
    ) {
        let all = ledger();
        let lines: Vec<LedgerLine> = picks
            .iter()
            .map(|(i, shift, key)| {
                let mut line = all[*i].clone();
                line.at -= shift;
                line.payer.key = format!("k{key}");
                line
            })
            .collect();
        let total = Total::of(&lines);
        for by in By::ALL {
            let report = Report::of(&lines, by);
            let known: Amount = report.groups.iter().map(|g| g.total.known).sum();
            prop_assert_eq!(known, total.known);
            prop_assert_eq!(report.groups.iter().map(|g| g.total.unknown).sum::<u64>(), total.unknown);
            prop_assert_eq!(report.groups.iter().map(|g| g.total.lines).sum::<u64>(), total.lines);
        }
    }
}
