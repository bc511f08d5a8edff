//! Which Entra and which Graph: the clouds and their addresses (C15, graph-facts §10).

use std::fmt;

use domain::id::TenantId;
use url::{Host, Url};

/// A Microsoft cloud, or addresses of one's own. Tokens of one cloud mean nothing in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cloud {
    /// Worldwide, the M365 GCC included.
    Global,
    /// US Government L4 (GCC High).
    UsGov,
    /// US Government L5 (`DoD`).
    UsGovDod,
    /// China, operated by 21Vianet.
    China,
    /// Both addresses are given.
    Custom,
}

/// Where one connection's calls go. Built by [`Endpoints::new`] only, so that every address in it has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    login: Url,
    graph: Url,
    token: Option<Url>,
}

/// What is wrong with an address. `field` is the name it has in a connection.
#[derive(Debug, thiserror::Error)]
pub enum EndpointsError {
    /// A custom cloud lacks one of its two addresses.
    #[error("{field} is missing: without a named cloud both loginUrl and graphUrl are needed")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// Not an address.
    #[error("{field} is not an address; write it as https://host")]
    NotAnAddress {
        /// The field.
        field: &'static str,
        /// What the parser said.
        #[source]
        source: url::ParseError,
    },
    /// Neither https nor http.
    #[error("{field} begins with {scheme}:, expected https://")]
    Scheme {
        /// The field.
        field: &'static str,
        /// The scheme found.
        scheme: String,
    },
    /// Plain http to another machine would send the secret or the token in the clear.
    #[error(
        "{field} uses plain http to {host}, which is allowed to this machine only (localhost); use https"
    )]
    PlainHttp {
        /// The field.
        field: &'static str,
        /// The host found.
        host: String,
    },
    /// More than scheme, host and port.
    #[error("{field} has more than scheme://host[:port]; take the path and what follows it away")]
    Path {
        /// The field.
        field: &'static str,
    },
    /// A user name or password inside the address.
    #[error("{field} holds a user name or password; take it out, the credential belongs to the connection")]
    UserInfo {
        /// The field.
        field: &'static str,
    },
    /// A `#` part, which no server sees.
    #[error("{field} has a # part; take it away")]
    Fragment {
        /// The field.
        field: &'static str,
    },
}

impl Cloud {
    /// Every cloud.
    pub const ALL: [Self; 5] = [
        Self::Global,
        Self::UsGov,
        Self::UsGovDod,
        Self::China,
        Self::Custom,
    ];

    /// Its name in YAML and API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::UsGov => "usGov",
            Self::UsGovDod => "usGovDod",
            Self::China => "china",
            Self::Custom => "custom",
        }
    }

    /// The cloud of this name, letter case aside.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|cloud| cloud.name().eq_ignore_ascii_case(name))
    }

    const fn login_url(self) -> Option<&'static str> {
        match self {
            Self::Global => Some("https://login.microsoftonline.com"),
            Self::UsGov | Self::UsGovDod => Some("https://login.microsoftonline.us"),
            Self::China => Some("https://login.partner.microsoftonline.cn"),
            Self::Custom => None,
        }
    }

    const fn graph_url(self) -> Option<&'static str> {
        match self {
            Self::Global => Some("https://graph.microsoft.com"),
            Self::UsGov => Some("https://graph.microsoft.us"),
            Self::UsGovDod => Some("https://dod-graph.microsoft.us"),
            Self::China => Some("https://microsoftgraph.chinacloudapi.cn"),
            Self::Custom => None,
        }
    }
}

impl fmt::Display for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Endpoints {
    /// The addresses of a cloud, each replaced by one's own where that is given. `login_url` and `graph_url` are
    /// `scheme://host[:port]`; `token_url` is the whole address of the token endpoint.
    pub fn new(
        cloud: Cloud,
        login_url: Option<&str>,
        graph_url: Option<&str>,
        token_url: Option<&str>,
    ) -> Result<Self, EndpointsError> {
        let given = |field, own: Option<&str>, default: Option<&'static str>| match own.or(default) {
            Some(text) => origin(field, text),
            None => Err(EndpointsError::Missing { field }),
        };
        Ok(Self {
            login: given("loginUrl", login_url, cloud.login_url())?,
            graph: given("graphUrl", graph_url, cloud.graph_url())?,
            token: token_url.map(|text| address("tokenUrl", text)).transpose()?,
        })
    }

    /// The token endpoint of a tenant (graph-facts §1.1).
    pub fn token_url(&self, tenant: TenantId) -> Url {
        self.token
            .clone()
            .unwrap_or_else(|| with_path(&self.login, &[&tenant.to_string(), "oauth2", "v2.0", "token"]))
    }

    /// What a token is asked for: everything granted at this Graph.
    pub fn scope(&self) -> String {
        format!("{}/.default", self.graph_origin())
    }

    /// Scheme, host and port of Graph.
    pub fn graph_origin(&self) -> String {
        self.graph.origin().ascii_serialization()
    }

    /// Scheme, host and port of the sign-in service.
    pub fn login_origin(&self) -> String {
        self.login.origin().ascii_serialization()
    }

    /// The address of something below `/v1.0`; each segment is encoded.
    pub(crate) fn graph_url(&self, segments: &[&str]) -> Url {
        let mut all = vec!["v1.0"];
        all.extend_from_slice(segments);
        with_path(&self.graph, &all)
    }

    /// Whether an address has Graph's scheme, host and port, so that the token may be sent to it (design §6).
    pub(crate) fn is_graph(&self, address: &Url) -> bool {
        address.origin() == self.graph.origin()
            && address.username().is_empty()
            && address.password().is_none()
    }
}

fn with_path(origin: &Url, segments: &[&str]) -> Url {
    let mut url = origin.clone();
    url.path_segments_mut()
        .expect("an http address always has a path")
        .clear()
        .extend(segments);
    url
}

fn origin(field: &'static str, text: &str) -> Result<Url, EndpointsError> {
    let url = address(field, text)?;
    if url.path() != "/" || url.query().is_some() {
        return Err(EndpointsError::Path { field });
    }
    Ok(url)
}

fn address(field: &'static str, text: &str) -> Result<Url, EndpointsError> {
    let url = Url::parse(text.trim()).map_err(|source| EndpointsError::NotAnAddress { field, source })?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => {
            let host = url.host_str().unwrap_or_default().to_owned();
            return Err(EndpointsError::PlainHttp { field, host });
        }
        scheme => {
            let scheme = scheme.to_owned();
            return Err(EndpointsError::Scheme { field, scheme });
        }
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(EndpointsError::UserInfo { field });
    }
    if url.fragment().is_some() {
        return Err(EndpointsError::Fragment { field });
    }
    Ok(url)
}

/// Whether it names this machine, so that plain http stays on it.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: TenantId = TenantId(uuid::Uuid::from_u128(0x1111));

    fn custom(login: &str, graph: &str, token: Option<&str>) -> Result<Endpoints, EndpointsError> {
        Endpoints::new(Cloud::Custom, Some(login), Some(graph), token)
    }

    #[test]
    fn each_cloud_has_its_hosts_and_scope() {
        let hosts = |cloud| {
            let endpoints = Endpoints::new(cloud, None, None, None).unwrap();
            (endpoints.login_origin(), endpoints.scope())
        };
        let expect =
            |login: &str, graph: &str| (format!("https://{login}"), format!("https://{graph}/.default"));
        assert_eq!(
            hosts(Cloud::Global),
            expect("login.microsoftonline.com", "graph.microsoft.com")
        );
        assert_eq!(
            hosts(Cloud::UsGov),
            expect("login.microsoftonline.us", "graph.microsoft.us")
        );
        assert_eq!(
            hosts(Cloud::UsGovDod),
            expect("login.microsoftonline.us", "dod-graph.microsoft.us")
        );
        assert_eq!(
            hosts(Cloud::China),
            expect(
                "login.partner.microsoftonline.cn",
                "microsoftgraph.chinacloudapi.cn"
            )
        );
    }

    #[test]
    fn names_come_back() {
        for cloud in Cloud::ALL {
            assert_eq!(Cloud::of_name(&cloud.name().to_uppercase()), Some(cloud));
        }
        assert_eq!(Cloud::of_name("germany"), None);
    }

    #[test]
    fn the_token_address_is_built_or_replaced() {
        let built = custom("http://127.0.0.1:8080", "http://[::1]:8081", None).unwrap();
        assert_eq!(
            built.token_url(TENANT).as_str(),
            "http://127.0.0.1:8080/00000000-0000-0000-0000-000000001111/oauth2/v2.0/token"
        );
        assert_eq!(built.scope(), "http://[::1]:8081/.default");
        let given = custom("https://a", "https://b", Some("https://c/token?x=1")).unwrap();
        assert_eq!(given.token_url(TENANT).as_str(), "https://c/token?x=1");
    }

    #[test]
    fn mistakes_name_the_field() {
        let text = |result: Result<Endpoints, EndpointsError>| result.unwrap_err().to_string();
        assert!(
            text(Endpoints::new(Cloud::Custom, Some("https://a"), None, None))
                .starts_with("graphUrl is missing")
        );
        assert!(text(custom("nonsense", "https://b", None)).starts_with("loginUrl is not an address"));
        assert!(text(custom("ftp://a", "https://b", None)).starts_with("loginUrl begins with ftp:"));
        assert!(
            text(custom("https://a", "http://graph.example", None)).contains("plain http to graph.example")
        );
        assert!(text(custom("https://a", "http://localhost.example", None)).contains("plain http"));
        assert!(text(custom("https://a/tenant", "https://b", None)).starts_with("loginUrl has more than"));
        assert!(text(custom("https://a", "https://b?x", None)).starts_with("graphUrl has more than"));
        assert!(text(custom("https://u:p@a", "https://b", None)).starts_with("loginUrl holds a user name"));
        assert!(
            text(custom("https://a", "https://b", Some("http://c/t")))
                .starts_with("tokenUrl uses plain http")
        );
        assert!(
            text(custom("https://a", "https://b", Some("https://c/t#x")))
                .starts_with("tokenUrl has a # part")
        );
        assert!(!text(custom("https://u:hunter2@a", "https://b", None)).contains("hunter2"));
    }

    #[test]
    fn only_graphs_own_origin_gets_the_token() {
        let endpoints = custom("https://a", "https://graph.example", None).unwrap();
        let is_graph = |text: &str| endpoints.is_graph(&Url::parse(text).unwrap());
        assert!(is_graph("https://graph.example/v1.0/users/delta()?$skiptoken=x"));
        assert!(is_graph("https://GRAPH.example:443/x"));
        for foreign in [
            "http://graph.example/v1.0/users",
            "https://graph.example:8443/v1.0/users",
            "https://graph.example.evil/v1.0/users",
            "https://graph.example@evil/v1.0/users",
            "https://me@graph.example/v1.0/users",
            "https://evil/graph.example",
        ] {
            assert!(!is_graph(foreign), "{foreign}");
        }
    }
}
