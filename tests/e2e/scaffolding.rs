//! `cargo wasm-oci new` and `init`: what they make, and what they leave alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::commands::{cargo, root};
use crate::harness::{Run, cargo_wasm_oci, tools};

/// A folder that is in no repository and no workspace of the machine's, with a user of git's that is known.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.write(
            "gitconfig",
            "[user]\nname = Jane\nemail = jane@example.com\n[github]\nuser = JaneDoe\n",
        );
        place
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn manifest(&self, path: &str) -> toml::Table {
        self.read(path).parse().unwrap()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = cargo_wasm_oci();
        command.arg("wasm-oci").args(args).current_dir(self.0.path());
        command.env("GIT_CONFIG_GLOBAL", self.path("gitconfig")).env("GIT_CONFIG_NOSYSTEM", "1");
        command
    }

    fn run(&self, args: &[&str]) -> Run {
        Run::of(&mut self.command(args))
    }

    /// Returns the files in a folder of the sandbox.
    fn names(&self, folder: &str) -> Vec<String> {
        let entries =
            fs::read_dir(self.path(folder)).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[test]
fn defaults_are_those_that_git_knows() {
    let place = Place::new();
    let run = place.run(&["new", "a/my-app", "--template", "cli"]).success();
    assert_eq!(run.stdout, "a/my-app\n");
    assert!(run.stderr.contains("Next cd a/my-app && cargo wasm-oci test"), "{}", run.stderr);
    let package = &place.manifest("a/my-app/Cargo.toml")["package"];
    assert_eq!(package["name"].as_str(), Some("my-app"));
    assert_eq!(package["authors"][0].as_str(), Some("Jane <jane@example.com>"));
    assert_eq!(
        package["metadata"]["wasm-oci"]["repository"].as_str(),
        Some("ghcr.io/janedoe/{bin}")
    );
    assert!(place.read("a/my-app/.git/HEAD").ends_with("/main\n"));
    assert_eq!(place.names("a"), ["my-app"]);
}

#[test]
fn a_repository_is_made_where_there_is_none() {
    let place = Place::new();
    let _none = place.run(&["new", "none", "-t", "filter", "--vcs", "none"]).success();
    assert!(!place.path("none/.git").exists());
    let _outer = place.run(&["new", "outer", "-t", "filter"]).success();
    let inner = place.run(&["new", "outer/inner", "-t", "workspace"]).success();
    assert!(!place.path("outer/inner/.git").exists());
    assert!(inner.stderr.contains("`outer/inner/.github`"), "{}", inner.stderr);
    let _own = place.run(&["new", "outer/own", "-t", "workspace", "--vcs", "git"]).success();
    assert!(place.path("outer/own/.git").exists());
}

#[test]
fn what_is_there_is_left_alone() {
    let place = Place::new();
    place.write("app/file", "mine");
    let run = place.run(&["new", "app", "-t", "cli"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("cargo wasm-oci init"), "{}", run.stderr);
    assert_eq!(place.names("app"), ["file"]);
    for slip in [
        &["new", "b", "-t", "clj"][..],
        &["new", "fn", "-t", "cli"],
        &["new", "b", "-t", "cli", "--value", "registry=B"],
    ] {
        let run = place.run(slip);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{run:?}");
    }
    assert_eq!(place.names(""), ["app", "gitconfig"]);
}

#[test]
fn hostile_values_stay_data() {
    let place = Place::new();
    let hostile = "\"]\n[package.metadata.x]\ny = '{{registry}} {% raw %} ${{ z }} \\u{0}";
    let description = format!("description={hostile}");
    let authors = format!("authors={hostile}");
    let run =
        place.run(&["new", "app", "-t", "workspace", "--value", &description, "--value", &authors]);
    let _made = run.success();
    let package = &place.manifest("app/Cargo.toml")["workspace"]["package"];
    assert_eq!(package["description"].as_str(), Some(hostile));
    assert_eq!(package["authors"][0].as_str(), Some(hostile));
    let mut metadata = cargo();
    metadata
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(place.path("app"));
    let metadata: Value = serde_json::from_str(&Run::of(&mut metadata).success().stdout).unwrap();
    assert_eq!(metadata["packages"][0]["description"], hostile);
}

#[test]
fn in_a_workspace_it_becomes_a_member() {
    let place = Place::new();
    place.write(
        "Cargo.toml",
        "# Ours\n[workspace]\nmembers = [\"libs/*\"] # all\nresolver = \"3\"\n",
    );
    place.write("libs/known/Cargo.toml", "[package]\nname = \"known\"\nedition = \"2024\"\n");
    place.write("libs/known/src/lib.rs", "");
    let added = place.run(&["new", "app", "-t", "cli", "--vcs", "none"]).success();
    assert!(added.stderr.contains("members of the workspace"), "{}", added.stderr);
    let members = "# Ours\n[workspace]\nmembers = [\"libs/*\", \"app\"] # all\nresolver = \"3\"\n";
    let sorted = "# Ours\n[workspace]\nmembers = [\"app\", \"libs/*\"] # all\nresolver = \"3\"\n";
    let manifest = place.read("Cargo.toml");
    assert!(manifest == members || manifest == sorted, "{manifest}");
    let taken_in = place.run(&["new", "libs/tidy", "-t", "filter", "--vcs", "none"]).success();
    assert!(taken_in.stderr.contains("it is a member of the workspace"), "{}", taken_in.stderr);
    assert_eq!(place.read("Cargo.toml"), manifest);
    let apart = place.run(&["new", "libs/tools", "-t", "workspace", "--vcs", "none"]).success();
    assert!(apart.stderr.contains("exclude = [\"libs/tools\"]"), "{}", apart.stderr);
}

/// The answers that somebody gives on a terminal.
fn answered(place: &Place, args: &[&str], answers: &str) -> String {
    let mut script = Command::new(tools::program("script"));
    let words = place.command(args);
    let words = std::iter::once(words.get_program()).chain(words.get_args());
    let line: Vec<String> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
    script
        .args(["--quiet", "--return", "--command", &line.join(" "), "/dev/null"])
        .current_dir(place.path(""));
    script.env("GIT_CONFIG_GLOBAL", place.path("gitconfig"));
    Run::with_stdin(&mut script, answers).success().stdout
}

#[test]
fn a_terminal_is_asked() {
    let place = Place::new();
    let said = answered(&place, &["new", "app"], "nothing\n3\n\nB\nghcr.io/b\nSome Body\n");
    for text in [
        "  3 http ",
        "Which template",
        "there is no template `nothing`",
        "[An HTTP service: a wasi:http component]",
        "`B` can't hold images",
    ] {
        assert!(said.contains(text), "no `{text}` in {said}");
    }
    let package = &place.manifest("app/Cargo.toml")["package"];
    assert_eq!(package["description"].as_str(), Some("An HTTP service: a wasi:http component"));
    assert_eq!(package["authors"][0].as_str(), Some("Some Body"));
    assert_eq!(package["metadata"]["wasm-oci"]["repository"].as_str(), Some("ghcr.io/b/{bin}"));
    let said = answered(&place, &["new", "quick", "-t", "cli", "--accept-defaults"], "");
    assert!(said.contains("Created") && !said.contains("Authors"), "{said}");
}

const CRATE: &str = "# A crate\n[package]\nname    = \"old\" # so\nedition = \"2024\"\n\n[dependencies]\n\n[workspace]\n";

#[test]
fn a_crate_gets_what_it_lacks() {
    let place = Place::new();
    place.write("Cargo.toml", CRATE);
    place.write("src/main.rs", "fn main() { println!(\"usage: old\"); }\n");
    place.write("deploy/compose.yaml", "services: {}\n");
    place.write("rust-toolchain", "stable\n");
    let run = place.run(&["init", "--value", "registry=ghcr.io/me"]).success();
    for line in [
        "Extended Cargo.toml",
        "Created .github/workflows/ci.yml",
        "Kept rust-toolchain.toml as it is",
        "Kept deploy/compose.yaml as it is",
        "Created deploy/kubernetes.yaml",
        "Next write a smoke test",
    ] {
        assert!(run.stderr.contains(line), "no `{line}` in {}", run.stderr);
    }
    assert!(!place.path("rust-toolchain.toml").exists());
    assert_eq!(place.read("deploy/compose.yaml"), "services: {}\n");
    let manifest = place.read("Cargo.toml");
    for line in CRATE.lines() {
        assert!(manifest.lines().any(|it| it == line), "no `{line}` in {manifest}");
    }
    // Its smoke test is one, as soon as it is no comment.
    place.write(
        "Cargo.toml",
        &manifest
            .replace("# [[", "[[")
            .replace("# name", "name")
            .replace("# args", "args")
            .replace("# stdout", "stdout"),
    );
    let mut plan = place.command(&["build", "--dry-run"]);
    let plan: Value = serde_json::from_str(&Run::of(&mut plan).success().stdout).unwrap();
    assert!(plan.to_string().contains("ghcr.io/me/old"), "{plan}");
    // Once more changes nothing.
    let before = place.read("Cargo.toml");
    let again = place.run(&["init"]).success();
    assert!(
        !again.stderr.contains("Created") && !again.stderr.contains("Extended"),
        "{}",
        again.stderr
    );
    assert_eq!(place.read("Cargo.toml"), before);
}

#[test]
fn all_programs_of_a_workspace_are_prepared() {
    let place = Place::new();
    place.write("Cargo.toml", "[workspace]\nmembers = [\"a\", \"b\", \"c\"]\nresolver = \"3\"\n");
    for (name, file) in
        [("a", "src/main.rs"), ("b", "src/bin/b1.rs"), ("b", "src/bin/b2.rs"), ("c", "src/lib.rs")]
    {
        place.write(
            &format!("{name}/Cargo.toml"),
            &format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n"),
        );
        place.write(&format!("{name}/{file}"), "fn main() {}\n");
    }
    let _prepared = place.run(&["init"]).success();
    assert!(place.read("a/Cargo.toml").contains("[package.metadata.wasm-oci]"));
    assert!(place.read("b/Cargo.toml").contains("[package.metadata.wasm-oci]"));
    assert!(!place.read("c/Cargo.toml").contains("wasm-oci"));
    let kubernetes = place.read("deploy/kubernetes.yaml");
    assert!(!kubernetes.contains("untimeClass"), "{kubernetes}");
    for image in ["wasm-oci://a\n", "wasm-oci://b/b1\n", "wasm-oci://b/b2\n"] {
        assert!(kubernetes.contains(image), "no {image} in {kubernetes}");
    }
}

#[test]
fn a_format_that_was_chosen_stays_and_needs_a_shim() {
    let place = Place::new();
    place.write("Cargo.toml", &(CRATE.to_owned() + "metadata.wasm-oci.format = \"artifact\"\n"));
    place.write("src/main.rs", "fn main() {}\n");
    let _prepared = place.run(&["init"]).success();
    assert!(!place.read("Cargo.toml").contains("standalone"));
    let kubernetes = place.read("deploy/kubernetes.yaml");
    assert!(kubernetes.contains("runtimeClassName: wasmtime\n"), "{kubernetes}");
    assert!(place.read("deploy/compose.yaml").contains("runtime: io.containerd.wasmtime.v1\n"));
}

#[test]
fn a_library_is_told_what_it_needs() {
    let place = Place::new();
    place.write("Cargo.toml", CRATE);
    place.write("src/lib.rs", "");
    let run = place.run(&["init"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.stderr.contains("`src/main.rs`") && run.stderr.contains("cdylib"),
        "{}",
        run.stderr
    );
    assert_eq!(place.names(""), ["Cargo.toml", "gitconfig", "src"]);
    assert_eq!(place.read("Cargo.toml"), CRATE);
}

/// Liquid, which cargo-generate uses, renders the files of a template exactly as `new` does.
#[test]
fn liquid_makes_the_same_files() {
    let place = Place::new();
    let context = json!({
        "project-name": "my-app",
        "crate_name": "my_app",
        "description": "Does this",
        "registry": "ghcr.io/me",
        "authors": "Jane <jane@example.com>",
    });
    place.write("render.mjs", include_str!("harness/liquid.mjs"));
    for template in ["cli", "filter", "http", "function", "image", "workspace", "library"] {
        let path = format!("{template}/my-app");
        let values =
            ["--value", "registry=ghcr.io/me", "--value", "description=Does this", "--vcs", "none"];
        let _made = place.run(&[&["new", &path, "-t", template], &values[..]].concat()).success();
        let sources = files(&root().join("templates").join(template));
        let texts = sources.iter().filter(|(path, _)| path != "cargo-generate.toml");
        let texts: Vec<(&str, &str)> = texts
            .filter_map(|(path, bytes)| Some((path.as_str(), str::from_utf8(bytes).ok()?)))
            .collect();
        let mut node = Command::new(tools::program("node"));
        node.arg(place.path("render.mjs")).arg(tools::liquid());
        let input = json!({"context": context, "texts": texts.iter().map(|(_, text)| text).collect::<Vec<_>>()});
        let rendered = Run::with_stdin(&mut node, &input.to_string()).success().stdout;
        let rendered: Vec<String> = serde_json::from_str(&rendered).unwrap();
        assert_eq!(rendered.len(), texts.len());
        for ((file, _), theirs) in texts.iter().zip(rendered) {
            let file = file.strip_suffix(".liquid").unwrap_or(file);
            assert_eq!(place.read(&format!("{path}/{file}")), theirs, "{template}: {file}");
        }
    }
}

/// All files below a folder, by their paths in it.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            found.extend(
                files(&path).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)),
            );
        } else {
            found.push((name, fs::read(path).unwrap()));
        }
    }
    found
}
