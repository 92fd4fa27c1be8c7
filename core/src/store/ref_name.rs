//! Names of images in layouts and archives.

use std::fmt;
use std::str::FromStr;

use crate::image::{Error, Reference};

// The limit of a repository and of a tag together.
const MAX_LENGTH: usize = 255 + 1 + 128;

/// A name in the index of a layout or an archive, which need not be a tag: `localhost/app:v2` in one that podman or skopeo
/// wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefName(String);

impl RefName {
    /// The name as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns true if another name means the same image: exactly, or after adding what Docker adds to a short name.
    pub(super) fn is_same(&self, other: &str) -> bool {
        let full = |text: &str| text.parse::<Reference>().ok();
        self.0 == other || full(&self.0).is_some_and(|name| Some(name) == full(other))
    }
}

impl FromStr for RefName {
    type Err = Error;

    /// Parses a name by the grammar of `org.opencontainers.image.ref.name` (image-spec, annotations.md).
    fn from_str(text: &str) -> Result<RefName, Error> {
        let is_separator = |c: char| "-._:@+".contains(c);
        let is_component = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && part.ends_with(|c: char| c.is_ascii_alphanumeric())
                && part.chars().all(|c| c.is_ascii_alphanumeric() || is_separator(c))
        };
        if text.len() <= MAX_LENGTH && text.split('/').all(is_component) {
            Ok(RefName(text.to_owned()))
        } else {
            Err(Error::InvalidTag { text: text.to_owned() })
        }
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
