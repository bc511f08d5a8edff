//! `rollcall.v1.Connections`.

use std::time::Duration;

use contracts::internal::v1::TestConnectionRequest;
use contracts::v1;
use contracts::v1::connections_server::Connections;
use store::connection;
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::auth::Caller;
use crate::configuration::disconnect::disconnect;
use crate::configuration::release::release;
use crate::fault::Fault;
use crate::lookup;
use crate::page::Page;

/// A test makes several calls to the directory, each with limits of its own.
const TEST_DEADLINE: Duration = Duration::from_secs(55);

/// The service.
pub struct Service(pub App);

#[tonic::async_trait]
impl Connections for Service {
    async fn list_connections(
        &self,
        request: Request<v1::ListConnectionsRequest>,
    ) -> Result<Response<v1::ListConnectionsResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(list(&self.0, &caller, request.get_ref()).await?))
    }

    async fn get_connection(
        &self,
        request: Request<v1::GetConnectionRequest>,
    ) -> Result<Response<v1::Connection>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(
            get(&self.0, &caller, &request.get_ref().connection).await?,
        ))
    }

    async fn test_connection(
        &self,
        request: Request<v1::TestConnectionRequest>,
    ) -> Result<Response<v1::ConnectionTest>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(
            test(&self.0, &caller, &request.get_ref().connection).await?,
        ))
    }

    async fn disconnect_connection(
        &self,
        request: Request<v1::DisconnectConnectionRequest>,
    ) -> Result<Response<v1::Connection>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(
            disconnect(&self.0, &caller, request.into_inner()).await?,
        ))
    }

    async fn release_connection(
        &self,
        request: Request<v1::ReleaseConnectionRequest>,
    ) -> Result<Response<v1::Connection>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(
            release(&self.0, &caller, request.into_inner()).await?,
        ))
    }
}

async fn list(
    app: &App,
    caller: &Caller,
    request: &v1::ListConnectionsRequest,
) -> Result<v1::ListConnectionsResponse, Fault> {
    let page = Page::read("connections", request.page_size, &request.page_token)?;
    let mut tx = app.store.begin("connection.list").await?;
    let mut rows = connection::list(
        tx.connection(),
        caller.organization(),
        page.after_text()?,
        page.limit(),
    )
    .await?;
    let next_page_token = page.cut(&mut rows, |row| vec![row.name.clone()]);
    let known = lookup::known(&mut tx, rows).await?;
    tx.commit().await?;
    let now = app.clock.now();
    let connections = known.iter().map(|known| known.message(now)).collect();
    Ok(v1::ListConnectionsResponse {
        connections,
        next_page_token,
    })
}

async fn get(app: &App, caller: &Caller, name_or_id: &str) -> Result<v1::Connection, Fault> {
    let mut tx = app.store.begin("connection.get").await?;
    let found = lookup::connection(&mut tx, caller, name_or_id).await?;
    let known = lookup::known(&mut tx, vec![found]).await?;
    tx.commit().await?;
    let known = known.first().ok_or_else(|| Fault::NotFound {
        what: "connection",
        name: name_or_id.to_owned(),
        hint: String::new(),
    })?;
    Ok(known.message(app.clock.now()))
}

/// Asked of the fetcher, which talks to the directory; it stores what it found.
async fn test(app: &App, caller: &Caller, name_or_id: &str) -> Result<v1::ConnectionTest, Fault> {
    let mut tx = app.store.begin("connection.test").await?;
    let found = lookup::connection(&mut tx, caller, name_or_id).await?;
    tx.commit().await?;
    if found.disconnected_at.is_some() {
        return Err(Fault::Precondition {
            reason: "DISCONNECTED",
            message: format!(
                "the connection {} is disconnected; apply its document to connect it again",
                found.name
            ),
        });
    }
    let mut call = Request::new(TestConnectionRequest {
        connection_id: found.id.to_string(),
    });
    call.set_timeout(TEST_DEADLINE);
    let answer = app.directory.clone().test_connection(call).await;
    let mut test = answer
        .map_err(|status| Fault::Upstream {
            service: "fetcher",
            status: Box::new(status),
        })?
        .into_inner();
    test.connection = found.name;
    Ok(test)
}
