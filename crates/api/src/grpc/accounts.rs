//! `rollcall.v1.Accounts`.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::time::Duration;

use contracts::internal::v1 as internal;
use contracts::v1;
use contracts::v1::accounts_server::Accounts;
use domain::account::Kind;
use domain::custom_field::CustomFields;
use domain::decision::LinkStatus;
use domain::id::AccountId;
use futures::Stream;
use store::account_list::{self, Search};
use store::{audit, custom_field, mapping};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::app::App;
use crate::auth::Caller;
use crate::fault::{Fault, Violation};
use crate::grpc::{explain, purge};
use crate::once::Key;
use crate::page::Page;
use crate::suggest::did_you_mean;
use crate::{lookup, runs, view};

/// Rows in a message to the reconciler at most.
const CHUNK: usize = 500;
/// Messages that wait for the reconciler.
const WAITING: usize = 4;
/// For letting an account wait for a password.
const RESET_DEADLINE: Duration = Duration::from_secs(20);
/// For a whole import.
const IMPORT_DEADLINE: Duration = Duration::from_secs(3_600);
/// Characters in a file's name at most.
const LONGEST_NAME: usize = 255;
/// Mappings whose names are suggested at most.
const MOST_MAPPINGS: i64 = 1_000;
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

    async fn purge_accounts(
        &self,
        request: Request<v1::PurgeAccountsRequest>,
    ) -> Result<Response<v1::PurgeAccountsResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(
            purge::purge(&self.0, &caller, request.get_ref()).await?,
        ))
    }

    async fn explain_account(
        &self,
        request: Request<v1::ExplainAccountRequest>,
    ) -> Result<Response<v1::ExplainAccountResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(
            explain::explain(&self.0, &caller, request.get_ref()).await?,
        ))
    }

    async fn reset_password(
        &self,
        request: Request<v1::ResetPasswordRequest>,
    ) -> Result<Response<v1::ResetPasswordResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(
            reset_password(&self.0, &caller, request.get_ref()).await?,
        ))
    }

    type ImportAccountsStream =
        Pin<Box<dyn Stream<Item = Result<v1::ImportAccountsResponse, Status>> + Send>>;

    async fn import_accounts(
        &self,
        request: Request<Streaming<v1::ImportAccountsRequest>>,
    ) -> Result<Response<Self::ImportAccountsStream>, Status> {
        let caller = Caller::of(&request)?;
        let app = self.0.clone();
        let answer = async move { Ok(import(&app, &caller, request.into_inner()).await?) };
        // The work is the stream's one item, so that a long file does not meet the limit of a call.
        Ok(Response::new(Box::pin(futures::stream::once(answer))))
    }
}

async fn list(
    app: &App,
    caller: &Caller,
    request: &v1::ListAccountsRequest,
) -> Result<v1::ListAccountsResponse, Fault> {
    let list = format!(
        "accounts {} {} {}",
        request.include_deleted, request.integration_status, request.search
    );
    let page = Page::read(list, request.page_size, &request.page_token)?;
    let after = page.after_parsed(|parts| parts.first()?.parse().ok())?;
    let search = Search {
        kind: Kind::Account,
        words: words(&request.search)?,
        include_deleted: request.include_deleted,
        entity: None,
        collection: None,
        status: integration_status(request.integration_status)?,
    };
    let mut connection = app.store.connection().await?;
    let custom = custom_field::list(&mut connection, caller.organization()).await?;
    let rows = account_list::list(
        &mut connection,
        caller.organization(),
        &search,
        after,
        page.limit(),
    )
    .await?;
    let key = |row: &account_list::Account| vec![row.id.to_string()];
    let (accounts, next_page_token) =
        page.cut_messages(rows, key, |row| view::account::account(row, &custom));
    Ok(v1::ListAccountsResponse {
        accounts,
        next_page_token,
    })
}

/// The words of a search.
pub(super) fn words(search: &str) -> Result<Vec<String>, Fault> {
    let words: Vec<String> = search.split_whitespace().map(str::to_owned).collect();
    if words.len() > MOST_WORDS {
        return Err(Fault::invalid("search", "has more than 10 words"));
    }
    Ok(words)
}

fn integration_status(number: i32) -> Result<Option<LinkStatus>, Fault> {
    if number == 0 {
        return Ok(None);
    }
    let known = i16::try_from(number).ok().and_then(LinkStatus::of_number);
    let unknown = || {
        Fault::invalid(
            "integrationStatus",
            "is none that there is; use active, disabled, soft_deleted, gone, out_of_scope or conflict",
        )
    };
    known.map(Some).ok_or_else(unknown)
}

async fn get(app: &App, caller: &Caller, id: &str) -> Result<v1::Account, Fault> {
    let id = lookup::parse("accountId", id)?;
    let mut connection = app.store.connection().await?;
    let found = account_list::find(&mut connection, caller.organization(), (Kind::Account, id)).await?;
    let custom = custom_field::list(&mut connection, caller.organization()).await?;
    found
        .map(|account| view::account::account(account, &custom))
        .ok_or_else(|| Fault::NotFound {
            what: "account",
            name: id.to_string(),
            hint: "; find accounts with rollcall account list --search TEXT".to_owned(),
        })
}

async fn reset_password(
    app: &App,
    caller: &Caller,
    request: &v1::ResetPasswordRequest,
) -> Result<v1::ResetPasswordResponse, Fault> {
    let account: AccountId = lookup::parse("accountId", &request.account_id)?;
    let key = Key::of(caller, "ResetPassword", &request.idempotency_key, request)?;
    if let Some(answer) = key.claim_first(app).await? {
        return Ok(answer);
    }
    let outcome = ask_for_password(app, caller, account).await;
    key.settle(app, &outcome).await?;
    outcome
}

async fn ask_for_password(
    app: &App,
    caller: &Caller,
    account: AccountId,
) -> Result<v1::ResetPasswordResponse, Fault> {
    let mut call = Request::new(internal::ResetPasswordRequest {
        organization_id: caller.organization().to_string(),
        account_id: account.to_string(),
    });
    call.set_timeout(RESET_DEADLINE);
    let answer = app.register.clone().reset_password(call).await;
    answer.map_err(|status| Fault::Upstream {
        service: "reconciler",
        status: Box::new(status),
    })?;
    let entry = audit::Entry {
        id: app.clock.new_id(),
        organization: caller.organization(),
        at: app.clock.now(),
        actor: format!("token {}", caller.name()),
        action: "account.resetPassword".to_owned(),
        subject: account.to_string(),
        before: None,
        after: None,
    };
    let mut connection = app.store.connection().await?;
    audit::insert(&mut connection, &entry).await?;
    Ok(v1::ResetPasswordResponse {})
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
    let outcome = checked_and_noted(app, caller, first, rows).await;
    key.settle(app, &outcome).await?;
    outcome
}

async fn checked_and_noted(
    app: &App,
    caller: &Caller,
    first: v1::ImportAccountsRequest,
    rows: Streaming<v1::ImportAccountsRequest>,
) -> Result<v1::ImportAccountsResponse, Fault> {
    if first.file_name.chars().count() > LONGEST_NAME {
        return Err(Fault::invalid(
            "fileName",
            format!("is longer than {LONGEST_NAME} characters"),
        ));
    }
    check_mapping(app, caller, &first.mapping).await?;
    let identity = v1::ImportAccountsRequest {
        rows: Vec::new(),
        ..first.clone()
    };
    let answer = hand_through(app, caller, first, rows).await?;
    if !identity.dry_run {
        note(app, caller, &identity, &answer).await?;
    }
    Ok(answer)
}

async fn check_mapping(app: &App, caller: &Caller, name: &str) -> Result<(), Fault> {
    if name.is_empty() {
        return Ok(());
    }
    let organization = caller.organization();
    let mut tx = app.store.begin("import.mapping").await?;
    let known = !name.contains('\0');
    if known
        && mapping::find_by_name(tx.connection(), organization, name)
            .await?
            .is_some()
    {
        return Ok(tx.commit().await?);
    }
    let all = mapping::list(tx.connection(), organization, None, None, MOST_MAPPINGS).await?;
    tx.commit().await?;
    let advice = did_you_mean(name, all.iter().map(|mapping| mapping.name.as_str()));
    Err(Fault::invalid(
        "mapping",
        format!("\"{name}\" is no mapping{advice}"),
    ))
}

/// The audit says who imported what. Rows that were written before an import was broken off are in no entry; the repeat's
/// is there.
async fn note(
    app: &App,
    caller: &Caller,
    import: &v1::ImportAccountsRequest,
    answer: &v1::ImportAccountsResponse,
) -> Result<(), Fault> {
    let entry = audit::Entry {
        id: app.clock.new_id(),
        organization: caller.organization(),
        at: app.clock.now(),
        actor: format!("token {}", caller.name()),
        action: "accounts.import".to_owned(),
        subject: if import.file_name.is_empty() {
            "rows".to_owned()
        } else {
            import.file_name.clone()
        },
        before: None,
        after: Some(serde_json::json!({
            "mapping": import.mapping,
            "overrideByEmail": import.override_by_email,
            "added": answer.added,
            "updated": answer.updated,
            "unchanged": answer.unchanged,
            "failed": answer.failed,
        })),
    };
    let mut connection = app.store.connection().await?;
    Ok(audit::insert(&mut connection, &entry).await?)
}

async fn hand_through(
    app: &App,
    caller: &Caller,
    first: v1::ImportAccountsRequest,
    mut rows: Streaming<v1::ImportAccountsRequest>,
) -> Result<v1::ImportAccountsResponse, Fault> {
    let (dry_run, mapping, override_by_email) =
        (first.dry_run, first.mapping.clone(), first.override_by_email);
    let organization_id = caller.organization().to_string();
    let custom = custom_field::list(&mut *app.store.connection().await?, caller.organization()).await?;
    let (to, from) = mpsc::channel::<internal::ImportAccountsRequest>(WAITING);
    let feed = async move {
        let mut message = Some(first);
        while let Some(rows_now) = message {
            check(&rows_now.rows, &custom)?;
            let mut rest = rows_now.rows;
            loop {
                let after = rest.split_off(rest.len().min(CHUNK));
                let part = internal::ImportAccountsRequest {
                    organization_id: organization_id.clone(),
                    rows: rest,
                    dry_run,
                    mapping: mapping.clone(),
                    override_by_email,
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
        let failed = |status| Fault::Upstream {
            service: "reconciler",
            status: Box::new(status),
        };
        let mut answers = register.import_accounts(call).await.map_err(failed)?.into_inner();
        let answer = answers.message().await.map_err(failed)?;
        answer.ok_or(Fault::Internal(
            "the reconciler ended an import without an answer",
        ))
    };
    // A bad column ends the feed with an error, and with it the call, before anything is written.
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
fn check(rows: &[v1::AccountRow], custom: &CustomFields) -> Result<(), Fault> {
    let mut unknown = BTreeSet::new();
    let mut violations = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        for (column, value) in &row.values {
            let known = column.eq_ignore_ascii_case("role") || custom.field_of(column).is_some();
            if !known && unknown.insert(column.clone()) {
                let names: Vec<_> = custom.keys().chain(["role".into()]).collect();
                let names = names.iter().map(AsRef::as_ref);
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
        let none = CustomFields::default();
        assert!(
            check(
                &[row("lookup_guid", "x"), row("Role", "user"), row("UPN", "a@b")],
                &none
            )
            .is_ok()
        );
        let Err(Fault::Invalid(violations)) = check(&[row("logn", "x"), row("logn", "y")], &none) else {
            panic!()
        };
        assert_eq!(violations.len(), 1);
        assert!(violations[0].problem.contains("\"login\""), "{violations:?}");
    }

    #[test]
    fn values_have_a_limit() {
        assert!(check(&[row("name", &"x".repeat(8_193))], &CustomFields::default()).is_err());
    }
}
