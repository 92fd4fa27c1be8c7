//! A blob: a descriptor and the content it names.

use std::fmt;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err::File;

use super::{Descriptor, Digester, Error, MediaType};
use crate::fs::{TemporaryFile, open_regular};

/// Content with its descriptor. One that exists was hashed: its bytes have the descriptor's digest and size.
///
/// A clone shares the content.
#[derive(Clone)]
pub struct Blob {
    descriptor: Descriptor,
    content: Content,
}

#[derive(Clone)]
enum Content {
    // Shared, because the manifests of one image list the same layers, and modules have megabytes.
    Memory(Arc<[u8]>),
    File(Arc<FileRange>),
}

struct FileRange {
    path: PathBuf,
    // Not always 0: an archive is one file with all blobs in it.
    offset: u64,
    // Deletes a temporary file when the last clone of the blob is dropped.
    _guard: Option<Arc<TemporaryFile>>,
}

impl Blob {
    /// A blob of these bytes.
    #[must_use]
    pub fn new(media_type: MediaType, bytes: impl Into<Arc<[u8]>>) -> Blob {
        let bytes = bytes.into();
        Blob { descriptor: Descriptor::of(media_type, &bytes), content: Content::Memory(bytes) }
    }

    /// The blob that `descriptor` names, when `bytes` are its content.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when they are not.
    pub fn verified(descriptor: Descriptor, bytes: impl Into<Arc<[u8]>>) -> Result<Blob, Error> {
        let bytes = bytes.into();
        let found = Descriptor::of(descriptor.media_type.clone(), &bytes);
        check(&descriptor, found.digest, found.size)?;
        Ok(Blob { descriptor, content: Content::Memory(bytes) })
    }

    /// The blob that `descriptor` names, when the bytes in `range` of the file are its content. They are read
    /// once to check, and again when they are used; the file must not change meanwhile.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when the content is another, [`Error::Io`] when it can't be read.
    pub fn verified_file(
        descriptor: Descriptor,
        path: &Path,
        range: Range<u64>,
    ) -> Result<Blob, Error> {
        Blob::verified_range(descriptor, path, range, None)
    }

    /// The same for a part of a temporary file, if it is one.
    pub(crate) fn verified_range(
        descriptor: Descriptor,
        path: &Path,
        range: Range<u64>,
        temporary: Option<Arc<TemporaryFile>>,
    ) -> Result<Blob, Error> {
        let content = FileRange { path: path.to_owned(), offset: range.start, _guard: temporary };
        Blob { descriptor, content: Content::File(Arc::new(content)) }
            .checked(range.end - range.start)
    }

    /// The same for a temporary file, which is deleted when the last clone of the blob is dropped.
    ///
    /// # Errors
    /// As [`Blob::verified_file`].
    pub fn verified_temporary(descriptor: Descriptor, file: TemporaryFile) -> Result<Blob, Error> {
        let path = file.path().to_owned();
        let length = fs_err::metadata(&path).map_err(Error::Io)?.len();
        let content = FileRange { path, offset: 0, _guard: Some(Arc::new(file)) };
        Blob { descriptor, content: Content::File(Arc::new(content)) }.checked(length)
    }

    fn checked(self, length: u64) -> Result<Blob, Error> {
        let mut digester = Digester::default();
        let mut reader = self.reader()?;
        // In pieces, so that checking a layer of gigabytes takes little memory.
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = reader.read(&mut buffer).map_err(Error::Io)?;
            if read == 0 {
                break;
            }
            digester.update(&buffer[..read]);
        }
        check(&self.descriptor, digester.finish(), length)?;
        Ok(self)
    }

    /// Type, digest and size.
    #[must_use]
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// The same content under another descriptor: with a platform or with annotations.
    #[must_use]
    pub(super) fn described(&self, change: impl FnOnce(&mut Descriptor)) -> Descriptor {
        let mut descriptor = self.descriptor.clone();
        change(&mut descriptor);
        descriptor
    }

    /// The same content under another descriptor that names it.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when digest or size differ.
    pub(crate) fn with_descriptor(&self, descriptor: Descriptor) -> Result<Blob, Error> {
        check(&descriptor, self.descriptor.digest, self.descriptor.size)?;
        Ok(Blob { descriptor, content: self.content.clone() })
    }

    /// The whole content in memory.
    ///
    /// # Errors
    /// [`Error::Io`] when its file can't be read.
    pub fn bytes(&self) -> Result<Arc<[u8]>, Error> {
        match &self.content {
            Content::Memory(bytes) => Ok(Arc::clone(bytes)),
            Content::File(_) => {
                let mut bytes = Vec::new();
                self.copy_to(&mut bytes).map_err(Error::Io)?;
                Ok(bytes.into())
            }
        }
    }

    /// Reads the content, and only it, from its start.
    ///
    /// # Errors
    /// [`Error::Io`] when its file can't be opened.
    pub fn reader(&self) -> Result<Box<dyn Read + Send>, Error> {
        self.reader_from(0)
    }

    /// Returns a reader of the content without its first `start` bytes.
    pub(crate) fn reader_from(&self, start: u64) -> Result<Box<dyn Read + Send>, Error> {
        match &self.content {
            Content::Memory(bytes) => {
                let mut cursor = Cursor::new(Arc::clone(bytes));
                cursor.set_position(start);
                Ok(Box::new(cursor))
            }
            Content::File(range) => {
                let file = open_regular(&range.path).map_err(|error| {
                    let text = format!("can't read `{}`: {error}", range.path.display());
                    Error::Io(io::Error::new(error.kind(), text))
                })?;
                let mut file = File::from_parts(file, &range.path);
                let position = range.offset.saturating_add(start);
                file.seek(SeekFrom::Start(position)).map_err(Error::Io)?;
                // In an archive, the bytes after the range belong to other blobs.
                Ok(Box::new(file.take(self.descriptor.size.saturating_sub(start))))
            }
        }
    }

    /// Copies the content to `writer`.
    ///
    /// # Errors
    /// An error of reading or writing.
    pub fn copy_to(&self, writer: &mut impl io::Write) -> io::Result<()> {
        let copied = io::copy(&mut self.reader().map_err(io::Error::other)?, writer)?;
        // The file may have become shorter since its digest was checked.
        if copied == self.descriptor.size {
            Ok(())
        } else {
            Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file of a blob was cut short while it was read",
            ))
        }
    }
}

fn check(expected: &Descriptor, digest: super::Digest, size: u64) -> Result<(), Error> {
    // image-spec, descriptor.md: content whose length is not `size` should not be trusted.
    if expected.size != size || expected.digest != digest {
        return Err(Error::Mismatch {
            expected: expected.digest,
            expected_size: expected.size,
            found: digest,
            found_size: size,
        });
    }
    Ok(())
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the content: it would fill the message of every failed assertion.
        f.debug_tuple("Blob").field(&self.descriptor).finish()
    }
}
