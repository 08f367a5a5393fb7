//! Encoders of pictures (`mmproj`) with random weights, in three ways of projecting.
//!
//! Pixels, patches, layers and projection are those of the true ones, so two pictures give two sets
//! of embeddings; what a model then says of them is noise.

use std::io;
use std::path::Path;

use super::{Tensor, Value, WeightType, write_gguf};

/// From an encoder's embeddings to the language model's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Projection {
    /// LLaVA: pictures of one size, a token per patch.
    Mlp,
    /// Pictures of one size, pooled; their tokens all see each other.
    Gemma3,
    /// Pictures of any size, four patches a token.
    Qwen2Vl,
}

/// The shape of an encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct Eyes {
    pub projection: Projection,
    pub embedding_length: u32,
    pub head_count: u32,
    pub block_count: u32,
    pub feed_forward_length: u32,
    pub image_size: u32,
    pub patch_size: u32,
    /// The language model's `embedding_length`.
    pub model_embedding_length: u32,
    pub seed: u64,
}

impl Eyes {
    /// For [`super::Shape::tiny`]: pictures of 56 by 56 pixels, 16 patches.
    pub fn tiny(projection: Projection) -> Eyes {
        Eyes {
            projection,
            embedding_length: 32,
            head_count: 2,
            block_count: 2,
            feed_forward_length: 64,
            image_size: 56,
            patch_size: 14,
            model_embedding_length: 64,
            seed: 5,
        }
    }

    /// Writes the encoder.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        write_gguf(path, &self.keys(), &self.tensors(), self.seed)
    }

    fn keys(&self) -> Vec<(String, Value)> {
        let kind = match self.projection {
            Projection::Mlp => "mlp",
            Projection::Gemma3 => "gemma3",
            Projection::Qwen2Vl => "qwen2vl_merger",
        };
        let text = |key: &str, value: &str| (key.to_owned(), Value::Text(value.to_owned()));
        let own = |key: &str| format!("clip.vision.{key}");
        let number = |key: &str, n: u32| (own(key), Value::U32(n));
        let mut keys = vec![
            text("general.architecture", "clip"),
            text("general.name", "random eyes"),
            text("clip.projector_type", kind),
            ("clip.has_vision_encoder".to_owned(), Value::Bool(true)),
            ("clip.use_gelu".to_owned(), Value::Bool(true)),
            number("embedding_length", self.embedding_length),
            number("feed_forward_length", self.feed_forward_length),
            number("block_count", self.block_count),
            number("attention.head_count", self.head_count),
            number("projection_dim", self.model_embedding_length),
            number("image_size", self.image_size),
            number("patch_size", self.patch_size),
            (own("attention.layer_norm_epsilon"), Value::F32(1e-5)),
            (own("image_mean"), Value::F32s(vec![0.5; 3])),
            (own("image_std"), Value::F32s(vec![0.25; 3])),
        ];
        if self.projection == Projection::Gemma3 {
            keys.push(number("projector.scale_factor", 2));
        }
        keys
    }

    fn tensors(&self) -> Vec<Tensor> {
        let (d, inner) = (self.embedding_length, self.feed_forward_length);
        let out = self.model_embedding_length;
        let norm = |name: &str, len: u32| Tensor::norm(name.to_owned(), len);
        let matrix = |name: &str, columns: u32, rows: u32| {
            Tensor::matrix(name.to_owned(), columns, rows, WeightType::F32)
        };
        let bias =
            |name: &str, len: u32| Tensor { shape: vec![len.into()], ..matrix(name, len, 1) };
        let patch = u64::from(self.patch_size);
        let patches =
            |name: &str| Tensor { shape: vec![patch, patch, 3, d.into()], ..matrix(name, d, 1) };
        let mut tensors = vec![patches("v.patch_embd.weight")];
        match self.projection {
            Projection::Mlp | Projection::Gemma3 => {
                let side = self.image_size / self.patch_size;
                tensors.push(matrix("v.position_embd.weight", d, side * side));
            }
            Projection::Qwen2Vl => tensors.push(patches("v.patch_embd.weight.1")),
        }
        for layer in 0..self.block_count {
            let name = |part: &str| format!("v.blk.{layer}.{part}");
            for part in ["ln1", "ln2"] {
                tensors.push(norm(&name(&format!("{part}.weight")), d));
                tensors.push(bias(&name(&format!("{part}.bias")), d));
            }
            for part in ["attn_q", "attn_k", "attn_v", "attn_out"] {
                tensors.push(matrix(&name(&format!("{part}.weight")), d, d));
                tensors.push(bias(&name(&format!("{part}.bias")), d));
            }
            tensors.push(matrix(&name("ffn_up.weight"), d, inner));
            tensors.push(bias(&name("ffn_up.bias"), inner));
            tensors.push(matrix(&name("ffn_down.weight"), inner, d));
            tensors.push(bias(&name("ffn_down.bias"), d));
        }
        let joined = if self.projection == Projection::Qwen2Vl { d * 4 } else { d };
        match self.projection {
            Projection::Mlp | Projection::Qwen2Vl => {
                tensors.push(matrix("mm.0.weight", joined, out));
                tensors.push(bias("mm.0.bias", out));
                tensors.push(matrix("mm.2.weight", out, out));
                tensors.push(bias("mm.2.bias", out));
            }
            Projection::Gemma3 => {
                tensors.push(matrix("mm.input_projection.weight", out, d));
                tensors.push(norm("mm.soft_emb_norm.weight", d));
            }
        }
        tensors
    }
}
