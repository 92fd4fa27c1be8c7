//! What is decided before cargo starts.

use fs_err as fs;

use super::{Sandbox, compile, manifest};
use crate::cargo::messages::Event;
use crate::cargo::selection::Selection;
use crate::error::Error;
use crate::ops::compile::Compiled;
use crate::ops::request::Request;
use wasm_oci_app::config::settings::Settings;

fn app(main: &str) -> Sandbox {
    let manifest = manifest("my-app").replace("1.2.3", "1.0.0+b7");
    let bin = "[[bin]]\nname = \"MyApp\"\npath = \"src/main.rs\"\n";
    Sandbox::new(&[("Cargo.toml", &(manifest + bin)), ("src/main.rs", main)])
}

/// Builds, and returns the result and all that is said beside cargo's own messages.
fn build(sandbox: &Sandbox, settings: Settings) -> (Result<Compiled, Error>, Vec<String>) {
    let selection = Selection { profile: Some("dev".into()), quiet: true, ..Selection::default() };
    let flags = Settings { install_target: Some(false), ..settings };
    let mut said = Vec::new();
    let built = compile(&sandbox.env(""), &Request::new(selection, flags), &mut |event| {
        if let Event::Warning(text) | Event::Renamed(text) = event {
            said.push(text.to_owned());
        }
    });
    (built, said)
}

fn repository(text: &str) -> Settings {
    Settings { repository: Some(text.to_owned()), ..Settings::default() }
}

#[test]
fn names_that_no_reference_holds_are_known_before_compiling() {
    let sandbox = app("fn main() { does not compile }");
    for text in
        ["ghcr.io/o/{bin}_:{version}", "ghcr.io/o/é{bin}", "ghcr.io/o/{bin}:{version}+{version}"]
    {
        let (built, _) = build(&sandbox, repository(text));
        let error = built.expect_err("not a reference");
        assert!(matches!(error, Error::App(_)), "{text}: {error}");
    }
    let (built, said) = build(&sandbox, repository("ghcr.io/o/{bin}:{version}"));
    assert!(matches!(built.expect_err("broken"), Error::Cargo(_)));
    let expected = ["1.0.0+b7 to 1.0.0_b7", "MyApp to myapp"];
    assert_eq!(said.len(), 2, "{said:?}");
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn the_target_of_cargos_configuration_is_built() {
    let component = |settings: Settings, sandbox: &Sandbox| {
        let (built, said) = build(sandbox, settings);
        let built = built.expect("built");
        let bytes = fs::read(&built.programs[0].module.wasm).expect("a module");
        (bytes[4] != 1, said)
    };
    let mut sandbox = app("fn main() {}");
    sandbox.write(".cargo/config.toml", "[build]\ntarget = \"wasm32-wasip2\"\n");
    assert_eq!(component(Settings::default(), &sandbox), (true, Vec::new()));
    // Our own setting takes precedence.
    let one = Settings {
        target: Some("wasm32-wasip1".parse().expect("a target")),
        ..Settings::default()
    };
    assert_eq!(component(one.clone(), &sandbox), (false, Vec::new()));
    sandbox.write(".cargo/config.toml", "[build]\ntarget = \"wasm32-wasip1-threads\"\n");
    assert_eq!(component(one, &sandbox), (false, Vec::new()));
    let (is_component, said) = component(Settings::default(), &sandbox);
    assert!(!is_component && said.len() == 1 && said[0].contains("wasip1-threads"), "{said:?}");
    sandbox.set("CARGO_BUILD_TARGET", "wasm32-wasip2");
    assert_eq!(component(Settings::default(), &sandbox), (true, Vec::new()));
}
