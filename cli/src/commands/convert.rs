use clap::Args;
use wasm_oci_core::compat::engines::{EngineSelector, formats_for};
use wasm_oci_core::image::{Format, ImageSettings, Platform, Tag, assemble};
use wasm_oci_core::module::{ValidateOptions, validate};
use wasm_oci_core::store::Location;

use super::destination::{Destination, registry_of};
use wasm_oci_app::config::plan::tags_of;
use wasm_oci_app::error::Error;
use wasm_oci_app::pipeline::engines;
use wasm_oci_app::pipeline::messages::ImageMessage;
use wasm_oci_app::pipeline::packed::TaggedImage;
use wasm_oci_app::registry::connection::AccountArgs;
use wasm_oci_app::registry::read_limits::ReadLimitArgs;
use wasm_oci_app::registry::source::load_image;
use wasm_oci_app::runtime::until_interrupted;
use wasm_oci_app::ui::shell::Shell;

/// Convert an image to another format without rebuilding the module
///
/// Settings and included files stay the same. With several formats, the first one gets the tags, and every other one gets
/// TAG-FORMAT.
#[derive(Debug, Args)]
pub(crate) struct Convert {
    /// Image to convert: oci:DIR[:TAG], oci-archive:FILE[:TAG], or REGISTRY/REPOSITORY[:TAG][@DIGEST]
    #[arg(value_name = "SOURCE")]
    source: Location,
    /// Destination: oci:DIR[:TAG], oci-archive:FILE[:TAG], or REGISTRY/REPOSITORY[:TAG]
    #[arg(value_name = "DESTINATION")]
    destination: Location,
    /// Formats to create: universal, container, module, combined, artifact
    #[arg(long, value_name = "FORMAT", value_delimiter = ',', required_unless_present = "engines")]
    format: Vec<Format>,
    /// Choose formats by where the image will run: docker, kubernetes, containerd, podman, wkg, node, … (see `check`)
    #[arg(
        id = "engines",
        long = "for",
        value_name = "ENGINE",
        value_delimiter = ',',
        conflicts_with = "format"
    )]
    engines: Vec<EngineSelector>,
    /// Additional tag at the destination
    #[arg(short, long = "tag", value_name = "TAG", value_delimiter = ',')]
    tags: Vec<Tag>,
    /// Linux platform to list in a universal image, instead of those of the source
    #[arg(long = "linux-platform", value_name = "OS/ARCH", value_delimiter = ',')]
    linux_platforms: Vec<Platform>,
    /// Print the new images as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    account: AccountArgs,
    #[command(flatten)]
    limits: ReadLimitArgs,
}

impl Convert {
    pub(crate) async fn run(self, shell: &Shell) -> Result<(), Error> {
        // A login belongs to one registry: the one that the command writes to, otherwise the one it reads from.
        let account = registry_of(&self.destination).or(registry_of(&self.source));
        let connections = self.account.connections(account, shell)?.with_limits(&self.limits)?;
        let destination = Destination::of(self.destination, &self.source, self.tags)?;
        let source = load_image(&self.source, &connections).await?;
        let mut settings = ImageSettings::of(&source)?;
        if !self.linux_platforms.is_empty() {
            settings.linux_platforms = self.linux_platforms;
        }
        let formats = match self.engines.as_slice() {
            [] => self.format,
            engines => {
                shell.status("Choosing", engines::why(engines)?);
                formats_for(engines)?.into_iter().map(|(format, _)| format).collect()
            }
        };
        let module = source.wasm_manifest()?.module()?;
        // The same bytes as in the source, so they are not optimized again. No import is refused, because the
        // source is an image already.
        let module = validate(module.unoptimized(), &ValidateOptions::any_import())?;
        let mut images = Vec::new();
        for (image, format) in assemble(&module, &settings, &formats)?.into_iter().zip(&formats) {
            let tags = tags_of(destination.tags(), &formats, *format)?;
            shell.status(
                "Converted",
                format_args!("{} to {format} {}", self.source, image.digest()),
            );
            images.push(TaggedImage { format: *format, image, tags });
        }
        engines::require(&self.source.to_string(), &self.engines, &images)?;
        until_interrupted(destination.put(&images, &settings.name, &connections, shell)).await?;
        for image in &images {
            ImageMessage::new(&settings.name, image, None, &destination.places())
                .print(shell, self.json)?;
        }
        Ok(())
    }
}
