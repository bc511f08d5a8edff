//! What can be switched while a tenant runs.

use serde::{Deserialize, Serialize};

/// How a tenant behaves.
#[expect(clippy::struct_excessive_bools, reason = "switches, each on its own")]
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// Milliseconds that every Graph answer takes at least. A real page takes 300 to 1,000.
    pub latency_ms: u64,
    /// Users or groups on a page of a delta: the server's choice (graph-facts §3.2).
    pub delta_page_size: u32,
    /// Members in one row of a delta of groups at most; a page ends once it has so many.
    pub delta_member_page_size: u32,
    /// Deltas of groups don't tell that a member was deleted for good, as has been seen (graph-facts §4).
    pub purged_members_untold: bool,
    /// Delta rows hold only what changed, as with `Prefer: return=minimal`.
    pub delta_changed_only: bool,
    /// An initial delta round tells of users in the deleted items, too (§3.1).
    pub initial_delta_removed: bool,
    /// A deltaLink that is too old is answered 410 with a Location instead of 400 (§3.4).
    pub expired_delta_gone: bool,
    /// Seconds until a change shows in deltas and a new user in lists (§3.5).
    pub visibility_delay_seconds: u32,
    /// Resource units are counted and refused (§7.1). None: never.
    pub throttling: Option<Throttling>,
    /// The tenant lives in another cloud: the token endpoint answers with this AADSTS number, 90038 or 900382.
    pub wrong_cloud: Option<u32>,
    /// `tenantType` of the organization: `AAD`, `AAD B2C` or `CIAM`.
    pub tenant_type: String,
    /// Every page of a listing stays rendered, whatever the memory; the first request renders all.
    pub prerender: bool,
}

/// How the tenant throttles.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Throttling {
    /// Resource units in ten seconds. None: by the number of users, as documented.
    pub budget: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            latency_ms: 0,
            delta_page_size: 200,
            delta_member_page_size: 2_000,
            purged_members_untold: false,
            delta_changed_only: false,
            initial_delta_removed: false,
            expired_delta_gone: false,
            visibility_delay_seconds: 0,
            throttling: None,
            wrong_cloud: None,
            tenant_type: "AAD".into(),
            prerender: false,
        }
    }
}
