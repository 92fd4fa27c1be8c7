//! Stages of both commands: from a built module to images at their destinations.

use std::path::Path;

use wasm_oci_core::compat::engines::Shape;
use wasm_oci_core::compat::runtimes::require;
use wasm_oci_core::image::{Format, Image, ImageSettings, Manifest, Reference, Tag, assemble};
use wasm_oci_core::module::{
    BuiltModule, Level, Report, ValidateOptions, ValidatedModule, validate,
};
use wasm_oci_core::store::{ArchiveImage, DryRun, Layout, Silent, save, write_archive};

use crate::config::plan::Plan;
use crate::error::Error;
use crate::pipeline::optimize_cache::OptimizedCache;
use crate::pipeline::packed::{Packed, Sizes, TaggedImage};
use crate::pipeline::standalone::add_natives;
use crate::pipeline::{budget, engines};
use crate::registry::connection::Connections;
use crate::ui::shell::Shell;

/// Annotation with the capabilities of the module: names of [`Capability`](wasm_oci_core::module::Capability), separated by
/// commas.
pub const CAPABILITIES: &str = "io.github.wasm-oci.capabilities";

/// Annotation with the optimizer and its level, such as `binaryen 116, level 1`.
pub const OPTIMIZED: &str = "io.github.wasm-oci.optimized";

/// Optimizes, validates and assembles a module as planned, and checks that it runs where it should. `last` is the file with the
/// sizes of the last build within the budget.
pub fn pack(
    module: BuiltModule,
    plan: &Plan,
    cache: &OptimizedCache,
    last: Option<&Path>,
    shell: &Shell,
) -> Result<Packed, Error> {
    if !plan.engines.is_empty() {
        shell.status("Choosing", engines::why(&plan.engines)?);
    }
    let validated = validated(module, plan, cache, shell)?;
    let mut images = Vec::new();
    let mut settings = annotated(plan, &validated);
    let Plan { formats, runners, downloads, .. } = plan;
    add_natives(&mut settings, formats, &validated, runners, *downloads, shell)?;
    for (image, &format) in
        assemble(&validated, &settings, &plan.formats)?.into_iter().zip(&plan.formats)
    {
        warn_of_losses(&settings, format, shell);
        images.push(TaggedImage { format, image, tags: plan.tags_of(format)? });
    }
    // The images themselves, because an engine also depends on the kind of module and on files, not on the format alone.
    engines::require(&plan.image.name, &plan.engines, &images)?;
    // The budget comes last, because only assembled images have a compressed size.
    let compressed = images.first().map_or(0, |main| compressed(&main.image));
    let sizes =
        Sizes { raw: validated.raw_size(), optimized: validated.bytes().len() as u64, compressed };
    budget::check(&plan.budget, &plan.image.name, &sizes, || Ok(validated.sizes()?), last)?;
    Ok(Packed { images, sizes, module: validated })
}

/// Warns of what an image of this format can't have.
pub fn warn_of_losses(settings: &ImageSettings, format: Format, shell: &Shell) {
    for lost in settings.left_out_of(format) {
        shell.warn(format_args!(
            "the format `{format}` holds nothing but the module, so that {lost} is left out"
        ));
    }
}

/// Returns the size of the layers that an engine downloads, of the largest manifest.
pub fn compressed(image: &Image) -> u64 {
    let size = |manifest: &Manifest| manifest.layers().iter().map(|it| it.descriptor().size).sum();
    image.manifests().iter().map(size).max().unwrap_or_default()
}

/// Optimizes and validates a module as planned, and checks that the required runtimes run it.
pub fn validated(
    module: BuiltModule,
    plan: &Plan,
    cache: &OptimizedCache,
    shell: &Shell,
) -> Result<ValidatedModule, Error> {
    // Printed by the cache, because an earlier build may have optimized the same module.
    let announce =
        || shell.status("Optimizing", format_args!("{} ({})", plan.image.name, plan.optimize));
    // Before optimizing, which may merge an empty function with others.
    let empty_main = module.empty_main();
    let optimized = cache.optimize(module, &plan.optimize, announce)?;
    if let Some(note) = optimized.note() {
        shell.warn(format_args!("`{}` was not optimized: {note}", optimized.name()));
    }
    let module = validate(optimized, &plan.validate)?;
    for note in notes(module.report(), empty_main) {
        shell.warn(format_args!("`{}`: {note}", plan.image.name));
    }
    require(&module, &plan.runtimes)?;
    Ok(module)
}

/// Returns signs that a module does nothing. `empty_main` is the name of an empty `main` from before it was optimized.
pub fn notes(report: &Report, empty_main: Option<String>) -> Vec<String> {
    let mut notes = report.notes();
    notes.extend(empty_main.map(|main| {
        format!(
            "`{main}` is empty, so this program does nothing; crates often leave it out for Wasm (`#[cfg(target_family = \"wasm\")]`)"
        )
    }));
    notes
}

/// Returns the settings of the image with annotations about its module.
fn annotated(plan: &Plan, module: &ValidatedModule) -> ImageSettings {
    let names: Vec<&str> =
        module.report().capabilities.iter().map(|capability| capability.name()).collect();
    let mut settings = plan.image.clone();
    // `or_insert`, because the user's own annotation of the same name counts.
    settings.annotations.entry(CAPABILITIES.to_owned()).or_insert_with(|| names.join(","));
    if plan.optimize.level != Level::Off {
        let optimized = || plan.optimize.to_string();
        settings.annotations.entry(OPTIMIZED.to_owned()).or_insert_with(optimized);
    }
    settings
}

/// Writes images into the layout at `path`.
pub async fn to_layout(images: &[TaggedImage], path: &Path, shell: &Shell) -> Result<(), Error> {
    let layout = Layout::create(path)?;
    for TaggedImage { image, tags, .. } in images {
        save(image, &layout, tags, &shell.transfer()).await?;
    }
    Ok(())
}

/// Writes images into one archive at `path`, with names in `repository`.
pub fn to_archive(images: &[TaggedImage], path: &Path, repository: &str) -> Result<(), Error> {
    let images: Vec<_> = images
        .iter()
        .map(|tagged| ArchiveImage { image: &tagged.image, tags: &tagged.tags })
        .collect();
    Ok(write_archive(path, repository, &images)?)
}

/// Pushes images to a repository. The tags of an incomplete image are unchanged.
pub async fn to_registry(
    images: &[TaggedImage],
    repository: &Reference,
    connections: &Connections,
    shell: &Shell,
) -> Result<(), Error> {
    let registry = connections.registry(repository)?;
    for TaggedImage { image, tags, format } in images {
        shell.status("Pushing", format_args!("{} as {format}", with_tags(repository, tags)));
        let transfer = shell.upload(with_tags(repository, tags));
        save(image, &registry, tags, &transfer).await?;
        // Not reached after a failure: `transfer` then prints how many blobs have arrived.
        transfer.complete();
        if shell.is_verbose() {
            let tagged = tags.first().map(|tag| repository.with_tag(tag.clone()));
            let pushed = tagged.unwrap_or_else(|| repository.with_digest(image.digest()));
            for line in engines::how_to_run(&Shape::of(image)?, &pushed) {
                shell.verbose("Runs", line);
            }
        }
    }
    Ok(())
}

/// Checks which blobs a repository has, and prints the requests that a push would send.
pub async fn dry_run(
    images: &[TaggedImage],
    repository: &Reference,
    connections: &Connections,
    shell: &Shell,
) -> Result<(), Error> {
    let registry = connections.registry(repository)?;
    // One for all images, which may share blobs.
    let dry_run = DryRun::of(&registry);
    for TaggedImage { image, tags, .. } in images {
        save(image, &dry_run, tags, &Silent).await?;
    }
    dry_run.into_requests().into_iter().try_for_each(|request| shell.print(request))
}

/// Returns `repository:tag,tag`, for messages.
pub fn with_tags(repository: &Reference, tags: &[Tag]) -> String {
    let tags: Vec<&str> = tags.iter().map(Tag::as_str).collect();
    format!("{}:{}", repository.name(), tags.join(","))
}

/// Validates a module to inspect it: no import is refused.
pub fn any_imports(module: BuiltModule) -> Result<ValidatedModule, Error> {
    Ok(validate(module.unoptimized(), &ValidateOptions::any_import())?)
}
