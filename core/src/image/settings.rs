//! The user's choices for an image.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::config::MODULE_LABEL;
use super::extract::{command_paths, without_function};
use super::layer_path::{file_name, layer_path};
use super::native::FOLDER;
use super::{
    Attributes, Created, Error, FileKind, FileTree, Format, Image, IncludedFile, LayerCompression,
    NativeProgram, OtherConfig, Platform,
};

/// Everything that goes into an image in addition to the module. Only this and the module decide the digest.
#[derive(Debug, Clone)]
pub struct ImageSettings {
    /// The module's file name in the image, without `.wasm`.
    pub name: String,
    /// The module's place in the root file system and its attributes there, instead of `/<name>.wasm` with mode 755.
    pub module: Option<ModuleFile>,
    /// The command, instead of the module's path.
    pub entrypoint: Option<Vec<String>>,
    /// Arguments after the entrypoint, which the user of a container may replace.
    pub args: Vec<String>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// User (and group) of the process, `user[:group]` by name or number.
    pub user: Option<String>,
    /// Folder in which the process starts.
    pub working_dir: Option<String>,
    /// Further parts of the configuration, for engines only.
    pub other: OtherConfig,
    /// Labels, in the configuration.
    pub labels: BTreeMap<String, String>,
    /// Annotations, on each manifest and on the index.
    pub annotations: BTreeMap<String, String>,
    /// Additional files.
    pub include: Vec<IncludedFile>,
    /// The creation time.
    pub created: Created,
    /// The author.
    pub author: Option<String>,
    /// The linux platforms that a universal image lists in addition to `wasi/wasm`.
    pub linux_platforms: Vec<Platform>,
    /// The native parts of a standalone image, one for each architecture.
    pub natives: Vec<NativeProgram>,
    /// `os` in the configuration of an artifact, instead of `wasip1` or `wasip2` by what the module is. With
    /// `wasi`, Docker 28 runs the artifact too; the CNCF's text does not list that value.
    pub artifact_os: Option<String>,
    /// Compression of the layer.
    pub compression: LayerCompression,
}

/// A module's place in a root file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleFile {
    /// The path, relative to the root.
    pub path: String,
    /// Mode, owner and time.
    pub attributes: Attributes,
}

impl ImageSettings {
    /// Returns the default settings for a module of this name.
    #[must_use]
    pub fn new(name: &str) -> ImageSettings {
        ImageSettings {
            name: name.to_owned(),
            module: None,
            entrypoint: None,
            args: Vec::new(),
            env: BTreeMap::new(),
            user: None,
            working_dir: None,
            other: OtherConfig::default(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            include: Vec::new(),
            created: Created::EPOCH,
            author: None,
            linux_platforms: ImageSettings::default_linux_platforms(),
            natives: Vec::new(),
            artifact_os: None,
            compression: LayerCompression::default(),
        }
    }

    /// Reads the settings of an image, and what a new image can't have of it. If [`assemble`](super::assemble) made the
    /// image, the settings make the same image from its module again.
    ///
    /// # Errors
    /// An error of reading the layers, or [`Error::InvalidTime`].
    pub fn of(image: &Image) -> Result<(ImageSettings, Vec<String>), Error> {
        let manifest = image.wasm_manifest()?;
        let config = manifest.config().clone();
        let content = manifest.content()?;
        let file = file_name(&content.module).to_owned();
        let name = file.strip_suffix(".wasm").unwrap_or(&file);
        let defaults = ImageSettings::new(name);
        let attributes = content.attributes.unwrap_or_else(|| defaults.module_file().attributes);
        let path = if content.module.is_empty() { file.clone() } else { content.module };
        let module = ModuleFile { path, attributes };
        let (entrypoint, args) = config.module_and_args();
        let (mut entrypoint, args) = (entrypoint.to_vec(), args.to_vec());
        if let Some(first) = entrypoint.first_mut() {
            // Absolute, because engines don't agree on the folder in which they look for it.
            let function =
                first.split_once('#').map_or(String::new(), |(_, function)| format!("#{function}"));
            *first = format!("/{}{function}", content.command.as_ref().unwrap_or(&module.path));
        }
        let mut labels = config.labels;
        // The new image gets this label again, with the digest of its own module.
        labels.remove(MODULE_LABEL);
        let linux = image.linux_platforms();
        let mut annotations = image.index_annotations()?;
        annotations.extend(manifest.annotations().clone());
        let mut left_out = content.left_out;
        left_out.extend(manifest.lost_parts());
        left_out.extend(image.other_programs());
        let module = Some(module).filter(|module| *module != defaults.module_file());
        let usual = ImageSettings { module: module.clone(), ..defaults.clone() }.entrypoint();
        let settings = ImageSettings {
            module,
            entrypoint: Some(entrypoint).filter(|words| !words.is_empty() && *words != usual),
            args,
            env: config.env,
            user: config.user,
            working_dir: config.working_dir,
            other: config.other,
            labels,
            annotations,
            include: content.included,
            created: config.created.map_or(Ok(Created::EPOCH), |created| created.parse())?,
            author: config.author,
            compression: manifest.compression(),
            // Images of other formats list none, but a universal image needs one.
            linux_platforms: if linux.is_empty() {
                defaults.linux_platforms.clone()
            } else {
                linux
            },
            ..defaults
        };
        Ok((settings, left_out))
    }

    /// Returns what an image of this format can't have of these settings; [`assemble`](super::assemble) leaves it out.
    /// Files are never among it: they are an error.
    #[must_use]
    pub fn left_out_of(&self, format: Format) -> Vec<String> {
        if format.has_root_filesystem() {
            return Vec::new();
        }
        let folders: Vec<String> = self
            .include
            .iter()
            .take(20)
            .map(|folder| format!("the folder `/{}`", folder.path()))
            .collect();
        let module = self.module.as_ref().map(|module| &module.attributes);
        let has_own =
            module.is_some_and(|it| *it != ImageSettings::new("").module_file().attributes);
        let owner = has_own.then(|| "mode, owner and time of the module".to_owned());
        folders.into_iter().chain(owner).collect()
    }

    /// The two architectures that nearly every node has.
    #[must_use]
    pub fn default_linux_platforms() -> Vec<Platform> {
        vec![Platform::new("linux", "amd64"), Platform::new("linux", "arm64")]
    }

    /// The module's place in the root file system.
    #[must_use]
    pub fn module_file(&self) -> ModuleFile {
        self.module.clone().unwrap_or_else(|| ModuleFile {
            path: format!("{}.wasm", self.name),
            // Executable, because engines that take the linux entry of a universal image check it.
            attributes: Attributes::of_mode(0o755),
        })
    }

    pub(super) fn entrypoint(&self) -> Vec<String> {
        self.entrypoint.clone().unwrap_or_else(|| vec![format!("/{}", self.module_file().path)])
    }

    /// Checks that the entrypoint starts the module, which was validated, and nothing else: in images with files, engines start
    /// whatever file it names.
    ///
    /// # Errors
    /// [`Error::EntrypointElsewhere`].
    pub fn check_entrypoint(&self, formats: &[Format]) -> Result<(), Error> {
        if self.entrypoint.is_none() || !formats.iter().any(|format| format.has_root_filesystem()) {
            return Ok(());
        }
        let ModuleFile { path: module, attributes } = self.module_file();
        let mut tree = FileTree::default();
        let empty = FileKind::File(Arc::default());
        tree.put(IncludedFile::of_tree(&module, empty, attributes));
        // A hard link has to come after its file.
        let is_link = |file: &&IncludedFile| matches!(file.kind(), FileKind::HardLink(_));
        let (links, files): (Vec<_>, Vec<_>) = self.include.iter().partition(is_link);
        files.into_iter().chain(links).for_each(|file| tree.put(file.clone()));
        // Without an entrypoint, the first argument is the command.
        let first = self.entrypoint().into_iter().chain(self.args.clone()).next();
        let word = first.unwrap_or_default();
        let elsewhere = |reason| {
            let (word, module) = (word.clone(), module.clone());
            Err(Error::EntrypointElsewhere { word, module, reason })
        };
        let on_path = self.env.get("PATH").map(String::as_str).unwrap_or_default();
        let paths = command_paths(without_function(&word), self.working_dir.as_deref(), on_path);
        let named: Vec<_> =
            paths.iter().filter_map(|path| tree.file(&tree.real_file(path)?)).collect();
        let module_file = tree.file(&module);
        if named.is_empty() {
            elsewhere("names no file of the image")
        } else if named.into_iter().any(|file| module_file.is_none_or(|it| !Arc::ptr_eq(it, file)))
        {
            elsewhere(
                "names a file that is not the module, and would start without having been validated",
            )
        } else {
            Ok(())
        }
    }

    /// Checks what types can't express: that these settings make an image in each of these formats.
    ///
    /// # Errors
    /// The same as those of [`assemble`](super::assemble).
    pub fn check(&self, formats: &[Format]) -> Result<(), Error> {
        // The name becomes a path in the image, which `../x` would lead out of.
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
        if self.name.is_empty() || self.name.starts_with('.') || !self.name.bytes().all(is_name) {
            return Err(Error::InvalidName { name: self.name.clone() });
        }
        // Otherwise, an image would be made that we refuse to read, such as that of a program named `aux`.
        let module = self.module_file().path;
        if let Err(reason) = layer_path(&module) {
            return Err(Error::InvalidInclude { path: module, reason });
        }
        if let Some(name) =
            self.env.keys().find(|name| name.is_empty() || name.contains(['=', '\0']))
        {
            return Err(Error::InvalidVariable { name: name.clone() });
        }
        // Each format gets a tag of its own, so a second image of the same format would replace the first.
        let distinct: std::collections::BTreeSet<_> = formats.iter().collect();
        if formats.is_empty() || distinct.len() != formats.len() {
            return Err(Error::FormatsNotDistinct { formats: formats.to_vec() });
        }
        // An empty folder alone is no reason to refuse a format: `left_out_of` names it.
        let has_files = self.include.iter().any(|file| *file.kind() != FileKind::Folder);
        if let Some(&format) = formats.iter().find(|f| has_files && !f.has_root_filesystem()) {
            return Err(Error::NoRootFilesystem { format });
        }
        // CRI looks for its host's platform: without one in the index, it says "no match for platform".
        if self.linux_platforms.is_empty() && formats.contains(&Format::Universal) {
            return Err(Error::NoLinuxPlatform);
        }
        if formats.contains(&Format::Standalone) {
            let is_taken = |path: &str| path.split('/').next() == Some(FOLDER);
            let paths = self.include.iter().map(IncludedFile::path);
            if let Some(path) = paths.chain([&*self.module_file().path]).find(|it| is_taken(it)) {
                let reason = "standalone images have their runner in this folder";
                return Err(Error::InvalidInclude { path: path.to_owned(), reason });
            }
        }
        Ok(())
    }
}
