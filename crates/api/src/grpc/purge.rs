//! `rollcall.v1.Accounts.PurgeAccounts`.

use std::time::Duration;

use contracts::internal::v1 as internal;
use contracts::v1;
use domain::id::AccountId;
use serde_json::json;
use store::audit;
use tonic::{Request, Response};

use super::word::Problems;
use crate::app::App;
use crate::auth::Caller;
use crate::fault::Fault;
use crate::once::Key;

/// Finding what was said of records reads all decisions.
const DEADLINE: Duration = Duration::from_secs(110);

/// Asked of the reconciler, which writes the register.
pub async fn purge(
    app: &App,
    caller: &Caller,
    request: &v1::PurgeAccountsRequest,
) -> Result<v1::PurgeAccountsResponse, Fault> {
    check(request)?;
    let key = Key::of(caller, "PurgeAccounts", &request.idempotency_key, request)?;
    if let Some(answer) = key.claim_first(app).await? {
        return Ok(answer);
    }
    let outcome = ask(app, caller, request).await;
    key.settle(app, &outcome).await?;
    outcome
}

async fn ask(
    app: &App,
    caller: &Caller,
    request: &v1::PurgeAccountsRequest,
) -> Result<v1::PurgeAccountsResponse, Fault> {
    let mut call = Request::new(internal::PurgeAccountsRequest {
        organization_id: caller.organization().to_string(),
        account_ids: request.account_ids.clone(),
        reason: request.reason.clone(),
        purged_by: caller.name().to_owned(),
    });
    call.set_timeout(DEADLINE);
    let answer = app
        .register
        .clone()
        .purge_accounts(call)
        .await
        .map(Response::into_inner)
        .map_err(|status| Fault::Upstream {
            service: "reconciler",
            status: Box::new(status),
        })?;
    let mut tx = app.store.begin("purge.audit").await?;
    let purged = answer.results.iter().filter(|result| result.purged);
    let entries: Vec<audit::Entry> = purged
        .map(|purged| audit::Entry {
            id: app.clock.new_id(),
            organization: caller.organization(),
            at: app.clock.now(),
            actor: format!("token {}", caller.name()),
            action: "account.purge".to_owned(),
            subject: purged.account_id.clone(),
            before: None,
            after: Some(json!({ "reason": request.reason })),
        })
        .collect();
    audit::insert_all(tx.connection(), &entries).await?;
    tx.commit().await?;
    Ok(answer)
}

fn check(request: &v1::PurgeAccountsRequest) -> Result<(), Fault> {
    let mut problems = Problems::default();
    problems.of_ids::<AccountId>(
        "accountIds",
        &request.account_ids,
        "find deleted accounts with rollcall account list --deleted",
    );
    problems.of_reason(&request.reason, "in the audit");
    problems.told()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_wrong_is_told_at_once() {
        let request = v1::PurgeAccountsRequest {
            account_ids: vec!["x".into(), "00000000-0000-7000-8000-000000000001".into()],
            ..Default::default()
        };
        let Err(Fault::Invalid(violations)) = check(&request) else {
            panic!()
        };
        let paths: Vec<&str> = violations
            .iter()
            .map(|violation| violation.path.as_str())
            .collect();
        assert_eq!(paths, ["accountIds[0]", "reason"]);
        assert!(check(&v1::PurgeAccountsRequest::default()).is_err());
    }
}
