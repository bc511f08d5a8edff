//! `account explain`: why a person is in the register as they are, and what a sync would do now.

use std::fmt::Write as _;

use contracts::v1;

use crate::command::Session;
use crate::command::link::how;
use crate::failure::Failure;
use crate::show::{self, escape};
use crate::table::{Card, Column, Table};
use crate::words;

/// Does it.
pub async fn run(session: &Session, person: String, connection: String) -> Result<(), Failure> {
    let api = session.api().await?;
    let message = v1::ExplainAccountRequest { person, connection };
    let answer = api
        .call(message, async |request| {
            api.accounts().explain_account(request).await
        })
        .await?;
    session.output.answer(&answer, text)
}

/// A section for each question, told in the order in which they are decided.
fn text(answer: &v1::ExplainAccountResponse) -> String {
    let mut text = who(answer);
    let explanation = answer.explanation.clone().unwrap_or_default();
    if !answer.problem.is_empty() {
        section(
            &mut text,
            "Not explained",
            &format!("{}\n", escape(&answer.problem)),
        );
    }
    if !explanation.never_touch.is_empty() {
        let kept = format!("No sync touches them: {}\n", escape(&explanation.never_touch));
        section(&mut text, "Never-touch list", &kept);
    }
    if !explanation.mappings.is_empty() {
        section(&mut text, "In scope", &scope(&explanation.mappings));
    }
    if !explanation.rules.is_empty() {
        section(&mut text, "Which account", &rules(&explanation.rules));
    }
    if let Some(now) = &explanation.now {
        section(&mut text, "What a sync would do now", &change(now));
    }
    section(&mut text, "Who keeps which field", &fields(&explanation.fields));
    section(&mut text, "What happened", &history(&answer.history));
    text
}

fn section(text: &mut String, title: &str, body: &str) {
    let _ = write!(text, "\n{title}\n{}\n{body}", "-".repeat(title.len()));
}

fn who(answer: &v1::ExplainAccountResponse) -> String {
    let account = answer.account.clone().unwrap_or_default();
    let directory = answer.directory.clone().unwrap_or_default();
    let there = match directory.presence() {
        v1::DirectoryPresence::Present => format!("{} ({})", directory.name, directory.upn),
        v1::DirectoryPresence::NotFound => {
            "not among its users: deleted, or never there; the next full run tells which".to_owned()
        }
        v1::DirectoryPresence::Unspecified => format!("not read: {}", directory.problem),
    };
    let registered = if account.id.is_empty() {
        "not in the register".to_owned()
    } else {
        let status = words::plain(account.status().as_str_name(), "ACCOUNT_STATUS_");
        format!("{} ({}, {status})", account.name, words::role(account.role()))
    };
    let link = answer.link.clone().unwrap_or_default();
    Card::default()
        .line("Account", registered)
        .line("Account id", account.id.as_str())
        .line("Connection", answer.connection.as_str())
        .line("In the directory", there)
        .line("Object id", directory.object_id.as_str())
        .line("In Entra", words::integration(link.status()))
        .line("Linked", show::time(link.link_time.as_ref()))
        .line("Linked how", how(&link))
        .line("Linked by run", link.run_id.as_str())
        .into_text()
}

fn scope(mappings: &[v1::MappingAnswer]) -> String {
    let mut text = String::new();
    for mapping in mappings {
        let decides = if mapping.decides { ", and decides" } else { "" };
        let verdict = match mapping.verdict() {
            v1::Verdict::Holds => "takes them in",
            v1::Verdict::DoesNotHold => "does not take them in",
            v1::Verdict::Unknown => "can't tell",
            v1::Verdict::NotAsked | v1::Verdict::Unspecified => "not asked",
        };
        let _ = writeln!(text, "{}: {verdict}{decides}", escape(&mapping.mapping));
        if mapping.filters.is_empty() {
            text.push_str("  it has no criteria: everyone\n");
        }
        for (number, filter) in (1..).zip(&mapping.filters) {
            let decides = if filter.decides { ", and decides" } else { "" };
            let _ = writeln!(text, "  filter {number}: {}{decides}", holds(filter.verdict()));
            for clause in &filter.clauses {
                let decides = if clause.decides { ", and decides" } else { "" };
                let (clause, verdict) = (escape(&clause.clause), holds(clause.verdict()));
                let _ = writeln!(text, "    {clause}: {verdict}{decides}");
            }
        }
    }
    text
}

const fn holds(verdict: v1::Verdict) -> &'static str {
    match verdict {
        v1::Verdict::Holds => "holds",
        v1::Verdict::DoesNotHold => "does not hold",
        v1::Verdict::Unknown => "can't be told",
        v1::Verdict::NotAsked | v1::Verdict::Unspecified => "not asked",
    }
}

fn rules(rules: &[v1::RuleAnswer]) -> String {
    let mut text = String::new();
    for rule in rules {
        let decides = if rule.decides { " — decides" } else { "" };
        let _ = writeln!(text, "rule {}: {}{decides}", rule.rule, rule.name);
        if !rule.note.is_empty() {
            let _ = writeln!(text, "  {}", rule.note);
        }
        for key in rule.keys.iter().filter(|key| !key.value.is_empty()) {
            let (source, value) = (escape(&key.source), escape(&key.value));
            let _ = writeln!(text, "  {source} {value:?} against {}", key.field);
        }
        for candidate in &rule.candidates {
            let label = escape(&candidate.label);
            let why = if candidate.won {
                "this one".to_owned()
            } else {
                escape(&candidate.reason)
            };
            let _ = writeln!(text, "  {label} ({}): {why}", candidate.account_id);
        }
    }
    text
}

fn change(change: &v1::Change) -> String {
    let mut text = words::outcome(change.outcome());
    for (before, part) in [
        (", ", change.action.as_str()),
        (" because ", change.cause.as_str()),
        (": ", change.reason.as_str()),
    ] {
        if !part.is_empty() {
            text.push_str(before);
            text.push_str(&escape(&part.replace('_', " ")));
        }
    }
    text.push('\n');
    for field in &change.fields {
        let value = |value: &Option<String>| match value {
            Some(value) => format!("{:?}", escape(value)),
            None => "nothing".to_owned(),
        };
        let _ = writeln!(
            text,
            "  {}: {} → {}",
            field.field,
            value(&field.old),
            value(&field.new)
        );
    }
    text
}

fn fields(fields: &[v1::FieldSource]) -> String {
    let mut table = Table::whole(&[
        Column::Left("FIELD"),
        Column::Left("VALUE"),
        Column::Left("KEPT BY"),
        Column::Left("FROM"),
        Column::Left("AUTHORITY"),
    ]);
    for field in fields {
        let keeper = if field.locked {
            format!("{} / {}", field.connection, field.mapping)
        } else {
            "the register".to_owned()
        };
        table.row([
            field.field.clone(),
            field.value.clone(),
            keeper,
            field.source.clone(),
            field.authority.clone(),
        ]);
    }
    table.into_text("No mapping feeds them: what people enter in the register stays.")
}

fn history(entries: &[v1::HistoryEntry]) -> String {
    let mut text = String::new();
    for entry in entries {
        let kind = words::run_kind(entry.run_kind());
        let time = show::time(entry.time.as_ref());
        let _ = writeln!(
            text,
            "{time}  {kind} run {} of {}",
            entry.run_id,
            escape(&entry.connection)
        );
        let told = entry.change.as_ref().map(change).unwrap_or_default();
        for line in told.lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    if text.is_empty() {
        text.push_str("No run has changed them.\n");
    }
    text
}
