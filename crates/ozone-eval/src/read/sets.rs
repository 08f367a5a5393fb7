//! The sets in JSON, each with the words in which its questions are asked: zero-shot, with a stated
//! form of the answer, so that the strict figure measures what was asked for.

use std::path::Path;

use ozone_tasks::{Answer, Offer};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{ReadError, files, lines, stem, text};
use crate::grade::check_instruction;
use crate::{Expected, Problem};

fn asked(id: String, kind: &str, text: String, expected: Expected) -> Problem {
    let kind = kind.to_owned();
    Problem { id, kind, text, expected, needs_python: None, offer: Offer::Python, picture: None }
}

#[derive(Deserialize)]
pub(super) struct Own {
    #[serde(default)]
    kind: Option<String>,
    text: String,
    answer: Answer,
    #[serde(default)]
    needs_python: Option<bool>,
    #[serde(default)]
    offer: Option<Offer>,
}

pub(super) fn own(number: usize, own: Own) -> Result<Problem, String> {
    let kind = own.kind.unwrap_or_else(|| "file".into());
    Ok(Problem {
        id: format!("{kind}#{number}"),
        kind,
        text: own.text,
        expected: Expected::Own(own.answer),
        needs_python: own.needs_python,
        offer: own.offer.unwrap_or(Offer::Python),
        picture: None,
    })
}

#[derive(Deserialize)]
pub(super) struct Gsm8k {
    question: String,
    /// The way, with the number behind `####` at its end.
    answer: String,
}

pub(super) fn gsm8k(number: usize, q: Gsm8k) -> Result<Problem, String> {
    let (_, right) = q.answer.rsplit_once("####").ok_or("its `answer` has no `####`")?;
    let right = right.trim().to_owned();
    if !right.bytes().any(|b| b.is_ascii_digit()) {
        return Err(format!("`{right}` behind its `####` is no number"));
    }
    let text = format!(
        "{}\n\nThink step by step. Write the final answer, a number alone, in the last line behind \
         \"#### \".",
        q.question
    );
    Ok(asked(format!("gsm8k#{number}"), "gsm8k", text, Expected::Number(right)))
}

const BOXED: &str = "Think step by step, and put the final answer into \\boxed{}.";

#[derive(Deserialize)]
pub(super) struct Math {
    problem: String,
    answer: String,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    unique_id: Option<String>,
}

pub(super) fn math500(number: usize, q: Math) -> Result<Problem, String> {
    let kind = q.subject.unwrap_or_else(|| "math".into());
    let id = q.unique_id.unwrap_or_else(|| format!("math500#{number}"));
    let text = format!("{}\n\n{BOXED}", q.problem);
    Ok(asked(id, &kind.replace('/', " "), text, Expected::Boxed(q.answer)))
}

#[derive(Deserialize)]
pub(super) struct Aime {
    #[serde(alias = "Problem", alias = "question", alias = "Question")]
    problem: String,
    #[serde(alias = "Answer", alias = "expected_answer")]
    answer: Value,
    #[serde(default, alias = "ID", alias = "problem_idx")]
    id: Option<Value>,
}

pub(super) fn aime(number: usize, q: Aime) -> Result<Problem, String> {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let id = q.id.as_ref().map_or_else(|| number.to_string(), plain);
    aime_problem(&id, &q.problem, &plain(&q.answer))
}

/// An answer of AIME is a whole number from 0 to 999.
pub(super) fn aime_problem(id: &str, problem: &str, answer: &str) -> Result<Problem, String> {
    let right: u32 = answer.trim().parse().ok().filter(|n| *n <= 999).ok_or_else(|| {
        format!("`{}` is no answer of AIME: it must be a whole number from 0 to 999", answer.trim())
    })?;
    let text = format!("{}\n\n{BOXED}", problem.trim());
    Ok(asked(format!("aime#{id}"), "aime", text, Expected::Boxed(right.to_string())))
}

#[derive(Deserialize)]
pub(super) struct HumanEval {
    task_id: String,
    prompt: String,
    entry_point: String,
    test: String,
}

pub(super) fn human_eval(_number: usize, q: HumanEval) -> Result<Problem, String> {
    if !q.prompt.contains(&format!("def {}", q.entry_point)) {
        return Err(format!("its `prompt` has no function `{}`", q.entry_point));
    }
    let text = format!(
        "Complete this function. Answer with the whole function in one Python code block.\n\n\
         ```python\n{}\n```",
        q.prompt.trim_end()
    );
    let expected = Expected::Code {
        before: String::new(),
        after: format!("{}\n\ncheck({})", q.test, q.entry_point),
        prompt: Some(q.prompt),
    };
    Ok(asked(q.task_id, "humaneval", text, expected))
}

/// `text` and `test_setup_code` in the full set, `prompt` and `test_imports` in the sanitized one.
#[derive(Deserialize)]
pub(super) struct Mbpp {
    task_id: u64,
    #[serde(alias = "prompt")]
    text: String,
    #[serde(default)]
    test_setup_code: String,
    #[serde(default)]
    test_imports: Vec<String>,
    test_list: Vec<String>,
}

pub(super) fn mbpp(_number: usize, q: Mbpp) -> Result<Problem, String> {
    if q.test_list.is_empty() {
        return Err("it has no tests in `test_list`".into());
    }
    let text = format!(
        "{}\n\nAnswer with the code in one Python code block. It must pass these tests:\n\n\
         ```python\n{}\n```",
        q.text.trim(),
        q.test_list.join("\n")
    );
    let before = [q.test_setup_code, q.test_imports.join("\n")].join("\n");
    let expected = Expected::Code { prompt: None, before, after: q.test_list.join("\n") };
    Ok(asked(format!("mbpp#{}", q.task_id), "mbpp", text, expected))
}

#[derive(Deserialize)]
pub(super) struct IfEval {
    key: Value,
    prompt: String,
    instruction_id_list: Vec<String>,
    kwargs: Vec<Map<String, Value>>,
}

pub(super) fn ifeval(_number: usize, q: IfEval) -> Result<Problem, String> {
    if q.instruction_id_list.is_empty() || q.instruction_id_list.len() != q.kwargs.len() {
        return Err("`instruction_id_list` and `kwargs` must be equally long, and not empty".into());
    }
    let list: Vec<_> = q.instruction_id_list.into_iter().zip(q.kwargs).collect();
    list.iter().try_for_each(|(id, arguments)| check_instruction(id, arguments))?;
    // What is told apart in reports is the first instruction's sort.
    let kind = list[0].0.split(':').next().unwrap_or("ifeval").to_owned();
    let expected = Expected::Instructions { prompt: q.prompt.clone(), list };
    Ok(asked(format!("ifeval#{}", q.key), &kind, q.prompt, expected))
}

#[derive(Deserialize)]
struct BbhFile {
    examples: Vec<BbhExample>,
}

#[derive(Deserialize)]
struct BbhExample {
    input: String,
    target: String,
}

/// One task a file: `{"canary": …, "examples": [{"input": …, "target": …}]}`.
pub(super) fn bbh(path: &Path) -> Result<Vec<Problem>, ReadError> {
    let mut problems = vec![];
    for file in files(path, &["json"])? {
        let task = stem(&file);
        let parsed: BbhFile = serde_json::from_str(&text(&file)?).map_err(|e| ReadError::Line {
            path: file.display().to_string(),
            line: e.line(),
            reason: lines::cause(&e),
        })?;
        problems.extend(parsed.examples.into_iter().enumerate().map(|(i, example)| {
            let text = format!(
                "{}\n\nThink step by step. End with a line \"So the answer is X.\", where X is the \
                 answer alone{}.",
                example.input,
                if example.input.contains("Options:") { ", as (A)" } else { "" }
            );
            let expected = Expected::Stated(example.target);
            asked(format!("{task}#{}", i + 1), &task, text, expected)
        }));
    }
    Ok(problems)
}
