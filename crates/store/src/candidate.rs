//! The accounts that an overwrite rule could hit, and who holds them. Reads `account` and `link`.

use domain::account::Account;
use domain::decide::Holder;
use domain::decision::LinkStatus;
use domain::id::{AccountId, ConnectionId, ObjectId, OrganizationId};
use domain::overwrite::Keys;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Inconsistent, StoreError, account};

/// What was found for a batch of users.
#[derive(Debug, Default)]
pub struct Found {
    /// For each user, by place: the ids of the accounts that a rule could hit.
    pub by_user: Vec<Vec<AccountId>>,
    /// Those accounts.
    pub accounts: Vec<Account>,
    /// Who holds them.
    pub holders: Vec<Holder>,
}

/// Finds the candidates of users without a link, all in three statements.
pub async fn find(
    connection: &mut PgConnection,
    organization: OrganizationId,
    keys: &[Keys],
) -> Result<Found, StoreError> {
    let of = |read: fn(&Keys) -> &Option<String>| -> Vec<Option<&str>> {
        keys.iter().map(|keys| read(keys).as_deref()).collect()
    };
    let pairs: Vec<(i64, Uuid)> = sqlx::query_as(
        "-- candidate.find
         SELECT k.place, c.id
         FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
             WITH ORDINALITY AS k (op_upn, guid, op_domain, op_sam, login, domain, email, place)
         CROSS JOIN LATERAL (
             SELECT id FROM account WHERE organization_id = $1 AND lower(upn) = lower(k.op_upn)
             UNION SELECT id FROM account WHERE organization_id = $1 AND lower(lookup_guid) = lower(k.guid)
             UNION SELECT id FROM account
                 WHERE organization_id = $1 AND login_key = k.op_sam AND domain_key = k.op_domain
             UNION SELECT id FROM account
                 WHERE organization_id = $1 AND login_key = k.login AND domain_key IN (k.domain, '')
             UNION SELECT id FROM account
                 WHERE organization_id = $1 AND status = 3 AND deactivated_for <> 0
                   AND lower(login) IN (lower(k.login), lower(k.op_sam))
             UNION SELECT id FROM account WHERE organization_id = $1 AND lower(email) = lower(k.email)
         ) c",
    )
    .bind(organization.0)
    .bind(of(|keys| &keys.on_premises_upn))
    .bind(of(|keys| &keys.lookup_guid))
    .bind(of(|keys| &keys.on_premises_domain))
    .bind(of(|keys| &keys.on_premises_sam))
    .bind(of(|keys| &keys.login))
    .bind(of(|keys| &keys.domain))
    .bind(of(|keys| &keys.email))
    .fetch_all(&mut *connection)
    .await?;
    let mut by_user = vec![Vec::new(); keys.len()];
    let mut ids = Vec::with_capacity(pairs.len());
    for (place, id) in pairs {
        let of_user = usize::try_from(place - 1)
            .ok()
            .and_then(|place| by_user.get_mut(place))
            .ok_or_else(|| Inconsistent::new("account", "place", place))?;
        of_user.push(AccountId(id));
        ids.push(id);
    }
    ids.sort_unstable();
    ids.dedup();
    let accounts = account::load(connection, &ids).await?;
    let holders = holders(connection, &ids).await?;
    Ok(Found {
        by_user,
        accounts,
        holders,
    })
}

/// Who holds these accounts.
pub async fn holders(connection: &mut PgConnection, accounts: &[Uuid]) -> Result<Vec<Holder>, StoreError> {
    if accounts.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(Uuid, Uuid, Uuid, i16)> = sqlx::query_as(
        "-- candidate.holders
         SELECT account_id, connection_id, object_id, status FROM link WHERE account_id = ANY($1)",
    )
    .bind(accounts)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|(account, connection, object, status)| {
            Ok(Holder {
                account: AccountId(account),
                connection: ConnectionId(connection),
                object: ObjectId(object),
                status: LinkStatus::of_number(status)
                    .ok_or_else(|| Inconsistent::new("link", "status", object))?,
            })
        })
        .collect()
}
