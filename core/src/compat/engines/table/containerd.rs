//! containerd, started with `ctr` and by Kubernetes.

use super::{Evidence, Incompatibility, Known, Pick, Rule, inferred, instead, seen, tested, with};

const CTR_NATIVE: &str = "`ctr run --rm IMAGE NAME`";
const CTR: &str = "`ctr run --runtime io.containerd.wasmtime.v1 --platform wasi/wasm IMAGE ID`";
const CTR_LINUX: &str =
    "`ctr run --runtime io.containerd.wasmtime.v1 --platform linux/amd64 IMAGE ID`";
// Without `--local`, the transfer service says "no unpack platforms defined" for wasi/wasm.
const CTR_LOCAL: &str = "`ctr run --runtime io.containerd.wasmtime.v1 --platform wasi/wasm IMAGE ID`, after \
                         `ctr image pull --local --platform wasi/wasm IMAGE`";
const POD: &str = "a pod whose RuntimeClass has a Wasm shim as its handler";

// An artifact of wkg has no command.
const CTR_COMMAND: &str = "the module's path after the container's name";
const POD_COMMAND: &str = "a `command:` in the pod, with the module's path";

const LINUX: &str = "`--platform linux/amd64` instead of `wasi/wasm`";

// Parts of messages that are the same for every image: digests and names are left out.
const WRONG_NUMBER: &str = "number of layers and diffIDs don't match";
const UNKNOWN_CONFIG: &str = "unknown image config media type";
const NO_READER: &str = "failed to get reader from content store";
const NO_PROCESSOR: &str = "failed to get stream processor for application/wasm";
const NO_MATCH: &str = "no match for platform in manifest";
const MISMATCHED: &str = "mismatched image rootfs and manifest layers";
const NO_PARENT: &str = "parent snapshot";
const CANNOT_HANDLE: &str = "wasmtime executor can't handle spec";

const CTR_CONDITIONS: &[Rule] = &[
    instead(Incompatibility::LinuxInIndex, LINUX, CTR_LINUX, Evidence::Inferred),
    with(Incompatibility::NoCommand, CTR_COMMAND, Evidence::Tests),
];

pub(super) const CTR_1_6: Known = Known {
    // 1.6 counts bare layers among those of the root file system, whatever the format.
    name: "containerd-1.6",
    family: "containerd",
    title: "containerd 1.6 `ctr`",
    how: CTR,
    native: Some(CTR_NATIVE),
    picks: Pick::Wasi,
    starts: true,
    rules: &[
        &[
            tested(Incompatibility::NoEntry, NO_MATCH),
            // Before `BareLayer`, because the message is another one if `diff_ids` lists the layer.
            tested(Incompatibility::BareInDiffIds, NO_PROCESSOR),
            tested(Incompatibility::BareLayer, MISMATCHED),
            tested(Incompatibility::DiffIds, MISMATCHED),
            tested(Incompatibility::TarUnderOtherConfig, UNKNOWN_CONFIG),
            inferred(Incompatibility::OtherLayer),
            tested(Incompatibility::CommandElsewhere, CANNOT_HANDLE),
        ],
        CTR_CONDITIONS,
    ],
    source: Evidence::Tests,
};

pub(super) const CTR_1_7: Known = Known {
    name: "containerd-1.7",
    family: "containerd",
    title: "containerd 1.7 `ctr`",
    how: CTR,
    native: Some(CTR_NATIVE),
    picks: Pick::Wasi,
    starts: true,
    rules: &[
        &[
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
        ],
        CTR_CONDITIONS,
    ],
    source: Evidence::Tests,
};

/// Rules of `ctr` from 2.1 on, which takes the formats that 1.7 takes.
const CTR_2: &[&[Rule]] = &[&[
    inferred(Incompatibility::NoEntry),
    inferred(Incompatibility::BareInDiffIds),
    inferred(Incompatibility::DiffIds),
    seen(Incompatibility::ArtifactConfig, UNKNOWN_CONFIG),
    inferred(Incompatibility::OtherConfig),
    inferred(Incompatibility::BareLayersInIndex),
    inferred(Incompatibility::BareLayersForOthers),
    inferred(Incompatibility::OtherWasmLayer),
    inferred(Incompatibility::OtherLayer),
    inferred(Incompatibility::CommandElsewhere),
    instead(Incompatibility::LinuxInIndex, LINUX, CTR_LINUX, Evidence::Inferred),
    with(Incompatibility::NoCommand, CTR_COMMAND, Evidence::Inferred),
]];

pub(super) const CTR_2_1: Known = Known {
    name: "containerd-2.1",
    title: "containerd 2.1 `ctr`",
    rules: CTR_2,
    source: Evidence::Hand,
    ..CTR_1_7
};

pub(super) const CTR_2_2: Known =
    Known { name: "containerd-2.2", title: "containerd 2.2 `ctr`", ..CTR_2_1 };

pub(super) const CTR_2_3: Known = Known {
    // Measured in 2.3.4 and 2.4-beta.
    name: "containerd-2.3",
    title: "containerd 2.3 and later `ctr`",
    how: CTR_LOCAL,
    ..CTR_2_1
};

pub(super) const CRI_1_6: Known = Known {
    // CRI has no `--platform`: each entry for it selects the platform of its host.
    name: "cri-1.6",
    family: "kubernetes",
    title: "Kubernetes (CRI) on containerd 1.6",
    how: POD,
    native: Some("a pod, without `runtimeClassName`"),
    picks: Pick::Host,
    starts: true,
    rules: &[&[
        tested(Incompatibility::NoEntry, NO_MATCH),
        tested(Incompatibility::DiffIds, WRONG_NUMBER),
        tested(Incompatibility::BareInDiffIds, NO_PROCESSOR),
        // Unlike `ctr`, CRI starts the tar layer of a combined image.
        tested(Incompatibility::OnlyBareLayers, MISMATCHED),
        tested(Incompatibility::TarUnderOtherConfig, NO_READER),
        inferred(Incompatibility::OtherLayer),
        tested(Incompatibility::CommandElsewhere, CANNOT_HANDLE),
        with(Incompatibility::NoCommand, POD_COMMAND, Evidence::Tests),
    ]],
    source: Evidence::Tests,
};

pub(super) const CRI_1_7: Known = Known {
    name: "cri-1.7",
    title: "Kubernetes (CRI) on containerd 1.7",
    rules: &[&[
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
    ]],
    ..CRI_1_6
};

const CRI_2_NO_ENTRY: &[Rule] = &[seen(Incompatibility::NoEntry, NO_MATCH)];

const CRI_2_LAYERS: &[Rule] = &[
    inferred(Incompatibility::DiffIds),
    inferred(Incompatibility::BareInDiffIds),
    inferred(Incompatibility::TarUnderOtherConfig),
    inferred(Incompatibility::BareLayersInIndex),
    inferred(Incompatibility::BareLayersForOthers),
    inferred(Incompatibility::OtherWasmLayer),
    inferred(Incompatibility::OtherLayer),
    inferred(Incompatibility::CommandElsewhere),
    with(Incompatibility::NoCommand, POD_COMMAND, Evidence::Hand),
];

pub(super) const CRI_2_1: Known = Known {
    name: "cri-2.1",
    title: "Kubernetes (CRI) on containerd 2.1",
    rules: &[CRI_2_NO_ENTRY, CRI_2_LAYERS],
    source: Evidence::Hand,
    ..CRI_1_6
};

pub(super) const CRI_2_2: Known =
    Known { name: "cri-2.2", title: "Kubernetes (CRI) on containerd 2.2", ..CRI_2_1 };

pub(super) const CRI_2_3: Known = Known {
    // Measured in 2.3.4 and 2.4-beta.
    name: "cri-2.3",
    title: "Kubernetes (CRI) on containerd 2.3 and later",
    rules: &[
        CRI_2_NO_ENTRY,
        // rancher-desktop #10524. `use_local_image_pull = true` in containerd's configuration avoids it. The image
        // also runs if a universal image with the same layer was pulled before.
        &[seen(Incompatibility::TarLayerForWasi, NO_PARENT)],
        CRI_2_LAYERS,
    ],
    ..CRI_2_1
};
