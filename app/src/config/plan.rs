//! The plan: all settings resolved, before anything is built.

use serde_json::json;
use wasm_oci_core::compat::engines::{EngineSelector, formats_for};
use wasm_oci_core::compat::runtimes::RequiredRuntime;
use wasm_oci_core::image::{Created, Digest, Format, ImageSettings, IncludedFile, Reference, Tag};
use wasm_oci_core::module::{Level, OptimizeOptions, Optimizer, ValidateOptions, WasmOpt};

use crate::config::budget::Budget;
use crate::config::runner::Runner;
use crate::config::settings::Settings;
use crate::config::template::expand;
use crate::config::typed::TagOrReference;
use crate::error::{Error, SettingsError};

/// Version of our output for the same module and options. Increase it whenever that output changes within one version of the
/// package, so that cached results of earlier builds are not used.
pub const CACHE_VERSION: u32 = 2;

/// The plan for one module. `--dry-run` prints it.
#[derive(Debug, Clone)]
pub struct Plan {
    pub optimize: OptimizeOptions,
    pub validate: ValidateOptions,
    /// Runtimes that must run the module without an option.
    pub runtimes: Vec<RequiredRuntime>,
    pub budget: Budget,
    pub image: ImageSettings,
    /// Runners of standalone images, instead of those of this version.
    pub runners: Vec<Runner>,
    /// True if building a runner may download what it needs.
    pub downloads: bool,
    /// Engines that must start the images.
    pub engines: Vec<EngineSelector>,
    /// The main format comes first.
    pub formats: Vec<Format>,
    /// Tags of the main format.
    pub tags: Vec<Tag>,
    pub repository: Option<Reference>,
}

impl Plan {
    /// Makes the plan for the module `name`, and reads the files to include.
    pub fn resolve(name: &str, settings: &Settings) -> Result<Plan, Error> {
        let engines = settings.engines.clone().unwrap_or_default();
        let formats = formats(settings, &engines)?;
        let image = image(name, settings, included(settings)?);
        image.check(&formats)?;
        image.check_entrypoint(&formats)?;
        let (tags, repository) = names(name, settings)?;
        Ok(Plan {
            runners: Runner::read_all(settings.runners.as_deref().unwrap_or_default())?,
            downloads: settings.install_target.unwrap_or(true),
            tags,
            repository,
            optimize: OptimizeOptions {
                level: settings.optimize.unwrap_or_else(|| default_level(&formats)),
                debug_info: settings.debug_info.unwrap_or_default(),
                // The program is looked up now, because its version decides the bytes and is part of the fingerprint.
                optimizer: match &settings.wasm_opt {
                    Some(program) => Optimizer::External(WasmOpt::find(program)?),
                    None => Optimizer::Bundled,
                },
                // Binaryen's packing of data makes a module smaller, but its compressed layer up to 4 % larger.
                compressed: formats.first().is_some_and(|format| format.has_root_filesystem()),
            },
            validate: ValidateOptions {
                allow_imports: settings.allow_imports.iter().flatten().cloned().collect(),
                deny: settings.deny.iter().flatten().copied().collect(),
                ..ValidateOptions::default()
            },
            runtimes: settings.runtimes.clone().unwrap_or_default(),
            budget: settings.size_budget,
            image,
            engines,
            formats,
        })
    }

    /// Checks what a plan needs, without reading files, which a build may write.
    pub fn check(name: &str, settings: &Settings) -> Result<(), Error> {
        let formats = formats(settings, &settings.engines.clone().unwrap_or_default())?;
        image(name, settings, Vec::new()).check(&formats)?;
        let (tags, _) = names(name, settings)?;
        formats.iter().try_for_each(|format| tags_of(&tags, &formats, *format).map(drop))
    }

    /// Returns the tags of one of the formats: those of the plan for the main format, `<tag>-<format>` for another.
    pub fn tags_of(&self, format: Format) -> Result<Vec<Tag>, Error> {
        tags_of(&self.tags, &self.formats, format)
    }

    /// Plans universal images in the place of standalone ones, and returns true if there were any.
    pub fn leave_out_native_programs(&mut self) -> bool {
        match self.formats.iter_mut().find(|format| **format == Format::Standalone) {
            None => return false,
            Some(format) => *format = Format::Universal,
        }
        let mut seen = std::collections::BTreeSet::new();
        self.formats.retain(|format| seen.insert(*format));
        true
    }

    /// Returns the digest of everything that decides the images' bytes and tags: the same fingerprint, the same images.
    /// `module` is the digest of the module as it was built.
    pub fn fingerprint(&self, module: Digest) -> Digest {
        // Without `..`, so that a new field doesn't compile until somebody decides whether it belongs here. A budget only
        // refuses images.
        let Plan {
            optimize,
            validate,
            budget: _,
            image,
            engines,
            formats,
            tags,
            repository,
            runtimes,
            runners,
            // Changes no image.
            downloads: _,
        } = self;
        let OptimizeOptions { level, debug_info, optimizer, compressed } = optimize;
        let ValidateOptions { allow_imports, deny, allow_any_import } = validate;
        #[rustfmt::skip]
        let ImageSettings {
            name, entrypoint, args, env, user, labels, annotations, include, created, author, linux_platforms, artifact_os, compression,
            // Only images that are converted have these.
            module: _, working_dir: _, other: _,
            // Made from the module, by this version.
            natives: _,
        } = image;
        let files = include.iter().map(|file| (file.path(), file.digest()));
        let inputs = json!({
            "version": [env!("CARGO_PKG_VERSION"), &CACHE_VERSION.to_string()],
            "module": module,
            "optimize": [level.name(), debug_info.name(), &optimizer.to_string()],
            "compressed": compressed,
            "allow-imports": allow_imports,
            "allow-any-import": allow_any_import,
            "deny": deny,
            "runtimes": runtimes,
            "for": engines,
            "formats": texts(formats),
            "tags": texts(tags),
            "repository": repository.as_ref().map(Reference::to_string),
            "runners": runners.iter().map(Runner::digest).collect::<Vec<_>>(),
            "name": name,
            "entrypoint": entrypoint,
            "args": args,
            "env": env,
            "user": user,
            "labels": labels,
            "annotations": annotations,
            "include": files.collect::<Vec<_>>(),
            "created": created.to_string(),
            "author": author,
            "linux-platforms": texts(linux_platforms),
            "artifact-os": artifact_os,
            "layer-compression": compression.name(),
        });
        // Objects of `serde_json` are sorted, so the same inputs give the same text in every run.
        Digest::of(inputs.to_string().as_bytes())
    }

    pub fn to_json(&self) -> serde_json::Value {
        let image = &self.image;
        json!({
            "name": image.name,
            "for": self.engines,
            "formats": texts(&self.formats),
            "tags": texts(&self.tags),
            "repository": self.repository.as_ref().map(Reference::name),
            "optimize": self.optimize.level.name(),
            "optimizer": self.optimize.optimizer.to_string(),
            "debug-info": self.optimize.debug_info.name(),
            "allow-imports": self.validate.allow_imports,
            "deny": self.validate.deny,
            "size-budget": self.budget,
            "runtimes": self.runtimes,
            "linux-platforms": texts(&image.linux_platforms),
            "entrypoint": image.entrypoint,
            "args": image.args,
            "env": image.env,
            "user": image.user,
            "labels": image.labels,
            "annotations": image.annotations,
            "include": image.include.iter().map(IncludedFile::path).collect::<Vec<_>>(),
            "created": image.created.to_string(),
            "author": image.author,
        })
    }
}

fn image(name: &str, settings: &Settings, include: Vec<IncludedFile>) -> ImageSettings {
    let defaults = ImageSettings::new(name);
    ImageSettings {
        entrypoint: settings.entrypoint.clone(),
        args: settings.args.clone().unwrap_or_default(),
        env: settings.env.clone(),
        user: settings.user.clone(),
        labels: settings.labels.clone(),
        annotations: settings.annotations.clone(),
        include,
        created: settings.created.unwrap_or(Created::EPOCH),
        author: settings.author.clone(),
        linux_platforms: settings
            .linux_platforms
            .clone()
            .unwrap_or_else(ImageSettings::default_linux_platforms),
        artifact_os: settings.artifact_os.clone(),
        compression: settings.layer_compression.unwrap_or_default(),
        ..defaults
    }
}

/// Returns the formats that are set, otherwise those for the engines.
fn formats(settings: &Settings, engines: &[EngineSelector]) -> Result<Vec<Format>, Error> {
    match &settings.format {
        // The two come from the same source: of two sources, `Settings::over` keeps only the nearer choice.
        Some(_) if !engines.is_empty() => Err(SettingsError::invalid(
            "for",
            &"`format` chooses the formats; leave one of them out",
        )
        .into()),
        Some(formats) => Ok(formats.clone()),
        None if engines.is_empty() => Ok(vec![Format::default()]),
        None => Ok(formats_for(engines)?.into_iter().map(|(format, _)| format).collect()),
    }
}

/// Returns `tags` as one of several `formats` has them: unchanged for the first, `<tag>-<format>` for the others.
pub fn tags_of(tags: &[Tag], formats: &[Format], format: Format) -> Result<Vec<Tag>, Error> {
    // A tag points to one manifest or index only (distribution-spec, Pushing Manifests), so other formats need other tags.
    if formats.first() == Some(&format) {
        return Ok(tags.to_vec());
    }
    tags.iter().map(|tag| tag.suffixed(format.name()).map_err(Error::from)).collect()
}

/// Returns the tags and the repository. The repository may be a setting of its own or part of a tag.
fn names(name: &str, settings: &Settings) -> Result<(Vec<Tag>, Option<Reference>), Error> {
    // A repository from the environment may be a pattern for all programs of a workspace.
    let repository = settings.repository.as_ref().map(|text| expand(text, &[("{bin}", name)]).text);
    let parsed = repository.map(|text| text.parse::<Reference>()).transpose();
    let mut repository = parsed.map_err(|e| SettingsError::invalid("repository", &e))?;
    let mut tags: Vec<Tag> =
        repository.as_ref().and_then(Reference::tag).cloned().into_iter().collect();
    for tag in settings.tags.iter().flatten() {
        let tag = match tag {
            TagOrReference::Tag(tag) => tag.clone(),
            TagOrReference::Reference(reference) => {
                match &repository {
                    Some(other) if other.name() != reference.name() => {
                        let reason =
                            format!("`{reference}` is in another repository than {}", other.name());
                        return Err(SettingsError::invalid("tags", &reason).into());
                    }
                    _ => repository = Some(reference.clone()),
                }
                reference.tag().cloned().unwrap_or_else(Tag::latest)
            }
        };
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    // Docker, podman and ko use `latest` for an image without a tag, too.
    if tags.is_empty() {
        tags.push(Tag::latest());
    }
    Ok((tags, repository))
}

fn default_level(formats: &[Format]) -> Level {
    // Compressed layers are usually smallest after light optimizing, bare modules after heavy optimizing (measured in
    // `docs/optimizing.md`).
    if formats.first().is_some_and(|format| format.has_root_filesystem()) {
        Level::O1
    } else {
        Level::Oz
    }
}

fn included(settings: &Settings) -> Result<Vec<IncludedFile>, Error> {
    let mut files = Vec::new();
    for (path, host) in &settings.include {
        files.extend(IncludedFile::read(host, path)?);
    }
    // The order of files in a layer decides its digest.
    files.sort_by(|a, b| a.path().cmp(b.path()));
    Ok(files)
}

fn texts(items: &[impl ToString]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests;
