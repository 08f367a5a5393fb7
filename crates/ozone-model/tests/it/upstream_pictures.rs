//! Pictures on their way to an upstream: in the ways that it takes, and never as text.

use std::sync::Arc;

use base64::Engine as _;
use ozone_model::upstream::{Api, UpstreamConfig};
use ozone_model::{Delivery, Image, ModelBackend, ModelError, SampleRequest, Sees, Turn};
use ozone_prompt::Message;
use serde_json::json;

use crate::conformance::{ask, sample};
use crate::upstream::{backend, config};
use crate::upstream_dialogs::{self as dialogs, answer};
use crate::upstream_fake::{Fake, Play};

fn image() -> Image {
    let bytes: Vec<u8> = (0..=255).cycle().take(3_000).collect();
    Image { media_type: "image/png".into(), bytes: Arc::from(bytes) }
}

fn url() -> String {
    let data = base64::engine::general_purpose::STANDARD.encode(&image().bytes);
    format!("data:image/png;base64,{data}")
}

fn returned(output: &str) -> SampleRequest {
    let mut request = ask("k", "Look.", 100);
    let (call_id, name) = ("call_1".into(), "image_view".into());
    let result = Message::ToolResult { call_id, name, output: output.into() };
    request.turns.push(Turn::Returned { result, images: vec![image()] });
    request
}

fn seeing(url: &str, pictures: Delivery) -> UpstreamConfig {
    UpstreamConfig { pictures: Some(pictures), ..config(url) }
}

#[tokio::test]
async fn a_result_carries_its_picture_in_the_tools_message() {
    let fake = Fake::always(Play::says(answer("A cat."))).await;
    sample(&backend(seeing(&fake.url, Delivery::Tool)), &returned("img_1")).await.unwrap();
    let message = fake.seen()[0].body["messages"].as_array().unwrap().last().unwrap().clone();
    let picture = json!({"type": "image_url", "image_url": {"url": url()}});
    assert_eq!(
        message,
        json!({"role": "tool", "tool_call_id": "call_1",
               "content": [{"type": "text", "text": "img_1"}, picture]})
    );
}

#[tokio::test]
async fn a_result_carries_its_picture_in_the_output_of_the_call() {
    let fake = Fake::always(Play::says(dialogs::RESPONSES)).await;
    let config = UpstreamConfig { api: Api::Responses, ..seeing(&fake.url, Delivery::Tool) };
    sample(&backend(config), &returned("img_1")).await.unwrap();
    let item = fake.seen()[0].body["input"].as_array().unwrap().last().unwrap().clone();
    let picture = json!({"type": "input_image", "image_url": url(), "detail": "auto"});
    assert_eq!(
        item,
        json!({"type": "function_call_output", "call_id": "call_1",
               "output": [{"type": "input_text", "text": "img_1"}, picture]})
    );
}

/// The last look before the wire: nobody is sent pixels as text, whoever put them there.
#[tokio::test]
async fn pixels_in_a_text_are_not_sent() {
    let fake = Fake::always(Play::says(answer("A cat."))).await;
    for api in [Api::Chat, Api::Responses] {
        let backend = backend(UpstreamConfig { api, ..seeing(&fake.url, Delivery::Tool) });
        for text in [url(), format!("{{\"image\": \"{}\"}}", url())] {
            let refused = sample(&backend, &returned(&text)).await;
            let Err(ModelError::InvalidRequest(why)) = refused else { panic!("{refused:?}") };
            assert!(why.contains("base64"), "{why}");
        }
    }
    assert!(fake.seen().is_empty(), "it was never asked");
}

#[tokio::test]
async fn pictures_go_only_where_they_are_delivered() {
    let fake = Fake::always(Play::says(answer("Nice."))).await;
    let mut shown = ask("k", "Look.", 100);
    shown.turns.push(Turn::Shown { text: "This.".into(), images: vec![image()] });
    let taken = |delivery| {
        let (shown, url) = (shown.clone(), fake.url.clone());
        async move {
            let backend = backend(seeing(&url, delivery));
            let users = sample(&backend, &shown).await.is_ok();
            (users, sample(&backend, &returned("img_1")).await.is_ok())
        }
    };
    assert_eq!(taken(Delivery::Tool).await, (true, true));
    assert_eq!(taken(Delivery::User).await, (true, false));
    assert_eq!(taken(Delivery::Text).await, (false, false));
}

#[test]
fn what_was_written_stands_above_what_was_found() {
    let tool_only = Sees { users: false, results: Delivery::Tool };
    let sees = |pictures, reads_images, found| {
        UpstreamConfig { pictures, reads_images, found, ..config("http://x/v1") }.sees()
    };
    let blind = Some(Sees::from(Delivery::Text));
    assert_eq!(sees(None, None, None), None);
    assert_eq!(sees(None, None, Some(tool_only)), Some(tool_only));
    assert_eq!(sees(None, Some(true), None), Some(Delivery::User.into()));
    assert_eq!(sees(None, Some(true), Some(tool_only)), Some(tool_only));
    assert_eq!(sees(None, Some(true), blind), Some(Delivery::User.into()));
    assert_eq!(sees(None, Some(false), Some(tool_only)), blind);
    assert_eq!(sees(Some(Delivery::Text), Some(true), Some(tool_only)), blind);
    assert_eq!(sees(Some(Delivery::User), Some(false), blind), Some(Delivery::User.into()));
}

#[test]
fn a_backend_learns_once_what_its_model_sees() {
    let unknown = backend(config("http://x/v1"));
    assert!(unknown.must_look());
    assert_eq!((unknown.info().reads_images, unknown.delivery()), (false, Delivery::Text));
    unknown.looked(Delivery::Tool.into());
    unknown.looked(Delivery::Text.into());
    assert_eq!((unknown.info().reads_images, unknown.delivery()), (true, Delivery::Tool));
    assert!(!unknown.must_look());
    assert!(!backend(seeing("http://x/v1", Delivery::Text)).must_look());
}
