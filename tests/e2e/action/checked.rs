//! The action and the workflows as text: what checkers and GitHub's own rules say of them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use regex::Regex;
use serde::Deserialize;

use super::runner::Action;
use super::{MANIFEST, job_with};
use crate::harness::commands::root;
use crate::harness::{Run, tools};

fn workflows() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(".github/workflows")).unwrap();
    let paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    assert!(paths.len() >= 3, "{paths:?}");
    paths
}

#[test]
fn the_checkers_have_nothing_to_say() {
    let schema = |name: &str, files: &[PathBuf]| {
        let mut check = tools::python_checker("check-jsonschema");
        let _fine = Run::of(check.args(["--builtin-schema", name]).args(files)).success();
    };
    schema("vendor.github-actions", &[root().join("action.yml")]);
    schema("vendor.github-workflows", &workflows());

    let mut audit = tools::python_checker("zizmor");
    audit.args(["--offline", "--no-progress"]).arg(root().join("action.yml")).args(workflows());
    let _safe = Run::of(&mut audit).success();

    let folder = tempfile::tempdir().unwrap();
    for file in workflows().into_iter().chain([root().join("action.yml")]) {
        // This checker's list of permissions ends before this one; the schema above has it.
        let text = fs::read_to_string(&file).unwrap();
        let known: String = text
            .split_inclusive('\n')
            .filter(|line| !line.contains("attestations: write"))
            .collect();
        let copy = folder.path().join(file.file_name().unwrap());
        fs::write(&copy, known).unwrap();
        let _valid = Run::of(tools::npm_checker("action-validator").arg(copy)).success();
    }
}

#[test]
fn the_scripts_have_no_known_pitfalls() {
    let mut check = Command::new(tools::program("shellcheck"));
    check.arg("--external-sources").args(scripts());
    let _fine = Run::of(&mut check).success();
}

/// Those of bash in `action` and `release`.
fn scripts() -> Vec<PathBuf> {
    let mut scripts = Vec::new();
    for folder in ["action", "release"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let first = text.lines().next().unwrap();
            if first.ends_with("bash") {
                scripts.push(path);
            }
        }
    }
    assert!(scripts.len() > 10, "{scripts:?}");
    scripts
}

/// A tag can be moved to other code; a commit can't.
#[test]
fn other_actions_are_named_by_commit() {
    let uses = Regex::new(r"(?m)^\s*(?:- )?uses: (.*)$").unwrap();
    let pinned = Regex::new(r"^[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$").unwrap();
    for file in workflows().into_iter().chain([root().join("action.yml")]) {
        let text = fs::read_to_string(&file).unwrap();
        for (_, [action]) in uses.captures_iter(&text).map(|found| found.extract()) {
            assert!(action == "$/" || pinned.is_match(action), "{}: {action}", file.display());
        }
    }
}

/// The reusable workflow passes on what it is given, and gives back what the action does.
#[test]
fn the_reusable_workflow_knows_the_actions_inputs() {
    let text = fs::read_to_string(root().join(".github/workflows/build.yml")).unwrap();
    let action = Action::read();
    let (_, rest) = text.split_once("        with:\n          image:").unwrap();
    let passed = Regex::new(r"(?m)^          ([a-z-]+): ").unwrap();
    for (_, [name]) in passed.captures_iter(rest).map(|found| found.extract()) {
        assert!(
            action.inputs.contains_key(name),
            "build.yml passes on `{name}`, which the action doesn't know"
        );
    }
    for name in action.outputs.keys() {
        assert!(text.contains(&format!("{name}: ${{{{ steps.image.outputs.{name} }}}}")), "{name}");
    }
}

#[test]
fn inputs_and_outputs_are_documented() {
    let page = fs::read_to_string(root().join("docs/github-actions.md")).unwrap();
    let Action { inputs, outputs, .. } = Action::read();
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (name, input) in inputs {
        let default =
            if input.default.is_empty() { String::new() } else { format!("`{}`", input.default) };
        let row = format!("| `{name}` | {} | {default} |", one_line(&input.description));
        assert!(page.contains(&row), "docs/github-actions.md needs this row:\n{row}");
    }
    for (name, output) in outputs {
        let row = format!("| `{name}` | {} |", one_line(&output.description));
        assert!(page.contains(&row), "docs/github-actions.md needs this row:\n{row}");
    }
}

/// Examples are copied: they name the release that they come with, and are workflows that GitHub takes.
#[test]
fn examples_are_of_this_version() {
    let names = Regex::new(r"wasm-oci/wasm-oci(?:/[\w./-]+)?@v([\w.-]+)").unwrap();
    let pages = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = pages.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    let mut found = 0;
    for page in pages.chain(workflows()) {
        let text = fs::read_to_string(&page).unwrap();
        for (_, [version]) in names.captures_iter(&text).map(|it| it.extract()) {
            assert_eq!(version, crate::release::version(), "{}", page.display());
            found += 1;
        }
    }
    assert!(found > 5, "{found}");

    let page = fs::read_to_string(root().join("docs/github-actions.md")).unwrap();
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    let (workflow, _) = rest.split_once("```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("image.yml");
    fs::write(&file, workflow).unwrap();
    let mut check = tools::python_checker("check-jsonschema");
    let _valid =
        Run::of(check.args(["--builtin-schema", "vendor.github-workflows"]).arg(&file)).success();
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Matchers {
    problem_matcher: Vec<Matcher>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Matcher {
    owner: String,
    pattern: Vec<Pattern>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Pattern {
    regexp: String,
    file: Option<usize>,
    line: Option<usize>,
    column: Option<usize>,
    severity: Option<usize>,
    code: Option<usize>,
    message: Option<usize>,
}

/// The annotations that problem matchers find in a log: file, line, code and message, as GitHub's runner collects them.
fn annotations(log: &str) -> Vec<String> {
    let matchers = ["rustc", "cargo", "errors", "usage"].map(|name| {
        let path = root().join(format!(".github/matchers/{name}.json"));
        let file: Matchers = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let [matcher] = file.problem_matcher.try_into().ok().unwrap();
        assert_eq!(matcher.owner, format!("wasm-oci-{name}"));
        matcher
    });
    // Progress and findings of each matcher.
    let mut states = vec![(0, [const { String::new() }; 5]); matchers.len()];
    let mut shown = Vec::new();
    for line in log.lines() {
        for n in 0..matchers.len() {
            let pattern = &matchers[n].pattern[states[n].0];
            let Some(found) = Regex::new(&pattern.regexp).unwrap().captures(line) else {
                states[n] = Default::default();
                continue;
            };
            let parts = [
                pattern.file,
                pattern.line.or(pattern.column),
                pattern.severity,
                pattern.code,
                pattern.message,
            ];
            for (part, group) in states[n].1.iter_mut().zip(parts) {
                if let Some(text) = group.and_then(|group| found.get(group)) {
                    *part = text.as_str().to_owned();
                }
            }
            states[n].0 += 1;
            if states[n].0 == matchers[n].pattern.len() {
                shown.push(states[n].1.join("|"));
                // All begin anew once one has something to show.
                states.fill(Default::default());
                break;
            }
        }
    }
    shown
}

#[test]
fn errors_are_shown_beside_the_code() {
    let broken = "fn main() {\n    let n: u8 = \"no\";\n}\n";
    let job = job_with(MANIFEST, broken);
    let done = job.run(&[("push", "false")]);
    assert_eq!(done.failed, Some(("Build".to_owned(), 101)), "{}", done.log);
    for name in ["rustc", "cargo", "errors", "usage"] {
        let path = root().join(format!(".github/matchers/{name}.json"));
        assert!(done.log.contains(&format!("::add-matcher::{}\n", path.display())), "{}", done.log);
        assert!(
            done.log.contains(&format!("::remove-matcher owner=wasm-oci-{name}::")),
            "{}",
            done.log
        );
    }
    let shown = annotations(&done.log);
    assert_eq!(shown[0], "src/main.rs|2|error|E0308|mismatched types", "{shown:?}\n{}", done.log);
    assert!(shown[1].contains("could not compile `app`"), "{shown:?}");
    assert_eq!(shown.len(), 2, "{shown:?}");

    // An error without a code is rustc's, too, and has its place.
    let done = job_with(MANIFEST, "fn main() {\n    1 +\n}\n").run(&[("push", "false")]);
    let shown = annotations(&done.log);
    assert!(
        shown[0].starts_with("src/main.rs|") && !shown[0].contains("|E0"),
        "{shown:?}\n{}",
        done.log
    );

    let done = job_with(MANIFEST, "fn main() {}").run(&[("push", "false"), ("tags", "a b")]);
    let shown = annotations(&done.log);
    assert_eq!(shown.len(), 1, "{shown:?}\n{}", done.log);
    assert!(shown[0].contains("|error|2|"), "{shown:?}");
}
