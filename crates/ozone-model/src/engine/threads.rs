//! How many threads the next step uses.
//!
//! llama.cpp's threads wait for each other at hundreds of barriers per token, spinning. Where
//! other programs want the same cores, which is the normal state of a machine that an agent works
//! on, one preempted thread stops all of them: measured on two cores, a small model fell from 1,059
//! to 3 tokens a second, while one thread alone kept 147. And for a tiny model two threads are
//! slower than one even when nothing disturbs them. So the number is measured, not configured:
//! steps of the same shape are timed with all threads and with one, the faster setting is kept,
//! and the other is tried again now and then, or at once when the kept one becomes slow.

use std::time::Duration;

/// Steps with one setting before the settings are compared.
const TRIAL_STEPS: u32 = 3;
const PROBE_AFTER_MIN: u32 = 32;
const PROBE_AFTER_MAX: u32 = 2048;
/// A kept setting that becomes this much slower than it was is compared anew.
const SLOWDOWN: f64 = 1.6;
/// The other setting must be this much faster to be taken.
const ADVANTAGE: f64 = 0.95;

/// Rows from which a step is long enough for barriers not to matter: it gets all threads.
const ROWS_ADAPTED_MAX: usize = 16;

/// The number of threads for steps of any size.
#[derive(Debug)]
pub(super) struct Threads {
    max: u32,
    /// For steps of 1, 2, up to 4, up to 8 and up to 16 rows. None: the number is fixed.
    governors: Option<[Governor; 5]>,
}

impl Threads {
    pub fn adapted(max: u32) -> Threads {
        Threads { max, governors: Some(std::array::from_fn(|_| Governor::new(max))) }
    }

    pub fn fixed(threads: u32) -> Threads {
        Threads { max: threads, governors: None }
    }

    fn governor(&mut self, rows: usize) -> Option<&mut Governor> {
        let governors = self.governors.as_mut().filter(|_| rows <= ROWS_ADAPTED_MAX)?;
        governors.get_mut(rows.max(1).next_power_of_two().ilog2() as usize)
    }

    /// Threads for a step of `rows` rows.
    pub fn threads(&mut self, rows: usize) -> u32 {
        let max = self.max;
        self.governor(rows).map_or(max, |governor| governor.threads())
    }

    /// Notes how long such a step took with that many threads.
    pub fn record(&mut self, rows: usize, took: Duration) {
        if let Some(governor) = self.governor(rows) {
            governor.record(took);
        }
    }
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
                if *steps < TRIAL_STEPS {
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
