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
use wasm_oci_app::config::args::{AddrArgs, RunArgs};
use wasm_oci_app::config::settings::Settings;
use wasm_oci_app::error::{Error as AppError, UsageError};
use wasm_oci_app::exit_code::ExitCode;
use wasm_oci_app::ui::output_args::OutputArgs;
use wasm_oci_app::ui::shell::Shell;
use wasm_oci_core::fs::TemporaryFolder;
use wasm_oci_core::module::Level;

use wasm_oci_core::trace::OrTrace;

use crate::cargo::env::CargoEnv;
use crate::cargo::project::Workspace;
use crate::commands::watch::sources::{Sources, Watcher};
use crate::error::Error;
use crate::ops::build;
use crate::ops::package::{BuiltImages, only_program};
use crate::ops::request::{BuildArgs, Request};
use crate::ops::resolve::print_plans;

/// Interval of checks for the end of the program.
const POLL: Duration = Duration::from_millis(100);

/// Number of blobs in the layout above which we remove it.
const LAYOUT_LIMIT: usize = 100;

/// Build a program into an image and run it, again whenever a source changes
///
/// Watches the sources, manifests and settings of the workspace and its path dependencies, and the files that the program includes. A
/// change stops the program. For a quick start, modules are not optimized unless -O is set, whatever the settings are. Ctrl-C ends both.
#[derive(Debug, Args)]
pub(super) struct Watch {
    /// Also watch this file or folder; repeat the flag for several
    #[arg(long = "watch", value_name = "PATH")]
    more: Vec<PathBuf>,
    #[command(flatten)]
    build: BuildArgs,
    #[command(flatten, next_help_heading = "Program")]
    run: RunArgs,
    /// Serve HTTP requests, as `serve` does (implied by an address to listen on)
    #[arg(long, help_heading = "Program")]
    serve: bool,
    #[command(flatten)]
    at: AddrArgs,
}

/// The way to start a program.
#[derive(Debug)]
struct Action {
    /// Address to serve HTTP on.
    serve: Option<SocketAddr>,
    run: RunArgs,
}

impl Action {
    /// Returns our own arguments that start the program.
    fn args(&self, program: &BuiltImages, output: &OutputArgs) -> Result<Vec<OsString>, Error> {
        let image = [
            "--layout".into(),
            program.layout.clone().into_os_string(),
            "--digest".into(),
            program.main()?.digest.to_string().into(),
            "--named".into(),
            program.debug_file.clone().into(),
        ];
        let mut args: Vec<OsString> = vec!["--color".into(), output.color.to_string().into()];
        args.extend(output.quiet.then(|| "--quiet".into()));
        args.extend((0..output.verbose).map(|_| "--verbose".into()));
        let Action { serve, run: RunArgs { given, args: own } } = self;
        args.extend(["run-image".into(), "--parent".into(), process::id().to_string().into()]);
        args.extend(serve.iter().flat_map(|addr| ["--serve".into(), addr.to_string().into()]));
        args.extend(image.into_iter().chain(given.to_args()).chain(["--".into()]));
        args.extend(own.iter().map(OsString::from));
        Ok(args)
    }
}

/// A program that runs until this value is dropped.
struct Running {
    name: String,
    child: Child,
    /// `TMPDIR` of the program.
    _temporary: Option<TemporaryFolder>,
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
        // A program that is killed can't remove its own temporary files.
        let temporary = TemporaryFolder::new().or_trace("make a folder for temporary files");
        let mut command = Command::new(&own);
        command.args(action.args(program, output)?);
        command.envs(temporary.iter().map(|folder| ("TMPDIR", folder.path())));
        let child = command.spawn().map_err(failed(&own))?;
        Ok(Running { name: program.project.target.clone(), child, _temporary: temporary })
    }

    /// Describes the end of the program, if it has ended.
    fn end(&mut self) -> Option<String> {
        let how = match self.child.try_wait().or_trace("check the program")??.code() {
            Some(code) => format!("with exit code {code}"),
            None => "by a signal".to_owned(),
        };
        Some(format!("{} {how}", self.name))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Only a process can be stopped while it waits for input or in a host call (decision 6).
        self.child.kill().or_trace("stop the program");
        self.child.wait().or_trace("wait for the end of the program");
    }
}

impl Watch {
    pub(super) async fn run(self, output: &OutputArgs, shell: &Shell) -> Result<u8, Error> {
        // Optimizing takes longer than compiling a small change.
        let unoptimized = Settings { optimize: Some(Level::Off), ..Settings::default() };
        let request = self.build.request(unoptimized, output);
        if self.build.dry_run {
            return print_plans(&request, shell).map(|()| 0);
        }
        let env = CargoEnv::from_process()?;
        let workspace = Workspace::load(&env, &request.selection)?;
        // Not the layout of `build`, which the user may want to keep.
        let layout = workspace.target_dir().join("wasm-oci/.watch");
        let sources = self.sources(&env, &workspace)?;
        let mut watching = Watching {
            request: Request { layout: Some(layout), runs_here: true, ..request },
            action: self.action(),
            watcher: Watcher::new(sources.clone())?,
            sources,
            env,
            output,
            shell,
            layout: None,
        };
        loop {
            let changed = watching.round().await?;
            shell.status("Changed", described(&changed, watching.env.cwd()));
            // A new folder may be a new member or contain a new program.
            if changed.iter().any(|path| path.ends_with("Cargo.toml") || path.is_dir()) {
                // The next build reports an error in a manifest.
                if let Ok(workspace) = Workspace::load(&watching.env, &watching.request.selection) {
                    watching.sources = self.sources(&watching.env, &workspace)?;
                }
            }
        }
    }

    fn action(&self) -> Action {
        let serves = self.serve || self.at != AddrArgs::default();
        Action { serve: serves.then(|| self.at.addr()), run: self.run.clone() }
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

/// State between rounds.
struct Watching<'a> {
    request: Request,
    action: Action,
    watcher: Watcher,
    /// Sources that are known without a build.
    sources: Sources,
    env: CargoEnv,
    output: &'a OutputArgs,
    shell: &'a Shell,
    /// Layout of the last program.
    layout: Option<PathBuf>,
}

impl Watching<'_> {
    /// Builds and starts the program. Returns the changed files once there are any.
    async fn round(&mut self) -> Result<BTreeSet<PathBuf>, Error> {
        let built = self.build().await;
        match &built {
            Ok(_) => {}
            // In the first round, the command line is wrong. In later rounds, a change is.
            Err(failure) if self.layout.is_none() && failure.exit_code() == ExitCode::Usage => {
                return built.map(|_| BTreeSet::new());
            }
            Err(failure) if failure.is_printed() => {}
            Err(failure) => self.shell.error(failure),
        }
        let changed = self.watcher.changed_meanwhile();
        // A source that changed during the build makes the result outdated.
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

    /// Builds the image, and watches all files that it was made of.
    async fn build(&mut self) -> Result<Vec<BuiltImages>, Error> {
        if let Some(layout) = &self.layout {
            clear(layout);
        }
        let built = build(&self.request, self.shell).await?;
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

/// Removes a layout that is full of old programs.
fn clear(layout: &Path) {
    // Each change adds an image, and `build` removes old blobs only from layouts in its own folder.
    // Nothing reads the layout between two rounds.
    let blobs = layout.join("blobs/sha256").read_dir().map_or(0, Iterator::count);
    if blobs > LAYOUT_LIMIT {
        fs_err::remove_dir_all(layout).or_trace("remove the layout of old programs");
    }
}

/// Describes changed files: the first, and the number of others.
fn described(changed: &BTreeSet<PathBuf>, cwd: &Path) -> String {
    let first =
        changed.first().map(|path| path.strip_prefix(cwd).unwrap_or(path).display().to_string());
    match changed.len() {
        0 | 1 => first.unwrap_or_default(),
        count => format!("{} and {} more", first.unwrap_or_default(), count - 1),
    }
}
