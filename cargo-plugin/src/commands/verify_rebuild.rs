//! `cargo wasm-oci verify-rebuild`: compares an image with a new build of its sources.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use serde_json::json;
use wasm_oci_app::config::args::image_help;
use wasm_oci_app::config::settings::Settings;
use wasm_oci_app::error::Error as AppError;
use wasm_oci_app::exit_code::ExitCode;
use wasm_oci_app::pipeline::stages::OPTIMIZED;
use wasm_oci_app::registry::connection::ReadArgs;
use wasm_oci_app::registry::source::load_image;
use wasm_oci_app::ui::output_args::OutputArgs;
use wasm_oci_app::ui::shell::Shell;
use wasm_oci_core::fs::TemporaryFolder;
use wasm_oci_core::image::{Digest, ENGINE, Image, Manifest};
use wasm_oci_core::module::first_difference;
use wasm_oci_core::store::Location;

use crate::error::Error;
use crate::ops::build;
use crate::ops::package::only_program;
use crate::ops::request::{BuildArgs, Request};

/// Rebuild a program and compare it with an image
///
/// Prints `identical`, or the first difference: a section of the module, or a setting of the image. Uses the format of the image unless
/// --format is set, and builds as `build` does, with the installed toolchain. The exit code is 8 if something differs.
#[derive(Debug, Args)]
pub(super) struct VerifyRebuild {
    #[arg(value_name = "IMAGE", help = image_help("Image to compare"))]
    image: Location,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    build: BuildArgs,
}

impl VerifyRebuild {
    pub(super) async fn run(self, output: &OutputArgs, shell: &Shell) -> Result<u8, Error> {
        shell.status("Reading", &self.image);
        let published = load_image(&self.image, &self.read.connections(shell)?).await?;
        // All formats have the same module, but other digests.
        let format = Some(vec![published.format()]);
        let of_image = Settings { format, ..self.read.registry.settings() };
        let folder = TemporaryFolder::new()
            .map_err(|source| AppError::Write { path: "a temporary folder".into(), source })?;
        let request = self.build.request(of_image, output);
        // Not in the folder that `build` writes to: a layout with the image must keep it, and traces need the names of the
        // build that they come from.
        let request = Request { folder: Some(folder.path().to_owned()), no_cache: true, ..request };
        let built = build(&request, shell).await?;
        let rebuilt = only_program(&built)?.load_main().await?;
        let difference = difference(&published, &rebuilt)?;
        let digest = published.digest();
        if self.build.json() {
            let message = json!({
                "reason": "wasm-oci-rebuild",
                "image": self.image.to_string(),
                "digest": digest.to_string(),
                "identical": difference.is_none(),
                "difference": difference,
            });
            shell.print_json(&message)?;
        } else if difference.is_none() {
            shell.print(format_args!("{digest}"))?;
        }
        Ok(match difference {
            None => {
                shell.status("Identical", format_args!("{} {digest}", self.image));
                ExitCode::Success
            }
            Some(difference) => {
                shell.error(format_args!(
                    "{} differs from a build of these sources: {difference}",
                    self.image
                ));
                ExitCode::Different
            }
        }
        .code())
    }
}

/// Returns the first difference: in the module, then in the image's settings.
fn difference(published: &Image, built: &Image) -> Result<Option<String>, Error> {
    if published.digest() == built.digest() {
        return Ok(None);
    }
    let (expected, actual) = (published.wasm_manifest()?, built.wasm_manifest()?);
    // The module first: if it differs, differences of settings explain nothing.
    let difference =
        first_difference(&expected.module()?, &actual.module()?).map_err(AppError::from)?;
    if let Some(difference) = difference {
        return Ok(Some(format!("in the module, {difference}{}", hint(expected, actual))));
    }
    let (before, now) = (facts(expected)?, facts(actual)?);
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let shown =
        |value: Option<&String>| value.map_or("not set".to_owned(), |value| format!("`{value}`"));
    let what = match names.into_iter().find(|name| before.get(*name) != now.get(*name)) {
        Some(name) => {
            format!("{name} is {}, and was {}", shown(now.get(name)), shown(before.get(name)))
        }
        // Settings that we can name are equal, but other bytes are not.
        None => native_difference(published, built)?.unwrap_or_else(|| {
            "the image lists other platforms, or was written by another tool".to_owned()
        }),
    };
    let module = Digest::of(expected.module()?.bytes());
    Ok(Some(format!("the module is the same, {module}, but {what}")))
}

/// Returns the first difference between the native programs of standalone images, for platforms that both have.
fn native_difference(published: &Image, built: &Image) -> Result<Option<String>, Error> {
    let (before, now) = (natives(published), natives(built));
    for (platform, before) in before {
        let Some(now) = now.get(&platform) else { continue };
        let engine = |manifest: &Manifest| manifest.annotations().get(ENGINE).cloned();
        let (old, new) = (engine(before), engine(now));
        if old != new {
            let shown = |engine: Option<String>| engine.unwrap_or_else(|| "unknown".to_owned());
            return Ok(Some(format!(
                "the engine of the program for {platform} is {}, and was {}; use the version of wasm-oci that made the image",
                shown(new),
                shown(old)
            )));
        }
        let content = |manifest: &Manifest| manifest.native_content().map_err(AppError::from);
        let (before, now) = (content(before)?, content(now)?);
        if before.runner != now.runner {
            return Ok(Some(format!(
                "the runner for {platform} is {}, and was {}; use the release of wasm-oci that made the image, or --runner with \
                 its runner",
                Digest::of(&now.runner),
                Digest::of(&before.runner)
            )));
        }
        if before.code != now.code {
            return Ok(Some(format!(
                "its compiled code for {platform} is not what this version compiles from it"
            )));
        }
    }
    Ok(None)
}

fn natives(image: &Image) -> BTreeMap<String, &Manifest> {
    let natives = image.manifests().iter().filter(|manifest| manifest.is_native());
    let named = natives.map(|it| (it.config().platform.as_ref().map(ToString::to_string), it));
    named.map(|(platform, manifest)| (platform.unwrap_or_default(), manifest)).collect()
}

/// Returns a reason why the modules may differ, if the images name one.
fn hint(expected: &Manifest, actual: &Manifest) -> String {
    let optimized = |manifest: &Manifest| manifest.annotations().get(OPTIMIZED).cloned();
    match (optimized(expected), optimized(actual)) {
        (Some(one), Some(other)) if one != other => {
            format!(" (it was optimized by {one}, now by {other}: -O and --wasm-opt choose)")
        }
        _ => String::new(),
    }
}

/// Returns the settings of an image, under their names in messages.
fn facts(manifest: &Manifest) -> Result<BTreeMap<String, String>, Error> {
    let config = manifest.config();
    let set = |value: &Option<String>| value.clone().unwrap_or_default();
    let mut facts = BTreeMap::from([
        ("the entrypoint".to_owned(), config.entrypoint.join(" ")),
        ("the list of arguments".to_owned(), config.args.join(" ")),
        ("the user".to_owned(), set(&config.user)),
        ("the author".to_owned(), set(&config.author)),
        ("the time".to_owned(), set(&config.created)),
    ]);
    let maps = [
        ("variable", &config.env),
        ("label", &config.labels),
        ("annotation", manifest.annotations()),
    ];
    for (what, map) in maps {
        facts.extend(map.iter().map(|(name, value)| (format!("the {what} {name}"), value.clone())));
    }
    for file in manifest.included()? {
        facts.insert(format!("the file {}", file.path()), file.digest().to_string());
    }
    Ok(facts)
}
