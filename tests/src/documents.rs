//! The documents that most tests apply.

use entra_sim::TenantOptions;

/// The connection's name.
pub const CONNECTION: &str = "contoso";
/// The variable from which the command line reads the secret.
pub const SECRET_VARIABLE: &str = "CONTOSO_SECRET";

/// Credential, connection and mapping of a tenant at `url`. `connection` and `mapping` are further lines of those two;
/// a first run is applied unless they say otherwise.
pub fn documents(tenant: &TenantOptions, url: &str, connection: &str, mapping: &str) -> String {
    let first_run = if connection.contains("firstRun") {
        ""
    } else {
        "firstRun: apply\n"
    };
    let (id, client) = (&tenant.id, &tenant.client_id);
    format!(
        "kind: Credential
name: {CONNECTION}-app
tenantId: {id}
clientId: {client}
clientSecret: {{ fromEnv: {SECRET_VARIABLE} }}
---
kind: Connection
name: {CONNECTION}
tenantId: {id}
credential: {CONNECTION}-app
loginUrl: {url}
graphUrl: {url}
{first_run}{connection}
---
kind: Mapping
name: {CONNECTION}-staff
connection: {CONNECTION}
target: accounts
{mapping}
"
    )
}
