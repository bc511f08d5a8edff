//! `rollcall.v1.SystemLog` (N7).

use contracts::v1;
use contracts::v1::system_log_server::SystemLog;
use domain::system_log::Kind;
use store::system_log::{self, Entry, Filter};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::app::App;
use crate::auth::Caller;
use crate::fault::Fault;
use crate::page::Page;
use crate::{lookup, view};

/// The service.
pub struct Service(pub App);

#[tonic::async_trait]
impl SystemLog for Service {
    async fn list_entries(
        &self,
        request: Request<v1::ListEntriesRequest>,
    ) -> Result<Response<v1::ListEntriesResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(list(&self.0, &caller, request.get_ref()).await?))
    }

    async fn get_entry(
        &self,
        request: Request<v1::GetEntryRequest>,
    ) -> Result<Response<v1::GetEntryResponse>, Status> {
        let caller = Caller::of(&request)?;
        let (entry, csv) = find(&self.0, &caller, "entryId", &request.get_ref().entry_id).await?;
        Ok(Response::new(v1::GetEntryResponse {
            entry: Some(view::system_log::entry(entry)),
            csv,
        }))
    }
}

async fn list(
    app: &App,
    caller: &Caller,
    request: &v1::ListEntriesRequest,
) -> Result<v1::ListEntriesResponse, Fault> {
    let list = format!("system log {} {}", request.connection, request.kind);
    let page = Page::read(list, request.page_size, &request.page_token)?;
    let before = page.after_parsed(|parts| parts.first()?.parse().ok())?;
    let mut tx = app.store.begin("system_log.list").await?;
    let filter = Filter {
        organization: caller.organization(),
        connection: lookup::connection_filter(&mut tx, caller, &request.connection).await?,
        run: None,
        kind: match request.kind() {
            v1::LogEntryKind::Unspecified if request.kind != 0 => {
                return Err(Fault::invalid(
                    "kind",
                    "is none that there is; leave it out for all",
                ));
            }
            v1::LogEntryKind::Unspecified => None,
            v1::LogEntryKind::Removals => Some(Kind::Removals),
            v1::LogEntryKind::Reviews => Some(Kind::Reviews),
            v1::LogEntryKind::Returned => Some(Kind::Returned),
            v1::LogEntryKind::Purge => Some(Kind::Purge),
        },
    };
    let mut rows = system_log::list(tx.connection(), filter, before, page.limit()).await?;
    tx.commit().await?;
    let next_page_token = page.cut(&mut rows, |row| vec![row.id.to_string()]);
    Ok(v1::ListEntriesResponse {
        entries: rows.into_iter().map(view::system_log::entry).collect(),
        next_page_token,
    })
}

/// The caller's entry of this id, with its CSV; for gRPC and the console.
pub async fn find(app: &App, caller: &Caller, path: &str, id: &str) -> Result<(Entry, String), Fault> {
    let id: Uuid = lookup::parse(path, id)?;
    let mut connection = app.store.connection().await?;
    system_log::find(&mut connection, caller.organization(), id)
        .await?
        .ok_or_else(|| Fault::NotFound {
            what: "entry of the system log",
            name: id.to_string(),
            hint: "; list them with rollcall log list".to_owned(),
        })
}
