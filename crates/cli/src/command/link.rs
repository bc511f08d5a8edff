//! `link`: which account belongs to which Entra user.

use clap::Subcommand;
use clap::builder::RangedU64ValueParser;
use contracts::v1;

use crate::command::Session;
use crate::failure::Failure;
use crate::page;
use crate::table::{Column, Table};
use crate::words;

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// List the links of a connection
    List {
        /// Name or id of the connection
        #[arg(value_name = "CONNECTION")]
        name: Option<String>,
        /// The same
        #[arg(long, value_name = "NAME", conflicts_with = "name")]
        connection: Option<String>,
        /// At most so many
        #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<u32>::new().range(1..))]
        limit: Option<u32>,
    },
}

impl Command {
    /// Does it.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let Self::List {
            name,
            connection,
            limit,
        } = self;
        list(session, &name.or(connection).unwrap_or_default(), limit).await
    }
}

async fn list(session: &Session, connection: &str, limit: Option<u32>) -> Result<(), Failure> {
    let api = session.api().await?;
    let (links, next_page_token) = page::read(limit, async |page_size, page_token| {
        let message = v1::ListLinksRequest {
            connection: connection.to_owned(),
            page_size,
            page_token,
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
        ]);
        for link in &answer.links {
            table.row([
                link.connection.clone(),
                link.object_id.clone(),
                link.account_id.clone(),
                link.account_name.clone(),
                words::integration(link.status()),
            ]);
        }
        table.into_text("No links yet; a run makes them.")
    })?;
    page::say_if_cut(&answer.next_page_token, answer.links.len());
    Ok(())
}
