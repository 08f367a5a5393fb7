//! `ozone models probe`, and what follows from it for questions with pictures.

use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ozone_sight::Card;
use serde_json::{Value, json};

use crate::serve::Serving;
use crate::support::{Home, object, stderr, stdout};

// Not every test here needs all of what it can play.
#[allow(dead_code)]
#[path = "../../../ozone-sight/tests/it/fake.rs"]
mod fake;
#[path = "../../../ozone-sight/tests/it/reader.rs"]
mod reader;

use fake::{Eyes, Fake, Hand};

const REL1000: Hand = Hand::Within([1000.0; 2], 0.004);

fn home(fake: &Fake, more: &str) -> Home {
    let home = Home::new();
    let url = &fake.url;
    let config = format!(
        "default_model = \"vision\"\n[[model]]\nid = \"vision\"\nbackend = \"upstream\"\nbase_url = \
         \"{url}\"\nmodel = \"m\"\ncontext_window = 100000\n{more}\n"
    );
    std::fs::write(home.path().join("ozone.toml"), config).unwrap();
    home
}

/// How `ozone models --json` has the model.
fn listed(home: &Home) -> Value {
    object(&home.run(&["models", "--json"]))["data"][1].clone()
}

/// Whose messages of a request hold pictures.
fn pictured(body: &Value) -> Vec<&str> {
    let messages = body["messages"].as_array().unwrap().iter();
    let has = |message: &&Value| message.to_string().contains("data:image/");
    messages.filter(has).filter_map(|message| message["role"].as_str()).collect()
}

#[test]
fn a_probe_is_told_stored_and_listed() {
    let fake = Fake::start(Eyes::OfUsers, REL1000);
    let home = home(&fake, "");
    assert_eq!(listed(&home)["sight"]["pictures"], "unknown");
    assert!(!home.path().join("data").exists(), "a list makes nothing");

    let output = home.run(&["models", "probe", "vision"]);
    let table = stdout(&output);
    assert!(output.status.success(), "{table}{}", stderr(&output));
    for part in ["tool's message", "not read: it said `none`", "pictures: user", "places: rel1000"]
    {
        assert!(table.contains(part), "{part}: {table}");
    }
    let probed = object(&home.run(&["models", "probe", "vision", "--json"]));
    assert_eq!(probed["pictures"]["sees"], json!({"users": true, "results": "user"}));
    assert_eq!(probed["places"]["coords"], "rel1000");
    assert_eq!(probed["cost"]["calls"], 4);

    let model = listed(&home);
    let now = json!({"pictures": "user", "pictures_by": "probe", "coords": "rel1000"});
    assert_eq!(model["sight"], now);
    assert_eq!(model["found"]["pictures"], probed["pictures"]);
    for args in [&["models"][..], &["doctor"]] {
        let text = stdout(&home.run(args));
        assert!(text.contains("pictures user (probed 20") && text.contains("rel1000"), "{text}");
    }
    home.run(&["models", "probe", "vision", "--forget"]);
    assert_eq!(listed(&home)["sight"]["pictures"], "unknown");
}

#[test]
fn the_first_picture_tries_the_model_and_the_second_does_not() {
    let fake = Fake::start(Eyes::Open, REL1000);
    let home = home(&fake, "");
    let card = Card::draw("K7XM4T", 1);
    std::fs::write(home.path().join("card.png"), &card.png).unwrap();
    let ask = ["ask", "--no-tools", "-i", "card.png", "What is the code?"];
    for trials in [4, 0] {
        let before = fake.bodies().len();
        let output = home.run(&ask);
        assert!(stdout(&output).contains("K7XM4T"), "{}{}", stdout(&output), stderr(&output));
        let bodies = fake.bodies();
        assert_eq!(bodies.len() - before, trials + 1);
        assert_eq!(pictured(bodies.last().unwrap()), ["user"]);
        assert_eq!(stderr(&output).contains("`vision` was tried: tool"), trials > 0);
    }
    assert_eq!(listed(&home)["sight"]["coords"], "rel1000");
}

#[test]
fn a_model_that_turns_out_to_be_blind_is_asked_without_pictures() {
    let fake = Fake::start(Eyes::Refusing, REL1000);
    let home = home(&fake, "");
    std::fs::write(home.path().join("card.png"), Card::of_seed(1).png).unwrap();
    let output = home.run(&["ask", "-i", "card.png", "What is it?"]);
    assert!(stdout(&output).contains("a receipt"), "{}{}", stdout(&output), stderr(&output));
    let bodies = fake.bodies();
    assert_eq!(bodies.len(), 4, "three cards, no board, and the question");
    assert_eq!(pictured(&bodies[3]), Vec::<&str>::new());
    let text = bodies[3].to_string();
    assert!(text.contains("You cannot see pictures") && text.contains("image_ocr"), "{text}");
    assert_eq!(listed(&home)["sight"]["pictures"], "text");
}

#[test]
fn the_configuration_stands_above_what_was_found() {
    let fake = Fake::start(Eyes::Open, REL1000);
    let home = home(&fake, "pictures = \"text\"\ncoords = \"px_file\"");
    let table = stdout(&home.run(&["models", "probe", "vision"]));
    assert!(table.contains("pictures go by `text`"), "{table}");
    assert!(table.contains("places are in `px_file`"), "{table}");
    let now = json!({"pictures": "text", "pictures_by": "configuration", "coords": "px_file"});
    assert_eq!(listed(&home)["sight"], now);
}

#[test]
fn boxes_that_fit_nowhere_leave_the_convention_as_it_was() {
    let fake = Fake::start(Eyes::Open, Hand::Nonsense);
    let home = home(&fake, "");
    let output = home.run(&["models", "probe", "vision"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("stays as it was"), "{}", stderr(&output));
    let model = listed(&home);
    assert_eq!(model["sight"]["pictures"], "tool");
    assert_eq!(
        (&model["sight"]["coords"], &model["found"]["places"]),
        (&json!("px_seen"), &Value::Null)
    );
}

#[test]
fn what_cannot_be_probed_is_told() {
    let home = home(&Fake::start(Eyes::Gone, REL1000), "limits = { retries_max = 0 }");
    let output = home.run(&["models", "probe", "vision"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("nothing was found out or changed"), "{}", stderr(&output));
    assert_eq!(listed(&home)["found"], json!({"pictures": null, "places": null}));
    let output = home.run(&["models", "probe", "ozone-mini"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("upstreams are probed"), "{}", stderr(&output));
}

/// Stopped or killed in the middle, a trial leaves what was known before.
#[test]
fn a_trial_that_is_cut_stores_nothing() {
    for (signal, code) in [("-KILL", None), ("-INT", Some(130))] {
        let fake = Fake::start(Eyes::Hanging, REL1000);
        let home = home(&fake, "");
        let mut command = home.command(&["models", "probe", "vision"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // The code as text was read, and the card hangs.
        while fake.bodies().len() < 2 {
            assert_eq!(child.try_wait().unwrap(), None, "it ended by itself");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let pid = child.id().to_string();
        assert!(
            std::process::Command::new("kill").args([signal, &pid]).status().unwrap().success()
        );
        assert_eq!(child.wait().unwrap().code(), code);
        assert_eq!(listed(&home)["found"], json!({"pictures": null, "places": null}));
    }
}

#[test]
fn a_server_looks_at_the_first_picture_that_comes_to_it() {
    let fake = Fake::start(Eyes::OfUsers, REL1000);
    let home = home(&fake, "");
    let serving = Serving::start(&home, &["-m", "vision"]);
    let model = || serving.send("GET", "/v1/models/vision", "").1;
    assert_eq!((&model()["pictures"], &model()["coords"]), (&json!("unknown"), &json!("px_seen")));
    let card = Card::draw("K7XM4T", 1);
    let url = format!("data:image/png;base64,{}", STANDARD.encode(&card.png));
    let asked = |content: Value| {
        let input = json!([{"role": "user", "content": content}]);
        let (status, response) =
            serving.post("/v1/responses", &json!({"model": "vision", "input": input}));
        assert_eq!(status, 200, "{response}");
        response.to_string()
    };
    asked(json!("Hello."));
    assert_eq!(fake.bodies().len(), 1, "words alone try nobody");
    let picture = json!([{"type": "input_text", "text": "What is the code?"},
                         {"type": "input_image", "image_url": url}]);
    for bodies in [1 + 4 + 1, 1 + 4 + 2] {
        assert!(asked(picture.clone()).contains("K7XM4T"));
        assert_eq!(fake.bodies().len(), bodies);
    }
    assert_eq!((&model()["pictures"], &model()["coords"]), (&json!("user"), &json!("rel1000")));
    drop(serving);
    assert_eq!(listed(&home)["sight"]["pictures"], "user");
}
