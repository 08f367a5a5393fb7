//! One thread that starts every jail.
//!
//! `PR_SET_PDEATHSIG`, behind bubblewrap's `--die-with-parent`, fires when the *thread* that
//! forked ends, not the process. A worker of a thread pool may end at any time and would take its
//! jails along; this thread lives as long as the process.

use std::sync::{Mutex, OnceLock, mpsc};

type Job = Box<dyn FnOnce() + Send>;

/// Runs `job` on the spawning thread and waits for its result.
pub(crate) fn run<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    static JOBS: OnceLock<Option<Mutex<mpsc::Sender<Job>>>> = OnceLock::new();
    let jobs = JOBS.get_or_init(start).as_ref()?;
    let (done, result) = mpsc::channel();
    let job: Job = Box::new(move || drop(done.send(job())));
    jobs.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).send(job).ok()?;
    result.recv().ok()
}

fn start() -> Option<Mutex<mpsc::Sender<Job>>> {
    let (sender, jobs) = mpsc::channel::<Job>();
    let thread = std::thread::Builder::new().name("ozone-spawner".into());
    thread.spawn(move || jobs.into_iter().for_each(|job| job())).ok()?;
    Some(Mutex::new(sender))
}
