//! How long the index of many pages takes to build, to load and to search. Prints JSON.

use std::time::Instant;

use ozone_store::passages::{keywords, terms};
use ozone_web::{Index, Site};

const PAGES: usize = 10_000;
const WORDS_PER_PAGE: usize = 400;
const SEARCHES: usize = 1000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let site = folder.path().join("site");
    std::fs::create_dir(&site)?;
    let mut words = Words(2026);
    for page in 0..PAGES {
        let title: Vec<String> = (0..4).map(|_| words.next()).collect();
        let text: Vec<String> = (0..WORDS_PER_PAGE).map(|_| words.next()).collect();
        let html = format!(
            "<!doctype html><title>{}</title><h1>Page {page}</h1><p>{}</p>",
            title.join(" "),
            text.join(" ")
        );
        std::fs::write(site.join(format!("{page}.html")), html)?;
    }
    let sites = || vec![Site { folder: site.clone(), url: None }];
    let file = folder.path().join("index");
    let began = Instant::now();
    drop(Index::open(&file, sites(), terms)?);
    let build = began.elapsed();
    let began = Instant::now();
    let (index, _) = Index::open(&file, sites(), terms)?;
    let load = began.elapsed();
    let mut took: Vec<f64> = vec![];
    for _ in 0..SEARCHES {
        let query =
            format!("what is the {} of {} and {}", words.next(), words.next(), words.next());
        let began = Instant::now();
        let found = index.search(&[keywords(&query)], 10, |_| true);
        took.push(began.elapsed().as_secs_f64() * 1000.0);
        assert!(found.len() <= 10);
    }
    took.sort_by(f64::total_cmp);
    let figures = serde_json::json!({
        "pages": index.pages(),
        "build_s": build.as_secs_f64(),
        "load_s": load.as_secs_f64(),
        "search_ms_p50": took[SEARCHES / 2],
        "search_ms_p99": took[SEARCHES * 99 / 100],
    });
    println!("{}", serde_json::to_string_pretty(&figures)?);
    Ok(())
}

/// Words as often as in a language: the n-th of them about 1/n times.
struct Words(u64);

impl Words {
    const KNOWN: f64 = 30_000.0;

    fn next(&mut self) -> String {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let even = (self.0 >> 11) as f64 / (1u64 << 53) as f64;
        let rank = Self::KNOWN.powf(even) as u64;
        let (mut word, mut rest) = (String::from("w"), rank.wrapping_mul(2_654_435_761) % 100_003);
        while rest > 0 {
            word.push(char::from(b'a' + (rest % 26) as u8));
            rest /= 26;
        }
        word
    }
}
