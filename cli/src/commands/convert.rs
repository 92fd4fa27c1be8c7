//! `wasm-oci convert`: an image in another format, of the same module.

use clap::Args;
use wasm_oci_core::image::{Format, ImageSettings, Platform, Tag, assemble};
use wasm_oci_core::module::{ValidateOptions, validate};
use wasm_oci_core::store::Location;

use super::destination::Destination;
use crate::args::{LoginArgs, RegistryArgs};
use crate::error::Error;
use crate::messages::{ImageMessage, Places};
use crate::pipeline::{TaggedImage, block_on, to_archive, to_layout, to_registry, until_interrupted};
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
    registry: RegistryArgs,
    #[command(flatten)]
    login: LoginArgs,
}

impl Convert {
    pub(crate) fn run(self, shell: &Shell) -> Result<(), Error> {
        let destination = Destination::of(self.destination, &self.source, self.tags)?;
        let (repository, layout, archive) = destination.parts();
        let login = repository.map(|reference| self.login.login(reference.registry())).transpose()?.flatten();
        let connections = self.registry.connections(shell)?.with_login(login);
        let source = block_on(load_image(&self.source, &connections))?;
        let mut settings = ImageSettings::of(&source)?;
        if !self.linux_platforms.is_empty() {
            settings.linux_platforms = self.linux_platforms;
        }
        let module = source.wasm_manifest()?.module()?;
        let module = validate(module.unoptimized(), &ValidateOptions::any_import())?;
        let mut images = Vec::new();
        for (image, format) in assemble(&module, &settings, &self.format)?.into_iter().zip(&self.format) {
            let tags = match images.is_empty() {
                true => destination.tags().to_vec(),
                false => destination
                    .tags()
                    .iter()
                    .map(|tag| tag.suffixed(format.name()))
                    .collect::<Result<_, _>>()?,
            };
            shell.status("Converted", format_args!("{} to {format} {}", self.source, image.digest()));
            images.push(TaggedImage { format: *format, image, tags });
        }
        if let Some(reference) = repository {
            until_interrupted(to_registry(&images, reference, &connections, shell))?;
        }
        if let Some(path) = layout {
            block_on(to_layout(&images, path, shell))?;
        }
        if let Some(path) = archive {
            to_archive(&images, path, &settings.name)?;
        }
        let places = Places {
            repository,
            layout: layout.map(std::path::PathBuf::as_path),
            archive: archive.map(std::path::PathBuf::as_path),
        };
        for image in &images {
            ImageMessage::new(&settings.name, image, None, &places).print(shell, self.json)?;
        }
        Ok(())
    }
}
