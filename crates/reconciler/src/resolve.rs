//! A person's word on held and manual removals (D8), set-wise: all reviews of a call in one transaction, in a number of
//! statements that does not grow with them.

use std::collections::{HashMap, HashSet};

use contracts::internal::v1::ResolveReviewsRequest;
use contracts::v1::{LeaverAction, ReviewResolution, ReviewState};
use domain::account::{Account, Role, Status as AccountStatus};
use domain::asset::Held;
use domain::id::{AccountId, ConnectionId, OrganizationId};
use domain::leaver::{self, Facts, Refusal, Removal};
use domain::never_touch::{Entry, NeverTouch};
use domain::system_log::Kind;
use service::Clock;
use store::account::{self, Written};
use store::review::{self, Open};
use store::{Store, Tx, asset, link, never_touch};
use tonic::Status;
use uuid::Uuid;

use crate::apply::{login_of, remove};
use crate::error::Error;
use crate::log::{self, Decided};
use crate::tell::tell;

/// Reviews that one call may resolve.
const MOST: usize = 1_000;

/// What the person said.
struct Word {
    organization: OrganizationId,
    verdict: Verdict,
    action: Option<Removal>,
    reason: String,
    by: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Approve,
    Reject,
    Keep,
}

/// What the reviews are about, as it is now. No other transaction changes it before this one ends.
struct Ground {
    accounts: HashMap<AccountId, Account>,
    held: HashMap<AccountId, Held>,
    kept: HashMap<ConnectionId, NeverTouch>,
    /// Active owners; those who are removed here are counted no more.
    owners: i64,
}

/// Resolves reviews in one transaction; each that can't be says why.
pub async fn resolve(
    store: &Store,
    clock: &Clock,
    request: ResolveReviewsRequest,
) -> Result<Vec<ReviewResolution>, Status> {
    let ids = ids(&request.review_ids)?;
    let word = word(&request)?;
    Ok(resolve_all(store, clock, &ids, &word).await?)
}

async fn resolve_all(
    store: &Store,
    clock: &Clock,
    ids: &[Uuid],
    word: &Word,
) -> Result<Vec<ReviewResolution>, Error> {
    let mut tx = store.begin("resolve.reviews").await?;
    let (open, mut ground) = Ground::load(&mut tx, word, ids).await?;
    let mut results = HashMap::with_capacity(ids.len());
    let mut resolved: Vec<(&Open, Option<Removal>)> = Vec::new();
    let mut ended = Vec::new();
    let mut touched = HashSet::new();
    for review in &open {
        let (message, state) = match ground.decide(review, word) {
            Ok(removal) => {
                resolved.push((review, removal));
                touched.extend(removal.map(|_| review.account));
                (String::new(), word.verdict.state())
            }
            Err(Refusal::Ended(why)) => {
                ended.push(review.id.0);
                (why, ReviewState::Obsolete)
            }
            Err(Refusal::NotNow(why)) => (why, ReviewState::Open),
        };
        results.insert(review.id.0, resolution(review.id.0, message, state));
    }
    let now = clock.now();
    let done: Vec<Uuid> = resolved.iter().map(|(review, _)| review.id.0).collect();
    let signed = (Some(word.by.as_str()), Some(word.reason.as_str()));
    review::resolve(tx.connection(), &done, word.verdict.key(), signed, now).await?;
    review::resolve(tx.connection(), &ended, "obsolete", (None, None), now).await?;
    ground.write(&mut tx, clock, word, &touched).await?;
    ground.log(&mut tx, clock, word, &resolved).await?;
    for (id, state) in review::states(tx.connection(), word.organization, ids).await? {
        results.entry(id).or_insert_with(|| not_open(id, &state));
    }
    tx.commit().await?;
    Ok(ids
        .iter()
        .map(|id| results.get(id).cloned().unwrap_or_else(|| unknown(*id)))
        .collect())
}

impl Ground {
    /// With the reviews, those that are still open. Accounts before reviews, as everywhere.
    async fn load(tx: &mut Tx, word: &Word, ids: &[Uuid]) -> Result<(Vec<Open>, Self), Error> {
        let approves = word.verdict == Verdict::Approve;
        let accounts = review::accounts_of_open(tx.connection(), word.organization, ids).await?;
        let loaded = if approves {
            account::lock_owners(tx.connection(), word.organization).await?;
            account::load_for_update(tx.connection(), &accounts).await?
        } else {
            account::load(tx.connection(), &accounts).await?
        };
        let open = review::lock_open(tx.connection(), word.organization, ids).await?;
        let mut ground = Self {
            accounts: loaded.into_iter().map(|account| (account.id, account)).collect(),
            held: HashMap::new(),
            kept: HashMap::new(),
            owners: 0,
        };
        if !approves {
            return Ok((open, ground));
        }
        ground.held = asset::held_by(tx.connection(), &accounts).await?;
        ground.owners = account::active_owners_but(tx.connection(), word.organization, &[]).await?;
        let connections: HashSet<ConnectionId> = open.iter().map(|review| review.connection).collect();
        for connection in connections {
            let kept = never_touch::of_connection(tx.connection(), word.organization, connection).await?;
            ground.kept.insert(connection, kept);
        }
        Ok((open, ground))
    }

    /// What is done about one review, those before it counted in. A removal is done to the account at once.
    fn decide(&mut self, review: &Open, word: &Word) -> Result<Option<Removal>, Refusal> {
        if word.verdict != Verdict::Approve {
            return Ok(None);
        }
        let removal = word.action.unwrap_or(review.proposed);
        let nothing = Held::default();
        let account = self.accounts.get_mut(&review.account);
        let kept = self
            .kept
            .get(&review.connection)
            .and_then(|kept| kept.hit_unseen(review.object, account.as_deref()))
            .map(Entry::reason);
        let active_owner = account
            .as_ref()
            .is_some_and(|account| account.role == Role::Owner && account.status == AccountStatus::Active);
        let facts = Facts {
            account: account.as_deref(),
            linked: review.linked,
            kept: kept.as_deref(),
            other_owners: self.owners - i64::from(active_owner),
            held: self.held.get(&review.account).unwrap_or(&nothing),
        };
        leaver::approve(removal, facts)?;
        self.owners -= i64::from(active_owner);
        if let Some(account) = account {
            remove(account, removal, Some(review.cause));
        }
        Ok(Some(removal))
    }

    /// Writes the accounts that were removed. Whatever else is asked about a deleted one is settled with it.
    async fn write(
        &self,
        tx: &mut Tx,
        clock: &Clock,
        word: &Word,
        touched: &HashSet<AccountId>,
    ) -> Result<(), Error> {
        let written: Vec<Written> = touched
            .iter()
            .filter_map(|id| self.accounts.get(id))
            .map(|account| Written {
                login: login_of(account),
                account: account.clone(),
            })
            .collect();
        if written.is_empty() {
            return Ok(());
        }
        account::update(tx.connection(), &written, clock.now()).await?;
        let ids: Vec<Uuid> = touched.iter().map(|id| id.0).collect();
        link::forget_hashes(tx.connection(), &ids).await?;
        let deleted: Vec<Uuid> = written
            .iter()
            .filter(|written| written.account.status == AccountStatus::Deleted)
            .map(|written| written.account.id.0)
            .collect();
        review::close_of_accounts(tx.connection(), word.organization, &deleted, clock.now()).await?;
        let records = u32::try_from(written.len()).unwrap_or(u32::MAX);
        tell(tx, clock, word.organization, records).await
    }

    async fn log(
        &self,
        tx: &mut Tx,
        clock: &Clock,
        word: &Word,
        resolved: &[(&Open, Option<Removal>)],
    ) -> Result<(), Error> {
        let records: Vec<Decided> = resolved
            .iter()
            .map(|(review, removal)| Decided {
                account: self.accounts.get(&review.account),
                id: review.account,
                object: Some(review.object),
                connection: Some(review.connection),
                action: removal.map_or(word.verdict.key(), Removal::key),
                cause: Some(review.cause),
                note: &word.reason,
            })
            .collect();
        let noun = if records.len() == 1 { "review" } else { "reviews" };
        let noted = log::Word {
            organization: word.organization,
            kind: Kind::Reviews,
            actor: &word.by,
            title: &format!("{} {noun} {}", records.len(), word.verdict.key()),
        };
        log::decided(tx, clock, &noted, &records).await
    }
}

impl Verdict {
    const fn key(self) -> &'static str {
        match self {
            Self::Approve => "approved",
            Self::Reject => "rejected",
            Self::Keep => "kept",
        }
    }

    const fn state(self) -> ReviewState {
        match self {
            Self::Approve => ReviewState::Approved,
            Self::Reject => ReviewState::Rejected,
            Self::Keep => ReviewState::Kept,
        }
    }
}

fn resolution(id: Uuid, message: String, state: ReviewState) -> ReviewResolution {
    ReviewResolution {
        review_id: id.to_string(),
        resolved: message.is_empty(),
        message,
        state: state.into(),
    }
}

fn not_open(id: Uuid, state: &str) -> ReviewResolution {
    let (message, state) = match state {
        "approved" => ("it has been approved already", ReviewState::Approved),
        "rejected" => ("it has been rejected already", ReviewState::Rejected),
        "kept" => ("the record is kept by a person's word", ReviewState::Kept),
        _ => (
            "its cause has ended; nothing is left to decide",
            ReviewState::Obsolete,
        ),
    };
    resolution(id, message.to_owned(), state)
}

fn unknown(id: Uuid) -> ReviewResolution {
    resolution(
        id,
        "there is no such review; see rollcall review list".to_owned(),
        ReviewState::Unspecified,
    )
}

fn ids(texts: &[String]) -> Result<Vec<Uuid>, Status> {
    if texts.is_empty() || texts.len() > MOST {
        return Err(Status::invalid_argument(format!(
            "review_ids must name 1 to {MOST} reviews"
        )));
    }
    texts
        .iter()
        .map(|text| {
            text.parse()
                .map_err(|_| Status::invalid_argument(format!("review_ids: {text:?} is not a UUID")))
        })
        .collect()
}

fn word(request: &ResolveReviewsRequest) -> Result<Word, Status> {
    let organization = request
        .organization_id
        .parse()
        .map_err(|_| Status::invalid_argument("organization_id is not a UUID"))?;
    let verdict = match request.verdict() {
        ReviewState::Approved => Verdict::Approve,
        ReviewState::Rejected => Verdict::Reject,
        ReviewState::Kept => Verdict::Keep,
        ReviewState::Unspecified | ReviewState::Open | ReviewState::Obsolete => {
            return Err(Status::invalid_argument(
                "verdict must be APPROVED, REJECTED or KEPT",
            ));
        }
    };
    let action = match request.action() {
        LeaverAction::Unspecified => None,
        LeaverAction::Deactivate => Some(Removal::Deactivate),
        LeaverAction::Delete => Some(Removal::Delete),
        LeaverAction::Nothing | LeaverAction::Review => {
            return Err(Status::invalid_argument("action must be DEACTIVATE or DELETE"));
        }
    };
    Ok(Word {
        organization,
        verdict,
        action,
        reason: request.reason.clone(),
        by: request.resolved_by.clone(),
    })
}
