//! All environment variables of the two commands. Not here: the variables of cargo, which `cargo-plugin` reads, and those that
//! libraries document, such as `NO_COLOR`, `HTTPS_PROXY` and `DOCKER_CONFIG`.

use std::path::PathBuf;

use bytesize::ByteSize;
use wasm_oci_core::run::Cache;

use crate::config::settings::Settings;
use crate::error::{SettingsError, UsageError};

/// Creation time of images, in seconds since 1970 (<https://reproducible-builds.org/specs/source-date-epoch/>).
pub const SOURCE_DATE_EPOCH: &str = "SOURCE_DATE_EPOCH";
/// Destination of pushes: the setting `repository`.
pub const WASM_OCI_REPOSITORY: &str = "WASM_OCI_REPOSITORY";
/// Registries to access over plain HTTP, separated by commas: the setting `insecure-registries`.
pub const WASM_OCI_INSECURE_REGISTRIES: &str = "WASM_OCI_INSECURE_REGISTRIES";
/// Hosts that a registry may send us to even though their addresses are not public, separated by commas.
pub const WASM_OCI_PRIVATE_HOSTS: &str = "WASM_OCI_PRIVATE_HOSTS";
/// Host and port of the registry that the user name and password are for.
pub const WASM_OCI_REGISTRY: &str = "WASM_OCI_REGISTRY";
pub const WASM_OCI_USERNAME: &str = "WASM_OCI_USERNAME";
/// Password or access token.
pub const WASM_OCI_PASSWORD: &str = "WASM_OCI_PASSWORD";

/// Limits for reading images, such as `unpacked=20GiB,time=10m`; `--read-limit` comes first.
pub const WASM_OCI_READ_LIMITS: &str = "WASM_OCI_READ_LIMITS";

/// Folder for compiled code, pulled blobs and the places of blobs in registries, instead of `wasm-oci` in the user's cache folder.
pub const WASM_OCI_CACHE_DIR: &str = "WASM_OCI_CACHE_DIR";
/// Size limit of each of these caches, such as `500MiB`.
pub const WASM_OCI_CACHE_SIZE: &str = "WASM_OCI_CACHE_SIZE";

/// Returns the value of a variable unless it is empty.
pub fn value(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns the parts of a variable that are separated by commas.
pub fn list(name: &str) -> Option<Vec<String>> {
    value(name).map(split)
}

fn split(list: String) -> Vec<String> {
    list.split(',').map(|part| part.trim().to_owned()).collect()
}

/// Returns the program of this name in the first of `folders` that has one.
pub fn find_program(name: &str, folders: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    // A full path starts quicker: the system does not have to search again.
    let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    folders.into_iter().map(|folder| folder.join(&name)).find(|file| file.is_file())
}

/// Returns the folder of all caches, which may not exist yet.
pub fn cache_dir() -> Option<PathBuf> {
    value(WASM_OCI_CACHE_DIR).map(PathBuf::from).or_else(Cache::default_dir)
}

/// Returns the size limit of each cache, unless it is the default.
pub fn cache_size() -> Result<Option<u64>, UsageError> {
    let limit = value(WASM_OCI_CACHE_SIZE).map(|text| {
        text.parse::<ByteSize>().map_err(|_| UsageError::Variable {
            name: WASM_OCI_CACHE_SIZE,
            reason: format!("`{text}` is not a size; use one such as 512MiB"),
        })
    });
    Ok(limit.transpose()?.map(|size| size.as_u64()))
}

pub fn search_path() -> Vec<PathBuf> {
    std::env::var_os("PATH").map_or_else(Vec::new, |path| std::env::split_paths(&path).collect())
}

pub fn settings() -> Result<Settings, SettingsError> {
    settings_from(value)
}

fn settings_from(variable: impl Fn(&str) -> Option<String>) -> Result<Settings, SettingsError> {
    // The specification of this variable wants a build to fail if the value is malformed.
    let created = variable(SOURCE_DATE_EPOCH).map(|text| text.parse()).transpose();
    Ok(Settings {
        created: created.map_err(|e| SettingsError::invalid(SOURCE_DATE_EPOCH, &e))?,
        repository: variable(WASM_OCI_REPOSITORY),
        ..registry_settings_from(variable)
    })
}

// Without SOURCE_DATE_EPOCH: a command that only contacts registries must not fail because of an invalid one.
pub fn registry_settings() -> Settings {
    registry_settings_from(value)
}

fn registry_settings_from(variable: impl Fn(&str) -> Option<String>) -> Settings {
    Settings {
        insecure_registries: variable(WASM_OCI_INSECURE_REGISTRIES).map(split),
        ..Settings::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_variable_is_a_setting() {
        let variables = |name: &str| match name {
            SOURCE_DATE_EPOCH => Some("1767225600".to_owned()),
            name => Some(format!("{name},b")),
        };
        let settings = settings_from(variables).unwrap();
        assert_eq!(settings.created.unwrap().to_string(), "2026-01-01T00:00:00Z");
        assert_eq!(settings.repository.as_deref(), Some("WASM_OCI_REPOSITORY,b"));
        assert_eq!(settings.insecure_registries.unwrap(), ["WASM_OCI_INSECURE_REGISTRIES", "b"]);
        assert_eq!(settings_from(|_| None).unwrap(), Settings::default());
        let error = settings_from(|_| Some("now".to_owned())).unwrap_err().to_string();
        assert!(error.contains("`SOURCE_DATE_EPOCH`") && error.contains("`now`"), "{error}");
    }
}
