//! Gates in the database: whoever comes to a step waits there until the gate opens. So a process can be killed exactly
//! between two steps, with nothing built into the services for it.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use local::postgres::Access;
use local::stack::DATABASE;

/// Longer than any step takes, and any process needs to start and take over what another has left.
const LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// Begins a backend's name while it waits.
const WAITING: &str = "waiting at ";

/// A step that can be held up: the statement by which it becomes visible to others.
#[derive(Clone, Copy, Debug)]
pub struct Gate {
    /// Its name.
    pub name: &'static str,
    /// `INSERT ON table`, `UPDATE OF column ON table`.
    pub before: &'static str,
    /// Which rows, as a condition on `NEW`.
    pub when: &'static str,
}

/// Makes a gate for each of these, all of them open.
pub async fn install(access: &Access, gates: &[Gate]) {
    let mut statements = format!(
        "CREATE TABLE gate (name text PRIMARY KEY);
         CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$
         DECLARE own text := current_setting('application_name');
         BEGIN
             WHILE EXISTS (SELECT FROM gate WHERE name = TG_ARGV[0]) LOOP
                 PERFORM set_config('application_name', '{WAITING}' || TG_ARGV[0], false);
                 PERFORM pg_sleep(0.02);
             END LOOP;
             PERFORM set_config('application_name', own, false);
             RETURN NEW;
         END $$;"
    );
    for Gate { name, before, when } in gates {
        write!(
            statements,
            "CREATE TRIGGER gate_{name} BEFORE {before} FOR EACH ROW WHEN ({when})
             EXECUTE FUNCTION wait_at_gate('{name}');"
        )
        .unwrap();
    }
    sql(access, &statements).await;
}

/// Whoever comes to it waits from now on.
pub async fn close(access: &Access, gate: &Gate) {
    sql(access, &format!("INSERT INTO gate VALUES ('{}')", gate.name)).await;
}

/// Waits until somebody waits at it.
pub async fn somebody_waits(access: &Access, gate: &Gate) {
    let asked = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = '{WAITING}{}'",
        gate.name
    );
    until(&format!("somebody comes to the step {}", gate.name), async || {
        sql(access, &asked).await != "0"
    })
    .await;
}

/// What has been waiting is broken off, as the server does when it finds its client gone; then the gate opens.
pub async fn break_off_and_open(access: &Access, gate: &Gate) {
    let waiting = format!("application_name = '{WAITING}{}'", gate.name);
    sql(
        access,
        &format!("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE {waiting}"),
    )
    .await;
    sql(access, &format!("DELETE FROM gate WHERE name = '{}'", gate.name)).await;
}

/// One statement in Rollcall's database.
pub async fn sql(access: &Access, statement: &str) -> String {
    access.sql(DATABASE, statement).await.unwrap()
}

/// Asks until it is so.
pub async fn until(what: &str, mut probe: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !probe().await {
        assert!(begun.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
