//! What a run is, and what has run it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use ozone_types::Effort;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::problem::{hash, hex};
use crate::{Outfit, Problem, Suite};

/// Several samples that vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pro {
    pub samples_max: u32,
    /// No more samples than it takes to be certain.
    pub stops_early: bool,
}

impl Pro {
    pub(crate) fn name(self) -> &'static str {
        if self.stops_early { "pro" } else { "pro without a stop" }
    }
}

/// Everything that an answer depends on, but for the program itself. A folder holds the answers of
/// one plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub suite: String,
    pub suite_hash: String,
    pub questions: usize,
    pub model: String,
    /// Of the weights, or of the address: two models of one name are told apart.
    pub model_hash: String,
    pub instructions: Option<String>,
    /// `None`: as the model's entry or the model itself has it.
    pub effort: Option<Effort>,
    pub pro: Option<Pro>,
    /// How often each question is asked.
    pub repeats: u32,
    /// Of the first repeat; each further one goes on behind the samples of the one before.
    pub seed: u64,
    pub temperature: f32,
    pub max_output_tokens: Option<u64>,
    pub seconds_max: u64,
    /// Tools are offered where the question does.
    pub tools: bool,
    /// Of questions about pictures: which tools instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outfit: Option<Outfit>,
}

impl Plan {
    /// A greedy plan for a suite; the other fields are set by name.
    pub fn new(suite: &Suite, model: &str, model_hash: &str) -> Plan {
        Plan {
            suite: suite.name.clone(),
            suite_hash: suite.hash(),
            questions: suite.problems.len(),
            model: model.to_owned(),
            model_hash: model_hash.to_owned(),
            instructions: None,
            effort: None,
            pro: None,
            repeats: 1,
            seed: 0,
            temperature: 0.0,
            max_output_tokens: None,
            seconds_max: 120,
            tools: true,
            outfit: None,
        }
    }

    /// `ozone-mini high pro`, for people and for the names of folders.
    pub fn label(&self) -> String {
        let effort = self.effort_name().map(|e| format!(" {e}")).unwrap_or_default();
        let pro = self.pro.map(|pro| format!(" {}", pro.name())).unwrap_or_default();
        let tools = if self.tools { "" } else { " no tools" };
        let outfit = self.outfit.map(|o| format!(" {}", o.name())).unwrap_or_default();
        format!("{}{effort}{pro}{tools}{outfit}", self.model)
    }

    pub fn effort_name(&self) -> Option<String> {
        let name = serde_json::to_value(self.effort?).ok()?;
        name.as_str().map(str::to_owned)
    }

    /// Of the first sample of a repeat. No two samples of a question share one.
    pub fn seed_of(&self, epoch: u32) -> u64 {
        let samples = self.pro.map_or(1, |pro| pro.samples_max);
        self.seed.wrapping_add(u64::from(epoch) * u64::from(samples))
    }

    /// The name of an answer in the cache: equal for equal questions to the same program, whatever
    /// the suite.
    pub(crate) fn key(&self, program: &str, problem: &Problem, epoch: u32) -> String {
        let Plan { model, model_hash, instructions, effort, pro, temperature, .. } = self;
        let sampling =
            (temperature, self.seed_of(epoch), epoch, self.max_output_tokens, self.seconds_max);
        let asked = (&problem.text, problem.offer, self.tools);
        let about = (program, model, model_hash, instructions, effort, pro);
        match &problem.picture {
            None => hash(&(about, sampling, asked)),
            Some(picture) => hash(&(about, sampling, asked, picture, self.outfit)),
        }
    }

    /// What of it is not as in the plan of an earlier session, in words.
    pub(crate) fn differs(&self, earlier: &Plan) -> Option<String> {
        let (mine, theirs) = (fields(self), fields(earlier));
        let other = mine.iter().filter(|(name, value)| {
            // More repeats are only more cells.
            name.as_str() != "repeats" && theirs.get(*name) != Some(*value)
        });
        let words: Vec<String> = other
            .map(|(name, value)| {
                let before = theirs.get(name).map_or("nothing".into(), |v| v.to_string());
                format!("{name} was {before} and is {value}")
            })
            .collect();
        (!words.is_empty()).then(|| words.join("; "))
    }
}

fn fields(plan: &Plan) -> serde_json::Map<String, serde_json::Value> {
    match serde_json::to_value(plan) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    }
}

/// What ran a part of the cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Seconds since 1970.
    pub at: i64,
    /// SHA-256 of the program, engine included.
    pub program: String,
    /// Where the program lies in a checkout: its commit, with `-dirty` where files were changed.
    pub commit: Option<String>,
    /// Of the prices in force.
    pub prices: String,
}

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub plan: Plan,
    pub sessions: Vec<Session>,
}

/// Files larger than this are known by their length, their beginning and their end.
const HASHED_WHOLE_MAX: u64 = 256 << 20;
const HASHED_ENDS: u64 = 8 << 20;

/// SHA-256 of a file, in hexadecimal.
pub fn hash_file(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut hasher = Sha256::new();
    if length <= HASHED_WHOLE_MAX {
        io::copy(&mut file, &mut hasher)?;
    } else {
        hasher.update(length.to_le_bytes());
        io::copy(&mut (&mut file).take(HASHED_ENDS), &mut hasher)?;
        file.seek(SeekFrom::End(-(HASHED_ENDS as i64)))?;
        io::copy(&mut file, &mut hasher)?;
    }
    Ok(hex(&hasher.finalize()))
}
