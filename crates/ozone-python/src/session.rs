//! One running kernel and the three channels to it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use jupyter_protocol::{
    ConnectionInfo, ExecuteRequest, ExecutionState, InterruptRequest, JupyterMessage,
    JupyterMessageContent, Media, MediaType, ReplyStatus, Stdio, Transport,
};
use jupyter_zmq_client::{
    ClientControlConnection, ClientIoPubConnection, ClientShellConnection,
    create_client_control_connection, create_client_iopub_connection,
    create_client_shell_connection_with_identity, peer_identity_for_session,
};
use ozone_sandbox::{Exit, Jail, Limits, RUN_DIR, ReadOnlyFile, Sandbox, Spec, WORK_DIR, WorkDir};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use crate::execution::grouped;
use crate::guard::{self, Closed, MAX_FRAME_BYTES};
use crate::{
    CutText, ErrorOutput, ExecuteOptions, Execution, Interrupt, KernelEvent, PythonEnv,
    PythonError, Status, Table,
};

/// What every kernel of a pool is started with.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) sandbox: Sandbox,
    pub(crate) env: PythonEnv,
    pub(crate) limits: Limits,
    /// Where matplotlib's list of fonts is kept between kernels.
    pub(crate) font_cache: Option<PathBuf>,
}

const KERNEL_SCRIPT: &str = include_str!("kernel.py");
const SCRIPT_PATH: &str = "/run/ozone-kernel.py";
const FONT_CACHE_INSIDE: &str = "/tmp/matplotlib";
const START_TIME: Duration = Duration::from_secs(60);
/// What one text, and all texts of one cell, may hold inside the kernel; the caps that a caller
/// asks for are smaller.
const MAX_TEXT: u64 = 1 << 20;
const MAX_PRINTED: u64 = 4 << 20;
/// More than this on the wire means that the kernel's own limits were switched off.
const MAX_STREAMED_BYTES: usize = 16 << 20;
const MAX_CODE_BYTES: usize = 1 << 20;
const MAX_TRACEBACK_LINES: usize = 60;
const MAX_LINE_CHARS: usize = 1_000;
/// Of an error's name and message; the text for the model is cut further.
const MAX_ERROR_BYTES: usize = 16 << 10;

/// A started kernel. Dropping it kills its processes.
pub(crate) struct Session {
    jail: Arc<Jail>,
    work: Arc<WorkDir>,
    limits: Limits,
    shell: ClientShellConnection,
    iopub: ClientIoPubConnection,
    control: ClientControlConnection,
    lost: watch::Receiver<Option<Closed>>,
    channels: Vec<JoinHandle<()>>,
    /// A cell whose caller went away before it ended.
    abandoned: Option<String>,
    /// Conversations that it has served, this one left out.
    conversations: u32,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.channels.iter().for_each(JoinHandle::abort);
        self.jail.kill();
    }
}

impl Launch {
    /// Starts a kernel and connects to it; it answers from then on.
    pub(crate) async fn start(&self) -> Result<Session, PythonError> {
        let key = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let (launch, spec) = (self.clone(), self.spec(&key));
        let blocking = move || {
            let jail = launch.sandbox.spawn(&spec)?;
            match jail.wait_for_output("ozone: ready", START_TIME) {
                true => Ok(jail),
                false => Err(PythonError::KernelStart(start_failure(&jail))),
            }
        };
        let jail = run_blocking(blocking).await??;
        Session::connect(jail, &key, self.limits.clone()).await
    }

    fn spec(&self, key: &str) -> Spec {
        let settings = serde_json::json!({
            "key": key,
            "ip": format!("{RUN_DIR}/k"),
            "max_text": MAX_TEXT,
            "max_printed": MAX_PRINTED,
            "max_binary": MAX_FRAME_BYTES - MAX_TEXT,
        });
        let python = self.env.executable().as_os_str().to_owned();
        let script = ReadOnlyFile { path: SCRIPT_PATH.into(), bytes: KERNEL_SCRIPT.into() };
        Spec {
            argv: vec![python, "-I".into(), "-B".into(), SCRIPT_PATH.into()],
            env: self.variables(),
            ro_binds: self.env.binds().to_vec(),
            files: std::iter::once(script).chain(self.font_list()).collect(),
            stdin: format!("{settings}\n").into_bytes(),
            limits: self.limits.clone(),
        }
    }

    fn variables(&self) -> Vec<(String, String)> {
        let bin = self.env.executable().parent().map(|folder| folder.display().to_string());
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", bin.unwrap_or_default());
        let fixed = [
            ("PATH", path.as_str()),
            ("HOME", WORK_DIR),
            ("USER", "user"),
            ("LANG", "C.UTF-8"),
            ("MPLBACKEND", "module://matplotlib_inline.backend_inline"),
            ("MPLCONFIGDIR", FONT_CACHE_INSIDE),
            ("IPYTHONDIR", "/tmp/ipython"),
            ("PYTHONDONTWRITEBYTECODE", "1"),
            // Each thread of these takes address space, which is limited.
            ("OMP_NUM_THREADS", "1"),
            ("OPENBLAS_NUM_THREADS", "1"),
            ("MKL_NUM_THREADS", "1"),
            ("NUMEXPR_NUM_THREADS", "1"),
            ("MALLOC_ARENA_MAX", "2"),
        ];
        fixed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// The list of fonts that an earlier kernel made; making it takes matplotlib seconds.
    fn font_list(&self) -> Option<ReadOnlyFile> {
        let entry =
            std::fs::read_dir(self.font_cache.as_ref()?).ok()?.flatten().find(is_font_list)?;
        let bytes = std::fs::read(entry.path()).ok()?;
        Some(ReadOnlyFile { path: PathBuf::from(FONT_CACHE_INSIDE).join(entry.file_name()), bytes })
    }

    /// Keeps the list of fonts of a kernel that has not run anybody's code yet.
    pub(crate) async fn keep_font_list(&self, session: &Session) {
        let (Some(cache), jail) = (self.font_cache.clone(), session.jail.clone()) else { return };
        let copied = run_blocking(move || -> Option<()> {
            let folder = jail.folder(FONT_CACHE_INSIDE).ok()?;
            let name = |entry: &ozone_sandbox::Entry| entry.path.to_str().map(str::to_owned);
            let lists = folder.list(20).ok()?.iter().filter_map(name).find(|n| is_list_name(n))?;
            let bytes = folder.read(lists.as_ref(), 16 << 20).ok()?;
            std::fs::create_dir_all(&cache).ok()?;
            let target = cache.join(&lists);
            if std::fs::read(&target).is_ok_and(|kept| kept == bytes) {
                return Some(());
            }
            let mut file = tempfile::NamedTempFile::new_in(&cache).ok()?;
            std::io::Write::write_all(&mut file, &bytes).ok()?;
            file.persist(target).ok().map(drop)
        });
        if !matches!(copied.await, Ok(Some(()))) {
            tracing::debug!("matplotlib's list of fonts was not kept");
        }
    }
}

fn is_font_list(entry: &std::fs::DirEntry) -> bool {
    entry.file_name().to_str().is_some_and(is_list_name)
}

fn is_list_name(name: &str) -> bool {
    name.starts_with("fontlist-") && name.ends_with(".json")
}

fn start_failure(jail: &Jail) -> String {
    let said = jail.output_tail();
    let last = said.trim_end().lines().next_back().unwrap_or("it printed nothing").to_owned();
    match jail.try_wait() {
        Some(exit) => format!("{last} ({})", describe_exit(&exit, &Limits::default())),
        None => format!("no answer within {} s; its last words: {last}", START_TIME.as_secs()),
    }
}

fn describe_exit(exit: &Exit, limits: &Limits) -> String {
    match exit {
        Exit::Code(code) => format!("it exited with code {code}"),
        Exit::Signal(SIGXCPU) => {
            format!("it used more than {} s of processor time", limits.cpu_seconds)
        }
        Exit::Signal(number) => format!("it was ended by signal {number}"),
        Exit::OutOfMemory => {
            format!("it needed more than {} MiB of memory", limits.memory_bytes >> 20)
        }
        Exit::OutOfTime => "its time was over".to_owned(),
        Exit::OutOfInodes => "it made too many files".to_owned(),
        Exit::Killed => "it was killed".to_owned(),
    }
}

/// The same number on every Linux that we run on.
const SIGXCPU: i32 = 24;

pub(crate) async fn run_blocking<T: Send + 'static>(
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, PythonError> {
    tokio::task::spawn_blocking(job)
        .await
        .map_err(|error| PythonError::io("run a blocking step")(std::io::Error::other(error)))
}

/// How a jail that has closed its sockets ends. One that does not end by itself is killed: what is
/// left of it is of no use.
pub(crate) async fn end_of(jail: Arc<Jail>) -> Result<Exit, PythonError> {
    run_blocking(move || {
        let deadline = std::time::Instant::now() + Duration::from_secs(1);
        while jail.try_wait().is_none() && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        if jail.try_wait().is_none() {
            jail.kill();
        }
        jail.wait()
    })
    .await
}

impl Session {
    async fn connect(jail: Jail, key: &str, limits: Limits) -> Result<Session, PythonError> {
        let work = Arc::new(jail.work_dir()?);
        let inside = jail.run_dir()?;
        let outside = tempfile::Builder::new()
            .prefix("ozone-")
            .tempdir()
            .map_err(PythonError::io("make a folder for sockets"))?;
        let info = ConnectionInfo {
            ip: outside.path().join("k").display().to_string(),
            transport: Transport::IPC,
            shell_port: 1,
            iopub_port: 2,
            stdin_port: 3,
            control_port: 4,
            hb_port: 5,
            key: key.to_owned(),
            signature_scheme: "hmac-sha256".to_owned(),
            kernel_name: None,
        };
        let (lost_sender, lost) = watch::channel(None);
        let lost_sender = Arc::new(lost_sender);
        let mut channels = Vec::new();
        for port in [info.shell_port, info.iopub_port, info.control_port] {
            let name = format!("k-{port}");
            let kernel = UnixStream::connect(inside.join(&name)).await;
            let kernel = kernel.map_err(PythonError::io("connect to the kernel"))?;
            let joined = guard::channel(outside.path().join(name), kernel, lost_sender.clone());
            channels.push(joined.map_err(PythonError::io("open a socket"))?);
        }
        let id = uuid::Uuid::new_v4().to_string();
        let connected = async {
            let identity = peer_identity_for_session(&id)?;
            let iopub = create_client_iopub_connection(&info, "", &id).await?;
            let shell = create_client_shell_connection_with_identity(&info, &id, identity).await?;
            let control = create_client_control_connection(&info, &id).await?;
            Ok((iopub, shell, control))
        };
        let connected = timeout(START_TIME, connected).await;
        let (iopub, shell, control) = connected
            .unwrap_or_else(|_| {
                Err(jupyter_zmq_client::RuntimeError::ZmqMessageError("timeout".into()))
            })
            .map_err(|error| PythonError::KernelStart(error.to_string()))?;
        let mut session = Session {
            jail: Arc::new(jail),
            work,
            limits,
            shell,
            iopub,
            control,
            lost,
            channels,
            abandoned: None,
            conversations: 0,
        };
        session.await_subscription().await?;
        Ok(session)
    }

    /// Output published before the subscription has arrived would be lost. Kernels since JEP 65
    /// greet a subscriber; others are asked until an answer shows on the channel.
    async fn await_subscription(&mut self) -> Result<(), PythonError> {
        let deadline = Instant::now() + START_TIME;
        while Instant::now() < deadline {
            if let Ok(Ok(_)) = timeout(Duration::from_millis(300), self.iopub.read()).await {
                return Ok(());
            }
            self.send(ExecuteRequest { silent: true, ..cell(String::new()) }).await?;
        }
        Err(PythonError::KernelStart("it never published anything".to_owned()))
    }

    pub(crate) fn work(&self) -> Arc<WorkDir> {
        self.work.clone()
    }

    /// Kills the kernel and waits until none of its processes is left.
    pub(crate) async fn end(self) {
        let jail = self.jail.clone();
        drop(self);
        drop(run_blocking(move || jail.wait()).await);
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost.borrow().is_some()
    }

    /// Imports one library ahead of its use, or draws a first figure.
    pub(crate) async fn warm_up(&mut self, step: &str) -> Result<(), PythonError> {
        self.ask(format!("get_ipython().kernel.ozone_warm_up({step:?})")).await.map(drop)
    }

    pub(crate) fn conversations(&self) -> u32 {
        self.conversations
    }

    /// Takes away what a conversation left. Fails where something holds on to it.
    pub(crate) async fn forget(&mut self) -> Result<(), PythonError> {
        const FORGET_TIME: Duration = Duration::from_secs(5);
        let stuck = || PythonError::KernelStart("it could not be used again".to_owned());
        if !self.settle(FORGET_TIME).await {
            return Err(stuck());
        }
        let asked = self.ask("get_ipython().kernel.ozone_forget()".to_owned());
        match timeout(FORGET_TIME, asked).await {
            Ok(Ok(true)) => {}
            _ => return Err(stuck()),
        }
        self.conversations += 1;
        Ok(())
    }

    /// Runs a line of ours and waits for it. Says whether it went well.
    async fn ask(&mut self, code: String) -> Result<bool, PythonError> {
        let id = self.send(ExecuteRequest { silent: true, ..cell(code) }).await?;
        while let Ok(message) = self.shell.read().await {
            if is_answer(&message, &id) {
                return Ok(matches!(reply_status(&message), Status::Ok));
            }
        }
        Ok(false)
    }

    async fn send(&mut self, request: ExecuteRequest) -> Result<String, PythonError> {
        let message = JupyterMessage::new(request, None);
        let id = message.header.msg_id.clone();
        match self.shell.send(message).await {
            Ok(()) => Ok(id),
            Err(error) => Err(PythonError::KernelStart(error.to_string())),
        }
    }

    /// Runs one cell to its end, its limit, or the kernel's death.
    pub(crate) async fn execute(
        &mut self,
        code: &str,
        options: &ExecuteOptions,
        on_event: impl FnMut(KernelEvent<'_>),
    ) -> Execution {
        let started = Instant::now();
        let mut cell_output = CellOutput::new(options, on_event);
        let status = match code.len() <= MAX_CODE_BYTES {
            true => self.run(code, options, &mut cell_output).await,
            false => {
                let most = grouped(MAX_CODE_BYTES as u64);
                cell_output.fail("ValueError", &format!("the code is longer than {most} bytes"));
                Status::Error
            }
        };
        cell_output.finish(status, started.elapsed())
    }

    async fn run(
        &mut self,
        code: &str,
        options: &ExecuteOptions,
        output: &mut CellOutput<'_, impl FnMut(KernelEvent<'_>)>,
    ) -> Status {
        if !self.settle(options.grace).await {
            return self.death("a cell that was left behind did not stop").await;
        }
        let Ok(id) = self.send(cell(code.to_owned())).await else {
            return self.death("its connection was lost").await;
        };
        self.abandoned = Some(id.clone());
        let status = self.follow(&id, options, output).await;
        self.abandoned = None;
        status
    }

    /// Reads until the cell is over.
    async fn follow(
        &mut self,
        id: &str,
        options: &ExecuteOptions,
        output: &mut CellOutput<'_, impl FnMut(KernelEvent<'_>)>,
    ) -> Status {
        let mut phase = Phase::Running { until: Instant::now() + options.timeout };
        let mut replied = None;
        let mut idle = false;
        // A kernel says twice that it is done. One of the two may be lost, or never be sent.
        let mut half_done: Option<Instant> = None;
        loop {
            if idle && replied.is_some() {
                let reply = replied.unwrap_or_default();
                return phase.status(reply, output.error.is_some());
            }
            if half_done.is_none() && (idle || replied.is_some()) {
                half_done = Some(Instant::now() + LATE_HALF);
            }
            let until = half_done.unwrap_or(phase.until()).min(phase.until());
            let happened = tokio::select! {
                message = self.iopub.read() => Happened::Published(message.ok()),
                message = self.shell.read(), if replied.is_none() => Happened::Replied(message.ok()),
                _ = self.lost.wait_for(Option::is_some) => Happened::Lost,
                () = options.cancel.cancelled(), if phase.is_running() => Happened::Cancelled,
                () = sleep_until(until) => Happened::TimePassed,
            };
            match (happened, phase) {
                (Happened::Published(Some(message)), _) if has_parent(&message, id) => {
                    idle |= is_idle(&message.content);
                    output.take(message.content);
                }
                (Happened::Replied(Some(message)), _) if is_answer(&message, id) => {
                    replied = Some(reply_status(&message));
                }
                // Another cell's, or not a message at all.
                (Happened::Published(_) | Happened::Replied(_), _) => {
                    tokio::task::yield_now().await;
                }
                (Happened::Lost, _) => {
                    self.drain(id, output).await;
                    return self.death("").await;
                }
                (Happened::Cancelled, _) => {
                    phase = self.interrupt(Interrupt::Cancelled, options.grace).await;
                }
                (Happened::TimePassed, _) if half_done.is_some() => {
                    idle = true;
                    replied.get_or_insert_default();
                }
                (Happened::TimePassed, Phase::Running { .. }) => {
                    phase = self.interrupt(Interrupt::Timeout, options.grace).await;
                }
                (Happened::TimePassed, Phase::Stopping { until, why, .. })
                    if Instant::now() < until =>
                {
                    // Code may have swallowed the first interrupt.
                    let next = self.interrupt(why, options.grace).await;
                    phase = Phase::Stopping { again: next.until(), until, why };
                }
                (Happened::TimePassed, Phase::Stopping { why, .. }) => {
                    self.jail.kill();
                    return self.death(stubborn(why)).await;
                }
            }
            if output.streamed > MAX_STREAMED_BYTES && phase.is_running() {
                phase = self.interrupt(Interrupt::OutputLimit, options.grace).await;
            }
        }
    }

    async fn interrupt(&mut self, why: Interrupt, grace: Duration) -> Phase {
        let message = JupyterMessage::new(InterruptRequest {}, None);
        drop(timeout(Duration::from_millis(500), self.control.send(message)).await);
        let now = Instant::now();
        Phase::Stopping { again: now + grace / 4, until: now + grace, why }
    }

    /// Ends a cell that nobody waits for any more. False if it does not end.
    async fn settle(&mut self, grace: Duration) -> bool {
        let Some(id) = self.abandoned.take() else { return true };
        self.interrupt(Interrupt::Cancelled, grace).await;
        let answered = async {
            loop {
                tokio::select! {
                    message = self.shell.read() => if message.is_ok_and(|m| is_answer(&m, &id)) {
                        return true;
                    },
                    // Read, so that the kernel does not wait for us.
                    _ = self.iopub.read() => {}
                    _ = self.lost.wait_for(Option::is_some) => return false,
                }
            }
        };
        let settled = timeout(grace.max(Duration::from_millis(100)), answered).await;
        let settled = settled.unwrap_or(false);
        if !settled {
            self.jail.kill();
        }
        settled
    }

    /// What was already on its way when the kernel died.
    async fn drain(&mut self, id: &str, output: &mut CellOutput<'_, impl FnMut(KernelEvent<'_>)>) {
        while let Ok(Ok(message)) = timeout(Duration::from_millis(20), self.iopub.read()).await {
            if has_parent(&message, id) {
                output.take(message.content);
            }
        }
    }

    /// Waits for the end of the processes and names its cause.
    async fn death(&mut self, cause: &str) -> Status {
        let closed = *self.lost.borrow();
        if closed == Some(Closed::ByGuard) || !cause.is_empty() {
            self.jail.kill();
        }
        let exit = end_of(self.jail.clone()).await;
        let exit = exit.map(|exit| describe_exit(&exit, &self.limits));
        let exit = exit.unwrap_or_else(|error| error.to_string());
        Status::Died(match (cause, closed) {
            ("", Some(Closed::ByGuard)) => "it sent messages over the size limit".to_owned(),
            ("", _) => exit,
            (cause, _) => cause.to_owned(),
        })
    }
}

const LATE_HALF: Duration = Duration::from_secs(1);

fn stubborn(why: Interrupt) -> &'static str {
    match why {
        Interrupt::Timeout => "the time limit passed and the code did not stop when interrupted",
        Interrupt::Cancelled => "it was cancelled and did not stop when interrupted",
        Interrupt::OutputLimit => "it printed without end and did not stop when interrupted",
    }
}

/// What a running cell waits for.
enum Happened {
    Published(Option<JupyterMessage>),
    Replied(Option<JupyterMessage>),
    Lost,
    Cancelled,
    TimePassed,
}

/// Where a cell is.
#[derive(Debug, Clone, Copy)]
enum Phase {
    Running { until: Instant },
    Stopping { again: Instant, until: Instant, why: Interrupt },
}

impl Phase {
    fn until(self) -> Instant {
        match self {
            Phase::Running { until } => until,
            Phase::Stopping { again, until, .. } => again.min(until),
        }
    }

    fn is_running(self) -> bool {
        matches!(self, Phase::Running { .. })
    }

    /// What the reply means. A cell may have ended by itself while it was being stopped.
    fn status(self, reply: Status, has_error: bool) -> Status {
        match self {
            Phase::Stopping { why, .. } if reply != Status::Ok => Status::Interrupted(why),
            _ if has_error => Status::Error,
            _ => reply,
        }
    }
}

fn cell(code: String) -> ExecuteRequest {
    ExecuteRequest {
        code,
        silent: false,
        store_history: true,
        user_expressions: None,
        // `input()` raises an error: there is nobody to ask.
        allow_stdin: false,
        stop_on_error: false,
    }
}

fn has_parent(message: &JupyterMessage, id: &str) -> bool {
    message.parent_header.as_ref().is_some_and(|parent| parent.msg_id == id)
}

fn is_answer(message: &JupyterMessage, id: &str) -> bool {
    matches!(message.content, JupyterMessageContent::ExecuteReply(_)) && has_parent(message, id)
}

fn is_idle(content: &JupyterMessageContent) -> bool {
    matches!(content, JupyterMessageContent::Status(status)
        if status.execution_state == ExecutionState::Idle)
}

fn reply_status(message: &JupyterMessage) -> Status {
    match &message.content {
        JupyterMessageContent::ExecuteReply(reply) if reply.status == ReplyStatus::Ok => Status::Ok,
        _ => Status::Error,
    }
}

/// A cell's output while it arrives, within the caller's caps.
struct CellOutput<'o, F> {
    options: &'o ExecuteOptions,
    on_event: F,
    stdout: CutText,
    stderr: CutText,
    result: Option<CutText>,
    error: Option<ErrorOutput>,
    images: Vec<Vec<u8>>,
    tables: Vec<Table>,
    notes: Vec<String>,
    images_left_out: u64,
    /// Bytes of text that arrived, kept or not.
    streamed: usize,
}

impl<'o, F: FnMut(KernelEvent<'_>)> CellOutput<'o, F> {
    fn new(options: &'o ExecuteOptions, on_event: F) -> Self {
        CellOutput {
            options,
            on_event,
            stdout: CutText::new(options.max_output_bytes),
            stderr: CutText::new(options.max_output_bytes),
            result: None,
            error: None,
            images: Vec::new(),
            tables: Vec::new(),
            notes: Vec::new(),
            images_left_out: 0,
            streamed: 0,
        }
    }

    fn take(&mut self, content: JupyterMessageContent) {
        match content {
            JupyterMessageContent::StreamContent(stream) => match stream.name {
                Stdio::Stdout => self.print(&stream.text),
                Stdio::Stderr => {
                    self.streamed += stream.text.len();
                    let shown = self.stderr.push(&stream.text);
                    if !shown.is_empty() {
                        (self.on_event)(KernelEvent::Stderr(shown));
                    }
                }
            },
            JupyterMessageContent::ExecuteResult(result) => {
                if let Some(text) = self.show(result.data) {
                    self.streamed += text.len();
                    self.result.insert(CutText::new(self.options.max_output_bytes)).push(&text);
                }
            }
            JupyterMessageContent::DisplayData(display) => {
                let images = self.images.len() as u64 + self.images_left_out;
                let text = self.show(display.data);
                let was_image = images < self.images.len() as u64 + self.images_left_out;
                if let Some(text) = text.filter(|_| !was_image) {
                    self.print(&format!("{text}\n"));
                }
            }
            JupyterMessageContent::ErrorOutput(error) => {
                self.error = Some(ErrorOutput {
                    ename: bounded(&error.ename),
                    evalue: bounded(&error.evalue),
                    traceback: bounded(&traceback(&error.traceback)),
                });
            }
            _ => {}
        }
    }

    fn print(&mut self, text: &str) {
        self.streamed += text.len();
        let shown = self.stdout.push(text);
        if !shown.is_empty() {
            (self.on_event)(KernelEvent::Stdout(shown));
        }
    }

    /// Keeps a display's pictures and tables; returns its plain text.
    fn show(&mut self, media: Media) -> Option<String> {
        let (mut plain, mut html) = (None, None);
        for kind in media.content {
            match kind {
                MediaType::Plain(text) => plain = Some(text),
                MediaType::Html(text) if text.contains("<table") => html = Some(text),
                MediaType::Png(encoded) => self.keep_image(&encoded),
                MediaType::Jpeg(_) | MediaType::Gif(_) | MediaType::Svg(_) => {
                    self.note("a picture that is not a PNG was left out");
                }
                _ => {}
            }
        }
        if let (Some(text), Some(html)) = (&plain, html)
            && html.len() <= self.options.max_output_bytes
            && self.tables.len() < self.options.max_images
        {
            let mut cut = CutText::new(self.options.max_output_bytes);
            cut.push(text);
            self.tables.push(Table { text: cut.finish(), html });
        }
        plain
    }

    fn keep_image(&mut self, encoded: &str) {
        self.streamed += encoded.len() / 8;
        if self.images.len() >= self.options.max_images {
            self.images_left_out += 1;
            return;
        }
        let compact: String = encoded.split_ascii_whitespace().collect();
        let decoded = base64::engine::general_purpose::STANDARD.decode(compact);
        match decoded.ok().filter(|png| png.starts_with(b"\x89PNG\r\n\x1a\n")) {
            Some(png) => {
                (self.on_event)(KernelEvent::Image(&png));
                self.images.push(png);
            }
            None => self.note("a damaged picture was left out"),
        }
    }

    fn note(&mut self, text: &str) {
        if !self.notes.iter().any(|note| note == text) {
            self.notes.push(text.to_owned());
        }
    }

    fn fail(&mut self, ename: &str, evalue: &str) {
        let (ename, evalue) = (ename.to_owned(), evalue.to_owned());
        self.error = Some(ErrorOutput { traceback: format!("{ename}: {evalue}"), ename, evalue });
    }

    fn finish(mut self, status: Status, duration: Duration) -> Execution {
        if self.images_left_out > 0 {
            self.note(&format!("{} more pictures were left out", self.images_left_out));
        }
        let too_much = self.error.as_ref().is_some_and(|e| e.ename == "OutputLimitExceeded");
        let status = match status {
            Status::Error if too_much => Status::Interrupted(Interrupt::OutputLimit),
            status => status,
        };
        // The status says it; where the code happened to be says no more.
        let stopped = matches!(status, Status::Interrupted(_));
        let texts = [Some(&self.stdout), Some(&self.stderr), self.result.as_ref()];
        let omitted_bytes = texts.into_iter().flatten().map(CutText::omitted_bytes).sum();
        Execution {
            stdout: self.stdout.finish(),
            stderr: self.stderr.finish(),
            result: self.result.map(CutText::finish),
            error: self.error.filter(|_| !stopped),
            images: self.images,
            tables: self.tables,
            files: Vec::new(),
            notes: self.notes,
            omitted_bytes,
            duration,
            status,
        }
    }
}

/// The last frames; a long line, which is the error's message, keeps its start.
fn traceback(lines: &[String]) -> String {
    let last = &lines[lines.len().saturating_sub(MAX_TRACEBACK_LINES)..];
    let cut = |line: &String| match line.char_indices().nth(MAX_LINE_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.clone(),
    };
    last.iter().map(cut).collect::<Vec<_>>().join("\n")
}

fn bounded(text: &str) -> String {
    let mut cut = CutText::new(MAX_ERROR_BYTES);
    cut.push(text);
    cut.finish()
}
