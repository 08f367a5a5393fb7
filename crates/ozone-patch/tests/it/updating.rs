//! Files that are changed.

use ozone_patch::update;

use crate::{changed, refused};

const CODE: &str = "class A:\n    def f(self):\n        return 1\n\nclass B:\n    def f(self):\n        return 1\n";

#[test]
fn lines_go_and_come_between_context() {
    assert_eq!(changed("a\nb\nc\n", "@@\n a\n-b\n+B\n+B2\n c\n"), "a\nB\nB2\nc\n");
    assert_eq!(changed("a\nb\nc\n", "@@\n-a\n-b\n c"), "c\n");
    assert_eq!(
        changed("a\nb\nc\n", " a\n+x\n b\n"),
        "a\nx\nb\nc\n",
        "the first `@@` may be missing"
    );
    assert_eq!(changed("a\n", "@@\n-a"), "");
    assert_eq!(changed("a\n\nb\n", "@@\n a\n\n-b\n+c"), "a\n\nc\n", "an empty line is context");
}

#[test]
fn pieces_stand_in_order() {
    let text = "a\nb\nc\nd\ne\nf\n";
    assert_eq!(changed(text, "@@\n-a\n+A\n b\n@@\n d\n-e\n+E\n"), "A\nb\nc\nd\nE\nf\n");
    assert_eq!(changed(text, "@@\n-a\n+A\n\n@@\n-e\n+E\n"), "A\nb\nc\nd\nE\nf\n");
    assert_eq!(changed("x\nx\nx\n", "@@\n-x\n+1\n@@\n-x\n+2\n"), "1\n2\nx\n");
}

#[test]
fn anchors_tell_places_apart() {
    let diff = "@@ class B:\n         return 1\n-        return 1\n";
    assert!(refused(CODE, diff).contains("piece 1"));
    let second = "@@ class B:\n     def f(self):\n-        return 1\n+        return 2\n";
    let want = "class A:\n    def f(self):\n        return 1\n\nclass B:\n    def f(self):\n        return 2\n";
    assert_eq!(changed(CODE, second), want);
    let stacked = "@@ class B:\n@@     def f(self):\n-        return 1\n+        return 2\n";
    assert_eq!(changed(CODE, stacked), want);
    let short = "@@ class B\n@@ def f\n-        return 1\n+        return 2\n";
    assert_eq!(changed(CODE, short), want, "the beginning of a line names it");
    let insert = "@@ class B:\n+    x = 0\n";
    assert!(changed(CODE, insert).contains("class B:\n    x = 0\n    def f"));
}

/// Models write the heads of unified diffs, with numbers that they make up.
#[test]
fn numbers_of_unified_diffs_are_passed_over() {
    let diff = "--- a/x.txt\n+++ b/x.txt\n@@ -71,3 +71,3 @@\n a\n-b\n+B\n";
    assert_eq!(changed("a\nb\n", diff), "a\nB\n");
    let diff =
        "@@ -1,2 +1,2 @@ class B:\n     def f(self):\n-        return 1\n+        return 2\n";
    assert!(changed(CODE, diff).ends_with("return 2\n"));
    let framed = "*** Begin Patch\n*** Update File: x\n@@\n-a\n+b\n*** End Patch";
    assert_eq!(changed("a\n", framed), "b\n");
}

#[test]
fn lines_alone_are_added_at_the_end() {
    assert_eq!(changed("", "@@\n+hello\n+world\n"), "hello\nworld\n");
    assert_eq!(changed("a\n", "@@\n+b\n"), "a\nb\n");
    assert_eq!(changed("a", "@@\n+b\n"), "a\nb");
}

#[test]
fn what_stands_at_the_end_is_looked_for_there() {
    assert_eq!(changed("x\ny\nx\n", "@@\n-x\n+z\n*** End of File\n"), "x\ny\nz\n");
    assert_eq!(changed("a\nb\n", "@@\n b\n+c\n*** End of File\n"), "a\nb\nc\n");
    let both = "@@\n-x\n+1\n*** End of File\n";
    assert_eq!(changed("x\ny\n", both), "1\ny\n", "elsewhere, where the end is another");
}

#[test]
fn a_missing_line_break_at_the_end_stays_missing() {
    assert_eq!(changed("a\nb", "@@\n a\n-b\n+c\n"), "a\nc");
    assert_eq!(changed("a\nb", "@@\n b\n+c\n"), "a\nb\nc");
    assert_eq!(changed("a\nb", "@@\n a\n-b\n"), "a");
    assert_eq!(changed("a\nb", "@@\n-b\n\\ No newline at end of file\n+b\n"), "a\nb\n");
    assert_eq!(changed("a\nb\n", "@@\n-b\n+c\n\\ No newline at end of file\n"), "a\nc");
}

#[test]
fn line_breaks_of_windows_stay() {
    assert_eq!(changed("a\r\nb\r\n", "@@\n a\n-b\n+c\n+d\n"), "a\r\nc\r\nd\r\n");
    assert_eq!(changed("a\nb\n", "@@\r\n a\r\n-b\r\n+c\r\n"), "a\nc\n");
    assert_eq!(changed("a\r\nb\nc\r\n", "@@\n b\n+x\n"), "a\r\nb\nx\nc\r\n", "as its neighbour");
    assert_eq!(changed("\u{feff}a\n", "@@\n-a\n+b\n"), "\u{feff}b\n");
}

/// What is kept is the file's own text, also where the diff spells it otherwise.
#[test]
fn places_are_found_in_spite_of_white_space_and_punctuation() {
    let told = |text: &str, diff: &str| {
        let updated = update(text, diff).unwrap_or_else(|e| panic!("{e}"));
        (updated.text, updated.notes.join("; "))
    };
    let (text, notes) = told("a  \nb\n", "@@\n a\n-b\n+c\n");
    assert_eq!(text, "a  \nc\n");
    assert_eq!(notes, "piece 1 was taken for the lines from 1 on, which differ in white space");
    assert_eq!(told("\ta\nb\n", "@@\n a\n-b\n+c\n").0, "\ta\nc\n");
    let (text, notes) = told("x – “y”\nb\n", "@@\n x - \"y\"\n-b\n+c\n");
    assert_eq!(text, "x – “y”\nc\n");
    assert!(notes.contains("punctuation"), "{notes}");
    assert_eq!(told("a\u{a0}b\n", "@@\n-a b\n+c\n").0, "c\n");
    assert_eq!(told(" a\na\n", "@@\n-a\n+b\n").0, " a\nb\n", "the closest likeness wins");
}

#[test]
fn a_place_that_is_not_the_only_one_is_noted() {
    let updated = update("a\nb\na\n", "@@\n-a\n+c\n").unwrap();
    assert_eq!(updated.text, "c\nb\na\n");
    assert!(updated.notes[0].contains("also fits at line 3"), "{:?}", updated.notes);
    assert_eq!((updated.lines_added, updated.lines_removed), (1, 1));
    let anchored = update("h\na\nb\na\n", "@@ h\n-a\n+c\n").unwrap();
    assert!(anchored.notes.is_empty());
}
