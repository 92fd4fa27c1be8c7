//! Targets that cargo builds into one file.

use fs_err as fs;

use super::{Sandbox, manifest};
use crate::cargo::batches::unique_name;
use crate::cargo::error::Error as CargoError;
use crate::cargo::selection::{Selection, TargetArgs};
use crate::error::Error;
use crate::ops::compile::Compiled;

fn program(text: &str) -> String {
    format!("fn main() {{ println!(\"{text}\") }}")
}

fn library(text: &str) -> String {
    format!(
        "#[unsafe(no_mangle)] pub extern \"C\" fn f() -> *const u8 {{ std::hint::black_box(\"{text}\").as_ptr() }}"
    )
}

fn bin(package: &str, name: &str) -> String {
    manifest(package) + &format!("[[bin]]\nname = \"{name}\"\npath = \"src/main.rs\"\n")
}

fn lib(package: &str, name: &str) -> String {
    manifest(package)
        + &format!(
            "[lib]\nname = \"{name}\"\ncrate-type = [\"cdylib\", \"rlib\"]\n[features]\nextra = []\n"
        )
}

fn workspace(files: &[(&str, &str)]) -> Sandbox {
    let sandbox = Sandbox::new(files);
    sandbox.write("Cargo.toml", "[workspace]\nresolver = \"2\"\nmembers = [\"crates/*\"]\n");
    sandbox
}

/// Packages `a` and `b` with a program `app`, and `c`, a program and a library `app`.
fn programs() -> Sandbox {
    workspace(&[
        ("crates/a/Cargo.toml", &bin("a", "app")),
        ("crates/a/src/main.rs", &program("<a>")),
        ("crates/b/Cargo.toml", &bin("b", "app")),
        ("crates/b/src/main.rs", &program("<b>")),
        ("crates/c/Cargo.toml", &lib("c", "app")),
        ("crates/c/src/main.rs", &program("<c>")),
        ("crates/c/src/lib.rs", &library("<c lib>")),
    ])
}

/// Returns the folder of each program's results, and the texts of the programs that its module contains.
fn contents(built: &Compiled) -> Vec<(String, Vec<String>)> {
    let content = |program: &crate::ops::compile::CompiledProgram| {
        let module = fs::read(&program.module.wasm).expect("a module");
        let module = String::from_utf8_lossy(&module).into_owned();
        let texts = ["<a>", "<b>", "<c>", "<c lib>", "<example a>", "<example b>"];
        let texts = texts.into_iter().filter(|text| module.contains(*text)).map(str::to_owned);
        (unique_name(&built.workspace, &program.project), texts.collect())
    };
    built.programs.iter().map(content).collect()
}

fn is(built: &Compiled, expected: &[(&str, &str)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, text)| ((*name).to_owned(), vec![(*text).to_owned()]))
        .collect();
    assert_eq!(contents(built), expected);
}

fn targets(targets: TargetArgs) -> Selection {
    Selection { targets, ..Selection::default() }
}

fn of(package: &str) -> Selection {
    Selection { packages: vec![package.to_owned()], ..Selection::default() }
}

#[test]
fn programs_of_one_name_are_built_apart() {
    let sandbox = programs();
    let all = [("a.app", "<a>"), ("b.app", "<b>"), ("c", "<c>")];
    is(&sandbox.build("", Selection::default()).expect("built"), &all);
    let again = sandbox.build("", Selection::default()).expect("built");
    is(&again, &all);
    assert!(again.programs.iter().all(|program| program.module.fresh));
    // By turns, and each of them a second time.
    for (package, expected) in [("a", all[0]), ("b", all[1]), ("a", all[0]), ("b", all[1])] {
        is(&sandbox.build("", of(package)).expect("built"), &[expected]);
    }
    let named = targets(TargetArgs { bin: vec!["app".to_owned()], ..TargetArgs::default() });
    is(&sandbox.build("", named).expect("built"), &all[..2]);
    sandbox.write("crates/a/src/main.rs", &program("<example a>"));
    let changed = [("a.app", "<example a>"), all[1], all[2]];
    is(&sandbox.build("", Selection::default()).expect("built"), &changed);
}

#[test]
fn a_library_and_a_program_of_one_name_are_built_apart() {
    let sandbox = programs();
    let both = targets(TargetArgs { bins: true, lib: true, ..TargetArgs::default() });
    let all = [("a.app", "<a>"), ("b.app", "<b>"), ("c.app.lib", "<c lib>"), ("c", "<c>")];
    for _ in 0..2 {
        is(&sandbox.build("", both.clone()).expect("built"), &all);
    }
}

#[test]
fn a_program_keeps_its_name_beside_a_library_and_an_example() {
    let sandbox = workspace(&[
        ("crates/app/Cargo.toml", &lib("app", "app")),
        ("crates/app/src/lib.rs", &library("<c lib>")),
        ("crates/app/src/main.rs", &program("<a>")),
        ("crates/app/examples/app.rs", &program("<example a>")),
        ("crates/other/Cargo.toml", &lib("other", "other")),
        ("crates/other/src/lib.rs", &library("<b>")),
    ]);
    let example = ("app.app.example", "<example a>");
    let examples = targets(TargetArgs { examples: true, ..TargetArgs::default() });
    for _ in 0..2 {
        // `--lib` for the package `other` must not build the library `app` over the program.
        is(
            &sandbox.build("", Selection::default()).expect("built"),
            &[("app", "<a>"), ("other", "<b>")],
        );
        is(&sandbox.build("", examples.clone()).expect("built"), &[example]);
    }
}

#[test]
fn libraries_of_one_name_are_built_apart() {
    // Their intermediate files have one name, too: cargo itself takes the wrong one in the third of such runs.
    let sandbox = workspace(&[
        ("crates/a/Cargo.toml", &lib("a", "name")),
        ("crates/a/src/lib.rs", &library("<a>")),
        ("crates/b/Cargo.toml", &lib("b", "name")),
        ("crates/b/src/lib.rs", &library("<b>")),
    ]);
    let all = [("a.name.lib", "<a>"), ("b.name.lib", "<b>")];
    for expected in [all[0], all[1], all[0], all[1]] {
        is(&sandbox.build("", of(&expected.0[..1])).expect("built"), &[expected]);
    }
    for _ in 0..2 {
        is(&sandbox.build("", Selection::default()).expect("built"), &all);
    }
}

#[test]
fn examples_of_one_name_are_built_apart() {
    let example = "[[example]]\nname = \"show\"\n";
    let cdylib = format!("{example}crate-type = [\"cdylib\"]\n");
    let sandbox = workspace(&[
        ("crates/a/Cargo.toml", &(bin("a", "one") + example)),
        ("crates/a/src/main.rs", &program("<a>")),
        ("crates/a/examples/show.rs", &program("<example a>")),
        ("crates/b/Cargo.toml", &(bin("b", "two") + &cdylib)),
        ("crates/b/src/main.rs", &program("<b>")),
        ("crates/b/examples/show.rs", &library("<example b>")),
    ]);
    let all = [("a.show.example", "<example a>"), ("b.show.example", "<example b>")];
    let examples = targets(TargetArgs { examples: true, ..TargetArgs::default() });
    for _ in 0..2 {
        is(&sandbox.build("", examples.clone()).expect("built"), &all);
    }
}

#[test]
fn features_are_those_of_the_package() {
    let sandbox = programs();
    let with = |feature: &str| Selection { features: vec![feature.into()], ..Selection::default() };
    for feature in ["extra", "c/extra"] {
        let built = sandbox.build("", with(feature)).expect("built");
        is(&built, &[("a.app", "<a>"), ("b.app", "<b>"), ("c", "<c>")]);
    }
    let error = sandbox.build("", with("missing")).expect_err("no such feature");
    assert!(matches!(error, Error::Cargo(CargoError::CargoBuildFailed { .. })), "{error}");
}

#[test]
fn a_new_program_of_the_same_name_is_noticed() {
    let sandbox = workspace(&[
        ("crates/a/Cargo.toml", &manifest("a")),
        ("crates/a/src/bin/app.rs", &program("<a>")),
    ]);
    for _ in 0..2 {
        sandbox.settle();
        is(&sandbox.build("", Selection::default()).expect("built"), &[("app", "<a>")]);
    }
    sandbox.write("crates/b/Cargo.toml", &manifest("b"));
    sandbox.write("crates/b/src/bin/app.rs", &program("<b>"));
    let both = [("a.app", "<a>"), ("b.app", "<b>")];
    is(&sandbox.build("", Selection::default()).expect("built"), &both);
}

#[test]
fn a_dependency_with_the_file_of_a_library_is_refused() {
    let sandbox = Sandbox::new(&[
        (
            "app/Cargo.toml",
            &(lib("app", "name")
                + "[dependencies]\nother = { path = \"../other\" }\n[workspace]\n"),
        ),
        ("app/src/lib.rs", &library("<a>")),
        ("other/Cargo.toml", &(lib("other", "name") + "[workspace]\n")),
        ("other/src/lib.rs", ""),
    ]);
    let error = sandbox.build("app", Selection::default()).expect_err("one file");
    assert!(matches!(error, Error::Cargo(CargoError::SharedFile { .. })), "{error}");
    assert!(error.to_string().contains("`name` of package `app`"), "{error}");
}

#[test]
fn programs_that_would_share_a_folder_are_refused() {
    let sandbox = workspace(&[
        (
            "crates/a/Cargo.toml",
            &(manifest("a")
                + "[[bin]]\nname = \"App\"\npath = \"src/main.rs\"\n[[bin]]\nname = \"app\"\npath = \"src/main.rs\"\n"),
        ),
        ("crates/a/src/main.rs", &program("<a>")),
    ]);
    let error = sandbox.build("", Selection::default()).expect_err("one folder");
    assert!(matches!(error, Error::Cargo(CargoError::SharedFolder { .. })), "{error}");
}

#[test]
fn targets_whose_features_are_off_are_skipped_with_their_flag_for_all() {
    let more =
        "[features]\nextra = []\n[[bin]]\nname = \"more\"\nrequired-features = [\"extra\"]\n";
    let sandbox = Sandbox::new(&[
        (
            "Cargo.toml",
            &(manifest("app")
                + more
                + "[[example]]\nname = \"show\"\nrequired-features = [\"extra\"]\n"),
        ),
        ("src/main.rs", &program("<a>")),
        ("src/bin/more.rs", &program("<b>")),
        ("examples/show.rs", &program("<example a>")),
    ]);
    let all = targets(TargetArgs { bins: true, examples: true, ..TargetArgs::default() });
    is(&sandbox.build("", all).expect("built"), &[("app", "<a>")]);
    let only = targets(TargetArgs { examples: true, ..TargetArgs::default() });
    let error = sandbox.build("", only).expect_err("nothing").to_string();
    assert!(error.contains("--features extra"), "{error}");
}
