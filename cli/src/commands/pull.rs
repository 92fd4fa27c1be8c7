use std::path::PathBuf;

use clap::Args;
use wasm_oci_core::image::{Reference, Tag};
use wasm_oci_core::limits::ReadLimits;
use wasm_oci_core::store::{Layout, Location, Name, Source, copy, load, load_wasm};

use super::destination::registry_of;

use wasm_oci_app::config::args::{PlaceArgs, image_help};
use wasm_oci_app::error::{Error, UsageError};
use wasm_oci_app::files::write;
use wasm_oci_app::pipeline::messages::{ImageMessage, Places};
use wasm_oci_app::pipeline::packed::TaggedImage;
use wasm_oci_app::pipeline::stages::to_archive;
use wasm_oci_app::registry::connection::AccountArgs;
use wasm_oci_app::registry::source::{AnySource, open};
use wasm_oci_app::run::run::warn_of_image;
use wasm_oci_app::ui::shell::Shell;

/// Pull an image, or only its module, from a registry, a layout or an archive
///
/// Writes the image to a layout directory or an archive, or its module to a .wasm file.
#[derive(Debug, Args)]
pub(crate) struct Pull {
    #[arg(value_name = "SOURCE", help = image_help("Image to pull"))]
    source: Location,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    places: PlaceArgs,
    /// Write the module of the image to this file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    module: Option<PathBuf>,
    #[command(flatten)]
    account: AccountArgs,
}

impl Pull {
    pub(crate) async fn run(self, shell: &Shell) -> Result<(), Error> {
        if self.module.is_none()
            && self.places.oci_layout_path.is_none()
            && self.places.tarball.is_none()
        {
            let message = "nowhere to write the image; add --module FILE, --oci-layout-path DIR or --tarball FILE";
            return Err(UsageError::Combination(message).into());
        }
        let connections = self.account.connections(registry_of(&self.source), shell)?;
        shell.status("Pulling", &self.source);
        let (source, name) = open(&self.source, &connections)?;
        self.pull_module(&source, &name, shell).await?;
        if self.places.oci_layout_path.is_some() || self.places.tarball.is_some() {
            self.pull_image(&source, &name, connections.limits(), shell).await?;
        }
        Ok(())
    }

    /// Writes the module. Fetches only the Wasm manifest of an image for several platforms.
    async fn pull_module(
        &self,
        source: &AnySource,
        name: &Name,
        shell: &Shell,
    ) -> Result<(), Error> {
        let Some(path) = &self.module else { return Ok(()) };
        let manifest = load_wasm(source, name).await?;
        let module = manifest.module()?;
        warn_of_image(&manifest, shell);
        write(path, module.bytes())?;
        if self.json {
            return shell.print_json(&serde_json::json!({
                "module": path, "manifest": manifest.blob().descriptor().digest,
            }));
        }
        shell.print(path.display())
    }

    /// Writes the image to a layout, fetching only missing blobs, or to an archive.
    async fn pull_image(
        &self,
        source: &AnySource,
        name: &Name,
        limits: ReadLimits,
        shell: &Shell,
    ) -> Result<(), Error> {
        // A layout and an archive find an image only by tag, so one that was pulled by digest gets one, too.
        let tag = match name {
            Name::Digest(_) => self.repository().and_then(|it| it.tag().cloned()),
            name => name.tag(),
        };
        let tag = tag.unwrap_or_else(Tag::latest);
        let repository = self.repository().cloned().or_else(|| name.reference());
        let repository = repository.map_or_else(|| "image".to_owned(), |it| it.name());
        let places = Places {
            layout: self.places.oci_layout_path.as_deref(),
            archive: self.places.tarball.as_deref(),
            repository: None,
        };
        let image = match places.layout {
            Some(path) => {
                // Resolve first, so that a missing image leaves no empty layout behind.
                let root = source.resolve(name).await?;
                // The content comes from the source, so the same limits apply to reading it back.
                let layout = Layout::create(path)?.with_limits(limits);
                let tags = std::slice::from_ref(&tag);
                copy(source, &root, &layout, tags, &shell.transfer()).await?;
                load(&layout, &Name::Digest(root.digest)).await?
            }
            None => load(source, name).await?,
        };
        let images = [TaggedImage { format: image.format(), image, tags: vec![tag] }];
        if let Some(path) = places.archive {
            to_archive(&images, path, &repository)?;
        }
        for image in &images {
            shell.status("Pulled", image.image.digest());
            ImageMessage::new(&repository, image, None, &places).print(shell, self.json)?;
        }
        Ok(())
    }

    fn repository(&self) -> Option<&Reference> {
        registry_of(&self.source)
    }
}
