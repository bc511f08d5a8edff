//! Starting a run.

use bus::subjects;
use contracts::bus::v1::RunRequested;
use contracts::v1;
use domain::id::RunId;
use service::telemetry::TraceContext;
use store::run::{self, Kind, Manual, Run};
use store::{Tx, mapping, run_view};

use crate::app::App;
use crate::auth::Caller;
use crate::fault::Fault;
use crate::once::Key;
use crate::{lookup, view};

/// Characters in a trigger at most.
const LONGEST_TRIGGER: usize = 32;

/// Writes the run down and wakes a fetcher. A fetcher that is not woken finds it by itself.
pub async fn start(app: &App, caller: &Caller, request: v1::StartRunRequest) -> Result<v1::Run, Fault> {
    let key = Key::of(caller, "StartRun", &request.idempotency_key, &request)?;
    let kind = kind(request.kind())?;
    let trigger = trigger(&request.trigger)?;
    let mut tx = app.store.begin("run.start").await?;
    let answer = match key.claim(app, &mut tx).await? {
        Some(answer) => answer,
        None => {
            let wanted = Wanted {
                connection: &request.connection,
                kind,
                manual: None,
                trigger,
                apply_first: request.apply_first,
            };
            let run = insert(app, caller, &mut tx, wanted).await?;
            key.answer(&mut tx, &run).await?;
            run
        }
    };
    tx.commit().await?;
    tracing::Span::current().record("run.id", &answer.id);
    wake(app, caller, &answer)?;
    Ok(answer)
}

/// A run to write down.
pub struct Wanted<'a> {
    /// Name or id of the connection.
    pub connection: &'a str,
    /// What it reads.
    pub kind: Kind,
    /// Of a manual run: whom.
    pub manual: Option<Manual>,
    /// What set it off.
    pub trigger: String,
    /// Apply even though it is the connection's first run.
    pub apply_first: bool,
}

/// Writes a run down, if its connection can be read.
pub async fn insert(app: &App, caller: &Caller, tx: &mut Tx, wanted: Wanted<'_>) -> Result<v1::Run, Fault> {
    let now = app.clock.now();
    let connection = lookup::connection(tx, caller, wanted.connection).await?;
    if connection.disconnected_at.is_some() {
        return Err(Fault::Precondition {
            reason: "DISCONNECTED",
            message: format!(
                "the connection {} is disconnected; apply its document with a credential that has a secret to \
                 connect it again",
                connection.name
            ),
        });
    }
    let mappings = mapping::of_connection(tx.connection(), connection.id).await?;
    if mappings.iter().all(|mapping| mapping.target.kind().is_none()) {
        return Err(Fault::Precondition {
            reason: "NO_MAPPING",
            message: format!(
                "the connection {} has no mapping with target accounts or people, so a run could bring nobody in; apply \
                 a document of kind Mapping (target: accounts) with rollcall apply -f FILE",
                connection.name
            ),
        });
    }
    let run = Run {
        id: RunId(app.clock.new_id()),
        organization: caller.organization(),
        connection: connection.id,
        kind: wanted.kind,
        manual: wanted.manual,
        trigger: wanted.trigger,
        requested_by: caller.name().to_owned(),
        reason: None,
        apply_first: wanted.apply_first,
        traceparent: TraceContext::current().map(|trace| trace.to_string()),
        created_at: now,
        cancel_requested_at: None,
        cancel_requested_by: None,
    };
    run::insert(tx.connection(), &run).await?;
    let stored = run_view::find(tx.connection(), run.organization, run.id).await?;
    let stored = stored.ok_or_else(|| lookup::no_run(run.id))?;
    tracing::info!(run.id = %run.id, connection = connection.name, kind = run.kind.key(), "run requested");
    Ok(view::run::run(&stored, now))
}

/// Tells a fetcher of a run that is written down.
pub fn wake(app: &App, caller: &Caller, run: &v1::Run) -> Result<(), Fault> {
    let id: RunId = lookup::parse("id", &run.id)?;
    let message = RunRequested {
        run_id: id.0.as_bytes().to_vec(),
    };
    app.wake(
        subjects::run_requested(caller.organization()),
        format!("run.requested.{id}"),
        &message,
    );
    Ok(())
}

fn kind(kind: v1::RunKind) -> Result<Kind, Fault> {
    match kind {
        v1::RunKind::Full => Ok(Kind::Full),
        v1::RunKind::Delta => Ok(Kind::Delta),
        v1::RunKind::Preview => Ok(Kind::Preview),
        v1::RunKind::Deprovision => Ok(Kind::Deprovision),
        v1::RunKind::Manual => Err(Fault::invalid(
            "kind",
            "is RUN_KIND_MANUAL, which needs to know whom to read; call ImportUsers (rollcall import users CONNECTION \
             UPN…), or SyncAccount for one account",
        )),
        v1::RunKind::Unspecified => Err(Fault::invalid(
            "kind",
            "is missing; use RUN_KIND_FULL, RUN_KIND_DELTA, RUN_KIND_PREVIEW or RUN_KIND_DEPROVISION",
        )),
    }
}

/// What set a run off.
pub fn trigger(text: &str) -> Result<String, Fault> {
    let plain = text
        .chars()
        .all(|c| c.is_ascii_lowercase() || matches!(c, '-' | '_'));
    match text {
        "" => Ok("api".to_owned()),
        text if plain && text.len() <= LONGEST_TRIGGER => Ok(text.to_owned()),
        _ => Err(Fault::invalid(
            "trigger",
            "is not a word of at most 32 small letters, such as cli",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trigger_is_a_word() {
        assert_eq!(trigger("").unwrap(), "api");
        assert_eq!(trigger("cli").unwrap(), "cli");
        for bad in ["CLI", "a b", "<script>", &"x".repeat(33)] {
            assert!(trigger(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_kind_must_be_said() {
        assert!(kind(v1::RunKind::Unspecified).is_err());
        let refused = kind(v1::RunKind::Manual).unwrap_err().to_string();
        assert!(refused.contains("rollcall import users"), "{refused}");
        assert_eq!(kind(v1::RunKind::Delta).unwrap(), Kind::Delta);
    }
}
