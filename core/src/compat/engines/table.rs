//! The table of engines. `docs/formats.md` is generated from it, and tests compare it with real engines.

use super::check::Evidence;
use super::incompatibility::Incompatibility;

/// An engine, and the rules by which it fails.
pub(super) struct Known {
    /// The name for `--for`.
    pub(super) name: &'static str,
    pub(super) family: &'static str,
    pub(super) title: &'static str,
    pub(super) how: &'static str,
    pub(super) picks: Pick,
    // False for tools that only carry an image: they don't look at the module.
    pub(super) starts: bool,
    pub(super) rules: &'static [Rule],
    /// The source for images that no rule applies to.
    pub(super) source: Evidence,
}

/// The manifest that an engine selects from an index. From any other image, all select the only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pick {
    /// The one for exactly `wasi/wasm` (the user passes `--platform`), otherwise one for linux.
    Wasi,
    /// The one for the host's own platform.
    Host,
    /// The one for a Wasm platform of any name.
    Wasm,
}

/// The effect of one property on one engine.
pub(super) struct Rule {
    pub(super) incompatibility: Incompatibility,
    pub(super) outcome: Outcome,
    pub(super) source: Evidence,
}

pub(super) enum Outcome {
    /// The engine fails with this message, which is empty if unknown.
    Fails(&'static str),
    /// The engine runs the image if its user does this.
    With(&'static str),
}

/// Our tests see it on every change.
const fn tested(incompatibility: Incompatibility, says: &'static str) -> Rule {
    Rule { incompatibility, outcome: Outcome::Fails(says), source: Evidence::Tests }
}

/// A run by hand in November 2026.
const fn seen(incompatibility: Incompatibility, says: &'static str) -> Rule {
    Rule { incompatibility, outcome: Outcome::Fails(says), source: Evidence::Hand }
}

/// Read in the engine's source code.
const fn read(incompatibility: Incompatibility, says: &'static str) -> Rule {
    Rule { incompatibility, outcome: Outcome::Fails(says), source: Evidence::Code }
}

/// A conclusion from other entries that nobody has tried.
const fn inferred(incompatibility: Incompatibility) -> Rule {
    Rule { incompatibility, outcome: Outcome::Fails(""), source: Evidence::Inferred }
}

const fn with(incompatibility: Incompatibility, condition: &'static str, source: Evidence) -> Rule {
    Rule { incompatibility, outcome: Outcome::With(condition), source }
}

/// Rules of every engine.
pub(super) const ALL_ENGINES: &[Rule] = &[inferred(Incompatibility::Unreadable)];

/// Rules of every engine that starts modules.
pub(super) const ALL_STARTING_ENGINES: &[Rule] = &[
    inferred(Incompatibility::NoModule),
    inferred(Incompatibility::NotWasm),
    inferred(Incompatibility::Precompiled),
    with(
        Incompatibility::Reactor,
        "an export to call: `#NAME` after the module's path in the entrypoint",
        Evidence::Code,
    ),
];

const CTR: &str = "`ctr run --runtime io.containerd.wasmtime.v1 --platform wasi/wasm IMAGE ID`";
const POD: &str = "a pod whose RuntimeClass has a Wasm shim as its handler";
const DOCKER: &str = "`docker run --runtime=io.containerd.wasmtime.v1 --platform=wasi/wasm IMAGE`";

// An artifact of wkg has no command.
const CTR_COMMAND: &str = "the module's path after the container's name";
const POD_COMMAND: &str = "a `command:` in the pod, with the module's path";
const DOCKER_COMMAND: &str = "the module's path after the image's name";

const CTR_PLATFORM: &str = "`--platform linux/amd64`";

// Parts of messages that are the same for every image: digests and names are left out.
const WRONG_NUMBER: &str = "number of layers and diffIDs don't match";
const UNKNOWN_CONFIG: &str = "unknown image config media type";
const NO_READER: &str = "failed to get reader from content store";
const NO_PROCESSOR: &str = "failed to get stream processor for application/wasm";
const NO_MATCH: &str = "no match for platform in manifest";
const MISMATCHED: &str = "mismatched image rootfs and manifest layers";
const NO_PARENT: &str = "parent snapshot";
const OS: &str = "operating system is not supported";
const CANNOT_HANDLE: &str = "wasmtime executor can't handle spec";

pub(super) const ENGINES: &[Known] = &[
    Known {
        // 1.6 counts bare layers among those of the root file system, whatever the format.
        name: "containerd-1.6",
        family: "containerd",
        title: "containerd 1.6 `ctr`",
        how: CTR,
        picks: Pick::Wasi,
        starts: true,
        rules: &[
            tested(Incompatibility::NoEntry, NO_MATCH),
            // Before `BareLayer`, because the message is another one if `diff_ids` lists the layer.
            tested(Incompatibility::BareInDiffIds, NO_PROCESSOR),
            tested(Incompatibility::BareLayer, MISMATCHED),
            tested(Incompatibility::DiffIds, MISMATCHED),
            tested(Incompatibility::TarUnderOtherConfig, UNKNOWN_CONFIG),
            inferred(Incompatibility::OtherLayer),
            tested(Incompatibility::CommandElsewhere, CANNOT_HANDLE),
            with(Incompatibility::LinuxInIndex, CTR_PLATFORM, Evidence::Inferred),
            with(Incompatibility::NoCommand, CTR_COMMAND, Evidence::Tests),
        ],
        source: Evidence::Tests,
    },
    Known {
        name: "containerd-1.7",
        family: "containerd",
        title: "containerd 1.7 `ctr`",
        how: CTR,
        picks: Pick::Wasi,
        starts: true,
        rules: &[
            tested(Incompatibility::NoEntry, NO_MATCH),
            tested(Incompatibility::BareInDiffIds, MISMATCHED),
            tested(Incompatibility::DiffIds, MISMATCHED),
            // Only `ctr` checks the type of the configuration; CRI starts artifacts.
            tested(Incompatibility::ArtifactConfig, UNKNOWN_CONFIG),
            tested(Incompatibility::OtherConfig, UNKNOWN_CONFIG),
            // In an index, runwasi's shim doesn't find a bare layer.
            tested(Incompatibility::BareLayersInIndex, CANNOT_HANDLE),
            tested(Incompatibility::BareLayersForOthers, CANNOT_HANDLE),
            tested(Incompatibility::OtherWasmLayer, CANNOT_HANDLE),
            inferred(Incompatibility::OtherLayer),
            tested(Incompatibility::CommandElsewhere, CANNOT_HANDLE),
            with(Incompatibility::LinuxInIndex, CTR_PLATFORM, Evidence::Inferred),
            with(Incompatibility::NoCommand, CTR_COMMAND, Evidence::Tests),
        ],
        source: Evidence::Tests,
    },
    Known {
        // CRI has no `--platform`: each entry for it selects the platform of its host.
        name: "cri-1.6",
        family: "kubernetes",
        title: "Kubernetes (CRI) on containerd 1.6",
        how: POD,
        picks: Pick::Host,
        starts: true,
        rules: &[
            tested(Incompatibility::NoEntry, NO_MATCH),
            tested(Incompatibility::DiffIds, WRONG_NUMBER),
            tested(Incompatibility::BareInDiffIds, NO_PROCESSOR),
            // Unlike `ctr`, CRI starts the tar layer of a combined image.
            tested(Incompatibility::OnlyBareLayers, MISMATCHED),
            tested(Incompatibility::TarUnderOtherConfig, NO_READER),
            inferred(Incompatibility::OtherLayer),
            tested(Incompatibility::CommandElsewhere, CANNOT_HANDLE),
            with(Incompatibility::NoCommand, POD_COMMAND, Evidence::Tests),
        ],
        source: Evidence::Tests,
    },
    Known {
        name: "cri-1.7",
        family: "kubernetes",
        title: "Kubernetes (CRI) on containerd 1.7",
        how: POD,
        picks: Pick::Host,
        starts: true,
        rules: &[
            tested(Incompatibility::NoEntry, NO_MATCH),
            tested(Incompatibility::DiffIds, WRONG_NUMBER),
            tested(Incompatibility::BareInDiffIds, MISMATCHED),
            tested(Incompatibility::TarUnderOtherConfig, NO_READER),
            tested(Incompatibility::BareLayersInIndex, CANNOT_HANDLE),
            tested(Incompatibility::BareLayersForOthers, CANNOT_HANDLE),
            tested(Incompatibility::OtherWasmLayer, CANNOT_HANDLE),
            inferred(Incompatibility::OtherLayer),
            tested(Incompatibility::CommandElsewhere, CANNOT_HANDLE),
            with(Incompatibility::NoCommand, POD_COMMAND, Evidence::Tests),
        ],
        source: Evidence::Tests,
    },
    Known {
        // Measured in 2.1.9; 2.2.7 does the same.
        name: "cri-2.1",
        family: "kubernetes",
        title: "Kubernetes (CRI) on containerd 2.1",
        how: POD,
        picks: Pick::Host,
        starts: true,
        rules: &[
            seen(Incompatibility::NoEntry, NO_MATCH),
            inferred(Incompatibility::DiffIds),
            inferred(Incompatibility::BareInDiffIds),
            inferred(Incompatibility::TarUnderOtherConfig),
            inferred(Incompatibility::BareLayersInIndex),
            inferred(Incompatibility::BareLayersForOthers),
            inferred(Incompatibility::OtherWasmLayer),
            inferred(Incompatibility::OtherLayer),
            inferred(Incompatibility::CommandElsewhere),
            with(Incompatibility::NoCommand, POD_COMMAND, Evidence::Hand),
        ],
        source: Evidence::Hand,
    },
    Known {
        name: "cri-2.3",
        family: "kubernetes",
        title: "Kubernetes (CRI) on containerd 2.3 and later",
        how: POD,
        picks: Pick::Host,
        starts: true,
        rules: &[
            seen(Incompatibility::NoEntry, NO_MATCH),
            // rancher-desktop #10524. `use_local_image_pull = true` in containerd's configuration avoids it. The
            // image also runs if a universal image with the same layer was pulled before.
            seen(Incompatibility::TarLayerForWasi, NO_PARENT),
            inferred(Incompatibility::DiffIds),
            inferred(Incompatibility::BareInDiffIds),
            inferred(Incompatibility::TarUnderOtherConfig),
            inferred(Incompatibility::BareLayersInIndex),
            inferred(Incompatibility::BareLayersForOthers),
            inferred(Incompatibility::OtherWasmLayer),
            inferred(Incompatibility::OtherLayer),
            inferred(Incompatibility::CommandElsewhere),
            with(Incompatibility::NoCommand, POD_COMMAND, Evidence::Hand),
        ],
        source: Evidence::Hand,
    },
    Known {
        name: "docker-26",
        family: "docker",
        title: "Docker 26, containerd image store",
        how: DOCKER,
        picks: Pick::Wasi,
        starts: true,
        rules: &[
            inferred(Incompatibility::NoEntry),
            seen(Incompatibility::ArtifactConfig, "No such image"),
            seen(Incompatibility::OtherWasmOs, "No such image"),
            // Docker 26 unpacks no root file system from a bare layer.
            seen(Incompatibility::OnlyBareLayers, CANNOT_HANDLE),
            inferred(Incompatibility::DiffIds),
            inferred(Incompatibility::BareInDiffIds),
            inferred(Incompatibility::BareLayersInIndex),
            inferred(Incompatibility::BareLayersForOthers),
            inferred(Incompatibility::OtherWasmLayer),
            inferred(Incompatibility::OtherLayer),
            inferred(Incompatibility::OtherConfig),
            inferred(Incompatibility::CommandElsewhere),
            with(Incompatibility::Linux, "no `--platform`", Evidence::Inferred),
            with(Incompatibility::NoCommand, DOCKER_COMMAND, Evidence::Inferred),
        ],
        source: Evidence::Hand,
    },
    Known {
        // Measured with `--network host`. On any other network, a Wasm container hangs without a message: the
        // shim reports process 0 before it starts.
        name: "docker-28",
        family: "docker",
        title: "Docker 28, containerd image store",
        how: DOCKER,
        picks: Pick::Wasi,
        starts: true,
        rules: &[
            inferred(Incompatibility::NoEntry),
            // An artifact with `artifact-os = "wasi"` runs.
            seen(Incompatibility::OtherWasmOs, "does not provide the specified platform"),
            inferred(Incompatibility::DiffIds),
            inferred(Incompatibility::BareInDiffIds),
            inferred(Incompatibility::BareLayersInIndex),
            inferred(Incompatibility::BareLayersForOthers),
            inferred(Incompatibility::OtherWasmLayer),
            inferred(Incompatibility::OtherLayer),
            inferred(Incompatibility::OtherConfig),
            inferred(Incompatibility::CommandElsewhere),
            with(Incompatibility::Linux, "no `--platform`", Evidence::Inferred),
            with(Incompatibility::NoCommand, DOCKER_COMMAND, Evidence::Inferred),
        ],
        source: Evidence::Hand,
    },
    Known {
        // This store accepts only linux images, so `--platform wasi/wasm` finds nothing in it.
        name: "docker-classic",
        family: "docker",
        title: "Docker, classic image store",
        how: "`docker run --runtime=io.containerd.wasmtime.v1 IMAGE`, without `--platform`",
        picks: Pick::Host,
        starts: true,
        rules: &[
            inferred(Incompatibility::NoEntry),
            seen(Incompatibility::NotLinux, OS),
            inferred(Incompatibility::BareLayer),
            inferred(Incompatibility::DiffIds),
            inferred(Incompatibility::OtherLayer),
            inferred(Incompatibility::OtherConfig),
            inferred(Incompatibility::CommandElsewhere),
            with(Incompatibility::NoCommand, DOCKER_COMMAND, Evidence::Inferred),
        ],
        source: Evidence::Hand,
    },
    Known {
        name: "podman",
        family: "podman",
        title: "podman 5 with crun-wasm",
        how: "`podman run --platform=wasi/wasm IMAGE`",
        picks: Pick::Wasi,
        starts: true,
        rules: &[
            inferred(Incompatibility::NoEntry),
            seen(Incompatibility::ArtifactConfig, ""),
            // podman unpacks every layer as a tar.
            seen(Incompatibility::OnlyBareLayers, "invalid tar header"),
            seen(Incompatibility::BareLayer, ""),
            // crun runs core modules only.
            seen(Incompatibility::Component, ""),
            inferred(Incompatibility::DiffIds),
            inferred(Incompatibility::OtherLayer),
            inferred(Incompatibility::OtherConfig),
            inferred(Incompatibility::OtherWasmOs),
            inferred(Incompatibility::CommandElsewhere),
            // podman chooses crun-wasm only for wasi/wasm. Plain crun needs the annotation; `run.oci.handler=wasm`,
            // which older guides recommend, is an error.
            with(
                Incompatibility::Linux,
                "no `--platform`, and `--annotation module.wasm.image/variant=compat-smart`",
                Evidence::Inferred,
            ),
            with(Incompatibility::NoCommand, DOCKER_COMMAND, Evidence::Inferred),
        ],
        source: Evidence::Hand,
    },
    Known {
        name: "wkg",
        family: "wkg",
        title: "wkg `oci pull`",
        how: "`wkg oci pull IMAGE`",
        picks: Pick::Wasm,
        starts: false,
        rules: &[
            // wkg 0.16 accepts exactly one layer, `application/wasm`, under the CNCF's configuration.
            read(Incompatibility::TarLayer, "Incompatible layer media type"),
            read(Incompatibility::OtherWasmLayer, "Incompatible layer media type"),
            read(Incompatibility::OtherLayer, "Incompatible layer media type"),
            read(Incompatibility::NotOneLayer, "Wasm components must have exactly one layer"),
            read(
                Incompatibility::ImageConfig,
                "Wasm components must have a config of type application/vnd.wasm.config.v0+json",
            ),
            read(
                Incompatibility::OtherConfig,
                "Wasm components must have a config of type application/vnd.wasm.config.v0+json",
            ),
            inferred(Incompatibility::Index),
        ],
        source: Evidence::Hand,
    },
    Known {
        name: "skopeo",
        family: "skopeo",
        title: "skopeo",
        // Without `--all`, skopeo selects the platform of its host.
        how: "`skopeo copy --all docker://IMAGE …`",
        picks: Pick::Wasm,
        starts: false,
        // skopeo copies blobs of any type.
        rules: &[],
        source: Evidence::Tests,
    },
    Known {
        name: "node",
        family: "node",
        title: "Node (`node:wasi`)",
        how: "`wasm-oci pull IMAGE --module app.wasm`",
        picks: Pick::Wasm,
        starts: true,
        // `pull --module` extracts the module from any format, so only its features matter.
        rules: &[read(Incompatibility::Runtime("node"), "")],
        source: Evidence::Tests,
    },
    Known {
        name: "browser",
        family: "browser",
        title: "browsers",
        how: "`wasm-oci pull IMAGE --module app.wasm`, and a WASI polyfill",
        picks: Pick::Wasm,
        starts: true,
        rules: &[
            read(Incompatibility::Runtime("chrome"), ""),
            read(Incompatibility::Runtime("firefox"), ""),
            read(Incompatibility::Runtime("safari"), ""),
        ],
        source: Evidence::Hand,
    },
];
