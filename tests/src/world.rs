//! A test's own part of a running Rollcall: an organization that nobody else is in, and a tenant.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use entra_sim::{Options, Simulator, Tenant, TenantOptions};
use local::cli::{Answer, Cli};
use local::mail::Message;
use local::stack::Endpoints;
use serde_json::Value;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Streaming};
use uuid::Uuid;

use crate::documents::{SECRET_VARIABLE, documents};
use crate::people;
use crate::site::Site;
use crate::wait::until;

/// Of one call.
const CALL_LIMIT: Duration = Duration::from_secs(60);

/// An organization, its admin, and its tenant.
pub struct World {
    /// The tenant.
    pub tenant: Arc<Tenant>,
    /// What the tenant was made of.
    pub options: TenantOptions,
    /// The organization.
    pub organization: Uuid,
    /// An admin's token.
    pub token: String,
    /// Where the organization's mail goes.
    pub mail_to: String,
    simulator: Simulator,
    endpoints: Endpoints,
    channel: Channel,
    cli: Cli,
    dir: tempfile::TempDir,
}

impl World {
    /// With a tenant in which nobody is yet, and the usual documents applied.
    pub async fn start() -> Self {
        Self::with("", "").await
    }

    /// The same with further lines of the connection and of the mapping.
    pub async fn with(connection: &str, mapping: &str) -> Self {
        Self::of(people::nobody(), connection, mapping).await
    }

    /// The same with this tenant.
    pub async fn of(tenant: TenantOptions, connection: &str, mapping: &str) -> Self {
        let world = Self::bare(Site::shared().await, tenant).await;
        world.connect(connection, mapping).await;
        world
    }

    /// With nothing applied.
    pub async fn bare(site: &Site, options: TenantOptions) -> Self {
        // The simulator's own client aside, tests may be the first to speak TLS in this process.
        rustls::crypto::ring::default_provider().install_default().ok();
        let mut all = Options::generate(1, 0);
        all.tenants = vec![options.clone()];
        let simulator = Simulator::start(all).await.unwrap();
        let organization = Uuid::now_v7();
        let token = format!("rc_{}{}", organization.simple(), Uuid::now_v7().simple());
        found(site, organization, &token).await;
        let endpoints = Endpoints {
            token: token.clone(),
            ..site.endpoints().clone()
        };
        let channel = Endpoint::from_shared(endpoints.api.clone())
            .unwrap()
            .connect()
            .await
            .unwrap();
        Self {
            tenant: simulator.default_tenant().unwrap(),
            options,
            organization,
            token,
            mail_to: format!("admin-{}@contoso.com", organization.simple()),
            simulator,
            channel,
            cli: Cli::new(&endpoints).unwrap(),
            endpoints,
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// Applies the usual documents with further lines, and the settings that send mail to us.
    pub async fn connect(&self, connection: &str, mapping: &str) {
        let documents = documents(&self.options, &self.url(), connection, mapping);
        let settings = format!(
            "---\nkind: Settings\nname: default\nmailTo: [\"{}\"]\n",
            self.mail_to
        );
        self.apply(&format!("{documents}{settings}")).await;
    }

    /// `rollcall apply`.
    pub async fn apply(&self, yaml: &str) -> Value {
        let file = self.file("documents.yaml", yaml);
        self.cli_json(&["apply", "-f", file.to_str().unwrap()]).await
    }

    /// Where the tenant's Graph and sign-in are.
    pub fn url(&self) -> String {
        self.simulator.url()
    }

    /// Rollcall's addresses, with the token of our admin.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// A file of this test.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The command line, as our admin.
    pub fn cli(&self) -> Cli {
        self.cli.clone().env(SECRET_VARIABLE, &self.options.client_secret)
    }

    /// Runs the command line, whatever comes of it.
    pub async fn cli_run(&self, args: &[&str]) -> Answer {
        self.cli().run(args).await.unwrap()
    }

    /// The answer of the command line as JSON.
    pub async fn cli_json(&self, args: &[&str]) -> Value {
        self.cli().json(args).await.unwrap()
    }

    /// Of the API, for a client.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// A call as our admin.
    pub fn call<M>(&self, message: M) -> Request<M> {
        call_as(&self.token, message)
    }

    /// Mails to our organization, as they came.
    pub fn mails(&self, site: &Site) -> Vec<Arc<Message>> {
        let ours = |message: &Arc<Message>| message.to.contains(&self.mail_to);
        site.mail().messages().into_iter().filter(ours).collect()
    }

    /// Waits for so many mails to our organization.
    pub async fn mails_until(&self, site: &Site, count: usize) -> Vec<Arc<Message>> {
        until(&format!("{count} mails to {}", self.mail_to), async || {
            let mails = self.mails(site);
            (mails.len() >= count).then_some(mails)
        })
        .await
    }
}

/// A call with a token.
pub fn call_as<M>(token: &str, message: M) -> Request<M> {
    let mut request = Request::new(message);
    let value = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request.set_timeout(CALL_LIMIT);
    request
}

/// Everything of a stream that ends.
pub async fn all<M>(mut stream: Streaming<M>) -> Vec<M> {
    let mut messages = Vec::new();
    while let Some(message) = stream.message().await.unwrap() {
        messages.push(message);
    }
    messages
}

/// Organizations are made by hand until there is a way to sign up.
async fn found(site: &Site, organization: Uuid, token: &str) {
    let now = "'2026-11-21T00:00:00Z'";
    site.sql(&format!(
        "INSERT INTO organization (id, name, created_at) VALUES ('{organization}', '{organization}', {now});
         INSERT INTO token (id, organization_id, name, hash, role, created_at)
         VALUES ('{}', '{organization}', 'tester', sha256('{token}'), 'admin', {now})",
        Uuid::now_v7()
    ))
    .await;
}
