//! What a project's files say of it: given on the command line, asked for, or by default.

use std::str::FromStr;

use clap::Args;
use wasm_oci_app::config::settings::closest;
use wasm_oci_app::error::Error as AppError;
use wasm_oci_app::ui::shell::Shell;
use wasm_oci_core::image::{Error as ImageError, Reference};
use wasm_oci_templates::Values;

use crate::scaffold::error::Error;

/// What can be said of a project, beside its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// What it is, in one sentence.
    Description,
    /// Where its images go.
    Registry,
    /// Who writes it.
    Authors,
}

impl Key {
    /// All of them, in the order in which they are asked for.
    pub const ALL: [Key; 3] = [Key::Description, Key::Registry, Key::Authors];

    /// What it is called on the command line, and by cargo-generate.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Key::Description => "description",
            Key::Registry => "registry",
            Key::Authors => "authors",
        }
    }

    fn question(self) -> &'static str {
        match self {
            Key::Description => "The project in one sentence",
            Key::Registry => "Registry and owner for the images",
            Key::Authors => "Who writes it",
        }
    }

    fn check(self, value: &str) -> Result<(), Error> {
        match self {
            Key::Registry => image(value, "app"),
            // A part of a text file.
            Key::Description | Key::Authors => Ok(()),
        }
    }
}

/// A value on the command line: `KEY=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    key: Key,
    value: String,
}

impl FromStr for Given {
    type Err = String;

    fn from_str(text: &str) -> Result<Given, String> {
        let names = || Key::ALL.map(Key::name);
        let (name, value) =
            text.split_once('=').ok_or("write KEY=VALUE, as description='Does this'")?;
        let key = Key::ALL.into_iter().find(|key| key.name() == name).ok_or_else(|| {
            let suggestion =
                closest(name, names()).map(|name| format!(" (did you mean `{name}`?)"));
            format!(
                "there is no `{name}`{}; the values are {}",
                suggestion.unwrap_or_default(),
                names().join(", ")
            )
        })?;
        Ok(Given { key, value: value.to_owned() })
    }
}

/// What `new` and `init` write into files.
#[derive(Debug, Args)]
pub struct ValueArgs {
    /// What to say of the project: `description`, `registry` (where images go, as ghcr.io/owner) or `authors`
    #[arg(long = "value", value_name = "KEY=VALUE")]
    pub given: Vec<Given>,
    /// Ask nothing
    #[arg(long)]
    pub accept_defaults: bool,
}

impl ValueArgs {
    /// Whom to ask.
    pub fn asked<'a>(&self, shell: &'a Shell) -> Option<&'a Shell> {
        Some(shell).filter(|shell| !self.accept_defaults && shell.can_ask())
    }
}

/// Gathers what is to be known: what is `given`, of two for one key the later; else the answers of `asked`, if there is
/// somebody to ask; else the `defaults`, which also have what is asked for nothing but its name.
///
/// # Errors
/// [`Error::Registry`] for a given one where no image can be; [`AppError::Interrupted`] when an answer does not come.
pub fn gather(
    defaults: Values,
    keys: &[Key],
    given: &[Given],
    asked: Option<&Shell>,
) -> Result<Values, Error> {
    let mut values = defaults;
    for &key in keys {
        let value = match key {
            Key::Description => &mut values.description,
            Key::Registry => &mut values.registry,
            Key::Authors => &mut values.authors,
        };
        if let Some(given) = given.iter().rfind(|given| given.key == key) {
            key.check(&given.value)?;
            value.clone_from(&given.value);
        } else if let Some(shell) = asked {
            *value = ask(key, value, shell)?;
        }
    }
    Ok(values)
}

/// Asks until there is an answer that makes sense. An empty one is the default.
fn ask(key: Key, default: &str, shell: &Shell) -> Result<String, Error> {
    loop {
        let answer = shell.ask(format_args!("{} [{default}]", key.question()));
        let answer = answer.ok_or(AppError::Interrupted)?;
        let answer = if answer.trim().is_empty() { default } else { answer.trim() };
        match key.check(answer) {
            Ok(()) => return Ok(answer.to_owned()),
            Err(error) => shell.error(error),
        }
    }
}

/// Whether there can be an image of this name in a registry, with its owner, as templates write it.
pub(super) fn image(registry: &str, name: &str) -> Result<(), Error> {
    let text = format!("{registry}/{name}");
    let invalid = |reason: String| Error::Registry { registry: registry.to_owned(), reason };
    let reference: Reference = text.parse().map_err(|error| match error {
        ImageError::InvalidReference { reason, .. } => invalid(reason),
        other => invalid(other.to_string()),
    })?;
    // What is written is what is meant: no tag, and no registry left out.
    match reference.name() == text && reference.repository() != name {
        true => Ok(()),
        false => Err(invalid("there is no owner in it, or no registry".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> Given {
        text.parse().unwrap()
    }

    fn defaults() -> Values {
        Values {
            name: "app".to_owned(),
            description: "Does it".to_owned(),
            registry: "ghcr.io/owner".to_owned(),
            authors: String::new(),
        }
    }

    #[test]
    fn a_value_has_a_key_that_is_there() {
        assert_eq!(given("authors=a=b"), Given { key: Key::Authors, value: "a=b".to_owned() });
        assert!("authors".parse::<Given>().unwrap_err().contains("KEY=VALUE"));
        let slip = "author=a".parse::<Given>().unwrap_err();
        assert!(slip.contains("did you mean `authors`?") && slip.contains("registry"), "{slip}");
    }

    #[test]
    fn the_later_value_counts_and_the_rest_is_default() {
        let given = [given("registry=docker.io/a"), given("registry=localhost:5000/b/c")];
        let values = gather(defaults(), &Key::ALL, &given, None).unwrap();
        assert_eq!(values, Values { registry: "localhost:5000/b/c".to_owned(), ..defaults() });
    }

    #[test]
    fn a_registry_is_one() {
        for registry in [
            "ghcr.io/owner",
            "localhost:5000/demo",
            "127.0.0.1:41234/demo",
            "docker.io/me",
            "ghcr.io/a/b",
        ] {
            assert!(image(registry, "app").is_ok(), "{registry}");
        }
        for registry in [
            "",
            "owner",
            "ghcr.io",
            "localhost:5000",
            "ghcr.io/Owner",
            "ghcr.io/a b",
            "https://ghcr.io/a",
            "ghcr.io/a:1",
            "a\n/b",
            "a/\"b",
            "ghcr.io/{{a}}",
        ] {
            assert!(image(registry, "app").is_err(), "{registry}");
        }
    }
}
