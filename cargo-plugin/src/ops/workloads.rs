//! Programs as manifests start them.

use wasm_oci_app::config::plan::Plan;
use wasm_oci_app::config::target::WasiTarget;
use wasm_oci_app::deploy::manifests::{Behaviour, Launch, Workload};
use wasm_oci_app::error::UsageError;
use wasm_oci_app::pipeline::engines::warn_of;
use wasm_oci_app::ui::shell::Shell;
use wasm_oci_core::compat::engines::Shape;
use wasm_oci_core::module::Kind;

use crate::cargo::project::{Project, TargetKind};
use crate::error::Error;
use crate::ops::detect::expanded;
use crate::ops::programs::Programs;
use crate::ops::references::name;
use crate::ops::request::Request;
use crate::ops::resolve::{ResolvedProgram, resolve};

/// Returns the selected programs as workloads, with this image, or with references that `resolve` replaces. Warns of formats
/// that some engines of the family `engines` don't run.
pub fn workloads(
    request: &Request,
    image: Option<&str>,
    engines: &str,
    shell: &Shell,
) -> Result<Vec<Workload>, Error> {
    let selected = resolve(request, Some(shell))?;
    for program in &selected {
        // Manifests get the digest of the first format.
        if let Some(format) = program.plan.formats.first() {
            let shape = Shape::of_format(*format, Kind::Command);
            warn_of(&program.project.target, engines, &shape, shell);
        }
    }
    let programs = Programs::of(request)?;
    if let (Some(image), [_, _, ..]) = (image, selected.as_slice())
        // A name with `{bin}` or `{package}` differs for each program.
        && selected.iter().all(|program| expanded(image, &program.project).text == image)
    {
        return Err(UsageError::OneImage { image: image.to_owned() }.into());
    }
    let workload = |program: ResolvedProgram| {
        let ResolvedProgram { project, plan, .. } = &program;
        let several =
            programs.all().iter().filter(|other| other.package == project.package).count() > 1;
        Workload {
            name: project.target.clone(),
            version: Some(project.version.clone()),
            part_of: several.then(|| project.package.clone()),
            image: image.map_or_else(
                || name(programs.all(), project),
                |image| expanded(image, project).text,
            ),
            args: plan.image.args.clone(),
            env: plan.image.env.clone(),
            user: plan.image.user.clone(),
            behaviour: behaviour(project, &program),
            launch: launch(plan),
            exposed_port: None,
        }
    };
    Ok(selected.into_iter().map(workload).collect())
}

/// Returns how the main image of a program is started, which is the one that manifests name.
pub fn launch(plan: &Plan) -> Launch {
    plan.formats.first().map_or(Launch::Shim, |&format| Launch::of_format(format))
}

/// Guesses the behaviour of a program that is not built yet.
fn behaviour(project: &Project, program: &ResolvedProgram) -> Behaviour {
    // A smoke test that sends a request shows that the program serves HTTP.
    let is_asked = program.settings.smoke.iter().any(|case| case.http.is_some());
    match (project.kind, program.settings.target.unwrap_or_default()) {
        _ if is_asked => Behaviour::ServesHttp,
        (TargetKind::Bin | TargetKind::Example, _) => Behaviour::RunsToCompletion,
        (TargetKind::Cdylib, WasiTarget::Wasip2) => Behaviour::ServesHttp,
        (TargetKind::Cdylib, _) => Behaviour::Library,
    }
}
