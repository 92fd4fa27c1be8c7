//! Extraction of the module and other files from an image.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, Read};

use super::tar_bounds::TarBounds;
use super::{Blob, Error, IncludedFile, Manifest, MediaType};
use crate::limits::Budget;
use crate::module::BuiltModule;
use crate::trace::OrTrace;

/// Media types of layers that are bare modules.
const BARE: [&str; 4] = [
    // The CNCF's type, which wkg uses, too.
    "application/wasm",
    // runwasi's builder.
    "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm",
    // Envoy.
    "application/vnd.module.wasm.content.layer.v1+wasm",
    // Kubewarden and Spin.
    "application/vnd.wasm.content.layer.v1+wasm",
];

impl Manifest {
    /// Returns the module that the image starts: its bare layer, otherwise the file that the command names, otherwise
    /// the only `.wasm` file.
    ///
    /// # Errors
    /// [`Error::NoModule`] when there is none, or when we can't read the format of a layer; [`Error::OverLimit`] when the
    /// layers unpack to more than the store's [`ReadLimits`](crate::limits::ReadLimits) allow.
    pub fn module(&self) -> Result<BuiltModule, Error> {
        let Program { bytes, .. } = self.program(&self.budget())?;
        BuiltModule::new(&self.module_name(), bytes).map_err(|e| no_module(e.to_string()))
    }

    /// Returns what the image starts, which need not be a module.
    ///
    /// # Errors
    /// As [`Manifest::module`].
    pub(crate) fn program(&self, budget: &Budget) -> Result<Program, Error> {
        // First, because runwasi starts the bare layer of an image that also has a tar.
        match self.layers().iter().find(|layer| is_bare(layer)) {
            Some(layer) => {
                budget.hold(layer.descriptor().size)?;
                Ok(Program { bytes: layer.bytes()?.to_vec(), is_named: true })
            }
            None => self.unpack(budget),
        }
    }

    pub(crate) fn budget(&self) -> Budget {
        Budget::new(self.limits)
    }

    /// Returns the file name of the module: that of the command, otherwise `module.wasm`.
    #[must_use]
    pub fn module_name(&self) -> String {
        let name = self.module_path().rsplit('/').next().unwrap_or_default();
        if name.is_empty() { "module.wasm".to_owned() } else { name.to_owned() }
    }

    /// Returns the path of the command in the image, without the `#function` that runwasi allows after it.
    fn module_path(&self) -> &str {
        let path = self.config().command().next().unwrap_or_default();
        path.split_once('#').map_or(path, |(path, _)| path).trim_start_matches('/')
    }

    fn unpack(&self, budget: &Budget) -> Result<Program, Error> {
        let wanted = self.module_path();
        let mut others = Vec::new();
        // From the top: a file of an upper layer replaces one of a lower layer (image-spec, layer.md).
        for layer in self.layers().iter().rev() {
            for file in files(layer, budget, |path| path == wanted || path.ends_with(".wasm"))? {
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

    /// Returns true if the image has files other than its module, without reading them. A layer that can't be unpacked counts
    /// as one that has none.
    pub(crate) fn has_other_files(&self, budget: &Budget) -> bool {
        let (module, found) = (self.module_path(), Cell::new(false));
        // No file is wanted, so none is read.
        let look = |path: &str| {
            found.set(found.get() || path != module);
            false
        };
        for layer in self.layers().iter().filter(|layer| !is_bare(layer)) {
            if found.get() {
                break;
            }
            files(layer, budget, look).or_trace("look for files in a layer");
        }
        found.get()
    }

    /// Returns the other files of the image. Those of upper layers replace those of lower ones.
    ///
    /// # Errors
    /// As [`Manifest::module`], and [`Error::InvalidInclude`] when the path of a file leads out of the image.
    pub fn included(&self) -> Result<Vec<IncludedFile>, Error> {
        let (mut included, budget) = (BTreeMap::new(), self.budget());
        for layer in self.layers().iter().filter(|layer| !is_bare(layer)) {
            for file in files(layer, &budget, |path| path != self.module_path())? {
                included.insert(file.path.clone(), IncludedFile::new(&file.path, file.bytes)?);
            }
        }
        Ok(included.into_values().collect())
    }
}

/// The file that an image starts.
pub(crate) struct Program {
    pub(crate) bytes: Vec<u8>,
    /// True if the command names it. A bare layer needs no path.
    pub(crate) is_named: bool,
}

pub(crate) fn is_bare(layer: &Blob) -> bool {
    BARE.contains(&layer.descriptor().media_type.as_str())
}

struct File {
    path: String,
    bytes: Vec<u8>,
}

/// Reads the regular files of a tar layer whose paths are `wanted`.
fn files(layer: &Blob, budget: &Budget, wanted: impl Fn(&str) -> bool) -> Result<Vec<File>, Error> {
    let bounds = TarBounds::new(budget);
    // umoci omits the padding of the last file and the end of the archive, and other readers accept that.
    let end = io::repeat(0).take(1024);
    let mut archive = tar::Archive::new(bounds.reader(unpacked(layer)?.chain(end)));
    let mut read = || {
        let mut files = Vec::new();
        for entry in archive.entries()? {
            let mut entry = entry?;
            bounds.enter(&entry)?;
            let path = entry.path()?.to_string_lossy().into_owned();
            // Archivers write `./app.wasm`, `/app.wasm` or `app.wasm` for the same file.
            let path = path.trim_start_matches("./").trim_start_matches('/').to_owned();
            if entry.header().entry_type().is_file() && wanted(&path) {
                // With the path, because a million empty files fill the memory as well.
                bounds
                    .hold(entry.size().saturating_add((path.len() + size_of::<File>()) as u64))?;
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes)?;
                files.push(File { path, bytes });
            }
        }
        Ok(files)
    };
    read().map_err(|error: io::Error| match bounds.take_over() {
        Some(over) => over.into(),
        None => no_module(format!("a layer can't be unpacked: {error}")),
    })
}

fn unpacked(layer: &Blob) -> Result<Box<dyn Read>, Error> {
    let reader = layer.reader()?;
    match &layer.descriptor().media_type {
        MediaType::ImageLayer | MediaType::DockerLayer => Ok(reader),
        MediaType::ImageLayerGzip | MediaType::DockerLayerGzip => {
            // A gzip file may have several members (RFC 1952, section 2.2).
            Ok(Box::new(flate2::read::MultiGzDecoder::new(reader)))
        }
        other => Err(no_module(format!("layers of the type {other} can't be unpacked"))),
    }
}

fn no_module(reason: String) -> Error {
    Error::NoModule { reason }
}
