//! Searches of files in the loop: what is found is read by the model and cited by its marks, and a
//! killed run cites the same.

use std::sync::Arc;

use ozone_agent::{Request, remembered};
use ozone_store::{Append, Store};
use ozone_tools::file_search::{Searching, mark};
use ozone_tools::{FileSearchTool, Tool};
use ozone_types::item::Known;
use ozone_types::{Annotation, Content, Fold, FoundPassage, Item, Response, Text};
use serde_json::json;

use crate::resume::Recorder;
use crate::support::{Scene, call, says, show};

fn passage(file_id: &str, filename: &str, text: &str) -> FoundPassage {
    FoundPassage {
        file_id: file_id.into(),
        filename: filename.into(),
        score: 0.5,
        attributes: Default::default(),
        text: text.into(),
        page: None,
    }
}

/// Finds one passage for each query, in the file of its name.
fn tool() -> Vec<Box<dyn Tool>> {
    let searcher = |queries: Vec<String>| -> Searching {
        let found = queries.iter().filter(|query| *query != "nothing");
        let found = found.map(|q| passage(&format!("file-{q}"), &format!("{q}.md"), "It is so."));
        let found = found.collect();
        Box::pin(async move { Ok(found) })
    };
    vec![Box::new(FileSearchTool::new(Arc::new(searcher)))]
}

fn searches(queries: &[&str]) -> ozone_model::Script {
    says(&format!(
        "<think>\nI look.\n</think>\n\n{}",
        call("file_search", json!({"queries": queries}))
    ))
}

fn cite(name: &str) -> String {
    mark(&format!("file-{name}"), &format!("{name}.md"), None)
}

/// The text of the last message, and `file@index` of its citations.
fn cited(response: &Response) -> (String, Vec<String>) {
    let Some(Item::Known(Known::Message { content: Text::Parts(parts), .. })) =
        response.output.last()
    else {
        panic!("no message: {}", show(response));
    };
    let Content::OutputText { text, annotations, .. } = &parts[0] else { panic!("no text") };
    let at = |annotation: &Annotation| match annotation {
        Annotation::FileCitation { filename, index, .. } => format!("{filename}@{index}"),
        other => format!("{other:?}"),
    };
    (text.clone(), annotations.iter().map(at).collect())
}

#[tokio::test]
async fn the_model_reads_passages_and_cites_them() {
    let (a, b) = (cite("a"), cite("b"));
    let answer = format!("Größe: 7{a}{b}. 【x†y】 {} and 【{a}【", cite("unknown"));
    let scene = Scene::new([searches(&["a", "b"]), says(&answer)]).await;
    let response = scene.run_tools(scene.store.clone(), tool()).await;
    let unknown = cite("unknown");
    let (text, citations) = cited(&response);
    assert_eq!(text, format!("Größe: 7. 【x†y】 {unknown} and 【【"));
    let last = text.chars().count() - 1;
    assert_eq!(citations, ["a.md@8", "b.md@8", &format!("a.md@{last}")]);
    let read = scene.backend.requests()[1].turns.clone();
    let read = format!("{read:?}");
    assert!(read.contains(&a) && read.contains("It is so."), "{read}");
    Fold::of(&scene.events().await).unwrap();
    insta::assert_snapshot!(show(&response).lines().take(2).collect::<Vec<_>>().join("\n"), @r#"
    reasoning I look.
    search    ["a", "b"] ->
    "#);
}

#[tokio::test]
async fn a_search_for_nothing_is_told_so() {
    let bad = says(&call("file_search", json!({"words": 1})));
    let scene = Scene::new([bad, searches(&["nothing"]), says("Nothing 【1】.")]).await;
    let response = scene.run_tools(scene.store.clone(), tool()).await;
    let turns = format!("{:?}", scene.backend.requests()[2].turns);
    assert!(turns.contains("there is nothing to look for"), "{turns}");
    assert!(turns.contains("No passage fits"), "{turns}");
    assert_eq!(cited(&response), ("Nothing 【1】.".into(), vec![]));
    insta::assert_snapshot!(show(&response), @r#"
    search    [] ->  (failed)
    reasoning I look.
    search    ["nothing"] ->
    message   Nothing 【1】.
    completed
    "#);
}

/// Only pages that were found are cited; of another one the file is.
#[tokio::test]
async fn a_citation_names_the_page() {
    let on_page = |page: Option<u32>| FoundPassage { page, ..passage("file-a", "a.pdf", "So.") };
    let searcher = move |_: Vec<String>| -> Searching {
        let found = vec![on_page(Some(3)), on_page(Some(12))];
        Box::pin(async move { Ok(found) })
    };
    let tools: Vec<Box<dyn Tool>> = vec![Box::new(FileSearchTool::new(Arc::new(searcher)))];
    let of = |page| mark("file-a", "a.pdf", page);
    let answer = format!("So{}{}{}{}", of(Some(12)), of(Some(3)), of(Some(4)), of(None));
    let scene = Scene::new([searches(&["a"]), says(&answer)]).await;
    let response = scene.run_tools(scene.store.clone(), tools).await;
    let Some(Item::Known(Known::Message { content: Text::Parts(parts), .. })) =
        response.output.last()
    else {
        panic!("no message: {}", show(&response));
    };
    let Content::OutputText { text, annotations, .. } = &parts[0] else { panic!("no text") };
    let page = |annotation: &Annotation| match annotation {
        Annotation::FileCitation { page, .. } => *page,
        other => panic!("{other:?}"),
    };
    let pages: Vec<Option<u32>> = annotations.iter().map(page).collect();
    assert_eq!((text.as_str(), pages), ("So", vec![Some(12), Some(3), None, None]));
    let read = format!("{:?}", scene.backend.requests()[1].turns);
    assert!(read.contains(&of(Some(12))), "{read}");
}

/// What an earlier response found can be cited in the next one, though its item does not show it.
#[tokio::test]
async fn a_later_turn_cites_what_was_found_before() {
    let first = Scene::new([searches(&["a"]), says("Yes.")]).await;
    let response = first.run_tools(first.store.clone(), tool()).await;
    let records = first.store.records(&first.id).await.unwrap();
    let mut request = Request::new("scripted", vec![Item::user("And?")], false).unwrap();
    request.earlier = remembered(response.output, records);
    let next = Scene::asking(request, [says(&format!("So{}.", cite("a")))]).await;
    let response = next.run_tools(next.store.clone(), tool()).await;
    assert_eq!(cited(&response), ("So.".into(), vec!["a.md@2".into()]));
    assert!(format!("{:?}", next.backend.requests()[0].turns).contains("It is so."));
}

#[tokio::test]
async fn killed_behind_any_append_it_cites_the_same() {
    let answer = format!("One{} and two{}; 【three", cite("a"), cite("b"));
    let script = [searches(&["a"]), searches(&["b"]), says(&answer)];
    let mut scene = Scene::new(script).await;
    scene.request.search_results = true;
    let recorder = Arc::new(Recorder::default());
    scene.create_in(&*recorder).await;
    let whole = scene.run_tools(recorder.clone(), tool()).await;
    assert_eq!(cited(&whole).1, ["a.md@3", "b.md@11"]);
    let appends: Vec<Append> = recorder.appends();
    assert!(appends.len() > 10, "a test with few places to stop shows little");
    for until in 0..appends.len() {
        let resumed = scene.killed_with(&appends[..until], tool()).await;
        assert_eq!(show(&resumed), show(&whole), "behind append {until}");
        assert_eq!(cited(&resumed), cited(&whole), "behind append {until}");
    }
}
