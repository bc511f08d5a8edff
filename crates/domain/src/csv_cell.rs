//! What goes into a cell of a CSV file that people open in a spreadsheet.

use std::borrow::Cow;

/// The characters that make a spreadsheet take a cell for a formula.
const FORMULA_STARTS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A whole row by RFC 4180, its line end (CR LF) included. Every cell is defused first.
#[must_use]
pub fn row<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let mut line = String::new();
    for (index, cell) in cells.into_iter().enumerate() {
        if index > 0 {
            line.push(',');
        }
        line.push_str(&quote(&defuse(cell)));
    }
    line.push_str("\r\n");
    line
}

/// The text as a spreadsheet shows it without running it: where it would start a formula, an apostrophe goes first.
#[must_use]
pub fn defuse(text: &str) -> Cow<'_, str> {
    if text.starts_with(FORMULA_STARTS) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

fn quote(text: &str) -> Cow<'_, str> {
    if text.contains([',', '"', '\r', '\n']) {
        Cow::Owned(format!("\"{}\"", text.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_defused_wherever_they_start() {
        for start in FORMULA_STARTS {
            assert_eq!(
                defuse(&format!("{start}cmd|' /C calc'!A0")),
                format!("'{start}cmd|' /C calc'!A0")
            );
        }
        assert_eq!(defuse("a=b"), "a=b");
        assert_eq!(defuse(""), "");
    }

    #[test]
    fn a_row_is_quoted_where_it_must_be() {
        assert_eq!(
            row(["a@b", "Ward, \"W\"", "two\nlines", "=1+1,2"]),
            "a@b,\"Ward, \"\"W\"\"\",\"two\nlines\",\"'=1+1,2\"\r\n"
        );
    }
}
