//! The plan of a run, or what it did: its decisions as people see them. Only reads.

use domain::account::Kind;
use domain::decision::{Action, Outcome, Skip};
use domain::field::Field;
use domain::id::{AccountId, ObjectId, RunId};
use domain::leaver::Cause;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Inconsistent, StoreError, account_list, decision, fields, page_fields};

/// A decision as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where it stands in the run.
    pub place: Place,
    /// What the record is.
    pub kind: Kind,
    /// The object; none for a record without a usable id.
    pub object: Option<ObjectId>,
    /// The account concerned.
    pub account: Option<AccountId>,
    /// How people tell the object from others.
    pub name: Option<String>,
    /// Its UPN.
    pub upn: Option<String>,
    /// What counts.
    pub outcome: Outcome,
    /// The overwrite rule that matched; 0 for none.
    pub rule: u8,
    /// What happens to the account.
    pub action: Action,
    /// Why it leaves, if it does.
    pub cause: Option<Cause>,
    /// The reason in words.
    pub reason: Option<String>,
    /// The fields that change.
    pub fields: Vec<FieldChange>,
    /// Whether it is in the register.
    pub applied: bool,
}

/// One field that changes. `None` is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldChange {
    /// Which.
    pub field: Field,
    /// What it was.
    pub old: Option<String>,
    /// What it is or will be.
    pub new: Option<String>,
}

/// Where a decision stands in its run: page, and position on it. Objects without a decision stand behind the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The page's number.
    pub page: i32,
    /// The position on it.
    pub position: i32,
}

impl Place {
    /// Before the first.
    pub const START: Self = Self {
        page: i32::MIN,
        position: i32::MIN,
    };
}

/// Which decisions of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Which<'a> {
    /// With this outcome.
    pub outcome: Option<Outcome>,
    /// With all these words in name or UPN, or as the object id.
    pub words: &'a [String],
}

impl Which<'_> {
    /// Those with this outcome.
    #[must_use]
    pub const fn of(outcome: Outcome) -> Self {
        Self {
            outcome: Some(outcome),
            words: &[],
        }
    }

    fn patterns(&self) -> Vec<String> {
        self.words
            .iter()
            .map(|word| account_list::pattern(word))
            .collect()
    }
}

/// Up to `limit` decisions of a run in their order, those behind `after`.
///
/// Objects that were left out as they were the last time, and unchanged ones, have no decision. They are listed when
/// their outcome is asked for.
pub async fn list(
    connection: &mut PgConnection,
    run: RunId,
    which: Which<'_>,
    after: Place,
    limit: i64,
) -> Result<Vec<Change>, StoreError> {
    let mut changes = decided(&mut *connection, run, which, after, limit).await?;
    match which.outcome {
        Some(Outcome::Skipped) => changes.extend(left_out(connection, run, which, after, limit).await?),
        Some(Outcome::Unchanged) => changes.extend(unchanged(connection, run, which, after, limit).await?),
        _ => {}
    }
    changes.sort_by_key(|change| change.place);
    changes.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(changes)
}

async fn decided(
    connection: &mut PgConnection,
    run: RunId,
    which: Which<'_>,
    after: Place,
    limit: i64,
) -> Result<Vec<Change>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "-- change_list.decided
         SELECT decision.page, decision.position, decision.object_id, decision.account_id, decision.outcome,
             decision.rule, decision.action, decision.cause, decision.name, decision.upn, decision.reason,
             decision.skip, decision.kind, (run_page.applied_at IS NOT NULL OR run_plan.state = 'finished') AS applied
         FROM decision
         JOIN run_page ON run_page.run_id = decision.run_id AND run_page.number = decision.page
         JOIN run_plan ON run_plan.run_id = decision.run_id AND run_plan.attempt = run_page.attempt
         WHERE decision.run_id = $1 AND ($2::smallint IS NULL OR decision.outcome = $2 AND decision.counts)
           AND (decision.page, decision.position) > ($3, $4)
           AND NOT EXISTS (
               SELECT FROM unnest($6::text[]) AS word
               WHERE concat_ws(' ', decision.name, decision.upn, decision.object_id) NOT ILIKE word)
         ORDER BY decision.page, decision.position LIMIT $5",
    )
    .bind(run.0)
    .bind(which.outcome.map(|outcome| outcome as i16))
    .bind(after.page)
    .bind(after.position)
    .bind(limit)
    .bind(which.patterns())
    .fetch_all(&mut *connection)
    .await?;
    let changing: Vec<(i32, i32)> = rows
        .iter()
        .filter(|row| decision::changes_fields(row.outcome, row.skip))
        .map(|row| (row.page, row.position))
        .collect();
    let changes = page_fields::load(connection, run, &changing).await?;
    rows.into_iter()
        .map(|row| {
            let fields = changes.get(&(row.page, row.position));
            Ok(row.read(run, fields.map_or(&[], Vec::as_slice))?)
        })
        .collect()
}

async fn left_out(
    connection: &mut PgConnection,
    run: RunId,
    which: Which<'_>,
    after: Place,
    limit: i64,
) -> Result<Vec<Change>, StoreError> {
    let rows: Vec<(i32, i32, Uuid, i16, bool)> = sqlx::query_as(
        "-- change_list.left_out
         SELECT run_page.number, 1000000 + skip.position::int, skip.object_id, skip.reason,
             run_page.applied_at IS NOT NULL OR run_plan.state = 'finished'
         FROM run_page
         JOIN run_plan ON run_plan.run_id = run_page.run_id AND run_plan.attempt = run_page.attempt
         CROSS JOIN LATERAL unnest(run_page.skipped, run_page.skip_reasons)
             WITH ORDINALITY AS skip (object_id, reason, position)
         WHERE run_page.run_id = $1 AND run_page.number >= $2
           AND (run_page.number, 1000000 + skip.position::int) > ($2, $3)
           AND NOT EXISTS (
               SELECT FROM unnest($5::text[]) AS word WHERE skip.object_id::text NOT ILIKE word)
         ORDER BY 1, 2 LIMIT $4",
    )
    .bind(run.0)
    .bind(after.page)
    .bind(after.position)
    .bind(limit)
    .bind(which.patterns())
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|(page, position, object, reason, applied)| {
            let skip = Skip::of_number(reason)
                .ok_or_else(|| Inconsistent::new("run_page", "skip_reasons", format!("{run} {page}")))?;
            let place = Place { page, position };
            Ok(Change {
                object: Some(ObjectId(object)),
                reason: Some(skip.to_string()),
                ..Change::bare(place, Outcome::Skipped, applied)
            })
        })
        .collect()
}

async fn unchanged(
    connection: &mut PgConnection,
    run: RunId,
    which: Which<'_>,
    after: Place,
    limit: i64,
) -> Result<Vec<Change>, StoreError> {
    let rows: Vec<Unchanged> = sqlx::query_as(
        "-- change_list.unchanged
         SELECT run_page.number AS page, 2000000 + seen.position::int AS position, seen.object_id,
             (run_page.applied_at IS NOT NULL OR run_plan.state = 'finished') AS applied, link.account_id, account.name,
             account.upn, account.kind
         FROM run_page
         JOIN run_plan ON run_plan.run_id = run_page.run_id AND run_plan.attempt = run_page.attempt
         CROSS JOIN LATERAL unnest(run_page.seen) WITH ORDINALITY AS seen (object_id, position)
         LEFT JOIN LATERAL (
             SELECT account_id FROM link
             WHERE link.connection_id = run_plan.connection_id AND link.object_id = seen.object_id
             ORDER BY account_id IS NULL, target LIMIT 1
         ) AS link ON true
         LEFT JOIN account ON account.id = link.account_id
         WHERE run_page.run_id = $1 AND run_page.number >= $2
           AND (run_page.number, 2000000 + seen.position::int) > ($2, $3)
           AND seen.object_id <> ALL (run_page.skipped)
           AND NOT EXISTS (
               SELECT FROM decision
               WHERE decision.run_id = run_page.run_id AND decision.page = run_page.number
                 AND decision.object_id = seen.object_id AND decision.counts)
           AND NOT EXISTS (
               SELECT FROM unnest($5::text[]) AS word
               WHERE concat_ws(' ', account.name, account.upn, seen.object_id) NOT ILIKE word)
         ORDER BY 1, 2 LIMIT $4",
    )
    .bind(run.0)
    .bind(after.page)
    .bind(after.position)
    .bind(limit)
    .bind(which.patterns())
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(Change::from).collect())
}

impl Change {
    const fn bare(place: Place, outcome: Outcome, applied: bool) -> Self {
        Self {
            place,
            kind: Kind::Account,
            object: None,
            account: None,
            name: None,
            upn: None,
            outcome,
            rule: 0,
            action: Action::None,
            cause: None,
            reason: None,
            fields: Vec::new(),
            applied,
        }
    }
}

#[derive(sqlx::FromRow)]
struct Unchanged {
    page: i32,
    position: i32,
    object_id: Uuid,
    applied: bool,
    account_id: Option<Uuid>,
    name: Option<String>,
    upn: Option<String>,
    kind: Option<i16>,
}

impl From<Unchanged> for Change {
    fn from(row: Unchanged) -> Self {
        let place = Place {
            page: row.page,
            position: row.position,
        };
        Self {
            object: Some(ObjectId(row.object_id)),
            kind: row.kind.and_then(Kind::of_number).unwrap_or(Kind::Account),
            account: row.account_id.map(AccountId),
            name: row.name,
            upn: row.upn,
            ..Self::bare(place, Outcome::Unchanged, row.applied)
        }
    }
}

#[derive(sqlx::FromRow)]
pub(crate) struct Row {
    pub(crate) page: i32,
    pub(crate) position: i32,
    object_id: Option<Uuid>,
    account_id: Option<Uuid>,
    pub(crate) outcome: i16,
    rule: i16,
    action: i16,
    cause: i16,
    name: Option<String>,
    upn: Option<String>,
    reason: Option<String>,
    pub(crate) skip: i16,
    kind: i16,
    applied: bool,
}

impl Row {
    pub(crate) fn read(self, run: RunId, changes: &[u8]) -> Result<Change, Inconsistent> {
        let place = Place {
            page: self.page,
            position: self.position,
        };
        let bad = |column| {
            Inconsistent::new(
                "decision",
                column,
                format!("{run} {} {}", place.page, place.position),
            )
        };
        let changes = fields::decode(changes).ok_or_else(|| bad("fields"))?;
        Ok(Change {
            place,
            kind: Kind::of_number(self.kind).ok_or_else(|| bad("kind"))?,
            object: self.object_id.map(ObjectId),
            account: self.account_id.map(AccountId),
            name: self.name,
            upn: self.upn,
            outcome: Outcome::of_number(self.outcome).ok_or_else(|| bad("outcome"))?,
            rule: u8::try_from(self.rule).map_err(|_| bad("rule"))?,
            action: Action::of_number(self.action).ok_or_else(|| bad("action"))?,
            cause: match self.cause {
                0 => None,
                number => Some(Cause::of_number(number).ok_or_else(|| bad("cause"))?),
            },
            reason: self
                .reason
                .or_else(|| Skip::of_number(self.skip).map(|skip| skip.to_string())),
            fields: changes
                .into_iter()
                .map(|change| FieldChange {
                    field: change.field,
                    old: change.old.map(Into::into),
                    new: change.new.map(Into::into),
                })
                .collect(),
            applied: self.applied,
        })
    }
}
