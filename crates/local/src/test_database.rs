//! One PostgreSQL server for a whole test run, and a database of its own for each test.
//!
//! `rollcall-local with-postgres COMMAND…` (what `make test` does) starts one server and tells the tests of it in
//! [`VARIABLE`]. Without it, the first test of a process starts one for that process. Tests that kill PostgreSQL start their
//! own with [`Postgres::start_temporary`].

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::{Mutex, OnceCell};

use crate::Durability;
use crate::postgres::{self, Access, Postgres, SqlError};

/// The environment variable that tells tests of a running server.
pub const VARIABLE: &str = "TEST_POSTGRES_OF_ROLLCALL";

static SERVER: OnceCell<Server> = OnceCell::const_new();
/// Within a process one test makes a template while the others wait.
static TEMPLATES: Mutex<()> = Mutex::const_new(());
static COUNTER: AtomicU32 = AtomicU32::new(1);

/// Why a test has no database.
#[derive(Debug, thiserror::Error)]
pub enum Error<E: std::error::Error + 'static = std::convert::Infallible> {
    /// No server.
    #[error("no PostgreSQL for the test")]
    Server(#[from] postgres::Error),
    /// [`VARIABLE`] is not what `with-postgres` writes.
    #[error("{VARIABLE} does not name a server")]
    Variable,
    /// A statement failed.
    #[error("the test's database could not be made")]
    Sql(#[from] SqlError),
    /// The template could not be filled.
    #[error("the template database could not be prepared")]
    Prepare(#[source] E),
}

struct Server {
    access: Access,
    _own: Option<Postgres>,
}

/// A database of one test's own. Dropping it drops the database.
#[derive(Debug)]
pub struct TestDatabase {
    access: Access,
    name: String,
}

impl TestDatabase {
    /// An empty database.
    pub async fn empty() -> Result<Self, Error> {
        let access = server().await?;
        let name = fresh("test");
        access.create_database(&name, None).await?;
        Ok(Self {
            access: access.clone(),
            name,
        })
    }

    /// A copy of the database called `template`, which is made with `prepare` (given its URL) when it is not there yet. Put
    /// what it depends on into the name: `migrated_0007`. `prepare` must close its connections.
    pub async fn copy_of<E, P>(template: &str, prepare: P) -> Result<Self, Error<E>>
    where
        E: std::error::Error + 'static,
        P: AsyncFnOnce(String) -> Result<(), E>,
    {
        let access = server::<E>().await?;
        {
            let _one_at_a_time = TEMPLATES.lock().await;
            if !access.has_database(template).await? {
                make_template(access, template, prepare).await?;
            }
        }
        let name = fresh("test");
        access.create_database(&name, Some(template)).await?;
        Ok(Self {
            access: access.clone(),
            name,
        })
    }

    /// Its URL.
    pub fn url(&self) -> String {
        self.access.url(&self.name)
    }

    /// Runs one statement in it and returns the answer, a line per row, columns divided by `|`.
    pub async fn sql(&self, statement: &str) -> Result<String, SqlError> {
        self.access.sql(&self.name, statement).await
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Err(error) = self.access.drop_database_now(&self.name) {
            eprintln!("the test database {} was left behind: {error}", self.name);
        }
    }
}

/// Prepared under another name: two processes may do it at once, and the first to rename wins.
async fn make_template<E, P>(access: &Access, template: &str, prepare: P) -> Result<(), Error<E>>
where
    E: std::error::Error + 'static,
    P: AsyncFnOnce(String) -> Result<(), E>,
{
    let unfinished = fresh("template");
    access.create_database(&unfinished, None).await?;
    prepare(access.url(&unfinished)).await.map_err(Error::Prepare)?;
    if !access.rename_database(&unfinished, template).await? {
        access.drop_database(&unfinished).await?;
    }
    Ok(())
}

async fn server<E: std::error::Error + 'static>() -> Result<&'static Access, Error<E>> {
    let server = SERVER.get_or_try_init(async || {
        if let Some(given) = std::env::var_os(VARIABLE) {
            let access = given
                .to_str()
                .and_then(Access::from_text)
                .ok_or(Error::Variable)?;
            return Ok::<_, Error<E>>(Server { access, _own: None });
        }
        let own = Postgres::start_temporary(Durability::Fast).await?;
        Ok(Server {
            access: own.access().clone(),
            _own: Some(own),
        })
    });
    Ok(&server.await?.access)
}

fn fresh(kind: &str) -> String {
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{kind}_{}_{number}", std::process::id())
}
