//! What rows of a round say beside plain values: an id, a link to another object, and that something is gone.

use std::borrow::Cow;

use domain::id::ObjectId;
use domain::observed::Presence;
use domain::observed_group::MemberKind;
use serde::de::{IgnoredAny, MapAccess};
use uuid::Uuid;

use crate::expect::{Expect, Found, Into, Key, Text};
use crate::text;

/// A GUID as Graph writes it; other spellings are not ids.
fn object_id(text: &str) -> Option<ObjectId> {
    (text.len() == 36).then(|| Uuid::try_parse(text).ok().map(ObjectId))?
}

/// The id of a record. One without a usable id can't be told apart from others.
pub(crate) fn own_id(found: &Found<'_>) -> Result<ObjectId, String> {
    match found {
        Found::Text(text) => {
            object_id(text).ok_or_else(|| format!("id is \"{}\", expected a GUID", text::shown(text)))
        }
        Found::Nothing => Err("id is missing; select id, then run again".to_owned()),
        Found::Null => Err("id is null, expected a GUID".to_owned()),
        Found::Wrong(found) => Err(format!("id is {found}, expected a GUID")),
    }
}

/// Marks a record as one that can't be used; the first reason stays.
pub(crate) fn fail(problem: &mut Option<Cow<'_, str>>, reason: String) {
    if problem.is_none() {
        *problem = Some(Cow::Owned(reason));
    }
}

/// A link to another object.
#[derive(Default)]
pub(crate) struct Link<'de> {
    id: Found<'de>,
    kind: Found<'de>,
    pub removed: bool,
    odd: Option<&'static str>,
}

impl<'de> Link<'de> {
    /// What it leads to, or what is there instead.
    pub(crate) fn target(&self) -> Result<ObjectId, String> {
        if let Some(odd) = self.odd {
            return Err(format!("a link that is {odd}"));
        }
        match &self.id {
            Found::Text(text) => {
                object_id(text).ok_or_else(|| format!("a link to \"{}\"", text::shown(text)))
            }
            Found::Nothing | Found::Null | Found::Wrong(_) => Err("a link without an id".to_owned()),
        }
    }

    /// The id in Graph's own spelling, so that equal ids are equal texts.
    pub(crate) fn target_text(self) -> Result<Cow<'de, str>, String> {
        self.target()?;
        match self.id {
            Found::Text(text) if text.bytes().any(|byte| byte.is_ascii_uppercase()) => {
                Ok(Cow::Owned(text.to_ascii_lowercase()))
            }
            Found::Text(text) => Ok(text),
            Found::Nothing | Found::Null | Found::Wrong(_) => Err("a link without an id".to_owned()),
        }
    }

    /// The kind of object that it leads to, as far as we know it.
    pub(crate) fn kind(&self) -> MemberKind {
        let Found::Text(name) = &self.kind else {
            return MemberKind::Unknown;
        };
        match name.trim_start_matches('#') {
            "microsoft.graph.user" => MemberKind::User,
            "microsoft.graph.group" => MemberKind::Group,
            "microsoft.graph.device" => MemberKind::Device,
            "microsoft.graph.servicePrincipal" => MemberKind::ServicePrincipal,
            "microsoft.graph.orgContact" => MemberKind::OrgContact,
            _ => MemberKind::Unknown,
        }
    }

    pub(crate) fn read<A: MapAccess<'de>>(mut entries: A) -> Result<Self, A::Error> {
        let mut link = Self::default();
        while let Some(Key(key)) = entries.next_key()? {
            match key.as_ref() {
                "id" => entries.next_value_seed(Into(Text(&mut link.id)))?,
                "@odata.type" => entries.next_value_seed(Into(Text(&mut link.kind)))?,
                "@removed" => {
                    link.removed = entries.next_value::<Option<IgnoredAny>>()?.is_some();
                }
                _ => drop(entries.next_value::<IgnoredAny>()?),
            }
        }
        Ok(link)
    }
}

/// An entry of a list of links.
pub(crate) struct LinkEntry<'l, 'de>(pub &'l mut Link<'de>);

impl<'de> Expect<'de> for LinkEntry<'_, 'de> {
    fn wrong(self, found: &'static str) {
        self.0.odd = Some(found);
    }

    fn object<A: MapAccess<'de>>(self, entries: A) -> Result<(), A::Error> {
        *self.0 = Link::read(entries)?;
        Ok(())
    }
}

/// `@removed`: `deleted` is for good; `changed`, and any reason that is not known, can be undone.
pub(crate) struct Removed<'x, 'de> {
    pub presence: &'x mut Presence,
    pub problem: &'x mut Option<Cow<'de, str>>,
}

impl<'de> Expect<'de> for Removed<'_, 'de> {
    fn wrong(self, found: &'static str) {
        fail(
            self.problem,
            format!(
                "@removed is {found}, expected an object with a reason; run again, or give Microsoft's support the \
                 request"
            ),
        );
    }

    fn null(self) {}

    fn object<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut reason = Found::Nothing;
        while let Some(Key(key)) = entries.next_key()? {
            if key == "reason" {
                entries.next_value_seed(Into(Text(&mut reason)))?;
            } else {
                entries.next_value::<IgnoredAny>()?;
            }
        }
        *self.presence = match reason {
            Found::Text(reason) if reason.eq_ignore_ascii_case("deleted") => Presence::Gone,
            _ => Presence::SoftDeleted,
        };
        Ok(())
    }
}
