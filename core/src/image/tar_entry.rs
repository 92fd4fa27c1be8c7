//! Attributes and content of one entry of a tar layer, by its extended header.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;

use super::Attributes;
use super::tar_bounds::TarBounds;

/// The prefix of PAX records with extended attributes, as GNU tar and Go's archivers write them.
pub(super) const XATTR: &str = "SCHILY.xattr.";
/// The prefix of PAX records that describe a sparse file.
const SPARSE: &str = "GNU.sparse.";
const BLOCK: usize = 512;

pub(super) fn attributes(entry: &mut tar::Entry<'_, impl Read>) -> io::Result<Attributes> {
    let header = entry.header();
    // Some archivers leave fields empty that say nothing to them.
    let usual = if header.entry_type().is_dir() { Attributes::FOLDER } else { 0o644 };
    let mut attributes = Attributes {
        // Older archivers put the type of the file into the higher bits.
        mode: header.mode().unwrap_or(usual) & 0o7777,
        uid: header.uid().unwrap_or_default(),
        gid: header.gid().unwrap_or_default(),
        // Archivers write times before 1970 in several ways; there is no such file in an image.
        mtime: header.mtime().unwrap_or_default(),
        xattrs: BTreeMap::new(),
    };
    let Some(extensions) = entry.pax_extensions()? else { return Ok(attributes) };
    for extension in extensions {
        let extension = extension?;
        let Ok(key) = extension.key() else { continue };
        if let Some(name) = key.strip_prefix(XATTR) {
            attributes.xattrs.insert(name.to_owned(), extension.value_bytes().to_vec());
        }
        // A number with a fraction (POSIX, pax, "pax Extended Header").
        if key == "mtime"
            && let Ok(text) = extension.value()
            && let Ok(seconds) = text.split('.').next().unwrap_or_default().parse()
        {
            attributes.mtime = seconds;
        }
    }
    Ok(attributes)
}

/// A sparse file in one of the PAX formats, which hold only the pieces of a file that are not zeros
/// ([GNU tar manual, "Storing Sparse Files"](https://www.gnu.org/software/tar/manual/html_node/Sparse-Formats.html)).
// The tar crate reads only the older format, which has an entry type of its own.
#[derive(Default)]
pub(super) struct Sparse {
    /// The real name: that of the header is one for archivers that don't know the format.
    pub(super) name: Option<String>,
    size: u64,
    /// Starts and lengths of the pieces. `None` in version 1.0, where the content begins with them.
    pieces: Option<Vec<u64>>,
}

impl Sparse {
    /// Returns what the extended header says about a sparse file.
    pub(super) fn of(entry: &mut tar::Entry<'_, impl Read>) -> io::Result<Option<Sparse>> {
        let Some(extensions) = entry.pax_extensions()? else { return Ok(None) };
        let (mut sparse, mut is_sparse, mut version) = (Sparse::default(), false, [0, 0]);
        let mut pieces = Vec::new();
        for extension in extensions {
            let extension = extension?;
            let Some(key) = extension.key().ok().and_then(|key| key.strip_prefix(SPARSE)) else {
                continue;
            };
            is_sparse = true;
            let value =
                extension.value().map_err(|_| invalid("it has a record that is not text"))?;
            match key {
                "name" => sparse.name = Some(value.to_owned()),
                "size" | "realsize" => sparse.size = number(value)?,
                "major" => version[0] = number(value)?,
                "minor" => version[1] = number(value)?,
                "offset" | "numbytes" => pieces.push(number(value)?),
                "map" => {
                    let numbers = value.split(',').filter(|text| !text.is_empty());
                    pieces = numbers.map(number).collect::<io::Result<_>>()?;
                }
                _ => {}
            }
        }
        match version {
            [0, _] => sparse.pieces = Some(pieces),
            [1, 0] => {}
            [major, minor] => return Err(invalid(&format!("version {major}.{minor} is unknown"))),
        }
        Ok(is_sparse.then_some(sparse))
    }

    fn read(
        self,
        entry: &mut tar::Entry<'_, impl Read>,
        bounds: &TarBounds<'_>,
    ) -> io::Result<Vec<u8>> {
        // The real size is as large as a stranger writes it.
        bounds.hold(self.size)?;
        let mut bytes = Vec::new();
        let size = usize::try_from(self.size).map_err(|_| invalid("it is too large"))?;
        bytes.try_reserve_exact(size).map_err(|_| invalid("it is too large"))?;
        bytes.resize(size, 0);
        let pieces = match self.pieces {
            Some(pieces) => pieces,
            None => read_map(entry, bounds)?,
        };
        let mut end = 0;
        for piece in pieces.chunks(2) {
            let [start, length] = *piece else { return Err(invalid("a piece has no length")) };
            let next = start.checked_add(length).filter(|next| start >= end && *next <= self.size);
            end = next.ok_or_else(|| invalid("its pieces overlap, or are outside of it"))?;
            // Both are at most `size`, which fits.
            entry.read_exact(&mut bytes[start as usize..end as usize])?;
        }
        Ok(bytes)
    }
}

/// Reads the table of version 1.0: decimal numbers on lines, the first of which is the number of pieces, in whole blocks.
fn read_map(entry: &mut tar::Entry<'_, impl Read>, bounds: &TarBounds<'_>) -> io::Result<Vec<u64>> {
    let (mut numbers, mut digits) = (Vec::new(), String::new());
    let mut wanted = None;
    loop {
        let mut block = [0; BLOCK];
        entry.read_exact(&mut block)?;
        for byte in block {
            // The rest of the last block is padding.
            if wanted == Some(numbers.len() as u64) {
                break;
            }
            match byte {
                b'\n' if wanted.is_none() => {
                    let pieces = number(&std::mem::take(&mut digits))?;
                    let twice = pieces.checked_mul(2).ok_or_else(|| invalid("it is too large"))?;
                    wanted = Some(twice);
                }
                b'\n' => {
                    bounds.hold(size_of::<u64>() as u64)?;
                    numbers.push(number(&std::mem::take(&mut digits))?);
                }
                // No number has more digits.
                _ if digits.len() < 20 => digits.push(char::from(byte)),
                _ => return Err(invalid("its table has something that is not a number")),
            }
        }
        if wanted == Some(numbers.len() as u64) {
            return Ok(numbers);
        }
    }
}

fn number(text: &str) -> io::Result<u64> {
    text.parse().map_err(|_| invalid(&format!("`{}` is not a number", text.escape_default())))
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a sparse file is not valid: {reason}"))
}

/// Reads the content of a file into memory.
pub(super) fn content(
    entry: &mut tar::Entry<'_, impl Read>,
    bounds: &TarBounds<'_>,
) -> io::Result<Arc<[u8]>> {
    if let Some(sparse) = Sparse::of(entry)? {
        return Ok(sparse.read(entry, bounds)?.into());
    }
    bounds.hold(entry.size())?;
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes)?;
    Ok(bytes.into())
}
