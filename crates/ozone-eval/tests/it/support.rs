//! Answers without a model.

use std::path::Path;
use std::sync::Mutex;

use ozone_eval::{Answered, Expected, Options, Plan, Problem, RunFolder, Session, Suite};
use ozone_tasks::{Answer, Offer, grade};
use ozone_types::{ResponseStatus, Usage};

/// Questions of which the n-th asks for n.
pub fn suite(count: usize) -> Suite {
    let problem = |n: usize| Problem {
        id: format!("count#{n}"),
        kind: format!("{}/count", if n.is_multiple_of(2) { "even" } else { "odd" }),
        text: format!("What is {n}?"),
        expected: Expected::Own(Answer::Values(vec![grade::number(n)])),
        needs_python: Some(false),
        offer: Offer::Nothing,
        picture: None,
    };
    Suite { name: "counting".into(), problems: (0..count).map(problem).collect() }
}

pub fn session(program: &str) -> Session {
    Session { at: 1_795_000_000, program: program.into(), commit: None, prices: "p".into() }
}

pub fn plan(suite: &Suite) -> Plan {
    Plan::new(suite, "toy", "weights")
}

pub fn open(path: &Path, plan: Plan) -> RunFolder {
    RunFolder::open(path, plan, session("a")).unwrap()
}

pub fn options() -> Options {
    Options { concurrency: 3, cache: None }
}

pub fn says(reply: &str) -> Answered {
    Answered {
        reply: reply.into(),
        status: ResponseStatus::Completed,
        reason: None,
        calls: 0,
        samples: 1,
        usage: Usage::of_sample(20, 0, 10, 4),
        ledger: vec![],
        seconds: 0.5,
    }
}

pub fn fails(reason: &str) -> Answered {
    Answered { status: ResponseStatus::Failed, reason: Some(reason.into()), ..says("") }
}

/// Answers by a rule, and keeps what it was asked.
pub struct Toy<F: Fn(usize, u32) -> Answered> {
    rule: F,
    pub asked: Mutex<Vec<(usize, u32)>>,
}

impl<F: Fn(usize, u32) -> Answered> Toy<F> {
    pub fn new(rule: F) -> Toy<F> {
        Toy { rule, asked: Mutex::default() }
    }

    pub async fn ask(&self, problem: Problem, epoch: u32) -> Answered {
        let n = problem.id.trim_start_matches("count#").parse().unwrap();
        self.asked.lock().unwrap().push((n, epoch));
        tokio::task::yield_now().await;
        (self.rule)(n, epoch)
    }

    pub fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}
