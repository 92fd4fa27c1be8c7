//! Settings: every source says what it has, one is laid over the other, and the rest is defaults.
//!
//! Flags > environment > `[package.metadata.wasm-oci]` > `[workspace.metadata.wasm-oci]` > what was detected >
//! default. [`Plan::resolve`](crate::config::plan::Plan::resolve) makes the values of them that everything else works
//! with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::budget::BudgetSetting;
use crate::config::schema;
use crate::config::smoke::case::Case;
use crate::config::smoke::read::read_cases;
use crate::error::SettingsError;

/// What one source of settings says; `None` is no word on it. As in TOML, names have hyphens.
///
/// The comments of the fields are what users read of them: the [`schema`] and the table in
/// `docs/settings.md` are made of them, of `x-flag` and of `default`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub struct Settings {
    /// The [formats](formats.md) to make, one or a list; the first takes the tags.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(schema_with = "schema::formats", extend("x-flag" = "--format", "default" = "universal"))]
    pub format: Option<Vec<String>>,
    /// Whom the image is [for](check.md), one or a list, as `docker` or `cri-1.7`: the formats are chosen for them, instead
    /// of by `format`, and an image that one of them can't start is not made (exit code 9).
    #[serde(rename = "for", deserialize_with = "one_or_many")]
    #[schemars(schema_with = "schema::engine_selectors", extend("x-flag" = "--for"))]
    pub engines: Option<Vec<String>>,
    /// Tags, each alone or as `REPOSITORY:TAG`.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(schema_with = "schema::texts", extend("x-flag" = "-t, --tag", "default" = "latest"))]
    pub tags: Option<Vec<String>>,
    /// Where to push to, as `ghcr.io/owner/{bin}`; `{bin}`, `{package}` and `{version}` stand for the program's.
    /// `push` takes it as an argument.
    pub repository: Option<String>,
    /// Registries to speak plain HTTP with; loopback addresses always are.
    #[schemars(extend("x-flag" = "--insecure-registry"))]
    pub insecure_registries: Option<Vec<String>>,
    /// How much to optimize: `"off"`, `0` to `4`, `"s"` or `"z"`; see [optimizing](optimizing.md). If not set, `1` or
    /// `"z"`, by the format.
    #[serde(deserialize_with = "level")]
    #[schemars(schema_with = "schema::levels", extend("x-flag" = "-O, --optimize, --no-optimize"))]
    pub optimize: Option<String>,
    /// Optimize with a `wasm-opt` of yours instead of the Binaryen inside: a name to look up on `PATH` (the flag alone
    /// means `wasm-opt`), or a path, relative to the `Cargo.toml`.
    #[schemars(extend("x-flag" = "--wasm-opt[=PROGRAM]"))]
    pub wasm_opt: Option<PathBuf>,
    /// What stays in the module: `none`, `names` of functions for readable traces (the flag alone), or `dwarf` for
    /// debuggers.
    #[schemars(
        schema_with = "schema::debug_info",
        extend("x-flag" = "--debug-info[=KIND]", "default" = "none")
    )]
    pub debug_info: Option<String>,
    /// Import modules to accept beside WASI's.
    #[schemars(extend("x-flag" = "--allow-import"))]
    pub allow_imports: Option<Vec<String>>,
    /// What the module must not be able to do; a module that imports what is needed for it fails the build (exit code
    /// 3).
    #[schemars(schema_with = "schema::capabilities", extend("x-flag" = "--deny"))]
    pub deny: Option<Vec<String>>,
    /// The most that the module may have after optimizing, as `"600 kB"` (or `"600 KiB"`); or a table, `{ module = "600
    /// kB", image = "250 kB" }`, where `image` is for the compressed layers of the main format. What is larger is not
    /// built, packed or pushed (exit code 6); see [size](size.md#budget).
    #[schemars(schema_with = "schema::size_budget", extend("x-flag" = "--size-budget"))]
    pub size_budget: BudgetSetting,
    /// The [runtimes](runtimes.md) that have to take the module as it is, one or a list, each perhaps with the oldest
    /// version, as `node@20`; a module that one of them doesn't take fails the build (exit code 3).
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(schema_with = "schema::runtimes", extend("x-flag" = "--runtime"))]
    pub runtimes: Option<Vec<String>>,
    /// The linux platforms that a universal image lists.
    #[schemars(extend("x-flag" = "--linux-platform", "default" = ["linux/amd64", "linux/arm64"]))]
    pub linux_platforms: Option<Vec<String>>,
    /// The command, instead of the module, which is `/NAME.wasm`.
    #[schemars(extend("x-flag" = "--entrypoint"))]
    pub entrypoint: Option<Vec<String>>,
    /// Arguments after the entrypoint, which a container's user may replace.
    #[schemars(extend("x-flag" = "--arg"))]
    pub args: Option<Vec<String>>,
    /// Environment variables.
    #[schemars(extend("x-flag" = "--image-env"))]
    pub env: BTreeMap<String, String>,
    /// User (and group) of the process.
    #[schemars(extend("x-flag" = "--user"))]
    pub user: Option<String>,
    /// Labels in the configuration, beside those that are detected.
    #[schemars(extend("x-flag" = "--label"))]
    pub labels: BTreeMap<String, String>,
    /// Annotations on manifests and index, beside those that are detected.
    #[schemars(extend("x-flag" = "--annotation"))]
    pub annotations: BTreeMap<String, String>,
    /// Files or folders to lie beside the module: path in the image → path here, relative to the `Cargo.toml`.
    #[schemars(extend("x-flag" = "--include"))]
    pub include: BTreeMap<String, PathBuf>,
    /// The time in the image, in seconds since 1970 or as `2026-01-31T12:00:00Z`. If not set, the commit's, else 1970.
    #[schemars(extend("x-flag" = "--created"))]
    pub created: Option<String>,
    /// Who made the image. If not set, the package's authors.
    #[schemars(extend("x-flag" = "--author"))]
    pub author: Option<String>,
    /// `os` of an artifact instead of `wasip1` or `wasip2`; with `wasi`, Docker 28 runs it, too.
    pub artifact_os: Option<String>,
    /// Compile with `opt-level = "z"`: smaller, and slower by up to a half in computations.
    #[schemars(extend("x-flag" = "--small", "default" = false))]
    pub small: Option<bool>,
    /// What to build for: `wasm32-wasip1` (modules) or `wasm32-wasip2` (components); packages that are built together
    /// have to agree.
    #[schemars(
        schema_with = "schema::targets",
        extend("x-flag" = "--target", "default" = "wasm32-wasip1")
    )]
    pub target: Option<String>,
    /// Install the target through rustup when it is missing (never with `--offline`).
    #[schemars(extend("default" = true))]
    pub install_target: Option<bool>,
    /// What compiles [C in crates](c-code.md): `auto` for the first that is found, `wasi-sdk`, `zig`, `clang` or `off`;
    /// packages that are built together have to agree.
    #[schemars(
        schema_with = "schema::c_compilers",
        extend("x-flag" = "--c-compiler", "default" = "auto")
    )]
    pub c_compiler: Option<String>,
    /// [Smoke tests](testing.md), a list of tables; merged by their names.
    pub smoke: Vec<Case>,
}

impl Settings {
    /// These settings, and where they say nothing, those of `lower`. Tables are merged key by key.
    #[must_use]
    pub fn over(self, lower: Settings) -> Settings {
        // Both say which formats are made, so that the nearer one of either counts.
        let (format, engines) = match (self.format, self.engines) {
            (None, None) => (lower.format, lower.engines),
            both => both,
        };
        Settings {
            format,
            engines,
            tags: self.tags.or(lower.tags),
            repository: self.repository.or(lower.repository),
            insecure_registries: self.insecure_registries.or(lower.insecure_registries),
            optimize: self.optimize.or(lower.optimize),
            wasm_opt: self.wasm_opt.or(lower.wasm_opt),
            debug_info: self.debug_info.or(lower.debug_info),
            allow_imports: self.allow_imports.or(lower.allow_imports),
            deny: self.deny.or(lower.deny),
            size_budget: self.size_budget.over(lower.size_budget),
            runtimes: self.runtimes.or(lower.runtimes),
            linux_platforms: self.linux_platforms.or(lower.linux_platforms),
            entrypoint: self.entrypoint.or(lower.entrypoint),
            args: self.args.or(lower.args),
            env: merged(self.env, lower.env),
            user: self.user.or(lower.user),
            labels: merged(self.labels, lower.labels),
            annotations: merged(self.annotations, lower.annotations),
            include: merged(self.include, lower.include),
            created: self.created.or(lower.created),
            author: self.author.or(lower.author),
            artifact_os: self.artifact_os.or(lower.artifact_os),
            small: self.small.or(lower.small),
            target: self.target.or(lower.target),
            install_target: self.install_target.or(lower.install_target),
            c_compiler: self.c_compiler.or(lower.c_compiler),
            smoke: merged_cases(self.smoke, lower.smoke),
        }
    }

    /// The settings of a metadata table for the program `bin`: what stands in the table itself, and over it what
    /// stands in its `bin.<name>`. `table` is what messages call it; paths are relative to `folder`.
    ///
    /// # Errors
    /// [`SettingsError`] for an unknown key or a value of the wrong type.
    pub fn from_metadata(
        metadata: &serde_json::Value,
        bin: &str,
        table: &str,
        folder: &Path,
    ) -> Result<Settings, SettingsError> {
        let wrong =
            |table: &str, reason: String| SettingsError::Value { table: table.to_owned(), reason };
        let object =
            metadata.as_object().ok_or_else(|| wrong(table, "it is not a table".to_owned()))?;
        let mut own = object.clone();
        let settings = match own.remove("bin") {
            None => Settings::default(),
            Some(bins) => {
                let bins = bins
                    .as_object()
                    .ok_or_else(|| wrong(table, "`bin` is not a table".to_owned()))?;
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
        let smoke = table.as_object_mut().and_then(|table| table.remove("smoke"));
        let mut settings: Settings = serde_json::from_value(table)
            .map_err(|e| SettingsError::Value { table: name.to_owned(), reason: e.to_string() })?;
        if let Some(smoke) = smoke {
            settings.smoke = read_cases(&smoke, name, folder)?;
        }
        for host in settings.include.values_mut() {
            *host = folder.join(&host);
        }
        // A name alone is looked up on PATH, as cargo does with `linker`.
        if let Some(program) =
            settings.wasm_opt.as_mut().filter(|program| program.components().count() > 1)
        {
            *program = folder.join(&program);
        }
        Ok(settings)
    }
}

/// Refuses a key that `T` doesn't have, in what is read as a `T`. `name` is what messages call it.
pub(crate) fn check_keys<T: Default + Serialize>(
    table: &serde_json::Value,
    name: &str,
) -> Result<(), SettingsError> {
    let keys = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().into_iter().flat_map(serde_json::Map::keys).cloned().collect()
    };
    let known = keys(&serde_json::to_value(T::default()).unwrap_or_default());
    let Some(unknown) = keys(table).into_iter().find(|key| !known.contains(key)) else {
        return Ok(());
    };
    let hint = match closest(&unknown, known.iter().map(String::as_str)) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("the settings are {}", known.join(", ")),
    };
    Err(SettingsError::UnknownKey { table: name.to_owned(), key: unknown, hint })
}

/// The one of `known` that `given` is most likely a slip of, if there is one.
pub fn closest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(given, name), name))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

fn merged<V>(upper: BTreeMap<String, V>, mut lower: BTreeMap<String, V>) -> BTreeMap<String, V> {
    lower.extend(upper);
    lower
}

/// Smoke tests are merged by name: the nearer ones come first.
fn merged_cases(mut upper: Vec<Case>, lower: Vec<Case>) -> Vec<Case> {
    for case in lower {
        if !upper.iter().any(|other| other.name == case.name) {
            upper.push(case);
        }
    }
    upper
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a text or a list of texts")]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(Some(match OneOrMany::deserialize(from)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    }))
}

/// `optimize = 1`, `"z"`, `"off"`, or `false`.
fn level<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a level: \"off\", 0 to 4, \"s\" or \"z\"")]
    enum Level {
        Number(u8),
        Name(String),
        Switch(bool),
    }
    match Level::deserialize(from)? {
        Level::Number(number) => Ok(Some(number.to_string())),
        Level::Name(name) => Ok(Some(name)),
        Level::Switch(false) => Ok(Some("off".to_owned())),
        Level::Switch(true) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn from(metadata: serde_json::Value) -> Result<Settings, SettingsError> {
        Settings::from_metadata(
            &metadata,
            "app",
            "[package.metadata.wasm-oci]",
            Path::new("/crate"),
        )
    }

    #[test]
    fn one_text_or_many_and_levels_of_any_kind() {
        let settings =
            from(json!({"format": "module", "tags": ["a", "b"], "optimize": 2})).unwrap();
        assert_eq!(settings.format.unwrap(), ["module"]);
        assert_eq!(settings.tags.unwrap(), ["a", "b"]);
        assert_eq!(settings.optimize.as_deref(), Some("2"));
        assert_eq!(from(json!({"optimize": false})).unwrap().optimize.as_deref(), Some("off"));
    }

    #[test]
    fn a_bins_own_settings_come_first_and_paths_start_at_the_crate() {
        let settings = from(json!({
            "user": "1", "env": {"A": "1", "B": "1"}, "include": {"/etc/x": "x"},
            "bin": {"app": {"env": {"B": "2"}}, "other": {"user": "2"}}
        }))
        .unwrap();
        assert_eq!(settings.user.as_deref(), Some("1"));
        assert_eq!(settings.env["A"], "1");
        assert_eq!(settings.env["B"], "2");
        assert_eq!(settings.include["/etc/x"], Path::new("/crate/x"));
    }

    #[test]
    fn formats_and_whom_they_are_for_take_each_others_place() {
        let format = || from(json!({"format": "module"})).unwrap();
        let engines = || from(json!({"for": ["docker", "wkg"]})).unwrap();
        let over = format().over(engines());
        assert_eq!((over.format.is_some(), over.engines.is_some()), (true, false));
        let over = engines().over(format());
        assert_eq!((over.format.is_some(), over.engines.unwrap().len()), (false, 2));
    }

    #[test]
    fn smoke_tests_are_merged_by_name() {
        let settings = from(json!({
            "smoke": [{"name": "a", "exit-code": 1}, {"name": "b"}],
            "bin": {"app": {"smoke": [{"name": "b", "exit-code": 2}]}, "other": {"smoke": [{"name": "c"}]}}
        }));
        let cases = settings.unwrap().smoke;
        let found: Vec<_> = cases.iter().map(|case| (case.name.as_str(), case.exit_code)).collect();
        assert_eq!(found, [("b", Some(2)), ("a", Some(1))]);
        assert_eq!(cases[0].folder, Path::new("/crate"));
        let error = from(json!({"smoke": [{"name": "a", "arg": []}]})).unwrap_err().to_string();
        assert!(error.contains("did you mean `args`?") && error.contains("`a`"), "{error}");
    }

    #[test]
    fn a_slip_is_an_error_that_says_what_was_meant() {
        let error = from(json!({"lables": {}})).unwrap_err().to_string();
        assert!(
            error.contains("did you mean `labels`?") && error.contains("package.metadata"),
            "{error}"
        );
        let error = from(json!({"zzz": 1})).unwrap_err().to_string();
        assert!(error.contains("the settings are"), "{error}");
        let error = from(json!({"format": 1})).unwrap_err().to_string();
        assert!(error.contains("a text or a list of texts"), "{error}");
        assert!(from(json!([])).is_err());
    }
}
