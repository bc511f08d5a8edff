//! `rollcall.v1.FailedRecords`.

use std::collections::BTreeMap;
use std::time::Duration;

use contracts::internal::v1 as internal;
use contracts::v1;
use contracts::v1::failed_records_server::FailedRecords;
use store::Tx;
use store::failed_record::{self, FailedRecord, Filter};
use store::run::{Kind, Manual};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::app::App;
use crate::auth::Caller;
use crate::fault::{Fault, Violation};
use crate::once::Key;
use crate::page::Page;
use crate::runs::start::{self, Wanted};
use crate::{lookup, view};

const DEADLINE: Duration = Duration::from_secs(50);
/// Records in one request at most.
const MOST: usize = 1_000;
/// Characters in a reason at most.
const LONGEST_REASON: usize = 1_000;

/// The service.
pub struct Service(pub App);

#[tonic::async_trait]
impl FailedRecords for Service {
    async fn list_failed_records(
        &self,
        request: Request<v1::ListFailedRecordsRequest>,
    ) -> Result<Response<v1::ListFailedRecordsResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(list(&self.0, &caller, request.get_ref()).await?))
    }

    async fn retry_failed_records(
        &self,
        request: Request<v1::RetryFailedRecordsRequest>,
    ) -> Result<Response<v1::RetryFailedRecordsResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(
            retry(&self.0, &caller, request.into_inner()).await?,
        ))
    }

    async fn ignore_failed_records(
        &self,
        request: Request<v1::IgnoreFailedRecordsRequest>,
    ) -> Result<Response<v1::IgnoreFailedRecordsResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(
            ignore(&self.0, &caller, request.into_inner()).await?,
        ))
    }
}

async fn list(
    app: &App,
    caller: &Caller,
    request: &v1::ListFailedRecordsRequest,
) -> Result<v1::ListFailedRecordsResponse, Fault> {
    let page = Page::read(
        format!("failed records of {}", request.connection),
        request.page_size,
        &request.page_token,
    )?;
    let after = page.after_parsed(|parts| {
        let [of, object] = parts else { return None };
        Some((of.parse().ok()?, object.parse().ok()?))
    })?;
    let mut tx = app.store.begin("failed_record.list").await?;
    let filter = Filter {
        organization: caller.organization(),
        connection: lookup::connection_filter(&mut tx, caller, &request.connection).await?,
        objects: None,
        without_ignored: false,
    };
    let rows = failed_record::list(tx.connection(), filter, after, page.limit()).await?;
    tx.commit().await?;
    let key = |row: &FailedRecord| vec![row.connection.to_string(), row.object.to_string()];
    let (failed_records, next_page_token) = page.cut_messages(rows, key, view::failed::failed_record);
    Ok(v1::ListFailedRecordsResponse {
        failed_records,
        next_page_token,
    })
}

/// Begins a manual run for each connection; the criteria count as in any run.
async fn retry(
    app: &App,
    caller: &Caller,
    request: v1::RetryFailedRecordsRequest,
) -> Result<v1::RetryFailedRecordsResponse, Fault> {
    let key = Key::of(caller, "RetryFailedRecords", &request.idempotency_key, &request)?;
    let trigger = start::trigger(&request.trigger)?;
    let objects = match (request.all, request.object_ids.is_empty()) {
        (true, true) => None,
        (true, false) => {
            return Err(Fault::invalid(
                "objectIds",
                "is given together with all; use one of them",
            ));
        }
        (false, _) => Some(objects(&request.object_ids)?),
    };
    let mut tx = app.store.begin("failed_record.retry").await?;
    let answer = match key.claim(app, &mut tx).await? {
        Some(answer) => answer,
        None => {
            let objects = objects.as_deref();
            let answer = begin(app, caller, &mut tx, &request.connection, objects, &trigger).await?;
            key.answer(&mut tx, &answer).await?;
            answer
        }
    };
    tx.commit().await?;
    for run in &answer.runs {
        start::wake(app, caller, run)?;
    }
    Ok(answer)
}

async fn begin(
    app: &App,
    caller: &Caller,
    tx: &mut Tx,
    connection: &str,
    objects: Option<&[Uuid]>,
    trigger: &str,
) -> Result<v1::RetryFailedRecordsResponse, Fault> {
    let filter = Filter {
        organization: caller.organization(),
        connection: lookup::connection_filter(tx, caller, connection).await?,
        objects,
        without_ignored: objects.is_none(),
    };
    let limit = i64::try_from(MOST).unwrap_or(i64::MAX);
    let failed = failed_record::list(tx.connection(), filter, None, limit).await?;
    if let Some(missing) = objects
        .unwrap_or_default()
        .iter()
        .find(|object| failed.iter().all(|record| record.object.0 != **object))
    {
        return Err(Fault::NotFound {
            what: "failed record",
            name: missing.to_string(),
            hint: "; it may have stopped failing: list them with rollcall failed list".to_owned(),
        });
    }
    let records = u32::try_from(failed.len()).unwrap_or(u32::MAX);
    let mut of_connections: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in failed {
        let keys = of_connections.entry(record.connection_name).or_default();
        keys.push(record.object.to_string());
    }
    let mut runs = Vec::with_capacity(of_connections.len());
    for (connection, keys) in of_connections {
        let wanted = Wanted {
            connection: &connection,
            kind: Kind::Manual,
            manual: Some(Manual { keys, by_hand: false }),
            trigger: trigger.to_owned(),
            apply_first: false,
        };
        runs.push(start::insert(app, caller, tx, wanted).await?);
    }
    Ok(v1::RetryFailedRecordsResponse { runs, records })
}

/// Asked of the reconciler, which writes the list.
async fn ignore(
    app: &App,
    caller: &Caller,
    request: v1::IgnoreFailedRecordsRequest,
) -> Result<v1::IgnoreFailedRecordsResponse, Fault> {
    objects(&request.object_ids)?;
    let reason = request.reason.trim();
    if reason.is_empty() {
        return Err(Fault::invalid("reason", "is missing; it is kept with the record"));
    }
    if reason.chars().count() > LONGEST_REASON {
        return Err(Fault::invalid("reason", "is longer than 1000 characters"));
    }
    let mut tx = app.store.begin("failed_record.ignore").await?;
    let connection = lookup::connection_filter(&mut tx, caller, &request.connection).await?;
    tx.commit().await?;
    let key = Key::of(caller, "IgnoreFailedRecords", &request.idempotency_key, &request)?;
    if let Some(answer) = key.claim_first(app).await? {
        return Ok(answer);
    }
    let mut call = Request::new(internal::IgnoreFailedRecordsRequest {
        organization_id: caller.organization().to_string(),
        connection_id: connection.map(|id| id.to_string()).unwrap_or_default(),
        reason: reason.to_owned(),
        object_ids: request.object_ids,
        ignored_by: caller.name().to_owned(),
    });
    call.set_timeout(DEADLINE);
    let answer = app.register.clone().ignore_failed_records(call).await;
    let outcome = answer
        .map(Response::into_inner)
        .map_err(|status| Fault::Upstream {
            service: "reconciler",
            status: Box::new(status),
        });
    key.settle(app, &outcome).await?;
    outcome
}

/// One to a thousand object ids.
fn objects(texts: &[String]) -> Result<Vec<Uuid>, Fault> {
    if texts.is_empty() {
        return Err(Fault::invalid(
            "objectIds",
            "is empty; list failed records with rollcall failed list",
        ));
    }
    if texts.len() > MOST {
        return Err(Fault::invalid(
            "objectIds",
            "has more than 1000 ids; send several requests",
        ));
    }
    let mut violations = Vec::new();
    let mut ids = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match text.trim().parse() {
            Ok(id) => ids.push(id),
            Err(_) => violations.push(Violation {
                path: format!("objectIds[{index}]"),
                problem: "is not an object id (a UUID)".to_owned(),
            }),
        }
    }
    if violations.is_empty() {
        Ok(ids)
    } else {
        Err(Fault::Invalid(violations))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b8_object_ids_are_checked_all_at_once() {
        let id = "00000000-0000-7000-8000-000000000001";
        assert!(objects(&[id.to_owned()]).is_ok());
        assert!(objects(&[]).is_err());
        assert!(objects(&vec![id.to_owned(); 1_001]).is_err());
        let Err(Fault::Invalid(violations)) = objects(&["x".to_owned(), id.to_owned(), "y".to_owned()])
        else {
            panic!()
        };
        let paths: Vec<&str> = violations
            .iter()
            .map(|violation| violation.path.as_str())
            .collect();
        assert_eq!(paths, ["objectIds[0]", "objectIds[2]"]);
    }
}
