//! Pictures of tools in the loop: a model with eyes sees them behind the results, the last ones
//! only; one without reads the results alone.

use std::sync::Arc;

use ozone_model::{ScriptedBackend, Turn};
use ozone_tools::{ScriptedTool, Shown, Step, Tool};
use serde_json::json;

use crate::support::{Scene, call, says};

const PNG: &[u8] = b"\x89PNG of";
const JPEG: &[u8] = b"\xff\xd8\xff JPEG";

fn tool(steps: Vec<Step>) -> Vec<Box<dyn Tool>> {
    let shown = Shown::McpCall { server_label: "image".into(), name: "view".into() };
    vec![Box::new(ScriptedTool::new(steps).shown_as("image_view", shown))]
}

fn looks(at: std::ops::Range<usize>) -> ozone_model::Script {
    let calls: Vec<String> = at.map(|i| call("image_view", json!({"image": i}))).collect();
    says(&format!("<think>\nI look.\n</think>\n\n{}", calls.join("\n")))
}

/// How each turn of a request reads: pictures by their number and first type.
fn turns(turns: &[Turn]) -> Vec<String> {
    let seen = turns.iter().filter_map(|turn| match turn {
        Turn::Shown { images, .. } => Some(format!("{} {}", images.len(), images[0].media_type)),
        Turn::Given(ozone_prompt::Message::User { text })
            if text.contains("not shown any more") =>
        {
            Some("gone".to_owned())
        }
        _ => None,
    });
    seen.collect()
}

async fn scene(script: Vec<ozone_model::Script>, sees: bool) -> Scene {
    let mut scene = Scene::new([]).await;
    let backend = ScriptedBackend::new(script);
    scene.backend = Arc::new(if sees { backend.that_sees() } else { backend });
    scene
}

#[tokio::test]
async fn a_model_with_eyes_sees_what_its_tools_drew() {
    let scene = scene(vec![looks(0..2), says("A cat.")], true).await;
    let steps = vec![
        Step::Draws("img_1".into(), vec![PNG.to_vec()]),
        Step::Draws("img_2".into(), vec![JPEG.to_vec()]),
    ];
    let response = scene.run_tools(scene.store.clone(), tool(steps)).await;
    let read = &scene.backend.requests()[1].turns;
    assert_eq!(turns(read), ["2 image/png"]);
    let Some(Turn::Shown { text, images }) = read.last() else { panic!("{read:?}") };
    assert!(text.contains("in their order"), "{text}");
    assert_eq!((&*images[1].bytes, images[1].media_type.as_str()), (JPEG, "image/jpeg"));
    let said = serde_json::to_string(&response).unwrap();
    assert!(!said.contains("base64"), "{said}");
}

#[tokio::test]
async fn a_model_without_eyes_is_shown_nothing() {
    let scene = scene(vec![looks(0..1), says("It is red.")], false).await;
    let steps = vec![Step::Draws("red".into(), vec![PNG.to_vec()])];
    scene.run_tools(scene.store.clone(), tool(steps)).await;
    assert_eq!(turns(&scene.backend.requests()[1].turns), Vec::<String>::new());
}

#[tokio::test]
async fn only_the_last_pictures_stay() {
    let script = vec![looks(0..3), looks(3..5), looks(5..7), says("Done.")];
    let scene = scene(script, true).await;
    let steps = (0..7).map(|_| Step::Draws("one".into(), vec![PNG.to_vec()])).collect();
    scene.run_tools(scene.store.clone(), tool(steps)).await;
    let requests = scene.backend.requests();
    assert_eq!(turns(&requests[2].turns), ["3 image/png", "2 image/png"]);
    assert_eq!(turns(&requests[3].turns), ["gone", "2 image/png", "2 image/png"]);
}
