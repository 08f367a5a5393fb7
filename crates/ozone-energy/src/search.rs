//! A search engine over the site, which answers as SearXNG does.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::site::{Page, Site};

const RESULTS: usize = 10;
const SNIPPET_CHARS: usize = 160;
const TITLE_WEIGHT: f64 = 3.0;

#[derive(Debug)]
pub struct Engine {
    entries: Vec<Entry>,
    /// In how many pages a word stands.
    spread: HashMap<String, f64>,
}

#[derive(Debug)]
struct Entry {
    url: String,
    title: String,
    text: String,
    weights: HashMap<String, f64>,
}

impl Engine {
    pub fn over(site: &Site) -> Engine {
        let is_html = |page: &&Page| page.media_type.starts_with("text/html");
        let entries: Vec<Entry> = site.pages.iter().filter(is_html).map(Entry::of).collect();
        let mut spread = HashMap::new();
        for word in entries.iter().flat_map(|entry| entry.weights.keys()) {
            *spread.entry(word.clone()).or_default() += 1.0;
        }
        Engine { entries, spread }
    }

    /// The answer to the query string of an address.
    pub fn answer(&self, query_string: &str) -> Value {
        let mut pairs = query_string.split('&').filter_map(|pair| pair.split_once('='));
        let query = pairs.find(|(key, _)| *key == "q");
        let query = query.map(|(_, value)| decoded(value)).unwrap_or_default();
        let asked: Vec<String> = words(&query).collect();
        let score = |entry: &Entry| {
            let of = |word: &String| {
                let weight = entry.weights.get(word).copied().unwrap_or(0.0);
                let rarity = self.entries.len() as f64 / self.spread.get(word).unwrap_or(&1.0);
                weight.min(2.0 * TITLE_WEIGHT) * (1.0 + rarity).ln()
            };
            asked.iter().map(of).sum::<f64>()
        };
        let mut found: Vec<(f64, &Entry)> =
            self.entries.iter().map(|entry| (score(entry), entry)).filter(|f| f.0 > 0.0).collect();
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        let result = |(score, entry): &(f64, &Entry)| {
            let content: String = entry.text.chars().take(SNIPPET_CHARS).collect();
            json!({"url": entry.url, "title": entry.title, "content": content, "score": score,
                "engine": "calderon", "engines": ["calderon"], "category": "general"})
        };
        let results: Vec<Value> = found.iter().take(RESULTS).map(result).collect();
        json!({"query": query, "number_of_results": found.len(), "results": results,
            "answers": [], "suggestions": [], "unresponsive_engines": []})
    }
}

impl Entry {
    fn of(page: &Page) -> Entry {
        let html = String::from_utf8_lossy(&page.body);
        let title = html.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
        let title = title.unwrap_or_default().to_owned();
        let main = html.split_once("</h1>").map_or("", |(_, main)| main);
        let text = without_tags(main.split("</main>").next().unwrap_or(main));
        let mut weights = HashMap::new();
        for word in words(&text) {
            *weights.entry(word).or_default() += 1.0;
        }
        for word in words(&title) {
            *weights.entry(word).or_default() += TITLE_WEIGHT;
        }
        Entry { url: page.url(), title, text, weights }
    }
}

fn without_tags(html: &str) -> String {
    let parts = html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    parts.collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn words(text: &str) -> impl Iterator<Item = String> {
    let parts = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    parts.map(str::to_lowercase)
}

/// `a+b%20c` to `a b c`.
fn decoded(value: &str) -> String {
    let (mut bytes, mut rest) = (vec![], value.bytes());
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap_or(b'2'), rest.next().unwrap_or(b'0')];
                let digits = String::from_utf8_lossy(&digits).into_owned();
                u8::from_str_radix(&digits, 16).unwrap_or(b' ')
            }
            byte => byte,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
