//! Compiling the programs of a request with cargo.

use std::path::PathBuf;
use std::time::SystemTime;

use wasm_oci_app::config::settings::Settings;

use crate::cargo::build::{Build, BuildSettings, Built};
use crate::cargo::build_target::ConfiguredTarget;
use crate::cargo::cargo_config::CargoConfig;
use crate::cargo::env::CargoEnv;
use crate::cargo::messages::{Event, Module};
use crate::cargo::metadata_cache::CachedMetadata;
use crate::cargo::project::{Project, Workspace, ask_cargo};
use crate::cargo::toolchain::{Toolchain, prepare};
use crate::error::Error;
use crate::ops::request::Request;
use crate::ops::resolve::BuildPlan;

/// Programs as cargo built them.
#[derive(Debug)]
pub struct Compiled {
    pub workspace: Workspace,
    /// At least one.
    pub programs: Vec<CompiledProgram>,
    /// Folders that no module should contain the path of.
    pub private_paths: Vec<PathBuf>,
}

/// A program and its module as the linker left it.
#[derive(Debug)]
pub struct CompiledProgram {
    pub project: Project,
    /// The settings that the user wrote.
    pub explicit: Settings,
    pub module: Module,
}

/// Compiles every program of a request.
pub fn compile(
    env: &CargoEnv,
    request: &Request,
    observe: &mut dyn FnMut(Event<'_>),
) -> Result<Compiled, Error> {
    let config = CargoConfig::load(env, &request.selection.manifest.config);
    let configured = ConfiguredTarget::of(env, &config);
    let compiler = Compiler { env, config: &config, configured, request };
    // Cached metadata saves a process, but does not show new members or source files. cargo finds
    // those during the build. So the build counts only if cargo built what was planned (decision
    // 2).
    match compiler.compile_with_cached_metadata(observe)? {
        Some(compiled) => Ok(compiled),
        None => compiler.compile_with_new_metadata(observe),
    }
}

struct Compiler<'a> {
    env: &'a CargoEnv,
    config: &'a CargoConfig,
    configured: ConfiguredTarget,
    request: &'a Request,
}

impl Compiler<'_> {
    /// Returns `None` if there is no cached metadata, or the build disagrees with it.
    fn compile_with_cached_metadata(
        &self,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<Option<Compiled>, Error> {
        let found = CachedMetadata::find(self.env, self.config, &self.request.selection);
        tracing::debug!(hit = found.is_some(), "looked for cached metadata");
        let Some(cached) = found else { return Ok(None) };
        let plan = self.plan(&cached.metadata, observe)?;
        let Some(toolchain) = Toolchain::glance(self.env, self.config, plan.settings.target) else {
            return Ok(None);
        };
        let built = self.build(&plan).run(&toolchain, cached.commit.as_deref(), observe)?;
        if cached.has_same_lock() && self.build(&plan).agrees_with(&built) {
            return self.finish(plan, built).map(Some);
        }
        tracing::debug!("the build disagrees with the cached metadata");
        Ok(None)
    }

    fn compile_with_new_metadata(
        &self,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<Compiled, Error> {
        let (env, config, selection) = (self.env, self.config, &self.request.selection);
        // Before cargo reads any file; see `CachedMetadata::store`.
        let start = SystemTime::now();
        let metadata = ask_cargo(env, selection)?;
        let plan = self.plan(&metadata, observe)?;
        let toolchain = match Toolchain::glance(env, config, plan.settings.target) {
            Some(toolchain) => toolchain,
            None => {
                let BuildSettings { target, install_target, .. } = plan.settings;
                let mut status =
                    |command: &str| observe(Event::InstallingTarget { target, command });
                prepare(env, config, selection, target, install_target, &mut status)?
            }
        };
        // Only the paths of std's sources need the commit, so without them rustc need not start.
        let commit = toolchain.std_sources().and_then(|_| toolchain.commit(env));
        let built = self.build(&plan).run(&toolchain, commit.as_deref(), observe)?;
        if self.build(&plan).agrees_with(&built) {
            let workspace = &plan.workspace;
            CachedMetadata::new(env, config, selection, workspace, &toolchain, metadata, commit)
                .inspect(|entry| entry.store(workspace.target_dir(), start));
        }
        self.finish(plan, built)
    }

    fn plan(&self, metadata: &str, observe: &mut dyn FnMut(Event<'_>)) -> Result<BuildPlan, Error> {
        let workspace = Workspace::parse(metadata, self.env, &self.request.selection)?;
        let plan = BuildPlan::resolve(self.request, &self.configured, workspace)?;
        plan.notices.warnings.iter().for_each(|text| observe(Event::Warning(text)));
        plan.notices.renamed.iter().for_each(|text| observe(Event::Renamed(text)));
        Ok(plan)
    }

    fn build<'a>(&'a self, plan: &'a BuildPlan) -> Build<'a> {
        Build {
            env: self.env,
            config: self.config,
            selection: &self.request.selection,
            workspace: &plan.workspace,
            projects: &plan.projects,
            settings: plan.settings,
        }
    }

    fn finish(&self, plan: BuildPlan, built: Built) -> Result<Compiled, Error> {
        self.build(&plan).check(&built)?;
        let compiled = |(project, explicit)| {
            let module = built.module(&project)?.clone();
            Some(CompiledProgram { project, explicit, module })
        };
        let programs = plan.projects.into_iter().zip(plan.explicit).filter_map(compiled).collect();
        Ok(Compiled { workspace: plan.workspace, programs, private_paths: built.private_paths })
    }
}

#[cfg(test)]
mod tests;
