//! A refusing answer of Graph's, or of whatever answers in its place: what is kept of it for logs, tables and people is short
//! and on one line.
#![no_main]

use graph::Answer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let answer = Answer::of_body(400, bytes);
    let ids = [&answer.request_id, &answer.client_request_id, &answer.date];
    let texts = answer.codes.iter().chain(ids.into_iter().flatten());
    for text in texts.chain([&answer.message]) {
        assert!(text.chars().count() <= 301, "{text}");
        assert!(!text.contains(char::is_control), "{text:?}");
    }
});
