//! Arguments that several commands share.

mod program;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use wasm_oci_core::compat::engines::EngineSelector;
use wasm_oci_core::compat::runtimes::RequiredRuntime;
use wasm_oci_core::image::{Created, Format, LayerCompression, Platform};
use wasm_oci_core::module::{Capability, DebugInfo, Level};

pub use self::program::{
    AddrArgs, GivenArgs, LimitArgs, RunArgs, SandboxArgs, ServeArgs, TestArgs,
};
use crate::config::budget::{Budget, parse};
use crate::config::settings::Settings;
use crate::config::typed::TagOrReference;

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Module")]
pub struct ModuleArgs {
    /// Optimization level: off, 0 to 4, s or z
    #[arg(short = 'O', long, value_name = "LEVEL")]
    pub optimize: Option<Level>,
    /// Do not optimize the module
    #[arg(long, conflicts_with = "optimize")]
    pub no_optimize: bool,
    /// Use this wasm-opt binary instead of the built-in Binaryen (a path, or a name on PATH)
    // `require_equals`, because `--wasm-opt app.wasm` would otherwise take the module for the program.
    #[arg(
        long,
        value_name = "PROGRAM",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "wasm-opt"
    )]
    pub wasm_opt: Option<PathBuf>,
    /// Debug information to keep in the module: none, names (of functions, for stack traces) or dwarf
    #[arg(
        long,
        value_name = "KIND",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "names"
    )]
    pub debug_info: Option<DebugInfo>,
    /// Fail if the module is larger than this, such as 600kB
    #[arg(long, value_name = "SIZE", value_parser = parse)]
    pub size_budget: Option<u64>,
    /// Accept imports from this module in addition to WASI
    #[arg(long = "allow-import", value_name = "MODULE")]
    pub allow_imports: Vec<String>,
    /// Fail if the module has this capability: reads-files, writes-files, environment, clock, random, sockets, http, threads, unknown
    #[arg(long, value_name = "CAPABILITY")]
    pub deny: Vec<Capability>,
    /// Fail if this runtime can't run the module, such as node or node@20
    #[arg(id = "for-runtime", long = "runtime", value_name = "RUNTIME")]
    pub runtimes: Vec<RequiredRuntime>,
}

/// The choice of formats.
#[derive(Debug, Clone, Default, Args)]
pub struct FormatArgs {
    /// Formats to create: standalone, universal, container, module, combined, artifact
    #[arg(long, value_name = "FORMAT", value_delimiter = ',')]
    pub format: Vec<Format>,
    /// Choose formats by where the image will run: docker, kubernetes, containerd, podman, wkg, node, … (see `check`)
    #[arg(
        id = "engines",
        long = "for",
        value_name = "ENGINE",
        value_delimiter = ',',
        conflicts_with = "format"
    )]
    pub engines: Vec<EngineSelector>,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Image")]
pub struct ImageArgs {
    #[command(flatten)]
    pub formats: FormatArgs,
    /// Tag of the image, alone or as REPOSITORY:TAG
    #[arg(short, long = "tag", value_name = "TAG", value_delimiter = ',')]
    pub tags: Vec<TagOrReference>,
    /// Override the entrypoint; repeat the flag for each word
    #[arg(long, value_name = "WORD")]
    pub entrypoint: Vec<String>,
    /// Argument after the entrypoint; repeat the flag for each one
    // An id of its own, here and below: a command that also runs the program has `args` and `env` for that, and ids are unique.
    #[arg(id = "image-args", long = "arg", value_name = "ARG", allow_hyphen_values = true)]
    pub args: Vec<String>,
    /// Environment variable in the image
    #[arg(id = "image-env", long = "image-env", value_name = "NAME=VALUE", value_parser = pair)]
    pub env: Vec<(String, String)>,
    /// User of the process, with an optional group
    #[arg(long, value_name = "USER[:GROUP]")]
    pub user: Option<String>,
    /// Label of the image
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = pair)]
    pub labels: Vec<(String, String)>,
    /// Annotation of the image
    #[arg(long = "annotation", value_name = "NAME=VALUE", value_parser = pair)]
    pub annotations: Vec<(String, String)>,
    /// File or folder to add to the image at this path
    #[arg(long, value_name = "PATH=HOST", value_parser = pair)]
    pub include: Vec<(String, String)>,
    /// Creation time of the image: seconds since 1970, or a time such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    pub created: Option<Created>,
    /// Author of the image
    #[arg(long, value_name = "NAME")]
    pub author: Option<String>,
    /// Linux platform to list in a universal or standalone image
    #[arg(long = "linux-platform", value_name = "OS/ARCH", value_delimiter = ',')]
    pub linux_platforms: Vec<Platform>,
    /// Runner for a standalone image, instead of the one of this version; repeat the flag for each architecture
    #[arg(long = "runner", value_name = "FILE")]
    pub runners: Vec<PathBuf>,
    /// Compression of the layer: gzip, zstd
    #[arg(long, value_name = "COMPRESSION")]
    pub layer_compression: Option<LayerCompression>,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct PlaceArgs {
    /// Write an OCI image layout to this folder
    #[arg(long, value_name = "DIR")]
    pub oci_layout_path: Option<PathBuf>,
    /// Write an archive for `docker load`, `podman load` and `ctr image import`
    #[arg(long, value_name = "FILE")]
    pub tarball: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default, Args)]
pub struct CacheArgs {
    /// Ignore cached results and do not write new ones
    #[arg(long, help_heading = None::<&'static str>)]
    pub no_cache: bool,
}

/// The forms of an image's location.
const IMAGE_FORMS: &str = "oci:DIR[:NAME][@DIGEST], oci-archive:FILE[:NAME][@DIGEST], \
    docker-archive:FILE[:NAME][@DIGEST] or REGISTRY/REPOSITORY[:TAG][@DIGEST]";

/// Returns the help of an argument for an image, with all forms of its location.
pub fn image_help(what: &str) -> String {
    format!("{what}: {IMAGE_FORMS}")
}

/// Returns the help of an argument for a module or an image, with all forms of their location.
pub fn module_or_image_help(what: &str) -> String {
    format!("{what}: a .wasm or .wat file, - for a module on standard input, {IMAGE_FORMS}")
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

/// Returns the flags of `given` that were used.
fn used<const N: usize>(given: [(&'static str, bool); N]) -> Vec<&'static str> {
    given.into_iter().filter_map(|(flag, is_used)| is_used.then_some(flag)).collect()
}

impl ModuleArgs {
    /// Returns the flags that were given and that change a module, so that they are not for an image that exists.
    pub fn changes(&self) -> Vec<&'static str> {
        // Without `..`, so that a new flag does not compile until somebody decides whether it is a gate.
        let ModuleArgs {
            optimize,
            no_optimize,
            wasm_opt,
            debug_info,
            size_budget: _,
            allow_imports: _,
            deny: _,
            runtimes: _,
        } = self;
        used([
            ("--optimize", optimize.is_some()),
            ("--no-optimize", *no_optimize),
            ("--wasm-opt", wasm_opt.is_some()),
            ("--debug-info", debug_info.is_some()),
        ])
    }

    pub fn settings(&self) -> Settings {
        Settings {
            optimize: if self.no_optimize { Some(Level::Off) } else { self.optimize },
            wasm_opt: self.wasm_opt.clone(),
            debug_info: self.debug_info,
            size_budget: Budget { module: self.size_budget, image: None },
            allow_imports: unless_empty(&self.allow_imports),
            deny: unless_empty(&self.deny),
            runtimes: unless_empty(&self.runtimes),
            ..Settings::default()
        }
    }
}

impl ImageArgs {
    /// Returns the flags that were given and that are settings of a new image.
    pub fn changes(&self) -> Vec<&'static str> {
        // Without `..`, as above.
        let ImageArgs {
            formats: FormatArgs { format, engines: _ },
            tags: _,
            entrypoint,
            args,
            env,
            user,
            labels,
            annotations,
            include,
            created,
            author,
            linux_platforms,
            runners,
            layer_compression,
        } = self;
        used([
            ("--format", !format.is_empty()),
            ("--entrypoint", !entrypoint.is_empty()),
            ("--arg", !args.is_empty()),
            ("--image-env", !env.is_empty()),
            ("--user", user.is_some()),
            ("--label", !labels.is_empty()),
            ("--annotation", !annotations.is_empty()),
            ("--include", !include.is_empty()),
            ("--created", created.is_some()),
            ("--author", author.is_some()),
            ("--linux-platform", !linux_platforms.is_empty()),
            ("--runner", !runners.is_empty()),
            ("--layer-compression", layer_compression.is_some()),
        ])
    }

    pub fn settings(&self) -> Settings {
        let include = self.include.iter().map(|(path, host)| (path.clone(), PathBuf::from(host)));
        Settings {
            format: unless_empty(&self.formats.format),
            engines: unless_empty(&self.formats.engines),
            tags: unless_empty(&self.tags),
            entrypoint: unless_empty(&self.entrypoint),
            args: unless_empty(&self.args),
            env: BTreeMap::from_iter(self.env.clone()),
            user: self.user.clone(),
            labels: BTreeMap::from_iter(self.labels.clone()),
            annotations: BTreeMap::from_iter(self.annotations.clone()),
            include: include.collect(),
            created: self.created,
            author: self.author.clone(),
            linux_platforms: unless_empty(&self.linux_platforms),
            runners: unless_empty(&self.runners),
            layer_compression: self.layer_compression,
            ..Settings::default()
        }
    }
}

pub fn unless_empty<T: Clone>(list: &[T]) -> Option<Vec<T>> {
    // An argument that was not given must not override a setting.
    (!list.is_empty()).then(|| list.to_vec())
}
