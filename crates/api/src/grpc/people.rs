//! `rollcall.v1.People`.

use contracts::v1;
use contracts::v1::people_server::People;
use domain::account::Kind;
use store::account_list::{self, Search};
use store::custom_field;
use tonic::{Request, Response, Status};

use super::accounts::words;
use crate::app::App;
use crate::auth::Caller;
use crate::fault::Fault;
use crate::page::Page;
use crate::{lookup, view};

/// The service.
pub struct Service(pub App);

#[tonic::async_trait]
impl People for Service {
    async fn list_people(
        &self,
        request: Request<v1::ListPeopleRequest>,
    ) -> Result<Response<v1::ListPeopleResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(list(&self.0, &caller, request.get_ref()).await?))
    }

    async fn get_person(
        &self,
        request: Request<v1::GetPersonRequest>,
    ) -> Result<Response<v1::Person>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(
            get(&self.0, &caller, &request.get_ref().person_id).await?,
        ))
    }
}

async fn list(
    app: &App,
    caller: &Caller,
    request: &v1::ListPeopleRequest,
) -> Result<v1::ListPeopleResponse, Fault> {
    let list = format!(
        "people {} {:?} {:?} {}",
        request.include_deleted, request.entity, request.collection, request.search
    );
    let page = Page::read(list, request.page_size, &request.page_token)?;
    let after = page.after_parsed(|parts| parts.first()?.parse().ok())?;
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    let search = Search {
        kind: Kind::Person,
        words: words(&request.search)?,
        include_deleted: request.include_deleted,
        status: None,
        entity: given(&request.entity),
        collection: given(&request.collection),
    };
    let organization = caller.organization();
    let mut connection = app.store.connection().await?;
    let custom = custom_field::list(&mut connection, organization).await?;
    let rows = account_list::list(&mut connection, organization, &search, after, page.limit()).await?;
    let key = |row: &account_list::Account| vec![row.id.to_string()];
    let (people, next_page_token) = page.cut_messages(rows, key, |row| view::account::person(row, &custom));
    Ok(v1::ListPeopleResponse {
        people,
        next_page_token,
    })
}

async fn get(app: &App, caller: &Caller, id: &str) -> Result<v1::Person, Fault> {
    let id = lookup::parse("personId", id)?;
    let mut connection = app.store.connection().await?;
    let found = account_list::find(&mut connection, caller.organization(), (Kind::Person, id)).await?;
    let custom = custom_field::list(&mut connection, caller.organization()).await?;
    found
        .map(|person| view::account::person(person, &custom))
        .ok_or_else(|| Fault::NotFound {
            what: "person",
            name: id.to_string(),
            hint: "; find people with rollcall person list --search TEXT".to_owned(),
        })
}
