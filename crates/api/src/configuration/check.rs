//! Checking documents: everything that is wrong with all of them at once, each with its path and the next step.

use std::collections::BTreeMap;

use chrono::{Datelike as _, NaiveDate};
use contracts::v1;
use domain::brake::Brake;
use domain::custom_field::{CustomField, CustomFields};
use domain::id::TenantId;
use domain::leaver::{Policies, Policy, Returning};
use secrecy::{ExposeSecret as _, SecretString};
use store::connection::{DeletionMode, FirstRun};
use store::settings::Settings;
use uuid::Uuid;

use super::address::{address, origin};
use super::check_custom;
use super::check_mapping::{self, WantedMapping};
use super::check_schedule::{self, WantedSchedule};
use super::passwords::{self, WantedPasswords};
use crate::fault::Violation;
use crate::view::connection::CLOUDS;

/// Characters in a name at most.
const LONGEST_NAME: usize = 100;
/// Bytes in a secret at most.
const LONGEST_SECRET: usize = 1_024;
/// Documents in one request at most.
const MOST_DOCUMENTS: usize = 1_000;
/// Addresses in the settings at most.
const MOST_ADDRESSES: usize = 100;
/// Records in a brake at most.
const MOST_RECORDS: u32 = 10_000_000;

/// What the documents ask for. The number is the document's, for what can only be judged later.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Credentials.
    pub credentials: Vec<(usize, WantedCredential)>,
    /// Connections.
    pub connections: Vec<(usize, WantedConnection)>,
    /// Custom fields that are new or change their type.
    pub custom_fields: Vec<(usize, CustomField)>,
    /// Mappings.
    pub mappings: Vec<(usize, WantedMapping)>,
    /// Schedules.
    pub schedules: Vec<(usize, WantedSchedule)>,
    /// Settings.
    pub settings: Option<(usize, WantedSettings)>,
}

/// The settings as a document asks for them.
#[derive(Debug)]
pub struct WantedSettings {
    /// Who gets mail, and when.
    pub settings: Settings,
    /// Local passwords.
    pub passwords: WantedPasswords,
}

/// A credential as a document asks for it.
#[derive(Debug)]
pub struct WantedCredential {
    /// Its name.
    pub name: String,
    /// Its tenant.
    pub tenant: TenantId,
    /// The app.
    pub client_id: Uuid,
    /// Its secret; none leaves the stored one.
    pub secret: Option<SecretString>,
    /// When it expires.
    pub expires_on: Option<NaiveDate>,
    /// The secret that takes its place; none takes the stored one away, if there is a `secret`.
    pub next: Option<SecretString>,
    /// When that one expires.
    pub next_expires_on: Option<NaiveDate>,
}

/// A connection as a document asks for it.
#[derive(Debug)]
pub struct WantedConnection {
    /// Its name.
    pub name: String,
    /// Its tenant.
    pub tenant: TenantId,
    /// Its credential's name.
    pub credential: String,
    /// Its cloud.
    pub cloud: String,
    /// Its own sign-in address.
    pub login_url: Option<String>,
    /// Its own Graph address.
    pub graph_url: Option<String>,
    /// Its own token address.
    pub token_url: Option<String>,
    /// The shorthand.
    pub deletion_mode: Option<DeletionMode>,
    /// What it comes to, with the keys that were written.
    pub leavers: Policies,
    /// Its brake.
    pub brake: Brake,
    /// What its first run does.
    pub first_run: FirstRun,
}

/// Gathers what is wrong, below a path.
pub struct Problems<'a> {
    path: String,
    all: &'a mut Vec<Violation>,
}

impl<'a> Problems<'a> {
    /// Below this path.
    pub fn at(path: impl Into<String>, all: &'a mut Vec<Violation>) -> Self {
        Self {
            path: path.into(),
            all,
        }
    }

    /// Adds what is wrong with one field.
    pub fn add(&mut self, field: &str, problem: impl Into<String>) {
        self.all.push(Violation {
            path: format!("{}.{field}", self.path),
            problem: problem.into(),
        });
    }

    /// A GUID.
    fn guid(&mut self, field: &str, text: &str, example: &str) -> Uuid {
        let found = Uuid::try_parse(text.trim())
            .ok()
            .filter(|_| text.trim().len() == 36);
        if let Some(guid) = found.filter(|guid| !guid.is_nil()) {
            return guid;
        }
        let problem = if text.is_empty() {
            format!("is missing; {example}")
        } else {
            format!("is not a GUID such as 11111111-2222-3333-4444-555555555555; {example}")
        };
        self.add(field, problem);
        Uuid::nil()
    }

    /// A name.
    pub fn name(&mut self, field: &str, text: &str) -> String {
        if text.trim().is_empty() {
            self.add(field, "is missing");
        } else if text != text.trim() || text.contains(char::is_control) {
            self.add(field, "begins or ends with a blank, or holds a control character");
        } else if text.chars().count() > LONGEST_NAME {
            self.add(field, format!("is longer than {LONGEST_NAME} characters"));
        }
        text.to_owned()
    }
}

/// Checks all documents by themselves. What they refer to is judged with the stored configuration.
///
/// `stored` are the custom fields that are there.
pub fn check(
    documents: &[v1::Document],
    stored: &CustomFields,
    violations: &mut Vec<Violation>,
    warnings: &mut Vec<String>,
) -> Wanted {
    let mut wanted = Wanted::default();
    if documents.is_empty() || documents.len() > MOST_DOCUMENTS {
        let problem = format!(
            "must hold 1 to {MOST_DOCUMENTS} documents, there are {}",
            documents.len()
        );
        violations.push(Violation {
            path: "documents".to_owned(),
            problem,
        });
        return wanted;
    }
    let custom = check_custom::check(documents, stored, violations);
    let mut names: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (index, document) in documents.iter().enumerate() {
        let Some(kind) = &document.kind else {
            let path = format!("documents[{index}]");
            violations.push(Violation {
                path,
                problem:
                    "has no kind; use credential, connection, customField, mapping, schedule or settings"
                        .to_owned(),
            });
            continue;
        };
        let (word, name) = word_and_name(kind);
        let mut problems = Problems::at(format!("documents[{index}].{word}"), violations);
        if let Some(first) = names.insert((word, name), index) {
            problems.add(
                "name",
                format!("\"{name}\" is in documents[{first}] already; write each thing once"),
            );
        }
        match kind {
            v1::document::Kind::Credential(document) => {
                wanted
                    .credentials
                    .push((index, credential(document, &mut problems, warnings)));
            }
            v1::document::Kind::Connection(document) => {
                wanted
                    .connections
                    .push((index, connection(document, &mut problems)));
            }
            v1::document::Kind::Mapping(document) => {
                wanted
                    .mappings
                    .push((index, check_mapping::check(document, &custom, &mut problems)));
            }
            v1::document::Kind::CustomField(document) => {
                if let Some(wish) = custom.named(&document.name) {
                    wanted.custom_fields.push((index, wish.clone()));
                }
            }
            v1::document::Kind::Schedule(document) => {
                wanted
                    .schedules
                    .push((index, check_schedule::check(document, &mut problems)));
            }
            v1::document::Kind::Settings(document) => {
                wanted.settings = Some((index, settings(document, &mut problems)));
            }
        }
    }
    wanted
}

/// There is one settings document, whatever its name.
const fn word_and_name(kind: &v1::document::Kind) -> (&'static str, &str) {
    match kind {
        v1::document::Kind::Credential(document) => ("credential", document.name.as_str()),
        v1::document::Kind::Connection(document) => ("connection", document.name.as_str()),
        v1::document::Kind::Mapping(document) => ("mapping", document.name.as_str()),
        v1::document::Kind::CustomField(document) => ("customField", document.name.as_str()),
        v1::document::Kind::Schedule(document) => ("schedule", document.name.as_str()),
        v1::document::Kind::Settings(_) => ("settings", ""),
    }
}

fn credential(
    document: &v1::Credential,
    problems: &mut Problems<'_>,
    warnings: &mut Vec<String>,
) -> WantedCredential {
    let mut secret = |field, secret: &str| {
        let secret = secret.trim();
        if secret.len() > LONGEST_SECRET || secret.contains(|c: char| c.is_control() || c.is_whitespace()) {
            problems.add(
                field,
                "holds blanks or control characters, or is longer than 1024 bytes; paste the secret's Value alone",
            );
        }
        if Uuid::try_parse(secret).is_ok() {
            let which = if field == "clientSecret" {
                "client secret"
            } else {
                "next client secret"
            };
            warnings.push(format!(
                "credential {}: the {which} looks like a GUID; this looks like the secret's ID; paste its Value (the \
                 Value column under Certificates & secrets)",
                document.name
            ));
        }
        (!secret.is_empty()).then(|| SecretString::from(secret))
    };
    let first = secret("clientSecret", &document.client_secret);
    let next = secret("nextClientSecret", &document.next_client_secret);
    if let (Some(first), Some(next)) = (&first, &next)
        && first.expose_secret() == next.expose_secret()
    {
        problems.add(
            "nextClientSecret",
            "is the same as clientSecret; leave it out once the new secret is the only one",
        );
    }
    WantedCredential {
        name: problems.name("name", &document.name),
        tenant: TenantId(problems.guid(
            "tenantId",
            &document.tenant_id,
            "it is the Directory (tenant) ID of the app",
        )),
        client_id: problems.guid(
            "clientId",
            &document.client_id,
            "it is the Application (client) ID of the app registration",
        ),
        secret: first,
        expires_on: day("expires", &document.expires, problems),
        next,
        next_expires_on: day("nextExpires", &document.next_expires, problems),
    }
}

fn connection(document: &v1::Connection, problems: &mut Problems<'_>) -> WantedConnection {
    let mut url = |field: &str, text: &str, parse: fn(&str) -> Result<String, String>| match text.trim() {
        "" => None,
        text => parse(text).map_err(|problem| problems.add(field, problem)).ok(),
    };
    let login_url = url("loginUrl", &document.login_url, origin);
    let graph_url = url("graphUrl", &document.graph_url, origin);
    let token_url = url("tokenUrl", &document.token_url, |text| {
        address(text).map(String::from)
    });
    let cloud = cloud(document, problems);
    WantedConnection {
        name: problems.name("name", &document.name),
        tenant: TenantId(problems.guid(
            "tenantId",
            &document.tenant_id,
            "it is shown as Tenant ID on the overview page of Microsoft Entra ID",
        )),
        credential: problems.name("credential", &document.credential),
        cloud,
        login_url,
        graph_url,
        token_url,
        deletion_mode: deletion_mode(document.deletion_mode, problems),
        leavers: leavers(document, problems),
        brake: brake(document.brake, problems),
        first_run: match document.first_run() {
            v1::FirstRun::Unspecified | v1::FirstRun::Preview => FirstRun::Preview,
            v1::FirstRun::Apply => FirstRun::Apply,
        },
    }
}

/// A named cloud has its addresses; without one both must be given. With neither it is the global one.
fn cloud(document: &v1::Connection, problems: &mut Problems<'_>) -> String {
    let Ok(cloud) = v1::Cloud::try_from(document.cloud) else {
        problems.add("cloud", "is none of global, usGov, usGovDod and china");
        return String::new();
    };
    let given = (!document.login_url.is_empty(), !document.graph_url.is_empty());
    let name = |wanted| {
        CLOUDS
            .iter()
            .find(|(_, cloud)| *cloud == wanted)
            .map_or("custom", |(name, _)| name)
    };
    match (cloud, given) {
        (v1::Cloud::Unspecified, (false, false)) => "global".to_owned(),
        (v1::Cloud::Unspecified, (true, false)) => {
            problems.add(
                "graphUrl",
                "is missing; without a named cloud both loginUrl and graphUrl are needed",
            );
            "custom".to_owned()
        }
        (v1::Cloud::Unspecified, (false, true)) => {
            problems.add(
                "loginUrl",
                "is missing; without a named cloud both loginUrl and graphUrl are needed",
            );
            "custom".to_owned()
        }
        (cloud, _) => name(cloud).to_owned(),
    }
}

/// A date, if one is given.
fn day(field: &str, text: &str, problems: &mut Problems<'_>) -> Option<NaiveDate> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    let day = day.filter(|day| (2000..=9999).contains(&day.year()));
    if day.is_none() {
        problems.add(
            field,
            format!("\"{text}\" is no date; write the day on which the secret expires as 2027-01-31"),
        );
    }
    day
}

fn deletion_mode(mode: i32, problems: &mut Problems<'_>) -> Option<DeletionMode> {
    match v1::DeletionMode::try_from(mode) {
        Ok(v1::DeletionMode::Unspecified) => None,
        Ok(v1::DeletionMode::Automatic) => Some(DeletionMode::Automatic),
        Ok(v1::DeletionMode::Manual) => Some(DeletionMode::Manual),
        Err(_) => {
            problems.add("deletionMode", "is neither automatic nor manual");
            None
        }
    }
}

/// The defaults, over them the shorthand, over that the keys that were written.
fn leavers(document: &v1::Connection, problems: &mut Problems<'_>) -> Policies {
    let mut policies = Policies::default();
    let shorthand = match document.deletion_mode() {
        v1::DeletionMode::Unspecified => None,
        v1::DeletionMode::Automatic => Some(Policy::Delete),
        v1::DeletionMode::Manual => Some(Policy::Review),
    };
    if let Some(policy) = shorthand {
        (policies.soft_deleted, policies.gone) = (policy, policy);
    }
    policies.manual_deletion = document.deletion_mode() == v1::DeletionMode::Manual;
    let written = document.leavers.unwrap_or_default();
    for (field, written, policy) in [
        ("leavers.disabled", written.disabled, &mut policies.disabled),
        (
            "leavers.softDeleted",
            written.soft_deleted,
            &mut policies.soft_deleted,
        ),
        ("leavers.gone", written.gone, &mut policies.gone),
        (
            "leavers.outOfScope",
            written.out_of_scope,
            &mut policies.out_of_scope,
        ),
    ] {
        match v1::LeaverAction::try_from(written) {
            Ok(v1::LeaverAction::Unspecified) => {}
            Ok(v1::LeaverAction::Nothing) => *policy = Policy::Nothing,
            Ok(v1::LeaverAction::Deactivate) => *policy = Policy::Deactivate,
            Ok(v1::LeaverAction::Delete) => *policy = Policy::Delete,
            Ok(v1::LeaverAction::Review) => *policy = Policy::Review,
            Err(_) => problems.add(field, "is none of nothing, deactivate, delete and review"),
        }
    }
    policies.returning = match v1::ReturnAction::try_from(written.returning) {
        Ok(v1::ReturnAction::Unspecified | v1::ReturnAction::Reactivate) => Returning::Reactivate,
        Ok(v1::ReturnAction::Nothing) => Returning::Nothing,
        Err(_) => {
            problems.add("leavers.returning", "is none of reactivate and nothing");
            Returning::Reactivate
        }
    };
    policies
}

fn brake(document: Option<v1::Brake>, problems: &mut Problems<'_>) -> Brake {
    let Some(written) = document else {
        return Brake::default();
    };
    if written.percent > 100 {
        problems.add("brake.percent", "is more than 100");
    }
    for (field, number) in [("brake.count", written.count), ("brake.from", written.from)] {
        if number > MOST_RECORDS {
            problems.add(field, format!("is more than {MOST_RECORDS}"));
        }
    }
    Brake {
        percent: written.percent,
        count: written.count,
        from: written.from,
    }
}

fn settings(document: &v1::Settings, problems: &mut Problems<'_>) -> WantedSettings {
    if document.mail_to.len() > MOST_ADDRESSES {
        problems.add("mailTo", format!("has more than {MOST_ADDRESSES} addresses"));
    }
    for (index, address) in document.mail_to.iter().enumerate() {
        if !is_mail_address(address) {
            problems.add(
                &format!("mailTo[{index}]"),
                "is not a mail address such as it@contoso.com",
            );
        }
    }
    WantedSettings {
        settings: Settings {
            mail_to: document.mail_to.clone(),
            mail_on_completion: document.mail_on_completion.unwrap_or(true),
        },
        passwords: passwords::check(document.passwords.as_ref(), problems),
    }
}

/// Rough on purpose: the mail server has the last word. Nothing that could end a header line.
fn is_mail_address(text: &str) -> bool {
    let plain = !text.contains(|c: char| c.is_control() || c.is_whitespace() || matches!(c, ',' | '<' | '>'));
    let parts = text.rsplit_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && domain.contains('.') && !domain.starts_with('.') && !domain.ends_with('.')
    });
    plain && parts && text.len() <= 254
}

#[cfg(test)]
mod tests;
