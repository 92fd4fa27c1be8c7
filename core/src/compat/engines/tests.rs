//! The table against itself, and against images that we make. The tests of the commands hold it against engines.

mod broken;

use super::*;
use crate::compat::Supports;
use crate::image::tests::image;

fn engine(name: &str) -> Engine {
    Engine::all().find(|engine| engine.name() == name).unwrap()
}

fn taken(name: &str) -> Vec<&'static str> {
    engine(name).formats(Kind::Command).map(Format::name).collect()
}

fn chosen(names: &[&str]) -> Vec<&'static str> {
    let engines: Vec<EngineSelector> = names.iter().map(|name| name.parse().unwrap()).collect();
    formats_for(&engines).unwrap().into_iter().map(|(format, _)| format.name()).collect()
}

#[test]
fn the_shape_of_a_format_is_that_of_its_images() {
    for format in Format::ALL {
        let (of_image, of_format) =
            (Shape::of(&image(format)).unwrap(), Shape::of_format(format, Kind::Command));
        for engine in Engine::all() {
            assert_eq!(engine.check(&of_image), engine.check(&of_format), "{format} for {engine}");
        }
        // The image has no mistake of its own; its module is not much of a program.
        assert_eq!(of_image.notes(), of_image.report().unwrap().notes(), "{format}");
    }
}

#[test]
fn the_universal_image_is_for_every_engine() {
    for engine in Engine::all().filter(|engine| engine.name() != "wkg") {
        let compatibility = engine.check(&Shape::of_format(Format::Universal, Kind::Command));
        assert_eq!(compatibility.supports, Supports::Yes, "{compatibility:?}");
    }
}

#[test]
fn a_standalone_image_runs_without_a_wasm_runtime() {
    for kind in [Kind::Command, Kind::Component] {
        let shape = Shape::of_format(Format::Standalone, kind);
        let how = |name| engine(name).check(&shape).how;
        assert_eq!(how("docker-28"), "`docker run IMAGE`");
        assert_eq!(how("podman"), "`podman run IMAGE`");
        assert_eq!(how("containerd-1.6"), "`ctr run --rm IMAGE NAME`");
        assert_eq!(how("cri-2.3"), "a pod, without `runtimeClassName`");
        assert_eq!(engine("wkg").check(&shape).supports, Supports::No);
    }
}

#[test]
fn what_was_measured_is_in_the_table() {
    assert_eq!(taken("containerd-1.6"), ["standalone", "universal", "container"]);
    assert_eq!(
        taken("containerd-1.7"),
        ["standalone", "universal", "container", "module", "combined"]
    );
    assert_eq!(taken("cri-1.6"), ["standalone", "universal", "container", "combined"]);
    assert_eq!(taken("cri-1.7"), Format::ALL.map(Format::name));
    assert_eq!(taken("cri-2.1"), Format::ALL.map(Format::name));
    assert_eq!(taken("cri-2.3"), ["standalone", "universal", "module", "artifact"]);
    assert_eq!(taken("docker-26"), ["standalone", "universal", "container", "combined"]);
    assert_eq!(taken("docker-28"), ["standalone", "universal", "container", "module", "combined"]);
    assert_eq!(taken("docker-classic"), ["standalone", "universal"]);
    assert_eq!(taken("podman"), ["standalone", "universal", "container"]);
    assert_eq!(taken("wkg"), ["artifact"]);
}

#[test]
fn who_fails_is_told_of_a_format_that_runs() {
    for format in Format::ALL {
        for engine in Engine::all() {
            let compatibility = engine.check(&Shape::of_format(format, Kind::Command));
            let fails = compatibility.supports == Supports::No;
            assert_eq!(fails, compatibility.format.is_some(), "{compatibility:?}");
            assert_eq!(fails, compatibility.because.is_some(), "{compatibility:?}");
        }
    }
}

#[test]
fn as_few_formats_as_can_be_are_chosen() {
    assert_eq!(chosen(&["docker"]), ["standalone"]);
    assert_eq!(chosen(&["kubernetes", "podman", "containerd"]), ["standalone"]);
    assert_eq!(chosen(&["wkg"]), ["artifact"]);
    assert_eq!(chosen(&["wkg", "cri-2.3"]), ["artifact"]);
    assert_eq!(chosen(&["wkg", "docker", "podman"]), ["standalone", "artifact"]);
    assert_eq!(chosen(&[]), Vec::<&str>::new());
    for name in EngineSelector::names() {
        assert_eq!(chosen(&[name]).len(), 1, "{name}");
    }
}

#[test]
fn a_name_is_a_family_or_one_of_it() {
    let names = |text: &str| {
        text.parse::<EngineSelector>().unwrap().engines().map(Engine::name).collect::<Vec<_>>()
    };
    assert_eq!(names("docker"), ["docker-26", "docker-28", "docker-classic"]);
    assert_eq!(names("docker-28"), ["docker-28"]);
    assert_eq!(names("wkg"), ["wkg"]);
    let error = "moby".parse::<EngineSelector>().unwrap_err().to_string();
    assert!(error.contains("docker, ") && error.contains("cri-2.3"), "{error}");
}
