//! Documents as people have them.

use std::sync::Arc;

use ozone_files::{Kind, Limits, Said, Unit};

use crate::{make, read, reader, refused, told};

#[tokio::test]
async fn a_pdf_is_read_page_by_page() {
    let first = [
        (72, 770, "Annual report"),
        (72, 700, "The caf\u{e9} sold 1,234 cups \u{2013} more than"),
        (72, 686, "in any year before."),
    ];
    let second = [(72, 770, "Left column"), (72, 756, "goes on"), (320, 770, "Right column")];
    let document = read("report.pdf", make::pdf(&[&first, &second])).await.unwrap();
    assert_eq!(document.kind, Kind::Pdf);
    assert_eq!(
        told(&document),
        [
            "page 1: Annual report\n\nThe caf\u{e9} sold 1,234 cups \u{2013} more than\nin any year before.",
            "page 2: Left column\ngoes on\nRight column",
        ]
    );
    assert_eq!(document.parts[1].page(), Some(2));
}

#[tokio::test]
async fn cells_on_one_line_stay_apart() {
    let row = [(72, 700, "Total"), (300, 700, "42.50"), (400, 700, "EUR")];
    let document = read("table.pdf", make::pdf(&[&row])).await.unwrap();
    assert_eq!(told(&document), ["page 1: Total  42.50  EUR"]);
}

#[tokio::test]
async fn a_page_arrives_before_the_last_one_is_read() {
    let line = [(72, 700, "A page")];
    let pages: Vec<&[make::Line<'_>]> = vec![&line; 40];
    let bytes: Arc<[u8]> = make::pdf(&pages).into();
    let mut reading = reader(Limits::default()).begin("long.pdf", bytes).await.unwrap();
    let begins = Said::Begins { kind: Kind::Pdf, parts: Some(40) };
    assert_eq!(reading.next().await.unwrap(), Some(begins));
    let mut parts = 0;
    while let Some(said) = reading.next().await.unwrap() {
        parts += usize::from(matches!(said, Said::Part(_)));
    }
    assert_eq!(parts, 40);
    assert_eq!(reading.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_scan_without_text_says_what_it_is() {
    let why = refused("scan.pdf", make::pdf(&[&[], &[]])).await;
    assert!(why.contains("its 2 pages are pictures"), "{why}");
}

#[tokio::test]
async fn pages_without_text_are_told_of() {
    let line = [(72, 700, "Text")];
    let document = read("half.pdf", make::pdf(&[&line, &[], &[]])).await.unwrap();
    assert_eq!(document.notes, ["pages 2, 3 without text; what is on them may be pictures."]);
}

#[tokio::test]
async fn a_word_document_is_read_with_its_tables_and_notes() {
    let body = r#"
        <w:p><w:pPr><w:pStyle w:val="Heading1"/><w:tabs><w:tab w:val="left"/></w:tabs></w:pPr>
            <w:r><w:t>Terms</w:t></w:r></w:p>
        <w:p><w:r><w:t>Smith &amp; Sons</w:t></w:r><w:r><w:tab/><w:t xml:space="preserve">pay </w:t></w:r>
            <w:del><w:r><w:delText>never</w:delText></w:r></w:del><w:r><w:t>monthly.</w:t></w:r></w:p>
        <w:tbl><w:tr><w:tc><w:p><w:r><w:t>Fee</w:t></w:r></w:p></w:tc>
            <w:tc><w:p><w:r><w:t>12</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"#;
    let document = read("terms.docx", make::docx(body)).await.unwrap();
    assert_eq!(document.kind, Kind::Docx);
    assert_eq!(document.parts[0].unit, Unit::Text);
    let lines: Vec<&str> = document.parts[0].text.lines().filter(|l| !l.is_empty()).collect();
    assert_eq!(lines, ["# Terms", "Smith & Sons\tpay monthly.", "Fee\t12"]);
}

#[tokio::test]
async fn slides_come_in_their_order_with_notes() {
    let slide = |text: &str| {
        format!(r#"<p:sld xmlns:p="p" xmlns:a="a"><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:sld>"#)
    };
    let presentation = br#"<p:presentation xmlns:p="p" xmlns:r="r"><p:sldIdLst>
        <p:sldId id="256" r:id="rId9"/><p:sldId id="257" r:id="rId2"/></p:sldIdLst></p:presentation>"#;
    let links = br#"<Relationships>
        <Relationship Id="rId2" Type="t/slide" Target="slides/slide1.xml"/>
        <Relationship Id="rId9" Type="t/slide" Target="/ppt/slides/slide2.xml"/></Relationships>"#;
    let own = br#"<Relationships>
        <Relationship Id="rId1" Type="t/notesSlide" Target="../notesSlides/notesSlide1.xml"/>
        </Relationships>"#;
    let bytes = make::zip(&[
        ("ppt/presentation.xml", presentation),
        ("ppt/_rels/presentation.xml.rels", links),
        ("ppt/slides/slide1.xml", slide("Second").as_bytes()),
        ("ppt/slides/slide2.xml", slide("First").as_bytes()),
        ("ppt/slides/_rels/slide2.xml.rels", own),
        ("ppt/notesSlides/notesSlide1.xml", slide("Smile.").as_bytes()),
    ]);
    let document = read("talk.pptx", bytes).await.unwrap();
    assert_eq!(told(&document), ["slide 1: First\n\nNotes:\nSmile.", "slide 2: Second"]);
    assert_eq!(document.parts[1].page(), Some(2));
}

#[tokio::test]
async fn a_workbook_is_read_sheet_by_sheet() {
    let rows = r#"<row r="1"><c r="A1" t="inlineStr"><is><t>Month</t></is></c>
        <c r="B1" t="inlineStr"><is><t>Cups</t></is></c></row>
        <row r="4"><c r="A4" t="inlineStr"><is><t>May</t></is></c><c r="C4"><v>17.5</v></c></row>"#;
    let document = read("sales.xlsx", make::xlsx(rows)).await.unwrap();
    assert_eq!(told(&document), ["sheet Sales: Sheet: Sales\nMonth\tCups\nMay\t\t17.5"]);
}

#[tokio::test]
async fn open_documents_are_read() {
    let content = br#"<office:document-content xmlns:office="o" xmlns:text="t" xmlns:table="b">
        <office:body><office:text><text:h text:outline-level="2">Minutes</text:h>
        <text:p>Two<text:s text:c="2"/>words &#x2014; here</text:p></office:text></office:body>
        </office:document-content>"#;
    let bytes = make::zip(&[
        ("mimetype", b"application/vnd.oasis.opendocument.text"),
        ("content.xml", content),
    ]);
    let document = read("minutes.odt", bytes).await.unwrap();
    assert_eq!(told(&document), [": ## Minutes\nTwo  words \u{2014} here"]);
}

#[tokio::test]
async fn a_book_is_read_by_its_spine() {
    let bytes = make::zip(&[
        ("mimetype", b"application/epub+zip"),
        (
            "META-INF/container.xml",
            br#"<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>"#,
        ),
        (
            "OEBPS/book.opf",
            br#"<package><manifest><item id="b" href="two.xhtml"/><item id="a" href="one.xhtml"/>
                </manifest><spine><itemref idref="a"/><itemref idref="b"/></spine></package>"#,
        ),
        ("OEBPS/one.xhtml", b"<html><body><p>Call me Ishmael.</p></body></html>"),
        ("OEBPS/two.xhtml", b"<html><body><p>The Carpet-Bag.</p></body></html>"),
    ]);
    let document = read("book.epub", bytes).await.unwrap();
    assert_eq!(told(&document), ["chapter 1: Call me Ishmael.", "chapter 2: The Carpet-Bag."]);
}

#[tokio::test]
async fn rich_text_loses_its_codes() {
    let rtf = br"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Helvetica;}}{\*\generator Word;}
\f0\fs24 Caf\'e9 \b costs\b0  3\u8364? a cup.\par {\i Next} line \{ok\}}";
    let document = read("note.rtf", rtf).await.unwrap();
    let text = &document.parts[0].text;
    assert_eq!(text, "Caf\u{e9} costs 3\u{20ac} a cup.\nNext line {ok}");
}

#[tokio::test]
async fn text_is_read_in_its_encoding() {
    let utf16: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain("na\u{ef}ve".encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    for bytes in [utf16, b"na\xefve".to_vec(), "na\u{ef}ve".as_bytes().to_vec()] {
        let document = read("word.txt", bytes).await.unwrap();
        assert_eq!(document.parts[0].text, "na\u{ef}ve");
    }
}

#[tokio::test]
async fn a_text_about_pdfs_is_none() {
    let document = read("notes.md", "A PDF begins with %PDF-1.7.").await.unwrap();
    assert_eq!(document.kind, Kind::Text);
}

#[cfg(feature = "pages")]
#[tokio::test]
async fn a_page_is_drawn() {
    let line = [(72, 700, "Hello")];
    let bytes: Arc<[u8]> = make::pdf(&[&line, &line]).into();
    let reader = reader(Limits::default());
    let (png, pages) = reader.picture(bytes.clone(), 2, 842).await.unwrap().unwrap();
    assert_eq!((&png[1..4], pages), (&b"PNG"[..], 2));
    // The longer side of the header's width and height.
    assert_eq!(u32::from_be_bytes(png[20..24].try_into().unwrap()), 842);
    let why = reader.picture(bytes, 3, 842).await.unwrap().unwrap_err().to_string();
    assert!(why.contains("pages 1 to 2"), "{why}");
}
