//! The user's flags for rustc, found where cargo finds them, so that we can add ours.
//!
//! cargo uses only the first of these that is set:
//! 1. `CARGO_ENCODED_RUSTFLAGS`, then `RUSTFLAGS`, even when empty;
//! 2. `target.wasm32-wasip1.rustflags`, together with every matching `target.'cfg(…)'.rustflags`;
//! 3. `build.rustflags`.
//!
//! Flags that we add in one place can hide those in another, or fail to merge with them (a list with a string). So we compute
//! the result, and pass it in the first place.

use std::str::FromStr;

use cargo_platform::{Cfg, CfgExpr};
use wasm_oci_app::config::target::WasiTarget;
use wasm_oci_app::rustc::{RUSTFLAGS, SEPARATOR};

use crate::cargo::cargo_config::CargoConfig;
use crate::cargo::env::CargoEnv;

/// Returns the facts about a target that decide nearly every `cfg(…)` in a configuration.
pub(crate) fn known(target: WasiTarget) -> [(&'static str, &'static str); 8] {
    [
        ("panic", "abort"),
        ("target_arch", "wasm32"),
        ("target_endian", "little"),
        ("target_env", target.env()),
        ("target_family", "wasm"),
        ("target_os", "wasi"),
        ("target_pointer_width", "32"),
        ("target_vendor", "unknown"),
    ]
}

/// Names that no WASI target sets.
pub(crate) const KNOWN_UNSET: [&str; 2] = ["unix", "windows"];

/// Returns the value of [`RUSTFLAGS`].
pub fn encoded(ours: &[String], users: &[String]) -> String {
    // rustc's last flag for a path wins, and that has to be the user's.
    [ours, users].concat().join(SEPARATOR)
}

/// Returns the flags that cargo would use. `print_cfg` runs `rustc --print cfg`; we call it only for conditions that `known` does
/// not decide.
pub fn users(
    env: &CargoEnv,
    config: &CargoConfig,
    target: WasiTarget,
    print_cfg: impl Fn() -> String,
) -> Vec<String> {
    from_variables(env)
        .or_else(|| for_target(env, config, target, print_cfg))
        .or_else(|| config.list(env, &["build", "rustflags"]))
        .unwrap_or_default()
}

fn from_variables(env: &CargoEnv) -> Option<Vec<String>> {
    if let Some(encoded) = env.var(RUSTFLAGS) {
        return Some(
            encoded.split(SEPARATOR).filter(|_| !encoded.is_empty()).map(str::to_owned).collect(),
        );
    }
    // As in cargo, only spaces separate flags, and quotes have no meaning.
    let words = env.var("RUSTFLAGS")?.split(' ').map(str::trim).filter(|word| !word.is_empty());
    Some(words.map(str::to_owned).collect())
}

fn for_target(
    env: &CargoEnv,
    config: &CargoConfig,
    target: WasiTarget,
    print_cfg: impl Fn() -> String,
) -> Option<Vec<String>> {
    // cargo joins the flags of the target with those of every condition that holds.
    let mut flags = config.list(env, &["target", target.name(), "rustflags"]).unwrap_or_default();
    for key in config.keys(&["target"]) {
        let listed =
            config.list(env, &["target", key, "rustflags"]).filter(|_| key.starts_with("cfg("));
        flags.extend(listed.filter(|_| fits(key, target, &print_cfg)).unwrap_or_default());
    }
    Some(flags).filter(|flags| !flags.is_empty())
}

/// Returns true if `cfg(…)` holds for the target.
fn fits(key: &str, target: WasiTarget, print_cfg: impl Fn() -> String) -> bool {
    let inner = key.strip_prefix("cfg(").and_then(|rest| rest.strip_suffix(')'));
    let Some(expression) = inner.and_then(|inner| CfgExpr::from_str(inner).ok()) else {
        return false;
    };
    // rustc could decide all, but starting it takes as long as a build without a change.
    match is_decided(&expression) {
        true => expression.matches(&known_cfgs(target)),
        false => expression
            .matches(&print_cfg().lines().filter_map(|line| line.parse().ok()).collect::<Vec<_>>()),
    }
}

fn known_cfgs(target: WasiTarget) -> Vec<Cfg> {
    let text = known(target).into_iter().map(|(name, value)| format!("{name}=\"{value}\""));
    text.filter_map(|text| text.parse().ok()).collect()
}

/// Returns true if [`known`] decides the expression.
fn is_decided(expression: &CfgExpr) -> bool {
    match expression {
        CfgExpr::Not(inner) => is_decided(inner),
        CfgExpr::All(all) | CfgExpr::Any(all) => all.iter().all(is_decided),
        CfgExpr::Value(Cfg::Name(name)) => KNOWN_UNSET.contains(&name.as_str()),
        CfgExpr::Value(Cfg::KeyPair(name, _)) => {
            // All targets have the same names, only with different values.
            known(WasiTarget::default()).iter().any(|(known, _)| *known == name.as_str())
        }
        CfgExpr::True | CfgExpr::False => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(vars: &[(&str, &str)], cli: &[&str]) -> Vec<String> {
        found_for(WasiTarget::Wasip1, vars, cli)
    }

    fn found_for(target: WasiTarget, vars: &[(&str, &str)], cli: &[&str]) -> Vec<String> {
        let env = CargoEnv::new("/nowhere".into(), vars.iter().map(|(k, v)| (k.into(), v.into())));
        let cli: Vec<_> = cli.iter().map(|arg| (*arg).to_owned()).collect();
        users(&env, &CargoConfig::load(&env, &cli), target, || {
            "target_feature=\"sign-ext\"\n".to_owned()
        })
    }

    const BUILD: &str = "build.rustflags=['build']";

    #[test]
    fn variables_hide_the_rest_even_when_empty() {
        let vars = [("RUSTFLAGS", " a  b ")];
        assert_eq!(found(&vars, &[BUILD]), ["a", "b"]);
        assert_eq!(found(&[vars[0], (RUSTFLAGS, "c d\x1fe")], &[BUILD]), ["c d", "e"]);
        assert_eq!(found(&[vars[0], (RUSTFLAGS, "")], &[BUILD]), [""; 0]);
        assert_eq!(found(&[("RUSTFLAGS", "")], &[BUILD]), [""; 0]);
    }

    #[test]
    fn the_targets_hide_those_of_the_build() {
        let cfg = |cfg: &str| format!("target.'cfg({cfg})'.rustflags=['cfg']");
        assert_eq!(found(&[], &[BUILD]), ["build"]);
        assert_eq!(found(&[], &[BUILD, &cfg("target_os=\"wasi\"")]), ["cfg"]);
        assert_eq!(found(&[], &[BUILD, &cfg("all(unix, target_env=\"p1\")")]), ["build"]);
        assert_eq!(found(&[], &[BUILD, &cfg("target_feature=\"sign-ext\"")]), ["cfg"]);
        let vars = [("CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS", "variable")];
        assert_eq!(found(&vars, &[BUILD, &cfg("all()")]), ["variable", "cfg"]);
    }

    #[test]
    fn each_target_has_its_own() {
        let flags = [
            "target.wasm32-wasip1.rustflags=['1']",
            "target.'cfg(target_env=\"p2\")'.rustflags=['2']",
        ];
        assert_eq!(found_for(WasiTarget::Wasip1, &[], &flags), ["1"]);
        assert_eq!(found_for(WasiTarget::Wasip2, &[], &flags), ["2"]);
        let vars = [("CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS", "variable")];
        assert_eq!(found_for(WasiTarget::Wasip2, &vars, &flags), ["variable", "2"]);
    }

    #[test]
    fn other_targets_do_not_count() {
        assert_eq!(
            found(&[], &[BUILD, "target.x86_64-unknown-linux-musl.rustflags=['other']"]),
            ["build"]
        );
    }
}
