//! Tables for people: aligned in every script, safe to show, never wrapped.

use std::fmt::Write as _;
use std::io::IsTerminal;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Row, TableStyle};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::show::escape;

/// Columns are parted by blanks alone, so that `awk` and `cut` work.
const PLAIN: TableStyle = TableStyle::new();

/// The widest cell of a list on a terminal, in columns. Nothing is cut where a program reads.
const WIDEST: usize = 60;

/// A column's heading and which way it leans.
#[derive(Clone, Copy)]
pub enum Column {
    /// Text.
    Left(&'static str),
    /// Counts.
    Right(&'static str),
}

/// A list as a table with a heading.
pub struct Table {
    grid: comfy_table::Table,
    columns: Vec<Column>,
    cut: bool,
}

impl Table {
    /// Cells are cut to a sensible width when standard output is a terminal.
    pub fn new(columns: &[Column]) -> Self {
        Self::with_cut(columns, std::io::stdout().is_terminal())
    }

    /// A table whose cells stay whole wherever it is shown.
    pub fn whole(columns: &[Column]) -> Self {
        Self::with_cut(columns, false)
    }

    fn with_cut(columns: &[Column], cut: bool) -> Self {
        let mut table = comfy_table::Table::new();
        table
            .load_style(PLAIN)
            .set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(Row::from(
            columns
                .iter()
                .map(|column| column.cell(column.title()))
                .collect::<Vec<_>>(),
        ));
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        Self {
            grid: table,
            columns: columns.to_vec(),
            cut,
        }
    }

    /// Adds a row; cells are made safe here.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        let cells: Vec<Cell> = cells
            .into_iter()
            .zip(&self.columns)
            .map(|(text, column)| {
                let text = escape(&text);
                column.cell(&if self.cut { shorten(&text, WIDEST) } else { text })
            })
            .collect();
        self.grid.add_row(Row::from(cells));
    }

    /// The lines, or `nothing` when there is no row.
    pub fn into_text(self, nothing: &str) -> String {
        if self.grid.is_empty() {
            return format!("{nothing}\n");
        }
        trimmed(&self.grid)
    }
}

impl Column {
    fn title(self) -> &'static str {
        match self {
            Self::Left(title) | Self::Right(title) => title,
        }
    }

    fn cell(self, text: &str) -> Cell {
        let alignment = match self {
            Self::Left(_) => CellAlignment::Left,
            Self::Right(_) => CellAlignment::Right,
        };
        Cell::new(text).set_alignment(alignment)
    }
}

/// One thing as lines of `Name  value`; what is empty is left out.
#[derive(Default)]
pub struct Card(Vec<(&'static str, String)>);

impl Card {
    /// Adds a line.
    pub fn line(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        if !value.is_empty() {
            self.0.push((name, escape(&value)));
        }
        self
    }

    /// The lines.
    pub fn into_text(self) -> String {
        let width = self
            .0
            .iter()
            .map(|(name, _)| name.width())
            .max()
            .unwrap_or_default();
        let mut text = String::new();
        for (name, value) in self.0 {
            let _ = writeln!(text, "{name:width$}  {value}");
        }
        text
    }
}

/// Cuts to a width in columns, with `…` for what is gone.
fn shorten(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut taken = 0;
    let mut short: String = text
        .chars()
        .take_while(|c| {
            taken += c.width().unwrap_or_default();
            taken < width
        })
        .collect();
    short.push('…');
    short
}

fn trimmed(table: &comfy_table::Table) -> String {
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(cut: bool) -> String {
        let mut table = Table::with_cut(
            &[Column::Left("NAME"), Column::Right("SEEN"), Column::Left("NOTE")],
            cut,
        );
        table.row(["山田 太郎".to_owned(), "1,200".to_owned(), String::new()]);
        table.row(["Zoë\n\u{1b}[31m".to_owned(), "7".to_owned(), "x".repeat(80)]);
        table.into_text("none")
    }

    #[test]
    fn columns_line_up_in_every_script() {
        let expected = format!(
            "NAME              SEEN  NOTE\n山田 太郎        1,200\nZoë\\n\\u{{1b}}[31m      7  {}\n",
            "x".repeat(80)
        );
        let text = sample(false);
        assert_eq!(text, expected);
        let ends: Vec<_> = text
            .lines()
            .map(|line| {
                let end = line
                    .find("SEEN")
                    .map(|at| at + 4)
                    .or_else(|| line.find("1,200").map(|at| at + 5));
                end.or_else(|| line.find(" 7 ").map(|at| at + 2))
                    .map(|end| line[..end].width())
            })
            .collect();
        assert!(ends.iter().all(|end| *end == ends[0]), "{ends:?}");
    }

    #[test]
    fn a_terminal_gets_short_cells() {
        assert!(sample(true).lines().all(|line| line.width() < 90));
        assert_eq!(shorten("山田太郎", 5), "山田…");
        assert_eq!(shorten("山田", 4), "山田");
    }

    #[test]
    fn no_rows_are_said() {
        assert_eq!(
            Table::whole(&[Column::Left("NAME")]).into_text("No runs yet."),
            "No runs yet.\n"
        );
    }

    #[test]
    fn a_card_leaves_out_what_is_empty() {
        let text = Card::default()
            .line("Name", "a")
            .line("Error", "")
            .line("Connection", "b\tc")
            .into_text();
        assert_eq!(text, "Name        a\nConnection  b\\tc\n");
    }
}
