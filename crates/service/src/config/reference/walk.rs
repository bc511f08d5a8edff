//! A deserializer that gives each key its default, or what its explanation sets it to, and notes what it was asked for.

use std::cell::RefCell;
use std::fmt;

use figment::Figment;
use figment::value::{Dict, Value};
use serde::de::value::{Error, StrDeserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer, MapAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;

use super::Explained;
use crate::config::sections::SECRET;

/// A key that a type has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Such as `database.url`.
    pub(super) path: String,
    /// The type that it is a field of.
    pub(super) owner: &'static str,
    /// What its value is, in words.
    pub(super) kind: String,
    /// Whether its value is a secret.
    pub(super) secret: bool,
}

impl Found {
    /// Without its section.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    /// Its section.
    pub(super) fn section(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(section, _)| section)
    }

    /// Whether it is in this section, or below.
    pub(super) fn is_in(&self, section: &str) -> bool {
        self.path.split('.').next() == Some(section)
    }
}

/// The keys of a type, in its order. It fails where the type needs the key `without`, or a value that the defaults don't have.
pub(super) fn walk<C: DeserializeOwned>(
    defaults: &Figment,
    explained: &Explained,
    without: Option<&str>,
) -> Result<Vec<Found>, Error> {
    let walk = Walk {
        found: RefCell::default(),
        defaults,
        explained,
        without,
    };
    let at = At {
        walk: &walk,
        path: String::new(),
        owner: "",
    };
    C::deserialize(at)?;
    Ok(walk.found.into_inner())
}

/// A default as it is written.
pub(super) fn shown(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(format!("{text:?}")),
        Value::Bool(_, truth) => Some(truth.to_string()),
        Value::Num(..) => {
            let whole = value.to_i128().map(|number| number.to_string());
            whole.or_else(|| value.to_f64().map(|number| number.to_string()))
        }
        _ => None,
    }
}

/// The paths of all values.
pub(super) fn paths(dict: &Dict) -> Vec<String> {
    let mut paths = Vec::new();
    for (name, value) in dict {
        match value {
            Value::Dict(_, inner) => {
                paths.extend(paths_below(name, inner));
            }
            _ => paths.push(name.clone()),
        }
    }
    paths
}

fn paths_below(name: &str, inner: &Dict) -> impl Iterator<Item = String> {
    paths(inner).into_iter().map(move |path| format!("{name}.{path}"))
}

struct Walk<'a> {
    found: RefCell<Vec<Found>>,
    defaults: &'a Figment,
    explained: &'a Explained,
    without: Option<&'a str>,
}

/// One place of the configuration.
struct At<'a> {
    walk: &'a Walk<'a>,
    path: String,
    owner: &'static str,
}

impl At<'_> {
    fn default(&self) -> Option<Value> {
        self.walk.defaults.find_value(&self.path).ok()
    }

    fn note(&self, kind: String, secret: bool) {
        self.walk.found.borrow_mut().push(Found {
            path: self.path.clone(),
            owner: self.owner,
            kind,
            secret,
        });
    }

    fn text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let expected = expected(&visitor);
        let (kind, secret) = match expected.as_str() {
            SECRET => ("text", true),
            "path string" => ("path of a file", false),
            "socket address" => ("address and port", false),
            _ => ("text", false),
        };
        self.note(kind.to_owned(), secret);
        match self.default() {
            Some(Value::String(_, text)) => visitor.visit_string(text),
            _ => {
                let sample = self.walk.explained.sample(&self.path, self.owner);
                visitor.visit_string(sample.unwrap_or_default())
            }
        }
    }

    fn number<'de, V: Visitor<'de>>(self, most: Option<u32>, visitor: V) -> Result<V::Value, Error> {
        let least = u8::from(expected(&visitor).contains("nonzero"));
        let kind = match (least, most) {
            (1, None) => "whole number, 1 or more".to_owned(),
            (_, None) => "whole number".to_owned(),
            (_, Some(most)) => format!("whole number, {least} to {most}"),
        };
        self.note(kind, false);
        let default = self.default().and_then(|value| value.to_i128());
        visitor.visit_i64(default.and_then(|number| i64::try_from(number).ok()).unwrap_or(1))
    }
}

/// What a visitor says that it expects: the only thing that it tells.
fn expected<'de, V: Visitor<'de>>(visitor: &V) -> String {
    struct Said<'a>(&'a dyn Expected);
    impl fmt::Display for Said<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.fmt(f)
        }
    }
    Said(visitor).to_string()
}

macro_rules! numbers {
    ($($method:ident: $most:expr,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.number($most, visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for At<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let (path, expected) = (&self.path, expected(&visitor));
        Err(de::Error::custom(format!("{path}: {expected}")))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_map(Fields {
            of: self,
            name,
            left: fields.iter(),
            next: "",
        })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let quoted: Vec<String> = variants.iter().map(|name| format!("`{name}`")).collect();
        let kind = match quoted.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        };
        self.note(kind, false);
        let default = self.default();
        let named = default.as_ref().and_then(Value::as_str);
        let chosen = named.or(variants.first().copied()).unwrap_or_default();
        visitor.visit_enum(Chosen(chosen.into_deserializer()))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.note("`true` or `false`".to_owned(), false);
        visitor.visit_bool(matches!(self.default(), Some(Value::Bool(_, true))))
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.note("number".to_owned(), false);
        visitor.visit_f64(self.default().and_then(|value| value.to_f64()).unwrap_or(1.0))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text(visitor)
    }

    numbers! {
        deserialize_u8: Some(u8::MAX.into()),
        deserialize_u16: Some(u16::MAX.into()),
        deserialize_u32: None,
        deserialize_u64: None,
        deserialize_i32: None,
        deserialize_i64: None,
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u128 f32 char bytes byte_buf unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

/// The fields of a type, one after the other.
struct Fields<'a> {
    of: At<'a>,
    name: &'static str,
    left: std::slice::Iter<'static, &'static str>,
    next: &'static str,
}

impl Fields<'_> {
    fn path(&self) -> String {
        match self.of.path.as_str() {
            "" => self.next.to_owned(),
            section => format!("{section}.{}", self.next),
        }
    }
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        while let Some(name) = self.left.next() {
            self.next = name;
            if self.of.walk.without != Some(self.path().as_str()) {
                let name: StrDeserializer<'_, Error> = self.next.into_deserializer();
                return seed.deserialize(name).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(At {
            walk: self.of.walk,
            path: self.path(),
            owner: self.name,
        })
    }
}

/// One variant of those without a value.
struct Chosen<'a>(StrDeserializer<'a, Error>);

impl<'de> EnumAccess<'de> for Chosen<'_> {
    type Error = Error;
    type Variant = NoValue;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, NoValue), Error> {
        Ok((seed.deserialize(self.0)?, NoValue))
    }
}

struct NoValue;

impl<'de> de::VariantAccess<'de> for NoValue {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, _seed: S) -> Result<S::Value, Error> {
        Err(de::Error::custom("a variant with a value"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, Error> {
        Err(de::Error::custom(expected(&visitor)))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        Err(de::Error::custom(expected(&visitor)))
    }
}
