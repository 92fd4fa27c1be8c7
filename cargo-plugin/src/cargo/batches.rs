//! Runs of cargo for one build.
//!
//! cargo names the file of a module after its target alone. So targets of one name, such as the programs `app` of two packages,
//! overwrite each other's module: in one run, in runs that follow each other, and in runs at the same time. Each of them is
//! built by a run of its own, with a target directory of its own.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::cargo::pattern::is_listed;
use crate::cargo::project::{Project, TargetKind, Workspace};
use crate::cargo::selection::{Selection, TargetArgs};

/// One run of cargo.
#[derive(Debug)]
pub struct Batch {
    pub selection: Selection,
    /// Folder for intermediate results, instead of the one that cargo would use.
    pub build_dir: Option<PathBuf>,
}

/// Targets of one kind that are built together: all, or those of one package.
type Unit<'a> = (TargetKind, Option<&'a str>);

/// Returns the runs that together build the selected `projects`.
pub fn batches(workspace: &Workspace, projects: &[Project], selection: &Selection) -> Vec<Batch> {
    let all = workspace.all_projects();
    let together = in_one_run(projects, selection);
    if !projects.iter().any(|project| loses_its_file(project, all, &together)) {
        return vec![Batch { selection: together, build_dir: None }];
    }
    // One kind in each run, because `--bins --lib` builds the libraries of all packages.
    let mut units: BTreeMap<Unit<'_>, Vec<&Project>> = BTreeMap::new();
    for project in projects {
        let package = is_contested(project, all).then_some(project.package.as_str());
        units.entry((project.kind, package)).or_default().push(project);
    }
    let features = features(workspace, projects, selection);
    let batch = |((kind, package), projects): (Unit<'_>, Vec<&Project>)| {
        let selection = of_unit(kind, &projects, selection, &features);
        match package {
            None => Batch { selection, build_dir: None },
            Some(package) => apart(workspace, selection, kind, package, &projects, all),
        }
    };
    units.into_iter().map(batch).collect()
}

/// Returns the selection with the targets that the user did not name.
fn in_one_run(projects: &[Project], selection: &Selection) -> Selection {
    if selection.targets.is_given() {
        return selection.clone();
    }
    let lib = projects.iter().any(|project| project.kind == TargetKind::Cdylib);
    // Always with `bins`, so that cargo also reports bins that are newer than the cached metadata.
    let targets = TargetArgs { bins: true, lib, ..TargetArgs::default() };
    Selection { targets, ..selection.clone() }
}

/// Returns true if one run for all projects could write another target's module into the project's file.
fn loses_its_file(project: &Project, all: &[Project], together: &Selection) -> bool {
    let is_built = |other: &Project| other.kind == TargetKind::Cdylib && together.targets.lib;
    is_contested(project, all) || rivals(project, all).any(is_built)
}

/// Returns true if the project has to be built apart from its rivals.
fn is_contested(project: &Project, all: &[Project]) -> bool {
    // A program keeps its file if only libraries have the same: they are built apart from it.
    let is_program = project.kind == TargetKind::Bin;
    rivals(project, all).any(|other| !is_program || other.kind == TargetKind::Bin)
}

/// Returns the other targets that cargo builds into the same file.
fn rivals<'a>(project: &'a Project, all: &'a [Project]) -> impl Iterator<Item = &'a Project> {
    all.iter().filter(|other| other.file == project.file && !other.is_same_target(project))
}

/// Returns the selection of exactly these projects, which are all of one kind.
fn of_unit(
    kind: TargetKind,
    projects: &[&Project],
    selection: &Selection,
    features: &[(String, Vec<String>)],
) -> Selection {
    let mut packages: Vec<&Project> = projects.to_vec();
    packages.dedup_by_key(|project| &project.package_id);
    let names = |patterns: &[String]| -> Vec<String> {
        // cargo refuses a name that none of the packages has.
        let is_here = |pattern: &&String| {
            projects.iter().any(|it| is_listed(std::slice::from_ref(*pattern), &it.target))
        };
        patterns.iter().filter(is_here).cloned().collect()
    };
    let mut targets = TargetArgs { lib: kind == TargetKind::Cdylib, ..TargetArgs::default() };
    let given = &selection.targets;
    match kind {
        TargetKind::Bin => {
            targets.bin = names(&given.bin);
            targets.bins = given.bins || targets.bin.is_empty();
        }
        TargetKind::Example => {
            targets.example = names(&given.example);
            targets.examples = given.examples || targets.example.is_empty();
        }
        TargetKind::Cdylib => {}
    }
    let here = |ids: &[String]| packages.iter().any(|project| ids.contains(&project.package_id));
    Selection {
        targets,
        // With the version, because a dependency may have the name of a member.
        packages: packages.iter().map(|it| format!("{}@{}", it.package, it.version)).collect(),
        workspace: false,
        exclude: Vec::new(),
        features: features
            .iter()
            .filter(|(_, ids)| ids.is_empty() || here(ids))
            .map(|(feature, _)| feature.clone())
            .collect(),
        ..selection.clone()
    }
}

/// Returns each feature, and the selected packages that have it: cargo refuses a feature that no package of a run has.
fn features(
    workspace: &Workspace,
    projects: &[Project],
    selection: &Selection,
) -> Vec<(String, Vec<String>)> {
    let features = selection.features.iter().flat_map(|list| list.split([' ', ',']));
    let of = |feature: &str| {
        let ids = projects.iter().map(|project| &project.package_id);
        ids.filter(|id| workspace.has_feature(feature, id)).cloned().collect()
    };
    // One that no package has stays in each run, so that cargo says so.
    features.filter(|it| !it.is_empty()).map(|it| (it.to_owned(), of(it))).collect()
}

/// Returns a run with a target directory of its own.
fn apart(
    workspace: &Workspace,
    selection: Selection,
    kind: TargetKind,
    package: &str,
    projects: &[&Project],
    all: &[Project],
) -> Batch {
    let folder = workspace.target_dir().join("wasm-oci/.apart").join(package).join(kind.name());
    let build_dir = match projects.iter().any(|project| loses_its_intermediate(project, all)) {
        true => folder.clone(),
        // Dependencies are not compiled again. A cargo older than 1.91 has no such folder, and compiles them.
        false => workspace.build_dir().to_owned(),
    };
    Batch {
        selection: Selection { target_dir: Some(folder), ..selection },
        build_dir: Some(build_dir),
    }
}

/// Returns true if another target also overwrites the file from which cargo takes the module.
fn loses_its_intermediate(project: &Project, all: &[Project]) -> bool {
    // That file has a hash in its name, except for a library. Intermediate files of examples are in the folder of the
    // results.
    let is_example = project.kind == TargetKind::Example;
    project.is_library && rivals(project, all).any(|other| is_example || other.is_library)
}

/// Returns the name of a target that no other target of the workspace has: its own, or `PACKAGE.TARGET`.
pub fn unique_name(workspace: &Workspace, project: &Project) -> String {
    // The names are those of folders, and some file systems ignore case.
    let name = project.target.to_lowercase();
    let all = workspace.all_projects();
    let mut rivals =
        all.iter().filter(|it| it.target.to_lowercase() == name && !it.is_same_target(project));
    // A library or an example of the same name is built only on request, and leaves the name to the program.
    if rivals.all(|other| rank(project.kind) < rank(other.kind)) {
        return project.target.clone();
    }
    let suffix = match project.kind {
        TargetKind::Bin => "",
        TargetKind::Cdylib => ".lib",
        TargetKind::Example => ".example",
    };
    format!("{}.{}{suffix}", project.package, project.target)
}

/// Returns the target's own name, if no target of the workspace has its results there.
pub fn name_of_none<'a>(workspace: &Workspace, project: &'a Project) -> Option<&'a str> {
    if unique_name(workspace, project) == project.target {
        return None;
    }
    let all = workspace.all_projects();
    let mut rivals = all.iter().filter(|other| other.target == project.target);
    let is_unused = rivals.all(|other| unique_name(workspace, other) != project.target);
    is_unused.then_some(project.target.as_str())
}

fn rank(kind: TargetKind) -> u8 {
    match kind {
        TargetKind::Bin => 0,
        TargetKind::Cdylib => 1,
        TargetKind::Example => 2,
    }
}
