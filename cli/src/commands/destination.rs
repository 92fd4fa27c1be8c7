//! Destinations of `copy`, `convert` and `index create`.

use std::path::PathBuf;

use clap::Args;

use wasm_oci_core::image::{Descriptor, Digest, Reference, Tag};
use wasm_oci_core::store::{
    ArchiveImage, Layout, Location, Name, RefName, Sink, Source, copy, load, write_archive,
};

use wasm_oci_app::config::args::image_help;
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
    #[arg(value_name = "SOURCE", help = image_help("Image to read"))]
    pub(super) source: Location,
    /// Destination: oci:DIR[:NAME], oci-archive:FILE[:NAME] or REGISTRY/REPOSITORY[:TAG]
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
        Ok((connections, Destination::of(place, Some(&self.source), tags)?))
    }
}

pub(super) fn with_digest() -> Error {
    let message = "a destination can't have a digest; the content of the image determines it";
    UsageError::Combination(message).into()
}

/// The destination of an image, and its tags there.
#[derive(Debug)]
pub(super) struct Destination {
    place: Place,
    tags: Vec<Tag>,
    /// Its name in a layout, if that is no tag.
    name: Option<RefName>,
}

#[derive(Debug)]
enum Place {
    Layout(PathBuf),
    /// With the repository of the image's names, if the user gave one.
    Archive(PathBuf, Option<String>),
    Registry(Reference),
}

impl Destination {
    /// Interprets a location. The image gets its tag and those in `more`; without any, the tag of the source; without that,
    /// and if the destination requires a tag, `latest`.
    pub(super) fn of(
        location: Location,
        source: Option<&Location>,
        more: Vec<Tag>,
    ) -> Result<Destination, Error> {
        let mut name = None;
        let (place, tag) = match location {
            Location::Layout(_, Some(Name::Digest(_)))
            | Location::Archive(_, Some(Name::Digest(_))) => return Err(with_digest()),
            Location::Registry(reference) if reference.digest().is_some() => {
                return Err(with_digest());
            }
            Location::Layout(path, Some(Name::Ref(given))) => {
                name = Some(given);
                (Place::Layout(path), None)
            }
            Location::Layout(path, tag) => (Place::Layout(path), tag.and_then(|tag| tag.tag())),
            Location::Archive(path, Some(Name::Ref(given))) => {
                // Loaders take the name of an image apart, so it has to be a whole reference.
                let reference: Reference = given.as_str().parse()?;
                let tag = reference.tag().cloned();
                (Place::Archive(path, Some(reference.name())), tag)
            }
            Location::Archive(path, tag) => {
                (Place::Archive(path, None), tag.and_then(|tag| tag.tag()))
            }
            Location::DockerArchive(path, _) => {
                return Err(UsageError::NotADestination { path }.into());
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
            Some(
                Location::Layout(_, tag)
                | Location::Archive(_, tag)
                | Location::DockerArchive(_, tag),
            ) => (tag.as_ref().and_then(Name::tag), false),
            Some(Location::Registry(reference)) => {
                (reference.tag().cloned(), reference.digest().is_some())
            }
            Some(Location::File(_)) | None => (None, false),
        };
        let mut tags: Vec<Tag> = tag.into_iter().collect();
        tags.extend(more);
        if tags.is_empty() && name.is_none() {
            tags.extend(of_source);
        }
        // Only registries can find an image without a tag: by its digest.
        if tags.is_empty() && name.is_none() && !(by_digest && matches!(place, Place::Registry(_)))
        {
            tags.push(Tag::latest());
        }
        // A tag of the location may be given again with `--tag`; one request for it is enough.
        let mut seen = std::collections::BTreeSet::new();
        tags.retain(|tag| seen.insert(tag.to_string()));
        Ok(Destination { place, tags, name })
    }

    /// Copies the image with this name from `source`.
    pub(super) async fn take(
        &self,
        source: &impl Source,
        name: &Name,
        from: Option<&Reference>,
        connections: &Connections,
        shell: &Shell,
    ) -> Result<Digest, Error> {
        // Resolve first, so that a missing image leaves no empty layout behind.
        let root = source.resolve(name).await?;
        match &self.place {
            Place::Layout(path) => {
                let layout = Layout::create(path)?;
                self.copy_to(source, &root, &layout, shell).await?;
                if let Some(name) = &self.name {
                    layout.set_ref(&root, name)?;
                }
            }
            Place::Registry(reference) => {
                // A registry can mount blobs from another of its repositories (distribution-spec, "Mounting a
                // blob from another repository"), so these blobs need no transfer.
                let registry = connections.registry_mounting(reference, from)?;
                self.copy_to(source, &root, &registry, shell).await?;
            }
            Place::Archive(path, repository) => {
                // By digest, because the tag may have moved since it was resolved. The whole image, because
                // the index of an archive comes before its blobs.
                let image = load(source, &Name::Digest(root.digest)).await?;
                let of_source = from.map(Reference::name);
                let of_source = of_source.or_else(|| name.reference().map(|it| it.name()));
                let repository = repository.clone().or(of_source);
                let images = [ArchiveImage { image: &image, tags: &self.tags }];
                write_archive(path, repository.as_deref().unwrap_or("image"), &images)?;
            }
        }
        Ok(root.digest)
    }

    /// Copies manifests with their blobs from another repository of the same registry, which need not transfer them. Does
    /// nothing for other destinations.
    pub(super) async fn mount(
        &self,
        source: &AnySource,
        manifests: &[Descriptor],
        from: &Reference,
        connections: &Connections,
        shell: &Shell,
    ) -> Result<(), Error> {
        let Place::Registry(reference) = &self.place else { return Ok(()) };
        mount(reference, source, manifests, from, connections, shell).await
    }

    async fn copy_to(
        &self,
        source: &impl Source,
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
            Place::Layout(path) => {
                to_layout(images, path, shell).await?;
                self.set_names(images, &Layout::create(path)?)
            }
            Place::Archive(path, repository) => {
                to_archive(images, path, repository.as_deref().unwrap_or(name))
            }
        }
    }

    /// Gives the images in a layout the name of the destination. As with tags, the first one gets it as it is.
    fn set_names(&self, images: &[TaggedImage], layout: &Layout) -> Result<(), Error> {
        let Some(name) = &self.name else { return Ok(()) };
        for (number, TaggedImage { image, format, .. }) in images.iter().enumerate() {
            let name = match number {
                0 => name.clone(),
                _ => format!("{name}-{format}").parse()?,
            };
            layout.set_ref(image.root().descriptor(), &name)?;
        }
        Ok(())
    }

    pub(super) fn places(&self) -> Places<'_> {
        match &self.place {
            Place::Registry(reference) => {
                Places { repository: Some(reference), ..Places::default() }
            }
            Place::Layout(path) => Places { layout: Some(path), ..Places::default() },
            Place::Archive(path, _) => Places { archive: Some(path), ..Places::default() },
        }
    }

    pub(super) fn tags(&self) -> &[Tag] {
        &self.tags
    }

    /// Returns the location of the image.
    pub(super) fn location_of(&self, digest: Digest) -> String {
        match &self.place {
            // By digest, which is the reference to deploy: a tag may move.
            Place::Registry(reference) => reference.with_digest(digest).to_string(),
            _ => self.to_string(),
        }
    }

    /// Prints the location of the image.
    pub(super) fn print(&self, digest: Digest, json: bool, shell: &Shell) -> Result<(), Error> {
        let place = self.location_of(digest);
        if json {
            let tags = &self.tags;
            return shell
                .print_json(&serde_json::json!({"digest": digest, "place": place, "tags": tags}));
        }
        shell.print(place)
    }
}

/// Copies manifests with their blobs into a repository, if `from` is another one of the same registry.
pub(super) async fn mount(
    reference: &Reference,
    source: &AnySource,
    manifests: &[Descriptor],
    from: &Reference,
    connections: &Connections,
    shell: &Shell,
) -> Result<(), Error> {
    if from.registry() != reference.registry() || from.repository() == reference.repository() {
        return Ok(());
    }
    let registry = connections.registry_mounting(reference, Some(from))?;
    let transfer = shell.upload(reference.to_string());
    for manifest in manifests {
        copy(source, manifest, &registry, &[], &transfer).await?;
    }
    transfer.complete();
    Ok(())
}

impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tag = self.tags.first().cloned().map(Name::Tag);
        let first = self.name.clone().map(Name::Ref).or(tag);
        match &self.place {
            Place::Registry(reference) => f.write_str(&with_tags(reference, &self.tags)),
            Place::Layout(path) => Location::Layout(path.clone(), first).fmt(f),
            Place::Archive(path, _) => Location::Archive(path.clone(), first).fmt(f),
        }
    }
}
