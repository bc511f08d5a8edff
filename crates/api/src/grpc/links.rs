//! `rollcall.v1.Links`.

use contracts::v1;
use contracts::v1::links_server::Links;
use store::link_list;
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::auth::Caller;
use crate::fault::Fault;
use crate::page::Page;
use crate::{lookup, view};

/// The service.
pub struct Service(pub App);

#[tonic::async_trait]
impl Links for Service {
    async fn list_links(
        &self,
        request: Request<v1::ListLinksRequest>,
    ) -> Result<Response<v1::ListLinksResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(list(&self.0, &caller, request.get_ref()).await?))
    }
}

async fn list(
    app: &App,
    caller: &Caller,
    request: &v1::ListLinksRequest,
) -> Result<v1::ListLinksResponse, Fault> {
    let list = format!("links of {}", request.connection);
    let page = Page::read(list, request.page_size, &request.page_token)?;
    let after = page.after_parsed(|parts| parts.first()?.parse().ok())?;
    let mut tx = app.store.begin("link.list").await?;
    let of = lookup::connection(&mut tx, caller, &request.connection).await?;
    let mut rows = link_list::list(tx.connection(), of.id, after, page.limit()).await?;
    tx.commit().await?;
    let next_page_token = page.cut(&mut rows, |row| vec![row.object.to_string()]);
    let links = rows
        .into_iter()
        .map(|row| view::account::link(&of.name, row))
        .collect();
    Ok(v1::ListLinksResponse {
        links,
        next_page_token,
    })
}
