//! Runs a fuzz target without a fuzzer, on stable Rust: each file of its saved corpus, then seeded
//! mutations of them. `OZONE_FUZZ_RUNS` says how many, `OZONE_FUZZ_SEED` which.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

const RUNS: u64 = 2_000;
const INPUT_BYTES_MAX: usize = 64 << 10;

/// Pieces that parsers look for, beside those of the corpus.
const PIECES: &[&[u8]] = &[
    b"\n",
    b"\r\n",
    b"\n\n",
    b"\0",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b"[[[[[[[[",
    b"{\"a\":{\"a\":{\"a\":",
    b",",
    b":",
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1e999",
    b"18446744073709551615",
    b"18446744073709551616",
    b"0.1",
    b"data: ",
    b"event: ",
    b"data: [DONE]\n\n",
    b"<",
    b"</",
    b"<think>",
    b"</think>",
    b"<tool_call>",
    b"</tool_call>",
    b"<|",
    b"|>",
    b"<|channel|>",
    b"<|message|>",
    b"<|end|>",
    b"\xff",
    b"\xc3",
    b"\xe2\x80",
    b"\xf0\x9f\x98\x80",
    b"\xef\xbb\xbf",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x00\x00\x00\x80",
    b"\x01\x00\x00\x00\x00\x00\x00\x00",
    b"(?:",
    b"{1,9999}",
];

/// SplitMix64: the same numbers on every machine. Source: Vigna, <https://prng.di.unimi.it/splitmix64.c>.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`, which is not 0.
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// A part of something of this length; often a short one.
    fn part(&mut self, len: usize) -> std::ops::Range<usize> {
        let from = self.below(len + 1);
        let longest = if self.below(4) == 0 { len - from } else { (len - from).min(16) };
        from..from + self.below(longest + 1)
    }
}

fn mutate(input: &mut Vec<u8>, corpus: &[Vec<u8>], rng: &mut Rng) {
    for _ in 0..=rng.below(4) {
        let part = rng.part(input.len());
        match rng.below(8) {
            0 if !input.is_empty() => {
                let at = rng.below(input.len());
                input[at] ^= 1 << rng.below(8);
            }
            1 if !input.is_empty() => {
                let at = rng.below(input.len());
                input[at] = rng.next() as u8;
            }
            2 => drop(input.drain(part)),
            3 => {
                let again = input[part.clone()].to_vec();
                input.splice(part.start..part.start, again);
            }
            4 => input.truncate(part.start),
            5 => {
                let other = &corpus[rng.below(corpus.len())];
                let taken = other[rng.part(other.len())].to_vec();
                input.splice(part, taken);
            }
            _ => {
                let piece = PIECES[rng.below(PIECES.len())];
                let end = if rng.below(2) == 0 { part.start } else { part.end };
                input.splice(part.start..end, piece.iter().copied());
            }
        }
    }
    input.truncate(INPUT_BYTES_MAX);
}

fn number(name: &str, default: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(default, |text| text.parse().expect("a whole number"))
}

/// Fails with the input at which `body` panics.
pub fn run(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", folder.display());
    let corpus: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    let check = |input: &[u8], what: &str| {
        if catch_unwind(AssertUnwindSafe(|| body(input))).is_err() {
            panic!("{target} fails on {what}: b\"{}\"", input.escape_ascii());
        }
    };
    for (path, input) in paths.iter().zip(&corpus) {
        check(input, &path.display().to_string());
    }
    let mut rng = Rng(number("OZONE_FUZZ_SEED", 1));
    for run in 0..number("OZONE_FUZZ_RUNS", RUNS) {
        let mut input = corpus[rng.below(corpus.len())].clone();
        mutate(&mut input, &corpus, &mut rng);
        check(&input, &format!("mutation {run}"));
    }
}
