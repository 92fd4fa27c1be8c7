//! Images at any of the places that users name.

use wasm_oci_core::image::{Blob, Descriptor, Image};
use wasm_oci_core::store::{Archive, Error as StoreError, Layout, Location, Name, Registry, Source, load};

use crate::connection::Connections;
use crate::error::Error;

/// A place that images are read from.
pub enum AnySource {
    /// `oci:`
    Layout(Layout),
    /// `oci-archive:`
    Archive(Archive),
    /// A reference.
    Registry(Box<Registry>),
}

impl Source for AnySource {
    async fn resolve(&self, name: &Name) -> Result<Descriptor, StoreError> {
        match self {
            AnySource::Layout(layout) => layout.resolve(name).await,
            AnySource::Archive(archive) => archive.resolve(name).await,
            AnySource::Registry(registry) => registry.resolve(name).await,
        }
    }

    async fn fetch(&self, descriptor: &Descriptor) -> Result<Blob, StoreError> {
        match self {
            AnySource::Layout(layout) => layout.fetch(descriptor).await,
            AnySource::Archive(archive) => archive.fetch(descriptor).await,
            AnySource::Registry(registry) => registry.fetch(descriptor).await,
        }
    }
}

/// Opens the place of a location, and says which image is meant there.
///
/// # Errors
/// When there is no such place or image, or for a file, which is none.
pub fn open(location: &Location, connections: &Connections) -> Result<(AnySource, Name), Error> {
    match location {
        Location::File(path) => {
            Err(Error::Usage(format!("`{}` is a file, not an image: pack it first", path.display())))
        }
        Location::Layout(path, tag) => {
            let layout = Layout::open(path)?;
            let name = tag.clone().map_or_else(|| layout.default_name(), |tag| Ok(Name::Tag(tag)))?;
            Ok((AnySource::Layout(layout), name))
        }
        Location::Archive(path, tag) => {
            let archive = Archive::open(path)?;
            let name = tag.clone().map_or_else(|| archive.default_name(), |tag| Ok(Name::Tag(tag)))?;
            Ok((AnySource::Archive(archive), name))
        }
        Location::Registry(reference) => {
            Ok((AnySource::Registry(Box::new(connections.registry(reference)?)), reference.into()))
        }
    }
}

/// Reads the whole image at a location.
///
/// # Errors
/// As [`open`], and what reading fails with.
pub async fn load_image(location: &Location, connections: &Connections) -> Result<Image, Error> {
    let (source, name) = open(location, connections)?;
    Ok(load(&source, &name).await?)
}
