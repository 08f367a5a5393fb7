//! Pictures of tools in the loop: a model with eyes sees them behind the results or in them, the last
//! ones only; one without reads the results alone.

use std::sync::Arc;

use ozone_model::{Delivery, ScriptedBackend, Turn};
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
        Turn::Returned { result: ozone_prompt::Message::ToolResult { output, .. }, images } => {
            Some(format!("{output}: {} {}", images.len(), images[0].media_type))
        }
        Turn::Given(ozone_prompt::Message::ToolResult { output, .. })
            if output.contains("not shown any more") =>
        {
            Some("gone from a result".to_owned())
        }
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
    delivering(script, if sees { Delivery::User } else { Delivery::Text }).await
}

async fn delivering(script: Vec<ozone_model::Script>, delivery: Delivery) -> Scene {
    let mut scene = Scene::new([]).await;
    scene.backend = Arc::new(ScriptedBackend::new(script).that_sees_by(delivery));
    scene
}

#[tokio::test]
async fn where_results_may_hold_pictures_each_result_has_its_own() {
    let script = vec![looks(0..2), looks(2..6), looks(6..14), says("Done.")];
    let scene = delivering(script, Delivery::Tool).await;
    let mut steps: Vec<Step> =
        (0..14).map(|n| Step::Draws(format!("img_{n}"), vec![PNG.to_vec()])).collect();
    steps[1] = Step::Draws("img_1".into(), vec![JPEG.to_vec(), PNG.to_vec()]);
    steps[3] = Step::Prints("nothing to see".into());
    scene.run_tools(scene.store.clone(), tool(steps)).await;
    let requests = scene.backend.requests();
    assert_eq!(turns(&requests[1].turns), ["img_0: 1 image/png", "img_1: 2 image/jpeg"]);
    // Six stay, the newest.
    let later = turns(&requests[2].turns);
    let own =
        ["img_0: 1", "img_1: 2", "img_2: 1", "img_4: 1", "img_5: 1"].map(|s| format!("{s} image/"));
    assert_eq!(later.len(), own.len());
    assert!(later.iter().zip(&own).all(|(seen, own)| seen.starts_with(own.as_str())), "{later:?}");
    let last = turns(&requests[3].turns);
    assert_eq!(last.iter().filter(|seen| *seen == "gone from a result").count(), 5, "{last:?}");
    assert_eq!(last.iter().filter(|seen| seen.contains("image/png")).count(), 6, "{last:?}");
    let told = format!("{:?}", requests[3].turns);
    assert!(told.contains("the first 2 are left out"), "{told}");
}

/// A tool may print what it likes; a model reads no pixels as text.
#[tokio::test]
async fn pictures_that_a_tool_prints_as_base64_are_cut_out_of_its_text() {
    let scene = scene(vec![looks(0..1), says("Done.")], true).await;
    let data = format!("data:image/x-odd;base64,{}", "QUJD".repeat(400));
    let png = format!("{{\"data\": \"iVBORw0KGgo{}==\"}}", "A/+b".repeat(400));
    let hash = "0123456789abcdef".repeat(60);
    let printed = format!("é {data} and {png}, hash {hash}.");
    scene.run_tools(scene.store.clone(), tool(vec![Step::Prints(printed)])).await;
    let turns = scene.backend.requests()[1].turns.clone();
    let Some(Turn::Given(ozone_prompt::Message::ToolResult { output, .. })) = turns.last() else {
        panic!("{turns:?}")
    };
    assert_eq!(
        *output,
        format!(
            "é data:image/x-odd;base64,[a picture of 1200 bytes, not shown as text] and {{\"data\": \
             \"[a picture of 1209 bytes, not shown as text]\"}}, hash {hash}."
        )
    );
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
