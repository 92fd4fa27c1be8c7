//! Files that several processes share: whole writes, states, locks, eviction and ownership; and temporary files.
//!
//! Every cache, layout, archive, login and record is written by [`write()`] or [`WriteOptions`], so that a crash or a second
//! writer can't leave a file half-written.

mod atomic;
mod cache_folder;
mod evict;
#[cfg(test)]
pub(crate) mod journal;
mod lock;
mod owned;
mod regular;
mod state;
mod temporary;

pub use atomic::{Access, Durability, WriteOptions, create_folder, rename, replace_link, write};
pub(crate) use atomic::{folder_of, sync_folder};
pub use cache_folder::CacheFolder;
pub use evict::{evict, mark_used};
pub(crate) use lock::lock_beside;
pub use owned::{create_private_folder, require_owned};
pub(crate) use regular::{open_regular, read_regular, read_whole};
pub use state::{FileState, TrackedFile};
pub use temporary::{
    TemporaryFile, TemporaryFolder, before_first_temporary, remove_temporaries, sweep_unfinished,
};
