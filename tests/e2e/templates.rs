//! Every project template, as a new user meets it: from an empty folder to a container. `tests/templates` runs this.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::harness::commands::{cargo, lasting, program, root};
use crate::harness::containerd::WASM;
use crate::harness::{Containerd, Registry, Run, Version, cargo_wasm_oci, tools};
use crate::standalone::containers::while_it_serves;
use crate::standalone::{platform, runner_of_this_build};

/// A project in an empty folder, and the registry that its images go to.
struct Project {
    folder: TempDir,
    name: String,
    registry: Registry,
}

impl Project {
    /// Renders a template with `new`, with the answers that a user would give on a terminal.
    fn new(template: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let project = Self { folder, name: format!("my-{template}"), registry: Registry::start() };
        let mut new = cargo_wasm_oci();
        new.args(["wasm-oci", "new", &project.name, "--template", template]);
        new.arg("--value").arg(format!("registry={}/demo", project.registry.host()));
        let run = Run::of(new.current_dir(project.folder.path())).success();
        assert_eq!(run.stdout, format!("{}\n", project.name));
        project
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(&self.name)
    }

    /// Runs a command in the project. All templates share a target directory, and with it what they depend on.
    #[track_caller]
    fn run(&self, mut command: Command, args: &str) -> Run {
        command.args(args.split_whitespace()).current_dir(self.path());
        Run::of(command.env("CARGO_TARGET_DIR", lasting("templates"))).success()
    }

    /// `cargo wasm-oci` with these arguments.
    #[track_caller]
    fn wasm_oci(&self, args: &str) -> Run {
        self.run(cargo_wasm_oci(), &format!("wasm-oci {args}"))
    }

    /// All that is done before a container starts. Returns the references that were pushed, of which there are as many
    /// as `images`.
    #[track_caller]
    fn up_to_the_registry(&self, images: usize) -> Vec<String> {
        self.up_to_the_registry_with(images, &[])
    }

    /// The same with more options for images.
    #[track_caller]
    fn up_to_the_registry_with(&self, images: usize, options: &[String]) -> Vec<String> {
        let _formatted = self.run(cargo(), "fmt --all --check");
        let linted = self.run(cargo(), "clippy --workspace --all-targets -- -D warnings");
        assert!(!linted.stderr.contains("warning"), "{}", linted.stderr);
        let tested = self.run(cargo(), "test --workspace");
        assert!(
            !tested.stdout.contains("running 0 tests\n\ntest result") || images > 1,
            "{}",
            tested.stdout
        );
        // The runners of both platforms take minutes to build.
        let options = format!("--linux-platform {} {}", platform(), options.join(" "));
        let built = self.wasm_oci(&format!("build {options}"));
        assert_eq!(built.stdout.lines().count(), images, "{built:?}");
        assert!(!built.stderr.contains("warning"), "{}", built.stderr);
        let smoke = self.wasm_oci("test --verify-behaviour");
        assert!(smoke.stderr.contains(" passed"), "{smoke:?}");
        let pushed = self.wasm_oci(&format!("push --no-test {options}")).stdout;
        let pushed: Vec<String> = pushed.lines().map(str::to_owned).collect();
        assert_eq!(pushed.len(), images, "{pushed:?}");
        pushed
    }

    /// The unit tests, in Wasm.
    #[track_caller]
    fn test_in_wasm(&self) {
        let mut cargo = cargo();
        let runner = format!("{} exec", program("cargo-wasm-oci").display());
        cargo.env("CARGO_TARGET_WASM32_WASIP1_RUNNER", runner);
        let run = self.run(cargo, "test --target wasm32-wasip1");
        assert!(run.stdout.contains("test result: ok. "), "{}", run.stdout);
    }

    /// The image of one of its programs, pulled by a containerd, for Wasm shims and without.
    fn pulled(&self, program: &str, containerd: &Containerd) -> String {
        let image = format!("{}/demo/{program}:latest", self.registry.host());
        let _pulled = containerd.pull(&image, WASM).success();
        let _pulled = containerd.pull(&image, &platform()).success();
        image
    }
}

/// Runs a container without a Wasm runtime, and then with a shim, which has to do the same.
fn run(containerd: &Containerd, image: &str, options: &[&str], words: &[&str]) -> Run {
    let all = match words {
        [] => Vec::new(),
        words => [&["/.wasm-oci/runner"], words].concat(),
    };
    let native = Run::of(&mut containerd.native_command(image, options, &all));
    let shim = containerd.run_with(image, options, words);
    assert_eq!((native.code, &native.stdout), (shim.code, &shim.stdout), "{native:?} {shim:?}");
    native
}

#[test]
fn cli() {
    let project = Project::new("cli");
    project.up_to_the_registry(1);
    let containerd = Containerd::shared(Version::V1_7);
    let image = project.pulled("my-cli", &containerd);
    let options = ["--env", "GREETING=Moin"];
    let greeted = run(&containerd, &image, &options, &["/my-cli.wasm", "Ferris", "Corro"]);
    assert_eq!(greeted.success().stdout, "Moin, Ferris!\nMoin, Corro!\n");
    let slip = run(&containerd, &image, &[], &["/my-cli.wasm", "--nonsense"]);
    assert_eq!((slip.code, slip.stdout.as_str()), (2, ""), "{slip:?}");
}

#[test]
fn filter() {
    let project = Project::new("filter");
    project.up_to_the_registry(1);
    project.test_in_wasm();
    let containerd = Containerd::shared(Version::V1_7);
    let image = project.pulled("my-filter", &containerd);
    let run = with_file(&containerd, &image, "my-filter", "a  \n\n\n\nb").success();
    assert_eq!(run.stdout, "a\n\nb\n");
}

#[test]
fn function() {
    let project = Project::new("function");
    project.up_to_the_registry(1);
    let containerd = Containerd::shared(Version::V1_7);
    let image = project.pulled("my-function", &containerd);
    let run = with_file(&containerd, &image, "my-function", r#"{"values": [3, 1, 2]}"#).success();
    assert_eq!(run.stdout, "{\"count\":3,\"mean\":2.0,\"min\":1.0,\"max\":3.0}\n");
    let refused = with_file(&containerd, &image, "my-function", "nonsense");
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stdout.starts_with("{\"error\":"), "{refused:?}");
}

#[test]
fn image() {
    let project = Project::new("image");
    project.up_to_the_registry(1);
    let containerd = Containerd::shared(Version::V1_7);
    let image = project.pulled("my-image", &containerd);
    let pictures = containerd.temporary_directory();
    fs::copy(project.path().join("sample.png"), pictures.path().join("in.png")).unwrap();
    let mount =
        format!("type=bind,src={},dst=/pictures,options=rbind:rw", pictures.path().display());
    let words = ["/my-image.wasm", "--size", "24", "/pictures/in.png", "/pictures/out.png"];
    let made = run(&containerd, &image, &["--mount", &mount], &words).success();
    assert!(made.stderr.contains("96x64 -> 24x16"), "{made:?}");
    let png = fs::read(pictures.path().join("out.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG\r\n"), "{png:?}");
}

#[test]
fn workspace() {
    let project = Project::new("workspace");
    let pushed = project.up_to_the_registry(2);
    assert!(pushed.iter().any(|it| it.contains("/demo/my-workspace-encode@")), "{pushed:?}");
    let containerd = Containerd::shared(Version::V1_7);
    let encode = project.pulled("my-workspace-encode", &containerd);
    let encoded = run(&containerd, &encode, &[], &["/my-workspace-encode.wasm", "Hello"]).success();
    assert_eq!(encoded.stdout, "48656c6c6f\n");
    let decode = project.pulled("my-workspace-decode", &containerd);
    let words = ["/my-workspace-decode.wasm", encoded.stdout.trim()];
    let decoded = run(&containerd, &decode, &[], &words).success();
    assert_eq!(decoded.stdout, "Hello");
}

#[test]
fn library() {
    let project = Project::new("library");
    project.up_to_the_registry(1);
    project.test_in_wasm();
    assert_eq!(project.wasm_oci("run -- one two").stdout, "2\n");
    let containerd = Containerd::shared(Version::V1_7);
    let image = project.pulled("my_library", &containerd);
    // As its entrypoint says, and with arguments of the container.
    assert_eq!(run(&containerd, &image, &[], &[]).success().stdout, "0\n");
    let words = ["/my_library.wasm#run", "one two", "three"];
    assert_eq!(run(&containerd, &image, &[], &words).success().stdout, "3\n");
    assert_eq!(host_of(&project, &image), "3\n");
}

/// Returns the output of the JavaScript in the README, with the module of the image.
fn host_of(project: &Project, image: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (module, script) = (folder.path().join("my_library.wasm"), folder.path().join("host.mjs"));
    let mut pull = crate::harness::wasm_oci();
    let _pulled = Run::of(pull.args(["pull", image, "--module"]).arg(&module)).success();
    let readme = fs::read_to_string(project.path().join("README.md")).unwrap();
    let (_, code) = readme.split_once("```js\n").unwrap();
    fs::write(&script, code.split_once("```").unwrap().0).unwrap();
    let mut node = Command::new(tools::program("node"));
    Run::of(node.arg("--no-warnings").arg(script).arg(module)).success().stdout
}

#[test]
fn http() {
    let project = Project::new("http");
    project.up_to_the_registry_with(1, &runner_of_this_build());
    let containerd = Containerd::shared(Version::V1_7);
    let image = project.pulled("my_http", &containerd);
    // The port of a container is one of this machine here, and 8080 may be taken.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let env = [("WASMTIME_HTTP_PROXY_SOCKET_ADDR", address.as_str()), ("NAME", "Ferris")];
    let container = containerd.start_container(&image, &env);
    answers(&address);
    drop(container);
    let start = |port: &str| {
        let options = ["--net-host", "--env", port, "--env", "NAME=Ferris"];
        containerd.native_command(&image, &options, &[])
    };
    while_it_serves(start, answers);
}

fn answers(address: &str) {
    let curl = |args: &[&str], path: &str| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "10"]).args(args);
        Run::of(curl.arg(format!("http://{address}{path}")))
    };
    let start = Instant::now();
    while curl(&[], "/").code != 0 {
        assert!(start.elapsed() < Duration::from_secs(60), "nobody answers at {address}");
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(curl(&[], "/").stdout, "Hello, Ferris!\n");
    assert_eq!(curl(&["--data", "some text"], "/shout").stdout, "SOME TEXT");
    assert_eq!(
        curl(&["--write-out", "%{http_code}"], "/elsewhere").stdout,
        "There is nothing here.\n404"
    );
}

/// Runs a program on a file, as its files for deployment do.
fn with_file(containerd: &Containerd, image: &str, name: &str, text: &str) -> Run {
    let folder = containerd.temporary_directory();
    fs::write(folder.path().join("in"), text).unwrap();
    let mount = format!("type=bind,src={},dst=/input,options=rbind:ro", folder.path().display());
    let words = [&format!("/{name}.wasm"), "/input/in"];
    run(containerd, image, &["--mount", &mount], &words)
}

const ALL: [&str; 7] = ["cli", "filter", "http", "function", "image", "workspace", "library"];

/// Those who would read them take all workflows and manifests.
#[test]
fn their_files_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    for template in ALL {
        let mut new = cargo_wasm_oci();
        new.args(["wasm-oci", "new", template, "--name", "my_app", "--template", template]);
        let _made = Run::of(new.current_dir(folder.path())).success();
    }
    let mut init = cargo_wasm_oci();
    let crate_folder = folder.path().join("existing");
    write(
        &crate_folder,
        "Cargo.toml",
        "[package]\nname = \"ex_isting\"\nedition = \"2024\"\n[workspace]\n",
    );
    write(&crate_folder, "src/main.rs", "fn main() {}");
    write(&crate_folder, "src/bin/other.rs", "fn main() {}");
    let _prepared = Run::of(init.args(["wasm-oci", "init"]).current_dir(&crate_folder)).success();
    let folders: Vec<PathBuf> =
        ALL.iter().map(|it| folder.path().join(it)).chain([crate_folder]).collect();
    let all = |path: &str| folders.iter().map(|it| it.join(path)).collect::<Vec<_>>();
    check_workflows(&all(".github/workflows/ci.yml"));
    let mut compose = tools::python_checker("check-jsonschema");
    compose.args(["--builtin-schema", "vendor.compose-spec"]).args(all("deploy/compose.yaml"));
    let _taken = Run::of(&mut compose).success();
    for minor in 30..=37 {
        let mut kubernetes = tools::python_checker("kubernetes-validate");
        kubernetes.args(["--strict", "--quiet", "--kubernetes-version", &format!("1.{minor}")]);
        let _taken = Run::of(kubernetes.args(all("deploy/kubernetes.yaml"))).success();
    }
}

/// Their workflow uses the very commits of actions that our own does, which are kept up to date there.
#[test]
fn actions_are_those_of_our_own_workflow() {
    let uses = |path: &str| -> BTreeSet<String> {
        let workflow =
            fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        let actions =
            workflow.lines().filter_map(|line| line.split_once("uses: ").map(|(_, action)| action));
        actions.filter(|action| action.starts_with("actions/")).map(str::to_owned).collect()
    };
    let (theirs, ours) =
        (uses("templates/cli/.github/workflows/ci.yml.liquid"), uses(".github/workflows/ci.yml"));
    assert!(!theirs.is_empty() && theirs.is_subset(&ours), "{theirs:?} are not of {ours:?}");
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn check_workflows(workflows: &[PathBuf]) {
    let mut schema = tools::python_checker("check-jsonschema");
    let _taken =
        Run::of(schema.args(["--builtin-schema", "vendor.github-workflows"]).args(workflows))
            .success();
    let mut security = tools::python_checker("zizmor");
    let _taken = Run::of(security.args(["--offline", "--no-progress"]).args(workflows)).success();
    for workflow in workflows {
        let mut validator = tools::npm_checker("action-validator");
        // It looks for files of the repository that `on` names, and begins at its root.
        validator.arg(workflow).current_dir(workflow.ancestors().nth(3).unwrap());
        let _taken = Run::of(&mut validator).success();
    }
}
