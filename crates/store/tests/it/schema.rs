//! The schema brought up to date by many at once, waited for, and ahead of the program.

use std::path::Path;
use std::time::Duration;

use local::test_database::TestDatabase;
use rollcall_store::Store;

/// For what must happen.
const DEADLINE: Duration = Duration::from_secs(60);
/// For what must not.
const QUIET: Duration = Duration::from_millis(1500);

async fn empty() -> (TestDatabase, Store) {
    let database = TestDatabase::empty().await.unwrap();
    let store = Store::new(&database.url(), 2).unwrap();
    (database, store)
}

/// How many migrations this version has.
fn all() -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    std::fs::read_dir(folder).unwrap().count()
}

#[tokio::test]
async fn copies_that_migrate_at_once_apply_each_migration_once() {
    let (database, _) = empty().await;
    let url = database.url();
    let copies = (0..4).map(async |_| {
        let store = Store::new(&url, 1).unwrap();
        store.migrate_within(DEADLINE).await.unwrap().len()
    });
    let mut applied = futures::future::join_all(copies).await;
    applied.sort_unstable();
    assert_eq!(applied, [0, 0, 0, all()]);
}

#[tokio::test]
async fn who_does_not_migrate_waits_until_somebody_has() {
    let (_database, store) = empty().await;
    let mut waiting = Box::pin(store.prepare(false));
    let early = tokio::time::timeout(QUIET, &mut waiting).await;
    assert!(early.is_err(), "the schema is not there yet: {early:?}");
    assert_eq!(store.missing_migrations().await.unwrap().len(), all());
    store.prepare(true).await.unwrap();
    tokio::time::timeout(DEADLINE, waiting).await.unwrap().unwrap();
    assert_eq!(store.missing_migrations().await.unwrap(), []);
}

#[tokio::test]
async fn a_database_that_is_ahead_of_the_program_is_taken() {
    let (database, store) = empty().await;
    store.prepare(true).await.unwrap();
    database
        .sql(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (9999, 'of the next version', true, '\\x00', 1)",
        )
        .await
        .unwrap();
    store.prepare(true).await.unwrap();
    store.prepare(false).await.unwrap();
    assert_eq!(store.migrate_within(DEADLINE).await.unwrap(), []);
}

#[tokio::test]
async fn another_migration_under_a_known_number_is_refused_at_once() {
    let (database, store) = empty().await;
    store.prepare(true).await.unwrap();
    database
        .sql("UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 2")
        .await
        .unwrap();
    for migrate in [true, false] {
        let refused = tokio::time::timeout(DEADLINE, store.prepare(migrate))
            .await
            .unwrap();
        assert!(refused.unwrap_err().is_lasting());
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_is_waited_for_as_long_as_the_patience_lasts() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://{}/nothing", nobody.local_addr().unwrap());
    drop(nobody);
    let store = Store::new(&url, 1).unwrap();
    let patience = Duration::from_secs(1);
    let begun = std::time::Instant::now();
    let error = store.migrate_within(patience).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert!(begun.elapsed() > patience / 3, "it was tried once only");
}
