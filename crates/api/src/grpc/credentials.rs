//! `rollcall.v1.Credentials`.

use contracts::v1;
use contracts::v1::credentials_server::Credentials;
use domain::id::CredentialId;
use store::{credential, credential_expiry};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::auth::Caller;
use crate::fault::Fault;
use crate::page::Page;
use crate::view;

/// The service.
pub struct Service(pub App);

#[tonic::async_trait]
impl Credentials for Service {
    async fn list_credentials(
        &self,
        request: Request<v1::ListCredentialsRequest>,
    ) -> Result<Response<v1::ListCredentialsResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(list(&self.0, &caller, request.get_ref()).await?))
    }
}

async fn list(
    app: &App,
    caller: &Caller,
    request: &v1::ListCredentialsRequest,
) -> Result<v1::ListCredentialsResponse, Fault> {
    let page = Page::read("credentials", request.page_size, &request.page_token)?;
    let mut connection = app.store.connection().await?;
    let mut rows = credential::list(
        &mut connection,
        caller.organization(),
        page.after_text()?,
        page.limit(),
    )
    .await?;
    let next_page_token = page.cut(&mut rows, |row| vec![row.name.clone()]);
    let ids: Vec<CredentialId> = rows.iter().map(|row| row.id).collect();
    let read = credential_expiry::of_credentials(&mut connection, &ids).await?;
    let now = app.clock.now();
    let credentials = rows.iter().map(|row| {
        let read = read.iter().find(|read| read.credential == row.id);
        view::connection::credential(row, read, now)
    });
    let credentials = credentials.collect();
    Ok(v1::ListCredentialsResponse {
        credentials,
        next_page_token,
    })
}
