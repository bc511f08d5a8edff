//! Rendered pages of plain listings, kept until a user on them changes.

use bytes::Bytes;
use std::collections::HashMap;
use std::ops::Range;

/// What is kept at most, unless everything is to be.
const LIMIT: usize = 64 << 20;

/// The rendered pages of a tenant, by host and link; the links as they are before they are told for a listing.
#[derive(Debug, Default)]
pub struct PageCache {
    pages: HashMap<String, Kept>,
    size: usize,
}

/// A rendered page.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The body.
    pub body: Bytes,
    /// The slots it was made of; the last page reaches to the end of all slots.
    pub slots: Range<u32>,
    /// Where the next page is kept, if there is one.
    pub next: Option<String>,
}

impl PageCache {
    /// The page of a link.
    pub fn get(&self, link: &str) -> Option<&Kept> {
        self.pages.get(link)
    }

    /// Keeps a page. When there are too many, all are dropped: a listing goes through them once.
    pub fn keep(&mut self, link: String, page: Kept, all: bool) {
        if !all && self.size + page.body.len() > LIMIT {
            self.pages.clear();
            self.size = 0;
        }
        self.size += page.body.len();
        if let Some(old) = self.pages.insert(link, page) {
            self.size -= old.body.len();
        }
    }

    /// Drops the pages made of one of these slots.
    pub fn forget(&mut self, slots: &[u32]) {
        if self.pages.is_empty() {
            return;
        }
        let mut sorted = slots.to_vec();
        sorted.sort_unstable();
        let size = &mut self.size;
        self.pages.retain(|_, page| {
            let first = sorted.partition_point(|slot| *slot < page.slots.start);
            let kept = sorted.get(first).is_none_or(|slot| *slot >= page.slots.end);
            *size -= if kept { 0 } else { page.body.len() };
            kept
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(slots: Range<u32>) -> Kept {
        Kept {
            body: Bytes::from(vec![0; 10]),
            slots,
            next: None,
        }
    }

    #[test]
    fn a_change_drops_only_its_page() {
        let mut cache = PageCache::default();
        cache.keep("a".into(), page(0..10), false);
        cache.keep("b".into(), page(10..u32::MAX), false);
        cache.forget(&[700, 10]);
        assert!(cache.get("a").is_some() && cache.get("b").is_none());
        assert_eq!(cache.size, 10);
    }
}
