//! Membership of a new project in the workspace above its folder.

use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Deserialize;
use wasm_oci_core::error_chain;
use wasm_oci_core::fs::write;

use crate::cargo::env::CargoEnv;
use crate::cargo::error::Error as CargoError;
use crate::cargo::project::ask_cargo;
use crate::cargo::selection::{ManifestArgs, Selection};
use crate::scaffold::manifest::{add_member, change};

/// Relation of a project to the workspace above it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Membership {
    /// There is no workspace, or it does not include the project.
    Alone,
    /// A pattern of the workspace already includes the project.
    Member { root: PathBuf },
    /// We added the project to the members.
    Added { root: PathBuf },
    /// cargo will not build the project or the workspace until the user changes something.
    Trouble { reason: String },
}

#[derive(Deserialize)]
struct Metadata {
    workspace_root: PathBuf,
}

/// Makes a project a member of the workspace above it, as `cargo new` does. A project that is a workspace stays out.
pub fn join(env: &CargoEnv, folder: &Path, is_workspace: bool) -> Membership {
    if is_workspace {
        return stay_out(env, folder);
    }
    match workspace_of(env, &folder.join("Cargo.toml")) {
        Ok(root) if root == folder => Membership::Alone,
        Ok(root) => Membership::Member { root: root.join("Cargo.toml") },
        Err(message) => match claimed_by(&message) {
            Some(root) => {
                add(env, folder, &root).unwrap_or_else(|reason| Membership::Trouble { reason })
            }
            None => Membership::Trouble { reason: message },
        },
    }
}

/// Checks that the workspace above does not include a workspace, which cargo does not allow.
fn stay_out(env: &CargoEnv, folder: &Path) -> Membership {
    let above = folder.ancestors().skip(1).map(|it| it.join("Cargo.toml")).find(|it| it.is_file());
    let Some(manifest) = above else { return Membership::Alone };
    match workspace_of(env, &manifest) {
        // cargo reports this only as text, too.
        Err(message) if message.contains("multiple workspace roots") => {
            let name = folder.strip_prefix(manifest.parent().unwrap_or(folder)).unwrap_or(folder);
            Membership::Trouble {
                reason: format!(
                    "a workspace can't be a member of another: add `exclude = [\"{}\"]` to `[workspace]` in `{}`",
                    name.display(),
                    manifest.display()
                ),
            }
        }
        _ => Membership::Alone,
    }
}

/// Adds a project to the members of a workspace, and undoes that if cargo then fails.
fn add(env: &CargoEnv, folder: &Path, root: &Path) -> Result<Membership, String> {
    let path = folder.strip_prefix(root.parent().unwrap_or(root)).map_err(|e| e.to_string())?;
    let member = path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
    let before = fs::read(root).map_err(|e| e.to_string())?;
    change(root, |manifest| add_member(manifest, &member)).map_err(|e| error_chain(&e))?;
    match workspace_of(env, &folder.join("Cargo.toml")) {
        Ok(_) => Ok(Membership::Added { root: root.to_owned() }),
        Err(message) => {
            // With a member that cargo rejects, the user's other packages would not build either.
            write(root, &before).map_err(|e| e.to_string())?;
            Err(message)
        }
    }
}

/// Returns the folder of the workspace that contains a package, according to cargo; otherwise cargo's message.
fn workspace_of(env: &CargoEnv, manifest: &Path) -> Result<PathBuf, String> {
    let selection = Selection {
        manifest: ManifestArgs {
            manifest_path: Some(manifest.to_owned()),
            // A question about a workspace must not download anything.
            offline: true,
            ..ManifestArgs::default()
        },
        ..Selection::default()
    };
    let text = ask_cargo(env, &selection).map_err(|error| match error {
        CargoError::MetadataFailed { message } => message,
        other => error_chain(&other),
    })?;
    serde_json::from_str(&text).map(|it: Metadata| it.workspace_root).map_err(|e| e.to_string())
}

/// Returns the workspace that cargo expects a package in, but that does not list it.
fn claimed_by(message: &str) -> Option<PathBuf> {
    // cargo reports this only as text.
    if !message.contains("believes it's in a workspace when it's not") {
        return None;
    }
    message.lines().find_map(|line| line.strip_prefix("workspace:")).map(|path| path.trim().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Joins a package in `crates/app` to a workspace, and returns the result and the manifest.
    fn joined(workspace: Option<&str>, own: &str) -> (Membership, String) {
        let folder = tempfile::tempdir().unwrap();
        // As cargo finds it.
        let above = fs::canonicalize(folder.path()).unwrap();
        let root = above.join("Cargo.toml");
        // Nothing above the temporary folder counts.
        write(&root, workspace.unwrap_or("[workspace]\nexclude = [\"crates\"]\n"));
        let app = above.join("crates/app");
        write(&app.join("src/main.rs"), "fn main() {}");
        write(
            &app.join("Cargo.toml"),
            &format!("[package]\nname = \"app\"\nedition = \"2024\"\n{own}"),
        );
        let membership =
            join(&CargoEnv::from_process().unwrap(), &app, own.contains("[workspace]"));
        let membership = match membership {
            Membership::Member { root: found } | Membership::Added { root: found }
                if found != root =>
            {
                panic!("{} is not {}", found.display(), root.display())
            }
            other => other,
        };
        (membership, fs::read_to_string(root).unwrap())
    }

    #[test]
    fn without_a_workspace_it_is_alone() {
        assert_eq!(joined(None, "").0, Membership::Alone);
    }

    #[test]
    fn a_pattern_takes_it_in() {
        let workspace = "[workspace]\nmembers = [\"crates/*\"]\n";
        let (membership, after) = joined(Some(workspace), "");
        assert!(matches!(membership, Membership::Member { .. }), "{membership:?}");
        assert_eq!(after, workspace);
    }

    #[test]
    fn else_it_is_added() {
        let (membership, after) = joined(Some("[workspace] # ours\n"), "");
        assert!(matches!(membership, Membership::Added { .. }), "{membership:?}");
        assert_eq!(after, "[workspace] # ours\nmembers = [\"crates/app\"]\n");
    }

    #[test]
    fn a_broken_workspace_is_told_of() {
        let (membership, after) = joined(Some("[workspace]\nmembers = [\"nothing\"]\n"), "");
        assert!(
            matches!(&membership, Membership::Trouble { reason } if reason.contains("nothing")),
            "{membership:?}"
        );
        assert_eq!(after, "[workspace]\nmembers = [\"nothing\"]\n");
    }

    #[test]
    fn a_workspace_stays_out() {
        assert_eq!(joined(Some("[workspace]\n"), "[workspace]\n").0, Membership::Alone);
        let (membership, _) =
            joined(Some("[workspace]\nmembers = [\"crates/*\"]\n"), "[workspace]\n");
        let excluded = |reason: &str| reason.contains("exclude = [\"crates/app\"]");
        assert!(
            matches!(&membership, Membership::Trouble { reason } if excluded(reason)),
            "{membership:?}"
        );
    }
}
