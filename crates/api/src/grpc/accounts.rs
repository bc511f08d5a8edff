//! `rollcall.v1.Accounts`.

use std::collections::BTreeSet;
use std::time::Duration;

use contracts::internal::v1 as internal;
use contracts::v1;
use contracts::v1::accounts_server::Accounts;
use domain::field::Field;
use store::account_list::{self, Search};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::app::App;
use crate::auth::Caller;
use crate::fault::{Fault, Violation};
use crate::once::Key;
use crate::page::Page;
use crate::suggest::did_you_mean;
use crate::{lookup, runs, view};

/// Rows in a message to the reconciler at most.
const CHUNK: usize = 500;
/// Messages that wait for the reconciler.
const WAITING: usize = 4;
/// For a whole import.
const IMPORT_DEADLINE: Duration = Duration::from_secs(3_600);
/// Words in a search at most.
const MOST_WORDS: usize = 10;
/// Bytes in one value at most.
const LONGEST_VALUE: usize = 8_192;

/// The service.
pub struct Service(pub App);

#[tonic::async_trait]
impl Accounts for Service {
    async fn list_accounts(
        &self,
        request: Request<v1::ListAccountsRequest>,
    ) -> Result<Response<v1::ListAccountsResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(list(&self.0, &caller, request.get_ref()).await?))
    }

    async fn get_account(
        &self,
        request: Request<v1::GetAccountRequest>,
    ) -> Result<Response<v1::Account>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(
            get(&self.0, &caller, &request.get_ref().account_id).await?,
        ))
    }

    async fn sync_account(
        &self,
        request: Request<v1::SyncAccountRequest>,
    ) -> Result<Response<v1::ImportUsersResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(
            runs::manual::sync(&self.0, &caller, request.into_inner()).await?,
        ))
    }

    async fn import_accounts(
        &self,
        request: Request<Streaming<v1::ImportAccountsRequest>>,
    ) -> Result<Response<v1::ImportAccountsResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(
            import(&self.0, &caller, request.into_inner()).await?,
        ))
    }
}

async fn list(
    app: &App,
    caller: &Caller,
    request: &v1::ListAccountsRequest,
) -> Result<v1::ListAccountsResponse, Fault> {
    let list = format!("accounts {} {}", request.include_deleted, request.search);
    let page = Page::read(list, request.page_size, &request.page_token)?;
    let after = page.after_parsed(|parts| parts.first()?.parse().ok())?;
    let words: Vec<String> = request.search.split_whitespace().map(str::to_owned).collect();
    if words.len() > MOST_WORDS {
        return Err(Fault::invalid("search", "has more than 10 words"));
    }
    let search = Search {
        words,
        include_deleted: request.include_deleted,
    };
    let mut connection = app.store.connection().await?;
    let rows = account_list::list(
        &mut connection,
        caller.organization(),
        &search,
        after,
        page.limit(),
    )
    .await?;
    let key = |row: &account_list::Account| vec![row.id.to_string()];
    let (accounts, next_page_token) = page.cut_messages(rows, key, view::account::account);
    Ok(v1::ListAccountsResponse {
        accounts,
        next_page_token,
    })
}

async fn get(app: &App, caller: &Caller, id: &str) -> Result<v1::Account, Fault> {
    let id = lookup::parse("accountId", id)?;
    let mut connection = app.store.connection().await?;
    let found = account_list::find(&mut connection, caller.organization(), id).await?;
    found.map(view::account::account).ok_or_else(|| Fault::NotFound {
        what: "account",
        name: id.to_string(),
        hint: "; find accounts with rollcall account list --search TEXT".to_owned(),
    })
}

/// Hands the rows through to the reconciler as they come, a bounded number at a time.
///
/// The idempotency key stands for the import as a whole: its rows are not kept to compare them with a repeat's.
async fn import(
    app: &App,
    caller: &Caller,
    mut rows: Streaming<v1::ImportAccountsRequest>,
) -> Result<v1::ImportAccountsResponse, Fault> {
    let Some(first) = next(&mut rows).await? else {
        return Err(Fault::invalid("rows", "is empty; send at least one message"));
    };
    let identity = v1::ImportAccountsRequest {
        rows: Vec::new(),
        ..first.clone()
    };
    let key = Key::of(caller, "ImportAccounts", &first.idempotency_key, &identity)?;
    if let Some(answer) = key.claim_first(app).await? {
        return Ok(answer);
    }
    let outcome = hand_through(app, caller, first, rows).await;
    key.settle(app, &outcome).await?;
    outcome
}

async fn hand_through(
    app: &App,
    caller: &Caller,
    first: v1::ImportAccountsRequest,
    mut rows: Streaming<v1::ImportAccountsRequest>,
) -> Result<v1::ImportAccountsResponse, Fault> {
    let dry_run = first.dry_run;
    let organization_id = caller.organization().to_string();
    let (to, from) = mpsc::channel::<internal::ImportAccountsRequest>(WAITING);
    let feed = async move {
        let mut message = Some(first);
        while let Some(rows_now) = message {
            check(&rows_now.rows)?;
            let mut rest = rows_now.rows;
            loop {
                let after = rest.split_off(rest.len().min(CHUNK));
                let part = internal::ImportAccountsRequest {
                    organization_id: organization_id.clone(),
                    rows: rest,
                    dry_run,
                };
                if to.send(part).await.is_err() {
                    // The reconciler has given its answer, which says why.
                    return Ok(());
                }
                if after.is_empty() {
                    break;
                }
                rest = after;
            }
            message = next(&mut rows).await?;
        }
        Ok::<_, Fault>(())
    };
    let mut call = Request::new(ReceiverStream::new(from));
    call.set_timeout(IMPORT_DEADLINE);
    let mut register = app.register.clone();
    let answer = async {
        let answer = register.import_accounts(call).await;
        answer
            .map(Response::into_inner)
            .map_err(|status| Fault::Upstream {
                service: "reconciler",
                status: Box::new(status),
            })
    };
    // A bad row ends the feed with an error, and with it the call: what was sent before stays.
    let ((), answer) = tokio::try_join!(feed, answer)?;
    Ok(answer)
}

async fn next(
    rows: &mut Streaming<v1::ImportAccountsRequest>,
) -> Result<Option<v1::ImportAccountsRequest>, Fault> {
    rows.message().await.map_err(|status| {
        tracing::info!(%status, "an import was broken off by its sender");
        Fault::Upstream {
            service: "sender",
            status: Box::new(status),
        }
    })
}

/// Columns must be fields of the register, or the role. Values are judged row by row by the reconciler.
fn check(rows: &[v1::AccountRow]) -> Result<(), Fault> {
    let mut unknown = BTreeSet::new();
    let mut violations = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        for (column, value) in &row.values {
            let known = column.eq_ignore_ascii_case("role") || Field::of_key(column).is_some();
            if !known && unknown.insert(column.clone()) {
                let names = Field::ALL.iter().map(|field| field.key()).chain(["role"]);
                violations.push(Violation {
                    path: format!("rows[{index}].values.{column}"),
                    problem: format!("is no field of the register{}", did_you_mean(column, names)),
                });
            }
            if value.len() > LONGEST_VALUE {
                violations.push(Violation {
                    path: format!("rows[{index}].values.{column}"),
                    problem: format!("is longer than {LONGEST_VALUE} bytes (line {})", row.line),
                });
            }
        }
        if violations.len() >= 20 {
            break;
        }
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

    fn row(column: &str, value: &str) -> v1::AccountRow {
        v1::AccountRow {
            line: 2,
            values: [(column.to_owned(), value.to_owned())].into(),
        }
    }

    #[test]
    fn columns_are_register_fields_case_and_underscores_aside() {
        assert!(check(&[row("lookup_guid", "x"), row("Role", "user"), row("UPN", "a@b")]).is_ok());
        let Err(Fault::Invalid(violations)) = check(&[row("logn", "x"), row("logn", "y")]) else {
            panic!()
        };
        assert_eq!(violations.len(), 1);
        assert!(violations[0].problem.contains("\"login\""), "{violations:?}");
    }

    #[test]
    fn values_have_a_limit() {
        assert!(check(&[row("name", &"x".repeat(8_193))]).is_err());
    }
}
