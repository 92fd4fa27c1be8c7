//! `cargo wasm-oci watch`: build and run again whenever a source changes.

mod sources;

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command};
use std::time::Duration;

use clap::Args;
use tempfile::TempDir;
use wasm_oci_app::config::args::{AddrArgs, RunArgs};
use wasm_oci_app::config::settings::Settings;
use wasm_oci_app::error::{Error as AppError, UsageError};
use wasm_oci_app::exit_code::ExitCode;
use wasm_oci_app::ui::output_args::OutputArgs;
use wasm_oci_app::ui::shell::Shell;
use wasm_oci_core::module::Level;

use crate::cargo::env::CargoEnv;
use crate::cargo::project::Workspace;
use crate::commands::watch::sources::{Sources, Watcher};
use crate::error::Error;
use crate::ops::build;
use crate::ops::package::{BuiltImages, only_program};
use crate::ops::request::{BuildArgs, Request};
use crate::ops::resolve::print_plans;

/// How often the program is asked whether it still runs.
const POLL: Duration = Duration::from_millis(100);

/// So many files in the layout are many programs ago.
const LAYOUT_LIMIT: usize = 100;

/// Build a program into an image and run it, again whenever a source changes
///
/// Watches the sources, manifests and settings of the workspace and its path dependencies, and the files that the
/// program includes. At a change, the program that runs is stopped. Modules are taken as they are unless -O is given,
/// whatever the settings say: that is sooner done. Ctrl-C ends it all.
#[derive(Debug, Args)]
pub(super) struct Watch {
    /// Watch this file or folder, too
    #[arg(long = "watch", value_name = "PATH")]
    more: Vec<PathBuf>,
    #[command(flatten)]
    build: BuildArgs,
    #[command(flatten, next_help_heading = "Program")]
    run: RunArgs,
    /// Answer HTTP requests instead, as `serve` does; so does a place to listen
    #[arg(long, help_heading = "Program")]
    serve: bool,
    #[command(flatten)]
    at: AddrArgs,
}

/// What is done with a program that was made.
#[derive(Debug)]
enum Action {
    /// It runs to its end, or until something changes.
    Run(RunArgs),
    /// It answers requests there, until something changes.
    Serve(SocketAddr, RunArgs),
}

impl Action {
    /// The arguments that make this program do it.
    fn args(&self, program: &BuiltImages, output: &OutputArgs) -> Result<Vec<OsString>, Error> {
        let image = program.images.first();
        let image = image.ok_or_else(|| UsageError::NoImage { action: "run" })?;
        let image = [
            "--layout".into(),
            program.layout.clone().into_os_string(),
            "--digest".into(),
            image.digest.to_string().into(),
            "--named".into(),
            program.debug_file.clone().into(),
        ];
        let mut args: Vec<OsString> = vec!["--color".into(), output.color.name().into()];
        args.extend(output.quiet.then(|| "--quiet".into()));
        args.extend((0..output.verbose).map(|_| "--verbose".into()));
        let (addr, RunArgs { given, args: own }) = match self {
            Action::Run(run) => (None, run),
            Action::Serve(addr, run) => (Some(addr), run),
        };
        args.extend(["run-image".into(), "--parent".into(), process::id().to_string().into()]);
        args.extend(addr.iter().flat_map(|addr| ["--serve".into(), addr.to_string().into()]));
        args.extend(image.into_iter().chain(given.to_args()).chain(["--".into()]));
        args.extend(own.iter().map(OsString::from));
        Ok(args)
    }
}

/// A program that runs, until this is dropped.
struct Running {
    name: String,
    child: Child,
    /// For its temporary files: it has no chance to remove them.
    _temporary: Option<TempDir>,
}

impl Running {
    fn start(
        action: &Action,
        program: &BuiltImages,
        output: &OutputArgs,
    ) -> Result<Running, Error> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Start { path, source }
        };
        let own = env::current_exe().map_err(failed(Path::new("cargo-wasm-oci")))?;
        let temporary = tempfile::tempdir().ok();
        let mut command = Command::new(&own);
        command.args(action.args(program, output)?);
        command.envs(temporary.iter().map(|folder| ("TMPDIR", folder.path())));
        let child = command.spawn().map_err(failed(&own))?;
        Ok(Running { name: program.project.target.clone(), child, _temporary: temporary })
    }

    /// How it ended, if it has.
    fn end(&mut self) -> Option<String> {
        let how = match self.child.try_wait().ok()??.code() {
            Some(code) => format!("with exit code {code}"),
            None => "by a signal".to_owned(),
        };
        Some(format!("{} {how}", self.name))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended can't be stopped, and needn't be.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Watch {
    pub(super) fn run(self, output: &OutputArgs, shell: &Shell) -> Result<u8, Error> {
        let unoptimized = Settings { optimize: Some(Level::Off), ..Settings::default() };
        let request = self.build.request(unoptimized, output);
        if self.build.dry_run {
            return print_plans(&request, shell).map(|()| 0);
        }
        let env = CargoEnv::from_process()?;
        let workspace = Workspace::load(&env, &request.selection)?;
        // Not where `build` writes to: what is there may be meant for more than a look.
        let layout = workspace.target_dir().join("wasm-oci/.watch");
        let sources = self.sources(&env, &workspace)?;
        let mut watching = Watching {
            request: Request { layout: Some(layout), ..request },
            action: self.action(),
            watcher: Watcher::new(sources.clone())?,
            sources,
            env,
            output,
            shell,
            layout: None,
        };
        loop {
            let changed = watching.round()?;
            shell.status("Changed", described(&changed, watching.env.cwd()));
            if changed.iter().any(|path| path.ends_with("Cargo.toml") || path.is_dir()) {
                // A mistake in a manifest is told of by the build.
                if let Ok(workspace) = Workspace::load(&watching.env, &watching.request.selection) {
                    watching.sources = self.sources(&watching.env, &workspace)?;
                }
            }
        }
    }

    fn action(&self) -> Action {
        let run = self.run.clone();
        match self.serve || self.at != AddrArgs::default() {
            true => Action::Serve(self.at.addr(), run),
            false => Action::Run(run),
        }
    }

    fn sources(&self, env: &CargoEnv, workspace: &Workspace) -> Result<Sources, AppError> {
        let mut sources = Sources::of(workspace);
        for path in &self.more {
            let found = env.cwd().join(path).canonicalize();
            sources.add(found.map_err(|source| UsageError::Watch { path: path.clone(), source })?);
        }
        Ok(sources)
    }
}

/// What stays from round to round.
struct Watching<'a> {
    request: Request,
    action: Action,
    watcher: Watcher,
    /// Those that are known without a build.
    sources: Sources,
    env: CargoEnv,
    output: &'a OutputArgs,
    shell: &'a Shell,
    /// The layout of the program that ran last.
    layout: Option<PathBuf>,
}

impl Watching<'_> {
    /// Builds, and starts what was built. Returns what has changed, when something has.
    fn round(&mut self) -> Result<BTreeSet<PathBuf>, Error> {
        let built = self.build();
        match &built {
            Ok(_) => {}
            // At first it is the command line that makes no sense, and later something that was changed.
            Err(failure) if self.layout.is_none() && failure.exit_code() == ExitCode::Usage => {
                return built.map(|_| BTreeSet::new());
            }
            Err(failure) if failure.is_told() => {}
            Err(failure) => self.shell.error(failure),
        }
        let changed = self.watcher.changed_meanwhile();
        if !changed.is_empty() {
            return Ok(changed);
        }
        let mut running = None;
        match built {
            Ok(built) => {
                running = Some(Running::start(&self.action, only_program(&built)?, self.output)?)
            }
            Err(_) => self.shell.status("Waiting", "for a change"),
        }
        loop {
            let changed = self.watcher.wait(POLL);
            if !changed.is_empty() {
                return Ok(changed);
            }
            if let Some(end) = running.as_mut().and_then(Running::end) {
                self.shell.status("Ended", format_args!("{end}: waiting for a change"));
                running = None;
            }
        }
    }

    /// Makes the image, and watches all that it was made of.
    fn build(&mut self) -> Result<Vec<BuiltImages>, Error> {
        if let Some(layout) = &self.layout {
            clear(layout);
        }
        let built = build(&self.request, self.shell)?;
        let program = only_program(&built)?;
        let mut sources = self.sources.clone();
        sources.add_program(
            &program.wasm,
            program.settings.include.values().cloned(),
            self.env.cwd(),
        );
        self.watcher.set(sources)?;
        self.layout = Some(program.layout.clone());
        Ok(built)
    }
}

/// Removes a layout that has become full of programs of the past. Nothing reads it between two rounds.
fn clear(layout: &Path) {
    let blobs = layout.join("blobs/sha256").read_dir().map_or(0, Iterator::count);
    if blobs > LAYOUT_LIMIT {
        // What is left of it is written over.
        fs_err::remove_dir_all(layout).ok();
    }
}

/// The first file that changed, and how many more.
fn described(changed: &BTreeSet<PathBuf>, cwd: &Path) -> String {
    let first =
        changed.first().map(|path| path.strip_prefix(cwd).unwrap_or(path).display().to_string());
    match changed.len() {
        0 | 1 => first.unwrap_or_default(),
        count => format!("{} and {} more", first.unwrap_or_default(), count - 1),
    }
}
