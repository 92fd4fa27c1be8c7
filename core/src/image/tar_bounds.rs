//! Reading tar archives within limits.

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Seek, SeekFrom};

use crate::limits::{Budget, OverLimit};

/// Bounds for what the tar crate reads of one archive.
// The crate reads extended headers (PAX, GNU long names) into memory, whatever size they have. They are
// between two entries, so a limit on how far it reads past the end of an entry is a limit on them.
pub(crate) struct TarBounds<'a> {
    budget: &'a Budget,
    position: Cell<u64>,
    /// The end of the last entry's content.
    end: Cell<u64>,
    // Kept here, because the tar crate wraps our error in one of its own.
    over: RefCell<Option<OverLimit>>,
}

impl<'a> TarBounds<'a> {
    pub(crate) fn new(budget: &'a Budget) -> TarBounds<'a> {
        TarBounds {
            budget,
            position: Cell::default(),
            end: Cell::default(),
            over: RefCell::default(),
        }
    }

    pub(crate) fn reader<R>(&self, inner: R) -> BoundedReader<'_, R> {
        BoundedReader { inner, bounds: self }
    }

    /// Allows reading to the end of this entry, and as far as [`ReadLimits::metadata`](crate::limits::ReadLimits::metadata)
    /// says past it.
    pub(crate) fn enter(&self, entry: &tar::Entry<'_, impl Read>) -> io::Result<()> {
        // The size of a sparse file has its holes in it, which the archive hasn't.
        let is_sparse = entry.header().entry_type().is_gnu_sparse();
        let size = if is_sparse { entry.header().entry_size()? } else { entry.size() };
        // A hostile header can contain any size.
        self.end.set(entry.raw_file_position().saturating_add(size));
        Ok(())
    }

    /// Allows reading to the end of the archive, after its last entry.
    pub(crate) fn leave(&self) {
        self.end.set(u64::MAX);
    }

    /// Returns the limit that ended the reading, if one did.
    pub(crate) fn take_over(&self) -> Option<OverLimit> {
        self.over.take()
    }

    /// Counts bytes before they are read into memory.
    pub(crate) fn hold(&self, bytes: u64) -> io::Result<()> {
        self.within(self.budget.hold(bytes))
    }

    fn count(&self, read: usize) -> io::Result<usize> {
        let budget = self.budget;
        self.position.set(self.position.get() + read as u64);
        if self.position.get() > self.end.get().saturating_add(budget.limits.metadata) {
            self.within(Err(budget.over_metadata()))?;
        }
        self.within(budget.unpack(read as u64).and_then(|()| budget.time_left().map(drop)))?;
        Ok(read)
    }

    fn within(&self, result: Result<(), OverLimit>) -> io::Result<()> {
        result.map_err(|over| {
            let error = io::Error::other(over.clone());
            self.over.replace(Some(over));
            error
        })
    }
}

/// A reader that fails where [`TarBounds`] says.
pub(crate) struct BoundedReader<'a, R> {
    inner: R,
    bounds: &'a TarBounds<'a>,
}

impl<R: Read> Read for BoundedReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bounds.count(read)
    }
}

impl<R: Seek> Seek for BoundedReader<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = self.inner.seek(to)?;
        self.bounds.position.set(position);
        Ok(position)
    }
}
