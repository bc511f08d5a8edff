//! What a sync would make of one user now, and why (B5). Reads, and writes nothing.

use contracts::internal::v1::ExplainRequest;
use contracts::{explain, observed, v1};
use domain::account::{Account, Kind};
use domain::decide::explain::Explanation;
use domain::decide::{self, Candidates, Known, Rules};
use domain::decision::{LoginKey, Outcome};
use domain::id::{AccountId, ConnectionId, ObjectId, OrganizationId};
use domain::mapping::Mapping;
use domain::observed::{Completeness, ObservedUser};
use domain::overwrite::Keys;
use domain::settle;
use service::Clock;
use store::candidate::{self, Found};
use store::{Store, Tx, account, link, link_edit};
use tonic::Status;
use uuid::Uuid;

use crate::error::Error;
use crate::rules::{self, RunRules};

/// What the register knows of the object.
struct Register {
    link: Option<link::Row>,
    linked: Option<Account>,
    found: Found,
    cuts: Vec<AccountId>,
}

/// Explains what a sync would do. Without what the directory says, only who keeps which field.
pub async fn explain(
    store: &Store,
    clock: &Clock,
    request: &ExplainRequest,
) -> Result<v1::Explanation, Status> {
    let connection: ConnectionId = request
        .connection_id
        .parse()
        .map_err(|_| Status::invalid_argument("connection_id is not a UUID"))?;
    let object = Uuid::from_slice(&request.object_id)
        .map(ObjectId)
        .map_err(|_| Status::invalid_argument("object_id is not a UUID"))?;
    let mut tx = store.begin("explain").await.map_err(Error::from)?;
    let rules = rules::load(&mut tx, connection).await?;
    let (of_kind, link) = as_what(&mut tx, &rules, object).await?;
    let linked = load(&mut tx, link).await?;
    if request.user.is_empty() {
        return Ok(without_the_directory(object, linked.as_ref(), of_kind));
    }
    let user = observed::decode(object, Completeness::Whole, &request.user)
        .map_err(|error| Status::invalid_argument(error.to_string()))?;
    let register = Register {
        found: match of_kind.scope(&user).1 {
            Some(mapping) => find(&mut tx, rules.organization, (of_kind.kind, mapping), &user).await?,
            None => Found::default(),
        },
        cuts: link_edit::cuts(tx.connection(), connection, &[object.0])
            .await
            .map_err(Error::from)?
            .into_iter()
            .map(|cut| cut.account)
            .collect(),
        link,
        linked,
    };
    let known = register.link.map(|link| Known {
        account: register.linked.as_ref(),
        status: link.status,
        brought_in: link.brought_in,
    });
    let candidates = Candidates {
        accounts: &register.found.accounts,
        holders: &register.found.holders,
        cuts: &register.cuts,
    };
    let new_account = AccountId(clock.new_id());
    let mut told = decide::explain::explain(&user, known, candidates, of_kind, new_account);
    if let Some(why) = login_taken(&mut tx, &rules, &told).await? {
        told.now.outcome = Outcome::Failed;
        told.now.reason = Some(why.into());
        told.now.fields = Vec::new();
    }
    let fields = told
        .mapping
        .into_iter()
        .flat_map(|mapping| explain::fields(mapping, register.linked.as_ref()));
    Ok(explain::explanation(&told, fields.collect()))
}

/// As which kind of record the object is explained: the one that it is linked as, an account before a person, else the
/// first that there are mappings to.
async fn as_what<'r>(
    tx: &mut Tx,
    rules: &'r RunRules,
    object: ObjectId,
) -> Result<(&'r Rules, Option<link::Row>), Error> {
    let mut first = None;
    for of_kind in &rules.kinds {
        let link = link::find(tx.connection(), (of_kind.connection, of_kind.kind), object).await?;
        if link.is_some_and(|link| link.account.is_some()) {
            return Ok((of_kind, link));
        }
        first = first.or(Some((of_kind, link)));
    }
    first.ok_or_else(|| {
        Error::Rules("the connection has no mapping with target accounts or people".to_owned())
    })
}

async fn find(
    tx: &mut Tx,
    organization: OrganizationId,
    (kind, mapping): (Kind, &Mapping),
    user: &ObservedUser<'_>,
) -> Result<Found, Error> {
    Ok(match kind {
        Kind::Account => candidate::find(tx.connection(), organization, &[Keys::of(user, mapping)]).await?,
        Kind::Person => {
            let keys = [decide::mapping_key(user, mapping)];
            candidate::find_people(tx.connection(), organization, &keys).await?
        }
    })
}

async fn load(tx: &mut Tx, link: Option<link::Row>) -> Result<Option<Account>, Error> {
    let Some(id) = link.and_then(|link| link.account) else {
        return Ok(None);
    };
    Ok(account::load(tx.connection(), &[id.0]).await?.into_iter().next())
}

fn without_the_directory(object: ObjectId, linked: Option<&Account>, rules: &Rules) -> v1::Explanation {
    let kept = rules.never_touch.hit_unseen(object, linked);
    let mappings = rules.mappings.iter();
    v1::Explanation {
        never_touch: kept.map(ToString::to_string).unwrap_or_default(),
        fields: mappings
            .flat_map(|mapping| explain::fields(mapping, linked))
            .collect(),
        ..v1::Explanation::default()
    }
}

/// A run finds out at its end that a login is somebody else's.
async fn login_taken(tx: &mut Tx, rules: &RunRules, told: &Explanation<'_>) -> Result<Option<String>, Error> {
    let Some(key) = &told.now.login else {
        return Ok(None);
    };
    let holder = account::of_login(tx.connection(), rules.organization, key).await?;
    Ok(holder
        .filter(|holder| Some(holder.id) != told.now.account)
        .map(|holder| taken(key, &holder)))
}

fn taken(key: &LoginKey, holder: &Account) -> String {
    settle::login_taken(key, &[holder.label()])
}
