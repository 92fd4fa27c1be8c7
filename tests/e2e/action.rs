//! The GitHub Action: its steps run as GitHub's runner runs them, against a registry on this machine.

mod checked;
mod expression;
mod hostile;
mod installing;
mod login;
pub(crate) mod runner;

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use self::runner::Job;
use crate::cargo::write;
use crate::harness::commands::example;
use crate::harness::registry::{PASSWORD, USER};
use crate::harness::{Registry, Run, wasm_oci};

/// The folder of the example that the action is used on.
fn hello() -> String {
    example("hello").parent().unwrap().to_str().unwrap().to_owned()
}

const MANIFEST: &str =
    "[package]\nname = \"app\"\nversion = \"1.2.3\"\nedition = \"2021\"\n[workspace]\n";
const MAIN: &str = "fn main() { println!(\"hello\") }\n";

/// A job whose workspace holds a crate of its own.
fn job_with(manifest: &str, main: &str) -> Job {
    let job = Job::new();
    write(&job.folder("workspace"), &[("Cargo.toml", manifest), ("src/main.rs", main)]);
    job
}

fn digest_of(reference: &str) -> Value {
    let run = Run::of(wasm_oci().args(["inspect", "--json", reference])).success();
    serde_json::from_str::<Value>(&run.stdout).unwrap()["digest"].clone()
}

#[test]
fn a_crate_is_built_tested_pushed_and_reported() {
    let registry = Registry::start_private();
    let job = Job::new();
    let image = format!("{}/Me/{{bin}}", registry.host());
    let folder = hello();
    let inputs = [
        ("image", image.as_str()),
        ("tags", "1.0\nlatest, edge"),
        ("working-directory", folder.as_str()),
        ("username", USER),
        ("password", PASSWORD),
        ("labels", "org.example.note=a = b, c"),
        ("annotations", "manifest:org.example.note=one\nindex,manifest:org.example.other=two"),
        ("attest", "true"),
    ];
    let done = job.run(&inputs).success();

    let repository = format!("{}/me/hello", registry.host());
    let digest = done.output("digest");
    assert_eq!(done.output("image"), format!("{repository}@{digest}"));
    assert_eq!(done.output("images"), done.output("image"));
    let tags = ["1.0", "latest", "edge"].map(|tag| format!("{repository}:{tag}"));
    assert_eq!(done.output("tags"), tags.join("\n"));
    let metadata: Value = serde_json::from_str(done.output("metadata")).unwrap();
    assert_eq!(metadata[0]["digest"], digest);
    assert_eq!(metadata[0]["size"].to_string(), done.output("size"));
    assert_eq!(metadata.as_array().unwrap().len(), 1);

    // It was tested first, and is what the outputs say.
    assert!(done.log.contains("greets Ferris, with arguments"), "{}", done.log);
    let auth = ["--username", USER, "--password-stdin"];
    let pulled = job.folder("temp").join("pulled");
    let mut pull = wasm_oci();
    pull.args(["pull", done.output("image"), "--oci-layout-path"]).arg(&pulled).args(auth);
    let _there = Run::with_stdin(&mut pull, PASSWORD).success();
    let inspected =
        Run::of(wasm_oci().args(["inspect", "--json"]).arg(format!("oci:{}", pulled.display())));
    let inspected: Value = serde_json::from_str(&inspected.success().stdout).unwrap();
    assert_eq!(inspected["digest"], digest);
    let manifest = &inspected["manifests"][0];
    assert_eq!(manifest["labels"]["org.example.note"], "a = b, c");
    assert_eq!(manifest["annotations"]["org.example.note"], "one");
    assert_eq!(manifest["annotations"]["org.example.other"], "two");

    // The attestation is about it.
    let attest = done.given("Attest");
    assert_eq!(
        (&attest["subject-name"], &attest["subject-digest"]),
        (&repository, &digest.to_owned())
    );

    // It is pushed with the login, which is gone now, and the password was seen nowhere.
    assert!(done.login_of_others.contains(registry.host()), "{}", done.login_of_others);
    assert_eq!(login::files_with(&login::encoded(), &job), Vec::<PathBuf>::new());
    assert!(!done.log.contains(PASSWORD) && !done.summary.contains(PASSWORD), "{}", done.log);

    assert!(done.summary.contains("| hello | "), "{}", done.summary);
    assert!(done.summary.contains(&format!("`{repository}@{digest}`")), "{}", done.summary);
    assert!(
        !done.summary.contains("<details>"),
        "there is nothing to compare with: {}",
        done.summary
    );
}

#[test]
fn sizes_are_compared_with_the_image_before() {
    let registry = Registry::start();
    let job = job_with(MANIFEST, MAIN);
    let image = format!("{}/app", registry.host());
    let first = job.run(&[("image", &image), ("tags", "1.9"), ("test", "false")]).success();
    let longer = format!(
        "{MAIN}\n#[no_mangle] pub extern \"C\" fn more(n: f64) -> f64 {{ n.sin() + n.tan() }}\n"
    );
    write(&job.folder("workspace"), &[("src/main.rs", &longer)]);

    // The newest version, when the tag is a new one; by number, and not by letters.
    let _older =
        Run::of(wasm_oci().args(["copy", &format!("{image}:1.9"), &format!("{image}:1.10")]))
            .success();
    let second = job.run(&[("image", &image), ("tags", "2.0"), ("test", "false")]).success();
    assert!(second.summary.contains("Changes in app since"), "{}", second.summary);
    assert!(second.summary.contains("app:1.10"), "{}", second.summary);
    assert!(second.summary.contains("| code | "), "{}", second.summary);
    assert!(second.summary.contains(" +"), "{}", second.summary);

    // The same tag, which has moved by the time the summary is written.
    let third = job.run(&[("image", &image), ("tags", "1.9"), ("test", "false")]).success();
    assert!(
        third.summary.contains("app:1.9") && third.summary.contains("| code | "),
        "{}",
        third.summary
    );

    // The requested image; a pull request pushes none.
    let reference = format!("{}/{{bin}}@{}", registry.host(), first.output("digest"));
    let unpushed =
        job.run(&[("image", &image), ("push", "false"), ("compare", &reference)]).success();
    assert!(unpushed.summary.contains(first.output("digest")), "{}", unpushed.summary);
    assert!(unpushed.output("image").starts_with("oci:"), "{}", unpushed.output("image"));
    assert_eq!(unpushed.output("tags"), "latest");
    assert_eq!(digest_of(unpushed.output("image")), unpushed.output("digest"));

    let silent = job.run(&[("image", &image), ("compare", "false")]).success();
    assert!(!silent.summary.contains("<details>"), "{}", silent.summary);
    let missing = job.run(&[("image", &image), ("compare", "oci:nowhere")]).success();
    assert!(missing.log.contains("::warning title=wasm-oci::"), "{}", missing.log);
    let nothing = job.run(&[("image", &image), ("summary", "false")]).success();
    assert_eq!(nothing.summary, "");
}

#[test]
fn several_programs_at_once() {
    let registry = Registry::start();
    let job = job_with(MANIFEST, MAIN);
    write(&job.folder("workspace"), &[("src/bin/other.rs", MAIN)]);
    let image = format!("{}/{{package}}/{{bin}}", registry.host());
    let inputs = [("image", image.as_str()), ("format", "universal, artifact")];
    let done = job.run(&inputs).success();
    let images: Vec<&str> = done.output("images").lines().collect();
    assert_eq!(images.len(), 2, "{images:?}");
    assert!(
        images[0].contains("/app/app@sha256:") && images[1].contains("/app/other@sha256:"),
        "{images:?}"
    );
    assert_eq!(images[0], done.output("image"));
    let metadata: Value = serde_json::from_str(done.output("metadata")).unwrap();
    assert_eq!(metadata.as_array().unwrap().len(), 4);
    assert!(
        done.summary.contains("| app | ") && done.summary.contains("| other | "),
        "{}",
        done.summary
    );

    // One attestation covers one image; the others would seem attested, too.
    let attested = job.run(&[("image", &image), ("attest", "true"), ("tags", "attested")]);
    assert_eq!(attested.failed, Some(("Push".to_owned(), 1)), "{}", attested.log);
    assert!(attested.log.contains("an attestation covers one image"), "{}", attested.log);
    let tags =
        Run::of(wasm_oci().args(["tags", &format!("{}/app/app", registry.host())])).success();
    assert!(!tags.stdout.contains("attested"), "{}", tags.stdout);
    let one = job.run(&[("image", &image), ("attest", "true"), ("bin", "other")]).success();
    assert!(one.given("Attest")["subject-name"].ends_with("/app/other"));
}

#[test]
fn a_program_that_cargo_skips_leaves_the_others_their_repositories() {
    let registry = Registry::start();
    let skipped =
        "[features]\nextra = []\n[[bin]]\nname = \"absent\"\nrequired-features = [\"extra\"]\n";
    let job = job_with(&format!("{MANIFEST}{skipped}"), MAIN);
    write(&job.folder("workspace"), &[("src/bin/absent.rs", MAIN), ("src/bin/other.rs", MAIN)]);
    let image = format!("{}/{{bin}}", registry.host());
    let done = job.run(&[("image", image.as_str())]).success();
    let metadata: Value = serde_json::from_str(done.output("metadata")).unwrap();
    let pushed: Vec<_> = metadata.as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
    let images: Vec<&str> = done.output("images").lines().collect();
    assert_eq!(images.len(), pushed.len(), "{images:?}");
    for (image, name) in images.iter().zip(&pushed) {
        let path = format!("/{}@sha256:", name.as_str().unwrap());
        assert!(image.contains(&path), "{images:?} {pushed:?}");
    }
}

#[test]
fn a_file_from_any_language() {
    let registry = Registry::start();
    let job = Job::new();
    let module = wat::parse_str(
        r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1) (func (export "_start") (call $exit (i32.const 3))))"#,
    );
    let folder = job.folder("workspace").join("out");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("tool.wasm"), module.unwrap()).unwrap();
    write(&folder, &[("cases.toml", "[[smoke]]\nname = \"ends with 3\"\nexit-code = 3\n")]);
    write(&folder, &[("wrong.toml", "[[smoke]]\nname = \"ends with 4\"\nexit-code = 4\n")]);
    let image = format!("{}/c/{{bin}}", registry.host());
    // As docker/metadata-action has it.
    let tag = format!("{}/c/tool:1", registry.host());
    let common = [("working-directory", "out"), ("wasm", "tool.wasm")];
    let done =
        job.run(&[&common[..], &[("tags", &tag), ("test", "cases.toml")]].concat()).success();
    assert_eq!(done.output("tags"), tag);
    assert_eq!(digest_of(&tag), done.output("digest"));
    assert!(done.log.contains("ends with 3"), "{}", done.log);
    assert!(done.used.is_empty(), "cargo builds nothing: {:?}", done.used.keys());

    let wrong = job
        .run(&[&common[..], &[("image", &image), ("test", "wrong.toml"), ("tags", "2")]].concat());
    assert_eq!(wrong.failed, Some(("Test".to_owned(), 7)), "{}", wrong.log);
    let untested = job.run(&[&common[..], &[("image", &image), ("tags", "3")]].concat()).success();
    assert!(untested.summary.contains("Changes in tool since"), "{}", untested.summary);
    assert!(untested.summary.contains("| nothing | "), "{}", untested.summary);
    let tags = Run::of(wasm_oci().args(["tags", &format!("{}/c/tool", registry.host())])).success();
    assert_eq!(tags.stdout, "1\n3\n");

    let nowhere = job.run(&common);
    assert_eq!(nowhere.failed, Some(("Read the inputs".to_owned(), 1)), "{}", nowhere.log);
}

#[test]
fn nothing_is_pushed_when_a_test_fails() {
    let registry = Registry::start();
    let smoke = "[[package.metadata.wasm-oci.smoke]]\nname = \"says no\"\nstdout = \"no\\n\"\n";
    let job = job_with(&format!("{MANIFEST}{smoke}"), MAIN);
    let image = format!("{}/app", registry.host());
    let failed = job.run(&[("image", &image)]);
    assert_eq!(failed.failed, Some(("Test".to_owned(), 7)), "{}", failed.log);
    assert!(failed.log.contains("wasm-oci ended with exit code 7"), "{}", failed.log);
    assert!(!registry.log().contains("PUT"), "{}", registry.log());
    let _pushed = job.run(&[("image", &image), ("test", "false")]).success();
}

/// Cache keys: builds with other compilers, programs or features share nothing. Equal ones share even the results of an older
/// lock file.
#[test]
fn a_cache_is_named_by_what_is_built() {
    let job = job_with(MANIFEST, MAIN);
    let key = |inputs: &[(&str, &str)]| {
        let done = job.run_until(inputs, "Build");
        let given = done.given("Restore cargo's cache").clone();
        (given["key"].clone(), given["restore-keys"].clone(), given["path"].clone())
    };
    let (first, prefix, paths) = key(&[]);
    assert!(
        first.starts_with(&prefix) && prefix.starts_with("wasm-oci-build-Linux-"),
        "{first} {prefix}"
    );
    let paths: Vec<PathBuf> = paths.lines().map(PathBuf::from).collect();
    assert!(paths.contains(&job.folder("target")), "{paths:?}");
    assert!(paths.iter().all(|path| path.is_absolute()), "{paths:?}");
    write(&job.folder("workspace"), &[("Cargo.lock", "version = 4\n")]);
    let (locked, same_prefix, _) = key(&[]);
    assert!(locked != first && same_prefix == prefix, "{locked}");
    assert_ne!(key(&[("features", "a")]).1, prefix);
    let none = job.run_until(&[("cache", "false")], "Build").success();
    assert!(none.used.is_empty(), "{:?}", none.used.keys());
}

#[test]
fn slips_in_inputs_are_named_before_anything_is_done() {
    let job = job_with(MANIFEST, MAIN);
    for (name, value, says) in [
        ("push", "yes", "the input `push` must be true or false, not `yes`"),
        ("test", "maybe", "the input `test` must be true or false"),
        ("attest", "", "the input `attest` must be true or false"),
        (
            "working-directory",
            "nowhere",
            "the input `working-directory` is not a folder: `nowhere`",
        ),
        ("image", "ghcr.io/a/b\nghcr.io/a/c", "the input `image` must be a single repository"),
        ("wasm", "none.wasm", "the input `wasm` is not a file: `none.wasm`"),
        ("args", "--label 'a", "the input `args` has an unclosed quote"),
        ("password", "secret", "the input `password` needs `username`"),
    ] {
        let done = job.run(&[(name, value)]);
        assert_eq!(done.failed, Some(("Read the inputs".to_owned(), 1)), "{name}: {}", done.log);
        assert!(
            done.log.contains(&format!("::error title=wasm-oci::{says}")),
            "{name}: {}",
            done.log
        );
        assert!(!done.log.contains("secret"), "{}", done.log);
    }
    let empty = Job::new();
    let done = empty.run(&[]);
    assert_eq!(
        done.failed,
        Some(("Compute the key of cargo's cache".to_owned(), 1)),
        "{}",
        done.log
    );
}
