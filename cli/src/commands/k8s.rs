use clap::Args;
use wasm_oci_core::compat::engines::{PartialManifest, Shape};
use wasm_oci_core::image::Manifest;
use wasm_oci_core::module::{Kind, Report};
use wasm_oci_core::store::{Location, Name, Source, load_wasm};

use wasm_oci_app::config::args::image_help;
use wasm_oci_app::deploy::manifests::kubernetes::{KubernetesArgs, manifests};
use wasm_oci_app::deploy::manifests::{Behaviour, Workload};
use wasm_oci_app::error::{Error, UsageError};
use wasm_oci_app::pipeline::engines::warn_of;
use wasm_oci_app::pipeline::stages::any_imports;
use wasm_oci_app::registry::connection::ReadArgs;
use wasm_oci_app::registry::source::open;
use wasm_oci_app::ui::shell::Shell;

/// Print Kubernetes manifests for an image
///
/// Prints a RuntimeClass, and a Deployment with a Service, a Job or a CronJob. Reads the kind of program, its arguments and
/// its environment from the image. Refers to an image in a registry by its digest, so that a new push doesn't change it. For
/// an image in another place, set the reference that the cluster pulls with --image.
#[derive(Debug, Args)]
pub(crate) struct K8s {
    #[arg(value_name = "SOURCE", help = image_help("Image"))]
    source: Location,
    #[command(flatten)]
    kubernetes: KubernetesArgs,
    #[command(flatten)]
    read: ReadArgs,
}

impl K8s {
    pub(crate) async fn run(self, shell: &Shell) -> Result<(), Error> {
        let connections = self.read.connections(shell)?;
        let (source, name) = open(&self.source, &connections)?;
        // Load by digest, because the tag may move between the two requests.
        let root = source.resolve(&name).await?;
        let digest = root.digest;
        let manifest = load_wasm(&source, &Name::Digest(digest)).await?;
        // Of an index, the other manifests are not read, so nothing is known about it as a whole.
        if !root.media_type.is_index() {
            let whole = PartialManifest { listed_for: None, manifest: Ok(manifest.clone()) };
            let shape = Shape::of_parts(false, &[whole])?;
            warn_of(&self.source.to_string(), "kubernetes", &shape, shell);
        }
        // By digest, so that a later push does not change what the cluster runs.
        let image = match (&self.kubernetes.image, &self.source) {
            (Some(image), _) => image.clone(),
            (None, Location::Registry(reference)) => reference.with_digest(digest).to_string(),
            (None, _) => {
                let message = "a cluster can only pull from a registry; set the future reference of the image with --image";
                return Err(UsageError::Combination(message).into());
            }
        };
        let workload = workload(image, &manifest)?;
        shell.print_exactly(&format!("{}\n", manifests(&[workload], &self.kubernetes)?))
    }
}

fn workload(image: String, manifest: &Manifest) -> Result<Workload, Error> {
    let config = manifest.config();
    let said = |key: &str| {
        // Images of other tools have these keys as labels or as annotations.
        let key = format!("org.opencontainers.image.{key}");
        config.labels.get(&key).or_else(|| manifest.annotations().get(&key)).cloned()
    };
    let file = manifest.module_name();
    let of_file = || file.strip_suffix(".wasm").unwrap_or(&file).to_owned();
    Ok(Workload {
        name: said("title").unwrap_or_else(of_file),
        version: said("version"),
        // An image does not say which package its program belongs to.
        part_of: None,
        image,
        args: config.args.clone(),
        env: config.env.clone(),
        user: config.user.clone(),
        behaviour: behaviour(any_imports(manifest.module()?)?.report()),
    })
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
