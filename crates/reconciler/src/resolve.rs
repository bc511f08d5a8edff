//! A person's word on held and manual removals.

use contracts::internal::v1::ResolveReviewsRequest;
use contracts::v1::{LeaverAction, ReviewResolution, ReviewState};
use domain::account::{Role, Status as AccountStatus};
use domain::id::{EventId, OrganizationId};
use domain::leaver::Removal;
use prost::Message;
use service::Clock;
use store::account::{self, Written};
use store::outbox::{self, Event};
use store::review::{self, Open};
use store::{Store, Tx, link, never_touch};
use tonic::Status;
use uuid::Uuid;

use crate::apply::{login_of, remove};
use crate::error::Error;

/// Reviews that one call may resolve.
const MOST: usize = 1_000;

/// What the person said.
struct Word {
    organization: OrganizationId,
    approve: bool,
    action: Option<Removal>,
    reason: String,
    by: String,
}

/// Resolves reviews in one transaction; each that can't be says why.
pub async fn resolve(
    store: &Store,
    clock: &Clock,
    request: ResolveReviewsRequest,
) -> Result<Vec<ReviewResolution>, Status> {
    let ids = ids(&request.review_ids)?;
    let word = word(&request)?;
    let mut tx = store.begin("resolve.reviews").await.map_err(Error::from)?;
    let open = review::lock_open(tx.connection(), word.organization, &ids)
        .await
        .map_err(Error::from)?;
    let mut results = Vec::with_capacity(ids.len());
    let mut removed = 0;
    for id in ids {
        let result = match open.iter().find(|review| review.id.0 == id) {
            Some(review) => one(&mut tx, clock, review, &word).await?,
            None => not_open(&mut tx, word.organization, id).await?,
        };
        removed += u32::from(result.resolved && word.approve);
        results.push(result);
    }
    if removed > 0 {
        tell(&mut tx, clock, word.organization, removed).await?;
    }
    tx.commit().await.map_err(Error::from)?;
    Ok(results)
}

async fn one(tx: &mut Tx, clock: &Clock, review: &Open, word: &Word) -> Result<ReviewResolution, Error> {
    let state = if word.approve {
        if let Some(why) = take_out_of_use(tx, clock, review, word).await? {
            return Ok(ReviewResolution {
                review_id: review.id.to_string(),
                resolved: false,
                message: why,
                state: ReviewState::Open.into(),
            });
        }
        ReviewState::Approved
    } else {
        ReviewState::Rejected
    };
    let key = if word.approve { "approved" } else { "rejected" };
    review::resolve(
        tx.connection(),
        review.id,
        key,
        (&word.by, &word.reason),
        clock.now(),
    )
    .await?;
    Ok(ReviewResolution {
        review_id: review.id.to_string(),
        resolved: true,
        message: String::new(),
        state: state.into(),
    })
}

/// Removes the account; or says why not.
async fn take_out_of_use(
    tx: &mut Tx,
    clock: &Clock,
    review: &Open,
    word: &Word,
) -> Result<Option<String>, Error> {
    let removal = word.action.unwrap_or(review.proposed);
    let account = account::load_for_update(tx.connection(), &[review.account.0])
        .await?
        .into_iter()
        .next();
    let Some(mut account) = account else {
        return Ok(Some("the account is not there any more".to_owned()));
    };
    let kept = never_touch::of_connection(tx.connection(), word.organization, review.connection).await?;
    if let Some(entry) = kept.hit_unseen(review.object, Some(&account)) {
        return Ok(Some(format!(
            "{}; the next run closes this review, or remove the entry first",
            entry.reason()
        )));
    }
    if account.role == Role::Owner && account.status == AccountStatus::Active {
        let organization = word.organization;
        let others = account::active_owners_but(tx.connection(), organization, &[account.id.0]).await?;
        if others == 0 {
            return Ok(Some(
                "this is the last active owner; make somebody else an owner first".to_owned(),
            ));
        }
    }
    remove(&mut account, removal, Some(review.cause));
    let id = account.id.0;
    let written = Written {
        login: login_of(&account),
        account,
    };
    account::update(tx.connection(), &[written], clock.now()).await?;
    link::forget_hashes(tx.connection(), &[id]).await?;
    Ok(None)
}

async fn not_open(tx: &mut Tx, organization: OrganizationId, id: Uuid) -> Result<ReviewResolution, Error> {
    let state = review::state(tx.connection(), organization, id).await?;
    let (message, state) = match state.as_deref() {
        None => ("there is no such review".to_owned(), ReviewState::Unspecified),
        Some("approved") => ("it has been approved already".to_owned(), ReviewState::Approved),
        Some("rejected") => ("it has been rejected already".to_owned(), ReviewState::Rejected),
        Some("kept") => (
            "the record is kept by a person's word".to_owned(),
            ReviewState::Kept,
        ),
        Some(_) => (
            "its cause has ended; nothing is left to decide".to_owned(),
            ReviewState::Obsolete,
        ),
    };
    Ok(ReviewResolution {
        review_id: id.to_string(),
        resolved: false,
        message,
        state: state.into(),
    })
}

/// Tells that people, not a run, have changed the register.
pub async fn tell(
    tx: &mut Tx,
    clock: &Clock,
    organization: OrganizationId,
    records: u32,
) -> Result<(), Error> {
    let id = clock.new_id();
    let message = contracts::bus::v1::RegisterChanged {
        event_id: id.as_bytes().to_vec(),
        organization_id: organization.0.as_bytes().to_vec(),
        run_id: Vec::new(),
        records,
    };
    let event = Event {
        id: EventId(id),
        organization,
        subject: bus::subjects::register_changed(organization).to_string(),
        payload: message.encode_to_vec(),
        run: None,
        traceparent: service::telemetry::TraceContext::current().map(|context| context.to_string()),
    };
    outbox::insert(tx.connection(), &event, clock.now()).await?;
    Ok(())
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
    let approve = match request.verdict() {
        ReviewState::Approved => true,
        ReviewState::Rejected => false,
        _ => return Err(Status::invalid_argument("verdict must be APPROVED or REJECTED")),
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
        approve,
        action,
        reason: request.reason.clone(),
        by: request.resolved_by.clone(),
    })
}
