//! Names of images in registries.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Digest, Error};

const DOCKER_HUB: &str = "docker.io";
// Docker Hub's old name is still in use: `docker login` stores its credentials under it.
const DOCKER_HUB_ONCE: &str = "index.docker.io";
// The limit of distribution/reference, which registries use.
const LONGEST_REPOSITORY: usize = 255;

/// The place of an image in a registry: `registry/repository[:tag][@digest]`
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

    /// The digest, if one was given. It takes precedence over the tag.
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
        // A digest would take precedence over the new tag.
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
        let invalid = |reason: &str| Error::InvalidReference {
            text: text.to_owned(),
            reason: reason.to_owned(),
        };
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(invalid(&format!("leave out `{scheme}://`")));
        }
        // By hand, because oci-spec's parser compiles a regular expression, which takes 40 ms: four times as
        // long as a push without a change.
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                (rest, Some(digest.parse().map_err(|e: Error| invalid(&e.to_string()))?))
            }
            None => (text, None),
        };
        // A colon before the last slash is that of a port.
        let last = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[last..].split_once(':') {
            Some((end, tag)) => (
                &rest[..last + end.len()],
                Some(tag.parse().map_err(|e: Error| invalid(&e.to_string()))?),
            ),
            None => (rest, None),
        };
        let (registry, repository) = match name.split_once('/') {
            Some((first, path)) if is_registry(first) => (first, path),
            _ => (DOCKER_HUB, name),
        };
        if !is_host(registry) {
            return Err(invalid(
                "the registry is not a host name or address with an optional port",
            ));
        }
        if !repository.split('/').all(is_component) {
            return Err(invalid(
                "a repository has lower-case letters and digits, and between them one of `.`, `_`, `__` or any number \
                 of `-`",
            ));
        }
        let registry = if registry == DOCKER_HUB_ONCE { DOCKER_HUB } else { registry };
        // Docker Hub's official images are in `library`, which users leave out.
        let of_docker = registry == DOCKER_HUB && !repository.contains('/');
        let repository =
            if of_docker { format!("library/{repository}") } else { repository.to_owned() };
        // With that part, so that a reference can be printed and read again.
        if repository.len() > LONGEST_REPOSITORY {
            return Err(invalid("the repository has more than 255 characters"));
        }
        Ok(Reference { registry: registry.to_owned(), repository, tag, digest })
    }
}

// The rule of distribution/reference: without it, the owner in `owner/app` would be taken for a host.
fn is_registry(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':'])
}

fn is_host(text: &str) -> bool {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    // An IPv6 address has colons itself, so its port comes after the bracket (RFC 3986, section 3.2.2).
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once(']').is_some_and(|(address, port)| {
            address.parse::<Ipv6Addr>().is_ok()
                && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        });
    }
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    host.split('.').all(is_label) && port.is_none_or(is_port)
}

// distribution-spec: `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut separators =
        text.split(|c: char| c.is_ascii() && is_word(c as u8)).filter(|part| !part.is_empty());
    let ends_well = |b: Option<u8>| b.is_some_and(is_word);
    ends_well(text.bytes().next())
        && ends_well(text.bytes().last())
        && separators
            .all(|part| matches!(part, "." | "_" | "__") || part.bytes().all(|b| b == b'-'))
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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Tag(String);

impl Tag {
    /// `latest`, the default tag.
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
        if valid {
            Ok(Tag(text.to_owned()))
        } else {
            Err(Error::InvalidTag { text: text.to_owned() })
        }
    }
}

impl TryFrom<String> for Tag {
    type Error = Error;

    fn try_from(text: String) -> Result<Tag, Error> {
        text.parse()
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> String {
        tag.0
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
        for (text, registry, repository, tag, has_digest) in [
            ("localhost:5000/app", "localhost:5000", "app", None, false),
            ("localhost:5000/app:1", "localhost:5000", "app", Some("1"), false),
            ("ghcr.io/a/b:v1", "ghcr.io", "a/b", Some("v1"), false),
            ("app", "docker.io", "library/app", None, false),
            (&format!("ghcr.io/a/b@{sha}"), "ghcr.io", "a/b", None, true),
            (&format!("ghcr.io/a/b:v1@{sha}"), "ghcr.io", "a/b", Some("v1"), true),
        ] {
            let expected = (registry.into(), repository.into(), tag.map(str::to_owned), has_digest);
            assert_eq!(parsed(text), expected, "{text}");
        }
    }

    #[test]
    fn reads_what_oci_spec_reads() {
        use oci_spec::distribution::Reference as SpecReference;
        let parts = " a B 9 . : / - _ @sha256: localhost a.io library docker.io";
        let parts: Vec<&str> = parts.split(' ').collect();
        let n = parts.len();
        for code in 0..n.pow(5) {
            let text: String = (0..5).map(|digit| parts[code / n.pow(digit) % n]).collect();
            let text = text.replace("@sha256:", &format!("@sha256:{}", "0".repeat(64)));
            match (text.parse::<Reference>(), text.parse::<SpecReference>()) {
                (Ok(ours), Ok(spec)) => {
                    assert_eq!(ours.registry, spec.registry(), "{text}");
                    assert_eq!(ours.repository, spec.repository(), "{text}");
                    let default = ours.digest.is_none().then_some("latest");
                    let tag = ours.tag.as_ref().map(Tag::as_str).or(default);
                    assert_eq!(tag, spec.tag(), "{text}");
                    let digest = ours.digest.map(|digest| digest.to_string());
                    assert_eq!(digest.as_deref(), spec.digest(), "{text}");
                }
                (Err(_), Err(_)) => {}
                // oci-spec accepts invalid repositories, and takes some repositories for hosts.
                (Err(_), Ok(spec))
                    if spec.repository() != spec.repository().to_lowercase()
                        || spec.registry().contains('_') => {}
                (ours, spec) => panic!("{text}: {ours:?}, but {spec:?}"),
            }
        }
    }

    #[test]
    fn a_registry_may_be_an_address() {
        let (registry, repository, ..) = parsed("[::1]:5000/app:1");
        assert_eq!((registry.as_str(), repository.as_str()), ("[::1]:5000", "app"));
        let invalid = "[::1/app [x]:5000/app [::1]:/app [::1]5/app a.io:/app a.io:x/app -a.io/app";
        for text in invalid.split(' ') {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
        assert!(format!("a.io/{}", "a".repeat(256)).parse::<Reference>().is_err());
        // Docker Hub adds `library/`, which counts, too: what is accepted can be printed and read again.
        assert!("a".repeat(248).parse::<Reference>().is_err());
        let longest: Reference = "a".repeat(247).parse().unwrap();
        assert_eq!(longest.to_string().parse::<Reference>().unwrap(), longest);
    }

    #[test]
    fn refuses_what_is_not_a_reference() {
        for text in
            ["", "app/UPPER", "a b", "ghcr.io/a:", "ghcr.io/a@sha256:12", "https://ghcr.io/a"]
        {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
        let error = "oci://ghcr.io/a".parse::<Reference>().unwrap_err().to_string();
        assert!(error.contains("leave out `oci://`"), "{error}");
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
