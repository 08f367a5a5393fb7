//! `ozone ask` where the model makes pictures.

use serde_json::json;

use crate::support::{Home, says, stderr, stdout};

fn draws(svg: &str) -> serde_json::Value {
    let svg = serde_json::Value::from(svg);
    let call = format!(
        "<tool_call>\n{{\"name\": \"image_generation\", \"arguments\": {{\"svg\": {svg}, \"title\": \
         \"A lime square\"}}}}\n</tool_call>"
    );
    says(&call)
}

#[test]
fn a_drawing_is_a_file_and_its_line_names_who_drew_it() {
    let broken = "<svg viewBox=\"0 0 9 9\"><rect width=\"9\"></svg>";
    let whole = "<svg width=\"300\" height=\"300\" viewBox=\"0 0 9 9\">\
                 <rect width=\"9\" height=\"9\" fill=\"lime\"/></svg>";
    let home = Home::scripted(json!([draws(broken), draws(whole), says("Drawn.")]), 0);
    let output = home.run(&["ask", "Draw a lime square."]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output), "Drawn.\n");
    let told = stderr(&output);
    assert!(told.contains("not drawn: line 1:"), "{told}");
    assert!(told.contains("A lime square · 300x300, drawn as SVG by scripted"), "{told}");
    let path = told.lines().find_map(|line| line.strip_prefix("file: ")).unwrap();
    let pixels = ozone_image::decode(&std::fs::read(path).unwrap(), &Default::default()).unwrap();
    assert_eq!(pixels.pixels().get_pixel(150, 150).0, [0, 255, 0]);
}

#[test]
fn an_image_model_without_its_key_is_told_before_anything_begins() {
    let home = Home::scripted(json!([says("Hello.")]), 0);
    let config = home.path().join("ozone.toml");
    let mut text = std::fs::read_to_string(&config).unwrap();
    text.push_str(
        "[image_generation]\nbase_url = \"http://127.0.0.1:9/v1\"\nmodel = \"m\"\napi_key_env = \
         \"OZONE_TEST_NO_SUCH_KEY\"\n",
    );
    std::fs::write(&config, text).unwrap();
    let output = home.run(&["ask", "Hello?"]);
    assert!(!output.status.success());
    assert!(stderr(&output).contains("set OZONE_TEST_NO_SUCH_KEY"), "{}", stderr(&output));
}
