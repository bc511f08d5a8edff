//! `run_page.fields`: what the decisions of a page change, packed together.
//!
//! A first import changes forty fields of everyone. Packed by the page they take a fifth of the room that they would take
//! in a row each, in the log as in the table.

use std::collections::HashMap;

use domain::id::RunId;
use domain::mapping::FieldChange;
use futures::TryStreamExt as _;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Inconsistent, StoreError, fields};

/// The fastest useful level.
const LEVEL: i32 = 1;
/// A page unpacked is at most so large: it came in a message of at most 8 MiB, and each field has an old value, too.
const LARGEST: usize = 64 << 20;

/// Collects the changed fields of a page.
#[derive(Debug, Default)]
pub struct Writer {
    wire: Vec<u8>,
}

impl Writer {
    /// Adds what the decision at this position changes.
    pub fn push(&mut self, position: i32, changes: &[FieldChange<'_>]) {
        if changes.is_empty() {
            return;
        }
        self.wire.extend_from_slice(&position.to_be_bytes());
        let length = self.wire.len();
        self.wire.extend_from_slice(&[0; 4]);
        fields::encode(changes, &mut self.wire);
        let written = self.wire.len() - length - 4;
        let written = u32::try_from(written).expect("records are limited to 256 KiB");
        self.wire[length..length + 4].copy_from_slice(&written.to_be_bytes());
    }

    /// The packed form; empty when nothing changes.
    #[must_use]
    pub fn finish(&self) -> Vec<u8> {
        if self.wire.is_empty() {
            return Vec::new();
        }
        zstd::bulk::compress(&self.wire, LEVEL).expect("there is memory for a copy")
    }
}

/// What the decisions at these places (page and position) change, each as [`fields::decode`] reads it. Decisions that
/// change nothing are not in it.
pub(crate) async fn load(
    connection: &mut PgConnection,
    run: RunId,
    places: &[(i32, i32)],
) -> Result<HashMap<(i32, i32), Vec<u8>>, StoreError> {
    let mut wanted: HashMap<i32, Vec<i32>> = HashMap::new();
    for (page, position) in places {
        wanted.entry(*page).or_default().push(*position);
    }
    let mut found = HashMap::with_capacity(places.len());
    // One page in memory at a time: a few decisions of each of many pages may be asked for.
    let mut pages = sqlx::query_as::<_, (i32, Vec<u8>)>(
        "-- page_fields.load
         SELECT number, fields FROM run_page WHERE run_id = $1 AND number = ANY ($2) AND fields <> ''",
    )
    .bind(run.0)
    .bind(wanted.keys().copied().collect::<Vec<_>>())
    .fetch(connection);
    while let Some((page, packed)) = pages.try_next().await? {
        let broken = || Inconsistent::new("run_page", "fields", format!("{run} {page}"));
        let wire = unpack(&packed).ok_or_else(broken)?;
        let entries = entries(&wire).ok_or_else(broken)?;
        for position in wanted.remove(&page).unwrap_or_default() {
            if let Some(changes) = entries.get(&position) {
                found.insert((page, position), (*changes).to_vec());
            }
        }
    }
    Ok(found)
}

/// The same for decisions of several runs.
pub(crate) async fn load_of_runs(
    connection: &mut PgConnection,
    places: &[(RunId, i32, i32)],
) -> Result<HashMap<(RunId, i32, i32), Vec<u8>>, StoreError> {
    let mut wanted: HashMap<(RunId, i32), Vec<i32>> = HashMap::new();
    for (run, page, position) in places {
        wanted.entry((*run, *page)).or_default().push(*position);
    }
    let keys: Vec<(RunId, i32)> = wanted.keys().copied().collect();
    let mut found = HashMap::with_capacity(places.len());
    let mut pages = sqlx::query_as::<_, (Uuid, i32, Vec<u8>)>(
        "-- page_fields.load_of_runs
         SELECT k.run_id, k.number, p.fields
         FROM unnest($1::uuid[], $2::int[]) AS k (run_id, number)
         CROSS JOIN LATERAL (
             SELECT fields FROM run_page WHERE run_id = k.run_id AND number = k.number LIMIT 1
         ) p
         WHERE p.fields <> ''",
    )
    .bind(keys.iter().map(|(run, _)| run.0).collect::<Vec<_>>())
    .bind(keys.iter().map(|(_, page)| *page).collect::<Vec<_>>())
    .fetch(connection);
    while let Some((run, page, packed)) = pages.try_next().await? {
        let run = RunId(run);
        let broken = || Inconsistent::new("run_page", "fields", format!("{run} {page}"));
        let wire = unpack(&packed).ok_or_else(broken)?;
        let entries = entries(&wire).ok_or_else(broken)?;
        for position in wanted.remove(&(run, page)).unwrap_or_default() {
            if let Some(changes) = entries.get(&position) {
                found.insert((run, page, position), (*changes).to_vec());
            }
        }
    }
    Ok(found)
}

/// Takes the changes of decisions out of their pages: those at these places (run, page and position).
pub(crate) async fn forget(
    connection: &mut PgConnection,
    places: &[(Uuid, i32, i32)],
) -> Result<(), StoreError> {
    let mut of_pages: HashMap<(Uuid, i32), Vec<i32>> = HashMap::new();
    for (run, page, position) in places {
        of_pages.entry((*run, *page)).or_default().push(*position);
    }
    // In one order, so that two who do this don't wait for each other for ever.
    let mut of_pages: Vec<_> = of_pages.into_iter().collect();
    of_pages.sort_unstable();
    for ((run, page), positions) in of_pages {
        let packed: Option<Vec<u8>> = sqlx::query_scalar(
            "-- page_fields.lock
             SELECT fields FROM run_page WHERE run_id = $1 AND number = $2 AND fields <> '' FOR UPDATE",
        )
        .bind(run)
        .bind(page)
        .fetch_optional(&mut *connection)
        .await?;
        let Some(packed) = packed else { continue };
        let kept = without(&packed, &positions)
            .ok_or_else(|| Inconsistent::new("run_page", "fields", format!("{run} {page}")))?;
        sqlx::query(
            "-- page_fields.forget\nUPDATE run_page SET fields = $3 WHERE run_id = $1 AND number = $2",
        )
        .bind(run)
        .bind(page)
        .bind(kept)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// The packed form without what stands at these positions.
fn without(packed: &[u8], positions: &[i32]) -> Option<Vec<u8>> {
    let wire = unpack(packed)?;
    let mut entries: Vec<(i32, &[u8])> = entries(&wire)?.into_iter().collect();
    entries.sort_unstable_by_key(|(position, _)| *position);
    let mut writer = Writer::default();
    for (position, changes) in entries {
        if !positions.contains(&position) {
            writer.wire.extend_from_slice(&position.to_be_bytes());
            let length = u32::try_from(changes.len()).ok()?;
            writer.wire.extend_from_slice(&length.to_be_bytes());
            writer.wire.extend_from_slice(changes);
        }
    }
    Some(writer.finish())
}

fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let size = zstd::zstd_safe::get_frame_content_size(packed).ok().flatten()?;
    let size = usize::try_from(size).ok().filter(|size| *size <= LARGEST)?;
    zstd::bulk::decompress(packed, size).ok()
}

fn entries(mut wire: &[u8]) -> Option<HashMap<i32, &[u8]>> {
    let mut entries = HashMap::new();
    while !wire.is_empty() {
        let (position, rest) = wire.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (changes, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        entries.insert(i32::from_be_bytes(*position), changes);
        wire = rest;
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use domain::field::Field;

    use super::*;

    #[test]
    fn what_is_packed_is_found_at_its_place() {
        let change = |new: &'static str| FieldChange {
            field: Field::Name,
            old: None,
            new: Some(new.into()),
        };
        let mut writer = Writer::default();
        assert_eq!(writer.finish(), b"");
        writer.push(3, &[change("Zoë")]);
        writer.push(4, &[]);
        writer.push(700, &[change("山田"), change("x")]);
        let wire = unpack(&writer.finish()).unwrap();
        let entries = entries(&wire).unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(fields::decode(entries[&3]), Some(vec![change("Zoë")]));
        assert_eq!(fields::decode(entries[&700]).unwrap().len(), 2);
        assert!(super::entries(&wire[..wire.len() - 1]).is_none());
        assert!(unpack(b"no frame").is_none());

        let rest = without(&writer.finish(), &[3]).unwrap();
        let wire = unpack(&rest).unwrap();
        let left = super::entries(&wire).unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(left[&700], entries[&700]);
        assert_eq!(without(&rest, &[3, 700]).unwrap(), b"");
    }
}
