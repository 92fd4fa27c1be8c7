//! The platform of an image.

use std::collections::BTreeSet;
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
    /// The version of the system that the image needs. Windows has one.
    pub os_version: Option<String>,
    /// Features of the system that the image needs, such as `win32k`.
    pub os_features: Vec<String>,
}

impl Platform {
    /// A platform without a variant.
    #[must_use]
    pub fn new(os: &str, architecture: &str) -> Platform {
        Platform {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: None,
            os_version: None,
            os_features: Vec::new(),
        }
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

    /// Returns true for `unknown/unknown`, which buildx gives to attestations so that no engine starts them.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" && self.architecture == "unknown"
    }

    /// Returns true if engines can't tell the two apart: `linux/arm64` is `linux/arm64/v8`.
    #[must_use]
    pub fn is_same(&self, other: &Platform) -> bool {
        let features = |it: &Platform| it.os_features.iter().cloned().collect::<BTreeSet<_>>();
        self.selects(other)
            && self.os_version == other.os_version
            && features(self) == features(other)
    }

    /// Returns true if `other` has everything that this platform names. Without a version of the system, it stands for all
    /// versions.
    #[must_use]
    pub fn selects(&self, other: &Platform) -> bool {
        self.os == other.os
            && self.processor() == other.processor()
            && (self.os_version.is_none() || self.os_version == other.os_version)
            && self.os_features.iter().all(|feature| other.os_features.contains(feature))
    }

    /// The architecture and its variant, which containerd and Docker fill in the same way.
    fn processor(&self) -> (&str, &str) {
        let variant = self.variant.as_deref().unwrap_or_default();
        match (self.architecture.as_str(), variant) {
            ("arm64", "v8" | "8") => ("arm64", ""),
            ("amd64", "v1") => ("amd64", ""),
            ("arm", "") => ("arm", "v7"),
            other => other,
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.os)?;
        if self.os_version.is_some() || !self.os_features.is_empty() {
            write!(f, "({}", self.os_version.as_deref().unwrap_or_default())?;
            self.os_features.iter().try_for_each(|feature| write!(f, "+{feature}"))?;
            f.write_str(")")?;
        }
        write!(f, "/{}", self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = Error;

    /// Parses `OS/ARCHITECTURE[/VARIANT]`. The system's version and features follow it in parentheses, as containerd writes
    /// them: `windows(10.0.20348.2227+win32k)/amd64`.
    fn from_str(text: &str) -> Result<Platform, Error> {
        let invalid = || Error::InvalidPlatform { text: text.to_owned() };
        let mut parts = text.split('/');
        let (Some(os), Some(architecture), variant, None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(invalid());
        };
        let (os, details) = match os.split_once('(') {
            Some((os, details)) => (os, details.strip_suffix(')').ok_or_else(invalid)?),
            None => (os, ""),
        };
        let mut details = details.split('+');
        let os_version = details.next().filter(|version| !version.is_empty()).map(str::to_owned);
        let os_features: Vec<String> = details.map(str::to_owned).collect();
        let names = [Some(os), Some(architecture), variant, os_version.as_deref()];
        let names = names.into_iter().flatten().chain(os_features.iter().map(String::as_str));
        if !names.into_iter().all(is_name) {
            return Err(invalid());
        }
        Ok(Platform {
            variant: variant.map(str::to_owned),
            os_version,
            os_features,
            ..Platform::new(os, architecture)
        })
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
        for text in [
            "wasi/wasm",
            "linux/amd64",
            "linux/arm/v7",
            "windows(10.0.20348.2227)/amd64",
            "windows(10.0+win32k+x)/amd64",
            "windows(+win32k)/arm64/v8",
        ] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn engines_fill_in_variants() {
        let of = |text: &str| text.parse::<Platform>().unwrap();
        for (one, other) in [
            ("linux/arm64", "linux/arm64/v8"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/amd64", "linux/amd64/v1"),
        ] {
            assert!(of(one).is_same(&of(other)) && of(other).is_same(&of(one)), "{one} {other}");
        }
        for (one, other) in [
            ("linux/amd64", "linux/amd64/v2"),
            ("linux/arm/v6", "linux/arm"),
            ("wasi/wasm", "wasip1/wasm"),
            ("windows(10.0.1)/amd64", "windows(10.0.2)/amd64"),
            ("windows(+a)/amd64", "windows(+b)/amd64"),
        ] {
            assert!(!of(one).is_same(&of(other)), "{one} {other}");
            assert!(!of(one).selects(&of(other)), "{one} {other}");
        }
        let all = of("windows/amd64");
        assert!(
            all.selects(&of("windows(10.0.1)/amd64")) && !all.is_same(&of("windows(10.0.1)/amd64"))
        );
    }

    #[test]
    fn refuses_what_is_not_a_platform() {
        for text in [
            "",
            "linux",
            "linux/",
            "/amd64",
            "linux/arm/v7/x",
            "Linux/amd64",
            "linux/a b",
            "windows(10/amd64",
            "windows(10+)/amd64",
        ] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }
}
