//! Names that no repository can have, because its layout is in a folder of that name, and the layout around it has something
//! else there.

/// Parts of a layout. A repository below another one, such as `app/blobs`, would be inside of its layout.
const PARTS: [&str; 3] = ["blobs", "index.json", "oci-layout"];

/// Refuses the path of a request for a repository that a folder of layouts can't have. Returns the reason.
pub(super) fn require_possible_name(path: &str) -> Result<(), String> {
    let name = repository(path).unwrap_or_default();
    match name.split('/').find(|part| PARTS.contains(part)) {
        Some(part) => Err(format!(
            "`{part}` is a part of every image layout, so no part of a repository's name can be `{part}`; choose another name"
        )),
        None => Ok(()),
    }
}

/// Returns the repository in the path of a request (distribution-spec, Endpoints).
fn repository(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/v2/")?;
    let rest = match rest.rsplit_once("/blobs/uploads") {
        // Not a digest: the identifier of an upload, or nothing.
        Some((name, id))
            if id.is_empty() || id.strip_prefix('/').is_some_and(|id| !id.contains('/')) =>
        {
            return Some(name);
        }
        _ => rest,
    };
    let (before, _) = rest.rsplit_once('/')?;
    let (name, endpoint) = before.rsplit_once('/')?;
    matches!(endpoint, "blobs" | "manifests" | "referrers" | "tags").then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_not_inside_of_another_ones_layout() {
        for path in [
            "/v2/app/oci-layout/manifests/1",
            "/v2/app/index.json/blobs/uploads/",
            "/v2/app/index.json/blobs/uploads/id",
            "/v2/app/blobs/blobs/uploads/",
            "/v2/app/blobs/x/manifests/1",
            "/v2/app/blobs/blobs/sha256:00",
            "/v2/oci-layout/tags/list",
        ] {
            let reason = require_possible_name(path).unwrap_err();
            assert!(reason.contains("is a part of every image layout"), "{path}");
        }
        for path in [
            "/v2/",
            "/v2/_catalog",
            "/v2/app/blobs/sha256:00",
            "/v2/app/blobs/uploads/",
            "/v2/app/blobs/uploads/id",
            "/v2/app/manifests/blobs",
            "/v2/my/app/tags/list",
            "/v2/app/referrers/sha256:00",
            "/v2/blobs-of-mine/manifests/1",
        ] {
            assert_eq!(require_possible_name(path), Ok(()), "{path}");
        }
    }
}
