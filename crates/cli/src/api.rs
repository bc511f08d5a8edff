//! The way to api: address, token, TLS, deadlines, retries.

use std::env::VarError;
use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use contracts::v1::accounts_client::AccountsClient;
use contracts::v1::assets_client::AssetsClient;
use contracts::v1::audit_client::AuditClient;
use contracts::v1::configuration_client::ConfigurationClient;
use contracts::v1::connections_client::ConnectionsClient;
use contracts::v1::credentials_client::CredentialsClient;
use contracts::v1::failed_records_client::FailedRecordsClient;
use contracts::v1::groups_client::GroupsClient;
use contracts::v1::keys_client::KeysClient;
use contracts::v1::links_client::LinksClient;
use contracts::v1::mappings_client::MappingsClient;
use contracts::v1::never_touch_client::NeverTouchClient;
use contracts::v1::notices_client::NoticesClient;
use contracts::v1::people_client::PeopleClient;
use contracts::v1::reviews_client::ReviewsClient;
use contracts::v1::runs_client::RunsClient;
use contracts::v1::schedules_client::SchedulesClient;
use contracts::v1::system_log_client::SystemLogClient;
use contracts::v1::tokens_client::TokensClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt;

use crate::backoff::Backoff;
use crate::failure::Failure;

/// How long to wait for a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long to wait for an answer. A test of a connection and an approval of many reviews take a while.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);
/// How often a quiet connection is probed, so that a watch notices when the other side has gone.
const KEEPALIVE: Duration = Duration::from_secs(20);
const KEEPALIVE_ANSWER: Duration = Duration::from_secs(10);
/// How often a call is tried when api is away for a moment. Mutations carry an idempotency key, so a repeat is harmless.
const TRIES: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// The longest wait that api may ask for before we tell the user instead.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The largest answer: a page of changes with all their fields.
const ANSWER_BYTES: usize = 32 << 20;
/// The largest token file.
const TOKEN_BYTES: u64 = 4096;

/// Where api is and who asks.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Connection")]
pub struct Access {
    /// Address of api, such as `http://127.0.0.1:7400`
    #[arg(long, env = "ROLLCALL_API", value_name = "URL", global = true)]
    pub api: Option<String>,

    /// Read the token from this file instead of `ROLLCALL_TOKEN`
    #[arg(long, value_name = "FILE", global = true)]
    pub token_file: Option<PathBuf>,

    /// Trust the certificate authority in this PEM file for https
    #[arg(long, env = "ROLLCALL_CA", value_name = "FILE", global = true)]
    pub ca_file: Option<PathBuf>,
}

/// A connection to api.
pub struct Api {
    channel: Channel,
    url: String,
    token: Option<MetadataValue<Ascii>>,
}

impl Api {
    /// Connects, so that an address where nobody answers is told before anything else.
    pub async fn connect(access: &Access) -> Result<Self, Failure> {
        let url = address(access)?;
        let token = token(access)?;
        let endpoint = endpoint(&url, access.ca_file.as_deref())?;
        if token.is_some() && travels_in_the_clear(endpoint.uri()) {
            eprintln!("warning: {url} is plain http; the token can be read on its way. Use https.");
        }
        let unreachable = |source| Failure::Unreachable {
            url: url.clone(),
            source,
        };
        let channel = endpoint.connect().await.map_err(unreachable)?;
        Ok(Self { channel, url, token })
    }

    /// Sends a message and waits for its answer, again when api is away for a moment.
    pub async fn call<M, A>(
        &self,
        message: M,
        send: impl AsyncFn(Request<M>) -> Result<Response<A>, Status>,
    ) -> Result<A, Failure>
    where
        M: Clone,
    {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let mut tried = 1;
        loop {
            let mut request = self.request(message.clone());
            request.set_timeout(ANSWER_LIMIT);
            match send(request).await {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) if tried < TRIES && passes(&status) => {
                    tried += 1;
                    match status.get_details_retry_info().and_then(|info| info.retry_delay) {
                        Some(delay) => tokio::time::sleep(delay).await,
                        None => backoff.wait().await,
                    }
                }
                Err(status) => return Err(self.failed(status)),
            }
        }
    }

    /// A request with the token and without a deadline, for streams.
    pub fn request<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.clone());
        }
        request
    }

    /// What a status means to the user.
    pub fn failed(&self, status: Status) -> Failure {
        Failure::Rpc {
            url: self.url.clone(),
            status: Box::new(status),
        }
    }

    pub fn accounts(&self) -> AccountsClient<Channel> {
        AccountsClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES)
    }

    pub fn assets(&self) -> AssetsClient<Channel> {
        AssetsClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES)
    }

    pub fn audit(&self) -> AuditClient<Channel> {
        AuditClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES)
    }

    pub fn system_log(&self) -> SystemLogClient<Channel> {
        SystemLogClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES)
    }

    pub fn schedules(&self) -> SchedulesClient<Channel> {
        SchedulesClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES)
    }

    pub fn mappings(&self) -> MappingsClient<Channel> {
        MappingsClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES)
    }

    pub fn people(&self) -> PeopleClient<Channel> {
        PeopleClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES)
    }

    pub fn configuration(&self) -> ConfigurationClient<Channel> {
        ConfigurationClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES)
    }

    pub fn connections(&self) -> ConnectionsClient<Channel> {
        ConnectionsClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES)
    }

    pub fn credentials(&self) -> CredentialsClient<Channel> {
        CredentialsClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES)
    }

    pub fn failed_records(&self) -> FailedRecordsClient<Channel> {
        FailedRecordsClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES)
    }

    pub fn links(&self) -> LinksClient<Channel> {
        LinksClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES)
    }

    pub fn never_touch(&self) -> NeverTouchClient<Channel> {
        NeverTouchClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES)
    }

    pub fn notices(&self) -> NoticesClient<Channel> {
        NoticesClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES)
    }

    pub fn reviews(&self) -> ReviewsClient<Channel> {
        ReviewsClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES)
    }

    pub fn groups(&self) -> GroupsClient<Channel> {
        GroupsClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES)
    }

    pub fn runs(&self) -> RunsClient<Channel> {
        RunsClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES)
    }

    pub fn tokens(&self) -> TokensClient<Channel> {
        TokensClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES)
    }

    pub fn keys(&self) -> KeysClient<Channel> {
        KeysClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES)
    }
}

/// A key under which a repeated call is known as the same one.
pub fn idempotency_key() -> String {
    uuid::Builder::from_random_bytes(rand::random())
        .into_uuid()
        .to_string()
}

/// Whether a call may work if it is made again at once.
pub fn passes(status: &Status) -> bool {
    let wait = status.get_details_retry_info().and_then(|info| info.retry_delay);
    match status.code() {
        Code::Unavailable => wait.is_none_or(|wait| wait <= LONGEST_WAIT),
        // Of the connection, not of api: the copy at its other end has gone. tonic has these codes for it.
        Code::Internal | Code::Unknown | Code::Cancelled => is_lost(status),
        Code::ResourceExhausted | Code::Aborted => wait.is_some_and(|wait| wait <= LONGEST_WAIT),
        _ => false,
    }
}

/// Whether the connection ended before the answer came: what api itself says has no cause here.
fn is_lost(status: &Status) -> bool {
    let mut causes = std::iter::successors(status.source(), |error| (*error).source());
    status.source().is_some() && !causes.any(<dyn std::error::Error>::is::<tonic::TimeoutExpired>)
}

fn address(access: &Access) -> Result<String, Failure> {
    match access.api.as_deref().map(str::trim) {
        Some(url) if !url.is_empty() => Ok(url.to_owned()),
        _ => Err(Failure::Usage(
            "where is api? Set ROLLCALL_API or --api, such as http://127.0.0.1:7400; while `make run` is up, \
             .rollcall/endpoints.json has it under \"api\""
                .to_owned(),
        )),
    }
}

fn endpoint(url: &str, ca_file: Option<&Path>) -> Result<Endpoint, Failure> {
    let not_an_address = || {
        Failure::Usage(format!(
            "{url:?} is not the address of api; it looks like http://127.0.0.1:7400"
        ))
    };
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| not_an_address())?;
    let scheme = endpoint.uri().scheme_str().unwrap_or_default().to_owned();
    if endpoint.uri().host().is_none_or(str::is_empty) || !matches!(scheme.as_str(), "http" | "https") {
        return Err(not_an_address());
    }
    let endpoint = endpoint
        .user_agent(concat!("rollcall-cli/", env!("CARGO_PKG_VERSION")))
        .map_err(|_| not_an_address())?
        .connect_timeout(CONNECT_LIMIT)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_ANSWER)
        .keep_alive_while_idle(true);
    if scheme == "http" {
        return Ok(endpoint);
    }
    let mut tls = ClientTlsConfig::new().with_enabled_roots();
    if let Some(path) = ca_file {
        let pem = std::fs::read(path).map_err(|source| Failure::File {
            path: path.to_owned(),
            source,
        })?;
        tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
    }
    endpoint.tls_config(tls).map_err(|source| Failure::Unreachable {
        url: url.to_owned(),
        source,
    })
}

/// The token of `--token-file` or `ROLLCALL_TOKEN`, as the header that carries it.
fn token(access: &Access) -> Result<Option<MetadataValue<Ascii>>, Failure> {
    let (token, origin) = match &access.token_file {
        Some(path) => (Some(read_token(path)?), path.display().to_string()),
        None => (environment_token()?, "ROLLCALL_TOKEN".to_owned()),
    };
    let Some(token) = token
        .map(|token| token.trim().to_owned())
        .filter(|token| !token.is_empty())
    else {
        return Ok(None);
    };
    let mut header: MetadataValue<Ascii> = format!("Bearer {token}")
        .parse()
        .map_err(|_| Failure::Usage(format!("what {origin} holds is not a token")))?;
    header.set_sensitive(true);
    Ok(Some(header))
}

fn environment_token() -> Result<Option<String>, Failure> {
    match crate::environment::variable("ROLLCALL_TOKEN") {
        Ok(token) => Ok(Some(token)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(Failure::Usage(
            "what ROLLCALL_TOKEN holds is not a token".to_owned(),
        )),
    }
}

fn read_token(path: &Path) -> Result<String, Failure> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(TOKEN_BYTES).read_to_string(&mut text))
        .map_err(|source| Failure::File {
            path: path.to_owned(),
            source,
        })?;
    Ok(text)
}

/// Whether others could listen: plain http to another machine.
fn travels_in_the_clear(uri: &tonic::transport::Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let loopback = host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    uri.scheme_str() == Some("http") && !loopback
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        for wrong in ["127.0.0.1:7400", "ftp://x", "", "http://", "not a url"] {
            let failure = endpoint(wrong, None).err();
            assert!(matches!(failure, Some(Failure::Usage(_))), "{wrong}: {failure:?}");
        }
        assert!(endpoint("http://127.0.0.1:7400", None).is_ok());
    }

    #[test]
    fn only_plain_http_to_another_machine_is_in_the_clear() {
        let clear = |url: &'static str| travels_in_the_clear(&url.parse().unwrap());
        assert!(clear("http://rollcall.example:80"));
        assert!(!clear("http://localhost:1"));
        assert!(!clear("http://[::1]:1"));
        assert!(!clear("https://rollcall.example"));
    }

    #[test]
    fn keys_differ() {
        assert_ne!(idempotency_key(), idempotency_key());
    }
}
