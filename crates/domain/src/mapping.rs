//! Which attribute goes into which field of the register, and when (M1, M2, B11).

use std::borrow::Cow;
use std::fmt;

use crate::account::{Account, Role};
use crate::attribute::{Attribute, Kind};
use crate::criteria::Criteria;
use crate::field::{Field, Reading};
use crate::id::MappingId;
use crate::observed::{Mention, ObservedUser};

/// A named rule set that brings users in as accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Its key.
    pub id: MappingId,
    /// Its name.
    pub name: String,
    /// The role that new accounts get.
    pub role: Role,
    /// Whether rule 6 (e-mail) is on.
    pub override_by_email: bool,
    /// Whether disabled users who match nobody are brought in too.
    pub include_disabled: bool,
    /// Whom it takes in.
    pub criteria: Criteria,
    /// What goes where; see [`Mapping::new`].
    pub rows: Vec<Row>,
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
    /// A mapping of everyone with these rows; without any, the default row for every attribute of the catalogue (I3).
    ///
    /// What no row maps but every account needs is added: login and domain from the UPN, and the attributes that are
    /// always stored (I4).
    #[must_use]
    pub fn new(id: MappingId, name: String, role: Role, rows: Vec<Row>) -> Self {
        let mut mapping = Self {
            id,
            name,
            role,
            override_by_email: false,
            include_disabled: false,
            criteria: Criteria::default(),
            rows,
        };
        if mapping.rows.is_empty() {
            mapping.rows = Field::ALL.into_iter().filter_map(Row::default_of).collect();
        }
        for field in [
            Field::Login,
            Field::Domain,
            Field::Upn,
            Field::OnPremisesUpn,
            Field::OnPremisesDomain,
            Field::OnPremisesLogin,
        ] {
            if !mapping.rows.iter().any(|row| row.field == field) {
                mapping.rows.extend(Row::default_of(field));
            }
        }
        mapping
    }

    /// What a new account would hold.
    pub fn create<'a>(&'a self, observed: &'a ObservedUser<'_>) -> Vec<FieldChange<'a>> {
        self.rows
            .iter()
            .filter(|row| row.authority != Authority::Never)
            .filter_map(|row| match row.read(observed) {
                Read::Value(new) => Some(FieldChange {
                    field: row.field,
                    old: None,
                    new: Some(new),
                }),
                Read::Unmentioned | Read::Empty => None,
            })
            .collect()
    }

    /// What changes on an account that is there.
    pub fn update<'a>(
        &'a self,
        observed: &'a ObservedUser<'_>,
        account: &'a Account,
    ) -> Vec<FieldChange<'a>> {
        self.rows
            .iter()
            .filter_map(|row| {
                let old = account.value(row.field);
                let listens = match row.authority {
                    Authority::Always => true,
                    Authority::IfEmpty => old.is_none(),
                    Authority::OnCreate | Authority::Never => false,
                };
                if !listens {
                    return None;
                }
                let new = match row.read(observed) {
                    Read::Unmentioned => return None,
                    Read::Empty if !row.clear => return None,
                    Read::Empty => None,
                    Read::Value(value) => Some(value),
                };
                (old != new.as_deref()).then(|| FieldChange {
                    field: row.field,
                    old: old.map(Cow::Borrowed),
                    new,
                })
            })
            .collect()
    }

    /// What a row would give for a field; `None` when empty, not mentioned, or not mapped.
    #[must_use]
    pub fn value<'a>(&'a self, field: Field, observed: &'a ObservedUser<'_>) -> Option<Cow<'a, str>> {
        match self.rows.iter().find(|row| row.field == field)?.read(observed) {
            Read::Value(value) => Some(value),
            Read::Unmentioned | Read::Empty => None,
        }
    }
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
        Some(Self {
            field,
            source,
            authority: Authority::Always,
            clear: true,
        })
    }

    fn read<'a>(&'a self, observed: &'a ObservedUser<'_>) -> Read<'a> {
        let (reading, default) = match &self.source {
            Source::Constant(value) => return Read::Value(Cow::Borrowed(value)),
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
        assert!(job(&mapping.update(&whole, &account)));
        assert!(!job(&mapping.update(&partial, &account)));
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

    #[test]
    fn applying_twice_changes_nothing() {
        let mapping = mapping(Vec::new());
        let user = observed(Completeness::Whole);
        let mut account = account();
        for change in mapping.update(&user, &account.clone()) {
            account.values[change.field as usize] = change.new.map(Cow::into_owned);
        }
        assert_eq!(mapping.update(&user, &account), []);
    }
}
