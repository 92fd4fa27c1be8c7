//! Properties of an image that can keep an engine from starting it.

use super::program::{Command, Content, LayerKind};
use super::shape::{ConfigKind, Entry, Parts, Shape};
use crate::compat::{Supports, runtimes};
use crate::image::Platform;
use crate::module::{Kind, Report};

/// Something about an image that one engine or another stumbles over; [`Incompatibility::cause`] explains each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Incompatibility {
    /// The index has no manifest for the platform that the engine selects.
    NoEntry,
    Unreadable,
    NoModule,
    BrokenLayer,
    NotWasm,
    // runwasi's shims reject precompiled code: they compile for the node's own processor.
    Precompiled,
    Component,
    // Not if the entrypoint names another export: `/app.wasm#name` in runwasi.
    Reactor,
    /// The runtime of this name lacks a feature that the module needs.
    Runtime(&'static str),
    /// The configuration is that of a CNCF Wasm OCI Artifact.
    ArtifactConfig,
    ImageConfig,
    OtherConfig,
    TarUnderOtherConfig,
    Index,
    // Apart from `OnlyBareLayers`: CRI of containerd 1.6 starts an image with a tar next to the bare layer.
    BareLayer,
    OnlyBareLayers,
    BareLayersInIndex,
    BareLayersForOthers,
    // Types other than `application/wasm`: `BARE` in `image/extract.rs` lists them.
    OtherWasmLayer,
    TarLayer,
    // Not limited to `wasi`: CRI of containerd 2.3 doesn't unpack layers for any system except linux.
    TarLayerForWasi,
    NotOneLayer,
    OtherLayer,
    BareInDiffIds,
    // image-spec, config.md: `diff_ids` has one digest for each tar.
    DiffIds,
    NoCommand,
    CommandElsewhere,
    /// The command has `#NAME`, and the module no such export.
    NoExport,
    // runwasi's shims don't search `PATH`.
    CommandOnPath,
    NoUser,
    RelativeWorkingDir,
    // Docker and podman make it, runwasi's shims don't.
    NoWorkingDir,
    /// Nothing that a runtime could start.
    Defect,
    // Docker compares `os` literally, so that `wasip1` of an artifact doesn't match `--platform wasi/wasm`.
    OtherWasmOs,
    Linux,
    LinuxInIndex,
    NotLinux,
}

impl Incompatibility {
    /// Returns true if the image, or the manifest that the engine selects, has this property.
    pub(super) fn is_in(self, shape: &Shape, entry: Option<&Entry>) -> bool {
        let parts = entry.map(|entry| entry.parts.as_ref());
        match (self, parts) {
            (Incompatibility::Index, _) => shape.is_index,
            (Incompatibility::NoEntry, parts) => parts.is_none(),
            (Incompatibility::Unreadable, Some(parts)) => parts.is_err(),
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
            Incompatibility::NoEntry | Incompatibility::Unreadable | Incompatibility::Index => {
                false
            }
            Incompatibility::NoModule => matches!(parts.program.content, Content::Nothing(_)),
            Incompatibility::BrokenLayer => {
                matches!(parts.program.content, Content::BrokenLayer(_))
            }
            Incompatibility::NotWasm => matches!(parts.program.content, Content::NotWasm(_)),
            Incompatibility::Precompiled => matches!(parts.program.content, Content::Precompiled),
            Incompatibility::Component => parts.is_kind(Kind::Component),
            Incompatibility::Reactor => {
                parts.is_kind(Kind::Reactor) && parts.program.command != Command::PresentWithExport
            }
            Incompatibility::Runtime(name) => parts.is_unsupported_by(name),
            Incompatibility::ArtifactConfig => parts.config == ConfigKind::Artifact,
            Incompatibility::ImageConfig => parts.config == ConfigKind::Image,
            Incompatibility::OtherConfig => parts.config == ConfigKind::Other,
            Incompatibility::TarUnderOtherConfig => parts.config != ConfigKind::Image && tars > 0,
            Incompatibility::BareLayer => bare > 0,
            Incompatibility::OnlyBareLayers => only_bare,
            Incompatibility::BareLayersInIndex => only_bare && is_index,
            Incompatibility::BareLayersForOthers => {
                only_bare && !parts.platform.as_ref().is_some_and(Platform::is_wasm)
            }
            Incompatibility::OtherWasmLayer => {
                parts.count(|layer| layer == LayerKind::OtherWasm) > 0
            }
            Incompatibility::TarLayer => tars > 0,
            Incompatibility::TarLayerForWasi => tars > 0 && os != Some("linux"),
            Incompatibility::NotOneLayer => parts.layers.len() != 1,
            Incompatibility::OtherLayer => parts.count(|layer| layer == LayerKind::Other) > 0,
            // A bare module is not a tar, so it has no digest of an uncompressed tar (image-spec, config.md).
            Incompatibility::BareInDiffIds => bare > 0 && parts.diff_ids > tars,
            // Images without a tar have a rule of their own: `BareInDiffIds`.
            Incompatibility::DiffIds => tars > 0 && parts.diff_ids != tars,
            Incompatibility::NoCommand => parts.program.command == Command::Missing,
            Incompatibility::CommandElsewhere => parts.program.command == Command::Elsewhere,
            Incompatibility::NoExport => parts.lacks_export(),
            Incompatibility::CommandOnPath => parts.program.start.only_on_path,
            Incompatibility::NoUser => parts.program.start.no_user,
            Incompatibility::RelativeWorkingDir => parts.program.start.relative_working_dir,
            Incompatibility::NoWorkingDir => parts.program.start.no_working_dir,
            Incompatibility::Defect => parts.defect().is_some(),
            Incompatibility::OtherWasmOs => {
                parts.platform.as_ref().is_some_and(|it| it.is_wasm() && it.os != "wasi")
            }
            Incompatibility::Linux => os == Some("linux"),
            Incompatibility::LinuxInIndex => is_index && os == Some("linux"),
            Incompatibility::NotLinux => os != Some("linux"),
        }
    }

    /// Returns the property as the cause of an engine's message.
    #[must_use]
    pub(super) fn cause(self) -> &'static str {
        match self {
            Incompatibility::NoEntry => "the index lists nothing for its platform",
            Incompatibility::Unreadable => "a part of the image can't be read",
            Incompatibility::NoModule => "there is no module in it",
            Incompatibility::BrokenLayer => "a layer can't be unpacked",
            Incompatibility::NotWasm => "the entrypoint is not valid WebAssembly",
            Incompatibility::Precompiled => {
                "the entrypoint was compiled ahead of time, for one version of one runtime"
            }
            Incompatibility::Component => "it is a component",
            Incompatibility::Reactor => "the module has no `_start`",
            Incompatibility::Runtime(_) => "the module needs what the runtime lacks",
            Incompatibility::ArtifactConfig => {
                "it is an artifact, with a configuration of its own type"
            }
            Incompatibility::ImageConfig => "it is an image for engines",
            Incompatibility::OtherConfig => "its configuration has a type that only one tool uses",
            Incompatibility::TarUnderOtherConfig => {
                "a tar layer under a configuration that is not an image's"
            }
            Incompatibility::Index => "it is an index",
            Incompatibility::BareLayer | Incompatibility::OnlyBareLayers => {
                "the module is a bare layer"
            }
            Incompatibility::BareLayersInIndex => "the module is a bare layer in an index",
            Incompatibility::BareLayersForOthers => {
                "the module is a bare layer of an image that is not for WebAssembly"
            }
            Incompatibility::OtherWasmLayer => {
                "the module is a bare layer of a type that only one tool uses"
            }
            Incompatibility::TarLayer => "the module is in a tar layer",
            Incompatibility::TarLayerForWasi => "it doesn't unpack a tar layer for wasi/wasm",
            Incompatibility::NotOneLayer => "it has not exactly one layer",
            Incompatibility::OtherLayer => "a layer has a type that only one tool uses",
            Incompatibility::BareInDiffIds => "`diff_ids` lists the bare layer, which is not a tar",
            Incompatibility::DiffIds => "`diff_ids` doesn't list the tar layers one by one",
            Incompatibility::NoCommand => "it has neither an entrypoint nor a command",
            Incompatibility::CommandElsewhere => "its command is not a file of the image",
            Incompatibility::NoExport => "the module has no export of the name after `#`",
            Incompatibility::CommandOnPath => "its command is a name, and only `PATH` leads to it",
            Incompatibility::NoUser => {
                "its `User` is a name that /etc/passwd or /etc/group of the image doesn't have"
            }
            Incompatibility::RelativeWorkingDir => "its `WorkingDir` is relative",
            Incompatibility::NoWorkingDir => "its `WorkingDir` is not a folder of the image",
            Incompatibility::Defect => "no runtime can start the module",
            Incompatibility::OtherWasmOs => "its `os` is not exactly `wasi`",
            Incompatibility::Linux => "it says that it is for linux",
            Incompatibility::LinuxInIndex => "the index lists linux, and not wasi/wasm",
            Incompatibility::NotLinux => "it is not for linux",
        }
    }

    /// Returns a change that helps where no other format does.
    pub(super) fn suggestion(self) -> Option<&'static str> {
        match self {
            Incompatibility::Unreadable => Some("push it again, whole"),
            Incompatibility::BrokenLayer => Some("build the image again"),
            Incompatibility::NoModule => {
                Some("pack the module: `wasm-oci push app.wasm REFERENCE`")
            }
            Incompatibility::NotWasm => {
                Some("build it for WebAssembly: `--target wasm32-wasip1` in Rust")
            }
            Incompatibility::Precompiled => {
                Some("pack the module as the compiler wrote it: shims compile it themselves")
            }
            // podman: crun runs core modules only.
            Incompatibility::Component => Some("build a module, for wasm32-wasip1"),
            Incompatibility::Reactor => Some("build a program, with `main`"),
            Incompatibility::Runtime(_) => Some(
                "build the module without that: `wasm-oci validate --runtime` says where it is used",
            ),
            Incompatibility::CommandElsewhere | Incompatibility::CommandOnPath => {
                Some("set the entrypoint to the module's path")
            }
            Incompatibility::NoExport => {
                Some("name an export that it has, or leave out `#` and the name")
            }
            Incompatibility::NoUser => Some("use numbers, such as `--user 1000`"),
            Incompatibility::RelativeWorkingDir => Some("set an absolute `WorkingDir`"),
            Incompatibility::NoWorkingDir => {
                Some("include a file in the folder, or leave `WorkingDir` out")
            }
            Incompatibility::Defect => {
                Some("build the module again, for wasm32-wasip1 or wasm32-wasip2")
            }
            // Here, another format helps, which the result names.
            _ => None,
        }
    }
}

impl Parts {
    fn is_kind(&self, wanted: Kind) -> bool {
        matches!(self.program.content, Content::Wasm { kind, .. } if kind == wanted)
    }

    fn report(&self) -> Option<&Report> {
        match &self.program.content {
            Content::Wasm { report, .. } => report.as_deref(),
            _ => None,
        }
    }

    pub(super) fn defect(&self) -> Option<String> {
        self.report().and_then(Report::defect)
    }

    fn lacks_export(&self) -> bool {
        let has = |name: &str, report: &Report| report.exports.iter().any(|it| it.name == name);
        match (&self.program.start.export, self.report()) {
            // In a component, the shims look for interfaces.
            (Some(name), Some(report)) if !report.kind.is_component() => !has(name, report),
            _ => false,
        }
    }

    /// Returns true if no option makes the runtime run the module.
    fn is_unsupported_by(&self, runtime: &str) -> bool {
        let Some(report) = self.report() else { return false };
        let checked = runtimes::check(report);
        checked.iter().any(|it| it.runtime.name() == runtime && it.supports == Supports::No)
    }
}
