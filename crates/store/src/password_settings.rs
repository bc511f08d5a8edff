//! `password_settings`: whether imported accounts get a local password, and which (M6). Written by api.

use domain::id::OrganizationId;
use domain::password::Policy;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::credential::SealedSecret;
use crate::{Inconsistent, StoreError};

/// An organization's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordSettings {
    /// Which password an account gets.
    pub mode: Mode,
    /// Whether it has to be changed at the first sign-in.
    pub must_change: bool,
    /// Whether it is mailed.
    pub mail: bool,
    /// What it must have.
    pub policy: Policy,
    /// The predefined one.
    pub predefined: Option<SealedSecret>,
}

/// Which password an account gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// None.
    None,
    /// A random one of its own.
    Random,
    /// The same as all others.
    Predefined,
}

impl Mode {
    /// The name in YAML and in the table.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Random => "random",
            Self::Predefined => "predefined",
        }
    }

    fn of_key(key: &str) -> Option<Self> {
        [Self::None, Self::Random, Self::Predefined]
            .into_iter()
            .find(|mode| mode.key() == key)
    }
}

impl Default for PasswordSettings {
    fn default() -> Self {
        Self {
            mode: Mode::None,
            must_change: true,
            mail: true,
            policy: Policy::default(),
            predefined: None,
        }
    }
}

/// The organization's settings, or the default ones.
pub async fn find(
    connection: &mut PgConnection,
    organization: OrganizationId,
) -> Result<PasswordSettings, StoreError> {
    let row: Option<Row> = sqlx::query_as(
        "-- password_settings.find
         SELECT organization_id, mode, must_change, mail, length, lower, upper, digit, symbol, not_login, key_id,
             ciphertext
         FROM password_settings WHERE organization_id = $1",
    )
    .bind(organization.0)
    .fetch_optional(connection)
    .await?;
    Ok(match row {
        Some(row) => PasswordSettings::try_from(row)?,
        None => PasswordSettings::default(),
    })
}

/// Whether the organization's imported accounts get a password.
pub async fn any(connection: &mut PgConnection, organization: OrganizationId) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "-- password_settings.any
         SELECT EXISTS (SELECT FROM password_settings WHERE organization_id = $1 AND mode <> 'none')",
    )
    .bind(organization.0)
    .fetch_one(connection)
    .await?)
}

/// Puts the organization's settings in place of the ones before.
pub async fn put(
    connection: &mut PgConnection,
    organization: OrganizationId,
    settings: &PasswordSettings,
) -> Result<(), StoreError> {
    let predefined = settings.predefined.as_ref();
    sqlx::query(
        "-- password_settings.put
         INSERT INTO password_settings (organization_id, mode, must_change, mail, length, lower, upper, digit, symbol,
             not_login, key_id, ciphertext)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         ON CONFLICT (organization_id) DO UPDATE
         SET mode = excluded.mode, must_change = excluded.must_change, mail = excluded.mail, length = excluded.length,
             lower = excluded.lower, upper = excluded.upper, digit = excluded.digit, symbol = excluded.symbol,
             not_login = excluded.not_login, key_id = excluded.key_id, ciphertext = excluded.ciphertext",
    )
    .bind(organization.0)
    .bind(settings.mode.key())
    .bind(settings.must_change)
    .bind(settings.mail)
    .bind(i16::from(settings.policy.length))
    .bind(settings.policy.lower)
    .bind(settings.policy.upper)
    .bind(settings.policy.digit)
    .bind(settings.policy.symbol)
    .bind(settings.policy.not_login)
    .bind(predefined.map(|sealed| sealed.key_id.as_str()))
    .bind(predefined.map(|sealed| sealed.ciphertext.as_slice()))
    .execute(connection)
    .await?;
    Ok(())
}

#[expect(clippy::struct_excessive_bools, reason = "the columns are what they are")]
#[derive(sqlx::FromRow)]
struct Row {
    organization_id: Uuid,
    mode: String,
    must_change: bool,
    mail: bool,
    length: i16,
    lower: bool,
    upper: bool,
    digit: bool,
    symbol: bool,
    not_login: bool,
    key_id: Option<String>,
    ciphertext: Option<Vec<u8>>,
}

impl TryFrom<Row> for PasswordSettings {
    type Error = Inconsistent;

    fn try_from(row: Row) -> Result<Self, Inconsistent> {
        let bad = |column| Inconsistent::new("password_settings", column, row.organization_id);
        Ok(Self {
            mode: Mode::of_key(&row.mode).ok_or_else(|| bad("mode"))?,
            must_change: row.must_change,
            mail: row.mail,
            policy: Policy {
                length: u8::try_from(row.length).map_err(|_| bad("length"))?,
                lower: row.lower,
                upper: row.upper,
                digit: row.digit,
                symbol: row.symbol,
                not_login: row.not_login,
            },
            predefined: row
                .key_id
                .zip(row.ciphertext)
                .map(|(key_id, ciphertext)| SealedSecret { key_id, ciphertext }),
        })
    }
}
