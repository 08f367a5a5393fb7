//! Pictures in a sequence: what stands for them, who encodes them, and which are the same.
//!
//! A part of a picture is as many tokens of one id as it has embeddings. The id is no word's; it
//! belongs to the hash of the pixels and is never given to others. So all that the engine does with
//! tokens holds for pictures: the same picture in the next turn is a prefix that is there already,
//! and two pictures never share a cell. Encoding is slow and has a thread of its own; the sequences
//! that wait for it don't stop the others.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;

use sha2::{Digest, Sha256};

use super::llama::{Chunk, Media, NotEncoded, Projector};
use super::worker::Command;
use super::{Engine, EngineError, GenerateRequest};

/// Ids from here on stand for parts of pictures; no vocabulary is that long.
pub(super) const FIRST_ID: u32 = 1 << 31;
/// Numbers of pictures' embeddings that are kept for when their picture is shown again.
const EMBEDDINGS_BYTES_MAX: usize = 256 << 20;
/// The least batch for a model whose pictures must be computed at once: above what they take.
pub(super) const WHOLE_PICTURE_TOKENS: u32 = 2_048;

const STOPPED: &str = "the encoder has stopped; its model must be loaded again";

/// A picture as one engine takes it. Clones share it.
#[derive(Clone)]
pub struct Picture {
    pieces: Arc<[Piece]>,
}

enum Piece {
    /// What the model wants to read around its pictures.
    Tokens(Vec<u32>),
    Part(Arc<Part>),
}

/// What is encoded at once.
pub(super) struct Part {
    pub id: u32,
    pub media: Media,
    /// Until it is encoded.
    pixels: Mutex<Option<Media>>,
    state: Mutex<Encoded>,
    /// Nobody wants it any more.
    stop: AtomicBool,
}

/// How far a part is.
#[derive(Clone)]
pub(super) enum Encoded {
    Not,
    Asked,
    Done(Arc<[f32]>),
    Failed(String),
}

/// A part in a prompt.
#[derive(Clone)]
pub(super) struct Placed {
    pub start: usize,
    pub part: Arc<Part>,
}

impl Part {
    pub fn state(&self) -> Encoded {
        locked(&self.state).clone()
    }

    fn set(&self, state: Encoded) {
        *locked(&self.state) = state;
    }

    /// The next sequence that shows it may try again.
    pub fn forget_failure(&self) {
        self.set(Encoded::Not);
    }

    pub fn tokens(&self) -> usize {
        self.media.tokens as usize
    }
}

impl Picture {
    /// What stands for it in [`GenerateRequest::prompt`].
    pub fn ids(&self) -> Vec<u32> {
        let ids = self.pieces.iter().flat_map(|piece| match piece {
            Piece::Tokens(ids) => ids.clone(),
            Piece::Part(part) => vec![part.id; part.tokens()],
        });
        ids.collect()
    }

    /// Tokens of the context that it takes.
    pub fn tokens(&self) -> usize {
        let of = |piece: &Piece| match piece {
            Piece::Tokens(ids) => ids.len(),
            Piece::Part(part) => part.tokens(),
        };
        self.pieces.iter().map(of).sum()
    }

    fn parts(&self) -> impl Iterator<Item = &Arc<Part>> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Part(part) => Some(part),
            Piece::Tokens(_) => None,
        })
    }
}

impl PartialEq for Picture {
    fn eq(&self, other: &Picture) -> bool {
        Arc::ptr_eq(&self.pieces, &other.pieces)
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Picture").field("tokens", &self.tokens()).finish_non_exhaustive()
    }
}

/// The pictures that an engine knows.
pub(super) struct Sight {
    pub projector: Arc<Projector>,
    known: Mutex<Known>,
    /// The most tokens of a part, where it must be computed at once.
    part_tokens_max: Option<usize>,
    width: usize,
}

struct Known {
    pictures: HashMap<[u8; 32], (Picture, u64)>,
    next_id: u32,
    clock: u64,
}

impl Sight {
    pub fn new(projector: Arc<Projector>, batch_tokens: u32) -> Sight {
        let part_tokens_max = projector.is_non_causal().then_some(batch_tokens as usize);
        let known = Known { pictures: HashMap::new(), next_id: FIRST_ID, clock: 0 };
        let width = projector.width();
        Sight { projector, known: Mutex::new(known), part_tokens_max, width }
    }

    fn look(&self, width: u32, height: u32, rgb: &[u8]) -> Result<Picture, EngineError> {
        let name = name(width, height, rgb);
        if let Some(picture) = locked(&self.known).find(&name) {
            return Ok(picture);
        }
        let chunks = self.projector.look(width, height, rgb).map_err(|cause| {
            EngineError::BadRequest(format!("the model cannot take this picture: {cause}"))
        })?;
        let mut known = locked(&self.known);
        // Somebody else may have looked at the same one meanwhile.
        if let Some(picture) = known.find(&name) {
            return Ok(picture);
        }
        let mut pieces = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            pieces.push(match chunk {
                Chunk::Tokens(ids) => Piece::Tokens(ids),
                Chunk::Media { pixels, shape } => {
                    Piece::Part(Arc::new(self.part(pixels, shape, &mut known)?))
                }
            });
        }
        let picture = Picture { pieces: pieces.into() };
        known.keep(name, &picture, EMBEDDINGS_BYTES_MAX / (4 * self.width.max(1)));
        Ok(picture)
    }

    fn part(&self, pixels: Media, media: Media, known: &mut Known) -> Result<Part, EngineError> {
        let tokens = media.tokens as usize;
        if let Some(max) = self.part_tokens_max
            && tokens > max
        {
            return Err(EngineError::BadRequest(format!(
                "the picture takes {tokens} tokens at once, and the engine computes {max}; send it \
                 smaller"
            )));
        }
        let id = known.next_id;
        known.next_id = id
            .checked_add(1)
            .ok_or_else(|| EngineError::Picture("too many pictures were shown".to_owned()))?;
        let (state, stop) = (Mutex::new(Encoded::Not), AtomicBool::new(false));
        Ok(Part { id, media, pixels: Mutex::new(Some(pixels)), state, stop })
    }
}

impl Known {
    fn find(&mut self, name: &[u8; 32]) -> Option<Picture> {
        self.clock += 1;
        let (picture, used) = self.pictures.get_mut(name)?;
        *used = self.clock;
        Some(picture.clone())
    }

    /// Forgets the pictures that were shown least recently. They get new ids when they come again.
    fn keep(&mut self, name: [u8; 32], picture: &Picture, tokens_max: usize) {
        self.clock += 1;
        self.pictures.insert(name, (picture.clone(), self.clock));
        let mut tokens: usize = self.pictures.values().map(|(picture, _)| picture.tokens()).sum();
        while tokens > tokens_max && self.pictures.len() > 1 {
            let oldest = self.pictures.iter().min_by_key(|(_, (_, used))| *used);
            let Some(oldest) = oldest.map(|(name, _)| *name) else { return };
            let gone = self.pictures.remove(&oldest);
            tokens -= gone.map_or(0, |(picture, _)| picture.tokens());
        }
    }
}

fn name(width: u32, height: u32, rgb: &[u8]) -> [u8; 32] {
    let size = [width.to_le_bytes(), height.to_le_bytes()].concat();
    Sha256::new().chain_update(size).chain_update(rgb).finalize().into()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine {
    /// Whether it takes pictures.
    pub fn sees(&self) -> bool {
        self.inner.sight.is_some()
    }

    /// Takes a picture in: three bytes per pixel, row by row. Blocks while it is scaled; it is
    /// encoded when a sequence needs it.
    pub fn picture(&self, width: u32, height: u32, rgb: &[u8]) -> Result<Picture, EngineError> {
        match &self.inner.sight {
            Some(sight) => sight.look(width, height, rgb),
            None => Err(EngineError::BadRequest("this model reads no pictures".to_owned())),
        }
    }

    /// Finds the parts of pictures in a prompt.
    pub(super) fn placed(&self, request: &GenerateRequest) -> Result<Arc<[Placed]>, EngineError> {
        let parts: HashMap<u32, &Arc<Part>> =
            request.pictures.iter().flat_map(|p| p.parts()).map(|part| (part.id, part)).collect();
        let bad = |text: &str| Err(EngineError::BadRequest(text.to_owned()));
        let (mut placed, mut at) = (Vec::new(), 0);
        while let Some(id) = request.prompt.get(at) {
            if (*id as usize) < self.vocab().len() {
                at += 1;
                continue;
            }
            let Some(part) = parts.get(id) else {
                return bad("the prompt has a token id that the model does not have");
            };
            let run = request.prompt[at..].iter().take(part.tokens());
            if run.filter(|other| *other == id).count() < part.tokens() {
                return bad("the prompt has only some of the tokens of a picture");
            }
            placed.push(Placed { start: at, part: Arc::clone(part) });
            at += part.tokens();
        }
        let last = request.resumed.last().or(request.prompt.last());
        match last {
            Some(id) if *id >= FIRST_ID => bad("words must follow the last picture"),
            _ => Ok(placed.into()),
        }
    }
}

/// The thread that encodes pictures, one after another.
pub(super) struct Eyes {
    projector: Arc<Projector>,
    jobs: Option<mpsc::Sender<Arc<Part>>>,
    thread: Option<JoinHandle<()>>,
    /// Asked for and perhaps not done.
    asked: Vec<Arc<Part>>,
}

impl Eyes {
    /// `commands` is told of each part that is done.
    pub fn open(
        projector: Arc<Projector>,
        commands: mpsc::Sender<Command>,
    ) -> std::io::Result<Eyes> {
        let (jobs, receiver) = mpsc::channel::<Arc<Part>>();
        let encoder = Arc::clone(&projector);
        let thread =
            std::thread::Builder::new().name("ozone-eyes".to_owned()).spawn(move || {
                for part in receiver {
                    let outcome = catch_unwind(AssertUnwindSafe(|| encode(&encoder, &part)));
                    part.set(outcome.unwrap_or_else(|_| Encoded::Failed(STOPPED.to_owned())));
                    // A stopped engine wants nothing more.
                    let _ = commands.send(Command::Wake);
                }
            })?;
        Ok(Eyes { projector, jobs: Some(jobs), thread: Some(thread), asked: Vec::new() })
    }

    pub fn projector(&self) -> &Projector {
        &self.projector
    }

    /// Has a part encoded, unless it is or will be.
    pub fn ask(&mut self, part: &Arc<Part>) {
        let mut state = locked(&part.state);
        // Also one that was given up and is wanted again.
        part.stop.store(false, Ordering::Relaxed);
        if !matches!(*state, Encoded::Not) {
            return;
        }
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(Arc::clone(part)).is_ok());
        *state = match sent {
            true => Encoded::Asked,
            false => Encoded::Failed(STOPPED.to_owned()),
        };
        self.asked.push(Arc::clone(part));
    }

    /// Gives up what nobody wants any more.
    pub fn drop_unwanted(&mut self, is_wanted: impl Fn(&Arc<Part>) -> bool) {
        self.asked.retain(|part| matches!(part.state(), Encoded::Asked));
        for part in &self.asked {
            part.stop.store(!is_wanted(part), Ordering::Relaxed);
        }
    }
}

fn encode(projector: &Projector, part: &Part) -> Encoded {
    let mut pixels = locked(&part.pixels);
    let outcome = match &*pixels {
        _ if part.stop.load(Ordering::Relaxed) => Err(NotEncoded::Stopped),
        Some(pixels) => projector.encode(pixels, &part.stop),
        None => Err(NotEncoded::Failed("its pixels are gone".to_owned())),
    };
    match outcome {
        Ok(embeddings) => {
            *pixels = None;
            Encoded::Done(embeddings.into())
        }
        Err(NotEncoded::Stopped) => Encoded::Not,
        Err(NotEncoded::Failed(cause)) => Encoded::Failed(cause),
    }
}

impl Drop for Eyes {
    fn drop(&mut self) {
        self.jobs = None;
        for part in &self.asked {
            part.stop.store(true, Ordering::Relaxed);
        }
        if let Some(thread) = self.thread.take() {
            // A panic there left its sequences without their picture, and they have ended.
            let _ = thread.join();
        }
    }
}
