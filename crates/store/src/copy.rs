//! COPY in PostgreSQL's binary format: the fastest way in for many rows.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;

/// Rows on their way into one table. Every row must have the number of columns that the statement names, each in the
/// column's own type.
#[derive(Debug)]
pub struct Rows {
    buffer: Vec<u8>,
    columns: i16,
    count: usize,
}

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const NULL: i32 = -1;

/// The database counts microseconds from here.
const EPOCH: DateTime<Utc> = DateTime::from_timestamp(946_684_800, 0).expect("2000-01-01 is a time");

impl Rows {
    /// No rows yet, of so many columns.
    #[must_use]
    pub fn new(columns: i16) -> Self {
        Self {
            buffer: SIGNATURE.to_vec(),
            columns,
            count: 0,
        }
    }

    /// Begins a row.
    pub fn row(&mut self) -> &mut Self {
        self.count += 1;
        self.buffer.extend_from_slice(&self.columns.to_be_bytes());
        self
    }

    /// How many rows there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// A `uuid`.
    pub fn uuid(&mut self, value: Option<Uuid>) -> &mut Self {
        self.put(value.as_ref().map(|id| id.as_bytes().as_slice()))
    }

    /// A `smallint`.
    pub fn smallint(&mut self, value: i16) -> &mut Self {
        self.put(Some(&value.to_be_bytes()))
    }

    /// A null of any type.
    pub fn null(&mut self) -> &mut Self {
        self.put(None)
    }

    /// An `integer`.
    pub fn integer(&mut self, value: i32) -> &mut Self {
        self.put(Some(&value.to_be_bytes()))
    }

    /// A `bigint`.
    pub fn bigint(&mut self, value: i64) -> &mut Self {
        self.put(Some(&value.to_be_bytes()))
    }

    /// A `boolean`.
    pub fn boolean(&mut self, value: bool) -> &mut Self {
        self.put(Some(&[u8::from(value)]))
    }

    /// A `text`.
    pub fn text(&mut self, value: Option<&str>) -> &mut Self {
        self.put(value.map(str::as_bytes))
    }

    /// A `bytea`.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.put(Some(value))
    }

    /// A `timestamptz`.
    pub fn time(&mut self, value: DateTime<Utc>) -> &mut Self {
        let since: TimeDelta = value - EPOCH;
        self.bigint(since.num_microseconds().unwrap_or(i64::MAX))
    }

    /// Sends the rows. `statement` is `COPY table (columns) FROM STDIN (FORMAT binary)`.
    pub async fn send(mut self, connection: &mut PgConnection, statement: &str) -> Result<(), StoreError> {
        if self.is_empty() {
            return Ok(());
        }
        self.buffer.extend_from_slice(&(-1_i16).to_be_bytes());
        let mut copy = connection.copy_in_raw(statement).await?;
        match copy.send(self.buffer).await {
            Ok(_) => copy.finish().await?,
            Err(error) => {
                copy.abort("the rows could not be sent").await?;
                return Err(error.into());
            }
        };
        Ok(())
    }

    fn put(&mut self, value: Option<&[u8]>) -> &mut Self {
        match value {
            None => self.buffer.extend_from_slice(&NULL.to_be_bytes()),
            Some(value) => {
                let length = i32::try_from(value.len()).expect("records are limited to 256 KiB");
                self.buffer.extend_from_slice(&length.to_be_bytes());
                self.buffer.extend_from_slice(value);
            }
        }
        self
    }
}
