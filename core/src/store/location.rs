//! Locations of images as users write them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::Error;
use crate::image::{Reference, Tag};

/// The location of a module or an image, in the syntax of skopeo and others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A `.wasm` file: a path that exists, that ends in `.wasm`, or that starts with `.` or `/`.
    File(PathBuf),
    /// `oci:DIR[:TAG]`, a layout directory.
    Layout(PathBuf, Option<Tag>),
    /// `oci-archive:FILE[:TAG]`, an archive of a layout.
    Archive(PathBuf, Option<Tag>),
    /// `[docker://]REGISTRY/REPOSITORY[:TAG][@DIGEST]`.
    Registry(Reference),
}

impl FromStr for Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Location, Error> {
        let invalid = |reason: String| Error::InvalidLocation { text: text.to_owned(), reason };
        // Helm and others write references so. Here it would be a folder's path, which has no use for two slashes.
        if let Some(reference) = text.strip_prefix("oci://").filter(|rest| is_in_registry(rest)) {
            return Err(invalid(format!(
                "`oci:` is for a layout directory: for an image in a registry write `docker://{reference}` or `{reference}`"
            )));
        }
        if let Some(rest) = text.strip_prefix("oci:") {
            let (path, tag) = split_tag(rest).map_err(invalid)?;
            return Ok(Location::Layout(path, tag));
        }
        if let Some(rest) = text.strip_prefix("oci-archive:") {
            let (path, tag) = split_tag(rest).map_err(invalid)?;
            return Ok(Location::Archive(path, tag));
        }
        if let Some(rest) = text.strip_prefix("docker://") {
            return Ok(Location::Registry(rest.parse()?));
        }
        let path = PathBuf::from(text);
        // Otherwise, the name of a local folder such as `target/oci` would be a repository of Docker Hub.
        if path.join("oci-layout").is_file() {
            return Err(invalid(format!("it is a layout directory: write `oci:{text}`")));
        }
        let is_archive = text.ends_with(".tar") && path.is_file();
        if is_archive {
            return Err(invalid(format!("it is an archive: write `oci-archive:{text}`")));
        }
        let is_folder_there = path.parent().is_some_and(Path::is_dir);
        if text.ends_with(".wasm") && !path.exists() && !is_folder_there && is_in_registry(text) {
            return Err(invalid(format!(
                "there is no such file: for a repository of this name write `docker://{text}`"
            )));
        }
        if path.is_file() || text.ends_with(".wasm") || text.starts_with(['.', '/']) {
            return Ok(Location::File(path));
        }
        Ok(Location::Registry(text.parse()?))
    }
}

/// Returns true for a reference that names its registry.
fn is_in_registry(text: &str) -> bool {
    let host = text.split('/').next().unwrap_or_default();
    let names_host = host == "localhost" || host.trim_start_matches('.').contains(['.', ':']);
    text.contains('/') && names_host && text.parse::<Reference>().is_ok()
}

/// Splits `PATH[:TAG]`. The text after the last colon is a tag unless it looks like a part of the path.
fn split_tag(text: &str) -> Result<(PathBuf, Option<Tag>), String> {
    let (path, tag) = match text.rsplit_once(':') {
        Some((path, tag)) if !tag.contains(['/', '\\']) && !is_drive(path) => {
            (path, Some(tag.parse().map_err(|e: crate::image::Error| e.to_string())?))
        }
        _ => (text, None),
    };
    if path.is_empty() {
        return Err("the path is missing".to_owned());
    }
    Ok((PathBuf::from(path), tag))
}

/// Returns true for the `C` of `C:images`.
fn is_drive(path: &str) -> bool {
    cfg!(windows) && path.len() == 1
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, path, tag) = match self {
            Location::File(path) => ("", path, &None),
            Location::Layout(path, tag) => ("oci:", path, tag),
            Location::Archive(path, tag) => ("oci-archive:", path, tag),
            Location::Registry(reference) => return reference.fmt(f),
        };
        write!(f, "{scheme}{}", path.display())?;
        match tag {
            Some(tag) => write!(f, ":{tag}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_skopeo_writes_them() {
        let tag = |text: &str| Some(text.parse::<Tag>().unwrap());
        let at = |text: &str| text.parse::<Location>().unwrap();
        assert_eq!(at("oci:target/app"), Location::Layout("target/app".into(), None));
        assert_eq!(at("oci:target/app:v1"), Location::Layout("target/app".into(), tag("v1")));
        assert_eq!(at("oci-archive:app.tar:v1"), Location::Archive("app.tar".into(), tag("v1")));
        assert_eq!(at("app.wasm"), Location::File("app.wasm".into()));
        assert_eq!(at("./app"), Location::File("./app".into()));
        assert_eq!(at("docker://localhost:5000/app:v1"), at("localhost:5000/app:v1"));
        for text in ["oci:", "oci-archive::v1", "oci:x:-bad", "Not A Reference"] {
            assert!(text.parse::<Location>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_reference_that_looks_like_a_path_is_explained() {
        let error = |text: &str| text.parse::<Location>().unwrap_err().to_string();
        let helm = error("oci://ghcr.io/me/app:v1");
        assert!(helm.contains("write `docker://ghcr.io/me/app:v1`"), "{helm}");
        let named = error("ghcr.io/me/app.wasm");
        assert!(named.contains("write `docker://ghcr.io/me/app.wasm`"), "{named}");
        assert!("docker://ghcr.io/me/app.wasm".parse::<Location>().is_ok());
        assert!("ghcr.io/me/app.wasm:v1".parse::<Location>().is_ok());
        assert!("oci:///tmp/layout".parse::<Location>().is_ok());
        for file in ["app.wasm", "./ghcr.io/me/app.wasm", "../a.b/app.wasm", "x/y.wasm"] {
            assert!(matches!(file.parse(), Ok(Location::File(_))), "{file}");
        }
    }

    #[test]
    fn reads_back_what_it_prints() {
        for text in ["oci:dir", "oci:dir:v1", "oci-archive:a.tar:v1", "ghcr.io/a/b:v1", "x/y.wasm"]
        {
            assert_eq!(text.parse::<Location>().unwrap().to_string(), text);
        }
    }
}
