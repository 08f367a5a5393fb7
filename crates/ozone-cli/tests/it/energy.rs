//! "Summer energy": a question about a state that does not exist, from its web to the chart. A
//! script stands in for the model and knows only what the tools gave it.

use std::process::{Output, Stdio};
use std::time::Duration;

use ozone_energy::{Fault, Finding, Manner, QUESTION, Stage};
use serde_json::Value;

use crate::support::{object, python, stderr};

const SEED: u64 = 3;
const PATIENCE: Duration = Duration::from_secs(60);

struct Scene {
    stage: Stage,
    _folder: tempfile::TempDir,
}

impl Scene {
    fn set(seed: u64, manner: Manner, faults: Vec<Fault>) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let stage = Stage::set(folder.path(), seed, manner, faults, Duration::ZERO).unwrap();
        Scene { stage, _folder: folder }
    }

    fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = self.stage.command(env!("CARGO_BIN_EXE_ozone").as_ref());
        command.args(args).env("OZONE_PYTHON", python()).stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// What does not hold of a response.
    fn wrong(&self, response: &Value) -> Vec<Finding> {
        let files = self.stage.files(response).unwrap();
        let findings = self.stage.judge(response, &files);
        findings.into_iter().filter(|finding| finding.wrong.is_some()).collect()
    }

    /// What the tools told the script, one after the other.
    fn told(&self) -> String {
        let request = self.stage.upstream.requests().pop().unwrap();
        let messages = request["messages"].as_array().unwrap().iter();
        let outputs = messages.filter(|m| m["role"] == "tool");
        outputs.map(|m| format!("{}\n", m["content"].as_str().unwrap_or_default())).collect()
    }
}

fn answer(response: &Value) -> &str {
    let last = response["output"].as_array().unwrap().last().unwrap();
    last["content"][0]["text"].as_str().unwrap_or_default()
}

/// Arm (a): the answer is right, and everything that it tells is cited or computed.
#[test]
fn a_question_about_a_made_up_state_is_answered_from_its_web() {
    let scene = Scene::set(SEED, Manner::Right, vec![]);
    let output = scene.run(&["ask", "--json", QUESTION]);
    let response = object(&output);
    let wrong = scene.wrong(&response);
    assert!(wrong.is_empty(), "{wrong:#?}\n{}\n{}", answer(&response), stderr(&output));
}

/// Arm (b): each mistake is told in words, and the answer is as good as without them.
#[test]
fn a_model_finds_back_from_its_mistakes() {
    let scene = Scene::set(SEED + 1, Manner::Clumsy, vec![Fault::TooMany { at: 4 }]);
    let output = scene.run(&["ask", "--json", QUESTION]);
    let response = object(&output);
    let told = scene.told();
    let mut wrong = scene.wrong(&response);
    // It takes more calls.
    wrong.retain(|finding| !finding.check.starts_with("at most"));
    assert!(wrong.is_empty(), "{wrong:#?}\n{}\n{}\n{told}", answer(&response), stderr(&output));
    let mistakes = [
        ("a page that is not there", "there is no link 99"),
        ("a line beyond the end", "there is no line 4000"),
        ("no JSON", "was not valid JSON"),
        ("the same call again and again", "not run: you have made this very call"),
        ("a box outside of the picture", "[5000, 5000, 6000, 6000] is not inside the picture"),
        ("an error of Python's", "KeyError"),
        ("no network in Python", "URLError"),
    ];
    for (mistake, words) in mistakes {
        assert!(told.contains(words), "{mistake}: `{words}` was not told in\n{told}");
    }
    // The first one was refused, and asked again.
    let requests = scene.stage.upstream.requests();
    assert_eq!(requests[3]["messages"], requests[4]["messages"]);
}

/// Killed between two calls, with Python's variables lost: the run goes on, opens no page again, and
/// ends as if nothing had been.
#[test]
fn a_killed_run_goes_on_to_the_right_answer() {
    let scene = Scene::set(SEED + 2, Manner::Right, vec![Fault::Silent { python_calls: 2 }]);
    let mut child = scene
        .command(&["ask", "--json", QUESTION])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert!(scene.stage.upstream.wait_for_silence(PATIENCE), "the script was not asked so far");
    child.kill().unwrap();
    child.wait().unwrap();
    let before = scene.stage.web.asked().len();
    let output = scene.run(&["ask", "--json", "--resume", "last"]);
    let response = object(&output);
    let wrong = scene.wrong(&response);
    assert!(wrong.is_empty(), "{wrong:#?}\n{}\n{}", answer(&response), stderr(&output));
    assert!(scene.told().contains("NameError"), "the variables should have been lost");
    assert_eq!(scene.stage.web.asked().len(), before, "a page was fetched again");
}
