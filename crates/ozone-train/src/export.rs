//! The trained model in the formats that other engines read: GGUF and a Hugging Face folder.
//!
//! The GGUF format is small enough to be written here: magic, version 3, counts, key-value pairs,
//! tensor table, data aligned to 32 bytes. Names and keys are llama.cpp's for architecture
//! `qwen3`. The head is tied, so there is no `output.weight`.

use std::path::Path;

use half::f16;
use serde_json::json;

use crate::TrainError;
use crate::checkpoint::write_atomically;
use crate::model::{ModelConfig, Parameter, Weights};
use crate::tokenizer::{
    CONTROL_TOKENS, END_OF_TEXT, IM_END, PRE_TOKENIZER_NAME, SPECIAL_TOKENS, Tokenizer,
};

/// What the files say about the model besides its numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelCard {
    /// `general.name`
    pub name: String,
    /// `general.license`, an SPDX expression.
    pub license: String,
    /// Renders messages to the text that the model was trained on (Jinja).
    pub chat_template: String,
}

/// How a GGUF stores matrices. Norms are always F32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GgufType {
    F32,
    F16,
    /// Blocks of 32 with a shared f16 scale: 8.5 bits each.
    Q8_0,
}

/// How `model.safetensors` stores numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HfType {
    F32,
    F16,
}

const ALIGNMENT: usize = 32;
const BLOCK: usize = 32;

/// Writes a GGUF file for llama.cpp and everything that reads its format.
pub fn gguf(
    path: &Path,
    weights: &Weights,
    tokenizer: &Tokenizer,
    card: &ModelCard,
    matrices: GgufType,
) -> Result<(), TrainError> {
    check_vocabulary(weights, tokenizer)?;
    let keys = keys(&weights.config, tokenizer, card, matrices);
    let mut table = Vec::new();
    let mut data = Vec::new();
    for parameter in &weights.parameters {
        let stored = if parameter.shape.len() == 1 { GgufType::F32 } else { matrices };
        put_string(&mut table, &gguf_name(&parameter.name));
        put_u32(&mut table, parameter.shape.len() as u32);
        for &size in parameter.shape.iter().rev() {
            put_u64(&mut table, size as u64);
        }
        put_u32(&mut table, type_number(stored));
        put_u64(&mut table, data.len() as u64);
        put_numbers(&mut data, &parameter.data, stored);
        data.resize(data.len().next_multiple_of(ALIGNMENT), 0);
    }
    let mut file = b"GGUF".to_vec();
    put_u32(&mut file, 3);
    put_u64(&mut file, weights.parameters.len() as u64);
    put_u64(&mut file, keys.count);
    file.extend(keys.bytes);
    file.extend(table);
    file.resize(file.len().next_multiple_of(ALIGNMENT), 0);
    file.extend(data);
    write_atomically(path, &file)
}

/// Writes `config.json`, `model.safetensors`, `tokenizer.json`, `tokenizer_config.json` and
/// `generation_config.json` for transformers (`Qwen3ForCausalLM`).
pub fn hugging_face(
    folder: &Path,
    weights: &Weights,
    tokenizer: &Tokenizer,
    card: &ModelCard,
    numbers: HfType,
) -> Result<(), TrainError> {
    check_vocabulary(weights, tokenizer)?;
    std::fs::create_dir_all(folder).map_err(TrainError::io(folder))?;
    let length = weights.config.max_position_embeddings;
    let texts = [
        ("config.json", hf_config(&weights.config, numbers)),
        ("tokenizer.json", tokenizer.to_json()),
        ("tokenizer_config.json", tokenizer.config_json(&card.chat_template, length)),
        (
            "generation_config.json",
            json!({"eos_token_id": [IM_END, END_OF_TEXT], "pad_token_id": END_OF_TEXT,
                "do_sample": false}),
        ),
    ];
    for (name, value) in texts {
        write_atomically(&folder.join(name), format!("{value:#}\n").as_bytes())?;
    }
    write_atomically(&folder.join("model.safetensors"), &safetensors(weights, numbers))
}

fn check_vocabulary(weights: &Weights, tokenizer: &Tokenizer) -> Result<(), TrainError> {
    let (rows, tokens) = (weights.config.vocab_size, tokenizer.vocab_size());
    if rows == tokens {
        return Ok(());
    }
    Err(TrainError::BadConfig(format!("the model has {rows} tokens, the tokenizer {tokens}")))
}

fn hf_config(config: &ModelConfig, numbers: HfType) -> serde_json::Value {
    let dtype = match numbers {
        HfType::F32 => "float32",
        HfType::F16 => "float16",
    };
    json!({
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "attention_bias": false,
        "attention_dropout": 0.0,
        "bos_token_id": null,
        "eos_token_id": IM_END,
        "pad_token_id": END_OF_TEXT,
        "head_dim": config.head_dim,
        "hidden_act": "silu",
        "hidden_size": config.hidden_size,
        "initializer_range": 0.02,
        "intermediate_size": config.intermediate_size,
        "max_position_embeddings": config.max_position_embeddings,
        "max_window_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads,
        "num_hidden_layers": config.num_hidden_layers,
        "num_key_value_heads": config.num_key_value_heads,
        "rms_norm_eps": config.rms_norm_eps,
        "rope_scaling": null,
        "rope_theta": config.rope_theta,
        "sliding_window": null,
        "tie_word_embeddings": true,
        "torch_dtype": dtype,
        "use_cache": true,
        "use_sliding_window": false,
        "vocab_size": config.vocab_size,
    })
}

/// The safetensors format: header length, JSON header padded to 8 bytes, data.
fn safetensors(weights: &Weights, numbers: HfType) -> Vec<u8> {
    let (name, size, stored) = match numbers {
        HfType::F32 => ("F32", 4, GgufType::F32),
        HfType::F16 => ("F16", 2, GgufType::F16),
    };
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".to_owned(), json!({"format": "pt"}));
    let mut data = Vec::new();
    for Parameter { name: tensor, shape, data: values } in &weights.parameters {
        let offsets = [data.len(), data.len() + values.len() * size];
        let entry = json!({"dtype": name, "shape": shape, "data_offsets": offsets});
        header.insert(tensor.clone(), entry);
        put_numbers(&mut data, values, stored);
    }
    let mut header = serde_json::Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.extend(data);
    file
}

/// llama.cpp's name of a checkpoint's tensor.
fn gguf_name(name: &str) -> String {
    match name {
        "model.embed_tokens.weight" => return "token_embd.weight".to_owned(),
        "model.norm.weight" => return "output_norm.weight".to_owned(),
        _ => {}
    }
    let block = name.replacen("model.layers.", "blk.", 1);
    let pairs = [
        ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "ffn_norm"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.q_norm", "attn_q_norm"),
        ("self_attn.k_norm", "attn_k_norm"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
    ];
    pairs.iter().fold(block, |name, (from, to)| name.replace(from, to))
}

/// Key-value pairs as they are written.
#[derive(Default)]
struct Keys {
    count: u64,
    bytes: Vec<u8>,
}

impl Keys {
    fn key(&mut self, key: &str, kind: u32) {
        self.count += 1;
        put_string(&mut self.bytes, key);
        put_u32(&mut self.bytes, kind);
    }

    fn u32(&mut self, key: &str, value: u32) {
        self.key(key, 4);
        put_u32(&mut self.bytes, value);
    }

    fn f32(&mut self, key: &str, value: f32) {
        self.key(key, 6);
        self.bytes.extend(value.to_le_bytes());
    }

    fn bool(&mut self, key: &str, value: bool) {
        self.key(key, 7);
        self.bytes.push(value.into());
    }

    fn string(&mut self, key: &str, value: &str) {
        self.key(key, 8);
        put_string(&mut self.bytes, value);
    }

    fn strings(&mut self, key: &str, values: &[String]) {
        self.key(key, 9);
        put_u32(&mut self.bytes, 8);
        put_u64(&mut self.bytes, values.len() as u64);
        values.iter().for_each(|value| put_string(&mut self.bytes, value));
    }

    fn i32s(&mut self, key: &str, values: impl ExactSizeIterator<Item = i32>) {
        self.key(key, 9);
        put_u32(&mut self.bytes, 5);
        put_u64(&mut self.bytes, values.len() as u64);
        self.bytes.extend(values.flat_map(i32::to_le_bytes));
    }
}

fn keys(config: &ModelConfig, tokenizer: &Tokenizer, card: &ModelCard, matrices: GgufType) -> Keys {
    let mut keys = Keys::default();
    keys.string("general.architecture", "qwen3");
    keys.string("general.type", "model");
    keys.string("general.name", &card.name);
    keys.string("general.license", &card.license);
    keys.u32("general.quantization_version", 2);
    keys.u32(
        "general.file_type",
        match matrices {
            GgufType::F32 => 0,
            GgufType::F16 => 1,
            GgufType::Q8_0 => 7,
        },
    );
    keys.u32("qwen3.block_count", config.num_hidden_layers as u32);
    keys.u32("qwen3.context_length", config.max_position_embeddings as u32);
    keys.u32("qwen3.embedding_length", config.hidden_size as u32);
    keys.u32("qwen3.feed_forward_length", config.intermediate_size as u32);
    keys.u32("qwen3.attention.head_count", config.num_attention_heads as u32);
    keys.u32("qwen3.attention.head_count_kv", config.num_key_value_heads as u32);
    keys.u32("qwen3.attention.key_length", config.head_dim as u32);
    keys.u32("qwen3.attention.value_length", config.head_dim as u32);
    keys.f32("qwen3.attention.layer_norm_rms_epsilon", config.rms_norm_eps);
    keys.f32("qwen3.rope.freq_base", config.rope_theta);
    keys.u32("qwen3.vocab_size", config.vocab_size as u32);
    keys.string("tokenizer.ggml.model", "gpt2");
    keys.string("tokenizer.ggml.pre", PRE_TOKENIZER_NAME);
    keys.strings("tokenizer.ggml.tokens", &tokenizer.spelled_tokens());
    keys.i32s(
        "tokenizer.ggml.token_type",
        (0..tokenizer.vocab_size()).map(|id| token_type(id, tokenizer)),
    );
    keys.strings("tokenizer.ggml.merges", &tokenizer.spelled_merges());
    keys.u32("tokenizer.ggml.eos_token_id", IM_END);
    keys.u32("tokenizer.ggml.eot_token_id", IM_END);
    keys.u32("tokenizer.ggml.padding_token_id", END_OF_TEXT);
    keys.bool("tokenizer.ggml.add_bos_token", false);
    keys.bool("tokenizer.ggml.add_eos_token", false);
    keys.string("tokenizer.chat_template", &card.chat_template);
    keys
}

/// llama.cpp's kinds of token: 1 normal, 3 control, 4 user-defined, 5 unused.
fn token_type(id: usize, tokenizer: &Tokenizer) -> i32 {
    if id < CONTROL_TOKENS {
        3
    } else if id < SPECIAL_TOKENS.len() {
        4
    } else if id < tokenizer.used() {
        1
    } else {
        5
    }
}

fn type_number(stored: GgufType) -> u32 {
    match stored {
        GgufType::F32 => 0,
        GgufType::F16 => 1,
        GgufType::Q8_0 => 8,
    }
}

fn put_numbers(bytes: &mut Vec<u8>, values: &[f32], stored: GgufType) {
    match stored {
        GgufType::F32 => bytes.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        GgufType::F16 => {
            bytes.extend(values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()));
        }
        GgufType::Q8_0 => values.chunks(BLOCK).for_each(|block| put_q8_0(bytes, block)),
    }
}

/// One block: the scale as f16, then 32 signed bytes (ggml's `quantize_row_q8_0_ref`).
fn put_q8_0(bytes: &mut Vec<u8>, block: &[f32]) {
    let largest = block.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let scale = largest / 127.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    bytes.extend(f16::from_f32(scale).to_le_bytes());
    bytes.extend(block.iter().map(|value| (value * inverse).round() as i8 as u8));
}

fn put_u32(bytes: &mut Vec<u8>, value: u32) {
    bytes.extend(value.to_le_bytes());
}

fn put_u64(bytes: &mut Vec<u8>, value: u64) {
    bytes.extend(value.to_le_bytes());
}

fn put_string(bytes: &mut Vec<u8>, value: &str) {
    put_u64(bytes, value.len() as u64);
    bytes.extend(value.as_bytes());
}
