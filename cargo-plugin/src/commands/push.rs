//! `cargo wasm-oci push`: builds crates into images and pushes them.

use clap::Args;
use wasm_oci_app::config::settings::Settings;
use wasm_oci_app::pipeline::messages::Places;
use wasm_oci_app::ui::output_args::OutputArgs;
use wasm_oci_app::ui::shell::Shell;

use crate::error::Error;
use crate::ops::build;
use crate::ops::publish::PublishArgs;
use crate::ops::request::{BuildArgs, Request};

/// Build every program of a package or workspace into an image, and push it to a registry
///
/// Runs smoke tests first, and pushes nothing if one fails. Prints REPOSITORY@DIGEST on standard output, the reference to deploy.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo wasm-oci push
  cargo wasm-oci push ghcr.io/me/{bin}:{version}
  cargo wasm-oci push ghcr.io/me/app:1.0 --for kubernetes,wkg")]
pub(super) struct Push {
    /// Destination: REGISTRY/REPOSITORY[:TAG]; {bin}, {package} and {version} are replaced (default: the setting `repository`)
    #[arg(value_name = "REFERENCE")]
    destination: Option<String>,
    #[command(flatten)]
    publish: PublishArgs,
    #[command(flatten)]
    build: BuildArgs,
}

impl Push {
    pub(super) async fn run(self, output: &OutputArgs, shell: &Shell) -> Result<(), Error> {
        let own =
            Settings { repository: self.destination.clone(), ..self.publish.registry.settings() };
        let no_cache = self.publish.cache.no_cache;
        let request = Request { enforce_budget: true, no_cache, ..self.build.request(own, output) };
        let built = build(&request, shell).await?;
        let publication = self.publish.plan(&built, shell)?;
        // After the build, because the requests depend on the digests.
        if self.build.dry_run {
            return publication.dry_run(shell).await;
        }
        let json = self.build.json();
        publication
            .push(json, shell, |program, repository| {
                let places = Places {
                    layout: Some(&program.layout),
                    archive: None,
                    repository: Some(repository),
                };
                program.print(&places, shell, json)
            })
            .await
    }
}
