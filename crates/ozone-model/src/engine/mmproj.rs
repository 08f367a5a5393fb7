//! Loads the encoder of pictures (`mmproj`), and refuses files that are none.
//!
//! Its loader in llama.cpp, too, answers many kinds of damage with `abort()`: a key of another type
//! than it expects, or a matrix that does not fit the next one. What can be known from the header is
//! checked here first; of the shapes of tensors, those of LLaVA's encoders. What this does not cover: a file of another family whose header is sound and whose matrices
//! do not fit each other.

use std::path::Path;
use std::sync::Arc;

use super::gguf::{GgufError, GgufValue, Layout};
use super::llama::{Model, Projector};
use super::{EngineError, EngineOptions, or_unknown, threads_max};

/// Kinds whose tokens depend on what stands before the picture: they can't be kept beside it.
const PLACE_MATTERS: [&str; 2] = ["deepseek4v", "hunyuanvl"];
/// Along one side.
const PATCHES_MAX: u64 = 1_024;

/// GGUF's numbers for types of values.
const U32: u32 = 4;
const I32: u32 = 5;
const F32: u32 = 6;
const BOOL: u32 = 7;
const TEXT: u32 = 8;

/// The types that llama.cpp takes for granted.
const TYPES: &[(u32, &[&str])] = &[
    (TEXT, &["general.name", "general.description"]),
    (TEXT, &["clip.projector_type", "clip.vision.projector_type", "clip.audio.projector_type"]),
    (TEXT, &["clip.vision.mm_patch_merge_type"]),
    (BOOL, &["clip.has_vision_encoder", "clip.has_audio_encoder", "clip.has_gen_audio_encoder"]),
    (BOOL, &["clip.use_gelu", "clip.use_silu"]),
    (F32, &["clip.vision.attention.layer_norm_epsilon", "clip.vision.swiglu_clamp"]),
    (I32, &["clip.minicpmv_version"]),
    (U32, &["clip.minicpmv_query_num"]),
];

/// Numbers of 32 bits below `clip.vision.`, and what is sane for them.
const NUMBERS: &[(&str, u64, u64)] = &[
    ("embedding_length", 1, 1 << 16),
    ("feed_forward_length", 0, 1 << 20),
    ("block_count", 0, 1_024),
    ("projection_dim", 0, 1 << 20),
    ("attention.head_count", 1, 1 << 12),
    ("attention.head_count_kv", 1, 1 << 12),
    ("attention.head_dim", 1, 1 << 16),
    ("image_size", 1, 1 << 15),
    ("patch_size", 1, 1 << 12),
    ("image_min_pixels", 1, 1 << 30),
    ("image_max_pixels", 1, 1 << 30),
    ("preproc_min_tiles", 0, 1 << 10),
    ("preproc_max_tiles", 0, 1 << 10),
    ("preproc_image_size", 1, 1 << 15),
    ("projector.scale_factor", 1, 64),
    ("projector.query_side", 1, 1 << 12),
    ("projector.window_side", 1, 1 << 12),
    ("spatial_merge_size", 1, 64),
    ("n_wa_pattern", 0, 1 << 12),
    ("window_size", 0, 1 << 15),
    ("sam.head_count", 1, 1 << 12),
    ("sam.block_count", 0, 1_024),
    ("sam.embedding_length", 1, 1 << 16),
    ("expert_used_count", 0, 1 << 12),
];
const REQUIRED: [&str; 5] =
    ["embedding_length", "attention.head_count", "block_count", "image_size", "patch_size"];

/// Loads the encoder at `path` for the model of the file `model_path`.
pub(super) fn load(
    path: &Path,
    model_path: &Path,
    model: &Arc<Model>,
    options: &EngineOptions,
) -> Result<Projector, EngineError> {
    let fail = |cause: String, advice| {
        let cause = format!("{cause} (as the mmproj of {})", model_path.display());
        EngineError::Load { path: path.into(), cause, advice }
    };
    let checked = Layout::read(path).and_then(|layout| check(&layout));
    checked.map_err(|error| fail(error.to_string(), error.advice()))?;
    let projector =
        Projector::load(path, model, threads_max(options)).map_err(|cause| {
            match cause.contains("mismatch between text model") {
                true => fail(foreign(&cause), ADVICE_FOREIGN),
                false => fail(or_unknown(tidy(&cause)), ADVICE_UNKNOWN),
            }
        })?;
    match projector.sees() {
        true => Ok(projector),
        false => Err(fail(BLIND.to_owned(), ADVICE_FOREIGN)),
    }
}

const BLIND: &str = "it has no encoder for pictures";
const ADVICE_FOREIGN: &str =
    "Give the mmproj file for pictures that was published beside the model.";
const ADVICE_UNKNOWN: &str =
    "The file may need a newer llama.cpp or be damaged: download it again or leave it out.";

/// The widths, from "mismatch between text model (n_embd = 64) and mmproj (n_embd = 128)".
fn foreign(cause: &str) -> String {
    let widths = cause.split("n_embd = ").skip(1);
    let widths: Vec<u64> = widths
        .filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok())
        .collect();
    match widths[..] {
        [model, own, ..] => format!(
            "it belongs to another model: its embeddings have {own} numbers, the model's {model}"
        ),
        _ => "it belongs to another model: its embeddings have another width".to_owned(),
    }
}

/// The cause itself, from "failed to load model 'FILE': load_hparams: unknown projector type: owl".
fn tidy(cause: &str) -> String {
    let first = cause.lines().next().unwrap_or_default();
    let first = first.split_once("': ").map_or(first, |(_, rest)| rest);
    let is_function = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    match first.split_once(": ") {
        Some((name, rest)) if is_function(name) => rest.to_owned(),
        _ => first.to_owned(),
    }
}

fn check(layout: &Layout) -> Result<(), GgufError> {
    let header = &layout.header;
    let none = |text: String| Err(GgufError::NotProjector(text));
    match header.architecture() {
        "clip" => {}
        "" => return none("it names no architecture, so it is no mmproj".to_owned()),
        other => return none(format!("it is a model of the architecture `{other}`, no mmproj")),
    }
    check_types(layout)?;
    let has = |key: &str| header.keys.get(key) == Some(&GgufValue::Bool(true));
    if !has("clip.has_vision_encoder") {
        return match has("clip.has_audio_encoder") {
            true => none("it hears and does not see".to_owned()),
            false => none(BLIND.to_owned()),
        };
    }
    let kind = ["clip.projector_type", "clip.vision.projector_type"]
        .iter()
        .find_map(|key| header.text(key).filter(|kind| !kind.is_empty()));
    let Some(kind) = kind else {
        return none("it does not say which kind of projector it has".to_owned());
    };
    if PLACE_MATTERS.contains(&kind) {
        return none(format!("its kind of projector, `{kind}`, is not supported here"));
    }
    check_numbers(layout)?;
    check_shapes(layout, kind)
}

fn check_types(layout: &Layout) -> Result<(), GgufError> {
    let numbers = NUMBERS.iter().map(|(key, ..)| (U32, format!("clip.vision.{key}")));
    let others = TYPES.iter().flat_map(|(kind, keys)| keys.iter().map(|k| (*kind, k.to_string())));
    for (kind, key) in numbers.chain(others) {
        if layout.kinds.get(&key).is_some_and(|own| *own != kind) {
            return Err(GgufError::Damaged(format!("{key} has another type than it must have")));
        }
    }
    Ok(())
}

fn number(layout: &Layout, key: &str) -> Option<u64> {
    layout.header.unsigned(&format!("clip.vision.{key}"))
}

fn check_numbers(layout: &Layout) -> Result<(), GgufError> {
    let damaged = |text: String| Err(GgufError::Damaged(text));
    for key in REQUIRED {
        if number(layout, key).is_none() {
            return damaged(format!("clip.vision.{key} is missing"));
        }
    }
    for (key, min, max) in NUMBERS {
        if let Some(n) = number(layout, key)
            && !(*min..=*max).contains(&n)
        {
            return damaged(format!("clip.vision.{key} is {n}"));
        }
    }
    for key in ["image_mean", "image_std"] {
        let key = format!("clip.vision.{key}");
        match layout.header.keys.get(&key) {
            Some(GgufValue::Array(3..)) => {}
            _ => return damaged(format!("{key} has not a number for each colour")),
        }
    }
    let of = |key: &str| number(layout, key).unwrap_or(0);
    let (width, heads) = (of("embedding_length"), of("attention.head_count"));
    if number(layout, "attention.head_dim").is_none() && width % heads != 0 {
        return damaged(format!("a width of {width} does not divide into {heads} heads"));
    }
    let (image, patch) = (of("image_size"), of("patch_size"));
    if image < patch || image / patch > PATCHES_MAX {
        return damaged(format!("{image} pixels cannot be cut into patches of {patch}"));
    }
    Ok(())
}

fn broken(name: &str, what: &str) -> GgufError {
    GgufError::Damaged(format!("tensor `{name}` {what}"))
}

/// Types that the processor's graphs take: vectors in 32 bits, and what is folded over the pixels in
/// 16 or 32.
fn check_tensors(layout: &Layout) -> Result<(), GgufError> {
    const F32: u32 = 0;
    const F16: u32 = 1;
    for (name, tensor) in &layout.tensors {
        let is_vector = tensor.shape.iter().skip(1).all(|n| *n == 1);
        let is_fold = name.starts_with("v.patch_embd.weight");
        if (is_vector && tensor.kind != F32) || (is_fold && ![F32, F16].contains(&tensor.kind)) {
            return Err(broken(name, "has another type than it must have"));
        }
        if tensor.shape.contains(&0) {
            return Err(broken(name, "is empty"));
        }
    }
    Ok(())
}

/// Matrices that do not fit each other stop llama.cpp, and us with it.
struct Shapes<'a>(&'a Layout);

impl Shapes<'_> {
    fn of(&self, name: &str) -> Option<&[u64]> {
        self.0.tensors.get(name).map(|tensor| &tensor.shape[..])
    }

    /// Where there is one; `None` stands for any number.
    fn fits(&self, name: &str, wanted: &[Option<u64>]) -> Result<(), GgufError> {
        let Some(shape) = self.of(name) else { return Ok(()) };
        let mut padded = shape.iter().copied().chain(std::iter::repeat(1));
        let good = shape.iter().skip(wanted.len()).all(|n| *n == 1)
            && wanted.iter().all(|want| padded.next().is_some_and(|n| want.is_none_or(|w| w == n)));
        match good {
            true => Ok(()),
            false => Err(broken(name, &format!("has the shape {shape:?}, which fits no other"))),
        }
    }

    /// A matrix of so many columns and its bias. Returns its rows.
    fn layer(&self, name: &str, columns: u64) -> Result<u64, GgufError> {
        let weight = format!("{name}.weight");
        let shape = self.of(&weight).ok_or_else(|| broken(&weight, "is missing"))?;
        let rows = shape.get(1).copied().unwrap_or(1);
        self.fits(&weight, &[Some(columns), None])?;
        self.fits(&format!("{name}.bias"), &[Some(rows)])?;
        Ok(rows)
    }

    fn norm(&self, name: &str, width: u64) -> Result<(), GgufError> {
        self.fits(&format!("{name}.weight"), &[Some(width)])?;
        self.fits(&format!("{name}.bias"), &[Some(width)])
    }

    fn must_be(&self, names: &[&str]) -> Result<(), GgufError> {
        let missing = names.iter().find(|name| self.of(name).is_none());
        missing.map_or(Ok(()), |name| Err(broken(name, "is missing")))
    }
}

fn check_shapes(layout: &Layout, kind: &str) -> Result<(), GgufError> {
    check_tensors(layout)?;
    let (shapes, of) = (Shapes(layout), |key: &str| number(layout, key).unwrap_or(0));
    let (width, patch, layers) = (of("embedding_length"), of("patch_size"), of("block_count"));
    for layer in 0..layers {
        shapes.norm(&format!("v.blk.{layer}.ln1"), width)?;
    }
    if !["mlp", "mlp_norm", "ldp", "ldpv2"].contains(&kind) {
        return Ok(());
    }
    shapes.must_be(&["v.patch_embd.weight", "v.position_embd.weight"])?;
    shapes.fits("v.patch_embd.weight", &[Some(patch), Some(patch), Some(3), Some(width)])?;
    shapes.fits("v.patch_embd.bias", &[Some(width)])?;
    shapes.fits("v.class_embd", &[Some(width)])?;
    shapes.fits("v.position_embd.weight", &[Some(width), None])?;
    let side = of("image_size") / patch;
    let places = side * side + u64::from(shapes.of("v.class_embd").is_some());
    let known = shapes.of("v.position_embd.weight").and_then(|shape| shape.get(1));
    if known.is_none_or(|known| *known < places) {
        return Err(GgufError::Damaged(format!("it has not {places} positions for patches")));
    }
    shapes.norm("v.pre_ln", width)?;
    shapes.norm("v.post_ln", width)?;
    for layer in 0..layers {
        let name = |part: &str| format!("v.blk.{layer}.{part}");
        for part in ["attn_q", "attn_k", "attn_v", "attn_out"] {
            if shapes.layer(&name(part), width)? != width {
                return Err(broken(&name(part), "has another width than the others"));
            }
        }
        shapes.norm(&name("ln2"), width)?;
        // Old files have the names of the two the other way round.
        let down = shapes.of(&name("ffn_down.weight")).and_then(|shape| shape.first());
        let (first, second) = match down == Some(&width) {
            true => ("ffn_down", "ffn_up"),
            false => ("ffn_up", "ffn_down"),
        };
        let inner = shapes.layer(&name(first), width)?;
        if shapes.layer(&name(second), inner)? != width {
            return Err(broken(&name(second), "has another width than the others"));
        }
    }
    let seen = match layout.header.keys.get("clip.vision.feature_layer") {
        Some(GgufValue::Array(n)) => width * (*n).max(1),
        _ => width,
    };
    // Its older form has norms behind its matrices.
    if kind == "mlp" && shapes.of("mm.3.weight").is_none() {
        shapes.must_be(&["mm.0.bias", "mm.2.weight", "mm.2.bias"])?;
        let inner = shapes.layer("mm.0", seen)?;
        shapes.layer("mm.2", inner)?;
    } else if kind.starts_with("mlp") {
        let norms = ["mm.1.weight", "mm.1.bias", "mm.4.weight", "mm.4.bias"];
        shapes.must_be(&[&["mm.0.bias", "mm.3.bias"], &norms[..]].concat())?;
        let inner = shapes.layer("mm.0", seen)?;
        shapes.norm("mm.1", inner)?;
        let out = shapes.layer("mm.3", inner)?;
        shapes.norm("mm.4", out)?;
    }
    Ok(())
}
