use fs_err as fs;

use super::{Sandbox, built_names, manifest, quiet};
use crate::cargo::error::Error as CargoError;
use crate::cargo::messages::Event;
use crate::cargo::selection::Selection;
use crate::error::Error;

fn app() -> Sandbox {
    Sandbox::new(&[("Cargo.toml", &manifest("app")), ("src/main.rs", "fn main() {}")])
}

/// A workspace whose only member so far is a command.
fn workspace() -> Sandbox {
    Sandbox::new(&[
        ("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n"),
        ("crates/app/Cargo.toml", &manifest("app")),
        ("crates/app/src/main.rs", "fn main() {}"),
    ])
}

fn cdylib(name: &str) -> String {
    manifest(name) + "[lib]\ncrate-type = [\"cdylib\"]\n"
}

/// Builds twice, so that the next build uses cached metadata.
fn built_before(sandbox: &Sandbox) {
    sandbox.settle();
    sandbox.build("", Selection::default()).expect("built");
    sandbox.settle();
    sandbox.build("", Selection::default()).expect("built");
    assert!(is_remembered(sandbox));
}

fn is_remembered(sandbox: &Sandbox) -> bool {
    fs::read_dir(sandbox.root().join("target/wasm-oci/.metadata"))
        .is_ok_and(|mut files| files.next().is_some())
}

#[test]
fn commands_and_libraries_become_modules() {
    let sandbox = workspace();
    sandbox.write("crates/reactor/Cargo.toml", &cdylib("reactor"));
    sandbox.write("crates/reactor/src/lib.rs", "#[unsafe(no_mangle)] pub extern \"C\" fn f() {}");
    let mut lines = 0;
    let mut count =
        |event: Event<'_>| lines += usize::from(matches!(event, Event::CargoMessage(_)));
    let built = sandbox.build_with("", quiet(), &mut count).expect("built");
    assert_eq!(built_names(&built), ["app/app", "reactor/reactor"]);
    assert!(built.programs.iter().all(|it| !it.module.fresh));
    for module in &built.programs {
        assert!(fs::read(&module.module.wasm).expect("a file").starts_with(b"\0asm"));
    }
    assert_eq!(lines, 3, "two modules, and the end");
    let again = sandbox.build_with("", quiet(), &mut |_| {}).expect("built");
    assert!(again.programs.iter().all(|it| it.module.fresh));
}

#[test]
fn what_cargo_refuses_is_its_failure() {
    let sandbox = app();
    sandbox.write("src/main.rs", "fn main() { no }");
    let error = sandbox.build("", Selection::default()).expect_err("broken");
    assert!(matches!(error, Error::Cargo(CargoError::CargoBuildFailed { .. })), "{error}");
}

#[test]
fn targets_whose_features_are_off_are_passed_over_unless_named() {
    let sandbox = app();
    let more =
        "[features]\nextra = []\n[[bin]]\nname = \"more\"\nrequired-features = [\"extra\"]\n";
    sandbox.write("Cargo.toml", &(manifest("app") + more));
    sandbox.write("src/bin/more.rs", "fn main() {}");
    assert_eq!(built_names(&sandbox.build("", Selection::default()).expect("built")), ["app/app"]);
    let extra = Selection { features: vec!["extra".into()], ..Selection::default() };
    assert_eq!(built_names(&sandbox.build("", extra).expect("built")), ["app/app", "app/more"]);
}

#[test]
fn a_target_directory_is_where_it_is_said_to_be() {
    let sandbox = app();
    let selection = Selection { target_dir: Some("out".into()), ..Selection::default() };
    let built = sandbox.build("src", selection).expect("built");
    assert!(built.programs[0].module.wasm.starts_with(sandbox.root().join("src/out")));
    assert_eq!(built.workspace.target_dir(), sandbox.root().join("src/out"));
}

#[test]
fn new_files_are_not_remembered() {
    let sandbox = app();
    sandbox.build("", Selection::default()).expect("built");
    assert!(!is_remembered(&sandbox));
}

#[test]
fn a_new_command_is_noticed() {
    let sandbox = app();
    built_before(&sandbox);
    sandbox.write("src/bin/new.rs", "fn main() {}");
    assert_eq!(
        built_names(&sandbox.build("", Selection::default()).expect("built")),
        ["app/app", "app/new"]
    );
    built_before(&sandbox);
    fs::remove_file(sandbox.root().join("src/main.rs")).expect("removed");
    assert_eq!(built_names(&sandbox.build("", Selection::default()).expect("built")), ["app/new"]);
}

#[test]
fn a_new_member_is_noticed() {
    let sandbox = workspace();
    built_before(&sandbox);
    sandbox.write("crates/reactor/Cargo.toml", &cdylib("reactor"));
    sandbox.write("crates/reactor/src/lib.rs", "");
    let built = sandbox.build("", Selection::default()).expect("built");
    assert_eq!(built_names(&built), ["app/app", "reactor/reactor"]);
}

#[test]
fn a_library_that_becomes_a_command_is_noticed() {
    let sandbox = Sandbox::new(&[("Cargo.toml", &cdylib("app")), ("src/lib.rs", "")]);
    built_before(&sandbox);
    sandbox.write("src/main.rs", "fn main() {}");
    let built = sandbox.build("", Selection::default()).expect("built");
    assert_eq!(built.programs.iter().map(|it| it.project.kind.name()).collect::<Vec<_>>(), ["bin"]);
}

#[test]
fn a_changed_manifest_is_noticed() {
    let sandbox = app();
    built_before(&sandbox);
    sandbox.write("Cargo.toml", &(manifest("app") + "description = \"new\"\n"));
    let built = sandbox.build("", Selection::default()).expect("built");
    assert_eq!(built.programs[0].project.description.as_deref(), Some("new"));
}

#[test]
fn a_workspace_further_up_is_noticed() {
    let sandbox =
        Sandbox::new(&[("app/Cargo.toml", &manifest("app")), ("app/src/main.rs", "fn main() {}")]);
    sandbox.settle();
    for _ in 0..2 {
        sandbox.build("app", Selection::default()).expect("built");
        sandbox.settle();
    }
    sandbox.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"app\"]\n");
    let built = sandbox.build("app", Selection::default()).expect("built");
    assert_eq!(built.workspace.root(), sandbox.root());
    assert!(built.programs[0].module.wasm.starts_with(sandbox.root().join("target")));
}

#[test]
fn changed_configuration_is_noticed() {
    let sandbox = app();
    built_before(&sandbox);
    sandbox.write(".cargo/config.toml", "build.target-dir = \"elsewhere\"");
    let built = sandbox.build("", Selection::default()).expect("built");
    assert!(built.programs[0].module.wasm.starts_with(sandbox.root().join("elsewhere")));
}
