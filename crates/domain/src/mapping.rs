//! Which attribute goes into which field of the register, and when (M1, M2, B11).

use std::borrow::Cow;
use std::fmt;

use crate::account::{self, Account, Role};
use crate::attribute::{Attribute, Kind};
use crate::criteria::Criteria;
use crate::custom_field::CustomFields;
use crate::field::{Field, Reading};
use crate::id::MappingId;
use crate::observed::{Mention, ObservedUser};

/// A named rule set that brings users in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Its key.
    pub id: MappingId,
    /// Its name.
    pub name: String,
    /// What it brings users in as.
    pub target: Target,
    /// The role that new accounts get.
    pub role: Role,
    /// Whether rule 6 (e-mail) is on.
    pub override_by_email: bool,
    /// Whether disabled users who match nobody are brought in too.
    pub include_disabled: bool,
    /// Whom it takes in.
    pub criteria: Criteria,
    /// What goes where; see [`Mapping::new`] and [`Mapping::of_people`].
    pub rows: Vec<Row>,
    /// The organization's custom fields.
    pub custom: CustomFields,
}

/// What users are brought in as (I2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// Accounts, which have a login.
    Accounts,
    /// People without a login, who are told from others of their collection by this.
    People(Identifier),
}

/// What tells a person from the others of a collection (M3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Identifier {
    /// The object id in Entra.
    ObjectId,
    /// The user principal name.
    UserPrincipalName,
    /// The e-mail address.
    Email,
}

/// Where people of a mapping belong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The entity.
    pub entity: String,
    /// The collection in it.
    pub collection: String,
}

/// One row: register field ← source.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// The register's field.
    pub field: Field,
    /// Where its value comes from.
    pub source: Source,
    /// Whose word counts.
    pub authority: Authority,
    /// Whether an empty value empties the field.
    pub clear: bool,
}

/// Where a field's value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// An attribute, or the default when that is empty.
    Attribute {
        /// What is read.
        reading: Reading,
        /// What stands in for an empty one.
        default: Option<String>,
    },
    /// Always the same.
    Constant(String),
    /// The object's id in Entra.
    ObjectId,
}

/// Whose word counts for a field (B11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Authority {
    /// The directory's, at every sync.
    Always,
    /// The directory's, when the account is created.
    OnCreate,
    /// The directory's, while the field is empty.
    IfEmpty,
    /// The register's.
    Never,
}

/// One field that changes. `None` is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldChange<'a> {
    /// Which.
    pub field: Field,
    /// What the register holds.
    pub old: Option<Cow<'a, str>>,
    /// What it will hold.
    pub new: Option<Cow<'a, str>>,
}

impl Mapping {
    /// A mapping of everyone to accounts with these rows; without any, the default row for every attribute of the
    /// catalogue (I3).
    ///
    /// What no row maps but every account needs is added: login and domain from the UPN, and the attributes that are
    /// always stored (I4).
    #[must_use]
    pub fn new(id: MappingId, name: String, role: Role, rows: Vec<Row>) -> Self {
        Self::of(id, name, Target::Accounts, role, rows).with_defaults(&[Field::Login, Field::Domain])
    }

    /// A mapping of everyone to people without a login (I2), likewise. Who they are and where they belong is never left
    /// to the rows.
    #[must_use]
    pub fn of_people(
        id: MappingId,
        name: String,
        identifier: Identifier,
        place: Place,
        rows: Vec<Row>,
    ) -> Self {
        let mut mapping = Self::of(id, name, Target::People(identifier), Role::User, rows).with_defaults(&[]);
        mapping
            .rows
            .retain(|row| !matches!(row.field, Field::Login | Field::Domain));
        for (field, source) in [
            (Field::Identifier, identifier.source()),
            (Field::Entity, Source::Constant(place.entity)),
            (Field::Collection, Source::Constant(place.collection)),
        ] {
            mapping.rows.retain(|row| row.field != field);
            mapping.rows.push(Row::always(field, source));
        }
        mapping
    }

    fn of(id: MappingId, name: String, target: Target, role: Role, rows: Vec<Row>) -> Self {
        Self {
            id,
            name,
            target,
            role,
            override_by_email: false,
            include_disabled: false,
            criteria: Criteria::default(),
            rows,
            custom: CustomFields::default(),
        }
    }

    fn with_defaults(mut self, needed: &[Field]) -> Self {
        if self.rows.is_empty() {
            self.rows = Field::ALL.into_iter().filter_map(Row::default_of).collect();
        }
        let stored = [
            Field::Upn,
            Field::OnPremisesUpn,
            Field::OnPremisesDomain,
            Field::OnPremisesLogin,
        ];
        for field in needed.iter().copied().chain(stored) {
            if !self.rows.iter().any(|row| row.field == field) {
                self.rows.extend(Row::default_of(field));
            }
        }
        self
    }

    /// With accounts in this organizational unit, unless a row says which (I2).
    #[must_use]
    pub fn in_unit(mut self, unit: String) -> Self {
        if !self.rows.iter().any(|row| row.field == Field::OrganizationalUnit) {
            self.rows
                .push(Row::always(Field::OrganizationalUnit, Source::Constant(unit)));
        }
        self
    }

    /// What a new record would hold; or which value does not fit its field.
    pub fn create<'a>(&'a self, observed: &'a ObservedUser<'_>) -> Result<Vec<FieldChange<'a>>, String> {
        let mut changes = Vec::with_capacity(self.rows.len());
        for row in self.rows.iter().filter(|row| row.authority != Authority::Never) {
            if let Read::Value(new) = self.read(row, observed)? {
                changes.push(FieldChange {
                    field: row.field,
                    old: None,
                    new: Some(new),
                });
            }
        }
        Ok(changes)
    }

    /// What changes on a record that is there; or which value does not fit its field.
    pub fn update<'a>(
        &'a self,
        observed: &'a ObservedUser<'_>,
        account: &'a Account,
    ) -> Result<Vec<FieldChange<'a>>, String> {
        let mut changes = Vec::new();
        for row in &self.rows {
            let old = account.value(row.field);
            let listens = match row.authority {
                Authority::Always => true,
                Authority::IfEmpty => old.is_none(),
                Authority::OnCreate | Authority::Never => false,
            };
            if !listens {
                continue;
            }
            let new = match self.read(row, observed)? {
                Read::Unmentioned => continue,
                Read::Empty if !row.clear => continue,
                Read::Empty => None,
                Read::Value(value) => Some(value),
            };
            if old != new.as_deref() {
                changes.push(FieldChange {
                    field: row.field,
                    old: old.map(Cow::Borrowed),
                    new,
                });
            }
        }
        Ok(changes)
    }

    /// What a row would give for a field; `None` when empty, not mentioned, unfit, or not mapped.
    #[must_use]
    pub fn value<'a>(&'a self, field: Field, observed: &'a ObservedUser<'_>) -> Option<Cow<'a, str>> {
        let row = self.rows.iter().find(|row| row.field == field)?;
        match self.read(row, observed) {
            Ok(Read::Value(value)) => Some(value),
            Ok(Read::Unmentioned | Read::Empty) | Err(_) => None,
        }
    }

    /// What a row gives, if it fits the field (M2).
    fn read<'a>(&'a self, row: &'a Row, observed: &'a ObservedUser<'_>) -> Result<Read<'a>, String> {
        let read = row.read(observed);
        let (Read::Value(value), Source::Attribute { reading, .. }) = (&read, &row.source) else {
            return Ok(read);
        };
        let kind = self.custom.kind_of(row.field);
        if kind.trusts(reading.attribute().kind()) {
            return Ok(read);
        }
        match kind.objection(value) {
            None => Ok(read),
            Some(objection) => Err(format!(
                "{}: {:?} {objection}; correct {reading} in the directory, or map something else",
                self.custom.key_of(row.field),
                shortened(value)
            )),
        }
    }
}

/// Characters of an unfit value that are told.
const TOLD: usize = 80;

fn shortened(value: &str) -> &str {
    match value.char_indices().nth(TOLD) {
        Some((end, _)) => &value[..end],
        None => value,
    }
}

impl Source {
    /// The name of the object id among the attributes.
    pub const OBJECT_ID: &'static str = "id";
}

impl Mapping {
    /// Where a field's value comes from, in words; `None` when no row maps it.
    #[must_use]
    pub fn source_of(&self, field: Field) -> Option<String> {
        let row = self.rows.iter().find(|row| row.field == field)?;
        Some(row.source.to_string())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(value) => write!(f, "{value:?}"),
            Self::ObjectId => f.write_str(Self::OBJECT_ID),
            Self::Attribute { reading, default } => {
                write!(f, "{reading}")?;
                match default {
                    Some(default) => write!(f, " or {default:?}"),
                    None => Ok(()),
                }
            }
        }
    }
}

enum Read<'a> {
    Unmentioned,
    Empty,
    Value(Cow<'a, str>),
}

impl Row {
    /// The row that a mapping has for this field when nobody wrote one.
    #[must_use]
    pub fn default_of(field: Field) -> Option<Self> {
        let reading = field.default_reading()?;
        let source = Source::Attribute {
            reading,
            default: None,
        };
        Some(Self::always(field, source))
    }

    const fn always(field: Field, source: Source) -> Self {
        Self {
            field,
            source,
            authority: Authority::Always,
            clear: true,
        }
    }

    fn read<'a>(&'a self, observed: &'a ObservedUser<'_>) -> Read<'a> {
        let (reading, default) = match &self.source {
            Source::Constant(value) => return Read::Value(Cow::Borrowed(value)),
            Source::ObjectId => return Read::Value(Cow::Owned(observed.id.to_string())),
            Source::Attribute { reading, default } => (reading, default),
        };
        let value = match observed.mention(reading.attribute()) {
            Mention::Unmentioned => return Read::Unmentioned,
            Mention::Cleared => None,
            Mention::Value(value) => reading.of(value),
        };
        match (value, default) {
            (Some(value), _) => Read::Value(value),
            (None, Some(default)) => Read::Value(Cow::Borrowed(default)),
            (None, None) => Read::Empty,
        }
    }
}

impl Identifier {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ObjectId, Self::UserPrincipalName, Self::Email];

    /// The name in YAML.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::ObjectId => "objectId",
            Self::UserPrincipalName => "userPrincipalName",
            Self::Email => "email",
        }
    }

    /// The identifier of this name.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|identifier| identifier.key() == key)
    }

    /// Where it is read.
    fn source(self) -> Source {
        let attribute = match self {
            Self::ObjectId => return Source::ObjectId,
            Self::UserPrincipalName => Attribute::UserPrincipalName,
            Self::Email => Attribute::Mail,
        };
        Source::Attribute {
            reading: Reading::Whole(attribute),
            default: None,
        }
    }
}

impl Target {
    /// What its records are.
    #[must_use]
    pub const fn kind(self) -> account::Kind {
        match self {
            Self::Accounts => account::Kind::Account,
            Self::People(_) => account::Kind::Person,
        }
    }
}

impl Reading {
    /// The part of a value that is read; `None` when that is empty.
    fn of(self, value: &str) -> Option<Cow<'_, str>> {
        let part = match self {
            Self::Whole(attribute) => return Some(whole(attribute, value)),
            Self::Local(_) => value.rsplit_once('@').map_or(value, |(local, _)| local),
            Self::Domain(_) => value.rsplit_once('@').map_or("", |(_, domain)| domain),
        };
        (!part.is_empty()).then_some(Cow::Borrowed(part))
    }
}

/// Lists are kept on one line in the register.
fn whole(attribute: Attribute, value: &str) -> Cow<'_, str> {
    if attribute.kind() == Kind::List && value.contains('\n') {
        Cow::Owned(value.replace('\n', "; "))
    } else {
        Cow::Borrowed(value)
    }
}

impl Authority {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Always, Self::OnCreate, Self::IfEmpty, Self::Never];

    /// The name in YAML.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::OnCreate => "onCreate",
            Self::IfEmpty => "ifEmpty",
            Self::Never => "never",
        }
    }

    /// The authority of this name.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|authority| authority.key() == key)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;
    use proptest::{option, prop_oneof};

    use super::*;
    use crate::account::Status;
    use crate::id::{AccountId, ObjectId};
    use crate::observed::{Completeness, Presence};
    use uuid::Uuid;

    fn observed(completeness: Completeness) -> ObservedUser<'static> {
        let mut user = ObservedUser::new(ObjectId(Uuid::nil()), Presence::Present, completeness);
        user.attributes[Attribute::DisplayName as usize] = Mention::Value("Ann".into());
        user.attributes[Attribute::UserPrincipalName as usize] = Mention::Value("ann@contoso.com".into());
        user.attributes[Attribute::ProxyAddresses as usize] =
            Mention::Value("SMTP:ann@contoso.com\nsmtp:a@contoso.com".into());
        user
    }

    fn account() -> Account {
        let mut values = [const { None }; Field::COUNT];
        values[Field::Name as usize] = Some("Ann".to_owned());
        values[Field::JobTitle as usize] = Some("Designer".to_owned());
        Account {
            id: AccountId(Uuid::nil()),
            kind: account::Kind::Account,
            version: 1,
            role: Role::User,
            status: Status::Active,
            deactivated_for: None,
            values,
        }
    }

    fn mapping(rows: Vec<Row>) -> Mapping {
        Mapping::new(MappingId(Uuid::nil()), "m".to_owned(), Role::User, rows)
    }

    fn row(field: Field, authority: Authority, clear: bool) -> Row {
        Row {
            authority,
            clear,
            ..Row::default_of(field).unwrap()
        }
    }

    #[test]
    fn the_default_maps_the_whole_catalogue() {
        let mapping = mapping(Vec::new());
        for attribute in Attribute::ALL {
            let mapped = mapping.rows.iter().any(|row| {
                matches!(&row.source, Source::Attribute { reading, .. } if reading.attribute() == attribute)
            });
            assert!(mapped, "{attribute}");
        }
    }

    #[test]
    fn login_domain_and_upn_come_without_a_row() {
        let mapping = mapping(vec![row(Field::Name, Authority::Always, true)]);
        let user = observed(Completeness::Whole);
        assert_eq!(mapping.value(Field::Login, &user).as_deref(), Some("ann"));
        assert_eq!(
            mapping.value(Field::Domain, &user).as_deref(),
            Some("contoso.com")
        );
        assert_eq!(
            mapping.value(Field::Upn, &user).as_deref(),
            Some("ann@contoso.com")
        );
    }

    #[test]
    fn silence_empties_in_a_full_read_and_leaves_in_a_delta() {
        let mapping = mapping(vec![row(Field::JobTitle, Authority::Always, true)]);
        let (whole, partial) = (observed(Completeness::Whole), observed(Completeness::Partial));
        let account = account();
        let job = |changes: &[FieldChange<'_>]| changes.iter().any(|c| c.field == Field::JobTitle);
        assert!(job(&mapping.update(&whole, &account).unwrap()));
        assert!(!job(&mapping.update(&partial, &account).unwrap()));
    }

    #[test]
    fn authority_and_clear_are_kept() {
        let user = observed(Completeness::Whole);
        let account = account();
        for (authority, clear, changes) in [
            (Authority::Always, true, true),
            (Authority::Always, false, false),
            (Authority::OnCreate, true, false),
            (Authority::IfEmpty, true, false),
            (Authority::Never, true, false),
        ] {
            let mapping = mapping(vec![row(Field::JobTitle, authority, clear)]);
            let changed = mapping
                .update(&user, &account)
                .unwrap()
                .iter()
                .any(|c| c.field == Field::JobTitle);
            assert_eq!(changed, changes, "{authority:?} {clear}");
        }
    }

    #[test]
    fn a_default_stands_in_for_empty_and_lists_fit_one_line() {
        let mut job = row(Field::JobTitle, Authority::Always, true);
        job.source = Source::Attribute {
            reading: Reading::Whole(Attribute::JobTitle),
            default: Some("unknown".to_owned()),
        };
        let mapping = mapping(vec![job, row(Field::EmailAliases, Authority::Always, true)]);
        let user = observed(Completeness::Whole);
        assert_eq!(mapping.value(Field::JobTitle, &user).as_deref(), Some("unknown"));
        assert_eq!(
            mapping.value(Field::EmailAliases, &user).as_deref(),
            Some("SMTP:ann@contoso.com; smtp:a@contoso.com")
        );
    }

    fn any_row() -> impl Strategy<Value = Row> {
        let source = prop_oneof![
            select(&Attribute::ALL[..]).prop_flat_map(|attribute| {
                let readings = [
                    Reading::Whole(attribute),
                    Reading::Local(attribute),
                    Reading::Domain(attribute),
                ];
                (select(readings.to_vec()), option::of("[a-z]{1,3}"))
                    .prop_map(|(reading, default)| Source::Attribute { reading, default })
            }),
            "[a-z]{1,3}".prop_map(Source::Constant),
            Just(Source::ObjectId),
        ];
        (
            select(&Field::ALL[..]),
            source,
            select(&Authority::ALL[..]),
            any::<bool>(),
        )
            .prop_map(|(field, source, authority, clear)| Row {
                field,
                source,
                authority,
                clear,
            })
    }

    /// What a directory may say of an attribute, and values that fields of a type take or refuse.
    fn any_mention() -> impl Strategy<Value = Mention<'static>> {
        prop_oneof![
            Just(Mention::Unmentioned),
            Just(Mention::Cleared),
            select(&["x", "true", "2020-03-01T00:00:00Z", "a@b.example", "one\ntwo"][..])
                .prop_map(|value| Mention::Value(value.into())),
        ]
    }

    proptest! {
        #[test]
        fn a_mapping_applied_twice_changes_nothing(
            rows in vec(any_row(), 0..12),
            mentions in vec(any_mention(), Attribute::COUNT),
            held in vec(option::of("[a-z]{1,3}"), Field::COUNT),
            whole in any::<bool>(),
            people in any::<bool>(),
        ) {
            let mut seen = HashSet::new();
            let rows: Vec<Row> = rows.into_iter().filter(|row| seen.insert(row.field)).collect();
            let (id, name) = (MappingId(Uuid::nil()), "m".to_owned());
            let mapping = if people {
                let place = Place { entity: "e".to_owned(), collection: "c".to_owned() };
                Mapping::of_people(id, name, Identifier::Email, place, rows)
            } else {
                Mapping::new(id, name, Role::User, rows)
            };
            let completeness = if whole { Completeness::Whole } else { Completeness::Partial };
            let mut user = ObservedUser::new(ObjectId(Uuid::nil()), Presence::Present, completeness);
            user.attributes = mentions.try_into().unwrap();
            let mut account = account();
            account.values = held.try_into().unwrap();
            let before = account.clone();
            if let Ok(changes) = mapping.update(&user, &before) {
                for change in changes {
                    account.values[change.field as usize] = change.new.map(Cow::into_owned);
                }
                prop_assert_eq!(mapping.update(&user, &account).unwrap(), []);
            }
        }
    }
}
