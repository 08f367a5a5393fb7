//! The calls into llama.cpp's `mtmd`: a picture's pixels to what the language model reads.
//!
//! Its helpers put the embeddings into the context, since they know which models want M-RoPE
//! positions or no causal mask. Its markers are not used: pictures never travel as text.

use std::ffi::{CString, c_void};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use llama_cpp_sys_2 as sys;

use super::{Context, DecodeFailure, Model, init, take_first_error, take_last_error};

/// Nodes of an encoder's graph between two looks at whether it is still wanted.
const NODES_BETWEEN_LOOKS: u32 = 64;

/// A loaded `mmproj`: the encoder of pictures that belongs to a language model.
pub(in crate::engine) struct Projector {
    ptr: NonNull<sys::mtmd_context>,
    /// Encoding is for one thread at a time; preprocessing is for any number.
    encoding: Mutex<()>,
    // Dropped after the encoder, which refers to them.
    gate: Box<Gate>,
    model: Arc<Model>,
}

// SAFETY: what changes the encoder's state is behind `encoding`.
unsafe impl Send for Projector {}
// SAFETY: as above; the rest only reads (mtmd.h: "this function is thread-safe (shared ctx)").
unsafe impl Sync for Projector {}

/// What the encoder's callback looks at.
struct Gate {
    /// The flag of the picture at work, or null.
    stop: AtomicPtr<AtomicBool>,
    nodes: AtomicU32,
}

/// Ends a computation between two nodes. Asking for every node's result would make each one a step
/// of its own.
unsafe extern "C" fn may_go_on(_: *mut sys::ggml_tensor, ask: bool, gate: *mut c_void) -> bool {
    // SAFETY: the projector keeps the gate alive for as long as the encoder.
    let gate = unsafe { &*gate.cast::<Gate>() };
    if ask {
        return gate.nodes.fetch_add(1, Ordering::Relaxed) % NODES_BETWEEN_LOOKS == 0;
    }
    let stop = gate.stop.load(Ordering::Acquire);
    // SAFETY: `encode` holds the flag for as long as it computes, and this is called by it alone.
    stop.is_null() || !unsafe { (*stop).load(Ordering::Relaxed) }
}

/// One after another, what stands for a picture: the model's own tokens around it, and its parts.
pub(in crate::engine) enum Chunk {
    Tokens(Vec<u32>),
    Media {
        /// For the encoder.
        pixels: Media,
        /// The same without pixels, for where it goes.
        shape: Media,
    },
}

/// A part of a picture.
pub(in crate::engine) struct Media {
    ptr: NonNull<sys::mtmd_input_chunk>,
    pub tokens: u32,
    /// Fewer than `tokens` where rows and columns are positions of their own (M-RoPE).
    pub positions: u32,
}

// SAFETY: a chunk is plain data that is not changed after it was made.
unsafe impl Send for Media {}
// SAFETY: as above.
unsafe impl Sync for Media {}

/// Why a picture was not encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) enum NotEncoded {
    /// Its flag was set.
    Stopped,
    Failed(String),
}

impl Projector {
    /// Loads a file whose header has been checked. `Err` carries the library's own complaint.
    pub fn load(path: &Path, model: &Arc<Model>, threads: u32) -> Result<Projector, String> {
        init();
        let path = path.to_str().ok_or("the path is not valid UTF-8")?;
        let path = CString::new(path).map_err(|_| "the path contains a NUL byte")?;
        let gate =
            Box::new(Gate { stop: AtomicPtr::new(std::ptr::null_mut()), nodes: AtomicU32::new(0) });
        take_last_error();
        // SAFETY: the parameters are the library's own, `path` outlives the call, the gate and the
        // model are kept alive by the fields below, and a null result is handled.
        let ptr = unsafe {
            let mut params = sys::mtmd_context_params_default();
            params.print_timings = false;
            params.n_threads = threads as i32;
            params.cb_eval = Some(may_go_on);
            params.cb_eval_user_data = (&raw const *gate).cast_mut().cast();
            sys::mtmd_init_from_file(path.as_ptr(), model.ptr.as_ptr(), params)
        };
        let ptr = NonNull::new(ptr).ok_or_else(take_first_error)?;
        Ok(Projector { ptr, encoding: Mutex::new(()), gate, model: Arc::clone(model) })
    }

    pub fn sees(&self) -> bool {
        // SAFETY: the encoder is alive as long as `self`.
        unsafe { sys::mtmd_support_vision(self.ptr.as_ptr()) }
    }

    /// Whether a picture's embeddings all see each other: then they go into one batch.
    pub fn is_non_causal(&self) -> bool {
        // SAFETY: as in `sees`; no chunk stands for a picture.
        unsafe { sys::mtmd_decode_use_non_causal(self.ptr.as_ptr(), std::ptr::null()) }
    }

    /// Numbers in one embedding.
    pub fn width(&self) -> usize {
        // SAFETY: the model is alive as long as `self`.
        let width = unsafe { sys::llama_model_n_embd_inp(self.model.ptr.as_ptr()) };
        usize::try_from(width).unwrap_or(0)
    }

    /// Scales and cuts a picture as the encoder wants it. `rgb` has three bytes per pixel.
    pub fn look(&self, width: u32, height: u32, rgb: &[u8]) -> Result<Vec<Chunk>, String> {
        let bytes = u64::from(width) * u64::from(height) * 3;
        if bytes == 0 || bytes != rgb.len() as u64 || width.max(height) > i32::MAX as u32 {
            return Err(format!("a picture of {width}x{height} pixels has not {bytes} bytes"));
        }
        take_last_error();
        // SAFETY: the length of the pixels was checked, the library copies them; what is made here
        // is freed here, and a chunk that is kept is a copy.
        unsafe {
            let bitmap = sys::mtmd_bitmap_init(width, height, rgb.as_ptr());
            let part = sys::mtmd_input_part { text: std::ptr::null(), bitmap };
            let parts = [&raw const part];
            let chunks = sys::mtmd_input_chunks_init();
            let code = sys::mtmd_tokenize_from_parts(
                self.ptr.as_ptr(),
                chunks,
                parts.as_ptr(),
                parts.len(),
                false,
            );
            let out = match code {
                0 => (0..sys::mtmd_input_chunks_size(chunks))
                    .map(|at| read_chunk(sys::mtmd_input_chunks_get(chunks, at)))
                    .collect(),
                _ => Err(take_first_error()),
            };
            sys::mtmd_input_chunks_free(chunks);
            sys::mtmd_bitmap_free(bitmap);
            out
        }
    }

    /// The embeddings of a part, one after another. Ends early once `stop` is set.
    pub fn encode(&self, media: &Media, stop: &AtomicBool) -> Result<Vec<f32>, NotEncoded> {
        let _one = self.encoding.lock().unwrap_or_else(PoisonError::into_inner);
        take_last_error();
        self.gate.stop.store((&raw const *stop).cast_mut(), Ordering::Release);
        // SAFETY: no other thread encodes now; both pointers are alive.
        let code = unsafe { sys::mtmd_encode_chunk(self.ptr.as_ptr(), media.ptr.as_ptr()) };
        self.gate.stop.store(std::ptr::null_mut(), Ordering::Release);
        if stop.load(Ordering::Relaxed) {
            return Err(NotEncoded::Stopped);
        }
        if code != 0 {
            return Err(NotEncoded::Failed(take_first_error()));
        }
        let len = self.width() * media.tokens as usize;
        // SAFETY: mtmd.h gives this length for what was encoded last, and it is copied before
        // another thread may encode.
        let numbers = unsafe {
            let ptr = sys::mtmd_get_output_embd(self.ptr.as_ptr());
            if ptr.is_null() {
                return Err(NotEncoded::Failed("the encoder gave nothing".to_owned()));
            }
            std::slice::from_raw_parts(ptr, len).to_vec()
        };
        match numbers.iter().all(|n| n.is_finite()) {
            true => Ok(numbers),
            false => Err(NotEncoded::Failed("the encoder gave numbers without bounds".to_owned())),
        }
    }
}

/// # Safety
/// `chunk` must be alive.
unsafe fn read_chunk(chunk: *const sys::mtmd_input_chunk) -> Result<Chunk, String> {
    // SAFETY: the caller's promise; pointer and length of the tokens belong together.
    unsafe {
        match sys::mtmd_input_chunk_get_type(chunk) {
            sys::MTMD_INPUT_CHUNK_TYPE_TEXT => {
                let mut len = 0;
                let ptr = sys::mtmd_input_chunk_get_tokens_text(chunk, &raw mut len);
                let ids = if ptr.is_null() { &[] } else { std::slice::from_raw_parts(ptr, len) };
                let known = ids.iter().map(|id| u32::try_from(*id));
                let ids: Result<Vec<u32>, _> = known.collect();
                let missing = "the model's vocabulary lacks the tokens around pictures".to_owned();
                ids.map(Chunk::Tokens).map_err(|_| missing)
            }
            sys::MTMD_INPUT_CHUNK_TYPE_IMAGE => {
                let tokens = u32::try_from(sys::mtmd_input_chunk_get_n_tokens(chunk));
                let positions = u32::try_from(sys::mtmd_input_chunk_get_n_pos(chunk));
                let (Ok(tokens @ 1..), Ok(positions @ 1..)) = (tokens, positions) else {
                    return Err("the picture has no size in tokens".to_owned());
                };
                let owned = |ptr| match NonNull::new(ptr) {
                    Some(ptr) => Ok(Media { ptr, tokens, positions }),
                    None => Err("there is too little memory for the picture".to_owned()),
                };
                let pixels = owned(sys::mtmd_input_chunk_copy(chunk))?;
                let shape = owned(sys::mtmd_input_chunk_get_placeholder(chunk))?;
                Ok(Chunk::Media { pixels, shape })
            }
            _ => Err("the encoder made something else than pictures of it".to_owned()),
        }
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        // SAFETY: made in `read_chunk` and freed once.
        unsafe { sys::mtmd_input_chunk_free(self.ptr.as_ptr()) }
    }
}

impl Drop for Projector {
    fn drop(&mut self) {
        // SAFETY: made in `load`, freed once; the model is dropped afterwards.
        unsafe { sys::mtmd_free(self.ptr.as_ptr()) }
    }
}

/// Goes on with the next batch of a picture only while somebody wants it.
unsafe extern "C" fn is_wanted(_: *const sys::mtmd_helper_embd_batch, wanted: *mut c_void) -> i32 {
    // SAFETY: `see` passes its own argument, which outlives the call.
    let wanted = unsafe { &*wanted.cast::<&dyn Fn() -> bool>() };
    i32::from(!wanted())
}

impl Context {
    /// Computes a picture's embeddings at the end of `sequence`, in batches, for as long as it
    /// is `wanted`. After a failure some of it may be in the KV cache.
    pub fn see(
        &mut self,
        projector: &Projector,
        media: &Media,
        embeddings: &[f32],
        position: u32,
        sequence: i32,
        wanted: &dyn Fn() -> bool,
    ) -> Result<(), DecodeFailure> {
        if embeddings.len() != projector.width() * media.tokens as usize {
            return Err(DecodeFailure::Fatal(-1));
        }
        let mut end = 0;
        // SAFETY: the embeddings have the length that the helper reads, which was just checked; it
        // does not write to them; sequence ids come from the engine's table, and a batch is as long
        // as the context's.
        let code = unsafe {
            sys::mtmd_helper_decode_image_chunk(
                projector.ptr.as_ptr(),
                self.ptr.as_ptr(),
                media.ptr.as_ptr(),
                embeddings.as_ptr().cast_mut(),
                position as i32,
                sequence,
                self.batch_tokens as i32,
                &raw mut end,
                Some(is_wanted),
                (&raw const wanted).cast_mut().cast(),
            )
        };
        match code {
            0 => Ok(()),
            _ if !wanted() => Err(DecodeFailure::Unwanted),
            1 => Err(DecodeFailure::NoRoom),
            2 => Err(DecodeFailure::Aborted),
            code => Err(DecodeFailure::Fatal(code)),
        }
    }
}
