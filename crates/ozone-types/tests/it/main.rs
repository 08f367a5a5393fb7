//! The wire as clients see it.

mod fuzz;

use ozone_types::item::Known;
use ozone_types::{
    Content, Cost, Event, EventKind, Fold, FoldError, Item, ItemId, ItemStatus, Phase, ResponseId,
    Role, Text, Usage,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn message(id: &ItemId, text: &str, status: ItemStatus) -> Item {
    let parts = if text.is_empty() { vec![] } else { vec![Content::output_text(text)] };
    Known::Message {
        id: Some(id.clone()),
        status: Some(status),
        role: Role::Assistant,
        content: Text::Parts(parts),
        phase: None,
    }
    .into()
}

fn response(status: &str, output: &[Item], usage: Value) -> Box<ozone_types::Response> {
    Box::new(
        serde_json::from_value(json!({
            "id": "resp_1", "object": "response", "created_at": 1, "completed_at": null,
            "status": status, "background": false, "error": null, "incomplete_details": null,
            "instructions": null, "max_output_tokens": null, "max_tool_calls": null, "model": "m",
            "output": output, "parallel_tool_calls": true, "previous_response_id": null,
            "reasoning": {"effort": "high", "mode": "standard", "summary": null}, "service_tier": "default",
            "store": true, "temperature": 0.7, "top_p": 1.0, "presence_penalty": 0.0,
            "frequency_penalty": 0.0, "top_logprobs": 0, "text": {"format": {"type": "text"}},
            "tool_choice": "auto", "tools": [], "truncation": "disabled", "metadata": {},
            "usage": usage
        }))
        .unwrap(),
    )
}

/// A sound stream of one message that came in these deltas.
fn stream(deltas: &[String]) -> Vec<EventKind> {
    let (id, text) = (ItemId::message(), deltas.concat());
    let done = message(&id, &text, ItemStatus::Completed);
    let usage = serde_json::to_value(Usage::of_sample(3, 1, 2, 0)).unwrap();
    let mut kinds = vec![
        EventKind::Created { response: response("in_progress", &[], Value::Null) },
        EventKind::OutputItemAdded {
            output_index: 0,
            item: message(&id, "", ItemStatus::InProgress),
        },
        EventKind::ContentPartAdded {
            item_id: id.clone(),
            output_index: 0,
            content_index: 0,
            part: Content::output_text(""),
        },
    ];
    kinds.extend(deltas.iter().map(|delta| EventKind::OutputTextDelta {
        item_id: id.clone(),
        output_index: 0,
        content_index: 0,
        delta: delta.clone(),
        logprobs: vec![],
    }));
    kinds.extend([
        EventKind::OutputTextDone {
            item_id: id.clone(),
            output_index: 0,
            content_index: 0,
            text: text.clone(),
            logprobs: vec![],
        },
        EventKind::ContentPartDone {
            item_id: id,
            output_index: 0,
            content_index: 0,
            part: Content::output_text(&text),
        },
        EventKind::OutputItemDone { output_index: 0, item: done.clone() },
        EventKind::Completed { response: response("completed", &[done], usage) },
    ]);
    kinds
}

fn numbered(kinds: Vec<EventKind>) -> Vec<Event> {
    (0..).zip(kinds).map(|(sequence_number, kind)| Event { kind, sequence_number }).collect()
}

proptest! {
    /// S8: what a reader rebuilds is the final object; each event survives its JSON.
    #[test]
    fn a_sound_stream_folds_to_its_response(deltas in prop::collection::vec(".{1,8}", 1..12)) {
        let events = numbered(stream(&deltas));
        for event in &events {
            let text = serde_json::to_string(event).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Event>(&text).unwrap(), event);
        }
        let fold = Fold::of(&events).unwrap();
        prop_assert_eq!(fold.finished().unwrap().output_text(), deltas.concat());
    }
}

#[test]
fn an_event_names_its_type_and_number() {
    let kind = EventKind::CodeInterpreterCallInterpreting {
        item_id: serde_json::from_value(json!("ci_1")).unwrap(),
        output_index: 2,
    };
    assert_eq!(
        serde_json::to_value(Event { kind, sequence_number: 9 }).unwrap(),
        json!({
            "type": "response.code_interpreter_call.interpreting",
            "item_id": "ci_1", "output_index": 2, "sequence_number": 9
        })
    );
}

#[test]
fn a_stream_that_breaks_a_rule_is_refused_by_its_name() {
    let deltas = ["one ".to_owned(), "two".to_owned()];
    let broken = |change: fn(&mut Vec<EventKind>)| {
        let mut kinds = stream(&deltas);
        change(&mut kinds);
        Fold::of(&numbered(kinds)).unwrap_err()
    };
    assert!(matches!(broken(|k| drop(k.remove(0))), FoldError::First(_)));
    assert!(matches!(broken(|k| drop(k.remove(1))), FoldError::NotOpen(_)));
    assert!(matches!(broken(|k| drop(k.remove(3))), FoldError::Deltas(_)));
    assert!(matches!(broken(|k| drop(k.remove(7))), FoldError::FinalOutput));
    assert!(matches!(broken(|k| k.push(k[3].clone())), FoldError::AfterEnd(_)));
    let mut events = numbered(stream(&deltas));
    events[4].sequence_number = 7;
    assert_eq!(Fold::of(&events), Err(FoldError::Sequence { expected: 4, found: 7 }));
}

/// What a client sent is what it gets back, also where Ozone does not know the kind.
#[test]
fn unknown_items_are_kept_as_they_came() {
    let sent = json!({"type": "computer_call", "id": "cu_1", "action": {"type": "wait"}});
    let item: Item = serde_json::from_value(sent.clone()).unwrap();
    assert!(matches!(item, Item::Other(_)));
    assert_eq!(item.id(), Some("cu_1"));
    assert_eq!(serde_json::to_value(item).unwrap(), sent);
}

/// What clients send in their own ways is read all the same; what cannot be read says why.
#[test]
fn items_are_read_leniently_and_a_malformed_one_says_why() {
    let read = |value: Value| serde_json::from_value::<Item>(value).unwrap();
    let message = read(json!({"role": "assistant", "content": "x", "phase": "commentary"}));
    let Item::Known(known) = &message else { panic!("{message:?}") };
    assert!(matches!(known, Known::Message { phase: Some(Phase::Commentary), .. }));
    assert_eq!(serde_json::to_value(&message).unwrap()["phase"], "commentary");

    let reasoning = read(json!({
        "type": "reasoning", "summary": null, "content": null, "encrypted_content": "e"
    }));
    assert!(reasoning.id().is_some_and(|id| id.starts_with("rs_")));
    let call = json!({
        "type": "function_call", "call_id": "c", "name": "f", "namespace": "n", "arguments": "{}"
    });
    assert_eq!(serde_json::to_value(read(call.clone())).unwrap(), call);

    let broken = read(json!({"type": "function_call", "name": "f"}));
    assert!(broken.problem().is_some_and(|why| why.contains("call_id")));
    assert_eq!(read(json!({"type": "future_call"})).problem(), None);
    assert_eq!(read(json!({"x": 1})).problem(), Some("an item needs a `type`".into()));
}

#[test]
fn parts_ids_and_incomplete_items_keep_their_places() {
    let broken = |change: fn(&mut Vec<EventKind>)| {
        let mut kinds = stream(&["one ".to_owned(), "two".to_owned()]);
        change(&mut kinds);
        Fold::of(&numbered(kinds)).unwrap_err()
    };
    let part = broken(|k| {
        let EventKind::ContentPartAdded { content_index, .. } = &mut k[2] else { panic!() };
        *content_index = 1;
    });
    assert_eq!(part, FoldError::PartIndex { item: 0, expected: 0, found: 1 });
    let id = broken(|k| {
        let EventKind::OutputTextDelta { item_id, .. } = &mut k[3] else { panic!() };
        *item_id = ItemId::message();
    });
    assert_eq!(id, FoldError::IdChanged(0));
    let late = broken(|k| {
        let EventKind::OutputItemDone { item: Item::Known(known), .. } = &mut k[7] else {
            panic!()
        };
        let Known::Message { status, .. } = known else { panic!() };
        *status = Some(ItemStatus::Incomplete);
        let next = message(&ItemId::message(), "", ItemStatus::InProgress);
        k.insert(8, EventKind::OutputItemAdded { output_index: 1, item: next });
    });
    assert_eq!(late, FoldError::IncompleteNotLast(0));
}

#[test]
fn ids_are_minted_in_order_and_parsed_strictly() {
    let (a, b) = (ResponseId::mint(), ResponseId::mint());
    assert!(a < b || a.as_str()[..20] == b.as_str()[..20]);
    assert_eq!(a.as_str().parse::<ResponseId>().unwrap(), a);
    for bad in ["", "resp_", "msg_1", "resp_../../etc", "resp_a b"] {
        assert!(bad.parse::<ResponseId>().is_err(), "{bad}");
    }
}

/// What a response cost is exact on the wire and comes back as it was; unknown is null and not 0.
#[test]
fn a_cost_goes_over_the_wire_exactly() {
    let cost = |amount| Cost { amount, is_estimate: true, unknown_calls: 0 };
    for (units, text, number) in [
        (31 * 10i128.pow(21), "0.031", 0.031),
        (0, "0", 0.0),
        (12 * 10i128.pow(24) + 1, "12.000000000000000000000001", 12.0),
    ] {
        let usage = Usage { cost: Some(cost(Some(units))), ..Usage::of_sample(3, 1, 2, 0) };
        let wire = serde_json::to_value(usage).unwrap();
        assert_eq!(wire["cost"], json!(number));
        let details = json!({
            "amount": text, "currency": "usd", "is_estimate": true, "unknown_calls": 0,
        });
        assert_eq!(wire["cost_details"], details);
        assert_eq!(serde_json::from_value::<Usage>(wire).unwrap(), usage);
    }
    let unknown = Cost { amount: None, is_estimate: false, unknown_calls: 2 };
    let usage = Usage { cost: Some(unknown), ..Usage::default() };
    let wire = serde_json::to_value(usage).unwrap();
    assert!(wire["cost"].is_null() && wire["cost_details"]["amount"].is_null());
    assert_eq!(serde_json::from_value::<Usage>(wire).unwrap(), usage);
    let uncounted = serde_json::to_value(Usage::default()).unwrap();
    assert!(uncounted.get("cost").is_none() && uncounted.get("cost_details").is_none());
    // Somebody else's `cost` is none of ours.
    let mut other = uncounted;
    other["cost"] = json!(0.5);
    assert_eq!(serde_json::from_value::<Usage>(other).unwrap(), Usage::default());
}

#[test]
fn usage_adds_up() {
    let mut usage = Usage::of_sample(10, 4, 5, 2);
    usage += Usage::of_sample(20, 99, 7, 99);
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.total_tokens), (30, 12, 42));
    assert_eq!(usage.input_tokens_details.cached_tokens, 24, "cached is part of the input");
    assert_eq!(usage.output_tokens_details.reasoning_tokens, 9);
}
