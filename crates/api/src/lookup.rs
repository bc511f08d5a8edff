//! Finding what a request names.

use std::str::FromStr;

use domain::id::{ConnectionId, CredentialId, RunId, ScheduleId};
use store::connection::{self, Connection};
use store::run_view::{self, RunView};
use store::schedule::{self, Stored};
use store::schedule_slot::{self, InTheWay};
use store::{
    Tx, connection_health, connection_status, connection_view, credential, credential_expiry, schedule_state,
};

use crate::app::App;
use crate::auth::Caller;
use crate::fault::Fault;
use crate::view::connection::Known;
use crate::view::schedule::Planned;

/// The caller's connection of this name or id, or a fault that names the ones there are.
pub async fn connection(tx: &mut Tx, caller: &Caller, name_or_id: &str) -> Result<Connection, Fault> {
    if name_or_id.is_empty() {
        return Err(Fault::invalid(
            "connection",
            "is missing; give a connection's name or id",
        ));
    }
    if let Some(found) = connection::find_by_name(tx.connection(), caller.organization(), name_or_id).await? {
        return Ok(found);
    }
    let names = connection::names(tx.connection(), caller.organization()).await?;
    let hint = if names.is_empty() {
        "; there is none yet: make one with rollcall apply -f FILE".to_owned()
    } else {
        format!("; there are: {}", names.join(", "))
    };
    Err(Fault::NotFound {
        what: "connection",
        name: name_or_id.to_owned(),
        hint,
    })
}

/// The connection that a list is to be narrowed to, if any is named.
pub async fn connection_filter(
    tx: &mut Tx,
    caller: &Caller,
    name_or_id: &str,
) -> Result<Option<ConnectionId>, Fault> {
    if name_or_id.is_empty() {
        return Ok(None);
    }
    Ok(Some(connection(tx, caller, name_or_id).await?.id))
}

/// The caller's schedule of this name or id, or a fault that names the ones there are.
pub async fn schedule(tx: &mut Tx, caller: &Caller, name_or_id: &str) -> Result<Stored, Fault> {
    const NAMED: i64 = 20;
    if name_or_id.is_empty() {
        return Err(Fault::invalid(
            "schedule",
            "is missing; give a schedule's name or id",
        ));
    }
    let organization = caller.organization();
    if let Some(found) = schedule::find_by_name(tx.connection(), organization, name_or_id).await? {
        return Ok(found);
    }
    let there = schedule::list(tx.connection(), organization, None, None, NAMED).await?;
    let hint = if there.is_empty() {
        "; there is none yet: make one with rollcall apply -f FILE".to_owned()
    } else {
        let names: Vec<String> = there.into_iter().map(|stored| stored.name).collect();
        format!("; there are: {} (see rollcall schedule list)", names.join(", "))
    };
    Err(Fault::NotFound {
        what: "schedule",
        name: name_or_id.to_owned(),
        hint,
    })
}

/// These connections with what goes with them, in the same order.
pub async fn known(tx: &mut Tx, connections: Vec<Connection>) -> Result<Vec<Known>, Fault> {
    let ids: Vec<ConnectionId> = connections.iter().map(|connection| connection.id).collect();
    let mut statuses = connection_status::of_connections(tx.connection(), &ids).await?;
    let mut healths = connection_health::of_connections(tx.connection(), &ids).await?;
    let used: Vec<CredentialId> = connections.iter().filter_map(|of| of.credential).collect();
    let credentials = credential::of_ids(tx.connection(), &used).await?;
    let read = credential_expiry::of_credentials(tx.connection(), &used).await?;
    let mut facts = connection_view::of_connections(tx.connection(), &ids).await?;
    let schedules = schedule::of_connections(tx.connection(), &ids).await?;
    let mut schedules = planned(tx, schedules).await?;
    let mut known = Vec::with_capacity(connections.len());
    for connection in connections {
        // One deleted in between is left out.
        let Some(index) = facts.iter().position(|facts| facts.connection == connection.id) else {
            continue;
        };
        let status = statuses.iter().position(|(id, _)| *id == connection.id);
        let health = healths
            .iter()
            .position(|health| health.connection == connection.id);
        let credential = connection
            .credential
            .and_then(|id| credentials.iter().find(|credential| credential.id == id))
            .map(|credential| {
                let read = read.iter().find(|read| read.credential == credential.id);
                (credential.clone(), read.cloned())
            });
        let schedule = schedules
            .iter()
            .position(|planned| planned.stored.connection == connection.id);
        known.push(Known {
            credential,
            schedule: schedule.map(|index| schedules.swap_remove(index)),
            facts: facts.swap_remove(index),
            status: status.map(|index| statuses.swap_remove(index).1),
            health: health.map(|index| healths.swap_remove(index)),
            connection,
        });
    }
    Ok(known)
}

/// These schedules with what comes next, in the same order.
pub async fn planned(tx: &mut Tx, rows: Vec<Stored>) -> Result<Vec<Planned>, Fault> {
    let ids: Vec<ScheduleId> = rows.iter().map(|row| row.id).collect();
    let mut states = schedule_state::of_schedules(tx.connection(), &ids).await?;
    let of: Vec<ConnectionId> = rows.iter().map(|row| row.connection).collect();
    let known = schedule_slot::in_the_way(tx.connection(), &of).await?;
    let planned = rows.into_iter().map(|stored| {
        let state = states.iter().position(|state| state.schedule == stored.id);
        Planned {
            state: state.map(|index| states.swap_remove(index)),
            in_the_way: known
                .iter()
                .find(|known| known.connection() == stored.connection)
                .cloned()
                .unwrap_or_else(|| InTheWay::gone(stored.connection)),
            stored,
        }
    });
    Ok(planned.collect())
}

/// The caller's run of this id.
pub async fn run(app: &App, caller: &Caller, id: &str) -> Result<RunView, Fault> {
    let id = parse::<RunId>("runId", id)?;
    tracing::Span::current().record("run.id", tracing::field::display(id));
    let mut connection = app.store.connection().await?;
    run_view::find(&mut connection, caller.organization(), id)
        .await?
        .ok_or_else(|| no_run(id))
}

/// That nothing has this id.
pub fn no_run(id: RunId) -> Fault {
    Fault::NotFound {
        what: "run",
        name: id.to_string(),
        hint: "; list runs with rollcall run list".to_owned(),
    }
}

/// An id in the field `path`.
pub fn parse<T: FromStr>(path: &str, id: &str) -> Result<T, Fault> {
    id.trim().parse().map_err(|_| {
        let problem = if id.is_empty() {
            "is missing"
        } else {
            "is not an id (a UUID)"
        };
        Fault::invalid(path, problem)
    })
}
