//! What travels beside a payload.

use async_nats::HeaderMap;

/// The broker's own header for dropping repeats.
const MESSAGE_ID: &str = "Nats-Msg-Id";
const TRACEPARENT: &str = "traceparent";
const RUN_ID: &str = "rollcall-run-id";

/// The context of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    /// W3C `traceparent` of the span that published it.
    pub traceparent: Option<String>,
    /// The run it belongs to, for logs.
    pub run_id: Option<String>,
}

impl Headers {
    pub(crate) fn to_map(&self, message_id: &str) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in self.pairs(message_id) {
            map.insert(name, value);
        }
        map
    }

    /// Bytes on the wire, at most: a line each, and the protocol's own.
    pub(crate) fn wire_size(&self, message_id: &str) -> usize {
        let lines: usize = self
            .pairs(message_id)
            .map(|(name, value)| name.len() + value.len() + 4)
            .sum();
        "NATS/1.0\r\n\r\n".len() + lines
    }

    /// Reads what a message brought, and its id.
    pub(crate) fn read(map: Option<&HeaderMap>) -> (Self, Option<String>) {
        let get = |name: &str| Some(map?.get(name)?.as_str().to_owned());
        (
            Self {
                traceparent: get(TRACEPARENT),
                run_id: get(RUN_ID),
            },
            get(MESSAGE_ID),
        )
    }

    fn pairs<'a>(&'a self, message_id: &'a str) -> impl Iterator<Item = (&'static str, &'a str)> {
        let optional = [
            (TRACEPARENT, self.traceparent.as_deref()),
            (RUN_ID, self.run_id.as_deref()),
        ];
        let optional = optional
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        std::iter::once((MESSAGE_ID, message_id)).chain(optional)
    }
}
