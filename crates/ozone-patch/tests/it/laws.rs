//! A diff that is made of two texts gives the second one back.

use ozone_patch::update;
use proptest::prelude::*;

/// A change of a text: per line of it what comes before it, and whether it stays.
type Change = Vec<(Vec<String>, bool)>;

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        // Few words, so that places repeat.
        "[abc]{0,2}",
        "[ -~]{0,12}",
        Just("    return x".to_owned()),
        Just("@@ a".to_owned()),
        Just("*** End of File".to_owned()),
        Just("naïve – “x”".to_owned()),
    ]
}

fn text_and_change() -> impl Strategy<Value = (Vec<String>, Change, Vec<String>)> {
    let more = || prop::collection::vec(line(), 0..3);
    prop::collection::vec(line(), 0..20).prop_flat_map(move |lines| {
        let one = (prop_oneof![3 => Just(vec![]), 1 => more()], prop::bool::weighted(0.8));
        let change = prop::collection::vec(one, lines.len());
        (Just(lines), change, prop_oneof![2 => Just(vec![]), 1 => more()])
    })
}

/// The whole file as one piece, so that there is only one place for it.
fn diff(lines: &[String], change: &Change, behind: &[String]) -> (String, String) {
    let (mut diff, mut after) = ("@@\n".to_owned(), String::new());
    for (line, (before, stays)) in lines.iter().zip(change) {
        for new in before {
            diff.push_str(&format!("+{new}\n"));
            after.push_str(&format!("{new}\n"));
        }
        diff.push_str(&format!("{}{line}\n", if *stays { ' ' } else { '-' }));
        if *stays {
            after.push_str(&format!("{line}\n"));
        }
    }
    for new in behind {
        diff.push_str(&format!("+{new}\n"));
        after.push_str(&format!("{new}\n"));
    }
    (diff, after)
}

proptest! {
    #[test]
    fn a_diff_of_two_texts_gives_the_second((lines, change, behind) in text_and_change()) {
        let before: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let (diff, after) = diff(&lines, &change, &behind);
        match update(&before, &diff) {
            Ok(updated) => {
                prop_assert_eq!(&updated.text, &after);
                // An empty file has no line breaks to keep.
                prop_assume!(!before.is_empty());
                let windows = before.replace('\n', "\r\n");
                let text = update(&windows, &diff).unwrap().text;
                prop_assert_eq!(text, after.replace('\n', "\r\n"));
            }
            Err(e) => {
                prop_assert!(before == after, "{}", e);
                prop_assert!(e.to_string().contains("changes nothing"), "{}", e);
            }
        }
    }

    /// One line changes in a file whose lines are all different, behind three lines of context.
    #[test]
    fn pieces_with_context_find_their_places(count in 1usize..60, at in prop::collection::btree_set(0usize..60, 1..6)) {
        let lines: Vec<String> = (0..count).map(|n| format!("line {n} of {count}")).collect();
        let (mut diff, mut after) = (String::new(), lines.clone());
        let at: std::collections::BTreeSet<usize> = at.into_iter().map(|at| at % count).collect();
        let mut done = 0;
        for at in at {
            diff.push_str("@@\n");
            for line in &lines[at.saturating_sub(3).max(done)..at] {
                diff.push_str(&format!(" {line}\n"));
            }
            diff.push_str(&format!("-{}\n+changed {at}\n", lines[at]));
            after[at] = format!("changed {at}");
            done = at + 1;
        }
        prop_assert_eq!(update(&lines.join("\n"), &diff).unwrap().text, after.join("\n"));
    }

    #[test]
    fn nothing_panics(text in "(?s)[a-c \\t\\r\\n+@*-]{0,80}", diff in "(?s)[a-c \\r\\n+@*\\\\-]{0,80}") {
        let _ = update(&text, &diff);
        let _ = ozone_patch::create(&diff);
    }
}
