//! How operations change the directory. Every change is logged, for delta and for what is kept rendered.

use super::changes::{Change, Kind};
use super::operation::{Applied, Operation, OperationError};
use super::row::Presence;
use super::{Directory, Overlay, RETENTION_DAYS, State, Superior};
use crate::json::Json;
use crate::property::{Properties, Property, Shape};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

type Attributes = Vec<(Property, Option<Box<[u8]>>)>;

impl Directory {
    /// Does it, or says why not and changes nothing.
    pub fn apply(&mut self, operation: &Operation, now: DateTime<Utc>) -> Result<Applied, OperationError> {
        let before = self.changes.len() + self.groups.log.len();
        let slot = match operation {
            Operation::Create { attributes } => Some(self.create(attributes, now)?),
            Operation::Update { user, attributes } => Some(self.update(user, attributes, now)?),
            Operation::SetManager { user, manager } => {
                Some(self.set_manager(user, manager.as_deref(), now)?)
            }
            Operation::Disable { user } => Some(self.set_enabled(user, false, now)?),
            Operation::Enable { user } => Some(self.set_enabled(user, true, now)?),
            Operation::SoftDelete { user } => Some(self.soft_delete(user, now)?),
            Operation::Restore {
                user,
                user_principal_name,
            } => Some(self.restore(user, user_principal_name.as_deref(), now)?),
            Operation::Purge { user } => Some(self.purge(user, now)?),
            Operation::HardDelete { user } => Some(self.hard_delete(user, now)?),
            Operation::SwapPrincipalNames { user, other } => Some(self.swap_names(user, other, now)?),
            Operation::Recreate { user } => Some(self.recreate(user, now)?),
            Operation::ChangeMany { count } => {
                self.change_many(*count, now);
                None
            }
            Operation::Corrupt { user, corruption } => {
                let slot = self.live_user(user)?;
                for (property, value) in corruption.values() {
                    self.set(slot, property, Some(value.into_boxed_slice()), now);
                    let overlay = self.overlay.entry(slot).or_default();
                    overlay.corrupt = overlay.corrupt.with(property);
                }
                Some(slot)
            }
            Operation::CreateGroup { .. }
            | Operation::UpdateGroup { .. }
            | Operation::DeleteGroup { .. }
            | Operation::RestoreGroup { .. }
            | Operation::PurgeGroup { .. }
            | Operation::AddMembers { .. }
            | Operation::RemoveMembers { .. } => {
                let id = self.apply_to_group(operation, now)?;
                return Ok(Applied {
                    id: id.map(|id| id.to_string()),
                    changes: self.changes.len() + self.groups.log.len() - before,
                });
            }
        };
        let id = slot.map(|slot| self.generation.id(slot).to_string());
        Ok(Applied {
            id,
            changes: self.changes.len() + self.groups.log.len() - before,
        })
    }

    /// Purges who has been in the deleted items for thirty days, users and groups.
    pub fn purge_expired(&mut self, now: DateTime<Utc>) {
        let expired: Vec<u32> = self
            .deleted
            .iter()
            .copied()
            .filter(|slot| match self.state(*slot) {
                State::SoftDeleted(at) => now - at >= TimeDelta::days(RETENTION_DAYS),
                _ => false,
            })
            .collect();
        self.vanish(&expired, now);
        for group in self.groups.deleted_before(now - TimeDelta::days(RETENTION_DAYS)) {
            self.groups.purge(group, self.tells_purged, now);
        }
    }

    fn live_user(&self, user: &str) -> Result<u32, OperationError> {
        self.find(user).ok_or_else(|| OperationError::NoSuchUser {
            user: user.into(),
            expected: "live",
        })
    }

    fn deleted_user(&self, user: &str) -> Result<u32, OperationError> {
        let slot = Uuid::try_parse(user).ok().and_then(|id| self.slot(id));
        slot.filter(|slot| self.deleted.contains(slot))
            .ok_or_else(|| OperationError::NoSuchUser {
                user: user.into(),
                expected: "soft-deleted",
            })
    }

    fn create(&mut self, attributes: &Map<String, Value>, now: DateTime<Utc>) -> Result<u32, OperationError> {
        let (mut values, manager) = self.parsed(attributes)?;
        for required in [Property::PRINCIPAL_NAME, Property::DISPLAY_NAME] {
            if !values
                .iter()
                .any(|(property, value)| *property == required && value.is_some())
            {
                return Err(OperationError::Fixed(required.name()));
            }
        }
        self.check_names(None, &values)?;
        let mut created = Json::default();
        created.date(now);
        let defaults: [(&str, &[u8]); 3] = [
            ("accountEnabled", b"true"),
            ("userType", b"\"Member\""),
            ("createdDateTime", &created.0),
        ];
        for (name, value) in defaults {
            let property = Property::named(name).expect("a property of the table");
            if !values.iter().any(|(given, _)| *given == property) {
                values.push((property, Some(value.into())));
            }
        }
        let slot = self.generation.slots() + self.created;
        self.created += 1;
        self.live += 1;
        // What is not given was never set, so a cleared value at creation is none.
        let values = values.into_iter().filter(|(_, value)| value.is_some()).collect();
        self.overlay.insert(
            slot,
            Overlay {
                state: Some(State::Live),
                values,
                created: Some(now),
                ..Overlay::default()
            },
        );
        self.claim_name(slot);
        if let Some(manager) = manager {
            self.link(slot, manager.slot());
        }
        self.changes.push(Change::moved(slot, Kind::Arrived, now));
        Ok(slot)
    }

    fn update(
        &mut self,
        user: &str,
        attributes: &Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Result<u32, OperationError> {
        let slot = self.live_user(user)?;
        let (values, manager) = self.parsed(attributes)?;
        self.check_names(Some(slot), &values)?;
        for (property, value) in values {
            self.set(slot, property, value, now);
        }
        if let Some(manager) = manager {
            self.relink(slot, manager.slot(), now);
        }
        Ok(slot)
    }

    fn set_manager(
        &mut self,
        user: &str,
        manager: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<u32, OperationError> {
        let slot = self.live_user(user)?;
        let manager = manager.map(|manager| self.live_user(manager)).transpose()?;
        self.relink(slot, manager, now);
        Ok(slot)
    }

    fn set_enabled(&mut self, user: &str, enabled: bool, now: DateTime<Utc>) -> Result<u32, OperationError> {
        let slot = self.live_user(user)?;
        let value: &[u8] = if enabled { b"true" } else { b"false" };
        self.set(slot, Property::ENABLED, Some(value.into()), now);
        Ok(slot)
    }

    fn soft_delete(&mut self, user: &str, now: DateTime<Utc>) -> Result<u32, OperationError> {
        let slot = self.live_user(user)?;
        let reports = self.live_reports(slot);
        self.release_name(slot);
        self.overlay.entry(slot).or_default().state = Some(State::SoftDeleted(now));
        self.live -= 1;
        self.deleted.insert(slot);
        self.changes.push(Change::moved(slot, Kind::Left, now));
        for report in reports {
            self.changes.push(Change::manager(report, Some(slot), now));
        }
        Ok(slot)
    }

    fn restore(
        &mut self,
        user: &str,
        new_name: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<u32, OperationError> {
        let slot = self.deleted_user(user)?;
        let name = new_name.map_or_else(|| self.principal_name(slot), String::from);
        check_name(&name)?;
        if self.named(&name).is_some() {
            return Err(OperationError::NameTaken(name));
        }
        let overlay = self.overlay.entry(slot).or_default();
        overlay.state = Some(State::Live);
        if new_name.is_some() {
            overlay
                .values
                .insert(Property::PRINCIPAL_NAME, Some(encoded(&Value::from(name))));
        }
        self.deleted.remove(&slot);
        self.live += 1;
        self.claim_name(slot);
        self.changes.push(Change::moved(slot, Kind::Arrived, now));
        for report in self.live_reports(slot) {
            self.changes.push(Change::manager(report, None, now));
        }
        Ok(slot)
    }

    fn purge(&mut self, user: &str, now: DateTime<Utc>) -> Result<u32, OperationError> {
        let slot = self.deleted_user(user)?;
        self.vanish(&[slot], now);
        Ok(slot)
    }

    fn hard_delete(&mut self, user: &str, now: DateTime<Utc>) -> Result<u32, OperationError> {
        let slot = self.soft_delete(user, now)?;
        self.vanish(&[slot], now);
        Ok(slot)
    }

    fn vanish(&mut self, slots: &[u32], now: DateTime<Utc>) {
        for slot in slots {
            self.deleted.remove(slot);
            self.overlay.entry(*slot).or_default().state = Some(State::Gone);
            self.changes.push(Change::moved(*slot, Kind::Left, now));
        }
        let ids: Vec<Uuid> = slots.iter().map(|slot| self.generation.id(*slot)).collect();
        self.groups.forget(&ids, self.tells_purged, now);
    }

    fn swap_names(&mut self, user: &str, other: &str, now: DateTime<Utc>) -> Result<u32, OperationError> {
        let (slot, other) = (self.live_user(user)?, self.live_user(other)?);
        let (mine, others) = (self.principal_name(slot), self.principal_name(other));
        self.release_name(slot);
        self.release_name(other);
        for (slot, name) in [(slot, others), (other, mine)] {
            self.set(
                slot,
                Property::PRINCIPAL_NAME,
                Some(encoded(&Value::from(name))),
                now,
            );
        }
        Ok(slot)
    }

    fn recreate(&mut self, user: &str, now: DateTime<Utc>) -> Result<u32, OperationError> {
        let slot = self.live_user(user)?;
        let mut attributes = self.snapshot(slot).attributes;
        for own in ["id", "createdDateTime", "securityIdentifier"] {
            attributes.remove(own);
        }
        // Corrupt values don't come along: they could not be given.
        let corrupt = self
            .overlay
            .get(&slot)
            .map(|overlay| overlay.corrupt)
            .unwrap_or_default();
        corrupt
            .list()
            .for_each(|property| drop(attributes.remove(property.name())));
        let id = self.generation.id(slot).to_string();
        self.soft_delete(&id, now)?;
        self.create(&attributes, now)
    }

    fn change_many(&mut self, count: u32, now: DateTime<Utc>) {
        let department = Property::named("department").expect("a property of the table");
        let live: Vec<u32> = self.live_from(0, now).collect();
        let step = (live.len() / count.max(1) as usize).max(1);
        let chosen: Vec<u32> = live.into_iter().step_by(step).take(count as usize).collect();
        for slot in chosen {
            let value = Value::from(format!("Department {}", self.changes.len()));
            self.set(slot, department, Some(encoded(&value)), now);
        }
    }

    /// Sets one value and logs it, if it is another.
    fn set(&mut self, slot: u32, property: Property, value: Option<Box<[u8]>>, now: DateTime<Utc>) {
        let mut present = Json::default();
        let same = match self.row(slot).value(property, &mut present) {
            Presence::Set => value.as_deref() == Some(&present.0),
            Presence::Cleared | Presence::Never => value.is_none(),
        };
        if property == Property::PRINCIPAL_NAME {
            self.release_name(slot);
        }
        let overlay = self.overlay.entry(slot).or_default();
        overlay.corrupt = Properties(overlay.corrupt.0 & !Properties::default().with(property).0);
        if !same {
            overlay.values.insert(property, value);
            self.changes
                .push(Change::updated(slot, Properties::default().with(property), now));
        }
        if property == Property::PRINCIPAL_NAME {
            self.claim_name(slot);
        }
    }

    fn relink(&mut self, slot: u32, manager: Option<u32>, now: DateTime<Utc>) {
        let before = self.manager(slot);
        self.link(slot, manager);
        if before != manager {
            self.changes.push(Change::manager(slot, before, now));
        }
    }

    fn link(&mut self, slot: u32, manager: Option<u32>) {
        self.overlay.entry(slot).or_default().manager = Some(manager.into());
        if let Some(manager) = manager {
            self.reports.entry(manager).or_default().insert(slot);
        }
    }

    /// The principal name, without the prefix that a deleted user's has.
    pub(super) fn principal_name(&self, slot: u32) -> String {
        let changed = self
            .overlay
            .get(&slot)
            .and_then(|overlay| overlay.values.get(&Property::PRINCIPAL_NAME));
        match changed {
            Some(value) => serde_json::from_slice(value.as_deref().unwrap_or_default()).unwrap_or_default(),
            None => self.generation.person(slot).principal_name(),
        }
    }

    /// Enters a name given after the start; generated ones are known anyway.
    fn claim_name(&mut self, slot: u32) {
        let changed = self
            .overlay
            .get(&slot)
            .is_some_and(|overlay| overlay.values.contains_key(&Property::PRINCIPAL_NAME));
        if changed {
            self.names.insert(self.principal_name(slot).to_lowercase(), slot);
        }
    }

    fn release_name(&mut self, slot: u32) {
        let name = self.principal_name(slot).to_lowercase();
        if self.names.get(&name) == Some(&slot) {
            self.names.remove(&name);
        }
    }

    /// Names must be well-formed and nobody else's.
    fn check_names(&self, of: Option<u32>, values: &Attributes) -> Result<(), OperationError> {
        let given = values
            .iter()
            .find(|(property, _)| *property == Property::PRINCIPAL_NAME);
        let Some((_, Some(value))) = given else {
            return Ok(());
        };
        let name: String = serde_json::from_slice(value).unwrap_or_default();
        check_name(&name)?;
        match self.named(&name) {
            Some(owner) if Some(owner) != of => Err(OperationError::NameTaken(name)),
            _ => Ok(()),
        }
    }

    /// Values as JSON, and the manager apart: none when not mentioned.
    fn parsed(
        &self,
        attributes: &Map<String, Value>,
    ) -> Result<(Attributes, Option<Superior>), OperationError> {
        let mut values = Vec::new();
        let mut manager = None;
        for (name, value) in attributes {
            let property =
                Property::named(name).ok_or_else(|| OperationError::UnknownProperty(name.clone()))?;
            if property == Property::MANAGER {
                manager = Some(value.as_str().map(|id| self.live_user(id)).transpose()?.into());
                continue;
            }
            if property == Property::ID || (property == Property::PRINCIPAL_NAME && value.is_null()) {
                return Err(OperationError::Fixed(property.name()));
            }
            if !fits(property, value) {
                return Err(OperationError::WrongType {
                    property: property.name(),
                    value: value.to_string(),
                });
            }
            let cleared = value.is_null() && property.empty() == "null";
            let list = value.is_null() && !cleared;
            let value = if list {
                b"[]".as_slice().into()
            } else {
                encoded(value)
            };
            values.push((property, (!cleared).then_some(value)));
        }
        Ok((values, manager))
    }
}

fn encoded(value: &Value) -> Box<[u8]> {
    value.to_string().into_bytes().into_boxed_slice()
}

fn fits(property: Property, value: &Value) -> bool {
    let list_of = |fits: fn(&Value) -> bool| value.as_array().is_some_and(|list| list.iter().all(fits));
    value.is_null()
        || match property.definition().shape {
            Shape::Text => value.is_string(),
            Shape::Boolean => value.is_boolean(),
            Shape::Number => value.is_number(),
            Shape::Texts => list_of(Value::is_string),
            Shape::Objects => list_of(Value::is_object),
            Shape::Object => value.is_object(),
            Shape::Relation => false,
        }
}

fn check_name(name: &str) -> Result<(), OperationError> {
    let parts: Vec<&str> = name.split('@').collect();
    let well_formed = matches!(parts[..], [local, domain] if !local.is_empty() && !domain.is_empty());
    if well_formed && name.is_ascii() {
        Ok(())
    } else {
        Err(OperationError::BadName(name.into()))
    }
}
