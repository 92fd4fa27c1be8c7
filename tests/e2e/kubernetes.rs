//! Manifests: `k8s` prints them, `resolve` puts digests into them. What is printed is valid for every Kubernetes of these
//! years, and runs where its pods run: in containerd, with a Wasm shim.

mod standalone;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::harness::commands::{example, lasting};
use crate::harness::{Containerd, Pod, Registry, Run, Version, cargo_wasm_oci, tools, wasm_oci};

/// The versions that manifests are checked for.
const VERSIONS: [&str; 8] = ["1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37"];

/// Checks manifests with `kubernetes-validate` for one version of Kubernetes.
fn validated(manifests: &str, version: &str) -> Run {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.yaml"), manifests).unwrap();
    let mut check = tools::python_checker("kubernetes-validate");
    Run::of(
        check
            .args(["--strict", "--kubernetes-version", version, "a.yaml"])
            .current_dir(folder.path()),
    )
}

#[track_caller]
pub(crate) fn assert_valid(manifests: &str) {
    for version in VERSIONS {
        let run = validated(manifests, version);
        assert_eq!(run.code, 0, "{version}: {}{}\n{manifests}", run.stdout, run.stderr);
        let objects = manifests.lines().filter(|line| line.starts_with("kind: ")).count();
        let said = run.stdout + &run.stderr;
        assert_eq!(said.matches(" passed ").count(), objects, "{said}");
    }
}

/// A command of ours for manifests of a project.
fn command(name: &str, manifest: &Path, args: &[&str]) -> Command {
    let mut command = cargo_wasm_oci();
    command.args(["wasm-oci", name, "--quiet", "--manifest-path"]).arg(manifest).args(args);
    command.env_remove("WASM_OCI_REPOSITORY");
    command
}

fn k8s(manifest: &Path, args: &[&str]) -> Run {
    Run::of(&mut command("k8s", manifest, args))
}

/// A workspace with a package of one program and one of two.
struct Workspace {
    folder: TempDir,
    registry: Registry,
}

impl Workspace {
    fn new() -> Workspace {
        let folder = tempfile::tempdir().unwrap();
        let package = |name: &str| {
            format!("[package]\nname = \"{name}\"\nversion = \"1.2.3+4\"\nedition = \"2021\"\n")
        };
        let smoke = "[[package.metadata.wasm-oci.smoke]]\nname = \"speaks\"\nstdout = \"one\\n\"\n";
        let main = |word: &str| format!("fn main() {{ println!(\"{word}\") }}\n");
        for (path, text) in [
            (
                "Cargo.toml",
                "[workspace]\nmembers = [\"one\", \"two\"]\nresolver = \"2\"\n".to_owned(),
            ),
            ("one/Cargo.toml", package("one") + smoke),
            ("one/src/main.rs", main("one")),
            ("two/Cargo.toml", package("two")),
            ("two/src/bin/red.rs", main("red")),
            ("two/src/bin/blue_one.rs", main("blue")),
        ] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Workspace { folder, registry: Registry::start() }
    }

    fn manifest(&self) -> std::path::PathBuf {
        self.folder.path().join("Cargo.toml")
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = cargo_wasm_oci();
        command.args(["wasm-oci", "resolve"]).args(args).current_dir(self.folder.path());
        command.env("WASM_OCI_REPOSITORY", format!("{}/shop/{{bin}}", self.registry.host()));
        command
    }

    fn resolve(&self, args: &[&str], stdin: &str) -> Run {
        Run::with_stdin(&mut self.command(args), stdin)
    }

    /// Resolves a reference.
    fn image(&self, reference: &str) -> String {
        let run = self.resolve(&["--quiet", "-f", "-"], reference).success();
        assert!(run.stdout.starts_with(&format!("{}/shop/", self.registry.host())), "{run:?}");
        run.stdout
    }
}

#[test]
fn what_is_printed_is_valid() {
    let (hello, http) = (example("hello"), example("http"));
    let job = k8s(&hello, &[]).success().stdout;
    assert!(job.contains("kind: Job\n") && job.contains("image: wasm-oci://hello\n"), "{job}");
    assert!(job.contains("handler: wasmtime\n"), "{job}");
    let service =
        k8s(&http, &["--namespace", "shop", "--replicas", "3", "--port", "9000"]).success().stdout;
    assert!(
        service.contains("kind: Deployment\n") && service.contains("kind: Service\n"),
        "{service}"
    );
    assert!(
        service.contains("replicas: 3\n") && service.contains("containerPort: 9000\n"),
        "{service}"
    );
    let cron = k8s(
        &hello,
        &["--schedule", "*/5 * * * *", "--handler", "spin", "--runtime-class", "wasm-spin"],
    );
    let cron = cron.success().stdout;
    assert!(
        cron.contains("kind: CronJob\n") && cron.contains("runtimeClassName: wasm-spin\n"),
        "{cron}"
    );
    let chosen = k8s(
        &hello,
        &["--kind", "deployment", "--no-runtime-class", "--image", "ghcr.io/me/{bin}:{version}"],
    );
    let chosen = chosen.success().stdout;
    assert!(
        chosen.contains("image: ghcr.io/me/hello:0.1.0\n") && !chosen.contains("RuntimeClass\n"),
        "{chosen}"
    );
    for manifests in [job, service, cron, chosen] {
        assert_valid(&manifests);
        let slip = manifests.replacen("    spec:\n", "    spec:\n      contaniers: []\n", 1);
        assert_ne!(validated(&slip, "1.37").code, 0, "a slip is not found: {slip}");
    }
}

#[test]
fn what_a_project_says_is_in_its_manifests() {
    let workspace = Workspace::new();
    let settings = "[package.metadata.wasm-oci]\nargs = [\"-x\", \"$(HOME)\", \"é: \\\"\"]\nenv = { A = \"yes\", B = \"1\" }\nuser = \"1000\"\n";
    let manifest = fs::read_to_string(workspace.folder.path().join("two/Cargo.toml")).unwrap();
    workspace.write("two/Cargo.toml", manifest + settings);
    let all = k8s(&workspace.manifest(), &["--workspace"]).success().stdout;
    assert_valid(&all);
    for line in [
        "image: wasm-oci://one\n",
        "image: wasm-oci://two/red\n",
        "image: wasm-oci://two/blue_one\n",
        "name: blue-one\n",
        "app.kubernetes.io/part-of: two\n",
        "app.kubernetes.io/version: \"1.2.3_4\"\n",
        "value: \"yes\"\n",
        "- $$(HOME)\n",
        "runAsUser: 1000\n",
    ] {
        assert!(all.contains(line), "no `{line}` in:\n{all}");
    }
    let one = k8s(&workspace.manifest(), &["-p", "two", "--bin", "red"]).success().stdout;
    assert_eq!(one.matches("kind: Job\n").count(), 1, "{one}");
    // One image can't be that of several.
    let run = k8s(&workspace.manifest(), &["--workspace", "--image", "ghcr.io/me/app"]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{run:?}");
    assert!(run.stderr.contains("{bin}"), "{run:?}");
    for (args, part) in [
        (&["--schedule", "daily"][..], "not a schedule"),
        (&["--kind", "cronjob"], "--schedule"),
        (&["--runtime-class", "Wasm_Time"], "lower-case"),
        (&["--kind", "pod"], "deployment"),
        (&["-p", "twoo"], "did you mean `two`?"),
    ] {
        let run = k8s(&workspace.manifest(), args);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{args:?}: {run:?}");
        assert!(run.stderr.contains(part), "{args:?}: {}", run.stderr);
    }
}

/// `N`s and `P`s are references: to `one`, and to `two/red`. Lines end in CRLF.
const MANIFEST: &str = r#"# wasm-oci://one is only a comment here ☃
%YAML 1.2
---
apiVersion: v1 # é
kind:   List
x-image:  &image   !!str 'N'   # the image, once
items:
    -   kind: "Pod"
        apiVersion: v1
        spec: {containers: [ {name: a, image: *image}, {name: b, "image":   "P" } ] }   # odd

    - spec:
         containers:
         - image: >-
               N
           name: |
             see N,
              as wasm-oci://one/x/y
         -   image:
               P
...
# between
--- # the next
- [P,N]
- {"a": "N"}
-
  - ? N
    : 'it''s'"#;

#[test]
fn the_file_stays_but_for_the_references() {
    let workspace = Workspace::new();
    let (one, red) = (workspace.image("wasm-oci://one"), workspace.image("wasm-oci://two/red"));
    // A reference inside other text, and a word with one of the letters.
    let manifest = format!(
        "\u{feff}{}",
        MANIFEST.replace('\n', "\r\n").replace("see N", "see \0").replace("Pod", "\u{1}od")
    );
    let with = |one: &str, red: &str| {
        let text = manifest.replace('N', one).replace('P', red);
        text.replace('\0', "wasm-oci://one").replace('\u{1}', "P")
    };
    let text = with("wasm-oci://one", "wasm-oci://two/red");
    let file = workspace.write("deploy.yaml", &text);
    let run = workspace.resolve(&["-f", &file], "").success();
    assert_eq!(run.stdout, with(&one, &red));
    assert!(
        run.stderr.contains("deploy.yaml:17:14: a reference within other text is not replaced"),
        "{}",
        run.stderr
    );
    // Nine references, two programs: each is built, tested and pushed once.
    assert_eq!(run.stderr.matches(" Pushing ").count(), 2, "{}", run.stderr);
    for image in [one, red] {
        let _there = Run::of(wasm_oci().args(["inspect", &image])).success();
    }
}

#[test]
fn folders_files_and_standard_input_are_one_text() {
    let workspace = Workspace::new();
    workspace.write("deploy/b.yml", "b: wasm-oci://one # b\n");
    workspace.write("deploy/a.yaml", "---\na: 1");
    workspace.write("deploy/c.json", "{\"c\": \"wasm-oci:\\/\\/one\"}");
    workspace.write("deploy/note.txt", "wasm-oci://nothing");
    workspace.write("deploy/more/d.YAML", "d: 4\n");
    let one = workspace.image("wasm-oci://one");
    let flat = workspace.resolve(&["-f", "deploy"], "").success().stdout;
    assert_eq!(flat, format!("---\na: 1\n---\nb: {one} # b\n---\n{{\"c\": \"{one}\"}}"));
    let deep = workspace
        .resolve(&["-R", "-f", "-", "-f", "deploy"], "z: wasm-oci://one\n")
        .success()
        .stdout;
    assert_eq!(deep, format!("z: {one}\n{flat}\n---\nd: 4\n"));
    // Nothing to do is no error, but perhaps not what was meant.
    let none = workspace.resolve(&["-f", "deploy/a.yaml"], "").success();
    assert_eq!(none.stdout, "---\na: 1");
    assert!(none.stderr.contains("no file contains a reference"), "{}", none.stderr);
}

#[test]
fn pods_get_their_runtime_class() {
    let workspace = Workspace::new();
    let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  # both\n  containers:\n  - name: a\n    image: \
               wasm-oci://one\n  - name: db\n    image: postgres:17\n";
    let native = pod.replace("wasm-oci://one", "postgres:17");
    let run = workspace
        .resolve(&["-f", "-", "--runtime-class", "wasm"], &format!("{pod}---\n{native}"))
        .success();
    let one = workspace.image("wasm-oci://one");
    let expected = pod
        .replace("wasm-oci://one", &one)
        .replace("  # both", "  runtimeClassName: wasm\n  # both");
    assert_eq!(run.stdout, format!("{expected}---\n{native}"));
    assert_valid(&run.stdout);
    // As JSON, and as what `k8s` prints, which has one.
    let json = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[{"name":"a","image":"wasm-oci://one"}]}}"#;
    let run = workspace.resolve(&["-f", "-", "--runtime-class", "wasm"], json).success();
    let value: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(value["spec"]["runtimeClassName"], "wasm");
    let printed = k8s(&workspace.manifest(), &["-p", "one"]).success().stdout;
    let run = workspace.resolve(&["-f", "-", "--runtime-class", "wasm"], &printed).success();
    assert_eq!(run.stdout, printed.replace("wasm-oci://one", &one));
    assert_valid(&run.stdout);
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_nothing_is_printed() {
    let workspace = Workspace::new();
    workspace.write("empty/readme.md", "");
    workspace.write("text.yaml", b"a: \xff\xfe\n");
    workspace.write("large.yaml", vec![b'#'; (16 << 20) + 1]);
    workspace.write("chart.yaml", "a: {{ .Values.a }}\n{{- if b }}\n");
    let bomb: String = (1..20).fold("a0: &a0 [x]\n".to_owned(), |text, n| {
        text + &format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 20].join(","))
    });
    workspace.write("bomb.yaml", bomb + "image: wasm-oci://zzz\n");
    workspace.write("deep.yaml", "[".repeat(100_000));
    let file = |text: &str| workspace.write("wrong.yaml", format!("a: é\nimage: {text}\n"));
    for (args, stdin, code, parts) in [
        (
            &["-f", "-"][..],
            "a:\n  - wasm-oci://onne\n",
            1,
            &["standard input:2:5", "did you mean `one`?"][..],
        ),
        (&["-f", "-"], "wasm-oci://two", 1, &["wasm-oci://two/red"]),
        (&["-f", "-"], "wasm-oci://two/redd", 1, &["did you mean `red`?"]),
        (&["-f", "-"], "wasm-oci://../../etc/passwd", 1, &["names no program"]),
        (&["-f", "-"], "\"wasm-oci://one;rm\"", 1, &["names no program"]),
        (&["-f", "-"], "wasm-oci://one:1.0", 1, &["its tag"]),
        (&["-f", &file("wasm-oci://")], "", 1, &["wrong.yaml:2:8", "write wasm-oci://PACKAGE"]),
        (&["-f", "-"], "a: [\n", 1, &["standard input:"]),
        (&["-f", "-", "-f", "-"], "", 2, &["once"]),
        (&["-f", "none.yaml"], "", 1, &["none.yaml"]),
        (&["-f", "empty"], "", 2, &["no .yaml, .yml or .json file in `empty`"]),
        (&["-f", "text.yaml"], "", 1, &["not valid UTF-8", "offset 3"]),
        (&["-f", "large.yaml"], "", 1, &["16 MiB"]),
        (&["-f", "chart.yaml"], "", 1, &["chart.yaml:", "helm template"]),
        (&["-f", "bomb.yaml"], "", 1, &["bomb.yaml:21:8", "there is one, two"]),
        (&["-f", "deep.yaml"], "", 1, &["deep.yaml:1:"]),
        (
            &["-f", "-", "--runtime-class", "w"],
            "? containers\n: [{image: wasm-oci://one}]\n",
            1,
            &["runtimeClassName: w"],
        ),
        (&[], "", 2, &["--filename"]),
    ] {
        let run = workspace.resolve(args, stdin);
        assert_eq!((run.code, run.stdout.as_str()), (code, ""), "{args:?}: {run:?}");
        assert!(parts.iter().all(|part| run.stderr.contains(part)), "{args:?}: {}", run.stderr);
        assert!(!run.stderr.contains("Compiling"), "something was built first: {}", run.stderr);
    }
    // Without a place to push to.
    let mut nowhere = workspace.command(&["-f", "-"]);
    let run = Run::with_stdin(nowhere.env_remove("WASM_OCI_REPOSITORY"), "wasm-oci://one");
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{run:?}");
    // With a smoke test that fails, nothing is pushed, not even the other program.
    workspace.write("one/src/main.rs", "fn main() {}\n");
    let run = workspace.resolve(&["-f", "-"], "[wasm-oci://one, wasm-oci://two/red]");
    assert_eq!((run.code, run.stdout.as_str()), (7, ""), "{run:?}");
    let catalog = workspace.registry.log();
    assert!(!catalog.contains("PUT"), "{catalog}");
    let _pushed = workspace
        .resolve(&["-f", "-", "--no-test"], "[wasm-oci://one, wasm-oci://two/red]")
        .success();
}

/// The example `hello`, from a project to a pod: printed, resolved, pulled and run.
fn resolved_image() -> &'static (Registry, String) {
    static RESOLVED: OnceLock<(Registry, String)> = OnceLock::new();
    RESOLVED.get_or_init(|| {
        let registry = Registry::start();
        let manifest = example("hello");
        let printed = k8s(&manifest, &[]).success().stdout;
        let mut resolve = command("resolve", &manifest, &["-f", "-"]);
        resolve.arg("--repository").arg(format!("{}/{{bin}}", registry.host()));
        resolve.arg("--target-dir").arg(lasting("hello-resolve"));
        let resolved = Run::with_stdin(&mut resolve, &printed).success().stdout;
        assert_valid(&resolved);
        let image = resolved.lines().find_map(|line| line.trim().strip_prefix("image: ")).unwrap();
        (registry, image.to_owned())
    })
}

fn runs_as_a_pod(version: Version) {
    let (_, image) = resolved_image();
    let pod = Pod { image, args: &["--name", "pod"], restricted: true, ..Pod::default() };
    let run = Containerd::shared(version).run_pod(pod);
    assert_eq!((run.code, run.stdout.as_str()), (0, "Hello, pod!\n"), "{run:?}");
}

#[test]
fn what_was_resolved_runs_as_a_restricted_pod_of_debians_containerd() {
    runs_as_a_pod(Version::Debian);
}

#[test]
fn what_was_resolved_runs_as_a_restricted_pod_of_containerd_1_7() {
    runs_as_a_pod(Version::V1_7);
}

#[test]
fn an_image_has_manifests_too() {
    let (registry, image) = resolved_image();
    let tagged = format!("{}/hello:latest", registry.host());
    let run = Run::of(wasm_oci().args(["k8s", &tagged, "--schedule", "@hourly"])).success();
    assert!(run.stdout.contains(&format!("image: {image}\n")), "{run:?}");
    assert!(
        run.stdout.contains("name: hello\n") && run.stdout.contains("kind: CronJob\n"),
        "{run:?}"
    );
    assert_valid(&run.stdout);
    let folder = tempfile::tempdir().unwrap();
    let layout = format!("oci:{}:a", folder.path().join("layout").display());
    let _copied = Run::of(wasm_oci().args(["copy", &tagged, &layout])).success();
    let run = Run::of(wasm_oci().args(["k8s", &layout]));
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{run:?}");
    let run = Run::of(wasm_oci().args(["k8s", &layout, "--image", "ghcr.io/me/hello:1"])).success();
    assert!(
        run.stdout.contains("image: ghcr.io/me/hello:1\n") && run.stdout.contains("kind: Job\n"),
        "{run:?}"
    );
}
