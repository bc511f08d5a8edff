//! The tenant itself (C7, graph-facts §1.7).

use domain::id::TenantId;
use serde::Deserialize;

use crate::client::{Call, Graph};
use crate::error::Error;
use crate::probe::READ_ORGANIZATION;

/// What the tenant says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// The tenant's id.
    pub id: TenantId,
    /// Its name.
    pub display_name: String,
    /// `AAD`, `AAD B2C` or `CIAM`; not always told.
    pub tenant_type: Option<String>,
    /// The domains that it has proved to own.
    pub verified_domains: Vec<VerifiedDomain>,
}

/// A domain that a tenant has proved to own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedDomain {
    /// Its name.
    pub name: String,
    /// Whether new users get it.
    pub is_default: bool,
    /// Whether it is the tenant's first one, under `onmicrosoft.com`.
    pub is_initial: bool,
    /// `Managed` or `Federated`.
    pub kind: Option<String>,
}

impl Organization {
    /// Whether Graph offers delta for it: consumer and external tenants have none.
    pub fn offers_delta(&self) -> bool {
        !matches!(self.tenant_type.as_deref(), Some("AAD B2C" | "CIAM"))
    }
}

impl Graph {
    /// Reads the tenant and makes sure that it is the connection's: every run begins with this, since a token may
    /// not be parsed (graph-facts §11, trap 35).
    pub async fn organization(&self) -> Result<Organization, Error> {
        let mut url = self.endpoints.graph_url(&["organization"]);
        url.set_query(Some("$select=id,displayName,tenantType,verifiedDomains"));
        let reply = self.get(&Call::single(url, READ_ORGANIZATION)).await?;
        let answer: Answer = reply.json()?;
        let Some(row) = answer.value.into_iter().next() else {
            return Err(reply.unexpected("it holds no organization"));
        };
        let id = row
            .id
            .parse()
            .map_err(|_| reply.unexpected("the organization's id is not a GUID"))?;
        let expected = self.tenant();
        if id != expected {
            return Err(Error::WrongTenant { expected, found: id });
        }
        Ok(Organization {
            id,
            display_name: row.display_name.unwrap_or_default(),
            tenant_type: row.tenant_type,
            verified_domains: row
                .verified_domains
                .unwrap_or_default()
                .into_iter()
                .map(Domain::verified)
                .collect(),
        })
    }
}

#[derive(Deserialize)]
struct Answer {
    value: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: String,
    display_name: Option<String>,
    tenant_type: Option<String>,
    verified_domains: Option<Vec<Domain>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Domain {
    name: String,
    #[serde(default)]
    is_default: bool,
    #[serde(default)]
    is_initial: bool,
    #[serde(rename = "type")]
    kind: Option<String>,
}

impl Domain {
    fn verified(self) -> VerifiedDomain {
        VerifiedDomain {
            name: self.name,
            is_default: self.is_default,
            is_initial: self.is_initial,
            kind: self.kind,
        }
    }
}
