//! Runners of standalone images, as files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;
use wasm_oci_core::image::{Architecture, Digest};

use crate::error::{Error, UsageError};

/// A runner: a static Linux program for one architecture.
#[derive(Debug, Clone)]
pub struct Runner {
    pub architecture: Architecture,
    pub bytes: Arc<[u8]>,
}

impl Runner {
    /// Reads the file of a runner.
    pub fn read(file: &Path) -> Result<Runner, Error> {
        let bytes = fs::read(file).map_err(|source| UsageError::Runner {
            file: file.to_owned(),
            reason: source.to_string(),
        })?;
        let architecture = architecture(&bytes).ok_or_else(|| UsageError::Runner {
            file: file.to_owned(),
            reason: "it is not a Linux program for amd64 or arm64".to_owned(),
        })?;
        Ok(Runner { architecture, bytes: bytes.into() })
    }

    /// Reads the files of several.
    pub fn read_all(files: &[PathBuf]) -> Result<Vec<Runner>, Error> {
        files.iter().map(|file| Runner::read(file)).collect()
    }

    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }
}

/// Returns the architecture of a 64-bit ELF program (System V ABI, chapter 4: `e_machine` is at offset 18).
fn architecture(program: &[u8]) -> Option<Architecture> {
    let header = program.get(..20).filter(|it| it.starts_with(b"\x7fELF\x02\x01"))?;
    match [header[18], header[19]] {
        [0x3e, 0] => Some(Architecture::Amd64),
        [0xb7, 0] => Some(Architecture::Arm64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_tells_the_architecture() {
        let elf = |machine: [u8; 2]| [b"\x7fELF\x02\x01".as_slice(), &[0; 12], &machine].concat();
        assert_eq!(architecture(&elf([0x3e, 0])), Some(Architecture::Amd64));
        assert_eq!(architecture(&elf([0xb7, 0])), Some(Architecture::Arm64));
        assert_eq!(architecture(&elf([3, 0])), None);
        assert_eq!(architecture(b"#!/bin/sh\nexec something else\n"), None);
        assert_eq!(architecture(b"\x7fELF"), None);
    }
}
