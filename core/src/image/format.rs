//! Image formats.

named_enum! {
    /// The layout of an image, which decides which engines can run it. `docs/formats.md` lists the engines for each.
    #[derive(Default)]
    pub enum Format: "format" {
        /// An index of one `wasi/wasm` manifest, and of native linux manifests that bring their own runtime and the module's
        /// compiled code: every container engine can run it, with a Wasm runtime or without.
        Standalone = "standalone",
        /// An index of one `wasi/wasm` and several linux manifests over one tar layer: every container engine
        /// can run it that has a Wasm runtime.
        #[default]
        Universal = "universal",
        /// One `wasi/wasm` manifest over one tar layer, as buildx and buildah make it.
        Container = "container",
        /// One `wasi/wasm` manifest whose layer is the bare module, which runwasi precompiles.
        Module = "module",
        /// The tar layer and the bare module in one manifest.
        Combined = "combined",
        /// The CNCF Wasm OCI Artifact, with what containerd needs to start it.
        Artifact = "artifact",
    }
}

impl Format {
    /// Returns true if the format has a root file system, which has room for other files next to the module.
    #[must_use]
    pub fn has_root_filesystem(self) -> bool {
        match self {
            Format::Universal | Format::Standalone | Format::Container | Format::Combined => true,
            Format::Module | Format::Artifact => false,
        }
    }

    /// Returns true if the format is an index, which lists a manifest for each platform.
    #[must_use]
    pub fn is_index(self) -> bool {
        matches!(self, Format::Universal | Format::Standalone)
    }
}
