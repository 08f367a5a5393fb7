//! The fuzz targets on their saved corpus and on seeded mutations of it.

#[path = "../../../../fuzz/bodies/prompt.rs"]
mod bodies;
#[path = "../../../../fuzz/harness.rs"]
mod harness;

#[test]
fn whatever_a_hermes_model_says_is_parsed() {
    harness::run("prompt_hermes", bodies::hermes);
}

#[test]
fn whatever_a_deepseek_model_says_is_parsed() {
    harness::run("prompt_deepseek", bodies::deepseek);
}

#[test]
fn whatever_a_harmony_model_says_is_parsed() {
    harness::run("prompt_harmony", bodies::harmony);
}

#[test]
fn whatever_a_plain_model_says_is_parsed() {
    harness::run("prompt_plain", bodies::plain);
}
