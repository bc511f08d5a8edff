//! Expand, then contract: while a new version comes, the one before it still runs on the same tables. What a migration may
//! do to them is said in crates/store/README.md; this reads each statement.

use super::migrations::all;
use super::{assert_none, read, root};

/// What there was before the first release: nobody upgraded across it with anything running.
const BEFORE_THE_FIRST_RELEASE: [&str; 15] = [
    "0001_foundation.sql",
    "0002_criteria.sql",
    "0003_groups.sql",
    "0004_manual_runs.sql",
    "0005_passwords.sql",
    "0006_links.sql",
    "0007_people.sql",
    "0008_groups_whole.sql",
    "0009_schedules.sql",
    "0010_leavers.sql",
    "0011_undo.sql",
    "0012_quarantine.sql",
    "0013_history.sql",
    "0014_repeats.sql",
    "0015_returning.sql",
];

/// Above a statement that takes away: since which version nothing uses it any more, and why it may go.
const CONTRACT: &str = "-- contract (unused since ";
/// The first line of a file that runs outside a transaction.
const NO_TRANSACTION: &str = "-- no-transaction";
/// Functions whose answer differs from row to row: as a default they rewrite the table.
const VOLATILE: [&str; 5] = [
    "random(",
    "gen_random_uuid(",
    "clock_timestamp(",
    "nextval(",
    "uuid_generate",
];

/// A statement with the comment lines above it.
struct Statement {
    comments: Vec<String>,
    /// In one line, single spaces, without comments.
    text: String,
}

/// Divides a file at the semicolons that are in no quotes.
fn statements(file: &str) -> Vec<Statement> {
    let (mut found, mut comments, mut text) = (Vec::new(), Vec::new(), String::new());
    let (mut in_dollars, mut in_quotes) = (false, false);
    for line in file.lines() {
        if !in_dollars && !in_quotes && line.trim_start().starts_with("--") {
            comments.push(line.trim().to_owned());
            continue;
        }
        let mut rest = line;
        while let Some(next) = rest.chars().next() {
            let step = if !in_quotes && rest.starts_with("$$") {
                in_dollars = !in_dollars;
                2
            } else {
                in_quotes ^= next == '\'' && !in_dollars;
                next.len_utf8()
            };
            let (taken, after) = rest.split_at(step);
            rest = after;
            if taken == ";" && !in_quotes && !in_dollars {
                let text = std::mem::take(&mut text);
                found.push(Statement {
                    comments: std::mem::take(&mut comments),
                    text: text.split_whitespace().collect::<Vec<_>>().join(" "),
                });
            } else {
                text.push_str(taken);
            }
        }
        text.push(' ');
    }
    assert_eq!(text.trim(), "", "a statement without its semicolon");
    found
}

/// What is against the rule in a file; `released` is the version that is being made.
fn against_the_rule(file: &str, released: &str) -> Vec<String> {
    let all = statements(file);
    let alone = all.len() == 1 && file.starts_with(NO_TRANSACTION);
    let mut made: Vec<String> = Vec::new();
    let mut wrong = Vec::new();
    for statement in &all {
        let text = &statement.text;
        if let Some(table) = text.strip_prefix("CREATE TABLE ") {
            made.extend(name(table));
            continue;
        }
        let problem = match contract(statement) {
            Some(since) if older(since, released) => None,
            Some(since) => Some(format!("unused since {since} only, and {released} is being made")),
            None => problem(text, &made, alone).map(str::to_owned),
        };
        wrong.extend(problem.map(|problem| format!("{problem}: {text}")));
    }
    wrong
}

fn contract(statement: &Statement) -> Option<&str> {
    let marked = statement
        .comments
        .iter()
        .find_map(|line| line.strip_prefix(CONTRACT))?;
    let (since, reason) = marked.split_once("):")?;
    (!reason.trim().is_empty()).then_some(since)
}

/// Whether one version comes before another, in numbers.
fn older(one: &str, other: &str) -> bool {
    let numbers =
        |version: &str| -> Vec<u32> { version.split('.').map(|part| part.parse().unwrap()).collect() };
    numbers(one) < numbers(other)
}

fn problem(text: &str, made: &[String], alone: bool) -> Option<&'static str> {
    if text.starts_with("COMMENT ON ") {
        return None;
    }
    if let Some(index) = text.strip_prefix("CREATE INDEX ") {
        return index_problem(index, made, alone);
    }
    if let Some(index) = text.strip_prefix("CREATE UNIQUE INDEX ") {
        let old = on(index).is_none_or(|table| !made.contains(&table));
        return old.then_some("the version before may write what is there twice");
    }
    if let Some(change) = text.strip_prefix("ALTER TABLE ") {
        if made.contains(&name(change)?) {
            return None;
        }
        return actions(change).into_iter().find_map(action_problem);
    }
    Some("not among what a migration may do without being marked as a contract")
}

fn index_problem(index: &str, made: &[String], alone: bool) -> Option<&'static str> {
    let concurrently = index.starts_with("CONCURRENTLY IF NOT EXISTS ");
    match on(index) {
        Some(table) if made.contains(&table) => None,
        _ if !concurrently => Some("writing stops until it is built; say CONCURRENTLY IF NOT EXISTS"),
        _ if !alone => {
            Some("built concurrently it needs a file of its own that begins with -- no-transaction")
        }
        _ => None,
    }
}

/// What ALTER TABLE does, one by one.
fn actions(change: &str) -> Vec<&str> {
    let Some((_, rest)) = change.split_once(' ') else {
        return Vec::new();
    };
    let (mut actions, mut depth, mut begun) = (Vec::new(), 0_i32, 0);
    for (at, letter) in rest.char_indices() {
        match letter {
            '(' | '{' => depth += 1,
            ')' | '}' => depth -= 1,
            ',' if depth == 0 => {
                actions.push(rest[begun..at].trim());
                begun = at + 1;
            }
            _ => (),
        }
    }
    actions.push(rest[begun..].trim());
    actions
}

fn action_problem(action: &str) -> Option<&'static str> {
    let quiet = [" SET STORAGE ", " SET STATISTICS ", " DROP NOT NULL"];
    if let Some(column) = action.strip_prefix("ADD COLUMN ") {
        let default = column.split_once(" DEFAULT ").map(|(_, default)| default);
        return if column.contains(" NOT NULL") && default.is_none() {
            Some("the version before writes no value: NOT NULL needs a DEFAULT")
        } else if default.is_some_and(|default| VOLATILE.iter().any(|function| default.contains(function))) {
            Some("a default that differs from row to row writes the whole table anew")
        } else if column.contains(" UNIQUE")
            || column.contains(" PRIMARY KEY")
            || column.contains(" GENERATED ")
        {
            Some("it locks the table until an index is built or every row is written anew")
        } else {
            None
        };
    }
    let allowed = action.starts_with("VALIDATE CONSTRAINT ")
        || action.starts_with("SET (")
        || action.starts_with("ALTER COLUMN ") && quiet.iter().any(|quiet| action.contains(quiet));
    (!allowed).then_some("the version before may need it as it was, or the table is locked or written anew")
}

/// The first name.
fn name(text: &str) -> Option<String> {
    let text = text.strip_prefix("IF NOT EXISTS ").unwrap_or(text);
    let text = text.strip_prefix("IF EXISTS ").unwrap_or(text);
    let name = text.split([' ', '(']).next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// The table of an index.
fn on(index: &str) -> Option<String> {
    name(index.split_once(" ON ")?.1)
}

#[test]
fn every_migration_since_the_first_release_expands_or_says_why_it_may_contract() {
    let manifest = read(&root().join("Cargo.toml"));
    let released = manifest
        .lines()
        .find_map(|line| line.strip_prefix("version = \""))
        .and_then(|version| version.strip_suffix('"'))
        .unwrap();
    let mut wrong = Vec::new();
    for (file, text) in all() {
        if !BEFORE_THE_FIRST_RELEASE.contains(&file.as_str()) {
            let found = against_the_rule(&text, released);
            wrong.extend(found.into_iter().map(|found| format!("{file}: {found}")));
        }
    }
    assert_none(&wrong, "the version before can't run beside these migrations:");
}

#[test]
fn what_expands_is_taken() {
    for good in [
        "COMMENT ON COLUMN run.reason IS 'Why; what for.';",
        "CREATE TABLE t (id uuid PRIMARY KEY);\nCREATE UNIQUE INDEX t_once ON t (id);\nALTER TABLE t ADD CHECK (true);",
        "ALTER TABLE run ADD COLUMN a text, ADD COLUMN b integer NOT NULL DEFAULT 0, ADD COLUMN c numeric(3, 1);",
        "ALTER TABLE run ADD COLUMN d uuid[] NOT NULL DEFAULT '{}';",
        "ALTER TABLE run ALTER COLUMN a DROP NOT NULL;",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS run_a ON run (a) WHERE a IS NOT NULL;",
        "-- contract (unused since 0.9): the column b says it better\nALTER TABLE run DROP COLUMN a;",
    ] {
        assert_eq!(against_the_rule(good, "1.0.0"), Vec::<String>::new(), "{good}");
    }
}

#[test]
fn what_takes_away_or_locks_is_refused() {
    for bad in [
        "ALTER TABLE run DROP COLUMN reason;",
        "ALTER TABLE run RENAME COLUMN reason TO why;",
        "ALTER TABLE run RENAME TO sync;",
        "ALTER TABLE run ALTER COLUMN kind TYPE smallint USING 1;",
        "ALTER TABLE run ALTER COLUMN reason SET NOT NULL;",
        "ALTER TABLE run ADD COLUMN a text NOT NULL;",
        "ALTER TABLE run ADD COLUMN a uuid NOT NULL DEFAULT gen_random_uuid();",
        "ALTER TABLE run ADD COLUMN a integer UNIQUE;",
        "ALTER TABLE run ADD COLUMN a text, DROP CONSTRAINT run_pkey;",
        "ALTER TABLE run ADD CONSTRAINT kinds CHECK (kind <> 'x');",
        "CREATE INDEX run_a ON run (a);",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS run_a ON run (a);",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS a ON run (a);\nCOMMENT ON INDEX a IS 'x';",
        "CREATE UNIQUE INDEX run_once ON run (reason);",
        "DROP TABLE run;",
        "DROP INDEX run_manual;",
        "UPDATE run SET reason = 'none';",
        "DO $$ BEGIN EXECUTE 'DROP TABLE run;'; END $$;",
        "-- contract (unused since 1.0.0): too early\nALTER TABLE run DROP COLUMN reason;",
        "-- contract (unused since 0.9):\nALTER TABLE run DROP COLUMN reason;",
    ] {
        assert_eq!(against_the_rule(bad, "1.0.0").len(), 1, "{bad}");
    }
}
