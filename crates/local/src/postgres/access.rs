//! Reaching a PostgreSQL server: its URLs, and databases to make and drop.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use super::cluster::SUPERUSER;

const STATEMENT_LIMIT: Duration = Duration::from_secs(60);

/// Why a statement failed.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// A database name that would need quoting.
    #[error("a database name is made of a-z, 0-9 and _, up to 63 of them: {0:?}")]
    Name(String),
    /// psql could not be run.
    #[error("psql could not be run")]
    Psql(#[source] io::Error),
    /// The statement did not end in time.
    #[error("the statement did not end within {secs} s: {0}", secs = STATEMENT_LIMIT.as_secs())]
    Slow(String),
    /// The server refused it.
    #[error("{statement}: {message}")]
    Refused {
        /// What was asked.
        statement: String,
        /// What the server said.
        message: String,
    },
}

/// A server that someone runs, with the right to make databases in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Access {
    port: u16,
    password: String,
    psql: PathBuf,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access")
            .field("port", &self.port)
            .field("psql", &self.psql)
            .finish_non_exhaustive()
    }
}

impl Access {
    pub(crate) fn new(port: u16, password: &str, psql: PathBuf) -> Self {
        Self {
            port,
            password: password.to_owned(),
            psql,
        }
    }

    /// The URL of one of its databases, password included.
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres://{SUPERUSER}:{}@127.0.0.1:{}/{database}",
            self.password, self.port
        )
    }

    /// What [`Access::from_text`] reads, password included: for another process's environment.
    pub fn to_text(&self) -> String {
        format!("{} {} {}", self.port, self.password, self.psql.display())
    }

    /// Reads what [`Access::to_text`] wrote.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ' ');
        let port = parts.next()?.parse().ok()?;
        let password = parts.next()?;
        Some(Self::new(port, password, parts.next()?.into()))
    }

    /// Makes a database, as a copy of `template` if one is given.
    pub async fn create_database(&self, name: &str, template: Option<&str>) -> Result<(), SqlError> {
        let copy = match template {
            Some(template) => format!(" TEMPLATE {}", checked(template)?),
            None => String::new(),
        };
        self.sql("postgres", &format!("CREATE DATABASE {}{copy}", checked(name)?))
            .await
            .map(drop)
    }

    /// Makes a database unless there is one of that name. `true` when it is new.
    pub async fn ensure_database(&self, name: &str) -> Result<bool, SqlError> {
        if self.has_database(name).await? {
            return Ok(false);
        }
        self.create_database(name, None).await?;
        Ok(true)
    }

    /// Whether there is a database of that name.
    pub async fn has_database(&self, name: &str) -> Result<bool, SqlError> {
        let query = format!("SELECT 1 FROM pg_database WHERE datname = '{}'", checked(name)?);
        Ok(self.sql("postgres", &query).await? == "1")
    }

    /// Gives a database another name; false when that is taken.
    pub async fn rename_database(&self, from: &str, to: &str) -> Result<bool, SqlError> {
        let statement = format!("ALTER DATABASE {} RENAME TO {}", checked(from)?, checked(to)?);
        match self.sql("postgres", &statement).await {
            Ok(_) => Ok(true),
            Err(SqlError::Refused { message, .. }) if message.contains("already exists") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Drops a database, ending whoever uses it.
    pub async fn drop_database(&self, name: &str) -> Result<(), SqlError> {
        self.sql("postgres", &drop_statement(name)?).await.map(drop)
    }

    /// The same without a runtime, for `Drop`.
    pub(crate) fn drop_database_now(&self, name: &str) -> Result<(), SqlError> {
        let statement = drop_statement(name)?;
        let output = self
            .psql("postgres", &statement)
            .output()
            .map_err(SqlError::Psql)?;
        answer(&statement, &output).map(drop)
    }

    /// Runs one statement with psql and returns its answer, a line per row, columns divided by `|`.
    pub async fn sql(&self, database: &str, statement: &str) -> Result<String, SqlError> {
        let mut psql = tokio::process::Command::from(self.psql(database, statement));
        let output = tokio::time::timeout(STATEMENT_LIMIT, psql.kill_on_drop(true).output())
            .await
            .map_err(|_| SqlError::Slow(statement.to_owned()))?
            .map_err(SqlError::Psql)?;
        answer(statement, &output)
    }

    fn psql(&self, database: &str, statement: &str) -> std::process::Command {
        let mut command = std::process::Command::new(&self.psql);
        command
            .args([
                "--no-psqlrc",
                "--quiet",
                "--no-align",
                "--tuples-only",
                "--set",
                "ON_ERROR_STOP=1",
            ])
            .args([
                "--host",
                "127.0.0.1",
                "--username",
                SUPERUSER,
                "--dbname",
                database,
                "--command",
                statement,
            ])
            .arg("--port")
            .arg(self.port.to_string())
            .env("PGPASSWORD", &self.password)
            .env("PGCONNECT_TIMEOUT", "10")
            .stdin(Stdio::null());
        command
    }
}

fn answer(statement: &str, output: &std::process::Output) -> Result<String, SqlError> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(SqlError::Refused {
        statement: statement.to_owned(),
        message,
    })
}

fn drop_statement(name: &str) -> Result<String, SqlError> {
    Ok(format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", checked(name)?))
}

fn checked(name: &str) -> Result<&str, SqlError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.is_empty()
        && name.len() <= 63
        && name.chars().all(plain)
        && !name.starts_with(|c: char| c.is_ascii_digit())
    {
        Ok(name)
    } else {
        Err(SqlError::Name(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_in_the_url_and_not_in_debug() {
        let access = Access::new(20_001, "s3cret", "/usr/bin/psql".into());
        assert_eq!(
            access.url("rollcall"),
            "postgres://rollcall:s3cret@127.0.0.1:20001/rollcall"
        );
        assert!(!format!("{access:?}").contains("s3cret"));
        assert_eq!(Access::from_text(&access.to_text()), Some(access));
    }

    #[test]
    fn names_that_would_need_quoting_are_refused() {
        for name in ["", "Rollcall", "a-b", "x; DROP TABLE y", "1st", &"a".repeat(64)] {
            assert!(matches!(checked(name), Err(SqlError::Name(_))), "{name:?}");
        }
        assert!(checked("test_17").is_ok());
    }
}
