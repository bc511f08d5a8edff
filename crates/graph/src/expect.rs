//! Reading a JSON value of which one kind is expected and any kind may come: the wrong kind is told, not an error, so
//! that it spoils its own record only (B8).

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Who takes a value. What is not overridden is of the wrong kind.
pub(crate) trait Expect<'de>: Sized {
    /// Another kind came: `a number`, `a list`, …
    fn wrong(self, found: &'static str);

    fn null(self) {
        self.wrong("null");
    }

    fn text(self, _text: Cow<'de, str>) {
        self.wrong("text");
    }

    fn boolean(self, value: bool) {
        self.wrong(if value { "true" } else { "false" });
    }

    fn list<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        self.wrong("a list");
        Ok(())
    }

    fn object<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        self.wrong("an object");
        Ok(())
    }
}

/// Reads a value into whoever expects it.
pub(crate) struct Into<E>(pub E);

impl<'de, E: Expect<'de>> DeserializeSeed<'de> for Into<E> {
    type Value = ();

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, E: Expect<'de>> Visitor<'de> for Into<E> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    #[inline]
    fn visit_borrowed_str<R: Error>(self, text: &'de str) -> Result<(), R> {
        self.0.text(Cow::Borrowed(text));
        Ok(())
    }

    fn visit_str<R: Error>(self, text: &str) -> Result<(), R> {
        self.0.text(Cow::Owned(text.to_owned()));
        Ok(())
    }

    fn visit_string<R: Error>(self, text: String) -> Result<(), R> {
        self.0.text(Cow::Owned(text));
        Ok(())
    }

    #[inline]
    fn visit_unit<R: Error>(self) -> Result<(), R> {
        self.0.null();
        Ok(())
    }

    #[inline]
    fn visit_bool<R: Error>(self, value: bool) -> Result<(), R> {
        self.0.boolean(value);
        Ok(())
    }

    fn visit_i64<R: Error>(self, _: i64) -> Result<(), R> {
        self.0.wrong("a number");
        Ok(())
    }

    fn visit_u64<R: Error>(self, _: u64) -> Result<(), R> {
        self.0.wrong("a number");
        Ok(())
    }

    fn visit_f64<R: Error>(self, _: f64) -> Result<(), R> {
        self.0.wrong("a number");
        Ok(())
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<(), A::Error> {
        self.0.list(items)
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<(), A::Error> {
        self.0.object(entries)
    }
}

/// Keeps a text; other kinds leave nothing, except their name.
pub(crate) struct Text<'x, 'de>(pub &'x mut Found<'de>);

/// What [`Text`] found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Found<'de> {
    #[default]
    Nothing,
    Null,
    Text(Cow<'de, str>),
    Wrong(&'static str),
}

impl<'de> Expect<'de> for Text<'_, 'de> {
    fn wrong(self, found: &'static str) {
        *self.0 = Found::Wrong(found);
    }

    fn null(self) {
        *self.0 = Found::Null;
    }

    fn text(self, text: Cow<'de, str>) {
        *self.0 = Found::Text(text);
    }
}

/// A key of an object, borrowed where it can be.
pub(crate) struct Key<'de>(pub Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut found = Found::Nothing;
        Into(Text(&mut found)).deserialize(deserializer)?;
        match found {
            Found::Text(key) => Ok(Self(key)),
            _ => Err(D::Error::custom("a key is not text")),
        }
    }
}
