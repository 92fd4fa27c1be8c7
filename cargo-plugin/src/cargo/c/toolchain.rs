//! C compilers for WASI: their locations, and the arguments that each needs.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::{Deserialize, Serialize};
use wasm_oci_app::config::c_compiler::{Choice, zig_of_python};
use wasm_oci_app::config::target::WasiTarget;
use wasm_oci_core::named_enum;
use wasm_oci_core::trace::OrTrace;

use crate::cargo::c::shims::Tool;
use crate::cargo::env::{CargoEnv, traced};

/// The folder that wasi-sdk's instructions unpack it to.
const WASI_SDK: &str = "/opt/wasi-sdk";

/// Sysroots of wasi-libc in the packages of Arch, Homebrew and Fedora.
const SYSROOTS: [&str; 4] = [
    "/usr/share/wasi-sysroot",
    "/opt/homebrew/share/wasi-sysroot",
    "/usr/local/share/wasi-sysroot",
    "/usr/wasm32-wasi",
];

/// Headers of wasi-libc on Debian, next to those of the machine.
const DEBIAN: &str = "/usr/include/wasm32-wasi";

/// The target's older name. Some compilers and C libraries support no other.
const OLD_TARGET: &str = "wasm32-wasi";

named_enum! {
    /// A kind of C compiler, whose arguments and files differ from those of the others.
    enum Kind: "kind of C compiler" {
        WasiSdk = "wasi-sdk",
        Zig = "zig",
        Clang = "clang",
    }
}

/// A C compiler that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Toolchain {
    kind: Kind,
    /// `zig` or `clang`.
    pub program: PathBuf,
    target: String,
    libc: Libc,
}

/// Location of the C library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Libc {
    /// Part of the compiler.
    BuiltIn,
    Sysroot(PathBuf),
    /// Headers in this folder, next to those of the machine.
    Headers(PathBuf),
    /// Missing. Some C needs no library.
    None,
}

impl Toolchain {
    /// Looks for the compilers of `choice`, and returns the first. Starts programs in `folder`.
    pub fn find(
        env: &CargoEnv,
        target: WasiTarget,
        choice: Choice,
        folder: &Path,
    ) -> Option<Toolchain> {
        match choice {
            Choice::Auto => [Choice::WasiSdk, Choice::Zig, Choice::Clang]
                .into_iter()
                .find_map(|choice| Toolchain::find(env, target, choice, folder)),
            Choice::WasiSdk => wasi_sdk(env, target),
            Choice::Zig => zig(env, folder),
            Choice::Clang => clang(env, target),
            Choice::Off => None,
        }
    }

    pub fn has_libc(&self) -> bool {
        self.libc != Libc::None
    }

    /// Returns the program and arguments for `tool`, from the arguments that `cc` passes.
    pub fn command(
        &self,
        env: &CargoEnv,
        tool: Tool,
        given: &[OsString],
    ) -> (PathBuf, Vec<OsString>) {
        let given = given.iter().cloned();
        match (self.kind, tool) {
            (Kind::Zig, Tool::Ar | Tool::Ranlib) => {
                (self.program.clone(), [os(tool.name())].into_iter().chain(given).collect())
            }
            (_, Tool::Ar | Tool::Ranlib) => (self.archiver(env, tool.name()), given.collect()),
            (_, Tool::C | Tool::Cxx) => {
                let given: Vec<_> = given.collect();
                let own = self.own_arguments(tool, &given).into_iter();
                (self.compiler(tool), own.chain(without_target(given)).collect())
            }
        }
    }

    fn compiler(&self, tool: Tool) -> PathBuf {
        match (self.kind, tool) {
            (Kind::WasiSdk | Kind::Clang, Tool::Cxx) => beside(&self.program, "clang++"),
            _ => self.program.clone(),
        }
    }

    fn archiver(&self, env: &CargoEnv, name: &str) -> PathBuf {
        let llvm = format!("llvm-{name}");
        // clang on PATH may be a link. `llvm-ar` is installed next to the real file.
        let real = self.program.canonicalize().unwrap_or_else(|_| self.program.clone());
        let places = [&self.program, &real].map(|program| beside(program, &llvm)).into_iter();
        let found = places.filter(|path| path.is_file()).chain(env.find(&llvm)).next();
        // The machine's own `ar` works too, because rustc writes a new index.
        found.or_else(|| env.find(name)).unwrap_or_else(|| name.into())
    }

    fn own_arguments(&self, tool: Tool, given: &[OsString]) -> Vec<OsString> {
        let mut own = Vec::new();
        if self.kind == Kind::Zig {
            // The instructions that rustc assumes, and no others. Without optimization, zig adds checks for undefined
            // behaviour, whose functions are not linked.
            own.push(if tool == Tool::Cxx { "c++" } else { "cc" }.into());
            own.extend(
                ["-target", &self.target, "-mcpu=generic", "-fno-sanitize=undefined"].map(os),
            );
        } else {
            own.push(format!("--target={}", self.target).into());
        }
        // `cc` passes one if `WASI_SYSROOT` is set.
        let has_sysroot = given.iter().any(|it| it.to_string_lossy().starts_with("--sysroot"));
        match &self.libc {
            _ if has_sysroot => {}
            Libc::Sysroot(path) => own.extend([prefixed("--sysroot=", path)]),
            Libc::Headers(path) => {
                // clang would find the machine's own headers in the folder above.
                own.push(os("-nostdlibinc"));
                // libc++ wraps C headers under the same names, so its folder has to come before
                // theirs.
                let cxx =
                    Some(path.join("c++/v1")).filter(|path| tool == Tool::Cxx && path.is_dir());
                own.extend(cxx.iter().chain([path]).map(|path| prefixed("-isystem", path)));
            }
            Libc::BuiltIn | Libc::None => {}
        }
        own
    }

    /// Returns the folder of the installation. `None` for clang, whose files are spread over the system.
    pub fn folder(&self) -> Option<&Path> {
        match self.kind {
            Kind::WasiSdk => self.program.parent()?.parent(),
            Kind::Zig => self.program.parent(),
            Kind::Clang => None,
        }
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.kind.name(), self.program.display())
    }
}

fn wasi_sdk(env: &CargoEnv, target: WasiTarget) -> Option<Toolchain> {
    let named = ["WASI_SDK_PATH", "WASI_SDK_DIR"].map(|name| env.var(name).map(PathBuf::from));
    let folders =
        named.into_iter().flatten().map(|folder| env.cwd().join(folder)).chain([WASI_SDK.into()]);
    let found = folders.map(|folder| {
        (executable(&folder.join("bin"), "clang"), folder.join("share/wasi-sysroot"))
    });
    let (program, sysroot) =
        found.into_iter().find(|(clang, sysroot)| clang.is_file() && sysroot.is_dir())?;
    let target = known_target(&sysroot, target);
    Some(Toolchain { kind: Kind::WasiSdk, program, target, libc: Libc::Sysroot(sysroot) })
}

/// Looks for zig on `PATH`, then for Python's module `ziglang`.
fn zig(env: &CargoEnv, folder: &Path) -> Option<Toolchain> {
    let module = || {
        ["python3", "python"]
            .into_iter()
            .find_map(|python| zig_of_python(env.command(env.find(python)?).current_dir(folder)))
    };
    let program = env.find("zig").or_else(module)?;
    // zig does not support the newer name.
    Some(Toolchain { kind: Kind::Zig, program, target: OLD_TARGET.to_owned(), libc: Libc::BuiltIn })
}

fn clang(env: &CargoEnv, target: WasiTarget) -> Option<Toolchain> {
    let program = env.find("clang")?;
    // Apple's clang has no WebAssembly backend.
    let targets = output(env, &program, &["--print-targets"], env.cwd())?;
    if !targets.contains("wasm32") {
        return None;
    }
    let named = env.var("WASI_SYSROOT").map(|path| env.cwd().join(path));
    let sysroot = named.into_iter().chain(SYSROOTS.map(PathBuf::from)).find(|path| path.is_dir());
    let debian = || Some(PathBuf::from(DEBIAN)).filter(|path| path.is_dir());
    let libc = match sysroot {
        Some(sysroot) => Libc::Sysroot(sysroot),
        // Without a C library, clang still compiles C that includes no headers.
        None => debian().map_or(Libc::None, Libc::Headers),
    };
    let target = match &libc {
        Libc::Sysroot(sysroot) => known_target(sysroot, target),
        _ => OLD_TARGET.to_owned(),
    };
    Some(Toolchain { kind: Kind::Clang, program, target, libc })
}

/// Returns the target's name in a sysroot, which has a folder for each target.
fn known_target(sysroot: &Path, target: WasiTarget) -> String {
    // Older versions of wasi-libc have folders only for the target's older name.
    let is_known =
        ["include", "lib"].iter().any(|it| sysroot.join(it).join(target.name()).is_dir());
    if is_known { target.name() } else { OLD_TARGET }.to_owned()
}

/// Removes the target from `cc`'s arguments.
fn without_target(given: Vec<OsString>) -> Vec<OsString> {
    // `cc` passes rustc's name of the target, which the compiler may not support.
    let mut rest = Vec::with_capacity(given.len());
    let mut given = given.into_iter();
    while let Some(argument) = given.next() {
        match argument.to_str() {
            Some("-target" | "--target") => drop(given.next()),
            Some(text) if text.starts_with("--target=") => {}
            _ => rest.push(argument),
        }
    }
    rest
}

fn output(env: &CargoEnv, program: &Path, args: &[&str], folder: &Path) -> Option<String> {
    let mut command = env.command(program);
    command.args(args).current_dir(folder).stdin(Stdio::null()).stderr(Stdio::null());
    let output = traced(&mut command).output().or_trace("run a program")?;
    String::from_utf8(output.stdout)
        .or_trace("read a program's output")
        .filter(|_| output.status.success())
}

fn executable(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

fn beside(program: &Path, name: &str) -> PathBuf {
    executable(program.parent().unwrap_or(Path::new("")), name)
}

fn prefixed(prefix: &str, path: &Path) -> OsString {
    let mut text = os(prefix);
    text.push(path);
    text
}

fn os(text: &str) -> OsString {
    text.into()
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;

    fn file(path: PathBuf) {
        fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        fs::write(path, "").expect("writable");
    }

    fn env(cwd: &Path, vars: &[(&str, &Path)]) -> CargoEnv {
        CargoEnv::new(
            cwd.to_owned(),
            vars.iter().map(|(name, path)| (name.into(), path.as_os_str().into())),
        )
    }

    fn run(toolchain: &Toolchain, tool: Tool, given: &[&str]) -> Vec<String> {
        let env = CargoEnv::new("/nowhere".into(), []);
        let (program, args) =
            toolchain.command(&env, tool, &given.iter().map(|it| os(it)).collect::<Vec<_>>());
        let all = [program.into_os_string()].into_iter().chain(args);
        all.map(|text| text.into_string().expect("text")).collect()
    }

    #[test]
    fn wasi_sdk_comes_first_and_is_told_what_its_sysroot_knows() {
        let dir = tempfile::tempdir().expect("a folder");
        let dir = dir.path();
        file(dir.join("sdk/bin/clang"));
        file(dir.join("sdk/bin/llvm-ar"));
        fs::create_dir_all(dir.join("sdk/share/wasi-sysroot")).expect("writable");
        file(dir.join("bin/zig"));
        let env = env(dir, &[("WASI_SDK_PATH", Path::new("sdk")), ("PATH", &dir.join("bin"))]);
        let find = |choice| Toolchain::find(&env, WasiTarget::Wasip1, choice, dir).expect("found");
        let sdk = find(Choice::Auto);
        let path = |path: &str| dir.join("sdk").join(path).display().to_string();
        let sysroot = format!("--sysroot={}", path("share/wasi-sysroot"));
        assert_eq!(
            run(&sdk, Tool::C, &["-O2", "--target=wasm32-wasip1", "-c", "a.c"]),
            [&path("bin/clang"), "--target=wasm32-wasi", &sysroot, "-O2", "-c", "a.c"]
        );
        assert_eq!(
            run(&sdk, Tool::Cxx, &["--sysroot=/mine"]),
            [&path("bin/clang++"), "--target=wasm32-wasi", "--sysroot=/mine"]
        );
        assert_eq!(run(&sdk, Tool::Ar, &["cq"]), [&path("bin/llvm-ar"), "cq"]);
        fs::create_dir_all(dir.join("sdk/share/wasi-sysroot/lib/wasm32-wasip1")).expect("writable");
        assert_eq!(run(&find(Choice::Auto), Tool::C, &[])[1], "--target=wasm32-wasip1");
        assert_eq!(find(Choice::Zig).kind, Kind::Zig);
    }

    #[test]
    fn zig_is_given_the_name_it_knows() {
        let zig = Toolchain {
            kind: Kind::Zig,
            program: "/zig".into(),
            target: OLD_TARGET.to_owned(),
            libc: Libc::BuiltIn,
        };
        let own = ["-target", "wasm32-wasi", "-mcpu=generic", "-fno-sanitize=undefined"];
        let with = |tool| [&["/zig", tool][..], &own, &["-c", "a.c"]].concat();
        assert_eq!(run(&zig, Tool::C, &["-target", "wasm32-wasip1", "-c", "a.c"]), with("cc"));
        assert_eq!(run(&zig, Tool::Cxx, &["-c", "a.c"]), with("c++"));
        assert_eq!(run(&zig, Tool::Ranlib, &["a.a"]), ["/zig", "ranlib", "a.a"]);
    }

    #[test]
    fn headers_beside_the_machines_own_keep_those_out() {
        let clang = Toolchain {
            kind: Kind::Clang,
            program: "/bin/clang".into(),
            target: OLD_TARGET.to_owned(),
            libc: Libc::Headers("/no/include".into()),
        };
        let own =
            ["/bin/clang", "--target=wasm32-wasi", "-nostdlibinc", "-isystem/no/include", "-c"];
        assert_eq!(run(&clang, Tool::C, &["-c"]), own);
    }
}
