//! The system log (N7): what was done to many records at once, with a CSV of exactly which.

use crate::csv_cell;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A run removed by itself (D9).
    Removals = 1,
    /// A person decided on reviews (D8).
    Reviews = 2,
    /// The last asset of a leaver was returned (B6).
    Returned = 3,
    /// A person had deleted records removed for good.
    Purge = 4,
}

/// Bytes of an entry's CSV, at most.
pub const LARGEST: usize = 16 << 20;

/// The columns. What tells of a person stands behind what does not, see [`forget`].
const COLUMNS: [&str; 8] = [
    "account_id",
    "object_id",
    "role",
    "action",
    "cause",
    "upn",
    "name",
    "note",
];
/// Columns that tell nothing of a person. None of their values needs quoting.
const IMPERSONAL: usize = 5;

/// One record.
#[derive(Clone, Copy, Debug, Default)]
pub struct Line<'a> {
    /// The account or person.
    pub account: &'a str,
    /// The object that feeds it.
    pub object: &'a str,
    /// Its role.
    pub role: &'a str,
    /// What was done to it.
    pub action: &'a str,
    /// Why it left.
    pub cause: &'a str,
    /// Its UPN.
    pub upn: &'a str,
    /// Its name.
    pub name: &'a str,
    /// What else there is to say.
    pub note: &'a str,
}

/// A CSV that grows line by line, up to [`LARGEST`].
#[derive(Clone, Debug)]
pub struct Csv {
    text: String,
    lines: u32,
}

impl Default for Csv {
    fn default() -> Self {
        Self {
            text: csv_cell::row(COLUMNS),
            lines: 0,
        }
    }
}

impl Csv {
    /// Adds a line; `false` when there is no room for it.
    pub fn push(&mut self, line: &Line<'_>) -> bool {
        let cells = [
            line.account,
            line.object,
            line.role,
            line.action,
            line.cause,
            line.upn,
            line.name,
            line.note,
        ];
        // A line stays one line, so that it can be found again by how it begins.
        let cells = cells.map(|cell| cell.replace(char::is_control, " "));
        let row = csv_cell::row(cells.iter().map(String::as_str));
        if self.text.len() + row.len() > LARGEST {
            return false;
        }
        self.text.push_str(&row);
        self.lines += 1;
        true
    }

    /// The header and the lines.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many records it names.
    #[must_use]
    pub const fn lines(&self) -> u32 {
        self.lines
    }
}

/// The CSV without what it says of these accounts; their lines stay, with ids only.
#[must_use]
pub fn forget(csv: &str, accounts: &[String]) -> String {
    let mut text = String::with_capacity(csv.len());
    for line in csv.split_inclusive("\r\n") {
        let account = line.split(',').next().unwrap_or_default();
        if accounts.iter().any(|forgotten| forgotten == account) {
            let kept = line.splitn(IMPERSONAL + 1, ',').take(IMPERSONAL);
            let empty = std::iter::repeat_n("", COLUMNS.len() - IMPERSONAL);
            text.push_str(&csv_cell::row(kept.chain(empty)));
        } else {
            text.push_str(line);
        }
    }
    text
}

impl Kind {
    /// The kind of this number.
    #[must_use]
    pub fn of_number(number: i16) -> Option<Self> {
        [Self::Removals, Self::Reviews, Self::Returned, Self::Purge]
            .into_iter()
            .find(|kind| *kind as i16 == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line<'a>(account: &'a str, name: &'a str) -> Line<'a> {
        Line {
            account,
            object: "o",
            role: "user",
            action: "delete",
            cause: "gone",
            upn: "a@contoso.com",
            name,
            note: "",
        }
    }

    #[test]
    fn lines_are_defused_and_stay_one_line() {
        let mut csv = Csv::default();
        assert!(csv.push(&line("1", "=cmd\r\n2,x")));
        let text = csv.text();
        assert_eq!(text.matches("\r\n").count(), 2, "{text}");
        assert!(
            text.ends_with("1,o,user,delete,gone,a@contoso.com,\"'=cmd  2,x\",\r\n"),
            "{text}"
        );
        assert_eq!(csv.lines(), 1);
    }

    #[test]
    fn it_grows_no_larger_than_it_may() {
        let mut csv = Csv::default();
        let name = "x".repeat(1 << 20);
        let taken = (0..32).filter(|_| csv.push(&line("1", &name))).count();
        assert!(csv.text().len() <= LARGEST);
        assert_eq!((taken, csv.lines()), (15, 15));
    }

    #[test]
    fn who_is_forgotten_leaves_the_ids() {
        let mut csv = Csv::default();
        csv.push(&line("1", "Ann, \"A\""));
        csv.push(&line("12", "Bob"));
        let text = forget(csv.text(), &["1".to_owned()]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[1..],
            [
                "1,o,user,delete,gone,,,",
                "12,o,user,delete,gone,a@contoso.com,Bob,"
            ]
        );
    }
}
