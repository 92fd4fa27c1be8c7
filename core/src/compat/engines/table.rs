//! What is known of consumers of images. `docs/formats.md` shows it; the tests hold it against those that they can run.

use super::hurdle::Hurdle;
use super::verdict::Source;

/// A consumer, and what keeps it from starting an image.
pub(super) struct Known {
    /// By what users call it.
    pub(super) name: &'static str,
    /// What it is a version or a kind of.
    pub(super) family: &'static str,
    /// Its name for tables.
    pub(super) title: &'static str,
    /// How an image is started with it.
    pub(super) how: &'static str,
    pub(super) picks: Pick,
    /// Whether it starts what is in it, or only carries it.
    pub(super) starts: bool,
    pub(super) rules: &'static [Rule],
    /// How it is known that all else runs.
    pub(super) source: Source,
}

/// Which manifest of an index a consumer takes. Of an image that is no index, all take the only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pick {
    /// That for `wasi/wasm`, to the letter, which the user says with `--platform`; else one for linux, with another.
    Wasi,
    /// That for the machine's own platform.
    Host,
    /// That for a Wasm platform of any name.
    Wasm,
}

/// What a hurdle does to a consumer.
pub(super) struct Rule {
    pub(super) hurdle: Hurdle,
    pub(super) outcome: Outcome,
    pub(super) source: Source,
}

pub(super) enum Outcome {
    /// It fails, and says this; empty where its words are not known.
    Fails(&'static str),
    /// It runs when its user does this.
    With(&'static str),
}

/// Seen by the tests, on every change.
const fn tested(hurdle: Hurdle, says: &'static str) -> Rule {
    Rule { hurdle, outcome: Outcome::Fails(says), source: Source::Tests }
}

/// Seen by hand, in November 2026.
const fn seen(hurdle: Hurdle, says: &'static str) -> Rule {
    Rule { hurdle, outcome: Outcome::Fails(says), source: Source::Hand }
}

/// Read in the consumer's source.
const fn read(hurdle: Hurdle, says: &'static str) -> Rule {
    Rule { hurdle, outcome: Outcome::Fails(says), source: Source::Code }
}

/// It follows from what else is known, and nobody has looked.
const fn inferred(hurdle: Hurdle) -> Rule {
    Rule { hurdle, outcome: Outcome::Fails(""), source: Source::Inferred }
}

const fn with(hurdle: Hurdle, condition: &'static str, source: Source) -> Rule {
    Rule { hurdle, outcome: Outcome::With(condition), source }
}

/// What nobody can do anything with.
pub(super) const NOBODY: &[Rule] = &[inferred(Hurdle::Unreadable)];

/// What nobody starts.
pub(super) const NOBODY_STARTS: &[Rule] = &[
    inferred(Hurdle::NoModule),
    inferred(Hurdle::NotWasm),
    inferred(Hurdle::Precompiled),
    with(
        Hurdle::Reactor,
        "an export to call: `#NAME` after the module's path in the entrypoint",
        Source::Code,
    ),
];

const CTR: &str = "`ctr run --runtime io.containerd.wasmtime.v1 --platform wasi/wasm IMAGE ID`";
const POD: &str = "a pod whose RuntimeClass has a Wasm shim as its handler";
const DOCKER: &str = "`docker run --runtime=io.containerd.wasmtime.v1 --platform=wasi/wasm IMAGE`";

const CTR_COMMAND: &str = "the module's path after the container's name";
const POD_COMMAND: &str = "a `command:` in the pod, with the module's path";
const DOCKER_COMMAND: &str = "the module's path after the image's name";

const CTR_PLATFORM: &str = "`--platform linux/amd64`";

const WRONG_NUMBER: &str = "number of layers and diffIDs don't match";
const UNKNOWN_CONFIG: &str = "unknown image config media type";
const NO_READER: &str = "failed to get reader from content store";
const NO_PROCESSOR: &str = "failed to get stream processor for application/wasm";
const NO_MATCH: &str = "no match for platform in manifest";
const MISMATCHED: &str = "mismatched image rootfs and manifest layers";
const NO_PARENT: &str = "parent snapshot";
const OS: &str = "operating system is not supported";
const CANNOT_HANDLE: &str = "wasmtime executor can't handle spec";

pub(super) const CONSUMERS: &[Known] = &[
    Known {
        name: "containerd-1.6",
        family: "containerd",
        title: "containerd 1.6 `ctr`",
        how: CTR,
        picks: Pick::Wasi,
        starts: true,
        rules: &[
            tested(Hurdle::NoEntry, NO_MATCH),
            tested(Hurdle::BareInDiffIds, NO_PROCESSOR),
            tested(Hurdle::BareLayer, MISMATCHED),
            tested(Hurdle::DiffIds, MISMATCHED),
            tested(Hurdle::TarUnderOtherConfig, UNKNOWN_CONFIG),
            inferred(Hurdle::OtherLayer),
            tested(Hurdle::CommandElsewhere, CANNOT_HANDLE),
            with(Hurdle::LinuxInIndex, CTR_PLATFORM, Source::Inferred),
            with(Hurdle::NoCommand, CTR_COMMAND, Source::Tests),
        ],
        source: Source::Tests,
    },
    Known {
        name: "containerd-1.7",
        family: "containerd",
        title: "containerd 1.7 `ctr`",
        how: CTR,
        picks: Pick::Wasi,
        starts: true,
        rules: &[
            tested(Hurdle::NoEntry, NO_MATCH),
            tested(Hurdle::BareInDiffIds, MISMATCHED),
            tested(Hurdle::DiffIds, MISMATCHED),
            tested(Hurdle::ArtifactConfig, UNKNOWN_CONFIG),
            tested(Hurdle::OtherConfig, UNKNOWN_CONFIG),
            tested(Hurdle::BareLayersInIndex, CANNOT_HANDLE),
            tested(Hurdle::BareLayersForOthers, CANNOT_HANDLE),
            tested(Hurdle::OtherWasmLayer, CANNOT_HANDLE),
            inferred(Hurdle::OtherLayer),
            tested(Hurdle::CommandElsewhere, CANNOT_HANDLE),
            with(Hurdle::LinuxInIndex, CTR_PLATFORM, Source::Inferred),
            with(Hurdle::NoCommand, CTR_COMMAND, Source::Tests),
        ],
        source: Source::Tests,
    },
    Known {
        name: "cri-1.6",
        family: "kubernetes",
        title: "Kubernetes (CRI) on containerd 1.6",
        how: POD,
        picks: Pick::Host,
        starts: true,
        rules: &[
            tested(Hurdle::NoEntry, NO_MATCH),
            tested(Hurdle::DiffIds, WRONG_NUMBER),
            tested(Hurdle::BareInDiffIds, NO_PROCESSOR),
            tested(Hurdle::OnlyBareLayers, MISMATCHED),
            tested(Hurdle::TarUnderOtherConfig, NO_READER),
            inferred(Hurdle::OtherLayer),
            tested(Hurdle::CommandElsewhere, CANNOT_HANDLE),
            with(Hurdle::NoCommand, POD_COMMAND, Source::Tests),
        ],
        source: Source::Tests,
    },
    Known {
        name: "cri-1.7",
        family: "kubernetes",
        title: "Kubernetes (CRI) on containerd 1.7",
        how: POD,
        picks: Pick::Host,
        starts: true,
        rules: &[
            tested(Hurdle::NoEntry, NO_MATCH),
            tested(Hurdle::DiffIds, WRONG_NUMBER),
            tested(Hurdle::BareInDiffIds, MISMATCHED),
            tested(Hurdle::TarUnderOtherConfig, NO_READER),
            tested(Hurdle::BareLayersInIndex, CANNOT_HANDLE),
            tested(Hurdle::BareLayersForOthers, CANNOT_HANDLE),
            tested(Hurdle::OtherWasmLayer, CANNOT_HANDLE),
            inferred(Hurdle::OtherLayer),
            tested(Hurdle::CommandElsewhere, CANNOT_HANDLE),
            with(Hurdle::NoCommand, POD_COMMAND, Source::Tests),
        ],
        source: Source::Tests,
    },
    Known {
        name: "cri-2.1",
        family: "kubernetes",
        title: "Kubernetes (CRI) on containerd 2.1",
        how: POD,
        picks: Pick::Host,
        starts: true,
        rules: &[
            seen(Hurdle::NoEntry, NO_MATCH),
            inferred(Hurdle::DiffIds),
            inferred(Hurdle::BareInDiffIds),
            inferred(Hurdle::TarUnderOtherConfig),
            inferred(Hurdle::BareLayersInIndex),
            inferred(Hurdle::BareLayersForOthers),
            inferred(Hurdle::OtherWasmLayer),
            inferred(Hurdle::OtherLayer),
            inferred(Hurdle::CommandElsewhere),
            with(Hurdle::NoCommand, POD_COMMAND, Source::Hand),
        ],
        source: Source::Hand,
    },
    Known {
        name: "cri-2.3",
        family: "kubernetes",
        title: "Kubernetes (CRI) on containerd 2.3 and later",
        how: POD,
        picks: Pick::Host,
        starts: true,
        rules: &[
            seen(Hurdle::NoEntry, NO_MATCH),
            seen(Hurdle::TarLayerForWasi, NO_PARENT),
            inferred(Hurdle::DiffIds),
            inferred(Hurdle::BareInDiffIds),
            inferred(Hurdle::TarUnderOtherConfig),
            inferred(Hurdle::BareLayersInIndex),
            inferred(Hurdle::BareLayersForOthers),
            inferred(Hurdle::OtherWasmLayer),
            inferred(Hurdle::OtherLayer),
            inferred(Hurdle::CommandElsewhere),
            with(Hurdle::NoCommand, POD_COMMAND, Source::Hand),
        ],
        source: Source::Hand,
    },
    Known {
        name: "docker-26",
        family: "docker",
        title: "Docker 26, containerd image store",
        how: DOCKER,
        picks: Pick::Wasi,
        starts: true,
        rules: &[
            inferred(Hurdle::NoEntry),
            seen(Hurdle::ArtifactConfig, "No such image"),
            seen(Hurdle::OtherWasmOs, "No such image"),
            seen(Hurdle::OnlyBareLayers, CANNOT_HANDLE),
            inferred(Hurdle::DiffIds),
            inferred(Hurdle::BareInDiffIds),
            inferred(Hurdle::BareLayersInIndex),
            inferred(Hurdle::BareLayersForOthers),
            inferred(Hurdle::OtherWasmLayer),
            inferred(Hurdle::OtherLayer),
            inferred(Hurdle::OtherConfig),
            inferred(Hurdle::CommandElsewhere),
            with(Hurdle::Linux, "no `--platform`", Source::Inferred),
            with(Hurdle::NoCommand, DOCKER_COMMAND, Source::Inferred),
        ],
        source: Source::Hand,
    },
    Known {
        name: "docker-28",
        family: "docker",
        title: "Docker 28, containerd image store",
        how: DOCKER,
        picks: Pick::Wasi,
        starts: true,
        rules: &[
            inferred(Hurdle::NoEntry),
            seen(Hurdle::OtherWasmOs, "does not provide the specified platform"),
            inferred(Hurdle::DiffIds),
            inferred(Hurdle::BareInDiffIds),
            inferred(Hurdle::BareLayersInIndex),
            inferred(Hurdle::BareLayersForOthers),
            inferred(Hurdle::OtherWasmLayer),
            inferred(Hurdle::OtherLayer),
            inferred(Hurdle::OtherConfig),
            inferred(Hurdle::CommandElsewhere),
            with(Hurdle::Linux, "no `--platform`", Source::Inferred),
            with(Hurdle::NoCommand, DOCKER_COMMAND, Source::Inferred),
        ],
        source: Source::Hand,
    },
    Known {
        name: "docker-classic",
        family: "docker",
        title: "Docker, classic image store",
        how: "`docker run --runtime=io.containerd.wasmtime.v1 IMAGE`, without `--platform`",
        picks: Pick::Host,
        starts: true,
        rules: &[
            inferred(Hurdle::NoEntry),
            seen(Hurdle::NotLinux, OS),
            inferred(Hurdle::BareLayer),
            inferred(Hurdle::DiffIds),
            inferred(Hurdle::OtherLayer),
            inferred(Hurdle::OtherConfig),
            inferred(Hurdle::CommandElsewhere),
            with(Hurdle::NoCommand, DOCKER_COMMAND, Source::Inferred),
        ],
        source: Source::Hand,
    },
    Known {
        name: "podman",
        family: "podman",
        title: "podman 5 with crun-wasm",
        how: "`podman run --platform=wasi/wasm IMAGE`",
        picks: Pick::Wasi,
        starts: true,
        rules: &[
            inferred(Hurdle::NoEntry),
            seen(Hurdle::ArtifactConfig, ""),
            seen(Hurdle::OnlyBareLayers, "invalid tar header"),
            seen(Hurdle::BareLayer, ""),
            seen(Hurdle::Component, ""),
            inferred(Hurdle::DiffIds),
            inferred(Hurdle::OtherLayer),
            inferred(Hurdle::OtherConfig),
            inferred(Hurdle::OtherWasmOs),
            inferred(Hurdle::CommandElsewhere),
            with(
                Hurdle::Linux,
                "no `--platform`, and `--annotation module.wasm.image/variant=compat-smart`",
                Source::Inferred,
            ),
            with(Hurdle::NoCommand, DOCKER_COMMAND, Source::Inferred),
        ],
        source: Source::Hand,
    },
    Known {
        name: "wkg",
        family: "wkg",
        title: "wkg `oci pull`",
        how: "`wkg oci pull IMAGE`",
        picks: Pick::Wasm,
        starts: false,
        rules: &[
            read(Hurdle::TarLayer, "Incompatible layer media type"),
            read(Hurdle::OtherWasmLayer, "Incompatible layer media type"),
            read(Hurdle::OtherLayer, "Incompatible layer media type"),
            read(Hurdle::NotOneLayer, "Wasm components must have exactly one layer"),
            read(
                Hurdle::ImageConfig,
                "Wasm components must have a config of type application/vnd.wasm.config.v0+json",
            ),
            read(
                Hurdle::OtherConfig,
                "Wasm components must have a config of type application/vnd.wasm.config.v0+json",
            ),
            inferred(Hurdle::Index),
        ],
        source: Source::Hand,
    },
    Known {
        name: "skopeo",
        family: "skopeo",
        title: "skopeo",
        how: "`skopeo copy --all docker://IMAGE …`",
        picks: Pick::Wasm,
        starts: false,
        rules: &[],
        source: Source::Tests,
    },
    Known {
        name: "node",
        family: "node",
        title: "Node (`node:wasi`)",
        how: "`wasm-oci pull IMAGE --module app.wasm`",
        picks: Pick::Wasm,
        starts: true,
        rules: &[read(Hurdle::Runtime("node"), "")],
        source: Source::Tests,
    },
    Known {
        name: "browser",
        family: "browser",
        title: "browsers",
        how: "`wasm-oci pull IMAGE --module app.wasm`, and a WASI polyfill",
        picks: Pick::Wasm,
        starts: true,
        rules: &[
            read(Hurdle::Runtime("chrome"), ""),
            read(Hurdle::Runtime("firefox"), ""),
            read(Hurdle::Runtime("safari"), ""),
        ],
        source: Source::Hand,
    },
];
