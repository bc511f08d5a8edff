//! `rollcall.v1.Reviews`.

use std::time::Duration;

use contracts::internal::v1::ResolveReviewsRequest;
use contracts::v1;
use contracts::v1::reviews_server::Reviews;
use domain::id::ReviewId;
use domain::leaver::Cause;
use store::review_list::{self, Filter, State};
use tonic::{Request, Response, Status};

use super::word::Problems;
use crate::app::App;
use crate::auth::Caller;
use crate::fault::Fault;
use crate::once::Key;
use crate::page::Page;
use crate::{lookup, view};

const DEADLINE: Duration = Duration::from_secs(50);

/// The service.
pub struct Service(pub App);

#[tonic::async_trait]
impl Reviews for Service {
    async fn list_reviews(
        &self,
        request: Request<v1::ListReviewsRequest>,
    ) -> Result<Response<v1::ListReviewsResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(list(&self.0, &caller, request.get_ref()).await?))
    }

    async fn approve_reviews(
        &self,
        request: Request<v1::ResolveReviewsRequest>,
    ) -> Result<Response<v1::ResolveReviewsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        Ok(Response::new(
            resolve(&self.0, &caller, request, v1::ReviewState::Approved).await?,
        ))
    }

    async fn reject_reviews(
        &self,
        request: Request<v1::ResolveReviewsRequest>,
    ) -> Result<Response<v1::ResolveReviewsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        Ok(Response::new(
            resolve(&self.0, &caller, request, v1::ReviewState::Rejected).await?,
        ))
    }

    async fn keep_reviews(
        &self,
        request: Request<v1::ResolveReviewsRequest>,
    ) -> Result<Response<v1::ResolveReviewsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        Ok(Response::new(
            resolve(&self.0, &caller, request, v1::ReviewState::Kept).await?,
        ))
    }
}

async fn list(
    app: &App,
    caller: &Caller,
    request: &v1::ListReviewsRequest,
) -> Result<v1::ListReviewsResponse, Fault> {
    let list = format!(
        "reviews of {} {} {}",
        request.connection, request.state, request.cause
    );
    let cause = cause(&request.cause)?;
    let page = Page::read(list, request.page_size, &request.page_token)?;
    let after = page.after_parsed(|parts| {
        let [at, id] = parts else { return None };
        Some((at.parse().ok()?, id.parse::<ReviewId>().ok()?))
    })?;
    let mut tx = app.store.begin("review.list").await?;
    let filter = Filter {
        organization: caller.organization(),
        connection: lookup::connection_filter(&mut tx, caller, &request.connection).await?,
        run: None,
        state: match request.state() {
            v1::ReviewState::Unspecified | v1::ReviewState::Open => State::Open,
            v1::ReviewState::Approved => State::Approved,
            v1::ReviewState::Rejected => State::Rejected,
            v1::ReviewState::Kept => State::Kept,
            v1::ReviewState::Obsolete => State::Obsolete,
        },
        cause,
    };
    let mut rows = review_list::list(tx.connection(), filter, after, page.limit()).await?;
    tx.commit().await?;
    let next_page_token = page.cut(&mut rows, |row| {
        vec![row.created_at.to_rfc3339(), row.id.to_string()]
    });
    let reviews = rows.into_iter().map(view::review::review).collect();
    Ok(v1::ListReviewsResponse {
        reviews,
        next_page_token,
    })
}

/// Asked of the reconciler, which writes the register; for gRPC and the console.
pub async fn resolve(
    app: &App,
    caller: &Caller,
    request: v1::ResolveReviewsRequest,
    verdict: v1::ReviewState,
) -> Result<v1::ResolveReviewsResponse, Fault> {
    let method = match verdict {
        v1::ReviewState::Approved => "ApproveReviews",
        v1::ReviewState::Kept => "KeepReviews",
        _ => "RejectReviews",
    };
    check(&request, verdict)?;
    let key = Key::of(caller, method, &request.idempotency_key, &request)?;
    if let Some(answer) = key.claim_first(app).await? {
        return Ok(answer);
    }
    let mut call = Request::new(ResolveReviewsRequest {
        organization_id: caller.organization().to_string(),
        review_ids: request.review_ids,
        verdict: verdict.into(),
        action: request.action,
        reason: request.reason,
        resolved_by: caller.name().to_owned(),
    });
    call.set_timeout(DEADLINE);
    let answer = app.register.clone().resolve_reviews(call).await;
    let outcome = answer
        .map(Response::into_inner)
        .map_err(|status| Fault::Upstream {
            service: "reconciler",
            status: Box::new(status),
        });
    key.settle(app, &outcome).await?;
    outcome
}

/// The cause of this name; none for an empty one.
pub fn cause(name: &str) -> Result<Option<Cause>, Fault> {
    if name.is_empty() {
        return Ok(None);
    }
    let problem = || {
        let known = Cause::ALL.map(Cause::key).join(", ");
        Fault::invalid("cause", format!("\"{name}\" is none that there is; use {known}"))
    };
    Cause::of_key(name).map(Some).ok_or_else(problem)
}

fn check(request: &v1::ResolveReviewsRequest, verdict: v1::ReviewState) -> Result<(), Fault> {
    let mut problems = Problems::default();
    problems.of_ids::<ReviewId>(
        "reviewIds",
        &request.review_ids,
        "list reviews with rollcall review list",
    );
    problems.of_reason(&request.reason, "with the review");
    let allowed: &[v1::LeaverAction] = match verdict {
        v1::ReviewState::Approved => &[
            v1::LeaverAction::Unspecified,
            v1::LeaverAction::Deactivate,
            v1::LeaverAction::Delete,
        ],
        _ => &[v1::LeaverAction::Unspecified],
    };
    if !v1::LeaverAction::try_from(request.action).is_ok_and(|action| allowed.contains(&action)) {
        problems.add(
            "action",
            "can only be deactivate or delete, and only when approving",
        );
    }
    problems.told()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_wrong_is_told_at_once() {
        let request = v1::ResolveReviewsRequest {
            review_ids: vec!["x".into(), "00000000-0000-7000-8000-000000000001".into()],
            action: v1::LeaverAction::Delete.into(),
            ..Default::default()
        };
        let Err(Fault::Invalid(violations)) = check(&request, v1::ReviewState::Rejected) else {
            panic!()
        };
        let paths: Vec<&str> = violations
            .iter()
            .map(|violation| violation.path.as_str())
            .collect();
        assert_eq!(paths, ["reviewIds[0]", "reason", "action"]);
    }

    #[test]
    fn an_approval_may_say_what_to_do() {
        let request = v1::ResolveReviewsRequest {
            review_ids: vec!["00000000-0000-7000-8000-000000000001".into()],
            action: v1::LeaverAction::Delete.into(),
            reason: "left in May".into(),
            ..Default::default()
        };
        assert!(check(&request, v1::ReviewState::Approved).is_ok());
        assert!(
            check(
                &v1::ResolveReviewsRequest {
                    action: 99,
                    ..request
                },
                v1::ReviewState::Approved
            )
            .is_err()
        );
    }
}
