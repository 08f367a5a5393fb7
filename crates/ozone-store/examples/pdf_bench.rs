//! A PDF of 300 pages from its bytes into the index of a vector store on a disk, as the server does
//! it: how long until its first page is found, and until all of it is. As JSON.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use ozone_files::{Limits, Reader, Said};
use ozone_store::passages::{Chunking, Passage, Search, Source, Weights};
use ozone_store::{Change, Library as _, SqliteStore};

const PAGES: usize = 300;
const LINES: usize = 48;
const AT_ONCE: usize = 32;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(Reader::ARGUMENT) {
        return ozone_files::serve();
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(measure());
    ExitCode::SUCCESS
}

async fn measure() {
    let bytes: Arc<[u8]> = pdf().into();
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(&folder.path().join("bench.db")).expect("a store");
    let exe = std::env::current_exe().expect("our own path");
    let reader = Reader::new(Some(&exe), Limits::default());
    let search = |query: &str| Search {
        shelf: "vs_bench".into(),
        query: query.into(),
        vector: None,
        weights: Weights::default(),
        files: None,
        limit: 1,
    };
    let source = Source { shelf: "vs_bench".into(), file: "file-bench".into() };
    let (started, size) = (Instant::now(), bytes.len());
    let mut reading = reader.begin("bench.pdf", bytes).await.expect("the reader starts");
    let chunking = Chunking::default();
    let (mut waiting, mut put, mut first) = (vec![], 0, None);
    loop {
        let said = reading.next().await.expect("the reader goes on");
        let is_last = said.is_none();
        match said {
            Some(Said::Part(part)) => {
                let passages = chunking
                    .cut(&part.text)
                    .map(|(text, overlap)| Passage::new(text, overlap).on_page(part.page()));
                waiting.extend(passages);
            }
            Some(Said::Refused { why }) => panic!("{why}"),
            Some(_) | None => {}
        }
        if waiting.len() >= AT_ONCE || is_last {
            let passages = std::mem::take(&mut waiting);
            let (from, count) = (put as u64, passages.len());
            let change = Change::PutPassages { source: source.clone(), from, passages };
            store.apply(vec![change]).await.expect("the passages are stored");
            put += count;
            if first.is_none() {
                // While the rest is still being read.
                let hits = store.search(search("marker 0")).await.expect("the index answers");
                assert!(!hits.is_empty(), "what is read is found");
                first = Some(started.elapsed());
            }
        }
        if is_last {
            break;
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let hits = store.search(search("marker 299")).await.expect("the index answers");
    assert_eq!(hits[0].page, Some(PAGES as u32), "the last page is found");
    let first = first.map_or(seconds, |first| first.as_secs_f64());
    println!(
        r#"{{"pages": {PAGES}, "pdf_bytes": {size}, "passages": {put}, "first_page_found_s": {first:.3}, "seconds": {seconds:.3}}}"#
    );
}

/// A report with 48 lines on each page.
fn pdf() -> Vec<u8> {
    const WORDS: &[&str] = &[
        "revenue", "of", "the", "second", "quarter", "rose", "by", "percent", "while", "costs",
        "in", "northern", "region", "fell", "against", "last", "year", "as", "energy", "prices",
        "and",
    ];
    let kids: Vec<String> = (0..PAGES).map(|page| format!("{} 0 R", 4 + 2 * page)).collect();
    let mut objects = vec![
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        format!("<</Type/Pages/Kids[{}]/Count {PAGES}>>", kids.join(" ")),
        "<</Type/Font/Subtype/Type1/BaseFont/Times-Roman>>".to_owned(),
    ];
    for page in 0..PAGES {
        let mut content = String::from("BT /F1 11 Tf 14 TL 60 780 Td\n");
        for line in 0..LINES {
            let words: Vec<&str> = (0..13)
                .map(|word| WORDS[(page * 31 + line * 17 + word * 7) % WORDS.len()])
                .collect();
            let _ = writeln!(content, "({}) Tj T*", words.join(" "));
        }
        let _ = write!(content, "(marker {page}) Tj ET");
        objects.push(format!(
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents {} 0 R\
             /Resources<</Font<</F1 3 0 R>>>>>>",
            5 + 2 * page
        ));
        objects.push(format!("<</Length {}>>stream\n{content}\nendstream", content.len()));
    }
    let mut pdf = "%PDF-1.4\n".to_owned();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (object, number) in objects.iter().zip(1..) {
        let _ = writeln!(table, "{:010} 00000 n ", pdf.len());
        let _ = writeln!(pdf, "{number} 0 obj\n{object}\nendobj");
    }
    let (at, size) = (pdf.len(), objects.len() + 1);
    let _ = write!(pdf, "{table}trailer<</Size {size}/Root 1 0 R>>\nstartxref\n{at}\n%%EOF");
    pdf.into_bytes()
}
