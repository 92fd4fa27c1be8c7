//! Files that are there as a whole or not at all.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use tempfile::NamedTempFile;

/// Writes a file under another name and renames it. Others may read it as the user's umask says.
///
/// # Errors
/// When it can't be written; then what was there before still is.
pub fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = temporary_beside(path)?;
    file.write_all(bytes)?;
    file.persist(path).map(drop).map_err(|e| e.error)
}

/// Removes the files of a folder that were modified longest ago, until all are together no larger than `limit` bytes.
/// What was modified within `in_use` stays.
///
/// # Errors
/// When the folder can't be read, or a file not removed.
pub fn remove_oldest(dir: &Path, limit: u64, in_use: Duration) -> io::Result<()> {
    let mut files = Vec::new();
    for file in std::fs::read_dir(dir)? {
        let file = file?;
        // Another process may have removed it.
        let Ok(metadata) = file.metadata() else { continue };
        files.push((metadata.modified()?, metadata.len(), file.path()));
    }
    files.sort();
    let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
    for (used, size, path) in files {
        if total <= limit || used.elapsed().is_ok_and(|age| age < in_use) {
            break;
        }
        std::fs::remove_file(path)?;
        total -= size;
    }
    Ok(())
}

/// A temporary file in the folder of `path`.
pub(super) fn temporary_beside(path: &Path) -> io::Result<NamedTempFile> {
    temporary_in(
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")),
    )
}

/// A temporary file to be renamed. By themselves such files are private to their user.
pub(super) fn temporary_in(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.prefix(".tmp-").tempfile_in(folder)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_as_readable_as_any_other() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |name: &str| folder.path().join(name).metadata().unwrap().permissions().mode();
        super::write_file(&folder.path().join("ours"), b"x").unwrap();
        std::fs::write(folder.path().join("other"), b"x").unwrap();
        assert_eq!(mode("ours"), mode("other"));
    }
}
