//! What was made, for scripts.

use std::path::{Path, PathBuf};

use serde::Serialize;
use wasm_oci_core::image::{Digest, Format, Reference, Tag};

use crate::error::Error;
use crate::pipeline::packed::{Sizes, TaggedImage};
use crate::ui::shell::Shell;

/// An image that was made and put somewhere: a line of standard output, or with `--json` an object.
#[derive(Debug, Clone, Serialize)]
pub struct ImageMessage {
    /// `wasm-oci-image`, beside cargo's own reasons.
    pub reason: &'static str,
    /// The package, for `cargo wasm-oci`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// The program.
    pub name: String,
    /// The format's name.
    pub format: &'static str,
    /// The digest of the manifest or index.
    pub digest: Digest,
    /// The size of all blobs in bytes.
    pub size: u64,
    /// The tags.
    pub tags: Vec<String>,
    /// Whether nothing had to be done.
    pub fresh: bool,
    /// The layout directory, if it was written to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<PathBuf>,
    /// The archive, if it was written to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<PathBuf>,
    /// `repository@digest`, if it was pushed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The module's sizes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<Sizes>,
}

/// Where images were put.
#[derive(Debug, Clone, Copy, Default)]
pub struct Places<'a> {
    /// The layout directory.
    pub layout: Option<&'a Path>,
    /// The archive.
    pub archive: Option<&'a Path>,
    /// The repository.
    pub repository: Option<&'a Reference>,
}

impl ImageMessage {
    /// The message about an image of the program `name`.
    #[must_use]
    pub fn new(
        name: &str,
        image: &TaggedImage,
        module: Option<Sizes>,
        places: &Places<'_>,
    ) -> ImageMessage {
        let TaggedImage { format, image, tags } = image;
        let message =
            ImageMessage::of_parts(name, *format, image.digest(), image.size(), tags, places);
        ImageMessage { module, ..message }
    }

    /// The same for an image that was not read.
    #[must_use]
    pub fn of_parts(
        name: &str,
        format: Format,
        digest: Digest,
        size: u64,
        tags: &[Tag],
        places: &Places<'_>,
    ) -> ImageMessage {
        ImageMessage {
            reason: "wasm-oci-image",
            package: None,
            name: name.to_owned(),
            format: format.name(),
            digest,
            size,
            tags: tags.iter().map(Tag::to_string).collect(),
            fresh: false,
            layout: places.layout.map(Path::to_owned),
            archive: places.archive.map(Path::to_owned),
            reference: places
                .repository
                .map(|repository| repository.with_digest(digest).to_string()),
            module: None,
        }
    }

    /// Prints it: where it was pushed to, else where the layout or archive is; or all of it as JSON.
    ///
    /// # Errors
    /// [`Error::Stdout`].
    pub fn print(&self, shell: &Shell, json: bool) -> Result<(), Error> {
        if json {
            return shell.print_json(self);
        }
        let tag = self.tags.first().map_or(String::new(), |tag| format!(":{tag}"));
        match (&self.reference, &self.layout, &self.archive) {
            (Some(reference), ..) => shell.print(reference),
            (None, Some(layout), _) => shell.print(format_args!("oci:{}{tag}", layout.display())),
            (None, None, Some(archive)) => {
                shell.print(format_args!("oci-archive:{}{tag}", archive.display()))
            }
            (None, None, None) => shell.print(self.digest),
        }
    }
}
