//! What can go wrong with a store.

use std::path::{Path, PathBuf};

use crate::image;

/// Why a store can't be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder of a layout or archive.
    #[error("can't {action} `{}`{}", path.display(), remedy(source))]
    Io {
        /// What was being done: read, write, create, lock.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
    /// A folder that is no image layout, or a file that is no archive of one.
    #[error("`{}` is not {expected}: {reason}", path.display())]
    NotAStore {
        /// The folder or file.
        path: PathBuf,
        /// An OCI image layout, or an OCI archive.
        expected: &'static str,
        /// What is missing or wrong.
        reason: String,
    },
    /// Nothing of this name.
    #[error("{place} has no `{name}`{}", known_names(known))]
    NotFound {
        /// The store.
        place: String,
        /// What was looked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A location that can't be understood.
    #[error("`{text}` is not a place for images: {reason}")]
    InvalidLocation {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What was read or is to be written makes no sense.
    #[error(transparent)]
    Image(#[from] image::Error),
    /// A registry.
    #[cfg(feature = "registry")]
    #[error(transparent)]
    Registry(#[from] super::RegistryError),
}

impl Error {
    /// An [`Error::Io`] of `action` on `path`.
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
    match known {
        [] => String::new(),
        known => format!("; it has {}", known.join(", ")),
    }
}
