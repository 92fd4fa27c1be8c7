use std::collections::BTreeMap;

use clap::Args;
use wasm_oci_core::compat::engines::{PartialManifest, Shape};
use wasm_oci_core::image::{Config, Digest, Manifest, Reference};
use wasm_oci_core::module::{Kind, Report};
use wasm_oci_core::store::{ListedManifest, Location, Name, Source, list_and_load_wasm};

use wasm_oci_app::config::args::image_help;
use wasm_oci_app::deploy::manifests::kubernetes::{
    KubernetesArgs, Variant, VariantName, manifests, of_variants,
};
use wasm_oci_app::deploy::manifests::{Behaviour, Launch, Workload};
use wasm_oci_app::error::{Error, UsageError};
use wasm_oci_app::pipeline::engines::warn_of;
use wasm_oci_app::pipeline::stages::any_imports;
use wasm_oci_app::registry::connection::ReadArgs;
use wasm_oci_app::registry::source::open;
use wasm_oci_app::ui::shell::Shell;

/// Print Kubernetes manifests for an image
///
/// Prints a Deployment with a Service, a Job or a CronJob, and a RuntimeClass if the image needs one: a standalone image doesn't.
/// Reads the kind of program, its arguments and its environment from the image. Refers to an image in a registry by its digest, so that
/// a new push doesn't change it. For an image in another place, set the reference that the cluster pulls with --image.
#[derive(Debug, Args)]
pub(crate) struct K8s {
    #[arg(value_name = "SOURCE", help = image_help("Image"))]
    source: Location,
    /// Programs of the image to run behind one Service, with their replicas, such as native=3,wasm=1
    #[arg(long, value_name = "NAME[=N]", value_delimiter = ',', help_heading = "Kubernetes")]
    variants: Vec<Variant>,
    #[command(flatten)]
    kubernetes: KubernetesArgs,
    #[command(flatten)]
    read: ReadArgs,
}

impl K8s {
    pub(crate) async fn run(self, shell: &Shell) -> Result<(), Error> {
        let connections = self.read.connections(shell)?;
        let (source, name) = open(&self.source, &connections)?;
        // Load by digest, because the tag may move between the requests.
        let root = source.resolve(&name).await?;
        let name = Name::Digest(root.digest);
        let (listed, manifest) = list_and_load_wasm(&source, &name).await?;
        let image = Programs {
            root: root.digest,
            native: listed.iter().find(|it| it.is_native(&listed)),
            has_wasm: listed.iter().any(ListedManifest::is_wasm),
            wasm: &manifest,
        };
        let text = match self.variants.is_empty() {
            true => {
                let workload = self.only(&image, shell)?;
                if !root.media_type.is_index() {
                    self.warn_of(&manifest, shell)?;
                }
                manifests(&[workload], &self.kubernetes)?
            }
            false => {
                let workload = |variant: &Variant| Ok((*variant, self.variant(&image, *variant)?));
                let workloads: Result<Vec<_>, Error> = self.variants.iter().map(workload).collect();
                if self.variants.iter().any(|variant| variant.name == VariantName::Wasm) {
                    self.warn_of(&manifest, shell)?;
                }
                of_variants(&workloads?, &self.kubernetes)?
            }
        };
        shell.print_exactly(&format!("{text}\n"))
    }

    /// Warns of clusters that can't start the manifest. Of an index, the other manifests were not read, so nothing is known about it
    /// as a whole.
    fn warn_of(&self, manifest: &Manifest, shell: &Shell) -> Result<(), Error> {
        let whole = PartialManifest { listed_for: None, manifest: Ok(manifest.clone()) };
        let shape = Shape::of_parts(false, &[whole])?;
        warn_of(&self.source.to_string(), "kubernetes", &shape, shell);
        Ok(())
    }

    /// Returns the program that a node starts: of an index, that for Linux.
    fn only(&self, image: &Programs<'_>, shell: &Shell) -> Result<Workload, Error> {
        let reference = self.reference(image.root, false)?;
        let Some(native) = image.native else { return image.of_wasm(reference) };
        if !native.config.is_native() {
            shell.warn(
                "pods take the native program of this image; --variants native,wasm is for both programs, and --variants wasm \
                 for the other one",
            );
        }
        image.of_native(reference, native)
    }

    fn variant(&self, image: &Programs<'_>, variant: Variant) -> Result<Workload, Error> {
        let missing = |has: &'static str| UsageError::NoVariant { name: variant.name.name(), has };
        match (variant.name, image.native) {
            (VariantName::Native, Some(native)) => {
                image.of_native(self.reference(image.root, false)?, native)
            }
            (VariantName::Native, None) => Err(missing("a native Linux program").into()),
            (VariantName::Wasm, _) if image.has_wasm => {
                // By its own digest, because a node takes the manifest for Linux from an index, whatever the RuntimeClass.
                image.of_wasm(self.reference(image.wasm.digest(), true)?)
            }
            (VariantName::Wasm, _) => Err(missing("a program for wasi/wasm").into()),
        }
    }

    /// Returns the image as pods name it: by digest, so that a later push does not change what the cluster runs.
    fn reference(&self, digest: Digest, is_part: bool) -> Result<String, Error> {
        match (&self.kubernetes.image, &self.source) {
            (Some(image), _) if is_part => {
                let reference: Reference = image.parse()?;
                Ok(reference.with_digest(digest).to_string())
            }
            (Some(image), _) => Ok(image.clone()),
            (None, Location::Registry(reference)) => Ok(reference.with_digest(digest).to_string()),
            (None, _) => {
                let message = "a cluster can only pull from a registry; set the future reference of the image with --image";
                Err(UsageError::Combination(message).into())
            }
        }
    }
}

/// The programs of an image.
struct Programs<'a> {
    root: Digest,
    /// The program that starts without a shim, for the first platform that has one.
    native: Option<&'a ListedManifest>,
    has_wasm: bool,
    wasm: &'a Manifest,
}

impl Programs<'_> {
    fn of_wasm(&self, image: String) -> Result<Workload, Error> {
        let config = self.wasm.config();
        let (args, env, user) = (config.args.clone(), config.env.clone(), config.user.clone());
        Ok(Workload { args, env, user, ..self.workload(image, Launch::Shim)? })
    }

    fn of_native(&self, image: String, native: &ListedManifest) -> Result<Workload, Error> {
        if native.config.is_native() {
            return Ok(Workload { launch: Launch::Runner, ..self.of_wasm(image)? });
        }
        // Its arguments and variables are its own business, and stay in the image.
        let exposed_port = exposed_port(&native.config);
        let workload = self.workload(image, Launch::Native)?;
        Ok(Workload { user: native.config.user.clone(), exposed_port, ..workload })
    }

    /// Returns a program with the name, version and behaviour of the one for WebAssembly.
    fn workload(&self, image: String, launch: Launch) -> Result<Workload, Error> {
        let said = |key: &str| {
            // Images of other tools have these keys as labels or as annotations.
            let key = format!("org.opencontainers.image.{key}");
            let labels = &self.wasm.config().labels;
            labels.get(&key).or_else(|| self.wasm.annotations().get(&key)).cloned()
        };
        let file = self.wasm.module_name();
        let of_file = || file.strip_suffix(".wasm").unwrap_or(&file).to_owned();
        Ok(Workload {
            name: said("title").unwrap_or_else(of_file),
            version: said("version"),
            // An image does not say which package its program belongs to.
            part_of: None,
            image,
            args: Vec::new(),
            env: BTreeMap::new(),
            user: None,
            behaviour: behaviour(any_imports(self.wasm.module()?)?.report()),
            launch,
            exposed_port: None,
        })
    }
}

/// Returns the only TCP port that an image exposes.
fn exposed_port(config: &Config) -> Option<u16> {
    let ports = config.other.iter().find(|(name, _)| *name == "ExposedPorts")?.1;
    let ports: BTreeMap<String, serde_json::Value> = serde_json::from_str(&ports).ok()?;
    // `8080` means TCP, too (image-spec, config.md).
    let number = |port: &String| port.strip_suffix("/tcp").unwrap_or(port).parse().ok();
    let mut numbers = ports.keys().filter_map(number);
    numbers.next().filter(|_| numbers.next().is_none())
}

fn behaviour(module: &Report) -> Behaviour {
    // The names end with a version, and any 0.2.x will do.
    let exports = |start: &str| module.exports.iter().any(|export| export.name.starts_with(start));
    match module.kind {
        Kind::Component if exports("wasi:http/incoming-handler@") => Behaviour::ServesHttp,
        Kind::Component if exports("wasi:cli/run@") => Behaviour::RunsToCompletion,
        Kind::Command => Behaviour::RunsToCompletion,
        Kind::Component | Kind::Reactor => Behaviour::Library,
    }
}
