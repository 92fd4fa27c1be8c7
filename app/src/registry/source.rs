//! Images at any location that users can write.

use wasm_oci_core::image::{Blob, Descriptor, Image};
use wasm_oci_core::limits::ReadLimits;
use wasm_oci_core::module::BuiltModule;
use wasm_oci_core::store::{
    Archive, Error as StoreError, Layout, Location, Name, Registry, Source, load, load_wasm,
};

use crate::error::{Error, UsageError};
use crate::files::read_module;
use crate::registry::connection::Connections;

// An enum, because a trait with asynchronous functions can't be a trait object.
pub enum AnySource {
    /// `oci:`
    Layout(Layout),
    /// `oci-archive:` or `docker-archive:`
    Archive(Archive),
    /// A reference such as `ghcr.io/owner/app:1.0`.
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

    fn limits(&self) -> ReadLimits {
        match self {
            AnySource::Layout(layout) => layout.limits(),
            AnySource::Archive(archive) => archive.limits(),
            AnySource::Registry(registry) => registry.limits(),
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

/// Opens a location, and returns the name of the image there.
pub fn open(location: &Location, connections: &Connections) -> Result<(AnySource, Name), Error> {
    match location {
        // A bare module has no manifest, so that there is nothing to resolve.
        Location::File(path) => Err(UsageError::NotAnImage { path: path.clone() }.into()),
        Location::Layout(path, name) => {
            let layout = Layout::open(path)?.with_limits(connections.limits());
            let name = name.clone().map_or_else(|| layout.default_name(), Ok)?;
            Ok((AnySource::Layout(layout), name))
        }
        Location::Archive(path, name) | Location::DockerArchive(path, name) => {
            let archive = match location {
                Location::DockerArchive(..) => Archive::open_docker(path, connections.limits())?,
                _ => Archive::open(path, connections.limits())?,
            };
            if archive.has_other_listing() {
                connections.shell().warn(format_args!(
                    "`{}` names other images in its index.json, which newer versions of Docker load, than in its \
                     manifest.json, which is read here",
                    path.display()
                ));
            }
            // Its digest is another one than that of the whole image.
            if !archive.missing_platforms().is_empty() {
                connections.shell().warn(format_args!(
                    "`{}` has only a part of its image, without {}: `docker save` writes what was pulled",
                    path.display(),
                    archive.missing_platforms().join(" and ")
                ));
            }
            let name = name.clone().map_or_else(|| archive.default_name(), Ok)?;
            Ok((AnySource::Archive(archive), name))
        }
        Location::Registry(reference) => {
            Ok((AnySource::Registry(Box::new(connections.registry(reference)?)), reference.into()))
        }
    }
}

pub async fn load_image(location: &Location, connections: &Connections) -> Result<Image, Error> {
    let (source, name) = open(location, connections)?;
    Ok(load(&source, &name).await?)
}

/// Reads the module at a location. Of an image for several platforms, only the Wasm manifest is read.
pub async fn load_module(
    location: &Location,
    connections: &Connections,
) -> Result<BuiltModule, Error> {
    if let Location::File(path) = location {
        return Ok(read_module(path)?);
    }
    let (source, name) = open(location, connections)?;
    Ok(load_wasm(&source, &name).await?.module()?)
}
