//! Reading of files that others choose, such as those of a layout: they may be replaced by a pipe, at which reading waits
//! for ever, or by a device that has no end.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Opens a regular file, or a link to one, for reading.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    // Opening alone can make a device do something, so this comes first.
    require_regular(&std::fs::metadata(path)?)?;
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // The file may have been replaced since. Regular files ignore this flag.
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    let file = options.open(path)?;
    require_regular(&file.metadata()?)?;
    Ok(file)
}

/// Reads a regular file, or a link to one, unless it is longer than `limit` bytes.
pub(crate) fn read_regular(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_whole(open_regular(path)?, limit)
}

/// Reads a file to its end, unless that is more than `limit` bytes, whatever its metadata says.
pub(crate) fn read_whole(file: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > limit {
        true => Err(io::Error::new(
            ErrorKind::FileTooLarge,
            format!("it is too large: more than {limit} bytes"),
        )),
        false => Ok(bytes),
    }
}

fn require_regular(metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok(());
    }
    if kind.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    let found = name_of(kind);
    let reason = format!("it is {found}, and not a regular file; put a regular file in its place");
    Err(io::Error::new(ErrorKind::InvalidInput, reason))
}

#[cfg(unix)]
fn name_of(kind: std::fs::FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match kind {
        kind if kind.is_fifo() => "a FIFO (a named pipe)",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(not(unix))]
fn name_of(_: std::fs::FileType) -> &'static str {
    "a device"
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), "12345").unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", at("zero")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(at("fifo")).status().unwrap();
        assert!(made.success());
        for name in ["file", "link"] {
            assert_eq!(read_regular(&at(name), 5).unwrap(), b"12345", "{name}");
            assert_eq!(read_regular(&at(name), 4).unwrap_err().kind(), ErrorKind::FileTooLarge);
        }
        for (name, says) in [("fifo", "it is a FIFO"), ("zero", "it is a device")] {
            let error = read_regular(&at(name), 5).unwrap_err();
            assert!(error.to_string().starts_with(says), "{name}: {error}");
        }
        assert_eq!(read_regular(folder.path(), 5).unwrap_err().kind(), ErrorKind::IsADirectory);
    }
}
