//! How operations change groups.

use super::operation::{Operation, OperationError};
use super::{Directory, State};
use crate::groups::{Group, GroupKind, Member, MemberKind};
use crate::people::identifier::mix;
use chrono::{DateTime, Utc};
use uuid::Uuid;

impl Directory {
    /// Does an operation that is about a group, and says which; or says why not and changes nothing.
    pub(super) fn apply_to_group(
        &mut self,
        operation: &Operation,
        now: DateTime<Utc>,
    ) -> Result<Option<Uuid>, OperationError> {
        let number = match operation {
            Operation::CreateGroup { id, kind, attributes } => {
                let id = match id {
                    Some(id) => object_id(id)?,
                    None => self.new_group_id(),
                };
                self.groups.create(id, *kind, attributes, now)?
            }
            Operation::UpdateGroup { group, attributes } => {
                let number = self.live_group(group)?;
                self.groups.update(number, attributes, now)?;
                number
            }
            Operation::DeleteGroup { group } => {
                let number = self.live_group(group)?;
                self.groups.delete(number, self.tells_purged, now);
                number
            }
            Operation::RestoreGroup { group } => {
                let number = self.deleted_group(group)?;
                self.groups.restore(number, now);
                number
            }
            Operation::PurgeGroup { group } => {
                let number = self.deleted_group(group)?;
                self.groups.purge(number, self.tells_purged, now);
                number
            }
            Operation::AddMembers { group, kind, members } => {
                let number = self.live_group(group)?;
                let members = self.members(number, *kind, members)?;
                self.groups.add(number, members, now);
                number
            }
            Operation::RemoveMembers { group, members } => {
                let number = self.live_group(group)?;
                let ids = members.iter().map(|id| object_id(id));
                let ids: Vec<Uuid> = ids.collect::<Result<_, _>>()?;
                self.groups.remove(number, &ids, now);
                number
            }
            _ => return Ok(None),
        };
        Ok(self.groups.get(number).map(|group| group.id))
    }

    /// Ids of groups follow from the seed, as those of users do.
    fn new_group_id(&self) -> Uuid {
        let head = mix(self.generation.seal(), u64::from(self.groups.len()));
        let tail = mix(head, self.generation.seed);
        uuid::Builder::from_random_bytes((u128::from(head) << 64 | u128::from(tail)).to_be_bytes())
            .into_uuid()
    }

    /// Those who are to be members, if they may be.
    fn members(&self, number: u32, kind: MemberKind, ids: &[String]) -> Result<Vec<Member>, OperationError> {
        let holder = self.groups.get(number);
        let holds_groups = holder.is_none_or(|group| group.kind != GroupKind::Microsoft365);
        if kind == MemberKind::Group && !holds_groups {
            let id = holder.map(|group| group.id.to_string());
            return Err(OperationError::HoldsNoGroups(id.unwrap_or_default()));
        }
        let mut members = Vec::with_capacity(ids.len());
        for text in ids {
            let id = object_id(text)?;
            match kind {
                MemberKind::User if !self.slot(id).is_some_and(|slot| self.is_live(slot)) => {
                    return Err(OperationError::NoSuchUser {
                        user: text.clone(),
                        expected: "live",
                    });
                }
                MemberKind::Group => drop(self.live_group(text)?),
                _ => {}
            }
            members.push(Member { id, kind });
        }
        Ok(members)
    }

    fn live_group(&self, id: &str) -> Result<u32, OperationError> {
        self.group(id, "live", Group::is_live)
    }

    fn deleted_group(&self, id: &str) -> Result<u32, OperationError> {
        self.group(id, "soft-deleted", |group| {
            matches!(group.state, State::SoftDeleted(_))
        })
    }

    fn group(
        &self,
        id: &str,
        expected: &'static str,
        fits: impl Fn(&Group) -> bool,
    ) -> Result<u32, OperationError> {
        let number = Uuid::try_parse(id).ok().and_then(|id| self.groups.number(id));
        number
            .filter(|number| self.groups.get(*number).is_some_and(fits))
            .ok_or_else(|| OperationError::NoSuchGroup {
                group: id.into(),
                expected,
            })
    }
}

fn object_id(text: &str) -> Result<Uuid, OperationError> {
    Uuid::try_parse(text).map_err(|_| OperationError::BadId(text.into()))
}
