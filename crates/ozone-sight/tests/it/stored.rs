//! What was found is kept by model, and whole.

use ozone_image::Coords;
use ozone_model::{Delivery, Sees};
use ozone_sight::{Facts, Outcome, Placed, Probed, Subject, Way};
use ozone_store::MemoryStore;

fn subject(url: &str, model: &str) -> Subject {
    let (api, extra) = ("chat".to_owned(), "{}".to_owned());
    Subject { base_urls: vec![url.to_owned()], api, model: model.to_owned(), extra }
}

fn probed(results: Delivery) -> Probed {
    let outcome = Outcome::NotRead { said: "none".into() };
    let way = Way { by: Delivery::Tool, outcome, input_tokens: Some(9_744), flattened: true };
    Probed { at: 17, sees: results.into(), ways: vec![way] }
}

fn placed() -> Placed {
    Placed { at: 18, coords: Coords::Rel1000, residual: 0.004, next: 0.2, boxes: 4 }
}

#[tokio::test]
async fn facts_belong_to_one_model_at_one_address() {
    let store = MemoryStore::default();
    let mine = subject("http://a/v1", "m");
    Facts::keep_probed(&store, &mine, &probed(Delivery::User)).await.unwrap();
    Facts::keep_placed(&store, &mine, &placed()).await.unwrap();
    let facts = Facts { probed: Some(probed(Delivery::User)), placed: Some(placed()) };
    assert_eq!(Facts::read(&store, &mine).await.unwrap(), facts);
    assert_eq!(Facts::read(&store, &subject("http://a/v1/", "m")).await.unwrap(), facts);
    let others = [
        subject("http://b/v1", "m"),
        subject("http://a/v1", "n"),
        Subject { api: "responses".into(), ..mine.clone() },
        Subject { extra: "{\"x\":1}".into(), ..mine.clone() },
    ];
    for other in others {
        assert_eq!(Facts::read(&store, &other).await.unwrap(), Facts::default(), "{other:?}");
    }
    Facts::forget(&store, &mine).await.unwrap();
    assert_eq!(Facts::read(&store, &mine).await.unwrap(), Facts::default());
}

#[tokio::test]
async fn who_turns_out_to_be_blind_has_no_convention_any_more() {
    let (store, mine) = (MemoryStore::default(), subject("http://a/v1", "m"));
    Facts::keep_placed(&store, &mine, &placed()).await.unwrap();
    Facts::keep_probed(&store, &mine, &probed(Delivery::Text)).await.unwrap();
    let facts = Facts::read(&store, &mine).await.unwrap();
    assert_eq!(facts.probed.unwrap().sees, Sees::from(Delivery::Text));
    assert_eq!(facts.placed, None);
}
