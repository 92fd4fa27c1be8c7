//! YAML of users: any text. Edits change nothing but what they are for, or are refused.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use wasm_oci_app::deploy::manifests::{Launch, SCHEME, compose, kubernetes};
use wasm_oci_app::deploy::yaml::edit::Edits;
use wasm_oci_app::deploy::yaml::{NodeId, Stream};

const DIGEST: &str = "ghcr.io/me/app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Ok(stream) = Stream::read("fuzz.yaml", bytes.to_vec()) else { return Corpus::Reject };
    for node in stream.nodes() {
        let _place = stream.place(node);
    }
    let ours: Vec<NodeId> = stream
        .nodes()
        .filter(|&node| stream.scalar(node).is_some_and(|text| text.starts_with(SCHEME)))
        .collect();
    let is_ours = |node: NodeId| ours.contains(&node);
    let replaced = |edits: &mut Edits<'_>| {
        ours.iter().all(|&node| {
            let text = stream.scalar(node).unwrap_or_default().to_owned();
            edits.replace(node, &text, DIGEST).is_ok()
        })
    };
    let mut pods = Edits::of(&stream);
    if replaced(&mut pods) && kubernetes::complete(&stream, &mut pods, is_ours, "wasm").is_ok() {
        check(&stream, pods, ours.is_empty());
    }
    let mut services = Edits::of(&stream);
    let launch = |node| is_ours(node).then_some(Launch::Shim);
    let args = compose::ComposeArgs::default();
    if replaced(&mut services) && compose::complete(&stream, &mut services, launch, &args).is_ok() {
        check(&stream, services, ours.is_empty());
    }
    Corpus::Keep
});

fn check(stream: &Stream, edits: Edits<'_>, unchanged: bool) {
    let Ok(text) = edits.apply() else { return };
    assert!(!unchanged || text == stream.text, "nothing was to be changed");
    let again = Stream::read("fuzz.yaml", text.into_bytes()).expect("it is still YAML");
    let left = again.nodes().filter_map(|node| again.scalar(node)).any(|text| text.starts_with(SCHEME));
    assert!(!left, "an image was not replaced");
    assert_eq!(again.documents().len(), stream.documents().len());
}
