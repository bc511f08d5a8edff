//! `account`: accounts of the register.

use std::collections::HashMap;

use clap::Subcommand;
use clap::builder::RangedU64ValueParser;
use contracts::v1;
use domain::field::Field;

use crate::api::idempotency_key;
use crate::command::run::{results, wait};
use crate::command::{Session, explain};
use crate::failure::Failure;
use crate::page;
use crate::show;
use crate::table::{Card, Column, Table};
use crate::words;

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// List accounts
    List {
        /// Only those with all these words in name, login, e-mail or UPN
        #[arg(long, value_name = "TEXT", default_value = "")]
        search: String,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = RangedU64ValueParser::<u32>::new().range(1..))]
        limit: u32,
        /// Deleted ones too
        #[arg(long)]
        deleted: bool,
        /// Only those whose Entra user is so
        #[arg(long, value_name = "STATUS", value_parser = words::INTEGRATION.map(|(word, _)| word))]
        status: Option<String>,
    },
    /// Tell why a person is in the register as they are, or not at all, and what a sync would do now
    #[command(after_help = "\
Examples:
  rollcall account explain ann@contoso.com
  rollcall account explain 99999999-aaaa-bbbb-cccc-dddddddddddd --connection contoso --output json")]
    Explain {
        /// An account's id, an object id, or a UPN
        #[arg(value_name = "ID|UPN|OBJECT_ID")]
        person: String,
        /// The connection, for people whom no link ties to one
        #[arg(long, value_name = "NAME", default_value = "")]
        connection: String,
    },
    /// Show one account with all its fields
    Show {
        /// The account's id
        #[arg(value_parser = super::id)]
        id: String,
    },
    /// Give an account another local password: random, and mailed to the account's own address
    ResetPassword {
        /// The account's id
        #[arg(value_parser = super::id)]
        id: String,
    },
    /// Remove deleted accounts or people for good, with what is said of them; only their ids and counts stay
    #[command(
        after_help = "A full run adds them anew if they are still in scope.\n\nExamples:\n  rollcall account purge 0198… 0199… --reason 'asked to be forgotten'"
    )]
    Purge {
        /// Ids of deleted accounts or people
        #[arg(required = true, value_name = "ID", value_parser = super::id)]
        ids: Vec<String>,
        /// Why; kept in the audit
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Read the account's user in the directory now, and bring the account in step
    Sync {
        /// The account's id
        #[arg(value_parser = super::id)]
        id: String,
        /// Exit with 1 when it failed
        #[arg(long)]
        strict: bool,
    },
}

impl Command {
    /// Does it.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::List {
                search,
                limit,
                deleted,
                status,
            } => list(session, &search, limit, deleted, status.as_deref()).await,
            Self::Explain { person, connection } => explain::run(session, person, connection).await,
            Self::Show { id } => show_one(session, id).await,
            Self::Purge { ids, reason } => purge(session, ids, reason).await,
            Self::ResetPassword { id } => reset_password(session, id).await,
            Self::Sync { id, strict } => sync(session, id, strict).await,
        }
    }
}

async fn list(
    session: &Session,
    search: &str,
    limit: u32,
    include_deleted: bool,
    status_of: Option<&str>,
) -> Result<(), Failure> {
    let known = words::INTEGRATION
        .iter()
        .find(|(word, _)| Some(*word) == status_of);
    let integration_status = known.map_or(0, |(_, status)| i32::from(*status));
    let api = session.api().await?;
    let (accounts, next_page_token) = page::read(Some(limit), async |page_size, page_token| {
        let message = v1::ListAccountsRequest {
            search: search.to_owned(),
            page_size,
            page_token,
            include_deleted,
            integration_status,
        };
        let page = api
            .call(message, async |request| {
                api.accounts().list_accounts(request).await
            })
            .await?;
        Ok((page.accounts, page.next_page_token))
    })
    .await?;
    let answer = v1::ListAccountsResponse {
        accounts,
        next_page_token,
    };
    session.output.answer(&answer, |answer| {
        let mut table = Table::new(&[
            Column::Left("ID"),
            Column::Left("NAME"),
            Column::Left("LOGIN"),
            Column::Left("DOMAIN"),
            Column::Left("EMAIL"),
            Column::Left("ROLE"),
            Column::Left("STATUS"),
            Column::Left("IN ENTRA"),
            Column::Left("CONNECTION"),
        ]);
        for account in &answer.accounts {
            table.row([
                account.id.clone(),
                account.name.clone(),
                account.login.clone(),
                account.domain.clone(),
                account.email.clone(),
                words::role(account.role()),
                status(account),
                words::integration(account.integration_status()),
                account.connection.clone(),
            ]);
        }
        table.into_text("No accounts.")
    })?;
    page::say_if_cut(&answer.next_page_token, answer.accounts.len());
    Ok(())
}

async fn show_one(session: &Session, account_id: String) -> Result<(), Failure> {
    let api = session.api().await?;
    let message = v1::GetAccountRequest { account_id };
    let answer = api
        .call(message, async |request| api.accounts().get_account(request).await)
        .await?;
    session.output.answer(&answer, card)
}

/// What could not be purged is told and makes the command fail.
async fn purge(session: &Session, account_ids: Vec<String>, reason: String) -> Result<(), Failure> {
    let message = v1::PurgeAccountsRequest {
        account_ids,
        reason,
        idempotency_key: idempotency_key(),
    };
    let api = session.api().await?;
    let answer = api
        .call(message, async |request| {
            api.accounts().purge_accounts(request).await
        })
        .await?;
    session.output.answer(&answer, |answer| {
        let mut table = Table::whole(&[
            Column::Left("ID"),
            Column::Left("PURGED"),
            Column::Left("WHY NOT"),
        ]);
        for result in &answer.results {
            table.row([
                result.account_id.clone(),
                show::flag(result.purged).to_owned(),
                result.message.clone(),
            ]);
        }
        table.into_text("Nothing was asked for.")
    })?;
    if answer.results.iter().all(|result| result.purged) {
        Ok(())
    } else {
        Err(Failure::Told)
    }
}

async fn reset_password(session: &Session, account_id: String) -> Result<(), Failure> {
    let api = session.api().await?;
    let message = v1::ResetPasswordRequest {
        account_id,
        idempotency_key: idempotency_key(),
    };
    let answer = api
        .call(message, async |request| {
            api.accounts().reset_password(request).await
        })
        .await?;
    session.output.answer(&answer, |_| {
        "A new password is being made, and mailed to the account's own address.\n".to_owned()
    })
}

async fn sync(session: &Session, account_id: String, strict: bool) -> Result<(), Failure> {
    let message = v1::SyncAccountRequest {
        account_id,
        idempotency_key: idempotency_key(),
        trigger: "cli".to_owned(),
    };
    let api = session.api().await?;
    let answer = api
        .call(message, async |request| {
            api.accounts().sync_account(request).await
        })
        .await?;
    session.output.answer(&answer, results::table)?;
    wait::conclude_manual(&answer.run.unwrap_or_default(), strict)
}

fn card(account: &v1::Account) -> String {
    let mut text = Card::default()
        .line("Id", account.id.as_str())
        .line("Name", account.name.as_str())
        .line("Role", words::role(account.role()))
        .line("Status", status(account))
        .line("In Entra", words::integration(account.integration_status()))
        .line("Connection", account.connection.as_str())
        .line("Object id", account.object_id.as_str())
        .line("Reporting to", account.reporting_to.as_str())
        .line(
            "Password",
            words::plain(account.password_state().as_str_name(), "PASSWORD_STATE_"),
        )
        .line("Created", show::time(account.create_time.as_ref()))
        .line("Changed", show::time(account.update_time.as_ref()))
        .into_text();
    text.push('\n');
    text.push_str(&fields(&account.fields));
    text
}

/// Every field that has a value, in the register's order; custom ones behind.
pub fn fields(values: &HashMap<String, String>) -> String {
    let mut table = Table::whole(&[Column::Left("FIELD"), Column::Left("VALUE")]);
    let mut fields: Vec<_> = values.iter().collect();
    fields.sort_by_key(|(key, _)| (Field::of_key(key).is_none(), Field::of_key(key), key.as_str()));
    for (key, value) in fields {
        table.row([key.clone(), value.clone()]);
    }
    table.into_text("No field has a value.")
}

fn status(account: &v1::Account) -> String {
    words::plain(account.status().as_str_name(), "ACCOUNT_STATUS_")
}
