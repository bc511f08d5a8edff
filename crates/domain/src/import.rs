//! A row of a file as an account: whose it is by the overwrite rules, and what it changes (I11).
//!
//! A row gives register fields, not attributes. So of a mapping only its constants, defaults, authorities and role apply.

use crate::account::{Account, Role, Values, fold};
use crate::custom_field::CustomFields;
use crate::field::Field;
use crate::lookup_guid;
use crate::mapping::{Authority, Mapping, Row as MappingRow, Source};
use crate::overwrite::{self, Keys, Match};

/// By what the rows of a file are taken.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Whose constants, defaults, authorities and role apply.
    pub mapping: Option<Mapping>,
    /// Whether rule 6 (e-mail) is on, whatever the mapping says.
    pub override_by_email: bool,
    /// The organization's custom fields.
    pub custom: CustomFields,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The role, if the row names one.
    pub role: Option<Role>,
    /// What the row says, with what follows from it; see [`Terms::complete`].
    pub values: Values,
    /// The fields that only a default fills. Where there is a value already, it stays.
    pub defaulted: Fields,
}

/// A set of fields, by number.
pub type Fields = [bool; Field::COUNT];

/// No field.
pub const NO_FIELDS: Fields = [false; Field::COUNT];

/// What a row does to an account that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The account as it will be.
    pub account: Account,
    /// Fields whose value the row would have changed, but which the directory keeps.
    pub kept: Vec<Field>,
}

/// What no two rows of a file may share: they would be the same account at the next import, if not at this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Identity {
    /// UPN or on-premises UPN (rule 2).
    Upn = 1,
    /// Lookup GUID or on-premises immutable id (rule 2).
    LookupGuid = 2,
    /// Login and domain, also those on premises (rules 3 to 5).
    Login = 3,
}

impl Identity {
    /// How people read it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Upn => "UPN",
            Self::LookupGuid => "lookup GUID",
            Self::Login => "login and domain",
        }
    }
}

impl Terms {
    /// A row of these values: login and domain are the UPN's parts where the row gives neither, then come the mapping's
    /// constants and defaults.
    #[must_use]
    pub fn complete(&self, role: Option<Role>, mut values: Values) -> Row {
        if values[Field::Login as usize].is_none()
            && values[Field::Domain as usize].is_none()
            && let Some((login, domain)) = values[Field::Upn as usize]
                .as_deref()
                .and_then(|upn| upn.rsplit_once('@'))
        {
            let part = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            let (login, domain) = (part(login), part(domain));
            values[Field::Login as usize] = login;
            values[Field::Domain as usize] = domain;
        }
        let mut defaulted = NO_FIELDS;
        for row in self.rows() {
            let place = row.field as usize;
            match &row.source {
                Source::Constant(value) => values[place] = Some(value.clone()),
                Source::Attribute {
                    default: Some(default),
                    ..
                } if values[place].is_none() => {
                    values[place] = Some(default.clone());
                    defaulted[place] = true;
                }
                Source::Attribute { .. } | Source::ObjectId => (),
            }
        }
        Row {
            role,
            values,
            defaulted,
        }
    }

    /// What the overwrite rules compare. A file has no linked objects, so rule 1 never hits; a row without an on-premises
    /// UPN is compared by its UPN instead.
    #[must_use]
    pub fn keys(&self, row: &Row) -> Keys {
        let of = |field: Field| row.value(field).map(fold);
        let by_email = self.override_by_email
            || self
                .mapping
                .as_ref()
                .is_some_and(|mapping| mapping.override_by_email);
        Keys {
            on_premises_upn: of(Field::OnPremisesUpn).or_else(|| of(Field::Upn)),
            lookup_guid: of(Field::LookupGuid).or_else(|| row.immutable_id()),
            on_premises_domain: of(Field::OnPremisesDomain),
            on_premises_sam: of(Field::OnPremisesLogin),
            login: of(Field::Login),
            domain: of(Field::Domain),
            email: if by_email { of(Field::Email) } else { None },
        }
    }

    /// What a new account of this row holds; or the field without which there can't be one.
    pub fn create(&self, row: &Row) -> Result<(Role, Values), Field> {
        let mut values = row.values.clone();
        for mapped in self.rows().iter().filter(|row| row.authority == Authority::Never) {
            values[mapped.field as usize] = None;
        }
        match [Field::Name, Field::Login]
            .into_iter()
            .find(|field| values[*field as usize].is_none())
        {
            Some(missing) => Err(missing),
            None => Ok((row.role.unwrap_or_else(|| self.role()), values)),
        }
    }

    /// What becomes of an account that is there, of which the directory keeps `kept`. An empty cell says nothing.
    #[must_use]
    pub fn update(&self, row: &Row, account: &Account, kept: &Fields) -> Change {
        let mut change = Change {
            account: account.clone(),
            kept: Vec::new(),
        };
        for field in Field::ALL {
            let place = field as usize;
            let old = &account.values[place];
            let fills = old.is_none();
            let listens = match self.authority(field) {
                Authority::Always => fills || !row.defaulted[place],
                Authority::IfEmpty => fills,
                Authority::OnCreate | Authority::Never => false,
            };
            if !listens || row.values[place].is_none() || row.values[place] == *old {
                continue;
            }
            if kept[place] {
                change.kept.push(field);
            } else {
                change.account.values[place].clone_from(&row.values[place]);
            }
        }
        change.account.role = row.role.unwrap_or(account.role);
        self.stay_findable(row, kept, &mut change.account);
        change
    }

    /// Login and domain go together: a row that gives its account another login without a domain would not find it the next
    /// time, and add it once more, if the old domain stayed.
    fn stay_findable(&self, row: &Row, kept: &Fields, account: &mut Account) {
        let found = |account: &Account| {
            overwrite::decide(&self.keys(row), std::slice::from_ref(account)) != Match::New
        };
        let free = !kept[Field::Domain as usize] && self.authority(Field::Domain) == Authority::Always;
        if free && row.value(Field::Domain).is_none() && !found(account) {
            account.values[Field::Domain as usize] = None;
        }
    }

    fn rows(&self) -> &[MappingRow] {
        self.mapping
            .as_ref()
            .map_or(&[], |mapping| mapping.rows.as_slice())
    }

    fn role(&self) -> Role {
        self.mapping.as_ref().map_or(Role::User, |mapping| mapping.role)
    }

    fn authority(&self, field: Field) -> Authority {
        self.rows()
            .iter()
            .find(|row| row.field == field)
            .map_or(Authority::Always, |row| row.authority)
    }
}

impl Row {
    /// A field's value.
    #[must_use]
    pub fn value(&self, field: Field) -> Option<&str> {
        self.values[field as usize].as_deref()
    }

    /// What no other row may share with this one, folded.
    #[must_use]
    pub fn identities(&self) -> Vec<(Identity, String)> {
        let of = |field: Field| self.value(field).map(fold);
        let login = |login: Field, domain: Field| {
            of(login).map(|login| format!("{login}\0{}", of(domain).unwrap_or_default()))
        };
        let mut all: Vec<(Identity, String)> = [
            (Identity::Upn, of(Field::Upn)),
            (Identity::Upn, of(Field::OnPremisesUpn)),
            (Identity::LookupGuid, of(Field::LookupGuid)),
            (Identity::LookupGuid, self.immutable_id()),
            (Identity::Login, login(Field::Login, Field::Domain)),
            (
                Identity::Login,
                of(Field::OnPremisesDomain)
                    .and_then(|_| login(Field::OnPremisesLogin, Field::OnPremisesDomain)),
            ),
        ]
        .into_iter()
        .filter_map(|(kind, value)| Some((kind, value?)))
        .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn immutable_id(&self) -> Option<String> {
        self.value(Field::OnPremisesImmutableId)
            .map(|anchor| fold(&lookup_guid::of_immutable_id(anchor)))
    }
}

/// The fields of which a connection's mappings all say that the directory's word counts at every sync. Of an account that
/// is linked there, these are the directory's.
#[must_use]
pub fn kept_by(mappings: &[Mapping]) -> Fields {
    let mut kept = NO_FIELDS;
    for field in Field::ALL {
        kept[field as usize] = !mappings.is_empty()
            && mappings.iter().all(|mapping| {
                mapping
                    .rows
                    .iter()
                    .any(|row| row.field == field && row.authority == Authority::Always)
            });
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Status;
    use crate::attribute::Attribute;
    use crate::field::Reading;
    use crate::id::{AccountId, MappingId};
    use uuid::Uuid;

    fn values(fields: &[(Field, &str)]) -> Values {
        let mut values = [const { None }; Field::COUNT];
        for (field, value) in fields {
            values[*field as usize] = Some((*value).to_owned());
        }
        values
    }

    fn account(fields: &[(Field, &str)]) -> Account {
        Account {
            kind: crate::account::Kind::Account,
            id: AccountId(Uuid::from_u128(1)),
            version: 1,
            role: Role::Technician,
            status: Status::Active,
            deactivated_for: None,
            values: values(fields),
        }
    }

    fn mapped(rows: Vec<MappingRow>) -> Terms {
        Terms {
            custom: CustomFields::default(),
            mapping: Some(Mapping::new(
                MappingId(Uuid::nil()),
                "staff".to_owned(),
                Role::Technician,
                rows,
            )),
            override_by_email: false,
        }
    }

    fn mapping_row(field: Field, source: Source, authority: Authority) -> MappingRow {
        MappingRow {
            field,
            source,
            authority,
            clear: false,
        }
    }

    fn job(default: Option<&str>, authority: Authority) -> MappingRow {
        let source = Source::Attribute {
            reading: Reading::Whole(Attribute::JobTitle),
            default: default.map(str::to_owned),
        };
        mapping_row(Field::JobTitle, source, authority)
    }

    #[test]
    fn login_and_domain_are_the_upns_parts_only_where_neither_is_given() {
        let terms = Terms::default();
        let row = terms.complete(None, values(&[(Field::Upn, "ann@contoso.com")]));
        assert_eq!(
            (row.value(Field::Login), row.value(Field::Domain)),
            (Some("ann"), Some("contoso.com"))
        );
        let row = terms.complete(
            None,
            values(&[(Field::Upn, "ann@contoso.com"), (Field::Login, "asmith")]),
        );
        assert_eq!(
            (row.value(Field::Login), row.value(Field::Domain)),
            (Some("asmith"), None)
        );
        let row = terms.complete(None, values(&[(Field::Upn, "ann")]));
        assert_eq!(row.value(Field::Login), None);
    }

    #[test]
    fn keys_come_from_the_rows_fields() {
        let guid: Uuid = "12345678-9abc-def0-1122-334455667788".parse().unwrap();
        let mut terms = Terms::default();
        let row = terms.complete(
            None,
            values(&[
                (Field::OnPremisesUpn, "Ann@Corp.local"),
                (Field::Upn, "ann@contoso.com"),
                (Field::OnPremisesImmutableId, "eFY0Erya8N4RIjNEVWZ3iA=="),
                (Field::Email, "Ann@contoso.com"),
            ]),
        );
        let keys = terms.keys(&row);
        assert_eq!(keys.on_premises_upn.as_deref(), Some("ann@corp.local"));
        assert_eq!(keys.lookup_guid, Some(guid.to_string()));
        assert_eq!(
            (keys.login.as_deref(), keys.email.as_deref()),
            (Some("ann"), None)
        );
        terms.override_by_email = true;
        assert_eq!(terms.keys(&row).email.as_deref(), Some("ann@contoso.com"));
    }

    #[test]
    fn constants_defaults_and_role_are_the_mappings() {
        let terms = mapped(vec![
            mapping_row(
                Field::Company,
                Source::Constant("Contoso".to_owned()),
                Authority::Always,
            ),
            job(Some("unknown"), Authority::Always),
        ]);
        let row = terms.complete(
            None,
            values(&[
                (Field::Name, "Ann"),
                (Field::Login, "ann"),
                (Field::Company, "Other"),
            ]),
        );
        let (role, created) = terms.create(&row).unwrap();
        assert_eq!(role, Role::Technician);
        assert_eq!(created[Field::Company as usize].as_deref(), Some("Contoso"));
        assert_eq!(created[Field::JobTitle as usize].as_deref(), Some("unknown"));
        let there = account(&[(Field::JobTitle, "Designer")]);
        let change = terms.update(&row, &there, &NO_FIELDS);
        assert_eq!(
            change.account.value(Field::JobTitle),
            Some("Designer"),
            "a default only fills"
        );
        assert_eq!(change.account.value(Field::Company), Some("Contoso"));
    }

    #[test]
    fn authorities_are_kept() {
        let row_of =
            |terms: &Terms| terms.complete(None, values(&[(Field::Login, "ann"), (Field::JobTitle, "Boss")]));
        for (authority, created, empty, full) in [
            (Authority::Always, Some("Boss"), Some("Boss"), Some("Boss")),
            (Authority::OnCreate, Some("Boss"), None, Some("Designer")),
            (Authority::IfEmpty, Some("Boss"), Some("Boss"), Some("Designer")),
            (Authority::Never, None, None, Some("Designer")),
        ] {
            let terms = mapped(vec![
                mapping_row(Field::Name, Source::Constant("Ann".to_owned()), Authority::Always),
                job(None, authority),
            ]);
            let row = row_of(&terms);
            let (_, new) = terms.create(&row).unwrap();
            assert_eq!(new[Field::JobTitle as usize].as_deref(), created, "{authority:?}");
            for (there, expected) in [
                (account(&[]), empty),
                (account(&[(Field::JobTitle, "Designer")]), full),
            ] {
                let change = terms.update(&row, &there, &NO_FIELDS);
                assert_eq!(change.account.value(Field::JobTitle), expected, "{authority:?}");
            }
        }
    }

    #[test]
    fn without_name_or_login_there_is_no_account() {
        let terms = Terms::default();
        let row = terms.complete(None, values(&[(Field::Name, "Ann")]));
        assert_eq!(terms.create(&row), Err(Field::Login));
    }

    #[test]
    fn a_row_finds_its_account_again() {
        let terms = Terms::default();
        let there = account(&[(Field::Login, "ann"), (Field::Domain, "CORP")]);
        let row = terms.complete(
            None,
            values(&[
                (Field::OnPremisesLogin, "ann"),
                (Field::OnPremisesDomain, "corp"),
                (Field::Login, "other"),
            ]),
        );
        let after = terms.update(&row, &there, &NO_FIELDS).account;
        assert_eq!(
            (after.value(Field::Login), after.value(Field::Domain)),
            (Some("other"), None)
        );
        assert_eq!(terms.update(&row, &after, &NO_FIELDS).account, after);
        let same = terms.complete(
            None,
            values(&[
                (Field::OnPremisesLogin, "ann"),
                (Field::OnPremisesDomain, "corp"),
                (Field::Login, "ann"),
            ]),
        );
        let after = terms.update(&same, &there, &NO_FIELDS).account;
        assert_eq!(after.value(Field::Domain), Some("CORP"), "it is found as it is");
    }

    #[test]
    fn what_the_directory_keeps_is_told_and_the_rest_is_taken() {
        let terms = Terms::default();
        let row = terms.complete(
            Some(Role::Admin),
            values(&[
                (Field::City, "Oslo"),
                (Field::LookupGuid, "x"),
                (Field::Name, "Ann"),
            ]),
        );
        let there = account(&[(Field::Name, "Ann"), (Field::City, "Rome")]);
        let kept = kept_by(&[Mapping::new(
            MappingId(Uuid::nil()),
            "m".to_owned(),
            Role::User,
            Vec::new(),
        )]);
        let change = terms.update(&row, &there, &kept);
        assert_eq!(change.kept, [Field::City]);
        assert_eq!(change.account.value(Field::City), Some("Rome"));
        assert_eq!(change.account.value(Field::LookupGuid), Some("x"));
        assert_eq!(change.account.role, Role::Admin);
    }

    #[test]
    fn a_field_is_the_directorys_only_where_all_mappings_say_so() {
        let of = |authority| mapped(vec![job(None, authority)]).mapping.unwrap();
        let place = Field::JobTitle as usize;
        assert!(kept_by(&[of(Authority::Always)])[place]);
        assert!(!kept_by(&[of(Authority::Always), of(Authority::IfEmpty)])[place]);
        assert_eq!(kept_by(&[]), NO_FIELDS);
    }

    #[test]
    fn rows_that_would_be_the_same_account_share_an_identity() {
        let terms = Terms::default();
        let share = |one: &[(Field, &str)], other: &[(Field, &str)]| {
            let of = |fields| terms.complete(None, values(fields)).identities();
            let others = of(other);
            of(one).iter().any(|identity| others.contains(identity))
        };
        assert!(share(&[(Field::Login, "Ann")], &[(Field::Login, "ann")]));
        assert!(!share(
            &[(Field::Login, "ann")],
            &[(Field::Login, "ann"), (Field::Domain, "corp")]
        ));
        assert!(share(
            &[(Field::Login, "ann"), (Field::Domain, "corp")],
            &[(Field::OnPremisesLogin, "ANN"), (Field::OnPremisesDomain, "CORP")]
        ));
        assert!(share(
            &[(Field::Upn, "ann@x.org")],
            &[(Field::OnPremisesUpn, "ANN@x.org")]
        ));
        assert!(!share(&[(Field::Email, "a@x.org")], &[(Field::Email, "a@x.org")]));
    }
}
