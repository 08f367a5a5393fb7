//! The sets in CSV.

use std::fs;
use std::path::Path;

use ozone_tasks::Offer;

use super::{ReadError, files, lines, sets, stem, text};
use crate::{Expected, Problem};

/// The rows of a table with so many columns, each with its line.
fn rows(path: &Path, columns: usize) -> Result<Vec<(usize, Vec<String>)>, ReadError> {
    let text = text(path)?;
    let wrong = |line: u64, reason: String| ReadError::Line {
        path: path.display().to_string(),
        line: line as usize,
        reason,
    };
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut rows = vec![];
    for record in reader.records() {
        let record = record.map_err(|e| {
            wrong(e.position().map_or(1, |p| p.line()), "it is no line of a table".into())
        })?;
        let line = record.position().map_or(1, |p| p.line());
        if record.len() != columns {
            let found = record.len();
            return Err(wrong(line, format!("it has {found} columns, and {columns} are needed")));
        }
        rows.push((line as usize, record.iter().map(str::to_owned).collect()));
    }
    Ok(rows)
}

/// MMLU: question, four choices, and the letter of the right one; a subject a file, as
/// `abstract_algebra_test.csv`. Some copies begin with a line of names.
pub(super) fn mmlu(path: &Path) -> Result<Vec<Problem>, ReadError> {
    let mut problems = vec![];
    for file in files(path, &["csv"])? {
        let name = stem(&file);
        let ends = ["_test", "_val", "_dev"];
        let subject = ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
        for (index, (line, row)) in rows(&file, 6)?.into_iter().enumerate() {
            let [question, a, b, c, d, right] = &row[..] else { continue };
            let right = match right.trim() {
                letter @ ("A" | "B" | "C" | "D") => letter,
                // `question,A,B,C,D,answer`
                _ if index == 0 && a.trim() == "A" && d.trim() == "D" => continue,
                other => {
                    return Err(ReadError::Line {
                        path: file.display().to_string(),
                        line,
                        reason: format!("`{other}` in the last column is none of A, B, C, D"),
                    });
                }
            };
            let text = format!(
                "{question}\n\nA) {a}\nB) {b}\nC) {c}\nD) {d}\n\nThink step by step. The last line \
                 must be \"Answer: X\", where X is one of A, B, C, D."
            );
            problems.push(Problem {
                id: format!("{name}#{line}"),
                kind: subject.to_owned(),
                text,
                expected: Expected::Letter(right.chars().next().unwrap_or('A')),
                needs_python: None,
                offer: Offer::Python,
                picture: None,
            });
        }
    }
    lines::unique(path, &problems)?;
    Ok(problems)
}

/// AIME as MathArena has it: `answers.csv` with `id,answer`, and `problems/1.tex` and so on.
pub(super) fn aime(path: &Path) -> Result<Vec<Problem>, ReadError> {
    let answers = path.join("answers.csv");
    let mut problems = vec![];
    for (index, (line, row)) in rows(&answers, 2)?.into_iter().enumerate() {
        let (id, answer) = (row[0].trim(), row[1].trim());
        if index == 0 && id.eq_ignore_ascii_case("id") {
            continue;
        }
        let wrong =
            |reason: String| ReadError::Line { path: answers.display().to_string(), line, reason };
        if id.is_empty() || id.contains(['/', '\\', '.']) {
            return Err(wrong(format!("`{id}` is no name of a problem")));
        }
        let file = path.join("problems").join(format!("{id}.tex"));
        let problem = fs::read_to_string(&file)
            .map_err(|source| ReadError::Io { path: file.display().to_string(), source })?;
        problems.push(sets::aime_problem(id, &problem, answer).map_err(wrong)?);
    }
    lines::unique(path, &problems)?;
    Ok(problems)
}
