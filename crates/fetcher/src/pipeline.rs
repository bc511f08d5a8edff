//! Where pages go on the way to the bus: decoded, packed and compressed on a thread of their own, published with several
//! in flight, while the next answer of Graph is on its way. Bounded everywhere, so that a slow bus slows the reading.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bus::{Bus, Headers, Publisher, subjects};
use contracts::bus::v1::Source;
use domain::id::{ObjectId, RunId};
use domain::managers::Managers;
use graph::PageBody;
use service::telemetry::TraceContext;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::{Instrument, Span};
use uuid::Uuid;

use crate::failure::FetchError;
use crate::memberships::Memberships;
use crate::metrics::Metrics;
use crate::page::{Message, Packer};
use crate::waits::HeldUp;

/// Graph pages that wait for the packer. Each may be some megabytes.
const WAITING_PAGES: usize = 1;
/// Messages that wait for the publisher.
const WAITING_MESSAGES: usize = 2;

/// How much has been published.
#[derive(Debug, Default)]
pub struct Counts {
    /// Messages.
    pub pages: AtomicU32,
    /// Records in them.
    pub records: AtomicU32,
    /// Waits for whoever takes them.
    pub held_up: HeldUp,
}

/// What has gone through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Messages.
    pub pages: u32,
    /// Records in them, those without a usable id included.
    pub records: u32,
    /// Of the listing, repeats between neighbouring pages aside.
    pub listed: u64,
    /// Whether an object came more than once, or may have.
    pub repeats: bool,
}

/// One attempt's pages. Dropping it abandons what is on its way.
pub struct Pipeline {
    input: Option<mpsc::Sender<Input>>,
    work: JoinSet<Result<Totals, FetchError>>,
}

/// What goes in.
enum Input {
    Page(PageBody, Source),
    Users(Vec<(ObjectId, Box<[u8]>)>, Source),
    Unusable(Vec<String>, Source),
    /// Asks for what was seen of managers.
    Managers(oneshot::Sender<Option<Managers>>),
}

/// Where messages are published.
pub struct Outlet {
    /// The bus.
    pub bus: Bus,
    /// The run.
    pub run: RunId,
    /// The attempt.
    pub attempt: u32,
    /// Counts what has been published.
    pub counts: Arc<Counts>,
    /// Counts it for everyone.
    pub metrics: Arc<Metrics>,
    /// What listed users belong to of what is asked for; none where nothing is.
    pub memberships: Option<Arc<Memberships>>,
}

impl Pipeline {
    /// Begins with page 1. `managers` sees everybody who is listed.
    pub fn start(outlet: Outlet, managers: Option<Managers>) -> Self {
        outlet.counts.pages.store(0, Ordering::Relaxed);
        outlet.counts.records.store(0, Ordering::Relaxed);
        let (input, pages) = mpsc::channel(WAITING_PAGES);
        let (packed, messages) = mpsc::channel(WAITING_MESSAGES);
        let packer = Packing {
            packer: Packer::new(outlet.run, outlet.attempt),
            packed,
            memberships: outlet.memberships.clone(),
            before: HashSet::new(),
            listed: 0,
            managers,
        };
        let mut work = JoinSet::new();
        let mut packing = JoinSet::new();
        packing.spawn_blocking(move || packer.run(pages));
        work.spawn(
            async move {
                let totals = outlet.publish(messages).await?;
                let (listed, repeats) = packing.join_next().await.transpose()?.unwrap_or((0, true));
                Ok(Totals {
                    listed,
                    repeats,
                    ..totals
                })
            }
            .in_current_span(),
        );
        Self {
            input: Some(input),
            work,
        }
    }

    /// Takes a page of Graph's; waits while too much is on its way.
    pub async fn page(&mut self, page: PageBody, source: Source) -> Result<(), FetchError> {
        self.send(Input::Page(page, source)).await
    }

    /// Takes encoded users; waits while too much is on its way.
    pub async fn users(
        &mut self,
        users: Vec<(ObjectId, Box<[u8]>)>,
        source: Source,
    ) -> Result<(), FetchError> {
        self.send(Input::Users(users, source)).await
    }

    /// Takes reasons of records without a usable id.
    pub async fn unusable(&mut self, reasons: Vec<String>, source: Source) -> Result<(), FetchError> {
        self.send(Input::Unusable(reasons, source)).await
    }

    /// What was seen of managers on the pages so far; nothing where nobody looks for them.
    pub async fn managers(&mut self) -> Result<Option<Managers>, FetchError> {
        let (tell, told) = oneshot::channel();
        self.send(Input::Managers(tell)).await?;
        match told.await {
            Ok(managers) => Ok(managers),
            Err(_) => self.ended().await.and(Err(FetchError::Lost)),
        }
    }

    /// Waits until everything is stored by the broker.
    pub async fn finish(mut self) -> Result<Totals, FetchError> {
        self.input = None;
        self.ended().await
    }

    async fn send(&mut self, input: Input) -> Result<(), FetchError> {
        let sent = match &self.input {
            Some(sender) => sender.send(input).await.is_ok(),
            None => false,
        };
        if sent {
            return Ok(());
        }
        // It only ends early by an error, which is what the caller wants to know.
        self.ended().await.and(Err(FetchError::Lost))
    }

    async fn ended(&mut self) -> Result<Totals, FetchError> {
        match self.work.join_next().await {
            Some(ended) => ended?,
            None => Err(FetchError::Lost),
        }
    }
}

impl Outlet {
    async fn publish(
        &self,
        mut messages: mpsc::Receiver<Result<Message, FetchError>>,
    ) -> Result<Totals, FetchError> {
        let mut publisher = Publisher::new(self.bus.clone(), Publisher::WINDOW);
        let mut totals = Totals::default();
        while let Some(message) = messages.recv().await {
            let Message {
                number,
                records,
                payload,
            } = message?;
            let span = tracing::info_span!("page.publish", page = number, records, bytes = payload.len());
            let id = format!("{}:{}:{number}", self.run, self.attempt);
            let headers = self.headers(&span);
            let hindrance = publisher.hindrance();
            let publish = publisher
                .publish(subjects::page(self.run), id, headers, payload)
                .instrument(span);
            self.counts.held_up.watch(hindrance, publish).await?;
            totals.pages += 1;
            totals.records = totals.records.saturating_add(records);
            self.counts.pages.store(totals.pages, Ordering::Relaxed);
            self.counts.records.store(totals.records, Ordering::Relaxed);
            self.metrics.pages.add(1, &[]);
            self.metrics.records.add(u64::from(records), &[]);
        }
        let hindrance = publisher.hindrance();
        self.counts.held_up.watch(hindrance, publisher.flush()).await?;
        Ok(totals)
    }

    fn headers(&self, span: &Span) -> Headers {
        Headers {
            traceparent: TraceContext::of(span).map(|trace| trace.as_str().to_owned()),
            run_id: Some(self.run.to_string()),
        }
    }
}

/// The packer's thread.
struct Packing {
    packer: Packer,
    packed: mpsc::Sender<Result<Message, FetchError>>,
    memberships: Option<Arc<Memberships>>,
    /// The objects of the page before: Graph may begin a page with the end of the last one (graph-facts §2.1).
    before: HashSet<Uuid>,
    listed: u64,
    managers: Option<Managers>,
}

/// Why packing ended early.
enum Stop {
    /// The publisher is gone.
    Unwanted,
    Failed(FetchError),
}

impl<E: Into<FetchError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Packing {
    /// Returns how many users were listed, and whether any object may have come more than once.
    fn run(mut self, mut pages: mpsc::Receiver<Input>) -> (u64, bool) {
        let packed = self.pack_all(&mut pages);
        if let Err(Stop::Failed(error)) = packed {
            // If the publisher is gone, its own error is the one that counts.
            drop(self.packed.blocking_send(Err(error)));
        }
        (self.listed, self.packer.repeats())
    }

    fn pack_all(&mut self, pages: &mut mpsc::Receiver<Input>) -> Result<(), Stop> {
        while let Some(input) = pages.blocking_recv() {
            match input {
                Input::Page(page, source) => self.page(&page, source)?,
                Input::Users(users, source) => {
                    for (id, user) in users {
                        let full = self.packer.add_encoded(source, id, &user)?;
                        self.give(full)?;
                    }
                }
                Input::Managers(tell) => {
                    // Whoever asked may have given up.
                    drop(tell.send(self.managers.take()));
                }
                Input::Unusable(reasons, source) => {
                    for reason in reasons {
                        let full = self.packer.add_unusable(source, &reason)?;
                        self.give(full)?;
                    }
                }
            }
        }
        let last = self.packer.flush()?;
        self.give(last)
    }

    fn page(&mut self, page: &PageBody, source: Source) -> Result<(), Stop> {
        let mut records = page.users()?;
        for user in &mut records.users {
            if let Some(memberships) = self.memberships.as_deref().filter(|_| source == Source::Listing) {
                user.groups = Some(Cow::Borrowed(memberships.of(user.id)));
            }
            if let Some(managers) = self.managers.as_mut().filter(|_| source == Source::Listing) {
                managers.see(user);
            }
            let full = self.packer.add(source, user)?;
            self.give(full)?;
        }
        for unusable in &records.unusable {
            let full = self
                .packer
                .add_unusable(source, &unusable_reason(page.number(), unusable))?;
            self.give(full)?;
        }
        if source == Source::Listing {
            let now: HashSet<Uuid> = records.users.iter().map(|user| user.id.0).collect();
            let repeated = now.intersection(&self.before).count() + (records.users.len() - now.len());
            self.listed += (records.users.len() - repeated + records.unusable.len()) as u64;
            // An empty page in between changes nothing about what was last.
            if !now.is_empty() {
                self.before = now;
            }
        }
        Ok(())
    }

    fn give(&self, message: Option<Message>) -> Result<(), Stop> {
        let Some(message) = message else { return Ok(()) };
        self.packed.blocking_send(Ok(message)).map_err(|_| Stop::Unwanted)
    }
}

/// Where the record is and what is wrong with it.
pub fn unusable_reason(page: u32, unusable: &graph::Unusable) -> String {
    let place = format!("record {} of page {page}", unusable.index + 1);
    match &unusable.label {
        Some(label) => format!("{label} ({place}): {}", unusable.reason),
        None => format!("{place}: {}", unusable.reason),
    }
}
