//! Output files.

use std::path::Path;

use wasm_oci_core::fs;

use crate::error::Error;

/// Writes a file as a whole or not at all, like [`fs::write`].
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    fs::write(path, bytes).map_err(|source| Error::Write { path: path.to_owned(), source })
}
