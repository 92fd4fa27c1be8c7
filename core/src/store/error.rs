//! Errors of stores.

use std::path::{Path, PathBuf};

use crate::image;

/// A store that can't be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An I/O error on a file or folder of a layout or archive.
    #[error("can't {action} `{}`{}", path.display(), remedy(source))]
    Io {
        /// The failed operation: read, write, create, lock.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A folder that is not an image layout, or a file that is not an archive of one.
    #[error("`{}` is not {expected}: {reason}", path.display())]
    NotAStore {
        /// The folder or file.
        path: PathBuf,
        /// An OCI image layout, or an OCI archive.
        expected: &'static str,
        /// The missing or invalid part.
        reason: String,
    },
    /// A name that the store doesn't have.
    #[error("{place} has no `{name}`{}", known_names(known))]
    NotFound {
        /// The store.
        place: String,
        /// The tag or digest.
        name: String,
        /// The tags that it has.
        known: Vec<String>,
    },
    /// A name that another process has moved since it was read.
    #[error(
        "`{name}` of {place} was changed meanwhile, by somebody else: nothing was changed here; run the command again to \
         begin with what is there now"
    )]
    Changed {
        /// The store.
        place: String,
        /// The tag or another name.
        name: String,
    },
    /// An archive that lists different images in OCI's `index.json` and in Docker's `manifest.json`.
    #[error(
        "`{path}` names other images in its index.json than in its manifest.json, and loaders differ in which they read: save \
         the image again, or read manifest.json with `docker-archive:{path}`",
        path = path.display()
    )]
    TwoListings {
        /// The archive.
        path: PathBuf,
    },
    /// A name that several images in the store have.
    #[error("{place} has several images called `{name}`: choose one of {}", shown_names(known))]
    Ambiguous {
        /// The store.
        place: String,
        /// The name.
        name: String,
        /// The whole names of these images, or their digests.
        known: Vec<String>,
    },
    /// A location that can't be parsed.
    #[error("`{text}` is not a place for images: {reason}")]
    InvalidLocation {
        /// The text of the location.
        text: String,
        /// The part that is wrong.
        reason: String,
    },
    /// An invalid image, or one over a limit.
    #[error(transparent)]
    Image(#[from] image::Error),
    /// An error of a registry.
    #[cfg(feature = "registry")]
    #[error(transparent)]
    Registry(#[from] super::RegistryError),
}

impl Error {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Io { action, path, source }
    }
}

fn remedy(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "; free some space, or choose a folder on another disk"
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "; make it writable, or choose another folder"
        }
        _ => "",
    }
}

fn known_names(known: &[String]) -> String {
    match known.is_empty() {
        true => String::new(),
        false => format!("; it has {}", shown_names(known)),
    }
}

fn shown_names(known: &[String]) -> String {
    // A repository or layout can have a million tags.
    match known.len() {
        0..=20 => known.join(", "),
        more => format!("{} and {} more", known[..20].join(", "), more - 20),
    }
}
