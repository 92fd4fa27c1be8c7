use std::path::{Path, PathBuf};

use clap::Args;

use wasm_oci_app::config::args::{CacheArgs, ImageArgs, ModuleArgs, PlaceArgs};
use wasm_oci_app::config::env_vars;
use wasm_oci_app::config::plan::Plan;
use wasm_oci_app::config::settings::Settings;
use wasm_oci_app::error::Error;
use wasm_oci_app::files::{is_stdin, read_module, write};
use wasm_oci_app::pipeline::messages::{ImageMessage, Places};
use wasm_oci_app::pipeline::stages::{pack, to_archive, to_layout};
use wasm_oci_app::run::run::optimized_cache;
use wasm_oci_app::ui::shell::Shell;

/// Pack a .wasm file into an image
///
/// Optimizes and validates the module, and writes the image to a layout directory, NAME.oci by default. Prints the location of
/// the image as oci:DIR:TAG on standard output.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasm-oci pack app.wasm
  wasm-oci pack app.wasm --tag 1.0 --for docker --tarball app.tar
  wasm-oci pack app.wasm --optimize z --size-budget 600kB")]
pub(crate) struct Pack {
    /// .wasm or .wat file to pack; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print the new images as JSON
    #[arg(long)]
    json: bool,
    /// Print the resolved settings as JSON without packing
    #[arg(long)]
    dry_run: bool,
    /// Also write the module with function names to this file, for reading stack traces
    #[arg(long, value_name = "FILE")]
    debug_file: Option<PathBuf>,
    #[command(flatten)]
    cache: CacheArgs,
    #[command(flatten)]
    places: PlaceArgs,
    #[command(flatten)]
    names: NameArgs,
    #[command(flatten)]
    module: ModuleArgs,
    #[command(flatten)]
    image: ImageArgs,
}

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct NameArgs {
    /// Name of the module in the image (default: the name of the file)
    #[arg(long, value_name = "NAME", help_heading = "Image")]
    name: Option<String>,
}

impl NameArgs {
    pub(crate) fn is_given(&self) -> bool {
        self.name.is_some()
    }

    /// Returns the given name, or that of the file without `.wasm`.
    pub(crate) fn of(&self, file: &Path) -> String {
        let stem = || {
            file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
        };
        // Standard input has no name of its own.
        let stem = || if is_stdin(file) { "module".to_owned() } else { stem() };
        self.name.clone().unwrap_or_else(stem)
    }
}

pub(crate) fn detected(name: &str) -> Settings {
    let title = ("org.opencontainers.image.title".to_owned(), name.to_owned());
    // In both places: image-spec has labels in the configuration and annotations in the manifest, and
    // tools often read only one of them.
    Settings { labels: [title.clone()].into(), annotations: [title].into(), ..Settings::default() }
}

impl Pack {
    pub(crate) async fn run(self, shell: &Shell) -> Result<(), Error> {
        let name = self.names.of(&self.file);
        let flags = self.module.settings().over(self.image.settings());
        // The detected title comes last, so that any setting of the user replaces it.
        let plan = Plan::resolve(&name, &flags.over(env_vars::settings()?).over(detected(&name)))?;
        if self.dry_run {
            return shell.print_json(&plan.to_json());
        }
        let cache = optimized_cache(self.cache);
        let packed = pack(read_module(&self.file)?, &plan, &cache, None, shell)?;
        packed.sizes.show(shell);
        if let Some(path) = &self.debug_file {
            // The same code as in the image, so this file gives the functions in its stack traces their names.
            write(path, packed.module.named())?;
        }

        let default_layout = PathBuf::from(format!("{name}.oci"));
        let layout = match (&self.places.oci_layout_path, &self.places.tarball) {
            // An archive holds a whole layout, so a second copy would only take space.
            (None, Some(_)) => None,
            (None, None) => Some(&default_layout),
            (layout, _) => layout.as_ref(),
        };
        if let Some(path) = layout {
            to_layout(&packed.images, path, shell).await?;
        }
        let archive = self.places.tarball.as_deref();
        if let Some(path) = archive {
            // `docker load` gives the image this name (see `write_archive`).
            let repository =
                plan.repository.as_ref().map_or(name.clone(), |repository| repository.name());
            to_archive(&packed.images, path, &repository)?;
        }
        let places = Places { layout: layout.map(PathBuf::as_path), archive, repository: None };
        for image in &packed.images {
            shell.status(
                "Packed",
                format_args!("{name} as {} {}", image.format, image.image.digest()),
            );
            ImageMessage::new(&name, image, Some(packed.sizes), &places).print(shell, self.json)?;
        }
        Ok(())
    }
}
