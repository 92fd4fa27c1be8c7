//! Installation of wasm-oci by the action.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::runner::{Job, Outcome};
use super::{MAIN, MANIFEST, write};
use crate::harness::commands::root;
use crate::harness::{Run, tools};
use crate::release::{releases, version};

/// Output of the step that looks for wasm-oci.
fn found(job: &Job, version: &str) -> BTreeMap<String, String> {
    let done = job.run_until(&[("version", version)], "Install wasm-oci").success();
    done.steps["find"].clone()
}

fn git(folder: &Path, args: &[&str]) -> String {
    let mut git = Command::new("git");
    git.args([
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@example.org",
        "-c",
        "init.defaultBranch=main",
    ])
    .args(args);
    Run::of(git.current_dir(folder)).success().stdout.trim().to_owned()
}

#[test]
fn what_is_installed_is_used() {
    assert_eq!(found(&Job::new(), "")["from"], "path");
    assert_eq!(found(&Job::new(), &format!("v{}", version()))["from"], "path");
    let other = found(&Job::new(), "9.8.7");
    assert_eq!((other["from"].as_str(), other["version"].as_str()), ("release", "9.8.7"));
    let wrong = Job::new().run(&[("version", "latest")]);
    assert_eq!(wrong.failed, Some(("Look for wasm-oci".to_owned(), 1)), "{}", wrong.log);
}

/// Only what was released is taken for the release: a branch's head may be anything, though its version is the same.
#[test]
fn the_actions_own_ref_says_whether_it_is_a_release() {
    let server = tempfile::tempdir().unwrap();
    let repository = server.path().join("some/fork");
    fs::create_dir_all(&repository).unwrap();
    git(&repository, &["init", "--quiet"]);
    let commit = |message: &str| {
        git(&repository, &["commit", "--quiet", "--allow-empty", "--message", message]);
        git(&repository, &["rev-parse", "HEAD"])
    };
    let released = commit("release");
    let tag = format!("v{}", version());
    git(&repository, &["tag", "--annotate", "--message", "release", &tag]);
    git(&repository, &["tag", "v0", &released]);
    let later = commit("later");
    let of_ref = |name: &str| {
        let job = Job::without_programs()
            .with_env("GITHUB_SERVER_URL", format_args!("file://{}", server.path().display()))
            .with_env("TEST_ACTION_REPOSITORY", "some/fork")
            .with_env("TEST_ACTION_REF", name);
        found(&job, "")
    };
    for name in [tag.as_str(), "v0", released.as_str()] {
        assert_eq!(of_ref(name)["from"], "release", "{name}");
    }
    for name in ["main", later.as_str(), "", "none", "--upload-pack=touch pwned"] {
        assert_eq!(of_ref(name)["from"], "source", "{name}");
    }
    // The cache key of a build from sources identifies the sources.
    let job = Job::without_programs();
    let done = job.run_until(&[], "Install wasm-oci").success();
    let kept = done.given("Restore wasm-oci built from these sources");
    assert_eq!(kept["path"], done.steps["find"]["folder"]);
    assert!(kept["key"].starts_with(&format!("wasm-oci-{}-", version())), "{kept:?}");
    let uncached = job.run_until(&[("cache", "false")], "Install wasm-oci").success();
    assert!(uncached.used.is_empty());
}

/// A folder with a `gh` that notes its arguments and its token in `asked`, and ends with `code`. The real one asks GitHub.
fn gh(folder: &Path, code: u8) -> PathBuf {
    let bin = folder.join("bin");
    let script = format!(
        "#!/bin/sh\ncase $* in *--help) echo --source-ref; exit ;; esac\n\
         echo \"$GH_TOKEN: $*\" >>'{}'\nexit {code}\n",
        folder.join("asked").display()
    );
    tools::script(&bin.join("gh"), &script);
    bin
}

/// A folder with a `gh` that has no attestations yet, as in Debian 12.
fn old_gh(folder: &Path) -> PathBuf {
    let bin = gh(folder, 0);
    fs::write(bin.join("gh"), "#!/bin/sh\necho 'unknown command' >&2\nexit 1\n").unwrap();
    bin
}

/// A job on a machine without wasm-oci, and releases in `folder`, which has `v0.1.0` and so on.
fn job_with_releases(folder: &Path, server: &Path) -> Job {
    let repository = server.join("a/b");
    fs::create_dir_all(&repository).unwrap();
    git(&repository, &["init", "--quiet"]);
    git(&repository, &["commit", "--quiet", "--allow-empty", "--message", "release"]);
    git(&repository, &["tag", "--force", &format!("v{}", version())]);
    let job = Job::without_programs()
        .with_env("GITHUB_SERVER_URL", format_args!("file://{}", server.display()))
        .with_env("TEST_ACTION_REPOSITORY", "a/b")
        .with_env("TEST_ACTION_REF", format_args!("v{}", version()))
        .with_env("WASM_OCI_RELEASES", format_args!("file://{}", folder.display()))
        .with_env("CARGO_NET_OFFLINE", "true");
    write(&job.folder("workspace"), &[("Cargo.toml", MANIFEST), ("src/main.rs", MAIN)]);
    job
}

fn installation_failed(done: &Outcome) {
    assert_eq!(
        done.failed.as_ref().map(|(step, _)| step.as_str()),
        Some("Install wasm-oci"),
        "{}",
        done.log
    );
}

#[test]
fn a_release_is_downloaded_and_verified() {
    let server = tempfile::tempdir().unwrap();
    let job = job_with_releases(releases(), server.path())
        .with_path(&gh(server.path(), 0))
        .with_env("TEST_TOKEN", "token");
    let inputs = [("push", "false"), ("test", "false")];
    let done = job.run(&inputs).success();
    assert!(done.output("image").starts_with("oci:"));
    let folder = done.steps["find"]["folder"].clone();
    assert!(Path::new(&folder).join("bin/cargo-wasm-oci").is_file());
    assert!(folder.starts_with(job.folder("tools").to_str().unwrap()), "{folder}");
    // Both archives are what this workflow built from this tag.
    let asked = fs::read_to_string(server.path().join("asked")).unwrap();
    assert_eq!(asked.lines().count(), 2, "{asked}");
    for line in asked.lines() {
        assert!(line.starts_with("token: attestation verify "), "{line}");
        let tag = format!(" --repo a/b --source-ref refs/tags/v{} ", version());
        let signer =
            " --signer-workflow a/b/.github/workflows/release.yml --deny-self-hosted-runners";
        assert!(line.contains(&tag) && line.ends_with(signer), "{line}");
    }
    // Machines that are used again have it.
    let again = job.run(&inputs).success();
    assert!(again.log.contains(&format!("wasm-oci {} is in {folder}", version())), "{}", again.log);
}

/// Whoever can replace an archive can replace the checksums next to it.
#[test]
fn an_archive_without_an_attestation_is_not_run() {
    let server = tempfile::tempdir().unwrap();
    let job = job_with_releases(releases(), server.path()).with_path(&gh(server.path(), 1));
    let done = job.run(&[("push", "false")]);
    installation_failed(&done);
    assert!(done.log.contains("has no valid attestation of a/b"), "{}", done.log);
    assert!(!Path::new(&done.steps["find"]["folder"]).join("bin").exists());

    // Nobody could tell: it is built from the sources instead, which this machine can't download.
    let job = job_with_releases(releases(), server.path())
        .with_path(&old_gh(server.path()))
        .with_path(&failing_cargo(server.path()));
    let done = job.run(&[("push", "false")]);
    installation_failed(&done);
    assert!(done.log.contains("can't verify wasm-oci"), "{}", done.log);
    assert!(done.log.contains("cargo was started"), "{}", done.log);
    // A `rust-toolchain.toml` there would choose the compiler of our own programs.
    let workspace = format!("started in {}", job.folder("workspace").display());
    assert!(!done.log.contains(&workspace), "{}", done.log);
    assert!(!Path::new(&done.steps["find"]["folder"]).join("bin").exists());
}

/// A folder with a `cargo` that only says that it was started: building takes a quarter of an hour.
fn failing_cargo(folder: &Path) -> PathBuf {
    let bin = folder.join("cargo");
    tools::script(&bin.join("cargo"), "#!/bin/sh\necho cargo was started in $(pwd)\nexit 1\n");
    bin
}

/// The list in the action is enough where `gh` is missing, and a hard limit where it isn't.
#[test]
fn a_checksum_in_the_action_is_enough() {
    let server = tempfile::tempdir().unwrap();
    let action = server.path().join("action-copy");
    let mut copy = Command::new("cp");
    copy.args(["-r", "action", "action.yml", "Cargo.toml", ".github"]).current_dir(root());
    fs::create_dir(&action).unwrap();
    let _copied = Run::of(copy.arg(&action)).success();
    let published = releases().join(format!("v{}", version())).join("SHA256SUMS");
    let sums = fs::read_to_string(published).unwrap();
    let list = action.join("action/checksums");
    let job = |bin: &Path| {
        job_with_releases(releases(), server.path())
            .with_env("GITHUB_ACTION_PATH", action.display())
            .with_path(bin)
    };
    let inputs = [("push", "false"), ("test", "false")];

    fs::write(&list, format!("# A comment.\n{sums}")).unwrap();
    let _installed = job(&old_gh(server.path())).run(&inputs).success();
    let other = sums.lines().map(|line| format!("{}{}\n", "0".repeat(64), &line[64..]));
    fs::write(&list, other.collect::<String>()).unwrap();
    let done = job(&gh(server.path(), 0)).run(&inputs);
    installation_failed(&done);
    assert!(done.log.contains("is not what the action's own list"), "{}", done.log);
}

/// A mirror can be an https server or a folder.
#[test]
fn nothing_is_downloaded_in_plain_text() {
    let server = tempfile::tempdir().unwrap();
    let job = job_with_releases(releases(), server.path())
        .with_path(&failing_cargo(server.path()))
        .with_env("WASM_OCI_RELEASES", "http://127.0.0.1:1");
    let done = job.run(&[("push", "false")]);
    installation_failed(&done);
    // Curl's own words.
    assert!(done.log.contains("not supported") || done.log.contains("disabled"), "{}", done.log);
}

#[test]
fn an_archive_with_another_checksum_is_not_run() {
    let server = tempfile::tempdir().unwrap();
    let folder = server.path().join("releases");
    let of_version = folder.join(format!("v{}", version()));
    fs::create_dir_all(&of_version).unwrap();
    for entry in fs::read_dir(releases().join(format!("v{}", version()))).unwrap() {
        let path = entry.unwrap().path();
        let mut content = fs::read(&path).unwrap();
        if path.ends_with("SHA256SUMS") {
            let sums = String::from_utf8(content).unwrap();
            let wrong = |line: &str| format!("{}{}\n", "0".repeat(64), &line[64..]);
            content = sums.lines().map(wrong).collect::<String>().into_bytes();
        }
        fs::write(of_version.join(path.file_name().unwrap()), content).unwrap();
    }
    let job = job_with_releases(&folder, server.path());
    let done = job.run(&[("push", "false")]);
    installation_failed(&done);
    assert!(done.log.contains("is not what SHA256SUMS of"), "{}", done.log);
    assert!(!done.log.contains("building it from source"), "{}", done.log);
    assert!(!Path::new(&done.steps["find"]["folder"]).join("bin/cargo-wasm-oci").exists());
}

#[test]
fn what_is_not_released_for_this_machine_is_built() {
    let server = tempfile::tempdir().unwrap();
    let job = job_with_releases(Path::new("/nowhere"), server.path());
    let done = job.run(&[("version", "9.8.7"), ("push", "false")]);
    // There is no such version to build, either, and no network to look for it.
    installation_failed(&done);
    assert!(
        done.log.contains("there is no verified release of wasm-oci 9.8.7 for this machine"),
        "{}",
        done.log
    );
    assert!(done.log.contains("cargo-wasm-oci"), "{}", done.log);
}
