//! `cargo wasm-oci k8s`: Kubernetes manifests for crates.

use clap::Args;
use wasm_oci_app::deploy::manifests::kubernetes::{KubernetesArgs, manifests};
use wasm_oci_app::ui::output_args::OutputArgs;
use wasm_oci_app::ui::shell::Shell;

use crate::args::CargoArgs;
use crate::error::Error;
use crate::ops::request::Request;
use crate::ops::workloads::workloads;

/// Print Kubernetes manifests for the programs of a package or workspace
///
/// Prints a Deployment with a Service, a Job or a CronJob for each program, and a RuntimeClass unless all images are standalone. Builds nothing, and names images as
/// wasm-oci://PACKAGE[/BIN], which `resolve` replaces by digests:
/// cargo wasm-oci k8s > deploy.yaml; cargo wasm-oci resolve -f deploy.yaml | kubectl apply -f -
#[derive(Debug, Args)]
pub(super) struct K8s {
    #[command(flatten)]
    kubernetes: KubernetesArgs,
    #[command(flatten)]
    cargo: CargoArgs,
}

impl K8s {
    pub(super) fn run(self, output: &OutputArgs, shell: &Shell) -> Result<(), Error> {
        // Nothing is built, so there are no flags for modules and images.
        let request = Request::new(self.cargo.selection(output), self.cargo.settings());
        let workloads = workloads(&request, self.kubernetes.image.as_deref(), "kubernetes", shell)?;
        Ok(shell.print_exactly(&format!("{}\n", manifests(&workloads, &self.kubernetes)?))?)
    }
}
