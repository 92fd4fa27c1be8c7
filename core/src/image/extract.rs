//! Extraction of the module and other files from an image.

use std::collections::HashSet;
use std::sync::Arc;

use super::layer_path::{file_name, without_dots};
use super::unpack::{Keep, Unpacked, content_at};
use super::{Attributes, Blob, Error, FileTree, IncludedFile, LayerCompression, Manifest, native};
use crate::limits::Budget;
use crate::module::BuiltModule;

// More folders on `PATH` than anybody has.
const MAX_ON_PATH: usize = 64;
// Those of containerd's own process, as distributions start it.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
// Enough for a user to see what the command could be.
const MAX_LISTED: usize = 20;

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
    /// Returns the module that the image starts: its bare layer, otherwise the file that the command names. The only `.wasm`
    /// file counts only if there is no command.
    ///
    /// # Errors
    /// [`Error::NoModule`] when there is none, [`Error::NoSuchCommand`] when the command names no file, [`Error::Layer`] when
    /// we can't unpack a layer; [`Error::OverLimit`] when the layers unpack to more than the store's
    /// [`ReadLimits`](crate::limits::ReadLimits) allow.
    pub fn module(&self) -> Result<BuiltModule, Error> {
        let budget = self.budget();
        let program = match self.bare_program(&budget)? {
            Some(program) => program,
            None => {
                let tree = self.tree_of_modules(&budget)?;
                self.program_at(&self.locate(&tree)?, &tree, &budget)?
            }
        };
        self.built(program)
    }

    pub(super) fn built(&self, program: Program) -> Result<BuiltModule, Error> {
        BuiltModule::new(&self.module_name(), program.bytes).map_err(|e| no_module(e.to_string()))
    }

    /// Returns what the image starts, which need not be a module. If the command names no file, as it is of broken images,
    /// the only `.wasm` file.
    ///
    /// # Errors
    /// As [`Manifest::module`].
    pub(crate) fn program(&self, budget: &Budget) -> Result<Program, Error> {
        // First, because runwasi starts the bare layer of an image that also has a tar.
        if let Some(program) = self.bare_program(budget)? {
            return Ok(program);
        }
        let tree = self.tree_of_modules(budget)?;
        let path = self.locate(&tree).or_else(|error| only_module(&tree).map_err(|_| error))?;
        let is_named = self.named(&tree).next().is_some();
        Ok(Program { is_named, ..self.program_at(&path, &tree, budget)? })
    }

    pub(super) fn tree_of_modules(&self, budget: &Budget) -> Result<FileTree, Error> {
        Ok(self.unpacked(budget, Keep::Modules(&self.module_paths()))?.tree)
    }

    /// Returns the paths in the tree that the command may name.
    pub(super) fn module_paths(&self) -> Vec<String> {
        self.command_paths().iter().map(|path| without_dots(path)).collect()
    }

    pub(super) fn bare_program(&self, budget: &Budget) -> Result<Option<Program>, Error> {
        let bare = self.bare_layers();
        let Some(layer) = bare.first() else { return Ok(None) };
        if bare.len() > 1 {
            self.require_no_spin()?;
        }
        budget.hold(layer.descriptor().size)?;
        Ok(Some(Program { bytes: layer.bytes()?.to_vec(), is_named: true, has_other_files: None }))
    }

    /// Returns the layers that are bare modules, each once.
    pub(super) fn bare_layers(&self) -> Vec<&Blob> {
        let mut seen = HashSet::new();
        let bare = self.layers().iter().filter(|layer| is_bare(layer));
        bare.filter(|layer| seen.insert(layer.descriptor().digest)).collect()
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
        without_function(self.config().command().next().unwrap_or_default())
    }

    /// Returns the absolute paths where engines look for the command, those of containerd first.
    pub(super) fn command_paths(&self) -> Vec<String> {
        let config = self.config();
        let on_path = config.env.get("PATH").map(String::as_str).unwrap_or_default();
        command_paths(self.command_word(), config.working_dir.as_deref(), on_path)
    }

    /// Returns the real paths of the files that the command names, for one engine or another.
    pub(super) fn named(&self, tree: &FileTree) -> impl Iterator<Item = String> {
        self.command_paths().into_iter().filter_map(|path| tree.real_file(&path))
    }

    pub(super) fn program_at(
        &self,
        path: &str,
        tree: &FileTree,
        budget: &Budget,
    ) -> Result<Program, Error> {
        let file = tree.file(path);
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
        Ok(Program { bytes, is_named: true, has_other_files: Some(tree.has_files_besides(path)) })
    }

    /// Returns the path of the module: the file that the command names, or, without a command, the only `.wasm` file.
    pub(super) fn locate(&self, tree: &FileTree) -> Result<String, Error> {
        let word = self.command_word();
        match self.named(tree).next() {
            Some(path) => Ok(path),
            None if word.is_empty() => only_module(tree),
            None => Err(Error::NoSuchCommand { word: word.to_owned(), files: listed(tree) }),
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

    pub(super) fn tars(&self) -> impl Iterator<Item = &Blob> {
        self.layers().iter().filter(|layer| !is_bare(layer))
    }

    /// Merges the tar layers. A native manifest's runner and code are not among the files: they are made again from the module.
    pub(super) fn unpacked(&self, budget: &Budget, keep: Keep<'_>) -> Result<Unpacked, Error> {
        let mut unpacked = Unpacked::of(self.tars_and_digests()?, budget, keep)?;
        if self.is_native() {
            unpacked.tree.remove(native::FOLDER);
        }
        Ok(unpacked)
    }

    /// Returns the tar layers with their digests before compression, as the configuration says them.
    pub(super) fn tars_and_digests(
        &self,
    ) -> Result<impl Iterator<Item = (&Blob, Option<&str>)>, Error> {
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
        let tree = self.unpacked(budget, Keep::Nothing)?.tree;
        Ok(tree.has_files_besides(&self.module_in(&tree)))
    }

    /// Returns the other files of the image, as its layers together make them.
    ///
    /// # Errors
    /// As [`Manifest::module`], and [`Error::InvalidInclude`] when the path of a file leads out of the image.
    pub fn included(&self) -> Result<Vec<IncludedFile>, Error> {
        Ok(self.content_of(self.unpacked(&self.budget(), Keep::All)?).included)
    }

    /// Returns the module, and the root file system with the module in it, which is empty if there is nothing else.
    ///
    /// # Errors
    /// As [`Manifest::module`] and [`Manifest::included`].
    pub fn module_and_root(&self) -> Result<(BuiltModule, FileTree), Error> {
        self.require_no_spin()?;
        let bare = self.bare_program(&self.budget())?;
        let budget = self.budget();
        let tree = self.unpacked(&budget, Keep::All)?.tree;
        let program = match bare {
            Some(program) => program,
            None => self.program_at(&self.locate(&tree)?, &tree, &budget)?,
        };
        let module = self.built(program)?;
        let path = self.module_in(&tree);
        Ok((module, if tree.has_more_than(&path) { tree } else { FileTree::default() }))
    }

    /// Returns where the module is, or where it belongs if a bare layer has it.
    pub(super) fn module_in(&self, tree: &FileTree) -> String {
        let is_bare = self.layers().iter().any(is_bare);
        let only = || only_module(tree).ok().filter(|_| !is_bare);
        self.named(tree).next().or_else(only).unwrap_or_else(|| {
            let folder = self.config().working_dir.as_deref();
            without_dots(&in_folder(self.command_word(), folder))
        })
    }

    /// Returns the path that the command has in the tree: that of a link if it names one.
    fn command_in(&self, tree: &FileTree) -> Option<String> {
        let is_file = |path: &String| tree.real_file(path).is_some();
        // Its folder without links and dots, which would lead elsewhere if only the dots were left out.
        self.command_paths().into_iter().find(is_file).and_then(|path| tree.place(&path))
    }

    /// Returns everything that the layers hold.
    ///
    /// # Errors
    /// As [`Manifest::included`], and [`Error::NoSuchCommand`].
    pub(super) fn content(&self) -> Result<ImageContent, Error> {
        self.require_no_spin()?;
        let unpacked = self.unpacked(&self.budget(), Keep::All)?;
        if !self.layers().iter().any(is_bare) {
            self.locate(&unpacked.tree)?;
        }
        Ok(self.content_of(unpacked))
    }

    fn content_of(&self, Unpacked { tree, left_out }: Unpacked) -> ImageContent {
        let path = self.module_in(&tree);
        let attributes = tree.file(&path).map(|file| file.attributes.clone());
        let mut included = tree.entries();
        included.retain(|file| file.path() != path);
        let command = self.command_in(&tree);
        ImageContent { module: path, command, attributes, included, left_out: left_out.0 }
    }

    /// Returns sentences for the user of the image: about each layer whose media type says another compression than it has,
    /// about several bare modules, and about an application that only Spin can start.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let layers = self.layers().iter().filter_map(super::compression::mislabelled);
        let spin = self.spin_application().map(|error| error.to_string());
        layers.chain(spin.or_else(|| self.several_bare())).collect()
    }

    fn several_bare(&self) -> Option<String> {
        let bare = self.bare_layers();
        let [first, _, ..] = bare.as_slice() else { return None };
        let (count, first) = (bare.len(), first.descriptor().digest);
        Some(format!(
            "{count} layers are bare modules: this command takes the first, {first}, and engines may refuse the image"
        ))
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

/// Returns a command without the `#function` that runwasi allows after it.
pub(super) fn without_function(word: &str) -> &str {
    word.split_once('#').map_or(word, |(path, _)| path)
}

/// Returns the absolute paths where engines look for a command, those of containerd first. `on_path` is the image's `PATH`.
///
/// Measured with runwasi's shims: what has a slash in it is in the working directory. They look for a name alone in the
/// folders of their own `PATH`, not of the image's, and then in the working directory. crun takes the image's `PATH`.
pub(super) fn command_paths(word: &str, folder: Option<&str>, on_path: &str) -> Vec<String> {
    if word.is_empty() || word.contains('/') {
        return vec![in_folder(word, folder)];
    }
    let on = |path: &str| -> Vec<String> {
        let folders = path.split(':').take(MAX_ON_PATH).filter(|folder| !folder.is_empty());
        folders.map(|folder| format!("{folder}/{word}")).collect()
    };
    let mut paths = on(USUAL_PATH);
    paths.push(in_folder(word, folder));
    for path in on(on_path) {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

fn in_folder(word: &str, folder: Option<&str>) -> String {
    match word.starts_with('/') {
        true => word.to_owned(),
        false => format!("{}/{word}", folder.unwrap_or_default()),
    }
}

/// Returns the path of the only `.wasm` file.
fn only_module(tree: &FileTree) -> Result<String, Error> {
    let mut found: Vec<(&str, _)> =
        tree.files().filter(|(path, _)| path.ends_with(".wasm")).collect();
    // Hard links are one file.
    let mut seen = HashSet::new();
    found.retain(|(_, file)| seen.insert(Arc::as_ptr(file)));
    match found.as_slice() {
        [(path, _)] => Ok((*path).to_owned()),
        [] => Err(no_module("it names no command, and no layer has a .wasm file".to_owned())),
        several => {
            let names: Vec<&str> = several.iter().take(MAX_LISTED).map(|(path, _)| *path).collect();
            Err(no_module(format!("it names no command, and has {}", names.join(", "))))
        }
    }
}

/// Returns some files of a tree, for messages: the modules, if there are any.
fn listed(tree: &FileTree) -> Vec<String> {
    let all: Vec<&str> = tree.files().map(|(path, _)| path).collect();
    let modules: Vec<&str> = all.iter().copied().filter(|path| path.ends_with(".wasm")).collect();
    let shown = if modules.is_empty() { all } else { modules };
    shown.into_iter().take(MAX_LISTED).map(|path| format!("`/{path}`")).collect()
}
