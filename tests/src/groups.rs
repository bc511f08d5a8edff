//! Groups of a simulated tenant, made one by one.

use std::sync::Arc;

use entra_sim::{GroupKind, MemberKind, Tenant};
use serde_json::{Map, Value, json};

/// Creates a security group of this name; returns the object id.
pub fn security_group(tenant: &Arc<Tenant>, name: &str) -> String {
    group(tenant, GroupKind::Security, name, json!({}))
}

/// Creates a group of this kind and name, and with what is given besides; returns the object id.
pub fn group(tenant: &Arc<Tenant>, kind: GroupKind, name: &str, with: Value) -> String {
    let mut attributes = Map::new();
    attributes.insert("displayName".into(), json!(name));
    if let Value::Object(with) = with {
        attributes.extend(with);
    }
    tenant.create_group(kind, attributes).unwrap()
}

/// Users come into a group.
pub fn join<S: AsRef<str>>(tenant: &Arc<Tenant>, group: &str, users: &[S]) {
    tenant.add_members(group, MemberKind::User, owned(users)).unwrap();
}

/// Members of any kind go out of a group.
pub fn part<S: AsRef<str>>(tenant: &Arc<Tenant>, group: &str, members: &[S]) {
    tenant.remove_members(group, owned(members)).unwrap();
}

/// A group comes into another one.
pub fn nest(tenant: &Arc<Tenant>, outer: &str, inner: &str) {
    tenant
        .add_members(outer, MemberKind::Group, vec![inner.to_owned()])
        .unwrap();
}

/// Takes the permissions for groups away from the tenant's app, and its tokens, which would still have them.
pub fn forbid_groups(tenant: &Arc<Tenant>) {
    let roles = ["User.Read.All", "Device.Read.All", "Organization.Read.All"];
    tenant.change_app(entra_sim::AppChange {
        roles: Some(roles.map(String::from).into()),
        ..entra_sim::AppChange::default()
    });
    tenant.revoke_tokens();
}

fn owned<S: AsRef<str>>(ids: &[S]) -> Vec<String> {
    ids.iter().map(|id| id.as_ref().to_owned()).collect()
}
