//! `schedule`: when runs come by themselves.

use clap::{Subcommand, ValueEnum};
use contracts::v1;

use crate::api::idempotency_key;
use crate::command::Session;
use crate::failure::Failure;
use crate::page;
use crate::show;
use crate::table::{Card, Column, Table};
use crate::words;

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// List schedules with what comes next
    List {
        /// Only of this connection
        #[arg(long, value_name = "NAME", default_value = "")]
        connection: String,
    },
    /// Show one schedule with what comes next, and what came of the last times
    Show {
        /// Name or id
        name: String,
    },
    /// Switch a schedule on: full runs, and the deltas between them
    #[command(
        after_help = "When runs come is written in its document of kind Schedule; see `rollcall apply --help`."
    )]
    On {
        /// Name or id
        name: String,
        /// Switch this part instead
        #[arg(long)]
        only: Option<Part>,
    },
    /// Switch a schedule off: no full runs and no deltas; when they would come is kept
    #[command(after_help = "Nightly deprovisions are a toggle of their own: --only deprovision.")]
    Off {
        /// Name or id
        name: String,
        /// Switch this part instead
        #[arg(long)]
        only: Option<Part>,
    },
}

/// What of a schedule can be switched for itself.
#[derive(Clone, Copy, ValueEnum)]
pub enum Part {
    /// The deltas between full runs
    Delta,
    /// The nightly runs that deal with leavers alone
    Deprovision,
}

impl Command {
    /// Does it.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::List { connection } => list(session, &connection).await,
            Self::Show { name } => show_one(session, name).await,
            Self::On { name, only } => switch(session, name, only, true).await,
            Self::Off { name, only } => switch(session, name, only, false).await,
        }
    }
}

async fn list(session: &Session, connection: &str) -> Result<(), Failure> {
    let api = session.api().await?;
    let (schedules, next_page_token) = page::read(None, async |page_size, page_token| {
        let message = v1::ListSchedulesRequest {
            connection: connection.to_owned(),
            page_size,
            page_token,
        };
        let page = api
            .call(message, async |request| {
                api.schedules().list_schedules(request).await
            })
            .await?;
        Ok((page.schedules, page.next_page_token))
    })
    .await?;
    let answer = v1::ListSchedulesResponse {
        schedules,
        next_page_token,
    };
    session.output.answer(&answer, |answer| {
        let mut table = Table::new(&[
            Column::Left("NAME"),
            Column::Left("CONNECTION"),
            Column::Left("WHEN"),
            Column::Left("NEXT FULL"),
            Column::Left("NEXT DELTA"),
            Column::Left("NEXT DEPROVISION"),
            Column::Left("WAITS BECAUSE"),
        ]);
        for schedule in &answer.schedules {
            table.row([
                schedule.name.clone(),
                schedule.connection.clone(),
                schedule.description.clone(),
                show::time(schedule.next_full_time.as_ref()),
                show::time(schedule.next_delta_time.as_ref()),
                show::time(schedule.next_deprovision_time.as_ref()),
                schedule.waits_because.clone(),
            ]);
        }
        table.into_text(
            "No schedules: runs come by hand. Add a document of kind Schedule with `rollcall apply -f FILE`.",
        )
    })
}

async fn show_one(session: &Session, name: String) -> Result<(), Failure> {
    let api = session.api().await?;
    let message = v1::GetScheduleRequest { schedule: name };
    let answer = api
        .call(message, async |request| {
            api.schedules().get_schedule(request).await
        })
        .await?;
    session.output.answer(&answer, card)
}

async fn switch(session: &Session, name: String, only: Option<Part>, on: bool) -> Result<(), Failure> {
    let api = session.api().await?;
    let switch = |part: bool| part.then_some(on);
    let message = v1::SwitchScheduleRequest {
        schedule: name,
        on: switch(only.is_none()),
        delta: switch(matches!(only, Some(Part::Delta))),
        deprovision: switch(matches!(only, Some(Part::Deprovision))),
        idempotency_key: idempotency_key(),
    };
    let answer = api
        .call(message, async |request| {
            api.schedules().switch_schedule(request).await
        })
        .await?;
    session.output.answer(&answer, card)
}

fn card(schedule: &v1::Schedule) -> String {
    let mut text = Card::default()
        .line("Name", schedule.name.as_str())
        .line("Id", schedule.id.as_str())
        .line("Connection", schedule.connection.as_str())
        .line("When", schedule.description.as_str())
        .line("Waits because", schedule.waits_because.as_str())
        .line("Next full", show::time(schedule.next_full_time.as_ref()))
        .line("Next delta", show::time(schedule.next_delta_time.as_ref()))
        .line(
            "Next deprovision",
            show::time(schedule.next_deprovision_time.as_ref()),
        )
        .into_text();
    if schedule.last_times.is_empty() {
        return text;
    }
    let mut table = Table::new(&[
        Column::Left("TIME"),
        Column::Left("KIND"),
        Column::Right("MISSED"),
        Column::Left("RUN"),
        Column::Left("SKIPPED BECAUSE"),
    ]);
    for time in &schedule.last_times {
        table.row([
            show::time(time.time.as_ref()),
            words::run_kind(time.kind()),
            match time.missed {
                0 => String::new(),
                missed => show::count(missed),
            },
            time.run_id.clone(),
            time.skipped_because.clone(),
        ]);
    }
    text.push('\n');
    text.push_str(&table.into_text(""));
    text
}
