//! The bytes of a user's file to its text.

use ozone_files::{Limits, Said};

/// The first byte says what kind of file its name makes it.
pub fn text(data: &[u8]) {
    const NAMES: [&str; 11] = [
        "a.txt", "a.md", "a.html", "a.json", "a.csv", "a.pdf", "a.docx", "a.xlsx", "a.zip",
        "a.rtf", "a.tar.gz",
    ];
    let Some((&kind, bytes)) = data.split_first() else { return };
    let limits =
        Limits { text_bytes_max: 1 << 20, unpacked_bytes_max: 8 << 20, ..Limits::default() };
    let (mut said, mut text_bytes) = (vec![], 0);
    ozone_files::read(NAMES[usize::from(kind) % NAMES.len()], bytes, &limits, &mut |one| {
        if let Said::Part(part) = &one {
            text_bytes += part.text.len();
        }
        said.push(matches!(one, Said::Ended | Said::Refused { .. }));
    });
    let ends = said.iter().filter(|is_end| **is_end).count();
    assert!(ends == 1 && said.last() == Some(&true), "it ends once, at the end");
    // A line break may be added to each part.
    assert!(text_bytes <= limits.text_bytes_max + said.len());
}
