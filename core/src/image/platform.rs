//! The platform of an image.

use std::fmt;
use std::str::FromStr;

use super::Error;

/// An operating system and an architecture, by the names that Go gives them
/// ([image-spec, image-index.md](https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md)).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    /// `linux`, `wasi`, …
    pub os: String,
    /// `amd64`, `arm64`, `wasm`, …
    pub architecture: String,
    /// The architecture's variant, `v7` of `linux/arm/v7`.
    pub variant: Option<String>,
}

impl Platform {
    /// A platform without a variant.
    #[must_use]
    pub fn new(os: &str, architecture: &str) -> Platform {
        Platform { os: os.to_owned(), architecture: architecture.to_owned(), variant: None }
    }

    /// `wasi/wasm`, which container engines match a Wasm image by. Docker wants `wasi` to the letter.
    #[must_use]
    pub fn wasi() -> Platform {
        Platform::new("wasi", "wasm")
    }

    /// Returns true for a WebAssembly platform, with any of the names in use for its system.
    #[must_use]
    pub fn is_wasm(&self) -> bool {
        // Not by `os`: it is `wasi` for Docker, `wasip1` or `wasip2` in artifacts, and `Wasip1` for Spin.
        self.architecture.starts_with("wasm")
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = Error;

    fn from_str(text: &str) -> Result<Platform, Error> {
        let mut parts = text.split('/').map(str::to_owned);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(os), Some(architecture), variant, None)
                if [Some(&os), Some(&architecture), variant.as_ref()]
                    .into_iter()
                    .flatten()
                    .all(|part| is_name(part)) =>
            {
                Ok(Platform { os, architecture, variant })
            }
            _ => Err(Error::InvalidPlatform { text: text.to_owned() }),
        }
    }
}

// Lower case only, as in Go's names: `Linux/amd64` would match no host.
fn is_name(part: &str) -> bool {
    !part.is_empty()
        && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_prints() {
        for text in ["wasi/wasm", "linux/amd64", "linux/arm/v7"] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_not_a_platform() {
        for text in ["", "linux", "linux/", "/amd64", "linux/arm/v7/x", "Linux/amd64", "linux/a b"]
        {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }
}
