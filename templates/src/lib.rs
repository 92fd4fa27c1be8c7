//! Project templates, embedded, so that they work offline.
//!
//! None is here yet; this is the room for them, and their loader. A template lies in a folder of this package.
//! Cargo leaves folders with a `Cargo.toml` out when it publishes a package, so that such files end in
//! [`SUFFIX`] here, which is taken off when a project is made of them.

use std::io;
use std::path::{Component, Path, PathBuf};

use fs_err as fs;

/// The ending of files whose own names would mean something to cargo here.
pub const SUFFIX: &str = ".tmpl";

/// A project to start from.
#[derive(Debug, Clone, Copy)]
pub struct Template {
    /// The name by which it is chosen.
    pub name: &'static str,
    /// What it is good for, on one line.
    pub about: &'static str,
    /// Its files: paths below the project's folder, and what is in them.
    pub files: &'static [(&'static str, &'static [u8])],
}

/// All templates, in the order in which they are shown.
#[must_use]
pub fn all() -> &'static [Template] {
    &[]
}

impl Template {
    /// Writes the files into `folder`, which is made and must not be there before.
    ///
    /// # Errors
    /// When the folder is there already, or something can't be written.
    pub fn write_to(&self, folder: &Path) -> io::Result<()> {
        if let Some(parent) = folder.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::create_dir(folder)?;
        for (path, content) in self.files {
            let path = folder.join(target_path(path)?);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(path, content)?;
        }
        Ok(())
    }
}

/// A file's path in the project: without [`SUFFIX`], and inside of the project's folder.
fn target_path(path: &str) -> io::Result<PathBuf> {
    let path = Path::new(path.strip_suffix(SUFFIX).unwrap_or(path));
    if path.components().all(|part| matches!(part, Component::Normal(_))) {
        return Ok(path.to_owned());
    }
    let message = format!("`{}` leads out of the template's folder", path.display());
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Template = Template {
        name: "small",
        about: "For this test",
        files: &[("Cargo.toml.tmpl", b"[package]"), ("src/main.rs", b"fn main() {}")],
    };

    #[test]
    fn a_project_is_written_with_its_own_names() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("a/project");
        SMALL.write_to(&project).unwrap();
        assert_eq!(fs::read(project.join("Cargo.toml")).unwrap(), b"[package]");
        assert_eq!(fs::read(project.join("src/main.rs")).unwrap(), b"fn main() {}");
    }

    #[test]
    fn an_existing_folder_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let error = SMALL.write_to(folder.path()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert!(!folder.path().join("Cargo.toml").exists());
    }

    #[test]
    fn a_template_stays_in_its_folder() {
        for path in ["../x", "/x", "a/../../x"] {
            assert!(target_path(path).is_err(), "{path}");
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<&str> = all().iter().map(|template| template.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all().len());
    }
}
