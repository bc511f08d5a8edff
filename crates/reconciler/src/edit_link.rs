//! Links cut or moved by a person (B7).

use contracts::internal::v1::{EditLinkRequest, EditLinkResponse};
use domain::account::{Kind, Status as AccountStatus};
use domain::field::Field;
use domain::id::{AccountId, ConnectionId, ObjectId, OrganizationId, RunId};
use service::Clock;
use store::account_list::{self, Account};
use store::link::Taken;
use store::link_edit::{self, Edit};
use store::{Store, Tx, account, candidate, link, review, run_plan};
use tonic::Status;
use uuid::Uuid;

use crate::error::Error;
use crate::resolve::tell;

/// What the person said.
struct Word {
    organization: OrganizationId,
    connection: ConnectionId,
    object: ObjectId,
    to: Option<AccountId>,
    object_seen: bool,
}

/// Cuts or moves a link in one transaction, while no run of the connection is deciding or applying.
pub async fn edit(
    store: &Store,
    clock: &Clock,
    request: EditLinkRequest,
) -> Result<EditLinkResponse, Status> {
    let word = word(&request)?;
    let mut tx = store.begin("link.edit").await.map_err(Error::from)?;
    wait_for_no_run(&mut tx, &word).await?;
    let kind = kind(&mut tx, &word).await?;
    let from = holder(&mut tx, &word, kind).await?;
    if let Some(to) = word.to {
        check_target(&mut tx, &word, (kind, to), from).await?;
        let taken = Taken {
            account: to,
            object: word.object,
            from: None,
        };
        link::supersede(tx.connection(), word.organization, None, &[taken])
            .await
            .map_err(Error::from)?;
    }
    let left = match from {
        Some(from) => load(&mut tx, word.organization, (kind, from)).await?,
        None => None,
    };
    write(&mut tx, clock, &word, (kind, from), &request).await?;
    tx.commit().await.map_err(Error::from)?;
    Ok(EditLinkResponse {
        from_account_id: from.map(|account| account.to_string()).unwrap_or_default(),
        from_account_name: left
            .and_then(|account| account.value(Field::Name).map(str::to_owned))
            .unwrap_or_default(),
    })
}

/// A run would write the link back as it found it.
async fn wait_for_no_run(tx: &mut Tx, word: &Word) -> Result<(), Status> {
    run_plan::lock_connection(tx.connection(), word.connection)
        .await
        .map_err(Error::from)?;
    let active = run_plan::other_active(tx.connection(), word.connection, RunId(Uuid::nil()))
        .await
        .map_err(Error::from)?;
    match active {
        None => Ok(()),
        Some(run) => Err(Status::failed_precondition(format!(
            "run {run} of the connection is active and works with its links; wait for its end, or cancel it"
        ))),
    }
}

/// What the record is: that of the target, or the one which the object has, an account before a person.
async fn kind(tx: &mut Tx, word: &Word) -> Result<Kind, Error> {
    if let Some(to) = word.to {
        let found = account::load(tx.connection(), &[to.0]).await?;
        return Ok(found.first().map_or(Kind::Account, |record| record.kind));
    }
    let as_person = link::find(tx.connection(), (word.connection, Kind::Person), word.object).await?;
    let as_account = link::find(tx.connection(), (word.connection, Kind::Account), word.object).await?;
    let has = |link: Option<link::Row>| link.is_some_and(|link| link.account.is_some());
    Ok(if has(as_person) && !has(as_account) {
        Kind::Person
    } else {
        Kind::Account
    })
}

/// The record that the object has now.
async fn holder(tx: &mut Tx, word: &Word, kind: Kind) -> Result<Option<AccountId>, Status> {
    let row = link::find(tx.connection(), (word.connection, kind), word.object)
        .await
        .map_err(Error::from)?;
    let object = word.object;
    match row {
        Some(row) if row.account.is_none() && word.to.is_none() => Err(Status::failed_precondition(format!(
            "the object {object} is linked to no account; there is nothing to cut"
        ))),
        Some(row) => Ok(row.account),
        None if word.to.is_some() && word.object_seen => Ok(None),
        None => Err(Status::not_found(format!(
            "the connection knows no object {object}; see rollcall link list"
        ))),
    }
}

/// Whether an account may get the object.
async fn check_target(
    tx: &mut Tx,
    word: &Word,
    (kind, to): (Kind, AccountId),
    from: Option<AccountId>,
) -> Result<(), Status> {
    let Some(account) = load(tx, word.organization, (kind, to)).await? else {
        return Err(Status::not_found(format!(
            "there is no account {to}; find accounts with rollcall account list --search TEXT"
        )));
    };
    let name = account.value(Field::Name).unwrap_or_default();
    if from == Some(to) {
        return Err(Status::failed_precondition(format!(
            "the object {} is linked to {name} ({to}) already",
            word.object
        )));
    }
    if account.status == AccountStatus::Deleted {
        return Err(Status::failed_precondition(format!(
            "the account {name} ({to}) is deleted; choose one that is not"
        )));
    }
    let holders = candidate::holders(tx.connection(), &[to.0])
        .await
        .map_err(Error::from)?;
    if let Some(holder) = holders.iter().find(|holder| holder.status.is_alive()) {
        return Err(Status::failed_precondition(format!(
            "the account {name} ({to}) belongs to the object {}, which is in the directory; cut that link first",
            holder.object
        )));
    }
    Ok(())
}

async fn load(
    tx: &mut Tx,
    organization: OrganizationId,
    id: (Kind, AccountId),
) -> Result<Option<Account>, Error> {
    Ok(account_list::find(tx.connection(), organization, id).await?)
}

/// The accounts stay as they are; nothing is asked about them that was asked because of the link.
async fn write(
    tx: &mut Tx,
    clock: &Clock,
    word: &Word,
    (kind, from): (Kind, Option<AccountId>),
    request: &EditLinkRequest,
) -> Result<(), Error> {
    let now = clock.now();
    let of = (word.organization, word.connection);
    link::put_by_hand(tx.connection(), of, (word.object, kind), word.to).await?;
    let concerned: Vec<Uuid> = [from, word.to]
        .into_iter()
        .flatten()
        .map(|account| account.0)
        .collect();
    review::close_of_accounts(tx.connection(), word.organization, &concerned, now).await?;
    let edit = Edit {
        id: clock.new_id(),
        organization: word.organization,
        connection: word.connection,
        object: word.object,
        from,
        to: word.to,
        reason: request.reason.clone(),
        edited_by: request.edited_by.clone(),
        edited_at: now,
    };
    link_edit::insert(tx.connection(), &edit).await?;
    let records = u32::try_from(concerned.len()).unwrap_or(u32::MAX);
    tell(tx, clock, word.organization, records).await
}

fn word(request: &EditLinkRequest) -> Result<Word, Status> {
    let bad = |field: &str| Status::invalid_argument(format!("{field} is not a UUID"));
    let to = match request.to_account_id.as_str() {
        "" => None,
        id => Some(id.parse().map_err(|_| bad("to_account_id"))?),
    };
    Ok(Word {
        organization: request
            .organization_id
            .parse()
            .map_err(|_| bad("organization_id"))?,
        connection: request.connection_id.parse().map_err(|_| bad("connection_id"))?,
        object: request.object_id.parse().map_err(|_| bad("object_id"))?,
        to,
        object_seen: request.object_seen,
    })
}
