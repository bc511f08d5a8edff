//! `import csv`.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use contracts::v1;
use csv::ByteRecord;
use encoding_rs::Encoding;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::api::idempotency_key;
use crate::command::Session;
use crate::command::import::rows::Rows;
use crate::command::import::text::{self, Source};
use crate::command::import::{failed, header};
use crate::failure::Failure;
use crate::show::{self, escape};
use crate::table::{Column, Table};

const EXAMPLES: &str = "\
The first line names the columns: register fields such as name, login, domain, email, upn,
lookup_guid or job_title, letter case and underscores aside, and role. Without login and domain the
parts of upn are taken. A row is matched with an account by the overwrite rules; an empty cell says
nothing about its field. Rows that can't be taken are told with the line on which they start, and
the others are imported. Importing the same file again changes nothing.

Cells are parted by , ; | or tabs, whichever the first line has most of. A byte order mark says
whether the file is UTF-8 or UTF-16; without one, what is not UTF-8 is read as Windows-1252.

Examples:
  rollcall import csv accounts.csv --dry-run
  rollcall import csv accounts.csv --mapping contoso-staff --failed failed.csv
  ldap-export | rollcall import csv - --strict";

/// Rows in a message.
const CHUNK_ROWS: usize = 500;
/// Bytes of cells in a message, well under gRPC's limit of 4 MiB.
const CHUNK_BYTES: usize = 1 << 20;
/// The longest row; a longer one is a quote that is not closed.
const ROW_BYTES: usize = 256 << 10;
/// Messages read ahead of the network.
const AHEAD: usize = 2;
/// Characters of the file's name that api is told.
const FILE_NAME: usize = 255;
/// The most failures that are told.
const TOLD: usize = 1000;

/// Which file.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The file; - for standard input
    file: PathBuf,
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
    /// Exit with 1 when rows failed
    #[arg(long)]
    strict: bool,
    /// What parts the cells: auto, comma, semicolon, tab, pipe, or the character itself
    #[arg(long, default_value = "auto", value_parser = delimiter)]
    delimiter: Delimiter,
    /// What the file is written in: auto, utf-8, utf-16, windows-1252, …
    #[arg(long, default_value = "auto", value_parser = encoding)]
    encoding: WrittenIn,
    /// Take constants, defaults, authorities and the role of this mapping of accounts
    #[arg(long, value_name = "NAME", default_value = "")]
    mapping: String,
    /// An account with the row's e-mail is that person, where no other rule says so
    #[arg(long)]
    override_by_email: bool,
    /// Write the rows that failed to this file, with the reason: correct and import them
    #[arg(long, value_name = "FILE")]
    failed: Option<PathBuf>,
}

/// What parts the cells; none: the first line tells.
#[derive(Clone, Copy)]
struct Delimiter(Option<u8>);

fn delimiter(text: &str) -> Result<Delimiter, String> {
    header::spoken_delimiter(text).map(Delimiter)
}

/// What the file is written in; none: it tells itself.
#[derive(Clone, Copy)]
struct WrittenIn(Option<&'static Encoding>);

fn encoding(text: &str) -> Result<WrittenIn, String> {
    text::encoding(text).map(WrittenIn)
}

/// A file that has been looked through once: its text can be read, its columns are known.
struct Checked {
    source: Source,
    delimiter: Option<u8>,
    columns: Vec<String>,
    rows: u64,
}

/// What every message says.
#[derive(Clone, Default)]
struct Terms {
    dry_run: bool,
    mapping: String,
    override_by_email: bool,
    file_name: String,
}

/// Imports, or says what that would do.
pub async fn run(session: &Session, args: Args) -> Result<(), Failure> {
    let checked = check(&args)?;
    if let Some(note) = checked.source.note() {
        eprintln!("note: {}: {note}", escape(&args.file.display().to_string()));
    }
    let checked = Arc::new(checked);
    let api = session.api().await?;
    let bar = bar(checked.rows);
    let (messages, stream) = mpsc::channel(AHEAD);
    let reading = tokio::task::spawn_blocking({
        let (checked, terms, bar) = (Arc::clone(&checked), terms(&args), bar.clone());
        move || read(&checked, terms, &messages, &bar)
    });
    let answer = async {
        let request = api.request(ReceiverStream::new(stream));
        let mut answers = api.accounts().import_accounts(request).await?.into_inner();
        let answer = answers.message().await?;
        answer.ok_or_else(|| tonic::Status::unknown("the import ended without an answer"))
    };
    let answer = answer.await;
    bar.finish_and_clear();
    let unread = reading
        .await
        .map_err(|error| Failure::Refused(format!("reading stopped: {error}")))?;
    let mut answer = answer.map_err(|status| {
        if status.code() != tonic::Code::InvalidArgument {
            eprintln!(
                "The import did not end. Import the file again: rows that are there already stay unchanged."
            );
        }
        api.failed(status)
    })?;
    add(&mut answer, unread?);
    session
        .output
        .answer(&answer, |answer| told(answer, args.dry_run))?;
    if let Some(path) = args.failed.as_deref().filter(|_| answer.failed > 0) {
        let written = failed::write(&checked.source, checked.delimiter, &answer.failures, path)?;
        eprintln!(
            "{written} failed rows are in {}",
            escape(&path.display().to_string())
        );
    }
    if args.strict && answer.failed > 0 {
        eprintln!("error: {} rows failed", answer.failed);
        return Err(Failure::Told);
    }
    Ok(())
}

fn terms(args: &Args) -> Terms {
    let name = args.file.file_name().unwrap_or(args.file.as_os_str());
    Terms {
        dry_run: args.dry_run,
        mapping: args.mapping.clone(),
        override_by_email: args.override_by_email,
        file_name: name.to_string_lossy().chars().take(FILE_NAME).collect(),
    }
}

/// Looks through the whole file before anything is sent.
fn check(args: &Args) -> Result<Checked, Failure> {
    let source = Source::open(&args.file, args.encoding.0)?;
    let delimiter = args.delimiter.0;
    let mut file = Rows::open(&source, delimiter)?;
    let header = file.header()?;
    let cells: Vec<_> = header
        .iter()
        .map(str::from_utf8)
        .collect::<Result<_, _>>()
        .map_err(|_| source.refuse("line 1 is not UTF-8; name the file's encoding with --encoding"))?;
    if cells.iter().all(|cell| cell.trim().is_empty()) {
        return Err(source.refuse("it is empty; the first line must name the columns"));
    }
    let columns =
        header::columns(cells.into_iter()).map_err(|problems| source.refuse(&problems.join("\n")))?;
    if let Some(problem) = header::missing(&columns).filter(|_| args.mapping.is_empty()) {
        return Err(source.refuse(problem));
    }
    let mut record = ByteRecord::new();
    let mut rows = 0;
    while let Some(line) = file.next(&mut record)? {
        rows += 1;
        if record.as_slice().len() > ROW_BYTES {
            return Err(source.refuse(&format!(
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
            return Err(source.refuse(&format!(
                "line {line}: {column} is not UTF-8 (\"{text}\"); name the file's encoding with --encoding"
            )));
        }
    }
    drop(file);
    Ok(Checked {
        source,
        delimiter,
        columns,
        rows,
    })
}

/// Reads the file again and sends its rows. Returns the rows that can't be sent.
fn read(
    checked: &Checked,
    terms: Terms,
    messages: &mpsc::Sender<v1::ImportAccountsRequest>,
    bar: &ProgressBar,
) -> Result<Vec<v1::RowFailure>, Failure> {
    let mut file = Rows::open(&checked.source, checked.delimiter)?;
    if header::columns(file.header()?.iter().filter_map(|cell| str::from_utf8(cell).ok())).as_ref()
        != Ok(&checked.columns)
    {
        return Err(checked.source.refuse("it changed while it was read"));
    }
    let mut chunk = Chunk {
        terms,
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
    terms: Terms,
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
        let terms = self.terms.clone();
        let message = v1::ImportAccountsRequest {
            rows: std::mem::take(&mut self.rows),
            dry_run: terms.dry_run,
            idempotency_key: self.key.clone(),
            mapping: terms.mapping,
            override_by_email: terms.override_by_email,
            file_name: terms.file_name,
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
    for (column, cell) in columns
        .iter()
        .zip(record)
        .filter(|(column, _)| *column != header::FAILURE)
    {
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
    if answer.kept > 0 {
        let kept = show::count(answer.kept);
        let _ = writeln!(
            text,
            "{kept} values were left out, for the directory keeps those fields:"
        );
        for note in &answer.notes {
            let _ = writeln!(text, "  line {}: {}", note.line, escape(&note.reason));
        }
        let untold = usize::try_from(answer.kept)
            .unwrap_or_default()
            .saturating_sub(answer.notes.len());
        if untold > 0 {
            let _ = writeln!(text, "  … and {untold} more");
        }
    }
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

    fn checked(bytes: &[u8]) -> (tempfile::TempDir, Result<Checked, Failure>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("accounts.csv");
        std::fs::write(&file, bytes).unwrap();
        let args = Args {
            file,
            dry_run: true,
            strict: false,
            delimiter: Delimiter(None),
            encoding: WrittenIn(None),
            mapping: String::new(),
            override_by_email: false,
            failed: None,
        };
        (folder, check(&args))
    }

    /// What would be sent, and what would not.
    fn sent(bytes: &[u8]) -> (Vec<v1::ImportAccountsRequest>, Vec<v1::RowFailure>) {
        let (_folder, checked) = checked(bytes);
        let checked = checked.unwrap_or_else(|failure| panic!("{}", failure.report()));
        let (messages, mut stream) = mpsc::channel(100);
        let terms = Terms {
            dry_run: true,
            ..Terms::default()
        };
        let failures = read(&checked, terms, &messages, &ProgressBar::hidden()).unwrap();
        drop(messages);
        let mut sent = Vec::new();
        while let Ok(message) = stream.try_recv() {
            sent.push(message);
        }
        (sent, failures)
    }

    fn refused(bytes: &[u8]) -> String {
        let (_folder, checked) = checked(bytes);
        checked.err().map(|failure| failure.report()).unwrap_or_default()
    }

    #[test]
    fn rows_keep_their_line_and_lose_empty_cells() {
        let (sent, failures) = sent(
            "\u{feff}Name;login;lookup_guid;ROLE\r\n\"Zoë;\r\nX\";z;;user\r\n\r\nBo;b; g ;\r\n".as_bytes(),
        );
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
        let text: String = std::iter::once("name,login\n".to_owned())
            .chain((0..1_234).map(|n| format!("n{n},n{n}\n")))
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
    fn lines_are_counted_whatever_ends_them() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["sep=|", "name|login", "\"a", "a\"|a", "", "b|b", ""].join(end);
            let (sent, failures) = sent(text.as_bytes());
            assert!(failures.is_empty(), "{end:?}: {failures:?}");
            let told: Vec<_> = sent[0]
                .rows
                .iter()
                .map(|row| (row.line, row.values["name"].clone()))
                .collect();
            assert_eq!(told, [(3, format!("a{end}a")), (6, "b".to_owned())], "{end:?}");
        }
    }

    #[test]
    fn what_can_not_be_an_import_is_refused_before_anything_is_sent() {
        assert!(refused(b"").contains("it is empty"));
        assert!(refused(b"name,shoe\n").contains("column 2: the register has no field \"shoe\""));
        assert!(refused(b"name,NAME\n").contains("column 2: \"name\" is there twice"));
        assert!(refused(b"name,domain\n").contains("login or upn"));
        assert!(refused(b"login\n").contains("no column is named name"));
        let endless = format!("name,login\n\"{}", "x\n".repeat(ROW_BYTES));
        assert!(refused(endless.as_bytes()).contains("line 2: a row this long"));
    }

    #[test]
    fn an_encoding_that_was_named_wrongly_is_told_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts.csv");
        std::fs::write(&path, b"name,login\na,b\nJos\xe9,j\n").unwrap();
        let args = Args {
            file: path,
            dry_run: true,
            strict: false,
            delimiter: Delimiter(None),
            encoding: encoding("utf-8").unwrap(),
            mapping: String::new(),
            override_by_email: false,
            failed: None,
        };
        let report = check(&args).err().unwrap().report();
        assert!(report.contains("line 3: name is not UTF-8"), "{report}");
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
