//! Runtime classes for pods in the user's own manifests.

use crate::deploy::yaml::edit::Edits;
use crate::deploy::yaml::{NodeId, Stream};

/// Adds `runtimeClassName: name` to every pod that has none and has a container with an image for which `needs_shim` is true.
pub fn complete(
    stream: &Stream,
    edits: &mut Edits<'_>,
    needs_shim: impl Fn(NodeId) -> bool,
    name: &str,
) -> Result<(), crate::deploy::yaml::Error> {
    let has_ours = |containers: NodeId| {
        let mut images =
            stream.items(containers).iter().filter_map(|&item| stream.get(item, "image"));
        images.any(|(_, image)| needs_shim(stream.resolved(image)))
    };
    // Every mapping with containers counts as a pod: pods also occur in lists and custom resources.
    // An alias is skipped, because its target is a node of its own and one change there is enough.
    for node in stream.nodes().filter(|&node| stream.resolved(node) == node) {
        let mut lists =
            ["initContainers", "containers"].iter().filter_map(|key| stream.get(node, key));
        let Some((key, _)) = lists.find(|&(_, containers)| has_ours(containers)) else { continue };
        if stream.get(node, "runtimeClassName").is_none() {
            edits.insert(node, key, &[("runtimeClassName", name)])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::manifests::SCHEME;

    #[test]
    fn pods_get_a_runtime_class_where_they_have_none() {
        let completed = |text: &str| {
            let stream = Stream::read("a.yaml", text.as_bytes().to_vec()).unwrap();
            let mut edits = Edits::of(&stream);
            let is_ours = |node| stream.scalar(node).is_some_and(|text| text.starts_with(SCHEME));
            complete(&stream, &mut edits, is_ours, "wasm").unwrap();
            edits.apply().unwrap()
        };
        let pod = "spec:\n  # all of them\n  containers:\n    - name: db\n      image: postgres\n    - image: wasm-oci://a\n";
        assert_eq!(completed(pod), pod.replace("  # all", "  runtimeClassName: wasm\n  # all"));
        for same in [
            pod.replace("wasm-oci://a", "other").as_str(),
            "spec:\n  containers: [{image: wasm-oci://a}]\n  runtimeClassName: x\n",
            "a: &a {runtimeClassName: x}\nspec:\n  <<: *a\n  containers: [{image: wasm-oci://a}]\n",
            "image: wasm-oci://a\ncontainers: wasm-oci://a\n",
        ] {
            assert_eq!(completed(same), same);
        }
        let listed = "items:\n- spec: {initContainers: [{image: &i wasm-oci://a}], containers: [{image: *i}]}\n";
        let expected = listed.replace("{init", "{runtimeClassName: wasm, init");
        assert_eq!(completed(listed), expected);
    }
}
