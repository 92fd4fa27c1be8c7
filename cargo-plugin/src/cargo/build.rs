//! One `cargo build` for all selected targets, and the modules that it makes.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use wasm_oci_app::config::c_compiler::Choice;
use wasm_oci_app::config::target::WasiTarget;
use wasm_oci_app::rustc::{RUSTFLAGS, Remap, remap_flags};

use crate::cargo::batches::{Batch, batches};
use crate::cargo::c::{failure_log, shims};
use crate::cargo::cargo_config::CargoConfig;
use crate::cargo::env::CargoEnv;
use crate::cargo::error::Error;
use crate::cargo::messages::{Event, Messages, Module, Modules, TargetId};
use crate::cargo::path_remap;
use crate::cargo::pattern::is_listed;
use crate::cargo::project::{Project, TargetKind, Workspace};
use crate::cargo::selection::{Selection, TargetArgs};
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
    /// Pairs of targets that one run built into one file.
    shared: Vec<(TargetId, TargetId)>,
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
        let private_paths = path_remap::private_paths(&remaps);
        let mut built = Built { modules: Modules::new(), shared: Vec::new(), private_paths };
        for batch in batches(self.workspace, self.projects, self.selection) {
            let mut command = self.command(&batch, toolchain, &remaps);
            tracing::debug!(?command, "starting cargo");
            let program = || self.env.cargo().to_owned();
            let child = command.spawn();
            let child = child.map_err(|source| Error::NotStarted { program: program(), source })?;
            observe(Event::Building);
            let messages = Messages::read(child, observe)?;
            if !messages.status.success() {
                return Err(self.failure(&messages));
            }
            built.add(messages.modules);
        }
        Ok(built)
    }

    fn command(self, batch: &Batch, toolchain: &Toolchain, remaps: &[Remap]) -> Command {
        let Build { env, config, workspace, settings, .. } = self;
        let Batch { selection, build_dir } = batch;
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
        if let Some(folder) = build_dir {
            command.env("CARGO_BUILD_BUILD_DIR", folder);
            // The user's own `--config` takes precedence over a variable. Without one, an older cargo would warn of the key.
            if !selection.manifest.config.is_empty() {
                let value = toml::Value::from(folder.to_string_lossy().into_owned());
                command.args(["--config", &format!("build.build-dir={value}")]);
            }
        }
        for setting in profile::overrides(sources, selection.profile(), settings.small) {
            // `--config` takes precedence over the manifest, so the user's files stay as they are.
            command.args(["--config", &setting]);
        }
        // cargo uses the flags of one place only, so the user's have to be here together with ours.
        command.env(RUSTFLAGS, rustflags::encoded(&remap_flags(remaps), &users));
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
        commands.all(is_planned) && self.missing(built).is_none() && self.shared(built).is_none()
    }

    /// Checks that every planned target has a module, and a file of its own.
    pub fn check(&self, built: &Built) -> Result<(), Error> {
        if let Some((project, (package, kind, name))) = self.shared(built) {
            return Err(Error::SharedFile {
                kind: project.kind.name(),
                name: project.target.clone(),
                package: project.package.clone(),
                other: format!("{kind} `{name}` of {package}"),
            });
        }
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
        let is_missing = |project: &&Project| built.module(project).is_none();
        // A build has to make something.
        if self.projects.iter().all(|project| is_missing(&project)) {
            return self.projects.first();
        }
        // cargo skips targets whose `required-features` are off, unless the user named them.
        let TargetArgs { bin, example, .. } = &self.selection.targets;
        let is_named = |project: &Project| match project.kind {
            TargetKind::Bin => is_listed(bin, &project.target),
            TargetKind::Example => is_listed(example, &project.target),
            TargetKind::Cdylib => false,
        };
        let may_miss =
            |project: &Project| !project.required_features.is_empty() && !is_named(project);
        self.projects.iter().filter(is_missing).find(|project| !may_miss(project))
    }

    /// Returns a planned target whose module another target may have overwritten, and that target.
    fn shared<'a>(&'a self, built: &'a Built) -> Option<(&'a Project, &'a TargetId)> {
        self.projects.iter().find_map(|project| {
            let id = id_of(project);
            let mut pairs = built.shared.iter();
            let other = pairs.find_map(|(a, b)| match (*a == id, *b == id) {
                (true, _) => Some(b),
                (_, true) => Some(a),
                _ => None,
            })?;
            Some((project, other))
        })
    }
}

impl Built {
    pub fn module(&self, project: &Project) -> Option<&Module> {
        self.modules.get(&id_of(project))
    }

    /// Adds the modules of one run.
    fn add(&mut self, modules: Modules) {
        // `batches` plans runs without such pairs, by names in manifests. This is certain: cargo names the files itself, and
        // also builds packages that are not members.
        let all: Vec<_> = modules.iter().collect();
        for (n, (id, module)) in all.iter().enumerate() {
            let rivals = all[n + 1..].iter().filter(|(_, other)| module.may_overwrite(other));
            self.shared.extend(rivals.map(|(other, _)| ((*id).clone(), (*other).clone())));
        }
        self.modules.extend(modules);
    }
}

fn id_of(project: &Project) -> TargetId {
    (project.package_id.clone(), project.kind, project.target.clone())
}
