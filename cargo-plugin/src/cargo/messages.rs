//! cargo's messages about a build, in `--message-format json-render-diagnostics`.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};

use cargo_metadata::{Artifact, Message};
use wasm_oci_app::config::target::WasiTarget;

use crate::cargo::error::Error;
use crate::cargo::project::{TargetKind, is_program};

/// A target, as cargo names it.
pub type TargetId = (String, TargetKind, String);

/// The module that a target was built into.
#[derive(Debug, Clone)]
pub struct Module {
    pub wasm: PathBuf,
    /// True if cargo had nothing to do for it.
    pub fresh: bool,
    /// True for a library.
    is_library: bool,
}

impl Module {
    /// Returns true if cargo may have written the other module into the same file.
    pub fn may_overwrite(&self, other: &Module) -> bool {
        // Some file systems ignore case.
        let text = |path: &Path| path.to_string_lossy().to_lowercase();
        let name = |module: &Module| module.wasm.file_name().map(|name| text(Path::new(name)));
        // The intermediate file of a library has the same name as its module, wherever that is.
        let is_same_name = self.is_library && other.is_library && name(self) == name(other);
        is_same_name || text(&self.wasm) == text(&other.wasm)
    }
}

pub type Modules = HashMap<TargetId, Module>;

/// Progress of a build.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// `command` starts to install the standard library for `target`.
    InstallingTarget { target: WasiTarget, command: &'a str },
    /// The build is not quite what the user may expect.
    Warning(&'a str),
    /// A name is written in another way, as the text says.
    Renamed(&'a str),
    /// cargo has started to build. A build with outdated cached metadata starts it a second time.
    Building,
    /// One line of cargo's standard output, in its `--message-format json`.
    CargoMessage(&'a str),
}

/// Summary of a build's messages.
pub struct Messages {
    pub status: ExitStatus,
    pub modules: Modules,
    /// `OUT_DIR` of each build script that succeeded.
    pub out_dirs: Vec<PathBuf>,
}

impl Messages {
    /// Reads messages until cargo ends.
    pub fn read(mut child: Child, observe: &mut dyn FnMut(Event<'_>)) -> Result<Messages, Error> {
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
        Ok(Messages { status, modules, out_dirs })
    }
}

fn module(artifact: Artifact) -> Option<(TargetId, Module)> {
    let kind = TargetKind::of(&artifact.target)?;
    // A library has other files, too, such as an `.rlib`.
    let wasm = artifact.filenames.into_iter().find(|path| path.extension() == Some("wasm"))?;
    let is_library = !is_program(&artifact.target);
    let module = Module { wasm: wasm.into(), fresh: artifact.fresh, is_library };
    Some(((artifact.package_id.repr, kind, artifact.target.name), module))
}
