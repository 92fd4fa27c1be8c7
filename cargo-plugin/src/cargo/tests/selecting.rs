use super::{Sandbox, manifest};
use crate::cargo::error::Error;
use crate::cargo::project::{TargetKind, Workspace};
use crate::cargo::selection::{Selection, TargetArgs};

/// A virtual workspace: an app with two bins and an example, a cdylib, and a plain library.
fn workspace() -> Sandbox {
    let app = manifest("app")
        + "description = \"An app\"\nauthors = [\"A\"]\nlicense = \"MIT\"\n[package.metadata.wasm-oci]\nsmall = true\n";
    let reactor = manifest("reactor") + "[lib]\ncrate-type = [\"cdylib\", \"rlib\"]\n";
    Sandbox::new(&[
        (
            "Cargo.toml",
            "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n[workspace.metadata.wasm-oci]\nx = 1\n",
        ),
        ("crates/app/Cargo.toml", &app),
        ("crates/app/src/main.rs", "fn main() {}"),
        ("crates/app/src/bin/tool.rs", "fn main() {}"),
        ("crates/app/examples/show.rs", "fn main() {}"),
        ("crates/reactor/Cargo.toml", &reactor),
        ("crates/reactor/src/lib.rs", ""),
        ("crates/plain/Cargo.toml", &manifest("plain")),
        ("crates/plain/src/lib.rs", ""),
    ])
}

fn selected(folder: &str, selection: Selection) -> Result<Vec<String>, Error> {
    let sandbox = workspace();
    let workspace = Workspace::load(&sandbox.env(folder), &selection)?;
    let mut names: Vec<_> =
        workspace.projects(&selection)?.into_iter().map(|it| it.target).collect();
    names.sort();
    Ok(names)
}

fn strings<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_owned).into()
}

#[test]
fn by_default_all_bins_and_the_libraries_that_stand_alone() {
    assert_eq!(selected("", Selection::default()).expect("found"), ["app", "reactor", "tool"]);
    assert_eq!(selected("crates/app/src", Selection::default()).expect("found"), ["app", "tool"]);
}

#[test]
fn packages_are_chosen_as_by_cargo() {
    let packages = |specs| Selection { packages: specs, ..Selection::default() };
    assert_eq!(
        selected("", packages(strings(["a*", "reactor@1.2"]))).expect("found"),
        ["app", "reactor", "tool"]
    );
    let exclude = Selection { workspace: true, exclude: strings(["app"]), ..Selection::default() };
    assert_eq!(selected("crates/app", exclude).expect("found"), ["reactor"]);
    let error = selected("", packages(strings(["aps"]))).expect_err("no such package").to_string();
    assert_eq!(
        error,
        "there is no package `aps` in this workspace (did you mean `app`?); its packages are `app`, `plain`, `reactor`"
    );
    let error = selected("", packages(strings(["plain"]))).expect_err("no target").to_string();
    assert!(error.starts_with("there is nothing to build in `plain`; "), "{error}");
}

#[test]
fn targets_are_chosen_as_by_cargo() {
    let targets = |targets| Selection { targets, ..Selection::default() };
    let bins = |bin| targets(TargetArgs { bin, ..TargetArgs::default() });
    assert_eq!(selected("", bins(strings(["t*"]))).expect("found"), ["tool"]);
    let examples = TargetArgs { examples: true, lib: true, ..TargetArgs::default() };
    assert_eq!(selected("", targets(examples)).expect("found"), ["reactor", "show"]);
    let error =
        selected("crates/app", bins(strings(["tol"]))).expect_err("no such bin").to_string();
    assert_eq!(
        error,
        "there is no bin `tol` in `app` (did you mean `tool`?); its bins are `app`, `tool`"
    );
}

#[test]
fn a_project_knows_what_its_manifest_says() {
    let sandbox = workspace();
    let targets = TargetArgs { bin: strings(["app"]), ..TargetArgs::default() };
    let selection = Selection { targets, ..Selection::default() };
    let workspace = Workspace::load(&sandbox.env(""), &selection).expect("metadata");
    assert_eq!(workspace.metadata(), Some(&serde_json::json!({"x": 1})));
    assert_eq!(workspace.target_dir(), sandbox.root().join("target"));
    let [app] = &workspace.projects(&selection).expect("found")[..] else { panic!("one project") };
    assert_eq!((app.kind, app.version.as_str()), (TargetKind::Bin, "1.2.3"));
    assert_eq!((app.description.as_deref(), app.license.as_deref()), (Some("An app"), Some("MIT")));
    assert_eq!(app.manifest_path, sandbox.root().join("crates/app/Cargo.toml"));
    assert_eq!(app.metadata, Some(serde_json::json!({"small": true})));
}

#[test]
fn without_a_manifest_cargo_says_so() {
    let error = Workspace::load(&Sandbox::new(&[]).env(""), &Selection::default())
        .expect_err("no manifest");
    assert!(
        error.to_string().starts_with("cargo can't read this project: could not find `Cargo.toml`"),
        "{error}"
    );
}
