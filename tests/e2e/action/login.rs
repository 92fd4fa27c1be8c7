//! The password: who gets it, and what can see it on the machine.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::runner::{Job, Outcome};
use super::{MAIN, MANIFEST, job_with, write};
use crate::harness::Registry;
use crate::harness::registry::{PASSWORD, USER};
use crate::harness::tools::script;

/// The login as Docker's configuration has it.
pub(super) fn encoded() -> String {
    BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"))
}

/// The files on the machine of a job with this text, without what cargo has built.
pub(super) fn files_with(text: &str, job: &Job) -> Vec<PathBuf> {
    let mut found = Vec::new();
    search(&job.folder("."), text, &mut found);
    found
}

fn search(folder: &Path, text: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            search(&path, text, found);
        } else if path.is_file()
            && String::from_utf8_lossy(&fs::read(&path).unwrap()).contains(text)
        {
            found.push(path);
        }
    }
}

#[track_caller]
fn assert_refused(done: &Outcome, step: &str, says: &str) {
    assert_eq!(done.failed, Some((step.to_owned(), 1)), "{}", done.log);
    assert!(done.log.contains(says), "{}", done.log);
}

/// A build script is code of whoever wrote the crate or a dependency. This one runs each time that cargo runs, and notes
/// what a thief would take.
const THIEF: &str = r#"
use std::io::Write;
fn main() {
    println!("cargo:rerun-if-changed=not-there");
    let loot = std::env::var("LOOT").unwrap();
    let mut loot = std::fs::File::options().create(true).append(true).open(loot).unwrap();
    for (name, value) in std::env::vars() {
        if name.starts_with("ACTIONS_") || name == "GITHUB_ENV" || name == "GITHUB_PATH" {
            writeln!(loot, "{name}").unwrap();
        }
        if value.contains("PASSWORD") { writeln!(loot, "the password in {name}").unwrap(); }
    }
    for folder in [std::env::var("HOME").unwrap(), std::env::var("RUNNER_TEMP").unwrap()] {
        search(std::path::Path::new(&folder), &mut loot);
    }
    writeln!(loot, "looked").unwrap();
}
fn search(folder: &std::path::Path, loot: &mut std::fs::File) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() { search(&path, loot); }
        let Ok(text) = std::fs::read(&path) else { continue };
        if String::from_utf8_lossy(&text).contains("LOGIN") { writeln!(loot, "{}", path.display()).unwrap(); }
    }
}
"#;

#[test]
fn code_of_the_crate_never_finds_a_login() {
    let registry = Registry::start_private();
    let job = job_with(
        &format!(
            "{MANIFEST}[package.metadata.wasm-oci]\nsmoke = [{{ name = 'a', stdout = \"hello\\n\" }}]\n"
        ),
        MAIN,
    );
    let thief = THIEF.replace("PASSWORD", PASSWORD).replace("LOGIN", &encoded());
    write(&job.folder("workspace"), &[("build.rs", &thief)]);
    let loot = job.folder("loot");
    let job = job
        .with_env("LOOT", loot.display())
        .with_env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "secret")
        .with_env("ACTIONS_ID_TOKEN_REQUEST_URL", "https://example.org/");
    let image = format!("{}/app", registry.host());
    let login = [("username", USER), ("password", PASSWORD)];
    let done = job.run(&[&login[..], &[("image", &image)]].concat()).success();
    assert!(done.output("image").starts_with(&format!("{image}@")));
    assert_eq!(fs::read_to_string(loot).unwrap().replace("looked\n", ""), "");
}

/// A login that was there before is neither used for this registry nor changed.
#[test]
fn the_login_is_this_jobs_alone() {
    let registry = Registry::start_private();
    let job = job_with(MANIFEST, MAIN);
    let config = format!("{{\"auths\":{{\"{}\":{{\"auth\":\"bm9ib2R5Ong=\"}}}}}}", registry.host());
    write(&job.folder("home").join(".docker"), &[("config.json", &config)]);
    let wrong = job.folder("home").join("auth.json");
    fs::write(&wrong, &config).unwrap();
    let job =
        job.with_env("DOCKER_AUTH_CONFIG", &config).with_env("REGISTRY_AUTH_FILE", wrong.display());
    let image = format!("{}/app", registry.host());
    let inputs = [("image", image.as_str()), ("username", USER), ("password", PASSWORD)];
    let _pushed = job.run(&inputs).success();
    let after = fs::read_to_string(job.folder("home").join(".docker/config.json")).unwrap();
    assert_eq!((after, fs::read_to_string(wrong).unwrap()), (config.clone(), config));

    // It is also gone when a step fails after the login.
    write(&job.folder("workspace"), &[("src/bin/other.rs", MAIN)]);
    let image = format!("{image}/{{bin}}");
    let inputs = [&inputs[1..], &[("image", image.as_str()), ("attest", "true")]].concat();
    let failed = job.run(&inputs);
    assert_eq!(failed.failed, Some(("Push".to_owned(), 1)), "{}", failed.log);
    assert_eq!(files_with(&encoded(), &job), Vec::<PathBuf>::new());
}

#[test]
fn a_manifest_does_not_choose_who_gets_the_password() {
    let registry = Registry::start_private();
    let setting =
        format!("[package.metadata.wasm-oci]\nrepository = \"{}/app\"\n", registry.host());
    let job = job_with(&format!("{MANIFEST}{setting}"), MAIN);
    let login = [("username", USER), ("password", PASSWORD)];
    let says = "the input `password` needs `image`, `registry` or a REPOSITORY:TAG in `tags`";
    assert_refused(&job.run(&login), "Read the inputs", says);
    for image in ["{package}.example.org/app", "{bin}:5000/app"] {
        let done = job.run(&[&login[..], &[("image", image)]].concat());
        assert_refused(&done, "Read the inputs", "has a placeholder");
    }
    // Docker Hub, whatever the program is called.
    let hub = job.run_until(&[&login[..], &[("image", "{bin}/app")]].concat(), "Build").success();
    assert_eq!(hub.steps["inputs"]["registry"], "docker.io");
    // The workflow names the registry, the manifest a repository in it.
    let done = job.run(&[&login[..], &[("registry", registry.host())]].concat()).success();
    assert!(done.output("image").starts_with(&format!("{}/app@", registry.host())));
}

#[test]
fn the_workflows_token_goes_to_github_alone() {
    let registry = Registry::start_private();
    let job = job_with(MANIFEST, MAIN);
    let image = format!("{}/app", registry.host());
    for (token, password) in
        [(PASSWORD, PASSWORD), ("", "ghs_16C7e42F292c6912E7710c838347Ae178B4a")]
    {
        let job = job_with(MANIFEST, MAIN).with_env("TEST_TOKEN", token);
        let done =
            job.run(&[("image", image.as_str()), ("username", USER), ("password", password)]);
        assert_refused(&done, "Log in", "the workflow's own token is for ghcr.io only");
    }
    assert!(!registry.log().contains(USER), "{}", registry.log());
    let other = job.with_env("TEST_TOKEN", "another");
    let _pushed = other
        .run(&[("image", image.as_str()), ("username", USER), ("password", PASSWORD)])
        .success();
}

/// Others choose the names of branches and git tags. They can have slashes and commas, but neither colons nor spaces.
#[test]
fn the_name_of_a_branch_does_not_choose_who_gets_the_password() {
    let job = job_with(MANIFEST, MAIN);
    let login = [("username", USER), ("password", PASSWORD)];
    for name in ["evil.example/pwn", "feature/x", "localhost/x"] {
        let done = job.run_until(&[&login[..], &[("tags", name)]].concat(), "Build");
        assert_refused(&done, "Read the inputs", "neither a tag, which has no slash, nor REPO");
    }
    for names in ["v1.0,latest", "x,evil.example/pwn", "ghcr.io/me/app:x,latest"] {
        let done = job.run_until(&[&login[..], &[("tags", names)]].concat(), "Build");
        assert_refused(&done, "Read the inputs", "a comma without a space after it");
    }
    // As docker/metadata-action writes them.
    let tags = [("tags", "registry.example:5000/me/app:1.0\nregistry.example:5000/me/app:latest")];
    let done = job.run_until(&[&login[..], &tags].concat(), "Build").success();
    assert_eq!(done.steps["inputs"]["registry"], "registry.example:5000");
}

/// A crate names the folder of cargo and rustc in `rust-toolchain.toml`: they are its code, too.
#[test]
fn a_toolchain_of_the_crate_changes_no_later_step() {
    let job = job_with(MANIFEST, MAIN);
    let workspace = job.folder("workspace");
    let loot = job.folder("loot");
    for name in ["cargo", "rustc"] {
        let thief = "#!/bin/sh\nenv | grep -E '^(ACTIONS_|GITHUB_(ENV|PATH|OUTPUT))' >>\"$LOOT\"\n\
                     echo looked >>\"$LOOT\"\nunset RUSTUP_TOOLCHAIN\n\
                     PATH=\"$(rustup --quiet which --toolchain stable rustc | xargs dirname):$PATH\" exec ";
        script(&workspace.join("tc/bin").join(name), &format!("{thief}{name} \"$@\"\n"));
    }
    let toolchain = format!("[toolchain]\npath = \"{}\"\n", workspace.join("tc").display());
    write(&workspace, &[("rust-toolchain.toml", &toolchain)]);
    let job =
        job.with_env("LOOT", loot.display()).with_env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "secret");
    let done = job.run_until(&[("push", "false")], "Build").success();
    assert!(!done.steps["cache"]["key"].is_empty());
    let looked = fs::read_to_string(loot).unwrap();
    assert!(looked.contains("looked"));
    assert_eq!(looked.replace("looked\n", ""), "");
}

/// Without an image in the inputs, each program needs a repository of its own.
#[test]
fn repositories_are_checked_before_anything_is_built() {
    let job = job_with(MANIFEST, MAIN);
    write(&job.folder("workspace"), &[("src/bin/other.rs", MAIN)]);
    assert_refused(&job.run(&[]), "Build", "no repository to push to");
    let done = job.run(&[("image", "127.0.0.1:1/app")]);
    assert_refused(&done, "Build", "several programs would be pushed to one repository");
    assert!(!done.log.contains("Compiling"), "{}", done.log);
}
