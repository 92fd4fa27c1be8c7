//! Parts of the root file system that engines look for before they start a program.

use super::extract::is_bare;
use super::layer_path::without_dots;
use super::unpack::Keep;
use super::{Error, FileTree, Manifest};
use crate::limits::Budget;

/// Settings of an image that its files don't fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Start {
    /// The user or the group is a name, and the image has no number for it.
    pub(crate) no_user: bool,
    pub(crate) relative_working_dir: bool,
    /// The working directory is not a folder of the image.
    pub(crate) no_working_dir: bool,
    /// The command is a name that only `PATH` leads to.
    pub(crate) only_on_path: bool,
    /// The export that the command names after `#`, as runwasi's shims take it.
    pub(crate) export: Option<String>,
}

impl Manifest {
    /// Compares the settings of the image with its files, which it unpacks only if a setting needs them.
    ///
    /// # Errors
    /// As [`Manifest::module`].
    pub(crate) fn start(&self, budget: &Budget) -> Result<Start, Error> {
        let (config, word) = (self.config(), self.command_word());
        let folder = config.working_dir.as_deref().unwrap_or("/");
        let (user, group) = names(config.user.as_deref().unwrap_or_default());
        let export =
            config.command().next().and_then(|word| Some(word.split_once('#')?.1.to_owned()));
        let export = export.filter(|name| !name.is_empty());
        let is_alone = !word.is_empty() && !word.contains('/');
        if folder == "/" && user.is_none() && group.is_none() && !is_alone {
            return Ok(Start { export, ..Start::default() });
        }
        let tables = ["etc/passwd", "etc/group"].map(str::to_owned);
        let tree = self.unpacked(budget, Keep::Modules(&tables))?.tree;
        let [passwd, groups] = &tables;
        let lacks =
            |table: &str, name: Option<&str>| name.is_some_and(|it| !has_name(&tree, table, it));
        let command = without_dots(&format!("{folder}/{word}"));
        let has_bare = self.layers().iter().any(is_bare);
        Ok(Start {
            no_user: lacks(passwd, user) || lacks(groups, group),
            relative_working_dir: !folder.starts_with('/'),
            no_working_dir: folder.starts_with('/') && !tree.is_folder(folder),
            export,
            only_on_path: is_alone && !has_bare && tree.real_file(&command).is_none(),
        })
    }
}

/// Returns the user and the group of `user[:group]`, where they are not numbers.
fn names(user: &str) -> (Option<&str>, Option<&str>) {
    let is_name = |name: &&str| !name.is_empty() && name.parse::<u32>().is_err();
    let (user, group) = user.split_once(':').map_or((user, ""), |both| both);
    (Some(user).filter(is_name), Some(group).filter(is_name))
}

/// Returns true if a table such as `/etc/passwd` has a line for a name.
fn has_name(tree: &FileTree, table: &str, name: &str) -> bool {
    let content = String::from_utf8_lossy(tree.read(table).unwrap_or_default()).into_owned();
    content.lines().any(|line| line.split(':').next() == Some(name))
}
