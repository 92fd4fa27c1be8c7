//! From the user's arguments to images in layouts.

use std::path::{Path, PathBuf};

use wasm_oci_app::config::budget::Budget;
use wasm_oci_app::config::env_vars;
use wasm_oci_app::config::plan::Plan;
use wasm_oci_app::config::settings::Settings;
use wasm_oci_app::error::Error;
use wasm_oci_app::error::SettingsError;
use wasm_oci_app::files::write;
use wasm_oci_app::pipeline::budget;
use wasm_oci_app::pipeline::messages::{ImageMessage, Places};
use wasm_oci_app::pipeline::optimize_cache::OptimizedCache;
use wasm_oci_app::pipeline::packed::{Sizes, TaggedImage};
use wasm_oci_app::pipeline::stages::{pack, to_layout, validated};
use wasm_oci_app::runtime::block_on;
use wasm_oci_app::ui::shell::Shell;
use wasm_oci_core::image::{Digest, Format, Tag};
use wasm_oci_core::module::{BuiltModule, ValidatedModule};
use wasm_oci_core::store::{Layout, Name, load};

use crate::cargo::build::{Built, BuiltProject, Event, Settings as BuildSettings, build};
use crate::cargo::c::choice::Choice;
use crate::cargo::env::CargoEnv;
use crate::cargo::git::{PendingRevision, Revision};
use crate::cargo::project::{Project, Workspace};
use crate::cargo::remap::leaked_paths;
use crate::cargo::selection::Selection;
use crate::cargo::target::WasiTarget;
use crate::detect::{detected, expanded};
use crate::failure::Failure;
use crate::stamp::Stamp;

/// What the user asked for, whichever the command.
#[derive(Debug, Clone)]
pub struct Request {
    /// What cargo is to build.
    pub selection: Selection,
    /// What the flags set.
    pub flags: Settings,
    /// The layout to write instead of the one in the target directory.
    pub layout: Option<PathBuf>,
    /// Where everything goes that is made, layouts as well, instead of a folder in the target directory: for what is only
    /// looked at.
    pub folder: Option<PathBuf>,
    /// Refuse programs over their size budget: what only runs here may be of any size.
    pub enforce_budget: bool,
    /// Print JSON, cargo's own messages included.
    pub json: bool,
    /// Go through all stages, whatever an earlier build made.
    pub no_cache: bool,
}

impl Request {
    /// A request for what is selected, with these flags, and nothing out of the ordinary.
    #[must_use]
    pub fn new(selection: Selection, flags: Settings) -> Request {
        Request {
            selection,
            flags,
            layout: None,
            folder: None,
            enforce_budget: false,
            json: false,
            no_cache: false,
        }
    }
}

/// A program whose images are in a layout.
#[derive(Debug)]
pub struct Made {
    /// The program.
    pub project: Project,
    /// Its settings.
    pub settings: Settings,
    /// Its plan.
    pub plan: Plan,
    /// The layout.
    pub layout: PathBuf,
    /// The module as cargo built it.
    pub wasm: PathBuf,
    /// The module in the images with the names of its functions.
    pub debug_file: PathBuf,
    /// The module's sizes.
    pub sizes: Sizes,
    /// The images, the main format first.
    pub images: Vec<MadeImage>,
    /// Whether they were there already.
    pub fresh: bool,
}

/// An image in a layout.
#[derive(Debug)]
pub struct MadeImage {
    /// Its format.
    pub format: Format,
    /// Its digest.
    pub digest: Digest,
    /// The size of all its blobs in bytes.
    pub size: u64,
    /// Its tags.
    pub tags: Vec<Tag>,
}

/// Builds every selected program and packs each into its layout.
///
/// # Errors
/// What the first stage that failed failed with. Layouts of programs before it are complete, those after it as
/// they were.
pub fn make(request: &Request, shell: &Shell) -> Result<Vec<Made>, Failure> {
    let env = CargoEnv::from_process()?;
    let selection = &request.selection;
    let mut revision = None;
    // git answers while cargo builds.
    let built = build_all(&env, request, shell, &mut || {
        revision
            .get_or_insert_with(|| PendingRevision::start(&env, &project_folder(&env, selection)));
    })?;
    let revision = revision.flatten().and_then(|pending| {
        pending.finish(Some(&built.workspace.target_dir().join("wasm-oci/.commit.json")))
    });
    let programs: Vec<Program<'_>> = built
        .projects
        .iter()
        .map(|project| Program::resolve(request, &built, project, revision.as_ref()))
        .collect::<Result<_, _>>()?;
    programs.into_iter().map(|program| program.make(&built, shell)).collect()
}

/// A program that was built, and its module as it would be in an image.
#[derive(Debug)]
pub struct Optimized {
    /// The program.
    pub project: Project,
    /// Its settings.
    pub settings: Settings,
    /// Its module.
    pub module: ValidatedModule,
}

/// Builds every selected program, and optimizes and validates its module as planned. Writes no image.
///
/// # Errors
/// What the first stage that failed failed with.
pub fn modules(request: &Request, shell: &Shell) -> Result<Vec<Optimized>, Failure> {
    let env = CargoEnv::from_process()?;
    let built = build_all(&env, request, shell, &mut || {})?;
    let cache = cache(request, &built.workspace);
    let optimized = |BuiltProject { project, given, wasm, .. }: BuiltProject<Settings>| {
        let settings = settings(given, &project, None);
        let plan = Plan::resolve(&project.target, &settings)?;
        let module = validated(BuiltModule::read(&wasm)?, &plan, &cache, shell)?;
        Ok(Optimized { project, settings, module })
    };
    built.projects.into_iter().map(optimized).collect()
}

/// A selected program, before anything is done.
#[derive(Debug)]
pub struct Resolved {
    /// The program.
    pub project: Project,
    /// Its settings.
    pub settings: Settings,
    /// Its plan.
    pub plan: Plan,
    /// What it is built for.
    pub target: WasiTarget,
}

impl Resolved {
    /// The plan for people and scripts, as JSON.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let mut plan = self.plan.to_json();
        plan["target"] = self.target.name().into();
        plan
    }
}

/// Every selected program with its plan, without building.
///
/// # Errors
/// What is wrong with the settings or the selection.
pub fn resolve(request: &Request) -> Result<Vec<Resolved>, Failure> {
    let env = CargoEnv::from_process()?;
    let revision = PendingRevision::start(&env, &project_folder(&env, &request.selection))
        .and_then(|pending| pending.finish(None));
    let workspace = Workspace::load(&env, &request.selection)?;
    let projects = workspace.projects(&request.selection)?;
    projects
        .into_iter()
        .map(|project| {
            let given = given_settings(request, &workspace, &project)?;
            let settings = settings(given, &project, revision.as_ref());
            let plan = Plan::resolve(&project.target, &settings)?;
            let target = parsed_target(Some(target_name(&settings)))?;
            Ok(Resolved { project, settings, plan, target })
        })
        .collect()
}

fn project_folder(env: &CargoEnv, selection: &Selection) -> PathBuf {
    let manifest = selection.manifest_path.as_ref().map(|path| env.cwd().join(path));
    manifest.as_deref().and_then(Path::parent).unwrap_or(env.cwd()).to_owned()
}

fn build_all(
    env: &CargoEnv,
    request: &Request,
    shell: &Shell,
    meanwhile: &mut dyn FnMut(),
) -> Result<Built<Settings>, Failure> {
    let settings = |workspace: &Workspace, projects: &[Project]| {
        let all: Vec<Settings> = projects
            .iter()
            .map(|project| given_settings(request, workspace, project))
            .collect::<Result<_, _>>()?;
        let of_build = BuildSettings {
            target: parsed_target(agreed("target", &all, |settings| Some(target_name(settings)))?)?,
            small: agreed("small", &all, |settings| settings.small)?.unwrap_or(false),
            install_target: agreed("install-target", &all, |settings| settings.install_target)?
                .unwrap_or(true),
            c_compiler: parsed_choice(agreed("c-compiler", &all, |settings| {
                settings.c_compiler.clone()
            })?)?,
        };
        Ok::<_, Failure>((of_build, all))
    };
    let mut unheard = Ok(());
    let built = build(env, &request.selection, settings, &mut |event| match event {
        Event::InstallingTarget { target, command } => {
            shell.status("Installing", format_args!("{target} ({command})"))
        }
        Event::Building => meanwhile(),
        Event::CargoMessage(line) if request.json && unheard.is_ok() => unheard = shell.print(line),
        Event::CargoMessage(_) => {}
    })?;
    unheard?;
    Ok(built)
}

/// The modules of a workspace that were optimized before.
fn cache(request: &Request, workspace: &Workspace) -> OptimizedCache {
    match request.no_cache {
        true => OptimizedCache::none(),
        false => OptimizedCache::at(workspace.target_dir().join("wasm-oci/.optimized")),
    }
}

/// What a program is built for. Where nothing is said, that is a word, too: components are not for every consumer,
/// so that no program becomes one because another is.
fn target_name(settings: &Settings) -> String {
    settings.target.clone().unwrap_or_else(|| WasiTarget::default().to_string())
}

fn parsed_target(name: Option<String>) -> Result<WasiTarget, Failure> {
    let parsed = name.map(|name| name.parse()).transpose();
    Ok(parsed
        .map_err(|reason| SettingsError::Meaning { key: "target", reason })?
        .unwrap_or_default())
}

fn parsed_choice(name: Option<String>) -> Result<Choice, Failure> {
    let parsed = name.map(|name| name.parse()).transpose();
    Ok(parsed
        .map_err(|reason| SettingsError::Meaning { key: "c-compiler", reason })?
        .unwrap_or_default())
}

/// What programs have to agree on to be built in one go.
pub(crate) fn build_key(
    request: &Request,
    workspace: &Workspace,
    project: &Project,
) -> Result<impl PartialEq + use<>, Failure> {
    let given = given_settings(request, workspace, project)?;
    Ok((target_name(&given), given.small, given.install_target, given.c_compiler))
}

/// The value that all programs agree on: cargo builds them in one go.
fn agreed<T: PartialEq>(
    key: &'static str,
    all: &[Settings],
    value: impl Fn(&Settings) -> Option<T>,
) -> Result<Option<T>, Failure> {
    let mut values = all.iter().filter_map(value);
    let Some(first) = values.next() else { return Ok(None) };
    if values.any(|other| other != first) {
        let reason =
            "the selected packages disagree on it: set it in [workspace.metadata.wasm-oci], or build them \
                      one by one with -p"
                .to_owned();
        return Err(SettingsError::Meaning { key, reason }.into());
    }
    Ok(Some(first))
}

/// What the user says of a program, wherever.
fn given_settings(
    request: &Request,
    workspace: &Workspace,
    project: &Project,
) -> Result<Settings, Failure> {
    let of_table = |metadata: Option<&serde_json::Value>, table: &str, manifest: &Path| {
        let folder = manifest.parent().unwrap_or(Path::new("."));
        let table = format!("[{table}] of {}", manifest.display());
        let read = |metadata| Settings::from_metadata(metadata, &project.target, &table, folder);
        metadata.map(read).transpose().map(Option::unwrap_or_default)
    };
    let package =
        of_table(project.metadata.as_ref(), "package.metadata.wasm-oci", &project.manifest_path)?;
    let of_all =
        of_table(workspace.metadata(), "workspace.metadata.wasm-oci", &workspace.manifest_path())?;
    Ok(request.flags.clone().over(env_vars::settings()).over(package).over(of_all))
}

/// All settings of a program.
fn settings(given: Settings, project: &Project, revision: Option<&Revision>) -> Settings {
    let mut settings = given.over(detected(project, revision));
    settings.repository = settings.repository.map(|repository| expanded(&repository, project));
    settings
}

/// A program that was built, with its plan.
struct Program<'a> {
    built: &'a BuiltProject<Settings>,
    settings: Settings,
    plan: Plan,
    layout: PathBuf,
    /// Nobody else keeps anything in the layout.
    owns_layout: bool,
    stamp: PathBuf,
    /// The module in the images with the names of its functions.
    debug_file: PathBuf,
    cache: OptimizedCache,
    no_cache: bool,
    /// Where the sizes of the last build within the budget are.
    sizes: PathBuf,
}

impl<'a> Program<'a> {
    fn resolve(
        request: &Request,
        all: &Built<Settings>,
        built: &'a BuiltProject<Settings>,
        revision: Option<&Revision>,
    ) -> Result<Program<'a>, Failure> {
        let name = &built.project.target;
        let settings = settings(built.given.clone(), &built.project, revision);
        let folder =
            request.folder.clone().unwrap_or_else(|| all.workspace.target_dir().join("wasm-oci"));
        let layout = match &request.layout {
            None => folder.join(name),
            Some(path) if all.projects.len() == 1 => path.clone(),
            Some(path) => path.join(name),
        };
        let stamp = folder.join(".stamps").join(format!("{name}.json"));
        let mut plan = Plan::resolve(name, &settings)?;
        if !request.enforce_budget {
            plan.budget = Budget::default();
        }
        Ok(Program {
            built,
            plan,
            settings,
            layout,
            owns_layout: request.layout.is_none(),
            stamp,
            debug_file: folder.join(format!("{name}.debug.wasm")),
            cache: cache(request, &all.workspace),
            no_cache: request.no_cache,
            sizes: folder.join(".sizes").join(format!("{name}.json")),
        })
    }

    /// Goes through the stages, unless they were gone through before with the same inputs.
    fn make(self, all: &Built<Settings>, shell: &Shell) -> Result<Made, Failure> {
        let (stamp, fresh) = match self.current_stamp()? {
            Some(stamp) => (stamp, true),
            None => (self.pack(all, shell)?, false),
        };
        let images: Vec<MadeImage> = stamp
            .images
            .iter()
            .map(|image| MadeImage {
                format: image.format(),
                digest: image.digest,
                size: image.size(),
                tags: image.tags(),
            })
            .collect();
        let verb = if fresh { "Fresh" } else { "Packed" };
        for image in &images {
            shell.status(
                verb,
                format_args!("{} as {} {}", self.plan.image.name, image.format, image.digest),
            );
        }
        let Program { built, settings, plan, layout, debug_file, .. } = self;
        let wasm = built.wasm.clone();
        let project = built.project.clone();
        Ok(Made {
            project,
            settings,
            plan,
            layout,
            wasm,
            debug_file,
            sizes: stamp.sizes,
            images,
            fresh,
        })
    }

    /// The record of an earlier build that had the same inputs.
    fn current_stamp(&self) -> Result<Option<Stamp>, Failure> {
        if self.no_cache || !self.debug_file.exists() {
            return Ok(None);
        }
        let Some(stamp) = Stamp::recall(&self.stamp) else { return Ok(None) };
        let wasm = &self.built.wasm;
        let known = stamp.digest_of(wasm).filter(|_| self.built.fresh);
        let digest = match known {
            Some(digest) => digest,
            None => Digest::of(BuiltModule::read(wasm)?.bytes()),
        };
        // What is too large is looked at once more, to say why.
        if !budget::allows(&self.plan.budget, &stamp.sizes)
            || !stamp.counts(self.plan.fingerprint(digest), &self.layout)
        {
            return Ok(None);
        }
        if known.is_some() {
            return Ok(Some(stamp));
        }
        // The same module in a new file, which needn't be read the next time.
        let stamp = stamp.of_file(wasm);
        stamp.keep(&self.stamp);
        Ok(Some(stamp))
    }

    fn pack(&self, all: &Built<Settings>, shell: &Shell) -> Result<Stamp, Failure> {
        let module = BuiltModule::read(&self.built.wasm)?;
        let digest = Digest::of(module.bytes());
        let folders: Vec<&Path> = all.folders.iter().map(PathBuf::as_path).collect();
        for path in leaked_paths(module.bytes(), &folders) {
            let name = &self.plan.image.name;
            shell.warn(format_args!(
                "`{name}` seems to hold a path of this machine, and so may differ on others: {path}"
            ));
        }
        let packed = pack(module, &self.plan, &self.cache, Some(&self.sizes), shell)?;
        block_on(to_layout(&packed.images, &self.layout, shell))?;
        if self.owns_layout {
            let prune = async { Layout::open(&self.layout)?.prune().await };
            // What was built before. That it can't be removed costs only space.
            block_on(prune).ok();
        }
        self.write_debug_file(packed.module.named())?;
        packed.sizes.show(shell);
        let fingerprint = self.plan.fingerprint(digest);
        let stamp = Stamp::new(&self.built.wasm, digest, fingerprint, &self.layout, &packed);
        if !self.no_cache {
            stamp.keep(&self.stamp);
        }
        Ok(stamp)
    }

    fn write_debug_file(&self, named: &[u8]) -> Result<(), Failure> {
        // A layout elsewhere doesn't make the folder.
        let folder = self.debug_file.parent().unwrap_or(Path::new("."));
        let made = std::fs::create_dir_all(folder);
        made.map_err(|source| Error::Write { path: folder.to_owned(), source })?;
        Ok(write(&self.debug_file, named)?)
    }
}

impl Made {
    /// The images themselves, read from the layout.
    ///
    /// # Errors
    /// What reading fails with.
    pub fn load(&self) -> Result<Vec<TaggedImage>, Failure> {
        let layout = Layout::open(&self.layout)?;
        let mut images = Vec::new();
        for MadeImage { format, digest, tags, .. } in &self.images {
            let image = block_on(load(&layout, &Name::Digest(*digest)))?;
            images.push(TaggedImage { format: *format, image, tags: tags.clone() });
        }
        Ok(images)
    }

    /// Prints what was made and where it is.
    ///
    /// # Errors
    /// When standard output can't be written.
    pub fn print(&self, places: &Places<'_>, shell: &Shell, json: bool) -> Result<(), Failure> {
        for MadeImage { format, digest, size, tags } in &self.images {
            let name = &self.project.target;
            let message = ImageMessage::of_parts(name, *format, *digest, *size, tags, places);
            let package = Some(self.project.package.clone());
            ImageMessage { package, fresh: self.fresh, module: Some(self.sizes), ..message }
                .print(shell, json)?;
        }
        Ok(())
    }
}
