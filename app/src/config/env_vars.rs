//! Every environment variable that the commands read, in one place. (cargo's own are read where the cargo
//! command is; libraries read what they document, such as `NO_COLOR`, `HTTPS_PROXY` and `DOCKER_CONFIG`.)

use std::path::PathBuf;

use crate::config::settings::Settings;

/// The time that goes into images, in seconds since 1970 (<https://reproducible-builds.org/specs/source-date-epoch/>).
pub const SOURCE_DATE_EPOCH: &str = "SOURCE_DATE_EPOCH";
/// Where to push to: the setting `repository`.
pub const WASM_OCI_REPOSITORY: &str = "WASM_OCI_REPOSITORY";
/// Registries to speak plain HTTP with, separated by commas: the setting `insecure-registries`.
pub const WASM_OCI_INSECURE_REGISTRIES: &str = "WASM_OCI_INSECURE_REGISTRIES";
/// The host, and port, of the registry that the next two are for.
pub const WASM_OCI_REGISTRY: &str = "WASM_OCI_REGISTRY";
/// The user's name there.
pub const WASM_OCI_USERNAME: &str = "WASM_OCI_USERNAME";
/// Their password or access token.
pub const WASM_OCI_PASSWORD: &str = "WASM_OCI_PASSWORD";

/// The folder for compiled code and pulled blobs, instead of `wasm-oci` in the user's folder for caches.
pub const WASM_OCI_CACHE_DIR: &str = "WASM_OCI_CACHE_DIR";
/// The size that each of the two is kept below, as `500MiB`.
pub const WASM_OCI_CACHE_SIZE: &str = "WASM_OCI_CACHE_SIZE";

/// The value of a variable, unless it is empty.
#[must_use]
pub fn value(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The folders in which programs are looked for.
#[must_use]
pub fn search_path() -> Vec<PathBuf> {
    std::env::var_os("PATH").map_or_else(Vec::new, |path| std::env::split_paths(&path).collect())
}

/// The settings that the environment has.
#[must_use]
pub fn settings() -> Settings {
    settings_from(value)
}

fn settings_from(variable: impl Fn(&str) -> Option<String>) -> Settings {
    Settings {
        created: variable(SOURCE_DATE_EPOCH),
        repository: variable(WASM_OCI_REPOSITORY),
        insecure_registries: variable(WASM_OCI_INSECURE_REGISTRIES)
            .map(|list| list.split(',').map(|host| host.trim().to_owned()).collect()),
        ..Settings::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_variable_is_a_setting() {
        let settings = settings_from(|name| Some(format!("{name},b")));
        assert_eq!(settings.created.as_deref(), Some("SOURCE_DATE_EPOCH,b"));
        assert_eq!(settings.repository.as_deref(), Some("WASM_OCI_REPOSITORY,b"));
        assert_eq!(settings.insecure_registries.unwrap(), ["WASM_OCI_INSECURE_REGISTRIES", "b"]);
        assert_eq!(settings_from(|_| None), Settings::default());
    }
}
