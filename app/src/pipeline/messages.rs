//! Messages about images, for scripts.

use std::path::{Path, PathBuf};

use serde::Serialize;
use wasm_oci_core::image::{Digest, Format, Reference, Tag};

use crate::error::Error;
use crate::pipeline::packed::{Sizes, TaggedImage};
use crate::ui::shell::Shell;

/// Message about an image that was written or pushed: a line on standard output, with `--json` an object.
#[derive(Debug, Clone, Serialize)]
pub struct ImageMessage {
    // The key by which readers of cargo's JSON messages tell them apart; lines of cargo may be between ours.
    pub reason: &'static str,
    /// Package, for `cargo wasm-oci`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    pub name: String,
    pub format: &'static str,
    /// Digest of the manifest or index.
    pub digest: Digest,
    /// Size of all blobs in bytes.
    pub size: u64,
    pub tags: Vec<Tag>,
    /// True if the image was already up to date.
    pub fresh: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<PathBuf>,
    /// `repository@digest`, if it was pushed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<Sizes>,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Places<'a> {
    pub layout: Option<&'a Path>,
    pub archive: Option<&'a Path>,
    pub repository: Option<&'a Reference>,
}

impl ImageMessage {
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

    /// Returns the same for an image that was not read.
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
            tags: tags.to_vec(),
            fresh: false,
            layout: places.layout.map(Path::to_owned),
            archive: places.archive.map(Path::to_owned),
            reference: places
                .repository
                .map(|repository| repository.with_digest(digest).to_string()),
            module: None,
        }
    }

    /// Prints the reference of a pushed image, otherwise its layout or archive; with `json`, the whole message.
    pub fn print(&self, shell: &Shell, json: bool) -> Result<(), Error> {
        if json {
            return shell.print_json(self);
        }
        // With a digest, because a tag may move before the script uses it; a place on disk is named as skopeo and podman name it
        // (containers-transports(5)).
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
