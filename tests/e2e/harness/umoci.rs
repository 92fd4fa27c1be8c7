//! `umoci` and `skopeo`: images by other people's tools, to check the other components without our own.

use std::path::Path;
use std::process::Command;

use super::run::Run;
use super::tools;

/// Makes an OCI layout at `layout` whose one image, tagged `app`, holds `module` as `/app.wasm` and starts it.
#[track_caller]
pub(crate) fn image(layout: &Path, module: &Path) {
    let image = format!("{}:app", layout.display());
    umoci(["init", "--layout"], [layout]);
    umoci(["new", "--image"], [&image]);
    umoci(["insert", "--rootless", "--image", &image], [module, Path::new("/app.wasm")]);
    let config = ["--os=wasi", "--architecture=wasm", "--config.entrypoint=/app.wasm"];
    umoci(["config", "--image", &image], config);
}

/// Copies an image between places that skopeo knows, such as `oci:DIRECTORY:TAG` and `docker://HOST/NAME`. `options`
/// are of its command `copy`.
pub(crate) fn copy(from: &str, to: &str, options: &[&str]) -> Run {
    let mut command = Command::new(tools::program("skopeo"));
    command
        .args(["--insecure-policy", "--override-os=wasi", "--override-arch=wasm", "copy"])
        .args(options);
    Run::of(command.args(["--src-tls-verify=false", "--dest-tls-verify=false", from, to]))
}

#[track_caller]
fn umoci<const N: usize, const M: usize>(
    options: [&str; N],
    rest: [impl AsRef<std::ffi::OsStr>; M],
) {
    let _done = Run::of(Command::new(tools::program("umoci")).args(options).args(rest)).success();
}
