//! The model's inner loops on slices, each forward pass with its backward pass beside it.
//!
//! Composed from tensor operations, a norm or a softmax passes over memory five to ten times, and
//! on a CPU that cost as much as all matrix products. Here each is one pass, compiled for the
//! processor's widest vectors at run time (`pulp`). Test `fused_gradients_are_burns` compares
//! them with burn's own differentiation of the composed forms.
//!
//! Shape letters as in [`crate::model`]; all matrices are row-major.

#![allow(
    clippy::needless_range_loop,
    reason = "several slices are walked side by side, and by index the formula can be read"
)]

use pulp::Arch;
use serde::{Deserialize, Serialize};

/// Query rows of attention that are computed together. What lies in their future is not computed.
const QUERY_ROWS: usize = 64;
/// Rows of logits that are alive at a time.
const LOGIT_ROWS: usize = 256;
const LANES: usize = 16;

/// A strided matrix inside a slice.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) row_stride: usize,
    pub(crate) column_stride: usize,
}

impl<'a> View<'a> {
    /// `rows` rows of `columns` numbers from `start`, `row_stride` apart.
    pub fn new(
        data: &'a [f32],
        start: usize,
        rows: usize,
        columns: usize,
        row_stride: usize,
    ) -> Self {
        let data = &data[start..];
        assert!(rows > 0 && columns > 0 && (rows - 1) * row_stride + columns <= data.len());
        Self { data, rows, columns, row_stride, column_stride: 1 }
    }

    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// Where a product goes: rows `row_stride` apart from `start`.
pub struct Target<'a> {
    pub data: &'a mut [f32],
    pub start: usize,
    pub row_stride: usize,
}

/// What happens to the numbers that are already at the target.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Write {
    Replace,
    Add,
}

/// How the factors of matrix products are rounded. Sums, weights and everything else have 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    F32,
    /// bfloat16 where the processor has instructions for it, else as `F32`.
    Bf16,
}

impl Precision {
    /// The fastest that the processor has instructions for.
    pub fn fastest() -> Self {
        if has_bf16() { Self::Bf16 } else { Self::F32 }
    }
}

#[cfg(target_arch = "x86_64")]
fn has_bf16() -> bool {
    crate::bf16::is_supported()
}

#[cfg(not(target_arch = "x86_64"))]
fn has_bf16() -> bool {
    false
}

/// `target = scale * left * right`, or added to it.
pub fn product(
    precision: Precision,
    target: Target<'_>,
    write: Write,
    left: View<'_>,
    right: View<'_>,
    scale: f32,
) {
    let (m, n) = (left.rows, right.columns);
    assert_eq!(left.columns, right.rows, "inner sizes");
    let room = target.data.len() - target.start;
    assert!(target.row_stride >= n && (m - 1) * target.row_stride + n <= room);
    #[cfg(target_arch = "x86_64")]
    if precision == Precision::Bf16 && has_bf16() {
        return crate::bf16::product(target, write, left, right, scale);
    }
    product_f32(target, write, left, right, scale);
}

#[expect(unsafe_code, reason = "the gemm crate takes pointers")]
fn product_f32(target: Target<'_>, write: Write, left: View<'_>, right: View<'_>, scale: f32) {
    let (m, n, k) = (left.rows, right.columns, left.columns);
    let place = &mut target.data[target.start..];
    // SAFETY: `View::new` and `product`'s assertion keep every index of the three matrices inside
    // its slice, and the target is borrowed mutably, so it overlaps neither of the others.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            place.as_mut_ptr(),
            1,
            target.row_stride as isize,
            write == Write::Add,
            left.data.as_ptr(),
            left.column_stride as isize,
            left.row_stride as isize,
            right.data.as_ptr(),
            right.column_stride as isize,
            right.row_stride as isize,
            1.0f32,
            scale,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// `exp` to about one part in ten million, in a form that becomes vector code (Cephes).
#[inline(always)]
fn exp(x: f32) -> f32 {
    /// 1.5 * 2^23: adding it leaves the rounded number in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = p * r + coefficient;
    }
    (p * r * r + r + 1.0) * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

/// Sum of `f` over the places of `n`, in sixteen partial sums.
#[inline(always)]
fn sum(n: usize, f: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let whole = n / LANES * LANES;
    for start in (0..whole).step_by(LANES) {
        for (lane, sum) in lanes.iter_mut().enumerate() {
            *sum += f(start + lane);
        }
    }
    lanes.iter().sum::<f32>() + (whole..n).map(f).sum::<f32>()
}

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let b = &b[..a.len()];
    sum(a.len(), |i| a[i] * b[i])
}

/// Each row of `x (N, D)` over its root mean square, times `weight (D)`; and `1/rms (N)`.
pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32) -> (Vec<f32>, Vec<f32>) {
    let d = weight.len();
    let mut y = vec![0.0; x.len()];
    let mut inverse = vec![0.0; x.len() / d];
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let rows = x.chunks_exact(d).zip(y.chunks_exact_mut(d)).zip(&mut inverse);
            for ((x, y), inverse) in rows {
                *inverse = 1.0 / (dot(x, x) / d as f32 + eps).sqrt();
                for i in 0..d {
                    y[i] = x[i] * *inverse * weight[i];
                }
            }
        },
    );
    (y, inverse)
}

/// Gradients of [`rms_norm`] by `x` and by `weight`.
pub fn rms_norm_backward(
    x: &[f32],
    weight: &[f32],
    inverse: &[f32],
    grad: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    let d = weight.len();
    let mut grad_x = vec![0.0; x.len()];
    let mut grad_weight = vec![0.0; d];
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let rows = x.chunks_exact(d).zip(grad.chunks_exact(d)).zip(inverse);
            for (((x, grad), &inverse), grad_x) in rows.zip(grad_x.chunks_exact_mut(d)) {
                norm_row_backward(x, weight, inverse, grad, grad_x, &mut grad_weight);
            }
        },
    );
    (grad_x, grad_weight)
}

#[inline(always)]
fn norm_row_backward(
    x: &[f32],
    weight: &[f32],
    inverse: f32,
    grad: &[f32],
    grad_x: &mut [f32],
    grad_weight: &mut [f32],
) {
    let d = weight.len();
    let (x, grad) = (&x[..d], &grad[..d]);
    let (grad_x, grad_weight) = (&mut grad_x[..d], &mut grad_weight[..d]);
    let along = sum(d, |i| grad[i] * weight[i] * x[i]) / d as f32 * inverse * inverse;
    for i in 0..d {
        grad_x[i] = inverse * (grad[i] * weight[i] - x[i] * along);
        grad_weight[i] += grad[i] * x[i] * inverse;
    }
}

/// Cosines and sines `(T, E/2)` of the rotary positions.
#[derive(Clone, Debug)]
pub struct Turns {
    pub cos: Vec<f32>,
    pub sin: Vec<f32>,
    pub width: usize,
}

/// Norms each head of `x (B*T, N*E)` and turns it by its position; and `1/rms (B*T*N)`.
pub fn turned_heads(
    x: &[f32],
    weight: &[f32],
    eps: f32,
    n: usize,
    at: &Turns,
) -> (Vec<f32>, Vec<f32>) {
    let (e, half) = (weight.len(), weight.len() / 2);
    let mut y = vec![0.0; x.len()];
    let mut inverse = vec![0.0; x.len() / e];
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let heads = x.chunks_exact(e).zip(y.chunks_exact_mut(e)).zip(&mut inverse);
            for (head, ((x, y), inverse)) in heads.enumerate() {
                let t = head / n % at.width * half;
                let (cos, sin) = (&at.cos[t..t + half], &at.sin[t..t + half]);
                *inverse = 1.0 / (dot(x, x) / e as f32 + eps).sqrt();
                let (first, second) = y.split_at_mut(half);
                for i in 0..half {
                    let a = x[i] * *inverse * weight[i];
                    let b = x[i + half] * *inverse * weight[i + half];
                    first[i] = a * cos[i] - b * sin[i];
                    second[i] = b * cos[i] + a * sin[i];
                }
            }
        },
    );
    (y, inverse)
}

/// Gradients of [`turned_heads`] by `x` and by `weight`.
pub fn turned_heads_backward(
    x: &[f32],
    weight: &[f32],
    inverse: &[f32],
    n: usize,
    at: &Turns,
    grad: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    let (e, half) = (weight.len(), weight.len() / 2);
    let mut grad_x = vec![0.0; x.len()];
    let mut grad_weight = vec![0.0; e];
    let mut back = vec![0.0; e];
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let heads = x.chunks_exact(e).zip(grad.chunks_exact(e)).zip(inverse);
            let heads = heads.zip(grad_x.chunks_exact_mut(e)).enumerate();
            for (head, (((x, grad), &inverse), grad_x)) in heads {
                let t = head / n % at.width * half;
                let (cos, sin) = (&at.cos[t..t + half], &at.sin[t..t + half]);
                let (first, second) = back.split_at_mut(half);
                for i in 0..half {
                    first[i] = grad[i] * cos[i] + grad[i + half] * sin[i];
                    second[i] = grad[i + half] * cos[i] - grad[i] * sin[i];
                }
                norm_row_backward(x, weight, inverse, &back, grad_x, &mut grad_weight);
            }
        },
    );
    (grad_x, grad_weight)
}

/// `silu(gate) * up`
pub fn swiglu(gate: &[f32], up: &[f32]) -> Vec<f32> {
    let mut y = vec![0.0; gate.len()];
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for ((y, gate), up) in y.iter_mut().zip(gate).zip(up) {
                *y = gate * up / (1.0 + exp(-gate));
            }
        },
    );
    y
}

/// Gradients of [`swiglu`] by `gate` and by `up`.
pub fn swiglu_backward(gate: &[f32], up: &[f32], grad: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let mut grad_gate = vec![0.0; gate.len()];
    let mut grad_up = vec![0.0; gate.len()];
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let inputs = gate.iter().zip(up).zip(grad);
            let outputs = grad_gate.iter_mut().zip(&mut grad_up);
            for (((gate, up), grad), (grad_gate, grad_up)) in inputs.zip(outputs) {
                let sigmoid = 1.0 / (1.0 + exp(-gate));
                *grad_up = grad * gate * sigmoid;
                *grad_gate = grad * up * sigmoid * (1.0 + gate * (1.0 - sigmoid));
            }
        },
    );
    (grad_gate, grad_up)
}

/// `x (N, I)` times the transpose of `weight (O, I)`.
pub fn linear(x: &[f32], weight: &[f32], inputs: usize, precision: Precision) -> Vec<f32> {
    let (n, outputs) = (x.len() / inputs, weight.len() / inputs);
    let mut y = vec![0.0; n * outputs];
    let target = Target { data: &mut y, start: 0, row_stride: outputs };
    let x = View::new(x, 0, n, inputs, inputs);
    let weight = View::new(weight, 0, outputs, inputs, inputs);
    product(precision, target, Write::Replace, x, weight.transposed(), 1.0);
    y
}

/// Gradients of [`linear`] by `x` and by `weight`.
pub fn linear_backward(
    x: &[f32],
    weight: &[f32],
    grad: &[f32],
    inputs: usize,
    precision: Precision,
) -> (Vec<f32>, Vec<f32>) {
    let (n, outputs) = (x.len() / inputs, weight.len() / inputs);
    let (mut grad_x, mut grad_weight) = (vec![0.0; x.len()], vec![0.0; weight.len()]);
    let grad = View::new(grad, 0, n, outputs, outputs);
    let x = View::new(x, 0, n, inputs, inputs);
    let weight = View::new(weight, 0, outputs, inputs, inputs);
    let target = Target { data: &mut grad_x, start: 0, row_stride: inputs };
    product(precision, target, Write::Replace, grad, weight, 1.0);
    let target = Target { data: &mut grad_weight, start: 0, row_stride: inputs };
    product(precision, target, Write::Replace, grad.transposed(), x, 1.0);
    (grad_x, grad_weight)
}

/// Sizes of attention: B rows of T positions, H query heads over K key heads of E numbers; and how
/// it is computed.
#[derive(Clone, Copy, Debug)]
pub struct AttentionShape {
    pub b: usize,
    pub t: usize,
    pub h: usize,
    pub k: usize,
    pub e: usize,
    pub precision: Precision,
}

impl AttentionShape {
    fn scale(&self) -> f32 {
        1.0 / (self.e as f32).sqrt()
    }

    /// Rows of `data (B*T, heads*E)` from position `from`, of one head.
    fn head<'a>(
        &self,
        data: &'a [f32],
        b: usize,
        head: usize,
        heads: usize,
        rows: (usize, usize),
    ) -> View<'a> {
        let stride = heads * self.e;
        let start = (b * self.t + rows.0) * stride + head * self.e;
        View::new(data, start, rows.1 - rows.0, self.e, stride)
    }

    fn head_mut<'a>(
        &self,
        data: &'a mut [f32],
        b: usize,
        head: usize,
        heads: usize,
        row: usize,
    ) -> Target<'a> {
        let row_stride = heads * self.e;
        Target { data, start: (b * self.t + row) * row_stride + head * self.e, row_stride }
    }

    /// Every (row, query head, first query, query after the last).
    fn blocks(self) -> impl Iterator<Item = (usize, usize, usize, usize)> {
        let heads = (0..self.b).flat_map(move |b| (0..self.h).map(move |h| (b, h)));
        heads.flat_map(move |(b, h)| {
            (0..self.t)
                .step_by(QUERY_ROWS)
                .map(move |from| (b, h, from, (from + QUERY_ROWS).min(self.t)))
        })
    }

    fn weights_start(&self, b: usize, h: usize, row: usize) -> usize {
        ((b * self.h + h) * self.t + row) * self.t
    }
}

/// Causal attention of `q (B*T, H*E)` over `k`, `v (B*T, K*E)`.
///
/// Returns the output `(B*T, H*E)` and the weights `(B, H, T, T)`.
pub fn attention(q: &[f32], k: &[f32], v: &[f32], shape: AttentionShape) -> (Vec<f32>, Vec<f32>) {
    let AttentionShape { b, t, h, k: key_heads, .. } = shape;
    let mut out = vec![0.0; q.len()];
    let mut weights = vec![0.0; b * h * t * t];
    for (b, head, from, to) in shape.blocks() {
        let key_head = head / (h / key_heads);
        let start = shape.weights_start(b, head, from);
        let queries = shape.head(q, b, head, h, (from, to));
        let keys = shape.head(k, b, key_head, key_heads, (0, to));
        let target = Target { data: &mut weights, start, row_stride: t };
        product(shape.precision, target, Write::Replace, queries, keys.transposed(), shape.scale());
        let block = &mut weights[start..start + (to - from) * t];
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for (row, weights) in block.chunks_exact_mut(t).enumerate() {
                    let (past, future) = weights[..to].split_at_mut(from + row + 1);
                    softmax(past);
                    future.fill(0.0);
                }
            },
        );
        let values = shape.head(v, b, key_head, key_heads, (0, to));
        let target = shape.head_mut(&mut out, b, head, h, from);
        product(
            shape.precision,
            target,
            Write::Replace,
            View::new(&weights, start, to - from, to, t),
            values,
            1.0,
        );
    }
    (out, weights)
}

#[inline(always)]
fn softmax(row: &mut [f32]) -> (f32, f32) {
    let mut lanes = [f32::MIN; LANES];
    let (whole, rest) = row.as_chunks::<LANES>();
    for chunk in whole {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = if *value > *lane { *value } else { *lane };
        }
    }
    let largest = lanes.iter().chain(rest).fold(f32::MIN, |a, &b| if b > a { b } else { a });
    for value in row.iter_mut() {
        *value = exp(*value - largest);
    }
    let total = sum(row.len(), |i| row[i]);
    let inverse = 1.0 / total;
    for value in row.iter_mut() {
        *value *= inverse;
    }
    (largest, total)
}

/// Gradients of [`attention`] by `q`, `k` and `v`.
pub fn attention_backward(
    q: &[f32],
    k: &[f32],
    v: &[f32],
    out: &[f32],
    weights: &[f32],
    grad: &[f32],
    shape: AttentionShape,
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let AttentionShape { t, h, k: key_heads, e, .. } = shape;
    let (mut grad_q, mut grad_k, mut grad_v) =
        (vec![0.0; q.len()], vec![0.0; k.len()], vec![0.0; v.len()]);
    let mut scores = vec![0.0; QUERY_ROWS * t];
    for (b, head, from, to) in shape.blocks() {
        let key_head = head / (h / key_heads);
        let rows = to - from;
        let start = shape.weights_start(b, head, from);
        let used = View::new(weights, start, rows, to, t);
        let grads = shape.head(grad, b, head, h, (from, to));
        let target = shape.head_mut(&mut grad_v, b, key_head, key_heads, 0);
        product(shape.precision, target, Write::Add, used.transposed(), grads, 1.0);
        let values = shape.head(v, b, key_head, key_heads, (0, to));
        let target = Target { data: &mut scores, start: 0, row_stride: t };
        product(shape.precision, target, Write::Replace, grads, values.transposed(), 1.0);
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for row in 0..rows {
                    let place = (b * t + from + row) * h * e + head * e;
                    let along = dot(&grad[place..place + e], &out[place..place + e]);
                    let weights = &weights[start + row * t..start + row * t + to];
                    for (score, weight) in scores[row * t..row * t + to].iter_mut().zip(weights) {
                        *score = weight * (*score - along);
                    }
                }
            },
        );
        let scores = View::new(&scores, 0, rows, to, t);
        let keys = shape.head(k, b, key_head, key_heads, (0, to));
        let target = shape.head_mut(&mut grad_q, b, head, h, from);
        product(shape.precision, target, Write::Replace, scores, keys, shape.scale());
        let queries = shape.head(q, b, head, h, (from, to));
        let target = shape.head_mut(&mut grad_k, b, key_head, key_heads, 0);
        product(shape.precision, target, Write::Add, scores.transposed(), queries, shape.scale());
    }
    (grad_q, grad_k, grad_v)
}

/// What a sampled token has earned: supervised targets need none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Credit {
    pub advantage: f32,
    /// Under the sampler's own arithmetic.
    pub logprob: f32,
}

/// The most that a token counts for being likelier here than where it was sampled: truncated
/// importance sampling (Yao et al., 2025), against the small differences of two engines.
const RATIO_MAX: f32 = 2.0;

impl Credit {
    /// What the token's cross-entropy counts, given its logprob here. Not differentiated.
    pub fn weight(self, logprob: f32) -> f32 {
        self.advantage * (logprob - self.logprob).exp().min(RATIO_MAX)
    }
}

pub struct HeadLoss {
    pub loss: f64,
    /// Of each wanted token.
    pub logprobs: Vec<f32>,
    pub grad_hidden: Vec<f32>,
    pub grad_embed: Vec<f32>,
}

/// Summed cross-entropy of `wanted (N)` under logits `hidden (N, D) * embed (V, D)^T`, and its
/// gradients by `hidden` and `embed`.
///
/// Both at once, because only a few rows of logits are then ever alive.
pub fn head_loss(
    hidden: &[f32],
    embed: &[f32],
    wanted: &[u32],
    credits: &[Credit],
    d: usize,
    precision: Precision,
) -> HeadLoss {
    let v = embed.len() / d;
    let (mut grad_hidden, mut grad_embed) = (vec![0.0; hidden.len()], vec![0.0; embed.len()]);
    let mut logits = vec![0.0; LOGIT_ROWS.min(wanted.len()) * v];
    let mut loss = 0.0f64;
    let mut logprobs = Vec::with_capacity(wanted.len());
    let embed = View::new(embed, 0, v, d, d);
    for (part, wanted) in wanted.chunks(LOGIT_ROWS).enumerate() {
        let start = part * LOGIT_ROWS * d;
        let hidden = View::new(hidden, start, wanted.len(), d, d);
        let target = Target { data: &mut logits, start: 0, row_stride: v };
        product(precision, target, Write::Replace, hidden, embed.transposed(), 1.0);
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for (row, &wanted) in logits.chunks_exact_mut(v).zip(wanted) {
                    let logit = row[wanted as usize];
                    let (largest, total) = softmax(row);
                    let nats = f64::from(largest - logit) + f64::from(total).ln();
                    row[wanted as usize] -= 1.0;
                    let logprob = -nats as f32;
                    match credits.get(logprobs.len()) {
                        None => loss += nats,
                        Some(credit) => {
                            let weight = credit.weight(logprob);
                            loss += f64::from(weight) * nats;
                            row.iter_mut().for_each(|error| *error *= weight);
                        }
                    }
                    logprobs.push(logprob);
                }
            },
        );
        let errors = View::new(&logits, 0, wanted.len(), v, v);
        let target = Target { data: &mut grad_hidden, start, row_stride: d };
        product(precision, target, Write::Replace, errors, embed, 1.0);
        let target = Target { data: &mut grad_embed, start: 0, row_stride: d };
        product(precision, target, Write::Add, errors.transposed(), hidden, 1.0);
    }
    HeadLoss { loss, logprobs, grad_hidden, grad_embed }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Multiples of 1/8 below 16 are bfloat16 numbers, and their products' sums are exact in `f32`.
    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 37 + seed * 11 + i * i % 13) % 127) as f32 / 8.0 - 8.0).collect()
    }

    /// A view of `rows` by `columns`, stored row by row or column by column, with a gap in between.
    fn view(data: &[f32], rows: usize, columns: usize, turned: bool) -> View<'_> {
        match turned {
            false => View::new(data, 3, rows, columns, columns + 5),
            true => View::new(data, 3, columns, rows, rows + 5).transposed(),
        }
    }

    #[test]
    fn products_of_every_shape_and_layout_are_right_and_stay_inside_the_target() {
        for (m, n, k) in [(1, 1, 1), (12, 32, 2), (13, 33, 257), (25, 31, 255), (64, 70, 600)] {
            for turned in 0..4 {
                let (left, right) = (numbers(60_000, 1), numbers(60_000, 2));
                let left = view(&left, m, k, turned & 1 > 0);
                let right = view(&right, k, n, turned & 2 > 0);
                let at = |view: View<'_>, i: usize, j: usize| {
                    f64::from(view.data[i * view.row_stride + j * view.column_stride])
                };
                for write in [Write::Replace, Write::Add] {
                    let stride = n + 3;
                    let mut data = vec![2.0; m * stride + 20];
                    let target = Target { data: &mut data, start: 7, row_stride: stride };
                    product(Precision::Bf16, target, write, left, right, 0.5);
                    for (place, &found) in data.iter().enumerate() {
                        let (i, j) =
                            (place.wrapping_sub(7) / stride, place.wrapping_sub(7) % stride);
                        let expected = if i < m && j < n {
                            let sum: f64 = (0..k).map(|x| at(left, i, x) * at(right, x, j)).sum();
                            sum * 0.5 + if write == Write::Add { 2.0 } else { 0.0 }
                        } else {
                            2.0
                        };
                        let apart = (f64::from(found) - expected).abs();
                        assert!(apart <= 1e-5 * expected.abs().max(1.0), "{m} {n} {k} at {i}, {j}");
                    }
                }
            }
        }
    }
}
