//! Errors of making and reading images.

use std::path::PathBuf;

use super::{Digest, Format};
use crate::limits::OverLimit;

/// An error of making or reading an image or a part of one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not a digest, or not of SHA-256.
    #[error("`{text}` is not a digest: write `sha256:` and 64 lower-case hexadecimal digits")]
    InvalidDigest {
        /// The user's text.
        text: String,
    },
    /// A digest of SHA-512, which the image specification allows, and few registries and engines take.
    #[error(
        "`{text}` is a SHA-512 digest, and only SHA-256 is supported; make the image with SHA-256 digests, which every registry takes"
    )]
    UnsupportedDigest {
        /// The digest.
        text: String,
    },
    /// A standalone image without a native part.
    #[error("a standalone image needs a runner and compiled code for at least one architecture")]
    NoNativeProgram,
    /// Not a platform.
    #[error("`{text}` is not a platform: write OS/ARCHITECTURE, such as `linux/amd64`")]
    InvalidPlatform {
        /// The user's text.
        text: String,
    },
    /// Not a reference.
    #[error(
        "`{text}` is not an image reference ({reason}): write REGISTRY/REPOSITORY:TAG, such as `ghcr.io/owner/app:1.0`"
    )]
    InvalidReference {
        /// The user's text.
        text: String,
        /// The reason.
        reason: String,
    },
    /// Not a tag.
    #[error(
        "`{text}` is not a tag: use up to 128 letters, digits, `_`, `.` and `-`, not starting with `.` or `-`"
    )]
    InvalidTag {
        /// The user's text.
        text: String,
    },
    /// Not a Unix time or an RFC 3339 timestamp.
    #[error(
        "`{text}` is not a time; use seconds since 1970 or an RFC 3339 timestamp such as `2026-01-31T12:00:00Z`"
    )]
    InvalidTime {
        /// The user's text.
        text: String,
    },
    /// The module's name can't be a file name in the image.
    #[error("`{name}` can't name the module in the image: use letters, digits, `_`, `.` and `-`")]
    InvalidName {
        /// The user's text.
        name: String,
    },
    /// An environment variable without a name, or with `=` in it.
    #[error("`{name}` can't name an environment variable: it is empty or has `=` or a NUL in it")]
    InvalidVariable {
        /// The user's text.
        name: String,
    },
    /// The path of an included file is outside of the image, or in use.
    #[error("a file can't be included as `{path}`: {reason}")]
    InvalidInclude {
        /// Its path in the image.
        path: String,
        /// The reason.
        reason: &'static str,
    },
    /// Files for a format that has no root file system.
    #[error(
        "files can't be included in the format `{format}`, which holds nothing but the module: \
         use universal, container or combined"
    )]
    NoRootFilesystem {
        /// The format.
        format: Format,
    },
    /// No format was asked for, or one twice.
    #[error("the formats must be named once each: {formats:?}")]
    FormatsNotDistinct {
        /// The formats as the user listed them.
        formats: Vec<Format>,
    },
    /// A universal image without a linux platform, which no CRI would start.
    #[error(
        "a universal image needs at least one linux platform, such as `linux/amd64`; for none, use the format container"
    )]
    NoLinuxPlatform,
    /// The content is not what its descriptor says.
    #[error(
        "the content does not have its digest: expected {expected} ({expected_size} bytes), \
         found {found} ({found_size} bytes): it was damaged or changed in transit; fetch it again"
    )]
    Mismatch {
        /// The digest in the descriptor.
        expected: Digest,
        /// The size in the descriptor.
        expected_size: u64,
        /// The digest of the content.
        found: Digest,
        /// The size of the content.
        found_size: u64,
    },
    /// A manifest, index or configuration that can't be read.
    #[error("the {what} can't be read: {reason}")]
    Document {
        /// The kind of document.
        what: &'static str,
        /// The reason.
        reason: String,
    },
    /// An index that has another entry for a platform.
    #[error(
        "the index already has another entry for {}: take only other entries with `--platform`, or replace it with \
         `--replace`",
        platforms.join(" and ")
    )]
    SamePlatform {
        /// The platforms.
        platforms: Vec<String>,
    },
    /// A platform or a digest that no entry of an index has.
    #[error("the image has no entry for `{wanted}`{}", known_entries(known))]
    NoSuchEntry {
        /// The platform or the digest.
        wanted: String,
        /// The platforms of its entries.
        known: Vec<String>,
    },
    /// The only entry of an index, without which it would be empty.
    #[error(
        "no image would be left in the index: delete it as a whole instead, such as with `wasm-oci delete`"
    )]
    LastEntry,
    /// A manifest without a platform, which no engine could choose in an index.
    #[error(
        "the manifest {digest} names no platform, and neither does its configuration: an index can only list images that \
         are for a platform"
    )]
    NoPlatform {
        /// The digest of the manifest.
        digest: Digest,
    },
    /// An index in an index whose entries are changed.
    #[error(
        "the index lists another index, {digest}, which few engines read: make one without it first, with `wasm-oci index \
         create INDEX INDEX`"
    )]
    NestedIndex {
        /// The digest of the inner index.
        digest: Digest,
    },
    /// An index without a manifest.
    #[error("the index lists no image")]
    NoManifest,
    /// An image without a module.
    #[error("the image has no WebAssembly module to start: {reason}")]
    NoModule {
        /// The places that were searched.
        reason: String,
    },
    /// A command that names no file of the image.
    #[error(
        "the image starts `{word}`, which is not a file in it{}: set its entrypoint to the path of the module",
        known_files(files)
    )]
    NoSuchCommand {
        /// The first word of the entrypoint.
        word: String,
        /// Some files of the image.
        files: Vec<String>,
    },
    /// An entrypoint that doesn't start the module.
    #[error(
        "the entrypoint `{word}` {reason}: write `/{module}`, with `#FUNCTION` after it to call another function, or leave \
         the entrypoint out"
    )]
    EntrypointElsewhere {
        /// The first word of the command.
        word: String,
        /// The path of the module.
        module: String,
        /// What it names instead.
        reason: &'static str,
    },
    /// An application that only Spin can start.
    #[error(
        "the image is a Spin application (`{media_type}`), which only Spin can start: use `spin up --from REFERENCE`, or \
         Spin's shim in a cluster{}",
        spin_advice(*modules)
    )]
    SpinApplication {
        /// The media type that says so.
        media_type: &'static str,
        /// Number of its modules.
        modules: usize,
    },
    /// A layer that can't be unpacked.
    #[error("a layer can't be unpacked: {reason}")]
    Layer {
        /// The reason.
        reason: String,
    },
    /// An image over one of the limits.
    #[error(transparent)]
    OverLimit(#[from] OverLimit),
    /// A file to include can't be read.
    #[error("can't read `{}` to include it in the image", path.display())]
    Include {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A blob's file can't be read.
    #[error("can't read a blob")]
    Io(#[source] std::io::Error),
}

fn known_entries(known: &[String]) -> String {
    // A hostile index can have thousands.
    match known.len() {
        0 => String::new(),
        1..=20 => format!("; it has {}", known.join(", ")),
        more => format!("; it has {} and {} more", known[..20].join(", "), more - 20),
    }
}

fn known_files(files: &[String]) -> String {
    match files.is_empty() {
        true => " (it has no file)".to_owned(),
        false => format!(" (it has {})", files.join(", ")),
    }
}

fn spin_advice(modules: usize) -> String {
    match modules {
        0 => String::new(),
        1 => "; or take its module out with `wasm-oci pull --module FILE`".to_owned(),
        several => format!("; no single module can be taken out, because it has {several}"),
    }
}
