//! Names of images in registries.

use std::fmt;
use std::str::FromStr;

use oci_spec::distribution::Reference as SpecReference;

use super::{Digest, Error};

/// Where an image is, or will be, in a registry: `registry/repository[:tag][@digest]`
/// ([distribution-spec, pulling manifests](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests)).
///
/// As Docker does, a name without a registry is one of `docker.io`, and one without a namespace there is in
/// `library`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<Tag>,
    digest: Option<Digest>,
}

impl Reference {
    /// Host and port of the registry, `ghcr.io` or `localhost:5000`.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository in the registry, without tag or digest.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, if one was given.
    #[must_use]
    pub fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// The digest, if one was given. It decides what is meant, whatever the tag.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// `registry/repository`, without tag or digest.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The same repository with this tag, and no digest.
    #[must_use]
    pub fn with_tag(&self, tag: Tag) -> Reference {
        Reference { tag: Some(tag), digest: None, ..self.clone() }
    }

    /// The same repository with this digest, and no tag.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Reference {
        Reference { tag: None, digest: Some(digest), ..self.clone() }
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Reference, Error> {
        let invalid = |reason: String| Error::InvalidReference { text: text.to_owned(), reason };
        let parsed: SpecReference =
            text.parse().map_err(|error: oci_spec::distribution::ParseError| invalid(error.to_string()))?;
        // The parser adds `latest` where no tag stands; we need to know whether one was written.
        let written = text.split_once('@').map_or(text, |(name, _)| name);
        let tagged = written.rsplit('/').next().is_some_and(|last| last.contains(':'));
        Ok(Reference {
            registry: parsed.registry().to_owned(),
            repository: parsed.repository().to_owned(),
            tag: parsed.tag().filter(|_| tagged).map(Tag::from_str).transpose()?,
            digest: parsed.digest().map(Digest::from_str).transpose()?,
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// A tag: up to 128 letters, digits, `_`, `.` and `-`, the first not `.` or `-` (distribution-spec, as above).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

impl Tag {
    /// `latest`, the tag of what has no other.
    #[must_use]
    pub fn latest() -> Tag {
        Tag("latest".to_owned())
    }

    /// The tag's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `<tag>-<suffix>`.
    ///
    /// # Errors
    /// [`Error::InvalidTag`] when that is too long.
    pub fn suffixed(&self, suffix: &str) -> Result<Tag, Error> {
        format!("{self}-{suffix}").parse()
    }
}

impl FromStr for Tag {
    type Err = Error;

    fn from_str(text: &str) -> Result<Tag, Error> {
        let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let valid = text.len() <= 128
            && text.bytes().next().is_some_and(is_word)
            && text.bytes().all(|b| is_word(b) || b == b'.' || b == b'-');
        if valid { Ok(Tag(text.to_owned())) } else { Err(Error::InvalidTag { text: text.to_owned() }) }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, String, Option<String>, bool) {
        let r: Reference = text.parse().unwrap();
        (r.registry.clone(), r.repository.clone(), r.tag.map(|t| t.0), r.digest.is_some())
    }

    #[test]
    fn takes_a_port_for_a_port_and_a_tag_for_a_tag() {
        let sha = format!("sha256:{}", "0".repeat(64));
        let tag = |tag: &str| Some(tag.to_owned());
        assert_eq!(parsed("localhost:5000/app"), ("localhost:5000".into(), "app".into(), None, false));
        assert_eq!(parsed("localhost:5000/app:1"), ("localhost:5000".into(), "app".into(), tag("1"), false));
        assert_eq!(parsed("ghcr.io/a/b:v1"), ("ghcr.io".into(), "a/b".into(), tag("v1"), false));
        assert_eq!(parsed("app"), ("docker.io".into(), "library/app".into(), None, false));
        assert_eq!(parsed(&format!("ghcr.io/a/b@{sha}")), ("ghcr.io".into(), "a/b".into(), None, true));
        assert_eq!(
            parsed(&format!("ghcr.io/a/b:v1@{sha}")),
            ("ghcr.io".into(), "a/b".into(), tag("v1"), true)
        );
    }

    #[test]
    fn refuses_what_is_not_a_reference() {
        for text in ["", "app/UPPER", "a b", "ghcr.io/a:", "ghcr.io/a@sha256:12", "https://ghcr.io/a"] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }

    #[test]
    fn tags() {
        for text in ["latest", "v1.2.3-rc_1", "_x"] {
            assert_eq!(text.parse::<Tag>().unwrap().as_str(), text);
        }
        for text in ["", ".x", "-x", "a/b", "a:b", &"x".repeat(129)] {
            assert!(text.parse::<Tag>().is_err(), "{text}");
        }
        assert_eq!(Tag::latest().suffixed("module").unwrap().as_str(), "latest-module");
    }
}
