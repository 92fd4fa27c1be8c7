//! Docker: the client, the engine, the image store and the runtimes.

use serde_json::Value;

use super::Finding;
use super::tool::{Tool, is_wasm, numbers, shims};

const SHIM: &str = "standalone images need none; for others, install containerd-shim-wasmtime-v1 from \
                    https://github.com/containerd/runwasi/releases on the PATH of the engine's \
                    service, such as /usr/local/bin";

pub(super) fn look() -> Vec<Finding> {
    let Some(docker) = Tool::find("docker") else {
        let advice =
            "needed only to run images with Docker; see https://docs.docker.com/engine/install/";
        return vec![Finding::missing("docker", "not on PATH", advice)];
    };
    let Some(said) = docker.ask(&["info", "--format", "{{json .}}"]) else {
        let advice = "run `docker info` yourself to see where it hangs";
        return vec![Finding::warning("docker", "`docker info` doesn't answer", advice)];
    };
    // Without an engine, the command fails but still prints the client's part, so look at the output only.
    let Ok(info) = serde_json::from_str::<Value>(&said.stdout) else {
        return vec![Finding::warning(
            "docker",
            said.reason(),
            "run `docker info` yourself to see the error",
        )];
    };
    let client = text(&info["ClientInfo"]["Version"]);
    if text(&info["ServerVersion"]).is_empty() {
        let found = format!("client {client}, but no engine answers ({})", said.reason());
        return vec![Finding::warning(
            "docker",
            found,
            "start the engine: `sudo systemctl start docker`, or Docker Desktop",
        )];
    }
    engine(&info, &client)
}

fn engine(info: &Value, client: &str) -> Vec<Finding> {
    let version = text(&info["ServerVersion"]);
    let major = numbers(&version).map_or(0, |(major, _)| major);
    let engine = format!("client {client}, engine {version}");
    // Since 23, Docker starts any shim on its PATH by the name of its runtime.
    let engine = match major {
        ..23 => Finding::warning(
            "docker",
            engine,
            "update it; before 23, shims work only if daemon.json lists them",
        ),
        23..28 => Finding::ok("docker", engine),
        28.. => Finding::warning(
            "docker",
            engine,
            "run Wasm with `--network=host` (in Compose `network_mode: host`): on any other network, a Wasm container hangs \
             without a message",
        ),
    };
    vec![engine, store(info), runtimes(info)]
}

// The image store decides which formats run, and whether Docker accepts `--platform`.
fn store(info: &Value) -> Finding {
    let driver = text(&info["Driver"]);
    match is_containerd(info) {
        true => Finding::ok(
            "docker images",
            format!("containerd's store ({driver}): `--platform=wasi/wasm`"),
        ),
        false => Finding::warning(
            "docker images",
            format!("the classic store ({driver}), which accepts only linux images"),
            "universal images run without `--platform`; for other formats turn on containerd's store \
             (\"features\": {\"containerd-snapshotter\": true} in /etc/docker/daemon.json)",
        ),
    }
}

fn is_containerd(info: &Value) -> bool {
    // Any snapshotter can be the driver of the containerd store, so only the type of the driver is certain.
    let status = info["DriverStatus"].as_array().into_iter().flatten();
    let mut pairs = status.map(|pair| (pair[0].as_str(), pair[1].as_str()));
    pairs.any(|pair| pair == (Some("driver-type"), Some("io.containerd.snapshotter.v1")))
}

fn runtimes(info: &Value) -> Finding {
    // A runtime in daemon.json may have a path instead of a type. Then only its name tells what it runs.
    let configured =
        info["Runtimes"].as_object().into_iter().flatten().filter(|(name, runtime)| {
            let kind = text(&runtime["runtimeType"]);
            kind.split('.').chain([name.as_str()]).any(is_wasm)
        });
    let mut names: Vec<String> = configured.map(|(name, _)| name.clone()).collect();
    names.extend(shims().into_iter().map(|(runtime, _)| runtime));
    names.dedup();
    // Docker Desktop runs its engine in a virtual machine, whose shims are not on this PATH.
    let is_desktop = text(&info["OperatingSystem"]).contains("Docker Desktop");
    match (names.is_empty(), is_desktop) {
        (false, _) => Finding::ok("docker runtimes", names.join(", ")),
        (true, true) => Finding::warning(
            "docker runtimes",
            "Docker Desktop brings its own shims",
            "turn on Wasm in its settings; see https://docs.docker.com/desktop/features/wasm/",
        ),
        (true, false) => Finding::missing("docker runtimes", "no Wasm shim on this PATH", SHIM),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::inspect::doctor::FindingState;

    #[test]
    fn the_store_is_recognized_by_the_drivers_type() {
        let info = json!({"ServerVersion": "28.5.1", "Driver": "overlayfs",
            "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
            "Runtimes": {"runc": {"path": "runc"}, "wasm": {"runtimeType": "io.containerd.wasmedge.v1"}}});
        let findings = engine(&info, "28.5.1");
        assert!(
            findings[1..].iter().all(|finding| finding.state == FindingState::Ok),
            "{findings:?}"
        );
        // Docker 28 runs Wasm on the host's network only.
        assert_eq!(findings[0].state, FindingState::Warning);
        assert!(findings[0].advice.as_deref().unwrap_or_default().contains("--network=host"));
        let before = json!({"ServerVersion": "26.1.5"});
        assert_eq!(engine(&before, "26.1.5")[0].state, FindingState::Ok);
        assert!(findings[2].found.starts_with("wasm"), "{findings:?}");
        let classic =
            json!({"Driver": "overlay2", "DriverStatus": [["Backing Filesystem", "extfs"]]});
        assert_eq!(store(&classic).state, FindingState::Warning);
        let old = json!({"ServerVersion": "20.10.24"});
        assert_eq!(engine(&old, "20.10.24")[0].state, FindingState::Warning);
    }
}
