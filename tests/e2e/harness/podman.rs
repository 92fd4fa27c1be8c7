//! podman, of root and of another user, with runc: no WebAssembly runtime anywhere.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::Run;
use super::tools;

/// The user of rootless containers, whom `tests/setup` adds: the tests may run as root.
const USER: &str = "wasm-oci-tests";

/// A podman with storage of its own, which is removed with the value.
pub(crate) struct Podman {
    is_rootless: bool,
    directory: TempDir,
}

impl Podman {
    /// podman of the administrator.
    pub(crate) fn of_root() -> Podman {
        Podman::new(false)
    }

    /// podman of a user without rights.
    pub(crate) fn rootless() -> Podman {
        Podman::new(true)
    }

    /// Returns true if it runs as a user without rights.
    pub(crate) fn is_rootless(&self) -> bool {
        self.is_rootless
    }

    fn new(is_rootless: bool) -> Podman {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        // Its storage belongs to the user that it runs as.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777))
            .expect("the directory is ours");
        Podman { is_rootless, directory }
    }

    /// Loads the image of an archive for this machine.
    pub(crate) fn load(&self, archive: &Path) -> Run {
        self.podman([OsStr::new("load"), OsStr::new("--input"), archive.as_os_str()])
    }

    /// `podman run`.
    pub(crate) fn run_command(&self, image: &str, options: &[String], args: &[&str]) -> Command {
        // In a container, even the administrator may not be allowed to raise the limits to podman's own.
        let words = ["run", "--rm", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"];
        let words = words.into_iter().chain(options.iter().map(String::as_str));
        self.command(words.chain([image]).chain(args.iter().copied()))
    }

    /// Any command of podman.
    pub(crate) fn podman<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Run {
        Run::of(&mut self.command(args))
    }

    fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let folder = |name: &str| self.directory.path().join(name).display().to_string();
        let runtime = folder("xdg");
        let mut command = match self.is_rootless {
            true => tools::as_user(USER),
            false => tools::as_root("env"),
        };
        // A container that does not end shall fail its own test, not hold up all of them.
        let script = "mkdir -p \"$XDG_RUNTIME_DIR\" && exec timeout --kill-after=5 120 \"$@\"";
        command.arg(format!("XDG_RUNTIME_DIR={runtime}")).args(["sh", "-c", script, "sh"]);
        command.arg(tools::program("podman")).args(["--root", &folder("storage")]);
        command.args(["--runroot", &folder("run"), "--tmpdir", &folder("tmp")]);
        // What works in a container, too, without systemd and overlays.
        command.args([
            "--storage-driver=vfs",
            "--cgroup-manager=cgroupfs",
            "--events-backend=none",
        ]);
        command.args(["--runtime=runc"]).args(args).current_dir("/");
        command
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let _removed = self.podman(["rm", "--all", "--force", "--time=0"]);
        // Ends the process that keeps the user's namespaces.
        let _ended = self.podman(["system", "migrate"]);
        for name in ["storage", "run", "tmp", "xdg"] {
            let mut remove = tools::as_root("rm");
            let _removed = Run::of(remove.arg("-rf").arg(self.directory.path().join(name)));
        }
    }
}
