//! One tenant: its users, app, clock, faults and settings. What a test or another process holds in its hands.

use crate::app::{App, AppChange};
use crate::cache::PageCache;
use crate::clock::{self, Clock};
use crate::directory::Directory;
use crate::directory::operation::{Applied, Operation, OperationError};
use crate::directory::snapshot::Snapshot;
use crate::fault::{Fault, Faults};
use crate::groups::snapshot::GroupSnapshot;
use crate::groups::{self, Group, GroupKind, MemberKind};
use crate::held::{lock, read, write};
use crate::people::Generation;
use crate::settings::Settings;
use crate::throttle::Throttle;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::atomic::AtomicU32;
use std::sync::{Mutex, RwLock};
use std::time::Duration;

/// How a tenant is made.
#[derive(Clone)]
pub struct TenantOptions {
    /// Tenant id, a GUID.
    pub id: String,
    /// Display name of the organization.
    pub display_name: String,
    /// Verified domains: the default one first, then the initial one.
    pub domains: Vec<String>,
    /// Client id of the registered app.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// Its application permissions.
    pub roles: Vec<String>,
    /// All users follow from it.
    pub seed: u64,
    /// How many users.
    pub users: u32,
    /// How many soft-deleted ones beside them.
    pub deleted: u32,
    /// How many groups.
    pub groups: u32,
    /// When the tenant started: recent dates count back from it. None: now.
    pub started: Option<DateTime<Utc>>,
    /// How it behaves.
    pub settings: Settings,
}

impl TenantOptions {
    /// The tenant Contoso with so many users.
    pub fn generate(seed: u64, users: u32) -> Self {
        Self {
            id: "11111111-2222-3333-4444-555555555555".into(),
            display_name: "Contoso".into(),
            domains: ["contoso.com", "contoso.onmicrosoft.com", "fabrikam.example"]
                .map(String::from)
                .into(),
            client_id: "66666666-7777-8888-9999-000000000000".into(),
            client_secret: "demo-secret-value~not-a-guid".into(),
            roles: [
                "User.Read.All",
                "GroupMember.Read.All",
                "Device.Read.All",
                "Organization.Read.All",
            ]
            .map(String::from)
            .into(),
            seed,
            users,
            deleted: users / 200,
            groups: 0,
            started: None,
            settings: Settings::default(),
        }
    }
}

impl fmt::Debug for TenantOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("TenantOptions");
        shown
            .field("id", &self.id)
            .field("seed", &self.seed)
            .field("users", &self.users)
            .finish_non_exhaustive()
    }
}

/// A running tenant.
pub struct Tenant {
    pub(crate) options: TenantOptions,
    pub(crate) clock: Clock,
    pub(crate) directory: RwLock<Directory>,
    pub(crate) app: RwLock<App>,
    pub(crate) settings: RwLock<Settings>,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) throttle: Mutex<Throttle>,
    pub(crate) cache: Mutex<PageCache>,
    pub(crate) expired_links: Mutex<HashSet<String>>,
    /// How many listings were begun.
    pub(crate) listings: AtomicU32,
    pub(crate) tokens_void_before: RwLock<Option<DateTime<Utc>>>,
    /// Tells this run's delta tokens from those of another with other changes.
    pub(crate) instance: u64,
    requests: Mutex<BTreeMap<String, u64>>,
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenant")
            .field("id", &self.options.id)
            .finish_non_exhaustive()
    }
}

/// How many users and groups a tenant has.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// In the directory.
    pub live: u32,
    /// In the deleted items.
    pub deleted: usize,
    /// Groups in the directory.
    pub groups: usize,
}

impl Tenant {
    /// Starts a tenant.
    pub fn new(mut options: TenantOptions) -> Self {
        if options.domains.is_empty() {
            options.domains.push("contoso.onmicrosoft.com".into());
        }
        let started = options.started.unwrap_or_else(clock::real);
        let domains = options.domains.clone();
        let generation = Generation::new(options.seed, options.users, options.deleted, domains, started);
        let groups =
            groups::generate(&generation, options.groups).expect("nothing is given that a group can't have");
        let app = App {
            client_id: options.client_id.clone(),
            secret: options.client_secret.clone(),
            secret_expires: None,
            other: None,
            roles: options.roles.clone(),
            disabled: false,
        };
        Self {
            directory: RwLock::new(Directory::new(generation, groups)),
            app: RwLock::new(app),
            settings: RwLock::new(options.settings.clone()),
            clock: Clock::default(),
            faults: Mutex::default(),
            throttle: Mutex::default(),
            cache: Mutex::default(),
            expired_links: Mutex::default(),
            listings: AtomicU32::default(),
            tokens_void_before: RwLock::default(),
            requests: Mutex::default(),
            instance: rand::random(),
            options,
        }
    }

    /// Tenant id.
    pub fn id(&self) -> &str {
        &self.options.id
    }

    /// Changes the directory. Refused operations change nothing.
    pub fn apply(&self, operation: &Operation) -> Result<Applied, OperationError> {
        let now = self.clock.now();
        let tells_purged = !read(&self.settings).purged_members_untold;
        let mut directory = write(&self.directory);
        directory.tells_purged = tells_purged;
        let before = directory.changes.len();
        let applied = directory.apply(operation, now);
        let touched: Vec<u32> = directory.changes.slots_since(before).collect();
        lock(&self.cache).forget(&touched);
        applied
    }

    /// Creates a user of these attributes, and returns its object id.
    pub fn create(&self, attributes: Map<String, Value>) -> Result<String, OperationError> {
        self.about(&Operation::Create { attributes })
    }

    /// Sets one attribute; null clears it.
    pub fn update(&self, user: &str, attribute: &str, value: Value) -> Result<(), OperationError> {
        let attributes = Map::from_iter([(attribute.to_owned(), value)]);
        self.apply(&Operation::Update {
            user: user.into(),
            attributes,
        })
        .map(drop)
    }

    /// Gives a user another manager, or none.
    pub fn set_manager(&self, user: &str, manager: Option<&str>) -> Result<(), OperationError> {
        let manager = manager.map(String::from);
        self.apply(&Operation::SetManager {
            user: user.into(),
            manager,
        })
        .map(drop)
    }

    /// The user may no longer sign in.
    pub fn disable(&self, user: &str) -> Result<(), OperationError> {
        self.apply(&Operation::Disable { user: user.into() }).map(drop)
    }

    /// The user may sign in again.
    pub fn enable(&self, user: &str) -> Result<(), OperationError> {
        self.apply(&Operation::Enable { user: user.into() }).map(drop)
    }

    /// Moves a user to the deleted items.
    pub fn soft_delete(&self, user: &str) -> Result<(), OperationError> {
        self.apply(&Operation::SoftDelete { user: user.into() }).map(drop)
    }

    /// Brings a user back from the deleted items.
    pub fn restore(&self, user: &str) -> Result<(), OperationError> {
        self.apply(&Operation::Restore {
            user: user.into(),
            user_principal_name: None,
        })
        .map(drop)
    }

    /// Removes a user from the deleted items for good.
    pub fn purge(&self, user: &str) -> Result<(), OperationError> {
        self.apply(&Operation::Purge { user: user.into() }).map(drop)
    }

    /// Removes a user for good at once.
    pub fn hard_delete(&self, user: &str) -> Result<(), OperationError> {
        self.apply(&Operation::HardDelete { user: user.into() }).map(drop)
    }

    /// Two users take each other's principal name.
    pub fn swap_principal_names(&self, user: &str, other: &str) -> Result<(), OperationError> {
        let (user, other) = (user.into(), other.into());
        self.apply(&Operation::SwapPrincipalNames { user, other })
            .map(drop)
    }

    /// Soft-deletes a user and creates it anew under the same principal name. Returns the new object id.
    pub fn recreate(&self, user: &str) -> Result<String, OperationError> {
        self.about(&Operation::Recreate { user: user.into() })
    }

    /// Creates a group of this kind and these attributes, and returns its object id.
    pub fn create_group(
        &self,
        kind: GroupKind,
        attributes: Map<String, Value>,
    ) -> Result<String, OperationError> {
        self.about(&Operation::CreateGroup {
            id: None,
            kind,
            attributes,
        })
    }

    /// Sets one attribute of a group; null clears it.
    pub fn update_group(&self, group: &str, attribute: &str, value: Value) -> Result<(), OperationError> {
        let attributes = Map::from_iter([(attribute.to_owned(), value)]);
        self.apply(&Operation::UpdateGroup {
            group: group.into(),
            attributes,
        })
        .map(drop)
    }

    /// Moves a group to the deleted items; one that Exchange runs is gone for good.
    pub fn delete_group(&self, group: &str) -> Result<(), OperationError> {
        self.apply(&Operation::DeleteGroup { group: group.into() })
            .map(drop)
    }

    /// Brings a group back from the deleted items.
    pub fn restore_group(&self, group: &str) -> Result<(), OperationError> {
        self.apply(&Operation::RestoreGroup { group: group.into() })
            .map(drop)
    }

    /// Removes a group from the deleted items for good.
    pub fn purge_group(&self, group: &str) -> Result<(), OperationError> {
        self.apply(&Operation::PurgeGroup { group: group.into() })
            .map(drop)
    }

    /// Adds members of one kind to a group.
    pub fn add_members(
        &self,
        group: &str,
        kind: MemberKind,
        members: Vec<String>,
    ) -> Result<(), OperationError> {
        self.apply(&Operation::AddMembers {
            group: group.into(),
            kind,
            members,
        })
        .map(drop)
    }

    /// Removes members from a group.
    pub fn remove_members(&self, group: &str, members: Vec<String>) -> Result<(), OperationError> {
        self.apply(&Operation::RemoveMembers {
            group: group.into(),
            members,
        })
        .map(drop)
    }

    /// All live groups, in the order of lists.
    pub fn groups(&self) -> Vec<GroupSnapshot> {
        read(&self.directory).groups.snapshots(false)
    }

    /// All groups in the deleted items.
    pub fn deleted_groups(&self) -> Vec<GroupSnapshot> {
        read(&self.directory).groups.snapshots(true)
    }

    /// One live group.
    pub fn group(&self, group: &str) -> Option<GroupSnapshot> {
        read(&self.directory).groups.find(group).map(Group::snapshot)
    }

    fn about(&self, operation: &Operation) -> Result<String, OperationError> {
        Ok(self.apply(operation)?.id.unwrap_or_default())
    }

    /// All live users, in the order of lists.
    pub fn users(&self) -> Vec<Snapshot> {
        self.snapshots(false, 0, usize::MAX)
    }

    /// All soft-deleted users.
    pub fn deleted_users(&self) -> Vec<Snapshot> {
        self.snapshots(true, 0, usize::MAX)
    }

    /// Some of the live or the soft-deleted users.
    pub fn snapshots(&self, deleted: bool, skip: usize, limit: usize) -> Vec<Snapshot> {
        let directory = read(&self.directory);
        let slots: Vec<u32> = if deleted {
            directory.deleted_from(0).skip(skip).take(limit).collect()
        } else {
            directory
                .live_from(0, self.clock.now())
                .skip(skip)
                .take(limit)
                .collect()
        };
        slots.into_iter().map(|slot| directory.snapshot(slot)).collect()
    }

    /// One live user, by object id or principal name.
    pub fn user(&self, user: &str) -> Option<Snapshot> {
        let directory = read(&self.directory);
        directory.find(user).map(|slot| directory.snapshot(slot))
    }

    /// How many users there are.
    pub fn counts(&self) -> Counts {
        let directory = read(&self.directory);
        Counts {
            live: directory.live(),
            deleted: directory.deleted(),
            groups: directory.groups.live(),
        }
    }

    /// Adds a fault.
    pub fn fault(&self, fault: Fault) {
        lock(&self.faults).add(fault);
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        lock(&self.faults).clear();
        lock(&self.expired_links).clear();
    }

    /// How the tenant behaves now.
    pub fn settings(&self) -> Settings {
        read(&self.settings).clone()
    }

    /// Changes how the tenant behaves.
    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut write(&self.settings));
    }

    /// Changes the app registration.
    pub fn change_app(&self, change: AppChange) {
        write(&self.app).change(change, self.clock.now());
    }

    /// Makes all tokens issued so far expired.
    pub fn revoke_tokens(&self) {
        *write(&self.tokens_void_before) = Some(self.clock.now());
    }

    /// The tenant's time.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Moves the tenant's time forward: tokens expire, deleted users and groups are purged.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
        let tells_purged = !read(&self.settings).purged_members_untold;
        let mut directory = write(&self.directory);
        directory.tells_purged = tells_purged;
        directory.purge_expired(self.clock.now());
    }

    /// How many requests there were: `GET /v1.0/users` and so on, ids left out, the token endpoint as
    /// `POST /oauth2/v2.0/token`.
    pub fn requests(&self) -> BTreeMap<String, u64> {
        lock(&self.requests).clone()
    }

    /// Counts from zero again.
    pub fn forget_requests(&self) {
        lock(&self.requests).clear();
    }

    pub(crate) fn count(&self, request: String) {
        *lock(&self.requests).entry(request).or_default() += 1;
    }
}
