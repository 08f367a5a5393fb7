//! Whether a text fits a JSON schema, a Lark grammar or a regular expression. What a backend cannot
//! enforce while it samples is checked here, by the same grammar engine that the local one uses.

use std::sync::LazyLock;

use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, TokEnv};
use llguidance::{Matcher, ParserFactory};
use ozone_prompt::InputGrammar;
use serde_json::Value;

/// The most bytes of a schema or a grammar.
pub const GRAMMAR_BYTES_MAX: usize = 256 << 10;
/// The most bytes that are checked against a grammar.
pub const INPUT_BYTES_MAX: usize = 1 << 20;
/// The most characters of a cause that a model or a user reads.
const CAUSE_CHARS_MAX: usize = 400;

/// A byte for a token: text is checked as it stands.
static BYTES: LazyLock<TokEnv> = LazyLock::new(ApproximateTokEnv::single_byte_env);

/// Whether a custom tool's grammar can be used.
pub fn grammar_compiles(grammar: &InputGrammar) -> Result<(), String> {
    matcher(grammar).map(drop)
}

/// Whether the input of a custom tool is a text of its grammar.
pub fn fits_grammar(grammar: &InputGrammar, input: &str) -> Result<(), String> {
    if input.len() > INPUT_BYTES_MAX {
        return Err(format!("{} bytes are too many: {INPUT_BYTES_MAX} at most", input.len()));
    }
    let mut matcher = matcher(grammar)?;
    for (at, byte) in input.bytes().enumerate() {
        let token = u32::from(byte);
        let taken =
            !matcher.is_stopped() && matcher.validate_tokens(&[token]).map_err(|e| cause(&e))? == 1;
        if !taken {
            let head = input.get(..at).unwrap_or(input);
            let tail: String = head.chars().rev().take(40).collect();
            let before: String = tail.chars().rev().collect();
            return Err(format!("byte {at} is not allowed where it stands, behind `{before}`"));
        }
        matcher.consume_token(token).map_err(|e| cause(&e))?;
    }
    let complete = matcher.is_stopped() || matcher.is_accepting().map_err(|e| cause(&e))?;
    if complete { Ok(()) } else { Err("it ends too early".into()) }
}

fn matcher(grammar: &InputGrammar) -> Result<Matcher, String> {
    let (InputGrammar::Lark(definition) | InputGrammar::Regex(definition)) = grammar;
    if definition.is_empty() {
        return Err("it has no `definition`".into());
    }
    if definition.len() > GRAMMAR_BYTES_MAX {
        return Err(format!("it is longer than {GRAMMAR_BYTES_MAX} bytes"));
    }
    let mut factory = ParserFactory::new_simple(&BYTES).map_err(|e| cause(&e))?;
    factory.quiet();
    let grammar = match grammar {
        InputGrammar::Lark(lark) => TopLevelGrammar::from_lark(lark.clone()),
        InputGrammar::Regex(regex) => TopLevelGrammar::from_regex(regex),
    };
    let matcher = Matcher::new(factory.create_parser(grammar));
    match matcher.get_error() {
        Some(error) => Err(cause(&error)),
        None => Ok(matcher),
    }
}

/// Whether this is a JSON schema.
pub fn compiles(schema: &Value) -> Result<(), String> {
    let bytes = schema.to_string().len();
    if bytes > GRAMMAR_BYTES_MAX {
        return Err(format!("the schema is longer than {GRAMMAR_BYTES_MAX} bytes"));
    }
    jsonschema::validator_for(schema).map(drop).map_err(|e| cause(&e))
}

/// Whether a value fits a schema; if not, the first few places where it does not.
pub fn fits_schema(schema: &Value, value: &Value) -> Result<(), String> {
    let validator = jsonschema::validator_for(schema).map_err(|e| cause(&e))?;
    let wrong: Vec<String> = validator
        .iter_errors(value)
        .take(3)
        .map(|e| match e.instance_path().to_string() {
            path if path.is_empty() => cause(&e),
            path => format!("{} (at {path})", cause(&e)),
        })
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

/// The first line of an error, cut.
fn cause(error: &dyn std::fmt::Display) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().chars().take(CAUSE_CHARS_MAX).collect()
}
