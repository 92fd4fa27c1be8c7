use clap::{Args, Subcommand};

use wasm_oci_core::image::{Descriptor, Digest, Platform};
use wasm_oci_core::store::{DraftedIndex, IndexDraft, Location, Name, copy, load};

use super::destination::{Destination, mount, registry_of, with_digest};
use wasm_oci_app::config::args::image_help;
use wasm_oci_app::error::{Error, UsageError};
use wasm_oci_app::registry::connection::{AccountArgs, Connections};
use wasm_oci_app::registry::source::{AnySource, open};
use wasm_oci_app::runtime::until_interrupted;
use wasm_oci_app::ui::shell::Shell;

/// Make one tag of images for several platforms, such as a native one and one for WebAssembly
///
/// An index lists an image for each platform, and engines take the one for theirs. The images keep their digests: their
/// blobs are copied, never changed.
#[derive(Debug, Args)]
pub(crate) struct Index {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Create(Create),
    Add(Add),
    Remove(Remove),
}

/// Make an index of images
///
/// Prints the location of the index.
#[derive(Debug, Args)]
struct Create {
    /// Index to write: oci:DIR[:NAME], oci-archive:FILE[:NAME] or REGISTRY/REPOSITORY[:TAG]
    #[arg(value_name = "INDEX")]
    index: Location,
    #[command(flatten)]
    sources: SourceArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Add images to an index that exists
///
/// A single image becomes the first entry of a new index, which takes its tag. The entries that are there stay as they are,
/// and so does the rest of the index. Prints the location of the index.
#[derive(Debug, Args)]
struct Add {
    /// Index or image to add to: oci:DIR[:NAME], oci-archive:FILE[:NAME] or REGISTRY/REPOSITORY[:TAG]
    #[arg(value_name = "INDEX")]
    index: Location,
    #[command(flatten)]
    sources: SourceArgs,
    /// Replace entries for the same platform, and remove their attestations
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// Remove images from an index
///
/// The attestations about them are removed, too. The rest of the index stays as it is. Prints the location of the index.
#[derive(Debug, Args)]
struct Remove {
    /// Index to remove from: oci:DIR[:NAME], oci-archive:FILE[:NAME] or REGISTRY/REPOSITORY[:TAG]
    #[arg(value_name = "INDEX")]
    index: Location,
    /// Remove the entries for this platform, such as wasi/wasm or linux/arm64
    #[arg(long = "platform", value_name = "PLATFORM", value_delimiter = ',')]
    #[arg(required_unless_present = "digests")]
    platforms: Vec<Platform>,
    /// Remove the entry with this digest
    #[arg(id = "digests", long = "digest", value_name = "DIGEST", value_delimiter = ',')]
    digests: Vec<Digest>,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct SourceArgs {
    #[arg(value_name = "SOURCE", required = true, help = image_help("Image or index to take entries of"))]
    sources: Vec<Location>,
    /// Take only the entries for this platform, such as wasi/wasm or linux/arm64, and the attestations about them
    #[arg(long = "platform", value_name = "PLATFORM", value_delimiter = ',')]
    platforms: Vec<Platform>,
}

#[derive(Debug, Args)]
struct OutputArgs {
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    account: AccountArgs,
}

impl Index {
    pub(crate) async fn run(self, shell: &Shell) -> Result<(), Error> {
        match self.command {
            Command::Create(create) => create.run(shell).await,
            Command::Add(add) => add.run(shell).await,
            Command::Remove(remove) => remove.run(shell).await,
        }
    }
}

impl Create {
    async fn run(self, shell: &Shell) -> Result<(), Error> {
        let connections = self.output.connections(&self.index, &self.sources.sources, shell)?;
        let destination = Destination::of(self.index, None, Vec::new())?;
        let sources = Opened::all(&self.sources.sources, &connections)?;
        let work = async {
            let mut draft = IndexDraft::empty()?;
            for Opened { location, store, name } in &sources {
                let taken = draft.add(store, name, &self.sources.platforms, false).await?;
                announce(&taken, location, &destination, shell);
                if let Some(from) = registry_of(location) {
                    destination.mount(store, &taken, from, &connections, shell).await?;
                }
            }
            let drafted = draft.finish()?;
            let from = sources.iter().find_map(|source| registry_of(source.location));
            let name = Name::Digest(drafted.root().descriptor().digest);
            destination.take(&drafted, &name, from, &connections, shell).await?;
            let place = destination.location_of(drafted.root().descriptor().digest);
            print(&drafted, &place, self.output.json, shell)
        };
        until_interrupted(work).await
    }
}

impl Add {
    async fn run(self, shell: &Shell) -> Result<(), Error> {
        let connections = self.output.connections(&self.index, &self.sources.sources, shell)?;
        let target = Opened::to_change(&self.index, &connections)?;
        let sources = Opened::all(&self.sources.sources, &connections)?;
        let work = async {
            let mut draft = IndexDraft::read(&target.store, &target.name).await?;
            for Opened { location, store, name } in &sources {
                let taken = draft.add(store, name, &self.sources.platforms, self.replace).await?;
                announce(&taken, location, target.location, shell);
                if let (Some(from), Some(to)) = (registry_of(location), registry_of(&self.index)) {
                    mount(to, store, &taken, from, &connections, shell).await?;
                }
            }
            let drafted = draft.finish()?;
            target.save(&drafted, shell).await?;
            print(&drafted, &target.location_of(&drafted), self.output.json, shell)
        };
        until_interrupted(work).await
    }
}

impl Remove {
    async fn run(self, shell: &Shell) -> Result<(), Error> {
        let connections = self.output.connections(&self.index, &[], shell)?;
        let target = Opened::to_change(&self.index, &connections)?;
        let work = async {
            let mut draft = IndexDraft::read(&target.store, &target.name).await?;
            draft.remove(&self.platforms, &self.digests)?;
            let drafted = draft.finish()?;
            target.save(&drafted, shell).await?;
            print(&drafted, &target.location_of(&drafted), self.output.json, shell)
        };
        until_interrupted(work).await
    }
}

impl OutputArgs {
    fn connections(
        &self,
        index: &Location,
        sources: &[Location],
        shell: &Shell,
    ) -> Result<Connections, Error> {
        // A login belongs to one registry: the one that the command writes to, otherwise the first that it reads from.
        let account = registry_of(index).or_else(|| sources.iter().find_map(registry_of));
        self.account.connections(account, shell)
    }
}

/// An image at a location.
struct Opened<'a> {
    location: &'a Location,
    store: AnySource,
    name: Name,
}

impl<'a> Opened<'a> {
    fn new(location: &'a Location, connections: &Connections) -> Result<Opened<'a>, Error> {
        let (store, name) = open(location, connections)?;
        Ok(Opened { location, store, name })
    }

    fn all(locations: &'a [Location], connections: &Connections) -> Result<Vec<Opened<'a>>, Error> {
        locations.iter().map(|location| Opened::new(location, connections)).collect()
    }

    /// Opens an image to put another in its place.
    fn to_change(location: &'a Location, connections: &Connections) -> Result<Opened<'a>, Error> {
        match location {
            Location::Layout(_, Some(Name::Digest(_)))
            | Location::Archive(_, Some(Name::Digest(_))) => Err(with_digest()),
            Location::Registry(reference) if reference.digest().is_some() => Err(with_digest()),
            Location::File(path) | Location::DockerArchive(path, _) => {
                Err(UsageError::NotADestination { path: path.clone() }.into())
            }
            location => Opened::new(location, connections),
        }
    }

    /// Puts an index in the place of the image, after everything that it lists is there.
    async fn save(
        &self,
        drafted: &DraftedIndex<'_, AnySource>,
        shell: &Shell,
    ) -> Result<(), Error> {
        let root = drafted.root();
        let Some(former) = drafted.former().filter(|it| *it != root.descriptor().digest) else {
            return Ok(());
        };
        match &self.store {
            AnySource::Layout(layout) => {
                let transfer = shell.transfer();
                copy(drafted, root.descriptor(), layout, &[], &transfer).await?;
                transfer.complete();
                layout.replace(&self.name, former, root.descriptor())?;
            }
            AnySource::Registry(registry) => {
                let transfer = shell.upload(self.location.to_string());
                copy(drafted, root.descriptor(), registry.as_ref(), &[], &transfer).await?;
                if let Name::Tag(tag) = &self.name {
                    registry.replace(tag, former, root).await?;
                }
                transfer.complete();
            }
            AnySource::Archive(archive) => {
                let image = load(drafted, &Name::Digest(root.descriptor().digest)).await?;
                archive.replace(&self.name, &image).await?;
            }
        }
        Ok(())
    }

    fn location_of(&self, drafted: &DraftedIndex<'_, AnySource>) -> String {
        match self.location {
            // By digest, which is the reference to deploy: a tag may move.
            Location::Registry(reference) => {
                reference.with_digest(drafted.root().descriptor().digest).to_string()
            }
            location => location.to_string(),
        }
    }
}

fn announce(entries: &[Descriptor], from: &Location, to: &impl std::fmt::Display, shell: &Shell) {
    let platforms = entries.iter().filter_map(|entry| entry.platform.as_ref());
    // Attestations have none.
    let platforms = platforms.filter(|platform| !platform.is_unknown()).map(Platform::to_string);
    let platforms: Vec<String> = platforms.collect();
    shell.status("Adding", format_args!("{} of {from} to {to}", platforms.join(", ")));
}

/// Prints the location of an index.
fn print(
    drafted: &DraftedIndex<'_, AnySource>,
    place: &str,
    json: bool,
    shell: &Shell,
) -> Result<(), Error> {
    if !json {
        return shell.print(place);
    }
    let platform = |entry: &Descriptor| entry.platform.as_ref().map(Platform::to_string);
    let entry =
        |it: &Descriptor| serde_json::json!({"digest": it.digest, "platform": platform(it)});
    let entries: Vec<_> = drafted.entries().iter().map(entry).collect();
    let digest = drafted.root().descriptor().digest;
    shell.print_json(&serde_json::json!({"digest": digest, "place": place, "entries": entries}))
}
