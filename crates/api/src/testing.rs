//! What the tests of this crate stand on: a real database of a test's own, and a caller in it. No fetcher and no
//! reconciler run: what is asked of them finds nobody.

use std::sync::{Arc, OnceLock};

use contracts::internal::v1::directory_client::DirectoryClient;
use contracts::internal::v1::register_client::RegisterClient;
use contracts::v1;
use contracts::v1::document::Kind;
use domain::id::TokenId;
use local::test_database::TestDatabase;
use secrecy::SecretString;
use service::Clock;
use service::config::GrpcClientConfig;
use service::drain::{Stopper, Tasks};
use service::grpc::channel;
use store::token::{self, Role, Token};
use store::{Store, organization};
use vault::Vault;

use crate::app::App;
use crate::auth::{self, Caller};
use crate::configuration;

/// The tenant of [`documents`].
pub const TENANT: &str = "11111111-2222-3333-4444-555555555555";
/// The client secret of [`documents`].
pub const SECRET: &str = "abc~secret-value";

/// A database and what answers are made with.
pub struct World {
    /// What answers are made with.
    pub app: App,
    /// The database; dropped with this.
    pub database: TestDatabase,
    /// An admin.
    pub admin: Caller,
    /// The admin's secret.
    pub admin_secret: String,
    /// A viewer.
    pub viewer: Caller,
    /// The viewer's secret.
    pub viewer_secret: String,
}

/// A fresh world.
pub async fn world() -> World {
    let database = TestDatabase::copy_of("api_migrated", async |url| {
        let store = Store::new(&url, 1)?;
        let migrated = store.migrate().await;
        store.close().await;
        migrated
    });
    let database = database.await.unwrap();
    let stopper = Stopper::new();
    let nobody = || {
        channel(&GrpcClientConfig {
            url: "http://127.0.0.1:9".into(),
            tls: None,
        })
        .unwrap()
    };
    let keys = SecretString::from("k1:b2xkLWtleS1vbGQta2V5LW9sZC1rZXktb2xkLWtleSE=");
    let app = App {
        store: Store::new(&database.url(), 4).unwrap(),
        vault: Arc::new(Vault::from_key_ring(&keys).unwrap()),
        clock: Clock::system(),
        tasks: Tasks::new(stopper.clone()),
        stopper,
        bus: Arc::new(OnceLock::new()),
        directory: DirectoryClient::new(nobody()),
        register: RegisterClient::new(nobody()),
    };
    let (admin, admin_secret) = caller(&app, "ann", Role::Admin).await;
    let (viewer, viewer_secret) = caller(&app, "vic", Role::Viewer).await;
    World {
        app,
        database,
        admin,
        admin_secret,
        viewer,
        viewer_secret,
    }
}

async fn caller(app: &App, name: &str, role: Role) -> (Caller, String) {
    let secret = auth::new_secret();
    let token = Token {
        id: TokenId(app.clock.new_id()),
        organization: organization::DEFAULT,
        name: name.to_owned(),
        role,
        created_at: app.clock.now(),
        revoked_at: None,
    };
    let mut connection = app.store.connection().await.unwrap();
    token::insert(&mut connection, &token, &auth::hash(&secret))
        .await
        .unwrap();
    (Caller(token), secret)
}

/// A credential, a connection and a mapping.
pub fn documents() -> Vec<v1::Document> {
    let credential = v1::Credential {
        name: "app".into(),
        tenant_id: TENANT.into(),
        client_id: "66666666-7777-8888-9999-000000000000".into(),
        client_secret: SECRET.into(),
        ..Default::default()
    };
    let connection = v1::Connection {
        name: "contoso".into(),
        tenant_id: TENANT.into(),
        credential: "app".into(),
        ..Default::default()
    };
    let row = |field: &str, attribute: &str| v1::MappingField {
        field: field.into(),
        attribute: attribute.into(),
        ..Default::default()
    };
    let mapping = v1::Mapping {
        name: "staff".into(),
        connection: "contoso".into(),
        fields: vec![
            row("name", "displayName"),
            row("login", "userPrincipalName.local"),
            v1::MappingField {
                default: Some("unknown".into()),
                ..row("jobTitle", "jobTitle")
            },
        ],
        ..Default::default()
    };
    [
        Kind::Credential(credential),
        Kind::Connection(connection),
        Kind::Mapping(mapping),
    ]
    .map(|kind| v1::Document { kind: Some(kind) })
    .into()
}

/// The text's bytes as the database prints them.
pub fn hex(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

impl World {
    /// Applies documents as the admin.
    pub async fn apply(
        &self,
        documents: Vec<v1::Document>,
    ) -> Result<v1::ApplyConfigurationResponse, crate::fault::Fault> {
        let request = v1::ApplyConfigurationRequest {
            documents,
            ..Default::default()
        };
        configuration::apply::apply(&self.app, &self.admin, &request).await
    }

    /// Applies [`documents`] and gives the connection's id.
    pub async fn connected(&self) -> String {
        self.apply(documents()).await.unwrap();
        self.database
            .sql("SELECT id FROM connection")
            .await
            .unwrap()
            .trim()
            .to_owned()
    }
}
