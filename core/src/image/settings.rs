//! The user's choices for an image.

use std::collections::BTreeMap;

use super::config::MODULE_LABEL;
use super::{Created, Error, Format, Image, IncludedFile, Platform};

/// Everything that goes into an image in addition to the module. Only this and the module decide the digest.
#[derive(Debug, Clone)]
pub struct ImageSettings {
    /// The module's file name in the image, without `.wasm`.
    pub name: String,
    /// The command, instead of `/<name>.wasm`.
    pub entrypoint: Option<Vec<String>>,
    /// Arguments after the entrypoint, which the user of a container may replace.
    pub args: Vec<String>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// User (and group) of the process, `user[:group]` by name or number.
    pub user: Option<String>,
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
    /// `os` in the configuration of an artifact, instead of `wasip1` or `wasip2` by what the module is. With
    /// `wasi`, Docker 28 runs the artifact too; the CNCF's text does not list that value.
    pub artifact_os: Option<String>,
}

impl ImageSettings {
    /// Returns the default settings for a module of this name.
    #[must_use]
    pub fn new(name: &str) -> ImageSettings {
        ImageSettings {
            name: name.to_owned(),
            entrypoint: None,
            args: Vec::new(),
            env: BTreeMap::new(),
            user: None,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            include: Vec::new(),
            created: Created::EPOCH,
            author: None,
            linux_platforms: ImageSettings::default_linux_platforms(),
            artifact_os: None,
        }
    }

    /// Reads the settings of an image. If [`assemble`](super::assemble) made the image, they make the same image from its
    /// module again.
    ///
    /// # Errors
    /// An error of reading the layers, or [`Error::InvalidTime`].
    pub fn of(image: &Image) -> Result<ImageSettings, Error> {
        let manifest = image.wasm_manifest()?;
        let config = manifest.config().clone();
        let file = manifest.module_name();
        let name = file.strip_suffix(".wasm").unwrap_or(&file);
        let defaults = ImageSettings::new(name);
        let (entrypoint, args) = config.module_and_args();
        let (mut entrypoint, args) = (entrypoint.to_vec(), args.to_vec());
        if let Some(first) = entrypoint.first_mut() {
            // The new image has the module in the root folder, wherever it was before.
            let function =
                first.split_once('#').map_or(String::new(), |(_, function)| format!("#{function}"));
            *first = format!("/{}{function}", defaults.module_file());
        }
        let mut labels = config.labels;
        // The new image gets this label again, with the digest of its own module.
        labels.remove(MODULE_LABEL);
        let platforms =
            image.manifests().iter().filter_map(|manifest| manifest.config().platform.clone());
        let linux: Vec<Platform> = platforms.filter(|platform| platform.os == "linux").collect();
        Ok(ImageSettings {
            entrypoint: Some(entrypoint)
                .filter(|words| !words.is_empty() && *words != defaults.entrypoint()),
            args,
            env: config.env,
            user: config.user,
            labels,
            annotations: manifest.annotations().clone(),
            include: manifest.included()?,
            created: config.created.map_or(Ok(Created::EPOCH), |created| created.parse())?,
            author: config.author,
            // Images of other formats list none, but a universal image needs one.
            linux_platforms: if linux.is_empty() { defaults.linux_platforms } else { linux },
            ..ImageSettings::new(name)
        })
    }

    /// The two architectures that nearly every node has.
    #[must_use]
    pub fn default_linux_platforms() -> Vec<Platform> {
        vec![Platform::new("linux", "amd64"), Platform::new("linux", "arm64")]
    }

    /// The module's file name in the image.
    #[must_use]
    pub fn module_file(&self) -> String {
        format!("{}.wasm", self.name)
    }

    pub(super) fn entrypoint(&self) -> Vec<String> {
        self.entrypoint.clone().unwrap_or_else(|| vec![format!("/{}", self.module_file())])
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
        if let Some(&format) =
            formats.iter().find(|f| !self.include.is_empty() && !f.has_root_filesystem())
        {
            return Err(Error::NoRootFilesystem { format });
        }
        // CRI looks for its host's platform: without one in the index, it says "no match for platform".
        if self.linux_platforms.is_empty() && formats.contains(&Format::Universal) {
            return Err(Error::NoLinuxPlatform);
        }
        Ok(())
    }
}
