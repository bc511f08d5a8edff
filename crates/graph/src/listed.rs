//! Reading a page's object: its links, and its list record by record, whatever is listed.

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess};
use serde_json::value::RawValue;

use crate::expect::{Expect, Found, Into, Key, Text};

/// What a page lists, as it is read. What one record does wrong spoils that record only (B8).
pub(crate) trait Listed<'de> {
    /// One of it, for people.
    const ONE: &'static str;

    /// Reads one record. When that fails, nothing is left of it.
    fn read<A: MapAccess<'de>>(&mut self, entries: A) -> Result<(), A::Error>;

    /// Reads one record that the parser can't get through, from its keys and values as they stand.
    fn salvage(&mut self, entries: Vec<(String, &'de RawValue)>);

    /// Files a record that is not even an object.
    fn add_unusable(&mut self, reason: String);
}

/// A page as it is read.
pub(crate) struct Page<'de, L> {
    pub list: L,
    /// `@odata.nextLink`
    pub next: Found<'de>,
    /// `@odata.deltaLink`
    pub delta: Found<'de>,
    /// Kind of `value`, if it is not a list; `Some("missing")` if there is none.
    pub no_list: Option<&'static str>,
}

impl<L> Page<'_, L> {
    pub(crate) fn new(list: L) -> Self {
        Self {
            list,
            next: Found::Nothing,
            delta: Found::Nothing,
            no_list: Some("missing"),
        }
    }
}

/// Reads a page. What the parser can't get over (a number too large, half of a surrogate pair) is told apart record by
/// record in a second, slower pass, into a list of its own.
pub(crate) fn page<'de, L: Listed<'de>>(
    text: &'de str,
    list: impl Fn() -> L,
) -> Result<Page<'de, L>, serde_json::Error> {
    let mut page = Page::new(list());
    let mut json = serde_json::Deserializer::from_str(text);
    match Into(PageObject(&mut page))
        .deserialize(&mut json)
        .and_then(|()| json.end())
    {
        Ok(()) => Ok(page),
        Err(_) => crate::salvage::page(text, list()),
    }
}

/// Reads a page's object.
struct PageObject<'p, 'de, L>(&'p mut Page<'de, L>);

impl<'de, L: Listed<'de>> Expect<'de> for PageObject<'_, 'de, L> {
    fn wrong(self, found: &'static str) {
        self.0.no_list = Some(found);
    }

    fn object<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let page = self.0;
        while let Some(Key(key)) = entries.next_key()? {
            match key.as_ref() {
                "value" => entries.next_value_seed(Into(List(page)))?,
                "@odata.nextLink" => entries.next_value_seed(Into(Text(&mut page.next)))?,
                "@odata.deltaLink" => entries.next_value_seed(Into(Text(&mut page.delta)))?,
                _ => drop(entries.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// Reads a page's `value`.
struct List<'p, 'de, L>(&'p mut Page<'de, L>);

impl<'de, L: Listed<'de>> Expect<'de> for List<'_, 'de, L> {
    fn wrong(self, found: &'static str) {
        self.0.no_list = Some(found);
    }

    fn list<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Page { list, no_list, .. } = self.0;
        *no_list = None;
        while items.next_element_seed(Into(Record(&mut *list)))?.is_some() {}
        Ok(())
    }
}

/// Reads one record.
pub(crate) struct Record<'p, L>(pub &'p mut L);

impl<'de, L: Listed<'de>> Expect<'de> for Record<'_, L> {
    fn wrong(self, found: &'static str) {
        self.0
            .add_unusable(format!("the record is {found}, expected {}", L::ONE));
    }

    #[inline]
    fn object<A: MapAccess<'de>>(self, entries: A) -> Result<(), A::Error> {
        self.0.read(entries)
    }
}

/// Reads past the records, where only the links are of interest.
pub(crate) struct Skipped;

impl<'de> Listed<'de> for Skipped {
    const ONE: &'static str = "a record";

    fn read<A: MapAccess<'de>>(&mut self, mut entries: A) -> Result<(), A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn salvage(&mut self, _entries: Vec<(String, &'de RawValue)>) {}

    fn add_unusable(&mut self, _reason: String) {}
}
