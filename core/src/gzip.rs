//! Compression of layers.

use libdeflater::{CompressionLvl, Compressor};

// From this level on, libdeflate uses an optimal parser: its output is 4 % smaller than zlib's best, in about the same
// time. The two higher levels take twice as long for 0.1 %. Changing the level or the library changes the digests of all
// images (docs/decisions/0008-libdeflate.md).
const LEVEL: i32 = 10;

/// Compresses to a gzip file ([RFC 1952](https://www.rfc-editor.org/rfc/rfc1952)). For reproducible bytes, its header has no
/// name and no time, and the operating system is "unknown".
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut compressor =
        Compressor::new(CompressionLvl::new(LEVEL).unwrap_or(CompressionLvl::best()));
    let mut compressed = vec![0; compressor.gzip_compress_bound(bytes.len())];
    match compressor.gzip_compress(bytes, &mut compressed) {
        Ok(size) => compressed.truncate(size),
        Err(libdeflater::CompressionError::InsufficientSpace) => {
            unreachable!("the bound is what it may need")
        }
    }
    compressed
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn what_comes_out_is_what_went_in_and_the_header_says_nothing() {
        for bytes in [&b""[..], b"a", &b"abc".repeat(100_000)] {
            let compressed = gzip(bytes);
            let mut unpacked = Vec::new();
            flate2::read::GzDecoder::new(&*compressed).read_to_end(&mut unpacked).unwrap();
            assert_eq!(unpacked, bytes);
            // Flags, time and system.
            assert_eq!(compressed[3..8], [0; 5]);
            assert_eq!(compressed[9], 255);
            assert_eq!(compressed, gzip(bytes));
        }
    }
}
