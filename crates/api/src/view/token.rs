//! API tokens.

use contracts::v1;
use store::token::{Role, Token};

use super::time;

/// A token, without its secret.
pub fn token(token: &Token) -> v1::Token {
    v1::Token {
        id: token.id.to_string(),
        name: token.name.clone(),
        role: match token.role {
            Role::Viewer => v1::TokenRole::Viewer,
            Role::Admin => v1::TokenRole::Admin,
        }
        .into(),
        create_time: Some(time(token.created_at)),
        revoke_time: token.revoked_at.map(time),
    }
}
