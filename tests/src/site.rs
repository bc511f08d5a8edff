//! Rollcall running: one stack for all tests of a process, or one of a test's own.

use std::future::Future;

use local::mail::MailServer;
use local::postgres::Access;
use local::stack::{Builder, DATABASE, Directory, Endpoints, Service, Stack};
use tokio::sync::OnceCell;

/// Nothing reads from here: each test has a tenant of its own.
const NOWHERE: &str = "http://127.0.0.1:9";

static SHARED: OnceCell<Site> = OnceCell::const_new();

/// A running stack. The shared one outlives its tests, and is stopped by its watchdogs when the process ends.
pub struct Site {
    stack: Stack,
    access: Access,
}

impl Site {
    /// The stack that the tests of this process share.
    pub async fn shared() -> &'static Self {
        SHARED.get_or_init(|| Self::apart(Self::builder)).await
    }

    /// A stack that outlives the test that happens to be the first: the mail server lives on its runtime.
    pub async fn apart(builder: impl FnOnce() -> Builder + Send + 'static) -> Self {
        let (send, receive) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(start_and_stay(builder(), send));
        });
        receive.await.expect("the stack did not start; see above")
    }

    /// A stack of a test's own.
    pub async fn start(builder: Builder) -> Self {
        let mut stack = builder.start().await.unwrap_or_else(|error| {
            let why = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
            panic!(
                "no stack: {}",
                why.map(ToString::to_string).collect::<Vec<_>>().join(": ")
            );
        });
        let access = stack.postgres().expect("it is its own").access().clone();
        Self { stack, access }
    }

    /// What tests want of a stack: no tenant, and short waits.
    pub fn builder() -> Builder {
        let settings = [
            (Service::Fetcher, "fetch.sweep_ms", "200"),
            (Service::Fetcher, "fetch.heartbeat_ms", "100"),
            (Service::Fetcher, "fetch.runs", "8"),
            (Service::Fetcher, "graph.test_patience_seconds", "3"),
            (Service::Reconciler, "work.sweep_milliseconds", "100"),
            (Service::Notifier, "delivery.poll_milliseconds", "100"),
            (Service::Notifier, "delivery.backoff_base_seconds", "1"),
            (Service::Notifier, "delivery.backoff_max_seconds", "1"),
            (Service::Notifier, "sweep.every_seconds", "1"),
            (Service::Api, "console.sign_ins_per_minute", "1000"),
        ];
        let builder = Stack::builder().directory(Directory::At(NOWHERE.to_owned()));
        settings
            .into_iter()
            .fold(builder, |builder, (service, key, value)| {
                builder.set(service, key, value)
            })
    }

    /// Where things are.
    pub fn endpoints(&self) -> &Endpoints {
        self.stack.endpoints()
    }

    /// The stack, to look at.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// The stack, to break.
    pub fn stack_mut(&mut self) -> &mut Stack {
        &mut self.stack
    }

    /// The mail server.
    pub fn mail(&self) -> &MailServer {
        self.stack.mail()
    }

    /// Rollcall's database server.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Runs a statement in Rollcall's database; a line per row, columns divided by `|`.
    pub async fn sql(&self, statement: &str) -> String {
        self.access.sql(DATABASE, statement).await.unwrap()
    }

    /// Stops it in order; nothing may have ended before, and nothing may have to be killed.
    pub async fn stop(mut self) {
        self.stack.check().unwrap();
        assert_eq!(self.stack.stop().await.unwrap(), Vec::<String>::new());
    }
}

async fn start_and_stay(builder: Builder, tell: tokio::sync::oneshot::Sender<Site>) {
    let site = Site::start(builder).await;
    let sent: Result<(), Site> = tell.send(site);
    assert!(sent.is_ok(), "the first test has gone");
    never().await;
}

fn never() -> impl Future<Output = ()> {
    std::future::pending()
}
