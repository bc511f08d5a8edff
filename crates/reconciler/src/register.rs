//! What api asks of the register at once: `rollcall.internal.v1.Register`.

use std::sync::Arc;

use contracts::internal::v1::register_server::Register;
use contracts::internal::v1::{
    ApplyPlanRequest, ApplyPlanResponse, IgnoreFailedRecordsRequest, ImportAccountsRequest,
    ResolveReviewsRequest,
};
use contracts::v1::{IgnoreFailedRecordsResponse, ImportAccountsResponse, ResolveReviewsResponse};
use domain::id::RunId;
use service::Clock;
use service::error::chain;
use store::run_plan::{self, State};
use store::{Store, decision_settle};
use tokio::sync::Notify;
use tonic::{Request, Response, Status, Streaming};

use crate::error::Error;
use crate::plan;
use crate::{ignore, import, resolve};

/// The service.
pub struct Server {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Wakes the sweep.
    pub wake: Arc<Notify>,
    /// Hours that a preview can be applied.
    pub preview_hours: i64,
}

#[tonic::async_trait]
impl Register for Server {
    async fn apply_plan(
        &self,
        request: Request<ApplyPlanRequest>,
    ) -> Result<Response<ApplyPlanResponse>, Status> {
        let request = request.into_inner();
        let run: RunId = request
            .run_id
            .parse()
            .map_err(|_| Status::invalid_argument("run_id is not a UUID"))?;
        self.apply(run, &request.requested_by).await?;
        self.wake.notify_one();
        Ok(Response::new(ApplyPlanResponse {}))
    }

    async fn resolve_reviews(
        &self,
        request: Request<ResolveReviewsRequest>,
    ) -> Result<Response<ResolveReviewsResponse>, Status> {
        let results = resolve::resolve(&self.store, &self.clock, request.into_inner()).await?;
        self.wake.notify_one();
        Ok(Response::new(ResolveReviewsResponse { results }))
    }

    async fn ignore_failed_records(
        &self,
        request: Request<IgnoreFailedRecordsRequest>,
    ) -> Result<Response<IgnoreFailedRecordsResponse>, Status> {
        let answer = ignore::ignore(&self.store, &self.clock, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn import_accounts(
        &self,
        request: Request<Streaming<ImportAccountsRequest>>,
    ) -> Result<Response<ImportAccountsResponse>, Status> {
        let answer = import::import(&self.store, &self.clock, request.into_inner()).await?;
        Ok(Response::new(answer))
    }
}

impl Server {
    /// Lets a preview's plan be applied, if nothing that it touches has been changed since.
    async fn apply(&self, run: RunId, by: &str) -> Result<(), Status> {
        let refused = |why: String| Status::failed_precondition(why);
        let work = plan::work(&self.store, run)
            .await?
            .ok_or_else(|| Status::not_found(format!("no run {run} has a plan")))?;
        let mut tx = self
            .store
            .begin("register.apply_plan")
            .await
            .map_err(Error::from)?;
        run_plan::lock_connection(tx.connection(), work.connection)
            .await
            .map_err(Error::from)?;
        let open = run_plan::lock(tx.connection(), run).await.map_err(Error::from)?;
        match open.map(|open| open.state) {
            Some(State::Planned) => (),
            Some(State::Applying | State::Finished) => {
                return Err(refused(format!("the plan of run {run} has been applied already")));
            }
            Some(State::Expired) => return Err(refused(expired(run))),
            _ => return Err(refused(format!("run {run} has no plan that waits to be applied"))),
        }
        let now = self.clock.now();
        let planned = run_plan::planned_at(tx.connection(), run)
            .await
            .map_err(Error::from)?;
        if planned.is_none_or(|at| now - at > chrono::TimeDelta::hours(self.preview_hours)) {
            return Err(refused(expired(run)));
        }
        if let Some(other) = run_plan::other_active(tx.connection(), work.connection, run)
            .await
            .map_err(Error::from)?
        {
            return Err(refused(format!(
                "run {other} of the same connection is active; wait for its end"
            )));
        }
        let moved = decision_settle::moved(tx.connection(), run, work.organization)
            .await
            .map_err(Error::from)?;
        if !moved.is_empty() {
            return Err(refused(format!(
                "the register has moved since the plan was made: {} changed; start a new preview",
                moved.join(", ")
            )));
        }
        run_plan::set_applying(tx.connection(), run, by, now)
            .await
            .map_err(Error::from)?;
        tx.commit().await.map_err(Error::from)?;
        Ok(())
    }
}

fn expired(run: RunId) -> String {
    format!("the plan of run {run} is older than a day; start a new preview")
}

/// One table from error to status.
impl From<Error> for Status {
    fn from(error: Error) -> Self {
        tracing::warn!(error = %chain(&error), "a call could not be answered");
        if error.is_retryable() {
            Self::unavailable("the database is not available; try again")
        } else {
            match error {
                Error::Rules(why) => Self::failed_precondition(why),
                Error::Store(_) | Error::Page(_) => Self::internal("the register could not be written"),
            }
        }
    }
}
