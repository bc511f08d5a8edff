//! What api asks of the register at once: `rollcall.internal.v1.Register`.

use std::pin::Pin;
use std::sync::Arc;

use contracts::internal::v1::register_server::Register;
use contracts::internal::v1::{
    AddAssetRequest, AddAssetResponse, ApplyPlanRequest, ApplyPlanResponse, AssignAssetRequest,
    AssignAssetResponse, EditLinkRequest, EditLinkResponse, ExplainRequest, IgnoreFailedRecordsRequest,
    ImportAccountsRequest, PurgeAccountsRequest, ResetPasswordRequest, ResetPasswordResponse,
    ResolveReviewsRequest, ReturnAssetRequest, ReturnAssetResponse,
};
use contracts::v1::{
    Explanation, IgnoreFailedRecordsResponse, ImportAccountsResponse, PurgeAccountsResponse,
    ResolveReviewsResponse,
};
use domain::id::RunId;
use futures::Stream;
use service::Clock;
use service::error::chain;
use store::run_plan::{self, State};
use store::{Store, decision_moved, link_edit, never_touch};
use tokio::sync::{Mutex, Notify};
use tonic::{Request, Response, Status, Streaming};

use crate::error::Error;
use crate::import::Import;
use crate::{assets, edit_link, explain, ignore, passwords, plan, purge, resolve, settle};

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
    /// Held by the file that is imported just now.
    pub imports: Arc<Mutex<()>>,
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

    async fn reset_password(
        &self,
        request: Request<ResetPasswordRequest>,
    ) -> Result<Response<ResetPasswordResponse>, Status> {
        let request = request.into_inner();
        let organization = request
            .organization_id
            .parse()
            .map_err(|_| Status::invalid_argument("organization_id is not a UUID"))?;
        let account = request
            .account_id
            .parse()
            .map_err(|_| Status::invalid_argument("account_id is not a UUID"))?;
        passwords::reset(&self.store, &self.clock, organization, account).await?;
        Ok(Response::new(ResetPasswordResponse {}))
    }

    type ImportAccountsStream = Pin<Box<dyn Stream<Item = Result<ImportAccountsResponse, Status>> + Send>>;

    async fn import_accounts(
        &self,
        request: Request<Streaming<ImportAccountsRequest>>,
    ) -> Result<Response<Self::ImportAccountsStream>, Status> {
        let (store, clock, imports) = (self.store.clone(), self.clock.clone(), Arc::clone(&self.imports));
        let answer = async move {
            // What is remembered of a file takes memory: one at a time.
            let _turn = imports.lock().await;
            let import = Import {
                store: &store,
                clock: &clock,
            };
            import.run(request.into_inner()).await
        };
        // The work is the stream's one item, so that a long file does not meet the limit of a call.
        Ok(Response::new(Box::pin(futures::stream::once(answer))))
    }

    async fn edit_link(
        &self,
        request: Request<EditLinkRequest>,
    ) -> Result<Response<EditLinkResponse>, Status> {
        let answer = edit_link::edit(&self.store, &self.clock, request.into_inner()).await?;
        self.wake.notify_one();
        Ok(Response::new(answer))
    }

    async fn add_asset(
        &self,
        request: Request<AddAssetRequest>,
    ) -> Result<Response<AddAssetResponse>, Status> {
        let answer = assets::add(&self.store, &self.clock, request.get_ref()).await?;
        Ok(Response::new(answer))
    }

    async fn assign_asset(
        &self,
        request: Request<AssignAssetRequest>,
    ) -> Result<Response<AssignAssetResponse>, Status> {
        let answer = assets::assign(&self.store, &self.clock, request.get_ref()).await?;
        Ok(Response::new(answer))
    }

    async fn return_asset(
        &self,
        request: Request<ReturnAssetRequest>,
    ) -> Result<Response<ReturnAssetResponse>, Status> {
        let answer = assets::take_back(&self.store, &self.clock, request.get_ref()).await?;
        self.wake.notify_one();
        Ok(Response::new(answer))
    }

    async fn purge_accounts(
        &self,
        request: Request<PurgeAccountsRequest>,
    ) -> Result<Response<PurgeAccountsResponse>, Status> {
        let results = purge::purge(&self.store, &self.clock, request.get_ref()).await?;
        self.wake.notify_one();
        Ok(Response::new(PurgeAccountsResponse { results }))
    }

    async fn explain(&self, request: Request<ExplainRequest>) -> Result<Response<Explanation>, Status> {
        let answer = explain::explain(&self.store, &self.clock, request.get_ref()).await?;
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
        let Some(planned) = planned.filter(|at| now - *at <= chrono::TimeDelta::hours(self.preview_hours))
        else {
            return Err(refused(expired(run)));
        };
        let added = never_touch::any_since(tx.connection(), work.organization, work.connection, planned);
        if added.await.map_err(Error::from)? {
            return Err(refused(
                "someone was put on the never-touch list since the plan was made; start a new preview"
                    .to_owned(),
            ));
        }
        if let Some(other) = run_plan::other_active(tx.connection(), work.connection, run)
            .await
            .map_err(Error::from)?
        {
            return Err(refused(format!(
                "run {other} of the same connection is active; wait for its end"
            )));
        }
        let moved = decision_moved::moved(tx.connection(), run, work.organization)
            .await
            .map_err(Error::from)?;
        if !moved.is_empty() {
            return Err(refused(format!(
                "the register has moved since the plan was made: {} changed; start a new preview",
                moved.join(", ")
            )));
        }
        let edited = link_edit::any_since(tx.connection(), work.connection, planned);
        if edited.await.map_err(Error::from)? {
            return Err(refused(
                "links were cut or moved by hand since the plan was made; start a new preview".to_owned(),
            ));
        }
        if settle::last_owner(&mut tx, &work).await?.is_some() {
            return Err(refused(
                "no active owner would be left: another owner has gone since the plan was made; make somebody else an \
                 owner, or start a new preview"
                    .to_owned(),
            ));
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
