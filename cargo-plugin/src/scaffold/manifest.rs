//! Edits of a `Cargo.toml` that preserve the rest of it, including comments and layout.

use std::path::Path;

use fs_err as fs;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value};
use wasm_oci_core::fs::write;
use wasm_oci_core::image::Format;

use crate::scaffold::error::Error;

/// Key of our settings in `[package.metadata]`.
const KEY: &str = "wasm-oci";

/// Text after the settings that a package gets.
const SMOKE_TEST: &str = r#"

# `cargo wasm-oci test` runs smoke tests, and so does `push` before it pushes. For example:
#
# [[package.metadata.wasm-oci.smoke]]
# name = "explains itself"
# args = ["--help"]
# stdout = { contains = "usage" }"#;

/// Edits a manifest with `change`, and writes it if `change` returns true. Returns true if it was written.
pub fn change(
    path: &Path,
    change: impl FnOnce(&mut DocumentMut) -> Result<bool, &'static str>,
) -> Result<bool, Error> {
    let failed = |reason: String| Error::Manifest { path: path.to_owned(), reason };
    let text =
        fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let mut manifest: DocumentMut =
        text.parse().map_err(|e: toml_edit::TomlError| failed(e.to_string()))?;
    let changed = change(&mut manifest).map_err(|reason| failed(reason.to_owned()))?;
    if changed {
        let bytes = manifest.to_string();
        write(path, bytes.as_bytes())
            .map_err(|source| Error::Write { path: path.to_owned(), source })?;
    }
    Ok(changed)
}

/// Adds a member to a workspace's manifest, in alphabetical order if the members are sorted.
pub(super) fn add_member(manifest: &mut DocumentMut, member: &str) -> Result<bool, &'static str> {
    let workspace =
        manifest["workspace"].as_table_like_mut().ok_or("it has no table `workspace`")?;
    let members = workspace.entry("members").or_insert(Item::Value(Array::new().into()));
    let members = members.as_array_mut().ok_or("`workspace.members` is not a list")?;
    if members.iter().any(|it| it.as_str() == Some(member)) {
        return Ok(false);
    }
    let names: Vec<&str> = members.iter().filter_map(Value::as_str).collect();
    // cargo new keeps a sorted list sorted, too.
    let at = match names.is_sorted() {
        true => names.iter().position(|it| *it > member).unwrap_or(names.len()),
        false => names.len(),
    };
    insert(members, at, member);
    Ok(true)
}

/// Inserts a value into a list, on its own line if the others have their own. Comments stay with the value before or below them.
fn insert(list: &mut Array, at: usize, text: &str) {
    let space = |raw: Option<&str>| raw.unwrap_or_default().to_owned();
    // A line break and the indentation after it.
    let lines_begin = |space: &str| space.rfind('\n').map(|end| space[end..].to_owned());
    let begin = list.iter().find_map(|it| lines_begin(it.decor().prefix()?.as_str()?));
    let mut value = Value::from(text);
    if let Some(next) = list.get_mut(at) {
        let before = space(next.decor().prefix().and_then(|it| it.as_str()));
        match before.split_once('\n') {
            Some((behind_previous, above)) => {
                let begin = begin.unwrap_or_default();
                value.decor_mut().set_prefix(format!("{behind_previous}{begin}"));
                next.decor_mut().set_prefix(format!("\n{above}"));
            }
            None => {
                value.decor_mut().set_prefix(before);
                next.decor_mut().set_prefix(" ");
            }
        }
    } else if let Some(last) = list.iter_mut().last() {
        // Without a trailing comma, the text after the last value belongs to the value.
        value.decor_mut().set_suffix(space(last.decor().suffix().and_then(|it| it.as_str())));
        last.decor_mut().set_suffix("");
        let after = space(list.trailing().as_str());
        let (behind_previous, end) =
            after.find('\n').map_or(("", after.as_str()), |end| after.split_at(end));
        let (behind_previous, end) = (behind_previous.to_owned(), end.to_owned());
        value.decor_mut().set_prefix(behind_previous + begin.as_deref().unwrap_or(" "));
        list.set_trailing(end);
    }
    list.insert_formatted(at, value);
}

/// Adds our settings to a package that has none: the repository of its images, their format unless it is set elsewhere, and the
/// outline of a smoke test.
pub(super) fn add_settings(
    manifest: &mut DocumentMut,
    registry: &str,
    add_format: bool,
) -> Result<bool, &'static str> {
    let package = manifest.get_mut("package").ok_or("it has no table `package`")?;
    let is_inline = package.is_value();
    let package = package.as_table_like_mut().ok_or("`package` is not a table")?;
    let mut implicit = Table::new();
    // Without a header of its own: only `[package.metadata.wasm-oci]` appears in the file.
    implicit.set_implicit(true);
    let metadata = package.entry("metadata").or_insert(Item::Table(implicit));
    // An inline table can contain only inline tables.
    let is_inline = is_inline || metadata.is_value();
    let metadata = metadata.as_table_like_mut().ok_or("`package.metadata` is not a table")?;
    if metadata.contains_key(KEY) {
        return Ok(false);
    }
    let repository = format!("{registry}/{{bin}}");
    let mut pairs = vec![("repository", repository)];
    // Every container engine starts it, without a Wasm runtime.
    pairs.extend(add_format.then(|| ("format", Format::Standalone.to_string())));
    let settings = match is_inline {
        true => Item::Value(InlineTable::from_iter(pairs).into()),
        false => {
            let mut settings = Table::from_iter(pairs);
            // toml_edit keeps comments as decoration of values. There is no item for a comment alone.
            let last = settings.iter_mut().last().and_then(|(_, item)| item.as_value_mut());
            last.into_iter().for_each(|value| value.decor_mut().set_suffix(SMOKE_TEST));
            Item::Table(settings)
        }
    };
    metadata.insert(KEY, settings);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(
        text: &str,
        change: impl FnOnce(&mut DocumentMut) -> Result<bool, &'static str>,
    ) -> String {
        let mut manifest: DocumentMut = text.parse().unwrap();
        assert!(change(&mut manifest).unwrap(), "nothing has changed");
        manifest.to_string()
    }

    #[test]
    fn settings_come_last_of_the_package_and_the_rest_stays() {
        let before = "# Ours\n[package]\nname   = \"a\" # so\n\n[dependencies]\nb = { version = '1' }  # odd\n";
        let after = changed(before, |it| add_settings(it, "ghcr.io/me", true));
        let added =
            after.replace("\n[package.metadata.wasm-oci]\nrepository = \"ghcr.io/me/{bin}\"\nformat = \"standalone\"", "");
        assert_eq!(added.replace(&format!("{SMOKE_TEST}\n"), ""), before, "{after}");
        let manifest: toml::Table = after.parse().unwrap();
        assert_eq!(
            manifest["package"]["metadata"]["wasm-oci"]["repository"].as_str(),
            Some("ghcr.io/me/{bin}")
        );
        let elsewhere = changed(before, |it| add_settings(it, "ghcr.io/me", false));
        assert_eq!(elsewhere, after.replace("\nformat = \"standalone\"", ""));
        // The text in the comment has to be a valid smoke test.
        let (_, comment) = SMOKE_TEST.split_once("For example:\n#\n").unwrap();
        let smoke: toml::Table = comment.replace("# ", "").parse().unwrap();
        assert!(smoke["package"]["metadata"]["wasm-oci"]["smoke"].is_array());
    }

    #[test]
    fn settings_lie_beside_those_of_others() {
        for before in [
            "[package]\nname = \"a\"\n[package.metadata.docs.rs]\nall-features = true\n",
            "[package]\nname = \"a\"\nmetadata = { docs = { rs = 1 } }\n",
            "[package]\nname = \"a\"\nmetadata.docs.rs = 1\n",
            "package = { name = \"a\" }\n",
            "[package]\r\nname = \"a\"\r\n",
        ] {
            let after = changed(before, |it| add_settings(it, "ghcr.io/me", true));
            let manifest: toml::Table =
                after.parse().unwrap_or_else(|error| panic!("{error}:\n{after}"));
            let metadata = &manifest["package"]["metadata"];
            assert_eq!(
                metadata["wasm-oci"]["repository"].as_str(),
                Some("ghcr.io/me/{bin}"),
                "{after}"
            );
            assert_eq!(metadata.get("docs").is_some(), before.contains("docs"), "{after}");
        }
    }

    #[test]
    fn settings_that_are_there_stay() {
        for text in ["[package.metadata.wasm-oci]\n", "[package]\nmetadata = { wasm-oci = {} }\n"] {
            let mut manifest: DocumentMut = text.parse().unwrap();
            assert_eq!(add_settings(&mut manifest, "ghcr.io/me", true), Ok(false));
            assert_eq!(manifest.to_string(), text);
        }
        let mut workspace: DocumentMut = "[workspace]\n".parse().unwrap();
        assert!(add_settings(&mut workspace, "ghcr.io/me", true).is_err());
    }

    #[test]
    fn members_are_added_where_they_belong() {
        for (before, after) in [
            ("[workspace]\n", "[workspace]\nmembers = [\"b\"]\n"),
            (
                "[workspace]\nmembers = [\"a\", \"c\"] # all\n",
                "[workspace]\nmembers = [\"a\", \"b\", \"c\"] # all\n",
            ),
            ("[workspace]\nmembers = [\"c\"]\n", "[workspace]\nmembers = [\"b\", \"c\"]\n"),
            (
                "[workspace]\nmembers = [\"c\", \"a\"]\n",
                "[workspace]\nmembers = [\"c\", \"a\", \"b\"]\n",
            ),
            (
                "[workspace]\nmembers = [\n    \"a\", # first\n    \"c\",\n]\n",
                "[workspace]\nmembers = [\n    \"a\", # first\n    \"b\",\n    \"c\",\n]\n",
            ),
            (
                "[workspace]\nmembers = [\n  # the first\n  \"c\", # behind\n  # last\n]\n",
                "[workspace]\nmembers = [\n  \"b\",\n  # the first\n  \"c\", # behind\n  # last\n]\n",
            ),
            (
                "[workspace]\nmembers = [\n  \"a\", # behind\n]\n",
                "[workspace]\nmembers = [\n  \"a\", # behind\n  \"b\",\n]\n",
            ),
            (
                "[workspace]\nmembers = [\n  \"a\"\n]\n",
                "[workspace]\nmembers = [\n  \"a\",\n  \"b\"\n]\n",
            ),
        ] {
            assert_eq!(changed(before, |it| add_member(it, "b")), after);
        }
        let mut there: DocumentMut = "[workspace]\nmembers = [\"b\"]\n".parse().unwrap();
        assert_eq!(add_member(&mut there, "b"), Ok(false));
    }
}
