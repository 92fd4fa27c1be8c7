use super::{Sandbox, manifest};
use crate::cargo::messages::Event;
use crate::cargo::selection::{ManifestArgs, Selection};

/// Project that compiles only if flags set exactly these of `a` to `e`, and our own flags are there, too.
fn expecting(set: &str) -> Sandbox {
    let check = |name: char| match set.contains(name) {
        true => format!("#[cfg(not({name}))] compile_error!(\"{name} is lost\");\n"),
        false => format!("#[cfg({name})] compile_error!(\"{name} is new\");\n"),
    };
    let checks: String = "abcde".chars().map(check).collect();
    Sandbox::new(&[
        ("Cargo.toml", &manifest("app")),
        ("src/main.rs", &format!("#![allow(unexpected_cfgs)]\n{checks}fn main() {{ panic!() }}")),
    ])
}

fn assert_builds(sandbox: &Sandbox, config: &[&str]) {
    let config = config.iter().map(|it| (*it).to_owned()).collect();
    let manifest = ManifestArgs { config, ..ManifestArgs::default() };
    sandbox
        .build("", Selection { manifest, ..Selection::default() })
        .expect("the user's flags, all and only");
}

#[test]
fn variables_stay_and_hide_the_rest() {
    let mut sandbox = expecting("ab");
    sandbox.write(".cargo/config.toml", "build.rustflags = ['--cfg=c']");
    sandbox.set("RUSTFLAGS", "--cfg a  --cfg=b");
    assert_builds(&sandbox, &["target.wasm32-wasip1.rustflags=['--cfg=d']"]);
    sandbox.write(
        "src/main.rs",
        "#![allow(unexpected_cfgs)]\n#[cfg(any(a, c))] compile_error!(\"RUSTFLAGS counts\");\nfn main() {}",
    );
    sandbox.set("CARGO_ENCODED_RUSTFLAGS", "");
    assert_builds(&sandbox, &[]);
}

#[test]
fn the_targets_stay_and_hide_those_of_the_build() {
    let mut sandbox = expecting("abcd");
    sandbox.write(
        ".cargo/config.toml",
        "build.rustflags = ['--cfg=e']\n[target.'cfg(target_os = \"wasi\")']\nrustflags = ['--cfg=a']\n\
         [target.'cfg(panic = \"abort\")']\nrustflags = '--cfg b'\n[target.'cfg(unix)']\nrustflags = ['--cfg=e']",
    );
    sandbox.set("CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS", "--cfg c");
    assert_builds(&sandbox, &["target.wasm32-wasip1.rustflags=['--cfg=d']"]);
}

#[test]
fn those_of_the_build_stay_where_no_others_are() {
    let mut sandbox = expecting("abcd");
    sandbox.write(
        ".cargo/config.toml",
        "include = ['more.toml']\nbuild.rustflags = ['--cfg=a']\n[target.'cfg(windows)']\nrustflags = ['--cfg=e']",
    );
    sandbox.write(".cargo/more.toml", "build.rustflags = ['--cfg=b']");
    sandbox.set("CARGO_BUILD_RUSTFLAGS", "--cfg c");
    assert_builds(&sandbox, &["build.rustflags=['--cfg', 'd']"]);
}

#[test]
fn a_text_stays_as_well() {
    let sandbox = expecting("ab");
    sandbox.write(".cargo/config.toml", "build.rustflags = '--cfg a --cfg b'");
    assert_builds(&sandbox, &[]);
}

#[test]
fn what_is_taken_for_granted_of_the_target_is_so() {
    let sandbox = Sandbox::new(&[]);
    let env = sandbox.env("");
    let config = crate::cargo::cargo_config::CargoConfig::load(&env, &[]);
    let toolchain = crate::cargo::toolchain::Toolchain::ask(&env, &config).expect("a toolchain");
    for target in wasm_oci_app::config::target::WasiTarget::ALL {
        let printed = toolchain.print_cfg(&env, target);
        for (name, value) in crate::cargo::rustflags::known(target) {
            let said: Vec<_> =
                printed.lines().filter(|line| line.starts_with(&format!("{name}="))).collect();
            assert_eq!(said, [format!("{name}=\"{value}\"")]);
        }
        assert!(!printed.lines().any(|line| crate::cargo::rustflags::KNOWN_UNSET.contains(&line)));
    }
}

#[test]
fn cargo_takes_the_profiles_settings() {
    let sandbox = expecting("");
    sandbox.write(
        "Cargo.toml",
        &(manifest("app") + "[profile.dist]\ninherits = 'release'\ndebug = 1"),
    );
    let mut said = String::new();
    let mut listen = |event: Event<'_>| {
        if let Event::CargoMessage(line) = event {
            said += line;
        }
    };
    let dist = Selection { profile: Some("dist".into()), ..Selection::default() };
    sandbox.build_with("", dist, &mut listen).expect("built");
    assert!(said.contains("\"opt_level\":\"3\",\"debuginfo\":1,"), "{said}");
}
