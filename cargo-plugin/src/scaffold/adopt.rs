//! Additions to an existing project that make it ready for images.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use wasm_oci_app::config::target::WasiTarget;
use wasm_oci_templates::{Program, Rendered};

use crate::cargo::project::{Project, TargetKind};
use crate::scaffold::create::write_below;
use crate::scaffold::error::Error;
use crate::scaffold::manifest::{add_settings, change};

/// Result for one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Created,
    /// The file existed, and has new settings.
    Extended,
    /// The file existed, and is unchanged.
    Kept,
}

/// The older name of `rust-toolchain.toml`, which rustup still reads.
const OLD_TOOLCHAIN_FILE: &str = "rust-toolchain";

/// Returns the programs in the form that templates of deployment files use.
pub fn programs(projects: &[Project], needs_shim: impl Fn(&Project) -> bool) -> Vec<Program> {
    let program = |project: &Project| Program {
        package: project.package.clone(),
        name: project.target.clone(),
        serves: is_component_library(project),
        needs_shim: needs_shim(project),
    };
    projects.iter().map(program).collect()
}

/// Guesses that a library built as a component serves HTTP. We can only be sure after building it.
fn is_component_library(project: &Project) -> bool {
    let target = project.metadata.as_ref().and_then(|it| it.get("target")?.as_str());
    project.kind == TargetKind::Cdylib && target == Some(WasiTarget::Wasip2.name())
}

/// Returns the registry of the projects' images, if a setting has it in the form that templates write.
pub fn registry(projects: &[Project]) -> Option<String> {
    projects.iter().find_map(|project| {
        let repository = project.metadata.as_ref()?.get("repository")?.as_str()?;
        repository.strip_suffix("/{bin}").map(str::to_owned)
    })
}

/// Adds settings to the manifests of projects that have none: with a format, if they `get_format`. If one fails, those before it
/// stay changed.
pub fn extend_manifests(
    projects: &[Project],
    registry: &str,
    get_format: impl Fn(&Project) -> bool,
) -> Result<Vec<(PathBuf, Fate)>, Error> {
    // A package with several programs has one manifest.
    let manifests: BTreeSet<&Path> = projects.iter().map(|it| it.manifest_path.as_path()).collect();
    let extend = |path: &Path| {
        let get_format = projects.iter().any(|it| it.manifest_path == path && get_format(it));
        let changed = change(path, |manifest| add_settings(manifest, registry, get_format))?;
        Ok((path.to_owned(), if changed { Fate::Extended } else { Fate::Kept }))
    };
    manifests.into_iter().map(extend).collect()
}

/// Writes the files that do not exist yet.
pub fn add_files(folder: &Path, files: &[Rendered]) -> Result<Vec<(PathBuf, Fate)>, Error> {
    let add = |file: &Rendered| {
        let path = folder.join(&file.path);
        // If both files exist, rustup reads the older name, so a new one would have no effect.
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
