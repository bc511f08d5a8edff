//! How groups change. What somebody may have been told of is logged.

use super::log::Change;
use super::property::{GroupProperties, GroupProperty, Shape};
use super::{Group, GroupKind, Groups, Member};
use crate::directory::State;
use crate::directory::operation::OperationError;
use crate::json::Json;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::Ordering;
use uuid::Uuid;

type Values = Vec<(GroupProperty, Option<Box<[u8]>>)>;

impl Groups {
    /// A new group. Returns its number.
    pub fn create(
        &mut self,
        id: Uuid,
        kind: GroupKind,
        attributes: &Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Result<u32, OperationError> {
        if self.numbers.contains_key(&id) {
            return Err(OperationError::IdTaken(id.to_string()));
        }
        let given = parsed(attributes)?;
        if !given
            .iter()
            .any(|(property, value)| *property == GroupProperty::DISPLAY_NAME && value.is_some())
        {
            return Err(OperationError::Fixed(GroupProperty::DISPLAY_NAME.name()));
        }
        let dynamic = given
            .iter()
            .any(|(property, value)| *property == GroupProperty::MEMBERSHIP_RULE && value.is_some());
        let mut values: BTreeMap<_, _> = own_values(kind, dynamic, id, now).into_iter().collect();
        // What is not given was never set.
        values.extend(given.into_iter().filter(|(_, value)| value.is_some()));
        let number = self.len();
        self.all.push(Group {
            id,
            state: State::Live,
            kind,
            values,
            members: Vec::new(),
        });
        self.numbers.insert(id, number);
        self.record(number, Change::Arrived, now);
        Ok(number)
    }

    /// New values; null clears.
    pub fn update(
        &mut self,
        number: u32,
        attributes: &Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Result<(), OperationError> {
        let values = parsed(attributes)?;
        let group = &mut self.all[number as usize];
        let mut changed = GroupProperties::default();
        for (property, value) in values {
            if property == GroupProperty::DISPLAY_NAME && value.is_none() {
                return Err(OperationError::Fixed(property.name()));
            }
            if group.value(property) != value.as_deref() {
                group.values.insert(property, value);
                changed = changed.with(property);
            }
        }
        if changed != GroupProperties::default() {
            self.record(number, Change::Updated(changed), now);
        }
        Ok(())
    }

    /// To the deleted items, or, of a kind that can't be restored, to nowhere.
    pub fn delete(&mut self, number: u32, tell: bool, now: DateTime<Utc>) {
        let group = &mut self.all[number as usize];
        if group.kind.restorable() {
            group.state = State::SoftDeleted(now);
            self.record(number, Change::Left, now);
        } else {
            self.purge(number, tell, now);
        }
    }

    /// Back from the deleted items.
    pub fn restore(&mut self, number: u32, now: DateTime<Utc>) {
        self.all[number as usize].state = State::Live;
        self.record(number, Change::Arrived, now);
    }

    /// To nowhere, and out of all other groups.
    pub fn purge(&mut self, number: u32, tell: bool, now: DateTime<Utc>) {
        let group = &mut self.all[number as usize];
        group.state = State::Gone;
        group.members = Vec::new();
        let id = group.id;
        self.record(number, Change::Left, now);
        self.forget(&[id], tell, now);
    }

    /// Adds those who are no members yet.
    pub fn add(&mut self, number: u32, mut members: Vec<Member>, now: DateTime<Utc>) {
        members.sort_unstable();
        members.dedup_by_key(|member| member.id);
        let group = &mut self.all[number as usize];
        members.retain(|member| !group.holds(member.id));
        if members.is_empty() {
            return;
        }
        if let [member] = members[..] {
            let place = group.members.partition_point(|other| other.id < member.id);
            group.members.insert(place, member);
        } else {
            group.members.reserve_exact(members.len());
            group.members.extend_from_slice(&members);
            group.members.sort_unstable();
        }
        self.record(number, Change::Joined(members.into()), now);
    }

    /// Removes those who are members.
    pub fn remove(&mut self, number: u32, ids: &[Uuid], now: DateTime<Utc>) {
        let parted = self.take(number, ids);
        if !parted.is_empty() {
            self.record(number, Change::Parted(parted.into()), now);
        }
    }

    /// Removes objects that are gone for good from all groups. Graph does not always tell (graph-facts §4).
    pub fn forget(&mut self, ids: &[Uuid], tell: bool, now: DateTime<Utc>) {
        for number in 0..self.len() {
            let parted = self.take(number, ids);
            if !parted.is_empty() && tell {
                self.record(number, Change::Parted(parted.into()), now);
            }
        }
    }

    fn take(&mut self, number: u32, ids: &[Uuid]) -> Vec<Member> {
        let group = &mut self.all[number as usize];
        let going: HashSet<Uuid> = ids.iter().copied().filter(|id| group.holds(*id)).collect();
        if going.is_empty() {
            return Vec::new();
        }
        let gone = |member: &mut Member| going.contains(&member.id);
        group.members.extract_if(.., gone).collect()
    }

    /// Groups that have been in the deleted items since then or longer.
    pub fn deleted_before(&self, time: DateTime<Utc>) -> Vec<u32> {
        self.from(0)
            .filter(|(_, group)| matches!(group.state, State::SoftDeleted(at) if at <= time))
            .map(|(number, _)| number)
            .collect()
    }

    fn record(&mut self, number: u32, change: Change, now: DateTime<Utc>) {
        if self.asked.load(Ordering::Relaxed) {
            self.log.push(number, change, now);
        } else {
            self.unlogged = true;
        }
    }

    /// What has been done so far is how every run of the tenant begins.
    pub fn begin(&mut self) {
        self.unlogged = false;
    }
}

/// What every group has.
fn own_values(kind: GroupKind, dynamic: bool, id: Uuid, now: DateTime<Utc>) -> Values {
    let mut types = Vec::new();
    if kind == GroupKind::Microsoft365 {
        types.push("Unified");
    }
    if dynamic {
        types.push("DynamicMembership");
    }
    let mail = kind != GroupKind::Security;
    let security = matches!(kind, GroupKind::Security | GroupKind::MailEnabledSecurity);
    let nickname = id.simple().to_string();
    let mut created = Json::default();
    created.date(now);
    let mut values = vec![
        (GroupProperty::MAIL_ENABLED, encoded(&json!(mail))),
        (GroupProperty::SECURITY_ENABLED, encoded(&json!(security))),
        (GroupProperty::GROUP_TYPES, encoded(&json!(types))),
        (
            GroupProperty::MAIL_NICKNAME,
            encoded(&json!(nickname.get(..9).unwrap_or_default())),
        ),
        (GroupProperty::CREATED, created.0.into_boxed_slice()),
    ];
    if dynamic {
        values.push((GroupProperty::RULE_STATE, encoded(&json!("On"))));
    }
    if kind == GroupKind::Microsoft365 {
        values.push((GroupProperty::VISIBILITY, encoded(&json!("Public"))));
    }
    values
        .into_iter()
        .map(|(property, value)| (property, Some(value)))
        .collect()
}

fn parsed(attributes: &Map<String, Value>) -> Result<Values, OperationError> {
    let mut values = Vec::with_capacity(attributes.len());
    for (name, value) in attributes {
        let property =
            GroupProperty::named(name).ok_or_else(|| OperationError::UnknownGroupProperty(name.clone()))?;
        let fixed = [
            GroupProperty::ID,
            GroupProperty::MAIL_ENABLED,
            GroupProperty::SECURITY_ENABLED,
            GroupProperty::GROUP_TYPES,
            GroupProperty::DELETED,
        ];
        if fixed.contains(&property) {
            return Err(OperationError::Fixed(property.name()));
        }
        let fits = value.is_null()
            || match property.shape() {
                Shape::Text => value.is_string(),
                Shape::Boolean => value.is_boolean(),
                Shape::List => value.is_array(),
                Shape::Other => true,
                Shape::Relation => false,
            };
        if !fits {
            return Err(OperationError::WrongType {
                property: property.name(),
                value: value.to_string(),
            });
        }
        values.push((property, (!value.is_null()).then(|| encoded(value))));
    }
    Ok(values)
}

fn encoded(value: &Value) -> Box<[u8]> {
    value.to_string().into_bytes().into_boxed_slice()
}
