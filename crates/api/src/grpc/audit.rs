//! `rollcall.v1.Audit` (C14).

use chrono::{DateTime, Utc};
use contracts::v1;
use contracts::v1::audit_server::Audit;
use prost_types::Timestamp;
use store::audit::{self, Filter};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::auth::Caller;
use crate::fault::Fault;
use crate::page::Page;
use crate::view;

/// Characters in a filter at most.
const LONGEST: usize = 500;

/// The service.
pub struct Service(pub App);

#[tonic::async_trait]
impl Audit for Service {
    async fn list_audit_entries(
        &self,
        request: Request<v1::ListAuditEntriesRequest>,
    ) -> Result<Response<v1::ListAuditEntriesResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(list(&self.0, &caller, request.get_ref()).await?))
    }
}

async fn list(
    app: &App,
    caller: &Caller,
    request: &v1::ListAuditEntriesRequest,
) -> Result<v1::ListAuditEntriesResponse, Fault> {
    let filter = filter(caller, request)?;
    let list = format!(
        "audit {:?} {:?} {:?} {:?}",
        filter.subject, filter.actor, filter.since, filter.until
    );
    let page = Page::read(list, request.page_size, &request.page_token)?;
    let before = page.after_parsed(|parts| parts.first()?.parse().ok())?;
    let mut connection = app.store.connection().await?;
    let rows = audit::list(&mut connection, &filter, before, page.limit()).await?;
    let key = |row: &audit::Entry| vec![row.id.to_string()];
    let (entries, next_page_token) = page.cut_messages(rows, key, view::audit::entry);
    Ok(v1::ListAuditEntriesResponse {
        entries,
        next_page_token,
    })
}

fn filter(caller: &Caller, request: &v1::ListAuditEntriesRequest) -> Result<Filter, Fault> {
    let actor = match text("actor", &request.actor)? {
        Some(name) if !name.starts_with("token ") => Some(format!("token {name}")),
        actor => actor,
    };
    Ok(Filter {
        organization: caller.organization(),
        subject: text("subject", &request.subject)?,
        actor,
        since: time("since", request.since)?,
        until: time("until", request.until)?,
    })
}

fn text(path: &str, text: &str) -> Result<Option<String>, Fault> {
    if text.chars().count() > LONGEST || text.contains('\0') {
        let problem = format!("is longer than {LONGEST} characters, or holds a null character; correct it");
        return Err(Fault::invalid(path, problem));
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

fn time(path: &str, time: Option<Timestamp>) -> Result<Option<DateTime<Utc>>, Fault> {
    let Some(time) = time else { return Ok(None) };
    u32::try_from(time.nanos)
        .ok()
        .and_then(|nanos| DateTime::from_timestamp(time.seconds, nanos))
        .map(Some)
        .ok_or_else(|| Fault::invalid(path, "is no time; use one such as 2026-11-21T00:00:00Z"))
}
