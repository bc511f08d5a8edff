#![doc = include_str!("../README.md")]

pub mod change_csv;
pub mod explain;
pub mod json;
pub mod observed;

/// The public API.
#[expect(
    missing_docs,
    clippy::all,
    clippy::allow_attributes,
    clippy::pedantic,
    reason = "generated; the comments are in proto/"
)]
pub mod v1 {
    tonic::include_proto!("rollcall.v1");
}

/// Between our own services.
pub mod internal {
    /// Version 1.
    #[expect(
        missing_docs,
        clippy::allow_attributes,
        clippy::pedantic,
        reason = "generated; the comments are in proto/"
    )]
    pub mod v1 {
        tonic::include_proto!("rollcall.internal.v1");
    }
}

/// Over NATS.
pub mod bus {
    /// Version 1.
    #[expect(
        missing_docs,
        clippy::all,
        clippy::pedantic,
        reason = "generated; the comments are in proto/"
    )]
    pub mod v1 {
        tonic::include_proto!("rollcall.bus.v1");
    }
}

/// Descriptors of everything in `proto/`, for reflection and for protobuf JSON.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/rollcall.bin"));
