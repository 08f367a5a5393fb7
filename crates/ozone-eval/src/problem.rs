//! One question of a suite.

use ozone_tasks::Offer;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Expected;

/// A question with what makes a reply right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// Unique in its suite.
    pub id: String,
    /// `group` or `group/kind`: what scores are also given by.
    pub kind: String,
    /// As the model reads it.
    pub text: String,
    pub expected: Expected,
    /// `None` where nobody said.
    pub needs_python: Option<bool>,
    pub offer: Offer,
    /// Names the picture that it is about: whoever asks draws it. Part of what an answer depends on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
}

impl Problem {
    pub fn group(&self) -> &str {
        self.kind.split('/').next().unwrap_or(&self.kind)
    }
}

/// SHA-256 of the JSON of a value, in hexadecimal.
pub(crate) fn hash(value: &impl Serialize) -> String {
    let bytes = serde_json::to_vec(value).expect("plain data has a JSON form");
    hex(&Sha256::digest(bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
