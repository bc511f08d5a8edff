//! Loads accounts from rows: one by its login and domain, or its UPN, is changed; another is added.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use contracts::internal::v1::ImportAccountsRequest;
use contracts::v1::{AccountRow, ImportAccountsResponse, RowFailure};
use domain::account::{Account, Kind, Role, Status as AccountStatus, fold};
use domain::decision::LoginKey;
use domain::field::Field;
use domain::id::{AccountId, OrganizationId};
use domain::overwrite::Keys;
use service::Clock;
use store::account::{self, Written};
use store::copy::Rows;
use store::{Store, StoreError, Tx, candidate, link};
use tonic::{Status, Streaming};
use uuid::Uuid;

use crate::error::Error;

/// Failures that are told one by one.
const TOLD: usize = 1_000;
/// Rows in one message.
const MOST: usize = 1_000;
/// Characters in one value.
const LONGEST: usize = 4_096;

/// One row, checked.
struct Checked {
    line: u32,
    role: Option<Role>,
    values: HashMap<Field, String>,
    key: LoginKey,
}

/// Imports a stream of rows, each message in a transaction of its own. A bad row fails alone.
pub async fn import(
    store: &Store,
    clock: &Clock,
    mut requests: Streaming<ImportAccountsRequest>,
) -> Result<ImportAccountsResponse, Status> {
    let mut answer = ImportAccountsResponse::default();
    let mut seen: HashMap<LoginKey, u32> = HashMap::new();
    let mut head: Option<(OrganizationId, bool)> = None;
    while let Some(request) = requests.message().await? {
        let (organization, dry_run) = match head {
            Some(head) => head,
            None => {
                let organization = request
                    .organization_id
                    .parse()
                    .map_err(|_| Status::invalid_argument("organization_id is not a UUID"))?;
                *head.insert((organization, request.dry_run))
            }
        };
        if request.rows.len() > MOST {
            return Err(Status::invalid_argument(format!(
                "rows: at most {MOST} in one message"
            )));
        }
        let rows = check_all(request.rows, &mut seen, &mut answer);
        let mut tx = store.begin("import.rows").await.map_err(Error::from)?;
        write(&mut tx, clock, organization, rows, &mut answer).await?;
        if dry_run {
            tx.rollback().await.map_err(Error::from)?;
        } else {
            tx.commit().await.map_err(Error::from)?;
        }
    }
    Ok(answer)
}

fn check_all(
    rows: Vec<AccountRow>,
    seen: &mut HashMap<LoginKey, u32>,
    answer: &mut ImportAccountsResponse,
) -> Vec<Checked> {
    let mut checked = Vec::with_capacity(rows.len());
    for row in rows {
        let line = row.line;
        match check(row) {
            Err(why) => fail(answer, line, why),
            Ok(row) => match seen.get(&row.key) {
                Some(first) => fail(
                    answer,
                    line,
                    format!("login: line {first} has the same login and domain"),
                ),
                None => {
                    seen.insert(row.key.clone(), line);
                    checked.push(row);
                }
            },
        }
    }
    checked
}

fn check(row: AccountRow) -> Result<Checked, String> {
    let mut values = HashMap::new();
    let mut role = None;
    for (column, value) in row.values {
        let value = value.trim();
        if value.is_empty() {
            continue;
        }
        if value.chars().count() > LONGEST
            || value
                .chars()
                .any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
        {
            return Err(format!(
                "{column}: the value is too long or has control characters; correct it"
            ));
        }
        if column.eq_ignore_ascii_case("role") {
            role =
                Some(Role::of_key(value).ok_or_else(|| {
                    format!("role: {value:?} is none; use user, technician, admin or owner")
                })?);
        } else {
            let field = Field::of_key(&column).ok_or_else(|| {
                format!("{column}: the register has no such field; rename or drop the column")
            })?;
            values.insert(field, value.to_owned());
        }
    }
    for field in [Field::Name, Field::Login] {
        if !values.contains_key(&field) {
            return Err(format!("{}: it is empty; every account needs one", field.key()));
        }
    }
    let key = LoginKey {
        login: fold(&values[&Field::Login]),
        domain: values
            .get(&Field::Domain)
            .map(|domain| fold(domain))
            .unwrap_or_default(),
    };
    Ok(Checked {
        line: row.line,
        role,
        values,
        key,
    })
}

async fn write(
    tx: &mut Tx,
    clock: &Clock,
    organization: OrganizationId,
    rows: Vec<Checked>,
    answer: &mut ImportAccountsResponse,
) -> Result<(), Error> {
    let existing = find(tx, organization, &rows).await?;
    let now = clock.now();
    let mut added = Rows::new(account::COPY_COLUMNS);
    let mut changed: Vec<Written> = Vec::new();
    let mut additions = 0;
    for (row, found) in rows.into_iter().zip(existing) {
        match &found[..] {
            [] => {
                add(&mut added, organization, AccountId(clock.new_id()), &row, now);
                additions += 1;
            }
            [account] => match change(account, &row) {
                Some(account) => changed.push(Written {
                    login: Some(row.key),
                    account,
                }),
                None => answer.unchanged += 1,
            },
            [one, other, ..] => {
                let why = format!(
                    "it could be {} or {}; correct one of them",
                    one.label(),
                    other.label()
                );
                fail(answer, row.line, why);
            }
        }
    }
    account::insert(tx.connection(), added).await?;
    let ids: Vec<Uuid> = changed.iter().map(|row| row.account.id.0).collect();
    account::update(tx.connection(), &changed, now).await?;
    link::forget_hashes(tx.connection(), &ids).await?;
    account::check_logins(tx.connection())
        .await
        .map_err(|error| match error {
            StoreError::Duplicate { .. } => {
                Error::Rules("a login was taken by someone else meanwhile; import the file again".to_owned())
            }
            error => error.into(),
        })?;
    answer.added += additions;
    answer.updated += u32::try_from(ids.len()).unwrap_or(u32::MAX);
    Ok(())
}

/// For each row the accounts that it could be: by login and domain, else by UPN.
async fn find(
    tx: &mut Tx,
    organization: OrganizationId,
    rows: &[Checked],
) -> Result<Vec<Vec<Account>>, Error> {
    let keys: Vec<Keys> = rows
        .iter()
        .map(|row| Keys {
            login: Some(row.key.login.clone()),
            domain: Some(row.key.domain.clone()),
            on_premises_upn: row.values.get(&Field::Upn).map(|upn| fold(upn)),
            ..Keys::default()
        })
        .collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let found = candidate::find(tx.connection(), organization, &keys).await?;
    Ok(rows
        .iter()
        .zip(&found.by_user)
        .map(|(row, ids)| {
            let of = |same: &dyn Fn(&Account) -> bool| -> Vec<Account> {
                found
                    .accounts
                    .iter()
                    .filter(|account| ids.contains(&account.id) && account.status != AccountStatus::Deleted)
                    .filter(|account| same(account))
                    .cloned()
                    .collect()
            };
            let by_login = of(&|account| domain::decide::held_login(account).as_ref() == Some(&row.key));
            if by_login.is_empty() {
                let upn = row.values.get(&Field::Upn).map(|upn| fold(upn));
                of(&|account| upn.is_some() && account.value(Field::Upn).map(fold) == upn)
            } else {
                by_login
            }
        })
        .collect())
}

fn add(rows: &mut Rows, organization: OrganizationId, id: AccountId, row: &Checked, now: DateTime<Utc>) {
    let mut values = [None; Field::COUNT];
    for (field, value) in &row.values {
        values[*field as usize] = Some(value.as_str());
    }
    let state = (AccountStatus::Active, row.role.unwrap_or(Role::User), None);
    let login = Some((row.key.login.as_str(), row.key.domain.as_str()));
    account::copy_row(
        rows,
        organization,
        (Kind::Account, id),
        state,
        login,
        &values,
        now,
    );
}

fn change(account: &Account, row: &Checked) -> Option<Account> {
    let mut after = account.clone();
    for (field, value) in &row.values {
        after.values[*field as usize] = Some(value.clone());
    }
    after.role = row.role.unwrap_or(account.role);
    (after != *account).then_some(after)
}

fn fail(answer: &mut ImportAccountsResponse, line: u32, reason: String) {
    answer.failed += 1;
    if answer.failures.len() < TOLD {
        answer.failures.push(RowFailure { line, reason });
    }
}
