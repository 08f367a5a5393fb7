//! What is trained is what is served: the trainer and llama.cpp give the same tokens and logits,
//! and the chat template renders what the trainer rendered.

use std::path::Path;

use ozone_model::engine::{Engine, EngineOptions, GenerateRequest, Generated};
use ozone_model::{LocalBackend, ModelBackend, SampleRequest, Sampling, Turn};
use ozone_prompt::{Message, ToolSpec};
use ozone_tasks::{Call, Generator, Offer, Question, Split, render};
use ozone_train::export::{self, GgufType, ModelCard};
use ozone_train::model::{ModelConfig, Weights};
use ozone_train::tokenizer::Tokenizer;

/// Largest difference of a logprob between burn in f32 and llama.cpp. On the shipped model's shape
/// with random weights; quantised files differ by their rounding.
const TOLERANCE_F32: f32 = 0.01;
const TOLERANCE_F16: f32 = 0.02;
const TOLERANCE_Q8_0: f32 = 0.25;

fn card() -> ModelCard {
    ModelCard {
        name: "ozone-test".into(),
        license: "apache-2.0".into(),
        chat_template: render::CHAT_TEMPLATE.into(),
    }
}

fn texts() -> Vec<String> {
    let generator = Generator::new(Split::Train, 3).unwrap();
    (0..400)
        .map(|i| render::segments(&generator.question(i)).into_iter().map(|s| s.text).collect())
        .collect()
}

#[test]
fn burn_and_llama_cpp_agree_on_tokens_and_logprobs() {
    let texts = texts();
    let tokenizer = Tokenizer::train(texts.iter().map(String::as_str), 1024).unwrap();
    let config = ModelConfig { vocab_size: 1024, ..ModelConfig::default() };
    let weights = Weights::init(&config, 7).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (kind, tolerance) in [
        (GgufType::F32, TOLERANCE_F32),
        (GgufType::F16, TOLERANCE_F16),
        (GgufType::Q8_0, TOLERANCE_Q8_0),
    ] {
        let path = folder.path().join("model.gguf");
        export::gguf(&path, &weights, &tokenizer, &card(), kind).unwrap();
        let engine = Engine::load(&path, EngineOptions::default()).unwrap();
        for text in &texts[..40] {
            assert_eq!(tokenizer.encode(text), engine.vocab().encode(text, true), "{text}");
        }
        let prompt = tokenizer.encode(&texts[0]);
        let mut request = GenerateRequest::new(prompt.clone(), 1);
        request.logprobs = Some(5);
        let mut stream = engine.generate(request).unwrap();
        let token = loop {
            match stream.blocking_next().unwrap().unwrap() {
                Generated::Token(token) => break token,
                _ => continue,
            }
        };
        let logits = weights.logits(&prompt).unwrap().pop().unwrap();
        let max = logits.iter().copied().fold(f32::MIN, f32::max);
        let sum: f32 = logits.iter().map(|l| (l - max).exp()).sum();
        let mut compared = 0;
        for (id, logprob) in &token.top_logprobs {
            let ours = logits[*id as usize] - max - sum.ln();
            assert!((ours - logprob).abs() < tolerance, "{kind:?} {id}: {ours} and {logprob}");
            compared += 1;
        }
        assert_eq!(compared, 5);
    }
}

#[test]
fn traces_are_what_the_template_renders() {
    let shipped =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/ozone-mini/ozone-mini-q8_0.gguf");
    let plain = Generator::new(Split::HeldOut, 5).unwrap();
    let questions: Vec<Question> = (0..200).map(|i| plain.question(i)).collect();
    assert_rendered(Path::new(shipped), &questions);
    // The template of the next export; the shipped file offers one tool, where both are the same.
    let texts = texts();
    let tokenizer = Tokenizer::train(texts.iter().map(String::as_str), 1024).unwrap();
    let config = ModelConfig { vocab_size: 1024, ..ModelConfig::default() };
    let weights = Weights::init(&config, 7).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    export::gguf(&path, &weights, &tokenizer, &card(), GgufType::Q8_0).unwrap();
    let pictures = Generator::pictures(Split::HeldOut, 5).unwrap();
    let pictures = (0..50).map(|i| pictures.question(i));
    let questions: Vec<Question> = questions.into_iter().take(50).chain(pictures).collect();
    assert_rendered(&path, &questions);
}

fn assert_rendered(model: &Path, questions: &[Question]) {
    let backend = LocalBackend::load("ozone-mini", model, EngineOptions::default()).unwrap();
    let vocab = backend.engine().vocab().clone();
    let tool = |name: &str| ToolSpec {
        name: name.to_owned(),
        description: String::new(),
        parameters: serde_json::json!({"type": "object"}),
        grammar: None,
    };
    for question in questions {
        let segments = render::segments(question);
        let images = || ozone_tasks::IMAGE_TOOLS.iter().map(|name| tool(name));
        let tools = match question.offer {
            Offer::Python => vec![tool("python")],
            Offer::Images { python: true } => {
                std::iter::once(tool("python")).chain(images()).collect()
            }
            Offer::Images { python: false } => images().collect(),
            Offer::Nothing => vec![],
        };
        let mut turns = vec![Turn::Given(Message::User { text: question.text.clone() })];
        let mut expected = segments[0].text.clone();
        for (step, pair) in question.steps.iter().zip(segments[1..].chunks(2)) {
            // What the model sampled keeps its ids; what the tool gave is rendered behind it.
            let (name, arguments) = match &step.call {
                Call::Python { code } => {
                    ("python".to_owned(), serde_json::json!({ "code": code }).to_string())
                }
                Call::Image { name, arguments } => (name.clone(), arguments.clone()),
            };
            let call = ozone_prompt::ToolCall { id: "c".into(), name: name.clone(), arguments };
            turns.push(Turn::Sampled {
                ids: vocab.encode(&pair[0].text, true),
                message: Message::Assistant {
                    reasoning: Some(step.think.clone()),
                    text: String::new(),
                    tool_calls: vec![call],
                },
            });
            turns.push(Turn::Given(Message::ToolResult {
                call_id: "c".into(),
                name,
                output: step.output.clone(),
            }));
            expected.push_str(&pair[0].text);
            expected.push_str(&pair[1].text);
        }
        let ids = backend
            .prompt(&SampleRequest {
                key: "k".into(),
                instructions: None,
                turns,
                tools,
                effort: None,
                today: None,
                sampling: Sampling::default(),
                output_tokens_max: 1,
                thinking_tokens_max: None,
                started: vec![],
                cache_key: None,
                constraints: Default::default(),
            })
            .unwrap();
        let text = vocab.decode(&ids);
        assert_eq!(text, expected);
    }
}
