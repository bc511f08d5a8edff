//! The protobuf JSON of a message: lowerCamelCase, enums by name, timestamps as RFC 3339.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(crate::FILE_DESCRIPTOR_SET).expect("the build wrote these descriptors")
});

/// A message that can't be shown as JSON.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// The name is not in `proto/`.
    #[error("no message is called {0}")]
    UnknownMessage(String),
    /// The bytes are not that message's.
    #[error("the message can't be read as {name}")]
    Decode {
        /// Full name of the message.
        name: String,
        /// What the decoder said.
        #[source]
        source: prost::DecodeError,
    },
    /// Serialization failed.
    #[error("the message can't be written as JSON")]
    Serialize(#[source] serde_json::Error),
}

/// The protobuf JSON of `message`. Fields at their default are written out, so that a program finds `0` and `false`.
pub fn to_json<M: prost::Message + prost::Name>(message: &M) -> Result<serde_json::Value, JsonError> {
    let name = M::full_name();
    let descriptor = POOL
        .get_message_by_name(&name)
        .ok_or_else(|| JsonError::UnknownMessage(name.clone()))?;
    let dynamic = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice())
        .map_err(|source| JsonError::Decode { name, source })?;
    let options = SerializeOptions::new()
        .skip_default_fields(false)
        .stringify_64_bit_integers(true);
    dynamic
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(JsonError::Serialize)
}
