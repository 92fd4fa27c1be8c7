//! `cargo wasm-oci compose`: Compose files for crates.

use std::path::PathBuf;

use clap::Args;
use wasm_oci_app::config::settings::Settings;
use wasm_oci_app::deploy::manifests::compose::{ComposeArgs, complete, file};
use wasm_oci_app::error::UsageError;
use wasm_oci_app::ui::output_args::OutputArgs;
use wasm_oci_app::ui::shell::Shell;
use wasm_oci_core::text::visible;

use crate::args::CargoArgs;
use crate::error::Error;
use crate::ops::pin::{Inputs, PushingArgs};
use crate::ops::request::Request;
use crate::ops::workloads::workloads;

/// Print a Compose file for the programs of a package or workspace, or complete one
///
/// Without -f, builds nothing, and names images as wasm-oci://PACKAGE[/BIN]. With -f, builds, tests and pushes the programs that the file
/// names in this way, and replaces each name by the digest of its image. Such a service also gets the platform, runtime and
/// network for WebAssembly if it has none and the image is not standalone. The rest of the file stays the same, byte for byte. For example:
/// cargo wasm-oci compose -f compose.yaml | docker compose -f - up
#[derive(Debug, Args)]
pub(super) struct Compose {
    /// Compose file to complete, or - for standard input
    #[arg(short = 'f', long, value_name = "FILE|-")]
    file: Option<PathBuf>,
    #[command(flatten)]
    compose: ComposeArgs,
    #[command(flatten)]
    pushing: PushingArgs,
    #[command(flatten)]
    cargo: CargoArgs,
}

impl Compose {
    pub(super) async fn run(self, output: &OutputArgs, shell: &Shell) -> Result<(), Error> {
        let Some(path) = self.file else {
            let PushingArgs { module, image, .. } = &self.pushing;
            let request = Request::of_args(&self.cargo, module, image, Settings::default(), output);
            let workloads = workloads(&request, self.compose.image.as_deref(), "docker", shell)?;
            return Ok(shell.print_exactly(&format!("{}\n", file(&workloads, &self.compose)?))?);
        };
        if self.cargo.selects() || self.compose.image.is_some() || self.compose.port.is_some() {
            // Refused, because these flags would have no effect.
            let message = "the file already sets programs, images and ports; leave out -p, --bin, --image and --port";
            return Err(UsageError::Combination(message).into());
        }
        if path.is_dir() {
            return Err(UsageError::ComposeFolder { path }.into());
        }
        let inputs = Inputs { files: &[path], recursive: false };
        inputs
            .resolve(&self.pushing, &self.cargo, output, shell, |stream, edits, launch| {
                for service in complete(stream, edits, launch, &self.compose)? {
                    shell.warn(format_args!(
                        "`{}` has a network or ports of its own: since Docker 28, Wasm hangs on any network but the \
                         host's; set `network_mode: host`, or use `--network own` for an older Docker",
                        visible(&service)
                    ));
                }
                Ok(())
            })
            .await
    }
}
