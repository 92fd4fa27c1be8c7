//! Tools that carry images, and places that take the module alone.

use super::{Evidence, Incompatibility, Known, Pick, inferred, read};

const LAYER_TYPE: &str = "Incompatible layer media type";
const CONFIG_TYPE: &str =
    "Wasm components must have a config of type application/vnd.wasm.config.v0+json";

pub(super) const WKG: Known = Known {
    name: "wkg",
    family: "wkg",
    title: "wkg `oci pull`",
    how: "`wkg oci pull IMAGE`",
    native: None,
    picks: Pick::Wasm,
    starts: false,
    rules: &[&[
        // wkg 0.16 accepts exactly one layer, `application/wasm`, under the CNCF's configuration.
        read(Incompatibility::TarLayer, LAYER_TYPE),
        read(Incompatibility::OtherWasmLayer, LAYER_TYPE),
        read(Incompatibility::OtherLayer, LAYER_TYPE),
        read(Incompatibility::NotOneLayer, "Wasm components must have exactly one layer"),
        read(Incompatibility::ImageConfig, CONFIG_TYPE),
        read(Incompatibility::OtherConfig, CONFIG_TYPE),
        inferred(Incompatibility::Index),
    ]],
    source: Evidence::Hand,
};

pub(super) const SKOPEO: Known = Known {
    name: "skopeo",
    family: "skopeo",
    title: "skopeo",
    // Without `--all`, skopeo selects the platform of its host.
    how: "`skopeo copy --all docker://IMAGE …`",
    native: None,
    picks: Pick::Wasm,
    starts: false,
    // skopeo copies blobs of any type.
    rules: &[],
    source: Evidence::Tests,
};

pub(super) const NODE: Known = Known {
    name: "node",
    family: "node",
    title: "Node (`node:wasi`)",
    how: "`wasm-oci pull IMAGE --module app.wasm`",
    native: None,
    picks: Pick::Wasm,
    starts: true,
    // `pull --module` extracts the module from any format, so only its features matter.
    rules: &[&[read(Incompatibility::Runtime("node"), "")]],
    source: Evidence::Tests,
};

pub(super) const BROWSER: Known = Known {
    name: "browser",
    family: "browser",
    title: "browsers",
    how: "`wasm-oci pull IMAGE --module app.wasm`, and a WASI polyfill",
    native: None,
    picks: Pick::Wasm,
    starts: true,
    rules: &[&[
        read(Incompatibility::Runtime("chrome"), ""),
        read(Incompatibility::Runtime("firefox"), ""),
        read(Incompatibility::Runtime("safari"), ""),
    ]],
    source: Evidence::Hand,
};
