//! `cargo wasm-oci resolve`: replaces references in Kubernetes manifests by digests.

use std::path::PathBuf;

use clap::Args;
use wasm_oci_app::deploy::manifests::Launch;
use wasm_oci_app::deploy::manifests::kubernetes::{complete, runtime_class_name};
use wasm_oci_app::ui::output_args::OutputArgs;
use wasm_oci_app::ui::shell::Shell;

use crate::args::{CargoArgs, CompilationArgs};
use crate::cargo::selection::{ManifestArgs, TargetArgs};
use crate::error::Error;
use crate::ops::pin::{Inputs, PushingArgs};

/// Build and push the programs that manifests refer to, and print the manifests with digests
///
/// In files, folders and standard input, replaces every wasm-oci://PACKAGE[/BIN] by REPOSITORY@DIGEST. The rest stays the same, byte for
/// byte. Each program is built, tested and pushed once. If anything fails, nothing is printed. For example:
/// cargo wasm-oci resolve -f deploy/ | kubectl apply -f -
#[derive(Debug, Args)]
pub(super) struct Resolve {
    /// Manifest, folder of manifests (.yaml, .yml, .json), or - for standard input
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-", required = true)]
    files: Vec<PathBuf>,
    /// Also read manifests in subfolders
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Set this runtimeClassName for pods with a replaced image that have none, unless the image is standalone
    #[arg(long, value_name = "NAME", value_parser = runtime_class_name)]
    runtime_class: Option<String>,
    #[command(flatten)]
    pushing: PushingArgs,
    #[command(flatten, next_help_heading = "Feature selection")]
    features: clap_cargo::Features,
    #[command(flatten, next_help_heading = "Compilation")]
    compilation: CompilationArgs,
    #[command(flatten, next_help_heading = "Manifest")]
    manifest: ManifestArgs,
}

impl Resolve {
    pub(super) async fn run(self, output: &OutputArgs, shell: &Shell) -> Result<(), Error> {
        let cargo = CargoArgs {
            workspace: clap_cargo::Workspace::default(),
            // The manifests name the programs, so there are no flags for packages and targets.
            targets: TargetArgs::default(),
            features: self.features,
            compilation: self.compilation,
            manifest: self.manifest,
        };
        let class = self.runtime_class.as_deref();
        let inputs = Inputs { files: &self.files, recursive: self.recursive };
        inputs
            .resolve(&self.pushing, &cargo, output, shell, |stream, edits, launch| {
                let needs_shim = |node| launch(node) == Some(Launch::Shim);
                class.map_or(Ok(()), |class| complete(stream, edits, needs_shim, class))
            })
            .await
    }
}
