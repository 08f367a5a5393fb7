//! What the trainer and the evals see of the tasks.

use ozone_tasks::{Generator, Split, grade};

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
