//! `rollcall.v1.Runs`.

use contracts::v1;
use contracts::v1::runs_server::Runs;
use domain::decision::Outcome;
use domain::id::RunId;
use store::change_list::{self, Change, Place, Which};
use store::custom_field;
use store::run_view;
use tonic::{Request, Response, Status};

use super::Answers;
use crate::app::App;
use crate::auth::Caller;
use crate::fault::Fault;
use crate::page::Page;
use crate::{lookup, runs, view};

/// The service.
pub struct Service(pub App);

#[tonic::async_trait]
impl Runs for Service {
    async fn start_run(&self, request: Request<v1::StartRunRequest>) -> Result<Response<v1::Run>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(
            runs::start::start(&self.0, &caller, request.into_inner()).await?,
        ))
    }

    async fn apply_run(&self, request: Request<v1::ApplyRunRequest>) -> Result<Response<v1::Run>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(
            runs::apply::apply(&self.0, &caller, request.into_inner()).await?,
        ))
    }

    async fn cancel_run(&self, request: Request<v1::CancelRunRequest>) -> Result<Response<v1::Run>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(
            runs::cancel::cancel(&self.0, &caller, request.into_inner()).await?,
        ))
    }

    async fn revert_run(&self, request: Request<v1::RevertRunRequest>) -> Result<Response<v1::Run>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(
            runs::revert::revert(&self.0, &caller, request.into_inner()).await?,
        ))
    }

    async fn import_users(
        &self,
        request: Request<v1::ImportUsersRequest>,
    ) -> Result<Response<v1::ImportUsersResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(
            runs::manual::import(&self.0, &caller, request.into_inner()).await?,
        ))
    }

    async fn get_run(&self, request: Request<v1::GetRunRequest>) -> Result<Response<v1::Run>, Status> {
        let caller = Caller::of(&request)?;
        let run = lookup::run(&self.0, &caller, &request.get_ref().run_id).await?;
        Ok(Response::new(view::run::run(&run, self.0.clock.now())))
    }

    async fn list_runs(
        &self,
        request: Request<v1::ListRunsRequest>,
    ) -> Result<Response<v1::ListRunsResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(list(&self.0, &caller, request.get_ref()).await?))
    }

    async fn list_changes(
        &self,
        request: Request<v1::ListChangesRequest>,
    ) -> Result<Response<v1::ListChangesResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(
            list_changes(&self.0, &caller, request.get_ref()).await?,
        ))
    }

    type WatchRunStream = Answers<v1::Run>;

    async fn watch_run(
        &self,
        request: Request<v1::GetRunRequest>,
    ) -> Result<Response<Self::WatchRunStream>, Status> {
        let caller = Caller::of(&request)?;
        // A run that is not there is refused at once, not in the stream.
        lookup::run(&self.0, &caller, &request.get_ref().run_id).await?;
        let clock = self.0.clock.clone();
        let (to, answers) = super::answers(move |run| view::run::run(&run, clock.now()));
        let watch = runs::watch::watch(self.0.clone(), caller, request.into_inner().run_id, to);
        self.0.tasks.spawn("watch-run", async move {
            watch.await;
            Ok::<_, std::convert::Infallible>(())
        });
        Ok(Response::new(answers))
    }
}

async fn list(
    app: &App,
    caller: &Caller,
    request: &v1::ListRunsRequest,
) -> Result<v1::ListRunsResponse, Fault> {
    let page = Page::read(runs::list::name(request), request.page_size, &request.page_token)?;
    let before = page.after_parsed(|parts| {
        let [at, id] = parts else { return None };
        Some((at.parse().ok()?, id.parse::<RunId>().ok()?))
    })?;
    let mut tx = app.store.begin("run.list").await?;
    let now = app.clock.now();
    let which = runs::list::filter(&mut tx, caller, request, now).await?;
    let mut runs = run_view::list(
        tx.connection(),
        caller.organization(),
        &which,
        before,
        page.limit(),
    )
    .await?;
    tx.commit().await?;
    let next_page_token = page.cut(&mut runs, |run| {
        vec![run.created_at.to_rfc3339(), run.id.to_string()]
    });
    Ok(v1::ListRunsResponse {
        runs: runs.iter().map(|run| view::run::run(run, now)).collect(),
        next_page_token,
    })
}

async fn list_changes(
    app: &App,
    caller: &Caller,
    request: &v1::ListChangesRequest,
) -> Result<v1::ListChangesResponse, Fault> {
    let outcome = Outcome::of_number(i16::try_from(request.outcome).unwrap_or(0));
    if outcome.is_none() && request.outcome != 0 {
        return Err(Fault::invalid("outcome", "is none that this version knows"));
    }
    let list = format!(
        "changes of {} {} {}",
        request.run_id, request.outcome, request.search
    );
    let page = Page::read(list, request.page_size, &request.page_token)?;
    let after = page.after_parsed(|parts| {
        let [page, position] = parts else { return None };
        Some(Place {
            page: page.parse().ok()?,
            position: position.parse().ok()?,
        })
    })?;
    let run = lookup::run(app, caller, &request.run_id).await?;
    runs::details::kept(&run)?;
    let words: Vec<String> = request.search.split_whitespace().map(str::to_owned).collect();
    let which = Which {
        outcome,
        words: &words,
    };
    let mut connection = app.store.connection().await?;
    let after = after.unwrap_or(Place::START);
    let custom = custom_field::list(&mut connection, caller.organization()).await?;
    let changes = change_list::list(&mut connection, run.id, which, after, page.limit()).await?;
    let key = |change: &Change| vec![change.place.page.to_string(), change.place.position.to_string()];
    let (changes, next_page_token) =
        page.cut_messages(changes, key, |change| view::change::change(change, &custom));
    Ok(v1::ListChangesResponse {
        changes,
        next_page_token,
    })
}
