//! Providers' usage objects, each token once.

use ozone_cost::{Facts, Meter, anthropic, gemini, openai, response};
use ozone_types::Usage;
use serde_json::json;

use crate::support::{today, total};

fn shown(facts: &Facts) -> String {
    assert_eq!(facts.missing, Vec::<String>::new());
    let counts: Vec<_> = facts.tokens.iter().map(|(m, n)| format!("{} {n}", m.name())).collect();
    counts.join(", ")
}

#[test]
fn openai_counts_cached_and_thinking_within() {
    let usage = json!({
        "input_tokens": 10_000,
        "input_tokens_details": {"cached_tokens": 6_000, "cache_write_tokens": 0},
        "output_tokens": 2_500,
        "output_tokens_details": {"reasoning_tokens": 2_000},
        "total_tokens": 12_500
    });
    let facts = openai("openai", "o3", &usage);
    assert_eq!(shown(&facts), "input 4000, cached_input 6000, output 500, reasoning_output 2000");
    assert_eq!(total(&facts, today()), "0.031");
    let own = response("openai", "o3", &Usage::of_sample(10_000, 6_000, 2_500, 2_000));
    assert_eq!(own.tokens, facts.tokens);
}

#[test]
fn chat_completions_and_deepseek_spell_it_otherwise() {
    let usage = json!({
        "prompt_tokens": 100, "completion_tokens": 20,
        "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 10},
        "completion_tokens_details": {"reasoning_tokens": 15, "audio_tokens": 2}
    });
    assert_eq!(
        shown(&openai("", "m", &usage)),
        "input 50, cached_input 40, output 3, reasoning_output 15, audio_input 10, audio_output 2"
    );
    let usage = json!({
        "prompt_tokens": 100, "completion_tokens": 20,
        "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36
    });
    assert_eq!(shown(&openai("", "m", &usage)), "input 36, cached_input 64, output 20");
}

#[test]
fn anthropic_counts_the_cache_beside_the_input() {
    let usage = json!({
        "input_tokens": 2_000, "cache_creation_input_tokens": 60_000,
        "cache_creation": {"ephemeral_5m_input_tokens": 50_000, "ephemeral_1h_input_tokens": 10_000},
        "cache_read_input_tokens": 100_000, "output_tokens": 3_000,
        "server_tool_use": {"web_search_requests": 2}, "service_tier": "standard"
    });
    let facts = anthropic("anthropic", "claude-opus-4", &usage);
    assert_eq!(
        shown(&facts),
        "input 2000, cached_input 100000, cache_write 50000, cache_write_1h 10000, output 3000"
    );
    assert_eq!(facts.tier, "default");
    // 1.3425 for the tokens of T10, 0.3 for the hour's write, 0.02 for two searches.
    assert_eq!(total(&facts, today()), "1.6625");
}

#[test]
fn gemini_counts_thinking_beside_the_answer() {
    let usage = json!({
        "promptTokenCount": 1_000, "cachedContentTokenCount": 400,
        "candidatesTokenCount": 50, "thoughtsTokenCount": 200, "totalTokenCount": 1_250,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 742}, {"modality": "IMAGE", "tokenCount": 258}],
        "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 400}]
    });
    assert_eq!(
        shown(&gemini("gemini", "gemini-2.5-pro", &usage)),
        "input 342, cached_input 400, output 50, reasoning_output 200, image_input 258"
    );
}

#[test]
fn a_count_that_is_absent_or_impossible_is_not_zero() {
    let cases = [
        (openai("", "o3", &json!({"input_tokens": 5})), "`output_tokens` is missing"),
        (openai("", "o3", &json!({})), "`prompt_tokens` is missing"),
        (
            openai("", "o3", &json!({"input_tokens": -5, "output_tokens": 1})),
            "`input_tokens` is no count",
        ),
        (
            openai(
                "",
                "o3",
                &json!({"input_tokens": 5, "output_tokens": 1,
                        "input_tokens_details": {"cached_tokens": 6}}),
            ),
            "the parts of `input_tokens` come to more than the whole",
        ),
        (anthropic("", "claude-opus-4", &json!({"input_tokens": 5})), "`output_tokens` is missing"),
        (gemini("", "gemini-2.5-pro", &json!(null)), "`promptTokenCount` is missing"),
    ];
    for (facts, reason) in cases {
        assert!(facts.missing.iter().any(|m| m == reason), "{:?}", facts.missing);
        assert!(total(&facts, today()).contains(reason), "no amount without the count");
    }
}

#[test]
fn facts_survive_being_stored() {
    let usage = Usage::of_sample(10, 6, 4, 1);
    let facts = response("p", "m", &usage)
        .at_tier("auto")
        .with_tools([ozone_cost::ToolUse::new("web_search", 2)]);
    let json = serde_json::to_string(&facts).unwrap();
    assert_eq!(serde_json::from_str::<Facts>(&json).unwrap(), facts);
    assert_eq!(facts.tokens.get(Meter::CachedInput), 6);
}
