//! The second reading of a page that the parser can't get through: each record by itself, and of a bad record each
//! value by itself, so that the problem is named and everything else is kept (B8).

use std::convert::Infallible;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::decode::{Page, Reader, Record, Records, Shape};
use crate::expect::{Into, Key, Text};
use crate::key::Slot;
use crate::row::{Row, SlotSeed};

/// An error means that the page is not JSON.
pub(crate) fn page(text: &str, shape: Shape, mended: bool) -> Result<Page<'_>, serde_json::Error> {
    let mut page = Page::new(text, shape, mended);
    for (key, raw) in entries(text)? {
        match key.as_ref() {
            "value" => match serde_json::from_str::<Vec<&RawValue>>(raw.get()) {
                Ok(rows) => {
                    page.no_list = None;
                    for row in rows {
                        record(row.get(), &mut page.records, &page.reader);
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
pub(crate) fn single(text: &str, mended: bool) -> Result<Records<'_>, serde_json::Error> {
    serde_json::from_str::<&RawValue>(text)?;
    let mut records = Records::default();
    record(text, &mut records, &Reader::new(text, Shape::Listing, mended));
    Ok(records)
}

fn record<'de>(text: &'de str, records: &mut Records<'de>, reader: &Reader) {
    let mut trial = Records::default();
    let seed = Into(Record {
        records: &mut trial,
        reader,
    });
    let mut json = serde_json::Deserializer::from_str(text);
    if seed.deserialize(&mut json).is_ok() {
        records.append(trial);
        return;
    }
    match entries(text) {
        Ok(entries) => {
            let Ok(()) = records.add::<Infallible>(reader, |row, keys| {
                keys.begin();
                for (key, raw) in entries {
                    value(row, &key, keys.slot(&key), raw);
                }
                Ok(())
            });
        }
        Err(error) => records.add_unusable(format!("the record can't be read: {error}")),
    }
}

fn value<'de>(row: &mut Row<'_, 'de>, key: &str, slot: Slot, raw: &'de RawValue) {
    if let Err(error) = (SlotSeed { row, slot }).deserialize(raw) {
        row.fail(format!(
            "{} can't be read: {error}; enter it anew in Entra, then run again",
            crate::text::shown(key)
        ));
    }
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
