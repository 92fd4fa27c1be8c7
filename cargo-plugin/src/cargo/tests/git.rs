use std::path::Path;

use super::Sandbox;
use crate::cargo::env::CargoEnv;
use crate::cargo::git::{PendingRevision, Revision, Unreadable};

fn revision(env: &CargoEnv, dir: &Path) -> Option<Revision> {
    PendingRevision::start(env, dir)?.finish(None).expect("readable")
}

fn git(sandbox: &Sandbox, args: &[&str]) {
    let status = sandbox.env("").command("git").args(args).status().expect("git");
    assert!(status.success(), "{args:?}");
}

#[test]
fn a_revision_is_the_commit_and_whether_files_differ() {
    let mut sandbox = Sandbox::new(&[("file", "1")]);
    assert_eq!(revision(&sandbox.env(""), &sandbox.root()), None);
    for (name, value) in
        [("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a"), ("GIT_COMMITTER_NAME", "a")]
    {
        sandbox.set(name, value);
    }
    sandbox.set("GIT_COMMITTER_EMAIL", "a");
    sandbox.set("GIT_COMMITTER_DATE", "1700000000 +0000");
    git(&sandbox, &["init", "--quiet"]);
    assert_eq!(revision(&sandbox.env(""), &sandbox.root()), None);
    git(&sandbox, &["add", "file"]);
    git(&sandbox, &["commit", "--quiet", "--no-gpg-sign", "--message", "m"]);
    sandbox.write("not known", "");
    let Some(clean) = revision(&sandbox.env(""), &sandbox.root()) else { panic!("a commit") };
    assert_eq!(
        (clean.dirty, clean.time, clean.commit.len(), &clean.origin),
        (false, 1_700_000_000, 40, &None)
    );
    sandbox.write("file", "2");
    git(&sandbox, &["remote", "add", "origin", "git@example.com:a/b.git"]);
    let dirty = revision(&sandbox.env(""), &sandbox.root()).expect("a commit");
    assert_eq!(dirty.to_string(), format!("{}-dirty", clean.commit));
    assert_eq!(
        dirty,
        Revision { dirty: true, origin: Some("https://example.com/a/b".into()), ..clean }
    );

    let memory = sandbox.root().join("memory.json");
    let again = || {
        PendingRevision::start(&sandbox.env(""), &sandbox.root())?
            .finish(Some(&memory))
            .expect("readable")
    };
    assert_eq!(again(), again());
    assert!(memory.is_file());
    git(&sandbox, &["remote", "set-url", "origin", "git@example.com:a/elsewhere.git"]);
    assert_eq!(
        again().expect("a commit").origin.as_deref(),
        Some("https://example.com/a/elsewhere")
    );

    sandbox.write(".gitignore", "unpacked");
    sandbox.write("unpacked/Cargo.toml", "");
    assert_eq!(revision(&sandbox.env(""), &sandbox.root().join("unpacked")), None);
}

/// Returns git's reason, and what to do about it, as an error and a probe would show them.
fn unreadable(sandbox: &Sandbox) -> Unreadable {
    let pending = PendingRevision::start(&sandbox.env(""), &sandbox.root()).expect("a repository");
    pending.finish(None).expect_err("unreadable")
}

#[test]
fn a_repository_that_git_refuses_is_reported_with_the_remedy() {
    let mut sandbox = Sandbox::new(&[("file", "1")]);
    git(&sandbox, &["init", "--quiet"]);
    // git's own variable for its tests: sources of another user, as in most containers.
    sandbox.set("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1");
    let error = unreadable(&sandbox);
    assert!(error.reason.contains("dubious ownership"), "{error}");
    let root = sandbox.root().display().to_string();
    let command = format!("git config --global --add safe.directory {root}`");
    assert!(error.to_string().ends_with(&command), "{error}");
}

#[test]
fn a_repository_without_git_or_with_a_lost_folder_is_reported() {
    let mut sandbox = Sandbox::new(&[(".git", "gitdir: /nowhere/.git/worktrees/x\n")]);
    let error = unreadable(&sandbox);
    assert!(error.reason.starts_with("not a git repository: /nowhere"), "{error}");
    sandbox.set("PATH", sandbox.root());
    assert_eq!(unreadable(&sandbox).reason, "git is not on PATH");
    // A folder that only has the name.
    let sandbox = Sandbox::new(&[(".git/file", "")]);
    assert_eq!(revision(&sandbox.env(""), &sandbox.root()), None);
}
