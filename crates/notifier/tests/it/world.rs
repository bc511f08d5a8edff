//! What the tests stand on: a migrated database, a broker, a mail server, and a clock set by hand.

use std::sync::Arc;
use std::time::Duration;

use ::bus::Bus;
use chrono::{DateTime, Utc};
use domain::id::{EventId, OrganizationId, RunId};
use local::Durability;
use local::mail::{Login, MailServer, Message, Options};
use local::nats::Nats;
use local::test_database::TestDatabase;
use rollcall_notifier::config::{
    Config, ConsoleConfig, DEFAULTS, DeliveryConfig, SmtpConfig, SweepConfig, TlsMode,
};
use rollcall_notifier::decide::{Event, Sweep, Teller};
use rollcall_notifier::deliver::{Sender, Smtp};
use rollcall_notifier::metrics::Metrics;
use service::Clock;
use service::clock::{Hand, id_at};
use service::config::{Environment, Sources, load};
use service::drain::Stopper;
use store::Store;
use tokio::sync::{Notify, OnceCell};

/// What nothing in a test may take longer than.
pub const DEADLINE: Duration = Duration::from_secs(30);
pub const ORGANIZATION: &str = "00000000-0000-7000-8000-000000000001";
pub const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

const CONNECTION: &str = "0d9f8a10-0000-4000-8000-00000000c0de";

/// One broker for all tests of the process; they differ by organization or take what they publish themselves.
static NATS: OnceCell<Nats> = OnceCell::const_new();

pub struct World {
    pub database: TestDatabase,
    pub store: Store,
    pub bus: Bus,
    pub mail: MailServer,
    pub clock: Clock,
    pub hand: Hand,
    pub config: Config,
    pub stopper: Stopper,
    files: tempfile::TempDir,
}

/// A run to be put into the database, and the event of its end.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    pub kind: &'a str,
    /// Of the plan; `None` when it came to none.
    pub plan: Option<&'a str>,
    pub fetch: &'a str,
    pub error: Option<&'a str>,
    pub failed: u32,
    pub held: u32,
}

pub const FINISHED: Run<'_> = Run {
    kind: "full",
    plan: Some("finished"),
    fetch: "fetched",
    error: None,
    failed: 0,
    held: 0,
};
pub const BROKEN: Run<'_> = Run {
    plan: None,
    fetch: "failed",
    error: Some("The client secret has expired: make a new one in Entra."),
    ..FINISHED
};

impl World {
    pub async fn new() -> Self {
        Self::with_mail(Options {
            login: Some(Login {
                user: "rollcall".to_owned(),
                password: "hunter2".to_owned(),
            }),
            ..Options::default()
        })
        .await
    }

    pub async fn with_mail(options: Options) -> Self {
        let database = TestDatabase::copy_of("notifier_migrated", async |url| {
            let store = Store::new(&url, 1)?;
            let migrated = store.migrate().await;
            store.close().await;
            migrated
        });
        let database = database.await.unwrap();
        let mail = MailServer::start(options).await.unwrap();
        let (clock, hand) = Clock::set_by_hand("2026-11-21T12:00:00Z".parse().unwrap());
        let files = tempfile::tempdir().unwrap();
        let config = config(&mail, &files);
        let world = Self {
            store: Store::new(&database.url(), 8).unwrap(),
            bus: connect().await,
            database,
            mail,
            clock,
            hand,
            config,
            stopper: Stopper::new(),
            files,
        };
        world.sql(&connection_sql()).await;
        world
    }

    pub async fn sql(&self, statement: &str) -> String {
        self.database.sql(statement).await.unwrap()
    }

    pub fn teller(&self) -> Teller {
        Teller::new(
            self.store.clone(),
            self.clock.clone(),
            Metrics::new(),
            &self.config,
        )
    }

    pub fn sweep(&self) -> Sweep {
        Sweep {
            teller: self.teller(),
            bus: self.bus.clone(),
            due: Arc::new(Notify::new()),
            config: self.config.sweep,
        }
    }

    /// A copy of the sending part with connections of its own.
    pub fn sender(&self) -> Sender {
        Sender {
            store: self.store.clone(),
            clock: self.clock.clone(),
            metrics: Metrics::new(),
            smtp: Smtp::new(&self.config.smtp).unwrap(),
            bus: self.bus.clone(),
            due: Arc::new(Notify::new()),
            config: self.config.delivery,
            vault: Arc::new(keys::read(&self.config.vault).unwrap()),
        }
    }

    /// Sends with `sender` until nothing is due; how many tries that took.
    pub async fn send_all(&self, sender: &Sender) -> usize {
        let mut tries = 0;
        loop {
            match sender.batch(&self.stopper).await.unwrap() {
                0 => return tries,
                more => tries += more,
            }
        }
    }

    /// Puts a run that has ended into the database, a minute after the last one; the event of its end.
    pub async fn end(&self, run: Run<'_>) -> Event {
        self.hand.advance(Duration::from_secs(60));
        let id = RunId(self.clock.new_id());
        self.sql(&run_sql(id, run, self.clock.now())).await;
        self.publish(id).await
    }

    /// Puts the event of a run's end into the outbox.
    pub async fn publish(&self, run: RunId) -> Event {
        let event = EventId(id_at(self.clock.now()));
        self.sql(&format!(
            "INSERT INTO outbox (id, organization_id, subject, payload, run_id, traceparent, created_at)
             VALUES ('{event}', '{ORGANIZATION}', 'rollcall.run.finished.{ORGANIZATION}', '', '{run}',
                 '{TRACEPARENT}', '{now}')",
            now = self.clock.now(),
        ))
        .await;
        let traceparent = Some(TRACEPARENT.to_owned());
        Event {
            id: event,
            organization: organization(),
            run,
            traceparent,
        }
    }

    /// The connection is in quarantine from this event on.
    pub async fn quarantine(&self, event: &Event) {
        let now = self.clock.now();
        self.sql(&format!(
            "INSERT INTO connection_health (connection_id, failures, quarantined_since, cause, reason, tries, next_try_at,
                 considered_at)
             VALUES ('{CONNECTION}', 1, '{now}', 'wrong_secret', 'The client secret is wrong.', 1,
                 '{now}'::timestamptz + interval '15 minutes', '{now}')"
        ))
        .await;
        self.change(event, "quarantined").await;
    }

    /// How the connection fares has changed with this event.
    pub async fn change(&self, event: &Event, change: &str) {
        let now = self.clock.now();
        self.sql(&format!(
            "INSERT INTO connection_health_change (id, organization_id, connection_id, run_id, change, reason, at)
             VALUES ('{}', '{ORGANIZATION}', '{CONNECTION}', '{}', '{change}', 'The client secret is wrong.', '{now}')",
            event.id, event.run
        ))
        .await;
    }

    pub async fn mail_to(&self, addresses: &[&str]) {
        self.sql(&format!(
            "INSERT INTO settings (organization_id, mail_to) VALUES ('{ORGANIZATION}', '{{{}}}')
             ON CONFLICT (organization_id) DO UPDATE SET mail_to = excluded.mail_to",
            addresses
                .iter()
                .map(|address| format!("\"{address}\""))
                .collect::<Vec<_>>()
                .join(",")
        ))
        .await;
    }

    /// A run with mails to these addresses, decided upon.
    pub async fn due(&self, addresses: &[&str]) -> Event {
        self.mail_to(addresses).await;
        let event = self.end(FINISHED).await;
        let told = self.teller().tell(&event).await.unwrap();
        assert_eq!(told.deliveries, addresses.len() as u64);
        event
    }

    /// The kept messages to this address.
    pub fn mails_to(&self, address: &str) -> Vec<Arc<Message>> {
        self.mail
            .messages()
            .into_iter()
            .filter(|message| message.to == [address])
            .collect()
    }

    /// `state|attempts|last_error` of the delivery to this address.
    pub async fn delivery(&self, address: &str) -> String {
        self.sql(&format!(
            "SELECT state, attempts, last_error FROM delivery WHERE recipient = '{address}' ORDER BY id DESC LIMIT 1"
        ))
        .await
    }

    /// Another CA than the mail server's.
    pub fn foreign_ca(&self) -> std::path::PathBuf {
        let path = self.files.path().join("foreign.pem");
        std::fs::write(
            &path,
            local::identity::Identity::generate("another authority")
                .unwrap()
                .authority,
        )
        .unwrap();
        path
    }
}

pub fn organization() -> OrganizationId {
    ORGANIZATION.parse().unwrap()
}

pub fn port_of(address: &str) -> u16 {
    address.rsplit_once(':').unwrap().1.parse().unwrap()
}

async fn connect() -> Bus {
    let nats = NATS
        .get_or_init(async || Nats::start_temporary(Durability::Fast).await.unwrap())
        .await;
    let options = ::bus::Options {
        url: nats.url().into(),
        name: "notifier-test".to_owned(),
        credentials: None,
        tls: None,
        limits: ::bus::streams::Limits::default(),
    };
    Bus::connect(&options).await.unwrap()
}

/// The settings as they come, with this mail server.
fn config(mail: &MailServer, files: &tempfile::TempDir) -> Config {
    let ca = files.path().join("ca.pem");
    std::fs::write(&ca, &mail.identity().authority).unwrap();
    let environment = Environment::of([
        ("ROLLCALL_DATABASE__URL", "postgres://unused"),
        ("ROLLCALL_NATS__URL", "nats://unused"),
        (
            "ROLLCALL_VAULT__KEYS",
            "k1:b2xkLWtleS1vbGQta2V5LW9sZC1rZXktb2xkLWtleSE=",
        ),
    ]);
    let sources = Sources {
        defaults: DEFAULTS,
        file: None,
        environment: &environment,
    };
    let defaults: Config = load(sources).unwrap().service;
    Config {
        smtp: SmtpConfig {
            host: Some("127.0.0.1".to_owned()),
            port: port_of(&mail.smtp_address()),
            tls: TlsMode::Starttls,
            user: mail.login().map(|login| login.user.clone()),
            password: mail.login().map(|login| login.password.clone().into()),
            ca_file: Some(ca),
            from: "Rollcall <rollcall@contoso.com>".parse().unwrap(),
            timeout_seconds: 10,
            ..defaults.smtp
        },
        console: ConsoleConfig {
            url: Some("https://rollcall.contoso.com".to_owned()),
        },
        sweep: SweepConfig {
            settle_seconds: 15,
            ..defaults.sweep
        },
        delivery: DeliveryConfig {
            max_attempts: 3,
            ..defaults.delivery
        },
        ..defaults
    }
}

fn connection_sql() -> String {
    format!(
        "INSERT INTO connection (id, organization_id, name, tenant_id, cloud, leaver_disabled, leaver_soft_deleted,
             leaver_gone, leaver_out_of_scope, brake_percent, brake_count, brake_from, first_run, created_at,
             updated_at)
         VALUES ('{CONNECTION}', '{ORGANIZATION}', 'contoso', '{CONNECTION}', 'global', 'deactivate', 'deactivate',
             'review', 'review', 10, 50, 20, 'apply', now(), now())"
    )
}

fn run_sql(id: RunId, run: Run<'_>, now: DateTime<Utc>) -> String {
    let Run { kind, fetch, .. } = run;
    let delta = kind == "delta";
    let error = run.error.map_or("NULL".to_owned(), |text| format!("'{text}'"));
    let plan = run.plan.map(|state| plan_sql(id, state, run, now));
    format!(
        "INSERT INTO run (id, organization_id, connection_id, kind, trigger, requested_by, apply_first, created_at)
         VALUES ('{id}', '{ORGANIZATION}', '{CONNECTION}', '{kind}', 'cli', 'dana', false, '{now}');
         INSERT INTO run_fetch (run_id, attempt, state, delta, holder, lease_until, started_at, progress_at, ended_at,
             error)
         VALUES ('{id}', 1, '{fetch}', {delta}, 'test', '{now}', '{now}', '{now}', '{now}', {error});
         {}",
        plan.unwrap_or_default()
    )
}

fn plan_sql(id: RunId, state: &str, run: Run<'_>, now: DateTime<Utc>) -> String {
    let Run { failed, held, .. } = run;
    let (seen, preview) = (7 + failed + held, state == "planned");
    let ended = if preview {
        "NULL".to_owned()
    } else {
        format!("'{now}'")
    };
    format!(
        "INSERT INTO run_plan (run_id, organization_id, connection_id, attempt, state, preview, rules_fingerprint,
             created_at, planned_at, ended_at, seen, added, failed, held)
         VALUES ('{id}', '{ORGANIZATION}', '{CONNECTION}', 1, '{state}', {preview}, 0, '{now}', '{now}', {ended},
             {seen}, 7, {failed}, {held})"
    )
}
