//! `run changes`.

use clap::ValueEnum;
use clap::builder::RangedU64ValueParser;
use contracts::v1;

use crate::api::Api;
use crate::command::Session;
use crate::command::run::csv;
use crate::failure::Failure;
use crate::page;
use crate::show;
use crate::table::{Column, Table};
use crate::words;

/// Which run and which outcomes.
#[derive(clap::Args)]
#[command(after_help = "RULE is the overwrite rule, 1 to 6, by which the account was found.")]
pub struct Args {
    /// The run's id
    #[arg(value_parser = crate::command::id)]
    id: String,
    /// Only this outcome
    #[arg(long, value_enum)]
    outcome: Option<Outcome>,
    /// Only those with all these words in name or UPN, or this object id
    #[arg(long, value_name = "TEXT", default_value = "")]
    search: String,
    /// All of them as CSV, a line for each field that changes; safe to open in a spreadsheet
    #[arg(long, conflicts_with = "limit")]
    csv: bool,
    /// At most so many
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<u32>::new().range(1..))]
    limit: Option<u32>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Outcome {
    Added,
    Updated,
    Unchanged,
    Skipped,
    Removed,
    Held,
    Failed,
}

/// Lists them.
pub async fn run(session: &Session, args: Args) -> Result<(), Failure> {
    let outcome = args
        .outcome
        .map_or(v1::Outcome::Unspecified, |outcome| match outcome {
            Outcome::Added => v1::Outcome::Added,
            Outcome::Updated => v1::Outcome::Updated,
            Outcome::Unchanged => v1::Outcome::Unchanged,
            Outcome::Skipped => v1::Outcome::Skipped,
            Outcome::Removed => v1::Outcome::Removed,
            Outcome::Held => v1::Outcome::Held,
            Outcome::Failed => v1::Outcome::Failed,
        });
    let asked = v1::ListChangesRequest {
        run_id: args.id,
        outcome: outcome.into(),
        search: args.search,
        ..v1::ListChangesRequest::default()
    };
    let api = session.api().await?;
    if args.csv {
        return csv::print_all(&api, asked).await;
    }
    let answer = read(&api, &asked, args.limit).await?;
    session.output.answer(&answer, |answer| table(&answer.changes))?;
    page::say_if_cut(&answer.next_page_token, answer.changes.len());
    Ok(())
}

/// The changes of a run, all pages up to `limit`.
pub async fn read(
    api: &Api,
    asked: &v1::ListChangesRequest,
    limit: Option<u32>,
) -> Result<v1::ListChangesResponse, Failure> {
    let (changes, next_page_token) = page::read(limit, async |page_size, page_token| {
        let message = v1::ListChangesRequest {
            page_size,
            page_token,
            ..asked.clone()
        };
        let page = api
            .call(message, async |request| api.runs().list_changes(request).await)
            .await?;
        Ok((page.changes, page.next_page_token))
    })
    .await?;
    Ok(v1::ListChangesResponse {
        changes,
        next_page_token,
    })
}

/// One line per object, and one more per further field.
fn table(changes: &[v1::Change]) -> String {
    let mut table = Table::new(&[
        Column::Left("NAME"),
        Column::Left("UPN"),
        Column::Left("OUTCOME"),
        Column::Right("RULE"),
        Column::Left("APPLIED"),
        Column::Left("WHY"),
        Column::Left("FIELD"),
        Column::Left("OLD"),
        Column::Left("NEW"),
    ]);
    for change in changes {
        let mut head = [
            change.name.clone(),
            change.upn.clone(),
            outcome_of(change),
            if change.rule == 0 {
                String::new()
            } else {
                change.rule.to_string()
            },
            show::flag(change.applied).to_owned(),
            why(change),
        ];
        if change.fields.is_empty() {
            table.row(row(head, [String::new(), String::new(), String::new()]));
            continue;
        }
        for field in &change.fields {
            let [old, new] = [&field.old, &field.new].map(|value| value.clone().unwrap_or_default());
            table.row(row(head, [field.field.clone(), old, new]));
            head = <[String; 6]>::default();
        }
    }
    table.into_text("Nothing changed.")
}

fn row([name, upn, outcome, rule, applied, why]: [String; 6], [field, old, new]: [String; 3]) -> [String; 9] {
    [name, upn, outcome, rule, applied, why, field, old, new]
}

/// `removed: deactivate`, `added`.
fn outcome_of(change: &v1::Change) -> String {
    let outcome = words::outcome(change.outcome());
    if change.action.is_empty() {
        outcome
    } else {
        format!("{outcome}: {}", change.action.replace('_', " "))
    }
}

fn why(change: &v1::Change) -> String {
    let cause = change.cause.replace('_', " ");
    match (cause.as_str(), change.reason.as_str()) {
        ("", reason) => reason.to_owned(),
        (cause, "") => cause.to_owned(),
        // Some reasons begin with what they explain.
        (cause, reason) if reason.starts_with(cause) => reason.to_owned(),
        (cause, reason) => format!("{cause}; {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_shows_its_rule_and_every_field() {
        let field = |name: &str, old: Option<&str>| v1::FieldChange {
            field: name.to_owned(),
            old: old.map(str::to_owned),
            new: Some("b".to_owned()),
        };
        let change = v1::Change {
            name: "Ada".to_owned(),
            upn: "ada@contoso.com".to_owned(),
            outcome: v1::Outcome::Updated.into(),
            rule: 4,
            reason: "login name and domain".to_owned(),
            fields: vec![field("jobTitle", Some("a")), field("city", None)],
            ..v1::Change::default()
        };
        let text = table(&[change]);
        let lines: Vec<_> = text.lines().collect();
        assert!(
            lines[1].starts_with(
                "Ada   ada@contoso.com  updated     4  no       login name and domain  jobTitle"
            )
        );
        assert_eq!(lines[2].split_whitespace().collect::<Vec<_>>(), ["city", "b"]);
    }
}
