//! The process in which files are read, from both of its ends.
//!
//! Down go one line of JSON and the file's bytes; up comes a line of JSON for each thing that is
//! said. When the process dies, its exit says of what.

use std::io::{self, BufRead, Read, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::{Kind, Limits, Part, Said, Unreadable};

/// Parsers walk through trees; those that are too deep end the process.
const STACK_BYTES: usize = 64 << 20;
/// Readers at once, whose memory adds up.
const READING_MAX: usize = 4;
const HEADER_BYTES_MAX: u64 = 64 << 10;

/// What the process is asked.
#[derive(Serialize, Deserialize)]
struct Ask {
    name: String,
    bytes: u64,
    limits: Limits,
    /// Not the text, but a page as a picture.
    #[serde(default)]
    picture: Option<Wanted>,
}

/// A page of a PDF as a picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Wanted {
    /// From 1.
    pub page: u32,
    /// Of the longer side.
    pub side_px: u32,
}

/// Reads files, each in a process of its own.
#[derive(Debug, Clone)]
pub struct Reader {
    executable: Option<PathBuf>,
    limits: Limits,
    /// Processes that may run at once.
    places: Arc<Semaphore>,
}

/// A whole document.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    pub kind: Kind,
    pub parts: Vec<Part>,
    /// What is missing of it.
    pub notes: Vec<String>,
}

/// A document that is being read. The process ends with it.
pub struct Reading {
    from: Origin,
    ended: bool,
}

enum Origin {
    /// Text needs no parser that could fail.
    Here(std::vec::IntoIter<Said>),
    Process(Box<Process>),
}

struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    sending: tokio::task::JoinHandle<()>,
    deadline: Instant,
    limits: Limits,
    _place: OwnedSemaphorePermit,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.sending.abort();
    }
}

impl Reader {
    /// The first argument with which the executable is started.
    pub const ARGUMENT: &str = "__read-file";

    /// `executable` is a program that hands over to [`serve`], as `ozone` itself does. Without one
    /// only text is read.
    pub fn new(executable: Option<&Path>, limits: Limits) -> Reader {
        let places = Arc::new(Semaphore::new(READING_MAX));
        Reader { executable: executable.map(Path::to_owned), limits, places }
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Begins to read. An error is ours: the process did not start.
    pub async fn begin(&self, name: &str, bytes: Arc<[u8]>) -> io::Result<Reading> {
        if Kind::is_plain(name, &bytes) {
            let (name, limits) = (name.to_owned(), self.limits.clone());
            let said = tokio::task::spawn_blocking(move || {
                let mut said = vec![];
                crate::read(&name, &bytes, &limits, &mut |one| said.push(one));
                said
            });
            let from = Origin::Here(said.await.map_err(io::Error::other)?.into_iter());
            return Ok(Reading { from, ended: false });
        }
        self.start(name, bytes, None).await
    }

    async fn start(
        &self,
        name: &str,
        bytes: Arc<[u8]>,
        picture: Option<Wanted>,
    ) -> io::Result<Reading> {
        let Some(executable) = &self.executable else {
            let why = "Only text is read here: no program for other kinds of files is set up.";
            let said = Said::Refused { why: Unreadable::Unsupported(why.into()) };
            return Ok(Reading { from: Origin::Here(vec![said].into_iter()), ended: false });
        };
        // Nobody closes it.
        let place = self.places.clone().acquire_owned().await.map_err(io::Error::other)?;
        let limits = self.limits.clone();
        let ask = Ask { name: name.to_owned(), bytes: bytes.len() as u64, limits, picture };
        let mut child = Command::new(executable)
            .arg(Reader::ARGUMENT)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("the reader has no pipes"));
        };
        let header = serde_json::to_string(&ask)? + "\n";
        let sending = tokio::spawn(async move {
            // A reader that hangs up has said why, or its exit does.
            if stdin.write_all(header.as_bytes()).await.is_ok() {
                let _ = stdin.write_all(&bytes).await;
            }
        });
        let deadline = Instant::now() + self.limits.time_max;
        let lines = BufReader::new(stdout).lines();
        let limits = self.limits.clone();
        let process = Process { child, lines, sending, deadline, limits, _place: place };
        Ok(Reading { from: Origin::Process(Box::new(process)), ended: false })
    }

    /// Reads a document to its end.
    pub async fn document(
        &self,
        name: &str,
        bytes: Arc<[u8]>,
    ) -> io::Result<Result<Document, Unreadable>> {
        let mut reading = self.begin(name, bytes).await?;
        let mut document = Document { kind: Kind::Text, parts: vec![], notes: vec![] };
        while let Some(said) = reading.next().await? {
            match said {
                Said::Begins { kind, .. } => document.kind = kind,
                Said::Part(part) => document.parts.push(part),
                Said::Note { text } => document.notes.push(text),
                Said::Refused { why } => return Ok(Err(why)),
                Said::Picture { .. } | Said::Ended => {}
            }
        }
        Ok(Ok(document))
    }

    /// A page of a PDF, from 1, as a PNG whose longer side has `side_px` pixels, and how many pages
    /// there are.
    pub async fn picture(
        &self,
        pdf: Arc<[u8]>,
        page: u32,
        side_px: u32,
    ) -> io::Result<Result<(Vec<u8>, u32), Unreadable>> {
        let mut reading = self.start("", pdf, Some(Wanted { page, side_px })).await?;
        while let Some(said) = reading.next().await? {
            match said {
                Said::Picture { png, pages } => {
                    let png = STANDARD.decode(png).map_err(io::Error::other)?;
                    return Ok(Ok((png, pages)));
                }
                Said::Refused { why } => return Ok(Err(why)),
                Said::Begins { .. } | Said::Part(_) | Said::Note { .. } | Said::Ended => {}
            }
        }
        Err(io::Error::other("the reader drew nothing"))
    }
}

impl Reading {
    /// What is said next; `None` when all was said. Ends with `Ended` or `Refused`, always.
    pub async fn next(&mut self) -> io::Result<Option<Said>> {
        if self.ended {
            return Ok(None);
        }
        let said = match &mut self.from {
            Origin::Here(said) => said.next(),
            Origin::Process(process) => Some(process.next().await?),
        };
        self.ended = matches!(said, None | Some(Said::Ended | Said::Refused { .. }));
        Ok(said)
    }
}

impl Process {
    async fn next(&mut self) -> io::Result<Said> {
        let line = match tokio::time::timeout_at(self.deadline, self.lines.next_line()).await {
            Ok(line) => line?,
            Err(_) => {
                self.child.start_kill()?;
                return Ok(refused(self.too_long()));
            }
        };
        if let Some(line) = line {
            return serde_json::from_str(&line).map_err(io::Error::other);
        }
        let status = self.child.wait().await?;
        let why = self.died_of(status);
        Ok(refused(why))
    }

    fn too_long(&self) -> String {
        let seconds = self.limits.time_max.as_secs_f32();
        format!("Reading the file took longer than {seconds} seconds, and was stopped; split it.")
    }

    fn died_of(&self, status: ExitStatus) -> String {
        const SIGABRT: i32 = 6;
        const SIGKILL: i32 = 9;
        const SIGXCPU: i32 = 24;
        match status.signal() {
            Some(SIGXCPU) => self.too_long(),
            // An allocation that fails aborts.
            Some(SIGABRT | SIGKILL) => {
                let max = self.limits.memory_bytes_max >> 20;
                format!("Reading the file took more than {max} MiB of memory, and was stopped.")
            }
            Some(_) | None => {
                "The file is broken in a way that ended its reader; nothing of it is read.".into()
            }
        }
    }
}

fn refused(why: String) -> Said {
    Said::Refused { why: Unreadable::Invalid(why) }
}

/// The process's own end: reads one file from standard input.
pub fn serve() -> ExitCode {
    let reading = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(answer);
    match reading.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn answer() -> io::Result<()> {
    let mut input = io::stdin().lock();
    let mut header = String::new();
    (&mut input).take(HEADER_BYTES_MAX).read_line(&mut header)?;
    let ask: Ask = serde_json::from_str(&header)?;
    confine(&ask.limits)?;
    let mut bytes = vec![];
    // One more than may be shows that it is too long.
    let most = ask.bytes.min(ask.limits.file_bytes_max.saturating_add(1));
    (&mut input).take(most).read_to_end(&mut bytes)?;
    let mut output = io::stdout().lock();
    let mut failed = Ok(());
    let mut say = |said: Said| {
        if failed.is_ok() {
            failed = tell(&mut output, &said);
        }
        // Nobody listens any more.
        if failed.is_err() {
            std::process::exit(1);
        }
    };
    match ask.picture {
        None => crate::read(&ask.name, &bytes, &ask.limits, &mut say),
        Some(wanted) => picture(&bytes, wanted, &mut say),
    }
    failed
}

#[cfg(feature = "pages")]
fn picture(bytes: &[u8], wanted: Wanted, say: &mut dyn FnMut(Said)) {
    crate::picture::draw(bytes, wanted, say);
}

#[cfg(not(feature = "pages"))]
fn picture(_: &[u8], _: Wanted, say: &mut dyn FnMut(Said)) {
    let why = "This build has no part that draws pages (feature `pages`).";
    say(Said::Refused { why: Unreadable::Unsupported(why.into()) });
}

fn tell(output: &mut impl Write, said: &Said) -> io::Result<()> {
    let mut line = serde_json::to_vec(said)?;
    line.push(b'\n');
    output.write_all(&line)?;
    output.flush()
}

/// Before a byte of the file is looked at.
fn confine(limits: &Limits) -> io::Result<()> {
    let at_most = |most: u64| Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(Resource::As, at_most(limits.memory_bytes_max))?;
    setrlimit(Resource::Cpu, at_most(limits.time_max.as_secs().max(1)))?;
    setrlimit(Resource::Fsize, at_most(0))?;
    setrlimit(Resource::Core, at_most(0))?;
    Ok(())
}
