//! A run's state in one file, so that a killed run goes on where it was.
//!
//! Layout: `OZCKPT1\n`, the header's length (u64, little-endian), the header (JSON), all numbers
//! (f32, little-endian), and a CRC-32 of everything before it. A file is written beside its place,
//! flushed to the disk and renamed, and the one before is kept: whatever moment the power goes, a
//! whole checkpoint is there.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::TrainError;
use crate::model::{ModelConfig, Weights};
use crate::optimizer::{Optimizer, OptimizerConfig};
use crate::tokenizer::Tokenizer;

const MAGIC: &[u8; 8] = b"OZCKPT1\n";
/// Checkpoints that stay in the folder.
const KEPT: usize = 2;

/// Where a run is: everything but the numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    pub step: u64,
    pub tokens: u64,
    /// The batch that comes next: its window of examples, and its place in the window.
    pub window: u64,
    pub batch: u64,
    /// The settings that `batch` counts by; with others the run goes on at the next window.
    pub batching: String,
    pub seed: u64,
    /// Loss per token, averaged over about the last hundred steps.
    pub loss_smoothed: Option<f64>,
    pub seconds: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    pub progress: Progress,
    pub weights: Weights,
    pub optimizer: Optimizer,
    pub tokenizer: Tokenizer,
}

#[derive(Serialize, Deserialize)]
struct Header {
    model: ModelConfig,
    optimizer: OptimizerConfig,
    optimizer_steps: u64,
    progress: Progress,
    tokenizer: Value,
}

/// What [`latest`] found: a checkpoint, and why newer ones could not be used.
#[derive(Debug)]
pub struct Found {
    pub checkpoint: Checkpoint,
    pub path: PathBuf,
    pub passed_over: Vec<TrainError>,
}

/// Writes the checkpoint atomically, then removes all but the newest two.
pub fn save(run_dir: &Path, checkpoint: &Checkpoint) -> Result<PathBuf, TrainError> {
    let path = run_dir.join(format!("step-{:09}.checkpoint", checkpoint.progress.step));
    let bytes = encode(checkpoint);
    write_atomically(&path, &bytes)?;
    let mut files = list(run_dir)?;
    files.truncate(files.len().saturating_sub(KEPT));
    for old in files {
        // An old checkpoint that stays costs space only; the next save tries again.
        let _ = std::fs::remove_file(old);
    }
    Ok(path)
}

/// The newest checkpoint that is whole, or `None` where there is none at all.
///
/// Fails with `NoCheckpoint` where there are some and every one is damaged.
pub fn latest(run_dir: &Path) -> Result<Option<Found>, TrainError> {
    let files = list(run_dir)?;
    let mut passed_over = Vec::new();
    for path in files.iter().rev() {
        match load(path) {
            Ok(checkpoint) => {
                return Ok(Some(Found { checkpoint, path: path.clone(), passed_over }));
            }
            Err(error) => passed_over.push(error),
        }
    }
    if passed_over.is_empty() {
        return Ok(None);
    }
    let reasons: Vec<String> = passed_over.iter().map(ToString::to_string).collect();
    Err(TrainError::NoCheckpoint { path: run_dir.into(), reasons: reasons.join("; ") })
}

pub fn load(path: &Path) -> Result<Checkpoint, TrainError> {
    let bytes = std::fs::read(path).map_err(TrainError::io(path))?;
    decode(&bytes).map_err(|reason| TrainError::DamagedCheckpoint { path: path.into(), reason })
}

/// Checkpoints of a run, oldest first.
fn list(run_dir: &Path) -> Result<Vec<PathBuf>, TrainError> {
    let entries = match std::fs::read_dir(run_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(TrainError::io(run_dir)(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(TrainError::io(run_dir))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("step-") && name.ends_with(".checkpoint") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Writes beside `path`, flushes, renames: a reader sees the old file or the new one.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(error) = written {
        // A half-written part takes space that the next try needs.
        let _ = std::fs::remove_file(&beside);
        return Err(TrainError::io(path)(error));
    }
    std::fs::rename(&beside, path).map_err(TrainError::io(path))?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(TrainError::io(folder))?;
    }
    Ok(())
}

fn encode(checkpoint: &Checkpoint) -> Vec<u8> {
    let Checkpoint { progress, weights, optimizer, tokenizer } = checkpoint;
    let header = Header {
        model: weights.config.clone(),
        optimizer: optimizer.config.clone(),
        optimizer_steps: optimizer.steps,
        progress: progress.clone(),
        tokenizer: tokenizer.to_json(),
    };
    let header = serde_json::to_vec(&header).expect("the header has text keys and finite numbers");
    let mut bytes = MAGIC.to_vec();
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header);
    for parameter in &weights.parameters {
        put(&mut bytes, &parameter.data);
    }
    for memory in &optimizer.memories {
        memory.slices().into_iter().for_each(|slice| put(&mut bytes, slice));
    }
    let sum = crc32fast::hash(&bytes);
    bytes.extend(sum.to_le_bytes());
    bytes
}

fn put(bytes: &mut Vec<u8>, numbers: &[f32]) {
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

fn decode(bytes: &[u8]) -> Result<Checkpoint, String> {
    let (body, sum) = bytes.split_last_chunk::<4>().ok_or("it is too short")?;
    if crc32fast::hash(body) != u32::from_le_bytes(*sum) {
        return Err("its checksum does not fit: it was cut or changed".to_owned());
    }
    let body = body.strip_prefix(MAGIC).ok_or("it is not a checkpoint")?;
    let (length, body) = body.split_first_chunk::<8>().ok_or("it is too short")?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|error| error.to_string())?;
    let (header, mut numbers) = body.split_at_checked(length).ok_or("its header is cut")?;
    let header: Header = serde_json::from_slice(header).map_err(|error| error.to_string())?;
    let tokenizer = Tokenizer::from_json(&header.tokenizer).map_err(|error| error.to_string())?;
    let mut weights = Weights::init(&header.model, 0).map_err(|error| error.to_string())?;
    let mut optimizer = Optimizer::new(header.optimizer, &weights);
    optimizer.steps = header.optimizer_steps;
    for parameter in &mut weights.parameters {
        numbers = take(numbers, &mut parameter.data)?;
    }
    for memory in &mut optimizer.memories {
        for slice in memory.slices_mut() {
            numbers = take(numbers, slice)?;
        }
    }
    if !numbers.is_empty() {
        return Err("it holds more numbers than its shape".to_owned());
    }
    Ok(Checkpoint { progress: header.progress, weights, optimizer, tokenizer })
}

fn take<'a>(bytes: &'a [u8], into: &mut [f32]) -> Result<&'a [u8], String> {
    let (taken, rest) =
        bytes.split_at_checked(into.len() * 4).ok_or("it holds fewer numbers than its shape")?;
    let (numbers, _) = taken.as_chunks::<4>();
    for (place, number) in into.iter_mut().zip(numbers) {
        *place = f32::from_le_bytes(*number);
    }
    Ok(rest)
}
