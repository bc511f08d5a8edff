//! A private PostgreSQL through stops, crashes and restarts.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests stop at the first thing wrong"
)]

use local::Durability;
use local::postgres::{Error, Options, Postgres, SqlError};
use local::test_database::TestDatabase;

fn options(dir: &std::path::Path) -> Options {
    Options {
        dir: dir.join("postgres"),
        log: dir.join("postgresql.log"),
        durability: Durability::Durable,
        prefer_port: None,
        pid_file: Some(dir.join("postgresql.pid")),
        scratch: None,
    }
}

fn reachable_dir() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    dir
}

#[tokio::test]
async fn data_survive_a_kill_and_a_stop() {
    let dir = reachable_dir();
    let mut postgres = Postgres::start(options(dir.path())).await.unwrap();
    let access = postgres.access().clone();
    let (port, url) = (postgres.port(), postgres.url("register"));
    assert!(access.ensure_database("register").await.unwrap());
    access
        .sql("register", "CREATE TABLE account (login text)")
        .await
        .unwrap();
    access
        .sql("register", "INSERT INTO account VALUES ('ann')")
        .await
        .unwrap();

    postgres.kill();
    assert!(matches!(
        access.sql("register", "SELECT 1").await,
        Err(SqlError::Refused { .. })
    ));
    postgres.restart().await.unwrap();
    assert_eq!(postgres.url("register"), url);
    assert_eq!(
        access.sql("register", "SELECT * FROM account").await.unwrap(),
        "ann"
    );

    assert!(postgres.stop().await.unwrap());
    drop(postgres);
    let again = Postgres::start(Options {
        prefer_port: Some(port),
        ..options(dir.path())
    })
    .await
    .unwrap();
    assert_eq!(again.url("register"), url, "the same port and password");
    assert!(!again.access().ensure_database("register").await.unwrap());
    assert_eq!(
        again
            .access()
            .sql("register", "SELECT * FROM account")
            .await
            .unwrap(),
        "ann"
    );
    assert_eq!(again.access().sql("register", "SHOW fsync").await.unwrap(), "on");
}

#[tokio::test]
async fn a_pid_file_left_by_a_crash_does_not_keep_it_from_starting() {
    let dir = reachable_dir();
    let first = Postgres::start(options(dir.path())).await.unwrap();
    let pid_file = first.data().join("postmaster.pid");
    let stale = std::fs::read_to_string(&pid_file).unwrap();
    drop(first);

    // The old pid now belongs to something else, as after a reboot.
    let stale = stale.replacen(stale.lines().next().unwrap(), &std::process::id().to_string(), 1);
    std::fs::write(&pid_file, stale).unwrap();
    let second = Postgres::start(options(dir.path())).await.unwrap();
    assert_eq!(second.access().sql("postgres", "SELECT 1").await.unwrap(), "1");
}

#[tokio::test]
async fn data_are_put_where_the_server_may_go() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let data = {
        let postgres = Postgres::start(options(dir.path())).await.unwrap();
        postgres.access().create_database("kept", None).await.unwrap();
        postgres.data().to_path_buf()
    };
    let again = Postgres::start(options(dir.path())).await.unwrap();
    assert_eq!(again.data(), data);
    assert!(!again.access().ensure_database("kept").await.unwrap());
    drop(again);

    // Not as root, the server is ours and goes where we go.
    let other_user = local::user::User::instead_of_root().unwrap().is_some();
    assert_eq!(data.starts_with(dir.path()), !other_user);
    if other_user {
        std::fs::remove_dir_all(data.parent().unwrap()).unwrap();
    }
}

#[tokio::test]
async fn an_interrupted_initdb_is_begun_anew() {
    let dir = reachable_dir();
    let unfinished = dir.path().join("postgres/data.unfinished");
    std::fs::create_dir_all(&unfinished).unwrap();
    std::fs::write(unfinished.join("PG_VERSION"), "15").unwrap();
    let postgres = Postgres::start(options(dir.path())).await.unwrap();
    assert_eq!(postgres.access().sql("postgres", "SELECT 1").await.unwrap(), "1");
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let dir = reachable_dir();
    let first = Postgres::start(options(dir.path())).await.unwrap();
    let conf = first.data().join("postgresql.conf");
    drop(first);
    std::fs::write(&conf, "no_such_setting = 1\n").unwrap();
    match Postgres::start(options(dir.path())).await {
        Err(Error::Ended { tail, .. }) => assert!(tail.contains("no_such_setting"), "{tail}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_test_gets_a_copy_of_the_template_which_is_made_once() {
    let template = format!("made_once_{}", std::process::id());
    let made = std::sync::atomic::AtomicU32::new(0);
    let prepare = async |url: String| {
        made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        assert!(url.starts_with("postgres://"));
        Ok::<_, std::convert::Infallible>(())
    };
    let first = TestDatabase::copy_of(&template, prepare).await.unwrap();
    let second = TestDatabase::copy_of(&template, prepare).await.unwrap();
    assert_eq!(made.into_inner(), 1);
    first.sql("CREATE TABLE mine (x int)").await.unwrap();
    assert_ne!(first.url(), second.url());
    assert_eq!(
        second.sql("SELECT to_regclass('mine') IS NULL").await.unwrap(),
        "t"
    );

    let name = first.url().rsplit('/').next().unwrap().to_owned();
    drop(first);
    let gone = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    assert_eq!(second.sql(&gone).await.unwrap(), "0");
}
