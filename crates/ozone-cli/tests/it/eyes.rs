//! A GGUF file with eyes, from the command line to the server: pictures that a question brings are
//! seen, counted and told of.

use base64::Engine as _;
use ozone_image::{Rgb, RgbImage, encode};
use ozone_model::synthetic::{Eyes, Projection, Shape};
use serde_json::{Value, json};

use crate::serve::Serving;
use crate::support::{Home, object, stderr, stdout};

/// Tokens of any picture for [`Projection::Mlp`].
const PICTURE_TOKENS: u64 = 16;

/// A home with `model.gguf`, `eyes.gguf` and two pictures.
fn home() -> Home {
    let home = Home::new();
    Shape::tiny().write(&home.path().join("model.gguf")).unwrap();
    Eyes::tiny(Projection::Mlp).write(&home.path().join("eyes.gguf")).unwrap();
    for (name, red) in [("a.png", 200), ("b.png", 20)] {
        std::fs::write(home.path().join(name), picture(red)).unwrap();
    }
    home
}

fn picture(red: u8) -> Vec<u8> {
    let pixels = RgbImage::from_fn(80, 60, |x, y| Rgb([red, (x * 3) as u8, (y * 4) as u8]));
    encode::png(&pixels).unwrap()
}

fn configured(home: &Home) {
    let entry = "default_model = \"seer\"\n[[model]]\nid = \"seer\"\nbackend = \"local\"\n\
                 path = \"model.gguf\"\nmmproj = \"eyes.gguf\"\n";
    std::fs::write(home.path().join("ozone.toml"), entry).unwrap();
}

fn ask(home: &Home, more: &[&str]) -> Value {
    let args = ["ask", "--json", "--no-tools", "--max-output-tokens", "12", "-e", "none"];
    let output = home.run(&[&args[..], more, &["What is it?"]].concat());
    let response = object(&output);
    assert!(response["usage"].is_object(), "{response} {}", stderr(&output));
    response
}

fn input_tokens(response: &Value) -> u64 {
    response["usage"]["input_tokens"].as_u64().unwrap()
}

#[test]
fn a_question_with_a_picture_is_seen() {
    let home = home();
    let model = ["-m", "model.gguf", "--mmproj", "eyes.gguf"];
    let asked = |images: &[&str]| ask(&home, &[&model[..], images].concat());
    let (blind, a) = (asked(&[]), asked(&["-i", "a.png"]));
    let (b, both) = (asked(&["-i", "b.png"]), asked(&["-i", "a.png", "-i", "b.png"]));
    assert!(input_tokens(&a) >= input_tokens(&blind) + PICTURE_TOKENS, "{a}");
    assert_eq!(input_tokens(&a), input_tokens(&b));
    assert!(input_tokens(&both) >= input_tokens(&a) + PICTURE_TOKENS, "{both}");
}

#[test]
fn an_input_image_reaches_a_local_model_through_the_server() {
    let home = home();
    configured(&home);
    let serving = Serving::start(&home, &["-m", "seer"]);
    let respond = |pictures: &[u8]| {
        let url = |red: &u8| {
            let data = base64::engine::general_purpose::STANDARD.encode(picture(*red));
            json!({"type": "input_image", "image_url": format!("data:image/png;base64,{data}")})
        };
        let text = json!({"type": "input_text", "text": "What is it?"});
        let content: Vec<Value> = [text].into_iter().chain(pictures.iter().map(url)).collect();
        let body = json!({"model": "seer", "max_output_tokens": 16, "temperature": 0,
                          "input": [{"role": "user", "content": content}]});
        let (status, response) = serving.post("/v1/responses", &body);
        assert_eq!(status, 200, "{response}");
        response
    };
    let (blind, a, b) = (respond(&[]), respond(&[200]), respond(&[20]));
    assert_eq!(input_tokens(&a), input_tokens(&blind) + PICTURE_TOKENS, "{a}");
    assert_eq!(input_tokens(&respond(&[200, 20])), input_tokens(&blind) + 2 * PICTURE_TOKENS);
    assert_eq!(input_tokens(&a), input_tokens(&b));
    let cached = |response: &Value| {
        response["usage"]["input_tokens_details"]["cached_tokens"].as_u64().unwrap()
    };
    assert!(cached(&b) < input_tokens(&a) - PICTURE_TOKENS, "another picture is computed: {b}");
    let again = respond(&[200]);
    assert_eq!(cached(&again), input_tokens(&a) - 1, "the same picture is not computed again");
    let (_, models) = serving.send("GET", "/v1/models", "");
    assert!(models.to_string().contains("\"image\""), "{models}");
}

#[test]
fn who_sees_is_told_where_models_are_listed() {
    let home = home();
    configured(&home);
    let list = stdout(&home.run(&["models"]));
    assert!(list.contains("model.gguf, sees pictures"), "{list}");
    let list: Value = serde_json::from_str(&stdout(&home.run(&["models", "--json"]))).unwrap();
    assert_eq!(list["data"][1]["sight"]["pictures"], "user", "{list}");
    let doctor = stdout(&home.run(&["doctor"]));
    assert!(doctor.contains("seer") && doctor.contains("sees pictures"), "{doctor}");
}

#[test]
fn eyes_that_do_not_fit_are_refused_in_one_line() {
    let home = home();
    let wide = Eyes { model_embedding_length: 96, ..Eyes::tiny(Projection::Mlp) };
    wide.write(&home.path().join("wide.gguf")).unwrap();
    std::fs::write(
        home.path().join("ozone.toml"),
        "[[model]]\nid = \"told\"\nbackend = \"scripted\"\npath = \"x\"\n",
    )
    .unwrap();
    let refused = |args: &[&str]| {
        let output = home.run(&[&["ask"][..], args, &["What?"]].concat());
        assert!(!output.status.success() && output.stdout.is_empty(), "{}", stdout(&output));
        stderr(&output).lines().last().unwrap_or_default().to_owned()
    };
    let line = refused(&["-m", "model.gguf", "--mmproj", "wide.gguf", "-i", "a.png"]);
    for part in ["wide.gguf", "model.gguf", "96 numbers", "published beside the model"] {
        assert!(line.contains(part), "{line}");
    }
    let line = refused(&["-m", "model.gguf", "--mmproj", "model.gguf"]);
    assert!(line.contains("no mmproj"), "{line}");
    let line = refused(&["-m", "told", "--mmproj", "eyes.gguf"]);
    assert!(line.contains("--mmproj is for a GGUF file"), "{line}");
    let line = refused(&["-m", "model.gguf", "--no-tools", "-i", "a.png"]);
    assert!(line.contains("cannot see") || line.contains("picture"), "{line}");
    let output = home.run(&["serve", "-m", "model.gguf", "-m", "told", "--mmproj", "eyes.gguf"]);
    assert!(stderr(&output).contains("--mmproj belongs to one model"), "{}", stderr(&output));
}
