//! `wasm-oci man`: manual pages, generated from the argument parser.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_mangen::Man as Page;

use crate::error::{Error, UsageError};
use crate::files::write;
use crate::ui::shell::Shell;

/// Print a manual page, or write all of them to a folder
///
/// For example: `wasm-oci man push | man -l -`, or `wasm-oci man --out-dir ~/.local/share/man/man1`.
#[derive(Debug, Args)]
pub struct Man {
    /// Subcommand to print the page of (default: the command itself)
    #[arg(value_name = "COMMAND", conflicts_with = "out_dir")]
    subcommand: Vec<String>,
    /// Write the pages of all commands to this folder
    #[arg(long, value_name = "DIR")]
    out_dir: Option<PathBuf>,
}

impl Man {
    /// Prints or writes the pages of `command`.
    pub fn run(self, command: Command, shell: &Shell) -> Result<(), Error> {
        // Disable `help` first: `build` adds it to the subcommands of subcommands too.
        let mut command = command.disable_help_subcommand(true);
        command.build();
        let Some(folder) = self.out_dir else {
            return shell.print_exactly(&format!("{}\n", text(self.find(&command)?)?.trim_end()));
        };
        std::fs::create_dir_all(&folder)
            .map_err(|source| Error::Write { path: folder.clone(), source })?;
        let mut pages = Vec::new();
        collect(&command, &mut pages);
        for page in &pages {
            write(&folder.join(file_name(page)), text(page)?.as_bytes())?;
        }
        shell.status("Wrote", format_args!("{} pages into {}", pages.len(), folder.display()));
        Ok(())
    }

    fn find<'a>(&self, mut command: &'a Command) -> Result<&'a Command, Error> {
        for name in &self.subcommand {
            command = command.find_subcommand(name).ok_or_else(|| {
                let parent = full_name(command);
                UsageError::NoSubcommand { parent: parent.to_owned(), name: name.clone() }
            })?;
        }
        Ok(command)
    }
}

/// Collects a command and all its visible subcommands.
fn collect<'a>(command: &'a Command, pages: &mut Vec<&'a Command>) {
    pages.push(command);
    command.get_subcommands().filter(|it| !it.is_hide_set()).for_each(|it| collect(it, pages));
}

fn full_name(command: &Command) -> &str {
    command.get_bin_name().unwrap_or_else(|| command.get_name())
}

/// Returns a name such as `wasm-oci-push.1`, which `man wasm-oci push` also finds.
fn file_name(command: &Command) -> String {
    format!("{}.1", command.get_display_name().unwrap_or_else(|| command.get_name()))
}

fn text(command: &Command) -> Result<String, Error> {
    let mut page = Vec::new();
    let source = format!("wasm-oci {}", env!("CARGO_PKG_VERSION"));
    // No date, so that the pages are reproducible. It has to be a space: without it, the next field would take its place.
    let page_of = Page::new(command.clone()).date(" ").source(source).manual("wasm-oci");
    page_of.render(&mut page).map_err(Error::Stdout)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
