//! The shapes an image can have.

use std::fmt;
use std::str::FromStr;

use super::Error;

/// Which shape an image has, and so who can read it. `docs/formats.md` says which consumer takes which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Format {
    /// An index of one `wasi/wasm` and several linux manifests over one tar layer: what every container engine
    /// takes.
    #[default]
    Universal,
    /// One `wasi/wasm` manifest over one tar layer, as buildx and buildah make it.
    Container,
    /// One `wasi/wasm` manifest whose layer is the bare module, which runwasi precompiles.
    Module,
    /// The tar layer and the bare module in one manifest.
    Combined,
    /// The CNCF Wasm OCI Artifact, with what containerd needs to start it.
    Artifact,
}

impl Format {
    /// All of them, the default first.
    pub const ALL: [Format; 5] =
        [Format::Universal, Format::Container, Format::Module, Format::Combined, Format::Artifact];

    /// The name by which the user chooses it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Format::Universal => "universal",
            Format::Container => "container",
            Format::Module => "module",
            Format::Combined => "combined",
            Format::Artifact => "artifact",
        }
    }

    /// Whether the module lies in a root file system, beside which there is room for other files.
    #[must_use]
    pub fn has_root_filesystem(self) -> bool {
        matches!(self, Format::Universal | Format::Container | Format::Combined)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Format, Error> {
        Format::ALL
            .into_iter()
            .find(|format| format.name() == text)
            .ok_or_else(|| Error::UnknownFormat { text: text.to_owned() })
    }
}
