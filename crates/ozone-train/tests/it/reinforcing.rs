use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use ozone_train::TrainError;
use ozone_train::checkpoint::{self, Checkpoint};
use ozone_train::export::ModelCard;
use ozone_train::grpo::{
    Environment, Group, GrpoConfig, Played, Policy, Record, Rollout, Step, reinforce,
};
use ozone_train::optimizer::OptimizerConfig;
use ozone_types::Passage;
use rand::{Rng, SeedableRng};

use crate::{config, finish};

/// Right is who says a token of the lower half of the vocabulary.
struct Halves {
    steps: Vec<Step>,
    /// After so many steps the run is stopped.
    stop_after: Option<(usize, &'static AtomicBool)>,
    always_right: bool,
}

const PROMPT: [u32; 3] = [20, 30, 40];

impl Halves {
    fn new() -> Self {
        Halves { steps: vec![], stop_after: None, always_right: false }
    }
}

impl Environment for Halves {
    fn play(
        &mut self,
        policy: Policy<'_>,
        step: u64,
        first: u64,
        questions: usize,
        samples: usize,
    ) -> Result<Played, TrainError> {
        assert!(policy.gguf.exists());
        let logits = policy.model.weights.logits(&PROMPT)?.pop().unwrap();
        let total: f32 = logits.iter().map(|logit| logit.exp()).sum();
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(first << 20 ^ step);
        let mut rollout = || {
            let mut at = rng.random::<f32>() * total;
            let id = logits.iter().position(|logit| {
                at -= logit.exp();
                at <= 0.0
            });
            let id = id.unwrap_or(0) as u32;
            let correct = self.always_right || (id as usize) < logits.len() / 2;
            let logprob = logits[id as usize] - total.ln();
            let ids = [&PROMPT[..], &[id]].concat();
            let passage = Passage { ids, logprobs: vec![None, None, None, Some(logprob)] };
            let reward = f32::from(u8::from(correct));
            Rollout { passages: vec![passage], reward, correct, ..Rollout::default() }
        };
        let group = |_| Group {
            needs_tool: Some(false),
            rollouts: (0..samples).map(|_| rollout()).collect(),
        };
        let groups: Vec<Group> = (0..questions).map(group).collect();
        Ok(Played { next: first + questions as u64, groups, failed: 0 })
    }

    fn record(&mut self, record: &Record) {
        if let Record::Step(step) = record {
            self.steps.push((**step).clone());
        }
        if let Some((after, cancel)) = self.stop_after {
            cancel.store(self.steps.len() >= after, Ordering::Relaxed);
        }
    }
}

fn start(folder: &Path) -> Checkpoint {
    finish(folder, &config(2_000)).unwrap()
}

fn small_config(steps: u64) -> GrpoConfig {
    GrpoConfig {
        optimizer: OptimizerConfig { muon_lr: 0.02, adam_lr: 0.02, ..OptimizerConfig::default() },
        steps,
        groups: 4,
        questions_max: 16,
        batch_tokens: 64,
        ..GrpoConfig::default()
    }
}

fn go(
    folder: &Path,
    config: &GrpoConfig,
    start: &Checkpoint,
    halves: &mut Halves,
    cancel: &AtomicBool,
) -> Result<Checkpoint, TrainError> {
    reinforce(folder, config, start, &ModelCard::default(), halves, cancel)
}

#[test]
fn what_is_rewarded_is_said_more_often() {
    let folder = tempfile::tempdir().unwrap();
    let start = start(&folder.path().join("start"));
    let mut halves = Halves::new();
    let run = folder.path().join("run");
    go(&run, &small_config(40), &start, &mut halves, &AtomicBool::new(false)).unwrap();
    let (first, last) = (&halves.steps[0], &halves.steps[39]);
    assert!(first.accuracy < 0.8, "{first:?}");
    assert!(last.accuracy > 0.95, "{last:?}");
    assert!(last.entropy < first.entropy, "{last:?}");
    // The trainer finds the logprobs that the sampler stated.
    assert!(first.logprob_gap.unwrap() < 0.02, "{first:?}");
    assert_eq!(first.tool_use_when_not_needed, Some(0.0));
    assert_eq!(first.tool_use_when_needed, None);
}

#[test]
fn groups_without_a_difference_are_replaced_and_teach_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let start = start(&folder.path().join("start"));
    let mut halves = Halves { always_right: true, ..Halves::new() };
    let run = folder.path().join("run");
    let end = go(&run, &small_config(2), &start, &mut halves, &AtomicBool::new(false)).unwrap();
    assert_eq!(end.weights, start.weights);
    assert_eq!((halves.steps[0].questions, halves.steps[0].groups), (16, 0));
    assert_eq!(end.progress.window, 32);
}

#[test]
fn a_stopped_run_ends_with_the_same_weights() {
    static CANCEL: AtomicBool = AtomicBool::new(false);
    let folder = tempfile::tempdir().unwrap();
    let start = start(&folder.path().join("start"));
    let config = small_config(6);
    let [whole, cut] = ["whole", "cut"].map(|name| folder.path().join(name));
    let never = AtomicBool::new(false);
    let expected = go(&whole, &config, &start, &mut Halves::new(), &never).unwrap();
    let mut stopping = Halves { stop_after: Some((3, &CANCEL)), ..Halves::new() };
    go(&cut, &config, &start, &mut stopping, &CANCEL).unwrap();
    assert_eq!(checkpoint::latest(&cut).unwrap().unwrap().checkpoint.progress.step, 3);
    let resumed = go(&cut, &config, &start, &mut Halves::new(), &never).unwrap();
    assert_eq!(resumed.weights, expected.weights);
    assert_eq!(resumed.progress.step, 6);
}

#[test]
fn another_kind_of_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let supervised = folder.path().join("start");
    let start = start(&supervised);
    let never = AtomicBool::new(false);
    let mut halves = Halves::new();
    let error = go(&supervised, &small_config(1), &start, &mut halves, &never).unwrap_err();
    assert!(matches!(error, TrainError::OtherShape { what: "kind of training", .. }), "{error}");
    let run = folder.path().join("run");
    go(&run, &small_config(1), &start, &mut halves, &never).unwrap();
    let error = finish(&run, &config(4_000)).unwrap_err();
    assert!(matches!(error, TrainError::OtherShape { what: "kind of training", .. }), "{error}");
    let alone = GrpoConfig { samples: 1, ..small_config(1) };
    let error = go(&run, &alone, &start, &mut halves, &never).unwrap_err();
    assert!(matches!(error, TrainError::BadConfig(_)), "{error}");
}
