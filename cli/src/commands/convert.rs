//! `wasm-oci convert`: an image in another format, of the same module.

use clap::Args;
use wasm_oci_core::image::{Format, ImageSettings, Platform, Tag, assemble};
use wasm_oci_core::module::{ValidateOptions, validate};
use wasm_oci_core::store::Location;

use super::destination::{Destination, registry_of};
use crate::connection::AccountArgs;
use crate::error::Error;
use crate::messages::ImageMessage;
use crate::pipeline::{TaggedImage, block_on, until_interrupted};
use crate::plan::tags_of;
use crate::shell::Shell;
use crate::source::load_image;

/// Make an image of another format of an image, without building: the same module bytes, settings and files
///
/// Of several formats, the first takes the tags, each other <tag>-<format>.
#[derive(Debug, Args)]
pub(crate) struct Convert {
    /// The image: oci:DIR[:TAG], oci-archive:FILE[:TAG], or REGISTRY/REPOSITORY[:TAG][@DIGEST]
    #[arg(value_name = "SOURCE")]
    source: Location,
    /// Where to: oci:DIR[:TAG], oci-archive:FILE[:TAG], or REGISTRY/REPOSITORY[:TAG]
    #[arg(value_name = "DESTINATION")]
    destination: Location,
    /// The formats to make: universal, container, module, combined, artifact
    #[arg(long, value_name = "FORMAT", value_delimiter = ',', required = true)]
    format: Vec<Format>,
    /// Another tag for the image there
    #[arg(short, long = "tag", value_name = "TAG", value_delimiter = ',')]
    tags: Vec<Tag>,
    /// The linux platforms that a universal image lists, instead of those of the image
    #[arg(long = "linux-platform", value_name = "OS/ARCH", value_delimiter = ',')]
    linux_platforms: Vec<Platform>,
    /// Print what was made as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    account: AccountArgs,
}

impl Convert {
    pub(crate) fn run(self, shell: &Shell) -> Result<(), Error> {
        let account = registry_of(&self.destination).or(registry_of(&self.source));
        let connections = self.account.connections(account, shell)?;
        let destination = Destination::of(self.destination, &self.source, self.tags)?;
        let source = block_on(load_image(&self.source, &connections))?;
        let mut settings = ImageSettings::of(&source)?;
        if !self.linux_platforms.is_empty() {
            settings.linux_platforms = self.linux_platforms;
        }
        let module = source.wasm_manifest()?.module()?;
        let module = validate(module.unoptimized(), &ValidateOptions::any_import())?;
        let mut images = Vec::new();
        for (image, format) in assemble(&module, &settings, &self.format)?.into_iter().zip(&self.format) {
            let tags = tags_of(destination.tags(), &self.format, *format)?;
            shell.status("Converted", format_args!("{} to {format} {}", self.source, image.digest()));
            images.push(TaggedImage { format: *format, image, tags });
        }
        until_interrupted(destination.put(&images, &settings.name, &connections, shell))?;
        for image in &images {
            ImageMessage::new(&settings.name, image, None, &destination.places()).print(shell, self.json)?;
        }
        Ok(())
    }
}
