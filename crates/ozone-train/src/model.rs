//! The Qwen3 shape in burn: embeddings, grouped-query attention with normed queries and keys,
//! rotary positions, SwiGLU, tied head.
//!
//! Names are those of `config.json` and of the checkpoint's tensors, so that export is a copy.
//! Departures from the usual implementation, for speed on few cores: the query heads that share a
//! key head are rows of one matrix product, and the head is computed only where there is loss.
//!
//! Shape letters: B rows of a batch, T positions, D hidden, H query heads, K key heads,
//! G = H / K, E head_dim, V vocabulary.

use std::sync::Arc;

use burn::tensor::{Bool, Device, Int, Tensor, TensorData, activation};
use rand::SeedableRng;
use rand::distr::Distribution;
use serde::{Deserialize, Serialize};

use crate::TrainError;
use crate::fused;
use crate::kernels::{AttentionShape, Credit, Precision, Turns};

/// The shape, in `config.json`'s words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelConfig {
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub num_key_value_heads: usize,
    pub head_dim: usize,
    pub intermediate_size: usize,
    pub vocab_size: usize,
    pub max_position_embeddings: usize,
    pub rope_theta: f32,
    pub rms_norm_eps: f32,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            hidden_size: 256,
            num_hidden_layers: 5,
            num_attention_heads: 4,
            num_key_value_heads: 1,
            head_dim: 128,
            intermediate_size: 512,
            vocab_size: 2048,
            max_position_embeddings: 2048,
            rope_theta: 10_000.0,
            rms_norm_eps: 1e-6,
        }
    }
}

impl ModelConfig {
    /// Says which value cannot work, before any memory is taken.
    pub fn check(&self) -> Result<(), TrainError> {
        let fail = |reason: &str| Err(TrainError::BadConfig(reason.to_owned()));
        let sizes = [
            self.hidden_size,
            self.num_hidden_layers,
            self.num_attention_heads,
            self.num_key_value_heads,
            self.head_dim,
            self.intermediate_size,
            self.vocab_size,
            self.max_position_embeddings,
        ];
        if sizes.contains(&0) {
            return fail("every size of the model has to be at least 1");
        }
        if !self.num_attention_heads.is_multiple_of(self.num_key_value_heads) {
            return fail("num_attention_heads has to be a multiple of num_key_value_heads");
        }
        if !self.head_dim.is_multiple_of(2) {
            return fail("head_dim has to be even: rotary positions turn pairs");
        }
        for size in [self.hidden_size, self.intermediate_size, self.query_size()] {
            if !size.is_multiple_of(32) {
                return fail("row lengths have to be multiples of 32: Q8_0 stores blocks of 32");
            }
        }
        Ok(())
    }

    /// Columns of `o_proj`: all query heads side by side.
    pub fn query_size(&self) -> usize {
        self.num_attention_heads * self.head_dim
    }

    fn key_size(&self) -> usize {
        self.num_key_value_heads * self.head_dim
    }

    /// Name and shape (rows, columns; one number for a norm) of every parameter, in a fixed order.
    pub fn parameter_shapes(&self) -> Vec<(String, Vec<usize>)> {
        let (d, e, ffn) = (self.hidden_size, self.head_dim, self.intermediate_size);
        let mut shapes = vec![("model.embed_tokens.weight".to_owned(), vec![self.vocab_size, d])];
        for layer in 0..self.num_hidden_layers {
            let mut add = |name: &str, shape: Vec<usize>| {
                shapes.push((format!("model.layers.{layer}.{name}.weight"), shape));
            };
            add("input_layernorm", vec![d]);
            add("self_attn.q_proj", vec![self.query_size(), d]);
            add("self_attn.k_proj", vec![self.key_size(), d]);
            add("self_attn.v_proj", vec![self.key_size(), d]);
            add("self_attn.q_norm", vec![e]);
            add("self_attn.k_norm", vec![e]);
            add("self_attn.o_proj", vec![d, self.query_size()]);
            add("post_attention_layernorm", vec![d]);
            add("mlp.gate_proj", vec![ffn, d]);
            add("mlp.up_proj", vec![ffn, d]);
            add("mlp.down_proj", vec![d, ffn]);
        }
        shapes.push(("model.norm.weight".to_owned(), vec![d]));
        shapes
    }
}

/// One tensor of the model, row-major, on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    pub name: String,
    pub shape: Vec<usize>,
    pub data: Vec<f32>,
}

/// All parameters in the order of [`ModelConfig::parameter_shapes`].
///
/// They live on the host: a checkpoint, an export and an optimizer step read them as slices, and
/// copying four million numbers to the device costs a hundredth of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    pub config: ModelConfig,
    pub parameters: Vec<Parameter>,
}

impl Weights {
    /// Norms at 1, matrices normal with deviation 1/sqrt(columns) (halved and divided by
    /// sqrt(2 layers) where they write into the residual), embeddings normal with 0.02.
    pub fn init(config: &ModelConfig, seed: u64) -> Result<Self, TrainError> {
        config.check()?;
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let residual = 0.5 / (2.0 * config.num_hidden_layers as f32).sqrt();
        let parameters = config
            .parameter_shapes()
            .into_iter()
            .map(|(name, shape)| {
                let count = shape.iter().product();
                let data = if shape.len() == 1 {
                    vec![1.0; count]
                } else {
                    let fan_in = 1.0 / (shape[1] as f32).sqrt();
                    let deviation = match name.as_str() {
                        "model.embed_tokens.weight" => 0.02,
                        _ if name.contains("o_proj") || name.contains("down_proj") => {
                            fan_in * residual
                        }
                        _ => fan_in,
                    };
                    (0..count).map(|_| Normal.sample(&mut rng) * deviation).collect()
                };
                Parameter { name, shape, data }
            })
            .collect();
        Ok(Self { config: config.clone(), parameters })
    }

    /// The same function in a larger shape: more layers, a wider feed-forward part, or both.
    ///
    /// New layers are copies of their neighbours that write nothing yet (LLaMA Pro, Wu et al.,
    /// 2024), and new feed-forward units start at random and are read by nobody: the logits stay
    /// what they were (test `a_grown_model_says_the_same`), and training goes on from there.
    pub fn grow(&self, config: &ModelConfig, seed: u64) -> Result<Self, TrainError> {
        let old = &self.config;
        let (layers, width) = (config.num_hidden_layers, config.intermediate_size);
        let kept = ModelConfig {
            num_hidden_layers: layers,
            intermediate_size: width,
            max_position_embeddings: config.max_position_embeddings,
            ..old.clone()
        };
        if kept != *config || layers < old.num_hidden_layers || width < old.intermediate_size {
            return Err(TrainError::BadConfig(
                "a model grows in num_hidden_layers and intermediate_size, and in nothing else"
                    .to_owned(),
            ));
        }
        let mut grown = Self::init(config, seed)?;
        let per_layer = (self.parameters.len() - 2) / old.num_hidden_layers;
        let last = grown.parameters.len() - 1;
        grown.parameters[0].data.clone_from(&self.parameters[0].data);
        grown.parameters[last].data.clone_from(&self.parameters[self.parameters.len() - 1].data);
        let source_of = |layer: usize| layer * old.num_hidden_layers / layers;
        for layer in 0..layers {
            let source = source_of(layer);
            let is_copy = layer > 0 && source_of(layer - 1) == source;
            for place in 0..per_layer {
                let from = &self.parameters[1 + source * per_layer + place];
                let to = &mut grown.parameters[1 + layer * per_layer + place];
                if to.name.ends_with("down_proj.weight") {
                    to.data.fill(0.0);
                    let rows = to.data.chunks_exact_mut(width);
                    for (to, from) in rows.zip(from.data.chunks_exact(old.intermediate_size)) {
                        to[..from.len()].copy_from_slice(from);
                    }
                } else {
                    to.data[..from.data.len()].copy_from_slice(&from.data);
                }
                let writes = ["o_proj.weight", "down_proj.weight"];
                if is_copy && writes.iter().any(|name| to.name.ends_with(name)) {
                    to.data.fill(0.0);
                }
            }
        }
        Ok(grown)
    }

    pub fn count(&self) -> usize {
        self.parameters.iter().map(|parameter| parameter.data.len()).sum()
    }

    /// Logits `(T, V)` after each of `ids`, for comparison with other engines.
    ///
    /// Ids outside the vocabulary are an error, and so are more ids than positions.
    pub fn logits(&self, ids: &[u32]) -> Result<Vec<Vec<f32>>, TrainError> {
        let v = self.config.vocab_size;
        if ids.iter().any(|&id| id as usize >= v) {
            return Err(TrainError::BadConfig(format!("an id is not below {v}")));
        }
        if ids.len() > self.config.max_position_embeddings {
            return Err(TrainError::BadConfig("more ids than positions".to_owned()));
        }
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let device = Device::flex();
        let network = Network::new(self, &device, Pass::Forward);
        let batch = Batch { rows: 1, width: ids.len(), ids: ids.to_vec(), ..Batch::default() };
        let hidden = network.hidden(&batch, &device);
        let logits = to_vec(network.head(hidden));
        Ok(logits.chunks_exact(v).map(<[f32]>::to_vec).collect())
    }

    /// What `batch` teaches. Gradients are of the summed loss times `scale`, so that the parts of a
    /// step can simply be added.
    pub fn learn(&self, batch: &Batch, scale: f32, pass: Pass) -> Lesson {
        let device = Device::flex().autodiff();
        let network = Network::new(self, &device, pass);
        let (loss, logprobs) = network.loss(batch, &device);
        let total = f64::from(to_vec(loss.clone().inner())[0]);
        let mut gradients = (loss * scale).backward();
        let gradients = network.take_gradients(self, &mut gradients);
        Lesson { loss: total, logprobs, gradients }
    }

    /// Logprob of each target of `batch`.
    pub fn logprobs(&self, batch: &Batch) -> Vec<f32> {
        let device = Device::flex();
        Network::new(self, &device, Pass::Forward).loss(batch, &device).1
    }

    /// Sum of the losses of `batch` in nats.
    pub fn loss(&self, batch: &Batch) -> f64 {
        let device = Device::flex();
        let network = Network::new(self, &device, Pass::Forward);
        f64::from(to_vec(network.loss(batch, &device).0)[0])
    }
}

/// What one pass over a batch found out.
#[derive(Clone, Debug, PartialEq)]
pub struct Lesson {
    /// Summed over the targets, in nats.
    pub loss: f64,
    /// Of each target.
    pub logprobs: Vec<f32>,
    /// In the parameters' order.
    pub gradients: Vec<Vec<f32>>,
}

/// A standard normal variate by Box and Muller: all that initialisation needs.
struct Normal;

impl Distribution<f32> for Normal {
    fn sample<R: rand::Rng + ?Sized>(&self, rng: &mut R) -> f32 {
        let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
        (radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()) as f32
    }
}

/// Some rows of equal width, padded at the end with any id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    pub rows: usize,
    pub width: usize,
    /// `(rows, width)`, row-major.
    pub ids: Vec<u32>,
    /// Where there is loss: the flat position whose output is judged, and the token it should be.
    pub targets: Vec<(u32, u32)>,
    /// What each target has earned; empty where each simply counts one.
    pub credits: Vec<Credit>,
}

/// How a pass is computed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Forward only, composed from burn's own operations: any device.
    Forward,
    /// With gradients, composed likewise: any device, and the yardstick for the fused pass.
    Composed,
    /// With gradients, by this crate's kernels: burn's CPU backend.
    Fused(Precision),
}

struct Layer {
    input_layernorm: Tensor<1>,
    q_proj: Tensor<2>,
    k_proj: Tensor<2>,
    v_proj: Tensor<2>,
    q_norm: Tensor<1>,
    k_norm: Tensor<1>,
    o_proj: Tensor<2>,
    post_attention_layernorm: Tensor<1>,
    gate_proj: Tensor<2>,
    up_proj: Tensor<2>,
    down_proj: Tensor<2>,
}

/// The parameters on a device, for one forward and backward pass.
struct Network<'a> {
    config: &'a ModelConfig,
    pass: Pass,
    embed_tokens: Tensor<2>,
    layers: Vec<Layer>,
    norm: Tensor<1>,
}

/// What attention needs to know about positions, once per batch.
struct Positions {
    turns: Arc<Turns>,
    /// `(1, 1, T, E)`
    cos: Tensor<4>,
    /// `(1, 1, T, E)`, the first half negated: turning is `x * cos + swapped(x) * sin`.
    sin: Tensor<4>,
    /// `(1, 1, T, T)`, true where a key is in the future.
    future: Tensor<4, Bool>,
}

impl<'a> Network<'a> {
    fn new(weights: &'a Weights, device: &Device, pass: Pass) -> Self {
        let mut next = weights.parameters.iter();
        let mut parameter = || next.next().expect("weights hold every parameter of their shape");
        let track = pass != Pass::Forward;
        let matrix = |parameter: &Parameter| {
            let data = TensorData::new(parameter.data.clone(), parameter.shape.clone());
            let tensor = Tensor::<2>::from_data(data, device);
            if track { tensor.require_grad() } else { tensor }
        };
        let vector = |parameter: &Parameter| {
            let data = TensorData::new(parameter.data.clone(), parameter.shape.clone());
            let tensor = Tensor::<1>::from_data(data, device);
            if track { tensor.require_grad() } else { tensor }
        };
        let embed_tokens = matrix(parameter());
        let layers = (0..weights.config.num_hidden_layers)
            .map(|_| Layer {
                input_layernorm: vector(parameter()),
                q_proj: matrix(parameter()),
                k_proj: matrix(parameter()),
                v_proj: matrix(parameter()),
                q_norm: vector(parameter()),
                k_norm: vector(parameter()),
                o_proj: matrix(parameter()),
                post_attention_layernorm: vector(parameter()),
                gate_proj: matrix(parameter()),
                up_proj: matrix(parameter()),
                down_proj: matrix(parameter()),
            })
            .collect();
        Self { config: &weights.config, pass, embed_tokens, layers, norm: vector(parameter()) }
    }

    /// Final hidden states `(B*T, D)`, normed.
    fn hidden(&self, batch: &Batch, device: &Device) -> Tensor<2> {
        let positions = self.positions(batch.width, device);
        let ids = indices(batch.ids.iter().copied(), device);
        let mut x = self.embed_tokens.clone().select(0, ids);
        for layer in &self.layers {
            let normed = self.hidden_norm(x.clone(), &layer.input_layernorm);
            x = x + self.attention(layer, normed, batch, &positions);
            let normed = self.hidden_norm(x.clone(), &layer.post_attention_layernorm);
            let gate = self.project(normed.clone(), &layer.gate_proj);
            let up = self.project(normed, &layer.up_proj);
            let mixed = match self.pass {
                Pass::Fused(_) => fused::swiglu(gate, up),
                Pass::Forward | Pass::Composed => activation::silu(gate) * up,
            };
            x = x + self.project(mixed, &layer.down_proj);
        }
        self.hidden_norm(x, &self.norm)
    }

    fn hidden_norm(&self, x: Tensor<2>, weight: &Tensor<1>) -> Tensor<2> {
        match self.pass {
            Pass::Fused(_) => fused::rms_norm(x, weight.clone(), self.config.rms_norm_eps),
            Pass::Forward | Pass::Composed => self.rms_norm(x, weight),
        }
    }

    /// `(B*T, D)` to `(B*T, D)`, looking back within each row.
    fn attention(&self, layer: &Layer, x: Tensor<2>, batch: &Batch, at: &Positions) -> Tensor<2> {
        let (b, t) = (batch.rows, batch.width);
        let (h, k, e) = (
            self.config.num_attention_heads,
            self.config.num_key_value_heads,
            self.config.head_dim,
        );
        let g = h / k;
        if let Pass::Fused(precision) = self.pass {
            let eps = self.config.rms_norm_eps;
            let query = self.project(x.clone(), &layer.q_proj);
            let query = fused::turned_heads(query, layer.q_norm.clone(), eps, &at.turns);
            let key = self.project(x.clone(), &layer.k_proj);
            let key = fused::turned_heads(key, layer.k_norm.clone(), eps, &at.turns);
            let value = self.project(x, &layer.v_proj);
            let shape = AttentionShape { b, t, h, k, e, precision };
            return self.project(fused::attention(query, key, value, shape), &layer.o_proj);
        }
        let heads = |x: Tensor<2>, n: usize| x.reshape([b, t, n, e]);
        let query = self.rms_norm(heads(self.project(x.clone(), &layer.q_proj), h), &layer.q_norm);
        let key = self.rms_norm(heads(self.project(x.clone(), &layer.k_proj), k), &layer.k_norm);
        let value = heads(self.project(x, &layer.v_proj), k);
        // (B, T, H, E) -> (B, H, T, E) -> (B, K, G*T, E)
        let query = self.turn(query.swap_dims(1, 2), at).reshape([b, k, g * t, e]);
        let key = self.turn(key.swap_dims(1, 2), at);
        let scores = query.matmul(key.swap_dims(2, 3)) * (1.0 / (e as f64).sqrt());
        let scores = scores.reshape([b * k, g, t, t]);
        let future = at.future.clone().expand([b * k, g, t, t]);
        let weights = activation::softmax(scores.mask_fill(future, -1e9), 3);
        let mixed = weights.reshape([b, k, g * t, t]).matmul(value.swap_dims(1, 2));
        let mixed = mixed.reshape([b, h, t, e]).swap_dims(1, 2).reshape([b * t, h * e]);
        self.project(mixed, &layer.o_proj)
    }

    /// Rotary positions on `(B, N, T, E)`: each pair `(i, i + E/2)` turned by its position.
    fn turn(&self, x: Tensor<4>, at: &Positions) -> Tensor<4> {
        let e = self.config.head_dim;
        let first = x.clone().slice_dim(3, 0..e / 2);
        let second = x.clone().slice_dim(3, e / 2..e);
        let swapped = Tensor::cat(vec![second, first], 3);
        x * at.cos.clone() + swapped * at.sin.clone()
    }

    fn rms_norm<const N: usize>(&self, x: Tensor<N>, weight: &Tensor<1>) -> Tensor<N> {
        let mean = x.clone().square().mean_dim(N - 1);
        let scale = (mean + f64::from(self.config.rms_norm_eps)).sqrt().recip();
        x * scale * weight.clone().unsqueeze()
    }

    fn head(&self, hidden: Tensor<2>) -> Tensor<2> {
        self.project(hidden, &self.embed_tokens)
    }

    /// `x (N, in)` times the transpose of `weight (out, in)`.
    fn project(&self, x: Tensor<2>, weight: &Tensor<2>) -> Tensor<2> {
        match self.pass {
            Pass::Fused(precision) => fused::linear(x, weight.clone(), precision),
            Pass::Forward | Pass::Composed => x.matmul(weight.clone().transpose()),
        }
    }

    /// Summed cross-entropy `(1)` of the batch's targets by their credits, and each one's logprob.
    fn loss(&self, batch: &Batch, device: &Device) -> (Tensor<1>, Vec<f32>) {
        let at = indices(batch.targets.iter().map(|&(position, _)| position), device);
        let hidden = self.hidden(batch, device).select(0, at);
        let wanted = batch.targets.iter().map(|&(_, token)| token);
        if let Pass::Fused(precision) = self.pass {
            let wanted: Vec<u32> = wanted.collect();
            let embed = self.embed_tokens.clone();
            return fused::head_loss(hidden, embed, &wanted, &batch.credits, precision);
        }
        let wanted = indices(wanted, device);
        let logits = self.head(hidden);
        let chosen = activation::log_softmax(logits, 1).gather(1, wanted.unsqueeze_dim(1));
        let logprobs = to_vec(chosen.clone().detach());
        let weights = batch.credits.iter().zip(&logprobs).map(|(credit, &l)| credit.weight(l));
        let weights: Vec<f32> = weights.collect();
        let counted = match weights.len() {
            0 => chosen,
            n => chosen * Tensor::from_data(TensorData::new(weights, [n, 1]), device),
        };
        (counted.sum().neg(), logprobs)
    }

    fn positions(&self, t: usize, device: &Device) -> Positions {
        let half = self.config.head_dim / 2;
        let (mut cos, mut sin) = (Vec::new(), Vec::new());
        let mut turns = Turns { cos: Vec::new(), sin: Vec::new(), width: t };
        for position in 0..t {
            let angles = (0..half).map(|pair| {
                let turns = -(pair as f64) / half as f64;
                position as f64 * f64::from(self.config.rope_theta).powf(turns)
            });
            let angles: Vec<f64> = angles.collect();
            turns.cos.extend(angles.iter().map(|angle| angle.cos() as f32));
            turns.sin.extend(angles.iter().map(|angle| angle.sin() as f32));
            cos.extend(angles.iter().chain(&angles).map(|angle| angle.cos() as f32));
            sin.extend(angles.iter().map(|angle| -angle.sin() as f32));
            sin.extend(angles.iter().map(|angle| angle.sin() as f32));
        }
        let shape = [1, 1, t, self.config.head_dim];
        let future: Vec<bool> =
            (0..t).flat_map(|query| (0..t).map(move |key| key > query)).collect();
        let inner = device.clone().without_autodiff();
        let tensor = |data: Vec<f32>| Tensor::from_data(TensorData::new(data, shape), &inner);
        Positions {
            turns: Arc::new(turns),
            cos: tensor(cos),
            sin: tensor(sin),
            future: Tensor::from_data(TensorData::new(future, [1, 1, t, t]), &inner),
        }
    }

    /// Gradients in the parameters' order; a parameter without one has zeros.
    fn take_gradients(
        &self,
        weights: &Weights,
        gradients: &mut burn::tensor::Gradients,
    ) -> Vec<Vec<f32>> {
        let mut all = vec![self.embed_tokens.grad_remove(gradients).map(to_vec)];
        for layer in &self.layers {
            let mut matrix = |tensor: &Tensor<2>| tensor.grad_remove(gradients).map(to_vec);
            let (q, k, v) = (matrix(&layer.q_proj), matrix(&layer.k_proj), matrix(&layer.v_proj));
            let o = matrix(&layer.o_proj);
            let (gate, up) = (matrix(&layer.gate_proj), matrix(&layer.up_proj));
            let down = matrix(&layer.down_proj);
            let mut vector = |tensor: &Tensor<1>| tensor.grad_remove(gradients).map(to_vec);
            let input = vector(&layer.input_layernorm);
            let (q_norm, k_norm) = (vector(&layer.q_norm), vector(&layer.k_norm));
            let post = vector(&layer.post_attention_layernorm);
            all.extend([input, q, k, v, q_norm, k_norm, o, post, gate, up, down]);
        }
        all.push(self.norm.grad_remove(gradients).map(to_vec));
        all.into_iter()
            .zip(&weights.parameters)
            .map(|(gradient, parameter)| {
                gradient.unwrap_or_else(|| vec![0.0; parameter.data.len()])
            })
            .collect()
    }
}

fn indices(values: impl Iterator<Item = u32>, device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = values.map(i64::from).collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

fn to_vec<const N: usize>(tensor: Tensor<N>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("the device computes in f32")
}
