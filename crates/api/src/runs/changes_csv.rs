//! Everything that a run did as CSV, a line for each field that changed.

use bytes::Bytes;
use contracts::change_csv;
use domain::custom_field::CustomFields;
use domain::decision::Outcome;
use domain::id::RunId;
use futures::Stream;
use store::change_list::{self, Change, Place, Which};
use store::{Store, StoreError};

use crate::view;

/// Rows that are loaded at a time; so many are in memory.
const CHUNK: i64 = 1_000;

/// What is asked for, and how far it is.
pub struct Reading {
    /// The database.
    pub store: Store,
    /// The run.
    pub run: RunId,
    /// Only this outcome.
    pub outcome: Option<Outcome>,
    /// Only those with all these words.
    pub words: Vec<String>,
    /// How custom fields are called.
    pub custom: CustomFields,
}

/// The file, a piece at a time.
pub fn stream(reading: Reading) -> impl Stream<Item = Result<Bytes, StoreError>> + Send {
    futures::stream::try_unfold((reading, Some(Place::START)), |(reading, after)| async move {
        let Some(after) = after else { return Ok(None) };
        let mut text = if after == Place::START {
            change_csv::header()
        } else {
            String::new()
        };
        let mut connection = reading.store.connection().await?;
        let which = Which {
            outcome: reading.outcome,
            words: &reading.words,
        };
        let changes = change_list::list(&mut connection, reading.run, which, after, CHUNK).await?;
        drop(connection);
        let next = changes.last().map(|last: &Change| last.place);
        for change in changes {
            text += &change_csv::rows(&view::change::change(change, &reading.custom));
        }
        Ok(Some((Bytes::from(text), (reading, next))))
    })
}
