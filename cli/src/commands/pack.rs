//! `wasm-oci pack`: a module into images.

use std::path::{Path, PathBuf};

use clap::Args;
use wasm_oci_core::module::BuiltModule;

use wasm_oci_app::config::args::{CacheArgs, ImageArgs, ModuleArgs, PlaceArgs};
use wasm_oci_app::config::env_vars;
use wasm_oci_app::config::plan::Plan;
use wasm_oci_app::config::settings::Settings;
use wasm_oci_app::error::Error;
use wasm_oci_app::files::write;
use wasm_oci_app::pipeline::messages::{ImageMessage, Places};
use wasm_oci_app::pipeline::stages::{pack, to_archive, to_layout};
use wasm_oci_app::run::run::optimized_cache;
use wasm_oci_app::runtime::block_on;
use wasm_oci_app::ui::shell::Shell;

/// Pack a .wasm file into an image: optimize, validate, assemble, write
///
/// Writes a layout directory, NAME.oci unless told otherwise, and prints it on standard output as oci:DIR:TAG.
#[derive(Debug, Args)]
pub(crate) struct Pack {
    /// The .wasm file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print what was made as JSON
    #[arg(long)]
    json: bool,
    /// Print the plan as JSON, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Write the module in the image with the names of its functions, to read traces with
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

/// What a module is called that comes from a file.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct NameArgs {
    /// The module's name in the image, instead of the file's
    #[arg(long, value_name = "NAME", help_heading = "Image")]
    name: Option<String>,
}

impl NameArgs {
    /// The given name, or that of the file without `.wasm`.
    pub(crate) fn of(&self, file: &Path) -> String {
        let stem = || {
            file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
        };
        self.name.clone().unwrap_or_else(stem)
    }
}

/// What is known of a module by its name.
pub(crate) fn detected(name: &str) -> Settings {
    let title = ("org.opencontainers.image.title".to_owned(), name.to_owned());
    Settings { labels: [title.clone()].into(), annotations: [title].into(), ..Settings::default() }
}

impl Pack {
    pub(crate) fn run(self, shell: &Shell) -> Result<(), Error> {
        let name = self.names.of(&self.file);
        let flags = self.module.settings().over(self.image.settings());
        let plan = Plan::resolve(&name, &flags.over(env_vars::settings()).over(detected(&name)))?;
        if self.dry_run {
            return shell.print_json(&plan.to_json());
        }
        let cache = optimized_cache(self.cache);
        let packed = pack(BuiltModule::read(&self.file)?, &plan, &cache, None, shell)?;
        packed.sizes.show(shell);
        if let Some(path) = &self.debug_file {
            write(path, packed.module.named())?;
        }

        let default_layout = PathBuf::from(format!("{name}.oci"));
        let layout = match (&self.places.oci_layout_path, &self.places.tarball) {
            (None, Some(_)) => None,
            (None, None) => Some(&default_layout),
            (layout, _) => layout.as_ref(),
        };
        if let Some(path) = layout {
            block_on(to_layout(&packed.images, path, shell))?;
        }
        let archive = self.places.tarball.as_deref();
        if let Some(path) = archive {
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
