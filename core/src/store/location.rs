//! Locations of images as users write them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{Error, Layout, Name};
use crate::image::{Error as ImageError, Reference};

/// The location of a module or an image, in the syntax of skopeo and others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A `.wasm` or `.wat` file: a path that exists, that ends like this, or that starts with `.` or `/`. `-` is standard
    /// input.
    File(PathBuf),
    /// `oci:DIR[:NAME][@DIGEST]`, a layout directory.
    Layout(PathBuf, Option<Name>),
    /// `oci-archive:FILE[:NAME][@DIGEST]`, an archive of a layout.
    Archive(PathBuf, Option<Name>),
    /// `docker-archive:FILE[:NAME][@DIGEST]`, an archive as `podman save` writes it. Only for reading.
    DockerArchive(PathBuf, Option<Name>),
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
            let (path, name) = split(rest, Layout::is_at).map_err(invalid)?;
            return Ok(Location::Layout(path, name));
        }
        if let Some(rest) = text.strip_prefix("oci-archive:") {
            let (path, name) = split_archive(rest).map_err(invalid)?;
            return Ok(Location::Archive(path, name));
        }
        if let Some(rest) = text.strip_prefix("docker-archive:") {
            let (path, name) = split_archive(rest).map_err(invalid)?;
            return Ok(Location::DockerArchive(path, name));
        }
        if let Some(rest) = text.strip_prefix("docker://") {
            return Ok(Location::Registry(rest.parse()?));
        }
        let path = PathBuf::from(text);
        // Otherwise, the name of a local folder such as `target/oci` would be a repository of Docker Hub.
        if Layout::is_at(&path) {
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
        let is_module = text == "-" || [".wasm", ".wat"].iter().any(|end| text.ends_with(end));
        if path.is_file() || is_module || text.starts_with(['.', '/']) {
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

/// Splits the same for an archive, which is read at any position and written as a whole.
fn split_archive(text: &str) -> Result<(PathBuf, Option<Name>), String> {
    let (path, name) = split(text, Path::is_file)?;
    if path.as_os_str() == "-" {
        return Err(
            "an archive can't be a standard stream: name a file (`./-` is one, too)".to_owned()
        );
    }
    Ok((path, name))
}

/// Splits `PATH[:NAME][@DIGEST]`. A digest counts more than a name, as in a reference. Both a path and a name may have
/// colons: the longest path of something that `exists` counts, otherwise, as in skopeo, the name begins at the first colon
/// that a name can follow.
fn split(text: &str, exists: fn(&Path) -> bool) -> Result<(PathBuf, Option<Name>), String> {
    let (text, digest) = match text.rsplit_once('@') {
        Some((rest, digest)) if digest.starts_with("sha256:") => {
            (rest, Some(digest.parse().map_err(|e: ImageError| e.to_string())?))
        }
        _ => (text, None),
    };
    let digest = digest.map(Name::Digest);
    let mut colons: Vec<usize> = text.match_indices(':').map(|(at, _)| at).collect();
    colons.retain(|at| !is_drive(&text[..*at]));
    let whole = (!text.is_empty() && exists(Path::new(text))).then_some(text.len());
    let known = colons.iter().rev().copied().find(|at| exists(Path::new(&text[..*at])));
    let named = colons.iter().copied().find(|at| Name::of_entry(&text[at + 1..]).is_ok());
    let end = whole.or(known).or(named).or(colons.first().copied()).unwrap_or(text.len());
    let (path, name) = text.split_at(end);
    if path.is_empty() {
        return Err("the path is missing".to_owned());
    }
    let name = name.strip_prefix(':').map(Name::of_entry).transpose();
    Ok((PathBuf::from(path), digest.or(name.map_err(|e| e.to_string())?)))
}

/// Returns true for the `C` of `C:images`.
fn is_drive(path: &str) -> bool {
    cfg!(windows) && path.len() == 1
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, path, name) = match self {
            Location::File(path) => ("", path, &None),
            Location::Layout(path, name) => ("oci:", path, name),
            Location::Archive(path, name) => ("oci-archive:", path, name),
            Location::DockerArchive(path, name) => ("docker-archive:", path, name),
            Location::Registry(reference) => return reference.fmt(f),
        };
        write!(f, "{scheme}{}", path.display())?;
        match name {
            Some(Name::Digest(digest)) => write!(f, "@{digest}"),
            Some(name) => write!(f, ":{name}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_skopeo_writes_them() {
        let tag = |text: &str| Some(Name::Tag(text.parse().unwrap()));
        let at = |text: &str| text.parse::<Location>().unwrap();
        assert_eq!(at("oci:target/app"), Location::Layout("target/app".into(), None));
        assert_eq!(at("oci:target/app:v1"), Location::Layout("target/app".into(), tag("v1")));
        assert_eq!(at("oci-archive:app.tar:v1"), Location::Archive("app.tar".into(), tag("v1")));
        let name = |text: &str| Some(Name::Ref(text.parse().unwrap()));
        assert_eq!(
            at("oci:dir:localhost/app:v2"),
            Location::Layout("dir".into(), name("localhost/app:v2"))
        );
        assert_eq!(
            at("docker-archive:a.tar:app:v2"),
            Location::DockerArchive("a.tar".into(), name("app:v2"))
        );
        let digest = crate::image::Digest::of(b"x");
        let by_digest = Location::Layout("dir".into(), Some(Name::Digest(digest)));
        assert_eq!(at(&format!("oci:dir@{digest}")), by_digest);
        assert_eq!(at(&format!("oci:dir:v1@{digest}")), by_digest);
        assert_eq!(
            at("oci:x](http:evil) |:v1"),
            Location::Layout("x](http:evil) |".into(), tag("v1"))
        );
        assert_eq!(at("-"), Location::File("-".into()));
        assert_eq!(at("app.wat"), Location::File("app.wat".into()));
        assert_eq!(at("app.wasm"), Location::File("app.wasm".into()));
        assert_eq!(at("./app"), Location::File("./app".into()));
        assert_eq!(at("docker://localhost:5000/app:v1"), at("localhost:5000/app:v1"));
        for text in ["oci:", "oci-archive::v1", "oci:x:-bad", "oci:x@sha256:1", "Not A Reference"] {
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
    fn a_path_with_colons_that_exists_counts() {
        let folder = tempfile::tempdir().unwrap();
        let layout = folder.path().join("a:b");
        crate::store::Layout::create(&layout).unwrap();
        let text = format!("oci:{}", layout.display());
        assert_eq!(text.parse::<Location>().unwrap(), Location::Layout(layout.clone(), None));
        let v1 = Some(Name::Tag("v1".parse().unwrap()));
        let location = format!("{text}:v1").parse::<Location>().unwrap();
        assert_eq!(location, Location::Layout(layout, v1));
    }

    #[test]
    fn reads_back_what_it_prints() {
        for text in ["oci:dir", "oci:dir:v1", "oci-archive:a.tar:v1", "ghcr.io/a/b:v1", "x/y.wasm"]
        {
            assert_eq!(text.parse::<Location>().unwrap().to_string(), text);
        }
    }
}
