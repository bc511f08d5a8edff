//! Writing checked documents, each with its audit entry (C14).

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use contracts::v1;
use domain::custom_field::CustomField;
use domain::id::{ConnectionId, CredentialId, MappingId, ScheduleId};
use domain::schedule::Kind;
use secrecy::{ExposeSecret, SecretString};
use store::connection::Connection;
use store::credential::{Credential, SealedSecret};
use store::mapping::Mapping;
use store::schedule::{self, Stored};
use store::{Tx, audit, connection, credential, custom_field, mapping, password_settings, settings};
use uuid::Uuid;
use vault::Sealed;

use super::SECRET_PURPOSE;
use super::check::{Wanted, WantedConnection, WantedCredential, WantedSettings};
use super::check_mapping::WantedMapping;
use super::check_schedule::WantedSchedule;
use super::fallout;
use super::passwords;
use super::properties::{self, Properties};
use crate::app::App;
use crate::auth::Caller;
use crate::fault::Fault;

/// Connections of an organization at most.
const MOST_CONNECTIONS: i64 = 10_000;

/// Writes documents in a transaction and notes what changed.
pub struct Writer<'a> {
    /// What is needed.
    pub app: &'a App,
    /// Who changes.
    pub caller: &'a Caller,
    /// Where.
    pub tx: &'a mut Tx,
    /// When.
    pub now: DateTime<Utc>,
    /// What changed, in the order of the documents' kinds.
    pub changes: Vec<v1::DocumentChange>,
}

/// A stored secret with its id.
#[derive(Clone, Debug, Default)]
struct Slot {
    sealed: Option<SealedSecret>,
    id: Option<Uuid>,
}

impl Slot {
    fn of(
        stored: Option<&Credential>,
        which: impl Fn(&Credential) -> (&Option<SealedSecret>, Option<Uuid>),
    ) -> Self {
        stored.map(which).map_or_else(Self::default, |(sealed, id)| Self {
            sealed: sealed.clone(),
            id,
        })
    }
}

impl Writer<'_> {
    /// Writes everything: first what others refer to.
    pub async fn write(&mut self, wanted: Wanted, warnings: &mut Vec<String>) -> Result<(), Fault> {
        for (_, wish) in wanted.credentials {
            self.credential(wish).await?;
        }
        for (_, wish) in wanted.connections {
            self.connection(wish, warnings).await?;
        }
        for (_, wish) in wanted.custom_fields {
            self.custom_field(wish).await?;
        }
        let before = self.mappings_before(&wanted.mappings).await?;
        for (_, wish) in wanted.mappings {
            self.mapping(wish, warnings).await?;
        }
        for (of, name, before) in before {
            let after = mapping::of_connection(self.tx.connection(), of).await?;
            warnings.extend(fallout::tell(self.tx, (of, &name), &before, &after).await?);
        }
        for (_, wish) in wanted.schedules {
            self.schedule(wish, warnings).await?;
        }
        if let Some((_, wish)) = wanted.settings {
            self.settings(wish).await?;
        }
        Ok(())
    }

    async fn credential(&mut self, wish: WantedCredential) -> Result<(), Fault> {
        let organization = self.caller.organization();
        let found = credential::find_by_name(self.tx.connection(), organization, &wish.name).await?;
        let stored = found.filter(|stored| stored.organization.is_some());
        let id = stored
            .as_ref()
            .map_or_else(|| CredentialId(self.app.clock.new_id()), |stored| stored.id);
        let kept = Slot::of(stored.as_ref(), |stored| (&stored.secret, stored.secret_id));
        let kept_next = Slot::of(stored.as_ref(), |stored| (&stored.next, stored.next_id));
        let known = [&kept, &kept_next];
        let secret = match &wish.secret {
            Some(secret) => self.slot(secret, known, id)?,
            None => kept.clone(),
        };
        let next = match &wish.next {
            Some(next) => self.slot(next, known, id)?,
            // Who gives the one secret gives all there are to be.
            None if wish.secret.is_some() => Slot::default(),
            None => kept_next.clone(),
        };
        let row = Credential {
            id,
            organization: Some(organization),
            name: wish.name,
            tenant: wish.tenant,
            client_id: wish.client_id,
            created_at: stored.as_ref().map_or(self.now, |stored| stored.created_at),
            updated_at: self.now,
            expires_on: wish.expires_on,
            next_expires_on: wish.next_expires_on,
            secret_id: secret.id,
            next_id: next.id,
            secret: secret.sealed,
            next: next.sealed,
        };
        let mut new = properties::credential(&row);
        for (path, before, after) in [
            ("clientSecret", &kept.sealed, &row.secret),
            ("nextClientSecret", &kept_next.sealed, &row.next),
        ] {
            if before.is_some() && after.is_some() && after != before {
                for (_, value) in new.iter_mut().filter(|(known, _)| known == path) {
                    "(changed)".clone_into(value);
                }
            }
        }
        let old = stored.as_ref().map(properties::credential);
        if self.note("Credential", &row.name, old.as_ref(), &new).await? {
            match stored {
                None => credential::insert(self.tx.connection(), &row).await?,
                Some(_) => credential::update(self.tx.connection(), &row).await?,
            }
        }
        Ok(())
    }

    /// Where a secret that is given is stored already it stays, sealed anew if its key is to go, and keeps its id.
    fn slot(&self, secret: &SecretString, known: [&Slot; 2], id: CredentialId) -> Result<Slot, Fault> {
        let vault = &self.app.vault;
        for slot in known {
            let Some(kept) = &slot.sealed else { continue };
            let sealed = Sealed {
                key_id: kept.key_id.clone(),
                ciphertext: kept.ciphertext.clone(),
            };
            // One that can't be opened any more counts as another one.
            let opened = vault.open(&sealed, SECRET_PURPOSE, id.0);
            if opened.is_ok_and(|opened| opened.expose_secret() == secret.expose_secret()) {
                if vault.needs_rotation(&sealed) {
                    let sealed = Some(self.seal(secret, id)?);
                    return Ok(Slot { sealed, id: slot.id });
                }
                return Ok(slot.clone());
            }
        }
        Ok(Slot {
            sealed: Some(self.seal(secret, id)?),
            id: Some(self.app.clock.new_id()),
        })
    }

    fn seal(&self, secret: &SecretString, id: CredentialId) -> Result<SealedSecret, Fault> {
        let Sealed { key_id, ciphertext } = self.app.vault.seal(secret, SECRET_PURPOSE, id.0)?;
        Ok(SealedSecret { key_id, ciphertext })
    }

    async fn connection(&mut self, wish: WantedConnection, warnings: &mut Vec<String>) -> Result<(), Fault> {
        let organization = self.caller.organization();
        let found = connection::find_by_name(self.tx.connection(), organization, &wish.name).await?;
        let stored = found.filter(|stored| stored.name == wish.name);
        let credential =
            credential::find_by_name(self.tx.connection(), organization, &wish.credential).await?;
        let credential = credential.ok_or(Fault::Internal(
            "a credential vanished while documents were applied",
        ))?;
        if credential.tenant != wish.tenant {
            warnings.push(format!(
                "connection {}: its credential {} belongs to another tenant; that works for a multi-tenant app only",
                wish.name, credential.name
            ));
        }
        let row = Connection {
            id: stored
                .as_ref()
                .map_or_else(|| ConnectionId(self.app.clock.new_id()), |stored| stored.id),
            organization,
            name: wish.name,
            tenant: wish.tenant,
            credential: Some(credential.id),
            cloud: wish.cloud,
            login_url: wish.login_url,
            graph_url: wish.graph_url,
            token_url: wish.token_url,
            deletion_mode: wish.deletion_mode,
            leavers: wish.leavers,
            brake: wish.brake,
            first_run: wish.first_run,
            rules_changed_at: stored.as_ref().and_then(|stored| stored.rules_changed_at),
            rules_changed_why: stored
                .as_ref()
                .and_then(|stored| stored.rules_changed_why.clone()),
            // Applying its document connects it again.
            disconnected_at: None,
            created_at: stored.as_ref().map_or(self.now, |stored| stored.created_at),
            updated_at: self.now,
        };
        let old = match &stored {
            Some(stored) => Some(properties::connection(
                stored,
                self.credential_name(stored).await?.as_deref(),
            )),
            None => None,
        };
        let new = properties::connection(&row, Some(&credential.name));
        if !self.note("Connection", &row.name, old.as_ref(), &new).await? {
            return Ok(());
        }
        match stored {
            None => connection::insert(self.tx.connection(), &row).await?,
            Some(stored) => {
                connection::update(self.tx.connection(), &row).await?;
                if stored.leavers != row.leavers {
                    // Only a full run meets those whose record has not changed since.
                    self.rules_changed(row.id, &format!("the leaver policies of {} changed", row.name))
                        .await?;
                }
            }
        }
        Ok(())
    }

    async fn credential_name(&mut self, connection: &Connection) -> Result<Option<String>, Fault> {
        let Some(id) = connection.credential else {
            return Ok(None);
        };
        let found = credential::find(self.tx.connection(), id).await?;
        Ok(found.map(|credential| credential.name))
    }

    async fn mapping(&mut self, wish: WantedMapping, warnings: &mut Vec<String>) -> Result<(), Fault> {
        let organization = self.caller.organization();
        let of = connection::find_by_name(self.tx.connection(), organization, &wish.connection).await?;
        let of = of.ok_or(Fault::Internal(
            "a connection vanished while documents were applied",
        ))?;
        let stored = mapping::find_by_name(self.tx.connection(), organization, &wish.name).await?;
        let custom = custom_field::list(self.tx.connection(), organization).await?;
        let row = Mapping {
            id: stored
                .as_ref()
                .map_or_else(|| MappingId(self.app.clock.new_id()), |stored| stored.id),
            organization,
            connection: of.id,
            name: wish.name,
            target: wish.target,
            role: wish.role,
            override_by_email: wish.override_by_email,
            include_disabled: wish.include_disabled,
            criteria: wish.criteria,
            rows: wish.rows,
            created_at: stored.as_ref().map_or(self.now, |stored| stored.created_at),
            updated_at: self.now,
        };
        let old = match &stored {
            Some(stored) => {
                let before = connection::find(self.tx.connection(), stored.connection).await?;
                Some(properties::mapping(
                    stored,
                    &before.map(|before| before.name).unwrap_or_default(),
                    &custom,
                ))
            }
            None => None,
        };
        let new = properties::mapping(&row, &of.name, &custom);
        if self.note("Mapping", &row.name, old.as_ref(), &new).await? {
            let why = why(&row.name, old.as_ref(), &new);
            match &stored {
                None => mapping::insert(self.tx.connection(), &row).await?,
                Some(_) => mapping::update(self.tx.connection(), &row).await?,
            }
            self.rules_changed(of.id, &why).await?;
            if let Some(before) = stored.filter(|before| before.connection != of.id) {
                self.rules_changed(
                    before.connection,
                    &format!("mapping {} moved to {}", row.name, of.name),
                )
                .await?;
            }
        }
        // By name, as they are asked; whoever applies several documents is told once.
        let mut all = mapping::of_connection(self.tx.connection(), of.id).await?;
        all.retain(|mapping| mapping.target.kind() == row.target.kind());
        if let Some(place) = all.iter().position(|mapping| mapping.criteria.take_everyone())
            && let Some(behind) = all.get(place + 1)
        {
            let warning = format!(
                "connection {}: its mapping {} has no criteria and takes every user; {} comes behind it by name and gets \
                 nobody: give the first one criteria, or rename it",
                of.name, all[place].name, behind.name
            );
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
        Ok(())
    }

    /// The mappings, as they are stored, of the connections that these belong to.
    async fn mappings_before(
        &mut self,
        wanted: &[(usize, WantedMapping)],
    ) -> Result<Vec<(ConnectionId, String, Vec<Mapping>)>, Fault> {
        let organization = self.caller.organization();
        let names: BTreeSet<&str> = wanted.iter().map(|(_, wish)| wish.connection.as_str()).collect();
        let mut before = Vec::with_capacity(names.len());
        for name in names {
            if let Some(of) = connection::find_by_name(self.tx.connection(), organization, name).await? {
                let mappings = mapping::of_connection(self.tx.connection(), of.id).await?;
                before.push((of.id, of.name, mappings));
            }
        }
        Ok(before)
    }

    async fn custom_field(&mut self, wish: CustomField) -> Result<(), Fault> {
        let organization = self.caller.organization();
        let stored = custom_field::list(self.tx.connection(), organization).await?;
        let stored = stored.0.into_iter().find(|stored| stored.field == wish.field);
        let old = stored.as_ref().map(properties::custom_field);
        let new = properties::custom_field(&wish);
        if self.note("CustomField", &wish.name, old.as_ref(), &new).await? {
            custom_field::put(self.tx.connection(), organization, &wish).await?;
            if stored.is_some() {
                // Whoever maps it decides by its type.
                for connection in
                    connection::list(self.tx.connection(), organization, None, MOST_CONNECTIONS).await?
                {
                    self.rules_changed(connection.id, &format!("custom field {} changed", wish.name))
                        .await?;
                }
            }
        }
        Ok(())
    }

    async fn schedule(&mut self, wish: WantedSchedule, warnings: &mut Vec<String>) -> Result<(), Fault> {
        let organization = self.caller.organization();
        let found = schedule::find_by_name(self.tx.connection(), organization, &wish.name).await?;
        let stored = found.filter(|stored| stored.name == wish.name);
        let of = connection::find_by_name(self.tx.connection(), organization, &wish.connection).await?;
        let of = of.ok_or(Fault::Internal(
            "a connection vanished while documents were applied",
        ))?;
        if wish.schedule.on && wish.schedule.next(Kind::Full, self.now).is_none() {
            warnings.push(format!(
                "schedule {}: it is on, but its last time is over, so that no full run comes; give it a later start",
                wish.name
            ));
        }
        let row = Stored {
            id: stored
                .as_ref()
                .map_or_else(|| ScheduleId(self.app.clock.new_id()), |stored| stored.id),
            organization,
            connection: of.id,
            name: wish.name,
            schedule: wish.schedule,
            // A write gives it one of its own.
            revision: 0,
            created_at: stored.as_ref().map_or(self.now, |stored| stored.created_at),
            updated_at: self.now,
        };
        let old = match &stored {
            Some(stored) => {
                let was = connection::names_of(self.tx.connection(), [stored.connection]).await?;
                let was = was.first().map_or("", |was| &was.name);
                Some(properties::schedule(&stored.schedule, was))
            }
            None => None,
        };
        let new = properties::schedule(&row.schedule, &of.name);
        if self.note("Schedule", &row.name, old.as_ref(), &new).await? {
            match stored {
                None => schedule::insert(self.tx.connection(), &row).await?,
                Some(_) => schedule::update(self.tx.connection(), &row).await?,
            }
        }
        Ok(())
    }

    async fn settings(&mut self, wish: WantedSettings) -> Result<(), Fault> {
        let organization = self.caller.organization();
        let stored = settings::find(self.tx.connection(), organization).await?;
        let had = password_settings::find(self.tx.connection(), organization).await?;
        let passwords = passwords::wanted(self.app, organization, &wish.passwords, &had)?;
        let mut old = properties::settings(&stored);
        old.extend(passwords::properties(&had, None));
        let mut new = properties::settings(&wish.settings);
        new.extend(passwords::properties(&passwords, Some(&had)));
        if self.note("Settings", "settings", Some(&old), &new).await? {
            settings::put(self.tx.connection(), organization, &wish.settings).await?;
            password_settings::put(self.tx.connection(), organization, &passwords).await?;
        }
        Ok(())
    }

    async fn rules_changed(&mut self, of: ConnectionId, why: &str) -> Result<(), Fault> {
        Ok(connection::rules_changed(self.tx.connection(), of, self.now, why).await?)
    }

    /// Notes the document's change and writes the audit entry. Says whether anything changed.
    async fn note(
        &mut self,
        kind: &str,
        name: &str,
        old: Option<&Properties>,
        new: &Properties,
    ) -> Result<bool, Fault> {
        let properties = properties::differences(old, new);
        let (action, verb) = match old {
            None => ("created", "create"),
            Some(_) if properties.is_empty() => ("unchanged", ""),
            Some(_) => ("updated", "update"),
        };
        self.changes.push(v1::DocumentChange {
            kind: kind.to_owned(),
            name: name.to_owned(),
            action: action.to_owned(),
            properties,
        });
        if verb.is_empty() {
            return Ok(false);
        }
        let entry = audit::Entry {
            id: self.app.clock.new_id(),
            organization: self.caller.organization(),
            at: self.now,
            actor: format!("token {}", self.caller.name()),
            action: format!("{}.{verb}", kind.to_lowercase()),
            subject: name.to_owned(),
            before: old.map(properties::json),
            after: Some(properties::json(new)),
        };
        audit::insert(self.tx.connection(), &entry).await?;
        Ok(true)
    }
}

/// Why the next delta is full: `mapping contoso-staff changed: field jobTitle, overrideByEmail`.
fn why(name: &str, old: Option<&Properties>, new: &Properties) -> String {
    if old.is_none() {
        return format!("mapping {name} was added");
    }
    let mut changed: Vec<String> = properties::differences(old, new)
        .iter()
        .map(|change| match change.path.split_once(['.', '[']) {
            Some(("fields", field)) => format!("field {field}"),
            Some(("criteria", _)) => "criteria".to_owned(),
            _ => change.path.clone(),
        })
        .collect();
    changed.dedup();
    let more = changed.len().saturating_sub(5);
    let told = changed.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 {
        format!("mapping {name} changed: {told} and {more} more")
    } else {
        format!("mapping {name} changed: {told}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f4_the_reason_names_what_changed() {
        let list = |pairs: &[(&str, &str)]| -> Properties {
            pairs
                .iter()
                .map(|(path, value)| ((*path).to_owned(), (*value).to_owned()))
                .collect()
        };
        let old = list(&[
            ("overrideByEmail", "false"),
            ("fields.jobTitle", "attribute jobTitle"),
        ]);
        let new = list(&[("overrideByEmail", "true"), ("fields.jobTitle", "constant \"x\"")]);
        assert_eq!(
            why("staff", Some(&old), &new),
            "mapping staff changed: overrideByEmail, field jobTitle"
        );
        assert_eq!(why("staff", None, &new), "mapping staff was added");
        let many: Vec<(String, String)> = (0..8).map(|n| (format!("fields.f{n}"), "x".to_owned())).collect();
        assert!(why("staff", Some(&Vec::new()), &many).ends_with("field f4 and 3 more"));
    }
}
