use std::path::PathBuf;

/// What can go wrong in training or export, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The run's folder, or a file in it, could not be read or written (a full disk, rights).
    #[error("cannot write or read {path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    /// No checkpoint of the run is readable; each one's fault is named.
    #[error("no usable checkpoint in {path}: {reasons}")]
    NoCheckpoint { path: PathBuf, reasons: String },
    /// One checkpoint file is damaged; an older one may still be good.
    #[error("{path} is damaged: {reason}")]
    DamagedCheckpoint { path: PathBuf, reason: String },
    /// The run was started with another shape; a model cannot change its shape half-way.
    #[error(
        "the run was started with another {what} ({stored}, now {asked}): start a new run folder"
    )]
    OtherShape { what: &'static str, stored: String, asked: String },
    /// The configuration cannot work; the sentence says which value and why.
    #[error("{0}")]
    BadConfig(String),
    /// A tokenizer file is not one that this crate writes.
    #[error("the tokenizer cannot be read: {0}")]
    BadTokenizer(String),
    /// The loss became infinite or not a number: the learning rate is too high.
    #[error("the loss is no longer finite at step {step}: lower the learning rate and resume")]
    Diverged { step: u64 },
}

impl TrainError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
