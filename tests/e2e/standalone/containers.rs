//! What a program gets from each engine, and how it ends.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::{Archive, guests, guests_of_user, http};
use crate::harness::{Containerd, Pod, Podman, Registry, Run, Version, tools, wasm_oci};

/// Options of a container that all engines have, each in its own words.
#[derive(Clone, Copy, Default)]
pub(super) struct Options<'a> {
    env: &'a [&'a str],
    /// A folder of the host, at `/data`.
    data: Option<&'a Path>,
    is_read_only: bool,
    /// 32 MiB of memory.
    has_little_memory: bool,
    /// No capabilities, no new privileges, and the usual filter of system calls.
    is_restricted: bool,
}

pub(super) trait Engine {
    /// Makes the image known to the engine.
    fn load(&self, archive: &Archive);
    /// The command that runs a container in the foreground.
    fn command(&self, archive: &Archive, options: Options<'_>, args: &[&str]) -> Command;
    /// Returns true if users of containers are not those of the machine.
    fn maps_users(&self) -> bool {
        false
    }
}

impl Engine for Podman {
    fn load(&self, archive: &Archive) {
        let _loaded = Podman::load(self, &archive.path()).success();
    }

    fn command(&self, archive: &Archive, options: Options<'_>, args: &[&str]) -> Command {
        let mut words: Vec<String> = vec!["--network=host".to_owned(), "--interactive".to_owned()];
        words.extend(options.env.iter().map(|it| format!("--env={it}")));
        words.extend(options.data.map(|it| format!("--volume={}:/data", it.display())));
        let mut add = |is_set: bool, word: &str| words.extend(is_set.then(|| word.to_owned()));
        add(options.is_read_only, "--read-only");
        add(options.has_little_memory, "--memory=32m");
        add(options.is_restricted, "--cap-drop=all");
        add(options.is_restricted, "--security-opt=no-new-privileges");
        self.run_command(&archive.image(), &words, args)
    }

    fn maps_users(&self) -> bool {
        self.is_rootless()
    }
}

impl Engine for Arc<Containerd> {
    fn load(&self, archive: &Archive) {
        let _imported = self.import_native(&archive.path()).success();
    }

    fn command(&self, archive: &Archive, options: Options<'_>, args: &[&str]) -> Command {
        let mut words: Vec<String> = vec!["--net-host".to_owned()];
        words.extend(options.env.iter().map(|it| format!("--env={it}")));
        let mount = |it: &Path| {
            format!("--mount=type=bind,src={},dst=/data,options=rbind:rw", it.display())
        };
        words.extend(options.data.map(mount));
        let mut add = |is_set: bool, word: &str| words.extend(is_set.then(|| word.to_owned()));
        add(options.is_read_only, "--read-only");
        add(options.has_little_memory, "--memory-limit=33554432");
        add(options.is_restricted, "--seccomp");
        for capability in ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_SETUID"] {
            add(options.is_restricted, &format!("--cap-drop={capability}"));
        }
        // Its arguments take the place of the whole command.
        let module = format!("/{}.wasm", archive.name);
        let entrypoint = ["/.wasm-oci/runner", &module];
        let args = entrypoint.into_iter().chain(args.iter().copied()).collect::<Vec<_>>();
        let options: Vec<&str> = words.iter().map(String::as_str).collect();
        self.native_command(&archive.image(), &options, &args)
    }
}

fn run(engine: &impl Engine, options: Options<'_>, args: &[&str]) -> Run {
    Run::of(&mut engine.command(guests(), options, args))
}

fn run_as_user(engine: &impl Engine, options: Options<'_>, args: &[&str]) -> Run {
    Run::of(&mut engine.command(guests_of_user(), options, args))
}

/// Holds everything that a program can notice against what a native one would.
fn runs_as_a_native_program(engine: &impl Engine) {
    engine.load(guests());
    engine.load(guests_of_user());
    let plain = Options::default();
    assert_eq!(
        run(engine, plain, &["args", "a", "b c"]).success().stdout,
        "[\"args\", \"a\", \"b c\"]\n"
    );
    let env = Options { env: &["COLOUR=dark blue"], ..plain };
    let seen = run(engine, env, &["env"]).success().stdout;
    assert!(seen.contains("COLOUR=dark blue\n") && seen.contains("PATH="), "{seen}");

    // ctr's own standard input never ends, for native programs either.
    let mut first = engine.command(guests(), plain, &["first-line"]);
    assert_eq!(Run::with_stdin(&mut first, "straße\nsecond\n").success().stdout, "straße\n");

    for (args, code) in [(&["exit", "3"][..], 3), (&["exit", "255"], 255), (&["panic"], 134)] {
        let run = run(engine, plain, args);
        assert_eq!(run.code, code, "{run:?}");
    }
    let panicked = run(engine, plain, &["panic"]).stderr;
    assert!(
        panicked.contains("as it was told to") && panicked.contains("unreachable"),
        "{panicked}"
    );

    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let data = Options { data: Some(folder.path()), ..plain };
    fs::write(folder.path().join("in"), "from the host").unwrap();
    assert_eq!(
        run(engine, data, &["missing", "read", "/data/in"]).success().stdout,
        "from the host\n"
    );
    let _written = run_as_user(engine, data, &["missing", "write", "/data/out"]).success();
    let written = folder.path().join("out");
    assert_eq!(fs::read_to_string(&written).unwrap(), "x");
    let owner = fs::metadata(&written).unwrap().uid();
    assert!(if engine.maps_users() { owner > 1234 } else { owner == 1234 }, "{owner}");

    // The image's own folder, which is not a volume: as in every container.
    let _written = run(engine, plain, &["missing", "write", "/data/out"]).success();
    let read_only = Options { is_read_only: true, ..plain };
    assert_eq!(run(engine, read_only, &["missing", "write", "/data/out"]).code, 134);
    // Not even of the image's own folder, because it belongs to root.
    assert_eq!(run_as_user(engine, plain, &["missing", "write", "/data/out"]).code, 134);

    let restricted = Options { is_restricted: true, ..read_only };
    assert_eq!(run_as_user(engine, restricted, &["exit", "3"]).code, 3);
}

fn is_bounded_by_its_memory(engine: &impl Engine) {
    engine.load(guests());
    let little = Options { has_little_memory: true, ..Options::default() };
    let _ran = run(engine, little, &["args"]).success();
    // The kernel ends it, as it would any other.
    let run = run(engine, little, &["allocate"]);
    assert_eq!(run.code, 137, "{run:?}");
}

/// Sends SIGTERM to the process of a container, as every engine does to stop one.
fn ends_on_sigterm(engine: &impl Engine) {
    engine.load(guests());
    let marker = format!("marker-{}", std::process::id());
    let env = format!("MARKER={marker}");
    let options = Options { env: &[&env], ..Options::default() };
    let mut command = engine.command(guests(), options, &["sleep", "60"]);
    let child = Background::start(&mut command);
    let process = runner_of(&env);
    let start = Instant::now();
    terminate(process);
    assert_eq!(child.exit_code(), 143);
    assert!(start.elapsed() < Duration::from_secs(20), "it slept to its end");
}

pub(super) fn serves_http(engine: &impl Engine, archive: &Archive) {
    engine.load(archive);
    let start = |variable: &str| {
        let options = Options { env: &[variable, "NAME=Ferris"], ..Options::default() };
        engine.command(archive, options, &[])
    };
    while_it_serves(start, |address| {
        let url = format!("http://{address}/");
        let get = ["--silent", "--retry-connrefused", "--retry", "60", "--retry-delay", "1", &url];
        assert_eq!(Run::of(Command::new("curl").args(get)).success().stdout, "Hello, Ferris!\n");
    });
}

/// Starts a container that serves HTTP, with a variable for its port, and ends it once its address was checked.
pub(crate) fn while_it_serves(start: impl FnOnce(&str) -> Command, check: impl FnOnce(&str)) {
    let port = free_port();
    let variable = format!("PORT={port}");
    let child = Background::start(&mut start(&variable));
    check(&format!("127.0.0.1:{port}"));
    terminate(runner_of(&variable));
    assert_eq!(child.exit_code(), 0);
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A container in the foreground of its client.
struct Background(Child);

impl Background {
    fn start(command: &mut Command) -> Background {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Background(command.spawn().unwrap())
    }

    fn exit_code(mut self) -> i32 {
        self.0.wait().unwrap().code().unwrap()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Waits for a runner with this variable, and returns its process.
fn runner_of(variable: &str) -> String {
    let script = r#"for process in /proc/[0-9]*; do
        [ "$(cat "$process/comm" 2>/dev/null)" = runner ] &&
            tr '\0' '\n' <"$process/environ" | grep -qxF "$0" && basename "$process"
    done; true"#;
    let start = Instant::now();
    loop {
        let mut find = tools::as_root("sh");
        let found = Run::of(find.args(["-c", script, variable])).success().stdout;
        if let Some(process) = found.lines().next() {
            // It handles signals once it is past its own start.
            thread::sleep(Duration::from_millis(300));
            return process.to_owned();
        }
        assert!(start.elapsed() < Duration::from_secs(60), "the runner did not start");
        thread::sleep(Duration::from_millis(20));
    }
}

fn terminate(process: String) {
    let mut kill = tools::as_root("kill");
    let _sent = Run::of(kill.args(["-TERM", &process])).success();
}

macro_rules! on_engines {
    ($($name:ident: $engine:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn a_program_runs_as_a_native_one() {
                runs_as_a_native_program(&$engine);
            }

            #[test]
            fn it_ends_on_sigterm_and_serves_http() {
                let engine = $engine;
                ends_on_sigterm(&engine);
                serves_http(&engine, http());
            }
        }
    )*};
}

on_engines! {
    containerd_of_debian: Containerd::shared(Version::Debian);
    containerd_1_7: Containerd::shared(Version::V1_7);
    podman_of_root: Podman::of_root();
    podman_rootless: Podman::rootless();
}

#[test]
fn the_memory_of_its_group_is_its_limit() {
    is_bounded_by_its_memory(&Containerd::shared(Version::Debian));
    is_bounded_by_its_memory(&Podman::of_root());
}

/// Pods as Kubernetes starts them on a node without a shim: the image from a registry, no RuntimeClass.
#[test]
fn pods_need_no_runtime_class() {
    let registry = Registry::start();
    let image = format!("{}/demo/guests:1", registry.host());
    let from = format!("oci-archive:{}", guests().path().display());
    let _pushed = Run::of(wasm_oci().args(["copy", &from, &image])).success();
    for version in [Version::Debian, Version::V1_7] {
        let containerd = Containerd::without_shim(version);
        let pod = |args: &[&str], restricted| {
            let env = [("COLOUR", "blue")];
            containerd.run_pod(Pod { image: &image, args, env: &env, restricted, ..Pod::default() })
        };
        for restricted in [false, true] {
            let seen = pod(&["env"], restricted).success().stdout;
            assert!(seen.contains("COLOUR=blue\n"), "{seen}");
            assert_eq!(pod(&["exit", "3"], restricted).code, 3);
        }
        let panicked = pod(&["panic"], false);
        assert_eq!(panicked.code, 134, "{panicked:?}");
    }
}

#[test]
fn buildah_runs_it() {
    let folder = tempfile::tempdir().unwrap();
    let buildah = |args: &[&str]| {
        let mut buildah = tools::as_root(tools::program("buildah"));
        let storage = ["root", "run"].map(|it| folder.path().join(it).display().to_string());
        buildah.args(["--root", &storage[0], "--runroot", &storage[1], "--storage-driver=vfs"]);
        Run::of(buildah.args(args))
    };
    let archive = format!("oci-archive:{}", guests().path().display());
    // In a container, even the administrator may not be allowed to raise the limits.
    let limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"];
    let made = buildah(&["from", limits[0], limits[1], "--name=standalone", &archive]);
    assert_eq!(made.success().stdout, "standalone\n");
    for isolation in [&["--runtime=runc", "--network=host"][..], &["--isolation=chroot"]] {
        let words = ["standalone", "--", "/.wasm-oci/runner", "/guests.wasm"];
        let run = |args: &[&str]| buildah(&[&["run"], isolation, &words, args].concat());
        assert_eq!(run(&["args", "a"]).success().stdout, "[\"args\", \"a\"]\n");
        assert_eq!(run(&["exit", "3"]).code, 3);
    }
    let _removed = buildah(&["rm", "--all"]).success();
}
