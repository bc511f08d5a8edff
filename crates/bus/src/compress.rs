//! Payloads in zstd: small on the wire, and bounded when unpacked.

use std::io;

use bytes::Bytes;

/// The fastest useful level: directory objects are repetitive text, and more effort gains little.
const LEVEL: i32 = 1;

/// Why a payload could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum CompressionError {
    /// It would be larger than the reader allows.
    #[error("the payload unpacks to {size} bytes, more than the {limit} allowed")]
    TooLarge {
        /// What it says it is.
        size: u64,
        /// What is allowed.
        limit: usize,
    },
    /// It does not say how large it is; ours always do.
    #[error("the payload is not a zstd frame with a stated size")]
    NotOurs,
    /// It could not be packed or unpacked.
    #[error("zstd failed")]
    Zstd(#[source] io::Error),
}

/// Packs `payload`.
pub fn compress(payload: &[u8]) -> Result<Bytes, CompressionError> {
    zstd::bulk::compress(payload, LEVEL)
        .map(Bytes::from)
        .map_err(CompressionError::Zstd)
}

/// Unpacks what [`compress`] made, if it is no larger than `limit` bytes; larger ones take no memory first.
pub fn decompress(packed: &[u8], limit: usize) -> Result<Bytes, CompressionError> {
    let Ok(Some(size)) = zstd::zstd_safe::get_frame_content_size(packed) else {
        return Err(CompressionError::NotOurs);
    };
    match usize::try_from(size) {
        Ok(fits) if fits <= limit => zstd::bulk::decompress(packed, fits)
            .map(Bytes::from)
            .map_err(CompressionError::Zstd),
        _ => Err(CompressionError::TooLarge { size, limit }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back_and_is_smaller() {
        let text = "displayName: Jörg Müller 山田; ".repeat(1000);
        let packed = compress(text.as_bytes()).unwrap();
        assert!(packed.len() * 10 < text.len());
        assert_eq!(decompress(&packed, text.len()).unwrap(), text.as_bytes());
        assert_eq!(decompress(&compress(b"").unwrap(), 0).unwrap(), "");
    }

    #[test]
    fn what_would_be_too_large_is_refused_before_it_takes_memory() {
        let packed = compress(&vec![0; 1_000_000]).unwrap();
        let error = decompress(&packed, 999_999).unwrap_err();
        assert!(matches!(
            error,
            CompressionError::TooLarge {
                size: 1_000_000,
                limit: 999_999
            }
        ));
    }

    #[test]
    fn what_is_not_ours_or_cut_off_is_an_error() {
        assert!(matches!(
            decompress(b"{\"not\":\"zstd\"}", 100),
            Err(CompressionError::NotOurs)
        ));
        let packed = compress(&[7; 1000]).unwrap();
        assert!(matches!(
            decompress(&packed[..packed.len() - 1], 1000),
            Err(CompressionError::Zstd(_))
        ));
    }
}
