//! A text and a diff, parted by a zero byte.

pub fn patch(data: &[u8]) {
    let data = String::from_utf8_lossy(data);
    let (text, diff) = data.split_once('\0').unwrap_or(("", &data));
    if let Ok(updated) = ozone_patch::update(text, diff) {
        assert_ne!(updated.text, text, "a diff that changes nothing is refused");
        let all = updated.lines_added + updated.lines_removed;
        assert!(all > 0 && all <= diff.lines().count() + 1);
    }
    if let Ok(text) = ozone_patch::create(diff) {
        // A line break may become that of Windows.
        assert!(text.len() <= 2 * diff.len() + 2);
    }
}
