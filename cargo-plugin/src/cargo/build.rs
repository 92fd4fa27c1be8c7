//! One `cargo build` for all selected targets, and the modules that it makes.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use wasm_oci_app::config::c_compiler::Choice;
use wasm_oci_app::config::target::WasiTarget;

use crate::cargo::c::{failure_log, shims};
use crate::cargo::cargo_config::CargoConfig;
use crate::cargo::env::CargoEnv;
use crate::cargo::error::Error;
use crate::cargo::messages::{Event, Messages, Module, Modules, TargetId};
use crate::cargo::path_remap::{self, Remap};
use crate::cargo::project::{Project, TargetKind, Workspace, default_target_args};
use crate::cargo::selection::Selection;
use crate::cargo::toolchain::Toolchain;
use crate::cargo::{profile, rustflags};

/// Our settings that change how cargo builds. All programs of a build share them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildSettings {
    /// Compile for the smallest code, at the cost of speed.
    pub small: bool,
    pub target: WasiTarget,
    /// Install the standard library for the target when it is missing.
    pub install_target: bool,
    /// Compiler of C inside crates.
    pub c_compiler: Choice,
}

/// A build that is ready to start.
#[derive(Clone, Copy)]
pub struct Build<'a> {
    pub env: &'a CargoEnv,
    pub config: &'a CargoConfig,
    pub selection: &'a Selection,
    pub workspace: &'a Workspace,
    pub projects: &'a [Project],
    pub settings: BuildSettings,
}

/// Modules that a build made.
pub struct Built {
    modules: Modules,
    /// Folders that no module should contain the path of; for [`leaked_paths`](crate::cargo::leaked_paths).
    pub private_paths: Vec<PathBuf>,
}

impl Build<'_> {
    /// Runs `cargo build`. `commit` is the one that the toolchain was built from, if its sources are installed.
    pub fn run(
        self,
        toolchain: &Toolchain,
        commit: Option<&str>,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<Built, Error> {
        let remaps = path_remap::all(self.env, self.config, self.workspace, toolchain, commit);
        // Failures of an earlier build must not be reported for this one.
        failure_log::clear(&self.shims_folder());
        let mut command = self.command(toolchain, &remaps);
        tracing::debug!(?command, "starting cargo");
        let child = command.spawn();
        let child = child
            .map_err(|source| Error::NotStarted { program: self.env.cargo().to_owned(), source })?;
        observe(Event::Building);
        let messages = Messages::read(child, observe)?;
        if !messages.status.success() {
            return Err(self.failure(&messages));
        }
        let private_paths = path_remap::private_paths(&remaps);
        Ok(Built { modules: messages.modules, private_paths })
    }

    fn command(self, toolchain: &Toolchain, remaps: &[Remap]) -> Command {
        let Build { env, config, selection, workspace, projects, settings } = self;
        let sources = profile::Sources { env, config, manifest: workspace.manifest() };
        let target = settings.target;
        let users = rustflags::users(env, config, target, || toolchain.print_cfg(env, target));
        let mut command = env.command(env.cargo());
        // With `json-render-diagnostics`, cargo prints the compiler's messages itself, and the JSON
        // lines only name what it built (Cargo book, "External tools").
        command.args([
            "build",
            "--target",
            target.name(),
            "--message-format",
            "json-render-diagnostics",
        ]);
        command.args(selection.build_args());
        if !selection.names_targets() {
            command.args(default_target_args(projects));
        }
        for setting in profile::overrides(sources, selection.profile(), settings.small) {
            // `--config` takes precedence over the manifest, so the user's files stay as they are.
            command.args(["--config", &setting]);
        }
        // cargo uses the flags of one place only, so the user's have to be here together with ours.
        command.env(rustflags::VARIABLE, rustflags::encoded(&path_remap::flags(remaps), &users));
        let target_dir = workspace.target_dir();
        command.envs(shims::variables(env, config, target_dir, target, settings.c_compiler));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }

    fn failure(self, messages: &Messages) -> Error {
        let BuildSettings { target, c_compiler, .. } = self.settings;
        // cargo has printed the reason. Only for C, we can add what to install.
        match failure_log::describe(&self.shims_folder(), target, c_compiler, &messages.out_dirs) {
            Some(message) => Error::CNotCompiled { message },
            None => Error::CargoBuildFailed { status: messages.status },
        }
    }

    fn shims_folder(self) -> PathBuf {
        shims::folder(self.workspace.target_dir(), self.settings.c_compiler)
    }

    /// Returns true if cargo built every planned command and no other.
    pub fn agrees_with(&self, built: &Built) -> bool {
        let is_planned = |id: &TargetId| self.projects.iter().any(|project| id_of(project) == *id);
        // cargo also builds libraries that something else needs, so those may be there without a
        // plan.
        let mut commands = built.modules.keys().filter(|(_, kind, _)| *kind != TargetKind::Cdylib);
        commands.all(is_planned) && self.missing(built).is_none()
    }

    /// Checks that every planned target has a module.
    pub fn check(&self, built: &Built) -> Result<(), Error> {
        let Some(project) = self.missing(built) else { return Ok(()) };
        Err(Error::NoArtifact {
            kind: project.kind.name(),
            name: project.target.clone(),
            package: project.package.clone(),
            features: project.required_features.clone(),
        })
    }

    /// Returns a target without a module.
    fn missing(&self, built: &Built) -> Option<&Project> {
        // cargo skips targets whose `required-features` are off, unless the user named them.
        let may_miss = |project: &Project| {
            !self.selection.names_targets()
                && !built.modules.is_empty()
                && !project.required_features.is_empty()
        };
        let mut missing = self.projects.iter().filter(|project| built.module(project).is_none());
        missing.find(|project| !may_miss(project))
    }
}

impl Built {
    pub fn module(&self, project: &Project) -> Option<&Module> {
        self.modules.get(&id_of(project))
    }
}

fn id_of(project: &Project) -> TargetId {
    (project.package_id.clone(), project.kind, project.target.clone())
}
