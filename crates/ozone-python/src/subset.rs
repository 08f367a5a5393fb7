//! Python without Python: the `monty` interpreter, for hosts where no CPython is installed.
//!
//! monty opens nothing by itself, but an abort inside it would be ours and its memory is not
//! bounded by itself; so it runs as a process of its own in the sandbox, under the same limits as
//! a kernel. The process is our own executable, started with [`Subset::WORKER_ARGUMENT`] and
//! handing over to [`Subset::serve`]. One line of JSON asks, one line answers; state lasts from
//! call to call.

use std::borrow::Cow;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use monty::MontyRepl;
use monty_types::{
    CompileOptions, ExcType, MontyException, MontyObject, PrintWriter, PrintWriterCallback,
    ResourceLimits, ResourceTracker,
};
use ozone_sandbox::{Capabilities, Exit, Jail, Limits, RUN_DIR, Sandbox, Spec};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout};

use crate::session::{end_of, run_blocking};
use crate::{
    CutText, ErrorOutput, ExecuteOptions, Execution, Interrupt, KernelEvent, PythonError, Status,
};

/// An interpreter for a part of Python, in the sandbox.
pub struct Subset {
    sandbox: Sandbox,
    executable: PathBuf,
    limits: Limits,
    worker: Option<Worker>,
    restarts: u32,
}

struct Worker {
    jail: Arc<Jail>,
    stream: tokio::io::BufReader<UnixStream>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jail.kill();
    }
}

const SOCKET: &str = "subset";
const READY: &str = "ozone: ready";
/// A question with its code, and an answer, are at most this long.
const MAX_LINE_BYTES: u64 = 4 << 20;
const START_TIME: Duration = Duration::from_secs(30);
/// Code can nest calls this deep; the worker's stack is sized for it.
const RECURSION_DEPTH: usize = 1_000;
const STACK_BYTES: usize = 256 << 20;

impl Subset {
    /// The first argument with which the worker's executable is started.
    pub const WORKER_ARGUMENT: &str = "__python-subset";

    /// What the model must be told before it writes code.
    pub const LACKS: &str = "CPython is not installed here; a small interpreter runs a subset of \
        Python instead. It has the built-ins and the modules asyncio, base64, binascii, \
        collections, dataclasses, datetime, functools, itertools, json, math, re, sys and \
        unicodedata. It lacks numpy, pandas, matplotlib, sympy, random, statistics, decimal and \
        fractions, plots, files, subprocesses, class inheritance and generators (`yield`). \
        Variables last from call to call.";

    /// Tries the sandbox. `executable` is a program that hands over to [`Subset::serve`], as
    /// `ozone` itself does.
    pub fn new(executable: &Path) -> Result<Subset, PythonError> {
        Ok(Subset {
            sandbox: Sandbox::new()?,
            executable: executable.to_owned(),
            limits: Limits { memory_bytes: 1 << 30, processes: 16, ..Limits::default() },
            worker: None,
            restarts: 0,
        })
    }

    pub fn capabilities(&self) -> &Capabilities {
        self.sandbox.capabilities()
    }

    /// Runs one cell, like [`Kernel::execute`](crate::Kernel::execute).
    pub async fn execute(
        &mut self,
        code: &str,
        options: &ExecuteOptions,
        mut on_event: impl FnMut(KernelEvent<'_>),
    ) -> Result<Execution, PythonError> {
        let mut notes = Vec::new();
        // Taken out while it works: a caller who drops us leaves no half-read answer behind.
        let mut worker = match self.worker.take() {
            Some(worker) => worker,
            None => {
                if self.restarts > 0 {
                    notes.push("the interpreter was started anew: variables are gone".to_owned());
                }
                self.restarts += 1;
                self.start().await?
            }
        };
        let started = Instant::now();
        let question = json!({
            "code": code,
            "timeout_ms": options.timeout.as_millis() as u64,
            "max_output_bytes": options.max_output_bytes,
        });
        let most = options.timeout + options.grace;
        let answer = tokio::select! {
            answer = timeout(most, worker.ask(&question)) => answer.ok(),
            () = options.cancel.cancelled() => None,
        };
        let mut execution = match answer {
            Some(Some(answer)) => {
                self.worker = Some(worker);
                read_answer(&answer, options)
            }
            Some(None) => died(worker.end().await),
            None if options.cancel.is_cancelled() => died("it was cancelled".to_owned()),
            None => died("the time limit passed and the code did not stop".to_owned()),
        };
        if !execution.stdout.is_empty() {
            on_event(KernelEvent::Stdout(&execution.stdout));
        }
        execution.notes.splice(0..0, notes);
        execution.duration = started.elapsed();
        Ok(execution)
    }

    async fn start(&self) -> Result<Worker, PythonError> {
        let spec = Spec {
            argv: vec![self.executable.clone().into(), Subset::WORKER_ARGUMENT.into()],
            env: vec![("LANG".to_owned(), "C.UTF-8".to_owned())],
            ro_binds: vec![self.executable.clone()],
            limits: self.limits.clone(),
            ..Spec::default()
        };
        let sandbox = self.sandbox.clone();
        let jail = run_blocking(move || {
            let jail = sandbox.spawn(&spec)?;
            match jail.wait_for_output(READY, START_TIME) {
                true => Ok(jail),
                false => Err(PythonError::KernelStart(jail.output_tail().trim().to_owned())),
            }
        });
        let jail = jail.await??;
        let stream = UnixStream::connect(jail.run_dir()?.join(SOCKET)).await;
        let stream = stream.map_err(PythonError::io("connect to the interpreter"))?;
        Ok(Worker { jail: Arc::new(jail), stream: tokio::io::BufReader::new(stream) })
    }
}

impl Worker {
    /// `None` when the worker is gone or answers nonsense.
    async fn ask(&mut self, question: &Value) -> Option<Value> {
        let line = format!("{question}\n");
        self.stream.get_mut().write_all(line.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        (&mut self.stream).take(MAX_LINE_BYTES).read_until(b'\n', &mut answer).await.ok()?;
        serde_json::from_slice(&answer).ok()
    }

    /// Waits for the end and names its cause.
    async fn end(self) -> String {
        match end_of(self.jail.clone()).await {
            Ok(Exit::OutOfMemory) => "it needed more memory than is allowed".to_owned(),
            Ok(Exit::Code(code)) => format!("it exited with code {code}"),
            Ok(Exit::Signal(6)) => "it ran out of memory or stack".to_owned(),
            Ok(exit) => format!("it ended ({exit:?})"),
            Err(error) => error.to_string(),
        }
    }
}

fn died(cause: String) -> Execution {
    Execution { status: Status::Died(cause), ..Execution::default() }
}

/// Takes an answer as what it is: text from an untrusted process.
fn read_answer(answer: &Value, options: &ExecuteOptions) -> Execution {
    let text = |value: &Value| {
        let mut cut = CutText::new(options.max_output_bytes);
        cut.push(value.as_str().unwrap_or_default());
        cut.finish()
    };
    let error = answer["error"].as_object().map(|error| ErrorOutput {
        ename: text(&error["ename"]),
        evalue: text(&error["evalue"]),
        traceback: text(&error["traceback"]),
    });
    let status = match (answer["stopped"].as_str(), &error) {
        (Some("timeout"), _) => Status::Interrupted(Interrupt::Timeout),
        (Some("output"), _) => Status::Interrupted(Interrupt::OutputLimit),
        (_, Some(_)) => Status::Error,
        (_, None) => Status::Ok,
    };
    let lacking = ["ModuleNotFoundError", "NotImplementedError", "ImportError"];
    let lacks = error.as_ref().is_some_and(|error| lacking.contains(&error.ename.as_str()));
    Execution {
        stdout: text(&answer["stdout"]),
        result: answer["result"].as_str().map(|_| text(&answer["result"])),
        error: error.filter(|_| !matches!(status, Status::Interrupted(_))),
        omitted_bytes: answer["omitted_bytes"].as_u64().unwrap_or(0),
        notes: lacks.then(|| Subset::LACKS.to_owned()).into_iter().collect(),
        status,
        ..Execution::default()
    }
}

// The worker's side.

impl Subset {
    /// Serves one connection inside the sandbox, until it closes.
    pub fn serve() -> ExitCode {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(serve_connection);
        match thread.map(std::thread::JoinHandle::join) {
            Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
            Ok(Ok(Err(error))) => {
                eprintln!("the subset interpreter: {error}");
                ExitCode::FAILURE
            }
            _ => ExitCode::FAILURE,
        }
    }
}

fn serve_connection() -> std::io::Result<()> {
    let listener = UnixListener::bind(Path::new(RUN_DIR).join(SOCKET))?;
    println!("{READY}");
    let (stream, _) = listener.accept()?;
    drop(listener);
    let mut repl = new_repl();
    let mut answers = stream.try_clone()?;
    for line in BufReader::new(stream).lines() {
        let question: Value = serde_json::from_str(&line?)?;
        let mut answer = answer(&mut repl, &question).to_string();
        answer.push('\n');
        answers.write_all(answer.as_bytes())?;
    }
    Ok(())
}

fn new_repl() -> MontyRepl {
    let limits = ResourceLimits::default().max_recursion_depth(RECURSION_DEPTH);
    MontyRepl::new("cell", ResourceTracker::new(limits), CompileOptions::default())
}

/// Printed text within the cap; past four times it the cell is stopped.
struct Printed {
    text: CutText,
    bytes: usize,
    most: usize,
}

impl Printed {
    fn push(&mut self, text: &str) -> Result<(), MontyException> {
        self.text.push(text);
        self.bytes += text.len();
        match self.bytes > self.most {
            true => Err(MontyException::new(ExcType::MemoryError, Some(TOO_MUCH.to_owned()))),
            false => Ok(()),
        }
    }
}

const TOO_MUCH: &str = "too much output";

impl PrintWriterCallback for Printed {
    fn stdout_write(&mut self, output: Cow<'_, str>) -> Result<(), MontyException> {
        self.push(&output)
    }

    fn stdout_push(&mut self, end: char) -> Result<(), MontyException> {
        self.push(end.encode_utf8(&mut [0; 4]))
    }
}

fn answer(repl: &mut MontyRepl, question: &Value) -> Value {
    let code = question["code"].as_str().unwrap_or_default();
    let time = Duration::from_millis(question["timeout_ms"].as_u64().unwrap_or(1_000));
    let cap = question["max_output_bytes"].as_u64().unwrap_or(4_096) as usize;
    let mut printed = Printed { text: CutText::new(cap), bytes: 0, most: cap.max(1 << 20) * 4 };
    repl.tracker_mut().set_max_duration(time);
    let outcome = repl.feed_run(code, Vec::new(), PrintWriter::Callback(&mut printed));
    let out_of_time = repl.tracker().elapsed() >= time;
    let stopped = match &outcome {
        Err(_) if out_of_time => Some("timeout"),
        Err(_) if printed.bytes > printed.most => Some("output"),
        _ => None,
    };
    let mut omitted_bytes = printed.text.omitted_bytes();
    let (mut result, mut error) = (Value::Null, Value::Null);
    match outcome {
        Ok(MontyObject::None) => {}
        Ok(value) => {
            let mut text = CutText::new(cap);
            text.push(&value.py_repr());
            omitted_bytes += text.omitted_bytes();
            result = text.finish().into();
        }
        Err(raised) => {
            error = json!({
                "ename": raised.exc_type().to_string(),
                "evalue": raised.message().unwrap_or_default(),
                "traceback": plain_traceback(&raised.to_string()),
            });
        }
    }
    json!({
        "stdout": printed.text.finish(),
        "result": result,
        "error": error,
        "stopped": stopped,
        "omitted_bytes": omitted_bytes,
    })
}

/// Frames in the form that kernels use: `cell, line 3, in f`, without underlining.
fn plain_traceback(traceback: &str) -> String {
    let mut lines = Vec::new();
    for line in traceback.lines() {
        let underline = line.trim_start().chars().all(|c| matches!(c, '~' | '^'));
        if underline && line.starts_with("    ") {
            continue;
        }
        let frame = line.strip_prefix("  File \"<python-input-").and_then(|l| l.split_once("\", "));
        lines.push(match frame {
            Some((_, place)) => format!("  cell, {}", place.trim_end_matches(", in <module>")),
            None => line.to_owned(),
        });
    }
    lines.join("\n")
}
