//! Pods, as Kubernetes runs them: through the container runtime interface (CRI) that every containerd serves.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use serde_json::json;

use super::commands::wasm_oci;
use super::containerd::{Containerd, Runtimes, SNAPSHOTTER};
use super::run::Run;
use super::{tools, umoci};

/// The name under which pods' runtime is configured; in Kubernetes, that of a RuntimeClass's handler.
pub(crate) const HANDLER: &str = "wasmtime";
/// The image of the container that holds a pod together, which the shim runs like any other.
pub(crate) const PAUSE_IMAGE: &str = "example.com/pause:app";

/// The only container in the specification of a pod.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pod<'a> {
    pub(crate) image: &'a str,
    /// Instead of the image's entrypoint, if not empty.
    pub(crate) command: &'a [&'a str],
    /// After the entrypoint or command.
    pub(crate) args: &'a [&'a str],
    pub(crate) env: &'a [(&'a str, &'a str)],
    /// With what the policy `restricted` wants: another user than root, no capability, a system call filter; and a root
    /// file system that can't be written.
    pub(crate) restricted: bool,
}

impl Containerd {
    /// Pulls the pod's image and runs it to its end, on the network of the machine. 125 is the code of a pod that
    /// could not start.
    pub(crate) fn run_pod(&self, pod: Pod<'_>) -> Run {
        let directory = self.temporary_directory();
        self.pause_image.call_once(|| self.import_pause_image(directory.path()));
        let script = directory.path().join("cri.mjs");
        fs::write(&script, include_str!("cri.mjs")).expect("a temporary directory can be written");
        let request = json!({
            "image": pod.image,
            "handler": match self.runtimes {
                Runtimes::Shim => HANDLER,
                // As of a pod without a RuntimeClass.
                Runtimes::Runc => "",
            },
            "command": pod.command,
            "args": pod.args,
            "env": pod.env,
            "restricted": pod.restricted,
        });
        let mut command = tools::as_root(tools::program("node"));
        command.arg(script).arg(self.socket()).args([PAUSE_IMAGE, &request.to_string()]);
        Run::of(command.arg(directory.path().join("logs")))
    }

    fn import_pause_image(&self, directory: &Path) {
        match self.runtimes {
            Runtimes::Shim => self.import_wasm_pause_image(directory),
            Runtimes::Runc => self.import_native_pause_image(directory),
        }
    }

    /// Imports the same module as a standalone image.
    fn import_native_pause_image(&self, directory: &Path) {
        let (module, archive) = (directory.join("pause.wat"), directory.join("pause.tar"));
        fs::write(&module, include_str!("pause.wat"))
            .expect("a temporary directory can be written");
        let mut pack = wasm_oci();
        pack.args([
            "pack",
            "--format=standalone",
            "--linux-platform",
            &crate::standalone::platform(),
        ]);
        pack.arg(&module).args(["--tag", PAUSE_IMAGE]).arg("--tarball").arg(&archive);
        let _packed = Run::of(&mut pack).success();
        let import = ["--namespace", "k8s.io", "image", "import", "--snapshotter", SNAPSHOTTER];
        let args = import.into_iter().map(OsStr::new);
        let _imported = self.ctr(args.chain([archive.as_os_str()])).success();
    }

    fn import_wasm_pause_image(&self, directory: &Path) {
        let (module, layout) = (directory.join("pause.wasm"), directory.join("layout"));
        let bytes = wat::parse_str(include_str!("pause.wat")).expect("the module is well-formed");
        fs::write(&module, bytes).expect("a temporary directory can be written");
        umoci::image(&layout, &module);
        let archive = directory.join("pause.tar");
        let to = format!("oci-archive:{}:app", archive.display());
        let _copied = umoci::copy(&format!("oci:{}:app", layout.display()), &to, &[]).success();
        let import = ["--namespace", "k8s.io", "image", "import", "--snapshotter", SNAPSHOTTER];
        let name = PAUSE_IMAGE.strip_suffix(":app").expect("the tag is app");
        let args = import.into_iter().chain(["--base-name", name]).map(OsStr::new);
        let _imported = self.ctr(args.chain([archive.as_os_str()])).success();
    }
}
