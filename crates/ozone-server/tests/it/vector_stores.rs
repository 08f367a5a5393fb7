//! Vector stores: made, filled, searched, emptied; by hand and by the model.

use std::sync::Arc;
use std::time::Duration;

use ozone_model::{Script, ScriptedBackend};
use ozone_server::{KeyEntry, Keys, Secret};
use ozone_store::{Change, Document, Library, MemoryStore, SqliteStore};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::{Setup, TestServer, says, text_of};

async fn upload(server: &TestServer, name: &str, bytes: impl Into<Vec<u8>>) -> String {
    let part = Part::bytes(bytes.into()).file_name(name.to_owned());
    let form = Form::new().text("purpose", "user_data").part("file", part);
    let sent = server.request(Method::POST, "/v1/files").multipart(form).send().await.unwrap();
    let file: Value = sent.json().await.unwrap();
    file["id"].as_str().unwrap().to_owned()
}

/// Polls until nothing of it is in progress.
async fn settled(server: &TestServer, path: &str) -> Value {
    for _ in 0..4000 {
        let card = server.get(path).await.ok();
        if card["status"] != "in_progress" {
            return card;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{path} stays in progress");
}

/// A store with these files, indexed: its path, and the files' ids.
async fn stored(server: &TestServer, files: &[(&str, &str)]) -> (String, Vec<String>) {
    let mut ids = vec![];
    for (name, text) in files {
        ids.push(upload(server, name, *text).await);
    }
    let body = json!({"name": "notes", "file_ids": ids});
    let store = server.post("/v1/vector_stores", body).await.ok();
    let path = format!("/v1/vector_stores/{}", store["id"].as_str().unwrap());
    settled(server, &path).await;
    (path, ids)
}

async fn search(server: &TestServer, path: &str, body: Value) -> Vec<String> {
    let page = server.post(&format!("{path}/search"), body).await.ok();
    assert_eq!(page["object"], "vector_store.search_results.page");
    let data = page["data"].as_array().unwrap();
    data.iter().map(|hit| hit["filename"].as_str().unwrap().to_owned()).collect()
}

const NOTES: &[(&str, &str)] = &[
    ("harbour.md", "# Harbour\n\nThe ferry to Calderon leaves at 06:40 from pier 9."),
    ("mill.txt", "The old mill was built in 1782 and burnt down in 1901."),
    ("bees.csv", "hive,honey_kg\nnorth,14\nsouth,22\n"),
];

#[tokio::test]
async fn a_store_is_filled_searched_and_deleted() {
    let server = TestServer::scripted([says("Yes.")]).await;
    let (path, ids) = stored(&server, NOTES).await;
    let store = server.get(&path).await.ok();
    assert_eq!(store["object"], "vector_store");
    assert_eq!(store["status"], "completed");
    let counts = json!({"in_progress": 0, "completed": 3, "failed": 0, "cancelled": 0, "total": 3});
    assert_eq!(store["file_counts"], counts);
    let bytes: usize = NOTES.iter().map(|(_, text)| text.len()).sum();
    assert_eq!(store["usage_bytes"], bytes);
    let list = server.get("/v1/vector_stores").await.ok();
    assert_eq!(list["data"], json!([store]));

    let query = json!({"query": "When does the ferry leave?"});
    let page = server.post(&format!("{path}/search"), query).await.ok();
    assert_eq!(page["search_query"], json!(["When does the ferry leave?"]));
    let hit = &page["data"][0];
    assert_eq!(hit["file_id"], ids[0].as_str());
    assert_eq!(hit["content"], json!([{"type": "text", "text": NOTES[0].1}]));
    assert!(hit["score"].as_f64().is_some_and(|s| s > 0.0 && s <= 1.0));
    assert_eq!(page["data"].as_array().unwrap().len(), 1);

    let update = json!({"name": "new", "metadata": {"a": "b"}, "expires_after": null});
    let updated = server.post(&path, update).await.ok();
    assert_eq!((&updated["name"], &updated["metadata"]), (&json!("new"), &json!({"a": "b"})));
    let gone = server.delete(&path).await.ok();
    assert_eq!((&gone["object"], &gone["deleted"]), (&json!("vector_store.deleted"), &json!(true)));
    assert_eq!(server.get(&path).await.error(), "404 - -");
    assert_eq!(
        server.post(&format!("{path}/search"), json!({"query": "x"})).await.error(),
        "404 - -"
    );
    assert_eq!(server.get("/v1/vector_stores").await.ok()["data"], json!([]));
}

#[tokio::test]
async fn files_come_and_go() {
    let server = TestServer::scripted([says("Yes.")]).await;
    let (path, ids) = stored(&server, NOTES).await;
    let files = format!("{path}/files");
    let first = format!("{files}/{}", ids[0]);
    let file = server.get(&first).await.ok();
    assert_eq!(file["object"], "vector_store.file");
    assert_eq!(file["status"], "completed");
    assert_eq!(file["last_error"], Value::Null);
    assert_eq!(file["chunking_strategy"]["static"]["max_chunk_size_tokens"], 800);
    let content = server.get(&format!("{first}/content")).await.ok();
    assert_eq!(content["data"], json!([{"type": "text", "text": NOTES[0].1}]));

    let names = async |query: &str| -> Vec<String> {
        let list = server.get(&format!("{files}?{query}")).await.ok();
        let data = list["data"].as_array().unwrap().clone();
        data.iter().map(|file| file["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("order=asc").await, ids);
    assert_eq!(names(&format!("order=asc&after={}", ids[0])).await, ids[1..]);
    assert_eq!(names(&format!("order=asc&before={}", ids[2])).await, ids[..2]);
    assert_eq!(names("filter=failed").await, Vec::<String>::new());
    assert_eq!(names("limit=1").await, ids[2..]);
    assert_eq!(
        server.get(&format!("{files}?filter=fun")).await.error(),
        "400 filter invalid_value"
    );

    let gone = server.delete(&first).await.ok();
    assert_eq!(gone["object"], "vector_store.file.deleted");
    assert_eq!(server.get(&first).await.error(), "404 - -");
    assert!(search(&server, &path, json!({"query": "ferry"})).await.is_empty());
    assert_eq!(server.get(&path).await.ok()["file_counts"]["total"], 2);
    // The file itself is still there, and may come back.
    server.get(&format!("/v1/files/{}", ids[0])).await.ok();
    server.post(&files, json!({"file_id": ids[0]})).await.ok();
    settled(&server, &first).await;
    assert_eq!(search(&server, &path, json!({"query": "ferry"})).await, ["harbour.md"]);
    // Twice is once.
    server.post(&files, json!({"file_id": ids[0]})).await.ok();
    settled(&server, &first).await;
    assert_eq!(server.get(&path).await.ok()["file_counts"]["total"], 3);
    assert_eq!(search(&server, &path, json!({"query": "ferry"})).await, ["harbour.md"]);
}

/// A file that is deleted is in no store any more.
#[tokio::test]
async fn a_deleted_file_is_not_found_again() {
    let server = TestServer::scripted([says("Yes.")]).await;
    let (path, ids) = stored(&server, NOTES).await;
    server.delete(&format!("/v1/files/{}", ids[0])).await.ok();
    assert!(search(&server, &path, json!({"query": "ferry"})).await.is_empty());
    assert_eq!(server.get(&format!("{path}/files/{}", ids[0])).await.error(), "404 - -");
    assert_eq!(server.get(&path).await.ok()["file_counts"]["total"], 2);
}

/// One bad file never stops the others, and says what is wrong with it.
#[tokio::test]
async fn bad_files_fail_by_themselves() {
    let server = TestServer::scripted([says("Yes.")]).await;
    let noise: Vec<u8> =
        (0..5000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let files = [
        upload(&server, "empty.txt", "").await,
        upload(&server, "noise.txt", noise).await,
        upload(&server, "report.docx", b"PK\x03\x04\x14\x00\x06\x00".to_vec()).await,
        upload(&server, "huge.txt", vec![b'x'; 20_000_001]).await,
        upload(&server, "ünïcode 🦀.md", "Die Brücke über die Spree heißt Oberbaumbrücke.").await,
    ];
    let store = server.post("/v1/vector_stores", json!({})).await.ok();
    let path = format!("/v1/vector_stores/{}", store["id"].as_str().unwrap());
    let body = json!({"file_ids": files, "attributes": {"kind": "test"}});
    let batch = server.post(&format!("{path}/file_batches"), body).await.ok();
    assert_eq!(batch["object"], "vector_store.files_batch");
    let batch_path = format!("{path}/file_batches/{}", batch["id"].as_str().unwrap());
    let batch = settled(&server, &batch_path).await;
    assert_eq!(batch["status"], "completed");
    let counts = json!({"in_progress": 0, "completed": 1, "failed": 4, "cancelled": 0, "total": 5});
    assert_eq!(batch["file_counts"], counts);
    let list = server.get(&format!("{batch_path}/files?order=asc")).await.ok();
    let told: Vec<String> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| {
            let code = file["last_error"]["code"].as_str().unwrap_or("-");
            format!("{} {code}", file["status"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [
            "failed invalid_file",
            "failed unsupported_file",
            "failed invalid_file",
            "failed invalid_file",
            "completed -",
        ]
    );
    assert_eq!(list["data"][4]["attributes"], json!({"kind": "test"}));
    assert_eq!(search(&server, &path, json!({"query": "Brucke"})).await, ["ünïcode 🦀.md"]);
}

#[tokio::test]
async fn a_search_is_filtered_bounded_and_rewritten() {
    let server = TestServer::scripted([says("Yes.")]).await;
    let store = server.post("/v1/vector_stores", json!({})).await.ok();
    let path = format!("/v1/vector_stores/{}", store["id"].as_str().unwrap());
    let mut files = vec![];
    for year in 2019..2024 {
        let name = format!("{year}.txt");
        let id = upload(&server, &name, format!("The harvest of {year} was good.")).await;
        let attributes = json!({"year": year, "region": if year % 2 == 0 { "north" } else { "south" },
            "final": year < 2022});
        files.push(json!({"file_id": id, "attributes": attributes}));
    }
    let batch = server.post(&format!("{path}/file_batches"), json!({"files": files})).await.ok();
    settled(&server, &format!("{path}/file_batches/{}", batch["id"].as_str().unwrap())).await;

    let compare =
        |kind: &str, key: &str, value: Value| json!({"type": kind, "key": key, "value": value});
    let found = async |filters: Value| {
        let mut names =
            search(&server, &path, json!({"query": "harvest", "filters": filters})).await;
        names.sort();
        names.join(" ").replace(".txt", "")
    };
    assert_eq!(found(compare("eq", "region", json!("north"))).await, "2020 2022");
    assert_eq!(found(compare("ne", "region", json!("north"))).await, "2019 2021 2023");
    assert_eq!(found(compare("gt", "year", json!(2021))).await, "2022 2023");
    assert_eq!(found(compare("lte", "year", json!(2020.0))).await, "2019 2020");
    assert_eq!(found(compare("in", "year", json!([2019, 2023]))).await, "2019 2023");
    assert_eq!(found(compare("nin", "year", json!([2019, 2023]))).await, "2020 2021 2022");
    assert_eq!(found(compare("eq", "final", json!(true))).await, "2019 2020 2021");
    assert_eq!(found(compare("gte", "year", json!("2020"))).await, "");
    assert_eq!(found(compare("eq", "none", json!(1))).await, "");
    let both = json!({"type": "and", "filters": [
        compare("gte", "year", json!(2020)),
        {"type": "or", "filters": [compare("eq", "region", json!("north")), compare("eq", "year", json!(2021))]},
    ]});
    assert_eq!(found(both).await, "2020 2021 2022");

    let two = json!({"query": ["harvest of 2019", "harvest of 2023"], "max_num_results": 2});
    let mut names = search(&server, &path, two).await;
    names.sort();
    assert_eq!(names, ["2019.txt", "2023.txt"]);
    let strict = json!({"query": "harvest 2020 unheard of words", "ranking_options":
        {"ranker": "auto", "score_threshold": 0.1}});
    assert_eq!(search(&server, &path, strict).await, ["2020.txt"]);
    let rewritten = json!({"query": "How was the harvest of 2020?", "rewrite_query": true});
    let page = server.post(&format!("{path}/search"), rewritten).await.ok();
    assert_eq!(page["search_query"], json!(["harvest 2020"]));
    assert_eq!(page["data"][0]["filename"], "2020.txt");

    // Attributes change what is found.
    let id = files[0]["file_id"].as_str().unwrap();
    let file = format!("{path}/files/{id}");
    let updated = server.post(&file, json!({"attributes": {"region": "west"}})).await.ok();
    assert_eq!(updated["attributes"], json!({"region": "west"}));
    assert_eq!(found(compare("eq", "region", json!("west"))).await, "2019");
}

#[tokio::test]
async fn bad_requests_name_their_mistake() {
    let server = TestServer::scripted([says("Yes.")]).await;
    let (path, ids) = stored(&server, &NOTES[..1]).await;
    let (stores, files) = ("/v1/vector_stores", format!("{path}/files"));
    let (batches, search) = (format!("{path}/file_batches"), format!("{path}/search"));
    let chunks = |max: Value, overlap: Value| {
        json!({"file_id": ids[0], "chunking_strategy":
        {"type": "static", "static": {"max_chunk_size_tokens": max, "chunk_overlap_tokens": overlap}}})
    };
    let deep = (0..20).fold(
        json!({"type": "eq", "key": "a", "value": 1}),
        |inner, _| json!({"type": "and", "filters": [inner]}),
    );
    for (path, body, error) in [
        (stores, json!({"file_ids": ["file-none"]}), "400 file_ids[0].file_id file_not_found"),
        (stores, json!({"file_ids": "x"}), "400 file_ids invalid_type"),
        (
            stores,
            json!({"expires_after": {"anchor": "now", "days": 1}}),
            "400 expires_after.anchor invalid_value",
        ),
        (
            stores,
            json!({"expires_after": {"anchor": "last_active_at", "days": 0}}),
            "400 expires_after.days invalid_value",
        ),
        (stores, json!({"name": 7}), "400 name invalid_type"),
        (&files, json!({}), "400 file_id missing_required_parameter"),
        (&files, json!({"file_id": "file-none"}), "400 file_id file_not_found"),
        (
            &files,
            json!({"file_id": ids[0], "attributes": {"a": [1]}}),
            "400 attributes invalid_value",
        ),
        (&files, json!({"file_id": ids[0], "attributes": "a"}), "400 attributes invalid_type"),
        (
            &files,
            json!({"file_id": ids[0], "chunking_strategy": {"type": "fun"}}),
            "400 chunking_strategy.type invalid_value",
        ),
        (
            &files,
            chunks(json!(99), json!(0)),
            "400 chunking_strategy.static.max_chunk_size_tokens invalid_value",
        ),
        (
            &files,
            chunks(json!(200), json!(101)),
            "400 chunking_strategy.static.chunk_overlap_tokens invalid_value",
        ),
        (&batches, json!({}), "400 file_ids missing_required_parameter"),
        (&batches, json!({"file_ids": [], "files": []}), "400 files mutually_exclusive_parameters"),
        (&batches, json!({"files": [{"file_id": 1}]}), "400 files[0].file_id invalid_type"),
        (&search, json!({}), "400 query missing_required_parameter"),
        (&search, json!({"query": " "}), "400 query invalid_value"),
        (&search, json!({"query": [1]}), "400 query invalid_type"),
        (
            &search,
            json!({"query": "x", "max_num_results": 51}),
            "400 max_num_results invalid_value",
        ),
        (
            &search,
            json!({"query": "x", "filters": {"type": "is", "key": "a", "value": 1}}),
            "400 filters.type invalid_value",
        ),
        (
            &search,
            json!({"query": "x", "filters": {"type": "in", "key": "a", "value": 1}}),
            "400 filters.value invalid_type",
        ),
        (
            &search,
            json!({"query": "x", "filters": {"type": "and"}}),
            "400 filters.filters missing_required_parameter",
        ),
        (
            &search,
            json!({"query": "x", "ranking_options": {"score_threshold": 2}}),
            "400 ranking_options.score_threshold invalid_value",
        ),
        (
            &search,
            json!({"query": "x", "ranking_options": {"ranker": "magic"}}),
            "400 ranking_options.ranker invalid_value",
        ),
        (
            &search,
            json!({"query": "x", "ranking_options": {"hybrid_search": {"embedding_weight": 1, "text_weight": 1}}}),
            "400 ranking_options.hybrid_search.embedding_weight unsupported_parameter",
        ),
    ] {
        assert_eq!(server.post(path, body.clone()).await.error(), error, "{path} {body}");
    }
    let deep = server.post(&search, json!({"query": "x", "filters": deep})).await;
    assert_eq!((deep.status.as_u16(), &deep.body["error"]["code"]), (400, &json!("invalid_value")));
    // What was refused left nothing behind.
    assert_eq!(server.get(&path).await.ok()["file_counts"]["total"], 1);
    assert_eq!(server.get(stores).await.ok()["data"].as_array().unwrap().len(), 1);
    assert_eq!(server.get("/v1/vector_stores/vs_none").await.error(), "404 - -");
    assert_eq!(server.get(&format!("{batches}/vsfb_none")).await.error(), "404 - -");
    assert_eq!(server.delete(&format!("{files}/file-none")).await.error(), "404 - -");
}

/// Nobody finds, fills, searches or cites what another tenant stored.
#[tokio::test]
async fn a_store_is_its_tenants_own() {
    let key = |name: &str| KeyEntry {
        name: name.into(),
        key: Secret::new(format!("sk-{name}-12345678")),
        project: None,
        admin: false,
        models: None,
        requests_per_minute: None,
        tokens_per_minute: None,
    };
    let mut setup = Setup::new([says("Yes.")]);
    setup.keys = Keys::new([key("ann"), key("bob")]).unwrap();
    let mut server = setup.start().await;
    server.key = Some("sk-ann-12345678".into());
    let (path, ids) = stored(&server, NOTES).await;
    server.key = Some("sk-bob-12345678".into());
    let file = format!("{path}/files/{}", ids[0]);
    for answer in [
        server.get(&path).await,
        server.delete(&path).await,
        server.post(&path, json!({"name": "mine"})).await,
        server.post(&format!("{path}/search"), json!({"query": "ferry"})).await,
        server.get(&format!("{path}/files")).await,
        server.get(&format!("{file}/content")).await,
        server.delete(&file).await,
    ] {
        assert_eq!(answer.error(), "404 - -");
    }
    assert_eq!(server.get("/v1/vector_stores").await.ok()["data"], json!([]));
    let own = server.post("/v1/vector_stores", json!({"file_ids": [ids[0]]})).await;
    assert_eq!(own.error(), "400 file_ids[0].file_id file_not_found");
    let tool = json!({"type": "file_search", "vector_store_ids": [path.rsplit('/').next()]});
    let body = json!({"model": "scripted", "input": "When?", "tools": [tool]});
    let refused = server.post("/v1/responses", body).await.error();
    assert_eq!(refused, "400 tools[0].vector_store_ids vector_store_not_found");
    server.key = Some("sk-ann-12345678".into());
    assert_eq!(search(&server, &path, json!({"query": "ferry"})).await, ["harbour.md"]);
}

/// Files that are taken away while they are indexed leave nothing behind, and hold up nobody.
#[tokio::test]
async fn what_is_deleted_while_it_is_indexed_stays_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = SqliteStore::open(&folder.path().join("test.db")).unwrap();
    let server = Setup { store: Arc::new(sqlite), ..Setup::new([says("Yes.")]) }.start().await;
    let long = "The quick brown fox jumps over the lazy dog. ".repeat(60_000);
    let mut ids = vec![];
    for n in 0..4 {
        ids.push(upload(&server, &format!("{n}.txt"), format!("fox{n} {long}")).await);
    }
    let store = server.post("/v1/vector_stores", json!({})).await.ok();
    let path = format!("/v1/vector_stores/{}", store["id"].as_str().unwrap());
    let batch = server.post(&format!("{path}/file_batches"), json!({"file_ids": ids})).await.ok();
    let batch = format!("{path}/file_batches/{}", batch["id"].as_str().unwrap());
    server.delete(&format!("{path}/files/{}", ids[0])).await.ok();
    server.delete(&format!("/v1/files/{}", ids[1])).await.ok();
    let cancelled = server.post(&format!("{batch}/cancel"), json!({})).await.ok();
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(cancelled["file_counts"]["in_progress"], 0);
    let store = settled(&server, &path).await;
    assert_eq!(store["file_counts"]["total"], 2);
    assert_eq!(store["usage_bytes"], 0);
    // Another one goes its way.
    let last = upload(&server, "last.txt", "A slow red fox.").await;
    server.post(&format!("{path}/files"), json!({"file_id": last})).await.ok();
    settled(&server, &format!("{path}/files/{last}")).await;
    assert_eq!(search(&server, &path, json!({"query": "fox"})).await, ["last.txt"]);
    let gone = server.post("/v1/vector_stores", json!({"file_ids": [ids[2]]})).await.ok();
    server.delete(&format!("/v1/vector_stores/{}", gone["id"].as_str().unwrap())).await.ok();
    assert_eq!(search(&server, &path, json!({"query": "fox"})).await, ["last.txt"]);
}

/// A server that was killed half-way goes on at its next start.
#[tokio::test]
async fn indexing_survives_a_restart() {
    let store: Arc<dyn Library> = Arc::new(MemoryStore::default());
    let first = Setup { store: store.clone(), ..Setup::new([says("Yes.")]) }.start().await;
    let (path, ids) = stored(&first, NOTES).await;
    first.stop().await;
    // As it stands in the middle: in progress, with passages that are not whole.
    let id = format!("{}/{}", path.rsplit('/').next().unwrap(), ids[0]);
    let vector_store = path.rsplit('/').next().unwrap();
    let kind = "vector_store_file";
    let mut card = store.document(kind, "local", &id).await.unwrap().unwrap();
    card.body["view"]["status"] = json!("in_progress");
    let mut whole = store.document("vector_store", "local", vector_store).await.unwrap().unwrap();
    whole.body["file_counts"]["in_progress"] = json!(1);
    whole.body["file_counts"]["completed"] = json!(2);
    whole.body["status"] = json!("in_progress");
    let pending = Document {
        kind: "vector_store_pending".into(),
        body: json!({"run": card.body["run"], "file": ids[0]}),
        ..card.clone()
    };
    let changes = [card, whole, pending].map(Change::Put);
    store.apply(changes.into()).await.unwrap();

    let second = Setup { store, ..Setup::new([says("Yes.")]) }.start().await;
    let card = settled(&second, &path).await;
    assert_eq!(card["file_counts"]["completed"], 3);
    assert_eq!(search(&second, &path, json!({"query": "ferry"})).await, ["harbour.md"]);
    let bytes: usize = NOTES.iter().map(|(_, text)| text.len()).sum();
    assert_eq!(card["usage_bytes"], bytes);
}

/// The tests' clock stands at 1,800,000,000.
#[tokio::test]
async fn an_expired_store_is_empty_and_says_so() {
    let server = TestServer::scripted([says("Yes.")]).await;
    let (path, _) = stored(&server, NOTES).await;
    let expires = json!({"expires_after": {"anchor": "last_active_at", "days": 3}});
    let card = server.post(&path, expires).await.ok();
    assert_eq!(card["expires_at"], 1_800_000_000i64 + 3 * 86_400);
    let id = path.rsplit('/').next().unwrap();
    let mut late = server.store.document("vector_store", "local", id).await.unwrap().unwrap();
    late.body["expires_at"] = json!(1_799_999_999);
    server.store.apply(vec![Change::Put(late)]).await.unwrap();
    let card = server.get(&path).await.ok();
    assert_eq!((&card["status"], &card["usage_bytes"]), (&json!("expired"), &json!(0)));
    assert_eq!(card["file_counts"]["total"], 0);
    let error = "400 vector_store_id vector_store_expired";
    assert_eq!(
        server.post(&format!("{path}/search"), json!({"query": "ferry"})).await.error(),
        error
    );
    assert_eq!(server.get(&format!("{path}/files")).await.ok()["data"], json!([]));
}

fn tool_call(queries: &[&str]) -> Script {
    let call = json!({"name": "file_search", "arguments": {"queries": queries}});
    Script::says(format!("<think>\nI look.\n</think>\n\n<tool_call>\n{call}\n</tool_call>"))
}

/// The mark of a file, as the model reads it.
fn mark(file_id: &str, filename: &str) -> String {
    ozone_tools::file_search::mark(file_id, filename, None)
}

struct Asked {
    server: TestServer,
    backend: Arc<ScriptedBackend>,
    store: String,
    file: String,
}

/// The model's answer needs the file's id, so the store is filled by a first server.
async fn asked(answer: impl Fn(&str) -> String) -> Asked {
    let store: Arc<dyn Library> = Arc::new(MemoryStore::default());
    let first = Setup { store: store.clone(), ..Setup::new([says("Yes.")]) }.start().await;
    let (path, ids) = stored(&first, NOTES).await;
    first.stop().await;
    let answer = answer(&mark(&ids[0], "harbour.md"));
    let script = [tool_call(&["ferry to Calderon"]), says(&answer)];
    let backend = Arc::new(ScriptedBackend::new(script));
    let server = Setup { store, ..Setup::with_backend(backend.clone()) }.start().await;
    let store = path.rsplit('/').next().unwrap().to_owned();
    Asked { server, backend, store, file: ids[0].clone() }
}

#[tokio::test]
async fn the_model_searches_and_cites() {
    let Asked { server, store, file, .. } =
        asked(|mark| format!("At 06:40 – früh{mark}, from pier 9{mark}. See 【9】 and 【nothing"))
            .await;
    let tools = json!([{"type": "file_search", "vector_store_ids": [store]}]);
    let body = json!({"input": "When?", "tools": tools, "include": ["file_search_call.results"]});
    let stream = server.stream(body).await.sound();
    let names: Vec<&str> =
        stream.names().into_iter().filter(|name| name.contains("file_search")).collect();
    assert_eq!(
        names,
        [
            "response.file_search_call.in_progress",
            "response.file_search_call.searching",
            "response.file_search_call.completed",
        ]
    );
    let response = stream.last();
    let call = response["output"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["type"] == "file_search_call")
        .unwrap();
    assert!(call["id"].as_str().unwrap().starts_with("fs_"));
    assert_eq!(call["status"], "completed");
    assert_eq!(call["queries"], json!(["ferry to Calderon"]));
    assert_eq!(call["results"][0]["file_id"], file.as_str());
    assert_eq!(call["results"][0]["text"], NOTES[0].1);

    assert_eq!(text_of(&response), "At 06:40 – früh, from pier 9. See 【9】 and 【nothing");
    let message = response["output"].as_array().unwrap().last().unwrap();
    let cited = |index: u64| {
        json!({"type": "file_citation", "file_id": file,
        "filename": "harbour.md", "index": index})
    };
    assert_eq!(message["content"][0]["annotations"], json!([cited(15), cited(28)]));
    let annotated = stream.names().into_iter().filter(|name| name.ends_with("annotation.added"));
    assert_eq!(annotated.count(), 2);
}

/// What was found is shown where it is asked for, and the next turn knows it either way.
#[tokio::test]
async fn results_are_kept_from_who_does_not_ask() {
    let Asked { server, backend, store, .. } = asked(|mark| format!("At 06:40{mark}.")).await;
    let tools = json!([{"type": "file_search", "vector_store_ids": [store]}]);
    let response = server.respond(json!({"input": "When?", "tools": tools})).await;
    let call = |response: &Value| {
        let items = response["output"].as_array().unwrap();
        items.iter().find(|item| item["type"] == "file_search_call").unwrap().clone()
    };
    assert_eq!(call(&response)["results"], Value::Null);
    let path = format!("/v1/responses/{}", response["id"].as_str().unwrap());
    assert_eq!(call(&server.get(&path).await.ok())["results"], Value::Null);
    let with = server.get(&format!("{path}?include[]=file_search_call.results")).await.ok();
    assert_eq!(call(&with)["results"][0]["filename"], "harbour.md");
    server.respond(json!({"input": "And why?", "previous_response_id": response["id"]})).await;
    let read = format!("{:?}", backend.requests().last().unwrap().turns);
    assert!(read.contains("And why?") && read.contains("from pier 9"), "{read}");
}

#[tokio::test]
async fn a_search_tool_needs_stores_that_are_there() {
    let Asked { server, store, .. } = asked(|_| "x".into()).await;
    let ask = async |tool: Value| {
        let body = json!({"model": "scripted", "input": "When?", "tools": [tool]});
        server.post("/v1/responses", body).await.error()
    };
    let ids = "tools[0].vector_store_ids";
    let tool = |more: Value| {
        let mut tool = json!({"type": "file_search", "vector_store_ids": [store]});
        tool.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        tool
    };
    assert_eq!(
        ask(json!({"type": "file_search"})).await,
        format!("400 {ids} missing_required_parameter")
    );
    assert_eq!(
        ask(tool(json!({"vector_store_ids": []}))).await,
        format!("400 {ids} invalid_value")
    );
    assert_eq!(
        ask(tool(json!({"vector_store_ids": ["vs_x"]}))).await,
        format!("400 {ids} vector_store_not_found")
    );
    assert_eq!(
        ask(tool(json!({"max_num_results": 0}))).await,
        "400 tools[0].max_num_results invalid_value"
    );
    assert_eq!(ask(tool(json!({"filters": 1}))).await, "400 tools[0].filters invalid_type");
}
