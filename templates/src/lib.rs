//! Project templates, embedded, so that they work offline.
//!
//! Each template is a folder of this package, which cargo-generate can read as well. For both,
//!
//! - a file whose name ends with `.liquid` loses that ending. When cargo publishes a package, it omits folders with a
//!   `Cargo.toml`, and git obeys a `.gitignore`, so such files need another name here;
//! - `{{project-name}}` in it is the project's name; likewise `crate_name`, `description`, `registry` and `authors`.
//!   Anything else between braces uses the common subset of Liquid and Jinja: `{% if %}`, `{% raw %}`, and the filter
//!   `kebab_case`;
//! - any other file is copied unchanged, except for `cargo-generate.toml`, which has the questions of cargo-generate.

mod render;

use std::path::PathBuf;

pub use render::RenderError;

/// A file's path in its template, with `/`, and its content.
type File = (&'static str, &'static [u8]);

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// The questions of cargo-generate for a template.
const QUESTIONS: &str = "cargo-generate.toml";

/// A project to start from.
#[derive(Debug, Clone, Copy)]
pub struct Template {
    pub name: &'static str,
    /// The description on one line, which is also the default for the project's.
    pub about: &'static str,
    /// True if the project is its own workspace, and not a member of another one.
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

/// The values of a project.
///
/// Name and registry appear in YAML, shell commands and paths without quoting, so the caller has to check them.
/// Description and authors can be any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values {
    /// The project's name, which is valid as a package and as a part of an image's name.
    pub name: String,
    /// The project in one sentence.
    pub description: String,
    /// Registry and owner for its images, such as `ghcr.io/owner`.
    pub registry: String,
    /// The author as `Name <address>`, or empty.
    pub authors: String,
}

/// A program of an existing package, as its deployment files name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    pub package: String,
    /// The program, which is also the name of its image.
    pub name: String,
    /// True if it answers HTTP requests.
    pub serves: bool,
    /// True if only a Wasm shim starts its image.
    pub needs_shim: bool,
}

/// A file of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The path in the project's folder. It never leaves that folder.
    pub path: PathBuf,
    pub content: Vec<u8>,
}

impl Template {
    /// Returns the files of a project with these values.
    ///
    /// # Errors
    /// Fails if the template is invalid.
    pub fn render(&self, values: &Values) -> Result<Vec<Rendered>, RenderError> {
        let files = self.files.iter().filter(|(path, _)| *path != QUESTIONS);
        files.map(|file| render::file(file, &render::context(values))).collect()
    }
}

/// Returns the files for an existing package or workspace with these programs: a workflow, a toolchain file, and those
/// for its deployment.
///
/// # Errors
/// Fails if the templates are invalid.
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
