//! How many threads the next step uses.
//!
//! llama.cpp's threads wait for each other at hundreds of barriers per token, spinning. Where
//! other programs want the same cores, which is the normal state of a machine that an agent works
//! on, one preempted thread stops all of them: measured on two cores, a small model fell from 1,059
//! to 3 tokens a second, while one thread alone kept 147. So a step gets one thread while the
//! system's run queue shows that others want the cores, and all of them otherwise. For a tiny model
//! two threads may be slower than one even then: small steps are timed with both, the faster number
//! is kept, and the other is tried again now and then, or at once when the kept one becomes slow.

use std::time::{Duration, Instant};

/// Steps with one setting before the settings are compared.
const TRIAL_STEPS: u32 = 3;
const PROBE_AFTER_MIN: u32 = 32;
const PROBE_AFTER_MAX: u32 = 2048;
/// A kept setting that becomes this much slower than it was is compared anew.
const SLOWDOWN: f64 = 1.6;
/// The other setting must be this much faster to be taken.
const ADVANTAGE: f64 = 0.95;

/// Rows from which a step is long enough for barriers not to matter: idle cores all help.
const ROWS_TIMED_MAX: usize = 16;

/// The number of threads for steps of any size.
#[derive(Debug)]
pub(super) struct Threads {
    max: u32,
    adapted: Option<Adapted>,
}

#[derive(Debug)]
struct Adapted {
    crowd: Crowd,
    /// For steps of 1, 2, up to 4, up to 8 and up to 16 rows.
    governors: [Governor; 5],
}

impl Threads {
    pub fn adapted(max: u32) -> Threads {
        let governors = std::array::from_fn(|_| Governor::new(max));
        Threads { max, adapted: Some(Adapted { crowd: Crowd::new(max), governors }) }
    }

    pub fn fixed(threads: u32) -> Threads {
        Threads { max: threads, adapted: None }
    }

    /// Threads for a step of `rows` rows.
    pub fn threads(&mut self, rows: usize) -> u32 {
        let Some(adapted) = &mut self.adapted else { return self.max };
        if adapted.crowd.is_dense() {
            return 1;
        }
        adapted.governor(rows).map_or(self.max, |governor| governor.threads())
    }

    /// Notes how long such a step took with `threads` threads.
    pub fn record(&mut self, rows: usize, threads: u32, took: Duration) {
        let Some(adapted) = &mut self.adapted else { return };
        adapted.crowd.look(threads);
        // A step with one thread because of a crowd says nothing about idle cores.
        if let Some(governor) = adapted.governor(rows)
            && governor.threads() == threads
        {
            governor.record(took);
        }
    }
}

impl Adapted {
    fn governor(&mut self, rows: usize) -> Option<&mut Governor> {
        if rows > ROWS_TIMED_MAX {
            return None;
        }
        self.governors.get_mut(rows.max(1).next_power_of_two().ilog2() as usize)
    }
}

/// How many others want the cores.
#[derive(Debug)]
struct Crowd {
    /// Others that may run without disturbing.
    room: f32,
    others: f32,
    looked: Instant,
}

impl Crowd {
    const LOOK_EVERY: Duration = Duration::from_millis(4);
    const WEIGHT: f32 = 0.3;

    fn new(threads_max: u32) -> Crowd {
        let cores = online_cores().unwrap_or(threads_max);
        let room = cores.saturating_sub(threads_max) as f32 + 0.6;
        let others = others_running().unwrap_or(0.0);
        Crowd { room, others, looked: Instant::now() }
    }

    fn is_dense(&self) -> bool {
        self.others > self.room
    }

    /// Looks at the run queue. Called right after a step of `threads` threads, when the readers of
    /// its predecessor have done their work and those of this one have none yet. The step's own
    /// threads still poll for the next one.
    fn look(&mut self, threads: u32) {
        if self.looked.elapsed() < Crowd::LOOK_EVERY {
            return;
        }
        self.looked = Instant::now();
        if let Some(others) = others_running() {
            let others = (others - threads.saturating_sub(1) as f32).max(0.0);
            self.others += Crowd::WEIGHT * (others.min(self.room + 4.0) - self.others);
        }
    }
}

/// Threads of the whole system that are running or ready, beside this one.
fn others_running() -> Option<f32> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    let running: f32 = text.split_whitespace().nth(3)?.split('/').next()?.parse().ok()?;
    Some((running - 1.0).max(0.0))
}

/// Cores of the whole system, which `others_running` counts for: more than a container may use.
fn online_cores() -> Option<u32> {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/online").ok()?;
    let ranges = text.trim().split(',').map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(last.parse::<u32>().ok()?.checked_sub(first.parse().ok()?)? + 1)
    });
    ranges.sum()
}

/// Chooses between one thread and all of them for one kind of step.
#[derive(Debug)]
struct Governor {
    threads_max: u32,
    kept: u32,
    state: State,
    probe_after: u32,
}

#[derive(Debug)]
enum State {
    /// Using the kept setting. `usual` is its seconds per step.
    Keeping { steps: u32, usual: f64, recent: f64 },
    /// Trying a setting; the best time counts, since disturbances only make steps slower.
    Trying { threads: u32, steps: u32, best: f64, kept_best: Option<f64> },
}

impl Governor {
    fn new(threads_max: u32) -> Governor {
        let threads_max = threads_max.max(1);
        Governor {
            threads_max,
            kept: threads_max,
            state: State::trying(threads_max, None),
            probe_after: PROBE_AFTER_MIN,
        }
    }

    fn threads(&self) -> u32 {
        match &self.state {
            State::Keeping { .. } => self.kept,
            State::Trying { threads, .. } => *threads,
        }
    }

    fn other(&self) -> u32 {
        if self.kept == 1 { self.threads_max } else { 1 }
    }

    fn record(&mut self, took: Duration) {
        if self.threads_max == 1 {
            return;
        }
        let seconds = took.as_secs_f64();
        match &mut self.state {
            State::Keeping { steps, usual, recent } => {
                *steps += 1;
                *recent = 0.7 * *recent + 0.3 * seconds;
                *usual = 0.99 * *usual + 0.01 * seconds;
                let slow = *recent > SLOWDOWN * *usual;
                if slow {
                    self.probe_after = PROBE_AFTER_MIN;
                }
                if slow || *steps >= self.probe_after {
                    // In trouble the kept setting is timed again too, so that both see the same.
                    let kept = (!slow).then_some(*recent);
                    let first = if slow { self.kept } else { self.other() };
                    self.state = State::trying(first, kept);
                }
            }
            State::Trying { threads, steps, best, kept_best } => {
                *steps += 1;
                *best = best.min(seconds);
                let hopeless = kept_best.is_some_and(|kept| *best > SLOWDOWN * kept);
                if *steps < TRIAL_STEPS && !hopeless {
                    return;
                }
                let (threads, best, kept_best) = (*threads, *best, *kept_best);
                match kept_best {
                    None => self.state = State::trying(self.other(), Some(best)),
                    Some(kept_best) => self.compare(threads, best, kept_best),
                }
            }
        }
    }

    fn compare(&mut self, tried: u32, best: f64, kept_best: f64) {
        let usual = if best < ADVANTAGE * kept_best {
            self.kept = tried;
            self.probe_after = PROBE_AFTER_MIN;
            best
        } else {
            self.probe_after = (self.probe_after * 2).min(PROBE_AFTER_MAX);
            kept_best
        };
        self.state = State::Keeping { steps: 0, usual, recent: usual };
    }
}

impl State {
    fn trying(threads: u32, kept_best: Option<f64>) -> State {
        State::Trying { threads, steps: 0, best: f64::INFINITY, kept_best }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs steps whose milliseconds depend on the number of threads.
    fn run(governor: &mut Governor, steps: u32, cost_ms: impl Fn(u32) -> u64) {
        for _ in 0..steps {
            let took = Duration::from_millis(cost_ms(governor.threads()));
            governor.record(took);
        }
    }

    #[test]
    fn all_threads_are_kept_where_they_help() {
        let mut governor = Governor::new(4);
        run(&mut governor, 40, |threads| 100 / u64::from(threads));
        assert_eq!(governor.kept, 4);
    }

    #[test]
    fn one_thread_is_kept_where_others_disturb_and_given_up_when_they_stop() {
        let mut governor = Governor::new(2);
        run(&mut governor, 40, |threads| if threads == 1 { 10 } else { 300 });
        assert_eq!(governor.kept, 1);
        run(&mut governor, 3000, |threads| if threads == 1 { 10 } else { 6 });
        assert_eq!(governor.kept, 2);
        run(&mut governor, 40, |threads| if threads == 1 { 10 } else { 300 });
        assert_eq!(governor.kept, 1);
    }

    #[test]
    fn probing_a_bad_setting_costs_little() {
        let mut governor = Governor::new(2);
        run(&mut governor, 5000, |threads| if threads == 1 { 20 } else { 10 });
        let mut ones = 0;
        for _ in 0..5000 {
            ones += u32::from(governor.threads() == 1);
            governor.record(Duration::from_millis(if governor.threads() == 1 { 20 } else { 10 }));
        }
        assert!(ones <= 15, "{ones} of 5000 steps ran with the slower setting");
    }
}
