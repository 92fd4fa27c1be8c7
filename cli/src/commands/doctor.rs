use clap::Args;

use wasm_oci_app::config::env_vars;
use wasm_oci_app::config::settings::Settings;
use wasm_oci_app::error::{Error, SettingsError};
use wasm_oci_app::inspect::doctor::{DoctorArgs, examine, probes, show};
use wasm_oci_app::registry::connection::RegistryArgs;
use wasm_oci_app::ui::shell::Shell;

/// Check this machine for the tools that push and run images, and suggest fixes
///
/// Checks a registry, Docker, containerd, podman, kubectl, Node and wasmtime in parallel, for a few seconds at most. None of
/// them is needed to pack a module.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    doctor: DoctorArgs,
    #[command(flatten)]
    registry: RegistryArgs,
}

impl Doctor {
    pub(crate) fn run(self, shell: &Shell) -> Result<u8, Error> {
        let settings = self.registry.settings().over(env_vars::settings()?);
        let repository = match (self.doctor.repository, settings) {
            (Some(repository), _) => Some(repository),
            (None, Settings { repository: Some(text), .. }) => {
                Some(text.parse().map_err(|error: wasm_oci_core::image::Error| {
                    SettingsError::invalid("repository", &error)
                })?)
            }
            _ => None,
        };
        let connections = self.registry.connections(shell)?;
        let findings = examine(probes(repository.into_iter().collect(), &connections));
        show(&findings, self.doctor.json, shell)
    }
}
