//! Settings and plans of programs: from flags, variables, manifests, and what git says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use wasm_oci_app::config::env_vars;
use wasm_oci_app::config::plan::Plan;
use wasm_oci_app::config::settings::Settings;
use wasm_oci_app::error::SettingsError;
use wasm_oci_app::ui::shell::Shell;

use crate::cargo::batches::unique_name;
use crate::cargo::build::BuildSettings;
use crate::cargo::build_target::ConfiguredTarget;
use crate::cargo::cargo_config::CargoConfig;
use crate::cargo::env::CargoEnv;
use crate::cargo::error::Error as CargoError;
use crate::cargo::git::{PendingRevision, Revision};
use crate::cargo::project::{Project, Workspace};
use crate::error::Error;
use crate::ops::detect::{detected, expanded};
use crate::ops::request::Request;

/// A selected program and its plan, before anything is built.
#[derive(Debug)]
pub struct ResolvedProgram {
    pub project: Project,
    pub settings: Settings,
    pub plan: Plan,
}

/// Resolves every selected program without building. Shows warnings on `shell`.
pub fn resolve(request: &Request, shell: Option<&Shell>) -> Result<Vec<ResolvedProgram>, Error> {
    let env = CargoEnv::from_process()?;
    let config = CargoConfig::load(&env, &request.selection.manifest.config);
    let pending = PendingRevision::start(&env, &request.selection.folder(&env));
    // Without a cache, because resolving writes no files.
    let revision = crate::ops::revision(pending, None, shell);
    let workspace = Workspace::load(&env, &request.selection)?;
    let projects = workspace.projects(&request.selection)?;
    let configured = ConfiguredTarget::of(&env, &config);
    let explicit = projects
        .iter()
        .map(|project| explicit_settings(request, &configured, &workspace, project))
        .collect::<Result<Vec<_>, _>>()?;
    if let Some(shell) = shell {
        Notices::of(&configured, &projects, &explicit).show(shell);
    }
    let resolved = |(project, explicit): (Project, Settings)| {
        let settings = all_settings(explicit, &project, revision.as_ref());
        let plan = Plan::resolve(&project.target, &settings)?;
        Ok(ResolvedProgram { project, settings, plan })
    };
    projects.into_iter().zip(explicit).map(resolved).collect()
}

pub fn print_plans(request: &Request, shell: &Shell) -> Result<(), Error> {
    for program in resolve(request, Some(shell))? {
        let mut plan = program.plan.to_json();
        plan["target"] = program.settings.target.unwrap_or_default().name().into();
        plan["package"] = program.project.package.into();
        shell.print_json(&plan)?;
    }
    Ok(())
}

/// Everything that is decided before cargo builds.
pub struct BuildPlan {
    pub workspace: Workspace,
    pub projects: Vec<Project>,
    /// The settings of each project, without those that `all_settings` adds.
    pub explicit: Vec<Settings>,
    pub settings: BuildSettings,
    pub notices: Notices,
}

/// Texts about a plan that differs from what is written.
#[derive(Debug, Default)]
pub struct Notices {
    pub warnings: Vec<String>,
    /// Names that references can't hold.
    pub renamed: Vec<String>,
}

impl BuildPlan {
    pub fn resolve(
        request: &Request,
        configured: &ConfiguredTarget,
        workspace: Workspace,
    ) -> Result<BuildPlan, Error> {
        let projects = workspace.projects(&request.selection)?;
        check_folders(&workspace, &projects)?;
        let explicit = projects
            .iter()
            .map(|project| explicit_settings(request, configured, &workspace, project))
            .collect::<Result<Vec<_>, _>>()?;
        let settings = build_settings(&explicit)?;
        for (project, explicit) in projects.iter().zip(&explicit) {
            // Fail now, not after minutes of building. git's answer changes none of what is checked.
            Plan::check(&project.target, &all_settings(explicit.clone(), project, None))?;
        }
        let notices = Notices::of(configured, &projects, &explicit);
        Ok(BuildPlan { workspace, projects, explicit, settings, notices })
    }
}

impl Notices {
    fn of(configured: &ConfiguredTarget, projects: &[Project], explicit: &[Settings]) -> Notices {
        let is_default = explicit.iter().any(|settings| settings.target.is_none());
        let warnings = configured.problem.iter().filter(|_| is_default).cloned().collect();
        let of_project = |(project, explicit): (&Project, &Settings)| {
            let repository = explicit.repository.as_ref();
            repository.map(|repository| expanded(repository, project).changed).unwrap_or_default()
        };
        // Programs of a package share its version.
        let changed: BTreeSet<_> = projects.iter().zip(explicit).flat_map(of_project).collect();
        let renamed = |(value, written)| {
            format!("{value} to {written} in the reference, which can't hold it")
        };
        Notices { warnings, renamed: changed.into_iter().map(renamed).collect() }
    }

    fn show(&self, shell: &Shell) {
        self.warnings.iter().for_each(|text| shell.warn(text));
        self.renamed.iter().for_each(|text| shell.status("Renaming", text));
    }
}

/// Checks that no program would replace the images of another.
fn check_folders(workspace: &Workspace, projects: &[Project]) -> Result<(), Error> {
    let mut folders = BTreeMap::new();
    for project in projects {
        let folder = unique_name(workspace, project).to_lowercase();
        if let Some(first) = folders.insert(folder.clone(), project) {
            let name = |project: &Project| format!("{}/{}", project.package, project.target);
            let (first, second) = (name(first), name(project));
            return Err(CargoError::SharedFolder { first, second, folder }.into());
        }
    }
    Ok(())
}

fn build_settings(all: &[Settings]) -> Result<BuildSettings, Error> {
    // The default is a value, too: not every engine runs components, so a program must not become one because another
    // program of the workspace is.
    let target = agreed("target", all, |settings| Some(settings.target.unwrap_or_default()))?;
    let c_compiler = agreed("c-compiler", all, |settings| settings.c_compiler)?;
    let install_target = agreed("install-target", all, |settings| settings.install_target)?;
    Ok(BuildSettings {
        target: target.unwrap_or_default(),
        small: agreed("small", all, |settings| settings.small)?.unwrap_or(false),
        install_target: install_target.unwrap_or(true),
        c_compiler: c_compiler.unwrap_or_default(),
    })
}

fn agreed<T: PartialEq>(
    key: &'static str,
    all: &[Settings],
    value: impl Fn(&Settings) -> Option<T>,
) -> Result<Option<T>, Error> {
    // One run of cargo builds all programs, so they have to share the value.
    let mut values = all.iter().filter_map(value);
    let Some(first) = values.next() else { return Ok(None) };
    if values.any(|other| other != first) {
        return Err(SettingsError::Disagreement { key }.into());
    }
    Ok(Some(first))
}

/// Returns a key that is equal for programs that cargo can build in one go.
pub(super) fn build_key(
    request: &Request,
    configured: &ConfiguredTarget,
    workspace: &Workspace,
    project: &Project,
) -> Result<impl PartialEq + use<>, Error> {
    let explicit = explicit_settings(request, configured, workspace, project)?;
    Ok((
        explicit.target.unwrap_or_default(),
        explicit.small,
        explicit.install_target,
        explicit.c_compiler,
    ))
}

/// Returns the settings that the user wrote, in flags, variables, manifests and cargo's configuration.
fn explicit_settings(
    request: &Request,
    configured: &ConfiguredTarget,
    workspace: &Workspace,
    project: &Project,
) -> Result<Settings, Error> {
    let of_table = |metadata: Option<&serde_json::Value>, table: &str, manifest: &Path| {
        let folder = manifest.parent().unwrap_or(Path::new("."));
        let table = format!("[{table}] of {}", manifest.display());
        let read = |metadata| Settings::from_metadata(metadata, &project.target, &table, folder);
        metadata.map(read).transpose().map(Option::unwrap_or_default)
    };
    let package =
        of_table(project.metadata.as_ref(), "package.metadata.wasm-oci", &project.manifest_path)?;
    let of_all =
        of_table(workspace.metadata(), "workspace.metadata.wasm-oci", &workspace.manifest_path())?;
    // The more specific place takes precedence (docs/settings.md).
    let ours = request.flags.clone().over(env_vars::settings()?).over(package).over(of_all);
    Ok(ours.over(Settings { target: configured.target, ..Settings::default() }))
}

/// Adds the settings that the package and its repository have without being written.
pub(super) fn all_settings(
    explicit: Settings,
    project: &Project,
    revision: Option<&Revision>,
) -> Settings {
    let mut settings = explicit.over(detected(project, revision));
    settings.repository = settings.repository.map(|repository| expanded(&repository, project).text);
    settings
}
