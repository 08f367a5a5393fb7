//! What one cell did, and how a model reads it.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Limits of one call.
#[derive(Debug, Clone)]
pub struct ExecuteOptions {
    /// After this the cell is interrupted; its state is kept.
    pub timeout: Duration,
    /// What an interrupted cell gets to end by itself before its kernel is killed.
    pub grace: Duration,
    /// Of stdout, of stderr, and of the result each.
    pub max_output_bytes: usize,
    pub max_images: usize,
    pub max_files: usize,
    /// A larger file stays in the kernel, with a note.
    pub max_file_bytes: u64,
    /// Cancelling interrupts the cell like the timeout does.
    pub cancel: CancellationToken,
}

impl Default for ExecuteOptions {
    fn default() -> ExecuteOptions {
        ExecuteOptions {
            timeout: Duration::from_secs(30),
            grace: Duration::from_secs(2),
            max_output_bytes: 64 << 10,
            max_images: 8,
            max_files: 32,
            max_file_bytes: 32 << 20,
            cancel: CancellationToken::new(),
        }
    }
}

/// Output as it arrives, within the caps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KernelEvent<'a> {
    Stdout(&'a str),
    Stderr(&'a str),
    /// PNG bytes.
    Image(&'a [u8]),
}

/// One cell's outcome. Nothing in it is larger than the options allowed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Execution {
    pub stdout: String,
    pub stderr: String,
    /// `text/plain` of the last expression.
    pub result: Option<String>,
    pub error: Option<ErrorOutput>,
    /// PNG files.
    pub images: Vec<Vec<u8>>,
    pub tables: Vec<Table>,
    pub files: Vec<OutputFile>,
    /// What the reader must know besides: state that was lost, files that were left out.
    pub notes: Vec<String>,
    /// Bytes of output that were left out; the texts say where.
    pub omitted_bytes: u64,
    pub duration: Duration,
    pub status: Status,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorOutput {
    pub ename: String,
    pub evalue: String,
    /// From the cell's own frames to the last line, which names the error.
    pub traceback: String,
}

/// A data frame that was shown. Its text is also part of the result or of stdout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub text: String,
    pub html: String,
}

/// A file that the cell made or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputFile {
    /// Relative to the work folder.
    pub name: String,
    pub bytes: u64,
    /// The copy outside; `None` if it was too large to copy.
    pub host_path: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Status {
    #[default]
    Ok,
    /// The code raised an error.
    Error,
    /// The cell was stopped and its state kept.
    Interrupted(Interrupt),
    /// The kernel is gone and its state with it; the text names the cause.
    Died(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupt {
    Timeout,
    Cancelled,
    /// More output than anybody will read.
    OutputLimit,
}

impl Execution {
    pub fn is_truncated(&self) -> bool {
        self.omitted_bytes > 0
    }

    /// The text that the model reads: stdout, stderr, the last expression, the error, then notes in
    /// brackets. At most about `cap_chars` characters; the last line of an error is always kept.
    pub fn to_model_text(&self, cap_chars: usize) -> String {
        let tail = self.closing_lines();
        let left = cap_chars.saturating_sub(tail.chars().count());
        let body = cut_middle(&self.opening_lines(), left);
        let text = match (body.is_empty(), tail.is_empty()) {
            (true, true) => return "[no output]".to_owned(),
            (_, true) => body,
            (true, _) => tail,
            _ => format!("{body}\n{tail}"),
        };
        text.trim_end().to_owned()
    }

    /// What may be cut.
    fn opening_lines(&self) -> String {
        let frames = self.error.as_ref().map(|error| error.message().0);
        let one_line = frames.is_some_and(is_of_a_one_line_cell);
        let parts = [
            Some(self.stdout.trim_end()),
            Some(self.stderr.trim_end()),
            self.result.as_deref().map(str::trim_end),
            frames.filter(|_| !one_line).map(str::trim_end),
        ];
        let parts: Vec<&str> =
            parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
        parts.join("\n")
    }

    /// What is always kept.
    fn closing_lines(&self) -> String {
        let mut lines = Vec::new();
        if let Some(error) = &self.error {
            lines.push(cut_middle(error.message().1, 2000));
        }
        for (number, image) in self.images.iter().enumerate() {
            let size = png_size(image).map(|(w, h)| format!("{w}x{h} ")).unwrap_or_default();
            lines.push(format!("[image {}: {size}png]", number + 1));
        }
        for file in &self.files {
            let note = if file.host_path.is_none() { ", not copied: too large" } else { "" };
            lines.push(format!("[file: {}, {} bytes{note}]", file.name, grouped(file.bytes)));
        }
        lines.extend(self.status_line());
        lines.extend(self.notes.iter().map(|note| format!("[{note}]")));
        lines.join("\n")
    }

    fn status_line(&self) -> Option<String> {
        let seconds = self.duration.as_secs_f64();
        match &self.status {
            Status::Ok | Status::Error => None,
            Status::Interrupted(Interrupt::Timeout) => {
                Some(format!("{STOPPED}{seconds:.1} s: the time limit; variables are kept]"))
            }
            Status::Interrupted(Interrupt::Cancelled) => {
                Some("[stopped: cancelled; variables are kept]".to_owned())
            }
            Status::Interrupted(Interrupt::OutputLimit) => {
                Some("[stopped: too much output; variables are kept]".to_owned())
            }
            Status::Died(cause) => Some(format!("{ENDED}{cause}; variables are lost]")),
        }
    }
}

/// How the line begins that says that a cell had no time.
const STOPPED: &str = "[stopped after ";
/// How the one begins that says that its process is gone.
const ENDED: &str = "[the Python process ended: ";

/// Whether a text of [`Execution::to_model_text`] says that the machine, not the code, ended the
/// cell: it ran out of time, or its process is gone.
pub fn was_cut(model_text: &str) -> bool {
    model_text.lines().any(|line| line.starts_with(STOPPED) || line.starts_with(ENDED))
}

impl ErrorOutput {
    /// The traceback in two: its frames, and the error's name with its message, which may have
    /// several lines.
    fn message(&self) -> (&str, &str) {
        let text = self.traceback.trim_end();
        let names = |line: &str| {
            let name = line.split(':').next().unwrap_or(line).trim_end();
            !self.ename.is_empty() && name.rsplit('.').next() == Some(&self.ename)
        };
        let mut start = 0;
        let mut found = text.rfind('\n').map_or(0, |end| end + 1);
        for line in text.split_inclusive('\n') {
            if names(line) {
                found = start;
            }
            start += line.len();
        }
        text.split_at(found)
    }
}

/// Whether a traceback's head has a single frame, in line 1 of the cell: it says nothing that the
/// reader does not see.
fn is_of_a_one_line_cell(head: &str) -> bool {
    let frames = head.lines().filter(|line| line.contains(", line ")).count();
    frames == 1 && head.contains("  cell, line 1\n") && head.starts_with("Traceback")
}

/// Width and height from a PNG's header.
fn png_size(png: &[u8]) -> Option<(u32, u32)> {
    let header = png.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(8..16)?;
    let (width, height) = header.split_at(4);
    Some((u32::from_be_bytes(width.try_into().ok()?), u32::from_be_bytes(height.try_into().ok()?)))
}

/// As in `12,345`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}

fn omitted_note(characters: u64) -> String {
    format!("[output cut: {} more characters omitted]", grouped(characters))
}

/// Keeps three quarters from the start and the rest from the end.
fn cut_middle(text: &str, cap_chars: usize) -> String {
    let length = text.chars().count();
    if length <= cap_chars {
        return text.to_owned();
    }
    let head: String = text.chars().take(cap_chars * 3 / 4).collect();
    let tail: String = text.chars().skip(length - cap_chars / 4).collect();
    let omitted = length - head.chars().count() - tail.chars().count();
    format!("{head}\n{}\n{tail}", omitted_note(omitted as u64)).trim().to_owned()
}

/// Text that grows without bound, kept within one: its start and its end.
#[derive(Debug)]
pub struct CutText {
    head: String,
    head_max: usize,
    tail: VecDeque<u8>,
    tail_max: usize,
    omitted: u64,
}

impl CutText {
    pub fn new(max_bytes: usize) -> CutText {
        let tail_max = max_bytes / 4;
        let head_max = max_bytes - tail_max;
        CutText { head: String::new(), head_max, tail: VecDeque::new(), tail_max, omitted: 0 }
    }

    /// Adds text; returns the part that still fitted into the start.
    pub fn push<'a>(&mut self, text: &'a str) -> &'a str {
        let room = self.head_max.saturating_sub(self.head.len());
        let room = if self.tail.is_empty() && self.omitted == 0 { room } else { 0 };
        let (fits, rest) = text.split_at(text.floor_char_boundary(room));
        self.head.push_str(fits);
        // Of a text longer than the tail only its end can stay.
        let skipped = rest.len().saturating_sub(self.tail_max);
        self.omitted += skipped as u64;
        self.tail.extend(&rest.as_bytes()[skipped..]);
        let excess = self.tail.len().saturating_sub(self.tail_max);
        self.omitted += excess as u64;
        self.tail.drain(..excess);
        fits
    }

    pub fn omitted_bytes(&self) -> u64 {
        self.omitted
    }

    pub fn finish(self) -> String {
        let tail: Vec<u8> = self.tail.into();
        // The cut may have gone through a character.
        let start = tail.iter().position(|byte| byte & 0xC0 != 0x80).unwrap_or(tail.len());
        let start = if self.omitted > 0 { start } else { 0 };
        let tail = String::from_utf8_lossy(&tail[start..]);
        match self.omitted {
            0 => self.head + &tail,
            omitted => format!("{}\n{}\n{tail}", self.head, omitted_note(omitted + start as u64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(traceback: &str) -> Execution {
        let error = ErrorOutput {
            ename: "ZeroDivisionError".into(),
            evalue: "division by zero".into(),
            traceback: traceback.into(),
        };
        Execution { error: Some(error), status: Status::Error, ..Execution::default() }
    }

    #[test]
    fn plain_output_carries_no_decoration() {
        let execution = Execution { result: Some("352988".into()), ..Execution::default() };
        assert_eq!(execution.to_model_text(1000), "352988");
        let execution = Execution { stdout: "a\nb\n".into(), ..execution };
        assert_eq!(execution.to_model_text(1000), "a\nb\n352988");
    }

    #[test]
    fn silence_is_said() {
        assert_eq!(Execution::default().to_model_text(1000), "[no output]");
    }

    #[test]
    fn an_error_of_one_line_is_one_line() {
        let one = "Traceback (most recent call last):\n  cell, line 1\n    1/0\n\
                   ZeroDivisionError: division by zero";
        assert_eq!(error(one).to_model_text(1000), "ZeroDivisionError: division by zero");
        let two = one.replace("line 1", "line 2");
        assert_eq!(error(&two).to_model_text(1000), two);
    }

    #[test]
    fn the_last_line_of_an_error_survives_every_cap() {
        let execution = Execution { stdout: "x".repeat(5000), ..error("E: why") };
        let text = execution.to_model_text(100);
        assert!(text.ends_with("\nE: why") && text.chars().count() < 200, "{text}");
        assert!(text.contains("[output cut: 4,907 more characters omitted]"), "{text}");
    }

    #[test]
    fn an_error_message_of_several_lines_stays_whole() {
        let traceback = "Traceback (most recent call last):\n  cell, line 3\n    f()\n\
                         pkg.ZeroDivisionError: first\nsecond";
        let text = error(traceback).to_model_text(10);
        assert!(text.ends_with("pkg.ZeroDivisionError: first\nsecond"), "{text}");
    }

    #[test]
    fn pictures_and_files_are_named() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x02\x80\0\0\x01\xe0".to_vec();
        let file = OutputFile { name: "out.csv".into(), bytes: 1234, host_path: Some("/x".into()) };
        let execution = Execution { images: vec![png], files: vec![file], ..Execution::default() };
        let text = execution.to_model_text(1000);
        assert_eq!(text, "[image 1: 640x480 png]\n[file: out.csv, 1,234 bytes]");
    }

    #[test]
    fn cut_text_keeps_both_ends_wherever_it_was_split() {
        let text: String = (0..500).map(|n| format!("{n}é ")).collect();
        let mut results = Vec::new();
        for size in [1, 7, 100, 5000] {
            let mut cut = CutText::new(100);
            let characters: Vec<char> = text.chars().collect();
            for part in characters.chunks(size) {
                cut.push(&part.iter().collect::<String>());
            }
            results.push(cut.finish());
        }
        assert!(results[0].starts_with("0é 1é") && results[0].ends_with("499é "), "{}", results[0]);
        assert!(results.iter().all(|result| result == &results[0]), "{results:#?}");
    }

    #[test]
    fn short_text_is_not_cut() {
        let mut cut = CutText::new(100);
        cut.push(&"ab".repeat(50));
        assert_eq!((cut.omitted_bytes(), cut.finish()), (0, "ab".repeat(50)));
    }
}
