//! `key`: the keys that seal secrets at rest.

use clap::Subcommand;
use contracts::v1;

use crate::command::Session;
use crate::failure::Failure;
use crate::show::escape;
use crate::table::{Column, Table};
use crate::words;

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// List the keys of the key ring, and what each has sealed
    #[command(
        after_help = "An older key can be taken out of the key ring when it has sealed nothing any more. Keys and numbers are \
                      the installation's, over all organizations."
    )]
    List,
}

impl Command {
    /// Does it.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::List => list(session).await,
        }
    }
}

async fn list(session: &Session) -> Result<(), Failure> {
    let api = session.api().await?;
    let answer = api
        .call(v1::ListKeysRequest {}, async |request| {
            api.keys().list_keys(request).await
        })
        .await?;
    session.output.answer(&answer, |answer| {
        let mut table = Table::new(&[
            Column::Left("KEY"),
            Column::Left("STATE"),
            Column::Right("SECRETS"),
            Column::Left("OF THEM"),
        ]);
        for key in &answer.keys {
            let kinds: Vec<String> = key
                .sealed
                .iter()
                .map(|sealed| format!("{} {}", sealed.count, escape(&sealed.kind)))
                .collect();
            table.row([
                escape(&key.id),
                words::plain(key.state().as_str_name(), "KEY_STATE_"),
                key.secrets.to_string(),
                kinds.join(", "),
            ]);
        }
        table.into_text("No keys.")
    })
}
