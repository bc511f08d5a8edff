//! What can go wrong in the store.

use std::fmt;

use sqlx::migrate::MigrateError;

/// A failed operation of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database can't be reached, is shutting down, or asks for the transaction to be repeated. Trying again is
    /// right.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// A unique constraint was violated.
    #[error("the constraint {constraint} is violated")]
    Duplicate {
        /// The constraint's name.
        constraint: String,
        /// What the database said.
        #[source]
        source: sqlx::Error,
    },
    /// A statement failed.
    #[error("a statement failed")]
    Statement(#[source] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("the database schema can't be migrated")]
    Migrate(#[source] MigrateError),
    /// Stored data break our own rules.
    #[error(transparent)]
    Inconsistent(#[from] Inconsistent),
    /// The database URL is not one.
    #[error("the database URL can't be used")]
    Url(#[source] sqlx::Error),
}

/// Stored data that break our own rules.
#[derive(Debug, thiserror::Error)]
#[error("inconsistent data in {table}.{column}, row {row}")]
pub struct Inconsistent {
    /// Table.
    pub table: &'static str,
    /// Column.
    pub column: &'static str,
    /// The row's key.
    pub row: String,
}

impl Inconsistent {
    /// An inconsistency in one column of one row.
    pub fn new(table: &'static str, column: &'static str, row: impl fmt::Display) -> Self {
        Self {
            table,
            column,
            row: row.to_string(),
        }
    }
}

impl StoreError {
    /// Whether trying the same again can help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// Whether it stays so until somebody does something: the schema is not ours, a migration's statement is refused, a right
    /// is missing. Everything else may pass while the database starts, moves or is set up.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Statement(error)
            | Self::Migrate(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
                is_refusal(error)
            }
            Self::Url(_) | Self::Migrate(_) => true,
            _ => false,
        }
    }

    /// The violated unique constraint, if that is what happened.
    #[must_use]
    pub fn duplicate(&self) -> Option<&str> {
        match self {
            Self::Duplicate { constraint, .. } => Some(constraint),
            _ => None,
        }
    }
}

/// Classes 22, 23 and 42: the data, a constraint, the statement or the rights are not what they should be.
fn is_refusal(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(said) = error else {
        return false;
    };
    let code = said.code().unwrap_or_default();
    ["22", "23", "42"].iter().any(|class| code.starts_with(class))
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
            sqlx::Error::Database(said) if said.is_unique_violation() => Self::Duplicate {
                constraint: said.constraint().unwrap_or("unknown").to_owned(),
                source: error,
            },
            // Class 08: connection; 40: rollback, to be repeated; 53: resources; 57: operator intervention.
            sqlx::Error::Database(said)
                if said.code().is_some_and(|code| {
                    ["08", "40", "53", "57"]
                        .iter()
                        .any(|class| code.starts_with(class))
                }) =>
            {
                Self::Unavailable(error)
            }
            _ => Self::Statement(error),
        }
    }
}
