//! `never-touch`: whom no sync touches.

use clap::{Args, Subcommand};
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
    /// List the entries
    List {
        /// Only those that hold for this connection
        #[arg(long, value_name = "NAME", default_value = "")]
        connection: String,
    },
    /// Keep someone from being created, changed, linked, deactivated or deleted by a sync
    #[command(after_help = "\
Examples:
  rollcall never-touch add --upn '*@svc.contoso.com' --note 'service accounts'
  rollcall never-touch add --role owner
  rollcall never-touch add --object 99999999-aaaa-bbbb-cccc-dddddddddddd --connection contoso")]
    Add {
        #[command(flatten)]
        whom: Whom,
        /// Only for this connection; without it for all
        #[arg(long, value_name = "NAME", default_value = "")]
        connection: String,
        /// Why; runs tell it with each person they leave alone
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
    },
    /// Remove an entry
    Remove {
        /// The entry's id
        #[arg(value_parser = super::id)]
        id: String,
    },
}

/// Exactly one of these.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct Whom {
    /// The user of this object id
    #[arg(long, value_name = "ID")]
    object: Option<String>,
    /// Everyone whose UPN is like this one; * is any characters, ? is one
    #[arg(long, value_name = "PATTERN")]
    upn: Option<String>,
    /// Everyone in the group of this object id, or in a group inside it
    #[arg(long, value_name = "ID")]
    group: Option<String>,
    /// Everyone whose account has this role
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
}

impl Command {
    /// Does it.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::List { connection } => list(session, &connection).await,
            Self::Add {
                whom,
                connection,
                note,
            } => add(session, whom, connection, note).await,
            Self::Remove { id } => remove(session, id).await,
        }
    }
}

impl Whom {
    /// The kind, and what is written with it. clap lets one of them through.
    fn told(self) -> (v1::NeverTouchKind, String) {
        match (self.object, self.upn, self.group, self.role) {
            (Some(object), ..) => (v1::NeverTouchKind::Object, object),
            (_, Some(upn), ..) => (v1::NeverTouchKind::Upn, upn),
            (_, _, Some(group), _) => (v1::NeverTouchKind::Group, group),
            (.., role) => (v1::NeverTouchKind::Role, role.unwrap_or_default()),
        }
    }
}

async fn list(session: &Session, connection: &str) -> Result<(), Failure> {
    let api = session.api().await?;
    let (entries, next_page_token) = page::read(None, async |page_size, page_token| {
        let message = v1::ListNeverTouchRequest {
            connection: connection.to_owned(),
            page_size,
            page_token,
        };
        let page = api
            .call(message, async |request| {
                api.never_touch().list_never_touch(request).await
            })
            .await?;
        Ok((page.entries, page.next_page_token))
    })
    .await?;
    let answer = v1::ListNeverTouchResponse {
        entries,
        next_page_token,
    };
    session.output.answer(&answer, |answer| {
        let mut table = Table::new(&[
            Column::Left("ID"),
            Column::Left("KIND"),
            Column::Left("WHOM"),
            Column::Left("CONNECTION"),
            Column::Left("NOTE"),
            Column::Left("ADDED BY"),
            Column::Left("ADDED"),
        ]);
        for entry in &answer.entries {
            let all = entry.connection.is_empty();
            table.row([
                entry.id.clone(),
                kind(entry),
                entry.value.clone(),
                if all {
                    "all".to_owned()
                } else {
                    entry.connection.clone()
                },
                entry.note.clone(),
                entry.created_by.clone(),
                show::time(entry.create_time.as_ref()),
            ]);
        }
        table.into_text("Nobody is on the never-touch list.")
    })
}

async fn add(session: &Session, whom: Whom, connection: String, note: String) -> Result<(), Failure> {
    let (kind_of, value) = whom.told();
    let message = v1::AddNeverTouchRequest {
        connection,
        kind: kind_of.into(),
        value,
        note,
        idempotency_key: idempotency_key(),
    };
    let api = session.api().await?;
    let answer = api
        .call(message, async |request| {
            api.never_touch().add_never_touch(request).await
        })
        .await?;
    if session.output == Output::Table {
        eprintln!("From the next run on, which reads everything, no sync touches them.");
    }
    session.output.answer(&answer, |entry| {
        format!("{} {} {}\n", entry.id, kind(entry), escape(&entry.value))
    })
}

async fn remove(session: &Session, entry_id: String) -> Result<(), Failure> {
    let message = v1::RemoveNeverTouchRequest {
        entry_id,
        idempotency_key: idempotency_key(),
    };
    let api = session.api().await?;
    let answer = api
        .call(message, async |request| {
            api.never_touch().remove_never_touch(request).await
        })
        .await?;
    session.output.answer(&answer, |entry| {
        format!(
            "{} {} is off the never-touch list; the next run reads everything.\n",
            kind(entry),
            escape(&entry.value)
        )
    })
}

fn kind(entry: &v1::NeverTouchEntry) -> String {
    words::plain(entry.kind().as_str_name(), "NEVER_TOUCH_KIND_")
}
