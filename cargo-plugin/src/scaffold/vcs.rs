//! git: a repository for a new project, and defaults from git's configuration.

use std::path::Path;

use clap::ValueEnum;
use wasm_oci_app::rustc::error_message;
use wasm_oci_core::trace::OrTrace;

use crate::cargo::env::{CargoEnv, traced};
use crate::cargo::git::Git;
use crate::scaffold::error::Error;

/// Version control system of a new project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Vcs {
    /// A new git repository
    Git,
    /// No repository of its own
    None,
}

impl Vcs {
    /// Chooses as cargo does: git, unless git is not installed, or a repository already contains the folder and does not ignore it.
    pub fn for_folder(env: &CargoEnv, folder: &Path) -> Vcs {
        match env.find("git").is_none() || is_in_repository(env, folder) {
            true => Vcs::None,
            false => Vcs::Git,
        }
    }

    /// Makes a repository in a folder, or none.
    pub fn init(self, env: &CargoEnv, folder: &Path) -> Result<(), Error> {
        if self == Vcs::None {
            return Ok(());
        }
        let failed = |reason: String| Error::Vcs { reason };
        let git = Git::find(env, folder).ok_or_else(|| failed("it is not on PATH".to_owned()))?;
        let mut command = git.command(&["init", "--quiet"]);
        // Our workflows expect `main`, but a name that the user configured takes precedence.
        if git.ask(&["config", "--get", "init.defaultBranch"]).is_none() {
            command.args(["--initial-branch", "main"]);
        }
        let output = traced(&mut command).output().map_err(|error| failed(error.to_string()))?;
        if output.status.success() { Ok(()) } else { Err(failed(error_message(&output.stderr))) }
    }
}

/// Returns true if a repository contains the folder, which may not exist yet, and does not ignore it.
pub fn is_in_repository(env: &CargoEnv, folder: &Path) -> bool {
    let above = nearest(folder);
    // As `cargo new`, which makes no git repository inside one of another system.
    let other = [".hg", ".jj", ".pijul"];
    above.ancestors().any(|it| other.iter().any(|name| it.join(name).is_dir()))
        || asked(env, above, &["rev-parse", "--is-inside-work-tree"]).as_deref() == Some("true")
            && !is_ignored(env, above, folder)
}

/// Returns the registry of the user on GitHub: the owner of the repository that contains the folder, otherwise `github.user`,
/// otherwise a placeholder.
pub fn default_registry(env: &CargoEnv, folder: &Path) -> String {
    let above = nearest(folder);
    let origin = asked(env, above, &["config", "--get", "remote.origin.url"]);
    let owner = origin
        .as_deref()
        .and_then(github_owner)
        .or_else(|| asked(env, above, &["config", "--get", "github.user"]));
    // Names of repositories are lower-case (distribution-spec), names of owners on GitHub need not
    // be.
    format!("ghcr.io/{}", owner.as_deref().unwrap_or("owner").to_lowercase())
}

/// Returns the user as `Name <address>`, from git's configuration.
pub fn user(env: &CargoEnv, folder: &Path) -> Option<String> {
    let above = nearest(folder);
    let name = asked(env, above, &["config", "--get", "user.name"])?;
    Some(match asked(env, above, &["config", "--get", "user.email"]) {
        Some(address) => format!("{name} <{address}>"),
        None => name,
    })
}

/// Returns the owner in an address on GitHub, such as `https://github.com/owner/name` or `git@github.com:owner/name`.
fn github_owner(address: &str) -> Option<String> {
    let (_, rest) = address.split_once("github.com")?;
    let (owner, _) = rest.strip_prefix([':', '/'])?.split_once('/')?;
    (!owner.is_empty()).then(|| owner.to_owned())
}

fn nearest(folder: &Path) -> &Path {
    // git can't run in a folder that does not exist yet.
    folder.ancestors().find(|it| it.is_dir()).unwrap_or(Path::new("."))
}

fn asked(env: &CargoEnv, folder: &Path, args: &[&str]) -> Option<String> {
    Git::find(env, folder)?.ask(args).filter(|answer| !answer.is_empty())
}

fn is_ignored(env: &CargoEnv, above: &Path, folder: &Path) -> bool {
    let Some(git) = Git::find(env, above) else { return false };
    let mut command = git.command(&["check-ignore", "--quiet"]);
    let status = traced(command.arg(folder)).status().or_trace("ask git for ignored files");
    status.is_some_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_on_github_has_an_owner() {
        for address in [
            "https://github.com/Me/x.git",
            "git@github.com:Me/x.git",
            "ssh://git@github.com/Me/x",
            "git://github.com/Me/x",
        ] {
            assert_eq!(github_owner(address).as_deref(), Some("Me"), "{address}");
        }
        for address in ["https://gitlab.com/Me/x", "github.com", "../github.com/x"] {
            assert_eq!(github_owner(address), None, "{address}");
        }
    }
}
