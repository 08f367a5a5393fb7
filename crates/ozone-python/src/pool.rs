//! Kernels started before they are needed.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use ozone_sandbox::{Capabilities, Limits, Sandbox};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::session::{Launch, Session};
use crate::{Kernel, PythonEnv, PythonError};

#[derive(Debug, Clone)]
pub struct PoolConfig {
    pub env: PythonEnv,
    pub limits: Limits,
    /// Kernels kept ready.
    pub size: usize,
    pub refill: Refill,
    pub reuse: Reuse,
    pub warm_up: WarmUp,
    /// Where things that are slow to make are kept between runs: matplotlib's list of fonts.
    pub cache_dir: Option<PathBuf>,
}

impl PoolConfig {
    /// One warm kernel, replaced when it is taken.
    pub fn new(env: PythonEnv) -> PoolConfig {
        PoolConfig {
            env,
            limits: Limits::default(),
            size: 1,
            refill: Refill::WhenTaken,
            reuse: Reuse::Never,
            warm_up: WarmUp::Libraries,
            cache_dir: default_cache_dir(),
        }
    }
}

fn default_cache_dir() -> Option<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home)?;
    cache.is_absolute().then(|| cache.join("ozone"))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refill {
    /// For servers: the next conversation finds a warm kernel too.
    WhenTaken,
    /// For one question: a second kernel would only take the processor.
    Never,
}

/// What becomes of a kernel when its conversation is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// Its processes are killed: the next conversation is somebody else's.
    Never,
    /// Its variables and files are taken away and another conversation gets it, up to so many
    /// times. Only for conversations that may see traces of each other, as those of one training:
    /// what code did to imported modules stays. Wants [`Refill::Never`].
    Times(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarmUp {
    /// numpy, pandas, matplotlib with a first figure, and sympy are imported while the kernel
    /// waits, in steps: a kernel that is taken meanwhile answers after the current step.
    Libraries,
    /// The code's own imports do it.
    None,
}

/// Short steps, so that a first call waits for one of them at most.
const STEPS: [&str; 8] = [
    "numpy",
    "matplotlib",
    "matplotlib.pyplot",
    "matplotlib_inline.backend_inline",
    "first_figure",
    "pandas",
    "sympy.core",
    "sympy",
];

/// Cheap to clone; the clones share the kernels.
#[derive(Clone)]
pub struct KernelPool {
    inner: Arc<Inner>,
}

struct Inner {
    config: PoolConfig,
    launch: Launch,
    slots: Mutex<VecDeque<Slot>>,
}

/// A kernel that is starting or warming up, or waits.
struct Slot {
    task: JoinHandle<Result<Session, PythonError>>,
    taken: CancellationToken,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl KernelPool {
    /// Tries the sandbox, then starts kernels in the background. Call it inside a tokio runtime.
    pub fn new(config: PoolConfig) -> Result<KernelPool, PythonError> {
        KernelPool::with_sandbox(Sandbox::new()?, config)
    }

    /// The same with a sandbox of the caller's choice.
    pub fn with_sandbox(sandbox: Sandbox, config: PoolConfig) -> Result<KernelPool, PythonError> {
        let font_cache = config.cache_dir.as_ref().map(|cache| cache.join("matplotlib"));
        let launch =
            Launch { sandbox, env: config.env.clone(), limits: config.limits.clone(), font_cache };
        let inner = Arc::new(Inner { config, launch, slots: Mutex::default() });
        let pool = KernelPool { inner };
        for _ in 0..pool.inner.config.size {
            pool.add_slot();
        }
        Ok(pool)
    }

    pub fn capabilities(&self) -> &Capabilities {
        self.inner.launch.sandbox.capabilities()
    }

    pub fn env(&self) -> &PythonEnv {
        &self.inner.config.env
    }

    pub fn limits(&self) -> &Limits {
        &self.inner.config.limits
    }

    /// A kernel for one conversation. `files_dir` is a host folder: its files are in the code's
    /// work folder, and files that the code writes are copied there. Without one, a temporary
    /// folder is used.
    pub async fn take(&self, files_dir: Option<PathBuf>) -> Result<Kernel, PythonError> {
        let session = self.session().await?;
        Kernel::new(self.clone(), session, files_dir).await
    }

    /// Waits until a kernel that could be taken now would be warm, so that measuring and testing
    /// need not guess.
    pub async fn warmed_up(&self) {
        while !self.slots().iter().all(|slot| slot.task.is_finished()) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn session(&self) -> Result<Session, PythonError> {
        let waiting = self.slots().pop_front();
        if waiting.is_some() && self.inner.config.refill == Refill::WhenTaken {
            self.add_slot();
        }
        if let Some(mut slot) = waiting {
            slot.taken.cancel();
            match (&mut slot.task).await {
                Ok(Ok(session)) if !session.is_lost() => return Ok(session),
                Ok(Err(error)) => return Err(error),
                _ => {}
            }
        }
        self.inner.launch.start().await
    }

    /// Takes back the kernel of a conversation that is over, if kernels are used again.
    pub(crate) fn give_back(&self, mut session: Session) {
        let Reuse::Times(times) = self.inner.config.reuse else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if session.is_lost() || session.conversations() >= times {
            return;
        }
        let mut slots = self.slots();
        if slots.len() >= self.inner.config.size {
            return;
        }
        let task = runtime.spawn(async move {
            session.forget().await?;
            Ok(session)
        });
        slots.push_back(Slot { task, taken: CancellationToken::new() });
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, VecDeque<Slot>> {
        self.inner.slots.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn add_slot(&self) {
        let taken = CancellationToken::new();
        let (launch, warm_up, stop) =
            (self.inner.launch.clone(), self.inner.config.warm_up, taken.clone());
        let task = tokio::spawn(async move {
            let mut session = launch.start().await?;
            if warm_up == WarmUp::Libraries {
                warm(&launch, &mut session, &stop).await?;
            }
            Ok(session)
        });
        self.slots().push_back(Slot { task, taken });
    }
}

/// Leaves early when the kernel is taken; a step that runs then ends before the first cell.
async fn warm(
    launch: &Launch,
    session: &mut Session,
    taken: &CancellationToken,
) -> Result<(), PythonError> {
    for step in STEPS {
        tokio::select! {
            biased;
            () = taken.cancelled() => return Ok(()),
            done = session.warm_up(step) => done?,
        }
        if step == "first_figure" && !taken.is_cancelled() {
            launch.keep_font_list(session).await;
        }
    }
    Ok(())
}
