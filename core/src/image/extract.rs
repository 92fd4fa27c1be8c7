//! Extraction of the module and other files from an image.

use std::collections::HashSet;
use std::sync::Arc;

use super::layer_path::{file_name, without_dots};
use super::unpack::{Keep, Unpacked, content_at};
use super::{Attributes, Blob, Error, FileTree, IncludedFile, LayerCompression, Manifest};
use crate::limits::Budget;
use crate::module::BuiltModule;

// More folders on `PATH` than anybody has.
const MAX_ON_PATH: usize = 64;

/// Media types of layers that are bare modules.
const BARE: [&str; 4] = [
    // The CNCF's type, which wkg uses, too.
    "application/wasm",
    // runwasi's builder.
    "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm",
    // Envoy.
    "application/vnd.module.wasm.content.layer.v1+wasm",
    // Kubewarden and Spin.
    "application/vnd.wasm.content.layer.v1+wasm",
];

impl Manifest {
    /// Returns the module that the image starts: its bare layer, otherwise the file that the command names, otherwise
    /// the only `.wasm` file.
    ///
    /// # Errors
    /// [`Error::NoModule`] when there is none, [`Error::Layer`] when we can't unpack a layer; [`Error::OverLimit`] when the
    /// layers unpack to more than the store's [`ReadLimits`](crate::limits::ReadLimits) allow.
    pub fn module(&self) -> Result<BuiltModule, Error> {
        self.built(self.program(&self.budget())?)
    }

    fn built(&self, program: Program) -> Result<BuiltModule, Error> {
        BuiltModule::new(&self.module_name(), program.bytes).map_err(|e| no_module(e.to_string()))
    }

    /// Returns what the image starts, which need not be a module.
    ///
    /// # Errors
    /// As [`Manifest::module`].
    pub(crate) fn program(&self, budget: &Budget) -> Result<Program, Error> {
        // First, because runwasi starts the bare layer of an image that also has a tar.
        match self.bare_program(budget)? {
            Some(program) => Ok(program),
            None => {
                let keep = Keep::Modules(&self.command_paths());
                self.program_in(&Unpacked::of(self.tars_and_digests()?, budget, keep)?.tree, budget)
            }
        }
    }

    fn bare_program(&self, budget: &Budget) -> Result<Option<Program>, Error> {
        let Some(layer) = self.layers().iter().find(|layer| is_bare(layer)) else {
            return Ok(None);
        };
        budget.hold(layer.descriptor().size)?;
        Ok(Some(Program { bytes: layer.bytes()?.to_vec(), is_named: true, has_other_files: None }))
    }

    pub(crate) fn budget(&self) -> Budget {
        Budget::new(self.limits)
    }

    /// Returns the file name of the module: that of the command, otherwise `module.wasm`.
    #[must_use]
    pub fn module_name(&self) -> String {
        file_name(self.command_word()).to_owned()
    }

    /// Returns the command, without the `#function` that runwasi allows after it.
    pub(super) fn command_word(&self) -> &str {
        let word = self.config().command().next().unwrap_or_default();
        word.split_once('#').map_or(word, |(path, _)| path)
    }

    /// Returns the paths where the command may be, the likeliest first, relative to the root.
    pub(super) fn command_paths(&self) -> Vec<String> {
        let (word, config) = (self.command_word(), self.config());
        let mut paths = Vec::new();
        // As a container engine looks for a program: a name alone is on `PATH`, and anything else relative is in the
        // working directory. The shims of runwasi start in the root folder, whatever the working directory is.
        if !word.contains('/') && !word.is_empty() {
            let on_path = config.env.get("PATH").map(String::as_str).unwrap_or_default();
            paths.extend(
                on_path.split(':').take(MAX_ON_PATH).map(|folder| format!("{folder}/{word}")),
            );
        }
        if !word.starts_with('/') {
            let folder = config.working_dir.as_deref().unwrap_or("/");
            paths.push(format!("{folder}/{word}"));
        }
        paths.push(word.to_owned());
        let mut paths: Vec<String> = paths.iter().map(|path| without_dots(path)).collect();
        paths.dedup();
        paths
    }

    fn program_in(&self, tree: &FileTree, budget: &Budget) -> Result<Program, Error> {
        let Located { path, is_named } = self.locate(tree)?;
        let file = tree.file(&path);
        let file = file.ok_or_else(|| no_module(format!("`/{path}` is not a file")))?;
        let bytes = match &file.content {
            Some(content) => content.to_vec(),
            // A link led to it, so that its own name said nothing.
            None => {
                let layer = self.tars().nth(file.origin.layer);
                let layer = layer.ok_or_else(|| no_module("a layer is missing".to_owned()))?;
                content_at(layer, file.origin.entry, budget)?.to_vec()
            }
        };
        Ok(Program { bytes, is_named, has_other_files: Some(tree.has_files_besides(&path)) })
    }

    /// Returns the path of the module: the file that the command names, otherwise the only `.wasm` file.
    fn locate(&self, tree: &FileTree) -> Result<Located, Error> {
        for path in self.command_paths() {
            let real = tree.resolve(&path, true).filter(|real| tree.file(real).is_some());
            if let Some(path) = real {
                return Ok(Located { path, is_named: true });
            }
        }
        let mut found: Vec<(&str, _)> =
            tree.files().filter(|(path, _)| path.ends_with(".wasm")).collect();
        // Hard links are one file.
        let mut seen = HashSet::new();
        found.retain(|(_, file)| seen.insert(Arc::as_ptr(file)));
        let word = self.command_word();
        match found.as_slice() {
            [(path, _)] => Ok(Located { path: (*path).to_owned(), is_named: false }),
            [] => {
                let word = word.trim_start_matches('/');
                Err(no_module(format!("no layer has `/{word}` or another .wasm file")))
            }
            several => {
                let names: Vec<&str> = several.iter().take(20).map(|(path, _)| *path).collect();
                Err(no_module(format!("the command `{word}` is none of {}", names.join(", "))))
            }
        }
    }

    /// Returns the compression for a new image like this one.
    pub(super) fn compression(&self) -> LayerCompression {
        let is_zstd = |layer: &Blob| layer.descriptor().media_type.is_zstd();
        match self.tars().next().is_some_and(is_zstd) {
            true => LayerCompression::Zstd,
            false => LayerCompression::Gzip,
        }
    }

    fn tars(&self) -> impl Iterator<Item = &Blob> {
        self.layers().iter().filter(|layer| !is_bare(layer))
    }

    /// Returns the tar layers with their digests before compression, as the configuration says them.
    fn tars_and_digests(&self) -> Result<impl Iterator<Item = (&Blob, Option<&str>)>, Error> {
        let (ids, tars) = (&self.config().diff_ids, self.tars().count());
        // Some tools also list bare modules, which are not tars.
        let of_all = ids.len() == self.layers().len();
        if !ids.is_empty() && ids.len() != tars && !of_all {
            let reason = format!(
                "the configuration has {} `diff_ids` for {tars} of them; build the image again",
                ids.len()
            );
            return Err(Error::Layer { reason });
        }
        // Artifacts have no `diff_ids`.
        let ids = ids.iter().map(|id| Some(id.as_str())).chain(std::iter::repeat(None));
        let listed = self.layers().iter().filter(move |layer| of_all || !is_bare(layer));
        Ok(listed.zip(ids).filter(|(layer, _)| !is_bare(layer)))
    }

    /// Returns true if the image has files other than its module, without reading them.
    ///
    /// # Errors
    /// As [`Manifest::module`].
    pub(crate) fn has_other_files(&self, budget: &Budget) -> Result<bool, Error> {
        let tree = Unpacked::of(self.tars_and_digests()?, budget, Keep::Nothing)?.tree;
        Ok(tree.has_files_besides(&self.module_in(&tree)))
    }

    /// Returns the other files of the image, as its layers together make them.
    ///
    /// # Errors
    /// As [`Manifest::module`], and [`Error::InvalidInclude`] when the path of a file leads out of the image.
    pub fn included(&self) -> Result<Vec<IncludedFile>, Error> {
        Ok(self.content()?.included)
    }

    /// Returns the module, and the root file system with the module in it, which is empty if there is nothing else.
    ///
    /// # Errors
    /// As [`Manifest::module`] and [`Manifest::included`].
    pub fn module_and_root(&self) -> Result<(BuiltModule, FileTree), Error> {
        let bare = self.bare_program(&self.budget())?;
        let budget = self.budget();
        let tree = Unpacked::of(self.tars_and_digests()?, &budget, Keep::All)?.tree;
        let module = self.built(bare.map_or_else(|| self.program_in(&tree, &budget), Ok)?)?;
        let path = self.module_in(&tree);
        Ok((module, if tree.has_more_than(&path) { tree } else { FileTree::default() }))
    }

    /// Returns where the module is, or where it belongs if a bare layer has it.
    fn module_in(&self, tree: &FileTree) -> String {
        match self.locate(tree) {
            Ok(located) if located.is_named || !self.layers().iter().any(is_bare) => located.path,
            _ => self.command_paths().pop().unwrap_or_default(),
        }
    }

    /// Returns the path that the command has in the tree: that of a link if it names one.
    fn command_in(&self, tree: &FileTree) -> Option<String> {
        let is_file =
            |path: &String| tree.resolve(path, true).is_some_and(|real| tree.file(&real).is_some());
        self.command_paths().into_iter().find(is_file)
    }

    /// Returns everything that the layers hold.
    pub(super) fn content(&self) -> Result<ImageContent, Error> {
        let Unpacked { tree, left_out } =
            Unpacked::of(self.tars_and_digests()?, &self.budget(), Keep::All)?;
        let path = self.module_in(&tree);
        let attributes = tree.file(&path).map(|file| file.attributes.clone());
        let mut included = tree.entries();
        included.retain(|file| file.path() != path);
        let command = self.command_in(&tree);
        Ok(ImageContent { module: path, command, attributes, included, left_out: left_out.0 })
    }

    /// Returns a sentence about each layer whose media type says another compression than it has.
    #[must_use]
    pub fn mislabelled_layers(&self) -> Vec<String> {
        self.layers().iter().filter_map(super::compression::mislabelled).collect()
    }
}

/// The content of a manifest's layers.
pub(super) struct ImageContent {
    /// The path of the module, relative to the root.
    pub(super) module: String,
    /// The path of the command, which may be a link to the module.
    pub(super) command: Option<String>,
    /// Those of the module, if it is in a tar.
    pub(super) attributes: Option<Attributes>,
    pub(super) included: Vec<IncludedFile>,
    /// Entries that a new image can't have, for messages.
    pub(super) left_out: Vec<String>,
}

struct Located {
    path: String,
    /// True if the command names it.
    is_named: bool,
}

/// The file that an image starts.
pub(crate) struct Program {
    pub(crate) bytes: Vec<u8>,
    /// True if the command names it. A bare layer needs no path.
    pub(crate) is_named: bool,
    /// True if the layers have other files; `None` if they were not unpacked.
    pub(crate) has_other_files: Option<bool>,
}

pub(crate) fn is_bare(layer: &Blob) -> bool {
    BARE.contains(&layer.descriptor().media_type.as_str())
}

fn no_module(reason: String) -> Error {
    Error::NoModule { reason }
}
