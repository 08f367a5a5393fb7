//! The own families by name, and a part of a set.

use ozone_eval::{HARD, OwnQuestions, Suite};
use ozone_tasks::{Offer, Split};

fn own(only: &[&str], count: usize) -> Result<Suite, ozone_eval::SuiteError> {
    let only = only.iter().map(|s| s.to_string()).collect();
    Suite::own(&OwnQuestions { split: Split::HeldOut, seed: 7, count, only })
}

#[test]
fn a_suite_is_the_same_for_the_same_seed() {
    let (first, second) = (own(&[], 30).unwrap(), own(&[], 30).unwrap());
    assert_eq!(first.problems.len(), 30);
    assert_eq!(first.hash(), second.hash());
    assert_ne!(first.hash(), own(&[], 31).unwrap().hash());
    assert!(first.problems.iter().all(|p| !p.kind.starts_with("tool/outside")));
}

#[test]
fn families_and_kinds_are_chosen_by_name() {
    let kinds = |only: &[&str]| -> Vec<String> {
        let mut kinds: Vec<String> =
            own(only, 60).unwrap().problems.into_iter().map(|p| p.kind).collect();
        kinds.sort();
        kinds.dedup();
        kinds
    };
    assert_eq!(kinds(&["steps/days-prime"]), ["steps/days-prime"]);
    assert!(kinds(&["date"]).iter().all(|k| k.starts_with("date/")) && kinds(&["date"]).len() > 3);
    let hard = kinds(&["hard"]);
    assert!(hard.iter().all(|k| HARD.contains(&k.split('/').next().unwrap())));
    assert!(HARD.iter().all(|family| own(&[family], 1).is_ok()), "each hard family exists");
    let error = own(&["stpes"], 1).unwrap_err().to_string();
    assert!(error.contains("no suite `stpes`") && error.contains("steps, "), "{error}");
    assert!(error.contains("gsm8k"), "{error}");
}

#[test]
fn a_limit_draws_by_the_seed_and_keeps_the_order() {
    let suite = crate::support::suite(100);
    let ids = |seed| -> Vec<usize> {
        let limited = suite.clone().limited(10, seed);
        limited.problems.iter().map(|p| p.id[6..].parse().unwrap()).collect()
    };
    assert_eq!(ids(1).len(), 10);
    assert!(ids(1).is_sorted());
    assert_eq!(ids(1), ids(1));
    assert_ne!(ids(1), ids(2));
    assert_eq!(suite.clone().limited(1000, 1), suite);
    let bare = suite.without_tools();
    assert!(bare.problems.iter().all(|p| p.offer == Offer::Nothing));
}
