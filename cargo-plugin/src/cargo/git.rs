//! The commit that a module is built from.

use std::{
    fmt,
    path::Path,
    process::{Child, Stdio},
    thread::{self, JoinHandle},
};

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
pub struct PendingRevision(Option<JoinHandle<Option<Revision>>>);

impl PendingRevision {
    /// Asks git about the repository that `dir` is in.
    pub fn start(env: &CargoEnv, dir: &Path) -> Self {
        let (env, dir) = (env.clone(), dir.to_owned());
        Self(may_be_in_repository(&env, &dir).then(|| thread::spawn(move || revision(&env, &dir))))
    }

    /// Waits for the answers. None without git, a repository or a commit.
    pub fn finish(self) -> Option<Revision> {
        self.0?.join().ok()?
    }
}

/// Asks git about the repository that `dir` is in, and waits. None without git, a repository or a commit, and none for
/// a folder that the repository ignores: what lies there is not of this commit.
pub fn revision(env: &CargoEnv, dir: &Path) -> Option<Revision> {
    if !may_be_in_repository(env, dir) {
        return None;
    }
    let git = env.find("git")?;
    let ask = |args: &[&str]| ask(env, &git, dir, args);
    let log = ask(&["log", "-1", "--no-show-signature", "--format=%H %ct"]);
    let status = ask(&["status", "--porcelain", "--untracked-files=no"]);
    let origin = ask(&["config", "--get", "remote.origin.url"]);
    let ignored = ask(&["check-ignore", "--quiet", "."]);
    let [log, status, origin, ignored] = [log, status, origin, ignored].map(|child| child.and_then(stdout));
    if ignored.is_some() {
        return None;
    }
    let (commit, time) = log?.split_once(' ').map(|(commit, time)| (commit.to_owned(), time.parse()))?;
    let origin = origin.and_then(|address| browsable(&address));
    Some(Revision { commit, dirty: !status?.is_empty(), time: time.ok()?, origin })
}

/// Looking is most often enough to know that git would find nothing, and costs no process.
fn may_be_in_repository(env: &CargoEnv, dir: &Path) -> bool {
    env.var("GIT_DIR").is_some() || dir.ancestors().any(|folder| folder.join(".git").exists())
}

fn ask(env: &CargoEnv, git: &Path, dir: &Path, args: &[&str]) -> Option<Child> {
    let mut command = env.command(git);
    // Without locks: a build must not make the user's own git command fail.
    command.arg("--no-optional-locks").arg("-C").arg(dir).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()
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
        None => address.split_once(':').filter(|(host, _)| host.len() > 1 && !host.contains(['/', '\\']))?,
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
            assert_eq!(browsable(address).as_deref(), Some("https://example.com/owner/name"), "{address}");
        }
        for address in ["/srv/git/name.git", "../name", "file:///srv/name", "C:\\name", ""] {
            assert_eq!(browsable(address), None, "{address}");
        }
    }
}
