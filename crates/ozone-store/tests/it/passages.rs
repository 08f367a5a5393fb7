//! One suite for both indexes of passages; and how a text is cut.

use std::sync::Arc;

use ozone_store::passages::{Chunking, Passage, Search, Source, Weights, keywords};
use ozone_store::{Change, Library, MemoryStore, SqliteStore};
use proptest::prelude::*;

on_both! {
    the_passage_that_says_most_of_the_query_comes_first
    a_shelf_is_searched_alone
    a_file_is_found_while_it_grows
    a_passage_keeps_its_page
    deleted_passages_are_gone
    only_the_named_files_are_searched
    words_are_found_in_any_form_and_script
    names_of_code_are_found_by_their_parts
    scores_lie_between_nothing_and_everything
    vectors_find_what_words_do_not
    a_strange_query_is_harmless
    pieces_are_given_back_in_order
}

fn source(shelf: &str, file: &str) -> Source {
    Source { shelf: shelf.into(), file: file.into() }
}

fn put(shelf: &str, file: &str, texts: &[&str]) -> Vec<Change> {
    let passages = texts.iter().map(|text| Passage::new(*text, 0)).collect();
    let source = source(shelf, file);
    vec![Change::PutPassages { source, from: 0, passages }]
}

fn search(shelf: &str, query: &str) -> Search {
    Search {
        shelf: shelf.into(),
        query: query.into(),
        vector: None,
        weights: Weights::default(),
        files: None,
        limit: 10,
    }
}

/// `file/number` of what is found.
async fn found(store: &dyn Library, search: Search) -> Vec<String> {
    let hits = store.search(search).await.unwrap();
    hits.into_iter().map(|hit| format!("{}/{}", hit.file, hit.number)).collect()
}

async fn the_passage_that_says_most_of_the_query_comes_first(store: Arc<dyn Library>) {
    let texts = [
        "The kettle boils water.",
        "The turbine of the power plant was repaired in March, and the repair cost 400 euros.",
        "The plant in the window needs water in March.",
    ];
    store.apply(put("vs_1", "a", &texts)).await.unwrap();
    let query = "How much did the repair of the turbine cost?";
    assert_eq!(found(&*store, search("vs_1", query)).await, ["a/1"]);
    assert_eq!(found(&*store, search("vs_1", "water in march")).await, ["a/2", "a/0", "a/1"]);
}

async fn a_shelf_is_searched_alone(store: Arc<dyn Library>) {
    store.apply(put("vs_1", "a", &["red apples", "green pears"])).await.unwrap();
    store.apply(put("vs_2", "a", &["red cherries"; 50])).await.unwrap();
    let score = |hits: Vec<ozone_store::passages::Hit>| hits[0].score;
    assert_eq!(found(&*store, search("vs_1", "red")).await, ["a/0"]);
    let before = score(store.search(search("vs_1", "red")).await.unwrap());
    store.apply(put("vs_3", "b", &["red red red"; 50])).await.unwrap();
    let after = score(store.search(search("vs_1", "red")).await.unwrap());
    assert_eq!(before, after);
    assert!(found(&*store, search("vs_4", "red")).await.is_empty());
}

async fn a_file_is_found_while_it_grows(store: Arc<dyn Library>) {
    store.apply(put("vs_1", "a", &["red apples"])).await.unwrap();
    assert_eq!(found(&*store, search("vs_1", "apples")).await, ["a/0"]);
    let passages = vec![Passage::new("more apples", 0)];
    let source = source("vs_1", "a");
    store.apply(vec![Change::PutPassages { source, from: 1, passages }]).await.unwrap();
    assert_eq!(found(&*store, search("vs_1", "apples")).await, ["a/0", "a/1"]);
}

async fn a_passage_keeps_its_page(store: Arc<dyn Library>) {
    let passages =
        vec![Passage::new("red apples", 0).on_page(Some(7)), Passage::new("green pears", 0)];
    let put = Change::PutPassages { source: source("vs_1", "a"), from: 0, passages };
    store.apply(vec![put]).await.unwrap();
    let page = async |query: &str| {
        let hits = store.search(search("vs_1", query)).await.unwrap();
        hits[0].page
    };
    assert_eq!((page("apples").await, page("pears").await), (Some(7), None));
}

async fn deleted_passages_are_gone(store: Arc<dyn Library>) {
    let all = ["a", "b", "c"].map(|file| put("vs_1", file, &["red apples", "green pears"]));
    store.apply(all.concat()).await.unwrap();
    let delete = |file: Option<&str>| {
        let file = file.map(str::to_owned);
        vec![Change::DeletePassages { shelf: "vs_1".into(), file }]
    };
    store.apply(delete(Some("b"))).await.unwrap();
    assert_eq!(found(&*store, search("vs_1", "apple")).await, ["a/0", "c/0"]);
    assert!(store.passages(&source("vs_1", "b"), 0, 9).await.unwrap().is_empty());
    store.apply(put("vs_1", "b", &["blue plums"])).await.unwrap();
    assert_eq!(found(&*store, search("vs_1", "plum")).await, ["b/0"]);
    store.apply(delete(None)).await.unwrap();
    assert!(found(&*store, search("vs_1", "plum apple")).await.is_empty());
}

async fn only_the_named_files_are_searched(store: Arc<dyn Library>) {
    let all = ["a", "b", "c"].map(|file| put("vs_1", file, &["red apples"]));
    store.apply(all.concat()).await.unwrap();
    let only = |files: &[&str]| Search {
        files: Some(files.iter().map(|&f| f.into()).collect()),
        ..search("vs_1", "apples")
    };
    assert_eq!(found(&*store, only(&["c", "a", "none"])).await, ["a/0", "c/0"]);
    assert!(found(&*store, only(&[])).await.is_empty());
}

async fn words_are_found_in_any_form_and_script(store: Arc<dyn Library>) {
    let texts = [
        "She was running through the cafés of Zürich.",
        "東京都の人口は一千四百万人です。",
        "Москва — столица России.",
        "سماء زرقاء",
        "서울은 한국의 수도입니다",
        "The emoji 🦀 is a crab",
    ];
    store.apply(put("vs_1", "a", &texts)).await.unwrap();
    for (query, at) in [
        ("runs cafe", "a/0"),
        ("ZURICH", "a/0"),
        ("東京の人口", "a/1"),
        ("москва", "a/2"),
        ("زرقاء", "a/3"),
        ("한국", "a/4"),
        ("🦀 crabs", "a/5"),
    ] {
        assert_eq!(found(&*store, search("vs_1", query)).await.first().unwrap(), at, "{query}");
    }
}

async fn names_of_code_are_found_by_their_parts(store: Arc<dyn Library>) {
    let texts = ["fn parseHttpHeader(line: &str)", "fn read_config_file()", "let x = 1;"];
    store.apply(put("vs_1", "a", &texts)).await.unwrap();
    assert_eq!(found(&*store, search("vs_1", "http header")).await, ["a/0"]);
    assert_eq!(found(&*store, search("vs_1", "parsehttpheader")).await, ["a/0"]);
    assert_eq!(found(&*store, search("vs_1", "config")).await, ["a/1"]);
}

async fn scores_lie_between_nothing_and_everything(store: Arc<dyn Library>) {
    let often = "apple ".repeat(500);
    store.apply(put("vs_1", "a", &["apple", &often, "apple pear", "fig"])).await.unwrap();
    let score = async |query: &str| {
        let hits = store.search(search("vs_1", query)).await.unwrap();
        hits.into_iter().map(|hit| (hit.number, hit.score)).collect::<Vec<_>>()
    };
    for query in ["apple", "apple pear fig", "pear unheardof"] {
        let scores = score(query).await;
        assert!(!scores.is_empty());
        assert!(scores.iter().all(|(_, s)| (0.0..=1.0).contains(s)), "{query}: {scores:?}");
        assert!(scores.windows(2).all(|w| w[0].1 >= w[1].1));
    }
    let whole = score("fig").await[0].1;
    let half = score("fig unheardof").await[0].1;
    assert!(half < whole * 0.6, "{half} {whole}");
}

async fn vectors_find_what_words_do_not(store: Arc<dyn Library>) {
    let passage = |text: &str, vector: [f32; 2]| Passage::new(text, 0).with_vector(vector.into());
    let passages = vec![
        passage("an automobile", [2.0, 0.1]),
        passage("a fruit", [0.0, 1.0]),
        passage("a car park", [0.5, 0.5]),
        Passage::new("a tree without a vector", 0),
    ];
    let put = Change::PutPassages { source: source("vs_1", "a"), from: 0, passages };
    store.apply(vec![put]).await.unwrap();
    let with = |text: f64, embedding: f64| Search {
        vector: Some(vec![3.0, 0.0]),
        weights: Weights { text, embedding },
        ..search("vs_1", "car")
    };
    assert_eq!(found(&*store, search("vs_1", "car")).await, ["a/2"]);
    assert_eq!(found(&*store, with(0.0, 1.0)).await, ["a/0", "a/2"]);
    assert_eq!(found(&*store, with(1.0, 1.0)).await, ["a/2", "a/0"]);
    let hits = store.search(with(0.0, 1.0)).await.unwrap();
    assert!(hits[0].score > 0.99 && (hits[1].score - 0.5f64.sqrt()).abs() < 1e-6);
    // A query of another model's length says nothing, and breaks nothing.
    let other = Search { vector: Some(vec![1.0; 7]), ..with(1.0, 1.0) };
    assert_eq!(found(&*store, other).await, ["a/2"]);
}

async fn a_strange_query_is_harmless(store: Arc<dyn Library>) {
    store.apply(put("vs_1", "a", &["NEAR AND OR NOT quotes"])).await.unwrap();
    let long = "word ".repeat(100_000);
    for query in ["", "  ", "\"", "a\" OR shelf:\"x", "* ^ : ( )", "\0", "the of and", &long] {
        store.search(search("vs_1", query)).await.unwrap();
    }
    assert_eq!(found(&*store, search("vs_1", "\"NEAR\" AND (quotes*")).await, ["a/0"]);
}

async fn pieces_are_given_back_in_order(store: Arc<dyn Library>) {
    let text = "one two three. ".repeat(100);
    let chunking = Chunking::new(100, 50).unwrap();
    let passages: Vec<Passage> =
        chunking.cut(&text).map(|(text, overlap)| Passage::new(text, overlap)).collect();
    let count = passages.len();
    assert!(count > 3);
    let source = source("vs_1", "a");
    let put = Change::PutPassages { source: source.clone(), from: 0, passages };
    store.apply(vec![put]).await.unwrap();
    let mut pieces = store.passages(&source, 0, 2).await.unwrap();
    pieces.extend(store.passages(&source, 2, 999).await.unwrap());
    assert_eq!(pieces.len(), count);
    let joined: String = pieces.iter().map(|piece| &piece.text[piece.overlap..]).collect();
    assert_eq!(joined, text);
}

/// A database that is opened again finds what was put into it.
#[tokio::test]
async fn the_index_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let store = SqliteStore::open(&path).unwrap();
    store.apply(put("vs_1", "a", &["red apples"])).await.unwrap();
    drop(store);
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(found(&store, search("vs_1", "apples")).await, ["a/0"]);
}

#[test]
fn a_passage_ends_where_the_text_does() {
    let chunking = Chunking::new(100, 0).unwrap();
    let (long, end) = ("word ".repeat(60), "The end of it.\n\n");
    let text = format!("{long}{end}{long}");
    let first = chunking.cut(&text).next().unwrap().0;
    assert!(first.ends_with(end), "{first:?}");
    assert_eq!(Chunking::new(99, 0), None);
    assert_eq!(Chunking::new(800, 401), None);
    assert_eq!(Chunking::new(4097, 0), None);
}

#[test]
fn keywords_are_what_a_question_is_about() {
    assert_eq!(keywords("What is the return policy?"), "return policy");
    assert_eq!(keywords("who are you"), "who are you");
    assert_eq!(keywords("東京の人口は？"), "東京の人口は？");
}

proptest! {
    /// Passages are as long as they may be, overlap as they may, and leave nothing out.
    #[test]
    fn passages_cover_the_text(
        text in "([a-z]{0,9}|[äß東🦀]{0,40}|[ ]|\n\n|\\. ){0,400}",
        tokens in 100usize..200,
        overlap in 0usize..=50,
    ) {
        let chunking = Chunking::new(tokens, overlap).unwrap();
        let pieces: Vec<(&str, usize)> = chunking.cut(&text).collect();
        let joined: String = pieces.iter().map(|(piece, known)| &piece[*known..]).collect();
        let dense = |text: &str| text.split_whitespace().collect::<String>();
        prop_assert_eq!(dense(&joined), dense(&text));
        for (piece, known) in pieces {
            prop_assert!(piece.len() <= tokens * 4 && known <= overlap * 4);
        }
    }
}
