//! What is taken out of pages and lists of results.

use ozone_web::{Found, Page, fused, plain_text};

fn page(kind: &str, source: &str) -> Page {
    Page::read("https://grid.test/load", Some(kind), source.as_bytes()).unwrap()
}

fn rows(page: &Page) -> Vec<Vec<String>> {
    page.tables().into_iter().next().unwrap()
}

#[test]
fn tables_come_out_as_they_were() {
    let html = "<p>a | b<table><tr><th>Month<th>GWh<tr><td><a href=/june>June</a><td>5,012\
                <tr><td>a|b\\c<td></table><p>| no table |<table><tr><td>x<td>y<tr><td>1<td>2</table>";
    let page = page("text/html", html);
    assert_eq!(page.tables().len(), 2);
    assert_eq!(rows(&page), [["Month", "GWh"], ["June", "5,012"], ["a|b\\c", ""]]);
}

#[test]
fn a_row_that_is_longer_than_a_line_stays_one() {
    let long = "word ".repeat(300);
    let page = page("text/csv", &format!("a,b\n{long},2\n3,4\n"));
    assert_eq!(rows(&page), [["a", "b"], [long.trim(), "2"], ["3", "4"]]);
}

#[test]
fn pictures_of_a_page_are_links_and_decoration_is_not() {
    let html = "<p>Solar: <img src=/solar.png alt='Capacity'><img src=b.gif alt=''><img src=c.png>\
                <a href=/x><img src=d.png alt='In a link'></a>";
    let page = page("text/html", html);
    let line = "Solar: 【1†image: Capacity】 【2†image: c.png】 【3†[image: In a link]】";
    assert_eq!(page.lines, [line]);
    assert_eq!(page.links[0].url, "https://grid.test/solar.png");
    assert_eq!(page.links[2].url, "https://grid.test/x");
}

fn found(url: &str, snippet: &str, date: Option<&str>) -> Found {
    let (title, date) = ("Load".to_owned(), date.map(str::to_owned));
    Found { url: url.into(), title, snippet: snippet.into(), date, score: 0.0 }
}

#[test]
fn lists_are_fused_by_their_ranks_and_a_page_stands_once() {
    let one = vec![found("https://a.test/", "", None), found("https://b.test/x", "b", None)];
    let two = vec![
        found("http://www.b.test/x/?utm_source=q#top", "other", Some("2026-05-02")),
        found("https://b.test/x", "again", None),
        found("https://c.test/?id=1", "", None),
        found("https://c.test/?id=2", "", None),
    ];
    let all = fused(vec![one, two], 3);
    let urls: Vec<&str> = all.iter().map(|found| found.url.as_str()).collect();
    assert_eq!(urls, ["https://b.test/x", "https://a.test/", "https://c.test/?id=1"]);
    assert_eq!((all[0].snippet.as_str(), all[0].date.as_deref()), ("b", Some("2026-05-02")));
}

#[test]
fn pieces_of_html_become_one_line() {
    assert_eq!(
        plain_text("The <strong>load</strong>\n of &lt;June&gt;【1†x】", 80),
        "The load of <June>〖1‡x〗"
    );
    assert_eq!(plain_text("abc def", 3), "abc…");
    assert_eq!(plain_text("", 3), "");
}
