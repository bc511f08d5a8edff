//! Writes what was decided, a page per transaction. Doing it again is harmless: what is written is found unchanged.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use contracts::internal::v1::ImportAccountsRequest;
use domain::account::{Account, Kind, Status as AccountStatus, fold};
use domain::decision::LoginKey;
use domain::field::Field;
use domain::id::AccountId;
use domain::import::Row;
use prost::Message;
use service::error::chain;
use store::account::Written;
use store::copy::Rows;
use store::{Inconsistent, StoreError, Tx, account, candidate, import_page, link};
use tonic::Status;
use uuid::Uuid;

use super::found::{Fate, Found};
use super::look::Kept;
use super::{Head, Import, row};
use crate::apply::login_of;
use crate::error::Error;
use crate::passwords;
use crate::tell::tell;

/// Tries at a page when the database asks for it to be repeated.
const TRIES: u32 = 5;

/// Writes all pages. What fails now fails because somebody else has written meanwhile.
pub async fn write(import: &Import<'_>, head: &Head, found: &mut Found, pages: i32) -> Result<(), Status> {
    let kept = Kept::load(import, head).await?;
    let mut writer = Writer {
        import,
        head,
        kept,
        written: 0,
    };
    for number in 1..=pages {
        if let Err(error) = writer.page(found, (number, pages)).await {
            let written = writer.written;
            tracing::warn!(error = %chain(&error), written, "an import was broken off");
            return Err(Status::unavailable(format!(
                "the import was broken off: {written} rows were written, the others were not; import the file again, \
                 which changes nothing of what is written"
            )));
        }
    }
    Ok(())
}

struct Writer<'a> {
    import: &'a Import<'a>,
    head: &'a Head,
    kept: Kept,
    written: u32,
}

/// What a page comes to.
#[derive(Default)]
struct Done {
    written: u32,
    failed: Vec<(u32, String)>,
}

impl Writer<'_> {
    async fn page(&mut self, found: &mut Found, (number, pages): (i32, i32)) -> Result<(), Error> {
        let mut tries = 0;
        // Rows whose login somebody else took since they were decided.
        let mut taken: Vec<(u32, String)> = Vec::new();
        let done = loop {
            match self.try_page(found, (number, pages), &mut taken).await {
                Ok(Some(done)) => break done,
                Ok(None) => (),
                Err(error) if error.is_retryable() && tries < TRIES => tries += 1,
                Err(error) => return Err(error),
            }
        };
        self.written += done.written;
        for (place, why) in done.failed.into_iter().chain(taken) {
            found.fail(place);
            found.tell(found.line(place), why);
        }
        Ok(())
    }

    /// `None`: some rows' logins were taken meanwhile; they are in `taken` now, and the page is to be tried without them.
    async fn try_page(
        &self,
        found: &Found,
        (number, pages): (i32, i32),
        taken: &mut Vec<(u32, String)>,
    ) -> Result<Option<Done>, Error> {
        let mut tx = self.import.store.begin("import.page").await?;
        let content = import_page::take(tx.connection(), self.head.import, number)
            .await?
            .ok_or_else(|| StoreError::from(Inconsistent::new("import_page", "number", number)))?;
        let rows = self.rows(&content, found, taken)?;
        let now = self.import.clock.now();
        let mut done = Done::default();
        let mut logins = Vec::new();
        self.add(&mut tx, &rows, now, &mut logins, &mut done).await?;
        self.change(&mut tx, &rows, now, &mut logins, &mut done).await?;
        match account::check_logins(tx.connection()).await {
            Ok(()) => (),
            Err(StoreError::Duplicate { .. }) => {
                tx.rollback().await?;
                return self.find_taken(&logins, taken).await.map(|()| None);
            }
            Err(error) => return Err(error.into()),
        }
        let written = self.written + done.written;
        if number == pages && written > 0 {
            tell(&mut tx, self.import.clock, self.head.organization, written).await?;
        }
        tx.commit().await?;
        Ok(Some(done))
    }

    /// The page's rows that are to be written.
    fn rows(
        &self,
        content: &[u8],
        found: &Found,
        taken: &[(u32, String)],
    ) -> Result<Vec<(u32, Fate, Row)>, Error> {
        let bad = |_| StoreError::from(Inconsistent::new("import_page", "content", self.head.import));
        let page = ImportAccountsRequest::decode(content).map_err(bad)?;
        let mut rows = Vec::with_capacity(page.rows.len());
        for sent in page.rows {
            let (place, fate) = (sent.line, found.fate(sent.line));
            if fate == Fate::Fail || taken.iter().any(|(of, _)| *of == place) {
                continue;
            }
            let row = row::check(&sent, &self.head.terms).map_err(Error::Rules)?;
            rows.push((place, fate, row));
        }
        Ok(rows)
    }

    async fn add(
        &self,
        tx: &mut Tx,
        rows: &[(u32, Fate, Row)],
        now: DateTime<Utc>,
        logins: &mut Vec<(u32, LoginKey, AccountId)>,
        done: &mut Done,
    ) -> Result<(), Error> {
        let mut added = Rows::new(account::COPY_COLUMNS);
        let mut ids = Vec::new();
        for (place, _, row) in rows.iter().filter(|(_, fate, _)| *fate == Fate::Add) {
            let (role, values) = self
                .head
                .terms
                .create(row)
                .map_err(|field| Error::Rules(format!("{field} is empty")))?;
            let of = |field: Field| values[field as usize].as_deref().map(fold);
            let login = LoginKey {
                login: of(Field::Login).unwrap_or_default(),
                domain: of(Field::Domain).unwrap_or_default(),
            };
            let id = AccountId(self.import.clock.new_id());
            account::copy_row(
                &mut added,
                self.head.organization,
                (Kind::Account, id),
                (AccountStatus::Active, role, None),
                Some((&login.login, &login.domain)),
                &values.each_ref().map(Option::as_deref),
                now,
            );
            logins.push((*place, login, id));
            ids.push(id.0);
        }
        done.written += u32::try_from(ids.len()).unwrap_or(u32::MAX);
        account::insert(tx.connection(), added).await?;
        passwords::request(tx, self.head.organization, &ids, now).await
    }

    async fn change(
        &self,
        tx: &mut Tx,
        rows: &[(u32, Fate, Row)],
        now: DateTime<Utc>,
        logins: &mut Vec<(u32, LoginKey, AccountId)>,
        done: &mut Done,
    ) -> Result<(), Error> {
        let changing: Vec<(u32, AccountId, &Row)> = rows
            .iter()
            .filter_map(|(place, fate, row)| match fate {
                Fate::Update(account, _) => Some((*place, *account, row)),
                _ => None,
            })
            .collect();
        let ids: Vec<Uuid> = changing.iter().map(|(_, id, _)| id.0).collect();
        let accounts: HashMap<AccountId, Account> = account::load_for_update(tx.connection(), &ids)
            .await?
            .into_iter()
            .map(|account| (account.id, account))
            .collect();
        let holders = candidate::holders(tx.connection(), &ids).await?;
        let mut written = Vec::with_capacity(changing.len());
        for (place, id, row) in changing {
            let Some(account) = accounts
                .get(&id)
                .filter(|account| account.status != AccountStatus::Deleted)
            else {
                let why = "the account was deleted meanwhile; import the file again";
                done.failed.push((place, why.to_owned()));
                continue;
            };
            let (kept, _) = self.kept.of(id, &holders);
            let after = self.head.terms.update(row, account, &kept).account;
            let login = login_of(&after);
            if let Some(login) = &login {
                logins.push((place, login.clone(), id));
            }
            done.written += 1;
            written.push(Written {
                account: after,
                login,
            });
        }
        let ids: Vec<Uuid> = written.iter().map(|row| row.account.id.0).collect();
        account::update(tx.connection(), &written, now).await?;
        link::forget_hashes(tx.connection(), &ids).await?;
        Ok(())
    }

    async fn find_taken(
        &self,
        logins: &[(u32, LoginKey, AccountId)],
        taken: &mut Vec<(u32, String)>,
    ) -> Result<(), Error> {
        let keys: Vec<LoginKey> = logins.iter().map(|(_, login, _)| login.clone()).collect();
        let mut connection = self.import.store.connection().await?;
        let holders: HashMap<LoginKey, AccountId> =
            account::holders_of(&mut connection, self.head.organization, &keys)
                .await?
                .into_iter()
                .collect();
        let before = taken.len();
        for (place, login, own) in logins {
            if holders.get(login).is_some_and(|holder| holder != own) {
                let why = format!(
                    "another account took the login {} meanwhile; import the file again",
                    login.login
                );
                taken.push((*place, why));
            }
        }
        if taken.len() == before {
            return Err(Error::Rules(
                "a login was taken and given up again meanwhile; import the file again".to_owned(),
            ));
        }
        Ok(())
    }
}
