//! `cargo wasm-oci doctor`: checks the tools on this machine that build crates, and push and run images.

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

/// Check this machine for the tools that build crates, and push and run images, and suggest fixes
///
/// Checks Rust, its targets and a C compiler, the registry in the crate's setting `repository`, Docker, containerd, podman, kubectl, Node
/// and wasmtime in parallel, for a few seconds at most. The exit code is 1 if a tool that building needs is missing.
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
        let mut all = build_probes(&env, target, choice, self.cargo.selection(output).folder(&env));
        all.extend(probes(repositories, &connections));
        Ok(show(&examine(all), self.doctor.json, shell)?)
    }

    fn flags(&self) -> Settings {
        self.registry.settings().over(self.cargo.settings())
    }

    /// Returns the crate's programs with their settings, if there are any.
    fn programs(&self, output: &OutputArgs) -> Vec<ResolvedProgram> {
        let mut selection = self.cargo.selection(output);
        // A check must not download anything.
        selection.manifest.offline = true;
        // Outside a crate there are none. If cargo fails in one, `build` explains that better.
        resolve(&Request::new(selection, self.flags()), None).unwrap_or_default()
    }
}

/// Returns the repositories of programs, one for each registry.
fn repositories(programs: Vec<ResolvedProgram>) -> Vec<Reference> {
    let mut repositories: Vec<Reference> = Vec::new();
    for repository in programs.into_iter().filter_map(|program| program.plan.repository) {
        if !repositories.iter().any(|known| known.registry() == repository.registry()) {
            repositories.push(repository);
        }
    }
    repositories
}
