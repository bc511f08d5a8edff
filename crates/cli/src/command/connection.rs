//! `connection`: links to Entra tenants.

use std::io::{IsTerminal, Write};

use clap::Subcommand;
use contracts::v1;

use crate::api::idempotency_key;
use crate::command::Session;
use crate::failure::Failure;
use crate::page;
use crate::show::{self, escape};
use crate::table::{Card, Column, Table};
use crate::words::{self, CLOUDS, DELETION_MODES, FIRST_RUNS, RETURN_ACTIONS, word_of};

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// List connections with their state
    List,
    /// Show one connection with its policies and its last test
    Show {
        /// Name or id
        name: String,
    },
    /// Get a token, check the tenant and every permission that the mappings need
    #[command(after_help = "Exits with 1 when a check did not pass.")]
    Test {
        /// Name or id
        name: String,
    },
    /// Wipe the stored secret and stop everything at once; accounts stay
    #[command(
        after_help = "Asks first. In a script nobody can answer: there it needs --yes, or exits with 2."
    )]
    Disconnect {
        /// Name or id
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// End a quarantine by hand: scheduled runs go on at once
    Release {
        /// Name or id
        name: String,
    },
}

impl Command {
    /// Does it.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::List => list(session).await,
            Self::Show { name } => show_one(session, name).await,
            Self::Test { name } => test(session, name).await,
            Self::Disconnect { name, yes } => disconnect(session, name, yes).await,
            Self::Release { name } => release(session, name).await,
        }
    }
}

async fn list(session: &Session) -> Result<(), Failure> {
    let api = session.api().await?;
    let (connections, next_page_token) = page::read(None, async |page_size, page_token| {
        let message = v1::ListConnectionsRequest {
            page_size,
            page_token,
        };
        let page = api
            .call(message, async |request| {
                api.connections().list_connections(request).await
            })
            .await?;
        Ok((page.connections, page.next_page_token))
    })
    .await?;
    let answer = v1::ListConnectionsResponse {
        connections,
        next_page_token,
    };
    session.output.answer(&answer, |answer| {
        let mut table = Table::new(&[
            Column::Left("NAME"),
            Column::Left("STATE"),
            Column::Left("TENANT"),
            Column::Right("LINKED"),
            Column::Left("LAST FULL"),
            Column::Left("LAST DELTA"),
            Column::Left("NEXT FULL"),
            Column::Left("NEXT DELTA"),
            Column::Left("SCHEDULE"),
        ]);
        for connection in &answer.connections {
            let tenant = if connection.display_name.is_empty() {
                &connection.tenant_id
            } else {
                &connection.display_name
            };
            table.row([
                connection.name.clone(),
                state(connection),
                tenant.clone(),
                show::count(connection.linked),
                show::time(connection.last_full_time.as_ref()),
                show::time(connection.last_delta_time.as_ref()),
                show::time(connection.next_full_time.as_ref()),
                show::time(connection.next_delta_time.as_ref()),
                connection.schedule.clone(),
            ]);
        }
        table.into_text("No connections yet. Create one with `rollcall apply -f FILE`.")
    })
}

async fn show_one(session: &Session, name: String) -> Result<(), Failure> {
    let api = session.api().await?;
    let message = v1::GetConnectionRequest { connection: name };
    let answer = api
        .call(message, async |request| {
            api.connections().get_connection(request).await
        })
        .await?;
    session.output.answer(&answer, card)
}

async fn test(session: &Session, name: String) -> Result<(), Failure> {
    let api = session.api().await?;
    let message = v1::TestConnectionRequest { connection: name };
    let answer = api
        .call(message, async |request| {
            api.connections().test_connection(request).await
        })
        .await?;
    session.output.answer(&answer, |answer| {
        let mut text = Card::default()
            .line("Connection", answer.connection.as_str())
            .line("Tenant", answer.display_name.as_str())
            .line("Domains", answer.verified_domains.join(", "))
            .into_text();
        text.push('\n');
        text.push_str(&checks(answer));
        text
    })?;
    if answer.passed {
        return Ok(());
    }
    eprintln!("error: the test of {} did not pass", escape(&answer.connection));
    Err(Failure::Told)
}

async fn disconnect(session: &Session, name: String, yes: bool) -> Result<(), Failure> {
    if !yes && !confirmed(&name)? {
        return Err(Failure::Refused("nothing was changed".to_owned()));
    }
    let api = session.api().await?;
    let message = v1::DisconnectConnectionRequest {
        connection: name,
        idempotency_key: idempotency_key(),
    };
    let answer = api
        .call(message, async |request| {
            api.connections().disconnect_connection(request).await
        })
        .await?;
    session.output.answer(&answer, |connection| {
        format!(
            "{} is disconnected: its secret is gone, its runs are stopped, its accounts stay.\n",
            connection.name
        )
    })
}

async fn release(session: &Session, name: String) -> Result<(), Failure> {
    let api = session.api().await?;
    let message = v1::ReleaseConnectionRequest {
        connection: name,
        idempotency_key: idempotency_key(),
    };
    let answer = api
        .call(message, async |request| {
            api.connections().release_connection(request).await
        })
        .await?;
    session.output.answer(&answer, |connection| {
        format!(
            "{} is in no quarantine: its scheduled runs go on.\n",
            escape(&connection.name)
        )
    })
}

/// Asks at the terminal. Where nobody can be asked, silence is no consent.
fn confirmed(name: &str) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failure::Usage(format!(
            "disconnecting {} wipes its secret and stops its runs, and there is no terminal to ask at: add --yes to do it",
            escape(name)
        )));
    }
    eprint!(
        "Disconnect {}? Its secret is wiped and its runs are stopped. [y/N] ",
        escape(name)
    );
    std::io::stderr().flush().map_err(Failure::Output)?;
    let mut answer = String::new();
    let path = "standard input".into();
    std::io::stdin()
        .read_line(&mut answer)
        .map_err(|source| Failure::File { path, source })?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn card(connection: &v1::Connection) -> String {
    let leavers = connection.leavers.unwrap_or_default();
    let brake = connection.brake.unwrap_or_default();
    let quarantined = connection
        .quarantine
        .as_ref()
        .map_or_else(String::new, quarantine);
    let card = Card::default()
        .line("Name", connection.name.as_str())
        .line("Id", connection.id.as_str())
        .line("State", state(connection))
        .line("Quarantined", quarantined);
    let warned = connection
        .warnings
        .iter()
        .fold(card, |card, warning| card.line("Warning", warning.as_str()));
    let mut text = warned
        .line("Tenant", connection.tenant_id.as_str())
        .line("Tenant name", connection.display_name.as_str())
        .line("Domains", connection.verified_domains.join(", "))
        .line("Credential", connection.credential.as_str())
        .line("Cloud", word_of(&CLOUDS, connection.cloud()).unwrap_or_default())
        .line("Login URL", connection.login_url.as_str())
        .line("Graph URL", connection.graph_url.as_str())
        .line("Token URL", connection.token_url.as_str())
        .line(
            "Deletion mode",
            word_of(&DELETION_MODES, connection.deletion_mode()).unwrap_or_default(),
        )
        .line("Disabled", words::leaver_action(leavers.disabled()))
        .line("Soft-deleted", words::leaver_action(leavers.soft_deleted()))
        .line("Gone", words::leaver_action(leavers.gone()))
        .line("Out of scope", words::leaver_action(leavers.out_of_scope()))
        .line(
            "Back again",
            word_of(&RETURN_ACTIONS, leavers.returning()).unwrap_or_default(),
        )
        .line(
            "Brake",
            format!(
                "{} %, {} records, from {} up",
                brake.percent, brake.count, brake.from
            ),
        )
        .line(
            "First run",
            word_of(&FIRST_RUNS, connection.first_run()).unwrap_or_default(),
        )
        .line("Linked", show::count(connection.linked))
        .line("Last full", show::time(connection.last_full_time.as_ref()))
        .line("Last delta", show::time(connection.last_delta_time.as_ref()))
        .line(
            "Last deprovision",
            show::time(connection.last_deprovision_time.as_ref()),
        )
        .line("Schedule", connection.schedule.as_str())
        .line("Next full", show::time(connection.next_full_time.as_ref()))
        .line("Next delta", show::time(connection.next_delta_time.as_ref()))
        .line(
            "Next deprovision",
            show::time(connection.next_deprovision_time.as_ref()),
        )
        .line("Next is full", connection.next_full_reason.as_str())
        .line("Changed", show::time(connection.update_time.as_ref()))
        .into_text();
    if let Some(test) = &connection.last_test {
        text.push_str("\nLast test ");
        text.push_str(&show::time(test.time.as_ref()));
        text.push('\n');
        text.push_str(&checks(test));
    }
    text
}

/// Every check with its cause and the next step.
fn checks(test: &v1::ConnectionTest) -> String {
    let mut table = Table::whole(&[
        Column::Left("CHECK"),
        Column::Left("RESULT"),
        Column::Left("CAUSE"),
        Column::Left("WHAT"),
        Column::Left("NEXT STEP"),
    ]);
    for check in &test.checks {
        let result = if check.passed { "passed" } else { "failed" };
        table.row([
            check.name.clone(),
            result.to_owned(),
            check.cause.clone(),
            check.message.clone(),
            check.next_step.clone(),
        ]);
    }
    table.into_text("No checks were made.")
}

/// Since when, when it is tried again, and why.
fn quarantine(quarantine: &v1::Quarantine) -> String {
    let next = match &quarantine.next_try_time {
        Some(time) => format!("next try {}", show::time(Some(time))),
        None => "no next try by itself, for no runs are scheduled".to_owned(),
    };
    format!(
        "since {}, {next}: {}",
        show::time(quarantine.since.as_ref()),
        quarantine.reason
    )
}

fn state(connection: &v1::Connection) -> String {
    if connection.quarantine.is_some() && connection.state() != v1::ConnectionState::Disconnected {
        return "quarantined".to_owned();
    }
    words::plain(connection.state().as_str_name(), "CONNECTION_STATE_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_check_tells_cause_and_next_step() {
        let test = v1::ConnectionTest {
            checks: vec![
                v1::ConnectionCheck {
                    name: "token".to_owned(),
                    passed: true,
                    ..v1::ConnectionCheck::default()
                },
                v1::ConnectionCheck {
                    name: "User.Read.All".to_owned(),
                    cause: "missing_permission".to_owned(),
                    message: "the app may not read users".to_owned(),
                    next_step: "grant it".to_owned(),
                    ..v1::ConnectionCheck::default()
                },
            ],
            ..v1::ConnectionTest::default()
        };
        assert_eq!(
            checks(&test),
            "CHECK          RESULT  CAUSE               WHAT                        NEXT STEP\n\
             token          passed\n\
             User.Read.All  failed  missing_permission  the app may not read users  grant it\n"
        );
    }
}
