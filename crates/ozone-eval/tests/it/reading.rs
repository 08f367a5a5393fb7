//! Public sets in the forms in which their authors gave them out; the questions are made up here.

use std::fs;
use std::path::Path;

use ozone_eval::{Expected, Format, Problem, Suite};
use tempfile::TempDir;

fn file(name: &str, text: &str) -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn problems(format: Format, name: &str, text: &str) -> Vec<Problem> {
    let (_folder, path) = file(name, text);
    Suite::read(format, &path).unwrap().problems
}

fn error(format: Format, name: &str, text: &str) -> String {
    let (folder, path) = file(name, text);
    let error = Suite::read(format, &path).unwrap_err().to_string();
    error.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn gsm8k_has_its_number_behind_the_hashes() {
    let text = r#"{"question": "Ann has 2 pens and buys 1,199. How many?", "answer": "She has 2+1199=<<2+1199=1201>>1201.\n#### 1,201"}"#;
    let problem = &problems(Format::Gsm8k, "test.jsonl", text)[0];
    assert_eq!(problem.expected, Expected::Number("1,201".into()));
    assert!(problem.text.starts_with("Ann has 2 pens") && problem.text.contains("####"));
}

#[test]
fn a_damaged_line_is_told_with_its_number() {
    let good = r#"{"question": "q", "answer": "a #### 1"}"#;
    let cut = error(Format::Gsm8k, "t.jsonl", &format!("{good}\n\n{{\"question\": \"q"));
    assert!(cut.starts_with("t.jsonl:3: EOF"), "{cut}");
    let other = error(Format::Gsm8k, "t.jsonl", &format!("{good}\n{{\"problem\": \"q\"}}\n"));
    assert_eq!(other, "t.jsonl:2: missing field `question`");
    let bare = error(Format::Gsm8k, "t.jsonl", r#"{"question": "q", "answer": "1"}"#);
    assert_eq!(bare, "t.jsonl:1: its `answer` has no `####`");
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:1\n";
    assert!(error(Format::Gsm8k, "t.jsonl", pointer).contains("git lfs pull"));
    assert!(error(Format::Gsm8k, "t.jsonl", "").contains("has no questions"));
    let missing = Suite::read(Format::Gsm8k, Path::new("/nowhere.jsonl")).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read /nowhere.jsonl"), "{missing}");
}

#[test]
fn math500_keeps_its_names_and_subjects() {
    let text = r#"{"problem": "Halve 1.", "solution": "…", "answer": "\\frac{1}{2}", "subject": "Algebra", "level": 1, "unique_id": "test/algebra/1.json"}"#;
    let problem = &problems(Format::Math500, "test.jsonl", text)[0];
    assert_eq!((problem.id.as_str(), problem.group()), ("test/algebra/1.json", "Algebra"));
    assert_eq!(problem.expected, Expected::Boxed("\\frac{1}{2}".into()));
    let twice = error(Format::Math500, "test.jsonl", &format!("{text}\n{text}"));
    assert!(twice.ends_with("`test/algebra/1.json` is in it twice"), "{twice}");
}

#[test]
fn aime_is_read_from_lines_lists_and_matharenas_folder() {
    let lines = "{\"id\": 60, \"problem\": \"p\", \"answer\": \"025\", \"year\": \"2024\"}\n";
    let problem = &problems(Format::Aime, "test.jsonl", lines)[0];
    assert_eq!(problem.expected, Expected::Boxed("25".into()));
    assert_eq!(problem.id, "aime#60");
    let list =
        "[\n {\"question\": \"p\", \"answer\": 7},\n {\"question\": \"p\", \"answer\": 1000}\n]";
    let wrong = error(Format::Aime, "a.json", list);
    assert!(wrong.starts_with("a.json:3: `1000` is no answer of AIME"), "{wrong}");
    let (folder, _) = file("aime/answers.csv", "id,answer\n1,70\n2,588\n");
    let path = folder.path().join("aime");
    fs::create_dir(path.join("problems")).unwrap();
    fs::write(path.join("problems/1.tex"), "Find $x$.\n").unwrap();
    let missing = Suite::read(Format::Aime, &path).unwrap_err().to_string();
    assert!(missing.contains("problems/2.tex"), "{missing}");
    fs::write(path.join("problems/2.tex"), "Find $y$.\n").unwrap();
    let suite = Suite::read(Format::Aime, &path).unwrap();
    assert_eq!(suite.problems.len(), 2);
    assert!(suite.problems[1].text.starts_with("Find $y$."));
}

const HUMAN_EVAL: &str = r#"{"task_id": "HumanEval/0", "prompt": "def twice(x: int) -> int:\n    \"\"\"Twice x.\"\"\"\n", "entry_point": "twice", "canonical_solution": "    return 2 * x\n", "test": "\n\nMETADATA = {}\n\ndef check(candidate):\n    assert candidate(2) == 4\n"}"#;

#[test]
fn humaneval_is_read_once_it_is_unpacked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("HumanEval.jsonl.gz");
    fs::write(&path, [0x1f, 0x8b, 8, 0]).unwrap();
    let packed = Suite::read(Format::HumanEval, &path).unwrap_err().to_string();
    assert!(packed.contains("gunzip"), "{packed}");
    let path = folder.path().join("HumanEval.jsonl");
    fs::write(&path, HUMAN_EVAL).unwrap();
    let suite = Suite::read(Format::HumanEval, &path).unwrap();
    assert!(suite.runs_code());
    let Expected::Code { after, .. } = &suite.problems[0].expected else { panic!() };
    assert!(after.ends_with("check(twice)"));
    let wrong = error(Format::HumanEval, "h.jsonl", &HUMAN_EVAL.replace("\"twice\"", "\"thrice\""));
    assert!(wrong.contains("no function `thrice`"), "{wrong}");
}

#[test]
fn mbpp_is_read_in_both_of_its_forms() {
    let full = r#"{"text": "Write a function to add.", "code": "…", "task_id": 11, "test_setup_code": "import math", "test_list": ["assert add(1, 2) == 3"], "challenge_test_list": []}"#;
    let clean = r#"[{"source_file": "f", "task_id": 11, "prompt": "Write a function to add.", "code": "…", "test_imports": ["import math"], "test_list": ["assert add(1, 2) == 3"]}]"#;
    for (name, text) in [("mbpp.jsonl", full), ("sanitized-mbpp.json", clean)] {
        let problem = &problems(Format::Mbpp, name, text)[0];
        let Expected::Code { before, after, .. } = &problem.expected else { panic!() };
        assert!(before.contains("import math") && after == "assert add(1, 2) == 3");
        assert!(problem.text.contains("assert add(1, 2) == 3"));
    }
}

#[test]
fn mmlu_is_read_with_and_without_names_of_columns() {
    let row = "\"Which is \"\"even\"\", or\nso?\",1,2,3,5,B\n";
    for text in [row.to_owned(), format!("question,A,B,C,D,answer\n{row}")] {
        let problem = &problems(Format::Mmlu, "number_theory_test.csv", &text)[0];
        assert_eq!(problem.expected, Expected::Letter('B'));
        assert_eq!(problem.group(), "number_theory");
        assert!(problem.text.starts_with("Which is \"even\", or\nso?\n\nA) 1\nB) 2"));
    }
    let wrong = error(Format::Mmlu, "a_test.csv", &format!("{row}x,1,2,3,4,E\n"));
    assert!(wrong.starts_with("a_test.csv:3: `E` in the last column"), "{wrong}");
    let short = error(Format::Mmlu, "a_test.csv", "x,1,2,3,A\n");
    assert_eq!(short, "a_test.csv:1: it has 5 columns, and 6 are needed");
}

#[test]
fn bbh_is_a_folder_of_tasks() {
    let text = r#"{"canary": "…", "examples": [{"input": "Which?\nOptions:\n(A) this\n(B) that", "target": "(B)"}]}"#;
    let (folder, _) = file("bbh/which_is.json", text);
    fs::write(
        folder.path().join("bbh/words.json"),
        r#"{"examples": [{"input": "Sort: b a", "target": "a b"}]}"#,
    )
    .unwrap();
    let suite = Suite::read(Format::Bbh, &folder.path().join("bbh")).unwrap();
    let groups: Vec<&str> = suite.problems.iter().map(|p| p.group()).collect();
    assert_eq!(groups, ["which_is", "words"]);
    assert!(
        suite.problems[0].text.contains("as (A)") && !suite.problems[1].text.contains("as (A)")
    );
    let wrong = error(Format::Bbh, "t.json", "{\"canary\": \"…\",\n \"tasks\": []}");
    assert!(wrong.starts_with("t.json:2: missing field `examples`"), "{wrong}");
}

#[test]
fn ifeval_takes_only_what_can_be_checked() {
    let line = |id: &str, kwargs: &str| {
        format!(
            r#"{{"key": 1000, "prompt": "Write.", "instruction_id_list": ["{id}"], "kwargs": [{kwargs}]}}"#
        )
    };
    let good =
        line("length_constraints:number_words", r#"{"num_words": 3, "relation": "at least"}"#);
    assert_eq!(
        problems(Format::IfEval, "input_data.jsonl", &good)[0].group(),
        "length_constraints"
    );
    for (id, kwargs, why) in [
        ("made:up", "{}", "nobody here can check the instruction `made:up`"),
        ("startend:end_checker", "{}", "`startend:end_checker` needs `end_phrase`"),
        (
            "length_constraints:number_words",
            r#"{"num_words": 3, "relation": "about"}"#,
            "`relation` of `length_constraints:number_words` cannot be \"about\"",
        ),
    ] {
        let wrong = error(Format::IfEval, "i.jsonl", &line(id, kwargs));
        assert_eq!(wrong, format!("i.jsonl:1: {why}"));
    }
}

#[test]
fn own_questions_are_read_as_ever() {
    let text = r#"{"text": "6 times 7?", "answer": {"Values": [{"Number": "42"}]}}"#;
    let problem = &problems(Format::Own, "q.jsonl", text)[0];
    assert_eq!((problem.id.as_str(), problem.kind.as_str()), ("file#1", "file"));
}
