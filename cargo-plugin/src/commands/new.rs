//! `cargo wasm-oci new`: creates projects.

use std::path::{Path, PathBuf};

use clap::Args;
use wasm_oci_app::config::settings::closest;
use wasm_oci_app::error::Error as AppError;
use wasm_oci_app::ui::shell::Shell;
use wasm_oci_templates::{Template, Values, all};

use crate::cargo::env::CargoEnv;
use crate::error::Error;
use crate::scaffold::create::create;
use crate::scaffold::error::Error as ScaffoldError;
use crate::scaffold::membership::{Membership, join};
use crate::scaffold::name;
use crate::scaffold::values::{Key, ValueArgs, gather};
use crate::scaffold::vcs::{self, Vcs};

/// Create a project from a template
///
/// The project has smoke tests, a CI workflow, and files for Kubernetes and Compose. In a terminal, asks for values that are not given;
/// otherwise --template is required, and other values have defaults. In a workspace, the project becomes a member.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo wasm-oci new --list
  cargo wasm-oci new hello --template cli
  cargo wasm-oci new shop --template http --accept-defaults --value registry=ghcr.io/me")]
pub(super) struct New {
    /// Folder to create for the project; its last part is the name of the project
    #[arg(value_name = "PATH", required_unless_present = "list")]
    path: Option<PathBuf>,
    /// Template to use; --list prints all
    #[arg(short, long, value_name = "TEMPLATE")]
    template: Option<String>,
    /// Name of the project, instead of the last part of PATH
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    values: ValueArgs,
    /// Version control system of the project (default: git, unless the folder is in a repository)
    #[arg(long, value_name = "VCS")]
    vcs: Option<Vcs>,
    /// Print the templates, and create nothing
    #[arg(long)]
    list: bool,
}

impl New {
    pub(super) fn run(self, shell: &Shell) -> Result<(), Error> {
        let Some(path) = self.path.as_ref().filter(|_| !self.list) else {
            return list(shell);
        };
        let env = CargoEnv::from_process()?;
        let folder = env.cwd().join(path);
        // Before any question. A broken link is in the way, too, but `exists` would not see it.
        if folder.symlink_metadata().is_ok() {
            return Err(ScaffoldError::Exists { path: path.clone() }.into());
        }
        let name =
            self.name.clone().or_else(|| Some(folder.file_name()?.to_string_lossy().into_owned()));
        let name = name.ok_or_else(|| ScaffoldError::Unnamed { path: path.clone() })?;
        for warning in name::check(&name, &env)? {
            shell.warn(warning);
        }
        let asked = self.values.asked(shell);
        let template = self.template(asked)?;
        let values =
            gather(defaults(name, template, &env, &folder), &Key::ALL, &self.values.given, asked)?;
        let vcs = self.vcs.unwrap_or_else(|| Vcs::for_folder(&env, &folder));
        let files = template.render(&values).map_err(ScaffoldError::from)?;
        // In the temporary folder, so that the project appears together with its repository.
        create(&folder, &files, |temporary| vcs.init(&env, temporary))?;
        shell.status(
            "Created",
            format_args!("`{}` from the template {}", values.name, template.name),
        );
        tell_of(&join(&env, &folder, template.is_workspace), shell);
        if vcs::is_in_repository(&env, &folder) && vcs == Vcs::None {
            // GitHub reads workflows only from the root of a repository.
            let workflow = Path::new(".github");
            shell.hint(format_args!(
                "GitHub looks for workflows in the repository's own `{0}`: move `{1}` there",
                workflow.display(),
                path.join(workflow).display()
            ));
        }
        shell.status("Next", format_args!("cd {} && cargo wasm-oci test", path.display()));
        Ok(shell.print(path.display())?)
    }

    fn template(&self, asked: Option<&Shell>) -> Result<&'static Template, Error> {
        match (&self.template, asked) {
            (Some(name), _) => Ok(find(name)?),
            (None, Some(shell)) => choose(shell),
            // A script must not wait for an answer.
            (None, None) => Err(ScaffoldError::NoTemplate.into()),
        }
    }
}

fn list(shell: &Shell) -> Result<(), Error> {
    for template in all() {
        shell.print(format_args!("{:<10} {}", template.name, template.about))?;
    }
    Ok(())
}

fn find(name: &str) -> Result<&'static Template, ScaffoldError> {
    all().iter().find(|template| template.name == name).ok_or_else(|| {
        ScaffoldError::NoSuchTemplate {
            name: name.to_owned(),
            suggestion: closest(name, all().iter().map(|template| template.name)),
        }
    })
}

/// Asks for a template until the answer is a name or a number.
fn choose(shell: &Shell) -> Result<&'static Template, Error> {
    for (index, template) in all().iter().enumerate() {
        shell.log(format_args!("{:>3} {:<10} {}", index + 1, template.name, template.about));
    }
    loop {
        let answer = shell.ask("Which template").ok_or(AppError::Interrupted)?;
        let number =
            answer.trim().parse().ok().and_then(|number: usize| all().get(number.checked_sub(1)?));
        match number.map_or_else(|| find(answer.trim()), Ok) {
            Ok(template) => return Ok(template),
            Err(error) => shell.error(error),
        }
    }
}

fn defaults(name: String, template: &Template, env: &CargoEnv, folder: &Path) -> Values {
    Values {
        name,
        description: template.about.to_owned(),
        registry: vcs::default_registry(env, folder),
        authors: vcs::user(env, folder).unwrap_or_default(),
    }
}

fn tell_of(membership: &Membership, shell: &Shell) {
    match membership {
        Membership::Alone => {}
        Membership::Member { root } => shell
            .status("Note", format_args!("it is a member of the workspace `{}`", root.display())),
        Membership::Added { root } => {
            let root = root.display();
            shell.status("Added", format_args!("it to the members of the workspace `{root}`"))
        }
        Membership::Trouble { reason } => {
            shell.warn(format_args!(
                "cargo may fail to build the project because of the workspace around it: {reason}"
            ));
        }
    }
}
