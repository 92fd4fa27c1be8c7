//! The names under which build scripts start this program as a C compiler, and the variables that tell `cc` of them.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use wasm_oci_core::fs::replace_link;

use crate::cargo::c::choice::Choice;
use crate::cargo::c::failure_log;
use crate::cargo::cargo_config::CargoConfig;
use crate::cargo::env::CargoEnv;
use crate::cargo::target::WasiTarget;

/// What `cc` runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// The C compiler.
    C,
    /// The C++ compiler.
    Cxx,
    /// What makes libraries of object files.
    Ar,
    /// What gives them an index.
    Ranlib,
}

impl Tool {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::C, Self::Cxx, Self::Ar, Self::Ranlib];

    /// The variable that names it, without the target.
    fn variable(self) -> &'static str {
        match self {
            Self::C => "CC",
            Self::Cxx => "CXX",
            Self::Ar => "AR",
            Self::Ranlib => "RANLIB",
        }
    }

    /// The end of its file name. Where `cc` can't ask a compiler what it is, it goes by the name.
    fn name(self) -> &'static str {
        match self {
            Self::C => "clang",
            Self::Cxx => "clang++",
            Self::Ar => "ar",
            Self::Ranlib => "ranlib",
        }
    }

    fn file_name(self, target: WasiTarget) -> String {
        format!("{target}-{}", self.name())
    }

    /// The tool, and what it works for, that a program of this name stands for.
    pub fn of(program: &Path) -> Option<(Self, WasiTarget)> {
        let name = program.file_name()?.to_str()?;
        let all =
            Self::ALL.into_iter().flat_map(|tool| WasiTarget::ALL.map(|target| (tool, target)));
        all.into_iter().find(|(tool, target)| tool.file_name(*target) == name)
    }
}

/// What to set for `cargo build`, so that C is compiled with what `choice` says. Nothing where the user has named a
/// compiler by `cc`'s own variables, or links can't be made.
pub fn variables(
    env: &CargoEnv,
    config: &CargoConfig,
    target_dir: &Path,
    target: WasiTarget,
    choice: Choice,
) -> Vec<(String, OsString)> {
    let is_users = |tool: Tool| {
        let mut names = user_variables(tool, target).into_iter();
        names.any(|name| env.var(&name).is_some() || config.is_set(env, &["env", &name]))
    };
    let folder = folder(target_dir, choice);
    failure_log::clear(&folder);
    if choice == Choice::Off || is_users(Tool::C) || is_users(Tool::Cxx) {
        return Vec::new();
    }
    let Ok(program) = std::env::current_exe() else { return Vec::new() };
    let links = Tool::ALL.into_iter().filter(|tool| !is_users(*tool)).map(|tool| {
        let link = folder.join(tool.file_name(target));
        make(&link, &program)?;
        Ok((
            format!("{}_{}", tool.variable(), target.name().replace('-', "_")),
            link.into_os_string(),
        ))
    });
    links.collect::<io::Result<_>>().unwrap_or_default()
}

/// Where the links for a choice are: one that changes is another path, by which `cc` sees that it has to compile
/// again.
pub fn folder(target_dir: &Path, choice: Choice) -> PathBuf {
    target_dir.join("wasm-oci/.c").join(choice.name())
}

/// The variables that `cc` looks at, the first of them first.
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

/// A link to this program. Where links need a privilege, as on Windows, this fails.
fn make(link: &Path, program: &Path) -> io::Result<()> {
    if std::fs::read_link(link).is_ok_and(|to| to == program) {
        return Ok(());
    }
    fs::create_dir_all(link.parent().unwrap_or(link))?;
    replace_link(link, program)
}

#[cfg(test)]
mod tests {
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
