use std::collections::BTreeMap;
use std::path::Path;

use half::f16;
use ozone_train::export::{GgufType, HfType, ModelCard, gguf, hugging_face};
use ozone_train::model::Weights;
use ozone_train::tokenizer::Tokenizer;

use crate::small;

fn model() -> (Weights, Tokenizer, ModelCard) {
    let card = ModelCard {
        name: "tiny".to_owned(),
        license: "Apache-2.0".to_owned(),
        chat_template: "{{ messages }} ✓".to_owned(),
    };
    let tokenizer = Tokenizer::train(["print(1) print(2) {\"a\": 1}"], 288).unwrap();
    (Weights::init(&small(), 3).unwrap(), tokenizer, card)
}

/// A second, independent reading of the format.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn bytes(&mut self, n: usize) -> &[u8] {
        let (taken, rest) = self.0.split_at(n);
        self.0 = rest;
        taken
    }
    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.bytes(4).try_into().unwrap())
    }
    fn u64(&mut self) -> usize {
        u64::from_le_bytes(self.bytes(8).try_into().unwrap()) as usize
    }
    fn string(&mut self) -> String {
        let n = self.u64();
        String::from_utf8(self.bytes(n).to_vec()).unwrap()
    }
    fn value(&mut self, kind: u32) -> String {
        match kind {
            4 | 5 => self.u32().to_string(),
            6 => f32::from_bits(self.u32()).to_string(),
            7 => (self.bytes(1)[0] == 1).to_string(),
            8 => self.string(),
            9 => {
                let (kind, n) = (self.u32(), self.u64());
                let values: Vec<String> = (0..n).map(|_| self.value(kind)).collect();
                values.join("\u{1f}")
            }
            other => panic!("kind {other}"),
        }
    }
}

struct Tensor {
    shape: Vec<usize>,
    kind: u32,
    data: Vec<f32>,
}

fn read(path: &Path) -> (BTreeMap<String, String>, BTreeMap<String, Tensor>) {
    let file = std::fs::read(path).unwrap();
    let mut reader = Reader(&file);
    assert_eq!(reader.bytes(4), b"GGUF");
    assert_eq!(reader.u32(), 3);
    let (tensors, keys) = (reader.u64(), reader.u64());
    let keys = (0..keys)
        .map(|_| {
            let key = reader.string();
            let kind = reader.u32();
            (key, reader.value(kind))
        })
        .collect();
    let table: Vec<_> = (0..tensors)
        .map(|_| {
            let name = reader.string();
            let dimensions = reader.u32();
            let shape: Vec<usize> = (0..dimensions).map(|_| reader.u64()).collect();
            (name, shape, reader.u32(), reader.u64())
        })
        .collect();
    let start = (file.len() - reader.0.len()).next_multiple_of(32);
    let tensors = table
        .into_iter()
        .map(|(name, shape, kind, offset)| {
            assert_eq!(offset % 32, 0);
            let count: usize = shape.iter().product();
            let data = numbers(&file[start + offset..], kind, count);
            (name, Tensor { shape, kind, data })
        })
        .collect();
    (keys, tensors)
}

fn numbers(bytes: &[u8], kind: u32, count: usize) -> Vec<f32> {
    let half = |bytes: &[u8]| f16::from_le_bytes([bytes[0], bytes[1]]).to_f32();
    match kind {
        0 => bytes[..count * 4]
            .chunks(4)
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
            .collect(),
        1 => bytes[..count * 2].chunks(2).map(half).collect(),
        8 => bytes[..count / 32 * 34]
            .chunks(34)
            .flat_map(|block| {
                let scale = half(block);
                block[2..].iter().map(move |&byte| f32::from(byte as i8) * scale)
            })
            .collect(),
        other => panic!("type {other}"),
    }
}

#[test]
fn a_gguf_says_what_llama_cpp_needs_to_know() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let (weights, tokenizer, card) = model();
    gguf(&path, &weights, &tokenizer, &card, GgufType::F16).unwrap();
    let (keys, tensors) = read(&path);
    for (key, value) in [
        ("general.architecture", "qwen3"),
        ("general.name", "tiny"),
        ("general.license", "Apache-2.0"),
        ("qwen3.block_count", "2"),
        ("qwen3.context_length", "64"),
        ("qwen3.embedding_length", "64"),
        ("qwen3.feed_forward_length", "96"),
        ("qwen3.attention.head_count", "4"),
        ("qwen3.attention.head_count_kv", "2"),
        ("qwen3.attention.key_length", "32"),
        ("qwen3.attention.value_length", "32"),
        ("qwen3.rope.freq_base", "10000"),
        ("tokenizer.ggml.model", "gpt2"),
        ("tokenizer.ggml.pre", "deepseek-coder"),
        ("tokenizer.ggml.eos_token_id", "2"),
        ("tokenizer.chat_template", "{{ messages }} ✓"),
    ] {
        assert_eq!(keys.get(key).map(String::as_str), Some(value), "{key}");
    }
    let list = |key: &str| keys[key].split('\u{1f}').map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(list("tokenizer.ggml.tokens"), tokenizer.spelled_tokens());
    assert_eq!(list("tokenizer.ggml.merges"), tokenizer.spelled_merges());
    let types = list("tokenizer.ggml.token_type");
    assert_eq!(types[..10].join(""), "3334444441");
    assert_eq!(tensors.len(), weights.parameters.len());
    assert!(!tensors.contains_key("output.weight"), "the head is tied");
    assert_eq!(tensors["token_embd.weight"].shape, [64, 288]);
    assert_eq!(tensors["blk.1.attn_k_norm.weight"].kind, 0);
}

#[test]
fn stored_numbers_are_the_weights_within_their_precision() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, tokenizer, card) = model();
    for (stored, kind) in [(GgufType::F32, 0), (GgufType::F16, 1), (GgufType::Q8_0, 8)] {
        let path = folder.path().join("model.gguf");
        gguf(&path, &weights, &tokenizer, &card, stored).unwrap();
        let (_, tensors) = read(&path);
        for (name, parameter) in [("token_embd.weight", 0), ("blk.0.attn_q.weight", 2)] {
            let (tensor, wanted) = (&tensors[name], &weights.parameters[parameter].data);
            assert_eq!(tensor.kind, kind);
            for (block, wanted) in tensor.data.chunks(32).zip(wanted.chunks(32)) {
                let largest = wanted.iter().fold(0.0f32, |a, b| a.max(b.abs()));
                let allowed = match stored {
                    GgufType::F32 => 0.0,
                    GgufType::F16 => largest / 1024.0,
                    GgufType::Q8_0 => largest / 127.0 * 0.56,
                };
                for (got, wanted) in block.iter().zip(wanted) {
                    assert!((got - wanted).abs() <= allowed, "{name}: {got} for {wanted}");
                }
            }
        }
    }
}

#[test]
fn a_hugging_face_folder_holds_shape_weights_tokenizer_and_template() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, tokenizer, card) = model();
    hugging_face(folder.path(), &weights, &tokenizer, &card, HfType::F32).unwrap();
    let json = |name: &str| -> serde_json::Value {
        serde_json::from_str(&std::fs::read_to_string(folder.path().join(name)).unwrap()).unwrap()
    };
    let config = json("config.json");
    assert_eq!(config["model_type"], "qwen3");
    assert_eq!(config["tie_word_embeddings"], true);
    assert_eq!(config["vocab_size"], 288);
    assert_eq!(json("tokenizer_config.json")["chat_template"], card.chat_template);
    assert_eq!(json("generation_config.json")["eos_token_id"][0], 2);
    let loaded = Tokenizer::load(&folder.path().join("tokenizer.json")).unwrap();
    assert_eq!(loaded, tokenizer);

    let file = std::fs::read(folder.path().join("model.safetensors")).unwrap();
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    for parameter in &weights.parameters {
        let entry = &header[&parameter.name];
        assert_eq!(entry["shape"], serde_json::json!(parameter.shape));
        let start = entry["data_offsets"][0].as_u64().unwrap() as usize;
        let data = numbers(&file[8 + length + start..], 0, parameter.data.len());
        assert_eq!(data, parameter.data, "{}", parameter.name);
    }
}

#[test]
fn a_tokenizer_of_another_size_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, _, card) = model();
    let other = Tokenizer::train(["a"], 320).unwrap();
    let path = folder.path().join("model.gguf");
    let error = gguf(&path, &weights, &other, &card, GgufType::F16).unwrap_err().to_string();
    assert_eq!(error, "the model has 288 tokens, the tokenizer 320");
    assert!(!path.exists());
}
