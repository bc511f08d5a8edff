//! Switching a schedule on and off, without its document (R3, D7).

use contracts::v1;
use domain::schedule::Schedule;
use store::schedule::{self, Stored};
use store::{Tx, audit, connection, organization};

use super::properties;
use crate::app::App;
use crate::auth::Caller;
use crate::fault::Fault;
use crate::lookup;
use crate::once::Key;

/// Switches what the request names. What is so already is answered as it is.
pub async fn switch(
    app: &App,
    caller: &Caller,
    request: v1::SwitchScheduleRequest,
) -> Result<v1::Schedule, Fault> {
    let key = Key::of(caller, "SwitchSchedule", &request.idempotency_key, &request)?;
    let mut tx = app.store.begin("schedule.switch").await?;
    if let Some(answer) = key.claim(app, &mut tx).await? {
        return Ok(answer);
    }
    // As whoever applies documents does: nobody writes what another one has just changed.
    organization::lock(tx.connection(), caller.organization()).await?;
    let mut stored = lookup::schedule(&mut tx, caller, &request.schedule).await?;
    let wanted = switched(&stored.schedule, &request)?;
    let names = connection::names_of(tx.connection(), [stored.connection]).await?;
    let of = names.first().map_or("", |of| &of.name);
    if wanted != stored.schedule {
        stored = write(app, caller, &mut tx, (stored, wanted), of).await?;
    }
    let planned = lookup::planned(&mut tx, vec![stored]).await?.pop();
    let planned = planned.ok_or(Fault::Internal("a schedule vanished while it was switched"))?;
    let answer = planned.message(of, app.clock.now());
    key.answer(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

fn switched(stored: &Schedule, request: &v1::SwitchScheduleRequest) -> Result<Schedule, Fault> {
    if (request.on, request.delta, request.deprovision) == (None, None, None) {
        return Err(Fault::invalid(
            "on",
            "is missing, and so are delta and deprovision; say what to switch, true for on or false for off",
        ));
    }
    let mut wanted = stored.clone();
    wanted.on = request.on.unwrap_or(stored.on);
    wanted.delta.on = request.delta.unwrap_or(stored.delta.on);
    wanted.deprovision.on = request.deprovision.unwrap_or(stored.deprovision.on);
    if wanted.on && wanted.full.is_none() {
        return Err(Fault::invalid(
            "on",
            "needs to know when: apply the schedule's document with frequency: and start: first",
        ));
    }
    Ok(wanted)
}

async fn write(
    app: &App,
    caller: &Caller,
    tx: &mut Tx,
    (stored, wanted): (Stored, Schedule),
    of: &str,
) -> Result<Stored, Fault> {
    let now = app.clock.now();
    let entry = audit::Entry {
        id: app.clock.new_id(),
        organization: caller.organization(),
        at: now,
        actor: format!("token {}", caller.name()),
        action: "schedule.update".to_owned(),
        subject: stored.name.clone(),
        before: Some(properties::json(&properties::schedule(&stored.schedule, of))),
        after: Some(properties::json(&properties::schedule(&wanted, of))),
    };
    tracing::info!(
        schedule = stored.name,
        by = caller.name(),
        "schedule switched: {wanted}"
    );
    let row = Stored {
        schedule: wanted,
        updated_at: now,
        ..stored
    };
    schedule::update(tx.connection(), &row).await?;
    audit::insert(tx.connection(), &entry).await?;
    schedule::find(tx.connection(), row.id)
        .await?
        .ok_or(Fault::Internal("a schedule vanished while it was switched"))
}

#[cfg(test)]
mod tests {
    use chrono::{NaiveDateTime, NaiveTime};
    use domain::schedule::{Delta, Deprovision, Frequency, Timing, Zone};

    use super::*;

    fn daily() -> Schedule {
        Schedule {
            on: true,
            full: Some(Timing::new(Frequency::Daily, NaiveDateTime::default(), Zone::UTC)),
            delta: Delta { on: true, hours: 1 },
            deprovision: Deprovision {
                on: false,
                at: NaiveTime::default(),
            },
            zone: Zone::UTC,
        }
    }

    #[test]
    fn r3_only_what_is_named_is_switched() {
        let off = v1::SwitchScheduleRequest {
            on: Some(false),
            ..v1::SwitchScheduleRequest::default()
        };
        let was = daily();
        let is_off = switched(&was, &off).unwrap();
        assert_eq!(
            is_off,
            Schedule {
                on: false,
                ..was.clone()
            }
        );
        let on = v1::SwitchScheduleRequest {
            on: Some(true),
            ..off
        };
        assert_eq!(switched(&is_off, &on).unwrap(), was, "on again, all is as it was");
        let nights = v1::SwitchScheduleRequest {
            deprovision: Some(true),
            ..v1::SwitchScheduleRequest::default()
        };
        let with_nights = switched(&is_off, &nights).unwrap();
        assert!(
            with_nights.deprovision.on && !with_nights.on,
            "D7: a toggle of its own"
        );
    }

    #[test]
    fn r3_what_can_not_be_switched_says_why_and_what_to_do() {
        let problem = |schedule: &Schedule, request| switched(schedule, &request).unwrap_err().to_string();
        let nothing = problem(&daily(), v1::SwitchScheduleRequest::default());
        assert!(nothing.contains("say what to switch"), "{nothing}");
        let bare = Schedule {
            on: false,
            full: None,
            ..daily()
        };
        let on = v1::SwitchScheduleRequest {
            on: Some(true),
            ..v1::SwitchScheduleRequest::default()
        };
        let when = problem(&bare, on);
        assert!(when.contains("frequency: and start:"), "{when}");
    }
}
