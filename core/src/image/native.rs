//! Native manifests of standalone images: a runner, the module, and its compiled code.

use std::sync::Arc;

use super::layer::{Layer, layer_of};
use super::unpack::{Keep, Unpacked};
use super::{Architecture, Error, Image, ImageSettings, LayerCompression, Manifest};
use crate::limits::Budget;
use crate::module::BuiltModule;

/// Folder of the runner and the code. Container engines mount nothing there, and no other file of an image may be in it.
pub(super) const FOLDER: &str = ".wasm-oci";
/// Path of the runner in the root file system.
pub(super) const RUNNER: &str = ".wasm-oci/runner";
/// Path of the compiled code in the root file system.
const CODE: &str = ".wasm-oci/code";

/// Annotation of a native manifest with the engine of its runner.
pub const ENGINE: &str = "io.github.wasm-oci.engine";

/// Port on which the runner serves HTTP without the variable `PORT`.
const PORT: &str = "8080/tcp";

/// The native part of a standalone image for one architecture.
#[derive(Debug, Clone)]
pub struct NativeProgram {
    /// The architecture.
    pub architecture: Architecture,
    /// The static program that runs the code. Images with the same runner share its layer.
    pub runner: Arc<[u8]>,
    /// The module's compiled code, for exactly this runner.
    pub code: Arc<[u8]>,
    /// The engine of the runner, such as `wasmtime 48.0.8`.
    pub engine: String,
    /// True if the runner serves HTTP.
    pub serves: bool,
}

impl NativeProgram {
    /// Returns the layer of the runner. It depends on nothing else, so that images share it.
    pub(super) fn runner_layer(&self) -> Result<Layer, Error> {
        layer_of(RUNNER, &self.runner, 0o755, LayerCompression::default())
    }

    pub(super) fn code_layer(&self, compression: LayerCompression) -> Result<Layer, Error> {
        layer_of(CODE, &self.code, 0o644, compression)
    }

    /// Returns the settings of the native manifest in an image with these settings.
    pub(super) fn settings(&self, settings: &ImageSettings) -> ImageSettings {
        let entrypoint = [&[format!("/{RUNNER}")], &settings.entrypoint()[..]].concat();
        let mut native = ImageSettings { entrypoint: Some(entrypoint), ..settings.clone() };
        native.annotations.insert(ENGINE.to_owned(), self.engine.clone());
        if self.serves {
            native.other.set_default("ExposedPorts", serde_json::json!({ PORT: {} }));
        }
        native
    }
}

/// Content of a native manifest.
#[derive(Debug, Clone)]
pub struct NativeContent {
    /// The module whose code it is said to be.
    pub module: BuiltModule,
    /// The runner.
    pub runner: Vec<u8>,
    /// The compiled code.
    pub code: Vec<u8>,
}

impl Manifest {
    /// Returns true for a native manifest of a standalone image: one that starts a runner.
    #[must_use]
    pub fn is_native(&self) -> bool {
        self.config().is_native()
    }

    /// Reads the runner, the module and the code of a native manifest.
    ///
    /// # Errors
    /// As [`Manifest::module`].
    pub fn native_content(&self) -> Result<NativeContent, Error> {
        Ok(self.native_program(&self.budget())?.0)
    }

    /// Reads the same within a budget. Returns true if the image also has other files.
    pub(crate) fn native_program(&self, budget: &Budget) -> Result<(NativeContent, bool), Error> {
        let mut paths = self.module_paths();
        paths.extend([RUNNER, CODE].map(str::to_owned));
        let layers = self.tars_and_digests()?;
        let mut tree = Unpacked::of(layers, budget, Keep::Modules(&paths))?.tree;
        let file = |path: &str| {
            let content = tree.read(path).map(<[u8]>::to_vec);
            content.ok_or_else(|| Error::NoModule { reason: format!("there is no file `/{path}`") })
        };
        let (runner, code) = (file(RUNNER), file(CODE));
        tree.remove(FOLDER);
        let program = match self.bare_program(budget)? {
            Some(program) => program,
            None => self.program_at(&self.locate(&tree)?, &tree, budget)?,
        };
        let content = NativeContent { module: self.built(program)?, runner: runner?, code: code? };
        Ok((content, tree.has_files_besides(&self.module_in(&tree))))
    }
}

impl Image {
    /// Reads all native programs of a standalone image, each with its manifest.
    ///
    /// # Errors
    /// As [`Manifest::module`], and [`Error::OverLimit`] when all together unpack to more than the store's limits allow.
    pub fn native_programs(&self) -> Result<Vec<(&Manifest, NativeContent)>, Error> {
        let natives = self.manifests().iter().filter(|manifest| manifest.is_native());
        let natives: Vec<&Manifest> = natives.collect();
        let Some(budget) = natives.first().map(|manifest| manifest.budget()) else {
            return Ok(Vec::new());
        };
        natives.into_iter().map(|it| Ok((it, it.native_program(&budget)?.0))).collect()
    }
}
