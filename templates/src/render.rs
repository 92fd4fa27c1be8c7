//! From a template's file to a project's.

use std::path::{Component, Path};

use heck::ToKebabCase;
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Output, State, UndefinedBehavior, Value, context};

use crate::{File, Program, Rendered, Values};

/// The ending of files that are rendered, which is taken off.
const SUFFIX: &str = ".liquid";

/// A mistake in a template, which its tests should have found.
#[derive(Debug, thiserror::Error)]
#[error("the template's file `{path}` can't be rendered: {reason}")]
pub struct RenderError {
    path: String,
    reason: String,
}

/// What a template may name.
pub(crate) fn context(values: &Values) -> Value {
    context_of_programs(values, &[])
}

/// The same with the programs of a package that exists.
pub(crate) fn context_of_programs(values: &Values, programs: &[Program]) -> Value {
    let Values { name, description, registry, authors } = values;
    let is_alone = |package: &str| programs.iter().filter(|it| it.package == package).count() == 1;
    let program = |Program { package, name, serves }: &Program| {
        let image = if is_alone(package) { package.clone() } else { format!("{package}/{name}") };
        context! { name, serves, image }
    };
    let programs: Vec<Value> = programs.iter().map(program).collect();
    context! { project_name => name, crate_name => name.replace('-', "_"), description, registry, authors, programs }
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
    // cargo-generate's own name for it, which Jinja takes for a subtraction.
    let text = text.replace("{{project-name", "{{project_name");
    environment.render_named_str(name, &text, context)
}

/// Writes a value so that it stays one, whatever is in it: as a part of a string in TOML, and of a paragraph in
/// Markdown. (Elsewhere, templates name only values that were checked.)
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

/// A text between the quotes of a basic string ([TOML 1.0](https://toml.io/en/v1.0.0#string)).
fn toml_escaped(text: &str) -> String {
    let escaped = |char: char| match char {
        '"' | '\\' => format!("\\{char}"),
        char if char.is_control() => format!("\\u{:04X}", u32::from(char)),
        char => char.to_string(),
    };
    text.chars().map(escaped).collect()
}
