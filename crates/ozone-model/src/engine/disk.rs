//! Cold prefixes on disk: what the KV cache evicts can come back without being computed again.
//!
//! One file per sequence, named by a hash of its tokens: a header with the model's fingerprint and
//! a checksum, the tokens, then llama.cpp's own bytes. A file that does not fit, of another model
//! or of another build of llama.cpp is never restored. The folder is kept under a size cap by
//! deleting what was used least recently. Nothing depends on these files: they may be deleted.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const MAGIC: &[u8; 8] = b"OZONEKV1";
const HEADER_BYTES: usize = 40;
/// Shorter prefixes are computed again as quickly as they are read.
pub(super) const TOKENS_MIN: usize = 128;

/// Where cold prefixes go, and how many bytes they may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColdStore {
    pub folder: PathBuf,
    pub bytes_max: u64,
}

/// The files of one model.
pub(super) struct Disk {
    store: ColdStore,
    fingerprint: u64,
    entries: Vec<Entry>,
}

struct Entry {
    path: PathBuf,
    tokens: Vec<u32>,
    bytes: u64,
    used: SystemTime,
}

impl Disk {
    /// Opens the folder and lists this model's files; damaged ones are deleted.
    pub fn open(store: ColdStore, fingerprint: u64) -> std::io::Result<Disk> {
        fs::create_dir_all(&store.folder)?;
        let mut disk = Disk { store, fingerprint, entries: Vec::new() };
        for entry in fs::read_dir(&disk.store.folder)?.flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "kv")
                && let Ok(meta) = entry.metadata()
            {
                match read_tokens(&path, fingerprint) {
                    Ok(Some(tokens)) => {
                        let used = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                        disk.entries.push(Entry { path, tokens, bytes: meta.len(), used });
                    }
                    Ok(None) => {}
                    Err(_) => drop(fs::remove_file(&path)),
                }
            }
        }
        disk.shrink();
        Ok(disk)
    }

    /// The stored sequence that shares most tokens with `prompt`, and how many.
    pub fn longest_prefix(&self, prompt: &[u32]) -> Option<(usize, usize)> {
        let shared = |entry: &Entry| super::common_prefix(&entry.tokens, prompt);
        let best = self.entries.iter().enumerate().map(|(i, entry)| (i, shared(entry)));
        best.max_by_key(|(_, shared)| *shared).filter(|(_, shared)| *shared >= TOKENS_MIN)
    }

    pub fn tokens(&self, index: usize) -> &[u32] {
        &self.entries[index].tokens
    }

    pub fn contains(&self, tokens: &[u32]) -> bool {
        self.entries.iter().any(|entry| entry.tokens.starts_with(tokens))
    }

    /// The state's bytes, or `None` (and the file is forgotten) where it is damaged.
    pub fn read(&mut self, index: usize) -> Option<Vec<u8>> {
        let entry = &mut self.entries[index];
        entry.used = SystemTime::now();
        match read_state(&entry.path, self.fingerprint) {
            Ok(state) => Some(state),
            Err(error) => {
                tracing::warn!(path = %entry.path.display(), "a cold prefix is lost: {error}");
                let entry = self.entries.swap_remove(index);
                drop(fs::remove_file(entry.path));
                None
            }
        }
    }

    /// Writes a sequence; a full disk only costs the copy.
    pub fn write(&mut self, tokens: &[u32], state: &[u8]) {
        let bytes = (HEADER_BYTES + tokens.len() * 4 + state.len()) as u64;
        if bytes > self.store.bytes_max {
            return;
        }
        let path = self.store.folder.join(format!("{:016x}.kv", self.name(tokens)));
        if let Err(error) = write_file(&path, self.fingerprint, tokens, state) {
            tracing::warn!(path = %path.display(), "a cold prefix was not saved: {error}");
            drop(fs::remove_file(path.with_extension("tmp")));
            return;
        }
        self.entries.retain(|entry| entry.path != path);
        let used = SystemTime::now();
        self.entries.push(Entry { path, tokens: tokens.to_vec(), bytes, used });
        self.shrink();
    }

    fn name(&self, tokens: &[u32]) -> u64 {
        let bytes = tokens.iter().flat_map(|token| token.to_le_bytes());
        bytes.fold(self.fingerprint, |hash, byte| fnv(hash, &[byte]))
    }

    fn shrink(&mut self) {
        self.entries.sort_by_key(|entry| entry.used);
        let mut total: u64 = self.entries.iter().map(|entry| entry.bytes).sum();
        while total > self.store.bytes_max {
            let entry = self.entries.remove(0);
            total -= entry.bytes;
            drop(fs::remove_file(entry.path));
        }
    }
}

/// FNV-1a, 64 bits, over 8 bytes at a time where there are 8: a check against damage, not malice.
pub(super) fn fnv(mut hash: u64, bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01B3;
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let word = u64::from_le_bytes([
            word[0], word[1], word[2], word[3], word[4], word[5], word[6], word[7],
        ]);
        hash = (hash ^ word).wrapping_mul(PRIME);
        hash ^= hash >> 29;
    }
    for byte in words.remainder() {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
    }
    hash
}

fn write_file(path: &Path, fingerprint: u64, tokens: &[u32], state: &[u8]) -> std::io::Result<()> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + tokens.len() * 4 + state.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&fingerprint.to_le_bytes());
    bytes.extend_from_slice(&(tokens.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&(state.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend(tokens.iter().flat_map(|token| token.to_le_bytes()));
    bytes.extend_from_slice(state);
    let checksum = fnv(fingerprint, &bytes[HEADER_BYTES..]);
    bytes[HEADER_BYTES - 8..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    let temporary = path.with_extension("tmp");
    fs::write(&temporary, &bytes)?;
    fs::rename(temporary, path)
}

fn damaged(text: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, text)
}

struct Header {
    fingerprint: u64,
    tokens: usize,
    state: usize,
    checksum: u64,
}

fn parse_header(bytes: &[u8; HEADER_BYTES], file_bytes: u64) -> std::io::Result<Header> {
    let word = |at: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[at..at + 8]);
        u64::from_le_bytes(word)
    };
    let (tokens, state) = (word(16), word(24));
    let length =
        tokens.checked_mul(4).and_then(|n| n.checked_add(state)?.checked_add(HEADER_BYTES as u64));
    if &bytes[..8] != MAGIC || length != Some(file_bytes) {
        return Err(damaged("its header and its length do not agree"));
    }
    let header = Header {
        fingerprint: word(8),
        tokens: tokens as usize,
        state: state as usize,
        checksum: word(32),
    };
    Ok(header)
}

/// The tokens of a file, `None` for another model's file.
fn read_tokens(path: &Path, fingerprint: u64) -> std::io::Result<Option<Vec<u32>>> {
    let mut file = fs::File::open(path)?;
    let mut bytes = [0; HEADER_BYTES];
    file.read_exact(&mut bytes)?;
    let header = parse_header(&bytes, file.metadata()?.len())?;
    if header.fingerprint != fingerprint {
        return Ok(None);
    }
    let mut bytes = vec![0; header.tokens * 4];
    file.read_exact(&mut bytes)?;
    let words = bytes.chunks_exact(4);
    Ok(Some(words.map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()))
}

fn read_state(path: &Path, fingerprint: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = fs::read(path)?;
    let head = bytes.first_chunk().ok_or_else(|| damaged("it is too short"))?;
    let header = parse_header(head, bytes.len() as u64)?;
    if header.fingerprint != fingerprint
        || fnv(fingerprint, &bytes[HEADER_BYTES..]) != header.checksum
    {
        return Err(damaged("its checksum does not agree"));
    }
    Ok(bytes.split_off(bytes.len() - header.state))
}
