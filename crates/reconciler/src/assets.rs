//! Assets, and who holds them (B6). The last asset of a leaver that comes back carries out the deletion that waited for it,
//! in the same transaction.

use contracts::internal::v1::{
    AddAssetRequest, AddAssetResponse, AssignAssetRequest, AssignAssetResponse, ReturnAssetRequest,
    ReturnAssetResponse,
};
use domain::account::{Account, Status as AccountStatus};
use domain::asset::{Status as Where, label};
use domain::field::Field;
use domain::id::{AccountId, OrganizationId};
use domain::leaver::{self, Removal, Returned};
use domain::never_touch::Entry;
use domain::system_log::Kind;
use service::Clock;
use store::account::{self, Written};
use store::asset::{self, Asset, New};
use store::review::{self, Open};
use store::{Store, Tx, connection, link, never_touch};
use tonic::Status;
use uuid::Uuid;

use crate::apply::{login_of, remove};
use crate::error::Error;
use crate::log::{self, Decided};
use crate::tell::tell;

/// Adds an asset that nobody holds.
pub async fn add(
    store: &Store,
    clock: &Clock,
    request: &AddAssetRequest,
) -> Result<AddAssetResponse, Status> {
    let organization = parse("organization_id", &request.organization_id)?;
    let given = |text: &'_ str| Some(text).filter(|text| !text.is_empty()).map(str::to_owned);
    let (tag, serial, model) = (given(&request.tag), given(&request.serial), given(&request.model));
    let id = clock.new_id();
    let new = New {
        id,
        organization,
        name: &request.name,
        tag: tag.as_deref(),
        serial: serial.as_deref(),
        model: model.as_deref(),
    };
    let mut tx = store.begin("asset.add").await.map_err(Error::from)?;
    match asset::insert(tx.connection(), new, clock.now()).await {
        Ok(()) => (),
        Err(error) if error.duplicate() == Some(asset::TAG) => {
            return Err(Status::failed_precondition(format!(
                "tag: another asset has the tag {} already; see rollcall asset list --search {}",
                request.tag, request.tag
            )));
        }
        Err(error) => return Err(Error::from(error).into()),
    }
    tx.commit().await.map_err(Error::from)?;
    Ok(AddAssetResponse {
        asset_id: id.to_string(),
    })
}

/// Gives an asset that nobody holds to an account or a person.
pub async fn assign(
    store: &Store,
    clock: &Clock,
    request: &AssignAssetRequest,
) -> Result<AssignAssetResponse, Status> {
    let organization: OrganizationId = parse("organization_id", &request.organization_id)?;
    let asset = parse("asset_id", &request.asset_id)?;
    let to = AccountId(parse("account_id", &request.account_id)?);
    let mut tx = store.begin("asset.assign").await.map_err(Error::from)?;
    // The account before the asset, as everywhere: it can't be deleted while it gets something.
    let account = lock_account(&mut tx, organization, to).await?.ok_or_else(|| {
        Status::not_found(format!(
            "account_id: there is no account or person {to}; find them with rollcall account list --search TEXT"
        ))
    })?;
    let name = account.value(Field::Name).unwrap_or_default();
    if account.status == AccountStatus::Deleted {
        return Err(Status::failed_precondition(format!(
            "account_id: {name} ({to}) is deleted and can't hold assets; choose one that is not"
        )));
    }
    let now = lock(&mut tx, organization, asset).await?;
    let called = label(&now.name, now.tag.as_deref());
    if let Some(holder) = &now.holder {
        return Err(Status::failed_precondition(format!(
            "asset_id: {called} is held by {} since {}; return it first with rollcall asset return {asset}",
            holder.name.as_deref().unwrap_or("somebody"),
            holder.since.format("%Y-%m-%d"),
        )));
    }
    if now.status == Where::Retired {
        return Err(Status::failed_precondition(format!(
            "asset_id: {called} is retired; choose another one"
        )));
    }
    asset::set_holder(tx.connection(), asset, Some(to), clock.now())
        .await
        .map_err(Error::from)?;
    tx.commit().await.map_err(Error::from)?;
    Ok(AssignAssetResponse {})
}

/// Takes an asset back, and carries out the deletion that waited for it, if it was the last one.
pub async fn take_back(
    store: &Store,
    clock: &Clock,
    request: &ReturnAssetRequest,
) -> Result<ReturnAssetResponse, Status> {
    let organization: OrganizationId = parse("organization_id", &request.organization_id)?;
    let asset = parse("asset_id", &request.asset_id)?;
    let mut tx = store.begin("asset.return").await.map_err(Error::from)?;
    let seen = found(&mut tx, organization, asset).await?;
    let Some(holder) = seen.holder.map(|holder| holder.account) else {
        return Err(nobody_holds(&seen.name, seen.tag.as_deref()));
    };
    let account = lock_account(&mut tx, organization, holder).await?;
    let now = lock(&mut tx, organization, asset).await?;
    if now.holder.as_ref().map(|now| now.account) != Some(holder) {
        return Err(Status::aborted(
            "asset_id: somebody else has just given it to another person or taken it back; look at it again",
        ));
    }
    asset::set_holder(tx.connection(), asset, None, clock.now())
        .await
        .map_err(Error::from)?;
    let deletion = match account {
        Some(account) => last_returned(&mut tx, clock, (organization, &request.returned_by), account).await?,
        None => String::new(),
    };
    tx.commit().await.map_err(Error::from)?;
    Ok(ReturnAssetResponse { deletion })
}

/// What becomes of the deletion that waited, in words; nothing when none did, or when more is still to be returned.
async fn last_returned(
    tx: &mut Tx,
    clock: &Clock,
    (organization, by): (OrganizationId, &str),
    mut account: Account,
) -> Result<String, Error> {
    let waiting = review::lock_waiting(tx.connection(), organization, account.id).await?;
    let Some(first) = waiting.first() else {
        return Ok(String::new());
    };
    let held = asset::held_by(tx.connection(), &[account.id.0]).await?;
    if let Some(held) = held.get(&account.id) {
        return Ok(format!("the deletion waits: the holder {}", held.told()));
    }
    let mut told = Vec::new();
    for review in &waiting {
        told.push(match verdict(tx, organization, &account, review).await? {
            Returned::Delete => {
                remove(&mut account, Removal::Delete, Some(review.cause));
                "the holder is deleted: nothing is held any more".to_owned()
            }
            Returned::Ask(because) => {
                review::ask_instead(tx.connection(), review.id, &because.to_string()).await?;
                format!("the deletion waits for a person: {because}")
            }
            Returned::Drop(why) => {
                review::resolve(
                    tx.connection(),
                    &[review.id.0],
                    "obsolete",
                    (None, Some(&why)),
                    clock.now(),
                )
                .await?;
                format!("the holder is not deleted: {why}")
            }
        });
        if account.status == AccountStatus::Deleted {
            break;
        }
    }
    if account.status == AccountStatus::Deleted {
        delete(tx, clock, (organization, by), &account, first).await?;
    }
    Ok(told.pop().unwrap_or_default())
}

async fn verdict(
    tx: &mut Tx,
    organization: OrganizationId,
    account: &Account,
    review: &Open,
) -> Result<Returned, Error> {
    if !review.linked {
        let why = "the record is not linked to this object any more";
        return Ok(Returned::Drop(why.to_owned()));
    }
    let kept = never_touch::of_connection(tx.connection(), organization, review.connection).await?;
    let kept = kept.hit_unseen(review.object, Some(account)).map(Entry::reason);
    let Some(of) = connection::find(tx.connection(), review.connection).await? else {
        return Ok(Returned::Drop("the connection is not there any more".to_owned()));
    };
    Ok(leaver::once_returned(
        account,
        of.leavers.of(review.cause),
        kept.as_deref(),
    ))
}

/// Writes the deleted account; whatever is asked about it is settled with it.
async fn delete(
    tx: &mut Tx,
    clock: &Clock,
    (organization, by): (OrganizationId, &str),
    account: &Account,
    review: &Open,
) -> Result<(), Error> {
    let now = clock.now();
    let (id, note) = (account.id.0, "the last asset was returned");
    let written = Written {
        login: login_of(account),
        account: account.clone(),
    };
    account::update(tx.connection(), &[written], now).await?;
    link::forget_hashes(tx.connection(), &[id]).await?;
    let signed = (Some(by), Some(note));
    review::resolve(tx.connection(), &[review.id.0], "approved", signed, now).await?;
    review::close_of_accounts(tx.connection(), organization, &[id], now).await?;
    let record = Decided {
        account: Some(account),
        id: account.id,
        object: Some(review.object),
        connection: Some(review.connection),
        action: Removal::Delete.key(),
        cause: Some(review.cause),
        note,
    };
    let word = log::Word {
        organization,
        kind: Kind::Returned,
        actor: by,
        title: "1 deletion carried out: the last asset was returned",
    };
    log::decided(tx, clock, &word, &[record]).await?;
    tell(tx, clock, organization, 1).await
}

async fn lock_account(
    tx: &mut Tx,
    organization: OrganizationId,
    id: AccountId,
) -> Result<Option<Account>, Error> {
    let ours = account::of_organization(tx.connection(), organization, &[id.0]).await?;
    Ok(account::load_for_update(tx.connection(), &ours)
        .await?
        .into_iter()
        .next())
}

async fn found(tx: &mut Tx, organization: OrganizationId, id: Uuid) -> Result<Asset, Status> {
    let asset = asset::find(tx.connection(), organization, id)
        .await
        .map_err(Error::from)?;
    asset.ok_or_else(|| no_such(id))
}

async fn lock(tx: &mut Tx, organization: OrganizationId, id: Uuid) -> Result<Asset, Status> {
    let asset = asset::lock(tx.connection(), organization, id)
        .await
        .map_err(Error::from)?;
    asset.ok_or_else(|| no_such(id))
}

fn no_such(id: Uuid) -> Status {
    Status::not_found(format!(
        "asset_id: there is no asset {id}; find assets with rollcall asset list --search TEXT"
    ))
}

fn nobody_holds(name: &str, tag: Option<&str>) -> Status {
    Status::failed_precondition(format!(
        "asset_id: nobody holds {}; there is nothing to return",
        label(name, tag)
    ))
}

fn parse<T: std::str::FromStr>(field: &str, text: &str) -> Result<T, Status> {
    text.parse()
        .map_err(|_| Status::invalid_argument(format!("{field} is not a UUID")))
}
