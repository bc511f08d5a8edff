//! The failed records of a run as CSV (N5).

use domain::csv_cell;
use domain::decision::Outcome;
use domain::id::RunId;
use store::change_list::{self, Place, Which};

use crate::app::App;
use crate::fault::Fault;

/// Rows that are loaded at a time.
const CHUNK: i64 = 1_000;
/// Rows at most; the last line says so when there are more.
const MOST: usize = 100_000;

/// UPN, name, object id and reason of each, safe to open in a spreadsheet.
pub async fn failed_csv(app: &App, run: RunId) -> Result<String, Fault> {
    let mut csv = csv_cell::row(["upn", "name", "object_id", "reason"]);
    let (mut after, mut rows) = (Place::START, 0);
    let mut connection = app.store.connection().await?;
    loop {
        let changes =
            change_list::list(&mut connection, run, Which::of(Outcome::Failed), after, CHUNK).await?;
        let Some(last) = changes.last() else {
            return Ok(csv);
        };
        after = last.place;
        for change in &changes {
            let object = change.object.map(|id| id.to_string()).unwrap_or_default();
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let (upn, name, reason) = (text(&change.upn), text(&change.name), text(&change.reason));
            csv.push_str(&csv_cell::row([
                upn.as_str(),
                name.as_str(),
                object.as_str(),
                reason.as_str(),
            ]));
        }
        rows += changes.len();
        if rows >= MOST {
            csv.push_str(&csv_cell::row([
                "",
                "",
                "",
                "more failed records are left out here",
            ]));
            return Ok(csv);
        }
    }
}
