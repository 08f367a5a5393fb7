//! What is shown of pages, and what may be cited.

use std::sync::Arc;

use ozone_web::{Browser, Found, Lines, Page, mark_id};

const URL: &str = "https://grid.test/load";
const ROOM: usize = 16_000;

fn page(lines: usize) -> Arc<Page> {
    let text: Vec<String> = (1..=lines).map(|n| format!("fact number {n}")).collect();
    let text = text.join("\n");
    Arc::new(Page::read(URL, Some("text/plain"), text.as_bytes()).unwrap())
}

fn ranges(lines: &[Lines]) -> Vec<(u64, u64)> {
    lines.iter().map(|l| (l.first, l.last)).collect()
}

fn found(url: &str) -> Found {
    let (title, snippet) = ("Load".to_owned(), "It was high.".to_owned());
    Found { url: url.to_owned(), title, snippet, date: None, score: 1.0 }
}

#[test]
fn a_page_opens_at_a_line_and_says_how_to_go_on() {
    let mut browser = Browser::default();
    let shown = browser.open(page(300), 41, Some(20), ROOM).unwrap();
    let mark = mark_id(URL);
    assert!(shown.text.contains(&format!("【{mark}†L1-L2】")));
    assert!(shown.text.contains("Lines 41 to 60 of 300:\nL41: fact number 41\n"));
    assert!(shown.text.ends_with("[240 more lines: open it again with \"line\": 61]"));
    assert_eq!(ranges(&shown.lines), [(41, 60)]);
}

#[test]
fn only_lines_that_fit_are_shown_and_can_be_cited() {
    let mut browser = Browser::default();
    let shown = browser.open(page(300), 1, Some(300), 1000).unwrap();
    let [Lines { first: 1, last, .. }] = shown.lines.as_slice() else { panic!("{shown:?}") };
    assert!(*last < 60 && shown.text.chars().count() <= 1000);
    assert!(shown.text.contains(&format!("L{last}: ")));
    assert!(!shown.text.contains(&format!("L{}: ", last + 1)));
}

#[test]
fn a_line_that_is_not_there_is_a_mistake() {
    let e = Browser::default().open(page(3), 9, None, ROOM).unwrap_err();
    assert_eq!(e.to_string(), "the page has 3 lines; there is no line 9");
}

#[test]
fn what_is_found_stands_with_the_lines_around_it() {
    let mut browser = Browser::default();
    let shown = browser.find(page(100), "Number  50", ROOM).unwrap();
    assert_eq!(ranges(&shown.lines), [(48, 52)]);
    assert!(shown.text.contains("L50: fact number 50"));
}

#[test]
fn what_is_found_may_begin_on_one_line_and_end_on_the_next() {
    let shown = Browser::default().find(page(10), "4 fact number 5", ROOM).unwrap();
    assert_eq!(ranges(&shown.lines), [(2, 7)]);
}

#[test]
fn places_that_touch_are_shown_once() {
    let shown = Browser::default().find(page(9), "fact", ROOM).unwrap();
    assert_eq!(shown.text.matches("L5: ").count(), 1);
    let all: Vec<u64> = shown.lines.iter().flat_map(|l| l.first..=l.last).collect();
    assert_eq!(all, (1..=9).collect::<Vec<_>>());
}

#[test]
fn words_in_another_order_are_found_too_and_nothing_is_said_to_be_nothing() {
    let mut browser = Browser::default();
    let shown = browser.find(page(10), "10 fact", ROOM).unwrap();
    assert_eq!(ranges(&shown.lines), [(8, 10)]);
    let shown = browser.find(page(10), "solar", ROOM).unwrap();
    assert!(shown.text.contains("It says nowhere `solar`") && shown.lines.is_empty());
}

#[test]
fn results_can_be_opened_by_number_and_not_cited() {
    let mut browser = Browser::default();
    let shown = browser.results(&[found(URL), found("https://news.test/a")], ROOM);
    assert!(shown.text.starts_with("【1†Load†grid.test】\nhttps://grid.test/load\nIt was high."));
    assert!(shown.lines.is_empty());
    assert_eq!(browser.address("2").unwrap(), "https://news.test/a");
    assert_eq!(browser.address("【1†Load†grid.test】").unwrap(), URL);
    let e = browser.address("3").unwrap_err().to_string();
    assert_eq!(e, "there is no link 3: what was shown last has 1 to 2");
}

#[test]
fn an_address_may_be_a_mark_a_url_or_a_url_without_its_scheme() {
    let mut browser = Browser::default();
    browser.open(page(3), 1, None, ROOM).unwrap();
    assert_eq!(browser.address(&mark_id(URL)).unwrap(), URL);
    assert_eq!(browser.address("grid.test/x").unwrap(), "https://grid.test/x");
    for bad in ["ftp://grid.test", "javascript:alert(1)", "nonsense", ""] {
        assert!(browser.address(bad).is_err(), "{bad}");
    }
}

#[test]
fn links_of_the_page_that_was_opened_last_are_followed_by_number() {
    let html = b"<p><a href=/2024>2024</a>";
    let linked = Arc::new(Page::read(URL, Some("text/html"), html).unwrap());
    let mut browser = Browser::default();
    browser.results(&[found("https://news.test/a")], ROOM);
    browser.open(linked, 1, None, ROOM).unwrap();
    assert_eq!(browser.address("1").unwrap(), "https://grid.test/2024");
}
