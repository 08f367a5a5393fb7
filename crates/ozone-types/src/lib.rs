//! The Responses API's vocabulary: items, events, ids, usage, errors. Plain data, no I/O.
