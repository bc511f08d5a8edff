use secrecy::ExposeSecret;

use super::*;

const DEFAULTS: &str = r#"
[database]
# url has no default.
max_connections = 8
migrate = true

[fetch]
user_agent = "rollcall"
pages = 4
eager = false

[grpc]
listen = "127.0.0.1:7401"
"#;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    database: DatabaseConfig,
    fetch: Fetch,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fetch {
    user_agent: String,
    pages: u32,
    eager: bool,
}

fn load_with<const N: usize>(
    file: Option<&str>,
    variables: [(&str, &str); N],
) -> Result<Loaded<Config>, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rollcall.toml");
    if let Some(text) = file {
        std::fs::write(&path, text).unwrap();
    }
    let environment = Environment::of(variables);
    let sources = Sources {
        defaults: DEFAULTS,
        file: file.map(|_| path.as_path()),
        environment: &environment,
    };
    load(sources).map_err(|error| {
        crate::error::chain(&error)
            .to_string()
            .replace(&path.display().to_string(), "rollcall.toml")
    })
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let file = "[database]\nurl = 'postgres://file'\nmax_connections = 9\n[fetch]\npages = 5\n[log]\nformat = 'pretty'";
    let loaded = load_with(
        Some(file),
        [
            ("ROLLCALL_FETCH__PAGES", "6"),
            (
                "ROLLCALL_DATABASE__URL",
                "postgres://u:p@db:5432/x?sslmode=require",
            ),
        ],
    )
    .unwrap();
    assert_eq!(loaded.service.fetch.pages, 6);
    assert_eq!(loaded.service.database.max_connections, 9);
    assert_eq!(
        loaded.service.database.url.expose_secret(),
        "postgres://u:p@db:5432/x?sslmode=require"
    );
    assert_eq!(loaded.service.fetch.user_agent, "rollcall");
    assert!(!loaded.service.fetch.eager);
    assert_eq!(loaded.chassis.log.format, LogFormat::Pretty);
    assert_eq!(loaded.chassis.grpc.listen.port(), 7401);
    assert_eq!(loaded.chassis.process.grace_seconds, 25);
    assert_eq!(loaded.chassis.process.address_file, None);
}

#[test]
fn a_variable_is_taken_as_it_stands_where_the_default_is_text() {
    let url = ("ROLLCALL_DATABASE__URL", "postgres://db");
    let loaded = load_with(
        None,
        [
            url,
            ("ROLLCALL_FETCH__USER_AGENT", "0042"),
            ("ROLLCALL_FETCH__EAGER", "true"),
        ],
    )
    .unwrap();
    assert_eq!(loaded.service.fetch.user_agent, "0042");
    assert!(loaded.service.fetch.eager);
}

#[test]
fn variables_reach_tables_that_have_no_default() {
    let loaded = load_with(
        None,
        [
            ("ROLLCALL_DATABASE__URL", "postgres://db"),
            ("ROLLCALL_GRPC__TLS__CERT", "/tls/cert.pem"),
            ("ROLLCALL_GRPC__TLS__KEY", "/tls/key.pem"),
        ],
    )
    .unwrap();
    let tls = ServerTls {
        cert: "/tls/cert.pem".into(),
        key: "/tls/key.pem".into(),
        client_ca: None,
    };
    assert_eq!(loaded.chassis.grpc.tls, Some(tls));
}

#[test]
fn an_unknown_key_is_named_with_where_it_stands_and_what_is_known() {
    let url = ("ROLLCALL_DATABASE__URL", "postgres://db");
    let refused = |file: Option<&str>, variable: (&str, &str)| load_with(file, [url, variable]).unwrap_err();
    let harmless = ("HOME", "/");
    insta::assert_snapshot!(
        refused(Some("[fetch]\npagse = 5"), harmless),
        @"unknown key fetch.pagse in rollcall.toml; known there: user_agent, pages, eager"
    );
    insta::assert_snapshot!(
        refused(Some("[fetsh]\npages = 5"), harmless),
        @"unknown key fetsh in rollcall.toml; known there: database, fetch, process, log, metrics, grpc"
    );
    insta::assert_snapshot!(
        refused(None, ("ROLLCALL_DATABASE__URI", "postgres://db")),
        @"unknown key database.uri in variable ROLLCALL_DATABASE__URI; known there: url, max_connections, migrate"
    );
    insta::assert_snapshot!(
        refused(None, ("ROLLCALL_GRPC__TLS__CERT_FILE", "x")),
        @"unknown key grpc.tls.cert_file in variable ROLLCALL_GRPC__TLS__CERT_FILE; known there: cert, key, client_ca"
    );
    insta::assert_snapshot!(
        refused(None, ("ROLLCALL_DATABASE_URL", "postgres://db")),
        @"variable ROLLCALL_DATABASE_URL is no setting: those are ROLLCALL_SECTION__KEY, with two underscores, such as ROLLCALL_DATABASE__URL"
    );
}

#[test]
fn what_is_missing_or_wrong_is_named_without_its_value() {
    let url = ("ROLLCALL_DATABASE__URL", "postgres://db");
    insta::assert_snapshot!(
        load_with(None, []).unwrap_err(),
        @"missing key database.url: set it in the configuration file or as ROLLCALL_DATABASE__URL"
    );
    insta::assert_snapshot!(
        load_with(None, [("ROLLCALL_DATABASE__URL", "12345")]).unwrap_err(),
        @"key database.url in variable ROLLCALL_DATABASE__URL: expected text (a secret made of digits alone needs quotes, also in a variable), found a whole number"
    );
    insta::assert_snapshot!(
        load_with(None, [url, ("ROLLCALL_FETCH__PAGES", "hunter2")]).unwrap_err(),
        @"key fetch.pages in variable ROLLCALL_FETCH__PAGES: expected u32, found text"
    );
    insta::assert_snapshot!(
        load_with(Some("[log]\nformat = 'xml'"), [url]).unwrap_err(),
        @"key log.format in rollcall.toml: unknown variant: found `xml`, expected ``json` or `pretty``"
    );
    insta::assert_snapshot!(
        load_with(None, [url, ("ROLLCALL_GRPC__LISTEN", "localhost")]).unwrap_err(),
        @"key grpc.listen in variable ROLLCALL_GRPC__LISTEN: invalid socket address syntax"
    );
}

#[test]
fn another_database_or_number_of_replicas_is_refused_with_what_would_do() {
    let other = load_with(None, [("ROLLCALL_DATABASE__URL", "mysql://u:hunter2@db")]).unwrap_err();
    assert!(
        other.starts_with("key database.url in variable ROLLCALL_DATABASE__URL: ")
            && other.contains("postgres://user:password@host:port/name")
            && !other.contains("hunter2"),
        "{other}"
    );
    let nats = |replicas: &str| {
        let text = format!("url = 'nats://nats'\nreplicas = {replicas}");
        Figment::from(Toml::string(&text))
            .extract::<NatsConfig>()
            .map_err(|error| error.to_string())
    };
    assert_eq!(nats("5").unwrap().replicas, 5);
    for wrong in ["0", "6"] {
        let refused = nats(wrong).unwrap_err();
        assert!(
            refused.contains("1 to 5") && refused.contains("replicas"),
            "{refused}"
        );
    }
}

#[test]
fn a_file_that_cannot_be_read_says_so_and_quotes_no_line_of_itself() {
    let broken = load_with(Some("[database]\nurl = postgres://u:hunter2@db"), []).unwrap_err();
    assert!(
        broken.starts_with("rollcall.toml is not TOML: TOML parse error at line 2, column 7"),
        "{broken}"
    );
    assert!(!broken.contains("hunter2"), "{broken}");

    let environment = Environment::default();
    let missing = Path::new("/nowhere/rollcall.toml");
    let sources = Sources {
        defaults: DEFAULTS,
        file: Some(missing),
        environment: &environment,
    };
    let error = load::<Config>(sources).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read the configuration file /nowhere/rollcall.toml"
    );
}

#[test]
fn secrets_show_in_no_debug_output() {
    let loaded = load_with(None, [("ROLLCALL_DATABASE__URL", "postgres://u:hunter2@db")]).unwrap();
    assert!(!format!("{loaded:?}").contains("hunter2"));
}

#[test]
fn variables_of_the_command_line_and_of_kubernetes_are_left_alone() {
    load_with(
        None,
        [
            ("ROLLCALL_DATABASE__URL", "postgres://db"),
            ("ROLLCALL_API", "http://127.0.0.1:7400"),
            ("ROLLCALL_TOKEN", "t"),
            ("ROLLCALL_CONFIG", "/etc/rollcall.toml"),
            ("ROLLCALL_API_SERVICE_HOST", "10.0.0.1"),
            ("ROLLCALL_API_SERVICE_PORT_GRPC", "7400"),
            ("ROLLCALL_API_PORT", "tcp://10.0.0.1:7400"),
            ("ROLLCALL_API_PORT_7400_TCP", "tcp://10.0.0.1:7400"),
            ("ROLLCALL_API_PORT_7400_TCP_ADDR", "10.0.0.1"),
        ],
    )
    .unwrap();
}

#[test]
fn empty_stands_for_left_out_in_paths_and_optional_secrets() {
    let vault: VaultConfig = Figment::from(Toml::string("keys_file = ''\nkeys = ''"))
        .extract()
        .unwrap();
    assert!(vault.keys_file.is_none() && vault.keys.is_none());
    let vault: VaultConfig = Figment::from(Toml::string("keys = 'k1:abc'")).extract().unwrap();
    assert!(vault.keys.is_some());
}
