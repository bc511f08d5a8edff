//! Entries of the system log (N7, D9): whoever was removed, decided on or purged, exactly.

use domain::account::{Account, Role};
use domain::decision::Action;
use domain::field::Field;
use domain::id::{AccountId, ConnectionId, ObjectId, OrganizationId};
use domain::leaver::Cause;
use domain::system_log::{Csv, Kind, Line};
use service::Clock;
use store::run_plan::Work;
use store::system_log::{self, New};
use store::{Tx, decision, run_tally};

use crate::error::Error;

/// Records that are loaded at a time.
const BATCH: i64 = 1_000;

/// Notes what a run removed by itself, in the transaction that ends it: every record, in as many entries as it takes, of
/// which one at a time is in memory. Nothing when it removed nobody.
pub async fn removals(tx: &mut Tx, work: &Work, clock: &Clock) -> Result<(), Error> {
    if run_tally::removed(tx.connection(), work.run).await? == 0 {
        return Ok(());
    }
    let mut part = Part::default();
    let mut after = (i32::MIN, i32::MIN);
    loop {
        let batch = decision::removed(tx.connection(), work.run, after, BATCH).await?;
        let Some(last) = batch.last() else { break };
        after = last.place();
        for removed in &batch {
            let line = Line {
                account: &removed.account_id.to_string(),
                object: &removed.object_id.to_string(),
                role: Role::of_number(removed.role).map_or("", Role::key),
                action: removed.action().map_or("", Action::key),
                cause: removed.cause().map_or("", Cause::key),
                upn: removed.upn.as_deref().unwrap_or_default(),
                name: removed.name.as_deref().unwrap_or_default(),
                note: removed.reason.as_deref().unwrap_or_default(),
            };
            if !part.csv.push(&line) {
                let next = Part {
                    number: part.number + 1,
                    ..Part::default()
                };
                let full = std::mem::replace(&mut part, next);
                full.write(tx, work, clock, true).await?;
                part.csv.push(&line);
            }
            part.accounts.push(AccountId(removed.account_id));
            if removed.action() == Some(Action::Delete) {
                part.deleted += 1;
            } else {
                part.deactivated += 1;
            }
        }
    }
    let several = part.number > 1;
    part.write(tx, work, clock, several).await
}

/// An entry's worth of what a run removed.
struct Part {
    number: u32,
    csv: Csv,
    accounts: Vec<AccountId>,
    deactivated: u32,
    deleted: u32,
}

impl Default for Part {
    fn default() -> Self {
        Self {
            number: 1,
            csv: Csv::default(),
            accounts: Vec::new(),
            deactivated: 0,
            deleted: 0,
        }
    }
}

impl Part {
    async fn write(self, tx: &mut Tx, work: &Work, clock: &Clock, of_several: bool) -> Result<(), Error> {
        let Self {
            number,
            deactivated,
            deleted,
            ..
        } = self;
        let part = if of_several {
            format!(", part {number}")
        } else {
            String::new()
        };
        let entry = New {
            id: clock.new_id(),
            organization: work.organization,
            at: clock.now(),
            kind: Kind::Removals,
            actor: "sync",
            title: &format!("{deactivated} deactivated and {deleted} deleted by a run{part}"),
            connection: Some(work.connection),
            run: Some(work.run),
            records: deactivated + deleted,
            accounts: self.accounts,
            csv: &self.csv,
        };
        system_log::insert(tx.connection(), &entry).await?;
        Ok(())
    }
}

/// One record that a person decided on.
#[derive(Debug)]
pub struct Decided<'a> {
    /// The record.
    pub account: Option<&'a Account>,
    /// Its id.
    pub id: AccountId,
    /// The object that feeds it, where it is about one.
    pub object: Option<ObjectId>,
    /// Of which connection.
    pub connection: Option<ConnectionId>,
    /// What was done.
    pub action: &'static str,
    /// Why it left.
    pub cause: Option<Cause>,
    /// What else there is to say.
    pub note: &'a str,
}

/// What is noted of a person's word.
#[derive(Debug)]
pub struct Word<'a> {
    /// Whose register it is.
    pub organization: OrganizationId,
    /// What was done.
    pub kind: Kind,
    /// By whom.
    pub actor: &'a str,
    /// In one line.
    pub title: &'a str,
}

/// Notes what people decided, in the transaction that does it. Nothing when it concerns nobody.
pub async fn decided(
    tx: &mut Tx,
    clock: &Clock,
    word: &Word<'_>,
    records: &[Decided<'_>],
) -> Result<(), Error> {
    let Some(first) = records.first() else {
        return Ok(());
    };
    let connection = first
        .connection
        .filter(|one| records.iter().all(|record| record.connection == Some(*one)));
    let mut csv = Csv::default();
    let mut accounts = Vec::new();
    for record in records {
        let value = |field| {
            record
                .account
                .and_then(|account| account.value(field))
                .unwrap_or_default()
        };
        let line = Line {
            account: &record.id.to_string(),
            object: &record.object.map(|id| id.to_string()).unwrap_or_default(),
            role: record.account.map_or("", |account| account.role.key()),
            action: record.action,
            cause: record.cause.map_or("", Cause::key),
            upn: value(Field::Upn),
            name: value(Field::Name),
            note: record.note,
        };
        if csv.push(&line) {
            accounts.push(record.id);
        }
    }
    let entry = New {
        id: clock.new_id(),
        organization: word.organization,
        at: clock.now(),
        kind: word.kind,
        actor: word.actor,
        title: word.title,
        connection,
        run: None,
        records: u32::try_from(records.len()).unwrap_or(u32::MAX),
        accounts,
        csv: &csv,
    };
    system_log::insert(tx.connection(), &entry).await?;
    Ok(())
}
