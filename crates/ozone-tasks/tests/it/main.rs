//! What the trainer and the evals see of the tasks.

use ozone_tasks::{Generator, Offer, Split, Wordings, grade};

/// A reply that the generator wrote is right by the verifier, in every kind and both splits.
#[test]
fn every_reply_is_right() {
    for split in [Split::Train, Split::HeldOut] {
        let plain = Generator::new(split, 7).unwrap();
        let pictures = Generator::pictures(split, 7).unwrap();
        let of =
            |generator: &'_ Generator| generator.kinds().iter().map(|k| k.name).collect::<Vec<_>>();
        for (generator, names) in [(&plain, of(&plain)), (&pictures, of(&pictures))] {
            for (name, index) in names.iter().flat_map(|name| (0..200).map(move |i| (name, i))) {
                let q = generator.question_of(name, index).unwrap();
                assert!(grade(&q.answer, &q.reply), "{}: {:?} / {}", q.kind, q.answer, q.reply);
                assert!(!q.text.is_empty() && !q.text.contains(['{', '}']), "{}", q.text);
                assert!(!q.steps.is_empty() || !q.think.is_empty(), "{}: no thought", q.kind);
            }
        }
    }
}

/// The calls of a question, and what was printed, fit the context of a small model.
#[test]
fn questions_about_pictures_are_short() {
    let generator = Generator::pictures(Split::Train, 7).unwrap();
    let length = |i| {
        ozone_tasks::render::segments(&generator.question(i)).iter().map(|s| s.text.len()).sum()
    };
    let longest: usize = (0..2_000).map(length).max().unwrap();
    assert!(longest < 4_000, "{longest} bytes");
}

#[test]
fn every_kind_about_pictures_is_drawn_beside_the_others() {
    let generator = Generator::new(Split::Train, 7).unwrap().with_pictures(0.3).unwrap();
    let drawn: Vec<String> = (0..3_000).map(|index| generator.question(index).kind).collect();
    let share = drawn.iter().filter(|kind| kind.starts_with("picture/")).count();
    assert!((800..1_000).contains(&share), "{share}");
    for kind in Generator::pictures(Split::Train, 7).unwrap().kinds() {
        assert!(drawn.iter().any(|name| name == kind.name), "{}", kind.name);
    }
}

#[test]
fn a_share_of_what_needs_python_is_answered_by_head() {
    let knowing = Generator::new(Split::Train, 7).unwrap();
    let guessing = Generator::new(Split::Train, 7).unwrap().with_by_head(0.5);
    let (mut asked, mut guessed) = (0, 0);
    for index in 0..2_000 {
        let (known, guess) = (knowing.question(index), guessing.question(index));
        assert_eq!((&known.text, &known.answer), (&guess.text, &guess.answer));
        assert!(grade(&guess.answer, &guess.reply), "{}", guess.reply);
        if known.needs_python && known.offer == Offer::Python {
            asked += 1;
            guessed += usize::from(guess.steps.is_empty());
        } else {
            assert_eq!(known.steps, guess.steps);
        }
    }
    assert!((45..55).contains(&(100 * guessed / asked)), "{guessed} of {asked}");
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
    for load in [Wordings::load, Wordings::of_pictures] {
        let load = |split| load(split).unwrap();
        assert_eq!(load(Split::HeldOut).shared_with(&load(Split::Train)), [""; 0]);
    }
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
