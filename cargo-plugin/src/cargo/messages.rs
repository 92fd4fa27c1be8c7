//! What cargo tells of a build, in its `--message-format json-render-diagnostics`.

use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader},
    path::PathBuf,
    process::{Child, ChildStderr, ChildStdout, ExitStatus},
    thread,
};

use cargo_metadata::{Artifact, Message};

use crate::cargo::{
    build::Event,
    error::Error,
    inputs::{Script, Unit},
    project::TargetKind,
    verdict,
};

/// A target, as cargo names it.
pub type TargetId = (String, TargetKind, String);

/// Where the modules of targets are, and whether they were there already.
pub type Modules = HashMap<TargetId, (PathBuf, bool)>;

/// What cargo said of a build.
pub struct Messages {
    /// How it ended.
    pub status: ExitStatus,
    /// The modules that it made.
    pub modules: Modules,
    /// Everything that was built, or was there already.
    pub units: Vec<Unit>,
    /// The build scripts that ended well.
    pub scripts: Vec<Script>,
    /// All of it was there already.
    pub is_fresh: bool,
    /// Cargo was heard, and had nothing to say to the user.
    pub said_nothing: bool,
}

impl Messages {
    /// Reads until cargo is done.
    pub fn read(mut child: Child, observe: &mut dyn FnMut(Event<'_>)) -> Result<Self, Error> {
        let mut messages = Self {
            status: ExitStatus::default(),
            modules: Modules::new(),
            units: Vec::new(),
            scripts: Vec::new(),
            is_fresh: true,
            said_nothing: false,
        };
        match (child.stdout.take(), child.stderr.take()) {
            (Some(stdout), None) => {
                for line in BufReader::new(stdout).lines() {
                    messages.add(&line.map_err(Error::OutputUnreadable)?, observe);
                }
            }
            (Some(stdout), Some(stderr)) => {
                let (lines, said) =
                    heard(stdout, stderr, observe).map_err(Error::OutputUnreadable)?;
                lines.lines().for_each(|line| messages.add(line, observe));
                messages.said_nothing = verdict::is_nothing_but_finished(&said);
            }
            _ => {}
        }
        messages.status = child.wait().map_err(Error::OutputUnreadable)?;
        Ok(messages)
    }

    fn add(&mut self, line: &str, observe: &mut dyn FnMut(Event<'_>)) {
        match serde_json::from_str(line) {
            Ok(Message::CompilerArtifact(artifact)) => {
                self.is_fresh &= artifact.fresh;
                self.units.push(unit(&artifact));
                self.modules.extend(module(artifact));
            }
            Ok(Message::BuildScriptExecuted(script)) => self.scripts.push(Script {
                package_id: script.package_id.repr,
                out_dir: script.out_dir.into(),
            }),
            Ok(_) => {}
            // There may be more than is known of.
            Err(_) => self.is_fresh = false,
        }
        observe(Event::CargoMessage(line));
    }
}

/// All that cargo writes to stdout, and all that it says on stderr, without colours. Its lines are told as they come.
fn heard(
    stdout: ChildStdout,
    stderr: ChildStderr,
    observe: &mut dyn FnMut(Event<'_>),
) -> io::Result<(String, String)> {
    let lines = thread::spawn(move || io::read_to_string(stdout));
    let (mut said, mut stderr) = (Vec::new(), BufReader::new(stderr));
    loop {
        let start = said.len();
        if stderr.read_until(b'\n', &mut said)? == 0 {
            break;
        }
        observe(Event::CargoSaid(&said[start..]));
    }
    let lines = lines.join().map_err(|_| io::Error::other("it could not be read"))??;
    Ok((lines, anstream::adapter::strip_str(&String::from_utf8_lossy(&said)).to_string()))
}

fn unit(artifact: &Artifact) -> Unit {
    Unit {
        package_id: artifact.package_id.repr.clone(),
        manifest: artifact.manifest_path.clone().into(),
        files: artifact.filenames.iter().map(|file| file.clone().into()).collect(),
    }
}

/// The module among what cargo has built. A bin's is the executable, a library's is among other files.
fn module(artifact: Artifact) -> Option<(TargetId, (PathBuf, bool))> {
    let kind = TargetKind::of(&artifact.target)?;
    let wasm = artifact.filenames.into_iter().find(|path| path.extension() == Some("wasm"))?;
    Some(((artifact.package_id.repr, kind, artifact.target.name), (wasm.into(), artifact.fresh)))
}
