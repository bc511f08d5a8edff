//! `token`: API tokens.

use clap::{Subcommand, ValueEnum};
use contracts::v1;

use crate::api::idempotency_key;
use crate::command::Session;
use crate::failure::Failure;
use crate::output::Output;
use crate::page;
use crate::show::{self, escape};
use crate::table::{Column, Table};
use crate::words;

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Make a token and print it, once
    #[command(
        after_help = "Standard output holds the token alone:\n  TOKEN=$(rollcall token create ci --role viewer)"
    )]
    Create {
        /// What it is called
        name: String,
        /// What it may do: a viewer only reads
        #[arg(long, value_enum)]
        role: TokenRole,
    },
    /// List tokens, without their secrets
    List,
    /// Make a token worthless
    Revoke {
        /// Name or id
        token: String,
    },
}

/// What a token may do.
#[derive(Clone, Copy, ValueEnum)]
pub enum TokenRole {
    Admin,
    Viewer,
}

impl Command {
    /// Does it.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::Create { name, role } => create(session, name, role).await,
            Self::List => list(session).await,
            Self::Revoke { token } => revoke(session, token).await,
        }
    }
}

async fn create(session: &Session, name: String, role: TokenRole) -> Result<(), Failure> {
    let role = match role {
        TokenRole::Admin => v1::TokenRole::Admin,
        TokenRole::Viewer => v1::TokenRole::Viewer,
    };
    let message = v1::CreateTokenRequest {
        name,
        role: role.into(),
        idempotency_key: idempotency_key(),
    };
    let api = session.api().await?;
    let answer = api
        .call(message, async |request| api.tokens().create_token(request).await)
        .await?;
    if session.output == Output::Table {
        let name = answer
            .token
            .as_ref()
            .map(|token| escape(&token.name))
            .unwrap_or_default();
        eprintln!("Token {name} is made. Keep it now: it is not shown again.");
    }
    session
        .output
        .answer(&answer, |answer| format!("{}\n", answer.secret))
}

async fn list(session: &Session) -> Result<(), Failure> {
    let api = session.api().await?;
    let (tokens, next_page_token) = page::read(None, async |page_size, page_token| {
        let message = v1::ListTokensRequest {
            page_size,
            page_token,
        };
        let page = api
            .call(message, async |request| api.tokens().list_tokens(request).await)
            .await?;
        Ok((page.tokens, page.next_page_token))
    })
    .await?;
    let answer = v1::ListTokensResponse {
        tokens,
        next_page_token,
    };
    session.output.answer(&answer, |answer| {
        let mut table = Table::new(&[
            Column::Left("ID"),
            Column::Left("NAME"),
            Column::Left("ROLE"),
            Column::Left("CREATED"),
            Column::Left("REVOKED"),
        ]);
        for token in &answer.tokens {
            table.row([
                token.id.clone(),
                token.name.clone(),
                words::plain(token.role().as_str_name(), "TOKEN_ROLE_"),
                show::time(token.create_time.as_ref()),
                show::time(token.revoke_time.as_ref()),
            ]);
        }
        table.into_text("No tokens.")
    })
}

async fn revoke(session: &Session, token: String) -> Result<(), Failure> {
    let message = v1::RevokeTokenRequest {
        token,
        idempotency_key: idempotency_key(),
    };
    let api = session.api().await?;
    let answer = api
        .call(message, async |request| api.tokens().revoke_token(request).await)
        .await?;
    session.output.answer(&answer, |token| {
        format!("Token {} is revoked.\n", escape(&token.name))
    })
}
