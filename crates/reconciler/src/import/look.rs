//! Decides every row against the register as it is. Writes nothing of the register.

use std::collections::HashMap;

use contracts::internal::v1::ImportAccountsRequest;
use contracts::v1::AccountRow;
use domain::account::{Account, Kind, Status};
use domain::decide::{Holder, held_login};
use domain::decision::{LinkStatus, LoginKey};
use domain::field::Field;
use domain::id::{AccountId, ConnectionId};
use domain::import::{Fields, NO_FIELDS, Row, kept_by};
use domain::overwrite::{self, Keys, Match};
use prost::Message;
use store::candidate;
use store::{account, connection, import_page, mapping};

use super::found::{Fate, Found};
use super::{Head, Import, row};
use crate::error::Error;

/// Connections and mappings of an organization at most.
const MOST: i64 = 10_000;

/// Looks through a file.
pub struct Look<'a> {
    import: &'a Import<'a>,
    head: &'a Head,
    kept: Kept,
    /// What was found out.
    pub found: Found,
    /// How many pages wait to be written.
    pub pages: i32,
}

/// The fields that each connection keeps to itself.
pub struct Kept(HashMap<ConnectionId, (String, Fields)>);

/// A row and where it stands.
struct Placed {
    line: u32,
    row: Row,
    sent: AccountRow,
}

impl<'a> Look<'a> {
    /// Begins.
    pub async fn new(import: &'a Import<'a>, head: &'a Head) -> Result<Self, Error> {
        Ok(Self {
            import,
            head,
            kept: Kept::load(import, head).await?,
            found: Found::default(),
            pages: 0,
        })
    }

    /// Decides the rows of one message, and puts those away that are to be written.
    pub async fn page(&mut self, rows: Vec<AccountRow>) -> Result<(), Error> {
        let mut placed = Vec::with_capacity(rows.len());
        for sent in rows {
            let line = sent.line;
            match row::check(&sent, &self.head.terms) {
                Ok(row) => placed.push(Placed { line, row, sent }),
                Err(why) => self.found.unusable(line, why),
            }
        }
        if placed.is_empty() {
            return Ok(());
        }
        let fates = self.decide(&placed).await?;
        let mut waiting = Vec::new();
        for (Placed { line, row, mut sent }, fate) in placed.into_iter().zip(fates) {
            let hash = |text: &str| contracts::observed::hash(text.as_bytes());
            let identities = row.identities();
            let identities = identities.iter().map(|(kind, text)| (*kind, hash(text)));
            let place = self.found.push(line, fate, identities);
            if matches!(fate, Fate::Add | Fate::Update(..)) {
                sent.line = place;
                waiting.push(sent);
            }
        }
        self.put_away(waiting).await
    }

    async fn decide(&mut self, placed: &[Placed]) -> Result<Vec<Fate>, Error> {
        let keys: Vec<Keys> = placed
            .iter()
            .map(|placed| self.head.terms.keys(&placed.row))
            .collect();
        let mut connection = self.import.store.connection().await?;
        let candidates = candidate::find(&mut connection, self.head.organization, &keys).await?;
        let by_id: HashMap<AccountId, &Account> = candidates
            .accounts
            .iter()
            .filter(|account| account.status != Status::Deleted)
            .map(|account| (account.id, account))
            .collect();
        let mut fates = Vec::with_capacity(placed.len());
        let mut moving = Vec::new();
        for ((place, placed), (keys, ids)) in placed
            .iter()
            .enumerate()
            .zip(keys.iter().zip(&candidates.by_user))
        {
            let existing: Vec<Account> = ids
                .iter()
                .filter_map(|id| by_id.get(id).copied().cloned())
                .collect();
            let fate = match overwrite::decide(keys, &existing) {
                Match::New => Fate::Add,
                Match::Disputed { by, between } => {
                    let [one, other] = between.map(Account::label);
                    let why = format!("{by} matches both {one} and {other}; correct one of them");
                    self.found.tell(placed.line, why);
                    Fate::Fail
                }
                Match::Overwrites { account, by } => {
                    let (kept, keeper) = self.kept.of(account.id, &candidates.holders);
                    let change = self.head.terms.update(&placed.row, account, &kept);
                    for field in &change.kept {
                        self.found.note(placed.line, || noted(*field, account, keeper));
                    }
                    if change.account == *account {
                        Fate::Unchanged(account.id, by)
                    } else {
                        let (before, after) = (held_login(account), held_login(&change.account));
                        if let Some(login) = after.filter(|after| Some(after) != before.as_ref()) {
                            moving.push((place, login, account.id));
                        }
                        Fate::Update(account.id, by)
                    }
                }
            };
            fates.push(fate);
        }
        let logins: Vec<LoginKey> = moving.iter().map(|(_, login, _)| login.clone()).collect();
        let holders = account::holders_of(&mut connection, self.head.organization, &logins).await?;
        for (place, login, own) in moving {
            let held = holders.iter().find(|(of, by)| *of == login && *by != own);
            if let Some((_, by)) = held {
                let holder = account::load(&mut connection, &[by.0]).await?;
                let label = holder.first().map_or_else(|| by.to_string(), Account::label);
                let why = domain::settle::login_taken(&login, &[label]);
                self.found.tell(placed[place].line, why);
                fates[place] = Fate::Fail;
            }
        }
        Ok(fates)
    }

    async fn put_away(&mut self, rows: Vec<AccountRow>) -> Result<(), Error> {
        if rows.is_empty() || self.head.dry_run {
            return Ok(());
        }
        self.pages += 1;
        let content = ImportAccountsRequest {
            rows,
            ..ImportAccountsRequest::default()
        };
        let mut connection = self.import.store.connection().await?;
        import_page::insert(
            &mut connection,
            (self.head.import, self.pages),
            self.head.organization,
            &content.encode_to_vec(),
            self.import.clock.now(),
        )
        .await?;
        Ok(())
    }
}

impl Kept {
    /// As the connections' mappings say now.
    pub async fn load(import: &Import<'_>, head: &Head) -> Result<Self, Error> {
        let mut tx = import.store.begin("import.kept").await?;
        let mappings = mapping::list(tx.connection(), head.organization, None, None, MOST).await?;
        let connections = connection::list(tx.connection(), head.organization, None, MOST).await?;
        tx.commit().await?;
        let kept = connections.into_iter().map(|connection| {
            let own: Vec<_> = mappings
                .iter()
                .filter(|mapping| mapping.connection == connection.id)
                .filter(|mapping| mapping.target.kind() == Some(Kind::Account))
                .filter_map(mapping::Mapping::rules)
                .collect();
            (connection.id, (connection.name, kept_by(&own)))
        });
        Ok(Self(kept.collect()))
    }

    /// What is kept of an account, and by which connection: those whose object is in the directory and in scope.
    pub fn of(&self, account: AccountId, holders: &[Holder]) -> (Fields, &str) {
        let mut kept = NO_FIELDS;
        let mut keeper = "";
        for holder in holders.iter().filter(|holder| {
            holder.account == account && matches!(holder.status, LinkStatus::Active | LinkStatus::Disabled)
        }) {
            if let Some((name, fields)) = self.0.get(&holder.connection) {
                keeper = name;
                for (kept, also) in kept.iter_mut().zip(fields) {
                    *kept |= also;
                }
            }
        }
        (kept, keeper)
    }
}

fn noted(field: Field, account: &Account, keeper: &str) -> String {
    format!("{field} of {} is kept by connection {keeper}", account.label())
}
