//! Images of a module, before they are written or pushed.

use serde::Serialize;
use wasm_oci_core::image::{Format, Image, Tag};
use wasm_oci_core::module::ValidatedModule;

use crate::ui::shell::Shell;
use crate::units::size;

#[derive(Debug)]
pub struct Packed {
    /// The main format comes first.
    pub images: Vec<TaggedImage>,
    pub sizes: Sizes,
    pub module: ValidatedModule,
}

#[derive(Debug)]
pub struct TaggedImage {
    pub format: Format,
    pub image: Image,
    pub tags: Vec<Tag>,
}

/// The size of a module in bytes at each stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Sizes {
    /// Before optimizing.
    pub raw: u64,
    pub optimized: u64,
    /// In the layers of the main format.
    pub compressed: u64,
}

impl Sizes {
    pub fn show(&self, shell: &Shell) {
        let (raw, optimized, compressed) =
            (size(self.raw), size(self.optimized), size(self.compressed));
        shell.status(
            "Size",
            format_args!("{raw} → {optimized} optimized → {compressed} in the image"),
        );
    }
}
