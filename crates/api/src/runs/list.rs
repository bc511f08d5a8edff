//! Which runs a list is asked for.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::v1;
use prost_types::Timestamp;
use store::run_filter::{self, Filter};
use store::{Tx, run_view};

use crate::auth::Caller;
use crate::fault::Fault;
use crate::{lookup, view};

/// What is asked for, at `now`. A token of a page belongs to a list with the same [`name`].
pub async fn filter(
    tx: &mut Tx,
    caller: &Caller,
    request: &v1::ListRunsRequest,
    now: DateTime<Utc>,
) -> Result<Filter, Fault> {
    let from = match (time("from", request.from)?, request.since_seconds) {
        (Some(_), 1..) => {
            return Err(Fault::invalid(
                "sinceSeconds",
                "can't go with from; leave one of them out",
            ));
        }
        (from, 0) => from,
        (None, seconds) => Some(now - TimeDelta::seconds(seconds.into())),
    };
    let to = time("to", request.to)?;
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        return Err(Fault::invalid(
            "to",
            "is not after the time that the list begins with",
        ));
    }
    let organization = caller.organization();
    let runs = match request.person.trim() {
        "" => None,
        who => Some(run_filter::of_person(tx.connection(), organization, who).await?),
    };
    Ok(Filter {
        connection: lookup::connection_filter(tx, caller, &request.connection).await?,
        kinds: request
            .kinds
            .iter()
            .map(|number| {
                store::run::Kind::ALL
                    .into_iter()
                    .find(|kind| i32::from(view::run::kind(*kind)) == *number)
                    .ok_or_else(|| {
                        Fault::invalid("kinds", format!("{number} is none that this version knows"))
                    })
            })
            .collect::<Result<_, _>>()?,
        states: request
            .states
            .iter()
            .map(|number| {
                run_view::State::ALL
                    .into_iter()
                    .find(|state| i32::from(view::run::state(*state)) == *number)
                    .ok_or_else(|| {
                        Fault::invalid("states", format!("{number} is none that this version knows"))
                    })
            })
            .collect::<Result<_, _>>()?,
        trigger: Some(request.trigger.clone()).filter(|trigger| !trigger.is_empty()),
        from,
        to,
        with_failures: request.with_failures,
        with_changes: request.with_changes,
        runs,
    })
}

/// The list's name: what it is filtered by, so that a token of another list is refused.
pub fn name(request: &v1::ListRunsRequest) -> String {
    let asked = v1::ListRunsRequest {
        page_size: 0,
        page_token: String::new(),
        ..request.clone()
    };
    format!("runs of {asked:?}")
}

fn time(field: &'static str, timestamp: Option<Timestamp>) -> Result<Option<DateTime<Utc>>, Fault> {
    timestamp
        .map(|time| {
            u32::try_from(time.nanos)
                .ok()
                .and_then(|nanos| DateTime::from_timestamp(time.seconds, nanos))
                .ok_or_else(|| Fault::invalid(field, "is no time"))
        })
        .transpose()
}
