//! The estimators against counting, and against figures worked out by hand.

use ozone_eval::stats::{
    Tally, bootstrap, clustered, maj_at_k, paired, pass_at_1, pass_at_k, pass_hat_k, wilson,
};
use proptest::prelude::*;

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

#[test]
fn seven_of_eight_are_four_of_four_in_half_of_the_subsets() {
    let tally = Tally { asked: 8, right: 7 };
    assert_eq!(pass_hat_k(tally, 4), Some(0.5));
    assert_eq!(pass_at_k(tally, 4), Some(1.0));
    assert_eq!(pass_at_k(tally, 1), Some(0.875));
    assert_eq!(pass_at_k(tally, 9), None);
    assert_eq!(pass_hat_k(tally, 0), None);
}

/// All subsets of `k` of `n`, as bit masks.
fn subsets(n: usize, k: u32) -> impl Iterator<Item = u32> {
    (0..1u32 << n).filter(move |mask| mask.count_ones() == k)
}

proptest! {
    #[test]
    fn the_estimators_are_the_means_over_all_subsets(
        rights in prop::collection::vec(any::<bool>(), 1..9), k in 1u32..9,
    ) {
        prop_assume!(k as usize <= rights.len());
        let tally = Tally {
            asked: rights.len() as u32,
            right: rights.iter().filter(|r| **r).count() as u32,
        };
        let all: Vec<u32> = subsets(rights.len(), k).collect();
        let of = |mask: u32| rights.iter().enumerate().filter(move |(i, _)| mask >> i & 1 == 1);
        let any = all.iter().filter(|m| of(**m).any(|(_, r)| *r)).count() as f64;
        let every = all.iter().filter(|m| of(**m).all(|(_, r)| *r)).count() as f64;
        prop_assert!(near(pass_at_k(tally, k).unwrap(), any / all.len() as f64));
        prop_assert!(near(pass_hat_k(tally, k).unwrap(), every / all.len() as f64));
    }

    #[test]
    fn the_majority_is_the_mean_over_all_subsets(
        answers in prop::collection::vec(0usize..5, 1..10), k in 1u32..10,
    ) {
        prop_assume!(k as usize <= answers.len());
        // 0 abstains, 1 and 2 are right.
        let names = ["", "one", "two", "three", "four"];
        let votes: Vec<(Option<&str>, bool)> =
            answers.iter().map(|a| ((*a > 0).then(|| names[*a]), (1..=2).contains(a))).collect();
        let all: Vec<u32> = subsets(votes.len(), k).collect();
        let mut right = 0.0;
        for mask in &all {
            let mut counts = [0; 5];
            for (i, a) in answers.iter().enumerate().filter(|(i, _)| mask >> i & 1 == 1) {
                counts[*a] += usize::from(i < 32);
            }
            let most = counts[1..].iter().max().copied().unwrap();
            if most > 0 {
                let winners: Vec<usize> = (1..5).filter(|a| counts[*a] == most).collect();
                let good = winners.iter().filter(|a| **a <= 2).count();
                right += good as f64 / winners.len() as f64;
            }
        }
        prop_assert!(near(maj_at_k(&votes, k).unwrap(), right / all.len() as f64));
    }

    #[test]
    fn an_interval_holds_its_mean_and_stays_a_share(
        tallies in prop::collection::vec((1u32..9, 0u32..9), 1..40),
    ) {
        let tallies: Vec<Tally> =
            tallies.into_iter().map(|(n, c)| Tally { asked: n, right: c.min(n) }).collect();
        let e = pass_at_1(&tallies).unwrap();
        prop_assert!(e.low <= e.mean + 1e-12 && e.mean <= e.high + 1e-12);
        prop_assert!(e.low >= 0.0 && e.high <= 1.0 && e.low < e.high);
    }
}

/// Wilson, JASA 1927: 8 of 10 is 0.490 to 0.943.
#[test]
fn one_sample_each_has_wilsons_interval() {
    let tallies: Vec<Tally> =
        (0..10).map(|i| Tally { asked: 1, right: u32::from(i < 8) }).collect();
    let e = pass_at_1(&tallies).unwrap();
    assert_eq!((e.low, e.high), wilson(0.8, 10));
    assert!((e.low - 0.490).abs() < 5e-4 && (e.high - 0.943).abs() < 5e-4, "{e:?}");
}

#[test]
fn samples_of_one_question_are_no_independent_evidence() {
    let all_or_nothing = |n| -> Vec<Tally> {
        (0..20).map(|i| Tally { asked: n, right: if i < 10 { n } else { 0 } }).collect()
    };
    let [few, many] = [2, 64].map(|n| pass_at_1(&all_or_nothing(n)).unwrap());
    assert_eq!(few, many, "asking a decided question more often tells nothing");
    // 0.5 ± 2.093 × 0.5130 / √20
    assert!((few.low - 0.2599).abs() < 1e-3 && (few.high - 0.7401).abs() < 1e-3, "{few:?}");
}

#[test]
fn all_right_is_no_certainty() {
    let e = pass_at_1(&[Tally { asked: 4, right: 4 }; 10]).unwrap();
    assert!(near(e.mean, 1.0) && near(e.high, 1.0), "{e:?}");
    assert!(e.low < 0.75, "{e:?}");
    assert!(pass_at_1(&[]).is_none());
}

#[test]
fn two_runs_are_compared_question_by_question() {
    let pairs =
        [(0.0, 1.0), (0.0, 1.0), (1.0, 1.0), (0.0, 0.0), (0.0, 1.0), (0.0, 1.0), (0.0, 1.0)];
    let p = paired(&pairs).unwrap();
    assert_eq!((p.questions, p.better, p.worse), (7, 5, 0));
    assert!(near(p.difference.mean, 5.0 / 7.0));
    assert!(near(p.p, 2.0 / 32.0), "two tails of five heads");
    assert_eq!(paired(&[(1.0, 0.0), (0.0, 1.0)]).unwrap().p, 1.0);
    let thousands: Vec<(f64, f64)> =
        (0..4000).map(|i| if i < 2500 { (0.0, 1.0) } else { (1.0, 0.0) }).collect();
    let p = paired(&thousands).unwrap().p;
    assert!(p > 0.0 && p < 1e-50, "{p}");
}

#[test]
fn students_interval_of_three_values() {
    // Mean 2, standard error 1/√3, 4.303 of them.
    let e = clustered(&[1.0, 2.0, 3.0]).unwrap();
    assert!((e.high - 2.0 - 4.302653 / 3f64.sqrt()).abs() < 1e-6, "{e:?}");
}

#[test]
fn a_vote_that_nobody_wins_is_a_plain_zero() {
    assert_eq!(format!("{:.1}", maj_at_k(&[(Some("7"), false), (None, false)], 1).unwrap()), "0.0");
}

/// Of many answers it is the interval of the normal approximation; of equal ones it has no width.
#[test]
fn a_bootstrap_interval_holds_the_mean() {
    let values: Vec<f64> = (0..400).map(|i| f64::from(u8::from(i % 4 == 0))).collect();
    let found = bootstrap(&values).unwrap();
    let half = 1.96 * (0.25f64 * 0.75 / 400.0).sqrt();
    assert!(near(found.mean, 0.25));
    assert!((found.high - 0.25 - half).abs() < 0.01 && (0.25 - found.low - half).abs() < 0.01);
    assert_eq!(bootstrap(&values), Some(found), "the draws are the same each time");
    let certain = bootstrap(&[1.0; 9]).unwrap();
    assert_eq!((certain.low, certain.high), (1.0, 1.0));
    assert_eq!(bootstrap(&[]), None);
}
