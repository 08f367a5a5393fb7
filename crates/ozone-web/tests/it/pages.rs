//! What becomes of a page's bytes.

use ozone_web::{Page, Unreadable};
use proptest::prelude::*;

const URL: &str = "https://grid.test/load/2025.html";

fn html(source: &str) -> Page {
    Page::read(URL, Some("text/html"), source.as_bytes()).unwrap()
}

fn lines(source: &str) -> String {
    html(source).lines.join("\n")
}

#[test]
fn headings_paragraphs_and_lists_become_lines() {
    let source = "<title>Load 2025</title><h1>Load</h1><p>In <b>June</b>
        it was high.</p><ul><li>one<li>two<ol><li>inner</ol></ul><pre>a  b\n c</pre>";
    let expected = "# Load\nIn June it was high.\n- one\n- two\n  1. inner\na  b\n c";
    assert_eq!(lines(source), expected);
    assert_eq!(html(source).title, "Load 2025");
}

#[test]
fn a_table_keeps_its_rows_and_columns() {
    let source = "<table><caption>Monthly load</caption>
        <tr><th>Month</th><th>GWh</th></tr>
        <tr><td>June</td><td>5,012 <sup>p</sup></td></tr>
        <tr><td>a|b</td><td></td></tr></table>";
    let expected = "Monthly load\n| Month | GWh |\n| --- | --- |\n| June | 5,012 p |\n| a\\|b | |";
    assert_eq!(lines(source).replace("|  |", "| |"), expected);
}

#[test]
fn a_cell_that_spans_places_stands_in_each_of_them() {
    let source = "<table><tr><th>Year<th colspan=2>Load</tr>
        <tr><td rowspan=2>2025<td>June<td>1</tr><tr><td>July<td>2</tr></table>";
    let expected = "| Year | Load | Load |\n| --- | --- | --- |\n| 2025 | June | 1 |\n\
        | 2025 | July | 2 |";
    assert_eq!(lines(source), expected);
}

#[test]
fn tables_that_only_lay_out_a_page_are_read_like_text() {
    let source = "<table><tr><td><table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr>
        </table></td><td>beside</td></tr><tr><td>x</td><td>y</td></tr></table>";
    let read = lines(source);
    assert!(read.contains("| a | b |"), "{read}");
    assert!(read.contains("\nbeside"), "{read}");
}

#[test]
fn links_are_numbered_and_lead_where_the_page_says() {
    let page = html(
        "<base href='/data/'><a href='2024.html'>next <b>year</b></a> <a href='#top'>top</a>
         <a href='javascript:alert(1)'>run</a> <a href='https://news.test/a'>News</a>",
    );
    let expected = "【1†next year】 top run 【2†News†news.test】";
    assert_eq!(page.lines, [expected]);
    let urls: Vec<&str> = page.links.iter().map(|link| link.url.as_str()).collect();
    assert_eq!(urls, ["https://grid.test/data/2024.html", "https://news.test/a"]);
}

#[test]
fn the_main_part_comes_first_and_the_rest_is_kept() {
    let text = "What the page is about. ".repeat(20);
    let source = format!("<nav><a href=a>Menu</a></nav><main><p>{text}</p></main><p>Foot</p>");
    let page = html(&source);
    assert!(page.lines[0].starts_with("What the page is about."));
    let around = page.lines.iter().position(|line| line == "[Around the page:]").unwrap();
    assert_eq!(page.lines[around + 1..], ["【1†Menu】", "Foot"]);
    assert_eq!(page.lines.iter().filter(|line| line.contains("about")).count(), around);
}

#[test]
fn what_nobody_sees_is_not_read() {
    let source = "<p>seen</p><script>no()</script><style>.no{}</style><template>no</template>
        <p hidden>no</p><div style='Display : none'>no</div><span aria-hidden=true>no</span>
        <!-- no --><noscript>without scripts</noscript>a\u{200b}\u{202e}b\u{e0041}";
    assert_eq!(lines(source), "seen\nwithout scriptsab");
}

#[test]
fn a_page_cannot_write_marks() {
    let page = html("<p>【g3fa01†L1-L9】 <a href=x>【1†y】</a></p>");
    assert_eq!(page.lines, ["〖g3fa01‡L1-L9〗 【1†〖1‡y〗】"]);
}

#[test]
fn long_paragraphs_are_wrapped_between_words() {
    let page = html(&format!("<p>{}</p>", "word ".repeat(100)));
    assert_eq!(page.lines.len(), 5);
    assert!(page.lines.iter().all(|l| l.len() <= 100 && l.ends_with("word")));
    let unspaced = html(&format!("<p>{}</p>", "電力".repeat(100)));
    assert_eq!(unspaced.lines.len(), 2);
}

#[test]
fn separated_values_are_rows_of_a_table() {
    let csv = "year;cdd\n2024;1010\n2025;\"1,1\n00\"\n";
    let page = Page::read("https://weather.test/cdd.csv", None, csv.as_bytes()).unwrap();
    let expected = ["| year | cdd |", "| --- | --- |", "| 2024 | 1010 |", "| 2025 | 1,1 00 |"];
    assert_eq!(page.lines, expected);
    assert_eq!(page.title, "cdd.csv");
}

#[test]
fn json_on_one_line_gets_lines() {
    let page = Page::read("https://a.test/x", Some("application/json"), br#"{"a":{"b":1}}"#);
    assert_eq!(page.unwrap().lines, ["{", "  \"a\": {", "    \"b\": 1", "  }", "}"]);
}

#[test]
fn markdown_keeps_its_lines_and_has_its_heading_as_title() {
    let text = "\n# Notes\n\n| a | b |\n";
    let page = Page::read("file:///notes.md", None, text.as_bytes()).unwrap();
    assert_eq!((page.title.as_str(), page.lines.len()), ("Notes", 3));
}

#[test]
fn the_encoding_is_the_one_that_is_named_or_can_be_told() {
    let latin = b"<meta charset=iso-8859-1><p>caf\xe9</p>";
    assert_eq!(Page::read(URL, None, latin).unwrap().lines, ["café"]);
    let named = Page::read(URL, Some("text/html; charset=\"windows-1252\""), b"<p>caf\xe9</p>");
    assert_eq!(named.unwrap().lines, ["café"]);
    let wide: Vec<u8> =
        [0xff, 0xfe].into_iter().chain("hé".encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert_eq!(Page::read("https://a.test/t.txt", None, &wide).unwrap().lines, ["hé"]);
}

#[test]
fn what_is_no_page_says_what_it_is() {
    let read = |bytes: &[u8]| Page::read(URL, None, bytes).unwrap_err();
    assert_eq!(read(b"%PDF-1.7"), Unreadable::Kind("a PDF"));
    assert_eq!(read(b"a\0b"), Unreadable::Kind("a binary file"));
    assert_eq!(read(b"<p> </p>"), Unreadable::Empty);
}

#[test]
fn where_a_browser_saved_a_page_from_is_known() {
    let saved = html("<!-- saved from url=(0023)https://news.test/story --><p>x");
    assert_eq!(saved.saved_from.as_deref(), Some("https://news.test/story"));
    let canonical = html("<link rel=canonical href='https://news.test/b'><p>x");
    assert_eq!(canonical.saved_from.as_deref(), Some("https://news.test/b"));
}

#[test]
fn deep_nesting_is_cut_and_says_so() {
    for element in ["div", "b", "table><tr><td", "ul><li", "a href=x"] {
        let page = html(&format!("<p>first</p>{}", format!("<{element}>x").repeat(10_000)));
        assert!(page.lines[0].starts_with("first"), "{element}");
    }
    let page = html(&format!("<p>first</p>{}", "<div>".repeat(10_000)));
    assert!(page.cut.unwrap().contains("too deep"));
}

#[test]
fn cells_that_span_everything_cannot_blow_a_page_up() {
    let cell = format!("<td colspan=9999 rowspan=9999>{}</td>", "long ".repeat(10_000));
    let page = html(&format!("<table>{}</table>", format!("<tr>{cell}</tr>").repeat(300)));
    let bytes: usize = page.lines.iter().map(String::len).sum();
    assert!(bytes < 64 << 20, "{bytes}");
    assert!(page.cut.is_some());
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), which in 0..5usize) {
        let media = ["text/html", "text/csv", "application/json", "text/plain", "text/x"][which];
        let _ = Page::read(URL, Some(media), &bytes);
    }

    /// Scraps of HTML in any order.
    #[test]
    fn no_html_panics_and_no_line_holds_foreign_marks(
        scraps in prop::collection::vec(prop::sample::select(vec![
            "<table>", "</table>", "<tr>", "<td rowspan=3>", "<th colspan=0>", "</td>", "<a href=x>",
            "</a>", "<p>", "<li>", "<ol start=99999999999>", "</ol>", "<ul>", "<pre>", "</pre>",
            "<main>", "</main>", "<article>", "<select><option>", "<svg><title>", "<math><mi>",
            "<template>", "<b><i></b>", "<form>", "<h2>", "</h2>", "text 【x†y】", "\n", "é",
            "<!-- ", "-->", "<script>", "</script>", "<title>", "</title>", "&amp;", "<frameset>",
        ]), 0..80),
    ) {
        let Ok(page) = Page::read(URL, Some("text/html"), scraps.concat().as_bytes()) else {
            return Ok(());
        };
        for line in &page.lines {
            for mark in line.split('【').skip(1) {
                prop_assert!(mark.starts_with(|c: char| c.is_ascii_digit()), "{}", line);
            }
        }
    }
}
