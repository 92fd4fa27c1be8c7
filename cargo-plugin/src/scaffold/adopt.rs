//! What a project that exists lacks to become images.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use wasm_oci_app::config::target::WasiTarget;
use wasm_oci_templates::{Program, Rendered};

use crate::cargo::project::{Project, TargetKind};
use crate::scaffold::create::write_below;
use crate::scaffold::error::Error;
use crate::scaffold::manifest::{add_settings, change};

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is new.
    Created,
    /// It was there, and says more now.
    Extended,
    /// It was there, and stays as it was.
    Kept,
}

/// What cargo also takes for the file `rust-toolchain.toml`.
const OLD_TOOLCHAIN_FILE: &str = "rust-toolchain";

/// The programs, as files for their deployment name them.
#[must_use]
pub fn programs(projects: &[Project]) -> Vec<Program> {
    let program = |project: &Project| Program {
        package: project.package.clone(),
        name: project.target.clone(),
        serves: is_component_library(project),
    };
    projects.iter().map(program).collect()
}

/// A library that is built as a component answers requests, as far as one can tell before it is built.
fn is_component_library(project: &Project) -> bool {
    let target = project.metadata.as_ref().and_then(|it| it.get("target")?.as_str());
    project.kind == TargetKind::Cdylib && target == Some(WasiTarget::Wasip2.name())
}

/// Where the projects' images go, if a setting says so as templates do.
#[must_use]
pub fn registry(projects: &[Project]) -> Option<String> {
    projects.iter().find_map(|project| {
        let repository = project.metadata.as_ref()?.get("repository")?.as_str()?;
        repository.strip_suffix("/{bin}").map(str::to_owned)
    })
}

/// Adds settings to the manifests of projects that have none.
///
/// # Errors
/// Those of [`change`]. Manifests before the one that can't be changed have changed.
pub fn extend_manifests(
    projects: &[Project],
    registry: &str,
) -> Result<Vec<(PathBuf, Fate)>, Error> {
    let manifests: BTreeSet<&Path> = projects.iter().map(|it| it.manifest_path.as_path()).collect();
    let extend = |path: &Path| {
        let changed = change(path, |manifest| add_settings(manifest, registry))?;
        Ok((path.to_owned(), if changed { Fate::Extended } else { Fate::Kept }))
    };
    manifests.into_iter().map(extend).collect()
}

/// Writes those of the files that aren't there.
///
/// # Errors
/// [`Error::Write`].
pub fn add_files(folder: &Path, files: &[Rendered]) -> Result<Vec<(PathBuf, Fate)>, Error> {
    let add = |file: &Rendered| {
        let path = folder.join(&file.path);
        let is_toolchain = file.path == Path::new("rust-toolchain.toml");
        let is_there = path.symlink_metadata().is_ok()
            || is_toolchain && folder.join(OLD_TOOLCHAIN_FILE).exists();
        if !is_there {
            write_below(folder, file)?;
        }
        Ok((path, if is_there { Fate::Kept } else { Fate::Created }))
    };
    files.iter().map(add).collect()
}
