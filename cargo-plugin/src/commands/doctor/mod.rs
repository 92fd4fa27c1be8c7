//! `cargo wasm-oci doctor`: what of this machine crates are built with, and images pushed and run.

mod probes;

use clap::Args;
use wasm_oci_app::config::env_vars;
use wasm_oci_app::config::settings::Settings;
use wasm_oci_app::inspect::doctor::{DoctorArgs, examine, probes, show};
use wasm_oci_app::registry::connection::{Connections, RegistryArgs};
use wasm_oci_app::ui::output_args::OutputArgs;
use wasm_oci_app::ui::shell::Shell;
use wasm_oci_core::image::Reference;

use crate::args::CargoArgs;
use crate::cargo::env::CargoEnv;
use crate::commands::doctor::probes::build_probes;
use crate::error::Error;
use crate::ops::request::Request;
use crate::ops::resolve::{ResolvedProgram, resolve};

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
    pub(super) fn run(self, output: &OutputArgs, shell: &Shell) -> Result<u8, Error> {
        let env = CargoEnv::from_process()?;
        let programs = self.programs(output);
        let settings = match programs.first() {
            Some(program) => program.settings.clone(),
            None => self.flags().over(env_vars::settings()?),
        };
        let repositories = match self.doctor.repository.clone() {
            Some(repository) => vec![repository],
            None => repositories(programs),
        };
        let connections = Connections::new(&self.registry, &settings, shell)?;
        let target = settings.target.unwrap_or_default();
        let choice = settings.c_compiler.unwrap_or_default();
        let mut all = build_probes(&env, target, choice);
        all.extend(probes(repositories, &connections));
        Ok(show(&examine(all), self.doctor.json, shell)?)
    }

    /// What the flags set.
    fn flags(&self) -> Settings {
        self.registry.settings().over(self.cargo.settings())
    }

    /// The crate's programs with their settings. Outside of a crate, and where cargo is missing or doesn't understand it,
    /// there are none: to build says more about it.
    fn programs(&self, output: &OutputArgs) -> Vec<ResolvedProgram> {
        let mut selection = self.cargo.selection(output);
        // Nothing is fetched to look around.
        selection.offline = true;
        resolve(&Request::new(selection, self.flags())).unwrap_or_default()
    }
}

/// Where programs are pushed to, one of each registry.
fn repositories(programs: Vec<ResolvedProgram>) -> Vec<Reference> {
    let mut repositories: Vec<Reference> = Vec::new();
    for repository in programs.into_iter().filter_map(|program| program.plan.repository) {
        if !repositories.iter().any(|known| known.registry() == repository.registry()) {
            repositories.push(repository);
        }
    }
    repositories
}
