//! The first line of a CSV file: which delimiter, which columns.

use domain::field::Field;

use crate::suggest::did_you_mean;

/// A column that is no register field.
const ROLE: &str = "role";
/// The column in which `--failed` tells why a row failed. It is left out when the corrected file comes back.
pub const FAILURE: &str = "failure";

/// What parts the cells: `,`, `;`, `|` or a tab, whichever the first line has most of outside quotes.
pub fn delimiter(text: &str) -> u8 {
    let mut counts = [(b',', 0_u32), (b';', 0), (b'\t', 0), (b'|', 0)];
    let mut quoted = false;
    for byte in text.bytes() {
        if byte == b'"' {
            quoted = !quoted;
        } else if !quoted && matches!(byte, b'\r' | b'\n') {
            break;
        } else if !quoted
            && let Some((_, count)) = counts.iter_mut().find(|(delimiter, _)| *delimiter == byte)
        {
            *count += 1;
        }
    }
    // The last of equals wins, so the comma must come last.
    counts
        .into_iter()
        .rev()
        .max_by_key(|(_, count)| *count)
        .map_or(b',', |(delimiter, _)| delimiter)
}

/// The delimiter that a line `sep=;` before the header names, as spreadsheets write it, and the length of that line.
pub fn named_delimiter(text: &[u8]) -> (usize, Option<u8>) {
    let end = text
        .iter()
        .position(|byte| matches!(byte, b'\r' | b'\n'))
        .unwrap_or(text.len());
    let line = text[..end].trim_ascii();
    let line = line.strip_prefix(b"\"").unwrap_or(line);
    let line = line.strip_suffix(b"\"").unwrap_or(line);
    let named = match line {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] => *delimiter,
        // The tab was trimmed away.
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'='] => b'\t',
        _ => return (0, None),
    };
    let ends = if text[end..].starts_with(b"\r\n") { 2 } else { 1 };
    (text.len().min(end + ends), Some(named))
}

/// A delimiter as people say it: `,`, `;`, `tab`, `pipe`; none for `auto`.
pub fn spoken_delimiter(text: &str) -> Result<Option<u8>, String> {
    match text.to_ascii_lowercase().as_str() {
        "auto" => Ok(None),
        "," | "comma" => Ok(Some(b',')),
        ";" | "semicolon" => Ok(Some(b';')),
        "\t" | "\\t" | "tab" => Ok(Some(b'\t')),
        "|" | "pipe" => Ok(Some(b'|')),
        _ => Err("use auto, comma, semicolon, tab or pipe, or the character itself".to_owned()),
    }
}

/// The register field of every column, by its name in the API; or everything that is wrong with the header.
pub fn columns<'a>(cells: impl Iterator<Item = &'a str>) -> Result<Vec<String>, Vec<String>> {
    let mut columns: Vec<String> = Vec::new();
    let mut problems = Vec::new();
    for (index, cell) in cells.enumerate() {
        let number = index + 1;
        match column(cell.trim()) {
            Ok(column) if columns.contains(&column) => {
                problems.push(format!("column {number}: {column:?} is there twice"));
            }
            Ok(column) => columns.push(column),
            Err(problem) => problems.push(format!("column {number}: {problem}")),
        }
    }
    if problems.is_empty() {
        Ok(columns)
    } else {
        Err(problems)
    }
}

/// What every account needs and no column gives. A mapping may give it instead.
pub fn missing(columns: &[String]) -> Option<&'static str> {
    let has = |field: Field| columns.iter().any(|column| column == field.key());
    if !has(Field::Name) {
        return Some("no column is named name, and every account needs one");
    }
    (!has(Field::Login) && !has(Field::Upn))
        .then_some("no column is named login or upn, and every account needs one of them")
}

fn column(cell: &str) -> Result<String, String> {
    if cell.is_empty() {
        return Err("it has no name; name a register field or remove it".to_owned());
    }
    for other in [ROLE, FAILURE] {
        if cell.eq_ignore_ascii_case(other) {
            return Ok(other.to_owned());
        }
    }
    if let Some(field) = Field::of_key(cell) {
        return Ok(field.key().to_owned());
    }
    // Which custom fields there are, api knows.
    if cell
        .get(..7)
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case("custom."))
    {
        return Ok(cell.to_owned());
    }
    let advice = did_you_mean(cell, Field::ALL.iter().map(|field| field.key()).chain([ROLE]));
    Err(format!("the register has no field {cell:?}{advice}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_are_seen() {
        assert_eq!(delimiter("name,login,\"a;b;c;d\""), b',');
        assert_eq!(delimiter("name;login;domain"), b';');
        assert_eq!(delimiter("name\tlogin"), b'\t');
        assert_eq!(delimiter("name"), b',');
        assert_eq!(delimiter("a,b;c"), b',');
        assert_eq!(delimiter("a|b|c\n,,,,,,"), b'|');
        assert_eq!(delimiter("\"a\n,,,\";b;c\n,,,,,,"), b';');
    }

    #[test]
    fn a_line_that_names_the_delimiter_is_none_of_the_rows() {
        assert_eq!(named_delimiter(b"sep=;\r\nname;login"), (7, Some(b';')));
        assert_eq!(named_delimiter(b"\"SEP=|\"\nname"), (8, Some(b'|')));
        assert_eq!(named_delimiter(b"sep=\t\nname"), (6, Some(b'\t')));
        assert_eq!(named_delimiter(b"separator,name\n"), (0, None));
        assert_eq!(named_delimiter(b""), (0, None));
    }

    #[test]
    fn delimiters_are_said_by_name_or_character() {
        for (said, meant) in [("tab", b'\t'), ("\\t", b'\t'), ("PIPE", b'|'), (";", b';')] {
            assert_eq!(spoken_delimiter(said), Ok(Some(meant)));
        }
        assert_eq!(spoken_delimiter("auto"), Ok(None));
        assert!(spoken_delimiter("x").unwrap_err().contains("semicolon"));
    }

    #[test]
    fn a_file_needs_a_name_and_a_login_or_upn() {
        let of = |columns: &[&str]| missing(&columns.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert!(of(&["login"]).unwrap().contains("name"));
        assert!(of(&["name", "domain"]).unwrap().contains("login or upn"));
        assert_eq!(of(&["upn", "name"]), None);
    }

    #[test]
    fn headers_are_register_fields_case_and_underscores_aside() {
        let header = ["Name", "lookup_guid", " JOB TITLE ", "ROLE"];
        assert_eq!(
            columns(header.into_iter()).unwrap(),
            ["name", "lookupGuid", "jobTitle", "role"]
        );
    }

    #[test]
    fn every_wrong_column_is_named() {
        let problems = columns(["name", "e_mial", "", "NAME", "shoe size"].into_iter()).unwrap_err();
        assert_eq!(
            problems,
            [
                "column 2: the register has no field \"e_mial\"; did you mean \"email\"?",
                "column 3: it has no name; name a register field or remove it",
                "column 4: \"name\" is there twice",
                "column 5: the register has no field \"shoe size\"",
            ]
        );
    }
}
