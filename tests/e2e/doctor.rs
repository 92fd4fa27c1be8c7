//! `doctor` on this machine, and on one that has nothing.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::commands::{cargo, program};
use crate::harness::registry::{PASSWORD, USER};
use crate::harness::{Registry, Run, cargo_wasm_oci, tools, wasm_oci};

/// The findings of `doctor --json`, and the exit code.
struct DoctorRun {
    findings: Vec<Value>,
    code: i32,
}

impl DoctorRun {
    fn of(command: &mut Command) -> DoctorRun {
        let start = Instant::now();
        let run = Run::of(command.arg("--json"));
        assert!(start.elapsed() < Duration::from_secs(15), "it took {:?}", start.elapsed());
        let findings = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run:?}"));
        DoctorRun { findings, code: run.code }
    }

    #[track_caller]
    fn state(&self, about: &str) -> &str {
        self.about(about)["state"].as_str().unwrap()
    }

    #[track_caller]
    fn about(&self, about: &str) -> &Value {
        let found = self.findings.iter().find(|finding| finding["about"] == about);
        found.unwrap_or_else(|| panic!("nothing about {about}: {:?}", self.findings))
    }
}

fn of_cargo(folder: &Path) -> Command {
    let mut command = cargo_wasm_oci();
    command.args(["wasm-oci", "doctor"]).current_dir(folder);
    command
}

/// A `PATH` with nothing but these programs, whole or as scripts.
fn path_with(folder: &Path, programs: &[(&str, Result<PathBuf, &str>)]) -> PathBuf {
    let path = folder.join("path");
    fs::create_dir_all(&path).unwrap();
    for (name, program) in programs {
        match program {
            Ok(real) => symlink(real, path.join(name)).unwrap(),
            Err(script) => tools::script(&path.join(name), &format!("#!/bin/sh\n{script}\n")),
        }
    }
    path
}

#[test]
fn this_machine_can_build() {
    let folder = tempfile::tempdir().unwrap();
    let mut doctor = of_cargo(folder.path());
    doctor.env("PATH", tools::search_path());
    let found = DoctorRun::of(&mut doctor);
    assert_eq!(found.code, 0, "{:?}", found.findings);
    for about in
        ["rust", "cargo", "target wasm32-wasip1", "target wasm32-wasip2", "containerd", "node"]
    {
        assert_eq!(found.state(about), "ok", "{}", found.about(about));
    }
    // Debian's containerd, and its crun without WebAssembly inside.
    let containerd = found.about("containerd")["found"].as_str().unwrap();
    assert!(
        containerd.starts_with("1.6")
            && containerd.contains("`ctr` takes standalone, universal, container;"),
        "{containerd}"
    );
    assert_ne!(found.state("crun"), "missing");
    assert!(
        found
            .findings
            .iter()
            .all(|finding| finding["state"] == "ok" || finding["advice"].is_string())
    );
}

#[test]
fn a_shim_on_the_path_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let own = std::env::join_paths([tools::shim_directory(), "/usr/bin".into()]).unwrap();
    let found = DoctorRun::of(wasm_oci().arg("doctor").env("PATH", own).current_dir(folder.path()));
    let shims = found.about("containerd shims")["found"].as_str().unwrap();
    assert!(shims.contains("io.containerd.wasmtime.v1"), "{shims}");
}

#[test]
fn a_machine_with_nothing_is_told_what_to_install() {
    let folder = tempfile::tempdir().unwrap();
    let path = path_with(folder.path(), &[]);
    let found = DoctorRun::of(wasm_oci().arg("doctor").env("PATH", &path));
    assert_eq!(found.code, 0, "nothing of it is needed to pack a module");
    for about in ["docker", "containerd", "podman", "crun", "kubectl", "node", "wasmtime"] {
        assert_eq!(found.state(about), "missing");
    }
    let advice = found.about("crun")["advice"].as_str().unwrap();
    assert!(advice.contains("not for standalone images"), "{advice}");
    let mut doctor = of_cargo(folder.path());
    doctor.env("PATH", &path).env("HOME", folder.path()).env_remove("CARGO");
    let found = DoctorRun::of(doctor.env_remove("RUSTUP_HOME").env_remove("CARGO_HOME"));
    assert_eq!((found.code, found.state("rust"), found.state("cargo")), (1, "missing", "missing"));
    assert!(found.about("rust")["advice"].as_str().unwrap().contains("rustup.rs"));
}

#[test]
fn what_hangs_or_is_broken_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let sleep = "exec /bin/sleep 60";
    let programs = [
        ("docker", Err("echo 'not json'; echo 'permission denied' >&2; exit 1")),
        ("kubectl", Err(sleep)),
        ("node", Err("echo v16.20.2")),
        ("crun", Err("echo 'crun version 1.21'; echo '+SYSTEMD +WASM:wasmedge'")),
    ];
    let path = path_with(folder.path(), &programs);
    let found = DoctorRun::of(wasm_oci().arg("doctor").env("PATH", &path));
    assert_eq!(
        (found.code, found.state("docker"), found.state("kubectl")),
        (0, "warning", "warning")
    );
    assert_eq!(found.about("docker")["found"], "permission denied");
    assert_eq!(found.state("node"), "warning");
    assert_eq!(found.about("crun")["found"], "crun with wasmedge");
}

#[test]
fn a_docker_client_without_an_engine_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = path_with(folder.path(), &[("docker", Ok(tools::docker()))]);
    let mut doctor = wasm_oci();
    doctor.arg("doctor").env("PATH", &path).env("DOCKER_HOST", "unix:///nowhere.sock");
    let found = DoctorRun::of(&mut doctor);
    let docker = found.about("docker");
    assert_eq!(docker["state"], "warning");
    assert!(docker["found"].as_str().unwrap().contains("no engine answers"), "{docker}");
}

#[test]
fn a_registry_is_asked_whether_it_knows_us() {
    let folder = tempfile::tempdir().unwrap();
    let docker_config = folder.path().join("docker");
    let registry = Registry::start_private();
    let reference = format!("{}/me/app", registry.host());
    let about = format!("registry {}", registry.host());
    let look = || {
        let mut doctor = wasm_oci();
        doctor.args(["doctor", &reference]).env("DOCKER_CONFIG", &docker_config).env("PATH", "");
        DoctorRun::of(doctor.env_remove("DOCKER_AUTH_CONFIG").env_remove("REGISTRY_AUTH_FILE"))
    };
    let found = look();
    assert_eq!(found.state(&about), "warning");
    assert!(found.about(&about)["advice"].as_str().unwrap().contains("login"));
    let mut login = wasm_oci();
    login
        .args(["login", registry.host(), "-u", USER, "--password-stdin"])
        .env("DOCKER_CONFIG", &docker_config);
    let _known = Run::with_stdin(&mut login, PASSWORD).success();
    let found = look();
    let finding = found.about(&about);
    assert_eq!(
        (&finding["state"], finding["found"].as_str().unwrap()),
        (&"ok".into(), "reachable, logged in as tester")
    );
    assert!(!finding.to_string().contains(PASSWORD));
}

#[test]
fn the_registry_of_a_crate_is_the_one_of_its_setting() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = "[package]\nname = \"app\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[workspace]\n\
                    [package.metadata.wasm-oci]\nrepository = \"127.0.0.1:1/me/{bin}\"\n";
    fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("src/main.rs"), "fn main() {}").unwrap();
    let _locked =
        Run::of(cargo().args(["generate-lockfile", "--offline"]).current_dir(folder.path()))
            .success();
    let found = DoctorRun::of(&mut of_cargo(folder.path()));
    let registry = found.about("registry 127.0.0.1:1");
    assert_eq!((found.code, &registry["state"]), (0, &"warning".into()));
    assert!(registry["found"].as_str().unwrap().contains("can't be reached"), "{registry}");
}

#[test]
fn people_get_a_line_each() {
    let folder = tempfile::tempdir().unwrap();
    let path = path_with(folder.path(), &[]);
    let run = Run::of(Command::new(program("wasm-oci")).arg("doctor").env("PATH", path)).success();
    assert!(
        run.stdout
            .contains("docker      missing  not on PATH: needed only to run images with Docker"),
        "{run:?}"
    );
    assert_eq!(run.stdout.lines().count(), 7, "{run:?}");
}
