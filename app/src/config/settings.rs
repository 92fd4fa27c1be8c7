//! Settings of one source, and how sources are merged.
//!
//! Precedence: flags, environment, `[package.metadata.wasm-oci]`, `[workspace.metadata.wasm-oci]`, detected values, defaults.
//! [`Plan::resolve`](crate::config::plan::Plan::resolve) turns the merged settings into a plan.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, SchemaGenerator};
use serde::Deserialize;
use wasm_oci_core::compat::engines::EngineSelector;
use wasm_oci_core::compat::runtimes::RequiredRuntime;
use wasm_oci_core::image::{Created, Format, LayerCompression, Platform};
use wasm_oci_core::module::{Capability, DebugInfo, Level};

use crate::config::budget::Budget;
use crate::config::c_compiler::Choice;
use crate::config::schema;
use crate::config::smoke::case::Case;
use crate::config::smoke::read::read_cases;
use crate::config::target::WasiTarget;
use crate::config::typed::{self, TagOrReference};
use crate::error::SettingsError;

/// Settings of one source; `None` means not set. Keys have hyphens, as is usual in TOML.
///
/// Users read the comments of the fields: the [`schema`] and the table in `docs/settings.md` are generated from them, from
/// `x-flag` and from `default`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
// Only the schema denies unknown fields. `check_keys` refuses them when settings are read, with a suggestion that serde's own
// error does not have.
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub struct Settings {
    /// [Formats](formats.md) of the image, one or a list. The first gets the tags.
    #[serde(deserialize_with = "typed::one_or_many")]
    #[schemars(schema_with = "schema::formats", extend("x-flag" = "--format", "default" = Format::default().name()))]
    pub format: Option<Vec<Format>>,
    /// [Engines](check.md) that must run the image, one or a list, such as `docker` or `cri-1.7`. They choose the formats, instead
    /// of `format`. An image that one of them can't start is an error (exit code 9).
    #[serde(rename = "for", deserialize_with = "typed::one_or_many")]
    #[schemars(schema_with = "schema::engine_selectors", extend("x-flag" = "--for"))]
    pub engines: Option<Vec<EngineSelector>>,
    /// Tags of the image, each alone or as `REPOSITORY:TAG`.
    #[serde(deserialize_with = "typed::one_or_many")]
    #[schemars(schema_with = "schema::texts", extend("x-flag" = "-t, --tag", "default" = "latest"))]
    pub tags: Option<Vec<TagOrReference>>,
    /// Repository to push to, such as `ghcr.io/owner/{bin}`. `{bin}`, `{package}` and `{version}` are replaced by those of the
    /// program, with small letters except in a tag, and `_` instead of `+`. For `push`, it is an argument.
    pub repository: Option<String>,
    /// Registries to access over plain HTTP, in addition to loopback addresses.
    #[schemars(extend("x-flag" = "--insecure-registry"))]
    pub insecure_registries: Option<Vec<String>>,
    /// Optimization level: `"off"`, `0` to `4`, `"s"` or `"z"`; see [optimizing](optimizing.md). The default is `1` or `"z"`,
    /// depending on the format.
    #[serde(deserialize_with = "typed::level")]
    #[schemars(schema_with = "schema::levels", extend("x-flag" = "-O, --optimize, --no-optimize"))]
    pub optimize: Option<Level>,
    /// `wasm-opt` binary to use instead of the built-in Binaryen: a name on `PATH` (the flag alone means `wasm-opt`), or a path
    /// relative to the `Cargo.toml`.
    #[schemars(extend("x-flag" = "--wasm-opt[=PROGRAM]"))]
    pub wasm_opt: Option<PathBuf>,
    /// Debug information to keep: `none`, `names` of functions for readable traces (the flag alone), or `dwarf` for debuggers.
    #[serde(deserialize_with = "typed::one")]
    #[schemars(
        schema_with = "schema::debug_info",
        extend("x-flag" = "--debug-info[=KIND]", "default" = "none")
    )]
    pub debug_info: Option<DebugInfo>,
    /// Import modules to accept in addition to WASI's. For a component: interfaces, such as `wasi:nn/graph`, or packages, such
    /// as `wasi:nn`, that `deny` can't judge.
    #[schemars(extend("x-flag" = "--allow-import"))]
    pub allow_imports: Option<Vec<String>>,
    /// Capabilities that the module must not have. If it imports a function for one of them, or one that can't be judged, the
    /// build fails (exit code 3). Those of flags, package and workspace add up.
    #[serde(deserialize_with = "typed::many")]
    #[schemars(schema_with = "schema::capabilities", extend("x-flag" = "--deny"))]
    pub deny: Option<Vec<Capability>>,
    /// Size limit of the module after optimizing, such as `"600 kB"` or `"600 KiB"`; or a table, `{ module = "600 kB", image =
    /// "250 kB" }`, where `image` limits the compressed layers of the main format. A larger module is not built, packed or
    /// pushed (exit code 6); see [size](size.md#budget).
    #[schemars(schema_with = "schema::size_budget", extend("x-flag" = "--size-budget"))]
    pub size_budget: Budget,
    /// [Runtimes](runtimes.md) that must run the module without options, one or a list, optionally with the oldest version, such
    /// as `node@20`. If one of them can't run the module, the build fails (exit code 3). Those of flags, package and workspace add up.
    #[serde(deserialize_with = "typed::one_or_many")]
    #[schemars(schema_with = "schema::runtimes", extend("x-flag" = "--runtime"))]
    pub runtimes: Option<Vec<RequiredRuntime>>,
    /// Linux platforms that a universal or standalone image lists.
    #[serde(deserialize_with = "typed::many")]
    #[schemars(with = "Option<Vec<String>>", extend("x-flag" = "--linux-platform", "default" = ["linux/amd64", "linux/arm64"]))]
    pub linux_platforms: Option<Vec<Platform>>,
    /// Runners of standalone images, one for each architecture, instead of those of this version.
    #[serde(deserialize_with = "typed::many")]
    #[schemars(with = "Option<Vec<PathBuf>>", extend("x-flag" = "--runner"))]
    pub runners: Option<Vec<PathBuf>>,
    /// Entrypoint of the image. The default is the module, `/NAME.wasm`.
    #[schemars(extend("x-flag" = "--entrypoint"))]
    pub entrypoint: Option<Vec<String>>,
    /// Arguments after the entrypoint, which users of a container can replace.
    #[schemars(extend("x-flag" = "--arg"))]
    pub args: Option<Vec<String>>,
    /// Environment variables.
    #[schemars(extend("x-flag" = "--image-env"))]
    pub env: BTreeMap<String, String>,
    /// User, and optionally group, of the process.
    #[schemars(extend("x-flag" = "--user"))]
    pub user: Option<String>,
    /// Labels in the configuration, in addition to the detected ones.
    #[schemars(extend("x-flag" = "--label"))]
    pub labels: BTreeMap<String, String>,
    /// Annotations of manifests and index, in addition to the detected ones.
    #[schemars(extend("x-flag" = "--annotation"))]
    pub annotations: BTreeMap<String, String>,
    /// Files or folders to add to the image: path in the image → path on this machine, relative to the `Cargo.toml`.
    #[schemars(extend("x-flag" = "--include"))]
    pub include: BTreeMap<String, PathBuf>,
    /// Creation time of the image: seconds since 1970 or a timestamp such as `2026-01-31T12:00:00Z`. The default is the time of the
    /// commit, otherwise 1970.
    #[serde(deserialize_with = "typed::one")]
    #[schemars(with = "Option<String>", extend("x-flag" = "--created"))]
    pub created: Option<Created>,
    /// Author of the image. The default is the authors of the package.
    #[schemars(extend("x-flag" = "--author"))]
    pub author: Option<String>,
    /// `os` of an artifact instead of `wasip1` or `wasip2`. With `wasi`, Docker 28 can run the artifact, too.
    pub artifact_os: Option<String>,
    /// Compression of the layer: `gzip`, or `zstd`, which is smaller and faster to unpack, but unknown to older engines; see
    /// [formats](formats.md#details).
    #[serde(deserialize_with = "typed::one")]
    #[schemars(
        schema_with = "schema::layer_compressions",
        extend("x-flag" = "--layer-compression", "default" = "gzip")
    )]
    pub layer_compression: Option<LayerCompression>,
    /// Compile with `opt-level = "z"`: smaller, but up to 50 % slower in computations.
    #[schemars(extend("x-flag" = "--small", "default" = false))]
    pub small: Option<bool>,
    /// Target to build for: `wasm32-wasip1` (modules) or `wasm32-wasip2` (components). Packages that are built together must have
    /// the same target. The default is `build.target` of cargo's configuration (or `CARGO_BUILD_TARGET`), if it is one of the two.
    #[serde(deserialize_with = "typed::one")]
    #[schemars(
        schema_with = "schema::targets",
        extend("x-flag" = "--target", "default" = "wasm32-wasip1")
    )]
    pub target: Option<WasiTarget>,
    /// Install a missing target with rustup, and download the crates of a [runner](standalone.md) that has to be built (never with
    /// `--offline`).
    #[schemars(extend("default" = true))]
    pub install_target: Option<bool>,
    /// Compiler for [C in crates](c-code.md): `auto` for the first that is found, `wasi-sdk`, `zig`, `clang` or `off`. Packages that
    /// are built together must have the same value.
    #[serde(deserialize_with = "typed::one")]
    #[schemars(
        schema_with = "schema::c_compilers",
        extend("x-flag" = "--c-compiler", "default" = "auto")
    )]
    pub c_compiler: Option<Choice>,
    /// [Smoke tests](testing.md), a list of tables, merged by name.
    pub smoke: Vec<Case>,
}

pub(super) trait Merge {
    /// Returns this, completed by `lower`.
    fn over(self, lower: Self) -> Self;
}

impl<T> Merge for Option<T> {
    fn over(self, lower: Option<T>) -> Option<T> {
        self.or(lower)
    }
}

impl<V> Merge for BTreeMap<String, V> {
    fn over(self, mut lower: BTreeMap<String, V>) -> BTreeMap<String, V> {
        lower.extend(self);
        lower
    }
}

impl Merge for Vec<Case> {
    // The nearer tests come first, and replace those of the same name.
    fn over(mut self, lower: Vec<Case>) -> Vec<Case> {
        for case in lower {
            if !self.iter().any(|other| other.name == case.name) {
                self.push(case);
            }
        }
        self
    }
}

impl Merge for Budget {
    fn over(self, lower: Budget) -> Budget {
        Budget { module: self.module.or(lower.module), image: self.image.or(lower.image) }
    }
}

// A macro rather than `..lower`, so that a new field does not compile until somebody adds it here.
macro_rules! merged {
    ($upper:ident over $lower:ident: $($field:ident)*) => {
        Settings { $($field: Merge::over($upper.$field, $lower.$field)),* }
    };
}

impl Settings {
    /// Returns these settings, and those of `lower` where these have none. Tables are merged key by key, and what is denied or
    /// required is added.
    pub fn over(mut self, mut lower: Settings) -> Settings {
        // Both decide which formats are made: either one replaces the other.
        if self.format.is_some() || self.engines.is_some() {
            (lower.format, lower.engines) = (None, None);
        }
        // A gate that a nearer source adds must not open one that is there.
        add(&mut lower.deny, &self.deny);
        add(&mut lower.runtimes, &self.runtimes);
        (self.deny, self.runtimes) = (None, None);
        merged!(self over lower: format engines tags repository insecure_registries optimize wasm_opt debug_info
            allow_imports deny size_budget runtimes linux_platforms runners entrypoint args env user labels annotations include
            created author artifact_os layer_compression small target install_target c_compiler smoke)
    }

    /// Reads the settings of a metadata table for the program `bin`: those of the table itself, overridden by those of its
    /// `bin.<name>`. Messages call the table `table`; paths are relative to `folder`.
    pub fn from_metadata(
        metadata: &serde_json::Value,
        bin: &str,
        table: &str,
        folder: &Path,
    ) -> Result<Settings, SettingsError> {
        let wrong = |reason: &str| SettingsError::table(table, reason);
        let object = metadata.as_object().ok_or_else(|| wrong("it is not a table"))?;
        let mut own = object.clone();
        let settings = match own.remove("bin") {
            None => Settings::default(),
            Some(bins) => {
                let bins = bins.as_object().ok_or_else(|| wrong("`bin` is not a table"))?;
                let of_bin = |bin: &serde_json::Value| {
                    Settings::from_table(bin, &format!("{table}.bin"), folder)
                };
                bins.get(bin).map(of_bin).transpose()?.unwrap_or_default()
            }
        };
        Ok(settings.over(Settings::from_table(&serde_json::Value::Object(own), table, folder)?))
    }

    fn from_table(
        table: &serde_json::Value,
        name: &str,
        folder: &Path,
    ) -> Result<Settings, SettingsError> {
        check_keys::<Settings>(table, name)?;
        let mut table = table.clone();
        // Tests have abbreviated values, which only `read_cases` expands.
        let smoke = table.as_object_mut().and_then(|table| table.remove("smoke"));
        // serde's own errors don't name the key of an invalid value.
        let mut settings: Settings =
            serde_path_to_error::deserialize(table).map_err(|e| SettingsError::Value {
                key: e.path().to_string(),
                table: Some(name.to_owned()),
                reason: e.inner().to_string(),
            })?;
        if let Some(smoke) = smoke {
            settings.smoke = read_cases(&smoke, name, folder)?;
        }
        // The command may run in any folder of the package.
        for host in settings.include.values_mut() {
            *host = folder.join(&host);
        }
        for file in settings.runners.iter_mut().flatten() {
            *file = folder.join(&file);
        }
        // A name alone is looked up on PATH, as cargo does for `linker`.
        if let Some(program) =
            settings.wasm_opt.as_mut().filter(|program| program.components().count() > 1)
        {
            *program = folder.join(&program);
        }
        Ok(settings)
    }
}

/// Adds what is in `nearer` to a list.
fn add<T: Clone + PartialEq>(list: &mut Option<Vec<T>>, nearer: &Option<Vec<T>>) {
    let Some(nearer) = nearer else { return };
    let list = list.get_or_insert_default();
    let new: Vec<T> = nearer.iter().filter(|item| !list.contains(item)).cloned().collect();
    list.extend(new);
}

/// Refuses a table with a key that `T` doesn't have. Messages call the table `name`.
pub(crate) fn check_keys<T: JsonSchema>(
    table: &serde_json::Value,
    name: &str,
) -> Result<(), SettingsError> {
    let keys = |value: Option<&serde_json::Value>| -> Vec<String> {
        let object = value.and_then(serde_json::Value::as_object);
        object.into_iter().flat_map(serde_json::Map::keys).cloned().collect()
    };
    // The schema has the names that serde reads, after `rename` and `rename_all`.
    let known = keys(T::json_schema(&mut SchemaGenerator::default()).get("properties"));
    let Some(unknown) = keys(Some(table)).into_iter().find(|key| !known.contains(key)) else {
        return Ok(());
    };
    let hint = match closest(&unknown, known.iter().map(String::as_str)) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("the settings are {}", known.join(", ")),
    };
    Err(SettingsError::UnknownKey { table: name.to_owned(), key: unknown, hint })
}

/// Returns the name in `known` that `given` is probably a typo of.
pub fn closest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(given, name), name))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests;
