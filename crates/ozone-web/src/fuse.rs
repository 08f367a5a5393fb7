//! Several lists of results as one.

use std::collections::HashMap;

use url::Url;

use crate::index::{Found, RANK_OFFSET};

/// The results of all lists by their reciprocal ranks, each page once, the best first.
pub fn fused(lists: Vec<Vec<Found>>, limit: usize) -> Vec<Found> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut all: Vec<Found> = vec![];
    for list in lists {
        let mut before: Vec<usize> = vec![];
        for found in list {
            let at = *places.entry(sameness(&found.url)).or_insert(all.len());
            if before.contains(&at) {
                continue;
            }
            // One that stands twice in a list has the better of its ranks.
            let score = 1.0 / (RANK_OFFSET + before.len() as f64 + 1.0);
            before.push(at);
            match all.get_mut(at) {
                None => all.push(Found { score, ..found }),
                Some(known) => {
                    known.score += score;
                    known.date = known.date.take().or(found.date);
                    if known.snippet.is_empty() {
                        known.snippet = found.snippet;
                    }
                }
            }
        }
    }
    // Stable: of equals the first list's comes first.
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    all.truncate(limit);
    all
}

/// Equal for addresses of one page: whatever the scheme, `www.`, a slash at the end, a fragment, and
/// what only counts visitors.
fn sameness(url: &str) -> String {
    let Ok(parsed) = Url::parse(url) else { return url.to_owned() };
    let host = parsed.host_str().unwrap_or_default();
    let host = host.strip_prefix("www.").unwrap_or(host);
    let port = parsed.port().map(|port| format!(":{port}")).unwrap_or_default();
    let counts = |key: &str| key.starts_with("utm_") || matches!(key, "gclid" | "fbclid" | "ref");
    let pairs = parsed.query_pairs().filter(|(key, _)| !counts(key));
    let query: Vec<String> = pairs.map(|(key, value)| format!("{key}={value}")).collect();
    format!("{host}{port}{}?{}", parsed.path().trim_end_matches('/'), query.join("&"))
}
