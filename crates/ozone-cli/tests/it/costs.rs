//! Budgets of `ozone.toml` and of one run.

use serde_json::json;

use crate::support::{Home, object, says, stderr};

/// A model at a dollar for a thousand tokens of output, and nothing for input.
fn home(budget: &str) -> Home {
    let home = Home::scripted(json!([says(&"word ".repeat(40))]), 0);
    let path = home.path().join("ozone.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let price = "price = { input_per_million = \"0\", output_per_million = \"1000\" }";
    std::fs::write(path, format!("{config}{price}\n{budget}")).unwrap();
    home
}

#[test]
fn a_run_ends_before_it_costs_more_than_it_may() {
    let home = home("");
    let free = home.run(&["ask", "--no-tools", "Say it."]);
    assert!(stderr(&free).contains("$0.2"), "{}", stderr(&free));
    let cut = home.run(&["ask", "--no-tools", "--max-cost", "0.05", "Say it."]);
    assert_eq!(cut.status.code(), Some(1));
    let told = stderr(&cut);
    let why = "incomplete: the budget of $0.05 for one request pays for no more of this answer";
    assert!(told.contains(why), "{told}");
    let refused = home.run(&["ask", "--no-tools", "--max-cost", "0.001", "Say it."]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("does not pay for more"), "{}", stderr(&refused));
    let wrong = home.run(&["ask", "--max-cost", "$1", "Say it."]);
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn a_budget_holds_over_runs_and_says_when_it_nears_its_end() {
    let home = home("[[budget]]\nper = \"24h\"\namount = \"0.3\"\nalerts = [60]\n");
    let first = home.run(&["ask", "--no-tools", "Say it."]);
    assert_eq!(first.status.code(), Some(0));
    let note = "note: 60 % of the budget of $0.3 in 24 hours for everything is spent";
    assert!(stderr(&first).contains(note), "{}", stderr(&first));
    let second = home.run(&["ask", "--no-tools", "--json", "Say it."]);
    let response = object(&second);
    assert_eq!(response["incomplete_details"]["reason"], "cost_limit");
    assert_eq!(response["usage"]["cost_details"]["amount"], "0.1");
    let third = home.run(&["ask", "--no-tools", "Say it."]);
    assert_eq!(third.status.code(), Some(1));
    let told = "the budget of $0.3 in 24 hours for everything is spent";
    assert!(stderr(&third).contains(told), "{}", stderr(&third));
}

#[test]
fn a_budget_that_is_wrong_is_refused_with_its_place() {
    let home = home("[[budget]]\nper = \"week\"\namount = \"1\"\n");
    let refused = home.run(&["ask", "Say it."]);
    assert_eq!(refused.status.code(), Some(2));
    let told = stderr(&refused);
    assert!(told.contains("ozone.toml:") && told.contains("`per` = `week` is none of"), "{told}");
}
