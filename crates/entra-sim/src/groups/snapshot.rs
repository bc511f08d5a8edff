//! Groups as plain data, for an oracle to compare with.

use super::{Group, Groups, MemberKind};
use crate::directory::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One group with everything that is set.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupSnapshot {
    /// Object id.
    pub id: String,
    /// Property names and values. What isn't set isn't there.
    pub attributes: Map<String, Value>,
    /// Is it in the deleted items?
    pub deleted: bool,
    /// Its direct members by object id, whatever their state.
    pub members: BTreeMap<String, MemberKind>,
}

impl Group {
    /// As plain data.
    pub fn snapshot(&self) -> GroupSnapshot {
        let mut attributes = Map::new();
        for (property, value) in &self.values {
            if let Some(value) = value {
                let value = serde_json::from_slice(value).unwrap_or_default();
                attributes.insert(property.name().into(), value);
            }
        }
        let members = self
            .members
            .iter()
            .map(|member| (member.id.to_string(), member.kind));
        GroupSnapshot {
            id: self.id.to_string(),
            attributes,
            deleted: !self.is_live(),
            members: members.collect(),
        }
    }
}

impl Groups {
    /// All live groups, or all in the deleted items, in the order of lists.
    pub fn snapshots(&self, deleted: bool) -> Vec<GroupSnapshot> {
        self.from(0)
            .filter(|(_, group)| group.state != State::Gone && group.is_live() != deleted)
            .map(|(_, group)| group.snapshot())
            .collect()
    }
}
