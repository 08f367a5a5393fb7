//! The few calls into llama.cpp that the engine makes, each with the reason why it is sound.
//!
//! This file and its child `sight` are alone in the crate with `unsafe`. It goes to the C interface itself and not
//! through the safe wrapper of `llama-cpp-2`, because the engine needs what that keeps private:
//! changing the number of threads between two steps (see `threads.rs`), an abort callback, and a
//! model shared by threads that only tokenise. Nothing here decides anything.
#![expect(unsafe_code, reason = "llama.cpp is a C library")]

mod sight;

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};

use llama_cpp_sys_2 as sys;

use super::KvType;
pub(super) use sight::{Chunk, Media, NotEncoded, Projector};

thread_local! {
    /// What llama.cpp last complained about on this thread: the cause in an error message.
    static LAST_ERROR: RefCell<String> = const { RefCell::new(String::new()) };
    /// Its first complaint since the last one was taken: where many follow, the cause of them.
    static FIRST_ERROR: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Initialises llama.cpp once per process and sends its log lines to `tracing`.
fn init() {
    static INIT: Once = Once::new();
    // SAFETY: both calls are made once, before any other call into the library from here, and the
    // callback is a function that lives as long as the process.
    INIT.call_once(|| unsafe {
        sys::llama_log_set(Some(log_line), std::ptr::null_mut());
        sys::mtmd_helper_log_set(Some(log_line), std::ptr::null_mut());
        sys::llama_backend_init();
    });
}

unsafe extern "C" fn log_line(level: sys::ggml_log_level, text: *const c_char, _: *mut c_void) {
    if text.is_null() {
        return;
    }
    // SAFETY: llama.cpp passes a NUL-terminated string that lives for the length of the call.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    let text = text.trim_end();
    if text.is_empty() {
        return;
    }
    match level {
        sys::GGML_LOG_LEVEL_ERROR => {
            LAST_ERROR.with_borrow_mut(|last| text.clone_into(last));
            FIRST_ERROR.with_borrow_mut(|first| {
                if first.is_empty() {
                    text.clone_into(first);
                }
            });
            tracing::debug!(target: "llama.cpp", "error: {text}");
        }
        sys::GGML_LOG_LEVEL_WARN => tracing::debug!(target: "llama.cpp", "warning: {text}"),
        _ => tracing::trace!(target: "llama.cpp", "{text}"),
    }
}

/// The last complaint of llama.cpp on this thread, without the name of the C function.
fn take_last_error() -> String {
    FIRST_ERROR.with_borrow_mut(String::clear);
    without_function(LAST_ERROR.with_borrow_mut(std::mem::take))
}

/// The first complaint since then.
fn take_first_error() -> String {
    let first = FIRST_ERROR.with_borrow_mut(std::mem::take);
    take_last_error();
    without_function(first)
}

fn without_function(text: String) -> String {
    text.split_once(": ").map_or(text.clone(), |(_, rest)| rest.to_owned())
}

/// `(elements, bytes)` of one block of a tensor type, or `None` for an unknown one.
pub(super) fn tensor_type(kind: u32) -> Option<(u64, u64)> {
    if kind >= sys::GGML_TYPE_COUNT {
        return None;
    }
    // SAFETY: pure look-ups in a table whose length was just checked.
    let (block, bytes) = unsafe { (sys::ggml_blck_size(kind), sys::ggml_type_size(kind)) };
    let block = u64::try_from(block).ok().filter(|n| *n > 0)?;
    if bytes == 0 { None } else { Some((block, bytes as u64)) }
}

/// A loaded model: weights and vocabulary. Read-only after loading.
pub(super) struct Model {
    ptr: NonNull<sys::llama_model>,
}

// SAFETY: after loading, llama.cpp only reads a model; contexts keep their state to themselves.
unsafe impl Send for Model {}
// SAFETY: as above; the vocabulary's functions are const in C++ and lock where they cache.
unsafe impl Sync for Model {}

impl Model {
    /// Loads a file whose header has been checked. `Err` carries llama.cpp's own complaint.
    pub fn load(path: &Path, mlock: bool) -> Result<Model, String> {
        init();
        let path = path.to_str().ok_or("the path is not valid UTF-8")?;
        let path = CString::new(path).map_err(|_| "the path contains a NUL byte")?;
        take_last_error();
        // SAFETY: the parameters come from the library's own defaults, `path` outlives the call,
        // and a null result is handled.
        let ptr = unsafe {
            let mut params = sys::llama_model_default_params();
            if mlock {
                params.load_mode = sys::LLAMA_LOAD_MODE_MMAP_MLOCK;
            }
            sys::llama_model_load_from_file(path.as_ptr(), params)
        };
        match NonNull::new(ptr) {
            Some(ptr) => Ok(Model { ptr }),
            None => Err(take_last_error()),
        }
    }

    fn vocab(&self) -> *const sys::llama_vocab {
        // SAFETY: the model is alive as long as `self`.
        unsafe { sys::llama_model_get_vocab(self.ptr.as_ptr()) }
    }

    pub fn vocab_len(&self) -> usize {
        // SAFETY: as in `vocab`.
        usize::try_from(unsafe { sys::llama_vocab_n_tokens(self.vocab()) }).unwrap_or(0)
    }

    pub fn context_trained(&self) -> u32 {
        // SAFETY: as in `vocab`.
        u32::try_from(unsafe { sys::llama_model_n_ctx_train(self.ptr.as_ptr()) }).unwrap_or(0)
    }

    pub fn parameters(&self) -> u64 {
        // SAFETY: as in `vocab`.
        unsafe { sys::llama_model_n_params(self.ptr.as_ptr()) }
    }

    pub fn bytes(&self) -> u64 {
        // SAFETY: as in `vocab`.
        unsafe { sys::llama_model_size(self.ptr.as_ptr()) }
    }

    /// Whether the memory is (partly) a state that cannot be rolled back to an earlier token.
    pub fn is_recurrent(&self) -> bool {
        let ptr = self.ptr.as_ptr();
        // SAFETY: as in `vocab`.
        unsafe { sys::llama_model_is_recurrent(ptr) || sys::llama_model_is_hybrid(ptr) }
    }

    pub fn has_decoder(&self) -> bool {
        // SAFETY: as in `vocab`.
        unsafe { sys::llama_model_has_decoder(self.ptr.as_ptr()) }
    }

    pub fn attributes(&self, token: u32) -> TokenAttributes {
        if token as usize >= self.vocab_len() {
            return TokenAttributes { control: false, user_defined: false };
        }
        // SAFETY: the id was checked; llama.cpp indexes its table with it.
        let attr = unsafe { sys::llama_vocab_get_attr(self.vocab(), token as i32) };
        let has = |flag| attr & flag != 0;
        let control = has(sys::LLAMA_TOKEN_ATTR_CONTROL) || has(sys::LLAMA_TOKEN_ATTR_UNKNOWN);
        let user_defined = has(sys::LLAMA_TOKEN_ATTR_USER_DEFINED);
        TokenAttributes { control, user_defined }
    }

    pub fn is_end_of_generation(&self, token: u32) -> bool {
        // SAFETY: the id is checked first.
        (token as usize) < self.vocab_len()
            && unsafe { sys::llama_vocab_is_eog(self.vocab(), token as i32) }
    }

    pub fn bos(&self) -> Option<u32> {
        // SAFETY: as in `vocab`. "No such token" is negative.
        u32::try_from(unsafe { sys::llama_vocab_bos(self.vocab()) }).ok()
    }

    pub fn eos(&self) -> Option<u32> {
        // SAFETY: as in `vocab`.
        u32::try_from(unsafe { sys::llama_vocab_eos(self.vocab()) }).ok()
    }

    pub fn eot(&self) -> Option<u32> {
        // SAFETY: as in `vocab`.
        u32::try_from(unsafe { sys::llama_vocab_eot(self.vocab()) }).ok()
    }

    pub fn adds_bos(&self) -> bool {
        // SAFETY: as in `vocab`.
        unsafe { sys::llama_vocab_get_add_bos(self.vocab()) }
    }

    /// The token's bytes; special tokens give their text.
    pub fn piece(&self, token: u32) -> Vec<u8> {
        if token as usize >= self.vocab_len() {
            return Vec::new();
        }
        let mut buffer = vec![0u8; 64];
        loop {
            let len = buffer.len() as i32;
            // SAFETY: the id was checked and the buffer's true length is passed.
            let written = unsafe {
                let target = buffer.as_mut_ptr().cast::<c_char>();
                sys::llama_token_to_piece(self.vocab(), token as i32, target, len, 0, true)
            };
            match usize::try_from(written) {
                Ok(written) => {
                    buffer.truncate(written);
                    return buffer;
                }
                Err(_) => buffer.resize(written.unsigned_abs() as usize, 0),
            }
        }
    }

    /// The ids of a text, without beginning or end tokens.
    pub fn tokenize(&self, text: &str, parse_special: bool) -> Vec<u32> {
        let Ok(text_len) = i32::try_from(text.len()) else { return Vec::new() };
        if text_len == 0 {
            return Vec::new();
        }
        let mut buffer = vec![0i32; text.len() + 2];
        for _ in 0..2 {
            let room = i32::try_from(buffer.len()).unwrap_or(i32::MAX);
            // SAFETY: pointer and length of text and buffer belong together.
            let count = unsafe {
                sys::llama_tokenize(
                    self.vocab(),
                    text.as_ptr().cast(),
                    text_len,
                    buffer.as_mut_ptr(),
                    room,
                    false,
                    parse_special,
                )
            };
            match usize::try_from(count) {
                Ok(count) => {
                    buffer.truncate(count);
                    return buffer.into_iter().filter_map(|id| u32::try_from(id).ok()).collect();
                }
                Err(_) => buffer.resize(count.unsigned_abs() as usize, 0),
            }
        }
        Vec::new()
    }

    pub fn chat_template(&self) -> Option<String> {
        // SAFETY: null asks for the default template; the string belongs to the model.
        let text = unsafe {
            let ptr = sys::llama_model_chat_template(self.ptr.as_ptr(), std::ptr::null());
            if ptr.is_null() {
                return None;
            }
            CStr::from_ptr(ptr)
        };
        Some(text.to_string_lossy().into_owned())
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: contexts hold an `Arc` of the model, so none is left.
        unsafe { sys::llama_model_free(self.ptr.as_ptr()) }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct TokenAttributes {
    pub control: bool,
    pub user_defined: bool,
}

pub(super) struct ContextParams {
    /// Cells of the KV cache, shared by all sequences.
    pub cells: u32,
    pub kv_type: KvType,
    pub sequences: u32,
    pub batch_tokens: u32,
    pub threads: u32,
}

/// Why a batch was not computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DecodeFailure {
    /// No room in the KV cache: nothing was computed.
    NoRoom,
    /// The abort flag was set.
    Aborted,
    /// Whoever wanted it has gone.
    Unwanted,
    /// Anything else, by llama.cpp's number.
    Fatal(i32),
}

/// Threads that stay between two steps. Without it llama.cpp starts new ones for each step, which
/// costs a small model a noticeable share of it and puts them on cores where readers are at work.
struct Pool(NonNull<sys::ggml_threadpool>);

impl Pool {
    /// How long an idle thread polls before it sleeps: some 5 ms. The gap between two steps is far
    /// shorter, and Python, which runs when the steps end, wants the core.
    const POLL: u32 = 1;

    /// `None` where the system gives no threads; llama.cpp then looks for itself.
    fn new(threads: u32) -> Option<Pool> {
        if threads < 2 {
            return None;
        }
        // SAFETY: the parameters are the library's own, and it copies them.
        let ptr = unsafe {
            let mut params = sys::ggml_threadpool_params_default(threads as i32);
            params.poll = Pool::POLL;
            sys::ggml_threadpool_new(&raw mut params)
        };
        NonNull::new(ptr).map(Pool)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: made in `new`, freed once, and the context that used it is gone.
        unsafe { sys::ggml_threadpool_free(self.0.as_ptr()) }
    }
}

/// A context: the KV cache and the buffers of one engine thread.
pub(super) struct Context {
    ptr: NonNull<sys::llama_context>,
    vocab_len: usize,
    cells: u32,
    batch: sys::llama_batch,
    batch_tokens: usize,
    // Dropped after the context, which refers to them.
    pool: Option<Pool>,
    _abort: Arc<AtomicBool>,
    _model: Arc<Model>,
}

// SAFETY: a context is not bound to the thread that made it; it is used by one at a time.
unsafe impl Send for Context {}

unsafe extern "C" fn should_abort(flag: *mut c_void) -> bool {
    // SAFETY: `flag` points into the `Arc` that the context keeps alive.
    unsafe { (*flag.cast::<AtomicBool>()).load(Ordering::Relaxed) }
}

impl Context {
    pub fn new(
        model: &Arc<Model>,
        params: &ContextParams,
        abort: Arc<AtomicBool>,
    ) -> Result<Context, String> {
        take_last_error();
        let kv_type = match params.kv_type {
            KvType::F32 => sys::GGML_TYPE_F32,
            KvType::F16 => sys::GGML_TYPE_F16,
            KvType::Q8_0 => sys::GGML_TYPE_Q8_0,
        };
        // SAFETY: the parameters come from the library's defaults; the model and the abort flag
        // are kept alive by the fields below.
        let (ptr, batch) = unsafe {
            let mut p = sys::llama_context_default_params();
            p.n_ctx = params.cells;
            p.n_batch = params.batch_tokens;
            p.n_ubatch = params.batch_tokens;
            p.n_seq_max = params.sequences;
            p.n_outputs_max = params.sequences;
            p.n_threads = params.threads as i32;
            p.n_threads_batch = params.threads as i32;
            p.type_k = kv_type;
            p.type_v = kv_type;
            if params.kv_type == KvType::F32 {
                // Flash attention would round to 16 bits on the way.
                p.flash_attn_type = sys::LLAMA_FLASH_ATTN_TYPE_DISABLED;
            }
            p.kv_unified = true;
            p.swa_full = true;
            p.no_perf = true;
            p.abort_callback = Some(should_abort);
            p.abort_callback_data = Arc::as_ptr(&abort).cast_mut().cast();
            let ptr = sys::llama_init_from_model(model.ptr.as_ptr(), p);
            let Some(ptr) = NonNull::new(ptr) else { return Err(take_last_error()) };
            (ptr, sys::llama_batch_init(params.batch_tokens as i32, 0, 1))
        };
        // SAFETY: the context was just made.
        let cells = unsafe { sys::llama_n_ctx(ptr.as_ptr()) };
        Ok(Context {
            ptr,
            vocab_len: model.vocab_len(),
            cells,
            batch,
            batch_tokens: params.batch_tokens as usize,
            pool: Pool::new(params.threads),
            _abort: abort,
            _model: Arc::clone(model),
        })
    }

    /// Cells that the context really has (llama.cpp rounds up).
    pub fn cells(&self) -> u32 {
        self.cells
    }

    /// Threads for the next steps, whatever their size.
    pub fn set_threads(&mut self, threads: u32) {
        let ptr = self.ptr.as_ptr();
        // SAFETY: plain assignments within the context; the pool lives as long as the context. A
        // step with one thread leaves the pool alone, or each would wake threads it doesn't use.
        unsafe {
            sys::llama_set_n_threads(ptr, threads as i32, threads as i32);
            match &self.pool {
                Some(pool) if threads > 1 => {
                    sys::llama_attach_threadpool(ptr, pool.0.as_ptr(), pool.0.as_ptr());
                }
                _ => sys::llama_detach_threadpool(ptr),
            }
        }
    }

    pub fn clear_batch(&mut self) {
        self.batch.n_tokens = 0;
    }

    pub fn batch_len(&self) -> usize {
        self.batch.n_tokens as usize
    }

    pub fn batch_room(&self) -> usize {
        self.batch_tokens - self.batch_len()
    }

    /// Adds a token to the batch; false where it is full. The token's row of logits, where it
    /// `wants_logits`, has the index `batch_len() - 1`.
    pub fn push(&mut self, token: u32, position: u32, sequence: i32, wants_logits: bool) -> bool {
        if self.batch_room() == 0 {
            return false;
        }
        let i = self.batch_len();
        // SAFETY: `i` is below the length the batch was allocated with, with one sequence each.
        unsafe {
            self.batch.token.add(i).write(token as i32);
            self.batch.pos.add(i).write(position as i32);
            self.batch.n_seq_id.add(i).write(1);
            (*self.batch.seq_id.add(i)).write(sequence);
            self.batch.logits.add(i).write(i8::from(wants_logits));
        }
        self.batch.n_tokens += 1;
        true
    }

    /// Computes the batch.
    pub fn decode(&mut self) -> Result<(), DecodeFailure> {
        // SAFETY: the batch was filled by `push` and is read only.
        match unsafe { sys::llama_decode(self.ptr.as_ptr(), self.batch) } {
            0 => Ok(()),
            1 => Err(DecodeFailure::NoRoom),
            2 => Err(DecodeFailure::Aborted),
            code => Err(DecodeFailure::Fatal(code)),
        }
    }

    /// The logits of the batch's token `index`, if it asked for them.
    pub fn logits(&self, index: usize) -> Option<&[f32]> {
        // SAFETY: the row has one entry per token of the vocabulary and lives until the next
        // `decode`, which needs `&mut self`. A bad index gives null.
        unsafe {
            let row = sys::llama_get_logits_ith(self.ptr.as_ptr(), index as i32);
            if row.is_null() {
                return None;
            }
            Some(std::slice::from_raw_parts(row, self.vocab_len))
        }
    }

    fn memory(&self) -> sys::llama_memory_t {
        // SAFETY: the context is alive.
        unsafe { sys::llama_get_memory(self.ptr.as_ptr()) }
    }

    /// Forgets what `sequence` has from the position `from` on. False where the memory cannot.
    pub fn truncate(&mut self, sequence: i32, from: u32) -> bool {
        // SAFETY: sequence ids come from the engine's table, which is as long as the context's.
        unsafe { sys::llama_memory_seq_rm(self.memory(), sequence, from as i32, -1) }
    }

    /// Lets `target` share what `source` has before the position `end`, without copying it.
    pub fn share(&mut self, source: i32, target: i32, end: u32) {
        // SAFETY: as in `truncate`.
        unsafe { sys::llama_memory_seq_cp(self.memory(), source, target, 0, end as i32) }
    }

    /// The bytes that `restore` needs to bring a sequence back.
    pub fn save(&mut self, sequence: i32) -> Option<Vec<u8>> {
        // SAFETY: the buffer has the size that the library asked for.
        unsafe {
            let size = sys::llama_state_seq_get_size(self.ptr.as_ptr(), sequence);
            let mut buffer = vec![0u8; size];
            let written = sys::llama_state_seq_get_data(
                self.ptr.as_ptr(),
                buffer.as_mut_ptr(),
                size,
                sequence,
            );
            (written == size && size > 0).then_some(buffer)
        }
    }

    /// Fills an empty sequence from `save`'s bytes. False where they do not fit this context.
    pub fn restore(&mut self, sequence: i32, bytes: &[u8]) -> bool {
        // SAFETY: pointer and length belong together; the caller has checked the bytes' checksum,
        // and the library refuses other shapes.
        unsafe {
            let read = sys::llama_state_seq_set_data(
                self.ptr.as_ptr(),
                bytes.as_ptr(),
                bytes.len(),
                sequence,
            );
            read > 0
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: both were made in `new` and are freed once.
        unsafe {
            sys::llama_batch_free(self.batch);
            sys::llama_free(self.ptr.as_ptr());
        }
    }
}
