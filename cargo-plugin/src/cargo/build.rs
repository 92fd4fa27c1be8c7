//! One `cargo build` for all targets that are meant, and the modules it makes.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    time::SystemTime,
};

use crate::cargo::{
    c::{choice::Choice, links, notes::Failures},
    cargo_config::CargoConfig,
    env::CargoEnv,
    error::Error,
    folders,
    memory::{self, Memory, Request},
    messages::{Messages, Modules, TargetId},
    profile,
    project::{Project, TargetKind, Workspace, ask_cargo, default_target_args},
    remap::{self, Remap},
    rustflags,
    selection::Selection,
    target::WasiTarget,
    toolchain::{self, Toolchain},
};

/// The settings of ours that decide how cargo builds. They may stand in the manifest.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Ask for the smallest code, at the cost of speed.
    pub small: bool,
    /// What to build for.
    pub target: WasiTarget,
    /// Install the standard library for the target when it is missing.
    pub install_target: bool,
    /// What compiles C inside crates.
    pub c_compiler: Choice,
}

/// What happens meanwhile.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The standard library for a target is missing and now being installed by this command.
    InstallingTarget {
        /// The target.
        target: WasiTarget,
        /// The command.
        command: &'a str,
    },
    /// cargo has started to build. It may do so a second time.
    Building,
    /// A line of cargo's on stdout, in its `--message-format json`.
    CargoMessage(&'a str),
}

/// What a build has made.
#[derive(Debug)]
pub struct Built<G> {
    /// The workspace it was made in.
    pub workspace: Workspace,
    /// The targets and their modules. Never none.
    pub projects: Vec<BuiltProject<G>>,
    /// The folders that no module should show; for [`remap::leaked_paths`].
    pub folders: Vec<PathBuf>,
}

/// A target and its module.
#[derive(Debug, Clone)]
pub struct BuiltProject<G> {
    /// The target.
    pub project: Project,
    /// What was given for it.
    pub given: G,
    /// The module, as the linker left it.
    pub wasm: PathBuf,
    /// Whether it was there already.
    pub fresh: bool,
}

/// Builds what is selected. `settings` are asked for once it is known what that is; with them comes what the caller
/// gives for each project, to have it back with the module.
pub fn build<G, E: From<Error>>(
    env: &CargoEnv,
    selection: &Selection,
    settings: impl Fn(&Workspace, &[Project]) -> Result<(Settings, Vec<G>), E>,
    observe: &mut dyn FnMut(Event<'_>),
) -> Result<Built<G>, E> {
    let config = &CargoConfig::load(env, &selection.config);
    let context = Context { env, config, selection };
    match context.build_from_memory(&settings, observe)? {
        Some(built) => Ok(built),
        None => context.build_afresh(&settings, observe),
    }
}

/// What stays the same for all of a build.
#[derive(Clone, Copy)]
struct Context<'a> {
    env: &'a CargoEnv,
    config: &'a CargoConfig,
    selection: &'a Selection,
}

/// All that is known before cargo builds.
struct Plan<G> {
    workspace: Workspace,
    projects: Vec<Project>,
    settings: Settings,
    given: Vec<G>,
}

impl Context<'_> {
    /// Without asking cargo for metadata, if what it said the last time holds.
    fn build_from_memory<G, E: From<Error>>(
        self,
        settings: impl Fn(&Workspace, &[Project]) -> Result<(Settings, Vec<G>), E>,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<Option<Built<G>>, E> {
        let Self { env, config, selection } = self;
        let recall = || {
            let request = Request::new(env, selection);
            Memory::recall(request, &memory::target_dirs(env, config, selection), config)
        };
        let Some(memory) = recall() else { return Ok(None) };
        let plan = self.plan(&memory.metadata, settings)?;
        let Some(toolchain) = Toolchain::glance(env, config, plan.settings.target) else {
            return Ok(None);
        };
        let outcome = self.run(plan, &toolchain, memory.commit.as_deref(), observe)?;
        match memory.has_same_lock() && outcome.is_as_planned() {
            true => Ok(Some(outcome.built()?)),
            false => Ok(None),
        }
    }

    fn build_afresh<G, E: From<Error>>(
        self,
        settings: impl Fn(&Workspace, &[Project]) -> Result<(Settings, Vec<G>), E>,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<Built<G>, E> {
        let Self { env, config, selection } = self;
        let start = SystemTime::now();
        let metadata = ask_cargo(env, selection)?;
        let plan = self.plan(&metadata, settings)?;
        let toolchain = match Toolchain::glance(env, config, plan.settings.target) {
            Some(toolchain) => toolchain,
            None => self.prepare(plan.settings, observe)?,
        };
        let commit = toolchain.std_sources().and_then(|_| toolchain.commit(env));
        let outcome = self.run(plan, &toolchain, commit.as_deref(), observe)?;
        if outcome.is_as_planned() {
            let workspace = &outcome.plan.workspace;
            let files = memory::inputs(env, config, workspace, &toolchain);
            let memory = Memory::new(
                Request::new(env, selection),
                metadata,
                commit,
                &files,
                workspace.root(),
            );
            memory.keep(workspace.target_dir(), start);
        }
        Ok(outcome.built()?)
    }

    fn plan<G, E: From<Error>>(
        self,
        metadata: &str,
        settings: impl Fn(&Workspace, &[Project]) -> Result<(Settings, Vec<G>), E>,
    ) -> Result<Plan<G>, E> {
        let workspace = Workspace::parse(metadata, self.env, self.selection)?;
        let projects = workspace.projects(self.selection)?;
        let (settings, given) = settings(&workspace, &projects)?;
        Ok(Plan { workspace, projects, settings, given })
    }

    fn prepare(
        self,
        settings: Settings,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<Toolchain, Error> {
        let Settings { target, install_target, .. } = settings;
        let mut status = |command: &str| observe(Event::InstallingTarget { target, command });
        toolchain::prepare(
            self.env,
            self.config,
            self.selection,
            target,
            install_target,
            &mut status,
        )
    }

    fn run<G>(
        self,
        plan: Plan<G>,
        toolchain: &Toolchain,
        commit: Option<&str>,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<Outcome<G>, Error> {
        let folders = folders::all(self.env, self.config, &plan.workspace, toolchain, commit);
        let command = self.command(&plan, toolchain, &folders);
        let modules = self.start(&plan, command, observe)?.modules;
        Ok(Outcome { plan, named: self.selection.names_targets(), folders, modules })
    }

    fn start<G>(
        self,
        plan: &Plan<G>,
        mut command: Command,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<Messages, Error> {
        let child = command.spawn();
        let child = child
            .map_err(|source| Error::NotStarted { program: self.env.cargo().to_owned(), source })?;
        observe(Event::Building);
        let messages = Messages::read(child, observe)?;
        match messages.status.success() {
            true => Ok(messages),
            false => Err(failure(plan, messages)),
        }
    }

    fn command<G>(self, plan: &Plan<G>, toolchain: &Toolchain, folders: &[Remap]) -> Command {
        let Self { env, config, selection } = self;
        let sources = profile::Sources { env, config, manifest: plan.workspace.manifest() };
        let target = plan.settings.target;
        let users = rustflags::users(env, config, target, || toolchain.print_cfg(env, target));
        let mut command = env.command(env.cargo());
        command.args([
            "build",
            "--target",
            target.name(),
            "--message-format",
            "json-render-diagnostics",
        ]);
        command.args(selection.build_args());
        if !selection.names_targets() {
            command.args(default_target_args(&plan.projects));
        }
        for setting in profile::overrides(sources, selection.profile(), plan.settings.small) {
            command.args(["--config", &setting]);
        }
        command.env(rustflags::VARIABLE, rustflags::encoded(&remap::flags(folders), &users));
        let target_dir = plan.workspace.target_dir();
        command.envs(links::variables(env, config, target_dir, target, plan.settings.c_compiler));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }
}

/// Why cargo's build failed, as far as cargo does not say it well.
fn failure<G>(plan: &Plan<G>, messages: Messages) -> Error {
    let Settings { target, c_compiler, .. } = plan.settings;
    let folder = links::folder(plan.workspace.target_dir(), c_compiler);
    match Failures::read(&folder, target, c_compiler, &messages.out_dirs) {
        Some(failures) => Error::CNotCompiled { failures },
        None => Error::CargoBuildFailed { status: messages.status },
    }
}

/// What cargo did with a plan.
struct Outcome<G> {
    plan: Plan<G>,
    named: bool,
    folders: Vec<Remap>,
    modules: Modules,
}

impl<G> Outcome<G> {
    /// Whether cargo has built all commands that were planned, and no other. Libraries it also builds where they are
    /// needed by something else.
    fn is_as_planned(&self) -> bool {
        let is_planned =
            |id: &TargetId| self.plan.projects.iter().any(|project| id_of(project) == *id);
        let mut commands = self.modules.keys().filter(|(_, kind, _)| *kind != TargetKind::Cdylib);
        commands.all(is_planned) && self.missing().is_none()
    }

    /// A target without a module. Cargo passes over those whose features aren't on, unless they were named.
    fn missing(&self) -> Option<&Project> {
        let may_miss = |project: &Project| {
            !self.named && !self.modules.is_empty() && !project.required_features.is_empty()
        };
        let mut missing =
            self.plan.projects.iter().filter(|project| !self.modules.contains_key(&id_of(project)));
        missing.find(|project| !may_miss(project))
    }

    fn built(mut self) -> Result<Built<G>, Error> {
        if let Some(project) = self.missing() {
            return Err(Error::NoArtifact {
                kind: project.kind.name(),
                name: project.target.clone(),
                package: project.package.clone(),
                features: project.required_features.clone(),
            });
        }
        let built = |(project, given)| {
            let (wasm, fresh) = self.modules.remove(&id_of(&project))?;
            Some(BuiltProject { project, given, wasm, fresh })
        };
        let projects =
            self.plan.projects.into_iter().zip(self.plan.given).filter_map(built).collect();
        let folders = folders::telling(&self.folders);
        Ok(Built { workspace: self.plan.workspace, projects, folders })
    }
}

fn id_of(project: &Project) -> TargetId {
    (project.package_id.clone(), project.kind, project.target.clone())
}
