//! The catalogue of Entra attributes that Rollcall reads of a user (I3).
//!
//! Left out on purpose: attributes that a collection can't list (`skills`, `aboutMe`, …: 501), that need a further
//! permission or licence (`signInActivity`, `employeeLeaveDateTime`), that are not tracked by delta
//! (`licenseAssignmentStates`), and `onPremisesLastSyncDateTime`, which changes every half hour on every synced user.

use std::fmt;

/// How an attribute's value is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// `true` or `false`.
    Boolean,
    /// ISO 8601 in UTC, as Graph gives it.
    Date,
    /// Strings, joined by a line feed.
    List,
    /// The object id of another directory object.
    Reference,
}

/// One attribute of an Entra user. The discriminant is its number on the wire and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Attribute {
    /// `userPrincipalName`
    UserPrincipalName = 0,
    /// `displayName`
    DisplayName = 1,
    /// `givenName`
    GivenName = 2,
    /// `surname`
    Surname = 3,
    /// `mail`
    Mail = 4,
    /// `mailNickname`
    MailNickname = 5,
    /// `accountEnabled`
    AccountEnabled = 6,
    /// `userType`
    UserType = 7,
    /// `jobTitle`
    JobTitle = 8,
    /// `department`
    Department = 9,
    /// `companyName`
    CompanyName = 10,
    /// `officeLocation`
    OfficeLocation = 11,
    /// `employeeId`
    EmployeeId = 12,
    /// `employeeType`
    EmployeeType = 13,
    /// `employeeHireDate`
    EmployeeHireDate = 14,
    /// `employeeOrgData.costCenter`
    CostCenter = 15,
    /// `employeeOrgData.division`
    Division = 16,
    /// `businessPhones`
    BusinessPhones = 17,
    /// `mobilePhone`
    MobilePhone = 18,
    /// `faxNumber`
    FaxNumber = 19,
    /// `streetAddress`
    StreetAddress = 20,
    /// `city`
    City = 21,
    /// `state`
    State = 22,
    /// `postalCode`
    PostalCode = 23,
    /// `country`
    Country = 24,
    /// `usageLocation`
    UsageLocation = 25,
    /// `preferredLanguage`
    PreferredLanguage = 26,
    /// `proxyAddresses`
    ProxyAddresses = 27,
    /// `otherMails`
    OtherMails = 28,
    /// `imAddresses`
    ImAddresses = 29,
    /// `creationType`
    CreationType = 30,
    /// `externalUserState`
    ExternalUserState = 31,
    /// `createdDateTime`
    CreatedDateTime = 32,
    /// `lastPasswordChangeDateTime`
    LastPasswordChangeDateTime = 33,
    /// `ageGroup`
    AgeGroup = 34,
    /// `consentProvidedForMinor`
    ConsentProvidedForMinor = 35,
    /// `legalAgeGroupClassification`
    LegalAgeGroupClassification = 36,
    /// `onPremisesUserPrincipalName`
    OnPremisesUserPrincipalName = 37,
    /// `onPremisesDomainName`
    OnPremisesDomainName = 38,
    /// `onPremisesSamAccountName`
    OnPremisesSamAccountName = 39,
    /// `onPremisesImmutableId`
    OnPremisesImmutableId = 40,
    /// `onPremisesDistinguishedName`
    OnPremisesDistinguishedName = 41,
    /// `onPremisesSecurityIdentifier`
    OnPremisesSecurityIdentifier = 42,
    /// `onPremisesSyncEnabled`
    OnPremisesSyncEnabled = 43,
    /// `manager`
    Manager = 44,
}

impl Attribute {
    /// How many there are.
    pub const COUNT: usize = 45;

    /// All of them, by number.
    pub const ALL: [Self; Self::COUNT] = [
        Self::UserPrincipalName,
        Self::DisplayName,
        Self::GivenName,
        Self::Surname,
        Self::Mail,
        Self::MailNickname,
        Self::AccountEnabled,
        Self::UserType,
        Self::JobTitle,
        Self::Department,
        Self::CompanyName,
        Self::OfficeLocation,
        Self::EmployeeId,
        Self::EmployeeType,
        Self::EmployeeHireDate,
        Self::CostCenter,
        Self::Division,
        Self::BusinessPhones,
        Self::MobilePhone,
        Self::FaxNumber,
        Self::StreetAddress,
        Self::City,
        Self::State,
        Self::PostalCode,
        Self::Country,
        Self::UsageLocation,
        Self::PreferredLanguage,
        Self::ProxyAddresses,
        Self::OtherMails,
        Self::ImAddresses,
        Self::CreationType,
        Self::ExternalUserState,
        Self::CreatedDateTime,
        Self::LastPasswordChangeDateTime,
        Self::AgeGroup,
        Self::ConsentProvidedForMinor,
        Self::LegalAgeGroupClassification,
        Self::OnPremisesUserPrincipalName,
        Self::OnPremisesDomainName,
        Self::OnPremisesSamAccountName,
        Self::OnPremisesImmutableId,
        Self::OnPremisesDistinguishedName,
        Self::OnPremisesSecurityIdentifier,
        Self::OnPremisesSyncEnabled,
        Self::Manager,
    ];

    /// Graph's name; a part of a complex property is written with a dot.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UserPrincipalName => "userPrincipalName",
            Self::DisplayName => "displayName",
            Self::GivenName => "givenName",
            Self::Surname => "surname",
            Self::Mail => "mail",
            Self::MailNickname => "mailNickname",
            Self::AccountEnabled => "accountEnabled",
            Self::UserType => "userType",
            Self::JobTitle => "jobTitle",
            Self::Department => "department",
            Self::CompanyName => "companyName",
            Self::OfficeLocation => "officeLocation",
            Self::EmployeeId => "employeeId",
            Self::EmployeeType => "employeeType",
            Self::EmployeeHireDate => "employeeHireDate",
            Self::CostCenter => "employeeOrgData.costCenter",
            Self::Division => "employeeOrgData.division",
            Self::BusinessPhones => "businessPhones",
            Self::MobilePhone => "mobilePhone",
            Self::FaxNumber => "faxNumber",
            Self::StreetAddress => "streetAddress",
            Self::City => "city",
            Self::State => "state",
            Self::PostalCode => "postalCode",
            Self::Country => "country",
            Self::UsageLocation => "usageLocation",
            Self::PreferredLanguage => "preferredLanguage",
            Self::ProxyAddresses => "proxyAddresses",
            Self::OtherMails => "otherMails",
            Self::ImAddresses => "imAddresses",
            Self::CreationType => "creationType",
            Self::ExternalUserState => "externalUserState",
            Self::CreatedDateTime => "createdDateTime",
            Self::LastPasswordChangeDateTime => "lastPasswordChangeDateTime",
            Self::AgeGroup => "ageGroup",
            Self::ConsentProvidedForMinor => "consentProvidedForMinor",
            Self::LegalAgeGroupClassification => "legalAgeGroupClassification",
            Self::OnPremisesUserPrincipalName => "onPremisesUserPrincipalName",
            Self::OnPremisesDomainName => "onPremisesDomainName",
            Self::OnPremisesSamAccountName => "onPremisesSamAccountName",
            Self::OnPremisesImmutableId => "onPremisesImmutableId",
            Self::OnPremisesDistinguishedName => "onPremisesDistinguishedName",
            Self::OnPremisesSecurityIdentifier => "onPremisesSecurityIdentifier",
            Self::OnPremisesSyncEnabled => "onPremisesSyncEnabled",
            Self::Manager => "manager",
        }
    }

    /// The attribute of this name, letter case aside.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|attribute| attribute.name().eq_ignore_ascii_case(name))
    }

    /// How its value is written down.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::AccountEnabled | Self::OnPremisesSyncEnabled => Kind::Boolean,
            Self::EmployeeHireDate | Self::CreatedDateTime | Self::LastPasswordChangeDateTime => Kind::Date,
            Self::BusinessPhones | Self::ProxyAddresses | Self::OtherMails | Self::ImAddresses => Kind::List,
            Self::Manager => Kind::Reference,
            _ => Kind::Text,
        }
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
