//! What Entra said of one group, as it said it (I7).

use std::borrow::Cow;

use crate::id::ObjectId;
use crate::observed::{Mention, Presence};

/// What a group is for. The discriminant is its number in stores and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i16)]
pub enum GroupKind {
    /// A Microsoft 365 group. It holds no groups.
    Microsoft365 = 1,
    /// A security group.
    Security = 2,
    /// A security group that gets mail.
    MailEnabledSecurity = 3,
    /// A distribution list.
    Distribution = 4,
}

/// What kind of object a member is. The discriminant is its number in stores and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i16)]
pub enum MemberKind {
    /// The answer did not say, or said something new.
    Unknown = 0,
    /// A user.
    User = 1,
    /// A group, hence its members too.
    Group = 2,
    /// A device.
    Device = 3,
    /// An app's identity in the tenant.
    ServicePrincipal = 4,
    /// A contact that the organization keeps.
    OrgContact = 5,
}

/// A member that an answer added or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberChange {
    /// The member.
    pub id: ObjectId,
    /// What it is.
    pub kind: MemberKind,
    /// Whether it is no longer a member.
    pub removed: bool,
}

/// One row of a round of groups. A large group's members are spread over several rows of the round, on several pages,
/// with other groups between them; what later rows mention wins, and members add up (graph-facts §4).
///
/// What is not mentioned is as it was. A round from the beginning says everything that there is, so what none of its
/// rows mentioned is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedGroup<'a> {
    /// The immutable key.
    pub id: ObjectId,
    /// Where it is in its life.
    pub presence: Presence,
    /// `displayName`
    pub name: Mention<'a>,
    /// `description`
    pub description: Mention<'a>,
    /// `mail`
    pub mail: Mention<'a>,
    /// What it is for; `None` when the row did not say all that tells it.
    pub kind: Option<GroupKind>,
    /// Whether a rule chooses its members; `None` when the row did not say.
    pub dynamic: Option<bool>,
    /// `membershipRule`
    pub membership_rule: Mention<'a>,
    /// `visibility`
    pub visibility: Mention<'a>,
    /// Members added and removed, in the answer's order: of the same member the last entry counts.
    pub members: Vec<MemberChange>,
    /// Why the group's attributes can't be used (a wrong type, too large, …), naming one. Its members can be.
    pub problem: Option<Cow<'a, str>>,
}

impl GroupKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [
        Self::Microsoft365,
        Self::Security,
        Self::MailEnabledSecurity,
        Self::Distribution,
    ];

    /// The kind of this number.
    #[must_use]
    pub fn of_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as i16 == number)
    }

    /// The kind of a group with these properties; none for one that can neither be mailed to nor be given rights.
    #[must_use]
    pub const fn of_properties(unified: bool, security: bool, mail: bool) -> Option<Self> {
        match (unified, security, mail) {
            (true, _, _) => Some(Self::Microsoft365),
            (false, true, false) => Some(Self::Security),
            (false, true, true) => Some(Self::MailEnabledSecurity),
            (false, false, true) => Some(Self::Distribution),
            (false, false, false) => None,
        }
    }
}

impl MemberKind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::Unknown,
        Self::User,
        Self::Group,
        Self::Device,
        Self::ServicePrincipal,
        Self::OrgContact,
    ];

    /// The kind of this number.
    #[must_use]
    pub fn of_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as i16 == number)
    }
}

impl ObservedGroup<'_> {
    /// A group of which nothing is known yet.
    #[must_use]
    pub const fn new(id: ObjectId) -> Self {
        Self {
            id,
            presence: Presence::Present,
            name: Mention::Unmentioned,
            description: Mention::Unmentioned,
            mail: Mention::Unmentioned,
            kind: None,
            dynamic: None,
            membership_rule: Mention::Unmentioned,
            visibility: Mention::Unmentioned,
            members: Vec::new(),
            problem: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_keep_their_numbers() {
        for (at, kind) in GroupKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, at + 1);
            assert_eq!(GroupKind::of_number(kind as i16), Some(kind));
        }
        for (at, kind) in MemberKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, at);
            assert_eq!(MemberKind::of_number(kind as i16), Some(kind));
        }
        assert_eq!((GroupKind::of_number(0), MemberKind::of_number(6)), (None, None));
    }

    #[test]
    fn the_kind_follows_from_three_properties() {
        let of = GroupKind::of_properties;
        assert_eq!(of(true, false, true), Some(GroupKind::Microsoft365));
        assert_eq!(of(true, true, true), Some(GroupKind::Microsoft365));
        assert_eq!(of(false, true, false), Some(GroupKind::Security));
        assert_eq!(of(false, true, true), Some(GroupKind::MailEnabledSecurity));
        assert_eq!(of(false, false, true), Some(GroupKind::Distribution));
        assert_eq!(of(false, false, false), None);
    }
}
