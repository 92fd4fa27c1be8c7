use std::path::PathBuf;

use clap::{ArgGroup, Args};
use wasm_oci_core::compat::engines::formats_for;
use wasm_oci_core::image::{ImageSettings, Platform, assemble};
use wasm_oci_core::module::{ValidateOptions, validate};

use super::destination::TransferArgs;
use wasm_oci_app::config::args::FormatArgs;
use wasm_oci_app::config::plan::tags_of;
use wasm_oci_app::config::runner::Runner;
use wasm_oci_app::error::Error;
use wasm_oci_app::pipeline::engines::{require, why};
use wasm_oci_app::pipeline::messages::ImageMessage;
use wasm_oci_app::pipeline::packed::TaggedImage;
use wasm_oci_app::pipeline::stages::warn_of_losses;
use wasm_oci_app::pipeline::standalone::add_natives;
use wasm_oci_app::registry::source::load_image;
use wasm_oci_app::run::run::warn_of_image;
use wasm_oci_app::runtime::until_interrupted;
use wasm_oci_app::ui::shell::Shell;

/// Convert an image to another format without rebuilding the module
///
/// Settings and included files stay the same. With several formats, the first one gets the tags, and every other one gets
/// TAG-FORMAT.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("formats").args(["format", "engines"]).required(true))]
pub(crate) struct Convert {
    #[command(flatten)]
    formats: FormatArgs,
    /// Linux platform to list in a universal or standalone image, instead of those of the source
    #[arg(long = "linux-platform", value_name = "OS/ARCH", value_delimiter = ',')]
    linux_platforms: Vec<Platform>,
    /// Runner for a standalone image, instead of the one of this version; repeat the flag for each architecture
    #[arg(long = "runner", value_name = "FILE")]
    runners: Vec<PathBuf>,
    #[command(flatten)]
    transfer: TransferArgs,
}

impl Convert {
    pub(crate) async fn run(self, shell: &Shell) -> Result<(), Error> {
        let (connections, destination) = self.transfer.resolve(shell)?;
        let TransferArgs { source: location, json, .. } = self.transfer;
        let FormatArgs { format, engines } = self.formats;
        let source = load_image(&location, &connections).await?;
        let (mut settings, left_out) = ImageSettings::of(&source)?;
        warn_of_image(source.wasm_manifest()?, shell);
        for lost in left_out {
            shell.warn(format_args!("the new image can't have {lost}"));
        }
        if !self.linux_platforms.is_empty() {
            settings.linux_platforms = self.linux_platforms;
        }
        let formats = match engines.is_empty() {
            true => format,
            false => {
                shell.status("Choosing", why(&engines)?);
                formats_for(&engines)?.into_iter().map(|(format, _)| format).collect()
            }
        };
        let module = source.wasm_manifest()?.module()?;
        // The same bytes as in the source, so they are not optimized again. No import is refused, because the
        // source is an image already.
        let module = validate(module.unoptimized(), &ValidateOptions::any_import())?;
        let runners = Runner::read_all(&self.runners)?;
        add_natives(&mut settings, &formats, &module, &runners, true, shell)?;
        let mut images = Vec::new();
        for (image, format) in assemble(&module, &settings, &formats)?.into_iter().zip(&formats) {
            let tags = tags_of(destination.tags(), &formats, *format)?;
            shell.status("Converted", format_args!("{} to {format} {}", location, image.digest()));
            warn_of_losses(&settings, *format, shell);
            images.push(TaggedImage { format: *format, image, tags });
        }
        require(&location.to_string(), &engines, &images)?;
        until_interrupted(destination.put(&images, &settings.name, &connections, shell)).await?;
        for image in &images {
            ImageMessage::new(&settings.name, image, None, &destination.places())
                .print(shell, json)?;
        }
        Ok(())
    }
}
