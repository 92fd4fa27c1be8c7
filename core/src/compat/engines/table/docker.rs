//! Docker and podman.

use super::{Evidence, Incompatibility, Known, Pick, Rule, inferred, instead, seen, with};

const DOCKER_26_HOW: &str =
    "`docker run --runtime=io.containerd.wasmtime.v1 --platform=wasi/wasm IMAGE`";
const DOCKER_26_LINUX: &str = "`docker run --runtime=io.containerd.wasmtime.v1 IMAGE`";
// On any other network, a Wasm container hangs without a message: the shim reports process 0 before it starts, and the
// engine can't find its network.
const DOCKER_28_HOW: &str =
    "`docker run --network=host --runtime=io.containerd.wasmtime.v1 --platform=wasi/wasm IMAGE`";
const DOCKER_28_LINUX: &str =
    "`docker run --network=host --runtime=io.containerd.wasmtime.v1 IMAGE`";

const NO_PLATFORM: &str = "no `--platform`";
const COMMAND: &str = "the module's path after the image's name";

/// Rules of the containerd image store that were not tried.
const INFERRED: &[Rule] = &[
    inferred(Incompatibility::DiffIds),
    inferred(Incompatibility::BareInDiffIds),
    inferred(Incompatibility::BareLayersInIndex),
    inferred(Incompatibility::BareLayersForOthers),
    inferred(Incompatibility::OtherWasmLayer),
    inferred(Incompatibility::OtherLayer),
    inferred(Incompatibility::OtherConfig),
    inferred(Incompatibility::CommandElsewhere),
    with(Incompatibility::NoCommand, COMMAND, Evidence::Inferred),
];

pub(super) const DOCKER_26: Known = Known {
    name: "docker-26",
    family: "docker",
    title: "Docker 26, containerd image store",
    how: DOCKER_26_HOW,
    native: Some("`docker run IMAGE`"),
    picks: Pick::Wasi,
    starts: true,
    rules: &[
        &[
            inferred(Incompatibility::NoEntry),
            seen(Incompatibility::ArtifactConfig, "No such image"),
            seen(Incompatibility::OtherWasmOs, "No such image"),
            // Docker 26 unpacks no root file system from a bare layer.
            seen(Incompatibility::OnlyBareLayers, "wasmtime executor can't handle spec"),
            instead(Incompatibility::Linux, NO_PLATFORM, DOCKER_26_LINUX, Evidence::Inferred),
        ],
        INFERRED,
    ],
    source: Evidence::Hand,
};

pub(super) const DOCKER_28: Known = Known {
    name: "docker-28",
    title: "Docker 28, containerd image store, host network",
    how: DOCKER_28_HOW,
    rules: &[
        &[
            inferred(Incompatibility::NoEntry),
            // With `--platform`: "does not provide the specified platform", unless it has `artifact-os = "wasi"`.
            instead(Incompatibility::OtherWasmOs, NO_PLATFORM, DOCKER_28_LINUX, Evidence::Hand),
            instead(Incompatibility::Linux, NO_PLATFORM, DOCKER_28_LINUX, Evidence::Inferred),
        ],
        INFERRED,
    ],
    ..DOCKER_26
};

pub(super) const DOCKER_CLASSIC: Known = Known {
    // This store accepts only linux images, so `--platform wasi/wasm` finds nothing in it. Measured with 26 and 28.
    name: "docker-classic",
    title: "Docker, classic image store",
    how: "`docker run --network=host --runtime=io.containerd.wasmtime.v1 IMAGE` (before Docker 28, any network)",
    picks: Pick::Host,
    rules: &[&[
        inferred(Incompatibility::NoEntry),
        seen(
            Incompatibility::ArtifactConfig,
            "unsupported media type application/vnd.wasm.config.v0+json",
        ),
        inferred(Incompatibility::OtherConfig),
        inferred(Incompatibility::OtherWasmLayer),
        // The same for every image with such a layer: the store looks at types before it looks at the platform.
        seen(Incompatibility::BareLayer, "unsupported media type application/wasm"),
        inferred(Incompatibility::OtherLayer),
        seen(Incompatibility::NotLinux, "operating system is not supported"),
        inferred(Incompatibility::DiffIds),
        inferred(Incompatibility::CommandElsewhere),
        with(Incompatibility::NoCommand, COMMAND, Evidence::Inferred),
    ]],
    ..DOCKER_26
};

pub(super) const PODMAN: Known = Known {
    name: "podman",
    family: "podman",
    title: "podman 5 with crun-wasm",
    how: "`podman run --platform=wasi/wasm IMAGE`",
    native: Some("`podman run IMAGE`"),
    picks: Pick::Wasi,
    starts: true,
    rules: &[&[
        inferred(Incompatibility::NoEntry),
        seen(Incompatibility::ArtifactConfig, ""),
        // podman unpacks every layer as a tar.
        seen(Incompatibility::OnlyBareLayers, "invalid tar header"),
        seen(Incompatibility::BareLayer, ""),
        // crun runs core modules only.
        seen(Incompatibility::Component, "could not get wasmedge result from VM"),
        inferred(Incompatibility::DiffIds),
        inferred(Incompatibility::OtherLayer),
        inferred(Incompatibility::OtherConfig),
        inferred(Incompatibility::OtherWasmOs),
        inferred(Incompatibility::CommandElsewhere),
        // podman chooses crun-wasm only for wasi/wasm. Plain crun needs the annotation; `run.oci.handler=wasm`,
        // which older guides recommend, is an error.
        instead(
            Incompatibility::Linux,
            "no `--platform`, but an annotation",
            "`podman run --annotation module.wasm.image/variant=compat-smart IMAGE`",
            Evidence::Inferred,
        ),
        with(Incompatibility::NoCommand, COMMAND, Evidence::Inferred),
    ]],
    source: Evidence::Hand,
};
