//! People of a simulated tenant, made one by one.

use std::sync::Arc;

use entra_sim::{Tenant, TenantOptions};
use serde_json::{Map, Value, json};

/// The domain of those who are made here.
pub const DOMAIN: &str = "contoso.com";

/// A tenant with nobody in it.
pub fn nobody() -> TenantOptions {
    TenantOptions {
        deleted: 0,
        ..TenantOptions::generate(1, 0)
    }
}

/// A generated tenant of so many users, none of them deleted.
pub fn crowd(users: u32) -> TenantOptions {
    TenantOptions {
        deleted: 0,
        ..TenantOptions::generate(7, users)
    }
}

/// Creates `login@contoso.com`, enabled, with a name and a mail address, and with what is given besides; returns the
/// object id.
pub fn hire(tenant: &Arc<Tenant>, login: &str, with: Value) -> String {
    let mut attributes = Map::new();
    attributes.insert("userPrincipalName".into(), json!(format!("{login}@{DOMAIN}")));
    attributes.insert("displayName".into(), json!(name_of(login)));
    attributes.insert("accountEnabled".into(), json!(true));
    attributes.insert("mail".into(), json!(format!("{login}@{DOMAIN}")));
    if let Value::Object(with) = with {
        for (name, value) in with {
            if value.is_null() {
                attributes.remove(&name);
            } else {
                attributes.insert(name, value);
            }
        }
    }
    tenant.create(attributes).unwrap()
}

/// So many people, `p01` to `p99`; returns their object ids.
pub fn hire_many(tenant: &Arc<Tenant>, count: usize) -> Vec<String> {
    (1..=count)
        .map(|number| hire(tenant, &format!("p{number:02}"), json!({})))
        .collect()
}

/// `Ann` of `ann`.
pub fn name_of(login: &str) -> String {
    let mut letters = login.chars();
    letters
        .next()
        .map(char::to_uppercase)
        .into_iter()
        .flatten()
        .chain(letters)
        .collect()
}
