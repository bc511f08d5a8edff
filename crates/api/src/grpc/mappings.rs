//! `rollcall.v1.Mappings`.

use contracts::v1;
use contracts::v1::mappings_server::Mappings;
use store::{connection, custom_field, mapping};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::auth::Caller;
use crate::fault::Fault;
use crate::page::Page;
use crate::{lookup, view};

/// The service.
pub struct Service(pub App);

#[tonic::async_trait]
impl Mappings for Service {
    async fn list_mappings(
        &self,
        request: Request<v1::ListMappingsRequest>,
    ) -> Result<Response<v1::ListMappingsResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(list(&self.0, &caller, request.get_ref()).await?))
    }

    async fn list_fields(
        &self,
        request: Request<v1::ListFieldsRequest>,
    ) -> Result<Response<v1::ListFieldsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let fields = list_fields(&self.0, &caller).await?;
        Ok(Response::new(v1::ListFieldsResponse { fields }))
    }
}

async fn list_fields(app: &App, caller: &Caller) -> Result<Vec<v1::RegisterField>, Fault> {
    let mut connection = app.store.connection().await?;
    let custom = custom_field::list(&mut connection, caller.organization()).await?;
    Ok(view::field::all(&custom))
}

async fn list(
    app: &App,
    caller: &Caller,
    request: &v1::ListMappingsRequest,
) -> Result<v1::ListMappingsResponse, Fault> {
    let list = format!("mappings of {}", request.connection);
    let page = Page::read(list, request.page_size, &request.page_token)?;
    let mut tx = app.store.begin("mapping.list").await?;
    let of = lookup::connection_filter(&mut tx, caller, &request.connection).await?;
    let after = page.after_text()?;
    let mut rows = mapping::list(tx.connection(), caller.organization(), of, after, page.limit()).await?;
    let next_page_token = page.cut(&mut rows, |row| vec![row.name.clone()]);
    let custom = custom_field::list(tx.connection(), caller.organization()).await?;
    let mut mappings = Vec::with_capacity(rows.len());
    for row in &rows {
        let connection = connection::find(tx.connection(), row.connection).await?;
        let name = connection.map(|connection| connection.name).unwrap_or_default();
        mappings.push(view::mapping::mapping(row, &name, &custom));
    }
    tx.commit().await?;
    Ok(v1::ListMappingsResponse {
        mappings,
        next_page_token,
    })
}
