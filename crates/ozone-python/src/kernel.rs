use std::path::{Path, PathBuf};

use crate::files::Files;
use crate::pool::KernelPool;
use crate::session::{Session, run_blocking};
use crate::{ExecuteOptions, Execution, KernelEvent, OutputFile, PythonError, Status, WorkDir};

/// One conversation's Python. Dropping it kills its processes, or gives them back to a pool that uses
/// kernels again.
pub struct Kernel {
    pool: KernelPool,
    session: Option<Session>,
    /// Taken out while a blocking step works on it.
    files: Option<Files>,
    files_dir: PathBuf,
    restarts: u32,
    /// What the reader of the next cell must know.
    notes: Vec<String>,
}

impl Drop for Kernel {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.pool.give_back(session);
        }
    }
}

const FRESH: &str =
    "the Python process was started anew: variables and imports from before are gone";

impl Kernel {
    pub(crate) async fn new(
        pool: KernelPool,
        session: Session,
        files_dir: Option<PathBuf>,
    ) -> Result<Kernel, PythonError> {
        let files = Files::new(files_dir)?;
        let files_dir = files.folder().to_owned();
        let mut kernel = Kernel {
            pool,
            session: Some(session),
            files: Some(files),
            files_dir,
            restarts: 0,
            notes: vec![],
        };
        kernel.restore_files().await?;
        Ok(kernel)
    }

    /// The host folder with the copies of the work folder's files.
    pub fn files_dir(&self) -> &Path {
        &self.files_dir
    }

    /// How often the process was replaced, and its state lost.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Gives the code a file, which it finds under `name` in its working directory.
    pub async fn put_file(&mut self, name: &str, bytes: &[u8]) -> Result<(), PythonError> {
        self.revive().await?;
        let (owned, bytes) = (name.to_owned(), bytes.to_vec());
        self.with_files(move |files, work| files.put(work, &owned, &bytes)).await?.map_err(
            |error| PythonError::BadFile { name: name.to_owned(), reason: error.to_string() },
        )
    }

    /// Runs one cell. What the code does wrong is part of the `Execution`; an error means that no
    /// Python could be started. A caller that drops the future leaves the kernel usable: the next
    /// call first interrupts what still runs.
    pub async fn execute(
        &mut self,
        code: &str,
        options: &ExecuteOptions,
        on_event: impl FnMut(KernelEvent<'_>),
    ) -> Result<Execution, PythonError> {
        self.bring().await?;
        let mut notes = std::mem::take(&mut self.notes);
        let Some(session) = &mut self.session else {
            return Err(PythonError::KernelStart("there is no kernel".to_owned()));
        };
        let mut execution = session.execute(code, options, on_event).await;
        let limits = options.clone();
        match self.with_files(move |files, work| files.collect(work, &limits)).await? {
            Ok((files, left_out)) => {
                execution.files = files;
                notes.extend(left_out);
            }
            Err(error) => notes.push(format!("the work folder could not be read: {error}")),
        }
        if matches!(execution.status, Status::Died(_)) {
            self.session = None;
        }
        execution.notes.splice(0..0, notes);
        Ok(execution)
    }

    /// Works on the files between two cells: what code wrote is there, and what the job leaves is kept
    /// on the host and found by the code. The job names the files that it took away.
    pub async fn change<T: Send + 'static>(
        &mut self,
        job: impl FnOnce(&WorkDir) -> (T, Vec<PathBuf>) + Send + 'static,
    ) -> Result<(T, Vec<OutputFile>), PythonError> {
        self.bring().await?;
        let changed = self.with_files(move |files, work| {
            let (done, removed) = job(work);
            let collected = files.collect(work, &ExecuteOptions::default());
            for path in removed {
                files.forget(&path);
            }
            Ok((done, collected.map_or_else(|_| vec![], |(files, _)| files)))
        });
        changed.await?.map_err(PythonError::io("change files of the work folder"))
    }

    /// Ends the kernel and waits until none of its processes is left. Dropping it does the same
    /// without waiting.
    pub async fn close(mut self) {
        if let Some(session) = self.session.take() {
            session.end().await;
        }
    }

    /// Before anything is done: a kernel that is gone is replaced, and finds what other tools left.
    async fn bring(&mut self) -> Result<(), PythonError> {
        let notes = self.revive().await?;
        self.notes.extend(notes);
        match self.with_files(|files, work| files.bring(work)).await? {
            Ok(0) => {}
            Ok(failed) => {
                self.notes.push(format!("{failed} new files did not fit into the folder"));
            }
            Err(error) => self.notes.push(format!("new files are missing: {error}")),
        }
        Ok(())
    }

    /// Replaces a kernel that is gone. Says what the reader must know.
    async fn revive(&mut self) -> Result<Vec<String>, PythonError> {
        if self.session.as_ref().is_some_and(|session| !session.is_lost()) {
            return Ok(Vec::new());
        }
        self.session = None;
        self.session = Some(self.pool.session().await?);
        self.restarts += 1;
        let mut notes = vec![FRESH.to_owned()];
        match self.restore_files().await? {
            0 => {}
            failed => notes.push(format!("{failed} files could not be put back")),
        }
        Ok(notes)
    }

    async fn restore_files(&mut self) -> Result<u64, PythonError> {
        let restored = self.with_files(|files, work| files.restore(work)).await?;
        restored.map_err(PythonError::io("put files into the work folder"))
    }

    async fn with_files<T: Send + 'static>(
        &mut self,
        job: impl FnOnce(&mut Files, &WorkDir) -> std::io::Result<T> + Send + 'static,
    ) -> Result<std::io::Result<T>, PythonError> {
        let Some(session) = &self.session else {
            return Err(PythonError::KernelStart("there is no kernel".to_owned()));
        };
        let work = session.work();
        let mut files = match self.files.take() {
            Some(files) => files,
            // A caller dropped us in the middle of a step: start from what is on the host.
            None => Files::new(Some(self.files_dir.clone()))?,
        };
        let (files, done) = run_blocking(move || {
            let done = job(&mut files, &work);
            (files, done)
        })
        .await?;
        self.files = Some(files);
        Ok(done)
    }
}
