//! Looks at pages in the loop: a killed run reads and cites the same.

use std::sync::Arc;

use ozone_agent::{Request, remembered};
use ozone_store::passages::terms;
use ozone_store::{Append, Store};
use ozone_tools::Tool;
use ozone_tools::web::{self, Web, WebOptions};
use ozone_types::{Item, Response};
use ozone_web::{Index, Site, mark_id};
use serde_json::{Value, json};

use crate::resume::Recorder;
use crate::support::{Scene, call, says, show};

const URL: &str = "https://grid.test/load.md";

fn pages(folder: &std::path::Path) -> Arc<Web> {
    let kept = folder.join("pages");
    std::fs::create_dir_all(&kept).unwrap();
    std::fs::write(kept.join("load.md"), "# Load\nJune: 5012 GWh\nJuly: 5718 GWh").unwrap();
    let site = Site { folder: kept, url: Some("https://grid.test/".parse().unwrap()) };
    let (index, _) = Index::open(folder.join("index"), vec![site], terms).unwrap();
    Arc::new(Web { index: Some(Arc::new(index)), ..Web::default() })
}

fn looks(name: &str, arguments: serde_json::Value) -> ozone_model::Script {
    says(&format!("<think>\nI look.\n</think>\n\n{}", call(name, arguments)))
}

fn last_content(response: &Response) -> Value {
    let output = serde_json::to_value(response).unwrap()["output"].clone();
    output.as_array().unwrap().last().unwrap()["content"].clone()
}

/// Also where the later one has no tools.
#[tokio::test]
async fn a_later_turn_cites_what_was_opened_before() {
    let folder = tempfile::tempdir().unwrap();
    let tools = web::tools(&pages(folder.path()), &WebOptions::default());
    let first = Scene::new([looks("web_open", json!({"url": URL})), says("5012.")]).await;
    let response = first.run_tools(first.store.clone(), tools).await;
    let records = first.store.records(&first.id).await.unwrap();
    let mut request = Request::new("scripted", vec![Item::user("Sure?")], false).unwrap();
    request.earlier = remembered(response.output, records);
    let answer = format!("Yes【{}†L2】.", mark_id(URL));
    let next = Scene::asking(request, [says(&answer)]).await;
    let response = next.run_tools(next.store.clone(), vec![]).await;
    let content = last_content(&response);
    assert_eq!(content[0]["text"], format!("Yes ([grid.test]({URL}))."));
    assert_eq!(content[0]["annotations"][0]["title"], "Load");
    assert!(format!("{:?}", next.backend.requests()[0].turns).contains("L2: June: 5012 GWh"));
}

#[tokio::test]
async fn killed_behind_any_append_it_cites_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let pages = pages(folder.path());
    let tools = || -> Vec<Box<dyn Tool>> { web::tools(&pages, &WebOptions::default()) };
    let mark = mark_id(URL);
    let scene = Scene::new([
        looks("web_search", json!({"queries": ["load in June"]})),
        looks("web_open", json!({"id": mark, "lines": 2})),
        looks("web_find", json!({"id": mark, "pattern": "nothing of it"})),
        says(&format!("5012【{mark}†L2】, not【{mark}†L3】; 【three")),
    ])
    .await;
    let recorder = Arc::new(Recorder::default());
    scene.create_in(&*recorder).await;
    let whole = scene.run_tools(recorder.clone(), tools()).await;
    insta::assert_snapshot!(show(&whole).replace("reasoning I look.\n", ""), @r#"
    web       {"type":"search","queries":["load in June"],"query":"load in June","sources":[{"type":"url","url":"https://grid.test/load.md"}]}
    web       {"type":"open_page","url":"https://grid.test/load.md"}
    web       {"type":"find_in_page","url":"https://grid.test/load.md","pattern":"nothing of it"}
    message   5012 ([grid.test](https://grid.test/load.md)), not; 【three
    completed
    "#);
    let appends: Vec<Append> = recorder.appends();
    assert!(appends.len() > 10, "a test with few places to stop shows little");
    for until in 0..appends.len() {
        let resumed = scene.killed_with(&appends[..until], tools()).await;
        assert_eq!(show(&resumed), show(&whole), "behind append {until}");
        assert_eq!(last_content(&resumed), last_content(&whole), "behind append {until}");
    }
}
