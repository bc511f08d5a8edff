//! `run list`.

use contracts::v1;

use crate::command::Session;
use crate::command::run::card;
use crate::failure::Failure;
use crate::page;
use crate::show;
use crate::table::{Column, Table};
use crate::words;

/// Lists runs, the newest first.
pub async fn run(session: &Session, connection: &str, limit: Option<u32>) -> Result<(), Failure> {
    let api = session.api().await?;
    let (runs, next_page_token) = page::read(limit, async |page_size, page_token| {
        let message = v1::ListRunsRequest {
            connection: connection.to_owned(),
            page_size,
            page_token,
        };
        let page = api
            .call(message, async |request| api.runs().list_runs(request).await)
            .await?;
        Ok((page.runs, page.next_page_token))
    })
    .await?;
    let answer = v1::ListRunsResponse {
        runs,
        next_page_token,
    };
    session.output.answer(&answer, |answer| table(&answer.runs))?;
    page::say_if_cut(&answer.next_page_token, answer.runs.len());
    Ok(())
}

/// A line for each run.
pub fn table(runs: &[v1::Run]) -> String {
    let mut table = Table::new(&[
        Column::Left("ID"),
        Column::Left("CONNECTION"),
        Column::Left("KIND"),
        Column::Left("STATE"),
        Column::Left("CREATED"),
        Column::Right("TOOK"),
        Column::Right("SEEN"),
        Column::Right("GONE"),
        Column::Right("ADDED"),
        Column::Right("UPDATED"),
        Column::Right("UNCHANGED"),
        Column::Right("SKIPPED"),
        Column::Right("REMOVED"),
        Column::Right("HELD"),
        Column::Right("FAILED"),
    ]);
    for run in runs {
        let counts = run.counts.unwrap_or_default();
        table.row([
            run.id.clone(),
            run.connection.clone(),
            card::kind(run),
            words::run_state(run.state()),
            show::time(run.create_time.as_ref()),
            show::duration(run.start_time.as_ref(), run.end_time.as_ref()),
            show::count(counts.seen),
            show::count(counts.gone),
            show::count(counts.added),
            show::count(counts.updated),
            show::count(counts.unchanged),
            show::count(counts.skipped),
            show::count(counts.removed),
            show::count(counts.held),
            show::count(counts.failed),
        ]);
    }
    table.into_text("No runs yet. Start one with `rollcall run start CONNECTION --kind full`.")
}
