//! A listener's places: how many connections there may be, and which of them goes first when there are too many.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// For a connection that has to go to be gone; where it is not, another one has to go as well. A peer that still listens is
/// gone within a round trip, and a crowd of those that don't must not hold a newcomer up for each of them.
const MOMENT: Duration = Duration::from_millis(50);

/// The places of one listener. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Places(Arc<All>);

#[derive(Debug)]
struct All {
    /// As the setting is called.
    name: &'static str,
    most: usize,
    taken: Mutex<Taken>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    places: BTreeMap<u64, Arc<Occupant>>,
    /// When one of them was last told to go.
    sent_away: Option<Instant>,
    /// Whether it has been said that all are taken.
    told: bool,
}

/// What is known of one connection.
#[derive(Debug)]
struct Occupant {
    all: Arc<All>,
    doing: Mutex<Doing>,
    leave: CancellationToken,
}

#[derive(Debug)]
struct Doing {
    calls: usize,
    idle_since: Instant,
    next: u64,
    /// Parts of answers that were handed over and are not yet taken, by call.
    untaken: BTreeMap<u64, Instant>,
}

/// A connection's place; dropping it gives it back.
#[derive(Debug)]
pub struct Place {
    id: u64,
    occupant: Arc<Occupant>,
}

/// One call of a connection, from its head to the last byte of its answer.
#[derive(Debug)]
pub(super) struct Call {
    id: u64,
    occupant: Arc<Occupant>,
}

impl Places {
    /// `most` of them; `name` is what the log calls them by: the setting, where one says how many.
    pub fn new(name: &'static str, most: usize) -> Self {
        Self(Arc::new(All {
            name,
            most,
            taken: Mutex::default(),
            changed: Notify::new(),
        }))
    }

    /// Takes a place. When there is none, the connection that has been idle the longest has to go, and after it the next if it
    /// has not gone in a moment; when none is idle, this waits until one is.
    pub async fn take(&self) -> Place {
        loop {
            if let Some(place) = self.try_take() {
                return place;
            }
            // A change since is kept for this one waiter: the listener. Without one it looks again in a moment.
            let _changed = tokio::time::timeout(MOMENT, self.0.changed.notified()).await;
        }
    }

    fn try_take(&self) -> Option<Place> {
        let mut taken = lock(&self.0.taken);
        if taken.places.len() < self.0.most {
            // Said again once there has been room to spare: a crowd is one event, not one for each in it.
            if taken.places.len() < self.0.most / 2 {
                taken.told = false;
            }
            let id = taken.next;
            taken.next += 1;
            let occupant = Arc::new(Occupant {
                all: Arc::clone(&self.0),
                doing: Mutex::new(Doing {
                    calls: 0,
                    idle_since: Instant::now(),
                    next: 0,
                    untaken: BTreeMap::new(),
                }),
                leave: CancellationToken::new(),
            });
            taken.places.insert(id, Arc::clone(&occupant));
            return Some(Place { id, occupant });
        }
        if !std::mem::replace(&mut taken.told, true) {
            tracing::warn!(
                setting = self.0.name,
                most = self.0.most,
                "all connections are taken; idle ones have to go"
            );
        }
        let (leaving, staying): (Vec<_>, Vec<_>) =
            taken.places.values().partition(|one| one.leave.is_cancelled());
        let told_just_now = taken.sent_away.is_some_and(|at| at.elapsed() < MOMENT);
        if told_just_now && !leaving.is_empty() {
            return None;
        }
        let idlest = staying
            .into_iter()
            .filter_map(|one| Some((one.idle_since()?, one)))
            .min_by_key(|(since, _)| *since);
        if let Some((_, idlest)) = idlest {
            idlest.leave.cancel();
            taken.sent_away = Some(Instant::now());
        }
        None
    }
}

impl Occupant {
    /// Since when no call is under way.
    fn idle_since(&self) -> Option<Instant> {
        let doing = lock(&self.doing);
        (doing.calls == 0).then_some(doing.idle_since)
    }
}

impl Place {
    /// Waits until a newcomer needs this place.
    pub async fn needed(&self) {
        self.occupant.leave.cancelled().await;
    }

    /// For how long no call has been under way.
    pub(super) fn idle_for(&self) -> Option<Duration> {
        Some(self.occupant.idle_since()?.elapsed())
    }

    /// For how long a part of an answer has been waiting to be taken: the longest.
    pub(super) fn stalled_for(&self) -> Option<Duration> {
        let doing = lock(&self.occupant.doing);
        doing.untaken.values().min().map(Instant::elapsed)
    }

    /// What counts this connection's calls.
    pub(super) fn calls(&self) -> Calls {
        Calls(Arc::clone(&self.occupant))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.occupant.all.taken).places.remove(&self.id);
        self.occupant.all.changed.notify_one();
    }
}

/// Counts a connection's calls. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Calls(Arc<Occupant>);

impl Calls {
    /// A call begins.
    pub(super) fn begin(&self) -> Call {
        let mut doing = lock(&self.0.doing);
        doing.calls += 1;
        doing.next += 1;
        Call {
            id: doing.next,
            occupant: Arc::clone(&self.0),
        }
    }
}

impl Call {
    /// A part of the answer is on its way.
    pub(super) fn handed(&self) {
        lock(&self.occupant.doing).untaken.insert(self.id, Instant::now());
    }

    /// What was on its way is taken.
    pub(super) fn taken(&self) {
        lock(&self.occupant.doing).untaken.remove(&self.id);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut doing = lock(&self.occupant.doing);
        doing.untaken.remove(&self.id);
        doing.calls -= 1;
        if doing.calls == 0 {
            doing.idle_since = Instant::now();
            self.occupant.all.changed.notify_one();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_newcomer_gets_the_place_that_has_been_idle_the_longest() {
        let places = Places::new("test.connections", 3);
        let busy = places.take().await;
        let _call = busy.calls().begin();
        tokio::time::advance(Duration::from_secs(1)).await;
        let idlest = places.take().await;
        tokio::time::advance(Duration::from_secs(1)).await;
        let idle = places.take().await;

        let mut newcomer = std::pin::pin!(places.take());
        assert!(newcomer.as_mut().now_or_never().is_none());
        assert!(idlest.needed().now_or_never().is_some());
        assert!(idle.needed().now_or_never().is_none(), "one is enough");
        assert!(busy.needed().now_or_never().is_none(), "it works");
        drop(idlest);
        newcomer.now_or_never().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_go_when_told_is_not_waited_for() {
        let places = Places::new("test.connections", 3);
        let deaf = places.take().await;
        tokio::time::advance(Duration::from_secs(1)).await;
        let idle = places.take().await;
        tokio::time::advance(Duration::from_secs(1)).await;
        let later = places.take().await;

        let newcomer = tokio::time::timeout(3 * MOMENT / 2, places.take());
        assert!(newcomer.await.is_err());
        assert!(deaf.needed().now_or_never().is_some());
        assert!(idle.needed().now_or_never().is_some());
        assert!(later.needed().now_or_never().is_none(), "one in a moment");
        drop(idle);
        places.take().now_or_never().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_newcomer_waits_while_all_work() {
        let places = Places::new("test.connections", 1);
        let place = places.take().await;
        let call = place.calls().begin();
        let mut newcomer = std::pin::pin!(places.take());
        assert!(newcomer.as_mut().now_or_never().is_none());
        assert!(place.needed().now_or_never().is_none());
        drop(call);
        assert!(newcomer.as_mut().now_or_never().is_none());
        assert!(place.needed().now_or_never().is_some());
        drop(place);
        newcomer.now_or_never().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_to_be_taken_shows() {
        let places = Places::new("test.connections", 1);
        let place = places.take().await;
        let call = place.calls().begin();
        assert_eq!((place.idle_for(), place.stalled_for()), (None, None));
        call.handed();
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(place.stalled_for(), Some(Duration::from_secs(3)));
        call.taken();
        assert_eq!(place.stalled_for(), None);
        drop(call);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(place.idle_for(), Some(Duration::from_secs(2)));
    }
}
