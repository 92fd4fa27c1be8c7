//! Creation of a folder of files, as a whole or not at all.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use fs_err as fs;
use wasm_oci_core::fs::{TemporaryFolder, rename, write};
use wasm_oci_templates::Rendered;

use crate::scaffold::error::Error;

/// Writes files into a new folder. Calls `finish` with the temporary folder before it gets its name. If anything fails, no new files
/// are left.
pub fn create(
    folder: &Path,
    files: &[Rendered],
    finish: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<(), Error> {
    let exists = || Error::Exists { path: folder.to_owned() };
    let failed = |source: io::Error| Error::Write { path: folder.to_owned(), source };
    if folder.symlink_metadata().is_ok() {
        return Err(exists());
    }
    let temporary = temporary_above(folder).map_err(failed)?;
    for file in files {
        write_below(temporary.path(), file)?;
    }
    finish(temporary.path())?;
    fs::create_dir_all(folder.parent().unwrap_or(folder)).map_err(failed)?;
    match rename(temporary.path(), folder) {
        Ok(()) => Ok(()),
        Err(error)
            // Somebody has made the folder meanwhile. Renaming replaces only an empty one
            // (rename(2)).
            if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::NotADirectory) =>
        {
            Err(exists())
        }
        Err(error) => Err(failed(error)),
    }
}

/// Writes a file, and creates its folders.
pub(super) fn write_below(folder: &Path, file: &Rendered) -> Result<(), Error> {
    let path = folder.join(&file.path);
    let written = fs::create_dir_all(path.parent().unwrap_or(folder))
        .and_then(|()| write(&path, &file.content));
    written.map_err(|source| Error::Write { path, source })
}

/// Creates a temporary folder in the nearest existing folder above `path`.
fn temporary_above(path: &Path) -> io::Result<TemporaryFolder> {
    // On the same file system, because a rename works only within one.
    let above: PathBuf = std::path::absolute(path)?;
    let above = above.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    TemporaryFolder::new_in(above)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<Rendered> {
        let file = |path: &str| Rendered { path: path.into(), content: path.into() };
        vec![file("Cargo.toml"), file("src/main.rs")]
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        entries.map(|name| name.into_string().unwrap()).collect()
    }

    #[test]
    fn all_is_there_when_it_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("a/project");
        create(&project, &files(), |temporary| {
            assert!(!project.exists() && temporary.join("src/main.rs").exists());
            Ok(())
        })
        .unwrap();
        assert_eq!(fs::read_to_string(project.join("src/main.rs")).unwrap(), "src/main.rs");
        assert_eq!(names(folder.path()), ["a"]);
        assert_eq!(names(&folder.path().join("a")), ["project"]);
    }

    #[test]
    #[cfg(unix)]
    fn others_may_read_it_as_the_umask_says() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (project, usual) = (folder.path().join("project"), folder.path().join("usual"));
        create(&project, &files(), |_| Ok(())).unwrap();
        fs::create_dir(&usual).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&project), mode(&usual));
    }

    #[test]
    fn nothing_is_left_of_what_failed() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("a/project");
        let error = create(&project, &files(), |_| Err(Error::NoTemplate)).unwrap_err();
        assert!(matches!(error, Error::NoTemplate), "{error}");
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[test]
    fn what_is_there_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("project");
        fs::write(&project, "a file").unwrap();
        let error = create(&project, &files(), |_| Ok(())).unwrap_err();
        assert!(matches!(error, Error::Exists { .. }), "{error}");
        assert_eq!(fs::read_to_string(&project).unwrap(), "a file");
        let error = create(folder.path(), &files(), |_| Ok(())).unwrap_err();
        assert!(matches!(error, Error::Exists { .. }), "{error}");
        assert_eq!(names(folder.path()), ["project"]);
    }
}
