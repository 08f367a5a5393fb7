//! Archives: listed, and read member by member.

use crate::{make, read, refused, told};

#[tokio::test]
async fn an_archive_is_listed_and_its_documents_are_read() {
    let line = [(72, 700, "Inside")];
    let pdf = make::pdf(&[&line]);
    let picture = b"\x89PNG\r\n\x1a\n";
    let members: &[(&str, &[u8])] =
        &[("a/notes.txt", b"hello"), ("b.pdf", &pdf), ("photo.png", picture), ("empty", b"")];
    let size = pdf.len();
    for (name, bytes) in [
        ("all.zip", make::zip(members)),
        ("all.tar", make::tar(members)),
        ("all.tar.gz", make::gzip(&make::tar(members))),
        ("all.tgz", make::gzip(&make::tar(members))),
    ] {
        let document = read(name, bytes).await.unwrap();
        let listed = format!(
            "contents: The archive holds 4 files:\n- a/notes.txt (5 bytes)\n- b.pdf ({size} bytes)\n\
             - photo.png (8 bytes)\n- empty (0 bytes)"
        );
        assert_eq!(
            told(&document),
            [listed.as_str(), "a/notes.txt: hello", "b.pdf, page 1: Inside"],
            "{name}"
        );
        let note = "`photo.png` is not read: The file is a picture, which is not read as text.";
        assert_eq!(document.notes, [note], "{name}");
    }
}

#[tokio::test]
async fn one_packed_text_is_read_as_itself() {
    let document = read("log.txt.gz", make::gzip(b"one line")).await.unwrap();
    assert_eq!(told(&document), [": one line"]);
}

#[tokio::test]
async fn archives_within_archives_are_not_opened() {
    let inner = make::zip(&[("deep.txt", b"deep")]);
    let document = read("outer.zip", make::zip(&[("inner.zip", &inner)])).await.unwrap();
    assert_eq!(document.parts.len(), 1);
    assert!(document.notes[0].contains("not opened"), "{:?}", document.notes);
    let why = refused("twice.gz.gz", make::gzip(&make::gzip(b"deep"))).await;
    assert!(why.contains("an archive within an archive"), "{why}");
}

#[tokio::test]
async fn one_broken_member_does_not_take_the_others_along() {
    let mut bytes = make::zip(&[("bad.docx", b"PK\x03\x04 no"), ("good.txt", b"fine")]);
    let document = read("mixed.zip", bytes.clone()).await.unwrap();
    assert_eq!(told(&document)[1], "good.txt: fine");
    assert!(document.notes[0].starts_with("`bad.docx` is not read"), "{:?}", document.notes);
    bytes.truncate(bytes.len() / 2);
    let why = refused("half.zip", bytes).await;
    assert!(why.contains("broken"), "{why}");
}
