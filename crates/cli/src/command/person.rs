//! `person`: people of the register without a login.

use clap::Subcommand;
use clap::builder::RangedU64ValueParser;
use contracts::v1;

use super::account::fields;
use crate::command::Session;
use crate::failure::Failure;
use crate::page;
use crate::show;
use crate::table::{Card, Column, Table};
use crate::words;

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// List people
    List {
        /// Only those with all these words in name, identifier, e-mail or UPN
        #[arg(long, value_name = "TEXT", default_value = "")]
        search: String,
        /// Only of this entity
        #[arg(long, value_name = "NAME", default_value = "")]
        entity: String,
        /// Only of this collection
        #[arg(long, value_name = "NAME", default_value = "")]
        collection: String,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = RangedU64ValueParser::<u32>::new().range(1..))]
        limit: u32,
        /// Deleted ones too
        #[arg(long)]
        deleted: bool,
    },
    /// Show one person with all fields
    Show {
        /// The person's id
        #[arg(value_parser = super::id)]
        id: String,
    },
}

impl Command {
    /// Does it.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::List {
                search,
                entity,
                collection,
                limit,
                deleted,
            } => {
                let asked = v1::ListPeopleRequest {
                    search,
                    entity,
                    collection,
                    include_deleted: deleted,
                    ..v1::ListPeopleRequest::default()
                };
                list(session, &asked, limit).await
            }
            Self::Show { id } => show_one(session, id).await,
        }
    }
}

async fn list(session: &Session, asked: &v1::ListPeopleRequest, limit: u32) -> Result<(), Failure> {
    let api = session.api().await?;
    let (people, next_page_token) = page::read(Some(limit), async |page_size, page_token| {
        let message = v1::ListPeopleRequest {
            page_size,
            page_token,
            ..asked.clone()
        };
        let page = api
            .call(message, async |request| api.people().list_people(request).await)
            .await?;
        Ok((page.people, page.next_page_token))
    })
    .await?;
    let answer = v1::ListPeopleResponse {
        people,
        next_page_token,
    };
    session.output.answer(&answer, |answer| {
        let mut table = Table::new(&[
            Column::Left("ID"),
            Column::Left("NAME"),
            Column::Left("IDENTIFIER"),
            Column::Left("ENTITY"),
            Column::Left("COLLECTION"),
            Column::Left("STATUS"),
            Column::Left("CONNECTION"),
        ]);
        for person in &answer.people {
            table.row([
                person.id.clone(),
                person.name.clone(),
                person.identifier.clone(),
                person.entity.clone(),
                person.collection.clone(),
                status(person),
                person.connection.clone(),
            ]);
        }
        table.into_text("No people.")
    })?;
    page::say_if_cut(&answer.next_page_token, answer.people.len());
    Ok(())
}

async fn show_one(session: &Session, person_id: String) -> Result<(), Failure> {
    let api = session.api().await?;
    let message = v1::GetPersonRequest { person_id };
    let answer = api
        .call(message, async |request| api.people().get_person(request).await)
        .await?;
    session.output.answer(&answer, card)
}

fn card(person: &v1::Person) -> String {
    let mut text = Card::default()
        .line("Id", person.id.as_str())
        .line("Name", person.name.as_str())
        .line("Identifier", person.identifier.as_str())
        .line("Entity", person.entity.as_str())
        .line("Collection", person.collection.as_str())
        .line("Status", status(person))
        .line("In Entra", words::integration(person.integration_status()))
        .line("Connection", person.connection.as_str())
        .line("Object id", person.object_id.as_str())
        .line("Reporting to", person.reporting_to.as_str())
        .line("Created", show::time(person.create_time.as_ref()))
        .line("Changed", show::time(person.update_time.as_ref()))
        .into_text();
    text.push('\n');
    text.push_str(&fields(&person.fields));
    text
}

fn status(person: &v1::Person) -> String {
    words::plain(person.status().as_str_name(), "ACCOUNT_STATUS_")
}
