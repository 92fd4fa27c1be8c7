//! `cargo wasm-oci doctor`: what of this machine crates are built with, and images pushed and run.

use clap::Args;
use wasm_oci::args::OutputArgs;
use wasm_oci::connection::RegistryArgs;
use wasm_oci::doctor::{DoctorArgs, examine, probes, show};
use wasm_oci::shell::Shell;
use wasm_oci_core::image::Reference;

use crate::args::CargoArgs;
use crate::cargo::env::CargoEnv;
use crate::doctor::build_probes;
use crate::failure::Failure;
use crate::stages::{Request, resolve};

/// Say what of this machine crates are built with, and images pushed and run, and what to do about what is missing
///
/// Looks at Rust, its targets and a C compiler, at the registry of the crate's setting `repository`, at Docker, containerd,
/// podman, kubectl, Node and wasmtime, all at once, for some seconds at most. Fails when something is missing that is
/// needed to build.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    doctor: DoctorArgs,
    #[command(flatten)]
    cargo: CargoArgs,
    #[command(flatten)]
    registry: RegistryArgs,
}

impl Doctor {
    pub(super) fn run(self, output: &OutputArgs, shell: &Shell) -> Result<u8, Failure> {
        let env = CargoEnv::from_process()?;
        let repositories = match self.doctor.repository.clone() {
            Some(repository) => vec![repository],
            None => self.repositories(output),
        };
        let connections = self.registry.connections(shell)?;
        let mut all = build_probes(&env, &self.cargo);
        all.extend(probes(repositories, &connections));
        Ok(show(&examine(all), self.doctor.json, shell)?)
    }

    /// Where the crate's programs are pushed to, one of each registry. Outside of a crate, and where cargo is missing or
    /// doesn't understand it, that is nowhere: to build says more about it.
    fn repositories(&self, output: &OutputArgs) -> Vec<Reference> {
        let mut selection = self.cargo.selection(output);
        // Nothing is fetched to look around.
        selection.offline = true;
        let flags = self.registry.settings().over(self.cargo.settings());
        let request =
            Request { selection, flags, layout: None, enforce_budget: false, json: false, no_cache: true };
        let plans = resolve(&request).unwrap_or_default();
        let mut repositories: Vec<Reference> = Vec::new();
        for repository in plans.into_iter().filter_map(|program| program.plan.repository) {
            if !repositories.iter().any(|known| known.registry() == repository.registry()) {
                repositories.push(repository);
            }
        }
        repositories
    }
}
