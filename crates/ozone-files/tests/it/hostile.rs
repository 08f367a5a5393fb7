//! Files that were made to do harm, and files that were harmed: each is refused with a reason that
//! can be read, within its limits.

use std::time::Duration;

use lopdf::{EncryptionState, EncryptionVersion, Permissions};
use ozone_files::{Limits, Unreadable};

use crate::{make, read, read_within, refused};

#[tokio::test]
async fn bombs_are_refused() {
    let zeros = vec![0u8; 300 << 20];
    let zip = make::zip(&[("zeros.txt", &zeros)]);
    assert!(zip.len() < 2 << 20);
    let gzip = make::gzip(&zeros);
    let tar_gz = make::gzip(&make::tar(&[("zeros.txt", &zeros)]));
    let xlsx = make::zip(&[("xl/workbook.xml", b"<workbook/>"), ("xl/sharedStrings.xml", &zeros)]);
    let docx = make::zip(&[("word/document.xml", &zeros)]);
    for (name, bytes) in
        [("a.zip", zip), ("a.gz", gzip), ("a.tar.gz", tar_gz), ("a.xlsx", xlsx), ("a.docx", docx)]
    {
        let why = refused(name, bytes).await;
        assert!(why.contains("times its size"), "{name}: {why}");
    }
}

#[tokio::test]
async fn a_billion_laughs_are_not_expanded() {
    let xml = r#"<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>
        <w:document xmlns:w="w"><w:p><w:r><w:t>funny &b;</w:t></w:r></w:p></w:document>"#;
    let document =
        read("laughs.docx", make::zip(&[("word/document.xml", xml.as_bytes())])).await.unwrap();
    assert_eq!(document.parts[0].text.trim(), "funny");
}

#[tokio::test]
async fn deep_documents_do_not_end_the_process() {
    // Each element differs, so that it is no bomb.
    let opened: String =
        (0..50_000u32).map(|n| format!("<w:p a=\"{}\">", n.wrapping_mul(2_654_435_761))).collect();
    let deep = format!("{opened}x{}", "</w:p>".repeat(50_000));
    let why = refused("deep.docx", make::docx(&deep)).await;
    assert!(why.contains("too deep"), "{why}");
    let why = refused("deep.rtf", format!("{{\\rtf1{}", "{".repeat(1_000_000))).await;
    assert!(why.contains("too deep"), "{why}");
    // Arrays within arrays where a page should be.
    let deep =
        format!("%PDF-1.4\n1 0 obj\n{}\nendobj\ntrailer<</Root 1 0 R>>", "[".repeat(500_000));
    let why = refused("deep.pdf", deep).await;
    assert!(why.contains("broken"), "{why}");
}

#[tokio::test]
async fn a_sheet_with_a_cell_at_the_far_end_takes_no_memory() {
    let rows = r#"<row r="1"><c r="A1"><v>1</v></c></row>
        <row r="1048576"><c r="XFD1048576"><v>2</v></c></row>"#;
    let document = read("far.xlsx", make::xlsx(rows)).await.unwrap();
    assert!(document.parts[0].text.starts_with("Sheet: Sales\n1\n"));
    let sparse: String =
        (1..=1_000).map(|r| format!(r#"<row r="{r}"><c r="XFD{r}"><v>1</v></c></row>"#)).collect();
    let why = refused("sparse.xlsx", make::xlsx(&sparse)).await;
    assert!(why.contains("more cells than are read"), "{why}");
}

#[tokio::test]
async fn an_encrypted_pdf_says_so() {
    let line = [(72, 700, "Secret")];
    let mut pdf = make::pdf_document(&[&line]);
    let version = EncryptionVersion::V2 {
        document: &pdf,
        owner_password: "owner",
        user_password: "user",
        key_length: 128,
        permissions: Permissions::all(),
    };
    let state = EncryptionState::try_from(version).unwrap();
    pdf.encrypt(&state).unwrap();
    let mut bytes = vec![];
    pdf.save_to(&mut bytes).unwrap();
    let why = refused("secret.pdf", bytes).await;
    assert!(why.contains("encrypted with a password"), "{why}");
}

#[tokio::test]
async fn what_was_cut_or_is_garbage_is_refused_or_read_in_part() {
    let line = [(72, 700, "A sound page")];
    let pdf = make::pdf(&[&line, &line, &line]);
    let docx = make::docx("<w:p><w:r><w:t>Sound</w:t></w:r></w:p>");
    let xlsx = make::xlsx(r#"<row r="1"><c r="A1"><v>1</v></c></row>"#);
    let mut seed = 7u32;
    for (name, whole) in [("a.pdf", pdf), ("a.docx", docx), ("a.xlsx", xlsx)] {
        for step in 1..8 {
            let mut bytes = whole.clone();
            bytes.truncate(whole.len() * step / 8);
            check(name, bytes).await;
            let mut bytes = whole.clone();
            for _ in 0..20 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = (seed >> 8) as usize % bytes.len();
                bytes[at] ^= (seed >> 3) as u8;
            }
            check(name, bytes).await;
        }
    }
    let why = refused("empty.pdf", "").await;
    assert_eq!(why, "The file is empty.");
}

/// Read or refused in words: anything but an accident.
async fn check(name: &str, bytes: Vec<u8>) {
    if let Err(why) = read(name, bytes).await {
        let why = why.to_string();
        assert!(why.len() > 10 && !why.contains("ended its reader"), "{name}: {why}");
    }
}

#[tokio::test]
async fn time_and_memory_have_limits() {
    let line = [(72, 700, "A page")];
    let pages: Vec<&[make::Line<'_>]> = vec![&line; 2_000];
    let pdf = make::pdf(&pages);
    let limits = Limits { time_max: Duration::from_millis(1), ..Limits::default() };
    let why = read_within(limits, "slow.pdf", pdf.clone()).await.unwrap_err();
    assert!(why.to_string().contains("took longer than"), "{why}");
    let limits = Limits { pages_max: 100, ..Limits::default() };
    let why = read_within(limits, "long.pdf", pdf.clone()).await.unwrap_err();
    assert_eq!(
        why,
        Unreadable::Invalid("The PDF has 2000 pages, and at most 100 are read; split it.".into())
    );
    let limits = Limits { text_bytes_max: 1_000, ..Limits::default() };
    let why = read_within(limits, "long.pdf", pdf).await.unwrap_err();
    assert!(why.to_string().contains("more than 250 tokens"), "{why}");
}

/// A member of so many bytes that they do not fit into the memory that is allowed.
#[tokio::test]
async fn a_reader_out_of_memory_says_so() {
    let noise: Vec<u8> =
        (0u32..96 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let limits = Limits { memory_bytes_max: 160 << 20, ..Limits::default() };
    let why =
        read_within(limits, "noise.zip", make::zip(&[("noise.txt", &noise)])).await.unwrap_err();
    assert!(why.to_string().contains("MiB of memory"), "{why}");
}
