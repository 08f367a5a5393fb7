//! Reads the header of a GGUF file and refuses damaged ones before llama.cpp sees them.
//!
//! llama.cpp answers many kinds of damage with `abort()`, which would take the whole server down.
//! So the magic, the version, every key, every tensor's place within the file and the few numbers
//! that llama.cpp divides by are checked here first. The weights themselves are not read.
//! Source of the layout: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use super::llama;

/// Limits on what a header may claim, far above any real model.
const KEYS_MAX: u64 = 65_536;
const TENSORS_MAX: u64 = 262_144;
const STRING_BYTES_MAX: u64 = 64 << 20;
const ARRAY_LEN_MAX: u64 = 16 << 20;
const TENSOR_DIMS_MAX: u32 = 4;

/// Why a file is not a model that can be loaded.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it is not a GGUF file (it begins with {0:?}, not \"GGUF\")")]
    Magic(String),
    #[error("it is GGUF version {0}, and only versions 2 and 3 are understood")]
    Version(u32),
    #[error("it ends within {0}: the download or copy is probably incomplete")]
    Truncated(String),
    #[error("its header is damaged: {0}")]
    Damaged(String),
    #[error("it has no {0}, so it is not a language model")]
    Missing(&'static str),
    /// An encoder of pictures was wanted.
    #[error("{0}")]
    NotProjector(String),
}

/// One value of the header. Of an array only what the project reads is kept.
#[derive(Debug, Clone, PartialEq)]
pub enum GgufValue {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
    Text(String),
    /// The array's length; its elements are skipped.
    Array(u64),
}

/// What the header of a GGUF file says.
#[derive(Debug, Clone)]
pub struct GgufHeader {
    pub version: u32,
    pub keys: HashMap<String, GgufValue>,
    pub tensors: usize,
    /// Bytes of all tensors together.
    pub tensor_bytes: u64,
    pub file_bytes: u64,
}

/// A header with what only its checks need.
pub(super) struct Layout {
    pub header: GgufHeader,
    /// GGUF's number for the type of each key's value.
    pub kinds: HashMap<String, u32>,
    pub tensors: HashMap<String, TensorInfo>,
}

pub(super) struct TensorInfo {
    /// ggml's number for the type.
    pub kind: u32,
    /// Columns first.
    pub shape: Vec<u64>,
}

impl Layout {
    /// Reads a header whose places are sound; what is in it is not looked at.
    pub fn read(path: &Path) -> Result<Layout, GgufError> {
        let file = File::open(path)?;
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file").into());
        }
        read_layout(&mut Reader { inner: BufReader::new(file), at: 0, len: meta.len() })
    }
}

impl GgufHeader {
    /// Reads and checks the header of a language model.
    pub fn read(path: &Path) -> Result<GgufHeader, GgufError> {
        let header = Layout::read(path)?.header;
        header.check_model()?;
        Ok(header)
    }

    /// The same for what is no file: `len` bytes.
    pub fn parse(bytes: impl Read, len: u64) -> Result<GgufHeader, GgufError> {
        let header = read_layout(&mut Reader { inner: bytes, at: 0, len })?.header;
        header.check_model()?;
        Ok(header)
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        match self.keys.get(key) {
            Some(GgufValue::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub fn unsigned(&self, key: &str) -> Option<u64> {
        match self.keys.get(key)? {
            GgufValue::Unsigned(n) => Some(*n),
            GgufValue::Signed(n) => u64::try_from(*n).ok(),
            _ => None,
        }
    }

    pub fn architecture(&self) -> &str {
        self.text("general.architecture").unwrap_or("")
    }

    /// `{architecture}.{key}` as a number.
    pub fn arch_unsigned(&self, key: &str) -> Option<u64> {
        self.unsigned(&format!("{}.{key}", self.architecture()))
    }

    fn array_len(&self, key: &str) -> Option<u64> {
        match self.keys.get(key) {
            Some(GgufValue::Array(len)) => Some(*len),
            _ => None,
        }
    }

    /// The facts that llama.cpp relies on without checking.
    fn check_model(&self) -> Result<(), GgufError> {
        let damaged = |text: String| Err(GgufError::Damaged(text));
        if self.architecture().is_empty() {
            return Err(GgufError::Missing("general.architecture"));
        }
        if self.tensors == 0 {
            return Err(GgufError::Missing("tensors"));
        }
        let tokens = match self.array_len("tokenizer.ggml.tokens") {
            Some(n) if n > 0 => n,
            _ => return Err(GgufError::Missing("vocabulary (tokenizer.ggml.tokens)")),
        };
        if self.text("tokenizer.ggml.model").is_none() {
            return Err(GgufError::Missing("tokenizer (tokenizer.ggml.model)"));
        }
        for key in ["tokenizer.ggml.scores", "tokenizer.ggml.token_type"] {
            if self.array_len(key).is_some_and(|n| n != tokens) {
                return damaged(format!("{key} has not one entry for each of {tokens} tokens"));
            }
        }
        for (key, value) in &self.keys {
            if key.starts_with("tokenizer.ggml.")
                && key.ends_with("_token_id")
                && let GgufValue::Unsigned(id) = value
                && *id >= tokens
                && *id != u64::from(u32::MAX)
            {
                return damaged(format!("{key} is {id}, outside of {tokens} tokens"));
            }
        }
        self.check_sizes()
    }

    /// Numbers that llama.cpp divides by, allocates by or shifts by.
    fn check_sizes(&self) -> Result<(), GgufError> {
        let sane: [(&str, u64, u64); 6] = [
            ("block_count", 1, 4_096),
            ("embedding_length", 1, 1 << 20),
            ("context_length", 1, 1 << 31),
            ("attention.head_count", 1, 1 << 16),
            ("attention.head_count_kv", 1, 1 << 16),
            ("expert_count", 0, 1 << 16),
        ];
        for (key, min, max) in sane {
            if let Some(n) = self.arch_unsigned(key)
                && !(min..=max).contains(&n)
            {
                return Err(GgufError::Damaged(format!("{}.{key} is {n}", self.architecture())));
            }
        }
        for key in ["block_count", "embedding_length", "context_length"] {
            let name = format!("{}.{key}", self.architecture());
            if self.keys.contains_key(&name) && self.arch_unsigned(key).is_none() {
                return Err(GgufError::Damaged(format!("{name} is not a whole number")));
            }
        }
        let heads = self.arch_unsigned("attention.head_count");
        if let (Some(heads), Some(kv)) = (heads, self.arch_unsigned("attention.head_count_kv"))
            && heads % kv != 0
        {
            return Err(GgufError::Damaged(format!("{heads} heads do not share {kv} key heads")));
        }
        for key in ["attention.key_length", "attention.value_length"] {
            if let Some(n) = self.arch_unsigned(key)
                && !(1..=65_536).contains(&n)
            {
                return Err(GgufError::Damaged(format!("{}.{key} is {n}", self.architecture())));
            }
        }
        if self.arch_unsigned("attention.key_length").is_none()
            && let (Some(width), Some(heads)) = (self.arch_unsigned("embedding_length"), heads)
            && (width < heads || width % heads != 0)
        {
            let text = format!("a width of {width} does not divide into {heads} heads");
            return Err(GgufError::Damaged(text));
        }
        Ok(())
    }
}

struct Reader<R> {
    inner: R,
    at: u64,
    len: u64,
}

impl<R: Read> Reader<R> {
    fn bytes<const N: usize>(&mut self, what: &str) -> Result<[u8; N], GgufError> {
        let mut buffer = [0; N];
        self.fill(&mut buffer, what)?;
        Ok(buffer)
    }

    fn fill(&mut self, buffer: &mut [u8], what: &str) -> Result<(), GgufError> {
        match self.inner.read_exact(buffer) {
            Ok(()) => {
                self.at += buffer.len() as u64;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(GgufError::Truncated(what.to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn u32(&mut self, what: &str) -> Result<u32, GgufError> {
        Ok(u32::from_le_bytes(self.bytes(what)?))
    }

    fn u64(&mut self, what: &str) -> Result<u64, GgufError> {
        Ok(u64::from_le_bytes(self.bytes(what)?))
    }

    /// A length that must still fit into the file.
    fn len_within(&mut self, max: u64, what: &str) -> Result<u64, GgufError> {
        let len = self.u64(what)?;
        if len > max {
            return Err(GgufError::Damaged(format!("{what} claims a length of {len}")));
        }
        if len > self.len.saturating_sub(self.at) {
            return Err(GgufError::Truncated(what.to_owned()));
        }
        Ok(len)
    }

    fn text(&mut self, what: &str) -> Result<String, GgufError> {
        let len = self.len_within(STRING_BYTES_MAX, what)?;
        let mut buffer = vec![0; len as usize];
        self.fill(&mut buffer, what)?;
        Ok(String::from_utf8_lossy(&buffer).into_owned())
    }

    fn skip(&mut self, len: u64, what: &str) -> Result<(), GgufError> {
        let skipped = io::copy(&mut (&mut self.inner).take(len), &mut io::sink())?;
        self.at += skipped;
        if skipped == len { Ok(()) } else { Err(GgufError::Truncated(what.to_owned())) }
    }

    fn value(&mut self, kind: u32, key: &str) -> Result<GgufValue, GgufError> {
        use GgufValue::{Bool, Float, Signed, Text, Unsigned};
        Ok(match kind {
            0 => Unsigned(u8::from_le_bytes(self.bytes(key)?).into()),
            1 => Signed(i8::from_le_bytes(self.bytes(key)?).into()),
            2 => Unsigned(u16::from_le_bytes(self.bytes(key)?).into()),
            3 => Signed(i16::from_le_bytes(self.bytes(key)?).into()),
            4 => Unsigned(self.u32(key)?.into()),
            5 => Signed(i32::from_le_bytes(self.bytes(key)?).into()),
            6 => Float(f32::from_le_bytes(self.bytes(key)?).into()),
            7 => Bool(u8::from_le_bytes(self.bytes(key)?) != 0),
            8 => Text(self.text(key)?),
            9 => return self.array(key),
            10 => Unsigned(self.u64(key)?),
            11 => Signed(i64::from_le_bytes(self.bytes(key)?)),
            12 => Float(f64::from_le_bytes(self.bytes(key)?)),
            _ => return Err(GgufError::Damaged(format!("`{key}` has the unknown type {kind}"))),
        })
    }

    fn array(&mut self, key: &str) -> Result<GgufValue, GgufError> {
        let kind = self.u32(key)?;
        let len = self.len_within(ARRAY_LEN_MAX, key)?;
        let width = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            10..=12 => 8,
            8 => {
                for _ in 0..len {
                    let bytes = self.len_within(STRING_BYTES_MAX, key)?;
                    self.skip(bytes, key)?;
                }
                return Ok(GgufValue::Array(len));
            }
            _ => {
                let text = format!("`{key}` is an array of the unknown type {kind}");
                return Err(GgufError::Damaged(text));
            }
        };
        self.skip(len * width, key)?;
        Ok(GgufValue::Array(len))
    }
}

fn read_layout<R: Read>(reader: &mut Reader<R>) -> Result<Layout, GgufError> {
    let magic: [u8; 4] = reader.bytes("the first four bytes")?;
    if &magic != b"GGUF" {
        return Err(GgufError::Magic(magic.escape_ascii().to_string()));
    }
    let version = reader.u32("the version")?;
    if !(2..=3).contains(&version) {
        return Err(GgufError::Version(version));
    }
    let tensors = reader.u64("the number of tensors")?;
    let key_count = reader.u64("the number of keys")?;
    if tensors > TENSORS_MAX || key_count > KEYS_MAX {
        let text = format!("it claims {tensors} tensors and {key_count} keys");
        return Err(GgufError::Damaged(text));
    }
    let (mut keys, mut kinds) = (HashMap::new(), HashMap::new());
    for i in 0..key_count {
        let key = reader.text(&format!("key {i}"))?;
        if key.is_empty() {
            return Err(GgufError::Damaged(format!("key {i} has no name")));
        }
        let kind = reader.u32(&key)?;
        let value = reader.value(kind, &key)?;
        if keys.insert(key.clone(), value).is_some() {
            return Err(GgufError::Damaged(format!("`{key}` is there twice")));
        }
        kinds.insert(key, kind);
    }
    let alignment = match keys.get("general.alignment") {
        None => 32,
        Some(GgufValue::Unsigned(n)) if n.is_power_of_two() && *n <= 1 << 20 => *n,
        Some(other) => return Err(GgufError::Damaged(format!("the alignment is {other:?}"))),
    };
    let (infos, tensor_bytes) = read_tensors(reader, tensors, alignment)?;
    let (tensors, file_bytes) = (tensors as usize, reader.len);
    let header = GgufHeader { version, keys, tensors, tensor_bytes, file_bytes };
    Ok(Layout { header, kinds, tensors: infos })
}

/// Checks that every tensor lies within the file. Returns what they are, and the bytes of all of
/// them together.
fn read_tensors<R: Read>(
    reader: &mut Reader<R>,
    count: u64,
    alignment: u64,
) -> Result<(HashMap<String, TensorInfo>, u64), GgufError> {
    let (mut ends, mut infos) = (Vec::new(), HashMap::new());
    let mut bytes_total = 0u64;
    for i in 0..count {
        let name = reader.text(&format!("tensor {i}"))?;
        let dims = reader.u32(&name)?;
        if dims > TENSOR_DIMS_MAX {
            return Err(GgufError::Damaged(format!("tensor `{name}` has {dims} dimensions")));
        }
        let mut shape = Vec::new();
        for _ in 0..dims {
            shape.push(reader.u64(&name)?);
        }
        let kind = reader.u32(&name)?;
        let offset = reader.u64(&name)?;
        let bytes = tensor_bytes(kind, &shape).ok_or_else(|| {
            GgufError::Damaged(format!("tensor `{name}` has type {kind} and shape {shape:?}"))
        })?;
        if offset % alignment != 0 {
            return Err(GgufError::Damaged(format!("tensor `{name}` is not aligned")));
        }
        let end = offset
            .checked_add(bytes)
            .ok_or_else(|| GgufError::Damaged(format!("tensor `{name}` lies nowhere")))?;
        bytes_total = bytes_total.saturating_add(bytes);
        infos.insert(name.clone(), TensorInfo { kind, shape });
        ends.push((end, name));
    }
    let data_start = reader.at.next_multiple_of(alignment);
    for (end, name) in ends {
        if data_start.checked_add(end).is_none_or(|end| end > reader.len) {
            return Err(GgufError::Truncated(format!("tensor `{name}`")));
        }
    }
    Ok((infos, bytes_total))
}

/// Bytes of a tensor, or `None` where type and shape cannot be.
fn tensor_bytes(kind: u32, shape: &[u64]) -> Option<u64> {
    let (block, block_bytes) = llama::tensor_type(kind)?;
    let row = shape.first().copied().unwrap_or(1);
    if row % block != 0 {
        return None;
    }
    let elements = shape.iter().try_fold(1u64, |product, n| product.checked_mul(*n))?;
    (elements / block).checked_mul(block_bytes)
}
