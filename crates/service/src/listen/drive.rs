//! A connection's life, to the end that it comes to by itself or is brought to.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use futures::future::BoxFuture;
use hyper::server::conn::{http1, http2};
use tokio::time::{Instant, MissedTickBehavior};

use super::places::Place;
use crate::drain::Stopper;

/// For a connection that has been told to end, and has nothing left to do.
const PARTING: Duration = Duration::from_secs(1);
/// For live streams to tell their callers that they end.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How often a connection is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How long a connection may do what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Be without a call.
    pub idle: Duration,
    /// Leave a part of an answer where it is.
    pub stall: Duration,
    /// Live, before it is told to end, and how long its calls then have.
    pub age: Option<(Duration, Duration)>,
}

/// Why a connection was cut, rather than ending by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It was idle for too long.
    Idle,
    /// Its reader took nothing for too long.
    Stalled,
    /// A newcomer needed its place.
    Needed,
    /// It had become too old, and its last calls took too long.
    Old,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "it was idle for too long",
            Self::Stalled => "its reader took nothing for too long",
            Self::Needed => "its place was needed",
            Self::Old => "its calls went on for too long after it had become too old",
        })
    }
}

/// A connection of hyper's: it can be told to take no more calls.
pub trait Served: Future {
    /// No more calls; those under way go on.
    fn part(self: Pin<&mut Self>);
}

impl<I, S, B> Served for http1::Connection<I, S>
where
    http1::Connection<I, S>: Future,
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn part(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S, B, E> Served for http2::Connection<I, S, E>
where
    http2::Connection<I, S, E>: Future,
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    E: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    fn part(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Serves `connection` to its end, and gives its place back. Live streams that heed `end` are told by it when the connection has become too old.
///
/// # Errors
/// Why it was cut.
pub fn drive<C>(
    connection: C,
    place: Place,
    limits: Limits,
    stopper: Stopper,
    end: Stopper,
) -> BoxFuture<'static, Result<C::Output, Cut>>
where
    C: Served + Send + 'static,
    C::Output: Send,
{
    // In a box: the compiler can't show of a connection's type that all of this can be sent (rust-lang/rust#102211).
    Box::pin(drive_inside(connection, place, limits, stopper, end))
}

async fn drive_inside<C: Served>(
    connection: C,
    place: Place,
    limits: Limits,
    stopper: Stopper,
    end: Stopper,
) -> Result<C::Output, Cut> {
    let mut connection = pin!(connection);
    let mut look = tokio::time::interval(LOOK.min(limits.idle / 4).min(limits.stall / 4).max(PARTING / 100));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut parting = Parting::new(limits);
    loop {
        let told = tokio::select! {
            ended = connection.as_mut() => return Ok(ended),
            () = stopper.stopped(), if !parting.told => {
                parting.told = true;
                true
            }
            () = place.needed(), if parting.cut.is_none() => parting.cut_soon(Cut::Needed),
            _ = look.tick() => parting.look(&place, &end)?,
        };
        if told {
            connection.as_mut().part();
        }
    }
}

/// How far a connection's parting has come.
struct Parting {
    limits: Limits,
    /// Whether it has been told to take no more calls.
    told: bool,
    /// When it becomes too old, and when its calls have to end.
    old: Option<(Instant, Instant)>,
    cut: Option<(Instant, Cut)>,
}

impl Parting {
    fn new(limits: Limits) -> Self {
        let now = Instant::now();
        Self {
            limits,
            told: false,
            old: limits.age.map(|(age, grace)| (now + age, now + age + grace)),
            cut: None,
        }
    }

    /// Whether the connection is to be told now.
    fn look(&mut self, place: &Place, end: &Stopper) -> Result<bool, Cut> {
        let now = Instant::now();
        if let Some((at, why)) = self.cut
            && now >= at
        {
            return Err(why);
        }
        if place.stalled_for().is_some_and(|time| time >= self.limits.stall) {
            return Err(Cut::Stalled);
        }
        if self.cut.is_some() {
            return Ok(false);
        }
        if place.idle_for().is_some_and(|time| time >= self.limits.idle) {
            return Ok(self.cut_soon(Cut::Idle));
        }
        match self.old {
            Some((_, ends)) if now >= ends => {
                end.stop();
                self.cut = Some((now + LAST_WORDS, Cut::Old));
                Ok(false)
            }
            Some((old, _)) if now >= old && !self.told => {
                self.told = true;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn cut_soon(&mut self, why: Cut) -> bool {
        self.cut = Some((Instant::now() + PARTING, why));
        !std::mem::replace(&mut self.told, true)
    }
}
