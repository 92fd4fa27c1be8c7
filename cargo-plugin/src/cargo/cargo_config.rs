//! cargo's configuration: files, `--config` and `CARGO_*` variables, for the few keys that we need.
//!
//! No library reads `--config` as cargo does (decision 35). Rules: <https://doc.rust-lang.org/cargo/reference/config.html>.

use std::path::{Path, PathBuf};

use fs_err as fs;
use toml::{Table, Value};
use wasm_oci_core::trace::OrTrace;

use crate::cargo::env::CargoEnv;

/// All layers of the configuration.
#[derive(Debug, Clone)]
pub struct CargoConfig {
    /// In order of rising precedence: cargo's home, then from the root of the file system to the current folder.
    files: Vec<Layer>,
    /// The `--config` arguments, in order.
    cli: Vec<Layer>,
}

/// Settings from one place.
#[derive(Debug, Clone)]
struct Layer {
    /// `None` for an argument.
    file: Option<PathBuf>,
    /// Folder that relative paths in the settings are relative to.
    base: PathBuf,
    table: Table,
}

impl CargoConfig {
    /// Reads the configuration that applies in the current folder of `env`. `cli` are the `--config` arguments.
    pub fn load(env: &CargoEnv, cli: &[String]) -> CargoConfig {
        let mut files: Vec<_> = config_files(env).iter().map(|path| file_layers(path)).collect();
        // The current folder has the highest precedence, and cargo's home the lowest (Cargo book,
        // "Hierarchical structure").
        files.reverse();
        CargoConfig {
            files: files.into_iter().flatten().collect(),
            cli: cli.iter().flat_map(|arg| cli_layers(env, arg)).collect(),
        }
    }

    /// Returns the files that were read.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().chain(&self.cli).filter_map(|layer| layer.file.as_deref())
    }

    /// Returns true if the user has set the key in any place.
    pub fn is_set(&self, env: &CargoEnv, key: &[&str]) -> bool {
        env.config_var(key).is_some() || self.values(key).next().is_some()
    }

    /// Returns the text with the highest precedence.
    pub fn text<'a>(&'a self, env: &'a CargoEnv, key: &[&str]) -> Option<&'a str> {
        self.nearest(env, key).map(|(_, text)| text)
    }

    /// Returns an absolute path. Relative ones start at the folder that contains `.cargo`, or at the current folder.
    pub fn path(&self, env: &CargoEnv, key: &[&str]) -> Option<PathBuf> {
        self.nearest(env, key).map(|(base, path)| base.join(path))
    }

    fn nearest<'a>(&'a self, env: &'a CargoEnv, key: &[&str]) -> Option<(&'a Path, &'a str)> {
        let text = |layer: &'a Layer| Some((layer.base.as_path(), layer.get(key)?.as_str()?));
        // `--config` takes precedence over variables, and variables over files (Cargo book).
        self.cli
            .iter()
            .rev()
            .find_map(text)
            .or_else(|| Some((env.cwd(), env.config_var(key)?)))
            .or_else(|| self.files.iter().rev().find_map(text))
    }

    /// Returns a list: all layers joined as cargo joins them, with the variable between files and `--config`.
    pub fn list(&self, env: &CargoEnv, key: &[&str]) -> Option<Vec<String>> {
        let var = env.config_var(key).map(|text| words(text).collect::<Vec<_>>());
        let (files, cli) = (joined(&self.files, key), joined(&self.cli, key));
        let parts = [files, var, cli];
        parts.iter().any(Option::is_some).then(|| parts.into_iter().flatten().flatten().collect())
    }

    /// Returns `build.target`: the names of targets, and the folder that paths of custom targets are relative to.
    pub fn build_targets(&self, env: &CargoEnv) -> Vec<(String, PathBuf)> {
        let key = ["build", "target"];
        let mut found: Vec<(String, PathBuf)> = Vec::new();
        let mut add = |value: &Value, base: &Path| match value {
            // As for lists, a text replaces what is before it.
            Value::String(text) => found = vec![(text.clone(), base.to_owned())],
            Value::Array(items) => {
                let items = items.iter().filter_map(Value::as_str);
                found.extend(items.map(|item| (item.to_owned(), base.to_owned())));
            }
            _ => {}
        };
        let variable = env.config_var(&key).filter(|text| !text.is_empty());
        let variable = variable.map(|text| Value::String(text.to_owned()));
        let of = |layers: &[Layer], add: &mut dyn FnMut(&Value, &Path)| {
            let values = layers.iter().filter_map(|it| Some((it.get(&key)?, it.base.as_path())));
            values.for_each(|(value, base)| add(value, base));
        };
        of(&self.files, &mut add);
        variable.iter().for_each(|value| add(value, env.cwd()));
        of(&self.cli, &mut add);
        found
    }

    /// Returns the keys of a table in all layers, sorted.
    pub fn keys(&self, table: &[&str]) -> Vec<&str> {
        let tables = self.values(table).filter_map(|(_, value)| value.as_table());
        let mut keys: Vec<_> = tables.flat_map(Table::keys).map(String::as_str).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Returns the folders of vendored dependencies.
    pub fn vendor_dirs(&self) -> Vec<PathBuf> {
        let sources =
            self.values(&["source"]).filter_map(|(base, value)| Some((base, value.as_table()?)));
        let dirs = sources.flat_map(|(base, table)| {
            table
                .values()
                .filter_map(move |source| Some(base.join(source.get("directory")?.as_str()?)))
        });
        dirs.collect()
    }

    fn values<'a>(&'a self, key: &[&str]) -> impl Iterator<Item = (&'a Path, &'a Value)> {
        let layers = self.files.iter().chain(&self.cli);
        layers.filter_map(|layer| Some((layer.base.as_path(), layer.get(key)?)))
    }
}

impl Layer {
    fn get(&self, key: &[&str]) -> Option<&Value> {
        let (first, rest) = key.split_first()?;
        rest.iter().try_fold(self.table.get(*first)?, |value, part| value.get(part))
    }
}

fn joined(layers: &[Layer], key: &[&str]) -> Option<Vec<String>> {
    let mut list = None;
    for value in layers.iter().filter_map(|layer| layer.get(key)) {
        match value {
            // cargo joins arrays of several files, but a text with spaces replaces those before it.
            Value::String(text) => list = Some(words(text).collect()),
            Value::Array(items) => {
                let items = items.iter().filter_map(Value::as_str).map(str::to_owned);
                list.get_or_insert_with(Vec::new).extend(items);
            }
            _ => {}
        }
    }
    list
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split_whitespace().map(str::to_owned)
}

/// Returns the files that apply, in order of falling precedence.
fn config_files(env: &CargoEnv) -> Vec<PathBuf> {
    let mut dirs: Vec<_> = env.cwd().ancestors().map(|dir| dir.join(".cargo")).collect();
    // Below the user's home, `~/.cargo` is already one of the folders.
    dirs.extend(
        env.cargo_home().filter(|home| !dirs.iter().any(|dir| dir == home)).map(Path::to_owned),
    );
    dirs.iter().filter_map(|dir| config_file(dir)).collect()
}

fn config_file(dir: &Path) -> Option<PathBuf> {
    // If both exist, cargo reads the one without an extension (Cargo book).
    ["config", "config.toml"].map(|name| dir.join(name)).into_iter().find(|path| path.is_file())
}

fn cli_layers(env: &CargoEnv, arg: &str) -> Vec<Layer> {
    let path = env.cwd().join(arg);
    // As in cargo, an argument that is a path is never read as `KEY=VALUE`.
    if !arg.is_empty() && path.exists() {
        return file_layers(&path);
    }
    match arg.parse() {
        Ok(table) => vec![Layer { file: None, base: env.cwd().to_owned(), table }],
        Err(_) => Vec::new(),
    }
}

/// Reads a file and the files that it includes, in order of rising precedence.
fn file_layers(path: &Path) -> Vec<Layer> {
    layers_of(path, &mut Vec::new())
}

fn layers_of(path: &Path, seen: &mut Vec<PathBuf>) -> Vec<Layer> {
    // cargo reads the file again, and reports what is wrong with it or with a cycle of includes.
    let text = fs::read_to_string(path).or_trace("read cargo's configuration");
    let table = text.and_then(|text| text.parse::<Table>().or_trace("parse cargo's configuration"));
    let (Some(table), Some(dir), false) = (table, path.parent(), seen.iter().any(|it| it == path))
    else {
        return Vec::new();
    };
    seen.push(path.to_owned());
    let mut layers: Vec<_> =
        includes(&table).iter().flat_map(|it| layers_of(&dir.join(it), seen)).collect();
    layers.push(Layer {
        file: Some(path.to_owned()),
        // Paths are relative to the folder that contains `.cargo` (Cargo book, "Config-relative
        // paths").
        base: dir.parent().unwrap_or(dir).to_owned(),
        table,
    });
    layers
}

fn includes(table: &Table) -> Vec<&str> {
    match table.get("include") {
        Some(Value::Array(items)) => items
            .iter()
            .filter_map(|item| item.as_str().or_else(|| item.get("path")?.as_str()))
            .collect(),
        Some(Value::String(path)) => vec![path],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(cwd: &Path, vars: &[(&str, &str)]) -> CargoEnv {
        let home = cwd.join("home");
        let vars = vars.iter().copied().chain([("CARGO_HOME", home.to_str().expect("text"))]);
        CargoEnv::new(cwd.to_owned(), vars.map(|(name, value)| (name.into(), value.into())))
    }

    fn write(path: PathBuf, text: &str) {
        fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        fs::write(path, text).expect("writable");
    }

    #[test]
    fn layers_are_joined_in_cargos_order() {
        let dir = tempfile::tempdir().expect("a folder");
        write(
            dir.path().join("home/config.toml"),
            "build.rustflags = ['home']\nbuild.target-dir = 'a'",
        );
        write(
            dir.path().join(".cargo/config.toml"),
            "include = ['more.toml']\nbuild.rustflags = ['here']",
        );
        write(dir.path().join(".cargo/more.toml"), "build.rustflags = ['included']");
        let env = env(dir.path(), &[("CARGO_BUILD_RUSTFLAGS", "one two")]);
        let config = CargoConfig::load(&env, &["build.rustflags = ['cli']".to_owned()]);
        assert_eq!(
            config.list(&env, &["build", "rustflags"]).expect("set"),
            ["home", "included", "here", "one", "two", "cli"]
        );
        assert_eq!(config.path(&env, &["build", "target-dir"]), Some(dir.path().join("a")));
        assert!(!config.is_set(&env, &["build", "jobs"]));
    }

    #[test]
    fn a_text_is_split_and_not_joined() {
        let dir = tempfile::tempdir().expect("a folder");
        write(dir.path().join("home/config"), "build.rustflags = '-Ca  -Cb'");
        write(dir.path().join("home/config.toml"), "build.rustflags = 'passed over'");
        let env = env(dir.path(), &[]);
        let config = CargoConfig::load(&env, &[]);
        assert_eq!(config.list(&env, &["build", "rustflags"]).expect("set"), ["-Ca", "-Cb"]);
    }

    #[test]
    fn a_file_given_by_argument_takes_precedence() {
        let dir = tempfile::tempdir().expect("a folder");
        write(
            dir.path().join(".cargo/config.toml"),
            "build.rustc = 'low'\ninclude = ['config.toml']",
        );
        write(dir.path().join("mine.toml"), "build.rustc = 'high'\nnot toml");
        write(dir.path().join("yours.toml"), "build.rustc = 'high'");
        let env = env(dir.path(), &[]);
        let rustc = |cli: &[&str]| {
            let cli: Vec<_> = cli.iter().map(|arg| (*arg).to_owned()).collect();
            CargoConfig::load(&env, &cli).text(&env, &["build", "rustc"]).map(str::to_owned)
        };
        assert_eq!(rustc(&["yours.toml"]).as_deref(), Some("high"));
        assert_eq!(rustc(&["mine.toml"]).as_deref(), Some("low"));
    }
}
