//! Small JSON files that make later builds faster. A lost file costs only time, so failures are traced and not returned.

use std::io::{self, Write};
use std::path::Path;

use fs_err as fs;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_oci_core::fs::{Durability, WriteOptions};
use wasm_oci_core::trace::OrTrace;

/// Reads a value. Returns `None` if there is no file, or one that another version wrote.
pub fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let json = fs::read(path).or_trace("read a cached value")?;
    serde_json::from_slice(&json).or_trace("parse a cached value")
}

/// Writes a value, and creates the folder if needed.
pub fn write(path: &Path, value: &impl Serialize) {
    // Half a file does not parse, so a sync would only cost time.
    let options = WriteOptions { durability: Durability::Checked, ..WriteOptions::default() };
    let write = || -> io::Result<()> {
        let json = serde_json::to_vec(value)?;
        fs::create_dir_all(path.parent().unwrap_or(path))?;
        options.replace(path, |file| file.write_all(&json))
    };
    write().or_trace("write a cached value");
}
