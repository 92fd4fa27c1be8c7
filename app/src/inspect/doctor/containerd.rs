//! containerd: its version, the installed shims, and the runtimes that its configuration offers to pods.

use std::path::Path;

use toml::Value;
use wasm_oci_core::compat::engines::Engine;
use wasm_oci_core::image::Format;
use wasm_oci_core::module::Kind;
use wasm_oci_core::trace::OrTrace;

use super::Finding;
use super::tool::{is_wasm, numbers, shims, version_of};

// k3s and RKE2 write a configuration for the containerd that they contain.
const CONFIGURATIONS: [&str; 3] = [
    "/etc/containerd/config.toml",
    "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
    "/var/lib/rancher/rke2/agent/etc/containerd/config.toml",
];

pub(super) fn look() -> Vec<Finding> {
    // The version comes from the program, because asking the service for it requires root.
    let Some(line) = version_of("containerd") else {
        let advice =
            "needed only to run images with `ctr` or on a Kubernetes node; install containerd";
        return vec![Finding::missing("containerd", "not on PATH", advice)];
    };
    vec![version(&line), shim(), runtimes()]
}

/// Reads `containerd github.com/containerd/containerd v1.7.24 88bf19b2…`, or Debian's `… 1.6.20~ds1 …`.
fn version(line: &str) -> Finding {
    let version =
        line.split_whitespace().nth(2).unwrap_or_default().trim_start_matches('v').to_owned();
    match numbers(&version) {
        None => Finding::ok("containerd", line.to_owned()),
        // 1.6 is the oldest version that we have measured; see the table of engines.
        Some(known) if known < (1, 6) => Finding::warning(
            "containerd",
            version,
            "versions before 1.6 are not tested; update to 1.7 or newer",
        ),
        Some(known) => Finding::ok("containerd", format!("{version}: {}", formats(known))),
    }
}

/// Returns the formats that this version accepts.
fn formats(version: (u32, u32)) -> String {
    let of = |family: &str| {
        let ours = Engine::all().filter(|engine| engine.family() == family);
        let number = |engine: &Engine| {
            // Names end with a version, such as `cri-1.7`.
            numbers(engine.name().rsplit_once('-')?.1)
        };
        // The table lists only versions that changed something, in ascending order. So the last one that is
        // not newer than the installed version applies.
        let newest = ours.filter(|it| number(it).is_some_and(|it| it <= version)).last();
        newest.map_or(String::new(), |it| {
            it.formats(Kind::Command).map(Format::name).collect::<Vec<_>>().join(", ")
        })
    };
    // Otherwise, it says "no unpack platforms defined".
    let local = if version >= (2, 3) { ", after `ctr image pull --local`" } else { "" };
    format!("`ctr` takes {}{local}; pods take {}", of("containerd"), of("kubernetes"))
}

fn shim() -> Finding {
    let shims: Vec<String> = shims()
        .into_iter()
        .map(|(runtime, file)| format!("{runtime} ({})", file.display()))
        .collect();
    // containerd's service may have another PATH than this process, so this is only an indication.
    match shims.is_empty() {
        false => Finding::ok("containerd shims", shims.join(", ")),
        true => Finding::missing(
            "containerd shims",
            "no Wasm shim on this PATH",
            "standalone images need none; for others, install containerd-shim-wasmtime-v1 from https://github.com/containerd/runwasi/releases into /usr/local/bin",
        ),
    }
}

fn runtimes() -> Finding {
    let read = |path: &&str| {
        let text =
            fs_err::read_to_string(Path::new(path)).or_trace("read containerd's configuration");
        text.map(|text| ((*path).to_owned(), text))
    };
    // Often only root can read the files, so failing to read one does not mean that a runtime is missing.
    let Some((path, text)) = CONFIGURATIONS.iter().find_map(read) else {
        return Finding::warning(
            "containerd pods",
            "can't read its configuration",
            "pods with other images than standalone ones need a Wasm runtime in it; see https://github.com/wasm-oci/wasm-oci/blob/main/docs/kubernetes.md",
        );
    };
    let names = wasm_runtimes(&text);
    match names.is_empty() {
        false => Finding::ok(
            "containerd pods",
            format!("{path} has the Wasm handlers {}", names.join(", ")),
        ),
        true => Finding::warning(
            "containerd pods",
            format!("{path} has no Wasm runtime"),
            "needed only for pods whose images are not standalone; add a runtime with runtime_type = \"io.containerd.wasmtime.v1\" under \
             […containerd.runtimes.wasmtime], and restart containerd",
        ),
    }
}

/// Returns the handlers with a WebAssembly shim, from version 2 or 3 of the configuration.
fn wasm_runtimes(configuration: &str) -> Vec<String> {
    let table = configuration.parse::<toml::Table>().or_trace("parse containerd's configuration");
    let table = table.unwrap_or_default();
    // Version 2 of the configuration is for containerd 1.x, version 3 for containerd 2.
    let plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime"];
    let runtimes = plugins.into_iter().filter_map(|plugin| {
        table.get("plugins")?.get(plugin)?.get("containerd")?.get("runtimes")?.as_table()
    });
    let is_ours = |runtime: &Value| {
        let kind = runtime.get("runtime_type").and_then(Value::as_str).unwrap_or_default();
        // A type has the form `io.containerd.NAME.VERSION`.
        kind.split('.').any(is_wasm)
    };
    runtimes
        .flatten()
        .filter(|(_, runtime)| is_ours(runtime))
        .map(|(name, _)| name.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::doctor::FindingState;

    #[test]
    fn runtimes_of_either_version_of_the_configuration() {
        let two = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.wasm]\n\
                   runtime_type = \"io.containerd.wasmedge.v1\"\n\
                   [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n\
                   runtime_type = \"io.containerd.runc.v2\"";
        assert_eq!(wasm_runtimes(two), ["wasm"]);
        let three = "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.spin]\n\
                     runtime_type = 'io.containerd.spin.v2'";
        assert_eq!(wasm_runtimes(three), ["spin"]);
        assert!(wasm_runtimes("").is_empty() && wasm_runtimes("not toml").is_empty());
    }

    #[test]
    fn a_version_says_which_formats_it_takes() {
        let of = |text: &str| {
            version(&format!("containerd github.com/containerd/containerd {text} 0123"))
        };
        let debian = of("1.6.20~ds1");
        assert_eq!(debian.state, FindingState::Ok);
        assert!(
            debian.found.contains("`ctr` takes standalone, universal, container; pods take"),
            "{debian:?}"
        );
        let newest = of("v2.4.0-beta.1").found;
        assert!(newest.contains("combined, after `ctr image pull --local`; pods take"), "{newest}");
        assert!(newest.contains("pods take standalone, universal, module, artifact"), "{newest}");
        assert!(!of("v2.2.7").found.contains("--local"));
        assert_eq!(of("1.5.9").state, FindingState::Warning);
        assert_eq!(version("containerd something else").state, FindingState::Ok);
    }
}
