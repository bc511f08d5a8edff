//! `failed`: records that could not be brought in step, as a work list.

use clap::builder::RangedU64ValueParser;
use clap::{Args, Subcommand};
use contracts::v1;

use crate::api::{Api, idempotency_key};
use crate::command::Session;
use crate::command::run::{list as runs, wait};
use crate::failure::Failure;
use crate::page;
use crate::show;
use crate::table::{Column, Table};

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// List records that failed in the last run that looked at them
    List {
        /// Only this connection's
        #[arg(long, value_name = "NAME", default_value = "")]
        connection: String,
        /// At most so many
        #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<u32>::new().range(1..))]
        limit: Option<u32>,
    },
    /// Read records again, and decide them anew
    #[command(
        after_help = "Examples:\n  rollcall failed retry 6ea91a8d-e32e-41a1-b7bd-d2d185eed0e0 --wait\n  rollcall failed retry --all --connection contoso --wait"
    )]
    Retry {
        #[command(flatten)]
        which: Retried,
        /// Only this connection's
        #[arg(long, value_name = "NAME", default_value = "")]
        connection: String,
        /// Follow it to its end
        #[arg(long)]
        wait: bool,
        /// Exit with 1 when some failed again
        #[arg(long, requires = "wait")]
        strict: bool,
    },
    /// Tell nobody of these until they stop failing; they stay listed
    Ignore {
        /// Object ids
        #[arg(required = true, value_name = "ID", value_parser = super::id)]
        ids: Vec<String>,
        /// Only this connection's
        #[arg(long, value_name = "NAME", default_value = "")]
        connection: String,
        /// Why; kept with the records
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

/// Which records are read again.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct Retried {
    /// Object ids
    #[arg(value_name = "ID", value_parser = super::id)]
    ids: Vec<String>,
    /// All that nobody said to ignore, a thousand at once
    #[arg(long)]
    all: bool,
}

impl Command {
    /// Does it.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::List { connection, limit } => list(session, &connection, limit).await,
            Self::Retry {
                which,
                connection,
                wait,
                strict,
            } => {
                let message = v1::RetryFailedRecordsRequest {
                    object_ids: which.ids,
                    all: which.all,
                    connection,
                    idempotency_key: idempotency_key(),
                    trigger: "cli".to_owned(),
                };
                retry(session, message, wait, strict).await
            }
            Self::Ignore {
                ids,
                connection,
                reason,
            } => {
                let message = v1::IgnoreFailedRecordsRequest {
                    object_ids: ids,
                    connection,
                    reason,
                    idempotency_key: idempotency_key(),
                };
                ignore(session, message).await
            }
        }
    }
}

async fn list(session: &Session, connection: &str, limit: Option<u32>) -> Result<(), Failure> {
    let api = session.api().await?;
    let (failed_records, next_page_token) = page::read(limit, async |page_size, page_token| {
        let message = v1::ListFailedRecordsRequest {
            connection: connection.to_owned(),
            page_size,
            page_token,
        };
        let page = api
            .call(message, async |request| {
                api.failed_records().list_failed_records(request).await
            })
            .await?;
        Ok((page.failed_records, page.next_page_token))
    })
    .await?;
    let answer = v1::ListFailedRecordsResponse {
        failed_records,
        next_page_token,
    };
    session
        .output
        .answer(&answer, |answer| table(&answer.failed_records))?;
    page::say_if_cut(&answer.next_page_token, answer.failed_records.len());
    Ok(())
}

fn table(records: &[v1::FailedRecord]) -> String {
    let mut table = Table::new(&[
        Column::Left("ID"),
        Column::Left("CONNECTION"),
        Column::Left("NAME"),
        Column::Left("UPN"),
        Column::Left("WHY"),
        Column::Right("TIMES"),
        Column::Left("SINCE"),
        Column::Left("LAST"),
        Column::Left("IGNORED"),
    ]);
    for record in records {
        table.row([
            record.object_id.clone(),
            record.connection.clone(),
            record.name.clone(),
            record.upn.clone(),
            record.reason.clone(),
            show::count(record.attempts),
            show::time(record.first_fail_time.as_ref()),
            show::time(record.last_fail_time.as_ref()),
            ignored(record),
        ]);
    }
    table.into_text("Nothing has failed.")
}

fn ignored(record: &v1::FailedRecord) -> String {
    match record.ignore_time {
        None => String::new(),
        Some(_) => format!("by {}: {}", record.ignored_by, record.ignore_reason),
    }
}

async fn retry(
    session: &Session,
    message: v1::RetryFailedRecordsRequest,
    wait: bool,
    strict: bool,
) -> Result<(), Failure> {
    let api = session.api().await?;
    let mut answer = api
        .call(message, async |request| {
            api.failed_records().retry_failed_records(request).await
        })
        .await?;
    if answer.runs.is_empty() {
        eprintln!("Nothing has failed that nobody said to ignore.");
    }
    if wait {
        answer.runs = follow_all(&api, answer.runs).await?;
    }
    session
        .output
        .answer(&answer, |answer| runs::table(&answer.runs))?;
    if !wait {
        return Ok(());
    }
    let concluded: Vec<_> = answer
        .runs
        .iter()
        .map(|run| wait::conclude_manual(run, strict))
        .collect();
    concluded.into_iter().collect()
}

async fn follow_all(api: &Api, runs: Vec<v1::Run>) -> Result<Vec<v1::Run>, Failure> {
    let mut ended = Vec::with_capacity(runs.len());
    for run in runs {
        ended.push(wait::follow(api, run, wait::Until::Applied).await?);
    }
    Ok(ended)
}

/// What could not be ignored is told and makes the command fail.
async fn ignore(session: &Session, message: v1::IgnoreFailedRecordsRequest) -> Result<(), Failure> {
    let api = session.api().await?;
    let answer = api
        .call(message, async |request| {
            api.failed_records().ignore_failed_records(request).await
        })
        .await?;
    session.output.answer(&answer, |answer| {
        let mut table = Table::new(&[
            Column::Left("ID"),
            Column::Left("IGNORED"),
            Column::Left("WHY NOT"),
        ]);
        for result in &answer.results {
            table.row([
                result.object_id.clone(),
                show::flag(result.ignored).to_owned(),
                result.message.clone(),
            ]);
        }
        table.into_text("Nothing was asked for.")
    })?;
    if answer.results.iter().all(|result| result.ignored) {
        Ok(())
    } else {
        Err(Failure::Told)
    }
}
