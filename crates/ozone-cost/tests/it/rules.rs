//! Budgets as their owner writes them.

use ozone_cost::{Amount, Budget, BudgetRule, Over, Payer, Per, PriceBook};
use serde_json::{Value, json};

use crate::support::{at, today};

fn rule(written: Value) -> BudgetRule {
    serde_json::from_value(written).unwrap()
}

fn refused(written: Value) -> String {
    serde_json::from_value::<BudgetRule>(written).unwrap_err().to_string()
}

fn budget(written: Value, key: &str, model: &str) -> Option<Budget> {
    let payer = Payer { key: key.into(), project: "p".into(), ..Payer::default() };
    rule(written).budget(&payer, model, "resp_1", &PriceBook::built_in(), today()).unwrap()
}

#[test]
fn a_rule_speaks_of_what_it_names_and_of_nothing_else() {
    let a_day = |mut written: Value| {
        written["amount"] = json!("5");
        written["per"] = json!("day");
        written
    };
    let scope = |written: Value, key: &str, model: &str| {
        budget(a_day(written), key, model).map(|budget| budget.scope)
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(scope(json!({}), "ann", "o3"), some("all"));
    assert_eq!(scope(json!({"key": "ann"}), "ann", "o3"), some("key:ann"));
    assert_eq!(scope(json!({"key": "ann"}), "bob", "o3"), None);
    assert_eq!(scope(json!({"key": "*"}), "bob", "o3"), some("key:bob"));
    // Nobody's key is no key.
    assert_eq!(scope(json!({"key": "*"}), "", "o3"), None);
    let both = json!({"key": "ann", "model": "o3", "project": "p"});
    assert_eq!(scope(both.clone(), "ann", "o3"), some("key:ann project:p model:o3"));
    assert_eq!(scope(both, "ann", "o4"), None);
    // A name cannot look like two.
    let sly = json!({"key": "*"});
    assert_eq!(scope(sly, "a model:o3", "o3"), some("key:a%20model:o3"));
}

#[test]
fn a_rule_counts_over_the_time_that_it_names() {
    let over = |per: &str| {
        let budget = budget(json!({"amount": "5", "per": per, "alerts": [80, 50, 80]}), "k", "m");
        budget.map(|b| (b.scope, b.over, b.alerts)).unwrap()
    };
    assert_eq!(over("request").0, "response:resp_1");
    assert_eq!(over("request").1, Over::Ever);
    assert_eq!(over("day"), ("all".into(), Over::Day, vec![50, 80]));
    assert_eq!(over("month").1, Over::Month);
    assert_eq!(over("24h").1, Over::Rolling(86_400));
    assert_eq!(over("90m").1, Over::Rolling(5_400));
    assert_eq!("7d".parse(), Ok(Per::Rolling(604_800)));
}

#[test]
fn a_rule_that_is_none_says_why() {
    let with = |name: &str, value: Value| {
        let mut written = json!({"amount": "5", "per": "day"});
        written[name] = value;
        refused(written)
    };
    for per in ["", "h", "24", "0h", "-1h", "+1h", "24ö", "99999999999999999999d", "9999999d"] {
        let said = with("per", json!(per));
        assert!(said.starts_with(&format!("`per` = `{per}` is none of request, day")), "{said}");
    }
    assert!(with("amount", json!("-5")).starts_with("`amount`: `-5` is not a price"));
    assert!(with("amount", json!("$5")).starts_with("`amount`: `$5` is not a price"));
    assert_eq!(
        with("alerts", json!([50, 101])),
        "`alerts` holds 101; each is a percentage of the amount from 1 to 100"
    );
    assert_eq!(with("key", json!(" ")), "`key` is empty; leave it out to hold all of them");
    assert_eq!(
        with("currency", json!("euro")),
        "`currency` = `EURO` is no code of three letters, as USD"
    );
    assert!(with("keys", json!(["ann"])).starts_with("unknown field `keys`"));
}

/// A limit in another currency is one in dollars, at the rate of the instant.
#[test]
fn a_limit_may_be_in_another_currency() {
    let written = json!({"amount": "10", "per": "day", "currency": "eur"});
    let rule = rule(written);
    let payer = Payer::default();
    let nothing = rule.budget(&payer, "m", "r", &PriceBook::built_in(), today());
    assert!(nothing.unwrap_err().to_string().starts_with("no rate of EUR to USD on "));
    let text = r#"
        [[rate]]
        currency = "EUR"
        usd = "1.25"
        from = "2026-01-01"
        source = "a test"
        checked = "2026-01-02"
    "#;
    let book = PriceBook::built_in().as_ref().clone().with("rates.toml", text).unwrap();
    let budget = rule.budget(&payer, "m", "r", &book, at("2026-11-22")).unwrap().unwrap();
    assert_eq!(budget.limit, "12.5".parse::<Amount>().unwrap());
}

#[test]
fn rules_and_budgets_are_told_to_people() {
    let shown = |written: Value| rule(written).to_string();
    assert_eq!(
        shown(json!({"amount": "5", "per": "24h", "currency": "eur", "key": "*", "model": "o3"})),
        "5 EUR in 24 hours for each key and the model `o3`"
    );
    assert_eq!(shown(json!({"amount": "0.02", "per": "request"})), "$0.02 a request");
    let told = |written: Value| budget(written, "ann lee", "o3").unwrap().to_string();
    assert_eq!(told(json!({"amount": "5", "per": "day"})), "$5 a day for everything");
    assert_eq!(
        told(json!({"amount": "5", "per": "7d", "key": "*"})),
        "$5 in 7 days for the key `ann lee`"
    );
    assert_eq!(told(json!({"amount": "1", "per": "request"})), "$1 for one request");
}
