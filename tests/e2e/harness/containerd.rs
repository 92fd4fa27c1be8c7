//! containerd with a Wasm shim: what Docker and Kubernetes start containers with.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError, Weak};

use tempfile::TempDir;

use super::cri::{HANDLER, PAUSE_IMAGE};
use super::daemon::Daemon;
use super::run::Run;
use super::tools;

/// The runtime's name, from which containerd derives the shim's: `containerd-shim-wasmtime-v1`.
pub(crate) const RUNTIME: &str = "io.containerd.wasmtime.v1";
/// The platform that Wasm images are pulled and run for.
pub(crate) const WASM: &str = "wasi/wasm";
/// Copies files instead of overlaying them, and so also works where the tests run in a container themselves.
pub(crate) const SNAPSHOTTER: &str = "native";

/// The version of containerd; versions differ in the image formats that they accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// The machine's own: 1.6 on Debian 12.
    Debian,
    /// 1.7, from the cache.
    V1_7,
}

/// What starts pods by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Runtimes {
    Shim,
    Runc,
}

/// The way `ctr` runs a Wasm image.
const RUN: [&str; 8] =
    ["run", "--rm", "--snapshotter", SNAPSHOTTER, "--runtime", RUNTIME, "--platform", WASM];

/// A containerd with its own socket, root and state. One that the machine's user runs is not touched.
pub(crate) struct Containerd {
    daemon: Daemon,
    version: Version,
    pub(super) runtimes: Runtimes,
    /// Imports the image that every pod needs, see [`super::cri`].
    pub(crate) pause_image: Once,
}

impl Containerd {
    /// The one that other tests of this process use at this moment, or else a new one. The last of them ends it.
    pub(crate) fn shared(version: Version) -> Arc<Self> {
        static RUNNING: [Mutex<Weak<Containerd>>; 2] = [const { Mutex::new(Weak::new()) }; 2];
        // A poisoned lock only says that it did not start for another test.
        let mut running = RUNNING[version as usize].lock().unwrap_or_else(PoisonError::into_inner);
        running.upgrade().unwrap_or_else(|| {
            let new = Arc::new(Self::start(version));
            *running = Arc::downgrade(&new);
            new
        })
    }

    /// Pulls an image for one platform, over plain HTTP.
    pub(crate) fn pull(&self, reference: &str, platform: &str) -> Run {
        let options =
            ["image", "pull", "--plain-http", "--snapshotter", SNAPSHOTTER, "--platform", platform];
        self.ctr(options.into_iter().chain([reference]))
    }

    /// Imports the Wasm image of an archive. Its name is in its annotation `io.containerd.image.name`, or else `name`
    /// with the tag in its `org.opencontainers.image.ref.name`.
    pub(crate) fn import(&self, archive: &Path, name: &str) -> Run {
        let options = [
            "image",
            "import",
            "--snapshotter",
            SNAPSHOTTER,
            "--platform",
            WASM,
            "--base-name",
            name,
        ];
        self.ctr(options.map(OsStr::new).into_iter().chain([archive.as_os_str()]))
    }

    /// Runs a Wasm image that was pulled or imported. `args`, unless empty, replace the image's entrypoint, as `ctr`
    /// has it: the first is the module.
    pub(crate) fn run(&self, reference: &str, env: &[(&str, &str)], args: &[&str]) -> Run {
        let env = env_options(env);
        let options: Vec<&str> = env.iter().map(String::as_str).collect();
        self.run_with(reference, &options, args)
    }

    /// The same with any options of `ctr run`.
    pub(crate) fn run_with(&self, reference: &str, options: &[&str], args: &[&str]) -> Run {
        let id = unique_id();
        let image = [reference, &id];
        let words = RUN.iter().chain(options).chain(&image).chain(args);
        self.ctr(words)
    }

    /// Imports the image of an archive for this machine, and returns the output.
    pub(crate) fn import_native(&self, archive: &Path) -> Run {
        let options = ["image", "import", "--snapshotter", SNAPSHOTTER];
        self.ctr(options.map(OsStr::new).into_iter().chain([archive.as_os_str()]))
    }

    /// The command that runs an image that was imported for this machine as every other container: with runc, and no shim for
    /// WebAssembly. `args` replace its entrypoint.
    pub(crate) fn native_command(
        &self,
        reference: &str,
        options: &[&str],
        args: &[&str],
    ) -> Command {
        let id = unique_id();
        let words = ["run", "--rm", "--snapshotter", SNAPSHOTTER].into_iter();
        let words = words.chain(options.iter().copied()).chain([reference, &id]);
        self.ctr_command(words.chain(args.iter().copied()))
    }

    /// Starts a container on the network of the machine, which runs until the value is dropped.
    pub(crate) fn start_container(&self, reference: &str, env: &[(&str, &str)]) -> Container<'_> {
        let id = unique_id();
        let mut command =
            self.ctr_command(RUN.iter().copied().chain(["--net-host"]).map(str::to_owned));
        command.args(env_options(env)).args([reference, &id]).stdin(Stdio::null());
        let ctr = command.spawn().expect("ctr can be started");
        Container { containerd: self, id, ctr }
    }

    /// Pulls an image for WebAssembly and runs it, as far as it gets.
    pub(crate) fn pull_and_run(&self, reference: &str, env: &[(&str, &str)], args: &[&str]) -> Run {
        match self.pull(reference, WASM) {
            pulled if pulled.code == 0 => self.run(reference, env, args),
            failed => failed,
        }
    }

    /// Any command of `ctr`, the client that comes with containerd.
    pub(crate) fn ctr<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Run {
        Run::of(&mut self.ctr_command(args))
    }

    fn ctr_command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        // A container that does not end shall fail its own test, not hold up all of them.
        let mut command = tools::as_root("timeout");
        command.args(["--kill-after=5", "120"]).arg(self.version.program("ctr"));
        command.arg("--address").arg(self.socket()).args(args);
        command
    }

    /// A new directory that is removed with containerd's own at the latest.
    pub(crate) fn temporary_directory(&self) -> TempDir {
        tempfile::tempdir_in(self.daemon.directory()).expect("a temporary directory can be made")
    }

    /// The socket it listens on, where it also serves Kubernetes' container runtime interface.
    pub(crate) fn socket(&self) -> PathBuf {
        self.daemon.directory().join("containerd.sock")
    }

    /// A new one that has runc alone, and no WebAssembly shim.
    pub(crate) fn without_shim(version: Version) -> Self {
        Self::start_with(version, Runtimes::Runc)
    }

    fn start(version: Version) -> Self {
        Self::start_with(version, Runtimes::Shim)
    }

    fn start_with(version: Version, runtimes: Runtimes) -> Self {
        let directory = tempfile::Builder::new().prefix("containerd-").tempdir();
        let directory = directory.expect("a temporary directory can be made");
        let config = directory.path().join("config.toml");
        fs::write(&config, config_text(directory.path(), runtimes))
            .expect("a temporary directory can be written");

        // `sudo` would choose a PATH of its own.
        let mut command = Command::new("env");
        command
            .arg(version.path_variable(runtimes))
            .arg(version.program("containerd"))
            .arg("--config")
            .arg(config);
        let ctr = version.program("ctr");
        let stop = format!("ctr='{}'\n{}", ctr.display(), include_str!("containerd_stop.sh"));
        let daemon = Daemon::start(directory, tools::as_root("sh"), &stop, &command);
        let containerd = Self { daemon, version, runtimes, pause_image: Once::new() };
        let answers = |_: &Daemon| (containerd.ctr(["version"]).code == 0).then_some(());
        containerd.daemon.wait_for("answer from containerd", answers);
        containerd
    }
}

/// A container that runs.
pub(crate) struct Container<'a> {
    containerd: &'a Containerd,
    id: String,
    ctr: Child,
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let _killed = self.containerd.ctr(["task", "kill", "--signal", "SIGKILL", &self.id]);
        self.ctr.wait().ok();
    }
}

impl Version {
    fn program(self, name: &str) -> PathBuf {
        match self {
            Self::Debian => tools::program(name),
            Self::V1_7 => tools::newer_containerd(name),
        }
    }

    /// The assignment of a PATH on which containerd finds the Wasm shim and its own programs.
    fn path_variable(self, runtimes: Runtimes) -> OsString {
        let own = self.program("containerd").parent().map(Path::to_owned);
        let shim = (runtimes == Runtimes::Shim).then(tools::shim_directory);
        let first = shim.into_iter().chain(own);
        let path = env::join_paths(first.chain(env::split_paths(&tools::search_path())));
        let mut variable = OsString::from("PATH=");
        variable.push(path.expect("no directory of the PATH has a colon"));
        variable
    }
}

fn config_text(directory: &Path, runtimes: Runtimes) -> String {
    let directory = directory.display();
    let (handler, runtime) = match runtimes {
        Runtimes::Shim => (HANDLER, RUNTIME),
        Runtimes::Runc => ("runc", "io.containerd.runc.v2"),
    };
    // The last setting of the CRI: in a container, even the administrator may not be allowed to lower the score.
    format!(
        r#"
version = 2
root = "{directory}/root"
state = "{directory}/state"
[debug]
level = "warn"
[grpc]
address = "{directory}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "{directory}/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "{SNAPSHOTTER}"
default_runtime_name = "{handler}"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{handler}]
runtime_type = "{runtime}"
"#
    )
}

fn env_options(env: &[(&str, &str)]) -> Vec<String> {
    env.iter().flat_map(|(name, value)| ["--env".to_owned(), format!("{name}={value}")]).collect()
}

fn unique_id() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("wasm-oci-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
