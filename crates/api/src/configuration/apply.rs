//! Applying documents: everything is checked first, then written in one transaction.

use contracts::v1;
use store::{
    Tx, connection, connection_view, credential, custom_field, organization, password_settings, schedule,
};

use super::check::{Wanted, check};
use super::passwords;
use super::write::Writer;
use crate::app::App;
use crate::auth::Caller;
use crate::fault::{Fault, Violation};
use crate::once::Key;

/// Applies the documents. Applying the same ones twice changes nothing. A dry run writes too, and takes it all back.
pub async fn apply(
    app: &App,
    caller: &Caller,
    request: &v1::ApplyConfigurationRequest,
) -> Result<v1::ApplyConfigurationResponse, Fault> {
    let (mut violations, mut warnings) = (Vec::new(), Vec::new());
    let key = Key::of(caller, "ApplyConfiguration", &request.idempotency_key, request)?;
    let mut tx = app.store.begin("configuration.apply").await?;
    organization::lock(tx.connection(), caller.organization()).await?;
    let custom = custom_field::list(tx.connection(), caller.organization()).await?;
    let wanted = check(&request.documents, &custom, &mut violations, &mut warnings);
    if !request.dry_run
        && let Some(answer) = key.claim(app, &mut tx).await?
    {
        return Ok(answer);
    }
    check_references(&mut tx, caller, &wanted, &mut violations).await?;
    if let Some((index, wish)) = &wanted.settings {
        let had = password_settings::find(tx.connection(), caller.organization()).await?;
        passwords::check_stored(
            app,
            caller.organization(),
            (*index, &wish.passwords),
            &had,
            &mut violations,
        );
    }
    if !violations.is_empty() {
        return Err(Fault::Invalid(violations));
    }
    let mut writer = Writer {
        app,
        caller,
        tx: &mut tx,
        now: app.clock.now(),
        changes: Vec::new(),
    };
    writer.write(wanted, &mut warnings).await?;
    let answer = v1::ApplyConfigurationResponse {
        changes: writer.changes,
        warnings,
    };
    if request.dry_run {
        tx.rollback().await?;
    } else {
        key.answer(&mut tx, &answer).await?;
        tx.commit().await?;
        tracing::info!(
            by = caller.name(),
            documents = answer.changes.len(),
            "configuration applied"
        );
    }
    Ok(answer)
}

/// What can only be judged with the stored configuration: names that are referred to, missing secrets, a tenant that
/// may not change any more.
async fn check_references(
    tx: &mut Tx,
    caller: &Caller,
    wanted: &Wanted,
    violations: &mut Vec<Violation>,
) -> Result<(), Fault> {
    let organization = caller.organization();
    // What can't be stored is refused already, and the database would not take it in a question either.
    let known = |name: &str| !name.is_empty() && !name.contains('\0');
    for (index, credential) in wanted
        .credentials
        .iter()
        .filter(|(_, credential)| known(&credential.name))
    {
        let stored = credential::find_by_name(tx.connection(), organization, &credential.name).await?;
        let own = stored.filter(|stored| stored.organization.is_some());
        let next_stored = credential.secret.is_none() && own.as_ref().is_some_and(|own| own.next.is_some());
        if credential.next_expires_on.is_some() && credential.next.is_none() && !next_stored {
            violations.push(Violation {
                path: format!("documents[{index}].credential.nextExpires"),
                problem: "is given, but there is no next secret; write nextClientSecret: { fromEnv: NAME }, or leave \
                          it out"
                    .to_owned(),
            });
        }
        if credential.secret.is_none() && own.is_none_or(|own| own.secret.is_none()) {
            violations.push(Violation {
                path: format!("documents[{index}].credential.clientSecret"),
                problem: "is missing, and none is stored; write clientSecret: { fromEnv: NAME }".to_owned(),
            });
        }
    }
    for (index, wish) in wanted.connections.iter().filter(|(_, wish)| known(&wish.name)) {
        let written = wanted
            .credentials
            .iter()
            .any(|(_, credential)| credential.name == wish.credential);
        if known(&wish.credential) && !written {
            let stored = credential::find_by_name(tx.connection(), organization, &wish.credential).await?;
            if let Some(problem) = unusable(stored.as_ref(), &wish.credential) {
                violations.push(Violation {
                    path: format!("documents[{index}].connection.credential"),
                    problem,
                });
            }
        }
        let stored = connection::find_by_name(tx.connection(), organization, &wish.name).await?;
        if let Some(stored) = stored.filter(|stored| stored.name == wish.name && stored.tenant != wish.tenant)
        {
            let facts = connection_view::of_connections(tx.connection(), &[stored.id]).await?;
            if facts.iter().any(|facts| facts.linked > 0) {
                violations.push(Violation {
                    path: format!("documents[{index}].connection.tenantId"),
                    problem: format!(
                        "can't change any more: accounts are linked to the tenant {}; make another connection for the \
                         other tenant",
                        stored.tenant
                    ),
                });
            }
        }
    }
    for (index, wish) in &wanted.custom_fields {
        let stored = custom_field::list(tx.connection(), organization).await?;
        let other_type = stored
            .0
            .iter()
            .any(|stored| stored.field == wish.field && stored.kind != wish.kind);
        if other_type && custom_field::is_used(tx.connection(), organization, wish.field).await? {
            violations.push(Violation {
                path: format!("documents[{index}].customField.type"),
                problem: "can't change any more: records have values in it; make another field".to_owned(),
            });
        }
    }
    for (index, mapping) in wanted
        .mappings
        .iter()
        .filter(|(_, mapping)| known(&mapping.connection))
    {
        let written = wanted
            .connections
            .iter()
            .any(|(_, connection)| connection.name == mapping.connection);
        let stored = connection::find_by_name(tx.connection(), organization, &mapping.connection).await?;
        if !written && stored.is_none() {
            let names = connection::names(tx.connection(), organization).await?;
            let there = if names.is_empty() {
                String::new()
            } else {
                format!("; there are: {}", names.join(", "))
            };
            violations.push(Violation {
                path: format!("documents[{index}].mapping.connection"),
                problem: format!(
                    "\"{}\" is no connection, here or stored{there}",
                    mapping.connection
                ),
            });
        }
    }
    check_schedules(tx, caller, wanted, violations).await
}

/// Each names a connection, and no connection is named twice.
async fn check_schedules(
    tx: &mut Tx,
    caller: &Caller,
    wanted: &Wanted,
    violations: &mut Vec<Violation>,
) -> Result<(), Fault> {
    let organization = caller.organization();
    for (place, (index, wish)) in wanted.schedules.iter().enumerate() {
        let name = wish.connection.as_str();
        if name.is_empty() || name.contains('\0') || wish.name.contains('\0') {
            continue;
        }
        let written = wanted
            .connections
            .iter()
            .any(|(_, connection)| connection.name == name);
        let stored = connection::find_by_name(tx.connection(), organization, name).await?;
        let stored = stored.filter(|stored| stored.name == name);
        let here = wanted.schedules[..place]
            .iter()
            .find(|(_, other)| other.connection == name)
            .map(|(_, other)| other.name.clone());
        let there = match &stored {
            Some(of) => schedule::list(tx.connection(), organization, Some(of.id), None, 1)
                .await?
                .into_iter()
                .map(|other| other.name)
                .find(|other| *other != wish.name),
            None => None,
        };
        let problem = if let Some(other) = here.or(there) {
            format!("\"{name}\" has the schedule \"{other}\" already, and takes one only; change that one")
        } else if !written && stored.is_none() {
            let names = connection::names(tx.connection(), organization).await?;
            let there = if names.is_empty() {
                String::new()
            } else {
                format!("; there are: {}", names.join(", "))
            };
            format!("\"{name}\" is no connection, here or stored{there}")
        } else {
            continue;
        };
        violations.push(Violation {
            path: format!("documents[{index}].schedule.connection"),
            problem,
        });
    }
    Ok(())
}

fn unusable(stored: Option<&credential::Credential>, name: &str) -> Option<String> {
    match stored {
        None => Some(format!(
            "\"{name}\" is no credential, here or stored; add a document of kind Credential"
        )),
        Some(stored) if stored.secret.is_none() => Some(format!(
            "\"{name}\" has no secret any more (it was wiped when its connection was disconnected); add a document of \
             kind Credential with a clientSecret"
        )),
        Some(_) => None,
    }
}
