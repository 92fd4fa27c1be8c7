//! Pinning: references to programs in manifests become digests of images that were built and pushed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use wasm_oci_app::config::args::{ImageArgs, ModuleArgs};
use wasm_oci_app::config::settings::Settings;
use wasm_oci_app::deploy::manifests::Launch;
use wasm_oci_app::deploy::yaml::edit::Edits;
use wasm_oci_app::deploy::yaml::{self, NodeId, Stream};
use wasm_oci_app::error::UsageError;
use wasm_oci_app::ui::output_args::OutputArgs;
use wasm_oci_app::ui::shell::Shell;

use crate::args::CargoArgs;
use crate::cargo::project::Project;
use crate::error::Error;
use crate::ops::build;
use crate::ops::manifest_files::{joined, read_all};
use crate::ops::programs::Programs;
use crate::ops::publish::PublishArgs;
use crate::ops::references::{Found, find, program};
use crate::ops::request::Request;
use crate::ops::resolve::resolve;
use crate::ops::workloads::launch;

/// Arguments of commands that pin images.
#[derive(Debug, Args)]
pub struct PushingArgs {
    /// Destination, such as ghcr.io/owner/{bin}; {bin}, {package} and {version} are replaced (default: the setting `repository`)
    #[arg(long, value_name = "REPOSITORY")]
    repository: Option<String>,
    #[command(flatten)]
    publish: PublishArgs,
    #[command(flatten)]
    pub module: ModuleArgs,
    #[command(flatten)]
    pub image: ImageArgs,
}

impl PushingArgs {
    fn request(&self, cargo: &CargoArgs, output: &OutputArgs) -> Request {
        let own =
            Settings { repository: self.repository.clone(), ..self.publish.registry.settings() };
        let request = Request::of_args(cargo, &self.module, &self.image, own, output);
        Request { enforce_budget: true, no_cache: self.publish.cache.no_cache, ..request }
    }
}

pub struct Inputs<'a> {
    pub files: &'a [PathBuf],
    pub recursive: bool,
}

impl Inputs<'_> {
    /// Reads the files, builds and pushes the programs that they refer to, and prints the files with digests. `complete` makes more
    /// edits; its last argument tells how a scalar, if it is one of our images, is started.
    pub async fn resolve(
        &self,
        pushing: &PushingArgs,
        cargo: &CargoArgs,
        output: &OutputArgs,
        shell: &Shell,
        complete: impl Fn(
            &Stream,
            &mut Edits<'_>,
            &dyn Fn(NodeId) -> Option<Launch>,
        ) -> Result<(), yaml::Error>,
    ) -> Result<(), Error> {
        if pushing.publish.login.password_stdin
            && self.files.iter().any(|file| file == Path::new("-"))
        {
            let message = "standard input can be the password or a manifest, not both; log in with `cargo wasm-oci login`";
            return Err(UsageError::Combination(message).into());
        }
        let streams = read_all(self.files, self.recursive)?;
        let references: Vec<Vec<Found>> =
            streams.iter().map(|stream| references(stream, shell)).collect();
        let request = pushing.request(cargo, output);
        let targets = Targets::of(&streams, &references, &request)?;
        let edited =
            |images: &dyn Fn(&Found) -> String| -> Result<Vec<(&Stream, String)>, yaml::Error> {
                let all = streams.iter().zip(&references);
                all.map(|(stream, found)| {
                    let launch = |node| targets.launch(found, node);
                    Ok((stream, edited(stream, found, images, &launch, &complete)?))
                })
                .collect()
            };
        // A trial, so that a file that can't be edited fails before anything is built.
        edited(&|_| PLACEHOLDER.to_owned())?;
        let images = targets.push(&pushing.publish, shell).await?;
        // All in memory first: `kubectl apply` must not receive half of the manifests.
        let texts = edited(&|found| images.get(&found.text).cloned().unwrap_or_default())?;
        Ok(shell.print_exactly(&joined(&texts))?)
    }
}

/// Text of the same form as the images that will replace references.
const PLACEHOLDER: &str =
    "example.com/app@sha256:0000000000000000000000000000000000000000000000000000000000000000";

fn references(stream: &Stream, shell: &Shell) -> Vec<Found> {
    let (found, among_others) = find(stream);
    for place in among_others {
        shell.warn(format_args!("{place}: a reference within other text is not replaced"));
    }
    found
}

fn edited(
    stream: &Stream,
    references: &[Found],
    image: &dyn Fn(&Found) -> String,
    launch: &dyn Fn(NodeId) -> Option<Launch>,
    complete: &impl Fn(
        &Stream,
        &mut Edits<'_>,
        &dyn Fn(NodeId) -> Option<Launch>,
    ) -> Result<(), yaml::Error>,
) -> Result<String, yaml::Error> {
    let mut edits = Edits::of(stream);
    for found in references {
        edits.replace(found.node, &found.text, &image(found))?;
    }
    complete(stream, &mut edits, launch)?;
    edits.apply()
}

/// The programs that manifests refer to.
#[derive(Default)]
struct Targets {
    by_reference: BTreeMap<String, Project>,
    /// How the image of each is started.
    launches: Vec<(Project, Launch)>,
    /// Builds of all.
    requests: Vec<Request>,
}

impl Targets {
    /// Finds the program of each reference. Builds nothing.
    fn of(
        streams: &[Stream],
        references: &[Vec<Found>],
        request: &Request,
    ) -> Result<Targets, Error> {
        if references.iter().all(Vec::is_empty) {
            return Ok(Targets::default());
        }
        let programs = Programs::of(request)?;
        let mut by_reference = BTreeMap::new();
        let mut wanted: Vec<&Project> = Vec::new();
        for (stream, found) in streams.iter().zip(references) {
            for found in found {
                let project = program(programs.all(), stream, found)?;
                by_reference.insert(found.text.clone(), project.clone());
                // Several references may mean one program, such as `a` and `a/a`.
                if !wanted.contains(&project) {
                    wanted.push(project);
                }
            }
        }
        let requests = programs.requests(request, &wanted)?;
        let mut launches = Vec::new();
        for request in &requests {
            // Without a shell, because the build shows the same warnings.
            let resolved = resolve(request, None)?.into_iter();
            launches.extend(resolved.map(|it| (it.project, launch(&it.plan))));
        }
        Ok(Targets { by_reference, launches, requests })
    }

    /// Returns how the image of a scalar is started, if it is one of these references.
    fn launch(&self, references: &[Found], node: NodeId) -> Option<Launch> {
        let found = references.iter().find(|found| found.node == node)?;
        let project = self.by_reference.get(&found.text)?;
        self.launches.iter().find(|(other, _)| other == project).map(|(_, launch)| *launch)
    }

    /// Builds, tests and pushes each program, and returns the image for each reference.
    async fn push(
        &self,
        publish: &PublishArgs,
        shell: &Shell,
    ) -> Result<BTreeMap<String, String>, Error> {
        if self.by_reference.is_empty() {
            shell.warn(
                "no file contains a reference such as wasm-oci://PACKAGE; nothing is built or replaced",
            );
            return Ok(BTreeMap::new());
        }
        // All programs are built before the first push, so that a failed build leaves the registry
        // unchanged.
        let mut built = Vec::new();
        for request in &self.requests {
            built.extend(build(request, shell).await?);
        }
        let mut pushed: Vec<(Project, String)> = Vec::new();
        publish
            .plan(&built, shell)?
            .push(false, shell, |program, repository| {
                let image = repository.with_digest(program.main()?.digest).to_string();
                pushed.push((program.project.clone(), image));
                Ok(())
            })
            .await?;
        let image = |project: &Project| {
            pushed.iter().find(|(other, _)| other == project).map(|(_, image)| image.clone())
        };
        let references = self.by_reference.iter();
        Ok(references.filter_map(|(text, project)| Some((text.clone(), image(project)?))).collect())
    }
}
