//! `credential`: what connections sign in with.

use clap::Subcommand;
use contracts::v1;

use crate::command::Session;
use crate::failure::Failure;
use crate::page;
use crate::show;
use crate::table::{Column, Table};

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// List credentials with the ends of their secrets, never the secrets
    #[command(after_help = "\
To exchange a secret: make a new one in Entra, apply it as nextClientSecret (with nextExpires, if you \
like), and when no warning says that it is refused, apply it as clientSecret and leave nextClientSecret \
out. Until then either is accepted.")]
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
    let (credentials, next_page_token) = page::read(None, async |page_size, page_token| {
        let message = v1::ListCredentialsRequest {
            page_size,
            page_token,
        };
        let page = api
            .call(message, async |request| {
                api.credentials().list_credentials(request).await
            })
            .await?;
        Ok((page.credentials, page.next_page_token))
    })
    .await?;
    let answer = v1::ListCredentialsResponse {
        credentials,
        next_page_token,
    };
    session.output.answer(&answer, |answer| {
        let mut table = Table::new(&[
            Column::Left("NAME"),
            Column::Left("CLIENT ID"),
            Column::Left("SECRET"),
            Column::Left("EXPIRES"),
            Column::Left("NEXT EXPIRES"),
            Column::Left("KNOWN"),
        ]);
        for credential in &answer.credentials {
            table.row([
                credential.name.clone(),
                credential.client_id.clone(),
                secrets(credential).to_owned(),
                show::time(credential.expire_time.as_ref()),
                show::time(credential.next_expire_time.as_ref()),
                credential.expiry_note.clone(),
            ]);
        }
        let mut text = table.into_text("No credentials yet. Create one with `rollcall apply -f FILE`.");
        for warning in answer
            .credentials
            .iter()
            .flat_map(|credential| &credential.warnings)
        {
            text += "\nwarning: ";
            text += &show::escape(warning);
        }
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text
    })
}

const fn secrets(credential: &v1::Credential) -> &'static str {
    match (credential.has_secret, credential.has_next_secret) {
        (true, true) => "set, and the next",
        (true, false) => "set",
        (false, true) => "the next",
        (false, false) => "none",
    }
}
