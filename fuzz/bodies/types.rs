//! Items and events of the wire. What is read survives being written; a stream that a fold takes
//! ends in what the fold has.

use ozone_types::{Event, Fold, Item};

/// Lines of JSON, each an event.
pub fn fold(data: &[u8]) {
    let mut fold = Fold::default();
    for line in data.split(|byte| *byte == b'\n') {
        let Ok(event) = serde_json::from_slice::<Event>(line) else { continue };
        let again = serde_json::to_string(&event).expect("an event is plain data");
        assert_eq!(serde_json::from_str::<Event>(&again).expect("what was written"), event);
        if fold.push(&event).is_err() {
            return;
        }
        assert_eq!(fold.next_sequence_number(), event.sequence_number + 1);
    }
    if let Some(finished) = fold.finished() {
        assert_eq!(finished.output, fold.items(), "S8");
    }
}

pub fn item(data: &[u8]) {
    let Ok(item) = serde_json::from_slice::<Item>(data) else { return };
    let _ = (item.id(), item.problem());
    let again = serde_json::to_string(&item).expect("an item is plain data");
    assert_eq!(serde_json::from_str::<Item>(&again).expect("what was written"), item);
}
