//! Engines that images are for: the choice of formats, and the check of the images.

use wasm_oci_core::compat::Supports;
use wasm_oci_core::compat::engines::{Compatibility, Engine, EngineSelector, Shape, formats_for};
use wasm_oci_core::image::{Format, Reference};
use wasm_oci_core::module::Kind;

use crate::error::Error;
use crate::pipeline::packed::TaggedImage;
use crate::ui::shell::Shell;

/// Returns the formats for these engines and the reason: `standalone, which docker and podman both take without a Wasm runtime`.
pub fn why(engines: &[EngineSelector]) -> Result<String, Error> {
    let chosen = formats_for(engines)?;
    let reasons: Vec<String> =
        chosen.iter().map(|(format, selectors)| reason(*format, selectors)).collect();
    Ok(reasons.join("; "))
}

fn reason(format: Format, selectors: &[EngineSelector]) -> String {
    // The module is not validated yet when we print the reason, so its kind is unknown: we assume a command.
    let all_take =
        |other: &Format| selectors.iter().all(|selector| selector.takes(*other, Kind::Command));
    let names = listed(selectors.iter().map(|selector| selector.name()));
    let is_only = Format::ALL.iter().filter(|other| all_take(other)).count() == 1;
    let (verb, all) = match selectors.len() {
        1 => ("takes", ""),
        2 => ("take", "both "),
        _ => ("take", "all "),
    };
    match format {
        Format::Standalone => {
            format!("{format}, which {names} {all}{verb} without a Wasm runtime")
        }
        _ if is_only => format!("{format}, the only format that {names} {all}{verb}"),
        _ => format!("{format}, which {names} {all}{verb}"),
    }
}

/// Returns `a, b and c`.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    match names.into_iter().collect::<Vec<_>>().as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// Returns the selected engines that can start none of the images, each with the result for the main format.
fn left_out(engines: &[EngineSelector], shapes: &[Shape]) -> Vec<Compatibility> {
    let mut left_out: Vec<Compatibility> = Vec::new();
    for engine in engines.iter().flat_map(|it| it.engines()) {
        let compatibilities: Vec<Compatibility> =
            shapes.iter().map(|shape| engine.check(shape)).collect();
        let is_served =
            compatibilities.iter().any(|compatibility| compatibility.supports != Supports::No);
        // Several selectors may include the same engine.
        let is_known = left_out.iter().any(|known| known.engine == engine);
        left_out.extend(compatibilities.into_iter().next().filter(|_| !is_served && !is_known));
    }
    left_out
}

/// Refuses images of the program `name` if one of the selected engines can start none of them.
pub fn require(
    name: &str,
    engines: &[EngineSelector],
    images: &[TaggedImage],
) -> Result<(), Error> {
    // Without engines, skip unpacking the images.
    if engines.is_empty() {
        return Ok(());
    }
    let shapes: Vec<Shape> =
        images.iter().map(|tagged| Shape::of(&tagged.image)).collect::<Result<_, _>>()?;
    require_shapes(name, engines, &shapes)
}

pub fn require_shapes(
    name: &str,
    engines: &[EngineSelector],
    shapes: &[Shape],
) -> Result<(), Error> {
    refuse(name, &left_out(engines, shapes))
}

/// Returns the error about the engines that are left out, if any.
pub(crate) fn refuse(name: &str, left_out: &[Compatibility]) -> Result<(), Error> {
    let Some(first) = left_out.first() else { return Ok(()) };
    let names = listed(left_out.iter().map(|compatibility| compatibility.engine.name()));
    let suggestion = match (first.format, first.suggestion) {
        (Some(format), _) => format!(": the format {format} does"),
        (None, Some(suggestion)) => format!(": {suggestion}"),
        (None, None) => String::new(),
    };
    let first = failure(first);
    Err(Error::NotTaken(format!("`{name}` doesn't run on {names}: {first}{suggestion}")))
}

/// Warns of the engines of a family, such as `kubernetes`, that can't run an image of this shape.
pub fn warn_of(name: &str, family: &str, shape: &Shape, shell: &Shell) {
    let engines = Engine::all().filter(|engine| engine.family() == family);
    let failing: Vec<Compatibility> = engines
        .map(|engine| engine.check(shape))
        .filter(|it| it.supports == Supports::No)
        .collect();
    if let Err(error) = refuse(name, &failing) {
        shell.warn(error);
    }
}

/// Returns how each engine that can run an image of this shape is told to run it, such as
/// `on podman: podman run …`.
pub fn how_to_run(shape: &Shape, reference: &Reference) -> Vec<String> {
    let mut ways: Vec<(String, Vec<&str>)> = Vec::new();
    for compatibility in Engine::all().map(|engine| engine.check(shape)) {
        if compatibility.supports == Supports::No {
            continue;
        }
        let conditions = compatibility.with.iter().map(String::as_str);
        let how: Vec<&str> = [compatibility.how].into_iter().chain(conditions).collect();
        let how = how.join("; ").replace("IMAGE", &reference.to_string());
        let name = compatibility.engine.name();
        // Versions of one engine often have the same command.
        match ways.iter_mut().find(|(other, _)| *other == how) {
            Some((_, names)) => names.push(name),
            None => ways.push((how, vec![name])),
        }
    }
    ways.iter().map(|(how, names)| format!("on {}: {how}", listed(names.iter().copied()))).collect()
}

/// Returns the message of an engine and its cause.
pub(crate) fn failure(compatibility: &Compatibility) -> String {
    let because = compatibility.because.as_deref().unwrap_or_default();
    // In the engine's own words, which users find in our documentation and by a search.
    match compatibility.says {
        Some(says) => format!("\"{says}\" ({because})"),
        None => because.to_owned(),
    }
}

/// Returns the selected engines, each once; all engines if nothing is selected.
pub(crate) fn selected(engines: &[EngineSelector]) -> Vec<Engine> {
    let wanted = |engine: &Engine| {
        engines.is_empty() || engines.iter().any(|it| it.engines().any(|one| one == *engine))
    };
    Engine::all().filter(wanted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engines(names: &[&str]) -> Vec<EngineSelector> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn the_reason_says_whether_there_was_a_choice() {
        let of = |names: &[&str]| why(&engines(names)).unwrap();
        assert_eq!(of(&["node"]), "universal, which node takes");
        assert_eq!(
            of(&["node", "podman"]),
            "standalone, which node and podman both take without a Wasm runtime"
        );
        assert_eq!(
            of(&["docker", "kubernetes"]),
            "standalone, which docker and kubernetes both take without a Wasm runtime"
        );
        assert_eq!(
            of(&["podman", "wkg"]),
            "standalone, which podman takes without a Wasm runtime; artifact, the only format that wkg takes"
        );
    }

    #[test]
    fn each_engine_is_told_how_to_run_an_image() {
        let reference = "ghcr.io/me/app:1".parse().unwrap();
        let of = |format| how_to_run(&Shape::of_format(format, Kind::Command), &reference);
        let universal = of(Format::Universal).join("\n");
        for part in [
            "on docker-28: `docker run --network=host --runtime=io.containerd.wasmtime.v1 --platform=wasi/wasm ghcr.io/me/app:1`",
            "on cri-1.6, cri-1.7, cri-2.1, cri-2.2 and cri-2.3: a pod",
            "`ctr image pull --local --platform wasi/wasm ghcr.io/me/app:1`",
            "on podman: `podman run --platform=wasi/wasm ghcr.io/me/app:1`",
        ] {
            assert!(universal.contains(part), "{universal}");
        }
        let artifact = of(Format::Artifact).join("\n");
        // No command that is followed by the advice to leave out a part of it.
        let docker = "on docker-28: `docker run --network=host --runtime=io.containerd.wasmtime.v1 ghcr.io/me/app:1`; no";
        assert!(artifact.contains(docker), "{artifact}");
        assert!(!artifact.contains("docker-26"), "{artifact}");
    }

    #[test]
    fn one_image_of_several_is_enough() {
        let shape = |format| Shape::of_format(format, Kind::Command);
        let shapes = [shape(Format::Universal), shape(Format::Artifact)];
        let engines = engines(&["docker", "wkg"]);
        assert!(require_shapes("app", &engines, &shapes).is_ok());
        let error = require_shapes("app", &engines, &shapes[..1]).unwrap_err();
        assert_eq!(error.exit_code().code(), 9);
        assert!(
            error.to_string().starts_with("`app` doesn't run on wkg: \"Incompatible"),
            "{error}"
        );
        assert!(error.to_string().ends_with("the format artifact does"), "{error}");
        let component = [Shape::of_format(Format::Universal, Kind::Component)];
        let error = require_shapes("app", &super::tests::engines(&["podman"]), &component)
            .unwrap_err()
            .to_string();
        assert!(error.contains("component") && error.ends_with("wasm32-wasip1"), "{error}");
    }
}
