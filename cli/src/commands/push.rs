use std::path::PathBuf;

use clap::Args;
use wasm_oci_core::image::{Image, Reference};
use wasm_oci_core::module::{ValidateOptions, ValidatedModule};
use wasm_oci_core::store::Location;

use super::pack::{NameArgs, detected};
use super::test::cases;
use wasm_oci_app::config::args::{CacheArgs, ImageArgs, ModuleArgs, module_or_image_help};
use wasm_oci_app::config::budget::Budget;
use wasm_oci_app::config::env_vars;
use wasm_oci_app::config::plan::Plan;
use wasm_oci_app::config::settings::Settings;
use wasm_oci_app::error::{Error, UsageError};
use wasm_oci_app::files::read_module;
use wasm_oci_app::pipeline::gates::judge;
use wasm_oci_app::pipeline::messages::{ImageMessage, Places};
use wasm_oci_app::pipeline::packed::{Sizes, TaggedImage};
use wasm_oci_app::pipeline::stages::{compressed, dry_run, pack, to_registry};
use wasm_oci_app::pipeline::{budget, engines};
use wasm_oci_app::registry::connection::{AccountArgs, Connections, blob_info_cache};
use wasm_oci_app::registry::source::load_image;
use wasm_oci_app::run::run::{Prepared, optimized_cache};
use wasm_oci_app::runtime::until_interrupted;
use wasm_oci_app::smoke::{Suite, require, test_engine};
use wasm_oci_app::ui::shell::Shell;

/// Push a .wasm file or an existing image to a registry
///
/// Packs a .wasm file first, as `pack` does. An image is pushed as it is: --deny, --runtime, --allow-import, --size-budget and --for
/// check every program in it, and flags that would change it are refused. Prints REPOSITORY@DIGEST on standard output, the reference to deploy.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasm-oci push app.wasm ghcr.io/me/app:1.0
  wasm-oci push oci:app.oci:1.0 ghcr.io/me/app:1.0
  wasm-oci push app.wasm ghcr.io/me/app --for docker,kubernetes --dry-run")]
pub(crate) struct Push {
    #[arg(value_name = "SOURCE", help = module_or_image_help("Module or image to push"))]
    source: Location,
    /// Destination: REGISTRY/REPOSITORY[:TAG]
    #[arg(value_name = "REFERENCE", value_parser = destination)]
    destination: Reference,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Run the smoke tests in this file first, and push only if all pass
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
    /// Print the requests that a push would make, without writing to the registry
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    cache: CacheArgs,
    #[command(flatten)]
    account: AccountArgs,
    #[command(flatten)]
    names: NameArgs,
    #[command(flatten)]
    module: ModuleArgs,
    #[command(flatten)]
    image: ImageArgs,
}

/// Parses a destination. Refuses skopeo's names of other places, which would otherwise be names of repositories.
fn destination(text: &str) -> Result<Reference, String> {
    let text = text.strip_prefix("docker://").unwrap_or(text);
    match text.split_once(':') {
        Some(("oci" | "oci-archive" | "docker-archive", _)) => {
            Err("can only push to a registry; use `pack` or `pull` to write layouts and archives"
                .to_owned())
        }
        _ => text.parse().map_err(|e: wasm_oci_core::image::Error| e.to_string()),
    }
}

impl Push {
    pub(crate) async fn run(self, shell: &Shell) -> Result<(), Error> {
        self.check_flags()?;
        let name = match &self.source {
            Location::File(path) => self.names.of(path),
            _ => self.destination.repository().rsplit('/').next().unwrap_or_default().to_owned(),
        };
        let repository =
            Settings { repository: Some(self.destination.to_string()), ..Settings::default() };
        let flags = self.module.settings().over(self.image.settings());
        // The destination on the command line replaces a repository in the environment.
        let settings = flags.over(repository).over(env_vars::settings()?).over(detected(&name));
        let plan = Plan::resolve(&name, &settings)?;
        let connections = self.account.connections(Some(&self.destination), shell)?;
        let connections = connections.with_blob_info_cache(blob_info_cache(self.cache.no_cache)?);
        // A dry run packs, too: the requests that it prints contain digests.
        let (images, sizes) = self.images(&plan, &connections, shell).await?;
        if self.dry_run {
            return dry_run(&images, &self.destination, &connections, shell).await;
        }
        self.test(&images, shell)?;
        // Ctrl-C is caught only from here on, to report how many blobs have arrived.
        until_interrupted(to_registry(&images, &self.destination, &connections, shell)).await?;
        let places = Places { repository: Some(&self.destination), ..Places::default() };
        for image in &images {
            ImageMessage::new(&name, image, sizes, &places).print(shell, self.json)?;
        }
        Ok(())
    }

    /// Refuses flags that do nothing, because the image exists.
    fn check_flags(&self) -> Result<(), UsageError> {
        if let Location::File(_) = self.source {
            return Ok(());
        }
        let mut flags = [self.module.changes(), self.image.changes()].concat();
        flags.extend(self.names.is_given().then_some("--name"));
        match flags.is_empty() {
            true => Ok(()),
            false => Err(UsageError::NeedsModule { flags, source_name: self.source.to_string() }),
        }
    }

    fn test(&self, images: &[TaggedImage], shell: &Shell) -> Result<(), Error> {
        let (Some(path), Some(main)) = (&self.cases, images.first()) else { return Ok(()) };
        let engine = test_engine(shell)?;
        // All formats contain the same module, so testing one image is enough. `images` warns of an image with several.
        let program = Prepared::of_manifest(&engine, main.image.wasm_manifest()?)?;
        require(
            &engine,
            &[Suite::new(program, cases(path, shell)?)],
            "omit `--cases`",
            self.json,
            shell,
        )
    }

    async fn images(
        &self,
        plan: &Plan,
        connections: &Connections,
        shell: &Shell,
    ) -> Result<(Vec<TaggedImage>, Option<Sizes>), Error> {
        if let Location::File(path) = &self.source {
            let cache = optimized_cache(self.cache);
            let packed = pack(read_module(path)?, plan, &cache, None, shell)?;
            packed.sizes.show(shell);
            return Ok((packed.images, Some(packed.sizes)));
        }
        // `pack` checks a new image. An existing one has to pass the same checks.
        let image = load_image(&self.source, connections).await?;
        self.check(&image, plan, shell)?;
        let images = vec![TaggedImage { format: image.format(), image, tags: plan.tags.clone() }];
        engines::require(&self.source.to_string(), &plan.engines, &images)?;
        Ok((images, None))
    }

    /// Checks all programs of an image that was packed before.
    fn check(&self, image: &Image, plan: &Plan, shell: &Shell) -> Result<(), Error> {
        let has_gates = plan.validate != ValidateOptions::default() || !plan.runtimes.is_empty();
        // Unpacking takes time. Without a gate, an image of any program can be pushed, as `copy` does.
        if !has_gates && plan.budget == Budget::default() && self.cases.is_none() {
            return Ok(());
        }
        let options = if has_gates { plan.validate.clone() } else { ValidateOptions::any_import() };
        for module in judge(image, &options, &plan.runtimes, shell)? {
            check_budget(image, &module, plan)?;
        }
        Ok(())
    }
}

/// Checks the size budget for a program of an image.
fn check_budget(image: &Image, module: &ValidatedModule, plan: &Plan) -> Result<(), Error> {
    let size = module.bytes().len() as u64;
    // An image does not record how large its module was before optimizing.
    let sizes = Sizes { raw: size, optimized: size, compressed: compressed(image) };
    budget::check(&plan.budget, &plan.image.name, &sizes, || Ok(module.sizes()?), None)
}
