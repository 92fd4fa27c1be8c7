//! kubectl, and the RuntimeClasses of its current cluster.

use serde_json::Value;
use wasm_oci_core::trace::OrTrace;

use super::Finding;
use super::tool::{Tool, is_wasm};

pub(super) fn look() -> Vec<Finding> {
    let Some(kubectl) = Tool::find("kubectl") else {
        let advice = "needed only for Kubernetes; see https://kubernetes.io/docs/tasks/tools/";
        return vec![Finding::missing("kubectl", "not on PATH", advice)];
    };
    let Some(context) = kubectl.line(&["config", "current-context"]) else {
        let advice =
            "needed only for Kubernetes; choose a cluster with `kubectl config use-context NAME`";
        return vec![Finding::warning("kubectl", "installed, but no cluster is selected", advice)];
    };
    // A shorter time limit than ours, so that kubectl can still print why it does not reach the cluster.
    let found = kubectl.ask(&["get", "runtimeclasses", "--output=json", "--request-timeout=3s"]);
    let classes = match found {
        Some(said) if said.success => {
            let list = serde_json::from_str(&said.stdout).or_trace("parse the RuntimeClasses");
            classes(&list.unwrap_or_default())
        }
        Some(said) => Finding::warning(
            "RuntimeClasses",
            said.reason(),
            "check that the cluster is up and that you are logged in",
        ),
        None => {
            Finding::warning("RuntimeClasses", "the cluster doesn't answer", "check that it is up")
        }
    };
    vec![Finding::ok("kubectl", format!("uses the context {context}")), classes]
}

fn classes(list: &Value) -> Finding {
    let items = list["items"].as_array().into_iter().flatten();
    let pairs = items
        .filter_map(|item| Some((item["metadata"]["name"].as_str()?, item["handler"].as_str()?)));
    // A RuntimeClass does not say what its handler runs, so only names give a hint.
    let is_ours = |(name, handler): &(&str, &str)| {
        name.split(['-', '.'])
            .chain(handler.split(['-', '.']))
            .any(|word| is_wasm(word) || word == "crun")
    };
    let (ours, others): (Vec<_>, Vec<_>) = pairs.partition(is_ours);
    let listed = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(name, handler)| format!("{name} (handler {handler})"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match (ours.is_empty(), others.is_empty()) {
        (false, _) => Finding::ok("RuntimeClasses", listed(&ours)),
        (true, true) => Finding::missing(
            "RuntimeClasses",
            "none",
            "standalone images need none; for others, apply one for the shim on the nodes: see https://github.com/wasm-oci/wasm-oci/blob/main/docs/kubernetes.md",
        ),
        (true, false) => Finding::warning(
            "RuntimeClasses",
            format!("{}; none of the names suggests WebAssembly", listed(&others)),
            "standalone images need none; for others, apply one for the shim on the nodes: see https://github.com/wasm-oci/wasm-oci/blob/main/docs/kubernetes.md",
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::inspect::doctor::FindingState;

    #[test]
    fn a_class_is_known_by_its_name_or_handler() {
        let class =
            |name: &str, handler: &str| json!({"metadata": {"name": name}, "handler": handler});
        let of = |items: Value| classes(&json!({ "items": items }));
        let ours = of(json!([
            class("gvisor", "runsc"),
            class("fast", "wasmtime"),
            class("wasmtime-spin-v2", "spin")
        ]));
        assert_eq!(ours.found, "fast (handler wasmtime), wasmtime-spin-v2 (handler spin)");
        assert_eq!(of(json!([class("gvisor", "runsc")])).state, FindingState::Warning);
        assert_eq!(of(json!([])).state, FindingState::Missing);
    }
}
