//! `mapping`: rule sets of connections, and the fields that they can fill.

use clap::Subcommand;
use contracts::v1;

use crate::command::Session;
use crate::failure::Failure;
use crate::page;
use crate::table::{Column, Table};
use crate::words::{self, FIELD_TYPES, TARGETS, word_of};

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// List mappings
    List {
        /// Only of this connection
        #[arg(long, value_name = "NAME", default_value = "")]
        connection: String,
    },
    /// List the register's fields, each with the attribute that usually goes into it
    Fields,
}

impl Command {
    /// Does it.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::List { connection } => list(session, &connection).await,
            Self::Fields => fields(session).await,
        }
    }
}

async fn list(session: &Session, connection: &str) -> Result<(), Failure> {
    let api = session.api().await?;
    let (mappings, next_page_token) = page::read(None, async |page_size, page_token| {
        let message = v1::ListMappingsRequest {
            connection: connection.to_owned(),
            page_size,
            page_token,
        };
        let page = api
            .call(message, async |request| {
                api.mappings().list_mappings(request).await
            })
            .await?;
        Ok((page.mappings, page.next_page_token))
    })
    .await?;
    let answer = v1::ListMappingsResponse {
        mappings,
        next_page_token,
    };
    session.output.answer(&answer, |answer| {
        let mut table = Table::new(&[
            Column::Left("NAME"),
            Column::Left("CONNECTION"),
            Column::Left("TARGET"),
            Column::Left("ROLE"),
            Column::Left("ENTITY"),
            Column::Left("COLLECTION"),
            Column::Right("FILTERS"),
            Column::Right("FIELDS"),
        ]);
        for mapping in &answer.mappings {
            let people = mapping.target() == v1::MappingTarget::People;
            table.row([
                mapping.name.clone(),
                mapping.connection.clone(),
                word_of(&TARGETS, mapping.target()).unwrap_or_default().to_owned(),
                if people {
                    String::new()
                } else {
                    words::role(mapping.role())
                },
                mapping.entity.clone(),
                mapping.collection.clone(),
                mapping.criteria.len().to_string(),
                match mapping.fields.len() {
                    0 => "all".to_owned(),
                    some => some.to_string(),
                },
            ]);
        }
        table.into_text("No mappings.")
    })
}

async fn fields(session: &Session) -> Result<(), Failure> {
    let api = session.api().await?;
    let answer = api
        .call(v1::ListFieldsRequest {}, async |request| {
            api.mappings().list_fields(request).await
        })
        .await?;
    session.output.answer(&answer, |answer| {
        let mut table = Table::whole(&[
            Column::Left("FIELD"),
            Column::Left("TITLE"),
            Column::Left("TYPE"),
            Column::Left("USUALLY FROM"),
            Column::Left("NEEDED"),
        ]);
        for field in &answer.fields {
            let needed = match (field.required_for_accounts, field.required_for_people) {
                (true, true) => "always",
                (true, false) => "for accounts",
                (false, true) => "for people",
                (false, false) => "",
            };
            table.row([
                field.name.clone(),
                field.title.clone(),
                word_of(&FIELD_TYPES, field.r#type())
                    .unwrap_or_default()
                    .to_owned(),
                field.suggested_attribute.clone(),
                needed.to_owned(),
            ]);
        }
        table.into_text("No fields.")
    })
}
