//! The check that nobody else can write to a file or folder.

use std::fs::{DirBuilder, Metadata};
use std::io;
use std::path::Path;

/// Creates a folder and its missing parents, which only this user can look into (mode 0700).
///
/// # Errors
/// The error of creating one of them.
pub fn create_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

/// Returns the metadata of a file or folder that belongs to this user, and that nobody else can write to. A symbolic link is
/// refused, because others may be able to change what it points to. The folders above are not looked at: pass each of those
/// that we created.
///
/// # Errors
/// An error of the kind [`io::ErrorKind::PermissionDenied`] that says what to change, or the error of reading the metadata.
pub fn require_owned(path: &Path) -> io::Result<Metadata> {
    let metadata = fs_err::symlink_metadata(path)?;
    match objection(&metadata) {
        Some(reason) => Err(io::Error::new(io::ErrorKind::PermissionDenied, reason)),
        None => Ok(metadata),
    }
}

/// Returns true for a file or folder of this user. A symbolic link is nobody's.
pub(super) fn is_ours(metadata: &Metadata) -> bool {
    #[cfg(unix)]
    let is_owner = || {
        use std::os::unix::fs::MetadataExt;
        metadata.uid() == rustix::process::geteuid().as_raw()
    };
    #[cfg(not(unix))]
    let is_owner = || true;
    !metadata.is_symlink() && is_owner()
}

fn objection(metadata: &Metadata) -> Option<&'static str> {
    if metadata.is_symlink() {
        return Some("it is a symbolic link; name the folder itself");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if !is_ours(metadata) {
            return Some("it belongs to another user");
        }
        if metadata.mode() & 0o022 != 0 {
            return Some("other users can write to it; take that away with `chmod go-w`");
        }
    }
    None
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_folder_that_others_can_write_to_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("a/b");
        create_private_folder(&folder).unwrap();
        assert_eq!(require_owned(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        for mode in [0o777, 0o720, 0o702, 0o1777] {
            set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
            let error = require_owned(&folder).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
            assert!(error.to_string().contains("other users can write to it"), "{error}");
        }
        set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        require_owned(&folder).unwrap();
    }

    #[test]
    fn a_link_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let link = temporary.path().join("link");
        symlink(temporary.path(), &link).unwrap();
        let error = require_owned(&link).unwrap_err().to_string();
        assert!(error.contains("symbolic link"), "{error}");
    }

    #[test]
    fn the_file_of_another_user_is_refused() {
        // Only the administrator can give files away.
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::os::unix::fs::chown(file.path(), Some(65534), None).unwrap();
        let error = require_owned(file.path()).unwrap_err().to_string();
        assert!(error.contains("another user"), "{error}");
    }
}
