//! The way is chosen by what the model reads.

use std::sync::Arc;
use std::time::Duration;

use ozone_agent::{Aside, Costs, Prices, Unanswered};
use ozone_cost::{LedgerQuery, Meter, ModelPrice, Payer};
use ozone_model::upstream::{Api, UpstreamBackend, UpstreamConfig, UpstreamLimits};
use ozone_model::{Delivery, Sees};
use ozone_sight::{Card, Inconclusive, NotCalibrated, Outcome, Probed, calibrate, probe};
use ozone_store::{Ledger, MemoryStore};
use tokio_util::sync::CancellationToken;

use crate::fake::{Eyes, Fake, Hand};
use crate::reader;

pub const PIXELS_MAX: u64 = 1_500_000;
const REL1000: Hand = Hand::Within([1000.0; 2], 0.0);

pub struct Lab {
    pub store: Arc<MemoryStore>,
    pub cancel: CancellationToken,
    aside: Aside,
    pub fake: Fake,
}

impl Lab {
    pub async fn with(eyes: Eyes, hand: Hand, api: Api, time_max: Duration) -> Lab {
        let fake = Fake::start(eyes, hand);
        let limits = UpstreamLimits { retries_max: 0, ..UpstreamLimits::default() };
        let config = UpstreamConfig {
            pictures: Some(Delivery::Tool),
            limits,
            ..UpstreamConfig::new(&fake.url, api, "m", 100_000)
        };
        let backend = Arc::new(UpstreamBackend::new("m", config, |_| None).unwrap());
        let (store, cancel) = (Arc::new(MemoryStore::default()), CancellationToken::new());
        let costs = Costs {
            prices: Prices::Own(ModelPrice::FREE),
            payer: Payer::default(),
            parent: None,
            budgets: vec![],
            ledger: store.clone(),
            machine: None,
        };
        let begun =
            Aside::begin(backend, costs, "look_1", "m", time_max, || 1_000, cancel.clone()).await;
        Lab { store, cancel, aside: begun.unwrap(), fake }
    }

    pub async fn new(eyes: Eyes) -> Lab {
        Lab::with(eyes, REL1000, Api::Chat, Duration::from_secs(600)).await
    }

    pub async fn probe(&mut self) -> Result<Probed, Inconclusive> {
        probe(&mut self.aside, 7).await
    }

    pub async fn calibrate(&mut self, sees: Sees) -> Result<ozone_sight::Placed, NotCalibrated> {
        calibrate(&mut self.aside, sees, PIXELS_MAX, 3).await
    }
}

fn outcomes(probed: &Probed) -> Vec<String> {
    let way = |way: &ozone_sight::Way| {
        let outcome = match &way.outcome {
            Outcome::Read => "read",
            Outcome::NotRead { .. } => "not read",
            Outcome::Refused { .. } => "refused",
            Outcome::NoAnswer { .. } => "no answer",
        };
        let flattened = if way.flattened { ", flattened" } else { "" };
        format!("{}: {outcome}{flattened}", way.by.name())
    };
    probed.ways.iter().map(way).collect()
}

async fn seen(eyes: Eyes) -> (Vec<String>, Sees) {
    let probed = Lab::new(eyes).await.probe().await.unwrap();
    (outcomes(&probed), probed.sees)
}

const BLIND: Sees = Sees { users: false, results: Delivery::Text };

#[tokio::test]
async fn a_model_that_reads_cards_of_tools_gets_pictures_with_the_results() {
    let (ways, sees) = seen(Eyes::Open).await;
    assert_eq!(ways, ["text: read", "tool: read", "user: read"]);
    assert_eq!(sees, Sees { users: true, results: Delivery::Tool });
}

#[tokio::test]
async fn where_pictures_of_tools_get_lost_they_are_lifted_to_the_user() {
    let (ways, sees) = seen(Eyes::OfUsers).await;
    assert_eq!(ways, ["text: read", "tool: not read", "user: read"]);
    assert_eq!(sees, Sees { users: true, results: Delivery::User });
}

#[tokio::test]
async fn where_pictures_of_users_get_lost_tools_still_show_theirs() {
    let (ways, sees) = seen(Eyes::OfTools).await;
    assert_eq!(ways, ["text: read", "tool: read", "user: not read"]);
    assert_eq!(sees, Sees { users: false, results: Delivery::Tool });
}

#[tokio::test]
async fn a_server_that_refuses_pictures_gets_text() {
    for eyes in [Eyes::Refusing, Eyes::Failing] {
        let (ways, sees) = seen(eyes).await;
        assert_eq!(ways, ["text: read", "tool: refused", "user: refused"], "{eyes:?}");
        assert_eq!(sees, BLIND);
    }
}

/// 200 and a polite answer, at fifty times the tokens.
#[tokio::test]
async fn a_server_that_makes_text_of_pictures_is_found_out_by_its_tokens() {
    let (ways, sees) = seen(Eyes::Flattening).await;
    assert_eq!(ways, ["text: read", "tool: not read, flattened", "user: not read, flattened"]);
    assert_eq!(sees, BLIND);
    let (ways, sees) = seen(Eyes::Overflowing).await;
    assert_eq!(ways, ["text: read", "tool: refused, flattened", "user: refused, flattened"]);
    assert_eq!(sees, BLIND);
}

#[tokio::test]
async fn what_a_model_makes_up_is_no_reading() {
    let (ways, sees) = seen(Eyes::Lying).await;
    assert_eq!(ways, ["text: read", "tool: not read", "user: not read"]);
    assert_eq!(sees, BLIND);
}

#[tokio::test]
async fn where_no_answer_comes_nothing_is_known() {
    let mut lab = Lab::with(Eyes::Hanging, REL1000, Api::Chat, Duration::from_secs(3)).await;
    let why = lab.probe().await.unwrap_err();
    assert!(matches!(why, Inconclusive::Open { way: Delivery::Tool, .. }), "{why}");
    assert!(why.to_string().contains("no answer came within"), "{why}");

    let why = Lab::new(Eyes::Gone).await.probe().await.unwrap_err();
    assert!(matches!(why, Inconclusive::Down(_)), "{why}");
}

#[tokio::test]
async fn who_is_stopped_asks_no_more() {
    let mut lab = Lab::new(Eyes::Open).await;
    lab.cancel.cancel();
    let why = lab.probe().await.unwrap_err();
    assert!(matches!(why, Inconclusive::Stopped(Unanswered::Cancelled)), "{why}");
    assert!(lab.fake.bodies().is_empty());
}

#[tokio::test]
async fn each_question_is_a_line_of_the_ledger() {
    let mut lab = Lab::new(Eyes::Flattening).await;
    lab.probe().await.unwrap();
    let lines = lab.store.ledger(&LedgerQuery::response("look_1")).await.unwrap();
    let calls: Vec<_> =
        lines.iter().map(|l| (l.call.as_str(), l.facts.tokens.get(Meter::Input))).collect();
    assert_eq!(calls.len(), 3, "{calls:?}");
    assert_eq!(calls[0], ("1:model", 150));
    assert!(calls[1].1 > 5_000, "{calls:?}");
}

/// Whatever way a picture goes, its pixels are in fields for pictures alone.
#[tokio::test]
async fn base64_stands_in_no_text() {
    let mut lab = Lab::new(Eyes::Open).await;
    lab.probe().await.unwrap();
    lab.calibrate(Sees::from(Delivery::User)).await.unwrap();
    let bodies = lab.fake.bodies();
    assert_eq!(bodies.len(), 4);
    for body in bodies {
        let text = body["messages"].to_string();
        let urls = body["messages"].as_array().unwrap().iter();
        let urls = urls.filter_map(|m| m["content"].as_array()).flatten();
        let mut rest = text.clone();
        for url in urls.filter_map(|part| part["image_url"]["url"].as_str()) {
            rest = rest.replace(url, "");
        }
        assert!(!rest.contains("base64") && !rest.contains("iVBOR"), "{rest}");
        assert!(rest.len() < 2_000, "{rest}");
    }
}

#[test]
fn cards_differ_and_are_read_with_one_mistake_at_most() {
    let cards: Vec<Card> = (0..20).map(Card::of_seed).collect();
    let codes: std::collections::BTreeSet<&str> = cards.iter().map(|c| c.code.as_str()).collect();
    assert_eq!(codes.len(), 20);
    for card in &cards {
        assert_eq!(reader::code(&card.png), card.code);
        assert!((6_000..20_000).contains(&card.png.len()), "{}", card.png.len());
    }
    let card = Card::draw("K7XM4T", 1);
    for said in ["K7XM4T", "The code is k7x-m4t.", "**K 7 X M 4 T**", "K7XN4T", "It reads: K7XM4"] {
        assert_eq!(card.is_read(said), said != "It reads: K7XM4", "{said}");
    }
    for said in ["", "none", "K7XNNT", "ABCDEF", "K7X", &"4T K7 ".repeat(9)] {
        assert!(!card.is_read(said), "{said}");
    }
}
