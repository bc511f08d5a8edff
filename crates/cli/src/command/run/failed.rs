//! `run failed`.

use contracts::v1;
use domain::csv_cell;

use crate::command::Session;
use crate::command::run::changes;
use crate::failure::Failure;
use crate::output::print;
use crate::table::{Column, Table};

/// Which run, and in which form.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  rollcall run failed 0198… --csv > failed.csv")]
pub struct Args {
    /// The run's id
    #[arg(value_parser = crate::command::id)]
    id: String,
    /// As CSV with the columns `upn,name,object_id,reason`; safe to open in a spreadsheet
    #[arg(long)]
    csv: bool,
}

/// Lists them.
pub async fn run(session: &Session, args: Args) -> Result<(), Failure> {
    let asked = v1::ListChangesRequest {
        run_id: args.id,
        outcome: v1::Outcome::Failed.into(),
        ..v1::ListChangesRequest::default()
    };
    let answer = changes::read(&session.api().await?, &asked, None).await?;
    if args.csv {
        return print(&csv(&answer.changes));
    }
    session.output.answer(&answer, |answer| {
        let mut table = Table::whole(&[
            Column::Left("UPN"),
            Column::Left("NAME"),
            Column::Left("OBJECT ID"),
            Column::Left("REASON"),
        ]);
        for change in &answer.changes {
            table.row([
                change.upn.clone(),
                change.name.clone(),
                change.object_id.clone(),
                change.reason.clone(),
            ]);
        }
        table.into_text("Nobody failed.")
    })
}

fn csv(changes: &[v1::Change]) -> String {
    let mut text = csv_cell::row(["upn", "name", "object_id", "reason"]);
    for change in changes {
        let cells = [&change.upn, &change.name, &change.object_id, &change.reason];
        text.push_str(&csv_cell::row(cells.map(String::as_str)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_csv_reads_back_and_runs_no_formula() {
        let change = v1::Change {
            upn: "a@contoso.com".to_owned(),
            name: "=cmd|' /C calc'!A0".to_owned(),
            object_id: "1".to_owned(),
            reason: "two accounts, \"x\" and \"y\"".to_owned(),
            ..v1::Change::default()
        };
        let text = csv(&[change]);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(
            reader.headers().unwrap(),
            vec!["upn", "name", "object_id", "reason"]
        );
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 1);
        assert_eq!(&rows[0][1], "'=cmd|' /C calc'!A0");
        assert_eq!(&rows[0][3], "two accounts, \"x\" and \"y\"");
    }
}
