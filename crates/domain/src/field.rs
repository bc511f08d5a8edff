//! The register's fields of an account, or of a person without a login.

use std::fmt;

use crate::attribute::Attribute;
use crate::value_kind::ValueKind;

/// One field of a record in the register. The discriminant is its number on the wire and in stored plans, and
/// never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Field {
    /// Name.
    Name = 0,
    /// Login name.
    Login = 1,
    /// Domain.
    Domain = 2,
    /// E-mail.
    Email = 3,
    /// User principal name.
    Upn = 4,
    /// Lookup GUID.
    LookupGuid = 5,
    /// First name.
    FirstName = 6,
    /// Last name.
    LastName = 7,
    /// Mail nickname.
    Alias = 8,
    /// Enabled in directory.
    EnabledInDirectory = 9,
    /// User type.
    UserType = 10,
    /// Job title.
    JobTitle = 11,
    /// Department.
    Department = 12,
    /// Company.
    Company = 13,
    /// Office.
    Office = 14,
    /// Employee id.
    EmployeeId = 15,
    /// Employee type.
    EmployeeType = 16,
    /// Hire date.
    HireDate = 17,
    /// Cost centre.
    CostCenter = 18,
    /// Division.
    Division = 19,
    /// Phone.
    Phone = 20,
    /// Mobile.
    Mobile = 21,
    /// Fax.
    Fax = 22,
    /// Street.
    Street = 23,
    /// City.
    City = 24,
    /// State.
    State = 25,
    /// Postal code.
    PostalCode = 26,
    /// Country.
    Country = 27,
    /// Usage location.
    UsageLocation = 28,
    /// Language.
    Language = 29,
    /// E-mail addresses.
    EmailAliases = 30,
    /// Other e-mails.
    OtherEmails = 31,
    /// IM addresses.
    ImAddresses = 32,
    /// Creation type.
    CreationType = 33,
    /// Invitation state.
    ExternalState = 34,
    /// Created in directory.
    DirectoryCreated = 35,
    /// Password changed.
    PasswordChanged = 36,
    /// Age group.
    AgeGroup = 37,
    /// Consent for minor.
    MinorConsent = 38,
    /// Legal age group.
    LegalAgeGroup = 39,
    /// On-premises UPN.
    OnPremisesUpn = 40,
    /// On-premises domain.
    OnPremisesDomain = 41,
    /// On-premises login.
    OnPremisesLogin = 42,
    /// On-premises immutable id.
    OnPremisesImmutableId = 43,
    /// On-premises distinguished name.
    OnPremisesDn = 44,
    /// On-premises SID.
    OnPremisesSid = 45,
    /// Synced from on-premises.
    OnPremisesSynced = 46,
    /// Reporting to. Holds the manager's object id in Entra; who that is in the register is looked up through the links, so a
    /// manager who arrives later needs no second write.
    ReportingTo = 47,
    /// Organizational unit of an account (I2).
    OrganizationalUnit = 48,
    /// Entity that a person without a login belongs to (I2).
    Entity = 49,
    /// Collection, within the entity.
    Collection = 50,
    /// What tells a person from the others of the collection (M3).
    Identifier = 51,
    /// A custom field (M2): an organization names it and says its type.
    Custom1 = 52,
    /// A custom field (M2): an organization names it and says its type.
    Custom2 = 53,
    /// A custom field (M2): an organization names it and says its type.
    Custom3 = 54,
    /// A custom field (M2): an organization names it and says its type.
    Custom4 = 55,
    /// A custom field (M2): an organization names it and says its type.
    Custom5 = 56,
    /// A custom field (M2): an organization names it and says its type.
    Custom6 = 57,
    /// A custom field (M2): an organization names it and says its type.
    Custom7 = 58,
    /// A custom field (M2): an organization names it and says its type.
    Custom8 = 59,
    /// A custom field (M2): an organization names it and says its type.
    Custom9 = 60,
    /// A custom field (M2): an organization names it and says its type.
    Custom10 = 61,
    /// A custom field (M2): an organization names it and says its type.
    Custom11 = 62,
    /// A custom field (M2): an organization names it and says its type.
    Custom12 = 63,
    /// A custom field (M2): an organization names it and says its type.
    Custom13 = 64,
    /// A custom field (M2): an organization names it and says its type.
    Custom14 = 65,
    /// A custom field (M2): an organization names it and says its type.
    Custom15 = 66,
    /// A custom field (M2): an organization names it and says its type.
    Custom16 = 67,
}

/// What of an attribute goes into a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reading {
    /// The attribute as it is.
    Whole(Attribute),
    /// What stands before the last `@`: `userPrincipalName.local`.
    Local(Attribute),
    /// What stands behind the last `@`: `userPrincipalName.domain`.
    Domain(Attribute),
}

impl Field {
    /// How many there are.
    pub const COUNT: usize = 68;

    /// All of them, by number.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Name,
        Self::Login,
        Self::Domain,
        Self::Email,
        Self::Upn,
        Self::LookupGuid,
        Self::FirstName,
        Self::LastName,
        Self::Alias,
        Self::EnabledInDirectory,
        Self::UserType,
        Self::JobTitle,
        Self::Department,
        Self::Company,
        Self::Office,
        Self::EmployeeId,
        Self::EmployeeType,
        Self::HireDate,
        Self::CostCenter,
        Self::Division,
        Self::Phone,
        Self::Mobile,
        Self::Fax,
        Self::Street,
        Self::City,
        Self::State,
        Self::PostalCode,
        Self::Country,
        Self::UsageLocation,
        Self::Language,
        Self::EmailAliases,
        Self::OtherEmails,
        Self::ImAddresses,
        Self::CreationType,
        Self::ExternalState,
        Self::DirectoryCreated,
        Self::PasswordChanged,
        Self::AgeGroup,
        Self::MinorConsent,
        Self::LegalAgeGroup,
        Self::OnPremisesUpn,
        Self::OnPremisesDomain,
        Self::OnPremisesLogin,
        Self::OnPremisesImmutableId,
        Self::OnPremisesDn,
        Self::OnPremisesSid,
        Self::OnPremisesSynced,
        Self::ReportingTo,
        Self::OrganizationalUnit,
        Self::Entity,
        Self::Collection,
        Self::Identifier,
        Self::Custom1,
        Self::Custom2,
        Self::Custom3,
        Self::Custom4,
        Self::Custom5,
        Self::Custom6,
        Self::Custom7,
        Self::Custom8,
        Self::Custom9,
        Self::Custom10,
        Self::Custom11,
        Self::Custom12,
        Self::Custom13,
        Self::Custom14,
        Self::Custom15,
        Self::Custom16,
    ];

    /// The custom ones.
    pub const CUSTOM: [Self; 16] = [
        Self::Custom1,
        Self::Custom2,
        Self::Custom3,
        Self::Custom4,
        Self::Custom5,
        Self::Custom6,
        Self::Custom7,
        Self::Custom8,
        Self::Custom9,
        Self::Custom10,
        Self::Custom11,
        Self::Custom12,
        Self::Custom13,
        Self::Custom14,
        Self::Custom15,
        Self::Custom16,
    ];

    /// The field of this number.
    #[must_use]
    pub fn of_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The name in YAML and in the API: lowerCamelCase.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Login => "login",
            Self::Domain => "domain",
            Self::Email => "email",
            Self::Upn => "upn",
            Self::LookupGuid => "lookupGuid",
            Self::FirstName => "firstName",
            Self::LastName => "lastName",
            Self::Alias => "alias",
            Self::EnabledInDirectory => "enabledInDirectory",
            Self::UserType => "userType",
            Self::JobTitle => "jobTitle",
            Self::Department => "department",
            Self::Company => "company",
            Self::Office => "office",
            Self::EmployeeId => "employeeId",
            Self::EmployeeType => "employeeType",
            Self::HireDate => "hireDate",
            Self::CostCenter => "costCenter",
            Self::Division => "division",
            Self::Phone => "phone",
            Self::Mobile => "mobile",
            Self::Fax => "fax",
            Self::Street => "street",
            Self::City => "city",
            Self::State => "state",
            Self::PostalCode => "postalCode",
            Self::Country => "country",
            Self::UsageLocation => "usageLocation",
            Self::Language => "language",
            Self::EmailAliases => "emailAliases",
            Self::OtherEmails => "otherEmails",
            Self::ImAddresses => "imAddresses",
            Self::CreationType => "creationType",
            Self::ExternalState => "externalState",
            Self::DirectoryCreated => "directoryCreated",
            Self::PasswordChanged => "passwordChanged",
            Self::AgeGroup => "ageGroup",
            Self::MinorConsent => "minorConsent",
            Self::LegalAgeGroup => "legalAgeGroup",
            Self::OnPremisesUpn => "onPremisesUpn",
            Self::OnPremisesDomain => "onPremisesDomain",
            Self::OnPremisesLogin => "onPremisesLogin",
            Self::OnPremisesImmutableId => "onPremisesImmutableId",
            Self::OnPremisesDn => "onPremisesDn",
            Self::OnPremisesSid => "onPremisesSid",
            Self::OnPremisesSynced => "onPremisesSynced",
            Self::ReportingTo => "reportingTo",
            Self::OrganizationalUnit => "organizationalUnit",
            Self::Entity => "entity",
            Self::Collection => "collection",
            Self::Identifier => "identifier",
            Self::Custom1 => "custom1",
            Self::Custom2 => "custom2",
            Self::Custom3 => "custom3",
            Self::Custom4 => "custom4",
            Self::Custom5 => "custom5",
            Self::Custom6 => "custom6",
            Self::Custom7 => "custom7",
            Self::Custom8 => "custom8",
            Self::Custom9 => "custom9",
            Self::Custom10 => "custom10",
            Self::Custom11 => "custom11",
            Self::Custom12 => "custom12",
            Self::Custom13 => "custom13",
            Self::Custom14 => "custom14",
            Self::Custom15 => "custom15",
            Self::Custom16 => "custom16",
        }
    }

    /// The field of this name; case, underscores, blanks and dashes aside, as CSV headers write them.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        let plain: String = key.chars().filter(|c| !matches!(c, '_' | ' ' | '-')).collect();
        Self::ALL
            .into_iter()
            .find(|field| field.key().eq_ignore_ascii_case(&plain))
    }

    /// Whether this names what the sync itself keeps of each record, its integration status (I6): no field that can be
    /// mapped.
    #[must_use]
    pub fn is_kept_by_the_sync(key: &str) -> bool {
        let plain: String = key.chars().filter(|c| !matches!(c, '_' | ' ' | '-')).collect();
        plain.eq_ignore_ascii_case("integrationStatus")
    }

    /// The name people read.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Name => "Name",
            Self::Login => "Login name",
            Self::Domain => "Domain",
            Self::Email => "E-mail",
            Self::Upn => "User principal name",
            Self::LookupGuid => "Lookup GUID",
            Self::FirstName => "First name",
            Self::LastName => "Last name",
            Self::Alias => "Mail nickname",
            Self::EnabledInDirectory => "Enabled in directory",
            Self::UserType => "User type",
            Self::JobTitle => "Job title",
            Self::Department => "Department",
            Self::Company => "Company",
            Self::Office => "Office",
            Self::EmployeeId => "Employee id",
            Self::EmployeeType => "Employee type",
            Self::HireDate => "Hire date",
            Self::CostCenter => "Cost centre",
            Self::Division => "Division",
            Self::Phone => "Phone",
            Self::Mobile => "Mobile",
            Self::Fax => "Fax",
            Self::Street => "Street",
            Self::City => "City",
            Self::State => "State",
            Self::PostalCode => "Postal code",
            Self::Country => "Country",
            Self::UsageLocation => "Usage location",
            Self::Language => "Language",
            Self::EmailAliases => "E-mail addresses",
            Self::OtherEmails => "Other e-mails",
            Self::ImAddresses => "IM addresses",
            Self::CreationType => "Creation type",
            Self::ExternalState => "Invitation state",
            Self::DirectoryCreated => "Created in directory",
            Self::PasswordChanged => "Password changed",
            Self::AgeGroup => "Age group",
            Self::MinorConsent => "Consent for minor",
            Self::LegalAgeGroup => "Legal age group",
            Self::OnPremisesUpn => "On-premises UPN",
            Self::OnPremisesDomain => "On-premises domain",
            Self::OnPremisesLogin => "On-premises login",
            Self::OnPremisesImmutableId => "On-premises immutable id",
            Self::OnPremisesDn => "On-premises distinguished name",
            Self::OnPremisesSid => "On-premises SID",
            Self::OnPremisesSynced => "Synced from on-premises",
            Self::ReportingTo => "Reporting to",
            Self::OrganizationalUnit => "Organizational unit",
            Self::Entity => "Entity",
            Self::Collection => "Collection",
            Self::Identifier => "Unique identifier",
            Self::Custom1 => "Custom field 1",
            Self::Custom2 => "Custom field 2",
            Self::Custom3 => "Custom field 3",
            Self::Custom4 => "Custom field 4",
            Self::Custom5 => "Custom field 5",
            Self::Custom6 => "Custom field 6",
            Self::Custom7 => "Custom field 7",
            Self::Custom8 => "Custom field 8",
            Self::Custom9 => "Custom field 9",
            Self::Custom10 => "Custom field 10",
            Self::Custom11 => "Custom field 11",
            Self::Custom12 => "Custom field 12",
            Self::Custom13 => "Custom field 13",
            Self::Custom14 => "Custom field 14",
            Self::Custom15 => "Custom field 15",
            Self::Custom16 => "Custom field 16",
        }
    }

    /// The attribute that a mapping without rows of its own reads into this field, and that a form suggests (M1).
    #[must_use]
    pub const fn default_reading(self) -> Option<Reading> {
        match self {
            Self::Name => Some(Reading::Whole(Attribute::DisplayName)),
            Self::Login => Some(Reading::Local(Attribute::UserPrincipalName)),
            Self::Domain => Some(Reading::Domain(Attribute::UserPrincipalName)),
            Self::Email => Some(Reading::Whole(Attribute::Mail)),
            Self::Upn => Some(Reading::Whole(Attribute::UserPrincipalName)),
            Self::FirstName => Some(Reading::Whole(Attribute::GivenName)),
            Self::LastName => Some(Reading::Whole(Attribute::Surname)),
            Self::Alias => Some(Reading::Whole(Attribute::MailNickname)),
            Self::EnabledInDirectory => Some(Reading::Whole(Attribute::AccountEnabled)),
            Self::UserType => Some(Reading::Whole(Attribute::UserType)),
            Self::JobTitle => Some(Reading::Whole(Attribute::JobTitle)),
            Self::Department => Some(Reading::Whole(Attribute::Department)),
            Self::Company => Some(Reading::Whole(Attribute::CompanyName)),
            Self::Office => Some(Reading::Whole(Attribute::OfficeLocation)),
            Self::EmployeeId => Some(Reading::Whole(Attribute::EmployeeId)),
            Self::EmployeeType => Some(Reading::Whole(Attribute::EmployeeType)),
            Self::HireDate => Some(Reading::Whole(Attribute::EmployeeHireDate)),
            Self::CostCenter => Some(Reading::Whole(Attribute::CostCenter)),
            Self::Division => Some(Reading::Whole(Attribute::Division)),
            Self::Phone => Some(Reading::Whole(Attribute::BusinessPhones)),
            Self::Mobile => Some(Reading::Whole(Attribute::MobilePhone)),
            Self::Fax => Some(Reading::Whole(Attribute::FaxNumber)),
            Self::Street => Some(Reading::Whole(Attribute::StreetAddress)),
            Self::City => Some(Reading::Whole(Attribute::City)),
            Self::State => Some(Reading::Whole(Attribute::State)),
            Self::PostalCode => Some(Reading::Whole(Attribute::PostalCode)),
            Self::Country => Some(Reading::Whole(Attribute::Country)),
            Self::UsageLocation => Some(Reading::Whole(Attribute::UsageLocation)),
            Self::Language => Some(Reading::Whole(Attribute::PreferredLanguage)),
            Self::EmailAliases => Some(Reading::Whole(Attribute::ProxyAddresses)),
            Self::OtherEmails => Some(Reading::Whole(Attribute::OtherMails)),
            Self::ImAddresses => Some(Reading::Whole(Attribute::ImAddresses)),
            Self::CreationType => Some(Reading::Whole(Attribute::CreationType)),
            Self::ExternalState => Some(Reading::Whole(Attribute::ExternalUserState)),
            Self::DirectoryCreated => Some(Reading::Whole(Attribute::CreatedDateTime)),
            Self::PasswordChanged => Some(Reading::Whole(Attribute::LastPasswordChangeDateTime)),
            Self::AgeGroup => Some(Reading::Whole(Attribute::AgeGroup)),
            Self::MinorConsent => Some(Reading::Whole(Attribute::ConsentProvidedForMinor)),
            Self::LegalAgeGroup => Some(Reading::Whole(Attribute::LegalAgeGroupClassification)),
            Self::OnPremisesUpn => Some(Reading::Whole(Attribute::OnPremisesUserPrincipalName)),
            Self::OnPremisesDomain => Some(Reading::Whole(Attribute::OnPremisesDomainName)),
            Self::OnPremisesLogin => Some(Reading::Whole(Attribute::OnPremisesSamAccountName)),
            Self::OnPremisesImmutableId => Some(Reading::Whole(Attribute::OnPremisesImmutableId)),
            Self::OnPremisesDn => Some(Reading::Whole(Attribute::OnPremisesDistinguishedName)),
            Self::OnPremisesSid => Some(Reading::Whole(Attribute::OnPremisesSecurityIdentifier)),
            Self::OnPremisesSynced => Some(Reading::Whole(Attribute::OnPremisesSyncEnabled)),
            Self::ReportingTo => Some(Reading::Whole(Attribute::Manager)),
            Self::LookupGuid
            | Self::OrganizationalUnit
            | Self::Entity
            | Self::Collection
            | Self::Identifier
            | Self::Custom1
            | Self::Custom2
            | Self::Custom3
            | Self::Custom4
            | Self::Custom5
            | Self::Custom6
            | Self::Custom7
            | Self::Custom8
            | Self::Custom9
            | Self::Custom10
            | Self::Custom11
            | Self::Custom12
            | Self::Custom13
            | Self::Custom14
            | Self::Custom15
            | Self::Custom16 => None,
        }
    }

    /// What its values are (M2). That of a custom field is in its definition.
    #[must_use]
    pub const fn kind(self) -> ValueKind {
        match self {
            Self::EnabledInDirectory | Self::OnPremisesSynced => ValueKind::Boolean,
            Self::HireDate | Self::DirectoryCreated | Self::PasswordChanged => ValueKind::Date,
            _ => ValueKind::Text,
        }
    }

    /// Whether an organization names it and says what it holds.
    #[must_use]
    pub const fn is_custom(self) -> bool {
        self as u8 >= Self::Custom1 as u8
    }
}

impl Reading {
    /// The attribute that is read.
    #[must_use]
    pub const fn attribute(self) -> Attribute {
        match self {
            Self::Whole(attribute) | Self::Local(attribute) | Self::Domain(attribute) => attribute,
        }
    }

    /// Parses `mail`, `userPrincipalName.local` or `userPrincipalName.domain`.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        if let Some(attribute) = Attribute::of_name(name) {
            return Some(Self::Whole(attribute));
        }
        let (attribute, part) = name.rsplit_once('.')?;
        let attribute = Attribute::of_name(attribute)?;
        let address = matches!(
            attribute,
            Attribute::UserPrincipalName | Attribute::Mail | Attribute::OnPremisesUserPrincipalName
        );
        match part {
            "local" if address => Some(Self::Local(attribute)),
            "domain" if address => Some(Self::Domain(attribute)),
            _ => None,
        }
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(attribute) => write!(f, "{attribute}"),
            Self::Local(attribute) => write!(f, "{attribute}.local"),
            Self::Domain(attribute) => write!(f, "{attribute}.domain"),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}
