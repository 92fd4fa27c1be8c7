//! A module as the compiler wrote it.

use std::path::Path;

use super::ReadError;
use super::optimize::OptimizedModule;
use crate::fs::read_whole;

// Nobody makes larger modules: engines refuse them.
const MAX_BYTES: u64 = 1 << 30;

/// A module or component as a compiler wrote it. Only its first eight bytes are checked.
#[derive(Debug, Clone)]
pub struct BuiltModule {
    name: String,
    bytes: Vec<u8>,
}

impl BuiltModule {
    /// Wraps the bytes of a module. Messages call it `name`, which is usually its file name.
    ///
    /// # Errors
    /// [`ReadError::NotWasm`], saying what it is instead, when they don't start as
    /// [WebAssembly's binary format](https://webassembly.github.io/spec/core/binary/modules.html#binary-module) does.
    pub fn new(name: &str, bytes: Vec<u8>) -> Result<BuiltModule, ReadError> {
        // The validator checks the rest, and says what is wrong and where.
        match other_content(&bytes) {
            Some(found) => {
                Err(ReadError::NotWasm { name: name.to_owned(), found: found.to_owned() })
            }
            None => Ok(BuiltModule { name: name.to_owned(), bytes }),
        }
    }

    /// Reads a module from a file, which is in the text format if its name ends in `.wat`.
    ///
    /// # Errors
    /// [`ReadError::Io`], or as [`BuiltModule::of_either_format`].
    pub fn read(path: &Path) -> Result<BuiltModule, ReadError> {
        // std's error, not fs_err's: the message names the path already.
        let bytes = std::fs::File::open(path)
            .and_then(|file| read_whole(file, MAX_BYTES))
            .map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
        let name = path.display().to_string();
        match path.extension().is_some_and(|extension| extension == "wat") {
            true => BuiltModule::of_either_format(&name, bytes),
            false => BuiltModule::new(&name, bytes),
        }
    }

    /// Wraps the bytes of a module, or translates
    /// [WebAssembly's text format](https://webassembly.github.io/spec/core/text/index.html).
    ///
    /// # Errors
    /// [`ReadError::Text`] when the text has an error, or as [`BuiltModule::new`].
    pub fn of_either_format(name: &str, bytes: Vec<u8>) -> Result<BuiltModule, ReadError> {
        if !is_text(&bytes) {
            return BuiltModule::new(name, bytes);
        }
        let wrong = |error: wat::Error| ReadError::Text {
            name: name.to_owned(),
            reason: error.to_string(),
        };
        let bytes = wat::parse_bytes(&bytes).map_err(wrong)?.into_owned();
        BuiltModule::new(name, bytes)
    }

    /// The name for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bytes, unchanged.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Skips the optimizer.
    #[must_use]
    pub fn unoptimized(self) -> OptimizedModule {
        OptimizedModule::as_it_is(self)
    }

    pub(super) fn with_bytes(self, bytes: Vec<u8>) -> BuiltModule {
        BuiltModule { bytes, ..self }
    }
}

fn is_text(bytes: &[u8]) -> bool {
    // A parenthesis, or a comment before it.
    bytes.trim_ascii_start().starts_with(b"(") || bytes.trim_ascii_start().starts_with(b";;")
}

/// Describes bytes that are not WebAssembly, and says what to do.
fn other_content(bytes: &[u8]) -> Option<&'static str> {
    let starts = |prefix: &[u8]| bytes.starts_with(prefix);
    match bytes {
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => None,
        // A component: version 13, layer 1 (component model, Binary.md). Earlier versions were never released.
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => None,
        [] => Some("the file is empty"),
        [0, b'a', b's', b'm', _, _, _, _, ..] => {
            Some("its version is not 1: build it with a current compiler")
        }
        _ if starts(b"\0asm") => Some("it ends after a few bytes: build or fetch it again"),
        _ if starts(b"\x7fELF") => Some(
            "it is a native ELF program: build it for WebAssembly, with `--target wasm32-wasip1` in Rust",
        ),
        _ if starts(b"\x1f\x8b") => Some("it is compressed with gzip: unpack it first"),
        _ if starts(b"BC\xc0\xde") => Some("it is LLVM bitcode: link it first"),
        _ if is_text(bytes) => {
            Some("it is WebAssembly's text format: give its file a name that ends in `.wat`")
        }
        _ => Some("it doesn't start with `\\0asm`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_it_is_instead() {
        let found = |bytes: &[u8]| match BuiltModule::new("x", bytes.to_vec()) {
            Err(ReadError::NotWasm { found, .. }) => found,
            other => panic!("{other:?}"),
        };
        assert!(found(b"").contains("empty"));
        assert!(found(b"\x7fELF\x02").contains("wasm32-wasip1"));
        assert!(found(b" (module)").contains("text format"));
        assert!(found(b"\0asm\x01").contains("ends"));
        assert!(found(b"\0asm\x02\0\0\0").contains("version"));
        assert!(found(b"hello").contains("\\0asm"));
        assert!(BuiltModule::new("x", b"\0asm\x01\0\0\0".to_vec()).is_ok());
        let module = BuiltModule::of_either_format("x", b";; text\n(module)".to_vec()).unwrap();
        assert_eq!(module.bytes(), b"\0asm\x01\0\0\0");
        let error = BuiltModule::of_either_format("x", b"(modul)".to_vec()).unwrap_err();
        assert!(matches!(error, ReadError::Text { .. }), "{error}");
        assert!(BuiltModule::new("x", b"\0asm\x0d\0\x01\0".to_vec()).is_ok());
    }
}
