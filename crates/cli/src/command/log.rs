//! `log`: what was done to many records at once.

use clap::builder::RangedU64ValueParser;
use clap::{Subcommand, ValueEnum};
use contracts::v1;

use crate::command::Session;
use crate::failure::Failure;
use crate::output::print;
use crate::page;
use crate::show;
use crate::table::{Card, Column, Table};
use crate::words;

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// List the entries, the latest first
    List {
        /// Only those about this connection
        #[arg(long, value_name = "NAME", default_value = "")]
        connection: String,
        /// Only those of this kind
        #[arg(long, value_enum)]
        kind: Option<Kind>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = RangedU64ValueParser::<u32>::new().range(1..))]
        limit: u32,
    },
    /// Show one entry
    #[command(after_help = "Examples:\n  rollcall log show 0198… --csv > removed.csv")]
    Show {
        /// The entry's id
        #[arg(value_parser = super::id)]
        id: String,
        /// Only the CSV that says whom it is about; safe to open in a spreadsheet
        #[arg(long)]
        csv: bool,
    },
}

/// What was done.
#[derive(Clone, Copy, ValueEnum)]
pub enum Kind {
    /// Runs removed by themselves
    Removals,
    /// People decided on reviews
    Reviews,
    /// The last asset of a leaver was returned
    Returned,
    /// People had records removed for good
    Purge,
}

impl Command {
    /// Does it.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::List {
                connection,
                kind,
                limit,
            } => list(session, &connection, kind, limit).await,
            Self::Show { id, csv } => show_one(session, id, csv).await,
        }
    }
}

async fn list(session: &Session, connection: &str, kind: Option<Kind>, limit: u32) -> Result<(), Failure> {
    let kind = match kind {
        None => v1::LogEntryKind::Unspecified,
        Some(Kind::Removals) => v1::LogEntryKind::Removals,
        Some(Kind::Reviews) => v1::LogEntryKind::Reviews,
        Some(Kind::Returned) => v1::LogEntryKind::Returned,
        Some(Kind::Purge) => v1::LogEntryKind::Purge,
    };
    let api = session.api().await?;
    let (entries, next_page_token) = page::read(Some(limit), async |page_size, page_token| {
        let message = v1::ListEntriesRequest {
            connection: connection.to_owned(),
            kind: kind.into(),
            page_size,
            page_token,
        };
        let page = api
            .call(message, async |request| {
                api.system_log().list_entries(request).await
            })
            .await?;
        Ok((page.entries, page.next_page_token))
    })
    .await?;
    let answer = v1::ListEntriesResponse {
        entries,
        next_page_token,
    };
    session.output.answer(&answer, |answer| {
        let mut table = Table::new(&[
            Column::Left("ID"),
            Column::Left("TIME"),
            Column::Left("KIND"),
            Column::Left("WHAT"),
            Column::Left("BY"),
            Column::Left("CONNECTION"),
            Column::Right("RECORDS"),
        ]);
        for entry in &answer.entries {
            table.row([
                entry.id.clone(),
                show::time(entry.create_time.as_ref()),
                kind_word(entry),
                entry.title.clone(),
                entry.actor.clone(),
                entry.connection.clone(),
                show::count(entry.records),
            ]);
        }
        table.into_text("The system log is empty.")
    })?;
    page::say_if_cut(&answer.next_page_token, answer.entries.len());
    Ok(())
}

async fn show_one(session: &Session, entry_id: String, csv: bool) -> Result<(), Failure> {
    let api = session.api().await?;
    let message = v1::GetEntryRequest { entry_id };
    let answer = api
        .call(message, async |request| api.system_log().get_entry(request).await)
        .await?;
    if csv {
        return print(&answer.csv);
    }
    session.output.answer(&answer, |answer| {
        let entry = answer.entry.clone().unwrap_or_default();
        Card::default()
            .line("Id", entry.id.as_str())
            .line("Time", show::time(entry.create_time.as_ref()))
            .line("Kind", kind_word(&entry))
            .line("What", entry.title.as_str())
            .line("By", entry.actor.as_str())
            .line("Connection", entry.connection.as_str())
            .line("Run", entry.run_id.as_str())
            .line("Records", show::count(entry.records))
            .line("In the CSV", show::count(entry.listed))
            .into_text()
    })
}

fn kind_word(entry: &v1::LogEntry) -> String {
    words::plain(entry.kind().as_str_name(), "LOG_ENTRY_KIND_")
}
