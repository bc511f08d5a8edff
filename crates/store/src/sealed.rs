//! What is sealed by the vault, wherever it stands: which keys are in use, and putting a value sealed anew in place of the old
//! one. Each kind is re-sealed by the one service that writes its table.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::credential::SealedSecret;
use crate::{Inconsistent, StoreError};

/// What is sealed, by the place where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Of a credential.
    ClientSecret,
    /// Of a credential whose secret is being replaced.
    NextClientSecret,
    /// Of an organization's password settings.
    PredefinedPassword,
    /// The answer to making a token, kept for a day for who asks again.
    TokenAnswer,
    /// Where the users' next delta begins, of a run that has not ended.
    FetchedLink,
    /// The same of the groups.
    FetchedGroupsLink,
    /// Where the next delta begins.
    DeltaLink,
    /// A password that is not mailed yet.
    MailedPassword,
}

/// How many values of a kind a key has sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The key's id.
    pub key_id: String,
    /// The kind.
    pub kind: Kind,
    /// How many.
    pub count: u64,
}

/// A sealed value in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The row.
    pub place: Place,
    /// The id that it is sealed for.
    pub bound_to: Uuid,
    /// The value.
    pub sealed: SealedSecret,
}

/// A row: an id, and what else there is to its key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    id: Uuid,
    part: String,
}

/// Runs that are read and have not ended: only their links are of use.
const OPEN_RUNS: &str = "(
         SELECT p.run_id FROM run_plan p WHERE p.state IN ('planning', 'planned', 'applying')
         UNION ALL
         SELECT f.run_id FROM run_fetch f LEFT JOIN run_plan p ON p.run_id = f.run_id
         WHERE f.state = 'fetched' AND p.run_id IS NULL
     )";

/// What a stored answer with a token begins with: 16 bytes of the token's id, the length of the key's id, that. See
/// [`TokenAnswer`].
const ANSWER_KEY: &str = "convert_from(substr(response, 18, get_byte(response, 16)), 'UTF8')";

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::ClientSecret,
        Self::NextClientSecret,
        Self::PredefinedPassword,
        Self::TokenAnswer,
        Self::FetchedLink,
        Self::FetchedGroupsLink,
        Self::DeltaLink,
        Self::MailedPassword,
    ];

    /// Its name, in the singular or the plural.
    #[must_use]
    pub const fn name(self, count: u64) -> &'static str {
        match (self, count) {
            (Self::ClientSecret, 1) => "client secret",
            (Self::ClientSecret, _) => "client secrets",
            (Self::NextClientSecret, 1) => "next client secret",
            (Self::NextClientSecret, _) => "next client secrets",
            (Self::PredefinedPassword, 1) => "predefined password",
            (Self::PredefinedPassword, _) => "predefined passwords",
            (Self::TokenAnswer, 1) => "answer with a new token",
            (Self::TokenAnswer, _) => "answers with a new token",
            (Self::FetchedLink, 1) => "delta link of an open run",
            (Self::FetchedLink, _) => "delta links of open runs",
            (Self::FetchedGroupsLink, 1) => "groups' delta link of an open run",
            (Self::FetchedGroupsLink, _) => "groups' delta links of open runs",
            (Self::DeltaLink, 1) => "delta link",
            (Self::DeltaLink, _) => "delta links",
            (Self::MailedPassword, 1) => "password to be mailed",
            (Self::MailedPassword, _) => "passwords to be mailed",
        }
    }

    /// Rows as `id, part, bound_to, key_id, ciphertext`, all of them.
    fn rows(self) -> String {
        match self {
            Self::ClientSecret => "SELECT id, '' AS part, id AS bound_to, secret_key_id AS key_id,
                     secret_ciphertext AS ciphertext FROM credential WHERE secret_key_id IS NOT NULL"
                .to_owned(),
            Self::NextClientSecret => "SELECT id, '' AS part, id AS bound_to, next_secret_key_id AS key_id,
                     next_secret_ciphertext AS ciphertext FROM credential WHERE next_secret_key_id IS NOT NULL"
                .to_owned(),
            Self::PredefinedPassword => "SELECT organization_id AS id, '' AS part, organization_id AS bound_to, key_id,
                     ciphertext FROM password_settings WHERE key_id IS NOT NULL"
                .to_owned(),
            Self::TokenAnswer => format!(
                "SELECT organization_id AS id, key AS part, encode(substr(response, 1, 16), 'hex')::uuid AS bound_to,
                     {ANSWER_KEY} AS key_id, substr(response, 18 + get_byte(response, 16)) AS ciphertext
                 FROM idempotency WHERE method = 'CreateToken' AND octet_length(response) > 17"
            ),
            Self::FetchedLink => format!(
                "SELECT f.run_id AS id, '' AS part, r.connection_id AS bound_to, f.cursor_key_id AS key_id,
                     f.cursor_ciphertext AS ciphertext
                 FROM {OPEN_RUNS} AS open JOIN run_fetch f USING (run_id) JOIN run r ON r.id = f.run_id
                 WHERE f.cursor_key_id IS NOT NULL"
            ),
            Self::FetchedGroupsLink => format!(
                "SELECT f.run_id AS id, '' AS part, r.connection_id AS bound_to, f.groups_cursor_key_id AS key_id,
                     f.groups_cursor_ciphertext AS ciphertext
                 FROM {OPEN_RUNS} AS open JOIN run_fetch f USING (run_id) JOIN run r ON r.id = f.run_id
                 WHERE f.groups_cursor_key_id IS NOT NULL"
            ),
            Self::DeltaLink => "SELECT connection_id AS id, resource AS part, connection_id AS bound_to, key_id, ciphertext
                 FROM delta_cursor"
                .to_owned(),
            Self::MailedPassword => {
                "SELECT id, '' AS part, id AS bound_to, key_id, ciphertext FROM password_mail".to_owned()
            }
        }
    }

    /// The statement that puts a value (`$4` sealed by `$3`, or the whole answer) into a row (`$1`, `$2`) in place of `$5`.
    const fn put(self) -> &'static str {
        match self {
            Self::ClientSecret => {
                "-- sealed.put_client_secret
                 UPDATE credential SET secret_key_id = $3, secret_ciphertext = $4
                 WHERE id = $1 AND $2 = '' AND secret_ciphertext = $5"
            }
            Self::NextClientSecret => {
                "-- sealed.put_next_client_secret
                 UPDATE credential SET next_secret_key_id = $3, next_secret_ciphertext = $4
                 WHERE id = $1 AND $2 = '' AND next_secret_ciphertext = $5"
            }
            Self::PredefinedPassword => {
                "-- sealed.put_predefined_password
                 UPDATE password_settings SET key_id = $3, ciphertext = $4
                 WHERE organization_id = $1 AND $2 = '' AND ciphertext = $5"
            }
            Self::TokenAnswer => {
                "-- sealed.put_token_answer
                 UPDATE idempotency
                 SET response = substr(response, 1, 16) || set_byte('\\x00'::bytea, 0, octet_length($3::text))
                     || convert_to($3::text, 'UTF8') || $4
                 WHERE organization_id = $1 AND key = $2 AND method = 'CreateToken'
                   AND substr(response, 18 + get_byte(response, 16)) = $5"
            }
            Self::FetchedLink => {
                "-- sealed.put_fetched_link
                 UPDATE run_fetch SET cursor_key_id = $3, cursor_ciphertext = $4
                 WHERE run_id = $1 AND $2 = '' AND cursor_ciphertext = $5"
            }
            Self::FetchedGroupsLink => {
                "-- sealed.put_fetched_groups_link
                 UPDATE run_fetch SET groups_cursor_key_id = $3, groups_cursor_ciphertext = $4
                 WHERE run_id = $1 AND $2 = '' AND groups_cursor_ciphertext = $5"
            }
            Self::DeltaLink => {
                "-- sealed.put_delta_link
                 UPDATE delta_cursor SET key_id = $3, ciphertext = $4
                 WHERE connection_id = $1 AND resource = $2 AND ciphertext = $5"
            }
            Self::MailedPassword => {
                "-- sealed.put_mailed_password
                 UPDATE password_mail SET key_id = $3, ciphertext = $4
                 WHERE id = $1 AND $2 = '' AND ciphertext = $5"
            }
        }
    }
}

/// How many values each key has sealed, over all organizations; by key, then kind.
pub async fn uses(connection: &mut PgConnection) -> Result<Vec<Use>, StoreError> {
    let parts: Vec<String> = Kind::ALL
        .into_iter()
        .map(|kind| {
            let (name, rows) = (kind as i32, kind.rows());
            format!("SELECT {name} AS kind, key_id, count(*) FROM ({rows}) AS sealed GROUP BY key_id")
        })
        .collect();
    let statement = format!(
        "-- sealed.uses\nSELECT * FROM ({}) AS used ORDER BY key_id, kind",
        parts.join(" UNION ALL ")
    );
    let rows: Vec<(i32, String, i64)> = sqlx::query_as(&statement).fetch_all(connection).await?;
    rows.into_iter()
        .map(|(kind, key_id, count)| {
            let bad = || Inconsistent::new("sealed", "kind", Uuid::nil());
            let kind = usize::try_from(kind).ok().and_then(|kind| Kind::ALL.get(kind));
            Ok(Use {
                key_id,
                kind: *kind.ok_or_else(bad)?,
                count: u64::try_from(count).map_err(|_| bad())?,
            })
        })
        .collect()
}

/// Up to `limit` values of a kind that these keys have sealed, after this place.
pub async fn sealed_by(
    connection: &mut PgConnection,
    kind: Kind,
    keys: &[String],
    after: Option<&Place>,
    limit: i64,
) -> Result<Vec<Placed>, StoreError> {
    let statement = format!(
        "-- sealed.sealed_by
         SELECT id, part, bound_to, key_id, ciphertext FROM ({}) AS sealed
         WHERE key_id = ANY($1) AND ($2::uuid IS NULL OR (id, part COLLATE \"C\") > ($2, $3))
         ORDER BY id, part COLLATE \"C\" LIMIT $4",
        kind.rows()
    );
    let rows: Vec<(Uuid, String, Uuid, String, Vec<u8>)> = sqlx::query_as(&statement)
        .bind(keys)
        .bind(after.map(|place| place.id))
        .bind(after.map_or("", |place| place.part.as_str()))
        .bind(limit)
        .fetch_all(connection)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(id, part, bound_to, key_id, ciphertext)| Placed {
            place: Place { id, part },
            bound_to,
            sealed: SealedSecret { key_id, ciphertext },
        })
        .collect())
}

/// Puts a value that is sealed anew in place of the old one. `false`: that is not there any more, and nothing is done.
pub async fn put(
    connection: &mut PgConnection,
    kind: Kind,
    old: &Placed,
    new: &SealedSecret,
) -> Result<bool, StoreError> {
    let done = sqlx::query(kind.put())
        .bind(old.place.id)
        .bind(&old.place.part)
        .bind(&new.key_id)
        .bind(&new.ciphertext)
        .bind(&old.sealed.ciphertext)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// A stored answer with a token's secret: sealed for the token's row, and told apart from it by its first bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenAnswer {
    /// The token.
    pub token: Uuid,
    /// The answer.
    pub sealed: SealedSecret,
}

impl TokenAnswer {
    /// As it is stored: the token's id, the length of the key's id, that, ciphertext. None for a key's id of more than 255
    /// bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        let mut stored = self.token.as_bytes().to_vec();
        stored.push(u8::try_from(self.sealed.key_id.len()).ok()?);
        stored.extend_from_slice(self.sealed.key_id.as_bytes());
        stored.extend_from_slice(&self.sealed.ciphertext);
        Some(stored)
    }

    /// Reads what [`TokenAnswer::to_bytes`] wrote.
    #[must_use]
    pub fn from_bytes(stored: &[u8]) -> Option<Self> {
        let (id, rest) = stored.split_first_chunk::<16>()?;
        let (length, rest) = rest.split_first()?;
        let (key_id, ciphertext) = rest.split_at_checked(usize::from(*length))?;
        Some(Self {
            token: Uuid::from_bytes(*id),
            sealed: SealedSecret {
                key_id: String::from_utf8(key_id.to_vec()).ok()?,
                ciphertext: ciphertext.to_vec(),
            },
        })
    }
}
