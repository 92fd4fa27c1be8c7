//! Names of projects.

use std::process::Stdio;

use fs_err as fs;
use wasm_oci_core::fs::TemporaryFolder;

use crate::cargo::env::{CargoEnv, traced};
use crate::cargo::error::Error as CargoError;
use crate::scaffold::error::Error;
use crate::scaffold::values::image;

/// Checks that cargo and registries accept a name, by running `cargo new`. Returns cargo's warnings.
pub fn check(name: &str, env: &CargoEnv) -> Result<Vec<String>, Error> {
    // The rules change with cargo's versions, so cargo itself checks the name.
    let invalid = |reason: String| Error::Name { name: name.to_owned(), reason };
    let folder = TemporaryFolder::new()
        .map_err(|source| Error::Write { path: std::env::temp_dir(), source })?;
    // cargo adds a new package to the workspace above it. So we put one there, to protect the user's.
    let workspace = folder.path().join("Cargo.toml");
    fs::write(&workspace, "[workspace]\nresolver = \"3\"\n")
        .map_err(|source| Error::Write { path: workspace, source })?;
    let mut command = env.command(env.cargo());
    command
        .args(["new", "--vcs", "none", "--color", "never", "--offline"])
        .arg(format!("--name={name}"));
    command.arg(folder.path().join("project")).current_dir(folder.path()).stdin(Stdio::null());
    let output = traced(&mut command)
        .output()
        .map_err(|source| CargoError::NotStarted { program: env.cargo().to_owned(), source })?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        // The lines after the first suggest cargo's own flags.
        let reason = said.lines().find_map(|line| line.strip_prefix("error: ")).unwrap_or(&said);
        return Err(invalid(reason.trim().to_owned()));
    }
    image("example.com/owner", name).map_err(|error| match error {
        Error::Registry { .. } => invalid(
            "the names of images consist of lower-case letters and digits, with single `-`, `_` or `.` between them"
                .to_owned(),
        ),
        other => other,
    })?;
    Ok(said.lines().filter_map(|line| line.strip_prefix("warning: ")).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str) -> Result<Vec<String>, String> {
        super::check(name, &CargoEnv::from_process().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn cargo_is_asked() {
        assert_eq!(check("my-app"), Ok(vec![]));
        assert_eq!(check("my_app2"), Ok(vec![]));
        for (name, reason) in [
            ("", "empty"),
            ("a b", "invalid character"),
            ("2a", "digit"),
            ("a;b", "invalid character"),
            ("fn", "keyword"),
            ("test", "test"),
            ("deps", "deps"),
            ("../a", "invalid character"),
            ("--lib", "invalid character"),
            ("a\nb", "invalid character"),
            ("{{a}}", "invalid character"),
        ] {
            let error = check(name).unwrap_err();
            assert!(error.contains(reason), "{name}: {error}");
        }
        assert!(check("core").unwrap()[0].contains("standard library"));
    }

    #[test]
    fn images_can_have_the_name() {
        for name in ["MyApp", "_app", "app-", "ä"] {
            assert!(check(name).unwrap_err().contains("lower-case"), "{name}");
        }
    }
}
