//! Removing deleted records for good, by a person's word: the record, and what is said in words of it. Ids, outcomes and
//! counts of what happened stay.

use std::collections::{BTreeSet, HashMap};

use contracts::internal::v1::PurgeAccountsRequest;
use contracts::v1::PurgeResult;
use domain::account::Account;
use domain::id::{AccountId, ConnectionId, OrganizationId, RunId};
use domain::leaver;
use domain::system_log::Kind;
use service::Clock;
use store::link::{self, Tie};
use store::{
    Store, Tx, account, asset, decision, failed_record, link_edit, review, run_beside, run_plan, system_log,
};
use tonic::Status;
use uuid::Uuid;

use crate::error::Error;
use crate::log::{self, Decided};
use crate::tell::tell;

/// Records that one call may purge.
const MOST: usize = 1_000;

/// Purges what may be purged in one transaction; each that may not says why.
pub async fn purge(
    store: &Store,
    clock: &Clock,
    request: &PurgeAccountsRequest,
) -> Result<Vec<PurgeResult>, Status> {
    let organization = parse("organization_id", &request.organization_id)?;
    if request.account_ids.is_empty() || request.account_ids.len() > MOST {
        return Err(Status::invalid_argument(format!(
            "account_ids must name 1 to {MOST} records"
        )));
    }
    let mut ids = Vec::with_capacity(request.account_ids.len());
    for text in &request.account_ids {
        ids.push(parse("account_ids", text)?);
    }
    let mut tx = store.begin("purge.accounts").await.map_err(Error::from)?;
    let refusals = refusals(&mut tx, organization, &ids).await?;
    let purged: Vec<Uuid> = ids
        .iter()
        .copied()
        .filter(|id| !refusals.contains_key(id))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    if !purged.is_empty() {
        forget(&mut tx, clock, organization, &purged, request).await?;
    }
    tx.commit().await.map_err(Error::from)?;
    Ok(ids
        .into_iter()
        .map(|id| {
            let message = refusals.get(&id).cloned().unwrap_or_default();
            PurgeResult {
                account_id: id.to_string(),
                purged: message.is_empty(),
                message,
            }
        })
        .collect())
}

/// Who can't be purged, and why. The others are locked, and no run of their connections is active.
async fn refusals(
    tx: &mut Tx,
    organization: OrganizationId,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, String>, Error> {
    let mut refusals = HashMap::new();
    let ours = account::of_organization(tx.connection(), organization, ids).await?;
    // Connections before accounts, as runs do it.
    let ties = link::of_accounts(tx.connection(), &ours).await?;
    let busy = busy(tx, &ties).await?;
    let accounts: HashMap<Uuid, Account> = account::load_for_update(tx.connection(), &ours)
        .await?
        .into_iter()
        .map(|account| (account.id.0, account))
        .collect();
    let held = asset::held_by(tx.connection(), &ours).await?;
    let asked = review::open_of_accounts(tx.connection(), organization, &ours).await?;
    for id in ids {
        let held = held.get(&AccountId(*id));
        if let Err(why) = leaver::purge(accounts.get(id), held, asked.contains(id)) {
            refusals.insert(*id, why);
        }
    }
    for tie in ties {
        if let Some(run) = busy.get(&tie.connection) {
            refusals.entry(tie.account.0).or_insert_with(|| {
                format!(
                    "run {run} of its connection is active and works with its link; wait for its end, or cancel it"
                )
            });
        }
    }
    Ok(refusals)
}

/// The connections with an active run, which would write the links back as it found them. No other run begins to plan
/// until this transaction ends.
async fn busy(tx: &mut Tx, ties: &[Tie]) -> Result<HashMap<ConnectionId, RunId>, Error> {
    let mut busy = HashMap::new();
    let connections: BTreeSet<Uuid> = ties.iter().map(|tie| tie.connection.0).collect();
    for connection in connections.into_iter().map(ConnectionId) {
        run_plan::lock_connection(tx.connection(), connection).await?;
        if let Some(run) = run_beside::any_active(tx.connection(), connection).await? {
            busy.insert(connection, run);
        }
    }
    Ok(busy)
}

async fn forget(
    tx: &mut Tx,
    clock: &Clock,
    organization: OrganizationId,
    purged: &[Uuid],
    request: &PurgeAccountsRequest,
) -> Result<(), Error> {
    let ties = link::of_accounts(tx.connection(), purged).await?;
    // While the links still say which objects they were.
    decision::forget_accounts(tx.connection(), organization, purged).await?;
    failed_record::forget_accounts(tx.connection(), purged).await?;
    review::forget_accounts(tx.connection(), organization, purged).await?;
    system_log::forget_accounts(tx.connection(), organization, purged).await?;
    link_edit::forget_accounts(tx.connection(), organization, purged).await?;
    let edits: Vec<(Uuid, Tie)> = ties.iter().map(|tie| (clock.new_id(), *tie)).collect();
    link_edit::purged(
        tx.connection(),
        organization,
        &edits,
        &request.purged_by,
        clock.now(),
    )
    .await?;
    link::purge_accounts(tx.connection(), purged).await?;
    account::purge(tx.connection(), purged).await?;
    let objects: HashMap<AccountId, &Tie> = ties.iter().map(|tie| (tie.account, tie)).collect();
    let records: Vec<Decided> = purged
        .iter()
        .map(|id| {
            let tie = objects.get(&AccountId(*id));
            Decided {
                account: None,
                id: AccountId(*id),
                object: tie.map(|tie| tie.object),
                connection: tie.map(|tie| tie.connection),
                action: "purge",
                cause: None,
                note: &request.reason,
            }
        })
        .collect();
    let noun = if purged.len() == 1 { "record" } else { "records" };
    let word = log::Word {
        organization,
        kind: Kind::Purge,
        actor: &request.purged_by,
        title: &format!("{} {noun} purged", purged.len()),
    };
    log::decided(tx, clock, &word, &records).await?;
    let count = u32::try_from(purged.len()).unwrap_or(u32::MAX);
    tell(tx, clock, organization, count).await
}

fn parse<T: std::str::FromStr>(field: &str, text: &str) -> Result<T, Status> {
    text.parse()
        .map_err(|_| Status::invalid_argument(format!("{field}: {text:?} is not a UUID")))
}
