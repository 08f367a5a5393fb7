//! Pro mode: several samples vote on one answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::FutureExt;
use ozone_agent::{Costs, Limits, Prices, Pro, ProPolicy, Request};
use ozone_cost::{Amount, Budget, LedgerQuery, ModelPrice, Over, Payer, Total};
use ozone_model::{Script, ScriptedBackend, Take};
use ozone_store::{
    Append, Durability, IsAlive, Journal, Ledger, MemoryStore, Owner, Store, StoreError, Stored,
};
use ozone_tools::ScriptedTool;
use ozone_types::{
    Event, EventKind, Fold, Item, Mode, ProReport, ProStop, Response, ResponseId, ResponseStatus,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{create, prints, runs, says, show};

/// A response in pro mode over takes: the n-th sample says the n-th of them.
struct Scene {
    id: ResponseId,
    backend: Arc<ScriptedBackend>,
    request: Request,
    cancel: CancellationToken,
    /// What the Python of each sample prints; and how often it was called, by sample.
    printed: Vec<&'static str>,
    called: Arc<Mutex<BTreeMap<String, usize>>>,
    limits: Limits,
}

/// Samples that each say one thing.
fn saying<'a>(answers: impl IntoIterator<Item = &'a str>) -> Vec<Take> {
    answers.into_iter().map(|answer| Take::new([says(answer)])).collect()
}

fn request(policy: Value) -> Request {
    let mut request = Request::new("scripted", vec![Item::user("What is it?")], false).unwrap();
    request.sampling.temperature = 0.8;
    request.pro = Some(ProPolicy::default().with(&policy).unwrap());
    request.checked().unwrap()
}

impl Scene {
    fn new(takes: Vec<Take>, policy: Value) -> Scene {
        Scene {
            id: ResponseId::mint(),
            backend: Arc::new(ScriptedBackend::takes(takes)),
            request: request(policy),
            cancel: CancellationToken::new(),
            printed: vec![],
            called: Arc::default(),
            limits: Limits { retries_max: 0, ..Limits::default() },
        }
    }

    async fn create_in(&self, store: &dyn Store) {
        create(store, &self.id, &self.request).await;
    }

    async fn as_pro(&self, store: Arc<dyn Store>) -> Pro {
        let (printed, called) = (self.printed.clone(), self.called.clone());
        Pro {
            backend: self.backend.clone(),
            outfit: Arc::new(move |id: ResponseId, journal: Journal| {
                let (printed, called) = (printed.clone(), called.clone());
                async move {
                    let records = journal.records().await?;
                    let done = records.iter().filter(|r| r["record"] == "tool_done").count();
                    let tool = ScriptedTool::new(printed.iter().skip(done).map(|p| prints(p)));
                    *called.lock().unwrap().entry(id.to_string()).or_default() += 1;
                    Ok((journal, vec![Box::new(tool) as _]))
                }
                .boxed()
            }),
            journal: Journal::open(store.clone(), self.id.clone()).await.unwrap(),
            store,
            request: self.request.clone(),
            limits: self.limits,
            clock: || 1_800_000_000,
            cancel: self.cancel.clone(),
            seal: None,
            tools_shown: vec![],
            mark: Default::default(),
            crown: Box::new(|_| Ok(())),
        }
    }

    async fn run_in(&self, store: Arc<dyn Store>) -> Response {
        self.as_pro(store).await.run(None).await.unwrap()
    }

    async fn run(&self) -> (Response, Arc<MemoryStore>) {
        let store = Arc::new(MemoryStore::default());
        self.create_in(&*store).await;
        (self.run_in(store.clone()).await, store)
    }

    /// Which samples the model was asked for, by seed.
    fn seeds(&self) -> Vec<u64> {
        let mut seeds: Vec<u64> = self.backend.requests().iter().map(|r| r.sampling.seed).collect();
        seeds.sort_unstable();
        seeds.dedup();
        seeds
    }
}

fn report(response: &Response) -> &ProReport {
    response.pro.as_deref().expect("it was a vote")
}

/// As `4: 3, 5: 1`.
fn votes(response: &Response) -> String {
    let votes = report(response).votes.iter();
    votes.map(|v| format!("{}: {}", v.answer, v.count)).collect::<Vec<_>>().join(", ")
}

async fn events(store: &dyn Store, id: &ResponseId) -> Vec<Event> {
    store.events(id, 0, usize::MAX).await.unwrap()
}

#[tokio::test]
async fn samples_that_agree_end_the_vote_early() {
    let scene =
        Scene::new(saying(["It is **4**.", "4", "The answer is 4.", "2 + 2 = 4"]), json!({}));
    let (response, store) = scene.run().await;
    assert_eq!(show(&response), "message   It is **4**.\ncompleted");
    let pro = report(&response);
    assert_eq!((pro.samples_max, pro.started, pro.finished, pro.cut), (16, 4, 4, 0));
    assert_eq!((votes(&response).as_str(), pro.stop_reason), ("4: 4", Some(ProStop::Posterior)));
    assert!(pro.posterior.unwrap() >= 0.95 && response.reasoning.mode == Mode::Pro);
    assert_eq!(scene.seeds(), [0, 1, 2, 3]);

    // Each sample is a response of its own, and their usage is the response's.
    let mut output_tokens = 0;
    for id in &pro.child_ids {
        let events = events(&*store, id).await;
        let child = Fold::of(&events).unwrap().finished().cloned().unwrap();
        assert_eq!((child.status, child.pro.is_none()), (ResponseStatus::Completed, true));
        assert_eq!(store.get(id).await.unwrap().request["child_of"], scene.id.as_str());
        output_tokens += child.usage.unwrap().output_tokens;
    }
    assert_eq!(response.usage.unwrap().output_tokens, output_tokens);
    assert_eq!(output_tokens, "It is **4**.4The answer is 4.2 + 2 = 4".len() as u64);
}

#[tokio::test]
async fn readers_hear_how_the_vote_stands_and_then_the_winner() {
    let scene = Scene::new(saying(["4"; 4]), json!({}));
    let (response, store) = scene.run().await;
    let events = events(&*store, &scene.id).await;
    let fold = Fold::of(&events).unwrap();
    assert_eq!(fold.finished(), Some(&response));
    let heard: Vec<u32> = (events.iter())
        .filter_map(|event| match &event.kind {
            EventKind::InProgress { response } => Some(response.pro.as_ref()?.finished),
            _ => None,
        })
        .collect();
    assert!(heard.contains(&1) && heard.contains(&4) && heard.is_sorted(), "{heard:?}");
    let mut names: Vec<&str> = events.iter().map(|event| event.kind.name()).collect();
    names.dedup();
    insta::assert_snapshot!(names.join("\n"), @r"
    response.created
    response.in_progress
    response.output_item.added
    response.content_part.added
    response.output_text.delta
    response.output_text.done
    response.content_part.done
    response.output_item.done
    response.completed
    ");
}

#[tokio::test]
async fn the_majority_wins_and_more_samples_are_taken_while_it_is_unclear() {
    let scene = Scene::new(saying(["4", "5", "4", "5", "4", "4", "4", "4", "4", "4"]), json!({}));
    let (response, _) = scene.run().await;
    assert_eq!(show(&response), "message   4\ncompleted");
    // Beta(8, 3): the first count of sevens against twos that reaches 0.95 is 7 to 2 at 0.945, 8 to 2
    // at 0.967.
    assert_eq!(votes(&response), "4: 8, 5: 2");
    assert_eq!(report(&response).stop_reason, Some(ProStop::Posterior));
}

#[tokio::test]
async fn all_samples_are_taken_where_two_answers_are_even() {
    let takes = saying(["4", "5", "5", "4", "4", "5"]);
    let scene = Scene::new(takes, json!({"n_max": 6}));
    let (response, _) = scene.run().await;
    assert_eq!(votes(&response), "4: 3, 5: 3");
    assert_eq!(report(&response).stop_reason, Some(ProStop::Exhausted));
    // Of equals, the one that came first.
    assert_eq!(response.output_text(), "4");
}

#[tokio::test]
async fn a_sure_sample_outweighs_unsure_ones_unless_votes_alone_count() {
    let takes = || {
        vec![
            Take::new([says("5")]).sure(-3.0),
            Take::new([says("5")]).sure(-3.0),
            Take::new([says("4")]).sure(-0.01),
        ]
    };
    let scene = Scene::new(takes(), json!({"n_max": 3}));
    let (response, _) = scene.run().await;
    assert_eq!((response.output_text().as_str(), votes(&response).as_str()), ("4", "4: 1, 5: 2"));
    let weights: f64 = report(&response).votes.iter().map(|votes| votes.weight).sum();
    assert!((weights - 3.0).abs() < 1e-9, "the weights are relative: {weights}");
    let scene = Scene::new(takes(), json!({"n_max": 3, "select": "vote"}));
    assert_eq!(scene.run().await.0.output_text(), "5");
}

#[tokio::test]
async fn the_model_chooses_where_no_two_agree() {
    let mut takes = saying(["Paris", "Rome", "Oslo"]);
    takes.push(Take::new([says(r#"{"best": 2}"#)]));
    let scene = Scene::new(takes, json!({"n_max": 3}));
    let (response, _) = scene.run().await;
    let pro = report(&response);
    assert_eq!(
        (response.output_text().as_str(), pro.stop_reason),
        ("Rome", Some(ProStop::Verified))
    );
    assert_eq!(pro.winner.as_ref(), Some(&pro.child_ids[1]));
    assert_eq!(pro.child_ids.len(), 4);
    let asked = scene.backend.requests().pop().unwrap();
    let told = format!("{:?}", asked.turns);
    assert!(told.contains("Candidate 3") && told.contains("Oslo") && asked.tools.is_empty());
    // The check is paid for, too.
    let said = "ParisRomeOslo".len() + r#"{"best": 2}"#.len();
    assert_eq!(response.usage.unwrap().output_tokens, said as u64);
}

#[tokio::test]
async fn of_prose_few_samples_are_taken_and_a_useless_verdict_is_no_failure() {
    let prose = |about: &str| format!("{about} is a long story. ").repeat(20);
    let texts = ["One", "Two", "Three", "Four"].map(prose);
    let mut takes = saying(texts.iter().map(String::as_str));
    // The seed of the check is that of the sample behind the last possible one.
    takes.extend((4..16).map(|_| Take::new([says("unused")])));
    takes.push(Take::new([says("I cannot say."), says("No."), says("No!")]));
    let scene = Scene::new(takes, json!({}));
    let (response, _) = scene.run().await;
    let pro = report(&response);
    assert_eq!((pro.started, pro.finished, pro.votes.len()), (4, 4, 0));
    assert_eq!(pro.stop_reason, Some(ProStop::Exhausted));
    assert_eq!(response.output_text(), texts[0].trim_end());
}

#[tokio::test]
async fn one_answer_is_written_out_of_all_where_that_is_asked_for() {
    let mut takes = saying(["A long day.", "A short night."]);
    takes.push(Take::new([says("A long day and a short night.")]));
    let policy = json!({"n_min": 1, "n_max": 2, "select": "fuse"});
    let (response, _) = Scene::new(takes, policy).run().await;
    assert_eq!(response.output_text(), "A long day and a short night.");
    assert_eq!(report(&response).stop_reason, Some(ProStop::Fused));
}

#[tokio::test]
async fn samples_that_are_not_needed_are_cut_at_once() {
    let mut takes = saying(["4"; 4]);
    let hangs = || Take::new([Script::Hangs { text: "It is 7 or so.".into(), after: 5 }]);
    takes.extend([hangs(), hangs()]);
    let scene = Scene::new(takes, json!({"parallel": 6, "n_max": 6}));
    let (response, store) = scene.run().await;
    let pro = report(&response);
    assert_eq!((pro.started, pro.finished, pro.cut), (6, 4, 2));
    assert_eq!(response.output_text(), "4");
    for id in &pro.child_ids[4..] {
        let last = events(&*store, id).await.pop().unwrap();
        assert_eq!(last.kind.terminal().unwrap().status, ResponseStatus::Cancelled);
    }
}

#[tokio::test]
async fn the_first_few_to_finish_are_enough_where_that_is_asked_for() {
    let hangs = || Take::new([Script::Hangs { text: "Hm.".into(), after: 1 }]);
    let takes = [vec![hangs(), hangs()], saying(["4", "4"])].concat();
    let scene = Scene::new(takes, json!({"n_max": 4, "stop": {"m_of_k": {"m": 2, "k": 4}}}));
    let (response, _) = scene.run().await;
    let pro = report(&response);
    assert_eq!((response.output_text().as_str(), pro.stop_reason), ("4", Some(ProStop::MOfK)));
    assert_eq!((pro.finished, pro.cut), (2, 2));
}

#[tokio::test]
async fn a_slow_sample_is_taken_for_a_vote_against_the_leader() {
    let slow = Take::new([Script::Hangs { text: "Hm.".into(), after: 1 }]);
    let takes = [vec![slow], saying(["4"; 9])].concat();
    let scene = Scene::new(takes, json!({"parallel": 10}));
    let (response, _) = scene.run().await;
    let pro = report(&response);
    // Six against the one that is not known: Beta(7, 2) is 0.965.
    assert_eq!((votes(&response).as_str(), pro.stop_reason), ("4: 6", Some(ProStop::Posterior)));
    assert_eq!(response.output_text(), "4");
    // What it had said until then was paid for.
    assert!(response.usage.unwrap().output_tokens > 6);
}

#[tokio::test]
async fn samples_without_an_answer_do_not_vote() {
    let broken = || Take::new([Script::Unavailable { text: String::new(), times: 9 }]);
    let takes = [saying(["4"]), vec![broken()], saying(["4", "4", "4"])].concat();
    let (response, _) = Scene::new(takes, json!({})).run().await;
    let pro = report(&response);
    assert_eq!((response.output_text().as_str(), pro.finished, pro.failed), ("4", 4, 1));
}

#[tokio::test]
async fn where_every_sample_fails_the_response_says_why() {
    let broken = || Take::new([Script::Unavailable { text: String::new(), times: 9 }]);
    let scene = Scene::new(vec![broken()], json!({}));
    let (response, store) = scene.run().await;
    assert_eq!(show(&response), "failed the model stopped answering: the script refuses");
    assert!(report(&response).started < 16, "more of them would fail, too");
    Fold::of(&events(&*store, &scene.id).await).unwrap();
}

#[tokio::test]
async fn an_answer_that_every_sample_cuts_is_given_as_incomplete() {
    let mut scene = Scene::new(saying(["A very long answer"]), json!({"n_max": 3}));
    scene.request.max_output_tokens = Some(6);
    let (response, _) = scene.run().await;
    assert_eq!(show(&response), "message   A very (incomplete)\nincomplete max_output_tokens");
}

#[tokio::test]
async fn a_cancelled_vote_leaves_no_sample_running() {
    let hangs = Take::new([Script::Hangs { text: "Hm.".into(), after: 1 }]);
    let scene = Scene::new(vec![hangs], json!({}));
    let store = Arc::new(MemoryStore::default());
    scene.create_in(&*store).await;
    let run = tokio::spawn(scene.as_pro(store.clone()).await.run(None));
    while scene.backend.requests().len() < 4 {
        tokio::task::yield_now().await;
    }
    scene.cancel.cancel();
    let response = run.await.unwrap().unwrap();
    assert_eq!(response.status, ResponseStatus::Cancelled);
    for id in &report(&response).child_ids {
        let last = events(&*store, id).await.pop().unwrap();
        assert_eq!(last.kind.terminal().unwrap().status, ResponseStatus::Cancelled);
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_is_that_of_all_samples() {
    let hangs = Take::new([Script::Hangs { text: "Hm.".into(), after: 1 }]);
    let takes = [saying(["4"]), vec![hangs]].concat();
    let scene = Scene::new(takes, json!({"n_max": 2, "n_min": 2, "deadline_s": 5}));
    let (response, _) = scene.run().await;
    assert_eq!(response.output_text(), "4");
    assert_eq!(report(&response).stop_reason, Some(ProStop::CutShort));
}

/// Keeps each step of all journals apart.
#[derive(Default)]
struct Recorder {
    inner: MemoryStore,
    steps: Mutex<Vec<Kept>>,
}

#[derive(Clone)]
enum Kept {
    Created(Stored),
    Appended(ResponseId, Append),
}

#[async_trait]
impl Store for Recorder {
    async fn create(&self, stored: Stored) -> Result<(), StoreError> {
        self.inner.create(stored.clone()).await?;
        self.steps.lock().unwrap().push(Kept::Created(stored));
        Ok(())
    }
    async fn get(&self, id: &ResponseId) -> Result<Stored, StoreError> {
        self.inner.get(id).await
    }
    async fn list(&self, limit: usize) -> Result<Vec<Stored>, StoreError> {
        self.inner.list(limit).await
    }
    async fn append(&self, id: &ResponseId, a: Append, d: Durability) -> Result<(), StoreError> {
        self.inner.append(id, a.clone(), d).await?;
        self.steps.lock().unwrap().push(Kept::Appended(id.clone(), a));
        Ok(())
    }
    async fn events(&self, id: &ResponseId, n: u64, m: usize) -> Result<Vec<Event>, StoreError> {
        self.inner.events(id, n, m).await
    }
    async fn records(&self, id: &ResponseId) -> Result<Vec<Value>, StoreError> {
        self.inner.records(id).await
    }
    async fn claim(&self, id: &ResponseId, o: Owner, alive: IsAlive) -> Result<(), StoreError> {
        self.inner.claim(id, o, alive).await
    }
}

#[tokio::test]
async fn killed_behind_any_step_it_votes_the_same_and_runs_no_finished_sample_again() {
    let take = |answer: &str, sure: f32| Take::new([runs("print(2 + 2)"), says(answer)]).sure(sure);
    let takes = vec![take("4", -0.5), take("5", -0.7), take("4", -0.2), take("4", -0.9)];
    let mut scene = Scene::new(takes, json!({"n_max": 4}));
    scene.printed = vec!["4"];
    let recorder = Arc::new(Recorder::default());
    scene.create_in(&*recorder).await;
    let whole = scene.run_in(recorder.clone()).await;
    assert_eq!(votes(&whole), "4: 3, 5: 1");
    let steps = recorder.steps.lock().unwrap().clone();
    assert!(steps.len() > 40, "a test with few places to stop shows little");

    for stop in 1..=steps.len() {
        let store = Arc::new(MemoryStore::default());
        let mut finished: Vec<String> = vec![];
        for step in steps[..stop].iter().cloned() {
            match step {
                Kept::Created(stored) => store.create(stored).await.unwrap(),
                Kept::Appended(id, append) => {
                    let ends = append.events.iter().any(|e| e.kind.terminal().is_some());
                    finished.extend(ends.then(|| id.to_string()));
                    store.append(&id, append, Durability::Process).await.unwrap();
                }
            }
        }
        scene.called.lock().unwrap().clear();
        let response = scene.run_in(store.clone()).await;
        assert_eq!(show(&response), show(&whole), "killed behind step {stop}");
        assert_eq!(report(&response).votes, report(&whole).votes, "killed behind step {stop}");
        assert_eq!(report(&response).winner, report(&whole).winner);
        let used = response.usage.unwrap().output_tokens;
        assert_eq!(used, whole.usage.unwrap().output_tokens, "killed behind step {stop}");
        let called = scene.called.lock().unwrap().clone();
        assert!(finished.iter().all(|id| !called.contains_key(id)), "killed behind step {stop}");
        Fold::of(&events(&*store, &scene.id).await).unwrap();
    }
}

fn usd(text: &str) -> Amount {
    text.parse().unwrap()
}

/// A dollar for a thousand tokens in, two for a thousand out.
fn costs(store: &Arc<MemoryStore>, budgets: Vec<Budget>) -> Costs {
    let json = r#"{"input_per_million": "1000", "output_per_million": "2000"}"#;
    let price: ModelPrice = serde_json::from_str(json).unwrap();
    Costs {
        prices: Prices::Own(price),
        payer: Payer::default(),
        parent: None,
        budgets,
        ledger: store.clone(),
        machine: None,
    }
}

#[tokio::test]
async fn samples_are_children_in_the_ledger_and_sum_to_the_cost_of_the_response() {
    let scene = Scene::new(saying(["4"; 4]), json!({}));
    let store = Arc::new(MemoryStore::default());
    scene.create_in(&*store).await;
    let run = scene.as_pro(store.clone()).await;
    let response = run.run(Some(costs(&store, vec![]))).await.unwrap();
    let lines = store.ledger(&LedgerQuery::children(scene.id.as_str())).await.unwrap();
    assert_eq!(lines.len(), 4);
    let cost = response.usage.unwrap().cost.unwrap();
    assert_eq!(Total::of(&lines).cost(), cost);
    assert_eq!(report(&response).cost_usd, cost.dollars());
    assert_eq!(Total::of(&lines).amount(), Some(usd("0.052")));
}

#[tokio::test]
async fn no_more_samples_are_planned_than_the_budget_pays_for() {
    let mut scene = Scene::new(saying(["4"; 8]), json!({}));
    scene.request.max_output_tokens = Some(100);
    let store = Arc::new(MemoryStore::default());
    scene.create_in(&*store).await;
    // The worst case of a sample is about 2.8 dollars: its prompt is bounded by what templates and
    // tools may add.
    let budget = Budget::new("all", usd("6"), Over::Ever);
    let run = scene.as_pro(store.clone()).await;
    let response = run.run(Some(costs(&store, vec![budget.clone()]))).await.unwrap();
    let pro = report(&response);
    assert_eq!((pro.samples_max, pro.started), (2, 2));
    assert_eq!(response.output_text(), "4");
    let standing = store.standing(&budget, 1_800_000_000).await.unwrap();
    assert!(standing.reserved.is_zero(), "nothing stays held: {standing:?}");
    assert_eq!(standing.spent, usd("0.026"));
}

#[tokio::test]
async fn a_vote_may_have_a_limit_of_its_own() {
    let scene = Scene::new(saying(["4"; 8]), json!({"max_cost_usd": "0.001"}));
    let store = Arc::new(MemoryStore::default());
    scene.create_in(&*store).await;
    let run = scene.as_pro(store.clone()).await;
    let response = run.run(Some(costs(&store, vec![]))).await.unwrap();
    assert_eq!(response.status, ResponseStatus::Incomplete);
    let reason = serde_json::to_value(response.incomplete_details.unwrap().reason).unwrap();
    assert_eq!(reason, "cost_limit");
}

#[test]
fn a_wrong_policy_is_refused_by_the_name_of_its_field() {
    let cases = [
        (json!({"n_max": 0}), "x_pro.n_max"),
        (json!({"n_max": 65}), "x_pro.n_max"),
        (json!({"n_min": 9, "n_max": 4}), "x_pro.n_min"),
        (json!({"parallel": 17}), "x_pro.parallel"),
        (json!({"select": "guess"}), "x_pro.select"),
        (json!({"stop": {"posterior": 1.5}}), "x_pro.stop.posterior"),
        (json!({"stop": {"m_of_k": {"m": 5, "k": 4}}}), "x_pro.stop.m_of_k"),
        (json!({"stop": 7}), "x_pro.stop"),
        (json!({"max_cost_usd": "much"}), "x_pro.max_cost_usd"),
        (json!({"max_cost_usd": 0}), "x_pro.max_cost_usd"),
        (json!({"deadline_s": 0}), "x_pro.deadline_s"),
        (json!({"samples": 3}), "x_pro"),
        (json!([]), "x_pro"),
    ];
    for (policy, param) in cases {
        let wrong = ProPolicy::default().with(&policy).unwrap_err();
        assert_eq!(wrong.param(), param, "{policy}: {wrong}");
    }
    // Fewer samples than the least are asked for: then all of them vote.
    let few = ProPolicy::default().with(&json!({"n_max": 2})).unwrap();
    assert_eq!((few.n_min, few.n_max), (2, 2));
    let mut same_each_time = request(json!({}));
    same_each_time.sampling.temperature = 0.0;
    assert_eq!(same_each_time.checked().unwrap_err().param(), "temperature");
}

#[test]
fn a_policy_is_stored_as_it_is() {
    let policy = json!({
        "n_min": 2, "n_max": 9, "parallel": 3, "select": "vote", "max_cost_usd": "0.25",
        "stop": {"posterior": 0.9, "m_of_k": {"m": 2, "k": 5}}, "deadline_s": 60,
    });
    for given in [policy, json!({})] {
        let policy = ProPolicy::default().with(&given).unwrap();
        let stored = serde_json::to_value(&policy).unwrap();
        assert_eq!(serde_json::from_value::<ProPolicy>(stored).unwrap(), policy, "{given}");
    }
}
