//! git: the commit that a module is built from, and questions about repositories.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde::{Deserialize, Serialize};
use wasm_oci_core::fs::TrackedFile;
use wasm_oci_core::text::visible;
use wasm_oci_core::trace::OrTrace;

use crate::cargo::env::{CargoEnv, traced};
use crate::cargo::json_cache;

/// A commit, and whether the files differ from it. Displayed as its hash, with `-dirty` if they do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    pub commit: String,
    /// True if a tracked file differs from the commit.
    pub dirty: bool,
    /// Time of the commit, in seconds since 1970.
    pub time: u64,
    /// Address of the repository's origin for a browser, without a user or password.
    pub origin: Option<String>,
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.commit, if self.dirty { "-dirty" } else { "" })
    }
}

/// A revision that git is still working on. A build in between costs no time.
#[derive(Debug)]
pub struct PendingRevision {
    folder: PathBuf,
    /// git and its process, or the reason why there is none.
    git: Result<(Git, Child), String>,
}

/// A repository that git can't read, or refuses to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "git can't read the repository around `{}`: {reason}. Its commit is not in the images (`revision`, `created`), and so their \
     digests differ from those of other builds{}",
    folder.display(), remedy.as_ref().map(|it| format!(". {it}")).unwrap_or_default()
)]
pub struct Unreadable {
    pub folder: PathBuf,
    pub reason: String,
    pub remedy: Option<String>,
}

/// Cached facts about a commit.
#[derive(Debug, Serialize, Deserialize)]
struct Commit {
    hash: String,
    time: u64,
    origin: Option<String>,
    folder: PathBuf,
    /// True if the repository ignores the folder.
    ignored: bool,
    config: Option<TrackedFile>,
}

impl PendingRevision {
    /// Starts git in the repository that contains `dir`. Returns `None` without git or a repository.
    pub fn start(env: &CargoEnv, dir: &Path) -> Option<PendingRevision> {
        if !may_be_in_repository(env, dir) {
            return None;
        }
        let not_found = || "git is not on PATH".to_owned();
        let git = Git::find(env, dir).ok_or_else(not_found).and_then(|git| {
            // Without untracked files, because git would search all folders for them.
            let mut command =
                git.command(&["status", "--porcelain=v2", "--branch", "--untracked-files=no"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            let child = traced(&mut command).spawn();
            Ok((git, child.map_err(|error| format!("git does not start: {error}"))?))
        });
        Some(PendingRevision { folder: dir.to_owned(), git })
    }

    /// Waits for git. Returns `None` without a commit, or in an ignored folder. `cache` is the file for facts about the commit.
    pub fn finish(self, cache: Option<&Path>) -> Result<Option<Revision>, Unreadable> {
        let unreadable = |reason: String| Unreadable::new(&self.folder, reason);
        let (git, status) = self.git.map_err(unreadable)?;
        let output = status.wait_with_output().map_err(|error| unreadable(error.to_string()))?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr).into_owned();
            // A folder named `.git` that is not git's.
            let is_none = message.starts_with("fatal: not a git repository (or any");
            return if is_none { Ok(None) } else { Err(unreadable(message)) };
        }
        let status = String::from_utf8_lossy(&output.stdout);
        // A header line is `# branch.oid <commit> | (initial)`. All other lines are files that differ.
        let hash = status.lines().find_map(|line| line.strip_prefix("# branch.oid "));
        let Some(hash) = hash.filter(|hash| *hash != "(initial)") else { return Ok(None) };
        let dirty = status.lines().any(|line| !line.starts_with('#'));
        let cached = cache.and_then(|file| Commit::cached(file, hash, &git.dir));
        tracing::debug!(hash, hit = cached.is_some(), "looked for cached facts about the commit");
        let commit = match cached {
            Some(commit) => commit,
            None => {
                let commit = Commit::ask(&git, hash)
                    .ok_or_else(|| unreadable(format!("commit {hash} is not complete")))?;
                cache.inspect(|file| json_cache::write(file, &commit));
                commit
            }
        };
        let Commit { hash, time, origin, ignored, .. } = commit;
        // The files of an ignored folder are not part of the commit.
        Ok((!ignored).then_some(Revision { commit: hash, dirty, time, origin }))
    }
}

impl Unreadable {
    /// Takes git's message apart.
    fn new(folder: &Path, message: String) -> Unreadable {
        // Builds in containers often have sources of another user. git then refuses every question, because configuration in
        // the repository can start programs. The user has to decide; git's own message has the command.
        let allow =
            message.lines().map(str::trim).find(|line| line.contains("--add safe.directory"));
        let remedy = allow.map(|command| format!("If you trust its owner, run `{command}`"));
        let first = message.lines().next().unwrap_or_default();
        let reason = visible(first.strip_prefix("fatal: ").unwrap_or(first));
        Unreadable { folder: folder.to_owned(), reason, remedy: remedy.map(|it| visible(&it)) }
    }
}

impl Commit {
    fn ask(git: &Git, hash: &str) -> Option<Commit> {
        let config = config_file(git);
        // All at once: each takes some milliseconds.
        // `log.showSignature` in the user's configuration would add lines.
        let log = git.start(&["log", "-1", "--no-show-signature", "--format=%ct", hash]);
        let origin = git.start(&["config", "--get", "remote.origin.url"]);
        let ignored = git.start(&["check-ignore", "--quiet", "."]);
        let [log, origin, ignored] = [log, origin, ignored].map(|child| child.and_then(answer));
        Some(Commit {
            hash: hash.to_owned(),
            time: log?.parse().or_trace("parse the time of the commit")?,
            origin: origin.and_then(|address| browsable(&address)),
            folder: git.dir.clone(),
            ignored: ignored.is_some(),
            config,
        })
    }

    fn cached(file: &Path, hash: &str, folder: &Path) -> Option<Commit> {
        let known: Commit = json_cache::read(file)?;
        // The origin comes from the configuration. A changed `.gitignore` counts only once it is
        // committed.
        let is_same_config = known.config.as_ref().is_some_and(TrackedFile::is_current);
        (known.hash == hash && known.folder == folder && is_same_config).then_some(known)
    }
}

/// The program git, and the folder that it runs in.
#[derive(Debug)]
pub struct Git {
    program: PathBuf,
    env: CargoEnv,
    dir: PathBuf,
}

impl Git {
    pub fn find(env: &CargoEnv, dir: &Path) -> Option<Git> {
        Some(Git { program: env.find("git")?, env: env.clone(), dir: dir.to_owned() })
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.env.command(&self.program);
        // Without locks, because a build must not make the user's own git command fail.
        command.arg("--no-optional-locks").arg("-C").arg(&self.dir).args(args);
        // We tell messages apart.
        command.stdin(Stdio::null()).env("LC_ALL", "C");
        command
    }

    /// Returns the trimmed output of a command that succeeds.
    pub fn ask(&self, args: &[&str]) -> Option<String> {
        answer(self.start(args)?)
    }

    fn start(&self, args: &[&str]) -> Option<Child> {
        let mut command = self.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        traced(&mut command).spawn().or_trace("start git")
    }
}

fn answer(child: Child) -> Option<String> {
    let output = child.wait_with_output().or_trace("read git's answer")?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn config_file(git: &Git) -> Option<TrackedFile> {
    let file =
        git.dir.ancestors().map(|folder| folder.join(".git/config")).find(|file| file.is_file())?;
    // With `GIT_DIR`, and in a worktree, the configuration is elsewhere. Then nothing is cached.
    git.env.var("GIT_DIR").is_none().then(|| TrackedFile::of(&file))
}

fn may_be_in_repository(env: &CargoEnv, dir: &Path) -> bool {
    // Outside a repository, this saves a process.
    env.var("GIT_DIR").is_some() || dir.ancestors().any(|folder| folder.join(".git").exists())
}

/// Returns `https://host/owner/name` for `git@host:owner/name.git`, `ssh://…` and `https://user:password@…`, and `None` for a
/// folder.
fn browsable(address: &str) -> Option<String> {
    let (host, path) = match address.split_once("://") {
        Some(("http" | "https" | "ssh" | "git", rest)) => rest.split_once('/')?,
        Some(_) => return None,
        None => address
            .split_once(':')
            // `C:\name` is a path on Windows, not a host.
            .filter(|(host, _)| host.len() > 1 && !host.contains(['/', '\\']))?,
    };
    // A user name may come with a password, which must not get into an image.
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    // The port is that of `ssh`, not that of a web server.
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
