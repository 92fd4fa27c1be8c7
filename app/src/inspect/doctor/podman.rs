//! podman, and the WebAssembly support of its runtime.

use super::Finding;
use super::tool::{Tool, version_of};

pub(super) fn look() -> Vec<Finding> {
    let podman = match version_of("podman") {
        Some(version) => Finding::ok("podman", version),
        None => Finding::missing(
            "podman",
            "not on PATH",
            "needed only to run images with podman; install it",
        ),
    };
    vec![podman, crun()]
}

fn crun() -> Finding {
    // podman starts images for wasi/wasm with `crun-wasm`. A plain `crun` works, too, if it was built with WebAssembly.
    let advice = "needed only for podman, and not for standalone images; install a crun with WasmEdge: in Fedora the package crun-wasm, in Debian 13 the package crun";
    let asked = |name: &'static str| {
        let said = Tool::find(name)?.ask(&["--version"]).filter(|said| said.success)?;
        Some((name, said.stdout))
    };
    let found: Vec<(&str, String)> = ["crun-wasm", "crun"].into_iter().filter_map(asked).collect();
    match found.iter().find_map(|(name, said)| Some((name, wasm(said)?))) {
        Some((name, engine)) => Finding::ok("crun", format!("{name} with {engine}")),
        None => match found.first() {
            None => Finding::missing("crun", "not on PATH", advice),
            Some((_, said)) => {
                let version = said.lines().next().unwrap_or_default();
                let found = format!("{version} is built without WebAssembly");
                Finding::warning("crun", found, advice)
            }
        },
    }
}

/// Returns the engine that crun was built with: `wasmedge` for the feature `+WASM:wasmedge`.
fn wasm(said: &str) -> Option<String> {
    let feature = said.split_whitespace().find(|word| word.starts_with("+WASM"))?;
    Some(feature.split_once(':').map_or("WebAssembly", |(_, engine)| engine).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_is_among_the_features() {
        let with = "crun version 1.21\ncommit: 1\n+SYSTEMD +SELINUX +WASM:wasmedge +YAJL";
        assert_eq!(wasm(with).as_deref(), Some("wasmedge"));
        assert_eq!(wasm("crun version 1.8.1\n+SYSTEMD +SELINUX +YAJL"), None);
    }
}
