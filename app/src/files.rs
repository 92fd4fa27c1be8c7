//! Files that users asked for.

use std::path::Path;

use wasm_oci_core::store::write_file;

use crate::error::Error;

/// Writes a file as a whole or not at all.
///
/// # Errors
/// [`Error::Write`].
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_file(path, bytes).map_err(|source| Error::Write { path: path.to_owned(), source })
}
