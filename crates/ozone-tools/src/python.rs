//! Python in the sandbox, as a tool of the model.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use ozone_prompt::ToolSpec;
use ozone_python::{
    ExecuteOptions, Execution, Kernel, KernelEvent, KernelPool, Mechanism, PythonError, Status,
    Subset, WorkDir,
};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::{Call, OnText, PatchTool, ShellTool, Shown, Tool, ToolError, ToolFile, ToolOutput};

const DESCRIPTION: &str = "Runs Python code in a stateful Jupyter kernel without network access \
     and returns what it prints, the value of the last expression, and plots. numpy, pandas, \
     matplotlib and sympy are installed. Files go to the current folder.";

/// Where the code runs.
#[derive(Clone)]
pub enum Source {
    /// A real kernel, taken from the pool at the first call.
    Kernels(Arc<KernelPool>),
    /// The subset interpreter, where Python is missing: `executable` hands over to
    /// [`Subset::serve`].
    Subset { executable: PathBuf },
    /// Nowhere: each call is answered with the cause. Never run unprotected.
    Refused { cause: String },
}

impl Source {
    /// Whether a shell can run beside Python. Where each process is limited for itself, there is
    /// only one.
    pub fn has_shell(&self) -> bool {
        match self {
            Source::Kernels(pool) => pool.capabilities().mechanism != Mechanism::Rlimits,
            Source::Subset { .. } | Source::Refused { .. } => false,
        }
    }
}

enum Interpreter {
    Waiting(Source),
    Kernel(Box<Kernel>),
    Subset(Box<Subset>),
}

/// What the tools of one container work in.
pub(crate) type Shared = Arc<Mutex<Place>>;

/// An interpreter that starts with the first call, and its files.
pub(crate) struct Place {
    files_dir: Option<PathBuf>,
    interpreter: Interpreter,
}

/// The `python` tool of one response.
pub struct PythonTool {
    spec: ToolSpec,
    container_id: String,
    place: Shared,
    has_shell: bool,
    /// Calls of a killed run whose variables are gone, until the model was told.
    lost_calls: usize,
}

impl PythonTool {
    /// `files_dir` takes the files that code writes, and those in it are seen by the code.
    pub fn new(source: Source, container_id: String, files_dir: Option<PathBuf>) -> Self {
        let lacks = match &source {
            Source::Subset { .. } => Subset::LACKS,
            Source::Kernels(_) | Source::Refused { .. } => "",
        };
        let has_shell = source.has_shell();
        let place = Place { files_dir, interpreter: Interpreter::Waiting(source) };
        PythonTool {
            spec: spec(lacks),
            container_id,
            place: Arc::new(Mutex::new(place)),
            has_shell,
            lost_calls: 0,
        }
    }

    /// The shell beside this Python. Where it cannot run, the model reads so.
    pub fn shell(&self) -> ShellTool {
        let place = self.has_shell.then(|| self.place.clone());
        ShellTool::new(place, self.container_id.clone())
    }

    /// Changes the files that this Python sees.
    pub fn patch(&self) -> PatchTool {
        PatchTool::new(self.place.clone(), self.container_id.clone())
    }
}

impl Place {
    /// The real kernel.
    pub(crate) async fn kernel(&mut self) -> Result<&mut Kernel, ToolError> {
        self.start().await?;
        match &mut self.interpreter {
            Interpreter::Kernel(kernel) => Ok(kernel),
            Interpreter::Subset(_) | Interpreter::Waiting(_) => {
                Err(ToolError::Unavailable("there is no shell without a real Python".to_owned()))
            }
        }
    }

    /// Works on the container's files where code finds them; without a real Python, where they are
    /// kept. The job gets the host's folder, too, and names the files that it took away.
    pub(crate) async fn change<T: Send + 'static>(
        &mut self,
        job: impl FnOnce(&WorkDir, Option<&Path>) -> (T, Vec<PathBuf>) + Send + 'static,
    ) -> Result<(T, Vec<ToolFile>), ToolError> {
        let internal = |e: PythonError| ToolError::Internal(Box::new(e));
        if !matches!(self.interpreter, Interpreter::Waiting(Source::Refused { .. })) {
            self.start().await?;
        }
        let folder = self.files_dir.clone();
        let Interpreter::Kernel(kernel) = &mut self.interpreter else {
            let Some(folder) = folder else {
                return Err(ToolError::Unavailable("there is no folder for files".to_owned()));
            };
            let changing = move || {
                std::fs::create_dir_all(&folder)?;
                Ok::<_, std::io::Error>(job(&WorkDir::open(&folder)?, Some(&folder)).0)
            };
            let changed = tokio::task::spawn_blocking(changing).await;
            let changed = changed.map_err(|e| ToolError::Internal(Box::new(e)))?;
            return Ok((changed.map_err(|e| ToolError::Internal(Box::new(e)))?, vec![]));
        };
        let changed = kernel.change(move |work| job(work, folder.as_deref())).await;
        let (done, files) = changed.map_err(internal)?;
        Ok((done, files.into_iter().filter_map(ToolFile::kept).collect()))
    }

    async fn start(&mut self) -> Result<(), ToolError> {
        let Interpreter::Waiting(source) = &self.interpreter else { return Ok(()) };
        self.interpreter = match source {
            Source::Kernels(pool) => {
                let kernel = pool.take(self.files_dir.clone()).await;
                Interpreter::Kernel(Box::new(kernel.map_err(|e| not_started(&e))?))
            }
            Source::Subset { executable } => {
                Interpreter::Subset(Box::new(Subset::new(executable).map_err(|e| not_started(&e))?))
            }
            Source::Refused { cause } => {
                return Err(ToolError::Unavailable(format!("Python is refused: {cause}")));
            }
        };
        Ok(())
    }
}

fn not_started(error: &dyn std::error::Error) -> ToolError {
    tracing::warn!("Python did not start: {}", causes(error));
    ToolError::Unavailable(format!("Python did not start: {error}"))
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// What the model is told of the tool; `lacks` says what a lesser interpreter cannot do.
pub(crate) fn spec(lacks: &str) -> ToolSpec {
    let description = if lacks.is_empty() {
        DESCRIPTION.to_owned()
    } else {
        format!("Runs Python code. {lacks}")
    };
    let code = serde_json::json!({ "type": "string", "description": "Python source code." });
    let properties = serde_json::json!({ "code": code });
    crate::spec("python", description, properties, serde_json::json!(["code"]))
}

pub(crate) fn shown(container_id: &str) -> Shown {
    Shown::CodeInterpreter { container_id: container_id.to_owned(), code_argument: "code" }
}

/// The code of a call.
pub(crate) fn code_of(arguments: &str) -> Result<String, ToolError> {
    #[derive(Deserialize)]
    struct Arguments {
        code: String,
    }
    let example = r#"write {"code": "print(1 + 1)"}"#;
    let Arguments { code } = serde_json::from_str(arguments).map_err(|e| {
        ToolError::BadArguments(format!("the arguments are not as they should be ({e}); {example}"))
    })?;
    if code.trim().is_empty() {
        return Err(ToolError::BadArguments(format!("there is no code to run; {example}")));
    }
    Ok(code)
}

#[async_trait]
impl Tool for PythonTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn shown(&self) -> Shown {
        shown(&self.container_id)
    }

    fn resumed(&mut self, finished: usize) {
        self.lost_calls = finished;
    }

    async fn call(
        &mut self,
        call: Call,
        on_text: &mut OnText<'_>,
    ) -> Result<ToolOutput, ToolError> {
        let code = code_of(&call.arguments)?;
        let mut place = self.place.lock().await;
        place.start().await?;
        let options = ExecuteOptions {
            timeout: call.timeout,
            max_output_bytes: call.output_chars_max.saturating_mul(4),
            cancel: call.cancel,
            ..Default::default()
        };
        let show = |event: KernelEvent<'_>| match event {
            KernelEvent::Stdout(text) | KernelEvent::Stderr(text) => on_text(text),
            KernelEvent::Image(_) => {}
        };
        let execution = match &mut place.interpreter {
            Interpreter::Kernel(kernel) => kernel.execute(&code, &options, show).await,
            Interpreter::Subset(subset) => subset.execute(&code, &options, show).await,
            Interpreter::Waiting(_) => unreachable!("`start` put an interpreter in its place"),
        };
        let execution = execution.map_err(|e| ToolError::Internal(Box::new(e)))?;
        let mut output = to_output(execution, call.output_chars_max);
        if std::mem::take(&mut self.lost_calls) > 0 {
            output.text.push_str(
                "\n[Python was started again after an interruption: variables of earlier calls \
                 are gone]",
            );
        }
        Ok(output)
    }
}

fn to_output(execution: Execution, chars_max: usize) -> ToolOutput {
    ToolOutput {
        text: execution.to_model_text(chars_max),
        failed: execution.status != Status::Ok,
        files: execution.files.into_iter().filter_map(ToolFile::kept).collect(),
        images: execution.images,
        ..ToolOutput::default()
    }
}
