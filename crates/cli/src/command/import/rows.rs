//! The rows of a CSV file, each with the line on which it starts.

use std::io::{BufRead, BufReader, Read};

use csv::{ByteRecord, Reader, ReaderBuilder};

use crate::command::import::header;
use crate::command::import::text::{Source, Text};
use crate::failure::Failure;

/// The longest header line.
const HEADER_BYTES: u64 = 64 << 10;

/// A file that is being read, row by row.
pub struct Rows<'a> {
    source: &'a Source,
    reader: Reader<Text>,
    lines: Lines,
    /// Where the header begins: behind a line that only names the delimiter.
    start: u64,
    delimiter: u8,
}

impl<'a> Rows<'a> {
    /// Begins at the header. Without a delimiter it is seen from the first line.
    pub fn open(source: &'a Source, delimiter: Option<u8>) -> Result<Self, Failure> {
        let mut first = Vec::new();
        source
            .text()?
            .take(HEADER_BYTES)
            .read_to_end(&mut first)
            .map_err(|error| source.failed(error))?;
        let (skipped, named) = header::named_delimiter(&first);
        let delimiter = delimiter
            .or(named)
            .unwrap_or_else(|| header::delimiter(&String::from_utf8_lossy(&first[skipped..])));
        let mut text = source.text()?;
        text.read_exact(&mut first[..skipped])
            .map_err(|error| source.failed(error))?;
        let reader = ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .from_reader(text);
        Ok(Self {
            source,
            reader,
            lines: Lines::of(source.text()?),
            start: u64::try_from(skipped).unwrap_or_default(),
            delimiter,
        })
    }

    /// What parts the cells.
    pub const fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// The cells of the first line.
    pub fn header(&mut self) -> Result<ByteRecord, Failure> {
        let Self { source, reader, .. } = self;
        reader.byte_headers().cloned().map_err(|error| Failure::Csv {
            path: source.path().to_owned(),
            source: error,
        })
    }

    /// Reads the next row into `record` and says on which line it starts; nothing at the end.
    pub fn next(&mut self, record: &mut ByteRecord) -> Result<Option<u32>, Failure> {
        let found = self
            .reader
            .read_byte_record(record)
            .map_err(|error| Failure::Csv {
                path: self.source.path().to_owned(),
                source: error,
            })?;
        if !found {
            return Ok(None);
        }
        let byte = record.position().map_or(0, csv::Position::byte) + self.start;
        self.lines
            .at(byte)
            .map(Some)
            .map_err(|error| self.source.failed(error))
    }
}

/// Counts lines along the file, whether they end in LF, CR LF or CR. The CSV reader's own count is one behind where lines
/// end in CR LF, and does not know the empty lines before a row.
struct Lines {
    file: BufReader<Text>,
    byte: u64,
    line: u32,
    /// Whether the byte before ended a line by itself: a LF behind it belongs to it.
    after_return: bool,
}

impl Lines {
    fn of(text: Text) -> Self {
        Self {
            file: BufReader::new(text),
            byte: 0,
            line: 1,
            after_return: false,
        }
    }

    /// The line of the first byte from `byte` on that ends no line. Only goes forward.
    fn at(&mut self, byte: u64) -> std::io::Result<u32> {
        loop {
            let buffer = self.file.fill_buf()?;
            if buffer.is_empty() {
                return Ok(self.line);
            }
            let mut passed = 0;
            let mut whole = true;
            for value in buffer {
                let ends = matches!(value, b'\r' | b'\n');
                if self.byte >= byte && !ends {
                    whole = false;
                    break;
                }
                if *value == b'\r' || (*value == b'\n' && !self.after_return) {
                    self.line = self.line.saturating_add(1);
                }
                self.after_return = *value == b'\r';
                self.byte += 1;
                passed += 1;
            }
            self.file.consume(passed);
            if !whole {
                return Ok(self.line);
            }
        }
    }
}
