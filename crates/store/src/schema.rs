//! The schema: bringing the database up to date, and waiting until somebody else has.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::sync::LazyLock;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Connection, PgConnection};

use crate::{Store, StoreError};

/// Who migrates holds this advisory lock of the database: "rollcall" in ASCII.
const LOCK: i64 = 0x726f_6c6c_6361_6c6c;
/// Between two looks whether another process has let go of it.
const LOCK_PAUSE: Duration = Duration::from_millis(200);
/// A migration that can't have a table for so long lets those through that wait behind it, and is tried again.
const LOCK_TIMEOUT: &str = "5s";
/// Between two looks whether somebody has migrated.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After so many looks it is said again what is waited for.
const SAY_EVERY: u32 = 30;
const RETRY_BASE: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// The migrations of this version of the program.
static KNOWN: LazyLock<Migrator> = LazyLock::new(|| {
    let mut known = sqlx::migrate!("./migrations");
    // A copy of the version before starts beside one of the next, which may have migrated already.
    known.set_ignore_missing(true);
    // Ours does not wait inside a statement: CREATE INDEX CONCURRENTLY would wait for that statement in turn.
    known.set_locking(false);
    known
});

/// A migration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Migration {
    /// Its number, by which they are ordered.
    pub version: i64,
    /// Its file's name without the number.
    pub description: String,
}

impl fmt::Display for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04} {}", self.version, self.description)
    }
}

/// What is applied: the checksum by the number.
type Applied = BTreeMap<i64, Vec<u8>>;

impl Store {
    /// Returns when the database has every migration that this version knows; it may have more. With `migrate` they are
    /// applied here, otherwise this waits until somebody else has. Waits, too, for a database that can't be reached.
    ///
    /// # Errors
    /// What trying again does not mend.
    pub async fn prepare(&self, migrate: bool) -> Result<(), StoreError> {
        if migrate {
            patiently(None, async || self.migrate().await).await
        } else {
            self.wait_until_migrated().await
        }
    }

    /// Brings the schema up to date, trying for as long as `patience` where the database can't be reached or a table can't be
    /// had. Returns what was applied.
    ///
    /// # Errors
    /// What trying again does not mend, and the last failure when the patience has run out.
    pub async fn migrate_within(&self, patience: Duration) -> Result<Vec<Migration>, StoreError> {
        patiently(Some(patience), async || self.migrate_once().await).await
    }

    /// Brings the schema up to date, in one attempt. Several processes may do so at once; one wins, the others wait for it
    /// and then have nothing to do.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.migrate_once().await.map(drop)
    }

    async fn migrate_once(&self) -> Result<Vec<Migration>, StoreError> {
        // A connection of its own: it has no time limit for a statement, and its end gives the lock back whatever happened.
        let options = self.connect_options().application_name("rollcall-migrate");
        let options = options.options([("statement_timeout", "0"), ("lock_timeout", LOCK_TIMEOUT)]);
        let connecting = PgConnection::connect_with(&options);
        let mut connection = match tokio::time::timeout(Self::ACQUIRE_TIMEOUT, connecting).await {
            Ok(connected) => connected?,
            Err(_) => return Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut)),
        };
        let applied = migrate_on(&mut connection).await;
        if let Err(error) = connection.close().await {
            tracing::debug!(%error, "the connection that migrated was not closed well");
        }
        applied
    }

    /// The migrations that this version knows and the database has not.
    ///
    /// # Errors
    /// Also where the database has another migration under the number of one.
    pub async fn missing_migrations(&self) -> Result<Vec<Migration>, StoreError> {
        missing(&applied(&mut *self.connection().await?).await?)
    }

    async fn wait_until_migrated(&self) -> Result<(), StoreError> {
        let (mut said, mut looks) = (Vec::new(), 0_u32);
        loop {
            let missing = patiently(None, async || self.missing_migrations().await).await?;
            if missing.is_empty() {
                return Ok(());
            }
            if said != missing || looks.is_multiple_of(SAY_EVERY) {
                tracing::warn!(
                    missing = list(&missing),
                    "waiting until the database is migrated, by rollcall-reconciler --migrate or by a service with \
                     database.migrate = true"
                );
            }
            (said, looks) = (missing, looks + 1);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

async fn migrate_on(connection: &mut PgConnection) -> Result<Vec<Migration>, StoreError> {
    lock(connection).await?;
    let missing = missing(&applied(connection).await?)?;
    if missing.is_empty() {
        return Ok(missing);
    }
    tracing::info!(migrations = list(&missing), "migrating the database");
    KNOWN.run(connection).await.map_err(StoreError::Migrate)?;
    tracing::info!(migrations = list(&missing), "the database is migrated");
    Ok(missing)
}

/// Waits for the lock, which goes with the connection.
async fn lock(connection: &mut PgConnection) -> Result<(), StoreError> {
    let mut waited = false;
    loop {
        let got = sqlx::query_scalar("-- schema.lock\nSELECT pg_try_advisory_lock($1)")
            .bind(LOCK)
            .fetch_one(&mut *connection)
            .await?;
        if got {
            return Ok(());
        }
        if !waited {
            tracing::info!("another process is migrating the database; waiting for it");
            waited = true;
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
}

async fn applied(connection: &mut PgConnection) -> Result<Applied, StoreError> {
    let any = "-- schema.any\nSELECT to_regclass('_sqlx_migrations') IS NOT NULL";
    if !sqlx::query_scalar(any).fetch_one(&mut *connection).await? {
        return Ok(Applied::new());
    }
    let all = "-- schema.applied\nSELECT version, checksum FROM _sqlx_migrations WHERE success";
    let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(all).fetch_all(connection).await?;
    Ok(rows.into_iter().collect())
}

fn missing(applied: &Applied) -> Result<Vec<Migration>, StoreError> {
    let mut missing = Vec::new();
    for known in KNOWN.iter() {
        match applied.get(&known.version) {
            None => missing.push(Migration {
                version: known.version,
                description: known.description.to_string(),
            }),
            Some(checksum) if checksum[..] != known.checksum[..] => {
                return Err(StoreError::Migrate(MigrateError::VersionMismatch(known.version)));
            }
            Some(_) => (),
        }
    }
    Ok(missing)
}

fn list(migrations: &[Migration]) -> String {
    let names: Vec<_> = migrations.iter().map(Migration::to_string).collect();
    names.join(", ")
}

/// Tries until it works, as long as the `patience` lasts, if there is an end to it.
async fn patiently<T>(
    patience: Option<Duration>,
    mut attempt: impl AsyncFnMut() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let mut out_of_patience = pin!(async {
        match patience {
            Some(patience) => tokio::time::sleep(patience).await,
            None => std::future::pending().await,
        }
    });
    let mut pause = RETRY_BASE;
    loop {
        let error = match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) if error.is_lasting() => return Err(error),
            Err(error) => error,
        };
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            wait_ms = pause.as_millis(),
            "the database is not ready for a start; trying again"
        );
        tokio::select! {
            biased;
            () = &mut out_of_patience => return Err(error),
            () = tokio::time::sleep(pause) => (),
        }
        pause = RETRY_MAX.min(pause * 2);
    }
}
