//! All settings resolved, before anything is done.

use std::str::FromStr;

use serde_json::json;
use wasm_oci_core::compat::engines::{EngineSelector, formats_for};
use wasm_oci_core::compat::runtimes::RequiredRuntime;
use wasm_oci_core::image::{
    Created, Digest, Digester, Format, ImageSettings, IncludedFile, Platform, Reference, Tag,
};
use wasm_oci_core::module::{Level, OptimizeOptions, Optimizer, ValidateOptions, WasmOpt};

use crate::config::budget::Budget;
use crate::config::settings::Settings;
use crate::error::{Error, SettingsError};

/// Counts the changes of what is made of the same module with the same options in one version, so that what an earlier
/// build of ours has kept is not taken for it.
pub const CACHE_VERSION: u32 = 2;

/// What will be done to one module. `--dry-run` prints it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How to optimize.
    pub optimize: OptimizeOptions,
    /// What to accept.
    pub validate: ValidateOptions,
    /// The runtimes that have to run the module without an option.
    pub runtimes: Vec<RequiredRuntime>,
    /// How large it may be.
    pub budget: Budget,
    /// What goes into the image.
    pub image: ImageSettings,
    /// Whom the images are for, if that is said.
    pub engines: Vec<EngineSelector>,
    /// The formats to make, the main one first.
    pub formats: Vec<Format>,
    /// The tags of the main format.
    pub tags: Vec<Tag>,
    /// The repository of the images, if one was named.
    pub repository: Option<Reference>,
}

impl Plan {
    /// Makes the plan for the module `name` of all settings. Files to include are read here.
    ///
    /// # Errors
    /// What can't be parsed or read, by the setting's name.
    pub fn resolve(name: &str, settings: &Settings) -> Result<Plan, Error> {
        let engines =
            parsed::<EngineSelector>("for", settings.engines.as_deref())?.unwrap_or_default();
        let formats = formats(settings, &engines)?;
        let level = match &settings.optimize {
            Some(level) => Level::from_str(level).map_err(|e| meaning("optimize", &e))?,
            None => default_level(&formats),
        };
        let defaults = ImageSettings::new(name);
        let image = ImageSettings {
            entrypoint: settings.entrypoint.clone(),
            args: settings.args.clone().unwrap_or_default(),
            env: settings.env.clone(),
            user: settings.user.clone(),
            labels: settings.labels.clone(),
            annotations: settings.annotations.clone(),
            include: included(settings)?,
            created: parsed_one::<Created>("created", settings.created.as_ref())?
                .unwrap_or(Created::EPOCH),
            author: settings.author.clone(),
            linux_platforms: parsed::<Platform>(
                "linux-platforms",
                settings.linux_platforms.as_deref(),
            )?
            .unwrap_or(defaults.linux_platforms),
            artifact_os: settings.artifact_os.clone(),
            name: defaults.name,
        };
        // Now, and not after minutes of building.
        image.check(&formats)?;
        let (tags, repository) = names(name, settings)?;
        Ok(Plan {
            tags,
            repository,
            optimize: OptimizeOptions {
                level,
                debug_info: parsed_one("debug-info", settings.debug_info.as_ref())?
                    .unwrap_or_default(),
                optimizer: match &settings.wasm_opt {
                    Some(program) => Optimizer::External(WasmOpt::find(program)?),
                    None => Optimizer::Bundled,
                },
                compressed: formats.first().is_some_and(|format| format.has_root_filesystem()),
            },
            validate: ValidateOptions {
                allow_imports: settings
                    .allow_imports
                    .clone()
                    .unwrap_or_default()
                    .into_iter()
                    .collect(),
                deny: parsed("deny", settings.deny.as_deref())?.into_iter().flatten().collect(),
                ..ValidateOptions::default()
            },
            runtimes: parsed("runtimes", settings.runtimes.as_deref())?.unwrap_or_default(),
            budget: Budget::resolve(&settings.size_budget)?,
            image,
            engines,
            formats,
        })
    }

    /// The tags of one of the formats: those of the plan for the main format, `<tag>-<format>` for another.
    ///
    /// # Errors
    /// When a tag gets too long by it.
    pub fn tags_of(&self, format: Format) -> Result<Vec<Tag>, Error> {
        tags_of(&self.tags, &self.formats, format)
    }

    /// Names everything that decides the images' bytes and tags: the same fingerprint, the same images. `module` is
    /// the digest of the module as it was built.
    #[must_use]
    pub fn fingerprint(&self, module: Digest) -> Digest {
        let mut digester = Digester::default();
        digester.update(
            format!(
                "{} {CACHE_VERSION} {} {:?}",
                env!("CARGO_PKG_VERSION"),
                self.optimize,
                self.without_content()
            )
            .as_bytes(),
        );
        for file in &self.image.include {
            digester.update(Digest::of(file.content()).to_string().as_bytes());
        }
        digester.update(module.to_string().as_bytes());
        digester.finish()
    }

    /// The plan with the included files' paths alone, and without what only refuses.
    fn without_content(&self) -> Plan {
        let mut plan = self.clone();
        plan.budget = Budget::default();
        plan.image.include.clear();
        for file in &self.image.include {
            plan.image.include.extend(IncludedFile::new(file.path(), *b""));
        }
        plan
    }

    /// The plan for people and scripts, as JSON.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let image = &self.image;
        json!({
            "name": image.name,
            "for": self.engines,
            "formats": self.formats.iter().map(Format::to_string).collect::<Vec<_>>(),
            "tags": self.tags.iter().map(Tag::to_string).collect::<Vec<_>>(),
            "repository": self.repository.as_ref().map(Reference::name),
            "optimize": self.optimize.level.name(),
            "optimizer": self.optimize.optimizer.to_string(),
            "debug-info": self.optimize.debug_info.name(),
            "allow-imports": self.validate.allow_imports,
            "deny": self.validate.deny,
            "size-budget": self.budget,
            "runtimes": self.runtimes,
            "linux-platforms": image.linux_platforms.iter().map(Platform::to_string).collect::<Vec<_>>(),
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

/// Those that are named, or else those for the engines.
fn formats(settings: &Settings, engines: &[EngineSelector]) -> Result<Vec<Format>, Error> {
    match parsed("format", settings.format.as_deref())? {
        Some(_) if !engines.is_empty() => Err(meaning(
            "for",
            &"`format` says already which formats are made: leave one of them out",
        )),
        Some(formats) => Ok(formats),
        None if engines.is_empty() => Ok(vec![Format::default()]),
        None => Ok(formats_for(engines)?.into_iter().map(|(format, _)| format).collect()),
    }
}

/// `tags` as one of several `formats` has them: as they are for the first, `<tag>-<format>` for another.
/// Tags of one of several formats.
///
pub fn tags_of(tags: &[Tag], formats: &[Format], format: Format) -> Result<Vec<Tag>, Error> {
    if formats.first() == Some(&format) {
        return Ok(tags.to_vec());
    }
    tags.iter().map(|tag| tag.suffixed(format.name()).map_err(Error::from)).collect()
}

/// The tags, and the repository that was named beside them or among them: a tag may be written alone, as ko has
/// it, or as a whole reference, as Docker has it.
fn names(name: &str, settings: &Settings) -> Result<(Vec<Tag>, Option<Reference>), Error> {
    // What is meant for all programs of a workspace, in the environment, is also there for a single module.
    let repository =
        settings.repository.as_ref().map(|repository| repository.replace("{bin}", name));
    let mut repository = parsed_one::<Reference>("repository", repository.as_ref())?;
    let mut tags: Vec<Tag> =
        repository.as_ref().and_then(Reference::tag).cloned().into_iter().collect();
    for text in settings.tags.iter().flatten() {
        let tag = match text.parse::<Tag>() {
            Ok(tag) => tag,
            Err(_) => {
                let reference: Reference = text.parse().map_err(|e| meaning("tags", &e))?;
                match &repository {
                    Some(other) if other.name() != reference.name() => {
                        let reason =
                            format!("`{text}` is in another repository than {}", other.name());
                        return Err(meaning("tags", &reason));
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
    if tags.is_empty() {
        tags.push(Tag::latest());
    }
    Ok((tags, repository))
}

/// What is compressed into a tar is most often smallest after a little optimizing, what is sent as it is after
/// much (`docs/optimizing.md` has the measurements).
fn default_level(formats: &[Format]) -> Level {
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
    files.sort_by(|a, b| a.path().cmp(b.path()));
    Ok(files)
}

fn meaning(key: &'static str, reason: &dyn ToString) -> Error {
    SettingsError::Meaning { key, reason: reason.to_string() }.into()
}

fn parsed_one<T: FromStr<Err: ToString>>(
    key: &'static str,
    value: Option<&String>,
) -> Result<Option<T>, Error> {
    value.map(|text| text.parse().map_err(|e: T::Err| meaning(key, &e))).transpose()
}

fn parsed<T: FromStr<Err: ToString>>(
    key: &'static str,
    list: Option<&[String]>,
) -> Result<Option<Vec<T>>, Error> {
    let Some(list) = list else { return Ok(None) };
    let parse = |text: &String| text.trim().parse().map_err(|e: T::Err| meaning(key, &e));
    list.iter().map(parse).collect::<Result<_, _>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::budget::BudgetSetting;

    fn plan(settings: Settings) -> Plan {
        Plan::resolve("app", &settings).unwrap()
    }

    fn formats(names: &[&str]) -> Settings {
        Settings {
            format: Some(names.iter().map(|&name| name.to_owned()).collect()),
            ..Settings::default()
        }
    }

    #[test]
    fn the_level_fits_what_is_sent() {
        assert_eq!(plan(Settings::default()).optimize.level, Level::O1);
        assert_eq!(plan(formats(&["module"])).optimize.level, Level::Oz);
        assert_eq!(plan(formats(&["container", "module"])).optimize.level, Level::O1);
        let off = Settings { optimize: Some("off".into()), ..formats(&["module"]) };
        assert_eq!(plan(off).optimize.level, Level::Off);
    }

    #[test]
    fn formats_are_chosen_for_an_audience() {
        let of = |names: &[&str]| Settings {
            engines: Some(names.iter().map(|&name| name.to_owned()).collect()),
            ..Settings::default()
        };
        assert_eq!(plan(of(&["docker", "podman"])).formats, [Format::Universal]);
        assert_eq!(plan(of(&["wkg", "docker"])).formats, [Format::Universal, Format::Artifact]);
        let both = Settings { format: formats(&["module"]).format, ..of(&["wkg"]) };
        let error = Plan::resolve("app", &both).unwrap_err().to_string();
        assert!(error.contains("`for`") && error.contains("`format`"), "{error}");
    }

    #[test]
    fn only_the_first_format_takes_the_tags() {
        let plan = plan(Settings {
            tags: Some(vec!["1".into(), "1.2".into()]),
            ..formats(&["universal", "artifact"])
        });
        let tags =
            |format| plan.tags_of(format).unwrap().iter().map(Tag::to_string).collect::<Vec<_>>();
        assert_eq!(tags(Format::Universal), ["1", "1.2"]);
        assert_eq!(tags(Format::Artifact), ["1-artifact", "1.2-artifact"]);
    }

    #[test]
    fn a_tag_may_be_a_whole_reference() {
        let tags = |tags: &[&str], repository: Option<&str>| {
            let tags = Some(tags.iter().map(|&tag| tag.to_owned()).collect());
            Plan::resolve(
                "app",
                &Settings {
                    tags,
                    repository: repository.map(str::to_owned),
                    ..Settings::default()
                },
            )
        };
        let plan = tags(&["1", "ghcr.io/a/app:2", "ghcr.io/a/app"], None).unwrap();
        assert_eq!(plan.tags.iter().map(Tag::as_str).collect::<Vec<_>>(), ["1", "2", "latest"]);
        assert_eq!(plan.repository.unwrap().name(), "ghcr.io/a/app");
        let plan = tags(&[], Some("ghcr.io/a/app:3")).unwrap();
        assert_eq!(plan.tags.iter().map(Tag::as_str).collect::<Vec<_>>(), ["3"]);
        assert!(tags(&["ghcr.io/a/app:2"], Some("ghcr.io/b/app")).is_err());
        let plan = tags(&["1"], Some("ghcr.io/a/{bin}")).unwrap();
        assert_eq!(plan.repository.unwrap().name(), "ghcr.io/a/app");
    }

    #[test]
    fn a_fingerprint_sees_every_input() {
        let base = plan(Settings::default()).fingerprint(Digest::of(b"module"));
        assert_eq!(plan(Settings::default()).fingerprint(Digest::of(b"module")), base);
        assert_ne!(plan(Settings::default()).fingerprint(Digest::of(b"other")), base);
        assert_ne!(
            plan(Settings { user: Some("1".into()), ..Settings::default() })
                .fingerprint(Digest::of(b"module")),
            base
        );
        let budget = BudgetSetting { module: Some("1 kB".into()), image: None };
        let size_budget = Settings { size_budget: budget, ..Settings::default() };
        assert_eq!(plan(size_budget).fingerprint(Digest::of(b"module")), base);
        let with = |content: &'static [u8]| {
            let mut plan = plan(Settings::default());
            plan.image.include = vec![IncludedFile::new("a", content).unwrap()];
            plan.fingerprint(Digest::of(b"module"))
        };
        assert_ne!(with(b"1"), base);
        assert_ne!(with(b"1"), with(b"2"));
    }

    #[test]
    fn nonsense_is_named() {
        let error =
            Plan::resolve("app", &Settings { created: Some("now".into()), ..Settings::default() });
        let error = error.unwrap_err().to_string();
        assert!(error.contains("`created`") && error.contains("`now`"), "{error}");
    }
}
