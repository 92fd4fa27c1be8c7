//! Values in a project's files: from the command line, from questions, or defaults.

use std::str::FromStr;

use clap::Args;
use wasm_oci_app::config::settings::closest;
use wasm_oci_app::error::Error as AppError;
use wasm_oci_app::ui::shell::Shell;
use wasm_oci_core::image::{Error as ImageError, Reference};
use wasm_oci_templates::Values;

use crate::scaffold::error::Error;

wasm_oci_core::named_enum! {
    /// A value that the user can set, in addition to the name.
    pub enum Key: "value" {
        Description = "description",
        /// The registry of its images, and their owner.
        Registry = "registry",
        Authors = "authors",
    }
}

impl Key {
    fn question(self) -> &'static str {
        match self {
            Key::Description => "The project in one sentence",
            Key::Registry => "Registry and owner for the images",
            Key::Authors => "Authors",
        }
    }

    fn check(self, value: &str) -> Result<(), Error> {
        match self {
            // Any valid name will do. `name.rs` checks the project's own.
            Key::Registry => image(value, "app"),
            // Any text is valid in the files that use it.
            Key::Description | Key::Authors => Ok(()),
        }
    }
}

/// A value from the command line: `KEY=VALUE`.
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
            text.split_once('=').ok_or("write KEY=VALUE, such as description='Does this'")?;
        let key = Key::ALL.into_iter().find(|key| key.name() == name).ok_or_else(|| {
            let suggestion =
                closest(name, names()).map(|name| format!(" (did you mean `{name}`?)"));
            format!(
                "there is no value `{name}`{}; the values are {}",
                suggestion.unwrap_or_default(),
                names().join(", ")
            )
        })?;
        Ok(Given { key, value: value.to_owned() })
    }
}

/// Arguments of `new` and `init` for values in files.
#[derive(Debug, Args)]
pub struct ValueArgs {
    /// Value for the project's files: `description`, `registry` (for images, such as ghcr.io/owner) or `authors`
    #[arg(long = "value", value_name = "KEY=VALUE")]
    pub given: Vec<Given>,
    /// Use default values instead of asking
    #[arg(long)]
    pub accept_defaults: bool,
}

impl ValueArgs {
    /// Returns the shell to ask in, if questions are possible.
    pub fn asked<'a>(&self, shell: &'a Shell) -> Option<&'a Shell> {
        Some(shell).filter(|shell| !self.accept_defaults && shell.can_ask())
    }
}

/// Returns the values of a project: those that are `given`, where the last one for a key wins; otherwise answers to questions in
/// `asked`; otherwise the `defaults`.
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
        // As for other flags, the last one takes precedence.
        if let Some(given) = given.iter().rfind(|given| given.key == key) {
            key.check(&given.value)?;
            value.clone_from(&given.value);
        } else if let Some(shell) = asked {
            *value = ask(key, value, shell)?;
        }
    }
    Ok(values)
}

/// Asks until the answer is valid. An empty answer means the default.
fn ask(key: Key, default: &str, shell: &Shell) -> Result<String, Error> {
    loop {
        let answer = shell.ask(format_args!("{} [{default}]", key.question()));
        // The end of input, or Ctrl-C.
        let answer = answer.ok_or(AppError::Interrupted)?;
        let answer = if answer.trim().is_empty() { default } else { answer.trim() };
        match key.check(answer) {
            Ok(()) => return Ok(answer.to_owned()),
            Err(error) => shell.error(error),
        }
    }
}

/// Checks that an image can have this name in a registry with an owner, in the form that templates write.
pub(super) fn image(registry: &str, name: &str) -> Result<(), Error> {
    let text = format!("{registry}/{name}");
    let invalid = |reason: String| Error::Registry { registry: registry.to_owned(), reason };
    let reference: Reference = text.parse().map_err(|error| match error {
        ImageError::InvalidReference { reason, .. } => invalid(reason),
        other => invalid(other.to_string()),
    })?;
    // The text has to be complete: without a tag, and without an implied registry.
    match reference.name() == text && reference.repository() != name {
        true => Ok(()),
        false => Err(invalid("the owner or the registry is missing".to_owned())),
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
