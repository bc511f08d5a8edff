//! An account of the register, or a person without a login, as far as deciding needs it.

use crate::field::Field;
use crate::id::AccountId;
use crate::leaver::Cause;

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Role {
    /// Owns assets.
    User = 1,
    /// Looks after assets. Never deleted automatically (D2).
    Technician = 2,
    /// Configures.
    Admin = 3,
    /// Everything. The last active one is never touched by a sync (B12).
    Owner = 4,
}

/// Whether an account can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Status {
    /// It can.
    Active = 1,
    /// It can't, but keeps its login.
    Deactivated = 2,
    /// It can't, and its login is free again. Its history stays.
    Deleted = 3,
}

/// What a record of the register is (I2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Someone with a login.
    Account = 1,
    /// Someone without one, in a collection of an entity.
    Person = 2,
}

/// The register's fields of one record, by [`Field`] number.
pub type Values = [Option<String>; Field::COUNT];

/// One account, or one person without a login: but for that they are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its key.
    pub id: AccountId,
    /// Whether it has a login.
    pub kind: Kind,
    /// Grows with every write.
    pub version: i32,
    /// What it may do.
    pub role: Role,
    /// Whether it can be used.
    pub status: Status,
    /// The cause for which a sync deactivated or deleted it; none when a person did.
    pub deactivated_for: Option<Cause>,
    /// Its fields.
    pub values: Values,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Account, Self::Person];

    /// The kind of this number.
    #[must_use]
    pub fn of_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as i16 == number)
    }

    /// The name in the API.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Person => "person",
        }
    }

    /// What tells a record of this kind from the others.
    #[must_use]
    pub const fn key_field(self) -> Field {
        match self {
            Self::Account => Field::Login,
            Self::Person => Field::Identifier,
        }
    }
}

impl Role {
    /// All roles, weakest first.
    pub const ALL: [Self; 4] = [Self::User, Self::Technician, Self::Admin, Self::Owner];

    /// The role of this number.
    #[must_use]
    pub fn of_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|role| *role as i16 == number)
    }

    /// The name in YAML and in imports.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Technician => "technician",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// The role of this name, letter case aside.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|role| role.key().eq_ignore_ascii_case(key))
    }
}

impl Status {
    /// The status of this number.
    #[must_use]
    pub fn of_number(number: i16) -> Option<Self> {
        [Self::Active, Self::Deactivated, Self::Deleted]
            .into_iter()
            .find(|status| *status as i16 == number)
    }
}

impl Account {
    /// A field's value.
    #[must_use]
    pub fn value(&self, field: Field) -> Option<&str> {
        self.values[field as usize].as_deref()
    }

    /// How people tell this account from others: its UPN, else login and domain, else its name, else its id.
    #[must_use]
    pub fn label(&self) -> String {
        if let Some(upn) = self.value(Field::Upn) {
            return upn.to_owned();
        }
        match (
            self.value(Field::Login),
            self.value(Field::Domain),
            self.value(Field::Name),
        ) {
            (Some(login), Some(domain), _) => format!("{domain}\\{login}"),
            (Some(login), None, _) => login.to_owned(),
            (None, _, Some(name)) => name.to_owned(),
            (None, _, None) => self.id.to_string(),
        }
    }
}

/// Letter case aside, as UPN, login, domain and e-mail are compared.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        text.to_lowercase()
    }
}
