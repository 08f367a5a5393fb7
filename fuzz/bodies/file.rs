//! The bytes of a user's file to passages of text.

use ozone_store::passages::{Chunking, text_of};

/// The first byte says what kind of file its name makes it.
pub fn text(data: &[u8]) {
    const NAMES: [&str; 5] = ["a.txt", "a.md", "a.html", "a.json", "a.csv"];
    let Some((&kind, bytes)) = data.split_first() else { return };
    let Ok(text) = text_of(NAMES[usize::from(kind) % NAMES.len()], bytes) else { return };
    let chunking = Chunking::new(100, 50).expect("a sound size");
    for (passage, overlap) in chunking.cut(&text) {
        assert!(overlap <= passage.len() && passage.is_char_boundary(overlap));
    }
}
