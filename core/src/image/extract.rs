//! From an image back to its module.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::{Blob, Error, IncludedFile, Manifest, MediaType};
use crate::module::BuiltModule;

/// The most that is unpacked in the search for a module, in bytes, so that a small layer that unpacks without
/// end is refused. The largest modules that we know of have some tens of megabytes.
const MAX_UNPACKED: u64 = 1 << 30;

/// Layer types that are a bare module: ours, which is wkg's, that of runwasi's builder, and those of Envoy, and of
/// Kubewarden and Spin.
const BARE: [&str; 4] = [
    "application/wasm",
    "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm",
    "application/vnd.module.wasm.content.layer.v1+wasm",
    "application/vnd.wasm.content.layer.v1+wasm",
];

impl Manifest {
    /// The module that the image starts: its bare layer, else the file that the command names, else the only
    /// `.wasm` file.
    ///
    /// # Errors
    /// [`Error::NoModule`] when there is none, or when a layer's format is not one that we read.
    pub fn module(&self) -> Result<BuiltModule, Error> {
        let Program { bytes, .. } = self.program()?;
        BuiltModule::new(&self.module_name(), bytes).map_err(|e| no_module(e.to_string()))
    }

    /// The same, whatever it is.
    ///
    /// # Errors
    /// As [`Manifest::module`].
    pub(crate) fn program(&self) -> Result<Program, Error> {
        match self.layers().iter().find(|layer| is_bare(layer)) {
            Some(layer) => Ok(Program { bytes: layer.bytes()?.to_vec(), is_named: true }),
            None => self.unpack(),
        }
    }

    /// What the module is called: by the command, else `module.wasm`.
    #[must_use]
    pub fn module_name(&self) -> String {
        let name = self.module_path().rsplit('/').next().unwrap_or_default();
        if name.is_empty() { "module.wasm".to_owned() } else { name.to_owned() }
    }

    /// The path in the image that the command starts with, without the `#function` that runwasi allows after it.
    fn module_path(&self) -> &str {
        let path = self.config().command().next().unwrap_or_default();
        path.split_once('#').map_or(path, |(path, _)| path).trim_start_matches('/')
    }

    fn unpack(&self) -> Result<Program, Error> {
        let wanted = self.module_path();
        let mut others = Vec::new();
        for layer in self.layers().iter().rev() {
            for file in files(layer, |path| path == wanted || path.ends_with(".wasm"))? {
                if file.path == wanted {
                    return Ok(Program { bytes: file.bytes, is_named: true });
                }
                others.push(file);
            }
        }
        let found: Vec<&str> = others.iter().map(|file| file.path.as_str()).collect();
        match found.as_slice() {
            [_] => Ok(Program { bytes: others.swap_remove(0).bytes, is_named: false }),
            [] => Err(no_module(format!("no layer has `/{wanted}` or another .wasm file"))),
            several => {
                Err(no_module(format!("the command `{wanted}` is none of {}", several.join(", "))))
            }
        }
    }

    /// The other files of the image, those of upper layers over those of lower ones.
    ///
    /// # Errors
    /// [`Error::NoModule`] when a layer can't be unpacked, [`Error::InvalidInclude`] when a file lies outside of
    /// the image.
    pub fn included(&self) -> Result<Vec<IncludedFile>, Error> {
        let mut included = BTreeMap::new();
        for layer in self.layers().iter().filter(|layer| !is_bare(layer)) {
            for file in files(layer, |path| path != self.module_path())? {
                included.insert(file.path.clone(), IncludedFile::new(&file.path, file.bytes)?);
            }
        }
        Ok(included.into_values().collect())
    }
}

/// What an image starts.
pub(crate) struct Program {
    /// Its file.
    pub(crate) bytes: Vec<u8>,
    /// Whether it is what the command names: a bare layer needs no path.
    pub(crate) is_named: bool,
}

/// Whether a layer is a bare module.
pub(crate) fn is_bare(layer: &Blob) -> bool {
    BARE.contains(&layer.descriptor().media_type.as_str())
}

struct File {
    path: String,
    bytes: Vec<u8>,
}

/// The regular files of a tar layer whose paths are `wanted`.
fn files(layer: &Blob, wanted: impl Fn(&str) -> bool) -> Result<Vec<File>, Error> {
    let unreadable = |e: io::Error| no_module(format!("a layer can't be unpacked: {e}"));
    // umoci leaves out the padding of the last file and the end of the archive, and other readers don't mind.
    let end = io::repeat(0).take(1024);
    let mut archive = tar::Archive::new(unpacked(layer)?.take(MAX_UNPACKED).chain(end));
    let mut files = Vec::new();
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let path = entry.path().map_err(unreadable)?.to_string_lossy().into_owned();
        let path = path.trim_start_matches("./").trim_start_matches('/').to_owned();
        if entry.header().entry_type().is_file() && wanted(&path) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(unreadable)?;
            files.push(File { path, bytes });
        }
    }
    Ok(files)
}

fn unpacked(layer: &Blob) -> Result<Box<dyn Read>, Error> {
    let reader = layer.reader()?;
    match &layer.descriptor().media_type {
        MediaType::ImageLayer | MediaType::DockerLayer => Ok(reader),
        MediaType::ImageLayerGzip | MediaType::DockerLayerGzip => {
            Ok(Box::new(flate2::read::MultiGzDecoder::new(reader)))
        }
        other => Err(no_module(format!("layers of the type {other} can't be unpacked"))),
    }
}

fn no_module(reason: String) -> Error {
    Error::NoModule { reason }
}
