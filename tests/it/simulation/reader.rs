//! A reader that knows what it will read, and publishes it as it is told to.

use std::num::NonZeroUsize;
use std::time::Instant;

use bus::{Bus, Headers, Publisher, subjects};
use bytes::Bytes;
use contracts::bus::v1::{Page, Source};
use contracts::observed;
use domain::attribute::Attribute;
use domain::id::RunId;
use domain::observed::{Completeness, Mention, ObservedUser, Presence};
use harness::site::Site;
use harness::world::World;
use local::postgres::Access;
use prost::Message as _;
use secrecy::SecretString;
use uuid::Uuid;

use super::Coming;
use crate::faults::gate::{sql, until};
use crate::oracle::{Directory, Oracle, Reading};

/// Every so many users came on an earlier page, too, as they were then.
const DRIFTED: usize = 9;
const LEASE: &str = "'2099-01-01T00:00:00Z'";
const NOW: &str = "'2026-11-21T12:00:00Z'";

/// What one run reads, in pages.
pub struct Work {
    reading: Reading,
    pages: Vec<Vec<ObservedUser<'static>>>,
    delta: bool,
}

/// Publishes runs of one connection.
pub struct Reader {
    access: Access,
    bus: Bus,
    organization: Uuid,
    connection: String,
}

impl Work {
    /// Everything that is in the directory, and in its deleted items.
    pub fn everything(now: &Directory, pages: usize) -> Self {
        let reading = now.all();
        let (deleted, listed): (Vec<_>, Vec<_>) = reading
            .users
            .iter()
            .cloned()
            .partition(|user| user.presence == Presence::SoftDeleted);
        let mut parts = spread(listed, pages - 1);
        drift(&mut parts);
        parts.push(deleted);
        Self {
            reading,
            pages: parts,
            delta: false,
        }
    }

    /// What has changed.
    pub fn changes(now: &Directory, before: &Directory, oracle: &Oracle, pages: usize) -> Self {
        let reading = now.since(before, oracle);
        Self {
            pages: spread(reading.users.clone(), pages),
            reading,
            delta: true,
        }
    }

    /// What it comes to.
    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    fn source(&self, page: usize) -> Source {
        match (self.delta, page + 1 == self.pages.len()) {
            (true, _) => Source::Delta,
            (false, true) => Source::DeletedItems,
            (false, false) => Source::Listing,
        }
    }

    fn message(&self, run: RunId, attempt: u32, page: usize) -> Bytes {
        let users: Vec<Bytes> = self.pages[page]
            .iter()
            .map(|user| {
                let mut wire = Vec::new();
                observed::encode(user, &mut wire);
                wire.into()
            })
            .collect();
        let ids: Vec<u8> = self.pages[page]
            .iter()
            .flat_map(|user| *user.id.0.as_bytes())
            .collect();
        let message = Page {
            run_id: run.0.as_bytes().to_vec().into(),
            attempt,
            number: u32::try_from(page + 1).unwrap(),
            source: self.source(page).into(),
            object_ids: ids.into(),
            hashes: users.iter().map(|wire| observed::hash(wire)).collect(),
            users,
            unusable: Vec::new(),
        };
        bus::compress(&message.encode_to_vec()).unwrap()
    }
}

impl Reader {
    /// For this world's connection.
    pub async fn new(site: &Site, world: &World) -> Self {
        let bus = Bus::connect(&bus::Options {
            url: SecretString::from(site.endpoints().nats_url.clone()),
            name: "a test's reader".to_owned(),
            credentials: None,
            tls: None,
            limits: bus::streams::Limits::default(),
        })
        .await
        .unwrap();
        let organization = world.organization;
        let access = site.access().clone();
        let asked = format!("SELECT id FROM connection WHERE organization_id = '{organization}'");
        Self {
            connection: sql(&access, &asked).await,
            access,
            bus,
            organization,
        }
    }

    /// The database.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Reads a run as it is told to, and waits for its good end.
    pub async fn read(&self, work: &Work, coming: &Coming) -> RunId {
        let run = RunId(Uuid::now_v7());
        self.begin(run, work).await;
        if let Some(lost) = coming.lost {
            let rest: Vec<usize> = coming
                .sequence()
                .into_iter()
                .filter(|page| *page != lost)
                .collect();
            self.publish(run, 1, work, &rest, "first").await;
            self.fetched(run, 1, work).await;
            self.decided(run, 1, work.pages.len() - 1).await;
            assert_eq!(self.state(run).await, "planning", "a page is missing");
            self.begin_anew(run).await;
            // What was lost comes late, when it is void.
            self.publish(run, 1, work, &[lost, rest[0]], "late").await;
        }
        let attempt = 1 + u32::from(coming.lost.is_some());
        self.publish(run, attempt, work, &coming.sequence(), "all").await;
        self.fetched(run, attempt, work).await;
        let begun = Instant::now();
        until("the run ends", async || self.state(run).await == "finished").await;
        println!("{run} ended after {:?}", begun.elapsed());
        run
    }

    async fn publish(&self, run: RunId, attempt: u32, work: &Work, pages: &[usize], round: &str) {
        // One after the other: the order is what is tried.
        let mut publisher = Publisher::new(self.bus.clone(), NonZeroUsize::MIN);
        for (place, page) in pages.iter().enumerate() {
            // Each under its own id: the broker would drop what comes again under the same.
            let id = format!("{run}:{attempt}:{page}:{round}:{place}");
            let headers = Headers {
                traceparent: None,
                run_id: Some(run.to_string()),
            };
            let message = work.message(run, attempt, *page);
            publisher
                .publish(subjects::page(run), id, headers, message)
                .await
                .unwrap();
        }
        publisher.flush().await.unwrap();
    }

    async fn begin(&self, run: RunId, work: &Work) {
        let (organization, connection) = (self.organization, &self.connection);
        let (kind, delta) = if work.delta {
            ("delta", true)
        } else {
            ("full", false)
        };
        sql(
            &self.access,
            &format!(
                "INSERT INTO run (id, organization_id, connection_id, kind, trigger, requested_by, apply_first, created_at)
                 VALUES ('{run}', '{organization}', '{connection}', '{kind}', 'api', 'a test', false, {NOW});
                 INSERT INTO run_fetch (run_id, attempt, state, delta, holder, lease_until, started_at, progress_at)
                 VALUES ('{run}', 1, 'fetching', {delta}, 'a test', {LEASE}, {NOW}, {NOW})"
            ),
        )
        .await;
    }

    async fn begin_anew(&self, run: RunId) {
        let anew = format!(
            "UPDATE run_fetch SET attempt = 2, state = 'fetching', ended_at = NULL, pages = 0, proved = false
             WHERE run_id = '{run}'"
        );
        sql(&self.access, &anew).await;
    }

    async fn fetched(&self, run: RunId, attempt: u32, work: &Work) {
        let pages = work.pages.len();
        let ended = format!(
            "UPDATE run_fetch SET state = 'fetched', pages = {pages}, proved = true, ended_at = {NOW}
             WHERE run_id = '{run}' AND attempt = {attempt}"
        );
        sql(&self.access, &ended).await;
    }

    /// Waits until so many pages are decided.
    async fn decided(&self, run: RunId, attempt: u32, pages: usize) {
        let asked = format!(
            "SELECT count(*) FROM run_page WHERE run_id = '{run}' AND attempt = {attempt} AND number > 0"
        );
        until("every page that came is decided", async || {
            sql(&self.access, &asked).await == pages.to_string()
        })
        .await;
    }

    async fn state(&self, run: RunId) -> String {
        sql(
            &self.access,
            &format!("SELECT state FROM run_plan WHERE run_id = '{run}'"),
        )
        .await
    }
}

/// Into exactly so many pages, none of them empty.
fn spread(users: Vec<ObservedUser<'static>>, pages: usize) -> Vec<Vec<ObservedUser<'static>>> {
    assert!(users.len() >= pages, "{} users on {pages} pages", users.len());
    let mut parts = vec![Vec::new(); pages];
    let count = users.len();
    for (place, user) in users.into_iter().enumerate() {
        parts[place * pages / count].push(user);
    }
    parts
}

/// The listing moves under its reader: some users came on an earlier page already, with what was true then. The last page
/// counts, whichever comes first.
fn drift(parts: &mut [Vec<ObservedUser<'static>>]) {
    for page in 1..parts.len() {
        let earlier: Vec<_> = parts[page]
            .iter()
            .step_by(DRIFTED)
            .cloned()
            .map(as_it_was)
            .collect();
        parts[page - 1].extend(earlier);
    }
}

fn as_it_was(mut user: ObservedUser<'static>) -> ObservedUser<'static> {
    user.completeness = Completeness::Whole;
    user.attributes[Attribute::JobTitle as usize] = Mention::Value("What it was then".into());
    user.attributes[Attribute::City as usize] = Mention::Cleared;
    user
}
