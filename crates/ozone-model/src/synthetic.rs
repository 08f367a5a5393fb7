//! Writes GGUF models of any shape with random weights, for tests and speed measurements.
//!
//! They are true Qwen3 or Qwen2-VL models (what they say is noise), with a byte-level vocabulary that has the
//! chat, thinking and tool tokens of the family. So everything but the quality of an answer can be
//! tried without a download, and speed, which does not depend on what the weights are, measured.

mod eyes;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::Path;

pub use eyes::{Eyes, Projection};

/// How the matrices are stored. Norms are always 32-bit floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightType {
    F32,
    F16,
    Q8_0,
}

/// The architecture of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Qwen3,
    /// Positions of pictures have rows and columns (M-RoPE). Its keys are as long as its width is
    /// by its heads.
    Qwen2Vl,
}

/// The shape of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    pub family: Family,
    pub embedding_length: u32,
    pub block_count: u32,
    pub head_count: u32,
    pub head_count_kv: u32,
    pub key_length: u32,
    pub feed_forward_length: u32,
    pub context_length: u32,
    /// At least [`VOCAB_MIN`]; the rest are tokens that stand for nothing.
    pub vocab: u32,
    /// The output matrix is the embedding matrix.
    pub tied: bool,
    pub weights: WeightType,
    pub chat_template: Option<String>,
    pub seed: u64,
}

impl Shape {
    /// Small enough for tests: some 300,000 parameters.
    pub fn tiny() -> Shape {
        Shape {
            family: Family::Qwen3,
            embedding_length: 64,
            block_count: 2,
            head_count: 4,
            head_count_kv: 2,
            key_length: 32,
            feed_forward_length: 128,
            context_length: 4_096,
            vocab: VOCAB_MIN,
            tied: false,
            weights: WeightType::F32,
            chat_template: None,
            seed: 1,
        }
    }

    /// 20 million parameters, Q8_0: fits in a cache.
    pub fn small() -> Shape {
        Shape {
            family: Family::Qwen3,
            embedding_length: 384,
            block_count: 8,
            head_count: 6,
            head_count_kv: 2,
            key_length: 128,
            feed_forward_length: 1_152,
            context_length: 8_192,
            vocab: 4_096,
            tied: false,
            weights: WeightType::Q8_0,
            chat_template: None,
            seed: 2,
        }
    }

    /// Qwen3-0.6B, Q8_0: 596 million parameters, 634 MB.
    pub fn qwen3_600m() -> Shape {
        Shape {
            family: Family::Qwen3,
            embedding_length: 1_024,
            block_count: 28,
            head_count: 16,
            head_count_kv: 8,
            key_length: 128,
            feed_forward_length: 3_072,
            context_length: 40_960,
            vocab: 151_936,
            tied: true,
            weights: WeightType::Q8_0,
            chat_template: None,
            seed: 3,
        }
    }

    /// The smallest one whose pictures have rows and columns.
    pub fn tiny_mrope() -> Shape {
        Shape { family: Family::Qwen2Vl, key_length: 16, ..Shape::tiny() }
    }

    /// Writes the model.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        write_gguf(path, &self.keys(), &self.tensors(), self.seed)
    }

    fn keys(&self) -> Vec<(String, Value)> {
        let vocab = Vocabulary::new(self.vocab);
        let number = |n: u32| Value::U32(n);
        let family = match self.family {
            Family::Qwen3 => "qwen3",
            Family::Qwen2Vl => "qwen2vl",
        };
        let own = |key: &str| format!("{family}.{key}");
        let mut keys = vec![
            ("general.architecture".to_owned(), Value::Text(family.to_owned())),
            ("general.name".to_owned(), Value::Text("random weights".to_owned())),
            (own("block_count"), number(self.block_count)),
            (own("context_length"), number(self.context_length)),
            (own("embedding_length"), number(self.embedding_length)),
            (own("feed_forward_length"), number(self.feed_forward_length)),
            (own("attention.head_count"), number(self.head_count)),
            (own("attention.head_count_kv"), number(self.head_count_kv)),
            (own("attention.key_length"), number(self.key_length)),
            (own("attention.value_length"), number(self.key_length)),
            (own("attention.layer_norm_rms_epsilon"), Value::F32(1e-6)),
            (own("rope.freq_base"), Value::F32(1_000_000.0)),
            ("tokenizer.ggml.model".to_owned(), Value::Text("gpt2".to_owned())),
            ("tokenizer.ggml.pre".to_owned(), Value::Text("qwen2".to_owned())),
            ("tokenizer.ggml.eos_token_id".to_owned(), number(vocab.id("<|im_end|>"))),
            ("tokenizer.ggml.padding_token_id".to_owned(), number(vocab.id("<|endoftext|>"))),
            ("tokenizer.ggml.add_bos_token".to_owned(), Value::Bool(false)),
            ("tokenizer.ggml.token_type".to_owned(), Value::I32s(vocab.types)),
            ("tokenizer.ggml.merges".to_owned(), Value::Texts(vocab.merges)),
            ("tokenizer.ggml.tokens".to_owned(), Value::Texts(vocab.tokens)),
        ];
        if self.family == Family::Qwen2Vl {
            let pairs = (self.key_length / 2) as i32;
            let (time, row) = (pairs / 4, (pairs - pairs / 4) / 2);
            let sections = vec![time, row, pairs - time - row, 0];
            keys.push((own("rope.dimension_sections"), Value::I32s(sections)));
        }
        if let Some(template) = &self.chat_template {
            keys.push(("tokenizer.chat_template".to_owned(), Value::Text(template.clone())));
        }
        keys
    }

    fn tensors(&self) -> Vec<Tensor> {
        let (d, kinds) = (self.embedding_length, self.weights);
        let (q, kv) = (self.head_count * self.key_length, self.head_count_kv * self.key_length);
        let norm = |name: String, len: u32| Tensor::norm(name, len);
        let matrix =
            |name: String, columns: u32, rows: u32| Tensor::matrix(name, columns, rows, kinds);
        let mut tensors = vec![matrix("token_embd.weight".to_owned(), d, self.vocab)];
        for layer in 0..self.block_count {
            let name = |part: &str| format!("blk.{layer}.{part}.weight");
            tensors.push(norm(name("attn_norm"), d));
            tensors.push(matrix(name("attn_q"), d, q));
            tensors.push(matrix(name("attn_k"), d, kv));
            tensors.push(matrix(name("attn_v"), d, kv));
            if self.family == Family::Qwen3 {
                tensors.push(norm(name("attn_q_norm"), self.key_length));
                tensors.push(norm(name("attn_k_norm"), self.key_length));
            }
            tensors.push(matrix(name("attn_output"), q, d));
            tensors.push(norm(name("ffn_norm"), d));
            tensors.push(matrix(name("ffn_gate"), d, self.feed_forward_length));
            tensors.push(matrix(name("ffn_up"), d, self.feed_forward_length));
            tensors.push(matrix(name("ffn_down"), self.feed_forward_length, d));
        }
        tensors.push(norm("output_norm.weight".to_owned(), d));
        if !self.tied {
            // Control tokens get no weight: answers go on for long, as those of trained models do.
            let first = 256 + MERGES.len() as u64;
            let silent = first..first + CONTROL.len() as u64;
            let output = matrix("output.weight".to_owned(), d, self.vocab);
            tensors.push(Tensor { silent, ..output });
        }
        tensors
    }
}

fn write_gguf(
    path: &Path,
    keys: &[(String, Value)],
    tensors: &[Tensor],
    seed: u64,
) -> io::Result<()> {
    let mut out = Out { inner: BufWriter::with_capacity(1 << 20, File::create(path)?), at: 0 };
    out.put(b"GGUF")?;
    out.put(&3u32.to_le_bytes())?;
    out.put(&(tensors.len() as u64).to_le_bytes())?;
    out.put(&(keys.len() as u64).to_le_bytes())?;
    for (key, value) in keys {
        out.text(key)?;
        value.write(&mut out)?;
    }
    let mut offset = 0u64;
    for tensor in tensors {
        tensor.describe(&mut out, offset)?;
        offset = (offset + tensor.bytes()).next_multiple_of(ALIGNMENT);
    }
    let mut noise = Noise(seed.wrapping_mul(2).wrapping_add(0x9E37_79B9_7F4A_7C15) | 1);
    for tensor in tensors {
        out.align()?;
        tensor.fill(&mut out, &mut noise)?;
    }
    out.align()?;
    out.inner.flush()
}

const ALIGNMENT: u64 = 32;
/// Control tokens of the family, in the order of their ids.
const CONTROL: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
/// Tokens that Qwen3 files mark as "user-defined".
const TAGS: [&str; 6] =
    ["<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"];
/// Pairs that are merged, so that tokenising is more than a table.
const MERGES: [(&str, &str); 8] = [
    ("t", "h"),
    ("th", "e"),
    ("i", "n"),
    ("a", "n"),
    ("Ġ", "the"),
    ("Ġ", "a"),
    ("e", "r"),
    ("o", "n"),
];
/// The smallest vocabulary: bytes, merges, control tokens and tags.
pub const VOCAB_MIN: u32 = 256 + MERGES.len() as u32 + CONTROL.len() as u32 + TAGS.len() as u32;

struct Vocabulary {
    tokens: Vec<String>,
    types: Vec<i32>,
    merges: Vec<String>,
}

impl Vocabulary {
    fn new(len: u32) -> Vocabulary {
        const NORMAL: i32 = 1;
        const CONTROL_TYPE: i32 = 3;
        const USER_DEFINED: i32 = 4;
        const UNUSED: i32 = 5;
        let mut tokens: Vec<String> = byte_letters().map(String::from).collect();
        tokens.extend(MERGES.iter().map(|(a, b)| format!("{a}{b}")));
        let mut types = vec![NORMAL; tokens.len()];
        tokens.extend(CONTROL.map(str::to_owned));
        types.resize(tokens.len(), CONTROL_TYPE);
        tokens.extend(TAGS.map(str::to_owned));
        types.resize(tokens.len(), USER_DEFINED);
        for i in tokens.len()..len as usize {
            tokens.push(format!("[unused{i}]"));
        }
        types.resize(tokens.len(), UNUSED);
        let merges = MERGES.iter().map(|(a, b)| format!("{a} {b}")).collect();
        Vocabulary { tokens, types, merges }
    }

    fn id(&self, text: &str) -> u32 {
        self.tokens.iter().position(|token| token == text).unwrap_or(0) as u32
    }
}

/// The printable letter that stands for each byte in a byte-level vocabulary (GPT-2's table).
fn byte_letters() -> impl Iterator<Item = char> {
    let mut next = 256u32;
    (0..=255u32).filter_map(move |byte| {
        let printable = matches!(byte, 33..=126 | 161..=172 | 174..=255);
        let code = if printable {
            byte
        } else {
            next += 1;
            next - 1
        };
        char::from_u32(code)
    })
}

enum Value {
    U32(u32),
    F32(f32),
    Bool(bool),
    Text(String),
    I32s(Vec<i32>),
    F32s(Vec<f32>),
    Texts(Vec<String>),
}

impl Value {
    fn write(&self, out: &mut Out) -> io::Result<()> {
        match self {
            Value::U32(n) => out.typed(4, &n.to_le_bytes()),
            Value::F32(n) => out.typed(6, &n.to_le_bytes()),
            Value::Bool(b) => out.typed(7, &[u8::from(*b)]),
            Value::Text(text) => {
                out.put(&8u32.to_le_bytes())?;
                out.text(text)
            }
            Value::I32s(numbers) => {
                out.array(5, numbers.len())?;
                numbers.iter().try_for_each(|n| out.put(&n.to_le_bytes()))
            }
            Value::F32s(numbers) => {
                out.array(6, numbers.len())?;
                numbers.iter().try_for_each(|n| out.put(&n.to_le_bytes()))
            }
            Value::Texts(texts) => {
                out.array(8, texts.len())?;
                texts.iter().try_for_each(|text| out.text(text))
            }
        }
    }
}

struct Tensor {
    name: String,
    /// Columns first, as GGUF counts.
    shape: Vec<u64>,
    kind: TensorKind,
    /// Rows that are zero.
    silent: Range<u64>,
}

enum TensorKind {
    /// All ones.
    Norm,
    Matrix(WeightType),
}

impl Tensor {
    fn norm(name: String, len: u32) -> Tensor {
        Tensor { name, shape: vec![len.into()], kind: TensorKind::Norm, silent: 0..0 }
    }

    fn matrix(name: String, columns: u32, rows: u32, weights: WeightType) -> Tensor {
        let shape = vec![columns.into(), rows.into()];
        Tensor { name, shape, kind: TensorKind::Matrix(weights), silent: 0..0 }
    }

    fn elements(&self) -> u64 {
        self.shape.iter().product()
    }

    fn bytes(&self) -> u64 {
        match self.kind {
            TensorKind::Norm | TensorKind::Matrix(WeightType::F32) => self.elements() * 4,
            TensorKind::Matrix(WeightType::F16) => self.elements() * 2,
            TensorKind::Matrix(WeightType::Q8_0) => self.elements() / 32 * 34,
        }
    }

    fn describe(&self, out: &mut Out, offset: u64) -> io::Result<()> {
        out.text(&self.name)?;
        out.put(&(self.shape.len() as u32).to_le_bytes())?;
        for n in &self.shape {
            out.put(&n.to_le_bytes())?;
        }
        let kind: u32 = match self.kind {
            TensorKind::Norm | TensorKind::Matrix(WeightType::F32) => 0,
            TensorKind::Matrix(WeightType::F16) => 1,
            TensorKind::Matrix(WeightType::Q8_0) => 8,
        };
        out.put(&kind.to_le_bytes())?;
        out.put(&offset.to_le_bytes())
    }

    fn fill(&self, out: &mut Out, noise: &mut Noise) -> io::Result<()> {
        // Uniform noise of this half-width keeps the size of activations through a matrix.
        let width = (3.0 / self.shape[0] as f32).sqrt();
        for row in 0..self.elements() / self.shape[0] {
            let width = if self.silent.contains(&row) { 0.0 } else { width };
            self.fill_row(out, noise, width)?;
        }
        Ok(())
    }

    fn fill_row(&self, out: &mut Out, noise: &mut Noise, width: f32) -> io::Result<()> {
        for _ in 0..self.shape[0] / self.block_len() {
            match self.kind {
                TensorKind::Norm => out.put(&1f32.to_le_bytes())?,
                TensorKind::Matrix(WeightType::F32) => {
                    out.put(&(noise.signed() * width).to_le_bytes())?;
                }
                TensorKind::Matrix(WeightType::F16) => {
                    out.put(&half(noise.signed() * width).to_le_bytes())?;
                }
                TensorKind::Matrix(WeightType::Q8_0) => {
                    let mut block = [0u8; 34];
                    block[..2].copy_from_slice(&half(width / 128.0).to_le_bytes());
                    for part in block[2..].chunks_exact_mut(8) {
                        part.copy_from_slice(&noise.next().to_le_bytes());
                    }
                    out.put(&block)?;
                }
            }
        }
        Ok(())
    }

    fn block_len(&self) -> u64 {
        match self.kind {
            TensorKind::Matrix(WeightType::Q8_0) => 32,
            TensorKind::Norm | TensorKind::Matrix(WeightType::F32 | WeightType::F16) => 1,
        }
    }
}

/// A 16-bit float, for numbers that are neither huge nor tiny; the last bit is cut.
fn half(x: f32) -> u16 {
    let bits = x.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    let exponent = (bits >> 23 & 0xFF) as i32 - 127 + 15;
    match exponent {
        1..=30 => sign | (exponent as u16) << 10 | (bits >> 13 & 0x3FF) as u16,
        31.. => sign | 0x7BFF,
        _ => sign,
    }
}

/// xorshift64*: the same file for the same seed, everywhere.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// In `[-1, 1)`.
    fn signed(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

struct Out {
    inner: BufWriter<File>,
    at: u64,
}

impl Out {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.at += bytes.len() as u64;
        self.inner.write_all(bytes)
    }

    fn typed(&mut self, kind: u32, bytes: &[u8]) -> io::Result<()> {
        self.put(&kind.to_le_bytes())?;
        self.put(bytes)
    }

    fn array(&mut self, kind: u32, len: usize) -> io::Result<()> {
        self.put(&9u32.to_le_bytes())?;
        self.put(&kind.to_le_bytes())?;
        self.put(&(len as u64).to_le_bytes())
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        self.put(&(text.len() as u64).to_le_bytes())?;
        self.put(text.as_bytes())
    }

    fn align(&mut self) -> io::Result<()> {
        let padding = self.at.next_multiple_of(ALIGNMENT) - self.at;
        self.put(&[0; ALIGNMENT as usize][..padding as usize])
    }
}
