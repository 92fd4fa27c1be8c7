//! Renders a file of a template.

use std::path::{Component, Path};

use heck::ToKebabCase;
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Output, State, UndefinedBehavior, Value, context};

use crate::{File, Program, Rendered, Values};

/// The extension of files that are rendered, which the result loses.
const SUFFIX: &str = ".liquid";

/// An invalid template. The tests of this package should have found it.
#[derive(Debug, thiserror::Error)]
#[error("the template's file `{path}` can't be rendered: {reason}")]
pub struct RenderError {
    path: String,
    reason: String,
}

/// The values that a template can use.
pub(crate) fn context(values: &Values) -> Value {
    context_of_programs(values, &[])
}

/// The same, with the programs of an existing package.
pub(crate) fn context_of_programs(values: &Values, programs: &[Program]) -> Value {
    let Values { name, description, registry, authors } = values;
    let is_alone = |package: &str| programs.iter().filter(|it| it.package == package).count() == 1;
    let program = |Program { package, name, serves, needs_shim }: &Program| {
        let image = if is_alone(package) { package.clone() } else { format!("{package}/{name}") };
        context! { name, serves, needs_shim, image }
    };
    let needs_shim = programs.iter().any(|program| program.needs_shim);
    let programs: Vec<Value> = programs.iter().map(program).collect();
    context! { project_name => name, crate_name => name.replace('-', "_"), description, registry, authors, programs, needs_shim }
}

/// A file of the project.
pub(crate) fn file((path, content): &File, context: &Value) -> Result<Rendered, RenderError> {
    let failed = |reason: String| RenderError { path: (*path).to_owned(), reason };
    let (target, content) = match path.strip_suffix(SUFFIX) {
        Some(target) => {
            let text = str::from_utf8(content).map_err(|e| failed(e.to_string()))?;
            let text = render(target, text, context).map_err(|e| failed(e.to_string()))?;
            (target, text.into_bytes())
        }
        None => (*path, content.to_vec()),
    };
    let target = Path::new(target);
    if !target.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(failed("it leads out of the template's folder".to_owned()));
    }
    Ok(Rendered { path: target.to_owned(), content })
}

fn render(name: &str, text: &str, context: &Value) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(SyntaxConfig::builder().keep_trailing_newline(true).build()?);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_formatter(write_value);
    environment.add_filter("kebab_case", |text: &str| text.to_kebab_case());
    // cargo-generate uses this name, which Jinja parses as a subtraction.
    let text = text.replace("{{project-name", "{{project_name");
    environment.render_named_str(name, &text, context)
}

/// Escapes a value for the place where it goes: a string in TOML, or a paragraph in Markdown. (Other places only use
/// values that were checked.)
fn write_value(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), minijinja::Error> {
    let text = value.to_string();
    let text = match state.name().rsplit('.').next() {
        Some("toml") => toml_escaped(&text),
        Some("md") => text.split_whitespace().collect::<Vec<_>>().join(" "),
        _ => text,
    };
    Ok(out.write_str(&text)?)
}

/// Returns a text for a basic string ([TOML 1.0](https://toml.io/en/v1.0.0#string)).
fn toml_escaped(text: &str) -> String {
    let escaped = |char: char| match char {
        '"' | '\\' => format!("\\{char}"),
        char if char.is_control() => format!("\\u{:04X}", u32::from(char)),
        char => char.to_string(),
    };
    text.chars().map(escaped).collect()
}
