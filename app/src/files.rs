//! Files that commands read and write.

use std::io::Read;
use std::path::Path;

use wasm_oci_core::fs;
use wasm_oci_core::module::{BuiltModule, ReadError};

use crate::error::Error;

/// Writes a file as a whole or not at all, like [`fs::write`].
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    fs::write(path, bytes).map_err(|source| Error::Write { path: path.to_owned(), source })
}

// Nobody makes larger modules: engines refuse them.
const MAX_STDIN: u64 = 1 << 30;

/// Returns true for `-`, which means standard input.
pub fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Reads a module, in binary or text format, from a file or from standard input.
pub fn read_module(path: &Path) -> Result<BuiltModule, ReadError> {
    if !is_stdin(path) {
        return BuiltModule::read(path);
    }
    let failed = |source| ReadError::Io { path: "standard input".into(), source };
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(MAX_STDIN + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_STDIN {
        return Err(failed(std::io::Error::other("it has more than 1 GiB")));
    }
    BuiltModule::of_either_format("standard input", bytes)
}
