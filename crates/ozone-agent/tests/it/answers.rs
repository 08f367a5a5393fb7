//! What is shown of a sample: JSON answers, reasoning and its summaries, code while it is written,
//! logprobs.

use std::sync::Arc;

use ozone_agent::{TextFormat, enqueue};
use ozone_model::Enforces;
use ozone_store::{Journal, MemoryStore, Store};
use ozone_tools::{Step, ToolFile};
use ozone_types::item::Known;
use ozone_types::{Content, EventKind, Fold, Item, ResponseStatus, Summary, Text};
use serde_json::json;

use crate::support::{Manner, Scene, call, prints, says, show};

fn answer_schema(strict: bool) -> TextFormat {
    let schema = json!({
        "type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"],
        "additionalProperties": false
    });
    TextFormat::JsonSchema { name: "n".into(), description: None, schema, strict: Some(strict) }
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_asked_for_again_and_never_shown() {
    let script = [says("It is seven."), says("```json\n{\"n\": 7}\n```")];
    let mut scene = Scene::new(script).await;
    scene.request.text.format = answer_schema(true);
    let response = scene.answer().await;
    assert_eq!(show(&response), "message   {\"n\": 7}\ncompleted");
    assert_eq!(response.text["format"]["type"], "json_schema");
    let requests = scene.backend.requests();
    assert!(requests[0].instructions.as_ref().unwrap().contains("\"integer\""));
    assert!(requests[0].constraints.text.is_some());
    assert!(format!("{:?}", requests[1].turns).contains("it is no JSON"));
    Fold::of(&scene.events().await).unwrap();
}

#[tokio::test]
async fn a_strict_answer_that_never_fits_fails_and_another_is_given_as_it_is() {
    for (strict, status) in [(true, ResponseStatus::Failed), (false, ResponseStatus::Completed)] {
        let mut scene = Scene::new((0..5).map(|_| says("{\"n\": \"seven\"}"))).await;
        scene.request.text.format = answer_schema(strict);
        let response = scene.answer().await;
        assert_eq!(response.status, status);
        assert_eq!(scene.backend.requests().len(), 3);
        assert_eq!(response.output_text().is_empty(), strict);
    }
}

#[tokio::test]
async fn an_answer_whose_form_is_enforced_is_streamed() {
    let mut scene = Scene::new([says("{\"n\": 7}")]).await;
    scene.request.text.format = answer_schema(true);
    scene.manner.enforces = Enforces { text: true, ..Enforces::default() };
    let response = scene.answer().await;
    assert_eq!(response.output_text(), "{\"n\": 7}");
    let events = scene.events().await;
    let deltas = events.iter().filter(|e| e.kind.name() == "response.output_text.delta");
    assert!(deltas.count() > 3);
}

#[tokio::test]
async fn json_mode_may_call_tools_on_the_way() {
    let script = [
        says(&format!("I compute.\n\n{}", call("python", json!({"code": "print(7)"})))),
        says("{\"n\": 7}"),
    ];
    let mut scene = Scene::new(script).await;
    scene.request.text.format = TextFormat::JsonObject;
    let response = scene.run([prints("7")]).await;
    assert_eq!(show(&response), "python    print(7) -> 7\nmessage   {\"n\": 7}\ncompleted");
}

#[tokio::test]
async fn reasoning_that_is_kept_is_nowhere_in_the_stream() {
    let mut scene = Scene::new([says("<think>\nThe secret plan.\n</think>\n\nDone.")]).await;
    scene.request.raw_reasoning = false;
    let response = scene.answer().await;
    assert_eq!(show(&response), "reasoning\nmessage   Done.\ncompleted");
    let stream = serde_json::to_string(&scene.events().await).unwrap();
    assert!(!stream.contains("secret"));
}

#[tokio::test]
async fn a_summary_is_made_of_the_reasonings_own_sentences() {
    let thought = "We need to add 2 and 3. Hmm. The sum is 5, so the answer is 5. Maybe.";
    let mut scene = Scene::new([says(&format!("<think>\n{thought}\n</think>\n\n5"))]).await;
    scene.request.raw_reasoning = false;
    scene.request.summary = Some(Summary::Auto);
    scene.request.sealed_reasoning = true;
    scene.seal = Some(Arc::new(|raw: &str| format!("{} bytes sealed", raw.len())));
    let response = scene.answer().await;
    insta::assert_snapshot!(show(&response), @r"
    reasoning [We need to add 2 and 3. The sum is 5, so the answer is 5.]<69 bytes sealed>
    message   5
    completed
    ");
    insta::assert_snapshot!(scene.event_names().await, @r"
    response.created
    response.in_progress
    response.output_item.added
    response.reasoning_summary_part.added
    response.reasoning_summary_text.delta
    response.reasoning_summary_text.done
    response.reasoning_summary_part.done
    response.output_item.done
    response.output_item.added
    response.content_part.added
    response.output_text.delta
    response.output_text.done
    response.content_part.done
    response.output_item.done
    response.completed
    ");
    assert_eq!(serde_json::to_value(response.reasoning).unwrap()["summary"], "auto");
}

#[tokio::test]
async fn long_reasoning_is_summed_up_while_it_goes_on() {
    let step = "Step by step we compute the next number, so that the result can be checked.\n";
    let thought = step.repeat(120);
    let mut scene = Scene::new([says(&format!("<think>\n{thought}</think>\n\nDone."))]).await;
    scene.request.raw_reasoning = false;
    scene.request.summary = Some(Summary::Detailed);
    let response = scene.answer().await;
    let Item::Known(Known::Reasoning { summary, .. }) = &response.output[0] else { panic!() };
    assert!((5..=16).contains(&summary.len()), "{} parts", summary.len());
    Fold::of(&scene.events().await).unwrap();
}

/// The item opens with the first token of the code, and shows it as it comes.
#[tokio::test]
async fn code_is_seen_while_it_is_written() {
    let code = "print(\"é\\n\" + '😀')\n\tpass";
    let scene = Scene::new([says(&call("python", json!({"code": code}))), says("ok")]).await;
    let response = scene.run([prints("é")]).await;
    let Item::Known(Known::CodeInterpreterCall { code: shown, .. }) = &response.output[0] else {
        panic!("{}", show(&response));
    };
    assert_eq!(shown, code);
    let events = scene.events().await;
    let deltas: Vec<&str> = events
        .iter()
        .filter_map(|e| match &e.kind {
            EventKind::CodeInterpreterCallCodeDelta { delta, .. } => Some(delta.as_str()),
            _ => None,
        })
        .collect();
    assert!(deltas.len() > 10, "{deltas:?}");
    assert_eq!(deltas.concat(), code);
}

/// `serde` takes the last of two equal keys: what is shown must be what runs.
#[tokio::test]
async fn code_that_is_given_twice_does_not_run() {
    let twice = r#"<tool_call>
{"name": "python", "arguments": {"code": "print(1)", "code": "rm()"}}
</tool_call>"#;
    let scene = Scene::new([says(twice), says("Sorry.")]).await;
    let tool = ozone_tools::ScriptedTool::new([]);
    let calls = tool.calls();
    let response = scene.run_with(tool).await;
    assert!(calls.lock().unwrap().is_empty());
    insta::assert_snapshot!(show(&response), @r"
    python    print(1) -> not run: an argument is given twice; give each once (failed)
    message   Sorry.
    completed
    ");
}

#[tokio::test]
async fn what_is_said_behind_a_call_comes_once_the_call_has_run() {
    let text = format!("Before. {} After.", call("python", json!({"code": "print(1)"})));
    let scene = Scene::new([says(&text), says("End.")]).await;
    let response = scene.run([prints("1")]).await;
    insta::assert_snapshot!(show(&response), @r"
    message   Before.
    python    print(1) -> 1
    message   After.
    message   End.
    completed
    ");
    Fold::of(&scene.events().await).unwrap();
}

#[tokio::test]
async fn logprobs_are_those_of_the_answers_tokens() {
    let mut scene = Scene::new([says("<think>\nHi Hi.\n</think>\n\nHi é.")]).await;
    scene.manner = Manner { logprobs: true, ..Manner::default() };
    scene.request.logprobs = true;
    scene.request.sampling.top_logprobs = 2;
    let response = scene.answer().await;
    let Item::Known(Known::Message { content: Text::Parts(parts), .. }) = &response.output[1]
    else {
        panic!()
    };
    let [Content::OutputText { text, logprobs, .. }] = parts.as_slice() else { panic!() };
    let bytes: Vec<u8> = logprobs
        .iter()
        .flat_map(|l| serde_json::from_value::<Vec<u8>>(l["bytes"].clone()).unwrap())
        .collect();
    assert_eq!(String::from_utf8(bytes).unwrap(), *text);
    assert_eq!(logprobs[0]["top_logprobs"].as_array().unwrap().len(), 2);
    let first = "<think>\nHi Hi.\n</think>\n\nH".len();
    assert_eq!(logprobs[0]["logprob"], -(first as f64), "not those of the same word in a thought");
    assert_eq!(response.top_logprobs, 2);
}

#[tokio::test]
async fn an_answer_cites_the_files_that_code_wrote() {
    let script = [
        says(&call("python", json!({"code": "plot()"}))),
        says("Sée [the plot](sandbox:/mnt/data/plot.png), not subplot.png."),
    ];
    let scene = Scene::new(script).await;
    let names = ["plot.png", "other.csv"].map(str::to_owned).to_vec();
    let response = scene.run([Step::Writes("done".into(), names)]).await;
    let Item::Known(Known::Message { content: Text::Parts(parts), .. }) = &response.output[1]
    else {
        panic!()
    };
    let part = serde_json::to_value(&parts[0]).unwrap();
    let text: Vec<char> = part["text"].as_str().unwrap().chars().collect();
    let [citation] = part["annotations"].as_array().unwrap().as_slice() else { panic!("{part}") };
    assert_eq!(citation["type"], "container_file_citation");
    assert_eq!(citation["filename"], "plot.png");
    assert_eq!(citation["file_id"], ToolFile::id("cntr_scripted", "plot.png"));
    let at = |key: &str| citation[key].as_u64().unwrap() as usize;
    let cited: String = text[at("start_index")..at("end_index")].iter().collect();
    assert_eq!(cited, "sandbox:/mnt/data/plot.png");
    assert!(scene.event_names().await.contains("response.output_text.annotation.added"));
    Fold::of(&scene.events().await).unwrap();
}

#[tokio::test]
async fn a_queued_response_is_taken_up_where_it_stands() {
    let mut scene = Scene::new([says("Hello.")]).await;
    scene.request.echo.background = true;
    let mut journal = Journal::open(scene.store.clone(), scene.id.clone()).await.unwrap();
    let queued = enqueue(&mut journal, &scene.request, 5).await.unwrap();
    assert_eq!(queued.status, ResponseStatus::Queued);
    let response = scene.answer().await;
    assert_eq!((response.created_at, response.background), (5, true));
    assert_eq!(response.status, ResponseStatus::Completed);
    let names = scene.event_names().await;
    assert!(names.starts_with("response.created\nresponse.queued\nresponse.in_progress"));
    let store: Arc<MemoryStore> = scene.store.clone();
    let EventKind::InProgress { response } = &store.events(&scene.id, 2, 1).await.unwrap()[0].kind
    else {
        panic!()
    };
    assert_eq!(response.status, ResponseStatus::InProgress);
}
