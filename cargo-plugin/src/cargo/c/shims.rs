//! Shims: links to this program under the names of compilers, and the variables that point `cc` to them.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use wasm_oci_app::config::c_compiler::Choice;
use wasm_oci_app::config::target::WasiTarget;
use wasm_oci_core::fs::{create_folder, replace_link};
use wasm_oci_core::named_enum;
use wasm_oci_core::trace::OrTrace;

use crate::cargo::cargo_config::CargoConfig;
use crate::cargo::env::CargoEnv;

named_enum! {
    /// A program that `cc` runs.
    // `cc` guesses the kind of compiler from its name if it can't probe it.
    pub enum Tool: "C tool" {
        C = "clang",
        Cxx = "clang++",
        Ar = "ar",
        Ranlib = "ranlib",
    }
}

impl Tool {
    /// Returns the variable that names the tool, without the target.
    fn variable(self) -> &'static str {
        match self {
            Tool::C => "CC",
            Tool::Cxx => "CXX",
            Tool::Ar => "AR",
            Tool::Ranlib => "RANLIB",
        }
    }

    fn file_name(self, target: WasiTarget) -> String {
        format!("{target}-{}", self.name())
    }

    /// Returns the tool and target that a shim of this name stands for.
    pub fn of(program: &Path) -> Option<(Tool, WasiTarget)> {
        let name = program.file_name()?.to_str()?;
        let mut all =
            Tool::ALL.into_iter().flat_map(|tool| WasiTarget::ALL.map(|target| (tool, target)));
        all.find(|(tool, target)| tool.file_name(*target) == name)
    }
}

/// Returns the variables to set for `cargo build`, so that `choice` compiles C. Returns none if the user named a compiler in
/// `cc`'s own variables, or if the shims can't be made.
pub fn variables(
    env: &CargoEnv,
    config: &CargoConfig,
    target_dir: &Path,
    target: WasiTarget,
    choice: Choice,
) -> Vec<(String, OsString)> {
    let is_users = |tool: Tool| {
        let mut names = user_variables(tool, target).into_iter();
        // `[env]` in the configuration sets variables for build scripts, too (Cargo book).
        names.any(|name| env.var(&name).is_some() || config.is_set(env, &["env", &name]))
    };
    let folder = folder(target_dir, choice);
    if choice == Choice::Off || is_users(Tool::C) || is_users(Tool::Cxx) {
        return Vec::new();
    }
    let Some(program) = std::env::current_exe().or_trace("find our own program") else {
        return Vec::new();
    };
    // Always the same paths: cargo runs a build script again if the value of its variable changes.
    let shims = Tool::ALL.into_iter().filter(|tool| !is_users(*tool)).map(|tool| {
        let link = folder.join(tool.file_name(target));
        make(&link, &program)?;
        let variable = format!("{}_{}", tool.variable(), target.name().replace('-', "_"));
        Ok((variable, link.into_os_string()))
    });
    shims.collect::<io::Result<_>>().or_trace("make shims for C compilers").unwrap_or_default()
}

pub fn folder(target_dir: &Path, choice: Choice) -> PathBuf {
    // Each choice has its own paths, so that another choice makes cargo compile the C again.
    target_dir.join("wasm-oci/.c").join(choice.name())
}

/// Returns the variables that `cc` reads, in order of precedence.
/// <https://docs.rs/cc/latest/cc/#external-configuration-via-environment-variables>
fn user_variables(tool: Tool, target: WasiTarget) -> [String; 4] {
    let (variable, target) = (tool.variable(), target.name());
    [
        format!("{variable}_{target}"),
        format!("{variable}_{}", target.replace('-', "_")),
        format!("TARGET_{variable}"),
        variable.to_owned(),
    ]
}

fn make(link: &Path, program: &Path) -> io::Result<()> {
    if std::fs::read_link(link).is_ok_and(|to| to == program) {
        return Ok(());
    }
    create_folder(link.parent().unwrap_or(link))?;
    replace_link(link, program)
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;

    fn set(vars: &[(&str, &str)], cli: &str, choice: Choice) -> Vec<String> {
        let dir = tempfile::tempdir().expect("a folder");
        let env = CargoEnv::new("/nowhere".into(), vars.iter().map(|(k, v)| (k.into(), v.into())));
        let config = CargoConfig::load(&env, &[cli.to_owned()]);
        let set = variables(&env, &config, dir.path(), WasiTarget::Wasip1, choice);
        for (_, link) in &set {
            assert!(
                Tool::of(Path::new(link)).is_some_and(|(_, target)| target == WasiTarget::Wasip1)
            );
            assert_eq!(
                fs::read_link(link).expect("a link"),
                std::env::current_exe().expect("this test")
            );
        }
        set.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    #[cfg(unix)]
    fn what_the_user_named_stays() {
        let all =
            ["CC_wasm32_wasip1", "CXX_wasm32_wasip1", "AR_wasm32_wasip1", "RANLIB_wasm32_wasip1"];
        assert_eq!(set(&[("CFLAGS", "-g"), ("CC_x86_64", "cc")], "", Choice::Auto), all);
        assert_eq!(set(&[("TARGET_AR", "ar")], "", Choice::Auto), [all[0], all[1], all[3]]);
        for variable in ["CC", "TARGET_CC", "CC_wasm32_wasip1", "CC_wasm32-wasip1", "CXX"] {
            assert_eq!(set(&[(variable, "my-cc")], "", Choice::Auto), [""; 0], "{variable}");
            assert_eq!(
                set(&[], &format!("env.{variable} = 'my-cc'"), Choice::Auto),
                [""; 0],
                "{variable}"
            );
        }
        assert_eq!(set(&[("CC_wasm32_wasip2", "my-cc")], "", Choice::Auto), all);
        assert_eq!(set(&[], "", Choice::Off), [""; 0]);
    }
}
