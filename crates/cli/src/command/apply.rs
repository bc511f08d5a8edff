//! `apply`: creates and changes what YAML files describe.

use std::fmt::Write as _;

use contracts::v1::{ApplyConfigurationRequest, ApplyConfigurationResponse, DocumentChange};
use tonic_types::StatusExt;

use crate::api::idempotency_key;
use crate::command::Session;
use crate::environment;
use crate::failure::Failure;
use crate::show::escape;
use crate::yaml::section::Problem;
use crate::yaml::{self, Placed};

const EXAMPLES: &str = "\
Applying the same files twice changes nothing. Either everything is applied or nothing.
Secrets are read here and now: clientSecret: { fromEnv: NAME } or { fromFile: PATH }, a path
relative to the working directory. Without any secret the stored ones stay.

Examples:
  CONTOSO_SECRET=… rollcall apply -f contoso.yaml
  rollcall apply -f connections.yaml -f mappings.yaml
  rollcall export | sed … | rollcall apply -f -";

/// Which files.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A YAML file with one or more documents, or - for standard input; may be repeated
    #[arg(short = 'f', long = "file", value_name = "FILE", required = true)]
    files: Vec<String>,
}

/// Applies and says what was created, updated or left.
pub async fn run(session: &Session, args: &Args) -> Result<(), Failure> {
    let answer = send(session, &args.files, false).await?;
    session
        .output
        .answer(&answer, |answer| told(&answer.changes, false))
}

/// Reads the files and has api apply them, or only say what that would change. Warnings go to standard error.
pub async fn send(
    session: &Session,
    files: &[String],
    dry_run: bool,
) -> Result<ApplyConfigurationResponse, Failure> {
    let placed = yaml::load(files, &environment::variable).map_err(Failure::Configuration)?;
    if placed.is_empty() {
        return Err(Failure::Refused(format!("no documents in {}", files.join(", "))));
    }
    let message = ApplyConfigurationRequest {
        documents: placed.iter().map(|placed| placed.document.clone()).collect(),
        dry_run,
        idempotency_key: if dry_run { String::new() } else { idempotency_key() },
    };
    let api = session.api().await?;
    let answer = api
        .call(message, async |request| {
            api.configuration().apply_configuration(request).await
        })
        .await
        .map_err(|failure| with_places(failure, &placed))?;
    for warning in &answer.warnings {
        eprintln!("warning: {}", escape(warning));
    }
    Ok(answer)
}

/// One line per document, the changed properties below it; those of a new one only where nothing is applied yet.
pub fn told(changes: &[DocumentChange], dry_run: bool) -> String {
    let mut text = String::new();
    for change in changes {
        let (kind, name) = (change.kind.to_lowercase(), escape(&change.name));
        let name = if name.eq_ignore_ascii_case(&kind) {
            String::new()
        } else {
            format!(" {name}")
        };
        let _ = writeln!(text, "{:9}  {kind}{name}", change.action);
        if change.action == "created" && !dry_run {
            continue;
        }
        for property in &change.properties {
            let value = |value: &str| {
                if value.is_empty() {
                    "(none)".to_owned()
                } else {
                    escape(value)
                }
            };
            let path = escape(&property.path);
            let _ = writeln!(
                text,
                "           {path}: {} → {}",
                value(&property.old),
                value(&property.new)
            );
        }
    }
    let of = |action| changes.iter().filter(|change| change.action == action).count();
    let (created, updated, unchanged) = (of("created"), of("updated"), of("unchanged"));
    let _ = if dry_run {
        writeln!(
            text,
            "{created} to create, {updated} to update, {unchanged} unchanged"
        )
    } else {
        writeln!(
            text,
            "{created} created, {updated} updated, {unchanged} unchanged"
        )
    };
    text
}

/// Turns the violations that api found into problems with the place where the field is written.
fn with_places(failure: Failure, placed: &[Placed]) -> Failure {
    let Failure::Rpc { status, .. } = &failure else {
        return failure;
    };
    let Some(bad) = status.get_details_bad_request() else {
        return failure;
    };
    let problems: Vec<_> = bad
        .field_violations
        .iter()
        .map_while(|violation| place(&violation.field, &violation.description, placed))
        .collect();
    if problems.is_empty() || problems.len() < bad.field_violations.len() {
        return failure;
    }
    Failure::Configuration(problems)
}

/// `documents[2].connection.tenantId` → file, line and column of that key's value.
fn place(field: &str, description: &str, placed: &[Placed]) -> Option<Problem> {
    let (index, path) = field.strip_prefix("documents[")?.split_once(']')?;
    let document = placed.get(index.parse::<usize>().ok()?)?;
    let path = path.strip_prefix('.').unwrap_or(path);
    let inner = document.inner_path(path);
    let colon = if inner.is_empty() { "" } else { ": " };
    Some(Problem {
        file: document.file.clone(),
        at: document.place_of(path),
        message: format!("{}: {inner}{colon}{description}", document.label),
    })
}

#[cfg(test)]
mod tests {
    use contracts::v1::PropertyChange;
    use tonic::{Code, Status};
    use tonic_types::ErrorDetails;

    use super::*;

    fn violated(fields: &[(&str, &str)]) -> Failure {
        let mut details = ErrorDetails::new();
        for (field, description) in fields {
            details.add_bad_request_violation(*field, *description);
        }
        let status = Status::with_error_details(Code::InvalidArgument, "refused", details);
        Failure::Rpc {
            url: String::new(),
            status: Box::new(status),
        }
    }

    fn documents() -> Vec<Placed> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.yaml");
        let text = "kind: Settings\n---\nkind: Mapping\nname: m\nconnection: nobody\n";
        std::fs::write(&path, text).unwrap();
        let mut placed = yaml::load(&[path.to_str().unwrap().to_owned()], &environment::variable).unwrap();
        for document in &mut placed {
            document.file = "c.yaml".to_owned();
        }
        placed
    }

    #[test]
    fn what_api_refuses_is_told_with_its_place() {
        let failure = with_places(
            violated(&[
                ("documents[1].mapping.connection", "no connection has this name"),
                ("documents[1]", "no"),
            ]),
            &documents(),
        );
        assert_eq!(
            failure.report(),
            "error: c.yaml:5:13: mapping m: connection: no connection has this name\n\
             error: c.yaml:3:1: mapping m: no\n2 errors; nothing was applied\n"
        );
    }

    #[test]
    fn what_has_no_place_is_told_as_it_came() {
        let failure = with_places(violated(&[("documents[7].mapping", "what?")]), &documents());
        assert_eq!(failure.report(), "error: documents[7].mapping: what?\n");
    }

    #[test]
    fn changes_read_old_to_new() {
        let change = |kind: &str, action: &str| DocumentChange {
            kind: kind.to_owned(),
            name: "contoso".to_owned(),
            action: action.to_owned(),
            properties: vec![PropertyChange {
                path: "brake.percent".to_owned(),
                old: String::new(),
                new: "5\n".to_owned(),
            }],
        };
        let changes = [change("Connection", "updated"), change("Mapping", "created")];
        assert_eq!(
            told(&changes, false),
            "updated    connection contoso\n           brake.percent: (none) → 5\\n\ncreated    mapping contoso\n\
             1 created, 1 updated, 0 unchanged\n"
        );
        assert!(told(&changes, true).ends_with("1 to create, 1 to update, 0 unchanged\n"));
    }
}
