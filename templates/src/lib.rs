//! Project templates, embedded, so that they work offline.
//!
//! Each is a folder of this package, which cargo-generate can read as well. There and here,
//!
//! - a file whose name ends with `.liquid` loses that ending. Cargo leaves folders with a `Cargo.toml` out when it
//!   publishes a package, and git heeds a `.gitignore`: such files must have another name here;
//! - `{{project-name}}` in it is the project's name, and so for `crate_name`, `description`, `registry` and `authors`.
//!   What else stands between braces is what Liquid and Jinja have in common: `{% if %}`, `{% raw %}`, and the filter
//!   `kebab_case`;
//! - any other file is copied as it is, but for `cargo-generate.toml`, which says what cargo-generate asks.

mod render;

use std::path::PathBuf;

pub use render::RenderError;

/// A file's path in its template, with `/`, and what is in it.
type File = (&'static str, &'static [u8]);

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// What cargo-generate asks for a template.
const QUESTIONS: &str = "cargo-generate.toml";

/// A project to start from.
#[derive(Debug, Clone, Copy)]
pub struct Template {
    /// The name by which it is chosen.
    pub name: &'static str,
    /// What it is, on one line; a project's description unless it has its own.
    pub about: &'static str,
    /// Whether the project is a workspace of its own, and no member of another.
    pub is_workspace: bool,
    files: &'static [File],
}

/// All templates, in the order in which they are shown.
const ALL: [Template; 7] = [
    package("cli", "A command-line program: arguments, environment, exit codes", CLI),
    package("filter", "A filter: standard input to standard output, line by line", FILTER),
    package("http", "An HTTP service: a wasi:http component", HTTP),
    package("function", "A function: JSON in, JSON out", FUNCTION),
    package("image", "Image processing: makes small pictures of large ones", IMAGE),
    Template {
        is_workspace: true,
        ..package(
            "workspace",
            "A workspace: several programs, and a library that they share",
            WORKSPACE,
        )
    },
    package("library", "A library: functions for a host to call", LIBRARY),
];

const fn package(name: &'static str, about: &'static str, files: &'static [File]) -> Template {
    Template { name, about, is_workspace: false, files }
}

/// All templates, in the order in which they are shown.
#[must_use]
pub fn all() -> &'static [Template] {
    &ALL
}

/// What a project is called and where it goes.
///
/// Name and registry stand in YAML, shell commands and paths, and are taken as they are: whoever makes the values
/// checks them. Description and authors may be any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values {
    /// The project's name: a package's name for cargo, and a part of an image's.
    pub name: String,
    /// What it is, in one sentence.
    pub description: String,
    /// Where its images go: a registry and the owner in it, as `ghcr.io/owner`.
    pub registry: String,
    /// Who writes it, as `Name <address>`; empty for nobody in particular.
    pub authors: String,
}

/// A program of an existing package, as files for its deployment name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The package.
    pub package: String,
    /// The program, which is what its image is called.
    pub name: String,
    /// Whether it answers HTTP requests.
    pub serves: bool,
}

/// A file of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The path in the project's folder. It leads nowhere else.
    pub path: PathBuf,
    /// What is in it.
    pub content: Vec<u8>,
}

impl Template {
    /// The files of a project with these values.
    ///
    /// # Errors
    /// When the template has a mistake.
    pub fn render(&self, values: &Values) -> Result<Vec<Rendered>, RenderError> {
        let files = self.files.iter().filter(|(path, _)| *path != QUESTIONS);
        files.map(|file| render::file(file, &render::context(values))).collect()
    }
}

/// The files that an existing package or workspace gets, with what stands for its programs in `programs`: a workflow,
/// a toolchain file, and those for its deployment.
///
/// # Errors
/// When the templates have a mistake.
pub fn render_init(values: &Values, programs: &[Program]) -> Result<Vec<Rendered>, RenderError> {
    // A component needs the target of the template `http`.
    let like = if programs.iter().any(|program| program.serves) { HTTP } else { CLI };
    let shared = like
        .iter()
        .filter(|(path, _)| path.starts_with(".github/") || *path == "rust-toolchain.toml");
    let context = render::context_of_programs(values, programs);
    shared.chain(INIT).map(|file| render::file(file, &context)).collect()
}

#[cfg(test)]
mod tests;
