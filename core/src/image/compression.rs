//! Compression of layers, which their first bytes tell.

use std::io::{BufRead, BufReader, Read};

use super::{Blob, Error, MediaType};
use crate::gzip::gzip;

named_enum! {
    /// Compression of the layers that we make.
    #[derive(Default)]
    pub enum LayerCompression: "compression" {
        /// Every engine and registry takes it.
        #[default]
        Gzip = "gzip",
        /// Smaller and faster to unpack, but newer.
        Zstd = "zstd",
    }
}

// The highest level that needs no more memory to unpack than others. Changing the level or the library changes the digests
// of images with this compression.
const ZSTD_LEVEL: i32 = 19;

impl LayerCompression {
    /// Returns the layer of a tar. The same tar gives the same bytes.
    pub(super) fn layer(self, tar: &[u8]) -> Result<Blob, Error> {
        Ok(match self {
            LayerCompression::Gzip => Blob::new(MediaType::ImageLayerGzip, gzip(tar)),
            LayerCompression::Zstd => {
                let zstd = zstd::bulk::compress(tar, ZSTD_LEVEL).map_err(Error::Io)?;
                Blob::new(MediaType::ImageLayerZstd, zstd)
            }
        })
    }
}

/// Compression of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Zstd,
    Xz,
    Bzip2,
}

impl Compression {
    fn name(self) -> &'static str {
        match self {
            Compression::None => "not compressed",
            Compression::Gzip => "compressed with gzip",
            Compression::Zstd => "compressed with zstd",
            Compression::Xz => "compressed with xz",
            Compression::Bzip2 => "compressed with bzip2",
        }
    }

    /// Returns the compression of bytes that begin like this.
    fn of(start: &[u8]) -> Compression {
        match start {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            // A frame, or a skippable frame (RFC 8878, sections 3.1.1 and 3.1.2).
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Compression::Bzip2,
            _ => Compression::None,
        }
    }

    /// Returns the compression that a media type means, if it is that of a tar layer.
    fn of_type(media_type: &MediaType) -> Option<Compression> {
        match media_type {
            MediaType::ImageLayer | MediaType::DockerLayer => Some(Compression::None),
            MediaType::ImageLayerGzip | MediaType::DockerLayerGzip => Some(Compression::Gzip),
            MediaType::ImageLayerZstd | MediaType::DockerLayerZstd => Some(Compression::Zstd),
            // Layers that registries don't hand on. Those of Linux are ordinary tars.
            other => match other.as_str() {
                "application/vnd.docker.image.rootfs.foreign.diff.tar"
                | "application/vnd.oci.image.layer.nondistributable.v1.tar" => {
                    Some(Compression::None)
                }
                "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
                | "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip" => {
                    Some(Compression::Gzip)
                }
                "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd" => {
                    Some(Compression::Zstd)
                }
                _ => None,
            },
        }
    }
}

/// Returns true for the type of a tar layer.
pub(crate) fn is_tar(media_type: &MediaType) -> bool {
    Compression::of_type(media_type).is_some()
}

/// Returns the media type of a layer that begins like this.
pub(crate) fn layer_type(start: &[u8]) -> MediaType {
    match Compression::of(start) {
        Compression::Gzip => MediaType::ImageLayerGzip,
        Compression::Zstd => MediaType::ImageLayerZstd,
        // The others have no media type. Reading them says so.
        Compression::None | Compression::Xz | Compression::Bzip2 => MediaType::ImageLayer,
    }
}

/// Returns a reader of the tar in a layer. The bytes decide, not the media type: there are images with a wrong one, and
/// most engines unpack them.
pub(super) fn unpacked(layer: &Blob) -> Result<Box<dyn Read>, Error> {
    let media_type = &layer.descriptor().media_type;
    let unreadable = |reason: String| Error::Layer { reason };
    if !is_tar(media_type) {
        return Err(unreadable(format!("its type is {media_type}")));
    }
    let mut reader = BufReader::new(layer.reader()?);
    match Compression::of(reader.fill_buf().map_err(Error::Io)?) {
        Compression::None => Ok(Box::new(reader)),
        // A gzip file may have several members (RFC 1952, section 2.2).
        Compression::Gzip => Ok(Box::new(flate2::bufread::MultiGzDecoder::new(reader))),
        // Its window is at most 128 MiB: zstd refuses a larger one.
        Compression::Zstd => {
            Ok(Box::new(zstd::stream::read::Decoder::with_buffer(reader).map_err(Error::Io)?))
        }
        other => Err(unreadable(format!("it is {}, which we can't unpack", other.name()))),
    }
}

/// Returns a sentence about a layer whose media type says another compression than it has.
pub(super) fn mislabelled(layer: &Blob) -> Option<String> {
    let descriptor = layer.descriptor();
    let labelled = Compression::of_type(&descriptor.media_type)?;
    let mut start = Vec::new();
    layer.reader().ok()?.take(6).read_to_end(&mut start).ok()?;
    let actual = Compression::of(&start);
    (actual != labelled).then(|| {
        format!(
            "the layer {} is {}, but its type {} says that it is {}; some engines can't unpack it",
            descriptor.digest,
            actual.name(),
            descriptor.media_type,
            labelled.name()
        )
    })
}
