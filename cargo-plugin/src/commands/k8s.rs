//! `cargo wasm-oci k8s`: what a cluster runs programs with.

use clap::Args;
use wasm_oci_app::config::settings::Settings;
use wasm_oci_app::deploy::manifests::kubernetes::{KubernetesArgs, manifests};
use wasm_oci_app::deploy::manifests::{Behaviour, Workload};
use wasm_oci_app::error::Error;
use wasm_oci_app::ui::output_args::OutputArgs;
use wasm_oci_app::ui::shell::Shell;

use super::build::request;
use crate::args::CargoArgs;
use crate::cargo::project::{Project, TargetKind};
use crate::cargo::target::WasiTarget;
use crate::detect::expanded;
use crate::failure::Failure;
use crate::programs::Programs;
use crate::references::name;
use crate::stages::{Request, Resolved, resolve};

/// Print Kubernetes manifests for the programs of a package or workspace: RuntimeClass, and Deployment and Service, Job or
/// CronJob
///
/// Nothing is built. Images are named as wasm-oci://PACKAGE[/BIN], which `resolve` replaces by digests:
/// cargo wasm-oci k8s > deploy.yaml; cargo wasm-oci resolve -f deploy.yaml | kubectl apply -f -
#[derive(Debug, Args)]
pub(super) struct K8s {
    #[command(flatten)]
    kubernetes: KubernetesArgs,
    #[command(flatten)]
    cargo: CargoArgs,
}

impl K8s {
    pub(super) fn run(self, output: &OutputArgs, shell: &Shell) -> Result<(), Failure> {
        let request = request(
            &self.cargo,
            &Default::default(),
            &Default::default(),
            Settings::default(),
            output,
        );
        let workloads = workloads(&request, self.kubernetes.image.as_deref())?;
        Ok(shell.print(manifests(&workloads, &self.kubernetes)?)?)
    }
}

/// The selected programs, as something that others start; with this image, or else a reference that `resolve` replaces.
pub(super) fn workloads(request: &Request, image: Option<&str>) -> Result<Vec<Workload>, Failure> {
    let selected = resolve(request)?;
    let programs = Programs::of(request)?;
    if let (Some(image), [_, _, ..]) = (image, selected.as_slice())
        && selected.iter().all(|program| expanded(image, &program.project) == image)
    {
        let message = format!(
            "`{image}` can be the image of one program: write {{bin}} in it, or choose one with --bin"
        );
        return Err(Error::Usage(message).into());
    }
    let workload = |program: Resolved| {
        let Resolved { project, plan, .. } = &program;
        let several =
            programs.all().iter().filter(|other| other.package == project.package).count() > 1;
        Workload {
            name: project.target.clone(),
            version: Some(project.version.clone()),
            part_of: several.then(|| project.package.clone()),
            image: image
                .map_or_else(|| name(programs.all(), project), |image| expanded(image, project)),
            args: plan.image.args.clone(),
            env: plan.image.env.clone(),
            user: plan.image.user.clone(),
            behaviour: behaviour(project, &program),
        }
    };
    Ok(selected.into_iter().map(workload).collect())
}

/// What a program does, as far as it can be said of one that isn't built.
fn behaviour(project: &Project, program: &Resolved) -> Behaviour {
    // A smoke test asks it over HTTP.
    let is_asked = program.settings.smoke.iter().any(|case| case.http.is_some());
    match (project.kind, program.target) {
        _ if is_asked => Behaviour::ServesHttp,
        (TargetKind::Bin | TargetKind::Example, _) => Behaviour::RunsToCompletion,
        (TargetKind::Cdylib, WasiTarget::Wasip2) => Behaviour::ServesHttp,
        (TargetKind::Cdylib, _) => Behaviour::Library,
    }
}
