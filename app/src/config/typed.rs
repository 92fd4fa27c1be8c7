//! Settings as users write them, read into the types that the plan works with.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use wasm_oci_core::image::{Reference, Tag};
use wasm_oci_core::module::Level;

/// A tag alone, as ko writes it, or a whole reference, as Docker does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagOrReference {
    Tag(Tag),
    Reference(Reference),
}

impl FromStr for TagOrReference {
    type Err = wasm_oci_core::image::Error;

    fn from_str(text: &str) -> Result<TagOrReference, wasm_oci_core::image::Error> {
        // The tag comes first, because a tag alone is also a reference: `app` means `docker.io/library/app`.
        match text.parse() {
            Ok(tag) => Ok(TagOrReference::Tag(tag)),
            Err(_) => text.parse().map(TagOrReference::Reference),
        }
    }
}

/// Reads a text that means a `T`.
pub(super) fn one<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    String::deserialize(from)?.trim().parse().map(Some).map_err(D::Error::custom)
}

/// Reads a list of texts that each mean a `T`.
pub(super) fn many<'de, D, T>(from: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    parsed(&Vec::deserialize(from)?).map(Some)
}

/// Reads a list like [`many`]; a list of one may be written as the text alone.
pub(super) fn one_or_many<'de, D, T>(from: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a text or a list of texts")]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    // Parsed in a second step: an error inside of an untagged enum would be replaced by `expecting`.
    let texts = match OneOrMany::deserialize(from)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    };
    parsed(&texts).map(Some)
}

fn parsed<T: FromStr<Err: Display>, E: Error>(texts: &[String]) -> Result<Vec<T>, E> {
    texts.iter().map(|text| text.trim().parse().map_err(E::custom)).collect()
}

/// Reads `optimize = 1`, `"z"`, `"off"`, or `false`.
pub(super) fn level<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Level>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a level: \"off\", 0 to 4, \"s\" or \"z\"")]
    enum Written {
        Number(u8),
        Name(String),
        Switch(bool),
    }
    let name = match Written::deserialize(from)? {
        Written::Number(number) => number.to_string(),
        Written::Name(name) => name,
        Written::Switch(false) => return Ok(Some(Level::Off)),
        // The default level depends on the format, which the plan decides.
        Written::Switch(true) => return Ok(None),
    };
    name.parse().map(Some).map_err(D::Error::custom)
}
