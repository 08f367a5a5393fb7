//! The index in SQLite: FTS5 over terms that were made here, so that its own tokenizer has nothing
//! left to decide. Both stores use it, the one in memory on a database in memory.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::score::{self, Wanted};
use super::terms::{keywords, terms};
use super::{Hit, Passage, Piece, Search, Source};

const SCHEMA: &str = "
create table if not exists passage_sources (
    number integer primary key,
    shelf text not null,
    file text not null,
    passages integer not null default 0,
    terms integer not null default 0,
    unique (shelf, file)
);
create table if not exists passages (
    id integer primary key,
    source integer not null,
    number integer not null,
    text text not null,
    overlap integer not null,
    vector blob,
    page integer,
    unique (source, number)
);
create virtual table if not exists passage_terms using fts5(
    shelf, terms, content = '', contentless_delete = 1, tokenize = 'ascii'
);
";

/// The most different terms of a query that count.
const QUERY_TERMS_MAX: usize = 32;
/// Passages that are scored for each one that is asked for.
const CANDIDATES_PER_HIT: usize = 8;

type Sql<T> = rusqlite::Result<T>;

/// Makes the tables, or adds to them what an earlier version did not have.
pub(crate) fn prepare(connection: &Connection) -> Sql<()> {
    connection.execute_batch(SCHEMA)?;
    let has_pages: bool = connection.query_row(
        "select exists (select 1 from pragma_table_info('passages') where name = 'page')",
        [],
        |row| row.get(0),
    )?;
    if !has_pages {
        connection.execute_batch("alter table passages add column page integer")?;
    }
    Ok(())
}

/// Adds passages from number `from` on.
pub(crate) fn put(
    connection: &Connection,
    source: &Source,
    from: u64,
    passages: &[Passage],
) -> Sql<()> {
    connection
        .prepare_cached("insert or ignore into passage_sources (shelf, file) values (?1, ?2)")?
        .execute([&source.shelf, &source.file])?;
    let number: i64 = connection
        .prepare_cached("select number from passage_sources where shelf = ?1 and file = ?2")?
        .query_row([&source.shelf, &source.file], |row| row.get(0))?;
    let shelf = shelf_term(&source.shelf);
    for (at, passage) in (from as i64..).zip(passages) {
        let vector = passage.vector.as_ref().map(|v| to_bytes(v));
        connection
            .prepare_cached(
                "insert into passages (source, number, text, overlap, vector, page)
                 values (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                number,
                at,
                passage.text,
                passage.overlap as i64,
                vector,
                passage.page
            ])?;
        let id = connection.last_insert_rowid();
        connection
            .prepare_cached("insert into passage_terms (rowid, shelf, terms) values (?1, ?2, ?3)")?
            .execute(params![id, shelf, passage.terms.join(" ")])?;
    }
    let length: usize = passages.iter().map(|p| p.terms.len()).sum();
    connection
        .prepare_cached(
            "update passage_sources set passages = passages + ?2, terms = terms + ?3
             where number = ?1",
        )?
        .execute(params![number, passages.len() as i64, length as i64])?;
    Ok(())
}

/// Removes a file's passages, or all of a shelf.
pub(crate) fn delete(connection: &Connection, shelf: &str, file: Option<&str>) -> Sql<()> {
    const OF: &str = "select number from passage_sources
        where shelf = ?1 and (?2 is null or file = ?2)";
    for sql in [
        format!(
            "delete from passage_terms where rowid in
             (select id from passages where source in ({OF}))"
        ),
        format!("delete from passages where source in ({OF})"),
        "delete from passage_sources where shelf = ?1 and (?2 is null or file = ?2)".to_owned(),
    ] {
        connection.prepare_cached(&sql)?.execute(params![shelf, file])?;
    }
    Ok(())
}

/// The passages of a file from number `from` on.
pub(crate) fn pieces(
    connection: &Connection,
    source: &Source,
    from: u64,
    limit: usize,
) -> Sql<Vec<Piece>> {
    connection
        .prepare_cached(
            "select text, overlap from passages where number >= ?3 and source =
             (select number from passage_sources where shelf = ?1 and file = ?2)
             order by number limit ?4",
        )?
        .query_map(params![source.shelf, source.file, from as i64, limit as i64], |row| {
            Ok(Piece { text: row.get(0)?, overlap: row.get::<_, i64>(1)? as usize })
        })?
        .collect()
}

/// The best passages, best first; those of equal score in the order of their making.
pub(crate) fn search(connection: &Connection, search: &Search) -> Sql<Vec<Hit>> {
    let (count, length): (i64, i64) = connection
        .prepare_cached(
            "select coalesce(sum(passages), 0), coalesce(sum(terms), 0) from passage_sources
             where shelf = ?1",
        )?
        .query_row([&search.shelf], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if count == 0 || search.limit == 0 {
        return Ok(vec![]);
    }
    let wanted = wanted(connection, search, count as u64)?;
    let length_mean = length as f64 / count as f64;
    let query = search.vector.clone().map(score::normalised);
    let weights = match query {
        Some(_) => search.weights,
        None => super::Weights { text: 1.0, embedding: 0.0 },
    };
    let mut angles = HashMap::new();
    let mut ids = vec![];
    if weights.text > 0.0 {
        ids.extend(by_words(connection, search, &wanted)?);
    }
    if let Some(query) = query.filter(|_| weights.embedding > 0.0) {
        angles = by_angle(connection, search, &query)?;
        let mut nearest: Vec<(i64, f64)> = angles.iter().map(|(id, a)| (*id, *a)).collect();
        nearest.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        nearest.truncate(candidates_max(search));
        ids.extend(nearest.into_iter().map(|(id, _)| id));
    }
    ids.sort_unstable();
    ids.dedup();
    let mut hits = vec![];
    for id in ids {
        let (file, number, text, page): (String, i64, String, Option<u32>) = connection
            .prepare_cached(
                "select s.file, p.number, p.text, p.page from passages p
                 join passage_sources s on s.number = p.source where p.id = ?1",
            )?
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        let words = score::words(&wanted, &terms(&text), length_mean);
        let angle = angles.get(&id).copied().unwrap_or(0.0);
        let all = weights.text + weights.embedding;
        let score = (weights.text * words + weights.embedding * angle) / all;
        if score > 0.0 {
            hits.push(Hit { file, number: number as u64, text, page, score });
        }
    }
    // The sort is stable.
    hits.sort_by(|a, b| b.score.total_cmp(&a.score));
    hits.truncate(search.limit);
    Ok(hits)
}

fn candidates_max(search: &Search) -> usize {
    search.limit.saturating_mul(CANDIDATES_PER_HIT).max(64)
}

/// The terms of the query, and what each tells in this shelf.
fn wanted(connection: &Connection, search: &Search, count: u64) -> Sql<Vec<Wanted>> {
    let mut all: Vec<String> = vec![];
    for term in terms(&keywords(&search.query)) {
        if !all.contains(&term) && all.len() < QUERY_TERMS_MAX {
            all.push(term);
        }
    }
    let holding = |term: &str| -> Sql<u64> {
        let matching = matching(&search.shelf, [term]);
        connection
            .prepare_cached("select count(*) from passage_terms where passage_terms match ?1")?
            .query_row([matching], |row| row.get::<_, i64>(0))
            .map(|n| n as u64)
    };
    all.into_iter().map(|term| holding(&term).map(|n| Wanted::new(term, n, count))).collect()
}

/// The ids of the passages that BM25 ranks first.
fn by_words(connection: &Connection, search: &Search, wanted: &[Wanted]) -> Sql<Vec<i64>> {
    if wanted.is_empty() {
        return Ok(vec![]);
    }
    let matching = matching(&search.shelf, wanted.iter().map(|w| w.term.as_str()));
    connection
        .prepare_cached(
            "select p.id from passage_terms
             join passages p on p.id = passage_terms.rowid
             join passage_sources s on s.number = p.source
             where passage_terms match ?1
             and (?2 is null or s.file in (select value from json_each(?2)))
             order by bm25(passage_terms, 0.0, 1.0) limit ?3",
        )?
        .query_map(params![matching, files(search), candidates_max(search) as i64], |row| {
            row.get(0)
        })?
        .collect()
}

/// How near each passage with a vector is.
fn by_angle(connection: &Connection, search: &Search, query: &[f32]) -> Sql<HashMap<i64, f64>> {
    connection
        .prepare_cached(
            "select p.id, p.vector from passages p join passage_sources s on s.number = p.source
             where s.shelf = ?1 and p.vector is not null
             and (?2 is null or s.file in (select value from json_each(?2)))",
        )?
        .query_map(params![search.shelf, files(search)], |row| {
            let vector = from_bytes(row.get_ref(1)?.as_blob()?);
            Ok((row.get(0)?, score::angle(query, &vector)))
        })?
        .collect()
}

fn files(search: &Search) -> Option<String> {
    search.files.as_ref().map(|files| serde_json::Value::from(files.clone()).to_string())
}

/// An FTS5 query. Terms hold letters and digits alone, so a quote cannot be among them.
fn matching<'a>(shelf: &str, terms: impl IntoIterator<Item = &'a str>) -> String {
    let any: Vec<String> = terms.into_iter().map(|term| format!("\"{term}\"")).collect();
    format!("shelf : \"{}\" AND terms : ({})", shelf_term(shelf), any.join(" OR "))
}

/// A shelf's id as one term.
fn shelf_term(shelf: &str) -> String {
    shelf.chars().filter(char::is_ascii_alphanumeric).collect()
}

fn to_bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn from_bytes(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}
