//! Images that were made of a module, before they are put somewhere.

use serde::Serialize;
use wasm_oci_core::image::{Format, Image, Tag};
use wasm_oci_core::module::ValidatedModule;

use crate::ui::shell::Shell;
use crate::units::size;

/// What became of one module.
#[derive(Debug)]
pub struct Packed {
    /// The images, the main format first.
    pub images: Vec<TaggedImage>,
    /// How large the module was at each stage.
    pub sizes: Sizes,
    /// The module in them.
    pub module: ValidatedModule,
}

/// An image with its format and tags.
#[derive(Debug)]
pub struct TaggedImage {
    /// Its format.
    pub format: Format,
    /// The image.
    pub image: Image,
    /// Its tags.
    pub tags: Vec<Tag>,
}

/// The size of a module in bytes at each stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Sizes {
    /// As it was built.
    pub raw: u64,
    /// After optimizing.
    pub optimized: u64,
    /// As the main format's layers.
    pub compressed: u64,
}

impl Sizes {
    /// The line with the sizes: raw → optimized → compressed.
    pub fn show(&self, shell: &Shell) {
        let (raw, optimized, compressed) =
            (size(self.raw), size(self.optimized), size(self.compressed));
        shell.status(
            "Size",
            format_args!("{raw} → {optimized} optimized → {compressed} in the image"),
        );
    }
}
