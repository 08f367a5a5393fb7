//! What a run costs, and where a budget stops it.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use ozone_agent::{Costs, Prices};
use ozone_cost::{
    Amount, Budget, Facts, Kind, LedgerLine, LedgerQuery, ModelPrice, Over, Payer, PriceBook,
    Reservation, Tokens, Total,
};
use ozone_model::Script;
use ozone_store::{
    Append, Durability, IsAlive, Ledger, MemoryStore, Owner, Store, StoreError, Stored,
};
use ozone_tools::{ScriptedTool, Step};
use ozone_types::{Event, Response, ResponseId, ResponseStatus};

use crate::support::{Scene, prints, runs, says, show};

/// A dollar for a thousand tokens in, two for a thousand out; a token is a byte of the script.
fn price() -> ModelPrice {
    let json = r#"{"input_per_million": "1000", "output_per_million": "2000"}"#;
    serde_json::from_str(json).unwrap()
}

fn usd(text: &str) -> Amount {
    text.parse().unwrap()
}

fn costs(store: &Arc<MemoryStore>, prices: Prices, budgets: Vec<Budget>) -> Costs {
    Costs {
        prices,
        payer: Payer { key: "k".into(), ..Payer::default() },
        parent: None,
        budgets,
        ledger: store.clone(),
        machine: None,
    }
}

async fn run(scene: &Scene, steps: Vec<Step>, costs: Costs) -> Response {
    run_in(scene, scene.store.clone(), steps, costs).await
}

async fn run_in(scene: &Scene, store: Arc<dyn Store>, steps: Vec<Step>, costs: Costs) -> Response {
    let tools = vec![Box::new(ScriptedTool::new(steps)) as _];
    scene.as_run(store, tools).await.run_costing(costs).await.unwrap()
}

async fn lines(store: &MemoryStore) -> Vec<LedgerLine> {
    store.ledger(&LedgerQuery::default()).await.unwrap()
}

fn shown(lines: &[LedgerLine]) -> Vec<String> {
    let show = |l: &LedgerLine| {
        let amount = l.amount.map_or("unknown".to_owned(), |a| a.to_string());
        let about = if l.estimate { "about " } else { "" };
        format!("{} {}: {about}{amount}", l.call, l.name)
    };
    lines.iter().map(show).collect()
}

/// The tokens of the script: 11 in; the call's sample; what it printed.
fn two_samples() -> [Script; 2] {
    [runs("print(1)"), says("1")]
}

#[tokio::test]
async fn each_call_has_its_line_and_they_sum_to_the_usage() {
    let scene = Scene::new(two_samples()).await;
    let response =
        run(&scene, vec![prints("1")], costs(&scene.store, Prices::Own(price()), vec![])).await;
    let lines = lines(&scene.store).await;
    let calls: Vec<_> = lines.iter().map(|l| (l.call.as_str(), l.name.as_str())).collect();
    assert_eq!(calls, [("1:model", "scripted"), ("1:tool:0", "python"), ("2:model", "scripted")]);
    assert!(lines.iter().all(|l| l.payer.key == "k" && l.response_id == scene.id.as_str()));
    assert_eq!(lines[1].kind, Kind::Tool);
    assert_eq!(lines[1].amount, Some(Amount::ZERO));
    let whole = price().cost(&response.usage.unwrap());
    assert_eq!(Total::of(&lines).amount(), Some(whole));
}

/// Records every append, so that a kill can be played after each.
#[derive(Default)]
struct Recorder {
    store: MemoryStore,
    appends: Mutex<Vec<Append>>,
}

#[async_trait]
impl Store for Recorder {
    async fn create(&self, stored: Stored) -> Result<(), StoreError> {
        self.store.create(stored).await
    }

    async fn get(&self, id: &ResponseId) -> Result<Stored, StoreError> {
        self.store.get(id).await
    }

    async fn list(&self, limit: usize) -> Result<Vec<Stored>, StoreError> {
        self.store.list(limit).await
    }

    async fn append(
        &self,
        id: &ResponseId,
        append: Append,
        durability: Durability,
    ) -> Result<(), StoreError> {
        self.appends.lock().unwrap().push(append.clone());
        self.store.append(id, append, durability).await
    }

    async fn events(
        &self,
        id: &ResponseId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        self.store.events(id, from, limit).await
    }

    async fn records(&self, id: &ResponseId) -> Result<Vec<serde_json::Value>, StoreError> {
        self.store.records(id).await
    }

    async fn claim(&self, id: &ResponseId, owner: Owner, alive: IsAlive) -> Result<(), StoreError> {
        self.store.claim(id, owner, alive).await
    }
}

/// Killed behind any append, the run that goes on doubles no line and loses none.
#[tokio::test]
async fn a_resumed_run_charges_each_call_once() {
    let scene = Scene::new(two_samples()).await;
    let recorder = Arc::new(Recorder::default());
    scene.create_in(&*recorder).await;
    let whole = Arc::<MemoryStore>::default();
    let budget = || vec![Budget::new("key:k", usd("100"), Over::Day)];
    let own = |store: &Arc<MemoryStore>| costs(store, Prices::Own(price()), budget());
    let first = run_in(&scene, recorder.clone(), vec![prints("1")], own(&whole)).await;
    let appends = recorder.appends.lock().unwrap().clone();
    let expected = shown(&lines(&recorder.store).await);
    assert_eq!(expected.len(), 3);
    for stop in 1..=appends.len() {
        let store = Arc::new(MemoryStore::default());
        scene.create_in(&*store).await;
        for append in &appends[..stop] {
            store.append(&scene.id, append.clone(), Durability::Process).await.unwrap();
        }
        let is_done = |a: &Append| a.records.iter().any(|r| r["record"] == "tool_done");
        let left = usize::from(!appends[..stop].iter().any(is_done));
        let steps = (0..left).map(|_| prints("1")).collect();
        let response = run_in(&scene, store.clone(), steps, own(&store)).await;
        assert_eq!(show(&response), show(&first), "killed behind append {stop}");
        // The second run's prompt may be in the cache: its price is the same here.
        assert_eq!(shown(&lines(&store).await), expected, "killed behind append {stop}");
        let standing = store.standing(&budget()[0], 1_800_000_000).await.unwrap();
        assert!(standing.reserved.is_zero(), "killed behind append {stop}");
    }
}

/// Where the model's ids are not known, a sample that died with its process is made anew: both were
/// paid for, and how much the first one was is an estimate.
#[tokio::test]
async fn a_sample_that_died_with_its_process_is_an_estimate() {
    let mut scene = Scene::new([runs("print(1)"), says("1")]).await;
    scene.manner.without_ids = true;
    let recorder = Arc::new(Recorder::default());
    scene.create_in(&*recorder).await;
    let budget = Budget::new("key:k", usd("100"), Over::Day);
    let own = |store: &Arc<MemoryStore>| costs(store, Prices::Own(price()), vec![budget.clone()]);
    let whole = Arc::<MemoryStore>::default();
    run_in(&scene, recorder.clone(), vec![prints("1")], own(&whole)).await;
    let appends = recorder.appends.lock().unwrap().clone();
    let is_cut = |a: &Append| {
        let is = |name: &str| a.records.iter().any(|r| r["record"] == name);
        is("ids") && !is("sampled")
    };
    let cut = appends.iter().position(is_cut).expect("a sample is journaled in pieces");
    let store = Arc::new(MemoryStore::default());
    scene.create_in(&*store).await;
    for append in &appends[..=cut] {
        store.append(&scene.id, append.clone(), Durability::Process).await.unwrap();
    }
    let response = run_in(&scene, store.clone(), vec![prints("1")], own(&store)).await;
    let lines = lines(&store).await;
    let calls: Vec<_> = lines.iter().map(|l| (l.call.as_str(), l.estimate)).collect();
    assert_eq!(
        calls,
        [("1:model", false), ("1:model:cut:0", true), ("1:tool:0", false), ("2:model", false)]
    );
    let total = Total::of(&lines);
    assert_eq!(response.usage.unwrap().cost, Some(total.cost()));
    let standing = store.standing(&budget, 1_800_000_000).await.unwrap();
    assert_eq!((standing.spent, standing.reserved), (total.known, Amount::ZERO));
}

/// What another run holds may be free again in a moment: a run waits for it, and not for ever.
#[tokio::test(start_paused = true)]
async fn a_run_waits_for_what_others_hold() {
    let budget = Budget::new("key:k", usd("10"), Over::Day);
    let held = Reservation {
        id: "another".into(),
        budgets: vec![budget.clone()],
        amount: usd("9.9"),
        at: 1_800_000_000,
        lease_until: 1_900_000_000,
    };
    for ends in [true, false] {
        let scene = Scene::new([says("1")]).await;
        assert_eq!(scene.store.reserve(&held).await.unwrap(), ozone_cost::Reserved::Granted);
        let costs = costs(&scene.store, Prices::Own(price()), vec![budget.clone()]);
        let other = async {
            tokio::time::sleep(std::time::Duration::from_secs(30)).await;
            if ends {
                scene.store.settle(&held, usd("0.1"), 1_800_000_000).await.unwrap();
            }
        };
        let (response, ()) = tokio::join!(run(&scene, vec![], costs), other);
        match ends {
            true => assert_eq!(response.status, ResponseStatus::Completed),
            false => {
                assert_eq!(show(&response), "incomplete cost_limit");
                let why = response.incomplete_details.unwrap().message.unwrap();
                assert_eq!(
                    why,
                    "of the budget of $10 a day for the key `k`, $0 is spent and $9.9 held by other \
                     requests, and $0.1 does not pay for more; it begins anew at \
                     2027-01-16T00:00:00Z"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_spent_budget_stops_a_run_before_it_samples() {
    let scene = Scene::new(two_samples()).await;
    let budget = Budget::new("key:k", usd("1"), Over::Day);
    let earlier = Reservation {
        id: "earlier".into(),
        budgets: vec![budget.clone()],
        amount: usd("1"),
        at: 1_800_000_000,
        lease_until: 1_800_000_001,
    };
    scene.store.settle(&earlier, usd("1"), 1_800_000_000).await.unwrap();
    let response =
        run(&scene, vec![], costs(&scene.store, Prices::Own(price()), vec![budget])).await;
    assert_eq!(show(&response), "incomplete cost_limit");
    assert!(scene.backend.requests().is_empty());
    assert!(lines(&scene.store).await.is_empty());
}

/// A sample is cut where the money ends, and what it cost never passes the limit.
#[tokio::test]
async fn an_answer_is_as_long_as_the_budget_pays_for() {
    let long = "word ".repeat(2_000);
    let scene = Scene::new([says(&long)]).await;
    // Ten dollars pay for the bound of the prompt and some of the 10,000 bytes.
    let budget = Budget::new("response", usd("10"), Over::Ever);
    let costs = costs(&scene.store, Prices::Own(price()), vec![budget.clone()]);
    let response = run(&scene, vec![], costs).await;
    let asked = scene.backend.requests()[0].output_tokens_max;
    assert!(asked > 100 && asked < 10_000, "{asked}");
    assert!(show(&response).ends_with("incomplete cost_limit"), "{}", show(&response));
    assert_eq!(response.usage.unwrap().output_tokens, asked);
    let standing = scene.store.standing(&budget, 1_800_000_000).await.unwrap();
    assert_eq!(standing.spent, price().cost(&response.usage.unwrap()));
    assert!(standing.spent <= budget.limit && standing.reserved.is_zero());
}

/// The loop stops in its middle: the first sample and its call are paid, the second is not made.
#[tokio::test]
async fn a_budget_that_is_spent_on_the_way_stops_the_loop() {
    let samples: Vec<Script> = (0..30).map(|i| runs(&format!("print({i})"))).collect();
    let scene = Scene::new(samples).await;
    let budget = Budget::new("response", usd("8"), Over::Ever);
    let costs = costs(&scene.store, Prices::Own(price()), vec![budget.clone()]);
    let outputs = (0..30).map(|i| prints(&i.to_string())).collect();
    let response = run(&scene, outputs, costs).await;
    assert!(show(&response).ends_with("incomplete cost_limit"), "{}", show(&response));
    let made = scene.backend.requests().len();
    assert!((2..30).contains(&made), "{made}");
    let total = Total::of(&lines(&scene.store).await).amount().unwrap();
    assert!(total <= budget.limit && !total.is_zero(), "{total}");
    let standing = scene.store.standing(&budget, 1_800_000_000).await.unwrap();
    assert_eq!((standing.spent, standing.reserved), (total, Amount::ZERO));
}

#[tokio::test]
async fn a_price_that_is_unknown_gives_no_amount_and_holds_no_budget() {
    let like = Box::new(Facts::new("", "mystery", Tokens::default()));
    let book = || Prices::Book { book: PriceBook::built_in(), like: like.clone() };
    let scene = Scene::new([says("1")]).await;
    run(&scene, vec![], costs(&scene.store, book(), vec![])).await;
    let free = lines(&scene.store).await;
    assert_eq!(shown(&free), ["1:model scripted: unknown"]);
    assert_eq!(free[0].unknown, ["no price for the model `mystery`"]);

    let scene = Scene::new([says("1")]).await;
    let budget = vec![Budget::new("key:k", usd("1"), Over::Day)];
    let response = run(&scene, vec![], costs(&scene.store, book(), budget)).await;
    assert_eq!(
        show(&response),
        "failed there is a budget, and nothing to measure it by: no price for the model \
         `mystery`; give the model a price"
    );
    assert!(scene.backend.requests().is_empty());
}

#[tokio::test]
async fn the_book_prices_a_model_under_another_name() {
    let like = Box::new(Facts::new("openai", "o3", Tokens::default()).at_tier("flex"));
    let prices = Prices::Book { book: PriceBook::built_in(), like };
    let scene = Scene::new([says("1")]).await;
    run(&scene, vec![], costs(&scene.store, prices, vec![])).await;
    let lines = lines(&scene.store).await;
    assert_eq!(&*lines[0].rows[0].id, "openai/o3/flex@2025-06-10");
    // 11 tokens in at $1 and 1 out at $4 per million.
    assert_eq!(shown(&lines), ["1:model scripted: 0.000015"]);
}

/// A stream that breaks was paid for: its line is an estimate, beside that of the second try.
#[tokio::test(start_paused = true)]
async fn a_sample_that_was_cut_is_an_estimate_and_counts() {
    let text = "0123456789".to_owned();
    let scene = Scene::new([Script::Breaks { text, after: 4, times: 1 }]).await;
    let budget = Budget::new("key:k", usd("100"), Over::Day);
    let costs = costs(&scene.store, Prices::Own(price()), vec![budget.clone()]);
    run(&scene, vec![], costs).await;
    let lines = lines(&scene.store).await;
    assert_eq!(shown(&lines)[1], "1:model:cut:0 scripted: about 0.019");
    let total = Total::of(&lines);
    assert_eq!((total.lines, total.estimates), (2, 1));
    let standing = scene.store.standing(&budget, 1_800_000_000).await.unwrap();
    assert_eq!(standing.spent, total.known);
    assert!(standing.reserved.is_zero());
}

/// A model that is not to be had costs nothing, and holds nothing back.
#[tokio::test(start_paused = true)]
async fn a_refused_sample_is_not_paid_for() {
    let text = "1".to_owned();
    let scene = Scene::new([Script::Unavailable { text, times: 99 }]).await;
    let budget = Budget::new("key:k", usd("100"), Over::Day);
    let costs = costs(&scene.store, Prices::Own(price()), vec![budget.clone()]);
    run(&scene, vec![], costs).await;
    assert!(lines(&scene.store).await.is_empty());
    let standing = scene.store.standing(&budget, 1_800_000_000).await.unwrap();
    assert_eq!(standing.left(), budget.limit);
}
