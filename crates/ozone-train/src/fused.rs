//! The kernels as operations of burn's autodiff, for its CPU backend `flex`.
//!
//! Each takes and gives ordinary tensors, so the model reads the same with and without them.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Tensor, TensorData};
use std::sync::Arc;

use crate::kernels::{self, AttentionShape, Credit, Precision, Turns};

type Tracked = FloatTensor<Autodiff<Flex>>;

/// An operation of N inputs, known by its backward pass.
#[derive(Debug)]
struct Op<S, const N: usize>(fn(S, &[f32]) -> [FlexTensor; N]);

impl<S, const N: usize> Backward<Flex, N> for Op<S, N>
where
    S: Clone + Send + std::fmt::Debug + 'static,
{
    type State = S;

    fn backward(self, ops: Ops<S, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = Host::new(grads.consume::<Flex>(&ops.node));
        let inputs = (self.0)(ops.state, grad.slice());
        for (parent, grad) in ops.parents.into_iter().zip(inputs) {
            if let Some(parent) = parent {
                grads.register::<Flex>(parent.id, grad);
            }
        }
    }
}

/// Registers `output`, computed from `inputs`, with what its backward pass needs.
fn register<S, const N: usize, const D: usize>(
    inputs: [&Tracked; N],
    output: FlexTensor,
    state: S,
    backward: fn(S, &[f32]) -> [FlexTensor; N],
) -> Tensor<D>
where
    S: Clone + Send + std::fmt::Debug + 'static,
{
    let nodes = inputs.map(|input| input.node());
    let prepared = Op(backward).prepare::<NoCheckpointing>(nodes).compute_bound().stateful();
    let output = match prepared {
        OpsKind::Tracked(prepared) => prepared.finish(state, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(output)
}

/// A tensor's numbers, contiguous. Clones share them.
#[derive(Clone, Debug)]
struct Host(FlexTensor);

impl Host {
    fn new(tensor: FlexTensor) -> Self {
        Self(if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() })
    }

    fn of(tensor: &Tracked) -> Self {
        Self::new(tensor.primitive().clone())
    }

    fn slice(&self) -> &[f32] {
        self.0.as_slice().expect("made contiguous when it was built, and flex computes in f32")
    }
}

fn tracked<const D: usize>(tensor: Tensor<D>) -> Tracked {
    tensor
        .try_into_primitive::<Autodiff<Flex>>()
        .expect("fused operations are called on the tracked flex backend only")
}

fn tensor<const D: usize>(data: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(data, shape))
}

/// `x (N, D)` normed by `weight (D)`.
pub fn rms_norm(x: Tensor<2>, weight: Tensor<1>, eps: f32) -> Tensor<2> {
    let shape = x.dims();
    let (x, weight) = (tracked(x), tracked(weight));
    let (held_x, held_weight) = (Host::of(&x), Host::of(&weight));
    let (y, inverse) = kernels::rms_norm(held_x.slice(), held_weight.slice(), eps);
    let state = (held_x, held_weight, Arc::new(inverse), shape);
    register([&x, &weight], tensor(y, shape), state, |(x, weight, inverse, shape), grad| {
        let (x, weight) = kernels::rms_norm_backward(x.slice(), weight.slice(), &inverse, grad);
        let d = weight.len();
        [tensor(x, shape), tensor(weight, [d])]
    })
}

/// Heads of `x (B*T, N*E)` normed by `weight (E)` and turned by their positions.
pub fn turned_heads(x: Tensor<2>, weight: Tensor<1>, eps: f32, at: &Arc<Turns>) -> Tensor<2> {
    let shape = x.dims();
    let n = shape[1] / weight.dims()[0];
    let (x, weight) = (tracked(x), tracked(weight));
    let (held_x, held_weight) = (Host::of(&x), Host::of(&weight));
    let (y, inverse) = kernels::turned_heads(held_x.slice(), held_weight.slice(), eps, n, at);
    let state = (held_x, held_weight, Arc::new(inverse), Arc::clone(at), shape);
    register([&x, &weight], tensor(y, shape), state, |(x, weight, inverse, at, shape), grad| {
        let e = weight.slice().len();
        let n = shape[1] / e;
        let (x, weight) =
            kernels::turned_heads_backward(x.slice(), weight.slice(), &inverse, n, &at, grad);
        [tensor(x, shape), tensor(weight, [e])]
    })
}

/// `silu(gate) * up`, both `(N, F)`.
pub fn swiglu(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    let shape = gate.dims();
    let (gate, up) = (tracked(gate), tracked(up));
    let (held_gate, held_up) = (Host::of(&gate), Host::of(&up));
    let y = kernels::swiglu(held_gate.slice(), held_up.slice());
    let state = (held_gate, held_up, shape);
    register([&gate, &up], tensor(y, shape), state, |(gate, up, shape), grad| {
        let (gate, up) = kernels::swiglu_backward(gate.slice(), up.slice(), grad);
        [tensor(gate, shape), tensor(up, shape)]
    })
}

/// Causal attention; `q` and the result are `(B*T, H*E)`, `k` and `v` are `(B*T, K*E)`.
pub fn attention(q: Tensor<2>, k: Tensor<2>, v: Tensor<2>, shape: AttentionShape) -> Tensor<2> {
    let (wide, narrow) = (q.dims(), k.dims());
    let (q, k, v) = (tracked(q), tracked(k), tracked(v));
    let (held_q, held_k, held_v) = (Host::of(&q), Host::of(&k), Host::of(&v));
    let (out, weights) = kernels::attention(held_q.slice(), held_k.slice(), held_v.slice(), shape);
    let out = tensor(out, wide);
    let state =
        ([held_q, held_k, held_v, Host::new(out.clone())], Arc::new(weights), shape, wide, narrow);
    register([&q, &k, &v], out, state, |([q, k, v, out], weights, shape, wide, narrow), grad| {
        let (q, k, v) = kernels::attention_backward(
            q.slice(),
            k.slice(),
            v.slice(),
            out.slice(),
            &weights,
            grad,
            shape,
        );
        [tensor(q, wide), tensor(k, narrow), tensor(v, narrow)]
    })
}

/// `x (N, I)` times the transpose of `weight (O, I)`.
pub fn linear(x: Tensor<2>, weight: Tensor<2>, precision: Precision) -> Tensor<2> {
    let [n, inputs] = x.dims();
    let outputs = weight.dims()[0];
    let (x, weight) = (tracked(x), tracked(weight));
    let (held_x, held_weight) = (Host::of(&x), Host::of(&weight));
    let y = kernels::linear(held_x.slice(), held_weight.slice(), inputs, precision);
    let state = (held_x, held_weight, [n, inputs, outputs], precision);
    register(
        [&x, &weight],
        tensor(y, [n, outputs]),
        state,
        |(x, weight, sizes, precision), grad| {
            let [n, inputs, outputs] = sizes;
            let (x, weight) =
                kernels::linear_backward(x.slice(), weight.slice(), grad, inputs, precision);
            [tensor(x, [n, inputs]), tensor(weight, [outputs, inputs])]
        },
    )
}

/// Summed cross-entropy `(1)` of `wanted` under the logits of `hidden (N, D)` and `embed (V, D)`,
/// each counting as its credit says, and the logprob of each.
pub fn head_loss(
    hidden: Tensor<2>,
    embed: Tensor<2>,
    wanted: &[u32],
    credits: &[Credit],
    precision: Precision,
) -> (Tensor<1>, Vec<f32>) {
    let (hidden_shape, embed_shape) = (hidden.dims(), embed.dims());
    let (hidden, embed) = (tracked(hidden), tracked(embed));
    let kernels::HeadLoss { loss, logprobs, grad_hidden, grad_embed } = kernels::head_loss(
        Host::of(&hidden).slice(),
        Host::of(&embed).slice(),
        wanted,
        credits,
        hidden_shape[1],
        precision,
    );
    let state = (Arc::new((grad_hidden, grad_embed)), hidden_shape, embed_shape);
    let loss = tensor(vec![loss as f32], [1]);
    let loss = register([&hidden, &embed], loss, state, |(grads, hidden, embed), grad| {
        let scaled = |data: &[f32]| data.iter().map(|value| value * grad[0]).collect();
        [tensor(scaled(&grads.0), hidden), tensor(scaled(&grads.1), embed)]
    });
    (loss, logprobs)
}
