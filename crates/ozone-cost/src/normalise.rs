//! A provider's own usage object to tokens by kind, each token once.
//!
//! Providers disagree on what contains what. OpenAI and Gemini count cached tokens within the
//! input, Anthropic beside it; OpenAI counts thinking within the output, Gemini beside it. A count
//! that is absent where it must stand, or that exceeds what contains it, is reported as missing and
//! never taken as zero.

use ozone_types::Usage;
use serde_json::Value;

use crate::{Facts, Meter, Tokens};

/// The usage of a response of our own, which counts as OpenAI's does.
pub fn response(provider: &str, model: &str, usage: &Usage) -> Facts {
    let mut missing = vec![];
    let mut left = |name: &str, whole: u64, part: u64| {
        whole.checked_sub(part).unwrap_or_else(|| {
            missing.push(more_than_the_whole(name));
            0
        })
    };
    let (read, written) =
        (usage.input_tokens_details.cached_tokens, usage.input_tokens_details.cache_write_tokens);
    let thought = usage.output_tokens_details.reasoning_tokens;
    let tokens = Tokens::default()
        .with(Meter::Input, left("input_tokens", usage.input_tokens, read.saturating_add(written)))
        .with(Meter::CachedInput, read)
        .with(Meter::CacheWrite, written)
        .with(Meter::Output, left("output_tokens", usage.output_tokens, thought))
        .with(Meter::ReasoningOutput, thought);
    Facts { missing, ..Facts::new(provider, model, tokens) }
}

/// OpenAI's Responses (`input_tokens`) and Chat Completions (`prompt_tokens`) usage, and what
/// copies them; DeepSeek's `prompt_cache_hit_tokens`.
pub fn openai(provider: &str, model: &str, usage: &Value) -> Facts {
    let mut read = Reader::new(usage);
    let (input, output, details_in, details_out) = if usage.get("input_tokens").is_some() {
        ("input_tokens", "output_tokens", "input_tokens_details", "output_tokens_details")
    } else {
        ("prompt_tokens", "completion_tokens", "prompt_tokens_details", "completion_tokens_details")
    };
    let (prompt, completion) = (read.must(&[input]), read.must(&[output]));
    let cached = match read.may(&[details_in, "cached_tokens"]) {
        0 => read.may(&["prompt_cache_hit_tokens"]),
        cached => cached,
    };
    let written = read.may(&[details_in, "cache_write_tokens"]);
    let (audio, image) =
        (read.may(&[details_in, "audio_tokens"]), read.may(&[details_in, "image_tokens"]));
    let of_cached = |kind: &str| [details_in, "cached_tokens_details", kind].map(str::to_owned);
    let [cached_audio, cached_image] = [of_cached("audio_tokens"), of_cached("image_tokens")]
        .map(|path| read.may(&path.each_ref().map(String::as_str)));
    let cached_text = read.left("cached_tokens", cached, cached_audio + cached_image);
    let audio = read.left("audio_tokens", audio, cached_audio);
    let image = read.left("image_tokens", image, cached_image);
    let text = read.left(
        input,
        prompt,
        cached.saturating_add(written).saturating_add(audio).saturating_add(image),
    );
    let spoken = read.may(&[details_out, "audio_tokens"]);
    let drawn = read.may(&[details_out, "image_tokens"]);
    let thought = read.may(&[details_out, "reasoning_tokens"]);
    let said = thought.saturating_add(spoken).saturating_add(drawn);
    let said = read.left(output, completion, said);
    let tokens = Tokens::default()
        .with(Meter::Input, text)
        .with(Meter::CachedInput, cached_text)
        .with(Meter::CacheWrite, written)
        .with(Meter::AudioInput, audio)
        .with(Meter::CachedAudioInput, cached_audio)
        .with(Meter::ImageInput, image)
        .with(Meter::CachedImageInput, cached_image)
        .with(Meter::Output, said)
        .with(Meter::ReasoningOutput, thought)
        .with(Meter::AudioOutput, spoken)
        .with(Meter::ImageOutput, drawn);
    read.facts(provider, model, tokens)
}

/// Anthropic's Messages usage: the input stands beside what the cache gave and took.
pub fn anthropic(provider: &str, model: &str, usage: &Value) -> Facts {
    let mut read = Reader::new(usage);
    let written = read.may(&["cache_creation_input_tokens"]);
    let hour = read.may(&["cache_creation", "ephemeral_1h_input_tokens"]);
    let short = read.left("cache_creation_input_tokens", written, hour);
    let tokens = Tokens::default()
        .with(Meter::Input, read.must(&["input_tokens"]))
        .with(Meter::CachedInput, read.may(&["cache_read_input_tokens"]))
        .with(Meter::CacheWrite, short)
        .with(Meter::CacheWrite1h, hour)
        .with(Meter::Output, read.must(&["output_tokens"]));
    let searches = read.may(&["server_tool_use", "web_search_requests"]);
    let mut facts = read.facts(provider, model, tokens);
    if searches > 0 {
        facts.tools.push(crate::ToolUse::new("web_search", searches));
    }
    match usage.get("service_tier").and_then(Value::as_str) {
        Some(tier) => facts.at_tier(tier),
        None => facts,
    }
}

/// Gemini's `usageMetadata`: thinking stands beside the candidates, and kinds are lists.
pub fn gemini(provider: &str, model: &str, usage: &Value) -> Facts {
    let mut read = Reader::new(usage);
    let prompt =
        read.must(&["promptTokenCount"]).saturating_add(read.may(&["toolUsePromptTokenCount"]));
    let cached = read.may(&["cachedContentTokenCount"]);
    // Absent when the model was stopped while it thought.
    let said = read.may(&["candidatesTokenCount"]);
    let thought = read.may(&["thoughtsTokenCount"]);
    let mut tokens = Tokens::default().with(Meter::ReasoningOutput, thought);
    let kinds = |list: &str, kind: &str| -> u64 {
        let entries = usage.get(list).and_then(Value::as_array).into_iter().flatten();
        let of_kind = entries.filter(|e| e.get("modality").and_then(Value::as_str) == Some(kind));
        of_kind
            .filter_map(|e| e.get("tokenCount").and_then(Value::as_u64))
            .fold(0, u64::saturating_add)
    };
    let (mut rich, mut rich_cached, mut rich_said) = (0u64, 0u64, 0u64);
    for (kind, new, old, out) in [
        ("AUDIO", Meter::AudioInput, Some(Meter::CachedAudioInput), Meter::AudioOutput),
        ("IMAGE", Meter::ImageInput, Some(Meter::CachedImageInput), Meter::ImageOutput),
        ("VIDEO", Meter::VideoInput, None, Meter::VideoOutput),
    ] {
        let all = kinds("promptTokensDetails", kind)
            .saturating_add(kinds("toolUsePromptTokensDetails", kind));
        let from_cache = kinds("cacheTokensDetails", kind);
        match old {
            Some(old) => tokens.set(old, from_cache),
            None if from_cache > 0 => read.missing.push(format!("a price kind of cached {kind}")),
            None => {}
        }
        tokens.set(new, read.left("promptTokensDetails", all, from_cache));
        let made = kinds("candidatesTokensDetails", kind);
        tokens.set(out, made);
        rich = rich.saturating_add(all);
        rich_cached = rich_cached.saturating_add(from_cache);
        rich_said = rich_said.saturating_add(made);
    }
    let cached_text = read.left("cachedContentTokenCount", cached, rich_cached);
    let text = read.left("promptTokenCount", prompt, rich.saturating_add(cached_text));
    tokens.set(Meter::CachedInput, cached_text);
    tokens.set(Meter::Input, text);
    tokens.set(Meter::Output, read.left("candidatesTokenCount", said, rich_said));
    read.facts(provider, model, tokens)
}

struct Reader<'a> {
    usage: &'a Value,
    missing: Vec<String>,
}

impl<'a> Reader<'a> {
    fn new(usage: &'a Value) -> Self {
        Reader { usage, missing: vec![] }
    }

    fn find(&mut self, path: &[&str]) -> Option<u64> {
        let found = path.iter().try_fold(self.usage, |value, key| value.get(key))?;
        if found.is_null() {
            return None;
        }
        let count = found.as_u64();
        if count.is_none() {
            self.missing.push(format!("`{}` is no count", path.join(".")));
        }
        count
    }

    /// A count that every usage has.
    fn must(&mut self, path: &[&str]) -> u64 {
        let before = self.missing.len();
        let count = self.find(path);
        if count.is_none() && self.missing.len() == before {
            self.missing.push(format!("`{}` is missing", path.join(".")));
        }
        count.unwrap_or(0)
    }

    /// A count that stands there only where it applies.
    fn may(&mut self, path: &[&str]) -> u64 {
        self.find(path).unwrap_or(0)
    }

    /// What remains of `whole` without `part`.
    fn left(&mut self, name: &str, whole: u64, part: u64) -> u64 {
        whole.checked_sub(part).unwrap_or_else(|| {
            self.missing.push(more_than_the_whole(name));
            0
        })
    }

    fn facts(self, provider: &str, model: &str, tokens: Tokens) -> Facts {
        Facts { missing: self.missing, ..Facts::new(provider, model, tokens) }
    }
}

fn more_than_the_whole(name: &str) -> String {
    format!("the parts of `{name}` come to more than the whole")
}
