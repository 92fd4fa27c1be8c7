//! References, tags, digests, platforms and locations: what is understood means the same when it is printed and read again.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use libfuzzer_sys::fuzz_target;
use wasm_oci_core::image::{Digest, Platform, Reference, Tag};
use wasm_oci_core::store::Location;

fuzz_target!(|text: &str| {
    if let Some(reference) = same_again::<Reference>(text) {
        for part in [reference.registry(), reference.repository()] {
            assert!(!part.is_empty());
            // Both become parts of addresses and of paths.
            assert!(part.chars().all(|c| c.is_ascii_graphic() && !"\\?#%@".contains(c)), "{part}");
            assert!(part.split('/').all(|part| part != ".." && part != "."), "{part}");
        }
        assert!(reference.name().len() <= text.len() + "docker.io/library/".len());
    }
    if let Some(tag) = same_again::<Tag>(text) {
        assert!(tag.as_str().len() <= 128 && !tag.as_str().contains('/'));
        let _suffixed = tag.suffixed("artifact");
    }
    same_again::<Digest>(text);
    same_again::<Platform>(text);
    // A path is printed for people, so it may read otherwise.
    let _location = text.parse::<Location>();
});

fn same_again<T: FromStr<Err: Debug> + Display + Eq + Debug>(text: &str) -> Option<T> {
    let value: T = text.parse().ok()?;
    let again: T = value.to_string().parse().expect("it was printed by us");
    assert_eq!(value, again);
    Some(value)
}
