//! Limits for reading images that somebody else made, and the budget that one operation spends.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Limits for one operation that reads an image: loading, copying or unpacking it.
///
/// Nothing in an image is trusted before it is checked, and the numbers in it may be lies. The defaults are far above
/// what real images need; see `docs/limits.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// Bytes of all documents and layers that are fetched.
    pub fetched: u64,
    /// Bytes that all layers together unpack to.
    pub unpacked: u64,
    /// Bytes held in memory at once: documents, and the files that are taken out of layers.
    pub memory: u64,
    /// Entries of an index. One that is listed twice counts twice.
    pub manifests: u64,
    /// Layers that all manifests together list. One that is listed twice counts twice.
    pub layers: u64,
    /// Tags of a repository, or entries in the index of a layout or an archive.
    pub tags: u64,
    /// Bytes of headers before a file in a tar archive. Extended headers (PAX, GNU long names) have no other limit.
    pub metadata: u64,
    /// Time from the beginning of the operation to its last read.
    pub time: Duration,
}

impl ReadLimits {
    /// No limits, for an image that is already in memory.
    pub(crate) const NONE: ReadLimits = ReadLimits {
        fetched: u64::MAX,
        unpacked: u64::MAX,
        memory: u64::MAX,
        manifests: u64::MAX,
        layers: u64::MAX,
        tags: u64::MAX,
        metadata: u64::MAX,
        time: Duration::MAX,
    };
}

impl Default for ReadLimits {
    fn default() -> ReadLimits {
        ReadLimits {
            // The largest images in use, those with GPU libraries, have about 10 GiB.
            fetched: 16 << 30,
            unpacked: 8 << 30,
            // The largest modules in use have some tens of megabytes.
            memory: 1 << 30,
            // Multi-platform images have about 20 entries, twice that with attestations.
            manifests: 1_000,
            // Docker's overlay driver stops at 127 layers a manifest.
            layers: 10_000,
            tags: 1_000_000,
            // Linux limits a path to 4 KiB and the extended attributes of a file to 64 KiB.
            metadata: 1 << 20,
            time: Duration::from_secs(2 * 60 * 60),
        }
    }
}

/// An image that needs more than one of the [`ReadLimits`] allows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}; if you trust its source, raise the limit with `--read-limit {limit}=VALUE`")]
pub struct OverLimit {
    what: String,
    limit: &'static str,
}

impl OverLimit {
    /// The name of the limit, which is that of its field in [`ReadLimits`].
    #[must_use]
    pub fn limit(&self) -> &'static str {
        self.limit
    }
}

/// A limit of time that has begun.
#[derive(Debug, Clone, Copy)]
pub struct Timer {
    started: Instant,
    limit: Duration,
}

impl Timer {
    pub(crate) fn new(limit: Duration) -> Timer {
        Timer { started: Instant::now(), limit }
    }

    /// Fails once the time is over.
    ///
    /// # Errors
    /// [`OverLimit`] of [`ReadLimits::time`].
    pub fn check(&self) -> Result<(), OverLimit> {
        if self.started.elapsed() <= self.limit {
            return Ok(());
        }
        let what = format!(
            "writing the files of the image takes longer than {} s",
            self.limit.as_secs_f64()
        );
        Err(OverLimit { what, limit: "time" })
    }
}

/// Memory that a document takes when it is parsed, as a multiple of its size: one of many short annotations takes seven
/// times its bytes.
const PARSED_SIZE: u64 = 8;

/// The part of [`ReadLimits`] that one operation has spent so far.
#[derive(Debug)]
pub(crate) struct Budget {
    pub(crate) limits: ReadLimits,
    started: Instant,
    fetched: AtomicU64,
    unpacked: AtomicU64,
    held: AtomicU64,
    layers: AtomicU64,
    tags: AtomicU64,
}

impl Budget {
    pub(crate) fn new(limits: ReadLimits) -> Budget {
        Budget {
            limits,
            started: Instant::now(),
            fetched: AtomicU64::new(0),
            unpacked: AtomicU64::new(0),
            held: AtomicU64::new(0),
            layers: AtomicU64::new(0),
            tags: AtomicU64::new(0),
        }
    }

    /// Counts bytes before they are fetched.
    pub(crate) fn fetch(&self, bytes: u64) -> Result<(), OverLimit> {
        let max = self.limits.fetched;
        spend(&self.fetched, bytes, max, "fetched", || {
            format!("more than {} would have to be fetched for the image", Bytes(max))
        })
    }

    /// Counts bytes that came out of a compressed layer.
    pub(crate) fn unpack(&self, bytes: u64) -> Result<(), OverLimit> {
        let max = self.limits.unpacked;
        spend(&self.unpacked, bytes, max, "unpacked", || {
            format!("the layers of the image unpack to more than {}", Bytes(max))
        })
    }

    /// Counts bytes before they are read into memory, where they stay as long as the operation takes.
    pub(crate) fn hold(&self, bytes: u64) -> Result<(), OverLimit> {
        let max = self.limits.memory;
        spend(&self.held, bytes, max, "memory", || {
            format!("reading the image takes more than {} of memory", Bytes(max))
        })
    }

    /// Counts a document of this size before it is read into memory and parsed.
    pub(crate) fn hold_document(&self, bytes: u64) -> Result<(), OverLimit> {
        self.hold(bytes.saturating_mul(PARSED_SIZE))
    }

    /// Counts memory from zero again, after all that was held is dropped.
    pub(crate) fn release(&self) {
        self.held.store(0, Ordering::Relaxed);
    }

    pub(crate) fn list_manifests(&self, count: usize) -> Result<(), OverLimit> {
        let max = self.limits.manifests;
        if count as u64 <= max {
            return Ok(());
        }
        let what = format!("the index lists {count} manifests, more than {max}");
        Err(OverLimit { what, limit: "manifests" })
    }

    pub(crate) fn list_layers(&self, count: usize) -> Result<(), OverLimit> {
        let max = self.limits.layers;
        spend(&self.layers, count as u64, max, "layers", || {
            format!("the image lists more than {max} layers")
        })
    }

    pub(crate) fn list_tags(&self, count: usize) -> Result<(), OverLimit> {
        let max = self.limits.tags;
        spend(&self.tags, count as u64, max, "tags", || {
            format!("the list of tags has more than {max} entries")
        })
    }

    /// The error for headers that take more bytes than [`ReadLimits::metadata`].
    pub(crate) fn over_metadata(&self) -> OverLimit {
        let max = Bytes(self.limits.metadata);
        let what = format!("a tar archive has more than {max} of headers before one file");
        OverLimit { what, limit: "metadata" }
    }

    pub(crate) fn time_left(&self) -> Result<Duration, OverLimit> {
        self.limits.time.checked_sub(self.started.elapsed()).ok_or_else(|| self.over_time())
    }

    pub(crate) fn over_time(&self) -> OverLimit {
        let what =
            format!("reading the image takes longer than {} s", self.limits.time.as_secs_f64());
        OverLimit { what, limit: "time" }
    }
}

fn spend(
    spent: &AtomicU64,
    amount: u64,
    max: u64,
    limit: &'static str,
    what: impl FnOnce() -> String,
) -> Result<(), OverLimit> {
    // `fetch_add` wraps around, and the sizes in descriptors may be lies: their sum must not begin at zero again.
    let before = spent.fetch_add(amount, Ordering::Relaxed);
    match before.checked_add(amount) {
        Some(total) if total <= max => Ok(()),
        _ => Err(OverLimit { what: what(), limit }),
    }
}

/// A size in the largest unit that has no fraction.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match unit.into_iter().find(|(size, _)| self.0 > 0 && self.0.is_multiple_of(*size)) {
            Some((size, unit)) => write!(f, "{} {unit}", self.0 / size),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_add_up_to_the_limit_and_no_further() {
        let budget = Budget::new(ReadLimits { fetched: 10, ..ReadLimits::default() });
        assert_eq!(budget.fetch(4).and_then(|()| budget.fetch(6)), Ok(()));
        assert_eq!(budget.fetch(1).unwrap_err().limit(), "fetched");
        let budget = Budget::new(ReadLimits::default());
        assert!(budget.fetch(1).is_ok() && budget.fetch(u64::MAX).is_err());
    }

    #[test]
    fn a_timer_ends() {
        assert_eq!(Timer::new(Duration::MAX).check(), Ok(()));
        let timer = Timer {
            started: Instant::now() - Duration::from_secs(2),
            ..Timer::new(Duration::from_secs(1))
        };
        let over = timer.check().unwrap_err();
        assert_eq!(over.limit(), "time");
        assert!(over.to_string().contains("takes longer than 1 s"), "{over}");
    }

    #[test]
    fn the_error_has_the_limit_and_the_way_to_raise_it() {
        let budget = Budget::new(ReadLimits { unpacked: 3 << 20, ..ReadLimits::default() });
        assert_eq!(
            budget.unpack(4 << 20).unwrap_err().to_string(),
            "the layers of the image unpack to more than 3 MiB; if you trust its source, raise the \
             limit with `--read-limit unpacked=VALUE`"
        );
    }
}
