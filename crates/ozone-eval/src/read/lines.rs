//! Sets in JSON: a question a line, or one list of them.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{ReadError, text};
use crate::Problem;

/// Reads each question with `problem`, which gets its number from 1 and says what is wrong.
pub(super) fn each<Q: DeserializeOwned>(
    path: &Path,
    problem: fn(usize, Q) -> Result<Problem, String>,
) -> Result<Vec<Problem>, ReadError> {
    let text = text(path)?;
    let mut problems: Vec<Problem> = vec![];
    for (index, (line, question)) in questions(path, &text)?.into_iter().enumerate() {
        let wrong =
            |reason: String| ReadError::Line { path: path.display().to_string(), line, reason };
        let question: Q = serde_json::from_str(question).map_err(|e| wrong(cause(&e)))?;
        let problem = problem(index + 1, question).map_err(wrong)?;
        problems.push(problem);
    }
    unique(path, &problems)?;
    Ok(problems)
}

/// Each question's line and its JSON.
fn questions<'t>(path: &Path, text: &'t str) -> Result<Vec<(usize, &'t str)>, ReadError> {
    if !text.trim_start().starts_with('[') {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        return Ok(lines.map(|(i, line)| (i + 1, line)).collect());
    }
    let list: Vec<&RawValue> = serde_json::from_str(text).map_err(|e| ReadError::Line {
        path: path.display().to_string(),
        line: e.line(),
        reason: cause(&e),
    })?;
    let place = |part: &str| {
        let at = part.as_ptr() as usize - text.as_ptr() as usize;
        text[..at].matches('\n').count() + 1
    };
    Ok(list.into_iter().map(|raw| (place(raw.get()), raw.get())).collect())
}

/// What serde says, without its own place in the line.
pub(super) fn cause(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(before, _)| before.to_owned())
}

/// Two questions of one name would be one in every count.
pub(super) fn unique(path: &Path, problems: &[Problem]) -> Result<(), ReadError> {
    let mut seen = std::collections::BTreeSet::new();
    match problems.iter().find(|p| !seen.insert(p.id.as_str())) {
        None => Ok(()),
        Some(twice) => Err(ReadError::File {
            path: path.display().to_string(),
            reason: format!("the question `{}` is in it twice", twice.id),
        }),
    }
}
