//! A model of GitHub's runner for composite actions: runs the steps in order, each with files for its outputs.
//!
//! `run` steps run here; those that use others' actions are only noted, with what they would be given.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use tempfile::TempDir;

use super::expression::{render, runs};
use crate::harness::Run;
use crate::harness::commands::{lasting, program, root, rustup_home};

/// `action.yml`. What is not known here fails the test, too.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Action {
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "description")]
    _description: String,
    #[serde(rename = "author")]
    _author: String,
    #[serde(rename = "branding")]
    _branding: BTreeMap<String, String>,
    pub(crate) inputs: BTreeMap<String, Input>,
    pub(crate) outputs: BTreeMap<String, Output>,
    pub(crate) runs: Runs,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    pub(crate) description: String,
    pub(crate) default: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Output {
    pub(crate) description: String,
    pub(crate) value: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Runs {
    using: String,
    pub(crate) steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    pub(crate) name: String,
    id: Option<String>,
    #[serde(rename = "if")]
    condition: Option<String>,
    shell: Option<String>,
    pub(crate) run: Option<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    pub(crate) uses: Option<String>,
    #[serde(default)]
    with: BTreeMap<String, String>,
}

impl Action {
    /// Ours.
    pub(crate) fn read() -> Action {
        let text = fs::read_to_string(root().join("action.yml")).unwrap();
        let action: Action = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(action.runs.using, "composite");
        action
    }
}

/// A job that uses the action, on a machine of its own.
pub(super) struct Job {
    machine: TempDir,
    env: BTreeMap<String, String>,
}

/// The result of the action.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Its outputs.
    pub(super) outputs: BTreeMap<String, String>,
    /// Log with the output of the steps.
    pub(super) log: String,
    /// The step that failed, and with which code.
    pub(super) failed: Option<(String, i32)>,
    /// Job summary.
    pub(super) summary: String,
    /// Steps that would use another action, by name, with what they would be given.
    pub(super) used: BTreeMap<String, BTreeMap<String, String>>,
    /// Docker's configuration as the last of these would find it.
    pub(super) login_of_others: String,
    /// Outputs of the steps, by their ids.
    pub(super) steps: BTreeMap<String, BTreeMap<String, String>>,
}

impl Outcome {
    #[track_caller]
    pub(super) fn success(self) -> Outcome {
        assert_eq!(self.failed, None, "{}", self.log);
        self
    }

    /// An output of the action.
    #[track_caller]
    pub(super) fn output(&self, name: &str) -> &str {
        self.outputs.get(name).unwrap_or_else(|| panic!("there is no output {name}"))
    }

    /// Returns the inputs of a step that uses another action.
    #[track_caller]
    pub(super) fn given(&self, step: &str) -> &BTreeMap<String, String> {
        self.used
            .get(step)
            .unwrap_or_else(|| panic!("`{step}` did not run: {:?}", self.used.keys()))
    }
}

impl Job {
    /// A job on a machine that has our programs.
    pub(super) fn new() -> Job {
        let ours = program("wasm-oci");
        Job::without_programs().with_path(ours.parent().unwrap())
    }

    /// The same on one that doesn't.
    pub(super) fn without_programs() -> Job {
        let machine = tempfile::Builder::new().prefix("runner-").tempdir().unwrap();
        let at = |name: &str| {
            let path = machine.path().join(name);
            fs::create_dir(&path).unwrap();
            path.to_str().unwrap().to_owned()
        };
        // The workflow's own variables are no part of this; those of cargo and rustup say where they are installed.
        let inherited = ["PATH", "LANG", "CARGO_HOME", "TMPDIR"];
        let mut env: BTreeMap<String, String> = inherited
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
            .collect();
        let cargo_home = env
            .get("CARGO_HOME")
            .cloned()
            .unwrap_or_else(|| format!("{}/.cargo", std::env::var("HOME").unwrap()));
        let more = [
            ("CARGO_HOME", cargo_home),
            ("RUSTUP_HOME", rustup_home().to_str().unwrap().to_owned()),
            ("HOME", at("home")),
            ("RUNNER_TEMP", at("temp")),
            ("RUNNER_TOOL_CACHE", at("tools")),
            ("RUNNER_OS", "Linux".to_owned()),
            ("RUNNER_ARCH", if cfg!(target_arch = "aarch64") { "ARM64" } else { "X64" }.to_owned()),
            ("GITHUB_WORKSPACE", at("workspace")),
            ("GITHUB_ACTION_PATH", root().to_str().unwrap().to_owned()),
            ("GITHUB_JOB", "image".to_owned()),
            ("GITHUB_SERVER_URL", "file:///nowhere".to_owned()),
            ("CARGO_TARGET_DIR", at("target")),
            ("WASM_OCI_CACHE_DIR", lasting("cache").to_str().unwrap().to_owned()),
        ];
        env.extend(more.map(|(name, value)| (name.to_owned(), value)));
        Job { machine, env }
    }

    /// With a folder in front of the path.
    pub(super) fn with_path(mut self, folder: &Path) -> Job {
        let path = format!("{}:{}", folder.display(), self.env["PATH"]);
        self.env.insert("PATH".to_owned(), path);
        self
    }

    /// With a variable that the workflow sets.
    pub(super) fn with_env(mut self, name: &str, value: impl ToString) -> Job {
        self.env.insert(name.to_owned(), value.to_string());
        self
    }

    /// A folder on the machine: `home`, `temp`, `workspace`.
    pub(super) fn folder(&self, name: &str) -> PathBuf {
        self.machine.path().join(name)
    }

    /// Uses the action with these inputs.
    pub(super) fn run(&self, inputs: &[(&str, &str)]) -> Outcome {
        self.run_until(inputs, "")
    }

    /// The same, and ends before the step `last`.
    pub(super) fn run_until(&self, inputs: &[(&str, &str)], last: &str) -> Outcome {
        let action = Action::read();
        for (name, _) in inputs {
            assert!(action.inputs.contains_key(*name), "the action has no input {name}");
        }
        let state = RefCell::new(Outcome::default());
        let value = |name: &str| lookup(name, &action, inputs, &self.env, &state.borrow());
        let mut env = self.env.clone();
        for step in action.runs.steps.iter().take_while(|step| step.name != last) {
            let succeeded = state.borrow().failed.is_none();
            if !runs(step.condition.as_deref(), succeeded, &value) {
                continue;
            }
            let rendered = |map: &BTreeMap<String, String>| {
                map.iter()
                    .map(|(name, text)| (name.clone(), render(text, &value)))
                    .collect::<BTreeMap<_, _>>()
            };
            if step.uses.is_some() {
                let (with, own) = (rendered(&step.with), rendered(&step.env));
                self.look(&own, &mut state.borrow_mut());
                state.borrow_mut().used.insert(step.name.clone(), with);
                continue;
            }
            let done = self.run_step(step, &rendered(&step.env), &mut env);
            done.record(step, &mut state.borrow_mut());
        }
        let outputs = action.outputs.iter();
        let outputs = match state.borrow().failed {
            None if last.is_empty() => {
                outputs.map(|(name, it)| (name.clone(), render(&it.value, &value))).collect()
            }
            _ => BTreeMap::new(),
        };
        let outcome = state.into_inner();
        Outcome { outputs, ..outcome }
    }

    /// Notes the login that another action finds: `actions/attest` reads it in the home folder.
    fn look(&self, env: &BTreeMap<String, String>, outcome: &mut Outcome) {
        let home = env.get("HOME").unwrap_or(&self.env["HOME"]);
        let config = Path::new(home).join(".docker/config.json");
        outcome.login_of_others = fs::read_to_string(config).unwrap_or_default();
    }

    fn run_step(
        &self,
        step: &Step,
        own: &BTreeMap<String, String>,
        env: &mut BTreeMap<String, String>,
    ) -> Done {
        assert_eq!(step.shell.as_deref(), Some("bash"), "{}", step.name);
        let script = step.run.as_deref().unwrap();
        assert!(!script.contains("${{"), "{}: an input would be code", step.name);
        let files = tempfile::tempdir_in(self.machine.path()).unwrap();
        let file = |name: &str| {
            let path = files.path().join(name);
            fs::write(&path, "").unwrap();
            path
        };
        let names = ["GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_ENV", "GITHUB_STEP_SUMMARY"];
        let [output, path, variables, summary] = names.map(file);
        fs::write(files.path().join("script.sh"), script).unwrap();
        // As the runner starts it.
        let mut command = Command::new("bash");
        command
            .args(["--noprofile", "--norc", "-eo", "pipefail"])
            .arg(files.path().join("script.sh"));
        command.env_clear().envs(&*env).envs(own).current_dir(self.folder("workspace"));
        command.envs(names.iter().zip([&output, &path, &variables, &summary]));
        let run = Run::of(&mut command);
        for folder in fs::read_to_string(path).unwrap().lines() {
            let longer = format!("{folder}:{}", env["PATH"]);
            env.insert("PATH".to_owned(), longer);
        }
        env.extend(assignments(&fs::read_to_string(variables).unwrap()));
        Done {
            outputs: assignments(&fs::read_to_string(output).unwrap()),
            summary: fs::read_to_string(summary).unwrap(),
            run,
        }
    }
}

/// The result of a step.
struct Done {
    run: Run,
    outputs: BTreeMap<String, String>,
    summary: String,
}

impl Done {
    fn record(self, step: &Step, outcome: &mut Outcome) {
        outcome.log += &format!("{}{}", self.run.stdout, self.run.stderr);
        outcome.summary += &self.summary;
        if self.run.code != 0 && outcome.failed.is_none() {
            outcome.failed = Some((step.name.clone(), self.run.code));
        }
        if let Some(id) = &step.id {
            outcome.steps.insert(id.clone(), self.outputs);
        } else {
            assert!(self.outputs.is_empty(), "`{}` has outputs and no id", step.name);
        }
    }
}

/// `NAME=VALUE` on a line, or lines between `NAME<<END` and `END`.
fn assignments(text: &str) -> BTreeMap<String, String> {
    let mut lines = text.lines();
    let mut found = BTreeMap::new();
    while let Some(line) = lines.next() {
        if let Some((name, end)) = line.split_once("<<") {
            let value: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
            found.insert(name.to_owned(), value.join("\n"));
        } else {
            let (name, value) = line.split_once('=').unwrap();
            found.insert(name.to_owned(), value.to_owned());
        }
    }
    found
}

/// Returns the value of a name in an expression.
fn lookup(
    name: &str,
    action: &Action,
    inputs: &[(&str, &str)],
    env: &BTreeMap<String, String>,
    outcome: &Outcome,
) -> String {
    let parts: Vec<&str> = name.split('.').collect();
    match parts.as_slice() {
        ["inputs", input] => {
            let default =
                &action.inputs.get(*input).unwrap_or_else(|| panic!("no input {input}")).default;
            let given = inputs.iter().find(|(given, _)| given == input);
            given.map_or(default.clone(), |(_, value)| (*value).to_owned())
        }
        ["steps", id, "outputs", output] => {
            let known = action.runs.steps.iter().any(|step| step.id.as_deref() == Some(id));
            assert!(known, "no step has the id {id}");
            // A step that did not run has no outputs, which is no error; one that did has all of them.
            let Some(outputs) = outcome.steps.get(*id) else { return String::new() };
            let found = outputs.get(*output).cloned();
            match &outcome.failed {
                Some(_) => found.unwrap_or_default(),
                None => found.unwrap_or_else(|| panic!("the step {id} has no output {output}")),
            }
        }
        ["github", "token"] => env.get("TEST_TOKEN").cloned().unwrap_or_default(),
        ["github", "action_ref"] => env.get("TEST_ACTION_REF").cloned().unwrap_or_default(),
        ["github", "action_repository"] => {
            env.get("TEST_ACTION_REPOSITORY").cloned().unwrap_or_default()
        }
        _ => panic!("`{name}` is not known here"),
    }
}
