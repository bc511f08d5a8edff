//! `link`: which account belongs to which Entra user.

use clap::Subcommand;
use clap::builder::RangedU64ValueParser;
use contracts::v1;

use crate::api::idempotency_key;
use crate::command::Session;
use crate::failure::Failure;
use crate::page;
use crate::show::{self, escape};
use crate::table::{Column, Table};
use crate::words;

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// List links, and how they came to be
    List {
        /// Name or id of the connection; without one the links of all
        #[arg(value_name = "CONNECTION")]
        name: Option<String>,
        /// The same
        #[arg(long, value_name = "NAME", conflicts_with = "name")]
        connection: Option<String>,
        /// Only those to accounts with all these words in name, login, e-mail or UPN
        #[arg(long, value_name = "TEXT", default_value = "")]
        search: String,
        /// Only those to this account
        #[arg(long, value_name = "ID", value_parser = super::id)]
        account: Option<String>,
        /// Only that of this object
        #[arg(long, value_name = "ID", value_parser = super::id)]
        object: Option<String>,
        /// At most so many
        #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<u32>::new().range(1..))]
        limit: Option<u32>,
    },
    /// Take an object away from its account; no rule gives it back
    ///
    /// The account stays as it is. The next run decides the object anew: another account may match, or one is created.
    Cut {
        /// Name or id of the connection
        connection: String,
        /// The object's id in Entra
        #[arg(value_parser = super::id)]
        object_id: String,
        /// Why; it is kept with the link
        #[arg(long)]
        reason: String,
    },
    /// Give an object to another account, or link one that has none
    ///
    /// The account left behind stays as it is. The next run brings the other one in step with the object.
    Move {
        /// Name or id of the connection
        connection: String,
        /// The object's id in Entra
        #[arg(value_parser = super::id)]
        object_id: String,
        /// The account that gets it
        #[arg(long, value_name = "ACCOUNT_ID", value_parser = super::id)]
        to: String,
        /// Why; it is kept with the link
        #[arg(long)]
        reason: String,
    },
}

impl Command {
    /// Does it.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::List {
                name,
                connection,
                search,
                account,
                object,
                limit,
            } => {
                let wanted = v1::ListLinksRequest {
                    connection: name.or(connection).unwrap_or_default(),
                    search,
                    account_id: account.unwrap_or_default(),
                    object_id: object.unwrap_or_default(),
                    ..v1::ListLinksRequest::default()
                };
                list(session, &wanted, limit).await
            }
            Self::Cut {
                connection,
                object_id,
                reason,
            } => cut(session, connection, object_id, reason).await,
            Self::Move {
                connection,
                object_id,
                to,
                reason,
            } => move_link(session, connection, object_id, to, reason).await,
        }
    }
}

async fn list(session: &Session, wanted: &v1::ListLinksRequest, limit: Option<u32>) -> Result<(), Failure> {
    let api = session.api().await?;
    let (links, next_page_token) = page::read(limit, async |page_size, page_token| {
        let message = v1::ListLinksRequest {
            page_size,
            page_token,
            ..wanted.clone()
        };
        let page = api
            .call(message, async |request| api.links().list_links(request).await)
            .await?;
        Ok((page.links, page.next_page_token))
    })
    .await?;
    let answer = v1::ListLinksResponse {
        links,
        next_page_token,
    };
    session.output.answer(&answer, |answer| {
        let mut table = Table::new(&[
            Column::Left("CONNECTION"),
            Column::Left("OBJECT ID"),
            Column::Left("ACCOUNT ID"),
            Column::Left("NAME"),
            Column::Left("IN ENTRA"),
            Column::Left("LINKED"),
            Column::Left("HOW"),
        ]);
        for link in &answer.links {
            table.row([
                link.connection.clone(),
                link.object_id.clone(),
                link.account_id.clone(),
                link.account_name.clone(),
                words::integration(link.status()),
                show::time(link.link_time.as_ref()),
                how(link),
            ]);
        }
        table.into_text("No links yet; a run makes them.")
    })?;
    page::say_if_cut(&answer.next_page_token, answer.links.len());
    Ok(())
}

/// How a link came to be.
pub fn how(link: &v1::Link) -> String {
    match link.origin() {
        v1::LinkOrigin::Unspecified => String::new(),
        v1::LinkOrigin::Created => "account created".to_owned(),
        v1::LinkOrigin::Rule => format!("rule {}", link.rule),
        v1::LinkOrigin::ByHand => format!("by {}: {}", link.linked_by, link.reason),
    }
}

async fn cut(
    session: &Session,
    connection: String,
    object_id: String,
    reason: String,
) -> Result<(), Failure> {
    let message = v1::CutLinkRequest {
        connection,
        object_id,
        reason,
        idempotency_key: idempotency_key(),
    };
    let api = session.api().await?;
    let answer = api
        .call(message, async |request| api.links().cut_link(request).await)
        .await?;
    session.output.answer(&answer, |answer| {
        let link = answer.link.clone().unwrap_or_default();
        format!(
            "The object {} is no longer linked to {} ({}). The next run decides it anew.\n",
            link.object_id,
            escape(&link.account_name),
            link.account_id
        )
    })
}

async fn move_link(
    session: &Session,
    connection: String,
    object_id: String,
    account_id: String,
    reason: String,
) -> Result<(), Failure> {
    let message = v1::MoveLinkRequest {
        connection,
        object_id,
        account_id,
        reason,
        idempotency_key: idempotency_key(),
    };
    let api = session.api().await?;
    let answer = api
        .call(message, async |request| api.links().move_link(request).await)
        .await?;
    session.output.answer(&answer, |answer| {
        let link = answer.link.clone().unwrap_or_default();
        let left = if answer.from_account_id.is_empty() {
            String::new()
        } else {
            let name = escape(&answer.from_account_name);
            format!("{name} ({}) is left behind as it is.\n", answer.from_account_id)
        };
        format!(
            "The object {} is linked to {} ({}). The next run brings it in step.\n{left}",
            link.object_id,
            escape(&link.account_name),
            link.account_id
        )
    })
}
