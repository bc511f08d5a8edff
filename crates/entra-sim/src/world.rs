//! All tenants of a simulator, and the tokens that were issued.

use crate::held::{lock, read};
use crate::tenant::Tenant;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// How many tokens are remembered before expired ones are dropped.
const MANY_TOKENS: usize = 10_000;

/// All there is.
pub struct World {
    /// The tenants; requests that name none are about the first.
    pub tenants: Vec<Arc<Tenant>>,
    grants: Mutex<HashMap<String, Grant>>,
}

/// What a token stands for.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Where it is good.
    pub tenant: Arc<Tenant>,
    /// Whose it is.
    pub client_id: String,
    /// What it allows: the permissions at the time of issue (graph-facts §1.1).
    pub roles: Vec<String>,
    issued: DateTime<Utc>,
    expires: DateTime<Utc>,
}

impl Grant {
    /// Is it no longer good?
    pub fn expired(&self) -> bool {
        let void = read(&self.tenant.tokens_void_before).is_some_and(|before| self.issued <= before);
        void || self.tenant.now() >= self.expires
    }
}

impl World {
    /// A world of these tenants.
    pub fn new(tenants: Vec<Arc<Tenant>>) -> Self {
        Self {
            tenants,
            grants: Mutex::default(),
        }
    }

    /// The tenant of this id or verified domain (graph-facts §1.1).
    pub fn tenant(&self, key: &str) -> Option<&Arc<Tenant>> {
        self.tenants.iter().find(|tenant| {
            let domains = &tenant.options.domains;
            tenant.id().eq_ignore_ascii_case(key)
                || domains.iter().any(|domain| domain.eq_ignore_ascii_case(key))
        })
    }

    /// What a token stands for, expired or not.
    pub fn grant(&self, token: &str) -> Option<Grant> {
        lock(&self.grants).get(token).cloned()
    }

    /// Issues a token. It looks like one, and holds nothing to be read.
    pub fn issue(&self, tenant: &Arc<Tenant>, client_id: &str, roles: Vec<String>, seconds: i64) -> String {
        let part = |bytes: usize| {
            let random: Vec<u8> = std::iter::repeat_with(rand::random).take(bytes).collect();
            URL_SAFE_NO_PAD.encode(random)
        };
        let token = format!("{}.{}.{}", part(81), part(900), part(256));
        let issued = tenant.now();
        let grant = Grant {
            tenant: tenant.clone(),
            client_id: client_id.into(),
            roles,
            issued,
            expires: issued + TimeDelta::seconds(seconds),
        };
        let mut grants = lock(&self.grants);
        if grants.len() >= MANY_TOKENS {
            grants.retain(|_, grant| !grant.expired());
        }
        grants.insert(token.clone(), grant);
        token
    }
}
