//! Checks of a module's report against the features of each runtime.

use serde::Serialize;

use super::table::{WASI, WASI_THREADS};
use super::{RequiredRuntime, Runtime, Version};
use crate::compat::{Error, Supports};
use crate::module::{Feature, Report, Use, ValidateError, ValidatedModule, WASI_PREVIEW_1};

/// The result of a check: how far one runtime supports a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuntimeCompatibility {
    /// The runtime; the check is for its newest version in the table.
    pub runtime: Runtime,
    /// `WithOption` only if every obstacle has an option.
    // Scripts read the JSON, so its key keeps the older word.
    #[serde(rename = "takes")]
    pub supports: Supports,
    /// The first version that supports the module, or that part of it which needs no option. `None` if every version
    /// in the table does, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Version>,
    /// The module's needs that the runtime lacks, at least by default.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub obstacles: Vec<Obstacle>,
}

/// Something that a module needs and a runtime doesn't have by default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    /// One of [`NEEDS`](super::NEEDS), or a proposal that no runtime is known to have.
    pub need: String,
    /// The option, or other preparation, that adds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<&'static str>,
    /// The first version that has it by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Version>,
    /// The first version that no longer has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Version>,
}

/// Returns what a module needs from a runtime.
// Imports from modules other than WASI don't count: the user allows them only for a runtime that
// provides them.
fn needs(report: &Report) -> Vec<&str> {
    let imports = |module: &str, name: Option<&str>| {
        report
            .imports
            .iter()
            .any(|it| it.module == module && name.is_none_or(|name| it.name == name))
    };
    let proposals = report.features.iter().map(Feature::name);
    let wasi = imports(WASI_PREVIEW_1, None).then_some(WASI);
    // The only import of wasi-threads.
    let threads = imports("wasi", Some("thread-spawn")).then_some(WASI_THREADS);
    proposals.chain(wasi).chain(threads).collect()
}

/// Checks which runtimes, each in its newest version, run the module that the report is about.
#[must_use]
pub fn check(report: &Report) -> Vec<RuntimeCompatibility> {
    check_needs(&needs(report))
}

fn check_needs(needs: &[&str]) -> Vec<RuntimeCompatibility> {
    // Only the newest version of each: the result names the first version that suffices.
    Runtime::all().map(|runtime| compatibility(runtime, runtime.newest(), needs)).collect()
}

/// Finds where the module uses the features that are obstacles in `checked`.
///
/// # Errors
/// [`ValidateError::Malformed`] when the names in the module can't be read.
pub fn uses(
    module: &ValidatedModule,
    checked: &[RuntimeCompatibility],
) -> Result<Vec<Use>, ValidateError> {
    let obstacles = checked.iter().flat_map(|compatibility| &compatibility.obstacles);
    module.uses(&obstacles.map(|obstacle| obstacle.need.as_str()).collect::<Vec<_>>())
}

/// Refuses a module that one of the `required` runtimes doesn't run without an option.
///
/// # Errors
/// [`Error::Unsupported`] for the first such runtime, or [`Error::Module`].
pub fn require(module: &ValidatedModule, required: &[RequiredRuntime]) -> Result<(), Error> {
    // An option of the runtime doesn't count: a user who sets it doesn't need this check.
    let needs = needs(module.report());
    for runtime in required {
        refuse(module, *runtime, &obstacles(*runtime, &needs))?;
    }
    Ok(())
}

fn compatibility(runtime: Runtime, version: Version, needs: &[&str]) -> RuntimeCompatibility {
    let mut from = None;
    let mut obstacles = Vec::new();
    for need in needs {
        let support = runtime.support(need);
        match support.filter(|support| support.is_default_in(version)) {
            // A feature of the oldest version excludes none that the table covers.
            Some(support) => from = from.max(support.from.filter(|it| *it > runtime.oldest())),
            None => obstacles.push(Obstacle {
                need: (*need).to_owned(),
                with: support.and_then(|support| support.option_in(version)),
                from: support.and_then(|support| support.from),
                until: support.and_then(|support| support.until).filter(|it| *it <= version),
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

fn obstacles(required: RequiredRuntime, needs: &[&str]) -> Vec<Obstacle> {
    let version = required.version.unwrap_or_else(|| required.runtime.newest());
    compatibility(required.runtime, version, needs).obstacles
}

/// Names the most serious obstacle, with where the module uses it and what to do, and lists the others.
fn refuse(
    module: &ValidatedModule,
    required: RequiredRuntime,
    obstacles: &[Obstacle],
) -> Result<(), Error> {
    // An obstacle without an option can't be worked around, so it comes first.
    let chosen = obstacles.iter().position(|obstacle| obstacle.with.is_none()).unwrap_or(0);
    let Some(first) = obstacles.get(chosen) else { return Ok(()) };
    let others = obstacles.iter().filter(|other| other.need != first.need);
    let others: Vec<String> = others.map(|other| format!("`{}`", other.need)).collect();
    let support = match (first.from, first.until, first.with) {
        (_, Some(until), Some(with)) => {
            format!(" (versions before {until} do, it does with {with})")
        }
        (_, Some(until), None) => format!(" (versions before {until} do, with an option)"),
        (Some(version), None, Some(with)) => {
            format!(" ({version} does, some older ones with {with})")
        }
        (Some(version), None, None) => format!(" ({version} does)"),
        (None, None, Some(with)) => format!(" (it does with {with})"),
        (None, None, None) => String::new(),
    };
    // For this obstacle only, because it takes validating each function again without the proposal.
    let places = module.uses(&[&first.need])?;
    let places = places.iter().map(Use::to_string).filter(|place| !place.is_empty());
    let place = places.map(|place| format!(", in {place}")).collect::<String>();
    let others = match others.as_slice() {
        [] => String::new(),
        others => format!(" (nor {})", others.join(", ")),
    };
    Err(Error::Unsupported {
        name: module.name().to_owned(),
        required: required.to_string(),
        need: first.need.clone(),
        detail: format!("{support}{place}{others}"),
        suggestion: suggestion(&first.need),
    })
}

/// The usual way to build a module that doesn't need it.
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
        // Of the WASI targets, only wasm32-wasip1-threads enables atomics by itself.
        "threads" => "build without `-Ctarget-feature=+atomics`, for wasm32-wasip1",
        WASI_THREADS => "build for wasm32-wasip1, not wasm32-wasip1-threads",
        "exceptions" | "legacy-exceptions" => {
            "build with `panic = \"abort\"`, and C and C++ without `-fwasm-exceptions`"
        }
        "memory64" => "build for a 32-bit target, such as wasm32-wasip1",
        // rustc makes components for wasm32-wasip2, and modules for wasm32-wasip1.
        "component-model" | "cm-async" => "build a module, for wasm32-wasip1",
        WASI => "build without the standard library's input and output, for wasm32-unknown-unknown",
        "gc" | "function-references" | "stack-switching" | "custom-page-sizes" | "multi-memory" => {
            "look for the option of its compiler that turns this off"
        }
        _ => {
            "look for the option of its compiler that turns this off, such as `-Ctarget-feature` of rustc"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{BuiltModule, ValidateOptions, validate};

    fn of(runtime: &str, needs: &[&str]) -> RuntimeCompatibility {
        let checked = check_needs(needs);
        checked.into_iter().find(|it| it.runtime.name() == runtime).unwrap()
    }

    fn required(wat: &str, runtimes: &[&str]) -> Result<(), Error> {
        let module = BuiltModule::new("test.wasm", wat::parse_str(wat).unwrap()).unwrap();
        let module = validate(module.unoptimized(), &ValidateOptions::default()).unwrap();
        let runtimes = runtimes.iter().map(|name| name.parse().unwrap());
        require(&module, &runtimes.collect::<Vec<_>>())
    }

    #[test]
    fn a_runtime_that_it_is_meant_for_has_to_take_it() {
        let wat = "(module (func $blur (drop (f32x4.relaxed_madd
            (v128.const i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0)))))";
        assert!(required(wat, &["node", "wasmtime"]).is_ok());
        let error = required(wat, &["node", "node@20"]).unwrap_err().to_string();
        assert_eq!(
            error,
            "`test.wasm` does not run on `node@20`, which doesn't take `relaxed-simd` (21 does), in `blur`: build \
             without `-Ctarget-feature=+relaxed-simd`, or take `node@20` out of `runtimes`"
        );
        let component = required("(component)", &["wasmtime", "wasmedge"]).unwrap_err().to_string();
        assert!(
            component.contains("`wasmedge`") && component.contains("for wasm32-wasip1"),
            "{component}"
        );
    }

    #[test]
    fn what_all_have_all_take() {
        for compatibility in check_needs(&["bulk-memory", "sign-extension"]) {
            let RuntimeCompatibility { supports, from, obstacles, .. } = compatibility;
            assert_eq!((supports, from, obstacles.len()), (Supports::Yes, None, 0));
        }
    }

    #[test]
    fn the_newest_need_decides_the_version() {
        let node = of("node", &["simd", "tail-call", "relaxed-simd"]);
        assert_eq!(node.from, Some(Version::new(21, 0)));
        assert_eq!(of("wasmedge", &["tail-call"]).from, Some(Version::new(0, 16)));
    }

    #[test]
    fn an_option_helps_against_some_obstacles() {
        let threads = of("wasmedge", &["threads"]);
        assert_eq!(threads.supports, Supports::WithOption);
        assert_eq!(threads.obstacles[0].with, Some("--enable-threads"));
        let both = of("wasmedge", &["threads", "component-model"]);
        assert_eq!((both.supports, both.obstacles.len()), (Supports::No, 2));
        let unheard = of("wasmtime", &["never-heard-of"]);
        assert_eq!(unheard.supports, Supports::No);
    }

    #[test]
    fn what_a_newer_version_has_lost_is_an_obstacle() {
        let spawn = of("wasmtime", &["wasi-threads"]);
        assert_eq!(spawn.supports, Supports::No);
        assert_eq!(spawn.obstacles[0].until, Some(Version::new(47, 0)));
        let old = |need: &str, version: &str| obstacles(version.parse().unwrap(), &[need]);
        assert_eq!(old("wasi-threads", "wasmtime@46")[0].with, Some("-S threads"));
        assert!(old("threads", "wasmtime@39").is_empty());
        assert_eq!(of("wasmtime", &["threads"]).supports, Supports::WithOption);
        assert!(old("cm-async", "wasmtime@46").is_empty());
        assert_eq!(old("cm-async", "wasmtime@45")[0].from, Some(Version::new(46, 0)));
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
