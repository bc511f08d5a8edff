//! How all organizations together fare, in a few figures for whoever watches Rollcall. One statement over many tables; only
//! reads.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::StoreError;

/// The figures. Of what ages, they give the time since when; none: there is nothing of the kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Figures {
    /// Connections that are not disconnected.
    pub connections: i64,
    /// Of them, those whose last run failed, not in quarantine.
    pub failing: i64,
    /// Of them, those in quarantine.
    pub quarantined: i64,
    /// Reviews that wait for a person.
    pub reviews: i64,
    /// The oldest of them.
    pub oldest_review: Option<DateTime<Utc>>,
    /// The oldest place from which a delta that a schedule brings goes on.
    pub oldest_cursor: Option<DateTime<Utc>>,
    /// The first end of a credential that a connection signs in with. Of two secrets, the one that is good for longer counts.
    pub next_expiry: Option<DateTime<Utc>>,
    /// Of connections whose runs come by a schedule, the last success that is the longest ago; where there was none, when the
    /// schedule was made.
    pub oldest_success: Option<DateTime<Utc>>,
    /// The first time of a schedule after which its connection has had no success yet.
    pub overdue_since: Option<DateTime<Utc>>,
    /// Runs that nobody has taken.
    pub runs_waiting: i64,
    /// Runs being read.
    pub runs_reading: i64,
    /// Runs being decided.
    pub runs_planning: i64,
    /// Previews that wait for a person.
    pub runs_planned: i64,
    /// Runs being applied.
    pub runs_applying: i64,
    /// Events that are not published.
    pub events: i64,
    /// The oldest of them.
    pub oldest_event: Option<DateTime<Utc>>,
    /// Mails that wait to be sent.
    pub mails: i64,
    /// The oldest of them.
    pub oldest_mail: Option<DateTime<Utc>>,
}

/// Asks for all of them, at `now`. What is open is found by its partial index; beyond that it looks at each connection and
/// schedule once.
pub async fn load(connection: &mut PgConnection, now: DateTime<Utc>) -> Result<Figures, StoreError> {
    Ok(sqlx::query_as(LOAD).bind(now).fetch_one(connection).await?)
}

const LOAD: &str = "-- figures.load
WITH connected AS (
    SELECT connection.id, connection.credential_id, health.connection_id IS NOT NULL AS fails,
        health.quarantined_since IS NOT NULL AS quarantined
    FROM connection
    LEFT JOIN connection_health AS health
        ON health.connection_id = connection.id
        AND (connection.released_at IS NULL OR connection.released_at <= health.considered_at)
    WHERE connection.disconnected_at IS NULL
), fared AS (
    SELECT count(*) AS connections, count(*) FILTER (WHERE fails AND NOT quarantined) AS failing,
        count(*) FILTER (WHERE quarantined) AS quarantined
    FROM connected
), reviewed AS (
    SELECT count(*) AS reviews, min(created_at) AS oldest_review FROM review WHERE state = 'open'
), expiring AS (
    SELECT min(greatest(
        CASE WHEN credential.secret_ciphertext IS NOT NULL THEN coalesce(
            CASE credential.secret_id WHEN expiry.secret_id THEN expiry.expires_at
                WHEN expiry.next_secret_id THEN expiry.next_expires_at END,
            credential.expires_on::timestamp AT TIME ZONE 'UTC') END,
        CASE WHEN credential.next_secret_ciphertext IS NOT NULL THEN coalesce(
            CASE credential.next_secret_id WHEN expiry.secret_id THEN expiry.expires_at
                WHEN expiry.next_secret_id THEN expiry.next_expires_at END,
            credential.next_expires_on::timestamp AT TIME ZONE 'UTC') END)) AS next_expiry
    FROM credential
    LEFT JOIN credential_expiry AS expiry ON expiry.credential_id = credential.id
    WHERE credential.id IN (SELECT credential_id FROM connected)
), scheduled AS (
    SELECT min(coalesce(last.ended_at, schedule.created_at)) AS oldest_success,
        min(least(missed.claimed_at, CASE WHEN due.at <= $1 THEN due.at END)) AS overdue_since,
        min(since.taken_at) AS oldest_cursor
    FROM schedule_state AS state
    JOIN connected ON connected.id = state.connection_id
    JOIN schedule ON schedule.id = state.schedule_id
    CROSS JOIN LATERAL (SELECT least(state.full_due, state.delta_due) AS at) AS due
    LEFT JOIN LATERAL (
        SELECT plan.ended_at FROM run_plan AS plan JOIN run ON run.id = plan.run_id
        WHERE plan.connection_id = state.connection_id AND plan.state = 'finished'
          AND run.kind IN ('full', 'delta', 'preview')
        ORDER BY plan.ended_at DESC LIMIT 1
    ) AS last ON true
    LEFT JOIN LATERAL (
        SELECT min(slot.claimed_at) AS claimed_at FROM schedule_slot AS slot
        WHERE slot.schedule_id = state.schedule_id AND slot.kind IN ('full', 'delta')
          AND slot.slot > coalesce(last.ended_at, '-infinity')
    ) AS missed ON true
    LEFT JOIN delta_cursor AS since
        ON since.connection_id = state.connection_id AND since.resource = 'users' AND state.delta_due IS NOT NULL
    WHERE due.at IS NOT NULL
), untaken AS (
    SELECT count(*) AS runs_waiting FROM run
    WHERE cancel_requested_at IS NULL AND kind <> 'revert'
      AND NOT EXISTS (SELECT FROM run_fetch WHERE run_fetch.run_id = run.id)
), read AS (
    SELECT count(*) AS runs_reading FROM run_fetch WHERE state = 'fetching'
), planned AS (
    SELECT count(*) FILTER (WHERE state = 'planning') AS runs_planning,
        count(*) FILTER (WHERE state = 'planned') AS runs_planned,
        count(*) FILTER (WHERE state = 'applying') AS runs_applying
    FROM run_plan WHERE state IN ('planning', 'applying', 'planned')
), unpublished AS (
    SELECT count(*) AS events, min(created_at) AS oldest_event FROM outbox WHERE published_at IS NULL
), unsent AS (
    SELECT count(*) AS mails, min(created_at) AS oldest_mail FROM delivery WHERE state = 'due'
)
SELECT * FROM fared, reviewed, expiring, scheduled, untaken, read, planned, unpublished, unsent";
