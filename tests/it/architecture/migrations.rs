//! The schema's history is only ever added to, and every table names the one service that writes it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::{files, read, root};

const WRITERS: [&str; 4] = ["api", "fetcher", "notifier", "reconciler"];
/// One line for each migration: SHA-256 and file name, as `sha256sum` writes them.
const CHECKSUMS: &str = include_str!("../migrations.sha256");

pub fn all() -> Vec<(String, String)> {
    let found: Vec<_> = files(&root().join("crates/store/migrations"), "sql")
        .into_iter()
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                read(&path),
            )
        })
        .collect();
    assert!(!found.is_empty());
    found
}

/// What stands between the words and the next space or bracket.
fn named<'a>(text: &'a str, words: &str) -> Vec<&'a str> {
    text.split(words)
        .skip(1)
        .filter_map(|rest| rest.split([' ', '(', '\n']).next())
        .collect()
}

#[test]
fn migrations_are_added_and_never_edited() {
    let mut present = String::new();
    for (name, text) in all() {
        let mut sum = String::new();
        for byte in Sha256::digest(text.as_bytes()) {
            write!(sum, "{byte:02x}").unwrap();
        }
        writeln!(present, "{sum}  {name}").unwrap();
    }
    assert_eq!(
        present, CHECKSUMS,
        "a migration that has run somewhere can't be edited: write another one, and add its line to \
         tests/it/migrations.sha256"
    );
}

#[test]
fn every_table_names_the_one_service_that_writes_it() {
    let mut writers: BTreeMap<String, Option<String>> = BTreeMap::new();
    for (_, text) in all() {
        for table in named(&text, "CREATE TABLE ") {
            writers.entry(table.to_owned()).or_default();
        }
        for rest in text.split("COMMENT ON TABLE ").skip(1) {
            let (table, rest) = rest.split_once(" IS '").unwrap();
            let comment = rest.split("';").next().unwrap();
            let writer = comment
                .rsplit_once("Written by ")
                .and_then(|(_, writer)| writer.split(['.', ',', ' ']).next());
            writers.insert(table.to_owned(), writer.map(str::to_owned));
        }
    }
    assert!(writers.len() > 20, "{writers:?}");
    for (table, writer) in writers {
        let writer = writer.unwrap_or_else(|| panic!("the comment on {table} names no writer"));
        assert!(
            WRITERS.contains(&writer.as_str()),
            "{table} is written by {writer}?"
        );
    }
}

/// Whatever holds an organization's data says whose it is, or belongs to a row that does.
#[test]
fn every_table_belongs_to_an_organization() {
    // By the row that they belong to, or by an id that only the owner has.
    const THROUGH_ANOTHER: [&str; 20] = [
        "organization",
        "connection_health",
        "connection_status",
        "connection_try",
        "credential_expiry",
        "mapping_clause",
        "mapping_field",
        "run_fetch",
        "run_page",
        "run_partition",
        "decision",
        "delta_cursor",
        "directory_group",
        "group_edge",
        "group_mirror",
        "inbox",
        "notice_read",
        "delivery_attempt",
        "former_account",
        "former_link",
    ];
    for (_, text) in all() {
        for rest in text.split("CREATE TABLE ").skip(1) {
            let (table, rest) = rest.split_once(" (").unwrap();
            let body = rest.split("\n);").next().unwrap();
            let own = body.contains("organization_id uuid") || table == "console_session";
            assert_eq!(
                own,
                !THROUGH_ANOTHER.contains(&table),
                "{table}: say whose its rows are, or through which row that is known"
            );
        }
    }
}
