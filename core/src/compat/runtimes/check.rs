//! What each runtime makes of a module.

use serde::{Serialize, Serializer};

use super::table::{WASI, WASI_THREADS};
use super::{RequiredRuntime, Runtime, Version};
use crate::compat::Supports;
use crate::module::{Feature, Report, Use, ValidateError, WASI_PREVIEW_1};

/// Whether a runtime takes a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuntimeCompatibility {
    /// The runtime, in its newest version.
    pub runtime: Runtime,
    /// Whether it does.
    #[serde(rename = "takes")]
    pub supports: Supports,
    /// The first version that takes the module, or all of it that is taken without an option. `None` if all do that
    /// were looked at, or if none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Version>,
    /// What is in the way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub obstacles: Vec<Obstacle>,
}

/// What a module needs and a runtime doesn't have as it comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    /// One of [`NEEDS`](super::NEEDS), or a proposal that no runtime is known to have.
    pub need: String,
    /// What to do about it, if something can be done: an option, usually.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "option")]
    pub with: Option<&'static str>,
    /// The version from which on it would be taken as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Version>,
}

fn option<S: Serializer>(with: &Option<&'static str>, serializer: S) -> Result<S::Ok, S::Error> {
    with.serialize(serializer)
}

/// What a module with this report needs of a runtime. Imports from others than WASI are not among it: who has
/// allowed them knows a runtime that provides them.
pub(crate) fn needs(report: &Report) -> Vec<&str> {
    let imports = |module: &str, name: Option<&str>| {
        report
            .imports
            .iter()
            .any(|it| it.module == module && name.is_none_or(|name| it.name == name))
    };
    let proposals = report.features.iter().map(Feature::name);
    let wasi = imports(WASI_PREVIEW_1, None).then_some(WASI);
    let threads = imports("wasi", Some("thread-spawn")).then_some(WASI_THREADS);
    proposals.chain(wasi).chain(threads).collect()
}

/// What the newest version of each runtime makes of a module with these needs.
pub(crate) fn compatibilities(needs: &[&str]) -> Vec<RuntimeCompatibility> {
    Runtime::all().map(|runtime| compatibility(runtime, runtime.newest(), needs)).collect()
}

fn compatibility(runtime: Runtime, version: Version, needs: &[&str]) -> RuntimeCompatibility {
    let mut from = None;
    let mut obstacles = Vec::new();
    for need in needs {
        let support = runtime.support(need);
        match support.and_then(|support| support.from) {
            Some(first) if first <= version => {
                from = from.max(Some(first).filter(|it| *it > runtime.oldest()))
            }
            later => obstacles.push(Obstacle {
                need: (*need).to_owned(),
                with: support.and_then(|support| support.with),
                from: later,
            }),
        }
    }
    let supports = match obstacles.as_slice() {
        [] => Supports::Yes,
        all if all.iter().all(|obstacle| obstacle.with.is_some()) => Supports::WithOption,
        _ => Supports::No,
    };
    RuntimeCompatibility {
        runtime,
        supports,
        from: from.filter(|_| supports != Supports::No),
        obstacles,
    }
}

/// What keeps a module from the runtime that it is meant for.
pub(crate) fn obstacles(required: RequiredRuntime, needs: &[&str]) -> Vec<Obstacle> {
    let version = required.version.unwrap_or_else(|| required.runtime.newest());
    compatibility(required.runtime, version, needs).obstacles
}

/// Why a module is refused: the first obstacle, with where the module uses it and what to do, and what else is in the
/// way.
pub(crate) fn refusal(
    name: &str,
    required: RequiredRuntime,
    obstacles: &[Obstacle],
    uses: &[Use],
) -> Option<ValidateError> {
    // Best is one that can't be got around.
    let (first, others): (Vec<_>, Vec<_>) = {
        let chosen = obstacles.iter().position(|obstacle| obstacle.with.is_none()).unwrap_or(0);
        obstacles.iter().enumerate().partition(|(index, _)| *index == chosen)
    };
    let (_, first) = first.first()?;
    let place = uses.iter().find(|place| place.need == first.need).map(Use::to_string);
    let others: Vec<String> = others.iter().map(|(_, other)| format!("`{}`", other.need)).collect();
    let support = match (first.from, first.with) {
        (Some(version), Some(with)) => format!(" ({version} does, some older ones with {with})"),
        (Some(version), None) => format!(" ({version} does)"),
        (None, Some(with)) => format!(" (it does with {with})"),
        (None, None) => String::new(),
    };
    let place = place.filter(|place| !place.is_empty()).map(|place| format!(", in {place}"));
    let others = match others.as_slice() {
        [] => String::new(),
        others => format!(" (nor {})", others.join(", ")),
    };
    Some(ValidateError::Runtime {
        name: name.to_owned(),
        required: required.to_string(),
        need: first.need.clone(),
        detail: format!("{support}{}{others}", place.unwrap_or_default()),
        suggestion: suggestion(&first.need),
    })
}

/// What usually makes a module need it, and what to do about that.
fn suggestion(need: &str) -> &'static str {
    match need {
        "simd" => {
            "build without `-Ctarget-feature=+simd128`, and without the crate feature that uses it"
        }
        "relaxed-simd" => "build without `-Ctarget-feature=+relaxed-simd`",
        "tail-call" => "build without `-Ctarget-feature=+tail-call`",
        "extended-const" => "build without `-Ctarget-feature=+extended-const`",
        "multi-value" => "build without `-Ctarget-feature=+multivalue`",
        "wide-arithmetic" => "build without `-Ctarget-feature=+wide-arithmetic`",
        "threads" => "build without `-Ctarget-feature=+atomics`, for wasm32-wasip1",
        WASI_THREADS => "build for wasm32-wasip1, not wasm32-wasip1-threads",
        "exceptions" | "legacy-exceptions" => {
            "build with `panic = \"abort\"`, and C and C++ without `-fwasm-exceptions`"
        }
        "memory64" => "build for a 32-bit target, as wasm32-wasip1",
        "component-model" | "cm-async" => "build a module, for wasm32-wasip1",
        WASI => "build without the standard library's input and output, for wasm32-unknown-unknown",
        "gc" | "function-references" | "stack-switching" | "custom-page-sizes" | "multi-memory" => {
            "look for the option of its compiler that turns this off"
        }
        _ => {
            "look for the option of its compiler that turns this off, as `-Ctarget-feature` of rustc"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(runtime: &str, needs: &[&str]) -> RuntimeCompatibility {
        let compatibilities = compatibilities(needs);
        compatibilities
            .into_iter()
            .find(|compatibility| compatibility.runtime.name() == runtime)
            .unwrap()
    }

    #[test]
    fn what_all_have_all_take() {
        for compatibility in compatibilities(&["bulk-memory", "sign-extension"]) {
            assert_eq!(
                (compatibility.supports, compatibility.from, compatibility.obstacles.len()),
                (Supports::Yes, None, 0)
            );
        }
    }

    #[test]
    fn the_newest_need_decides_the_version() {
        assert_eq!(
            of("node", &["simd", "tail-call", "relaxed-simd"]).from,
            Some(Version::new(21, 0))
        );
        assert_eq!(of("wasmedge", &["tail-call"]).from, Some(Version::new(0, 16)));
    }

    #[test]
    fn an_option_helps_against_some_obstacles() {
        let threads = of("wasmedge", &["threads"]);
        assert_eq!(
            (threads.supports, threads.obstacles[0].with),
            (Supports::WithOption, Some("--enable-threads"))
        );
        let both = of("wasmedge", &["threads", "component-model"]);
        assert_eq!((both.supports, both.obstacles.len()), (Supports::No, 2));
        let unheard = of("wasmtime", &["never-heard-of"]);
        assert_eq!(unheard.supports, Supports::No);
    }

    #[test]
    fn an_older_version_takes_less() {
        let obstacles = |text: &str| obstacles(text.parse().unwrap(), &["simd", "relaxed-simd"]);
        assert!(obstacles("node").is_empty());
        assert!(obstacles("node@22").is_empty());
        let old = obstacles("node@20");
        assert_eq!((old.len(), old[0].from), (1, Some(Version::new(21, 0))));
    }
}
