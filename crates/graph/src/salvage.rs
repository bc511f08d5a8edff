//! The second reading of a page that the parser can't get through: each record by itself, and of a bad record each
//! value by itself, so that the problem is named and everything else is kept (B8).

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::expect::{Into, Key, Text};
use crate::listed::{Listed, Page, Record};
use crate::text;

/// An error means that the page is not JSON.
pub(crate) fn page<'de, L: Listed<'de>>(text: &'de str, list: L) -> Result<Page<'de, L>, serde_json::Error> {
    let mut page = Page::new(list);
    for (key, raw) in entries(text)? {
        match key.as_ref() {
            "value" => match serde_json::from_str::<Vec<&RawValue>>(raw.get()) {
                Ok(rows) => {
                    page.no_list = None;
                    for row in rows {
                        record(row.get(), &mut page.list);
                    }
                }
                Err(_) => page.no_list = Some("not a list"),
            },
            "@odata.nextLink" => Into(Text(&mut page.next)).deserialize(raw)?,
            "@odata.deltaLink" => Into(Text(&mut page.delta)).deserialize(raw)?,
            _ => {}
        }
    }
    Ok(page)
}

/// An error means that the answer is not JSON.
pub(crate) fn single<'de>(text: &'de str, list: &mut impl Listed<'de>) -> Result<(), serde_json::Error> {
    serde_json::from_str::<&RawValue>(text)?;
    record(text, list);
    Ok(())
}

fn record<'de>(text: &'de str, list: &mut impl Listed<'de>) {
    let mut json = serde_json::Deserializer::from_str(text);
    if Into(Record(&mut *list)).deserialize(&mut json).is_ok() {
        return;
    }
    match entries(text) {
        Ok(entries) => list.salvage(entries),
        Err(error) => list.add_unusable(format!("the record can't be read: {error}")),
    }
}

/// What is said of a value that can't be read.
pub(crate) fn unreadable(key: &str, error: &serde_json::Error) -> String {
    format!(
        "{} can't be read: {error}; enter it anew in Entra, then run again",
        text::shown(key)
    )
}

/// The keys of an object with their values as they stand, repeated keys included.
fn entries(text: &str) -> Result<Vec<(String, &RawValue)>, serde_json::Error> {
    struct Entries;

    impl<'de> Visitor<'de> for Entries {
        type Value = Vec<(String, &'de RawValue)>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while let Some((Key(key), raw)) = map.next_entry()? {
                entries.push((key.into_owned(), raw));
            }
            Ok(entries)
        }
    }

    let mut json = serde_json::Deserializer::from_str(text);
    let entries = json.deserialize_map(Entries)?;
    json.end()?;
    Ok(entries)
}
