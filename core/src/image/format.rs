//! The shapes an image can have.

named_enum! {
    /// Which shape an image has, and so who can read it. `docs/formats.md` lists the engines for each.
    #[derive(Default)]
    pub enum Format: "format" {
        /// An index of one `wasi/wasm` and several linux manifests over one tar layer: what every container engine
        /// takes.
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
    /// Whether the module lies in a root file system, beside which there is room for other files.
    #[must_use]
    pub fn has_root_filesystem(self) -> bool {
        matches!(self, Format::Universal | Format::Container | Format::Combined)
    }
}
