//! What a trainer learns from: ids as the model saw and sampled them, never made from text again.

use serde::{Deserialize, Serialize};

/// Tokens in the order in which the model saw them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Passage {
    pub ids: Vec<u32>,
    /// Of each id, by the sampler; `None` where it was given (a prompt, a tool's output) or forced.
    pub logprobs: Vec<Option<f32>>,
}

impl Passage {
    /// The samples of a conversation, each behind its prompt: one passage, unless the history was
    /// rendered anew on the way.
    pub fn join(samples: impl IntoIterator<Item = (Vec<u32>, Passage)>) -> Vec<Passage> {
        let mut passages: Vec<Passage> = Vec::new();
        for (prompt, sampled) in samples {
            let goes_on = passages.last().is_some_and(|passage| prompt.starts_with(&passage.ids));
            if !goes_on {
                passages.push(Passage::default());
            }
            if let Some(passage) = passages.last_mut() {
                passage.ids.extend(&prompt[passage.ids.len()..]);
                passage.logprobs.resize(passage.ids.len(), None);
                passage.ids.extend(sampled.ids);
                passage.logprobs.extend(sampled.logprobs);
            }
        }
        passages
    }
}
