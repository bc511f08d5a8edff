//! `--failed FILE`: the rows that failed, with the reason, to be corrected and imported again.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use contracts::v1;
use csv::{ByteRecord, WriterBuilder};

use crate::command::import::header::FAILURE;
use crate::command::import::rows::Rows;
use crate::command::import::text::Source;
use crate::failure::Failure;

/// Writes the failed rows as they stand in the file, with one more column; how many.
pub fn write(
    source: &Source,
    delimiter: Option<u8>,
    failures: &[v1::RowFailure],
    path: &Path,
) -> Result<usize, Failure> {
    let failed = |source| Failure::Output(source);
    let reasons: HashMap<u32, &str> = failures
        .iter()
        .map(|failure| (failure.line, failure.reason.as_str()))
        .collect();
    let mut rows = Rows::open(source, delimiter)?;
    let header = rows.header()?;
    // Where a file comes back a second time, its old reasons make place for the new ones.
    let old = header
        .iter()
        .position(|cell| cell.trim_ascii().eq_ignore_ascii_case(FAILURE.as_bytes()));
    let mut file = BufWriter::new(File::create(path).map_err(failed)?);
    // So that spreadsheets take it for UTF-8.
    file.write_all("\u{feff}".as_bytes()).map_err(failed)?;
    let mut writer = WriterBuilder::new()
        .delimiter(rows.delimiter())
        .flexible(true)
        .from_writer(file);
    let mut put = |record: &ByteRecord, told: &str| {
        let cells = record
            .iter()
            .enumerate()
            .filter(|(place, _)| Some(*place) != old)
            .map(|(_, cell)| cell);
        writer
            .write_record(cells.chain([told.as_bytes()]))
            .map_err(|error| Failure::Output(error.into()))
    };
    put(&header, FAILURE)?;
    let mut record = ByteRecord::new();
    let mut count = 0;
    while let Some(line) = rows.next(&mut record)? {
        if let Some(reason) = reasons.get(&line) {
            put(&record, reason)?;
            count += 1;
        }
    }
    writer.flush().map_err(failed)?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_rows_come_with_the_reason_and_can_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a.csv"), folder.path().join("b.csv"));
        std::fs::write(&from, "name;login;failure\nAnn;;old\nBo;bo;\n\"C\nc\";;\n").unwrap();
        let source = Source::open(&from, None).unwrap();
        let failures = [2, 4].map(|line| v1::RowFailure {
            line,
            reason: "login: it is empty".to_owned(),
        });
        assert_eq!(write(&source, None, &failures, &to).unwrap(), 2);
        let text = std::fs::read_to_string(&to).unwrap();
        assert_eq!(
            text,
            "\u{feff}name;login;failure\nAnn;;login: it is empty\n\"C\nc\";;login: it is empty\n"
        );
    }
}
