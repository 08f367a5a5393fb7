//! Fills a folder: asks what is missing, some at a time, and writes each answer as it comes.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use ozone_types::ResponseStatus;

use crate::folder::{FolderError, RunFolder};
use crate::{Answered, Cache, Cell, Judge, Problem};

/// So many questions in a row without an answer: nobody is there.
const FAILURES_IN_A_ROW_MAX: usize = 16;

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(
        "the last {} questions failed ({last}); what was answered is kept: \
         mend the cause and give the same command again",
        FAILURES_IN_A_ROW_MAX
    )]
    NobodyAnswers { last: String },
}

pub struct Options {
    /// Questions under way at once.
    pub concurrency: usize,
    pub cache: Option<Cache>,
}

/// How a call of [`fill`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Complete,
    /// By the caller; what was answered is kept.
    Stopped,
}

/// Where a run stands. `Display` is the line that a person watches.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    pub total: usize,
    /// Earlier sessions and the cache included.
    pub done: usize,
    /// Asked in this session.
    pub asked: usize,
    pub right: usize,
    pub failed: usize,
    pub elapsed: Duration,
}

impl Progress {
    /// At the speed so far; `None` before the first answer.
    pub fn left(&self) -> Option<Duration> {
        let open = self.total.saturating_sub(self.done + self.failed);
        (self.asked > 0).then(|| self.elapsed.mul_f64(open as f64 / self.asked as f64))
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} answered, {} right", self.done, self.total, self.right)?;
        if self.failed > 0 {
            write!(f, ", {} failed", self.failed)?;
        }
        match self.left().map(|left| left.as_secs()) {
            None | Some(0) => Ok(()),
            Some(s @ ..60) => write!(f, ", {s} s left"),
            Some(s @ 60..3600) => write!(f, ", {} min left", s.div_ceil(60)),
            Some(s) => write!(f, ", {:.1} h left", s as f64 / 3600.0),
        }
    }
}

/// Asks every question of the plan that has no answer in the folder yet.
///
/// `ask` is called for at most `concurrency` questions at once, with the repeat; it is dropped
/// when `stop` is ready. A question that failed stays open and does not count as wrong.
pub async fn fill<A, F>(
    folder: &mut RunFolder,
    problems: &[Problem],
    options: &Options,
    judge: &Judge,
    ask: A,
    stop: impl Future<Output = ()>,
    mut watch: impl FnMut(&Progress),
) -> Result<Ended, RunError>
where
    A: Fn(Problem, u32) -> F,
    F: Future<Output = Answered>,
{
    let plan = folder.manifest.plan.clone();
    let program = folder.manifest.sessions.last().map(|s| s.program.clone()).unwrap_or_default();
    let all = (0..plan.repeats).flat_map(|epoch| problems.iter().map(move |p| (p, epoch)));
    let (answered, open): (Vec<_>, Vec<_>) = all.partition(|(problem, epoch)| {
        folder.get(&problem.id, *epoch).is_some_and(|cell| !cell.is_failed())
    });
    let right = answered.iter().filter(|(p, e)| folder.get(&p.id, *e).is_some_and(|c| c.right));
    let mut progress = Progress {
        total: answered.len() + open.len(),
        done: answered.len(),
        asked: 0,
        right: right.count(),
        failed: 0,
        elapsed: Duration::ZERO,
    };
    watch(&progress);
    let (started, ask, plan) = (Instant::now(), &ask, Arc::new(plan));
    let asking = stream::iter(open).map(|(problem, epoch)| {
        let (plan, program) = (plan.clone(), program.as_str());
        async move {
            let key = plan.key(program, problem, epoch);
            let cached = options.cache.as_ref().and_then(|cache| cache.get(&key));
            let is_cached = cached.is_some();
            let answered = match cached {
                Some(answered) => answered,
                None => ask(problem.clone(), epoch).await,
            };
            let cell = judged(judge, problem, epoch, &plan.model, answered).await;
            if let (Some(cache), false, false) = (&options.cache, is_cached, cell.is_failed()) {
                // A full disk is told of by the run's own folder.
                let _ = cache.put(&key, &cell.answered);
            }
            (cell, is_cached)
        }
    });
    let mut asking = pin!(asking.buffer_unordered(options.concurrency.max(1)));
    let mut stop = pin!(stop);
    let mut failed_in_a_row = 0;
    loop {
        let next = tokio::select! {
            biased;
            () = &mut stop => return Ok(Ended::Stopped),
            next = asking.next() => next,
        };
        let Some((cell, is_cached)) = next else { return Ok(Ended::Complete) };
        let failure = cell.is_failed().then(|| cell.answered.reason.clone().unwrap_or_default());
        progress.asked += usize::from(!is_cached);
        progress.done += usize::from(failure.is_none());
        progress.failed += usize::from(failure.is_some());
        progress.right += usize::from(cell.right);
        progress.elapsed = started.elapsed();
        folder.append(cell)?;
        watch(&progress);
        failed_in_a_row = if failure.is_some() { failed_in_a_row + 1 } else { 0 };
        if let (Some(last), true) = (failure, failed_in_a_row >= FAILURES_IN_A_ROW_MAX) {
            return Err(RunError::NobodyAnswers { last });
        }
    }
}

async fn judged(
    judge: &Judge,
    problem: &Problem,
    epoch: u32,
    model: &str,
    mut answered: Answered,
) -> Cell {
    let is_whole = answered.status == ResponseStatus::Completed;
    let verdict = match judge.judge(&problem.expected, &answered.reply).await {
        Ok(verdict) => verdict,
        // Our own fault is not the model's mistake.
        Err(e) => {
            answered.status = ResponseStatus::Failed;
            answered.reason = Some(e.to_string());
            Default::default()
        }
    };
    Cell {
        id: problem.id.clone(),
        kind: problem.kind.clone(),
        epoch,
        text: problem.text.clone(),
        needs_python: problem.needs_python,
        model: model.to_owned(),
        right: is_whole && verdict.strict,
        lenient: is_whole && verdict.lenient,
        answer: verdict.answer.filter(|_| is_whole),
        note: verdict.note,
        answered,
    }
}
