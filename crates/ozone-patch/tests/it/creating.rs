//! New files.

use ozone_patch::create;

#[test]
fn each_line_stands_behind_a_plus() {
    assert_eq!(create("+a\n+ b\n++c").unwrap(), "a\n b\n+c\n");
    assert_eq!(create("+a\n+b\n").unwrap(), "a\nb\n");
    assert_eq!(create("").unwrap(), "");
    assert_eq!(create("+").unwrap(), "");
    assert_eq!(create("+a\n\n+b").unwrap(), "a\n\nb\n");
}

/// As the reference writes a line break at the end.
#[test]
fn an_empty_line_at_the_end_is_the_last_line_break() {
    assert_eq!(create("+a\n+b\n+").unwrap(), "a\nb\n");
    assert_eq!(create("+a\n+\n+").unwrap(), "a\n\n");
    assert_eq!(create("+a\n\\ No newline at end of file").unwrap(), "a");
}

#[test]
fn windows_line_breaks_stay() {
    assert_eq!(create("+a\r\n+b\r\n").unwrap(), "a\r\nb\r\n");
}

#[test]
fn the_frame_of_a_whole_patch_is_passed_over() {
    let diff = "*** Begin Patch\n*** Add File: a.txt\n+a\n*** End Patch\n";
    assert_eq!(create(diff).unwrap(), "a\n");
    assert_eq!(create("```\n+a\n```").unwrap(), "a\n");
}

#[test]
fn a_line_without_a_plus_is_told() {
    let told = create("+a\nb").unwrap_err().to_string();
    assert_eq!(
        told,
        "line 2 of the diff, `b`, does not begin with `+`: in a new file each line does"
    );
}
