//! From an image back to its module.

use std::io::{self, Read};

use super::{Blob, Error, Manifest, MediaType};
use crate::module::BuiltModule;

/// The most that is unpacked in the search for a module, in bytes, so that a small layer that unpacks without
/// end is refused. The largest modules that we know of have some tens of megabytes.
const MAX_UNPACKED: u64 = 1 << 30;

/// Layer types that are a bare module: ours and those of Envoy and Kubewarden.
const BARE: [&str; 3] = [
    "application/wasm",
    "application/vnd.module.wasm.content.layer.v1+wasm",
    "application/vnd.wasm.content.layer.v1+wasm",
];

impl Manifest {
    /// The module that the image starts: its bare layer, else the file that the entrypoint names, else the only
    /// `.wasm` file.
    ///
    /// # Errors
    /// [`Error::NoModule`] when there is none, or when a layer's format is not one that we read.
    pub fn module(&self) -> Result<BuiltModule, Error> {
        let name = self.module_path().rsplit('/').next().unwrap_or_default().to_owned();
        let bare = |layer: &&Blob| BARE.contains(&layer.descriptor().media_type.as_str());
        let bytes = match self.layers().iter().find(bare) {
            Some(layer) => layer.bytes()?.to_vec(),
            None => self.unpack()?,
        };
        let name = if name.is_empty() { "module.wasm" } else { &name };
        BuiltModule::new(name, bytes).map_err(|e| no_module(e.to_string()))
    }

    /// The entrypoint's path in the image, without the `#function` that runwasi allows after it.
    fn module_path(&self) -> &str {
        let path = self.config().entrypoint.first().map_or("", String::as_str);
        path.split_once('#').map_or(path, |(path, _)| path).trim_start_matches('/')
    }

    fn unpack(&self) -> Result<Vec<u8>, Error> {
        let mut others = Vec::new();
        for layer in self.layers().iter().rev() {
            for file in wasm_files(layer, self.module_path())? {
                if file.path == self.module_path() {
                    return Ok(file.bytes);
                }
                others.push(file);
            }
        }
        let found: Vec<&str> = others.iter().map(|file| file.path.as_str()).collect();
        match found.as_slice() {
            [_] => Ok(others.swap_remove(0).bytes),
            [] => Err(no_module(format!("no layer has `/{}` or another .wasm file", self.module_path()))),
            several => {
                let entrypoint = self.module_path();
                Err(no_module(format!("the entrypoint `{entrypoint}` is none of {}", several.join(", "))))
            }
        }
    }
}

struct WasmFile {
    path: String,
    bytes: Vec<u8>,
}

/// The regular files of a tar layer that are named `.wasm`, up to the one that lies at `wanted`: what comes after
/// it is not read, and so may be as damaged as umoci leaves it.
fn wasm_files(layer: &Blob, wanted: &str) -> Result<Vec<WasmFile>, Error> {
    let unreadable = |e: io::Error| no_module(format!("a layer can't be unpacked: {e}"));
    let mut archive = tar::Archive::new(unpacked(layer)?.take(MAX_UNPACKED));
    let mut files = Vec::new();
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let path = entry.path().map_err(unreadable)?.to_string_lossy().into_owned();
        let path = path.trim_start_matches("./").trim_start_matches('/').to_owned();
        if entry.header().entry_type().is_file() && (path.ends_with(".wasm") || path == wanted) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(unreadable)?;
            let is_wanted = path == wanted;
            files.push(WasmFile { path, bytes });
            if is_wanted {
                break;
            }
        }
    }
    Ok(files)
}

fn unpacked(layer: &Blob) -> Result<Box<dyn Read>, Error> {
    let reader = layer.reader()?;
    match &layer.descriptor().media_type {
        MediaType::ImageLayer => Ok(reader),
        MediaType::ImageLayerGzip | MediaType::DockerLayerGzip => {
            Ok(Box::new(flate2::read::MultiGzDecoder::new(reader)))
        }
        other => Err(no_module(format!("layers of the type {other} can't be unpacked"))),
    }
}

fn no_module(reason: String) -> Error {
    Error::NoModule { reason }
}
