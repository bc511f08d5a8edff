//! The rows of a CSV file, each with the line on which it starts.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use csv::{ByteRecord, Reader, ReaderBuilder};

use crate::command::import::header;
use crate::failure::Failure;

/// The longest header line.
const HEADER_BYTES: u64 = 64 << 10;

/// A file that is being read, row by row.
pub struct Rows {
    path: PathBuf,
    reader: Reader<BufReader<File>>,
    lines: Lines,
    /// Where the header begins: behind the byte order mark.
    start: u64,
}

impl Rows {
    /// Opens the file and sees which delimiter it uses.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |source| Failure::File {
            path: path.to_owned(),
            source,
        };
        let refuse = |problem: &str| Failure::Refused(format!("{}: {problem}", path.display()));
        let file = File::open(path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(refuse(
                "it is no regular file; it is read twice, so save it to one first",
            ));
        }
        let mut file = BufReader::new(file);
        let mut first = Vec::new();
        (&mut file)
            .take(HEADER_BYTES)
            .read_until(b'\n', &mut first)
            .map_err(failed)?;
        if first.starts_with(&[0xff, 0xfe]) || first.starts_with(&[0xfe, 0xff]) {
            return Err(refuse("it is UTF-16; save it as \"CSV UTF-8\""));
        }
        let start = if first.starts_with("\u{feff}".as_bytes()) {
            3
        } else {
            0
        };
        file.seek(SeekFrom::Start(start)).map_err(failed)?;
        let delimiter = header::delimiter(&String::from_utf8_lossy(&first));
        let reader = ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .from_reader(file);
        let lines = Lines::of(File::open(path).map_err(failed)?);
        Ok(Self {
            path: path.to_owned(),
            reader,
            lines,
            start,
        })
    }

    /// The cells of the first line.
    pub fn header(&mut self) -> Result<ByteRecord, Failure> {
        let Self { path, reader, .. } = self;
        reader.byte_headers().cloned().map_err(|source| Failure::Csv {
            path: path.clone(),
            source,
        })
    }

    /// Reads the next row into `record` and says on which line it starts; nothing at the end.
    pub fn next(&mut self, record: &mut ByteRecord) -> Result<Option<u32>, Failure> {
        let Self {
            path,
            reader,
            lines,
            start,
        } = self;
        let found = reader.read_byte_record(record).map_err(|source| Failure::Csv {
            path: path.clone(),
            source,
        })?;
        if !found {
            return Ok(None);
        }
        let byte = record.position().map_or(0, csv::Position::byte) + *start;
        lines.at(byte).map(Some).map_err(|source| Failure::File {
            path: path.clone(),
            source,
        })
    }
}

/// Counts lines along the file. The CSV reader's own count is one behind where lines end in CR LF, and does not know
/// the empty lines before a row.
struct Lines {
    file: BufReader<File>,
    byte: u64,
    line: u32,
}

impl Lines {
    fn of(file: File) -> Self {
        Self {
            file: BufReader::new(file),
            byte: 0,
            line: 1,
        }
    }

    /// The line of the first byte from `byte` on that ends no line. Only goes forward.
    fn at(&mut self, byte: u64) -> std::io::Result<u32> {
        loop {
            let buffer = self.file.fill_buf()?;
            if buffer.is_empty() {
                return Ok(self.line);
            }
            let passed = buffer
                .iter()
                .zip(self.byte..)
                .take_while(|(value, at)| *at < byte || matches!(value, b'\r' | b'\n'))
                .count();
            let ends = memchr::memchr_iter(b'\n', &buffer[..passed]).count();
            let whole = passed == buffer.len();
            self.file.consume(passed);
            self.byte += u64::try_from(passed).unwrap_or_default();
            self.line = self.line.saturating_add(u32::try_from(ends).unwrap_or_default());
            if !whole {
                return Ok(self.line);
            }
        }
    }
}
