//! The properties of a group in v1.0 (graph-facts §4).

/// What a value looks like in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A string.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A list; empty, never null.
    List,
    /// Anything else.
    Other,
    /// Other directory objects.
    Relation,
}

use Shape::{Boolean, List, Other, Relation, Text};

/// Name, shape, and whether it comes without `$select`. The position is the property's number.
#[rustfmt::skip]
static TABLE: [(&str, Shape, bool); 55] = [
    ("id", Text, true),
    ("displayName", Text, true),
    ("description", Text, true),
    ("mail", Text, true),
    ("mailNickname", Text, true),
    ("mailEnabled", Boolean, true),
    ("securityEnabled", Boolean, true),
    ("groupTypes", List, true),
    ("membershipRule", Text, true),
    ("membershipRuleProcessingState", Text, true),
    ("visibility", Text, true),
    ("createdDateTime", Text, true),
    ("deletedDateTime", Text, false),
    ("members", Relation, false),
    ("owners", Relation, false),
    ("accessType", Other, false),
    ("allowExternalSenders", Boolean, false),
    ("assignedLabels", List, false),
    ("assignedLicenses", List, false),
    ("autoSubscribeNewMembers", Boolean, false),
    ("classification", Text, true),
    ("expirationDateTime", Text, true),
    ("hasMembersWithLicenseErrors", Boolean, false),
    ("hideFromAddressLists", Boolean, false),
    ("hideFromOutlookClients", Boolean, false),
    ("infoCatalogs", List, false),
    ("isArchived", Boolean, false),
    ("isAssignableToRole", Boolean, true),
    ("isFavorite", Boolean, false),
    ("isManagementRestricted", Boolean, false),
    ("isSubscribedByMail", Boolean, false),
    ("licenseProcessingState", Other, false),
    ("onPremisesDomainName", Text, true),
    ("onPremisesExtensionAttributes", Other, false),
    ("onPremisesLastSyncDateTime", Text, true),
    ("onPremisesNetBiosName", Text, true),
    ("onPremisesProvisioningErrors", List, true),
    ("onPremisesSamAccountName", Text, true),
    ("onPremisesSecurityIdentifier", Text, true),
    ("onPremisesSyncEnabled", Boolean, true),
    ("organizationId", Text, false),
    ("preferredDataLocation", Text, true),
    ("preferredLanguage", Text, true),
    ("proxyAddresses", List, true),
    ("renewedDateTime", Text, true),
    ("resourceBehaviorOptions", List, false),
    ("resourceProvisioningOptions", List, true),
    ("securityIdentifier", Text, true),
    ("serviceProvisioningErrors", List, false),
    ("theme", Text, true),
    ("uniqueName", Text, false),
    ("unseenConversationsCount", Other, false),
    ("unseenCount", Other, false),
    ("unseenMessagesCount", Other, false),
    ("welcomeMessageEnabled", Boolean, false),
];

/// One property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupProperty(u8);

impl GroupProperty {
    pub const ID: Self = Self(0);
    pub const DISPLAY_NAME: Self = Self(1);
    pub const MAIL_NICKNAME: Self = Self(4);
    pub const MAIL_ENABLED: Self = Self(5);
    pub const SECURITY_ENABLED: Self = Self(6);
    pub const GROUP_TYPES: Self = Self(7);
    pub const MEMBERSHIP_RULE: Self = Self(8);
    pub const RULE_STATE: Self = Self(9);
    pub const VISIBILITY: Self = Self(10);
    pub const CREATED: Self = Self(11);
    pub const DELETED: Self = Self(12);
    pub const MEMBERS: Self = Self(13);

    /// The property of this name, letter case aside.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|property| property.name().eq_ignore_ascii_case(name))
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..).map(Self).take(TABLE.len())
    }

    /// What comes without `$select`.
    pub fn defaults() -> Vec<Self> {
        Self::all()
            .filter(|property| TABLE[usize::from(property.0)].2)
            .collect()
    }

    /// Graph's name.
    pub fn name(self) -> &'static str {
        TABLE[usize::from(self.0)].0
    }

    /// What a value looks like.
    pub fn shape(self) -> Shape {
        TABLE[usize::from(self.0)].1
    }

    /// How no value is written.
    pub fn empty(self) -> &'static str {
        match self.shape() {
            List => "[]",
            _ => "null",
        }
    }
}

/// A set of properties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupProperties(pub u64);

impl GroupProperties {
    /// With one more.
    #[must_use]
    pub fn with(self, property: GroupProperty) -> Self {
        Self(self.0 | 1 << property.0)
    }

    /// Is it in the set?
    pub fn has(self, property: GroupProperty) -> bool {
        self.0 & 1 << property.0 != 0
    }

    /// Have the two sets one in common?
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Those in the set.
    pub fn list(self) -> impl Iterator<Item = GroupProperty> {
        GroupProperty::all().filter(move |property| self.has(*property))
    }
}

impl FromIterator<GroupProperty> for GroupProperties {
    fn from_iter<I: IntoIterator<Item = GroupProperty>>(properties: I) -> Self {
        properties.into_iter().fold(Self::default(), Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_name_what_they_say() {
        let named = [
            (GroupProperty::ID, "id"),
            (GroupProperty::DISPLAY_NAME, "displayName"),
            (GroupProperty::MAIL_NICKNAME, "mailNickname"),
            (GroupProperty::MAIL_ENABLED, "mailEnabled"),
            (GroupProperty::SECURITY_ENABLED, "securityEnabled"),
            (GroupProperty::GROUP_TYPES, "groupTypes"),
            (GroupProperty::MEMBERSHIP_RULE, "membershipRule"),
            (GroupProperty::RULE_STATE, "membershipRuleProcessingState"),
            (GroupProperty::VISIBILITY, "visibility"),
            (GroupProperty::CREATED, "createdDateTime"),
            (GroupProperty::DELETED, "deletedDateTime"),
            (GroupProperty::MEMBERS, "members"),
        ];
        for (property, name) in named {
            assert_eq!(
                (property.name(), GroupProperty::named(name)),
                (name, Some(property))
            );
        }
        assert!(GroupProperty::all().count() <= 64, "a set has 64 bits");
    }
}
