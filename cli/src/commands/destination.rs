//! Destinations of `copy` and `convert`.

use std::path::PathBuf;

use clap::Args;

use wasm_oci_core::image::{Descriptor, Digest, Reference, Tag};
use wasm_oci_core::store::{
    ArchiveImage, Layout, Location, Name, Sink, Source, copy, load, write_archive,
};

use wasm_oci_app::error::{Error, UsageError};
use wasm_oci_app::pipeline::messages::Places;
use wasm_oci_app::pipeline::packed::TaggedImage;
use wasm_oci_app::pipeline::stages::{to_archive, to_layout, to_registry, with_tags};
use wasm_oci_app::registry::connection::{AccountArgs, Connections};
use wasm_oci_app::registry::source::AnySource;
use wasm_oci_app::ui::shell::Shell;

pub(super) fn registry_of(location: &Location) -> Option<&Reference> {
    match location {
        Location::Registry(reference) => Some(reference),
        _ => None,
    }
}

/// Arguments of `copy` and `convert`.
#[derive(Debug, Args)]
pub(super) struct TransferArgs {
    /// Image to read: oci:DIR[:TAG], oci-archive:FILE[:TAG], or REGISTRY/REPOSITORY[:TAG][@DIGEST]
    #[arg(value_name = "SOURCE")]
    pub(super) source: Location,
    /// Destination: oci:DIR[:TAG], oci-archive:FILE[:TAG], or REGISTRY/REPOSITORY[:TAG]
    #[arg(value_name = "DESTINATION")]
    destination: Location,
    /// Additional tag at the destination
    #[arg(short, long = "tag", value_name = "TAG", value_delimiter = ',')]
    tags: Vec<Tag>,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    account: AccountArgs,
}

impl TransferArgs {
    pub(super) fn resolve(&self, shell: &Shell) -> Result<(Connections, Destination), Error> {
        // A login belongs to one registry: the one that the command writes to, otherwise the one it reads from.
        let account = registry_of(&self.destination).or(registry_of(&self.source));
        let connections = self.account.connections(account, shell)?;
        let (place, tags) = (self.destination.clone(), self.tags.clone());
        Ok((connections, Destination::of(place, &self.source, tags)?))
    }
}

/// The destination of an image, and its tags there.
#[derive(Debug)]
pub(super) struct Destination {
    place: Place,
    tags: Vec<Tag>,
}

#[derive(Debug)]
enum Place {
    Layout(PathBuf),
    Archive(PathBuf),
    Registry(Reference),
}

impl Destination {
    /// Interprets a location. The image gets its tag and those in `more`; without any, the tag of the source; without that,
    /// and if the destination requires a tag, `latest`.
    pub(super) fn of(
        location: Location,
        source: &Location,
        more: Vec<Tag>,
    ) -> Result<Destination, Error> {
        let (place, tag) = match location {
            Location::Layout(path, tag) => (Place::Layout(path), tag),
            Location::Archive(path, tag) => (Place::Archive(path), tag),
            Location::Registry(reference) if reference.digest().is_some() => {
                let message =
                    "a destination can't have a digest; the content of the image determines it";
                return Err(UsageError::Combination(message).into());
            }
            Location::Registry(reference) => {
                let tag = reference.tag().cloned();
                (Place::Registry(reference), tag)
            }
            Location::File(path) => {
                return Err(UsageError::NotADestination { path }.into());
            }
        };
        let (of_source, by_digest) = match source {
            Location::Layout(_, tag) | Location::Archive(_, tag) => (tag.clone(), false),
            Location::Registry(reference) => {
                (reference.tag().cloned(), reference.digest().is_some())
            }
            Location::File(_) => (None, false),
        };
        let mut tags: Vec<Tag> = tag.into_iter().collect();
        tags.extend(more);
        if tags.is_empty() {
            tags.extend(of_source);
        }
        // Only registries can find an image without a tag: by its digest.
        if tags.is_empty() && !(by_digest && matches!(place, Place::Registry(_))) {
            tags.push(Tag::latest());
        }
        // A tag of the location may be given again with `--tag`; one request for it is enough.
        let mut seen = std::collections::BTreeSet::new();
        tags.retain(|tag| seen.insert(tag.to_string()));
        Ok(Destination { place, tags })
    }

    /// Copies the image with this name from `source`.
    pub(super) async fn take(
        &self,
        source: &AnySource,
        name: &Name,
        from: Option<&Reference>,
        connections: &Connections,
        shell: &Shell,
    ) -> Result<Digest, Error> {
        // Resolve first, so that a missing image leaves no empty layout behind.
        let root = source.resolve(name).await?;
        match &self.place {
            Place::Layout(path) => {
                self.copy_to(source, &root, &Layout::create(path)?, shell).await?
            }
            Place::Registry(reference) => {
                // A registry can mount blobs from another of its repositories (distribution-spec, "Mounting a
                // blob from another repository"), so these blobs need no transfer.
                let registry = connections.registry_mounting(reference, from)?;
                self.copy_to(source, &root, &registry, shell).await?;
            }
            Place::Archive(path) => {
                // By digest, because the tag may have moved since it was resolved. The whole image, because
                // the index of an archive comes before its blobs.
                let image = load(source, &Name::Digest(root.digest)).await?;
                let images = [ArchiveImage { image: &image, tags: &self.tags }];
                write_archive(
                    path,
                    &from.map_or_else(|| "image".to_owned(), Reference::name),
                    &images,
                )?;
            }
        }
        Ok(root.digest)
    }

    async fn copy_to(
        &self,
        source: &AnySource,
        root: &Descriptor,
        sink: &impl Sink,
        shell: &Shell,
    ) -> Result<(), Error> {
        let transfer = match &self.place {
            // An interrupted upload reports how many blobs arrived: the next push does not send them again.
            Place::Registry(_) => shell.upload(self.to_string()),
            _ => shell.transfer(),
        };
        copy(source, root, sink, &self.tags, &transfer).await?;
        transfer.complete();
        Ok(())
    }

    /// Writes images to the destination. `name` is their repository in an archive.
    pub(super) async fn put(
        &self,
        images: &[TaggedImage],
        name: &str,
        connections: &Connections,
        shell: &Shell,
    ) -> Result<(), Error> {
        match &self.place {
            Place::Registry(reference) => to_registry(images, reference, connections, shell).await,
            Place::Layout(path) => to_layout(images, path, shell).await,
            Place::Archive(path) => to_archive(images, path, name),
        }
    }

    pub(super) fn places(&self) -> Places<'_> {
        match &self.place {
            Place::Registry(reference) => {
                Places { repository: Some(reference), ..Places::default() }
            }
            Place::Layout(path) => Places { layout: Some(path), ..Places::default() },
            Place::Archive(path) => Places { archive: Some(path), ..Places::default() },
        }
    }

    pub(super) fn tags(&self) -> &[Tag] {
        &self.tags
    }

    /// Prints the location of the image.
    pub(super) fn print(&self, digest: Digest, json: bool, shell: &Shell) -> Result<(), Error> {
        let place = match &self.place {
            // By digest, which is the reference to deploy: a tag may move.
            Place::Registry(reference) => reference.with_digest(digest).to_string(),
            _ => self.to_string(),
        };
        if json {
            let tags = &self.tags;
            return shell
                .print_json(&serde_json::json!({"digest": digest, "place": place, "tags": tags}));
        }
        shell.print(place)
    }
}

impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let first = self.tags.first().cloned();
        match &self.place {
            Place::Registry(reference) => f.write_str(&with_tags(reference, &self.tags)),
            Place::Layout(path) => Location::Layout(path.clone(), first).fmt(f),
            Place::Archive(path) => Location::Archive(path.clone(), first).fmt(f),
        }
    }
}
