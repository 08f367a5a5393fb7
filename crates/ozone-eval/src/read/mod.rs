//! Public sets that the user has as files, in the formats in which their authors gave them out.
//!
//! Nothing is guessed: a line that is not of its set is an error with its place, since a set with
//! some questions left out would be another set.

mod lines;
mod sets;
mod tables;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::Problem;

/// A larger file is no set of questions.
const FILE_BYTES_MAX: u64 = 256 << 20;

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot read {path}: {source}")]
    Io { path: String, source: io::Error },
    #[error("{path}:{line}: {reason}")]
    Line { path: String, line: usize, reason: String },
    #[error("{path}: {reason}")]
    File { path: String, reason: String },
}

/// A public set, or the form of one's own questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `{"text": …, "answer": …}` a line, as `ozone eval` took them from its beginning.
    Own,
    Gsm8k,
    Math500,
    Aime,
    HumanEval,
    Mbpp,
    Mmlu,
    Bbh,
    IfEval,
}

impl Format {
    /// The public sets.
    pub const ALL: [Format; 8] = [
        Format::Gsm8k,
        Format::Math500,
        Format::Aime,
        Format::HumanEval,
        Format::Mbpp,
        Format::Mmlu,
        Format::Bbh,
        Format::IfEval,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Format::Own => "file",
            Format::Gsm8k => "gsm8k",
            Format::Math500 => "math500",
            Format::Aime => "aime",
            Format::HumanEval => "humaneval",
            Format::Mbpp => "mbpp",
            Format::Mmlu => "mmlu",
            Format::Bbh => "bbh",
            Format::IfEval => "ifeval",
        }
    }

    /// By its name, however it is hyphenated.
    pub fn named(name: &str) -> Option<Format> {
        let bare = name.to_lowercase().replace(['-', '_'], "");
        Format::ALL.into_iter().chain([Format::Own]).find(|f| f.name() == bare)
    }

    /// Where its authors keep it, for somebody who has not got it.
    pub fn origin(self) -> &'static str {
        match self {
            Format::Own => "JSON lines of your own: {\"text\": …, \"answer\": …}",
            Format::Gsm8k => "grade_school_math/data/test.jsonl of openai/grade-school-math",
            Format::Math500 => "test.jsonl with `problem` and `answer`, of openai/prm800k",
            Format::Aime => {
                "JSON lines with `problem` and `answer`, or a folder with answers.csv and \
                 problems/1.tex …, as eth-sri/matharena has it"
            }
            Format::HumanEval => "data/HumanEval.jsonl.gz of openai/human-eval, unpacked",
            Format::Mbpp => "mbpp/mbpp.jsonl or sanitized-mbpp.json of google-research",
            Format::Mmlu => "the folder test/ of the data of hendrycks/test, with its csv files",
            Format::Bbh => "the folder bbh/ of suzgunmirac/BIG-Bench-Hard",
            Format::IfEval => {
                "data/input_data.jsonl of google-research's instruction_following_eval"
            }
        }
    }
}

pub(crate) fn read(format: Format, path: &Path) -> Result<Vec<Problem>, ReadError> {
    match format {
        Format::Own => lines::each(path, sets::own),
        Format::Gsm8k => lines::each(path, sets::gsm8k),
        Format::Math500 => lines::each(path, sets::math500),
        Format::Aime if path.is_dir() => tables::aime(path),
        Format::Aime => lines::each(path, sets::aime),
        Format::HumanEval => lines::each(path, sets::human_eval),
        Format::Mbpp => lines::each(path, sets::mbpp),
        Format::Mmlu => tables::mmlu(path),
        Format::Bbh => sets::bbh(path),
        Format::IfEval => lines::each(path, sets::ifeval),
    }
}

/// The text of a file.
fn text(path: &Path) -> Result<String, ReadError> {
    let wrong = |source| ReadError::Io { path: path.display().to_string(), source };
    let file = File::open(path).map_err(wrong)?;
    let mut bytes = vec![];
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(wrong)?;
    let file = |reason: String| ReadError::File { path: path.display().to_string(), reason };
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(file(format!("it is larger than {} MiB", FILE_BYTES_MAX >> 20)));
    }
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return Err(file("it is packed; unpack it with `gunzip -k`".into()));
    }
    if bytes.starts_with(b"version https://git-lfs.github.com/spec/") {
        return Err(file("it is a pointer of git-lfs and not the file; run `git lfs pull`".into()));
    }
    String::from_utf8(bytes).map_err(|e| {
        let line = e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n');
        file(format!("line {} is no text in UTF-8", line.count() + 1))
    })
}

/// The files of a folder with one of these ends, by name; a file stands for itself.
fn files(path: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, ReadError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let wrong = |source| ReadError::Io { path: path.display().to_string(), source };
    let mut found = vec![];
    for entry in fs::read_dir(path).map_err(wrong)? {
        let file = entry.map_err(wrong)?.path();
        let extension = file.extension().map(|e| e.to_string_lossy().into_owned());
        if file.is_file() && extension.is_some_and(|e| extensions.contains(&e.as_str())) {
            found.push(file);
        }
    }
    found.sort();
    if found.is_empty() {
        let reason = format!("there is no .{} file in it", extensions.join(" or ."));
        return Err(ReadError::File { path: path.display().to_string(), reason });
    }
    Ok(found)
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
