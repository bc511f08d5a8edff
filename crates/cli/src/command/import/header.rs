//! The first line of a CSV file: which delimiter, which columns.

use domain::field::Field;

use crate::suggest::did_you_mean;

/// The one column that is no register field.
const ROLE: &str = "role";

/// What parts the cells: `,`, `;` or a tab, whichever the first line has most of outside quotes.
pub fn delimiter(first_line: &str) -> u8 {
    let mut counts = [(b',', 0_u32), (b';', 0), (b'\t', 0)];
    let mut quoted = false;
    for byte in first_line.bytes() {
        if byte == b'"' {
            quoted = !quoted;
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

fn column(cell: &str) -> Result<String, String> {
    if cell.is_empty() {
        return Err("it has no name; name a register field or remove it".to_owned());
    }
    if cell.eq_ignore_ascii_case(ROLE) {
        return Ok(ROLE.to_owned());
    }
    if let Some(field) = Field::of_key(cell) {
        return Ok(field.key().to_owned());
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
