//! The properties of a user in v1.0: name, shape, how they are reached, and who writes them (graph-facts §2.2, §2.3).

use crate::json::Json;
use crate::people::person::Person;
use crate::people::{contact, onpremises, organization, profile};

/// What a value looks like in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A string.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A number.
    Number,
    /// Strings; empty, never null.
    Texts,
    /// Objects; empty, never null.
    Objects,
    /// One object.
    Object,
    /// Another directory object.
    Relation,
}

/// How a property is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// In lists and single reads, without being asked for.
    Default,
    /// In lists and single reads, by `$select`.
    Select,
    /// In single reads only: 501 in a list. Not tracked by delta (§3.5).
    Single,
    /// Needs a premium licence: 403 without.
    Premium,
    /// Selectable in delta only; elsewhere by `$expand`.
    Relation,
}

type Writer = fn(&Person<'_>, &mut Json) -> bool;

/// What there is to know of a property.
pub struct Definition {
    /// Graph's name.
    pub name: &'static str,
    /// What a value looks like.
    pub shape: Shape,
    /// How it is reached.
    pub reach: Reach,
    /// Writes a generated user's value; false when it was never set.
    pub write: Writer,
}

const fn never(_: &Person<'_>, _: &mut Json) -> bool {
    false
}

const fn of(name: &'static str, shape: Shape, reach: Reach, write: Writer) -> Definition {
    Definition {
        name,
        shape,
        reach,
        write,
    }
}

use Reach::{Default, Premium, Relation, Select, Single};
use Shape::{Boolean, Number, Object, Objects, Text, Texts};

/// All properties. The position is the property's number.
#[rustfmt::skip]
static TABLE: [Definition; 83] = [
    of("id", Text, Default, never),
    of("userPrincipalName", Text, Default, profile::principal_name),
    of("displayName", Text, Default, profile::display_name),
    of("deletedDateTime", Text, Select, never),
    of("accountEnabled", Boolean, Select, profile::account_enabled),
    of("manager", Shape::Relation, Relation, never),
    of("aboutMe", Text, Single, never),
    of("ageGroup", Text, Select, profile::age_group),
    of("assignedLicenses", Objects, Select, profile::assigned_licenses),
    of("assignedPlans", Objects, Select, never),
    of("authorizationInfo", Object, Select, never),
    of("birthday", Text, Single, never),
    of("businessPhones", Texts, Default, contact::business_phones),
    of("city", Text, Select, contact::city),
    of("companyName", Text, Select, organization::company_name),
    of("consentProvidedForMinor", Text, Select, profile::consent_for_minor),
    of("country", Text, Select, contact::country),
    of("createdDateTime", Text, Select, profile::created_date),
    of("creationType", Text, Select, profile::creation_type),
    of("customSecurityAttributes", Object, Select, never),
    of("department", Text, Select, organization::department),
    of("deviceEnrollmentLimit", Number, Single, never),
    of("employeeHireDate", Text, Select, profile::hire_date),
    of("employeeId", Text, Select, organization::employee_id),
    of("employeeLeaveDateTime", Text, Select, never),
    of("employeeOrgData", Object, Select, organization::employee_org_data),
    of("employeeType", Text, Select, organization::employee_type),
    of("externalUserState", Text, Select, profile::external_user_state),
    of("externalUserStateChangeDateTime", Text, Select, profile::external_user_state_change),
    of("faxNumber", Text, Select, contact::fax_number),
    of("givenName", Text, Default, profile::given_name),
    of("hireDate", Text, Single, never),
    of("identities", Objects, Select, profile::identities),
    of("identityParentId", Text, Select, never),
    of("imAddresses", Texts, Select, contact::im_addresses),
    of("interests", Texts, Single, never),
    of("isManagementRestricted", Boolean, Select, never),
    of("isResourceAccount", Boolean, Select, never),
    of("jobTitle", Text, Default, organization::job_title),
    of("lastPasswordChangeDateTime", Text, Select, profile::last_password_change),
    of("legalAgeGroupClassification", Text, Select, profile::legal_age_group),
    of("licenseAssignmentStates", Objects, Select, never),
    of("mail", Text, Default, contact::mail),
    of("mailNickname", Text, Select, contact::mail_nickname),
    of("mailboxSettings", Object, Single, never),
    of("mobilePhone", Text, Default, contact::mobile_phone),
    of("mySite", Text, Single, never),
    of("officeLocation", Text, Default, organization::office_location),
    of("onPremisesDistinguishedName", Text, Select, onpremises::distinguished_name),
    of("onPremisesDomainName", Text, Select, onpremises::domain_name),
    of("onPremisesExtensionAttributes", Object, Select, onpremises::extension_attributes),
    of("onPremisesImmutableId", Text, Select, onpremises::immutable_id),
    of("onPremisesLastSyncDateTime", Text, Select, onpremises::last_sync),
    of("onPremisesProvisioningErrors", Objects, Select, never),
    of("onPremisesSamAccountName", Text, Select, onpremises::sam_account_name),
    of("onPremisesSecurityIdentifier", Text, Select, onpremises::security_identifier),
    of("onPremisesSyncEnabled", Boolean, Select, onpremises::sync_enabled),
    of("onPremisesUserPrincipalName", Text, Select, onpremises::principal_name),
    of("otherMails", Texts, Select, contact::other_mails),
    of("passwordPolicies", Text, Select, profile::password_policies),
    of("passwordProfile", Object, Select, never),
    of("pastProjects", Texts, Single, never),
    of("postalCode", Text, Select, contact::postal_code),
    of("preferredDataLocation", Text, Select, never),
    of("preferredLanguage", Text, Default, profile::preferred_language),
    of("preferredName", Text, Single, never),
    of("print", Object, Single, never),
    of("provisionedPlans", Objects, Select, never),
    of("proxyAddresses", Texts, Select, contact::proxy_addresses),
    of("responsibilities", Texts, Single, never),
    of("schools", Texts, Single, never),
    of("securityIdentifier", Text, Select, profile::security_identifier),
    of("serviceProvisioningErrors", Objects, Select, never),
    of("showInAddressList", Boolean, Select, never),
    of("signInActivity", Object, Premium, never),
    of("signInSessionsValidFromDateTime", Text, Select, profile::last_password_change),
    of("skills", Texts, Single, never),
    of("state", Text, Select, contact::state),
    of("streetAddress", Text, Select, contact::street_address),
    of("surname", Text, Default, profile::surname),
    of("usageLocation", Text, Select, profile::usage_location),
    of("userType", Text, Select, profile::user_type),
    of("cloudLicensing", Object, Single, never),
];

/// One property of a user: its place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Property(u8);

impl Property {
    /// `id`
    pub const ID: Self = Self(0);
    /// `userPrincipalName`
    pub const PRINCIPAL_NAME: Self = Self(1);
    /// `displayName`
    pub const DISPLAY_NAME: Self = Self(2);
    /// `deletedDateTime`
    pub const DELETED: Self = Self(3);
    /// `accountEnabled`
    pub const ENABLED: Self = Self(4);
    /// `manager`
    pub const MANAGER: Self = Self(5);

    /// The property of this name; Graph takes any letter case.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|property| property.definition().name.eq_ignore_ascii_case(name))
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..).map(Self).take(TABLE.len())
    }

    /// What comes without `$select` (graph-facts §2.2).
    pub fn defaults() -> Vec<Self> {
        let all = Self::all().filter(|property| property.definition().reach == Default);
        all.collect()
    }

    /// What there is to know of it.
    pub fn definition(self) -> &'static Definition {
        &TABLE[usize::from(self.0)]
    }

    /// Graph's name.
    pub fn name(self) -> &'static str {
        self.definition().name
    }

    /// Does delta track it (graph-facts §3.5)?
    pub fn tracked(self) -> bool {
        matches!(self.definition().reach, Default | Select | Relation)
            && self.name() != "licenseAssignmentStates"
    }

    /// What stands in a list for a value that isn't there.
    pub fn empty(self) -> &'static str {
        match self.definition().shape {
            Texts | Objects => "[]",
            _ => "null",
        }
    }
}

/// A set of properties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Properties(pub u128);

impl Properties {
    /// The set and one more.
    #[must_use]
    pub const fn with(self, property: Property) -> Self {
        Self(self.0 | 1 << property.0)
    }

    /// Is it in the set?
    pub const fn has(self, property: Property) -> bool {
        self.0 >> property.0 & 1 == 1
    }

    /// Have they something in common?
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The properties in the set, by number.
    pub fn list(self) -> impl Iterator<Item = Property> {
        Property::all().filter(move |property| self.has(*property))
    }
}

impl FromIterator<Property> for Properties {
    fn from_iter<I: IntoIterator<Item = Property>>(properties: I) -> Self {
        properties.into_iter().fold(Self::default(), Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbered_properties_are_where_they_should_be() {
        let named = [
            (Property::ID, "id"),
            (Property::PRINCIPAL_NAME, "userPrincipalName"),
            (Property::DISPLAY_NAME, "displayName"),
            (Property::DELETED, "deletedDateTime"),
            (Property::ENABLED, "accountEnabled"),
            (Property::MANAGER, "manager"),
        ];
        for (property, name) in named {
            assert_eq!(property.name(), name);
            assert_eq!(Property::named(&name.to_uppercase()), Some(property));
        }
    }

    #[test]
    fn eleven_come_by_default() {
        assert_eq!(Property::defaults().len(), 11);
    }

    #[test]
    fn a_set_holds_what_was_put_in() {
        let set: Properties = [Property::MANAGER, Property::ID].into_iter().collect();
        assert_eq!(set.list().collect::<Vec<_>>(), [Property::ID, Property::MANAGER]);
        assert!(!set.has(Property::ENABLED));
    }
}
