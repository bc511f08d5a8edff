//! The words of notices and mails.

use std::fmt::Write;

use chrono::{DateTime, Utc};

use crate::expiry::{Warning, full_run_words};

use super::{Asked, Counts, EndedRun, Ending, Health, MAX_ATTACHED, Removed};

/// Characters of a title or subject, at most.
const MAX_LINE: usize = 200;

/// Characters of an error's text, at most.
const MAX_ERROR: usize = 2_000;

/// A number with its thousands set apart: `9,700`.
#[must_use]
pub fn thousands(number: u32) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `text` as one line for a title or a mail's subject: no control characters, which could begin another header, nor
/// anything that turns the direction of what follows; cut after 200 characters.
#[must_use]
pub fn single_line(text: &str) -> String {
    let words = text.replace(|c: char| c.is_control() || is_direction_mark(c), " ");
    cut(
        &words
            .split(' ')
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" "),
        MAX_LINE,
    )
}

/// What a run was and how it ended, in a few words: `full run finished: 9,700 added, 3 failed`.
pub(super) fn headline(run: &EndedRun) -> String {
    let name = name(run);
    match &run.ending {
        Ending::Finished if run.asked == Asked::Preview => format!("preview applied: {}", news(&run.counts)),
        Ending::Finished => format!("{name} finished: {}", news(&run.counts)),
        Ending::Planned => format!("preview ready: {}", news(&run.counts)),
        Ending::Failed { .. } => format!("{name} failed"),
        Ending::Cancelled { by: Some(by) } => format!("{name} cancelled by {by}"),
        Ending::Cancelled { by: None } => format!("{name} cancelled"),
        Ending::Expired => "preview expired".to_owned(),
    }
}

/// `12 removals wait for review`.
pub(super) fn waiting(held: u32) -> String {
    if held == 1 {
        "1 removal waits for review".to_owned()
    } else {
        format!("{} removals wait for review", thousands(held))
    }
}

/// A finished run, for the bell.
pub(super) fn summary(run: &EndedRun, console: Option<&str>) -> String {
    let mut text = Text::new();
    text.line(&sentence(&run.counts));
    text.notes(run);
    if run.counts.failed > 0 {
        text.line(&format!("Who failed and why: rollcall run failed {}", run.id));
    }
    text.link(console, &format!("runs/{}", run.id));
    text.done()
}

/// A plan that waits, for the bell.
pub(super) fn preview(run: &EndedRun, console: Option<&str>) -> String {
    let mut text = Text::new();
    text.line(&format!("Nothing is applied yet. {}", sentence(&run.counts)));
    text.notes(run);
    text.line(&format!("See the plan: rollcall run changes {}", run.id));
    text.line(&format!(
        "Apply it within a day, exactly as shown: rollcall run apply {} --wait",
        run.id
    ));
    text.link(console, &format!("runs/{}", run.id));
    text.done()
}

/// A failed run, for the bell.
pub(super) fn failure(run: &EndedRun, error: &str, console: Option<&str>) -> String {
    let mut text = Text::new();
    text.line(&paragraph(error));
    text.line(&again(run));
    text.link(console, &format!("runs/{}", run.id));
    text.done()
}

/// A run that was cancelled, or a plan that expired, for the bell.
pub(super) fn not_applied(run: &EndedRun, console: Option<&str>) -> String {
    let mut text = Text::new();
    if run.ending == Ending::Expired {
        text.line("Nobody applied its plan within a day, so nothing was changed.");
        text.line(&format!(
            "For a new plan: rollcall run start {} --kind preview --wait",
            shell_word(&run.connection)
        ));
    } else {
        text.line("The register is whole; the next run goes on from what is there.");
        text.line(&again(run));
    }
    text.link(console, &format!("runs/{}", run.id));
    text.done()
}

/// Removals that await a person, for the bell.
pub(super) fn held(run: &EndedRun, console: Option<&str>) -> String {
    let mut text = Text::new();
    match &run.removals_note {
        Some(note) => text.line(&format!("{}.", paragraph(note).trim_end_matches('.'))),
        None => text.line("A policy or a safeguard leaves these removals to a person."),
    }
    if !run.held_first.is_empty() {
        let named: Vec<String> = run.held_first.iter().map(|name| single_line(name)).collect();
        let more = run
            .counts
            .held
            .saturating_sub(u32::try_from(named.len()).unwrap_or(u32::MAX));
        let rest = match more {
            0 => String::new(),
            more => format!(" and {} more", thousands(more)),
        };
        text.line(&format!("They are: {}{rest}.", named.join(", ")));
    }
    text.line(&review_list(run));
    text.link(console, &format!("reviews?run={}", run.id));
    text.done()
}

/// `3 records removed`.
pub(super) fn removed(removed: &Removed) -> String {
    if removed.records == 1 {
        "1 record removed".to_owned()
    } else {
        format!("{} records removed", thousands(removed.records))
    }
}

/// Removals that a run did by itself, for the bell.
pub(super) fn removals(removed: &Removed, console: Option<&str>) -> String {
    let mut text = Text::new();
    text.line("Their policies say so, and the brake let it. They were deactivated or deleted; deleting keeps the history.");
    text.line(&format!("Exactly who: rollcall log show {} --csv", removed.entry));
    if removed.entries > 1 {
        text.line(&format!(
            "That is the first of {} lists; the others stand beside it: rollcall log list --kind removals",
            removed.entries
        ));
    }
    text.link(console, &format!("log/{}", removed.entry));
    text.done()
}

/// A mail that could not be delivered, for the bell.
pub(super) fn mail_failed(recipient: &str, subject: &str, error: &str) -> String {
    format!(
        "\"{}\" did not reach {}: {}\nMail settings: section [smtp] of the notifier; recipients: kind Settings, \
         mailTo. For a day no further notice tells of failing mails.",
        single_line(subject),
        single_line(recipient),
        paragraph(error),
    )
}

/// The mail on a finished run.
pub(super) fn summary_letter(run: &EndedRun, console: Option<&str>) -> String {
    let mut text = Text::new();
    text.line(&format!(
        "The {} of {} has finished.",
        name(run),
        single_line(&run.connection)
    ));
    text.works_again(run);
    text.gap();
    text.table(&run.counts);
    text.gap();
    text.notes(run);
    text.steps(run, console);
    text.done()
}

/// The mail on a run that stopped as a preview.
pub(super) fn preview_letter(run: &EndedRun, console: Option<&str>) -> String {
    let mut text = Text::new();
    text.line(&format!(
        "The {} of {} has read the directory and made a plan. Nothing is applied yet.",
        name(run),
        single_line(&run.connection)
    ));
    text.works_again(run);
    text.gap();
    text.table(&run.counts);
    text.gap();
    text.notes(run);
    text.steps(run, console);
    text.done()
}

/// The mail on a failed run.
pub(super) fn failure_letter(run: &EndedRun, error: &str, goes_on: bool, console: Option<&str>) -> String {
    let mut text = Text::new();
    text.line(&format!(
        "The {} of {} failed:",
        name(run),
        single_line(&run.connection)
    ));
    text.gap();
    text.line(&paragraph(error));
    text.gap();
    text.line(&again(run));
    text.link(console, &format!("runs/{}", run.id));
    if goes_on {
        text.gap();
        text.line(
            "A mail will say when it works again, or when it failed three times in a row and comes into quarantine.",
        );
    }
    text.done()
}

/// That a connection is in quarantine, for the bell.
pub(super) fn quarantined(connection: &str, health: &Health, console: Option<&str>) -> String {
    let mut text = Text::new();
    text.line(&paragraph(&health.reason));
    text.quarantine(connection, health);
    text.link(console, &connection_path(connection));
    text.done()
}

/// The same, at the end of a mail about the run that led there.
pub(super) fn quarantine_in_letter(run: &EndedRun, health: &Health) -> String {
    let mut text = Text::new();
    text.line("");
    if matches!(run.ending, Ending::Finished | Ending::Planned) {
        text.line(&paragraph(&health.reason));
    }
    text.quarantine(&run.connection, health);
    text.done()
}

/// That a connection came out of quarantine, for the bell.
pub(super) fn recovered(connection: &str, health: &Health, console: Option<&str>) -> String {
    let mut text = Text::new();
    text.line("Its quarantine has ended, and scheduled runs go on.");
    text.line(&format!("What was wrong: {}", paragraph(&health.reason)));
    text.link(console, &connection_path(connection));
    text.done()
}

/// The mail on a connection that a test found working.
pub(super) fn recovered_letter(connection: &str, health: &Health, console: Option<&str>) -> String {
    let mut text = Text::new();
    text.line(&format!(
        "A test of {} went well: it works again, and scheduled runs go on.",
        single_line(connection)
    ));
    text.gap();
    text.line(&format!("What was wrong: {}", paragraph(&health.reason)));
    text.link(console, &connection_path(connection));
    text.gap();
    text.line("Sent by Rollcall.");
    text.done()
}

/// That a secret expires.
pub(super) fn expiry(warning: &Warning, console: Option<&str>) -> String {
    let mut text = Text::new();
    text.line(&paragraph(&warning.what));
    text.line(&warning.next_step);
    text.line("All credentials: rollcall credential list");
    text.link(console, "");
    text.done()
}

/// That a full run is long ago.
pub(super) fn overdue(connection: &str, last_full: DateTime<Utc>, console: Option<&str>) -> String {
    let mut text = Text::new();
    text.line(&full_run_words(last_full));
    text.line(&format!(
        "To start one: rollcall run start {} --kind full --wait",
        shell_word(connection)
    ));
    text.link(console, &connection_path(connection));
    text.done()
}

fn connection_path(connection: &str) -> String {
    let mut path = String::from("connections/");
    for byte in connection.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            push(&mut path, format_args!("%{byte:02X}"));
        }
    }
    path
}

/// What is attached.
pub(super) fn attached(failed: u32) -> String {
    let count = thousands(failed);
    let most = thousands(MAX_ATTACHED);
    if failed > MAX_ATTACHED {
        format!(
            "\nThe attached CSV names the first {most} of the {count} that failed, each with its reason.\n"
        )
    } else {
        "\nThe attached CSV names everyone who failed, with the reason.\n".to_owned()
    }
}

/// The end of every mail.
pub(super) fn signature(run: &EndedRun) -> String {
    format!(
        "\nRun {}, requested by {}. Sent by Rollcall.\n",
        run.id,
        single_line(&run.requested_by)
    )
}

/// `9,700 added, 3 failed`: what a subject has room for.
fn news(counts: &Counts) -> String {
    let told = [
        (counts.added, "added"),
        (counts.updated, "updated"),
        (counts.removed, "removed"),
        (counts.held, "held"),
        (counts.failed, "failed"),
    ];
    let told: Vec<String> = told
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{} {word}", thousands(*count)))
        .collect();
    if told.is_empty() {
        "nothing to change".to_owned()
    } else {
        told.join(", ")
    }
}

/// All counts in one sentence that adds up.
fn sentence(counts: &Counts) -> String {
    let mut text = format!("{} users", thousands(counts.seen.saturating_add(counts.gone)));
    if counts.gone > 0 {
        push(
            &mut text,
            format_args!(" ({} of them no longer in the directory)", thousands(counts.gone)),
        );
    }
    push(
        &mut text,
        format_args!(
            ": {} added, {} updated",
            thousands(counts.added),
            thousands(counts.updated)
        ),
    );
    if let Some(kinds) = of_updated(counts) {
        push(&mut text, format_args!(" ({kinds})"));
    }
    for (count, word) in rest(counts) {
        push(&mut text, format_args!(", {} {word}", thousands(count)));
    }
    text.push('.');
    text
}

fn rest(counts: &Counts) -> [(u32, &'static str); 5] {
    [
        (counts.unchanged, "unchanged"),
        (counts.skipped, "skipped"),
        (counts.removed, "removed"),
        (counts.held, "held"),
        (counts.failed, "failed"),
    ]
}

fn of_updated(counts: &Counts) -> Option<String> {
    let kinds = [
        (counts.overwritten, "overwritten"),
        (counts.reactivated, "reactivated"),
    ];
    let kinds: Vec<String> = kinds
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{} of them {word}", thousands(*count)))
        .collect();
    (!kinds.is_empty()).then(|| kinds.join(", "))
}

fn name(run: &EndedRun) -> &'static str {
    match run.asked {
        Asked::Preview => "preview",
        Asked::Manual => "manual run",
        Asked::Deprovision => "deprovision",
        Asked::Revert => "revert",
        Asked::Full | Asked::Delta if run.is_full() => "full run",
        Asked::Full | Asked::Delta => "delta run",
    }
}

fn again(run: &EndedRun) -> String {
    let connection = shell_word(&run.connection);
    let kind = match run.asked {
        Asked::Manual => {
            return format!("To import them again: rollcall import users {connection} UPN…");
        }
        Asked::Revert => {
            return "To take back the rest: rollcall run revert ID --wait, with the id of the run to revert"
                .to_owned();
        }
        Asked::Full => "full",
        Asked::Delta => "delta",
        Asked::Preview => "preview",
        Asked::Deprovision => "deprovision",
    };
    format!("To run it again: rollcall run start {connection} --kind {kind} --wait")
}

fn review_list(run: &EndedRun) -> String {
    format!(
        "Approve or reject them: rollcall review list --connection {}",
        shell_word(&run.connection)
    )
}

/// Lines of plain text.
struct Text(String);

impl Text {
    const fn new() -> Self {
        Self(String::new())
    }

    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn gap(&mut self) {
        if !self.0.is_empty() && !self.0.ends_with("\n\n") {
            self.0.push('\n');
        }
    }

    fn link(&mut self, console: Option<&str>, path: &str) {
        if let Some(console) = console {
            self.line(&format!("{}/{path}", console.trim_end_matches('/')));
        }
    }

    fn works_again(&mut self, run: &EndedRun) {
        if run.works_again() {
            self.line("The run before it had failed: the connection works again.");
        }
    }

    /// What quarantine means, and how it ends.
    fn quarantine(&mut self, connection: &str, health: &Health) {
        let next = health.next_try.map_or_else(String::new, |at| {
            format!(
                " From {} UTC on it is tried again by itself, by a test or, where a test does not tell enough, by the \
                 next scheduled run; then less and less often.",
                at.format("%Y-%m-%d %H:%M")
            )
        });
        self.line(&format!(
            "The connection is in quarantine: its scheduled runs wait.{next} It recovers with the first success: of a \
             try, or of a run that you start.",
        ));
        self.line(&format!(
            "To end it by hand: rollcall connection release {}",
            shell_word(connection)
        ));
        self.line("There is no further word of failed tries; a mail will say when it works again.");
    }

    /// Why it was another kind of run than was asked for, and what is said of removals.
    fn notes(&mut self, run: &EndedRun) {
        for note in [&run.reason, &run.removals_note].into_iter().flatten() {
            self.line(&format!("Note: {}.", paragraph(note).trim_end_matches('.')));
        }
    }

    fn table(&mut self, counts: &Counts) {
        let updated = of_updated(counts)
            .map(|kinds| format!("  ({kinds})"))
            .unwrap_or_default();
        self.row("added", counts.added, "");
        self.row("updated", counts.updated, &updated);
        for (count, word) in rest(counts) {
            self.row(word, count, "");
        }
        let gone = match counts.gone {
            0 => String::new(),
            gone => format!("  ({} of them no longer in the directory)", thousands(gone)),
        };
        self.row("users", counts.seen.saturating_add(counts.gone), &gone);
    }

    fn row(&mut self, word: &str, count: u32, remark: &str) {
        self.line(&format!("  {word:<10}{:>12}{remark}", thousands(count)));
    }

    /// What to do next, after a run that has a plan or an outcome.
    fn steps(&mut self, run: &EndedRun, console: Option<&str>) {
        self.gap();
        if run.ending == Ending::Planned {
            self.line(&format!("See the plan: rollcall run changes {}", run.id));
            self.line(&format!(
                "Apply it within a day, exactly as shown: rollcall run apply {} --wait",
                run.id
            ));
        } else if run.counts.held > 0 {
            let waiting = waiting(run.counts.held);
            self.line(&format!("{waiting}. {}", review_list(run)));
            self.link(console, "reviews");
        }
        if run.counts.failed > 0 {
            self.line(&format!("Who failed and why: rollcall run failed {}", run.id));
        }
        if console.is_none() {
            self.line(&format!("More: rollcall run show {}", run.id));
        }
        self.link(console, &format!("runs/{}", run.id));
    }

    fn done(self) -> String {
        self.0
    }
}

fn push(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).expect("a String takes everything");
}

/// Someone else's text within ours: line breaks stay, other control characters and direction marks become spaces.
fn paragraph(text: &str) -> String {
    let clean = text.replace(
        |c: char| (c.is_control() && c != '\n') || is_direction_mark(c),
        " ",
    );
    cut(clean.trim(), MAX_ERROR)
}

/// Unicode's bidirectional controls can make a line read as another one.
const fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
    }
}

/// `text` as one word of a command line.
fn shell_word(text: &str) -> String {
    let text = single_line(text);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        let shown: Vec<String> = [0, 999, 1_000, 12_345, 1_234_567, u32::MAX]
            .map(thousands)
            .to_vec();
        assert_eq!(
            shown,
            ["0", "999", "1,000", "12,345", "1,234,567", "4,294,967,295"]
        );
    }

    #[test]
    fn a_line_stays_one_line() {
        assert_eq!(
            single_line("a\r\nBcc: b@evil.example\u{202e}\0  c"),
            "a Bcc: b@evil.example c"
        );
        assert_eq!(single_line(&"é".repeat(300)).chars().count(), MAX_LINE);
    }

    #[test]
    fn a_name_is_one_word_on_the_command_line() {
        assert_eq!(shell_word("contoso-1"), "contoso-1");
        assert_eq!(shell_word("O'Hare; rm -rf"), r"'O'\''Hare; rm -rf'");
        assert_eq!(shell_word("--help"), "'--help'");
        assert_eq!(shell_word(""), "''");
    }
}
