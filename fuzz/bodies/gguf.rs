//! The header of a GGUF file: anybody's, and llama.cpp aborts on many that are damaged.

use ozone_model::engine::GgufHeader;

pub fn gguf(data: &[u8]) {
    let _ = GgufHeader::parse(data, data.len() as u64);
}
