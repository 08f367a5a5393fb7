//! What a model reads of a diff that cannot be applied.

use crate::refused;

const CODE: &str = "import os\n\ndef area(r):\n    pi = 3.14\n    return pi * r * r\n\ndef main():\n    print(area(2))\n";

#[test]
fn the_line_that_differs_is_told_with_what_is_near() {
    let diff = "@@\n def area(r):\n-    pi = 3.1415\n+    pi = 3.14159\n     return pi * r * r\n";
    insta::assert_snapshot!(refused(CODE, diff), @r"
    piece 1 was not found: its line `    pi = 3.1415` differs from line 4; near it the file has
    L2: 
    L3: def area(r):
    L4:     pi = 3.14
    L5:     return pi * r * r
    L6: 
    L7: def main():
    ");
    let diff = "@@\n-    print(area(3))\n+    print(area(4))\n";
    insta::assert_snapshot!(refused(CODE, diff), @r"
    piece 1 was not found: its line `    print(area(3))` is not in the file; the nearest one is
    L6: 
    L7: def main():
    L8:     print(area(2))
    ");
    let diff = "@@\n-zzz qqq\n+x\n";
    insta::assert_snapshot!(refused(CODE, diff), @"piece 1 was not found: its line `zzz qqq` is not in the file; no line of it is near; read the file again");
}

#[test]
fn what_is_done_already_or_out_of_order_is_told_so() {
    insta::assert_snapshot!(refused("a\nc\n", "@@\n a\n-b\n+c\n"), @"piece 1 is applied already: its new lines stand at line 1 of the file");
    insta::assert_snapshot!(refused("a\nb\n", "@@\n-b\n+B\n@@\n-a\n+A\n"), @"piece 2 stands at line 1, above what the diff speaks of before it: give pieces in the order of the file, and as an anchor a line above the place");
    insta::assert_snapshot!(refused("", "@@\n-a\n+b\n"), @"piece 1 was not found: the file is empty; add lines with `@@` and `+` alone");
    insta::assert_snapshot!(refused("a\n", "@@\n-a\n+a\n"), @"the diff changes nothing: the file stays as it is");
}

#[test]
fn an_anchor_that_is_missing_counts_where_it_is_needed() {
    let diff = "@@ def nothing():\n+    pass\n";
    insta::assert_snapshot!(refused(CODE, diff), @r"
    the line `def nothing():` that piece 1 names is not in the file; the nearest one is
    L5:     return pi * r * r
    L6: 
    L7: def main():
    L8:     print(area(2))
    ");
    insta::assert_snapshot!(refused("a\nb\na\n", "@@ x\n-a\n+c\n"), @"piece 1 fits at line 1 and at line 3, and its `@@ x` is not in the file: copy a line above the place");
}

#[test]
fn a_diff_that_is_none_is_told_what_one_is() {
    let told: Vec<String> = [
        "",
        "@@\n a\n",
        "@@\n-a\nb\n",
        "@@\n-a\n+b\n*** Update File: c\n",
        "*** End of File\n",
        "@@\n-a\n+b\n*** End of File\n-c\n",
    ]
    .map(|diff| refused("a\n", diff))
    .into();
    insta::assert_snapshot!(told.join("\n"), @r"
    the diff changes nothing: no line of it begins with `+` or `-`; write pieces such as
    @@
     context
    -old
    +new
     context
    the diff changes nothing: no line of it begins with `+` or `-`; write pieces such as
    @@
     context
    -old
    +new
     context
    line 3 of the diff, `b`, begins with none of `@@`, `+`, `-` and a space: a line of context stands behind a space
    line 4 of the diff, `*** Update File: c`, is no part of a file's diff: a call changes one file, and a line of context stands behind a space
    line 1 of the diff, `*** End of File`, ends no piece: it stands behind the file's last lines
    line 5 of the diff, `-c`, begins a piece without a line `@@` before it
    ");
    let long = "+".repeat(ozone_patch::DIFF_BYTES_MAX + 1);
    assert!(refused("a\n", &long).contains("make it in several"));
}
