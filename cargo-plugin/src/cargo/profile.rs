//! Profile settings that make modules smaller without making them slower.

use toml::{Table, Value};

use crate::cargo::cargo_config::CargoConfig;
use crate::cargo::env::CargoEnv;

// `strip` is not needed: if neither it nor `debug` is set, cargo strips debug information, including std's.
const SMALL_AT_NO_COST: [(&str, &str); 3] =
    [("lto", "\"fat\""), ("codegen-units", "1"), ("debug", "0")];

// The smallest code. It is opt-in, because computations can take up to twice as long.
const SMALLEST: (&str, &str) = ("opt-level", "\"z\"");

/// Places of a profile's settings.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// For `CARGO_PROFILE_*`.
    pub env: &'a CargoEnv,
    pub config: &'a CargoConfig,
    /// `Cargo.toml` of the workspace.
    pub manifest: &'a Table,
}

/// Returns the settings to add to a profile, as arguments for cargo's `--config`.
pub fn overrides(sources: Sources<'_>, profile: &str, small: bool) -> Vec<String> {
    let chain = inherited(sources, profile);
    // A `dev` build has to be quick.
    let is_release = chain.last().is_some_and(|root| root == "release");
    // A setting of the user's takes precedence, wherever it is.
    let unset = |key: &str| !chain.iter().any(|profile| is_set(sources, profile, key));
    let settings = SMALL_AT_NO_COST.iter().filter(|(key, _)| is_release && unset(key));
    let settings = settings.chain(small.then_some(&SMALLEST));
    settings.map(|(key, value)| format!("profile.{}.{key}={value}", chain[0])).collect()
}

/// Returns the profile and those that it inherits from, down to a built-in one.
fn inherited(sources: Sources<'_>, profile: &str) -> Vec<String> {
    let mut chain = vec![profile.to_owned()];
    // cargo reports a cycle. Here, the loop only has to end.
    while let Some(parent) =
        parent(sources, &chain[chain.len() - 1]).filter(|it| !chain.contains(it))
    {
        chain.push(parent);
    }
    chain
}

fn parent(Sources { env, config, manifest }: Sources<'_>, profile: &str) -> Option<String> {
    match profile {
        "dev" | "release" => None,
        // The Cargo book, "Profiles", defines these parents.
        "test" => Some("dev".to_owned()),
        "bench" => Some("release".to_owned()),
        _ => {
            let configured = config.text(env, &["profile", profile, "inherits"]);
            let written = || in_manifest(manifest, profile, "inherits")?.as_str();
            configured.or_else(written).map(str::to_owned)
        }
    }
}

fn is_set(Sources { env, config, manifest }: Sources<'_>, profile: &str, key: &str) -> bool {
    in_manifest(manifest, profile, key).is_some() || config.is_set(env, &["profile", profile, key])
}

fn in_manifest<'a>(manifest: &'a Table, profile: &str, key: &str) -> Option<&'a Value> {
    manifest.get("profile")?.get(profile)?.get(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overrides_for(
        manifest: &str,
        vars: &[(&str, &str)],
        cli: &str,
        profile: &str,
    ) -> Vec<String> {
        let env = CargoEnv::new("/nowhere".into(), vars.iter().map(|(k, v)| (k.into(), v.into())));
        let config = CargoConfig::load(&env, &[cli.to_owned()]);
        let manifest = manifest.parse().expect("a manifest");
        overrides(Sources { env: &env, config: &config, manifest: &manifest }, profile, false)
    }

    #[test]
    fn release_gets_all_where_nothing_is_set() {
        let all = [
            "profile.release.lto=\"fat\"",
            "profile.release.codegen-units=1",
            "profile.release.debug=0",
        ];
        assert_eq!(overrides_for("", &[], "", "release"), all);
    }

    #[test]
    fn what_the_user_set_anywhere_stays() {
        let set = overrides_for(
            "[profile.release]\nlto = false",
            &[("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "4")],
            "profile.release.debug=1",
            "release",
        );
        assert_eq!(set, [""; 0]);
    }

    #[test]
    fn a_custom_profile_counts_what_it_inherits() {
        let manifest =
            "[profile.release]\ndebug = 1\n[profile.dist]\ninherits = 'release'\nlto = 'thin'";
        assert_eq!(overrides_for(manifest, &[], "", "dist"), ["profile.dist.codegen-units=1"]);
        assert_eq!(overrides_for(manifest, &[], "profile.dist.inherits='dev'", "dist"), [""; 0]);
        assert_eq!(overrides_for("[profile.a]\ninherits='a'", &[], "", "a"), [""; 0]);
    }

    #[test]
    fn dev_is_left_alone_unless_small_is_asked_for() {
        assert_eq!(overrides_for("", &[], "", "dev"), [""; 0]);
        let env = CargoEnv::new("/nowhere".into(), []);
        let config = CargoConfig::load(&env, &[]);
        let sources = Sources { env: &env, config: &config, manifest: &Table::new() };
        assert_eq!(overrides(sources, "dev", true), ["profile.dev.opt-level=\"z\""]);
    }
}
