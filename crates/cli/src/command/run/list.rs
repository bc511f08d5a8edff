//! `run list`.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use clap::ValueEnum;
use clap::builder::RangedU64ValueParser;
use contracts::v1;
use prost_types::Timestamp;

use crate::command::Session;
use crate::command::run::card;
use crate::failure::Failure;
use crate::page;
use crate::show;
use crate::table::{Column, Table};
use crate::words;

/// Which runs.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  rollcall run list --connection contoso --since 7d --with-failures\n  \
    rollcall run list --person ada@contoso.com\n  rollcall run list --kind full --from 2026-11-01 --to 2026-12-01"
)]
pub struct Args {
    /// Only this connection's
    #[arg(long, value_name = "NAME", default_value = "")]
    connection: String,
    /// Only of this kind; may be given several times
    #[arg(long = "kind", value_enum, value_name = "KIND")]
    kinds: Vec<Kind>,
    /// Only in this state; may be given several times
    #[arg(long = "state", value_enum, value_name = "STATE")]
    states: Vec<State>,
    /// Only those set off by this: api, cli, console, schedule, or "schedule NAME" for one of several
    #[arg(long, value_name = "TRIGGER", default_value = "")]
    trigger: String,
    /// Only those asked for in the last so many minutes, hours, days or weeks: 30m, 12h, 7d, 2w
    #[arg(long, value_name = "TIME", value_parser = since, conflicts_with = "from")]
    since: Option<u32>,
    /// Only those asked for at this time or later: 2026-11-21, or 2026-11-21T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<DateTime<Utc>>,
    /// Only those asked for before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<DateTime<Utc>>,
    /// Only those that failed, or in which a record did
    #[arg(long)]
    with_failures: bool,
    /// Only those that added, updated or removed anyone, or would
    #[arg(long)]
    with_changes: bool,
    /// Only those that touched this person, by UPN, object id or account id
    #[arg(long, value_name = "PERSON", default_value = "")]
    person: String,
    /// At most so many
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<u32>::new().range(1..))]
    limit: Option<u32>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Full,
    Delta,
    Preview,
    Manual,
    Deprovision,
    Revert,
}

#[derive(Clone, Copy, ValueEnum)]
enum State {
    Requested,
    Fetching,
    Planning,
    Planned,
    Applying,
    Finished,
    Failed,
    Cancelled,
    Expired,
}

impl Args {
    fn request(&self) -> v1::ListRunsRequest {
        let time = |at: DateTime<Utc>| Timestamp {
            seconds: at.timestamp(),
            nanos: i32::try_from(at.timestamp_subsec_nanos()).unwrap_or(0),
        };
        v1::ListRunsRequest {
            connection: self.connection.clone(),
            kinds: self.kinds.iter().map(|kind| kind.message().into()).collect(),
            states: self.states.iter().map(|state| state.message().into()).collect(),
            trigger: self.trigger.clone(),
            from: self.from.map(time),
            to: self.to.map(time),
            since_seconds: self.since.unwrap_or(0),
            with_failures: self.with_failures,
            with_changes: self.with_changes,
            person: self.person.clone(),
            ..v1::ListRunsRequest::default()
        }
    }
}

impl Kind {
    const fn message(self) -> v1::RunKind {
        match self {
            Self::Full => v1::RunKind::Full,
            Self::Delta => v1::RunKind::Delta,
            Self::Preview => v1::RunKind::Preview,
            Self::Manual => v1::RunKind::Manual,
            Self::Deprovision => v1::RunKind::Deprovision,
            Self::Revert => v1::RunKind::Revert,
        }
    }
}

impl State {
    const fn message(self) -> v1::RunState {
        match self {
            Self::Requested => v1::RunState::Requested,
            Self::Fetching => v1::RunState::Fetching,
            Self::Planning => v1::RunState::Planning,
            Self::Planned => v1::RunState::Planned,
            Self::Applying => v1::RunState::Applying,
            Self::Finished => v1::RunState::Finished,
            Self::Failed => v1::RunState::Failed,
            Self::Cancelled => v1::RunState::Cancelled,
            Self::Expired => v1::RunState::Expired,
        }
    }
}

/// `7d` in seconds.
fn since(text: &str) -> Result<u32, String> {
    let wrong = || format!("{text:?} is no length of time; write 30m, 12h, 7d or 2w");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return Err(wrong()),
    };
    let number = text
        .strip_suffix(unit)
        .and_then(|number| number.parse::<u32>().ok());
    let seconds = number
        .filter(|number| *number > 0)
        .ok_or_else(wrong)?
        .checked_mul(seconds);
    seconds
        .ok_or_else(|| format!("{text:?} is longer than a run list goes back; leave it out for all of them"))
}

/// A day's beginning in UTC, or a time with its zone.
fn time(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .map_err(|_| format!("{text:?} is no time; write 2026-11-21, or 2026-11-21T08:00:00Z"))
}

/// Lists runs, the newest first.
pub async fn run(session: &Session, args: &Args) -> Result<(), Failure> {
    let api = session.api().await?;
    let (runs, next_page_token) = page::read(args.limit, async |page_size, page_token| {
        let message = v1::ListRunsRequest {
            page_size,
            page_token,
            ..args.request()
        };
        let page = api
            .call(message, async |request| api.runs().list_runs(request).await)
            .await?;
        Ok((page.runs, page.next_page_token))
    })
    .await?;
    let answer = v1::ListRunsResponse {
        runs,
        next_page_token,
    };
    session.output.answer(&answer, |answer| {
        if answer.runs.is_empty() && args.request() != v1::ListRunsRequest::default() {
            return "No run is like that.\n".to_owned();
        }
        table(&answer.runs)
    })?;
    page::say_if_cut(&answer.next_page_token, answer.runs.len());
    Ok(())
}

/// A line for each run.
pub fn table(runs: &[v1::Run]) -> String {
    let mut table = Table::new(&[
        Column::Left("ID"),
        Column::Left("CONNECTION"),
        Column::Left("KIND"),
        Column::Left("STATE"),
        Column::Left("CREATED"),
        Column::Right("TOOK"),
        Column::Right("SEEN"),
        Column::Right("GONE"),
        Column::Right("ADDED"),
        Column::Right("UPDATED"),
        Column::Right("UNCHANGED"),
        Column::Right("SKIPPED"),
        Column::Right("REMOVED"),
        Column::Right("HELD"),
        Column::Right("FAILED"),
    ]);
    for run in runs {
        let counts = run.counts.unwrap_or_default();
        table.row([
            run.id.clone(),
            run.connection.clone(),
            card::kind(run),
            words::run_state(run.state()),
            show::time(run.create_time.as_ref()),
            show::duration(run.start_time.as_ref(), run.end_time.as_ref()),
            show::count(counts.seen),
            show::count(counts.gone),
            show::count(counts.added),
            show::count(counts.updated),
            show::count(counts.unchanged),
            show::count(counts.skipped),
            show::count(counts.removed),
            show::count(counts.held),
            show::count(counts.failed),
        ]);
    }
    table.into_text("No runs yet. Start one with `rollcall run start CONNECTION --kind full`.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(
            ["30m", "12h", "7d", "2w"].map(|text| since(text).unwrap()),
            [1_800, 43_200, 604_800, 1_209_600]
        );
        for wrong in ["", "d", "7", "0d", "-1d", "7 d", "7y", "1.5h", "ü"] {
            assert!(since(wrong).unwrap_err().contains("write 30m"), "{wrong}");
        }
        assert!(since("9999w").unwrap_err().contains("longer"));
        assert_eq!(
            time("2026-11-21").unwrap().to_rfc3339(),
            "2026-11-21T00:00:00+00:00"
        );
        assert_eq!(
            time("2026-11-21T08:00:00+02:00").unwrap().to_rfc3339(),
            "2026-11-21T06:00:00+00:00"
        );
        assert!(time("yesterday").unwrap_err().contains("write 2026-11-21"));
    }
}
