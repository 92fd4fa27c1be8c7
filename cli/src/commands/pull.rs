use std::path::PathBuf;

use clap::Args;
use wasm_oci_core::image::Tag;
use wasm_oci_core::store::{Layout, Name, Source, copy, load, load_wasm};

use wasm_oci_app::config::args::PlaceArgs;
use wasm_oci_app::error::{Error, UsageError};
use wasm_oci_app::files::write;
use wasm_oci_app::pipeline::messages::{ImageMessage, Places};
use wasm_oci_app::pipeline::packed::TaggedImage;
use wasm_oci_app::pipeline::stages::to_archive;
use wasm_oci_app::registry::connection::{AccountArgs, Connections};
use wasm_oci_app::ui::shell::Shell;

/// Pull an image from a registry, or only its module
///
/// Writes the image to a layout directory or an archive, or its module to a .wasm file.
#[derive(Debug, Args)]
pub(crate) struct Pull {
    /// Image to pull: REGISTRY/REPOSITORY[:TAG][@DIGEST]
    #[arg(value_name = "REFERENCE")]
    source: wasm_oci_core::image::Reference,
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
        let connections = self.account.connections(Some(&self.source), shell)?;
        shell.status("Pulling", &self.source);
        self.pull_module(&connections, shell).await?;
        if self.places.oci_layout_path.is_some() || self.places.tarball.is_some() {
            self.pull_image(&connections, shell).await?;
        }
        Ok(())
    }

    /// Writes the module. Fetches only the Wasm manifest of an image for several platforms.
    async fn pull_module(&self, connections: &Connections, shell: &Shell) -> Result<(), Error> {
        let Some(path) = &self.module else { return Ok(()) };
        let registry = connections.registry(&self.source)?;
        let manifest = load_wasm(&registry, &Name::from(&self.source)).await?;
        write(path, manifest.module()?.bytes())?;
        if self.json {
            return shell.print_json(&serde_json::json!({
                "module": path, "manifest": manifest.blob().descriptor().digest,
            }));
        }
        shell.print(path.display())
    }

    /// Writes the image to a layout, fetching only missing blobs, or to an archive.
    async fn pull_image(&self, connections: &Connections, shell: &Shell) -> Result<(), Error> {
        // A layout and an archive find an image only by tag, so one that was pulled by digest gets one, too.
        let tag = self.source.tag().cloned().unwrap_or_else(Tag::latest);
        let (registry, name) = (connections.registry(&self.source)?, Name::from(&self.source));
        let places = Places {
            layout: self.places.oci_layout_path.as_deref(),
            archive: self.places.tarball.as_deref(),
            repository: None,
        };
        let image = match places.layout {
            Some(path) => {
                // Resolve first, so that a missing image leaves no empty layout behind.
                let root = registry.resolve(&name).await?;
                // The content comes from the registry, so the same limits apply to reading it back.
                let layout = Layout::create(path)?.with_limits(connections.limits());
                let tags = std::slice::from_ref(&tag);
                copy(&registry, &root, &layout, tags, &shell.transfer()).await?;
                load(&layout, &Name::Digest(root.digest)).await?
            }
            None => load(&registry, &name).await?,
        };
        let images = [TaggedImage { format: image.format(), image, tags: vec![tag] }];
        if let Some(path) = places.archive {
            to_archive(&images, path, &self.source.name())?;
        }
        for image in &images {
            shell.status("Pulled", image.image.digest());
            ImageMessage::new(&self.source.name(), image, None, &places).print(shell, self.json)?;
        }
        Ok(())
    }
}
