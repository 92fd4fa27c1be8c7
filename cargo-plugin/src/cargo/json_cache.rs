//! Small JSON files that make later builds faster. A lost file costs only time, so failures are traced and not returned.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_oci_core::fs::{CacheFolder, Durability};
use wasm_oci_core::trace::OrTrace;

/// Reads a value. Returns `None` if there is no file, or one that another version or another user wrote.
pub fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let (folder, name) = split(path)?;
    let json = CacheFolder::existing(folder).and_then(|folder| folder.read(name));
    serde_json::from_slice(&json.or_trace("read a cached value")?).or_trace("parse a cached value")
}

/// Writes a value, and creates the folder if needed.
pub fn write(path: &Path, value: &impl Serialize) {
    let write = || -> io::Result<()> {
        let (folder, name) = split(path).ok_or(io::ErrorKind::InvalidInput)?;
        let json = serde_json::to_vec(value)?;
        // Half a file does not parse, so a sync would only cost time.
        CacheFolder::open(folder)?.write(name, Durability::Checked, |file| file.write_all(&json))
    };
    write().or_trace("write a cached value");
}

fn split(file: &Path) -> Option<(&Path, &str)> {
    Some((file.parent()?, file.file_name()?.to_str()?))
}
