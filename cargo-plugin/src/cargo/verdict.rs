//! cargo's own verdict that there is nothing to build, kept so that it needn't be asked again.
//!
//! A `cargo build` that has nothing to do takes some tens of milliseconds. It is not started where its answer is known.
//! What has to be built is never worked out here: cargo does that, and this only tells whether it would say the same
//! again. The argument, in full:
//!
//! 1. A build ends well. Then the state of all that cargo goes by is written down ([`inputs`](crate::cargo::inputs)), as *unconfirmed*: the
//!    build may have had warnings, which cargo shows again at every build, or files may have changed meanwhile.
//! 2. At the next build all is still in that state. cargo is started, and listened to. It says that each unit is fresh,
//!    and nothing besides. Afterwards the state is the same again, and all of it is older than the clock's tick, so that
//!    no change while cargo ran can have gone unseen. Now it is certain that cargo has nothing to do or to say *in this
//!    state*, and the record is *confirmed*.
//! 3. At any later build in that state cargo would say so again, and is not started.
//!
//! The state is
//!
//! - the command that would be run: program, arguments, folder and every variable, ours and the user's;
//! - each file that cargo or rustc read, is or may be told of by a build script, or would look for in vain; each of the
//!   files that were built; the names in each folder in which cargo looks for targets and members.
//!
//! A file's state is its times, length and number, and not only the time that programs can set ([`FileState`]). Where
//! something is in play of which it is not certain what cargo goes by, there is no record ([`is_ordinary`](crate::cargo::inputs::is_ordinary)). That
//! costs no more than the time that it took before.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use fs_err as fs;
use serde::{Deserialize, Serialize};
use wasm_oci_app::files::write;
use wasm_oci_core::image::{Digest, Digester};

use crate::cargo::{
    file_state::FileState,
    inputs::{Folder, Inputs},
    project::TargetKind,
};

/// How many commands have a record before all are forgotten.
const LIMIT: usize = 64;

/// What is known of a command.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    command: Digest,
    inputs: Inputs,
    modules: Vec<Module>,
    /// Whether cargo has said that there is nothing to do in this state, and nothing else.
    confirmed: bool,
}

/// A module that the command has made, and the target that it was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// Cargo's identifier of the package.
    pub package_id: String,
    /// What the target is.
    pub kind: TargetKind,
    /// The target's name.
    pub target: String,
    /// The module.
    pub wasm: PathBuf,
}

impl Verdict {
    /// What is known of `command`.
    pub fn recall(command: Digest, target_dir: &Path) -> Option<Self> {
        let text = std::fs::read(file(target_dir, command)).ok()?;
        serde_json::from_slice(&text).ok().filter(|verdict: &Self| verdict.command == command)
    }

    /// What a build by `command` has left, not yet confirmed.
    pub fn new(command: Digest, inputs: Inputs, mut modules: Vec<Module>) -> Self {
        modules.sort_by(|a, b| a.wasm.cmp(&b.wasm));
        Self { command, inputs, modules, confirmed: false }
    }

    /// Whether cargo needn't be asked, as long as [`Verdict::holds`].
    pub fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// Whether all is still in the state that it was in.
    pub fn holds(&self) -> bool {
        self.inputs.files.iter().all(FileState::is_current)
            && self.inputs.folders.iter().all(Folder::is_current)
    }

    /// Cargo, started at `start` when all was as in `before`, has found nothing to do and said nothing else: that is
    /// confirmed, if nothing has changed since, and could not have without a trace.
    #[must_use]
    pub fn confirmed(self, before: &Self, start: SystemTime) -> Self {
        let is_same = self.inputs == before.inputs && self.modules == before.modules;
        let is_settled = self.inputs.files.iter().all(|file| file.is_settled(start));
        Self { confirmed: is_same && is_settled, ..self }
    }

    /// The modules.
    pub fn modules(&self) -> &[Module] {
        &self.modules
    }

    /// Writes it. In a folder that can't be written, cargo is just asked again.
    pub fn keep(&self, target_dir: &Path) {
        self.write(target_dir).ok();
    }

    fn write(&self, target_dir: &Path) -> io::Result<()> {
        let folder = folder(target_dir);
        if std::fs::read_dir(&folder).is_ok_and(|files| files.count() >= LIMIT) {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        write(&file(target_dir, self.command), &serde_json::to_vec(self)?).map_err(io::Error::other)
    }
}

/// All that a command is: program, arguments, folder, and the variables that it was given one by one. The digest doesn't
/// show them, as there are secrets among them.
pub fn digest(command: &Command) -> Digest {
    let mut digester = Digester::default();
    let mut add = |text: Option<&OsStr>| {
        let bytes = text.map(OsStr::as_encoded_bytes);
        // Nothing is no empty text, and where one text ends is not for its content to say.
        digester.update(&bytes.map_or(u64::MAX, |bytes| bytes.len() as u64).to_le_bytes());
        digester.update(bytes.unwrap_or_default());
    };
    add(Some(OsStr::new(env!("CARGO_PKG_VERSION"))));
    add(Some(command.get_program()));
    add(command.get_current_dir().map(Path::as_os_str));
    command.get_args().for_each(|arg| add(Some(arg)));
    add(None);
    for (name, value) in command.get_envs() {
        add(Some(name));
        add(value);
    }
    digester.finish()
}

/// Whether all that cargo said, without colours, is that it is done. That it had to wait for another cargo says nothing of
/// this build.
pub fn is_nothing_but_finished(said: &str) -> bool {
    let is_waiting =
        |line: &&str| line.trim_start().starts_with("Blocking waiting for file lock on ");
    let mut lines = said.lines().skip_while(is_waiting);
    lines.next().is_none_or(|line| line.trim_start().starts_with("Finished `"))
        && lines.next().is_none()
}

fn folder(target_dir: &Path) -> PathBuf {
    target_dir.join("wasm-oci/.verdicts")
}

fn file(target_dir: &Path, command: Digest) -> PathBuf {
    folder(target_dir).join(format!("{}.json", command.hex()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(args: &[&str], vars: &[(&str, &str)]) -> Digest {
        let mut command = Command::new("cargo");
        digest(command.env_clear().args(args).envs(vars.iter().copied()).current_dir("/w"))
    }

    #[test]
    fn commands_are_told_apart() {
        let all = [
            of(&["a", "b"], &[]),
            of(&["ab"], &[]),
            of(&["a", "b", ""], &[]),
            of(&["b", "a"], &[]),
            of(&["a"], &[("b", "")]),
            of(&["a"], &[("b", "c")]),
            of(&["a"], &[("bc", "")]),
            of(&["a", "b"], &[("c", "d")]),
        ];
        for (n, one) in all.iter().enumerate() {
            assert!(!all[..n].contains(one), "{n}");
        }
        assert_eq!(of(&["a"], &[("b", "c"), ("d", "e")]), of(&["a"], &[("d", "e"), ("b", "c")]));
    }

    #[test]
    fn only_the_end_is_nothing() {
        let finished = "    Finished `release` profile [optimized] target(s) in 0.01s\n";
        assert!(is_nothing_but_finished(""));
        assert!(is_nothing_but_finished(finished));
        let waiting = "    Blocking waiting for file lock on package cache\n";
        assert!(is_nothing_but_finished(waiting));
        assert!(is_nothing_but_finished(&format!("{waiting}{waiting}{finished}")));
        for said in [
            "warning: Finished `release`\n",
            "warning: app@0.1.0: Finished `x`\n",
            &format!("warning: unused\n{finished}"),
            &format!("   Compiling app v0.1.0 (/w)\n{finished}"),
            &format!(
                "{finished}warning: the following packages contain code that will be rejected\n"
            ),
            "\n\n",
            &format!("{waiting}   Compiling app v0.1.0 (/w)\n{finished}"),
        ] {
            assert!(!is_nothing_but_finished(said), "{said}");
        }
    }
}
