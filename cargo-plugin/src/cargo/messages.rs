//! What cargo tells of a build, in its `--message-format json-render-diagnostics`.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, ExitStatus},
};

use cargo_metadata::{Artifact, Message};

use crate::cargo::{build::Event, error::Error, project::TargetKind};

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
    /// The `OUT_DIR` of each build script that ended well.
    pub out_dirs: Vec<PathBuf>,
}

impl Messages {
    /// Reads until cargo is done.
    pub fn read(mut child: Child, observe: &mut dyn FnMut(Event<'_>)) -> Result<Self, Error> {
        let (mut modules, mut out_dirs) = (Modules::new(), Vec::new());
        for line in child.stdout.take().into_iter().flat_map(|it| BufReader::new(it).lines()) {
            let line = line.map_err(Error::OutputUnreadable)?;
            match serde_json::from_str(&line) {
                Ok(Message::CompilerArtifact(artifact)) => modules.extend(module(artifact)),
                Ok(Message::BuildScriptExecuted(script)) => out_dirs.push(script.out_dir.into()),
                // A line of another kind, or of a newer cargo.
                Ok(_) | Err(_) => {}
            }
            observe(Event::CargoMessage(&line));
        }
        let status = child.wait().map_err(Error::OutputUnreadable)?;
        Ok(Self { status, modules, out_dirs })
    }
}

/// The module among what cargo has built. A bin's is the executable, a library's is among other files.
fn module(artifact: Artifact) -> Option<(TargetId, (PathBuf, bool))> {
    let kind = TargetKind::of(&artifact.target)?;
    let wasm = artifact.filenames.into_iter().find(|path| path.extension() == Some("wasm"))?;
    Some(((artifact.package_id.repr, kind, artifact.target.name), (wasm.into(), artifact.fresh)))
}
