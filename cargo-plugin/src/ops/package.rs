//! Packing compiled programs into images in layouts.

use std::path::{Path, PathBuf};

use wasm_oci_app::config::budget::Budget;
use wasm_oci_app::config::plan::Plan;
use wasm_oci_app::config::settings::Settings;
use wasm_oci_app::error::{Error as AppError, UsageError};
use wasm_oci_app::files::write;
use wasm_oci_app::pipeline::budget;
use wasm_oci_app::pipeline::messages::{ImageMessage, Places};
use wasm_oci_app::pipeline::optimize_cache::OptimizedCache;
use wasm_oci_app::pipeline::packed::{Sizes, TaggedImage};
use wasm_oci_app::pipeline::stages::{pack, to_layout, validated};
use wasm_oci_app::ui::shell::Shell;
use wasm_oci_core::fs::TrackedFile;
use wasm_oci_core::image::{Digest, Image};
use wasm_oci_core::module::{BuiltModule, ValidatedModule};
use wasm_oci_core::store::{Layout, Name, load};
use wasm_oci_core::trace::OrTrace;

use crate::cargo::batches::{name_of_none, unique_name};
use crate::cargo::git::Revision;
use crate::cargo::json_cache;
use crate::cargo::leaked_paths::leaked_paths;
use crate::cargo::project::{Project, Workspace};
use crate::error::Error;
use crate::ops::compile::{Compiled, CompiledProgram};
use crate::ops::record::{BuildRecord, BuiltImage};
use crate::ops::request::Request;
use crate::ops::resolve::all_settings;

/// A program and its images in a layout.
#[derive(Debug)]
pub struct BuiltImages {
    pub project: Project,
    pub settings: Settings,
    pub plan: Plan,
    pub layout: PathBuf,
    /// The module as cargo built it.
    pub wasm: PathBuf,
    /// The module in the images, with the names of its functions.
    pub debug_file: PathBuf,
    pub sizes: Sizes,
    /// At least one, with the main format first.
    pub images: Vec<BuiltImage>,
    /// True if an earlier build made them.
    pub fresh: bool,
}

/// A program and its module as it would be in an image.
#[derive(Debug)]
pub struct OptimizedProgram {
    pub project: Project,
    pub settings: Settings,
    pub module: ValidatedModule,
}

/// Packs each compiled program into its layout. If one fails, the layouts of programs before it are complete.
pub async fn package(
    request: &Request,
    compiled: &Compiled,
    revision: Option<&Revision>,
    shell: &Shell,
) -> Result<Vec<BuiltImages>, Error> {
    // All plans first: a wrong setting of the last program should not follow images of the others.
    let jobs: Vec<PackageJob<'_>> = compiled
        .programs
        .iter()
        .map(|program| PackageJob::new(request, compiled, program, revision))
        .collect::<Result<_, _>>()?;
    let mut built = Vec::new();
    for job in jobs {
        built.push(job.run(shell).await?);
    }
    Ok(built)
}

/// Optimizes and validates each module as planned, and writes no image.
pub fn optimize(
    request: &Request,
    compiled: Compiled,
    shell: &Shell,
) -> Result<Vec<OptimizedProgram>, Error> {
    let cache = cache(request, &compiled.workspace);
    let optimized = |CompiledProgram { project, explicit, module }| {
        let settings = all_settings(explicit, &project, None);
        let plan = Plan::resolve(&project.target, &settings)?;
        let module = validated(BuiltModule::read(&module.wasm)?, &plan, &cache, shell)?;
        Ok(OptimizedProgram { project, settings, module })
    };
    compiled.programs.into_iter().map(optimized).collect()
}

/// Returns the cache of a workspace's optimized modules.
fn cache(request: &Request, workspace: &Workspace) -> OptimizedCache {
    let dir = || workspace.target_dir().join("wasm-oci/.optimized");
    OptimizedCache::new((!request.no_cache).then(dir))
}

/// A compiled program, its plan, and the places to write to.
struct PackageJob<'a> {
    request: &'a Request,
    compiled: &'a Compiled,
    program: &'a CompiledProgram,
    settings: Settings,
    plan: Plan,
    layout: PathBuf,
    record: PathBuf,
    debug_file: PathBuf,
    cache: OptimizedCache,
    /// Sizes of the last build within the budget.
    sizes: PathBuf,
}

impl<'a> PackageJob<'a> {
    fn new(
        request: &'a Request,
        compiled: &'a Compiled,
        program: &'a CompiledProgram,
        revision: Option<&Revision>,
    ) -> Result<PackageJob<'a>, Error> {
        let target = &program.project.target;
        let name = &unique_name(&compiled.workspace, &program.project);
        let settings = all_settings(program.explicit.clone(), &program.project, revision);
        let in_target = || compiled.workspace.target_dir().join("wasm-oci");
        let folder = request.folder.clone().unwrap_or_else(in_target);
        let mut plan = Plan::resolve(target, &settings)?;
        plan.downloads &= !request.selection.is_offline();
        // Other images than those of `build`, which stay what they are.
        let kept = match request.runs_here && plan.leave_out_native_programs() {
            true => folder.join(".run"),
            false => folder.clone(),
        };
        let layout = match &request.layout {
            None => kept.join(name),
            Some(path) if compiled.programs.len() == 1 => path.clone(),
            Some(path) => path.join(name),
        };
        // A program that only runs on this machine may have any size.
        if !request.enforce_budget {
            plan.budget = Budget::default();
        }
        Ok(PackageJob {
            request,
            compiled,
            program,
            plan,
            settings,
            layout,
            record: kept.join(".records").join(format!("{name}.json")),
            debug_file: folder.join(format!("{name}.debug.wasm")),
            cache: cache(request, &compiled.workspace),
            sizes: folder.join(".sizes").join(format!("{name}.json")),
        })
    }

    /// Removes the layout that the program had before another got the same name: a script would push it as the new one.
    fn remove_outdated_layout(&self) {
        let Some(name) = name_of_none(&self.compiled.workspace, &self.program.project) else {
            return;
        };
        let outdated = self.layout.with_file_name(name);
        if self.request.layout.is_none() && Layout::is_at(&outdated) {
            fs_err::remove_dir_all(outdated).or_trace("remove an outdated layout");
        }
    }

    /// Packs the program, unless an earlier build did so with the same inputs.
    async fn run(self, shell: &Shell) -> Result<BuiltImages, Error> {
        self.remove_outdated_layout();
        let (record, fresh) = match self.fresh_record()? {
            Some(record) => (record, true),
            None => (self.pack(shell).await?, false),
        };
        let verb = if fresh { "Fresh" } else { "Packed" };
        let name = &self.plan.image.name;
        for BuiltImage { format, digest, .. } in &record.images {
            shell.status(verb, format_args!("{name} as {format} {digest}"));
        }
        Ok(BuiltImages {
            project: self.program.project.clone(),
            settings: self.settings,
            plan: self.plan,
            layout: self.layout,
            wasm: self.program.module.wasm.clone(),
            debug_file: self.debug_file,
            sizes: record.sizes,
            images: record.images,
            fresh,
        })
    }

    /// Returns the record of an earlier build, if it had the same inputs and its images are still there.
    fn fresh_record(&self) -> Result<Option<BuildRecord>, Error> {
        if self.request.no_cache || !self.debug_file.exists() {
            return Ok(None);
        }
        let Some(record) = json_cache::read::<BuildRecord>(&self.record) else { return Ok(None) };
        let module = &self.program.module;
        // Reading a large module takes longer than the rest of a build without a change.
        let known = record.digest_of(&module.wasm).filter(|_| module.fresh);
        let file = TrackedFile::of(&module.wasm);
        let digest = match known {
            Some(digest) => digest,
            None => Digest::of(BuiltModule::read(&module.wasm)?.bytes()),
        };
        // Packing again explains why a program is over its budget.
        let is_fresh = budget::allows(&self.plan.budget, &record.sizes)
            && record.is_fresh(self.plan.fingerprint(digest), &self.layout);
        tracing::debug!(program = self.plan.image.name, is_fresh, "compared the build record");
        if !is_fresh {
            return Ok(None);
        }
        if known.is_some() {
            return Ok(Some(record));
        }
        // The same module in a new file, which the next build needn't read.
        let record = record.of_file(file);
        json_cache::write(&self.record, &record);
        Ok(Some(record))
    }

    async fn pack(&self, shell: &Shell) -> Result<BuildRecord, Error> {
        let wasm = &self.program.module.wasm;
        let file = TrackedFile::of(wasm);
        let module = BuiltModule::read(wasm)?;
        let digest = Digest::of(module.bytes());
        let folders: Vec<&Path> =
            self.compiled.private_paths.iter().map(PathBuf::as_path).collect();
        for path in leaked_paths(module.bytes(), &folders) {
            let name = &self.plan.image.name;
            shell.warn(format_args!(
                "`{name}` seems to hold a path of this machine, and so may differ on others: {path}"
            ));
        }
        let packed = pack(module, &self.plan, &self.cache, Some(&self.sizes), shell)?;
        to_layout(&packed.images, &self.layout, shell).await?;
        if self.request.layout.is_none() {
            // A layout that the user chose may hold other images, whose blobs have to stay. In our own, the blobs of earlier
            // builds would add up, but a failure to remove them costs nothing but space.
            let prune = async { Layout::open(&self.layout)?.prune().await };
            prune.await.or_trace("remove images of earlier builds");
        }
        self.write_debug_file(packed.module.named())?;
        packed.sizes.show(shell);
        // Last, so that an interrupted build leaves no record.
        let fingerprint = self.plan.fingerprint(digest);
        let record = BuildRecord::new(file, digest, fingerprint, &self.layout, &packed);
        if !self.request.no_cache {
            json_cache::write(&self.record, &record);
        }
        Ok(record)
    }

    fn write_debug_file(&self, named: &[u8]) -> Result<(), Error> {
        // A layout in another place doesn't make the folder.
        let folder = self.debug_file.parent().unwrap_or(Path::new("."));
        let made = std::fs::create_dir_all(folder);
        made.map_err(|source| AppError::Write { path: folder.to_owned(), source })?;
        Ok(write(&self.debug_file, named)?)
    }
}

impl BuiltImages {
    /// Reads the images from the layout.
    pub async fn load(&self) -> Result<Vec<TaggedImage>, Error> {
        let layout = Layout::open(&self.layout)?;
        let mut images = Vec::new();
        for BuiltImage { format, digest, tags, .. } in &self.images {
            let image = load(&layout, &Name::Digest(*digest)).await?;
            images.push(TaggedImage { format: *format, image, tags: tags.clone() });
        }
        Ok(images)
    }

    /// Returns the image of the main format.
    pub fn main(&self) -> Result<&BuiltImage, UsageError> {
        self.images.first().ok_or(UsageError::NoImage)
    }

    /// Reads the image of the main format from the layout.
    pub async fn load_main(&self) -> Result<Image, Error> {
        let name = Name::Digest(self.main()?.digest);
        Ok(load(&Layout::open(&self.layout)?, &name).await?)
    }

    /// Prints each image and its places.
    pub fn print(&self, places: &Places<'_>, shell: &Shell, json: bool) -> Result<(), Error> {
        for image in &self.images {
            let BuiltImage { format, digest, tags, .. } = image;
            let name = &self.project.target;
            let message =
                ImageMessage::of_parts(name, *format, *digest, image.size(), tags, places);
            let package = Some(self.project.package.clone());
            ImageMessage { package, fresh: self.fresh, module: Some(self.sizes), ..message }
                .print(shell, json)?;
        }
        Ok(())
    }
}

/// Chooses the program to start: the only one, otherwise the package's `default-run`.
pub fn only_program(all: &[BuiltImages]) -> Result<&BuiltImages, Error> {
    let mut default = all.iter().filter(|program| program.project.is_default_run);
    // `cargo run` follows the same rule.
    match (all, default.next(), default.next()) {
        ([only], ..) => Ok(only),
        (_, Some(default), None) => Ok(default),
        _ => {
            let names = all.iter().map(|program| name_among(all, program)).collect();
            Err(UsageError::AmbiguousProgram { names }.into())
        }
    }
}

/// Returns the name of a program for messages, with its package if another one has the same name.
pub fn name_among(all: &[BuiltImages], program: &BuiltImages) -> String {
    let Project { package, target, .. } = &program.project;
    match all.iter().filter(|other| other.project.target == *target).count() {
        0 | 1 => target.clone(),
        _ => format!("{package}/{target}"),
    }
}
