//! One run as people read it: what, when, why, and counts that add up.

use std::fmt::Write as _;

use contracts::v1;

use crate::show;
use crate::table::{Card, Column, Table};
use crate::words;

/// The whole card.
pub fn text(run: &v1::Run) -> String {
    let mut text = Card::default()
        .line("Run", run.id.as_str())
        .line("Connection", run.connection.as_str())
        .line("Kind", kind(run))
        .line("State", words::run_state(run.state()))
        .line("Why", run.reason.as_str())
        .line("Reverts", run.reverts.as_str())
        .line("Reason", run.revert_reason.as_str())
        .line("Reverted by", run.reverted_by.join(", "))
        .line("Error", run.error.as_str())
        .line("Removals", run.removals_note.as_str())
        .line("Note", run.note.as_str())
        .line("Asked for by", asked_by(run))
        .line("Created", show::time(run.create_time.as_ref()))
        .line("Started", show::time(run.start_time.as_ref()))
        .line("Ended", show::time(run.end_time.as_ref()))
        .line(
            "Took",
            show::duration(run.start_time.as_ref(), run.end_time.as_ref()),
        )
        .line("Read", read(run))
        .line("Waits for", run.waiting_for.as_str())
        .line(
            "Details",
            if run.details_pruned {
                "were pruned; the counts are kept"
            } else {
                ""
            },
        )
        .line("Trace", run.trace_id.as_str())
        .into_text();
    text.push('\n');
    text.push_str(&counts(&run.counts.unwrap_or_default()));
    if !run.waits.is_empty() {
        text.push('\n');
        text.push_str(&waits(&run.waits));
    }
    text
}

/// What the reading waited for.
fn waits(waits: &[v1::Wait]) -> String {
    let mut table = Table::whole(&[
        Column::Left("WAITED FOR"),
        Column::Left("ON"),
        Column::Right("TIMES"),
        Column::Right("IN ALL"),
        Column::Right("LONGEST"),
    ]);
    let seconds = |milliseconds: u32| format!("{:.1} s", f64::from(milliseconds) / 1000.0);
    for wait in waits {
        table.row([
            wait.cause.clone(),
            wait.resource.clone(),
            show::count(wait.count),
            seconds(wait.total_milliseconds),
            seconds(wait.longest_milliseconds),
        ]);
    }
    table.into_text("")
}

/// `full`, or `full (preview)` when it stops with its plan although more was asked for.
pub fn kind(run: &v1::Run) -> String {
    let kind = words::run_kind(run.kind());
    if run.preview && run.kind() == v1::RunKind::Revert {
        format!("{kind} (dry run)")
    } else if run.preview && run.kind() != v1::RunKind::Preview {
        format!("{kind} (preview)")
    } else {
        kind
    }
}

fn asked_by(run: &v1::Run) -> String {
    match (run.requested_by.as_str(), run.trigger.as_str()) {
        (who, "") => who.to_owned(),
        ("", trigger) => trigger.to_owned(),
        (who, trigger) => format!("{who}, by {trigger}"),
    }
}

fn read(run: &v1::Run) -> String {
    let Some(progress) = run
        .progress
        .filter(|progress| progress.graph_calls > 0 || progress.pages_fetched > 0)
    else {
        return String::new();
    };
    let mut text = [
        (progress.records_read, "record"),
        (progress.pages_fetched, "page"),
        (progress.graph_calls, "Graph call"),
    ]
    .map(|(count, what)| many(count, what))
    .join(", ");
    if progress.resource_units > 0 {
        let _ = write!(text, ", {}", many(progress.resource_units, "resource unit"));
    }
    if progress.throttle_waits > 0 {
        let seconds = f64::from(progress.throttle_wait_milliseconds) / 1000.0;
        let _ = write!(
            text,
            ", {} ({seconds:.1} s)",
            many(progress.throttle_waits, "wait")
        );
    }
    text
}

/// `1 page`, `1,200 pages`.
fn many(count: u32, what: &str) -> String {
    format!(
        "{} {what}{}",
        show::count(count),
        if count == 1 { "" } else { "s" }
    )
}

/// Seen and gone on one side, what became of them on the other.
fn counts(counts: &v1::Counts) -> String {
    let outcomes = [
        ("added", counts.added),
        ("updated", counts.updated),
        ("unchanged", counts.unchanged),
        ("skipped", counts.skipped),
        ("removed", counts.removed),
        ("held", counts.held),
        ("failed", counts.failed),
    ];
    let mut table = Table::whole(&[Column::Left("USERS"), Column::Right("COUNT"), Column::Left("")]);
    let mut row =
        |name: &str, count: u32, note: String| table.row([name.to_owned(), show::count(count), note]);
    row("seen", counts.seen, String::new());
    row("gone", counts.gone, String::new());
    for (name, count) in outcomes {
        row(
            name,
            count,
            if name == "updated" {
                updated_note(counts)
            } else {
                String::new()
            },
        );
    }
    table.into_text("")
}

fn updated_note(counts: &v1::Counts) -> String {
    let parts = [
        (counts.overwritten, "overwritten"),
        (counts.reactivated, "reactivated"),
    ];
    let parts: Vec<_> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", show::count(count)))
        .collect();
    if parts.is_empty() {
        String::new()
    } else {
        format!("of these {}", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_tells_what_why_and_how_many() {
        let run = v1::Run {
            id: "0198".to_owned(),
            connection: "contoso".to_owned(),
            kind: v1::RunKind::Full.into(),
            state: v1::RunState::Planned.into(),
            preview: true,
            reason: "first run".to_owned(),
            counts: Some(v1::Counts {
                seen: 1200,
                added: 1100,
                updated: 100,
                overwritten: 3,
                ..v1::Counts::default()
            }),
            ..v1::Run::default()
        };
        assert_eq!(
            text(&run),
            "Run         0198\nConnection  contoso\nKind        full (preview)\nState       planned\nWhy         first run\n\n\
             USERS      COUNT\nseen       1,200\ngone           0\nadded      1,100\nupdated      100  of these 3 overwritten\n\
             unchanged      0\nskipped        0\nremoved        0\nheld           0\nfailed         0\n"
        );
    }
}
