//! `cargo wasm-oci init`: prepares an existing crate for images.

use std::path::{Path, PathBuf};

use clap::Args;
use wasm_oci_app::config::settings::Settings;
use wasm_oci_app::deploy::manifests::Launch;
use wasm_oci_app::ui::output_args::OutputArgs;
use wasm_oci_app::ui::shell::Shell;
use wasm_oci_templates::{Values, render_init};

use crate::cargo::env::CargoEnv;
use crate::cargo::project::{Project, Workspace};
use crate::cargo::selection::{ManifestArgs, Selection};
use crate::error::Error;
use crate::ops::request::Request;
use crate::ops::resolve::{ResolvedProgram, resolve};
use crate::ops::workloads::launch;
use crate::scaffold::adopt::{Fate, add_files, extend_manifests, programs, registry};
use crate::scaffold::error::Error as ScaffoldError;
use crate::scaffold::values::{Key, ValueArgs, gather};
use crate::scaffold::vcs::default_registry;

/// Prepare an existing crate or workspace for images
///
/// Adds settings and the outline of a smoke test to Cargo.toml, and writes a CI workflow, files for Kubernetes and Compose, and
/// rust-toolchain.toml. Existing settings and files stay the same.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// Package of the workspace to prepare; repeat the flag for several
    #[arg(short, long = "package", value_name = "SPEC")]
    packages: Vec<String>,
    #[command(flatten)]
    values: ValueArgs,
    #[command(flatten, next_help_heading = "Manifest")]
    manifest: ManifestArgs,
}

impl Init {
    pub(super) fn run(self, output: &OutputArgs, shell: &Shell) -> Result<(), Error> {
        let env = CargoEnv::from_process()?;
        let Init { packages, values, manifest } = self;
        let selection = Selection {
            packages,
            manifest,
            color: Some(output.color.to_string()),
            ..Selection::default()
        };
        let workspace = Workspace::load(&env, &selection)?;
        let projects = workspace.projects(&selection)?;
        let root = workspace.root();
        let defaults = Values {
            // The files that `init` adds contain only the registry and the programs.
            name: String::new(),
            description: String::new(),
            registry: registry(&projects).unwrap_or_else(|| default_registry(&env, root)),
            authors: String::new(),
        };
        let asked = values.asked(shell);
        let values = gather(defaults, &[Key::Registry], &values.given, asked)?;
        let formats = Formats(resolve(&Request::new(selection, Settings::default()), None)?);
        let programs = programs(&projects, |project| formats.needs_shim(project));
        let files = render_init(&values, &programs).map_err(ScaffoldError::from)?;
        // Rendered before the first write, so that an error leaves the project unchanged.
        let mut done = extend_manifests(&projects, &values.registry, |it| formats.is_unset(it))?;
        done.extend(add_files(root, &files)?);
        tell_of(&done, env.cwd(), shell);
        shell.status("Next", "write a smoke test in Cargo.toml, then: cargo wasm-oci test");
        Ok(())
    }
}

/// The formats of the programs before the change.
struct Formats(Vec<ResolvedProgram>);

impl Formats {
    fn of(&self, project: &Project) -> Option<&ResolvedProgram> {
        self.0.iter().find(|program| program.project == *project)
    }

    /// Returns true if the program has no settings, and its workspace sets no format for it: it gets one.
    fn is_unset(&self, project: &Project) -> bool {
        let is_set =
            |it: &ResolvedProgram| it.settings.format.is_some() || it.settings.engines.is_some();
        project.metadata.is_none() && !self.of(project).is_some_and(is_set)
    }

    fn needs_shim(&self, project: &Project) -> bool {
        let of_plan = self.of(project).is_none_or(|it| launch(&it.plan) == Launch::Shim);
        of_plan && !self.is_unset(project)
    }
}

fn tell_of(done: &[(PathBuf, Fate)], cwd: &Path, shell: &Shell) {
    for (path, fate) in done {
        let path = path.strip_prefix(cwd).unwrap_or(path).display();
        match fate {
            Fate::Created => shell.status("Created", path),
            Fate::Extended => shell.status("Extended", path),
            Fate::Kept => shell.status("Kept", format_args!("{path} as it is")),
        }
    }
}
