//! The body of a request: it is read, or refused with words for who sent it.

use ozone_server::{Dialect, check_request};

pub fn responses(data: &[u8]) {
    check(Dialect::Responses, data);
}

pub fn chat(data: &[u8]) {
    check(Dialect::Chat, data);
}

fn check(dialect: Dialect, data: &[u8]) {
    if let Err(refused) = check_request(dialect, data) {
        assert!(!refused.message.is_empty());
        assert_eq!(refused.kind, "invalid_request_error", "{refused:?}");
    }
}
