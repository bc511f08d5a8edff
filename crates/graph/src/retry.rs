//! When to try again (graph-facts §7.4): what the server asks for, else exponential backoff with full jitter; bounded
//! in tries and in time; seen by the run; cancelled at once.

use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use tokio::time::Instant;

use crate::error::Error;
use crate::http::{Context, Limits};
use crate::stats::{Wait, WaitCause};

/// A failed try.
pub(crate) struct Failed {
    pub error: Error,
    pub again: Again,
}

/// Whether another try makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    No,
    /// After a backoff.
    Backoff,
    /// Not before this has passed.
    After(Duration),
}

/// The tries of one call.
pub(crate) struct Tries {
    limits: Limits,
    /// What is asked for.
    resource: String,
    started: Instant,
    attempt: u32,
}

impl Failed {
    pub(crate) fn stop(error: Error) -> Self {
        Self {
            error,
            again: Again::No,
        }
    }
}

impl Tries {
    /// `resource` says what is asked for.
    pub(crate) fn new(limits: &Limits, resource: String) -> Self {
        Self {
            limits: *limits,
            resource,
            started: Instant::now(),
            attempt: 0,
        }
    }

    /// Waits until the next try, or gives the error back when there is none.
    pub(crate) async fn wait(&mut self, failed: Failed, context: &Context) -> Result<(), Error> {
        self.attempt += 1;
        let asked = match failed.again {
            Again::No => return Err(failed.error),
            Again::Backoff => None,
            Again::After(asked) => Some(asked),
        };
        let length = pause(&self.limits, self.attempt, asked, rand::random_range(0.0..1.0));
        let spent = self.started.elapsed().saturating_add(length);
        if self.attempt >= self.limits.tries || spent > self.limits.patience {
            return Err(failed.error);
        }
        let wait = Wait {
            cause: WaitCause {
                why: why(&failed.error, asked.is_some()),
                resource: self.resource.clone(),
            },
            until: Instant::now() + length,
            reason: failed.error.to_string(),
            throttled: failed.error.is_throttled(),
            length,
            attempt: self.attempt,
        };
        tracing::info!(attempt = wait.attempt, seconds = length.as_secs_f64(), reason = %wait.reason, "graph.wait");
        sit_out(&wait, context).await
    }
}

/// The reason of a wait in short.
fn why(error: &Error, asked: bool) -> String {
    let asked = if asked { " with Retry-After" } else { "" };
    match (error.status(), error) {
        (Some(status), _) => format!("{status}{asked}"),
        (None, Error::Unreachable { .. }) => "no answer".to_owned(),
        (None, Error::SignIn(_)) => format!("sign-in refused for now{asked}"),
        (None, _) => format!("an answer that can't be used{asked}"),
    }
}

/// A wait that is seen in the statistics, its true length counted even when it is cut short.
async fn sit_out(wait: &Wait, context: &Context) -> Result<(), Error> {
    let began = Instant::now();
    context.stats.begin_wait(wait);
    let cancelled = tokio::select! {
        () = tokio::time::sleep(wait.length) => false,
        () = context.cancel.cancelled() => true,
    };
    context.stats.end_wait(wait, began.elapsed());
    if cancelled { Err(Error::Cancelled) } else { Ok(()) }
}

/// How long to wait after try number `attempt`; `dice` is in 0..1. What the server asks for is kept, plus a little, so
/// that many who were told the same do not come back at once.
fn pause(limits: &Limits, attempt: u32, asked: Option<Duration>, dice: f64) -> Duration {
    let ceiling = limits
        .first_wait
        .saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)))
        .min(limits.longest_wait);
    match asked {
        Some(asked) => asked.saturating_add(limits.first_wait.mul_f64(dice)),
        None => ceiling.mul_f64(dice),
    }
}

/// `Retry-After` as seconds or as an HTTP date. A date is measured against the answer's own `Date`, so that clocks need
/// not agree; without one it says nothing.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| chrono::DateTime::parse_from_rfc2822(text).ok();
    let until = date(text)?;
    let now = date(headers.get(DATE)?.to_str().ok()?)?;
    Some((until - now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let seconds =
            |pairs: &[(&'static str, &str)]| retry_after(&headers(pairs)).map(|wait| wait.as_secs());
        let now = ("date", "Sat, 21 Nov 2026 10:00:00 GMT");
        assert_eq!(seconds(&[("retry-after", "60")]), Some(60));
        assert_eq!(
            seconds(&[("retry-after", "Sat, 21 Nov 2026 10:01:30 GMT"), now]),
            Some(90)
        );
        assert_eq!(
            seconds(&[("retry-after", "Sat, 21 Nov 2026 09:00:00 GMT"), now]),
            Some(0)
        );
        assert_eq!(seconds(&[("retry-after", "Sat, 21 Nov 2026 10:01:30 GMT")]), None);
        assert_eq!(seconds(&[("retry-after", "soon"), now]), None);
        assert_eq!(seconds(&[]), None);
    }

    #[test]
    fn a_pause_doubles_up_to_a_ceiling_and_keeps_what_was_asked() {
        let limits = Limits {
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(20),
            ..Limits::default()
        };
        let longest = |attempt| pause(&limits, attempt, None, 1.0).as_secs();
        assert_eq!([1, 2, 3, 4, 5, 6, 90].map(longest), [1, 2, 4, 8, 16, 20, 20]);
        assert_eq!(pause(&limits, 5, None, 0.0), Duration::ZERO);
        let asked = Some(Duration::from_secs(60));
        assert_eq!(pause(&limits, 1, asked, 0.0).as_secs(), 60);
        assert_eq!(pause(&limits, 9, asked, 1.0).as_secs(), 61);
    }
}
