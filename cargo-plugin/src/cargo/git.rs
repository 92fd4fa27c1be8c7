//! The commit that a module is built from.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use serde::{Deserialize, Serialize};
use wasm_oci_app::files::write;
use wasm_oci_core::fs::TrackedFile;

use crate::cargo::env::CargoEnv;

/// A commit, and whether the files are as in it. Shown as its hash, with `-dirty` if they aren't.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// The commit's full hash.
    pub commit: String,
    /// Whether a file that git knows differs from the commit.
    pub dirty: bool,
    /// When it was committed, in seconds since 1970.
    pub time: u64,
    /// Where the repository comes from, as an address for a browser, without a user or password.
    pub origin: Option<String>,
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.commit, if self.dirty { "-dirty" } else { "" })
    }
}

/// Git's answers, asked for and not yet there: together with a build they cost no time.
#[derive(Debug)]
pub struct PendingRevision {
    git: Git,
    status: Child,
}

/// What stays so for as long as its commit is the current one and git's configuration is the same. (Which folders are
/// ignored could change in between; that is looked at once a commit.)
#[derive(Debug, Serialize, Deserialize)]
struct Commit {
    hash: String,
    time: u64,
    origin: Option<String>,
    folder: PathBuf,
    /// The repository ignores the folder.
    ignored: bool,
    /// The repository's configuration, where it is plain to see which one that is.
    config: Option<TrackedFile>,
}

impl PendingRevision {
    /// Asks git about the repository that `dir` is in. None without git or a repository.
    pub fn start(env: &CargoEnv, dir: &Path) -> Option<Self> {
        if !may_be_in_repository(env, dir) {
            return None;
        }
        let git = Git { program: env.find("git")?, env: env.clone(), dir: dir.to_owned() };
        let status = git.ask(&["status", "--porcelain=v2", "--branch", "--untracked-files=no"])?;
        Some(Self { git, status })
    }

    /// Waits for the answers. None without a commit, and none for a folder that the repository ignores: what lies
    /// there is not of this commit. What git says of a commit is kept in the file `memory`.
    pub fn finish(self, memory: Option<&Path>) -> Option<Revision> {
        let Self { git, status } = self;
        let status = stdout(status)?;
        // A header line is `# branch.oid <commit> | (initial)`; what isn't a header is a file that differs.
        let hash = status.lines().find_map(|line| line.strip_prefix("# branch.oid "))?;
        let hash = Some(hash).filter(|hash| *hash != "(initial)")?;
        let dirty = status.lines().any(|line| !line.starts_with('#'));
        let commit = match memory.and_then(|file| Commit::recall(file, hash, &git.dir)) {
            Some(commit) => commit,
            None => {
                let commit = Commit::ask(&git, hash)?;
                if let Some(file) = memory {
                    commit.keep(file);
                }
                commit
            }
        };
        let Commit { hash, time, origin, ignored, .. } = commit;
        (!ignored).then_some(Revision { commit: hash, dirty, time, origin })
    }
}

impl Commit {
    fn ask(git: &Git, hash: &str) -> Option<Self> {
        let config = config_file(git);
        let log = git.ask(&["log", "-1", "--no-show-signature", "--format=%ct", hash]);
        let origin = git.ask(&["config", "--get", "remote.origin.url"]);
        let ignored = git.ask(&["check-ignore", "--quiet", "."]);
        let [log, origin, ignored] = [log, origin, ignored].map(|child| child.and_then(stdout));
        Some(Commit {
            hash: hash.to_owned(),
            time: log?.parse().ok()?,
            origin: origin.and_then(|address| browsable(&address)),
            folder: git.dir.clone(),
            ignored: ignored.is_some(),
            config,
        })
    }

    fn recall(file: &Path, hash: &str, folder: &Path) -> Option<Self> {
        let known: Self = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
        let is_same_config = known.config.as_ref().is_some_and(TrackedFile::is_current);
        (known.hash == hash && known.folder == folder && is_same_config).then_some(known)
    }

    /// Where it can't be kept, git is just asked again.
    fn keep(&self, file: &Path) {
        if let Ok(json) = serde_json::to_vec(self) {
            write(file, &json).ok();
        }
    }
}

/// The program, and the folder that it is asked about.
#[derive(Debug)]
struct Git {
    program: PathBuf,
    env: CargoEnv,
    dir: PathBuf,
}

impl Git {
    fn ask(&self, args: &[&str]) -> Option<Child> {
        let mut command = self.env.command(&self.program);
        // Without locks: a build must not make the user's own git command fail.
        command.arg("--no-optional-locks").arg("-C").arg(&self.dir).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()
    }
}

fn config_file(git: &Git) -> Option<TrackedFile> {
    let file =
        git.dir.ancestors().map(|folder| folder.join(".git/config")).find(|file| file.is_file())?;
    git.env.var("GIT_DIR").is_none().then(|| TrackedFile::of(&file))
}

/// Looking is most often enough to know that git would find nothing, and costs no process.
fn may_be_in_repository(env: &CargoEnv, dir: &Path) -> bool {
    env.var("GIT_DIR").is_some() || dir.ancestors().any(|folder| folder.join(".git").exists())
}

fn stdout(child: Child) -> Option<String> {
    let output = child.wait_with_output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// `git@host:owner/name.git`, `ssh://…` and `https://user:password@…`, as `https://host/owner/name`. None for a folder.
fn browsable(address: &str) -> Option<String> {
    let (host, path) = match address.split_once("://") {
        Some(("http" | "https" | "ssh" | "git", rest)) => rest.split_once('/')?,
        Some(_) => return None,
        None => address
            .split_once(':')
            .filter(|(host, _)| host.len() > 1 && !host.contains(['/', '\\']))?,
    };
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    // The port of `ssh` is none for a browser.
    let host = if address.starts_with("http") { host } else { host.split(':').next()? };
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    (!host.is_empty() && !path.is_empty()).then(|| format!("https://{host}/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_for_a_browser_and_hold_no_secret() {
        for address in [
            "https://example.com/owner/name",
            "https://example.com/owner/name.git/",
            "https://user:secret@example.com/owner/name.git",
            "git@example.com:owner/name.git",
            "ssh://git@example.com:2222/owner/name.git",
        ] {
            assert_eq!(
                browsable(address).as_deref(),
                Some("https://example.com/owner/name"),
                "{address}"
            );
        }
        for address in ["/srv/git/name.git", "../name", "file:///srv/name", "C:\\name", ""] {
            assert_eq!(browsable(address), None, "{address}");
        }
    }
}
