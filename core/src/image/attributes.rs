//! Mode, owner and time of files.

use std::collections::BTreeMap;

/// Mode, owner, time and extended attributes of a file, folder or link in an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attributes {
    /// Permission bits, with set-user-ID, set-group-ID and sticky.
    pub mode: u32,
    /// User ID of the owner.
    pub uid: u64,
    /// Group ID of the owner.
    pub gid: u64,
    /// Time of the last change, in seconds since 1970.
    pub mtime: u64,
    /// Extended attributes, such as `security.capability`.
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

impl Attributes {
    /// Mode of folders that nothing else is said about.
    pub(super) const FOLDER: u32 = 0o755;

    /// Attributes of a file that belongs to root.
    // No time either: the digest of an image must not depend on the machine.
    #[must_use]
    pub fn of_mode(mode: u32) -> Attributes {
        Attributes { mode, ..Attributes::default() }
    }

    /// Memory that they take, in bytes.
    pub(super) fn size(&self) -> usize {
        self.xattrs.iter().map(|(name, value)| name.len() + value.len() + 64).sum()
    }
}
