//! The small languages: cron patterns, never-touch patterns, frequencies, lookup GUIDs, cells of a CSV file.
#![no_main]

use std::time::{Duration, Instant};

use chrono::DateTime;
use domain::never_touch::UpnPattern;
use domain::schedule::{Cron, Frequency, Timing, Zone};
use domain::{csv_cell, lookup_guid};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let begun = Instant::now();
    cron(text);
    frequency(text);
    never_touch(text);
    cells(text);
    assert!(lookup_guid::of_immutable_id(text).len() <= text.len().max(36));
    assert!(begun.elapsed() < Duration::from_secs(10), "slow");
});

/// What is taken is written as it was, in one blank's spacing, and comes again and again, each time later.
fn cron(text: &str) {
    let Ok(cron) = Cron::parse(text) else { return };
    let written = cron.to_string();
    assert_eq!(Cron::parse(&written).as_ref(), Ok(&cron));
    assert_eq!(written, text.split_whitespace().collect::<Vec<_>>().join(" "));
    let zone = Zone::named("Europe/Berlin").expect("it is known");
    let timing = Timing::new(Frequency::Cron(cron), DateTime::UNIX_EPOCH.naive_utc(), zone);
    let mut at = DateTime::UNIX_EPOCH;
    for _ in 0..3 {
        let Some(next) = timing.next(at) else { return };
        assert!(next > at);
        assert!(timing.is_due_at(next), "{written}: {next}");
        at = next;
    }
}

/// What a frequency says of itself is read as the same.
fn frequency(text: &str) {
    let Some((key, detail)) = text.split_once('\n') else {
        return;
    };
    let Some(frequency) = Frequency::of(key, detail) else {
        return;
    };
    assert_eq!(
        Frequency::of(frequency.key(), &frequency.detail()),
        Some(frequency)
    );
}

/// A pattern is like itself, wherever it is none.
fn never_touch(text: &str) {
    let (pattern, upn) = text.split_once('\n').unwrap_or((text, text));
    let Ok(known) = UpnPattern::new(pattern) else {
        return;
    };
    let again = UpnPattern::new(known.as_str()).expect("as it was written");
    assert_eq!(again.as_str(), known.as_str());
    assert_eq!(known.is(upn), again.is(&upn.to_lowercase()));
    if !pattern.contains(['*', '?']) {
        assert!(known.is(known.as_str()));
        let wide = UpnPattern::new(&format!("*{}*", known.as_str()));
        assert!(
            wide.is_ok_and(|wide| wide.is(&format!("a{upn}b", upn = known.as_str())))
                || pattern.chars().count() > 250
        );
    }
}

/// A row is one line for whoever reads CSV, and no cell of it begins a formula.
fn cells(text: &str) {
    let row = csv_cell::row(text.split('\0'));
    assert!(row.ends_with("\r\n"));
    assert!(!csv_cell::defuse(text).starts_with(['=', '+', '-', '@', '\t', '\r']));
    let quotes = row.matches('"').count();
    assert_eq!(quotes % 2, 0, "{row}");
}
