//! Files that several processes share: whole writes, states, eviction and ownership.
//!
//! Every cache, layout, archive, login and record is written by [`write()`] or [`WriteOptions`], so that a crash or a second
//! writer can't leave a file half-written.

mod atomic;
mod evict;
mod owned;
mod state;

pub(crate) use atomic::sync_folder;
pub use atomic::{Access, Durability, WriteOptions, create_folder, rename, replace_link, write};
pub use evict::{evict, mark_used};
pub use owned::{create_private_folder, require_owned};
pub use state::{FileState, TrackedFile};
