//! What the trainer and the evals see of the tasks.

use ozone_tasks::{Generator, Split, Wordings, grade};

/// A reply that the generator wrote is right by the verifier, in every kind and both splits.
#[test]
fn every_reply_is_right() {
    for split in [Split::Train, Split::HeldOut] {
        let generator = Generator::new(split, 7).unwrap();
        for kind in generator.kinds() {
            for index in 0..200 {
                let q = generator.question_of(kind.name, index).unwrap();
                assert!(grade(&q.answer, &q.reply), "{}: {:?} / {}", q.kind, q.answer, q.reply);
                assert!(!q.text.is_empty() && !q.text.contains(['{', '}']), "{}", q.text);
                assert!(q.needs_python || !q.think.is_empty(), "{}: no thought", q.kind);
            }
        }
    }
}

#[test]
fn a_question_depends_on_its_seed_and_index_alone() {
    let (a, b) =
        (Generator::new(Split::Train, 3).unwrap(), Generator::new(Split::Train, 3).unwrap());
    for index in [0, 1, 99, 1 << 40] {
        assert_eq!(a.question(index).text, b.question(index).text);
    }
}

/// Each name that is drawn more often is a kind.
#[test]
fn common_kinds_exist() {
    let kinds = ozone_tasks::families::all();
    for name in ozone_tasks::families::COMMON {
        assert!(kinds.iter().any(|k| k.name == *name), "{name}");
    }
}

#[test]
fn no_line_of_wordings_is_in_both_splits() {
    let load = |split| Wordings::load(split).unwrap();
    assert_eq!(load(Split::HeldOut).shared_with(&load(Split::Train)), [""; 0]);
}

/// Written apart, a few of the shortest sentences coincide all the same.
#[test]
fn held_out_questions_are_not_those_of_the_training() {
    let plain = |text: &str| -> String {
        text.to_lowercase().chars().filter(|c| c.is_alphabetic() || *c == ' ').collect()
    };
    let train = Generator::new(Split::Train, 11).unwrap();
    let held_out = Generator::new(Split::HeldOut, 11).unwrap();
    let known: std::collections::HashSet<String> =
        (0..20_000).map(|i| plain(&train.question(i).text)).collect();
    let same = (0..2_000).filter(|i| known.contains(&plain(&held_out.question(*i).text))).count();
    println!("{same} of 2000 held-out questions read like training questions");
    assert!(same < 60, "{same} of 2000 held-out questions read like training questions");
}
