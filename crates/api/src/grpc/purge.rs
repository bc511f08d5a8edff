//! `rollcall.v1.Accounts.PurgeAccounts`.

use std::time::Duration;

use contracts::internal::v1 as internal;
use contracts::v1;
use domain::id::AccountId;
use serde_json::json;
use store::audit;
use tonic::{Request, Response};

use crate::app::App;
use crate::auth::Caller;
use crate::fault::{Fault, Violation};
use crate::once::Key;

/// Finding what was said of records reads all decisions.
const DEADLINE: Duration = Duration::from_secs(110);
/// Records in one request at most.
const MOST: usize = 1_000;
/// Characters in a reason at most.
const LONGEST_REASON: usize = 1_000;

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
    for purged in answer.results.iter().filter(|result| result.purged) {
        let entry = audit::Entry {
            id: app.clock.new_id(),
            organization: caller.organization(),
            at: app.clock.now(),
            actor: format!("token {}", caller.name()),
            action: "account.purge".to_owned(),
            subject: purged.account_id.clone(),
            before: None,
            after: Some(json!({ "reason": request.reason })),
        };
        audit::insert(tx.connection(), &entry).await?;
    }
    tx.commit().await?;
    Ok(answer)
}

fn check(request: &v1::PurgeAccountsRequest) -> Result<(), Fault> {
    let mut violations = Vec::new();
    let mut add = |path: String, problem: &str| {
        violations.push(Violation {
            path,
            problem: problem.to_owned(),
        });
    };
    if request.account_ids.is_empty() {
        add(
            "accountIds".to_owned(),
            "is empty; find deleted accounts with rollcall account list --deleted",
        );
    }
    if request.account_ids.len() > MOST {
        add(
            "accountIds".to_owned(),
            "has more than 1000 ids; send several requests",
        );
    }
    for (index, id) in request.account_ids.iter().enumerate().take(MOST) {
        if id.parse::<AccountId>().is_err() {
            add(format!("accountIds[{index}]"), "is not an id (a UUID)");
        }
    }
    if request.reason.trim().is_empty() {
        add("reason".to_owned(), "is missing; it is kept in the audit");
    } else if request.reason.chars().count() > LONGEST_REASON || request.reason.contains('\0') {
        add(
            "reason".to_owned(),
            "is longer than 1000 characters, or holds a null character",
        );
    }
    if violations.is_empty() {
        Ok(())
    } else {
        Err(Fault::Invalid(violations))
    }
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
