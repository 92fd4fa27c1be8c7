//! What can keep a consumer from starting an image.

use super::shape::{Command, ConfigKind, Content, Entry, LayerKind, Parts, Shape};
use crate::compat::runtimes::{Takes, Verdict};
use crate::image::Platform;
use crate::module::Kind;

/// Something about an image that one consumer or another stumbles over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hurdle {
    /// The index lists nothing for the platform that the consumer looks for.
    NoEntry,
    /// A part of the image isn't there, or makes no sense.
    Unreadable,
    /// There is no module in it.
    NoModule,
    /// What it starts is something else than WebAssembly, or not valid.
    NotWasm,
    /// What it starts was compiled ahead, for one processor and version.
    Precompiled,
    /// What it starts is a component.
    Component,
    /// What it starts is a module without `_start`, and it doesn't say what else to call.
    Reactor,
    /// The runtime of this name doesn't take what the module needs.
    Runtime(&'static str),
    /// The configuration is that of a CNCF Wasm OCI Artifact.
    ArtifactConfig,
    /// The configuration is that of an image.
    ImageConfig,
    /// The configuration is neither an image's nor an artifact's.
    OtherConfig,
    /// A tar layer, and a configuration that is not an image's.
    TarUnderOtherConfig,
    /// It is an index.
    Index,
    /// A layer is a bare module, beside which there may be others.
    BareLayer,
    /// All layers are bare modules.
    OnlyBareLayers,
    /// An index, and all layers are bare modules.
    BareLayersInIndex,
    /// All layers are bare modules, of an image that is not for WebAssembly.
    BareLayersForOthers,
    /// A bare module under another type than `application/wasm`.
    OtherWasmLayer,
    /// A tar layer.
    TarLayer,
    /// A tar layer of an image that is for `wasi/wasm`, or another system than linux.
    TarLayerForWasi,
    /// There is more, or less, than one layer.
    NotOneLayer,
    /// A layer is neither a tar nor a module.
    OtherLayer,
    /// The configuration lists a bare layer among those of the root file system.
    BareInDiffIds,
    /// The configuration lists more, or fewer, layers of the root file system than there are tars.
    DiffIds,
    /// The configuration names no command.
    NoCommand,
    /// The command is no file of the image.
    CommandElsewhere,
    /// The system is `wasip1` or another of WebAssembly's than `wasi`.
    OtherWasmOs,
    /// The system is linux.
    Linux,
    /// The index lists linux, and not `wasi/wasm`.
    LinuxInIndex,
    /// The system is not linux.
    NotLinux,
}

impl Hurdle {
    /// Whether it is in the way in this entry of this image.
    pub(super) fn is_in(self, shape: &Shape, entry: Option<&Entry>) -> bool {
        let parts = entry.map(|entry| entry.parts.as_ref());
        match (self, parts) {
            (Hurdle::Index, _) => shape.is_index,
            (Hurdle::NoEntry, parts) => parts.is_none(),
            (Hurdle::Unreadable, Some(parts)) => parts.is_err(),
            (_, Some(Ok(parts))) => self.is_in_parts(parts, shape.is_index),
            _ => false,
        }
    }

    fn is_in_parts(self, parts: &Parts, is_index: bool) -> bool {
        let bare = parts.count(|layer| matches!(layer, LayerKind::Wasm | LayerKind::OtherWasm));
        let tars = parts.count(|layer| layer == LayerKind::Tar);
        let only_bare = bare > 0 && bare == parts.layers.len();
        let os = parts.platform.as_ref().map(|platform| platform.os.as_str());
        match self {
            Hurdle::NoEntry | Hurdle::Unreadable | Hurdle::Index => false,
            Hurdle::NoModule => matches!(parts.content, Content::Nothing(_)),
            Hurdle::NotWasm => matches!(parts.content, Content::NotWasm(_)),
            Hurdle::Precompiled => matches!(parts.content, Content::Precompiled),
            Hurdle::Component => parts.is_kind(Kind::Component),
            Hurdle::Reactor => {
                parts.is_kind(Kind::Reactor) && parts.command != Command::PresentWithExport
            }
            Hurdle::Runtime(name) => parts.verdict(name).is_some_and(|it| it.takes == Takes::No),
            Hurdle::ArtifactConfig => parts.config == ConfigKind::Artifact,
            Hurdle::ImageConfig => parts.config == ConfigKind::Image,
            Hurdle::OtherConfig => parts.config == ConfigKind::Other,
            Hurdle::TarUnderOtherConfig => parts.config != ConfigKind::Image && tars > 0,
            Hurdle::BareLayer => bare > 0,
            Hurdle::OnlyBareLayers => only_bare,
            Hurdle::BareLayersInIndex => only_bare && is_index,
            Hurdle::BareLayersForOthers => {
                only_bare && !parts.platform.as_ref().is_some_and(Platform::is_wasm)
            }
            Hurdle::OtherWasmLayer => parts.count(|layer| layer == LayerKind::OtherWasm) > 0,
            Hurdle::TarLayer => tars > 0,
            Hurdle::TarLayerForWasi => tars > 0 && os != Some("linux"),
            Hurdle::NotOneLayer => parts.layers.len() != 1,
            Hurdle::OtherLayer => parts.count(|layer| layer == LayerKind::Other) > 0,
            Hurdle::BareInDiffIds => bare > 0 && parts.diff_ids > tars,
            Hurdle::DiffIds => tars > 0 && parts.diff_ids != tars,
            Hurdle::NoCommand => parts.command == Command::Missing,
            Hurdle::CommandElsewhere => parts.command == Command::Elsewhere,
            Hurdle::OtherWasmOs => {
                parts.platform.as_ref().is_some_and(|it| it.is_wasm() && it.os != "wasi")
            }
            Hurdle::Linux => os == Some("linux"),
            Hurdle::LinuxInIndex => is_index && os == Some("linux"),
            Hurdle::NotLinux => os != Some("linux"),
        }
    }

    /// What it is, as the cause of what the consumer says.
    #[must_use]
    pub(super) fn cause(self) -> &'static str {
        match self {
            Hurdle::NoEntry => "the index lists nothing for its platform",
            Hurdle::Unreadable => "a part of the image can't be read",
            Hurdle::NoModule => "there is no module in it",
            Hurdle::NotWasm => "what it starts is not valid WebAssembly",
            Hurdle::Precompiled => {
                "what it starts was compiled ahead, for one version of one runtime"
            }
            Hurdle::Component => "it is a component",
            Hurdle::Reactor => "the module has no `_start`",
            Hurdle::Runtime(_) => "the module needs what the runtime lacks",
            Hurdle::ArtifactConfig => "it is an artifact, with a configuration of its own type",
            Hurdle::ImageConfig => "it is an image for engines",
            Hurdle::OtherConfig => "its configuration has a type that only some tool knows",
            Hurdle::TarUnderOtherConfig => {
                "a tar layer under a configuration that is not an image's"
            }
            Hurdle::Index => "it is an index",
            Hurdle::BareLayer | Hurdle::OnlyBareLayers => "the module is a bare layer",
            Hurdle::BareLayersInIndex => "the module is a bare layer in an index",
            Hurdle::BareLayersForOthers => {
                "the module is a bare layer of an image that is not for WebAssembly"
            }
            Hurdle::OtherWasmLayer => {
                "the module is a bare layer of a type that only some tool knows"
            }
            Hurdle::TarLayer => "the module lies in a tar layer",
            Hurdle::TarLayerForWasi => "it doesn't unpack a tar layer for wasi/wasm",
            Hurdle::NotOneLayer => "it has not exactly one layer",
            Hurdle::OtherLayer => "a layer has a type that only some tool knows",
            Hurdle::BareInDiffIds => "`diff_ids` lists the bare layer, which is no tar",
            Hurdle::DiffIds => "`diff_ids` doesn't list the tar layers one by one",
            Hurdle::NoCommand => "it has neither an entrypoint nor a command",
            Hurdle::CommandElsewhere => "its command is none of its files",
            Hurdle::OtherWasmOs => "its `os` is not exactly `wasi`",
            Hurdle::Linux => "it says that it is for linux",
            Hurdle::LinuxInIndex => "the index lists linux, and not wasi/wasm",
            Hurdle::NotLinux => "it is not for linux",
        }
    }

    /// What helps besides another format.
    pub(super) fn way_out(self) -> Option<&'static str> {
        match self {
            Hurdle::Unreadable => Some("push it again, whole"),
            Hurdle::NoModule => Some("pack the module: `wasm-oci push app.wasm REFERENCE`"),
            Hurdle::NotWasm => Some("build it for WebAssembly: `--target wasm32-wasip1` in Rust"),
            Hurdle::Precompiled => {
                Some("pack the module as the compiler wrote it: shims compile it themselves")
            }
            Hurdle::Component => Some("build a module, for wasm32-wasip1"),
            Hurdle::Reactor => Some("build a program, with `main`"),
            Hurdle::Runtime(_) => Some(
                "build the module without that: `wasm-oci validate --runtime` says where it is used",
            ),
            Hurdle::CommandElsewhere => Some("set the entrypoint to the module's path"),
            _ => None,
        }
    }
}

impl Parts {
    fn is_kind(&self, wanted: Kind) -> bool {
        matches!(self.content, Content::Wasm { kind, .. } if kind == wanted)
    }

    /// What a runtime makes of the module.
    fn verdict(&self, runtime: &str) -> Option<&Verdict> {
        let Content::Wasm { report: Some(report), .. } = &self.content else { return None };
        report.runtimes.iter().find(|verdict| verdict.runtime.name() == runtime)
    }
}
