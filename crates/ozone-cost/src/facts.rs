//! What is priced: the tokens of one model call by kind, and the tool calls beside it.

use serde::{Deserialize, Serialize};

/// A kind of token with a price of its own. Text is what has no other name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meter {
    Input,
    CachedInput,
    /// Written to the provider's cache, for the shortest lifetime it sells.
    CacheWrite,
    #[serde(rename = "cache_write_1h")]
    CacheWrite1h,
    #[serde(rename = "cache_write_12h")]
    CacheWrite12h,
    Output,
    /// The part of the output that was thinking; costs as output where a row has no price for it.
    ReasoningOutput,
    AudioInput,
    CachedAudioInput,
    AudioCacheWrite,
    AudioOutput,
    ImageInput,
    CachedImageInput,
    ImageOutput,
    VideoInput,
    VideoOutput,
}

impl Meter {
    pub const ALL: [Meter; 16] = [
        Meter::Input,
        Meter::CachedInput,
        Meter::CacheWrite,
        Meter::CacheWrite1h,
        Meter::CacheWrite12h,
        Meter::Output,
        Meter::ReasoningOutput,
        Meter::AudioInput,
        Meter::CachedAudioInput,
        Meter::AudioCacheWrite,
        Meter::AudioOutput,
        Meter::ImageInput,
        Meter::CachedImageInput,
        Meter::ImageOutput,
        Meter::VideoInput,
        Meter::VideoOutput,
    ];

    pub const COUNT: usize = Meter::ALL.len();

    pub fn name(self) -> &'static str {
        match self {
            Meter::Input => "input",
            Meter::CachedInput => "cached_input",
            Meter::CacheWrite => "cache_write",
            Meter::CacheWrite1h => "cache_write_1h",
            Meter::CacheWrite12h => "cache_write_12h",
            Meter::Output => "output",
            Meter::ReasoningOutput => "reasoning_output",
            Meter::AudioInput => "audio_input",
            Meter::CachedAudioInput => "cached_audio_input",
            Meter::AudioCacheWrite => "audio_cache_write",
            Meter::AudioOutput => "audio_output",
            Meter::ImageInput => "image_input",
            Meter::CachedImageInput => "cached_image_input",
            Meter::ImageOutput => "image_output",
            Meter::VideoInput => "video_input",
            Meter::VideoOutput => "video_output",
        }
    }

    /// Whether these tokens are part of the prompt, whose size chooses the tier.
    pub fn is_prompt(self) -> bool {
        !matches!(
            self,
            Meter::Output
                | Meter::ReasoningOutput
                | Meter::AudioOutput
                | Meter::ImageOutput
                | Meter::VideoOutput
        )
    }
}

/// Token counts by kind, each token in exactly one of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tokens([u64; Meter::COUNT]);

impl Tokens {
    pub fn get(&self, meter: Meter) -> u64 {
        self.0[meter as usize]
    }

    pub fn set(&mut self, meter: Meter, tokens: u64) {
        self.0[meter as usize] = tokens;
    }

    pub fn with(mut self, meter: Meter, tokens: u64) -> Tokens {
        self.set(meter, tokens);
        self
    }

    /// The kinds that occur, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (Meter, u64)> + '_ {
        Meter::ALL.into_iter().map(|m| (m, self.get(m))).filter(|(_, tokens)| *tokens > 0)
    }

    /// Everything the model read: cached, written and new.
    pub fn prompt(&self) -> u64 {
        self.sum(true)
    }

    /// Everything the model wrote, its thinking included.
    pub fn output(&self) -> u64 {
        self.sum(false)
    }

    fn sum(&self, prompt: bool) -> u64 {
        let ours = Meter::ALL.into_iter().filter(|meter| meter.is_prompt() == prompt);
        ours.fold(0, |sum, meter| sum.saturating_add(self.get(meter)))
    }
}

impl Serialize for Tokens {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(meter, tokens)| (meter.name(), tokens)))
    }
}

impl<'de> Deserialize<'de> for Tokens {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let counts = std::collections::BTreeMap::<Meter, u64>::deserialize(deserializer)?;
        Ok(counts.into_iter().fold(Tokens::default(), |tokens, (m, n)| tokens.with(m, n)))
    }
}

/// Tool use that somebody else bills, or a quantity other than tokens (pages, seconds, pixels).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolUse {
    /// `web_search`, `file_search`, `container`, `storage_gb_day`, …: the name in the book.
    pub tool: String,
    /// A size or a grade that is priced apart: `1g`, `low`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    pub units: u64,
    /// How much of the free quota was used before; without it (the counter is down) all is billed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_used: Option<u64>,
}

impl ToolUse {
    pub fn new(tool: &str, units: u64) -> ToolUse {
        ToolUse { tool: tool.to_owned(), variant: None, units, free_used: None }
    }
}

/// The service tiers that most providers have. A book may name others.
pub const TIER_DEFAULT: &str = "default";
pub const TIER_FLEX: &str = "flex";
pub const TIER_PRIORITY: &str = "priority";
pub const TIER_BATCH: &str = "batch";

/// What one model call used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Empty where any provider of the model will do, if there is only one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub provider: String,
    /// Empty for tool use alone.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// Where the request was processed, when it was bound to a place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The tier that the *response* names.
    #[serde(default = "default_tier")]
    pub tier: String,
    /// The price list it is billed by, where the provider has one for each currency; dollars where
    /// there is such a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billed_in: Option<String>,
    pub tokens: Tokens,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolUse>,
    /// Counts that the provider did not give: without them there is no amount.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

fn default_tier() -> String {
    TIER_DEFAULT.to_owned()
}

impl Facts {
    pub fn new(provider: &str, model: &str, tokens: Tokens) -> Facts {
        Facts {
            provider: provider.to_owned(),
            model: model.to_owned(),
            region: None,
            tier: default_tier(),
            billed_in: None,
            tokens,
            tools: vec![],
            missing: vec![],
        }
    }

    /// With the tier as a response spells it: `auto` and `standard` are the default one.
    pub fn at_tier(mut self, tier: &str) -> Facts {
        self.tier = match tier {
            "" | "auto" | "standard" | "on_demand" => TIER_DEFAULT.to_owned(),
            other => other.to_owned(),
        };
        self
    }

    pub fn with_tools(mut self, tools: impl IntoIterator<Item = ToolUse>) -> Facts {
        self.tools.extend(tools);
        self
    }

    pub fn in_region(mut self, region: &str) -> Facts {
        self.region = Some(region.to_owned());
        self
    }
}
