//! `group`: groups of the directory, and who is in them.

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
    /// List groups, with how many members they have
    List {
        /// Only those of this connection
        #[arg(long, value_name = "NAME", default_value = "")]
        connection: String,
        /// Only those with all these words in name, description or mail
        #[arg(long, value_name = "TEXT", default_value = "")]
        search: String,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = RangedU64ValueParser::<u32>::new().range(1..))]
        limit: u32,
    },
    /// List the members of a group
    Members {
        /// The group's object id
        #[arg(value_parser = super::id)]
        id: String,
        /// Users and devices at any depth, instead of the members that the group itself names
        #[arg(long)]
        transitive: bool,
        /// The connection that knows the group, where several do
        #[arg(long, value_name = "NAME", default_value = "")]
        connection: String,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = RangedU64ValueParser::<u32>::new().range(1..))]
        limit: u32,
    },
}

impl Command {
    /// Does it.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::List {
                connection,
                search,
                limit,
            } => list(session, &connection, &search, limit).await,
            Self::Members {
                id,
                transitive,
                connection,
                limit,
            } => members(session, &id, transitive, &connection, limit).await,
        }
    }
}

async fn list(session: &Session, connection: &str, search: &str, limit: u32) -> Result<(), Failure> {
    let api = session.api().await?;
    let (groups, next_page_token) = page::read(Some(limit), async |page_size, page_token| {
        let message = v1::ListGroupsRequest {
            connection: connection.to_owned(),
            search: search.to_owned(),
            page_size,
            page_token,
        };
        let page = api
            .call(message, async |request| api.groups().list_groups(request).await)
            .await?;
        Ok((page.groups, page.next_page_token))
    })
    .await?;
    let answer = v1::ListGroupsResponse {
        groups,
        next_page_token,
    };
    session.output.answer(&answer, |answer| {
        let mut table = Table::new(&[
            Column::Left("ID"),
            Column::Left("NAME"),
            Column::Left("KIND"),
            Column::Left("MAIL"),
            Column::Right("MEMBERS"),
            Column::Right("USERS"),
            Column::Right("GROUPS"),
            Column::Right("DEVICES"),
            Column::Left("CONNECTION"),
        ]);
        for group in &answer.groups {
            let counts = group.member_counts.unwrap_or_default();
            table.row([
                group.id.clone(),
                group.name.clone(),
                kind(group),
                group.mail.clone(),
                group.member_count.to_string(),
                counts.users.to_string(),
                counts.groups.to_string(),
                counts.devices.to_string(),
                group.connection.clone(),
            ]);
        }
        table.into_text("No groups.")
    })?;
    page::say_if_cut(&answer.next_page_token, answer.groups.len());
    Ok(())
}

async fn members(
    session: &Session,
    group_id: &str,
    transitive: bool,
    connection: &str,
    limit: u32,
) -> Result<(), Failure> {
    let api = session.api().await?;
    let (members, next_page_token) = page::read(Some(limit), async |page_size, page_token| {
        let message = v1::ListGroupMembersRequest {
            group_id: group_id.to_owned(),
            connection: connection.to_owned(),
            transitive,
            page_size,
            page_token,
        };
        let page = api
            .call(message, async |request| {
                api.groups().list_group_members(request).await
            })
            .await?;
        Ok((page.members, page.next_page_token))
    })
    .await?;
    let answer = v1::ListGroupMembersResponse {
        members,
        next_page_token,
    };
    session.output.answer(&answer, |answer| {
        let mut table = Table::new(&[
            Column::Left("OBJECT ID"),
            Column::Left("KIND"),
            Column::Left("DIRECT"),
            Column::Left("NAME"),
            Column::Left("ACCOUNT"),
        ]);
        for member in &answer.members {
            table.row([
                member.object_id.clone(),
                words::plain(member.kind().as_str_name(), "MEMBER_KIND_"),
                if member.direct { "yes" } else { "no" }.to_owned(),
                member.name.clone(),
                member.account_id.clone(),
            ]);
        }
        table.into_text("No members.")
    })?;
    page::say_if_cut(&answer.next_page_token, answer.members.len());
    Ok(())
}

fn kind(group: &v1::Group) -> String {
    let kind = words::plain(group.kind().as_str_name(), "GROUP_KIND_");
    if group.dynamic {
        format!("{kind}, by rule")
    } else {
        kind
    }
}
