//! Settings that come from `Cargo.toml` and git, without being written for us.

use std::collections::BTreeMap;

use wasm_oci_app::config::settings::Settings;
use wasm_oci_app::config::template::{Expanded, expand};
use wasm_oci_core::image::Created;

use crate::cargo::git::Revision;
use crate::cargo::project::Project;

/// Returns labels and annotations for a program under the
/// [names of the image specification](https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md).
pub fn detected(project: &Project, revision: Option<&Revision>) -> Settings {
    let authors = (!project.authors.is_empty()).then(|| project.authors.join(", "));
    let known = [
        ("title", Some(project.target.clone())),
        ("description", project.description.clone()),
        ("version", Some(project.version.clone())),
        ("authors", authors.clone()),
        ("licenses", project.license.clone()),
        ("documentation", project.documentation.clone()),
        ("url", project.homepage.clone()),
        ("source", project.repository.clone().or_else(|| revision?.origin.clone())),
        ("revision", revision.map(Revision::to_string)),
    ];
    let labels: BTreeMap<String, String> = known
        .into_iter()
        .filter_map(|(name, value)| Some((format!("org.opencontainers.image.{name}"), value?)))
        .collect();
    Settings {
        // Labels are in the config, and annotations in the manifest. Tools read one or the other.
        annotations: labels.clone(),
        labels,
        author: authors,
        // Not the clock's time: the same sources have to give the same digest.
        created: revision.and_then(|it| Created::from_unix(it.time.try_into().ok()?).ok()),
        ..Settings::default()
    }
}

/// Replaces `{bin}`, `{package}` and `{version}` in the name of a repository.
pub fn expanded(repository: &str, project: &Project) -> Expanded {
    let Project { target, package, version, .. } = project;
    expand(repository, &[("{bin}", target), ("{package}", package), ("{version}", version)])
}
