//! The pages of a run, as a reconciler gets them.

use std::collections::BTreeMap;

use bus::{Consumer, Received, consumers};
use contracts::bus::v1::{Page, Source};
use contracts::observed;
use domain::id::{ObjectId, RunId};
use domain::observed::{Completeness, ObservedUser};
use store::run_fetch::Fetch;
use uuid::Uuid;

use crate::world::{SOON, World};

/// What goes before decompression is at most about this.
const LIMIT: usize = 1024 * 1024;

/// Takes pages off the bus.
pub struct Pages(Consumer);

/// A user that came in a page.
pub struct Came {
    pub source: Source,
    pub user: ObservedUser<'static>,
}

impl World {
    pub async fn pages(&self) -> Pages {
        Pages(self.bus.consume(consumers::RECONCILER_PAGES).await.unwrap())
    }

    /// Everything that a reading published in its last attempt, each page once, in order.
    pub async fn read_pages(&self, fetch: &Fetch) -> Vec<Page> {
        let pages = self
            .pages()
            .await
            .take(fetch.run, fetch.attempt, fetch.progress.pages)
            .await;
        let records: usize = pages
            .iter()
            .map(|page| page.users.len() + page.unusable.len())
            .sum();
        assert_eq!(records, fetch.progress.records as usize);
        pages
    }
}

impl Pages {
    /// So many pages of this attempt; others that come meanwhile are dropped.
    pub async fn take(&mut self, run: RunId, attempt: u32, count: u32) -> Vec<Page> {
        let mut pages = BTreeMap::new();
        while pages.len() < count as usize {
            let page = self.next().await;
            if page.run_id == run.0.as_bytes()[..] && page.attempt == attempt {
                pages.insert(page.number, page);
            }
        }
        assert!(pages.keys().copied().eq(1..=count), "numbered without gaps");
        pages.into_values().collect()
    }

    pub async fn next(&mut self) -> Page {
        let received = tokio::time::timeout(SOON, self.0.next())
            .await
            .expect("no page came");
        let (Received::Message(delivery) | Received::Exhausted(delivery)) = received;
        let traced = delivery.headers.traceparent.as_deref().unwrap_or_default();
        assert!(
            traced.contains("4bf92f3577b34da6a3ce929d0e0e4736"),
            "in the run's trace: {traced}"
        );
        let page: Page = delivery.decode_packed(LIMIT).unwrap();
        let run = Uuid::from_slice(&page.run_id).unwrap();
        assert_eq!(
            delivery.message_id,
            format!("{run}:{}:{}", page.attempt, page.number)
        );
        assert_eq!(delivery.headers.run_id, Some(run.to_string()));
        delivery.ack().await.unwrap();
        page
    }
}

/// The users of pages, by id; of those that come twice, the last.
pub fn users(pages: &[Page]) -> BTreeMap<String, Came> {
    let mut users = BTreeMap::new();
    for page in pages {
        assert_eq!(page.object_ids.len(), page.users.len() * 16);
        assert_eq!(page.hashes.len(), page.users.len());
        let completeness = match page.source() {
            Source::Listing => Completeness::Whole,
            _ => Completeness::Partial,
        };
        for ((id, wire), hash) in page.object_ids.chunks(16).zip(&page.users).zip(&page.hashes) {
            assert_eq!(observed::hash(wire), *hash);
            let id = ObjectId(Uuid::from_slice(id).unwrap());
            let wire: &'static [u8] = Box::leak(wire.to_vec().into_boxed_slice());
            let user = observed::decode(id, completeness, wire).unwrap();
            users.insert(
                id.to_string(),
                Came {
                    source: page.source(),
                    user,
                },
            );
        }
    }
    users
}
