//! `audit`: who changed what about the configuration, and who purged records.

use chrono::{DateTime, NaiveDate, Utc};
use clap::Subcommand;
use clap::builder::RangedU64ValueParser;
use contracts::v1;
use prost_types::Timestamp;

use crate::command::Session;
use crate::failure::Failure;
use crate::page;
use crate::show;
use crate::table::{Column, Table};

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// List the entries, the latest first
    #[command(
        after_help = "Examples:\n  rollcall audit list --subject contoso --since 2026-11-01\n  rollcall audit list --actor ci --until 2026-11-21T12:00:00Z --output json"
    )]
    List {
        /// Only those about this name or id
        #[arg(long, value_name = "NAME", default_value = "")]
        subject: String,
        /// Only what this token did
        #[arg(long, value_name = "TOKEN", default_value = "")]
        actor: String,
        /// From this time on: a date, or a date and time with its zone
        #[arg(long, value_name = "TIME", value_parser = time)]
        since: Option<DateTime<Utc>>,
        /// Before this time
        #[arg(long, value_name = "TIME", value_parser = time)]
        until: Option<DateTime<Utc>>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = RangedU64ValueParser::<u32>::new().range(1..))]
        limit: u32,
    },
}

impl Command {
    /// Does it.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let Self::List {
            subject,
            actor,
            since,
            until,
            limit,
        } = self;
        let api = session.api().await?;
        let (entries, next_page_token) = page::read(Some(limit), async |page_size, page_token| {
            let message = v1::ListAuditEntriesRequest {
                subject: subject.clone(),
                actor: actor.clone(),
                since: since.map(timestamp),
                until: until.map(timestamp),
                page_size,
                page_token,
            };
            let page = api
                .call(message, async |request| {
                    api.audit().list_audit_entries(request).await
                })
                .await?;
            Ok((page.entries, page.next_page_token))
        })
        .await?;
        let answer = v1::ListAuditEntriesResponse {
            entries,
            next_page_token,
        };
        session.output.answer(&answer, |answer| table(&answer.entries))?;
        page::say_if_cut(&answer.next_page_token, answer.entries.len());
        Ok(())
    }
}

fn table(entries: &[v1::AuditEntry]) -> String {
    let mut table = Table::new(&[
        Column::Left("TIME"),
        Column::Left("ACTOR"),
        Column::Left("ACTION"),
        Column::Left("SUBJECT"),
        Column::Left("BEFORE"),
        Column::Left("AFTER"),
    ]);
    for entry in entries {
        table.row([
            show::time(entry.create_time.as_ref()),
            entry.actor.clone(),
            entry.action.clone(),
            entry.subject.clone(),
            entry.before.clone(),
            entry.after.clone(),
        ]);
    }
    table.into_text("Nothing was changed.")
}

fn timestamp(at: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: at.timestamp(),
        nanos: i32::try_from(at.timestamp_subsec_nanos()).unwrap_or_default(),
    }
}

fn time(text: &str) -> Result<DateTime<Utc>, String> {
    let day = || {
        let day: NaiveDate = text.parse().ok()?;
        Some(day.and_hms_opt(0, 0, 0)?.and_utc())
    };
    DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|at| at.to_utc())
        .or_else(day)
        .ok_or_else(|| "use a date such as 2026-11-21, or a time such as 2026-11-21T08:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates_or_times_with_a_zone() {
        let told = |text| time(text).map(|at| at.to_rfc3339());
        assert_eq!(told("2026-11-21").unwrap(), "2026-11-21T00:00:00+00:00");
        assert_eq!(
            told("2026-11-21T08:00:00+01:00").unwrap(),
            "2026-11-21T07:00:00+00:00"
        );
        for wrong in ["yesterday", "2026-11-21T08:00:00", "2026-13-01", ""] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
