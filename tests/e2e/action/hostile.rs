//! Inputs that others may choose, as a branch's name or a pull request's title: they stay data.

use std::fs;

use serde_json::Value;

use super::{MAIN, MANIFEST, job_with};
use crate::harness::{Registry, Run, wasm_oci};

/// Inputs that a shell would execute: each would create a file in the working directory of a step.
const ATTEMPTS: [&str; 8] = [
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned",
    "x\"; touch pwned; \"",
    "x'; touch pwned; '",
    "${IFS}&& touch${IFS}pwned #",
    "| touch pwned",
    "a\\\"$(touch pwned)\n$(touch pwned)\n",
];

#[test]
fn no_input_is_run() {
    let registry = Registry::start();
    let job = job_with(MANIFEST, MAIN);
    let image = format!("{}/app", registry.host());
    for attempt in ATTEMPTS {
        for name in [
            "image",
            "tags",
            "registry",
            "working-directory",
            "manifest-path",
            "package",
            "bin",
            "features",
            "wasm",
            "format",
            "args",
            "test",
            "compare",
            "version",
            "push",
            "username",
        ] {
            let mut inputs = vec![("image", image.as_str()), ("push", "false"), ("test", "false")];
            inputs.retain(|(other, _)| *other != name);
            inputs.push((name, attempt));
            // Building takes time, and is as safe with one attempt as with another.
            let last = if attempt == ATTEMPTS[0] { "" } else { "Build" };
            let done = job.run_until(&inputs, last);
            let made = files_named_pwned(&job.folder("."));
            assert!(made.is_empty(), "{name}: {attempt}: {made:?}\n{}", done.log);
        }
    }
}

fn files_named_pwned(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // The target folder is large and can't contain such a file.
        if path.is_dir() && !path.ends_with("target") {
            found.extend(files_named_pwned(&path));
        } else if path.ends_with("pwned") {
            found.push(path);
        }
    }
    found
}

#[test]
fn labels_and_arguments_arrive_as_they_are() {
    let job = job_with(MANIFEST, MAIN);
    let label = "a=$(touch pwned) `touch pwned` \"'; rm -rf * --flag";
    let labels = format!("{label}\n--annotation=x=y=z");
    let args = "--arg '$HOME  * ; x' --arg \"it's\" --image-env=A=`id`";
    let done = job.run(&[
        ("push", "false"),
        ("labels", &labels),
        ("annotations", label),
        ("args", args),
        ("tags", "v1"),
    ]);
    let done = done.success();
    let inspected = Run::of(wasm_oci().args(["inspect", "--json", done.output("image")])).success();
    let image: Value = serde_json::from_str(&inspected.stdout).unwrap();
    let manifest = &image["manifests"][0];
    let value = label.split_once('=').unwrap().1;
    assert_eq!(manifest["labels"]["a"], value);
    assert_eq!(manifest["labels"]["--annotation"], "x=y=z");
    assert_eq!(manifest["annotations"]["a"], value);
    assert_eq!(manifest["args"], serde_json::json!(["$HOME  * ; x", "it's"]));
    assert_eq!(manifest["env"]["A"], "`id`");
}

#[test]
fn a_flag_in_a_list_is_no_flag() {
    let job = job_with(MANIFEST, MAIN);
    for name in ["package", "bin", "tags", "format", "manifest-path"] {
        let done = job.run(&[("push", "false"), ("test", "false"), (name, "--help")]);
        assert!(done.failed.is_some(), "{name}: {}", done.log);
        assert!(!done.log.contains("Usage:"), "{name}: {}", done.log);
    }
}

/// Names of programs come from manifests, references from inputs: in the summary they are text, and links to nowhere.
#[test]
fn the_summary_has_no_markup_of_others() {
    let registry = Registry::start();
    let job = job_with(MANIFEST, MAIN);
    let image = format!("{}/app", registry.host());
    let _first = job.run(&[("image", &image), ("test", "false")]).success();
    let layout = job.folder("workspace").join("x](http:evil) <b>_|`");
    let copied = format!("oci:{}:latest", layout.display());
    let _copied = Run::of(wasm_oci().args(["copy", &format!("{image}:latest"), &copied])).success();
    let done = job.run(&[("image", &image), ("test", "false"), ("compare", &copied)]).success();
    assert!(done.summary.contains("since "), "{}", done.summary);
    let line = done.summary.lines().find(|line| line.contains("<summary>")).unwrap();
    assert!(!line.contains("<b>") && !line.contains("x](") && line.contains("\\|"), "{line}");
}
