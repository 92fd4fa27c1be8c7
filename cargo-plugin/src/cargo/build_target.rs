//! The target that cargo's configuration names: `build.target` and `CARGO_BUILD_TARGET`.

use std::path::Path;

use fs_err as fs;
use wasm_oci_app::config::target::WasiTarget;
use wasm_oci_core::trace::OrTrace;

use crate::cargo::cargo_config::CargoConfig;
use crate::cargo::env::CargoEnv;

/// The target that cargo would build for without `--target`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfiguredTarget {
    /// The only target in the configuration that images can be built for.
    pub target: Option<WasiTarget>,
    /// Reason why another target is built than the configuration names, for a warning.
    pub problem: Option<String>,
}

impl ConfiguredTarget {
    pub fn of(env: &CargoEnv, config: &CargoConfig) -> ConfiguredTarget {
        let named = config.build_targets(env);
        let mut ours: Vec<WasiTarget> =
            named.iter().filter_map(|(name, _)| supported(name)).collect();
        ours.sort_unstable();
        ours.dedup();
        let problem = match ours.as_slice() {
            [only] => return ConfiguredTarget { target: Some(*only), problem: None },
            // The target of the user's own machine, for example, says nothing about images.
            [] => {
                let Some((name, _)) = named.iter().find(|(name, base)| is_wasm(name, base)) else {
                    return ConfiguredTarget::default();
                };
                format!("{name}, which is not a target of images")
            }
            several => {
                let names: Vec<&str> = several.iter().map(|target| target.name()).collect();
                names.join(" and ")
            }
        };
        let default = WasiTarget::default();
        let problem = format!(
            "`build.target` in cargo's configuration is {problem}; {default} is built (choose with `--target` or the setting \
             `target`)"
        );
        ConfiguredTarget { target: None, problem: Some(problem) }
    }
}

fn supported(name: &str) -> Option<WasiTarget> {
    match name {
        // The name until Rust 1.83.
        "wasm32-wasi" => Some(WasiTarget::Wasip1),
        name => name.parse().ok(),
    }
}

/// Returns true if a target, or the custom target in a JSON file, is one of WebAssembly.
fn is_wasm(name: &str, base: &Path) -> bool {
    if !name.ends_with(".json") {
        return name.starts_with("wasm");
    }
    let text = fs::read_to_string(base.join(name)).or_trace("read the target");
    let target = text.and_then(|text| {
        serde_json::from_str::<serde_json::Value>(&text).or_trace("parse the target")
    });
    // A file that can't be read could be anything.
    target.is_none_or(|target| target["arch"].as_str().is_none_or(|it| it.starts_with("wasm")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(file: &str, variable: Option<&str>, cli: &[&str]) -> ConfiguredTarget {
        let dir = tempfile::tempdir().expect("a folder");
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
            fs::write(path, text).expect("writable");
        };
        write(".cargo/config.toml", file);
        write("mine.json", "{\"arch\": \"wasm32\", \"os\": \"wasi\"}");
        write("board.json", "{\"arch\": \"arm\"}");
        let variable = variable.map(|it| ("CARGO_BUILD_TARGET".into(), it.into()));
        let home = ("CARGO_HOME".into(), dir.path().join("home").into());
        let env = CargoEnv::new(dir.path().to_owned(), variable.into_iter().chain([home]));
        let cli: Vec<String> = cli.iter().map(|arg| (*arg).to_owned()).collect();
        ConfiguredTarget::of(&env, &CargoConfig::load(&env, &cli))
    }

    fn target(file: &str, variable: Option<&str>, cli: &[&str]) -> Option<WasiTarget> {
        let found = of(file, variable, cli);
        assert_eq!(found.problem, None, "{file}");
        found.target
    }

    const P2: &str = "build.target = 'wasm32-wasip2'";

    #[test]
    fn a_target_of_images_counts_wherever_cargo_finds_it() {
        let (one, two) = (Some(WasiTarget::Wasip1), Some(WasiTarget::Wasip2));
        assert_eq!(target(P2, None, &[]), two);
        assert_eq!(target("build.target = ['wasm32-wasip2']", None, &[]), two);
        assert_eq!(
            target("build.target = ['x86_64-unknown-linux-gnu', 'wasm32-wasip2']", None, &[]),
            two
        );
        assert_eq!(target(P2, Some("wasm32-wasip1"), &[]), one);
        assert_eq!(target(P2, Some("wasm32-wasi"), &[]), one);
        assert_eq!(target(P2, Some(""), &[]), two);
        assert_eq!(target("", Some("wasm32-wasip1"), &[P2]), two);
        assert_eq!(target(P2, Some("x86_64-unknown-linux-gnu"), &[]), None);
        assert_eq!(target("", None, &[]), None);
        assert_eq!(target("build.target = 'board.json'", None, &[]), None);
    }

    #[test]
    fn what_is_not_obeyed_is_reported() {
        for (file, part) in [
            (
                "build.target = ['wasm32-wasip2', 'wasm32-wasip1']",
                "is wasm32-wasip1 and wasm32-wasip2;",
            ),
            ("build.target = 'wasm32-wasip1-threads'", "is wasm32-wasip1-threads, which"),
            ("build.target = 'wasm32-unknown-unknown'", "is wasm32-unknown-unknown, which"),
            ("build.target = 'mine.json'", "is mine.json, which"),
            ("build.target = 'missing.json'", "is missing.json, which"),
        ] {
            let found = of(file, None, &[]);
            assert_eq!(found.target, None, "{file}");
            let problem = found.problem.expect("a problem");
            assert!(
                problem.contains(part) && problem.contains("wasm32-wasip1 is built"),
                "{problem}"
            );
        }
    }
}
