//! Whom images are for: which formats that means, and whether the images that were made are.

use wasm_oci_core::compat::engines::{Audience, Consumer, ImageVerdict, Shape, formats_for};
use wasm_oci_core::compat::runtimes::Takes;
use wasm_oci_core::image::Format;
use wasm_oci_core::module::Kind;

use crate::error::Error;
use crate::pipeline::packed::TaggedImage;

/// Which formats are made for an audience, and why: `universal, the only format that docker and podman both take`.
///
/// # Errors
/// When there is no format for one of them.
pub fn why(audience: &[Audience]) -> Result<String, Error> {
    let chosen = formats_for(audience)?;
    let reasons: Vec<String> =
        chosen.iter().map(|(format, takers)| reason(*format, takers)).collect();
    Ok(reasons.join("; "))
}

fn reason(format: Format, takers: &[Audience]) -> String {
    let all_take = |other: &Format| takers.iter().all(|taker| taker.takes(*other, Kind::Command));
    let names: Vec<&str> = takers.iter().map(|taker| taker.name()).collect();
    let is_only = Format::ALL.iter().filter(|other| all_take(other)).count() == 1;
    let (verb, all) = match names.len() {
        1 => ("takes", ""),
        2 => ("take", "both "),
        _ => ("take", "all "),
    };
    match is_only {
        true => format!("{format}, the only format that {} {all}{verb}", listed(&names)),
        false => format!("{format}, which {} {all}{verb}", listed(&names)),
    }
}

/// `a, b and c`.
pub(crate) fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// Who of an audience can start none of the images `shapes`, each with what it makes of the first of them.
fn left_out(audience: &[Audience], shapes: &[Shape]) -> Vec<ImageVerdict> {
    let mut left_out: Vec<ImageVerdict> = Vec::new();
    for consumer in audience.iter().flat_map(|it| it.consumers()) {
        let verdicts: Vec<ImageVerdict> =
            shapes.iter().map(|shape| consumer.judge(shape)).collect();
        let is_served = verdicts.iter().any(|verdict| verdict.takes != Takes::No);
        let is_known = left_out.iter().any(|known| known.consumer == consumer);
        left_out.extend(verdicts.into_iter().next().filter(|_| !is_served && !is_known));
    }
    left_out
}

/// Refuses images of the program `name` that leave somebody out whom they are for.
///
/// # Errors
/// [`Error::NotTaken`].
pub fn require(name: &str, audience: &[Audience], images: &[TaggedImage]) -> Result<(), Error> {
    // To look into an image, it has to be unpacked.
    if audience.is_empty() {
        return Ok(());
    }
    let shapes: Vec<Shape> = images.iter().map(|tagged| Shape::of(&tagged.image)).collect();
    require_shapes(name, audience, &shapes)
}

/// The same of shapes.
///
/// # Errors
/// As [`require`].
pub fn require_shapes(name: &str, audience: &[Audience], shapes: &[Shape]) -> Result<(), Error> {
    refuse(name, &left_out(audience, shapes))
}

/// The same when it is known who is left out.
pub(crate) fn refuse(name: &str, left_out: &[ImageVerdict]) -> Result<(), Error> {
    let Some(first) = left_out.first() else { return Ok(()) };
    let names: Vec<&str> = left_out.iter().map(|verdict| verdict.consumer.name()).collect();
    let way_out = match (first.format, first.way_out) {
        (Some(format), _) => format!(": the format {format} does"),
        (None, Some(way_out)) => format!(": {way_out}"),
        (None, None) => String::new(),
    };
    let first = failure(first);
    Err(Error::NotTaken(format!("`{name}` doesn't run on {}: {first}{way_out}", listed(&names))))
}

/// What a consumer says, and the cause.
pub(crate) fn failure(verdict: &ImageVerdict) -> String {
    let because = verdict.because.as_deref().unwrap_or_default();
    match verdict.says {
        Some(says) => format!("\"{says}\" ({because})"),
        None => because.to_owned(),
    }
}

/// Those of an audience, each once, or all there are.
pub(crate) fn consumers(audience: &[Audience]) -> Vec<Consumer> {
    let wanted = |consumer: &Consumer| {
        audience.is_empty() || audience.iter().any(|it| it.consumers().any(|one| one == *consumer))
    };
    Consumer::all().filter(wanted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audience(names: &[&str]) -> Vec<Audience> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn the_reason_says_whether_there_was_a_choice() {
        let of = |names: &[&str]| why(&audience(names)).unwrap();
        let only = "universal, the only format that docker and kubernetes both take";
        assert_eq!(of(&["docker", "kubernetes"]), only);
        assert_eq!(of(&["podman"]), "universal, which podman takes");
        assert_eq!(
            of(&["podman", "wkg"]),
            "universal, which podman takes; artifact, the only format that wkg takes"
        );
    }

    #[test]
    fn one_image_of_several_is_enough() {
        let shape = |format| Shape::of_format(format, Kind::Command);
        let shapes = [shape(Format::Universal), shape(Format::Artifact)];
        let audience = audience(&["docker", "wkg"]);
        assert!(require_shapes("app", &audience, &shapes).is_ok());
        let error = require_shapes("app", &audience, &shapes[..1]).unwrap_err();
        assert_eq!(error.exit_code().code(), 9);
        assert!(
            error.to_string().starts_with("`app` doesn't run on wkg: \"Incompatible"),
            "{error}"
        );
        assert!(error.to_string().ends_with("the format artifact does"), "{error}");
        let component = [Shape::of_format(Format::Universal, Kind::Component)];
        let error = require_shapes("app", &super::tests::audience(&["podman"]), &component)
            .unwrap_err()
            .to_string();
        assert!(error.contains("component") && error.ends_with("wasm32-wasip1"), "{error}");
    }
}
