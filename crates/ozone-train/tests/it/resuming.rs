use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ozone_train::TrainError;
use ozone_train::checkpoint::latest;
use ozone_train::sft::{Record, SftConfig, TrainObserver};

use crate::{config, finish, run};

/// Cancels a run after some step.
struct CutAfter<'a> {
    step: u64,
    cancel: &'a AtomicBool,
}

impl TrainObserver for CutAfter<'_> {
    fn record(&mut self, record: &Record) {
        if matches!(record, Record::Step { step, .. } if *step >= self.step) {
            self.cancel.store(true, Ordering::Relaxed);
        }
    }
}

fn cut(folder: &Path, config: &SftConfig, step: u64) {
    let cancel = AtomicBool::new(false);
    run(folder, config, &mut CutAfter { step, cancel: &cancel }, &cancel).unwrap();
}

fn checkpoints(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|end| end == "checkpoint")).collect();
    files.sort();
    files
}

#[test]
fn a_cut_run_ends_with_the_same_weights() {
    let config = config(4000);
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let uncut = finish(whole.path(), &config).unwrap();
    cut(parts.path(), &config, 3);
    cut(parts.path(), &config, 9);
    let resumed = finish(parts.path(), &config).unwrap();
    assert_eq!(resumed.weights, uncut.weights);
    assert_eq!(resumed.optimizer, uncut.optimizer);
    assert_eq!(resumed.progress.tokens, uncut.progress.tokens);
}

/// `kill -9` loses the steps since the last checkpoint; they are taken again, the same.
#[test]
fn a_killed_run_goes_on_from_its_last_checkpoint() {
    let config = SftConfig { checkpoint_every: Duration::ZERO, ..config(3000) };
    let (whole, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let uncut = finish(whole.path(), &config).unwrap();
    cut(killed.path(), &config, 6);
    let files = checkpoints(killed.path());
    assert_eq!(files.len(), 2, "the last two are kept");
    std::fs::remove_file(&files[1]).unwrap();
    assert_eq!(finish(killed.path(), &config).unwrap().weights, uncut.weights);
}

#[test]
fn a_truncated_checkpoint_falls_back_to_the_one_before() {
    let config = SftConfig { checkpoint_every: Duration::ZERO, ..config(3000) };
    let folder = tempfile::tempdir().unwrap();
    cut(folder.path(), &config, 6);
    let files = checkpoints(folder.path());
    let bytes = std::fs::read(&files[1]).unwrap();
    std::fs::write(&files[1], &bytes[..bytes.len() / 2]).unwrap();
    let found = latest(folder.path()).unwrap().unwrap();
    assert_eq!(found.path, files[0]);
    assert!(matches!(&found.passed_over[..], [TrainError::DamagedCheckpoint { .. }]));
    finish(folder.path(), &config).unwrap();
    let log = std::fs::read_to_string(folder.path().join("log.jsonl")).unwrap();
    assert!(log.contains("passed_over"));
}

#[test]
fn a_folder_of_damaged_checkpoints_is_an_error_that_names_them() {
    let folder = tempfile::tempdir().unwrap();
    for (step, bytes) in [(1, &b"OZCKPT1\n"[..]), (2, b""), (3, b"something else entirely")] {
        std::fs::write(folder.path().join(format!("step-00000000{step}.checkpoint")), bytes)
            .unwrap();
    }
    let error = finish(folder.path(), &config(1000)).unwrap_err();
    assert!(matches!(error, TrainError::NoCheckpoint { .. }), "{error}");
    assert!(error.to_string().contains("step-000000002.checkpoint is damaged"), "{error}");
}

#[test]
fn another_shape_or_seed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(500);
    finish(folder.path(), &config).unwrap();
    let mut wider = config.clone();
    wider.model.intermediate_size = 128;
    let error = finish(folder.path(), &wider).unwrap_err().to_string();
    assert!(error.starts_with("the run was started with another shape"), "{error}");
    let seeded = SftConfig { seed: 2, ..config };
    let error = finish(folder.path(), &seeded).unwrap_err().to_string();
    assert_eq!(error, "the run was started with another seed (1, now 2): start a new run folder");
}

#[test]
fn a_finished_run_can_be_made_longer() {
    let folder = tempfile::tempdir().unwrap();
    let first = finish(folder.path(), &config(1000)).unwrap();
    let longer = finish(folder.path(), &config(2000)).unwrap();
    assert!(first.progress.tokens < 1300 && longer.progress.tokens >= 2000);
}

#[test]
fn other_batches_are_taken_up_at_the_next_window() {
    let folder = tempfile::tempdir().unwrap();
    cut(folder.path(), &config(2000), 2);
    let wider = SftConfig { batch_tokens: 512, ..config(2000) };
    assert!(finish(folder.path(), &wider).unwrap().progress.tokens >= 2000);
}

/// The write fails at the part beside the checkpoint, as on a full disk.
#[test]
fn a_full_disk_is_a_clear_error_and_costs_only_the_new_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(2000);
    cut(folder.path(), &config, 2);
    let before = checkpoints(folder.path());
    for step in 0..40 {
        let part = folder.path().join(format!("step-{step:09}.checkpoint.part"));
        symlink("/dev/full", part).unwrap();
    }
    let error = finish(folder.path(), &config).unwrap_err();
    assert!(matches!(error, TrainError::Io { .. }), "{error}");
    assert!(error.to_string().contains("No space left"), "{error}");
    assert_eq!(checkpoints(folder.path()), before);
    latest(folder.path()).unwrap().unwrap();
}

#[test]
fn a_run_folder_that_is_a_file_is_a_clear_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = finish(file.path(), &config(1000)).unwrap_err();
    assert!(matches!(error, TrainError::Io { .. }), "{error}");
}
