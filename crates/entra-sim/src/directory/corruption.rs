//! Records that break the rules, for clients that must survive them.

use crate::property::Property;
use serde::{Deserialize, Serialize};

/// How a record is broken.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Corruption {
    /// `displayName` is a number, `accountEnabled` a string and `businessPhones` an object.
    WrongTypes,
    /// A `streetAddress` of this many bytes.
    Huge {
        /// Two million, say.
        bytes: usize,
    },
    /// This many proxy addresses.
    ManyAliases {
        /// Ten thousand, say.
        count: usize,
    },
    /// A NUL, a bell and an escape in `displayName`.
    ControlCharacters,
    /// Bytes in `displayName` that are no UTF-8: they spoil the whole page.
    NotUtf8,
    /// Half of a surrogate pair in `displayName`, as an escape.
    LoneSurrogate,
    /// An `id` that is no GUID.
    BadId,
    /// A null `id`.
    NoId,
    /// Any JSON for any property; not checked, so it may be no JSON at all.
    Raw {
        /// Which.
        property: String,
        /// The text that stands for its value.
        json: String,
    },
}

impl Corruption {
    /// What to write for which property.
    pub(super) fn values(&self) -> Vec<(Property, Vec<u8>)> {
        let name = |value: &[u8]| vec![(Property::DISPLAY_NAME, value.to_vec())];
        match self {
            Self::WrongTypes => [
                ("displayName", "42"),
                ("accountEnabled", "\"yes\""),
                ("businessPhones", "{\"work\":\"+1 425 555 0100\"}"),
            ]
            .into_iter()
            .filter_map(|(property, value)| Some((Property::named(property)?, value.into())))
            .collect(),
            Self::Huge { bytes } => raw("streetAddress", format!("\"{}\"", "x".repeat(*bytes))),
            Self::ManyAliases { count } => {
                let aliases: Vec<String> = (0..*count)
                    .map(|number| format!("\"smtp:alias{number}@contoso.com\""))
                    .collect();
                raw("proxyAddresses", format!("[{}]", aliases.join(",")))
            }
            Self::ControlCharacters => name(br#""Nul\u0000Bell\u0007Escape\u001b""#),
            Self::NotUtf8 => name(b"\"Not \xff\xfe UTF-8\""),
            Self::LoneSurrogate => name(br#""Half \ud842 a pair""#),
            Self::BadId => raw("id", "\"not-a-guid\"".into()),
            Self::NoId => raw("id", "null".into()),
            Self::Raw { property, json } => raw(property, json.clone()),
        }
    }
}

fn raw(property: &str, json: String) -> Vec<(Property, Vec<u8>)> {
    let property = Property::named(property);
    property
        .map(|property| (property, json.into_bytes()))
        .into_iter()
        .collect()
}
