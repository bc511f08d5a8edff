//! Removals that await a person, as CSV.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::account::Role;
use domain::csv_cell;
use domain::id::ReviewId;
use futures::Stream;
use store::review_list::{self, Filter, Review};
use store::{Store, StoreError};

use super::reviews::holds;

/// Reviews that are loaded at a time; so many are in memory.
const CHUNK: i64 = 1_000;

const COLUMNS: [&str; 12] = [
    "id",
    "connection",
    "account_id",
    "object_id",
    "upn",
    "name",
    "role",
    "cause",
    "last_seen",
    "held_assets",
    "proposed",
    "reason",
];

/// How far it is: not begun, behind this one, or done.
enum Place {
    Start,
    Behind(DateTime<Utc>, ReviewId),
    End,
}

/// The file, a piece at a time; safe to open in a spreadsheet.
pub fn stream(store: Store, filter: Filter) -> impl Stream<Item = Result<Bytes, StoreError>> + Send {
    futures::stream::try_unfold((store, Place::Start), move |(store, place)| async move {
        let (mut text, after) = match place {
            Place::End => return Ok(None),
            Place::Start => (csv_cell::row(COLUMNS), None),
            Place::Behind(at, id) => (String::new(), Some((at, id))),
        };
        let mut connection = store.connection().await?;
        let reviews = review_list::list(&mut connection, filter, after, CHUNK).await?;
        drop(connection);
        let next = match reviews.last() {
            Some(last) => Place::Behind(last.created_at, last.id),
            None => Place::End,
        };
        for review in &reviews {
            text.push_str(&row(review));
        }
        Ok(Some((Bytes::from(text), (store, next))))
    })
}

fn row(review: &Review) -> String {
    let seen = review.last_seen_at;
    let waits = if review.waits_for_assets {
        " when assets are returned"
    } else {
        ""
    };
    csv_cell::row([
        review.id.to_string().as_str(),
        review.connection.as_str(),
        review.account.to_string().as_str(),
        review.object.to_string().as_str(),
        review.upn.as_deref().unwrap_or_default(),
        review.name.as_deref().unwrap_or_default(),
        review.role.map_or("", Role::key),
        review.cause.key(),
        seen.map(|at| at.format("%Y-%m-%dT%H:%M:%SZ").to_string())
            .unwrap_or_default()
            .as_str(),
        holds(review).as_str(),
        format!("{}{waits}", review.proposed.key()).as_str(),
        review.reason.as_str(),
    ])
}
