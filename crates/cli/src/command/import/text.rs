//! A file as UTF-8, whatever it is written in, and as often as it is wanted.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use tempfile::NamedTempFile;

use crate::failure::Failure;

/// Bytes that are decoded at a time.
const CHUNK: usize = 16 << 10;

/// A file and what it is written in.
pub struct Source {
    path: PathBuf,
    /// What can be read only once, such as standard input, is kept here.
    copy: Option<NamedTempFile>,
    encoding: &'static Encoding,
    /// Bytes of byte order mark.
    mark: u64,
    /// What people should know of how it was read.
    note: Option<String>,
}

/// A file's text from its beginning, without the byte order mark.
pub struct Text {
    input: BufReader<File>,
    /// None: it is UTF-8, and handed on as it is.
    decoder: Option<Decoder>,
    decoded: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
}

impl Source {
    /// Opens a file, `-` being standard input. A byte order mark says what it is written in, else `wanted`, else the look of it.
    pub fn open(path: &Path, wanted: Option<&'static Encoding>) -> Result<Self, Failure> {
        let failed = |source| Failure::File {
            path: path.to_owned(),
            source,
        };
        let copy = spooled(path).map_err(failed)?;
        let mut source = Self {
            path: path.to_owned(),
            copy,
            encoding: UTF_8,
            mark: 0,
            note: None,
        };
        source.recognize(wanted).map_err(failed)?;
        Ok(source)
    }

    /// As it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What people should know of how it was read.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// The text from the beginning.
    pub fn text(&self) -> Result<Text, Failure> {
        let open = || {
            let mut file = self.file()?;
            file.seek(SeekFrom::Start(self.mark))?;
            Ok(file)
        };
        let file = open().map_err(|source| self.failed(source))?;
        let plain = self.encoding == UTF_8;
        Ok(Text {
            input: BufReader::with_capacity(CHUNK, file),
            decoder: (!plain).then(|| self.encoding.new_decoder_without_bom_handling()),
            decoded: vec![0; if plain { 0 } else { CHUNK }],
            start: 0,
            end: 0,
            ended: false,
        })
    }

    /// A failure to read it.
    pub fn failed(&self, source: io::Error) -> Failure {
        Failure::File {
            path: self.path.clone(),
            source,
        }
    }

    /// A refusal of what it holds.
    pub fn refuse(&self, problem: &str) -> Failure {
        Failure::Refused(format!("{}: {problem}", self.path.display()))
    }

    fn file(&self) -> io::Result<File> {
        match &self.copy {
            Some(copy) => copy.reopen(),
            None => File::open(&self.path),
        }
    }

    fn recognize(&mut self, wanted: Option<&'static Encoding>) -> io::Result<()> {
        let mut first = Vec::new();
        self.file()?.take(4).read_to_end(&mut first)?;
        if let Some((encoding, mark)) = Encoding::for_bom(&first) {
            self.encoding = encoding;
            self.mark = u64::try_from(mark).unwrap_or_default();
            if let Some(wanted) = wanted.filter(|wanted| *wanted != encoding) {
                self.note = Some(format!(
                    "its byte order mark says {}, not {}; it was read as {0}",
                    encoding.name(),
                    wanted.name()
                ));
            }
            return Ok(());
        }
        self.encoding = match (wanted, first.as_slice()) {
            (Some(wanted), _) => wanted,
            // A header begins with a letter or a quote, of which UTF-16 has one zero byte.
            (None, [first, 0, ..]) if *first != 0 => UTF_16LE,
            (None, [0, second, ..]) if *second != 0 => UTF_16BE,
            (None, _) => match line_that_is_not_utf8(self.file()?)? {
                None => UTF_8,
                Some(line) => {
                    self.note = Some(format!(
                        "line {line} is not UTF-8, so it was read as {}; say --encoding if names look wrong",
                        WINDOWS_1252.name()
                    ));
                    WINDOWS_1252
                }
            },
        };
        Ok(())
    }
}

/// A copy of what can't be read twice.
fn spooled(path: &Path) -> io::Result<Option<NamedTempFile>> {
    let mut copy;
    if path == Path::new("-") {
        copy = NamedTempFile::new()?;
        io::copy(&mut io::stdin().lock(), copy.as_file_mut())?;
    } else if std::fs::metadata(path)?.is_file() {
        return Ok(None);
    } else {
        let mut pipe = File::open(path)?;
        copy = NamedTempFile::new()?;
        io::copy(&mut pipe, copy.as_file_mut())?;
    }
    Ok(Some(copy))
}

fn line_that_is_not_utf8(file: File) -> io::Result<Option<usize>> {
    let mut input = BufReader::with_capacity(CHUNK, file);
    let mut line = 1;
    let mut held: Vec<u8> = Vec::new();
    loop {
        let bytes = input.fill_buf()?;
        let (length, ended) = (bytes.len(), bytes.is_empty());
        held.extend_from_slice(bytes);
        input.consume(length);
        let (valid, bad) = match str::from_utf8(&held) {
            Ok(_) => (held.len(), false),
            // Cut off within a character: the rest may be in the next chunk.
            Err(error) => (error.valid_up_to(), ended || error.error_len().is_some()),
        };
        line += memchr::memchr_iter(b'\n', &held[..valid]).count();
        if bad {
            return Ok(Some(line));
        }
        if ended {
            return Ok(None);
        }
        held.drain(..valid);
    }
}

impl Read for Text {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(decoder) = &mut self.decoder else {
            return self.input.read(buffer);
        };
        while self.start == self.end && !self.ended {
            let bytes = self.input.fill_buf()?;
            let last = bytes.is_empty();
            // What can't be decoded becomes U+FFFD, of which the row is told.
            let (result, read, written, _) = decoder.decode_to_utf8(bytes, &mut self.decoded, last);
            self.input.consume(read);
            (self.start, self.end) = (0, written);
            self.ended = last && result == CoderResult::InputEmpty;
        }
        let count = buffer.len().min(self.end - self.start);
        buffer[..count].copy_from_slice(&self.decoded[self.start..self.start + count]);
        self.start += count;
        Ok(count)
    }
}

/// `auto`, or the name of an encoding as browsers know it.
pub fn encoding(name: &str) -> Result<Option<&'static Encoding>, String> {
    if name.eq_ignore_ascii_case("auto") {
        return Ok(None);
    }
    Encoding::for_label_no_replacement(name.as_bytes())
        .map(Some)
        .ok_or_else(|| {
            "it is no encoding; use auto, utf-8, utf-16, utf-16be, windows-1252, iso-8859-2, …".to_owned()
        })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn source(bytes: &[u8], wanted: &str) -> (NamedTempFile, Source) {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let source = Source::open(file.path(), encoding(wanted).unwrap()).unwrap();
        (file, source)
    }

    fn text(bytes: &[u8], wanted: &str) -> String {
        let (_file, source) = source(bytes, wanted);
        let mut text = String::new();
        source.text().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    fn utf16(text: &str, big: bool) -> Vec<u8> {
        let units = text.encode_utf16();
        units
            .flat_map(|unit| {
                if big {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            })
            .collect()
    }

    #[test]
    fn every_encoding_gives_the_same_text() {
        let told = "name,login\nZoë Łuk 🙂,zoe\n";
        for big in [false, true] {
            assert_eq!(text(&utf16(&format!("\u{feff}{told}"), big), "auto"), told);
            assert_eq!(text(&utf16(told, big), "auto"), told, "without a mark");
        }
        assert_eq!(text(told.as_bytes(), "auto"), told);
        assert_eq!(text(format!("\u{feff}{told}").as_bytes(), "auto"), told);
        assert_eq!(text(b"name\nJos\xe9 \x80\n", "auto"), "name\nJosé €\n");
        assert_eq!(text(b"name\n\xb3uk\n", "iso-8859-2"), "name\nłuk\n");
    }

    #[test]
    fn a_guess_and_a_contradiction_are_told() {
        let (_file, guessed) = source(b"name\n\n\xe9\n", "auto");
        assert!(guessed.note().unwrap().contains("line 3 is not UTF-8"));
        let (_file, marked) = source("\u{feff}name\n".as_bytes(), "windows-1252");
        assert!(marked.note().unwrap().contains("read as UTF-8"));
        let (_file, plain) = source("näme\n".as_bytes(), "auto");
        assert_eq!(plain.note(), None);
    }

    #[test]
    fn characters_across_chunks_are_whole() {
        let told = "ä".repeat(CHUNK) + "x" + &"€🙂".repeat(CHUNK);
        assert_eq!(text(told.as_bytes(), "auto"), told);
        assert_eq!(text(&utf16(&told, false), "utf-16"), told);
        let mut bad = told.into_bytes();
        bad.pop();
        let (_file, cut) = source(&bad, "auto");
        assert!(cut.note().is_some());
    }

    #[test]
    fn unknown_encodings_are_refused() {
        assert!(encoding("ebcdic").unwrap_err().contains("windows-1252"));
        assert_eq!(encoding("AUTO").unwrap(), None);
    }
}
