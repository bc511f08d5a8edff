//! `import csv`.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use contracts::v1;
use csv::ByteRecord;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::api::idempotency_key;
use crate::command::Session;
use crate::command::import::header;
use crate::command::import::rows::Rows;
use crate::failure::Failure;
use crate::show::{self, escape};
use crate::table::{Column, Table};

const EXAMPLES: &str = "\
The first line names the columns: register fields such as name, login, domain, email, upn,
lookup_guid or job_title, letter case and underscores aside, and role. Cells are parted by , ; or
tabs. The file must be UTF-8. An empty cell says nothing about its field. Rows that can't be taken
are told with their line; the others are imported. Importing the same file again changes nothing.

Examples:
  rollcall import csv accounts.csv --dry-run
  rollcall import csv accounts.csv --strict";

/// Rows in a message.
const CHUNK_ROWS: usize = 500;
/// Bytes of cells in a message, well under gRPC's limit of 4 MiB.
const CHUNK_BYTES: usize = 1 << 20;
/// The longest row; a longer one is a quote that is not closed.
const ROW_BYTES: usize = 256 << 10;
/// Messages read ahead of the network.
const AHEAD: usize = 2;
/// The most failures that are told.
const TOLD: usize = 1000;

/// Which file.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The file
    file: PathBuf,
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
    /// Exit with 1 when rows failed
    #[arg(long)]
    strict: bool,
}

/// A file that has been looked through once: UTF-8 all over, its columns known.
struct Checked {
    path: PathBuf,
    columns: Vec<String>,
    rows: u64,
}

/// Imports, or says what that would do.
pub async fn run(session: &Session, args: Args) -> Result<(), Failure> {
    let checked = check(&args.file)?;
    let api = session.api().await?;
    let bar = bar(checked.rows);
    let (messages, stream) = mpsc::channel(AHEAD);
    let reading = tokio::task::spawn_blocking({
        let (dry_run, bar) = (args.dry_run, bar.clone());
        move || read(&checked, dry_run, &messages, &bar)
    });
    let answer = api
        .accounts()
        .import_accounts(api.request(ReceiverStream::new(stream)))
        .await;
    bar.finish_and_clear();
    let unread = reading
        .await
        .map_err(|error| Failure::Refused(format!("reading stopped: {error}")))?;
    let mut answer = answer.map(tonic::Response::into_inner).map_err(|status| {
        eprintln!(
            "The import stopped half-way. Import the file again: rows that are there already stay unchanged."
        );
        api.failed(status)
    })?;
    add(&mut answer, unread?);
    session
        .output
        .answer(&answer, |answer| told(answer, args.dry_run))?;
    if args.strict && answer.failed > 0 {
        eprintln!("error: {} rows failed", answer.failed);
        return Err(Failure::Told);
    }
    Ok(())
}

/// Looks through the whole file before anything is sent: a file in another encoding is refused whole, for its names
/// would come in garbled.
fn check(path: &Path) -> Result<Checked, Failure> {
    let refuse = |problem: &str| Failure::Refused(format!("{}: {problem}", path.display()));
    let mut file = Rows::open(path)?;
    let header = file.header()?;
    let cells: Vec<_> = header
        .iter()
        .map(str::from_utf8)
        .collect::<Result<_, _>>()
        .map_err(|_| refuse("line 1 is not UTF-8; save the file as \"CSV UTF-8\""))?;
    if cells.iter().all(|cell| cell.trim().is_empty()) {
        return Err(refuse("it is empty; the first line must name the columns"));
    }
    let columns = header::columns(cells.into_iter()).map_err(|problems| refuse(&problems.join("\n")))?;
    let mut record = ByteRecord::new();
    let mut rows = 0;
    while let Some(line) = file.next(&mut record)? {
        rows += 1;
        if record.as_slice().len() > ROW_BYTES {
            return Err(refuse(&format!(
                "line {line}: a row this long is a quote that is not closed"
            )));
        }
        if let Some((index, cell)) = record
            .iter()
            .enumerate()
            .find(|(_, cell)| str::from_utf8(cell).is_err())
        {
            let column = columns.get(index).map_or("a cell", String::as_str);
            let text = escape(&String::from_utf8_lossy(cell));
            return Err(refuse(&format!(
                "line {line}: {column} is not UTF-8 (\"{text}\"); save the file as \"CSV UTF-8\""
            )));
        }
    }
    Ok(Checked {
        path: path.to_owned(),
        columns,
        rows,
    })
}

/// Reads the file again and sends its rows. Returns the rows that can't be sent.
fn read(
    checked: &Checked,
    dry_run: bool,
    messages: &mpsc::Sender<v1::ImportAccountsRequest>,
    bar: &ProgressBar,
) -> Result<Vec<v1::RowFailure>, Failure> {
    let mut file = Rows::open(&checked.path)?;
    if header::columns(file.header()?.iter().filter_map(|cell| str::from_utf8(cell).ok())).as_ref()
        != Ok(&checked.columns)
    {
        return Err(Failure::Refused(format!(
            "{} changed while it was read",
            checked.path.display()
        )));
    }
    let mut chunk = Chunk {
        dry_run,
        key: idempotency_key(),
        ..Chunk::default()
    };
    let mut failures = Vec::new();
    let mut record = ByteRecord::new();
    while let Some(line) = file.next(&mut record)? {
        bar.inc(1);
        match row(line, &record, &checked.columns) {
            Ok(Some(row)) => chunk.rows.push(row),
            Ok(None) => continue,
            Err(failure) => failures.push(failure),
        }
        chunk.bytes += record.as_slice().len();
        if (chunk.rows.len() >= CHUNK_ROWS || chunk.bytes >= CHUNK_BYTES) && !chunk.send(messages) {
            return Ok(failures);
        }
    }
    if !chunk.rows.is_empty() || !chunk.begun {
        chunk.send(messages);
    }
    Ok(failures)
}

#[derive(Default)]
struct Chunk {
    dry_run: bool,
    key: String,
    begun: bool,
    rows: Vec<v1::AccountRow>,
    bytes: usize,
}

impl Chunk {
    /// Sends what there is. False when nobody listens any more; the answer to the call says why.
    fn send(&mut self, messages: &mpsc::Sender<v1::ImportAccountsRequest>) -> bool {
        self.bytes = 0;
        self.begun = true;
        let message = v1::ImportAccountsRequest {
            rows: std::mem::take(&mut self.rows),
            dry_run: self.dry_run,
            idempotency_key: self.key.clone(),
        };
        messages.blocking_send(message).is_ok()
    }
}

/// A row as register field → value; nothing for an empty line.
fn row(line: u32, record: &ByteRecord, columns: &[String]) -> Result<Option<v1::AccountRow>, v1::RowFailure> {
    let fail = |reason: String| v1::RowFailure { line, reason };
    if record.iter().all(<[u8]>::is_empty) {
        return Ok(None);
    }
    if record.len() != columns.len() {
        return Err(fail(format!(
            "{} cells, but the first line names {} columns",
            record.len(),
            columns.len()
        )));
    }
    let mut values = std::collections::HashMap::new();
    for (column, cell) in columns.iter().zip(record) {
        let text = str::from_utf8(cell).map_err(|_| fail(format!("{column} is not UTF-8")))?;
        if text.contains('\0') {
            return Err(fail(format!("{column} holds a NUL character")));
        }
        if !text.trim().is_empty() {
            values.insert(column.clone(), text.trim().to_owned());
        }
    }
    Ok(Some(v1::AccountRow { line, values }))
}

/// Counts the rows that could not be sent with those that api refused.
fn add(answer: &mut v1::ImportAccountsResponse, unread: Vec<v1::RowFailure>) {
    answer.failed += u32::try_from(unread.len()).unwrap_or(u32::MAX);
    answer.failures.extend(unread);
    answer.failures.sort_by_key(|failure| failure.line);
    answer.failures.truncate(TOLD);
}

fn told(answer: &v1::ImportAccountsResponse, dry_run: bool) -> String {
    let mut text = String::new();
    if !answer.failures.is_empty() {
        let mut table = Table::whole(&[Column::Right("LINE"), Column::Left("WHY IT FAILED")]);
        for failure in &answer.failures {
            table.row([failure.line.to_string(), failure.reason.clone()]);
        }
        text = table.into_text("");
        let untold = usize::try_from(answer.failed)
            .unwrap_or_default()
            .saturating_sub(answer.failures.len());
        if untold > 0 {
            let _ = writeln!(text, "… and {untold} more");
        }
        text.push('\n');
    }
    let [added, updated, unchanged, failed] =
        [answer.added, answer.updated, answer.unchanged, answer.failed].map(show::count);
    let _ = writeln!(
        text,
        "{added} added, {updated} updated, {unchanged} unchanged, {failed} failed"
    );
    if dry_run {
        text.push_str("Nothing was changed: this was a dry run.\n");
    }
    text
}

/// A bar over the rows, on a terminal.
fn bar(rows: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(rows), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{pos} of {len} rows [{wide_bar}] {eta} left") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts.csv");
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    /// What would be sent, and what would not.
    fn sent(bytes: &[u8]) -> (Vec<v1::ImportAccountsRequest>, Vec<v1::RowFailure>) {
        let (_folder, path) = file(bytes);
        let checked = check(&path).unwrap();
        let (messages, mut stream) = mpsc::channel(100);
        let failures = read(&checked, true, &messages, &ProgressBar::hidden()).unwrap();
        drop(messages);
        let mut sent = Vec::new();
        while let Ok(message) = stream.try_recv() {
            sent.push(message);
        }
        (sent, failures)
    }

    fn refused(bytes: &[u8]) -> String {
        let (_folder, path) = file(bytes);
        check(&path)
            .err()
            .map(|failure| failure.report())
            .unwrap_or_default()
    }

    #[test]
    fn rows_keep_their_line_and_lose_empty_cells() {
        let (sent, failures) =
            sent("\u{feff}Name;lookup_guid;ROLE\r\n\"Zoë;\r\nX\";;user\r\n\r\nBo; g ;\r\n".as_bytes());
        assert!(failures.is_empty());
        let rows = &sent[0].rows;
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].line, rows[0].values["name"].as_str()), (2, "Zoë;\r\nX"));
        assert_eq!(rows[0].values["role"], "user");
        assert!(!rows[0].values.contains_key("lookupGuid"));
        assert_eq!((rows[1].line, rows[1].values["lookupGuid"].as_str()), (5, "g"));
        assert!(sent[0].dry_run && !sent[0].idempotency_key.is_empty());
    }

    #[test]
    fn rows_go_in_chunks() {
        let text: String = std::iter::once("name\n".to_owned())
            .chain((0..1_234).map(|n| format!("n{n}\n")))
            .collect();
        let (sent, _) = sent(text.as_bytes());
        assert_eq!(
            sent.iter().map(|message| message.rows.len()).collect::<Vec<_>>(),
            [500, 500, 234]
        );
        assert_eq!(sent[2].rows[233].line, 1_235);
    }

    #[test]
    fn a_row_that_does_not_fit_fails_alone() {
        let (sent, failures) = sent(b"name,login\na,b\nc\nd,e,f\ng\0,h\ni,j\n");
        assert_eq!(sent[0].rows.len(), 2);
        let told: Vec<_> = failures
            .iter()
            .map(|failure| (failure.line, failure.reason.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                (3, "1 cells, but the first line names 2 columns"),
                (4, "3 cells, but the first line names 2 columns"),
                (5, "name holds a NUL character"),
            ]
        );
    }

    #[test]
    fn other_encodings_are_refused_with_their_line() {
        assert!(refused(b"name,login\na,b\nJos\xe9,j\n").contains("line 3: name is not UTF-8"));
        assert!(refused(b"\xff\xfen\0").contains("UTF-16"));
        assert!(refused(b"n\xe9,login\n").contains("line 1 is not UTF-8"));
        assert!(refused(b"").contains("it is empty"));
        assert!(refused(b"name,shoe\n").contains("column 2: the register has no field \"shoe\""));
        let endless = format!("name\n\"{}", "x\n".repeat(ROW_BYTES));
        assert!(refused(endless.as_bytes()).contains("line 2: a row this long"));
    }

    #[test]
    fn failures_of_both_sides_are_told_together() {
        let failure = |line| v1::RowFailure {
            line,
            reason: "x".to_owned(),
        };
        let mut answer = v1::ImportAccountsResponse {
            added: 1_200,
            failed: 1,
            failures: vec![failure(9)],
            ..v1::ImportAccountsResponse::default()
        };
        add(&mut answer, vec![failure(3)]);
        let text = told(&answer, true);
        assert_eq!(
            text,
            "LINE  WHY IT FAILED\n   3  x\n   9  x\n\n1,200 added, 0 updated, 0 unchanged, 2 failed\n\
             Nothing was changed: this was a dry run.\n"
        );
    }
}
