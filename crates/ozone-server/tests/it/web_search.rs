//! The tool `web_search`: what clients see of its calls, and what answers may cite.

use std::sync::Arc;

use ozone_model::{Script, ScriptedBackend};
use ozone_web::{Index, Site, mark_id};
use serde_json::{Value, json};

use crate::support::{Setup, TestServer, says, text_of};

const LOAD: &str = "<title>Load 2025</title><h1>Load of Calderon</h1>
    <table><tr><th>Month<th>GWh<tr><td>June<td>5012<tr><td>July<td>5718</table>";
const URL: &str = "https://grid.test/load/2025.html";

struct Asked {
    server: TestServer,
    backend: Arc<ScriptedBackend>,
    _folder: tempfile::TempDir,
}

/// A server with two pages of `grid.test` and one of `news.test`.
async fn server(script: impl IntoIterator<Item = Script>) -> Asked {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("grid/load/2025.html", LOAD);
    write("grid/about.md", "# The operator\nCalderon's grid.");
    write("news/calderon.txt", "Experts say that the load of Calderon grows by 15 %.");
    let site = |name: &str| Site {
        folder: folder.path().join(name),
        url: Some(format!("https://{name}.test/").parse().unwrap()),
    };
    let terms = ozone_store::passages::terms;
    let (index, _) =
        Index::open(folder.path().join("index"), vec![site("grid"), site("news")], terms).unwrap();
    let backend = Arc::new(ScriptedBackend::new(script));
    let setup = Setup { web: Some(Arc::new(index)), ..Setup::with_backend(backend.clone()) };
    Asked { server: setup.start().await, backend, _folder: folder }
}

fn calls(name: &str, arguments: Value) -> Script {
    let call = json!({"name": name, "arguments": arguments});
    says(&format!("<think>\nI look.\n</think>\n\n<tool_call>\n{call}\n</tool_call>"))
}

fn body() -> Value {
    json!({"input": "What was the load in June?", "tools": [{"type": "web_search"}]})
}

fn items(response: &Value) -> Vec<Value> {
    let items = response["output"].as_array().unwrap().iter();
    items.filter(|item| item["type"] == "web_search_call").cloned().collect()
}

fn annotations(response: &Value) -> Value {
    response["output"].as_array().unwrap().last().unwrap()["content"][0]["annotations"].clone()
}

#[tokio::test]
async fn the_model_searches_opens_finds_and_cites() {
    let mark = mark_id(URL);
    let answer = format!("Größe: 5012 GWh【{mark}†L5-L6】.");
    let asked = server([
        calls("web_search", json!({"queries": ["load Calderon June GWh"]})),
        calls("web_open", json!({"id": 1})),
        calls("web_find", json!({"pattern": "july"})),
        says(&answer),
    ])
    .await;
    let stream = asked.server.stream(body()).await.sound();
    let names = stream.names().into_iter().filter(|name| name.contains("web_search_call"));
    let once = ["in_progress", "searching", "completed"];
    let expected: Vec<String> =
        once.iter().cycle().take(9).map(|n| format!("response.web_search_call.{n}")).collect();
    assert_eq!(names.collect::<Vec<_>>(), expected);

    let response = stream.last();
    let calls = items(&response);
    let actions: Vec<&Value> = calls.iter().map(|item| &item["action"]).collect();
    assert_eq!(actions[0]["type"], "search");
    assert_eq!(actions[0]["query"], "load Calderon June GWh");
    assert_eq!(actions[0]["sources"][0], json!({"type": "url", "url": URL}));
    assert_eq!(*actions[1], json!({"type": "open_page", "url": URL}));
    assert_eq!(*actions[2], json!({"type": "find_in_page", "url": URL, "pattern": "july"}));
    assert!(calls.iter().all(|item| item["id"].as_str().unwrap().starts_with("ws_")));
    assert!(calls.iter().all(|item| item["status"] == "completed" && item.get("seen").is_none()));

    let text = text_of(&response);
    assert_eq!(text, format!("Größe: 5012 GWh ([grid.test]({URL}))."));
    let cited = &annotations(&response)[0];
    assert_eq!((&cited["type"], &cited["url"]), (&json!("url_citation"), &json!(URL)));
    assert_eq!(cited["title"], "Load 2025");
    let at = |key: &str| cited[key].as_u64().unwrap() as usize;
    let (from, to) = (at("start_index"), at("end_index"));
    let marked: String = text.chars().skip(from).take(to - from).collect();
    assert_eq!(marked, format!("([grid.test]({URL}))"));
    let read = format!("{:?}", asked.backend.requests()[2].turns);
    assert!(read.contains("L5: | June | 5012 |"), "{read}");
}

#[tokio::test]
async fn lines_that_were_not_shown_cannot_be_cited() {
    let (mark, other) = (mark_id(URL), mark_id("https://news.test/calderon.txt"));
    let answer = format!("A【{mark}†L1-L99】 b【{other}†L1】 c【{mark}】 d【{mark}†L1】 【x†y】.");
    let asked = server([
        calls("web_search", json!({"queries": ["Calderon"]})),
        calls("web_open", json!({"url": URL, "lines": 2})),
        says(&answer),
    ])
    .await;
    let response = asked.server.respond(body()).await;
    assert_eq!(text_of(&response), format!("A b c d ([grid.test]({URL})) 【x†y】."));
    assert_eq!(annotations(&response).as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_later_turn_reads_what_was_opened_before() {
    let asked = server([calls("web_open", json!({"url": URL})), says("5012.")]).await;
    let first = asked.server.respond(body()).await;
    let next = json!({"input": "Sure?", "previous_response_id": first["id"]});
    asked.server.respond(next).await;
    let read = format!("{:?}", asked.backend.requests().last().unwrap().turns);
    assert!(read.contains("web_open") && read.contains("L6: | July | 5718 |"), "{read}");
}

#[tokio::test]
async fn mistakes_are_told_to_the_model() {
    let asked = server([
        calls("web_open", json!({"id": "7"})),
        calls("web_open", json!({"url": "https://elsewhere.test/"})),
        calls("web_open", json!({"url": "file:///etc/passwd"})),
        calls("web_find", json!({"pattern": "x"})),
        calls("web_search", json!({})),
        says("I could not look."),
    ])
    .await;
    let response = asked.server.respond(body()).await;
    let statuses: Vec<Value> = items(&response).iter().map(|i| i["status"].clone()).collect();
    assert_eq!(statuses, ["failed"; 5]);
    let read = format!("{:?}", asked.backend.requests().last().unwrap().turns);
    for told in [
        "there is no link 7: search first",
        "https://elsewhere.test/ is not among the pages",
        "file:///etc/passwd is not among the pages",
        "which page?",
        "there is nothing to look for",
    ] {
        assert!(read.contains(told), "{told}: {read}");
    }
}

#[tokio::test]
async fn a_request_may_keep_to_some_domains() {
    let asked = server([
        calls("web_search", json!({"queries": ["Calderon"]})),
        calls("web_open", json!({"url": URL})),
        says("Nothing."),
    ])
    .await;
    let mut body = body();
    body["tools"][0]["filters"] = json!({"allowed_domains": ["news.test"]});
    let response = asked.server.respond(body).await;
    let sources = items(&response)[0]["action"]["sources"].clone();
    assert_eq!(sources, json!([{"type": "url", "url": "https://news.test/calderon.txt"}]));
    let read = format!("{:?}", asked.backend.requests()[2].turns);
    assert!(read.contains("only pages of news.test may"), "{read}");
}

#[tokio::test]
async fn a_wrong_tool_is_refused_and_without_pages_it_is_not_offered() {
    let asked = server([]).await;
    let refused = async |tool: Value| {
        let body = json!({"model": "scripted", "input": "Hi", "tools": tool});
        asked.server.post("/v1/responses", body).await.error()
    };
    let wrong = json!([{"type": "web_search", "search_context_size": "huge"}]);
    assert_eq!(refused(wrong).await, "400 tools[0].search_context_size invalid_value");
    let wrong = json!([{"type": "web_search", "filters": {"allowed_domains": [1]}}]);
    assert_eq!(refused(wrong).await, "400 tools[0].filters.allowed_domains invalid_value");
    let twice = json!([{"type": "web_search"}, {"type": "web_search_preview"}]);
    assert_eq!(refused(twice).await, "400 tools[1] invalid_value");

    let without = TestServer::scripted([says("Hello.")]).await;
    let response = without.respond(body()).await;
    assert_eq!(response["tools"][0]["type"], "web_search");
}
