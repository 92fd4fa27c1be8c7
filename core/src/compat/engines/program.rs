//! The program of an image: its command, and what its layers hold.

use crate::error::error_chain;
use crate::image::extract::is_bare;
use crate::image::{Blob, Error, Manifest, MediaType, Start, is_tar};
use crate::limits::Budget;
use crate::module::{BuiltModule, Kind, Report, ValidateOptions, validate};
use crate::trace::OrTrace;

/// The program that a manifest starts.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) command: Command,
    pub(super) content: Content,
    /// True if there are files next to the module.
    pub(super) has_files: bool,
    pub(super) start: Start,
}

/// Kind of a layer, by its media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LayerKind {
    Tar,
    Wasm,
    /// A bare module under a type that is known to one tool only.
    OtherWasm,
    Other,
}

/// The command in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Missing,
    Elsewhere,
    Present,
    /// A file and, as runwasi allows, an export to call instead of `_start`: `/app.wasm#name`.
    PresentWithExport,
}

/// The content of the entrypoint.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Wasm {
        kind: Kind,
        report: Option<Box<Report>>,
    },
    Precompiled,
    /// A runner with the module's compiled code, which starts without a Wasm runtime.
    Native,
    /// Not WebAssembly, or not valid.
    NotWasm(String),
    Nothing(String),
    /// A layer that no engine unpacks, so that nobody gets to the module.
    BrokenLayer(String),
    // Engines may be able to unpack a layer that we can't, so a missing entrypoint proves nothing.
    Unknown,
}

/// Returns the program of a manifest, as far as it can be read.
pub(super) fn program(
    manifest: &Manifest,
    budget: &Budget,
    files_budget: &Budget,
) -> Result<Program, Error> {
    let is_known = |layer: &Blob| !matches!(layer_kind(layer), LayerKind::Other);
    let without = |is_there, content| {
        let command = command(manifest, is_there);
        Ok(Program { command, content, has_files: false, start: Start::default() })
    };
    if manifest.is_native() {
        let native = manifest.native_program(budget);
        budget.release();
        return match native {
            Ok((_, has_files)) => {
                let (command, content) = (Command::Present, Content::Native);
                Ok(Program { command, content, has_files, start: Start::default() })
            }
            Err(error @ Error::OverLimit(_)) => Err(error),
            Err(Error::Layer { reason }) => without(true, Content::BrokenLayer(reason)),
            Err(error) => without(true, Content::Nothing(error_chain(&error))),
        };
    }
    let program = match manifest.program(budget) {
        Ok(program) => program,
        // A limit of ours is not a property of the image: the user can raise it.
        Err(error @ Error::OverLimit(_)) => return Err(error),
        Err(error @ Error::SpinApplication { .. }) => {
            return without(false, Content::Nothing(error.to_string()));
        }
        Err(_) if !manifest.layers().iter().all(is_known) => {
            return without(true, Content::Unknown);
        }
        Err(Error::NoModule { reason }) => return without(false, Content::Nothing(reason)),
        Err(Error::Layer { reason }) => return without(true, Content::BrokenLayer(reason)),
        Err(error) => return without(false, Content::Nothing(error_chain(&error))),
    };
    // Only one program is in memory at a time.
    budget.release();
    let has_files =
        program.has_other_files.map_or_else(|| manifest.has_other_files(files_budget), Ok);
    let facts = has_files.and_then(|it| Ok((it, manifest.start(files_budget)?)));
    let (has_files, start) = match facts {
        Err(Error::Layer { reason }) if manifest.layers().iter().all(is_known) => {
            return without(true, Content::BrokenLayer(reason));
        }
        facts => facts.or_trace("look for files in layers").unwrap_or_default(),
    };
    Ok(Program {
        command: command(manifest, program.is_named),
        content: content(&manifest.module_name(), program.bytes),
        has_files,
        start,
    })
}

fn command(manifest: &Manifest, is_there: bool) -> Command {
    match manifest.config().command().next() {
        None | Some("") => Command::Missing,
        Some(word) if is_there && word.contains('#') => Command::PresentWithExport,
        Some(_) if is_there => Command::Present,
        Some(_) => Command::Elsewhere,
    }
}

fn content(name: &str, bytes: Vec<u8>) -> Content {
    if is_precompiled(&bytes) {
        return Content::Precompiled;
    }
    let module = match BuiltModule::new(name, bytes) {
        Ok(module) => module,
        Err(error) => return Content::NotWasm(error_chain(&error)),
    };
    // Other tools' modules may import more than WASI, which is a rule for what we build.
    match validate(module.unoptimized(), &ValidateOptions::any_import()) {
        Ok(valid) => {
            let report = valid.report().clone();
            Content::Wasm { kind: report.kind, report: Some(Box::new(report)) }
        }
        Err(error) => Content::NotWasm(error_chain(&error)),
    }
}

// `wasmtime compile` writes an ELF file with an OS ABI of its own: `ELFOSABI_WASMTIME` in wasmtime-environ.
fn is_precompiled(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF") && bytes.get(7) == Some(&200)
}

pub(super) fn layer_kind(layer: &Blob) -> LayerKind {
    match &layer.descriptor().media_type {
        MediaType::Wasm => LayerKind::Wasm,
        media_type if is_tar(media_type) => LayerKind::Tar,
        _ if is_bare(layer) => LayerKind::OtherWasm,
        _ => LayerKind::Other,
    }
}
