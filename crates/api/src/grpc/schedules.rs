//! `rollcall.v1.Schedules`.

use contracts::v1;
use contracts::v1::schedules_server::Schedules;
use store::schedule::{self, Stored};
use store::{Tx, connection, schedule_slot};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::auth::Caller;
use crate::configuration::switch::switch;
use crate::fault::Fault;
use crate::page::Page;
use crate::{lookup, view};

/// Times that are told of one schedule.
const LAST_TIMES: i64 = 20;

/// The service.
pub struct Service(pub App);

#[tonic::async_trait]
impl Schedules for Service {
    async fn list_schedules(
        &self,
        request: Request<v1::ListSchedulesRequest>,
    ) -> Result<Response<v1::ListSchedulesResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(list(&self.0, &caller, request.get_ref()).await?))
    }

    async fn get_schedule(
        &self,
        request: Request<v1::GetScheduleRequest>,
    ) -> Result<Response<v1::Schedule>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(
            get(&self.0, &caller, &request.get_ref().schedule).await?,
        ))
    }

    async fn switch_schedule(
        &self,
        request: Request<v1::SwitchScheduleRequest>,
    ) -> Result<Response<v1::Schedule>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(
            switch(&self.0, &caller, request.into_inner()).await?,
        ))
    }
}

async fn list(
    app: &App,
    caller: &Caller,
    request: &v1::ListSchedulesRequest,
) -> Result<v1::ListSchedulesResponse, Fault> {
    let list = format!("schedules of {}", request.connection);
    let page = Page::read(list, request.page_size, &request.page_token)?;
    let mut tx = app.store.begin("schedule.list").await?;
    let of = lookup::connection_filter(&mut tx, caller, &request.connection).await?;
    let after = page.after_text()?;
    let mut rows = schedule::list(tx.connection(), caller.organization(), of, after, page.limit()).await?;
    let next_page_token = page.cut(&mut rows, |row| vec![row.name.clone()]);
    let schedules = messages(app, &mut tx, rows).await?;
    tx.commit().await?;
    Ok(v1::ListSchedulesResponse {
        schedules,
        next_page_token,
    })
}

async fn get(app: &App, caller: &Caller, name_or_id: &str) -> Result<v1::Schedule, Fault> {
    let mut tx = app.store.begin("schedule.get").await?;
    let found = lookup::schedule(&mut tx, caller, name_or_id).await?;
    let last = schedule_slot::last(tx.connection(), found.id, LAST_TIMES).await?;
    let message = messages(app, &mut tx, vec![found]).await?.pop();
    tx.commit().await?;
    Ok(v1::Schedule {
        last_times: last.iter().map(view::schedule::slot).collect(),
        ..message.ok_or(Fault::Internal("a schedule vanished while it was read"))?
    })
}

/// These schedules with what comes next, in the same order.
async fn messages(app: &App, tx: &mut Tx, rows: Vec<Stored>) -> Result<Vec<v1::Schedule>, Fault> {
    let names = connection::names_of(tx.connection(), rows.iter().map(|row| row.connection)).await?;
    let planned = lookup::planned(tx, rows).await?;
    let now = app.clock.now();
    let message = |planned: &view::schedule::Planned| {
        let of = names.iter().find(|of| of.connection == planned.stored.connection);
        planned.message(of.map_or("", |of| &of.name), now)
    };
    Ok(planned.iter().map(message).collect())
}
