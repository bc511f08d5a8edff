//! The schema's history with rows in it: at each step every table holds one, and each later step leaves what it says.
//!
//! A row is made from the catalogue: what must have a value gets one of its type, the first of those that its check names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use local::test_database::TestDatabase;
use serde_json::Value;

/// Tables and their partitions' parents, in the order of their names.
const TABLES: &str = "SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1";

/// Columns that may be empty, but that a check on several asks for.
const ALSO: [(&str, &str); 4] = [
    ("mapping_field", "attribute"),
    ("link_edit", "to_account_id"),
    ("schedule", "frequency,start_local"),
    ("schedule_slot", "run_id"),
];

/// A table's rows by their text, as JSON.
type Rows = Vec<Value>;

fn migrations() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

async fn tables(database: &TestDatabase) -> Vec<String> {
    let tables = database.sql(TABLES).await.unwrap();
    tables.lines().map(str::to_owned).collect()
}

async fn rows(database: &TestDatabase, table: &str) -> Rows {
    let rows = database
        .sql(&format!("SELECT to_jsonb(t) FROM {table} t"))
        .await
        .unwrap();
    rows.lines()
        .map(|row| serde_json::from_str(row).unwrap())
        .collect()
}

/// Puts a row into `table` with a value for each column that must have one.
async fn fill(database: &TestDatabase, table: &str) {
    let also = ALSO.iter().find(|(wanting, _)| *wanting == table);
    let also = also.map_or("", |(_, columns)| columns);
    let columns = database
        .sql(&format!(
            "SELECT a.attname, format_type(a.atttypid, NULL),
                 (SELECT substring(pg_get_constraintdef(k.oid) FROM '''([a-z_]+)''::text') FROM pg_constraint k
                  WHERE k.conrelid = a.attrelid AND k.contype = 'c' AND k.conkey = ARRAY[a.attnum] LIMIT 1)
             FROM pg_attribute a
             WHERE a.attrelid = '{table}'::regclass AND a.attnum > 0 AND NOT a.attisdropped
                 AND (a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' OR a.attname = ANY ('{{{also}}}'))
             ORDER BY a.attnum"
        ))
        .await
        .unwrap();
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for column in columns.lines() {
        let mut parts = column.split('|');
        let mut next = || parts.next().unwrap_or_default();
        let (name, kind, allowed) = (next(), next(), next());
        names.push(name.to_owned());
        values.push(value(kind, allowed));
    }
    // The rows are there for themselves: what they refer to is not looked at.
    let statement = format!(
        "SET session_replication_role = replica; INSERT INTO {table} ({}) VALUES ({})",
        names.join(", "),
        values.join(", ")
    );
    if let Err(error) = database.sql(&statement).await {
        panic!("{table} takes no row of this test's: {statement}: {error}");
    }
}

fn value(kind: &str, allowed: &str) -> String {
    let id = "00000000-0000-7000-8000-000000000001";
    let text = match kind {
        "uuid" => id,
        "text" | "character varying" if allowed.is_empty() => "something",
        "text" | "character varying" => allowed,
        "timestamp with time zone" => "2026-01-02T03:04:05Z",
        "timestamp without time zone" => "2026-01-02T03:04:05",
        "time without time zone" => "03:04:05",
        "date" => "2026-01-02",
        "boolean" => "true",
        "bytea" => "\\x0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20",
        "jsonb" | "json" => "{}",
        "smallint" | "integer" | "bigint" => "1",
        array if array.ends_with("[]") => "{}",
        other => panic!("a value for {other} is missing here"),
    };
    format!("'{text}'")
}

/// Whether a row still says what it said: nothing of it is missing or other. What has come is not looked at.
fn says(now: &Value, before: &Value) -> bool {
    let (now, before) = (now.as_object().unwrap(), before.as_object().unwrap());
    before
        .iter()
        .all(|(column, value)| now.get(column) == Some(value))
}

#[tokio::test]
async fn what_is_stored_at_any_step_is_there_after_each_later_one() {
    let database = TestDatabase::empty().await.unwrap();
    let mut known: BTreeMap<String, Rows> = BTreeMap::new();
    for file in migrations() {
        let text = std::fs::read_to_string(&file).unwrap();
        let step = file.file_name().unwrap().to_string_lossy().into_owned();
        database
            .sql(&text)
            .await
            .unwrap_or_else(|error| panic!("{step} can't be applied to tables with rows: {error}"));
        for (table, before) in &known {
            let now = rows(&database, table).await;
            for row in before {
                assert!(
                    now.iter().any(|now| says(now, row)),
                    "{step} changed or lost in {table}: {row}; now {now:?}"
                );
            }
        }
        for table in tables(&database).await {
            let mut held = rows(&database, &table).await;
            if held.is_empty() {
                fill(&database, &table).await;
                held = rows(&database, &table).await;
                assert!(!held.is_empty(), "{table}");
            }
            known.insert(table, held);
        }
    }
    assert!(known.len() > 40, "{known:?}");
}
